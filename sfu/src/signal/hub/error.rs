//! Why the hub refuses a request, where no core does.

use std::time::Duration;

use relay::StreamId;
use relay::push::{InvalidPushTarget, PushRefused};

use crate::auth::{PrivateMapKeyError, TokenError};
use crate::live::broadcasts::BroadcastError;
use crate::live::chat::ChatError;
use crate::live::{Face, LiveError, RoomId, TrackKind, UserId};
use crate::signal::protocol::{ErrorBody, ErrorCodes, ErrorName};
use crate::worker::{OfferError, PatchError, ReceiveError, RelayError};

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The rooms refuse it.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The chat refuses it.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The UserSig is refused.
    #[error("{}", .0.sentence())]
    Token(#[from] TokenError),
    /// The PrivateMapKey is refused.
    #[error("{}", .0.sentence())]
    Ticket(#[from] PrivateMapKeyError),
    /// The media side refuses an offer.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The media side refuses candidates.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The media side refuses a change of what is received.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A stream id is refused.
    #[error(transparent)]
    Broadcast(#[from] BroadcastError),
    /// Relaying cannot be changed.
    #[error("relaying was not changed: {0}")]
    Relay(#[from] RelayError),
    /// A relay cannot be stopped now: the order before is not carried out yet.
    #[error(transparent)]
    StopBusy(BroadcastError),
    /// A relay was not stopped.
    #[error("relaying was not stopped: {0}")]
    NotStopped(RelayError),
    /// No address of another server.
    #[error(transparent)]
    PushTarget(#[from] InvalidPushTarget),
    /// Pages may not push there.
    #[error(
        "pages may not have this server push to {host}; its setting `push.page_hosts` names where \
         they may, and the app's back end can start the push"
    )]
    PushHost {
        /// The host.
        host: String,
    },
    /// A push is not begun.
    #[error("the push was not begun: {0}")]
    Push(#[from] PushRefused),
    /// The app's back end refuses the message under a code of its own.
    #[error("the application refused the message: {reason}")]
    AppRefuses {
        /// 10016, or 10100 to 10200.
        code: i32,
        /// What it said.
        reason: String,
    },
    /// The client speaks another version.
    #[error("the server speaks version {ours} of the protocol; log in with that")]
    Version {
        /// Ours.
        ours: u32,
    },
    /// A session has begun on this socket already.
    #[error("this socket is logged in already; log out first, or open another one")]
    AlreadyLoggedIn,
    /// More sessions of one address.
    #[error("there are {limit} sessions from your address, which is the most allowed; try later")]
    Address {
        /// The bound.
        limit: usize,
    },
    /// Too fast.
    #[error("requests come faster than {per_second} a second; try again in {} ms", .retry.as_millis())]
    TooFast {
        /// The rate.
        per_second: u32,
        /// How long to wait.
        retry: Duration,
    },
    /// Too many slow requests.
    #[error("{limit} requests wait for their result, which is the most allowed; await one")]
    Pending {
        /// The bound.
        limit: usize,
    },
    /// Another part of the server does not answer.
    #[error("the server did not finish this in time; try again")]
    TimedOut,
    /// No such session, or a wrong secret.
    #[error("there is no such session any more; log in again")]
    ResumeUnknown,
    /// Missed events are not kept.
    #[error("events {first} to {last} are kept, and older ones were missed; log in again")]
    ResumeGap {
        /// The first event that is kept.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// An answer is not kept.
    #[error(
        "request {id} was answered, and the answer is not kept any more; ask for what it changed"
    )]
    AnswerGone {
        /// The request.
        id: u32,
    },
    /// Two requests have one id.
    #[error("another request of this session had the id {id}; use each id once")]
    IdReused {
        /// The id.
        id: u32,
    },
    /// What is stored of a room cannot be read.
    #[error("what is stored of room {room:?} cannot be read now; try again")]
    NotLoaded {
        /// The room.
        room: RoomId,
    },
    /// The nick has a word that is not allowed.
    #[error("the nick contains a word that is not allowed here; choose another one")]
    Name,
    /// What is to be received is not there.
    #[error("user {user} does not publish {track}; wait until it is announced")]
    NotPublished {
        /// Whose.
        user: UserId,
        /// Which.
        track: TrackKind,
    },
    /// What is to be given up is not received.
    #[error("you do not receive {track} of user {user}; subscribe to it first")]
    NotSubscribed {
        /// Whose.
        user: UserId,
        /// Which.
        track: TrackKind,
    },
    /// The client is in no room's media.
    #[error("you are in no room's media; enter one first")]
    NoMedia,
    /// The client has no receiving connection.
    #[error("you receive nothing; subscribe first")]
    NoReceiver,
    /// More subscriptions.
    #[error("you receive {limit} streams, which is the most allowed; unsubscribe from one")]
    Subscriptions {
        /// The bound.
        limit: usize,
    },
    /// The publication that a request speaks of has ended meanwhile.
    #[error("the publication of stream {stream} has ended meanwhile")]
    Ended {
        /// The stream.
        stream: StreamId,
    },
    /// The publisher's session is not there yet.
    #[error("your publication of {track} is being set up; await the answer of `publish`")]
    NotReady {
        /// Which.
        track: TrackKind,
    },
}

impl HubError {
    /// The refusal as the interface `face` knows it.
    pub(super) fn body(&self, face: Face) -> ErrorBody {
        let own = |name, codes| ErrorBody::new(name, codes, face, self);
        match self {
            Self::Live(error) => ErrorBody::live(error, face),
            Self::Chat(error) => ErrorBody::chat(error, face),
            Self::Token(error) => ErrorBody::token(error).for_face(face),
            Self::Ticket(error) => ErrorBody::private_map_key(error).for_face(face),
            Self::Offer(error) => ErrorBody::offer(error).for_face(face),
            Self::Patch(error) => ErrorBody::patch(error).for_face(face),
            Self::Receive(error) => receive(error, face),
            Self::Broadcast(error) => {
                let codes = ErrorCodes {
                    rtc: error.code(),
                    ..ErrorCodes::BAD_VALUE
                };
                let name = match error {
                    BroadcastError::Name(_) => ErrorName::BadStreamId,
                    BroadcastError::Taken { .. } => ErrorName::StreamTaken,
                    BroadcastError::NotPublished { .. } | BroadcastError::NotRelayed { .. } => {
                        ErrorName::NotPublished
                    }
                    BroadcastError::OldUpdate { .. } => ErrorName::BadValue,
                    BroadcastError::Busy { .. } => ErrorName::PublicationChanged,
                    BroadcastError::Full { .. } => ErrorName::MediaLimit,
                };
                own(name, codes)
            }
            Self::Relay(_) => {
                let codes = ErrorCodes {
                    rtc: START_PUBLISH_CDN_FAILED,
                    ..ErrorCodes::NOT_NOW
                };
                own(ErrorName::RelayFailed, codes)
            }
            Self::PushTarget(_) => own(ErrorName::BadValue, ErrorCodes::BAD_VALUE),
            Self::PushHost { .. } | Self::Push(_) => {
                let codes = ErrorCodes {
                    rtc: START_PUBLISH_CDN_FAILED,
                    ..ErrorCodes::NOT_NOW
                };
                let name = match self {
                    Self::Push(_) => ErrorName::PushFailed,
                    _ => ErrorName::NoPermission,
                };
                own(name, codes)
            }
            Self::StopBusy(_) | Self::NotStopped(_) => {
                let codes = ErrorCodes {
                    rtc: STOP_PUBLISH_CDN_FAILED,
                    ..ErrorCodes::NOT_NOW
                };
                let name = match self {
                    Self::StopBusy(_) => ErrorName::PublicationChanged,
                    _ => ErrorName::RelayFailed,
                };
                own(name, codes)
            }
            Self::AppRefuses { code, .. } => own(ErrorName::RefusedByApp, ErrorCodes::all(*code)),
            Self::Version { ours } => own(ErrorName::Version, ErrorCodes::BAD_VALUE).allowed(ours),
            Self::AlreadyLoggedIn => own(ErrorName::AlreadyLoggedIn, REPEATED_LOGIN),
            Self::Address { limit } => {
                own(ErrorName::TooManySessions, ErrorCodes::TOO_FAST).allowed(limit)
            }
            Self::TooFast { per_second, retry } => own(ErrorName::TooFast, ErrorCodes::TOO_FAST)
                .allowed(format_args!("{per_second} a second"))
                .retry_after(*retry),
            Self::Pending { limit } => {
                own(ErrorName::TooManyPending, ErrorCodes::TOO_FAST).allowed(limit)
            }
            Self::TimedOut => own(ErrorName::TimedOut, ErrorCodes::NO_ANSWER),
            Self::ResumeUnknown => own(ErrorName::SessionUnknown, ErrorCodes::SESSION_GONE),
            Self::ResumeGap { .. } => own(ErrorName::EventsMissed, ErrorCodes::SESSION_GONE),
            Self::AnswerGone { .. } => own(ErrorName::AnswerGone, ErrorCodes::NOT_NOW),
            Self::IdReused { .. } => own(ErrorName::IdReused, ErrorCodes::BAD_VALUE),
            Self::NotLoaded { .. } => {
                own(ErrorName::Busy, ErrorCodes::NO_ANSWER).retry_after(LOAD_AGAIN)
            }
            Self::Name => own(
                ErrorName::SensitiveText,
                ErrorCodes::all(ChatError::Sensitive.code()),
            ),
            Self::NotPublished { .. } => {
                let codes = ErrorCodes {
                    rtc: REMOTE_STREAM_NOT_EXIST,
                    ..ErrorCodes::NOT_NOW
                };
                own(ErrorName::NotLive, codes)
            }
            Self::NotSubscribed { .. } => own(ErrorName::NotSubscribed, ErrorCodes::NOT_NOW),
            Self::NoReceiver => own(ErrorName::NoPeerConnection, ErrorCodes::NOT_NOW),
            Self::NoMedia => own(ErrorName::NotEntered, ErrorCodes::NOT_NOW),
            Self::Subscriptions { limit } => {
                own(ErrorName::TooManySubscriptions, ErrorCodes::NOT_NOW).allowed(limit)
            }
            Self::Ended { .. } | Self::NotReady { .. } => {
                own(ErrorName::PublicationChanged, ErrorCodes::NOT_NOW)
            }
        }
    }
}

fn receive(error: &ReceiveError, face: Face) -> ErrorBody {
    let (name, codes) = match error {
        ReceiveError::UnknownReceiver { .. } | ReceiveError::Refused { .. } => {
            (ErrorName::NoPeerConnection, ErrorCodes::NOT_NOW)
        }
        ReceiveError::TooManyTracks { .. } => {
            (ErrorName::TooManySubscriptions, ErrorCodes::NOT_NOW)
        }
        ReceiveError::WrongRevision { .. } => (ErrorName::WrongRevision, ErrorCodes::NOT_NOW),
        ReceiveError::TooLarge { .. } | ReceiveError::Malformed { .. } => {
            (ErrorName::BadSdp, ErrorCodes::BAD_VALUE)
        }
        ReceiveError::TooManyCandidates { .. } => {
            (ErrorName::TooManyCandidates, ErrorCodes::NOT_NOW)
        }
        ReceiveError::LimitReached { .. } => (ErrorName::MediaLimit, ErrorCodes::NO_ANSWER),
        ReceiveError::ShuttingDown => (ErrorName::ServerStopping, ErrorCodes::NO_ANSWER),
    };
    let body = ErrorBody::new(name, codes, face, error);
    match error {
        ReceiveError::TooManyTracks { limit, .. }
        | ReceiveError::TooManyCandidates { limit }
        | ReceiveError::LimitReached { limit }
        | ReceiveError::TooLarge { limit, .. } => body.allowed(limit),
        _ => body,
    }
}

/// 2025 of the chat: the client has logged in before.
const REPEATED_LOGIN: ErrorCodes = ErrorCodes {
    chat: 2025,
    live: 2025,
    rtc: 0x1001,
};

/// For a store that is behind, or was.
const LOAD_AGAIN: Duration = Duration::from_secs(1);

const REMOTE_STREAM_NOT_EXIST: i32 = 0x4010;
const START_PUBLISH_CDN_FAILED: i32 = 0x4045;
const STOP_PUBLISH_CDN_FAILED: i32 = 0x4046;
