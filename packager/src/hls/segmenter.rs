//! Cuts frames into fMP4 Media Segments.
//!
//! Segments start at a key frame where one comes in time. Without one the segment is cut all
//! the same, so that no `EXTINF` rounds to more than `EXT-X-TARGETDURATION` (RFC 8216 section
//! 4.3.3.1).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::fmp4::{self, Fragment};
use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::h264::VideoConfig;
use crate::time::MediaTime;

/// When segments end.
#[derive(Debug, Clone, Copy)]
pub struct SegmenterConfig {
    /// Target duration, whole seconds. A segment ends at the first key frame near it.
    pub target: Duration,
    /// How long one expected track waits for the other at the start.
    pub track_wait: Duration,
    /// Bytes at which a segment ends whatever its length: the bound of this buffer.
    pub max_bytes: usize,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_secs(2),
            track_wait: Duration::from_secs(3),
            // 2 s at 64 Mbit/s.
            max_bytes: 16 << 20,
        }
    }
}

/// What the segmenter gives.
#[derive(Debug, Clone)]
pub enum SegmenterOutput {
    /// The initialization section of the segments that follow.
    Init(InitSection),
    /// A finished segment.
    Segment(Segment),
}

/// A Media Initialization Section (`EXT-X-MAP`).
#[derive(Debug, Clone)]
pub struct InitSection {
    /// Counts from 0, rises by one with each change of the tracks or their configuration.
    pub version: u32,
    /// `ftyp` and `moov`.
    pub data: Bytes,
    /// RFC 6381 codec strings, for a `CODECS` attribute.
    pub codecs: String,
}

/// A Media Segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Version of the initialization section it belongs to.
    pub init: u32,
    /// `styp`, `moof`, `mdat`.
    pub data: Bytes,
    /// Media time of its first frame.
    pub start: MediaTime,
    /// Until the next segment's start; never rounds to more than the target.
    pub duration: Duration,
    /// Starts with a key frame (or has no video).
    pub is_independent: bool,
    /// The segment is not a continuation of the one before (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
}

/// The segmenter of one broadcast. Frames go in ordered by time across both tracks, give or
/// take a short interleaving distance.
#[derive(Debug)]
pub struct Segmenter {
    config: SegmenterConfig,
    expected: Expected,
    state: State,
    discontinuity: bool,
    next_fragment: u32,
    out: VecDeque<SegmenterOutput>,
    dropped_frames: u64,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    video: bool,
    audio: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing was cut yet: frames are held until every expected track has shown itself.
    Waiting {
        since: Option<MediaTime>,
        audio: Option<AudioConfig>,
        held: Open,
    },
    Running {
        init: Init,
        open: Option<Open>,
    },
}

#[derive(Debug, Clone)]
struct Init {
    version: u32,
    video: Option<Arc<VideoConfig>>,
    audio: Option<AudioConfig>,
}

#[derive(Debug, Default)]
struct Open {
    start: MediaTime,
    video: Vec<VideoFrame>,
    audio: Vec<AudioFrame>,
    bytes: usize,
}

impl Segmenter {
    /// A segmenter that expects the named tracks and starts when all of them have shown a
    /// first frame, or one has waited [`SegmenterConfig::track_wait`] for the other.
    pub fn new(config: SegmenterConfig, video: bool, audio: bool) -> Self {
        Self {
            config,
            expected: Expected { video, audio },
            state: State::Waiting {
                since: None,
                audio: None,
                held: Open::default(),
            },
            discontinuity: false,
            next_fragment: 1,
            out: VecDeque::new(),
            dropped_frames: 0,
        }
    }

