//! The recordings that are known: those that go on, and the newest of those that have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use super::id::RecordingId;
use super::recorder::Ending;
use super::removal::{NotRemoved, REMOVALS};
use super::view::{EndReason, RecordState, RecordingView};
use super::{RecordConfig, RecordRefused, under_way};
use crate::broadcast::Broadcast;
use crate::stream_id::StreamId;

#[derive(Default)]
pub(super) struct Book {
    /// Those that go on or whose files are made.
    pub(super) recordings: BTreeMap<RecordingId, Entry>,
    /// Those that have ended, of this start and of earlier ones.
    ended: BTreeMap<RecordingId, RecordingView>,
    /// Those of them that are being removed.
    removed: BTreeSet<RecordingId>,
    /// Addresses of broadcasts that are tried again later, each as long as it lives.
    pub(super) awaited: BTreeSet<usize>,
}

pub(super) struct Entry {
    pub(super) view: RecordingView,
    /// What is recorded: another one of the same name is recorded by itself.
    pub(super) broadcast: Weak<Broadcast>,
    /// How somebody brings it to its end.
    pub(super) ending: watch::Sender<Option<Ending>>,
}

impl Book {
    /// Checks that one more recording of an owner may begin. Files that take their time keep nobody
    /// from recording, until very many wait.
    pub(super) fn check_room(
        &self,
        owner: u32,
        config: &RecordConfig,
    ) -> Result<(), RecordRefused> {
        let views = self.recordings.values().map(|entry| &entry.view);
        let (mut goes_on, mut finishes) = ((0, 0), (0, 0));
        for view in views {
            let (all, of_owner) = match view.state {
                RecordState::Recording => &mut goes_on,
                RecordState::Finishing | RecordState::Ended => &mut finishes,
            };
            *all += 1;
            *of_owner += usize::from(view.owner == owner);
        }
        let finishing = |limit: usize| limit.saturating_mul(FINISHING);
        for (of, there, limit) in [
            ("of one app", goes_on.1, config.max_per_owner),
            ("of this server", goes_on.0, config.max_recordings),
            (
                "of one app whose files are made",
                finishes.1,
                finishing(config.max_per_owner),
            ),
            (
                "of this server whose files are made",
                finishes.0,
                finishing(config.max_recordings),
            ),
        ] {
            if there >= limit {
                return Err(RecordRefused::Full { of, limit });
            }
        }
        Ok(())
    }

    /// Keeps one that has ended, with others `limit` in all: those that began last. False if that
    /// leaves one out.
    pub(super) fn keep_ended(&mut self, view: RecordingView, limit: usize) -> bool {
        self.recordings.remove(&view.id);
        self.ended.insert(view.id.clone(), view);
        let is_over = self.ended.len() > limit;
        if is_over {
            self.ended.pop_first();
        }
        !is_over
    }

    /// Takes one whose end is not written for whoever writes it: nobody can remove it meanwhile.
    /// False if somebody does or has, or if it goes on.
    pub(super) fn begin_finishing(&mut self, view: &RecordingView, was_listed: bool) -> bool {
        let is_removed = was_listed && !self.ended.contains_key(&view.id);
        if is_removed || self.removed.contains(&view.id) || self.recordings.contains_key(&view.id) {
            return false;
        }
        self.ended.remove(&view.id);
        let entry = Entry {
            view: view.clone(),
            broadcast: Weak::new(),
            ending: watch::Sender::new(None),
        };
        self.recordings.insert(view.id.clone(), entry);
        true
    }

    /// Whether a recording is listed as one that has ended.
    pub(super) fn has_ended(&self, id: &RecordingId) -> bool {
        self.ended.contains_key(id)
    }

    /// Takes an owner's recording that has ended for somebody who removes it.
    pub(super) fn begin_removal(
        &mut self,
        owner: u32,
        id: &RecordingId,
    ) -> Result<RecordingView, NotRemoved> {
        let id = id.clone();
        let is_its = |view: &&RecordingView| view.owner == owner;
        let live = self.recordings.get(&id).map(|entry| &entry.view);
        if live.filter(is_its).is_some() {
            return Err(NotRemoved::NotEnded { id });
        }
        let Some(view) = self.ended.get(&id).filter(is_its) else {
            return Err(NotRemoved::NoSuch { id });
        };
        if self.removed.contains(&id) {
            return Err(NotRemoved::UnderWay { id });
        }
        if self.removed.len() >= REMOVALS {
            return Err(NotRemoved::Busy { limit: REMOVALS });
        }
        self.removed.insert(id);
        Ok(view.clone())
    }

    /// It is in the store no more.
    pub(super) fn forget_ended(&mut self, id: &RecordingId) {
        self.ended.remove(id);
    }

    /// Nobody removes it any more.
    pub(super) fn end_removal(&mut self, id: &RecordingId) {
        self.removed.remove(id);
    }

    /// Whether a recording is among those that are known.
    pub(super) fn knows(&self, id: &RecordingId) -> bool {
        self.recordings.contains_key(id) || self.ended.contains_key(id)
    }

