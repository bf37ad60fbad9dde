//! Receives a broadcast by one session and measures what comes.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind};
use str0m::net::Transmit;
use str0m::rtp::RtpPacket;
use str0m::{Event, Rtc};

use super::answer::{AnswerError, CandidateFilter};
use super::keyframe::{KeyframeWatch, Progress};
use super::peer::{Driver, Peer, PeerFactory};
use super::tally::{Place, Received, Window};
use crate::stamp::{Mark, Stamp};

/// How a subscriber behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriberConfig {
    /// Where stamps count their time from: the publisher's epoch.
    pub epoch: Instant,
    /// Whether to ask for a key frame (PLI) as a browser does: at the first
    /// frame that is none, and again each 200 ms until one is whole.
    pub asks_for_keyframe: bool,
}

/// When a join reached which point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// ICE and DTLS are done.
    pub connected: Option<Instant>,
    /// The last packet of the first whole key frame was decrypted.
    pub keyframe: Option<Instant>,
}

/// The subscriber's session.
pub struct Subscriber {
    peer: Peer,
    config: SubscriberConfig,
    milestones: Milestones,
    stats: Stats,
    watch: KeyframeWatch,
    last_request: Option<Instant>,
}

/// What a subscriber counts while it lives, measured window or not.
#[derive(Clone, Debug, Default)]
struct Stats {
    window: Option<Window>,
    received: Received,
    damaged: u64,
    unstamped: u64,
    plis_sent: u64,
}

/// What one subscriber has to say after a window.
#[derive(Clone, Debug, Default)]
pub struct SubscriberReport {
    /// What came of the window.
    pub received: Received,
    /// Packets of the window that did not come.
    pub missing: u64,
    /// Packets whose checksum does not agree, since the join.
    pub damaged: u64,
    /// Packets that carry no stamp, since the join.
    pub unstamped: u64,
    /// Key frame requests sent, since the join.
    pub plis_sent: u64,
}

impl Subscriber {
    /// Offers to receive both tracks on `local`. Returns the SDP offer.
    ///
    /// # Errors
    ///
    /// When `local` cannot be an ICE candidate (an unspecified address).
    pub fn new(
        factory: &PeerFactory,
        config: SubscriberConfig,
        local: SocketAddr,
        now: Instant,
    ) -> anyhow::Result<(Subscriber, String)> {
        let (peer, offer, ()) = Peer::offer(factory.config(), local, now, |change| {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                change.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        })?;
        let subscriber = Subscriber {
            peer,
            config,
            milestones: Milestones::default(),
            stats: Stats::default(),
            watch: KeyframeWatch::default(),
            last_request: None,
        };
        Ok((subscriber, offer))
    }

    /// Takes the answer; the session then connects.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn accept_answer(
        &mut self,
        answer: &str,
        filter: CandidateFilter,
    ) -> Result<(), AnswerError> {
        self.peer.accept_answer(answer, filter)
    }

    /// How far the join has come.
    pub fn milestones(&self) -> Milestones {
        self.milestones
    }

    /// Measures the packets that the publisher numbers with `range`.
    pub fn open_window(&mut self, range: Range<u64>) {
        self.stats.window = Some(Window::new(range));
        self.stats.received = Received::default();
    }

    /// What came of the window, which ends.
    pub fn close_window(&mut self) -> SubscriberReport {
        let window = self.stats.window.take();
        SubscriberReport {
            received: std::mem::take(&mut self.stats.received),
            missing: window.map_or(0, |window| window.missing()),
            damaged: self.stats.damaged,
            unstamped: self.stats.unstamped,
            plis_sent: self.stats.plis_sent,
        }
    }

    /// Why the session ended by itself, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.peer.failure()
    }
}

impl Driver for Subscriber {
    fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        self.peer.handle_datagram(now, source, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.peer.handle_timeout(now);
    }

    fn poll(&mut self, now: Instant, outbox: &mut Vec<Transmit>) -> Option<Instant> {
        let Subscriber {
            peer,
            config,
            milestones,
            stats,
            watch,
            last_request,
        } = self;
        peer.poll(outbox, |rtc, event| match event {
            Event::Connected => milestones.connected = Some(now),
            Event::RtpPacket(packet) => {
                stats.handle(now, config.epoch, &packet.payload);
                if milestones.keyframe.is_some() || !is_h264(rtc, &packet) {
                    return;
                }
                let header = &packet.header;
                let seq = *packet.seq_no;
                match watch.handle(seq, header.timestamp, header.marker, &packet.payload) {
                    Progress::Complete => milestones.keyframe = Some(now),
                    Progress::NotKeyframe
                        if config.asks_for_keyframe
                            && last_request.is_none_or(|at| now >= at + REQUEST_INTERVAL)
                            && request_keyframe(rtc, &packet) =>
                    {
                        *last_request = Some(now);
                        stats.plis_sent += 1;
                    }
                    _ => {}
                }
            }
            _ => {}
        })
    }

    fn close(&mut self) {
        self.peer.close();
    }
}

impl Stats {
    fn handle(&mut self, now: Instant, epoch: Instant, payload: &[u8]) {
        let stamp = match Stamp::read(payload) {
            Mark::Whole(stamp) => stamp,
            Mark::Damaged => {
                self.damaged += 1;
                return;
            }
            Mark::None => {
                self.unstamped += 1;
                return;
            }
        };
        let Some(window) = &mut self.window else {
            return;
        };
        match window.handle(stamp.index) {
            Place::Outside => {}
            Place::Again => self.received.duplicates += 1,
            Place::New => {
                let sent = epoch + Duration::from_micros(stamp.sent_micros);
                let received = &mut self.received;
                received.packets += 1;
                received.payload_bytes += payload.len() as u64;
                received.delay.record(now.saturating_duration_since(sent));
            }
        }
    }
}

/// How often browsers repeat a request while they wait for a key frame.
const REQUEST_INTERVAL: Duration = Duration::from_millis(200);

fn is_h264(rtc: &Rtc, packet: &RtpPacket) -> bool {
    rtc.codec_config().params().iter().any(|params| {
        params.pt() == packet.header.payload_type && params.spec().codec == Codec::H264
    })
}

fn request_keyframe(rtc: &mut Rtc, packet: &RtpPacket) -> bool {
    match rtc.direct_api().stream_rx(&packet.header.ssrc) {
        Some(stream) => {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            true
        }
        None => false,
    }
}
