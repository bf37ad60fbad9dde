//! The rule for stream ids, and which of them are relayed.

use md5::{Digest, Md5};
use relay::StreamId;

use crate::live::ids::{AppId, RoomId, UserId};
use crate::live::tracks::TrackKind;

/// The rule for stream ids.
#[derive(Debug, Clone, Copy)]
pub struct StreamName;

impl StreamName {
    /// The longest id that a publisher can choose, in characters.
    pub const MAX_CHOSEN_LEN: usize = 64;

    /// The stream id of a member's track pair: the chosen one verbatim, else the default.
    ///
    /// The default is `{sdkAppId}_{tail}`; the tail is `{room}_{user}_{main|aux}`, or the MD5 of
    /// that in lower-case hex digits if it has other characters than `A-Z a-z 0-9 _ -`. A number
    /// room and a named room that read alike have the same default: only one of the two can be
    /// live at a time.
    ///
    /// # Errors
    /// [`InvalidStreamName`] for a chosen id outside `[A-Za-z0-9_-]{1,64}`.
    pub fn of(
        app: AppId,
        room: &RoomId,
        user: &UserId,
        track: TrackKind,
        chosen: Option<&str>,
    ) -> Result<StreamId, InvalidStreamName> {
        if let Some(chosen) = chosen {
            return Self::chosen(chosen);
        }
        let track = match track {
            TrackKind::Main => "main",
            TrackKind::Aux => "aux",
        };
        let mut tail = format!("{room}_{user}_{track}");
        if !tail.bytes().all(is_plain) {
            let hash: [u8; 16] = Md5::digest(&tail).into();
            tail = format!("{:032x}", u128::from_be_bytes(hash));
        }
        let id = format!("{app}_{tail}");
        // 10 digits, a room of 64 and a user of 32 bytes are less than a stream id's 128.
        id.parse().map_err(|_| InvalidStreamName::Length {
            len: id.len(),
            limit: StreamId::MAX_LEN,
        })
    }

    /// An id that somebody chose.
    ///
    /// # Errors
    /// As [`StreamName::of`].
    pub fn chosen(text: &str) -> Result<StreamId, InvalidStreamName> {
        let length = InvalidStreamName::Length {
            len: text.len(),
            limit: Self::MAX_CHOSEN_LEN,
        };
        if text.is_empty() || text.len() > Self::MAX_CHOSEN_LEN {
            return Err(length);
        }
        match text.chars().find(|c| !u8::try_from(*c).is_ok_and(is_plain)) {
            Some(character) => Err(InvalidStreamName::Character { character }),
            None => text.parse().map_err(|_| length),
        }
    }
}

/// Why a text is no stream id that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStreamName {
    /// Empty or too long.
    #[error("a stream id has {len} bytes; 1 to {limit} are allowed")]
    Length {
        /// Length in bytes.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// A character outside the list.
    #[error("a stream id contains {character:?}; allowed are A-Z, a-z, 0-9, '_' and '-'")]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Which streams go to the relay without being asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RelayMode {
    /// All of them.
    #[default]
    Automatic,
    /// Those whose id somebody chose; the others once relaying is started for them.
    Named,
}

impl RelayMode {
    /// Whether a new stream is relayed at once.
    pub fn relays(self, is_chosen: bool) -> bool {
        match self {
            Self::Automatic => true,
            Self::Named => is_chosen,
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
