//! What members receive: subscriptions, the server's offers and their answers.
//!
//! A member has one receiver, which carries everything that is subscribed to. Whenever that
//! changes, the media side makes an offer, which goes to the client as an event; a subscription
//! ends by itself with what it is to, with the connection of two rooms, and with the right.

use std::time::Instant;

use relay::StreamId;

use super::Hub;
use super::counters::HubRefusal;
use super::error::HubError;
use super::io::MediaOrder;
use super::receivers::WaitingOffer;
use super::tickets::Asker;
use crate::live::broadcasts::Source;
use crate::live::{ConnectionId, LiveError, Right, RoomId, RoomKey, TrackKind, UserId};
use crate::signal::protocol::{Answer, ReceiverTrickle, Subscribe, Unsubscribe};
use crate::worker::api::Picture;
use crate::worker::{SessionId, Wanted};

/// One stream that a member receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) source: Source,
    pub(super) audio: bool,
    pub(super) video: bool,
    pub(super) picture: Picture,
    /// The stream's room is muted for the member's room.
    pub(super) is_muted: bool,
}

impl Subscription {
    pub(super) fn wanted(&self, stream: &StreamId) -> Wanted {
        Wanted {
            stream: stream.clone(),
            audio: self.audio && !self.is_muted,
            video: self.video.then_some(self.picture),
        }
    }
}

