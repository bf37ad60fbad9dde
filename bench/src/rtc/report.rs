//! What a run found out, as a table for people and as JSON for machines.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::histogram::Histogram;

/// Quantiles of a time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many times were measured.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

impl Quantiles {
    /// `None` when nothing was measured.
    pub fn of(histogram: &Histogram) -> Option<Quantiles> {
        let ms = |q| histogram.quantile(q).map(millis);
        Some(Quantiles {
            count: histogram.count(),
            p50_ms: ms(0.5)?,
            p95_ms: ms(0.95)?,
            p99_ms: ms(0.99)?,
            max_ms: millis(histogram.max()?),
        })
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// How a number of joins went, each from the start of its POST.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joins {
    /// Joins begun.
    pub attempted: u64,
    /// Joins that did not reach a whole key frame in time.
    pub failed: u64,
    /// The first reason for a failure.
    pub first_failure: Option<String>,
    /// Until the answer was there.
    pub answered: Option<Quantiles>,
    /// Until ICE and DTLS were done.
    pub connected: Option<Quantiles>,
    /// Until the last packet of the first whole key frame was decrypted.
    pub keyframe: Option<Quantiles>,
    /// PLIs that reached the publisher meanwhile.
    pub publisher_plis: u64,
}

/// The measured window, with all subscribers attached.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Steady {
    /// Its length in seconds.
    pub seconds: f64,
    /// Packets a second that the publisher sent.
    pub published_pps: f64,
    /// Payload bits a second that the publisher sent.
    pub published_bps: f64,
    /// Packets a second that all subscribers received, in sum.
    pub received_pps: f64,
    /// Packets that did not arrive, as a share of those expected (0 to 1).
    pub loss: f64,
    /// Packets that did not arrive.
    pub missing: u64,
    /// Packets that arrived twice.
    pub duplicates: u64,
    /// Packets whose checksum did not agree.
    pub damaged: u64,
    /// From the publisher's socket to the subscriber's decryption.
    pub added_delay: Option<Quantiles>,
    /// PLIs that reached the publisher.
    pub publisher_plis: u64,
    /// NACKs that reached the publisher.
    pub publisher_nacks: u64,
    /// CPU of this load generator, % of one core.
    pub generator_cpu_percent: f64,
}

/// What the server cost, when its process is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerCost {
    /// % of one core over the window, ingest included.
    pub cpu_percent: f64,
    /// Packets to subscribers for each second of server CPU.
    pub packets_per_core_second: f64,
    /// Resident memory at the end of the window, bytes.
    pub rss_bytes: u64,
    /// Resident memory before the subscribers came, bytes.
    pub rss_before_bytes: u64,
    /// Growth from before the joins to the end of the window, per subscriber.
    pub rss_per_subscriber_bytes: u64,
}

/// Everything that `bench rtc` measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Subscribers asked for.
    pub subscribers: u64,
    /// Seconds over which they joined.
    pub join_over_seconds: f64,
    /// One after the other, with nobody else there.
    pub lone_joins: Option<Joins>,
    /// All subscribers.
    pub joins: Joins,
    /// One after the other, with all subscribers attached.
    pub loaded_joins: Option<Joins>,
    /// The window.
    pub steady: Steady,
    /// The server's cost; `None` without `--pid`.
    pub server: Option<ServerCost>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.subscribers;
        if let Some(joins) = &self.lone_joins {
            let title = format!(
                "How long does a lone subscriber wait? ({} joins one after the other)",
                joins.attempted
            );
            write_joins(f, &title, joins)?;
        }
        let title = format!(
            "How long do {n} subscribers wait that join within {:.1} s?",
            self.join_over_seconds
        );
        write_joins(f, &title, &self.joins)?;
        if let Some(joins) = &self.loaded_joins {
            let title = format!(
                "How long does one more subscriber wait beside {n}? ({} joins one after the other)",
                joins.attempted
            );
            write_joins(f, &title, joins)?;
        }
        self.write_steady(f)?;
        self.write_server(f)
    }
}

