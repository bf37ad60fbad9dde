//! What comes out of the rooms, in order: events for clients, and effects.

use std::collections::VecDeque;

use serde::Serialize;

use super::command::MemberView;
use super::effect::Effect;
use super::ids::{ConnectionId, RoomId, RoomKey, UserId};
use super::profile::Profile;
use super::reason::{LeaveReason, NoResponse, RemovalReason, RemovedBy, RequestResult};
use super::roles::Role;
use super::seats::Device;
use super::tracks::{Publication, TrackKind};
use super::view::{CoHostView, RoomInfo, SeatView};

/// Who gets an event. [`Rooms::connections`](super::Rooms::connections) names the connections;
/// ask it before the next command, because the room may change with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// One connection, even one that has just been removed.
    One(ConnectionId),
    /// Everybody in the room, guests too.
    Room(RoomKey),
    /// Everybody in the room but one.
    RoomExcept(RoomKey, ConnectionId),
    /// Everybody in the room's chat, guests too.
    Chat(RoomKey),
    /// Everybody in the room's chat but one.
    ChatExcept(RoomKey, ConnectionId),
    /// Everybody in the room's media.
    Media(RoomKey),
    /// Everybody in the room's media but one.
    MediaExcept(RoomKey, ConnectionId),
    /// The anchors.
    Anchors(RoomKey),
    /// Owner and administrators who are in the room.
    Hosts(RoomKey),
    /// The hosts but one.
    HostsExcept(RoomKey, ConnectionId),
}

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send an event.
    Event {
        /// To whom.
        to: Recipient,
        /// What.
        event: Event,
    },
    /// Tell media, webhooks or the store.
    Effect(Effect),
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "RoomEvent"))]
pub enum Event {
    /// Somebody came in as an anchor or became one.
    AnchorEntered {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Nick and picture.
        profile: Profile,
    },
    /// An anchor left or became audience.
    AnchorLeft {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Why.
        reason: LeaveReason,
    },
    /// A publication began, changed or ended (`null`).
    TrackChanged {
        /// The room.
        room: RoomId,
        /// Whose.
        user: UserId,
        /// Which.
        track: TrackKind,
        /// What it contains now.
        publication: Option<Publication>,
    },
    /// Nick or picture of somebody who can be seen changed.
    ProfileChanged {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// The new ones.
        profile: Profile,
    },
    /// Your role has changed, with your seat or by your own wish.
    RoleChanged {
        /// The room.
        room: RoomId,
        /// The new role.
        role: Role,
    },
    /// You are out of the room.
    Removed {
        /// The room.
        room: RoomId,
        /// Why.
        reason: RemovalReason,
        /// By whom.
        by: RemovedBy,
        /// A plain sentence.
        message: String,
    },
    /// The same user has logged in elsewhere: this connection ends.
    LoggedOut {
        /// A plain sentence.
        message: String,
    },
    /// The UserSig has ended: chat and entering rooms wait for a new one. Media go on.
    UserSigExpired {
        /// A plain sentence.
        message: String,
    },
    /// Somebody was made an administrator, or is none any more.
    AdministratorChanged {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Whether from now on.
        is_administrator: bool,
    },
    /// Texts or seat mode changed.
    RoomUpdated {
        /// The room.
        room: RoomId,
        /// All of it.
        info: RoomInfo,
    },
    /// Seats changed.
    SeatsChanged {
        /// The room.
        room: RoomId,
        /// All seats.
        seats: Vec<SeatView>,
    },
    /// Hosts: a guest asks for a seat.
    ApplicationReceived {
        /// The room.
        room: RoomId,
        /// Who.
        guest: UserId,
        /// Nick and picture.
        profile: Profile,
        /// The seat, or any.
        seat: Option<u16>,
    },
    /// Hosts: an application is no longer open.
    ApplicationEnded {
        /// The room.
        room: RoomId,
        /// Whose.
        guest: UserId,
        /// How it ended.
        result: RequestResult,
        /// The host who answered it.
        host: Option<UserId>,
    },
    /// The applicant: a host has answered.
    ApplicationAnswered {
        /// The room.
        room: RoomId,
        /// Whether you have the seat.
        accepted: bool,
        /// Who answered.
        host: UserId,
    },
    /// The applicant: nobody has answered.
    ApplicationUnanswered {
        /// The room.
        room: RoomId,
        /// Why.
        reason: NoResponse,
    },
    /// The guest: a host offers a seat.
    InvitationReceived {
        /// The room.
        room: RoomId,
        /// Who.
        host: UserId,
        /// Nick and picture.
        profile: Profile,
        /// The seat, or any.
        seat: Option<u16>,
    },
    /// The guest: the offer is no longer open.
    InvitationEnded {
        /// The room.
        room: RoomId,
        /// Whose.
        host: UserId,
        /// How it ended.
        result: RequestResult,
    },
    /// The host: the guest has answered.
    InvitationAnswered {
        /// The room.
        room: RoomId,
        /// Whether the guest sits now.
        accepted: bool,
        /// Who answered.
        guest: UserId,
    },
    /// The host: the guest has not answered.
    InvitationUnanswered {
        /// The room.
        room: RoomId,
        /// Who.
        guest: UserId,
        /// Why.
        reason: NoResponse,
    },
    /// You were taken off your seat.
    KickedOffSeat {
        /// The room.
        room: RoomId,
        /// The seat you had.
        seat: u16,
        /// By whom; none is the operator.
        host: Option<UserId>,
    },
    /// Hosts: another room asks to connect.
    CoHostRequested {
        /// The room.
        room: RoomId,
        /// The room that asks.
        other: RoomId,
        /// The other page's own text.
        extension: String,
    },
    /// Hosts of both rooms: a request is no longer open.
    CoHostRequestEnded {
        /// The room.
        room: RoomId,
        /// The other room.
        other: RoomId,
        /// Whether this room had asked.
        sent: bool,
        /// How it ended.
        result: RequestResult,
    },
    /// Other rooms came to this one or left it.
    CoHostsChanged {
        /// The room.
        room: RoomId,
        /// All rooms that are connected with it.
        co_hosts: Vec<CoHostView>,
    },
    /// The anchors of a connected room changed.
    CoHostAnchors {
        /// The room.
        room: RoomId,
        /// The connected room.
        other: RoomId,
        /// All of its anchors.
        anchors: Vec<MemberView>,
    },
    /// A host has closed your device, or lets you open it again.
    DeviceChanged {
        /// The room.
        room: RoomId,
        /// Which.
        device: Device,
        /// `false` is closed; `true` lifts the lock and turns nothing on.
        open: bool,
    },
}

