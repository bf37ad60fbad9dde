//! What members say in rooms: messages with all that is asked before them, likes, history.

use std::sync::Arc;
use std::time::Instant;

use super::counters::HubRefusal;
use super::error::HubError;
use super::io::Ticket;
use super::loading::RoomChat;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::chat::{Chat, ChatError, Draft, DraftPayload, ImagePayload, Message, Prepared};
use crate::live::{ConnectionId, LiveError, RoomKey, UserId};
use crate::signal::protocol::{
    ChatEvent, History, Like, MessageList, ResultBody, RevokeMessage, SendMessage, Sent,
};
use crate::store::Change;
use crate::webhook::{BeforeMessage, Verdict};

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

    fn asks_before(&self, key: &RoomKey) -> bool {
        self.config.webhooks.asks(key.app)
    }

    fn post(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        key: &RoomKey,
        prepared: Prepared,
    ) -> ResultBody {
        let message = prepared.message().clone();
        if let Some(chat) = self.chat_mut(key) {
            chat.post(now, prepared, connection);
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
        let Some(RoomChat::Ready(chat)) = self.chats.get(&key) else {
            return Err(LiveError::Busy.into());
        };
        let messages = self.last_messages(chat, request.before, count);
        Ok(ResultBody::Messages(MessageList { messages }))
    }

    /// One page of a chat's history, within the bound for pages.
    pub(super) fn last_messages(
        &self,
        chat: &Chat,
        before: Option<u64>,
        count: u32,
    ) -> Vec<Arc<Message>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        chat.history()
            .page(before, count.min(self.config.limits.page))
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
}

/// Messages in a page of the history when the client does not say.
const DEFAULT_PAGE: u32 = 15;
