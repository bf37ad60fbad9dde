//! Packets on their way to a room's subscribers, a batch at a time.
//!
//! What arrives together is gathered by room and then handed to one subscriber after the other,
//! each drained at once: the memory of a session is touched once a batch instead of once a packet.

use std::time::Instant;

use packager::rtp::MediaKind;

use super::Core;
use crate::media::counters::DropReason;
use crate::media::forward::place::Target;
use crate::media::loudest::Heard;
use crate::media::output::Output;
use crate::media::packet::MediaPacket;
use crate::media::slots::SlotKey;
use crate::worker::MediaEvent;
use packager::picture::Pictures;

/// What a room has gathered since its last delivery.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    packets: Vec<MediaPacket>,
    /// The layer to follow for a picture has become another.
    pub(crate) layer_changed: bool,
    /// The pictures of which somebody could not be served for want of a key frame.
    waiting: Pictures,
}

/// A batch that is being handed out.
#[derive(Debug)]
pub(super) struct Delivery {
    room: SlotKey,
    gathered: Gathered,
    /// Those who have not got it yet.
    subscribers: Vec<SlotKey>,
}

impl Core {
    /// Keeps a packet for the room's subscribers until the next delivery.
    pub(super) fn gather(
        &mut self,
        room_key: SlotKey,
        packet: &MediaPacket,
        waiting: Pictures,
        now: Instant,
    ) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let gathered = &mut room.gathered;
        if gathered.packets.is_empty() {
            self.gathering.push(room_key);
        }
        gathered.packets.push(packet.clone());
        gathered.waiting |= waiting;
        if gathered.packets.len() >= MAX_GATHERED {
            self.deliver_all(now);
        }
    }

    /// Hands out everything that has been gathered.
    pub(super) fn deliver_all(&mut self, now: Instant) {
        while self.deliver_next(now) {}
    }

    /// Takes the next step: a batch is begun, given to one subscriber, or ended. False if there is
    /// nothing to hand out.
    pub(super) fn deliver_next(&mut self, now: Instant) -> bool {
        let Some(delivery) = &mut self.delivery else {
            let Some(room_key) = self.gathering.pop() else {
                return false;
            };
            if let Some(room) = self.rooms.get_mut(room_key) {
                let mut subscribers = std::mem::take(&mut self.recipients);
                subscribers.extend_from_slice(&room.subscribers);
                self.delivery = Some(Delivery {
                    room: room_key,
                    gathered: std::mem::take(&mut room.gathered),
                    subscribers,
                });
            }
            return true;
        };
        match delivery.subscribers.pop() {
            Some(subscriber) => self.deliver_to(subscriber, now),
            None => self.end_delivery(now),
        }
        true
    }

    fn deliver_to(&mut self, subscriber: SlotKey, now: Instant) {
        let Some(delivery) = &mut self.delivery else {
            return;
        };
        let (Some(room), Some(session)) = (
            self.rooms.get(delivery.room),
            self.sessions.get_mut(subscriber),
        ) else {
            return;
        };
        let Some(feed) = session.feed_from(delivery.room) else {
            return;
        };
        let picture = session.picture(feed);
        let is_thinned = session.is_thinned(feed);
        let followed = picture.and_then(|picture| room.given(picture, is_thinned));
        let cached = room.fresh(followed, now);
        let mut any = false;
        let mut entered = None;
        for packet in &delivery.gathered.packets {
            if entered == Some(packet.stream) {
                // It was among those from the cache.
                continue;
            }
            let (target, cached) = match packet.kind {
                MediaKind::Audio => (room.audio.map(Target::whole), None),
                MediaKind::Video => (followed, cached),
            };
            if packet.kind == MediaKind::Audio {
                match session.hears(feed, &room.voice, now) {
                    Heard::Yes => {}
                    Heard::Instead => self.counters.voice_changes += 1,
                    Heard::No => {
                        self.counters.drop(DropReason::NotLoudest);
                        continue;
                    }
                }
            }
            let before = session.follows(feed, packet.kind);
            match session.forward(feed, packet, target, cached, now) {
                Ok(written) => {
                    if packet.kind == MediaKind::Video && before != Some(packet.stream) {
                        entered = Some(packet.stream);
                    }
                    any = true;
                    self.counters.packets_out += written.packets;
                    self.counters.bytes_out += written.bytes;
                    self.counters.redundant_out += written.redundant;
                }
                Err(reason) => {
                    if reason == DropReason::AwaitingKeyframe {
                        delivery.gathered.waiting.extend(picture);
                    }
                    self.counters.drop(reason);
                    if reason == DropReason::CodecNotNegotiated
                        && let Some(stream) = session.misses(feed, packet)
                    {
                        self.outputs
                            .push_back(Output::Event(MediaEvent::CodecMissing {
                                receiver: session.id,
                                stream,
                                codec: packet.codec,
                            }));
                    }
                }
            }
        }
        if session.awaits_layers(feed, followed) {
            // Each packet of the stream passes, and is none to enter more of it at.
            delivery.gathered.waiting.extend(picture);
        }
        if any && session.has_many_feeds() {
            self.mark_dirty(subscriber);
        } else if any {
            self.drain(subscriber, now);
        }
    }

    fn end_delivery(&mut self, now: Instant) {
        let Some(delivery) = self.delivery.take() else {
            return;
        };
        let room_key = delivery.room;
        self.recipients = delivery.subscribers;
        let mut gathered = delivery.gathered;
        let mut wanted = gathered.waiting;
        if gathered.layer_changed {
            wanted |= self.awaited(room_key);
        }
        if let Some(room) = self.rooms.get_mut(room_key)
            && room.gathered.packets.is_empty()
        {
            // The memory for packets stays with the room that needed it.
            gathered.packets.clear();
            gathered.packets.shrink_to(KEPT_PACKETS);
            room.gathered.packets = gathered.packets;
        }
        if !wanted.is_empty() {
            self.request_keyframes(room_key, wanted, now);
            self.arm_room(room_key, now);
        }
    }
}

/// Packets gathered for one room before they are delivered whatever else has arrived. Above what a
/// worker receives at a time from a publisher that behaves.
const MAX_GATHERED: usize = 1_024;

/// Room for packets that stays between batches: a frame of 8 Mbit/s.
const KEPT_PACKETS: usize = 32;
