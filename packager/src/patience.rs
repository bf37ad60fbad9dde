//! How long to wait for packets that are missing: as long as retransmissions on this way take.

use std::collections::VecDeque;
use std::time::Duration;

/// The bounds of a [`Patience`].
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// While no retransmission has come.
    pub first: Duration,
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

impl Waits {
    /// Always the same.
    pub const fn fixed(wait: Duration) -> Self {
        Waits {
            first: wait,
            least: wait,
            most: wait,
        }
    }

    /// For packets that are asked for again (RFC 4585 §6.2.1): 400 ms at first, which is one request
    /// over 300 ms of round trip or four over 50 ms; then 200 to 800 ms.
    pub const RETRANSMITTED: Waits = Waits {
        first: Duration::from_millis(400),
        least: Duration::from_millis(200),
        most: Duration::from_millis(800),
    };
}

/// Learns how long a missing packet takes to come.
///
/// Of the last few that came, the slowest one sets the wait: twice its time. Where the first
/// request is answered, that leaves room for a second one; where the slowest had to be asked for
/// twice, for four.
#[derive(Debug)]
pub struct Patience {
    waits: Waits,
    recent: VecDeque<Duration>,
}

impl Patience {
    /// One that knows nothing yet.
    pub fn new(waits: Waits) -> Self {
        Patience {
            waits,
            recent: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// A packet came `after` it was found missing, be it in vain.
    pub fn learn(&mut self, after: Duration) {
        if self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(after);
    }

    /// How long to wait for the next one.
    pub fn wait(&self) -> Duration {
        let Waits { first, least, most } = self.waits;
        match self.recent.iter().max() {
            None => first,
            Some(slowest) => (slowest.saturating_mul(2) + MARGIN).clamp(least, most.max(least)),
        }
    }
}

/// Packets that are remembered: enough that one at 5 % of loss was asked for twice.
const REMEMBERED: usize = 24;

/// Requests leave on a grid of 33 ms.
const MARGIN: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_slowest_of_the_last_ones_sets_the_wait() {
        let mut patience = Patience::new(Waits::RETRANSMITTED);
        assert_eq!(patience.wait(), MS * 400);
        patience.learn(MS * 130);
        patience.learn(MS * 20);
        assert_eq!(patience.wait(), MS * 300);
        for _ in 0..REMEMBERED {
            patience.learn(MS * 5);
        }
        assert_eq!(patience.wait(), MS * 200);
        patience.learn(MS * 5_000);
        assert_eq!(patience.wait(), MS * 800);
    }

    #[test]
    fn a_fixed_wait_learns_nothing() {
        let mut patience = Patience::new(Waits::fixed(MS * 60));
        patience.learn(MS * 500);
        assert_eq!(patience.wait(), MS * 60);
    }
}
