//! What is done for a session whose network loses much.
//!
//! A lost packet costs a round trip for each time that its request or the packet itself is lost
//! again. Where that is likely, what repairs goes out twice: our RTCP to a publisher, and
//! retransmissions to a subscriber. The copy is the same datagram, of which SRTP takes one
//! (RFC 3711 §3.3.2); it costs some percent of the media, and half of the later round trips.

use std::collections::BTreeSet;

use str0m::Rtc;

use super::{Session, Side};

/// Whether a session is a lossy one.
#[derive(Debug, Default)]
pub(super) struct Repair {
    /// NACKs since the last judgement, and packets of media.
    nacks: u64,
    packets: u64,
    is_lossy: bool,
    /// The payload types of retransmissions to a subscriber; none to a publisher.
    rtx: BTreeSet<u8>,
}

impl Repair {
    /// Counts what statistics say.
    pub(super) fn note(&mut self, nacks: u64, packets: u64) {
        self.nacks += nacks;
        self.packets += packets;
    }

    /// Judges by what was counted since the last time. Loss as receiver reports have it would not
    /// do: what was repaired may be left out there.
    fn judge(&mut self) -> bool {
        let (nacks, packets) = (
            std::mem::take(&mut self.nacks),
            std::mem::take(&mut self.packets),
        );
        self.is_lossy = nacks > 0 && nacks.saturating_mul(LOSSY) >= packets;
        self.is_lossy
    }

    /// True if a datagram is to be sent twice.
    pub(super) fn repeats(&self, datagram: &[u8]) -> bool {
        if !self.is_lossy {
            return false;
        }
        match datagram {
            [128..=191, 192..=223, ..] => self.rtx.is_empty(),
            // Not padding, which has the P bit.
            [first @ 128..=191, second, ..] => {
                first & PADDING == 0 && self.rtx.contains(&(second & 0x7f))
            }
            _ => false,
        }
    }
}

impl Session {
    /// Judges the network by the newest statistics.
    pub(super) fn mend(&mut self) {
        if self.repair.judge() && matches!(self.side, Side::Subscriber(_)) {
            self.repair.rtx = resends(&self.rtc);
        }
    }
}

fn resends(rtc: &Rtc) -> BTreeSet<u8> {
    let params = rtc.codec_config().params().iter();
    params
        .filter_map(|params| params.resend())
        .map(|pt| *pt)
        .collect()
}

/// A session with a NACK, which may name many packets, for so many packets is a lossy one.
const LOSSY: u64 = 50;

/// The P bit of RTP (RFC 3550 §5.1).
const PADDING: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    const RTCP: &[u8] = &[129, 205, 0, 3];
    const MEDIA: &[u8] = &[144, 128 | 108, 0, 1];
    const RTX: &[u8] = &[144, 128 | 109, 0, 1];
    const PROBE: &[u8] = &[144 | PADDING, 109, 0, 1];
    const DTLS: &[u8] = &[22, 254, 253, 0];

    fn twice(repair: &Repair) -> [bool; 5] {
        [RTCP, MEDIA, RTX, PROBE, DTLS].map(|datagram| repair.repeats(datagram))
    }

    fn lossy(rtx: &[u8]) -> Repair {
        Repair {
            is_lossy: true,
            rtx: rtx.iter().copied().collect(),
            ..Repair::default()
        }
    }

    #[test]
    fn what_repairs_goes_out_twice_and_nothing_else() {
        assert_eq!(twice(&Repair::default()), [false; 5]);
        assert_eq!(twice(&lossy(&[])), [true, false, false, false, false]);
        let to_subscriber = twice(&lossy(&[109, 97]));
        assert_eq!(to_subscriber, [false, false, true, false, false]);
    }

    #[test]
    fn a_nack_for_fifty_packets_is_loss_until_there_are_fewer() {
        let mut repair = Repair::default();
        assert!(!repair.judge());
        repair.note(4, 200);
        assert!(repair.judge());
        repair.note(4, 201);
        assert!(!repair.judge());
        repair.note(0, 0);
        assert!(!repair.judge());
    }
}
