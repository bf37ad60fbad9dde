//! Carrying calls out on rooms and their chats.

mod chat;
mod rooms;
mod seats;

use std::time::{Duration, Instant};

use relay::StreamId;

use super::{
    AdminError, Call, MAX_PAGE, MAX_USERS, Page, RecordedView, Reply, RoomView, StreamCursor,
    StreamView, TimeView,
};
use crate::live::broadcasts::Source;
use crate::live::chat::{AttributesChange, Chat, UnixTime};
use crate::live::{
    AppId, CoHostOrder, LiveError, Order, RoomId, RoomKey, Rooms, TrackKind, UserId,
};
use chat::apply_chat;
use rooms::{connect, create, remove, update};
use seats::{clear_seat, sit};

/// What calls need of the hub.
pub trait Desk {
    /// The rooms.
    fn rooms(&self) -> &Rooms;
    /// The rooms, to change them.
    fn rooms_mut(&mut self) -> &mut Rooms;
    /// The chat of a room that exists.
    fn chat(&mut self, key: &RoomKey) -> Option<&mut Chat>;
    /// The wall clock.
    fn clock(&self, now: Instant) -> UnixTime;
    /// Mutes a user for a time; zero lifts the mute.
    fn mute(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        time: Duration,
    ) -> Result<(), AdminError>;
    /// Mutes everybody but the hosts, or no more.
    fn mute_all(&mut self, now: Instant, key: &RoomKey, muted: bool) -> Result<(), AdminError>;
    /// All that is published in a room and relayed is recorded from now on. What is there already is
    /// whoever's to begin who asks.
    fn record_room(&mut self, key: &RoomKey) -> Vec<RecordedView>;
    /// Nothing of it is, no longer.
    fn leave_room_unrecorded(&mut self, key: &RoomKey);
    /// Whether a room is recorded.
    fn is_recorded(&self, key: &RoomKey) -> bool;
    /// Takes a message back.
    fn revoke(&mut self, key: &RoomKey, sequence: u64) -> Result<(), AdminError>;
    /// Shared texts have changed: tells the members and the store.
    fn attributes_changed(&mut self, key: &RoomKey, change: AttributesChange);
    /// Sends a notice that is not kept to some members.
    fn notify(&mut self, now: Instant, key: &RoomKey, users: &[UserId], text: String);
    /// What is published in the app's rooms, in the order of [`StreamCursor`], after `after`, up
    /// to `limit`.
    fn streams(
        &self,
        app: AppId,
        room: Option<&RoomId>,
        user: Option<&UserId>,
        after: Option<&StreamCursor>,
        limit: usize,
    ) -> Vec<StreamView>;
    /// Whose publication holds a public stream id.
    fn holder(&self, stream: &StreamId) -> Option<Source>;
    /// Gives a publication public addresses, or with a sequence number updates them.
    fn start_relay(
        &mut self,
        now: Instant,
        key: &RoomKey,
        of: (&UserId, TrackKind),
        stream: Option<StreamId>,
        sequence: Option<u64>,
    ) -> Result<StreamView, AdminError>;
    /// Takes them away.
    fn stop_relay(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) -> Result<(), AdminError>;
}

