//! Live rooms and their seats.

use serde::Serialize;

use super::json;
use crate::live::chat::UnixTime;
use crate::live::{LeaveReason, RoomId, RoomInfo, Scene, SeatMode, SeatView, UserId};
use crate::webhook::notice::{LiveChange, LiveNotice, SeatsNotice};

/// The command and the body.
pub(in crate::webhook) fn live(notice: &LiveNotice) -> (&'static str, Vec<u8>) {
    let is_call = notice.scene == Some(Scene::Rtc);
    let pick = |room: &'static str, live: &'static str| if is_call { room } else { live };
    let room_type = pick("Conference", "Live");
    let operator = notice.operator.as_ref();
    let base = |callback_command| Base {
        callback_command,
        operator: operator.map_or("", UserId::as_str),
        event_time: notice.at,
    };
    let room_id = &notice.key.room;
    match &notice.change {
        LiveChange::Created(info) => {
            let command = pick(
                "Room.CallbackAfterCreateRoom",
                "Live.CallbackAfterCreateRoom",
            );
            let body = Body::Room {
                base: base(command),
                room_info: Room::new(info, room_type),
            };
            (command, json(&body))
        }
        LiveChange::Updated(info) => {
            let command = pick(
                "Room.CallbackAfterUpdateRoomInfo",
                "Live.CallbackAfterUpdateRoomInfo",
            );
            let body = Body::Room {
                base: base(command),
                room_info: Room::new(info, room_type),
            };
            (command, json(&body))
        }
        LiveChange::Destroyed { by_user } => {
            let command = pick(
                "Room.CallbackAfterDestroyRoom",
                "Live.CallbackAfterDestroyRoom",
            );
            let body = Body::Destroyed {
                base: base(command),
                room_id,
                event_type: if *by_user {
                    "DestroyByUser"
                } else {
                    "DestroyBySystem"
                },
            };
            (command, json(&body))
        }
        LiveChange::Entered { user, online } => {
            let command = pick(
                "Room.CallbackAfterMemberEnter",
                "Live.CallbackAfterMemberEnter",
            );
            let body = Body::Member {
                base: Base {
                    operator: user.as_str(),
                    ..base(command)
                },
                room_id,
                member_count: *online,
                r#type: "Enter",
                reason: None,
                members: [user],
            };
            (command, json(&body))
        }
        LiveChange::Left {
            user,
            online,
            reason,
        } => {
            let command = pick(
                "Room.CallbackAfterMemberLeave",
                "Live.CallbackAfterMemberLeave",
            );
            let body = Body::Member {
                base: Base {
                    operator: operator.unwrap_or(user).as_str(),
                    ..base(command)
                },
                room_id,
                member_count: *online,
                r#type: "Leave",
                reason: Some(*reason),
                members: [user],
            };
            (command, json(&body))
        }
    }
}

/// The command and the body.
pub(in crate::webhook) fn seats(notice: &SeatsNotice) -> (&'static str, Vec<u8>) {
    let body = Body::Seats {
        base: Base {
            callback_command: SEATS,
            operator: notice.operator.as_ref().map_or("", UserId::as_str),
            event_time: notice.at,
        },
        room_id: &notice.key.room,
        seat_list: notice.seats.iter().map(Seat::new).collect(),
    };
    (SEATS, json(&body))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Base<'a> {
    callback_command: &'static str,
    /// Empty for the server and its operator.
    #[serde(rename = "Operator_Account")]
    operator: &'a str,
    /// In ms.
    event_time: UnixTime,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
enum Body<'a> {
    Room {
        #[serde(flatten)]
        base: Base<'a>,
        room_info: Room<'a>,
    },
    Destroyed {
        #[serde(flatten)]
        base: Base<'a>,
        room_id: &'a RoomId,
        event_type: &'static str,
    },
    Member {
        #[serde(flatten)]
        base: Base<'a>,
        room_id: &'a RoomId,
        member_count: usize,
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<LeaveReason>,
        #[serde(rename = "MemberList_Account")]
        members: [&'a UserId; 1],
    },
    Seats {
        #[serde(flatten)]
        base: Base<'a>,
        room_id: &'a RoomId,
        seat_list: Vec<Seat<'a>>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Room<'a> {
    room_id: &'a RoomId,
    room_name: &'a str,
    room_type: &'static str,
    notice: &'a str,
    #[serde(rename = "Owner_Account")]
    owner: &'a str,
    member_count: usize,
    is_seat_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    take_seat_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_seat_count: Option<u16>,
}

impl<'a> Room<'a> {
    fn new(info: &'a RoomInfo, room_type: &'static str) -> Self {
        Self {
            room_id: &info.room,
            room_name: &info.name,
            room_type,
            notice: &info.notice,
            owner: info.owner.as_ref().map_or("", UserId::as_str),
            member_count: info.online,
            is_seat_enabled: info.seats.is_some(),
            take_seat_mode: info.seats.as_ref().map(|seats| match seats.mode {
                SeatMode::FreeToTake => "FreeToTake",
                SeatMode::ApplyToTake => "ApplyToTake",
            }),
            max_seat_count: info.seats.as_ref().map(|seats| seats.count),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Seat<'a> {
    index: u16,
    #[serde(rename = "Member_Account", skip_serializing_if = "Option::is_none")]
    user: Option<&'a UserId>,
    is_taken_disabled: bool,
    is_video_disabled: bool,
    is_audio_disabled: bool,
}

impl<'a> Seat<'a> {
    fn new(seat: &'a SeatView) -> Self {
        Self {
            index: seat.index,
            user: seat.user.as_ref().map(|user| &user.user),
            is_taken_disabled: seat.is_locked,
            is_video_disabled: seat.is_video_locked,
            is_audio_disabled: seat.is_audio_locked,
        }
    }
}

const SEATS: &str = "Mic.CallbackAfterSeatInfoChanged";
