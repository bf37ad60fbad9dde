//! Metrics of pushes (`weblive_push_*`).

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::PushState;
use super::failure::Failure;

#[derive(Debug, Clone)]
pub(super) struct Metrics {
    /// Pushes by state.
    pub(super) pushes: IntGaugeVec,
    /// Those that a server takes.
    pub(super) connected: IntGauge,
    pub(super) sent_bytes: IntCounter,
    pub(super) reconnects: IntCounter,
    pub(super) skips: IntCounter,
    pub(super) undecodable: IntCounter,
    pub(super) failures: IntCounterVec,
    pub(super) refused: IntCounterVec,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("weblive_push_{name}"), help);
        let metrics = Self {
            pushes: add(
                registry,
                IntGaugeVec::new(
                    opts("streams", "Pushes to other servers, by state."),
                    &["state"],
                )?,
            )?,
            connected: add(
                registry,
                IntGauge::with_opts(opts("connected", "Connections that take a stream."))?,
            )?,
            sent_bytes: add(
                registry,
                IntCounter::with_opts(opts("sent_bytes_total", "Bytes of FLV tags sent by RTMP."))?,
            )?,
            reconnects: add(
                registry,
                IntCounter::with_opts(opts("reconnects_total", "Tries after one that failed."))?,
            )?,
            skips: add(
                registry,
                IntCounter::with_opts(opts(
                    "skips_total",
                    "Times a push to a slow server skipped to the newest key frame.",
                ))?,
            )?,
            undecodable: add(
                registry,
                IntCounter::with_opts(opts(
                    "skipped_frames_total",
                    "Pictures left out after a skip because they do not decode without a key frame.",
                ))?,
            )?,
            failures: add(
                registry,
                IntCounterVec::new(
                    opts(
                        "failures_total",
                        "Connections that came to nothing, by reason.",
                    ),
                    &["reason"],
                )?,
            )?,
            refused: add(
                registry,
                IntCounterVec::new(
                    opts("refused_total", "Pushes that were not begun, by reason."),
                    &["reason"],
                )?,
            )?,
        };
        // Shown from the start, so that what rises from nothing is seen to rise.
        for state in PushState::ALL {
            metrics.pushes.with_label_values(&[state.name()]);
        }
        for reason in Failure::LABELS {
            metrics.failures.with_label_values(&[reason]);
        }
        for reason in ["not_live", "limit"] {
            metrics.refused.with_label_values(&[reason]);
        }
        Ok(metrics)
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
