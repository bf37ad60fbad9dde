//! From what a session reports to what the others get.

use std::time::{Duration, Instant};

use packager::rtp::MediaKind;
use relay::{IngestItem, Track};
use str0m::{Event, IceConnectionState};

use super::Core;
use super::lanes::{lane_output, relay_output};
use crate::media::counters::DropReason;
use crate::media::forward::place::Target;
use crate::media::lane;
use crate::media::output::{LaneMessage, Output, Travelled};
use crate::media::packet::{MAX_PAYLOAD, MediaPacket, StreamKey};
use crate::media::room::{Room, Source, fresh};
use crate::media::session::{NewReport, Side, Way, Written};
use crate::media::slots::SlotKey;
use crate::worker::{MediaEvent, Travel};
use packager::picture::{Picture, Pictures};

impl Core {
    pub(super) fn handle_events(&mut self, now: Instant) {
        while let Some((key, event)) = self.events.pop_front() {
            self.handle_event(key, event, now);
        }
        while let Some(key) = self.measured.pop() {
            self.tell_figures(key, now);
        }
    }

    fn tell_figures(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(figures) = session.take_figures(now) else {
            return;
        };
        let (loss_up, loss_down) = (figures.up.fraction(), figures.down.fraction());
        session.note_loss(now, figures.sound_down.fraction());
        let (streams, loss) = match &session.side {
            Side::Publisher(publisher) => (Travelled::From(publisher.stream.clone()), loss_up),
            Side::Subscriber(subscriber) => {
                let streams = subscriber.feeds.iter().map(|feed| feed.stream.clone());
                (Travelled::To(streams.collect()), loss_down)
            }
        };
        let rtt_ms = figures.rtt.map(|rtt| rtt.as_millis());
        let travel = Travel {
            session: session.id,
            bytes: figures.bytes_up,
            loss,
            rtt_ms: rtt_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
        };
        if session.tells_figures() {
            self.outputs.push_back(Output::Event(MediaEvent::Transport {
                session: session.id,
                rtt: figures.rtt,
                loss_up,
                loss_down,
            }));
        }
        self.outputs
            .push_back(Output::Travelled { streams, travel });
    }