impl Event {
    /// The room that the event is about.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::LoggedOut { .. } | Self::UserSigExpired { .. } => None,
            Self::AnchorEntered { room, .. }
            | Self::AnchorLeft { room, .. }
            | Self::TrackChanged { room, .. }
            | Self::ProfileChanged { room, .. }
            | Self::RoleChanged { room, .. }
            | Self::Removed { room, .. }
            | Self::AdministratorChanged { room, .. }
            | Self::RoomUpdated { room, .. }
            | Self::SeatsChanged { room, .. }
            | Self::ApplicationReceived { room, .. }
            | Self::ApplicationEnded { room, .. }
            | Self::ApplicationAnswered { room, .. }
            | Self::ApplicationUnanswered { room, .. }
            | Self::InvitationReceived { room, .. }
            | Self::InvitationEnded { room, .. }
            | Self::InvitationAnswered { room, .. }
            | Self::InvitationUnanswered { room, .. }
            | Self::KickedOffSeat { room, .. }
            | Self::CoHostRequested { room, .. }
            | Self::CoHostRequestEnded { room, .. }
            | Self::CoHostsChanged { room, .. }
            | Self::CoHostAnchors { room, .. }
            | Self::DeviceChanged { room, .. } => Some(room),
        }
    }
}

/// Outputs in order.
#[derive(Debug, Default)]
pub(super) struct Outputs(VecDeque<Output>);

impl Outputs {
    pub(super) fn event(&mut self, to: Recipient, event: Event) {
        self.0.push_back(Output::Event { to, event });
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.0.push_back(Output::Effect(effect));
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.0.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
