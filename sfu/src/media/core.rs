//! One worker's sessions and rooms, without IO.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use packager::rtp::{MediaKind, RtpPacket, SenderReport};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use relay::{IngestItem, StreamId};
use str0m::config::DtlsCert;
use str0m::{Event, IceConnectionState};

use super::command::{LaneMessage, Output};
use super::counters::{Counters, DropReason};
use super::demux::{Demux, Protocol, classify, stun_user};
use super::forward::rewrite::Rewritten;
use super::fragment;
use super::offer::CheckedOffer;
use super::packet::{MediaPacket, StreamKey};
use super::room::{LEASE, Lane, Outlet, RENEW, Room, Source, lane_key};
use super::session::{Ended, NewReport, NewSession, Session, Side};
use super::slots::{SlotKey, Slots};
use super::timers::Timers;
use super::transmit::Transmits;
use crate::worker::api::{
    Accepted, OfferError, PatchError, Patched, Role, SessionId, SessionRef, UnknownSession,
};

/// Settings of one worker's core.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// This worker's index.
    pub worker: usize,
    /// Announced addresses with this worker's port; at least one.
    pub local: Vec<SocketAddr>,
    /// Most sessions on this worker.
    pub max_sessions: usize,
    /// How long a session may take to connect.
    pub connect_timeout: Duration,
    /// How long subscribers stay without a publisher.
    pub linger: Duration,
    /// Most datagrams in one segmented send.
    pub max_segments: usize,
    /// The certificate for DTLS, shared by all sessions.
    pub cert: DtlsCert,
    /// Seeds entity tags and the first sequence numbers.
    pub seed: [u8; 32],
}

/// What a worker has at one moment, for gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Open publisher sessions.
    pub publishers: usize,
    /// Open subscriber sessions.
    pub subscribers: usize,
    /// Incoming RTP streams.
    pub tracks: usize,
    /// Rooms, those that mirror another worker's included.
    pub rooms: usize,
    /// Entries of the address map.
    pub addresses: usize,
    /// Entries of the user fragment map.
    pub users: usize,
    /// Entries of the timers.
    pub timers: usize,
}

/// See the module's text.
pub struct Core {
    config: CoreConfig,
    rng: StdRng,
    sessions: Slots<Session>,
    rooms: Slots<Room>,
    by_stream: HashMap<StreamId, SlotKey>,
    by_id: HashMap<SessionId, SlotKey>,
    demux: Demux,
    session_timers: Timers,
    room_timers: Timers,
    dirty: Vec<SlotKey>,
    events: VecDeque<(SlotKey, Event)>,
    outputs: VecDeque<Output>,
    transmits: Transmits,
    counters: Counters,
}

