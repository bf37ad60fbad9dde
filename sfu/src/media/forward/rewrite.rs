//! Sequence numbers and RTP times of one outgoing stream, continuous over changes of its source.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use packager::rtp::MediaKind;

use crate::media::packet::{MediaPacket, clock_rate};

/// A packet's numbers on the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub time: u32,
}

/// The packet is older than the point at which its source was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld;

/// Maps the numbers of the current source to the numbers of one outgoing stream.
///
/// Within a source both are shifted by a constant, so that losses stay visible as gaps and a late
/// packet falls into its gap. A new source continues where the last one ended.
#[derive(Debug, Clone)]
pub struct Rewriter {
    kind: MediaKind,
    /// `out = in + seq_shift`, wrapping.
    seq_shift: u64,
    /// `out = in + time_shift`, wrapping.
    time_shift: u32,
    /// The sequence number, in the source's numbers, at which the source was entered.
    first_in: u64,
    /// The gaps that were closed last, in order.
    skipped: VecDeque<Skipped>,
    highest_in: u64,
    highest: Option<Highest>,
    first_out: Rewritten,
}

/// A run of packets that are not sent, and leave no gap.
#[derive(Debug, Clone, Copy)]
struct Skipped {
    first: u64,
    last: u64,
    /// The shift of the packets before it.
    before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Highest {
    seq: u64,
    time: u32,
    marker: bool,
    sent: Instant,
}

impl Rewriter {
    /// A stream that starts at `first_out`. SRTP wants first sequence numbers below 2^15: the
    /// receiver takes the roll-over counter to be 0 (RFC 3711 §3.3.1).
    pub fn new(kind: MediaKind, first_out: Rewritten) -> Self {
        debug_assert!(first_out.seq < 1 << 15);
        Self {
            kind,
            seq_shift: 0,
            time_shift: 0,
            first_in: 0,
            skipped: VecDeque::new(),
            highest_in: 0,
            highest: None,
            first_out,
        }
    }

    /// Enters a new source at this packet.
    pub fn switch(&mut self, packet: &MediaPacket, now: Instant) -> Rewritten {
        let out = self.continuation(now);
        self.enter(packet.seq, out.seq, packet.time, out.time);
        self.note(packet.seq, out, packet.marker, now);
        out
    }

    /// Enters a new source at a run of cached packets that ends at the live edge: `packets` are in
    /// order and without gaps.
    ///
    /// Packets without payload, and those that `wants` refuses, are left out and leave no gap.
    ///
    /// Their times are pressed together, one millisecond a frame at most, so that the newest
    /// frame has the time that it would have had live and the receiver does not play late.
    pub fn replay(
        &mut self,
        packets: &[MediaPacket],
        wants: impl Fn(&MediaPacket) -> bool,
        now: Instant,
    ) -> Vec<Option<Rewritten>> {
        let Some(last) = packets.last() else {
            return Vec::new();
        };
        let step = clock_rate(self.kind) / 1_000;
        // Distance of each packet's time to the newest one.
        let mut back = vec![0_u32; packets.len()];
        for i in (0..packets.len() - 1).rev() {
            let delta = packets[i + 1].time.wrapping_sub(packets[i].time);
            back[i] = back[i + 1] + if delta as i32 > 0 { delta.min(step) } else { 0 };
        }
        let start = self.continuation(now);
        let span = back.first().copied().unwrap_or(0);
        // A stream that has run before must not go back; a new one has room below.
        let newest = match self.highest {
            Some(h) => {
                let earliest = h.time.wrapping_add(1).wrapping_add(span);
                later(start.time, earliest)
            }
            None => start.time.wrapping_add(span),
        };
        let mut next_seq = start.seq;
        let mut out = Vec::with_capacity(packets.len());
        for (packet, back) in packets.iter().zip(&back) {
            out.push((!packet.payload.is_empty() && wants(packet)).then(|| {
                let numbers = Rewritten {
                    seq: next_seq,
                    time: newest.wrapping_sub(*back),
                };
                next_seq += 1;
                numbers
            }));
        }
        let newest_seq = next_seq.wrapping_sub(1);
        self.enter(last.seq, newest_seq, last.time, newest);
        // All before the live edge is out, or is not to come.
        for (packet, out) in packets.iter().zip(&out) {
            if let Some(out) = out {
                self.note(packet.seq, *out, packet.marker, now);
            }
        }
        self.highest_in = last.seq;
        out
    }

