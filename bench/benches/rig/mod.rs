//! The server's media core with real str0m clients around it, in memory and
//! on virtual time. Only what the core does is timed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu::media::{Core, CoreConfig, offer};
use sfu::worker::{Role, SessionId};
use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// What is forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Audio or video.
    pub(crate) kind: MediaKind,
    /// Bytes of each RTP payload.
    pub(crate) payload: usize,
    /// Packets that arrive together, as those of a video frame do.
    pub(crate) burst: usize,
    /// Time between bursts.
    pub(crate) interval: Duration,
}

/// A publisher, the core, and subscribers.
pub(crate) struct Rig {
    now: Instant,
    core: Core,
    clients: BTreeMap<SocketAddr, Client>,
    load: Load,
    next_seq: u64,
    rtp_time: u32,
    bursts: u64,
    /// Time spent inside of the core.
    spent: Duration,
    received: u64,
}

struct Client {
    rtc: Rtc,
    address: SocketAddr,
    deadline: Instant,
    mid: Mid,
    connected: bool,
}

type Datagram = (SocketAddr, Vec<u8>);

fn server() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8_000))
}

fn publisher() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9_000))
}

/// A key frame's first payload: STAP-A of SPS and PPS, filled up. The core
/// looks at the first bytes, and nobody decodes.
const SETS: &[u8] = &[
    0x78, 0, 10, 0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x14, 0x01, 0x6e, 0x40, 0, 4, 0x68, 0xce,
    0x3c, 0x80,
];
const DELTA: &[u8] = &[0x5c, 0x01];
/// Bursts from one key frame to the next: a GOP of two seconds of video.
const KEYFRAME_EVERY: u64 = 60;

impl Rig {
    pub(crate) fn new(load: Load, subscribers: usize) -> Rig {
        let provider = str0m::crypto::from_feature_flags();
        let cert = provider.dtls_provider.generate_certificate().unwrap();
        str0m::crypto::from_feature_flags().install_process_default();
        let now = Instant::now();
        let core = Core::new(CoreConfig {
            worker: 0,
            local: vec![server()],
            tcp: false,
            max_sessions: subscribers + 1,
            connect_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(30),
            loudest: 8,
            audio_redundancy: true,
            max_segments: 64,
            cert,
            seed: [7; 32],
        });
        let mut rig = Rig {
            now,
            core,
            clients: BTreeMap::new(),
            load,
            next_seq: 1_000,
            rtp_time: 0,
            bursts: 0,
            spent: Duration::ZERO,
            received: 0,
        };
        rig.add(publisher(), Role::Publisher, 0);
        rig.connect();
        // A subscriber may only come once the stream is live.
        rig.burst();
        for number in 0..subscribers {
            let address = SocketAddr::from(([127, 0, 1, 1], 10_000 + number as u16));
            rig.add(address, Role::Subscriber, 1 + number as u128);
        }
        rig.connect();
        // From the next key frame on every subscriber gets every packet.
        rig.bursts = 0;
        for _ in 0..5 {
            rig.burst();
        }
        rig.received = 0;
        rig
    }

    /// Forwards at least `packets` packets to subscribers and returns what one
    /// cost the core, times `packets`.
    pub(crate) fn run(&mut self, packets: u64) -> Duration {
        let subscribers = self.clients.len() as u64 - 1;
        let per_burst = subscribers * self.load.burst as u64;
        let bursts = packets.div_ceil(per_burst);
        self.spent = Duration::ZERO;
        self.received = 0;
        for _ in 0..bursts {
            self.burst();
        }
        assert_eq!(
            self.received,
            bursts * per_burst,
            "every packet reaches every subscriber"
        );
        self.spent
            .mul_f64(packets as f64 / (bursts * per_burst) as f64)
    }

    fn burst(&mut self) {
        self.now += self.load.interval;
        let datagrams = self.publish();
        self.feed_core(publisher(), datagrams);
        self.settle();
        self.pass_time();
        self.settle();
    }

