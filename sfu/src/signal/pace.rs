//! How fast one client's messages are read.

use std::time::{Duration, Instant};

/// A bucket of tokens, one a message. A client above its pace is read later, not refused: its own
/// messages then wait in its own connection.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Between two messages in the long run.
    interval: Duration,
    /// How far ahead of it a client may be.
    lead: Duration,
    /// When the next message would be due at the pace exactly.
    due: Option<Instant>,
}

impl Pace {
    /// `per_second` messages in the long run, `burst` of them at once; both at least 1.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            lead: interval * (burst.max(1) - 1),
            due: None,
        }
    }

    /// Counts a message; gives how long to wait before the next one is read.
    pub(super) fn count(&mut self, now: Instant) -> Duration {
        let due = self.due.map_or(now, |due| due.max(now)) + self.interval;
        self.due = Some(due);
        due.saturating_duration_since(now + self.lead)
            .saturating_sub(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_pace_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 5);
        for _ in 0..5 {
            assert_eq!(pace.count(start), Duration::ZERO);
        }
        let (mut now, mut read) = (start, 0);
        while now < start + Duration::from_secs(10) {
            now += pace.count(now);
            read += 1;
        }
        assert!((95..=105).contains(&read), "{read}");
    }

    #[test]
    fn a_quiet_client_has_its_burst_again_but_no_more() {
        let start = Instant::now();
        let mut pace = Pace::new(10, 5);
        for _ in 0..5 {
            pace.count(start);
        }
        let later = start + Duration::from_secs(60);
        for _ in 0..5 {
            assert_eq!(pace.count(later), Duration::ZERO);
        }
        assert!(pace.count(later) > Duration::ZERO);
    }
}
