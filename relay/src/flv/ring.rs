//! The tags of a broadcast, written once and shared by all viewers.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use packager::frames::AudioConfig;
use packager::h264::VideoConfig;
use packager::time::MediaTime;
use tokio::sync::Notify;

/// Video that stopped for this long no longer decides where viewers start: sound does.
const VIDEO_STALE: Duration = Duration::from_secs(3);

/// Bounds of a [`Ring`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingLimits {
    /// Bytes of all tags.
    pub(crate) max_bytes: usize,
    /// Media time that is kept; more only where the newest group of pictures is longer.
    pub(crate) max_age: Duration,
    /// How far behind the newest tag a cursor may be before it skips.
    pub(crate) max_lag: Duration,
}

/// One FLV tag and what decoding it needs.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    /// Decode time.
    pub(crate) time: MediaTime,
    /// The tag with its `PreviousTagSize`.
    pub(crate) bytes: Bytes,
    /// What it carries.
    pub(crate) kind: TagKind,
}

/// What a tag carries, with the configuration in force. A viewer gets the sequence header when
/// it meets a configuration that it was not told of, wherever it came from: a join, a change in
/// the stream, or a skip over one.
#[derive(Debug, Clone)]
pub(crate) enum TagKind {
    /// A key frame: viewers start here.
    Keyframe(Arc<VideoConfig>),
    /// Another picture.
    Picture,
    /// Sound.
    Audio(Arc<AudioConfig>),
}

/// Tags with rising index; the oldest leave when a bound is reached. Cursors read without
/// taking anything away.
#[derive(Debug)]
pub(crate) struct Ring {
    limits: RingLimits,
    state: RwLock<State>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    tags: VecDeque<Tag>,
    /// Index of `tags[0]`.
    first: u64,
    bytes: usize,
    /// Where a viewer starts.
    start: Option<Start>,
    last_video: Option<MediaTime>,
    /// The sound that viewers are to expect.
    audio: Option<Arc<AudioConfig>>,
    newest: MediaTime,
    closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    index: u64,
    is_keyframe: bool,
}

/// A viewer's place in a [`Ring`].
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Index of the next tag; `None` before the start is known.
    next: Option<u64>,
}

/// What a cursor finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next tag. `skipped` says that tags before it were left out.
    Tag { tag: Tag, skipped: bool },
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    End,
}

