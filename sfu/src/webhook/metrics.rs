//! Webhooks in numbers.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use super::client::PostError;
use super::queue::QueueCounts;

/// Counters of the webhooks.
#[derive(Debug, Clone)]
pub struct WebhookMetrics {
    notices: IntCounterVec,
    retries: IntCounter,
    failures: IntCounterVec,
    pub(super) waiting: IntGauge,
    pub(super) waiting_bytes: IntGauge,
    asks: IntCounterVec,
}

impl WebhookMetrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// They are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            notices: counters(
                "weblive_webhook_notices_total",
                "Notices for apps' back ends, by what became of them.",
                "result",
                &["delivered", "given_up", "refused_app", "refused_all"],
            )?,
            retries: IntCounter::new(
                "weblive_webhook_retries_total",
                "Tries to deliver a notice after its first one.",
            )?,
            failures: counters(
                "weblive_webhook_failures_total",
                "Requests to back ends without success, by reason.",
                "reason",
                &PostError::LABELS,
            )?,
            waiting: IntGauge::new(
                "weblive_webhook_waiting",
                "Notices that wait or are under way.",
            )?,
            waiting_bytes: IntGauge::new(
                "weblive_webhook_waiting_bytes",
                "Bytes of the notices that wait or are under way.",
            )?,
            asks: counters(
                "weblive_webhook_asks_total",
                "Messages that back ends were asked about, by result; without an answer, a \
                 message is sent.",
                "result",
                &Asked::ALL.map(Asked::name),
            )?,
        };
        registry.register(Box::new(metrics.notices.clone()))?;
        registry.register(Box::new(metrics.retries.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.waiting_bytes.clone()))?;
        registry.register(Box::new(metrics.asks.clone()))?;
        Ok(metrics)
    }

    /// Adds what has happened in the queue since it was at `before`.
    pub(super) fn add(&self, before: QueueCounts, now: QueueCounts) {
        for (result, before, now) in [
            ("delivered", before.delivered, now.delivered),
            ("given_up", before.given_up, now.given_up),
            ("refused_app", before.refused_app, now.refused_app),
            ("refused_all", before.refused_all, now.refused_all),
        ] {
            let counter = self.notices.with_label_values(&[result]);
            counter.inc_by(now.saturating_sub(before));
        }
        self.retries
            .inc_by(now.retried.saturating_sub(before.retried));
    }

    pub(super) fn failed(&self, error: PostError) {
        self.failures.with_label_values(&[error.label()]).inc();
    }

    pub(super) fn asked(&self, result: Asked) {
        self.asks.with_label_values(&[result.name()]).inc();
    }
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Allowed,
    Replaced,
    Refused,
    Discarded,
    /// No answer in time, or none with success.
    Unanswered,
    /// An answer that is no verdict.
    Unreadable,
    /// Too many questions were under way.
    Busy,
}

impl Asked {
    const ALL: [Self; 7] = [
        Self::Allowed,
        Self::Replaced,
        Self::Refused,
        Self::Discarded,
        Self::Unanswered,
        Self::Unreadable,
        Self::Busy,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Replaced => "replaced",
            Self::Refused => "refused",
            Self::Discarded => "discarded",
            Self::Unanswered => "unanswered",
            Self::Unreadable => "unreadable",
            Self::Busy => "busy",
        }
    }
}

/// A family of counters with all its members, so that each shows from the start.
fn counters(
    name: &str,
    help: &str,
    label: &str,
    values: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
    for value in values {
        counters.with_label_values(&[value]);
    }
    Ok(counters)
}
