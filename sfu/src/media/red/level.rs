//! How much of the sound one link needs twice.

use std::time::{Duration, Instant};

use super::MAX_REPEATED;

/// How many packets are repeated in each, by what the link loses. A good link gets none.
#[derive(Debug)]
pub(crate) struct Level {
    repeated: usize,
    /// As much has been needed last at that moment.
    needed_at: Option<Instant>,
}

impl Default for Level {
    /// One packet until something is known: the first report takes some seconds to come.
    fn default() -> Self {
        Self {
            repeated: 1,
            needed_at: None,
        }
    }
}

impl Level {
    /// Packets to be repeated in each.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }

    /// Takes the part of packets that a report says were lost.
    pub(crate) fn note(&mut self, now: Instant, loss: f32) {
        let needed = STEPS.iter().filter(|step| loss >= **step).count();
        // Bursts come back: what was needed once is kept for a while.
        let is_calm = self
            .needed_at
            .is_none_or(|at| now.saturating_duration_since(at) >= CALM);
        if needed >= self.repeated || is_calm {
            self.repeated = needed;
            self.needed_at = Some(now).filter(|_| needed > 0);
        }
    }
}

/// From this part of packets lost on, one more is repeated. At 1 % a word is hurt every few
/// seconds, which one repetition makes good; from 5 % on two losses in a row are as frequent.
const STEPS: [f32; MAX_REPEATED] = [0.01, 0.05];

/// How long a link is without such losses before it is trusted again.
const CALM: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_protected_until_it_is_known_to_be_good() {
        let now = Instant::now();
        let mut level = Level::default();
        assert_eq!(level.repeated(), 1);
        level.note(now, 0.0);
        assert_eq!(level.repeated(), 0);
    }

    #[test]
    fn losses_count_at_once_and_calm_takes_a_while() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut level = Level::default();
        for (seconds, loss, repeated) in [
            (0, 0.009, 0),
            (2, 0.01, 1),
            (4, 0.2, 2),
            (6, 0.0, 2),
            (18, 0.02, 2),
            (19, 0.02, 1),
            (33, 0.0, 1),
            (34, 0.0, 0),
            (35, f32::NAN, 0),
        ] {
            level.note(at(seconds), loss);
            assert_eq!(level.repeated(), repeated, "at {seconds} s");
        }
    }
}
