//! Requests for seats: guests apply, hosts invite, and each learns how it ended.

use std::time::{Duration, Instant};

use super::{Actor, Room, Turn, check_len};
use crate::live::command::{Reply, SeatMode};
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::UserId;
use crate::live::limits::Refusal;
use crate::live::reason::{NoResponse, RequestResult};
use crate::live::seats::{Application, Invitation};
use crate::live::view::ApplicationView;

impl Room {
    pub(super) fn apply(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        seat: Option<u16>,
        timeout: Option<Duration>,
    ) -> Result<Reply, LiveError> {
        if self.is_host(user) || self.seat_mode() == Some(SeatMode::FreeToTake) {
            let seat = self.sit_down(turn, user, seat)?;
            return Ok(Reply::Seated { seat });
        }
        let member = self.entered(user)?;
        if member.media.is_none() {
            return Err(LiveError::NotEntered { room: self.id() });
        }
        let profile = member.profile.clone();
        self.find_seat(user, seat)?;
        let deadline = deadline(turn.now, timeout)?;
        let limit = turn.limits.seat_requests;
        let application = Application { seat, deadline };
        self.seating_mut()?
            .requests
            .apply(user, application, limit)?;
        turn.out.event(
            Recipient::Hosts(self.key.clone()),
            Event::ApplicationReceived {
                room: self.id(),
                guest: user.clone(),
                profile,
                seat,
            },
        );
        Ok(Reply::Applied)
    }

    pub(super) fn answer_application(
        &mut self,
        turn: &mut Turn<'_>,
        host: &UserId,
        guest: &UserId,
        accept: bool,
    ) -> Result<Reply, LiveError> {
        self.authorize_host(Actor::User(host), "answering an application")?;
        let seat = self.seating()?.requests.application(guest)?.seat;
        if !accept {
            self.end_application(turn, guest, RequestResult::Rejected, Some(host));
            return Ok(Reply::Done);
        }
        // The application stays open when the seat is gone in the meantime.
        self.find_seat(guest, seat)?;
        check_len(self.anchors.len(), turn.limits.anchors, Refusal::Anchors)?;
        self.end_application(turn, guest, RequestResult::Accepted, Some(host));
        let seat = self.sit_down(turn, guest, seat)?;
        Ok(Reply::Seated { seat })
    }

    pub(super) fn invite(
        &mut self,
        turn: &mut Turn<'_>,
        host: &UserId,
        guest: &UserId,
        seat: Option<u16>,
        timeout: Option<Duration>,
    ) -> Result<Reply, LiveError> {
        self.authorize_host(Actor::User(host), "inviting somebody to a seat")?;
        if !self.members.contains_key(guest) {
            return Err(LiveError::NotMember {
                user: guest.clone(),
            });
        }
        self.find_seat(guest, seat)?;
        let invitation = Invitation {
            host: host.clone(),
            seat,
            deadline: deadline(turn.now, timeout)?,
        };
        let limit = turn.limits.seat_requests;
        let profile = self.entered(host)?.profile.clone();
        self.seating_mut()?
            .requests
            .invite(guest, invitation, limit)?;
        let event = Event::InvitationReceived {
            room: self.id(),
            host: host.clone(),
            profile,
            seat,
        };
        self.tell(turn, guest, event);
        Ok(Reply::Done)
    }

    pub(super) fn answer_invitation(
        &mut self,
        turn: &mut Turn<'_>,
        guest: &UserId,
        host: &UserId,
        accept: bool,
    ) -> Result<Reply, LiveError> {
        let seat = self.seating()?.requests.invitation(guest, host)?.seat;
        if !accept {
            self.end_invitation(turn, guest, RequestResult::Rejected);
            return Ok(Reply::Done);
        }
        if self.entered(guest)?.media.is_none() {
            return Err(LiveError::NotEntered { room: self.id() });
        }
        self.find_seat(guest, seat)?;
        check_len(self.anchors.len(), turn.limits.anchors, Refusal::Anchors)?;
        self.end_invitation(turn, guest, RequestResult::Accepted);
        let seat = self.sit_down(turn, guest, seat)?;
        Ok(Reply::Seated { seat })
    }

    /// The open applications, by guest.
    pub(super) fn applications(&self) -> Vec<ApplicationView> {
        let Some(seating) = &self.seating else {
            return Vec::new();
        };
        let open = seating.requests.applications.iter();
        open.filter_map(|(guest, application)| {
            Some(ApplicationView {
                guest: guest.clone(),
                profile: self.members.get(guest)?.profile.clone(),
                seat: application.seat,
            })
        })
        .collect()
    }

