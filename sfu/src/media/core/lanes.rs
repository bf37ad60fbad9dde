//! Messages from and to other workers and the relay.

use std::time::Instant;

use packager::rtp::RtpPacket;
use relay::{IngestItem, StreamId, Track};

use super::Core;
use crate::media::counters::DropReason;
use crate::media::demand::Wants;
use crate::media::forward::allocate::Rates;
use crate::media::forward::rewrite::Rewritten;
use crate::media::lane::Lane;
use crate::media::output::{LaneMessage, Output};
use crate::media::packet::MediaPacket;
use crate::media::room::{LEASE, Room, Source, fresh};
use crate::media::slots::SlotKey;
use packager::picture::Pictures;

impl Core {
    /// A message from another worker.
    pub fn handle_lane(&mut self, now: Instant, message: LaneMessage) {
        let room = self.by_stream.get(message.stream()).copied();
        match message {
            LaneMessage::Media {
                packet, pictures, ..
            } => {
                let found = room.and_then(|key| Some((key, self.rooms.get_mut(key)?)));
                match found.filter(|(_, room)| room.source != Source::Local) {
                    Some((key, mirror)) => {
                        mirror.follow(&packet, pictures);
                        self.ingest(key, &packet, now);
                    }
                    None => self.counters.drop(DropReason::UnknownRoom),
                }
            }
            LaneMessage::Attach {
                stream,
                worker,
                wants,
            } => self.attach(room, stream, worker, wants, now),
            LaneMessage::Lease { live, rates, .. } => {
                if let Some(room) = room.and_then(|key| self.rooms.get_mut(key))
                    && live
                {
                    room.live_at = now;
                    room.told_rates = rates;
                }
            }
            LaneMessage::Detach { worker, .. } => {
                if let Some(key) = room {
                    if let Some(room) = self.rooms.get_mut(key) {
                        room.lanes.retain(|l| l.worker != worker);
                    }
                    self.update_need(key, now);
                    self.arm_room(key, now);
                    self.remove_room_if_empty(key);
                }
            }
            LaneMessage::Keyframe { picture, .. } => {
                let found = room.and_then(|key| Some((key, self.rooms.get(key)?)));
                if let Some((key, room)) = found
                    && room.lanes.iter().any(|lane| lane.wants(picture))
                {
                    self.request_keyframe(key, picture, now);
                    self.arm_room(key, now);
                }
            }
        }
    }

    pub(super) fn attach(
        &mut self,
        room: Option<SlotKey>,
        stream: StreamId,
        worker: usize,
        wants: Wants,
        now: Instant,
    ) {
        let found = room.and_then(|key| self.rooms.get_mut(key).map(|r| (key, r)));
        let Some((key, room)) = found.filter(|(_, r)| r.source == Source::Local) else {
            self.outputs.push_back(Output::Lane {
                worker,
                message: LaneMessage::Lease {
                    stream,
                    live: false,
                    rates: Rates::default(),
                },
            });
            return;
        };
        let (live, rates) = (room.is_live(), room.rates());
        let Room {
            lanes,
            layers,
            videos,
            ..
        } = room;
        let index = match lanes.iter().position(|l| l.worker == worker) {
            Some(index) => index,
            None => {
                lanes.push(Lane::new(self.next_lane, worker, now));
                self.next_lane = self.next_lane.wrapping_add(1);
                lanes.len() - 1
            }
        };
        let lane = &mut lanes[index];
        lane.expires = now + LEASE;
        let outputs = &mut self.outputs;
        let mut awaiting = Pictures::NONE;
        for picture in lane.set_wants(wants).iter() {
            let emit = |packet, pictures| {
                outputs.push_back(lane_output(worker, &stream, packet, pictures));
            };
            let stream = layers.target(picture).map(|target| target.stream);
            let cached = fresh(videos, stream, now);
            if !lane.enter(picture, layers, cached, now, emit) {
                awaiting.insert(picture);
            }
        }
        self.request_keyframes(key, awaiting, now);
        self.update_need(key, now);
        self.outputs.push_back(Output::Lane {
            worker,
            message: LaneMessage::Lease {
                stream,
                live,
                rates,
            },
        });
        self.arm_room(key, now);
    }

    /// The lane to another worker did not take a message about a stream.
    pub fn lane_full(&mut self, now: Instant, worker: usize, message: &LaneMessage) {
        self.counters.drop(DropReason::WorkerLaneFull);
        let LaneMessage::Media { stream, packet, .. } = message else {
            return;
        };
        let Some(&key) = self.by_stream.get(stream) else {
            return;
        };
        let lanes = self.rooms.get_mut(key).map(|room| &mut room.lanes);
        let lane = lanes.and_then(|lanes| lanes.iter_mut().find(|l| l.worker == worker));
        if let Some(picture) = lane.and_then(|lane| lane.restart(packet.stream)) {
            self.request_keyframe(key, picture, now);
            self.arm_room(key, now);
        }
    }

    /// The relay's lane did not take an item of a stream.
    pub fn relay_full(&mut self, now: Instant, stream: &StreamId, item: &IngestItem) {
        self.counters.drop(DropReason::RelayLaneFull);
        if let IngestItem::Rtp {
            track: track @ Track::Video(picture),
            ..
        } = item
        {
            if let Some(&key) = self.by_stream.get(stream)
                && let Some(relayed) = self.rooms.get_mut(key).and_then(|r| r.relay.as_mut())
            {
                relayed.outlet.track(*track).restart();
            }
            self.want_keyframes(now, stream, Pictures::from_iter([*picture]));
        }
    }

    /// The relay needs a key frame of some pictures of a stream.
    pub fn want_keyframes(&mut self, now: Instant, stream: &StreamId, pictures: Pictures) {
        if let Some(&key) = self.by_stream.get(stream) {
            self.request_keyframes(key, pictures, now);
            self.arm_room(key, now);
        }
    }
}

/// A packet of a lane, and the pictures that it serves.
pub(super) fn lane_output(
    worker: usize,
    stream: &StreamId,
    packet: MediaPacket,
    pictures: Pictures,
) -> Output {
    Output::Lane {
        worker,
        message: LaneMessage::Media {
            stream: stream.clone(),
            packet,
            pictures,
        },
    }
}

/// A packet as the relay gets it.
pub(super) fn relay_output(
    stream: &StreamId,
    track: Track,
    packet: &MediaPacket,
    numbers: Rewritten,
) -> Output {
    Output::Relay {
        stream: stream.clone(),
        item: IngestItem::Rtp {
            track,
            codec: packet.codec,
            packet: RtpPacket {
                seq: numbers.seq,
                time: numbers.time,
                marker: packet.marker,
                payload: packet.payload.clone(),
                received: packet.received,
            },
        },
    }
}
