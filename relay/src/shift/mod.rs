//! Time shift: the segments of a live broadcast for up to hours after they have left its playlist.
//!
//! The [store](crate::hls::Store) of a variant has the newest segments, and hands over each one that
//! it forgets. They stay in memory first; from half of a window's part of the memory on, the oldest
//! ones go to files, by one task for all windows. The other half is for a disk that is slow for a
//! while. Where it takes nothing for longer, the window becomes shorter at its old end: nothing of the
//! live path waits, and no window has a gap.

mod body;
mod budget;
mod disk;
mod metrics;
mod reads;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use packager::hls::ShiftSegment;
use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::budget::Budget;
use self::disk::{Disk, Folder};
use self::metrics::{Dropped, Metrics};
use self::reads::Reads;
use self::window::{Bounds, GRACE, Gone, Place, Window};
use self::writer::Writer;

pub(crate) use self::body::SegmentBody;
pub(crate) use self::metrics::ReadError;
use crate::viewer::ViewerWatch;

/// How much of live broadcasts is kept for players that go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeShiftConfig {
    /// Media time that playlists show.
    pub window: Duration,
    /// Bytes of segments in memory, of all broadcasts together: more than that is in files. A limit
    /// for each would be none for the machine.
    pub memory_bytes: u64,
    /// Where files are kept; none for memory alone. No other server can have it meanwhile.
    pub folder: Option<PathBuf>,
    /// Bytes of files, of all broadcasts together.
    pub max_bytes: u64,
}

/// The windows of all broadcasts. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct TimeShift(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    memory: Budget,
    files: Option<Files>,
    metrics: Metrics,
    reads: Reads,
    /// All windows, for who looks for the largest.
    windows: Mutex<Vec<Weak<Inner>>>,
    open: AtomicUsize,
    /// The log says that memory is full.
    has_told: AtomicBool,
}

/// What is not in memory.
#[derive(Debug)]
struct Files {
    disk: Arc<dyn Disk>,
    budget: Budget,
    /// To the writer. Each window is there once at most: those that are open, and of those that have
    /// ended the ones that had something to write, or files.
    jobs: mpsc::UnboundedSender<Arc<Inner>>,
}

/// The window of one variant of a broadcast, which ends with it.
#[derive(Debug)]
pub(crate) struct Shelf(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    /// On the disk.
    name: String,
    state: Mutex<State>,
    /// It waits for the writer.
    is_called: AtomicBool,
}

#[derive(Debug)]
struct State {
    window: Window,
    /// Files that are of no use any more.
    rubbish: Vec<(u64, u64)>,
    /// The writer was given a segment of it.
    has_begun: bool,
    is_closed: bool,
}

/// What the writer has to do for a window.
struct Work {
    rubbish: Vec<(u64, u64)>,
    is_closed: bool,
    write: Option<(u64, Bytes)>,
}

/// A segment that has left its store.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Memory(Bytes),
    File(OnDisk),
}

/// A segment in a file.
#[derive(Debug, Clone)]
pub(crate) struct OnDisk {
    window: Arc<Inner>,
    msn: u64,
    bytes: u64,
}

impl TimeShift {
    /// Time shift as it is wanted, if it is; its metrics (`weblive_relay_shift_*`) are there anyway.
    /// `segment` is how long segments are meant to be.
    pub(crate) fn new(
        config: Option<&TimeShiftConfig>,
        segment: Duration,
        runtime: &Handle,
        registry: &Registry,
    ) -> Result<Option<Self>, NoTimeShift> {
        let metrics = Metrics::register(registry)?;
        let Some(config) = config else {
            return Ok(None);
        };
        let disk = match &config.folder {
            Some(folder) => {
                let opened = Folder::open(folder).map_err(|source| NoTimeShift::Folder {
                    folder: folder.clone(),
                    source,
                })?;
                Some((Arc::new(opened) as Arc<dyn Disk>, runtime))
            }
            None => None,
        };
        Ok(Some(Self::start(config, segment, metrics, disk)))
    }

    fn start(
        config: &TimeShiftConfig,
        segment: Duration,
        metrics: Metrics,
        disk: Option<(Arc<dyn Disk>, &Handle)>,
    ) -> Self {
        let files = disk.map(|(disk, runtime)| {
            let (jobs, taken) = mpsc::unbounded_channel();
            runtime.spawn(Writer::new(disk.clone()).run(taken));
            Files {
                disk,
                budget: Budget::new(config.max_bytes, metrics.disk.clone()),
                jobs,
            }
        });
        let longest = config.window.saturating_add(GRACE).as_secs_f64();
        // Publishers that send key frames off the beat have segments of half the length.
        let segments = 2.0 * longest / segment.as_secs_f64().max(0.1);
        Self(Arc::new(Shared {
            bounds: Bounds {
                shown: config.window,
                segments: segments as usize + 2,
            },
            memory: Budget::new(config.memory_bytes, metrics.memory.clone()),
            files,
            metrics,
            reads: Reads::default(),
            windows: Mutex::default(),
            open: AtomicUsize::new(0),
            has_told: AtomicBool::new(false),
        }))
    }

