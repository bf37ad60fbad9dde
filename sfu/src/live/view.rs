//! Rooms, seats and connected rooms as clients see them.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::chat::UnixTime;
use super::command::{About, MemberView, SeatSettings};
use super::ids::{RoomId, UserId};
use super::profile::Profile;
use super::roles::{Rank, Scene};

/// What a room is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RoomInfo {
    /// The room.
    pub room: RoomId,
    /// The title, or an empty text.
    #[serde(serialize_with = "write_text")]
    pub name: Arc<str>,
    /// The notice, or an empty text.
    #[serde(serialize_with = "write_text")]
    pub notice: Arc<str>,
    /// What the room is about, or an empty text.
    #[serde(serialize_with = "write_text")]
    pub introduction: Arc<str>,
    /// The address of the room's picture, or an empty text. Only hosts can change it.
    #[serde(serialize_with = "write_text")]
    pub cover: Arc<str>,
    /// Lists of rooms leave it out; who knows its id may enter.
    pub hidden: bool,
    /// The owner, unless the room came into being by being entered.
    pub owner: Option<UserId>,
    /// The mode, while somebody is in the media.
    pub scene: Option<Scene>,
    /// Members and guests in the room.
    pub online: usize,
    /// Members and guests who have entered since the room began; one who returns counts again.
    pub total_entered: u64,
    /// The seats' settings.
    pub seats: Option<SeatSettings>,
    /// When its owner has created it: milliseconds since 1970.
    pub created_at: Option<UnixTime>,
}

impl RoomInfo {
    /// What it tells of itself.
    pub fn about(&self) -> About {
        About {
            name: self.name.clone(),
            notice: self.notice.clone(),
            introduction: self.introduction.clone(),
            cover: self.cover.clone(),
            hidden: self.hidden,
        }
    }
}

/// A connected room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CoHostView {
    /// The room.
    pub room: RoomId,
    /// Its owner.
    pub owner: Option<UserId>,
    /// Its sound is muted for this room's audience.
    pub is_muted: bool,
    /// Its anchors, with what they publish.
    pub anchors: Vec<MemberView>,
}

/// An open application for a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ApplicationView {
    /// Who.
    pub guest: UserId,
    /// Nick and picture.
    pub profile: Profile,
    /// The seat, or any.
    pub seat: Option<u16>,
}

/// An open request to connect two rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CoHostRequestView {
    /// The other room.
    pub other: RoomId,
    /// Whether this room has asked.
    pub sent: bool,
    /// The asking page's own text.
    pub extension: String,
}

/// One seat, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatView {
    /// From 0.
    pub index: u16,
    /// Nobody can take it.
    pub is_locked: bool,
    /// A host has closed the microphone.
    pub is_audio_locked: bool,
    /// A host has closed the camera.
    pub is_video_locked: bool,
    /// Who sits there.
    pub user: Option<SeatUser>,
}

/// The one who sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatUser {
    /// Who.
    pub user: UserId,
    /// Nick and picture; empty while away.
    pub profile: Profile,
    /// Owner, administrator or none of them.
    pub rank: Rank,
    /// Sound is published and not muted.
    pub microphone_on: bool,
    /// The camera is published and not muted.
    pub camera_on: bool,
    /// The seat is kept for a user who is reloading.
    pub away: bool,
}

fn write_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
