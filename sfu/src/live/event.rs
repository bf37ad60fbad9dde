//! What comes out of the rooms: events for clients, effects for the server's other parts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::command::{About, MemberView, SeatSettings};
use super::ids::{ConnectionId, RoomId, RoomKey, UserId};
use super::profile::Profile;
use super::roles::{Rank, Role, Scene};
use super::seats::Device;
use super::tracks::{Allowed, Publication, TrackKind};

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
        /// A plain sentence.
        message: String,
    },
    /// The same user has logged in elsewhere: this connection ends.
    LoggedOut {
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
            Self::LoggedOut { .. } => None,
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

/// Why somebody is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LeaveReason {
    /// By own wish.
    Left,
    /// Became audience.
    SwitchedRole,
    /// The connection was lost and not resumed in time.
    Lost,
    /// Removed by a host or the operator.
    Kicked,
    /// The same user has logged in elsewhere.
    Replaced,
    /// The room has ended.
    RoomEnded,
}

/// Why a client was removed, as the media client's interface names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RemovalReason {
    /// By a host or the operator.
    Kick,
    /// The same user has logged in elsewhere.
    Banned,
    /// The room was dismissed.
    RoomDisband,
}

/// Why a room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// By its owner.
    Dismissed,
    /// By the operator.
    Operator,
    /// Nobody has been in it for a time.
    Empty,
}

/// How a seat request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RequestResult {
    /// A host or the guest said yes.
    Accepted,
    /// A host or the guest said no.
    Rejected,
    /// Taken back.
    Cancelled,
    /// Nobody answered in time.
    Timeout,
    /// The guest got a seat in another way.
    AlreadySeated,
    /// One of the two has left.
    Left,
}

/// Why a request had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum NoResponse {
    /// The time is over.
    Timeout,
    /// The guest got a seat in another way.
    AlreadySeated,
    /// The guest has left.
    Left,
}

/// What a room is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RoomInfo {
    /// The room.
    pub room: RoomId,
    /// The title, or an empty text.
    #[serde(serialize_with = "write_text")]
    pub name: Arc<str>,
    /// The notice, or an empty text.
    #[serde(serialize_with = "write_text")]
    pub notice: Arc<str>,
    /// The owner, unless the room came into being by being entered.
    pub owner: Option<UserId>,
    /// The mode, while somebody is in the media.
    pub scene: Option<Scene>,
    /// Members and guests in the room.
    pub online: usize,
    /// Members and guests who have entered since the room began; one who returns counts again.
    pub total_entered: u64,
    /// The seats' settings.
    pub seats: Option<SeatSettings>,
}

impl RoomInfo {
    /// Name and notice.
    pub fn about(&self) -> About {
        About {
            name: self.name.clone(),
            notice: self.notice.clone(),
        }
    }
}

/// A connected room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CoHostView {
    /// The room.
    pub room: RoomId,
    /// Its owner.
    pub owner: Option<UserId>,
    /// Its sound is muted for this room's audience.
    pub is_muted: bool,
    /// Its anchors, with what they publish.
    pub anchors: Vec<MemberView>,
}

/// One seat, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatView {
    /// From 0.
    pub index: u16,
    /// Nobody can take it.
    pub is_locked: bool,
    /// A host has closed the microphone.
    pub is_audio_locked: bool,
    /// A host has closed the camera.
    pub is_video_locked: bool,
    /// Who sits there.
    pub user: Option<SeatUser>,
}

/// The one who sits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatUser {
    /// Who.
    pub user: UserId,
    /// Nick and picture; empty while away.
    pub profile: Profile,
    /// Owner, administrator or none of them.
    pub rank: Rank,
    /// Sound is published and not muted.
    pub microphone_on: bool,
    /// The camera is published and not muted.
    pub camera_on: bool,
    /// The seat is kept for a user who is reloading.
    pub away: bool,
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

fn write_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
