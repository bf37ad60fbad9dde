//! A str0m client: a publisher that makes frames, or a subscriber that keeps what it gets.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use packager::rtp::Codec;
use sfu::media::{Remote, Transport, dependency};
use sfu::worker::{Role, SessionId};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec as RtcCodec, PayloadParams};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use str0m_netem::{Input as NetInput, Netem, NetemConfig, Output as NetOutput};

use crate::egress::Types;
use crate::frames::{self, Got};
use crate::page::Page;
use crate::svc::Scalable;

pub struct Peer {
    pub rtc: Rtc,
    /// Where its packets come from, as the server sees it.
    pub address: SocketAddr,
    /// Where they came from earlier.
    pub former: Vec<Remote>,
    /// Where it thinks that they come from.
    local: SocketAddr,
    /// The only way that its network lets through.
    pub transport: Transport,
    /// Packets that the server has sent to it.
    pub sent_by_server: u64,
    pub role: Role,
    pub stream: String,
    pub session: Option<SessionId>,
    pub etag: String,
    pub answer: String,
    pub core: usize,
    pub up: Netem<Vec<u8>>,
    pub down: Netem<Vec<u8>>,
    pub video: Mid,
    pub audio: Mid,
    pub connected_at: Option<Instant>,
    pub closed: bool,
    pub plis: usize,
    pub got_video: Vec<Got>,
    pub got_audio: Vec<Got>,
    /// What is in them, and what they repeat.
    pub heard: Heard,
    pub first_video_at: Option<Instant>,
    pub sender: Option<Sender>,
    pub sent_to_server: usize,
    /// Bytes of both directions, as they are sent.
    pub traffic: Traffic,
    /// RTP that came before the connection was there.
    pub early: u64,
    /// The newest RTCP datagrams that came.
    reports: VecDeque<Vec<u8>>,
    /// There if the server makes the offers.
    pub page: Option<Page>,
}

/// Bytes of datagrams by what they are for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    pub media: u64,
    /// RTX, which padding is sent as too.
    pub again: u64,
    pub rtcp: u64,
}

impl Traffic {
    /// Counts a datagram between a client and the server.
    pub fn note(&mut self, rtc: &Rtc, datagram: &[u8]) {
        let len = datagram.len() as u64;
        match datagram {
            [128..=191, 192..=223, ..] => self.rtcp += len,
            [128..=191, kind, ..] => {
                let mut params = rtc.codec_config().params().iter();
                let pt = Pt::from(kind & 0x7f);
                match params.any(|p| p.resend() == Some(pt)) {
                    true => self.again += len,
                    false => self.media += len,
                }
            }
            _ => {}
        }
    }
}

/// Makes media for a publisher.
pub struct Sender {
    pub codec: Codec,
    pub layers: Vec<Layer>,
    pub keyframe_every: Option<u32>,
    pub on: bool,
    /// What the audio packets say of their level.
    pub level: Option<i8>,
    /// How many packets of sound each repeats, as RFC 2198 has it.
    pub repeated: usize,
    /// Spoils what is repeated.
    pub spoils: bool,
    sounds: Vec<(u32, Vec<u8>)>,
    next_video: Instant,
    next_audio: Instant,
    audio_seq: u64,
    audio_time: u32,
    pub audio_number: u32,
}

pub struct Layer {
    rid: Option<&'static str>,
    pub packets: u16,
    pub payload_len: usize,
    seq: u64,
    time: u32,
    number: u32,
    since_keyframe: u32,
    pub wanted: bool,
    pub on: bool,
    /// There if it is a stream with layers of its own.
    pub scalable: Option<Scalable>,
    /// Key frame requests for it.
    pub plis: usize,
}

impl Sender {
    /// A packet of sound with those before it (RFC 2198 §3).
    fn redundant(&mut self, opus: u8, payload: Vec<u8>) -> Vec<u8> {
        let first = self.sounds.len().saturating_sub(self.repeated);
        let earlier = self.sounds.split_off(first);
        let mut out = Vec::new();
        for (time, sound) in &earlier {
            let (offset, length) = (self.audio_time.wrapping_sub(*time), sound.len() as u32);
            let header = 1 << 31 | u32::from(opus) << 24 | offset << 10 | length;
            out.extend(header.to_be_bytes());
        }
        out.push(opus);
        for (_, sound) in &earlier {
            out.extend(sound);
        }
        out.extend(&payload);
        if self.spoils {
            out.truncate(40);
        }
        self.sounds = earlier;
        self.sounds.push((self.audio_time, payload));
        out
    }
}

