//! Names of apps, users and rooms.
//!
//! A value of one of these types has passed its rules; code that holds one need not check again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The number of an application (`sdkAppId`). 0 is the app of the open development mode.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AppId(pub u32);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AppId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decimal(text).map(Self).ok_or(InvalidId::App)
    }
}

/// A user's name inside an app: 1 to 32 bytes of UTF-8 without control characters.
///
/// Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "string"))]
pub struct UserId(Arc<str>);

impl UserId {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 32;

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(InvalidId::UserLength { len: text.len() });
        }
        match text.chars().find(|c| c.is_control()) {
            Some(character) => Err(InvalidId::UserCharacter { character }),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", &*self.0)
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A room's name inside an app. Number 123 and name "123" are two rooms.
///
/// In JSON a number is a number and a name is a string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(ts_rs::TS), ts(type = "number | string"))]
pub enum RoomId {
    /// 1 to 4 294 967 294.
    Number(u32),
    /// 1 to 64 letters, digits, spaces and `` !#$%&()+-:;<=.>?@[]^_{}|~, ``.
    Name(Arc<str>),
}

impl RoomId {
    /// The highest room number.
    pub const MAX_NUMBER: u32 = u32::MAX - 1;
    /// The longest room name, in characters (all of one byte).
    pub const MAX_NAME_LEN: usize = 64;

    /// A number room.
    pub fn number(number: u64) -> Result<Self, InvalidId> {
        match u32::try_from(number) {
            Ok(n) if n != 0 && n <= Self::MAX_NUMBER => Ok(Self::Number(n)),
            _ => Err(InvalidId::RoomNumber),
        }
    }

    /// A number room from decimal digits, without sign and leading zero.
    pub fn parse_number(text: &str) -> Result<Self, InvalidId> {
        let number: u32 = decimal(text).ok_or(InvalidId::RoomNumber)?;
        Self::number(number.into())
    }

    /// A room with a name.
    pub fn name(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() || text.len() > Self::MAX_NAME_LEN {
            return Err(InvalidId::RoomLength { len: text.len() });
        }
        match text.chars().find(|c| !is_room_character(*c)) {
            Some(character) => Err(InvalidId::RoomCharacter { character }),
            None => Ok(Self::Name(text.into())),
        }
    }
}

impl fmt::Display for RoomId {
    /// The bare name: a number and a name can read alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(text) => write!(f, "{:?}", &**text),
        }
    }
}

impl Serialize for RoomId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Name(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for RoomId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrName;

        impl Visitor<'_> for NumberOrName {
            type Value = RoomId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a room's number or name")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<RoomId, E> {
                RoomId::number(number).map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RoomId, E> {
                RoomId::name(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(NumberOrName)
    }
}

/// One room of one app: two apps with the same room name never meet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomKey {
    /// The app.
    pub app: AppId,
    /// The room inside the app.
    pub room: RoomId,
}

impl RoomKey {
    /// The key of `room` in `app`.
    pub fn new(app: AppId, room: RoomId) -> Self {
        Self { app, room }
    }
}

impl fmt::Display for RoomKey {
    /// `app/123` for a number room, `app/"123"` for a named room.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.app, self.room)
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One login of one page. It outlives a lost socket and is taken up again by the next one.
///
/// The shell chooses the number and never uses one twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text or number is no app, user or room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// No app number.
    #[error("an app id is a whole number from 0 to 4294967295")]
    App,
    /// Empty or too long.
    #[error("a user id has {len} bytes; 1 to 32 are allowed")]
    UserLength {
        /// Length in bytes.
        len: usize,
    },
    /// A control character.
    #[error("a user id contains {character:?}; control characters are not allowed")]
    UserCharacter {
        /// The first such character.
        character: char,
    },
    /// No room number.
    #[error("a room number is a whole number from 1 to 4294967294")]
    RoomNumber,
    /// Empty or too long.
    #[error("a room's name has {len} bytes; 1 to 64 characters are allowed")]
    RoomLength {
        /// Length in bytes.
        len: usize,
    },
    /// A character outside the list.
    #[error(
        "a room's name contains {character:?}; allowed are letters, digits, spaces and !#$%&()+-:;<=.>?@[]^_{{}}|~,"
    )]
    RoomCharacter {
        /// The first such character.
        character: char,
    },
}

