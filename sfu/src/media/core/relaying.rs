//! Which publishers' media goes to the relay, and under which name.

use std::time::Instant;

use relay::{Publication, StreamId, Tracks};

use super::Core;
use crate::media::output::Output;
use crate::media::room::Relayed;
use crate::media::session::{Kinds, Publisher, Side};
use crate::media::slots::SlotKey;
use crate::worker::api::{SessionId, SessionRef, UnknownSession};

impl Core {
    /// Relays a publisher's media under a name from now on, or not any more. Gives back the name
    /// before. A publisher that is not connected yet is relayed so once it is.
    ///
    /// # Errors
    /// [`UnknownSession`], which a subscriber's is too.
    pub fn set_relay(
        &mut self,
        now: Instant,
        session: &SessionRef,
        name: Option<StreamId>,
    ) -> Result<Option<StreamId>, UnknownSession> {
        let key = self.find(session)?;
        let publisher = self.publisher(key).ok_or(session)?;
        let is_same = publisher.relay == name;
        let before = std::mem::replace(&mut publisher.relay, name);
        let room_key = publisher.room;
        if !is_same
            && self
                .rooms
                .get(room_key)
                .is_some_and(|r| r.publisher == Some(key))
        {
            self.apply_relay(room_key);
            self.update_need(room_key, now);
            self.arm_room(room_key, now);
        }
        Ok(before)
    }

    pub(super) fn relay_from_start(&mut self, session: SessionId, name: &StreamId) {
        let key = self.by_id.get(&session).copied();
        if let Some(publisher) = key.and_then(|key| self.publisher(key)) {
            publisher.relay = Some(name.clone());
        }
    }

    /// Opens, takes over or ends the room's broadcast, as its publisher has it. A broadcast that
    /// keeps its name keeps its numbers.
    pub(super) fn apply_relay(&mut self, room_key: SlotKey) {
        let Some(key) = self.rooms.get(room_key).and_then(|r| r.publisher) else {
            return;
        };
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        // The newest of those that ICE has checked.
        let from = session.addresses.last().map(|remote| remote.address.ip());
        let session = session.id;
        let Some(publisher) = self.publisher(key) else {
            return;
        };
        let Kinds { audio, video } = publisher.tracks;
        let (name, pictures) = (publisher.relay.clone(), publisher.pictures());
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let stream = room.stream.clone();
        match (name, room.relay.take()) {
            (None, None) => {}
            (None, Some(_)) => self.outputs.push_back(Output::BroadcastStopped { stream }),
            (Some(name), before) => {
                let same = before.filter(|relayed| relayed.name == name);
                let mut relayed = same.unwrap_or_else(|| Relayed::new(name.clone()));
                relayed.pictures = pictures;
                room.relay = Some(relayed);
                self.outputs.push_back(Output::BroadcastOpened {
                    stream,
                    name,
                    session,
                    from,
                    publication: Publication {
                        tracks: Tracks { video, audio },
                        pictures,
                    },
                });
            }
        }
    }

    fn publisher(&mut self, key: SlotKey) -> Option<&mut Publisher> {
        match &mut self.sessions.get_mut(key)?.side {
            Side::Publisher(publisher) => Some(publisher),
            Side::Subscriber(_) => None,
        }
    }
}
