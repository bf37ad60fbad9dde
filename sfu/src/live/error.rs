//! Why a command is refused: one sentence and the documented code of each interface.

use super::ids::{InvalidId, RoomId, UserId};
use super::limits::Refusal;
use super::roles::{Right, Scene};
use super::tracks::TrackKind;

/// Which of the client's interfaces asks: each knows the same refusal by a code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Chat groups.
    Chat,
    /// Live rooms and seats.
    Live,
    /// The media client.
    Rtc,
}

/// A refused command. The command has changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The connection is not known, or has ended.
    #[error("this connection is not logged in; log in first")]
    NotLoggedIn,
    /// Guests listen, and do nothing else.
    #[error("a guest may enter a room's chat and leave it; everything else needs a login")]
    Guest,
    /// The id breaks its rules.
    #[error(transparent)]
    BadId(#[from] InvalidId),
    /// A value in the command breaks its rules.
    #[error("{what} is not allowed; {allowed}")]
    BadValue {
        /// The value's name.
        what: &'static str,
        /// What may stand there.
        allowed: &'static str,
    },
    /// No such room.
    #[error("room {room:?} does not exist; create it or enter another one")]
    NoSuchRoom {
        /// The room.
        room: RoomId,
    },
    /// The room belongs to somebody else.
    #[error("room {room:?} exists and belongs to another user; choose another id or enter it")]
    IdTaken {
        /// The room.
        room: RoomId,
    },
    /// The room belongs to the one who asks.
    #[error("room {room:?} exists and is yours; enter it")]
    AlreadyYours {
        /// The room.
        room: RoomId,
    },
    /// Rank too low.
    #[error("{action} needs {needed}")]
    NoPermission {
        /// What was asked.
        action: &'static str,
        /// Who may do it.
        needed: &'static str,
    },
    /// The owner's own right.
    #[error("{action} is the room owner's right; ask the owner to do it")]
    NotOwner {
        /// What was asked.
        action: &'static str,
    },
    /// The one who asks is not in the room.
    #[error("you are not in room {room:?}; enter it first")]
    NotEntered {
        /// The room.
        room: RoomId,
    },
    /// The user that the command names is not in the room.
    #[error("user {user} is not in the room; name one of its members")]
    NotMember {
        /// The user.
        user: UserId,
    },
    /// The owner of a group dismisses it and cannot quit it.
    #[error("the owner cannot quit the group; dismiss the room instead")]
    OwnerMayNotQuit,
    /// Removed for a time.
    #[error("you are banned from room {room:?} for another {seconds} s")]
    Banned {
        /// The room.
        room: RoomId,
        /// Seconds left, rounded up.
        seconds: u64,
    },
    /// The token gives fewer rights.
    #[error("the token does not give the right to {right}; ask for one that does")]
    RightMissing {
        /// The right.
        right: Right,
    },
    /// A list is full.
    #[error("{refusal}: at most {limit} are allowed")]
    Full {
        /// The list.
        refusal: Refusal,
        /// Its bound.
        limit: usize,
    },
    /// All who enter a room use one mode.
    #[error("the room runs in {scene} mode; enter it in the same mode")]
    SceneDiffers {
        /// The room's mode.
        scene: Scene,
    },
    /// One user has media in one room.
    #[error("you have media in room {room:?}; leave it first")]
    InOtherRoom {
        /// The other room.
        room: RoomId,
    },
    /// The mode has one role.
    #[error("the role can be switched in live mode; in rtc mode everybody is an anchor")]
    RoleIsFixed,
    /// Audience receives.
    #[error(
        "an audience member cannot publish; switch the role to anchor first, or take a seat where there are some"
    )]
    AudienceMayNotPublish,
    /// Nothing to change.
    #[error("you do not publish {track}; publish it first")]
    NotPublished {
        /// The track.
        track: TrackKind,
    },
    /// Closed by a host or by the token.
    #[error("a host has closed your {device}; ask a host to open it")]
    DeviceLocked {
        /// `microphone` or `camera`.
        device: &'static str,
    },
    /// The shell has not taken the outputs.
    #[error("the server is behind with this room's events; try again")]
    Busy,

    /// More seats than a room can have.
    #[error("a room has 1 to {limit} seats")]
    SeatLimit {
        /// The bound.
        limit: u16,
    },
    /// The index is past the last seat.
    #[error("there is no seat {index}; the room has seats 0 to {last}")]
    NoSuchSeat {
        /// The index.
        index: u16,
        /// The last seat's index.
        last: u16,
    },
    /// Another request between the same two is open.
    #[error("user {user} has another open seat request; wait for its end or cancel it")]
    RequestConflict {
        /// The guest.
        user: UserId,
    },
    /// Locked seat.
    #[error("seat {index} is locked; take another one or ask a host to unlock it")]
    SeatLocked {
        /// The seat.
        index: u16,
    },
    /// Taken seat.
    #[error("seat {index} is occupied; take another one")]
    SeatOccupied {
        /// The seat.
        index: u16,
    },
    /// The seat to move to is taken.
    #[error("seat {index} is occupied; move with policy replace or swap, or to a free seat")]
    TargetOccupied {
        /// The seat.
        index: u16,
    },
    /// Applied before.
    #[error("you have applied for a seat already; cancel that application first")]
    AlreadyQueued,
    /// Sits already.
    #[error("user {user} is on a seat already; move or leave it")]
    AlreadySeated {
        /// The user.
        user: UserId,
    },
    /// No application, no invitation.
    #[error("there is no open seat request of user {user}")]
    NotQueued {
        /// The guest.
        user: UserId,
    },
    /// No free seat.
    #[error("all seats are occupied or locked; wait until one is free")]
    AllSeatsOccupied,
    /// Not on a seat.
    #[error("user {user} is not on a seat; take one first")]
    NotSeated {
        /// The user.
        user: UserId,
    },
    /// The room has no seats.
    #[error("this room has no seats; its owner can turn them on when creating it")]
    NoSeats,
    /// The two rooms are connected.
    #[error("room {room:?} is connected with this one already")]
    CoHostConnected {
        /// The other room.
        room: RoomId,
    },
    /// A request between the two rooms is open.
    #[error("a request between this room and room {room:?} is open; answer or cancel it")]
    CoHostPending {
        /// The other room.
        room: RoomId,
    },
    /// The room is in another group.
    #[error("room {room:?} is connected with other rooms; it has to leave them first")]
    CoHostElsewhere {
        /// The room.
        room: RoomId,
    },
    /// The group is full.
    #[error("at most {limit} rooms can be connected")]
    CoHostFull {
        /// The bound.
        limit: usize,
    },
    /// No such request.
    #[error("room {from:?} has no open request to room {to:?}")]
    NoCoHostRequest {
        /// The asking room.
        from: RoomId,
        /// The asked room.
        to: RoomId,
    },
    /// The two rooms are not connected.
    #[error("room {room:?} is not connected with this one; name one that is")]
    NotConnected {
        /// The other room.
        room: RoomId,
    },
    /// A list of users is empty.
    #[error("the list of users is empty; name 1 to {limit}")]
    EmptyList {
        /// The bound.
        limit: usize,
    },
}

