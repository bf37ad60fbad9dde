//! The web files inside the binary.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::cors;
use super::problem::Problem;

/// `web/dist` as the build script found it.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct WebFiles;

/// Whatever no route matched: a web file, or nothing.
pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let name = if path.is_empty() { "index.html" } else { path };
    let Some(file) = WebFiles::get(name) else {
        return Problem::NoSuchAddress.into_response();
    };
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return cors::options(METHODS, None),
        _ => {
            let method = request.method().clone();
            return Problem::Method {
                method,
                allowed: METHODS,
            }
            .into_response();
        }
    }
    let etag = etag(&file);
    let is_known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .iter()
        .any(|value| {
            let text = value.to_str().unwrap_or_default();
            text.split(',').any(
                |tag| matches!(tag.trim().trim_start_matches("W/"), t if t == etag || t == "*"),
            )
        });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = file.data.into_owned().into_response();
        let kind = content_type(name, file.metadata.mimetype());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    let cache = if is_hashed(name) {
        IMMUTABLE
    } else {
        "no-cache"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let hex: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

fn content_type(name: &str, guessed: &str) -> HeaderValue {
    let text = match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8".to_owned(),
        Some("map") => "application/json".to_owned(),
        _ if guessed.starts_with("text/") => format!("{guessed}; charset=utf-8"),
        _ => guessed.to_owned(),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// The build writes files below `assets/` as `name-HASH.suffix`: their content
/// never changes under their name.
fn is_hashed(name: &str) -> bool {
    let Some(file) = name.strip_prefix("assets/") else {
        return false;
    };
    let stem = file.split('.').next().unwrap_or_default();
    stem.len() > HASH
        && stem.is_char_boundary(stem.len() - HASH)
        && stem[..stem.len() - HASH].ends_with('-')
}

/// Characters of the hash in an asset's name.
const HASH: usize = 8;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

const METHODS: &str = "GET, HEAD, OPTIONS";

/// Only our own code runs. `blob:` is for Media Source Extensions and for the
/// workers of the players; `connect-src` stays open because a player page may
/// name a stream on another server.
const POLICY: &str = "default-src 'self'; connect-src *; img-src 'self' data: blob:; \
     media-src * blob: data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; \
     form-action 'self'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_assets_are_immutable() {
        assert!(is_hashed("assets/index-BbS1xY_9.js"));
        assert!(is_hashed("assets/index-BbS1xY_9.js.map"));
        for name in [
            "index.html",
            "assets/logo.svg",
            "assets/é-1234567.js",
            "index-BbS1xY_9.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn scripts_and_styles_have_types_that_browsers_accept() {
        assert_eq!(content_type("a.js", "x"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.css", "text/css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.svg", "image/svg+xml"), "image/svg+xml");
    }
}
