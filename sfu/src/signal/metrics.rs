//! Signalling sockets, and the turns of the hub, in numbers.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of the sockets and of the hub's task; clones share them.
#[derive(Debug, Clone)]
pub struct SignalMetrics {
    /// Sockets now.
    pub(super) sockets: IntGauge,
    /// Sockets since the start.
    pub(super) opened: IntCounter,
    refused: IntCounterVec,
    closed: IntCounterVec,
    /// Messages from clients.
    pub(super) received: IntCounter,
    /// Messages to clients.
    pub(super) sent: IntCounter,
    /// Messages that were read later than they came.
    pub(super) paced: IntCounter,
    /// Media orders, questions and readings that run or wait.
    pub(super) orders: IntGauge,
    /// Times that the hub stopped reading until orders were done.
    pub(super) held: IntCounter,
    /// Changes that the store did not take.
    pub(super) unsaved: IntCounter,
    /// Time from one look at the inputs to the next.
    pub(super) turns: Histogram,
}

impl SignalMetrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// They are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by_reason = |name: &str, help: &str, reasons: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["reason"])?;
            for reason in reasons {
                counter.with_label_values(&[*reason]);
            }
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let count = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let turns = Histogram::with_opts(
            HistogramOpts::new(
                "weblive_signal_hub_turn_seconds",
                "Time that the hub takes for the inputs of one turn.",
            )
            .buckets(vec![
                0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
            ]),
        )?;
        registry.register(Box::new(turns.clone()))?;
        Ok(Self {
            sockets: gauge("weblive_signal_sockets", "Open signalling sockets.")?,
            opened: count(
                "weblive_signal_sockets_total",
                "Signalling sockets since the start.",
            )?,
            refused: by_reason(
                "weblive_signal_sockets_refused_total",
                "Signalling sockets that were not opened, by reason.",
                &NotOpened::ALL.map(NotOpened::name),
            )?,
            closed: by_reason(
                "weblive_signal_sockets_closed_total",
                "Signalling sockets that ended, by reason.",
                &Ended::ALL.map(Ended::name),
            )?,
            received: count(
                "weblive_signal_messages_received_total",
                "Messages from signalling clients.",
            )?,
            sent: count(
                "weblive_signal_messages_sent_total",
                "Messages to signalling clients.",
            )?,
            paced: count(
                "weblive_signal_messages_paced_total",
                "Messages after which a client above its rate was read later.",
            )?,
            orders: gauge(
                "weblive_signal_hub_orders",
                "Media orders, questions and readings of the hub that run or wait.",
            )?,
            held: count(
                "weblive_signal_hub_held_total",
                "Times that the hub read no client until orders were done.",
            )?,
            unsaved: count(
                "weblive_signal_hub_unsaved_total",
                "Changes of rooms that the store did not take.",
            )?,
            turns,
        })
    }

    pub(crate) fn refuse(&self, reason: NotOpened) {
        self.refused.with_label_values(&[reason.name()]).inc();
    }

    pub(super) fn close(&self, reason: Ended) {
        self.closed.with_label_values(&[reason.name()]).inc();
    }
}

/// Why no socket was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// The page's origin is not allowed.
    Origin,
    /// As many are open as the server takes.
    Limit,
    /// As many are open from this address as one may have.
    Address,
    /// The server is going down.
    ShuttingDown,
}

impl NotOpened {
    const ALL: [Self; 4] = [Self::Origin, Self::Limit, Self::Address, Self::ShuttingDown];

    fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Limit => "limit",
            Self::Address => "address_limit",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// Why a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By the client.
    Client,
    /// The connection broke.
    Lost,
    /// By the hub: a second login, an operator, no login in time and so on.
    Hub,
    /// A binary frame.
    Binary,
    /// A message above the limit.
    TooLarge,
    /// No WebSocket frame.
    Protocol,
    /// Text that is not UTF-8.
    NotUtf8,
    /// No sign of life.
    Silent,
    /// Its outbox was full.
    Slow,
    /// It took nothing for too long.
    WriteTimeout,
    /// The server went down.
    GoingAway,
}

impl Ended {
    const ALL: [Self; 11] = [
        Self::Client,
        Self::Lost,
        Self::Hub,
        Self::Binary,
        Self::TooLarge,
        Self::Protocol,
        Self::NotUtf8,
        Self::Silent,
        Self::Slow,
        Self::WriteTimeout,
        Self::GoingAway,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Lost => "lost",
            Self::Hub => "hub",
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::NotUtf8 => "not_utf8",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::WriteTimeout => "write_timeout",
            Self::GoingAway => "going_away",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_name_and_is_there_from_the_start() {
        let registry = Registry::new();
        let metrics = SignalMetrics::register(&registry).unwrap();
        metrics.close(Ended::Slow);
        metrics.refuse(NotOpened::Origin);
        let families = registry.gather();
        let reasons = |name: &str| {
            let family = families.iter().find(|family| family.name() == name);
            family.map_or(0, |family| family.get_metric().len())
        };
        assert_eq!(reasons("weblive_signal_sockets_closed_total"), 11);
        assert_eq!(reasons("weblive_signal_sockets_refused_total"), 4);
        assert!(SignalMetrics::register(&registry).is_err());
    }
}
