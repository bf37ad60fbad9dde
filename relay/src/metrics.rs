//! Prometheus metrics of the relay.

use prometheus::{
    Counter, CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// All metrics of the relay, registered once a [`Relay`](crate::Relay). Without AAC the
/// transcoder's stay at zero.
#[derive(Debug)]
#[cfg_attr(not(feature = "aac"), allow(dead_code))]
pub(crate) struct Metrics {
    pub(crate) broadcasts: IntGauge,
    pub(crate) viewers: IntGaugeVec,
    pub(crate) refused: IntCounterVec,
    pub(crate) tags: IntCounter,
    pub(crate) tag_bytes: IntCounter,
    pub(crate) sent_bytes: IntCounterVec,
    pub(crate) segments: IntCounter,
    pub(crate) segments_dependent: IntCounter,
    pub(crate) segment_bytes: IntCounter,
    pub(crate) transport_segments: IntCounter,
    pub(crate) requests: IntCounterVec,
    pub(crate) gops: IntCounter,
    pub(crate) keyframe_requests: IntCounter,
    pub(crate) ingest_full: IntCounter,
    pub(crate) viewer_skips: IntCounter,
    pub(crate) viewers_closed: IntCounterVec,
    pub(crate) audio_frames: IntCounter,
    pub(crate) audio_busy: Counter,
    pub(crate) audio_filled: CounterVec,
    pub(crate) recovered: IntCounterVec,
    pub(crate) waited: CounterVec,
    dropped: IntCounterVec,
    timeline_events: IntCounterVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let new = Register { registry };
        let metrics = Self {
            broadcasts: new.gauge("broadcasts", "Broadcasts that are live or linger.")?,
            viewers: new.gauge_vec("viewers", "Viewers with an open body.", "protocol")?,
            refused: new.counter_vec(
                "refused_total",
                "Publishers and viewers refused because a limit was reached.",
                "limit",
            )?,
            tags: new.counter("flv_tags_total", "FLV tags written by the muxers.")?,
            tag_bytes: new.counter("flv_tag_bytes_total", "Bytes of FLV tags written.")?,
            sent_bytes: new.counter_vec(
                "sent_bytes_total",
                "Bytes of media handed to viewers' connections.",
                "protocol",
            )?,
            segments: new.counter("hls_segments_total", "HLS Media Segments written.")?,
            segments_dependent: new.counter(
                "hls_segments_dependent_total",
                "HLS Media Segments that do not start with a key frame.",
            )?,
            segment_bytes: new.counter(
                "hls_segment_bytes_total",
                "Bytes of HLS Media Segments written.",
            )?,
            transport_segments: new.counter(
                "hls_ts_segments_total",
                "HLS Media Segments written as MPEG-TS, for players that asked for them.",
            )?,
            requests: new.counter_vec(
                "requests_total",
                "HTTP requests answered, by what was asked for.",
                "kind",
            )?,
            gops: new.counter("gops_total", "Groups of pictures started by a key frame.")?,
            keyframe_requests: new
                .counter("keyframe_requests_total", "Key frames asked of publishers.")?,
            ingest_full: new.counter(
                "ingest_full_total",
                "Items dropped because the lane into a broadcast was full.",
            )?,
            viewer_skips: new.counter(
                "viewer_skips_total",
                "Times a slow viewer skipped to the newest key frame.",
            )?,
            viewers_closed: new.counter_vec(
                "viewers_closed_total",
                "Viewers of endless streams that have ended, by reason.",
                "reason",
            )?,
            audio_frames: new.counter("transcoder_frames_total", "AAC frames made from Opus.")?,
            audio_busy: new.seconds(
                "transcoder_busy_seconds_total",
                "Time that transcoder threads spent at work.",
            )?,
            audio_filled: new.seconds_vec(
                "transcoder_filled_seconds_total",
                "Audio made up or cut away to keep the sound continuous.",
                "how",
            )?,
            recovered: new.counter_vec(
                "recovered_total",
                "Packets that came late and still in time for their place.",
                "track",
            )?,
            waited: new.seconds_vec(
                "waited_seconds_total",
                "Time that packets waited for others missing before them.",
                "track",
            )?,
            dropped: new.counter_vec(
                "dropped_total",
                "Packets, frames and jobs dropped, by reason.",
                "reason",
            )?,
            timeline_events: new.counter_vec(
                "timeline_events_total",
                "Irregular clocks, reports and sequences of publishers, by what was met.",
                "event",
            )?,
        };
        // Shown from the start, so that what rises from nothing is seen to rise.
        for protocol in ["flv", "ws_flv", "fmp4", "ws_fmp4", "hls_waiting"] {
            metrics.viewers.with_label_values(&[protocol]);
        }
        for limit in ["broadcasts", "variant_names", "viewers", "waiting_viewers"] {
            metrics.refused.with_label_values(&[limit]);
        }
        for reason in ["left", "ended", "tracks", "stalled", "revoked"] {
            metrics.viewers_closed.with_label_values(&[reason]);
        }
        for event in ["source_changed", "source_continued"] {
            metrics.timeline_events.with_label_values(&[event]);
        }
        for kind in ["ts_playlist", "shift_playlist", "fmp4"] {
            metrics.requests.with_label_values(&[kind]);
        }
        metrics.count_drop("ts_segment", 0);
        Ok(metrics)
    }

    /// Counts that a publisher's clock, reports or sequence were irregular `n` times.
    pub(crate) fn count_event(&self, event: &'static str, n: u64) {
        if n > 0 {
            self.timeline_events.with_label_values(&[event]).inc_by(n);
        }
    }

    /// Counts `n` things dropped for a named reason.
    pub(crate) fn count_drop(&self, reason: &'static str, n: u64) {
        self.drop_counter(reason).inc_by(n);
    }

    /// The counter of what is dropped for a named reason.
    pub(crate) fn drop_counter(&self, reason: &'static str) -> IntCounter {
        self.dropped.with_label_values(&[reason])
    }

    #[cfg(test)]
    pub(crate) fn events(&self, event: &'static str) -> u64 {
        self.timeline_events.with_label_values(&[event]).get()
    }

    #[cfg(test)]
    pub(crate) fn dropped(&self, reason: &'static str) -> u64 {
        self.dropped.with_label_values(&[reason]).get()
    }
}

struct Register<'a> {
    registry: &'a Registry,
}

impl Register<'_> {
    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("weblive_relay_{name}"), help)
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::with_opts(Self::opts(name, help))?)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
        self.add(Counter::with_opts(Self::opts(name, help))?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::with_opts(Self::opts(name, help))?)
    }

    fn counter_vec(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Self::opts(name, help), &[label])?)
    }

    fn seconds_vec(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<CounterVec, prometheus::Error> {
        self.add(CounterVec::new(Self::opts(name, help), &[label])?)
    }

    fn gauge_vec(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Self::opts(name, help), &[label])?)
    }
}
