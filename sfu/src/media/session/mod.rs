//! One peer connection: a publisher or a subscriber.

mod negotiate;
mod stats;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use packager::rtp::{Codec, MediaKind};
use relay::StreamId;
use str0m::media::{KeyframeRequestKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcError};

pub(crate) use self::negotiate::NewSession;
use self::stats::Totals;
use super::clock::{self, CaptureClock, Report};
use super::codec;
use super::counters::DropReason;
use super::forward::detect::{self, Entry};
use super::forward::rewrite::Rewritten;
use super::forward::subscription::Subscription;
use super::packet::{Extensions, MAX_PAYLOAD, MediaPacket, StreamKey};
use super::slots::SlotKey;
use super::transmit::Transmits;
use crate::worker::api::{Role, SessionId};

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) stream: StreamId,
    pub(crate) room: SlotKey,
    pub(crate) etag: String,
    /// Our ICE user fragment.
    pub(crate) user: String,
    /// Remote candidates taken so far.
    pub(crate) candidates: usize,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) connected: bool,
    /// The session is in the list of those to be drained.
    pub(crate) dirty: bool,
    /// Its earliest entry in the timers.
    pub(crate) armed: Option<Instant>,
    /// When it is closed unless something better happens first.
    pub(crate) deadline: Option<Instant>,
    pub(crate) side: Side,
    rtc: Rtc,
    timeout: Instant,
    /// The offer, for an ICE restart.
    offer: String,
    remote: IceCreds,
    has_restarted: bool,
    local_candidates: Vec<Candidate>,
    first_media: (String, &'static str),
    totals: Vec<Totals>,
}

pub(crate) enum Side {
    Publisher(Publisher),
    Subscriber(Box<Subscriber>),
}

#[derive(Default)]
pub(crate) struct Publisher {
    pub(crate) audio: bool,
    pub(crate) video: bool,
    pub(crate) streams: Vec<Incoming>,
    /// The name under which the relay is to have it.
    pub(crate) relay: Option<StreamId>,
    clock: CaptureClock,
    codecs: Vec<(Pt, Codec)>,
}

/// One incoming RTP stream.
pub(crate) struct Incoming {
    pub(crate) key: StreamKey,
    pub(crate) kind: MediaKind,
    ssrc: Ssrc,
    report: Option<Report>,
    /// Sequence number and time of the newest packet.
    newest: Option<(u64, u32)>,
}

pub(crate) struct Subscriber {
    pub(crate) audio: Option<Outgoing>,
    pub(crate) video: Option<Outgoing>,
}

/// One outgoing RTP stream.
pub(crate) struct Outgoing {
    subscription: Subscription,
    mid: Mid,
    writer: Writer,
}

/// Where the packets of one outgoing RTP stream are written.
struct Writer {
    ssrc: Ssrc,
    payload_types: [Option<Pt>; codec::CODECS],
    sent: u64,
    /// Packets written since the last drain.
    queued: usize,
    /// Packets that wait for the next drain. str0m's queue keeps the room that its longest burst
    /// took, for each subscriber: bursts are fed to it in pieces.
    backlog: VecDeque<(MediaPacket, Rewritten)>,
}

/// The session can go no further and has to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Panicked,
    Failed,
}

/// What went out to one subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) packets: u64,
    /// Of their payloads.
    pub(crate) bytes: u64,
}

impl Written {
    fn note(&mut self, packet: &MediaPacket) {
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
    }
}

/// A sender report that was not known before, in the numbers of its stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewReport {
    pub(crate) kind: MediaKind,
    pub(crate) stream: StreamKey,
    pub(crate) ntp: u64,
    pub(crate) rtp_time: u32,
}

impl Session {
    /// True if the datagram proves by its integrity that it is for this session.
    pub(crate) fn accepts(
        &self,
        now: Instant,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        match Receive::new(Protocol::Udp, source, local, datagram) {
            Ok(receive) => self.rtc.accepts(&Input::Receive(now, receive)),
            Err(_) => false,
        }
    }

