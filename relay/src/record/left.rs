//! Recordings that an earlier process left in the store: they are ended in the background.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::closing::{self, Left, Unreadable, id_of};
use super::task::{self, Place};
use super::view::RecordState;
use super::{Recordings, Running, view};

impl Recordings {
    /// Ends what an earlier process left.
    pub(super) async fn end_unfinished(self) {
        let mut down = self.0.down.subscribe();
        tokio::select! {
            biased;
            _ = down.wait_for(|is_down| *is_down) => {}
            () = self.end_all_unfinished() => {}
        }
    }

    async fn end_all_unfinished(&self) {
        let mut waits = AGAIN.into_iter();
        let mut known = None;
        loop {
            let marks = match known.take() {
                Some(marks) => Ok(marks),
                None => closing::unfinished(self.archive()).await,
            };
            match marks {
                Ok(marks) => {
                    let failed = self.end_each(marks).await;
                    if failed.is_empty() {
                        return;
                    }
                    known = Some(failed);
                }
                Err(error) => {
                    tracing::warn!(%error, "recordings of an earlier start are not found");
                }
            }
            let Some(wait) = waits.next() else {
                tracing::warn!("recordings that an earlier start left wait for the next one");
                return;
            };
            sleep(wait).await;
        }
    }

    /// Ends those that marks name, one after the other. The marks of those that may be ended later.
    async fn end_each(&self, marks: Vec<String>) -> Vec<String> {
        let mut failed = Vec::new();
        for mark in marks {
            if self.is_mine(&mark) {
                continue;
            }
            // A panic ends its own task alone, which this one takes with it on drop.
            let mut task = JoinSet::new();
            let (recordings, name) = (self.clone(), mark.clone());
            let running = Running::new(self.0.clone());
            let work = async move {
                let _running = running;
                recordings.end_marked(&name).await
            };
            task.spawn_on(work, self.0.relay.runtime());
            match task.join_next().await {
                Some(Ok(true)) | None => {}
                Some(Ok(false)) => failed.push(mark),
                Some(Err(error)) => {
                    tracing::error!(mark, %error, "a recording stays unfinished");
                    failed.push(mark);
                }
            }
        }
        failed
    }

    /// Ends what a mark names. False if that may be done later.
    async fn end_marked(&self, mark: &str) -> bool {
        let id = id_of(mark);
        // What is listed can be removed while its files are read here.
        let was_listed = id.is_some_and(|id| self.0.book().has_ended(&id));
        match closing::find(self.archive(), mark).await {
            Ok(Some(left)) => self.end_one(left, was_listed).await,
            Ok(None) => true,
            Err(error) => {
                tracing::warn!(mark, %error, "a recording stays unfinished");
                !matches!(error, Unreadable::Store(_))
            }
        }
    }

    /// False if that may be done later.
    async fn end_one(&self, left: Left, was_listed: bool) -> bool {
        let Left {
            stream,
            mut closing,
        } = left;
        let mut view = view(&closing.manifest, &stream, &closing.paths);
        if let Some(end) = &closing.manifest.end {
            view.reason = Some(end.reason);
            view.duration = Duration::from_millis(end.duration_ms);
            (view.bytes, view.segments) = (end.bytes, end.segments);
            view.missed = end.missed;
        }
        view.state = RecordState::Finishing;
        if !self.0.book().begin_finishing(&view, was_listed) {
            return false;
        }
        tracing::info!(%stream, recording = %view.id, "ends a recording that was left");
        let _place = Place::take_finishing(self, &view);
        task::finish(self, &mut closing, &mut view).await;
        true
    }

    /// True if the recording that a mark names runs here.
    fn is_mine(&self, mark: &str) -> bool {
        let book = self.0.book();
        let mut mine = book.recordings.keys();
        mine.any(|id| mark.ends_with(&format!("/{id}.json")))
    }
}

/// Between the rounds in which those are ended or listed that could not be: a disk that is away when the server
/// starts, such as one of the network.
pub(super) const AGAIN: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(1_800),
    Duration::from_secs(3 * 3_600),
];
