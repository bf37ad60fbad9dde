//! The live Media Playlist (RFC 8216 section 4.3, RFC 8216bis section 4.4): a window that slides
//! over the segments, and the parts of the newest ones.

mod render;
mod shift;
#[cfg(test)]
mod tests;
mod vod;

pub use shift::{ShiftPlaylist, ShiftSegment};
pub use vod::{VodSegment, vod_playlist};

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// What a playlist promises.
#[derive(Debug, Clone, Copy)]
pub struct PlaylistConfig {
    /// Target duration, rounded up to whole seconds.
    pub target: Duration,
    /// Part Target Duration. Without one the playlist names no parts.
    pub part: Option<Duration>,
    /// `PART-HOLD-BACK` in Part Target Durations, at least [`HOLD_BACK`].
    pub hold_back: u32,
    /// Segments shown, at least one: more where these are short, so that the playlist never falls
    /// below three target durations (RFC 8216 section 6.2.2), but at most [`MAX_WINDOWS`] times as
    /// many.
    pub window: usize,
}

/// Distance from the end at which players start, in Part Target Durations (RFC 8216bis section
/// 4.4.3.8 asks for two and advises three).
pub const HOLD_BACK: u32 = 3;

/// The same for one of several sizes. Players change the size between segments, and at half the
/// rate that a size needs what is left of one, or what it has until then in a lesser size, takes up
/// to a second longer than it lasts.
pub const HOLD_BACK_OF_SIZES: u32 = 5;

/// What stands before a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// URI of its Media Initialization Section.
    pub map_uri: String,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Wall clock of its first frame.
    pub program_date_time: SystemTime,
}

/// A Partial Segment (`EXT-X-PART`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistPart {
    /// Relative or absolute URI. Must not contain a line end or a quotation mark.
    pub uri: String,
    /// `DURATION`.
    pub duration: Duration,
    /// `INDEPENDENT=YES`: it has a key frame.
    pub is_independent: bool,
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistSegment {
    /// Relative or absolute URI of the segment. Must not contain a line end.
    pub uri: String,
    /// `EXTINF`.
    pub duration: Duration,
    head: SegmentHead,
    parts: Vec<PlaylistPart>,
}

/// A sliding Media Playlist with the counters that RFC 8216 sections 4.3.3.2 and 4.3.3.3 ask for.
#[derive(Debug, Clone)]
pub struct LivePlaylist {
    target_secs: u64,
    part: Option<Duration>,
    hold_back: u32,
    window: usize,
    media_sequence: u64,
    discontinuity_sequence: u64,
    segments: VecDeque<PlaylistSegment>,
    /// The segment under way.
    open: Option<OpenSegment>,
    ended: bool,
}

#[derive(Debug, Clone)]
struct OpenSegment {
    head: SegmentHead,
    parts: Vec<PlaylistPart>,
}

impl LivePlaylist {
    /// An empty playlist.
    pub fn new(config: PlaylistConfig) -> Self {
        let PlaylistConfig { target, window, .. } = config;
        let target_secs = target.as_secs() + u64::from(target.subsec_nanos() > 0);
        Self {
            target_secs: target_secs.max(1),
            part: config.part,
            hold_back: config.hold_back.max(HOLD_BACK),
            window: window.max(1),
            media_sequence: 0,
            discontinuity_sequence: 0,
            segments: VecDeque::new(),
            open: None,
            ended: false,
        }
    }

    /// Says how many discontinuities other playlists of the same content have had before this one
    /// begins, so that the same content has the same number in all (RFC 8216 section 6.2.4).
    pub fn begin_after(&mut self, discontinuities: u64) {
        if self.segments.is_empty() && self.media_sequence == 0 {
            self.discontinuity_sequence = discontinuities;
        }
    }

    /// Begins the next segment. One that was begun and has not ended begins anew.
    pub fn begin(&mut self, head: SegmentHead) {
        let parts = Vec::new();
        self.open = Some(OpenSegment { head, parts });
    }

    /// Appends a part to the segment that was begun.
    pub fn push_part(&mut self, part: PlaylistPart) {
        if let Some(open) = &mut self.open {
            open.parts.push(part);
        }
    }

    /// Ends the segment that was begun; those that slide out of the window come back.
    pub fn end_segment(&mut self, uri: String, duration: Duration) -> Vec<PlaylistSegment> {
        let Some(OpenSegment { head, parts }) = self.open.take() else {
            return Vec::new();
        };
        self.segments.push_back(PlaylistSegment {
            uri,
            duration,
            head,
            parts,
        });
        let mut gone = Vec::new();
        while self.slides() {
            let Some(oldest) = self.segments.pop_front() else {
                break;
            };
            self.media_sequence += 1;
            self.discontinuity_sequence += u64::from(oldest.head.discontinuity);
            gone.push(oldest);
        }
        self.forget_parts();
        gone
    }

    /// True if the oldest segment may go.
    fn slides(&self) -> bool {
        let rest: Duration = self.segments.iter().skip(1).map(|s| s.duration).sum();
        let is_long_enough = rest >= Duration::from_secs(3 * self.target_secs);
        let shown = self.segments.len();
        shown > self.window && (is_long_enough || shown > self.window * MAX_WINDOWS)
    }

    /// Parts are named up to three target durations from the end (RFC 8216bis section 6.2.2).
    fn forget_parts(&mut self) {
        let kept = Duration::from_secs(3 * self.target_secs);
        let mut after = Duration::ZERO;
        for segment in self.segments.iter_mut().rev() {
            if after > kept {
                segment.parts.clear();
            }
            after += segment.duration;
        }
    }

    /// No segment will follow (`EXT-X-ENDLIST`).
    pub fn end(&mut self) {
        self.open = None;
        self.ended = true;
    }

    /// Media Sequence Number of the oldest segment shown.
    pub fn media_sequence(&self) -> u64 {
        self.media_sequence
    }

    /// Discontinuities before the oldest segment shown, that at its own start not among them.
    pub fn discontinuity_sequence(&self) -> u64 {
        self.discontinuity_sequence
    }

    /// Media Sequence Number of the segment under way, or the next one.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence + self.segments.len() as u64
    }

    /// Parts of the segment under way.
    pub fn next_part(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.parts.len())
    }

    /// True if there is nothing to play.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.next_part() == 0
    }

    /// The time that the segments shown play.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}

/// How many windows of segments a playlist shows at most, however short these are: the bound of
/// what a sender that cuts them short can make it hold.
pub const MAX_WINDOWS: usize = 4;