    /// Takes a datagram. To be drained before anything else is done to the session.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Result<Result<(), DropReason>, Ended> {
        let Ok(receive) = Receive::new(Protocol::Udp, source, local, datagram) else {
            return Ok(Err(DropReason::SessionInput));
        };
        let input = Input::Receive(now, receive);
        match caught(|| self.rtc.handle_input(input))? {
            Ok(()) => Ok(Ok(())),
            Err(_) if self.rtc.is_alive() => Ok(Err(DropReason::SessionInput)),
            Err(_) => Err(Ended::Failed),
        }
    }

    /// Moves time on, so that what was written can be polled.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Ended> {
        match caught(|| self.rtc.handle_input(Input::Timeout(now)))? {
            Ok(()) => Ok(()),
            Err(_) if self.rtc.is_alive() => Ok(()),
            Err(_) => Err(Ended::Failed),
        }
    }

    /// Takes out everything that is ready.
    pub(crate) fn drain(
        &mut self,
        transmits: &mut Transmits,
        mut event: impl FnMut(Event),
    ) -> Result<(), Ended> {
        let rtc = &mut self.rtc;
        let polled = caught(|| -> Result<Instant, RtcError> {
            // An output that never ends would be a fault of ours or str0m's: bounded all the same.
            for _ in 0..MAX_OUTPUTS {
                match rtc.poll_output()? {
                    Output::Timeout(at) => return Ok(at),
                    Output::Transmit(t) => transmits.push(t.destination, &t.contents),
                    Output::Event(e) => event(e),
                }
            }
            Err(RtcError::RemoteSdp("endless output".to_owned()))
        })?;
        match polled {
            Ok(at) => {
                self.timeout = at;
                if self.rtc.is_alive() {
                    Ok(())
                } else {
                    Err(Ended::Failed)
                }
            }
            Err(_) => Err(Ended::Failed),
        }
    }

    /// When the session wants to be advanced or closed.
    pub(crate) fn next_timeout(&self) -> Instant {
        match self.deadline {
            Some(deadline) => deadline.min(self.timeout),
            None => self.timeout,
        }
    }

    /// Says BYE and writes what is left.
    pub(crate) fn close(&mut self, transmits: &mut Transmits) {
        if matches!(caught(|| self.rtc.close()), Ok(Ok(()))) {
            let _ = self.drain(transmits, |_| {});
        }
    }

    /// A packet from the publisher, as the room wants it.
    pub(crate) fn incoming(
        &mut self,
        packet: RtpPacket,
        next_key: &mut u32,
    ) -> Result<(MediaPacket, Option<NewReport>), DropReason> {
        let Side::Publisher(publisher) = &mut self.side else {
            return Err(DropReason::UnknownMedia);
        };
        let ssrc = packet.header.ssrc;
        let index = match publisher.streams.iter().position(|s| s.ssrc == ssrc) {
            Some(index) => index,
            None => {
                if publisher.streams.len() >= MAX_STREAMS {
                    return Err(DropReason::TooManyStreams);
                }
                let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|s| s.mid());
                let kind = mid
                    .and_then(|mid| self.rtc.media(mid))
                    .map(|m| codec::kind(m.kind()))
                    .ok_or(DropReason::UnknownMedia)?;
                if kind == MediaKind::Video {
                    // Publishers without RTX send again on the same SSRC; str0m would not ask.
                    if let Some(rx) = self.rtc.direct_api().stream_rx(&ssrc) {
                        rx.suppress_nack(false);
                    }
                }
                let key = StreamKey(*next_key);
                *next_key = next_key.wrapping_add(1);
                publisher.streams.push(Incoming {
                    key,
                    kind,
                    ssrc,
                    report: None,
                    newest: None,
                });
                publisher.streams.len() - 1
            }
        };
        let stream = &mut publisher.streams[index];
        let pt = packet.header.payload_type;
        let codec = publisher
            .codecs
            .iter()
            .find(|(known, _)| *known == pt)
            .map(|(_, codec)| *codec)
            .filter(|codec| codec.kind() == stream.kind)
            .ok_or(DropReason::UnknownMedia)?;

        let received = packet.timestamp;
        let mut fresh = None;
        if let Some(info) = packet.last_sender_info {
            let report = Report {
                ntp: info.ntp_time,
                rtp_time: info.rtp_time.numer() as u32,
            };
            if stream.report != Some(report) {
                stream.report = Some(report);
                publisher.clock.handle_report(report, received);
                fresh = Some(NewReport {
                    kind: stream.kind,
                    stream: stream.key,
                    ntp: clock::to_ntp(report.ntp),
                    rtp_time: report.rtp_time,
                });
            }
        }
        let time = packet.header.timestamp;
        let seq = *packet.seq_no;
        let starts_keyframe = match detect::entry(codec, &packet.payload) {
            Entry::Yes => true,
            Entry::No => false,
            Entry::IfFrameStarts => stream
                .newest
                .is_some_and(|(before, other)| before + 1 == seq && other != time),
        };
        if stream.newest.is_none_or(|(newest, _)| newest < seq) {
            stream.newest = Some((seq, time));
        }
        let values = &packet.header.ext_vals;
        let media = MediaPacket {
            stream: stream.key,
            kind: stream.kind,
            codec,
            seq,
            time,
            marker: packet.header.marker,
            starts_keyframe,
            extensions: Extensions {
                audio_level: values.audio_level,
                voice: values.voice_activity,
                orientation: values.video_orientation,
            },
            captured: publisher
                .clock
                .captured(stream.kind, stream.report, time, received),
            received,
            payload: packet.payload,
        };
        Ok((media, fresh))
    }

    /// Asks the publisher for a key frame of one of its streams. False if there is no such stream.
    pub(crate) fn request_keyframe(&mut self, key: StreamKey) -> bool {
        let Side::Publisher(publisher) = &self.side else {
            return false;
        };
        let Some(stream) = publisher.streams.iter().find(|s| s.key == key) else {
            return false;
        };
        match self.rtc.direct_api().stream_rx(&stream.ssrc) {
            Some(rx) => {
                rx.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }

    /// Passes a packet on to this subscriber if it may have it; see [`Subscription::pass`]. To be
    /// drained afterwards.
    pub(crate) fn forward(
        &mut self,
        packet: &MediaPacket,
        target: Option<StreamKey>,
        cached: Option<&[MediaPacket]>,
        now: Instant,
    ) -> Result<Written, DropReason> {
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(DropReason::PayloadTooLarge);
        }
        if !self.connected {
            return Err(DropReason::NotConnected);
        }
        let Side::Subscriber(subscriber) = &mut self.side else {
            return Err(DropReason::UnknownMedia);
        };
        let outgoing = match packet.kind {
            MediaKind::Audio => subscriber.audio.as_mut(),
            MediaKind::Video => subscriber.video.as_mut(),
        }
        .ok_or(DropReason::CodecNotNegotiated)?;
        if outgoing.writer.payload_types[codec::index(packet.codec)].is_none() {
            return Err(DropReason::CodecNotNegotiated);
        }
        let (writer, rtc) = (&mut outgoing.writer, &mut self.rtc);
        let mut written = Written::default();
        outgoing
            .subscription
            .pass(packet, target, cached, now, |packet, numbers| {
                written.note(packet);
                writer.write(rtc, packet, numbers);
            })?;
        Ok(written)
    }

    /// Lets a subscriber in at the cached start of a group of pictures.
    pub(crate) fn enter(&mut self, cached: &[MediaPacket], now: Instant) -> Written {
        let mut written = Written::default();
        let Side::Subscriber(subscriber) = &mut self.side else {
            return written;
        };
        let Some(outgoing) = subscriber.video.as_mut() else {
            return written;
        };
        let table = &outgoing.writer.payload_types;
        let known = |p: &MediaPacket| table[codec::index(p.codec)].is_some();
        if !self.connected || !cached.iter().all(known) {
            return written;
        }
        let (writer, rtc) = (&mut outgoing.writer, &mut self.rtc);
        outgoing.subscription.enter(cached, now, |packet, numbers| {
            written.note(packet);
            writer.write(rtc, packet, numbers);
        });
        written
    }

    /// The incoming stream that this subscriber is sent.
    pub(crate) fn follows(&self, kind: MediaKind) -> Option<StreamKey> {
        let Side::Subscriber(subscriber) = &self.side else {
            return None;
        };
        let outgoing = match kind {
            MediaKind::Audio => subscriber.audio.as_ref(),
            MediaKind::Video => subscriber.video.as_ref(),
        };
        outgoing?.subscription.current()
    }

    /// Writes what has waited for a drain. True if the session is to be drained again.
    pub(crate) fn refill(&mut self) -> bool {
        let Side::Subscriber(subscriber) = &mut self.side else {
            return false;
        };
        let rtc = &mut self.rtc;
        let audio = subscriber
            .audio
            .as_mut()
            .is_some_and(|o| o.writer.refill(rtc));
        let video = subscriber
            .video
            .as_mut()
            .is_some_and(|o| o.writer.refill(rtc));
        audio || video
    }

    /// True if this subscriber wants video and has to wait for a key frame of `target`.
    pub(crate) fn awaits_video(&self, target: Option<StreamKey>) -> bool {
        match &self.side {
            Side::Subscriber(s) => s
                .video
                .as_ref()
                .is_some_and(|v| v.subscription.awaits(target)),
            Side::Publisher(_) => false,
        }
    }

    /// True if the media section is the subscriber's video.
    pub(crate) fn is_video(&self, mid: Mid) -> bool {
        match &self.side {
            Side::Subscriber(s) => s.video.as_ref().is_some_and(|v| v.mid == mid),
            Side::Publisher(_) => false,
        }
    }
}

