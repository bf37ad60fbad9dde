//! H.265: what x265 encodes and ffmpeg packs into RTP goes in, and ffmpeg decodes of all that comes
//! out the very pictures that it decodes of what went in.

use std::fs;
use std::path::{Path, PathBuf};

use packager::mp4_file::{self, Joiner};
use packager::rtp::{Codec, Tracks};

use super::codecs::{ffmpeg, hashes, hashes_of, is_the_same_behind_an_edge};
use super::ffprobe::{Folder, flv_file, hls_folder, picture_folder, probe, transport_folder};
use super::*;
use crate::broadcast::rig::Rig;
use crate::broadcast::testing::Tone;
use crate::flv::TagKind;

/// NAL unit types (Rec. ITU-T H.265 table 7-1).
const RASL: std::ops::RangeInclusive<u8> = 8..=9;
const CRA: u8 = 21;

/// A picture as it is sent.
struct Picture {
    /// When it is shown, in ms.
    ms: f64,
    payloads: Vec<Vec<u8>>,
    /// Type of its slices.
    kind: u8,
}

/// Encodes six seconds of 640x360 at 25 a second, and packs them by RFC 7798; gives the encoded file
/// and its pictures in the order in which they are sent.
fn x265(folder: &Path, parameters: &str) -> (PathBuf, Vec<Picture>) {
    let (mp4, rtp) = (folder.join("source.mp4"), folder.join("source.rtp"));
    let [file, packed] = [&mp4, &rtp].map(|path| path.to_str().unwrap());
    let parameters = format!(
        "log-level=error:pools=none:frame-threads=1:repeat-headers=1:scenecut=0:{parameters}"
    );
    let source = "testsrc2=size=640x360:rate=25:duration=6";
    let encoder = ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", "600k"];
    let mut args = vec!["-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"];
    args.extend(encoder);
    args.extend(["-x265-params", &parameters, file]);
    ffmpeg(&args);
    let ssrc = u32::from_be_bytes(*SSRC).to_string();
    let mut args = vec!["-i", file, "-c", "copy", "-f", "rtp", "-packetsize", "1200"];
    args.extend([
        "-ssrc",
        &ssrc,
        "-seq",
        "7",
        "-rtpflags",
        "skip_rtcp",
        packed,
    ]);
    ffmpeg(&args);
    let pictures = pictures(&fs::read(&rtp).unwrap());
    assert_eq!(pictures.len(), 150);
    (mp4, pictures)
}

const SSRC: &[u8; 4] = b"hevc";

/// The pictures of RTP packets that lie behind each other without a length: where one begins is
/// told by the fixed part of its header.
fn pictures(mut file: &[u8]) -> Vec<Picture> {
    let mut pictures: Vec<Picture> = Vec::new();
    let (mut seq, mut first, mut is_open) = (7_u16, None, false);
    while !file.is_empty() {
        let is_start = |seq: u16, bytes: &[u8]| {
            bytes[0] == 0x80 && bytes[2..4] == seq.to_be_bytes() && bytes[8..12] == *SSRC
        };
        assert!(is_start(seq, file));
        seq = seq.wrapping_add(1);
        let next = file.windows(12).skip(12).position(|w| is_start(seq, w));
        let (packet, rest) = file.split_at(next.map_or(file.len(), |at| at + 12));
        file = rest;
        let time = u32::from_be_bytes(packet[4..8].try_into().unwrap());
        let first = *first.get_or_insert(time);
        let payload = packet[12..].to_vec();
        if !is_open {
            pictures.push(Picture {
                ms: f64::from(time.wrapping_sub(first)) / 90.0,
                payloads: Vec::new(),
                kind: 0,
            });
        }
        let picture = pictures.last_mut().unwrap();
        // Of a fragment the type stands behind the two bytes.
        let kind = match payload[0] >> 1 {
            49 => payload[2] & 0x3f,
            kind => kind,
        };
        if kind < 32 {
            picture.kind = kind;
        }
        picture.payloads.push(payload);
        is_open = packet[1] & 0x80 == 0;
    }
    pictures
}