impl LiveError {
    /// The documented code, as the interface `face` knows it.
    pub fn code(&self, face: Face) -> i32 {
        let codes = |chat, live, rtc| match face {
            Face::Chat => chat,
            Face::Live => live,
            Face::Rtc => rtc,
        };
        match self {
            Self::NotLoggedIn => codes(NOT_LOGGED_IN, 100_005, JOIN_ROOM_FAILED),
            Self::Guest => codes(NOT_LOGGED_IN, NO_PERMISSION, INVALID_OPERATION),
            Self::BadId(_) => codes(10_015, BAD_VALUE, INVALID_PARAMETER),
            Self::BadValue { .. } => codes(BAD_VALUE, BAD_VALUE, INVALID_PARAMETER),
            Self::NoSuchRoom { .. } => codes(10_010, 100_004, JOIN_ROOM_FAILED),
            Self::IdTaken { .. } => codes(10_021, 100_003, JOIN_ROOM_FAILED),
            Self::AlreadyYours { .. } => codes(10_025, 100_003, JOIN_ROOM_FAILED),
            Self::NoPermission { .. } | Self::OwnerMayNotQuit => {
                codes(10_007, NO_PERMISSION, INVALID_OPERATION)
            }
            Self::NotOwner { .. } => codes(2681, NO_PERMISSION, INVALID_OPERATION),
            Self::NotEntered { .. } | Self::NotMember { .. } => {
                codes(2623, 100_005, INVALID_OPERATION)
            }
            Self::Banned { .. } => codes(10_007, NO_PERMISSION, JOIN_ROOM_FAILED),
            Self::RightMissing { .. } => RIGHT_MISSING,
            Self::Full { refusal, .. } => codes(
                refusal.code(),
                refusal.code(),
                if refusal.is_room_full() {
                    JOIN_ROOM_FAILED
                } else {
                    INVALID_OPERATION
                },
            ),
            Self::SceneDiffers { .. } | Self::InOtherRoom { .. } => {
                codes(BAD_VALUE, BAD_VALUE, JOIN_ROOM_FAILED)
            }
            Self::RoleIsFixed
            | Self::NotPublished { .. }
            | Self::NoCoHostRequest { .. }
            | Self::NotConnected { .. } => codes(BAD_VALUE, BAD_VALUE, INVALID_OPERATION),
            Self::AudienceMayNotPublish | Self::DeviceLocked { .. } => {
                codes(10_007, NO_PERMISSION, INVALID_OPERATION)
            }
            Self::Busy => codes(RATE, RATE, INVALID_OPERATION),
            Self::SeatLimit { .. } => -2340,
            Self::NoSuchSeat { .. } => -2344,
            Self::RequestConflict { .. } => 100_102,
            Self::SeatLocked { .. } => 100_200,
            Self::SeatOccupied { .. } => 100_201,
            Self::AlreadyQueued => 100_202,
            Self::AlreadySeated { .. } => 100_203,
            Self::NotQueued { .. } => 100_204,
            Self::AllSeatsOccupied => 100_205,
            Self::NotSeated { .. } => 100_206,
            Self::TargetOccupied { .. } => 100_210,
            Self::NoSeats => 100_211,
            Self::EmptyList { .. } => 100_251,
            Self::CoHostConnected { .. } => 100_401,
            Self::CoHostPending { .. } => 100_402,
            Self::CoHostElsewhere { .. } => 100_403,
            Self::CoHostFull { .. } => 100_404,
        }
    }
}

impl LiveError {
    /// The result of a request to one room among several, as the co-host interface lists them:
    /// 1 no room, 2 connecting, 3 connecting with another, 4 full, 5 retry.
    pub fn co_host_result(&self) -> u8 {
        match self {
            Self::NoSuchRoom { .. } => 1,
            Self::CoHostConnected { .. } | Self::CoHostPending { .. } => 2,
            Self::CoHostElsewhere { .. } => 3,
            Self::CoHostFull { .. } => 4,
            _ => 5,
        }
    }
}

const INVALID_PARAMETER: i32 = 0x1000;
const INVALID_OPERATION: i32 = 0x1001;
const JOIN_ROOM_FAILED: i32 = 0x4004;
const NOT_LOGGED_IN: i32 = 2024;
const RATE: i32 = 2996;
const BAD_VALUE: i32 = 10_004;
const NO_PERMISSION: i32 = 100_006;
/// The server-side cause "privilege ticket bad".
const RIGHT_MISSING: i32 = -100_006;
