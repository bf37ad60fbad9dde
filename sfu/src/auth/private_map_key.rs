//! The PrivateMapKey: a UserSig whose user buffer grants rights in one room until a time.
//!
//! The buffer is binary, big-endian: version (8 bits; 0 for a number room, 1 for a named one),
//! length (16) and bytes of the account, app (32), room number (32; 0 for a named room), expiry
//! in Unix seconds (32), rights (32), account type (32; 0), and in version 1 length (16) and
//! bytes of the room's name.

use std::fmt;
use std::ops::BitOr;

use thiserror::Error;

use super::code;
use super::user_sig::TokenError;
use crate::live::{AppId, InvalidId, RoomId, UserId};

/// What a user may do in a room, as bits of the ticket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Privileges(pub u32);

impl Privileges {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Create the room by entering it first.
    pub const CREATE_ROOM: Self = Self(1);
    /// Enter the room.
    pub const JOIN: Self = Self(2);
    /// Publish audio.
    pub const SEND_AUDIO: Self = Self(4);
    /// Subscribe to audio.
    pub const RECEIVE_AUDIO: Self = Self(8);
    /// Publish the main video track.
    pub const SEND_VIDEO: Self = Self(16);
    /// Subscribe to main video tracks.
    pub const RECEIVE_VIDEO: Self = Self(32);
    /// Publish the auxiliary video track: a screen.
    pub const SEND_AUX_VIDEO: Self = Self(64);
    /// Subscribe to auxiliary video tracks.
    pub const RECEIVE_AUX_VIDEO: Self = Self(128);
    /// All eight.
    pub const ALL: Self = Self(255);
    /// Enter, and subscribe to audio and main video.
    pub const AUDIENCE: Self = Self(42);

