//! The web files inside the binary.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
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
    let (name, file) = match find(path) {
        Found::File(name, file) => (name, file),
        Found::Folder => return moved(&request),
        Found::Nothing => return Problem::NoSuchAddress.into_response(),
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
        let kind = content_type(&name, file.metadata.mimetype());
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(ETAG, etag);
    }
    let cache = if is_hashed(&name) {
        IMMUTABLE
    } else {
        "no-cache"
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Area::of(&name).guard(&mut response);
    response
}

/// What stands at a path.
enum Found {
    File(String, EmbeddedFile),
    /// The page of a folder, asked for without the slash that its relative addresses need.
    Folder,
    Nothing,
}

fn find(path: &str) -> Found {
    let name = if path.is_empty() || path.ends_with('/') {
        format!("{path}index.html")
    } else {
        path.to_owned()
    };
    if let Some(file) = WebFiles::get(&name) {
        return Found::File(name, file);
    }
    match WebFiles::get(&format!("{name}/index.html")) {
        Some(_) => Found::Folder,
        None => Found::Nothing,
    }
}

/// Relative, so that it holds behind a proxy that adds to the path.
fn moved(request: &Request) -> Response {
    let uri = request.uri();
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    if let Ok(location) = HeaderValue::try_from(format!("{last}/{query}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The web files differ in who may use them, and in what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    /// Our own pages, built without inline code.
    Pages,
    /// The operator's page: it talks to its own server alone, and nobody frames it.
    Admin,
    /// Pages of a few lines that are read as much as run, and the reference: they may hold their style.
    Examples,
    /// What pages of all origins load.
    Sdk,
}

impl Area {
    fn of(name: &str) -> Self {
        match name.split_once('/') {
            Some(("admin", _)) => Self::Admin,
            Some(("examples" | "docs", _)) => Self::Examples,
            Some(("sdk", _)) => Self::Sdk,
            _ => Self::Pages,
        }
    }

    fn guard(self, response: &mut Response) {
        let headers = response.headers_mut();
        let (policy, referrer) = match self {
            Self::Pages | Self::Sdk => (POLICY, "same-origin"),
            Self::Admin => (ADMIN_POLICY, "no-referrer"),
            Self::Examples => (EXAMPLES_POLICY, "same-origin"),
        };
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
        if self == Self::Sdk {
            // Pages that are isolated (COEP) load only what says this.
            headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
            response.extensions_mut().insert(cors::Everybody);
        }
    }
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
        Some("tgz") => "application/gzip".to_owned(),
        _ if guessed.starts_with("text/") => format!("{guessed}; charset=utf-8"),
        _ => guessed.to_owned(),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// The build writes files below `assets/` and `sdk/chunks/` as `name-HASH.suffix`: their content
/// never changes under their name.
fn is_hashed(name: &str) -> bool {
    let mut folders = ["assets/", "sdk/chunks/"].into_iter();
    let Some(file) = folders.find_map(|folder| name.strip_prefix(folder)) else {
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

const ADMIN_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// As [`POLICY`], with style in the page, and pictures from everywhere.
const EXAMPLES_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
     connect-src *; img-src * data: blob:; media-src * blob: data:; worker-src 'self' blob:; \
     object-src 'none'; base-uri 'self'; form-action 'self'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_hashed_assets_are_immutable() {
        assert!(is_hashed("assets/index-BbS1xY_9.js"));
        assert!(is_hashed("assets/index-BbS1xY_9.js.map"));
        assert!(is_hashed("sdk/chunks/hls-bHMrUDop.mjs"));
        for name in [
            "index.html",
            "sdk/weblive.mjs",
            "sdk/engines/hls.worker.js",
            "assets/logo.svg",
            "assets/é-1234567.js",
            "index-BbS1xY_9.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn every_file_is_of_the_area_that_its_folder_names() {
        for (name, area) in [
            ("index.html", Area::Pages),
            ("assets/index-BbS1xY_9.js", Area::Pages),
            ("admin.html", Area::Pages),
            ("admin/index.html", Area::Admin),
            ("examples/push.html", Area::Examples),
            ("docs/index.html", Area::Examples),
            ("sdk/trtc.js", Area::Sdk),
            ("sdk/chunks/hls-bHMrUDop.mjs", Area::Sdk),
        ] {
            assert_eq!(Area::of(name), area, "{name}");
        }
    }

    #[test]
    fn only_the_sdk_is_for_pages_of_all_origins_and_no_page_holds_code() {
        for area in [Area::Pages, Area::Admin, Area::Examples, Area::Sdk] {
            let mut response = Response::default();
            area.guard(&mut response);
            let headers = response.headers();
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            let unsafe_parts = policy.matches("unsafe").count();
            let in_style = policy.contains("style-src 'self' 'unsafe-inline'");
            assert_eq!(unsafe_parts, usize::from(in_style), "{policy}");
            assert_eq!(in_style, area == Area::Examples);
            assert!(policy.contains("object-src 'none'"), "{policy}");
            let is_shared = headers.contains_key(RESOURCE_POLICY);
            assert_eq!(is_shared, area == Area::Sdk);
            let everybody = response.extensions().get::<cors::Everybody>();
            assert_eq!(everybody.is_some(), area == Area::Sdk);
        }
    }

    #[test]
    fn a_folder_is_asked_for_with_its_slash() {
        let request = |uri: &str| Request::builder().uri(uri).body(Body::empty()).unwrap();
        for (uri, location) in [("/admin", "admin/"), ("/examples?a=1", "examples/?a=1")] {
            let response = moved(&request(uri));
            assert_eq!(response.status(), 308);
            assert_eq!(response.headers()[LOCATION], location);
        }
    }

    #[test]
    fn scripts_and_styles_have_types_that_browsers_accept() {
        assert_eq!(content_type("a.js", "x"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.mjs", "x"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("a.tgz", "x"), "application/gzip");
        assert_eq!(content_type("a.css", "text/css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.svg", "image/svg+xml"), "image/svg+xml");
    }
}
