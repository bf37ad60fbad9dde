//! What goes into the hub and comes out of it.

use std::sync::Arc;

use relay::StreamId;
use relay::push::{PushRefused, PushTarget};

use crate::live::broadcasts::Source;
use crate::live::{AppId, RoomKey, UserId};
use crate::signal::protocol::CloseCode;
use crate::store::Change;
use crate::webhook::{BeforeMessage, Notice};
use crate::worker::{
    Accepted, OfferError, Owner, PatchError, Patched, ReceiveError, RelayError, ServerOffer,
    SessionId, SessionRef, Wanted,
};

/// One WebSocket of the shell. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// Names one thing that the shell was asked to do; its result comes back with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One thing for the shell to do.
#[derive(Debug, Clone)]
pub enum HubOutput {
    /// Send a text frame.
    Send {
        /// To which socket.
        socket: SocketId,
        /// The whole frame.
        text: Arc<str>,
    },
    /// Close a socket once what was sent before is out. [`Hub::closed`](super::Hub::closed) need
    /// not be called for it.
    Close {
        /// Which.
        socket: SocketId,
        /// Why.
        code: CloseCode,
    },
    /// Change media. The result comes back by [`Hub::handle_media`](super::Hub::handle_media).
    ///
    /// Orders that name the same receiver, and orders that name the same publisher session, are
    /// carried out in the order in which they come; others need not wait for each other.
    Media {
        /// For the result.
        ticket: Ticket,
        /// What to do.
        order: MediaOrder,
    },
    /// Read what is stored of a room; it comes back by
    /// [`Hub::handle_loaded`](super::Hub::handle_loaded), with none when it cannot be read.
    Load {
        /// The room.
        key: RoomKey,
    },
    /// Read what is stored of a user; it comes back by
    /// [`Hub::handle_profile`](super::Hub::handle_profile).
    LoadProfile {
        /// For the result.
        ticket: Ticket,
        /// The app.
        app: AppId,
        /// The user.
        user: UserId,
    },
    /// Read what is stored of users; it comes back by
    /// [`Hub::handle_profiles`](super::Hub::handle_profiles).
    LoadProfiles {
        /// For the result.
        ticket: Ticket,
        /// The app.
        app: AppId,
        /// The users: some dozens at most.
        users: Vec<UserId>,
    },
    /// Read what an uploaded image is; it comes back by
    /// [`Hub::handle_image`](super::Hub::handle_image).
    LoadImage {
        /// For the result.
        ticket: Ticket,
        /// The app of the message. An image is known to whoever knows its id.
        app: AppId,
        /// The upload's id: 64 hexadecimal digits.
        id: String,
    },
    /// Write to the store.
    Save(Change),
    /// Ask the app's back end about a message; the answer comes by
    /// [`Hub::handle_verdict`](super::Hub::handle_verdict).
    Ask {
        /// For the answer.
        ticket: Ticket,
        /// What is to be sent.
        message: BeforeMessage,
    },
    /// Tell the app's back end.
    Tell(Notice),
    /// Record what is relayed under a name from now on, or no longer.
    Record {
        /// Whose it is.
        app: AppId,
        /// The name.
        name: StreamId,
        /// Whether from now on.
        recorded: bool,
    },
}

/// A change of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaOrder {
    /// Accept a publisher's offer; the result is [`MediaDone::Published`].
    Publish {
        /// The stream.
        stream: StreamId,
        /// Whose it is.
        owner: Owner,
        /// The SDP offer.
        offer: String,
        /// Whether it goes to FLV and HLS at once.
        relay: bool,
    },
    /// Trickle or restart ICE of a publisher; the result is [`MediaDone::Patched`].
    Patch {
        /// The publisher's session.
        session: SessionRef,
        /// The entity tag that the client knows.
        if_match: Option<String>,
        /// The SDP fragment (RFC 8840).
        body: String,
    },
    /// End a publisher's session. No result is needed.
    ClosePublisher {
        /// The publisher's session.
        session: SessionRef,
    },
    /// Let through, or stop, what a publisher sends. No result is needed.
    Allow {
        /// The publisher's session.
        session: SessionRef,
        /// Sound.
        audio: bool,
        /// The picture.
        video: bool,
    },
    /// Begin, rename or end the way to FLV and HLS; the result is [`MediaDone::Relayed`].
    Relay {
        /// The publisher's session.
        session: SessionRef,
        /// The name under which it goes there from now on; `None` ends it.
        name: Option<StreamId>,
    },
    /// Push what a publication is relayed as to another server; the result is
    /// [`MediaDone::Pushed`].
    Push {
        /// The publication.
        source: Source,
        /// The name under which it is relayed.
        name: StreamId,
        /// Where to.
        target: PushTarget,
    },
    /// Add streams to what a client receives, change which of their tracks it gets, or take
    /// streams away. The receiver is opened by the first order that names it; the result is
    /// [`MediaDone::Offered`].
    Receive {
        /// The receiver.
        receiver: SessionId,
        /// New streams, and new choices for old ones.
        add: Vec<Wanted>,
        /// Streams that are not received any more.
        remove: Vec<StreamId>,
    },
    /// The client's answer to an offer; the result is [`MediaDone::Offered`], with the next
    /// offer when changes have waited.
    Answer {
        /// The receiver.
        receiver: SessionId,
        /// Which offer is answered.
        revision: u32,
        /// The SDP answer.
        sdp: String,
    },
    /// Candidates of a receiver, or an ICE restart; the result is [`MediaDone::Offered`].
    PatchReceiver {
        /// The receiver.
        receiver: SessionId,
        /// The SDP fragment (RFC 8840).
        body: String,
    },
    /// End a receiver. No result is needed.
    CloseReceiver {
        /// The receiver.
        receiver: SessionId,
    },
}

/// What came of a [`MediaOrder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaDone {
    /// Of [`MediaOrder::Publish`].
    Published(Result<Accepted, OfferError>),
    /// Of [`MediaOrder::Patch`].
    Patched(Result<Patched, PatchError>),
    /// Of [`MediaOrder::Receive`], [`MediaOrder::Answer`] and [`MediaOrder::PatchReceiver`].
    Offered(Result<Option<ServerOffer>, ReceiveError>),
    /// Of [`MediaOrder::Relay`].
    Relayed(Result<(), RelayError>),
    /// Of [`MediaOrder::Push`].
    Pushed(Result<(), PushRefused>),
    /// Of an order that needs no result.
    Done,
}
