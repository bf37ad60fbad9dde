//! Recordings that are removed, and all else that stays.

use std::slice::from_ref;

use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;

use super::super::bucket::Bucket;
use super::super::removal::REMOVALS;
use super::*;

/// A recording of a stream that has ended.
async fn recorded_as(world: &World, name: &str) -> RecordingView {
    let ingest = world.publish(name);
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    drop(ingest);
    let view = world.ended(name).await;
    world.recordings.settled().await;
    view
}

fn no_such(id: &RecordingId) -> Result<(), NotRemoved> {
    Err(NotRemoved::NoSuch { id: id.clone() })
}

#[tokio::test(start_paused = true)]
async fn a_recording_goes_with_all_its_files_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(RecordStore::folder(folder.path()).unwrap());
    let view = recorded_as(&world, "a").await;
    let kept = recorded_as(&world, "ab").await;
    let before = folder_files(folder.path());
    // What somebody put there, and what was given up.
    let place = folder.path().join(&view.folder);
    let mine = [
        "notes.txt",
        "0.m4s",
        "segments-1.json",
        "recording.mp4.bak",
        "take#2.txt",
        "take.m4s#2",
        "000009.m4s#",
        "000009.m4s#2a",
    ];
    for name in mine {
        std::fs::write(place.join(name), "mine").unwrap();
    }
    std::fs::create_dir(place.join("000009.m4s#3")).unwrap();
    std::fs::create_dir(place.join("more")).unwrap();
    std::fs::write(place.join("more/000000.m4s"), "mine").unwrap();
    for name in ["000009.m4s#2", "recording.json#1", "segments-00000.json#12"] {
        std::fs::write(place.join(name), "half").unwrap();
    }
    assert_eq!(
        world.recordings.remove(8, &view.id).await,
        no_such(&view.id)
    );
    assert_eq!(world.recordings.remove(7, &view.id).await, Ok(()));
    let mut after = folder_files(folder.path());
    assert!(place.join("000009.m4s#3").is_dir());
    let mut mine = after.clone();
    mine.retain(|path, _| path.starts_with(&view.folder));
    assert_eq!(mine.len(), 9, "{mine:?}");
    assert!(mine.values().all(|data| data == "mine"));
    after.retain(|path, _| !path.starts_with(&view.folder));
    let mut rest = before;
    rest.retain(|path, _| !path.starts_with(&view.folder));
    assert_eq!(after, rest);
    assert_eq!(world.recordings.of(7, None), from_ref(&kept));
    assert_eq!(
        world.recordings.remove(7, &view.id).await,
        no_such(&view.id)
    );
    // Without anything of others its folders go, too.
    assert_eq!(world.recordings.remove(7, &kept.id).await, Ok(()));
    assert!(!folder.path().join("ab").exists());
    drop(world);
    let next = World::new(RecordStore::folder(folder.path()).unwrap());
    next.recordings.settled().await;
    assert_eq!(next.recordings.of(7, None), []);
}

#[tokio::test(start_paused = true)]
async fn a_recording_goes_from_a_bucket() {
    let objects = Arc::new(InMemory::new());
    let store = || {
        let below = PrefixStore::new(objects.clone(), "live");
        RecordStore(Arc::new(Bucket::over(below)))
    };
    let view = recorded_as(&World::new(store()), "a").await;
    let all = store();
    let elsewhere = Bucket::over(objects.clone());
    elsewhere
        .put(&view.folder, "not below live".into())
        .await
        .unwrap();
    // One that begins with its name.
    let longer = format!("{}0/000000.m4s", view.folder);
    all.0.put(&longer, "another".into()).await.unwrap();
    let next = World::new(store());
    next.recordings.settled().await;
    assert_eq!(next.recordings.remove(7, &view.id).await, Ok(()));
    assert_eq!(all.0.list("a", 10).await, Ok(vec![longer]));
    assert!(elsewhere.size(&view.folder).await.unwrap().is_some());
    assert_eq!(next.recordings.of(7, None), []);
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_or_is_made_is_not_removed() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    let view = world.recordings.of(7, None).remove(0);
    let not_ended = || {
        Err(NotRemoved::NotEnded {
            id: view.id.clone(),
        })
    };
    assert_eq!(world.recordings.remove(7, &view.id).await, not_ended());
    assert_eq!(
        world.recordings.remove(8, &view.id).await,
        no_such(&view.id)
    );
    memory.set(Trouble::FailsBehind("recording.mp4", "index.m3u8"));
    drop(ingest);
    sleep(Duration::from_secs(40)).await;
    let state = world.recordings.of(7, None).remove(0).state;
    assert_eq!(state, RecordState::Finishing);
    assert_eq!(world.recordings.remove(7, &view.id).await, not_ended());
    memory.set(Trouble::None);
    world.ended("a").await;
    assert_eq!(world.recordings.remove(7, &view.id).await, Ok(()));
    assert!(memory.objects().is_empty(), "{:?}", memory.objects());
}

