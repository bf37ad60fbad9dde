//! Who sits where. The role follows the seat.

use std::time::Instant;

use super::{Room, Seating, Turn, check_len};
use crate::live::command::{Reply, SeatCommand};
use crate::live::error::LiveError;
use crate::live::ids::UserId;
use crate::live::limits::Refusal;
use crate::live::reason::RequestResult;
use crate::live::roles::Role;

impl Room {
    /// Carries out a member's seat command.
    pub(in crate::live) fn seat_command(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        command: SeatCommand,
    ) -> Result<Reply, LiveError> {
        self.entered(user)?;
        self.seating()?;
        match command {
            SeatCommand::Take { seat } => self.take(turn, user, seat),
            SeatCommand::Apply { seat, timeout } => self.apply(turn, user, seat, timeout),
            SeatCommand::Leave => {
                self.seat_of(user)?;
                self.stand_up(turn, user);
                Ok(Reply::Done)
            }
            SeatCommand::CancelApplication => {
                self.seating()?.requests.application(user)?;
                self.end_application(turn, user, RequestResult::Cancelled, None);
                Ok(Reply::Done)
            }
            SeatCommand::AnswerApplication { guest, accept } => {
                self.answer_application(turn, user, &guest, accept)
            }
            SeatCommand::Invite {
                guest,
                seat,
                timeout,
            } => self.invite(turn, user, &guest, seat, timeout),
            SeatCommand::CancelInvitation { guest } => {
                self.seating()?.requests.invitation(&guest, user)?;
                self.end_invitation(turn, &guest, RequestResult::Cancelled);
                Ok(Reply::Done)
            }
            SeatCommand::AnswerInvitation { host, accept } => {
                self.answer_invitation(turn, user, &host, accept)
            }
            SeatCommand::Move { target } => {
                self.move_own(user, target)?;
                Ok(Reply::Seated { seat: target })
            }
        }
    }

    /// Puts `user` on a seat and makes an anchor of them; the seat.
    pub(super) fn sit_down(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        wanted: Option<u16>,
    ) -> Result<u16, LiveError> {
        let role = self.members.get(user).and_then(|member| member.role());
        let Some(role) = role else {
            return Err(LiveError::NotEntered { room: self.id() });
        };
        let index = self.find_seat(user, wanted)?;
        if role != Role::Anchor {
            check_len(self.anchors.len(), turn.limits.anchors, Refusal::Anchors)?;
        }
        let seating = self.seating_mut()?;
        seating.list.put(user, index);
        seating.changed = true;
        self.end_application(turn, user, RequestResult::AlreadySeated, None);
        self.end_invitation(turn, user, RequestResult::AlreadySeated);
        self.set_role(turn, user, Role::Anchor);
        Ok(index)
    }

    /// After entering the media: back on a kept seat, or the owner on the owner's.
    pub(super) fn return_to_seat(&mut self, turn: &mut Turn<'_>, user: &UserId, role: Role) {
        let owner_sits = role == Role::Anchor && self.owner_has_seat() && self.is_owner(user);
        let Some(seating) = &mut self.seating else {
            return;
        };
        if seating.list.resume(user).is_some() {
            seating.changed = true;
        } else if owner_sits {
            // Seat 0 is free: nobody else can sit there.
            let _ = self.sit_down(turn, user, None);
        }
    }

    /// Frees the seat of `user` without more.
    pub(super) fn vacate_seat(&mut self, user: &UserId) {
        if let Some(seating) = &mut self.seating {
            seating.changed |= seating.list.remove(user).is_some();
        }
    }

    pub(super) fn keep_or_vacate_seat(&mut self, user: &UserId, keep: Option<Instant>) {
        match (keep, &mut self.seating) {
            (Some(until), Some(seating)) => seating.changed |= seating.list.keep(user, until),
            _ => self.vacate_seat(user),
        }
    }

    pub(in crate::live) fn has_seat(&self, user: &UserId) -> bool {
        let seating = self.seating.as_ref();
        seating.is_some_and(|seating| seating.list.index_of(user).is_some())
    }

    pub(super) fn owner_has_seat(&self) -> bool {
        let seating = self.seating.as_ref();
        seating.is_some_and(|seating| seating.settings.keep_owner_on_seat)
    }

    /// Whether a host has closed microphone and camera of `user`.
    pub(super) fn closed_devices(&self, user: &UserId) -> (bool, bool) {
        let Some(seating) = &self.seating else {
            return (false, false);
        };
        let seat = seating.list.index_of(user);
        seat.and_then(|index| seating.list.seat(index).ok())
            .map_or((false, false), |s| (s.microphone_locked, s.camera_locked))
    }

    /// The seat list shows something else of `user`.
    pub(super) fn mark_seats_of(&mut self, user: &UserId) {
        if let Some(seating) = &mut self.seating {
            seating.changed |= seating.list.index_of(user).is_some();
        }
    }

    pub(super) fn end_kept_seats(&mut self, turn: &mut Turn<'_>) {
        if let Some(seating) = &mut self.seating {
            for user in seating.list.ended(turn.now) {
                seating.changed |= seating.list.remove(&user).is_some();
            }
        }
    }

    fn take(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        seat: Option<u16>,
    ) -> Result<Reply, LiveError> {
        if let (Some(_), Some(target)) = (self.seating()?.list.index_of(user), seat) {
            self.move_own(user, target)?;
            return Ok(Reply::Seated { seat: target });
        }
        self.apply(turn, user, seat, None)
    }

    pub(super) fn stand_up(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        self.vacate_seat(user);
        self.set_role(turn, user, Role::Audience);
    }

    /// The seat that `user`, who must not sit yet, would get.
    pub(super) fn find_seat(&self, user: &UserId, wanted: Option<u16>) -> Result<u16, LiveError> {
        let list = &self.seating()?.list;
        if list.index_of(user).is_some() {
            return Err(LiveError::AlreadySeated { user: user.clone() });
        }
        if self.owner_has_seat() && self.is_owner(user) {
            return match wanted {
                None | Some(0) => list.find(Some(0), 0),
                Some(index) => list.seat(index).and(Err(LiveError::NoPermission {
                    action: "another seat for the owner",
                    needed: "a room that does not keep the owner on a seat",
                })),
            };
        }
        list.find(wanted, self.first_seat())
    }

    pub(super) fn seat_of(&self, user: &UserId) -> Result<u16, LiveError> {
        let index = self.seating()?.list.index_of(user);
        index.ok_or_else(|| LiveError::NotSeated { user: user.clone() })
    }

    /// The first seat that is not the owner's own.
    pub(super) fn first_seat(&self) -> u16 {
        u16::from(self.owner_has_seat())
    }

    pub(super) fn seating(&self) -> Result<&Seating, LiveError> {
        self.seating.as_ref().ok_or(LiveError::NoSeats)
    }

    pub(super) fn seating_mut(&mut self) -> Result<&mut Seating, LiveError> {
        self.seating.as_mut().ok_or(LiveError::NoSeats)
    }
}
