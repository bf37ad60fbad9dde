//! One command with its caller: what its body says, and the way to the hub.

use serde_json::{Map, Value};

use super::failure::{Failure, bad};
use crate::http::api::Api;
use crate::live::chat::{CustomPayload, Priority, TextPayload};
use crate::live::{AppId, LiveError, RoomId, UserId};
use crate::signal::hub::admin::{AdminError, Call, Content, MAX_USERS, Reply};

pub(super) type Answer = Result<Map<String, Value>, Failure>;

/// One command with its caller.
pub(super) struct Desk<'a> {
    pub(super) api: &'a Api,
    pub(super) app: AppId,
    pub(super) user: UserId,
    pub(super) body: Map<String, Value>,
}

impl Desk<'_> {
    /// Asks about a group: a group of digits is the number room, or else the room with that name.
    pub(super) async fn ask(
        &self,
        group: &str,
        call: impl Fn(RoomId) -> Call,
    ) -> Result<Reply, Failure> {
        let room = room_of(group)?;
        let is_number = matches!(room, RoomId::Number(_));
        match self.api.ask(self.app, call(room)).await {
            Err(AdminError::Live(LiveError::NoSuchRoom { room })) if is_number => {
                let name = RoomId::name(group).map_err(LiveError::BadId)?;
                let again = self.api.ask(self.app, call(name)).await;
                Ok(again.map_err(|error| match error {
                    AdminError::Live(LiveError::NoSuchRoom { .. }) => {
                        AdminError::Live(LiveError::NoSuchRoom { room })
                    }
                    other => other,
                })?)
            }
            other => Ok(other?),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, Failure> {
        self.optional(name)?
            .ok_or_else(|| bad(&format!("{name} is missing; it is a text")))
    }

    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(&format!("{name} is a text"))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| bad(&format!("{name} is a whole number"))),
        }
    }

    pub(super) fn index(&self) -> Result<u16, Failure> {
        let index = self.number("Index")?.and_then(|n| u16::try_from(n).ok());
        index.ok_or_else(|| bad("Index is the number of a seat, from 0"))
    }

    pub(super) fn users(&self, name: &str) -> Result<Vec<UserId>, Failure> {
        let list = self.body.get(name).and_then(Value::as_array);
        let list = list.filter(|list| (1..=MAX_USERS).contains(&list.len()));
        let list = list.ok_or_else(|| bad(&format!("{name} names 1 to {MAX_USERS} users")))?;
        list.iter()
            .map(|name| user(name.as_str().unwrap_or_default()))
            .collect()
    }

    pub(super) fn priority(&self) -> Result<Priority, Failure> {
        match self.optional("MsgPriority")? {
            None => Ok(Priority::Normal),
            Some(text) => Priority::ALL
                .into_iter()
                .find(|priority| format!("{priority:?}") == text)
                .ok_or_else(|| bad("MsgPriority is High, Normal, Low or Lowest")),
        }
    }

    pub(super) fn content(&self) -> Result<Content, Failure> {
        let body = self.body.get("MsgBody").and_then(Value::as_array);
        let Some([element]) = body.map(Vec::as_slice) else {
            return Err(bad("MsgBody is a list of one element"));
        };
        let content = element.get("MsgContent").unwrap_or(&Value::Null);
        let text = |name: &str| {
            let text = content.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        match element.get("MsgType").and_then(Value::as_str) {
            Some("TIMTextElem") => Ok(Content::Text(TextPayload { text: text("Text") })),
            Some("TIMCustomElem") => Ok(Content::Custom(CustomPayload {
                data: text("Data"),
                description: text("Desc"),
                extension: text("Ext"),
            })),
            _ => Err(bad("MsgType is TIMTextElem or TIMCustomElem")),
        }
    }
}

/// The room of a group or room id in this form, where all ids are texts.
pub(super) fn room_of(group: &str) -> Result<RoomId, Failure> {
    let room = RoomId::parse_number(group).or_else(|_| RoomId::name(group));
    room.map_err(|error| LiveError::BadId(error).into())
}

pub(super) fn user(text: &str) -> Result<UserId, Failure> {
    text.parse().map_err(|error| LiveError::BadId(error).into())
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
