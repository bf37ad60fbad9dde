//! Connections: logging in, being lost, coming back, and the end.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Rooms, Timer};
use crate::live::command::Login;
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::{AppId, ConnectionId, RoomKey, UserId};
use crate::live::limits::Refusal;
use crate::live::profile::Profile;
use crate::live::reason::LeaveReason;
use crate::live::roles::Rights;

/// One login, apart from the rooms it is in.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) app: AppId,
    /// `None` is a guest.
    pub(super) user: Option<UserId>,
    pub(super) profile: Profile,
    pub(super) rooms: BTreeSet<RoomKey>,
    /// Set while the socket is lost: the connection ends then.
    pub(super) lost_until: Option<Instant>,
}

impl Rooms {
    /// Begins a connection. An earlier one of the same user ends, with its place in all rooms;
    /// seats are kept for [`Limits::resume`](crate::live::Limits::resume).
    pub fn log_in(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        login: Login,
    ) -> Result<(), LiveError> {
        let result = self.try_log_in(now, connection, login);
        self.counted(result)
    }

    /// The connection's socket is gone. Rooms, seats and media stay for
    /// [`Limits::resume`](crate::live::Limits::resume).
    pub fn handle_lost(&mut self, now: Instant, connection: ConnectionId) {
        let Some(found) = self.connections.get_mut(&connection) else {
            return;
        };
        if found.lost_until.is_none() {
            found.lost_until = now.checked_add(self.limits.resume);
            self.agenda
                .set(&Timer::Connection(connection), found.lost_until);
        }
    }

    /// The connection has a socket again. Refused when it has ended.
    pub fn handle_resumed(
        &mut self,
        now: Instant,
        connection: ConnectionId,
    ) -> Result<(), LiveError> {
        let found = self
            .connections
            .get_mut(&connection)
            .ok_or(LiveError::NotLoggedIn)?;
        if found.lost_until.is_some_and(|end| end <= now) {
            return Err(LiveError::NotLoggedIn);
        }
        found.lost_until = None;
        self.agenda.set(&Timer::Connection(connection), None);
        Ok(())
    }

    /// The user logs out: leaves all rooms, and the connection ends.
    pub fn log_out(&mut self, now: Instant, connection: ConnectionId) {
        self.end_connection(now, connection, LeaveReason::Left);
    }

    /// Replaces what the user's token allows in a room, after a new token.
    pub fn set_rights(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        key: &RoomKey,
        rights: Rights,
    ) -> Result<(), LiveError> {
        let (app, user) = self.user_of(connection)?;
        if app != key.app {
            return Err(super::no_such_room(key));
        }
        self.in_known_room(now, key, |room, turn| {
            room.set_rights(turn, &user, rights);
            Ok(())
        })
    }

    pub(super) fn end_connection(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        reason: LeaveReason,
    ) {
        let Some(ended) = self.connections.remove(&connection) else {
            return;
        };
        self.agenda.set(&Timer::Connection(connection), None);
        if let Some(user) = &ended.user {
            self.logins.remove(&(ended.app, user.clone()));
        }
        for key in &ended.rooms {
            self.in_room(now, key, |room, turn| match (&ended.user, reason) {
                (Some(user), LeaveReason::Replaced) => room.replace(turn, user),
                (Some(user), _) => room.remove(turn, user, reason, None),
                // A guest who is not there any more has left already.
                (None, _) => drop(room.leave_guest(connection)),
            });
        }
        self.out
            .effect(Effect::ConnectionEnded { connection, reason });
    }

    /// App and user behind a connection; guests have none.
    pub(super) fn user_of(&self, connection: ConnectionId) -> Result<(AppId, UserId), LiveError> {
        let found = self
            .connections
            .get(&connection)
            .ok_or(LiveError::NotLoggedIn)?;
        let user = found.user.clone().ok_or(LiveError::Guest)?;
        Ok((found.app, user))
    }

    fn try_log_in(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        login: Login,
    ) -> Result<(), LiveError> {
        self.check_outputs()?;
        if self.connections.contains_key(&connection) {
            return Err(LiveError::BadValue {
                what: "a connection that is logged in already",
                allowed: "log out first, or open another one",
            });
        }
        let name = login.user.as_ref().map(|user| (login.app, user.clone()));
        let earlier = name
            .as_ref()
            .and_then(|name| self.logins.get(name))
            .copied();
        if earlier.is_none() && self.connections.len() >= self.limits.connections {
            return Err(LiveError::Full {
                refusal: Refusal::Connections,
                limit: self.limits.connections,
            });
        }
        if let Some(earlier) = earlier {
            self.out.event(
                Recipient::One(earlier),
                Event::LoggedOut {
                    message: "The same user has logged in elsewhere.".to_owned(),
                },
            );
            self.end_connection(now, earlier, LeaveReason::Replaced);
        }
        if let Some(name) = name {
            self.logins.insert(name, connection);
        }
        self.connections.insert(
            connection,
            Connection {
                app: login.app,
                user: login.user,
                profile: login.profile,
                rooms: BTreeSet::new(),
                lost_until: None,
            },
        );
        Ok(())
    }
}
