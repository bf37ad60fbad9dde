//! Refusals as `application/problem+json` (RFC 9457).

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use packager::rtp::Codec;
use serde::Serialize;

use super::body::Body;
use super::directives::BadDirective;
use super::latency::BadLatency;
use super::route::NoRoute;
use crate::shift::ReadError;
use crate::stream_id::StreamId;

/// Every way in which the relay refuses a request.
#[derive(Debug)]
pub(crate) enum Problem {
    NoRoute(NoRoute),
    UnknownStream(StreamId),
    Ended(StreamId),
    UnknownFile(StreamId, String),
    /// A part that is not there and will not come.
    PastPart(StreamId, String),
    Method(String),
    /// 409, not 415 or 406: those are about the request's content and its `Accept` header, and
    /// nothing that the viewer sends would help. The state of the stream is in the way, and the
    /// same request succeeds once the publisher changes it.
    Codec(StreamId, Codec),
    NoTracks(StreamId),
    /// It plays as fMP4, and is asked for as MPEG-TS.
    NotInTransport(StreamId, Codec),
    /// The server keeps nothing for players that go back.
    NoTimeShift(StreamId),
    /// A segment is in a file that cannot be read now.
    NotRead(StreamId, ReadError),
    /// It has no sound as its publisher sends it.
    NoOpus(StreamId),
    /// What is asked for is sound alone.
    NoPicture(StreamId),
    /// It is the sound as its publisher sends it.
    OpusInFragments(StreamId),
    NotYet(StreamId),
    Directive(BadDirective),
    Latency(BadLatency),
    /// What a player waits for did not come.
    Stalled(StreamId),
    TooManyViewers {
        limit: usize,
    },
    /// The streams end because the server does, and may be back with it: 503 and not 404, so that
    /// an edge does not take them for over.
    ShuttingDown,
    Range {
        len: usize,
    },
}

/// All players of a stream ask at once for a part that is hinted at. Where the segment ends without
/// it they all get this answer: a shared cache is to have it for as long as they ask.
const PAST_PART_CACHE: &str = "public, max-age=10";

