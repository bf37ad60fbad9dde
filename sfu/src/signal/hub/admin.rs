//! What the page's own back end and the server's operator may ask of the hub: everything, without
//! being in a room.

mod apply;
mod desk;
#[cfg(test)]
mod hub_tests;
mod rooms;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use relay::StreamId;
use serde::Serialize;
use thiserror::Error;

pub use apply::{Desk, apply};

use crate::live::chat::{ChatError, CustomPayload, Message, Priority, TextPayload};
use crate::live::{
    About, CoHostView, Face, InvalidId, LiveError, MemberView, MovePolicy, Order, Publication,
    RoomId, RoomInfo, SeatSettings, SeatView, TrackKind, UserId,
};

/// One thing that is asked, for one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// One page of the app's rooms, numbers first, then names.
    Rooms {
        /// Which of them.
        filter: RoomFilter,
        /// Where the page before ended.
        after: Option<RoomId>,
        /// Rooms in the page.
        limit: usize,
    },
    /// What a room is.
    Room {
        /// Which.
        room: RoomId,
    },
    /// Creates a room for an owner, who need not be there; one that is the owner's already gets
    /// these texts and this seat mode.
    Create {
        /// Which.
        room: RoomId,
        /// Whose.
        owner: UserId,
        /// Its texts.
        about: About,
        /// Its seats, if it has any.
        seats: Option<SeatSettings>,
    },
    /// Changes a room; what is `None` stays.
    Update {
        /// Which.
        room: RoomId,
        /// The title.
        name: Option<String>,
        /// The notice.
        notice: Option<String>,
        /// Who may sit down.
        seat_mode: Option<crate::live::SeatMode>,
    },
    /// A decision that a host could take too.
    Order {
        /// The room.
        room: RoomId,
        /// The decision.
        order: Order,
    },
    /// Removes users of whom there may be more than in one [`Order::Kick`].
    Remove {
        /// From where.
        room: RoomId,
        /// Who; up to [`MAX_USERS`].
        users: Vec<UserId>,
        /// Shown to them.
        message: String,
        /// For how long they may not come back.
        ban: Option<Duration>,
    },
    /// How many are in these rooms.
    Online {
        /// Which; up to [`MAX_ROOMS`].
        rooms: Vec<RoomId>,
    },
    /// One page of a room's members, ordered by user.
    Members {
        /// The room.
        room: RoomId,
        /// Where the page before ended.
        after: Option<UserId>,
        /// Members in the page.
        limit: usize,
    },
    /// One member.
    Member {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
    },
    /// One page of a room's running bans, ordered by user.
    Bans {
        /// The room.
        room: RoomId,
        /// Where the page before ended.
        after: Option<UserId>,
        /// Bans in the page.
        limit: usize,
    },
    /// One page of a room's running mutes, ordered by user.
    Mutes {
        /// The room.
        room: RoomId,
        /// Where the page before ended.
        after: Option<UserId>,
        /// Mutes in the page.
        limit: usize,
    },
    /// Mutes users in a room's chat.
    Mute {
        /// The room.
        room: RoomId,
        /// Who; up to [`MAX_USERS`].
        users: Vec<UserId>,
        /// For how long; zero lifts the mute.
        time: Duration,
    },
    /// Mutes everybody but the hosts in a room's chat, or lets them speak again.
    MuteAll {
        /// The room.
        room: RoomId,
        /// Whether from now on.
        muted: bool,
    },
    /// Messages of a room's history.
    Messages {
        /// The room.
        room: RoomId,
        /// Those before this sequence; `None` is the newest.
        before: Option<u64>,
        /// Messages in the page.
        limit: usize,
    },
    /// Sends a message, checked by no filter and no mute.
    Send {
        /// The room.
        room: RoomId,
        /// In whose name; `None` is the room itself.
        from: Option<UserId>,
        /// What goes first in a room that is too fast.
        priority: Priority,
        /// The content.
        content: Content,
    },
    /// Tells some members, or all, what is no talk and not kept.
    Notify {
        /// The room.
        room: RoomId,
        /// To whom; empty is everybody.
        users: Vec<UserId>,
        /// The text.
        text: String,
    },
    /// Takes a message of the history back.
    Revoke {
        /// The room.
        room: RoomId,
        /// Its sequence.
        sequence: u64,
    },
    /// A room's seats.
    Seats {
        /// The room.
        room: RoomId,
    },
    /// Puts a member on a seat, or moves one who sits elsewhere.
    Seat {
        /// The room.
        room: RoomId,
        /// The seat, or any.
        seat: Option<u16>,
        /// Who.
        user: UserId,
        /// What happens to the one who sits there.
        policy: MovePolicy,
    },
    /// Takes the one who sits there off; nothing when nobody does.
    ClearSeat {
        /// The room.
        room: RoomId,
        /// The seat.
        seat: u16,
    },
    /// The rooms that are connected with a room.
    CoHosts {
        /// The room.
        room: RoomId,
    },
    /// Connects two rooms without asking their hosts; nothing when they are.
    Connect {
        /// The room whose group grows.
        room: RoomId,
        /// The one that comes in.
        other: RoomId,
    },
    /// Takes a room out of another one's group; nothing when it is not in it.
    Disconnect {
        /// The room whose group shrinks.
        room: RoomId,
        /// The one that goes.
        other: RoomId,
    },
    /// Texts that a room shares.
    Attributes {
        /// The room.
        room: RoomId,
    },
    /// Replaces all texts.
    ReplaceAttributes {
        /// The room.
        room: RoomId,
        /// The new ones.
        values: BTreeMap<String, String>,
    },
    /// Changes some texts; `None` takes one away.
    ChangeAttributes {
        /// The room.
        room: RoomId,
        /// By name.
        values: BTreeMap<String, Option<String>>,
    },
    /// Numbers that a room shares, and its likes.
    Counters {
        /// The room.
        room: RoomId,
    },
    /// Sets numbers.
    SetCounters {
        /// The room.
        room: RoomId,
        /// By name.
        values: BTreeMap<String, i64>,
    },
    /// Adds to a number, which starts at 0.
    AddCounter {
        /// The room.
        room: RoomId,
        /// Its name.
        name: String,
        /// How much; may be negative.
        amount: i64,
    },
    /// One page of what is published in the app's rooms, ordered by room, user and track.
    Streams {
        /// In this room only.
        room: Option<RoomId>,
        /// Of this user only.
        user: Option<UserId>,
        /// Where the page before ended.
        after: Option<StreamCursor>,
        /// Streams in the page.
        limit: usize,
    },
    /// Gives a publication public addresses.
    StartRelay {
        /// The room.
        room: RoomId,
        /// Whose.
        user: UserId,
        /// Which of the two.
        track: TrackKind,
        /// The public stream id; `None` keeps the one it has.
        stream: Option<StreamId>,
    },
    /// Takes the public addresses away; nothing when there are none.
    StopRelay {
        /// The room.
        room: RoomId,
        /// Whose.
        user: UserId,
        /// Which of the two.
        track: TrackKind,
    },
}

