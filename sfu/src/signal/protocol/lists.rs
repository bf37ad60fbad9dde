//! Lists of people: who is kept out, who may not speak, how users show.

use serde::{Deserialize, Serialize};

use crate::live::{Profile, ProfileDetails, RoomId, UserId};

/// One page of those who may not enter a room, ordered by user id (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListBans {
    /// The room.
    pub room: RoomId,
    /// The last user of the page before.
    pub after: Option<UserId>,
    /// Users in the page; the bound for pages when absent or more than that.
    pub count: Option<u32>,
}

/// One page of those who may not speak in a room's chat, ordered by user id (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListMutes {
    /// The room.
    pub room: RoomId,
    /// The last user of the page before.
    pub after: Option<UserId>,
    /// Users in the page; the bound for pages when absent or more than that.
    pub count: Option<u32>,
}

/// How users show, there or not; not for guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ShowProfiles {
    /// Whose; 1 to 50.
    pub users: Vec<UserId>,
}

/// The most users of one [`ShowProfiles`].
pub const MAX_PROFILES: usize = 50;

/// One page of bans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BanList {
    /// Who, and for how long.
    pub users: Vec<TimeLeft>,
    /// Whether there are more after them.
    pub more: bool,
}

/// One page of mutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MuteList {
    /// Whether everybody but the hosts may not speak.
    pub all_muted: bool,
    /// Who, and for how long.
    pub users: Vec<TimeLeft>,
    /// Whether there are more after them.
    pub more: bool,
}

/// A user of whom something holds for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TimeLeft {
    /// Who.
    pub user: UserId,
    /// Seconds left, rounded up.
    pub seconds: u32,
}

/// How users show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProfileList {
    /// Of those users who were asked for and are known, each once, ordered by user id.
    pub profiles: Vec<UserProfile>,
}

/// How one user shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserProfile {
    /// Who.
    pub user: UserId,
    /// Nick and picture.
    pub profile: Profile,
    /// What else the user has said; empty texts where nothing.
    pub details: ProfileDetails,
}
