//! From the table of endpoints to routes, and from a request to its response.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::Api;
use super::access::Claim;
use super::endpoint::{BASE, Endpoint, groups};
use super::input::Input;
use super::refusal::Refusal;
use super::{chat_rest, cloud, dev, openapi, page};
use crate::http::body::{BodyError, read_text};
use crate::signal::hub::admin::Reply;

/// All routes of the API.
pub fn router<S: Clone + Send + Sync + 'static>(api: Api) -> Router<S> {
    let mut paths: BTreeMap<&'static str, Vec<Endpoint>> = BTreeMap::new();
    for endpoint in groups().into_iter().flat_map(|group| group.endpoints) {
        paths.entry(endpoint.path).or_default().push(endpoint);
    }
    let mut router = Router::new();
    for (path, endpoints) in paths {
        let endpoints = Arc::new(endpoints);
        let serve = move |state: State<Api>, parts, request| {
            serve(state, Arc::clone(&endpoints), parts, request)
        };
        router = router.route(&format!("{BASE}{path}"), any(serve));
    }
    router
        .route("/api", get(page::moved))
        .route("/api/", get(page::page))
        .route("/api/style.css", get(page::style))
        .route("/api/openapi.json", get(openapi::serve))
        .route("/api/server", get(dev::server))
        .route("/api/dev/usersig", any(dev::usersig))
        .route("/trtc", post(cloud::serve))
        .route("/v4/{service}/{command}", post(chat_rest::serve))
        .with_state(api)
}

/// `POST /`, where the vendor's kit sends its calls whatever the host.
pub async fn serve_root(api: Api, request: Request) -> Response {
    cloud::serve(State(api), request).await
}

async fn serve(
    State(api): State<Api>,
    endpoints: Arc<Vec<Endpoint>>,
    parts: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let wanted = match head.method {
        Method::HEAD => &Method::GET,
        ref other => other,
    };
    let Some(endpoint) = endpoints.iter().find(|e| e.method == *wanted) else {
        return other_method(&endpoints, &head.method);
    };
    let path = parts.map(|parts| {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        parts.iter().map(owned).collect()
    });
    let result = match path {
        Ok(path) => carry_out(&api, endpoint, path, &head, body).await,
        Err(_) => Err(Refusal::NoSuchAddress),
    };
    match result {
        Ok(Given::Reply(reply)) => answer(endpoint, &head, &reply),
        Ok(Given::Seen(_)) if endpoint.answer.is_none() => status(endpoint).into_response(),
        Ok(Given::Seen(value)) => json(status(endpoint), &value),
        Err(refusal) => {
            refused(&api, &refusal);
            refusal.into_response()
        }
    }
}

async fn carry_out(
    api: &Api,
    endpoint: &Endpoint,
    path: Vec<(String, String)>,
    head: &Parts,
    body: Body,
) -> Result<Given, Refusal> {
    let claim = Claim::read(api, head)?;
    let body = read(api, body).await?;
    let caller = claim.verify(api, head, body.as_bytes())?;
    let app = caller.app(api, &head.headers)?;
    if endpoint.body.is_some() {
        check_json(head)?;
    }
    let input = Input::read(path, &head.uri, endpoint.query, &body)?;
    if let Some(look) = endpoint.look {
        let seen = look(&input)?.at(&*api.0.sights, app)?;
        return Ok(Given::Seen(seen));
    }
    if let Some(push) = endpoint.push {
        let done = push(&input)?.carry_out(api, app).await?;
        return Ok(done.map_or(Given::Reply(Reply::Done), Given::Seen));
    }
    if let Some(record) = endpoint.record {
        let done = record(&input)?.carry_out(api, app).await?;
        return Ok(done.map_or(Given::Reply(Reply::Done), Given::Seen));
    }
    let call = (endpoint.call)(&input)?;
    Ok(Given::Reply(api.ask(app, call).await?))
}

/// What an endpoint gives.
enum Given {
    /// The hub's.
    Reply(Reply),
    /// The server's.
    Seen(serde_json::Value),
}

/// The body as text; an empty one is empty.
pub(super) async fn read(api: &Api, body: Body) -> Result<String, Refusal> {
    let config = &api.0.config;
    match read_text(body, config.max_body_bytes, config.body_timeout).await {
        Ok(text) => Ok(text),
        Err(BodyError::Empty) => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn check_json(head: &Parts) -> Result<(), Refusal> {
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Refusal::ContentType)
    }
}

/// Of a request that was carried out.
fn status(endpoint: &Endpoint) -> StatusCode {
    StatusCode::from_u16(endpoint.status).unwrap_or(StatusCode::OK)
}

fn answer(endpoint: &Endpoint, head: &Parts, reply: &Reply) -> Response {
    let (mut status, mut location) = (status(endpoint), None);
    if let Reply::Created { is_new, .. } = reply {
        if *is_new {
            location = HeaderValue::from_str(head.uri.path()).ok();
        } else {
            status = StatusCode::OK;
        }
    }
    let mut response = match endpoint.answer {
        None => status.into_response(),
        Some(_) => json(status, reply),
    };
    if let Some(location) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A JSON response that nobody keeps.
pub(super) fn json(status: StatusCode, value: &impl serde::Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(value) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, text).into_response()
}

/// A method that the path does not know, or the question which it does.
fn other_method(endpoints: &[Endpoint], method: &Method) -> Response {
    let mut names: Vec<_> = endpoints.iter().map(|e| e.method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    let allowed = names.join(", ");
    if *method != Method::OPTIONS {
        return Refusal::Method { allowed }.into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The reason stands in the log and the metrics; neither holds a secret.
pub(super) fn refused(api: &Api, refusal: &Refusal) {
    if let Some(label) = refusal.label() {
        api.0.metrics.refuse(label);
        tracing::info!(reason = %refusal, "API call refused");
    }
}
