//! Chat: the group callbacks.

use serde::Serialize;

use super::{Member, json, members};
use crate::live::chat::{DraftPayload, ImagePayload, Message, Payload};
use crate::live::{LeaveReason, RoomId, UserId};
use crate::webhook::notice::{BeforeMessage, ChatChange, ChatNotice};

/// The command and the body.
pub(in crate::webhook) fn chat(notice: &ChatNotice) -> (&'static str, Vec<u8>) {
    let room = &notice.key.room;
    let group = |command| Group::new(command, room, notice.at.0);
    let body = |command, body| (command, json(&body));
    match &notice.change {
        ChatChange::Sent(message) => body(
            AFTER_SEND,
            Body::Sent {
                group: group(AFTER_SEND),
                from: message.from.as_ref().map_or("", UserId::as_str),
                operator: message.from.as_ref().map_or("", UserId::as_str),
                random: message.random,
                online_only_flag: 0,
                msg_seq: Some(message.sequence),
                msg_time: Some(message.time),
                msg_id: Some(&message.id),
                msg_body: element(message).into_iter().collect(),
                cloud_custom_data: &message.cloud_custom_data,
            },
        ),
        ChatChange::Joined(users) => body(
            AFTER_JOIN,
            Body::Joined {
                group: group(AFTER_JOIN),
                join_type: "Apply",
                operator: users.first().map_or("", UserId::as_str),
                new_member_list: members(users),
            },
        ),
        ChatChange::Left { users, reason } => body(
            AFTER_EXIT,
            Body::Left {
                group: group(AFTER_EXIT),
                exit_type: match reason {
                    LeaveReason::Kicked => "Kicked",
                    _ => "Quit",
                },
                operator: users.first().map_or("", UserId::as_str),
                exit_member_list: members(users),
            },
        ),
    }
}

/// The command and the body of the question before a message.
pub(in crate::webhook) fn before(message: &BeforeMessage) -> (&'static str, Vec<u8>) {
    let draft = &message.draft;
    let body = Body::Sent {
        group: Group::new(BEFORE_SEND, &message.key.room, message.at.0),
        from: message.from.as_str(),
        operator: message.from.as_str(),
        random: draft.random,
        online_only_flag: 0,
        msg_seq: None,
        msg_time: None,
        msg_id: None,
        msg_body: vec![draft_element(&draft.payload)],
        cloud_custom_data: &draft.cloud_custom_data,
    };
    (BEFORE_SEND, json(&body))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Group<'a> {
    callback_command: &'static str,
    group_id: String,
    /// Which tells number rooms and named rooms apart.
    room_id: &'a RoomId,
    r#type: &'static str,
    /// In ms.
    event_time: u64,
}

impl<'a> Group<'a> {
    fn new(callback_command: &'static str, room_id: &'a RoomId, event_time: u64) -> Self {
        Self {
            callback_command,
            group_id: room_id.to_string(),
            room_id,
            r#type: "AVChatRoom",
            event_time,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
enum Body<'a> {
    Sent {
        #[serde(flatten)]
        group: Group<'a>,
        #[serde(rename = "From_Account")]
        from: &'a str,
        #[serde(rename = "Operator_Account")]
        operator: &'a str,
        random: u32,
        online_only_flag: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        msg_seq: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        msg_time: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        msg_id: Option<&'a str>,
        msg_body: Vec<Element<'a>>,
        cloud_custom_data: &'a str,
    },
    Joined {
        #[serde(flatten)]
        group: Group<'a>,
        join_type: &'static str,
        #[serde(rename = "Operator_Account")]
        operator: &'a str,
        new_member_list: Vec<Member<'a>>,
    },
    Left {
        #[serde(flatten)]
        group: Group<'a>,
        exit_type: &'static str,
        #[serde(rename = "Operator_Account")]
        operator: &'a str,
        exit_member_list: Vec<Member<'a>>,
    },
}

#[derive(Serialize)]
#[serde(tag = "MsgType", content = "MsgContent")]
enum Element<'a> {
    #[serde(rename = "TIMTextElem", rename_all = "PascalCase")]
    Text { text: &'a str },
    #[serde(rename = "TIMCustomElem", rename_all = "PascalCase")]
    Custom {
        data: &'a str,
        desc: &'a str,
        ext: &'a str,
    },
    #[serde(rename = "TIMImageElem", rename_all = "PascalCase")]
    Image {
        #[serde(rename = "UUID")]
        uuid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        image_format: Option<u8>,
        image_info_array: Vec<Image<'a>>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Image<'a> {
    /// 1 is the original, 2 and 3 are smaller ones.
    r#type: usize,
    size: u64,
    width: u32,
    height: u32,
    #[serde(rename = "URL")]
    url: &'a str,
}

/// A room's own notices are no messages to a back end.
fn element(message: &Message) -> Option<Element<'_>> {
    Some(match &message.payload {
        Payload::Text(text) => Element::Text { text: &text.text },
        Payload::Custom(custom) => Element::Custom {
            data: &custom.data,
            desc: &custom.description,
            ext: &custom.extension,
        },
        Payload::Image(image) => image_element(image),
        Payload::Tip(_) => return None,
    })
}

fn draft_element(payload: &DraftPayload) -> Element<'_> {
    match payload {
        DraftPayload::Text(text) => Element::Text { text: &text.text },
        DraftPayload::Custom(custom) => Element::Custom {
            data: &custom.data,
            desc: &custom.description,
            ext: &custom.extension,
        },
        DraftPayload::Image { uuid } => Element::Image {
            uuid,
            image_format: None,
            image_info_array: Vec::new(),
        },
    }
}

fn image_element(image: &ImagePayload) -> Element<'_> {
    let sizes = image.image_info_array.iter().enumerate();
    Element::Image {
        uuid: &image.uuid,
        image_format: Some(match image.image_format.as_str() {
            "jpg" => 1,
            "gif" => 2,
            "png" => 3,
            "bmp" => 4,
            _ => 255,
        }),
        image_info_array: sizes
            .map(|(index, size)| Image {
                r#type: index + 1,
                size: size.size,
                width: size.width,
                height: size.height,
                url: &size.url,
            })
            .collect(),
    }
}

const BEFORE_SEND: &str = "Group.CallbackBeforeSendMsg";
const AFTER_SEND: &str = "Group.CallbackAfterSendMsg";
const AFTER_JOIN: &str = "Group.CallbackAfterNewMemberJoin";
const AFTER_EXIT: &str = "Group.CallbackAfterMemberExit";
