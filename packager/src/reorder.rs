//! Reorder: packets back in the order of their sequence numbers, waiting a
//! bounded time for those that a retransmission may still bring.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rtp::RtpPacket;

/// How much a [`Reorder`] holds and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct ReorderConfig {
    /// Packets held behind a gap. When they are that many the gap is given up.
    pub max_packets: usize,
    /// Time from the arrival of the first packet behind a gap until the gap is
    /// given up.
    pub max_wait: Duration,
}

impl Default for ReorderConfig {
    /// 512 packets (half a second of a 10 Mbit/s stream) and 200 ms (a
    /// retransmission over 100 ms of round trip, asked for twice).
    fn default() -> Self {
        ReorderConfig {
            max_packets: 512,
            max_wait: Duration::from_millis(200),
        }
    }
}

/// What comes out of a [`Reorder`].
#[derive(Clone, Debug)]
pub enum Ordered {
    /// The next packet; its sequence number is above that of the packet before.
    Packet(RtpPacket),
    /// Packets that will not come any more.
    Gap {
        /// Sequence number of the first one.
        first: u64,
        /// How many; 0 when the sequence started anew elsewhere.
        missing: u64,
    },
}

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPacket {
    /// Its number is none that a sequence reaches.
    #[error("packet number {seq} is above {MAX_SEQ}, the highest there is")]
    Invalid {
        /// The packet's sequence number.
        seq: u64,
    },
    /// Its place in the order has gone by.
    #[error("packet {seq} came after its place in the order had gone by")]
    Late {
        /// The packet's sequence number.
        seq: u64,
    },
    /// It is held already.
    #[error("packet {seq} is held already")]
    Duplicate {
        /// The packet's sequence number.
        seq: u64,
    },
    /// As many packets as allowed are held and nobody takes them out.
    #[error("packet {seq} refused: {held} packets are held, not more are allowed")]
    Full {
        /// The packet's sequence number.
        seq: u64,
        /// Packets held.
        held: usize,
    },
}

/// What a [`Reorder`] has refused and given up so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReorderCounters {
    /// Packets refused for a number that no sequence reaches.
    pub invalid: u64,
    /// Packets refused as late.
    pub late: u64,
    /// Packets refused as duplicates.
    pub duplicate: u64,
    /// Packets refused because too many were held.
    pub full: u64,
    /// Packets that were waited for in vain.
    pub lost: u64,
    /// Times that the sequence started anew far below its place.
    pub restarts: u64,
    /// Held packets thrown away by a restart.
    pub discarded: u64,
}

/// Puts packets of one RTP stream in order.
///
/// After each [`push`](Self::push), call [`pop`](Self::pop) until it has
/// nothing more, and once more at [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct Reorder {
    config: ReorderConfig,
    held: BTreeMap<u64, RtpPacket>,
    next: Option<u64>,
    /// The sequence number that would confirm a restart far below `next`.
    restart: Option<u64>,
    restarted: bool,
    counters: ReorderCounters,
}

impl Reorder {
    /// An empty one. The first packet pushed starts the order.
    pub fn new(config: ReorderConfig) -> Self {
        Reorder {
            config,
            held: BTreeMap::new(),
            next: None,
            restart: None,
            restarted: false,
            counters: ReorderCounters::default(),
        }
    }

    /// Takes a packet in.
    pub fn push(&mut self, packet: RtpPacket) -> Result<(), RefusedPacket> {
        let seq = packet.seq;
        if seq > MAX_SEQ {
            self.counters.invalid += 1;
            return Err(RefusedPacket::Invalid { seq });
        }
        let next = *self.next.get_or_insert(seq);
        if seq < next && !self.confirms_restart(seq, next) {
            self.counters.late += 1;
            return Err(RefusedPacket::Late { seq });
        }
        if self.held.contains_key(&seq) {
            self.counters.duplicate += 1;
            return Err(RefusedPacket::Duplicate { seq });
        }
        if self.held.len() >= self.config.max_packets.max(1) {
            self.counters.full += 1;
            return Err(RefusedPacket::Full {
                seq,
                held: self.held.len(),
            });
        }
        self.held.insert(seq, packet);
        Ok(())
    }

