//! Who is sent segments from files now, and the pieces that are read for them: so many at once, each
//! as it is taken.
//!
//! A client that takes nothing has its place until somebody else needs it. Its connection says nothing
//! of that: a stream of HTTP/2 waits for its window without a sound.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::metrics::ReadError;
use crate::viewer::ViewerWatch;

/// See the module.
#[derive(Debug)]
pub(super) struct Reads {
    turns: Arc<Semaphore>,
    places: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    /// Since when it has taken nothing; none while it waits for the disk.
    idle_since: Option<Instant>,
    watch: ViewerWatch,
}

/// One that is sent a segment; given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    of: Arc<Mutex<Table>>,
    id: u64,
    watch: ViewerWatch,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(TURNS)),
            places: Arc::default(),
        }
    }
}

impl Reads {
    /// Takes a place, if need be that of the one who has taken nothing for longest: it is revoked.
    pub(super) fn begin(&self, now: Instant, watch: ViewerWatch) -> Result<Place, ReadError> {
        let mut table = lock(&self.places);
        if table.open.len() >= MOST_OPEN {
            let idle = table.open.iter().filter_map(|(id, open)| {
                let since = open.idle_since?;
                (now.saturating_duration_since(since) >= IDLE).then_some((since, *id))
            });
            let (_, longest) = idle.min().ok_or(ReadError::Busy)?;
            if let Some(open) = table.open.remove(&longest) {
                open.watch.revoke();
            }
        }
        table.last += 1;
        let id = table.last;
        let open = Open {
            idle_since: None,
            watch: watch.clone(),
        };
        table.open.insert(id, open);
        Ok(Place {
            of: self.places.clone(),
            id,
            watch,
        })
    }

    /// A piece that `read` gives, which may block.
    pub(super) async fn piece(
        &self,
        read: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Bytes, ReadError> {
        let read = async {
            // They are never closed.
            let Ok(turn) = self.turns.clone().acquire_owned().await else {
                return Err(ReadError::Failed);
            };
            let work = spawn_blocking(move || {
                let data = read();
                // A disk that hangs has this many threads, and no more.
                drop(turn);
                data
            });
            match work.await {
                Ok(Ok(data)) => Ok(data.into()),
                Ok(Err(error)) => Err(match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => ReadError::Gone,
                    _ => {
                        tracing::debug!(%error, "a segment cannot be read");
                        ReadError::Failed
                    }
                }),
                Err(_) => Err(ReadError::Failed),
            }
        };
        // What is being read goes on, and keeps its turn, without the one who asked.
        timeout(PATIENCE, read)
            .await
            .unwrap_or(Err(ReadError::Busy))
    }
}

impl Place {
    /// Notes that it has taken what it had and waits for the disk. False if it had to make place.
    pub(super) fn handle_taken(&self) -> bool {
        self.watch.note_caught_up();
        self.note(None)
    }

    /// Notes that it was given some bytes.
    pub(super) fn handle_given(&self, now: Instant, bytes: u64) {
        self.watch.note_given(bytes, false);
        self.note(Some(now));
    }

    /// Whether it was ended because it took nothing.
    pub(super) fn was_idle(&self) -> bool {
        self.watch.has_stalled() || self.watch.is_revoked()
    }

    fn note(&self, idle_since: Option<Instant>) -> bool {
        let mut table = lock(&self.of);
        let open = table.open.get_mut(&self.id);
        open.map(|open| open.idle_since = idle_since).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.of).open.remove(&self.id);
        self.watch.note_gone();
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    // No code that holds it can panic half-way.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are read at once: what a stream of HTTP/2 may hold unsent anyway. A response has two
/// pieces in memory at most, one that is sent and one that is next.
pub(super) const PIECE: u64 = 64 << 10;

/// Responses at once: 128 MiB of pieces at most.
pub(super) const MOST_OPEN: usize = 1_024;

/// Who has taken nothing of its piece for so long makes place where all places are taken. A player
/// takes 256 kbit/s, or has little use of what it gets.
pub(super) const IDLE: Duration = Duration::from_secs(2);

/// Reads at once, each with a thread of its own while it lasts. A spinning disk gains nothing from
/// more.
const TURNS: usize = 8;

/// How long one waits for a piece. A player that asks for a segment of 2 s has little use of it later.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> ViewerWatch {
        ViewerWatch::new(Duration::from_secs(10))
    }

    fn one_kib() -> io::Result<Vec<u8>> {
        Ok(vec![7; 1_024])
    }

    #[tokio::test(start_paused = true)]
    async fn errors_say_whether_the_segment_is_gone() {
        let reads = Reads::default();
        assert_eq!(reads.piece(one_kib).await.unwrap(), vec![7; 1_024]);
        let gone = reads.piece(|| Err(io::ErrorKind::NotFound.into())).await;
        assert_eq!(gone, Err(ReadError::Gone));
        let broken = reads.piece(|| Err(io::Error::other("EIO"))).await;
        assert_eq!(broken, Err(ReadError::Failed));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_longest_makes_place_once_that_is_needed() {
        let reads = Reads::default();
        let begun = Instant::now();
        let begin = |now| reads.begin(now, watch());
        let mut places: Vec<_> = (0..MOST_OPEN).map(|_| begin(begun).unwrap()).collect();
        let later = begun + Duration::from_secs(60);
        assert_eq!(
            begin(later).unwrap_err(),
            ReadError::Busy,
            "they wait for the disk"
        );
        for place in &places {
            place.handle_given(begun + IDLE, 10);
        }
        places[7].handle_given(begun, 10);
        places[9].handle_given(begun + IDLE / 2, 10);
        let early = begun + IDLE / 2;
        assert_eq!(begin(early).unwrap_err(), ReadError::Busy);
        let new = begin(begun + IDLE).unwrap();
        assert!(places[7].was_idle() && !places[7].handle_taken());
        assert!(!places[9].was_idle() && places[9].handle_taken());
        assert!(new.handle_taken());
        assert_eq!(lock(&reads.places).open.len(), MOST_OPEN);
        places.truncate(100);
        assert_eq!(lock(&reads.places).open.len(), 100);
        drop((places, new));
        assert!(lock(&reads.places).open.is_empty(), "nothing is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_has_few_threads() {
        let reads = Arc::new(Reads::default());
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hang = Arc::new(Mutex::new(hang));
        let stuck: Vec<_> = (0..TURNS)
            .map(|_| {
                let (reads, hang) = (reads.clone(), hang.clone());
                tokio::spawn(async move {
                    let read = move || {
                        let _ = hang.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        one_kib()
                    };
                    reads.piece(read).await
                })
            })
            .collect();
        while reads.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waits = tokio::spawn({
            let reads = reads.clone();
            async move { reads.piece(one_kib).await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(release);
        for stuck in stuck {
            assert_eq!(stuck.await.unwrap().unwrap().len(), 1_024);
        }
        assert_eq!(waits.await.unwrap().unwrap().len(), 1_024);
    }
}
