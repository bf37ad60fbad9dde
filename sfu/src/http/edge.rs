//! The routes of an edge: what viewers and operators ask for, and nothing else.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::json;

use super::app::read_only;
use super::problem::Problem;
use super::site::Site;
use super::{cors, health, live, metrics, observe};

/// All routes of an edge.
pub fn edge_router(site: Site) -> Router {
    Router::new()
        .route("/live/{*path}", any(live::serve))
        .route("/metrics", read_only(get(metrics::scrape)))
        .route("/healthz", read_only(get(health::healthz)))
        .route("/readyz", read_only(get(readyz)))
        .fallback(|| async { Problem::NoSuchAddress })
        .layer(middleware::from_fn_with_state(site.clone(), cors::layer))
        .layer(middleware::from_fn_with_state(site.clone(), observe::layer))
        .with_state(site)
}

/// It is not on its way down. Whether the origin answers is the origin's to say: an edge without it
/// still serves what it has.
async fn readyz(State(site): State<Site>) -> Response {
    if !site.is_running() {
        let reason = "it is shutting down".to_owned();
        return Problem::NotReady { reason }.into_response();
    }
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, Json(json!({ "status": "ready" }))).into_response()
}
