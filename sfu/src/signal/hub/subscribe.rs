//! What members receive: subscriptions, the server's offers and their answers.
//!
//! A member has one receiver, which carries everything that is subscribed to. Whenever that
//! changes, the media side makes an offer, which goes to the client as an event; a subscription
//! ends by itself with what it is to, with the connection of two rooms, and with the right.

use std::time::Instant;

use rand::Rng;
use relay::StreamId;

use super::counters::HubRefusal;
use super::error::HubError;
use super::io::MediaOrder;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::broadcasts::Source;
use crate::live::quality::Path;
use crate::live::{
    ConnectionId, Face, LiveError, Recipient, Right, Rights, RoomId, RoomKey, TrackKind, UserId,
};
use crate::signal::protocol::{
    Answer, MediaEvent, ReceiverTrickle, ResultBody, Subscribe, Subscribed, Unsubscribe,
};
use crate::worker::{ReceiveError, ServerOffer, SessionId, Wanted};

/// One stream that a member receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    source: Source,
    audio: bool,
    video: bool,
    /// The stream's room is muted for the member's room.
    is_muted: bool,
}

impl Subscription {
    fn wanted(&self, stream: &StreamId) -> Wanted {
        Wanted {
            stream: stream.clone(),
            audio: self.audio && !self.is_muted,
            video: self.video,
        }
    }
}

/// Who waits for an offer.
#[derive(Debug)]
pub(super) struct WaitingOffer {
    pub(super) connection: ConnectionId,
    /// None when the hub itself has ordered the change.
    pub(super) request: Option<u32>,
    receiver: SessionId,
    /// What the request subscribes to, and whether that is new: then it is taken back when the
    /// media side refuses it.
    subscribed: Option<(StreamId, bool)>,
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

    /// The media side has changed a receiver.
    pub(super) fn offered(
        &mut self,
        waiting: WaitingOffer,
        result: Result<Option<ServerOffer>, ReceiveError>,
    ) {
        let of = self.stage.receivers.get(&waiting.receiver).cloned();
        let offer = match result {
            Ok(offer) => offer,
            Err(error) => {
                if waiting.request.is_none() {
                    tracing::warn!(%error, "a receiver could not be changed");
                }
                return self.refuse_offer(waiting, error.into());
            }
        };
        // The answer names the stream that the offer then has.
        self.answer_offer_request(&waiting);
        if let (Some(_), Some(ServerOffer { revision, sdp })) = (of, offer) {
            self.tell_one(waiting.connection, MediaEvent::Offer { revision, sdp });
        }
    }

    fn answer_offer_request(&mut self, waiting: &WaitingOffer) {
        if let Some(request) = waiting.request {
            let asker = Asker {
                connection: waiting.connection,
                request,
                face: Face::Rtc,
            };
            let result = match &waiting.subscribed {
                Some((stream, _)) => ResultBody::Subscribed(Subscribed {
                    stream: stream.to_string(),
                }),
                None => ResultBody::DONE,
            };
            self.answer_later(asker, Ok(result));
        }
    }

    /// The media side has not changed a receiver: a new subscription is none.
    fn refuse_offer(&mut self, waiting: WaitingOffer, error: HubError) {
        if let Some((stream, true)) = &waiting.subscribed
            && let Some(of) = self.stage.receivers.get(&waiting.receiver).cloned()
        {
            self.forget_subscription(&of, stream);
        }
        if let Some(request) = waiting.request {
            let asker = Asker {
                connection: waiting.connection,
                request,
                face: Face::Rtc,
            };
            self.answer_later(asker, Err(error));
        }
    }

    pub(super) fn give_up_offer(&mut self, waiting: WaitingOffer) {
        self.refuse_offer(waiting, HubError::TimedOut);
    }

    /// A receiver has ended by itself.
    pub(super) fn receiver_has_ended(&mut self, receiver: SessionId) {
        let Some(of) = self.stage.receivers.get(&receiver).cloned() else {
            return;
        };
        self.forget_receiver(&of);
        if let Some(place) = self.stage.places.get(&of) {
            let event = MediaEvent::ReceiverClosed {
                message: "Your receiving connection has ended; subscribe again.".to_owned(),
            };
            self.tell_one(place.connection, event);
        }
    }

    /// Ends a member's receiver, with all that it carries.
    pub(super) fn close_receiver(&mut self, of: &(RoomKey, UserId)) {
        if let Some(receiver) = self.forget_receiver(of) {
            self.order(MediaOrder::CloseReceiver { receiver });
        }
    }

    /// A stream has ended: nobody receives it any more.
    pub(super) fn drop_watchers(&mut self, now: Instant, stream: &StreamId) {
        let watchers = self.stage.watchers.remove(stream).unwrap_or_default();
        for of in watchers {
            self.change_receiver(now, &of, Vec::new(), vec![stream.clone()]);
        }
    }

