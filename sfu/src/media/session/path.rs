//! The path that a session's packets take.
//!
//! The WebRTC stack sends on the pair with the highest priority among those that the client has
//! nominated, until no check has come over it for 15 s. A client whose network has changed
//! without an ICE restart (its NAT gave it another port, its TCP connection broke, its phone left
//! the wireless network) nominates another pair in the meantime: media follows it at once.

use std::time::{Duration, Instant};

use crate::media::remote::Remote;

/// Where media goes, and what the client has last said about it.
#[derive(Debug)]
pub(super) struct Path {
    /// Where the WebRTC stack sends.
    chosen: Option<Remote>,
    /// Where it goes in place of that.
    instead: Option<Remote>,
    /// The last check that nominated the path which is in use.
    nominated_at: Option<Instant>,
    /// The last check that nominated any, and its own.
    nominated: Option<(Instant, Remote)>,
    /// The last check of all.
    heard_at: Instant,
    has_begun: bool,
    /// The path that the stack was told of first, as long as the client has not nominated it.
    unnamed: Option<Remote>,
    /// Nothing can arrive over the path any more.
    is_over: bool,
    /// The client has let its consent run out (RFC 7675).
    has_lapsed: bool,
}

impl Path {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            chosen: None,
            instead: None,
            nominated_at: None,
            nominated: None,
            heard_at: now,
            has_begun: false,
            unnamed: None,
            is_over: false,
            has_lapsed: false,
        }
    }

    /// Where media goes now.
    fn current(&self) -> Option<Remote> {
        self.instead.or(self.chosen)
    }

    /// A check with the right password came, and maybe nominates its pair.
    pub(super) fn checked(&mut self, now: Instant, from: Remote, nominates: bool) {
        self.heard_at = now;
        if !nominates {
            return;
        }
        self.nominated = Some((now, from));
        if self.unnamed == Some(from) {
            self.unnamed = None;
        }
        let Some(current) = self.current() else {
            return;
        };
        let is_given_up = self
            .nominated_at
            .is_none_or(|at| now.saturating_duration_since(at) >= NOMINATED_AGAIN);
        if current == from || self.is_over || is_given_up {
            self.instead = (self.chosen != Some(from)).then_some(from);
            self.nominated_at = Some(now);
            self.is_over = false;
        }
    }

    /// True the first time: the stack is to be told that the client has nominated this path.
    pub(super) fn take_first(&mut self, from: Remote) -> bool {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first {
            self.unnamed = Some(from);
        }
        is_first
    }

    /// The connection to the address has ended.
    pub(super) fn ended(&mut self, remote: Remote) {
        self.is_over |= self.current() == Some(remote);
    }

    /// ICE has or has not lost all its pairs.
    pub(super) fn set_lapsed(&mut self, has_lapsed: bool) {
        self.has_lapsed = has_lapsed;
    }

    /// Where a packet goes that the WebRTC stack sends to `destination`; `None` for nowhere.
    pub(super) fn of(&mut self, destination: Remote, packet: &[u8]) -> Option<Remote> {
        // The answer to a check goes back to where that came from.
        if packet.first().is_none_or(|first| *first <= LAST_STUN) {
            return Some(destination);
        }
        if self.chosen != Some(destination) {
            self.chosen = Some(destination);
            self.nominated_at = self.nominated.map(|(at, _)| at);
            let named = self.nominated.map(|(_, remote)| remote);
            self.instead = named.filter(|_| self.unnamed == Some(destination));
            self.is_over = false;
        }
        match self.has_lapsed {
            true => None,
            false => self.current(),
        }
    }

    /// When the client's consent ends unless it is heard of before (RFC 7675 §5.1).
    pub(super) fn consent_ends_at(&self) -> Instant {
        self.heard_at + CONSENT
    }
}

/// RFC 7983 §7.
const LAST_STUN: u8 = 3;

/// Browsers check the pair that they use every 2.5 s, naming it each time.
const NOMINATED_AGAIN: Duration = Duration::from_secs(3);

/// RFC 7675 §5.1: consent expires 30 s after the last check. ICE gives a pair up after half of
/// that; this is for sessions without a pair, such as after a restart that was not gone through
/// with.
const CONSENT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const MEDIA: &[u8] = &[128, 0, 0];
    const STUN: &[u8] = &[1, 1, 0];

    fn remote(port: u16) -> Remote {
        SocketAddr::from(([192, 0, 2, 1], port)).into()
    }

    fn on(port: u16) -> (Path, Instant) {
        let now = Instant::now();
        let mut path = Path::new(now);
        path.checked(now, remote(port), true);
        assert_eq!(path.of(remote(port), MEDIA), Some(remote(port)));
        (path, now)
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_path_that_is_named_again_and_again_stays() {
        let (mut path, now) = on(1);
        for at in 1..20 {
            path.checked(now + s(at), remote(1), at % 2 == 0);
            path.checked(now + s(at), remote(2), true);
            assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
        }
    }

    #[test]
    fn media_follows_a_client_that_names_another_path() {
        let (mut path, now) = on(1);
        path.checked(now + s(3), remote(2), false);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
        path.checked(now + s(3), remote(2), true);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(2)));
        assert_eq!(path.of(remote(1), STUN), Some(remote(1)));
        // It may change its mind.
        path.checked(now + s(6), remote(1), true);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
        // And what the stack chooses anew counts.
        path.checked(now + s(9), remote(2), true);
        assert_eq!(path.of(remote(3), MEDIA), Some(remote(3)));
    }

    #[test]
    fn the_first_path_is_left_for_one_that_is_named() {
        let now = Instant::now();
        for named in [1, 2] {
            for named_first in [false, true] {
                let mut path = Path::new(now);
                path.checked(now, remote(1), false);
                assert!(path.take_first(remote(1)) && !path.take_first(remote(2)));
                if !named_first {
                    assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
                }
                path.checked(now + s(1), remote(named), true);
                assert_eq!(path.of(remote(1), MEDIA), Some(remote(named)));
                path.checked(now + s(2), remote(3), true);
                assert_eq!(path.of(remote(1), MEDIA), Some(remote(named)));
            }
        }
    }

    #[test]
    fn the_end_of_a_connection_makes_way_at_once() {
        let (mut path, now) = on(1);
        path.ended(remote(7));
        path.checked(now + s(1), remote(2), true);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
        path.ended(remote(1));
        path.checked(now + s(1), remote(2), true);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(2)));
    }

    #[test]
    fn without_consent_only_checks_are_answered() {
        let (mut path, now) = on(1);
        path.set_lapsed(true);
        assert_eq!(path.of(remote(1), MEDIA), None);
        assert_eq!(path.of(remote(1), STUN), Some(remote(1)));
        path.set_lapsed(false);
        assert_eq!(path.of(remote(1), MEDIA), Some(remote(1)));
        path.checked(now + s(4), remote(9), false);
        assert_eq!(path.consent_ends_at(), now + s(34));
    }
}