/// Which rooms are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomFilter {
    /// The title contains this, whatever the case.
    pub name: Option<String>,
    /// Of this owner.
    pub owner: Option<UserId>,
    /// With at least so many people.
    pub min_online: usize,
}

/// The content of a message of the back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// For people.
    Text(TextPayload),
    /// For programs.
    Custom(CustomPayload),
}

/// The last stream of a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamCursor {
    /// The room.
    pub room: RoomId,
    /// The user.
    pub user: UserId,
    /// The track.
    pub track: TrackKind,
}

/// The answer to a [`Call`]. As JSON it is the body of the HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// It is done, or was so before.
    Done,
    /// The room was created, or was the owner's before.
    Created {
        /// Whether it is new.
        #[serde(skip)]
        is_new: bool,
        /// What it is.
        #[serde(flatten)]
        room: Box<RoomView>,
    },
    /// Rooms.
    Rooms(Page<RoomInfo>),
    /// One room.
    Room(Box<RoomView>),
    /// Users that were concerned.
    Users {
        /// Who.
        users: Vec<UserId>,
    },
    /// How many are in each room.
    Online {
        /// In the order of the question.
        items: Vec<OnlineView>,
    },
    /// Members.
    Members(Page<MemberView>),
    /// One member.
    Member(Box<MemberView>),
    /// Bans or mutes.
    Times(Page<TimeView>),
    /// Mutes.
    Mutes {
        /// Whether everybody but the hosts is muted.
        #[serde(rename = "isMuteAll")]
        is_mute_all: bool,
        /// The page.
        #[serde(flatten)]
        page: Page<TimeView>,
    },
    /// Messages, oldest first.
    Messages(Page<SharedMessage>),
    /// A message was taken; the room delivers it at its pace.
    Sent {
        /// Unix seconds.
        time: u64,
    },
    /// Seats.
    Seats {
        /// All of them; none in a room without seats.
        items: Vec<SeatView>,
    },
    /// On a seat.
    Seated {
        /// Which.
        seat: u16,
    },
    /// Connected rooms.
    CoHosts {
        /// All of them.
        items: Vec<CoHostView>,
    },
    /// Shared texts.
    Attributes {
        /// By name.
        attributes: BTreeMap<String, String>,
    },
    /// Shared numbers.
    Counters {
        /// By name.
        counters: BTreeMap<String, i64>,
        /// Since the room was made.
        likes: u64,
    },
    /// A number after it changed.
    Counter {
        /// The new value.
        value: i64,
    },
    /// Streams.
    Streams(Page<StreamView>),
    /// One stream.
    Stream(Box<StreamView>),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// What to give as `after` (of messages: `before`) for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message that is shared and not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMessage(pub Arc<Message>);

