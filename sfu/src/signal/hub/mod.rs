//! The hub: the part of signalling without IO, where sockets, rooms, chat, store, media and
//! webhooks meet.
//!
//! Frames, results and the time go in; frames and orders come out by [`Hub::poll_output`]. Each
//! request is answered once, under its id. What needs another part of the server is ordered
//! under a [`Ticket`] and answered when its result comes, or when it does not come in time; so
//! answers may overtake each other. Events are numbered in each session from 1 without holes
//! and kept for a while, so that a client that has lost its socket misses none.
//!
//! One login is one [`ConnectionId`] of the rooms. A room's chat is read from the store before
//! anybody is let in, so that nobody who is banned slips in after a restart: requests that would
//! create a room or enter it wait for that.

pub mod admin;
mod answers;
mod bucket;
mod chat;
mod config;
mod counters;
mod effects;
mod error;
mod ice;
mod io;
mod lists;
mod loading;
mod login;
mod media_orders;
mod messages;
pub mod metrics;
mod muting;
mod notices;
mod publications;
mod publish;
mod quality;
mod receivers;
mod recording;
mod relaying;
mod requests;
mod ring;
mod send;
mod session;
mod shared_values;
mod sockets;
mod stage;
mod subscribe;
#[cfg(test)]
mod tests;
mod tickets;
mod user_sigs;
mod verdicts;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use self::config::HubConfig;
pub use self::counters::{HubCounters, HubGauges, HubRefusal};
pub use self::error::HubError;
pub use self::io::{HubOutput, MediaDone, MediaOrder, SocketId, Ticket};
pub(crate) use self::session::network;

use self::loading::RoomChat;
use self::quality::Figures;
use self::session::{ResumeToken, Session, Socket};
use self::stage::Stage;
use self::tickets::Tickets;
use self::verdicts::Verdicts;
use crate::live::agenda::Agenda;
use crate::live::chat::{ChatCounts, UnixTime, WordFilter};
use crate::live::{ConnectionId, RoomKey, Rooms, UserId};
use crate::webhook::Teller;

/// All that signalling knows. No IO, no clock.
///
/// After each call, the shell takes all outputs with [`Self::poll_output`] and asks
/// [`Self::next_timeout`] when to call [`Self::handle_timeout`]. Time must not go back.
pub struct Hub {
    config: HubConfig,
    /// A moment, and what the wall clock was then.
    epoch: (Instant, UnixTime),
    rng: StdRng,
    filter: Arc<WordFilter>,
    rooms: Rooms,
    sockets: HashMap<SocketId, Socket>,
    /// Sockets in the order in which they have to log in.
    logins_due: VecDeque<(Instant, SocketId)>,
    /// Sessions of each address.
    places: HashMap<IpAddr, usize>,
    sessions: HashMap<ConnectionId, Session>,
    tokens: HashMap<ResumeToken, ConnectionId>,
    /// When the UserSigs of sessions end.
    user_sig_ends: Agenda<ConnectionId>,
    /// When sessions are told of new TURN credentials.
    ice_renewals: Agenda<ConnectionId>,
    next_connection: u64,
    tickets: Tickets,
    /// The chat of each room, and of rooms that are about to be.
    chats: HashMap<RoomKey, RoomChat>,
    /// Chats that have something to say, or will have.
    chat_agenda: Agenda<RoomKey>,
    /// Chats that something happened in since they were asked.
    touched: BTreeSet<RoomKey>,
    /// Rooms in the order in which they have to be loaded.
    loads_due: VecDeque<(Instant, RoomKey)>,
    stage: Stage,
    figures: Figures,
    teller: Teller,
    verdicts: Verdicts,
    out: VecDeque<HubOutput>,
    counters: HubCounters,
    /// Whose request is carried out, until all that came of it was told.
    acting: Option<UserId>,
    /// Bytes of events, a member each, that requests have made the rooms tell.
    told: u64,
    /// Of the chats that are gone.
    ended_chats: ChatCounts,
}

