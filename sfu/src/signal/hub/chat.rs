//! What is said in rooms: requests of members, and what the chats have to tell.

use std::time::Instant;

use super::counters::HubRefusal;
use super::error::HubError;
use super::io::Ticket;
use super::loading::{Ready, RoomChat};
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::chat::{
    AttributesChange, Chat, ChatError, ChatEvent as Said, Draft, DraftPayload, GroupTip,
    ImagePayload, Message, Payload, Prepared, Priority, Sender, TipKind, UnixTime,
};
use crate::live::{ConnectionId, LiveError, Rank, Recipient, RoomId, RoomKey, UserId};
use crate::signal::protocol::{
    AddCounter, AttributeValues, ChatEvent, CounterValues, DeleteAttributes, History,
    InitAttributes, Like, MessageList, MuteAll, MuteUser, ResultBody, RevokeMessage, SendMessage,
    Sent, SetAttributes, SetCounters,
};
use crate::store::Change;
use crate::webhook::{BeforeMessage, ChatChange, ChatNotice, Notice, Verdict};

/// A chat request's outcome; `None` is answered later.
type Outcome = Result<Option<ResultBody>, HubError>;

impl Hub {
    pub(super) fn send_message(
        &mut self,
        now: Instant,
        asker: Asker,
        request: SendMessage,
    ) -> Outcome {
        let (key, _) = self.chat_of(asker.connection, &request.room)?;
        let draft = request.draft();
        if let DraftPayload::Image { uuid } = &draft.payload
            && draft.check().is_ok()
        {
            let id = uuid.clone();
            self.begin_pending(asker.connection)?;
            let app = key.app;
            let waiting = Waiting::Image {
                asker,
                key,
                draft: Box::new(draft),
            };
            let ticket = self.tickets.open(now, waiting);
            self.out.push_back(HubOutput::LoadImage { ticket, app, id });
            return Ok(None);
        }
        let said = draft.clone();
        let prepared = self.prepare(now, asker, &key, draft, None)?;
        if !self.asks_before(&key) {
            return Ok(Some(self.post(now, asker.connection, &key, prepared)));
        }
        self.begin_pending(asker.connection)?;
        self.ask(now, asker, key, prepared, said);
        Ok(None)
    }

    /// What an uploaded image is has been read; none when there is no such upload.
    pub fn handle_image(&mut self, now: Instant, ticket: Ticket, image: Option<ImagePayload>) {
        if let Some(Waiting::Image { asker, key, draft }) = self.tickets.take(ticket) {
            let said = (*draft).clone();
            match self.prepare(now, asker, &key, *draft, image) {
                Err(error) => self.answer_later(asker, Err(error)),
                Ok(prepared) if self.asks_before(&key) => {
                    self.ask(now, asker, key, prepared, said);
                }
                Ok(prepared) => {
                    let sent = self.post(now, asker.connection, &key, prepared);
                    self.answer_later(asker, Ok(sent));
                }
            }
        }
        self.settle(now);
    }

    /// The app's back end has answered about a message.
    pub fn handle_verdict(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        for (ticket, verdict) in self.verdicts.answered(ticket, verdict) {
            self.decide(now, ticket, verdict);
        }
        self.settle(now);
    }

    /// The questions behind this one need not wait for it any more.
    pub(super) fn forget_question(&mut self, now: Instant, ticket: Ticket) {
        for (ticket, verdict) in self.verdicts.forget(ticket) {
            self.decide(now, ticket, verdict);
        }
    }

    fn decide(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        if let Some(Waiting::Verdict {
            asker,
            key,
            prepared,
            draft,
        }) = self.tickets.take(ticket)
        {
            // The sender may have left, or may have been muted, while the back end was asked.
            let sent = ResultBody::from(Sent {
                message: prepared.message().clone(),
            });
            let result = match verdict {
                Verdict::Allow => self
                    .check_speaker(now, asker.connection, &key)
                    .map(|()| self.post(now, asker.connection, &key, *prepared)),
                Verdict::Replace(payload) => {
                    let draft = Draft { payload, ..*draft };
                    let replaced = self.prepare(now, asker, &key, draft, None);
                    replaced.map(|prepared| self.post(now, asker.connection, &key, prepared))
                }
                Verdict::Discard => {
                    self.counters.count(HubRefusal::Verdict);
                    Ok(sent)
                }
                Verdict::Refuse { code, reason } => {
                    self.counters.count(HubRefusal::Verdict);
                    Err(HubError::AppRefuses { code, reason })
                }
            };
            self.answer_later(asker, result);
        }
    }