    /// The rooms that a room is connected with have changed.
    pub(super) fn change_co_hosts(
        &mut self,
        now: Instant,
        key: &RoomKey,
        others: &[(RoomKey, bool)],
    ) {
        let mut members = Vec::new();
        self.rooms
            .connections(&Recipient::Media(key.clone()), |c| members.push(c));
        for connection in members {
            let session = self.sessions.get(&connection);
            let Some(user) = session.and_then(|session| session.user.clone()) else {
                continue;
            };
            let of = (key.clone(), user);
            let Some(place) = self.stage.places.get_mut(&of) else {
                continue;
            };
            let mut add = Vec::new();
            let mut remove = Vec::new();
            for (stream, subscription) in &mut place.subscriptions {
                if subscription.source.room == *key {
                    continue;
                }
                let other = others
                    .iter()
                    .find(|(other, _)| *other == subscription.source.room);
                match other {
                    None => remove.push(stream.clone()),
                    Some((_, is_muted)) if *is_muted != subscription.is_muted => {
                        subscription.is_muted = *is_muted;
                        add.push(subscription.wanted(stream));
                    }
                    Some(_) => {}
                }
            }
            self.change_receiver(now, &of, add, remove);
        }
    }

    /// What a member's token allows has changed: what it no longer allows is not received.
    pub(super) fn change_rights(&mut self, now: Instant, of: &(RoomKey, UserId), rights: Rights) {
        let Some(place) = self.stage.places.get_mut(of) else {
            return;
        };
        let mut add = Vec::new();
        let mut remove = Vec::new();
        for (stream, subscription) in &mut place.subscriptions {
            let video = video_right(subscription.source.track);
            let audio = subscription.audio && rights.has(Right::ReceiveAudio);
            let video = subscription.video && rights.has(video);
            if (audio, video) == (subscription.audio, subscription.video) {
                continue;
            }
            (subscription.audio, subscription.video) = (audio, video);
            if audio || video {
                add.push(subscription.wanted(stream));
            } else {
                remove.push(stream.clone());
            }
        }
        self.change_receiver(now, of, add, remove);
    }

    /// Changes what a member receives without being asked by them.
    fn change_receiver(
        &mut self,
        now: Instant,
        of: &(RoomKey, UserId),
        add: Vec<Wanted>,
        remove: Vec<StreamId>,
    ) {
        for stream in &remove {
            self.forget_subscription(of, stream);
        }
        let place = self.stage.places.get(of);
        let Some((connection, receiver)) = place.and_then(|p| Some((p.connection, p.receiver?)))
        else {
            return;
        };
        if add.is_empty() && remove.is_empty() {
            return;
        }
        let waiting = WaitingOffer {
            connection,
            request: None,
            receiver,
            subscribed: None,
        };
        let order = MediaOrder::Receive {
            receiver,
            add,
            remove,
        };
        self.order_offer(now, waiting, order);
    }

    fn order_offer(&mut self, now: Instant, waiting: WaitingOffer, order: MediaOrder) {
        let ticket = self.tickets.open(now, Waiting::Offer(waiting));
        self.out.push_back(HubOutput::Media { ticket, order });
    }

    /// The receiver of a member, opened with the first order that names it.
    fn open_receiver(&mut self, now: Instant, of: &(RoomKey, UserId)) -> SessionId {
        let fresh = SessionId::from_bits(self.rng.random());
        let Some(place) = self.stage.places.get_mut(of) else {
            return fresh;
        };
        if let Some(receiver) = place.receiver {
            return receiver;
        }
        place.receiver = Some(fresh);
        self.stage.receivers.insert(fresh, of.clone());
        self.figures.open(now, place.connection, Path::Down);
        fresh
    }

    fn forget_receiver(&mut self, of: &(RoomKey, UserId)) -> Option<SessionId> {
        let place = self.stage.places.get_mut(of)?;
        let receiver = place.receiver.take()?;
        let connection = place.connection;
        let streams = std::mem::take(&mut place.subscriptions);
        for stream in streams.keys() {
            self.forget_watcher(of, stream);
        }
        self.stage.receivers.remove(&receiver);
        self.figures.close(connection, Path::Down);
        Some(receiver)
    }

    fn forget_subscription(&mut self, of: &(RoomKey, UserId), stream: &StreamId) {
        if let Some(place) = self.stage.places.get_mut(of) {
            place.subscriptions.remove(stream);
        }
        self.forget_watcher(of, stream);
    }

    fn forget_watcher(&mut self, of: &(RoomKey, UserId), stream: &StreamId) {
        if let Some(watchers) = self.stage.watchers.get_mut(stream) {
            watchers.remove(of);
            if watchers.is_empty() {
                self.stage.watchers.remove(stream);
            }
        }
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

fn video_right(track: TrackKind) -> Right {
    match track {
        TrackKind::Main => Right::ReceiveVideo,
        TrackKind::Aux => Right::ReceiveAux,
    }
}
