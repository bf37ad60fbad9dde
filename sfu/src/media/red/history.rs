//! The packets that went out last on one stream, to be repeated.

use std::sync::Arc;

use super::payload::{self, Block};
use super::{MAX_REPEATED, payload::MAX_OFFSET};
use crate::media::forward::rewrite::Rewritten;
use crate::media::packet::MAX_PAYLOAD;

/// The newest packets of one outgoing stream, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    packets: [Option<(Rewritten, Arc<[u8]>)>; MAX_REPEATED],
}

impl History {
    /// The payload of a packet with the `count` packets before it; `None` if there is nothing to
    /// repeat. `payload_type` is that of the sound itself.
    pub(crate) fn with_repeated(
        &self,
        payload_type: u8,
        numbers: Rewritten,
        payload: &[u8],
        count: usize,
    ) -> Option<Arc<[u8]>> {
        let mut blocks = [Block::default(); MAX_REPEATED];
        let mut found = 0;
        let skipped = MAX_REPEATED.saturating_sub(count);
        for (before, earlier) in self.packets.iter().skip(skipped).flatten() {
            let offset = numbers.time.wrapping_sub(before.time);
            if before.seq >= numbers.seq || !(1..=u32::from(MAX_OFFSET)).contains(&offset) {
                continue;
            }
            blocks[found] = Block {
                payload_type,
                offset: offset as u16,
                payload: earlier,
            };
            found += 1;
        }
        let written = payload::write(payload_type, payload, &blocks[..found], MAX_PAYLOAD);
        (written.len() > 1 + payload.len()).then_some(written)
    }

    /// Keeps a packet that goes out. One that is older than those kept is not repeated.
    pub(crate) fn push(&mut self, numbers: Rewritten, payload: &Arc<[u8]>) {
        let newest = self.packets.last().and_then(Option::as_ref);
        if newest.is_none_or(|(newest, _)| newest.seq < numbers.seq) {
            self.packets.rotate_left(1);
            if let Some(last) = self.packets.last_mut() {
                *last = Some((numbers, Arc::clone(payload)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::payload::Red;
    use super::*;

    fn numbers(seq: u64) -> Rewritten {
        Rewritten {
            seq,
            time: (seq as u32).wrapping_mul(960).wrapping_sub(5_000),
        }
    }

    fn sent(seqs: impl IntoIterator<Item = u64>) -> History {
        let mut history = History::default();
        for seq in seqs {
            history.push(numbers(seq), &Arc::from([seq as u8; 3]));
        }
        history
    }

    /// The first byte of each block that packet `seq` repeats.
    fn repeated(history: &History, seq: u64, count: usize) -> Vec<u8> {
        match history.with_repeated(111, numbers(seq), b"now", count) {
            Some(payload) => {
                let red = Red::parse(&payload).expect("well-formed");
                assert_eq!(red.primary.payload, b"now");
                red.repeated().iter().map(|b| b.payload[0]).collect()
            }
            None => Vec::new(),
        }
    }

    #[test]
    fn as_many_packets_as_wanted_are_repeated() {
        let history = sent(1..5);
        assert!(repeated(&history, 5, 0).is_empty());
        assert_eq!(repeated(&history, 5, 1), [4]);
        assert_eq!(repeated(&history, 5, 2), [3, 4]);
        assert_eq!(repeated(&history, 5, 9), [3, 4]);
        assert!(repeated(&sent([]), 1, 2).is_empty());
        assert_eq!(repeated(&sent([1]), 2, 2), [1]);
    }

    #[test]
    fn what_is_newer_or_too_old_is_not_repeated() {
        let mut history = sent(1..5);
        assert_eq!(repeated(&history, 4, 2), [3], "it came late");
        history.push(numbers(2), &Arc::from([9]));
        assert_eq!(repeated(&history, 5, 2), [3, 4]);
        assert_eq!(repeated(&history, 21, 2), [4], "17 packets are 340 ms");
    }
}
