//! What is written to FLV, fMP4 and MPEG-TS reads back the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use mp4_atom::{Atom, Header, Moof, Moov, ReadAtom, ReadFrom, Styp};

use super::input::Input;
use crate::flv;
use crate::fmp4::{self, Fragment};
use crate::frames::{AudioConfig, AudioFrame, Frame, VideoFrame};
use crate::hls::segmenter::{Part, Segment, Segmenter, SegmenterConfig, SegmenterOutput};
use crate::test_media::{PPS, SPS_320X180, SPS_640X360};
use crate::time::MediaTime;
use crate::ts::{self, Program};
use crate::video::VideoConfig;

/// Every tag gives back its kind, time, length and bytes.
pub fn flv_round_trip(data: &[u8]) {
    let frames = frames(data);
    let mut stream = flv::header(true, true).to_vec();
    let mut expected = Vec::new();
    for frame in &frames {
        let tag = match frame {
            Frame::Video(frame) => flv::video_tag(frame),
            Frame::Audio(frame) => flv::audio_tag(frame),
        };
        stream.extend_from_slice(&tag.expect("small frames fit"));
        expected.push(frame);
    }
    let mut rest = &stream[13..];
    for frame in expected {
        let kind = rest.get_u8();
        let size = rest.get_uint(3) as usize;
        let low = rest.get_uint(3);
        let millis = u64::from(rest.get_u8()) << 24 | low;
        assert_eq!(rest.get_uint(3), 0, "stream id");
        let (mut body, tail) = rest.split_at(size);
        rest = tail;
        assert_eq!(rest.get_u32() as usize, 11 + size, "PreviousTagSize");
        assert_eq!(millis, frame.dts().as_millis() & 0xffff_ffff);
        match frame {
            Frame::Video(frame) => {
                assert_eq!(kind, 9);
                assert_eq!(body.get_u8(), if frame.is_keyframe { 0x17 } else { 0x27 });
                assert_eq!(body.get_u8(), 1);
                let offset = body.get_int(3);
                let expected = frame.pts.as_millis() as i64 - frame.dts.as_millis() as i64;
                assert_eq!(offset, expected.clamp(-(1 << 23), (1 << 23) - 1));
                assert_eq!(body, frame.data.as_ref());
            }
            Frame::Audio(frame) => {
                assert_eq!((kind, body.get_u8(), body.get_u8()), (8, 0xaf, 1));
                assert_eq!(body, frame.data.as_ref());
            }
        }
    }
    assert!(rest.is_empty());
}

/// Every sample gives back its time, size, flags and bytes.
pub fn fmp4_round_trip(data: &[u8]) {
    let (video, audio) = split(frames(data));
    let end = [
        video.last().map(|frame| frame.dts),
        audio.last().map(|frame| frame.pts),
    ];
    let end = end.into_iter().flatten().max().unwrap_or_default();
    let end = end.saturating_add(Duration::from_millis(33));
    let written = fmp4::fragment(&Fragment {
        sequence: 1,
        video: &video,
        audio: &audio,
        audio_timescale: 48_000,
        audio_rolls: false,
        video_end: end,
        starts_segment: true,
    })
    .expect("small frames fit");
    let alone = fmp4::pictures(&written).expect("what was written");
    let (pictures, _) = read_fragment(&alone);
    assert_eq!(pictures.traf.len(), usize::from(!video.is_empty()));
    let sound: usize = audio.iter().map(|frame| frame.data.len()).sum();
    assert!(alone.len() + sound <= written.len());
    let (moof, bytes) = read_fragment(&written);
    let tracks = usize::from(!video.is_empty()) + usize::from(!audio.is_empty());
    assert_eq!(moof.traf.len(), tracks);
    for traf in &moof.traf {
        let base = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
        let run = &traf.trun[0];
        let mut offset = usize::try_from(run.data_offset.expect("offset")).expect("positive");
        let mut time = base;
        let is_video = traf.tfhd.track_id == 1;
        let length = if is_video { video.len() } else { audio.len() };
        assert_eq!(run.samples.len(), length);
        for (index, sample) in run.samples.iter().enumerate() {
            let size = sample.size.expect("size") as usize;
            let bytes = &bytes[offset..offset + size];
            if is_video {
                let frame = &video[index];
                assert_eq!(bytes, frame.data.as_ref());
                assert_eq!(time, frame.dts.as_hz(90_000), "frame {index}");
                let offset = frame.pts.as_hz(90_000) as i64 - time as i64;
                assert_eq!(sample.cts.unwrap_or(0), offset);
                let is_sync = sample.flags.expect("flags") & 0x1_0000 == 0;
                assert_eq!(is_sync, frame.is_keyframe);
            } else {
                assert_eq!(bytes, audio[index].data.as_ref());
                assert_eq!(time, audio[index].pts.as_hz(48_000), "frame {index}");
            }
            offset += size;
            time += u64::from(sample.duration.expect("duration"));
        }
        if is_video {
            assert!(MediaTime::from_hz(time, 90_000) >= end);
            assert!(time <= end.as_hz(90_000).saturating_add(1));
        }
    }
}

