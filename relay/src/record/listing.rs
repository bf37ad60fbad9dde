//! The recordings that are in the store already: they are listed in the background.
//!
//! What each says of itself (`recording.json`) is all that is told of it: one that was removed in part
//! is listed as it was. What does not read is left out.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::archive::Failure;
use super::closing::{id_of, unfinished, within, within_more};
use super::id::RecordingId;
use super::left::AGAIN;
use super::manifest::{Manifest, Paths};
use super::metrics::Unlisted;
use super::view::{RecordState, RecordingView};
use super::{Recordings, view};
use crate::stream_id::StreamId;

/// Where a recording is, in the order of their beginnings.
type Place = (RecordingId, StreamId);

/// What one round left out.
#[derive(Debug, Default)]
struct LeftOut {
    older: u64,
    unreadable: u64,
    /// The store did not give them: there may be another round.
    failed: u64,
    /// Nobody asked for them, after what failed.
    unasked: u64,
}

/// What the store gave in one round.
#[derive(Debug, Default)]
struct Given {
    failed: u64,
    failed_in_a_row: usize,
    /// Why it is asked for nothing more. A read of a disk that hangs keeps its thread for as long as
    /// that takes, whoever waits for it.
    broken: Option<Failure>,
}

impl Given {
    fn take<T>(&mut self, found: Result<T, Failure>) -> Option<T> {
        match found {
            Ok(found) => {
                self.failed_in_a_row = 0;
                Some(found)
            }
            Err(error) => {
                self.failed += 1;
                self.failed_in_a_row += 1;
                if error == Failure::Slow || self.failed_in_a_row >= AT_ONCE {
                    self.broken = Some(error);
                }
                None
            }
        }
    }
}

impl Recordings {
    /// Lists what is in the store, those that began last first. What this process records itself it
    /// lists as it goes.
    pub(super) async fn list_store(self) {
        let mut down = self.0.down.subscribe();
        tokio::select! {
            biased;
            _ = down.wait_for(|is_down| *is_down) => {}
            () = self.list_all() => {}
        }
    }

    async fn list_all(&self) {
        let mut waits = AGAIN.into_iter();
        loop {
            let mut left_out = LeftOut::default();
            let listed = self.list_once(&mut left_out).await;
            let is_whole = listed.is_ok() && left_out.failed == 0;
            if !is_whole && let Some(wait) = waits.next() {
                sleep(wait).await;
                continue;
            }
            self.tell_left_out(&left_out, listed);
            return;
        }
    }

    /// Lists what is not listed yet. The store has said in the log what fails. `Err` if it is asked
    /// for nothing more for now: it took too long, or gave nothing several times in a row.
    async fn list_once(&self, left_out: &mut LeftOut) -> Result<(), Failure> {
        // Before all else: what has no mark now is whole.
        let marks = unfinished(self.archive()).await?;
        let unfinished: BTreeSet<_> = marks.iter().filter_map(|mark| id_of(mark)).collect();
        let newest = self.find_newest(&unfinished, left_out).await?;
        let mut given = Given::default();
        let mut asked = 0;
        for places in newest.chunks(AT_ONCE) {
            if given.broken.is_some() {
                break;
            }
            asked += places.len();
            let found = join_all(places.iter().map(|place| self.read_ended(place)));
            for found in found.await {
                match given.take(found) {
                    Some(Some(view)) => left_out.older += u64::from(!self.keep_found(view)),
                    Some(None) => left_out.unreadable += 1,
                    None => {}
                }
            }
        }
        left_out.failed += given.failed;
        left_out.unasked += (newest.len() - asked) as u64;
        given.broken.map_or(Ok(()), Err)
    }

    /// Where those are that are not listed yet, the newest first.
    async fn find_newest(
        &self,
        unfinished: &BTreeSet<RecordingId>,
        left_out: &mut LeftOut,
    ) -> Result<Vec<Place>, Failure> {
        let streams = within_more(self.archive().folders("", MAX_STREAMS)).await?;
        left_out.older += streams.left_out;
        let streams = streams.names.iter().filter_map(|name| name.parse().ok());
        let streams: Vec<StreamId> = streams.collect();
        let limit = self.0.config.max_listed;
        let mut given = Given::default();
        let mut newest: BTreeSet<Place> = BTreeSet::new();
        for streams in streams.chunks(AT_ONCE) {
            let folders = streams
                .iter()
                .map(|stream| within_more(self.archive().folders(stream.as_str(), limit)));
            for (stream, found) in streams.iter().zip(join_all(folders).await) {
                let Some(found) = given.take(found) else {
                    continue;
                };
                left_out.older += found.left_out;
                let ids = found.names.iter().filter_map(|name| name.parse().ok());
                let ids = ids.filter(|id: &RecordingId| {
                    id.is_of_recorder() && !unfinished.contains(id) && !self.0.book().knows(id)
                });
                for id in ids {
                    newest.insert((id, stream.clone()));
                    if newest.len() > limit {
                        newest.pop_first();
                        left_out.older += 1;
                    }
                }
            }
            if let Some(error) = given.broken {
                left_out.failed += given.failed;
                left_out.unasked += newest.len() as u64;
                return Err(error);
            }
        }
        left_out.failed += given.failed;
        Ok(newest.into_iter().rev().collect())
    }

    /// What a recording says of itself; `None` if that is nothing.
    async fn read_ended(&self, (id, stream): &Place) -> Result<Option<RecordingView>, Failure> {
        let paths = Paths::new(stream, id);
        let Some(text) = within(self.archive().text(&paths.manifest())).await? else {
            return Ok(None);
        };
        let manifest = match Manifest::read(&text, stream, id) {
            Ok(manifest) => manifest,
            Err(error) => {
                tracing::warn!(%stream, recording = %id, %error, "a recording is not listed");
                return Ok(None);
            }
        };
        // Without an end and without a mark: somebody removed the mark.
        Ok(manifest.end.as_ref().map(|end| {
            let mut view = view(&manifest, stream, &paths);
            view.state = RecordState::Ended;
            view.reason = Some(end.reason);
            view.tell(end, &paths);
            view
        }))
    }

    /// Keeps one that was found, unless it is known by now. False if newer ones have all places.
    fn keep_found(&self, view: RecordingView) -> bool {
        let mut book = self.0.book();
        book.knows(&view.id) || book.keep_ended(view, self.0.config.max_listed)
    }

    fn tell_left_out(&self, left_out: &LeftOut, listed: Result<(), Failure>) {
        let LeftOut {
            older,
            unreadable,
            failed,
            unasked,
        } = *left_out;
        let metrics = &self.0.metrics;
        metrics.leave_out(Unlisted::Limit, older);
        metrics.leave_out(Unlisted::Unreadable, unreadable);
        match listed {
            Ok(()) => {
                metrics.leave_out(Unlisted::Unreadable, failed);
                tracing::info!(
                    older,
                    unreadable,
                    failed,
                    "the recordings in the store are listed, without so many"
                );
            }
            Err(error) => {
                // Nobody knows how many there are where not even their names were found.
                metrics.leave_out(Unlisted::Store, (failed + unasked).max(1));
                tracing::warn!(
                    older,
                    unreadable,
                    failed,
                    unasked,
                    %error,
                    "recordings of earlier starts are not listed: the next start tries again"
                );
            }
        }
    }
}

/// Things that the store is asked for at once, and that fail in a row before it is left alone.
const AT_ONCE: usize = 8;

/// Streams whose recordings are looked for: 10 MB of names.
const MAX_STREAMS: usize = 100_000;