    /// Maps a packet of the current source.
    pub fn map(&mut self, packet: &MediaPacket, now: Instant) -> Result<Rewritten, TooOld> {
        if packet.seq < self.first_in {
            return Err(TooOld);
        }
        // Nearly all are behind the last gap.
        let later = self.skipped.iter().rev();
        let later = later.take_while(|skipped| packet.seq < skipped.first);
        let shift = later
            .last()
            .map_or(self.seq_shift, |skipped| skipped.before);
        let seq = packet.seq.wrapping_add(shift);
        let mut time = packet.time.wrapping_add(self.time_shift);
        if self.highest.is_none_or(|highest| seq > highest.seq) {
            if let Some(h) = self.highest {
                let step = time.wrapping_sub(h.time) as i32;
                // A picture may be shown before one that was sent before it.
                if step < -(self.ticks(MAX_REORDER) as i32) || step > self.ticks(MAX_JUMP) as i32 {
                    // The source's clock jumped: go on from here at the pace of arrival.
                    time = self.continuation(now).time;
                    self.time_shift = time.wrapping_sub(packet.time);
                }
            }
            self.note(packet.seq, Rewritten { seq, time }, packet.marker, now);
        }
        Ok(Rewritten { seq, time })
    }

    /// Goes on with the current source after packets that were not sent: their numbers are given
    /// to those that follow, whose times stay what they are.
    pub fn resume(&mut self, packet: &MediaPacket, now: Instant) -> Result<Rewritten, TooOld> {
        if packet.seq <= self.highest_in {
            return Err(TooOld);
        }
        if let Some(highest) = self.highest {
            // The next number is then that of this packet.
            self.seq_shift = (highest.seq + 1).wrapping_sub(packet.seq);
            self.first_in = packet.seq;
            self.skipped.clear();
        }
        self.map(packet, now)
    }

    /// Closes the gap that a packet leaves which is not sent, if nothing newer has been. Packets
    /// from before the gap that come late keep their numbers.
    pub fn skip(&mut self, seq: u64) {
        if self.highest.is_none() || seq <= self.highest_in {
            return;
        }
        let before = self.seq_shift;
        self.highest_in = seq;
        self.seq_shift = before.wrapping_sub(1);
        match self.skipped.back_mut() {
            Some(run) if run.last.wrapping_add(1) == seq => run.last = seq,
            _ => {
                if self.skipped.len() >= MAX_SKIPPED
                    && let Some(oldest) = self.skipped.pop_front()
                {
                    // What is older has lost its numbers and must not be sent.
                    self.first_in = self.first_in.max(oldest.first);
                }
                self.skipped.push_back(Skipped {
                    first: seq,
                    last: seq,
                    before,
                });
            }
        }
    }

    /// The packet with this number on the way out ends its picture, whatever it said when it came.
    pub fn mark(&mut self, seq: u64) {
        if let Some(highest) = &mut self.highest
            && highest.seq == seq
        {
            highest.marker = true;
        }
    }

    /// The outgoing time for a time of the current source.
    pub fn map_time(&self, time: u32) -> Option<u32> {
        self.highest.map(|_| time.wrapping_add(self.time_shift))
    }

    fn enter(&mut self, in_seq: u64, out_seq: u64, in_time: u32, out_time: u32) {
        self.seq_shift = out_seq.wrapping_sub(in_seq);
        self.time_shift = out_time.wrapping_sub(in_time);
        self.first_in = in_seq;
        self.skipped.clear();
        self.highest_in = in_seq;
    }

    fn note(&mut self, in_seq: u64, out: Rewritten, marker: bool, now: Instant) {
        self.highest_in = self.highest_in.max(in_seq);
        self.highest = Some(Highest {
            seq: out.seq,
            time: self.highest.map_or(out.time, |h| later(h.time, out.time)),
            marker,
            sent: now,
        });
    }

    /// Numbers for the next packet of a new source.
    fn continuation(&self, now: Instant) -> Rewritten {
        let Some(h) = self.highest else {
            return self.first_out;
        };
        // A frame that was cut off leaves a gap behind, or a receiver could take it for whole.
        let cut = self.kind == MediaKind::Video && !h.marker;
        let elapsed = now.saturating_duration_since(h.sent);
        let least = match self.kind {
            MediaKind::Audio => Duration::from_millis(20),
            MediaKind::Video => Duration::from_millis(10),
        };
        Rewritten {
            seq: h.seq + if cut { 2 } else { 1 },
            time: h.time.wrapping_add(self.ticks(elapsed.max(least))),
        }
    }

    fn ticks(&self, duration: Duration) -> u32 {
        let rate = u64::from(clock_rate(self.kind));
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        (micros.saturating_mul(rate) / 1_000_000) as u32
    }
}

/// The later one of two RTP times less than half the number space apart.
fn later(a: u32, b: u32) -> u32 {
    if (a.wrapping_sub(b) as i32) < 0 { b } else { a }
}

/// Pictures are sent before others that are shown earlier (B-frames) by at most this: no encoder for
/// live video reorders more. A larger step back is another clock.
const MAX_REORDER: Duration = Duration::from_secs(1);

/// Gaps whose late neighbours keep their numbers: two seconds of pictures of which each loses its
/// upper layers.
const MAX_SKIPPED: usize = 64;

/// A step forward in RTP time of more than this is another clock; a pause of a track is shorter or
/// comes with a new stream.
const MAX_JUMP: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::{Extensions, StreamKey};
    use packager::rtp::Codec;
    use std::sync::Arc;