/// The methods that every address allows.
pub(crate) const METHODS: &str = "GET, HEAD, OPTIONS";

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// For programs to compare; the same words as in the answers of `/whip` and `/whep`.
    code: &'static str,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute(NoRoute::Id(_)) | Self::Directive(_) | Self::Latency(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::NoRoute(NoRoute::Unknown)
            | Self::UnknownStream(_)
            | Self::Ended(_)
            | Self::UnknownFile(..)
            | Self::NoTimeShift(_)
            | Self::PastPart(..) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Codec(..)
            | Self::NoTracks(_)
            | Self::NotInTransport(..)
            | Self::NoOpus(_)
            | Self::NoPicture(_)
            | Self::OpusInFragments(_) => StatusCode::CONFLICT,
            Self::NotYet(_)
            | Self::NotRead(..)
            | Self::Stalled(_)
            | Self::TooManyViewers { .. }
            | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::NoRoute(NoRoute::Unknown) => "No such address",
            Self::NoRoute(NoRoute::Id(_)) => "Not a stream id",
            Self::UnknownStream(_) => "Stream is not live",
            Self::Ended(_) => "Stream has ended",
            Self::UnknownFile(..) | Self::PastPart(..) => "No such segment",
            Self::Method(_) => "Method not allowed",
            Self::Codec(..) => "Codec cannot be played over FLV or HLS",
            Self::NotInTransport(..) => "Codec cannot be played as MPEG-TS",
            Self::NoOpus(_) => "Stream has no sound of Opus",
            Self::NoPicture(_) => "Stream is sound alone",
            Self::OpusInFragments(_) => "Opus is played as fMP4 alone",
            Self::NoTracks(_) => "Stream has nothing to play over FLV or HLS",
            Self::NoTimeShift(_) => "No time shift",
            Self::NotRead(..) => "Segment cannot be read now",
            Self::NotYet(_) => "Stream has no picture yet",
            Self::Directive(_) => "Not a delivery directive",
            Self::Latency(_) => "Not a choice of latency",
            Self::Stalled(_) => "Stream stands still",
            Self::TooManyViewers { .. } => "Too many viewers",
            Self::ShuttingDown => "Server is shutting down",
            Self::Range { .. } => "Range not satisfiable",
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoRoute(NoRoute::Unknown) => "no-such-address",
            Self::NoRoute(NoRoute::Id(_)) => "bad-stream-id",
            Self::UnknownStream(_) => "not-live",
            Self::Ended(_) => "ended",
            Self::UnknownFile(..) | Self::PastPart(..) => "no-such-segment",
            Self::Method(_) => "method-not-allowed",
            Self::Codec(..) | Self::NotInTransport(..) | Self::OpusInFragments(_) => {
                "codec-not-supported"
            }
            Self::NoTracks(_) | Self::NoOpus(_) | Self::NoPicture(_) => "no-tracks",
            Self::NoTimeShift(_) => "no-time-shift",
            Self::NotRead(_, ReadError::Busy) => "limit-reached",
            Self::NotRead(..) => "not-readable",
            Self::NotYet(_) => "not-yet",
            Self::Directive(_) => "bad-directive",
            Self::Latency(_) => "bad-latency",
            Self::Stalled(_) => "stalled",
            Self::TooManyViewers { .. } => "limit-reached",
            Self::ShuttingDown => "shutting-down",
            Self::Range { .. } => "range-not-satisfiable",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoRoute(NoRoute::Unknown) => {
                "addresses are /live/{id}.flv, /live/{id}.m3u8 and /live/{id}/stream.mp4".to_owned()
            }
            Self::NoRoute(NoRoute::Id(error)) => error.to_string(),
            Self::UnknownStream(id) => format!("nobody publishes the stream {id}"),
            Self::Ended(id) => format!("the publisher of the stream {id} has left"),
            Self::UnknownFile(id, file) | Self::PastPart(id, file) => format!(
                "the stream {id} has no file {file:?}; segments are kept for a short time only"
            ),
            Self::Method(method) => format!("{method} is not one of {METHODS}"),
            Self::Codec(id, codec) => format!(
                "the stream {id} is published with {} video, which FLV and HLS players \
                 cannot read; publish H.264, HEVC, VP9 or AV1, or watch it over WebRTC at /whep/{id}",
                codec.name()
            ),
            Self::NotInTransport(id, codec) => format!(
                "the stream {id} is published with {} video, which MPEG-TS does not carry; publish \
                 H.264 or HEVC, or watch it as fMP4 at /live/{id}.m3u8",
                codec.name()
            ),
            Self::NoOpus(id) => format!(
                "the stream {id} has no sound as its publisher sent it: it began without sound, \
                 comes from another server, or cannot be transcoded any more; play it with AAC at /live/{id}.m3u8"
            ),
            Self::NoPicture(id) => format!("{id} is sound alone; play it at /live/{id}.m3u8"),
            Self::OpusInFragments(id) => format!(
                "{id} is sound of Opus, which is carried as fMP4 alone; play it at /live/{id}.m3u8"
            ),
            Self::NoTracks(id) => format!(
                "the stream {id} is published without a track that FLV and HLS can carry here; \
                 publish video, or use a server that is built with AAC"
            ),
            Self::NoTimeShift(id) => format!(
                "this server keeps nothing of the stream {id} for players that go back (setting \
                 `relay.time_shift`); it is live at /live/{id}.m3u8"
            ),
            Self::NotRead(id, error) => {
                format!("a segment of the stream {id} cannot be read now: {error}; try again")
            }
            Self::NotYet(id) => {
                format!("the stream {id} is live but nothing of it can be shown yet; try again")
            }
            Self::Directive(error) => error.to_string(),
            Self::Latency(error) => error.to_string(),
            Self::Stalled(id) => {
                format!("nothing more of the stream {id} came in time; ask for its playlist again")
            }
            Self::TooManyViewers { limit } => format!("the limit of {limit} viewers is reached"),
            Self::ShuttingDown => "the server is on its way down; try again in a moment".to_owned(),
            Self::Range { len } => format!("the file has {len} bytes"),
        }
    }

    /// The whole response, without the CORS headers that every response gets.
    pub(crate) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let document = Document {
            r#type: "about:blank",
            title: self.title(),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
        };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Method(_) => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            Self::NotYet(_) | Self::NotRead(..) | Self::Stalled(_) | Self::ShuttingDown => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::TooManyViewers { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
            }
            Self::Range { len } => {
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{len}")) {
                    headers.insert(http::header::CONTENT_RANGE, value);
                }
            }
            Self::PastPart(..) => {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static(PAST_PART_CACHE));
            }
            _ => {}
        }
        response
    }
}
