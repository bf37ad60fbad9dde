//! Pushes of live broadcasts to other servers by RTMP.
//!
//! A push reads a broadcast's ring of tags as an FLV viewer does: it begins at a key frame with
//! the sequence headers, costs a cursor and one tag, and skips to the newest key frame when the
//! other server is slow. Nothing of the broadcast waits for it. A lost connection is made again,
//! with growing waits, for as long as the broadcast lives; twenty failures in a row end it.

mod backoff;
mod dial;
mod failure;
mod hosts;
mod metrics;
mod session;
mod target;
mod task;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::Registry;
use tokio::sync::watch;
use tokio_rustls::rustls::ClientConfig;

pub use self::hosts::{HostRule, InvalidHostRule};
pub use self::target::{InvalidPushTarget, PushTarget};

use self::dial::{Dial, Network};
use self::metrics::Metrics;
use self::task::Task;
use crate::limits::Seats;
use crate::relay::Relay;
use crate::stream_id::StreamId;

/// Bounds of [`Pushes`], and what they may reach.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Pushes of one stream at once, failed ones included.
    pub max_per_stream: usize,
    /// Pushes for one owner at once.
    pub max_per_owner: usize,
    /// All pushes at once.
    pub max_pushes: usize,
    /// Hosts whose addresses may be private: of this machine, of a local network.
    pub private_hosts: Vec<HostRule>,
    /// For `rtmps`.
    pub tls: Arc<ClientConfig>,
}

/// Names one push; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub u64);

/// How a push is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushState {
    /// Nothing can be sent yet: the stream's media has not come, or cannot be carried.
    Waiting,
    /// On its way.
    Connecting,
    /// The server takes the stream.
    Running,
    /// Lost or refused, and tried again.
    Recovering,
    /// Given up.
    Failed,
    /// Stopped, or ended with its stream.
    Ended,
}

impl PushState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Connecting,
        Self::Running,
        Self::Recovering,
        Self::Failed,
        Self::Ended,
    ];

    /// A word for metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Recovering => "recovering",
            Self::Failed => "failed",
            Self::Ended => "ended",
        }
    }
}

/// A push, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushView {
    /// Its name.
    pub id: PushId,
    /// What is pushed.
    pub stream: StreamId,
    /// Scheme, host and application.
    pub target: String,
    /// How it is.
    pub state: PushState,
    /// What went wrong last; gone once it runs.
    pub error: Option<String>,
    /// Bytes of FLV tags sent.
    pub sent_bytes: u64,
    /// Tries after one that failed.
    pub reconnects: u64,
}

/// Why a push is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushRefused {
    /// There is nothing to push.
    #[error("stream {stream} is not live; publish it first")]
    NotLive {
        /// The stream.
        stream: StreamId,
    },
    /// As many as allowed are there.
    #[error("the limit of {limit} pushes {of} is reached; stop one first")]
    Full {
        /// Of what.
        of: &'static str,
        /// The bound.
        limit: usize,
    },
}

/// For whom a push is begun.
#[derive(Clone, Copy)]
pub struct PushFor<'a> {
    /// A number that pushes are counted and found by.
    pub owner: u32,
    /// Whose the stream is, for as long as the push goes on: [`Pushes::pass`].
    pub publisher: &'a str,
    /// Whether it is theirs now. It is asked while pushes are locked.
    pub is_theirs: &'a dyn Fn() -> bool,
}

/// Told of each change of a push's state, on the push's task; must not block.
pub type PushWatcher = Arc<dyn Fn(&PushView) + Send + Sync>;

/// All pushes. Clones share them.
#[derive(Clone)]
pub struct Pushes(Arc<Inner>);

struct Inner {
    relay: Relay,
    config: PushConfig,
    dial: Arc<dyn Dial>,
    metrics: Metrics,
    /// Of connections that take a stream.
    seats: Seats,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    last: u64,
    pushes: BTreeMap<PushId, Entry>,
}

struct Entry {
    owner: u32,
    publisher: Box<str>,
    target: PushTarget,
    view: PushView,
    sent: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
}

impl Entry {
    fn is_of(&self, owner: u32, stream: &StreamId) -> bool {
        self.owner == owner && self.view.stream == *stream
    }

    fn view(&self) -> PushView {
        let mut view = self.view.clone();
        view.sent_bytes = self.sent.load(Ordering::Relaxed);
        view
    }
}

