//! What the store counts, read when somebody asks for the metrics.

use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGauge, Opts, Registry};

use super::{Store, StoreCounts};

/// Registers the counts of a store.
///
/// # Errors
/// They are registered already.
pub fn register(store: Arc<dyn Store>, registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(StoreMetrics {
        descs: families(&StoreCounts::default())?
            .iter()
            .flat_map(|(desc, _)| desc.clone())
            .collect(),
        store,
    }))
}

struct StoreMetrics {
    store: Arc<dyn Store>,
    descs: Vec<Desc>,
}

impl Collector for StoreMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Names and labels are constants that the registration has tried.
        let families = families(&self.store.counts()).unwrap_or_default();
        families
            .into_iter()
            .flat_map(|(_, family)| family)
            .collect()
    }
}

type Family = (Vec<Desc>, Vec<MetricFamily>);

fn families(counts: &StoreCounts) -> Result<Vec<Family>, prometheus::Error> {
    let counters = [
        (
            "weblive_store_changes_written_total",
            "Changes of rooms and profiles that were committed.",
            counts.written,
        ),
        (
            "weblive_store_commits_total",
            "Transactions that the changes took.",
            counts.commits,
        ),
        (
            "weblive_store_refused_total",
            "Changes and questions lost because too many waited.",
            counts.refused,
        ),
        (
            "weblive_store_failed_total",
            "Changes that could not be written.",
            counts.failed,
        ),
        (
            "weblive_store_unreadable_rows_total",
            "Stored rows that could not be read and were left out.",
            counts.unreadable,
        ),
    ];
    let mut families = Vec::new();
    for (name, help, value) in counters {
        let counter = IntCounter::with_opts(Opts::new(name, help))?;
        counter.inc_by(value);
        families.push(parts(&counter));
    }
    let waiting = IntGauge::new(
        "weblive_store_waiting",
        "Changes and questions that wait for the disk.",
    )?;
    waiting.set(i64::try_from(counts.waiting).unwrap_or(i64::MAX));
    families.push(parts(&waiting));
    Ok(families)
}

fn parts(metric: &impl Collector) -> Family {
    let descs = metric.desc().into_iter().cloned().collect();
    (descs, metric.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::chat::UnixTime;
    use crate::live::{AppId, RoomId, RoomKey};
    use crate::store::{Change, MemoryStore};
    use prometheus::TextEncoder;

    #[test]
    fn the_page_has_what_the_store_counts_now() {
        let registry = Registry::new();
        let store = Arc::new(MemoryStore::new());
        register(store.clone(), &registry).unwrap();
        let page = || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap()
        };
        assert!(page().contains("weblive_store_changes_written_total 0"));
        for n in 1..=3 {
            let room = RoomKey::new(AppId(1), RoomId::Number(n));
            let user = "anna".parse().unwrap();
            let until = Some(UnixTime(1));
            store.write(Change::Ban { room, user, until }).unwrap();
        }
        let page = page();
        assert!(
            page.contains("weblive_store_changes_written_total 3"),
            "{page}"
        );
        assert!(page.contains("weblive_store_waiting 0"), "{page}");
        assert!(register(store, &registry).is_err(), "once");
    }
}