/// Plays pictures as they would come, one every 40 ms, and a tone.
fn play(pictures: &[Picture]) -> Rig {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut publisher = Publisher::new(rig.now);
    let mut tone = Tone::new(440.0);
    let begin = pictures[0].ms;
    // Each comes when it is encoded, which is behind those that are shown before it.
    let delay = Duration::from_millis(120);
    for (number, picture) in pictures.iter().enumerate() {
        let at = number as f64 * 40.0;
        let arrival = rig.start + delay + Duration::from_secs_f64(at / 1_000.0);
        let ms = 120.0 + picture.ms - begin;
        for mut item in publisher.video_packets(ms, Codec::H265, picture.payloads.clone()) {
            if let IngestItem::Rtp { packet, .. } = &mut item {
                packet.received = arrival;
            }
            rig.feed(item);
        }
        for half in [0.0, 20.0] {
            let mut sound = publisher.sound(at + half, &tone.frame(&|_| true));
            if let IngestItem::Rtp { packet, .. } = &mut sound {
                packet.received += delay;
            }
            rig.feed(sound);
        }
    }
    rig.finish();
    rig.check();
    assert_eq!((rig.accepted, rig.refusals), (1, 0));
    rig
}

/// The video tags of an FLV file as a byte stream with start codes (annex B), and the time in ms at
/// which each picture is shown (E-RTMP v2).
fn byte_stream(flv: &[u8]) -> (Vec<u8>, Vec<i64>) {
    let mut rest = &flv[13..];
    let (mut stream, mut times) = (Vec::new(), Vec::new());
    let mut put = |unit: &[u8]| {
        stream.extend([0, 0, 0, 1]);
        stream.extend(unit);
    };
    while let Some((head, tail)) = rest.split_first_chunk::<11>() {
        let size = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let (body, tail) = tail.split_at(size);
        rest = &tail[4..];
        if head[0] != 9 {
            continue;
        }
        assert_eq!(body[1..5], *b"hvc1");
        let dts = i64::from(u32::from_be_bytes([head[7], head[4], head[5], head[6]]));
        let (offset, mut units) = match body[0] & 0x8f {
            0x80 => {
                let mut arrays = &body[5 + 23..];
                while let Some((_, tail)) = arrays.split_first_chunk::<3>() {
                    let length = u16::from_be_bytes([tail[0], tail[1]]);
                    let (set, tail) = tail[2..].split_at(length.into());
                    put(set);
                    arrays = tail;
                }
                continue;
            }
            0x81 => {
                let offset = i32::from_be_bytes([body[5], body[6], body[7], 0]) >> 8;
                assert_ne!(offset, 0);
                (offset, &body[8..])
            }
            0x83 => (0, &body[5..]),
            other => panic!("{other:#x}"),
        };
        times.push(dts + i64::from(offset));
        while let Some((length, tail)) = units.split_first_chunk() {
            let (unit, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
            put(unit);
            units = tail;
        }
    }
    (stream, times)
}

/// One file of all segments.
fn whole_file(rig: &Rig, path: &Path) {
    let mut joiner = Joiner::new();
    joiner.push_init(&rig.inits[0].data).unwrap();
    let mut bytes = Vec::new();
    for (segment, _) in &rig.segments {
        joiner.push_segment(&segment.data).unwrap();
        bytes.extend(mp4_file::media(&segment.data).unwrap().concat());
    }
    fs::write(path, [&joiner.head().unwrap()[..], &bytes].concat()).unwrap();
}

/// Of everything that comes out the same pictures are decoded.
async fn is_carried_as_it_is(name: &str, parameters: &str) {
    let folder = Folder::new(name);
    let (source, sent) = x265(&folder.0, parameters);
    let rig = play(&sent);
    assert_eq!(rig.inits.len(), 1);
    assert_eq!(rig.inits[0].codecs, "hvc1.1.6.L63.90,mp4a.40.2");
    assert_eq!(rig.inits[0].size, Some((640, 360)));
    let expected = hashes(&source);
    assert_eq!(expected.len(), 150);

    let hls = hls_folder(&rig, &folder.0);
    let (codecs, times) = probe(&hls);
    assert_eq!(codecs, ["aac", "hevc"]);
    assert!(times["video"].windows(2).all(|w| w[0] < w[1]));
    assert_eq!(hashes(&hls), expected, "HLS");
    let alone = picture_folder(&rig, &folder.0);
    assert_eq!(probe(&alone).0, ["hevc"]);
    assert_eq!(hashes(&alone), expected, "pictures alone");
    let transport = transport_folder(&rig, &folder.0).await;
    assert_eq!(probe(&transport).0, ["aac", "hevc"]);
    // ffmpeg 5.1 complains of pictures that are decoded half a second before they are shown.
    let quiet = ["-v", "error", "-i", transport.to_str().unwrap()];
    assert_eq!(hashes_of(&quiet), expected, "MPEG-TS");
    let recorded = folder.0.join("recorded.mp4");
    whole_file(&rig, &recorded);
    assert_eq!(hashes(&recorded), expected, "one file");

    let flv = flv_file(rig.tags.iter().map(|(_, tag)| tag.clone()));
    let (stream, times) = byte_stream(&flv);
    let carried = folder.0.join("carried.265");
    fs::write(&carried, stream).unwrap();
    assert_eq!(hashes(&carried), expected, "FLV");
    // And they are shown as far apart as they were sent.
    for (time, picture) in times.iter().zip(&sent) {
        let off = (*time - times[0]) as f64 - (picture.ms - sent[0].ms);
        assert!(off.abs() <= 1.0, "{off} at {}", picture.ms);
    }
    is_the_same_behind_an_edge(&rig, &folder.0, &expected);

    let keyframes = rig.tags.iter().filter_map(|(_, tag)| match &tag.kind {
        TagKind::Keyframe(config) => Some((config, &tag.bytes)),
        TagKind::Picture | TagKind::Audio(_) => None,
    });
    let sent_keys = sent.iter().filter(|picture| picture.kind >= 16);
    let still_path = folder.0.join("still.mp4");
    let mut stills = 0;
    for ((config, tag), key) in keyframes.zip(sent_keys) {
        let still = packager::fmp4::still(config, packager::flv::coded_picture(tag)).unwrap();
        fs::write(&still_path, still).unwrap();
        let shown = (key.ms / 40.0).round() as usize;
        assert_eq!(hashes(&still_path), [expected[shown].clone()]);
        stills += 1;
    }
    assert!(stills >= 5, "{stills}");
}

#[tokio::test]
async fn pictures_in_order_decode_to_the_same() {
    is_carried_as_it_is("hevc", "bframes=0:keyint=25").await;
}

#[tokio::test]
async fn pictures_out_of_order_decode_to_the_same() {
    is_carried_as_it_is("hevc-b", "bframes=3:keyint=28:min-keyint=28:open-gop=1").await;
}

#[test]
fn a_stream_that_begins_at_a_later_key_frame_leaves_out_what_leads_it() {
    let folder = Folder::new("hevc-later");
    let (source, sent) = x265(&folder.0, "bframes=3:keyint=28:min-keyint=28:open-gop=1");
    let first = sent.iter().position(|picture| picture.kind == CRA).unwrap();
    let sent = &sent[first..];
    let is_leading = |picture: &&Picture| RASL.contains(&picture.kind);
    let leading = sent.iter().skip(1).take_while(is_leading).count();
    assert_eq!(leading, 3);
    assert!(sent.iter().filter(is_leading).count() > leading);
    let rig = play(sent);
    assert_eq!(rig.metrics.dropped("video_unit_leading"), 3);
    let hls = hls_folder(&rig, &folder.0);
    // What is shown from the key frame on.
    let shown = (sent[0].ms / 40.0).round() as usize;
    assert_eq!(hashes(&hls), hashes(&source)[shown..]);
}