/// Every frame of a segment comes out of its Transport Stream, in order, and segments follow each
/// other without a gap in their counters.
pub fn ts_round_trip(data: &[u8]) {
    let audio_config = AudioConfig::aac_lc(48_000, 2).expect("48 kHz stereo");
    let mut segmenter = Segmenter::new(SegmenterConfig::default(), true, true);
    for frame in frames(data) {
        match frame {
            Frame::Video(mut frame) => {
                // One NAL unit, with no zeros in it and none at its end.
                let unit: Vec<u8> = frame.data.iter().map(|byte| byte | 1).collect();
                let length = (unit.len() as u32).to_be_bytes();
                frame.data = [&length[..], &unit].concat().into();
                segmenter.push_video(frame);
            }
            Frame::Audio(frame) => segmenter.push_audio(&audio_config, frame),
        }
    }
    segmenter.finish();
    let (mut program, mut number) = (None, 0);
    let mut read = ts::check::Read::default();
    while let Some(output) = segmenter.poll() {
        match output {
            SegmenterOutput::Init(init) => {
                let (video, audio) = (init.video.as_deref(), init.audio.as_ref());
                program = Program::new(video, audio, init.version).ok();
            }
            SegmenterOutput::Part(_) => {}
            SegmenterOutput::Segment(segment) => {
                let program = program.as_ref().expect("its section comes before it");
                let written = ts::segment(program, number, &segment.data).expect("a segment");
                read.take(&written);
                number += 1;
                check_frames(&mut read, &segment.data);
            }
        }
    }
}

/// What was read since the last segment is what the fragment of this one has.
fn check_frames(read: &mut ts::check::Read, fragment: &[u8]) {
    let (moof, bytes) = read_fragment(fragment);
    for pair in read.clock.windows(2) {
        assert!((1..1 << 32).contains(&ts::check::since(pair[1], pair[0])));
    }
    read.clock.clear();
    let mut pictures = read.pictures.drain(..);
    let mut sounds = read.sounds.drain(..);
    for traf in &moof.traf {
        let run = &traf.trun[0];
        let mut offset = usize::try_from(run.data_offset.expect("offset")).expect("positive");
        for sample in run.samples.iter() {
            let size = sample.size.expect("size") as usize;
            let data = &bytes[offset..offset + size];
            offset += size;
            if traf.tfhd.track_id == 1 {
                let picture = pictures.next().expect("a picture");
                assert_eq!(picture.nals.last().expect("a slice"), &data[4..]);
                let is_sync = sample.flags.expect("flags") & 0x1_0000 == 0;
                assert_eq!(picture.is_random_access, is_sync);
                assert!(ts::check::since(picture.pts, picture.dts) < 1 << 32);
            } else {
                assert_eq!(sounds.next().expect("sound").data, data);
            }
        }
    }
    assert!(pictures.next().is_none() && sounds.next().is_none());
}

