//! CORS: which pages of other origins may use the server (Fetch standard, §3.3).

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::site::Site;
use crate::auth;
use crate::live::AppId;

/// Which origins are let in.
#[derive(Debug, Clone)]
pub(super) enum Cors {
    Any,
    These(Vec<HeaderValue>),
}

impl Cors {
    pub(super) fn new(origins: &[String]) -> Self {
        if origins.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::These(
            origins
                .iter()
                .filter_map(|o| HeaderValue::from_str(o).ok())
                .collect(),
        )
    }

    /// Whether pages of an origin are let in.
    pub(super) fn names(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(origins) => origins.iter().any(|known| known == origin),
        }
    }

    fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        match self {
            Self::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::These(origins) => {
                headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
                headers.append(VARY, HeaderValue::from_static("Origin"));
                if let Some(origin) = origin.filter(|origin| origins.contains(origin)) {
                    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                }
            }
        }
    }
}

/// The server's rule, and those that apps have for their streams.
#[derive(Debug, Clone)]
pub(super) struct CorsRules {
    server: Cors,
    apps: BTreeMap<AppId, Cors>,
}

impl CorsRules {
    pub(super) fn new(origins: &[String], apps: &[auth::App]) -> Self {
        let own = apps.iter().filter(|app| !app.cors_origins.is_empty());
        Self {
            server: Cors::new(origins),
            apps: own
                .map(|app| (app.id, Cors::new(&app.cors_origins)))
                .collect(),
        }
    }

    /// The rule of an app, which is asked for if there are such; else the server's.
    pub(super) fn of(&self, app: impl FnOnce() -> Option<AppId>) -> &Cors {
        if self.apps.is_empty() {
            return &self.server;
        }
        app()
            .and_then(|app| self.apps.get(&app))
            .unwrap_or(&self.server)
    }
}

/// On a response that pages of every origin may read, whatever the settings say: it is the same
/// for everybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Everybody;

/// On a response that is of an app's stream, where the address alone does not say so: the app's rule
/// is for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfApp(pub(super) AppId);

/// Adds what browsers ask for to every response, also to refusals: a page could
/// not read the problem otherwise.
pub(super) async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let rule = site.cors_for(request.uri().path());
    let mut response = next.run(request).await;
    let allow = response.headers().get(ALLOW).cloned();
    let is_for_everybody = response.extensions().get::<Everybody>().is_some();
    let of_app = response.extensions().get::<OfApp>().copied();
    let headers = response.headers_mut();
    let cors = match of_app {
        _ if is_for_everybody => &Cors::Any,
        Some(OfApp(app)) => site.cors_of(app),
        None => rule,
    };
    cors.apply(origin.as_ref(), headers);
    if is_preflight {
        if let Some(allow) = allow {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, allow);
        }
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(REQUEST_HEADERS),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    } else {
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(RESPONSE_HEADERS),
        );
    }
    response
}

/// The answer to OPTIONS, for a preflight and for a client that looks around.
pub(super) fn options(
    allowed: &'static str,
    accept: Option<(HeaderName, &'static str)>,
) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    if let Some((name, value)) = accept {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range, X-Request-Id";

const RESPONSE_HEADERS: &str = "Location, ETag, Link, Accept-Patch, Accept-Post, Allow, \
     Content-Length, Content-Range, Retry-After, WWW-Authenticate, X-Request-Id";

/// Browsers cap it: two hours in Chromium.
const MAX_AGE: &str = "7200";
