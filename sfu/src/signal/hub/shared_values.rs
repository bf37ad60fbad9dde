//! Texts and numbers that a room shares.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Hub;
use super::error::HubError;
use crate::live::chat::{AttributesChange, Chat};
use crate::live::{ConnectionId, RoomId, RoomKey};
use crate::signal::protocol::{
    AddCounter, AttributeValues, ChatEvent, CounterValues, DeleteAttributes, InitAttributes,
    ResultBody, SetAttributes, SetCounters,
};
use crate::store::Change;

impl Hub {
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
        now: Instant,
        connection: ConnectionId,
        request: InitAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, chat) = self.changing_attributes(now, connection, &request.room)?;
        let change = chat.attributes.init(request.attributes)?;
        Ok(self.changed_attributes(&key, change))
    }

    pub(super) fn set_attributes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: SetAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, chat) = self.changing_attributes(now, connection, &request.room)?;
        let change = chat.attributes.set(request.attributes)?;
        Ok(self.changed_attributes(&key, change))
    }

    pub(super) fn delete_attributes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &DeleteAttributes,
    ) -> Result<ResultBody, HubError> {
        let (key, chat) = self.changing_attributes(now, connection, &request.room)?;
        let change = chat.attributes.delete(&request.names);
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
        now: Instant,
        connection: ConnectionId,
        request: SetCounters,
    ) -> Result<ResultBody, HubError> {
        let (room, names) = (&request.room, request.counters.keys());
        let chat = self.changing_counters(now, connection, room, names)?;
        chat.counters.set(request.counters.clone())?;
        let counters = request.counters;
        Ok(ResultBody::Counters(CounterValues { counters }))
    }

    pub(super) fn add_counter(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &AddCounter,
    ) -> Result<ResultBody, HubError> {
        let (room, names) = (&request.room, [&request.name]);
        let chat = self.changing_counters(now, connection, room, names.into_iter())?;
        let value = chat.counters.add(&request.name, request.amount)?;
        let counters = BTreeMap::from([(request.name.clone(), value)]);
        Ok(ResultBody::Counters(CounterValues { counters }))
    }

    fn changing_attributes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<(RoomKey, &mut Chat), HubError> {
        let (key, sender) = self.chat_of(connection, room)?;
        let clock = self.clock(now);
        let chat = self.ready_chat(&key)?;
        chat.check_attributes(now, clock, &sender)?;
        Ok((key, chat))
    }

    /// What has changed is told and stored when the chat says so.
    fn changing_counters<'a>(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: &RoomId,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<&mut Chat, HubError> {
        let (key, sender) = self.chat_of(connection, room)?;
        let clock = self.clock(now);
        let chat = self.ready_chat(&key)?;
        chat.check_counters(now, clock, &sender, names)?;
        Ok(chat)
    }
}
