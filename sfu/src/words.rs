//! The word lists of chat in a running server: read at the start, and again when they change.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::ChatSettings;
use crate::live::chat::{ListErrors, WordFiles, WordFilter};

/// Why there is no filter.
#[derive(Debug, Error)]
pub enum WordsError {
    /// A list is wrong. Without it, words would pass that somebody believes to be filtered.
    #[error("{0}")]
    Lists(#[from] ListErrors),
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Reads the lists of the settings and goes on looking for changes while somebody listens. The
/// receiver holds the filter of now and is told of the next one. A list that becomes wrong is
/// said in the log with its line, and the words before it stay.
///
/// Must be called within a runtime. The first reading blocks, for a second with the largest
/// lists.
///
/// # Errors
/// [`WordsError`].
pub fn watch_words(
    settings: &ChatSettings,
    registry: &Registry,
) -> Result<watch::Receiver<Arc<WordFilter>>, WordsError> {
    let metrics = Metrics::register(registry)?;
    let places = settings.word_lists();
    let is_empty = places.is_empty();
    let mut files = WordFiles::new(places);
    let filter = files.load()?;
    metrics.loaded(&filter);
    if !is_empty {
        tracing::info!(words = filter.len(), "word lists are read");
    }
    let (sender, receiver) = watch::channel(Arc::new(filter));
    if !is_empty {
        tokio::spawn(watch_files(
            files,
            settings.reload_interval,
            sender,
            metrics,
        ));
    }
    Ok(receiver)
}

/// Whether all lists can be read.
///
/// # Errors
/// What is wrong with them.
pub fn check_words(settings: &ChatSettings) -> Result<(), ListErrors> {
    WordFiles::new(settings.word_lists()).load().map(drop)
}

async fn watch_files(
    mut files: WordFiles,
    period: Duration,
    sender: watch::Sender<Arc<WordFilter>>,
    metrics: Metrics,
) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = sender.closed() => return,
        }
        // Reading and building take up to a second, and belong to no thread that serves.
        let looked = tokio::task::spawn_blocking(move || {
            let changed = files.reload_if_changed();
            (files, changed)
        });
        let Ok((back, changed)) = looked.await else {
            tracing::error!("the word lists cannot be read any more: their reader has panicked");
            return;
        };
        files = back;
        match changed {
            None => {}
            Some(Ok(filter)) => {
                tracing::info!(words = filter.len(), "word lists have changed and are read");
                metrics.loaded(&filter);
                sender.send_replace(Arc::new(filter));
            }
            Some(Err(errors)) => {
                metrics.failed();
                for error in &errors.0 {
                    tracing::error!(%error, "a changed word list is wrong: the words before it stay");
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Metrics {
    words: IntGauge,
    reads: IntCounterVec,
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            words: IntGauge::new("weblive_chat_filter_words", "Words of all word lists.")?,
            reads: IntCounterVec::new(
                Opts::new(
                    "weblive_chat_filter_reads_total",
                    "Readings of the word lists, by outcome.",
                ),
                &["outcome"],
            )?,
        };
        registry.register(Box::new(metrics.words.clone()))?;
        registry.register(Box::new(metrics.reads.clone()))?;
        for outcome in [LOADED, REFUSED] {
            metrics.reads.with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    fn loaded(&self, filter: &WordFilter) {
        self.words
            .set(i64::try_from(filter.len()).unwrap_or(i64::MAX));
        self.reads.with_label_values(&[LOADED]).inc();
    }

    fn failed(&self) {
        self.reads.with_label_values(&[REFUSED]).inc();
    }
}

const LOADED: &str = "loaded";
const REFUSED: &str = "refused";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::chat::Verdict;
    use prometheus::TextEncoder;
    use std::fs;
    use std::path::Path;

    fn settings(list: &Path) -> ChatSettings {
        ChatSettings {
            reject_words: vec![list.to_owned()],
            reload_interval: Duration::from_millis(20),
            ..ChatSettings::default()
        }
    }

    fn count(registry: &Registry, outcome: &str) -> u64 {
        let page = TextEncoder::new().encode_to_string(&registry.gather());
        let name = format!("weblive_chat_filter_reads_total{{outcome=\"{outcome}\"}} ");
        page.expect("a page")
            .lines()
            .find_map(|line| line.strip_prefix(&name))
            .map_or(0, |count| count.parse().expect("a number"))
    }

    async fn until_refused(registry: &Registry, times: u64) {
        let refused = async {
            while count(registry, REFUSED) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), refused)
            .await
            .expect("looked at within 10 s");
    }

    #[tokio::test]
    async fn a_changed_list_makes_a_new_filter_and_a_wrong_one_keeps_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("words.txt");
        fs::write(&list, "bad\n").unwrap();
        let registry = Registry::new();
        let mut words = watch_words(&settings(&list), &registry).expect("a good list");
        assert_eq!(words.borrow().check("bad"), Verdict::Rejected);

        fs::write(&list, "worse\n!!!\n").unwrap();
        until_refused(&registry, 1).await;
        assert_eq!(words.borrow().check("bad"), Verdict::Rejected);
        assert!(!words.has_changed().unwrap());

        fs::write(&list, "worse\nworst\nbadly\n").unwrap();
        tokio::time::timeout(Duration::from_secs(10), words.changed())
            .await
            .expect("within 10 s")
            .expect("watched");
        let filter = Arc::clone(&words.borrow_and_update());
        assert_eq!(filter.len(), 3);
        assert_eq!(filter.check("worst"), Verdict::Rejected);
        assert_eq!(filter.check("bad"), Verdict::Clean);
    }

    #[tokio::test]
    async fn a_server_does_not_start_with_a_wrong_list() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("words.txt");
        fs::write(&list, "good\n!!!\n").unwrap();
        let error = watch_words(&settings(&list), &Registry::new()).unwrap_err();
        assert!(error.to_string().contains("words.txt, line 2"), "{error}");
        assert!(check_words(&settings(&list)).is_err());
        let missing = settings(&folder.path().join("missing.txt"));
        assert!(check_words(&missing).is_err());
        assert!(check_words(&ChatSettings::default()).is_ok());
    }

    #[tokio::test]
    async fn without_lists_nothing_is_filtered() {
        let words = watch_words(&ChatSettings::default(), &Registry::new()).unwrap();
        assert!(words.borrow().is_empty());
    }
}