    /// The publisher's next datagrams.
    fn publish(&mut self) -> Vec<Vec<u8>> {
        let is_key = self.bursts.is_multiple_of(KEYFRAME_EVERY);
        self.bursts += 1;
        let ticks = match self.load.kind {
            MediaKind::Audio => 48_000.0,
            MediaKind::Video => 90_000.0,
        };
        let step = (self.load.interval.as_secs_f64() * ticks) as u32;
        self.rtp_time = self.rtp_time.wrapping_add(step);
        let client = self.clients.get_mut(&publisher()).unwrap();
        let pt = client.rtc.media(client.mid).unwrap().remote_pts()[0];
        for index in 0..self.load.burst {
            let mut payload = vec![0x55; self.load.payload];
            if self.load.kind == MediaKind::Video {
                let head = if is_key && index == 0 { SETS } else { DELTA };
                payload[..head.len()].copy_from_slice(head);
            }
            let payload: Arc<[u8]> = payload.into();
            let write = RtpWrite::new(pt, self.next_seq.into(), self.rtp_time, self.now, payload)
                .marker(index + 1 == self.load.burst)
                .nackable(self.load.kind == MediaKind::Video);
            self.next_seq += 1;
            let mut direct = client.rtc.direct_api();
            direct
                .stream_tx_by_mid(client.mid, None)
                .unwrap()
                .write_rtp(write);
        }
        // str0m sends what was written once time has been told.
        client.rtc.handle_input(Input::Timeout(self.now)).unwrap();
        let mut out = Vec::new();
        client.poll(self.now, &mut self.received, &mut out);
        out
    }

    fn add(&mut self, address: SocketAddr, role: Role, id: u128) {
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false);
        config
            .codec_config()
            .add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
        let mut rtc = config.build(self.now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut change = rtc.sdp_api();
        let direction = match role {
            Role::Publisher => Direction::SendOnly,
            Role::Subscriber => Direction::RecvOnly,
        };
        let mid = change.add_media(self.load.kind, direction, None, None, None);
        let (offer, pending) = change.apply().unwrap();
        let offer = offer::check(&offer.to_sdp_string(), role).unwrap();
        let stream = "bench".parse().unwrap();
        let id = SessionId::from_bits(id);
        let accepted = match role {
            Role::Publisher => self.core.publish(self.now, &stream, id, &offer),
            Role::Subscriber => self.core.subscribe(self.now, &stream, id, &offer, None),
        };
        let answer = SdpAnswer::from_sdp_string(&accepted.unwrap().answer).unwrap();
        rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let client = Client {
            rtc,
            address,
            deadline: self.now,
            mid,
            connected: false,
        };
        self.clients.insert(address, client);
    }

    /// Runs until all clients are connected.
    fn connect(&mut self) {
        for _ in 0..5_000 {
            if self.clients.values().all(|client| client.connected) {
                return;
            }
            self.now += Duration::from_millis(5);
            self.pass_time();
            self.settle();
        }
        panic!("the clients do not connect");
    }

    fn pass_time(&mut self) {
        let (core, now) = (&mut self.core, self.now);
        self.spent += timed(|| core.handle_timeout(now));
        let mut out = Vec::new();
        for client in self.clients.values_mut() {
            if client.deadline <= now {
                client.rtc.handle_input(Input::Timeout(now)).unwrap();
                let mut datagrams = Vec::new();
                client.poll(now, &mut self.received, &mut datagrams);
                out.push((client.address, datagrams));
            }
        }
        for (address, datagrams) in out {
            self.feed_core(address, datagrams);
        }
    }

    fn feed_core(&mut self, source: SocketAddr, datagrams: Vec<Vec<u8>>) {
        if datagrams.is_empty() {
            return;
        }
        let (core, now) = (&mut self.core, self.now);
        self.spent += timed(|| {
            for datagram in &datagrams {
                core.handle_datagram(now, source, None, datagram);
            }
            core.flush(now);
        });
    }

    /// Carries datagrams to and fro until nobody has any left.
    fn settle(&mut self) {
        loop {
            let core = &mut self.core;
            self.spent += timed(|| while core.poll_output().is_some() {});
            let transmits = self.core.transmits();
            if transmits.is_empty() {
                return;
            }
            let mut wire: Vec<Datagram> = Vec::new();
            for batch in transmits.batches() {
                for datagram in batch.datagrams() {
                    wire.push((batch.destination.address, datagram.to_vec()));
                }
            }
            transmits.clear();
            let mut answers: BTreeMap<SocketAddr, Vec<Vec<u8>>> = BTreeMap::new();
            for (destination, datagram) in wire {
                let Some(client) = self.clients.get_mut(&destination) else {
                    continue;
                };
                let receive = Receive::new(Protocol::Udp, server(), destination, &datagram);
                let input = Input::Receive(self.now, receive.unwrap());
                client.rtc.handle_input(input).unwrap();
                let out = answers.entry(destination).or_default();
                client.poll(self.now, &mut self.received, out);
            }
            for (address, datagrams) in answers {
                self.feed_core(address, datagrams);
            }
        }
    }
}

impl Client {
    fn poll(&mut self, now: Instant, received: &mut u64, out: &mut Vec<Vec<u8>>) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.deadline = at.max(now + Duration::from_millis(1));
                    return;
                }
                Output::Transmit(transmit) => out.push(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => *received += 1,
                Output::Event(_) => {}
            }
        }
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
