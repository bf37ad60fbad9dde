//! What the workers tell the rooms of media.

use std::net::IpAddr;
use std::time::Duration;

use packager::rtp::Codec;
use relay::StreamId;
use tokio::sync::mpsc;

use super::api::{Owner, SessionId};
use crate::media::Picture;

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
        /// Where the publisher's packets come from.
        from: Option<IpAddr>,
        /// Whose the stream is.
        owner: Option<Owner>,
    },
    /// A session's media goes to the relay under this name no more: it is stopped, renamed, or
    /// its publisher has gone. If another session has the name by now, its broadcast goes on.
    BroadcastEnded {
        /// The name of the broadcast.
        name: StreamId,
        /// The publisher's session.
        session: SessionId,
    },
    /// A publisher with simulcast layers is to send this picture and those below it; nobody takes
    /// a better one. Told when it is live, and whenever it changes.
    PictureWanted {
        /// The publisher's session.
        session: SessionId,
        /// The best picture to send.
        picture: Picture,
    },
    /// A receiver's session has ended, for whatever reason.
    ReceiverEnded {
        /// The receiver.
        receiver: SessionId,
    },
    /// A receiver has answered without the codec that a stream comes in: it is not sent there.
    CodecMissing {
        /// The receiver.
        receiver: SessionId,
        /// The stream.
        stream: StreamId,
        /// What it comes in.
        codec: Codec,
    },
    /// The link to a receiver carries no picture of a stream, or does again; the sound goes on.
    VideoPaused {
        /// The receiver.
        receiver: SessionId,
        /// The stream.
        stream: StreamId,
        /// It pauses; false if it goes on.
        paused: bool,
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
}