impl Pushes {
    /// No pushes. They run on the tokio runtime of those who start them; their metrics
    /// (`weblive_push_*`) go into `registry`.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn new(
        relay: Relay,
        config: PushConfig,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let network = Network {
            private_hosts: config.private_hosts.clone(),
            tls: config.tls.clone(),
        };
        Self::with_dial(relay, config, Arc::new(network), registry)
    }

    fn with_dial(
        relay: Relay,
        config: PushConfig,
        dial: Arc<dyn Dial>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self(Arc::new(Inner {
            relay,
            seats: Seats::new(config.max_pushes),
            config,
            dial,
            metrics: Metrics::register(registry)?,
            book: Mutex::default(),
        })))
    }

    /// Begins to push a live stream for an owner, as long as it is this publisher's:
    /// [`pass`](Self::pass). What is another publisher's is not live for this one. One that goes
    /// there already stays as it is, and begins anew if it was given up. Where a stream has as many
    /// as allowed, the oldest one that was given up makes place.
    ///
    /// # Errors
    /// [`PushRefused`]. What happens later is told to the watcher.
    pub fn start(
        &self,
        stream: &StreamId,
        target: PushTarget,
        whose: PushFor<'_>,
        watcher: PushWatcher,
    ) -> Result<PushView, PushRefused> {
        let started = self.begin(stream, target, whose, watcher);
        if let Err(refused) = &started {
            let reason = match refused {
                PushRefused::NotLive { .. } => "not_live",
                PushRefused::Full { .. } => "limit",
            };
            self.0.metrics.refused.with_label_values(&[reason]).inc();
        }
        started
    }

    fn begin(
        &self,
        stream: &StreamId,
        target: PushTarget,
        whose: PushFor<'_>,
        watcher: PushWatcher,
    ) -> Result<PushView, PushRefused> {
        let not_live = || PushRefused::NotLive {
            stream: stream.clone(),
        };
        let broadcast = self.0.relay.broadcast(stream).filter(|b| !b.is_ended());
        let broadcast = broadcast.ok_or_else(not_live)?;
        let mut book = self.0.book();
        // Whoever takes the stream over from here on finds the push in the book.
        if !(whose.is_theirs)() {
            return Err(not_live());
        }
        let same = |entry: &&mut Entry| {
            let is_here = entry.view.stream == *stream && entry.target == target;
            // One that is being stopped says its farewell.
            is_here
                && !*entry.stop.borrow()
                && entry.owner == whose.owner
                && *entry.publisher == *whose.publisher
        };
        if let Some(entry) = book.pushes.values_mut().find(same) {
            if entry.view.state != PushState::Failed {
                return Ok(entry.view());
            }
            let failed = entry.view.id;
            book.drop_failed(failed);
        }
        let config = &self.0.config;
        let of_stream = |book: &Book| {
            let entries = book.pushes.values();
            let here = entries.filter(|e| e.view.stream == *stream && !*e.stop.borrow());
            let failed = here.clone().find(|e| e.view.state == PushState::Failed);
            (here.count(), failed.map(|entry| entry.view.id))
        };
        if let (there, Some(failed)) = of_stream(&book)
            && there >= config.max_per_stream
        {
            book.drop_failed(failed);
        }
        let count = |is: &dyn Fn(&Entry) -> bool| book.pushes.values().filter(|e| is(e)).count();
        for (of, there, limit) in [
            ("of one stream", of_stream(&book).0, config.max_per_stream),
            (
                "of one app",
                count(&|e| e.owner == whose.owner),
                config.max_per_owner,
            ),
            ("of this server", count(&|_| true), config.max_pushes),
        ] {
            if there >= limit {
                return Err(PushRefused::Full { of, limit });
            }
        }
        book.last += 1;
        let id = PushId(book.last);
        let view = PushView {
            id,
            stream: stream.clone(),
            target: target.to_string(),
            state: PushState::Waiting,
            error: None,
            sent_bytes: 0,
            reconnects: 0,
        };
        let (stop, stopped) = watch::channel(false);
        let entry = Entry {
            owner: whose.owner,
            publisher: whose.publisher.into(),
            target: target.clone(),
            view: view.clone(),
            sent: Arc::default(),
            stop,
        };
        let sent = entry.sent.clone();
        book.pushes.insert(id, entry);
        drop(book);
        tracing::info!(%stream, %target, push = id.0, "a push begins");
        let task = Task {
            pushes: self.clone(),
            broadcast,
            target,
            view: view.clone(),
            sent,
            watcher,
        };
        self.0.relay.runtime().spawn(task.run(stopped));
        Ok(view)
    }

    /// An owner's pushes of a stream, in the order in which they were begun.
    pub fn of(&self, owner: u32, stream: &StreamId) -> Vec<PushView> {
        let book = self.0.book();
        let entries = book.pushes.values();
        let here = entries.filter(|entry| entry.is_of(owner, stream));
        here.map(Entry::view).collect()
    }

    /// Ends an owner's push of a stream; the server is told so. False if there is none.
    pub fn stop(&self, owner: u32, stream: &StreamId, id: PushId) -> bool {
        let book = self.0.book();
        let entry = book.pushes.get(&id);
        let entry = entry.filter(|entry| entry.is_of(owner, stream));
        entry.is_some_and(|entry| !entry.stop.send_replace(true))
    }

    /// A stream is this publisher's from now on: pushes that were begun for another one end. How
    /// many there were.
    pub fn pass(&self, stream: &StreamId, publisher: &str) -> usize {
        let book = self.0.book();
        let entries = book.pushes.values();
        let others = entries.filter(|e| e.view.stream == *stream && *e.publisher != *publisher);
        others.filter(|e| !e.stop.send_replace(true)).count()
    }

    /// Notes how a push is now.
    fn note(&self, view: &PushView) {
        if let Some(entry) = self.0.book().pushes.get_mut(&view.id) {
            entry.view.clone_from(view);
        }
    }

    fn forget(&self, id: PushId) {
        self.0.book().pushes.remove(&id);
    }
}

impl Book {
    fn drop_failed(&mut self, id: PushId) {
        if let Some(entry) = self.pushes.remove(&id) {
            entry.stop.send_replace(true);
        }
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views = self.0.book();
        f.debug_list()
            .entries(views.pushes.values().map(|entry| &entry.view))
            .finish()
    }
}