impl Report {
    fn write_steady(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.steady;
        writeln!(
            f,
            "What do {} subscribers receive, and how late? ({:.1} s)",
            self.subscribers, s.seconds
        )?;
        row(
            f,
            "published",
            format_args!(
                "{:.0} packets/s, {:.2} Mbit/s",
                s.published_pps,
                s.published_bps / 1e6
            ),
        )?;
        row(
            f,
            "received in sum",
            format_args!("{:.0} packets/s", s.received_pps),
        )?;
        row(
            f,
            "loss",
            format_args!(
                "{:.4} % ({} packets); {} duplicates, {} damaged",
                s.loss * 100.0,
                s.missing,
                s.duplicates,
                s.damaged
            ),
        )?;
        match &s.added_delay {
            Some(q) => row(
                f,
                "added delay",
                format_args!(
                    "p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
                    q.p50_ms, q.p95_ms, q.p99_ms, q.max_ms
                ),
            )?,
            None => row(f, "added delay", format_args!("nothing arrived"))?,
        }
        row(
            f,
            "at the publisher",
            format_args!("{} PLIs, {} NACKs", s.publisher_plis, s.publisher_nacks),
        )?;
        row(
            f,
            "this generator",
            format_args!("{:.1} % of a core", s.generator_cpu_percent),
        )?;
        writeln!(f)
    }

    fn write_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "What does the server pay for it?")?;
        let Some(server) = &self.server else {
            return row(f, "not measured", format_args!("give its process by --pid"));
        };
        row(
            f,
            "CPU",
            format_args!(
                "{:.1} % of a core: {:.0} packets/s out per core",
                server.cpu_percent, server.packets_per_core_second
            ),
        )?;
        row(
            f,
            "memory",
            format_args!(
                "{:.1} MB resident, {:.0} kB a subscriber",
                server.rss_bytes as f64 / 1e6,
                server.rss_per_subscriber_bytes as f64 / 1e3
            ),
        )
    }
}

fn write_joins(f: &mut fmt::Formatter<'_>, title: &str, joins: &Joins) -> fmt::Result {
    writeln!(f, "{title}")?;
    let steps = [
        ("POST answered", &joins.answered),
        ("connected", &joins.connected),
        ("first key frame", &joins.keyframe),
    ];
    for (name, quantiles) in steps {
        match quantiles {
            Some(q) => row(
                f,
                name,
                format_args!(
                    "p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms",
                    q.p50_ms, q.p95_ms, q.max_ms
                ),
            )?,
            None => row(f, name, format_args!("never"))?,
        }
    }
    row(
        f,
        "PLIs at publisher",
        format_args!("{}", joins.publisher_plis),
    )?;
    if joins.failed > 0 {
        let why = joins
            .first_failure
            .as_deref()
            .unwrap_or("no whole key frame in time");
        row(
            f,
            "FAILED",
            format_args!("{} of {}: {why}", joins.failed, joins.attempted),
        )?;
    }
    writeln!(f)
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(f, "  {name:<18} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut times = Histogram::new();
        for ms in 1..=20 {
            times.record(Duration::from_millis(ms));
        }
        let q = Quantiles::of(&times);
        let joins = Joins {
            attempted: 20,
            failed: 1,
            first_failure: Some("503".into()),
            answered: q,
            connected: q,
            keyframe: None,
            publisher_plis: 3,
        };
        Report {
            subscribers: 20,
            join_over_seconds: 4.0,
            lone_joins: None,
            joins,
            loaded_joins: None,
            steady: Steady {
                seconds: 10.0,
                published_pps: 269.0,
                published_bps: 1.9e6,
                received_pps: 5_380.0,
                loss: 0.001,
                missing: 5,
                duplicates: 0,
                damaged: 0,
                added_delay: q,
                publisher_plis: 0,
                publisher_nacks: 1,
                generator_cpu_percent: 12.5,
            },
            server: None,
        }
    }

    #[test]
    fn the_table_asks_questions_and_names_failures() {
        let table = report().to_string();
        assert!(table.contains("How long do 20 subscribers wait that join within 4.0 s?"));
        assert!(
            table.contains("p50 10.0 ms, p95 19.0 ms, max 20.0 ms") || table.contains("p50 10.")
        );
        assert!(table.contains("1 of 20: 503"));
        assert!(table.contains("give its process by --pid"));
    }

    #[test]
    fn json_carries_the_units_in_its_names() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["steady"]["added_delay"]["max_ms"], 20.0);
        assert!(json["server"].is_null());
    }
}
