//! Publications in their rooms: announced, limited and taken back, until they end.

use std::time::Instant;

use relay::StreamId;

use super::Hub;
use super::io::MediaOrder;
use super::media_orders::allow;
use crate::live::broadcasts::Source;
use crate::live::quality::Path;
use crate::live::{Allowed, Command, LiveError, Publication, Role, RoomKey, TrackKind, UserId};
use crate::signal::protocol::MediaEvent;
use crate::worker::SessionId;

impl Hub {
    /// The publication that a session carries; `None` for sessions outside of rooms.
    pub fn source(&self, session: SessionId) -> Option<&Source> {
        let stream = self.stage.publishers.get(&session)?;
        self.stage.source(stream)
    }

    /// The stream id of a publication has changed: the session under the old one ends. The room
    /// is told by the new one's announcement.
    pub(super) fn retire(&mut self, now: Instant, stream: &StreamId) {
        let source = self.stage.source(stream).cloned();
        self.end_stream(now, stream, true, false);
        if let Some(source) = source {
            self.unannounce(now, &source);
        }
    }

    /// Forgets a stream: its session ends if it has one and `close` says so, and nobody receives
    /// it any more. The publisher is told where the server did it on its own.
    pub(super) fn end_stream(&mut self, now: Instant, stream: &StreamId, close: bool, tell: bool) {
        let Some(published) = self.stage.published.remove(stream) else {
            return;
        };
        let source = published.source;
        self.stage.broadcasts.close(&source);
        let of = (source.room.clone(), source.user.clone());
        let mut connection = None;
        if let Some(place) = self.stage.places.get_mut(&of) {
            place.publications.retain(|_, other| other != stream);
            connection = Some(place.connection);
            if place.publications.is_empty() {
                self.figures.close(place.connection, Path::Up);
            }
        }
        if source.track == TrackKind::Main {
            self.figures.silence(&source.room, &source.user);
        }
        for session in published.sessions {
            self.stage.publishers.remove(&session.session);
            if close {
                self.order(MediaOrder::ClosePublisher { session });
            }
        }
        self.drop_watchers(now, stream);
        if let (true, Some(connection)) = (tell, connection) {
            let event = MediaEvent::PublisherClosed {
                room: source.room.room,
                track: source.track,
                message: "Your media connection has ended; publish again.".to_owned(),
            };
            self.tell_one(connection, event);
        }
    }

    /// A publication is not announced any more: its session ends.
    pub(super) fn end_track(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) {
        let place = self.stage.places.get(&(key.clone(), user.clone()));
        let stream = place
            .and_then(|place| place.publications.get(&track))
            .cloned();
        if let Some(stream) = stream {
            self.end_stream(now, &stream, true, false);
        }
    }

    /// A role has changed: the audience sends nothing.
    pub(super) fn change_role(&mut self, now: Instant, key: &RoomKey, user: &UserId, role: Role) {
        if role == Role::Audience {
            for track in TrackKind::ALL {
                self.end_track(now, key, user, track);
            }
        }
    }

    /// What somebody may send has changed.
    pub(super) fn change_allowed(&mut self, key: RoomKey, user: UserId, allowed: Allowed) {
        let Some(place) = self.stage.places.get_mut(&(key, user)) else {
            return;
        };
        place.allowed = allowed;
        let publications = place.publications.clone();
        for (track, stream) in publications {
            let published = self.stage.published.get(&stream);
            for session in published.map(|p| p.sessions.clone()).unwrap_or_default() {
                self.order(allow(session, track, allowed));
            }
        }
    }

    /// The rooms announce a publication, or what has changed about it.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        source: &Source,
        publication: Publication,
    ) -> Result<(), LiveError> {
        let of = (source.room.clone(), source.user.clone());
        let Some(connection) = self.stage.places.get(&of).map(|place| place.connection) else {
            return Err(LiveError::NotLoggedIn);
        };
        let command = Command::Publish {
            room: source.room.room.clone(),
            track: source.track,
            publication,
        };
        self.rooms
            .handle_command(now, connection, command)
            .map(|_| ())
    }

    /// The rooms take an announcement back; nothing when there is none.
    pub(super) fn unannounce(&mut self, now: Instant, source: &Source) {
        let of = (source.room.clone(), source.user.clone());
        if let Some(connection) = self.stage.places.get(&of).map(|place| place.connection) {
            let command = Command::Unpublish {
                room: source.room.room.clone(),
                track: source.track,
            };
            // Refused where it was not announced.
            let _ = self.rooms.handle_command(now, connection, command);
        }
    }
}
