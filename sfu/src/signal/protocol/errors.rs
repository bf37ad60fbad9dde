//! Refusals as a client gets them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bounded::MAX_REQUEST;
use super::error_name::ErrorName;
use super::request::RequestBody;
use crate::auth::{PrivateMapKeyError, TokenError};
use crate::live::chat::ChatError;
use crate::live::{Face, LiveError, RoomId, UserId};
use crate::worker::{OfferError, PatchError};

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorBody {
    /// The documented code of the interface that the request belongs to.
    pub code: i32,
    /// The documented codes of all interfaces, for pages that are written against one of them.
    pub codes: ErrorCodes,
    /// What went wrong, in one word.
    pub name: ErrorName,
    /// A plain sentence for the person who writes the page.
    pub message: String,
    /// What is allowed, where that is a value or a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub allowed: Option<String>,
    /// When to try again, in milliseconds, where waiting helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub retry_after_ms: Option<u64>,
}

/// One refusal as three interfaces know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorCodes {
    /// Chat groups.
    pub chat: i32,
    /// Live rooms and seats.
    pub live: i32,
    /// The media client.
    pub rtc: i32,
}

impl ErrorCodes {
    /// The same code for all.
    pub const fn all(code: i32) -> Self {
        Self {
            chat: code,
            live: code,
            rtc: code,
        }
    }

    /// A bad value: 10004, and INVALID_PARAMETER of the media client.
    pub const BAD_VALUE: Self = Self {
        chat: 10_004,
        live: 10_004,
        rtc: 0x1000,
    };

    /// A bad id: 10015, and INVALID_PARAMETER of the media client.
    pub const BAD_ID: Self = Self {
        chat: 10_015,
        ..Self::BAD_VALUE
    };

    /// Not possible now: 10004, and INVALID_OPERATION of the media client.
    pub const NOT_NOW: Self = Self {
        chat: 10_004,
        live: 10_004,
        rtc: 0x1001,
    };

    /// Too fast: 2996, and INVALID_OPERATION of the media client.
    pub const TOO_FAST: Self = Self {
        chat: 2996,
        live: 2996,
        rtc: 0x1001,
    };

    /// Something in the server has no time: 2805, and SERVER_TIMEOUT of the media client.
    pub const NO_ANSWER: Self = Self {
        chat: 2805,
        live: 2805,
        rtc: 0x4041,
    };

    /// The session is gone: 2024, and SIGNAL_CHANNEL_RECONNECTION_FAILED of the media client.
    pub const SESSION_GONE: Self = Self {
        chat: 2024,
        live: 2024,
        rtc: 0x4006,
    };

    /// The one that `face` knows.
    pub fn of(self, face: Face) -> i32 {
        match face {
            Face::Chat => self.chat,
            Face::Live => self.live,
            Face::Rtc => self.rtc,
        }
    }
}

impl ErrorBody {
    /// A refusal, as `face` knows it.
    pub fn new(
        name: ErrorName,
        codes: ErrorCodes,
        face: Face,
        message: impl std::fmt::Display,
    ) -> Self {
        Self {
            code: codes.of(face),
            codes,
            name,
            message: message.to_string(),
            allowed: None,
            retry_after_ms: None,
        }
    }

