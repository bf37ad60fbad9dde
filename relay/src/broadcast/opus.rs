//! The publisher's own sound beside its AAC: Opus packets at their media times, as Media Segments of
//! nothing else.
//!
//! Decoders of Media Source Extensions count samples and look at the time of the first packet alone,
//! so packets follow each other without holes and overlaps, each as long as it plays. The count is
//! held to media time like this:
//!
//! - A packet less than 10 ms before or behind its place in the count is played there. Nothing is
//!   resampled: two clocks that differ by 50 ppm are so far apart after three minutes.
//! - A gap, of lost packets or of a sender that is silent on purpose (DTX, RFC 6716 section 2.1.9),
//!   is filled with frames of no bytes, one a packet (section 3.2.1): decoders conceal these as they
//!   do lost ones, with comfort noise where the sender had been silent.
//! - A packet for a time that is filled takes the place of such frames, as long as they wait here.
//!   Where they are out it is dropped, however long it is: what it would have behind them came late,
//!   and all that follows with it.
//!
//! What is sent waits until the AAC of its time is there, which is what the other variants go by: a
//! discontinuity that these have is in this one as well, and at the same time.

use std::collections::VecDeque;

use bytes::Bytes;
use packager::frames::{AudioConfig, AudioFrame};
use packager::hls::{Segmenter, SegmenterConfig, SegmenterOutput};
use packager::opus;
use packager::time::MediaTime;

use super::inputs::PlacedOpus;
use crate::metrics::Metrics;

/// How far a packet may lie from its place in the count: 10 ms, half of what browsers send at once.
const MAX_DRIFT: u64 = 480;

/// Longest gap that is filled. Beyond it the count jumps: the work must stay bounded, and the
/// timeline takes long pauses out.
const MAX_FILL: u64 = 10 * opus::HZ as u64;

/// Packets that wait for AAC, which is late by a fraction of a second, and what a whole fill may
/// take. More wait only where the transcoder has fallen behind: they go without it.
const MAX_WAITING: usize = 1_024;

/// Channels that decoders give. Senders change between one and two at any packet (RFC 7587 section
/// 4.2), which must not become another initialization section.
const CHANNELS: u8 = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct OpusTrack {
    config: AudioConfig,
    segmenter: Segmenter,
    dropped_reported: u64,
    /// The number of the sample behind the last packet; `None` before the first.
    next: Option<u64>,
    /// How the last packet was coded.
    last: Option<u8>,
    waiting: VecDeque<Waiting>,
    discontinuities_before: u64,
}

#[derive(Debug)]
struct Waiting {
    frame: AudioFrame,
    /// Made up here, and not sent.
    is_filling: bool,
}

impl OpusTrack {
    pub(super) fn new(config: SegmenterConfig) -> Self {
        Self {
            config: AudioConfig::opus(CHANNELS),
            segmenter: Segmenter::new(config, false, true),
            dropped_reported: 0,
            next: None,
            last: None,
            waiting: VecDeque::new(),
            discontinuities_before: 0,
        }
    }

    /// Another publisher's packets follow; the count goes on.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// Takes a packet that has its place.
    pub(super) fn push(&mut self, packet: &PlacedOpus, metrics: &Metrics) {
        let Ok(samples) = opus::samples(&packet.data) else {
            return;
        };
        let (samples, at) = (u64::from(samples), packet.time.as_hz(opus::HZ));
        self.take_back(at);
        let mut next = *self.next.get_or_insert(at);
        if at >= next.saturating_add(MAX_DRIFT) {
            self.bridge(at);
            next = self.next.unwrap_or(at);
        }
        let behind = next.saturating_sub(at);
        if behind > MAX_DRIFT {
            metrics.count_drop("opus_of_filled_time", 1);
            return;
        }
        self.last = packet.data.first().copied();
        self.append(Bytes::copy_from_slice(&packet.data), samples, false);
    }

    /// Has sound up to `until`, because no packets come while the broadcast goes on. `from` is where
    /// it starts if there was none yet.
    pub(super) fn fill(&mut self, from: MediaTime, until: MediaTime) {
        let until = until.as_hz(opus::HZ);
        self.next.get_or_insert(from.as_hz(opus::HZ));
        self.bridge(until);
    }

