//! Chat messages: what a client sends, what a room delivers, and their limits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ChatError;
use crate::live::{RoomId, UserId};

/// Wall clock: milliseconds since 1970. For what outlives a run; rates use monotonic time.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Later by a duration.
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// Time from `earlier` to here; zero when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970.
    pub fn as_secs(self) -> u64 {
        self.0 / 1_000
    }
}

/// What goes first when a room has too much to deliver. The lowest is dropped first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[repr(usize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Priority {
    /// Likes and join notices.
    Lowest,
    /// Less than talk.
    Low,
    /// Talk.
    #[default]
    Normal,
    /// Gifts and what hosts announce.
    High,
}

impl Priority {
    /// All, lowest first, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Lowest, Self::Low, Self::Normal, Self::High];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lowest => "lowest",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// A message as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// Normal when absent.
    #[serde(default)]
    pub priority: Priority,
    /// The content.
    #[serde(flatten)]
    pub payload: DraftPayload,
    /// The application's own data, passed on.
    #[serde(default)]
    pub cloud_custom_data: String,
    /// The client's number against doubles, passed on.
    #[serde(default)]
    pub random: u32,
}

/// Content as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload")]
pub enum DraftPayload {
    /// Text for people.
    #[serde(rename = "TIMTextElem")]
    Text(TextPayload),
    /// Data for programs.
    #[serde(rename = "TIMCustomElem")]
    Custom(CustomPayload),
    /// An uploaded image.
    #[serde(rename = "TIMImageElem")]
    Image {
        /// The id that the upload gave.
        uuid: String,
    },
}

/// Text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TextPayload {
    /// The text. Pages show it as text, never as HTML.
    pub text: String,
}

/// Data for programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CustomPayload {
    /// What it is.
    pub data: String,
    /// What it means to people: looked at by the word filter.
    pub description: String,
    /// Anything else.
    pub extension: String,
}

/// An image in its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ImagePayload {
    /// The upload's id.
    pub uuid: String,
    /// `jpg`, `png`, `gif`, `webp` or `bmp`.
    pub image_format: String,
    /// The original first, then smaller ones.
    pub image_info_array: Vec<ImageInfo>,
}

/// One size of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ImageInfo {
    /// Where it is served, as a path.
    pub url: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes.
    pub size: u64,
}

/// A notice of the room itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct GroupTip {
    /// What happened, as the number of a [`TipKind`]: 1 came, 2 went, 3 removed, 4 and 5
    /// administrators named and dismissed, 6 the room, 7 a member, 10 and 11 ban and its end.
    pub operation_type: u8,
    /// Who did it; none for what nobody in the room did.
    #[serde(
        default,
        rename = "operatorID",
        skip_serializing_if = "Option::is_none"
    )]
    pub operator_id: Option<UserId>,
    /// Whom it concerns. Not all of them in a large room.
    #[serde(rename = "userIDList")]
    pub user_id_list: Vec<UserId>,
    /// Members in the room afterwards, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_count: Option<u32>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TipKind {
    /// Members came.
    Join = 1,
    /// Members went.
    Quit = 2,
    /// Members were removed.
    Kicked = 3,
    /// Members became administrators.
    AdminSet = 4,
    /// Members are administrators no more.
    AdminCancelled = 5,
    /// The room's profile changed; mute-all is a part of it.
    RoomProfile = 6,
    /// A member's profile changed; a mute is a part of it.
    MemberProfile = 7,
    /// Members were banned.
    Banned = 10,
    /// A ban ended by a host.
    Unbanned = 11,
}

/// Content as a room delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Payload {
    /// Text for people.
    #[serde(rename = "TIMTextElem")]
    Text(TextPayload),
    /// Data for programs.
    #[serde(rename = "TIMCustomElem")]
    Custom(CustomPayload),
    /// An image.
    #[serde(rename = "TIMImageElem")]
    Image(ImagePayload),
    /// A notice of the room.
    #[serde(rename = "TIMGroupTipElem")]
    Tip(GroupTip),
}

/// A message as a room delivers and keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Message {
    /// Different for each message of a room.
    #[serde(rename = "ID")]
    pub id: String,
    /// Position in the room, from 1, without gaps. 0 until the room has delivered it.
    pub sequence: u64,
    /// The client's number.
    pub random: u32,
    /// The sender; none for the room itself and its application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// The room.
    pub to: RoomId,
    /// Seconds since 1970.
    pub time: u64,
    /// What it was sent with.
    pub priority: Priority,
    /// The sender's nick at that time.
    pub nick: String,
    /// The sender's picture at that time.
    pub avatar: String,
    /// The sender's name in this room.
    pub name_card: String,
    /// The application's own data.
    pub cloud_custom_data: String,
    /// Taken back: the content is empty then.
    pub is_revoked: bool,
    /// The content.
    #[serde(flatten)]
    pub payload: Payload,
}

