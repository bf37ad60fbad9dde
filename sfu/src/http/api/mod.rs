//! REST for the page's own back end and for the operator: `/api/v1`, its description, and the
//! request forms of the vendor for back ends that exist.
//!
//! One table of endpoints makes the router, the OpenAPI description and the page, so that they
//! cannot differ.

mod access;
mod bodies;
mod chat;
mod chat_rest;
mod cloud;
mod dev;
mod endpoint;
mod input;
mod members;
mod openapi;
mod page;
mod publication;
mod pushes;
mod recordings;
mod refusal;
mod rooms;
mod router;
mod schema;
mod seats;
mod sights;
mod streams;
#[cfg(test)]
mod tests;
mod viewers;
mod views;

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

pub use router::{router, serve_root};
pub use sights::{ServerSights, Sights};

use super::metrics::HttpMetrics;
use crate::auth::{Apps, Replays, SecretKey};
use crate::config::Settings;
use crate::live::broadcasts::RelayMode;
use crate::live::chat::Buckets;
use crate::live::{AppId, UserId};
use crate::signal::hub::admin::{AdminError, Call, Reply};

/// The way to the hub.
pub trait Control: Send + Sync + 'static {
    /// Carries out a call of an app. [`AdminError::Busy`] when the hub does not answer.
    fn call(&self, app: AppId, call: Call) -> Answer;
}

/// An answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, AdminError>> + Send>>;

/// Who may call.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Tokens of operators, who may call for every app.
    pub tokens: Vec<SecretKey>,
    /// Users whose UserSig may call the chat service's request form.
    pub admins: BTreeSet<(AppId, UserId)>,
    /// Bytes of a request's body.
    pub max_body_bytes: usize,
    /// For the body of a request to arrive.
    pub body_timeout: Duration,
    /// Whether pages that are being developed are given tokens of the apps (`dev.tokens`).
    pub gives_tokens: bool,
    /// Whether pages on other machines are, too (`insecure_open`).
    pub gives_tokens_far: bool,
    /// Which publishers get public addresses.
    pub relay_mode: RelayMode,
    /// Whether pictures are taken.
    pub takes_images: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            admins: BTreeSet::new(),
            max_body_bytes: 256 * 1024,
            body_timeout: Duration::from_secs(10),
            gives_tokens: false,
            gives_tokens_far: false,
            relay_mode: RelayMode::Automatic,
            takes_images: false,
        }
    }
}

impl From<&Settings> for ApiConfig {
    fn from(settings: &Settings) -> Self {
        let admins = settings.apps.iter().flat_map(|app| {
            let admins = app.admins.iter();
            admins.map(|user| (app.id, user.clone()))
        });
        Self {
            tokens: settings.api.tokens.clone(),
            admins: admins.collect(),
            body_timeout: settings.http.body_timeout,
            gives_tokens: settings.dev.tokens,
            gives_tokens_far: settings.insecure_open,
            relay_mode: settings.relay.mode,
            takes_images: settings.images_folder().is_some(),
            ..Self::default()
        }
    }
}

/// What the handlers share; clones share it.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    config: ApiConfig,
    apps: Apps,
    control: Arc<dyn Control>,
    sights: Arc<dyn Sights>,
    metrics: HttpMetrics,
    /// SHA-256 of each token: they are compared in the same time whatever their length.
    tokens: Vec<[u8; 32]>,
    replays: Mutex<Replays>,
    rates: Mutex<Buckets<AppId>>,
}

impl Api {
    /// The shared state.
    pub fn new(
        config: ApiConfig,
        apps: Apps,
        control: Arc<dyn Control>,
        sights: Arc<dyn Sights>,
        metrics: HttpMetrics,
    ) -> Self {
        let hash = |token: &SecretKey| Sha256::digest(token.expose().as_bytes()).into();
        Self(Arc::new(Inner {
            tokens: config.tokens.iter().map(hash).collect(),
            config,
            apps,
            control,
            sights,
            metrics,
            replays: Mutex::new(Replays::new(MAX_REPLAYS)),
            rates: Mutex::new(Buckets::new(RATE, BURST, MAX_APPS)),
        }))
    }

    /// Asks the hub. What is busy has changed nothing, so that it is asked again for a moment: a
    /// room that was just created has its chat when the store has answered.
    async fn ask(&self, app: AppId, call: Call) -> Result<Reply, AdminError> {
        for wait in WAITS {
            match self.0.control.call(app, call.clone()).await {
                Err(AdminError::Busy) => tokio::time::sleep(wait).await,
                other => return other,
            }
        }
        self.0.control.call(app, call).await
    }

    /// Notes a signature that must not come again.
    fn note(&self, now: u64, signature: [u8; 32]) -> Result<(), crate::auth::RequestError> {
        let replays = self.0.replays.lock();
        let mut replays = replays.unwrap_or_else(PoisonError::into_inner);
        replays.note(now, signature)
    }

    /// Takes one request out of the app's rate; how long to wait when there is none left.
    fn pace(&self, now: Instant, app: AppId) -> Result<(), Duration> {
        let rates = self.0.rates.lock();
        let mut rates = rates.unwrap_or_else(PoisonError::into_inner);
        rates.take(now, &app, 1)
    }
}

/// Between questions to a hub that is busy.
const WAITS: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
];

/// Requests that changed something and are remembered against replay. Ten minutes of one app at
/// its full rate are an eighth of it.
const MAX_REPLAYS: usize = 1_000_000;

/// Requests of one app in the long run, a second.
const RATE: u32 = 200;

/// Requests of one app at once.
const BURST: u32 = 400;

/// As many apps as there can be.
const MAX_APPS: usize = 1_000;
