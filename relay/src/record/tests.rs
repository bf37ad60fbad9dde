//! Recordings on virtual time, in a store that fails, hangs and dies where a test wants it.

mod crashes;
mod following;
mod listing;
pub(super) mod memory;
#[cfg(feature = "aac")]
mod players;
mod removal;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use self::memory::{Memory, Trouble};
use super::archive::Failure;
use super::book::FINISHING;
use super::manifest::Manifest;
use super::*;
use crate::tests::{Camera, VIDEO, deaf, id, relay};
use crate::{Ingest, RelayConfig};

fn config() -> RecordConfig {
    RecordConfig {
        max_per_owner: 2,
        max_recordings: 3,
        max_duration: Duration::from_secs(3_600),
        max_bytes: 1 << 30,
        mp4: true,
        auto: vec!["a*".parse().unwrap()],
        max_listed: 100,
    }
}

struct World {
    relay: Relay,
    recordings: Recordings,
    told: Arc<Mutex<Vec<RecordingView>>>,
    /// Whose all streams are.
    owner: Arc<AtomicU32>,
    registry: Registry,
}

impl World {
    fn new(store: RecordStore) -> Self {
        Self::with(config(), store)
    }

    fn with(config: RecordConfig, store: RecordStore) -> Self {
        let relay = relay(RelayConfig::default());
        let registry = Registry::new();
        let told: Arc<Mutex<Vec<RecordingView>>> = Arc::default();
        let telling = told.clone();
        let watcher: RecordWatcher =
            Arc::new(move |view| telling.lock().unwrap().push(view.clone()));
        let owner = Arc::new(AtomicU32::new(7));
        let asked = owner.clone();
        let owner_of: OwnerOf = Arc::new(move |_| Some(asked.load(Ordering::Relaxed)));
        let hooks = (watcher, owner_of);
        let recordings = Recordings::new(relay.clone(), config, store, hooks, &registry);
        Self {
            relay,
            recordings: recordings.unwrap(),
            told,
            owner,
            registry,
        }
    }

    fn publish(&self, name: &str) -> Ingest {
        self.relay.publish(&id(name), VIDEO, deaf()).unwrap()
    }

    /// Begins to record a stream that is this owner's now.
    fn start(&self, name: &str, owner: u32) -> Result<RecordingView, RecordRefused> {
        self.owner.store(owner, Ordering::Relaxed);
        self.recordings.start(&id(name), owner)
    }

    fn told(&self) -> Vec<RecordingView> {
        self.told.lock().unwrap().clone()
    }

    /// Waits for a recording of a stream to be told of as over.
    async fn ended(&self, name: &str) -> RecordingView {
        // Virtual hours go by in less: a recording that never ends fails its test.
        let begun = std::time::Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(120), "{name} goes on");
            let told = self.told();
            let mut over = told.iter().filter(|view| view.state == RecordState::Ended);
            if let Some(view) = over.find(|view| view.stream == id(name)) {
                return view.clone();
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn counted(&self, name: &str, label: Option<&str>) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap();
        let metrics = family.get_metric().iter();
        let chosen = metrics.filter(|metric| match label {
            Some(label) => metric.get_label().iter().any(|l| l.value() == label),
            None => true,
        });
        chosen
            .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
            .sum()
    }
}

/// What is in the folder of the only recording.
fn recorded(objects: &BTreeMap<String, Bytes>) -> BTreeMap<String, Bytes> {
    let mut folders: Vec<_> = objects
        .keys()
        .filter_map(|path| path.strip_suffix("/recording.json"))
        .collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let folder = format!("{}/", folders.remove(0));
    let inside = objects.iter();
    let inside = inside.filter_map(|(path, data)| {
        let name = path.strip_prefix(&folder)?;
        Some((name.to_owned(), data.clone()))
    });
    inside.collect()
}

