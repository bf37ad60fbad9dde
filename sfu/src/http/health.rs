//! Liveness and readiness.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::json;

use super::app::App;
use super::problem::Problem;

/// The process runs and answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Every media worker runs, and the server is not on its way down.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let now = app.workers().snapshot();
    let reason = if now.shutting_down {
        "it is shutting down".to_owned()
    } else if now.running < now.workers {
        format!("{} of {} media workers run", now.running, now.workers)
    } else {
        let ready = json!({
            "status": "ready",
            "workers": now.workers,
            "publishers": now.publishers,
            "subscribers": now.subscribers,
        });
        return (
            [(CACHE_CONTROL, HeaderValue::from_static("no-store"))],
            Json(ready),
        )
            .into_response();
    };
    Problem::NotReady { reason }.into_response()
}
