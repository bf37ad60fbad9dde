//! The relay: all broadcasts by their public ids.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use packager::rtp::Tracks;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::broadcast::{self, Broadcast, Context, Phase, Publisher};
use crate::config::RelayConfig;
use crate::ingest::{Ingest, KeyframeAsker};
use crate::limits::Seats;
use crate::metrics::Metrics;
use crate::stream_id::StreamId;

/// How long [`Relay::shutdown`] waits for the broadcasts to end.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// All live broadcasts. Clones share them.
#[derive(Debug, Clone)]
pub struct Relay {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Arc<RelayConfig>,
    pub(crate) metrics: Arc<Metrics>,
    /// Places of all viewers.
    pub(crate) seats: Seats,
    runtime: Handle,
    shutdown: watch::Sender<bool>,
    broadcasts: Mutex<HashMap<StreamId, Arc<Broadcast>>>,
}

/// Why a relay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It was not created within a tokio runtime.
    #[error("the relay needs a tokio runtime to run its broadcasts on")]
    NoRuntime(#[from] tokio::runtime::TryCurrentError),
    /// The registry has metrics of these names.
    #[error("the relay's metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a stream cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// As many broadcasts as allowed are live.
    #[error("cannot publish {id}: the limit of {limit} broadcasts is reached")]
    TooManyBroadcasts {
        /// The stream that was to be published.
        id: StreamId,
        /// [`RelayConfig::max_broadcasts`].
        limit: usize,
    },
    /// The relay shuts down.
    #[error("cannot publish {id}: the relay shuts down")]
    ShuttingDown {
        /// The stream that was to be published.
        id: StreamId,
    },
}

impl Relay {
    /// A relay without broadcasts, whose tasks run on the current tokio runtime. Its metrics
    /// (`weblive_relay_*`) go into `registry`.
    ///
    /// # Errors
    /// [`StartError`] outside of a runtime, or when the metrics are registered already.
    pub fn new(config: RelayConfig, registry: &Registry) -> Result<Self, StartError> {
        let runtime = Handle::try_current()?;
        let inner = Inner {
            metrics: Arc::new(Metrics::register(registry)?),
            seats: Seats::new(config.max_viewers),
            config: Arc::new(config),
            runtime,
            shutdown: watch::Sender::new(false),
            broadcasts: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Starts a broadcast, or takes over the live one of the same id: its viewers stay and its
    /// media time goes on. The former publisher's [`Ingest`] is closed.
    ///
    /// May be called from any thread. `ask_keyframe` is called on the broadcast's task.
    ///
    /// # Errors
    /// [`PublishError`] when the limit of broadcasts is reached or the relay shuts down.
    pub fn publish(
        &self,
        id: &StreamId,
        tracks: Tracks,
        ask_keyframe: KeyframeAsker,
    ) -> Result<Ingest, PublishError> {
        let inner = &self.inner;
        let (ingest, lane, is_over) = Ingest::new(inner.metrics.clone());
        let mut publisher = Publisher {
            lane,
            is_over,
            tracks,
            ask_keyframe,
        };
        let mut broadcasts = inner.broadcasts();
        // Within the lock: a shutdown that begins now sees the broadcast.
        if *inner.shutdown.borrow() {
            return Err(PublishError::ShuttingDown { id: id.clone() });
        }
        if let Some(live) = broadcasts.get(id) {
            match live.hand_over(publisher) {
                Ok(()) => return Ok(ingest),
                Err(back) => publisher = back,
            }
        }
        let live = broadcasts.values().filter(|b| !b.is_ended()).count();
        let limit = inner.config.max_broadcasts;
        if live >= limit {
            inner
                .metrics
                .refused
                .with_label_values(&["broadcasts"])
                .inc();
            return Err(PublishError::TooManyBroadcasts {
                id: id.clone(),
                limit,
            });
        }
        let broadcast = Arc::new(Broadcast::new(id.clone(), &inner.config, new_stamp()));
        broadcasts.insert(id.clone(), broadcast.clone());
        drop(broadcasts);
        inner.runtime.spawn(self.clone().keep(broadcast, publisher));
        Ok(ingest)
    }

    /// Width and height in pixels of a broadcast's picture: from the parameter sets of its
    /// publisher's newest key frame. `None` before the first one, and for sound alone. Known for
    /// as long as the broadcast is, which is some time longer than it is live.
    pub fn picture_size(&self, id: &StreamId) -> Option<(u16, u16)> {
        self.broadcast(id)?.picture_size()
    }

    /// Ends all broadcasts: FLV bodies end, playlists get `EXT-X-ENDLIST` and stay. Returns
    /// when all have ended, at the latest after 2 s.
    pub async fn shutdown(&self) {
        let broadcasts: Vec<_> = {
            let broadcasts = self.inner.broadcasts();
            self.inner.shutdown.send_replace(true);
            broadcasts.values().cloned().collect()
        };
        let all_ended = async {
            for broadcast in broadcasts {
                let mut status = broadcast.status.subscribe();
                // An error would say that the broadcast is gone altogether.
                let _ = status.wait_for(|s| s.phase == Phase::Ended).await;
            }
        };
        if timeout(SHUTDOWN_WAIT, all_ended).await.is_err() {
            tracing::warn!("some broadcasts did not end in time");
        }
    }

    /// The broadcast of this id, live or ended not long ago.
    pub(crate) fn broadcast(&self, id: &StreamId) -> Option<Arc<Broadcast>> {
        self.inner.broadcasts().get(id).cloned()
    }

    /// Runs a broadcast and forgets it some time after its end.
    async fn keep(self, broadcast: Arc<Broadcast>, publisher: Publisher) {
        let context = Context {
            config: self.inner.config.clone(),
            metrics: self.inner.metrics.clone(),
            shutdown: self.inner.shutdown.subscribe(),
        };
        let entry = Entry {
            relay: self,
            broadcast,
        };
        broadcast::run(entry.broadcast.clone(), context, publisher).await;
        sleep(entry.relay.inner.config.stay()).await;
    }
}

/// A broadcast's place among the others, which it leaves on drop: some time after its end, or at
/// once when its task panics.
struct Entry {
    relay: Relay,
    broadcast: Arc<Broadcast>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut broadcasts = self.relay.inner.broadcasts();
        if let Some(kept) = broadcasts.get(&self.broadcast.id)
            && Arc::ptr_eq(kept, &self.broadcast)
        {
            broadcasts.remove(&self.broadcast.id);
        }
    }
}

impl Inner {
    fn broadcasts(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Broadcast>>> {
        self.broadcasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text that no other broadcast has, here or after a restart: the wall clock in microseconds
/// and, for the case that the clock was set back, a random number.
fn new_stamp() -> String {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64);
    let random = RandomState::new().hash_one(micros) as u32;
    format!("{micros:x}{random:08x}")
}