    /// Time shift of `window` without a disk.
    #[cfg(test)]
    pub(crate) fn in_memory(window: Duration, bytes: u64) -> Self {
        let config = TimeShiftConfig {
            window,
            memory_bytes: bytes,
            folder: None,
            max_bytes: 0,
        };
        let metrics = Metrics::register(&Registry::new()).expect("metrics");
        Self::start(&config, Duration::from_secs(2), metrics, None)
    }

    /// A window for a variant, under a name that no other has or had.
    pub(crate) fn shelf(&self, name: &str) -> Shelf {
        let shared = &self.0;
        shared.open.fetch_add(1, Ordering::AcqRel);
        let inner = Arc::new(Inner {
            shared: shared.clone(),
            name: name.to_owned(),
            state: Mutex::new(State {
                window: Window::new(shared.bounds),
                rubbish: Vec::new(),
                has_begun: false,
                is_closed: false,
            }),
            is_called: AtomicBool::new(false),
        });
        let mut windows = shared.windows();
        windows.retain(|window| window.strong_count() > 0);
        windows.push(Arc::downgrade(&inner));
        Shelf(inner)
    }
}

/// Why there is no time shift.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTimeShift {
    #[error("{}: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

impl Shelf {
    /// Takes the segment behind the newest one. Never waits: where memory is full, the window that has
    /// most in it loses the oldest of that, and with it what is older.
    pub(crate) fn push(&self, msn: u64, segment: ShiftSegment, data: Bytes) {
        let (inner, shared) = (&self.0, &self.0.shared);
        let bytes = data.len() as u64;
        let mut dropped = 0;
        let mut misses = 0;
        loop {
            let mut state = inner.state();
            if shared.memory.take(bytes) {
                state.window.push(msn, segment, data);
                break;
            }
            // More than there is memory; or what was made free others took, again and again.
            if bytes > shared.memory.limit() || misses == MOST_MISSES {
                let gone = state.window.clear();
                dropped += gone.segments + 1;
                inner.let_go(&mut state, gone);
                break;
            }
            // One window is locked at a time.
            drop(state);
            let shed = shared.shed_memory(inner);
            misses += u32::from(shed == 0);
            dropped += shed;
        }
        if dropped > 0 {
            shared.metrics.count_dropped(Dropped::Memory, dropped);
            if !shared.has_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    limit = shared.memory.limit(),
                    has_disk = shared.files.is_some(),
                    "the memory for time shift is full: windows are shorter"
                );
            }
        }
        inner.call_writer();
    }

    /// Forgets what is too old where segments of `newer` follow.
    pub(crate) fn slide(&self, newer: Duration) {
        let mut state = self.0.state();
        let gone = state.window.slide(newer);
        self.0.let_go(&mut state, gone);
        drop(state);
        self.0.call_writer();
    }

    pub(crate) fn find(&self, msn: u64) -> Option<Found> {
        Some(match self.0.state().window.find(msn)? {
            Place::Memory(data) => Found::Memory(data),
            Place::File(bytes) => Found::File(OnDisk {
                window: self.0.clone(),
                msn,
                bytes,
            }),
        })
    }

    /// What a playlist shows before the segment `next` and others of `newer` together, oldest first.
    pub(crate) fn shown(&self, next: u64, newer: Duration) -> Vec<ShiftSegment> {
        let state = self.0.state();
        if state.window.next() != next {
            // Not even the newest could be kept.
            return Vec::new();
        }
        let (_, shown) = state.window.shown(newer);
        shown.copied().collect()
    }

    /// Forgets the segments of an initialization section, and what is older.
    pub(crate) fn forget_init(&self, version: u32) {
        let mut state = self.0.state();
        let gone = state.window.forget_init(version);
        self.0
            .shared
            .metrics
            .count_dropped(Dropped::Memory, gone.segments);
        self.0.let_go(&mut state, gone);
        drop(state);
        self.0.call_writer();
    }

    /// The version of the oldest Media Initialization Section that is needed.
    pub(crate) fn oldest_init(&self) -> Option<u32> {
        self.0.state().window.oldest_init()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let inner = &self.0;
        inner.shared.open.fetch_sub(1, Ordering::AcqRel);
        let mut state = inner.state();
        let gone = state.window.clear();
        inner.let_go(&mut state, gone);
        state.is_closed = true;
        drop(state);
        inner.call_writer();
    }
}

impl OnDisk {
    /// How many it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A range of its data for a viewer, whose `watch` is told what it takes.
    pub(crate) async fn body(
        self,
        range: Range<u64>,
        watch: ViewerWatch,
    ) -> Result<SegmentBody, ReadError> {
        SegmentBody::open(self, range, watch).await
    }

