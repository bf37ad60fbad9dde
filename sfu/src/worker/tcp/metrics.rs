//! ICE over TCP in numbers.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::line::LineEnd;

/// Of all workers together.
#[derive(Debug, Clone)]
pub(crate) struct TcpMetrics {
    connections: IntGauge,
    accepted: IntCounter,
    refused: IntCounterVec,
    ended: IntCounterVec,
}

impl TcpMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let labelled = |name: &str, help: &str| -> prometheus::Result<IntCounterVec> {
            let metric = IntCounterVec::new(Opts::new(name, help), &["reason"])?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let metrics = Self {
            connections: IntGauge::new(
                "weblive_media_tcp_connections",
                "Open TCP connections that carry media.",
            )?,
            accepted: IntCounter::new(
                "weblive_media_tcp_connections_total",
                "TCP connections accepted for media.",
            )?,
            refused: labelled(
                "weblive_media_tcp_refused_total",
                "TCP connections closed as soon as they were accepted, by reason.",
            )?,
            ended: labelled(
                "weblive_media_tcp_ended_total",
                "TCP connections for media that have ended, by reason.",
            )?,
        };
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        for reason in ["server_full", "address_full"] {
            metrics.refused.with_label_values(&[reason]).inc_by(0);
        }
        for end in LineEnd::ALL {
            metrics.ended.with_label_values(&[end.name()]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(super) fn opened(&self) {
        self.accepted.inc();
        self.connections.inc();
    }

    pub(super) fn ended(&self, end: LineEnd) {
        self.connections.dec();
        self.ended.with_label_values(&[end.name()]).inc();
    }

    pub(super) fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
