//! Which of its pictures a publisher is to send: the best one that is wanted, and all below it.
//!
//! The lesser ones cost little and are what a subscriber gets while the best one is not there yet,
//! or when its link carries no more; the least one flows even when nobody watches.

use std::time::{Duration, Instant};

use packager::picture::Picture;

/// The best picture that a publisher is to send, as it was told.
#[derive(Debug, Default)]
pub(crate) struct Need {
    told: Picture,
    /// Nobody has wanted as much as was told since then.
    less_since: Option<Instant>,
}

impl Need {
    /// Takes what is wanted now. Gives what is to be told: a better picture at once, a lesser one
    /// when nothing better was wanted for some time.
    pub(crate) fn update(&mut self, wanted: Picture, now: Instant) -> Option<Picture> {
        if wanted <= self.told {
            self.less_since = None;
            if wanted == self.told {
                return None;
            }
        } else if *self.less_since.get_or_insert(now) + PATIENCE > now {
            return None;
        }
        self.less_since = None;
        self.told = wanted;
        Some(wanted)
    }

    /// What was told last; at first, that all are wanted.
    pub(crate) fn told(&self) -> Picture {
        self.told
    }

    /// When [`update`](Self::update) is worth a call although nothing has changed.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.less_since.map(|since| since + PATIENCE)
    }
}

/// How long a picture flows for nobody: longer than it takes to choose another one and think better
/// of it, or to join again by another connection. Each return costs a key frame.
const PATIENCE: Duration = Duration::from_millis(1_200);

#[cfg(test)]
mod tests {
    use super::*;
    use Picture::{Large, Medium, Small};

    #[test]
    fn less_is_told_after_a_while_and_more_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut need = Need::default();
        assert_eq!((need.told(), need.next_timeout()), (Large, None));
        assert_eq!(need.update(Large, at(0)), None);
        assert_eq!(need.update(Small, at(0)), None);
        assert_eq!(need.next_timeout(), Some(at(1_200)));
        assert_eq!(need.update(Small, at(1_199)), None);
        assert_eq!(need.update(Small, at(1_200)), Some(Small));
        assert_eq!(need.update(Small, at(9_000)), None);
        assert_eq!(need.next_timeout(), None);
        assert_eq!(need.update(Medium, at(9_001)), Some(Medium));
        assert_eq!(need.update(Large, at(9_001)), Some(Large));
    }

    #[test]
    fn choosing_to_and_fro_is_not_told() {
        let start = Instant::now();
        let mut need = Need::default();
        for ms in (0..20_000).step_by(100) {
            let wanted = match ms % 1_000 {
                0 => Large,
                500 => Medium,
                _ => Small,
            };
            assert_eq!(need.update(wanted, start + Duration::from_millis(ms)), None);
        }
    }

    #[test]
    fn what_is_wanted_when_the_time_is_over_is_told() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut need = Need::default();
        assert_eq!(need.update(Medium, at(0)), None);
        assert_eq!(need.update(Small, at(600)), None);
        assert_eq!(need.update(Medium, at(1_200)), Some(Medium));
        assert_eq!(need.update(Small, at(1_300)), None);
        assert_eq!(need.update(Small, at(2_500)), Some(Small));
    }
}
