//! Recordings of live broadcasts: their segments in a store, with a playlist (HLS, VOD) and one MP4
//! file of them at the end.
//!
//! A recording reads a broadcast's finished segments as a player does, those of the large picture.
//! Nothing of the broadcast waits for it: what a slow store is not ready for in time is gone,
//! counted, and a discontinuity in the playlist. A store that takes nothing ends the recording.
//! What was written when a process ends, however it ends, is closed by the next one, which lists what
//! has ended, too. A stream that the settings name is recorded again where a recording of it ends before it does.

mod archive;
mod book;
mod bucket;
mod closing;
mod file;
mod following;
mod id;
mod left;
mod listing;
mod manifest;
mod metrics;
mod objects;
mod pattern;
mod reading;
mod recorder;
mod removal;
mod task;
#[cfg(test)]
mod tests;
mod turns;
mod upload;
mod view;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{IntGauge, Registry};
use tokio::sync::watch;

pub use self::archive::RecordStore;
pub use self::bucket::{BucketAddress, InvalidBucketAddress};
pub use self::file::{RecordingFile, RecordingPart};
pub use self::id::{InvalidRecordingId, RecordingId};
pub use self::pattern::{InvalidStreamPattern, StreamPattern};
pub use self::reading::{
    ReadLimit, ReadRefused, Readable, Recorded, RecordedBody, RecordingReader,
};
pub use self::removal::NotRemoved;
pub use self::view::{EndReason, RecordState, RecordingView};

use self::archive::Archive;
use self::book::{Book, Entry};
use self::manifest::{Manifest, Paths, VERSION, millis};
use self::metrics::{Metrics, Unlisted};
use self::recorder::{Bounds, Ending};
use self::task::Task;
use self::turns::Mp4Turns;
use crate::broadcast::Broadcast;
use crate::relay::{Arrival, Relay};
use crate::stream_id::StreamId;

/// Bounds of [`Recordings`], and what is recorded by itself.
#[derive(Debug, Clone)]
pub struct RecordConfig {
    /// Recordings of one owner that go on at once. Four times as many may wait for their files.
    pub max_per_owner: usize,
    /// All recordings that go on at once. Four times as many may wait for their files.
    pub max_recordings: usize,
    /// What plays of one at most.
    pub max_duration: Duration,
    /// Bytes of the segments of one at most; its MP4 file is as large again.
    pub max_bytes: u64,
    /// Whether one MP4 file is made at the end.
    pub mp4: bool,
    /// Streams that are recorded from their beginning.
    pub auto: Vec<StreamPattern>,
    /// Recordings that are listed after their end, those that began last: each takes less than a KiB.
    pub max_listed: usize,
}

/// Why a recording is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordRefused {
    /// There is nothing to record.
    #[error("stream {stream} is not live; publish it first")]
    NotLive {
        /// The stream.
        stream: StreamId,
    },
    /// As many as allowed are there.
    #[error("the limit of {limit} recordings {of} is reached")]
    Full {
        /// Of what.
        of: &'static str,
        /// The bound.
        limit: usize,
    },
}

/// Told of each recording's beginning and end, on its task; must not block.
pub type RecordWatcher = Arc<dyn Fn(&RecordingView) + Send + Sync>;

/// Says whose a stream is, by a number that is only counted by, if that is known. It is asked while
/// recordings are locked.
pub type OwnerOf = Arc<dyn Fn(&StreamId) -> Option<u32> + Send + Sync>;

/// All recordings. Clones share them.
#[derive(Clone)]
pub struct Recordings(Arc<Inner>);

struct Inner {
    relay: Relay,
    store: RecordStore,
    config: RecordConfig,
    metrics: Metrics,
    watcher: RecordWatcher,
    owner_of: OwnerOf,
    mp4_turns: Mp4Turns,
    down: watch::Sender<bool>,
    /// How many tasks there are.
    tasks: watch::Sender<usize>,
    book: Mutex<Book>,
}

