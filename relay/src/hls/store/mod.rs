//! The Media Playlist of a broadcast and the files that it names.

mod cutout;
mod files;
mod follow;
mod meter;
mod pictures;
mod shifted;
#[cfg(test)]
mod tests;
mod transport;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use packager::hls::{
    InitSection, LivePlaylist, MAX_WINDOWS, Part, PlaylistConfig, PlaylistPart, Segment,
    SegmentHead,
};
use packager::rtp::Codec;
use packager::ts::Program;
use tokio::sync::{Notify, watch};

use self::cutout::Part as StoredPart;
use self::files::{FileName, OpenSegment, StoredSegment};
pub(crate) use self::follow::{Follower, Next};
use self::meter::Meter;
pub(crate) use self::meter::Summary;
use self::shifted::Shifted;
pub(crate) use self::transport::Transport;
use crate::shift::{Found, OnDisk, Shelf};
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
    /// Told with each part and at the end, for those who take all of it.
    news: Arc<Notify>,
    /// Where segments go that it forgets.
    shifted: Option<Shifted>,
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
    meter: Meter,
    /// Media time of all segments so far.
    clock: Duration,
    edge: Edge,
    /// Who takes all of it is sent away: its publisher sends what it cannot carry.
    is_halted: bool,
    /// Media Sequence Number of the first segment that such viewers may begin with.
    begins: u64,
}

/// A file with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) data: Bytes,
    pub(crate) etag: String,
}

/// The newest part of a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Report {
    /// Media Sequence Number of its segment.
    pub(crate) msn: u64,
    pub(crate) part: usize,
}

/// A finished segment with all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) init: InitSection,
    pub(crate) data: Bytes,
    /// Until the next one's start, longer than the live playlist says where a frame comes late.
    pub(crate) duration: Duration,
    /// Wall clock of its start.
    pub(crate) wall: SystemTime,
    pub(crate) is_independent: bool,
    pub(crate) discontinuity: bool,
}

/// What one who reads all segments in their order finds.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// A segment, with its Media Sequence Number: the one asked for, or the oldest that is left.
    Segment(u64, Box<Finished>),
    /// It has not ended yet.
    Later,
    /// None will follow.
    Over,
}

/// What there is under a name.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Found(File),
    /// A segment that is in a file of its window.
    OnDisk(OnDisk),
    /// A segment as Transport Stream, which may have to be made.
    Transport(Transport),
    /// The segment has pictures of a codec that a Transport Stream does not carry.
    OtherCodec(Codec),
    /// The part that comes next, as playlists say (`EXT-X-PRELOAD-HINT`).
    Next,
    /// A part that no playlist names any more, or none ever will: its segment has ended.
    Past,
    Unknown,
}

/// Why a part is not there; see [`Lookup`].
enum Absent {
    Next,
    Past,
    Unknown,
}

