//! How a user shows: nick and picture, and what else users say of themselves.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::error::LiveError;

/// A user's nick and the address of a picture; both may be empty. Cloning shares the texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawProfile")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Profile {
    /// The nick, or an empty text; up to 150 bytes.
    #[serde(serialize_with = "write_text")]
    nick: Arc<str>,
    /// The picture's address, or an empty text; up to 500 bytes.
    #[serde(serialize_with = "write_text")]
    avatar: Arc<str>,
}

impl Profile {
    /// The longest nick, in bytes.
    pub const MAX_NICK: usize = 150;
    /// The longest picture address, in bytes.
    pub const MAX_AVATAR: usize = 500;

    /// Checks both texts: bounded, without control characters.
    pub fn new(nick: &str, avatar: &str) -> Result<Self, LiveError> {
        if nick.len() > Self::MAX_NICK || nick.chars().any(char::is_control) {
            return Err(LiveError::BadValue {
                what: "the nick",
                allowed: "up to 150 bytes without control characters",
            });
        }
        if avatar.len() > Self::MAX_AVATAR || avatar.chars().any(char::is_control) {
            return Err(LiveError::BadValue {
                what: "the avatar",
                allowed: "an address of up to 500 bytes without control characters",
            });
        }
        Ok(Self {
            nick: nick.into(),
            avatar: avatar.into(),
        })
    }

    /// The nick, or an empty text.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// The picture's address, or an empty text.
    pub fn avatar(&self) -> &str {
        &self.avatar
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            nick: "".into(),
            avatar: "".into(),
        }
    }
}

/// What a user says beside nick and picture; all may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawDetails", rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProfileDetails {
    /// A word of the page's, such as `Gender_Type_Female`; up to 32 letters, digits and `_`.
    pub gender: String,
    /// A line about oneself; up to 500 bytes.
    pub self_signature: String,
}

impl ProfileDetails {
    /// The longest gender, in bytes.
    pub const MAX_GENDER: usize = 32;
    /// The longest line about oneself, in bytes.
    pub const MAX_SELF_SIGNATURE: usize = 500;

    /// Checks both texts.
    ///
    /// # Errors
    /// [`LiveError::BadValue`].
    pub fn new(gender: String, self_signature: String) -> Result<Self, LiveError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if gender.len() > Self::MAX_GENDER || !gender.bytes().all(is_word) {
            return Err(LiveError::BadValue {
                what: "the gender",
                allowed: "up to 32 letters, digits and _",
            });
        }
        let is_long = self_signature.len() > Self::MAX_SELF_SIGNATURE;
        if is_long || self_signature.chars().any(char::is_control) {
            return Err(LiveError::BadValue {
                what: "the line about oneself",
                allowed: "up to 500 bytes without control characters",
            });
        }
        Ok(Self {
            gender,
            self_signature,
        })
    }
}

impl TryFrom<RawDetails> for ProfileDetails {
    type Error = LiveError;

    fn try_from(raw: RawDetails) -> Result<Self, LiveError> {
        Self::new(raw.gender, raw.self_signature)
    }
}

impl TryFrom<RawProfile> for Profile {
    type Error = LiveError;

    fn try_from(raw: RawProfile) -> Result<Self, LiveError> {
        Self::new(&raw.nick, &raw.avatar)
    }
}

fn write_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    #[serde(default)]
    nick: String,
    #[serde(default)]
    avatar: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawDetails {
    #[serde(default)]
    gender: String,
    #[serde(default)]
    self_signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_bounded_and_has_no_control_characters() {
        let long = "x".repeat(151);
        assert!(Profile::new(&long[..150], "").is_ok());
        assert!(Profile::new(&long, "").is_err());
        assert!(Profile::new("a\u{1b}[2J", "").is_err());
        assert!(Profile::new("", &"x".repeat(501)).is_err());
        assert!(serde_json::from_str::<Profile>("{\"nick\":\"a\\nb\"}").is_err());
        let profile: Profile = serde_json::from_str("{\"nick\":\"Anna\"}").unwrap();
        assert_eq!((profile.nick(), profile.avatar()), ("Anna", ""));
    }

    #[test]
    fn details_are_a_word_and_a_line() {
        let details = |gender: &str, line: &str| ProfileDetails::new(gender.into(), line.into());
        assert!(details(&"x".repeat(32), &"x".repeat(500)).is_ok());
        assert!(details(&"x".repeat(33), "").is_err());
        assert!(details("", &"x".repeat(501)).is_err());
        assert!(details("a b", "").is_err());
        assert!(details("", "a\u{1b}").is_err());
    }
}
