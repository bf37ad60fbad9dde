//! What the handlers share, and the table of routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use axum::{body, middleware};
use http::{HeaderValue, Method};
use prometheus::Registry;
use relay::Relay;

use super::api::{self, Api, ApiConfig, ServerSights};
use super::cors::{self, Cors};
use super::health::Readiness;
use super::images::{self, Images};
use super::metrics::{self, HttpMetrics};
use super::{access, files, health, ice, observe, playlist, signal, whip};
use crate::auth::Apps;
use crate::config::{IceServer, Settings};
use crate::signal::Signalling;
use crate::worker::{Role, Workers};

/// What every handler can reach; clones share it.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    workers: Workers,
    relay: Relay,
    signalling: Signalling,
    api: Api,
    registry: Registry,
    metrics: HttpMetrics,
    images: Option<Images>,
    apps: Apps,
    cors: Cors,
    ice_servers: Vec<IceServer>,
    readiness: Readiness,
    max_sdp_bytes: usize,
    body_timeout: Duration,
    started: Instant,
    /// Milliseconds from `started` to the last playlist request, plus one; 0 for none.
    last_playlist: AtomicU64,
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
        let api = Api::new(
            ApiConfig::from(settings),
            Apps::new(settings.apps.clone()),
            Arc::new(signalling.hub().clone()),
            Arc::new(ServerSights {
                workers: workers.clone(),
                webhooks: signalling.webhooks().clone(),
            }),
            metrics.clone(),
        );
        Self(Arc::new(Inner {
            api,
            workers,
            relay,
            signalling,
            registry,
            metrics,
            images,
            apps: Apps::new(settings.apps.clone()),
            cors: Cors::new(&settings.cors.origins),
            readiness: Readiness::default(),
            ice_servers: settings.ice_servers.clone(),
            max_sdp_bytes: settings.http.max_sdp_bytes,
            body_timeout: settings.http.body_timeout,
            started: Instant::now(),
            last_playlist: AtomicU64::new(0),
        }))
    }

    pub(super) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(super) fn signalling(&self) -> &Signalling {
        &self.0.signalling
    }

    pub(super) fn apps(&self) -> &Apps {
        &self.0.apps
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    /// Uploaded images, if the server takes any.
    pub(super) fn images(&self) -> Option<&Images> {
        self.0.images.as_ref()
    }

    pub(super) fn readiness(&self) -> &Readiness {
        &self.0.readiness
    }

    pub(super) fn cors(&self) -> &Cors {
        &self.0.cors
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

    /// Whether somebody asked for a playlist within the given time: a player that
    /// will come back for the end of it.
    pub fn has_playlist_reader(&self, within: Duration) -> bool {
        let last = self.0.last_playlist.load(Ordering::Relaxed);
        last > 0 && self.0.started.elapsed() < Duration::from_millis(last - 1) + within
    }
}

/// All routes of the server.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/whip/{id}", whip::endpoint(Role::Publisher))
        .route("/whip/{id}/{session}", whip::session(Role::Publisher))
        .route("/whep/{id}", whip::endpoint(Role::Subscriber))
        .route("/whep/{id}/{session}", whip::session(Role::Subscriber))
        .route("/signal", signal::route())
        .route("/live/{*path}", any(live))
        .route("/api/images", images::upload())
        .route("/images/{name}", images::file())
        .route("/metrics", read_only(get(metrics::scrape)))
        .route("/healthz", read_only(get(health::healthz)))
        .route("/readyz", read_only(get(health::readyz)))
        .merge(api::router(app.0.api.clone()))
        .fallback(elsewhere)
        .layer(middleware::from_fn_with_state(app.clone(), cors::layer))
        .layer(middleware::from_fn_with_state(app.clone(), observe::layer))
        .with_state(app)
}

fn read_only(routes: MethodRouter<App>) -> MethodRouter<App> {
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

async fn live(State(app): State<App>, request: Request) -> Response {
    let signature = match access::play(&app, &request) {
        Ok(signature) => signature,
        Err(problem) => return problem.into_response(),
    };
    if request.uri().path().ends_with(".m3u8") {
        let now = app.0.started.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX - 1);
        app.0.last_playlist.store(now + 1, Ordering::Relaxed);
    }
    let response = app.0.relay.handle(request).await.map(body::Body::new);
    match signature {
        Some(signature) => playlist::sign(response, &signature.to_query()).await,
        None => response,
    }
}

const READ_ONLY: &str = "GET, HEAD, OPTIONS";
