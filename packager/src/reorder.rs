//! Reorder: packets back in the order of their sequence numbers, waiting a
//! bounded time for those that a retransmission may still bring.
//!
//! Where nothing is missing nothing waits. Where something is, what is behind it
//! waits for as long as [`Patience`] has learnt from the packets that came late,
//! those included that came after they were given up.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::patience::{Patience, Waits};
use crate::rtp::RtpPacket;

/// How much a [`Reorder`] holds and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct ReorderConfig {
    /// Packets held behind a gap. When they are that many the gap is given up.
    pub max_packets: usize,
    /// Time from the arrival of the first packet behind a gap until the gap is
    /// given up.
    pub waits: Waits,
}

impl Default for ReorderConfig {
    /// 1,024 packets (800 ms of a 12 Mbit/s stream), and the waits for
    /// retransmissions.
    fn default() -> Self {
        ReorderConfig {
            max_packets: 1_024,
            waits: Waits::RETRANSMITTED,
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
    /// Packets that closed a gap in time.
    pub recovered: u64,
    /// Time for which packets waited behind gaps.
    pub waited: Duration,
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
    /// The next new packet is of another source.
    is_switching: bool,
    /// What is missing below is not waited for.
    given_up_below: u64,
    /// The number whose absence was doubted already.
    doubted: Option<u64>,
    patience: Patience,
    /// The highest number that came, and the gaps below it: from, to, and when
    /// they were found. The newest ones only, closed or not.
    highest: Option<u64>,
    gaps: VecDeque<(u64, u64, Instant)>,
    /// Since when packets wait behind a gap.
    waiting_since: Option<Instant>,
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
            is_switching: false,
            given_up_below: 0,
            doubted: None,
            patience: Patience::new(config.waits),
            highest: None,
            gaps: VecDeque::new(),
            waiting_since: None,
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
        self.learn(seq, packet.received);
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
        if std::mem::take(&mut self.is_switching) {
            self.given_up_below = seq;
        }
        if self.highest.is_some_and(|highest| seq < highest) {
            self.counters.recovered += 1;
        }
        self.highest = self.highest.max(Some(seq));
        self.held.insert(seq, packet);
        Ok(())
    }

    /// Says that what comes from here on is of another source: what is missing
    /// before it will not come.
    pub fn switch(&mut self) {
        self.is_switching = true;
    }

    /// True once for each gap that is hardly worth waiting for: longer than the
    /// slowest packet took that came of late. Asking for a key frame then saves
    /// a round trip.
    pub fn poll_doubt(&mut self, now: Instant) -> bool {
        let is_due = self.next_doubt().is_some_and(|at| at <= now);
        if is_due {
            self.doubted = self.next;
        }
        is_due
    }

    /// When to call [`poll_doubt`](Self::poll_doubt).
    pub fn next_doubt(&self) -> Option<Instant> {
        if self.doubted == self.next {
            return None;
        }
        self.oldest()?.checked_add(self.patience.wait() / 2)
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
            self.end_wait(now);
            self.next = Some(next.saturating_add(1));
            return Some(Ordered::Packet(packet));
        }
        let (&first_held, _) = self.held.first_key_value()?;
        let is_full = self.held.len() >= self.config.max_packets.max(1);
        let is_given_up = is_full || next < self.given_up_below;
        if !is_given_up && self.next_timeout().is_none_or(|timeout| now < timeout) {
            self.waiting_since.get_or_insert(now);
            return None;
        }
        self.end_wait(now);
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
        self.oldest()?.checked_add(self.patience.wait())
    }

    fn oldest(&self) -> Option<Instant> {
        self.held.values().map(|packet| packet.received).min()
    }

