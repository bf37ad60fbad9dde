//! The life of rooms and sessions: timers, drains, ends.

use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;
use relay::StreamId;

use super::Core;
use crate::media::demand::Wish;
use crate::media::forward::rewrite::Rewritten;
use crate::media::need::Need;
use crate::media::output::{LaneMessage, Output};
use crate::media::room::{RENEW, Room, Source};
use crate::media::session::{Ended, Feed, Side};
use crate::media::slots::SlotKey;
use crate::worker::MediaEvent;
use crate::worker::api::{Role, SessionRef};

impl Core {
    pub(super) fn room_for(&mut self, stream: &StreamId, source: Source, now: Instant) -> SlotKey {
        if let Some(&key) = self.by_stream.get(stream) {
            return key;
        }
        let key = self.rooms.insert(Room::new(stream.clone(), source, now));
        self.by_stream.insert(stream.clone(), key);
        key
    }

    /// Looks at everything of a room that time can change.
    pub(super) fn check_room(&mut self, key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.lanes.retain(|l| l.expires > now);
        for video in &mut room.videos {
            video.cache.expire(now);
        }
        if room.publisher.is_some() {
            room.live_at = now;
        }
        // Elsewhere the home of the stream chooses.
        let chooses = room.videos.len() > 1 && room.source == Source::Local;
        let changed = chooses && room.layers.handle_timeout(now);
        let due = room.due_keyframes(now);
        let ended = room.publisher.is_none()
            && now.saturating_duration_since(room.live_at) >= self.config.linger;
        let subscribers = if ended && room.viewers > 0 {
            room.subscribers.clone()
        } else {
            Vec::new()
        };
        for stream in due {
            self.send_keyframe_request(key, stream);
        }
        if changed {
            self.request_keyframes(key, self.awaited(key), now);
        }
        self.renew_lease(key, now);
        self.update_need(key, now);
        for subscriber in subscribers {
            // Receivers have other streams, and wait for this one until they are told otherwise.
            if self
                .sessions
                .get(subscriber)
                .is_some_and(|s| !s.is_receiver())
            {
                self.counters.timeouts += 1;
                self.remove(subscriber, now);
            }
        }
    }

    /// Tells the home of a mirrored stream what is wanted of it, when that has changed and from
    /// time to time.
    pub(super) fn renew_lease(&mut self, key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let worker = self.config.worker;
        let wants = room.demand.wants();
        if let Source::Remote {
            home,
            renew_at,
            told,
        } = &mut room.source
            && (*renew_at <= now || *told != wants)
        {
            *renew_at = now + RENEW;
            *told = wants;
            self.outputs.push_back(Output::Lane {
                worker: *home,
                message: LaneMessage::Attach {
                    stream: room.stream.clone(),
                    worker,
                    wants,
                },
            });
        }
    }

    pub(super) fn arm_room(&mut self, key: SlotKey, now: Instant) {
        let linger = self.config.linger;
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let Some(at) = room.next_timeout(linger) else {
            return;
        };
        // Not before the next tick: what is overdue has just been looked at.
        let at = at.max(now + ROOM_TICK);
        if room.armed.is_none_or(|armed| at < armed) {
            room.armed = Some(at);
            self.room_timers.arm(at, key);
        }
    }

    pub(super) fn remove_room_if_empty(&mut self, key: SlotKey) {
        let Some(room) = self.rooms.get(key) else {
            return;
        };
        if room.sessions > 0 {
            return;
        }
        if let Source::Remote { home, .. } = room.source {
            self.outputs.push_back(Output::Lane {
                worker: home,
                message: LaneMessage::Detach {
                    stream: room.stream.clone(),
                    worker: self.config.worker,
                },
            });
        }
        if let Some(room) = self.rooms.remove(key) {
            self.by_stream.remove(&room.stream);
        }
    }

