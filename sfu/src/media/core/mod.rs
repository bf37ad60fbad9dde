//! One worker's sessions and rooms, without IO.

mod allocation;
mod commands;
mod connections;
pub(crate) mod delivery;
mod forwarding;
mod lanes;
mod layers;
mod receivers;
mod relaying;
mod upkeep;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use relay::StreamId;
use str0m::config::DtlsCert;
use str0m::{Candidate, Event};

use self::connections::candidates;
use self::delivery::Delivery;
pub use self::receivers::Placed;
use super::counters::{Counters, DropReason};
use super::demux::{Check, Demux, Protocol, classify};
use super::levels::Levels;
use super::output::Output;
use super::remote::Remote;
use super::room::Room;
use super::session::{Session, Side};
use super::slots::{SlotKey, Slots};
use super::timers::Timers;
use super::transmit::Transmits;
use crate::worker::MediaEvent;
use crate::worker::api::SessionId;

/// Settings of one worker's core.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// This worker's index.
    pub worker: usize,
    /// Announced addresses with this worker's port; at least one.
    pub local: Vec<SocketAddr>,
    /// Clients are told that these take TCP connections too.
    pub tcp: bool,
    /// Most sessions on this worker.
    pub max_sessions: usize,
    /// How long a session may take to connect.
    pub connect_timeout: Duration,
    /// How long subscribers stay without a publisher.
    pub linger: Duration,
    /// The sound of so many streams is sent to one receiver at once: that of the loudest.
    pub loudest: usize,
    /// Sound may be sent and received with redundancy (RED, RFC 2198).
    pub audio_redundancy: bool,
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
    /// Open sessions that the server makes offers to.
    pub receivers: usize,
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
    /// What clients are told of `config.local`.
    candidates: Vec<Candidate>,
    /// Boxed: a session is large, and the table grows by doubling.
    sessions: Slots<Box<Session>>,
    rooms: Slots<Room>,
    by_stream: HashMap<StreamId, SlotKey>,
    by_id: HashMap<SessionId, SlotKey>,
    demux: Demux,
    session_timers: Timers,
    room_timers: Timers,
    dirty: Vec<SlotKey>,
    /// Rooms with packets for their subscribers.
    gathering: Vec<SlotKey>,
    delivery: Option<Delivery>,
    /// The memory of a delivery's list, between two of them.
    recipients: Vec<SlotKey>,
    next_lane: u32,
    levels: Levels,
    /// Sessions with new figures.
    measured: Vec<SlotKey>,
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
            candidates: candidates(&config),
            config,
            sessions: Slots::default(),
            rooms: Slots::default(),
            by_stream: HashMap::new(),
            by_id: HashMap::new(),
            demux: Demux::default(),
            session_timers: Timers::default(),
            room_timers: Timers::default(),
            dirty: Vec::new(),
            gathering: Vec::new(),
            delivery: None,
            recipients: Vec::new(),
            next_lane: 0,
            levels: Levels::default(),
            measured: Vec::new(),
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes a datagram. `to` is the local IP address it was sent to, if known.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: impl Into<Remote>,
        to: Option<IpAddr>,
        datagram: &[u8],
    ) {
        self.counters.datagrams_in += 1;
        if let Err(reason) = self.try_datagram(now, source.into(), to, datagram) {
            self.counters.drop(reason);
        }
    }

    pub(super) fn try_datagram(
        &mut self,
        now: Instant,
        source: Remote,
        to: Option<IpAddr>,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let local = self.local_for(source.address, to);
        let mut nominating = None;
        let key = match classify(datagram)? {
            Protocol::Stun => {
                let check = Check::read(datagram)?;
                let key = self
                    .demux
                    .by_user(check.user)
                    .ok_or(DropReason::UnknownUser)?;
                let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownUser)?;
                if !session.accepts(now, source, local, datagram) {
                    return Err(DropReason::StunRefused);
                }
                nominating = session.nominating(source, datagram);
                session.checked(now, source, check.nominates);
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
        let datagram = nominating.as_deref().unwrap_or(datagram);
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
    pub(super) fn local_for(&self, source: SocketAddr, to: Option<IpAddr>) -> SocketAddr {
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
        [
            self.session_timers.next(),
            self.room_timers.next(),
            self.levels.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
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
            if session.is_overdue(now) {
                self.counters.timeouts += 1;
                self.remove(key, now);
                continue;
            }
            if session.link().take_look(now) {
                self.allocate(key, now);
            }
            if self
                .sessions
                .get(key)
                .is_some_and(|s| s.next_timeout() <= now)
            {
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
        if let Some(levels) = self.levels.take(now) {
            self.outputs
                .push_back(Output::Event(MediaEvent::Levels(levels)));
        }
        self.flush(now);
    }

    /// Delivers what has been gathered and drains every session that was written to.
    pub fn flush(&mut self, now: Instant) {
        while self.flush_some(now, usize::MAX) {}
    }

    /// Does the same until `bytes` wait to be sent. True if more is left.
    pub fn flush_some(&mut self, now: Instant, bytes: usize) -> bool {
        while self.transmits.bytes() < bytes {
            if !self.deliver_next(now) {
                let Some(key) = self.dirty.pop() else {
                    return false;
                };
                self.drain(key, now);
            }
            self.handle_events(now);
        }
        true
    }

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
                Side::Subscriber(_) if session.is_receiver() => gauges.receivers += 1,
                Side::Subscriber(_) => gauges.subscribers += 1,
            }
        }
        gauges
    }
}
