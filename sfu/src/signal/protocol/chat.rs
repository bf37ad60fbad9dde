//! Chat: messages, likes, mutes, shared texts and numbers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::live::chat::{
    CustomPayload, Draft, DraftPayload, LikeTotal, Message, Priority, TextPayload,
};
use crate::live::{RoomId, UserId};

/// Sends a message to a room's chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SendMessage {
    /// The room.
    pub room: RoomId,
    /// What is said.
    pub content: MessageContent,
    /// What goes first when the room has too much to deliver; `Normal` when absent.
    pub priority: Option<Priority>,
    /// The page's own data, passed on.
    pub cloud_custom_data: Option<String>,
    /// The client's number against doubles, passed on; 0 when absent.
    pub random: Option<u32>,
}

impl SendMessage {
    /// The message for the chat core.
    pub fn draft(self) -> Draft {
        Draft {
            priority: self.priority.unwrap_or_default(),
            payload: match self.content {
                MessageContent::Text(TextContent { text }) => {
                    DraftPayload::Text(TextPayload { text })
                }
                MessageContent::Custom(custom) => DraftPayload::Custom(CustomPayload {
                    data: custom.data.unwrap_or_default(),
                    description: custom.description.unwrap_or_default(),
                    extension: custom.extension.unwrap_or_default(),
                }),
                MessageContent::Image(ImageContent { uuid }) => DraftPayload::Image { uuid },
            },
            cloud_custom_data: self.cloud_custom_data.unwrap_or_default(),
            random: self.random.unwrap_or_default(),
        }
    }
}

/// The content of a message that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum MessageContent {
    /// Text for people.
    #[serde(rename = "TIMTextElem")]
    Text(TextContent),
    /// Data for programs.
    #[serde(rename = "TIMCustomElem")]
    Custom(CustomContent),
    /// An uploaded image.
    #[serde(rename = "TIMImageElem")]
    Image(ImageContent),
}

/// Text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TextContent {
    /// The text.
    pub text: String,
}

/// Data for programs; what is absent is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct CustomContent {
    /// What it is.
    pub data: Option<String>,
    /// What it means to people: looked at by the word filter.
    pub description: Option<String>,
    /// Anything else.
    pub extension: Option<String>,
}

/// An uploaded image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ImageContent {
    /// The id that the upload gave.
    pub uuid: String,
}

/// Likes a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Like {
    /// The room.
    pub room: RoomId,
    /// How often; 1 to 100.
    pub count: u32,
}

/// One page of a room's last messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct History {
    /// The room.
    pub room: RoomId,
    /// Only messages before this `sequence`; the last ones when absent.
    pub before: Option<u64>,
    /// Messages in the page; 15 when absent, the bound for pages when more than that.
    pub count: Option<u32>,
}

/// Takes a message of the history back (its sender, hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct RevokeMessage {
    /// The room.
    pub room: RoomId,
    /// The message's `sequence`.
    pub sequence: u64,
}

/// Keeps a user from sending for a time (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MuteUser {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// For how long; 0 lets the user send again.
    pub seconds: u32,
}

impl MuteUser {
    /// How long.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Keeps everybody but the hosts from sending, or no more (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MuteAll {
    /// The room.
    pub room: RoomId,
    /// Whether from now on.
    pub muted: bool,
}

/// The texts that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Attributes {
    /// The room.
    pub room: RoomId,
}

/// Replaces all texts that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct InitAttributes {
    /// The room.
    pub room: RoomId,
    /// Texts by name: at most 16, a name of 1 to 32 bytes, a text of up to 4 KB, 16 KB together.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub attributes: BTreeMap<String, String>,
}

/// Adds and overwrites texts that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SetAttributes {
    /// The room.
    pub room: RoomId,
    /// Texts by name, within the bounds of `initAttributes`.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub attributes: BTreeMap<String, String>,
}

/// Takes texts that a room shares away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct DeleteAttributes {
    /// The room.
    pub room: RoomId,
    /// Which; all of them when empty.
    pub names: Vec<String>,
}

/// The numbers that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Counters {
    /// The room.
    pub room: RoomId,
}

