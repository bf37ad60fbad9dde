//! The last events of a session, for a client whose socket was lost.

use std::collections::VecDeque;

use crate::signal::protocol::SharedEvent;

/// Events by their number in the session, from 1, without holes. What one event says is shared
/// by all sessions that get it; only the number is a session's own.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<SharedEvent>,
    bytes: usize,
    last: u64,
    max_events: usize,
    max_bytes: usize,
}

/// Events that a client asks for are not kept any more, or never were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The first event that is kept.
    pub(super) first: u64,
    /// The last event of the session.
    pub(super) last: u64,
}

impl Ring {
    pub(super) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            last: 0,
            max_events,
            max_bytes,
        }
    }

    /// Gives an event its number and keeps it.
    pub(super) fn push(&mut self, event: SharedEvent) -> u64 {
        self.last += 1;
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > self.max_events || self.bytes > self.max_bytes {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
        self.last
    }

    /// All events after one, with their numbers.
    pub(super) fn after(
        &self,
        seen: u64,
    ) -> Result<impl Iterator<Item = (u64, &SharedEvent)>, Gap> {
        let first = self.last + 1 - self.events.len() as u64;
        if seen > self.last || seen + 1 < first {
            return Err(Gap {
                first,
                last: self.last,
            });
        }
        let skip = usize::try_from(seen + 1 - first).unwrap_or(usize::MAX);
        Ok((seen + 1..).zip(self.events.iter().skip(skip)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::MediaEvent;

    /// An event of exactly so many bytes; it needs some for its name.
    fn event(bytes: usize) -> SharedEvent {
        let empty = MediaEvent::ReceiverClosed {
            message: String::new(),
        };
        let frame = SharedEvent::new(&empty.into()).bytes();
        let message = "x".repeat(bytes - frame);
        let event = SharedEvent::new(&MediaEvent::ReceiverClosed { message }.into());
        assert_eq!(event.bytes(), bytes);
        event
    }

    fn numbers(ring: &Ring, seen: u64) -> Result<Vec<u64>, Gap> {
        Ok(ring.after(seen)?.map(|(seq, _)| seq).collect())
    }

    #[test]
    fn events_after_one_come_in_order_and_with_their_numbers() {
        let mut ring = Ring::new(10, 1_000);
        assert_eq!(numbers(&ring, 0), Ok(vec![]));
        for n in 1..=5 {
            assert_eq!(ring.push(event(50 + usize::try_from(n).unwrap())), n);
        }
        assert_eq!(numbers(&ring, 0), Ok(vec![1, 2, 3, 4, 5]));
        let events = ring.after(3).unwrap();
        let events: Vec<_> = events.map(|(seq, event)| (seq, event.bytes())).collect();
        assert_eq!(events, [(4, 54), (5, 55)]);
        assert_eq!(numbers(&ring, 5), Ok(vec![]));
        let future = Err(Gap { first: 1, last: 5 });
        assert_eq!(numbers(&ring, 6), future);
        assert_eq!(numbers(&ring, u64::MAX), future);
    }

    #[test]
    fn what_is_not_kept_any_more_is_a_gap() {
        let mut ring = Ring::new(3, 1_000);
        for _ in 0..10 {
            ring.push(event(50));
        }
        assert_eq!(numbers(&ring, 7), Ok(vec![8, 9, 10]));
        assert_eq!(numbers(&ring, 6), Err(Gap { first: 8, last: 10 }));
        let mut ring = Ring::new(100, 149);
        for _ in 0..10 {
            ring.push(event(50));
        }
        assert_eq!(numbers(&ring, 8), Ok(vec![9, 10]));
        assert!(numbers(&ring, 7).is_err());
        ring.push(event(150));
        assert_eq!(ring.bytes, 0, "larger than all the space there is");
        assert_eq!(numbers(&ring, 11), Ok(vec![]));
        let gap = Err(Gap {
            first: 12,
            last: 11,
        });
        assert_eq!(numbers(&ring, 10), gap);
    }
}