#[tokio::test(start_paused = true)]
async fn one_that_the_store_does_not_remove_stays_listed_until_it_does() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let view = recorded_as(&world, "a").await;
    let failed = || {
        Err(NotRemoved::Store {
            id: view.id.clone(),
        })
    };
    memory.set(Trouble::FailsFrom(0, Failure::Store));
    assert_eq!(world.recordings.remove(7, &view.id).await, failed());
    memory.set(Trouble::Panics("a/"));
    assert_eq!(world.recordings.remove(7, &view.id).await, failed());
    assert_eq!(world.recordings.of(7, None), from_ref(&view));
    memory.set(Trouble::None);
    assert_eq!(world.recordings.remove(7, &view.id).await, Ok(()));
    assert!(memory.objects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_removal_goes_on_alone_and_wherever_it_ends_it_can_be_repeated() {
    let whole = Memory::new(Trouble::None);
    let world = World::new(whole.store());
    let view = recorded_as(&world, "a").await;
    let whole = whole.objects();
    for step in 0.. {
        let memory = Memory::with(whole.clone(), Trouble::None);
        let world = World::new(memory.store());
        world.recordings.settled().await;
        memory.set(Trouble::HangsAfter(step));
        let waited =
            tokio::time::timeout(Duration::from_secs(1), world.recordings.remove(7, &view.id));
        if waited.await.is_ok() {
            assert!(step > 5, "{step} steps");
            break;
        }
        let under_way = Err(NotRemoved::UnderWay {
            id: view.id.clone(),
        });
        assert_eq!(world.recordings.remove(7, &view.id).await, under_way);
        // It is killed there.
        let left = memory.objects();
        drop(world);
        let memory = Memory::with(left.clone(), Trouble::None);
        let next = World::new(memory.store());
        next.recordings.settled().await;
        let removed = next.recordings.remove(7, &view.id).await;
        match left.is_empty() {
            true => assert_eq!(removed, no_such(&view.id)),
            false => assert_eq!(removed, Ok(()), "{left:?}"),
        }
        assert!(memory.objects().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_removal_when_the_server_ends() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let view = recorded_as(&world, "a").await;
    memory.set(Trouble::HangsBefore(0));
    let removing = world.recordings.remove(7, &view.id);
    let waited = tokio::time::timeout(Duration::from_secs(1), removing);
    assert!(waited.await.is_err() && memory.has_hung());
    world.recordings.leave_to_next_start();
    let settled = tokio::time::timeout(Duration::from_secs(1), world.recordings.settled());
    assert_eq!(settled.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn so_many_are_removed_at_once() {
    let id = |number: usize| format!("{:013}-00000000", 1_700_000_000_000 + number);
    let objects = (0..=REMOVALS).map(|number| {
        let text = format!(
            r#"{{"version":1,"id":"{}","stream":"a","owner":7,"started_at":1,"mp4":true,
                "end":{{"reason":"limit","duration_ms":1,"segments":0,"missed":0,"bytes":0,
                "mp4_bytes":null,"mp4_error":null,"error":null}}}}"#,
            id(number)
        );
        (format!("a/{}/recording.json", id(number)), text.into())
    });
    let memory = Memory::with(objects.collect(), Trouble::None);
    let world = World::new(memory.store());
    world.recordings.settled().await;
    let ids: Vec<_> = world.recordings.of(7, None);
    let (last, first) = ids.split_last().unwrap();
    memory.set(Trouble::Takes(Duration::from_secs(5)));
    let removals: Vec<_> = first
        .iter()
        .map(|view| {
            let (recordings, id) = (world.recordings.clone(), view.id.clone());
            tokio::spawn(async move { recordings.remove(7, &id).await })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    let limit = REMOVALS;
    let busy = world.recordings.remove(7, &last.id).await;
    assert_eq!(busy, Err(NotRemoved::Busy { limit }));
    for removal in removals {
        assert_eq!(removal.await.unwrap(), Ok(()));
    }
    assert_eq!(world.recordings.remove(7, &last.id).await, Ok(()));
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_leads_to_no_removal_elsewhere() {
    use std::os::unix::fs::symlink;

    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::new(RecordStore::folder(folder.path()).unwrap());
    let view = recorded_as(&world, "a").await;
    let other = recorded_as(&world, "ab").await;
    // The folder of a stream, the folder of a recording, and a file are moved behind links.
    let whole = elsewhere.path().join("a");
    std::fs::rename(folder.path().join("a"), &whole).unwrap();
    symlink(&whole, folder.path().join("a")).unwrap();
    let before = folder_files(elsewhere.path());
    let failed = Err(NotRemoved::Store {
        id: view.id.clone(),
    });
    assert_eq!(world.recordings.remove(7, &view.id).await, failed);
    std::fs::remove_file(folder.path().join("a")).unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    symlink(
        whole.join(view.id.as_str()),
        folder.path().join(&view.folder),
    )
    .unwrap();
    assert_eq!(world.recordings.remove(7, &view.id).await, failed);
    assert_eq!(folder_files(elsewhere.path()), before);

    let place = folder.path().join(&other.folder);
    let (mp4, moved) = (place.join("recording.mp4"), elsewhere.path().join("b.mp4"));
    std::fs::rename(&mp4, &moved).unwrap();
    symlink(&moved, &mp4).unwrap();
    symlink(elsewhere.path(), place.join("000099.m4s")).unwrap();
    // Whoever follows it goes round and round.
    symlink(&place, place.join("000098.m4s")).unwrap();
    assert_eq!(world.recordings.remove(7, &other.id).await, Ok(()));
    assert!(moved.exists(), "only its link is gone");
    assert!(!place.exists(), "nothing of it stays");
    let after = folder_files(elsewhere.path());
    assert_eq!(after.len(), before.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_go_keeps_no_recording_on_the_list() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let view = recorded_as(&world, "a").await;
    memory.set(Trouble::KeepsFolders);
    assert_eq!(world.recordings.remove(7, &view.id).await, Ok(()));
    assert_eq!(world.recordings.of(7, None), []);
    assert!(memory.objects().is_empty());
}

/// It would be put back by whoever ends it.
#[tokio::test(start_paused = true)]
async fn one_that_is_ended_late_is_not_removed_meanwhile() {
    let memory = Memory::new(Trouble::ListsNothing);
    let world = World::new(memory.store());
    sleep(Duration::from_secs(1)).await;
    memory.set(Trouble::None);
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    memory.set(Trouble::FailsFrom(0, Failure::Store));
    drop(ingest);
    let view = world.ended("a").await;
    let waits = "its end is not written: ";
    assert!(view.error.as_ref().unwrap().starts_with(waits), "{view:?}");
    // The marks are looked for again, and there is its own.
    memory.set(Trouble::HangsAt("recording.mp4"));
    let state = || world.recordings.of(7, None).remove(0).state;
    for _ in 0..1_000 {
        sleep(Duration::from_secs(10)).await;
        if state() == RecordState::Finishing {
            break;
        }
    }
    assert_eq!(state(), RecordState::Finishing);
    let not_ended = NotRemoved::NotEnded {
        id: view.id.clone(),
    };
    assert_eq!(world.recordings.remove(7, &view.id).await, Err(not_ended));
    memory.set(Trouble::None);
    world.recordings.settled().await;
    let now = world.recordings.of(7, None).remove(0);
    assert!(now.state == RecordState::Ended && now.mp4.is_some());
    assert_eq!(world.recordings.remove(7, &view.id).await, Ok(()));
    assert!(memory.objects().is_empty());
}
