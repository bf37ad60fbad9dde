//! The one place that turns what went wrong into a status and a problem body.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RETRY_AFTER, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderValue, Method, StatusCode};
use relay::edge::EdgeRefusal;
use relay::record::ReadRefused;
use relay::{InvalidStreamId, StreamId};
use serde::Serialize;

use super::body::BodyError;
use crate::auth::{AddressError, PrivateMapKeyError, TokenError};
use crate::live::AppId;
use crate::live::chat::ChatError;
use crate::signal::NoPlace;
use crate::worker::{BadSessionId, OfferError, PatchError, UnknownSession};

/// Every way in which the server refuses a request, outside of `/live/`.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// No route and no web file has this path.
    #[error(
        "there is nothing at this address; media is at /whip/{{id}}, /whep/{{id}} and /live/{{id}}.m3u8 or .flv"
    )]
    NoSuchAddress,
    /// The path is not percent-encoded UTF-8.
    #[error("the address is not UTF-8; a stream id has 1 to 128 of A-Z, a-z, 0-9, '_' and '-'")]
    Address,
    /// The id in the path is none.
    #[error(transparent)]
    StreamId(#[from] InvalidStreamId),
    /// The route knows other methods.
    #[error("{method} is not allowed here; allowed are {allowed}")]
    Method {
        /// The method of the request.
        method: Method,
        /// For the `Allow` header field.
        allowed: &'static str,
    },
    /// Nothing says who comes.
    #[error(
        "this needs a UserSig of the page's back end as `Authorization: Bearer`, or a signed address"
    )]
    NoCredentials,
    /// Nothing says who uploads.
    #[error("this needs a UserSig of the page's back end as `Authorization: Bearer`")]
    NoUserSig,
    /// The token is not taken. The log says why; the client is told what helps it.
    #[error("{}", .0.sentence())]
    Token(TokenError),
    /// The signed address is not taken, and a token could stand for it.
    #[error("{0}")]
    EndpointAddress(AddressError),
    /// The play address is not taken.
    #[error("{0}")]
    PlayAddress(AddressError),
    /// The token does not carry the right.
    #[error("{}", .0.sentence())]
    MapKey(PrivateMapKeyError),
    /// The token is of one app and the stream of another.
    #[error("stream {stream} is not of app {app}; a token is good for streams of its own app")]
    OtherApp {
        /// The stream in the address.
        stream: StreamId,
        /// The app of the token.
        app: AppId,
    },
    /// An edge for several apps cannot tell whose stream it is.
    #[error(
        "the id {stream} names none of the apps that this edge serves; it has to begin with the app's number, as in 1400000001_{stream}"
    )]
    NoApp {
        /// The stream in the address.
        stream: StreamId,
    },
    /// The content is of another type.
    #[error("the content type is {found}; allowed is {allowed}")]
    ContentType {
        /// What the request says, cut to a line.
        found: String,
        /// The one that is allowed.
        allowed: &'static str,
        /// `Accept-Post` or `Accept-Patch`.
        header: HeaderName,
    },
    /// The content cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The offer is refused.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The PATCH is refused.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The session is not there.
    #[error(transparent)]
    Session(#[from] UnknownSession),
    /// The session URL ends with no session id.
    #[error("there is no such session: {0}")]
    SessionId(#[from] BadSessionId),
    /// The server keeps no images.
    #[error("this server takes no images")]
    NoUploads,
    /// What was uploaded is not taken.
    #[error("{0}")]
    Image(ChatError),
    /// One user is too fast.
    #[error("{per_minute} uploads a minute are allowed; try again in {} s", retry.as_secs() + 1)]
    UploadRate {
        /// `images.max_per_minute`.
        per_minute: u32,
        /// When the next one is taken.
        retry: Duration,
    },
    /// One user sends too much at the same time.
    #[error("{allowed} uploads at the same time are allowed; wait for the end of one")]
    UploadsAtOnce {
        /// The bound.
        allowed: usize,
    },
    /// All users together send too much at the same time.
    #[error("as many uploads as the server can hold are under way; try again in a moment")]
    UploadsBusy,
    /// No image has this name.
    #[error(
        "there is no image at this address; it was never uploaded here, or made place for newer ones"
    )]
    NoSuchImage,
    /// The address names no file of a recording.
    #[error(
        "there is no file of a recording at this address; those of players are /recordings/{{stream}}/{{recording}}/index.m3u8 and recording.mp4"
    )]
    NoRecordingAddress,
    /// A recording is not read.
    #[error("{0}")]
    Recording(ReadRefused),
    /// A recording is of an app that was here once.
    #[error("this recording is of app {app}, which this server does not know any more")]
    RecordingOfNoApp {
        /// The app that it was recorded for.
        app: AppId,
    },
    /// All together read too much at the same time.
    #[error(
        "as many files of recordings are sent as may be at once: {limit}; try again in a moment"
    )]
    ReadsBusy {
        /// `record.max_reads`.
        limit: usize,
    },
    /// One address reads too much at the same time.
    #[error("this address is sent as many files of recordings as one may be at once: {limit}")]
    TooManyReads {
        /// `record.max_reads_per_address`.
        limit: usize,
    },
    /// Nothing of the file is in the range.
    #[error("the range is outside of the file, which has {size} bytes")]
    Range {
        /// Of the file.
        size: u64,
    },
    /// The client wants another version of the file.
    #[error("the file is not the version that If-Match or If-Unmodified-Since asks for")]
    Precondition,
    /// A request to open a WebSocket is none.
    #[error("this address opens a WebSocket (RFC 6455, version 13) and does nothing else")]
    NoWebSocket,
    /// The page that opens a WebSocket may not.
    #[error(
        "pages of this origin may not open a socket here; allowed are those of `signal.origins`"
    )]
    Origin,
    /// The page that plays over a WebSocket may not.
    #[error(
        "pages of this origin may not play streams here; allowed are those of `cors.origins`, or of the app's `cors_origins`"
    )]
    PlayOrigin,
    /// The page may not play streams of the app.
    #[error("pages of this host may not play streams of this app (its `referers`)")]
    Referer,
    /// The page is not said.
    #[error(
        "this app's streams are for pages that it names: a request has to say its page in `Referer` or `Origin`"
    )]
    NoReferer,
    /// The client, or the signed address that it uses, is kept out for a time.
    #[error(
        "this viewer was ended by the operator, and may come back in {seconds} s at the earliest"
    )]
    Revoked {
        /// Until then.
        seconds: u64,
    },
    /// There are too many WebSockets.
    #[error(transparent)]
    NoPlace(#[from] NoPlace),
    /// There are too many viewers of one address.
    #[error("this address has as many viewers as one may have: {limit}")]
    TooManyViewers {
        /// `relay.max_viewers_per_address`.
        limit: usize,
    },
    /// The origin does not give a stream to this edge.
    #[error("{0}")]
    Edge(EdgeRefusal),
    /// The server cannot take traffic now.
    #[error("the server is not ready: {reason}")]
    NotReady {
        /// What is missing.
        reason: String,
    },
    /// The server failed; the log says more.
    #[error("the server failed to write this response")]
    Internal,
}

