//! Chats come from the store before their rooms are entered.
//!
//! A request that creates a room or enters one waits here while what is stored of it is read, so
//! that bans and history are there before the first member is. Only rooms that the back end
//! creates exist before that; they are entered as soon as they are loaded.

use std::collections::VecDeque;
use std::time::Instant;

use super::counters::HubRefusal;
use super::error::HubError;
use super::tickets::Asker;
use super::{Hub, HubOutput};
use crate::live::chat::Chat;
use crate::live::{Command, EndReason, Entry, LiveError, RoomKey};
use crate::signal::protocol::ResultBody;
use crate::store::{Change, SavedRoom};

/// The chat of a room.
#[derive(Debug)]
pub(super) enum RoomChat {
    /// Being read. The requests that wait are open ones of their sessions, which are bounded.
    Loading(VecDeque<(Asker, Command)>),
    /// Here.
    Ready(Box<Ready>),
}

/// A chat that is here.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) chat: Chat,
    /// Which connection sent what is on its way: everybody else gets it.
    pub(super) senders: VecDeque<(String, crate::live::ConnectionId)>,
}

impl RoomChat {
    pub(super) fn ready(&self) -> Option<&Chat> {
        match self {
            Self::Ready(ready) => Some(&ready.chat),
            Self::Loading(_) => None,
        }
    }
}

impl Hub {
    /// Carries out a command that creates or enters a room; `None` when it waits for the store.
    pub(super) fn create_or_enter(
        &mut self,
        now: Instant,
        asker: Asker,
        command: Command,
    ) -> Result<Option<ResultBody>, HubError> {
        let (room, makes_room) = match &command {
            Command::Create { room, .. } => (room, true),
            Command::Enter { room, entry } => (room, matches!(entry, Entry::Media(_))),
            _ => return self.run(now, asker.connection, command).map(Some),
        };
        let key = self.key_of(asker.connection, room)?;
        let is_loading = match self.chats.get(&key) {
            Some(RoomChat::Ready(_)) => return self.run(now, asker.connection, command).map(Some),
            Some(RoomChat::Loading(_)) => true,
            // Refused: nothing is read for rooms that are not there.
            None if !makes_room && self.rooms.room(&key).is_none() => {
                return self.run(now, asker.connection, command).map(Some);
            }
            None => false,
        };
        if !is_loading && self.loads_due.len() >= MAX_LOADING {
            return Err(LiveError::Busy.into());
        }
        self.begin_pending(asker.connection)?;
        self.expect_chat(now, &key);
        if let Some(RoomChat::Loading(waiting)) = self.chats.get_mut(&key) {
            waiting.push_back((asker, command));
        }
        Ok(None)
    }

    /// What is stored of a room has been read; empty when nothing is.
    pub fn handle_loaded(&mut self, now: Instant, key: &RoomKey, saved: SavedRoom) {
        let clock = self.clock(now);
        let Some(found) = self.chats.get_mut(key) else {
            return;
        };
        let RoomChat::Loading(waiting) = found else {
            return;
        };
        let waiting = std::mem::take(waiting);
        let chat = Chat::new(key.room.clone(), saved.chat, self.config.history, clock);
        *found = RoomChat::Ready(Box::new(Ready {
            chat,
            senders: VecDeque::new(),
        }));
        for (user, until) in saved.bans {
            let left = until.since(clock);
            if !left.is_zero()
                && let Err(error) = self.rooms.restore_ban(now, key, &user, left)
            {
                tracing::warn!(room = %key, %user, %error, "a stored ban was not taken up");
            }
        }
        for (asker, command) in waiting {
            let result = self.run(now, asker.connection, command);
            self.answer_later(asker, result);
            self.settle(now);
        }
        self.drop_unused_chat(key);
        let is_loading = |key: &RoomKey| matches!(self.chats.get(key), Some(RoomChat::Loading(_)));
        while self
            .loads_due
            .pop_front_if(|(_, key)| !is_loading(key))
            .is_some()
        {}
        self.settle(now);
    }

    /// Refuses what has waited too long for the store.
    pub(super) fn end_loads(&mut self, now: Instant) {
        while let Some((_, key)) = self.loads_due.pop_front_if(|(at, _)| *at <= now) {
            if !matches!(self.chats.get(&key), Some(RoomChat::Loading(_))) {
                continue;
            }
            // Read again when somebody asks for the room again.
            if let Some(RoomChat::Loading(waiting)) = self.chats.remove(&key) {
                for (asker, _) in waiting {
                    self.counters.count(HubRefusal::TimedOut);
                    self.answer_later(asker, Err(HubError::TimedOut));
                }
            }
        }
    }

    /// A room is about to be: its chat is read, unless that has begun.
    pub(super) fn expect_chat(&mut self, now: Instant, key: &RoomKey) {
        if !self.chats.contains_key(key) {
            self.chats
                .insert(key.clone(), RoomChat::Loading(VecDeque::new()));
            self.loads_due
                .push_back((now + self.config.ticket_timeout, key.clone()));
            self.out.push_back(HubOutput::Load { key: key.clone() });
        }
    }

    /// A room has ended.
    pub(super) fn end_chat(&mut self, key: &RoomKey, reason: EndReason) {
        self.touched.remove(key);
        self.chat_agenda.set(key, None);
        if Self::is_forgotten(reason) {
            self.save(Change::Forget { room: key.clone() });
        }
        match self.chats.remove(key) {
            Some(RoomChat::Ready(ready)) => self.ended_chats += ready.chat.counts(),
            Some(RoomChat::Loading(waiting)) => {
                for (asker, _) in waiting {
                    let error = LiveError::NoSuchRoom {
                        room: key.room.clone(),
                    };
                    self.answer_later(asker, Err(error.into()));
                }
            }
            None => {}
        }
    }

    /// Forgets a chat whose room did not come into being.
    fn drop_unused_chat(&mut self, key: &RoomKey) {
        if self.rooms.room(key).is_none() {
            self.chats.remove(key);
            self.touched.remove(key);
            self.chat_agenda.set(key, None);
        }
    }

    /// Requests that wait for the store.
    pub(super) fn waiting_for_rooms(&self) -> usize {
        let waiting = self.chats.values().map(|chat| match chat {
            RoomChat::Loading(waiting) => waiting.len(),
            RoomChat::Ready(_) => 0,
        });
        waiting.sum()
    }
}

/// Rooms that are being read at the same time. The store answers within milliseconds.
const MAX_LOADING: usize = 1_000;
