//! Segments that are read from files: so many at once, within so much memory, once for all who ask
//! at about the same time.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::metrics::ReadError;

/// Which segment: the number of its window, and its own.
pub(super) type Key = (u64, u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Reads {
    /// Those that wait for the disk, or for memory.
    waiting: AtomicUsize,
    turns: Arc<Semaphore>,
    /// KiB of what was read, for as long as anybody has it.
    memory: Arc<Semaphore>,
    /// What was read last, oldest first: it goes when memory is needed.
    last: Mutex<VecDeque<(Key, Bytes)>>,
}

/// Data, and its part of the memory.
struct Held {
    data: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            turns: Arc::new(Semaphore::new(TURNS)),
            memory: Arc::new(Semaphore::new(MEMORY_KIB as usize)),
            last: Mutex::default(),
        }
    }
}

impl Reads {
    /// A segment that `read` gives, which may block.
    pub(super) async fn get(
        &self,
        key: Key,
        bytes: u64,
        read: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Bytes, ReadError> {
        if let Some(data) = self.found(key) {
            return Ok(data);
        }
        let _waiting = Waiting::begin(&self.waiting)?;
        // Whoever reads for longer goes on without the one who asked.
        match timeout(PATIENCE, self.read(key, bytes, read)).await {
            Ok(read) => read,
            Err(_) => Err(ReadError::Busy),
        }
    }

    async fn read(
        &self,
        key: Key,
        bytes: u64,
        read: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Bytes, ReadError> {
        // They are never closed.
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return Err(ReadError::Failed);
        };
        // Somebody who waited for the same may have had the turn before.
        if let Some(data) = self.found(key) {
            return Ok(data);
        }
        let memory = self.room_for(bytes).await?;
        let work = spawn_blocking(move || {
            let data = read();
            // A disk that hangs has this many threads, and no more.
            drop(turn);
            data.map(|data| Held {
                data,
                _memory: memory,
            })
        });
        match work.await {
            Ok(Ok(held)) => {
                let data = Bytes::from_owner(held);
                let mut last = self.last();
                if last.len() >= MOST_KEPT {
                    last.pop_front();
                }
                last.push_back((key, data.clone()));
                Ok(data)
            }
            Ok(Err(error)) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => ReadError::Gone,
                _ => {
                    tracing::debug!(%error, "a segment cannot be read");
                    ReadError::Failed
                }
            }),
            Err(_) => Err(ReadError::Failed),
        }
    }

    /// Memory for a segment: that of what was read before it and is not asked for any more, or what
    /// viewers give back.
    async fn room_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, ReadError> {
        let kib = u32::try_from(bytes.div_ceil(1_024)).unwrap_or(u32::MAX);
        if kib > MEMORY_KIB {
            return Err(ReadError::Failed);
        }
        loop {
            if let Ok(memory) = self.memory.clone().try_acquire_many_owned(kib) {
                return Ok(memory);
            }
            let oldest = self.last().pop_front();
            if oldest.is_none() {
                break;
            }
        }
        let memory = self.memory.clone().acquire_many_owned(kib).await;
        memory.map_err(|_| ReadError::Failed)
    }

    fn found(&self, key: Key) -> Option<Bytes> {
        let mut last = self.last();
        let index = last.iter().rposition(|(known, _)| *known == key)?;
        // What is asked for stays longer.
        let found = last.remove(index)?;
        let data = found.1.clone();
        last.push_back(found);
        Some(data)
    }

    fn last(&self) -> MutexGuard<'_, VecDeque<(Key, Bytes)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Result<Self, ReadError> {
        let place = Self(waiting);
        match waiting.fetch_add(1, Ordering::AcqRel) < MOST_WAITING {
            true => Ok(place),
            // The place is given back with it.
            false => Err(ReadError::Busy),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Reads at once, each with a thread of its own while it lasts. A spinning disk gains nothing from
/// more.
const TURNS: usize = 8;

/// How many wait at most; those above are refused at once.
const MOST_WAITING: usize = 1_024;

/// How long one waits. A player that asks for a segment of 2 s has little use of it later.
const PATIENCE: Duration = Duration::from_secs(5);

/// What viewers are handed and what is kept for the next ones, in KiB: four of the largest segments,
/// or a hundred of 2 s at 2.5 Mbit/s.
const MEMORY_KIB: u32 = 64 << 10;

/// Segments that are kept for the next ones who ask: looked through for each.
const MOST_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn one_kib() -> io::Result<Vec<u8>> {
        Ok(vec![7; 1_024])
    }

    #[tokio::test(start_paused = true)]
    async fn a_segment_is_read_once_for_all_who_ask() {
        let reads = Reads::default();
        assert_eq!(
            reads.get((1, 1), 1_024, one_kib).await.unwrap(),
            vec![7; 1_024]
        );
        let again = reads.get((1, 1), 1_024, || panic!("it is there")).await;
        assert_eq!(again.unwrap().len(), 1_024);
        let other = reads
            .get((2, 1), 1_024, || Err(io::ErrorKind::NotFound.into()))
            .await;
        assert_eq!(other, Err(ReadError::Gone));
        let broken = reads
            .get((2, 1), 1_024, || Err(io::Error::other("EIO")))
            .await;
        assert_eq!(broken, Err(ReadError::Failed));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_that_of_what_viewers_have_and_no_more() {
        let reads = Reads::default();
        let part = u64::from(MEMORY_KIB) * 1_024 / 4;
        let read = move || Ok(vec![0; part as usize]);
        let mut had = Vec::new();
        for number in 0..4 {
            had.push(reads.get((1, number), part, read).await.unwrap());
        }
        assert_eq!(reads.memory.available_permits(), 0);
        // All of them are on their way to viewers.
        assert_eq!(
            reads.get((1, 9), part, read).await.unwrap_err(),
            ReadError::Busy
        );
        // One has arrived, also what was cut out of it.
        let slice = had.pop().unwrap().slice(1..2);
        assert_eq!(
            reads.get((1, 9), part, read).await.unwrap_err(),
            ReadError::Busy
        );
        drop(slice);
        assert!(reads.get((1, 9), part, read).await.is_ok());
        had.clear();
        for number in 10..40 {
            reads.get((1, number), part, read).await.unwrap();
        }
        let too_large = reads.get((1, 99), 5 * part, read).await;
        assert_eq!(too_large, Err(ReadError::Failed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_has_few_threads_and_refuses_the_others() {
        let reads = Arc::new(Reads::default());
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        let stuck: Vec<_> = (0..TURNS as u64)
            .map(|number| {
                let (reads, hang) = (reads.clone(), hang.clone());
                tokio::spawn(async move {
                    let read = move || {
                        let _ = hang.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        one_kib()
                    };
                    reads.get((1, number), 1_024, read).await
                })
            })
            .collect();
        while reads.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waits: Vec<_> = (0..MOST_WAITING - TURNS)
            .map(|_| Waiting::begin(&reads.waiting).unwrap())
            .collect();
        let refused = reads.get((2, 1), 1_024, one_kib).await;
        assert_eq!(refused, Err(ReadError::Busy), "at once");
        drop(waits);
        drop(release);
        for stuck in stuck {
            assert_eq!(stuck.await.unwrap().unwrap().len(), 1_024);
        }
        assert_eq!(reads.waiting.load(Ordering::Acquire), 0);
        assert!(reads.get((2, 1), 1_024, one_kib).await.is_ok());
    }
}