/// What a listener can play of the sound.
#[derive(Default)]
pub struct Heard {
    /// The packets by their numbers, and at which times.
    pub numbers: std::collections::BTreeMap<u32, u32>,
    /// Packets that repeat others, and how many these were.
    pub redundant: usize,
    pub repeated: usize,
}

impl Heard {
    fn note(&mut self, time: u32, payload: &[u8]) {
        let part = frames::parse(Codec::Opus, payload).expect("sound as it was made");
        self.numbers.insert(part.number, time);
    }

    /// The packet's own sound.
    fn take_apart(&mut self, packet: &str0m::rtp::RtpPacket) -> Vec<u8> {
        let (mut headers, mut rest) = (Vec::new(), &packet.payload[..]);
        while rest[0] >= 0x80 {
            let header = u32::from_be_bytes(rest[..4].try_into().expect("a header"));
            headers.push((header >> 10 & 0x3fff, (header & 0x3ff) as usize));
            rest = &rest[4..];
        }
        rest = &rest[1..];
        self.redundant += 1;
        self.repeated += headers.len();
        for (offset, length) in headers {
            let time = packet.header.timestamp.wrapping_sub(offset);
            let part = frames::parse(Codec::Opus, &rest[..length]).expect("as it was made");
            let before = self.numbers.get(&part.number);
            assert!(before.is_none_or(|before| *before == time), "one time each");
            self.note(time, &rest[..length]);
            rest = &rest[length..];
        }
        self.note(packet.header.timestamp, rest);
        rest.to_vec()
    }
}

pub struct Offer {
    pub sdp: String,
    pending: SdpPendingOffer,
}

impl Peer {
    pub fn new(
        role: Role,
        stream: &str,
        number: u16,
        now: Instant,
        net: NetemConfig,
    ) -> (Self, Offer) {
        Self::with_layers(role, stream, number, now, net, &[], false)
    }

