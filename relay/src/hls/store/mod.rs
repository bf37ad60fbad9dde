//! The Media Playlist of a broadcast and the files that it names.

mod files;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use packager::hls::{
    InitSection, LivePlaylist, MAX_WINDOWS, Part, PlaylistConfig, PlaylistPart, Segment,
    SegmentHead,
};
use tokio::sync::watch;

use self::files::{FileName, OpenSegment, StoredSegment};
use crate::stream_id::StreamId;

/// Segments, initialization sections and playlist of one broadcast.
///
/// Every file name carries the broadcast's stamp, so that a cache that was told "immutable"
/// never serves a file of an earlier broadcast of the same id.
#[derive(Debug)]
pub(crate) struct Store {
    config: PlaylistConfig,
    id: StreamId,
    stamp: String,
    state: RwLock<State>,
    edge: watch::Sender<Edge>,
}

/// How far a playlist has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Edge {
    /// Media Sequence Number of the segment under way.
    pub(crate) msn: u64,
    /// Parts of it that are out.
    pub(crate) parts: usize,
    pub(crate) is_ended: bool,
}

#[derive(Debug)]
struct State {
    playlist: LivePlaylist,
    /// The playlist's text, once a segment is in it.
    text: Option<Bytes>,
    /// The Playlist Delta Update, where it skips something.
    delta: Option<Bytes>,
    /// Counts the changes of the text.
    revision: u64,
    segments: VecDeque<StoredSegment>,
    open: Option<OpenSegment>,
    /// Segments that are in the playlist no more.
    spare: usize,
    inits: VecDeque<InitSection>,
    /// Media time of all segments so far.
    clock: Duration,
    edge: Edge,
}

/// A file with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) data: Bytes,
    pub(crate) etag: String,
}

/// What there is under a name.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Found(File),
    /// The part that comes next, as playlists say (`EXT-X-PRELOAD-HINT`).
    Next,
    Unknown,
}

impl Store {
    pub(crate) fn new(config: PlaylistConfig, id: StreamId, stamp: String) -> Self {
        Self {
            config,
            id,
            stamp,
            state: RwLock::new(State {
                playlist: LivePlaylist::new(config),
                text: None,
                delta: None,
                revision: 0,
                segments: VecDeque::new(),
                open: None,
                spare: 0,
                inits: VecDeque::new(),
                clock: Duration::ZERO,
                edge: Edge::default(),
            }),
            edge: watch::Sender::new(Edge::default()),
        }
    }

    /// Takes the initialization section of the segments that follow.
    pub(crate) fn push_init(&self, init: InitSection) {
        self.write().inits.push_back(init);
    }

    /// Takes the next part. The first one of a segment begins it, at `wall`.
    pub(crate) fn push_part(&self, part: &Part, wall: Option<SystemTime>) {
        let mut state = self.write();
        if let Some(wall) = wall {
            state.open = Some(OpenSegment::new(part.init));
            let init = self.name(FileName::Init(part.init));
            state.playlist.begin(SegmentHead {
                map_uri: format!("{}/{init}", self.id),
                discontinuity: part.discontinuity,
                program_date_time: wall,
            });
        }
        let msn = state.playlist.next_sequence();
        let index = state.playlist.next_part();
        if let Some(open) = &mut state.open {
            open.push(part.data.clone());
        }
        if self.config.part.is_some() {
            state.playlist.push_part(PlaylistPart {
                uri: format!("{}/{}", self.id, self.name(FileName::Part(msn, index))),
                duration: part.duration,
                is_independent: part.is_independent,
            });
            self.publish(state);
        }
    }

    /// Takes the segment of the parts since the last one.
    pub(crate) fn push_segment(&self, segment: &Segment) {
        let mut state = self.write();
        let Some(open) = state.open.take() else {
            return;
        };
        let name = self.name(FileName::Segment(state.playlist.next_sequence()));
        state.clock += segment.duration;
        let uri = format!("{}/{name}", self.id);
        let gone = state.playlist.end_segment(uri, segment.duration).len();
        let stored = open.end(segment.data.clone(), segment.duration);
        state.segments.push_back(stored);
        state.retire(gone);
        state.forget(SPARE_WINDOWS * self.config.window);
        // A section goes with the last segment that needs it; the newest may have none yet.
        let oldest = state.segments.front().map_or(0, |segment| segment.init);
        while state.inits.front().is_some_and(|i| i.version < oldest) {
            state.inits.pop_front();
        }
        self.publish(state);
    }

    /// No segment will follow.
    pub(crate) fn end(&self) {
        let mut state = self.write();
        state.playlist.end();
        state.open = None;
        state.edge.is_ended = true;
        self.publish(state);
    }

