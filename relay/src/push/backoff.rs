//! How long a push waits before it tries again.

use std::time::Duration;

/// Waits that double from [`FIRST`] to [`LONGEST`], each cut by a random part of up to a half so
/// that pushes which were lost together do not come back together. Ends after [`MAX_TRIES`]
/// failures in a row: about eight minutes.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A try has failed; how long to wait, or `None` to give up. `random` is uniform.
    pub(super) fn wait(&mut self, random: u32) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= MAX_TRIES {
            return None;
        }
        let whole = FIRST
            .saturating_mul(1 << (self.failures - 1).min(16))
            .min(LONGEST);
        let share = f64::from(random) / f64::from(u32::MAX);
        Some(whole.mul_f64(1.0 - share / 2.0))
    }

    /// The push ran for that long before it was lost.
    pub(super) fn ran(&mut self, time: Duration) {
        if time >= STEADY {
            self.failures = 0;
        }
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// Tries in a row that may fail.
pub(super) const MAX_TRIES: u32 = 20;

/// A push that ran for so long has worked: a server that takes it and throws it out at once is
/// not asked each second.
const STEADY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_then_end() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = std::iter::from_fn(|| backoff.wait(0))
            .map(|w| w.as_secs())
            .collect();
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(waits.len(), MAX_TRIES as usize - 1);
    }

    #[test]
    fn half_of_a_wait_is_random() {
        let wait = |random| Backoff::default().wait(random).unwrap();
        assert_eq!(wait(u32::MAX), Duration::from_millis(500));
        assert!((wait(u32::MAX / 2).as_secs_f64() - 0.75).abs() < 0.001);
    }

    #[test]
    fn a_push_that_worked_begins_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.wait(0);
        }
        backoff.ran(Duration::from_secs(9));
        assert_eq!(backoff.wait(0), Some(Duration::from_secs(30)));
        backoff.ran(STEADY);
        assert_eq!(backoff.wait(0), Some(FIRST));
    }
}