impl Writer {
    fn write(&mut self, rtc: &mut Rtc, packet: &MediaPacket, numbers: Rewritten) {
        if self.queued >= MAX_QUEUED {
            self.backlog.push_back((packet.clone(), numbers));
            return;
        }
        self.queued += 1;
        self.write_now(rtc, packet, numbers);
    }

    /// Writes what waited, after a drain. True if the session is to be drained again.
    fn refill(&mut self, rtc: &mut Rtc) -> bool {
        self.queued = 0;
        while self.queued < MAX_QUEUED {
            let Some((packet, numbers)) = self.backlog.pop_front() else {
                break;
            };
            self.queued += 1;
            self.write_now(rtc, &packet, numbers);
        }
        if self.backlog.is_empty() && self.backlog.capacity() > 0 {
            self.backlog = VecDeque::new();
        }
        self.queued > 0
    }

    fn write_now(&mut self, rtc: &mut Rtc, packet: &MediaPacket, numbers: Rewritten) {
        let Some(pt) = self.payload_types[codec::index(packet.codec)] else {
            return;
        };
        let values = ExtensionValues {
            audio_level: packet.extensions.audio_level,
            voice_activity: packet.extensions.voice,
            video_orientation: packet.extensions.orientation,
            ..Default::default()
        };
        let write = RtpWrite::new(
            pt,
            numbers.seq.into(),
            numbers.time,
            packet.captured,
            packet.payload.clone(),
        )
        .marker(packet.marker)
        .nackable(packet.kind == MediaKind::Video)
        .ext_vals(values);
        if let Some(tx) = rtc.direct_api().stream_tx(&self.ssrc) {
            tx.write_rtp(write);
            self.sent += 1;
        }
    }
}

/// Runs what may panic on hostile input; the session is given up then, and the others live.
fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Ended> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| Ended::Panicked)
}

/// Most RTP streams of one publisher: four layers and audio, with room for some changes of SSRC.
const MAX_STREAMS: usize = 16;

/// Packets written to str0m between two drains of a session.
const MAX_QUEUED: usize = 16;

/// Most outputs of one drain: far above any burst, for a loop that is sure to end.
const MAX_OUTPUTS: usize = 100_000;
