//! Every way in which the API says no, and its status.

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use relay::push::{InvalidPushTarget, PushRefused};
use relay::record::{NotRemoved, RecordRefused, RecordingId};
use serde::Serialize;
use thiserror::Error;

use crate::auth::RequestError;
use crate::http::body::BodyError;
use crate::http::viewings::TooMany;
use crate::live::chat::ChatError;
use crate::live::{AppId, LiveError};
use crate::record::{NotDeleted, NotRecorded};
use crate::signal::hub::admin::AdminError;

/// Why a request is refused.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// Nothing has this path.
    #[error("there is nothing at this address; /api/ has the list of all that there is")]
    NoSuchAddress,
    /// The path knows other methods.
    #[error("the method is not allowed here; allowed are {allowed}")]
    Method {
        /// For the `Allow` header field.
        allowed: String,
    },
    /// Nothing says who asks.
    #[error(
        "this needs a signature with the app's key (Weblive-App, Weblive-Time, Weblive-Signature) or an operator's token as `Authorization: Bearer`; /api/ says how"
    )]
    NoCredentials,
    /// Half of a signature, or one that is none.
    #[error("{0}")]
    Credentials(&'static str),
    /// The token is of nobody.
    #[error("the token is not one of the operators' tokens in the settings `[api] tokens`")]
    Token,
    /// The signature is not taken.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No such app.
    #[error("app {app} is not configured; Weblive-App names one of the apps in the settings")]
    UnknownApp {
        /// The app asked for.
        app: AppId,
    },
    /// Several apps.
    #[error("the server has several apps: name one in the header field Weblive-App")]
    WhichApp,
    /// The same, of one who gets tokens.
    #[error("the server has several apps: name one in `sdkAppId`")]
    WhichSdkApp,
    /// Tokens are given nobody.
    #[error("this server gives no tokens (setting `dev.tokens`): the page's own back end does")]
    GivesNoTokens,
    /// No app is configured, or tokens are given, and the caller is far away.
    #[error(
        "as this server is set up, only callers on its own machine may do this; see `apps` and `dev.tokens` in the settings"
    )]
    NotLocal,
    /// A web page of somebody else, in a browser on this machine.
    #[error("as this server is set up, pages of other origins may not do this")]
    ForeignPage,
    /// No JSON.
    #[error("the content type has to be application/json")]
    ContentType,
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is not what is asked for.
    #[error("the body does not fit: {reason}")]
    Json {
        /// What the reader says; of the caller's own body.
        reason: String,
    },
    /// A part of the path.
    #[error("`{name}` in the path is not allowed: {reason}")]
    Path {
        /// Its name.
        name: &'static str,
        /// Why.
        reason: String,
    },
    /// A part of the query.
    #[error("`{name}` in the query is not allowed: {allowed}")]
    Query {
        /// Its name.
        name: String,
        /// What is.
        allowed: String,
    },
    /// The app is too fast.
    #[error("the app asks faster than 200 times a second; try again in a second")]
    TooFast,
    /// There are too many revocations.
    #[error(transparent)]
    Revocations(#[from] TooMany),
    /// A push goes nowhere.
    #[error(transparent)]
    PushAddress(InvalidPushTarget),
    /// No push is begun.
    #[error(transparent)]
    Push(#[from] PushRefused),
    /// There is no such push.
    #[error("the stream has no push {id}; the list has those that there are")]
    NoSuchPush {
        /// Its name.
        id: u64,
    },
    /// No recording is begun.
    #[error(transparent)]
    Record(#[from] NotRecorded),
    /// There is no such recording.
    #[error("the stream has no recording {id} that goes on; the list has those that there are")]
    NoSuchRecording {
        /// Its name.
        id: RecordingId,
    },
    /// A recording stays.
    #[error(transparent)]
    Delete(#[from] NotDeleted),
    /// The hub says no.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl From<LiveError> for Refusal {
    fn from(error: LiveError) -> Self {
        Self::Admin(error.into())
    }
}

impl Refusal {
    /// The answer to OPTIONS.
    pub(super) fn allow(methods: &'static str) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(methods));
        response
    }

    /// The status, and a stable word for programs.
    pub(super) fn kind(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoSuchAddress => (S::NOT_FOUND, "no-such-address"),
            Self::Method { .. } => (S::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::NoCredentials => (S::UNAUTHORIZED, "credentials-missing"),
            Self::Credentials(_) => (S::UNAUTHORIZED, "credentials-malformed"),
            Self::Token => (S::UNAUTHORIZED, "token-invalid"),
            Self::Request(error) => match error {
                RequestError::Signature => (S::UNAUTHORIZED, "signature-invalid"),
                RequestError::Time { .. } => (S::UNAUTHORIZED, "time-off"),
                RequestError::Nonce => (S::UNAUTHORIZED, "nonce-malformed"),
                RequestError::Replayed => (S::CONFLICT, "replayed"),
                RequestError::Full { .. } => (S::SERVICE_UNAVAILABLE, "busy"),
            },
            Self::UnknownApp { .. } => (S::UNAUTHORIZED, "unknown-app"),
            Self::WhichApp | Self::WhichSdkApp => (S::BAD_REQUEST, "app-missing"),
            Self::GivesNoTokens => (S::NOT_FOUND, "gives-no-tokens"),
            Self::NotLocal => (S::FORBIDDEN, "not-local"),
            Self::ForeignPage => (S::FORBIDDEN, "foreign-page"),
            Self::ContentType => (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-content-type"),
            Self::Body(BodyError::TooLarge { .. }) => (S::PAYLOAD_TOO_LARGE, "content-too-large"),
            Self::Body(BodyError::Timeout { .. }) => (S::REQUEST_TIMEOUT, "content-timeout"),
            Self::Body(_) => (S::BAD_REQUEST, "content-broken"),
            Self::Json { .. } => (S::BAD_REQUEST, "bad-body"),
            Self::Path { .. } => (S::BAD_REQUEST, "bad-path"),
            Self::Query { .. } => (S::BAD_REQUEST, "bad-query"),
            Self::TooFast => (S::TOO_MANY_REQUESTS, "too-fast"),
            Self::Revocations(_) => (S::CONFLICT, "full"),
            Self::PushAddress(_) => (S::BAD_REQUEST, "bad-push-address"),
            Self::Push(PushRefused::NotLive { .. }) => (S::CONFLICT, "not-live"),
            Self::Push(PushRefused::Full { .. }) => (S::CONFLICT, "full"),
            Self::NoSuchPush { .. } => (S::NOT_FOUND, "no-such-push"),
            Self::Record(NotRecorded::Off) => (S::CONFLICT, "records-nothing"),
            Self::Record(NotRecorded::Refused(refused)) => match refused {
                RecordRefused::NotLive { .. } => (S::CONFLICT, "not-live"),
                RecordRefused::Full { .. } => (S::CONFLICT, "full"),
            },
            Self::NoSuchRecording { .. } => (S::NOT_FOUND, "no-such-recording"),
            Self::Delete(NotDeleted::Off) => (S::CONFLICT, "records-nothing"),
            Self::Delete(NotDeleted::Refused(refused)) => match refused {
                NotRemoved::NoSuch { .. } => (S::NOT_FOUND, "no-such-recording"),
                NotRemoved::NotEnded { .. } => (S::CONFLICT, "recording-goes-on"),
                NotRemoved::UnderWay { .. } => (S::CONFLICT, "being-deleted"),
                NotRemoved::Busy { .. } => (S::SERVICE_UNAVAILABLE, "busy"),
                NotRemoved::Store { .. } => (S::BAD_GATEWAY, "record-store-failed"),
            },
            Self::Admin(error) => admin(error),
        }
    }

    /// The code that the vendor documents for this, where there is one.
    pub(super) fn error_code(&self) -> Option<i32> {
        match self {
            Self::Admin(error) => Some(error.code()),
            _ => None,
        }
    }

    /// The value of the metric's label, of a request without the right to what it asks for.
    pub(super) fn label(&self) -> Option<&'static str> {
        match self {
            Self::NoCredentials => Some("missing"),
            Self::Credentials(_) => Some("request_malformed"),
            Self::Token => Some("operator_token"),
            Self::Request(error) => Some(error.label()),
            Self::UnknownApp { .. } => Some("unknown_app"),
            Self::NotLocal | Self::ForeignPage => Some("not_local"),
            Self::TooFast => Some("api_rate"),
            _ => None,
        }
    }
}

fn admin(error: &AdminError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        AdminError::Live(error) => live(error),
        AdminError::Chat(error) => match error {
            ChatError::BadValue { .. } => (S::BAD_REQUEST, "bad-value"),
            ChatError::TooLong { .. } => (S::BAD_REQUEST, "message-too-long"),
            ChatError::NoSuchMessage { .. } => (S::NOT_FOUND, "no-such-message"),
            ChatError::Full { .. } => (S::CONFLICT, "full"),
            _ => (S::CONFLICT, "refused"),
        },
        AdminError::NotPublished { .. } => (S::NOT_FOUND, "not-published"),
        AdminError::NotRelayed { .. } => (S::CONFLICT, "not-relayed"),
        AdminError::OldUpdate { .. } => (S::CONFLICT, "old-update"),
        AdminError::StreamTaken { .. } => (S::CONFLICT, "taken"),
        AdminError::Unsupported { .. } => (S::NOT_IMPLEMENTED, "unsupported"),
        AdminError::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
    }
}

fn live(error: &LiveError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        LiveError::BadId(_) => (S::BAD_REQUEST, "bad-id"),
        LiveError::BadValue { .. } => (S::BAD_REQUEST, "bad-value"),
        LiveError::EmptyList { .. } => (S::BAD_REQUEST, "empty-list"),
        LiveError::SeatLimit { .. } => (S::BAD_REQUEST, "seat-limit"),
        LiveError::NoSuchRoom { .. } => (S::NOT_FOUND, "no-such-room"),
        LiveError::NotMember { .. } => (S::NOT_FOUND, "not-a-member"),
        LiveError::NoSuchSeat { .. } => (S::NOT_FOUND, "no-such-seat"),
        LiveError::NotSeated { .. } => (S::NOT_FOUND, "not-seated"),
        LiveError::NoCoHostRequest { .. } | LiveError::NotConnected { .. } => {
            (S::NOT_FOUND, "not-connected")
        }
        LiveError::IdTaken { .. } | LiveError::AlreadyYours { .. } => (S::CONFLICT, "id-taken"),
        LiveError::NoPermission { .. } | LiveError::NotOwner { .. } => {
            (S::FORBIDDEN, "not-permitted")
        }
        LiveError::Full { .. } | LiveError::CoHostFull { .. } => (S::CONFLICT, "full"),
        LiveError::Busy => (S::SERVICE_UNAVAILABLE, "busy"),
        LiveError::SeatLocked { .. } => (S::CONFLICT, "seat-locked"),
        LiveError::SeatOccupied { .. } | LiveError::TargetOccupied { .. } => {
            (S::CONFLICT, "seat-occupied")
        }
        LiveError::AllSeatsOccupied => (S::CONFLICT, "all-seats-occupied"),
        LiveError::NoSeats => (S::CONFLICT, "no-seats"),
        LiveError::CoHostConnected { .. }
        | LiveError::CoHostPending { .. }
        | LiveError::CoHostElsewhere { .. } => (S::CONFLICT, "connected-elsewhere"),
        _ => (S::CONFLICT, "refused"),
    }
}

/// RFC 9457, with a code that programs can compare, and the vendor's where there is one.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<i32>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.kind();
        let document = Document {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or(code),
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            error_code: self.error_code(),
        };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Self::Method { allowed } = &self
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            headers.insert(ALLOW, allowed);
        }
        response
    }
}
