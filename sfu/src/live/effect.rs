//! What the server's other parts are told: media, webhooks, the store.

use std::time::Duration;

use super::ids::{ConnectionId, RoomKey, UserId};
use super::reason::{EndReason, LeaveReason};
use super::roles::Role;
use super::tracks::{Allowed, Publication, TrackKind};

/// What the server's other parts are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A room came into being, or got an owner.
    RoomCreated {
        /// The room.
        key: RoomKey,
        /// Its owner, if it was created and not just entered.
        owner: Option<UserId>,
    },
    /// A room is gone.
    RoomEnded {
        /// The room.
        key: RoomKey,
        /// Why.
        reason: EndReason,
    },
    /// A user entered a room's chat.
    ChatEntered {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
    },
    /// A user left a room's chat.
    ChatLeft {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
        /// Why.
        reason: LeaveReason,
    },
    /// A user entered a room's media.
    MediaEntered {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
        /// The role.
        role: Role,
    },
    /// A user left a room's media: nothing of them may be sent any more.
    MediaLeft {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
        /// Why.
        reason: LeaveReason,
    },
    /// A role changed.
    RoleChanged {
        /// The room.
        key: RoomKey,
        /// Whose.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// What a user may send changed.
    AllowedChanged {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
        /// The user's connection.
        connection: ConnectionId,
        /// All that may be sent from now on.
        allowed: Allowed,
    },
    /// A publication began, changed or ended.
    TrackChanged {
        /// The room.
        key: RoomKey,
        /// Whose.
        user: UserId,
        /// Which.
        track: TrackKind,
        /// What it contained.
        before: Option<Publication>,
        /// What it contains.
        after: Option<Publication>,
    },
    /// A ban began (or was prolonged), or was lifted (`None`).
    BanChanged {
        /// The room.
        key: RoomKey,
        /// Who.
        user: UserId,
        /// How long it holds from now on.
        left: Option<Duration>,
    },
    /// Somebody sat down, moved or stood up, or a seat was locked.
    SeatsChanged {
        /// The room.
        key: RoomKey,
    },
    /// The media of other rooms is to be heard and seen in a room, or no more.
    CoHostsChanged {
        /// The room.
        key: RoomKey,
        /// All rooms that are connected with it, and whether their sound is muted there.
        others: Vec<(RoomKey, bool)>,
    },
    /// A connection has ended: send what waits for it, then close it.
    ConnectionEnded {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: LeaveReason,
    },
}
