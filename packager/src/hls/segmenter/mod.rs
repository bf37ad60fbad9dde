//! Cuts frames into fMP4 Media Segments and, of these, Partial Segments.
//!
//! Segments start at a key frame where one comes in time. Without one the segment is cut all
//! the same, so that no `EXTINF` rounds to more than `EXT-X-TARGETDURATION` (RFC 8216 section
//! 4.3.3.1).
//!
//! A Partial Segment is out as soon as its last frame is over, before its segment is: a segment
//! is its parts behind each other. No part is longer than the Part Target Duration, and none but
//! the last of a segment is shorter than 85 % of it (RFC 8216bis section 4.4.4.9).

mod cut;
mod cutter;
mod open;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::time::MediaTime;
use crate::video::VideoConfig;
use cutter::{Cutter, Init};
use open::Open;

/// When segments end.
#[derive(Debug, Clone, Copy)]
pub struct SegmenterConfig {
    /// Target duration, whole seconds. A segment ends at the first key frame near it.
    pub target: Duration,
    /// Part Target Duration. Without one a segment is one part.
    pub part: Option<Duration>,
    /// How long one expected track waits for the other at the start.
    pub track_wait: Duration,
    /// Bytes at which a segment ends whatever its length: the bound of this buffer.
    pub max_bytes: usize,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_secs(2),
            part: None,
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
    /// The next part of the segment under way.
    Part(Part),
    /// The segment of all parts since the one before: no part of it will follow.
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
    /// Width and height of the picture, if there is one.
    pub size: Option<(u16, u16)>,
    /// What it describes: what other containers need to know.
    pub video: Option<Arc<VideoConfig>>,
    /// The same of the sound.
    pub audio: Option<AudioConfig>,
}

/// A Partial Segment (RFC 8216bis section 3.2).
#[derive(Debug, Clone)]
pub struct Part {
    /// Version of the initialization section it belongs to.
    pub init: u32,
    /// `moof`, `mdat`; `styp` before them in the first part of a segment.
    pub data: Bytes,
    /// Media time at which it starts: where the part before it ends.
    pub start: MediaTime,
    /// Until the next part's start.
    pub duration: Duration,
    /// The first part of a segment.
    pub starts_segment: bool,
    /// It has a key frame, or there is no video.
    pub is_independent: bool,
    /// Its first picture is a key frame, or there is no video: all of it decodes without what was
    /// before.
    pub is_start: bool,
    /// It starts a segment that is not a continuation of the one before (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
}

/// A Media Segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Version of the initialization section it belongs to.
    pub init: u32,
    /// The data of its parts.
    pub data: Bytes,
    /// Media time of its first frame.
    pub start: MediaTime,
    /// Until the next segment's start, for a live playlist: never rounds to more than the target.
    pub duration: Duration,
    /// Until the next segment's start. Longer than the duration where a frame comes late (a still
    /// screen, say).
    pub lasts: Duration,
    /// Starts with a key frame (or has no video).
    pub is_independent: bool,
    /// How many it has.
    pub pictures: u32,
    /// The segment is not a continuation of the one before (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
}

/// The segmenter of one broadcast. Frames go in ordered by time across both tracks, give or
/// take a short interleaving distance.
#[derive(Debug)]
pub struct Segmenter {
    config: SegmenterConfig,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Waiting),
    Running(Box<Cutter>),
}

/// Nothing was cut yet: frames are held until every expected track has shown itself.
#[derive(Debug)]
struct Waiting {
    expects_video: bool,
    expects_audio: bool,
    since: Option<MediaTime>,
    audio: Option<AudioConfig>,
    held: Open,
    dropped_frames: u64,
}

impl Segmenter {
    /// A segmenter that expects the named tracks and starts when all of them have shown a
    /// first frame, or one has waited [`SegmenterConfig::track_wait`] for the other.
    pub fn new(config: SegmenterConfig, video: bool, audio: bool) -> Self {
        Self {
            config,
            state: State::Waiting(Waiting {
                expects_video: video,
                expects_audio: audio,
                since: None,
                audio: None,
                held: Open::default(),
                dropped_frames: 0,
            }),
        }
    }

    /// Frames that could not be used: before a key frame that is needed, of sound that joins with
    /// the next one, too late for their segment, or not fit for MP4.
    pub fn dropped_frames(&self) -> u64 {
        match &self.state {
            State::Waiting(waiting) => waiting.dropped_frames,
            State::Running(cutter) => cutter.dropped_frames,
        }
    }

    /// Takes the next video frame.
    pub fn push_video(&mut self, frame: VideoFrame) {
        let waiting = match &mut self.state {
            State::Waiting(waiting) => waiting,
            State::Running(cutter) => return cutter.push_video(frame),
        };
        if waiting.held.video.is_empty() && !frame.is_keyframe {
            waiting.dropped_frames += 1;
            return;
        }
        let now = frame.dts;
        waiting.since.get_or_insert(now);
        // Full: the other track has had its chance.
        if waiting
            .held
            .is_full(frame.data.len(), self.config.max_bytes)
        {
            self.start(now);
            return self.push_video(frame);
        }
        waiting.held.push_video(frame);
        self.start_if_complete(now);
    }