/// Status, stable code for programs, title for people.
type Kind = (StatusCode, &'static str, &'static str);

impl Problem {
    /// The map from everything that can go wrong to its status (RFC 9725 §4.2, §4.3,
    /// §4.5; draft-ietf-wish-whep §4.2 for a stream that is not live).
    fn kind(&self) -> Kind {
        use StatusCode as S;
        match self {
            Self::NoSuchAddress => (S::NOT_FOUND, "no-such-address", "No such address"),
            Self::Address => (S::BAD_REQUEST, "bad-address", "Not an address"),
            Self::StreamId(_) => (S::BAD_REQUEST, "bad-stream-id", "Not a stream id"),
            Self::Method { .. } => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::NoCredentials | Self::NoUserSig => (
                S::UNAUTHORIZED,
                "credentials-missing",
                "Credentials are missing",
            ),
            Self::Token(TokenError::Expired { .. }) => {
                (S::UNAUTHORIZED, "usersig-expired", "UserSig has expired")
            }
            Self::Token(_) => (S::UNAUTHORIZED, "usersig-invalid", "UserSig is not valid"),
            Self::EndpointAddress(error) => (
                S::UNAUTHORIZED,
                address_code(error),
                "Address is not signed as needed",
            ),
            Self::PlayAddress(error) => (
                S::FORBIDDEN,
                address_code(error),
                "Address is not signed as needed",
            ),
            Self::MapKey(_) => (
                S::FORBIDDEN,
                "private-map-key-refused",
                "PrivateMapKey does not allow this",
            ),
            Self::OtherApp { .. } => (S::FORBIDDEN, "other-app", "Stream of another app"),
            Self::NoApp { .. } => (
                S::FORBIDDEN,
                "app-unknown",
                "App of the stream is not known",
            ),
            Self::ContentType { .. } => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-content-type",
                "Unsupported content type",
            ),
            Self::Body(error) => match error {
                BodyError::TooLarge { .. } => (
                    S::PAYLOAD_TOO_LARGE,
                    "content-too-large",
                    "Content too large",
                ),
                BodyError::Timeout { .. } => (
                    S::REQUEST_TIMEOUT,
                    "content-timeout",
                    "Content did not arrive in time",
                ),
                BodyError::Broken => (S::BAD_REQUEST, "content-broken", "Content is cut off"),
                BodyError::NotUtf8 => (S::BAD_REQUEST, "content-not-utf8", "Content is not UTF-8"),
                BodyError::Empty => (S::BAD_REQUEST, "content-empty", "Content is empty"),
            },
            Self::Offer(error) => match error {
                OfferError::Malformed { .. } => {
                    (S::BAD_REQUEST, "malformed-offer", "Malformed offer")
                }
                OfferError::TooLarge { .. } => (
                    S::PAYLOAD_TOO_LARGE,
                    "content-too-large",
                    "Content too large",
                ),
                OfferError::TooManyMediaLines { .. } => (
                    S::UNPROCESSABLE_ENTITY,
                    "too-many-media-lines",
                    "Too many m-lines",
                ),
                OfferError::NoCommonCodec { .. } => (
                    S::UNPROCESSABLE_ENTITY,
                    "no-common-codec",
                    "No common codec",
                ),
                OfferError::WrongDirection { .. } => (
                    S::UNPROCESSABLE_ENTITY,
                    "wrong-direction",
                    "Wrong direction",
                ),
                OfferError::LimitReached { .. } => {
                    (S::SERVICE_UNAVAILABLE, "limit-reached", "Limit reached")
                }
                OfferError::NotLive { .. } => (S::CONFLICT, "not-live", "Stream is not live"),
                // 409 and not 403: the client has the right to publish, and the state of the
                // stream is in the way, which ends (RFC 9110 §15.5.10); RFC 9725 §4.2 leaves the
                // choice of the error status to the endpoint.
                OfferError::Taken { .. } => {
                    (S::CONFLICT, "taken", "Stream is live under another user")
                }
                OfferError::ShuttingDown => SHUTTING_DOWN,
            },
            Self::Patch(error) => match error {
                PatchError::UnknownSession(_) => NO_SESSION,
                PatchError::MissingIfMatch => (
                    S::PRECONDITION_REQUIRED,
                    "if-match-required",
                    "If-Match is required",
                ),
                PatchError::StaleIfMatch => (
                    S::PRECONDITION_FAILED,
                    "etag-mismatch",
                    "Entity tag does not match",
                ),
                PatchError::Malformed { .. } => {
                    (S::BAD_REQUEST, "malformed-fragment", "Malformed fragment")
                }
                PatchError::TooManyCandidates { .. } => (
                    S::TOO_MANY_REQUESTS,
                    "too-many-candidates",
                    "Too many candidates",
                ),
                PatchError::ShuttingDown => SHUTTING_DOWN,
            },
            Self::Session(_) | Self::SessionId(_) => NO_SESSION,
            Self::NoUploads => (S::NOT_FOUND, "no-uploads", "No uploads"),
            Self::Image(error) => match error {
                ChatError::ImageSize { .. } => {
                    (S::PAYLOAD_TOO_LARGE, "image-too-large", "Image too large")
                }
                ChatError::ImageMissing { .. } => (S::BAD_REQUEST, "image-empty", "Image is empty"),
                _ => (S::UNSUPPORTED_MEDIA_TYPE, "no-image", "Not an image"),
            },
            Self::UploadRate { .. } | Self::UploadsAtOnce { .. } => {
                (S::TOO_MANY_REQUESTS, "too-many-uploads", "Too many uploads")
            }
            Self::UploadsBusy => (S::SERVICE_UNAVAILABLE, "uploads-busy", "Too many uploads"),
            Self::NoSuchImage => (S::NOT_FOUND, "no-such-image", "No such image"),
            Self::NoRecordingAddress | Self::Recording(ReadRefused::NoSuch) => {
                (S::NOT_FOUND, "no-such-recording", "No such recording")
            }
            // 404 as for a stream that is not live: the address is right, and too early.
            Self::Recording(ReadRefused::NotYet) => (
                S::NOT_FOUND,
                "recording-not-ready",
                "Recording is not ready",
            ),
            Self::Recording(ReadRefused::Busy) | Self::ReadsBusy { .. } => (
                S::SERVICE_UNAVAILABLE,
                "recordings-busy",
                "Too many files are read",
            ),
            Self::Recording(ReadRefused::Store) => (
                S::BAD_GATEWAY,
                "record-store-failed",
                "Store of recordings does not give it",
            ),
            Self::RecordingOfNoApp { .. } => (
                S::FORBIDDEN,
                "app-unknown",
                "App of the recording is not known",
            ),
            Self::TooManyReads { .. } => (
                S::TOO_MANY_REQUESTS,
                "too-many-reads",
                "Too many files are read",
            ),
            Self::Range { .. } => (
                S::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "Range is outside of the file",
            ),
            Self::Precondition => (
                S::PRECONDITION_FAILED,
                "etag-mismatch",
                "Entity tag does not match",
            ),
            Self::NoWebSocket => (
                S::UPGRADE_REQUIRED,
                "websocket-required",
                "WebSocket required",
            ),
            Self::Origin | Self::PlayOrigin => {
                (S::FORBIDDEN, "origin-refused", "Origin is not allowed")
            }
            Self::Referer | Self::NoReferer => {
                (S::FORBIDDEN, "referer-refused", "Page is not allowed")
            }
            Self::Revoked { .. } => (S::FORBIDDEN, "revoked", "Viewer is kept out"),
            Self::NoPlace(NoPlace::All { .. }) => {
                (S::SERVICE_UNAVAILABLE, "limit-reached", "Limit reached")
            }
            Self::NoPlace(NoPlace::Address { .. }) => {
                (S::TOO_MANY_REQUESTS, "too-many-sockets", "Too many sockets")
            }
            Self::TooManyViewers { .. } => {
                (S::TOO_MANY_REQUESTS, "too-many-viewers", "Too many viewers")
            }
            Self::Edge(refusal) => match refusal {
                EdgeRefusal::NotLive => (S::NOT_FOUND, "not-live", "Stream is not live"),
                EdgeRefusal::Origin(_) => (
                    S::BAD_GATEWAY,
                    "origin-failed",
                    "Origin does not give the stream",
                ),
                EdgeRefusal::TooManyStreams { .. }
                | EdgeRefusal::TooManyRequests
                | EdgeRefusal::TooManyOfClient => {
                    (S::SERVICE_UNAVAILABLE, "limit-reached", "Limit reached")
                }
                EdgeRefusal::ShuttingDown => SHUTTING_DOWN,
            },
            Self::NotReady { .. } => (S::SERVICE_UNAVAILABLE, "not-ready", "Not ready"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Server error"),
        }
    }

