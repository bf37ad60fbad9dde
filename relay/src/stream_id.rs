//! The public name of a broadcast.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The public name of a broadcast, as it stands in `/live/{id}.flv`: 1 to 128 characters of
/// `A-Z`, `a-z`, `0-9`, `_` and `-`.
///
/// No dot and no slash, so that an id never reads as a path or as a file name's suffix.
/// Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 128;

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidStreamId::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidStreamId::TooLong { len: text.len() });
        }
        match text.chars().find(|c| !is_allowed(*c)) {
            Some(character) => Err(InvalidStreamId::Character { character }),
            None => Ok(Self(text.into())),
        }
    }
}

/// For maps that are looked into by the text.
impl Borrow<str> for StreamId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}

impl AsRef<str> for StreamId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Why a text is no [`StreamId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStreamId {
    /// The text has no characters.
    #[error("a stream id is empty; it needs 1 to 128 of A-Z, a-z, 0-9, '_' and '-'")]
    Empty,
    /// The text is longer than [`StreamId::MAX_LEN`].
    #[error("a stream id has {len} bytes; at most 128 are allowed")]
    TooLong {
        /// Length of the text in bytes.
        len: usize,
    },
    /// The text has a character that an id may not contain.
    #[error("a stream id contains {character:?}; allowed are A-Z, a-z, 0-9, '_' and '-'")]
    Character {
        /// The first such character.
        character: char,
    },
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_of_allowed_characters_keeps_its_text() {
        let id: StreamId = "1400_room-7_anna_main".parse().unwrap();
        assert_eq!(id.as_str(), "1400_room-7_anna_main");
        assert_eq!(id.to_string(), "1400_room-7_anna_main");
    }

    #[test]
    fn the_error_names_what_is_wrong() {
        assert_eq!("".parse::<StreamId>(), Err(InvalidStreamId::Empty));
        assert_eq!(
            "../etc".parse::<StreamId>(),
            Err(InvalidStreamId::Character { character: '.' })
        );
        let long = "x".repeat(129);
        assert_eq!(
            long.parse::<StreamId>(),
            Err(InvalidStreamId::TooLong { len: 129 })
        );
        assert!("x".repeat(128).parse::<StreamId>().is_ok());
    }

    proptest! {
        #[test]
        fn no_text_outside_the_rule_gets_in(text in ".{0,140}") {
            let allowed = !text.is_empty()
                && text.len() <= 128
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            prop_assert_eq!(text.parse::<StreamId>().is_ok(), allowed);
        }
    }
}
