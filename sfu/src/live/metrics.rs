//! Rooms and chat in numbers: counted by the cores without atomics, written here now and then.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::chat::{ChatCounts, KINDS, Priority};
use super::limits::{Counters, Refusal};
use super::rooms::Gauges;

/// Metrics of all rooms together. Written by one task.
#[derive(Debug, Clone)]
pub struct LiveMetrics {
    rooms: IntGauge,
    connections: IntGaugeVec,
    refused: IntCounterVec,
    delivered: IntCounterVec,
    masked: IntCounter,
    dropped: IntCounterVec,
    room_rate: IntCounterVec,
    likes: IntCounter,
    unnamed: IntCounter,
}

impl LiveMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let vec = |name, help, labels: &[&str]| -> Result<_, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let counter = |name: &str, help: &str| -> Result<_, prometheus::Error> {
            let metric = IntCounter::new(name, help)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        let rooms = IntGauge::new("weblive_rooms", "Live rooms.")?;
        registry.register(Box::new(rooms.clone()))?;
        let connections = IntGaugeVec::new(
            Opts::new(
                "weblive_rooms_connections",
                "Connections to live rooms: users and guests, those that are lost and may come \
                 back included; and the lost ones of both alone.",
            ),
            &["kind"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        let metrics = Self {
            rooms,
            connections,
            refused: vec(
                "weblive_rooms_refused_total",
                "Commands refused because a list was full, by list.",
                &["list"],
            )?,
            delivered: vec(
                "weblive_chat_messages_total",
                "Messages and notices given to the members of rooms, by kind and priority.",
                &["kind", "priority"],
            )?,
            masked: counter(
                "weblive_chat_masked_total",
                "Texts whose words the word filter masked.",
            )?,
            dropped: vec(
                "weblive_chat_refused_total",
                "Messages, likes and mutes that were not taken, by reason.",
                &["reason"],
            )?,
            room_rate: vec(
                "weblive_chat_rate_dropped_total",
                "Messages dropped because their room was too fast, by priority.",
                &["priority"],
            )?,
            likes: counter("weblive_chat_likes_total", "Likes that were counted.")?,
            unnamed: counter(
                "weblive_chat_unnamed_notices_total",
                "Members that came or went and were named in no notice.",
            )?,
        };
        metrics.update(
            &Gauges::default(),
            &Counters::default(),
            &ChatCounts::default(),
        );
        Ok(metrics)
    }

    /// Writes what there is now, and what was counted since the start: a total never falls.
    pub fn update(&self, now: &Gauges, refused: &Counters, chat: &ChatCounts) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.rooms.set(gauge(now.rooms));
        for (kind, count) in [
            ("user", now.connections.saturating_sub(now.guests)),
            ("guest", now.guests),
            ("lost", now.lost),
        ] {
            self.connections
                .with_label_values(&[kind])
                .set(gauge(count));
        }
        for refusal in Refusal::ALL {
            let counter = self.refused.with_label_values(&[refusal.name()]);
            raise(&counter, refused.refused(refusal));
        }
        for (kind, by_priority) in KINDS.into_iter().zip(chat.delivered_as) {
            for (priority, count) in Priority::ALL.into_iter().zip(by_priority) {
                let labels = [kind, priority.name()];
                raise(&self.delivered.with_label_values(&labels), count);
            }
        }
        for (reason, count) in [
            ("filter_dropped", chat.filter_dropped),
            ("filter_rejected", chat.filter_rejected),
            ("not_allowed", chat.not_allowed),
            ("invalid", chat.invalid),
            ("user_rate", chat.user_rate),
            ("attributes_rate", chat.attributes_rate),
            ("too_many_mutes", chat.mutes_refused),
        ] {
            raise(&self.dropped.with_label_values(&[reason]), count);
        }
        for (priority, count) in Priority::ALL.into_iter().zip(chat.room_rate) {
            let label = [priority.name()];
            raise(&self.room_rate.with_label_values(&label), count);
        }
        raise(&self.masked, chat.masked);
        raise(&self.likes, chat.likes);
        raise(&self.unnamed, chat.unnamed_tips);
    }
}

/// Brings a counter to a total that somebody else keeps; it never falls.
pub(crate) fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    fn page(registry: &Registry) -> String {
        TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("a page")
    }

    #[test]
    fn every_reason_has_its_line_before_anything_has_happened() {
        let registry = Registry::new();
        LiveMetrics::register(&registry).unwrap();
        let page = page(&registry);
        for line in [
            "weblive_rooms 0",
            "weblive_rooms_connections{kind=\"lost\"} 0",
            "weblive_rooms_refused_total{list=\"seat_requests\"} 0",
            "weblive_chat_messages_total{kind=\"notice\",priority=\"lowest\"} 0",
            "weblive_chat_refused_total{reason=\"filter_rejected\"} 0",
            "weblive_chat_rate_dropped_total{priority=\"low\"} 0",
            "weblive_chat_likes_total 0",
        ] {
            assert!(page.contains(line), "{line} not in\n{page}");
        }
    }

    #[test]
    fn gauges_follow_and_totals_only_rise() {
        let registry = Registry::new();
        let metrics = LiveMetrics::register(&registry).unwrap();
        let gauges = Gauges {
            connections: 10,
            guests: 3,
            lost: 1,
            rooms: 2,
        };
        let mut refused = Counters::default();
        refused.count(Refusal::Members);
        let chat = ChatCounts {
            likes: 500,
            room_rate: [9, 0, 0, 0],
            ..ChatCounts::default()
        };
        for _ in 0..2 {
            metrics.update(&gauges, &refused, &chat);
        }
        metrics.update(&gauges, &Counters::default(), &ChatCounts::default());
        let page = page(&registry);
        for line in [
            "weblive_rooms 2",
            "weblive_rooms_connections{kind=\"user\"} 7",
            "weblive_rooms_connections{kind=\"guest\"} 3",
            "weblive_rooms_refused_total{list=\"members\"} 1",
            "weblive_chat_likes_total 500",
            "weblive_chat_rate_dropped_total{priority=\"lowest\"} 9",
        ] {
            assert!(page.contains(line), "{line} not in\n{page}");
        }
    }
}
