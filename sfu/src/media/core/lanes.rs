//! Messages from and to other workers and the relay.

use std::time::Instant;

use packager::rtp::{MediaKind, RtpPacket};
use relay::{IngestItem, StreamId};

use super::Core;
use crate::media::counters::DropReason;
use crate::media::forward::rewrite::Rewritten;
use crate::media::output::{LaneMessage, Output};
use crate::media::packet::MediaPacket;
use crate::media::room::{LEASE, Lane, Outlet, Source, lane_key};
use crate::media::slots::SlotKey;

impl Core {
    /// A message from another worker.
    pub fn handle_lane(&mut self, now: Instant, message: LaneMessage) {
        let room = self.by_stream.get(message.stream()).copied();
        match message {
            LaneMessage::Media { packet, .. } => {
                let mirror = room.filter(|key| {
                    self.rooms
                        .get(*key)
                        .is_some_and(|r| matches!(r.source, Source::Remote { .. }))
                });
                match mirror {
                    Some(room) => self.ingest(room, &packet, now),
                    None => self.counters.drop(DropReason::UnknownRoom),
                }
            }
            LaneMessage::Attach { stream, worker } => self.attach(room, stream, worker, now),
            LaneMessage::Lease { live, .. } => {
                if let Some(room) = room.and_then(|key| self.rooms.get_mut(key))
                    && live
                {
                    room.live_at = now;
                }
            }
            LaneMessage::Detach { worker, .. } => {
                if let Some(key) = room {
                    if let Some(room) = self.rooms.get_mut(key) {
                        room.lanes.retain(|l| l.worker != worker);
                    }
                    self.remove_room_if_empty(key);
                }
            }
            LaneMessage::Keyframe { .. } => {
                if let Some(key) = room {
                    self.request_keyframe(key, now);
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
        now: Instant,
    ) {
        let found = room.and_then(|key| self.rooms.get_mut(key).map(|r| (key, r)));
        let Some((key, room)) = found.filter(|(_, r)| r.source == Source::Local) else {
            self.outputs.push_back(Output::Lane {
                worker,
                message: LaneMessage::Lease {
                    stream,
                    live: false,
                },
            });
            return;
        };
        let live = room.is_live();
        match room.lanes.iter_mut().find(|l| l.worker == worker) {
            Some(lane) => lane.expires = now + LEASE,
            None => {
                let id = self.next_lane;
                self.next_lane = id.wrapping_add(1);
                let mut lane = Lane {
                    id,
                    worker,
                    expires: now + LEASE,
                    outlet: Outlet::new(),
                };
                let outputs = &mut self.outputs;
                let emit = |packet: &MediaPacket, numbers| {
                    outputs.push_back(lane_output(worker, id, &stream, packet, numbers));
                };
                let entered = match room.fresh(now) {
                    Some(cached) => lane.outlet.video.enter(cached, now, emit),
                    None => 0,
                };
                room.lanes.push(lane);
                if entered == 0 {
                    self.request_keyframe(key, now);
                }
            }
        }
        self.outputs.push_back(Output::Lane {
            worker,
            message: LaneMessage::Lease { stream, live },
        });
        self.arm_room(key, now);
    }

    /// The lane to another worker did not take a message about a stream.
    pub fn lane_full(&mut self, now: Instant, worker: usize, message: &LaneMessage) {
        self.counters.drop(DropReason::WorkerLaneFull);
        let LaneMessage::Media { stream, packet } = message else {
            return;
        };
        let Some(&key) = self.by_stream.get(stream) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(key)
            && let Some(lane) = room.lanes.iter_mut().find(|l| l.worker == worker)
            && packet.kind == MediaKind::Video
        {
            lane.outlet.video.restart();
        }
        if packet.kind == MediaKind::Video {
            self.request_keyframe(key, now);
            self.arm_room(key, now);
        }
    }

    /// The relay's lane did not take an item of a stream.
    pub fn relay_full(&mut self, now: Instant, stream: &StreamId, item: &IngestItem) {
        self.counters.drop(DropReason::RelayLaneFull);
        let video = matches!(
            item,
            IngestItem::Rtp {
                kind: MediaKind::Video,
                ..
            }
        );
        if video {
            if let Some(&key) = self.by_stream.get(stream)
                && let Some(relayed) = self.rooms.get_mut(key).and_then(|r| r.relay.as_mut())
            {
                relayed.outlet.video.restart();
            }
            self.want_keyframe(now, stream);
        }
    }

    /// Somebody outside needs a key frame of a stream.
    pub fn want_keyframe(&mut self, now: Instant, stream: &StreamId) {
        if let Some(&key) = self.by_stream.get(stream) {
            self.request_keyframe(key, now);
            self.arm_room(key, now);
        }
    }
}

/// A packet as a lane carries it.
pub(super) fn lane_output(
    worker: usize,
    lane: u32,
    stream: &StreamId,
    packet: &MediaPacket,
    numbers: Rewritten,
) -> Output {
    Output::Lane {
        worker,
        message: LaneMessage::Media {
            stream: stream.clone(),
            packet: MediaPacket {
                stream: lane_key(lane, packet.kind),
                seq: numbers.seq,
                time: numbers.time,
                ..packet.clone()
            },
        },
    }
}

/// A packet as the relay gets it.
pub(super) fn relay_output(stream: &StreamId, packet: &MediaPacket, numbers: Rewritten) -> Output {
    Output::Relay {
        stream: stream.clone(),
        item: IngestItem::Rtp {
            kind: packet.kind,
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
