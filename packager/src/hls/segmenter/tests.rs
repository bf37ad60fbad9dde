mod parts;
mod places;

use std::sync::Arc;

use mp4_atom::{Moof, ReadFrom, Styp};

use super::*;
use crate::test_media::{PPS, SPS_320X180, SPS_640X360};
use crate::video::VideoConfig;

fn config(sps: &[u8]) -> Arc<VideoConfig> {
    Arc::new(VideoConfig::h264(sps, &[PPS]).unwrap())
}

fn picture(ms: u64, is_keyframe: bool, config: &Arc<VideoConfig>) -> VideoFrame {
    let time = MediaTime::from_millis(ms);
    VideoFrame {
        dts: time,
        pts: time,
        is_keyframe,
        config: config.clone(),
        data: Bytes::from(vec![1; 100]),
    }
}

fn aac() -> AudioConfig {
    AudioConfig::aac_lc(48_000, 2).unwrap()
}

/// A publisher with a clock of its own, frame by frame.
struct Source {
    segmenter: Segmenter,
    audio: Option<AudioConfig>,
    next_sound: u64,
    outputs: Vec<SegmenterOutput>,
}

impl Source {
    fn new(video: bool, audio: bool) -> Self {
        Self::with(SegmenterConfig::default(), video, audio)
    }

    fn with(config: SegmenterConfig, video: bool, audio: bool) -> Self {
        Self {
            segmenter: Segmenter::new(config, video, audio),
            audio: audio.then(aac),
            next_sound: 0,
            outputs: Vec::new(),
        }
    }

    fn sound_until(&mut self, ms: u64) {
        let Some(config) = self.audio.clone() else {
            return;
        };
        loop {
            let pts = MediaTime::from_hz(self.next_sound * 1024, 48_000);
            if pts.as_millis() > ms {
                break;
            }
            self.next_sound += 1;
            let frame = AudioFrame {
                pts,
                data: Bytes::from_static(&[7; 20]),
                samples: 1024,
            };
            self.segmenter.push_audio(&config, frame);
        }
        self.drain();
    }

    fn picture(&mut self, ms: u64, is_keyframe: bool, config: &Arc<VideoConfig>) {
        self.sound_until(ms);
        self.segmenter.push_video(picture(ms, is_keyframe, config));
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.segmenter.poll() {
            self.outputs.push(output);
        }
    }

    fn segments(&self) -> Vec<&Segment> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                SegmenterOutput::Segment(segment) => Some(segment),
                _ => None,
            })
            .collect()
    }

    fn inits(&self) -> Vec<&InitSection> {
        self.outputs
            .iter()
            .filter_map(|output| match output {
                SegmenterOutput::Init(init) => Some(init),
                _ => None,
            })
            .collect()
    }
}

/// Of each track in each segment: its number, and where its first sample starts and its last
/// ends, in ticks of media time.
fn spans(segments: &[&Segment]) -> Vec<Vec<(u32, u64, u64)>> {
    let span = |traf: &mp4_atom::Traf| {
        let hz = if traf.tfhd.track_id == 1 {
            90_000
        } else {
            48_000
        };
        let start = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        let samples = traf.trun[0].samples.iter();
        let length: u64 = samples.map(|s| u64::from(s.duration.unwrap())).sum();
        let ticks = |time| MediaTime::from_hz(time, hz).ticks();
        (traf.tfhd.track_id, ticks(start), ticks(start + length))
    };
    let of = |segment: &&Segment| {
        let mut reader = std::io::Cursor::new(&segment.data);
        Styp::read_from(&mut reader).unwrap();
        let moof = Moof::read_from(&mut reader).unwrap();
        moof.traf.iter().map(span).collect()
    };
    segments.iter().map(of).collect()
}

/// Every segment has both tracks, and no track overlaps itself or has a hole above `hole`.
fn assert_both_tracks_follow(segments: &[&Segment], hole: Duration) {
    let spans = spans(segments);
    assert!(spans.iter().all(|tracks| tracks.len() == 2), "{spans:?}");
    for pair in spans.windows(2) {
        for (before, after) in pair[0].iter().zip(&pair[1]) {
            // Rounding to the track's timescale.
            assert!(after.1 + 15 >= before.2, "{before:?} overlaps {after:?}");
            let hole = before.2 + MediaTime::from(hole).ticks();
            assert!(after.1 <= hole + 15, "{before:?} then {after:?}");
        }
    }
}

