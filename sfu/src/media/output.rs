//! What the core asks its shell to carry out.

use std::net::IpAddr;

use relay::{IngestItem, Publication, StreamId};

use super::demand::Wants;
use super::forward::allocate::Rates;
use super::packet::MediaPacket;
use crate::worker::api::{SessionId, SessionRef};
use crate::worker::{MediaEvent, Travel};
use packager::picture::{Picture, Pictures};

/// An item for the relay's broadcast of a stream.
pub type RelayItem = IngestItem;

/// Something for the shell to do. Datagrams are not among these: see
/// [`Core::transmits`](super::Core::transmits).
#[derive(Debug)]
pub enum Output {
    /// Something for the rooms to know.
    Event(MediaEvent),
    /// The stream's publisher has gone; the relay waits for another one.
    Unpublished {
        /// The stream.
        stream: StreamId,
    },
    /// The relay should open, or take over, a broadcast. One that the stream has under another
    /// name is over.
    BroadcastOpened {
        /// The stream.
        stream: StreamId,
        /// The name of the broadcast.
        name: StreamId,
        /// The publisher's session.
        session: SessionId,
        /// Where its media comes from.
        from: Option<IpAddr>,
        /// What the publisher has.
        publication: Publication,
    },
    /// The stream's broadcast is over: the relay should end it at once.
    BroadcastStopped {
        /// The stream.
        stream: StreamId,
    },
    /// Media for the relay. If its lane is full, [`Core::relay_full`](super::Core::relay_full).
    Relay {
        /// The stream.
        stream: StreamId,
        /// The packet or report.
        item: RelayItem,
    },
    /// A message for another worker. If its lane is full, [`Core::lane_full`](super::Core::lane_full).
    Lane {
        /// Index of the other worker.
        worker: usize,
        /// The message.
        message: LaneMessage,
    },
    /// A session has ended and its maps are clean.
    Closed(SessionRef),
    /// A receiver has ended and its maps are clean.
    ReceiverClosed {
        /// The receiver.
        receiver: SessionId,
    },
    /// How a session's packets have travelled, for the operator.
    Travelled {
        /// The streams that they are of.
        streams: Travelled,
        /// How they did.
        travel: Travel,
    },
    /// A receiver has done with a stream that was added: removed, or there already.
    Left {
        /// The stream.
        stream: StreamId,
    },
}

/// The streams of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Travelled {
    /// It publishes this one.
    From(StreamId),
    /// It receives these.
    To(Vec<StreamId>),
}

/// What workers tell each other about a stream with subscribers on several of them.
///
/// The publisher's worker is the stream's home. Others hold a lease there for as long as they have
/// subscribers: a message lost or out of order heals with the next renewal.
#[derive(Debug, Clone)]
pub enum LaneMessage {
    /// Home to lease holder: a packet, its numbers continuous over all changes of the source.
    Media {
        /// The stream.
        stream: StreamId,
        /// The packet.
        packet: MediaPacket,
        /// Those who want these pictures should follow the packet's RTP stream from now on.
        pictures: Pictures,
    },
    /// Lease holder to home: send me this of the stream for some seconds.
    Attach {
        /// The stream.
        stream: StreamId,
        /// The worker that asks.
        worker: usize,
        /// What its subscribers want.
        wants: Wants,
    },
    /// Home to lease holder: the answer to `Attach`.
    Lease {
        /// The stream.
        stream: StreamId,
        /// True if the stream has a publisher.
        live: bool,
        /// What its pictures take, the unwanted ones too.
        rates: Rates,
    },
    /// Lease holder to home: no subscribers are left.
    Detach {
        /// The stream.
        stream: StreamId,
        /// The worker that leaves.
        worker: usize,
    },
    /// Lease holder to home: somebody needs a key frame.
    Keyframe {
        /// The stream.
        stream: StreamId,
        /// Of this picture.
        picture: Picture,
    },
}

impl LaneMessage {
    /// The stream that the message is about.
    pub fn stream(&self) -> &StreamId {
        match self {
            LaneMessage::Media { stream, .. }
            | LaneMessage::Attach { stream, .. }
            | LaneMessage::Lease { stream, .. }
            | LaneMessage::Detach { stream, .. }
            | LaneMessage::Keyframe { stream, .. } => stream,
        }
    }
}