/// Every frame goes into one part at most, in order, but for the last key frame, which fills a
/// segment without pictures; no segment is announced longer than its target and no part longer
/// than its own, and a segment is its parts.
pub fn hls_segments(data: &[u8]) {
    let (first, data) = data.split_first().unwrap_or((&0, data));
    let part = (first & 1 == 0).then_some(Duration::from_millis(250));
    let frames = frames(data);
    let audio_config = AudioConfig::aac_lc(48_000, 2).expect("48 kHz stereo");
    let limits = SegmenterConfig {
        part,
        max_bytes: 20_000,
        ..Default::default()
    };
    let mut segmenter = Segmenter::new(limits, true, true);
    let (video, audio) = split(frames.clone());
    let mut outputs = Vec::new();
    for frame in frames {
        match frame {
            Frame::Video(frame) => segmenter.push_video(frame),
            Frame::Audio(frame) => segmenter.push_audio(&audio_config, frame),
        }
        outputs.extend(std::iter::from_fn(|| segmenter.poll()));
    }
    segmenter.finish();
    outputs.extend(std::iter::from_fn(|| segmenter.poll()));

    let mut to_come = ToCome {
        video: video.into_iter(),
        audio: audio.into_iter(),
        last_keyframe: Bytes::new(),
    };
    let (mut init, mut is_first) = (None, true);
    let mut parts: Vec<Part> = Vec::new();
    for output in outputs {
        match output {
            SegmenterOutput::Init(section) => {
                let mut bytes = section.data.as_ref();
                let ftyp = Header::read_from(&mut bytes).expect("a box");
                bytes.advance(ftyp.size.expect("a size"));
                assert!(!Moov::read_from(&mut bytes).expect("moov").trak.is_empty());
                assert!(init.is_none_or(|version| version + 1 == section.version));
                assert!(parts.is_empty(), "a segment of two sections");
                init = Some(section.version);
            }
            SegmenterOutput::Part(part) => {
                assert_eq!(Some(part.init), init, "its init section comes before it");
                assert_eq!(part.starts_segment, parts.is_empty());
                if let Some(before) = parts.last() {
                    // A duration in nanoseconds may lose one tick.
                    let end = before.start.saturating_add(before.duration);
                    assert!(end.ticks_since(part.start).abs() <= 1);
                }
                to_come.take(&part);
                parts.push(part);
            }
            SegmenterOutput::Segment(segment) => {
                check_segment(&segment, &std::mem::take(&mut parts), limits.part);
                assert!(!(is_first && segment.discontinuity));
                is_first = false;
            }
        }
    }
}

fn check_segment(segment: &Segment, parts: &[Part], target: Option<Duration>) {
    let whole: Vec<u8> = parts.iter().flat_map(|part| part.data.to_vec()).collect();
    assert_eq!(whole, segment.data);
    assert_eq!(parts[0].start, segment.start);
    assert!(parts.iter().all(|part| part.init == segment.init));
    let seconds = segment.duration.as_secs_f64();
    assert!(seconds.round() <= 2.0, "{seconds}");
    let Some(target) = target else {
        assert_eq!(parts.len(), 1);
        return;
    };
    let tick = Duration::from_micros(1);
    assert!(parts.iter().all(|part| part.duration <= target + tick));
    let (_, others) = parts.split_last().expect("a part");
    let least = target.mul_f64(0.85);
    assert!(
        others
            .iter()
            .all(|p| p.is_independent || p.duration + tick >= least)
    );
}

/// The frames that were not seen yet.
struct ToCome {
    video: std::vec::IntoIter<VideoFrame>,
    audio: std::vec::IntoIter<AudioFrame>,
    last_keyframe: Bytes,
}

