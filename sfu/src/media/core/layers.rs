//! Which of their layers publishers are told to send.

use std::time::Instant;

use super::Core;
use crate::media::demand::Wish;
use crate::media::output::Output;
use crate::media::session::Side;
use crate::media::slots::SlotKey;
use crate::worker::MediaEvent;
use packager::picture::Picture;

impl Core {
    /// A feed wishes for something else of a room, and is served something else: its first, or
    /// nothing any more.
    pub(super) fn change_wish(
        &mut self,
        room_key: SlotKey,
        (wished, wishes): (Option<Picture>, Option<Picture>),
        before: Option<Wish>,
        after: Option<Wish>,
        now: Instant,
    ) {
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.demand.change_wish(wished, wishes);
        }
        self.change_demand(room_key, before, after, now);
        self.update_need(room_key, now);
    }

    /// Tells a room's publisher what to send, if that is another picture than before.
    pub(super) fn update_need(&mut self, room_key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let wanted = room.best_wanted();
        if room.publisher.is_some() && room.need.update(wanted, now).is_some() {
            self.tell_need(room_key);
        }
    }

    /// Tells a publisher that has begun: what it knows may be of a session before.
    pub(super) fn begin_need(&mut self, room_key: SlotKey, now: Instant) {
        if let Some(room) = self.rooms.get_mut(room_key) {
            let wanted = room.best_wanted();
            room.need.update(wanted, now);
            self.tell_need(room_key);
        }
    }

    fn tell_need(&mut self, room_key: SlotKey) {
        let Some(room) = self.rooms.get(room_key) else {
            return;
        };
        let session = room.publisher.and_then(|key| self.sessions.get(key));
        if let Some(session) = session
            && let Side::Publisher(publisher) = &session.side
            && publisher.has_layers()
        {
            let event = MediaEvent::PictureWanted {
                session: session.id,
                picture: room.need.told(),
            };
            self.outputs.push_back(Output::Event(event));
        }
    }
}
