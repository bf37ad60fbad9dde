//! Recordings as they are read: whose one is, what of it is there, and pieces of its files.
//!
//! The store is asked for so much at once and no more: a disk that hangs has a few threads of the
//! runtime, and those who record have theirs.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::archive::{Archive, Object, Pending, RecordStore};
use super::file::RecordingFile;
use super::id::RecordingId;
use super::manifest::Manifest;
use super::metrics::ReadMetrics;
use crate::stream_id::StreamId;

/// Why nothing is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadRefused {
    /// It was never there, or is not any more.
    #[error("there is no such recording, or no such file of it")]
    NoSuch,
    /// It is recorded, or this file of it is made.
    #[error("the recording goes on, or this file of it is being made")]
    NotYet,
    /// Too many others read.
    #[error("the store of recordings has as much to read as it can; try again in a moment")]
    Busy,
    /// The log says why.
    #[error("the store of recordings does not give it")]
    Store,
}

/// Why a request for a file is refused before anything is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadLimit {
    /// As many read as may in all.
    All,
    /// As many of one address read as may.
    Address,
    /// One that took nothing for long had to make place.
    Idle,
}

/// Reads recordings. Clones share what they know and their turns at the store.
#[derive(Clone)]
pub struct RecordingReader(Arc<Inner>);

struct Inner {
    store: RecordStore,
    turns: Arc<Semaphore>,
    owners: Mutex<Owners>,
    metrics: ReadMetrics,
}

/// Whose the recordings are that were read of late and have ended: neither changes.
#[derive(Default)]
struct Owners {
    of: HashMap<(StreamId, RecordingId), u32>,
    /// Oldest first.
    order: VecDeque<(StreamId, RecordingId)>,
}

impl Owners {
    fn keep(&mut self, key: (StreamId, RecordingId), owner: u32) {
        if self.of.insert(key.clone(), owner).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > KNOWN {
            if let Some(oldest) = self.order.pop_front() {
                self.of.remove(&oldest);
            }
        }
    }
}

impl RecordingReader {
    pub(super) fn new(store: RecordStore, metrics: ReadMetrics) -> Self {
        Self(Arc::new(Inner {
            store,
            turns: Arc::new(Semaphore::new(TURNS)),
            owners: Mutex::default(),
            metrics,
        }))
    }

    /// Looks up the recording that a file is of.
    ///
    /// # Errors
    /// [`ReadRefused`], but not for a recording that goes on.
    pub async fn find(&self, file: &RecordingFile) -> Result<Recorded, ReadRefused> {
        let key = (file.stream.clone(), file.recording.clone());
        let known = self.owners().of.get(&key).copied();
        let (owner, has_ended) = match known {
            Some(owner) => (owner, true),
            None => {
                let manifest = self.manifest(file).await?;
                let has_ended = manifest.end.is_some();
                if has_ended {
                    self.owners().keep(key, manifest.owner);
                }
                (manifest.owner, has_ended)
            }
        };
        Ok(Recorded {
            reader: self.clone(),
            file: file.clone(),
            owner,
            has_ended,
        })
    }

    /// Counts a request that somebody else refuses.
    pub fn count(&self, limit: ReadLimit) {
        let reason = match limit {
            ReadLimit::All => "limit",
            ReadLimit::Address => "address",
            ReadLimit::Idle => "idle",
        };
        self.refuse(reason);
    }

    fn refuse(&self, reason: &str) {
        self.0.metrics.refused.with_label_values(&[reason]).inc();
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        self.0.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn manifest(&self, file: &RecordingFile) -> Result<Manifest, ReadRefused> {
        let path = file.paths().manifest();
        let read = self.carry_out(|archive| Box::pin(async move { archive.text(&path).await }));
        let text = read.await?.ok_or(ReadRefused::NoSuch)?;
        let (stream, recording) = (&file.stream, &file.recording);
        Manifest::read(&text, stream, recording).map_err(|error| {
            tracing::warn!(%stream, %recording, %error, "a recording is not read");
            self.refuse("store");
            ReadRefused::Store
        })
    }

    /// Carries out one thing in its turn. It goes on and keeps its turn if nobody waits for it any
    /// more: what hangs in the store cannot be called back.
    async fn carry_out<T: Send + 'static>(
        &self,
        step: impl FnOnce(Arc<dyn Archive>) -> Pending<'static, T>,
    ) -> Result<T, ReadRefused> {
        let turn = timeout(TURN, self.0.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            self.refuse("busy");
            return Err(ReadRefused::Busy);
        };
        let step = step(self.0.store.0.clone());
        let task = tokio::spawn(async move {
            let done = step.await;
            drop(turn);
            done
        });
        match timeout(STEP, task).await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => {
                self.refuse("store");
                Err(ReadRefused::Store)
            }
        }
    }
}