    /// Lets out what begins before `until`.
    pub(super) fn release(&mut self, until: MediaTime) {
        while let Some(first) = self.waiting.front()
            && (first.frame.pts < until || self.waiting.len() > MAX_WAITING)
            && let Some(Waiting { frame, .. }) = self.waiting.pop_front()
        {
            self.segmenter.push_audio(&self.config, frame);
        }
    }

    /// Lets out all, and ends the segment under way.
    pub(super) fn finish(&mut self) {
        self.release(MediaTime::MAX);
        self.segmenter.finish();
    }

    pub(super) fn poll(&mut self) -> Option<SegmenterOutput> {
        self.segmenter.poll()
    }

    /// Adds what was dropped since the last call to the metrics.
    pub(super) fn report(&mut self, metrics: &Metrics) {
        let dropped = self.segmenter.dropped_frames();
        let new = dropped - std::mem::replace(&mut self.dropped_reported, dropped);
        if new > 0 {
            metrics.count_drop("hls_frame", new);
        }
    }

    /// Discontinuities that the variants had before this one began.
    pub(super) fn discontinuities_before(&self) -> u64 {
        self.discontinuities_before
    }

    /// Has as many discontinuities as the variants, of which `most` were there so far and `place`
    /// tells where one is by its number.
    pub(super) fn keep_in_step(&mut self, most: u64, place: impl FnOnce(u64) -> Option<MediaTime>) {
        if !self.segmenter.has_begun() {
            self.discontinuities_before = most;
            return;
        }
        let so_far = self.discontinuities_before + self.segmenter.discontinuities();
        if let Some(at) = place(so_far + 1) {
            self.segmenter.begin_at(at);
        }
    }

    /// Fills the count up to the sample `target`, as far as the shortest frame allows.
    fn bridge(&mut self, target: u64) {
        let next = self.next.unwrap_or(target);
        if target.saturating_sub(next) > MAX_FILL {
            self.next = Some(target);
            return;
        }
        let toc = self.last.unwrap_or(SILENT);
        let mut left = target.saturating_sub(next);
        while let Some((toc, samples)) = empty_frame(toc, left) {
            left -= samples;
            self.append(Bytes::copy_from_slice(&[toc]), samples, true);
        }
    }

    /// Takes back what was filled beyond `at`.
    fn take_back(&mut self, at: u64) {
        while let Some(next) = self.next.filter(|next| *next > at)
            && let Some(last) = self.waiting.back().filter(|last| last.is_filling)
        {
            self.next = Some(next - u64::from(last.frame.samples));
            self.waiting.pop_back();
        }
    }

    fn append(&mut self, data: Bytes, samples: u64, is_filling: bool) {
        let at = self.next.unwrap_or(0);
        self.next = Some(at.saturating_add(samples));
        let frame = AudioFrame {
            pts: MediaTime::from_hz(at, opus::HZ),
            data,
            samples: u32::try_from(samples).unwrap_or(opus::MAX_SAMPLES),
        };
        self.waiting.push_back(Waiting { frame, is_filling });
        self.release(MediaTime::ZERO);
    }
}

/// A packet of one frame without bytes, of at most `most` samples, and how many it plays: in the way
/// of `toc` where that fits, else shorter. Its table of contents is all of it.
fn empty_frame(toc: u8, most: u64) -> Option<(u8, u64)> {
    let of_last = toc & !CODE;
    let shorter = SHORTER.iter().map(|config| config << 3 | toc & STEREO);
    std::iter::once(of_last).chain(shorter).find_map(|toc| {
        let samples = u64::from(opus::samples(&[toc]).ok()?);
        (samples <= most).then_some((toc, samples))
    })
}

/// The bits of a table of contents that say how many frames there are, and that they have two
/// channels (RFC 6716 section 3.1).
const CODE: u8 = 0b11;
const STEREO: u8 = 0b100;

/// Configurations of CELT over the full band: 20, 10, 5 and 2.5 ms.
const SHORTER: [u8; 4] = [31, 30, 29, 28];

/// Before the first packet: 20 ms of two channels.
const SILENT: u8 = 31 << 3 | STEREO;

#[cfg(test)]
mod tests;