    fn packet(seq: u64, time: u32, marker: bool, at: Instant) -> MediaPacket {
        MediaPacket {
            stream: StreamKey(0),
            kind: MediaKind::Video,
            codec: Codec::Vp8,
            seq,
            time,
            marker,
            starts_keyframe: false,
            payload: Arc::from([0_u8; 4]),
            received: at,
            captured: at,
            extensions: Extensions::default(),
            place: None,
            dependency: None,
        }
    }

    fn rewriter() -> Rewriter {
        Rewriter::new(
            MediaKind::Video,
            Rewritten {
                seq: 100,
                time: u32::MAX - 10,
            },
        )
    }

    #[test]
    fn source_keeps_its_gaps_and_late_packets_fall_into_them() {
        let now = Instant::now();
        let mut r = rewriter();
        assert_eq!(r.switch(&packet(70_000, 9, true, now), now).seq, 100);
        assert_eq!(
            r.map(&packet(70_002, 3_009, true, now), now).map(|o| o.seq),
            Ok(102)
        );
        assert_eq!(
            r.map(&packet(70_001, 3_009, false, now), now)
                .map(|o| o.seq),
            Ok(101)
        );
        assert_eq!(r.map(&packet(69_999, 0, true, now), now), Err(TooOld));
    }

    #[test]
    fn new_source_continues_sequence_and_time() {
        let now = Instant::now();
        let later = now + Duration::from_millis(100);
        let mut r = rewriter();
        let a = r.switch(&packet(5, 1_000, true, now), now);
        let b = r.switch(&packet(90_000, 77, true, later), later);
        assert_eq!(b.seq, a.seq + 1);
        assert_eq!(b.time.wrapping_sub(a.time), 9_000);
    }

    #[test]
    fn frame_that_was_cut_off_leaves_a_gap() {
        let now = Instant::now();
        let mut r = rewriter();
        let a = r.switch(&packet(5, 1_000, false, now), now);
        let b = r.switch(&packet(8, 1_000, true, now), now);
        assert_eq!(b.seq, a.seq + 2);
    }

    #[test]
    fn time_never_goes_back_when_the_source_does() {
        let now = Instant::now();
        let mut r = rewriter();
        let a = r.switch(&packet(5, 900_000, true, now), now);
        let b = r
            .map(&packet(6, 100, true, now), now + Duration::from_millis(33))
            .expect("newer");
        assert!((b.time.wrapping_sub(a.time) as i32) > 0);
        let c = r
            .map(
                &packet(7, 3_100, true, now),
                now + Duration::from_millis(66),
            )
            .expect("newer");
        assert_eq!(c.time.wrapping_sub(b.time), 3_000);
    }

    #[test]
    fn pictures_out_of_display_order_keep_their_distances() {
        let now = Instant::now();
        let mut r = rewriter();
        let first = r.switch(&packet(5, 0, true, now), now);
        let times = [9_000_u32, 3_000, 6_000, 18_000, 12_000, 15_000];
        for (i, time) in times.into_iter().enumerate() {
            let out = r
                .map(&packet(6 + i as u64, time, true, now), now)
                .expect("newer");
            assert_eq!(out.time.wrapping_sub(first.time), time);
        }
    }

    #[test]
    fn late_packet_from_before_a_closed_gap_keeps_its_number() {
        let now = Instant::now();
        let mut r = rewriter();
        r.switch(&packet(5, 0, true, now), now);
        assert_eq!(r.map(&packet(7, 0, true, now), now).map(|o| o.seq), Ok(102));
        r.skip(8);
        assert_eq!(r.map(&packet(9, 0, true, now), now).map(|o| o.seq), Ok(103));
        assert_eq!(r.map(&packet(6, 0, true, now), now).map(|o| o.seq), Ok(101));
        r.skip(10);
        assert_eq!(r.map(&packet(6, 0, true, now), now).map(|o| o.seq), Ok(101));
        // As many more as are remembered.
        for seq in (12..12 + 2 * MAX_SKIPPED as u64).step_by(2) {
            r.skip(seq);
        }
        assert_eq!(r.skipped.len(), MAX_SKIPPED);
        assert_eq!(r.map(&packet(6, 0, true, now), now), Err(TooOld));
        let highest = 12 + 2 * MAX_SKIPPED as u64 - 1;
        let out = r.map(&packet(highest, 0, true, now), now).map(|o| o.seq);
        assert_eq!(out, Ok(100 + (highest - 5) - 2 - MAX_SKIPPED as u64));
    }

