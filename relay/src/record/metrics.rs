//! Metrics of recordings.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::view::{EndReason, RecordState};

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) recordings: IntGaugeVec,
    pub(super) segments: IntCounter,
    pub(super) bytes: IntCounter,
    pub(super) missed: IntCounter,
    pub(super) ended: IntCounterVec,
    pub(super) mp4: IntCounterVec,
    pub(super) refused: IntCounterVec,
    unlisted: IntCounterVec,
    pub(super) reading: ReadMetrics,
}

/// Of those who read.
#[derive(Debug, Clone)]
pub(super) struct ReadMetrics {
    pub(super) reads: IntGauge,
    pub(super) bytes: IntCounter,
    pub(super) refused: IntCounterVec,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("weblive_record_{name}"), help);
        let counter =
            |name: &str, help: &str| add(registry, IntCounter::with_opts(opts(name, help))?);
        let counters = |name: &str, help: &str, label: &str| {
            add(registry, IntCounterVec::new(opts(name, help), &[label])?)
        };
        let metrics = Self {
            recordings: add(
                registry,
                IntGaugeVec::new(opts("recordings", "Recordings, by state."), &["state"])?,
            )?,
            segments: counter("segments_total", "Segments that were written.")?,
            bytes: counter("bytes_total", "Bytes of segments that were written.")?,
            missed: counter(
                "missed_segments_total",
                "Segments that were gone before the store was ready for them.",
            )?,
            ended: counters("ended_total", "Recordings that ended, by reason.", "reason")?,
            mp4: counters(
                "files_total",
                "MP4 files, by what became of them.",
                "result",
            )?,
            refused: counters(
                "refused_total",
                "Recordings that were not begun, by reason.",
                "reason",
            )?,
            unlisted: counters(
                "unlisted_total",
                "Recordings of the store that are not listed, by reason.",
                "reason",
            )?,
            reading: ReadMetrics {
                reads: add(
                    registry,
                    IntGauge::with_opts(opts("reads", "Files that are being sent to players."))?,
                )?,
                bytes: counter("read_bytes_total", "Bytes that were read for players.")?,
                refused: counters(
                    "reads_refused_total",
                    "Requests for files that were not answered, or not to their end, by reason.",
                    "reason",
                )?,
            },
        };
        // Shown from the start, so that what rises from nothing is seen to rise.
        for state in [RecordState::Recording, RecordState::Finishing] {
            metrics.recordings.with_label_values(&[state.name()]);
        }
        for reason in EndReason::ALL {
            metrics.ended.with_label_values(&[reason.name()]);
        }
        for result in ["made", "failed"] {
            metrics.mp4.with_label_values(&[result]);
        }
        for reason in ["not_live", "limit"] {
            metrics.refused.with_label_values(&[reason]);
        }
        for reason in Unlisted::ALL {
            metrics.leave_out(reason, 0);
        }
        for reason in ["limit", "address", "idle", "busy", "store"] {
            metrics.reading.refused.with_label_values(&[reason]);
        }
        Ok(metrics)
    }

    /// Counts recordings that are not listed.
    pub(super) fn leave_out(&self, reason: Unlisted, count: u64) {
        let counter = self.unlisted.with_label_values(&[reason.name()]);
        counter.inc_by(count);
    }
}

/// Why a recording of the store is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlisted {
    /// As many as are listed began after it.
    Limit,
    /// What it says of itself does not read.
    Unreadable,
    /// The store broke down, or was too slow, each time it was asked.
    Store,
}

impl Unlisted {
    const ALL: [Self; 3] = [Self::Limit, Self::Unreadable, Self::Store];

    fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Unreadable => "unreadable",
            Self::Store => "store",
        }
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