/// Checks that a recording is whole: every segment there is in the playlist, and every picture
/// of them in the MP4 file. How many segments, and how many pictures.
fn check_whole(objects: &BTreeMap<String, Bytes>) -> (usize, u32) {
    assert!(
        !objects.keys().any(|path| path.starts_with(".unfinished")),
        "it is marked as unfinished"
    );
    let files = recorded(objects);
    let manifest: Manifest = serde_json::from_slice(&files["recording.json"]).unwrap();
    let end = manifest.end.expect("it has ended");
    let there: Vec<_> = files.keys().filter(|n| n.ends_with(".m4s")).collect();
    assert_eq!(end.segments, there.len());
    if there.is_empty() {
        assert!(!files.contains_key("index.m3u8"));
        return (0, 0);
    }
    let text = &files["index.m3u8"];
    let playlist = m3u8_rs::parse_media_playlist_res(text).unwrap();
    assert!(playlist.end_list);
    let named: Vec<_> = playlist.segments.iter().map(|s| &s.uri).collect();
    assert_eq!(named, there);
    let map = playlist.segments[0].map.as_ref().unwrap();
    assert!(files.contains_key(&map.uri));
    assert!(
        playlist
            .segments
            .iter()
            .all(|s| s.program_date_time.is_some())
    );
    let mp4 = &files["recording.mp4"];
    assert_eq!(end.mp4_bytes, Some(mp4.len() as u64));
    let reader = mp4::Mp4Reader::read_header(Cursor::new(&mp4[..]), mp4.len() as u64).unwrap();
    let duration: f32 = playlist.segments.iter().map(|s| s.duration).sum();
    let length = reader.tracks()[&1].duration().as_secs_f32();
    assert!((length - duration).abs() < 0.01, "{length} and {duration}");
    (there.len(), reader.sample_count(1).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_pattern_is_recorded_from_its_beginning_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(RecordStore::folder(folder.path()).unwrap());
    let (ingest, other) = (world.publish("a"), world.publish("b"));
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(9)).await;
    let pictures = camera.picture;
    let running = world.recordings.of(7, Some(&id("a")));
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].state, RecordState::Recording);
    assert!(running[0].segments >= 3, "{running:?}");
    assert_eq!(world.recordings.of(7, Some(&id("b"))), []);
    // A write that was given up may leave such.
    let rest = folder.path().join(&running[0].folder).join("000009.m4s#2");
    std::fs::write(rest, "half").unwrap();
    drop((ingest, other));
    let view = world.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::StreamEnded));
    assert_eq!(
        (view.error.as_deref(), view.missed, view.owner),
        (None, 0, 7)
    );
    let mut files = folder_files(folder.path());
    files.remove(".lock");
    assert!(!files.keys().any(|path| path.contains('#')), "it is swept");
    let (segments, shown) = check_whole(&files);
    assert_eq!(segments, view.segments);
    // Of less than 100 ms no segment is made at the end.
    let left_out = pictures - u64::from(shown);
    assert!(left_out <= 3, "{left_out} of {pictures}");
    let (mp4, size) = view.mp4.clone().unwrap();
    assert_eq!(files[&mp4].len() as u64, size);
    assert!(files.contains_key(&view.playlist.clone().unwrap()));
    assert!((8_900..9_100).contains(&view.duration.as_millis()));
    assert_eq!(world.recordings.of(7, Some(&id("a"))), [view]);
    assert_eq!(
        world.counted("weblive_record_ended_total", Some("stream-ended")),
        1.0
    );
    assert_eq!(
        world.counted("weblive_record_files_total", Some("made")),
        1.0
    );
    assert_eq!(world.counted("weblive_record_recordings", None), 0.0);
}