    pub(super) fn mark_dirty(&mut self, key: SlotKey) {
        if let Some(session) = self.sessions.get_mut(key)
            && !session.dirty
        {
            session.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Moves a session's time on and takes out what is ready.
    pub(super) fn drain(&mut self, key: SlotKey, now: Instant) {
        for _ in 0..MAX_STEPS {
            let Some(session) = self.sessions.get_mut(key) else {
                return;
            };
            match session.advance(now) {
                Ok(()) => self.poll(key, now),
                Err(ended) => return self.end(key, ended, now),
            }
            let session = self.sessions.get_mut(key);
            // The pacer lets one packet out at a time, and may let out the next at once.
            let again = session.is_some_and(|s| s.refill() || s.is_due(now));
            if !again {
                return;
            }
        }
    }

    pub(super) fn poll(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.dirty = false;
        let events = &mut self.events;
        let drained = session.drain(&mut self.transmits, |event| events.push_back((key, event)));
        match drained {
            Ok(()) => self.arm_session(key),
            Err(ended) => self.end(key, ended, now),
        }
    }

    pub(super) fn arm_session(&mut self, key: SlotKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let at = session.next_timeout();
        if session.armed.is_none_or(|armed| at < armed) {
            session.armed = Some(at);
            self.session_timers.arm(at, key);
        }
    }

    pub(super) fn end(&mut self, key: SlotKey, ended: Ended, now: Instant) {
        if ended == Ended::Panicked {
            self.counters.panics += 1;
        }
        self.remove(key, now);
    }

    /// Ends a session: BYE, maps, room.
    pub(super) fn remove(&mut self, key: SlotKey, now: Instant) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        session.close(&mut self.transmits);
        self.by_id.remove(&session.id);
        self.demux.remove_user(&session.user);
        for address in &session.addresses {
            self.demux.remove_address(*address, key);
        }
        let id = session.id;
        let is_receiver = session.is_receiver();
        match session.side {
            Side::Publisher(publisher) => {
                let room_key = publisher.room;
                let stream = publisher.stream;
                if let Some(room) = self.rooms.get_mut(room_key) {
                    room.sessions = room.sessions.saturating_sub(1);
                    room.remove_streams(publisher.streams.iter().map(|s| s.key));
                    if room.publisher == Some(key) {
                        room.publisher = None;
                        room.need = Need::default();
                        room.relay = None;
                        room.live_at = now;
                        let stream = stream.clone();
                        self.outputs.push_back(Output::Unpublished { stream });
                    } else if !session.connected {
                        room.pending = room.pending.saturating_sub(1);
                    }
                }
                self.leave_room(room_key, now);
                self.outputs.push_back(Output::Closed(SessionRef {
                    stream: stream.clone(),
                    session: id,
                    role: Role::Publisher,
                }));
                self.outputs.push_back(Output::Event(MediaEvent::Ended {
                    stream,
                    session: id,
                }));
            }
            Side::Subscriber(subscriber) => {
                for feed in subscriber.feeds {
                    self.unsubscribe(&feed, key, is_receiver, now);
                    self.outputs.push_back(match is_receiver {
                        true => Output::Left {
                            stream: feed.stream,
                        },
                        false => Output::Closed(SessionRef {
                            stream: feed.stream,
                            session: id,
                            role: Role::Subscriber,
                        }),
                    });
                }
                if is_receiver {
                    self.outputs
                        .push_back(Output::ReceiverClosed { receiver: id });
                    self.outputs
                        .push_back(Output::Event(MediaEvent::ReceiverEnded { receiver: id }));
                }
            }
        }
    }

    /// Takes a subscriber's feed out of its room.
    pub(super) fn unsubscribe(
        &mut self,
        feed: &Feed,
        subscriber: SlotKey,
        is_receiver: bool,
        now: Instant,
    ) {
        let wish = (feed.wish.video, None);
        self.change_wish(feed.room, wish, Some(feed.served()), None, now);
        if let Some(room) = self.rooms.get_mut(feed.room) {
            room.sessions = room.sessions.saturating_sub(1);
            room.subscribers.retain(|k| *k != subscriber);
            if !is_receiver {
                room.viewers = room.viewers.saturating_sub(1);
            }
        }
        self.leave_room(feed.room, now);
    }

    /// A feed is served something else of a room: its first, another picture, or nothing any more.
    pub(super) fn change_demand(
        &mut self,
        room_key: SlotKey,
        before: Option<Wish>,
        after: Option<Wish>,
        now: Instant,
    ) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if let Some(wish) = before {
            room.demand.remove(wish);
        }
        if let Some(wish) = after {
            room.demand.add(wish);
        }
        self.renew_lease(room_key, now);
    }

    fn leave_room(&mut self, room: SlotKey, now: Instant) {
        self.arm_room(room, now);
        self.remove_room_if_empty(room);
    }

    pub(super) fn new_etag(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }
}

/// First numbers of an outgoing stream: a sequence number below 2^14, so that it stays below 2^15
/// for a while, and any time.
pub(super) fn first_numbers(rng: &mut StdRng) -> Rewritten {
    Rewritten {
        seq: rng.random_range(1..1 << 14),
        time: rng.random(),
    }
}

/// Most steps of one drain; what is left is due at once.
const MAX_STEPS: usize = 1_000;

/// A room is looked at by time not more often than this.
const ROOM_TICK: Duration = Duration::from_millis(10);