fn assert_contiguous(segments: &[&Segment]) {
    for pair in segments.windows(2) {
        for duration in [pair[0].duration, pair[0].lasts] {
            let end = pair[0].start.saturating_add(duration);
            // A duration in nanoseconds may lose one tick.
            assert!(end.ticks_since(pair[1].start).abs() <= 1);
        }
    }
}

#[test]
fn a_segment_that_ends_late_says_by_itself_how_long_it_lasts() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, false);
    for ms in [0, 33, 66, 7_000, 7_033, 9_000, 9_033] {
        source.picture(ms, ms == 0 || ms == 9_000, &config);
    }
    let segments = source.segments();
    let longest = SegmenterConfig::default().target + Duration::from_millis(499);
    assert_eq!(segments[0].duration, longest, "for a live playlist");
    assert_eq!(segments[0].lasts.as_millis(), 7_000);
}

#[test]
fn segments_begin_at_key_frames_and_follow_each_other() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, true);
    for frame in 0..300 {
        // The key frame asked for at 2 s comes two frames later.
        source.picture(frame * 33, frame % 63 == 0, &config);
    }
    let segments = source.segments();
    assert_eq!(segments.len(), 4);
    assert!(
        segments
            .iter()
            .all(|s| s.is_independent && !s.discontinuity && s.init == 0)
    );
    assert!(
        segments
            .iter()
            .all(|s| s.duration == Duration::from_millis(63 * 33))
    );
    assert_contiguous(&segments);
    assert_eq!(source.inits().len(), 1);
    assert_eq!(
        source.inits()[0].codecs,
        format!("{},mp4a.40.2", config.codec_string())
    );
}

#[test]
fn without_key_frames_no_duration_rounds_above_the_target() {
    for (fps, has_sound) in [1, 3, 5, 10, 30]
        .into_iter()
        .flat_map(|fps| [(fps, true), (fps, false)])
    {
        let config = config(SPS_640X360);
        let mut source = Source::new(true, has_sound);
        for frame in 0..20 * fps {
            source.picture(frame * 1000 / fps, frame == 0, &config);
        }
        let segments = source.segments();
        assert!(
            segments.len() >= 6,
            "{fps} fps: {} segments",
            segments.len()
        );
        assert!(
            segments
                .iter()
                .all(|s| s.duration.as_secs_f64().round() <= 2.0)
        );
        assert!(!segments[1].is_independent);
        // What is announced is what the media has.
        assert_contiguous(&segments);
    }
}

#[test]
fn a_change_of_resolution_is_one_new_map_and_one_discontinuity() {
    let (large, small) = (config(SPS_640X360), config(SPS_320X180));
    let mut source = Source::new(true, true);
    for frame in 0..240 {
        let config = if frame < 100 { &large } else { &small };
        source.picture(frame * 33, frame % 60 == 0 || frame == 100, config);
    }
    let segments = source.segments();
    assert_eq!(segments.iter().filter(|s| s.discontinuity).count(), 1);
    let first_small = segments.iter().position(|s| s.discontinuity).unwrap();
    assert_eq!(segments[first_small].start.as_millis(), 3300);
    assert!(segments[..first_small].iter().all(|s| s.init == 0));
    assert!(segments[first_small..].iter().all(|s| s.init == 1));
    assert_eq!(source.inits().len(), 2);
    assert_contiguous(&segments);
}

#[test]
fn another_source_is_a_discontinuity_at_its_first_key_frame() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, true);
    for frame in 0..240 {
        if frame == 95 {
            source.segmenter.restart();
        }
        source.picture(frame * 33, frame % 60 == 0 || frame == 100, &config);
    }
    let segments = source.segments();
    let restarted: Vec<_> = segments.iter().filter(|s| s.discontinuity).collect();
    assert_eq!(restarted.len(), 1);
    assert_eq!(restarted[0].start.as_millis(), 3_300);
    assert!(restarted[0].is_independent);
    assert_eq!(source.inits().len(), 1);
    assert_contiguous(&segments);

    let mut sound = Source::new(false, true);
    sound.sound_until(5_000);
    sound.segmenter.restart();
    sound.sound_until(10_000);
    let restarted = sound.segments().iter().filter(|s| s.discontinuity).count();
    assert_eq!(restarted, 1);
    assert_contiguous(&sound.segments());
}