    fn prepare(
        &mut self,
        now: Instant,
        asker: Asker,
        key: &RoomKey,
        draft: Draft,
        image: Option<ImagePayload>,
    ) -> Result<Prepared, HubError> {
        // Asked again after a wait: the sender may have left meanwhile.
        let (_, sender) = self.chat_of(asker.connection, &key.room)?;
        let clock = self.clock(now);
        let filter = self.filter.clone();
        let chat = self.ready_chat(key)?;
        Ok(chat.prepare(now, clock, &sender, draft, image, &filter)?)
    }

    /// Whether a connection may still send to a room.
    fn check_speaker(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        key: &RoomKey,
    ) -> Result<(), HubError> {
        let (_, sender) = self.chat_of(connection, &key.room)?;
        let clock = self.clock(now);
        let chat = self.ready_chat(key)?;
        chat.moderation.check(&sender, clock)?;
        Ok(())
    }

    fn ask(&mut self, now: Instant, asker: Asker, key: RoomKey, prepared: Prepared, draft: Draft) {
        let Some(from) = prepared.message().from.clone() else {
            return;
        };
        let message = BeforeMessage {
            key: key.clone(),
            at: self.clock(now),
            from: from.clone(),
            ip: self.address_of(asker.connection),
            draft: draft.clone(),
        };
        let waiting = Waiting::Verdict {
            asker,
            key: key.clone(),
            prepared: Box::new(prepared),
            draft: Box::new(draft),
        };
        let ticket = self.tickets.open(now, waiting);
        self.verdicts.asked(ticket, key, from);
        self.out.push_back(HubOutput::Ask { ticket, message });
    }

    fn post(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        key: &RoomKey,
        prepared: Prepared,
    ) -> ResultBody {
        let message = prepared.message().clone();
        if let Some(RoomChat::Ready(ready)) = self.chats.get_mut(key) {
            ready.senders.push_back((message.id.clone(), connection));
            if ready.senders.len() > MAX_SENDERS {
                ready.senders.pop_front();
            }
            ready.chat.post(now, prepared);
            self.touched.insert(key.clone());
        }
        Sent { message }.into()
    }

    pub(super) fn like(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &Like,
    ) -> Result<ResultBody, HubError> {
        let (key, sender) = self.chat_of(connection, &request.room)?;
        self.ready_chat(&key)?.like(now, &sender, request.count)?;
        Ok(ResultBody::DONE)
    }

    pub(super) fn history(
        &mut self,
        connection: ConnectionId,
        request: &History,
    ) -> Result<ResultBody, HubError> {
        let key = self.listened(connection, &request.room)?;
        let count = request.count.unwrap_or(DEFAULT_PAGE);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let count = count.min(self.config.limits.page);
        let chat = self.ready_chat(&key)?;
        let messages = chat.history().page(request.before, count);
        Ok(ResultBody::Messages(MessageList { messages }))
    }

    pub(super) fn revoke(
        &mut self,
        connection: ConnectionId,
        request: &RevokeMessage,
    ) -> Result<ResultBody, HubError> {
        let (key, sender) = self.chat_of(connection, &request.room)?;
        let user = sender.user.ok_or(ChatError::Guest)?;
        self.revoke_as(&key, request.sequence, &user, sender.is_host)?;
        Ok(ResultBody::DONE)
    }

    /// Takes a message back, for everybody.
    pub(super) fn revoke_as(
        &mut self,
        key: &RoomKey,
        sequence: u64,
        by: &UserId,
        is_host: bool,
    ) -> Result<(), HubError> {
        let message = self.ready_chat(key)?.revoke(sequence, by, is_host)?;
        self.save(Change::Message {
            room: key.clone(),
            message: message.clone(),
        });
        let room = key.room.clone();
        self.tell_members(key, ChatEvent::MessageRevoked { room, message });
        Ok(())
    }