    /// Frames that could not be used: before the first key frame, or not fit for MP4.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames
    }

    /// Takes the next video frame.
    pub fn push_video(&mut self, frame: VideoFrame) {
        let limit = self.config.max_bytes;
        match &mut self.state {
            State::Waiting { held, since, .. } => {
                if held.video.is_empty() && !frame.is_keyframe {
                    self.dropped_frames += 1;
                    return;
                }
                let now = frame.dts;
                since.get_or_insert(now);
                // Full: the other track has had its chance.
                if held.is_full(frame.data.len(), limit) {
                    self.start(now);
                    return self.push_video(frame);
                }
                held.push_video(frame);
                self.start_if_complete(now);
            }
            State::Running { init, .. } => {
                if init
                    .video
                    .as_ref()
                    .is_none_or(|config| *config != frame.config)
                {
                    if !frame.is_keyframe {
                        self.dropped_frames += 1;
                        return;
                    }
                    let audio = init.audio.clone();
                    self.reconfigure(frame.dts, Some(frame.config.clone()), audio);
                } else if self.cut_due(
                    frame.dts,
                    frame.data.len(),
                    Track::Video {
                        is_keyframe: frame.is_keyframe,
                    },
                ) {
                    let end = self.cut_point(&frame);
                    self.cut(end);
                }
                self.open_at(frame.dts, |open| open.push_video(frame));
            }
        }
    }

    /// Takes the next audio frame; `config` describes it.
    pub fn push_audio(&mut self, config: &AudioConfig, frame: AudioFrame) {
        let limit = self.config.max_bytes;
        match &mut self.state {
            State::Waiting { held, since, audio } => {
                let now = frame.pts;
                since.get_or_insert(now);
                *audio = Some(config.clone());
                if held.is_full(frame.data.len(), limit) {
                    self.start(now);
                    return self.push_audio(config, frame);
                }
                held.push_audio(frame);
                self.start_if_complete(now);
            }
            State::Running { init, .. } => {
                if init.audio.as_ref() != Some(config) {
                    let video = init.video.clone();
                    self.reconfigure(frame.pts, video, Some(config.clone()));
                } else if self.cut_due(frame.pts, frame.data.len(), Track::Audio) {
                    self.cut(frame.pts);
                }
                self.open_at(frame.pts, |open| open.push_audio(frame));
            }
        }
    }

    /// Ends the open segment here and marks the next one as not continuing its timeline.
    pub fn mark_discontinuity(&mut self) {
        self.finish();
        self.discontinuity = matches!(self.state, State::Running { .. });
    }

    /// Ends the open segment with what it has.
    pub fn finish(&mut self) {
        if let State::Waiting { held, audio, .. } = &self.state
            && let Some(end) = held.end_time(audio.as_ref())
        {
            self.start(end);
        }
        if let State::Running {
            open: Some(open),
            init,
        } = &self.state
            && let Some(end) = open.end_time(init.audio.as_ref())
        {
            self.cut(end);
        }
    }

    /// What is ready.
    pub fn poll(&mut self) -> Option<SegmenterOutput> {
        self.out.pop_front()
    }

    /// Media time at which the open segment began.
    pub fn open_since(&self) -> Option<MediaTime> {
        match &self.state {
            State::Running {
                open: Some(open), ..
            } => Some(open.start),
            _ => None,
        }
    }

    fn start_if_complete(&mut self, now: MediaTime) {
        let State::Waiting { since, audio, held } = &self.state else {
            return;
        };
        let complete = (!self.expected.video || !held.video.is_empty())
            && (!self.expected.audio || audio.is_some());
        let waited = since.is_some_and(|since| now.since(since) >= self.config.track_wait);
        if complete || waited {
            self.start(now);
        }
    }

    /// From waiting to running, with whatever tracks there are.
    fn start(&mut self, now: MediaTime) {
        let State::Waiting { audio, held, .. } = &mut self.state else {
            return;
        };
        let audio = audio.take();
        let mut held = std::mem::take(held);
        let video = held.video.first().map(|frame| frame.config.clone());
        // Sound before the first picture would only delay the start.
        if let Some(first) = held.video.first() {
            let split = held
                .audio
                .partition_point(|frame| audio_end(frame, audio.as_ref()) <= first.dts);
            held.audio.drain(..split);
        }
        held.start = held.first_time().unwrap_or(now);
        let init = Init {
            version: 0,
            video,
            audio,
        };
        self.write_init(&init);
        // Parameter sets may have changed while frames were held: go through the usual checks.
        let config = init.audio.clone();
        let Open {
            start,
            video,
            audio,
            ..
        } = held;
        self.state = State::Running {
            init,
            open: Some(Open {
                start,
                ..Open::default()
            }),
        };
        let mut audio = audio.into_iter().peekable();
        for frame in video {
            while let (Some(config), Some(sound)) =
                (&config, audio.next_if(|sound| sound.pts <= frame.dts))
            {
                self.push_audio(config, sound);
            }
            self.push_video(frame);
        }
        if let Some(config) = &config {
            audio.for_each(|sound| self.push_audio(config, sound));
        }
    }

    /// Starts a new initialization section at `at`, ending the segment before.
    fn reconfigure(
        &mut self,
        at: MediaTime,
        video: Option<Arc<VideoConfig>>,
        audio: Option<AudioConfig>,
    ) {
        self.cut(at);
        let State::Running { init, .. } = &mut self.state else {
            return;
        };
        *init = Init {
            version: init.version + 1,
            video,
            audio,
        };
        let init = init.clone();
        self.discontinuity = true;
        self.write_init(&init);
    }

    fn write_init(&mut self, init: &Init) {
        match fmp4::init_section(init.video.as_deref(), init.audio.as_ref()) {
            Ok(data) => {
                let codecs = [
                    init.video.as_ref().map(|config| config.codec_string()),
                    init.audio
                        .as_ref()
                        .map(|config| config.codec_string().to_owned()),
                ];
                let codecs = codecs.into_iter().flatten().collect::<Vec<_>>().join(",");
                let version = init.version;
                self.out.push_back(SegmenterOutput::Init(InitSection {
                    version,
                    data,
                    codecs,
                }));
            }
            Err(_) => self.dropped_frames += 1,
        }
    }

    fn open_at(&mut self, start: MediaTime, push: impl FnOnce(&mut Open)) {
        if let State::Running { open, .. } = &mut self.state {
            push(open.get_or_insert_with(|| Open {
                start,
                ..Open::default()
            }));
        }
    }

    fn cut_due(&self, now: MediaTime, bytes: usize, track: Track) -> bool {
        let State::Running {
            init,
            open: Some(open),
        } = &self.state
        else {
            return false;
        };
        let elapsed = now.since(open.start);
        let due = match track {
            Track::Video { is_keyframe: true } => self.config.earliest_cut(),
            Track::Video { is_keyframe: false } => self.config.latest_cut(),
            // With video the sound leaves the cut to the picture, unless no picture comes.
            Track::Audio if init.video.is_some() => self.config.latest_cut() + INTERLEAVE,
            Track::Audio => self.config.target,
        };
        elapsed >= due || open.is_full(bytes, self.config.max_bytes)
    }

    /// Where to end the open segment when `frame` is due. A publisher with key frames every
    /// 1.5 s has none near the target: better a short segment than one that starts without.
    fn cut_point(&self, frame: &VideoFrame) -> MediaTime {
        match &self.state {
            State::Running {
                open: Some(open), ..
            } if !frame.is_keyframe => open.last_keyframe(self.config.target / 2),
            _ => None,
        }
        .unwrap_or(frame.dts)
    }

    /// Closes the open segment at `end`; frames from `end` on stay for the next one.
    fn cut(&mut self, end: MediaTime) {
        let State::Running { init, open } = &mut self.state else {
            return;
        };
        let Some(mut closing) = open.take() else {
            return;
        };
        let split = closing.audio.partition_point(|frame| frame.pts < end);
        let audio = closing.audio.split_off(split);
        let split = closing.video.partition_point(|frame| frame.dts < end);
        let video = closing.video.split_off(split);
        if !audio.is_empty() || !video.is_empty() {
            let sizes = audio.iter().map(|frame| frame.data.len());
            let sizes = sizes.chain(video.iter().map(|frame| frame.data.len()));
            *open = Some(Open {
                start: end,
                bytes: sizes.map(|size| size + FRAME_COST).sum(),
                video,
                audio,
            });
        }
        if closing.video.is_empty() && closing.audio.is_empty() {
            return;
        }
        let fragment = Fragment {
            sequence: self.next_fragment,
            video: &closing.video,
            audio: &closing.audio,
            audio_timescale: init.audio.as_ref().map_or(1, |audio| audio.sample_rate),
            end,
        };
        let Ok(data) = fmp4::fragment(&fragment) else {
            self.dropped_frames += (closing.video.len() + closing.audio.len()) as u64;
            return;
        };
        self.next_fragment = self.next_fragment.wrapping_add(1);
        self.out.push_back(SegmenterOutput::Segment(Segment {
            init: init.version,
            data,
            start: closing.start,
            // A frame that comes late (a still screen, say) ends its segment late. The playlist
            // must not say so; players take the exact time from the media.
            duration: end.since(closing.start).min(self.config.longest()),
            is_independent: closing.video.first().is_none_or(|frame| frame.is_keyframe),
            discontinuity: std::mem::take(&mut self.discontinuity),
        }));
    }
}