#[test]
fn equal_parameter_sets_again_change_nothing() {
    let mut source = Source::new(true, false);
    for frame in 0..240 {
        source.picture(frame * 33, frame % 60 == 0, &config(SPS_640X360));
    }
    assert_eq!(source.inits().len(), 1);
    assert!(source.segments().iter().all(|s| !s.discontinuity));
}

#[test]
fn audio_alone_is_cut_at_the_target() {
    let mut source = Source::new(false, true);
    source.sound_until(10_000);
    let segments = source.segments();
    assert_eq!(segments.len(), 4);
    assert!(
        segments
            .iter()
            .all(|s| s.duration.as_secs_f64().round() == 2.0)
    );
    assert_contiguous(&segments);
}

#[test]
fn a_picture_that_never_comes_holds_the_sound_only_for_a_while() {
    let mut source = Source::new(true, true);
    source.sound_until(2_900);
    assert!(source.outputs.is_empty());
    source.sound_until(8_000);
    assert_eq!(source.inits()[0].codecs, "mp4a.40.2");
    assert_eq!(source.segments()[0].start, MediaTime::ZERO);
    let late = config(SPS_640X360);
    source.picture(8_010, true, &late);
    for frame in 1..80 {
        source.picture(8_010 + frame * 33, frame == 63, &late);
    }
    assert_eq!(source.inits().len(), 2);
    assert_eq!(
        source.segments().iter().filter(|s| s.discontinuity).count(),
        1
    );
}

#[test]
fn a_picture_that_stops_leaves_the_sound_going() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, true);
    for frame in 0..30 {
        source.picture(frame * 33, frame == 0, &config);
    }
    source.sound_until(12_000);
    let segments = source.segments();
    assert!(segments.len() >= 4);
    assert!(
        segments
            .iter()
            .all(|s| s.duration.as_secs_f64().round() <= 2.0)
    );
    assert_contiguous(&segments);
}

#[test]
fn while_no_picture_comes_every_segment_has_the_last_key_frame() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, true);
    for frame in 0..30 {
        source.picture(frame * 33, frame == 0, &config);
    }
    source.sound_until(12_000);
    // The picture comes back: nothing decodes before its key frame.
    for frame in 0..200 {
        source.picture(12_010 + frame * 33, frame % 60 == 20, &config);
    }
    let segments = source.segments();
    assert!(segments.len() >= 6);
    assert_both_tracks_follow(&segments, Duration::ZERO);
    assert_contiguous(&segments);
    assert_eq!(source.segmenter.dropped_frames(), 20);
    assert_eq!(source.inits().len(), 1);
}

#[test]
fn pictures_that_come_late_overlap_nothing() {
    let config = config(SPS_640X360);
    for (late, gop) in [(200, 60), (600, 60), (600, 100), (900, 1_000)] {
        let mut source = Source::new(true, true);
        source.segmenter.config.track_wait = Duration::from_secs(5);
        for frame in 0..400 {
            source.sound_until(frame * 33 + late);
            source.picture(frame * 33, frame % gop == 0, &config);
        }
        let segments = source.segments();
        assert!(segments.len() >= 4, "{late} ms: {}", segments.len());
        assert_both_tracks_follow(&segments, Duration::ZERO);
        assert_contiguous(&segments);
        assert_eq!(source.segmenter.dropped_frames(), 0, "{late} ms late");
        if gop == 60 {
            assert!(segments.iter().all(|s| s.is_independent), "{late} ms late");
        }
    }
}

#[test]
fn sound_joins_pictures_at_a_key_frame() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, false);
    for frame in 0..300 {
        if frame == 100 {
            source.audio = Some(aac());
            source.next_sound = frame * 33 * 48 / 1_024;
        }
        source.picture(frame * 33, frame % 60 == 0, &config);
    }
    let segments = source.segments();
    let joined = segments.iter().position(|s| s.init == 1).unwrap();
    assert_eq!(segments[joined].start.as_millis(), 120 * 33);
    assert!(segments[joined].discontinuity);
    assert!(segments.iter().all(|s| s.is_independent));
    assert_both_tracks_follow(&segments[joined..], Duration::ZERO);
    assert_contiguous(&segments);
    // The sound of 20 pictures.
    assert!((29..=33).contains(&source.segmenter.dropped_frames()));
    assert_eq!(source.inits().len(), 2);
}

