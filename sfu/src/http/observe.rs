//! One layer around all routes: a request id, a span, a count and a duration.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tracing::Instrument;

use super::forwarded::Remote;
use super::site::Site;

pub(super) async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = method_label(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let known = matched
        .as_ref()
        .map(|path| route_label(path.as_str(), request.uri().path()));
    request.headers_mut().insert(REQUEST_ID, id.clone());

    let remote = request.extensions().get::<Remote>();
    let (client, peer) = (
        remote.map(|remote| remote.client),
        remote.map(|remote| remote.peer),
    );
    let id_text = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = id_text, method, ?client, ?peer);
    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status();
    // Paths that nobody serves would be a label without bound.
    let route = known.unwrap_or(if status == StatusCode::NOT_FOUND {
        "none"
    } else {
        "files"
    });
    let took = started.elapsed();
    site.metrics().request(route, method, status.as_u16(), took);
    span.in_scope(|| {
        if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(route, status = status.as_u16(), ?took, "request failed");
        } else {
            tracing::debug!(route, status = status.as_u16(), ?took, "request");
        }
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id that a proxy in front gave, if it is a plain one; ours otherwise.
fn request_id(request: &Request) -> HeaderValue {
    let is_plain = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b))
    };
    request
        .headers()
        .get(REQUEST_ID)
        .filter(is_plain)
        .cloned()
        .unwrap_or_else(|| {
            HeaderValue::try_from(format!("{:016x}", rand::random::<u64>()))
                .unwrap_or(HeaderValue::from_static("0"))
        })
}

/// One label for each route that costs and fails differently.
fn route_label<'a>(matched: &'a str, path: &str) -> &'a str {
    match matched {
        "/live/{*path}" => {}
        "/recordings/{*path}" if path.ends_with(".m3u8") => return "/recordings/{id}.m3u8",
        "/recordings/{*path}" if path.ends_with("/recording.mp4") => return "/recordings/{id}.mp4",
        "/recordings/{*path}" => return "/recordings/{id}/{file}",
        _ => return matched,
    }
    if path.ends_with(".flv") {
        "/live/{id}.flv"
    } else if path.ends_with("/stream.mp4") && path.matches('/').count() == 3 {
        "/live/{id}/stream.mp4"
    } else if path.ends_with(".m3u8") {
        "/live/{id}.m3u8"
    } else if path.ends_with(".mp4") && path.matches('/').count() == 2 {
        "/live/{id}.mp4"
    } else {
        "/live/{id}/{file}"
    }
}

/// Methods are the client's words: only the known ones become labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
