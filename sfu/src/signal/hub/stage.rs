//! Who is in the media of rooms, and what they send and receive.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use relay::StreamId;

use super::Hub;
use super::error::HubError;
use super::subscribe::Subscription;
use crate::live::broadcasts::{Broadcasts, RelayMode, Source};
use crate::live::quality::Path;
use crate::live::{
    Allowed, ConnectionId, LiveError, Publication, RoomId, RoomKey, TrackKind, UserId,
};
use crate::worker::{SessionId, SessionRef};

/// All members who are in media, what they publish and what they receive.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) places: HashMap<(RoomKey, UserId), Place>,
    pub(super) broadcasts: Broadcasts,
    /// Rooms whose publications are recorded, until they end.
    pub(super) recorded: BTreeSet<RoomKey>,
    pub(super) published: HashMap<StreamId, Published>,
    /// The stream of each publisher's session.
    pub(super) publishers: HashMap<SessionId, StreamId>,
    /// Whose each receiver is.
    pub(super) receivers: HashMap<SessionId, (RoomKey, UserId)>,
    /// Who receives a stream.
    pub(super) watchers: HashMap<StreamId, BTreeSet<(RoomKey, UserId)>>,
}

/// A member who is in a room's media.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: ConnectionId,
    pub(super) allowed: Allowed,
    pub(super) publications: BTreeMap<TrackKind, StreamId>,
    pub(super) receiver: Option<SessionId>,
    pub(super) subscriptions: BTreeMap<StreamId, Subscription>,
}

/// A publication, from its offer on.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) source: Source,
    pub(super) contents: Publication,
    /// What the media side has accepted, the newest last. One that is connected stays until the
    /// next one is, so that there may be several.
    pub(super) sessions: Vec<SessionRef>,
    /// Announced to the room.
    pub(super) is_live: bool,
}

impl Stage {
    pub(super) fn new(mode: RelayMode, limit: usize) -> Self {
        Self {
            places: HashMap::new(),
            broadcasts: Broadcasts::new(mode, limit),
            recorded: BTreeSet::new(),
            published: HashMap::new(),
            publishers: HashMap::new(),
            receivers: HashMap::new(),
            watchers: HashMap::new(),
        }
    }

    pub(super) fn publications(&self) -> usize {
        self.published.len()
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.watchers.values().map(BTreeSet::len).sum()
    }

    /// Whose session it is, and in which direction.
    pub(super) fn session(&self, session: SessionId) -> Option<(ConnectionId, Path)> {
        let place = |of: &(RoomKey, UserId)| self.places.get(of).map(|place| place.connection);
        if let Some(of) = self.receivers.get(&session) {
            return Some((place(of)?, Path::Down));
        }
        let source = &self.published.get(self.publishers.get(&session)?)?.source;
        let of = (source.room.clone(), source.user.clone());
        Some((place(&of)?, Path::Up))
    }

    /// Whose publication a session carries, and on which connection its publisher is told.
    pub(super) fn publication(&self, session: SessionId) -> Option<(ConnectionId, &Source)> {
        let source = &self.published.get(self.publishers.get(&session)?)?.source;
        let of = (source.room.clone(), source.user.clone());
        Some((self.places.get(&of)?.connection, source))
    }

    /// Who publishes a stream.
    pub(super) fn source(&self, stream: &StreamId) -> Option<&Source> {
        self.published
            .get(stream)
            .map(|published| &published.source)
    }
}
impl Hub {
    /// Somebody is in a room's media.
    pub(super) fn begin_media(&mut self, key: RoomKey, user: UserId) {
        if let Some(connection) = self.rooms.connection_of(key.app, &user) {
            if let Some(session) = self.sessions.get_mut(&connection) {
                session.media = Some(key.clone());
            }
            self.stage.places.insert(
                (key, user),
                Place {
                    connection,
                    allowed: Allowed::default(),
                    publications: BTreeMap::new(),
                    receiver: None,
                    subscriptions: BTreeMap::new(),
                },
            );
        }
    }

    /// Somebody is no more: nothing of them is sent or received any more.
    pub(super) fn end_media(&mut self, now: Instant, key: RoomKey, user: UserId) {
        let of = (key, user);
        let Some(place) = self.stage.places.get(&of) else {
            return;
        };
        let connection = place.connection;
        for stream in place.publications.values().cloned().collect::<Vec<_>>() {
            self.end_stream(now, &stream, true, false);
        }
        self.close_receiver(&of);
        self.stage.places.remove(&of);
        if let Some(session) = self.sessions.get_mut(&connection)
            && session.media.as_ref() == Some(&of.0)
        {
            session.media = None;
        }
        self.figures.leave(&of.0, &of.1, connection);
    }

    /// The room whose media a connection is in, and who it is.
    pub(super) fn media_of(
        &self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<(RoomKey, UserId), HubError> {
        let session = self.sessions.get(&connection);
        let session = session.ok_or(LiveError::NotLoggedIn)?;
        let user = session.user.clone().ok_or(LiveError::Guest)?;
        let of = (RoomKey::new(session.app, room.clone()), user);
        match self.stage.places.get(&of) {
            Some(place) if place.connection == connection => Ok(of),
            _ => Err(LiveError::NotEntered { room: room.clone() }.into()),
        }
    }

    pub(super) fn publication_mut(
        &mut self,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) -> Result<&mut Published, HubError> {
        let of = (key.clone(), user.clone());
        let stream = self
            .stage
            .places
            .get(&of)
            .and_then(|p| p.publications.get(&track));
        stream
            .and_then(|stream| self.stage.published.get_mut(stream))
            .ok_or(LiveError::NotPublished { track }.into())
    }

    /// The publisher's session, once the media side has accepted it.
    pub(super) fn publisher(
        &mut self,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) -> Result<SessionRef, HubError> {
        let session = self
            .publication_mut(key, user, track)?
            .sessions
            .last()
            .cloned();
        session.ok_or(HubError::NotReady { track })
    }
}