impl fmt::Debug for RecordingReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingReader").finish_non_exhaustive()
    }
}

/// A recording that is there, and the file of it that is asked for, which may not be.
#[derive(Debug)]
pub struct Recorded {
    reader: RecordingReader,
    file: RecordingFile,
    owner: u32,
    has_ended: bool,
}

impl Recorded {
    /// Whose it is, by number.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Looks up the file. A recording has none for players before it has ended.
    ///
    /// # Errors
    /// [`ReadRefused`].
    pub async fn open(self) -> Result<Readable, ReadRefused> {
        if !self.has_ended {
            return Err(ReadRefused::NotYet);
        }
        let (path, mark) = (self.file.path(), self.file.paths().mark());
        let found = self.reader.carry_out(move |archive| {
            Box::pin(async move {
                if let Some(object) = archive.find(&path).await? {
                    return Ok(Ok((path, object)));
                }
                // Once the mark is gone no more files follow.
                Ok(match archive.size(&mark).await? {
                    Some(_) => Err(ReadRefused::NotYet),
                    None => Err(ReadRefused::NoSuch),
                })
            })
        });
        let (path, object) = found.await??;
        Ok(Readable {
            reader: self.reader,
            path,
            object,
        })
    }
}

/// A file of a recording, which does not change.
#[derive(Debug, Clone)]
pub struct Readable {
    reader: RecordingReader,
    path: String,
    object: Object,
}

impl Readable {
    /// Bytes of it.
    pub fn size(&self) -> u64 {
        self.object.size
    }

    /// When it was written.
    pub fn modified(&self) -> SystemTime {
        self.object.modified
    }

    /// Its bytes in this range, which must be within its size, piece by piece as they are taken:
    /// one piece is in memory.
    pub fn body(self, range: Range<u64>) -> RecordedBody {
        self.reader.0.metrics.reads.inc();
        RecordedBody {
            left: range,
            file: self,
            reading: None,
        }
    }

    async fn piece(self, range: Range<u64>) -> Result<Bytes, ReadRefused> {
        let wanted = range.end - range.start;
        let Self {
            reader,
            path,
            object,
        } = self;
        let read = reader.carry_out(move |archive| {
            Box::pin(async move { archive.piece(&path, &object, range).await })
        });
        let piece = read.await?;
        // A file that was cut short: the client was promised its length.
        if piece.len() as u64 != wanted {
            reader.refuse("store");
            return Err(ReadRefused::Store);
        }
        reader.0.metrics.bytes.inc_by(wanted);
        Ok(piece)
    }
}

/// See [`Readable::body`].
pub struct RecordedBody {
    file: Readable,
    left: Range<u64>,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, ReadRefused>> + Send>>;

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = ReadRefused;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadRefused>>> {
        let this = &mut *self;
        if this.left.is_empty() {
            return Poll::Ready(None);
        }
        let piece = this.file.reader.0.store.0.piece_bytes();
        let end = this.left.end.min(this.left.start.saturating_add(piece));
        let range = this.left.start..end;
        let reading = this
            .reading
            .get_or_insert_with(|| Box::pin(this.file.clone().piece(range)));
        let read = ready!(reading.as_mut().poll(cx));
        this.reading = None;
        match read {
            Ok(_) => this.left.start = end,
            Err(_) => this.left.start = this.left.end,
        }
        Poll::Ready(Some(read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.end - self.left.start)
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        self.file.reader.0.metrics.reads.dec();
    }
}

impl fmt::Debug for RecordedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Things that the store does for readers at once. A hanging disk takes no more threads than that.
const TURNS: usize = 16;

/// How long a turn is waited for.
const TURN: Duration = Duration::from_secs(10);

/// How long the store may take for one thing.
const STEP: Duration = Duration::from_secs(20);

/// Recordings whose owner is remembered.
const KNOWN: usize = 1_000;

#[cfg(test)]
mod tests;