    pub(super) fn mute_user(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &MuteUser,
    ) -> Result<ResultBody, HubError> {
        let (key, host) = self.host_of(connection, &request.room, "muting a member")?;
        let ranks = [&host, &request.user].map(|user| self.rooms.rank(&key, user));
        if ranks[0] >= ranks[1] {
            return Err(LiveError::NoPermission {
                action: "muting that user",
                needed: "somebody who stands above that user",
            }
            .into());
        }
        self.mute_as(now, &key, &request.user, request.time(), Some(&host))?;
        Ok(ResultBody::DONE)
    }

    /// Mutes a user for a time; zero lifts the mute.
    pub(super) fn mute_as(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        time: std::time::Duration,
        by: Option<&UserId>,
    ) -> Result<(), HubError> {
        let clock = self.clock(now);
        let chat = self.ready_chat(key)?;
        let until = chat.moderation.mute(user, time, clock)?;
        let left = until.map_or(0, |until| until.since(clock).as_secs());
        self.save(Change::Mute {
            room: key.clone(),
            user: user.clone(),
            until,
        });
        let event = ChatEvent::UserMuted {
            room: key.room.clone(),
            user: user.clone(),
            seconds: u32::try_from(left).unwrap_or(u32::MAX),
        };
        self.tell_members(key, event);
        self.tip(now, key, TipKind::MemberProfile, by, user);
        Ok(())
    }

    pub(super) fn mute_all(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &MuteAll,
    ) -> Result<ResultBody, HubError> {
        let (key, host) = self.host_of(connection, &request.room, "muting everybody")?;
        self.mute_all_as(now, &key, request.muted, Some(&host))?;
        Ok(ResultBody::DONE)
    }

    /// Mutes everybody but the hosts, or no more.
    pub(super) fn mute_all_as(
        &mut self,
        now: Instant,
        key: &RoomKey,
        muted: bool,
        by: Option<&UserId>,
    ) -> Result<(), HubError> {
        let clock = self.clock(now);
        let chat = self.ready_chat(key)?;
        if !chat.moderation.set_mute_all(muted) {
            return Ok(());
        }
        let tip = GroupTip {
            operation_type: TipKind::RoomProfile as u8,
            operator_id: by.cloned(),
            user_id_list: Vec::new(),
            member_count: None,
        };
        chat.announce(now, clock, None, Priority::High, Payload::Tip(tip));
        self.save(Change::MuteAll {
            room: key.clone(),
            mute_all: muted,
        });
        let room = key.room.clone();
        self.tell_members(key, ChatEvent::AllMuted { room, muted });
        Ok(())
    }

