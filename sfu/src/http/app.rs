//! What the handlers share, and the table of routes.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use http::{HeaderValue, Method};
use prometheus::Registry;
use relay::Relay;

use super::api::{self, Api, ApiConfig, ServerSights};
use super::cors;
use super::health::Readiness;
use super::images::{self, Images};
use super::metrics::{self, HttpMetrics};
use super::recordings::ServedRecordings;
use super::site::{Site, Source};
use super::viewings::{KeptRevocations, RevocationKeeper, Viewings};
use super::{files, health, ice, live, observe, recordings, signal, whip};
use crate::auth::Apps;
use crate::config::{IceServer, Settings};
use crate::signal::Signalling;
use crate::worker::{Role, Workers};

/// What every handler can reach; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    site: Site,
    workers: Workers,
    signalling: Signalling,
    api: Api,
    images: Option<Images>,
    recordings: Option<ServedRecordings>,
    ice_servers: Vec<IceServer>,
    readiness: Readiness,
    max_sdp_bytes: usize,
    body_timeout: Duration,
}

impl App {
    /// The shared state for these settings.
    pub fn new(
        settings: &Settings,
        workers: Workers,
        relay: Relay,
        signalling: Signalling,
        registry: Registry,
        metrics: HttpMetrics,
        images: Option<Images>,
    ) -> Self {
        let (directory, hub) = (workers.clone(), signalling.hub().clone());
        let source = Source::Publishers {
            app_of: Box::new(move |stream| directory.app_of(stream)),
            // The rooms are the first to end.
            is_running: Box::new(move || hub.is_running()),
        };
        let site = Site::new(settings, source, relay, registry, metrics);
        let api = Api::new(
            ApiConfig::from(settings),
            Apps::new(settings.apps.clone()),
            Arc::new(signalling.hub().clone()),
            Arc::new(ServerSights {
                workers: workers.clone(),
                webhooks: signalling.webhooks().clone(),
                viewings: site.viewings().clone(),
                pushes: signalling.pushes().clone(),
                recordings: signalling.recordings().clone(),
            }),
            site.metrics().clone(),
        );
        let reader = signalling.recordings().served();
        Self(Arc::new(Inner {
            recordings: reader.map(|reader| ServedRecordings::new(&settings.record, reader)),
            site,
            api,
            workers,
            signalling,
            images,
            readiness: Readiness::default(),
            ice_servers: settings.ice_servers.clone(),
            max_sdp_bytes: settings.http.max_sdp_bytes,
            body_timeout: settings.http.body_timeout,
        }))
    }

    /// Keeps out who was kept out when an earlier process ended, and keeps that from now on. To be
    /// called before anybody is served, within a runtime.
    pub fn keep_revocations(&self, kept: KeptRevocations) -> RevocationKeeper {
        RevocationKeeper::start(self.viewings(), kept)
    }

    /// What it shares with an edge.
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    /// Who watches, and who may not.
    pub(super) fn viewings(&self) -> &Viewings {
        self.0.site.viewings()
    }

    pub(super) fn signalling(&self) -> &Signalling {
        &self.0.signalling
    }

    pub(super) fn apps(&self) -> &Apps {
        self.0.site.apps()
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        self.0.site.metrics()
    }

    /// Uploaded images, if the server takes any.
    pub(super) fn images(&self) -> Option<&Images> {
        self.0.images.as_ref()
    }

    /// Recordings, if the server lets players at them.
    pub(super) fn recordings(&self) -> Option<&ServedRecordings> {
        self.0.recordings.as_ref()
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    /// `Link` header fields with the ICE servers (RFC 9725 §4.6) for a client that comes now.
    pub(super) fn ice_links(&self, role: Role) -> Vec<HeaderValue> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        ice::links(&self.0.ice_servers, now, role.name())
    }

    pub(super) fn max_sdp_bytes(&self) -> usize {
        self.0.max_sdp_bytes
    }

    pub(super) fn body_timeout(&self) -> Duration {
        self.0.body_timeout
    }
}

impl FromRef<App> for Site {
    fn from_ref(app: &App) -> Self {
        app.site().clone()
    }
}

/// All routes of the server.
pub fn router(app: App) -> Router {
    let site = app.site().clone();
    Router::new()
        .route("/whip/{id}", whip::endpoint(Role::Publisher))
        .route("/whip/{id}/{session}", whip::session(Role::Publisher))
        .route("/whep/{id}", whip::endpoint(Role::Subscriber))
        .route("/whep/{id}/{session}", whip::session(Role::Subscriber))
        .route("/signal", signal::route())
        .route("/live/{*path}", any(live::serve))
        .route("/recordings/{*path}", any(recordings::serve))
        .route("/api/images", images::upload())
        .route("/images/{name}", images::file())
        .route("/metrics", read_only(get(metrics::scrape)))
        .route("/healthz", read_only(get(health::healthz)))
        .route("/readyz", read_only(get(health::readyz)))
        .merge(api::router(app.0.api.clone()))
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(site.clone(), cors::layer))
        .layer(middleware::from_fn_with_state(site, observe::layer))
        .with_state(app)
}

/// Routes that only read.
pub(super) fn read_only<S>(routes: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .options(|| async { cors::options(READ_ONLY, None) })
        .fallback(|method: Method| async move {
            super::Problem::Method {
                method,
                allowed: READ_ONLY,
            }
            .into_response()
        })
}

/// The web files, and the calls of the vendor's kit, which name no path.
async fn elsewhere(State(app): State<App>, request: Request) -> Response {
    if request.method() == Method::POST && request.uri().path() == "/" {
        return api::serve_root(app.0.api.clone(), request).await;
    }
    files::serve(request).await.into_response()
}

const READ_ONLY: &str = "GET, HEAD, OPTIONS";
