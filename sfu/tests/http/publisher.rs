//! A publisher of real RTP: 25 pictures a second of tiny H.264 or of what it is given, and Opus
//! silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;

use crate::support::LOCAL;

pub(crate) struct Publisher {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    audio: Mid,
    video: Mid,
    pending: Option<SdpPendingOffer>,
    state: Arc<State>,
    video_packets: u64,
    /// NAL units of a picture, of one packet each.
    pub(crate) slices: usize,
    /// Payloads of the pictures to send in their place, over and over.
    pictures: Vec<Vec<Vec<u8>>>,
}

/// What the publisher has seen so far.
#[derive(Default)]
pub(crate) struct State {
    connected: AtomicBool,
    closed: AtomicBool,
}

impl State {
    pub(crate) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

impl Publisher {
    pub(crate) async fn new() -> (Self, String) {
        Self::of(Vec::new()).await
    }

    /// One that offers H.265 alone and sends these pictures over and over, if there are any.
    pub(crate) async fn of(pictures: Vec<Vec<Vec<u8>>>) -> (Self, String) {
        let socket = UdpSocket::bind((LOCAL, 0)).await.expect("socket");
        let local = socket.local_addr().expect("address");
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_h264(pictures.is_empty())
            .enable_h265(!pictures.is_empty())
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("candidate"));
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let video = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().expect("offer");
        let publisher = Self {
            rtc,
            socket,
            local,
            audio,
            video,
            pending: Some(pending),
            state: Arc::default(),
            video_packets: 0,
            slices: 1,
            pictures,
        };
        (publisher, offer.to_sdp_string())
    }

    /// Publishes on a task of its own until that is aborted.
    pub(crate) fn start(mut self, answer: &str) -> (Arc<State>, tokio::task::JoinHandle<()>) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("answer");
        let pending = self.pending.take().expect("once");
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("fits");
        let state = Arc::clone(&self.state);
        (state, tokio::spawn(self.run()))
    }

    async fn run(mut self) {
        let started = Instant::now();
        let mut frames = 0;
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tick.tick().await;
            self.poll().await;
            let due = started.elapsed().as_millis() / 20;
            while self.state.is_connected() && frames < due {
                self.write(u32::try_from(frames).expect("a short test"));
                self.drain().await;
                frames += 1;
            }
        }
    }

    /// One Opus packet of 20 ms, and a picture with every second one.
    fn write(&mut self, n: u32) {
        self.send(self.audio, u64::from(n), n * 960, true, &[0xf8, 0xff, 0xfe]);
        if !n.is_multiple_of(2) {
            return;
        }
        let time = n * 1_800;
        if !self.pictures.is_empty() {
            let picture = self.pictures[n as usize / 2 % self.pictures.len()].clone();
            for (number, payload) in picture.iter().enumerate() {
                self.send_video(time, number + 1 == picture.len(), payload);
            }
            return;
        }
        if n.is_multiple_of(50) {
            self.send_video(time, false, SPS_640X360);
            self.send_video(time, false, PPS);
            self.send_picture(time, IDR, 400);
        } else {
            self.send_picture(time, SLICE, 200);
        }
    }

    fn send_picture(&mut self, time: u32, head: [u8; 3], bytes: usize) {
        let bytes = if self.slices > 1 { 1_000 } else { bytes };
        let nal = [&head[..], &vec![0x5a; bytes]].concat();
        for slice in 1..=self.slices {
            self.send_video(time, slice == self.slices, &nal);
        }
    }

    fn send_video(&mut self, time: u32, marker: bool, nal: &[u8]) {
        self.video_packets += 1;
        self.send(self.video, self.video_packets, time, marker, nal);
    }

    fn send(&mut self, mid: Mid, seq: u64, time: u32, marker: bool, payload: &[u8]) {
        let Some(pt) = self
            .rtc
            .media(mid)
            .and_then(|m| m.remote_pts().first().copied())
        else {
            return;
        };
        let mut api = self.rtc.direct_api();
        if let Some(tx) = api.stream_tx_by_mid(mid, None) {
            let packet = RtpWrite::new(pt, seq.into(), time, Instant::now(), payload.to_vec());
            tx.write_rtp(packet.marker(marker).nackable(true));
        }
    }

    async fn poll(&mut self) {
        let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
        self.drain().await;
        let mut buffer = [0; 2_000];
        while let Ok((len, from)) = self.socket.try_recv_from(&mut buffer) {
            if let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, &buffer[..len]) {
                let _ = self
                    .rtc
                    .handle_input(Input::Receive(Instant::now(), receive));
                self.drain().await;
            }
        }
    }

    async fn drain(&mut self) {
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(t) => {
                    let _ = self.socket.send_to(&t.contents, t.destination).await;
                }
                Output::Event(Event::Connected) => {
                    self.state.connected.store(true, Ordering::Relaxed);
                }
                Output::Event(Event::Closed) => self.state.closed.store(true, Ordering::Relaxed),
                Output::Event(_) => {}
            }
        }
    }
}

/// Constrained Baseline, level 3.0.
const SPS_640X360: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40];

const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// ue(0) ue(7) ue(0): first macroblock, an I slice, PPS 0.
const IDR: [u8; 3] = [0x65, 0x88, 0xda];

/// ue(0) ue(5) ue(0): first macroblock, a P slice, PPS 0.
const SLICE: [u8; 3] = [0x41, 0x9b, 0x5a];
