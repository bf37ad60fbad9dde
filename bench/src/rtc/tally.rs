//! Counts what arrives in a measured window, per subscriber and over all.

use std::ops::Range;

use crate::histogram::Histogram;

/// What subscribers received of a measured window, added up.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// RTP packets after decryption, without duplicates.
    pub packets: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// From the publisher's socket to the subscriber's decryption.
    pub delay: Histogram,
}

impl Received {
    /// Adds what another subscriber received.
    pub fn merge(&mut self, other: &Received) {
        self.packets += other.packets;
        self.payload_bytes += other.payload_bytes;
        self.duplicates += other.duplicates;
        self.delay.merge(&other.delay);
    }
}

/// Which of the publisher's packets one subscriber has received.
///
/// The window is a range of the publisher's packet numbers, chosen before they
/// are sent: what has not come when it is over is lost, exactly.
#[derive(Clone, Debug)]
pub struct Window {
    range: Range<u64>,
    newest: u64,
    /// Bit `index % SPAN` of the last `SPAN` indices.
    seen: Box<[u64; SPAN as usize / 64]>,
    unique: u64,
}

/// What an index was to a [`Window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Sent outside of the window.
    Outside,
    /// The first of its index.
    New,
    /// Came before, or too late to say: more than `SPAN` behind the newest.
    Again,
}

/// Indices remembered: at 269 packets a second 7.6 s, longer than any
/// retransmission takes.
const SPAN: u64 = 2_048;

impl Window {
    /// A window over the packets that the publisher numbers with `range`.
    pub fn new(range: Range<u64>) -> Window {
        Window {
            newest: range.start,
            range,
            seen: Box::new([0; SPAN as usize / 64]),
            unique: 0,
        }
    }

    /// Takes the index of a packet.
    pub fn handle(&mut self, index: u64) -> Place {
        if !self.range.contains(&index) {
            return Place::Outside;
        }
        if index + SPAN <= self.newest {
            return Place::Again;
        }
        if index > self.newest {
            // A jump by more than the span forgets all bits, no more.
            let gap = (index - self.newest).min(SPAN);
            for forgotten in index + 1 - gap..=index {
                let (word, bit) = place(forgotten);
                self.seen[word] &= !bit;
            }
            self.newest = index;
        }
        let (word, bit) = place(index);
        if self.seen[word] & bit != 0 {
            return Place::Again;
        }
        self.seen[word] |= bit;
        self.unique += 1;
        Place::New
    }

    /// Packets of the window that have not come.
    pub fn missing(&self) -> u64 {
        self.range.end - self.range.start - self.unique
    }
}

fn place(index: u64) -> (usize, u64) {
    let at = index % SPAN;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_not_come_is_missing_until_it_comes() {
        let mut window = Window::new(100..106);
        for index in [100, 101, 103, 104] {
            assert_eq!(window.handle(index), Place::New);
        }
        assert_eq!(window.missing(), 2);
        assert_eq!(window.handle(102), Place::New);
        assert_eq!(window.handle(102), Place::Again);
        assert_eq!(window.missing(), 1);
    }

    #[test]
    fn packets_outside_of_the_window_do_not_count() {
        let mut window = Window::new(50..60);
        for index in [0, 49, 60, 10_000] {
            assert_eq!(window.handle(index), Place::Outside);
        }
        assert_eq!(window.missing(), 10);
    }

    #[test]
    fn a_jump_over_the_whole_span_leaves_every_skipped_index_missing() {
        let mut window = Window::new(0..10_001);
        window.handle(0);
        assert_eq!(window.handle(10_000), Place::New);
        assert_eq!(window.missing(), 9_999);
        assert_eq!(window.handle(9_999), Place::New);
        assert_eq!(window.handle(1), Place::Again);
        assert_eq!(window.missing(), 9_998);
    }

    #[test]
    fn every_index_of_a_long_window_counts_once() {
        let mut window = Window::new(0..100_000);
        for index in 0..100_000 {
            assert_eq!(window.handle(index), Place::New);
        }
        assert_eq!(window.missing(), 0);
    }
}
