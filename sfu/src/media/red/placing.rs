//! Which packets of an incoming stream have come, and where a repeated one belongs.

use std::collections::VecDeque;

/// The newest packets of one stream by number and time. Bounded.
#[derive(Debug, Default)]
pub struct Placing {
    /// In the order of their numbers.
    recent: VecDeque<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    seq: u64,
    time: u32,
}

impl Placing {
    /// Takes note of a packet that has come. False if it is there already: it was repeated by a
    /// later one that overtook it.
    pub fn note(&mut self, seq: u64, time: u32) -> bool {
        let at = self.recent.partition_point(|known| known.seq < seq);
        if self.recent.get(at).is_some_and(|known| known.seq == seq) {
            return false;
        }
        if self.recent.len() >= WINDOW {
            if at == 0 {
                // From before all that is remembered: nothing has been said in its place.
                return true;
            }
            self.recent.pop_front();
            self.recent.insert(at - 1, Known { seq, time });
        } else {
            self.recent.insert(at, Known { seq, time });
        }
        true
    }

    /// The number of a packet of `time` that is repeated in packet `carrier`, which has been noted;
    /// `None` if it has come already, or if its place cannot be told.
    ///
    /// A block has a time and no number, and the time of a packet need not be the same for all
    /// (pauses, another packet length). The number lies between those of the known packets before
    /// and after that time. It is certain if one alone is missing there, and by the distances if
    /// these are even. Otherwise the newest block is that of the packet before its carrier, which
    /// is how all senders repeat.
    pub fn place(&self, carrier: u64, time: u32) -> Option<u64> {
        let is_before = |known: &&Known| (time.wrapping_sub(known.time) as i32) > 0;
        if self.recent.iter().any(|known| known.time == time) {
            return None;
        }
        let mut newest_first = self.recent.iter().rev().skip_while(|k| k.seq > carrier);
        let mut after = newest_first.next().filter(|known| known.seq == carrier)?;
        let before = loop {
            let known = newest_first.next()?;
            if is_before(&known) {
                break known;
            }
            after = known;
        };
        let steps = after.seq - before.seq;
        let span = u64::from(after.time.wrapping_sub(before.time));
        let since = u64::from(time.wrapping_sub(before.time));
        if steps < 2 || is_before(&after) {
            return None;
        }
        let is_even = span % steps == 0 && since % (span / steps).max(1) == 0;
        let seq = match steps {
            2 => before.seq + 1,
            _ if is_even => before.seq + since / (span / steps).max(1),
            _ if after.seq == carrier => carrier - 1,
            _ => return None,
        };
        (before.seq < seq && seq < after.seq && carrier - seq <= MAX_BACK).then_some(seq)
    }
}

/// Packets that are remembered: above a second of 20 ms each.
const WINDOW: usize = 64;

/// No sender repeats what is further back: 14 bits of time are 341 ms.
const MAX_BACK: u64 = 34;

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms under these numbers have come.
    fn with(seqs: &[u64]) -> Placing {
        let mut placing = Placing::default();
        for seq in seqs {
            assert!(placing.note(*seq, time(*seq)));
        }
        placing
    }

    fn time(seq: u64) -> u32 {
        (u64::from(u32::MAX) - 5_000 + seq * 960) as u32
    }

    #[test]
    fn a_single_loss_is_found_whatever_its_length() {
        let placing = with(&[10, 12]);
        assert_eq!(placing.place(12, time(11)), Some(11));
        assert_eq!(placing.place(12, time(11) - 7), Some(11));
        assert_eq!(placing.place(12, time(10)), None, "it has come");
    }

    #[test]
    fn the_places_in_a_burst_follow_from_even_times() {
        let mut placing = with(&[10, 14]);
        assert_eq!(placing.place(14, time(12)), Some(12));
        assert_eq!(placing.place(14, time(13)), Some(13));
        assert!(placing.note(13, time(13)));
        assert_eq!(placing.place(14, time(12)), Some(12));
        assert_eq!(placing.place(14, time(11)), Some(11));
    }

    #[test]
    fn after_a_pause_the_newest_block_is_the_packet_before() {
        let mut placing = with(&[10]);
        assert!(placing.note(13, time(30)));
        assert_eq!(placing.place(13, time(29)), Some(12));
        assert!(placing.note(12, time(29)));
        assert_eq!(placing.place(13, time(28)), Some(11), "the only one left");
        let mut placing = with(&[10]);
        assert!(placing.note(15, time(30)) && placing.note(14, time(29)));
        assert_eq!(placing.place(15, time(28)), None, "11, 12 or 13");
    }

    #[test]
    fn what_comes_after_its_repetition_is_known() {
        let mut placing = with(&[10, 12]);
        assert!(placing.note(11, time(11)));
        assert!(!placing.note(11, time(11)));
        assert_eq!(placing.place(12, time(11)), None);
    }

    #[test]
    fn lying_times_find_no_place() {
        let placing = with(&[10, 11, 12, 14]);
        assert_eq!(placing.place(14, time(11) + 1), None, "between neighbours");
        assert_eq!(placing.place(14, time(9)), None, "before all");
        assert_eq!(placing.place(14, time(15)), None, "after the carrier");
        assert_eq!(placing.place(13, time(12) + 1), None, "a carrier not noted");
        let mut placing = Placing::default();
        assert!(placing.note(5, 100) && placing.note(9, 100));
        assert_eq!(placing.place(9, 99), None);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut placing = Placing::default();
        for seq in 0..10_000 {
            placing.note(seq * 2, time(seq * 2));
        }
        assert_eq!(placing.recent.len(), WINDOW);
        assert_eq!(placing.place(19_998, time(19_997)), Some(19_997));
        assert!(placing.note(3, time(3)));
        assert_eq!(placing.recent.len(), WINDOW);
        assert!(!placing.note(19_998, time(19_998)));
    }
}
