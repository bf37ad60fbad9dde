//! The name of a recording.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names one recording, here and in its store: 1 to 64 characters of `A-Z`, `a-z`, `0-9` and `-`,
/// so that it never reads as a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordingId(String);

/// A text that names no recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recording's id is 1 to 64 of A-Z, a-z, 0-9 and '-'")]
pub struct InvalidRecordingId;

impl RecordingId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 64;

    /// A name that no other recording has: the wall clock in Unix milliseconds, and a random
    /// number. Names sort by time.
    pub(super) fn new(unix_ms: u64, random: u32) -> Self {
        Self(format!("{unix_ms:013}-{random:08x}"))
    }

    /// Whether it is spelt as [`RecordingId::new`] spells them: no two that are mean the same.
    pub(super) fn is_of_recorder(&self) -> bool {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        self.0.split_once('-').is_some_and(|(time, random)| {
            time.len() >= 13
                && time.bytes().all(|byte| byte.is_ascii_digit())
                && random.len() == 8
                && random.bytes().all(is_hex)
        })
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RecordingId {
    type Err = InvalidRecordingId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(is_allowed) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidRecordingId),
        }
    }
}

impl TryFrom<String> for RecordingId {
    type Error = InvalidRecordingId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RecordingId> for String {
    fn from(id: RecordingId) -> Self {
        id.0
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_reads_as_a_path() {
        let id = RecordingId::new(1_700_000_000_123, 0xbeef);
        assert_eq!(id.as_str(), "1700000000123-0000beef");
        assert!(id.is_of_recorder());
        assert_eq!(id.as_str().parse(), Ok(id));
        let long = "a".repeat(65);
        for text in [
            "", ".", "..", "a/b", "a\\b", "a.b", "%2e", "a b", "ä", &long,
        ] {
            assert_eq!(
                text.parse::<RecordingId>(),
                Err(InvalidRecordingId),
                "{text}"
            );
        }
        assert!(serde_json::from_str::<RecordingId>("\"../x\"").is_err());
    }
}