impl Hub {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &Subscribe,
    ) -> Result<(), HubError> {
        let (of, other) = self.receiver_of(asker.connection, &request.room)?;
        let rights = self.rooms.rights(&of.0, &of.1).unwrap_or_default();
        for (wanted, right) in [
            (request.audio, Right::ReceiveAudio),
            (request.video, video_right(request.track)),
        ] {
            if wanted && !rights.has(right) {
                return Err(LiveError::RightMissing { right }.into());
            }
        }
        let source = Source {
            room: other,
            user: request.user.clone(),
            track: request.track,
        };
        let broadcast = self.stage.broadcasts.of(&source);
        let stream = broadcast.map(|b| b.stream.clone());
        let live = stream.filter(|s| self.stage.published.get(s).is_some_and(|p| p.is_live));
        let stream = live.ok_or(HubError::NotPublished {
            user: request.user.clone(),
            track: request.track,
        })?;
        let is_muted = self.is_muted_for(&of.0, &source.room);
        let limit = self.config.subscriptions;
        let Some(place) = self.stage.places.get_mut(&of) else {
            return Err(LiveError::NotLoggedIn.into());
        };
        let is_new = !place.subscriptions.contains_key(&stream);
        if is_new && place.subscriptions.len() >= limit {
            self.counters.count(HubRefusal::Subscriptions);
            return Err(HubError::Subscriptions { limit });
        }
        self.begin_pending(asker.connection)?;
        let subscription = Subscription {
            source,
            audio: request.audio,
            video: request.video,
            picture: request.picture.unwrap_or_default().into(),
            is_muted,
        };
        let wanted = subscription.wanted(&stream);
        let receiver = self.open_receiver(now, &of);
        if let Some(place) = self.stage.places.get_mut(&of) {
            place.subscriptions.insert(stream.clone(), subscription);
        }
        self.stage
            .watchers
            .entry(stream.clone())
            .or_default()
            .insert(of);
        let waiting = WaitingOffer {
            connection: asker.connection,
            request: Some(asker.request),
            receiver,
            subscribed: Some((stream, is_new)),
        };
        self.order_offer(
            now,
            waiting,
            MediaOrder::Receive {
                receiver,
                add: vec![wanted],
                remove: Vec::new(),
            },
        );
        Ok(())
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &Unsubscribe,
    ) -> Result<(), HubError> {
        let session = self.sessions.get(&asker.connection);
        let app = session.ok_or(LiveError::NotLoggedIn)?.app;
        let source = Source {
            room: RoomKey::new(app, request.room.clone()),
            user: request.user.clone(),
            track: request.track,
        };
        let (of, _) = self.receiver_of(asker.connection, &request.room)?;
        let found = self.stage.places.get(&of).and_then(|place| {
            let mut all = place.subscriptions.iter();
            let (stream, _) = all.find(|(_, subscription)| subscription.source == source)?;
            Some((place.receiver?, stream.clone()))
        });
        let (receiver, stream) = found.ok_or(HubError::NotSubscribed {
            user: request.user.clone(),
            track: request.track,
        })?;
        self.begin_pending(asker.connection)?;
        self.forget_subscription(&of, &stream);
        let waiting = WaitingOffer {
            connection: asker.connection,
            request: Some(asker.request),
            receiver,
            subscribed: None,
        };
        self.order_offer(
            now,
            waiting,
            MediaOrder::Receive {
                receiver,
                add: Vec::new(),
                remove: vec![stream],
            },
        );
        Ok(())
    }

    pub(super) fn answer_offer(
        &mut self,
        now: Instant,
        asker: Asker,
        request: Answer,
    ) -> Result<(), HubError> {
        let receiver = self.receiver(asker.connection)?;
        let order = MediaOrder::Answer {
            receiver,
            revision: request.revision,
            sdp: request.sdp,
        };
        self.ask_receiver(now, asker, receiver, order)
    }

    pub(super) fn patch_receiver(
        &mut self,
        now: Instant,
        asker: Asker,
        request: ReceiverTrickle,
    ) -> Result<(), HubError> {
        let receiver = self.receiver(asker.connection)?;
        let order = MediaOrder::PatchReceiver {
            receiver,
            // Nothing asks for an ICE restart.
            body: request.fragment.unwrap_or_default(),
        };
        self.ask_receiver(now, asker, receiver, order)
    }

    fn ask_receiver(
        &mut self,
        now: Instant,
        asker: Asker,
        receiver: SessionId,
        order: MediaOrder,
    ) -> Result<(), HubError> {
        self.begin_pending(asker.connection)?;
        let waiting = WaitingOffer {
            connection: asker.connection,
            request: Some(asker.request),
            receiver,
            subscribed: None,
        };
        self.order_offer(now, waiting, order);
        Ok(())
    }

    /// The receiver of a connection that has one.
    fn receiver(&self, connection: ConnectionId) -> Result<SessionId, HubError> {
        let of = self.place_of(connection)?;
        let place = self.stage.places.get(&of);
        place.and_then(|p| p.receiver).ok_or(HubError::NoReceiver)
    }

    /// Where a connection is in the media, and the room of that app that it names: the same one,
    /// or one that is connected with it.
    fn receiver_of(
        &self,
        connection: ConnectionId,
        room: &RoomId,
    ) -> Result<((RoomKey, UserId), RoomKey), HubError> {
        let of = self.place_of(connection)?;
        let other = RoomKey::new(of.0.app, room.clone());
        let is_connected = || {
            let co_hosts = self.rooms.co_hosts(&of.0);
            co_hosts.iter().any(|view| view.room == *room)
        };
        if of.0 == other || is_connected() {
            Ok((of, other))
        } else {
            Err(LiveError::NotEntered { room: room.clone() }.into())
        }
    }

    /// The one place where a connection is in the media.
    pub(super) fn place_of(&self, connection: ConnectionId) -> Result<(RoomKey, UserId), HubError> {
        let not_there = || LiveError::NotLoggedIn;
        let session = self.sessions.get(&connection).ok_or_else(not_there)?;
        let user = session.user.clone().ok_or(LiveError::Guest)?;
        let key = session.media.clone().ok_or(HubError::NoMedia)?;
        Ok((key, user))
    }

    fn is_muted_for(&self, key: &RoomKey, other: &RoomKey) -> bool {
        key != other
            && self
                .rooms
                .co_hosts(key)
                .iter()
                .any(|view| view.room == other.room && view.is_muted)
    }
}

pub(super) fn video_right(track: TrackKind) -> Right {
    match track {
        TrackKind::Main => Right::ReceiveVideo,
        TrackKind::Aux => Right::ReceiveAux,
    }
}
