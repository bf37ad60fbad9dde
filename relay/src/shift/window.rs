//! The core of a window: which segments it has, and what is held of each.
//!
//! Segments follow each other without a gap. The older ones are in files, the newer ones in memory,
//! and the oldest of these is the next one that is written. One that cannot be kept takes with it what
//! is older: nothing that a playlist has named may become a gap (RFC 8216bis section 6.2.1).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use packager::hls::ShiftSegment;

/// How long a window may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Media time that playlists show.
    pub(super) shown: Duration,
    /// Segments at most, however short they are.
    pub(super) segments: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    bounds: Bounds,
    /// Media Sequence Number of the oldest.
    first: u64,
    kept: VecDeque<Kept>,
    /// How many of them are in files: the oldest ones.
    written: usize,
    duration: Duration,
    /// Bytes of those in memory.
    memory: u64,
    /// Bytes of those in files.
    files: u64,
}

#[derive(Debug)]
struct Kept {
    segment: ShiftSegment,
    bytes: u64,
    /// Its data, unless that is in a file.
    data: Option<Bytes>,
}

/// What has left the window.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gone {
    /// Media Sequence Number and bytes of those whose files are of no use any more.
    pub(super) files: Vec<(u64, u64)>,
    /// Bytes of the others.
    pub(super) memory: u64,
    /// All of them.
    pub(super) segments: u64,
}

/// Where a segment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Memory(Bytes),
    /// In a file of so many bytes.
    File(u64),
}

impl Window {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            first: 0,
            kept: VecDeque::new(),
            written: 0,
            duration: Duration::ZERO,
            memory: 0,
            files: 0,
        }
    }

    /// Appends a segment.
    pub(super) fn push(&mut self, msn: u64, segment: ShiftSegment, data: Bytes) {
        if self.kept.is_empty() {
            self.first = msn;
        }
        debug_assert_eq!(msn, self.next(), "segments follow each other");
        let bytes = data.len() as u64;
        self.memory += bytes;
        self.duration += segment.duration;
        self.kept.push_back(Kept {
            segment,
            bytes,
            data: Some(data),
        });
    }

    /// Forgets what is too old where segments of `newer` follow.
    pub(super) fn slide(&mut self, newer: Duration) -> Gone {
        let longest = self.bounds.shown.saturating_add(GRACE);
        let (mut count, mut rest) = (0, self.duration + newer);
        for kept in &self.kept {
            rest -= kept.segment.duration;
            if rest < longest && self.kept.len() - count <= self.bounds.segments {
                break;
            }
            count += 1;
        }
        self.forget(count)
    }

    /// Forgets the oldest one in memory, and with it what is older.
    pub(super) fn shed_memory(&mut self) -> Gone {
        self.forget(self.written + 1)
    }

    /// Forgets the oldest one if it is in a file.
    pub(super) fn shed_file(&mut self) -> Gone {
        self.forget(self.written.min(1))
    }

    /// Forgets one and what is older, if it is there and in a file.
    pub(super) fn lose(&mut self, msn: u64) -> Gone {
        let index = self.index(msn).filter(|index| *index < self.written);
        self.forget(index.map_or(0, |index| index + 1))
    }

    /// Forgets the segments of an initialization section, and what is older.
    pub(super) fn forget_init(&mut self, version: u32) -> Gone {
        let kept = self.kept.iter();
        let count = kept.take_while(|kept| kept.segment.init <= version);
        self.forget(count.count())
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) -> Gone {
        self.forget(self.kept.len())
    }

    /// The oldest one in memory.
    pub(super) fn to_write(&self) -> Option<(u64, Bytes)> {
        let kept = self.kept.get(self.written)?;
        Some((self.first + self.written as u64, kept.data.clone()?))
    }

    /// Says that the one of [`Window::to_write`] is in a file. Its bytes, which are not in memory any
    /// more; none if it has left the window meanwhile.
    pub(super) fn handle_written(&mut self, msn: u64) -> Option<u64> {
        let index = self.index(msn).filter(|index| *index == self.written)?;
        let kept = self.kept.get_mut(index)?;
        kept.data = None;
        self.written += 1;
        self.memory -= kept.bytes;
        self.files += kept.bytes;
        Some(kept.bytes)
    }

    pub(super) fn find(&self, msn: u64) -> Option<Place> {
        let kept = self.kept.get(self.index(msn)?)?;
        Some(match &kept.data {
            Some(data) => Place::Memory(data.clone()),
            None => Place::File(kept.bytes),
        })
    }

    /// What a playlist shows before segments of `newer`, with the Media Sequence Number of the first.
    /// What it leaves out stays for players that have an older one.
    pub(super) fn shown(&self, newer: Duration) -> (u64, impl Iterator<Item = &ShiftSegment>) {
        let mut total = newer;
        let shown = self.kept.iter().rev().take_while(|kept| {
            let is_shown = total < self.bounds.shown;
            total += kept.segment.duration;
            is_shown
        });
        let left_out = self.kept.len() - shown.count();
        let shown = self.kept.iter().skip(left_out);
        (
            self.first + left_out as u64,
            shown.map(|kept| &kept.segment),
        )
    }

    /// The version of the oldest Media Initialization Section that is needed.
    pub(super) fn oldest_init(&self) -> Option<u32> {
        self.kept.front().map(|kept| kept.segment.init)
    }

    /// Bytes in memory.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes in files.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// The Media Sequence Number behind the newest.
    pub(super) fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn index(&self, msn: u64) -> Option<usize> {
        usize::try_from(msn.checked_sub(self.first)?).ok()
    }

    fn forget(&mut self, count: usize) -> Gone {
        let mut gone = Gone::default();
        for kept in self.kept.drain(..count.min(self.kept.len())) {
            self.duration -= kept.segment.duration;
            match kept.data {
                Some(_) => gone.memory += kept.bytes,
                None => {
                    self.files -= kept.bytes;
                    gone.files.push((self.first, kept.bytes));
                }
            }
            self.first += 1;
            gone.segments += 1;
        }
        self.memory -= gone.memory;
        self.written -= gone.files.len();
        gone
    }
}

