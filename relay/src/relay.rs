//! The relay: all broadcasts by their public ids.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use packager::rtp::Tracks;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::broadcast::{
    self, Broadcast, CommonClock, Context, Facet, OPUS, Phase, Publisher, Variant,
};
use crate::config::RelayConfig;
use crate::ingest::{FrameIngest, Ingest, KeyframeAsker, Lane, Publication};
use crate::limits::Seats;
use crate::metrics::Metrics;
use crate::shift::{NoTimeShift, TimeShift};
use crate::stream_id::StreamId;

/// How long [`Relay::shutdown`] waits for the broadcasts to end.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// All live broadcasts. Clones share them.
#[derive(Debug, Clone)]
pub struct Relay {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Arc<RelayConfig>,
    pub(crate) metrics: Arc<Metrics>,
    /// Places of all viewers.
    pub(crate) seats: Seats,
    runtime: Handle,
    shutdown: watch::Sender<bool>,
    broadcasts: Mutex<HashMap<StreamId, Arc<Broadcast>>>,
    time_shift: Option<TimeShift>,
    /// Told of each publisher that is taken on.
    on_publish: OnceLock<OnPublish>,
}

type OnPublish = Box<dyn Fn(&Arc<Broadcast>, Arrival) + Send + Sync>;

/// What a publisher finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing: its broadcast begins.
    Begins,
    /// A live broadcast, which it takes over.
    TakesOver,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
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
    /// The folder of time shift cannot be used.
    #[error(
        "time shift cannot keep segments in {}: {source} (setting `relay.time_shift_folder`)",
        folder.display()
    )]
    TimeShift {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<NoTimeShift> for StartError {
    fn from(error: NoTimeShift) -> Self {
        match error {
            NoTimeShift::Folder { folder, source } => Self::TimeShift { folder, source },
            NoTimeShift::Metrics(error) => Self::Metrics(error),
        }
    }
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
    /// The stream is live with media that comes in the other way: RTP of a publisher, or frames of
    /// another server.
    #[error("cannot publish {id}: it is live with media that comes in another way")]
    OtherWay {
        /// The stream that was to be published.
        id: StreamId,
    },
    /// Addresses of this name are those of another stream's variant, or of its own sound.
    #[error("cannot publish {id}: {of} is live, and has a variant or its own sound at this name")]
    OfVariant {
        /// The stream that was to be published.
        id: StreamId,
        /// The stream that has what is called so.
        of: StreamId,
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
    /// [`StartError`] outside of a runtime, when the metrics are registered already, or when the
    /// folder of time shift cannot be used.
    pub fn new(config: RelayConfig, registry: &Registry) -> Result<Self, StartError> {
        let runtime = Handle::try_current()?;
        let segment = config.segment_duration;
        let inner = Inner {
            metrics: Arc::new(Metrics::register(registry)?),
            time_shift: TimeShift::new(config.time_shift.as_ref(), segment, &runtime, registry)?,
            seats: Seats::new(config.max_viewers),
            config: Arc::new(config),
            runtime,
            shutdown: watch::Sender::new(false),
            broadcasts: Mutex::default(),
            on_publish: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Starts a broadcast, or takes over the live one of the same id: its viewers stay and its
    /// media time goes on. The former publisher's [`Ingest`] is closed.
    ///
    /// A broadcast that starts with several pictures has a variant for each, and one of its sound:
    /// `/live/{id}.m3u8` is a Multivariant Playlist then. They stay for as long as it lives; one
    /// whose picture another publisher lacks shows what comes nearest. One that starts with sound has
    /// that as it was sent, too: Opus, at `/live/{id}_opus.m3u8`.
    ///
    /// May be called from any thread. `ask_keyframe` is called on the broadcast's task.
    ///
    /// # Errors
    /// [`PublishError`] when the limit of broadcasts is reached or the relay shuts down.
    pub fn publish(
        &self,
        id: &StreamId,
        publication: impl Into<Publication>,
        ask_keyframe: KeyframeAsker,
    ) -> Result<Ingest, PublishError> {
        let (ingest, lane, is_over) = Ingest::new(self.inner.metrics.clone());
        let publisher = Publisher {
            lane: Lane::Packets(lane),
            is_over,
            publication: publication.into(),
            ask_keyframe,
            clock: CommonClock::default(),
        };
        self.take_on(id, publisher)?;
        Ok(ingest)
    }

    /// The same with frames that another server has made: pictures and AAC go on as they are, with
    /// that server's times for as long as these rise.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn publish_frames(
        &self,
        id: &StreamId,
        tracks: Tracks,
    ) -> Result<FrameIngest, PublishError> {
        self.publish_frames_by(id, tracks, CommonClock::default())
    }

    /// The same, with segments dated by a clock that others may have in common with it.
    pub(crate) fn publish_frames_by(
        &self,
        id: &StreamId,
        tracks: Tracks,
        clock: CommonClock,
    ) -> Result<FrameIngest, PublishError> {
        let (ingest, lane, is_over) = FrameIngest::new();
        let publisher = Publisher {
            lane: Lane::Frames(lane),
            is_over,
            publication: tracks.into(),
            ask_keyframe: Arc::new(|_| {}),
            clock,
        };
        self.take_on(id, publisher)?;
        Ok(ingest)
    }

    fn take_on(&self, id: &StreamId, mut publisher: Publisher) -> Result<(), PublishError> {
        let inner = &self.inner;
        let mut broadcasts = inner.broadcasts();
        // Within the lock: a shutdown that begins now sees the broadcast.
        if *inner.shutdown.borrow() {
            return Err(PublishError::ShuttingDown { id: id.clone() });
        }
        if let Some(live) = broadcasts.get(id).cloned() {
            let is_of_frames = publisher.lane.is_of_frames();
            if !live.is_ended() && live.is_of_frames != is_of_frames {
                return Err(PublishError::OtherWay { id: id.clone() });
            }
            match live.hand_over(publisher) {
                Ok(()) => {
                    drop(broadcasts);
                    inner.tell(&live, Arrival::TakesOver);
                    return Ok(());
                }
                Err(back) => publisher = back,
            }
        }
        let refused = |limit| inner.metrics.refused.with_label_values(&[limit]).inc();
        if let Some((of, _)) = facet_of(&broadcasts, id)
            && !of.is_ended()
        {
            refused("variant_names");
            let (id, of) = (id.clone(), of.id.clone());
            return Err(PublishError::OfVariant { id, of });
        }
        let live = broadcasts.values().filter(|b| !b.is_ended()).count();
        let limit = inner.config.max_broadcasts;
        if live >= limit {
            refused("broadcasts");
            return Err(PublishError::TooManyBroadcasts {
                id: id.clone(),
                limit,
            });
        }
        let broadcast = Arc::new(Broadcast::new(
            id.clone(),
            &publisher,
            &inner.config,
            &new_stamp(),
            inner.time_shift.as_ref(),
        ));
        broadcasts.insert(id.clone(), broadcast.clone());
        drop(broadcasts);
        inner.tell(&broadcast, Arrival::Begins);
        inner.runtime.spawn(self.clone().keep(broadcast, publisher));
        Ok(())
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

    /// The stream that an id in an address speaks of: itself, or that of which it names a variant
    /// (`{id}_h`, `{id}_m`, `{id}_l`, `{id}_audio`) or its own sound (`{id}_opus`).
    pub fn stream_of(&self, id: &StreamId) -> StreamId {
        self.look_up(id)
            .map_or_else(|| id.clone(), |(broadcast, _)| broadcast.id.clone())
    }

    /// The broadcast that an id speaks of, and what of it. A stream of that very id comes first.
    pub(crate) fn look_up(&self, id: &StreamId) -> Option<(Arc<Broadcast>, Facet)> {
        let broadcasts = self.inner.broadcasts();
        if let Some(broadcast) = broadcasts.get(id) {
            return Some((broadcast.clone(), Facet::Whole));
        }
        let (broadcast, facet) = facet_of(&broadcasts, id)?;
        Some((broadcast.clone(), facet))
    }

    /// The name in addresses of a broadcast's own sound, unless another stream has it or the sound has
    /// ended before the broadcast.
    pub(crate) fn opus_name(&self, broadcast: &Broadcast) -> Option<String> {
        if broadcast.opus()?.is_ended() && !broadcast.is_ended() {
            return None;
        }
        let name = format!("{}_{OPUS}", broadcast.id);
        let is_free = !self.inner.broadcasts().contains_key(name.as_str());
        is_free.then_some(name)
    }

    /// The variants of a broadcast whose addresses speak of them: one whose name was another
    /// stream's when the broadcast began has none, and neither has that of a single size.
    pub(crate) fn addressed<'a>(&self, broadcast: &'a Broadcast) -> Vec<Addressed<'a>> {
        // Each playlist of Low-Latency HLS asks, many times a second.
        if broadcast.variants().len() < 2 {
            return Vec::new();
        }
        let broadcasts = self.inner.broadcasts();
        let named = broadcast.variants().iter().map(|variant| Addressed {
            name: format!("{}_{}", broadcast.id, variant.content.name()),
            variant,
        });
        named
            .filter(|named| !broadcasts.contains_key(named.name.as_str()))
            .collect()
    }

    /// True once [`Relay::shutdown`] was called.
    pub fn is_shutting_down(&self) -> bool {
        *self.inner.shutdown.borrow()
    }

    /// Whether there is something of a broadcast of this id, live or ended not long ago.
    pub fn has(&self, id: &StreamId) -> bool {
        self.look_up(id).is_some()
    }

    /// The broadcast of this id, live or ended not long ago.
    pub(crate) fn broadcast(&self, id: &StreamId) -> Option<Arc<Broadcast>> {
        self.inner.broadcasts().get(id).cloned()
    }

    /// Calls this with each publisher's broadcast from now on, before any media of that publisher is
    /// there. The first one that asks for it is told.
    pub(crate) fn on_publish(
        &self,
        told: impl Fn(&Arc<Broadcast>, Arrival) + Send + Sync + 'static,
    ) {
        let _ = self.inner.on_publish.set(Box::new(told));
    }

    /// Where its tasks run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.inner.runtime
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

/// A variant, and its name in addresses.
pub(crate) struct Addressed<'a> {
    pub(crate) name: String,
    pub(crate) variant: &'a Variant,
}

/// The broadcast of which an id names a variant or its own sound. One of a single size has no
/// variants: what is called like one is another stream, which may be live elsewhere.
fn facet_of<'a>(
    broadcasts: &'a HashMap<StreamId, Arc<Broadcast>>,
    id: &StreamId,
) -> Option<(&'a Arc<Broadcast>, Facet)> {
    let (base, name) = id.as_str().rsplit_once('_')?;
    let broadcast = broadcasts.get(base)?;
    if name == OPUS {
        return broadcast.opus().map(|_| (broadcast, Facet::Opus));
    }
    let has_variants = broadcast.variants().len() > 1;
    let place = broadcast.position(name).filter(|_| has_variants)?;
    Some((broadcast, Facet::Variant(place)))
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
    fn tell(&self, broadcast: &Arc<Broadcast>, arrival: Arrival) {
        if let Some(on_publish) = self.on_publish.get() {
            on_publish(broadcast, arrival);
        }
    }

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
