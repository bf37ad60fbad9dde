//! Key frame requests of all askers of one RTP stream, made into few.

use std::time::{Duration, Instant};

/// One outstanding request for a stream, asked again while it stays unanswered.
#[derive(Debug, Default, Clone)]
pub struct KeyframeRequests {
    wanted: bool,
    last_sent: Option<Instant>,
}

/// The least time between two requests upstream: two a second. An encoder answers within some
/// frames, and a request lost on the way is worth repeating after the same time.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);

impl KeyframeRequests {
    /// Somebody wants a key frame. True if a request goes upstream now.
    pub fn request(&mut self, now: Instant) -> bool {
        self.wanted = true;
        self.poll(now)
    }

    /// A key frame has started: nobody waits any more.
    pub fn handle_keyframe(&mut self) {
        self.wanted = false;
    }

    /// True if an unanswered request is due again.
    pub fn poll(&mut self, now: Instant) -> bool {
        if !self.wanted || self.next_timeout().is_some_and(|at| at > now) {
            return false;
        }
        self.last_sent = Some(now);
        true
    }

    /// When [`poll`](Self::poll) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        self.last_sent.map(|at| at + MIN_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_request_goes_out_at_once_and_a_storm_becomes_two_a_second() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let sent = (0..4_000)
            .filter(|ms| requests.request(start + Duration::from_millis(*ms)))
            .count();
        assert_eq!(sent, 8);
    }

    #[test]
    fn unanswered_request_is_repeated_until_the_key_frame_comes() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(requests.request(start));
        assert_eq!(requests.next_timeout(), Some(start + MIN_INTERVAL));
        assert!(!requests.poll(start + Duration::from_millis(499)));
        assert!(requests.poll(start + MIN_INTERVAL));
        requests.handle_keyframe();
        assert_eq!(requests.next_timeout(), None);
        assert!(!requests.poll(start + Duration::from_secs(5)));
    }

    #[test]
    fn request_right_after_an_answer_waits_for_its_turn() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(requests.request(start));
        requests.handle_keyframe();
        assert!(!requests.request(start + Duration::from_millis(100)));
        assert!(requests.poll(start + MIN_INTERVAL));
    }
}
