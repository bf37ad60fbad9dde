//! The values that cross the edge between HTTP and the media workers.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use relay::StreamId;

pub use super::events::{MediaEvent, StreamLevel};
pub use super::receive::{ReceiveError, ServerOffer, Wanted};
use crate::live::{AppId, UserId};
pub use crate::media::Picture;

/// Names one WebRTC session in its session URL: 128 random bits, 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u128);

impl SessionId {
    /// A session id made of the given random bits.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Enough of it to tell sessions apart in a log. The whole id is the right to end the session
    /// and to restart its ICE.
    pub fn short(&self) -> impl fmt::Display {
        struct Short(u128);
        impl fmt::Display for Short {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:08x}", self.0 >> 96)
            }
        }
        Short(self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no session id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 32 lower-case hex digits")]
pub struct BadSessionId;

impl FromStr for SessionId {
    type Err = BadSessionId;

    fn from_str(text: &str) -> Result<Self, BadSessionId> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() != 32 || !plain {
            return Err(BadSessionId);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| BadSessionId)
    }
}

/// What a session does: it sends to the server (WHIP) or receives from it (WHEP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Sends media to the server, by WHIP.
    Publisher,
    /// Receives media from the server, by WHEP.
    Subscriber,
}

impl Role {
    /// The word for this role in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Role::Publisher => "publisher",
            Role::Subscriber => "subscriber",
        }
    }
}

/// Whose a published stream is: while it is live, nobody else can publish it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Everybody's: the server is open.
    Anybody,
    /// A user's, who showed a token.
    User {
        /// The app.
        app: AppId,
        /// The user in it.
        user: UserId,
    },
    /// Theirs who hold a signed push address of the app for this stream.
    PushAddress {
        /// The app.
        app: AppId,
    },
}

impl Owner {
    /// The app, if there is one.
    pub fn app(&self) -> Option<AppId> {
        match self {
            Self::Anybody => None,
            Self::User { app, .. } | Self::PushAddress { app } => Some(*app),
        }
    }
}

/// Everything a session URL says: which stream, which session, which endpoint it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// The stream that is published or watched.
    pub stream: StreamId,
    /// The session on it.
    pub session: SessionId,
    /// Publisher for `/whip/…`, subscriber for `/whep/…`.
    pub role: Role,
}

/// An offer was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Names the session in its URL.
    pub session: SessionId,
    /// The entity tag of the ICE session, without quotes (RFC 9725 §4.3.1).
    pub etag: String,
    /// The SDP answer.
    pub answer: String,
}

/// Why an offer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// The body is no SDP that the server can work with.
    #[error("the offer is malformed: {reason}")]
    Malformed {
        /// What is wrong, for the person who reads the response.
        reason: String,
    },
    /// The offer is longer than any honest one.
    #[error("the offer has {length} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Length of the offer in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The offer has more m-lines than allowed.
    #[error("the offer has {count} m-lines; at most {limit} are allowed")]
    TooManyMediaLines {
        /// m-lines in the offer.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// No codec of an m-line is known to the server.
    #[error("no common codec for {kind}: offered {offered}; allowed are {allowed}")]
    NoCommonCodec {
        /// `audio` or `video`.
        kind: &'static str,
        /// The offered codec names.
        offered: String,
        /// The codec names that the server knows.
        allowed: &'static str,
    },
    /// A publisher's offer does not send, or a subscriber's does not receive.
    #[error("{role} offers must be {wanted}, but no m-line of this one is", role = .role.name())]
    WrongDirection {
        /// The role that the endpoint gives to the session.
        role: Role,
        /// The direction that is asked for.
        wanted: &'static str,
    },
    /// The server carries as many sessions as it is allowed to.
    #[error("the server is at its limit of {limit} sessions")]
    LimitReached {
        /// `max_sessions`.
        limit: usize,
    },
    /// Nobody publishes the stream now.
    #[error("stream {stream} is not live")]
    NotLive {
        /// The stream that was asked for.
        stream: StreamId,
    },
    /// Somebody else publishes the stream now.
    #[error(
        "stream {stream} is live under another user; allowed is another id, or this one once it has ended"
    )]
    Taken {
        /// The stream that was to be published.
        stream: StreamId,
    },
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// A PATCH was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// Candidates were taken (204).
    Trickled,
    /// ICE was restarted (200).
    Restarted {
        /// The new entity tag, without quotes.
        etag: String,
        /// The server's new credentials and candidates (RFC 8840 `application/trickle-ice-sdpfrag`).
        fragment: String,
    },
}

