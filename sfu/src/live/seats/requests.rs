//! Open requests for seats: guests apply, hosts invite. One of either for a guest at a time.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::live::error::LiveError;
use crate::live::ids::UserId;
use crate::live::limits::Refusal;

/// A guest wants a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::live) struct Application {
    /// The seat, or any.
    pub(in crate::live) seat: Option<u16>,
    pub(in crate::live) deadline: Option<Instant>,
}

/// A host wants a guest on a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::live) struct Invitation {
    pub(in crate::live) host: UserId,
    /// The seat, or any.
    pub(in crate::live) seat: Option<u16>,
    pub(in crate::live) deadline: Option<Instant>,
}

/// The open requests of one room, by guest.
#[derive(Debug, Clone, Default)]
pub(in crate::live) struct Requests {
    pub(in crate::live) applications: BTreeMap<UserId, Application>,
    pub(in crate::live) invitations: BTreeMap<UserId, Invitation>,
}

impl Requests {
    /// Adds the application of `guest`.
    pub(in crate::live) fn apply(
        &mut self,
        guest: &UserId,
        application: Application,
        limit: usize,
    ) -> Result<(), LiveError> {
        if self.applications.contains_key(guest) {
            return Err(LiveError::AlreadyQueued);
        }
        self.check_conflict(guest)?;
        check_limit(self.applications.len(), limit)?;
        self.applications.insert(guest.clone(), application);
        Ok(())
    }

    /// Adds an invitation of `guest`.
    pub(in crate::live) fn invite(
        &mut self,
        guest: &UserId,
        invitation: Invitation,
        limit: usize,
    ) -> Result<(), LiveError> {
        self.check_conflict(guest)?;
        check_limit(self.invitations.len(), limit)?;
        self.invitations.insert(guest.clone(), invitation);
        Ok(())
    }

    /// The open application of `guest`.
    pub(in crate::live) fn application(&self, guest: &UserId) -> Result<&Application, LiveError> {
        self.applications
            .get(guest)
            .ok_or_else(|| not_queued(guest))
    }

    /// The open invitation of `guest` by `host`.
    pub(in crate::live) fn invitation(
        &self,
        guest: &UserId,
        host: &UserId,
    ) -> Result<&Invitation, LiveError> {
        self.invitations
            .get(guest)
            .filter(|invitation| invitation.host == *host)
            .ok_or_else(|| not_queued(guest))
    }

    /// Guests whose application or invitation has come to its end.
    pub(in crate::live) fn ended(&self, now: Instant) -> (Vec<UserId>, Vec<UserId>) {
        let over = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let applications = self.applications.iter();
        let invitations = self.invitations.iter();
        (
            applications
                .filter(|(_, application)| over(application.deadline))
                .map(|(guest, _)| guest.clone())
                .collect(),
            invitations
                .filter(|(_, invitation)| over(invitation.deadline))
                .map(|(guest, _)| guest.clone())
                .collect(),
        )
    }

    /// The next end of a request.
    pub(in crate::live) fn next_timeout(&self) -> Option<Instant> {
        let applications = self.applications.values().filter_map(|a| a.deadline);
        let invitations = self.invitations.values().filter_map(|i| i.deadline);
        applications.chain(invitations).min()
    }

    fn check_conflict(&self, guest: &UserId) -> Result<(), LiveError> {
        if self.applications.contains_key(guest) || self.invitations.contains_key(guest) {
            return Err(LiveError::RequestConflict {
                user: guest.clone(),
            });
        }
        Ok(())
    }
}

fn check_limit(len: usize, limit: usize) -> Result<(), LiveError> {
    if len >= limit {
        return Err(LiveError::Full {
            refusal: Refusal::SeatRequests,
            limit,
        });
    }
    Ok(())
}

fn not_queued(guest: &UserId) -> LiveError {
    LiveError::NotQueued {
        user: guest.clone(),
    }
}
