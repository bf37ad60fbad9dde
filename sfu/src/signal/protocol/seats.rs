//! Seats for guests, and hosts of connected rooms.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::live::{
    CoHostOrder, Command, Device, MovePolicy, Order, RoomId, SeatCommand, SeatOrder, UserId,
};

/// Sits down where that is free, or for hosts; else applies without a time limit. One who sits
/// moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct TakeSeat {
    /// The room.
    pub room: RoomId,
    /// The seat; any when absent.
    pub seat: Option<u16>,
}

/// Stands up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct LeaveSeat {
    /// The room.
    pub room: RoomId,
}

/// Applies for a seat, or takes it where that is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ApplyForSeat {
    /// The room.
    pub room: RoomId,
    /// The seat; any when absent.
    pub seat: Option<u16>,
    /// How long the application stays; until it is answered when absent or 0.
    pub timeout_seconds: Option<u32>,
}

/// Takes one's application back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct CancelApplication {
    /// The room.
    pub room: RoomId,
}

/// Accepts or rejects an application (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct AnswerApplication {
    /// The room.
    pub room: RoomId,
    /// Who applied.
    pub guest: UserId,
    /// Whether the guest gets the seat.
    pub accept: bool,
}

/// Invites somebody to a seat (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct InviteToSeat {
    /// The room.
    pub room: RoomId,
    /// Who is invited.
    pub guest: UserId,
    /// The seat; any when absent.
    pub seat: Option<u16>,
    /// How long the invitation stays; until it is answered when absent or 0.
    pub timeout_seconds: Option<u32>,
}

/// Takes an invitation of one's own back (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct CancelInvitation {
    /// The room.
    pub room: RoomId,
    /// Who was invited.
    pub guest: UserId,
}

/// Accepts or rejects an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct AnswerInvitation {
    /// The room.
    pub room: RoomId,
    /// Who invited.
    pub host: UserId,
    /// Whether to sit down.
    pub accept: bool,
}

/// Moves to a free seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MoveSeat {
    /// The room.
    pub room: RoomId,
    /// The new seat.
    pub target: u16,
}

/// Takes users off their seats (hosts, those below).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct KickOffSeat {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub users: Vec<UserId>,
}

/// Locks or unlocks a seat (hosts). The one who sits there stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct LockSeat {
    /// The room.
    pub room: RoomId,
    /// The seat.
    pub seat: u16,
    /// Whether it is locked from now on.
    pub locked: bool,
}

/// Moves somebody to another seat (hosts, those below).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MoveUser {
    /// The room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// Where to.
    pub target: u16,
    /// What happens to the one who sits there.
    pub policy: MovePolicy,
}

/// Closes somebody's microphone or camera, or lets its user open it again (hosts, those below).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SetDevice {
    /// The room.
    pub room: RoomId,
    /// Whose.
    pub user: UserId,
    /// Which.
    pub device: Device,
    /// `false` closes; `true` lifts the lock and turns nothing on.
    pub open: bool,
}

/// Asks another room of the app to connect with this one (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct RequestCoHost {
    /// The room.
    pub room: RoomId,
    /// The room that is asked.
    pub other: RoomId,
    /// How long the request stays; until it is answered when absent or 0.
    pub timeout_seconds: Option<u32>,
    /// The page's own text for the other hosts; up to 1000 bytes.
    pub extension: Option<String>,
}

/// Takes a request to connect back (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct CancelCoHost {
    /// The room.
    pub room: RoomId,
    /// The room that was asked.
    pub other: RoomId,
}

/// Accepts or rejects another room's request (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct AnswerCoHost {
    /// The room.
    pub room: RoomId,
    /// The room that asks.
    pub other: RoomId,
    /// Whether to connect.
    pub accept: bool,
}

/// Leaves the group of connected rooms (hosts); nothing when in none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ExitCoHost {
    /// The room.
    pub room: RoomId,
}

/// Mutes a connected room's sound for this room's audience (hosts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct MuteCoHost {
    /// The room.
    pub room: RoomId,
    /// The other room.
    pub other: RoomId,
    /// Whether from now on.
    pub muted: bool,
}

/// How a request about a seat ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatAnswer {
    /// The seat that was taken. Absent when nobody sat down: an application waits for a host,
    /// or was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub seat: Option<u16>,
}

/// A time from the wire: absent and 0 are none.
pub(super) fn seconds(seconds: Option<u32>) -> Option<Duration> {
    seconds
        .filter(|seconds| *seconds != 0)
        .map(|seconds| Duration::from_secs(seconds.into()))
}

fn own(room: RoomId, command: SeatCommand) -> Command {
    Command::Seat { room, command }
}

fn order(room: RoomId, order: SeatOrder) -> Command {
    Command::Order {
        room,
        order: Order::Seat(order),
    }
}

fn co_host(room: RoomId, order: CoHostOrder) -> Command {
    Command::Order {
        room,
        order: Order::CoHost(order),
    }
}

/// Conversions that cannot fail: the core checks the rest against the room.
macro_rules! commands {
    ($($request:pat => $type:ident, $command:expr;)*) => {$(
        impl From<$type> for Command {
            fn from(request: $type) -> Self {
                let $request = request;
                $command
            }
        }
    )*};
}

commands! {
    TakeSeat { room, seat } => TakeSeat, own(room, SeatCommand::Take { seat });
    LeaveSeat { room } => LeaveSeat, own(room, SeatCommand::Leave);
    ApplyForSeat { room, seat, timeout_seconds } => ApplyForSeat,
        own(room, SeatCommand::Apply { seat, timeout: seconds(timeout_seconds) });
    CancelApplication { room } => CancelApplication, own(room, SeatCommand::CancelApplication);
    AnswerApplication { room, guest, accept } => AnswerApplication,
        own(room, SeatCommand::AnswerApplication { guest, accept });
    InviteToSeat { room, guest, seat, timeout_seconds } => InviteToSeat,
        own(room, SeatCommand::Invite { guest, seat, timeout: seconds(timeout_seconds) });
    CancelInvitation { room, guest } => CancelInvitation,
        own(room, SeatCommand::CancelInvitation { guest });
    AnswerInvitation { room, host, accept } => AnswerInvitation,
        own(room, SeatCommand::AnswerInvitation { host, accept });
    MoveSeat { room, target } => MoveSeat, own(room, SeatCommand::Move { target });
    KickOffSeat { room, users } => KickOffSeat, order(room, SeatOrder::KickOff { users });
    LockSeat { room, seat, locked } => LockSeat, order(room, SeatOrder::Lock { seat, locked });
    MoveUser { room, user, target, policy } => MoveUser,
        order(room, SeatOrder::Move { user, target, policy });
    SetDevice { room, user, device, open } => SetDevice,
        order(room, SeatOrder::Device { user, device, open });
    RequestCoHost { room, other, timeout_seconds, extension } => RequestCoHost,
        co_host(room, CoHostOrder::Request {
            room: other,
            timeout: seconds(timeout_seconds),
            extension: extension.unwrap_or_default(),
        });
    CancelCoHost { room, other } => CancelCoHost,
        co_host(room, CoHostOrder::Cancel { room: other });
    AnswerCoHost { room, other, accept } => AnswerCoHost,
        co_host(room, CoHostOrder::Answer { room: other, accept });
    ExitCoHost { room } => ExitCoHost, co_host(room, CoHostOrder::Exit);
    MuteCoHost { room, other, muted } => MuteCoHost,
        co_host(room, CoHostOrder::Mute { room: other, muted });
}