    pub fn with_layers(
        role: Role,
        stream: &str,
        number: u16,
        now: Instant,
        net: NetemConfig,
        rids: &[&'static str],
        red: bool,
    ) -> (Self, Offer) {
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, red)
            .enable_vp8(true)
            .enable_h264(true)
            .enable_av1(true)
            .enable_h265(true)
            .set_extension_map(match role {
                Role::Publisher => extensions(),
                Role::Subscriber => receiving(),
            })
            .build(now);
        let address = SocketAddr::from(([192, 0, 2, 1], 10_000 + number));
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("candidate"));
        let direction = match role {
            Role::Publisher => Direction::SendOnly,
            Role::Subscriber => Direction::RecvOnly,
        };
        let simulcast = (!rids.is_empty()).then(|| {
            let mut s = Simulcast::new();
            for rid in rids {
                s.add_send_layer(SimulcastLayer {
                    rid: (*rid).into(),
                    attributes: None,
                });
            }
            s
        });
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, direction, None, None, None);
        let video = api.add_media(MediaKind::Video, direction, None, None, simulcast);
        let (offer, pending) = api.apply().expect("an offer");
        let seed = u64::from(number);
        let layers: Vec<Option<&'static str>> = if rids.is_empty() {
            vec![None]
        } else {
            rids.iter().copied().map(Some).collect()
        };
        let sender = (role == Role::Publisher).then(|| Sender {
            codec: Codec::H264,
            layers: layers
                .into_iter()
                .enumerate()
                .map(|(i, rid)| Layer {
                    rid,
                    packets: 4 << i,
                    payload_len: 900,
                    // Below 2^15, as a receiver takes the roll-over counter to be 0.
                    seq: 1_000 + seed * 1_000 % 30_000 + i as u64 * 100,
                    time: (seed as u32)
                        .wrapping_mul(1_000_003)
                        .wrapping_sub(i as u32 * 77_777),
                    number: 0,
                    since_keyframe: 0,
                    wanted: true,
                    on: true,
                    scalable: None,
                    plis: 0,
                })
                .collect(),
            keyframe_every: None,
            on: true,
            level: None,
            repeated: 0,
            spoils: false,
            sounds: Vec::new(),
            next_video: now,
            next_audio: now,
            audio_seq: 500,
            audio_time: 1,
            audio_number: 0,
        });
        let peer = Self {
            rtc,
            address,
            former: Vec::new(),
            local: address,
            transport: Transport::Udp,
            sent_by_server: 0,
            role,
            stream: stream.to_owned(),
            session: None,
            etag: String::new(),
            answer: String::new(),
            core: 0,
            up: Netem::new(net.seed(seed * 2 + 1)),
            down: Netem::new(net.seed(seed * 2 + 2)),
            video,
            audio,
            connected_at: None,
            closed: false,
            plis: 0,
            got_video: Vec::new(),
            got_audio: Vec::new(),
            heard: Heard::default(),
            first_video_at: None,
            sender,
            sent_to_server: 0,
            traffic: Traffic::default(),
            early: 0,
            reports: VecDeque::new(),
            page: None,
        };
        let offer = Offer {
            sdp: offer.to_sdp_string(),
            pending,
        };
        (peer, offer)
    }

    /// A client that waits for the server's offers.
    pub fn page(number: u16, now: Instant, net: NetemConfig, h264: bool, red: bool) -> Self {
        let (mut peer, _) = Self::new(Role::Subscriber, "", number, now, net);
        peer.rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, red)
            .enable_vp8(true)
            .enable_h264(h264)
            .enable_av1(true)
            .set_extension_map(extensions())
            .build(now);
        let candidate = Candidate::host(peer.address, "udp").expect("candidate");
        peer.rtc.add_local_candidate(candidate);
        peer.page = Some(Page::default());
        peer
    }

    /// Its packets come from elsewhere from now on, and nothing gets to where it was.
    pub fn move_to(&mut self, ip: IpAddr) {
        let remote = self.remote();
        if !self.former.contains(&remote) {
            self.former.push(remote);
        }
        self.address.set_ip(ip);
    }

    /// Its network lets nothing but connections through.
    pub fn lose_udp(&mut self) {
        self.transport = Transport::Tcp;
        let candidate = Candidate::builder()
            .tcp()
            .host(self.local)
            .tcptype(TcpType::Active)
            .build()
            .expect("candidate");
        self.rtc.add_local_candidate(candidate);
    }

    /// Its name among all clients.
    pub fn number(&self) -> u16 {
        self.local.port()
    }

    /// What the payload types stand for.
    pub fn types(&self) -> Types {
        let params = self.rtc.codec_config().params();
        let is_audio = |p: &&PayloadParams| p.spec().codec == RtcCodec::Opus;
        Types {
            audio: params.iter().filter(is_audio).map(|p| *p.pt()).collect(),
            again: params.iter().filter_map(|p| Some(*p.resend()?)).collect(),
        }
    }

    /// The other end of its path, as the server sees it.
    pub fn remote(&self) -> Remote {
        match self.transport {
            Transport::Udp => self.address.into(),
            Transport::Tcp => Remote::tcp(self.address),
        }
    }

    fn protocol(&self) -> Protocol {
        match self.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        }
    }

    /// Takes an offer as a page does; the answer.
    pub fn answer(&mut self, sdp: &str) -> String {
        let offer = SdpOffer::from_sdp_string(sdp).expect("offer parses");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("offer fits");
        if let Some(page) = &mut self.page {
            page.read(sdp);
        }
        answer.to_sdp_string()
    }

    pub fn accept(&mut self, offer: Offer, answer: &str) {
        self.answer = answer.to_owned();
        let answer = SdpAnswer::from_sdp_string(answer).expect("answer parses");
        self.rtc
            .sdp_api()
            .accept_answer(offer.pending, answer)
            .expect("answer fits");
        if let Some(sender) = &self.sender {
            let rids: Vec<_> = sender
                .layers
                .iter()
                .map(|l| l.rid.map(Into::into))
                .collect();
            for rid in rids {
                let _ = self.rtc.direct_api().stream_tx_by_mid(self.video, rid);
            }
        }
    }

    /// Takes what the network delivers, makes media, and gives what it sends to the network.
    pub fn step(&mut self, now: Instant, server: SocketAddr) {
        self.down.handle_input(NetInput::Timeout(now));
        while let Some(output) = self.down.poll_output() {
            if let NetOutput::Packet(datagram) = output
                && !self.is_replay(&datagram)
                && let Ok(receive) = Receive::new(self.protocol(), server, self.local, &datagram)
            {
                let is_rtp = matches!(datagram[..], [128..=191, ..]);
                self.early += u64::from(is_rtp && self.connected_at.is_none());
                let _ = self.rtc.handle_input(Input::Receive(now, receive));
                self.poll(now);
            }
        }
        self.make_media(now);
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.poll(now);
    }

    /// True for RTCP that has come before, which SRTCP takes once (RFC 3711 §3.4); str0m does not
    /// look at that.
    fn is_replay(&mut self, datagram: &[u8]) -> bool {
        if !matches!(datagram, [128..=191, 192..=223, ..]) {
            return false;
        }
        if self.reports.iter().any(|known| known == datagram) {
            return true;
        }
        self.reports.truncate(REPLAY_WINDOW - 1);
        self.reports.push_front(datagram.to_vec());
        false
    }

    fn poll(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(_)) => break,
                Ok(Output::Transmit(t)) if t.proto != self.protocol() => {}
                Ok(Output::Transmit(t)) => {
                    self.sent_to_server += 1;
                    self.traffic.note(&self.rtc, &t.contents);
                    self.up
                        .handle_input(NetInput::Packet(now, t.contents.to_vec()));
                }
                Ok(Output::Event(event)) => self.handle(event, now),
                Err(_) => break,
            }
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => self.connected_at = Some(now),
            Event::Closed => self.closed = true,
            Event::KeyframeRequest(request) => {
                self.plis += 1;
                if let Some(sender) = &mut self.sender {
                    for layer in &mut sender.layers {
                        if layer.rid.map(Into::into) == request.rid {
                            layer.wanted = true;
                            layer.plis += 1;
                        }
                    }
                }
            }
            Event::RtpPacket(mut packet) => {
                if Some(packet.header.payload_type) == self.red() {
                    packet.payload = self.heard.take_apart(&packet).into();
                } else if self.codec_of(packet.header.payload_type) == Codec::Opus {
                    self.heard.note(packet.header.timestamp, &packet.payload);
                }
                let codec = self.codec_of(packet.header.payload_type);
                let got = Got {
                    at: now,
                    ssrc: *packet.header.ssrc,
                    seq: *packet.seq_no,
                    time: packet.header.timestamp,
                    marker: packet.header.marker,
                    codec,
                    payload: packet.payload.to_vec(),
                    descriptor: dependency::Bytes::take(&packet.header.ext_vals)
                        .map(|bytes| bytes.as_slice().to_vec()),
                    hold: packet.header.ext_vals.play_delay_min.map(Duration::from),
                };
                if let Some(page) = &mut self.page {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|s| s.mid());
                    page.take(mid, got, now);
                } else if codec == Codec::Opus {
                    self.got_audio.push(got);
                } else {
                    self.first_video_at.get_or_insert(now);
                    self.got_video.push(got);
                }
            }
            _ => {}
        }
    }

    /// The payload type of redundant sound.
    fn red(&self) -> Option<Pt> {
        let mut params = self.rtc.codec_config().params().iter();
        params.find_map(|p| p.red())
    }

    fn codec_of(&self, pt: Pt) -> Codec {
        let params = self.rtc.codec_config().params();
        let is_of = |p: &&str0m::format::PayloadParams| p.pt() == pt || p.red() == Some(pt);
        match params.iter().find(is_of).map(|p| p.spec().codec) {
            Some(RtcCodec::H265) => Codec::H265,
            Some(RtcCodec::Vp8) => Codec::Vp8,
            Some(RtcCodec::Av1) => Codec::Av1,
            Some(RtcCodec::Opus) => Codec::Opus,
            _ => Codec::H264,
        }
    }

    fn pt(&self, codec: Codec) -> Pt {
        let wanted = match codec {
            Codec::H265 => RtcCodec::H265,
            Codec::Vp8 => RtcCodec::Vp8,
            Codec::Av1 => RtcCodec::Av1,
            Codec::Opus => RtcCodec::Opus,
            _ => RtcCodec::H264,
        };
        let mid = if codec == Codec::Opus {
            self.audio
        } else {
            self.video
        };
        let allowed = self.rtc.media(mid).expect("media").remote_pts().to_vec();
        self.rtc
            .codec_config()
            .params()
            .iter()
            .find(|p| p.spec().codec == wanted && allowed.contains(&p.pt()))
            .map(|p| p.pt())
            .expect("codec is negotiated")
    }

    fn make_media(&mut self, now: Instant) {
        if self.connected_at.is_none() {
            return;
        }
        let Some(mut sender) = self.sender.take() else {
            return;
        };
        if sender.on && now >= sender.next_video {
            sender.next_video = now + Duration::from_millis(33);
            let pt = self.pt(sender.codec);
            let codec = sender.codec;
            for layer in &mut sender.layers {
                layer.time = layer.time.wrapping_add(2_970);
                if !layer.on {
                    continue;
                }
                layer.since_keyframe += 1;
                let periodic = sender
                    .keyframe_every
                    .is_some_and(|every| layer.since_keyframe >= every);
                let keyframe = std::mem::take(&mut layer.wanted) || periodic;
                if keyframe {
                    layer.since_keyframe = 0;
                }
                let count = if keyframe {
                    layer.packets * 4
                } else {
                    layer.packets
                };
                let packets = match &mut layer.scalable {
                    Some(scalable) => scalable.picture(codec, keyframe),
                    None => {
                        let number = layer.number;
                        layer.number += 1;
                        frames::frame(codec, number, keyframe, count, layer.payload_len)
                            .into_iter()
                            .map(|payload| (payload, None))
                            .collect()
                    }
                };
                let rid = layer.rid.map(Into::into);
                let mut api = self.rtc.direct_api();
                let tx = api.stream_tx_by_mid(self.video, rid).expect("stream");
                let last = packets.len() - 1;
                for (i, (payload, descriptor)) in packets.into_iter().enumerate() {
                    let mut values = ExtensionValues::default();
                    if let Some(bytes) = descriptor.as_deref().and_then(dependency::Bytes::new) {
                        bytes.put(bytes.frame_number(), &mut values);
                    }
                    let write = RtpWrite::new(pt, layer.seq.into(), layer.time, now, payload)
                        .marker(i == last)
                        .ext_vals(values)
                        .nackable(true);
                    tx.write_rtp(write);
                    layer.seq += 1;
                }
            }
        }
        if sender.on && now >= sender.next_audio {
            sender.next_audio = now + Duration::from_millis(20);
            let opus = self.pt(Codec::Opus);
            let payload = frames::frame(Codec::Opus, sender.audio_number, true, 1, 120).remove(0);
            let (pt, payload) = match self.red().filter(|_| sender.repeated > 0) {
                Some(red) => (red, sender.redundant(*opus, payload)),
                None => (opus, payload),
            };
            let values = ExtensionValues {
                audio_level: sender.level,
                voice_activity: sender.level.map(|_| true),
                ..Default::default()
            };
            let write = RtpWrite::new(pt, sender.audio_seq.into(), sender.audio_time, now, payload)
                .ext_vals(values);
            sender.audio_number += 1;
            sender.audio_seq += 1;
            sender.audio_time = sender.audio_time.wrapping_add(960);
            let mut api = self.rtc.direct_api();
            api.stream_tx_by_mid(self.audio, None)
                .expect("stream")
                .write_rtp(write);
        }
        self.sender = Some(sender);
    }

    /// Asks the server for a key frame, as a decoder that has lost its state does.
    pub fn send_pli(&mut self) {
        let page = self.page.as_ref();
        let mid = page.and_then(Page::video_line).unwrap_or(self.video);
        let mut api = self.rtc.direct_api();
        if let Some(rx) = api.stream_rx_by_mid(mid, None) {
            rx.request_keyframe(KeyframeRequestKind::Pli);
        }
    }
}

fn receiving() -> ExtensionMap {
    let mut map = ExtensionMap::standard();
    map.set(5, Extension::PlayoutDelay);
    map
}

/// What browsers offer when they send layers, and answer when they are offered it. Where they offer
/// to receive, they leave descriptors out.
fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::standard();
    map.set(5, Extension::PlayoutDelay);
    map.set(12, dependency::extension());
    map
}

/// RFC 3711 §3.3.2: at least 64 packets.
const REPLAY_WINDOW: usize = 64;
