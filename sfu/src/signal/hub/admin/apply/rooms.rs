//! Calls that make, change and connect rooms, or take people out of them.

use std::time::{Duration, Instant};

use super::{Desk, listed, no_such_room, view};
use crate::live::{AboutChange, CoHostOrder, LiveError, Order, RoomId, RoomKey, UserId};
use crate::signal::hub::admin::{AdminError, Reply};

pub(super) fn create(
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
        created_at: Some(desk.clock(now)),
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

pub(super) fn update(
    desk: &mut impl Desk,
    now: Instant,
    key: &RoomKey,
    change: AboutChange,
    seat_mode: Option<crate::live::SeatMode>,
) -> Result<Reply, AdminError> {
    let info = desk.rooms().room(key).ok_or_else(|| no_such_room(key))?;
    let about = match change.is_empty() {
        true => None,
        false => Some(info.about().with(change)?),
    };
    let order = Order::Update { about, seat_mode };
    desk.rooms_mut().handle_order(now, key, order)?;
    view(desk, key).map(|room| Reply::Room(Box::new(room)))
}

pub(super) fn remove(
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

pub(super) fn connect(
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
