//! What is in the store already, as the next process lists it.

use object_store::memory::InMemory;

use super::super::bucket::Bucket;
use super::*;

/// Two recordings that have ended, as the process that made them tells of them.
async fn two_ended(store: RecordStore) -> Vec<RecordingView> {
    let world = World::new(store);
    for (name, owner) in [("a", 7), ("ab", 8)] {
        world.owner.store(owner, Ordering::Relaxed);
        let ingest = world.publish(name);
        Camera::new().send(&ingest, Duration::from_secs(5)).await;
        drop(ingest);
        world.ended(name).await;
        // The next one begins later.
        std::thread::sleep(Duration::from_millis(2));
    }
    world.recordings.settled().await;
    let told = world.told().into_iter();
    told.filter(|view| view.state == RecordState::Ended)
        .collect()
}

/// A process that has listed what there is.
async fn listed(store: RecordStore) -> World {
    let world = World::new(store);
    world.recordings.settled().await;
    world
}

fn ended(id: &str, stream: &str) -> (String, Bytes) {
    let text = format!(
        r#"{{"version":1,"id":"{id}","stream":"{stream}","owner":7,"started_at":1,"mp4":true,
            "later":{{"x":1}},"end":{{"reason":"limit","duration_ms":4000,"segments":2,"missed":1,
            "bytes":9,"mp4_bytes":5,"mp4_error":null,"error":null,"later":[2]}}}}"#
    );
    (format!("{stream}/{id}/recording.json"), text.into())
}

