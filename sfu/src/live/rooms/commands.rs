//! Commands of users.

use std::time::Instant;

use super::Rooms;
use crate::live::command::{Command, Entry, Part, Reply, RoomSettings};
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::ids::{ConnectionId, RoomId, RoomKey, UserId};
use crate::live::limits::Refusal;
use crate::live::profile::Profile;
use crate::live::roles::{Rank, Right, Role};
use crate::live::room::{Actor, Turn, check_seats};

impl Rooms {
    /// Carries out a command, or refuses it and changes nothing.
    pub fn handle_command(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        command: Command,
    ) -> Result<Reply, LiveError> {
        let result = self
            .check_outputs()
            .and_then(|()| self.try_command(now, connection, command));
        self.counted(result)
    }

    /// Creates a room for `owner`, who need not be there: the back end's way.
    pub fn create(
        &mut self,
        now: Instant,
        key: &RoomKey,
        owner: &UserId,
        settings: RoomSettings,
    ) -> Result<(), LiveError> {
        let result = self
            .check_outputs()
            .and_then(|()| self.try_create(now, key, owner, settings));
        self.counted(result)
    }

    fn try_command(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        command: Command,
    ) -> Result<Reply, LiveError> {
        match command {
            Command::Enter {
                room,
                entry: Entry::Chat,
            } if self.is_guest(connection)? => return self.enter_guest(now, connection, room),
            Command::Leave { room, .. } if self.is_guest(connection)? => {
                return self.leave_guest(now, connection, room);
            }
            _ => {}
        }
        let (app, user) = self.user_of(connection)?;
        let key = |room: RoomId| RoomKey::new(app, room);
        match command {
            Command::SetProfile(profile) => {
                self.set_profile(now, connection, &user, profile);
                Ok(Reply::Done)
            }
            Command::Create { room, settings } => {
                self.check_creator(&key(room.clone()), &user)?;
                self.try_create(now, &key(room), &user, settings)?;
                Ok(Reply::Done)
            }
            Command::Enter { room, entry } => self.enter(now, connection, user, key(room), entry),
            Command::Leave { room, part } => {
                self.leave(now, connection, &user, key(room), part)?;
                Ok(Reply::Done)
            }
            Command::SwitchRole { room, role } => self
                .in_known_room(now, &key(room), |room, turn| {
                    room.switch_role(turn, &user, role)
                })
                .map(|()| Reply::Done),
            Command::Publish {
                room,
                track,
                publication,
            } => self
                .in_known_room(now, &key(room), |room, turn| {
                    room.publish(turn, &user, track, publication)
                })
                .map(|()| Reply::Done),
            Command::Unpublish { room, track } => self
                .in_known_room(now, &key(room), |room, turn| {
                    room.unpublish(turn, &user, track)
                })
                .map(|()| Reply::Done),
            Command::Mute {
                room,
                track,
                audio,
                video,
            } => self
                .in_known_room(now, &key(room), |room, turn| {
                    room.mute(turn, &user, track, (audio, video))
                })
                .map(|()| Reply::Done),
            Command::Members { room, after, count } => {
                let key = key(room);
                let room = self
                    .rooms
                    .get(&key)
                    .ok_or_else(|| super::no_such_room(&key))?;
                if room.member(&user).is_none() {
                    return Err(LiveError::NotEntered { room: room.id() });
                }
                let (members, more) = room.page(after.as_ref(), count.min(self.limits.page));
                Ok(Reply::Members { members, more })
            }
            Command::Info { room } => {
                let key = key(room);
                let info = self.room(&key).ok_or_else(|| super::no_such_room(&key))?;
                Ok(Reply::Info(info))
            }
            Command::Seat { room, command } => self.in_known_room(now, &key(room), |room, turn| {
                room.seat_command(turn, &user, command)
            }),
            Command::Order { room, order } => {
                self.try_order(now, &key(room), Actor::User(&user), order)
            }
        }
    }

    /// Whether a user may create this room, or become the owner of the one that is there.
    fn check_creator(&self, key: &RoomKey, user: &UserId) -> Result<(), LiveError> {
        if let Some(room) = self.rooms.get(key) {
            room.check_claim(user)?;
        }
        let owned = self.owned.get(&(key.app, user.clone()));
        let limit = self.limits.rooms_per_owner;
        if owned.is_some_and(|owned| *owned >= limit) {
            return Err(LiveError::Full {
                refusal: Refusal::RoomsPerOwner,
                limit,
            });
        }
        Ok(())
    }

    fn try_create(
        &mut self,
        now: Instant,
        key: &RoomKey,
        owner: &UserId,
        settings: RoomSettings,
    ) -> Result<(), LiveError> {
        // Checked first, so that a refusal leaves no empty room behind.
        if !self.rooms.contains_key(key) {
            check_seats(settings.seats, &self.limits)?;
            self.add_room(now, key)?;
        }
        self.in_known_room(now, key, |room, turn| room.claim(turn, owner, settings))?;
        *self.owned.entry((key.app, owner.clone())).or_default() += 1;
        self.tell_others(now, key);
        Ok(())
    }

