//! Streams that are meant by a pattern of their ids.

use std::fmt;
use std::str::FromStr;

use crate::stream_id::StreamId;

/// A stream id in which `*` stands for any characters, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPattern(String);

/// A text that no stream id fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pattern of stream ids is 1 to 128 of A-Z, a-z, 0-9, '_', '-' and '*'")]
pub struct InvalidStreamPattern;

impl StreamPattern {
    /// True if the id fits.
    pub fn fits(&self, id: &StreamId) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = id.as_str().strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            // The first place leaves most for what follows.
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }
}

impl FromStr for StreamPattern {
    type Err = InvalidStreamPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*".contains(&byte);
        match (1..=StreamId::MAX_LEN).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidStreamPattern),
        }
    }
}

impl fmt::Display for StreamPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, id, fits) in [
            ("*", "a", true),
            ("evening", "evening", true),
            ("evening", "evening-1", false),
            ("evening*", "evening", true),
            ("*_main", "7_42_anna_main", true),
            ("*_main", "7_42_anna_aux", false),
            ("7_*_main", "7_42_anna_main", true),
            ("7_*_main", "8_7_42_main", false),
            ("a*b*a", "aba", true),
            ("a*a", "a", false),
            ("*ab*ab", "xab", false),
            ("*ab*ab", "abxab", true),
        ] {
            let pattern: StreamPattern = pattern.parse().unwrap();
            assert_eq!(pattern.fits(&id.parse().unwrap()), fits, "{pattern} {id}");
        }
        for text in ["", "a/b", "a.b", "ä*", &"*".repeat(129)] {
            assert_eq!(text.parse::<StreamPattern>(), Err(InvalidStreamPattern));
        }
    }
}
