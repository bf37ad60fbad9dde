//! Why a call is refused.

use thiserror::Error;

use crate::live::chat::ChatError;
use crate::live::{Face, LiveError, RoomId, TrackKind, UserId};

/// Why a call was refused. It has changed nothing, but for a list of users of whom some were
/// done before the first that could not be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The rooms say no.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The room's chat says no.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The user does not publish that.
    #[error("user {user} does not publish {track} in room {room:?}")]
    NotPublished {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Which of the two.
        track: TrackKind,
    },
    /// The publication has no relay that could be updated.
    #[error("{track} of user {user} in room {room:?} is not relayed; start its relay first")]
    NotRelayed {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Which of the two.
        track: TrackKind,
    },
    /// An update of a relay came after a newer one.
    #[error("the sequence number is {given}; allowed is one above that of the last update, {last}")]
    OldUpdate {
        /// Its number.
        given: u64,
        /// That of the newest one.
        last: u64,
    },
    /// The stream id is live under another user.
    #[error("stream {stream} is live under another user; choose another id")]
    StreamTaken {
        /// The id.
        stream: String,
    },
    /// The server does not do that.
    #[error("{what} is not supported; {allowed}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// What is.
        allowed: &'static str,
    },
    /// The hub does not answer: the server is going down, or too much waits.
    #[error("the server cannot take the call now; try again")]
    Busy,
}

impl AdminError {
    /// The documented code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Live(error) => error.code(Face::Live),
            Self::Chat(error) => error.live_code(),
            Self::NotPublished { .. } => 0x4010,
            Self::OldUpdate { .. } => 0x1000,
            Self::NotRelayed { .. } => 0x1001,
            Self::StreamTaken { .. } => 0x4045,
            Self::Unsupported { .. } => 0x1002,
            Self::Busy => 2996,
        }
    }

    /// The code as the chat interface documents it.
    pub fn chat_code(&self) -> i32 {
        match self {
            Self::Live(error) => error.code(Face::Chat),
            Self::Chat(error) => error.code(),
            _ => self.code(),
        }
    }
}
