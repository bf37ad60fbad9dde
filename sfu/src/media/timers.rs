//! When which session wants to be woken: a heap with lazy removal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::slots::SlotKey;

/// The wake-up times of all sessions.
///
/// A session has its earliest entry in the heap and that entry's time in `Session::armed`. Moving a
/// deadline back costs nothing: the early entry fires, and the session is armed anew. So the heap
/// stays near one entry a session although deadlines move with every drain.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, SlotKey)>>,
}

impl Timers {
    pub(crate) fn arm(&mut self, at: Instant, key: SlotKey) {
        self.heap.push(Reverse((at, key)));
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, SlotKey)> {
        match self.heap.peek() {
            Some(Reverse((at, _))) if *at <= now => self.heap.pop().map(|Reverse(entry)| entry),
            _ => None,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}
