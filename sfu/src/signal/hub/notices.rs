//! What the app's own back end is told.

use std::time::Instant;

use relay::StreamId;

use super::{Hub, HubOutput};
use crate::live::broadcasts::Source;
use crate::live::{Effect, RoomInfo, RoomKey};
use crate::webhook::{
    LiveChange, LiveNotice, Notice, Place, RelayNotice, RelayStatus, RelayTask, app_of,
};
use crate::worker::RelayError;

impl Hub {
    /// Tells the back end what an effect of the rooms means to it.
    pub(super) fn tell_back_end(&mut self, now: Instant, effect: &Effect) {
        if !app_of(effect).is_some_and(|app| self.config.webhooks.tells(app)) {
            return;
        }
        let at = self.clock(now);
        let rooms = &self.rooms;
        let seats = |key: &RoomKey| rooms.seats(key).unwrap_or_default();
        let notices = self.teller.handle(at, effect, |key| rooms.room(key), seats);
        self.out.extend(notices.into_iter().map(HubOutput::Tell));
    }

    /// Tells what was held back while the rooms had more to say.
    pub(super) fn tell_held(&mut self) {
        let held = self.teller.flush();
        self.out.extend(held.into_iter().map(HubOutput::Tell));
    }

    /// Tells of a room's new texts or settings. A room that nobody has entered was told of when
    /// it was created.
    pub(super) fn tell_update(&mut self, now: Instant, key: &RoomKey, info: &RoomInfo) {
        if info.total_entered == 0 || !self.config.webhooks.tells(key.app) {
            return;
        }
        let notice = Notice::Live(LiveNotice {
            key: key.clone(),
            at: self.clock(now),
            operator: None,
            scene: info.scene,
            change: LiveChange::Updated(Box::new(info.clone())),
        });
        self.out.push_back(HubOutput::Tell(notice));
    }

    /// Tells how a relay task is that a call has started, renamed or stopped.
    pub(super) fn tell_relay(
        &mut self,
        now: Instant,
        source: &Source,
        name: Option<&StreamId>,
        result: &Result<(), RelayError>,
    ) {
        let Source { room, user, track } = source;
        if !self.config.webhooks.tells(room.app) {
            return;
        }
        let status = match (result, name) {
            (Err(_), _) => RelayStatus::Failed,
            (Ok(()), Some(_)) => RelayStatus::Running,
            (Ok(()), None) => RelayStatus::Idle,
        };
        let error = result.as_ref().err();
        let notice = Notice::Relay(RelayNotice {
            app: room.app,
            place: Place::Room(room.room.clone()),
            at: self.clock(now),
            task: RelayTask {
                room: room.room.clone(),
                user: user.clone(),
                track: *track,
            }
            .to_string(),
            user: Some(user.clone()),
            url: name.map_or_else(String::new, |name| format!("/live/{name}.flv")),
            status,
            error: error.map(|error| (-1, error.to_string())),
        });
        self.out.push_back(HubOutput::Tell(notice));
    }
}