    /// Says what is allowed.
    pub fn allowed(mut self, allowed: impl std::fmt::Display) -> Self {
        self.allowed = Some(allowed.to_string());
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, time: std::time::Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// As another interface knows it.
    pub fn for_face(mut self, face: Face) -> Self {
        self.code = self.codes.of(face);
        self
    }

    /// A refusal of the rooms.
    pub fn live(error: &LiveError, face: Face) -> Self {
        let codes = ErrorCodes {
            chat: error.code(Face::Chat),
            live: error.code(Face::Live),
            rtc: error.code(Face::Rtc),
        };
        let body = Self::new(error.into(), codes, face, error);
        match error {
            LiveError::BadValue { allowed, .. } => body.allowed(allowed),
            LiveError::Full { limit, .. } => body.allowed(limit),
            LiveError::CoHostFull { limit } => body.allowed(limit),
            LiveError::SceneDiffers { scene } => body.allowed(scene),
            LiveError::SeatLimit { limit } => body.allowed(format_args!("1 to {limit}")),
            LiveError::EmptyList { limit } => body.allowed(format_args!("1 to {limit}")),
            LiveError::NoSuchSeat { last, .. } => body.allowed(format_args!("0 to {last}")),
            LiveError::Banned { seconds, .. } => {
                body.retry_after(std::time::Duration::from_secs(*seconds))
            }
            _ => body,
        }
    }

    /// A refusal of the chat.
    pub fn chat(error: &ChatError, face: Face) -> Self {
        let codes = ErrorCodes {
            chat: error.code(),
            live: error.live_code(),
            rtc: 0x1001,
        };
        let body = Self::new(error.into(), codes, face, error);
        match error {
            ChatError::BadValue { allowed, .. } => body.allowed(allowed),
            ChatError::TooLong { allowed, .. } => body.allowed(format_args!("{allowed} bytes")),
            ChatError::ImageSize { allowed, .. } => body.allowed(allowed),
            ChatError::ImageType => body.allowed("jpg, png, gif, webp, bmp"),
            ChatError::Full { limit, .. } => body.allowed(limit),
            ChatError::TooFast { per_second, retry } => body
                .allowed(format_args!("{per_second} a second"))
                .retry_after(*retry),
            ChatError::Muted { left } => body.retry_after(*left),
            _ => body,
        }
    }

    /// A refused UserSig. The log says why; the client is told what helps it.
    pub fn token(error: &TokenError) -> Self {
        let codes = ErrorCodes::all(error.code());
        Self::new(error.into(), codes, Face::Chat, error.sentence())
    }

    /// A refused PrivateMapKey. The log says why; the client is told what helps it.
    pub fn private_map_key(error: &PrivateMapKeyError) -> Self {
        let codes = ErrorCodes::all(error.code());
        Self::new(error.into(), codes, Face::Rtc, error.sentence())
    }

    /// A refused offer.
    pub fn offer(error: &OfferError) -> Self {
        let rtc = match error {
            OfferError::NoCommonCodec { .. } => NOT_SUPPORTED_H264,
            OfferError::NotLive { .. } => REMOTE_STREAM_NOT_EXIST,
            OfferError::Taken { .. } => START_PUBLISH_CDN_FAILED,
            OfferError::LimitReached { .. } | OfferError::ShuttingDown => SERVER_TIMEOUT,
            _ => INVALID_PARAMETER,
        };
        let codes = ErrorCodes {
            rtc,
            ..ErrorCodes::BAD_VALUE
        };
        let body = Self::new(error.into(), codes, Face::Rtc, error);
        match error {
            OfferError::NoCommonCodec { allowed, .. } => body.allowed(allowed),
            OfferError::TooLarge { limit, .. } => body.allowed(format_args!("{limit} bytes")),
            OfferError::TooManyMediaLines { limit, .. } => body.allowed(limit),
            OfferError::WrongDirection { wanted, .. } => body.allowed(wanted),
            _ => body,
        }
    }

    /// Refused candidates, or a refused ICE restart.
    pub fn patch(error: &PatchError) -> Self {
        let codes = match error {
            PatchError::Malformed { .. } => ErrorCodes::BAD_VALUE,
            PatchError::ShuttingDown => ErrorCodes::NO_ANSWER,
            _ => ErrorCodes::NOT_NOW,
        };
        let body = Self::new(error.into(), codes, Face::Rtc, error);
        match error {
            PatchError::TooManyCandidates { limit } => body.allowed(limit),
            _ => body,
        }
    }

    /// A frame that is no request.
    pub fn request(error: &RequestError) -> Self {
        let codes = match error {
            RequestError::Id { .. } => ErrorCodes::BAD_ID,
            _ => ErrorCodes::BAD_VALUE,
        };
        let body = Self::new(error.name(), codes, Face::Chat, error);
        match error {
            RequestError::TooLarge { .. } => body.allowed(format_args!("{MAX_REQUEST} bytes")),
            RequestError::UnknownType { .. } => body.allowed(RequestBody::NAMES.join(", ")),
            _ => body,
        }
    }
}

/// Why a frame is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Over the bound.
    #[error("the request has {bytes} bytes; at most {MAX_REQUEST} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// No JSON, or over another bound.
    #[error("the frame cannot be read: {reason}")]
    Json {
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// Another JSON value.
    #[error("the frame is no JSON object; allowed is one object a frame")]
    NoObject,
    /// Nothing to answer to.
    #[error("the request has no id; allowed is a whole number from 0 to 4294967295")]
    NoId,
    /// Nothing is asked.
    #[error("the request has no type; allowed is the name of a request")]
    NoType,
    /// Something unknown is asked.
    #[error("there is no request {found:?}; allowed are those of the protocol's description")]
    UnknownType {
        /// The name, cut short.
        found: String,
    },
    /// An id breaks its rules.
    #[error("the id in {field} is none: {reason}")]
    Id {
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// The fields do not fit the type.
    #[error("the fields of {name} are wrong: {reason}")]
    Field {
        /// The request.
        name: &'static str,
        /// What is wrong with them, and what is allowed.
        reason: String,
    },
}

impl RequestError {
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::Json {
            reason: cut(&error.to_string()),
        }
    }

    /// Why the fields of a request are refused. A room's or user's id that breaks its rules has
    /// a documented code of its own.
    pub(super) fn field(name: &'static str, fields: &Value, error: &serde_json::Error) -> Self {
        let is_bad = |field: &&str| match fields.get(field) {
            Some(room @ (Value::Number(_) | Value::String(_))) if ROOMS.contains(field) => {
                RoomId::deserialize(room).is_err()
            }
            Some(user @ Value::String(_)) if USERS.contains(field) => {
                UserId::deserialize(user).is_err()
            }
            _ => false,
        };
        let reason = cut(&error.to_string());
        match ROOMS.iter().chain(USERS).copied().find(is_bad) {
            Some(field) => Self::Id { field, reason },
            None => Self::Field { name, reason },
        }
    }

    fn name(&self) -> ErrorName {
        match self {
            Self::UnknownType { .. } => ErrorName::UnknownType,
            Self::Field { .. } => ErrorName::BadField,
            Self::Id { .. } => ErrorName::BadId,
            _ => ErrorName::Malformed,
        }
    }
}

/// A reason may quote what the client has sent: it is cut to a length that a person reads.
fn cut(reason: &str) -> String {
    match reason.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    }
}

/// Fields that are a room's id.
const ROOMS: &[&str] = &["room", "other"];

/// Fields that are a user's id.
const USERS: &[&str] = &["user", "guest", "host"];

/// Longest reason, in characters.
const MAX_REASON: usize = 300;

const INVALID_PARAMETER: i32 = 0x1000;
const REMOTE_STREAM_NOT_EXIST: i32 = 0x4010;
const SERVER_TIMEOUT: i32 = 0x4041;
const START_PUBLISH_CDN_FAILED: i32 = 0x4045;
const NOT_SUPPORTED_H264: i32 = 0x4049;
