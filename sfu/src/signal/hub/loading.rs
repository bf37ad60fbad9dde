//! Chats come from the store before their rooms are entered.
//!
//! A request that creates a room or enters one waits here while what is stored of it is read, so
//! that bans and history are there before the first member is. Only rooms that the back end
//! creates exist before that; they are entered as soon as they are loaded. When nothing comes
//! from the store, nobody enters: a ban that is not known cannot be kept up.

use std::collections::VecDeque;
use std::time::Instant;

use super::counters::HubRefusal;
use super::error::HubError;
use super::tickets::Asker;
use super::{Hub, HubOutput};
use crate::live::chat::{Chat, SavedChat, UnixTime};
use crate::live::{Command, ConnectionId, EndReason, Entry, LiveError, RoomKey, UserId};
use crate::signal::protocol::ResultBody;
use crate::store::{Change, SavedRoom};

/// The chat of a room.
#[derive(Debug)]
pub(super) enum RoomChat {
    /// Being read.
    Loading(Loading),
    /// Here.
    Ready(Box<Chat>),
}

/// A chat that is not here.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// Requests that wait: open ones of their sessions, which are bounded.
    waiting: VecDeque<(Asker, Entering)>,
    /// Whether the store has been asked and has not said yet that it cannot.
    is_asked: bool,
}

/// A command that creates a room or enters it.
#[derive(Debug)]
pub(super) struct Entering {
    pub(super) command: Command,
    /// A room that is not there is not made.
    pub(super) existing: bool,
    /// How much of the history the answer is to carry.
    pub(super) history: Option<u32>,
}