    /// An owner's recordings after one, of a stream or of all, in the order in which they were begun.
    pub(super) fn page(
        &self,
        owner: u32,
        stream: Option<&StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let is_it = |view: &&RecordingView| is_of(view, owner, stream);
        let live = self.recordings.range::<RecordingId, _>(range);
        let live = live.map(|(_, entry)| &entry.view).filter(is_it);
        let ended = self.ended.range::<RecordingId, _>(range);
        let ended = ended.map(|(_, view)| view).filter(is_it);
        let views = live.take(limit).chain(ended.take(limit)).cloned();
        let mut views: Vec<_> = views.collect();
        views.sort_by(|a, b| a.id.cmp(&b.id));
        views.truncate(limit);
        views
    }

    /// The newest of them, in the same order.
    pub(super) fn newest(
        &self,
        owner: u32,
        stream: Option<&StreamId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        let is_it = |view: &&RecordingView| is_of(view, owner, stream);
        let live = self.recordings.values().rev().map(|entry| &entry.view);
        let live = live.filter(is_it).take(limit);
        let ended = self.ended.values().rev().filter(is_it).take(limit);
        let mut views: Vec<_> = live.chain(ended).cloned().collect();
        views.sort_by(|a, b| a.id.cmp(&b.id));
        let older = views.len().saturating_sub(limit);
        views.drain(..older);
        views
    }
}

impl Entry {
    /// True if it records this very broadcast, and nobody has brought it to its end.
    pub(super) fn goes_on(&self, broadcast: &Arc<Broadcast>) -> bool {
        self.view.state == RecordState::Recording
            && self.ending.borrow().is_none()
            && self.broadcast.as_ptr() == Arc::as_ptr(broadcast)
    }

    /// Stops it with the segment that is under way now. False if it does not go on.
    pub(super) fn stop(&self) -> bool {
        let Some(broadcast) = self.broadcast.upgrade() else {
            return false;
        };
        let goes_on = self.goes_on(&broadcast);
        if goes_on {
            self.ending.send_replace(Some(Ending {
                reason: EndReason::Stopped,
                until: under_way(&broadcast) + 1,
            }));
        }
        goes_on
    }
}

fn is_of(view: &RecordingView, owner: u32, stream: Option<&StreamId>) -> bool {
    view.owner == owner && stream.is_none_or(|stream| view.stream == *stream)
}

/// So many times as many recordings as may go on may wait for their files: as long as the disk
/// keeps up, there are few, and each takes some bytes for each of its segments.
pub(super) const FINISHING: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn view(number: u64, stream: &str, owner: u32) -> RecordingView {
        RecordingView {
            id: RecordingId::new(number, 0),
            stream: stream.parse().unwrap(),
            owner,
            state: RecordState::Ended,
            started_at: number,
            reason: Some(EndReason::Stopped),
            error: None,
            duration: Duration::ZERO,
            bytes: 0,
            segments: 0,
            missed: 0,
            folder: String::new(),
            playlist: None,
            mp4: None,
        }
    }

    fn goes_on(number: u64, stream: &str, owner: u32) -> Entry {
        Entry {
            view: view(number, stream, owner),
            broadcast: Weak::new(),
            ending: watch::channel(None).0,
        }
    }

    fn numbers(views: &[RecordingView]) -> Vec<u64> {
        views.iter().map(|view| view.started_at).collect()
    }

    #[test]
    fn those_that_began_last_are_kept_in_whatever_order_they_end() {
        let mut book = Book::default();
        let kept: Vec<_> = [5, 2, 9, 1, 7]
            .map(|number| book.keep_ended(view(number, "a", 1), 3))
            .into();
        assert_eq!(kept, [true, true, true, false, false]);
        assert_eq!(numbers(&book.page(1, None, None, 10)), [5, 7, 9]);
        assert!(book.knows(&RecordingId::new(7, 0)) && !book.knows(&RecordingId::new(2, 0)));
        // The same again takes no further place.
        assert!(book.keep_ended(view(7, "a", 1), 3));
        assert_eq!(numbers(&book.page(1, None, None, 10)), [5, 7, 9]);
    }

    #[test]
    fn pages_go_through_what_goes_on_and_what_has_ended_in_one_order() {
        let mut book = Book::default();
        for number in [1, 3, 5, 7] {
            let stream = if number == 5 { "b" } else { "a" };
            assert!(book.keep_ended(view(number, stream, 1), 10));
        }
        assert!(book.keep_ended(view(4, "a", 2), 10));
        for number in [2, 6] {
            let entry = goes_on(number, "a", 1);
            book.recordings.insert(entry.view.id.clone(), entry);
        }
        let first = book.page(1, None, None, 4);
        assert_eq!(numbers(&first), [1, 2, 3, 5]);
        let rest = book.page(1, None, Some(&first[3].id), 4);
        assert_eq!(numbers(&rest), [6, 7]);
        let stream = "a".parse().unwrap();
        let of_stream = book.page(1, Some(&stream), Some(&first[0].id), 2);
        assert_eq!(numbers(&of_stream), [2, 3]);
        assert_eq!(numbers(&book.newest(1, Some(&stream), 3)), [3, 6, 7]);
        assert_eq!(numbers(&book.newest(1, None, 100)), [1, 2, 3, 5, 6, 7]);
        assert_eq!(numbers(&book.page(2, None, None, 10)), [4]);
        assert_eq!(book.page(3, None, None, 10), []);
    }
}
