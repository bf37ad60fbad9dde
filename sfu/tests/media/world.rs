//! Cores, peers and the networks between them, moved on by one virtual clock.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use relay::{IngestItem, StreamId};
use sfu::media::{Core, CoreConfig, Counters, LaneMessage, Output, Picture, Placed, offer};
use sfu::worker::{
    Accepted, MediaEvent, OfferError, ReceiveError, Role, ServerOffer, SessionId, SessionRef,
    Wanted,
};
use str0m_netem::{Input as NetInput, NetemConfig, Output as NetOutput};

use crate::egress::Egress;
use crate::peer::Peer;

pub struct World {
    pub now: Instant,
    pub cores: Vec<Core>,
    pub servers: Vec<SocketAddr>,
    pub peers: Vec<Peer>,
    pub relayed: Vec<IngestItem>,
    pub published: usize,
    pub unpublished: usize,
    /// The names of the broadcasts opened so far.
    pub opened: Vec<String>,
    pub stopped: usize,
    pub closed: Vec<SessionId>,
    /// Streams that receivers have done with.
    pub left: Vec<StreamId>,
    pub events: Vec<MediaEvent>,
    pub datagrams_to: u64,
    pub bytes_to_unknown: u64,
    /// Packets that lanes have carried.
    pub lane_packets: usize,
    /// Checks what is sent to clients, if there.
    pub egress: Option<Egress>,
    /// Drops lane messages from home while true.
    pub lanes_full: bool,
    /// Peers know redundant sound (RED).
    pub red: bool,
    next: u16,
}

pub fn stream(name: &str) -> StreamId {
    name.parse().expect("stream id")
}

pub fn good() -> NetemConfig {
    NetemConfig::new().latency(Duration::from_millis(5))
}

impl World {
    pub fn new(cores: usize) -> Self {
        Self::with(cores, |_| {})
    }

    pub fn with(cores: usize, change: impl Fn(&mut CoreConfig)) -> Self {
        let cert = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("certificate");
        let servers: Vec<SocketAddr> = (0..cores)
            .map(|i| SocketAddr::from(([198, 51, 100, 1], 8_000 + i as u16)))
            .collect();
        let cores = servers
            .iter()
            .enumerate()
            .map(|(worker, local)| {
                let mut config = CoreConfig {
                    worker,
                    local: vec![*local],
                    tcp: true,
                    max_sessions: 2_000,
                    connect_timeout: Duration::from_secs(15),
                    linger: Duration::from_secs(60),
                    loudest: 8,
                    audio_redundancy: true,
                    max_segments: 64,
                    cert: cert.clone(),
                    seed: [worker as u8 + 1; 32],
                };
                change(&mut config);
                Core::new(config)
            })
            .collect();
        Self {
            now: Instant::now(),
            cores,
            servers,
            peers: Vec::new(),
            relayed: Vec::new(),
            published: 0,
            unpublished: 0,
            opened: Vec::new(),
            stopped: 0,
            closed: Vec::new(),
            left: Vec::new(),
            events: Vec::new(),
            datagrams_to: 0,
            bytes_to_unknown: 0,
            lane_packets: 0,
            egress: None,
            lanes_full: false,
            red: false,
            next: 1,
        }
    }

    pub fn publish(&mut self, name: &str, net: NetemConfig) -> usize {
        self.publish_layers(name, net, &[])
    }