impl ToCome {
    fn take(&mut self, part: &Part) {
        let (moof, bytes) = read_fragment(&part.data);
        for traf in &moof.traf {
            let run = &traf.trun[0];
            let is_video = traf.tfhd.track_id == 1;
            let mut offset = usize::try_from(run.data_offset.expect("offset")).expect("positive");
            for sample in run.samples.iter() {
                let size = sample.size.expect("size") as usize;
                let found = &bytes[offset..offset + size];
                offset += size;
                let is_alone = is_video && run.samples.len() == 1;
                if is_alone && part.starts_segment && found == self.last_keyframe {
                    continue;
                }
                let is_sync = sample.flags.expect("flags") & 0x1_0000 == 0;
                if is_video && is_sync {
                    self.last_keyframe = Bytes::copy_from_slice(found);
                }
                // Some may be left out before it, none may come twice or late.
                let is_next = match is_video {
                    true => self.video.any(|frame| frame.data == found),
                    false => self.audio.any(|frame| frame.data == found),
                };
                assert!(is_next, "a frame that is not among those to come");
            }
        }
    }
}

/// Frames of both kinds in rising order of time, each with bytes of its own.
fn frames(data: &[u8]) -> Vec<Frame> {
    let mut input = Input(data);
    let configs = [SPS_640X360, SPS_320X180]
        .map(|sps| Arc::new(VideoConfig::h264(sps, &[PPS]).expect("real sets")));
    let start = MediaTime(input.u64() >> 16);
    let (mut config, mut clock) = (0, start);
    let mut audio_pts = start;
    let mut frames = Vec::new();
    while !input.is_empty() && frames.len() < 1_500 {
        let choice = input.byte();
        let number = (frames.len() as u32).to_be_bytes();
        let body = input.take(usize::from(choice & 0x0f));
        let data = Bytes::from([&number, body].concat());
        if choice & 0x10 == 0 {
            clock = clock.saturating_add(Duration::from_millis(match choice & 0x60 {
                0x60 => u64::from(input.u16()) / 8 + 1,
                few => u64::from(few) + 1,
            }));
            let is_keyframe = choice & 0x80 != 0;
            if is_keyframe && choice & 0x0f == 3 {
                config ^= 1;
            }
            let pts = match choice & 0x0f {
                1 => clock.saturating_sub(Duration::from_millis(u64::from(input.byte()))),
                2 => clock.saturating_add(Duration::from_millis(u64::from(input.byte()))),
                _ => clock,
            };
            let config = configs[config].clone();
            frames.push(Frame::Video(VideoFrame {
                dts: clock,
                pts,
                is_keyframe,
                config,
                data,
            }));
        } else {
            let step = if choice & 0xe0 == 0xe0 {
                1_024 + u64::from(input.u16())
            } else {
                1_024
            };
            audio_pts = audio_pts.saturating_add(MediaTime::from_hz(step, 48_000).as_duration());
            frames.push(Frame::Audio(AudioFrame {
                pts: audio_pts,
                data,
                samples: 1_024,
            }));
        }
    }
    frames
}

fn split(frames: Vec<Frame>) -> (Vec<VideoFrame>, Vec<AudioFrame>) {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for frame in frames {
        match frame {
            Frame::Video(frame) => video.push(frame),
            Frame::Audio(frame) => audio.push(frame),
        }
    }
    (video, audio)
}

/// The `moof`, and all bytes from its start.
fn read_fragment(written: &[u8]) -> (Moof, &[u8]) {
    let mut rest = written;
    let mut from_moof = rest;
    let mut header = Header::read_from(&mut rest).expect("a box");
    if header.kind == Styp::KIND {
        rest.advance(header.size.expect("a size"));
        from_moof = rest;
        header = Header::read_from(&mut rest).expect("a box");
    }
    assert_eq!(header.kind, Moof::KIND);
    let moof = Moof::read_atom(&header, &mut rest).expect("a moof");
    (moof, from_moof)
}
