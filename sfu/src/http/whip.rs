//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): endpoints and session URLs.
//!
//! Both protocols are the same exchange with the media in opposite directions, so
//! that one set of handlers serves them, told by its role.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, patch, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LINK, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use relay::StreamId;

use super::access;
use super::app::App;
use super::body::read_text;
use super::cors;
use super::problem::Problem;
use crate::media::fragment::MAX_FRAGMENT;
use crate::worker::{Accepted, Patched, Role, SessionRef};

/// `/whip/{id}` or `/whep/{id}`.
pub(super) fn endpoint(role: Role) -> MethodRouter<App> {
    post(
        move |State(app): State<App>, request: PathParts, offer: Request| async move {
            open(app, role, request, offer).await
        },
    )
    .options(|| async { cors::options(ENDPOINT_METHODS, Some((ACCEPT_POST, SDP))) })
    // GET, HEAD and PUT are reserved (RFC 9725 §4.2).
    .fallback(|method: Method| async {
        Problem::Method {
            method,
            allowed: ENDPOINT_METHODS,
        }
    })
}

/// `/whip/{id}/{session}` or `/whep/{id}/{session}`.
pub(super) fn session(role: Role) -> MethodRouter<App> {
    patch(move |State(app): State<App>, request: PathParts, fragment: Request| async move {
        change(app, role, request, fragment).await
    })
    .merge(delete(move |State(app): State<App>, request: PathParts| async move {
        close(app, role, request).await
    }))
    .options(|| async { cors::options(SESSION_METHODS, Some((ACCEPT_PATCH, FRAGMENT))) })
    .fallback(|method: Method| async {
        Problem::Method { method, allowed: SESSION_METHODS }
    })
}

async fn open(
    app: App,
    role: Role,
    parts: PathParts,
    request: Request,
) -> Result<Response, Problem> {
    let stream = stream_of(&parts)?;
    let visitor = access::admit(&app, role, &stream, &request)?;
    check_content_type(request.headers(), SDP, ACCEPT_POST)?;
    let offer = read_text(request.into_body(), app.max_sdp_bytes(), app.body_timeout()).await?;
    visitor.check_room(&app, role, &stream, &offer)?;
    let Accepted {
        session,
        etag,
        answer,
    } = match role {
        Role::Publisher => {
            let owner = visitor.into_owner();
            answered(app.workers().publish(stream.clone(), offer, owner)).await?
        }
        Role::Subscriber => answered(app.workers().subscribe(stream.clone(), offer)).await?,
    };
    let mut response = (StatusCode::CREATED, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(
        LOCATION,
        value(format!("/{}/{stream}/{session}", protocol(role)))?,
    );
    headers.insert(ETAG, value(format!("\"{etag}\""))?);
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for link in app.ice_links(role) {
        headers.append(LINK, link);
    }
    Ok(response)
}

async fn change(
    app: App,
    role: Role,
    parts: PathParts,
    request: Request,
) -> Result<Response, Problem> {
    let session = session_of(role, &parts)?;
    check_content_type(request.headers(), FRAGMENT, ACCEPT_PATCH)?;
    let if_match = request
        .headers()
        .get(IF_MATCH)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let limit = app.max_sdp_bytes().min(MAX_FRAGMENT);
    let fragment = read_text(request.into_body(), limit, app.body_timeout()).await?;
    let log = (session.stream.clone(), session.session);
    match answered(app.workers().patch(session, if_match, fragment)).await? {
        Patched::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { etag, fragment } => {
            tracing::info!(stream = %log.0, session = %log.1.short(), role = role.name(), "ICE restarted");
            let mut response = (StatusCode::OK, fragment).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
            headers.insert(ETAG, value(format!("\"{etag}\""))?);
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // The credentials that the session began with may be over.
            for link in app.ice_links(role) {
                headers.append(LINK, link);
            }
            Ok(response)
        }
    }
}

async fn close(app: App, role: Role, parts: PathParts) -> Result<StatusCode, Problem> {
    let session = session_of(role, &parts)?;
    answered(app.workers().close(session)).await?;
    Ok(StatusCode::OK)
}

/// The answer of a media worker, which is a matter of milliseconds unless it hangs.
async fn answered<T, E>(answer: impl Future<Output = Result<T, E>>) -> Result<T, Problem>
where
    Problem: From<E>,
{
    match tokio::time::timeout(WORKER_ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem::NotReady {
            reason: "a media worker does not answer".to_owned(),
        }),
    }
}

type PathParts = Result<Path<HashMap<String, String>>, PathRejection>;

fn part<'a>(parts: &'a PathParts, name: &str) -> Result<&'a str, Problem> {
    let Path(parts) = parts.as_ref().map_err(|_| Problem::Address)?;
    Ok(parts.get(name).map_or("", String::as_str))
}

/// The stream that a request is about.
fn stream_of(parts: &PathParts) -> Result<StreamId, Problem> {
    Ok(part(parts, "id")?.parse::<StreamId>()?)
}

/// The session that a request is about. Whoever knows its 128 random bits may change and end it:
/// only the client that opened it was told them, and its token may be over before the session is.
fn session_of(role: Role, parts: &PathParts) -> Result<SessionRef, Problem> {
    Ok(SessionRef {
        stream: stream_of(parts)?,
        session: part(parts, "session")?.parse()?,
        role,
    })
}

fn protocol(role: Role) -> &'static str {
    match role {
        Role::Publisher => "whip",
        Role::Subscriber => "whep",
    }
}

fn check_content_type(
    headers: &HeaderMap,
    allowed: &'static str,
    header: HeaderName,
) -> Result<(), Problem> {
    let found = headers
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let essence = found
        .as_deref()
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(allowed)) {
        return Ok(());
    }
    let found = match found {
        Some(text) => format!(
            "\"{}\"",
            text.chars().take(100).collect::<String>().escape_debug()
        ),
        None => "missing".to_owned(),
    };
    Err(Problem::ContentType {
        found,
        allowed,
        header,
    })
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| Problem::Internal)
}

/// A client gives up and tries again long before this.
const WORKER_ANSWER: Duration = Duration::from_secs(5);

const SDP: &str = "application/sdp";

/// RFC 8840 §9.
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

const ENDPOINT_METHODS: &str = "POST, OPTIONS";
const SESSION_METHODS: &str = "PATCH, DELETE, OPTIONS";

/// RFC 9725 §4.2, from the Linked Data Platform (W3C).
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// RFC 5789 §3.1.
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