    /// The next packet or gap, if there is one by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Ordered> {
        let next = self.next?;
        if self.restarted {
            self.restarted = false;
            return Some(Ordered::Gap {
                first: next,
                missing: 0,
            });
        }
        if let Some(packet) = self.held.remove(&next) {
            self.next = Some(next.saturating_add(1));
            return Some(Ordered::Packet(packet));
        }
        let (&first_held, _) = self.held.first_key_value()?;
        let is_full = self.held.len() >= self.config.max_packets.max(1);
        if !is_full && self.next_timeout().is_none_or(|timeout| now < timeout) {
            return None;
        }
        let missing = first_held.saturating_sub(next);
        self.counters.lost = self.counters.lost.saturating_add(missing);
        self.next = Some(first_held);
        Some(Ordered::Gap {
            first: next,
            missing,
        })
    }

    /// When to call [`pop`](Self::pop) again, if no packet comes before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let oldest = self.held.values().map(|packet| packet.received).min()?;
        oldest.checked_add(self.config.max_wait)
    }

    /// Packets held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether no packet is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What was refused and given up so far.
    pub fn counters(&self) -> ReorderCounters {
        self.counters
    }

    /// Two packets in sequence far below the place are a sender that started
    /// anew (RFC 3550 §A.1); one alone is a stray.
    fn confirms_restart(&mut self, seq: u64, next: u64) -> bool {
        if next - seq <= MAX_MISORDER {
            return false;
        }
        if self.restart != Some(seq) {
            self.restart = seq.checked_add(1);
            return false;
        }
        self.restart = None;
        self.restarted = true;
        self.next = Some(seq);
        self.counters.restarts += 1;
        self.counters.discarded += self.held.len() as u64;
        self.held.clear();
        true
    }
}

/// The highest extended sequence number: 48 bits, as the packet index of SRTP
/// (RFC 3711 §3.3.1). Above it the order would have an end, where the same
/// number came out again and again.
const MAX_SEQ: u64 = (1 << 48) - 1;

