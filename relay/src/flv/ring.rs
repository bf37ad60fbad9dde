//! The tags of a broadcast, written once and shared by all viewers.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use packager::frames::AudioConfig;
use packager::time::MediaTime;
use packager::video::VideoConfig;
use tokio::sync::Notify;

use crate::viewer::{MaxLag, StartAt};

/// Video that stopped for this long no longer decides where viewers start: sound does.
const VIDEO_STALE: Duration = Duration::from_secs(3);

/// Pictures further apart than this are a pause, not a frame rate.
const PICTURE_GAP: Duration = Duration::from_millis(500);

/// A frame rate is told once so much of it was seen.
const RATE_WINDOW: Duration = Duration::from_millis(400);

/// Bounds of a [`Ring`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RingLimits {
    /// Bytes of all tags.
    pub(crate) max_bytes: usize,
    /// Media time that is kept; more only where the newest group of pictures is longer.
    pub(crate) max_age: Duration,
    /// How far behind the newest tag a cursor may be before it skips to the newest key frame. At
    /// twice that it skips to the live edge, where no newer key frame is to be had.
    pub(crate) max_lag: Duration,
    /// How old the key frame may be that viewers start at.
    pub(crate) max_gop: Duration,
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
    /// Counts publishers.
    publisher: u64,
    /// Index of the first tag that may be of the publisher who sends now.
    publisher_from: u64,
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
    start_at: StartAt,
    /// Index of the next tag; `None` before the start is known.
    next: Option<u64>,
    /// How old the start was, which is no fault of the viewer's until it has caught up.
    headroom: Duration,
    /// Whose the tag read last was.
    publisher: Option<u64>,
}

impl Cursor {
    pub(crate) fn new(start_at: StartAt) -> Self {
        Self {
            start_at,
            ..Self::default()
        }
    }
}

/// What a cursor finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// The next tag. `skipped` says that tags before it were left out, `is_of_other` that it is
    /// the first one of another publisher.
    Tag {
        tag: Tag,
        skipped: bool,
        is_of_other: bool,
    },
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

    /// Says that a publisher begins, and which sound viewers are to expect before its first tag
    /// comes.
    pub(crate) fn set_publisher(&self, audio: Option<Arc<AudioConfig>>) {
        let mut state = self.write();
        state.publisher += 1;
        state.publisher_from = state.end();
        state.audio = audio;
    }

    /// Says which sound viewers are to expect from the same publisher.
    pub(crate) fn set_audio(&self, audio: Option<Arc<AudioConfig>>) {
        self.write().audio = audio;
    }

    /// The sound that viewers are to expect.
    pub(crate) fn audio(&self) -> Option<Arc<AudioConfig>> {
        self.read().audio.clone()
    }

    /// Pictures a second that the publisher sends now, as far as what is kept tells.
    pub(crate) fn frame_rate(&self) -> Option<u32> {
        let state = self.read();
        let skip = state.publisher_from.saturating_sub(state.first);
        let mut pictures = state
            .tags
            .iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .filter(|tag| !matches!(tag.kind, TagKind::Audio(_)))
            .map(|tag| tag.time);
        let mut last = pictures.next()?;
        let (mut steps, mut sum) = (0_u32, Duration::ZERO);
        for time in pictures {
            let step = time.since(last);
            last = time;
            if step <= PICTURE_GAP {
                steps = steps.saturating_add(1);
                sum = sum.saturating_add(step);
            }
        }
        let rate = f64::from(steps) / sum.as_secs_f64();
        (sum >= RATE_WINDOW).then_some(rate.round() as u32)
    }

    /// The next tag for `cursor`, which moves on.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Next {
        let state = self.read();
        let nothing = if state.closed { Next::End } else { Next::Wait };
        let mut skipped = false;
        let index = match cursor.next {
            // The ring was reopened meanwhile, or the tag is gone.
            Some(index) if index < state.first => {
                skipped = true;
                state.landing(&self.limits)
            }
            Some(index) => match state.overtaken(index, cursor.headroom, &self.limits) {
                Some(landing) => {
                    skipped = true;
                    Some(landing)
                }
                None => Some(index),
            },
            None => state.beginning(cursor.start_at, &self.limits),
        };
        let Some(index) = index else { return nothing };
        let Some(tag) = state.tag(index) else {
            cursor.headroom = Duration::ZERO;
            return nothing;
        };
        if cursor.next.is_none() {
            cursor.headroom = state.newest.since(tag.time);
        } else if skipped {
            cursor.headroom = Duration::ZERO;
        }
        cursor.next = Some(index + 1);
        let publisher = state.publisher_of(index);
        let is_of_other = cursor.publisher.is_some_and(|last| last != publisher);
        cursor.publisher = Some(publisher);
        Next::Tag {
            tag: tag.clone(),
            skipped,
            is_of_other,
        }
    }

    /// The newest key frame that is held.
    pub(crate) fn newest_keyframe(&self) -> Option<(Arc<VideoConfig>, Tag)> {
        let state = self.read();
        state.tags.iter().rev().find_map(|tag| match &tag.kind {
            TagKind::Keyframe(config) => Some((config.clone(), tag.clone())),
            TagKind::Picture | TagKind::Audio(_) => None,
        })
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

    /// Tags that are kept, and their bytes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
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

    /// Whose the tag is. Those before the last publisher count as one.
    fn publisher_of(&self, index: u64) -> u64 {
        self.publisher - u64::from(index < self.publisher_from)
    }

    /// Where a viewer begins; `None` while there is no place to.
    fn beginning(&self, start_at: StartAt, limits: &RingLimits) -> Option<u64> {
        let start = self.start?;
        if start_at == StartAt::Newest {
            return Some(start.index);
        }
        let is_place = |tag: &Tag| match tag.kind {
            TagKind::Keyframe(_) => true,
            TagKind::Picture => false,
            TagKind::Audio(_) => !start.is_keyframe,
        };
        let earlier = self
            .tags
            .iter()
            .position(|tag| self.newest.since(tag.time) <= limits.max_lag && is_place(tag));
        // Where even the newest key frame is older than that, it is the one.
        Some(earlier.map_or(start.index, |offset| {
            start.index.min(self.first + offset as u64)
        }))
    }

    /// Where a viewer at `index` has to skip to, if it is too far behind.
    fn overtaken(&self, index: u64, headroom: Duration, limits: &RingLimits) -> Option<u64> {
        let lag = self.newest.since(self.tag(index)?.time);
        let landing = self.landing(limits)?;
        let newer = self.start.is_some_and(|start| start.index > index);
        let is_exceeded = MaxLag(limits.max_lag).is_exceeded(lag, headroom, newer);
        (landing > index && is_exceeded).then_some(landing)
    }

    /// Where a viewer who fell behind goes on: at the newest key frame, or at the live edge where
    /// that is too old itself. `None` while there is no place to.
    fn landing(&self, limits: &RingLimits) -> Option<u64> {
        let start = self.start?;
        let age = self.newest.since(self.tag(start.index)?.time);
        Some(if MaxLag(limits.max_lag).is_stale(age) {
            self.end() - 1
        } else {
            start.index
        })
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
            let outlived = self.newest.since(oldest.time) > limits.max_gop;
            if !(too_big || too_old && (!needed || outlived)) {
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
mod tests;