#[derive(Debug, Clone, Copy)]
enum Track {
    Video { is_keyframe: bool },
    Audio,
}

impl SegmenterConfig {
    /// A key frame this long after the start ends the segment.
    fn earliest_cut(&self) -> Duration {
        // A key frame asked for at the target comes a little after it; one that a publisher
        // sends by itself every 2 s may come a frame early.
        self.target.saturating_sub(Duration::from_millis(100))
    }

    /// Any frame this long after the start ends the segment.
    fn latest_cut(&self) -> Duration {
        self.target + Duration::from_millis(350)
    }

    /// The longest duration that still rounds to the target.
    fn longest(&self) -> Duration {
        self.target + Duration::from_millis(499)
    }
}

impl Open {
    fn push_video(&mut self, frame: VideoFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.video.push(frame);
    }

    fn push_audio(&mut self, frame: AudioFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.audio.push(frame);
    }

    fn is_full(&self, more: usize, limit: usize) -> bool {
        self.bytes.saturating_add(more) > limit
    }

    /// The last key frame at least `distance` after the start.
    fn last_keyframe(&self, distance: Duration) -> Option<MediaTime> {
        let last = self.video.iter().rev().find(|frame| frame.is_keyframe)?;
        (last.dts.since(self.start) >= distance).then_some(last.dts)
    }