    /// The code that the vendor documents for this, where there is one.
    fn error_code(&self) -> Option<i32> {
        match self {
            Self::Token(error) => Some(error.code()),
            Self::MapKey(error) => Some(error.code()),
            Self::Image(error) => Some(error.code()),
            _ => None,
        }
    }

    /// How to come with better credentials (RFC 6750 §3).
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoCredentials | Self::NoUserSig | Self::EndpointAddress(_) => Some("Bearer"),
            Self::Token(_) => Some("Bearer error=\"invalid_token\""),
            Self::MapKey(_) => Some("Bearer error=\"insufficient_scope\""),
            _ => None,
        }
    }

    /// Seconds after which the same request may succeed.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Offer(OfferError::NotLive { .. })
            | Self::Edge(
                EdgeRefusal::Origin(_)
                | EdgeRefusal::TooManyRequests
                | EdgeRefusal::TooManyOfClient,
            ) => Some(2),
            Self::Offer(OfferError::LimitReached { .. })
            | Self::NotReady { .. }
            | Self::NoPlace(_)
            | Self::TooManyViewers { .. }
            | Self::UploadsAtOnce { .. }
            | Self::ReadsBusy { .. }
            | Self::TooManyReads { .. }
            | Self::Recording(ReadRefused::NotYet | ReadRefused::Busy | ReadRefused::Store)
            | Self::Edge(EdgeRefusal::TooManyStreams { .. } | EdgeRefusal::ShuttingDown)
            | Self::UploadsBusy => Some(5),
            Self::UploadRate { retry, .. } => {
                Some(u32::try_from(retry.as_secs()).unwrap_or(u32::MAX - 1) + 1)
            }
            Self::Offer(OfferError::ShuttingDown) | Self::Patch(PatchError::ShuttingDown) => {
                Some(5)
            }
            _ => None,
        }
    }
}

/// RFC 9457, with a code that programs can compare.
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.kind();
        let document = Document {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            error_code: self.error_code(),
        };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        match self {
            Self::Method { allowed, .. } => {
                headers.insert(ALLOW, HeaderValue::from_static(allowed));
            }
            // RFC 9110 §15.5.17.
            Self::Range { size } => {
                if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, range);
                }
            }
            // RFC 9110 §15.5.22.
            Self::NoWebSocket => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            }
            Self::ContentType {
                allowed, header, ..
            } => {
                headers.insert(header, HeaderValue::from_static(allowed));
            }
            _ => {}
        }
        response
    }
}

fn address_code(error: &AddressError) -> &'static str {
    match error {
        AddressError::Unsigned => "address-unsigned",
        AddressError::Expired { .. } => "address-expired",
        _ => "address-invalid",
    }
}

const NO_SESSION: Kind = (StatusCode::NOT_FOUND, "no-such-session", "No such session");

const SHUTTING_DOWN: Kind = (
    StatusCode::SERVICE_UNAVAILABLE,
    "shutting-down",
    "Server is shutting down",
);