    /// The playlist, once it has a segment; as a Playlist Delta Update if that is asked for and
    /// there is something to skip.
    pub(crate) fn playlist(&self, is_delta: bool) -> Option<File> {
        let state = self.read();
        let (text, kind) = match &state.delta {
            Some(delta) if is_delta => (delta.clone(), "-delta"),
            _ => (state.text.clone()?, ""),
        };
        Some(File {
            data: text,
            etag: format!("\"{}-{}{kind}\"", self.stamp, state.revision),
        })
    }

    /// The file with this name.
    pub(crate) fn file(&self, name: &str) -> Lookup {
        let Some(found) = FileName::parse(name, &self.stamp) else {
            return Lookup::Unknown;
        };
        let state = self.read();
        let data = match found {
            FileName::Init(version) => {
                let mut inits = state.inits.iter();
                inits
                    .find(|init| init.version == version)
                    .map(|init| init.data.clone())
            }
            FileName::Segment(msn) => state.segment(msn).map(|segment| segment.data.clone()),
            FileName::Part(msn, index) if msn == state.playlist.next_sequence() => {
                let edge = state.edge;
                if self.config.part.is_some() && index == edge.parts && !edge.is_ended {
                    return Lookup::Next;
                }
                state.open.as_ref().and_then(|open| open.part(index))
            }
            FileName::Part(msn, index) => state.segment(msn).and_then(|s| s.part(index)),
        };
        match data {
            Some(data) => Lookup::Found(File {
                data,
                etag: format!("\"{name}\""),
            }),
            None => Lookup::Unknown,
        }
    }

    /// How far the playlist has come, and when it goes on.
    pub(crate) fn edge(&self) -> watch::Receiver<Edge> {
        self.edge.subscribe()
    }

    /// True if the playlist has a segment, or a part of it (RFC 8216bis section 6.2.5.2: behind
    /// the last part of a segment comes the first of the next), or has ended.
    pub(crate) fn has(&self, msn: u64, part: Option<usize>) -> bool {
        let state = self.read();
        let Edge {
            msn: open,
            parts,
            is_ended,
        } = state.edge;
        if is_ended {
            return true;
        }
        let Some(part) = part else {
            return msn < open;
        };
        match msn {
            _ if msn == open => part < parts,
            _ if msn > open => false,
            _ if msn + 1 == open => {
                parts > 0
                    || state
                        .segment(msn)
                        .is_none_or(|segment| part < segment.parts())
            }
            _ => true,
        }
    }

    fn name(&self, name: FileName) -> String {
        name.write(&self.stamp)
    }

    fn publish(&self, mut state: RwLockWriteGuard<'_, State>) {
        let (msn, parts) = (state.playlist.next_sequence(), state.playlist.next_part());
        if !state.segments.is_empty() {
            let hint = format!("{}/{}", self.id, self.name(FileName::Part(msn, parts)));
            state.text = Some(Bytes::from(state.playlist.render(&hint)));
            state.delta = state.playlist.render_delta(&hint).map(Bytes::from);
            state.revision += 1;
        }
        (state.edge.msn, state.edge.parts) = (msn, parts);
        let edge = state.edge;
        // Whoever is told looks at the state.
        drop(state);
        self.edge.send_replace(edge);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn segment(&self, msn: u64) -> Option<&StoredSegment> {
        let behind = self.playlist.next_sequence().checked_sub(msn)?;
        let behind = usize::try_from(behind).ok()?;
        self.segments.get(self.segments.len().checked_sub(behind)?)
    }

    /// `count` segments left the playlist. Each stays for its own duration and that of the
    /// longest playlist that named it (RFC 8216 section 6.2.2).
    fn retire(&mut self, count: usize) {
        // All but the newest were named together.
        let named = self.segments.iter().skip(self.spare).rev().skip(1);
        let named: Duration = named.map(|segment| segment.duration).sum();
        let left = self.segments.iter_mut().skip(self.spare).take(count);
        for segment in left {
            segment.goes_at = self.clock + segment.duration + named;
        }
        self.spare += count;
    }

    /// Forgets segments whose time is over, and what is above `max_spare`.
    fn forget(&mut self, max_spare: usize) {
        while self.spare > 0
            && let Some(oldest) = self.segments.front()
            && (oldest.goes_at <= self.clock || self.spare > max_spare)
        {
            self.segments.pop_front();
            self.spare -= 1;
        }
    }
}

/// Segments kept beside those of the playlist, in windows: as many as a playlist has at most, and
/// one window for those that were longer.
const SPARE_WINDOWS: usize = MAX_WINDOWS + 1;
