//! Rooms, media and relay tasks: event groups 1, 2 and 4.

use relay::StreamId;
use serde::Serialize;

use super::json;
use crate::live::chat::UnixTime;
use crate::live::{LeaveReason, Role, RoomId, UserId};
use crate::webhook::notice::{MediaNotice, Place, RelayNotice, RoomChange, RoomNotice};

pub(in crate::webhook) fn room(notice: &RoomNotice, now: UnixTime) -> Vec<u8> {
    let mut info = EventInfo::new(&notice.key.room, notice.at);
    let event_type = match &notice.change {
        RoomChange::Created { owner } => {
            info.user_id = owner.as_ref();
            101
        }
        RoomChange::Dismissed => 102,
        RoomChange::Entered { user, role } => {
            info.user_id = Some(user);
            info.role = Some(role_number(*role));
            info.came_by_web();
            info.reason = Some(ENTERED);
            103
        }
        RoomChange::Left { user, reason } => {
            info.user_id = Some(user);
            info.came_by_web();
            info.reason = Some(exit_reason(*reason));
            104
        }
        RoomChange::RoleChanged { user, role } => {
            info.user_id = Some(user);
            info.role = Some(role_number(*role));
            info.came_by_web();
            105
        }
    };
    event(1, event_type, now, info)
}

pub(in crate::webhook) fn media(notice: &MediaNotice, now: UnixTime) -> Vec<u8> {
    let mut info = EventInfo::new(&notice.key.room, notice.at);
    info.user_id = Some(&notice.user);
    info.reason = Some(0);
    event(2, notice.change as u16, now, info)
}

pub(in crate::webhook) fn relay(notice: &RelayNotice, now: UnixTime) -> Vec<u8> {
    let mut info = match &notice.place {
        Place::Room(room) => EventInfo::new(room, notice.at),
        Place::Stream(stream) => EventInfo::of_stream(stream, notice.at),
    };
    info.room_type = info.room_id.map(|room| match room {
        RoomId::Number(_) => 0,
        RoomId::Name(_) => 1,
    });
    info.user_id = notice.user.as_ref();
    info.task_id = Some(&notice.task);
    let error = notice.error.as_ref();
    info.payload = Some(RelayPayload {
        url: &notice.url,
        status: notice.status as u8,
        error_code: error.map(|(code, _)| *code),
        error_msg: error.map(|(_, message)| message),
    });
    event(4, 401, now, info)
}

fn event(event_group_id: u8, event_type: u16, now: UnixTime, event_info: EventInfo<'_>) -> Vec<u8> {
    json(&Event {
        event_group_id,
        event_type,
        callback_ts: now.0,
        event_info,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event<'a> {
    event_group_id: u8,
    event_type: u16,
    /// When it was posted, in ms.
    callback_ts: u64,
    event_info: EventInfo<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventInfo<'a> {
    /// A number for a number room, a text for a named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<&'a RoomId>,
    /// Of a stream in no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_type: Option<u8>,
    /// In s.
    event_ts: u64,
    event_ms_ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<RelayPayload<'a>>,
}

impl<'a> EventInfo<'a> {
    fn new(room: &'a RoomId, at: UnixTime) -> Self {
        Self::of(Some(room), None, at)
    }

    fn of_stream(stream: &'a StreamId, at: UnixTime) -> Self {
        Self::of(None, Some(stream.as_str()), at)
    }

    fn of(room_id: Option<&'a RoomId>, stream_id: Option<&'a str>, at: UnixTime) -> Self {
        Self {
            room_id,
            stream_id,
            room_type: None,
            event_ts: at.as_secs(),
            event_ms_ts: at.0,
            user_id: None,
            role: None,
            terminal_type: None,
            user_type: None,
            reason: None,
            task_id: None,
            payload: None,
        }
    }

    /// All who are in a room speak WebRTC; on what machine is not known.
    fn came_by_web(&mut self) {
        self.terminal_type = Some(OTHER_TERMINAL);
        self.user_type = Some(WEB_RTC);
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RelayPayload<'a> {
    url: &'a str,
    status: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_msg: Option<&'a String>,
}

fn role_number(role: Role) -> u8 {
    match role {
        Role::Anchor => 20,
        Role::Audience => 21,
    }
}

fn exit_reason(reason: LeaveReason) -> u8 {
    match reason {
        LeaveReason::Left | LeaveReason::SwitchedRole => 1,
        LeaveReason::Lost => 2,
        LeaveReason::Kicked | LeaveReason::Replaced | LeaveReason::RoomEnded => 3,
    }
}

/// A normal entry.
const ENTERED: u8 = 1;
const OTHER_TERMINAL: u8 = 100;
const WEB_RTC: u8 = 1;
