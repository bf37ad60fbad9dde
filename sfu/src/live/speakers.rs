//! Volumes and the active speaker of each room, without IO.
//!
//! Audio levels come in as RFC 6464 has them: 0 is the loudest that a microphone can give, 127 is
//! silence, one step is 1 dB. Listeners ask for volumes at an interval of their own; those with
//! the same interval share one list. The active speaker is told to the room as it changes.

mod room;
#[cfg(test)]
mod tests;
mod voice;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::ids::{ConnectionId, RoomKey, UserId};
use room::{COMPARE, Group, Room, Tenths};
use voice::{Voice, is_speech, volume_of};

/// The volumes and speakers of all rooms.
#[derive(Debug)]
pub struct Speakers {
    limits: SpeakerLimits,
    rooms: HashMap<RoomKey, Room>,
    agenda: Agenda<RoomKey>,
    outputs: VecDeque<SpeakerOutput>,
    counters: SpeakerCounters,
}

/// Bounds on what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeakerLimits {
    /// Rooms with listeners or levels.
    pub rooms: usize,
    /// Users of one room whose levels are followed.
    pub users: usize,
    /// Connections of one room that are told volumes.
    pub listeners: usize,
    /// Users in one list of volumes, the loudest of the room.
    pub listed: usize,
}

impl Default for SpeakerLimits {
    /// The bounds of rooms, anchors and members of [`Limits`](super::Limits).
    fn default() -> Self {
        Self {
            rooms: 10_000,
            users: 50,
            listeners: 50_000,
            listed: 20,
        }
    }
}

/// What was refused or left out, by its reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpeakerCounters {
    /// Levels and listeners of a room beyond [`SpeakerLimits::rooms`].
    pub rooms_full: u64,
    /// Levels of a user beyond [`SpeakerLimits::users`].
    pub users_full: u64,
    /// Listeners beyond [`SpeakerLimits::listeners`].
    pub listeners_full: u64,
    /// Users left out of a list beyond [`SpeakerLimits::listed`].
    pub not_listed: u64,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpeakerOutput {
    /// The volumes of a room, for those who asked for them at one interval.
    Volumes {
        /// The room.
        room: RoomKey,
        /// To whom.
        listeners: Vec<ConnectionId>,
        /// The loudest first; whoever is silent is not there.
        volumes: Arc<[Volume]>,
    },
    /// The room's active speaker has changed.
    Active {
        /// The room.
        room: RoomKey,
        /// Who; nobody after some seconds of silence.
        user: Option<UserId>,
    },
}

/// How loud a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Who.
    pub user: UserId,
    /// 1 to 100.
    pub volume: u8,
}

/// A list is full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Of rooms.
    #[error("the volumes of {limit} rooms are evaluated; that is the limit")]
    Rooms {
        /// The bound.
        limit: usize,
    },
    /// Of listeners.
    #[error("{limit} listeners of the room are told volumes; that is the limit")]
    Listeners {
        /// The bound.
        limit: usize,
    },
}

