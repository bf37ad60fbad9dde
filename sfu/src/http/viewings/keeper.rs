//! Writes revocations to their file when they change.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use super::Viewings;
use super::file::KeptRevocations;
use crate::http::access::now;

/// Writes them until this is dropped.
#[derive(Debug)]
pub struct RevocationKeeper {
    task: JoinHandle<()>,
    _goes_on: watch::Sender<()>,
}

impl RevocationKeeper {
    /// Takes over what was kept, and keeps what changes from now on. Must be called within a runtime.
    pub(in crate::http) fn start(viewings: &Viewings, kept: KeptRevocations) -> Self {
        let file = kept.file.clone();
        viewings.restore(kept);
        let (goes_on, over) = watch::channel(());
        let write = move |text: &[u8]| file.write(text);
        // What changes before the task runs has to be written, too.
        let changed = viewings.changed();
        Self {
            task: tokio::spawn(keep(viewings.clone(), changed, write, over)),
            _goes_on: goes_on,
        }
    }

    /// Returns once all is written.
    pub async fn settle(self) {
        let Self { task, _goes_on } = self;
        drop(_goes_on);
        // An error would be its panic.
        let _ = task.await;
    }
}

async fn keep<W>(
    viewings: Viewings,
    mut changed: watch::Receiver<()>,
    write: W,
    mut over: watch::Receiver<()>,
) where
    W: Fn(&[u8]) -> io::Result<()> + Clone + Send + 'static,
{
    loop {
        let is_over = tokio::select! {
            biased;
            _ = over.changed() => true,
            _ = changed.changed() => false,
        };
        if is_over && !changed.has_changed().unwrap_or(false) {
            return;
        }
        changed.mark_unchanged();
        let (kept, write) = (viewings.clone(), write.clone());
        // As many as there can be are some megabytes of text.
        let written = spawn_blocking(move || write(&kept.kept(now()))).await;
        // An error would be a panic, or the end of the runtime.
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        let wait = match written {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "who is kept out is not written, and tried again");
                viewings.metrics.revocation_writes_failed.inc();
                changed.mark_changed();
                AGAIN
            }
        };
        if is_over {
            return;
        }
        tokio::select! {
            _ = over.changed() => {}
            () = sleep(wait) => {}
        }
    }
}

/// Between two writes: one that is killed meanwhile has lost what came last.
const EVERY: Duration = Duration::from_secs(1);

/// Until a write that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::{Target, Viewings};
    use super::*;
    use crate::http::metrics::HttpMetrics;
    use crate::live::AppId;

    const APP: AppId = AppId(1);

    fn viewings() -> Viewings {
        Viewings::new(HttpMetrics::register(&prometheus::Registry::new()).unwrap())
    }

    fn revoke(viewings: &Viewings, last: u8) -> u64 {
        let target = Target::Address([192, 0, 2, last].into());
        let done = viewings.revoke(now(), APP, target, None, 3_600);
        done.unwrap().id.unwrap()
    }

    fn ids(viewings: &Viewings) -> Vec<u64> {
        let all = viewings.revocations(now(), APP, 0, 100).into_iter();
        all.map(|revocation| revocation.id).collect()
    }

    #[tokio::test]
    async fn who_is_kept_out_is_kept_out_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let viewings = viewings();
            let kept = KeptRevocations::read(folder.path(), now()).unwrap();
            let keeper = RevocationKeeper::start(&viewings, kept);
            (viewings, keeper)
        };
        let (first, keeper) = start();
        for last in 1..=3 {
            revoke(&first, last);
        }
        first.lift(APP, 2);
        let told = first.revocations(now(), APP, 0, 100);
        keeper.settle().await;
        let (second, keeper) = start();
        assert_eq!(second.revocations(now(), APP, 0, 100), told);
        assert_eq!(second.metrics.revocations.get(), 2);
        // Their numbers are not given again.
        second.lift(APP, 3);
        assert_eq!(revoke(&second, 9), 4);
        keeper.settle().await;
        let (third, keeper) = start();
        assert_eq!(ids(&third), [1, 4]);
        // They end as they would have; the newest may be of a later second.
        let kept = third.revocations(now(), APP, 0, 100);
        assert_eq!(kept[0], told[0]);
        let end = kept[1].until;
        assert_eq!(third.revocations(end, APP, 0, 100).len(), 0);
        keeper.settle().await;
    }

    /// Texts that were written, and how many tries are to fail.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<usize>, usize)>>);

    impl Disk {
        fn write(&self, text: &[u8]) -> io::Result<()> {
            let mut disk = self.0.lock().unwrap();
            if disk.1 > 0 {
                disk.1 -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            let text: serde_json::Value = serde_json::from_slice(text).unwrap();
            disk.0.push(text["revocations"].as_array().unwrap().len());
            Ok(())
        }

        /// How many revocations each text had.
        fn written(&self) -> Vec<usize> {
            self.0.lock().unwrap().0.clone()
        }
    }

    fn keeping(viewings: &Viewings, disk: &Disk) -> (JoinHandle<()>, watch::Sender<()>) {
        let (goes_on, over) = watch::channel(());
        let disk = disk.clone();
        let write = move |text: &[u8]| disk.write(text);
        let keep = keep(viewings.clone(), viewings.changed(), write, over);
        (tokio::spawn(keep), goes_on)
    }

    #[tokio::test(start_paused = true)]
    async fn the_file_is_written_at_most_once_a_second_and_at_the_end() {
        let (viewings, disk) = (viewings(), Disk::default());
        let (task, goes_on) = keeping(&viewings, &disk);
        sleep(EVERY * 5).await;
        assert!(disk.written().is_empty(), "nothing has changed");
        for last in 0..100 {
            revoke(&viewings, last);
            sleep(EVERY / 20).await;
        }
        let written = disk.written();
        assert!((5..=6).contains(&written.len()), "{written:?}");
        revoke(&viewings, 100);
        drop(goes_on);
        task.await.unwrap();
        assert_eq!(disk.written().last(), Some(&101));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_disk_does_not_take_is_tried_again() {
        let (viewings, disk) = (viewings(), Disk::default());
        disk.0.lock().unwrap().1 = 3;
        let (task, goes_on) = keeping(&viewings, &disk);
        revoke(&viewings, 1);
        sleep(AGAIN * 2).await;
        assert!(disk.written().is_empty());
        assert_eq!(viewings.metrics.revocation_writes_failed.get(), 2);
        sleep(AGAIN * 2).await;
        assert_eq!(disk.written(), [1]);
        assert_eq!(viewings.metrics.revocation_writes_failed.get(), 3);
        drop(goes_on);
        task.await.unwrap();
        assert_eq!(disk.written(), [1], "there is nothing more to write");
    }
}
