//! Another implementation reads what was recorded.

use std::path::Path;

use super::super::closing::{Closing, within};
use super::super::manifest::{Manifest, Paths, VERSION};
use super::super::recorder::{Bounds, Recorder};
use super::*;
use crate::broadcast::rig::Rig;
use crate::hls::Finished;
use crate::tests::ffprobe::{decode, mux, probe, x264};

/// Records what a rig has muxed into a folder; the paths of the playlist and of the MP4 file.
async fn record(rig: &Rig, folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let store = RecordStore::folder(folder).unwrap();
    let archive = &*store.0;
    let id: RecordingId = "r".parse().unwrap();
    let manifest = Manifest {
        version: VERSION,
        id: id.clone(),
        stream: "a".to_owned(),
        owner: 7,
        started_at: 0,
        mp4: true,
        end: None,
    };
    let paths = Paths::new(&"a".parse().unwrap(), &id);
    let bounds = Bounds {
        duration: Duration::MAX,
        bytes: u64::MAX,
        segments: usize::MAX,
    };
    let mut recorder = Recorder::new(&manifest, paths.clone(), 0, bounds);
    let mut segments = rig.segments.iter().enumerate();
    loop {
        while let Some(write) = recorder.poll(std::time::Instant::now()).cloned() {
            let written = within(archive.put(&write.path, write.data)).await;
            recorder.handle_written(std::time::Instant::now(), written);
        }
        let Some((number, (segment, wall))) = segments.next() else {
            break;
        };
        let init = rig.inits.iter().find(|i| i.version == segment.init);
        let finished = Finished {
            init: init.unwrap().clone(),
            data: segment.data.clone(),
            duration: segment.lasts,
            wall: *wall,
            is_independent: segment.is_independent,
            discontinuity: segment.discontinuity,
        };
        recorder.handle_segment(number as u64, &finished);
    }
    recorder.handle_over();
    let (entries, missed, reason, error) = recorder.end();
    let how = (reason, missed, error);
    let mut closing = Closing::new(paths.clone(), manifest, entries, how);
    closing
        .carry_on(archive, &Mp4Turns::new(0), true)
        .await
        .unwrap();
    assert_eq!(closing.manifest.end.unwrap().errors(), None);
    (folder.join(paths.playlist()), folder.join(paths.mp4()))
}

/// Seconds of a file, as its header says.
fn length(path: &Path) -> f64 {
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "format=duration"])
        .args(["-of", "default=noprint_wrappers=1:nokey=1"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn ffmpeg_reads_the_playlist_and_the_file_to_the_last_picture() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = x264("640x360", 9);
    let rig = mux(&pictures);
    let (playlist, mp4) = record(&rig, folder.path()).await;
    for path in [&playlist, &mp4] {
        let (codecs, times) = probe(path);
        assert_eq!(codecs, ["aac", "h264"], "{}", path.display());
        let (video, audio) = (&times["video"], &times["audio"]);
        assert_eq!(video.len(), pictures.len(), "{}", path.display());
        assert!(audio.len() > 400, "{} in {}", audio.len(), path.display());
        for times in [video, audio] {
            assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
        }
        let off = (video[0] - audio[0]).abs();
        assert!(off < 0.04, "{off} in {}", path.display());
        assert_eq!(decode(path), pictures.len() as u64);
        let seconds = length(path);
        assert!((8.9..9.1).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn a_player_seeks_in_the_file_to_the_key_frame() {
    let folder = tempfile::tempdir().unwrap();
    let rig = mux(&x264("320x180", 9));
    let (_, mp4) = record(&rig, folder.path()).await;
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-select_streams", "v"])
        .args([
            "-read_intervals",
            "5.5%+#1",
            "-show_entries",
            "packet=pts_time,flags",
        ])
        .arg(&mp4)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap();
    // Key frames come every two seconds.
    assert!(first.starts_with("4.0") && first.contains('K'), "{text}");
}

#[tokio::test]
async fn ffmpeg_decodes_the_file_over_a_change_of_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let mut pictures = x264("640x360", 4);
    pictures.extend(x264("320x180", 4));
    let rig = mux(&pictures);
    let (_, mp4) = record(&rig, folder.path()).await;
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-select_streams", "v"])
        .args(["-show_entries", "frame=width"])
        .arg(&mp4)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.is_empty(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let widths: Vec<_> = text.lines().map(|line| line.trim_matches(',')).collect();
    assert_eq!(widths.len(), 200);
    assert!(widths[..100].iter().all(|width| *width == "640"));
    assert!(widths[100..].iter().all(|width| *width == "320"));
}
