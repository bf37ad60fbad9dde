use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::check::{Read, since};
use super::*;
use crate::fmp4::{self, Fragment};
use crate::frames::{AudioFrame, DecodeClock, VideoFrame};
use crate::hls::{Segment, Segmenter, SegmenterConfig, SegmenterOutput};
use crate::test_media::{self, Numbers, PPS, SPS_640X360, SPS_HIGH_1080};
use crate::time::MediaTime;

fn video() -> Arc<VideoConfig> {
    Arc::new(VideoConfig::h264(SPS_640X360, &[PPS]).unwrap())
}

fn audio() -> AudioConfig {
    AudioConfig::aac_lc(48_000, 2).unwrap()
}

/// A picture of one slice of `length` bytes.
fn picture(at: MediaTime, is_keyframe: bool, length: usize, numbers: &mut Numbers) -> VideoFrame {
    let slice = test_media::slice(is_keyframe, length, numbers);
    VideoFrame {
        dts: at,
        pts: at,
        is_keyframe,
        config: video(),
        data: test_media::avcc(&[slice]).into(),
    }
}

fn sound(at: MediaTime, length: usize, numbers: &mut Numbers) -> AudioFrame {
    AudioFrame {
        pts: at,
        data: numbers.bytes(length).into(),
        samples: 1_024,
    }
}

/// A fragment of both tracks as a segment.
fn fragment(video: &[VideoFrame], audio: &[AudioFrame], end: MediaTime) -> Bytes {
    fmp4::fragment(&Fragment {
        sequence: 1,
        video,
        audio,
        audio_timescale: 48_000,
        audio_rolls: false,
        video_end: end,
        starts_segment: true,
    })
    .unwrap()
}

/// Cuts frames in order of time into segments with parts, and these into a Transport Stream.
struct Show {
    segments: Vec<Segment>,
    read: Read,
    bytes: usize,
}

fn show(frames: Vec<crate::Frame>, has_video: bool, has_audio: bool) -> Show {
    let limits = SegmenterConfig {
        part: Some(Duration::from_millis(250)),
        ..SegmenterConfig::default()
    };
    let mut segmenter = Segmenter::new(limits, has_video, has_audio);
    for frame in frames {
        match frame {
            crate::Frame::Video(frame) => segmenter.push_video(frame),
            crate::Frame::Audio(frame) => segmenter.push_audio(&audio(), frame),
        }
    }
    segmenter.finish();
    let mut show = Show {
        segments: Vec::new(),
        read: Read::default(),
        bytes: 0,
    };
    let mut program = None;
    while let Some(output) = segmenter.poll() {
        match output {
            SegmenterOutput::Init(init) => {
                let found = Program::new(init.video.as_deref(), init.audio.as_ref(), init.version);
                program = Some(found.unwrap());
            }
            SegmenterOutput::Part(_) => {}
            SegmenterOutput::Segment(next) => {
                let number = show.segments.len() as u64;
                let program = program.as_ref().unwrap();
                let written = segment(program, number, &next.data).unwrap();
                assert_eq!(written, segment(program, number, &next.data).unwrap());
                show.read.take(&written);
                show.bytes += written.len();
                show.segments.push(next);
            }
        }
    }
    show
}

/// Pictures at `fps` and sound, both where they are asked for, from `start` on.
fn frames(
    seed: u64,
    start: MediaTime,
    fps: u64,
    seconds: u64,
    tracks: (bool, bool),
) -> Vec<crate::Frame> {
    let mut numbers = Numbers::new(seed);
    let mut frames = Vec::new();
    for number in 0..fps * seconds * u64::from(tracks.0) {
        let at = start.saturating_add(Duration::from_nanos(1_000_000_000 / fps * number));
        let is_keyframe = number % (2 * fps) == 0;
        let length = 4 + numbers.below(if is_keyframe { 20_000 } else { 3_000 }) as usize;
        frames.push(crate::Frame::Video(picture(
            at,
            is_keyframe,
            length,
            &mut numbers,
        )));
    }
    for number in 0..48_000 * seconds / 1_024 * u64::from(tracks.1) {
        let at = MediaTime(start.0 + number * 1_024 * 15);
        let length = 4 + numbers.below(600) as usize;
        frames.push(crate::Frame::Audio(sound(at, length, &mut numbers)));
    }
    frames.sort_by_key(crate::Frame::dts);
    frames
}

