//! All rooms of the server: the core that the signalling shell drives.

mod cohosts;
mod commands;
mod connections;
mod orders;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::{Duration, Instant};

use self::connections::Connection;
use super::agenda::Agenda;
use super::bans::Bans;
use super::cohosts::CoHosts;
use super::command::MemberView;
use super::effect::Effect;
use super::error::LiveError;
use super::event::{Output, Outputs, Recipient};
use super::ids::{AppId, ConnectionId, RoomKey, UserId};
use super::limits::{Counters, Limits, Refusal};
use super::reason::{EndReason, LeaveReason};
use super::roles::{Rank, Rights};
use super::room::{Room, Turn};
use super::view::{RoomInfo, SeatView};

/// Rooms, their members and the connections behind them. No IO, no clock.
///
/// After each call that takes `now`, the shell takes all outputs with [`Self::poll_output`] and
/// asks [`Self::next_timeout`] when to call [`Self::handle_timeout`]. Time must not go back.
#[derive(Debug)]
pub struct Rooms {
    limits: Limits,
    counters: Counters,
    connections: HashMap<ConnectionId, Connection>,
    /// The one connection of each user.
    logins: HashMap<(AppId, UserId), ConnectionId>,
    rooms: BTreeMap<RoomKey, Room>,
    /// How many rooms each user owns; only those above zero.
    owned: HashMap<(AppId, UserId), usize>,
    bans: Bans,
    cohosts: CoHosts,
    agenda: Agenda<Timer>,
    out: Outputs,
}

/// How much there is, for gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Connections, lost ones included.
    pub connections: usize,
    /// Connections of guests.
    pub guests: usize,
    /// Connections that are lost and may be resumed.
    pub lost: usize,
    /// Rooms.
    pub rooms: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Connection(ConnectionId),
    Room(RoomKey),
    /// All requests to connect rooms.
    CoHosts,
}

