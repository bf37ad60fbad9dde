//! Sockets and sessions: a session outlives its socket.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use super::answers::Answers;
use super::bucket::Bucket;
use super::io::SocketId;
use super::ring::Ring;
use crate::live::{AppId, ConnectionId, RoomKey, UserId};
use crate::store::SavedProfile;

/// The secret of a session: 128 random bits. Whoever has it may resume the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ResumeToken(pub(super) u128);

impl ResumeToken {
    /// Reads what [`fmt::Display`] has written.
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(is_hex))
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ResumeToken {
    /// Not the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeToken")
    }
}

/// One login.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) app: AppId,
    /// `None` is a guest.
    pub(super) user: Option<UserId>,
    pub(super) profile: SavedProfile,
    /// Where the login came from.
    pub(super) address: IpAddr,
    /// The session counts there until it ends.
    pub(super) network: IpAddr,
    pub(super) token: ResumeToken,
    /// None while it is lost.
    pub(super) socket: Option<SocketId>,
    pub(super) events: Ring,
    pub(super) answers: Answers,
    /// When the UserSig ends, in seconds since 1970.
    pub(super) admitted_until: u64,
    /// The one room whose media the session is in.
    pub(super) media: Option<RoomKey>,
    /// Slow requests without an answer.
    pub(super) pending: usize,
    /// Answers that came while the socket was lost. Each was pending then, so there are not
    /// more than may be pending.
    pub(super) held: VecDeque<Arc<str>>,
}

/// One open socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) address: IpAddr,
    pub(super) network: IpAddr,
    pub(super) state: SocketState,
    pub(super) requests: Bucket,
    /// Requests beyond the rate that are answered.
    pub(super) strikes: Bucket,
    pub(super) opened: Instant,
}

/// Who is behind a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketState {
    /// Nobody yet.
    New,
    /// Somebody whose profile is being read.
    LoggingIn,
    /// A session.
    In(ConnectionId),
}

/// What counts as one address: an IPv6 client has a whole /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_address_is_ipv4() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(network("10.1.2.3"), "10.1.2.3");
    }

    #[test]
    fn a_token_survives_text_and_other_text_is_none() {
        let token = ResumeToken(0xab);
        assert_eq!(ResumeToken::read(&token.to_string()), Some(token));
        for text in ["", "+", &"g".repeat(32), &"A".repeat(32), &"1".repeat(33)] {
            assert_eq!(ResumeToken::read(text), None, "{text}");
        }
        assert!(!format!("{token:?}").contains("ab"));
    }
}
