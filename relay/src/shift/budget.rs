//! Bytes that may be held, of all windows together.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::IntGauge;

/// A number of bytes, of which some are held.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    held: AtomicU64,
    gauge: IntGauge,
}

impl Budget {
    pub(super) fn new(limit: u64, gauge: IntGauge) -> Self {
        Self {
            limit,
            held: AtomicU64::new(0),
            gauge,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Holds some more, if that is within the limit.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let taken = self
            .held
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| {
                held.checked_add(bytes).filter(|sum| *sum <= self.limit)
            });
        if taken.is_ok() {
            self.gauge.add(signed(bytes));
        }
        taken.is_ok()
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::AcqRel);
        self.gauge.sub(signed(bytes));
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
