//! Carrying calls out on rooms and their chats.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use relay::StreamId;

use super::{
    AdminError, Call, Content, MAX_PAGE, MAX_USERS, Page, Reply, RoomView, SharedMessage,
    StreamCursor, StreamView, TimeView,
};
use crate::live::chat::{
    AttributesChange, Chat, Draft, DraftPayload, Payload, Priority, TextPayload, UnixTime,
};
use crate::live::{
    AppId, CoHostOrder, LiveError, MovePolicy, Order, RoomId, RoomKey, Rooms, SeatOrder, TrackKind,
    UserId,
};

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
    /// Takes a message back.
    fn revoke(&mut self, key: &RoomKey, sequence: u64) -> Result<(), AdminError>;
    /// Shared texts have changed: tells the members and the store.
    fn attributes_changed(&mut self, key: &RoomKey, change: AttributesChange);
    /// Shared numbers have these new values: tells the members and the store.
    fn counters_changed(&mut self, key: &RoomKey, values: BTreeMap<String, i64>);
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
    /// Gives a publication public addresses.
    fn start_relay(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
        stream: Option<StreamId>,
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
            name,
            notice,
            seat_mode,
        } => update(desk, now, &key(room), (name, notice), seat_mode),
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
        Call::StartRelay {
            room,
            user,
            track,
            stream,
        } => {
            let key = known(desk, key(room))?;
            let view = desk.start_relay(now, &key, &user, track, stream)?;
            Ok(Reply::Stream(Box::new(view)))
        }
        Call::StopRelay { room, user, track } => {
            let key = known(desk, key(room))?;
            desk.stop_relay(now, &key, &user, track)?;
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

fn apply_chat(
    desk: &mut impl Desk,
    now: Instant,
    app: AppId,
    call: Call,
) -> Result<Reply, AdminError> {
    let clock = desk.clock(now);
    let key = |room: RoomId| RoomKey::new(app, room);
    match call {
        Call::Mutes { room, after, limit } => {
            let chat = chat(desk, &key(room))?;
            let mut all: Vec<_> = chat
                .moderation
                .all(clock)
                .map(|(user, left)| (user.clone(), left))
                .collect();
            all.sort_unstable();
            Ok(Reply::Mutes {
                is_mute_all: chat.moderation.is_mute_all(),
                page: times(all, after, limit),
            })
        }
        Call::Mute { room, users, time } => {
            let (key, users) = (known(desk, key(room))?, listed(users)?);
            for user in &users {
                desk.mute(now, &key, user, time)?;
            }
            Ok(Reply::Done)
        }
        Call::MuteAll { room, muted } => {
            let key = known(desk, key(room))?;
            desk.mute_all(now, &key, muted)?;
            Ok(Reply::Done)
        }
        Call::Messages {
            room,
            before,
            limit,
        } => {
            let limit = limit.clamp(1, MAX_PAGE);
            let chat = chat(desk, &key(room))?;
            let mut items = chat.history().page(before, limit + 1);
            let more = items.len() > limit;
            items.drain(..items.len().saturating_sub(limit));
            let first = items.first().filter(|_| more);
            let next = first.map(|message| message.sequence.to_string());
            let items = items.into_iter().map(SharedMessage).collect();
            Ok(Reply::Messages(Page { items, next }))
        }
        Call::Send {
            room,
            from,
            priority,
            content,
        } => {
            let (key, payload) = (key(room), checked(content)?);
            chat(desk, &key)?.announce(now, clock, from, priority, payload);
            Ok(Reply::Sent {
                time: clock.as_secs(),
            })
        }
        Call::Notify { room, users, text } => {
            let key = known(desk, key(room))?;
            let payload = checked(Content::Text(TextPayload { text: text.clone() }))?;
            if users.is_empty() {
                chat(desk, &key)?.announce(now, clock, None, Priority::High, payload);
            } else {
                desk.notify(now, &key, &listed(users)?, text);
            }
            Ok(Reply::Done)
        }
        Call::Revoke { room, sequence } => {
            let key = known(desk, key(room))?;
            desk.revoke(&key, sequence)?;
            Ok(Reply::Done)
        }
        Call::Attributes { room } => {
            let attributes = chat(desk, &key(room))?.attributes.all().clone();
            Ok(Reply::Attributes { attributes })
        }
        Call::ReplaceAttributes { room, values } => {
            let key = key(room);
            let change = chat(desk, &key)?.attributes.init(values)?;
            attributes_changed(desk, &key, change)
        }
        Call::ChangeAttributes { room, values } => {
            let key = key(room);
            let attributes = &mut chat(desk, &key)?.attributes;
            let mut next = attributes.all().clone();
            for (name, value) in values {
                match value {
                    Some(value) => next.insert(name, value),
                    None => next.remove(&name),
                };
            }
            let change = attributes.init(next)?;
            attributes_changed(desk, &key, change)
        }
        Call::Counters { room } => {
            let chat = chat(desk, &key(room))?;
            Ok(Reply::Counters {
                counters: chat.counters.all().clone(),
                likes: chat.likes(),
            })
        }
        Call::SetCounters { room, values } => {
            let key = key(room);
            let chat = chat(desk, &key)?;
            chat.counters.set(values.clone())?;
            let reply = Reply::Counters {
                counters: chat.counters.all().clone(),
                likes: chat.likes(),
            };
            desk.counters_changed(&key, values);
            Ok(reply)
        }
        Call::AddCounter { room, name, amount } => {
            let key = key(room);
            let value = chat(desk, &key)?.counters.add(&name, amount)?;
            let changed = BTreeMap::from([(name, value)]);
            desk.counters_changed(&key, changed);
            Ok(Reply::Counter { value })
        }
        // All others are carried out by `apply`.
        _ => Err(AdminError::Busy),
    }
}

fn create(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    owner: &UserId,
    about: crate::live::About,
    seats: Option<crate::live::SeatSettings>,
) -> Result<Reply, AdminError> {
    let settings = crate::live::RoomSettings {
        about: about.clone(),
        seats,
    };
    let is_new = match desk.rooms_mut().create(now, key, owner, settings) {
        Ok(()) => true,
        Err(LiveError::AlreadyYours { .. }) => {
            let has = desk.rooms().room(key).and_then(|info| info.seats);
            if has.map(|has| (has.count, has.keep_owner_on_seat))
                != seats.map(|new| (new.count, new.keep_owner_on_seat))
            {
                return Err(LiveError::BadValue {
                    what: "another number of seats in a room that exists",
                    allowed: "dismiss the room and create it again",
                }
                .into());
            }
            let order = Order::Update {
                about: Some(about),
                seat_mode: seats.map(|seats| seats.mode),
            };
            desk.rooms_mut().handle_order(now, key, order)?;
            false
        }
        Err(error) => return Err(error.into()),
    };
    let room = Box::new(view(desk, key)?);
    Ok(Reply::Created { is_new, room })
}

fn update(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    (name, notice): (Option<String>, Option<String>),
    seat_mode: Option<crate::live::SeatMode>,
) -> Result<Reply, AdminError> {
    let info = desk.rooms().room(key).ok_or_else(|| no_such_room(key))?;
    let about = match (name, notice) {
        (None, None) => None,
        (name, notice) => Some(crate::live::About::new(
            name.as_deref().unwrap_or(&info.name),
            notice.as_deref().unwrap_or(&info.notice),
        )?),
    };
    let order = Order::Update { about, seat_mode };
    desk.rooms_mut().handle_order(now, key, order)?;
    view(desk, key).map(|room| Reply::Room(Box::new(room)))
}

fn remove(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    users: Vec<UserId>,
    message: &str,
    ban: Option<Duration>,
) -> Result<Reply, AdminError> {
    let mut removed = Vec::new();
    // As many as one order of the rooms takes.
    for some in listed(users)?.chunks(10) {
        let order = Order::Kick {
            users: some.to_vec(),
            message: message.to_owned(),
            ban,
        };
        if let crate::live::Reply::Users { users } =
            desk.rooms_mut().handle_order(now, key, order)?
        {
            removed.extend(users);
        }
    }
    Ok(Reply::Users { users: removed })
}

fn sit(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    seat: Option<u16>,
    user: UserId,
    policy: MovePolicy,
) -> Result<Reply, AdminError> {
    let seats = desk.rooms().seats(key)?;
    let sits = |view: &&crate::live::SeatView| view.user.as_ref().is_some_and(|u| u.user == user);
    let order = match (seats.iter().find(sits).map(|view| view.index), seat) {
        (Some(has), None) => return Ok(Reply::Seated { seat: has }),
        (Some(has), Some(seat)) if has == seat => return Ok(Reply::Seated { seat }),
        (Some(_), Some(target)) => SeatOrder::Move {
            user,
            target,
            policy,
        },
        (None, seat) => SeatOrder::Pick { user, seat },
    };
    let reply = desk
        .rooms_mut()
        .handle_order(now, key, Order::Seat(order))?;
    Ok(match reply {
        crate::live::Reply::Seated { seat } => Reply::Seated { seat },
        _ => Reply::Done,
    })
}

fn clear_seat(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    seat: u16,
) -> Result<Reply, AdminError> {
    let seats = desk.rooms().seats(key)?;
    let last = u16::try_from(seats.len().saturating_sub(1)).unwrap_or(u16::MAX);
    if seats.is_empty() {
        return Err(LiveError::NoSeats.into());
    }
    let view = seats
        .into_iter()
        .nth(seat.into())
        .ok_or(LiveError::NoSuchSeat { index: seat, last })?;
    if let Some(there) = view.user {
        let users = vec![there.user];
        let order = Order::Seat(SeatOrder::KickOff { users });
        desk.rooms_mut().handle_order(now, key, order)?;
    }
    Ok(Reply::Done)
}

fn connect(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    other: RoomId,
) -> Result<Reply, AdminError> {
    let order = |order| Order::CoHost(order);
    let to = RoomKey::new(key.app, other.clone());
    let request = CoHostOrder::Request {
        room: other.clone(),
        timeout: None,
        extension: String::new(),
    };
    match desk.rooms_mut().handle_order(now, key, order(request)) {
        // Somebody has asked already: this answers it, whichever way it went.
        Ok(_) | Err(LiveError::CoHostPending { .. }) => {}
        Err(LiveError::CoHostConnected { .. }) => return Ok(Reply::Done),
        Err(error) => return Err(error.into()),
    }
    let accept = |room: RoomId| order(CoHostOrder::Answer { room, accept: true });
    let rooms = desk.rooms_mut();
    let answered = match rooms.handle_order(now, &to, accept(key.room.clone())) {
        Err(LiveError::NoCoHostRequest { .. }) => rooms.handle_order(now, key, accept(other)),
        answered => answered,
    };
    if let Err(error) = answered {
        // A request of this call alone would stay open for ever.
        let cancel = order(CoHostOrder::Cancel { room: to.room });
        let _ = rooms.handle_order(now, key, cancel);
        return Err(error.into());
    }
    Ok(Reply::Done)
}

fn attributes_changed(
    desk: &mut impl Desk,
    key: &RoomKey,
    change: AttributesChange,
) -> Result<Reply, AdminError> {
    let attributes = chat(desk, key)?.attributes.all().clone();
    if !change.is_empty() {
        desk.attributes_changed(key, change);
    }
    Ok(Reply::Attributes { attributes })
}

fn view(desk: &mut impl Desk, key: &RoomKey) -> Result<RoomView, AdminError> {
    let info = desk.rooms().room(key).ok_or_else(|| no_such_room(key))?;
    let chat = desk.chat(key);
    Ok(RoomView {
        info,
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

/// Checks size and characters; what a filter would say does not count for the back end.
fn checked(content: Content) -> Result<Payload, AdminError> {
    let (draft, payload) = match content {
        Content::Text(text) => (DraftPayload::Text(text.clone()), Payload::Text(text)),
        Content::Custom(custom) => (
            DraftPayload::Custom(custom.clone()),
            Payload::Custom(custom),
        ),
    };
    let draft = Draft {
        payload: draft,
        ..Draft::text("")
    };
    draft.check()?;
    Ok(payload)
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