/// Every frame of the source came out, in order, with its bytes, at its time after the first. At the
/// end the segmenter leaves out what the shorter track lacks.
fn assert_carries(show: &Show, frames: &[crate::Frame], start: MediaTime) {
    let zero = start.as_hz(HZ) + u64::from(HZ);
    let (mut pictures, mut sounds) = (show.read.pictures.iter(), show.read.sounds.iter());
    let mut left_out = 0;
    for frame in frames {
        let meant = since(frame.dts().as_hz(HZ), start.as_hz(HZ));
        match frame {
            crate::Frame::Video(frame) => {
                let Some(picture) = pictures.next() else {
                    left_out += 1;
                    continue;
                };
                assert_eq!(since(picture.dts, zero), meant);
                assert_eq!(picture.pts, picture.dts);
                assert_eq!(picture.is_random_access, frame.is_keyframe);
                let sets = [SPS_640X360, PPS].into_iter();
                let sets = sets.filter(|_| frame.is_keyframe);
                let nals: Vec<&[u8]> = sets.chain([&frame.data[4..]]).collect();
                assert_eq!(picture.nals, nals);
            }
            crate::Frame::Audio(frame) => {
                let Some(sound) = sounds.next() else {
                    left_out += 1;
                    continue;
                };
                assert_eq!(sound.data, frame.data);
                let told = since(sound.pts + sound.index * 1_920 + 90, zero);
                assert!(since(told, meant) <= 180, "{told} for {meant}");
            }
        }
    }
    assert!(pictures.next().is_none() && sounds.next().is_none());
    // A second of sound.
    assert!(left_out <= 47, "{left_out} left out");
}

#[test]
fn every_frame_comes_out_at_its_time() {
    for (seed, fps, tracks) in [
        (1, 30, (true, true)),
        (2, 25, (true, false)),
        (3, 1, (true, true)),
        (4, 30, (false, true)),
        (5, 60, (true, true)),
        (6, 2, (true, false)),
    ] {
        let frames = frames(seed, MediaTime::ZERO, fps, 10, tracks);
        let show = show(frames.clone(), tracks.0, tracks.1);
        assert!(show.segments.len() >= 4, "{fps} a second, {tracks:?}");
        assert_carries(&show, &frames, MediaTime::ZERO);
        show.read.check_times();
        assert!(show.read.sounds.iter().all(|sound| sound.index < 4));
    }
}

#[test]
fn time_goes_on_where_its_33_bits_end() {
    // 26 hours and 30 minutes, the clock a second later than the media.
    let wrap = MediaTime::from_hz((1 << 33) - u64::from(HZ), HZ);
    let start = wrap.saturating_sub(Duration::from_secs(5));
    let frames = frames(7, start, 30, 10, (true, true));
    let show = show(frames.clone(), true, true);
    assert_carries(&show, &frames, start);
    show.read.check_times();
    let times = show.read.pictures.iter().map(|picture| picture.pts);
    let times: Vec<u64> = times.collect();
    assert!(times[0] > 1 << 32 && *times.last().unwrap() < 1 << 32);
    let clock = &show.read.clock;
    assert!(clock[0] > 1 << 32 && *clock.last().unwrap() < 1 << 32);
}

#[test]
fn sound_with_holes_begins_a_unit_behind_each() {
    let mut numbers = Numbers::new(8);
    let mut at = 0;
    let sounds: Vec<AudioFrame> = (0..90)
        .map(|number| {
            let frame = sound(MediaTime::from_hz(at, 48_000), 200, &mut numbers);
            // A little more than a frame, and a hole now and then.
            at += 1_024 + 3 + if number % 7 == 3 { 960 } else { 0 };
            frame
        })
        .collect();
    let frames: Vec<_> = sounds.into_iter().map(crate::Frame::Audio).collect();
    let show = show(frames.clone(), false, true);
    assert_carries(&show, &frames, MediaTime::ZERO);
    show.read.check_times();
    let units = show.read.sounds.iter().map(|sound| sound.index);
    let behind_holes = units.clone().skip(4).step_by(7);
    assert!(behind_holes.eq([0; 13]));
    // Two of each seven frames, and one more where the second segment begins.
    assert_eq!(units.filter(|index| *index == 0).count(), 27);
}

