//! The chats of rooms: what they have to tell, and who may listen and speak.

use std::time::Instant;

use super::error::HubError;
use super::loading::RoomChat;
use super::{Hub, HubOutput};
use crate::live::chat::{Chat, ChatError, ChatEvent as Said, Message, Payload, Sender, UnixTime};
use crate::live::{ConnectionId, LiveError, Rank, Recipient, RoomId, RoomKey, UserId};
use crate::signal::protocol::ChatEvent;
use crate::store::Change;
use crate::webhook::{ChatChange, ChatNotice, Notice};

impl Hub {
    /// A chat that may be changed; what it then has to say is told by [`Hub::settle`].
    pub(super) fn chat_mut(&mut self, key: &RoomKey) -> Option<&mut Chat> {
        match self.chats.get_mut(key)? {
            RoomChat::Ready(chat) => {
                self.touched.insert(key.clone());
                Some(chat)
            }
            RoomChat::Loading(_) => None,
        }
    }

    /// As [`Self::chat_mut`], refused while it is being read.
    pub(super) fn ready_chat(&mut self, key: &RoomKey) -> Result<&mut Chat, HubError> {
        if !self.chats.contains_key(key) {
            let room = key.room.clone();
            return Err(HubError::from(LiveError::NoSuchRoom { room }));
        }
        let busy = HubError::from(LiveError::Busy);
        self.chat_mut(key).ok_or(busy)
    }

    /// Delivers what a chat has to say, and notes when it will have more.
    pub(super) fn tell_chat(&mut self, now: Instant, key: &RoomKey) {
        let clock = self.clock(now);
        let members = u32::try_from(self.rooms.online(key)).unwrap_or(u32::MAX);
        loop {
            let Some(RoomChat::Ready(chat)) = self.chats.get_mut(key) else {
                return;
            };
            let Some(said) = chat.poll_output(now, clock, members) else {
                let next = chat.next_timeout(now, members);
                // A deadline that is not ahead would be asked for ever.
                let next = next.map(|at| at.max(now + TICK));
                self.chat_agenda.set(key, next);
                return;
            };
            self.deliver(clock, key, said);
        }
    }

    fn deliver(&mut self, clock: UnixTime, key: &RoomKey, said: Said) {
        let mut to = Recipient::Chat(key.clone());
        match &said {
            Said::Message { message, sender } if !matches!(message.payload, Payload::Tip(_)) => {
                self.save(Change::Message {
                    room: key.clone(),
                    message: message.clone(),
                });
                if self.config.webhooks.tells(key.app) {
                    let from = sender.and_then(|sender| self.address_of(sender));
                    self.out.push_back(HubOutput::Tell(Notice::Chat(ChatNotice {
                        key: key.clone(),
                        at: clock,
                        from,
                        change: ChatChange::Sent(Box::new(Message::clone(message))),
                    })));
                }
                if let Some(sender) = sender {
                    to = Recipient::ChatExcept(key.clone(), *sender);
                }
            }
            Said::Message { .. } => {}
            Said::Likes(likes) => self.save(Change::Likes {
                room: key.clone(),
                total: likes.total_likes_received,
            }),
            Said::Counters(values) => {
                for (name, value) in values {
                    self.save(Change::Counter {
                        room: key.clone(),
                        name: name.clone(),
                        value: *value,
                    });
                }
            }
        }
        // The room's own rates bound this, whoever has sent it.
        let told = self.told;
        self.tell(&to, ChatEvent::from_core(key.room.clone(), said).into());
        self.told = told;
    }

    /// Tells all who listen to a room's chat.
    pub(super) fn tell_members(&mut self, key: &RoomKey, event: ChatEvent) {
        self.tell(&Recipient::Chat(key.clone()), event.into());
    }

    /// Where a session's login came from.
    pub(super) fn address_of(&self, connection: ConnectionId) -> Option<std::net::IpAddr> {
        self.sessions
            .get(&connection)
            .map(|session| session.address)
    }

    /// The room of a connection that listens to its chat, guests too.
    pub(super) fn listened(
        &self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<RoomKey, HubError> {
        let not_entered = || {
            let room = room.clone();
            HubError::from(LiveError::NotEntered { room })
        };
        let session = self.sessions.get(&connection).ok_or_else(not_entered)?;
        let key = RoomKey::new(session.app, room.clone());
        let is_there = match &session.user {
            Some(user) => self.rooms.is_in_chat(&key, user),
            None => self.rooms.is_guest_in(&key, connection),
        };
        if is_there {
            Ok(key)
        } else {
            Err(not_entered())
        }
    }

    /// The room of a connection that is in its chat, and who sends. A guest who listens is told
    /// so by the chat itself.
    pub(super) fn chat_of(
        &self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<(RoomKey, Sender), HubError> {
        let key = self.listened(connection, room)?;
        let session = self
            .sessions
            .get(&connection)
            .ok_or(HubError::from(LiveError::NotLoggedIn))?;
        let Some(user) = &session.user else {
            return Err(ChatError::Guest.into());
        };
        let sender = Sender {
            user: Some(user.clone()),
            nick: session.profile.nick.clone(),
            avatar: session.profile.avatar.clone(),
            name_card: String::new(),
            is_host: self
                .rooms
                .rank(&key, user)
                .is_some_and(|rank| rank < Rank::GeneralUser),
            is_banned: false,
        };
        Ok((key, sender))
    }

    /// As [`Self::chat_of`], of a host.
    pub(super) fn host_of(
        &self,
        connection: ConnectionId,
        room: &RoomId,
        action: &'static str,
    ) -> Result<(RoomKey, UserId), HubError> {
        let (key, sender) = self.chat_of(connection, room)?;
        match sender.user {
            Some(user) if sender.is_host => Ok((key, user)),
            _ => Err(LiveError::NoPermission {
                action,
                needed: "the room's owner or an administrator; ask the owner for it",
            }
            .into()),
        }
    }
}

/// The shortest time between two looks at a chat that nothing happens in.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);