    pub(super) fn attributes(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<ResultBody, HubError> {
        let key = self.listened(connection, room)?;
        let attributes = self.ready_chat(&key)?.attributes.all().clone();
        Ok(ResultBody::Attributes(AttributeValues { attributes }))
    }

    pub(super) fn init_attributes(
        &mut self,
        connection: ConnectionId,
        request: InitAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.chat_of(connection, &request.room)?;
        let change = self.ready_chat(&key)?.attributes.init(request.attributes)?;
        Ok(self.changed_attributes(&key, change))
    }

    pub(super) fn set_attributes(
        &mut self,
        connection: ConnectionId,
        request: SetAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.chat_of(connection, &request.room)?;
        let change = self.ready_chat(&key)?.attributes.set(request.attributes)?;
        Ok(self.changed_attributes(&key, change))
    }

    pub(super) fn delete_attributes(
        &mut self,
        connection: ConnectionId,
        request: &DeleteAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.chat_of(connection, &request.room)?;
        let change = self.ready_chat(&key)?.attributes.delete(&request.names);
        Ok(self.changed_attributes(&key, change))
    }

    /// Stores changed attributes and tells everybody; the answer to the one who changed them.
    pub(super) fn changed_attributes(
        &mut self,
        key: &RoomKey,
        change: AttributesChange,
    ) -> ResultBody {
        if !change.is_empty() {
            self.save(Change::Attributes {
                room: key.clone(),
                change: change.clone(),
            });
            let event = ChatEvent::AttributesChanged {
                room: key.room.clone(),
                set: change.set,
                deleted: change.deleted,
            };
            self.tell_members(key, event);
        }
        ResultBody::DONE
    }

    pub(super) fn chat_counters(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<ResultBody, HubError> {
        let key = self.listened(connection, room)?;
        let counters = self.ready_chat(&key)?.counters.all().clone();
        Ok(ResultBody::Counters(CounterValues { counters }))
    }

    pub(super) fn set_counters(
        &mut self,
        connection: ConnectionId,
        request: SetCounters,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.chat_of(connection, &request.room)?;
        let chat = self.ready_chat(&key)?;
        chat.counters.set(request.counters.clone())?;
        Ok(self.changed_counters(&key, request.counters))
    }

    pub(super) fn add_counter(
        &mut self,
        connection: ConnectionId,
        request: &AddCounter,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.chat_of(connection, &request.room)?;
        let chat = self.ready_chat(&key)?;
        let value = chat.counters.add(&request.name, request.amount)?;
        let changed = [(request.name.clone(), value)].into();
        Ok(self.changed_counters(&key, changed))
    }

    pub(super) fn changed_counters(
        &mut self,
        key: &RoomKey,
        counters: std::collections::BTreeMap<String, i64>,
    ) -> ResultBody {
        for (name, value) in &counters {
            self.save(Change::Counter {
                room: key.clone(),
                name: name.clone(),
                value: *value,
            });
        }
        let event = ChatEvent::CountersChanged {
            room: key.room.clone(),
            counters: counters.clone(),
        };
        self.tell_members(key, event);
        ResultBody::Counters(CounterValues { counters })
    }

    /// A chat that may be changed; what it then has to say is told by [`Hub::settle`].
    pub(super) fn chat_mut(&mut self, key: &RoomKey) -> Option<&mut Chat> {
        match self.chats.get_mut(key)? {
            RoomChat::Ready(ready) => {
                self.touched.insert(key.clone());
                Some(&mut ready.chat)
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
            let Some(RoomChat::Ready(ready)) = self.chats.get_mut(key) else {
                return;
            };
            let Some(said) = ready.chat.poll_output(now, clock, members) else {
                let next = ready.chat.next_timeout(now, members);
                // A deadline that is not ahead would be asked for ever.
                let next = next.map(|at| at.max(now + TICK));
                self.chat_agenda.set(key, next);
                return;
            };
            let sender = match &said {
                Said::Message(message) => sender_of(ready, message),
                Said::Likes(_) => None,
            };
            self.deliver(clock, key, said, sender);
        }
    }

    fn deliver(
        &mut self,
        clock: UnixTime,
        key: &RoomKey,
        said: Said,
        sender: Option<ConnectionId>,
    ) {
        match &said {
            Said::Message(message) if !matches!(message.payload, Payload::Tip(_)) => {
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
            }
            Said::Message(_) => {}
            Said::Likes(likes) => self.save(Change::Likes {
                room: key.clone(),
                total: likes.total_likes_received,
            }),
        }
        let to = match sender {
            Some(sender) => Recipient::ChatExcept(key.clone(), sender),
            None => Recipient::Chat(key.clone()),
        };
        self.tell(&to, ChatEvent::from_core(key.room.clone(), said).into());
    }

    /// Tells all who listen to a room's chat.
    pub(super) fn tell_members(&mut self, key: &RoomKey, event: ChatEvent) {
        self.tell(&Recipient::Chat(key.clone()), event.into());
    }

    fn asks_before(&self, key: &RoomKey) -> bool {
        self.config.webhooks.asks(key.app)
    }

    /// Where a session's login came from.
    fn address_of(&self, connection: ConnectionId) -> Option<std::net::IpAddr> {
        self.sessions
            .get(&connection)
            .map(|session| session.address)
    }

    /// The room of a connection that listens to its chat, guests too.
    fn listened(&self, connection: ConnectionId, room: &RoomId) -> Result<RoomKey, HubError> {
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
    fn chat_of(
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
    fn host_of(
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
                needed: "the room's owner or an administrator",
            }
            .into()),
        }
    }
}

/// Who sent a message that is delivered now, and has it already.
fn sender_of(ready: &mut Ready, message: &Message) -> Option<ConnectionId> {
    let at = ready.senders.iter().position(|(id, _)| *id == message.id)?;
    ready.senders.remove(at).map(|(_, connection)| connection)
}

/// Messages of a room whose senders are remembered until they are delivered or dropped: more
/// than the room holds back.
const MAX_SENDERS: usize = 64;

/// Messages in a page of the history when the client does not say.
const DEFAULT_PAGE: u32 = 15;

/// The shortest time between two looks at a chat that nothing happens in.
const TICK: std::time::Duration = std::time::Duration::from_millis(1);