/// Sets numbers that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SetCounters {
    /// The room.
    pub room: RoomId,
    /// Numbers by name: at most 20, a name of 1 to 32 bytes.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    pub counters: BTreeMap<String, i64>,
}

/// Adds to a number that a room shares; one that is new starts at 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct AddCounter {
    /// The room.
    pub room: RoomId,
    /// Which.
    pub name: String,
    /// How much; negative takes away.
    pub amount: i64,
}

/// The message was taken. A room that is too fast may still drop it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sent {
    /// As the others get it; `sequence` is 0 because the room has not delivered it yet.
    pub message: Message,
}

/// Messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MessageList {
    /// The messages.
    #[serde(serialize_with = "write_messages")]
    #[cfg_attr(test, ts(as = "Vec<Message>"))]
    pub messages: Vec<Arc<Message>>,
}

/// The texts that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AttributeValues {
    /// By name.
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub attributes: BTreeMap<String, String>,
}

/// The numbers that a room shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CounterValues {
    /// By name.
    #[cfg_attr(test, ts(type = "Record<string, number>"))]
    pub counters: BTreeMap<String, i64>,
}

/// What a client is told of a room's chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ChatEvent {
    /// Somebody else has sent a message, or the room tells of its members.
    Message {
        /// The room.
        room: RoomId,
        /// The message.
        #[serde(serialize_with = "write_message")]
        #[cfg_attr(test, ts(as = "Message"))]
        message: Arc<Message>,
    },
    /// A message of the history was taken back.
    MessageRevoked {
        /// The room.
        room: RoomId,
        /// The message, with nothing of what was said.
        #[serde(serialize_with = "write_message")]
        #[cfg_attr(test, ts(as = "Message"))]
        message: Arc<Message>,
    },
    /// The room was liked; told at most twice a second.
    Likes {
        /// The room.
        room: RoomId,
        /// Since the room was made.
        total_likes_received: u64,
        /// Since the event before.
        added: u64,
        /// The last one who liked.
        sender: UserId,
    },
    /// A user may not send for a time, or may again.
    UserMuted {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// For how long; 0 is no longer.
        seconds: u32,
    },
    /// Nobody but the hosts may send, or everybody may again.
    AllMuted {
        /// The room.
        room: RoomId,
        /// Whether from now on.
        muted: bool,
    },
    /// Texts that the room shares changed.
    AttributesChanged {
        /// The room.
        room: RoomId,
        /// New values by name.
        #[cfg_attr(test, ts(type = "Record<string, string>"))]
        set: BTreeMap<String, String>,
        /// Names that are gone.
        deleted: Vec<String>,
    },
    /// Numbers that the room shares changed; told at most twice a second.
    CountersChanged {
        /// The room.
        room: RoomId,
        /// New values by name.
        #[cfg_attr(test, ts(type = "Record<string, number>"))]
        counters: BTreeMap<String, i64>,
    },
}

impl ChatEvent {
    /// What the chat core says about `room`.
    pub fn from_core(room: RoomId, event: crate::live::chat::ChatEvent) -> Self {
        match event {
            crate::live::chat::ChatEvent::Message { message, .. } => {
                Self::Message { room, message }
            }
            crate::live::chat::ChatEvent::Likes(LikeTotal {
                total_likes_received,
                added,
                sender,
            }) => Self::Likes {
                room,
                total_likes_received,
                added,
                sender,
            },
            crate::live::chat::ChatEvent::Counters(counters) => {
                Self::CountersChanged { room, counters }
            }
        }
    }

    /// The room that the event is about.
    pub fn room(&self) -> &RoomId {
        match self {
            Self::Message { room, .. }
            | Self::MessageRevoked { room, .. }
            | Self::Likes { room, .. }
            | Self::UserMuted { room, .. }
            | Self::AllMuted { room, .. }
            | Self::AttributesChanged { room, .. }
            | Self::CountersChanged { room, .. } => room,
        }
    }
}

fn write_message<S: Serializer>(message: &Arc<Message>, serializer: S) -> Result<S::Ok, S::Error> {
    message.serialize(serializer)
}

fn write_messages<S: Serializer>(
    messages: &[Arc<Message>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(|message| &**message))
}
