//! Sessions that receive several streams, by offers of the server.

use std::time::Instant;

use packager::rtp::MediaKind;
use rand::Rng as _;
use relay::StreamId;

use super::Core;
use super::upkeep::first_numbers;
use crate::media::demand::Wish;
use crate::media::fragment;
use crate::media::output::Output;
use crate::media::room::Source;
use crate::media::session::{KINDS, NewReceiver, Session};
use crate::media::slots::SlotKey;
use crate::worker::api::SessionId;
use crate::worker::{ReceiveError, ServerOffer, Wanted};

/// A stream for a receiver, and where its publisher is or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// What is wanted.
    pub wanted: Wanted,
    /// The worker of the publisher, if it is another one.
    pub home: Option<usize>,
}

impl Core {
    /// Changes what a receiver gets: `remove` first, then `add`. The first stream opens it. The
    /// offer, unless one is outstanding or nothing has changed.
    ///
    /// Each stream of `add` that is not one more for the receiver comes back as
    /// [`Output::Left`], as does each that it has done with.
    ///
    /// # Errors
    /// See [`ReceiveError`]; nothing has changed then.
    pub fn receive(
        &mut self,
        now: Instant,
        receiver: SessionId,
        add: &[Placed],
        remove: &[StreamId],
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let known = match self.by_id.contains_key(&receiver) {
            true => Some(self.find_receiver(receiver)?),
            false => None,
        };
        self.check_tracks(known, add, remove)?;
        let key = match known {
            Some(key) => key,
            None if add.iter().any(|p| wish(p) != Wish::NOTHING) => {
                self.open_receiver(now, receiver)?
            }
            None => {
                self.left(add.iter().map(|p| &p.wanted.stream));
                return Ok(None);
            }
        };
        self.deliver_all(now);
        for stream in remove {
            self.remove_feed(key, stream, now);
        }
        for placed in add {
            self.add_feed(key, placed, now);
        }
        self.settle(key, now);
        Ok(self.next_offer(key))
    }

    /// Takes a receiver's answer. The next offer, if changes have waited for it.
    ///
    /// # Errors
    /// See [`ReceiveError`]. After [`ReceiveError::Refused`] the receiver is closed.
    pub fn answer(
        &mut self,
        now: Instant,
        receiver: SessionId,
        revision: u32,
        sdp: &str,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let key = self.find_receiver(receiver)?;
        // What is written has to be out before anything else is done to the connection, and those
        // who join now must not get twice what the cache has.
        self.deliver_all(now);
        self.drain(key, now);
        let Some(session) = self.sessions.get_mut(key) else {
            return Err(ReceiveError::UnknownReceiver { receiver });
        };
        let user = session.user.clone();
        let rng = &mut self.rng;
        let rooms = match session.take_answer(revision, sdp, || first_numbers(rng)) {
            Ok(rooms) => rooms,
            Err(error) => {
                self.counters.answers_refused += 1;
                if matches!(error, ReceiveError::Refused { .. }) {
                    self.remove(key, now);
                }
                return Err(error);
            }
        };
        if session.user != user {
            let renewed = session.user.clone();
            self.demux.remove_user(&user);
            self.demux.add_user(&renewed, key);
        }
        self.mark_dirty(key);
        self.arm_session(key);
        for room in rooms {
            self.feed_from(room, key, now);
        }
        Ok(self.next_offer(key))
    }

