//! What the app's own back end is told.

use std::time::Instant;

use super::{Hub, HubOutput};
use crate::live::{Effect, RoomKey};
use crate::webhook::notices_of;

impl Hub {
    /// Tells the back end what an effect of the rooms means to it.
    pub(super) fn tell_back_end(&mut self, now: Instant, effect: &Effect) {
        let at = self.clock(now);
        let rooms = &self.rooms;
        let seats = |key: &RoomKey| rooms.seats(key).unwrap_or_default();
        let notices = notices_of(at, effect, |key| rooms.room(key), seats);
        let notices = notices
            .into_iter()
            .filter(|notice| self.config.webhooks.tells(notice.app()));
        self.out.extend(notices.map(HubOutput::Tell));
    }
}