    /// All of its data.
    #[cfg(test)]
    pub(crate) async fn read(self) -> Result<Bytes, ReadError> {
        let whole = 0..self.bytes;
        let watch = ViewerWatch::new(Duration::from_secs(10));
        let mut body = self.body(whole, watch).await?;
        let mut data = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| body.poll_bytes(cx)).await {
            data.extend_from_slice(&piece?);
        }
        Ok(data.into())
    }

    async fn piece(self, range: Range<u64>) -> Result<Bytes, ReadError> {
        let Self { window, msn, bytes } = self;
        let read = window.read(msn, bytes, range).await;
        if let Err(error) = &read {
            window.shared.metrics.count_refused(*error);
        }
        if read == Err(ReadError::Gone) {
            window.lose(msn);
        }
        read
    }
}

impl Inner {
    async fn read(&self, msn: u64, bytes: u64, range: Range<u64>) -> Result<Bytes, ReadError> {
        let shared = &self.shared;
        let disk = shared.files.as_ref().ok_or(ReadError::Gone)?.disk.clone();
        let name = self.name.clone();
        let read = move || disk.read(&name, msn, bytes, range);
        shared.reads.piece(read).await
    }

    /// Its file is gone. If nobody has removed it here, the window begins behind it.
    fn lose(self: &Arc<Self>, msn: u64) {
        let mut state = self.state();
        let gone = state.window.lose(msn);
        let lost = gone.segments;
        self.let_go(&mut state, gone);
        drop(state);
        if lost > 0 {
            tracing::warn!(
                window = self.name,
                msn,
                lost,
                "a file of time shift is gone"
            );
            self.shared.metrics.count_dropped(Dropped::Lost, lost);
            self.call_writer();
        }
    }

    /// Has the writer come where there is something to do.
    fn call_writer(self: &Arc<Self>) {
        let Some(files) = &self.shared.files else {
            return;
        };
        let state = self.state();
        // An end of what never came to the disk is no work for it: where it hangs, what waits for it
        // are windows that had something to write when they ended, and none that came and went.
        let is_needed = (state.is_closed && state.has_begun)
            || !state.rubbish.is_empty()
            || self.to_write(&state.window).is_some();
        drop(state);
        if is_needed && !self.is_called.swap(true, Ordering::AcqRel) {
            // Without the writer the runtime has ended.
            let _ = files.jobs.send(self.clone());
        }
    }

    fn begin_turn(&self) -> Work {
        self.is_called.store(false, Ordering::Release);
        let mut state = self.state();
        let write = self.to_write(&state.window);
        state.has_begun |= write.is_some();
        Work {
            rubbish: std::mem::take(&mut state.rubbish),
            is_closed: state.is_closed,
            write,
        }
    }

    fn to_write(&self, window: &Window) -> Option<(u64, Bytes)> {
        let open = self.shared.open.load(Ordering::Acquire).max(1) as u64;
        let part = self.shared.memory.limit() / open;
        window.to_write().filter(|_| window.memory() > part / 2)
    }

    /// A segment was written: where no other one waits, the disk keeps up.
    fn end_turn(&self) {
        if self.to_write(&self.state().window).is_none() {
            self.shared.has_told.store(false, Ordering::Relaxed);
        }
    }

    /// Says that a segment is in its file. False if it is not wanted any more.
    fn handle_written(&self, msn: u64) -> bool {
        let mut state = self.state();
        let written = state.window.handle_written(msn);
        // With the window: what is held is always to be found in one.
        self.shared.memory.give_back(written.unwrap_or(0));
        written.is_some()
    }

    /// Forgets the oldest segment that is in a file: the file, which is still there.
    fn shed_file(&self) -> Vec<(u64, u64)> {
        let gone = self.state().window.shed_file();
        gone.files
    }

    fn let_go(&self, state: &mut State, gone: Gone) {
        self.shared.memory.give_back(gone.memory);
        state.rubbish.extend(gone.files);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The window with the most in files.
    fn largest(&self) -> Option<Arc<Inner>> {
        self.most(|window| window.state().window.files())
    }

    /// Forgets the oldest segment in the memory of the window that has most there, of several that of
    /// the one that asks. How many segments that are, with those that are older.
    fn shed_memory(&self, asking: &Arc<Inner>) -> u64 {
        let held = |window: &Arc<Inner>| {
            let bytes = window.state().window.memory();
            (bytes, Arc::ptr_eq(window, asking))
        };
        let Some(fullest) = self.most(held) else {
            return 0;
        };
        let mut state = fullest.state();
        if state.window.memory() == 0 {
            return 0;
        }
        let gone = state.window.shed_memory();
        let shed = gone.segments;
        fullest.let_go(&mut state, gone);
        drop(state);
        fullest.call_writer();
        shed
    }

    /// The window that has most of something. It locks one at a time.
    fn most<K: Ord>(&self, of: impl Fn(&Arc<Inner>) -> K) -> Option<Arc<Inner>> {
        let windows: Vec<_> = self.windows().iter().filter_map(Weak::upgrade).collect();
        let sized = windows.into_iter().map(|window| (of(&window), window));
        let most = sized.max_by(|(one, _), (other, _)| one.cmp(other));
        most.map(|(_, window)| window)
    }

    fn windows(&self) -> MutexGuard<'_, Vec<Weak<Inner>>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often in a row no window has anything to give, though memory is full: others gave and took it
/// in between.
const MOST_MISSES: u32 = 8;
