//! Another implementation reads what comes out: pictures of x264 and an Opus tone go in, and
//! ffprobe and ffmpeg read the FLV and the HLS.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use packager::hls::{InitSection, Part, PlaylistConfig, Segment};
use packager::rtp::Tracks;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};
use serde_json::Value;

use super::codecs::{bounded, ffmpeg, hashes};
use super::*;
use crate::TimeShiftConfig;
use crate::broadcast::rig::Rig;
use crate::broadcast::testing::Tone;
use crate::flv::{FlvBody, Ring, RingLimits, Tag, TagKind};
use crate::hls::{Lookup, Store};
use crate::limits::{Seat, Seats};
use crate::shift::{Shelf, TimeShift};
use crate::viewer::{BodyCounters, StartAt, ViewerWatch};

/// The pictures' access units: `seconds` at 25 a second, a key frame every two seconds.
pub(crate) fn x264(size: &str, seconds: u32) -> Vec<Vec<Vec<u8>>> {
    let output = bounded("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=size={size}:rate=25"))
        .args(["-t", &seconds.to_string(), "-pix_fmt", "yuv420p"])
        .args([
            "-c:v",
            "libx264",
            "-profile:v",
            "baseline",
            "-preset",
            "ultrafast",
        ])
        .args(["-bf", "0", "-g", "50", "-x264-params", "aud=1:slices=1"])
        .args(["-f", "h264", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success());
    let mut units: Vec<Vec<Vec<u8>>> = Vec::new();
    for nal in nal_units(&output.stdout) {
        match nal[0] & 0x1f {
            9 => units.push(Vec::new()),
            _ => units.last_mut().expect("a delimiter comes first").push(nal),
        }
    }
    units
}

/// NAL units between start codes (ITU-T H.264, annex B).
fn nal_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter(|(_, window)| *window == [0, 0, 1])
        .map(|(at, _)| at + 3)
        .collect();
    let ends = starts
        .iter()
        .skip(1)
        .map(|next| next - 3)
        .chain([stream.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let unit = &stream[*start..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        unit[..unit.len() - zeros].to_vec()
    });
    units.collect()
}

/// Plays the pictures and a tone through the muxer.
pub(crate) fn mux(pictures: &[Vec<Vec<u8>>]) -> Rig {
    play(Tracks::BOTH, pictures, 40.0)
}

/// Plays the pictures, one every `period` ms, and a tone, as far as there is such a track.
pub(super) fn play(tracks: Tracks, pictures: &[Vec<Vec<u8>>], period: f64) -> Rig {
    let mut rig = Rig::new(tracks);
    play_into(&mut rig, tracks, pictures, period, || {});
    rig
}

/// The same through a rig that is there, with a look at what has come out behind each picture.
pub(super) fn play_into(
    rig: &mut Rig,
    tracks: Tracks,
    pictures: &[Vec<Vec<u8>>],
    period: f64,
    mut look: impl FnMut(),
) {
    let mut publisher = Publisher::new(rig.start);
    let mut tone = Tone::new(440.0);
    for (number, nals) in pictures.iter().enumerate() {
        let ms = number as f64 * period;
        if tracks.video {
            for item in publisher.access_unit(ms, nals) {
                rig.feed(item);
            }
        }
        for packet in 0..(period / 20.0) as u32 {
            if tracks.audio {
                let opus = tone.frame(&|_| true);
                rig.feed(publisher.sound(ms + 20.0 * f64::from(packet), &opus));
            }
        }
        if number % 25 == 1 {
            for report in publisher.reports(ms + 20.0) {
                rig.feed(report);
            }
        }
        look();
    }
    rig.finish();
    rig.check();
}

