//! Why a chat command is refused: one sentence, and the documented codes.

use std::time::Duration;

use thiserror::Error;

/// A refused chat command. It has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChatError {
    /// Guests listen.
    #[error("a guest receives messages and sends none; log in first")]
    Guest,
    /// Removed from the room for a time.
    #[error("you are banned from this room")]
    Banned,
    /// Muted for a time.
    #[error("you are muted in this room for another {} s", .left.as_secs_f64().ceil())]
    Muted {
        /// What is left of it.
        left: Duration,
    },
    /// Only hosts may speak.
    #[error("everybody in this room is muted; only its owner and administrators may send")]
    AllMuted,
    /// A word of a list.
    #[error("the text contains a word that is not allowed here; say it in other words")]
    Sensitive,
    /// Over the size limit.
    #[error("the message has {bytes} bytes; {allowed} are allowed")]
    TooLong {
        /// Bytes of all its texts together.
        bytes: usize,
        /// The bound.
        allowed: usize,
    },
    /// A value breaks its rules.
    #[error("{what} is not allowed; {allowed}")]
    BadValue {
        /// The value's name.
        what: &'static str,
        /// What may stand there.
        allowed: &'static str,
    },
    /// One user is too fast.
    #[error("you send faster than {per_second} a second; try again in {} ms", .retry.as_millis())]
    TooFast {
        /// The rate allowed to one user in the long run.
        per_second: u32,
        /// When the next one is taken.
        retry: Duration,
    },
    /// The application's own back end said no.
    #[error("the application refused the message: {reason}")]
    Webhook {
        /// What it said.
        reason: String,
    },
    /// The image was not uploaded, or is gone.
    #[error("there is no image {id}; upload it first")]
    ImageMissing {
        /// Its id as sent, shortened.
        id: String,
    },
    /// Not an image that is known.
    #[error("the file is not an image; jpg, png, gif, webp and bmp are allowed")]
    ImageType,
    /// Too large in bytes or pixels.
    #[error("the image is too large: {size}; {allowed} is allowed")]
    ImageSize {
        /// What it has.
        size: String,
        /// The bound.
        allowed: String,
    },
    /// Somebody else's message.
    #[error("only the sender, the owner and administrators can revoke a message")]
    NotYours,
    /// Not in the history.
    #[error("message {sequence} is not in the room's history; recent ones can be revoked")]
    NoSuchMessage {
        /// Its sequence.
        sequence: u64,
    },
    /// A list of the room is full.
    #[error("the room's {what} are full: at most {limit} are allowed")]
    Full {
        /// The list.
        what: &'static str,
        /// Its bound.
        limit: usize,
    },
}

impl ChatError {
    /// The code that the chat interface documents.
    pub fn code(&self) -> i32 {
        match self {
            Self::Guest => 2024,
            Self::Banned | Self::NotYours => 10_007,
            Self::Muted { .. } | Self::AllMuted => 10_017,
            Self::Sensitive => 80_001,
            Self::TooLong { .. } => 80_002,
            Self::BadValue { .. } | Self::NoSuchMessage { .. } | Self::Full { .. } => 10_004,
            Self::TooFast { .. } => 2996,
            Self::Webhook { .. } => 10_016,
            Self::ImageMissing { .. } => 2251,
            Self::ImageType => 2252,
            Self::ImageSize { .. } => 2253,
        }
    }

    /// The code that the live room interface documents: it tells the two kinds of mute apart.
    pub fn live_code(&self) -> i32 {
        match self {
            Self::AllMuted => -2380,
            Self::Muted { .. } => -2381,
            _ => self.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_allowed() {
        let muted = ChatError::Muted {
            left: Duration::from_millis(1_200),
        };
        assert_eq!(
            muted.to_string(),
            "you are muted in this room for another 2 s"
        );
        assert_eq!((muted.code(), muted.live_code()), (10_017, -2381));
        assert_eq!(ChatError::AllMuted.live_code(), -2380);
        let refused = ChatError::Webhook {
            reason: "spam".into(),
        };
        assert_eq!(refused.code(), 10_016);
    }
}