#[test]
fn pictures_that_come_within_a_millisecond_are_shown_when_they_are_decoded() {
    let mut numbers = Numbers::new(4);
    let mut clock = DecodeClock::default();
    let mut read = Read::default();
    let program = Program::new(Some(&video()), None, 0).unwrap();
    for group in 0..2_u64 {
        let pictures: Vec<VideoFrame> = [0_u64, 40_000, 40_000, 40_300, 80_000]
            .into_iter()
            .enumerate()
            .map(|(n, us)| {
                let pts = MediaTime::from_duration(Duration::from_micros(group * 120_000 + us));
                let mut frame = picture(pts, n == 0, 100, &mut numbers);
                frame.dts = clock.next(pts);
                frame
            })
            .collect();
        let end = MediaTime::from_duration(Duration::from_micros((group + 1) * 120_000));
        let data = fragment(&pictures, &[], end);
        read.take(&segment(&program, group, &data).unwrap());
    }
    read.check_times();
    let first = read.pictures[0].dts;
    let decoded: Vec<u64> = read.pictures.iter().map(|p| since(p.dts, first)).collect();
    let group = [0, 3_600, 3_690, 3_780, 7_200];
    assert_eq!(decoded, [group, group.map(|at| at + 10_800)].concat());
    assert!(read.pictures.iter().all(|p| p.pts == p.dts), "{read:?}");
}

#[test]
fn pictures_out_of_order_are_decoded_before_they_are_shown() {
    let mut numbers = Numbers::new(9);
    let mut clock = DecodeClock::default();
    let mut read = Read::default();
    let high = VideoConfig::h264(SPS_HIGH_1080, &[PPS]).unwrap();
    let program = Program::new(Some(&high), None, 0).unwrap();
    let mut shown = Vec::new();
    for group in 0..4_u64 {
        // I P B B P B B …: B two places behind. Every other segment has none.
        let order = (0..61_u64).map(|n| match n % 3 {
            _ if n == 0 || group % 2 == 0 => n,
            1 => n + 2,
            _ => n - 1,
        });
        let pictures: Vec<VideoFrame> = order
            .map(|place| {
                let pts = MediaTime::from_millis(100 + 40 * (61 * group + place));
                let mut frame = picture(pts, place == 0, 100, &mut numbers);
                frame.dts = clock.next(pts);
                shown.push(pts.as_hz(HZ) + u64::from(HZ));
                frame
            })
            .collect();
        let end = MediaTime::from_millis(100 + 40 * 61 * (group + 1));
        let data = fragment(&pictures, &[], end);
        read.take(&segment(&program, group, &data).unwrap());
    }
    let told: Vec<u64> = read.pictures.iter().map(|picture| picture.pts).collect();
    assert_eq!(told, shown);
    for pair in read.pictures.windows(2) {
        assert!(pair[1].dts > pair[0].dts, "{pair:?}");
    }
    assert!(
        read.pictures
            .iter()
            .all(|picture| picture.dts < picture.pts)
    );
    read.check_times();
    // The bytes of a picture are there before it is decoded.
    assert!(read.clock.windows(2).all(|pair| pair[0] < pair[1]));
    let early = read.pictures.iter().zip(&read.clock);
    assert!(
        early.clone().all(|(picture, clock)| picture.dts > *clock),
        "{early:?}"
    );
}

#[test]
fn the_least_segments_keep_the_counters() {
    // Of one tiny unit a track: sixteen packets each.
    let mut numbers = Numbers::new(10);
    for (has_picture, length) in [(true, 1), (false, 1), (false, 0), (true, 40), (false, 160)] {
        let pictures = [picture(MediaTime::ZERO, false, 1, &mut numbers)];
        let sounds = [sound(MediaTime::ZERO, length, &mut numbers)];
        let pictures = if has_picture { &pictures[..] } else { &[] };
        let data = fragment(pictures, &sounds, MediaTime::from_millis(21));
        let config = video();
        let program = Program::new(has_picture.then_some(&config), Some(&audio()), 0).unwrap();
        let mut read = Read::default();
        for number in 0..3 {
            let written = segment(&program, number, &data).unwrap();
            let tracks = 1 + usize::from(has_picture);
            assert_eq!(written.len(), 188 * (2 + 16 * tracks));
            read.take(&written);
        }
        assert_eq!(read.sounds.len(), 3);
        assert_eq!(read.sounds[2].data, sounds[0].data);
    }
}