/// What a viewer from the beginning to the end reads.
pub(super) fn flv_file(tags: impl IntoIterator<Item = Tag>) -> Vec<u8> {
    let ring = Arc::new(Ring::new(RingLimits {
        max_bytes: usize::MAX,
        max_age: Duration::MAX,
        max_lag: Duration::MAX,
        max_gop: Duration::MAX,
    }));
    ring.set_audio(
        packager::frames::AudioConfig::aac_lc(48_000, 2)
            .ok()
            .map(Arc::new),
    );
    let gauge = IntGauge::new("viewers", "viewers").unwrap();
    let count = || IntCounter::new("count", "count").unwrap();
    let counters = BodyCounters {
        sent: count(),
        skips: count(),
        undecodable: count(),
        closed: IntCounterVec::new(Opts::new("closed", "closed"), &["reason"]).ok(),
    };
    let seat = Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap();
    let mut body = FlvBody::new(
        ring.clone(),
        StartAt::Newest,
        usize::MAX,
        ViewerWatch::new(Duration::MAX),
        seat,
        counters,
    );
    let mut file = Vec::new();
    let mut read = |body: &mut FlvBody| {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(bytes)) = body.poll_bytes(&mut cx) {
            file.extend_from_slice(&bytes);
        }
    };
    for tag in tags {
        ring.append([tag]);
        read(&mut body);
    }
    ring.close();
    read(&mut body);
    file
}

/// A store with all segments of a rig, and its end.
fn store(rig: &Rig) -> Store {
    let store = fill(rig, 100, None);
    store.end();
    store
}

/// One that goes on, with so many segments in its live playlist, and a window for what leaves it.
fn fill(rig: &Rig, window: usize, shelf: Option<Shelf>) -> Store {
    fill_with(&rig.inits, &rig.segments, window, shelf)
}

fn fill_with(
    inits: &[InitSection],
    segments: &[(Segment, SystemTime)],
    window: usize,
    shelf: Option<Shelf>,
) -> Store {
    let config = PlaylistConfig {
        hold_back: packager::hls::HOLD_BACK,
        target: Duration::from_secs(2),
        part: None,
        window,
    };
    let store = Store::new(config, id("a"), "stamp".to_owned()).with_shelf(shelf);
    inits.iter().for_each(|init| store.push_init(init.clone()));
    for (segment, wall) in segments {
        let whole = Part {
            init: segment.init,
            data: segment.data.clone(),
            start: segment.start,
            duration: segment.duration,
            starts_segment: true,
            is_independent: segment.is_independent,
            is_start: segment.is_independent,
            discontinuity: segment.discontinuity,
        };
        store.push_part(&whole, Some(*wall));
        store.push_segment(segment);
    }
    store
}

/// Writes playlist, sections and segments into `folder`; returns the playlist's path.
pub(super) fn hls_folder(rig: &Rig, folder: &Path) -> PathBuf {
    let store = store(rig);
    let playlist = store.playlist(false).unwrap().data;
    write_files(&store, "stamp", rig.inits.len(), rig.segments.len(), folder);
    let path = folder.join("a.m3u8");
    fs::write(&path, playlist).unwrap();
    path
}

/// The same of the publisher's own sound.
pub(super) fn opus_folder(rig: &Rig, folder: &Path) -> PathBuf {
    let store = fill_with(&rig.opus_inits, &rig.opus_segments, 100, None);
    store.end();
    let playlist = store.playlist(false).unwrap().data;
    let (inits, segments) = (rig.opus_inits.len(), rig.opus_segments.len());
    write_files(&store, "stamp", inits, segments, folder);
    let path = folder.join("a_opus.m3u8");
    fs::write(&path, playlist).unwrap();
    path
}

/// The same of the pictures alone.
pub(super) fn picture_folder(rig: &Rig, folder: &Path) -> PathBuf {
    let store = store(rig);
    let playlist = store.picture_playlist(false).unwrap().data;
    write_files(
        &store,
        "stampv",
        rig.inits.len(),
        rig.segments.len(),
        folder,
    );
    let path = folder.join("a").join("video.m3u8");
    fs::write(&path, playlist).unwrap();
    path
}

fn write_files(store: &Store, stamp: &str, inits: usize, segments: usize, folder: &Path) {
    fs::create_dir_all(folder.join("a")).unwrap();
    let inits = (0..inits).map(|version| format!("{stamp}-init{version}.mp4"));
    let segments = (0..segments).map(|number| format!("{stamp}-{number}.m4s"));
    for name in inits.chain(segments) {
        let Lookup::Found(file) = store.file(&name) else {
            panic!("{name} is not there");
        };
        fs::write(folder.join("a").join(name), file.data).unwrap();
    }
}

