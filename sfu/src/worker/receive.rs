//! The values of sessions that receive several streams.

use relay::StreamId;

use super::api::SessionId;
use crate::media::Picture;

/// A stream that a receiver should get, and which of its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The stream. It need not be live: its m-lines carry it as soon as it is.
    pub stream: StreamId,
    /// Its audio is wanted.
    pub audio: bool,
    /// Its video is wanted, in this picture. Another picture of a stream that is received already
    /// needs no offer: it comes from its next key frame on, and the one before flows until then.
    pub video: Option<Picture>,
}

/// An offer that the server makes to a receiver.
///
/// One is outstanding at a time: changes wait until it has been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOffer {
    /// Counts the offers of one receiver from 1; the answer has to name it.
    pub revision: u32,
    /// The offer. The stream part of each a=msid (RFC 8830) is the text of the stream id.
    pub sdp: String,
}

/// Why something about a receiver was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// There is no such receiver.
    #[error("there is no receiver {receiver:?}; it is opened by its first stream")]
    UnknownReceiver {
        /// The receiver that was named.
        receiver: SessionId,
    },
    /// The receiver would have more tracks of one kind than allowed.
    #[error("the receiver would have {count} {kind} tracks; at most {limit} are allowed")]
    TooManyTracks {
        /// `audio` or `video`.
        kind: &'static str,
        /// Tracks that it would have.
        count: usize,
        /// The limit. Tracks that the receiver's answers have refused for good lower it.
        limit: usize,
    },
    /// The answer is for another offer than the outstanding one.
    #[error("the answer is for revision {given}; {}", expected_words(*.expected))]
    WrongRevision {
        /// The revision that was named.
        given: u32,
        /// The outstanding offer's.
        expected: Option<u32>,
    },
    /// The answer is longer than any honest one.
    #[error("the answer has {length} bytes; at most {limit} are allowed")]
    TooLarge {
        /// Length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer does not fit the offer, or the fragment is none. Nothing has changed.
    #[error("the answer or fragment is malformed: {reason}")]
    Malformed {
        /// What is wrong, for the person who reads it.
        reason: String,
    },
    /// The answer looked right and cannot be carried out: the receiver has been closed.
    #[error("the answer cannot be carried out, and the receiver is closed: {reason}")]
    Refused {
        /// What the WebRTC stack says.
        reason: String,
    },
    /// The receiver has been given as many candidates as it takes.
    #[error("the receiver has {limit} remote candidates and takes no more")]
    TooManyCandidates {
        /// The limit.
        limit: usize,
    },
    /// The server carries as many sessions as it is allowed to.
    #[error("the server is at its limit of {limit} sessions")]
    LimitReached {
        /// `max_sessions`.
        limit: usize,
    },
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

fn expected_words(expected: Option<u32>) -> String {
    match expected {
        Some(revision) => format!("the outstanding offer is revision {revision}"),
        None => "no offer is outstanding".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_is_allowed() {
        let error = ReceiveError::WrongRevision {
            given: 3,
            expected: Some(2),
        };
        assert_eq!(
            error.to_string(),
            "the answer is for revision 3; the outstanding offer is revision 2"
        );
    }
}
