//! Key frame requests of all askers of one RTP stream, made into few.

use std::time::{Duration, Instant};

/// One outstanding request for a stream, asked again while it stays unanswered.
#[derive(Debug, Default, Clone)]
pub struct KeyframeRequests {
    wanted: bool,
    last_sent: Option<Instant>,
    last_packet: Option<Instant>,
    /// Requests since the last key frame.
    unanswered: u32,
}

/// The least time between two requests upstream: two a second. An encoder answers within some
/// frames, and a request lost on the way is worth repeating after the same time.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// The time between two requests to a stream that sends nothing: its camera is off, or it has been
/// replaced by another SSRC.
const SILENT_INTERVAL: Duration = Duration::from_secs(5);

/// Unanswered requests before a silent stream is asked less often.
const PATIENCE: u32 = 10;

impl KeyframeRequests {
    /// A packet of the stream has come.
    pub fn handle_packet(&mut self, now: Instant) {
        self.last_packet = Some(now);
    }

    /// Somebody wants a key frame. True if a request goes upstream now.
    pub fn request(&mut self, now: Instant) -> bool {
        self.wanted = true;
        self.poll(now)
    }

    /// Nobody waits any more: a key frame has started, or nobody follows the stream.
    pub fn clear(&mut self) {
        self.wanted = false;
        self.unanswered = 0;
    }

    /// True if an unanswered request is due again.
    pub fn poll(&mut self, now: Instant) -> bool {
        if !self.wanted || self.next_timeout().is_some_and(|at| at > now) {
            return false;
        }
        self.last_sent = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        true
    }

    /// When [`poll`](Self::poll) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        if !self.wanted {
            return None;
        }
        let sent = self.last_sent?;
        let is_silent = self.last_packet.is_none_or(|packet| packet <= sent);
        let interval = match is_silent && self.unanswered >= PATIENCE {
            true => SILENT_INTERVAL,
            false => MIN_INTERVAL,
        };
        Some(sent + interval)
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
        requests.clear();
        assert_eq!(requests.next_timeout(), None);
        assert!(!requests.poll(start + Duration::from_secs(5)));
    }

    #[test]
    fn silent_stream_is_asked_less_often_until_it_sends_again() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.handle_packet(start);
        let at = |ms| start + Duration::from_millis(ms);
        let sent: Vec<_> = (1..60_000).filter(|ms| requests.request(at(*ms))).collect();
        assert_eq!(sent.len(), 10 + 11);
        assert!(!requests.request(at(60_000)));
        requests.handle_packet(at(60_001));
        assert!(requests.request(at(60_001)));
    }

    #[test]
    fn request_right_after_an_answer_waits_for_its_turn() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        assert!(requests.request(start));
        requests.clear();
        assert!(!requests.request(start + Duration::from_millis(100)));
        assert!(requests.poll(start + MIN_INTERVAL));
    }
}