fn ids(views: &[RecordingView]) -> Vec<&str> {
    views.iter().map(|view| view.id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing_of_what_is_told_of_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(Trouble::None);
    let bucket: Arc<dyn Archive> = Arc::new(Bucket::over(InMemory::new()));
    let stores: [&dyn Fn() -> RecordStore; 3] = [
        &|| memory.store(),
        &|| RecordStore::folder(folder.path()).unwrap(),
        &|| RecordStore(bucket.clone()),
    ];
    for store in stores {
        let told = two_ended(store()).await;
        assert!(told[0].mp4.is_some() && told[0].playlist.is_some());
        let next = listed(store()).await;
        assert_eq!(next.recordings.of(7, None), told[..1]);
        assert_eq!(next.recordings.of(8, None), told[1..]);
        assert_eq!(next.recordings.of(7, Some(&id("ab"))), []);
        // They are told of once.
        assert_eq!(next.told(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_unfinished_is_listed_once_it_is_made() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    world.recordings.leave_to_next_start();
    drop(ingest);
    world.relay.shutdown().await;
    world.recordings.settled().await;
    memory.set(Trouble::HangsAt("recording.mp4"));
    let next = World::new(memory.store());
    sleep(Duration::from_secs(20)).await;
    let noted = memory.objects();
    assert!(noted.keys().any(|path| path.ends_with("index.m3u8")));
    let view = next.recordings.of(7, None).remove(0);
    assert_eq!(
        (view.state, view.reason, view.mp4),
        (RecordState::Finishing, Some(EndReason::Interrupted), None)
    );
    assert!(view.segments >= 3 && view.duration > Duration::from_secs(3));
    drop(next);
    memory.set(Trouble::None);
    let next = World::new(memory.store());
    let view = next.ended("a").await;
    assert_eq!(next.recordings.of(7, None), [view]);
}

#[tokio::test(start_paused = true)]
async fn the_newest_are_listed_and_the_rest_is_counted() {
    let number = |number| format!("{:013}-00000000", 1_700_000_000_000_u64 + number);
    let objects = (0..30).map(|at| ended(&number(at), ["a", "b", "c"][at as usize % 3]));
    let memory = Memory::with(objects.collect(), Trouble::None);
    let mut bounded = config();
    bounded.max_listed = 8;
    let world = World::with(bounded, memory.store());
    world.recordings.settled().await;
    let kept: Vec<_> = (22..30).map(number).collect();
    assert_eq!(ids(&world.recordings.of(7, None)), kept);
    let limit = |world: &World| world.counted("weblive_record_unlisted_total", Some("limit"));
    assert_eq!(limit(&world), 22.0);
    let page = world
        .recordings
        .page(7, None, Some(&kept[2].parse().unwrap()), 2);
    assert_eq!(ids(&page), kept[3..5]);
    // One of this start has the place of the oldest.
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(3)).await;
    drop(ingest);
    let view = world.ended("a").await;
    let now = world.recordings.of(7, None);
    assert_eq!(ids(&now)[..7], kept[1..]);
    assert_eq!(now[7].id, view.id);
    assert_eq!(limit(&world), 23.0);
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_itself_is_left_out_and_counted() {
    const ID: &str = "1700000000123-5f1e02aa";
    let (path, text) = ended(ID, "a");
    let text = String::from_utf8(text.to_vec()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    place(&path, &text);
    let wrong = |number: u32, change: &dyn Fn(&str) -> String| {
        let id = format!("170000000000{number}-00000000");
        let (path, text) = ended(&id, "a");
        place(&path, &change(std::str::from_utf8(&text).unwrap()));
    };
    let changes: [&dyn Fn(&str) -> String; 8] = [
        &|_| String::new(),
        &|_| "[]".to_owned(),
        &|text| text.replace("\"version\":1", "\"version\":2"),
        &|text| text.replace("\"stream\":\"a\"", "\"stream\":\"../b\""),
        &|text| text.replace("-00000000\"", "-00000001\""),
        &|text| text.replace("\"limit\"", "\"because\""),
        &|text| text.replace("\"segments\":2", "\"segments\":-2"),
        // It goes on for ever.
        &|text| format!("{text}{}", " ".repeat(64 << 10)),
    ];
    for (number, change) in (0..).zip(changes) {
        wrong(number, change);
    }
    // Neither is a recording.
    place("notes/readme.txt", "mine");
    place("a/notes/recording.json", &text);
    place("no stream/x/recording.json", &text);
    place("a/1700000000199-00000000/000000.m4s", "no recording.json");
    let world = listed(RecordStore::folder(folder.path()).unwrap()).await;
    let views = world.recordings.of(7, None);
    assert_eq!(ids(&views), [ID]);
    let view = &views[0];
    assert_eq!(view.reason, Some(EndReason::Limit));
    assert_eq!(view.mp4, Some((format!("a/{ID}/recording.mp4"), 5)));
    assert_eq!(
        (view.duration, view.segments, view.missed, view.bytes),
        (Duration::from_secs(4), 2, 1, 9)
    );
    let counted = world.counted("weblive_record_unlisted_total", Some("unreadable"));
    assert_eq!(counted, 9.0);
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_kept_short() {
    let (path, text) = ended("1700000000123-5f1e02aa", "a");
    let text = std::str::from_utf8(&text).unwrap();
    let long = format!("\"error\":\"{}\"", "ä".repeat(1_000));
    let text = text.replace("\"error\":null", &long).into();
    let memory = Memory::with([(path, text)].into(), Trouble::None);
    let world = listed(memory.store()).await;
    let views = world.recordings.of(7, None);
    assert_eq!(views[0].error, Some("ä".repeat(250)));
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn what_a_link_leads_to_is_not_in_the_store() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, text) = ended("1700000000123-5f1e02aa", "a");
    let path = elsewhere.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("a"), folder.path().join("a")).unwrap();
    let world = listed(RecordStore::folder(folder.path()).unwrap()).await;
    assert_eq!(world.recordings.of(7, None), []);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_at_the_start_is_listed_when_it_is_back() {
    let objects = [
        ended("1700000000123-5f1e02aa", "a"),
        ended("1700000000124-00000000", "b"),
    ];
    let memory = Memory::with(objects.into(), Trouble::ListsNothing);
    let world = World::new(memory.store());
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.recordings.of(7, None), []);
    // It gives its folders, and not yet all that is in them.
    memory.set(Trouble::UnreadableIn("a/"));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        ids(&world.recordings.of(7, None)),
        ["1700000000124-00000000"]
    );
    memory.set(Trouble::None);
    world.recordings.settled().await;
    let all = ["1700000000123-5f1e02aa", "1700000000124-00000000"];
    assert_eq!(ids(&world.recordings.of(7, None)), all);
    let counted = world.counted("weblive_record_unlisted_total", None);
    assert_eq!(counted, 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_or_breaks_is_asked_for_little_and_again_later() {
    let number = |number: u64| format!("{:013}-00000000", 1_700_000_000_000 + number);
    let objects: BTreeMap<_, _> = (0..40).map(|at| ended(&number(at), "a")).collect();
    let store = |world: &World| world.counted("weblive_record_unlisted_total", Some("store"));
    for trouble in [Trouble::HangsReading, Trouble::UnreadableIn("a/")] {
        let memory = Memory::with(objects.clone(), trouble);
        let world = World::new(memory.store());
        // 30 s of patience, and the next round is a minute later.
        sleep(Duration::from_secs(50)).await;
        assert_eq!(memory.reads(), 8, "{trouble:?}");
        memory.set(Trouble::None);
        world.recordings.settled().await;
        assert_eq!(world.recordings.of(7, None).len(), 40);
        assert_eq!(store(&world), 0.0);

        let memory = Memory::with(objects.clone(), trouble);
        let world = World::new(memory.store());
        world.recordings.settled().await;
        assert_eq!(memory.reads(), 5 * 8, "so often it is tried");
        assert_eq!(world.recordings.of(7, None), []);
        assert_eq!(store(&world), 40.0);
        let unreadable = world.counted("weblive_record_unlisted_total", Some("unreadable"));
        assert_eq!(unreadable, 0.0);
    }
    // Not even the names are there.
    let world = World::new(Memory::with(objects, Trouble::ListsNothing).store());
    world.recordings.settled().await;
    assert_eq!(store(&world), 1.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_read_too_slowly_ends_a_round_and_the_next_ones_list_more() {
    let number = |number: u64| format!("{:013}-00000000", 1_700_000_000_000 + number);
    let mut objects: BTreeMap<_, _> = (0..20).map(|at| ended(&number(at), "b")).collect();
    // The newest is asked for first, in each round.
    objects.extend([ended(&number(20), "a")]);
    let memory = Memory::with(objects, Trouble::HangsReadingIn("a/"));
    let world = World::new(memory.store());
    // A round goes on for 30 s, and the next ones begin after one minute, and after five.
    for (seconds, reads, listed) in [(50, 8, 7), (80, 16, 14), (340, 16 + 7, 20)] {
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!(memory.reads(), reads);
        assert_eq!(world.recordings.of(7, None).len(), listed);
    }
    world.recordings.settled().await;
    let counted = |reason| world.counted("weblive_record_unlisted_total", Some(reason));
    assert_eq!((counted("unreadable"), counted("store")), (0.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_listed_too_slowly_ends_a_round_before_other_streams() {
    let objects = (10..30).map(|at| ended(&format!("17000000000{at}-00000000"), &format!("s{at}")));
    let memory = Memory::with(objects.collect(), Trouble::HangsListing("s10"));
    let world = World::new(memory.store());
    // Five minutes of patience, and the next round is a minute later.
    for round in 1..=2 {
        sleep(Duration::from_secs(330)).await;
        assert_eq!(memory.listings(), round * (1 + 8), "in round {round}");
        assert_eq!(memory.reads(), 0);
    }
    memory.set(Trouble::None);
    world.recordings.settled().await;
    assert_eq!(world.recordings.of(7, None).len(), 20);
    assert_eq!(world.counted("weblive_record_unlisted_total", None), 0.0);
}

#[tokio::test(start_paused = true)]
async fn some_that_do_not_read_keep_none_of_the_others_from_the_list() {
    let number = |number: u64| format!("{:013}-00000000", 1_700_000_000_000 + number);
    // A stream's recordings are the last of those that are asked for.
    let mut objects: BTreeMap<_, _> = (0..7).map(|at| ended(&number(at), "a")).collect();
    objects.extend((7..20).map(|at| ended(&number(at), "b")));
    let world = World::new(Memory::with(objects, Trouble::UnreadableIn("a/")).store());
    world.recordings.settled().await;
    assert_eq!(world.recordings.of(7, None).len(), 13);
    let counted = |reason| world.counted("weblive_record_unlisted_total", Some(reason));
    assert_eq!((counted("unreadable"), counted("store")), (7.0, 0.0));
}
