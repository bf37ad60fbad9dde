//! Rooms: entering and leaving, roles, moderation, lists.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::seats::seconds;
use crate::live::chat::Message;
use crate::live::{
    About, AboutChange, Command, Entry, LiveError, MediaEntry, MemberView, Order, Part, Rights,
    Role, RoomId, RoomInfo, RoomSettings, Scene, SeatMode, SeatSettings, TrackKind, UserId,
};

/// Creates a room, or takes one that has no owner. Does not enter it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct CreateRoom {
    /// The room.
    pub room: RoomId,
    /// Its title; up to 100 bytes.
    pub name: Option<String>,
    /// Its notice; up to 1000 bytes.
    pub notice: Option<String>,
    /// What it is about; up to 1000 bytes.
    pub introduction: Option<String>,
    /// The address of its picture; up to 1000 bytes.
    pub cover: Option<String>,
    /// Whether `listRooms` leaves it out; who knows its id may enter all the same.
    pub hidden: Option<bool>,
    /// Its seats; none when absent.
    pub seats: Option<SeatSettings>,
}

impl CreateRoom {
    pub(super) fn command(self) -> Result<Command, LiveError> {
        let change = AboutChange {
            name: self.name,
            notice: self.notice,
            introduction: self.introduction,
            cover: self.cover,
            hidden: self.hidden,
        };
        Ok(Command::Create {
            room: self.room,
            settings: RoomSettings {
                about: About::default().with(change)?,
                seats: self.seats,
                created_at: None,
            },
        })
    }
}

/// What of a room is entered or left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RoomPart {
    /// The chat group of a room that was created.
    Chat,
    /// The media; a room that was not created begins with the first who enters it.
    Media,
    /// Both, of a room that was created.
    All,
}

/// Enters a room, or another part of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct EnterRoom {
    /// The room.
    pub room: RoomId,
    /// What of it.
    pub part: RoomPart,
    /// Only a room that is there already: refused with `noSuchRoom`, where entering its media
    /// would begin one. For those who come back to a room that an owner has created.
    pub existing: Option<bool>,
    /// The mode of the media, the same for all in the room; `live` when absent.
    pub scene: Option<Scene>,
    /// The wanted role; `audience` when absent. In rtc mode everybody is an anchor; in a room
    /// with seats one who has no seat is audience.
    pub role: Option<Role>,
    /// The user's PrivateMapKey, where the app requires one.
    pub private_map_key: Option<String>,
    /// So many of the chat's last messages come with the answer; none when absent, the bound for
    /// pages when more than that.
    pub history: Option<u32>,
}

impl std::fmt::Debug for EnterRoom {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnterRoom")
            .field("room", &self.room)
            .field("part", &self.part)
            .field("existing", &self.existing)
            .field("scene", &self.scene)
            .field("role", &self.role)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

impl EnterRoom {
    /// The command of a user whose token gives `rights`.
    pub fn command(self, rights: Rights) -> Command {
        let media = MediaEntry {
            scene: self.scene.unwrap_or(Scene::Live),
            role: self.role.unwrap_or(Role::Audience),
            rights,
        };
        Command::Enter {
            room: self.room,
            entry: match self.part {
                RoomPart::Chat => Entry::Chat,
                RoomPart::Media => Entry::Media(media),
                RoomPart::All => Entry::Live(media),
            },
        }
    }
}

/// What one who enters sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Entered {
    /// The room.
    #[serde(flatten)]
    pub room: crate::live::Entered,
    /// The chat's last messages, oldest first, when they were asked for and the chat is entered.
    /// What is said after them comes as events.
    #[serde(
        serialize_with = "write_history",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Message>>"))]
    pub history: Option<Vec<Arc<Message>>>,
    /// Whether nobody but the hosts may send, when the chat is entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub all_muted: Option<bool>,
    /// How often the room was liked since it was made, when the chat is entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub total_likes_received: Option<u64>,
}

impl From<crate::live::Entered> for Entered {
    fn from(room: crate::live::Entered) -> Self {
        Self {
            room,
            history: None,
            all_muted: None,
            total_likes_received: None,
        }
    }
}

fn write_history<S: Serializer>(
    history: &Option<Vec<Arc<Message>>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(history.iter().flatten().map(|message| &**message))
}

/// Leaves a room, or a part of it. The owner of a room cannot leave its chat, only dismiss it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct LeaveRoom {
    /// The room.
    pub room: RoomId,
    /// What of it.
    pub part: RoomPart,
}

impl LeaveRoom {
    pub(super) fn command(self) -> Command {
        Command::Leave {
            room: self.room,
            part: match self.part {
                RoomPart::Chat => Part::Chat,
                RoomPart::Media => Part::Media,
                RoomPart::All => Part::All,
            },
        }
    }
}

