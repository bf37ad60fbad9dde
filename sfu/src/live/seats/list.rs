//! The seats themselves: who sits where, and what is locked.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::live::error::LiveError;
use crate::live::ids::UserId;

/// What happens when the seat to move to is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum MovePolicy {
    /// Nothing moves.
    AbortWhenOccupied,
    /// The one who sits there loses the seat.
    ForceReplace,
    /// The two change places.
    SwapPosition,
}

/// A device that a host can close on a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Device {
    /// Sound.
    Microphone,
    /// Picture.
    Camera,
}

impl Device {
    pub(in crate::live) fn name(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
        }
    }
}

/// The one who sits, or whose seat is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::live) struct Occupant {
    pub(in crate::live) user: UserId,
    /// Set while the user is away: the seat is free from then on.
    pub(in crate::live) kept_until: Option<Instant>,
}

/// One seat. Locks of devices belong to the one who sits, and end with the sitting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::live) struct Seat {
    pub(in crate::live) locked: bool,
    pub(in crate::live) microphone_locked: bool,
    pub(in crate::live) camera_locked: bool,
    pub(in crate::live) occupant: Option<Occupant>,
}

impl Seat {
    fn vacate(&mut self) -> Option<Occupant> {
        self.microphone_locked = false;
        self.camera_locked = false;
        self.occupant.take()
    }
}

/// All seats of a room. No user is on two of them.
#[derive(Debug, Clone)]
pub(in crate::live) struct SeatList {
    seats: Vec<Seat>,
}

impl SeatList {
    pub(in crate::live) fn new(count: u16) -> Self {
        Self {
            seats: vec![Seat::default(); count.into()],
        }
    }

    pub(in crate::live) fn iter(&self) -> impl Iterator<Item = (u16, &Seat)> {
        (0..).zip(&self.seats)
    }

    pub(in crate::live) fn seat(&self, index: u16) -> Result<&Seat, LiveError> {
        self.seats
            .get(usize::from(index))
            .ok_or_else(|| self.no_such_seat(index))
    }

    pub(in crate::live) fn seat_mut(&mut self, index: u16) -> Result<&mut Seat, LiveError> {
        if self.seat(index).is_err() {
            return Err(self.no_such_seat(index));
        }
        Ok(&mut self.seats[usize::from(index)])
    }

    /// The seat of `user`, kept ones included.
    pub(in crate::live) fn index_of(&self, user: &UserId) -> Option<u16> {
        self.iter()
            .find(|(_, seat)| seat.occupant.as_ref().is_some_and(|o| o.user == *user))
            .map(|(index, _)| index)
    }

    /// The seat that `wanted` means for somebody who has none: that one, or from `first` on the
    /// first free one.
    pub(in crate::live) fn find(&self, wanted: Option<u16>, first: u16) -> Result<u16, LiveError> {
        let Some(index) = wanted else {
            return self
                .iter()
                .find(|(index, seat)| *index >= first && !seat.locked && seat.occupant.is_none())
                .map(|(index, _)| index)
                .ok_or(LiveError::AllSeatsOccupied);
        };
        let seat = self.seat(index)?;
        if seat.occupant.is_some() || index < first {
            return Err(LiveError::SeatOccupied { index });
        }
        if seat.locked {
            return Err(LiveError::SeatLocked { index });
        }
        Ok(index)
    }

    /// Puts `user`, who sits nowhere, on the free seat `index`.
    pub(in crate::live) fn put(&mut self, user: &UserId, index: u16) {
        debug_assert!(self.index_of(user).is_none(), "{user} sits already");
        if let Some(seat) = self.seats.get_mut(usize::from(index)) {
            debug_assert!(seat.occupant.is_none(), "seat {index} is taken");
            seat.occupant = Some(Occupant {
                user: user.clone(),
                kept_until: None,
            });
        }
    }

    /// Takes `user` off; the index of the seat that is free now.
    pub(in crate::live) fn remove(&mut self, user: &UserId) -> Option<u16> {
        let index = self.index_of(user)?;
        self.seats[usize::from(index)].vacate();
        Some(index)
    }

    /// Moves `user` to `target`; the user who lost that seat, if one did. Locks of devices move
    /// with their user.
    pub(in crate::live) fn move_to(
        &mut self,
        user: &UserId,
        target: u16,
        policy: MovePolicy,
    ) -> Result<Option<UserId>, LiveError> {
        let from = self
            .index_of(user)
            .ok_or_else(|| LiveError::NotSeated { user: user.clone() })?;
        let seat = self.seat(target)?;
        if from == target {
            return Ok(None);
        }
        let taken = seat.occupant.is_some();
        if taken && policy == MovePolicy::AbortWhenOccupied {
            return Err(LiveError::TargetOccupied { index: target });
        }
        if seat.locked {
            return Err(LiveError::SeatLocked { index: target });
        }
        let lost = if policy == MovePolicy::ForceReplace {
            self.seats[usize::from(target)].vacate().map(|o| o.user)
        } else {
            None
        };
        self.seats.swap(usize::from(from), usize::from(target));
        // A locked seat stays where it is: only the people change places.
        let [a, b] = [usize::from(from), usize::from(target)];
        let lock = self.seats[a].locked;
        self.seats[a].locked = self.seats[b].locked;
        self.seats[b].locked = lock;
        Ok(lost)
    }

    /// Keeps the seat of `user`, who is away, until `until`. An earlier end stays.
    pub(in crate::live) fn keep(&mut self, user: &UserId, until: Instant) -> bool {
        self.occupant_mut(user).is_some_and(|occupant| {
            let end = occupant.kept_until.map_or(until, |end| end.min(until));
            occupant.kept_until = Some(end);
            true
        })
    }

