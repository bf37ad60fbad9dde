//! Metrics of an edge (`weblive_edge_*`).

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::failure::{EdgeRefusal, Failure};
use super::lists;

#[derive(Debug, Clone)]
pub(super) struct Metrics {
    /// Streams that are pulled, or asked for.
    pub(super) streams: IntGauge,
    pub(super) requests: IntCounter,
    pub(super) reconnects: IntCounter,
    pub(super) received_bytes: IntCounter,
    pub(super) skipped_tags: IntCounter,
    pub(super) failures: IntCounterVec,
    pub(super) refused: IntCounterVec,
    pub(super) lists: IntCounterVec,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("weblive_edge_{name}"), help);
        let counter = |name, help| add(registry, IntCounter::with_opts(opts(name, help))?);
        let by = |label, name, help| {
            let counter = IntCounterVec::new(opts(name, help), &[label])?;
            add(registry, counter)
        };
        let by_reason = |name, help| by("reason", name, help);
        let metrics = Self {
            streams: add(
                registry,
                IntGauge::with_opts(opts(
                    "streams",
                    "Streams that are pulled from the origin, or asked for.",
                ))?,
            )?,
            requests: counter("requests_total", "Requests for streams made to the origin.")?,
            reconnects: counter(
                "reconnects_total",
                "Requests after a connection that was lost or ended.",
            )?,
            received_bytes: counter(
                "received_bytes_total",
                "Bytes of streams that the origin sent.",
            )?,
            skipped_tags: counter(
                "skipped_tags_total",
                "FLV tags of the origin that are not carried on: script data, codecs that an edge does not carry, pictures that are too large or cannot be read, and those that may need them.",
            )?,
            failures: by_reason(
                "failures_total",
                "Connections to the origin that were lost or came to nothing, by reason.",
            )?,
            refused: by_reason(
                "refused_total",
                "Viewers of streams that the origin does not give, by reason.",
            )?,
            lists: by(
                "result",
                "lists_total",
                "Requests for the sizes of a stream made to the origin, by what came of them.",
            )?,
        };
        // Shown from the start, so that what rises from nothing is seen to rise.
        for reason in Failure::LABELS {
            metrics.failures.with_label_values(&[reason]);
        }
        for reason in EdgeRefusal::LABELS {
            metrics.refused.with_label_values(&[reason]);
        }
        for result in lists::LABELS {
            metrics.lists.with_label_values(&[result]);
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
