//! Signalling as the settings say, with everything that it works with.

use std::sync::Arc;
use std::time::Instant;

use prometheus::Registry;
use thiserror::Error;
use tokio::sync::watch;

use super::back_end::BackEnds;
use super::hub::metrics::HubMetrics;
use super::hub::{Hub, HubConfig};
use super::media::MediaSide;
use super::outbox::OutboxLimits;
use super::task::{self, FindImage, HubHandle, TaskParts};
use super::{Origins, SignalConfig, SignalMetrics, Signalling, SocketLimits, clock};
use crate::auth::Apps;
use crate::config::Settings;
use crate::live::chat::WordFilter;
use crate::push::AppPushes;
use crate::record::{AppRecordings, RecordError};
use crate::store::{self, MemoryStore, OpenError, SqliteStore, Store};
use crate::webhook::{self, Webhooks};
use crate::words::{WordsError, watch_words};
use crate::worker::Workers;

/// Why there is no signalling.
#[derive(Debug, Error)]
pub enum SignalError {
    /// The database cannot be used.
    #[error("{0} (settings `data_dir` and `store.file`)")]
    Store(#[from] OpenError),
    /// The word lists are wrong.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// Webhooks cannot be called.
    #[error(transparent)]
    Webhooks(#[from] webhook::StartError),
    /// Recordings cannot be kept.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The workers' events are read by somebody else.
    #[error("signalling runs already for these media workers")]
    Twice,
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Signalling {
    /// Starts the hub and what it works with; must be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`SignalError`]; nothing goes on running then.
    pub fn start(
        settings: &Settings,
        workers: &Workers,
        find_image: FindImage,
        registry: &Registry,
    ) -> Result<Self, SignalError> {
        let metrics = SignalMetrics::register(registry)?;
        let rooms = HubMetrics::register(registry)?;
        let store = open_store(settings)?;
        store::metrics::register(Arc::clone(&store), registry)?;
        let words = watch_words(&settings.chat, registry)?;
        let webhooks = Webhooks::start(settings.webhook_config(), registry)?;
        let pushes = AppPushes::new(settings, workers, webhooks.clone(), registry)?;
        let recordings = AppRecordings::new(settings, workers, webhooks.clone(), registry)?;
        let events = workers.events().ok_or(SignalError::Twice)?;

        let config = hub_config(settings);
        let mut hub = Hub::new(config, Instant::now(), clock(), rand::random());
        hub.set_filter(Arc::clone(&words.borrow()));
        let parts = TaskParts {
            hub,
            media: MediaSide::new(workers.clone(), pushes.clone()),
            events,
            store: Arc::clone(&store),
            find_image,
            back_end: BackEnds::new(
                webhooks.clone(),
                (pushes.clone(), recordings.clone()),
                workers.clone(),
            ),
            observe: Box::new(move |hub| rooms.update(hub)),
        };
        let handle = task::start(parts, metrics.clone());
        tokio::spawn(pass_words(words, handle.clone()));
        let config = signal_config(settings);
        let served = (pushes, recordings);
        Ok(Self::new(config, handle, store, webhooks, served, metrics))
    }
}

fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match settings.store_file() {
        Some(file) => Arc::new(SqliteStore::open(&file, &settings.store.config())?),
        None => Arc::new(MemoryStore::new()),
    })
}

/// Gives the hub each new word filter.
async fn pass_words(mut words: watch::Receiver<Arc<WordFilter>>, hub: HubHandle) {
    while words.changed().await.is_ok() && hub.is_running() {
        let filter = Arc::clone(&words.borrow_and_update());
        hub.set_filter(filter).await;
    }
}

fn signal_config(settings: &Settings) -> SignalConfig {
    let signal = &settings.signal;
    // Origins that `cors` names are those of the operator's pages; `*` is only its default, and
    // says nothing of sockets.
    let origins = match (signal.origins.as_slice(), settings.cors.origins.as_slice()) {
        ([], [any]) if any == "*" => &[],
        ([], pages) => pages,
        (own, _) => own,
    };
    let is_open = settings.apps.is_empty();
    SignalConfig {
        origins: Origins::new(origins, is_open, settings.insecure_open),
        max_sockets: signal.max_sockets,
        max_sockets_per_address: or_unbounded(signal.max_sockets_per_address),
        outbox: OutboxLimits {
            messages: signal.max_waiting_messages,
            bytes: signal.max_waiting_bytes,
        },
        socket: SocketLimits {
            message_bytes: signal.max_message_bytes,
            // Above the rate the hub answers with an error, and then closes. This is to keep
            // its inbox for the others.
            messages_per_second: signal.messages_per_second.saturating_mul(2),
            message_burst: signal.message_burst.saturating_mul(2),
            idle: signal.idle_timeout,
            write_timeout: settings.http.write_timeout,
        },
    }
}

fn hub_config(settings: &Settings) -> HubConfig {
    let signal = &settings.signal;
    HubConfig {
        limits: settings.rooms.limits(),
        chat: settings.chat.limits(),
        requests_per_second: signal.messages_per_second,
        request_burst: signal.message_burst,
        sessions_per_address: or_unbounded(signal.max_sockets_per_address),
        login_timeout: signal.login_timeout,
        // All that is kept for a resume has to fit into the outbox of the new socket.
        kept_events: signal.max_waiting_messages / 4 * 3,
        kept_bytes: signal.max_waiting_bytes / 4 * 3,
        relay_mode: settings.relay.mode,
        push_hosts: settings.push.page_hosts.clone(),
        ice_servers: settings.ice_servers.clone(),
        webhooks: settings.webhook_config(),
        ..HubConfig::new(Apps::new(settings.apps.clone()))
    }
}

pub(crate) fn or_unbounded(limit: usize) -> usize {
    match limit {
        0 => usize::MAX,
        limit => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn origins(toml: &str) -> Origins {
        let settings = Settings::from_toml(Path::new("test"), toml).unwrap();
        signal_config(&settings).origins
    }

    #[test]
    fn pages_of_anywhere_may_open_sockets_only_where_a_login_needs_a_token() {
        let apps = "apps = [{ id = 1, keys = [\"k\"] }]\n";
        assert_eq!(origins(""), Origins::Loopback);
        assert_eq!(origins("insecure_open = true"), Origins::Own);
        assert_eq!(origins(apps), Origins::Any);
        let page = vec!["https://a.example".to_owned()];
        let cors = format!("{apps}cors.origins = [\"https://a.example\"]");
        assert_eq!(origins(&cors), Origins::These(page.clone()));
        let own = "signal.origins = [\"https://a.example\"]";
        assert_eq!(origins(own), Origins::These(page));
        assert_eq!(origins("signal.origins = [\"*\"]"), Origins::Any);
    }

    #[test]
    fn what_is_kept_for_a_resume_fits_into_an_outbox() {
        let settings = Settings::default();
        let (hub, signal) = (hub_config(&settings), signal_config(&settings));
        assert!(hub.kept_events < signal.outbox.messages);
        assert!(hub.kept_bytes < signal.outbox.bytes);
    }
}
