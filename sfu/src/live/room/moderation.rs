//! What hosts, the owner and the operator decide over the room and its members.

use super::{Actor, Room, Turn, check_len};
use crate::live::command::{About, SeatMode};
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::{ConnectionId, UserId};
use crate::live::limits::Refusal;
use crate::live::reason::{EndReason, LeaveReason, RemovalReason, RemovedBy};
use crate::live::roles::Rank;

impl Room {
    /// Checks that `actor` is the owner or the operator.
    pub(in crate::live) fn authorize_owner(
        &self,
        actor: Actor<'_>,
        action: &'static str,
    ) -> Result<(), LiveError> {
        match actor {
            Actor::Operator => Ok(()),
            Actor::User(user) if self.is_owner(user) => Ok(()),
            Actor::User(_) => Err(LiveError::NotOwner { action }),
        }
    }

    /// Checks that `actor` is the owner, an administrator in the room, or the operator.
    pub(in crate::live) fn authorize_host(
        &self,
        actor: Actor<'_>,
        action: &'static str,
    ) -> Result<(), LiveError> {
        let Actor::User(user) = actor else {
            return Ok(());
        };
        if self.is_owner(user) {
            return Ok(());
        }
        self.entered(user)?;
        if self.is_host(user) {
            Ok(())
        } else {
            Err(LiveError::NoPermission {
                action,
                needed: "the room's owner or an administrator; ask the owner for it",
            })
        }
    }

    /// Checks that `actor` stands above `target`.
    pub(in crate::live) fn authorize_over(
        &self,
        actor: Actor<'_>,
        target: &UserId,
        action: &'static str,
    ) -> Result<(), LiveError> {
        self.authorize_host(actor, action)?;
        match actor {
            Actor::User(user) if self.rank(user) >= self.rank(target) => {
                Err(LiveError::NoPermission {
                    action,
                    needed: "somebody who stands above that user",
                })
            }
            _ => Ok(()),
        }
    }

    /// Changes texts and seat mode.
    pub(in crate::live) fn update(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        about: Option<About>,
        seat_mode: Option<SeatMode>,
    ) -> Result<(), LiveError> {
        self.authorize_host(actor, "changing the room")?;
        match (seat_mode, &mut self.seating) {
            (Some(_), None) => return Err(LiveError::NoSeats),
            (Some(mode), Some(seating)) => seating.settings.mode = mode,
            (None, _) => {}
        }
        if let Some(about) = about {
            self.about = about;
        }
        self.tell_info(turn);
        Ok(())
    }

    /// Makes somebody an administrator, or takes it back.
    pub(in crate::live) fn set_administrator(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        user: &UserId,
        is_administrator: bool,
    ) -> Result<(), LiveError> {
        self.authorize_owner(actor, "appointing administrators")?;
        let changed = if is_administrator {
            if !self.members.contains_key(user) {
                return Err(LiveError::NotMember { user: user.clone() });
            }
            if self.rank(user) != Rank::GeneralUser {
                return Ok(());
            }
            check_len(
                self.administrators.len(),
                turn.limits.administrators,
                Refusal::Administrators,
            )?;
            self.administrators.insert(user.clone())
        } else {
            self.administrators.remove(user)
        };
        if changed {
            turn.out.event(
                Recipient::Room(self.key.clone()),
                Event::AdministratorChanged {
                    room: self.id(),
                    user: user.clone(),
                    is_administrator,
                },
            );
            if !is_administrator {
                self.drop_invitations_by(turn, user);
            }
            self.mark_seats_of(user);
            self.anchors_changed |= self.anchors.contains(user);
        }
        Ok(())
    }

    /// Takes a member out for good, on the order of somebody who may.
    pub(in crate::live) fn kick(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        user: &UserId,
        message: &str,
    ) {
        let Some(member) = self.members.get(user) else {
            self.vacate_seat(user);
            return;
        };
        let connection = member.connection;
        self.remove(turn, user, LeaveReason::Kicked, None);
        // A member who has come back to the chat alone still has a kept seat.
        self.vacate_seat(user);
        let message = if message.is_empty() {
            "You were removed from the room."
        } else {
            message
        };
        turn.out.event(
            Recipient::One(connection),
            self.removed(RemovalReason::Kick, actor.into(), message),
        );
    }

    /// Takes a member out whose user has logged in again.
    pub(in crate::live) fn replace(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        let Some(connection) = self.members.get(user).map(|m| m.connection) else {
            return;
        };
        let keep = turn.now.checked_add(turn.limits.resume);
        self.remove(turn, user, LeaveReason::Replaced, keep);
        turn.out.event(
            Recipient::One(connection),
            self.removed(
                RemovalReason::Banned,
                RemovedBy::User,
                "The same user has logged in elsewhere.",
            ),
        );
    }

    /// Takes everybody out; the connections that were in the room.
    pub(in crate::live) fn end(
        &mut self,
        turn: &mut Turn<'_>,
        reason: EndReason,
    ) -> Vec<ConnectionId> {
        let guests = std::mem::take(&mut self.guests);
        let mut connections: Vec<_> = guests.into_iter().collect();
        if let Some(seating) = &mut self.seating {
            seating.requests = Default::default();
        }
        // Nobody is told of the others' leaving: everybody is told of the end.
        for (user, member) in std::mem::take(&mut self.members) {
            connections.push(member.connection);
            if member.chat {
                turn.out.effect(Effect::ChatLeft {
                    key: self.key.clone(),
                    user: user.clone(),
                    reason: LeaveReason::RoomEnded,
                });
            }
            if member.media.is_some() {
                turn.out.effect(Effect::MediaLeft {
                    key: self.key.clone(),
                    user: user.clone(),
                    reason: LeaveReason::RoomEnded,
                });
            }
        }
        self.anchors.clear();
        self.media_members = 0;
        self.first_anchor = None;
        let by = match reason {
            EndReason::Dismissed => RemovedBy::Host,
            EndReason::Operator | EndReason::Empty => RemovedBy::Server,
        };
        for connection in &connections {
            turn.out.event(
                Recipient::One(*connection),
                self.removed(RemovalReason::RoomDisband, by, "The room was dismissed."),
            );
        }
        turn.out.effect(Effect::RoomEnded {
            key: self.key.clone(),
            reason,
        });
        connections
    }

    fn removed(&self, reason: RemovalReason, by: RemovedBy, message: &str) -> Event {
        Event::Removed {
            room: self.id(),
            reason,
            by,
            message: message.to_owned(),
        }
    }
}

impl From<Actor<'_>> for RemovedBy {
    fn from(actor: Actor<'_>) -> Self {
        match actor {
            Actor::Operator => Self::Server,
            Actor::User(_) => Self::Host,
        }
    }
}