    /// Takes a fragment of trickle ICE, which changes nothing: the server learns addresses from
    /// checks. An empty one asks for an ICE restart; the offer for it, unless one is outstanding.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn patch_receiver(
        &mut self,
        receiver: SessionId,
        body: &str,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let key = self.find_receiver(receiver)?;
        let Some(session) = self.sessions.get_mut(key) else {
            return Err(ReceiveError::UnknownReceiver { receiver });
        };
        if body.trim().is_empty() {
            session.want_restart();
            return Ok(self.next_offer(key));
        }
        let fragment =
            fragment::parse(body).map_err(|reason| ReceiveError::Malformed { reason })?;
        let taken = session.candidates + fragment.candidates;
        if taken > fragment::MAX_CANDIDATES {
            return Err(ReceiveError::TooManyCandidates {
                limit: fragment::MAX_CANDIDATES,
            });
        }
        session.candidates = taken;
        Ok(None)
    }

    /// Ends a receiver with BYE.
    ///
    /// # Errors
    /// [`ReceiveError::UnknownReceiver`].
    pub fn close_receiver(
        &mut self,
        now: Instant,
        receiver: SessionId,
    ) -> Result<(), ReceiveError> {
        let key = self.find_receiver(receiver)?;
        self.remove(key, now);
        Ok(())
    }

    /// True if there is such a receiver.
    pub fn has_receiver(&self, receiver: SessionId) -> bool {
        self.find_receiver(receiver).is_ok()
    }

    fn find_receiver(&self, receiver: SessionId) -> Result<SlotKey, ReceiveError> {
        self.by_id
            .get(&receiver)
            .copied()
            .filter(|key| self.sessions.get(*key).is_some_and(|s| s.is_receiver()))
            .ok_or(ReceiveError::UnknownReceiver { receiver })
    }

    fn check_tracks(
        &self,
        receiver: Option<SlotKey>,
        add: &[Placed],
        remove: &[StreamId],
    ) -> Result<(), ReceiveError> {
        let session = receiver.and_then(|key| self.sessions.get(key));
        let mut after: Vec<(&StreamId, Wish)> = session.map_or_else(Vec::new, |s| {
            let kept = s.feeds().iter().filter(|f| !remove.contains(&f.stream));
            kept.map(|f| (&f.stream, f.wish)).collect()
        });
        for placed in add {
            let stream = &placed.wanted.stream;
            match after.iter_mut().find(|(s, _)| *s == stream) {
                Some((_, before)) => *before = wish(placed),
                None => after.push((stream, wish(placed))),
            }
        }
        for kind in KINDS {
            let count = after.iter().filter(|(_, w)| w.has(kind)).count();
            let limit = Session::track_limit(session.map(|s| &**s), kind);
            if count > limit {
                return Err(ReceiveError::TooManyTracks {
                    kind: match kind {
                        MediaKind::Audio => "audio",
                        MediaKind::Video => "video",
                    },
                    count,
                    limit,
                });
            }
        }
        Ok(())
    }

    fn open_receiver(&mut self, now: Instant, id: SessionId) -> Result<SlotKey, ReceiveError> {
        if self.sessions.len() >= self.config.max_sessions {
            return Err(ReceiveError::LimitReached {
                limit: self.config.max_sessions,
            });
        }
        let session = Session::receiver(NewReceiver {
            id,
            cert: &self.config.cert,
            local: &self.candidates,
            loudest: self.config.loudest,
            redundancy: self.config.audio_redundancy,
            cname: format!("{:016x}", self.rng.random::<u64>()),
            now,
            deadline: now + self.config.connect_timeout,
        })
        .map_err(|reason| ReceiveError::Refused { reason })?;
        let user = session.user.clone();
        let key = self.sessions.insert(Box::new(session));
        self.demux.add_user(&user, key);
        self.by_id.insert(id, key);
        self.arm_session(key);
        Ok(key)
    }

    fn add_feed(&mut self, key: SlotKey, placed: &Placed, now: Instant) {
        let stream = &placed.wanted.stream;
        let wish = wish(placed);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if wish == Wish::NOTHING {
            self.remove_feed(key, stream, now);
            return self.left([stream].into_iter());
        }
        let wished = session.feed_of(stream).and_then(|feed| feed.wish.video);
        if let Some((room_key, before)) = session.want(stream, wish) {
            let served = session.feed_of(stream).map(|feed| feed.served());
            if before != wish {
                session.link().try_out(now);
            }
            let wishes = (wished, wish.video);
            self.change_wish(room_key, wishes, Some(before), served, now);
            self.allocate(key, now);
            // Another picture needs no negotiation, only a key frame to enter it.
            self.join(room_key, key, now);
            self.arm_room(room_key, now);
            return self.left([stream].into_iter());
        }
        let room_key = self.room_for(stream, Source::of(placed.home, now), now);
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.sessions += 1;
        }
        if let Some(session) = self.sessions.get_mut(key) {
            session.add_feed(stream.clone(), room_key, wish);
        }
        self.change_wish(room_key, (None, wish.video), None, Some(wish), now);
        self.arm_room(room_key, now);
    }

    fn remove_feed(&mut self, key: SlotKey, stream: &StreamId, now: Instant) {
        let removed = self
            .sessions
            .get_mut(key)
            .and_then(|s| s.remove_feed(stream));
        if let Some(feed) = removed {
            self.unsubscribe(&feed, key, true, now);
            self.left([stream].into_iter());
        }
    }

    fn left<'a>(&mut self, streams: impl Iterator<Item = &'a StreamId>) {
        let left = streams.map(|stream| Output::Left {
            stream: stream.clone(),
        });
        self.outputs.extend(left);
    }

    /// Connects feeds that need no negotiation: their lines are still there.
    fn settle(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let rng = &mut self.rng;
        let rooms = session.settle(|| first_numbers(rng));
        for room in rooms {
            self.feed_from(room, key, now);
        }
    }

    /// Sends a room's packets to a session from now on, video from a key frame.
    fn feed_from(&mut self, room_key: SlotKey, key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if !room.subscribers.contains(&key) {
            room.subscribers.push(key);
        }
        let session = self.sessions.get(key);
        let picture = session.and_then(|s| s.picture(s.feed_from(room_key)?));
        if session.is_some_and(|s| s.connected) {
            self.join(room_key, key, now);
        } else if let Some(picture) = picture
            && room.wants_keyframe_for_join(picture, now)
        {
            // The publisher's answer travels while the receiver's DTLS handshake does.
            self.request_keyframe(room_key, picture, now);
        }
        self.arm_room(room_key, now);
    }

    fn next_offer(&mut self, key: SlotKey) -> Option<ServerOffer> {
        let offer = self.sessions.get_mut(key)?.next_offer()?;
        self.counters.offers_out += 1;
        self.mark_dirty(key);
        Some(offer)
    }
}

fn wish(placed: &Placed) -> Wish {
    Wish {
        audio: placed.wanted.audio,
        video: placed.wanted.video,
    }
}