/// The same as Transport Stream.
pub(super) async fn transport_folder(rig: &Rig, folder: &Path) -> PathBuf {
    let store = store(rig);
    let playlist = store.transport_playlist().unwrap().unwrap().data;
    fs::create_dir_all(folder.join("a")).unwrap();
    for number in 0..rig.segments.len() {
        let name = format!("stamp-{number}.ts");
        let Lookup::Transport(found) = store.file(&name) else {
            panic!("{name} is not there");
        };
        let file = found.file(&rig.metrics).await.unwrap();
        fs::write(folder.join("a").join(name), file.data).unwrap();
    }
    let path = folder.join("a").join("ts.m3u8");
    fs::write(&path, playlist).unwrap();
    path
}

/// The playlist of all that a window keeps of them, which are in memory, in files and in the store:
/// while the broadcast is live, and once it has ended.
pub(super) async fn shift_folder(rig: &Rig, folder: &Path) -> [PathBuf; 2] {
    let kept = tempfile::tempdir().unwrap();
    let bytes = rig
        .segments
        .iter()
        .map(|(segment, _)| segment.data.len() as u64);
    let config = TimeShiftConfig {
        window: Duration::from_secs(600),
        memory_bytes: bytes.sum::<u64>() * 4 / 5,
        folder: Some(kept.path().to_owned()),
        max_bytes: 1 << 30,
    };
    let runtime = tokio::runtime::Handle::current();
    let target = Duration::from_secs(2);
    let shift = TimeShift::new(Some(&config), target, &runtime, &Registry::new());
    let shift = shift.unwrap().unwrap();
    let store = fill(rig, 3, Some(shift.shelf("stamp")));
    fs::create_dir_all(folder.join("a")).unwrap();
    let inits = rig.inits.iter();
    let inits = inits.map(|i| format!("stamp-init{}.mp4", i.version));
    let segments = (0..rig.segments.len()).map(|n| format!("stamp-{n}.m4s"));
    let mut in_files = 0;
    let is_written =
        || fs::read_dir(kept.path().join("stamp.window")).map_or(0, Iterator::count) > 3;
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !is_written() {
        assert!(std::time::Instant::now() < end, "nothing is written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for name in inits.chain(segments) {
        let data = match store.file(&name) {
            Lookup::Found(file) => file.data,
            Lookup::OnDisk(file) => {
                in_files += 1;
                file.read().await.unwrap()
            }
            other => panic!("{name}: {other:?}"),
        };
        fs::write(folder.join("a").join(name), data).unwrap();
    }
    assert!(
        (4..rig.segments.len() - 6).contains(&in_files),
        "{in_files}"
    );
    ["live.m3u8", "ended.m3u8"].map(|name| {
        let path = folder.join("a").join(name);
        fs::write(&path, store.shift_playlist(false).unwrap().data).unwrap();
        store.end();
        path
    })
}

/// A folder of this test's own, removed at the end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weblive-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Codec names of the streams, and the decode times of each stream's packets in seconds.
pub(crate) fn probe(path: &Path) -> (Vec<String>, HashMap<String, Vec<f64>>) {
    let output = bounded("ffprobe")
        .args(["-v", "warning", "-of", "json"])
        .args([
            "-show_entries",
            "stream=codec_name:packet=codec_type,dts_time",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("ffprobe runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = document["streams"].as_array().unwrap();
    let mut codecs: Vec<String> = streams
        .iter()
        .map(|s| s["codec_name"].as_str().unwrap().to_owned())
        .collect();
    codecs.sort();
    let mut times: HashMap<String, Vec<f64>> = HashMap::new();
    for packet in document["packets"].as_array().unwrap() {
        let kind = packet["codec_type"].as_str().unwrap().to_owned();
        let time = packet["dts_time"].as_str().unwrap().parse().unwrap();
        times.entry(kind).or_default().push(time);
    }
    (codecs, times)
}

/// Decodes all of it; returns the number of pictures.
pub(crate) fn decode(path: &Path) -> u64 {
    let output = bounded("ffmpeg")
        .args(["-v", "warning", "-xerror", "-i"])
        .arg(path)
        .args([
            "-fps_mode",
            "passthrough",
            // Else it counts in frames of a rate that it guessed.
            "-enc_time_base:v",
            "-1",
            "-progress",
            "-",
            "-f",
            "null",
            "/dev/null",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.is_empty(), "{errors}");
    let progress = String::from_utf8_lossy(&output.stdout);
    let frames = progress
        .lines()
        .rfind(|line| line.starts_with("frame="))
        .unwrap();
    frames["frame=".len()..].trim().parse().unwrap()
}

#[test]
fn ffmpeg_reads_flv_and_hls() {
    let folder = Folder::new("ffprobe");
    let pictures = x264("640x360", 8);
    assert_eq!(pictures.len(), 200);
    let rig = mux(&pictures);
    let flv = folder.0.join("a.flv");
    fs::write(&flv, flv_file(rig.tags.iter().map(|(_, tag)| tag.clone()))).unwrap();
    let hls = hls_folder(&rig, &folder.0);
    for path in [&flv, &hls] {
        let (codecs, times) = probe(path);
        assert_eq!(codecs, ["aac", "h264"], "{}", path.display());
        let (video, audio) = (&times["video"], &times["audio"]);
        assert_eq!(video.len(), 200, "{}", path.display());
        assert!(audio.len() > 360, "{} in {}", audio.len(), path.display());
        for times in [video, audio] {
            assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
        }
        let off = (video[0] - audio[0]).abs();
        assert!(off < 0.04, "{off} in {}", path.display());
        assert_eq!(decode(path), 200);
    }
}

#[tokio::test]
async fn ffmpeg_plays_a_window_from_its_beginning() {
    let folder = Folder::new("dvr");
    let rig = mux(&x264("640x360", 40));
    let [live, ended] = shift_folder(&rig, &folder.0).await;
    let expected = hashes(&hls_folder(&rig, &folder.0));
    assert_eq!(expected.len(), 1_000);
    assert_eq!(hashes(&ended), expected);
    // What is live is not asked for beyond what there is. Errors alone: a reader that is slow reads
    // the initialization section again with the playlist, and warns of that.
    let live = live.to_str().unwrap();
    let begin = ["-v", "error", "-live_start_index", "0"];
    let read = ["-i", live, "-t", "36", "-map", "0:v", "-fps_mode"];
    let write = ["passthrough", "-f", "framemd5", "-"];
    let read = ffmpeg(&[&begin[..], &read[..], &write[..]].concat());
    let read: Vec<_> = read
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(", ")?.1.to_owned()))
        .collect();
    assert!(read.len() >= 890, "{}", read.len());
    assert_eq!(read[..], expected[..read.len()]);
}

#[test]
fn ffmpeg_decodes_a_still_picture() {
    let folder = Folder::new("still");
    let rig = mux(&x264("640x360", 3));
    let keyframes = rig.tags.iter().filter_map(|(_, tag)| match &tag.kind {
        TagKind::Keyframe(config) => Some((config, &tag.bytes)),
        TagKind::Picture | TagKind::Audio(_) => None,
    });
    let keyframes: Vec<_> = keyframes.collect();
    assert_eq!(keyframes.len(), 2);
    let whole = folder.0.join("a.flv");
    fs::write(
        &whole,
        flv_file(rig.tags.iter().map(|(_, tag)| tag.clone())),
    )
    .unwrap();
    let hash = hashes(&whole)[50].clone();
    let (config, tag) = keyframes[1];
    let still = packager::fmp4::still(config, packager::flv::coded_picture(tag)).unwrap();
    let path = folder.0.join("a.mp4");
    fs::write(&path, still).unwrap();
    assert_eq!(decode(&path), 1);
    assert_eq!(hashes(&path), [hash]);
}

#[test]
fn ffmpeg_decodes_over_a_change_of_resolution() {
    let folder = Folder::new("resolution");
    let mut pictures = x264("640x360", 4);
    pictures.extend(x264("320x180", 4));
    let rig = mux(&pictures);
    assert_eq!(rig.discontinuities(), 1);
    let flv = folder.0.join("a.flv");
    fs::write(&flv, flv_file(rig.tags.iter().map(|(_, tag)| tag.clone()))).unwrap();
    // The last one before the change is shown twice more: see `flv::closing_tags`.
    assert_eq!(decode(&flv), 202);
    let hashes = hashes(&flv);
    assert!(hashes[98] != hashes[99] && hashes[101] != hashes[102]);
    assert_eq!(hashes[99..101], hashes[100..102]);
    let times = &probe(&flv).1["video"];
    let behind = |number: usize| (1_000.0 * (times[102] - times[number])).round();
    assert_eq!([behind(99), behind(100), behind(101)], [40.0, 2.0, 1.0]);
}
