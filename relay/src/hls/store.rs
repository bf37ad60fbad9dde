//! The Media Playlist of a broadcast and the files that it names.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use packager::hls::{InitSection, LivePlaylist, MAX_WINDOWS, PlaylistSegment, Segment};

use crate::stream_id::StreamId;

/// What a [`Store`] keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreConfig {
    pub(crate) target: Duration,
    /// Segments in the playlist.
    pub(crate) window: usize,
}

/// Segments, initialization sections and playlist of one broadcast.
///
/// Every file name carries the broadcast's stamp, so that a cache that was told "immutable"
/// never serves a file of an earlier broadcast of the same id.
#[derive(Debug)]
pub(crate) struct Store {
    config: StoreConfig,
    id: StreamId,
    stamp: String,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    playlist: LivePlaylist,
    /// The playlist's text, once a segment is in it.
    text: Option<Bytes>,
    /// Counts the changes of the text.
    revision: u64,
    segments: VecDeque<StoredSegment>,
    /// Segments that are in the playlist no more.
    spare: usize,
    inits: VecDeque<Stored>,
    /// Media time of all segments so far.
    clock: Duration,
}

#[derive(Debug)]
struct StoredSegment {
    file: Stored,
    duration: Duration,
    /// When it may go by [`State::clock`], once it has left the playlist.
    goes_at: Duration,
}

#[derive(Debug)]
struct Stored {
    name: String,
    /// Version of the initialization section itself, or of the one that a segment needs.
    init: u32,
    data: Bytes,
}

/// A file with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) data: Bytes,
    pub(crate) etag: String,
}

impl Store {
    pub(crate) fn new(config: StoreConfig, id: StreamId, stamp: String) -> Self {
        Self {
            config,
            id,
            stamp,
            state: RwLock::new(State {
                playlist: LivePlaylist::new(config.target, config.window),
                text: None,
                revision: 0,
                segments: VecDeque::new(),
                spare: 0,
                inits: VecDeque::new(),
                clock: Duration::ZERO,
            }),
        }
    }

    /// Takes the initialization section of the segments that follow.
    pub(crate) fn push_init(&self, init: &InitSection) {
        let name = self.init_name(init.version);
        self.write().inits.push_back(Stored {
            name,
            init: init.version,
            data: init.data.clone(),
        });
    }

    /// Takes the next segment, which began at `wall`.
    pub(crate) fn push_segment(&self, segment: &Segment, wall: SystemTime) {
        let mut state = self.write();
        let name = format!("{}-{}.m4s", self.stamp, state.playlist.next_sequence());
        state.clock += segment.duration;
        let gone = state.playlist.push(PlaylistSegment {
            uri: format!("{}/{name}", self.id),
            map_uri: format!("{}/{}", self.id, self.init_name(segment.init)),
            duration: segment.duration,
            discontinuity: segment.discontinuity,
            program_date_time: wall,
        });
        state.segments.push_back(StoredSegment {
            file: Stored {
                name,
                init: segment.init,
                data: segment.data.clone(),
            },
            duration: segment.duration,
            goes_at: Duration::ZERO,
        });
        state.retire(gone.len());
        state.forget(SPARE_WINDOWS * self.config.window);
        // A section goes with the last segment that needs it; the newest may have none yet.
        let oldest = state.segments.front().map_or(0, |s| s.file.init);
        while state.inits.front().is_some_and(|i| i.init < oldest) {
            state.inits.pop_front();
        }
        state.write_text();
    }

    /// No segment will follow.
    pub(crate) fn end(&self) {
        let mut state = self.write();
        state.playlist.end();
        if state.text.is_some() {
            state.write_text();
        }
    }

    /// The playlist, once it has a segment.
    pub(crate) fn playlist(&self) -> Option<File> {
        let state = self.read();
        Some(File {
            data: state.text.clone()?,
            etag: format!("\"{}-{}\"", self.stamp, state.revision),
        })
    }

    /// The file with this name.
    pub(crate) fn file(&self, name: &str) -> Option<File> {
        let state = self.read();
        let segments = state.segments.iter().map(|segment| &segment.file);
        let stored = segments
            .chain(&state.inits)
            .find(|stored| stored.name == name)?;
        Some(File {
            data: stored.data.clone(),
            etag: format!("\"{name}\""),
        })
    }

