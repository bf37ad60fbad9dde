//! Frames that wait for a connection that takes no more at the moment.

use crate::media::framing::{Frames, HEADER};

/// What one connection has still to send. Whole frames are dropped when there is too much of it.
///
/// A client that does not keep up gets no large packets any more until half of the queue is out:
/// the picture waits for a key frame, and sound, feedback and checks go on.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How much of it is out.
    sent: usize,
    /// Large frames are dropped, and have been.
    is_dropping: bool,
}

impl Outbox {
    /// Keeps what is left of frames of which the first `written` bytes are out already. Gives the
    /// number of frames that had to be dropped.
    pub(super) fn keep(&mut self, frames: &[u8], written: usize) -> u64 {
        let mut dropped = 0;
        let mut start = 0;
        for packet in Frames::new(frames) {
            let end = start + HEADER + packet.len();
            if let Some(rest) = frames.get(start.max(written)..end)
                && !rest.is_empty()
            {
                // The stream can only be read on if the rest of a frame follows its beginning.
                let is_begun = written > start;
                if is_begun || self.takes(packet.len()) {
                    self.bytes.extend_from_slice(rest);
                } else {
                    dropped += 1;
                }
            }
            start = end;
        }
        dropped
    }

    fn takes(&mut self, length: usize) -> bool {
        let waiting = self.waiting().len();
        if length <= SMALL {
            return waiting + length <= BOUND + RESERVE;
        }
        self.is_dropping |= waiting + length > BOUND;
        !self.is_dropping
    }

    /// What is to be written next.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes of it have been written. True if frames were dropped and there is room now.
    pub(super) fn written(&mut self, count: usize) -> bool {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
            self.sent = 0;
        } else if self.sent >= BOUND {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        let has_room = self.is_dropping && self.waiting().len() <= BOUND / 2;
        self.is_dropping &= !has_room;
        has_room
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }
}

/// Bytes of large frames: a key frame of a large picture, or half a second of 2 Mbit/s. The kernel
/// keeps as much again.
pub(super) const BOUND: usize = 131_072;

/// Room for small frames beyond that.
const RESERVE: usize = 32_768;

/// Longest frame that is taken for sound, feedback or a check.
const SMALL: usize = 400;

/// Memory that stays with a connection that has caught up.
const KEPT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::framing::append;

    fn frames(lengths: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for length in lengths {
            append(&mut out, &vec![*length as u8; *length]);
        }
        out
    }

    fn lengths(bytes: &[u8]) -> Vec<usize> {
        Frames::new(bytes).map(<[u8]>::len).collect()
    }

    #[test]
    fn the_rest_of_what_was_written_in_part_comes_first() {
        let mut outbox = Outbox::default();
        let run = frames(&[1_000, 1_000, 50]);
        assert_eq!(outbox.keep(&run, 1_500), 0);
        assert_eq!(outbox.waiting(), &run[1_500..]);
        assert!(!outbox.written(100));
        assert_eq!(outbox.waiting(), &run[1_600..]);
        outbox.written(usize::MAX);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_full_queue_drops_whole_large_frames_until_half_of_it_is_out() {
        let mut outbox = Outbox::default();
        let run = frames(&[1_200; 50]);
        let mut dropped = 0;
        for _ in 0..20 {
            dropped += outbox.keep(&run, 0);
        }
        let kept = lengths(outbox.waiting());
        assert_eq!(kept.len() as u64 + dropped, 1_000);
        assert!(outbox.waiting().len() <= BOUND);
        assert_eq!(kept.len() * (1_200 + HEADER), outbox.waiting().len());
        // Some room is no reason to go on with the middle of a picture.
        assert!(!outbox.written(10_000));
        assert_eq!(outbox.keep(&frames(&[1_200]), 0), 1);
        assert_eq!(outbox.keep(&frames(&[120]), 0), 0);
        assert!(outbox.written(BOUND / 2));
        assert_eq!(outbox.keep(&frames(&[1_200]), 0), 0);
        assert!(!outbox.written(10), "it is told once");
    }

    #[test]
    fn small_frames_are_bounded_too() {
        let mut outbox = Outbox::default();
        let mut dropped = 0;
        for _ in 0..10_000 {
            dropped += outbox.keep(&frames(&[100]), 0);
        }
        assert!(dropped > 0);
        assert!(outbox.waiting().len() <= BOUND + RESERVE + HEADER);
    }

    #[test]
    fn memory_does_not_grow_with_what_has_been_sent() {
        let mut outbox = Outbox::default();
        let run = frames(&[1_200; 10]);
        outbox.keep(&run, 0);
        for _ in 0..10_000 {
            outbox.keep(&run, 0);
            outbox.written(run.len());
        }
        assert!(
            outbox.bytes.capacity() <= 4 * BOUND,
            "{}",
            outbox.bytes.capacity()
        );
    }
}
