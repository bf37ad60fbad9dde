//! Who sends media: publications from the offer to the end.
//!
//! A publication is announced to the room when its media is live, so that whoever subscribes at
//! once receives at once. Until then, and whenever the right to send is lost, it belongs to the
//! hub alone: a member who is taken off a seat, or out of the room, loses the session that is
//! being set up like the one that runs.

use std::time::Instant;

use relay::StreamId;

use super::counters::HubRefusal;
use super::error::HubError;
use super::io::MediaOrder;
use super::media_orders::{allow, publisher_ref};
use super::stage::Published;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::broadcasts::{BroadcastError, Source};
use crate::live::quality::Path;
use crate::live::{
    ConnectionId, LiveError, Publication, Right, Role, RoomId, RoomKey, TrackKind, UserId,
};
use crate::signal::protocol::{
    PatchPublisher, Publish, Published as PublishedReply, RelayAddresses, ResultBody,
    UpdatePublication,
};
use crate::worker::{Accepted, OfferError, Owner, SessionId};

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

    /// An offer came to nothing. A publication that was there before goes on.
    pub(super) fn forget_attempt(&mut self, now: Instant, source: &Source, stream: &StreamId) {
        let published = self.stage.published.get(stream);
        if published.is_some_and(|p| p.source == *source && p.sessions.is_empty()) {
            self.end_stream(now, stream, false, false);
        }
    }

    /// Notes an accepted offer, or ends what it was for.
    pub(super) fn accepted(
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
}

/// Sessions of one publication: one that is connected, one that was given up, and a new one.
const MAX_SESSIONS: usize = 3;