impl Recordings {
    /// No recordings yet. Those that are in the store are listed in the background, and those that an
    /// earlier process left are ended. Their metrics (`weblive_record_*`) go into `registry`.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn new(
        relay: Relay,
        config: RecordConfig,
        store: RecordStore,
        (watcher, owner_of): (RecordWatcher, OwnerOf),
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let recordings = Self(Arc::new(Inner {
            relay,
            store,
            metrics: Metrics::register(registry)?,
            watcher,
            owner_of,
            mp4_turns: Mp4Turns::new(MP4S_WAITING),
            down: watch::Sender::new(false),
            tasks: watch::Sender::new(0),
            book: Mutex::default(),
            config,
        }));
        recordings.spawn(recordings.clone().end_unfinished());
        recordings.spawn(recordings.clone().list_store());
        let weak = Arc::downgrade(&recordings.0);
        recordings.0.relay.on_publish(move |broadcast, arrival| {
            if let Some(inner) = weak.upgrade() {
                Self(inner).handle_publisher(broadcast, arrival);
            }
        });
        Ok(recordings)
    }

    /// Begins to record a live stream for an owner, with the segment that is under way. One that is
    /// recorded for the same owner already goes on. One that is known to be somebody else's is not
    /// live for this owner.
    ///
    /// # Errors
    /// [`RecordRefused`]. What happens later is told to the watcher.
    pub fn start(&self, stream: &StreamId, owner: u32) -> Result<RecordingView, RecordRefused> {
        let broadcast = self.0.relay.broadcast(stream);
        let broadcast = broadcast.filter(|broadcast| !broadcast.is_ended());
        let started = match broadcast {
            Some(broadcast) => {
                let first = under_way(&broadcast);
                self.begin(broadcast, owner, first, 0)
            }
            None => Err(RecordRefused::NotLive {
                stream: stream.clone(),
            }),
        };
        if let Err(refused) = &started {
            self.count(refused);
        }
        started
    }

    fn count(&self, refused: &RecordRefused) {
        let reason = match refused {
            RecordRefused::NotLive { .. } => "not_live",
            RecordRefused::Full { .. } => "limit",
        };
        self.0.metrics.refused.with_label_values(&[reason]).inc();
    }

    /// Somebody publishes, of whom nothing has come yet.
    fn handle_publisher(&self, broadcast: &Arc<Broadcast>, arrival: Arrival) {
        let owner = (self.0.owner_of)(&broadcast.id).unwrap_or_default();
        match arrival {
            Arrival::Begins => self.begin_by_itself(broadcast, owner, 0, 0),
            Arrival::TakesOver => {
                let under_way = under_way(broadcast);
                if self.end_of_others(broadcast, owner, under_way) {
                    // What is under way has media of the one before; a key frame ends it.
                    self.begin_by_itself(broadcast, owner, under_way + 1, 0);
                }
            }
        }
    }

    /// Ends recordings of a broadcast that is another owner's now, without the segment under way.
    /// True if there are any.
    fn end_of_others(&self, broadcast: &Arc<Broadcast>, owner: u32, under_way: u64) -> bool {
        let book = self.0.book();
        let entries = book.recordings.values();
        let others = entries.filter(|entry| {
            entry.view.owner != owner && entry.broadcast.as_ptr() == Arc::as_ptr(broadcast)
        });
        let mut are_any = false;
        for entry in others {
            are_any = true;
            entry.ending.send_modify(|ending| {
                let reason = ending.map_or(EndReason::StreamEnded, |stopped| stopped.reason);
                let until = ending.map_or(under_way, |stopped| stopped.until.min(under_way));
                *ending = Some(Ending { reason, until });
            });
        }
        are_any
    }

    fn begin(
        &self,
        broadcast: Arc<Broadcast>,
        owner: u32,
        first: u64,
        failures: u32,
    ) -> Result<RecordingView, RecordRefused> {
        let stream = broadcast.id.clone();
        let mut book = self.0.book();
        // Whoever takes the stream over from here on finds the recording in the book.
        if (self.0.owner_of)(&stream).is_some_and(|now| now != owner) {
            return Err(RecordRefused::NotLive { stream });
        }
        let mut entries = book.recordings.values();
        let same = |entry: &&Entry| entry.view.owner == owner && entry.goes_on(&broadcast);
        if let Some(entry) = entries.find(same) {
            return Ok(entry.view.clone());
        }
        let config = &self.0.config;
        book.check_room(owner, config)?;
        let started_at = millis(SystemTime::now());
        let id = RecordingId::new(started_at, rand::random());
        let paths = Paths::new(&stream, &id);
        let manifest = Manifest {
            version: VERSION,
            id: id.clone(),
            stream: stream.to_string(),
            owner,
            started_at,
            mp4: config.mp4,
            end: None,
        };
        let view = view(&manifest, &stream, &paths);
        let (ending, endings) = watch::channel(None);
        let entry = Entry {
            view: view.clone(),
            broadcast: Arc::downgrade(&broadcast),
            ending,
        };
        book.recordings.insert(id.clone(), entry);
        drop(book);
        tracing::info!(%stream, recording = %id, "a recording begins");
        let task = Task {
            recordings: self.clone(),
            manifest,
            paths,
            first,
            failures,
            view: view.clone(),
        };
        self.spawn(task.run(broadcast, endings));
        Ok(view)
    }

    /// An owner's recordings, of a stream or of all, those that have ended included, in the order in
    /// which they were begun: the newest thousand.
    pub fn of(&self, owner: u32, stream: Option<&StreamId>) -> Vec<RecordingView> {
        self.0.book().newest(owner, stream, NEWEST)
    }

    /// An owner's recordings after one, of a stream or of all, in the same order.
    pub fn page(
        &self,
        owner: u32,
        stream: Option<&StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        self.0.book().page(owner, stream, after, limit)
    }

    /// Ends an owner's recording of a stream with the segment under way. False if there is none that
    /// goes on.
    pub fn stop(&self, stream: &StreamId, owner: u32, id: &RecordingId) -> bool {
        let book = self.0.book();
        let entry = book.recordings.get(id);
        let entry = entry.filter(|e| e.view.stream == *stream && e.view.owner == owner);
        entry.is_some_and(Entry::stop)
    }

    /// Reads what was recorded.
    pub fn reader(&self) -> RecordingReader {
        RecordingReader::new(self.0.store.clone(), self.0.metrics.reading.clone())
    }

    /// Says that the server ends. Recordings that end from now on are left to the next start,
    /// which makes their playlists and files.
    pub fn leave_to_next_start(&self) {
        self.0.down.send_replace(true);
    }

    /// Returns when nothing is written any more; call [`Recordings::leave_to_next_start`] and end
    /// the broadcasts first. Removals may go on: they can be repeated.
    pub async fn settled(&self) {
        // An error would say that there are no recordings altogether.
        let _ = self.0.tasks.subscribe().wait_for(|tasks| *tasks == 0).await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let running = Running::new(self.0.clone());
        self.0.relay.runtime().spawn(async move {
            work.await;
            drop(running);
        });
    }

    fn archive(&self) -> &dyn Archive {
        &*self.0.store.0
    }

    fn gauge(&self, state: RecordState) -> IntGauge {
        let gauges = &self.0.metrics.recordings;
        gauges.with_label_values(&[state.name()])
    }

    fn tell(&self, view: &RecordingView) {
        (self.0.watcher)(view);
    }

    /// Notes how a recording is now.
    fn note(&self, view: &RecordingView) {
        if let Some(entry) = self.0.book().recordings.get_mut(&view.id) {
            entry.view.clone_from(view);
        }
    }

    fn keep_ended(&self, view: &RecordingView) {
        let limit = self.0.config.max_listed;
        if !self.0.book().keep_ended(view.clone(), limit) {
            self.0.metrics.leave_out(Unlisted::Limit, 1);
        }
    }

    fn forget(&self, id: &RecordingId) {
        self.0.book().recordings.remove(id);
    }
}

