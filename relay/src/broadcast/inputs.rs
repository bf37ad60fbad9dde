//! The two tracks as they come in: packets in any order to frames with media times.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::frames::{DecodeClock, VideoFrame};
use packager::opus;
use packager::patience::Waits;
use packager::reorder::{Ordered, Reorder, ReorderConfig, ReorderCounters};
use packager::rtp::{MediaKind, RtpPacket};
use packager::time::MediaTime;
use packager::timeline::Timeline;
use packager::video::{
    AccessUnit, Depacketizer, DepacketizerCounters, DepacketizerLimits, VideoCodec,
};

use crate::metrics::Metrics;

/// Access units or packets that wait for the timeline, which takes at most 500 ms. More come
/// only from a sender that means harm.
const MAX_UNPLACED: usize = 256;

/// How long sound waits for a packet that is overtaken. Browsers do not send sound again, and a
/// retransmission over 30 ms of round trip would come in time; then the decoder bridges the gap.
const AUDIO_WAIT: Duration = Duration::from_millis(60);

/// A packet of another codec that is this far behind the newest one is late; further behind, it is of
/// a sequence that starts anew.
const MAX_LATE: u64 = 1_024;

/// Video packets to frames.
#[derive(Debug)]
pub(super) struct VideoInput {
    reorder: Reorder,
    depacketizer: Depacketizer,
    /// The number of the newest packet.
    newest: Option<u64>,
    unplaced: VecDeque<AccessUnit>,
    decode_clock: DecodeClock,
    reported: (ReorderCounters, DepacketizerCounters),
}

impl VideoInput {
    pub(super) fn new() -> Self {
        Self {
            reorder: Reorder::new(ReorderConfig::default()),
            depacketizer: Depacketizer::new(VideoCodec::H264, DepacketizerLimits::default()),
            newest: None,
            unplaced: VecDeque::new(),
            decode_clock: DecodeClock::default(),
            reported: Default::default(),
        }
    }

    /// Forgets the RTP stream; decode time goes on rising.
    pub(super) fn restart(&mut self) {
        let decode_clock = std::mem::take(&mut self.decode_clock);
        *self = Self {
            decode_clock,
            ..Self::new()
        };
    }

    /// Takes a packet in. One of another codec than those before starts over with a key frame.
    pub(super) fn push(&mut self, codec: VideoCodec, packet: RtpPacket, metrics: &Metrics) {
        if codec != self.depacketizer.codec() {
            let is_late = self
                .newest
                .is_some_and(|newest| packet.seq < newest && newest - packet.seq < MAX_LATE);
            if is_late {
                metrics.count_drop("video_of_old_codec", 1);
                return;
            }
            self.follow(codec, metrics);
        }
        self.newest = self.newest.max(Some(packet.seq));
        // A refused packet is counted by the reorder itself.
        let _ = self.reorder.push(packet);
    }

    /// Another codec goes on: what waits of the one before does not come out any more, except whole
    /// pictures.
    fn follow(&mut self, codec: VideoCodec, metrics: &Metrics) {
        self.report(metrics);
        self.reorder = Reorder::new(ReorderConfig::default());
        self.depacketizer = Depacketizer::new(codec, DepacketizerLimits::default());
        self.reported = Default::default();
        self.newest = None;
    }

    /// The next frame, with the arrival of its last packet. `place` gives the media time of an RTP
    /// time, or nothing while that is not known.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        mut place: impl FnMut(u32) -> Option<MediaTime>,
        metrics: &Metrics,
    ) -> Option<(VideoFrame, Instant)> {
        while let Some(ordered) = self.reorder.pop(now) {
            match ordered {
                Ordered::Packet(packet) => self.depacketizer.handle_packet(&packet),
                Ordered::Gap { .. } => self.depacketizer.handle_gap(),
            }
            while let Some(unit) = self.depacketizer.poll_access_unit() {
                self.unplaced.push_back(unit);
            }
            if self.unplaced.len() > MAX_UNPLACED {
                metrics.count_drop("video_unplaced", self.unplaced.len() as u64);
                self.unplaced.clear();
                self.depacketizer.handle_gap();
            }
        }
        let unit = self.unplaced.front()?;
        let pts = place(unit.rtp_time)?;
        let unit = self.unplaced.pop_front()?;
        let frame = VideoFrame {
            dts: self.decode_clock.next(pts),
            pts,
            is_keyframe: unit.is_keyframe,
            config: unit.config,
            data: unit.data,
        };
        Some((frame, unit.received))
    }

    /// What comes from here on is of another source.
    pub(super) fn switch(&mut self) {
        self.reorder.switch();
    }

    /// True once when it becomes doubtful that a missing packet comes.
    pub(super) fn poll_doubt(&mut self, now: Instant) -> bool {
        self.reorder.poll_doubt(now)
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.depacketizer.needs_keyframe()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let doubt = self.reorder.next_doubt();
        self.reorder.next_timeout().into_iter().chain(doubt).min()
    }

    /// Adds what was dropped since the last call to the metrics.
    pub(super) fn report(&mut self, metrics: &Metrics) {
        let new = (self.reorder.counters(), self.depacketizer.counters());
        if new == self.reported {
            return;
        }
        let (order, units) = std::mem::replace(&mut self.reported, new);
        report_order(metrics, "video", &order, &new.0);
        for (reason, before, after) in [
            (
                "video_stale_packet",
                units.stale_packets,
                new.1.stale_packets,
            ),
            ("video_unit_lost", units.units_lost, new.1.units_lost),
            (
                "video_unit_headless",
                units.units_headless,
                new.1.units_headless,
            ),
            (
                "video_unit_malformed",
                units.units_malformed,
                new.1.units_malformed,
            ),
            (
                "video_unit_too_large",
                units.units_too_large,
                new.1.units_too_large,
            ),
            (
                "video_unit_without_sets",
                units.units_without_sets,
                new.1.units_without_sets,
            ),
            (
                "video_unit_changed_sets",
                units.units_changed_sets,
                new.1.units_changed_sets,
            ),
            (
                "video_unit_awaiting_keyframe",
                units.units_awaiting_keyframe,
                new.1.units_awaiting_keyframe,
            ),
            (
                "video_unit_leading",
                units.units_leading,
                new.1.units_leading,
            ),
            (
                "video_unit_unpolled",
                units.units_unpolled,
                new.1.units_unpolled,
            ),
            (
                "video_bad_parameter_sets",
                units.bad_parameter_sets,
                new.1.bad_parameter_sets,
            ),
            (
                "video_layer_left_out",
                units.layer_packets,
                new.1.layer_packets,
            ),
        ] {
            if after > before {
                metrics.count_drop(reason, after - before);
            }
        }
    }
}

