//! The store that lasts as long as the process: for tests, and for servers that keep nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    Change, DEFAULT_HISTORY, Pending, SavedProfile, SavedRoom, Store, StoreCounts, StoreError,
};
use crate::live::chat::{Message, UnixTime};
use crate::live::{AppId, RoomKey, UserId};

/// A store in memory. Its locks are held for one change at a time.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rooms: HashMap<RoomKey, Room>,
    profiles: HashMap<(AppId, UserId), SavedProfile>,
    written: u64,
    refused: u64,
}

#[derive(Debug, Default)]
struct Room {
    saved: SavedRoom,
    /// By sequence.
    messages: BTreeMap<u64, Message>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole when the lock is given back, even by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn write(&self, change: Change) -> Result<(), StoreError> {
        let mut state = self.lock();
        let result = state.write(change);
        match result {
            Ok(()) => state.written += 1,
            Err(_) => state.refused += 1,
        }
        result
    }

    fn flush(&self) -> Result<Pending<()>, StoreError> {
        Ok(Pending::ready(()))
    }

    fn room(&self, room: &RoomKey) -> Result<Pending<SavedRoom>, StoreError> {
        let saved = self.lock().rooms.get(room).map(|room| {
            let mut saved = room.saved.clone();
            saved.chat.history = room.messages.values().cloned().collect();
            saved
        });
        Ok(Pending::ready(saved.unwrap_or_default()))
    }

    fn profile(
        &self,
        app: AppId,
        user: &UserId,
    ) -> Result<Pending<Option<SavedProfile>>, StoreError> {
        Ok(Pending::ready(
            self.lock().profiles.get(&(app, user.clone())).cloned(),
        ))
    }

    fn profiles(
        &self,
        app: AppId,
        users: &[UserId],
    ) -> Result<Pending<Vec<(UserId, SavedProfile)>>, StoreError> {
        let state = self.lock();
        let stored = users.iter().filter_map(|user| {
            let profile = state.profiles.get(&(app, user.clone()))?;
            Some((user.clone(), profile.clone()))
        });
        Ok(Pending::ready(stored.collect()))
    }

    fn counts(&self) -> StoreCounts {
        let state = self.lock();
        StoreCounts {
            written: state.written,
            commits: state.written,
            refused: state.refused,
            ..StoreCounts::default()
        }
    }
}

impl State {
    fn write(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Message { room, message } => {
                let room = self.room(room)?;
                let last = &mut room.saved.chat.last_sequence;
                *last = message.sequence.max(*last);
                let oldest = last.saturating_sub(DEFAULT_HISTORY.into());
                room.messages.insert(message.sequence, (*message).clone());
                room.messages.retain(|sequence, _| *sequence > oldest);
            }
            Change::Mute { room, user, until } => {
                restrict(&mut self.room(room)?.saved.chat.mutes, user, until);
            }
            Change::Ban { room, user, until } => {
                restrict(&mut self.room(room)?.saved.bans, user, until);
            }
            Change::MuteAll { room, mute_all } => self.room(room)?.saved.chat.mute_all = mute_all,
            Change::Likes { room, total } => self.room(room)?.saved.chat.likes = total,
            Change::Attributes { room, change } => {
                let attributes = &mut self.room(room)?.saved.chat.attributes;
                attributes.retain(|name, _| !change.deleted.contains(name));
                attributes.extend(change.set);
            }
            Change::Counter { room, name, value } => {
                self.room(room)?.saved.chat.counters.insert(name, value);
            }
            Change::Profile { app, user, profile } => {
                let key = (app, user);
                if self.profiles.len() >= MAX_ENTRIES && !self.profiles.contains_key(&key) {
                    return Err(StoreError::Full { limit: MAX_ENTRIES });
                }
                self.profiles.insert(key, profile);
            }
            Change::Forget { room } => {
                self.rooms.remove(&room);
            }
        }
        Ok(())
    }

    fn room(&mut self, key: RoomKey) -> Result<&mut Room, StoreError> {
        if self.rooms.len() >= MAX_ENTRIES && !self.rooms.contains_key(&key) {
            return Err(StoreError::Full { limit: MAX_ENTRIES });
        }
        Ok(self.rooms.entry(key).or_default())
    }
}

fn restrict(list: &mut Vec<(UserId, UnixTime)>, user: UserId, until: Option<UnixTime>) {
    list.retain(|(other, _)| *other != user);
    list.extend(until.map(|until| (user, until)));
}

/// Most rooms, and most profiles, that are remembered.
const MAX_ENTRIES: usize = 10_000;
