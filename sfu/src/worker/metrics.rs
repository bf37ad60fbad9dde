//! The workers' metrics: counted without atomics, written here once a second.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::media::{Counters, DropReason, Gauges};
use crate::worker::api::Role;

/// Metrics of all workers together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    sessions: IntGaugeVec,
    tracks: IntGauge,
    rooms: IntGauge,
    packets: IntCounterVec,
    bytes: IntCounterVec,
    datagrams: IntCounterVec,
    sends: IntCounter,
    drops: IntCounterVec,
    keyframe_requests: IntCounterVec,
    nacks: IntCounterVec,
    redundant: IntCounterVec,
    rtx: IntCounter,
    voice_changes: IntCounter,
    cache_joins: IntCounter,
    panics: IntCounter,
    timeouts: IntCounter,
    forgotten: IntCounter,
    offers: IntCounter,
    answers_refused: IntCounter,
    events_dropped: IntCounter,
    pub(crate) delay: Histogram,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let vec = |name: &str, help: &str, label: &str| -> prometheus::Result<IntCounterVec> {
            let metric = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let sessions = IntGaugeVec::new(
            Opts::new("weblive_media_sessions", "Open WebRTC sessions."),
            &["role"],
        )?;
        registry.register(Box::new(sessions.clone()))?;
        let delay = Histogram::with_opts(
            HistogramOpts::new(
                "weblive_media_forwarding_delay_seconds",
                "Time from the arrival of a batch of datagrams to the end of the sends it caused.",
            )
            .buckets(vec![
                0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1,
                0.25,
            ]),
        )?;
        registry.register(Box::new(delay.clone()))?;
        let metrics = Self {
            sessions,
            tracks: gauge("weblive_media_tracks", "RTP streams that come in.")?,
            rooms: gauge(
                "weblive_media_rooms",
                "Rooms, counted on each worker that has them.",
            )?,
            packets: vec(
                "weblive_media_packets_total",
                "RTP packets from publishers (in) and to subscribers (out).",
                "direction",
            )?,
            bytes: vec(
                "weblive_media_bytes_total",
                "RTP payload bytes from publishers (in) and to subscribers (out).",
                "direction",
            )?,
            datagrams: vec(
                "weblive_media_datagrams_total",
                "UDP datagrams of every protocol.",
                "direction",
            )?,
            sends: counter("weblive_media_sends_total", "Segmented sends.")?,
            drops: vec(
                "weblive_media_dropped_packets_total",
                "Datagrams and packets that were not passed on, by reason.",
                "reason",
            )?,
            keyframe_requests: vec(
                "weblive_media_keyframe_requests_total",
                "PLI and FIR from subscribers (in) and to publishers (out).",
                "direction",
            )?,
            nacks: vec(
                "weblive_media_nacks_total",
                "NACK messages from subscribers (in) and to publishers (out).",
                "direction",
            )?,
            redundant: vec(
                "weblive_media_redundant_packets_total",
                "Lost packets of sound that a later one has brought (in), and packets of sound \
                 sent with those before them (out).",
                "direction",
            )?,
            rtx: counter(
                "weblive_media_rtx_packets_total",
                "Packets sent again to subscribers.",
            )?,
            voice_changes: counter(
                "weblive_media_voice_changes_total",
                "Streams whose sound a subscriber hears in place of another one's, being louder.",
            )?,
            cache_joins: counter(
                "weblive_media_cache_joins_total",
                "Subscribers who entered at a cached key frame.",
            )?,
            panics: counter(
                "weblive_media_session_panics_total",
                "Sessions closed because of a panic in them.",
            )?,
            timeouts: counter(
                "weblive_media_session_timeouts_total",
                "Sessions closed by a time limit or by ICE.",
            )?,
            forgotten: counter(
                "weblive_media_forgotten_streams_total",
                "Published streams whose app is no longer known, since newer ones needed the \
                 place: their play addresses are checked more strictly.",
            )?,
            offers: counter(
                "weblive_media_offers_total",
                "Offers made to receivers of rooms.",
            )?,
            answers_refused: counter(
                "weblive_media_answers_refused_total",
                "Answers of receivers that were not taken.",
            )?,
            events_dropped: counter(
                "weblive_media_events_dropped_total",
                "Media events that the rooms were too slow for.",
            )?,
            delay,
        };
        for role in [Role::Publisher.name(), Role::Subscriber.name(), RECEIVER] {
            metrics.sessions.with_label_values(&[role]).set(0);
        }
        metrics.add(&Counters::default());
        Ok(metrics)
    }

    /// Adds what one worker counted.
    pub(crate) fn add(&self, c: &Counters) {
        for reason in DropReason::ALL {
            self.drops
                .with_label_values(&[reason.name()])
                .inc_by(c.drops(reason));
        }
        for (metric, count_in, count_out) in [
            (&self.packets, c.packets_in, c.packets_out),
            (&self.bytes, c.bytes_in, c.bytes_out),
            (&self.datagrams, c.datagrams_in, c.datagrams_out),
            (
                &self.keyframe_requests,
                c.keyframe_requests_in,
                c.keyframe_requests_out,
            ),
            (&self.nacks, c.nacks_in, c.nacks_out),
            (&self.redundant, c.redundant_in, c.redundant_out),
        ] {
            metric.with_label_values(&["in"]).inc_by(count_in);
            metric.with_label_values(&["out"]).inc_by(count_out);
        }
        self.sends.inc_by(c.sends);
        self.rtx.inc_by(c.rtx_out);
        self.voice_changes.inc_by(c.voice_changes);
        self.cache_joins.inc_by(c.cache_joins);
        self.panics.inc_by(c.panics);
        self.timeouts.inc_by(c.timeouts);
        self.offers.inc_by(c.offers_out);
        self.answers_refused.inc_by(c.answers_refused);
        self.events_dropped.inc_by(c.events_dropped);
    }

    /// Notes how many streams the directory has forgotten. Called by one worker alone.
    pub(crate) fn forgotten(&self, total: u64) {
        self.forgotten
            .inc_by(total.saturating_sub(self.forgotten.get()));
    }

    /// Moves the gauges by the change of one worker's state.
    pub(crate) fn shift(&self, before: &Gauges, after: &Gauges) {
        let delta = |a: usize, b: usize| b as i64 - a as i64;
        self.sessions
            .with_label_values(&[Role::Publisher.name()])
            .add(delta(before.publishers, after.publishers));
        self.sessions
            .with_label_values(&[Role::Subscriber.name()])
            .add(delta(before.subscribers, after.subscribers));
        self.sessions
            .with_label_values(&[RECEIVER])
            .add(delta(before.receivers, after.receivers));
        self.tracks.add(delta(before.tracks, after.tracks));
        self.rooms.add(delta(before.rooms, after.rooms));
    }
}

/// The label of sessions that the server makes offers to.
const RECEIVER: &str = "receiver";

/// How often a worker writes its counters here.
pub(crate) const PERIOD: Duration = Duration::from_secs(1);
