//! What somebody is in a room: mode, role, rank, and the rights that a token gives.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auth::Privileges;

/// The mode of a room's media; one for all who are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Scene {
    /// Few anchors, and an audience that nobody sees.
    Live,
    /// A call: everybody is an anchor.
    Rtc,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Rtc => "rtc",
        })
    }
}

/// What a member does with media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Role {
    /// May publish, and is seen by everybody.
    Anchor,
    /// Receives, and is not seen.
    Audience,
}

/// Who decides in a room; a smaller value stands higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Rank {
    /// The one who created the room.
    Owner,
    /// Appointed by the owner.
    Administrator,
    /// Everybody else.
    GeneralUser,
}

/// One bit of a token's privilege map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Right {
    /// Bring a room into being by entering it.
    CreateRoom = 1,
    /// Enter.
    Enter = 2,
    /// Send sound.
    SendAudio = 4,
    /// Receive sound.
    ReceiveAudio = 8,
    /// Send the camera.
    SendVideo = 16,
    /// Receive cameras.
    ReceiveVideo = 32,
    /// Send the auxiliary track.
    SendAux = 64,
    /// Receive auxiliary tracks.
    ReceiveAux = 128,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateRoom => "create a room",
            Self::Enter => "enter the room",
            Self::SendAudio => "send sound",
            Self::ReceiveAudio => "receive sound",
            Self::SendVideo => "send video",
            Self::ReceiveVideo => "receive video",
            Self::SendAux => "send the auxiliary track",
            Self::ReceiveAux => "receive auxiliary tracks",
        })
    }
}

/// A set of [`Right`]s, as the privilege map of a token carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rights(pub u8);

impl Rights {
    /// All of them: what everybody has when the app does not check privilege maps.
    pub const ALL: Self = Self(255);
    /// Enter, receive sound, receive video.
    pub const AUDIENCE: Self = Self(42);

    /// Whether `right` is in the set.
    pub fn has(self, right: Right) -> bool {
        self.0 & right as u8 != 0
    }
}

impl From<Privileges> for Rights {
    /// Bits above the eight that have a meaning are ignored.
    fn from(privileges: Privileges) -> Self {
        Self(privileges.0.to_le_bytes()[0])
    }
}

impl Default for Rights {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_map_enters_and_receives_but_sends_nothing() {
        let rights = Rights::AUDIENCE;
        assert!(rights.has(Right::Enter) && rights.has(Right::ReceiveAudio));
        assert!(rights.has(Right::ReceiveVideo));
        for right in [
            Right::CreateRoom,
            Right::SendAudio,
            Right::SendVideo,
            Right::SendAux,
        ] {
            assert!(!rights.has(right), "{right}");
        }
    }

    #[test]
    fn the_bits_of_a_token_are_the_rights() {
        for (privilege, right) in [
            (Privileges::CREATE_ROOM, Right::CreateRoom),
            (Privileges::JOIN, Right::Enter),
            (Privileges::SEND_AUDIO, Right::SendAudio),
            (Privileges::RECEIVE_AUDIO, Right::ReceiveAudio),
            (Privileges::SEND_VIDEO, Right::SendVideo),
            (Privileges::RECEIVE_VIDEO, Right::ReceiveVideo),
            (Privileges::SEND_AUX_VIDEO, Right::SendAux),
            (Privileges::RECEIVE_AUX_VIDEO, Right::ReceiveAux),
        ] {
            let high = Privileges(privilege.0 | 0xffff_ff00);
            assert_eq!(Rights::from(high), Rights(right as u8), "{right}");
        }
    }

    #[test]
    fn an_owner_stands_above_an_administrator() {
        assert!(Rank::Owner < Rank::Administrator);
        assert!(Rank::Administrator < Rank::GeneralUser);
    }
}