    fn init_name(&self, version: u32) -> String {
        format!("{}-init{version}.mp4", self.stamp)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
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

    fn write_text(&mut self) {
        self.text = Some(Bytes::from(self.playlist.render()));
        self.revision += 1;
    }
}

/// Segments kept beside those of the playlist, in windows: as many as a playlist has at most, and
/// one window for those that were longer.
const SPARE_WINDOWS: usize = MAX_WINDOWS + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use packager::time::MediaTime;

    fn store() -> Store {
        let config = StoreConfig {
            target: Duration::from_secs(2),
            window: 3,
        };
        Store::new(config, "a".parse().unwrap(), "stamp".to_owned())
    }

    fn init(version: u32) -> InitSection {
        InitSection {
            version,
            data: Bytes::from(format!("init {version}")),
            codecs: String::new(),
        }
    }

    fn segment(number: u64, init: u32) -> Segment {
        Segment {
            init,
            data: Bytes::from(format!("segment {number}")),
            start: MediaTime::from_millis(2_000 * number),
            duration: Duration::from_secs(2),
            is_independent: true,
            discontinuity: false,
        }
    }

    #[test]
    fn the_playlist_names_files_that_are_there() {
        let store = store();
        assert!(store.playlist().is_none());
        store.push_init(&init(0));
        store.push_segment(&segment(0, 0), SystemTime::UNIX_EPOCH);
        let file = store.playlist().unwrap();
        let text = String::from_utf8(file.data.to_vec()).unwrap();
        assert!(text.contains("\na/stamp-0.m4s\n"), "{text}");
        assert!(text.contains("URI=\"a/stamp-init0.mp4\""), "{text}");
        assert_eq!(store.file("stamp-0.m4s").unwrap().data, "segment 0");
        assert_eq!(store.file("stamp-init0.mp4").unwrap().data, "init 0");
        assert!(store.file("other-0.m4s").is_none());
    }

    #[test]
    fn a_segment_stays_for_its_duration_and_that_of_a_playlist_and_its_section_with_it() {
        let store = store();
        store.push_init(&init(0));
        for number in 0..3 {
            store.push_segment(&segment(number, 0), SystemTime::UNIX_EPOCH);
        }
        store.push_init(&init(1));
        let kept = |n: u64| store.file(&format!("stamp-{n}.m4s")).is_some();
        // Segment 0 leaves the playlist with segment 3; 2 s and 6 s later it may go.
        for number in 3..7 {
            store.push_segment(&segment(number, 1), SystemTime::UNIX_EPOCH);
            assert!(kept(0), "after segment {number}");
        }
        store.push_segment(&segment(7, 1), SystemTime::UNIX_EPOCH);
        assert!(!kept(0) && kept(1));
        assert!(store.file("stamp-init0.mp4").is_some());
        for number in 8..10 {
            store.push_segment(&segment(number, 1), SystemTime::UNIX_EPOCH);
        }
        assert!(store.file("stamp-init0.mp4").is_none());
        assert!(store.file("stamp-init1.mp4").is_some());
    }

    #[test]
    fn what_is_kept_is_bounded_however_short_the_segments_are() {
        let store = store();
        for number in 0..200 {
            let mut short = segment(number, 0);
            short.duration = Duration::from_millis(if number < 20 { 2_000 } else { 1 });
            store.push_segment(&short, SystemTime::UNIX_EPOCH);
            assert!(store.read().segments.len() <= (MAX_WINDOWS + SPARE_WINDOWS) * 3);
        }
    }

    #[test]
    fn the_entity_tag_changes_with_the_text() {
        let store = store();
        store.push_init(&init(0));
        store.push_segment(&segment(0, 0), SystemTime::UNIX_EPOCH);
        let first = store.playlist().unwrap();
        assert_eq!(store.playlist().unwrap().etag, first.etag);
        store.end();
        let ended = store.playlist().unwrap();
        assert_ne!(ended.etag, first.etag);
        assert!(ended.data.ends_with(b"#EXT-X-ENDLIST\n"));
    }
}
