//! When to ask the publisher for a key frame.

use std::time::{Duration, Instant};

/// Least time between two requests: the publisher's encoder needs a round trip and a frame to
/// answer the first.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// A wish for a key frame, repeated until one comes, at most twice a second.
#[derive(Debug, Default)]
pub(super) struct KeyframeWish {
    /// When to ask next, while a key frame is wanted.
    ask_at: Option<Instant>,
    last_asked: Option<Instant>,
}

impl KeyframeWish {
    /// Wants a key frame, and asks for it unless one comes by itself within `grace`. A wish that
    /// is open stays as it is.
    pub(super) fn want(&mut self, now: Instant, grace: Duration) {
        if self.ask_at.is_none() {
            let allowed = self.last_asked.map_or(now, |last| last + MIN_INTERVAL);
            self.ask_at = Some(allowed.max(now + grace));
        }
    }

    /// A key frame came.
    pub(super) fn satisfy(&mut self) {
        self.ask_at = None;
    }

    /// True if a request is due, which it then counts as made.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let is_due = self.ask_at.is_some_and(|at| at <= now);
        if is_due {
            self.last_asked = Some(now);
            self.ask_at = Some(now + MIN_INTERVAL);
        }
        is_due
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.ask_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_wish_is_repeated_twice_a_second_until_it_is_satisfied() {
        let t0 = Instant::now();
        let mut wish = KeyframeWish::default();
        assert!(!wish.poll(t0));
        let mut asked = Vec::new();
        for ms in 0..1_700 {
            let now = t0 + MS * ms;
            wish.want(now, Duration::ZERO);
            if wish.poll(now) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 500, 1_000, 1_500]);
        wish.satisfy();
        assert!(!wish.poll(t0 + MS * 5_000));
        assert_eq!(wish.next_timeout(), None);
    }

    #[test]
    fn a_new_wish_keeps_the_distance_to_the_last_request() {
        let t0 = Instant::now();
        let mut wish = KeyframeWish::default();
        wish.want(t0, Duration::ZERO);
        assert!(wish.poll(t0));
        wish.satisfy();
        wish.want(t0 + MS * 20, Duration::ZERO);
        assert!(!wish.poll(t0 + MS * 499));
        assert!(wish.poll(t0 + MS * 500));
    }

    #[test]
    fn a_key_frame_within_the_grace_makes_the_request_needless() {
        let t0 = Instant::now();
        let mut wish = KeyframeWish::default();
        wish.want(t0, MS * 150);
        assert!(!wish.poll(t0 + MS * 149));
        wish.satisfy();
        assert!(!wish.poll(t0 + MS * 150));
    }
}