impl Core {
    /// An empty core.
    pub fn new(config: CoreConfig) -> Self {
        Self {
            rng: StdRng::from_seed(config.seed),
            transmits: Transmits::new(config.max_segments),
            config,
            sessions: Slots::default(),
            rooms: Slots::default(),
            by_stream: HashMap::new(),
            by_id: HashMap::new(),
            demux: Demux::default(),
            session_timers: Timers::default(),
            room_timers: Timers::default(),
            dirty: Vec::new(),
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    // ---- sessions by command ----------------------------------------------------------------

    /// Accepts a publisher's offer. It takes the stream over once it is connected.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn publish(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
        offer: &CheckedOffer,
    ) -> Result<Accepted, OfferError> {
        let room = self.room_for(stream, Source::Local, now);
        if let Some(room) = self.rooms.get_mut(room) {
            room.source = Source::Local;
        }
        let accepted = self.open(now, Role::Publisher, stream, room, session, offer);
        if accepted.is_ok() {
            if let Some(room) = self.rooms.get_mut(room) {
                room.pending += 1;
                room.live_at = now;
            }
        }
        self.arm_room(room, now);
        self.remove_room_if_empty(room);
        accepted
    }

    /// Accepts a subscriber's offer. `home` is the worker of the publisher if it is another one.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn subscribe(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
        offer: &CheckedOffer,
        home: Option<usize>,
    ) -> Result<Accepted, OfferError> {
        let not_live = || OfferError::NotLive {
            stream: stream.clone(),
        };
        let room = match home {
            None => self.by_stream.get(stream).copied().ok_or_else(not_live)?,
            Some(home) => self.room_for(
                stream,
                Source::Remote {
                    home,
                    renew_at: now,
                },
                now,
            ),
        };
        let local = self
            .rooms
            .get(room)
            .map(|r| (r.source == Source::Local, r.is_live()));
        if local == Some((true, false)) {
            return Err(not_live());
        }
        let accepted = self.open(now, Role::Subscriber, stream, room, session, offer);
        if accepted.is_ok() {
            if let Some(&key) = self.by_id.get(&session) {
                if let Some(room) = self.rooms.get_mut(room) {
                    room.subscribers.push(key);
                }
            }
            self.renew_lease(room, now);
            // The publisher's answer travels while the subscriber's DTLS handshake does.
            let wants = self
                .rooms
                .get(room)
                .is_some_and(|r| r.wants_keyframe_for_join(now));
            if wants && offer.video {
                self.request_keyframe(room, now);
            }
        }
        self.arm_room(room, now);
        self.remove_room_if_empty(room);
        accepted
    }

    fn open(
        &mut self,
        now: Instant,
        role: Role,
        stream: &StreamId,
        room: SlotKey,
        id: SessionId,
        offer: &CheckedOffer,
    ) -> Result<Accepted, OfferError> {
        if self.sessions.len() >= self.config.max_sessions || self.by_id.contains_key(&id) {
            return Err(OfferError::LimitReached {
                limit: self.config.max_sessions,
            });
        }
        let first = [self.first_numbers(), self.first_numbers()];
        let etag = self.new_etag();
        let (session, answer) = Session::accept(NewSession {
            id,
            role,
            stream: stream.clone(),
            room,
            offer,
            cert: &self.config.cert,
            local: &self.config.local,
            etag: etag.clone(),
            first,
            now,
            deadline: now + self.config.connect_timeout,
        })?;
        let user = session.user.clone();
        let key = self.sessions.insert(session);
        self.demux.add_user(&user, key);
        self.by_id.insert(id, key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.sessions += 1;
        }
        self.arm_session(key);
        Ok(Accepted {
            session: id,
            etag,
            answer,
        })
    }

    /// Carries out a PATCH: trickled candidates or an ICE restart (RFC 9725 §4.3).
    ///
    /// # Errors
    /// See [`PatchError`].
    pub fn patch(
        &mut self,
        now: Instant,
        session: &SessionRef,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, PatchError> {
        let key = self.find(session)?;
        let Some(open) = self.sessions.get_mut(key) else {
            return Err(UnknownSession::from(session).into());
        };
        let tag = if_match
            .map(|t| t.trim().trim_matches('"'))
            .ok_or(PatchError::MissingIfMatch)?;
        if tag != "*" && tag != open.etag {
            return Err(PatchError::StaleIfMatch);
        }
        let fragment = fragment::parse(body).map_err(|reason| PatchError::Malformed { reason })?;
        let taken = open.candidates + fragment.candidates;
        if taken > fragment::MAX_CANDIDATES {
            return Err(PatchError::TooManyCandidates {
                limit: fragment::MAX_CANDIDATES,
            });
        }
        // The candidates are counted and not kept: an ICE-lite agent sends no checks and learns
        // addresses from those that arrive with the right password.
        open.candidates = taken;
        if open.has_remote(&fragment) {
            return Ok(Patched::Trickled);
        }
        let old_user = open.user.clone();
        let etag = format!("{:016x}", self.rng.random::<u64>());
        let answer = open
            .restart(&fragment, etag.clone())
            .map_err(|reason| PatchError::Malformed { reason })?;
        open.candidates = fragment.candidates;
        let user = open.user.clone();
        self.demux.remove_user(&old_user);
        self.demux.add_user(&user, key);
        self.mark_dirty(key);
        self.flush(now);
        Ok(Patched::Restarted {
            etag,
            fragment: answer,
        })
    }

    /// Ends a session with BYE.
    ///
    /// # Errors
    /// [`UnknownSession`].
    pub fn close(&mut self, now: Instant, session: &SessionRef) -> Result<(), UnknownSession> {
        let key = self.find(session)?;
        self.remove(key, now);
        Ok(())
    }

    /// Ends all sessions with BYE.
    pub fn close_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.sessions.keys().collect();
        for key in keys {
            self.remove(key, now);
        }
    }

