//! Counted places for viewers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::IntGauge;

/// A number of places that may be taken at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

impl Seats {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            taken: Arc::default(),
            limit,
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a place if one is free.
    fn take(&self) -> bool {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < self.limit).then_some(taken + 1)
            })
            .is_ok()
    }

    fn leave(&self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One viewer's place in its broadcast and in the whole relay, given back on drop.
#[derive(Debug)]
pub(crate) struct Seat {
    of_broadcast: Seats,
    of_relay: Seats,
    gauge: IntGauge,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

impl Seat {
    /// Takes a place in both.
    pub(crate) fn take(
        of_broadcast: &Seats,
        of_relay: &Seats,
        gauge: IntGauge,
    ) -> Result<Self, Full> {
        if !of_relay.take() {
            return Err(Full {
                limit: of_relay.limit(),
            });
        }
        if !of_broadcast.take() {
            of_relay.leave();
            return Err(Full {
                limit: of_broadcast.limit(),
            });
        }
        gauge.inc();
        Ok(Self {
            of_broadcast: of_broadcast.clone(),
            of_relay: of_relay.clone(),
            gauge,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.of_broadcast.leave();
        self.of_relay.leave();
        self.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_places_come_back() {
        let gauge = IntGauge::new("g", "g").unwrap();
        let (a, b, all) = (Seats::new(2), Seats::new(2), Seats::new(3));
        let take = |seats: &Seats| Seat::take(seats, &all, gauge.clone());
        let first = take(&a).unwrap();
        let _second = take(&a).unwrap();
        assert_eq!(take(&a).unwrap_err(), Full { limit: 2 });
        let _third = take(&b).unwrap();
        assert_eq!(take(&b).unwrap_err(), Full { limit: 3 });
        assert_eq!(gauge.get(), 3);
        drop(first);
        assert_eq!(gauge.get(), 2);
        assert!(take(&b).is_ok());
    }
}