#[test]
fn sound_joins_at_once_where_no_picture_comes() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, false);
    for frame in 0..100 {
        source.picture(frame * 33, frame % 60 == 0, &config);
    }
    source.audio = Some(aac());
    source.next_sound = 100 * 33 * 48 / 1_024;
    source.sound_until(12_000);
    // Pictures come back: nothing decodes after the new MAP before a key frame.
    for frame in 0..200 {
        source.picture(12_010 + frame * 33, frame % 60 == 20, &config);
    }
    let segments = source.segments();
    let joined = segments.iter().position(|s| s.init == 1).unwrap();
    let at = segments[joined].start.as_millis();
    assert!((4_200..4_400).contains(&at), "{at}");
    assert!(segments.iter().all(|s| s.is_independent));
    assert_both_tracks_follow(&segments[joined..], Duration::ZERO);
    assert_contiguous(&segments);
}

#[test]
fn frames_before_the_first_key_frame_are_counted_and_dropped() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, false);
    source.picture(0, false, &config);
    source.picture(33, false, &config);
    source.picture(66, true, &config);
    source.segmenter.finish();
    source.drain();
    assert_eq!(source.segmenter.dropped_frames(), 2);
    assert_eq!(source.segments()[0].start.as_millis(), 66);
}

#[test]
fn finish_gives_the_last_piece() {
    let config = config(SPS_640X360);
    let mut source = Source::new(true, true);
    for frame in 0..10 {
        source.picture(frame * 33, frame == 0, &config);
    }
    assert!(source.segments().is_empty());
    source.segmenter.finish();
    source.drain();
    let segments = source.segments();
    assert_eq!(segments.len(), 1);
    assert!(segments[0].duration >= Duration::from_millis(9 * 33));
}

#[test]
fn a_short_group_of_pictures_still_starts_every_segment() {
    for gop in [31, 40, 45, 50, 57] {
        let config = config(SPS_640X360);
        let mut source = Source::new(true, true);
        for frame in 0..400 {
            source.picture(frame * 33, frame % gop == 0, &config);
        }
        let segments = source.segments();
        assert!(segments.len() >= 5);
        for segment in &segments {
            assert!(segment.is_independent, "a group of {gop} pictures");
            assert!(segment.duration >= Duration::from_millis(1_000));
            assert!(segment.duration.as_secs_f64().round() <= 2.0);
        }
        assert_contiguous(&segments);
    }
}

#[test]
fn what_is_held_for_the_other_track_is_bounded() {
    let config = config(SPS_640X360);
    let limits = SegmenterConfig {
        max_bytes: 2_000,
        ..SegmenterConfig::default()
    };
    let mut segmenter = Segmenter::new(limits, true, true);
    for frame in 0..30 {
        segmenter.push_video(picture(frame * 33, frame == 0, &config));
    }
    // Sound was waited for no longer than the bytes allow, and nothing was lost.
    assert!(matches!(segmenter.poll(), Some(SegmenterOutput::Init(_))));
    assert!(matches!(segmenter.poll(), Some(SegmenterOutput::Part(_))));
    assert!(matches!(
        segmenter.poll(),
        Some(SegmenterOutput::Segment(_))
    ));
    assert_eq!(segmenter.dropped_frames(), 0);
}

#[test]
fn the_open_segment_is_bounded_in_bytes() {
    let config = config(SPS_640X360);
    let limits = SegmenterConfig {
        max_bytes: 1000,
        ..SegmenterConfig::default()
    };
    let mut segmenter = Segmenter::new(limits, true, false);
    for frame in 0..50 {
        segmenter.push_video(picture(frame * 33, frame == 0, &config));
    }
    let mut longest = 0;
    while let Some(output) = segmenter.poll() {
        if let SegmenterOutput::Segment(segment) = output {
            longest = longest.max(segment.data.len());
        }
    }
    assert!(longest > 0 && longest < 2000, "{longest}");
}