impl RoomChat {
    pub(super) fn ready(&self) -> Option<&Chat> {
        match self {
            Self::Ready(chat) => Some(chat),
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
        entering: Entering,
    ) -> Result<Option<ResultBody>, HubError> {
        let (room, makes_room) = match &entering.command {
            Command::Create { room, .. } => (room, true),
            Command::Enter { room, entry } => {
                let makes_room = matches!(entry, Entry::Media(_)) && !entering.existing;
                (room, makes_room)
            }
            _ => return self.enter(now, asker.connection, entering).map(Some),
        };
        let key = self.key_of(asker.connection, room)?;
        let is_loading = match self.chats.get(&key) {
            Some(RoomChat::Ready(_)) => {
                return self.enter(now, asker.connection, entering).map(Some);
            }
            Some(RoomChat::Loading(_)) => true,
            // Refused: nothing is read for rooms that are not there.
            None if !makes_room && self.rooms.room(&key).is_none() => {
                return self.enter(now, asker.connection, entering).map(Some);
            }
            None => false,
        };
        if !is_loading && self.loads_due.len() >= MAX_LOADING {
            self.counters.count(HubRefusal::NotLoaded);
            return Err(LiveError::Busy.into());
        }
        self.begin_pending(asker.connection)?;
        self.expect_chat(now, &key);
        if let Some(RoomChat::Loading(loading)) = self.chats.get_mut(&key) {
            loading.waiting.push_back((asker, entering));
        }
        Ok(None)
    }

    /// Enters, and reads the history in the same moment: what is delivered from then on comes as
    /// events.
    fn enter(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        entering: Entering,
    ) -> Result<ResultBody, HubError> {
        if let (true, Command::Enter { room, .. }) = (entering.existing, &entering.command) {
            let key = self.key_of(connection, room)?;
            if self.rooms.room(&key).is_none() {
                let room = room.clone();
                return Err(LiveError::NoSuchRoom { room }.into());
            }
        }
        let mut result = self.run(now, connection, entering.command)?;
        if let ResultBody::Entered(entered) = &mut result
            && let Ok(key) = self.listened(connection, &entered.room.info.room)
            && let Some(RoomChat::Ready(chat)) = self.chats.get(&key)
        {
            let history = entering.history;
            entered.history = history.map(|count| self.last_messages(chat, None, count));
            entered.all_muted = Some(chat.moderation.is_mute_all());
            entered.total_likes_received = Some(chat.likes());
        }
        Ok(result)
    }

    /// What is stored of a room has been read: empty when nothing is, none when that is not
    /// known.
    pub fn handle_loaded(&mut self, now: Instant, key: &RoomKey, saved: Option<SavedRoom>) {
        if !self.is_loading(key) {
            return;
        }
        let room = key.room.clone();
        let loaded = saved.ok_or(HubError::NotLoaded { room });
        match loaded.and_then(|saved| self.take_bans(now, key, saved.bans).map(|()| saved.chat)) {
            Ok(chat) => self.begin_chat(now, key, chat),
            Err(error) => self.fail_load(key, &error),
        }
        while let Some((_, first)) = self.loads_due.front()
            && !self.is_loading(first)
        {
            self.loads_due.pop_front();
        }
        self.settle(now);
    }

    /// All of them, or nobody may enter.
    fn take_bans(
        &mut self,
        now: Instant,
        key: &RoomKey,
        bans: Vec<(UserId, UnixTime)>,
    ) -> Result<(), HubError> {
        let clock = self.clock(now);
        for (user, until) in bans {
            let left = until.since(clock);
            if left.is_zero() {
                continue;
            }
            if let Err(error) = self.rooms.restore_ban(now, key, &user, left) {
                tracing::warn!(room = %key, %user, %error, "a stored ban was not taken up");
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn begin_chat(&mut self, now: Instant, key: &RoomKey, saved: SavedChat) {
        let clock = self.clock(now);
        let chat = Chat::new(key.room.clone(), saved, &self.config.chat, clock);
        let ready = RoomChat::Ready(Box::new(chat));
        if let Some(RoomChat::Loading(loading)) = self.chats.insert(key.clone(), ready) {
            for (asker, entering) in loading.waiting {
                let result = self.enter(now, asker.connection, entering);
                self.answer_later(asker, result);
                self.settle(now);
            }
        }
        self.drop_unused_chat(key);
    }

    /// Refuses those who wait. A room that is there is read again when somebody wants to enter it,
    /// and after a while by itself.
    fn fail_load(&mut self, key: &RoomKey, error: &HubError) {
        if let Some(RoomChat::Loading(loading)) = self.chats.get_mut(key) {
            let waiting = std::mem::take(loading).waiting;
            for (asker, _) in waiting {
                self.counters.count(HubRefusal::NotLoaded);
                self.answer_later(asker, Err(error.clone()));
            }
        }
        self.drop_unused_chat(key);
    }

    /// Refuses what has waited too long for the store.
    pub(super) fn end_loads(&mut self, now: Instant) {
        while let Some((_, key)) = self.loads_due.pop_front_if(|(at, _)| *at <= now) {
            if !self.is_loading(&key) {
                continue;
            }
            if let Some(RoomChat::Loading(loading)) = self.chats.remove(&key) {
                for (asker, _) in loading.waiting {
                    self.counters.count(HubRefusal::TimedOut);
                    self.answer_later(asker, Err(HubError::TimedOut));
                }
            }
            if self.rooms.room(&key).is_some() {
                self.expect_chat(now, &key);
            }
        }
    }

    fn is_loading(&self, key: &RoomKey) -> bool {
        matches!(self.chats.get(key), Some(RoomChat::Loading(_)))
    }

    /// A room is about to be: its chat is read, unless that has begun.
    pub(super) fn expect_chat(&mut self, now: Instant, key: &RoomKey) {
        let chat = self.chats.entry(key.clone()).or_insert_with(|| {
            let due = now + self.config.ticket_timeout;
            self.loads_due.push_back((due, key.clone()));
            RoomChat::Loading(Loading::default())
        });
        if let RoomChat::Loading(loading) = chat
            && !loading.is_asked
        {
            loading.is_asked = true;
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
            Some(RoomChat::Ready(chat)) => self.ended_chats += chat.counts(),
            Some(RoomChat::Loading(loading)) => {
                for (asker, _) in loading.waiting {
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
            RoomChat::Loading(loading) => loading.waiting.len(),
            RoomChat::Ready(_) => 0,
        });
        waiting.sum()
    }
}

/// Rooms that are being read at the same time. The store answers within milliseconds.
const MAX_LOADING: usize = 1_000;
