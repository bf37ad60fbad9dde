//! The playlist of all that is kept: segments that the store has forgotten, and its own.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use packager::hls::{InitSection, ShiftPlaylist, ShiftSegment};

use super::files::{FileName, StoredSegment};
use super::{File, Store};
use crate::shift::Shelf;

/// A window of time shift, and what was written of it last.
#[derive(Debug)]
pub(super) struct Shifted {
    pub(super) shelf: Shelf,
    /// Hours of segments are some hundred kilobytes of text: written for the first player that asks,
    /// and not kept beyond the next segment.
    text: Mutex<Option<Text>>,
}

#[derive(Debug)]
struct Text {
    version: Version,
    whole: Option<Bytes>,
    /// The Playlist Delta Update, and whether there is none.
    delta: Option<Option<Bytes>>,
}

/// Playlists with the same first and last segment are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    first: u64,
    next: u64,
    is_ended: bool,
}

impl Shifted {
    pub(super) fn new(shelf: Shelf) -> Self {
        let text = Mutex::default();
        Self { shelf, text }
    }

    /// Takes what the store has forgotten; what it still has plays for `newer`.
    pub(super) fn take(
        &self,
        forgotten: impl Iterator<Item = (u64, StoredSegment)>,
        newer: Duration,
    ) {
        for (msn, segment) in forgotten {
            let shown = segment.shifted();
            self.shelf.push(msn, shown, segment.data);
        }
        self.shelf.slide(newer);
        // A player that has the text written just now does not hold up the media.
        if let Ok(mut text) = self.text.try_lock() {
            *text = None;
        }
    }
}

impl Shifted {
    /// The oldest initialization section that is needed. A publisher who changes its pictures all the
    /// time has a shorter window.
    pub(super) fn needed_init(&self, inits: &VecDeque<InitSection>) -> Option<u32> {
        let mut bytes: usize = inits.iter().map(weight).sum();
        for init in inits {
            if bytes <= MAX_INIT_BYTES {
                break;
            }
            self.shelf.forget_init(init.version);
            bytes -= weight(init);
        }
        self.shelf.oldest_init()
    }
}

/// What an initialization section takes in memory, with what was read of it.
fn weight(init: &InitSection) -> usize {
    2 * init.data.len() + 512
}

/// Initialization sections that a window keeps: some two thousand.
const MAX_INIT_BYTES: usize = 4 << 20;

impl Store {
    /// Whether there is a window beyond the live playlist.
    pub(crate) fn is_shifted(&self) -> bool {
        self.shifted.is_some()
    }

    /// The playlist of the whole window, once it has a segment; as a Playlist Delta Update if that is
    /// asked for and there is something to skip. It has no parts: they would change it several times a
    /// second, and who wants them plays at the live edge.
    pub(crate) fn shift_playlist(&self, is_delta: bool) -> Option<File> {
        let shifted = self.shifted.as_ref()?;
        let (playlist, segments) = self.window(shifted)?;
        let version = Version {
            first: playlist.media_sequence,
            next: playlist.media_sequence + segments.len() as u64,
            is_ended: playlist.ended,
        };
        // It stands beside its segments.
        let uri = |msn| self.name(FileName::Segment(msn));
        let map = |init| self.name(FileName::Init(init));
        // Whoever comes meanwhile waits a millisecond for the same text.
        let mut text = shifted.text.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &mut *text {
            Some(text) if text.version == version => text,
            text => text.insert(Text {
                version,
                whole: None,
                delta: None,
            }),
        };
        if is_delta {
            let written = || playlist.render_delta(&segments, uri, map);
            let delta = text.delta.get_or_insert_with(|| written().map(Bytes::from));
            if let Some(delta) = delta {
                return Some(self.shift_file(delta.clone(), version, "-delta"));
            }
        }
        let written = || Bytes::from(playlist.render(&segments, uri, map));
        let whole = text.whole.get_or_insert_with(written);
        Some(self.shift_file(whole.clone(), version, ""))
    }

    fn shift_file(&self, data: Bytes, version: Version, kind: &str) -> File {
        let Version { first, next, .. } = version;
        let end = if version.is_ended { "-end" } else { "" };
        File {
            data,
            etag: format!("\"{}-dvr{first}-{next}{end}{kind}\"", self.stamp),
        }
    }

    /// What there is, copied: it is written without a lock.
    fn window(&self, shifted: &Shifted) -> Option<(ShiftPlaylist, Vec<ShiftSegment>)> {
        let state = self.read();
        state.segments.back()?;
        let first = state.first();
        let mut segments = shifted.shelf.shown(first, state.duration());
        let media_sequence = first - segments.len() as u64;
        segments.extend(state.segments.iter().map(StoredSegment::shifted));
        // The live playlist knows how many there were before its first segment.
        let before = state.playlist.media_sequence() - media_sequence;
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let among = segments.iter().take(before);
        let among = among.filter(|segment| segment.discontinuity).count() as u64;
        let discontinuities = state.playlist.discontinuity_sequence();
        let playlist = ShiftPlaylist {
            target: self.config.target,
            blocks_reload: self.config.part.is_some(),
            media_sequence,
            discontinuity_sequence: discontinuities.saturating_sub(among),
            ended: state.edge.is_ended,
        };
        Some((playlist, segments))
    }
}
