//! Moving, and what hosts and the operator decide over seats.

use super::{Actor, Room, Turn};
use crate::live::command::{Reply, SeatMode, SeatOrder};
use crate::live::error::LiveError;
use crate::live::event::Event;
use crate::live::ids::UserId;
use crate::live::seats::{Device, MovePolicy};

impl Room {
    /// Carries out a host's or the operator's decision over seats.
    pub(in crate::live) fn seat_order(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        order: SeatOrder,
    ) -> Result<Reply, LiveError> {
        self.authorize_host(actor, "deciding over seats")?;
        self.seating()?;
        match order {
            SeatOrder::Pick { user, seat } => {
                if actor != Actor::Operator {
                    return Err(LiveError::NoPermission {
                        action: "seating somebody without asking",
                        needed: "the operator; hosts invite",
                    });
                }
                if !self.members.contains_key(&user) {
                    return Err(LiveError::NotMember { user });
                }
                let seat = self.sit_down(turn, &user, seat)?;
                Ok(Reply::Seated { seat })
            }
            SeatOrder::KickOff { users } => self.kick_off(turn, actor, users),
            SeatOrder::Lock { seat, locked } => {
                let first = self.first_seat();
                let seating = self.seating_mut()?;
                let found = seating.list.seat_mut(seat)?;
                if seat < first {
                    return Err(LiveError::BadValue {
                        what: "locking the owner's seat",
                        allowed: "lock any other seat",
                    });
                }
                seating.changed |= found.locked != locked;
                found.locked = locked;
                Ok(Reply::Done)
            }
            SeatOrder::Move {
                user,
                target,
                policy,
            } => {
                if actor != Actor::User(&user) {
                    self.authorize_over(actor, &user, "moving that user")?;
                }
                self.move_seat(turn, actor, &user, target, policy)?;
                Ok(Reply::Seated { seat: target })
            }
            SeatOrder::Device { user, device, open } => {
                self.authorize_over(actor, &user, "controlling that user's devices")?;
                self.set_device(turn, &user, device, open)?;
                Ok(Reply::Done)
            }
        }
    }

    fn kick_off(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        users: Vec<UserId>,
    ) -> Result<Reply, LiveError> {
        for user in &users {
            self.authorize_over(actor, user, "taking that user off the seat")?;
            if self.owner_has_seat() && self.is_owner(user) {
                return Err(LiveError::NoPermission {
                    action: "taking the owner off the owner's seat",
                    needed: "the owner's own wish",
                });
            }
        }
        let mut seated = Vec::new();
        for user in &users {
            seated.push((user, self.seat_of(user)?));
        }
        for (user, seat) in seated {
            self.lose_seat(turn, actor, user, seat);
        }
        Ok(Reply::Users { users })
    }

    /// Tells `user`, whose seat is gone or goes now, and makes audience of them.
    fn lose_seat(&mut self, turn: &mut Turn<'_>, actor: Actor<'_>, user: &UserId, seat: u16) {
        let host = match actor {
            Actor::Operator => None,
            Actor::User(host) => Some(host.clone()),
        };
        let event = Event::KickedOffSeat {
            room: self.id(),
            seat,
            host,
        };
        self.tell(turn, user, event);
        self.stand_up(turn, user);
    }

    pub(super) fn move_own(&mut self, user: &UserId, target: u16) -> Result<(), LiveError> {
        self.check_move(user, target)?;
        if !self.is_host(user) && self.seat_mode() != Some(SeatMode::FreeToTake) {
            return Err(LiveError::NoPermission {
                action: "moving to another seat",
                needed: "a host, because seats are given on application here",
            });
        }
        let seating = self.seating_mut()?;
        seating
            .list
            .move_to(user, target, MovePolicy::AbortWhenOccupied)?;
        seating.changed = true;
        Ok(())
    }

    fn move_seat(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        user: &UserId,
        target: u16,
        policy: MovePolicy,
    ) -> Result<(), LiveError> {
        self.check_move(user, target)?;
        let there = self.seating()?.list.seat(target)?.occupant.as_ref();
        if let Some(other) = there.map(|o| o.user.clone())
            && policy != MovePolicy::AbortWhenOccupied
            && other != *user
        {
            self.authorize_over(actor, &other, "moving the user on the target seat")?;
        }
        let seating = self.seating_mut()?;
        let lost = seating.list.move_to(user, target, policy)?;
        seating.changed = true;
        if let Some(lost) = lost {
            self.lose_seat(turn, actor, &lost, target);
        }
        Ok(())
    }

    /// The owner stays on the owner's seat, and nobody else comes there.
    fn check_move(&self, user: &UserId, target: u16) -> Result<(), LiveError> {
        self.seat_of(user)?;
        self.seating()?.list.seat(target)?;
        if self.owner_has_seat() && self.is_owner(user) && target != 0 {
            return Err(LiveError::NoPermission {
                action: "moving the owner from the owner's seat",
                needed: "a room that does not keep the owner on a seat",
            });
        }
        if target < self.first_seat() && !self.is_owner(user) {
            return Err(LiveError::TargetOccupied { index: target });
        }
        Ok(())
    }

    fn set_device(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        device: Device,
        open: bool,
    ) -> Result<(), LiveError> {
        let index = self.seat_of(user)?;
        let seating = self.seating_mut()?;
        let seat = seating.list.seat_mut(index)?;
        let lock = match device {
            Device::Microphone => &mut seat.microphone_locked,
            Device::Camera => &mut seat.camera_locked,
        };
        if *lock != open {
            return Ok(());
        }
        *lock = !open;
        seating.changed = true;
        let event = Event::DeviceChanged {
            room: self.id(),
            device,
            open,
        };
        self.tell(turn, user, event);
        self.refresh_allowed(turn, user);
        Ok(())
    }
}
