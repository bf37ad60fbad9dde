//! The values of sessions that receive several streams, and what the workers tell of media.

use std::time::Duration;

use relay::StreamId;
use tokio::sync::mpsc;

use super::api::SessionId;

/// A stream that a receiver should get, and which of its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The stream. It need not be live: its m-lines carry it as soon as it is.
    pub stream: StreamId,
    /// Its audio is wanted.
    pub audio: bool,
    /// Its video is wanted.
    pub video: bool,
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

/// Something that happened to media, for the rooms.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// A publisher is connected: its stream is live.
    Live {
        /// The stream.
        stream: StreamId,
        /// The publisher's session.
        session: SessionId,
        /// There is an audio track.
        audio: bool,
        /// There is a video track.
        video: bool,
    },
    /// A publisher's session has ended, for whatever reason, connected or not.
    Ended {
        /// The stream that it published.
        stream: StreamId,
        /// The session.
        session: SessionId,
    },
    /// The relay has a publisher's media under a name from now on: HTTP-FLV and HLS can be pulled.
    BroadcastBegan {
        /// The name of the broadcast.
        name: StreamId,
        /// The publisher's session.
        session: SessionId,
    },
    /// A session's media goes to the relay under this name no more: it is stopped, renamed, or
    /// its publisher has gone. If another session has the name by now, its broadcast goes on.
    BroadcastEnded {
        /// The name of the broadcast.
        name: StreamId,
        /// The publisher's session.
        session: SessionId,
    },
    /// A receiver's session has ended, for whatever reason.
    ReceiverEnded {
        /// The receiver.
        receiver: SessionId,
    },
    /// How loud the streams of one worker were since the last of these; 200 ms apart at least.
    Levels(Vec<StreamLevel>),
    /// How a session's packets travel; every 2 s. What is not known is `None`.
    Transport {
        /// A publisher's or receiver's session.
        session: SessionId,
        /// The round trip between server and client.
        rtt: Option<Duration>,
        /// The part of the packets that is lost from the client to the server, 0 to 1.
        loss_up: Option<f32>,
        /// The part of the packets that is lost from the server to the client, 0 to 1.
        loss_down: Option<f32>,
    },
}

/// How loud a stream was at its loudest (RFC 6464).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLevel {
    /// The stream.
    pub stream: StreamId,
    /// In -dBov: 0 is the loudest, 127 is silence.
    pub level: u8,
    /// The client took it for speech, if it says so.
    pub voice: Option<bool>,
}

impl MediaEvent {
    /// True if the next one of its kind makes up for a lost one.
    pub(crate) fn is_figure(&self) -> bool {
        matches!(self, Self::Levels(_) | Self::Transport { .. })
    }
}

/// Where media events go, once somebody wants them.
#[derive(Debug, Default)]
pub(crate) struct EventLane(std::sync::OnceLock<mpsc::Sender<MediaEvent>>);

impl EventLane {
    /// The other end; the first time only.
    pub(crate) fn open(&self) -> Option<mpsc::Receiver<MediaEvent>> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        self.0.set(sender).ok()?;
        Some(receiver)
    }

    /// False if the event was dropped although somebody wants it. Figures leave half of the lane
    /// to events that do not come again.
    pub(crate) fn send(&self, event: MediaEvent) -> bool {
        let Some(sender) = self.0.get() else {
            return true;
        };
        if event.is_figure() && sender.capacity() < EVENTS / 2 {
            return false;
        }
        sender.try_send(event).is_ok()
    }
}

/// Events that wait: the comings and goings of some thousand sessions at once. "Full" means that
/// nobody has read for seconds.
const EVENTS: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_leave_room_for_events_that_do_not_come_again() {
        let lane = EventLane::default();
        let levels = || MediaEvent::Levels(Vec::new());
        let ended = || MediaEvent::ReceiverEnded {
            receiver: SessionId::from_bits(1),
        };
        assert!(lane.send(levels()), "nobody wants them yet");
        let mut input = lane.open().expect("first");
        assert!(lane.open().is_none());
        let sent = (0..EVENTS).filter(|_| lane.send(levels())).count();
        assert_eq!(sent, EVENTS / 2 + 1);
        let sent = (0..EVENTS).filter(|_| lane.send(ended())).count();
        assert_eq!(sent, EVENTS / 2 - 1);
        assert!(!lane.send(ended()));
        assert_eq!(input.try_recv(), Ok(levels()));
        assert!(lane.send(ended()));
    }

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
