//! Other codecs than H.264: what libvpx and libaom encode goes in, and ffmpeg decodes of FLV and HLS
//! the very pictures that it decodes of what went in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use packager::flv::demux::{Demuxed, Demuxer};
use packager::rtp::{Codec, Tracks};

use super::ffprobe::{Folder, flv_file, hls_folder, probe, x264};
use super::*;
use crate::broadcast::rig::Rig;
use crate::broadcast::testing::Tone;

/// The most bytes in an RTP payload.
const MTU: usize = 1_000;

/// Runs ffmpeg without a word of complaint; gives what it writes.
pub(super) fn ffmpeg(args: &[&str]) -> String {
    let output = bounded("ffmpeg")
        .args(["-v", "warning", "-y"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program that is ended after two minutes.
pub(super) fn bounded(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["120", program]);
    command
}

/// Encodes `seconds` of 640x360 at 25 a second into `path`, a key frame every second.
fn encode(codec: Codec, seconds: u32, path: &Path) {
    let source = format!("testsrc2=size=640x360:rate=25:duration={seconds}");
    let encoder: &[&str] = match codec {
        Codec::Vp9 => &["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
        _ => &["libaom-av1", "-usage", "realtime", "-cpu-used", "8"],
    };
    let mut args = vec!["-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "-c:v"];
    args.extend(encoder);
    args.extend([
        "-lag-in-frames",
        "0",
        "-g",
        "25",
        "-b:v",
        "600k",
        "-f",
        "ivf",
    ]);
    let path = path.to_str().unwrap();
    args.push(path);
    ffmpeg(&args);
}

/// The frames of an IVF file.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).unwrap();
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((size, tail)) = rest.split_first_chunk() {
        let (frame, tail) = tail[8..].split_at(u32::from_le_bytes(*size) as usize);
        frames.push(frame.to_vec());
        rest = tail;
    }
    frames
}

/// Frames as an IVF file.
fn write_ivf(codec: Codec, frames: &[Vec<u8>], path: &Path) {
    let four_cc = if codec == Codec::Vp9 {
        b"VP90"
    } else {
        b"AV01"
    };
    let mut file = [&b"DKIF\0\0\x20\0"[..], four_cc].concat();
    file.extend([640u16, 360].iter().flat_map(|side| side.to_le_bytes()));
    file.extend(
        [25u32, 1, 0, 0]
            .iter()
            .flat_map(|field| field.to_le_bytes()),
    );
    for (number, frame) in frames.iter().enumerate() {
        file.extend((frame.len() as u32).to_le_bytes());
        file.extend((number as u64).to_le_bytes());
        file.extend(frame);
    }
    fs::write(path, file).unwrap();
}

/// A frame as RTP payloads: RFC 9628, or the AOMedia payload format.
fn payloads(codec: Codec, frame: &[u8]) -> Vec<Vec<u8>> {
    if codec == Codec::Vp9 {
        let parts: Vec<&[u8]> = frame.chunks(MTU).collect();
        let payload = |(index, part): (usize, &&[u8])| {
            let starts = if index == 0 { 0x08 } else { 0 };
            let ends = if index + 1 == parts.len() { 0x04 } else { 0 };
            [&[0x80 | starts | ends, index as u8 & 0x7f][..], part].concat()
        };
        return parts.iter().enumerate().map(payload).collect();
    }
    let obus = obus(frame);
    let is_new = obus.iter().any(|obu| obu[0] >> 3 == 1);
    let mut payloads = Vec::new();
    for obu in obus {
        let parts: Vec<&[u8]> = obu.chunks(MTU).collect();
        for (index, part) in parts.iter().enumerate() {
            let continues = if index > 0 { 0x80 } else { 0 };
            let goes_on = if index + 1 < parts.len() { 0x40 } else { 0 };
            let starts = if is_new && payloads.is_empty() {
                0x08
            } else {
                0
            };
            let head = continues | goes_on | starts | 1 << 4;
            payloads.push([&[head][..], part].concat());
        }
    }
    payloads
}

/// The OBUs of a temporal unit without their sizes, and without the delimiter.
fn obus(mut unit: &[u8]) -> Vec<Vec<u8>> {
    let mut obus = Vec::new();
    while let Some((header, tail)) = unit.split_first() {
        assert_eq!(header & 0x06, 0x02, "a size and no extension");
        let bytes = tail.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (size, tail) = tail.split_at(bytes);
        let size = size.iter().rev();
        let size = size.fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let (payload, tail) = tail.split_at(size);
        if header >> 3 != 2 {
            obus.push([&[header & !0x02][..], payload].concat());
        }
        unit = tail;
    }
    obus
}

/// Plays frames at 25 a second and a tone through the muxer.
fn play(rig: &mut Rig, frames: &[Vec<u8>], packets: impl Fn(&mut Publisher, f64, &[u8]) -> Items) {
    let mut publisher = Publisher::new(rig.now);
    let mut tone = Tone::new(440.0);
    for (number, frame) in frames.iter().enumerate() {
        let ms = number as f64 * 40.0;
        for item in packets(&mut publisher, ms, frame) {
            rig.feed(item);
        }
        for half in [0.0, 20.0] {
            rig.feed(publisher.sound(ms + half, &tone.frame(&|_| true)));
        }
        if number % 25 == 1 {
            for report in publisher.reports(ms + 20.0) {
                rig.feed(report);
            }
        }
    }
}

type Items = Vec<IngestItem>;

fn of(codec: Codec) -> impl Fn(&mut Publisher, f64, &[u8]) -> Items {
    move |publisher, ms, frame| publisher.video_packets(ms, codec, payloads(codec, frame))
}

/// What each picture decodes to.
pub(super) fn hashes(path: &Path) -> Vec<String> {
    hashes_of(&["-i", path.to_str().unwrap()])
}

/// The same of what these arguments name.
pub(super) fn hashes_of(input: &[&str]) -> Vec<String> {
    let output = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5"];
    let text = ffmpeg(&[input, &output, &["-"]].concat());
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let hash = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    lines.filter_map(hash).collect()
}

/// The frames in the video tags of an FLV file (E-RTMP v2): CodedFrames without their heads.
fn coded_frames(flv: &[u8], four_cc: &[u8; 4]) -> Vec<Vec<u8>> {
    let mut rest = &flv[13..];
    let mut frames = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<11>() {
        let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let body = &tail[..size];
        if head[0] == 9 && body[0] & 0x8f == 0x81 {
            assert_eq!(&body[1..5], four_cc);
            frames.push(body[5..].to_vec());
        }
        rest = &tail[size + 4..];
    }
    frames
}

/// What an edge makes of all that a viewer of FLV is sent.
pub(super) fn behind_an_edge(origin: &Rig) -> Rig {
    let mut edge = Rig::of_frames(Tracks::BOTH, origin.start);
    let mut demuxer = Demuxer::new();
    demuxer.handle(&flv_file(origin.tags.iter().map(|(_, tag)| tag.clone())));
    while let Some(found) = demuxer.poll().unwrap() {
        let at = match &found {
            Demuxed::Frame(frame) => edge.start + frame.dts().as_duration(),
            Demuxed::Audio(_) => edge.now,
        };
        edge.feed_frames(at.max(edge.now), vec![found]);
    }
    assert!(!demuxer.has_other_codec());
    edge.finish();
    edge.check();
    edge
}

/// An edge sends the very tags of its origin, and in HLS the same pictures.
pub(super) fn is_the_same_behind_an_edge(origin: &Rig, folder: &Path, expected: &[String]) {
    let edge = behind_an_edge(origin);
    let bytes = |rig: &Rig| -> Vec<_> {
        let tags = rig.tags.iter().map(|(_, tag)| tag.bytes.clone());
        tags.collect()
    };
    assert!(bytes(&edge) == bytes(origin), "FLV of an edge");
    let init = |rig: &Rig| (rig.inits[0].codecs.clone(), rig.inits[0].data.clone());
    assert_eq!((edge.inits.len(), init(&edge)), (1, init(origin)));
    let folder = folder.join("edge");
    fs::create_dir(&folder).unwrap();
    assert_eq!(
        hashes(&hls_folder(&edge, &folder)),
        expected,
        "HLS of an edge"
    );
}

fn is_carried_as_it_is(codec: Codec, name: &str, codec_string: &str, four_cc: &[u8; 4]) {
    let folder = Folder::new(name);
    let source: PathBuf = folder.0.join("source.ivf");
    encode(codec, 6, &source);
    let sent = frames(&source);
    assert_eq!(sent.len(), 150);
    let mut rig = Rig::new(Tracks::BOTH);
    play(&mut rig, &sent, of(codec));
    rig.finish();
    rig.check();
    assert_eq!((rig.accepted, rig.refusals), (1, 0));
    assert_eq!(rig.inits.len(), 1);
    assert_eq!(rig.inits[0].codecs, format!("{codec_string},mp4a.40.2"));
    assert_eq!(rig.inits[0].size, Some((640, 360)));

    let expected = hashes(&source);
    assert_eq!(expected.len(), 150);
    let hls = hls_folder(&rig, &folder.0);
    let (codecs, times) = probe(&hls);
    assert_eq!(codecs, ["aac", name]);
    assert!(times["video"].windows(2).all(|w| w[0] < w[1]));
    assert_eq!(hashes(&hls), expected);

    let flv = flv_file(rig.tags.iter().map(|(_, tag)| tag.clone()));
    let carried = folder.0.join("carried.ivf");
    write_ivf(codec, &coded_frames(&flv, four_cc), &carried);
    assert_eq!(hashes(&carried), expected);
    is_the_same_behind_an_edge(&rig, &folder.0, &expected);
}

#[test]
fn vp9_decodes_to_the_same_pictures() {
    is_carried_as_it_is(Codec::Vp9, "vp9", "vp09.00.30.08", b"vp09");
}

#[test]
fn av1_decodes_to_the_same_pictures() {
    is_carried_as_it_is(Codec::Av1, "av1", "av01.0.01M.08", b"av01");
}

#[test]
fn another_codec_of_the_next_publisher_is_a_discontinuity_with_a_section_of_its_own() {
    let folder = Folder::new("republish");
    let source = folder.0.join("source.ivf");
    encode(Codec::Vp9, 3, &source);
    let x264 = x264("640x360", 3);
    let pictures: Vec<Vec<u8>> = (0..x264.len()).map(|n| vec![n as u8]).collect();
    let mut rig = Rig::new(Tracks::BOTH);
    let h264 = |publisher: &mut Publisher, ms: f64, frame: &[u8]| {
        publisher.access_unit(ms, &x264[usize::from(frame[0])])
    };
    play(&mut rig, &pictures, h264);
    for (codec, frames) in [(Codec::Vp9, &frames(&source)), (Codec::H264, &pictures)] {
        rig.republish(Tracks::BOTH);
        match codec {
            Codec::Vp9 => play(&mut rig, frames, of(codec)),
            _ => play(&mut rig, frames, h264),
        }
    }
    rig.finish();
    rig.check();
    let codecs: Vec<&str> = rig.inits.iter().map(|init| init.codecs.as_str()).collect();
    assert_eq!(codecs.len(), 3, "{codecs:?}");
    assert!(codecs[0].starts_with("avc1.") && codecs[2] == codecs[0]);
    assert_eq!(codecs[1], "vp09.00.30.08,mp4a.40.2");
    assert_eq!(rig.discontinuities(), 2);
    assert_eq!(rig.video_times().len(), 225);
    let flv = flv_file(rig.tags.iter().map(|(_, tag)| tag.clone()));
    assert_eq!(coded_frames(&flv, b"vp09").len(), 75);
    let edge = behind_an_edge(&rig);
    let of_edge: Vec<&str> = edge.inits.iter().map(|init| init.codecs.as_str()).collect();
    assert_eq!((of_edge, edge.discontinuities()), (codecs, 2));
    // Before VP9 H.264 has two pictures more, which repeat its last one.
    assert_eq!(edge.video_times().len(), 225 + 2);
    let flv = flv_file(edge.tags.iter().map(|(_, tag)| tag.clone()));
    assert_eq!(coded_frames(&flv, b"vp09").len(), 75);
}

#[test]
fn a_publisher_that_changes_its_codec_goes_on_with_the_key_frame_of_the_other() {
    let folder = Folder::new("change");
    let source = folder.0.join("source.ivf");
    encode(Codec::Av1, 4, &source);
    let av1 = frames(&source);
    let x264 = x264("640x360", 4);
    let numbers: Vec<Vec<u8>> = (0..av1.len()).map(|n| vec![n as u8]).collect();
    let mut rig = Rig::new(Tracks::BOTH);
    play(&mut rig, &numbers, |publisher, ms, number| {
        let number = usize::from(number[0]);
        // Its key frames are 25 pictures apart: 15 are lost.
        match (10..60).contains(&number) {
            true => of(Codec::Av1)(publisher, ms, &av1[number]),
            false => publisher.access_unit(ms, &x264[number]),
        }
    });
    rig.finish();
    rig.check();
    assert_eq!((rig.accepted, rig.refusals), (1, 0));
    // H.264 up to 10, AV1 from 25 to 60; x264 has no key frame but at 50, which is AV1's.
    assert_eq!(rig.video_times().len(), 10 + 35);
    assert_eq!(rig.discontinuities(), 1);
    assert!(!rig.asked.is_empty());
}

#[test]
fn a_late_packet_of_the_codec_before_is_left_out_and_counted() {
    // A key frame of 640x360, and one that needs it.
    let key = [0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xf0, 0x16, 0x70, 1];
    let inter = [0x86, 1];
    let mut rig = Rig::new(VIDEO);
    let mut publisher = Publisher::new(rig.now);
    let mut items = publisher.picture(0.0, true, 100);
    let late = publisher.picture(40.0, false, 100);
    for (ms, frame) in [(80.0, &key[..]), (120.0, &inter)] {
        items.extend(publisher.video_packets(ms, Codec::Vp9, payloads(Codec::Vp9, frame)));
        if ms < 100.0 {
            items.extend(late.clone());
        }
    }
    items.into_iter().for_each(|item| rig.feed(item));
    rig.finish();
    rig.check();
    assert_eq!(rig.metrics.dropped("video_of_old_codec"), 1);
    // The first key frame is left out, as the next picture is a key frame of another configuration.
    assert_eq!(rig.video_times().len(), 2);
}