/// One of the tasks that write, for as long as it runs.
struct Running(Arc<Inner>);

impl Running {
    fn new(inner: Arc<Inner>) -> Self {
        inner.tasks.send_modify(|tasks| *tasks += 1);
        Self(inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tasks.send_modify(|tasks| *tasks -= 1);
    }
}

impl Inner {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recordings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let book = self.0.book();
        f.debug_list()
            .entries(book.recordings.values().map(|entry| &entry.view))
            .finish()
    }
}

/// Media Sequence Number of the segment that a broadcast has under way.
fn under_way(broadcast: &Broadcast) -> u64 {
    broadcast.variant(None).store.edge().borrow().msn
}

fn bounds(config: &RecordConfig) -> Bounds {
    // Segments last a second and more. Only those before a break are shorter.
    let segments = config.max_duration.as_secs().saturating_mul(2);
    Bounds {
        duration: config.max_duration,
        bytes: config.max_bytes,
        segments: usize::try_from(segments.saturating_add(100)).unwrap_or(usize::MAX),
    }
}

fn view(manifest: &Manifest, stream: &StreamId, paths: &Paths) -> RecordingView {
    RecordingView {
        id: manifest.id.clone(),
        stream: stream.clone(),
        owner: manifest.owner,
        state: RecordState::Recording,
        started_at: manifest.started_at,
        reason: None,
        error: None,
        duration: Duration::ZERO,
        bytes: 0,
        segments: 0,
        missed: 0,
        folder: paths.folder().to_owned(),
        playlist: None,
        mp4: None,
    }
}

/// MP4 files that wait for their turn: some hours of work.
const MP4S_WAITING: usize = 100;

/// Recordings that are told of at once.
const NEWEST: usize = 1_000;