impl Draft {
    /// A text with normal priority.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            priority: Priority::Normal,
            payload: DraftPayload::Text(TextPayload { text: text.into() }),
            cloud_custom_data: String::new(),
            random: 0,
        }
    }

    /// Checks size and content.
    ///
    /// # Errors
    /// 80002 over [`MAX_MESSAGE`], 10004 for an empty text or one with control characters, 2251
    /// for something that no upload gave.
    pub fn check(&self) -> Result<(), ChatError> {
        let bytes = self.cloud_custom_data.len()
            + match &self.payload {
                DraftPayload::Text(text) => text.text.len(),
                DraftPayload::Custom(custom) => {
                    custom.data.len() + custom.description.len() + custom.extension.len()
                }
                DraftPayload::Image { uuid } => uuid.len(),
            };
        if bytes > MAX_MESSAGE {
            return Err(ChatError::TooLong {
                bytes,
                allowed: MAX_MESSAGE,
            });
        }
        match &self.payload {
            DraftPayload::Text(text) if text.text.is_empty() => Err(ChatError::BadValue {
                what: "an empty text",
                allowed: "a text has 1 byte to 12 KB",
            }),
            DraftPayload::Text(text) if text.text.contains(is_forbidden) => {
                Err(ChatError::BadValue {
                    what: "a control character in a text",
                    allowed: "tab and line breaks are",
                })
            }
            DraftPayload::Image { uuid } if !is_image_id(uuid) => Err(ChatError::ImageMissing {
                id: uuid.chars().take(64).filter(|c| !c.is_control()).collect(),
            }),
            _ => Ok(()),
        }
    }
}

impl Message {
    /// The message taken back: everything that was said is gone.
    pub fn revoked(&self) -> Self {
        Self {
            is_revoked: true,
            cloud_custom_data: String::new(),
            payload: match &self.payload {
                Payload::Custom(_) => Payload::Custom(CustomPayload::default()),
                _ => Payload::Text(TextPayload {
                    text: String::new(),
                }),
            },
            ..self.clone()
        }
    }
}

/// Whether a text could be an upload's id: 64 lower-case hexadecimal digits, so that it is a
/// file name and nothing more.
pub fn is_image_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_forbidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// Most bytes of all texts of one message.
pub const MAX_MESSAGE: usize = 12 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(data: usize, description: usize, extension: usize) -> Draft {
        Draft {
            payload: DraftPayload::Custom(CustomPayload {
                data: "d".repeat(data),
                description: "e".repeat(description),
                extension: "x".repeat(extension),
            }),
            ..Draft::text("")
        }
    }

    #[test]
    fn twelve_kilobytes_are_allowed_and_one_byte_more_is_80002() {
        assert_eq!(Draft::text("x".repeat(12_288)).check(), Ok(()));
        let code = |draft: Draft| draft.check().expect_err("too long").code();
        assert_eq!(code(Draft::text("x".repeat(12_289))), 80_002);
        assert_eq!(
            code(Draft::text("语".repeat(4_097))),
            80_002,
            "bytes are counted"
        );
        assert_eq!(custom(4_000, 4_000, 4_288).check(), Ok(()));
        assert_eq!(code(custom(4_000, 4_000, 4_289)), 80_002);
        let mut draft = custom(12_288, 0, 0);
        draft.cloud_custom_data = "c".into();
        assert_eq!(code(draft), 80_002);
    }

    #[test]
    fn empty_texts_and_control_characters_are_10004() {
        for text in ["", "a\0b", "\u{7}", "\u{9b}31m"] {
            assert_eq!(
                Draft::text(text).check().expect_err(text).code(),
                10_004,
                "{text:?}"
            );
        }
        assert_eq!(Draft::text("two\r\n\tlines <b>&amp;").check(), Ok(()));
        assert_eq!(custom(0, 0, 0).check(), Ok(()));
    }

    #[test]
    fn an_image_id_is_no_path() {
        let image = |uuid: &str| Draft {
            payload: DraftPayload::Image { uuid: uuid.into() },
            ..Draft::text("")
        };
        assert_eq!(image(&"a0".repeat(32)).check(), Ok(()));
        for uuid in ["", "../../etc/passwd", &"A0".repeat(32), &"a0".repeat(33)] {
            assert_eq!(image(uuid).check().expect_err(uuid).code(), 2251);
        }
    }

    #[test]
    fn the_wire_names_are_the_documented_ones() {
        let draft: Draft = serde_json::from_str(
            r#"{"type":"TIMCustomElem","payload":{"data":"like"},"priority":"Low"}"#,
        )
        .unwrap();
        assert_eq!(draft.priority, Priority::Low);
        assert!(matches!(draft.payload, DraftPayload::Custom(c) if c.data == "like"));
        let draft: Draft =
            serde_json::from_str(r#"{"type":"TIMTextElem","payload":{"text":"hi"}}"#).unwrap();
        assert_eq!(draft, Draft::text("hi"));

        let message = Message {
            id: "m1".into(),
            sequence: 7,
            random: 3,
            from: Some("anna".parse().unwrap()),
            to: RoomId::number(5).unwrap(),
            time: 1_700_000_000,
            priority: Priority::High,
            nick: "Anna".into(),
            avatar: "".into(),
            name_card: "".into(),
            cloud_custom_data: String::new(),
            is_revoked: false,
            payload: Payload::Tip(GroupTip {
                operation_type: TipKind::Join as u8,
                operator_id: None,
                user_id_list: vec!["anna".parse().unwrap()],
                member_count: Some(2),
            }),
        };
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "ID": "m1", "sequence": 7, "random": 3, "from": "anna", "to": 5,
                "time": 1_700_000_000, "priority": "High", "nick": "Anna", "avatar": "",
                "nameCard": "", "cloudCustomData": "", "isRevoked": false,
                "type": "TIMGroupTipElem",
                "payload": {"operationType": 1, "userIDList": ["anna"], "memberCount": 2},
            })
        );
        assert_eq!(serde_json::from_value::<Message>(json).unwrap(), message);
        let revoked = message.revoked();
        assert!(
            revoked.is_revoked && matches!(revoked.payload, Payload::Text(t) if t.text.is_empty())
        );
    }

    #[test]
    fn the_lowest_priority_is_the_smallest() {
        assert!(Priority::ALL.is_sorted());
        for (index, priority) in Priority::ALL.into_iter().enumerate() {
            assert_eq!(priority as usize, index);
        }
    }
}