/// Carries out a call of an app.
///
/// # Errors
/// [`AdminError`].
pub fn apply(
    desk: &mut impl Desk,
    now: Instant,
    app: AppId,
    call: Call,
) -> Result<Reply, AdminError> {
    let key = |room: RoomId| RoomKey::new(app, room);
    match call {
        Call::Rooms {
            filter,
            after,
            limit,
        } => Ok(desk.rooms().list(app, &filter, after, limit)),
        Call::Room { room } => view(desk, &key(room)).map(|room| Reply::Room(Box::new(room))),
        Call::Create {
            room,
            owner,
            about,
            seats,
        } => create(desk, now, &key(room), &owner, about, seats),
        Call::Update {
            room,
            about,
            seat_mode,
        } => update(desk, now, &key(room), about, seat_mode),
        Call::Order { room, order } => {
            let reply = desk.rooms_mut().handle_order(now, &key(room), order)?;
            Ok(match reply {
                crate::live::Reply::Seated { seat } => Reply::Seated { seat },
                crate::live::Reply::Users { users } => Reply::Users { users },
                _ => Reply::Done,
            })
        }
        Call::Remove {
            room,
            users,
            message,
            ban,
        } => remove(desk, now, &key(room), users, &message, ban),
        Call::Online { rooms } => Ok(desk.rooms().count(app, rooms)),
        Call::Members { room, after, limit } => {
            Ok(desk.rooms().every_member(&key(room), after, limit)?)
        }
        Call::Member { room, user } => {
            let key = known(desk, key(room))?;
            let member = desk.rooms().member(&key, &user);
            let member = member.ok_or(LiveError::NotMember { user })?;
            Ok(Reply::Member(Box::new(member)))
        }
        Call::Bans { room, after, limit } => {
            let key = known(desk, key(room))?;
            let bans = desk.rooms().bans(now, &key);
            Ok(Reply::Times(times(bans, after, limit)))
        }
        Call::Seats { room } => {
            let items = desk.rooms().seats(&key(room))?;
            Ok(Reply::Seats { items })
        }
        Call::Seat {
            room,
            seat,
            user,
            policy,
        } => sit(desk, now, &key(room), seat, user, policy),
        Call::ClearSeat { room, seat } => clear_seat(desk, now, &key(room), seat),
        Call::CoHosts { room } => {
            let key = known(desk, key(room))?;
            let items = desk.rooms().co_hosts(&key);
            Ok(Reply::CoHosts { items })
        }
        Call::Connect { room, other } => connect(desk, now, &key(room), other),
        Call::Disconnect { room, other } => {
            let key = known(desk, key(room))?;
            let others = desk.rooms().co_hosts(&key);
            if others.iter().any(|view| view.room == other) {
                let order = Order::CoHost(CoHostOrder::Exit);
                let other = RoomKey::new(app, other);
                desk.rooms_mut().handle_order(now, &other, order)?;
            }
            Ok(Reply::Done)
        }
        Call::Streams {
            room,
            user,
            after,
            limit,
        } => {
            let limit = limit.clamp(1, MAX_PAGE);
            let mut items =
                desk.streams(app, room.as_ref(), user.as_ref(), after.as_ref(), limit + 1);
            let more = items.len() > limit;
            items.truncate(limit);
            let last = items.last().filter(|_| more).map(StreamView::cursor);
            let next = last.map(|last| last.to_string());
            Ok(Reply::Streams(Page { items, next }))
        }
        Call::Holder { stream } => Ok(Reply::Holder(desk.holder(&stream))),
        Call::StartRelay {
            room,
            user,
            track,
            stream,
            sequence,
        } => {
            let key = known(desk, key(room))?;
            let view = desk.start_relay(now, &key, (&user, track), stream, sequence)?;
            Ok(Reply::Stream(Box::new(view)))
        }
        Call::StopRelay { room, user, track } => {
            let key = known(desk, key(room))?;
            desk.stop_relay(now, &key, &user, track)?;
            Ok(Reply::Done)
        }
        Call::RecordRoom { room, recorded } => {
            let key = known(desk, key(room))?;
            if recorded {
                let items = desk.record_room(&key);
                return Ok(Reply::Recorded { items });
            }
            desk.leave_room_unrecorded(&key);
            Ok(Reply::Done)
        }
        Call::Mutes { .. }
        | Call::Mute { .. }
        | Call::MuteAll { .. }
        | Call::Messages { .. }
        | Call::Send { .. }
        | Call::Notify { .. }
        | Call::Revoke { .. }
        | Call::Attributes { .. }
        | Call::ReplaceAttributes { .. }
        | Call::ChangeAttributes { .. }
        | Call::Counters { .. }
        | Call::SetCounters { .. }
        | Call::AddCounter { .. } => apply_chat(desk, now, app, call),
    }
}

fn view(desk: &mut impl Desk, key: &RoomKey) -> Result<RoomView, AdminError> {
    let info = desk.rooms().room(key).ok_or_else(|| no_such_room(key))?;
    let is_recorded = desk.is_recorded(key);
    let chat = desk.chat(key);
    Ok(RoomView {
        info,
        is_recorded,
        likes: chat.as_ref().map_or(0, |chat| chat.likes()),
        is_mute_all: chat.is_some_and(|chat| chat.moderation.is_mute_all()),
    })
}

/// The key, of a room that exists.
fn known(desk: &impl Desk, key: RoomKey) -> Result<RoomKey, LiveError> {
    match desk.rooms().room(&key) {
        Some(_) => Ok(key),
        None => Err(no_such_room(&key)),
    }
}

/// The chat of a room that exists.
fn chat<'a>(desk: &'a mut impl Desk, key: &RoomKey) -> Result<&'a mut Chat, AdminError> {
    if desk.rooms().room(key).is_none() {
        return Err(no_such_room(key).into());
    }
    desk.chat(key).ok_or(AdminError::Busy)
}

pub(super) fn no_such_room(key: &RoomKey) -> LiveError {
    LiveError::NoSuchRoom {
        room: key.room.clone(),
    }
}

/// A list of users from a call: neither empty nor too long, each once.
fn listed(mut users: Vec<UserId>) -> Result<Vec<UserId>, LiveError> {
    if users.is_empty() {
        return Err(LiveError::EmptyList { limit: MAX_USERS });
    }
    if users.len() > MAX_USERS {
        return Err(LiveError::BadValue {
            what: "a list of more than 500 users",
            allowed: "name up to 500, and the others in another call",
        });
    }
    users.sort_unstable();
    users.dedup();
    Ok(users)
}

/// A page of what is ordered by user.
fn times(all: Vec<(UserId, Duration)>, after: Option<UserId>, limit: usize) -> Page<TimeView> {
    let start = after.map_or(0, |after| all.partition_point(|(user, _)| *user <= after));
    let limit = limit.clamp(1, MAX_PAGE);
    let items: Vec<_> = all[start..]
        .iter()
        .take(limit)
        .map(|(user, left)| TimeView {
            user: user.clone(),
            seconds: u64::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX),
        })
        .collect();
    let more = start + items.len() < all.len();
    let last = items.last().filter(|_| more);
    let next = last.map(|view| view.user.to_string());
    Page { items, next }
}