#[test]
fn a_picture_that_stands_for_a_day_costs_a_minute_of_the_clock() {
    let mut numbers = Numbers::new(11);
    let pictures = [
        picture(MediaTime::ZERO, true, 500, &mut numbers),
        picture(MediaTime::from_millis(86_400_000), false, 500, &mut numbers),
    ];
    let data = fragment(&pictures, &[], MediaTime::from_millis(172_800_000));
    let program = Program::new(Some(&video()), None, 0).unwrap();
    let written = segment(&program, 0, &data).unwrap();
    assert_eq!(written.len(), 188 * (2 + 16 + 666));
}

#[test]
fn a_segment_without_the_pictures_that_its_program_names_has_the_clock() {
    let mut numbers = Numbers::new(12);
    let sounds = (0..90).map(|number| {
        let at = MediaTime::from_hz(number * 1_024, 48_000);
        sound(at, 100, &mut numbers)
    });
    let sounds: Vec<_> = sounds.collect();
    let data = fragment(&[], &sounds, MediaTime::ZERO);
    let program = Program::new(Some(&video()), Some(&audio()), 0).unwrap();
    let mut read = Read::default();
    read.take(&segment(&program, 5, &data).unwrap());
    read.check_times();
    assert_eq!((read.sounds.len(), read.pictures.len()), (90, 0));
    let last = *read.clock.last().unwrap();
    assert!(
        since(last, read.clock[0]) > 90 * 1_920 - 9_000,
        "up to the end"
    );
}

#[test]
fn no_segment_takes_more_than_is_said() {
    for (seed, fps, tracks) in [
        (13, 30, (true, true)),
        (14, 5, (true, true)),
        (15, 30, (false, true)),
        (16, 60, (true, false)),
    ] {
        let frames = frames(seed, MediaTime::ZERO, fps, 20, tracks);
        let show = show(frames, tracks.0, tracks.1);
        let bits = |bytes: usize, time: Duration| (8.0 * bytes as f64 / time.as_secs_f64()) as u64;
        let time: Duration = show.segments.iter().map(|segment| segment.duration).sum();
        let fmp4 = show.segments.iter().map(|segment| segment.data.len()).sum();
        let of_fmp4 = Rates {
            peak_bps: bits(fmp4, time),
            average_bps: bits(fmp4, time),
        };
        let said = rates(of_fmp4, tracks.0.then_some(fps as f64));
        let found = bits(show.bytes, time);
        assert!(found <= said.average_bps, "{found} of {said:?}");
        assert!(
            said.average_bps < found + found / 10 + 120_000,
            "{found} of {said:?}"
        );
    }
}

#[test]
fn what_cannot_be_carried_is_refused_by_name() {
    for codec in [VideoCodec::Vp9, VideoCodec::Av1] {
        let config = test_media::video_config(codec);
        let error = Program::new(Some(&config), Some(&audio()), 0).unwrap_err();
        assert!(matches!(error, TsError::Codec(found) if found == codec));
    }
    assert!(matches!(Program::new(None, None, 0), Err(TsError::NoTrack)));
}

#[test]
fn broken_segments_are_errors() {
    let mut numbers = Numbers::new(17);
    let program = Program::new(Some(&video()), Some(&audio()), 0).unwrap();
    let mut frame = picture(MediaTime::ZERO, true, 50, &mut numbers);
    let sounds = [sound(MediaTime::ZERO, 50, &mut numbers)];
    let good = fragment(
        std::slice::from_ref(&frame),
        &sounds,
        MediaTime::from_millis(40),
    );
    assert!(segment(&program, 0, &good).is_ok());
    for cut in 1..good.len() {
        assert!(segment(&program, 0, &good[..cut]).is_err(), "cut at {cut}");
    }
    for broken in [
        &[0, 0, 0, 60, 0x65][..],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, 0x65, 0],
    ] {
        frame.data = Bytes::copy_from_slice(broken);
        let data = fragment(
            std::slice::from_ref(&frame),
            &[],
            MediaTime::from_millis(40),
        );
        let error = segment(&program, 0, &data).unwrap_err();
        assert!(matches!(error, TsError::Picture), "{error}");
    }
    let long = [sound(MediaTime::ZERO, 8_185, &mut numbers)];
    let data = fragment(&[], &long, MediaTime::ZERO);
    assert!(matches!(
        segment(&program, 0, &data),
        Err(TsError::TooLong(8_185))
    ));
}