    pub fn publish_layers(&mut self, name: &str, net: NetemConfig, rids: &[&'static str]) -> usize {
        let role = Role::Publisher;
        let (mut peer, offer) =
            Peer::with_layers(role, name, self.next, self.now, net, rids, self.red);
        let id = self.new_id();
        let checked = offer::check(&offer.sdp, Role::Publisher).expect("offer is accepted");
        let accepted = self.cores[0]
            .publish(self.now, &stream(name), id, &checked)
            .expect("published");
        take(&mut peer, &accepted);
        peer.accept(offer, &accepted.answer);
        self.peers.push(peer);
        self.peers.len() - 1
    }

    /// A subscriber on core `at`; the publisher's home is core 0.
    pub fn subscribe(&mut self, name: &str, at: usize, net: NetemConfig) -> usize {
        self.try_subscribe(name, at, net).expect("subscribed")
    }

    pub fn try_subscribe(
        &mut self,
        name: &str,
        at: usize,
        net: NetemConfig,
    ) -> Result<usize, OfferError> {
        let role = Role::Subscriber;
        let (mut peer, offer) =
            Peer::with_layers(role, name, self.next, self.now, net, &[], self.red);
        let id = self.new_id();
        let checked = offer::check(&offer.sdp, Role::Subscriber)?;
        let home = (at != 0).then_some(0);
        let accepted = self.cores[at].subscribe(self.now, &stream(name), id, &checked, home)?;
        take(&mut peer, &accepted);
        peer.core = at;
        peer.accept(offer, &accepted.answer);
        self.peers.push(peer);
        self.carry_out(at);
        Ok(self.peers.len() - 1)
    }

    /// A page on core `at` that waits for offers.
    pub fn open_page(&mut self, at: usize, net: NetemConfig) -> usize {
        self.open_page_with(at, net, true)
    }

    pub fn open_page_with(&mut self, at: usize, net: NetemConfig, h264: bool) -> usize {
        let mut peer = Peer::page(self.next, self.now, net, h264, self.red);
        peer.session = Some(self.new_id());
        peer.core = at;
        self.peers.push(peer);
        self.peers.len() - 1
    }

    pub fn receiver(&self, page: usize) -> SessionId {
        self.peers[page].session.expect("a page")
    }

    /// Asks for streams with audio and video, or for an end of them.
    pub fn receive(
        &mut self,
        page: usize,
        add: &[&str],
        remove: &[&str],
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let wanted = |name: &&str| Wanted {
            stream: stream(name),
            audio: true,
            video: Some(Picture::Large),
        };
        let add = add.iter().map(wanted).collect();
        self.receive_only(page, add, remove)
    }

    pub fn receive_only(
        &mut self,
        page: usize,
        add: Vec<Wanted>,
        remove: &[&str],
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let core = self.peers[page].core;
        let home = (core != 0).then_some(0);
        let add: Vec<Placed> = add
            .into_iter()
            .map(|wanted| Placed { wanted, home })
            .collect();
        let remove: Vec<_> = remove.iter().map(|name| stream(name)).collect();
        let id = self.receiver(page);
        let offer = self.cores[core].receive(self.now, id, &add, &remove);
        self.carry_out(core);
        offer
    }

    /// The server takes a page's answer.
    pub fn answer(
        &mut self,
        page: usize,
        revision: u32,
        sdp: &str,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let core = self.peers[page].core;
        let id = self.receiver(page);
        let next = self.cores[core].answer(self.now, id, revision, sdp);
        self.carry_out(core);
        next
    }

    /// The page answers an offer, and those that follow.
    pub fn negotiate(&mut self, page: usize, mut offer: Option<ServerOffer>) {
        for _ in 0..10 {
            let Some(next) = offer else { return };
            let answer = self.peers[page].answer(&next.sdp);
            offer = self.answer(page, next.revision, &answer).expect("taken");
        }
        panic!("offers without end");
    }

    fn new_id(&mut self) -> SessionId {
        self.next += 1;
        SessionId::from_bits(u128::from(self.next))
    }

    pub fn session(&self, peer: usize) -> SessionRef {
        let peer = &self.peers[peer];
        SessionRef {
            stream: stream(&peer.stream),
            session: peer.session.expect("open"),
            role: peer.role,
        }
    }

    pub fn close(&mut self, peer: usize) {
        let session = self.session(peer);
        let core = self.peers[peer].core;
        let _ = self.cores[core].close(self.now, &session);
        self.carry_out(core);
    }

    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
        }
    }

    /// Runs until `done`, or fails after `limit`.
    pub fn run_until(&mut self, limit: Duration, what: &str, done: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.now < end, "not in {limit:?}: {what}");
            self.step();
        }
    }

    pub fn step(&mut self) {
        self.now += Duration::from_millis(1);
        for index in 0..self.peers.len() {
            let core = self.peers[index].core;
            let server = self.servers[core];
            self.peers[index].step(self.now, server);
            let peer = &mut self.peers[index];
            peer.up.handle_input(NetInput::Timeout(self.now));
            while let Some(output) = peer.up.poll_output() {
                if let NetOutput::Packet(datagram) = output {
                    self.cores[core].handle_datagram(self.now, peer.remote(), None, &datagram);
                }
            }
        }
        for core in 0..self.cores.len() {
            let due = self.cores[core].next_timeout();
            if due.is_some_and(|at| at <= self.now) {
                self.cores[core].handle_timeout(self.now);
            }
            self.carry_out(core);
        }
    }

    /// Carries out what a core asks for, and sends what it has to send.
    pub fn carry_out(&mut self, core: usize) {
        self.cores[core].flush(self.now);
        while let Some(output) = self.cores[core].poll_output() {
            match output {
                Output::Unpublished { .. } => self.unpublished += 1,
                Output::BroadcastOpened { name, .. } => self.opened.push(name.to_string()),
                Output::BroadcastStopped { .. } => self.stopped += 1,
                Output::Relay { item, .. } => self.relayed.push(item),
                Output::Lane { worker, message } => {
                    let media = matches!(message, LaneMessage::Media { .. });
                    if self.lanes_full && media {
                        self.cores[core].lane_full(self.now, worker, &message);
                    } else if worker < self.cores.len() {
                        self.lane_packets += usize::from(media);
                        self.cores[worker].handle_lane(self.now, message);
                        if worker != core {
                            self.carry_out(worker);
                        }
                    }
                }
                Output::Closed(closed) => self.closed.push(closed.session),
                Output::ReceiverClosed { receiver } => self.closed.push(receiver),
                Output::Left { stream } => self.left.push(stream),
                Output::Travelled { .. } => {}
                Output::Event(event) => {
                    self.published += usize::from(matches!(event, MediaEvent::Live { .. }));
                    self.events.push(event);
                }
            }
            self.cores[core].flush(self.now);
        }
        let mut out = Vec::new();
        for batch in self.cores[core].transmits().batches() {
            for datagram in batch.datagrams() {
                out.push((batch.destination, datagram.to_vec()));
            }
        }
        self.cores[core].transmits().clear();
        for (destination, datagram) in out {
            self.datagrams_to += 1;
            match self.peers.iter_mut().find(|p| p.remote() == destination) {
                Some(peer) => {
                    peer.sent_by_server += 1;
                    peer.traffic.note(&peer.rtc, &datagram);
                    if let Some(egress) = &mut self.egress {
                        egress.check(self.now, peer.number(), &datagram, &peer.types());
                    }
                    peer.down.handle_input(NetInput::Packet(self.now, datagram));
                }
                None => {
                    self.bytes_to_unknown += datagram.len() as u64;
                    let mut peers = self.peers.iter();
                    if let Some(egress) = &mut self.egress
                        && let Some(peer) = peers.find(|p| p.former.contains(&destination))
                    {
                        egress.check(self.now, peer.number(), &datagram, &peer.types());
                    }
                }
            }
        }
    }

    /// Where the client of this number is.
    pub fn index(&self, number: u16) -> Option<usize> {
        self.peers.iter().position(|peer| peer.number() == number)
    }

    pub fn counters(&mut self, core: usize) -> Counters {
        self.cores[core].counters().clone()
    }
}

fn take(peer: &mut Peer, accepted: &Accepted) {
    peer.session = Some(accepted.session);
    peer.etag = accepted.etag.clone();
}
