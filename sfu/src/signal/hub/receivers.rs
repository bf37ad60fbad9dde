//! What members receive changes: by their requests, and with what they watch.

use std::time::Instant;

use rand::Rng;
use relay::StreamId;

use super::error::HubError;
use super::io::MediaOrder;
use super::subscribe::video_right;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::quality::Path;
use crate::live::{ConnectionId, Face, Recipient, Right, Rights, RoomKey, UserId};
use crate::signal::protocol::{MediaEvent, ResultBody, Subscribed};
use crate::worker::{ReceiveError, ServerOffer, SessionId, Wanted};

/// Who waits for an offer.
#[derive(Debug)]
pub(super) struct WaitingOffer {
    pub(super) connection: ConnectionId,
    /// None when the hub itself has ordered the change.
    pub(super) request: Option<u32>,
    pub(super) receiver: SessionId,
    /// What the request subscribes to, and whether that is new: then it is taken back when the
    /// media side refuses it.
    pub(super) subscribed: Option<(StreamId, bool)>,
}
impl Hub {
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

    /// Tells a member what has become of a stream that they have subscribed to.
    pub(super) fn tell_of_stream(
        &mut self,
        receiver: SessionId,
        stream: &StreamId,
        event: impl FnOnce(String) -> MediaEvent,
    ) {
        let of = self.stage.receivers.get(&receiver);
        let Some(place) = of.and_then(|of| self.stage.places.get(of)) else {
            return;
        };
        if place.subscriptions.contains_key(stream) {
            let connection = place.connection;
            self.tell_one(connection, event(stream.to_string()));
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

    pub(super) fn order_offer(&mut self, now: Instant, waiting: WaitingOffer, order: MediaOrder) {
        let ticket = self.tickets.open(now, Waiting::Offer(waiting));
        self.out.push_back(HubOutput::Media { ticket, order });
    }

    /// The receiver of a member, opened with the first order that names it.
    pub(super) fn open_receiver(&mut self, now: Instant, of: &(RoomKey, UserId)) -> SessionId {
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

    pub(super) fn forget_subscription(&mut self, of: &(RoomKey, UserId), stream: &StreamId) {
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
}
