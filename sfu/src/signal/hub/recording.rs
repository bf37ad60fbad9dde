//! Rooms whose publications are recorded.

use relay::StreamId;

use super::{Hub, HubOutput};
use crate::live::RoomKey;
use crate::live::broadcasts::Source;
use crate::worker::SessionId;

impl Hub {
    /// Records all that is published in a room and has public addresses, from now on or no longer.
    pub(in crate::signal::hub) fn record_room(&mut self, key: &RoomKey, recorded: bool) {
        let changed = match recorded {
            true => self.stage.recorded.insert(key.clone()),
            false => self.stage.recorded.remove(key),
        };
        // What could not be begun is tried again by asking again.
        if changed || recorded {
            for name in self.relayed_in(key) {
                self.record(key, name, recorded);
            }
        }
    }

    /// The relay has media of a session under this name.
    pub(super) fn record_broadcast(&mut self, session: SessionId, name: &StreamId) {
        let room = self.stage.publication(session);
        let room = room.map(|(_, Source { room, .. })| room.clone());
        if let Some(key) = room.filter(|key| self.stage.recorded.contains(key)) {
            self.record(&key, name.clone(), true);
        }
    }

    fn relayed_in(&self, key: &RoomKey) -> Vec<StreamId> {
        let all = self.stage.broadcasts.iter();
        let inside = all.filter(|(source, _)| source.room == *key);
        inside
            .filter_map(|(_, broadcast)| broadcast.relayed_as.clone())
            .collect()
    }

    fn record(&mut self, key: &RoomKey, name: StreamId, recorded: bool) {
        self.out.push_back(HubOutput::Record {
            app: key.app,
            name,
            recorded,
        });
    }
}
