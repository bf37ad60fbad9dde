//! A virtual network with a small forwarding server on it, without clock and
//! sockets: one publisher, any number of subscribers.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bench::rtc::answer::CandidateFilter;
use bench::rtc::peer::{Driver, PeerFactory};
use bench::rtc::publisher::Publisher;
use bench::rtc::subscriber::{Subscriber, SubscriberConfig};
use bench::source::SourceConfig;
use rand::{Rng, SeedableRng, rngs::StdRng};
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// The one-way delay of every link.
pub(crate) const LINK: Duration = Duration::from_millis(3);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) publisher: Publisher,
    pub(crate) subscribers: Vec<Subscriber>,
    /// Share of the server's datagrams to subscribers that are lost once media
    /// flows, 0 to 1.
    pub(crate) loss: f64,
    /// Flips a byte of every n-th payload that the server forwards.
    pub(crate) damage_every: Option<u64>,
    factory: PeerFactory,
    epoch: Instant,
    asks_for_keyframe: bool,
    server: Forwarder,
    network: BinaryHeap<Reverse<InFlight>>,
    /// Publisher first, then the subscribers.
    deadlines: Vec<Instant>,
    sent: u64,
    rng: StdRng,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct InFlight {
    at: Instant,
    number: u64,
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

struct Forwarder {
    sessions: Vec<Session>,
    forwarded: u64,
}

struct Session {
    rtc: Rtc,
    local: SocketAddr,
    deadline: Instant,
    audio: Option<Mid>,
    video: Option<Mid>,
}

fn client(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, 1], 1_000 + number as u16))
}

fn server(number: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 2, 1], 1_000 + number as u16))
}

impl World {
    pub(crate) fn new(source: SourceConfig, asks_for_keyframe: bool) -> World {
        let now = Instant::now();
        let factory = PeerFactory::new();
        let mut forwarder = Forwarder {
            sessions: Vec::new(),
            forwarded: 0,
        };
        let (mut publisher, offer) = Publisher::new(&factory, source, client(0), now, now).unwrap();
        let answer = forwarder.accept(&offer, now);
        publisher
            .accept_answer(&answer, CandidateFilter::Loopback)
            .unwrap();
        World {
            now,
            publisher,
            subscribers: Vec::new(),
            loss: 0.0,
            damage_every: None,
            factory,
            epoch: now,
            asks_for_keyframe,
            server: forwarder,
            network: BinaryHeap::new(),
            deadlines: vec![now],
            sent: 0,
            rng: StdRng::seed_from_u64(9),
        }
    }

    pub(crate) fn join(&mut self) -> usize {
        let index = self.subscribers.len();
        let config = SubscriberConfig {
            epoch: self.epoch,
            asks_for_keyframe: self.asks_for_keyframe,
        };
        let (mut subscriber, offer) =
            Subscriber::new(&self.factory, config, client(index + 1), self.now).unwrap();
        let answer = self.server.accept(&offer, self.now);
        subscriber
            .accept_answer(&answer, CandidateFilter::Loopback)
            .unwrap();
        self.subscribers.push(subscriber);
        self.deadlines.push(self.now);
        index
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(|world| world.now >= end, time);
        self.now = end;
    }