    /// Whether all of these are granted.
    pub fn contains(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

impl BitOr for Privileges {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Privileges({:#x})", self.0)
    }
}

/// What a user buffer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user who gets the rights.
    pub user: UserId,
    /// The app of user and room.
    pub app: AppId,
    /// The one room.
    pub room: RoomId,
    /// The first Unix second in which the rights are over.
    pub expires_at: u32,
    /// The rights.
    pub privileges: Privileges,
}

impl Grant {
    /// The user buffer.
    pub fn write(&self) -> Vec<u8> {
        let (version, number, name) = match &self.room {
            RoomId::Number(number) => (0, *number, None),
            RoomId::Name(name) => (1, 0, Some(name)),
        };
        let mut out = vec![version];
        write_text(&mut out, self.user.as_str());
        for field in [self.app.0, number, self.expires_at, self.privileges.0, 0] {
            out.extend(field.to_be_bytes());
        }
        if let Some(name) = name {
            write_text(&mut out, name);
        }
        out
    }

    /// Reads a user buffer. The account type and, in version 1, the room number mean nothing.
    ///
    /// # Errors
    /// [`BadUserBuf`].
    pub fn read(userbuf: &[u8]) -> Result<Self, BadUserBuf> {
        let mut rest = userbuf;
        let [version] = take::<1>(&mut rest)?;
        if version > 1 {
            return Err(BadUserBuf::Version { version });
        }
        let user = take_text(&mut rest)?.parse().map_err(BadUserBuf::User)?;
        let mut fields = [0; 5];
        for field in &mut fields {
            *field = u32::from_be_bytes(take(&mut rest)?);
        }
        let [app, number, expires_at, privileges, _account_type] = fields;
        let room = match version {
            0 => RoomId::number(number.into()),
            _ => RoomId::name(take_text(&mut rest)?),
        };
        if !rest.is_empty() {
            return Err(BadUserBuf::Trailing { len: rest.len() });
        }
        Ok(Self {
            user,
            app: AppId(app),
            room: room.map_err(BadUserBuf::Room)?,
            expires_at,
            privileges: Privileges(privileges),
        })
    }

    /// Whether this grants something to the user in the room now, and what.
    ///
    /// # Errors
    /// [`PrivateMapKeyError`].
    pub fn check(
        &self,
        app: AppId,
        user: &UserId,
        room: &RoomId,
        now: u64,
    ) -> Result<Privileges, PrivateMapKeyError> {
        if self.app != app {
            return Err(PrivateMapKeyError::OtherApp { found: self.app });
        }
        if self.user != *user {
            return Err(PrivateMapKeyError::OtherUser {
                found: self.user.clone(),
            });
        }
        if self.room != *room {
            return Err(PrivateMapKeyError::OtherRoom {
                expected: room.clone(),
                found: self.room.clone(),
            });
        }
        if u64::from(self.expires_at) <= now {
            return Err(PrivateMapKeyError::Expired {
                ago: now - u64::from(self.expires_at),
            });
        }
        Ok(self.privileges)
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("user ids and room names are short");
    out.extend(len.to_be_bytes());
    out.extend(text.as_bytes());
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadUserBuf> {
    let (head, tail) = rest.split_first_chunk().ok_or(BadUserBuf::CutOff)?;
    *rest = tail;
    Ok(*head)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, BadUserBuf> {
    let len = usize::from(u16::from_be_bytes(take(rest)?));
    let (text, tail) = rest.split_at_checked(len).ok_or(BadUserBuf::CutOff)?;
    *rest = tail;
    str::from_utf8(text).map_err(|_| BadUserBuf::NotUtf8)
}

/// Why bytes are no user buffer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadUserBuf {
    /// A field or a text ends behind the last byte.
    #[error("the user buffer is cut off")]
    CutOff,
    /// Bytes follow the last field.
    #[error("the user buffer has {len} bytes too many")]
    Trailing {
        /// How many.
        len: usize,
    },
    /// Neither a number room nor a named one.
    #[error("the user buffer has version {version}; 0 and 1 are allowed")]
    Version {
        /// The version.
        version: u8,
    },
    /// Account or room name are no text.
    #[error("a text of the user buffer is not UTF-8")]
    NotUtf8,
    /// The account is no user id.
    #[error("the account of the user buffer is none: {0}")]
    User(#[source] InvalidId),
    /// The room has no such number or name.
    #[error("the room of the user buffer is none: {0}")]
    Room(#[source] InvalidId),
}

/// Why a PrivateMapKey gives no right. For the log: a client gets [`Self::code`] and
/// [`Self::sentence`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrivateMapKeyError {
    /// The app requires one.
    #[error("there is no PrivateMapKey, and app {app} requires one")]
    Missing {
        /// The app.
        app: AppId,
    },
    /// The token around it is refused.
    #[error("the PrivateMapKey is refused: {0}")]
    Token(#[from] TokenError),
    /// A plain UserSig.
    #[error("the PrivateMapKey has no user buffer: it is a plain UserSig")]
    NoUserBuf,
    /// The buffer cannot be read.
    #[error(transparent)]
    UserBuf(#[from] BadUserBuf),
    /// A stream without a room is in the room that its id names, and this id names none.
    #[error("the stream id names no room: {0}")]
    NoRoom(#[source] InvalidId),
    /// The rights are for another app.
    #[error("the PrivateMapKey's user buffer is of app {found}")]
    OtherApp {
        /// The app in the buffer.
        found: AppId,
    },
    /// The rights are for another user.
    #[error("the PrivateMapKey's user buffer is of user {found:?}")]
    OtherUser {
        /// The user in the buffer.
        found: UserId,
    },
    /// The rights are for another room.
    #[error("the PrivateMapKey is for room {found:?} and not for {expected:?}")]
    OtherRoom {
        /// The room that the client wants to enter.
        expected: RoomId,
        /// The room in the buffer.
        found: RoomId,
    },
    /// The rights are over.
    #[error("the rights of the PrivateMapKey were over {ago} s ago")]
    Expired {
        /// Seconds.
        ago: u64,
    },
    /// The rights are fewer than needed.
    #[error("the PrivateMapKey grants {granted} and {needed} is needed")]
    NotGranted {
        /// What the client wants to do.
        needed: Privileges,
        /// What it may do.
        granted: Privileges,
    },
}

impl PrivateMapKeyError {
    /// The documented code.
    pub fn code(&self) -> i32 {
        code::PRIVILEGE_TICKET_BAD
    }

    /// What the client is told.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Missing { .. } | Self::NoUserBuf => {
                "this app requires a PrivateMapKey for the room; ask the page's back end for one"
            }
            Self::Expired { .. } | Self::Token(TokenError::Expired { .. }) => {
                "the PrivateMapKey has expired; ask the page's back end for a new one"
            }
            Self::OtherRoom { .. } => {
                "the PrivateMapKey is for another room; a number and the same digits as a name \
                 are two rooms"
            }
            Self::NotGranted { .. } => {
                "the PrivateMapKey does not grant this; its bits are 2 join, 4 and 8 send and \
                 receive audio, 16 and 32 video, 64 and 128 auxiliary video"
            }
            _ => {
                "the PrivateMapKey is not valid for this app, user and room; ask the page's back end \
                 for one that is"
            }
        }
    }

    /// One word for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "map_key_missing",
            Self::Token(error) => error.label(),
            Self::NoUserBuf => "map_key_no_userbuf",
            Self::UserBuf(_) => "map_key_userbuf",
            Self::NoRoom(_) => "map_key_no_room",
            Self::OtherApp { .. } => "map_key_other_app",
            Self::OtherUser { .. } => "map_key_other_user",
            Self::OtherRoom { .. } => "map_key_other_room",
            Self::Expired { .. } => "map_key_expired",
            Self::NotGranted { .. } => "map_key_not_granted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NUMBER: &str = "0000077869616f6a756e53724e000000271066413f00000000ff00000000";
    const NAMED: &str =
        "0100077869616f6a756e53724e000000000066413f00000000ff00000000000a31303030303030303430";

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn grant(room: RoomId) -> Grant {
        Grant {
            user: "xiaojun".parse().unwrap(),
            app: AppId(1_400_000_000),
            room,
            expires_at: 1_715_552_000,
            privileges: Privileges::ALL,
        }
    }

    fn rooms() -> [(RoomId, &'static str); 2] {
        [
            (RoomId::number(10_000).unwrap(), NUMBER),
            (RoomId::name("1000000040").unwrap(), NAMED),
        ]
    }

    #[test]
    fn user_buffers_are_those_of_the_vendor() {
        for (room, hex) in rooms() {
            let grant = grant(room);
            assert_eq!(grant.write(), bytes(hex));
            assert_eq!(Grant::read(&bytes(hex)), Ok(grant));
        }
    }

    #[test]
    fn every_shorter_and_every_longer_buffer_is_refused() {
        for (_, hex) in rooms() {
            let whole = bytes(hex);
            for end in 0..whole.len() {
                assert_eq!(Grant::read(&whole[..end]), Err(BadUserBuf::CutOff), "{end}");
            }
            let longer = [&whole[..], &[0; 3]].concat();
            assert_eq!(Grant::read(&longer), Err(BadUserBuf::Trailing { len: 3 }));
        }
    }

    #[test]
    fn fields_out_of_range_are_named() {
        let changed = |hex: &str, at: usize, value: u8| {
            let mut buffer = bytes(hex);
            buffer[at] = value;
            Grant::read(&buffer)
        };
        assert_eq!(
            changed(NUMBER, 0, 2),
            Err(BadUserBuf::Version { version: 2 })
        );
        // A length that reaches far behind the end.
        assert_eq!(changed(NUMBER, 1, 0xff), Err(BadUserBuf::CutOff));
        assert_eq!(changed(NUMBER, 3, 0xff), Err(BadUserBuf::NotUtf8));
        assert!(matches!(
            changed(NUMBER, 3, b'\n'),
            Err(BadUserBuf::User(InvalidId::UserCharacter { .. }))
        ));
        assert!(matches!(
            changed(NAMED, 33, b'/'),
            Err(BadUserBuf::Room(InvalidId::RoomCharacter { .. }))
        ));
        let mut no_room = bytes(NUMBER);
        no_room[14..18].fill(0);
        assert_eq!(
            Grant::read(&no_room),
            Err(BadUserBuf::Room(InvalidId::RoomNumber))
        );
    }

    #[test]
    fn a_grant_is_for_one_user_in_one_room_until_its_time() {
        let room = RoomId::number(10_000).unwrap();
        let grant = grant(room.clone());
        let user = grant.user.clone();
        let check = |app, user: &str, room: &RoomId, now| {
            grant
                .check(AppId(app), &user.parse().unwrap(), room, now)
                .map_err(|error| error.label())
        };
        let (app, user) = (1_400_000_000, user.as_str());
        let end = u64::from(grant.expires_at);
        assert_eq!(check(app, user, &room, end - 1), Ok(Privileges::ALL));
        assert_eq!(check(app, user, &room, end), Err("map_key_expired"));
        assert_eq!(check(app + 1, user, &room, 0), Err("map_key_other_app"));
        assert_eq!(check(app, "other", &room, 0), Err("map_key_other_user"));
        for other in [
            RoomId::number(10_001).unwrap(),
            RoomId::name("10000").unwrap(),
        ] {
            assert_eq!(check(app, user, &other, 0), Err("map_key_other_room"));
        }
    }

    #[test]
    fn the_audience_may_enter_and_receive_and_no_more() {
        let audience = Privileges::JOIN | Privileges::RECEIVE_AUDIO | Privileges::RECEIVE_VIDEO;
        assert_eq!(audience, Privileges::AUDIENCE);
        assert!(Privileges::ALL.contains(audience));
        assert!(!audience.contains(Privileges::SEND_AUDIO));
        assert!(!audience.contains(Privileges::JOIN | Privileges::SEND_VIDEO));
        assert!(Privileges::NONE.contains(Privileges::NONE));
        assert!(!Privileges::NONE.contains(Privileges::JOIN));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            user in "[^\\p{C}]{1,8}",
            app: u32,
            number in proptest::option::of(1..=RoomId::MAX_NUMBER),
            name in "[a-zA-Z0-9 !#$%&()+:;<=.>?@_{}|~,-]{1,64}",
            expires_at: u32,
            privileges: u32,
        ) {
            let grant = Grant {
                user: user.parse().unwrap(),
                app: AppId(app),
                room: match number {
                    Some(number) => RoomId::Number(number),
                    None => RoomId::name(&name).unwrap(),
                },
                expires_at,
                privileges: Privileges(privileges),
            };
            prop_assert_eq!(Grant::read(&grant.write()), Ok(grant));
        }
    }
}