impl From<Absent> for Lookup {
    fn from(absent: Absent) -> Self {
        match absent {
            Absent::Next => Self::Next,
            Absent::Past => Self::Past,
            Absent::Unknown => Self::Unknown,
        }
    }
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
                meter: Meter::default(),
                clock: Duration::ZERO,
                edge: Edge::default(),
                is_halted: false,
                begins: 0,
            }),
            edge: watch::Sender::new(Edge::default()),
            news: Arc::default(),
            shifted: None,
        }
    }

    /// The same with a window for what it forgets.
    pub(crate) fn with_shelf(self, shelf: Option<Shelf>) -> Self {
        let shifted = shelf.map(Shifted::new);
        Self { shifted, ..self }
    }

    /// Takes the initialization section of the segments that follow.
    pub(crate) fn push_init(&self, init: InitSection) {
        let mut state = self.write();
        state.inits.push_back(init);
        state.meter = Meter::default();
    }

    /// Says how many discontinuities other variants have had before this one begins.
    pub(crate) fn begin_after(&self, discontinuities: u64) {
        self.write().playlist.begin_after(discontinuities);
    }

    /// What a Multivariant Playlist says of it, once it has a segment.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let state = self.read();
        let init = state.inits.back()?;
        state.meter.summary(init)
    }

    /// Whether it has pictures of which nothing is measured yet: they have begun, or their size has
    /// changed.
    pub(crate) fn is_to_be_measured(&self) -> bool {
        let state = self.read();
        let newest = state.inits.back();
        newest.is_some_and(|init| init.size.is_some() && state.meter.summary(init).is_none())
    }

    /// Where it is (RFC 8216bis section 4.4.5.4), once it has a segment.
    pub(crate) fn report(&self) -> Option<Report> {
        let state = self.read();
        let Edge { msn, parts, .. } = state.edge;
        let Some(part) = parts.checked_sub(1) else {
            let newest = state.segments.back()?;
            return Some(Report {
                msn: msn.checked_sub(1)?,
                part: newest.parts().checked_sub(1)?,
            });
        };
        state.text.is_some().then_some(Report { msn, part })
    }

    /// Takes the next part. The first one of a segment begins it, at `wall`.
    pub(crate) fn push_part(&self, part: &Part, wall: Option<SystemTime>) {
        let mut state = self.write();
        if let Some(wall) = wall {
            state.open = Some(OpenSegment::new(part.init, wall));
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
            open.push(part);
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
        state.meter.handle(segment);
        let uri = format!("{}/{name}", self.id);
        let gone = state.playlist.end_segment(uri, segment.duration).len();
        let stored = open.end(segment);
        state.segments.push_back(stored);
        state.retire(gone);
        let first = state.first();
        let forgotten = state.forget(SPARE_WINDOWS * self.config.window);
        // A section goes with the last segment that needs it; the newest may have none yet.
        let mut oldest = state.segments.front().map_or(0, |segment| segment.init);
        if let Some(shifted) = &self.shifted {
            shifted.take((first..).zip(forgotten), state.duration());
            oldest = shifted.needed_init(&state.inits).unwrap_or(oldest);
        }
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

    /// Whether no segment will follow.
    pub(crate) fn is_ended(&self) -> bool {
        self.read().edge.is_ended
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

    /// Whether its segments are there as Transport Stream, once it has one; the codec of those that
    /// cannot be carried so.
    pub(crate) fn has_transport(&self) -> Option<Result<(), Codec>> {
        self.read().has_transport()
    }

    /// The playlist of the same segments as Transport Stream, in the same way. It begins behind the
    /// last segment that cannot be carried so, where a publisher has changed to H.264.
    pub(crate) fn transport_playlist(&self) -> Option<Result<File, Codec>> {
        let state = self.read();
        if let Err(codec) = state.has_transport()? {
            return Some(Err(codec));
        }
        let mut shown = state.segments.iter().skip(state.spare);
        // Many segments have one initialization section.
        let mut carried = None;
        let other = shown.rposition(|segment| {
            if carried != Some(segment.init) && state.program(segment.init).is_ok() {
                carried = Some(segment.init);
            }
            carried != Some(segment.init)
        });
        let skipped = other.map_or(0, |other| other + 1);
        let name = |msn| self.name(FileName::Transport(msn));
        let text = state.playlist.render_plain(skipped, name);
        // It changes with segments and the end, not with parts.
        let next = state.playlist.next_sequence();
        let ended = if state.edge.is_ended { "-end" } else { "" };
        Some(Ok(File {
            data: text.into(),
            etag: format!("\"{}-ts{next}{ended}\"", self.stamp),
        }))
    }

    /// True if it is one of its names, whether or not there is such a file.
    pub(crate) fn names(&self, name: &str) -> bool {
        let stamps = [&self.stamp, &self.picture_stamp()];
        stamps
            .iter()
            .any(|stamp| FileName::parse(name, stamp).is_some())
    }

    /// The file with this name.
    pub(crate) fn file(&self, name: &str) -> Lookup {
        match FileName::parse(name, &self.picture_stamp()) {
            Some(of) => self.pictures_of(of, name),
            None => self.whole_file(name),
        }
    }

    /// A part, with the version of its initialization section.
    fn part(&self, state: &State, msn: u64, index: usize) -> Result<(u32, StoredPart), Absent> {
        if msn == state.playlist.next_sequence() {
            let edge = state.edge;
            if self.config.part.is_some() && index == edge.parts && !edge.is_ended {
                return Err(Absent::Next);
            }
            let open = state.open.as_ref();
            let part = open.and_then(|open| Some((open.init(), open.part(index)?)));
            return part.ok_or(Absent::Unknown);
        }
        let segment = state.segment(msn);
        let part = segment.and_then(|segment| Some((segment.init, segment.part(index)?)));
        part.ok_or(match msn < state.playlist.next_sequence() {
            true => Absent::Past,
            false => Absent::Unknown,
        })
    }

    fn whole_file(&self, name: &str) -> Lookup {
        let Some(of) = FileName::parse(name, &self.stamp) else {
            return Lookup::Unknown;
        };
        let state = self.read();
        let data = match of {
            FileName::Init(version) => {
                let mut inits = state.inits.iter();
                inits
                    .find(|init| init.version == version)
                    .map(|init| init.data.clone())
            }
            FileName::Segment(msn) => match (state.segment(msn), &self.shifted) {
                (Some(segment), _) => Some(segment.data.clone()),
                (None, Some(shifted)) => match shifted.shelf.find(msn) {
                    Some(Found::Memory(data)) => Some(data),
                    Some(Found::File(file)) => return Lookup::OnDisk(file),
                    None => None,
                },
                (None, None) => None,
            },
            FileName::Transport(msn) => {
                let Some(segment) = state.segment(msn) else {
                    return Lookup::Unknown;
                };
                return match state.program(segment.init) {
                    Ok(program) => Lookup::Transport(Transport {
                        name: name.to_owned(),
                        sequence: msn,
                        program,
                        data: segment.data.clone(),
                        cell: segment.transport.clone(),
                    }),
                    Err(codec) => codec.map_or(Lookup::Unknown, Lookup::OtherCodec),
                };
            }
            FileName::Part(msn, index) => match self.part(&state, msn, index) {
                Ok((_, part)) => Some(part.data),
                Err(absent) => return absent.into(),
            },
        };
        data.map_or(Lookup::Unknown, |data| found(data, name))
    }

    /// The segment of this Media Sequence Number; of those that are gone, the oldest after it.
    pub(crate) fn read_from(&self, msn: u64) -> Reading {
        let state = self.read();
        let msn = msn.max(state.first());
        let Some(found) = state.segment(msn) else {
            return match state.edge.is_ended {
                true => Reading::Over,
                false => Reading::Later,
            };
        };
        let init = state.inits.iter().find(|i| i.version == found.init);
        let Some(init) = init else {
            return Reading::Over;
        };
        let finished = Finished {
            init: init.clone(),
            data: found.data.clone(),
            duration: found.lasts,
            wall: found.wall,
            is_independent: found.is_independent,
            discontinuity: found.discontinuity,
        };
        Reading::Segment(msn, Box::new(finished))
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
        self.news.notify_waiters();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn found(data: Bytes, name: &str) -> Lookup {
    Lookup::Found(File {
        data,
        etag: etag_of(name),
    })
}

impl State {
    fn segment(&self, msn: u64) -> Option<&StoredSegment> {
        let behind = self.playlist.next_sequence().checked_sub(msn)?;
        let behind = usize::try_from(behind).ok()?;
        self.segments.get(self.segments.len().checked_sub(behind)?)
    }

    /// What the newest segment says.
    fn has_transport(&self) -> Option<Result<(), Codec>> {
        match self.program(self.segments.back()?.init) {
            Ok(_) => Some(Ok(())),
            Err(codec) => codec.map(Err),
        }
    }

    /// What the segments of an initialization section are as Transport Stream.
    fn program(&self, version: u32) -> Result<Program, Option<Codec>> {
        let mut inits = self.inits.iter();
        let init = inits.find(|init| init.version == version).ok_or(None)?;
        transport::program(init)
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

    /// Forgets segments whose time is over, and what is above `max_spare`: these, oldest first.
    fn forget(&mut self, max_spare: usize) -> Vec<StoredSegment> {
        let mut forgotten = Vec::new();
        while self.spare > 0
            && let Some(oldest) = self.segments.front()
            && (oldest.goes_at <= self.clock || self.spare > max_spare)
        {
            forgotten.extend(self.segments.pop_front());
            self.spare -= 1;
        }
        forgotten
    }

    /// The Media Sequence Number of the oldest segment.
    fn first(&self) -> u64 {
        let next = self.playlist.next_sequence();
        next.saturating_sub(self.segments.len() as u64)
    }

    /// What all segments play.
    fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }
}

/// The entity tag of a file, which never changes under its name.
pub(crate) fn etag_of(name: &str) -> String {
    format!("\"{name}\"")
}

/// Segments kept beside those of the playlist, in windows: as many as a playlist has at most, and
/// one window for those that were longer.
const SPARE_WINDOWS: usize = MAX_WINDOWS + 1;