impl Ring {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self {
            limits,
            state: RwLock::default(),
            news: Arc::new(Notify::new()),
        }
    }

    /// Appends tags in one step and wakes the viewers once.
    pub(crate) fn append(&self, tags: impl IntoIterator<Item = Tag>) {
        let mut state = self.write();
        let before = state.end();
        for tag in tags {
            state.push(tag);
        }
        if state.end() == before {
            return;
        }
        state.evict(&self.limits);
        drop(state);
        self.news.notify_waiters();
    }

    /// Ends all cursors once they have read what is there.
    pub(crate) fn close(&self) {
        self.write().closed = true;
        self.news.notify_waiters();
    }

    /// Takes back [`Ring::close`]: cursors made from now on wait for new tags. What was there is
    /// gone.
    pub(crate) fn reopen(&self) {
        let mut state = self.write();
        if state.closed {
            state.first = state.end();
            state.tags.clear();
            state.bytes = 0;
            state.start = None;
            state.closed = false;
        }
    }

    /// Says which sound viewers are to expect, before its first tag comes.
    pub(crate) fn set_audio(&self, audio: Option<Arc<AudioConfig>>) {
        self.write().audio = audio;
    }

    /// The sound that viewers are to expect.
    pub(crate) fn audio(&self) -> Option<Arc<AudioConfig>> {
        self.read().audio.clone()
    }

    /// The next tag for `cursor`, which moves on.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Next {
        let state = self.read();
        let mut skipped = false;
        let mut index = match cursor.next {
            // The ring was reopened meanwhile, or the tag is gone.
            Some(index) if index < state.first => {
                skipped = true;
                match state.start {
                    Some(start) => start.index,
                    None if state.closed => return Next::End,
                    None => return Next::Wait,
                }
            }
            Some(index) => index,
            None => match state.start {
                Some(start) => start.index,
                None if state.closed => return Next::End,
                None => return Next::Wait,
            },
        };
        if let (Some(start), Some(tag)) = (state.start, state.tag(index))
            && start.index > index
            && state.newest.since(tag.time) > self.limits.max_lag
        {
            index = start.index;
            skipped = true;
        }
        match state.tag(index) {
            Some(tag) => {
                cursor.next = Some(index + 1);
                Next::Tag {
                    tag: tag.clone(),
                    skipped,
                }
            }
            None if state.closed => Next::End,
            None => Next::Wait,
        }
    }

    /// Told at every [`Ring::append`] and [`Ring::close`].
    pub(crate) fn news(&self) -> &Arc<Notify> {
        &self.news
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        let state = self.read();
        (state.tags.len(), state.bytes)
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.tags.len() as u64
    }

    fn tag(&self, index: u64) -> Option<&Tag> {
        let offset = index.checked_sub(self.first)?;
        self.tags.get(usize::try_from(offset).ok()?)
    }

    fn push(&mut self, tag: Tag) {
        let index = self.end();
        let is_start = match tag.kind {
            TagKind::Keyframe(_) => true,
            TagKind::Picture => false,
            TagKind::Audio(_) => self
                .last_video
                .is_none_or(|last| tag.time.since(last) > VIDEO_STALE),
        };
        if is_start {
            self.start = Some(Start {
                index,
                is_keyframe: matches!(tag.kind, TagKind::Keyframe(_)),
            });
        }
        if !matches!(tag.kind, TagKind::Audio(_)) {
            self.last_video = Some(tag.time);
        }
        self.newest = self.newest.max(tag.time);
        self.bytes += tag.bytes.len();
        self.tags.push_back(tag);
    }

    fn evict(&mut self, limits: &RingLimits) {
        while let Some(oldest) = self.tags.front() {
            let too_big = self.bytes > limits.max_bytes;
            let too_old = self.newest.since(oldest.time) > limits.max_age;
            let needed = self
                .start
                .is_some_and(|s| s.is_keyframe && s.index == self.first);
            if !(too_big || too_old && !needed) {
                return;
            }
            self.bytes -= oldest.bytes.len();
            self.tags.pop_front();
            if needed {
                // A group of pictures beyond the bound has no start until the next key frame.
                self.start = None;
            }
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::testing::{SPS_640X360, video_config};

    fn ring(max_bytes: usize) -> Ring {
        Ring::new(RingLimits {
            max_bytes,
            max_age: Duration::from_secs(6),
            max_lag: Duration::from_secs(3),
        })
    }

    fn tag(ms: u64, kind: TagKind) -> Tag {
        Tag {
            time: MediaTime::from_millis(ms),
            bytes: Bytes::from_static(&[0; 100]),
            kind,
        }
    }

    fn key(ms: u64) -> Tag {
        tag(ms, TagKind::Keyframe(video_config(SPS_640X360)))
    }

    fn picture(ms: u64) -> Tag {
        tag(ms, TagKind::Picture)
    }

    fn sound(ms: u64) -> Tag {
        let config = AudioConfig::aac_lc(48_000, 2).unwrap();
        tag(ms, TagKind::Audio(Arc::new(config)))
    }

    /// Times of all tags that are there for the cursor, and how often it skipped.
    fn read(ring: &Ring, cursor: &mut Cursor) -> (Vec<u64>, usize) {
        let mut times = Vec::new();
        let mut skips = 0;
        while let Next::Tag { tag, skipped } = ring.next(cursor) {
            times.push(tag.time.as_millis());
            skips += usize::from(skipped);
        }
        (times, skips)
    }

    #[test]
    fn a_viewer_starts_at_the_newest_key_frame() {
        let ring = ring(1 << 20);
        ring.append([key(0), picture(33), key(66), sound(70), picture(99)]);
        let mut cursor = Cursor::default();
        assert_eq!(read(&ring, &mut cursor), (vec![66, 70, 99], 0));
        ring.append([picture(133)]);
        assert_eq!(read(&ring, &mut cursor), (vec![133], 0));
        assert!(matches!(ring.next(&mut cursor), Next::Wait));
    }

    #[test]
    fn a_viewer_waits_for_the_first_key_frame() {
        let ring = ring(1 << 20);
        ring.append([picture(0)]);
        let mut cursor = Cursor::default();
        assert!(matches!(ring.next(&mut cursor), Next::Wait));
        ring.append([key(33)]);
        assert_eq!(read(&ring, &mut cursor), (vec![33], 0));
    }

    #[test]
    fn sound_alone_starts_at_the_live_edge() {
        let ring = ring(1 << 20);
        ring.append((0..100).map(|n| sound(n * 21)));
        let mut cursor = Cursor::default();
        assert_eq!(read(&ring, &mut cursor), (vec![99 * 21], 0));
    }

    #[test]
    fn sound_starts_viewers_once_the_picture_has_stopped() {
        let ring = ring(1 << 20);
        ring.append([key(0)]);
        ring.append((0..200).map(|n| sound(n * 21)));
        let mut cursor = Cursor::default();
        assert_eq!(read(&ring, &mut cursor).0, [199 * 21]);
    }

    #[test]
    fn a_slow_viewer_skips_to_the_newest_key_frame() {
        let ring = ring(1 << 20);
        ring.append([key(0), picture(33)]);
        let mut cursor = Cursor::default();
        assert!(matches!(ring.next(&mut cursor), Next::Tag { .. }));
        // Behind by more than the bound, but there is no newer key frame to skip to.
        ring.append([picture(2_000), picture(3_100)]);
        assert!(matches!(
            ring.next(&mut cursor),
            Next::Tag { skipped: false, .. }
        ));
        ring.append([key(5_200), picture(5_300)]);
        assert_eq!(read(&ring, &mut cursor), (vec![5_200, 5_300], 1));
    }

    #[test]
    fn a_viewer_whose_tags_are_gone_goes_on_at_the_newest_key_frame() {
        let ring = ring(1 << 20);
        ring.append([key(0)]);
        let mut cursor = Cursor::default();
        read(&ring, &mut cursor);
        for second in 1..20 {
            ring.append([key(second * 1_000), picture(second * 1_000 + 500)]);
        }
        assert_eq!(read(&ring, &mut cursor), (vec![19_000, 19_500], 1));
    }

    #[test]
    fn time_bounds_the_ring_but_keeps_the_newest_group() {
        let ring = ring(1 << 20);
        for second in 0..60 {
            ring.append([key(second * 1_000)]);
        }
        assert_eq!(ring.held(), (7, 700));
        // A publisher that sends no key frame for 20 s.
        ring.append((0..20).map(|n| picture(60_000 + n * 1_000)));
        let mut cursor = Cursor::default();
        assert_eq!(read(&ring, &mut cursor).0.len(), 21);
    }

    #[test]
    fn bytes_bound_the_ring_even_within_a_group() {
        let ring = ring(1_000);
        ring.append([key(0)]);
        ring.append((1..100).map(|n| picture(n * 33)));
        assert_eq!(ring.held(), (10, 1_000));
        let mut late = Cursor::default();
        assert!(matches!(ring.next(&mut late), Next::Wait));
        ring.append([key(4_000)]);
        assert_eq!(read(&ring, &mut late).0, [4_000]);
    }

    #[test]
    fn a_closed_ring_is_read_to_its_end() {
        let ring = ring(1 << 20);
        ring.append([key(0), picture(33)]);
        ring.close();
        let mut cursor = Cursor::default();
        assert_eq!(read(&ring, &mut cursor).0, [0, 33]);
        assert!(matches!(ring.next(&mut cursor), Next::End));
        let mut nobody = Cursor::default();
        ring.reopen();
        assert!(matches!(ring.next(&mut nobody), Next::Wait));
        ring.append([key(66)]);
        assert_eq!(read(&ring, &mut nobody).0, [66]);
    }
}