/// How long a segment stays once playlists name it no more, for players that are at the very end of
/// the window. RFC 8216 section 6.2.2 asks for as long as the playlist is: that would take twice the
/// disk for what nobody asks for.
pub(super) const GRACE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const TWO: Duration = Duration::from_secs(2);

    fn window(secs: u64) -> Window {
        Window::new(Bounds {
            shown: Duration::from_secs(secs),
            segments: 1_000,
        })
    }

    fn segment(init: u32) -> ShiftSegment {
        ShiftSegment {
            init,
            duration: TWO,
            discontinuity: false,
            program_date_time: SystemTime::UNIX_EPOCH,
        }
    }

    fn push(window: &mut Window, msns: std::ops::Range<u64>) {
        for msn in msns {
            window.push(msn, segment(msn as u32), Bytes::from(vec![0; 10]));
        }
    }

    fn write(window: &mut Window, count: usize) {
        for _ in 0..count {
            let (msn, _) = window.to_write().expect("something in memory");
            assert_eq!(window.handle_written(msn), Some(10));
        }
    }

    #[test]
    fn it_shows_what_is_wanted_and_keeps_a_minute_more() {
        let mut window = window(100);
        for msn in 5..500 {
            push(&mut window, msn..msn + 1);
            let gone = window.slide(3 * TWO);
            assert_eq!(gone.memory, gone.segments * 10);
            let (first, shown) = window.shown(3 * TWO);
            let (count, kept) = (shown.count() as u64, window.kept.len() as u64);
            assert_eq!(first + count, window.next());
            // 47 and the three that follow.
            assert_eq!(count, (msn - 4).min(47));
            assert_eq!(kept, (msn - 4).min(47 + 30));
            assert_eq!(window.memory(), kept * 10);
            assert_eq!(window.oldest_init(), Some((window.next() - kept) as u32));
        }
    }

    #[test]
    fn short_segments_are_bounded_by_their_number() {
        let mut window = window(1_000);
        window.bounds.segments = 50;
        for msn in 0..200 {
            push(&mut window, msn..msn + 1);
            window.slide(Duration::ZERO);
            assert!(window.kept.len() <= 50);
        }
    }

    #[test]
    fn the_oldest_are_written_first_and_found_where_they_are() {
        let mut window = window(100);
        push(&mut window, 7..12);
        write(&mut window, 2);
        assert_eq!(window.memory(), 30);
        assert_eq!(window.to_write().map(|(msn, _)| msn), Some(9));
        assert_eq!(window.find(8), Some(Place::File(10)));
        assert!(matches!(window.find(9), Some(Place::Memory(_))));
        assert_eq!(window.find(6), None);
        assert_eq!(window.find(12), None);
        assert_eq!(window.files(), 20);
        // Only the one that comes next can be written.
        assert_eq!(window.handle_written(10), None);
        assert_eq!(window.handle_written(8), None);
        assert_eq!(window.shed_file().files, [(7, 10)]);
        assert_eq!(window.files(), 10);
        assert_eq!(window.find(7), None);
        assert_eq!(window.to_write().map(|(msn, _)| msn), Some(9));
    }

    #[test]
    fn what_cannot_be_kept_takes_with_it_what_is_older() {
        let mut window = window(100);
        push(&mut window, 0..6);
        write(&mut window, 3);
        let gone = window.shed_memory();
        assert_eq!(gone.files, [(0, 10), (1, 10), (2, 10)]);
        assert_eq!((gone.memory, gone.segments), (10, 4));
        assert_eq!(window.shown(Duration::ZERO).0, 4);
        // It was under way to its file.
        assert_eq!(window.handle_written(3), None);
        write(&mut window, 1);
        assert_eq!(window.lose(9), Gone::default());
        assert_eq!(window.lose(5), Gone::default(), "it is in memory");
        assert_eq!(window.lose(4).files, [(4, 10)]);
        assert_eq!(window.forget_init(4), Gone::default());
        push(&mut window, 6..8);
        assert_eq!(window.forget_init(6).memory, 20);
        assert_eq!(window.clear().memory, 10);
        assert!(window.is_empty() && window.memory() == 0);
        assert_eq!(window.shed_file(), Gone::default());
        assert_eq!(window.shed_memory(), Gone::default());
        push(&mut window, 8..10);
        assert_eq!(window.shown(Duration::ZERO).0, 8);
    }
}