/// Ends a room for everybody (its owner).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct DismissRoom {
    /// The room.
    pub room: RoomId,
}

/// Changes texts, whether lists have the room, and the seat mode (hosts); what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct UpdateRoom {
    /// The room.
    pub room: RoomId,
    /// The title; up to 100 bytes.
    pub name: Option<String>,
    /// The notice; up to 1000 bytes.
    pub notice: Option<String>,
    /// What the room is about; up to 1000 bytes.
    pub introduction: Option<String>,
    /// The address of the room's picture; up to 1000 bytes.
    pub cover: Option<String>,
    /// Whether `listRooms` leaves it out.
    pub hidden: Option<bool>,
    /// Who may sit down.
    pub seat_mode: Option<SeatMode>,
}

impl UpdateRoom {
    /// The command; `before` is what the room is now, if it exists.
    ///
    /// # Errors
    /// A text breaks its rules.
    pub fn command(self, before: Option<&RoomInfo>) -> Result<Command, LiveError> {
        let change = AboutChange {
            name: self.name,
            notice: self.notice,
            introduction: self.introduction,
            cover: self.cover,
            hidden: self.hidden,
        };
        let about = if change.is_empty() {
            None
        } else {
            let old = before.map(RoomInfo::about).unwrap_or_default();
            Some(old.with(change)?)
        };
        Ok(Command::Order {
            room: self.room,
            order: Order::Update {
                about,
                seat_mode: self.seat_mode,
            },
        })
    }
}

/// What a room is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ShowRoom {
    /// The room.
    pub room: RoomId,
}

/// One page of the app's rooms that are not hidden, ordered by id, numbers first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListRooms {
    /// The last room of the page before.
    pub after: Option<RoomId>,
    /// Rooms in the page; the bound for pages when absent or more than that.
    pub count: Option<u32>,
}

/// One page of the chat's members, ordered by user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListMembers {
    /// The room.
    pub room: RoomId,
    /// The last user of the page before.
    pub after: Option<UserId>,
    /// Members in the page; the bound for pages when absent or more than that.
    pub count: Option<u32>,
}

impl ListMembers {
    pub(super) fn command(self) -> Command {
        Command::Members {
            room: self.room,
            after: self.after,
            count: page(self.count),
        }
    }
}

/// Becomes an anchor or one of the audience, in live mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SwitchRole {
    /// The room.
    pub room: RoomId,
    /// The role.
    pub role: Role,
}

/// Mutes and unmutes what one publishes; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MuteTrack {
    /// The room.
    pub room: RoomId,
    /// Which publication.
    pub track: TrackKind,
    /// The sound is muted from now on.
    pub audio: Option<bool>,
    /// The picture is muted from now on.
    pub video: Option<bool>,
}

/// Removes members, and keeps them out for a time (hosts, of those below).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Kick {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub users: Vec<UserId>,
    /// Shown to them; up to 256 bytes.
    pub message: Option<String>,
    /// For how long they may not come back; they may at once when absent or 0.
    pub ban_seconds: Option<u32>,
}

impl Kick {
    pub(super) fn command(self) -> Command {
        Command::Order {
            room: self.room,
            order: Order::Kick {
                users: self.users,
                message: self.message.unwrap_or_default(),
                ban: seconds(self.ban_seconds),
            },
        }
    }
}

/// Lets somebody in again (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Unban {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
}

/// Makes a member an administrator, or takes it back (the owner).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SetAdministrator {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// Whether from now on.
    pub is_administrator: bool,
}

/// Brings a new PrivateMapKey for a room that one is in; its rights count from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct UpdatePrivateMapKey {
    /// The room.
    pub room: RoomId,
    /// The new token.
    pub private_map_key: String,
}

impl std::fmt::Debug for UpdatePrivateMapKey {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpdatePrivateMapKey")
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}

/// One page of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RoomList {
    /// The rooms.
    pub rooms: Vec<RoomInfo>,
    /// Whether there are more after them.
    pub more: bool,
}

/// One page of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MemberList {
    /// The members.
    pub members: Vec<MemberView>,
    /// Whether there are more after them.
    pub more: bool,
}

/// The users that a request concerned: those that were named and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserList {
    /// Who.
    pub users: Vec<UserId>,
}

/// The wanted length of a page; the core cuts it to its bound.
fn page(count: Option<u32>) -> usize {
    count.map_or(usize::MAX, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    })
}

impl ListRooms {
    /// The wanted length of the page; the core cuts it to its bound.
    pub fn page(&self) -> usize {
        page(self.count)
    }
}