/// Why a PATCH was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// There is no such session (404).
    #[error(transparent)]
    UnknownSession(#[from] UnknownSession),
    /// The request has no `If-Match` (428, RFC 9725 §4.3.1).
    #[error("the request needs an If-Match header with the session's ETag")]
    MissingIfMatch,
    /// `If-Match` names another ICE session (412).
    #[error("the entity tag does not match the current ICE session")]
    StaleIfMatch,
    /// The body is no usable fragment (400).
    #[error("the fragment is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The session has been given as many candidates as it takes (429).
    #[error("the session has {limit} remote candidates and takes no more")]
    TooManyCandidates {
        /// The limit.
        limit: usize,
    },
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// There is no such session, or it belongs to another stream or role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no session {session} for a {role} of stream {stream}", role = .role.name())]
pub struct UnknownSession {
    /// The stream in the URL.
    pub stream: StreamId,
    /// The session in the URL.
    pub session: SessionId,
    /// The role that the URL stands for.
    pub role: Role,
}

impl From<&SessionRef> for UnknownSession {
    fn from(r: &SessionRef) -> Self {
        Self {
            stream: r.stream.clone(),
            session: r.session,
            role: r.role,
        }
    }
}

/// Settings of the media workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The address that the UDP sockets are bound to.
    pub bind: IpAddr,
    /// UDP port of the first worker; worker k uses `media_port + k`. 0 lets the system choose.
    pub media_port: u16,
    /// Number of workers, one thread each; at least 1.
    pub workers: usize,
    /// The addresses that answers announce; one or more.
    pub announce: Vec<IpAddr>,
    /// Most sessions, publishers and subscribers together.
    pub max_sessions: usize,
    /// Clients may also send media over TCP, to the port with the number of the UDP port.
    pub tcp: bool,
    /// Most TCP connections at once.
    pub tcp_max_connections: usize,
    /// Most TCP connections of one address at once; an IPv6 network of 64 bits counts as one.
    pub tcp_max_per_address: usize,
    /// How long a session may take from its answer to the first DTLS-protected packet.
    pub connect_timeout: Duration,
    /// How long subscribers stay without a publisher.
    pub linger: Duration,
    /// The sound of so many streams is sent to one receiver at once: that of the loudest.
    pub loudest: usize,
    /// Sound may be sent and received with redundancy (RED, RFC 2198).
    pub audio_redundancy: bool,
}

impl WorkerConfig {
    /// Settings for the given addresses with defaults for the rest.
    pub fn new(bind: IpAddr, media_port: u16, workers: usize, announce: Vec<IpAddr>) -> Self {
        Self {
            bind,
            media_port,
            workers,
            announce,
            max_sessions: 5_000,
            tcp: true,
            tcp_max_connections: 5_000,
            tcp_max_per_address: 500,
            connect_timeout: Duration::from_secs(15),
            linger: Duration::from_secs(60),
            loudest: 8,
            audio_redundancy: true,
        }
    }
}

/// The state of the workers at one moment, for readiness and logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Workers whose thread runs.
    pub running: usize,
    /// Workers that were started.
    pub workers: usize,
    /// UDP ports of the workers.
    pub ports: Vec<u16>,
    /// Open publisher sessions.
    pub publishers: usize,
    /// Open subscriber sessions.
    pub subscribers: usize,
    /// Open sessions that receive the streams of a room.
    pub receivers: usize,
    /// True from the start of the shutdown.
    pub shutting_down: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_id_survives_text() {
        let id = SessionId::from_bits(0x0123_4567);
        assert_eq!(id.to_string().parse::<SessionId>(), Ok(id));
        assert_eq!(id.to_string().len(), 32);
    }

    #[test]
    fn session_id_refuses_other_text() {
        for text in [
            "",
            "+0123456789abcdef0123456789abcde",
            "0123",
            "0123456789ABCDEF0123456789ABCDEF",
        ] {
            assert_eq!(text.parse::<SessionId>(), Err(BadSessionId), "{text}");
        }
    }
}