/// Opus packets in order, with media times.
#[derive(Debug)]
pub(super) struct AudioInput {
    reorder: Reorder,
    unplaced: VecDeque<RtpPacket>,
    reported: ReorderCounters,
}

/// One Opus packet that has its place.
#[derive(Debug)]
pub(super) struct PlacedOpus {
    pub(super) data: Arc<[u8]>,
    pub(super) time: MediaTime,
    pub(super) end: MediaTime,
    /// The sender has nothing to say from here on.
    pub(super) is_dtx: bool,
    pub(super) received: Instant,
}

impl AudioInput {
    pub(super) fn new() -> Self {
        let config = ReorderConfig {
            waits: Waits::fixed(AUDIO_WAIT),
            ..ReorderConfig::default()
        };
        Self {
            reorder: Reorder::new(config),
            unplaced: VecDeque::new(),
            reported: ReorderCounters::default(),
        }
    }

    pub(super) fn push(&mut self, packet: RtpPacket) {
        // A refused packet is counted by the reorder itself.
        let _ = self.reorder.push(packet);
    }

    /// What comes from here on is of another source.
    pub(super) fn switch(&mut self) {
        self.reorder.switch();
    }

    /// The next packet.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        timeline: &mut Timeline,
        metrics: &Metrics,
    ) -> Option<PlacedOpus> {
        // A gap needs no mark: the time of the packet after it shows it.
        while let Some(ordered) = self.reorder.pop(now) {
            let Ordered::Packet(packet) = ordered else {
                continue;
            };
            if packet.payload.is_empty() {
                continue;
            }
            if opus::samples(&packet.payload).is_err() {
                metrics.count_drop("opus_malformed", 1);
                continue;
            }
            self.unplaced.push_back(packet);
            if self.unplaced.len() > MAX_UNPLACED {
                self.unplaced.pop_front();
                metrics.count_drop("audio_unplaced", 1);
            }
        }
        let packet = self.unplaced.front()?;
        let time = timeline.media_time(MediaKind::Audio, packet.time)?;
        let packet = self.unplaced.pop_front()?;
        let samples = opus::samples(&packet.payload).unwrap_or(0);
        let length = MediaTime::from_hz(u64::from(samples), opus::HZ).as_duration();
        Some(PlacedOpus {
            is_dtx: opus::is_dtx(&packet.payload),
            data: packet.payload,
            time,
            end: time.saturating_add(length),
            received: packet.received,
        })
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.reorder.next_timeout()
    }

    /// Adds what was dropped since the last call to the metrics.
    pub(super) fn report(&mut self, metrics: &Metrics) {
        let new = self.reorder.counters();
        if new != self.reported {
            report_order(
                metrics,
                "audio",
                &std::mem::replace(&mut self.reported, new),
                &new,
            );
        }
    }
}

fn report_order(
    metrics: &Metrics,
    track: &'static str,
    before: &ReorderCounters,
    after: &ReorderCounters,
) {
    let recovered = metrics.recovered.with_label_values(&[track]);
    recovered.inc_by(after.recovered - before.recovered);
    let waited = metrics.waited.with_label_values(&[track]);
    waited.inc_by((after.waited - before.waited).as_secs_f64());
    metrics.count_event("sequence_restart", after.restarts - before.restarts);
    for (reason, before, after) in [
        ("packet_number_invalid", before.invalid, after.invalid),
        ("packet_late", before.late, after.late),
        ("packet_duplicate", before.duplicate, after.duplicate),
        ("packet_reorder_full", before.full, after.full),
        ("packet_lost", before.lost, after.lost),
        ("packet_of_old_sequence", before.discarded, after.discarded),
    ] {
        if after > before {
            metrics.count_drop(reason, after - before);
        }
    }
}