impl Hub {
    /// A hub without rooms. `clock` is the wall clock at `now`; it advances with the times that
    /// are passed in. `seed` makes secrets: it has to be random.
    pub fn new(config: HubConfig, now: Instant, clock: UnixTime, seed: [u8; 32]) -> Self {
        Self {
            epoch: (now, clock),
            rng: StdRng::from_seed(seed),
            filter: Arc::new(WordFilter::empty()),
            rooms: Rooms::new(config.limits.clone()),
            sockets: HashMap::new(),
            logins_due: VecDeque::new(),
            places: HashMap::new(),
            sessions: HashMap::new(),
            tokens: HashMap::new(),
            user_sig_ends: Agenda::default(),
            ice_renewals: Agenda::default(),
            next_connection: 0,
            tickets: Tickets::new(config.ticket_timeout),
            chats: HashMap::new(),
            chat_agenda: Agenda::default(),
            touched: BTreeSet::new(),
            loads_due: VecDeque::new(),
            stage: Stage::new(config.relay_mode, config.publications),
            figures: Figures::new(config.speakers, config.limits.connections),
            teller: Teller::default(),
            verdicts: Verdicts::default(),
            out: VecDeque::new(),
            counters: HubCounters::default(),
            acting: None,
            told: 0,
            ended_chats: ChatCounts::default(),
            config,
        }
    }

    /// Replaces the word filter, for all that comes from now on.
    pub fn set_filter(&mut self, filter: Arc<WordFilter>) {
        self.filter = filter;
    }

    /// The next thing for the shell to do, in order. To be called until there is nothing.
    pub fn poll_output(&mut self) -> Option<HubOutput> {
        self.out.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        [
            self.rooms.next_timeout(),
            self.chat_agenda.next(),
            self.tickets.next_timeout(),
            self.logins_due.front().map(|(at, _)| *at),
            self.loads_due.front().map(|(at, _)| *at),
            self.figures.next_timeout(),
            self.user_sig_ends.next(),
            self.ice_renewals.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.rooms.handle_timeout(now);
        self.settle(now);
        self.end_logins(now);
        self.end_tickets(now);
        self.end_loads(now);
        while let Some(key) = self.chat_agenda.pop_due(now) {
            self.touched.insert(key);
        }
        self.tell_figures(now);
        self.end_user_sigs(now);
        self.renew_ice_servers(now);
        self.settle(now);
    }

    /// What was done and refused since the start.
    pub fn counters(&self) -> &HubCounters {
        &self.counters
    }

    /// How much there is now.
    pub fn gauges(&self) -> HubGauges {
        let rooms = self.rooms.gauges();
        HubGauges {
            sockets: self.sockets.len(),
            sessions: self.sessions.len(),
            guests: rooms.guests,
            lost: rooms.lost,
            rooms: rooms.rooms,
            members: self.chats.keys().map(|key| self.rooms.online(key)).sum(),
            pending: self.tickets.len() + self.waiting_for_rooms(),
            publications: self.stage.publications(),
            subscriptions: self.stage.subscriptions(),
        }
    }

    /// The rooms, for their counters.
    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    /// What all chats did and refused since the start, those of ended rooms included.
    pub fn chat_counts(&self) -> ChatCounts {
        let mut counts = self.ended_chats;
        for chat in self.chats.values().filter_map(RoomChat::ready) {
            counts += chat.counts();
        }
        counts
    }

    /// The wall clock at `now`.
    pub(super) fn clock(&self, now: Instant) -> UnixTime {
        self.epoch
            .1
            .after(now.saturating_duration_since(self.epoch.0))
    }
}

impl std::fmt::Debug for Hub {
    /// How much there is; not what is said, and no secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("gauges", &self.gauges())
            .finish_non_exhaustive()
    }
}