    pub(super) fn handle_event(&mut self, key: SlotKey, event: Event, now: Instant) {
        match event {
            Event::RtpPacket(packet) => {
                if let Err(reason) = self.handle_rtp(key, packet, now) {
                    self.counters.drop(reason);
                }
            }
            Event::Connected => self.handle_connected(key, now),
            Event::KeyframeRequest(request) => {
                self.counters.keyframe_requests_in += 1;
                let video = self.sessions.get(key).and_then(|s| s.video_of(request.mid));
                if let Some((room, picture)) = video {
                    self.request_keyframe(room, picture, now);
                    self.arm_room(room, now);
                }
            }
            Event::EgressBitrateEstimate(estimate) => {
                let session = self.sessions.get_mut(key);
                if session.is_some_and(|s| s.note_estimate(now, &estimate)) {
                    self.allocate(key, now);
                }
            }
            Event::IceConnectionStateChange(state) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.set_lapsed(state == IceConnectionState::Disconnected);
                    match state {
                        IceConnectionState::Disconnected => {
                            session.deadline.get_or_insert(now + DISCONNECT_GRACE);
                        }
                        IceConnectionState::Connected | IceConnectionState::Completed
                            if session.connected =>
                        {
                            session.deadline = None;
                        }
                        _ => {}
                    }
                    self.arm_session(key);
                }
            }
            Event::Closed => self.remove(key, now),
            Event::PeerStats(stats) => {
                let way = Way {
                    loss: stats.egress_loss_fraction,
                    rtt: stats.rtt,
                    estimate: stats.bwe_tx.map(|bps| bps.as_u64()),
                };
                let session = self.sessions.get_mut(key);
                let is_short = session.is_some_and(|session| {
                    session.note_loss(now, way.loss);
                    session.link().note_way(now, way)
                });
                if is_short {
                    self.allocate(key, now);
                }
                // Those of the media sections follow at once.
                self.measured.push(key);
            }
            event @ (Event::MediaEgressStats(_) | Event::MediaIngressStats(_)) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.count_stats(&event, &mut self.counters);
                }
            }
            _ => {}
        }
    }

    pub(super) fn handle_connected(&mut self, key: SlotKey, now: Instant) {
        // A new subscriber gets these from the cache, and must not get them twice.
        self.deliver_all(now);
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.connected = true;
        session.deadline = None;
        match &session.side {
            Side::Publisher(_) => self.go_live(key, now),
            Side::Subscriber(subscriber) => {
                let rooms: Vec<_> = subscriber.feeds.iter().map(|f| f.room).collect();
                for room in rooms {
                    self.join(room, key, now);
                    self.arm_room(room, now);
                }
            }
        }
        self.arm_session(key);
    }

    /// A publisher's media takes the stream over.
    fn go_live(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let Side::Publisher(publisher) = &session.side else {
            return;
        };
        let (id, stream, tracks) = (session.id, publisher.stream.clone(), publisher.tracks);
        let room_key = publisher.room;
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        room.pending = room.pending.saturating_sub(1);
        room.live_at = now;
        let old = room.publisher.replace(key);
        if let Some(old) = old {
            self.remove(old, now);
        }
        self.outputs.push_back(Output::Event(MediaEvent::Live {
            stream,
            session: id,
            audio: tracks.audio,
            video: tracks.video,
        }));
        self.apply_relay(room_key);
        self.begin_need(room_key, now);
        self.arm_room(room_key, now);
    }

    /// Lets a subscriber in at the cached key frame, or asks for one.
    pub(super) fn join(&mut self, room_key: SlotKey, key: SlotKey, now: Instant) {
        let (Some(room), Some(session)) = (self.rooms.get(room_key), self.sessions.get_mut(key))
        else {
            return;
        };
        let Some(feed) = session.feed_from(room_key) else {
            return;
        };
        let Some(picture) = session.picture(feed) else {
            return;
        };
        let target = room.target(picture);
        if !session.awaits_video(feed, target) {
            return;
        }
        session.keep_for_repair(feed, room.rates()[picture.index()]);
        let written = match target.zip(room.fresh(target, now)) {
            Some((target, packets)) => session.enter(feed, packets, target.layers, now),
            None => Written::default(),
        };
        if written.packets == 0 {
            self.request_keyframe(room_key, picture, now);
            return;
        }
        self.counters.cache_joins += 1;
        self.counters.packets_out += written.packets;
        self.counters.bytes_out += written.bytes;
        self.mark_dirty(key);
    }

    pub(super) fn handle_rtp(
        &mut self,
        key: SlotKey,
        packet: str0m::rtp::RtpPacket,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.counters.packets_in += 1;
        self.counters.bytes_in += packet.payload.len() as u64;
        let session = self.sessions.get_mut(key).ok_or(DropReason::NotCurrent)?;
        let Side::Publisher(publisher) = &session.side else {
            return Err(DropReason::UnknownMedia);
        };
        let room_key = publisher.room;
        let room = self
            .rooms
            .get_mut(room_key)
            .filter(|r| r.publisher == Some(key))
            .ok_or(DropReason::NotCurrent)?;
        let arrived = session.incoming(packet, &mut room.next_key)?;
        let extensions = &arrived.packet.extensions;
        if let Some(level) = extensions.audio_level {
            let voice = extensions.voice;
            self.levels.note(now, key, &room.stream, level, voice);
        }
        self.counters.redundant_in += arrived.repeated.len() as u64;
        for repeated in &arrived.repeated {
            self.ingest(room_key, repeated, now);
        }
        self.ingest(room_key, &arrived.packet, now);
        if let Some(report) = arrived.report {
            self.forward_report(room_key, &report, now);
        }
        Ok(())
    }

    /// Hands a packet to the lanes and the relay, and keeps it for the subscribers.
    pub(super) fn ingest(&mut self, room_key: SlotKey, packet: &MediaPacket, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if packet.size() > MAX_PAYLOAD {
            // Before it gets into a cache: nobody can have it.
            self.counters.drop(DropReason::PayloadTooLarge);
            return;
        }
        room.note(packet, now);
        // Room's fields one by one: the cache is read while the outlets are written to.
        let Room {
            stream,
            videos,
            layers,
            relay,
            reports,
            lanes,
            ..
        } = room;
        let cached = match packet.kind {
            MediaKind::Audio => None,
            MediaKind::Video => fresh(videos, Some(packet.stream), now),
        };
        let mut waiting = Pictures::NONE;

        let outputs = &mut self.outputs;
        let counters = &mut self.counters;
        if let Some(relayed) = relay {
            for track in relayed.tracks(packet.kind) {
                let target = match track {
                    Track::Audio => Some(Target::whole(packet.stream)),
                    Track::Video(picture) => layers.target(picture),
                };
                let emitted = outputs.len();
                let emit = |packet: &MediaPacket, numbers| {
                    outputs.push_back(relay_output(stream, track, packet, numbers));
                };
                let followed = relayed.outlet.track(track);
                let before = followed.current();
                match followed.pass(packet, target, cached, now, emit) {
                    Ok(_) => {
                        if before != Some(packet.stream) {
                            // A frame of the old source that was cut off leaves a gap.
                            let item = IngestItem::Switched { track };
                            let stream = stream.clone();
                            outputs.insert(emitted, Output::Relay { stream, item });
                            relayed.switched(track);
                        }
                        let first = relayed.first_report(track, reports);
                        outputs.extend(first.map(|item| Output::Relay {
                            stream: stream.clone(),
                            item,
                        }));
                    }
                    // With simulcast most packets are of another picture.
                    Err(DropReason::WrongLayer) if relayed.pictures != Pictures::of_layers(1) => {}
                    Err(reason) => {
                        if let Track::Video(picture) = track
                            && reason == DropReason::AwaitingKeyframe
                        {
                            waiting.insert(picture);
                        }
                        counters.drop(reason);
                    }
                }
            }
        }
        for lane in lanes {
            let worker = lane.worker;
            let emit = |packet, pictures| {
                outputs.push_back(lane_output(worker, stream, packet, pictures));
            };
            let dropped = |reason| counters.drop(reason);
            let awaiting = lane.pass(packet, layers, cached, now, emit, dropped);
            waiting |= awaiting;
        }

        self.gather(room_key, packet, waiting, now);
    }

    /// The pictures of a room that somebody waits for.
    pub(super) fn awaited(&self, room_key: SlotKey) -> Pictures {
        let mut awaited = Pictures::NONE;
        let Some(room) = self.rooms.get(room_key) else {
            return awaited;
        };
        if let Some(relayed) = &room.relay {
            let outlet = &relayed.outlet;
            let pictures = relayed.pictures.iter();
            awaited.extend(pictures.filter(|p| outlet.video(*p).awaits(room.target(*p))));
        }
        for lane in &room.lanes {
            awaited |= lane.awaited(&room.layers);
        }
        let sessions = room.subscribers.iter();
        let awaiting = sessions.filter_map(|key| {
            let session = self.sessions.get(*key)?;
            let feed = session.feed_from(room_key)?;
            let picture = session.picture(feed)?;
            let awaits = session.awaits_video(feed, room.target(picture));
            awaits.then_some(picture)
        });
        awaited.extend(awaiting);
        awaited
    }

    pub(super) fn forward_report(&mut self, room_key: SlotKey, report: &NewReport, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        room.note_report(report, now);
        let Some(relayed) = &mut room.relay else {
            return;
        };
        for track in relayed.tracks(report.kind) {
            let mapped = relayed.map(track, report, now);
            self.outputs.extend(mapped.map(|item| Output::Relay {
                stream: room.stream.clone(),
                item,
            }));
        }
    }

    /// Asks the room's source for a key frame of a picture, if it is time to.
    pub(super) fn request_keyframe(&mut self, room_key: SlotKey, picture: Picture, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if let Some(stream) = room.request_keyframe(picture, now) {
            self.send_keyframe_request(room_key, stream);
        }
    }

    /// The same for several pictures; those that follow one layer share a request.
    pub(super) fn request_keyframes(
        &mut self,
        room_key: SlotKey,
        pictures: Pictures,
        now: Instant,
    ) {
        for picture in pictures.iter() {
            self.request_keyframe(room_key, picture, now);
        }
    }

    pub(super) fn send_keyframe_request(&mut self, room_key: SlotKey, stream: StreamKey) {
        let Some(room) = self.rooms.get(room_key) else {
            return;
        };
        match room.source {
            Source::Local => {
                let Some(publisher) = room.publisher else {
                    return;
                };
                let asked = self
                    .sessions
                    .get_mut(publisher)
                    .is_some_and(|s| s.request_keyframe(stream));
                if asked {
                    self.counters.keyframe_requests_out += 1;
                    self.mark_dirty(publisher);
                }
            }
            Source::Remote { home, .. } => {
                let Some(picture) = lane::picture_of(stream) else {
                    return;
                };
                self.outputs.push_back(Output::Lane {
                    worker: home,
                    message: LaneMessage::Keyframe {
                        stream: room.stream.clone(),
                        picture,
                    },
                });
            }
        }
    }
}

/// After ICE has lost its last pair (15 s without a check) a session has this long to come back.
const DISCONNECT_GRACE: Duration = Duration::from_secs(5);
