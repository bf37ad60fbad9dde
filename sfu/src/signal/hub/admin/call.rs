//! What can be asked.

use std::collections::BTreeMap;
use std::time::Duration;

use relay::StreamId;

use super::cursor::StreamCursor;
use crate::live::chat::{CustomPayload, Priority, TextPayload};
use crate::live::{About, AboutChange, MovePolicy, Order, RoomId, SeatSettings, TrackKind, UserId};

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
        /// Its texts.
        about: AboutChange,
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
        /// Who; up to [`MAX_USERS`](super::MAX_USERS).
        users: Vec<UserId>,
        /// Shown to them.
        message: String,
        /// For how long they may not come back.
        ban: Option<Duration>,
    },
    /// How many are in these rooms.
    Online {
        /// Which; up to [`MAX_ROOMS`](super::MAX_ROOMS).
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
        /// Who; up to [`MAX_USERS`](super::MAX_USERS).
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
    /// Records all that is published in a room and relayed, or nothing of it.
    RecordRoom {
        /// The room.
        room: RoomId,
        /// Whether from now on.
        recorded: bool,
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
    /// Whose publication holds a public stream id, in whatever app.
    Holder {
        /// The id.
        stream: StreamId,
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
        /// Of an update of a relay that was started; one that is not above those before it is
        /// refused.
        sequence: Option<u64>,
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
