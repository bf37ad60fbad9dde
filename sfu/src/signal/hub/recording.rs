//! Rooms whose publications are recorded.

use relay::StreamId;

use super::admin::RecordedView;
use super::{Hub, HubOutput};
use crate::live::RoomKey;
use crate::live::broadcasts::Source;
use crate::worker::SessionId;

impl Hub {
    /// The relay has media of a session under this name.
    pub(super) fn record_broadcast(&mut self, session: SessionId, name: &StreamId) {
        let room = self.stage.publication(session);
        let room = room.map(|(_, Source { room, .. })| room.clone());
        if let Some(key) = room.filter(|key| self.stage.recorded.contains(key)) {
            self.record(&key, name.clone(), true);
        }
    }

    /// What is relayed of a room.
    pub(in crate::signal::hub) fn relayed_in(&self, key: &RoomKey) -> Vec<RecordedView> {
        let inside = self.stage.broadcasts.of_room(key);
        inside
            .filter_map(|(source, broadcast)| {
                let name = broadcast.relayed_as.clone()?;
                Some(RecordedView::new(source, name))
            })
            .collect()
    }

    pub(in crate::signal::hub) fn record(&mut self, key: &RoomKey, name: StreamId, recorded: bool) {
        self.out.push_back(HubOutput::Record {
            app: key.app,
            name,
            recorded,
        });
    }
}