    /// Takes the next audio frame; `config` describes it.
    pub fn push_audio(&mut self, config: &AudioConfig, frame: AudioFrame) {
        let waiting = match &mut self.state {
            State::Waiting(waiting) => waiting,
            State::Running(cutter) => return cutter.push_audio(config, frame),
        };
        let now = frame.pts;
        waiting.since.get_or_insert(now);
        waiting.audio = Some(config.clone());
        if waiting
            .held
            .is_full(frame.data.len(), self.config.max_bytes)
        {
            self.start(now);
            return self.push_audio(config, frame);
        }
        waiting.held.push_audio(frame);
        self.start_if_complete(now);
    }

    /// What follows is of another source: a discontinuity stands before its first key frame, or
    /// before its first sound if there is no video.
    pub fn restart(&mut self) {
        if let State::Running(cutter) = &mut self.state {
            cutter.restarts = true;
        }
    }

    /// What follows `at` is not a continuation, whether a key frame is there or not: another variant
    /// has its next discontinuity there. Its own next one, if that comes before, stands for it.
    pub fn begin_at(&mut self, at: MediaTime) {
        if let State::Running(cutter) = &mut self.state {
            cutter.begin_at(at);
        }
    }

    /// Where the discontinuity of this number is, counted from 1, if it is one of the latest.
    pub fn discontinuity(&self, number: u64) -> Option<MediaTime> {
        match &self.state {
            State::Waiting(_) => None,
            State::Running(cutter) => cutter.discontinuity(number),
        }
    }

    /// True once all expected tracks have shown themselves, or were waited for long enough.
    pub fn has_begun(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    /// Discontinuities so far, that before the segment under way included.
    pub fn discontinuities(&self) -> u64 {
        match &self.state {
            State::Waiting(_) => 0,
            State::Running(cutter) => cutter.discontinuities,
        }
    }

    /// Ends the open segment with what it has. With parts, what none of them has is left out where it
    /// is shorter than 100 ms: players take so short a segment for a hole before the end.
    pub fn finish(&mut self) {
        if let State::Waiting(waiting) = &self.state
            && let Some(end) = waiting.held.end_time(waiting.audio.as_ref())
        {
            self.start(end);
        }
        if let State::Running(cutter) = &mut self.state {
            cutter.finish();
        }
    }

    /// What is ready.
    pub fn poll(&mut self) -> Option<SegmenterOutput> {
        match &mut self.state {
            State::Waiting(_) => None,
            State::Running(cutter) => cutter.out.pop_front(),
        }
    }

    fn start_if_complete(&mut self, now: MediaTime) {
        let State::Waiting(waiting) = &self.state else {
            return;
        };
        let is_complete = (!waiting.expects_video || !waiting.held.video.is_empty())
            && (!waiting.expects_audio || waiting.audio.is_some());
        let has_waited = waiting
            .since
            .is_some_and(|since| now.since(since) >= self.config.track_wait);
        if is_complete || has_waited {
            self.start(now);
        }
    }

    /// From waiting to running, with whatever tracks there are.
    fn start(&mut self, now: MediaTime) {
        let State::Waiting(waiting) = &mut self.state else {
            return;
        };
        let config = waiting.audio.take();
        let mut held = std::mem::take(&mut waiting.held);
        // Sound before the first picture would only delay the start. Players take the beginning of
        // a frame that reaches over it for that of all, and what they have ends by so much before
        // the playlist's durations: hls.js may load the first segment again and again for that.
        if let Some(first) = held.video.first() {
            let split = held.audio.partition_point(|frame| frame.pts < first.dts);
            held.audio.drain(..split);
        }
        let init = Init {
            version: 0,
            video: held.video.first().map(|frame| frame.config.clone()),
            audio: config.clone(),
        };
        let start = held.first_time().unwrap_or(now);
        let mut cutter = Box::new(Cutter::new(self.config, init, start));
        cutter.dropped_frames = waiting.dropped_frames;
        // Parameter sets may have changed while frames were held: go through the usual checks.
        let mut audio = held.audio.into_iter().peekable();
        for frame in held.video {
            while let (Some(config), Some(sound)) =
                (&config, audio.next_if(|sound| sound.pts <= frame.dts))
            {
                cutter.push_audio(config, sound);
            }
            cutter.push_video(frame);
        }
        if let Some(config) = &config {
            audio.for_each(|sound| cutter.push_audio(config, sound));
        }
        self.state = State::Running(cutter);
    }
}

#[cfg(test)]
mod tests;