    fn end_wait(&mut self, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.counters.waited += now.saturating_duration_since(since);
        }
    }

    /// Notes a gap below `seq`, or that a packet of one has come.
    fn learn(&mut self, seq: u64, received: Instant) {
        let Some(highest) = self.highest else { return };
        if seq <= highest {
            let gap = self
                .gaps
                .iter()
                .rfind(|(from, to, _)| (*from..*to).contains(&seq));
            // What is held is a copy, and tells nothing.
            if let Some((_, _, found)) = gap
                && !self.held.contains_key(&seq)
            {
                let after = received.saturating_duration_since(*found);
                if after <= MAX_LATENESS {
                    self.patience.learn(after);
                }
            }
        } else if seq - highest > 1 {
            if self.gaps.len() >= MAX_GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back((highest + 1, seq, received));
        }
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
        self.gaps.clear();
        self.given_up_below = 0;
        self.doubted = None;
        self.highest = None;
        self.waiting_since = None;
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

/// Gaps that are remembered.
const MAX_GAPS: usize = 32;

/// A packet later than this is no answer to a request any more.
const MAX_LATENESS: Duration = Duration::from_secs(2);

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
            waits: Waits::fixed(Duration::from_millis(100)),
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
        assert_eq!(
            drain(&mut reorder, now + Duration::from_millis(30)),
            [11, 12, 13]
        );
        let expected = ReorderCounters {
            recovered: 1,
            waited: Duration::from_millis(30),
            ..Default::default()
        };
        assert_eq!(reorder.counters(), expected);
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
                recovered: 1,
                waited: Duration::from_millis(120),
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
    fn a_retransmission_that_came_too_late_is_waited_for_the_next_time() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut reorder = Reorder::new(ReorderConfig::default());
        for seq in [10, 12] {
            assert_eq!(reorder.push(packet(seq, start)), Ok(()));
        }
        assert_eq!(drain(&mut reorder, ms(400)), [10, -1, 12]);
        // It took 450 ms of a wait of 400.
        assert!(reorder.push(packet(11, ms(450))).is_err());
        assert_eq!(reorder.push(packet(14, ms(500))), Ok(()));
        assert_eq!(reorder.next_timeout(), Some(ms(1_300)));
        assert_eq!(reorder.push(packet(13, ms(950))), Ok(()));
        assert_eq!(drain(&mut reorder, ms(950)), [13, 14]);
        // Where they come soon, less is waited.
        for seq in (15..80).step_by(2) {
            assert_eq!(reorder.push(packet(seq + 1, ms(1_000))), Ok(()));
            assert_eq!(reorder.push(packet(seq, ms(1_020))), Ok(()));
        }
        let _ = drain(&mut reorder, ms(1_020));
        assert_eq!(reorder.push(packet(200, ms(2_000))), Ok(()));
        assert_eq!(reorder.next_timeout(), Some(ms(2_200)));
    }

    #[test]
    fn what_is_missing_before_another_source_is_not_waited_for() {
        let now = Instant::now();
        let mut reorder = small();
        for seq in [10, 12] {
            assert_eq!(reorder.push(packet(seq, now)), Ok(()));
        }
        assert_eq!(drain(&mut reorder, now), [10]);
        reorder.switch();
        assert_eq!(reorder.push(packet(14, now)), Ok(()));
        assert_eq!(drain(&mut reorder, now), [-1, 12, -1, 14]);
        // What is missing from here on is.
        assert_eq!(reorder.push(packet(16, now)), Ok(()));
        assert_eq!(drain(&mut reorder, now), Vec::<i64>::new());
    }

    #[test]
    fn a_gap_is_doubted_once_at_half_its_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut reorder = small();
        assert_eq!(reorder.next_doubt(), None);
        for seq in [10, 12, 14] {
            assert_eq!(reorder.push(packet(seq, start)), Ok(()));
        }
        assert_eq!(drain(&mut reorder, start), [10]);
        assert_eq!(reorder.next_doubt(), Some(at(50)));
        assert!(!reorder.poll_doubt(at(49)));
        assert!(reorder.poll_doubt(at(50)));
        assert!(!reorder.poll_doubt(at(60)));
        assert_eq!(reorder.next_doubt(), None);
        // The gap behind it is another one.
        assert_eq!(reorder.push(packet(11, at(70))), Ok(()));
        assert_eq!(drain(&mut reorder, at(70)), [11, 12]);
        assert!(reorder.poll_doubt(at(71)));
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