/// A packet further below its place than this cannot be a retransmission any
/// more: ten seconds of a busy stream. RFC 3550 §A.1 has 100, from the time
/// before retransmissions.
const MAX_MISORDER: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn packet(seq: u64, received: Instant) -> RtpPacket {
        RtpPacket {
            seq,
            time: 0,
            marker: false,
            payload: Arc::from([]),
            received,
        }
    }

    fn drain(reorder: &mut Reorder, now: Instant) -> Vec<i64> {
        // A packet is its number, a gap minus the packets missing.
        std::iter::from_fn(|| reorder.pop(now))
            .map(|ordered| match ordered {
                Ordered::Packet(packet) => packet.seq as i64,
                Ordered::Gap { missing, .. } => -(missing as i64),
            })
            .collect()
    }

    fn small() -> Reorder {
        Reorder::new(ReorderConfig {
            max_packets: 4,
            max_wait: Duration::from_millis(100),
        })
    }

    #[test]
    fn packets_in_order_pass_at_once() {
        let now = Instant::now();
        let mut reorder = small();
        for seq in 10..13 {
            assert_eq!(reorder.push(packet(seq, now)), Ok(()));
            assert_eq!(drain(&mut reorder, now), [seq as i64]);
        }
        assert_eq!(reorder.next_timeout(), None);
    }

    #[test]
    fn a_late_packet_closes_the_gap() {
        let now = Instant::now();
        let mut reorder = small();
        for seq in [10, 12, 13] {
            assert_eq!(reorder.push(packet(seq, now)), Ok(()));
        }
        assert_eq!(drain(&mut reorder, now), [10]);
        assert_eq!(reorder.push(packet(11, now)), Ok(()));
        assert_eq!(drain(&mut reorder, now), [11, 12, 13]);
        assert_eq!(reorder.counters(), ReorderCounters::default());
    }

    #[test]
    fn a_gap_is_given_up_at_its_timeout_and_not_before() {
        let start = Instant::now();
        let mut reorder = small();
        for (seq, ms) in [(10, 0), (13, 20), (12, 40)] {
            assert_eq!(
                reorder.push(packet(seq, start + Duration::from_millis(ms))),
                Ok(())
            );
        }
        let timeout = start + Duration::from_millis(120);
        assert_eq!(
            reorder.next_timeout(),
            Some(start + Duration::from_millis(100))
        );
        assert_eq!(drain(&mut reorder, start), [10]);
        assert_eq!(reorder.next_timeout(), Some(timeout));
        assert_eq!(
            drain(&mut reorder, timeout - Duration::from_nanos(1)),
            Vec::<i64>::new()
        );
        assert_eq!(drain(&mut reorder, timeout), [-1, 12, 13]);
        assert_eq!(
            reorder.push(packet(11, timeout)),
            Err(RefusedPacket::Late { seq: 11 })
        );
        assert_eq!(
            reorder.counters(),
            ReorderCounters {
                lost: 1,
                late: 1,
                ..Default::default()
            }
        );
    }

    #[test]
    fn a_gap_is_given_up_when_too_many_packets_are_held() {
        let now = Instant::now();
        let mut reorder = small();
        for seq in [10, 12, 13, 14, 15] {
            assert_eq!(reorder.push(packet(seq, now)), Ok(()));
            let _ = drain(&mut reorder, now);
        }
        assert!(reorder.is_empty());
        assert_eq!(reorder.counters().lost, 1);
    }

    #[test]
    fn what_nobody_takes_out_is_bounded() {
        let now = Instant::now();
        let mut reorder = small();
        for seq in 0..4 {
            assert_eq!(reorder.push(packet(seq, now)), Ok(()));
        }
        assert_eq!(
            reorder.push(packet(4, now)),
            Err(RefusedPacket::Full { seq: 4, held: 4 })
        );
        assert_eq!(
            reorder.push(packet(3, now)),
            Err(RefusedPacket::Duplicate { seq: 3 })
        );
        assert_eq!(reorder.len(), 4);
        assert_eq!(reorder.counters().full, 1);
    }

    #[test]
    fn a_number_that_no_sequence_reaches_is_refused() {
        let now = Instant::now();
        let mut reorder = small();
        assert_eq!(reorder.push(packet(MAX_SEQ, now)), Ok(()));
        for seq in [MAX_SEQ + 1, u64::MAX, u64::MAX] {
            assert_eq!(
                reorder.push(packet(seq, now)),
                Err(RefusedPacket::Invalid { seq })
            );
        }
        assert_eq!(drain(&mut reorder, now), [MAX_SEQ as i64]);
        assert_eq!(reorder.counters().invalid, 3);
    }

    #[test]
    fn a_sender_that_starts_anew_below_is_followed_and_a_stray_is_not() {
        let now = Instant::now();
        let mut reorder = small();
        assert_eq!(reorder.push(packet(50_000, now)), Ok(()));
        assert_eq!(drain(&mut reorder, now), [50_000]);
        assert_eq!(
            reorder.push(packet(7, now)),
            Err(RefusedPacket::Late { seq: 7 })
        );
        assert_eq!(reorder.push(packet(50_001, now)), Ok(()));
        assert_eq!(
            reorder.push(packet(90, now)),
            Err(RefusedPacket::Late { seq: 90 })
        );
        assert_eq!(reorder.push(packet(91, now)), Ok(()));
        assert_eq!(drain(&mut reorder, now), [0, 91]);
        assert_eq!(reorder.counters().restarts, 1);
        assert_eq!(reorder.counters().discarded, 1);
    }

    proptest! {
        #[test]
        fn order_holds_and_nothing_is_invented(
            pushes in prop::collection::vec((0u64..60, 0u64..40), 1..200)
        ) {
            let mut now = Instant::now();
            let mut reorder = small();
            let (mut accepted, mut out, mut last) = (0usize, 0usize, None);
            for (seq, wait) in pushes {
                now += Duration::from_millis(wait);
                accepted += usize::from(reorder.push(packet(seq, now)).is_ok());
                while let Some(ordered) = reorder.pop(now) {
                    if let Ordered::Packet(packet) = ordered {
                        prop_assert!(last < Some(packet.seq));
                        last = Some(packet.seq);
                        out += 1;
                    }
                }
                prop_assert!(reorder.len() < 4);
            }
            let _ = drain(&mut reorder, now + Duration::from_secs(1));
            prop_assert!(reorder.is_empty());
            prop_assert!(out <= accepted);
        }

        #[test]
        fn extreme_sequence_numbers_never_panic(seqs in prop::collection::vec(
            prop_oneof![any::<u64>(), Just(u64::MAX), Just(0), Just(u64::MAX - 1)], 1..50)
        ) {
            let now = Instant::now();
            let mut reorder = small();
            for seq in seqs {
                let _ = reorder.push(packet(seq, now));
                let _ = drain(&mut reorder, now + Duration::from_secs(1));
            }
        }
    }
}