    /// `user` is back; the kept seat, if there is one.
    pub(in crate::live) fn resume(&mut self, user: &UserId) -> Option<u16> {
        self.occupant_mut(user)?.kept_until.take()?;
        self.index_of(user)
    }

    /// The users whose kept seats have come to their end.
    pub(in crate::live) fn ended(&self, now: Instant) -> Vec<UserId> {
        self.kept()
            .filter(|(_, until)| *until <= now)
            .map(|(user, _)| user.clone())
            .collect()
    }

    /// The next end of a kept seat.
    pub(in crate::live) fn next_timeout(&self) -> Option<Instant> {
        self.kept().map(|(_, until)| until).min()
    }

    fn kept(&self) -> impl Iterator<Item = (&UserId, Instant)> {
        self.seats
            .iter()
            .filter_map(|seat| seat.occupant.as_ref())
            .filter_map(|o| Some((&o.user, o.kept_until?)))
    }

    fn occupant_mut(&mut self, user: &UserId) -> Option<&mut Occupant> {
        self.seats
            .iter_mut()
            .filter_map(|seat| seat.occupant.as_mut())
            .find(|o| o.user == *user)
    }

    fn no_such_seat(&self, index: u16) -> LiveError {
        let last = u16::try_from(self.seats.len().saturating_sub(1)).unwrap_or(u16::MAX);
        LiveError::NoSuchSeat { index, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn who(list: &SeatList) -> Vec<String> {
        list.iter()
            .map(|(_, seat)| {
                seat.occupant
                    .as_ref()
                    .map_or("-".into(), |o| o.user.to_string())
            })
            .collect()
    }

    #[test]
    fn the_first_free_seat_is_neither_locked_nor_reserved() {
        let mut list = SeatList::new(4);
        list.seat_mut(1).unwrap().locked = true;
        assert_eq!(list.find(None, 1), Ok(2));
        list.put(&user("a"), 2);
        assert_eq!(list.find(None, 1), Ok(3));
        list.put(&user("b"), 3);
        assert_eq!(list.find(None, 1), Err(LiveError::AllSeatsOccupied));
        assert_eq!(
            list.find(Some(0), 1),
            Err(LiveError::SeatOccupied { index: 0 })
        );
        assert_eq!(
            list.find(Some(1), 1),
            Err(LiveError::SeatLocked { index: 1 })
        );
        assert_eq!(
            list.find(Some(4), 1),
            Err(LiveError::NoSuchSeat { index: 4, last: 3 })
        );
        assert_eq!(list.find(None, 0), Ok(0));
    }

    #[test]
    fn moving_follows_its_policy() {
        let mut list = SeatList::new(3);
        list.put(&user("a"), 0);
        list.put(&user("b"), 1);
        list.seat_mut(0).unwrap().microphone_locked = true;
        assert_eq!(
            list.move_to(&user("a"), 1, MovePolicy::AbortWhenOccupied),
            Err(LiveError::TargetOccupied { index: 1 })
        );
        assert_eq!(
            list.move_to(&user("a"), 1, MovePolicy::SwapPosition),
            Ok(None)
        );
        assert_eq!(who(&list), ["b", "a", "-"]);
        assert!(list.seat(1).unwrap().microphone_locked);
        assert!(!list.seat(0).unwrap().microphone_locked);
        assert_eq!(
            list.move_to(&user("b"), 1, MovePolicy::ForceReplace),
            Ok(Some(user("a")))
        );
        assert_eq!(who(&list), ["-", "b", "-"]);
        assert!(!list.seat(1).unwrap().microphone_locked);
        assert_eq!(
            list.move_to(&user("b"), 2, MovePolicy::SwapPosition),
            Ok(None)
        );
        assert_eq!(who(&list), ["-", "-", "b"]);
        assert_eq!(
            list.move_to(&user("a"), 0, MovePolicy::SwapPosition),
            Err(LiveError::NotSeated { user: user("a") })
        );
    }

    #[test]
    fn a_lock_stays_with_its_seat_and_stops_a_move() {
        let mut list = SeatList::new(2);
        list.put(&user("a"), 0);
        list.seat_mut(0).unwrap().locked = true;
        list.move_to(&user("a"), 1, MovePolicy::SwapPosition)
            .unwrap();
        assert!(list.seat(0).unwrap().locked && !list.seat(1).unwrap().locked);
        assert_eq!(
            list.move_to(&user("a"), 0, MovePolicy::ForceReplace),
            Err(LiveError::SeatLocked { index: 0 })
        );
    }

    #[test]
    fn a_kept_seat_ends_at_its_first_deadline_unless_its_user_returns() {
        let t0 = Instant::now();
        let at = |s| t0 + Duration::from_secs(s);
        let mut list = SeatList::new(2);
        list.put(&user("a"), 1);
        assert_eq!(list.resume(&user("a")), None);
        assert!(list.keep(&user("a"), at(30)));
        assert!(list.keep(&user("a"), at(60)));
        assert!(!list.keep(&user("b"), at(60)));
        assert_eq!(list.next_timeout(), Some(at(30)));
        assert!(list.ended(at(29)).is_empty());
        assert_eq!(list.ended(at(30)), [user("a")]);
        assert_eq!(list.resume(&user("a")), Some(1));
        assert!(list.ended(at(99)).is_empty());
        assert_eq!(list.remove(&user("a")), Some(1));
        assert_eq!(list.remove(&user("a")), None);
    }
}