    /// Ends the requests whose time is over.
    pub(super) fn end_requests(&mut self, turn: &mut Turn<'_>) {
        let Some(seating) = &self.seating else {
            return;
        };
        let (applicants, invitees) = seating.requests.ended(turn.now);
        for guest in applicants {
            self.end_application(turn, &guest, RequestResult::Timeout, None);
        }
        for guest in invitees {
            self.end_invitation(turn, &guest, RequestResult::Timeout);
        }
    }

    /// The requests of and to somebody who has left the room.
    pub(super) fn drop_requests_of(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        self.drop_application(turn, user);
        self.end_invitation(turn, user, RequestResult::Left);
        self.drop_invitations_by(turn, user);
    }

    pub(super) fn drop_application(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        self.end_application(turn, user, RequestResult::Left, None);
    }

    /// The invitations of a host who is none any more.
    pub(super) fn drop_invitations_by(&mut self, turn: &mut Turn<'_>, host: &UserId) {
        let Some(seating) = &self.seating else {
            return;
        };
        let invitations = seating.requests.invitations.iter();
        let guests: Vec<_> = invitations
            .filter(|(_, invitation)| invitation.host == *host)
            .map(|(guest, _)| guest.clone())
            .collect();
        for guest in guests {
            self.end_invitation(turn, &guest, RequestResult::Cancelled);
        }
    }

    /// Ends an open application, and tells those who wait for it.
    pub(super) fn end_application(
        &mut self,
        turn: &mut Turn<'_>,
        guest: &UserId,
        result: RequestResult,
        host: Option<&UserId>,
    ) {
        let open = self
            .seating
            .as_mut()
            .and_then(|seating| seating.requests.applications.remove(guest));
        if open.is_none() {
            return;
        }
        let room = self.id();
        let answer = match (result, host) {
            (RequestResult::Accepted | RequestResult::Rejected, Some(host)) => {
                Some(Event::ApplicationAnswered {
                    room: room.clone(),
                    accepted: result == RequestResult::Accepted,
                    host: host.clone(),
                })
            }
            (RequestResult::Timeout, _) => Some(Event::ApplicationUnanswered {
                room: room.clone(),
                reason: NoResponse::Timeout,
            }),
            (RequestResult::AlreadySeated, _) => Some(Event::ApplicationUnanswered {
                room: room.clone(),
                reason: NoResponse::AlreadySeated,
            }),
            _ => None,
        };
        if let Some(answer) = answer {
            self.tell(turn, guest, answer);
        }
        let hosts = match host.and_then(|host| self.members.get(host)) {
            Some(host) => Recipient::HostsExcept(self.key.clone(), host.connection),
            None => Recipient::Hosts(self.key.clone()),
        };
        turn.out.event(
            hosts,
            Event::ApplicationEnded {
                room,
                guest: guest.clone(),
                result,
                host: host.cloned(),
            },
        );
    }

    /// Ends an open invitation, and tells the other side.
    pub(super) fn end_invitation(
        &mut self,
        turn: &mut Turn<'_>,
        guest: &UserId,
        result: RequestResult,
    ) {
        let open = self
            .seating
            .as_mut()
            .and_then(|seating| seating.requests.invitations.remove(guest));
        let Some(invitation) = open else {
            return;
        };
        let room = self.id();
        let unanswered = |reason| Event::InvitationUnanswered {
            room: room.clone(),
            guest: guest.clone(),
            reason,
        };
        let for_host = match result {
            RequestResult::Accepted | RequestResult::Rejected => Some(Event::InvitationAnswered {
                room: room.clone(),
                accepted: result == RequestResult::Accepted,
                guest: guest.clone(),
            }),
            RequestResult::Timeout => Some(unanswered(NoResponse::Timeout)),
            RequestResult::AlreadySeated => Some(unanswered(NoResponse::AlreadySeated)),
            RequestResult::Left => Some(unanswered(NoResponse::Left)),
            RequestResult::Cancelled => None,
        };
        if let Some(event) = for_host {
            self.tell(turn, &invitation.host, event);
        }
        if matches!(result, RequestResult::Cancelled | RequestResult::Timeout) {
            let event = Event::InvitationEnded {
                room,
                host: invitation.host,
                result,
            };
            self.tell(turn, guest, event);
        }
    }
}

/// The end of a request that begins now.
pub(in crate::live) fn deadline(
    now: Instant,
    timeout: Option<Duration>,
) -> Result<Option<Instant>, LiveError> {
    match timeout {
        None => Ok(None),
        Some(timeout) if timeout.is_zero() || timeout > MAX_TIMEOUT => Err(LiveError::BadValue {
            what: "the timeout",
            allowed: "more than nothing and up to a day, or none",
        }),
        Some(timeout) => Ok(now.checked_add(timeout)),
    }
}

/// Longer than any broadcast waits for an answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
