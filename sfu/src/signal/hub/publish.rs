//! Who sends media: publications from the offer to the end.
//!
//! A publication is announced to the room when its media is live, so that whoever subscribes at
//! once receives at once. Until then, and whenever the right to send is lost, it belongs to the
//! hub alone: a member who is taken off a seat, or out of the room, loses the session that is
//! being set up like the one that runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use relay::StreamId;

use super::counters::HubRefusal;
use super::error::HubError;
use super::io::{MediaDone, MediaOrder, Ticket};
use super::subscribe::Subscription;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::broadcasts::{BroadcastError, Broadcasts, RelayMode, RelayOrder, Source};
use crate::live::quality::Path;
use crate::live::{
    Allowed, Command, ConnectionId, LiveError, Publication, Right, Role, RoomId, RoomKey,
    TrackKind, UserId,
};
use crate::signal::protocol::{
    MediaEvent, PatchPublisher, Publish, Published as PublishedReply, RelayAddresses, ResultBody,
    StartRelay, StopRelay, UpdatePublication,
};
use crate::worker::{
    Accepted, OfferError, Owner, RelayError, Role as SessionRole, SessionId, SessionRef,
};

/// All members who are in media, what they publish and what they receive.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) places: HashMap<(RoomKey, UserId), Place>,
    pub(super) broadcasts: Broadcasts,
    pub(super) published: HashMap<StreamId, Published>,
    /// The stream of each publisher's session.
    publishers: HashMap<SessionId, StreamId>,
    /// Whose each receiver is.
    pub(super) receivers: HashMap<SessionId, (RoomKey, UserId)>,
    /// Who receives a stream.
    pub(super) watchers: HashMap<StreamId, BTreeSet<(RoomKey, UserId)>>,
}

/// A member who is in a room's media.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) connection: ConnectionId,
    allowed: Allowed,
    publications: BTreeMap<TrackKind, StreamId>,
    pub(super) receiver: Option<SessionId>,
    pub(super) subscriptions: BTreeMap<StreamId, Subscription>,
}

/// A publication, from its offer on.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) source: Source,
    contents: Publication,
    /// What the media side has accepted, the newest last. One that is connected stays until the
    /// next one is, so that there may be several.
    sessions: Vec<SessionRef>,
    /// Announced to the room.
    pub(super) is_live: bool,
}

