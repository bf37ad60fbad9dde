//! The Media Playlist of a broadcast and the files that it names.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use packager::hls::{InitSection, LivePlaylist, PlaylistSegment, Segment};

use crate::stream_id::StreamId;

/// What a [`Store`] keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreConfig {
    pub(crate) target: Duration,
    /// Segments in the playlist.
    pub(crate) window: usize,
    /// Segments kept after they left the playlist.
    pub(crate) spare: usize,
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
    segments: VecDeque<Stored>,
    inits: VecDeque<Stored>,
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
                inits: VecDeque::new(),
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
        state.playlist.push(PlaylistSegment {
            uri: format!("{}/{name}", self.id),
            map_uri: format!("{}/{}", self.id, self.init_name(segment.init)),
            duration: segment.duration,
            discontinuity: segment.discontinuity,
            program_date_time: wall,
        });
        state.segments.push_back(Stored {
            name,
            init: segment.init,
            data: segment.data.clone(),
        });
        while state.segments.len() > self.config.window + self.config.spare {
            state.segments.pop_front();
        }
        // A section goes with the last segment that needs it; the newest may have none yet.
        let oldest = state.segments.front().map_or(0, |s| s.init);
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
        let find = |files: &VecDeque<Stored>| {
            let stored = files.iter().find(|stored| stored.name == name)?;
            Some(File {
                data: stored.data.clone(),
                etag: format!("\"{name}\""),
            })
        };
        find(&state.segments).or_else(|| find(&state.inits))
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
    fn write_text(&mut self) {
        self.text = Some(Bytes::from(self.playlist.render()));
        self.revision += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packager::time::MediaTime;

    fn store() -> Store {
        let config = StoreConfig {
            target: Duration::from_secs(2),
            window: 3,
            spare: 2,
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
    fn old_segments_go_after_the_spare_ones_and_sections_with_their_last_segment() {
        let store = store();
        store.push_init(&init(0));
        for number in 0..3 {
            store.push_segment(&segment(number, 0), SystemTime::UNIX_EPOCH);
        }
        store.push_init(&init(1));
        for number in 3..7 {
            store.push_segment(&segment(number, 1), SystemTime::UNIX_EPOCH);
        }
        let kept = |n: u64| store.file(&format!("stamp-{n}.m4s")).is_some();
        assert_eq!(
            (0..7).filter(|n| kept(*n)).collect::<Vec<_>>(),
            [2, 3, 4, 5, 6]
        );
        assert!(store.file("stamp-init0.mp4").is_some());
        store.push_segment(&segment(7, 1), SystemTime::UNIX_EPOCH);
        assert!(store.file("stamp-init0.mp4").is_none());
        assert!(store.file("stamp-init1.mp4").is_some());
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
