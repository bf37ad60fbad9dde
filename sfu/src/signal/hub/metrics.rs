//! The hub in numbers, with its rooms and chats: counted without atomics, written here now and
//! then.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::Hub;
use super::counters::{HubCounters, HubGauges, HubRefusal};
use crate::live::metrics::{LiveMetrics, raise};

/// Metrics of the hub. Written by the task that runs it.
#[derive(Debug, Clone)]
pub struct HubMetrics {
    live: LiveMetrics,
    sessions: IntGaugeVec,
    members: IntGauge,
    pending: IntGauge,
    publications: IntGauge,
    subscriptions: IntGauge,
    requests: IntCounter,
    errors: IntCounter,
    events: IntCounter,
    logins: IntCounter,
    resumes: IntCounter,
    repeats: IntCounter,
    refused: IntCounterVec,
}

impl HubMetrics {
    /// Registers them, and those of rooms and chat.
    ///
    /// # Errors
    /// They are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<_, prometheus::Error> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let gauge = |name: &str, help: &str| -> Result<_, prometheus::Error> {
            let metric = IntGauge::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let sessions = IntGaugeVec::new(
            Opts::new(
                "weblive_signal_sessions",
                "Signalling sessions: all of them, those of guests, and those that are lost and \
                 may be resumed.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(sessions.clone()))?;
        let refused = IntCounterVec::new(
            Opts::new(
                "weblive_signal_refused_total",
                "What signalling clients asked for and were refused, by reason.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(refused.clone()))?;
        let metrics = Self {
            live: LiveMetrics::register(registry)?,
            sessions,
            members: gauge(
                "weblive_rooms_members",
                "Members and guests of all rooms; one who is in two rooms counts twice.",
            )?,
            pending: gauge(
                "weblive_signal_pending_requests",
                "Requests that wait for media, store or a back end.",
            )?,
            publications: gauge(
                "weblive_rooms_publications",
                "Streams that members publish in rooms.",
            )?,
            subscriptions: gauge(
                "weblive_rooms_subscriptions",
                "Streams that members receive in rooms, summed over the members.",
            )?,
            requests: counter(
                "weblive_signal_requests_total",
                "Requests of signalling clients, whatever came of them.",
            )?,
            errors: counter(
                "weblive_signal_errors_total",
                "Requests that were answered with an error.",
            )?,
            events: counter(
                "weblive_signal_events_total",
                "Events, once for each session that gets them.",
            )?,
            logins: counter("weblive_signal_logins_total", "Logins, guests included.")?,
            repeats: counter(
                "weblive_signal_repeats_total",
                "Requests that came again and were not carried out again.",
            )?,
            resumes: counter(
                "weblive_signal_resumes_total",
                "Sessions that went on on another socket.",
            )?,
            refused,
        };
        metrics.write(&HubGauges::default(), &HubCounters::default());
        Ok(metrics)
    }

    /// Writes what there is now, and what was counted since the start.
    pub fn update(&self, hub: &Hub) {
        let rooms = hub.rooms();
        self.live
            .update(&rooms.gauges(), rooms.counters(), &hub.chat_counts());
        self.write(&hub.gauges(), hub.counters());
    }

    fn write(&self, now: &HubGauges, counted: &HubCounters) {
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        for (kind, count) in [
            ("all", now.sessions),
            ("guest", now.guests),
            ("lost", now.lost),
        ] {
            self.sessions.with_label_values(&[kind]).set(number(count));
        }
        for (gauge, count) in [
            (&self.members, now.members),
            (&self.pending, now.pending),
            (&self.publications, now.publications),
            (&self.subscriptions, now.subscriptions),
        ] {
            gauge.set(number(count));
        }
        for (counter, total) in [
            (&self.requests, counted.requests),
            (&self.errors, counted.errors),
            (&self.events, counted.events),
            (&self.logins, counted.logins),
            (&self.resumes, counted.resumes),
            (&self.repeats, counted.repeats),
        ] {
            raise(counter, total);
        }
        for refusal in HubRefusal::ALL {
            let counter = self.refused.with_label_values(&[refusal.name()]);
            raise(&counter, counted.refused(refusal));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    #[test]
    fn the_page_has_what_the_hub_counts() {
        let registry = Registry::new();
        let metrics = HubMetrics::register(&registry).unwrap();
        let page = || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        };
        let before = page();
        for refusal in HubRefusal::ALL {
            let name = refusal.name();
            let line = format!("weblive_signal_refused_total{{reason=\"{name}\"}} 0");
            assert!(before.contains(&line), "{line} not in\n{before}");
        }
        let now = HubGauges {
            sessions: 5,
            members: 7,
            ..HubGauges::default()
        };
        let mut counted = HubCounters::default();
        counted.logins = 3;
        counted.count(HubRefusal::Token);
        metrics.write(&now, &counted);
        metrics.write(&now, &counted);
        let after = page();
        for line in [
            "weblive_signal_sessions{kind=\"all\"} 5",
            "weblive_rooms_members 7",
            "weblive_signal_logins_total 3",
            "weblive_signal_refused_total{reason=\"token\"} 1",
            "weblive_rooms 0",
        ] {
            assert!(after.contains(line), "{line} not in\n{after}");
        }
    }
}