/// Digits only, no sign, no leading zero: one text for one number.
fn decimal(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn is_room_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ' ' || "!#$%&()+-:;<=.>?@[]^_{}|~,".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_and_the_same_digits_as_a_name_are_two_rooms() {
        let number = RoomId::number(123).unwrap();
        let text = RoomId::name("123").unwrap();
        assert_ne!(number, text);
        assert_eq!(number.to_string(), text.to_string());
        let key = |room| RoomKey::new(AppId(7), room).to_string();
        assert_eq!(key(number), "7/123");
        assert_eq!(key(text), "7/\"123\"");
    }

    #[test]
    fn the_ends_of_the_room_number_are_kept() {
        assert_eq!(RoomId::number(0), Err(InvalidId::RoomNumber));
        assert_eq!(RoomId::number(1), Ok(RoomId::Number(1)));
        assert_eq!(
            RoomId::number(4_294_967_294),
            Ok(RoomId::Number(4_294_967_294))
        );
        assert_eq!(RoomId::number(4_294_967_295), Err(InvalidId::RoomNumber));
        assert_eq!(RoomId::number(u64::MAX), Err(InvalidId::RoomNumber));
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(RoomId::parse_number("42"), Ok(RoomId::Number(42)));
        for text in [
            "",
            "0",
            "042",
            "+42",
            "-1",
            " 42",
            "42 ",
            "4294967295",
            "1e3",
            "٤٢",
        ] {
            assert_eq!(
                RoomId::parse_number(text),
                Err(InvalidId::RoomNumber),
                "{text}"
            );
        }
        assert_eq!("0".parse(), Ok(AppId(0)));
        assert_eq!("1400000000".parse(), Ok(AppId(1_400_000_000)));
        assert_eq!("00".parse::<AppId>(), Err(InvalidId::App));
        assert_eq!("".parse::<AppId>(), Err(InvalidId::App));
    }

    #[test]
    fn a_room_name_takes_exactly_the_documented_characters() {
        let all = " !#$%&()+-:;<=.>?@[]^_{}|~,";
        assert!(RoomId::name(all).is_ok());
        for c in ['"', '\'', '*', '/', '\\', '`', '\n', 'é', '\0'] {
            assert_eq!(
                RoomId::name(&format!("a{c}")),
                Err(InvalidId::RoomCharacter { character: c })
            );
        }
        assert!(RoomId::name(&"x".repeat(64)).is_ok());
        assert_eq!(
            RoomId::name(&"x".repeat(65)),
            Err(InvalidId::RoomLength { len: 65 })
        );
        assert_eq!(RoomId::name(""), Err(InvalidId::RoomLength { len: 0 }));
    }

    #[test]
    fn a_user_id_is_counted_in_bytes_and_has_no_control_characters() {
        assert_eq!("user@x".parse::<UserId>().unwrap().as_str(), "user@x");
        assert!("小军".parse::<UserId>().is_ok());
        assert!("x".repeat(32).parse::<UserId>().is_ok());
        assert_eq!(
            "军".repeat(11).parse::<UserId>(),
            Err(InvalidId::UserLength { len: 33 })
        );
        assert_eq!("".parse::<UserId>(), Err(InvalidId::UserLength { len: 0 }));
        for text in ["a\nb", "a\0", "\u{7f}", "a\u{85}b"] {
            assert!(
                matches!(text.parse::<UserId>(), Err(InvalidId::UserCharacter { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn json_keeps_numbers_and_names_apart_and_checks_both() {
        let read = |json: &str| serde_json::from_str::<RoomId>(json);
        assert_eq!(read("123").unwrap(), RoomId::Number(123));
        assert_eq!(read("\"123\"").unwrap(), RoomId::name("123").unwrap());
        assert_eq!(serde_json::to_string(&RoomId::Number(5)).unwrap(), "5");
        for json in [
            "0",
            "-1",
            "1.5",
            "4294967295",
            "\"\"",
            "\"a/b\"",
            "null",
            "[1]",
            "true",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<UserId>("\"a\\nb\"").is_err());
    }

    proptest! {
        #[test]
        fn no_user_id_outside_the_rule_gets_in(text in "\\PC{0,20}|[\\x00-\\x7f]{0,40}") {
            let parsed = text.parse::<UserId>();
            if let Ok(user) = parsed {
                prop_assert!(!user.as_str().is_empty() && user.as_str().len() <= 32);
                prop_assert!(!user.as_str().contains(|c: char| c.is_control()));
                prop_assert_eq!(user.as_str(), text);
            }
        }
    }
}
