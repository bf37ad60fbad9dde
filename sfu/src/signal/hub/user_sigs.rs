//! UserSigs end while their sessions go on: then chat and new rooms wait for another one.

use std::time::{Duration, Instant};

use super::Hub;
use super::counters::HubRefusal;
use super::error::HubError;
use crate::auth::TokenError;
use crate::live::{ConnectionId, Event, Face, LiveError};
use crate::signal::protocol::{RenewUserSig, RequestBody, ResultBody};

impl Hub {
    /// Sets when the session is told that its UserSig has ended.
    pub(super) fn watch_user_sig(&mut self, now: Instant, connection: ConnectionId, until: u64) {
        let left = u128::from(until).saturating_mul(1_000);
        let left = left.saturating_sub(u128::from(self.clock(now).0));
        // Those that end after centuries end never.
        let at = u64::try_from(left)
            .ok()
            .and_then(|left| now.checked_add(Duration::from_millis(left)));
        self.user_sig_ends.set(&connection, at);
    }

    /// Tells those whose UserSig has ended.
    pub(super) fn end_user_sigs(&mut self, now: Instant) {
        while let Some(connection) = self.user_sig_ends.pop_due(now) {
            let message = TokenError::Expired { ago: 0 }.sentence().to_string();
            self.tell_one(connection, Event::UserSigExpired { message });
        }
    }

    /// Refuses what a session may not do without a UserSig that is good now. Who is in a room
    /// goes on to send and receive there, as long as it likes.
    pub(super) fn check_user_sig_of(
        &self,
        now: Instant,
        connection: ConnectionId,
        body: &RequestBody,
    ) -> Result<(), HubError> {
        let needs_none = match body {
            RequestBody::Logout(_)
            | RequestBody::RenewUserSig(_)
            | RequestBody::LeaveRoom(_)
            | RequestBody::LeaveSeat(_) => true,
            RequestBody::EnterRoom(_) => false,
            body => body.face() == Face::Rtc,
        };
        let clock = self.clock(now).as_secs();
        match self.sessions.get(&connection) {
            Some(session) if !needs_none && session.admitted_until <= clock => {
                let ago = clock - session.admitted_until;
                Err(TokenError::Expired { ago }.into())
            }
            _ => Ok(()),
        }
    }

    /// Takes a new UserSig of the session's user.
    pub(super) fn renew_user_sig(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &RenewUserSig,
    ) -> Result<ResultBody, HubError> {
        let clock = self.clock(now).as_secs();
        let session = self.sessions.get_mut(&connection);
        let session = session.ok_or(LiveError::NotLoggedIn)?;
        let user = session.user.as_ref().ok_or(LiveError::Guest)?;
        let apps = &self.config.apps;
        match apps.check_user_sig(clock, session.app, user, &request.user_sig) {
            Ok(admission) => {
                session.admitted_until = admission.until;
                self.watch_user_sig(now, connection, admission.until);
                Ok(ResultBody::DONE)
            }
            Err(error) => {
                tracing::info!(app = %session.app, %user, %error, "a new UserSig was refused");
                self.counters.count(HubRefusal::Token);
                Err(error.into())
            }
        }
    }
}
