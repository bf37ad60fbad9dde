//! Metrics of time shift.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) memory: IntGauge,
    pub(super) disk: IntGauge,
    pub(super) dropped: IntCounterVec,
    pub(super) failures: IntCounter,
    pub(super) refused: IntCounterVec,
}

/// Why a segment has left its window before its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dropped {
    /// Memory is full, and the disk takes nothing as fast.
    Memory,
    /// The disk is full, or what may be used of it.
    Disk,
    /// Its file is gone, or that of a newer one.
    Lost,
}

/// Why a segment is not read from its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// So many read that the disk does not keep up.
    #[error("too many read from the disk")]
    Busy,
    #[error("it is gone")]
    Gone,
    #[error("the disk does not give it")]
    Failed,
    /// The one who asked takes nothing of it.
    #[error("nothing of it was taken for long")]
    Idle,
}

impl Dropped {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Lost => "lost",
        }
    }
}

impl ReadError {
    fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::Failed => "failed",
            Self::Idle => "idle",
        }
    }
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("weblive_relay_shift_{name}"), help);
        let gauge = |name: &str, help: &str| add(registry, IntGauge::with_opts(opts(name, help))?);
        let counters = |name: &str, help: &str| {
            add(registry, IntCounterVec::new(opts(name, help), &["reason"])?)
        };
        let metrics = Self {
            memory: gauge(
                "memory_bytes",
                "Bytes of segments that time shift holds in memory.",
            )?,
            disk: gauge("disk_bytes", "Bytes of segments that it has in files.")?,
            dropped: counters(
                "dropped_segments_total",
                "Segments that left their window before their time, by reason.",
            )?,
            failures: add(
                registry,
                IntCounter::with_opts(opts(
                    "write_failures_total",
                    "Segments that the disk did not take; each is tried again.",
                ))?,
            )?,
            refused: counters(
                "reads_refused_total",
                "Requests for segments in files that were refused or cut short, by reason.",
            )?,
        };
        // Shown from the start, so that what rises from nothing is seen to rise.
        for reason in [Dropped::Memory, Dropped::Disk, Dropped::Lost] {
            metrics.count_dropped(reason, 0);
        }
        let read_errors = [
            ReadError::Busy,
            ReadError::Gone,
            ReadError::Failed,
            ReadError::Idle,
        ];
        for reason in read_errors {
            metrics.refused.with_label_values(&[reason.name()]);
        }
        Ok(metrics)
    }

    pub(super) fn count_dropped(&self, reason: Dropped, segments: u64) {
        let dropped = self.dropped.with_label_values(&[reason.name()]);
        dropped.inc_by(segments);
    }

    pub(super) fn count_refused(&self, reason: ReadError) {
        self.refused.with_label_values(&[reason.name()]).inc();
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
