//! A histogram of times with a bounded relative error and a fixed size.

use std::time::Duration;

/// Counts times in microseconds: exact below 64 µs, and within 3.2 % above.
///
/// Its size does not depend on what is recorded, so that a run of any length
/// costs the same memory.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Histogram {
        Histogram {
            counts: vec![0; BUCKETS],
            total: 0,
            max: Duration::ZERO,
        }
    }

    /// Counts one time. Times above 71 minutes count as the largest.
    pub fn record(&mut self, time: Duration) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.counts[bucket(micros)] += 1;
        self.total += 1;
        self.max = self.max.max(time);
    }

    /// Adds everything that `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest time recorded, exact; `None` when empty.
    pub fn max(&self) -> Option<Duration> {
        (self.total > 0).then_some(self.max)
    }

    /// The time that a share of `q` (0 to 1) of all recorded times does not
    /// exceed, by nearest rank; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let rank = ((q * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let upper = Duration::from_micros(u64::from(upper_bound(index)));
                return Some(upper.min(self.max));
            }
        }
        Some(self.max)
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// 32 steps an octave keep the relative error at 1/32.
const STEPS_LOG2: u32 = 5;
const EXACT: u32 = 2 << STEPS_LOG2;
const BUCKETS: usize = EXACT as usize + (((32 - STEPS_LOG2 - 1) as usize) << STEPS_LOG2);

fn bucket(micros: u32) -> usize {
    if micros < EXACT {
        return micros as usize;
    }
    let octave = 31 - micros.leading_zeros();
    let step = (micros >> (octave - STEPS_LOG2)) & ((1 << STEPS_LOG2) - 1);
    (EXACT + ((octave - STEPS_LOG2 - 1) << STEPS_LOG2) + step) as usize
}

fn upper_bound(index: usize) -> u32 {
    let index = index as u32;
    if index < EXACT {
        return index;
    }
    let octave = ((index - EXACT) >> STEPS_LOG2) + STEPS_LOG2 + 1;
    let step = (index - EXACT) & ((1 << STEPS_LOG2) - 1);
    let width = octave - STEPS_LOG2;
    let lower = ((1u64 << STEPS_LOG2) + u64::from(step)) << width;
    u32::try_from(lower + (1 << width) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(v: u64) -> Duration {
        Duration::from_micros(v)
    }

    #[test]
    fn every_value_falls_below_its_buckets_upper_bound_within_the_stated_error() {
        for octave in 0..32 {
            for offset in [0u32, 1, 7, 1000] {
                let v = (1u32 << octave).saturating_add(offset);
                let upper = upper_bound(bucket(v));
                assert!(upper >= v, "{v}: {upper}");
                assert!(
                    f64::from(upper) <= f64::from(v) * 1.033 + 1.0,
                    "{v}: {upper}"
                );
            }
        }
        assert_eq!(bucket(u32::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let mut h = Histogram::new();
        assert_eq!(h.quantile(0.5), None);
        for v in 1..=50 {
            h.record(micros(v));
        }
        assert_eq!(h.quantile(0.5), Some(micros(25)));
        assert_eq!(h.quantile(0.98), Some(micros(49)));
        assert_eq!(h.quantile(1.0), Some(micros(50)));
        assert_eq!(h.quantile(0.0), Some(micros(1)));
        assert_eq!(h.max(), Some(micros(50)));
    }

    #[test]
    fn merging_is_the_same_as_recording_in_one() {
        let (mut a, mut b, mut both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for v in 0..2_000u64 {
            let t = micros(v * v % 77_777);
            if v % 3 == 0 {
                a.record(t)
            } else {
                b.record(t)
            }
            both.record(t);
        }
        a.merge(&b);
        assert_eq!(a.count(), both.count());
        for q in [0.01, 0.5, 0.9, 0.99, 1.0] {
            assert_eq!(a.quantile(q), both.quantile(q));
        }
    }
}
