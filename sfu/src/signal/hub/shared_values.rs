//! Texts and numbers that a room shares.

use super::Hub;
use super::error::HubError;
use crate::live::chat::AttributesChange;
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
}
