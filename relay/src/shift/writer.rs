//! The one task that writes segments to the disk, and removes them. Nothing waits for it but memory:
//! where the disk is slower than the media, windows become shorter.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::disk::{self, Disk};
use super::metrics::Dropped;
use super::{Files, Inner, Shared};

pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    /// How long it waits since the disk takes nothing.
    wait: Option<Duration>,
    has_told_of_room: bool,
    has_told_of_rest: bool,
}

impl Writer {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            wait: None,
            has_told_of_room: false,
            has_told_of_rest: false,
        }
    }

    /// Does what windows need done, for as long as there is time shift. Each waits here once.
    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Arc<Inner>>) {
        if let Err(error) = self.call(|disk| disk.sweep()).await {
            tracing::warn!(%error, "what time shift left on the disk before cannot be removed");
        }
        while let Some(window) = jobs.recv().await {
            self.turn(&window).await;
        }
    }

    async fn turn(&mut self, window: &Arc<Inner>) {
        let Some(files) = &window.shared.files else {
            return;
        };
        let work = window.begin_turn();
        self.remove(window, files, work.rubbish).await;
        if work.is_closed {
            let name = window.name.clone();
            let removed = self.call(move |disk| disk.remove_window(&name)).await;
            return self.note_removed(removed);
        }
        let Some((msn, data)) = work.write else {
            return;
        };
        match self.write(window, files, msn, data).await {
            Ok(()) => {
                window.end_turn();
                if self.wait.take().is_some() {
                    tracing::info!("the disk takes segments for time shift again");
                }
            }
            Err(error) => {
                window.shared.metrics.failures.inc();
                if self.wait.is_none() {
                    tracing::warn!(%error, "the disk takes no segments for time shift; it is tried \
                        again, and windows become shorter once memory is full");
                }
                let wait = self.wait.map_or(FIRST_WAIT, |wait| wait * 2);
                let wait = wait.min(LONGEST_WAIT);
                self.wait = Some(wait);
                sleep(wait).await;
            }
        }
        window.call_writer();
    }

    /// Writes a segment, where there is room or can be made.
    async fn write(
        &mut self,
        window: &Arc<Inner>,
        files: &Files,
        msn: u64,
        data: Bytes,
    ) -> io::Result<()> {
        let bytes = data.len() as u64;
        let mut rooms = 0;
        loop {
            while !files.budget.take(bytes) {
                self.make_room(&window.shared, files, bytes).await?;
            }
            let (name, copy) = (window.name.clone(), data.clone());
            let written = self.call(move |disk| disk.write(&name, msn, &copy)).await;
            let Err(error) = written else {
                if !window.handle_written(msn) {
                    self.remove(window, files, vec![(msn, bytes)]).await;
                }
                return Ok(());
            };
            files.budget.give_back(bytes);
            // Somebody else may take each room that is made.
            rooms += 1;
            if !disk::is_full(&error) || rooms > MOST_ROOMS {
                return Err(error);
            }
            self.make_room(&window.shared, files, bytes).await?;
        }
    }

    /// Removes the oldest segments of the largest windows.
    async fn make_room(&mut self, shared: &Shared, files: &Files, bytes: u64) -> io::Result<()> {
        let mut freed = 0;
        while freed < bytes {
            let largest = shared.largest().ok_or(io::ErrorKind::StorageFull)?;
            let gone = largest.shed_file();
            if gone.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            freed += gone.iter().map(|(_, bytes)| bytes).sum::<u64>();
            shared
                .metrics
                .count_dropped(Dropped::Disk, gone.len() as u64);
            self.remove(&largest, files, gone).await;
            if !std::mem::replace(&mut self.has_told_of_room, true) {
                tracing::warn!(
                    limit = files.budget.limit(),
                    "the disk has no more room for time shift: windows are shorter"
                );
            }
        }
        Ok(())
    }

    async fn remove(&mut self, window: &Inner, files: &Files, segments: Vec<(u64, u64)>) {
        if segments.is_empty() {
            return;
        }
        let bytes = segments.iter().map(|(_, bytes)| bytes).sum();
        let name = window.name.clone();
        let removed = self.call(move |disk| {
            let mut removed = Ok(());
            for (msn, _) in segments {
                removed = removed.and(disk.remove(&name, msn));
            }
            removed
        });
        let removed = removed.await;
        self.note_removed(removed);
        files.budget.give_back(bytes);
    }

    fn note_removed(&mut self, removed: io::Result<()>) {
        if let Err(error) = removed
            && !std::mem::replace(&mut self.has_told_of_rest, true)
        {
            tracing::warn!(%error, "segments of time shift stay on the disk until the next start");
        }
    }

    async fn call(
        &self,
        call: impl FnOnce(&dyn Disk) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let disk = self.disk.clone();
        let done = spawn_blocking(move || call(&*disk)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// After the first segment that the disk does not take.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// After later ones.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How often room is made for one segment on a disk that is full.
const MOST_ROOMS: u32 = 4;