    #[test]
    fn gap_is_closed_behind_packets_that_are_still_to_come() {
        let now = Instant::now();
        let mut r = rewriter();
        r.switch(&packet(5, 0, true, now), now);
        let mut out = |seq| r.map(&packet(seq, 0, true, now), now).map(|o| o.seq);
        assert_eq!(out(6), Ok(101));
        // 7 is late, and the two behind it are not sent.
        r.skip(8);
        r.skip(9);
        let mut out = |seq| r.map(&packet(seq, 0, true, now), now).map(|o| o.seq);
        assert_eq!([10, 7, 11, 6].map(&mut out), [103, 102, 104, 101].map(Ok));
        // The newest comes late, and another source goes on behind it.
        r.skip(13);
        assert_eq!(
            r.map(&packet(12, 0, true, now), now).map(|o| o.seq),
            Ok(105)
        );
        assert_eq!(r.switch(&packet(900, 0, true, now), now).seq, 106);
    }

    #[test]
    fn resumed_source_has_the_next_number_and_its_own_time() {
        let now = Instant::now();
        let mut r = rewriter();
        let a = r.switch(&packet(5, 1_000, true, now), now);
        assert_eq!(r.resume(&packet(5, 1_000, true, now), now), Err(TooOld));
        let after = now + Duration::from_secs(5);
        let b = r.resume(&packet(255, 241_000, true, after), after);
        let b = b.expect("newer");
        assert_eq!(b.seq, a.seq + 1);
        assert_eq!(b.time.wrapping_sub(a.time), 240_000);
        assert_eq!(r.map(&packet(254, 240_040, true, now), after), Err(TooOld));
        let c = r.map(&packet(256, 241_960, true, after), after);
        assert_eq!(c.map(|c| c.seq), Ok(a.seq + 2));
    }

    #[test]
    fn skipped_packet_leaves_no_gap() {
        let now = Instant::now();
        let mut r = rewriter();
        r.switch(&packet(5, 0, true, now), now);
        r.skip(6);
        assert_eq!(
            r.map(&packet(7, 3_000, true, now), now).map(|o| o.seq),
            Ok(101)
        );
        // Too late to be closed: newer packets are out.
        r.skip(7);
        assert_eq!(
            r.map(&packet(8, 6_000, true, now), now).map(|o| o.seq),
            Ok(102)
        );
    }

    #[test]
    fn replay_presses_old_frames_together_and_ends_at_the_live_edge() {
        let now = Instant::now();
        let mut r = rewriter();
        let a = r.switch(&packet(5, 1_000, true, now), now);
        let at = now + Duration::from_secs(1);
        let cached: Vec<_> = (0..20)
            .map(|i| packet(50 + i, 3_000 * (i as u32 / 2), i % 2 == 1, at))
            .collect();
        let out: Vec<_> = r
            .replay(&cached, |_| true, at)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(out.len(), 20);
        assert_eq!(out[0].seq, a.seq + 1);
        for pair in out.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq + 1);
            let step = pair[1].time.wrapping_sub(pair[0].time);
            assert!(step <= 90, "{step}");
        }
        assert_eq!(out[19].time.wrapping_sub(a.time), 90_000);
        let live = r.map(&packet(70, 30_000, true, at), at).expect("newer");
        assert_eq!(live.seq, out[19].seq + 1);
        assert_eq!(live.time.wrapping_sub(out[19].time), 3_000);
    }

    #[test]
    fn replay_leaves_out_empty_packets_without_a_gap() {
        let now = Instant::now();
        let mut r = rewriter();
        let mut cached: Vec<_> = (0..5)
            .map(|i| packet(50 + i, 3_000 * i as u32, true, now))
            .collect();
        cached[2].payload = Arc::from([]);
        let seqs: Vec<_> = r
            .replay(&cached, |_| true, now)
            .into_iter()
            .map(|n| n.map(|n| n.seq))
            .collect();
        assert_eq!(seqs, vec![Some(100), Some(101), None, Some(102), Some(103)]);
        assert_eq!(
            r.map(&packet(55, 15_000, true, now), now).map(|o| o.seq),
            Ok(104)
        );
    }

    #[test]
    fn replay_at_once_after_sending_does_not_go_back() {
        let now = Instant::now();
        let mut r = rewriter();
        let a = r.switch(&packet(5, 1_000, true, now), now);
        let cached: Vec<_> = (0..30)
            .map(|i| packet(50 + i, 3_000 * i as u32, true, now))
            .collect();
        let out: Vec<_> = r
            .replay(&cached, |_| true, now)
            .into_iter()
            .flatten()
            .collect();
        assert!((out[0].time.wrapping_sub(a.time) as i32) > 0);
    }
}