impl Stage {
    pub(super) fn new(mode: RelayMode, limit: usize) -> Self {
        Self {
            places: HashMap::new(),
            broadcasts: Broadcasts::new(mode, limit),
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
    pub(super) fn publish(
        &mut self,
        now: Instant,
        asker: Asker,
        request: Publish,
    ) -> Result<(), HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        self.check_sender(&key, &user, request.track, request.publication)?;
        self.begin_pending(asker.connection)?;
        match self.open_publication(now, asker, &key, &user, request) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.end_pending(asker.connection);
                if matches!(&error, HubError::Broadcast(BroadcastError::Taken { .. })) {
                    self.counters.count(HubRefusal::StreamTaken);
                }
                Err(error)
            }
        }
    }

    fn open_publication(
        &mut self,
        now: Instant,
        asker: Asker,
        key: &RoomKey,
        user: &UserId,
        request: Publish,
    ) -> Result<(), HubError> {
        let source = Source {
            room: key.clone(),
            user: user.clone(),
            track: request.track,
        };
        let before = self.stage.broadcasts.of(&source).map(|b| b.stream.clone());
        let chosen = request.stream_id.as_deref();
        let broadcast = self.stage.broadcasts.open(source.clone(), chosen)?;
        let (stream, relay) = (broadcast.stream.clone(), broadcast.relayed_as.is_some());
        match before {
            // The media side keeps the session that is there until the new one is connected.
            Some(before) if before == stream => {}
            Some(before) => self.retire(now, &before),
            None => {}
        }
        let published = self
            .stage
            .published
            .entry(stream.clone())
            .or_insert_with(|| Published {
                source: source.clone(),
                contents: request.publication,
                sessions: Vec::new(),
                is_live: false,
            });
        published.contents = request.publication;
        if let Some(place) = self.stage.places.get_mut(&(key.clone(), user.clone())) {
            place.publications.insert(request.track, stream.clone());
        }
        let waiting = Waiting::Publish {
            asker,
            source,
            stream: stream.clone(),
        };
        let ticket = self.tickets.open(now, waiting);
        let owner = Owner::User {
            app: key.app,
            user: user.clone(),
        };
        self.out.push_back(HubOutput::Media {
            ticket,
            order: MediaOrder::Publish {
                stream,
                owner,
                offer: request.offer,
                relay,
            },
        });
        Ok(())
    }

    /// The stream id of a publication has changed: the session under the old one ends. The room
    /// is told by the new one's announcement.
    fn retire(&mut self, now: Instant, stream: &StreamId) {
        let source = self.stage.source(stream).cloned();
        self.end_stream(now, stream, true, false);
        if let Some(source) = source {
            self.unannounce(now, &source);
        }
    }

    /// A result of the media side.
    pub fn handle_media(&mut self, now: Instant, ticket: Ticket, done: MediaDone) {
        match (self.tickets.take(ticket), done) {
            (
                Some(Waiting::Publish {
                    asker,
                    source,
                    stream,
                }),
                MediaDone::Published(result),
            ) => {
                let result = self.accepted(now, &source, &stream, result);
                self.answer_later(asker, result);
            }
            (Some(Waiting::Patch(asker)), MediaDone::Patched(result)) => {
                let result = result.map(|patched| ResultBody::Patched(patched.into()));
                self.answer_later(asker, result.map_err(HubError::from));
            }
            (
                Some(Waiting::Relay {
                    asker,
                    source,
                    order,
                }),
                MediaDone::Relayed(result),
            ) => {
                let result = self.relayed(now, &source, &order, result);
                if let Some(asker) = asker {
                    self.answer_later(asker, result);
                }
            }
            (Some(Waiting::Offer(waiting)), MediaDone::Offered(result)) => {
                self.offered(waiting, result);
            }
            // Answered as too late: nobody else would end that session.
            (Some(Waiting::LatePublish(stream)), MediaDone::Published(result)) => {
                if let Ok(accepted) = result {
                    self.order(MediaOrder::ClosePublisher {
                        session: publisher_ref(&stream, accepted.session),
                    });
                }
            }
            (None, _) => {}
            // The shell has answered with something else: as good as nothing.
            (Some(waiting), done) => {
                tracing::error!(?done, "a media result does not fit its order");
                self.give_up(now, ticket, waiting);
            }
        }
        self.settle(now);
    }

    /// An offer came to nothing. A publication that was there before goes on.
    pub(super) fn forget_attempt(&mut self, now: Instant, source: &Source, stream: &StreamId) {
        let published = self.stage.published.get(stream);
        if published.is_some_and(|p| p.source == *source && p.sessions.is_empty()) {
            self.end_stream(now, stream, false, false);
        }
    }

    /// Notes an accepted offer, or ends what it was for.
    fn accepted(
        &mut self,
        now: Instant,
        source: &Source,
        stream: &StreamId,
        result: Result<Accepted, OfferError>,
    ) -> Result<ResultBody, HubError> {
        let is_wanted = self.stage.source(stream) == Some(source);
        match result {
            Err(error) => {
                self.forget_attempt(now, source, stream);
                Err(error.into())
            }
            Ok(accepted) => {
                let session = publisher_ref(stream, accepted.session);
                let published = self.stage.published.get_mut(stream).filter(|_| is_wanted);
                let Some(published) = published else {
                    // The right to send was lost while the offer was looked at.
                    self.order(MediaOrder::ClosePublisher { session });
                    return Err(HubError::Ended {
                        stream: stream.clone(),
                    });
                };
                published.sessions.push(session.clone());
                // The oldest may be the one that is connected.
                let beyond = published.sessions.len() > MAX_SESSIONS;
                let beyond = beyond.then(|| published.sessions.remove(1));
                if let Some(session) = beyond {
                    self.stage.publishers.remove(&session.session);
                    self.order(MediaOrder::ClosePublisher { session });
                }
                self.stage
                    .publishers
                    .insert(accepted.session, stream.clone());
                let of = (source.room.clone(), source.user.clone());
                if let Some(place) = self.stage.places.get(&of) {
                    self.figures.open(now, place.connection, Path::Up);
                    let order = allow(session, source.track, place.allowed);
                    self.order(order);
                }
                let broadcast = self.stage.broadcasts.of(source);
                let relay = broadcast.and_then(|b| b.relayed_as.clone());
                Ok(ResultBody::Published(PublishedReply {
                    answer: accepted.answer,
                    etag: accepted.etag,
                    stream: stream.to_string(),
                    relay: relay.as_ref().map(RelayAddresses::of),
                }))
            }
        }
    }

    /// A publisher is connected: the room is told.
    pub(super) fn publisher_is_live(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
        (audio, video): (bool, bool),
    ) {
        let Some(published) = self.stage.published.get_mut(stream) else {
            return;
        };
        if published.sessions.iter().all(|s| s.session != session) {
            return;
        }
        published.contents.has_audio &= audio;
        published.contents.has_video &= video;
        published.contents.has_small &= video;
        published.is_live = true;
        let (source, contents) = (published.source.clone(), published.contents);
        if let Err(error) = self.announce(now, &source, contents) {
            tracing::info!(%stream, %error, "a publication is not announced and ends");
            self.end_stream(now, stream, true, true);
        }
    }

    /// A publisher's session has ended by itself.
    pub(super) fn publisher_has_ended(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
    ) {
        self.stage.publishers.remove(&session);
        let Some(published) = self.stage.published.get_mut(stream) else {
            return;
        };
        let before = published.sessions.len();
        published.sessions.retain(|s| s.session != session);
        if published.sessions.len() == before || !published.sessions.is_empty() {
            // Not one of these, or another one goes on.
            return;
        }
        let source = self.stage.source(stream).cloned();
        self.end_stream(now, stream, false, true);
        if let Some(source) = source {
            self.unannounce(now, &source);
        }
    }

    pub(super) fn update_publication(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &UpdatePublication,
    ) -> Result<ResultBody, HubError> {
        let (key, user) = self.media_of(connection, &request.room)?;
        self.check_sender(&key, &user, request.track, request.publication)?;
        let published = self.publication_mut(&key, &user, request.track)?;
        published.contents = request.publication;
        if published.is_live {
            let source = published.source.clone();
            self.announce(now, &source, request.publication)?;
        }
        Ok(ResultBody::DONE)
    }

    pub(super) fn unpublish(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: &RoomId,
        track: TrackKind,
    ) -> Result<ResultBody, HubError> {
        let (key, user) = self.media_of(connection, room)?;
        let published = self.publication_mut(&key, &user, track)?;
        let source = published.source.clone();
        let stream = self.stage.broadcasts.of(&source).map(|b| b.stream.clone());
        if let Some(stream) = stream {
            self.end_stream(now, &stream, true, false);
        }
        self.unannounce(now, &source);
        Ok(ResultBody::DONE)
    }

    /// Mutes what is being set up; what is live is the rooms' business.
    pub(super) fn mute_unannounced(
        &mut self,
        connection: ConnectionId,
        room: &RoomId,
        track: TrackKind,
        (audio, video): (Option<bool>, Option<bool>),
    ) -> bool {
        let Ok((key, user)) = self.media_of(connection, room) else {
            return false;
        };
        match self.publication_mut(&key, &user, track) {
            Ok(published) if !published.is_live => {
                let contents = &mut published.contents;
                contents.audio_muted = audio.unwrap_or(contents.audio_muted);
                contents.video_muted = video.unwrap_or(contents.video_muted);
                true
            }
            _ => false,
        }
    }

    pub(super) fn patch_publisher(
        &mut self,
        now: Instant,
        asker: Asker,
        request: PatchPublisher,
    ) -> Result<(), HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let session = self.publisher(&key, &user, request.track)?;
        self.begin_pending(asker.connection)?;
        let ticket = self.tickets.open(now, Waiting::Patch(asker));
        self.out.push_back(HubOutput::Media {
            ticket,
            order: MediaOrder::Patch {
                session,
                if_match: request.if_match,
                body: request.fragment,
            },
        });
        Ok(())
    }

    pub(super) fn start_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &StartRelay,
    ) -> Result<Option<ResultBody>, HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let source = Source {
            room: key,
            user,
            track: request.track,
        };
        self.publisher(&source.room, &source.user, source.track)?;
        let order = self
            .stage
            .broadcasts
            .start(&source, request.stream_id.as_deref())?;
        match order {
            Some(order) => self.ask_relay(now, asker, source, order).map(|()| None),
            None => Ok(Some(self.relay_reply(&source))),
        }
    }

    pub(super) fn stop_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &StopRelay,
    ) -> Result<Option<ResultBody>, HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let source = Source {
            room: key,
            user,
            track: request.track,
        };
        self.publisher(&source.room, &source.user, source.track)?;
        match self.stage.broadcasts.stop(&source)? {
            Some(order) => self.ask_relay(now, asker, source, order).map(|()| None),
            None => Ok(Some(ResultBody::DONE)),
        }
    }

    fn ask_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        source: Source,
        order: RelayOrder,
    ) -> Result<(), HubError> {
        if let Err(error) = self.begin_pending(asker.connection) {
            self.stage.broadcasts.settle(&source, &order, false);
            return Err(error);
        }
        let ordered = self.order_relay(now, Some(asker), source, order);
        ordered.inspect_err(|_| self.end_pending(asker.connection))
    }

    /// Orders what the book of broadcasts asks for; the outcome settles it there.
    pub(super) fn order_relay(
        &mut self,
        now: Instant,
        asker: Option<Asker>,
        source: Source,
        order: RelayOrder,
    ) -> Result<(), HubError> {
        let session = match self.publisher(&source.room, &source.user, source.track) {
            Ok(session) => session,
            Err(error) => {
                self.stage.broadcasts.settle(&source, &order, false);
                return Err(error);
            }
        };
        let media = MediaOrder::Relay {
            session,
            name: order.relay.clone(),
        };
        let waiting = Waiting::Relay {
            asker,
            source,
            order,
        };
        let ticket = self.tickets.open(now, waiting);
        self.out.push_back(HubOutput::Media {
            ticket,
            order: media,
        });
        Ok(())
    }

    fn relayed(
        &mut self,
        now: Instant,
        source: &Source,
        order: &RelayOrder,
        result: Result<(), RelayError>,
    ) -> Result<ResultBody, HubError> {
        self.stage.broadcasts.settle(source, order, result.is_ok());
        self.tell_relay(now, source, order.relay.as_ref(), &result);
        result?;
        Ok(match order.relay {
            Some(_) => self.relay_reply(source),
            None => ResultBody::DONE,
        })
    }

    fn relay_reply(&self, source: &Source) -> ResultBody {
        let broadcast = self.stage.broadcasts.of(source);
        match broadcast.and_then(|b| b.relayed_as.as_ref()) {
            Some(name) => ResultBody::Relay(RelayAddresses::of(name)),
            None => ResultBody::DONE,
        }
    }

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

    /// A role has changed: the audience sends nothing.
    pub(super) fn change_role(&mut self, now: Instant, key: &RoomKey, user: &UserId, role: Role) {
        if role == Role::Audience {
            for track in TrackKind::ALL {
                self.end_track(now, key, user, track);
            }
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

    /// An order of which nobody waits for the result.
    pub(super) fn order(&mut self, order: MediaOrder) {
        let ticket = self.tickets.unawaited();
        self.out.push_back(HubOutput::Media { ticket, order });
    }

    /// Forgets a stream: its session ends if it has one and `close` says so, and nobody receives
    /// it any more. The publisher is told where the server did it on its own.
    fn end_stream(&mut self, now: Instant, stream: &StreamId, close: bool, tell: bool) {
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

    /// The rooms announce a publication, or what has changed about it.
    fn announce(
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
    fn unannounce(&mut self, now: Instant, source: &Source) {
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

    /// Whether somebody may begin to publish this: what the rooms check again when it is live.
    fn check_sender(
        &self,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
        publication: Publication,
    ) -> Result<(), HubError> {
        let member = self.rooms.member(key, user);
        if member.is_none_or(|member| member.role != Some(Role::Anchor)) {
            return Err(LiveError::AudienceMayNotPublish.into());
        }
        if !publication.has_audio && !publication.has_video {
            return Err(LiveError::BadValue {
                what: "a publication without sound and picture",
                allowed: "publish at least one, or unpublish",
            }
            .into());
        }
        let rights = self.rooms.rights(key, user).unwrap_or_default();
        let video = match track {
            TrackKind::Main => Right::SendVideo,
            TrackKind::Aux => Right::SendAux,
        };
        let wanted = [
            (publication.has_audio, Right::SendAudio),
            (publication.has_video, video),
        ];
        for (_, right) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
            if !rights.has(right) {
                return Err(LiveError::RightMissing { right }.into());
            }
        }
        Ok(())
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

    fn publication_mut(
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

/// Sessions of one publication: one that is connected, one that was given up, and a new one.
const MAX_SESSIONS: usize = 3;

fn publisher_ref(stream: &StreamId, session: SessionId) -> SessionRef {
    SessionRef {
        stream: stream.clone(),
        session,
        role: SessionRole::Publisher,
    }
}

fn allow(session: SessionRef, track: TrackKind, allowed: Allowed) -> MediaOrder {
    MediaOrder::Allow {
        session,
        audio: allowed.audio,
        video: match track {
            TrackKind::Main => allowed.video,
            TrackKind::Aux => allowed.aux,
        },
    }
}