impl Rooms {
    /// No rooms yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counters: Counters::default(),
            connections: HashMap::new(),
            logins: HashMap::new(),
            rooms: BTreeMap::new(),
            owned: HashMap::new(),
            bans: Bans::default(),
            cohosts: CoHosts::default(),
            agenda: Agenda::default(),
            out: Outputs::default(),
        }
    }

    /// The next thing for the shell to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// Calls `visit` with each connection that `to` means now, each once.
    pub fn connections(&self, to: &Recipient, mut visit: impl FnMut(ConnectionId)) {
        let key = match to {
            Recipient::One(one) => return visit(*one),
            Recipient::Room(key)
            | Recipient::RoomExcept(key, _)
            | Recipient::Chat(key)
            | Recipient::ChatExcept(key, _)
            | Recipient::Media(key)
            | Recipient::MediaExcept(key, _)
            | Recipient::Anchors(key)
            | Recipient::Hosts(key)
            | Recipient::HostsExcept(key, _) => key,
        };
        if let Some(room) = self.rooms.get(key) {
            room.visit(to, &mut visit);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Ends what has waited long enough: lost connections, seat requests, kept seats, empty
    /// rooms.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each round takes a deadline and sets later ones only, so there are at most as many
        // rounds as there are connections and rooms.
        while let Some(timer) = self.agenda.pop_due(now) {
            match timer {
                Timer::Connection(connection) => {
                    self.end_connection(now, connection, LeaveReason::Lost);
                }
                Timer::CoHosts => self.end_cohost_requests(now),
                Timer::Room(key) => {
                    self.in_room(now, &key, |room, turn| room.handle_timeout(turn));
                    let over = |room: &Room| room.is_over(now, &self.limits);
                    if self.rooms.get(&key).is_some_and(over) {
                        self.end_room(now, &key, EndReason::Empty);
                    }
                }
            }
        }
    }

    /// What a room is.
    pub fn room(&self, key: &RoomKey) -> Option<RoomInfo> {
        self.rooms.get(key).map(Room::info)
    }

    /// Up to `count` rooms of an app, ordered by id, after `after`.
    pub fn rooms_of(&self, app: AppId, after: Option<&RoomKey>, count: usize) -> Vec<RoomInfo> {
        let rooms = self.all_of(app, after).take(count.min(self.limits.page));
        rooms.map(Room::info).collect()
    }

    /// The same without the hidden ones.
    pub fn listed_rooms_of(
        &self,
        app: AppId,
        after: Option<&RoomKey>,
        count: usize,
    ) -> Vec<RoomInfo> {
        let rooms = self.all_of(app, after).filter(|room| !room.is_hidden());
        let rooms = rooms.take(count.min(self.limits.page));
        rooms.map(Room::info).collect()
    }

    fn all_of(&self, app: AppId, after: Option<&RoomKey>) -> impl Iterator<Item = &Room> {
        let first = RoomKey::new(app, super::ids::RoomId::Number(0));
        let start = match after {
            Some(key) if key.app == app => Bound::Excluded(key),
            _ => Bound::Included(&first),
        };
        self.rooms
            .range((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.app == app)
            .map(|(_, room)| room)
    }

    /// A member of a room, as the server itself sees it.
    pub fn member(&self, key: &RoomKey, user: &UserId) -> Option<MemberView> {
        self.rooms.get(key)?.member_view(user)
    }

    /// Up to `count` of everybody in a room, in its chat or its media, ordered by user, after
    /// `after`, and whether there are more; `None` without such a room.
    pub fn members(
        &self,
        key: &RoomKey,
        after: Option<&UserId>,
        count: usize,
    ) -> Option<(Vec<MemberView>, bool)> {
        let room = self.rooms.get(key)?;
        Some(room.everybody(after, count.min(self.limits.page)))
    }

    /// The seats of a room; none in a room without seats.
    ///
    /// # Errors
    /// No such room.
    pub fn seats(&self, key: &RoomKey) -> Result<Vec<SeatView>, LiveError> {
        let room = self.rooms.get(key).ok_or_else(|| no_such_room(key))?;
        Ok(room.seats())
    }

    /// What the token of a user in the room's media allows: the media side asks it before it
    /// lets somebody receive.
    pub fn rights(&self, key: &RoomKey, user: &UserId) -> Option<Rights> {
        let member = self.rooms.get(key)?.member(user)?;
        Some(member.media.as_ref()?.rights)
    }

    /// Whether `user` may speak in the room's chat as far as membership goes.
    pub fn is_in_chat(&self, key: &RoomKey, user: &UserId) -> bool {
        let member = self.rooms.get(key).and_then(|room| room.member(user));
        member.is_some_and(|member| member.chat)
    }

    /// Whether a guest listens to the room's chat.
    pub fn is_guest_in(&self, key: &RoomKey, guest: ConnectionId) -> bool {
        self.rooms
            .get(key)
            .is_some_and(|room| room.has_guest(guest))
    }

    /// What a user is in a room, there or not.
    pub fn rank(&self, key: &RoomKey, user: &UserId) -> Option<Rank> {
        self.rooms.get(key).map(|room| room.rank(user))
    }

    /// The connection of a user, lost ones included.
    pub fn connection_of(&self, app: AppId, user: &UserId) -> Option<ConnectionId> {
        self.logins.get(&(app, user.clone())).copied()
    }

    /// Members and guests in a room.
    pub fn online(&self, key: &RoomKey) -> usize {
        self.rooms.get(key).map_or(0, Room::online)
    }

    /// The running bans of a room, for a list or to store them.
    pub fn bans(&self, now: Instant, key: &RoomKey) -> Vec<(UserId, Duration)> {
        let bans = self.bans.of_room(now, key);
        bans.map(|(user, left)| (user.clone(), left)).collect()
    }

    /// What was refused because a list was full.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How much there is now.
    pub fn gauges(&self) -> Gauges {
        let connections = self.connections.values();
        Gauges {
            connections: self.connections.len(),
            guests: self.connections.len() - self.logins.len(),
            lost: connections.filter(|c| c.lost_until.is_some()).count(),
            rooms: self.rooms.len(),
        }
    }

    /// Runs a step of one room, tells of its seats, and notes its next deadline.
    fn in_room<T>(
        &mut self,
        now: Instant,
        key: &RoomKey,
        step: impl FnOnce(&mut Room, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let room = self.rooms.get_mut(key)?;
        let mut turn = Turn {
            now,
            limits: &self.limits,
            out: &mut self.out,
        };
        let result = step(room, &mut turn);
        room.finish(&mut turn);
        let next = room.next_timeout(&self.limits);
        self.agenda.set(&Timer::Room(key.clone()), next);
        Some(result)
    }

    /// As [`Self::in_room`], refused when there is no such room.
    fn in_known_room<T>(
        &mut self,
        now: Instant,
        key: &RoomKey,
        step: impl FnOnce(&mut Room, &mut Turn<'_>) -> Result<T, LiveError>,
    ) -> Result<T, LiveError> {
        self.in_room(now, key, step)
            .unwrap_or_else(|| Err(no_such_room(key)))
    }

    fn end_room(&mut self, now: Instant, key: &RoomKey, reason: EndReason) {
        let Some(mut room) = self.rooms.remove(key) else {
            return;
        };
        if let Some(owner) = room.owner() {
            let owner = (key.app, owner.clone());
            if let Some(owned) = self.owned.get_mut(&owner) {
                *owned -= 1;
                if *owned == 0 {
                    self.owned.remove(&owner);
                }
            }
        }
        self.drop_cohosts_of(now, key);
        self.agenda.set(&Timer::Room(key.clone()), None);
        let mut turn = Turn {
            now,
            limits: &self.limits,
            out: &mut self.out,
        };
        for connection in room.end(&mut turn, reason) {
            if let Some(connection) = self.connections.get_mut(&connection) {
                connection.rooms.remove(key);
            }
        }
    }

    /// Adds an empty room, which the caller fills or claims at once.
    fn add_room(&mut self, now: Instant, key: &RoomKey) -> Result<(), LiveError> {
        if self.rooms.len() >= self.limits.rooms {
            return Err(LiveError::Full {
                refusal: Refusal::Rooms,
                limit: self.limits.rooms,
            });
        }
        self.rooms.insert(key.clone(), Room::new(key.clone(), now));
        Ok(())
    }

    fn check_outputs(&self) -> Result<(), LiveError> {
        if self.out.len() >= self.limits.outputs {
            return Err(LiveError::Busy);
        }
        Ok(())
    }

    /// Counts what a full list refused.
    fn counted<T>(&mut self, result: Result<T, LiveError>) -> Result<T, LiveError> {
        match &result {
            Err(LiveError::Full { refusal, .. }) => self.counters.count(*refusal),
            Err(LiveError::Busy) => self.counters.count(Refusal::Outputs),
            _ => {}
        }
        result
    }

    fn ban_effect(&mut self, key: &RoomKey, user: &UserId, left: Option<Duration>) {
        self.out.effect(Effect::BanChanged {
            key: key.clone(),
            user: user.clone(),
            left,
        });
    }
}

fn no_such_room(key: &RoomKey) -> LiveError {
    LiveError::NoSuchRoom {
        room: key.room.clone(),
    }
}
