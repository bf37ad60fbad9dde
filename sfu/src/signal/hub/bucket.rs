//! How fast one socket may ask.

use std::time::{Duration, Instant};

/// A bucket of tokens that fills evenly.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    interval: Duration,
    depth: Duration,
    /// When the bucket is full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// `per_second` tokens in the long run, `burst` at once; at least one of each.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self {
            interval,
            depth: interval * burst.max(1),
            full_at: None,
        }
    }

    /// Takes a token, or says how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let after = self.full_at.map_or(now, |at| at.max(now)) + self.interval;
        if after > now + self.depth {
            return Err(after - now - self.depth);
        }
        self.full_at = Some(after);
        Ok(())
    }

    /// Takes tokens for what was done already. There may be fewer than that: then the bucket is
    /// empty for a while, [`MAX_DEBT`] at most.
    pub(super) fn spend(&mut self, now: Instant, tokens: u32) {
        let after = self.full_at.map_or(now, |at| at.max(now)) + self.interval * tokens;
        self.full_at = Some(after.min(now + self.depth + MAX_DEBT));
    }
}

/// An honest client in the largest room is not kept longer than its user waits.
const MAX_DEBT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_the_rest_evenly() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5);
        let taken = (0..20).filter(|_| bucket.take(start).is_ok()).count();
        assert_eq!(taken, 5);
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        let taken =
            (1..=1_000).filter(|ms| bucket.take(start + Duration::from_millis(*ms)).is_ok());
        assert_eq!(taken.count(), 10);
        let later = start + Duration::from_secs(60);
        assert_eq!((0..20).filter(|_| bucket.take(later).is_ok()).count(), 5);
    }

    #[test]
    fn what_was_spent_is_missing_for_a_bounded_time() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10, 20);
        bucket.spend(now, 15);
        for _ in 0..5 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(Duration::from_millis(100)));
        bucket.spend(now, u32::MAX);
        assert_eq!(bucket.take(now), Err(MAX_DEBT + Duration::from_millis(100)));
        let later = now + MAX_DEBT + Duration::from_millis(100);
        assert_eq!(bucket.take(later), Ok(()));
    }
}
