//! Pictures for messages: uploads, and the files that come of them.

mod send;
mod uploads;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, LOCATION,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

pub use uploads::{Images, ImagesError};

use super::access;
use super::app::App;
use super::cors;
use super::forwarded::Remote;
use super::problem::Problem;
use crate::images::HEADERS;
use crate::signal::hub::network;
use uploads::Uploader;

/// `/api/images`.
pub(super) fn upload() -> MethodRouter<App> {
    post(take)
        .options(|| async { cors::options(UPLOAD_METHODS, Some((ACCEPT_POST, ANY_IMAGE))) })
        .fallback(|method: Method| async {
            Problem::Method {
                method,
                allowed: UPLOAD_METHODS,
            }
        })
}

/// `/images/{name}`.
pub(super) fn file() -> MethodRouter<App> {
    get(show)
        .options(|| async { cors::options(FILE_METHODS, None) })
        .fallback(|method: Method| async {
            Problem::Method {
                method,
                allowed: FILE_METHODS,
            }
        })
}

/// Takes the bytes of one file as they are. What the client says of their type is believed in
/// nothing: a form (multipart) is refused only because its sender would be told that its picture
/// is none.
async fn take(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let images = app.images().ok_or(Problem::NoUploads)?;
    let uploader = match access::user(&app, request.headers())? {
        Some((of, user)) => Uploader::User(of, user),
        None => {
            let remote = request.extensions().get::<Remote>();
            Uploader::Address(remote.map(|remote| network(remote.client)))
        }
    };
    check_content_type(request.headers())?;
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let upload = images.begin(uploader)?;
    let bytes = upload.read(request.into_body(), length).await?;
    let payload = upload.finish(bytes).await?;
    let text = serde_json::to_vec(&payload).map_err(|_| Problem::Internal)?;
    let mut response = (StatusCode::CREATED, text).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(original) = payload.image_info_array.first() {
        let location = HeaderValue::try_from(&original.url).map_err(|_| Problem::Internal)?;
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

async fn show(
    State(app): State<App>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::NoSuchImage)?;
    let images = app.images().ok_or(Problem::NoSuchImage)?;
    let file = images.open_file(name.clone()).await?;
    // A name stands for one content, whatever happens.
    let etag = format!("\"{name}\"");
    let mut response = if is_known(request.headers(), &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let length = file.length;
        let kind = file.content_type;
        let mut response = Response::new(file.into_body());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, length.into());
        response
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(
        ETAG,
        HeaderValue::try_from(etag).map_err(|_| Problem::Internal)?,
    );
    Ok(response)
}

/// Whether the client has the file already (RFC 9110 §13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == etag || tag == "*")
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    if essence.starts_with("image/") || essence == "application/octet-stream" {
        return Ok(());
    }
    let found: String = text.chars().take(100).collect();
    Err(Problem::ContentType {
        found: format!("\"{}\"", found.escape_debug()),
        allowed: ANY_IMAGE,
        header: ACCEPT_POST,
    })
}

const UPLOAD_METHODS: &str = "POST, OPTIONS";
const FILE_METHODS: &str = "GET, HEAD, OPTIONS";

/// The bytes of the file themselves.
const ANY_IMAGE: &str = "image/*, application/octet-stream";

/// From the Linked Data Platform (W3C).
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
