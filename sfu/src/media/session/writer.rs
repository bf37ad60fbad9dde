//! Where the packets of one outgoing RTP stream are written.

use std::collections::VecDeque;
use std::time::Duration;

use packager::rtp::{Codec, MediaKind};
use str0m::Rtc;
use str0m::media::{MediaTime, Pt};
use str0m::rtp::{ExtensionValues, RtpWrite, Ssrc, StreamTx};

use super::hold::Ramp;
use crate::media::codec;
use crate::media::forward::rewrite::Rewritten;
use crate::media::packet::MediaPacket;
use crate::media::red::History;

pub(super) struct Writer {
    pub(super) ssrc: Ssrc,
    pub(super) payload_types: PayloadTypes,
    pub(super) sent: u64,
    /// How long the client is to hold pictures back for its own network.
    pub(super) hold: Option<Ramp>,
    /// Packets of a video that are kept to be sent again.
    kept: usize,
    /// What sound is repeated of, where the line has RED.
    history: History,
    /// Packets written since the last drain.
    queued: usize,
    /// Packets that wait for the next drain. str0m's queue keeps the room that its longest burst
    /// took, for each subscriber: bursts are fed to it in pieces.
    backlog: VecDeque<(MediaPacket, Rewritten, Pt)>,
}

/// What a media section has been negotiated to carry.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PayloadTypes {
    pub(super) codecs: [Option<Pt>; codec::CODECS],
    /// Of redundant Opus (RED).
    pub(super) red: Option<Pt>,
}

impl PayloadTypes {
    pub(super) fn of(&self, codec: Codec) -> Option<Pt> {
        self.codecs[codec::index(codec)]
    }
}

impl Writer {
    pub(super) fn new(ssrc: Ssrc, payload_types: PayloadTypes) -> Self {
        Self {
            ssrc,
            payload_types,
            sent: 0,
            hold: None,
            kept: RTX_PACKETS,
            history: History::default(),
            queued: 0,
            backlog: VecDeque::new(),
        }
    }

    /// Sends nothing again of what was sent so far.
    pub(super) fn give_up_repair(&self, rtc: &mut Rtc) {
        if let Some(tx) = rtc.direct_api().stream_tx(&self.ssrc) {
            tx.set_rtx_cache(self.kept, RTX_AGE, Some(RTX_RATIO));
        }
    }

    /// Keeps as many packets of a video as it sends in half a second at so many bits a second. What
    /// was sent before is not sent again then.
    pub(super) fn keep_for(&mut self, rtc: &mut Rtc, bps: u64) {
        let packets = usize::try_from(bps / (2 * PACKET_BITS)).unwrap_or(usize::MAX);
        let kept = packets.clamp(RTX_PACKETS, MAX_RTX_PACKETS);
        // Rates move all the time, and what is kept goes with each change.
        if kept > self.kept + self.kept / 2 {
            self.kept = kept;
            self.give_up_repair(rtc);
        }
    }

    /// Forgets what has not been written yet.
    pub(super) fn clear(&mut self) {
        self.backlog = VecDeque::new();
    }

    /// Writes a packet; of sound, with so many of those before it. True if any were.
    pub(super) fn write(
        &mut self,
        rtc: &mut Rtc,
        packet: &MediaPacket,
        numbers: Rewritten,
        repeated: usize,
    ) -> bool {
        let Some(pt) = self.payload_types.of(packet.codec) else {
            return false;
        };
        let red = self.payload_types.red;
        let Some(red) = red.filter(|_| packet.codec == Codec::Opus) else {
            self.queue(rtc, packet, numbers, pt);
            return false;
        };
        let payload = &packet.payload;
        let redundant = self.history.with_repeated(*pt, numbers, payload, repeated);
        self.history.push(numbers, payload);
        let Some(payload) = redundant else {
            self.queue(rtc, packet, numbers, pt);
            return false;
        };
        let packet = MediaPacket {
            payload,
            ..packet.clone()
        };
        self.queue(rtc, &packet, numbers, red);
        true
    }

    fn queue(&mut self, rtc: &mut Rtc, packet: &MediaPacket, numbers: Rewritten, pt: Pt) {
        if self.queued >= MAX_QUEUED {
            self.backlog.push_back((packet.clone(), numbers, pt));
            return;
        }
        self.queued += 1;
        self.write_now(rtc, packet, numbers, pt);
    }

    /// Writes what waited, after a drain. True if the session is to be drained again.
    pub(super) fn refill(&mut self, rtc: &mut Rtc) -> bool {
        self.queued = 0;
        while self.queued < MAX_QUEUED {
            let Some((packet, numbers, pt)) = self.backlog.pop_front() else {
                break;
            };
            self.queued += 1;
            self.write_now(rtc, &packet, numbers, pt);
        }
        if self.backlog.is_empty() && self.backlog.capacity() > 0 {
            self.backlog = VecDeque::new();
        }
        self.queued > 0
    }

    fn write_now(&mut self, rtc: &mut Rtc, packet: &MediaPacket, numbers: Rewritten, pt: Pt) {
        let mut values = ExtensionValues {
            audio_level: packet.extensions.audio_level,
            voice_activity: packet.extensions.voice,
            video_orientation: packet.extensions.orientation,
            ..Default::default()
        };
        if let Some(dependency) = &packet.dependency
            && has_descriptors(packet.codec)
        {
            let bytes = &dependency.description.bytes;
            bytes.put(dependency.frame_number, &mut values);
        }
        let own = self.hold.map(|ramp| ramp.at(packet.received));
        let hold = packet.extensions.hold.max(own);
        if let Some(hold) = hold.filter(|_| packet.kind == MediaKind::Video) {
            let hundredths = u64::try_from(hold.as_millis() / 10).unwrap_or(0);
            values.play_delay_min = Some(MediaTime::from_hundredths(hundredths));
            values.play_delay_max = Some(MediaTime::from_hundredths(LONGEST_PLAY_DELAY));
        }
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

/// Keeps the packets of a video from now on, and none that were sent before.
pub(super) fn keep_for_repair(tx: &mut StreamTx) {
    tx.set_rtx_cache(RTX_PACKETS, RTX_AGE, Some(RTX_RATIO));
}

/// True if receivers are told of the layers by descriptors. Those of the other codecs do without,
/// and would take the numbers of pictures in the payload for something else than before.
fn has_descriptors(codec: Codec) -> bool {
    matches!(codec, Codec::Av1 | Codec::Vp9)
}

/// Packets written to str0m between two drains of a session.
const MAX_QUEUED: usize = 16;

/// Packets kept for retransmission: half a second of a 1.7 Mbit/s stream. Each costs 432 bytes of
/// bookkeeping for each subscriber; the payload is shared.
const RTX_PACKETS: usize = 96;

/// The same for the best streams: half a second of 7 Mbit/s.
const MAX_RTX_PACKETS: usize = 400;

/// Of a packet of a stream that sends many.
const PACKET_BITS: u64 = 8 * 1_100;

/// What libwebrtc takes for no bound, in hundredths of a second.
const LONGEST_PLAY_DELAY: u64 = 1_000;

/// Older packets are of no use: a player has given them up.
const RTX_AGE: Duration = Duration::from_secs(1);

/// Retransmissions may be this part of what is sent.
const RTX_RATIO: f32 = 0.3;