    /// Runs until `done`, and fails the test when that takes longer than
    /// `within` of virtual time.
    pub(crate) fn run_until(&mut self, done: impl Fn(&World) -> bool, within: Duration) {
        let end = self.now + within;
        while !done(self) {
            let next = self.next_event();
            if next > end {
                self.now = end;
                assert!(done(self), "not done within {within:?}");
                return;
            }
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn next_event(&self) -> Instant {
        let ends = self.deadlines.iter().copied();
        let sessions = self.server.sessions.iter().map(|s| s.deadline);
        let wire = self.network.peek().map(|Reverse(packet)| packet.at);
        ends.chain(sessions).chain(wire).min().unwrap()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(Reverse(packet)) = self.network.peek() {
            if packet.at > now {
                break;
            }
            let Some(Reverse(packet)) = self.network.pop() else {
                break;
            };
            let number = usize::from(packet.destination.port() - 1_000);
            if packet.destination == server(number) {
                self.server.handle(now, number, &packet);
                self.flush_server();
            } else {
                let driver = self.driver(number);
                driver.handle_datagram(now, packet.source, &packet.bytes);
                self.flush_client(number);
            }
        }
        for number in 0..self.deadlines.len() {
            if self.deadlines[number] <= now {
                self.driver(number).handle_timeout(now);
                self.flush_client(number);
            }
        }
        self.server.handle_timeouts(now);
        self.flush_server();
    }

    fn driver(&mut self, number: usize) -> &mut dyn Driver {
        match number.checked_sub(1) {
            None => &mut self.publisher,
            Some(index) => &mut self.subscribers[index],
        }
    }

    fn flush_client(&mut self, number: usize) {
        let (now, mut outbox) = (self.now, Vec::new());
        let next = self.driver(number).poll(now, &mut outbox);
        self.deadlines[number] = at_least(next.unwrap_or(now + FOREVER), now);
        for transmit in outbox {
            self.transmit(transmit);
        }
    }

    fn flush_server(&mut self) {
        let mut outbox = Vec::new();
        self.server.poll(self.now, self.damage_every, &mut outbox);
        for transmit in outbox {
            // RTP, not RTCP or anything of a handshake (RFC 7983, RFC 5761).
            let is_media = matches!(transmit.contents[0], 128..=191)
                && !matches!(transmit.contents[1], 192..=223);
            let to_subscriber = transmit.destination != client(0);
            if is_media && to_subscriber && self.rng.random_bool(self.loss) {
                continue;
            }
            self.transmit(transmit);
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        self.sent += 1;
        self.network.push(Reverse(InFlight {
            at: self.now + LINK,
            number: self.sent,
            source: transmit.source,
            destination: transmit.destination,
            bytes: transmit.contents.to_vec(),
        }));
    }
}

const FOREVER: Duration = Duration::from_secs(3_600);

/// A deadline in the past means "soon", and virtual time has to move.
fn at_least(deadline: Instant, now: Instant) -> Instant {
    deadline.max(now + Duration::from_micros(100))
}

impl Forwarder {
    fn accept(&mut self, offer: &str, now: Instant) -> String {
        let local = server(self.sessions.len());
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
        let offer = SdpOffer::from_sdp_string(offer).unwrap();
        let answer = rtc.sdp_api().accept_offer(offer).unwrap();
        self.sessions.push(Session {
            rtc,
            local,
            deadline: now,
            audio: None,
            video: None,
        });
        answer.to_sdp_string()
    }

    fn handle(&mut self, now: Instant, number: usize, packet: &InFlight) {
        let session = &mut self.sessions[number];
        let receive = Receive::new(Protocol::Udp, packet.source, session.local, &packet.bytes);
        session
            .rtc
            .handle_input(Input::Receive(now, receive.unwrap()))
            .unwrap();
        session.deadline = now;
    }

    fn handle_timeouts(&mut self, now: Instant) {
        for session in &mut self.sessions {
            if session.deadline <= now {
                session.rtc.handle_input(Input::Timeout(now)).unwrap();
            }
        }
    }

    fn poll(&mut self, now: Instant, damage: Option<u64>, outbox: &mut Vec<Transmit>) {
        let mut packets = Vec::new();
        let mut keyframe_wanted = false;
        for number in 0..self.sessions.len() {
            self.poll_one(number, now, outbox, &mut packets, &mut keyframe_wanted);
        }
        if keyframe_wanted {
            self.request_keyframe();
            self.poll_one(0, now, outbox, &mut packets, &mut keyframe_wanted);
        }
        for mut packet in packets {
            self.forwarded += 1;
            if damage.is_some_and(|every| self.forwarded.is_multiple_of(every)) {
                let mut payload = packet.payload.to_vec();
                payload[10] ^= 1;
                packet.payload = payload.into();
            }
            for number in 1..self.sessions.len() {
                self.forward(number, now, &packet);
                self.poll_one(number, now, outbox, &mut Vec::new(), &mut false);
            }
        }
    }

    fn poll_one(
        &mut self,
        number: usize,
        now: Instant,
        outbox: &mut Vec<Transmit>,
        packets: &mut Vec<RtpPacket>,
        keyframe_wanted: &mut bool,
    ) {
        let session = &mut self.sessions[number];
        loop {
            match session.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    session.deadline = at_least(at, now);
                    return;
                }
                Output::Transmit(transmit) => outbox.push(transmit),
                Output::Event(Event::MediaAdded(media)) => match media.kind {
                    MediaKind::Audio => session.audio = Some(media.mid),
                    MediaKind::Video => session.video = Some(media.mid),
                },
                Output::Event(Event::RtpPacket(packet)) => packets.push(packet),
                Output::Event(Event::KeyframeRequest(_)) => *keyframe_wanted = true,
                Output::Event(_) => {}
            }
        }
    }

    fn request_keyframe(&mut self) {
        let publisher = &mut self.sessions[0];
        let video = publisher.video.unwrap();
        if let Some(stream) = publisher.rtc.direct_api().stream_rx_by_mid(video, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    fn forward(&mut self, number: usize, now: Instant, packet: &RtpPacket) {
        let session = &mut self.sessions[number];
        if !session.rtc.is_connected() {
            return;
        }
        let pt = packet.header.payload_type;
        let is_audio = session
            .rtc
            .codec_config()
            .params()
            .iter()
            .any(|params| params.pt() == pt && params.spec().codec.is_audio());
        let mid = if is_audio {
            session.audio
        } else {
            session.video
        };
        let mut direct = session.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid.unwrap(), None).unwrap();
        let write = RtpWrite::new(
            pt,
            packet.seq_no,
            packet.header.timestamp,
            now,
            packet.payload.clone(),
        );
        stream.write_rtp(write.marker(packet.header.marker).nackable(!is_audio));
    }
}