    fn first_time(&self) -> Option<MediaTime> {
        let video = self.video.first().map(|frame| frame.dts);
        let audio = self.audio.first().map(|frame| frame.pts);
        // The picture sets the start; sound may reach a frame's length before it.
        video.or(audio)
    }

    /// Where the last frame ends; a video frame is taken to last as long as the one before it.
    fn end_time(&self, audio: Option<&AudioConfig>) -> Option<MediaTime> {
        let video = self.video.last().map(|last| {
            let before = self
                .video
                .iter()
                .rev()
                .nth(1)
                .map_or(last.dts, |frame| frame.dts);
            last.dts
                .saturating_add(last.dts.since(before).max(Duration::from_millis(1)))
        });
        let audio = self.audio.last().map(|last| audio_end(last, audio));
        video.max(audio)
    }
}

fn audio_end(frame: &AudioFrame, config: Option<&AudioConfig>) -> MediaTime {
    let rate = config.map_or(0, |config| config.sample_rate);
    frame
        .pts
        .saturating_add(MediaTime::from_hz(frame.samples.into(), rate).as_duration())
}

/// What holding a frame costs beside its data, so that many tiny ones are bounded as well.
const FRAME_COST: usize = 128;

/// How far sound may run ahead of the picture in the input.
const INTERLEAVE: Duration = Duration::from_millis(140);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{PPS, SPS_320X180, SPS_640X360};

    fn config(sps: &[u8]) -> Arc<VideoConfig> {
        Arc::new(VideoConfig::new(sps, &[PPS]).unwrap())
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
            Self {
                segmenter: Segmenter::new(SegmenterConfig::default(), video, audio),
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
                    SegmenterOutput::Init(_) => None,
                })
                .collect()
        }

        fn inits(&self) -> Vec<&InitSection> {
            self.outputs
                .iter()
                .filter_map(|output| match output {
                    SegmenterOutput::Init(init) => Some(init),
                    SegmenterOutput::Segment(_) => None,
                })
                .collect()
        }
    }

    fn assert_contiguous(segments: &[&Segment]) {
        for pair in segments.windows(2) {
            let end = pair[0].start.saturating_add(pair[0].duration);
            // A duration in nanoseconds may lose one tick.
            assert!(end.ticks_since(pair[1].start).abs() <= 1);
        }
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
        for fps in [1, 3, 5, 10, 30] {
            let config = config(SPS_640X360);
            let mut source = Source::new(true, true);
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
    fn finish_gives_the_last_piece_and_a_mark_makes_one_discontinuity() {
        let config = config(SPS_640X360);
        let mut source = Source::new(true, true);
        for frame in 0..10 {
            source.picture(frame * 33, frame == 0, &config);
        }
        source.segmenter.mark_discontinuity();
        for frame in 10..20 {
            source.picture(frame * 33, frame == 10, &config);
        }
        source.segmenter.finish();
        source.drain();
        let marks: Vec<bool> = source.segments().iter().map(|s| s.discontinuity).collect();
        assert_eq!(marks.iter().filter(|mark| **mark).count(), 1);
        assert!(!marks[0]);
        assert_eq!(source.inits().len(), 1);
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
}
