//! Calls on a room's seats.

use std::time::Instant;

use super::Desk;
use crate::live::{LiveError, MovePolicy, Order, RoomKey, SeatOrder, UserId};
use crate::signal::hub::admin::{AdminError, Reply};

pub(super) fn sit(
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

pub(super) fn clear_seat(
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
