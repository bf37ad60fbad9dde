//! Rooms and streams as texts, for paths and pages.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::live::{InvalidId, RoomId, TrackKind, UserId};

/// A room's id as one text, for paths and cursors: digits alone are a number; everything else,
/// and whatever stands behind `name:`, is a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomText(pub RoomId);

impl fmt::Display for RoomText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            RoomId::Number(number) => number.fmt(f),
            RoomId::Name(name) => {
                let is_plain = !name.starts_with(NAME) && !name.bytes().all(|b| b.is_ascii_digit());
                write!(f, "{}{name}", if is_plain { "" } else { NAME })
            }
        }
    }
}

impl FromStr for RoomText {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let room = match text.strip_prefix(NAME) {
            Some(name) => RoomId::name(name),
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                RoomId::parse_number(text)
            }
            None => RoomId::name(text),
        };
        room.map(Self)
    }
}

const NAME: &str = "name:";

/// The last stream of a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamCursor {
    /// The room.
    pub room: RoomId,
    /// The user.
    pub user: UserId,
    /// The track.
    pub track: TrackKind,
}

impl fmt::Display for StreamCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.room, &self.user, self.track);
        f.write_str(&serde_json::to_string(&parts).map_err(|_| fmt::Error)?)
    }
}

/// A text is no [`StreamCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a cursor is `next` of the page before")]
pub struct BadCursor;

impl FromStr for StreamCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (room, user, track) = serde_json::from_str(text).map_err(|_| BadCursor)?;
        Ok(Self { room, user, track })
    }
}