    fn enter(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        user: UserId,
        key: RoomKey,
        entry: Entry,
    ) -> Result<Reply, LiveError> {
        let (chat, media) = match entry {
            Entry::Chat => (true, None),
            Entry::Media(media) => (false, Some(media)),
            Entry::Live(media) => (true, Some(media)),
        };
        self.check_not_banned(now, &key, &user)?;
        self.check_room_count(connection, &key)?;
        if media.is_some() {
            self.check_no_other_media(connection, &user, &key)?;
        }
        match self.rooms.get(&key) {
            Some(room) => {
                let turn = Turn {
                    now,
                    limits: &self.limits,
                    out: &mut self.out,
                };
                room.check_entry(&turn, &user, media.as_ref())?;
            }
            None => {
                let Some(media) = media.filter(|_| !chat) else {
                    return Err(super::no_such_room(&key));
                };
                for right in [Right::Enter, Right::CreateRoom] {
                    if !media.rights.has(right) {
                        return Err(LiveError::RightMissing { right });
                    }
                }
                self.add_room(now, &key)?;
                self.out.effect(Effect::RoomCreated {
                    key: key.clone(),
                    owner: None,
                });
            }
        }
        let Some(found) = self.connections.get_mut(&connection) else {
            return Err(LiveError::NotLoggedIn);
        };
        found.rooms.insert(key.clone());
        let profile = found.profile.clone();
        let mut entered = self.in_known_room(now, &key, |room, turn| {
            Ok(room.enter(turn, (&user, connection, &profile), chat, media))
        })?;
        if entered.role.is_some() {
            entered.co_hosts = self.co_hosts(&key);
        }
        if self
            .rank(&key, &user)
            .is_some_and(|rank| rank != Rank::GeneralUser)
        {
            entered.co_host_requests = self.co_host_requests(&key);
        }
        Ok(Reply::Entered(Box::new(entered)))
    }

    fn leave(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        user: &UserId,
        key: RoomKey,
        part: Part,
    ) -> Result<(), LiveError> {
        let stays = self.in_known_room(now, &key, |room, turn| room.leave(turn, user, part))?;
        if !stays && let Some(found) = self.connections.get_mut(&connection) {
            found.rooms.remove(&key);
        }
        Ok(())
    }

    fn enter_guest(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: RoomId,
    ) -> Result<Reply, LiveError> {
        let Some(found) = self.connections.get(&connection) else {
            return Err(LiveError::NotLoggedIn);
        };
        let key = RoomKey::new(found.app, room);
        self.check_room_count(connection, &key)?;
        let entered =
            self.in_known_room(now, &key, |room, turn| room.enter_guest(turn, connection))?;
        if let Some(found) = self.connections.get_mut(&connection) {
            found.rooms.insert(key);
        }
        Ok(Reply::Entered(Box::new(entered)))
    }

    fn leave_guest(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: RoomId,
    ) -> Result<Reply, LiveError> {
        let Some(found) = self.connections.get_mut(&connection) else {
            return Err(LiveError::NotLoggedIn);
        };
        let key = RoomKey::new(found.app, room);
        found.rooms.remove(&key);
        self.in_known_room(now, &key, |room, _| room.leave_guest(connection))?;
        Ok(Reply::Done)
    }

    fn set_profile(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        user: &UserId,
        profile: Profile,
    ) {
        let Some(found) = self.connections.get_mut(&connection) else {
            return;
        };
        found.profile = profile.clone();
        for key in found.rooms.clone() {
            self.in_room(now, &key, |room, turn| {
                room.set_profile(turn, user, &profile);
            });
        }
    }

    fn is_guest(&self, connection: ConnectionId) -> Result<bool, LiveError> {
        let found = self.connections.get(&connection);
        found
            .map(|found| found.user.is_none())
            .ok_or(LiveError::NotLoggedIn)
    }

    fn check_not_banned(
        &self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
    ) -> Result<(), LiveError> {
        match self.bans.left(now, key, user) {
            None => Ok(()),
            Some(left) => Err(LiveError::Banned {
                room: key.room.clone(),
                seconds: left
                    .as_millis()
                    .div_ceil(1000)
                    .try_into()
                    .unwrap_or(u64::MAX),
            }),
        }
    }

    fn check_room_count(&self, connection: ConnectionId, key: &RoomKey) -> Result<(), LiveError> {
        let rooms = self.connections.get(&connection).map(|found| &found.rooms);
        let limit = self.limits.rooms_per_connection;
        if rooms.is_some_and(|rooms| !rooms.contains(key) && rooms.len() >= limit) {
            return Err(LiveError::Full {
                refusal: Refusal::RoomsPerConnection,
                limit,
            });
        }
        Ok(())
    }

    fn check_no_other_media(
        &self,
        connection: ConnectionId,
        user: &UserId,
        key: &RoomKey,
    ) -> Result<(), LiveError> {
        let role_in = |key: &RoomKey| -> Option<Role> { self.rooms.get(key)?.member(user)?.role() };
        let rooms = self.connections.get(&connection).map(|found| &found.rooms);
        let others = rooms.into_iter().flatten().filter(|other| *other != key);
        match others.into_iter().find(|other| role_in(other).is_some()) {
            None => Ok(()),
            Some(other) => Err(LiveError::InOtherRoom {
                room: other.room.clone(),
            }),
        }
    }
}