fn folder_files(root: &std::path::Path) -> BTreeMap<String, Bytes> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), std::fs::read(&path).unwrap().into());
            }
        }
    }
    files
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_recording_and_nobody_else() {
    let memory = Memory::new(Trouble::FailsFrom(8, Failure::Full));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(20)).await;
    let running = world.recordings.of(7, Some(&id("a")));
    assert_eq!(running[0].state, RecordState::Recording, "it may pass");
    camera.send(&ingest, Duration::from_secs(140)).await;
    let running = world.recordings.of(7, Some(&id("a")));
    assert_eq!(running[0].state, RecordState::Finishing);
    assert_eq!(running[0].reason, Some(EndReason::DiskFull));
    assert_eq!(running[0].error.as_deref(), Some("the disk is full"));
    let live = world.relay.broadcast(&id("a")).unwrap();
    let edge = *live.variant(None).store.edge().borrow();
    assert!(edge.msn >= 9, "{edge:?}");
    // Somebody makes room.
    memory.set(Trouble::None);
    let view = world.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::DiskFull));
    let (segments, _) = check_whole(&memory.objects());
    assert_eq!(segments, view.segments);
    assert!((1..9).contains(&segments), "{segments}");
    drop(ingest);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_fills_the_disk_ends_nobodys_recording() {
    let memory = Memory::new(Trouble::NoRoom);
    let world = World::new(memory.store());
    let (short, long) = (world.publish("a"), world.publish("ab"));
    Camera::new().send(&short, Duration::from_secs(5)).await;
    short.end();
    let mut camera = Camera::new();
    camera.send(&long, Duration::from_secs(40)).await;
    let view = world.ended("a").await;
    let error = "no MP4 file: the disk is full";
    assert_eq!((view.error.as_deref(), memory.begun()), (Some(error), 1));
    assert!(view.playlist.is_some());
    memory.set(Trouble::None);
    long.end();
    let view = world.ended("ab").await;
    assert_eq!(view.reason, Some(EndReason::StreamEnded));
    assert_eq!(view.missed, 0, "it had to wait for some seconds");
    assert!(view.duration.as_secs() >= 39, "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_does_not_read_for_a_while_costs_no_file() {
    for is_back in [true, false] {
        let memory = Memory::new(Trouble::Unreadable("000001.m4s"));
        let world = World::new(memory.store());
        let ingest = world.publish("a");
        Camera::new().send(&ingest, Duration::from_secs(5)).await;
        ingest.end();
        sleep(Duration::from_secs(60)).await;
        let view = world.recordings.of(7, Some(&id("a"))).remove(0);
        assert_eq!(view.state, RecordState::Finishing);
        if is_back {
            memory.set(Trouble::None);
        }
        let view = world.ended("a").await;
        assert!(view.playlist.is_some());
        assert_eq!(view.mp4.is_some(), is_back);
        let error = "no MP4 file: the store takes or gives nothing; the server's log says why";
        let error = Some(error).filter(|_| !is_back);
        assert_eq!(view.error.as_deref(), error);
    }
}

/// A live playlist says less of such a segment: it may not exceed its target duration.
#[tokio::test(start_paused = true)]
async fn the_playlist_of_a_recording_says_how_long_a_still_picture_is_shown() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    // 2.8 s. A longer pause is taken out of media time.
    camera.picture += 84;
    camera.send(&ingest, Duration::from_secs(20)).await;
    ingest.end();
    world.ended("a").await;
    let objects = memory.objects();
    // The segments play as long as the file.
    check_whole(&objects);
    let text = &recorded(&objects)["index.m3u8"];
    let playlist = m3u8_rs::parse_media_playlist_res(text).unwrap();
    let longest = playlist.segments.iter().map(|s| s.duration);
    let longest = longest.fold(0.0, f32::max);
    assert!(longest > 3.5, "{longest}");
    assert_eq!(playlist.target_duration as f32, longest.round());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_minute_does_not_end_the_recording() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    let mut send = async |seconds| {
        let until = Duration::from_secs(seconds);
        camera.send(&ingest, until).await;
    };
    // It refuses, is full, and then it takes nothing and says nothing.
    send(10).await;
    memory.set(Trouble::FailsFrom(0, Failure::Store));
    send(40).await;
    memory.set(Trouble::FailsFrom(0, Failure::Full));
    send(60).await;
    memory.set(Trouble::None);
    send(90).await;
    memory.set(Trouble::Takes(Duration::from_secs(60)));
    send(95).await;
    memory.set(Trouble::None);
    send(180).await;
    let running = world.recordings.of(7, Some(&id("a"))).remove(0);
    assert_eq!(
        (running.state, running.reason),
        (RecordState::Recording, None)
    );
    drop(ingest);
    let view = world.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::StreamEnded));
    assert!(view.missed > 20, "{view:?}");
    assert_eq!((view.segments as u64 + view.missed) / 10, 9, "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_slow_store_misses_is_counted_and_the_stream_goes_on() {
    let memory = Memory::new(Trouble::Takes(Duration::from_secs(12)));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(180)).await;
    let live = world.relay.broadcast(&id("a")).unwrap();
    assert!(live.variant(None).store.edge().borrow().msn >= 85);
    memory.set(Trouble::None);
    drop(ingest);
    let view = world.ended("a").await;
    assert!(view.missed > 20, "{view:?}");
    assert!(view.segments > 3, "{view:?}");
    let missed = world.counted("weblive_record_missed_segments_total", None);
    assert_eq!(missed, view.missed as f64);
    let files = recorded(&memory.objects());
    let text = String::from_utf8(files["index.m3u8"].to_vec()).unwrap();
    assert!(
        text.matches("#EXT-X-DISCONTINUITY\n").count() >= 3,
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn recordings_are_begun_and_stopped_within_their_bounds() {
    let memory = Memory::new(Trouble::None);
    let mut bounded = config();
    bounded.auto.clear();
    let world = World::with(bounded, memory.store());
    let start = |name: &str, owner| world.start(name, owner);
    let refused = start("c", 1).unwrap_err();
    assert_eq!(refused, RecordRefused::NotLive { stream: id("c") });
    let ingests: Vec<_> = ["c", "d", "e", "f"].map(|name| world.publish(name)).into();
    let first = start("c", 1).unwrap();
    assert_eq!(start("c", 1).unwrap().id, first.id, "it goes on");
    let second = start("d", 1).unwrap();
    let full = |of, limit| Err(RecordRefused::Full { of, limit });
    assert_eq!(start("e", 1), full("of one app", 2));
    start("e", 2).unwrap();
    assert_eq!(start("f", 3), full("of this server", 3));
    assert_eq!(
        world.counted("weblive_record_refused_total", Some("limit")),
        2.0
    );
    let stop = |name: &str, recording: &RecordingId| world.recordings.stop(&id(name), 1, recording);
    assert!(!stop("d", &first.id), "it is of another stream");
    assert!(stop("c", &first.id));
    assert!(!stop("c", &first.id), "it was stopped");
    let view = world.ended("c").await;
    assert_eq!(view.reason, Some(EndReason::Stopped));
    assert_eq!((view.segments, view.playlist), (0, None), "nothing came");
    assert_ne!(start("c", 1).unwrap().id, first.id);
    assert!(stop("d", &second.id));
    drop(ingests);
}

#[tokio::test(start_paused = true)]
async fn recordings_whose_files_are_made_keep_few_others_from_being_begun() {
    let memory = Memory::new(Trouble::HangsAt("index.m3u8"));
    let mut bounded = config();
    (bounded.max_per_owner, bounded.max_recordings) = (1, 1);
    let world = World::with(bounded, memory.store());
    for turn in 0..FINISHING {
        let name = format!("a{turn}");
        let state = || world.recordings.of(7, Some(&id(&name)))[0].state;
        let ingest = world.publish(&name);
        Camera::new().send(&ingest, Duration::from_secs(3)).await;
        assert_eq!(state(), RecordState::Recording);
        ingest.end();
        while state() != RecordState::Finishing {
            sleep(Duration::from_millis(10)).await;
        }
    }
    let refused = |label| world.counted("weblive_record_refused_total", Some(label));
    assert_eq!(refused("limit"), 0.0);
    let _ingest = world.publish("b");
    let expected = RecordRefused::Full {
        of: "of one app whose files are made",
        limit: FINISHING,
    };
    let started = world.recordings.start(&id("b"), 7);
    assert_eq!(started.unwrap_err(), expected, "the files of very many");
    assert_eq!(refused("limit"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_is_stopped_has_all_up_to_then() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("c");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    let begun = world.start("c", 1).unwrap();
    camera.send(&ingest, Duration::from_secs(11)).await;
    assert!(world.recordings.stop(&id("c"), 1, &begun.id));
    camera.send(&ingest, Duration::from_secs(16)).await;
    let view = world.ended("c").await;
    // From the segment under way at 5 s to the one under way at 11 s.
    assert!((7..=10).contains(&view.duration.as_secs()), "{view:?}");
    check_whole(&memory.objects());
    drop(ingest);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_while_its_predecessor_is_still_written_is_recorded() {
    let memory = Memory::new(Trouble::Takes(Duration::from_secs(12)));
    let world = World::new(memory.store());
    for turn in [1, 2] {
        let ingest = world.publish("a");
        Camera::new().send(&ingest, Duration::from_secs(5)).await;
        let live = world.relay.broadcast(&id("a")).unwrap();
        ingest.end();
        while !live.is_ended() {
            sleep(Duration::from_millis(10)).await;
        }
        let views = world.recordings.of(7, Some(&id("a")));
        assert_eq!(views.len(), turn, "{views:?}");
        let newest = &views[turn - 1];
        assert_eq!(newest.state, RecordState::Recording, "the disk is behind");
    }
    memory.set(Trouble::None);
    world.recordings.settled().await;
    for view in world.recordings.of(7, Some(&id("a"))) {
        assert_eq!(view.reason, Some(EndReason::StreamEnded));
        let seconds = view.duration.as_millis();
        assert!((4_900..5_100).contains(&seconds), "{view:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recording_whose_files_are_made_keeps_no_media_in_memory() {
    let memory = Memory::new(Trouble::HangsAt("index.m3u8"));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let live = Arc::downgrade(&world.relay.broadcast(&id("a")).unwrap());
    ingest.end();
    while world.recordings.of(7, Some(&id("a")))[0].state != RecordState::Finishing {
        sleep(Duration::from_millis(100)).await;
    }
    while world.relay.has(&id("a")) {
        sleep(Duration::from_millis(100)).await;
    }
    assert!(live.upgrade().is_none(), "its segments are kept");
    let view = world.recordings.of(7, Some(&id("a"))).remove(0);
    assert_eq!(view.state, RecordState::Finishing);
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heeded_while_the_disk_is_behind() {
    let memory = Memory::new(Trouble::Takes(Duration::from_secs(3)));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(60)).await;
    let begun = world.recordings.of(7, Some(&id("a"))).remove(0);
    let live = world.relay.broadcast(&id("a")).unwrap();
    let stopped_at = under_way(&live);
    assert!(world.recordings.stop(&id("a"), 7, &begun.id));
    // The disk never catches up.
    camera.send(&ingest, Duration::from_secs(240)).await;
    let view = world.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::Stopped));
    let wanted = stopped_at + 1;
    assert!(
        view.segments as u64 + view.missed <= wanted,
        "{wanted} {view:?}"
    );
    drop(ingest);
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_or_stops_what_is_recorded_for_another_owner() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("c");
    let begun = world.start("c", 1).unwrap();
    assert_eq!(world.recordings.of(2, Some(&id("c"))), []);
    assert!(!world.recordings.stop(&id("c"), 2, &begun.id));
    let other = world.start("c", 2).unwrap();
    assert_eq!((other.owner, other.id == begun.id), (2, false));
    let all = world.recordings.of(1, None);
    assert_eq!(world.recordings.of(1, Some(&id("c"))), all);
    assert_eq!(all, [begun]);
    drop(ingest);
}

#[tokio::test(start_paused = true)]
async fn nobody_records_what_is_another_owners_by_now() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let _ingest = world.publish("c");
    let refused = world.recordings.start(&id("c"), 1).unwrap_err();
    assert_eq!(refused, RecordRefused::NotLive { stream: id("c") });
    assert_eq!(world.recordings.of(1, None), []);
    let counted = world.counted("weblive_record_refused_total", Some("not_live"));
    assert_eq!(counted, 1.0);
    world.recordings.start(&id("c"), 7).unwrap();
}

#[test]
fn as_many_segments_as_the_longest_time_has_are_recorded() {
    let mut config = config();
    config.max_duration = Duration::from_secs(48 * 3_600);
    // The shortest that the settings allow last a second.
    assert!(bounds(&config).segments > 48 * 3_600);
}

/// A stream's id is another owner's from one publisher to the next, within one broadcast.
#[tokio::test(start_paused = true)]
async fn no_recording_has_media_of_two_owners() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    drop(ingest);
    let live = world.relay.broadcast(&id("a")).unwrap();
    // The same owner is back: one recording goes on.
    let ingest = world.publish("a");
    camera.send(&ingest, Duration::from_secs(9)).await;
    assert_eq!(world.recordings.of(7, Some(&id("a"))).len(), 1);
    let before = under_way(&live);
    world.owner.store(8, Ordering::Relaxed);
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let first = world.ended("a").await;
    assert_eq!(
        (first.owner, first.reason),
        (7, Some(EndReason::StreamEnded))
    );
    assert_eq!(first.segments as u64, before, "all that were finished");
    assert_eq!(first.missed, 0);
    ingest.end();
    world.recordings.settled().await;
    let second = world.recordings.of(8, Some(&id("a"))).remove(0);
    let seconds = second.duration.as_millis();
    assert!((4_900..5_100).contains(&seconds), "{second:?}");
    assert_eq!(second.missed, 0);
}

#[tokio::test]
async fn a_folder_takes_nothing_that_is_outside_and_is_rid_of_what_was_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("recordings");
    assert!(
        RecordStore::folder(&root).is_err(),
        "there is no such folder"
    );
    std::fs::create_dir(&root).unwrap();
    let store = RecordStore::folder(&root).unwrap();
    for path in ["../x", "a/../../x", "/x", "a//x", "./x"] {
        let put = store.0.put(path, "x".into()).await;
        let inside = put.is_err() || path == "/x";
        assert!(inside, "{path}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    store.0.put("a/r/one", "one".into()).await.unwrap();
    std::fs::write(root.join("a/r/recording.mp4#1"), "half").unwrap();
    store.0.tidy("a/r").await.unwrap();
    let left = folder_files(&root.join("a"));
    assert_eq!(left.into_keys().collect::<Vec<_>>(), ["r/one"]);
    assert_eq!(store.0.get("a/r/two").await, Ok(None));
    assert_eq!(store.0.size("a/r/one").await, Ok(Some(3)));
    store.0.delete("a/r/two").await.unwrap();
    assert_eq!(store.0.list("a/r", 10).await.unwrap(), ["a/r/one"]);
    assert_eq!(store.0.list("a", 10).await.unwrap(), [""; 0]);
    assert_eq!(store.0.list("b", 10).await.unwrap(), [""; 0]);
    std::fs::create_dir(root.join(".unfinished")).unwrap();
    for name in ["r.json", "r.json#1", "s.json#2"] {
        std::fs::write(root.join(".unfinished").join(name), "half").unwrap();
    }
    drop(store);
    let _store = RecordStore::folder(&root).unwrap();
    let left = folder_files(&root.join(".unfinished"));
    assert_eq!(left.into_keys().collect::<Vec<_>>(), ["r.json"]);
}

#[tokio::test]
async fn one_server_at_a_time_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = World::new(RecordStore::folder(folder.path()).unwrap());
    let error = RecordStore::folder(folder.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert!(
        error.to_string().contains("another running server"),
        "{error}"
    );
    first.recordings.settled().await;
    drop(first);
    RecordStore::folder(folder.path()).unwrap();
}