impl Speakers {
    /// No rooms.
    pub fn new(limits: SpeakerLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            agenda: Agenda::default(),
            outputs: VecDeque::new(),
            counters: SpeakerCounters::default(),
        }
    }

    /// An audio level of a user, 0 to 127 −dBov. Values above are silence.
    pub fn handle_level(&mut self, now: Instant, key: &RoomKey, user: &UserId, level: u8) {
        if !self.rooms.contains_key(key) && self.rooms.len() >= self.limits.rooms {
            self.counters.rooms_full += 1;
            return;
        }
        let room = self.rooms.entry(key.clone()).or_default();
        let is_full = room.voices.len() >= self.limits.users;
        match room.voices.get_mut(user) {
            Some(voice) => voice.handle(now, level),
            None if is_full => self.counters.users_full += 1,
            None => {
                let voice = Voice::new(now, level);
                room.voices.insert(user.clone(), voice);
            }
        }
        if room.compare_at.is_none() && is_speech(volume_of(level)) {
            room.compare_at = Some(now + COMPARE);
            self.arm(key);
        }
    }

    /// Tells a connection the room's volumes from now on, every `interval`: rounded to tenths of
    /// a second, from [`MIN_INTERVAL`] to [`MAX_INTERVAL`]; the one that is used comes back. Zero
    /// ends it.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(
        &mut self,
        now: Instant,
        key: &RoomKey,
        listener: ConnectionId,
        interval: Duration,
    ) -> Result<Duration, ListenError> {
        if interval.is_zero() {
            self.stop_listening(key, listener);
            return Ok(Duration::ZERO);
        }
        let limits = self.limits;
        if !self.rooms.contains_key(key) && self.rooms.len() >= limits.rooms {
            self.counters.rooms_full += 1;
            return Err(ListenError::Rooms {
                limit: limits.rooms,
            });
        }
        let room = self.rooms.entry(key.clone()).or_default();
        if !room.listeners.contains_key(&listener) && room.listeners.len() >= limits.listeners {
            self.counters.listeners_full += 1;
            return Err(ListenError::Listeners {
                limit: limits.listeners,
            });
        }
        let interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
        let tenths = ((interval.as_millis() + 50) / 100) as Tenths;
        let interval = Duration::from_millis(u64::from(tenths) * 100);
        room.forget_listener(listener);
        room.listeners.insert(listener, tenths);
        let group = room.groups.entry(tenths).or_insert_with(|| Group {
            due: now + interval,
            members: BTreeSet::new(),
            was_loud: false,
        });
        group.members.insert(listener);
        self.arm(key);
        Ok(interval)
    }

    /// Tells a connection no volumes any more.
    pub fn stop_listening(&mut self, key: &RoomKey, listener: ConnectionId) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.forget_listener(listener);
        }
        self.tidy(key);
    }

    /// A user sends no sound any more: muted, unpublished or gone.
    pub fn forget(&mut self, key: &RoomKey, user: &UserId) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.voices.remove(user);
        if room.rival.as_ref().is_some_and(|(rival, _)| rival == user) {
            room.rival = None;
        }
        if room.active.as_ref() == Some(user) {
            room.set_active(key, None, &mut self.outputs);
        }
        self.tidy(key);
    }

    /// A room is gone.
    pub fn remove_room(&mut self, key: &RoomKey) {
        self.rooms.remove(key);
        self.agenda.set(key, None);
    }

    /// The active speaker of a room.
    pub fn active(&self, key: &RoomKey) -> Option<&UserId> {
        self.rooms.get(key)?.active.as_ref()
    }

    /// The volumes of a room now, the loudest first.
    pub fn volumes(&self, now: Instant, key: &RoomKey) -> Vec<Volume> {
        self.rooms
            .get(key)
            .map(|room| room.volumes(now))
            .unwrap_or_default()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Does what is due. Lists that were missed by a late call are not made up for.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.agenda.pop_due(now) {
            let Some(room) = self.rooms.get_mut(&key) else {
                continue;
            };
            room.compare(now, &key, &mut self.outputs);
            room.list(
                now,
                &key,
                &self.limits,
                &mut self.counters,
                &mut self.outputs,
            );
            self.tidy(&key);
        }
    }

    /// The next thing to tell; to be emptied after every call.
    pub fn poll_output(&mut self) -> Option<SpeakerOutput> {
        self.outputs.pop_front()
    }

    /// What was refused.
    pub fn counters(&self) -> SpeakerCounters {
        self.counters
    }

    fn arm(&mut self, key: &RoomKey) {
        let next = self.rooms.get(key).and_then(Room::next_timeout);
        self.agenda.set(key, next);
    }

    /// Forgets a room that has nothing, and sets the time of any other.
    fn tidy(&mut self, key: &RoomKey) {
        let is_empty = |room: &Room| room.voices.is_empty() && room.listeners.is_empty();
        if self.rooms.get(key).is_some_and(is_empty) {
            self.rooms.remove(key);
        }
        self.arm(key);
    }
}

/// The shortest interval between lists of volumes.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest.
pub const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// The interval of a listener who names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);