    fn find(&self, session: &SessionRef) -> Result<SlotKey, UnknownSession> {
        self.by_id
            .get(&session.session)
            .copied()
            .filter(|key| {
                self.sessions
                    .get(*key)
                    .is_some_and(|s| s.role == session.role && s.stream == session.stream)
            })
            .ok_or_else(|| session.into())
    }

    // ---- datagrams and time -----------------------------------------------------------------

    /// Takes a datagram. `to` is the local IP address it was sent to, if known.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        to: Option<IpAddr>,
        datagram: &[u8],
    ) {
        self.counters.datagrams_in += 1;
        if let Err(reason) = self.try_datagram(now, source, to, datagram) {
            self.counters.drop(reason);
        }
    }

    fn try_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        to: Option<IpAddr>,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let local = self.local_for(source, to);
        let key = match classify(datagram)? {
            Protocol::Stun => {
                let user = stun_user(datagram)?;
                let key = self.demux.by_user(&user).ok_or(DropReason::UnknownUser)?;
                let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownUser)?;
                if !session.accepts(now, source, local, datagram) {
                    return Err(DropReason::StunRefused);
                }
                let replaced = self.demux.add_address(source, key, &mut session.addresses);
                if replaced {
                    self.counters.drop(DropReason::TooManyAddresses);
                }
                key
            }
            Protocol::Dtls | Protocol::Rtp => self
                .demux
                .by_address(source)
                .ok_or(DropReason::NotValidated)?,
        };
        let Some(session) = self.sessions.get_mut(key) else {
            return Err(DropReason::NotValidated);
        };
        if session.dirty {
            // What is written has to be out before anything else is done to the connection.
            self.drain(key, now);
        }
        let Some(session) = self.sessions.get_mut(key) else {
            return Ok(());
        };
        let received = session.receive(now, source, local, datagram);
        match received {
            Ok(result) => {
                self.poll(key, now);
                self.handle_events(now);
                result
            }
            Err(ended) => {
                self.end(key, ended, now);
                Err(DropReason::SessionInput)
            }
        }
    }

    /// The announced address that a datagram was for, as the peer knows it.
    fn local_for(&self, source: SocketAddr, to: Option<IpAddr>) -> SocketAddr {
        let exact = to.and_then(|to| self.config.local.iter().find(|l| l.ip() == to));
        let family = || {
            self.config
                .local
                .iter()
                .find(|l| l.is_ipv4() == source.is_ipv4())
        };
        exact
            .or_else(family)
            .or_else(|| self.config.local.first())
            .copied()
            .unwrap_or(source)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.session_timers.next(), self.room_timers.next()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, key)) = self.session_timers.pop_due(now) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            if session.armed != Some(at) {
                continue;
            }
            session.armed = None;
            if session.deadline.is_some_and(|d| d <= now) {
                self.counters.timeouts += 1;
                self.remove(key, now);
                continue;
            }
            if session.next_timeout() <= now {
                self.mark_dirty(key);
            } else {
                self.arm_session(key);
            }
        }
        while let Some((at, key)) = self.room_timers.pop_due(now) {
            let Some(room) = self.rooms.get_mut(key) else {
                continue;
            };
            if room.armed != Some(at) {
                continue;
            }
            room.armed = None;
            self.check_room(key, now);
            self.arm_room(key, now);
            self.remove_room_if_empty(key);
        }
        self.flush(now);
    }

    /// Drains every session that was written to.
    pub fn flush(&mut self, now: Instant) {
        while self.flush_some(now, usize::MAX) {}
    }

    /// Drains sessions that were written to until `bytes` wait to be sent. True if more are left.
    pub fn flush_some(&mut self, now: Instant, bytes: usize) -> bool {
        while let Some(key) = self.dirty.pop() {
            self.drain(key, now);
            self.handle_events(now);
            if self.transmits.bytes() >= bytes {
                break;
            }
        }
        !self.dirty.is_empty()
    }

    // ---- what comes out ---------------------------------------------------------------------

    /// The next thing for the shell to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Datagrams to send. The shell clears them when they are sent.
    pub fn transmits(&mut self) -> &mut Transmits {
        &mut self.transmits
    }

    /// Counters, to read or to take.
    pub fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// What there is at this moment.
    pub fn gauges(&self) -> Gauges {
        let mut gauges = Gauges {
            rooms: self.rooms.len(),
            addresses: self.demux.len().0,
            users: self.demux.len().1,
            timers: self.session_timers.len() + self.room_timers.len(),
            ..Gauges::default()
        };
        for (_, session) in self.sessions.iter() {
            match &session.side {
                Side::Publisher(publisher) => {
                    gauges.publishers += 1;
                    gauges.tracks += publisher.streams.len();
                }
                Side::Subscriber(_) => gauges.subscribers += 1,
            }
        }
        gauges
    }

    // ---- lanes ------------------------------------------------------------------------------

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
                if let Some(room) = room.and_then(|key| self.rooms.get_mut(key)) {
                    if live {
                        room.live_at = now;
                    }
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

    fn attach(&mut self, room: Option<SlotKey>, stream: StreamId, worker: usize, now: Instant) {
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
                let mut lane = Lane {
                    worker,
                    expires: now + LEASE,
                    outlet: Outlet::new(),
                };
                let outputs = &mut self.outputs;
                let emit = |packet: &MediaPacket, numbers| {
                    outputs.push_back(lane_output(worker, &stream, packet, numbers));
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
        if let Some(room) = self.rooms.get_mut(key) {
            if let Some(lane) = room.lanes.iter_mut().find(|l| l.worker == worker) {
                if packet.kind == MediaKind::Video {
                    lane.outlet.video.restart();
                }
            }
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
            if let Some(&key) = self.by_stream.get(stream) {
                if let Some(outlet) = self.rooms.get_mut(key).and_then(|r| r.relay.as_mut()) {
                    outlet.video.restart();
                }
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

    // ---- events -----------------------------------------------------------------------------

    fn handle_events(&mut self, now: Instant) {
        while let Some((key, event)) = self.events.pop_front() {
            self.handle_event(key, event, now);
        }
    }

    fn handle_event(&mut self, key: SlotKey, event: Event, now: Instant) {
        match event {
            Event::RtpPacket(packet) => {
                if let Err(reason) = self.handle_rtp(key, packet, now) {
                    self.counters.drop(reason);
                }
            }
            Event::Connected => self.handle_connected(key, now),
            Event::KeyframeRequest(request) => {
                self.counters.keyframe_requests_in += 1;
                let room = self
                    .sessions
                    .get(key)
                    .filter(|s| s.is_video(request.mid))
                    .map(|s| s.room);
                if let Some(room) = room {
                    self.request_keyframe(room, now);
                    self.arm_room(room, now);
                }
            }
            Event::IceConnectionStateChange(state) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    match state {
                        IceConnectionState::Disconnected => {
                            session.deadline.get_or_insert(now + DISCONNECT_GRACE);
                        }
                        IceConnectionState::Connected | IceConnectionState::Completed => {
                            if session.connected {
                                session.deadline = None;
                            }
                        }
                        _ => {}
                    }
                    self.arm_session(key);
                }
            }
            Event::Closed => self.remove(key, now),
            event @ (Event::MediaEgressStats(_) | Event::MediaIngressStats(_)) => {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.count_stats(&event, &mut self.counters);
                }
            }
            _ => {}
        }
    }

    fn handle_connected(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.connected = true;
        session.deadline = None;
        let room_key = session.room;
        match &session.side {
            Side::Publisher(publisher) => {
                let (audio, video) = (publisher.audio, publisher.video);
                let stream = session.stream.clone();
                let Some(room) = self.rooms.get_mut(room_key) else {
                    return;
                };
                room.pending = room.pending.saturating_sub(1);
                room.live_at = now;
                let old = room.publisher.replace(key);
                let outlet = room.relay.take();
                room.relay = Some(outlet.unwrap_or_else(Outlet::new));
                if let Some(old) = old {
                    self.remove(old, now);
                }
                self.outputs.push_back(Output::Published {
                    stream,
                    video,
                    audio,
                });
            }
            Side::Subscriber(_) => self.join(room_key, key, now),
        }
        self.arm_session(key);
        self.arm_room(room_key, now);
    }

    /// Lets a subscriber in at the cached key frame, or asks for one.
    fn join(&mut self, room_key: SlotKey, key: SlotKey, now: Instant) {
        let (Some(room), Some(session)) = (self.rooms.get(room_key), self.sessions.get_mut(key))
        else {
            return;
        };
        if !session.awaits_video(room.target(MediaKind::Video)) {
            return;
        }
        let written = match room.fresh(now) {
            Some(packets) => session.enter(packets, now),
            None => 0,
        };
        if written == 0 {
            self.request_keyframe(room_key, now);
            return;
        }
        self.counters.cache_joins += 1;
        self.counters.packets_out += written as u64;
        self.mark_dirty(key);
    }

    fn handle_rtp(
        &mut self,
        key: SlotKey,
        packet: str0m::rtp::RtpPacket,
        now: Instant,
    ) -> Result<(), DropReason> {
        self.counters.packets_in += 1;
        self.counters.bytes_in += packet.payload.len() as u64;
        let session = self.sessions.get_mut(key).ok_or(DropReason::NotCurrent)?;
        let room_key = session.room;
        let room = self
            .rooms
            .get_mut(room_key)
            .filter(|r| r.publisher == Some(key))
            .ok_or(DropReason::NotCurrent)?;
        let (media, report) = session.incoming(packet, &mut room.next_key)?;
        self.ingest(room_key, &media, now);
        if let Some(report) = report {
            self.forward_report(room_key, &report, now);
        }
        Ok(())
    }

    /// Hands a packet to all who want it.
    fn ingest(&mut self, room_key: SlotKey, packet: &MediaPacket, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let layer_changed = room.note(packet, now);
        let target = room.target(packet.kind);
        // Room's fields one by one: the cache is read while the outlets are written to.
        let Room {
            stream,
            videos,
            subscribers,
            relay,
            lanes,
            ..
        } = room;
        let cached = match packet.kind {
            MediaKind::Audio => None,
            MediaKind::Video => videos
                .iter()
                .find(|v| Some(v.key) == target)
                .and_then(|v| v.cache.fresh(now)),
        };
        let mut waiting = false;

        for &key in subscribers.iter() {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            match session.forward(packet, target, cached, now) {
                Ok(written) => {
                    if written > 1 {
                        self.counters.cache_joins += 1;
                    }
                    self.counters.packets_out += written as u64;
                    self.counters.bytes_out += packet.payload.len() as u64;
                    if !session.dirty {
                        session.dirty = true;
                        self.dirty.push(key);
                    }
                }
                Err(reason) => {
                    waiting |= reason == DropReason::AwaitingKeyframe;
                    self.counters.drop(reason);
                }
            }
        }

        let outputs = &mut self.outputs;
        if let Some(outlet) = relay {
            let emit = |packet: &MediaPacket, numbers| {
                outputs.push_back(relay_output(stream, packet, numbers));
            };
            let track = outlet.track(packet.kind);
            if let Err(reason) = track.pass(packet, target, cached, now, emit) {
                waiting |= reason == DropReason::AwaitingKeyframe;
                self.counters.drop(reason);
            }
        }
        for lane in lanes {
            let worker = lane.worker;
            let emit = |packet: &MediaPacket, numbers| {
                outputs.push_back(lane_output(worker, stream, packet, numbers));
            };
            let track = lane.outlet.track(packet.kind);
            if let Err(reason) = track.pass(packet, target, cached, now, emit) {
                waiting |= reason == DropReason::AwaitingKeyframe;
                self.counters.drop(reason);
            }
        }

        if waiting || (layer_changed && packet.kind == MediaKind::Video) {
            let follows = waiting || self.anyone_awaits(room_key);
            if follows {
                self.request_keyframe(room_key, now);
                self.arm_room(room_key, now);
            }
        }
    }

    fn anyone_awaits(&self, room_key: SlotKey) -> bool {
        let Some(room) = self.rooms.get(room_key) else {
            return false;
        };
        let target = room.target(MediaKind::Video);
        let outlet = |o: &Outlet| o.video.awaits(target);
        room.relay.as_ref().is_some_and(outlet)
            || room.lanes.iter().any(|l| outlet(&l.outlet))
            || room.subscribers.iter().any(|key| {
                self.sessions
                    .get(*key)
                    .is_some_and(|s| s.awaits_video(target))
            })
    }

    fn forward_report(&mut self, room_key: SlotKey, report: &NewReport, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        let Some(outlet) = room.relay.as_mut() else {
            return;
        };
        let mapped = outlet
            .track(report.kind)
            .map_time(report.stream, report.rtp_time);
        if let Some(rtp_time) = mapped {
            self.outputs.push_back(Output::Relay {
                stream: room.stream.clone(),
                item: IngestItem::SenderReport {
                    kind: report.kind,
                    report: SenderReport {
                        ntp: report.ntp,
                        rtp_time,
                        received: now,
                    },
                },
            });
        }
    }

    /// Asks the room's source for a key frame, if it is time to.
    fn request_keyframe(&mut self, room_key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(room_key) else {
            return;
        };
        if let Some(stream) = room.request_keyframe(now) {
            self.send_keyframe_request(room_key, stream);
        }
    }

    fn send_keyframe_request(&mut self, room_key: SlotKey, stream: StreamKey) {
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
            Source::Remote { home, .. } => self.outputs.push_back(Output::Lane {
                worker: home,
                message: LaneMessage::Keyframe {
                    stream: room.stream.clone(),
                },
            }),
        }
    }

    // ---- rooms ------------------------------------------------------------------------------

    fn room_for(&mut self, stream: &StreamId, source: Source, now: Instant) -> SlotKey {
        if let Some(&key) = self.by_stream.get(stream) {
            return key;
        }
        let key = self.rooms.insert(Room::new(stream.clone(), source, now));
        self.by_stream.insert(stream.clone(), key);
        key
    }

    /// Looks at everything of a room that time can change.
    fn check_room(&mut self, key: SlotKey, now: Instant) {
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
        let changed = room.videos.len() > 1 && room.layers.handle_timeout(now);
        let due = room.due_keyframes(now);
        let ended = room.publisher.is_none()
            && now.saturating_duration_since(room.live_at) >= self.config.linger;
        let subscribers = if ended {
            room.subscribers.clone()
        } else {
            Vec::new()
        };
        for stream in due {
            self.send_keyframe_request(key, stream);
        }
        if changed && self.anyone_awaits(key) {
            self.request_keyframe(key, now);
        }
        self.renew_lease(key, now);
        for subscriber in subscribers {
            self.counters.timeouts += 1;
            self.remove(subscriber, now);
        }
    }

    fn renew_lease(&mut self, key: SlotKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        let worker = self.config.worker;
        if let Source::Remote { home, renew_at } = &mut room.source {
            if *renew_at <= now {
                *renew_at = now + RENEW;
                self.outputs.push_back(Output::Lane {
                    worker: *home,
                    message: LaneMessage::Attach {
                        stream: room.stream.clone(),
                        worker,
                    },
                });
            }
        }
    }

    fn arm_room(&mut self, key: SlotKey, now: Instant) {
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

    fn remove_room_if_empty(&mut self, key: SlotKey) {
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

    // ---- session plumbing -------------------------------------------------------------------

    fn mark_dirty(&mut self, key: SlotKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            if !session.dirty {
                session.dirty = true;
                self.dirty.push(key);
            }
        }
    }

    /// Moves a session's time on and takes out what is ready.
    fn drain(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        match session.advance(now) {
            Ok(()) => self.poll(key, now),
            Err(ended) => self.end(key, ended, now),
        }
    }

    fn poll(&mut self, key: SlotKey, now: Instant) {
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

    fn arm_session(&mut self, key: SlotKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let at = session.next_timeout();
        if session.armed.is_none_or(|armed| at < armed) {
            session.armed = Some(at);
            self.session_timers.arm(at, key);
        }
    }

    fn end(&mut self, key: SlotKey, ended: Ended, now: Instant) {
        if ended == Ended::Panicked {
            self.counters.panics += 1;
        }
        self.remove(key, now);
    }

    /// Ends a session: BYE, maps, room.
    fn remove(&mut self, key: SlotKey, now: Instant) {
        let Some(mut session) = self.sessions.remove(key) else {
            return;
        };
        session.close(&mut self.transmits);
        self.by_id.remove(&session.id);
        self.demux.remove_user(&session.user);
        for address in &session.addresses {
            self.demux.remove_address(*address, key);
        }
        if let Some(room) = self.rooms.get_mut(session.room) {
            room.sessions = room.sessions.saturating_sub(1);
            match &session.side {
                Side::Publisher(publisher) => {
                    room.remove_streams(publisher.streams.iter().map(|s| s.key));
                    if room.publisher == Some(key) {
                        room.publisher = None;
                        room.relay = None;
                        room.live_at = now;
                        self.outputs.push_back(Output::Unpublished {
                            stream: session.stream.clone(),
                        });
                    } else if !session.connected {
                        room.pending = room.pending.saturating_sub(1);
                    }
                }
                Side::Subscriber(_) => room.subscribers.retain(|k| *k != key),
            }
        }
        self.arm_room(session.room, now);
        self.remove_room_if_empty(session.room);
        self.outputs.push_back(Output::Closed {
            stream: session.stream,
            session: session.id,
            role: session.role,
        });
    }

    /// First numbers of an outgoing stream: a sequence number below 2^14, so that it stays below
    /// 2^15 for a while, and any time.
    fn first_numbers(&mut self) -> Rewritten {
        Rewritten {
            seq: self.rng.random_range(1..1 << 14),
            time: self.rng.random(),
        }
    }

    fn new_etag(&mut self) -> String {
        format!("{:016x}", self.rng.random::<u64>())
    }
}

/// A packet as a lane carries it.
fn lane_output(
    worker: usize,
    stream: &StreamId,
    packet: &MediaPacket,
    numbers: Rewritten,
) -> Output {
    Output::Lane {
        worker,
        message: LaneMessage::Media {
            stream: stream.clone(),
            packet: MediaPacket {
                stream: lane_key(packet.kind),
                seq: numbers.seq,
                time: numbers.time,
                ..packet.clone()
            },
        },
    }
}

/// A packet as the relay gets it.
fn relay_output(stream: &StreamId, packet: &MediaPacket, numbers: Rewritten) -> Output {
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

/// After ICE has lost its last pair (15 s without a check) a session has this long to come back.
const DISCONNECT_GRACE: Duration = Duration::from_secs(5);

/// A room is looked at by time not more often than this.
const ROOM_TICK: Duration = Duration::from_millis(10);
