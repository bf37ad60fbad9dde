//! What the shell was asked and has not answered.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use relay::StreamId;

use super::io::Ticket;
use super::lists::WaitingProfiles;
use super::login::WaitingLogin;
use super::receivers::WaitingOffer;
use crate::live::broadcasts::{RelayOrder, Source};
use crate::live::chat::{Draft, Prepared};
use crate::live::{ConnectionId, Face, RoomKey};

/// Who waits for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) connection: ConnectionId,
    /// The id of the request.
    pub(super) request: u32,
    /// Whose codes the client knows.
    pub(super) face: Face,
}

/// What is to be done with the result.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Finish a login.
    Login(Box<WaitingLogin>),
    /// Go on with a message of which the image was asked.
    Image {
        asker: Asker,
        key: RoomKey,
        draft: Box<Draft>,
    },
    /// Deliver a message, unless the app's back end says no.
    Verdict {
        asker: Asker,
        key: RoomKey,
        prepared: Box<Prepared>,
        /// As the client has sent it, for a back end that replaces the content.
        draft: Box<Draft>,
    },
    /// Note a publisher's session.
    Publish {
        asker: Asker,
        source: Source,
        stream: StreamId,
    },
    /// End the session that an offer gives after its request was answered as too late.
    LatePublish(StreamId),
    /// Answer a request with the result as it is.
    Patch(Asker),
    /// Answer whether it was begun.
    Push(Asker),
    /// Settle a change of relaying.
    Relay {
        /// None when the back end has ordered it.
        asker: Option<Asker>,
        source: Source,
        order: RelayOrder,
    },
    /// Answer with them and with what is stored.
    Profiles(WaitingProfiles),
    /// Give the offer to the client.
    Offer(WaitingOffer),
}

/// Open tickets. Each is open for one fixed time at most, so they end in the order in which
/// they were made.
#[derive(Debug)]
pub(super) struct Tickets {
    open: HashMap<Ticket, Waiting>,
    ends: VecDeque<(Instant, Ticket)>,
    next: u64,
    timeout: Duration,
}

impl Tickets {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            open: HashMap::new(),
            ends: VecDeque::new(),
            next: 0,
            timeout,
        }
    }

    /// A ticket of which nobody waits for the result.
    pub(super) fn unawaited(&mut self) -> Ticket {
        self.next += 1;
        Ticket(self.next)
    }

    pub(super) fn open(&mut self, now: Instant, waiting: Waiting) -> Ticket {
        let ticket = self.unawaited();
        self.open.insert(ticket, waiting);
        self.ends.push_back((now + self.timeout, ticket));
        ticket
    }

    /// Opens a ticket again, whose result has not come in time.
    pub(super) fn reopen(&mut self, now: Instant, ticket: Ticket, waiting: Waiting) {
        self.open.insert(ticket, waiting);
        self.ends.push_back((now + self.timeout, ticket));
    }

    /// What waits for a result; none when it is not awaited, or not any more.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Waiting> {
        let waiting = self.open.remove(&ticket);
        // What has ended at the front makes place at once; the rest does when its turn comes.
        while self
            .ends
            .pop_front_if(|(_, t)| !self.open.contains_key(t))
            .is_some()
        {}
        waiting
    }

    /// The next ticket whose time is over.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<(Ticket, Waiting)> {
        while let Some((_, ticket)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            if let Some(waiting) = self.open.remove(&ticket) {
                return Some((ticket, waiting));
            }
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// How many are awaited.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