impl Serialize for SharedMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A room with what its chat knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    /// What it is.
    #[serde(flatten)]
    pub info: RoomInfo,
    /// Likes since the room was made.
    pub likes: u64,
    /// Everybody but the hosts is muted.
    pub is_mute_all: bool,
}

/// How many are in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnlineView {
    /// Which.
    pub room: RoomId,
    /// Members and guests; 0 for a room that does not exist.
    pub online: usize,
}

/// Somebody who is banned or muted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeView {
    /// Who.
    pub user: UserId,
    /// Seconds left, rounded up.
    pub seconds: u64,
}

/// A publication and its public name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// The room.
    pub room: RoomId,
    /// Whose.
    pub user: UserId,
    /// Which of the two.
    pub track: TrackKind,
    /// What it contains.
    pub publication: Publication,
    /// The id under which WHEP finds it.
    pub stream_id: String,
    /// The name of its HTTP-FLV and HLS addresses, or of those that it is about to have.
    pub relayed_as: Option<String>,
}

impl StreamView {
    /// Its place in the order of lists.
    pub fn cursor(&self) -> StreamCursor {
        StreamCursor {
            room: self.room.clone(),
            user: self.user.clone(),
            track: self.track,
        }
    }
}

/// Why a call was refused. It has changed nothing, but for a list of users of whom some were
/// done before the first that could not be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// The rooms say no.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The room's chat says no.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The user does not publish that.
    #[error("user {user} does not publish {track} in room {room:?}")]
    NotPublished {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Which of the two.
        track: TrackKind,
    },
    /// The stream id is live under another user.
    #[error("stream {stream} is live under another user; choose another id")]
    StreamTaken {
        /// The id.
        stream: String,
    },
    /// The server does not do that.
    #[error("{what} is not supported; {allowed}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// What is.
        allowed: &'static str,
    },
    /// The hub does not answer: the server is going down, or too much waits.
    #[error("the server cannot take the call now; try again")]
    Busy,
}

impl AdminError {
    /// The documented code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Live(error) => error.code(Face::Live),
            Self::Chat(error) => error.live_code(),
            Self::NotPublished { .. } => 0x4010,
            Self::StreamTaken { .. } => 0x4045,
            Self::Unsupported { .. } => 0x1002,
            Self::Busy => 2996,
        }
    }

    /// The code as the chat interface documents it.
    pub fn chat_code(&self) -> i32 {
        match self {
            Self::Live(error) => error.code(Face::Chat),
            Self::Chat(error) => error.code(),
            _ => self.code(),
        }
    }
}

/// A room's id as one text, for paths and cursors: digits alone are a number; everything else,
/// and whatever stands behind `name:`, is a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomText(pub RoomId);

impl fmt::Display for RoomText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            RoomId::Number(number) => number.fmt(f),
            RoomId::Name(name) => {
                let is_plain = !name.starts_with(NAME) && !name.bytes().all(|b| b.is_ascii_digit());
                write!(f, "{}{name}", if is_plain { "" } else { NAME })
            }
        }
    }
}

impl FromStr for RoomText {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let room = match text.strip_prefix(NAME) {
            Some(name) => RoomId::name(name),
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                RoomId::parse_number(text)
            }
            None => RoomId::name(text),
        };
        room.map(Self)
    }
}

const NAME: &str = "name:";

/// Most users in one call.
pub const MAX_USERS: usize = 500;

/// Most rooms in one question about how many are there.
pub const MAX_ROOMS: usize = 100;

/// Most entries in one page.
pub const MAX_PAGE: usize = 100;

impl fmt::Display for StreamCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.room, &self.user, self.track);
        f.write_str(&serde_json::to_string(&parts).map_err(|_| fmt::Error)?)
    }
}

/// A text is no [`StreamCursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a cursor is `next` of the page before")]
pub struct BadCursor;

impl FromStr for StreamCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (room, user, track) = serde_json::from_str(text).map_err(|_| BadCursor)?;
        Ok(Self { room, user, track })
    }
}
