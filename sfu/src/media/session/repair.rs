//! What is done for a session whose network loses much.
//!
//! A lost packet costs a round trip for each time that its request or the packet itself is lost
//! again. Where that is likely, what repairs goes out twice: our RTCP to a publisher, and
//! retransmissions to a subscriber. The copy is the same datagram, of which SRTP takes one
//! (RFC 3711 §3.3.2); it costs some percent of the media, and half of the later round trips.
//!
//! A link that loses because it is full is not filled further: there are no copies while packets
//! stand in a queue, and never more than a part of the media.
//!
//! Its pictures are held back for as long as repair takes: see [`hold`](super::hold).

use std::time::{Duration, Instant};

use str0m::Rtc;

use super::hold::{Hold, Ramp};
use super::subscriber::Subscriber;
use super::{Session, Side};

/// Whether a session is a lossy one.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// NACKs since the last judgement, and packets of media.
    nacks: u64,
    packets: u64,
    is_lossy: bool,
    least_rtt: Option<Duration>,
    /// The SSRCs of retransmissions to a subscriber; none to a publisher.
    rtx: Vec<u32>,
    /// Retransmissions that may go out twice until the next judgement.
    copies: u64,
    hold: Hold,
}

impl Repair {
    /// Counts what statistics say.
    pub(super) fn note(&mut self, nacks: u64, packets: u64) {
        self.nacks += nacks;
        self.packets += packets;
    }

    /// Judges by what was counted since the last time. Loss as receiver reports have it would not
    /// do: what was repaired may be left out there.
    fn judge(&mut self, now: Instant, rtt: Option<Duration>) -> bool {
        let (nacks, packets) = (
            std::mem::take(&mut self.nacks),
            std::mem::take(&mut self.packets),
        );
        if let Some(rtt) = rtt {
            self.least_rtt = Some(self.least_rtt.map_or(rtt, |least| least.min(rtt)));
        }
        let is_queued = |rtt| self.least_rtt.is_some_and(|least| rtt >= least + QUEUED);
        self.is_lossy =
            nacks > 0 && nacks.saturating_mul(LOSSY) >= packets && !rtt.is_some_and(is_queued);
        self.copies = packets / COPIES;
        let again = self.is_lossy.then(|| nacks as f64 / packets.max(1) as f64);
        self.hold.note(now, again, rtt);
        self.is_lossy
    }

    /// How long pictures are to be held back; `None` if nobody needs to be told.
    pub(super) fn hold(&mut self, now: Instant) -> Option<Duration> {
        self.hold.asked(now).map(|ramp| ramp.at(now))
    }

    /// True if a datagram is to be sent twice.
    pub(super) fn repeats(&mut self, datagram: &[u8]) -> bool {
        if !self.is_lossy {
            return false;
        }
        match datagram {
            [128..=191, 192..=223, ..] => self.rtx.is_empty(),
            // Not padding, which has the P bit.
            [first @ 128..=191, _, _, _, _, _, _, _, a, b, c, d, ..] => {
                let ssrc = u32::from_be_bytes([*a, *b, *c, *d]);
                let is_rtx = first & PADDING == 0 && self.rtx.contains(&ssrc);
                let may = is_rtx && self.copies > 0;
                self.copies -= u64::from(may);
                may
            }
            _ => false,
        }
    }
}

impl Session {
    /// Judges the network by the newest statistics.
    pub(super) fn mend(&mut self, now: Instant) {
        let is_lossy = self.repair.judge(now, self.figures.rtt);
        let Side::Subscriber(subscriber) = &mut self.side else {
            return;
        };
        if is_lossy {
            self.repair.rtx = subscriber.resends(&mut self.rtc);
        }
        subscriber.set_hold(self.repair.hold.asked(now));
    }
}

impl Subscriber {
    /// The SSRCs of retransmissions. Payload types would not do: those of codecs that the client
    /// has not taken may be the client's numbers for others.
    fn resends(&self, rtc: &mut Rtc) -> Vec<u32> {
        let mut api = rtc.direct_api();
        let outgoing = self.lines.iter().filter_map(|line| line.outgoing.as_ref());
        outgoing
            .filter_map(|outgoing| api.stream_tx(&outgoing.writer.ssrc)?.rtx())
            .map(|ssrc| *ssrc)
            .collect()
    }

    /// What is asked of the client with each packet from now on.
    fn set_hold(&mut self, hold: Option<Ramp>) {
        let outgoing = self.lines.iter_mut().filter_map(|l| l.outgoing.as_mut());
        for outgoing in outgoing {
            outgoing.writer.hold = hold;
        }
    }
}

/// A session with a NACK, which may name many packets, for so many packets is a lossy one.
const LOSSY: u64 = 50;

/// Packets that wait for so long beyond the least round trip stand in a queue that is full.
const QUEUED: Duration = Duration::from_millis(100);

/// One copy for so many packets of media, as many as a quarter of them lost needs.
const COPIES: u64 = 4;

/// The P bit of RTP (RFC 3550 §5.1).
const PADDING: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    const RTCP: &[u8] = &[129, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, 9];
    const MEDIA: &[u8] = &[144, 128 | 108, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8];
    const RTX: &[u8] = &[144, 128 | 109, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    const PROBE: &[u8] = &[144 | PADDING, 109, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    const DTLS: &[u8] = &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 9];

    fn twice(mut repair: Repair) -> [bool; 5] {
        [RTCP, MEDIA, RTX, PROBE, DTLS].map(|datagram| repair.repeats(datagram))
    }

    fn lossy(rtx: &[u32]) -> Repair {
        Repair {
            is_lossy: true,
            rtx: rtx.to_vec(),
            copies: 2,
            ..Repair::default()
        }
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn what_repairs_goes_out_twice_and_nothing_else() {
        assert_eq!(twice(Repair::default()), [false; 5]);
        assert_eq!(twice(lossy(&[])), [true, false, false, false, false]);
        let to_subscriber = twice(lossy(&[9, 7]));
        assert_eq!(to_subscriber, [false, false, true, false, false]);
    }

    #[test]
    fn copies_are_a_part_of_the_media_at_most() {
        let now = Instant::now();
        let mut repair = lossy(&[9]);
        assert_eq!([RTX; 3].map(|rtx| repair.repeats(rtx)), [true, true, false]);
        repair.note(9, 400);
        assert!(repair.judge(now, None));
        let copies = (0..400).filter(|_| repair.repeats(RTX)).count();
        assert_eq!(copies, 100);
    }

    #[test]
    fn a_nack_for_fifty_packets_is_loss_until_there_are_fewer() {
        let now = Instant::now();
        let mut repair = Repair::default();
        assert!(!repair.judge(now, None));
        repair.note(4, 200);
        assert!(repair.judge(now, None));
        repair.note(4, 201);
        assert!(!repair.judge(now, None));
        repair.note(0, 0);
        assert!(!repair.judge(now, None));
    }

    #[test]
    fn a_full_queue_gets_no_copies() {
        let now = Instant::now();
        let mut repair = Repair::default();
        for (rtt, is_lossy) in [
            (ms(300), true),
            (ms(240), true),
            (ms(339), true),
            (ms(340), false),
            (None, true),
            (ms(900), false),
            (ms(250), true),
        ] {
            repair.note(10, 100);
            assert_eq!(repair.judge(now, rtt), is_lossy, "{rtt:?}");
        }
    }
}
