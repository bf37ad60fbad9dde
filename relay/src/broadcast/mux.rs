//! One variant on its way out: frames of both tracks in order of time, as FLV tags and as HLS
//! segments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::flv;
use packager::frames::{AudioConfig, AudioFrame, Frame, VideoFrame};
use packager::hls::{Segmenter, SegmenterConfig, SegmenterOutput};
use packager::rtp::Tracks;
use packager::time::MediaTime;

use super::interleave::Interleaver;
use crate::flv::{Tag, TagKind};
use crate::metrics::Metrics;

/// How long FLV viewers wait for an announced video track before they get sound alone.
const VIDEO_WAIT: Duration = Duration::from_secs(3);

/// What comes out of a variant.
#[derive(Debug)]
pub(super) enum Muxed {
    Tag(Tag),
    Hls(SegmenterOutput),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Mux {
    expected: Tracks,
    metrics: Arc<Metrics>,
    interleaver: Interleaver,
    superseded_reported: u64,
    has_shown: bool,
    /// First sound that came while announced video did not.
    sound_alone_since: Option<MediaTime>,
    segmenter: Segmenter,
    segmenter_dropped: u64,
    /// Discontinuities that the other variants had before this one began.
    discontinuities_before: u64,
    out: VecDeque<Muxed>,
}

impl Mux {
    pub(super) fn new(config: SegmenterConfig, expected: Tracks, metrics: Arc<Metrics>) -> Self {
        Self {
            expected,
            metrics,
            interleaver: Interleaver::new(expected),
            superseded_reported: 0,
            has_shown: false,
            sound_alone_since: None,
            segmenter: Segmenter::new(config, expected.video, expected.audio),
            segmenter_dropped: 0,
            discontinuities_before: 0,
            out: VecDeque::new(),
        }
    }

    /// Says which tracks frames come of.
    pub(super) fn expect(&mut self, expected: Tracks) {
        self.expected = expected;
        self.interleaver.expect(expected);
    }

    /// What follows is of another source.
    pub(super) fn restart(&mut self) {
        self.segmenter.restart();
    }

    pub(super) fn push_video(&mut self, now: Instant, frame: VideoFrame) {
        self.has_shown = true;
        self.interleaver.push_video(now, frame);
    }

    pub(super) fn push_audio(&mut self, now: Instant, frame: AudioFrame) {
        self.interleaver.push_audio(now, frame);
    }

    /// Moves everything on that can move by `now`. `audio` describes the sound.
    pub(super) fn advance(&mut self, now: Instant, audio: Option<&Arc<AudioConfig>>) {
        while let Some(frame) = self.interleaver.pop(now) {
            self.emit(frame, audio);
        }
        self.report_superseded();
        self.poll_segmenter();
    }

    /// Moves all on that waits: what follows does not go with it.
    pub(super) fn flush(&mut self, audio: Option<&Arc<AudioConfig>>) {
        while let Some(frame) = self.interleaver.drain() {
            self.emit(frame, audio);
        }
        self.report_superseded();
        self.poll_segmenter();
    }

    /// Writes out all that waits.
    pub(super) fn finish(&mut self, audio: Option<&Arc<AudioConfig>>) {
        self.flush(audio);
        self.segmenter.finish();
        self.poll_segmenter();
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.interleaver.next_timeout()
    }

    pub(super) fn poll(&mut self) -> Option<Muxed> {
        self.out.pop_front()
    }

    /// True once the first initialization section is out.
    pub(super) fn has_begun(&self) -> bool {
        self.segmenter.has_begun()
    }

    /// Discontinuities that other variants had before this one began.
    pub(super) fn discontinuities_before(&self) -> u64 {
        self.discontinuities_before
    }

    /// Takes the discontinuities before its beginning for its own.
    pub(super) fn begin_after(&mut self, discontinuities: u64) {
        self.discontinuities_before = discontinuities;
    }

    /// Discontinuities so far, in its own segments and before them.
    pub(super) fn discontinuities(&self) -> u64 {
        self.discontinuities_before + self.segmenter.discontinuities()
    }

    /// Where the discontinuity of this number is, as [`Mux::discontinuities`] counts.
    pub(super) fn discontinuity(&self, number: u64) -> Option<MediaTime> {
        let own = number.checked_sub(self.discontinuities_before)?;
        self.segmenter.discontinuity(own)
    }

    /// Has its next discontinuity where another variant has it.
    pub(super) fn begin_at(&mut self, at: MediaTime) {
        self.segmenter.begin_at(at);
    }

    fn emit(&mut self, frame: Frame, audio: Option<&Arc<AudioConfig>>) {
        match frame {
            Frame::Video(frame) => {
                self.sound_alone_since = None;
                let kind = if frame.is_keyframe {
                    TagKind::Keyframe(frame.config.clone())
                } else {
                    TagKind::Picture
                };
                self.emit_tag(frame.dts, kind, flv::video_tag(&frame));
                self.segmenter.push_video(frame);
            }
            Frame::Audio(frame) => {
                let Some(config) = audio else {
                    return;
                };
                let since = *self.sound_alone_since.get_or_insert(frame.pts);
                let is_awaiting_video =
                    self.expected.video && !self.has_shown && frame.pts.since(since) < VIDEO_WAIT;
                if !is_awaiting_video {
                    let kind = TagKind::Audio(config.clone());
                    self.emit_tag(frame.pts, kind, flv::audio_tag(&frame));
                }
                self.segmenter.push_audio(config, frame);
            }
        }
    }

    fn emit_tag(
        &mut self,
        time: MediaTime,
        kind: TagKind,
        tag: Result<bytes::Bytes, flv::TagTooLarge>,
    ) {
        match tag {
            Ok(bytes) => {
                self.metrics.tags.inc();
                self.metrics.tag_bytes.inc_by(bytes.len() as u64);
                self.out.push_back(Muxed::Tag(Tag { time, bytes, kind }));
            }
            Err(_) => self.metrics.count_drop("flv_tag_too_large", 1),
        }
    }

    fn report_superseded(&mut self) {
        let superseded = self.interleaver.superseded();
        let new = superseded - std::mem::replace(&mut self.superseded_reported, superseded);
        if new > 0 {
            self.metrics.count_drop("keyframe_superseded", new);
        }
    }

    fn poll_segmenter(&mut self) {
        while let Some(output) = self.segmenter.poll() {
            if let SegmenterOutput::Segment(segment) = &output {
                let is_dependent = !segment.is_independent;
                let metrics = &self.metrics;
                metrics.segments.inc();
                metrics.segments_dependent.inc_by(u64::from(is_dependent));
                metrics.segment_bytes.inc_by(segment.data.len() as u64);
            }
            self.out.push_back(Muxed::Hls(output));
        }
        let dropped = self.segmenter.dropped_frames();
        if dropped > self.segmenter_dropped {
            self.metrics
                .count_drop("hls_frame", dropped - self.segmenter_dropped);
            self.segmenter_dropped = dropped;
        }
    }
}
