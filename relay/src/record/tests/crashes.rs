//! Processes that end, wherever they are, and those that go on after them.

use super::*;

/// A process is killed before or after any of its steps. The next one ends the recording with all
/// segments that were written.
#[tokio::test(start_paused = true)]
async fn nothing_of_what_is_written_is_lost_wherever_a_process_ends() {
    let (mut most, mut were_noted) = (0, false);
    for step in 0.. {
        let mut was_killed = false;
        for trouble in [Trouble::HangsBefore(step), Trouble::HangsAfter(step)] {
            let memory = Memory::new(trouble);
            let world = World::new(memory.store());
            let ingest = world.publish("a");
            Camera::new().send(&ingest, Duration::from_secs(7)).await;
            drop(ingest);
            let settled = tokio::time::timeout(Duration::from_secs(25), world.recordings.settled());
            let _ = settled.await;
            was_killed |= memory.has_hung();
            let left = memory.objects();
            drop(world);

            let memory = Memory::with(left.clone(), Trouble::None);
            let next = World::new(memory.store());
            next.recordings.settled().await;
            let objects = memory.objects();
            if !objects.keys().any(|path| path.ends_with("recording.json")) {
                assert!(objects.is_empty(), "{objects:?}");
                continue;
            }
            let is_noted = left.iter().any(|(path, data)| {
                path.ends_with("recording.json")
                    && serde_json::from_slice::<Manifest>(data)
                        .unwrap()
                        .end
                        .is_some()
            });
            let (segments, pictures) = check_whole(&objects);
            let written = left.keys().filter(|path| path.ends_with(".m4s")).count();
            assert_eq!(segments, written, "{trouble:?}");
            assert!(pictures as usize >= 28 * segments, "{pictures} {trouble:?}");
            if memory_had_mark(&left) {
                let told = next.told();
                assert_eq!(told.len(), 1, "{trouble:?}");
                assert_eq!(told[0].state, RecordState::Ended);
                assert_eq!(told[0].segments, segments);
                let reason = match is_noted {
                    true => EndReason::StreamEnded,
                    false => EndReason::Interrupted,
                };
                assert_eq!(told[0].reason, Some(reason), "{trouble:?}");
                were_noted |= is_noted;
            }
            most = most.max(segments);
        }
        if !was_killed {
            assert!(step > 12, "{step} steps");
            break;
        }
    }
    assert!(most >= 3, "{most}");
    assert!(were_noted);
}

fn memory_had_mark(objects: &BTreeMap<String, Bytes>) -> bool {
    objects.keys().any(|path| path.starts_with(".unfinished"))
}

#[tokio::test(start_paused = true)]
async fn why_a_recording_ended_is_known_after_a_crash() {
    let memory = Memory::new(Trouble::FailsFrom(8, Failure::Full));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(130)).await;
    // Somebody makes room, and the process is killed within what it does with that.
    memory.set(Trouble::HangsAt("index.m3u8"));
    sleep(Duration::from_secs(40)).await;
    drop((ingest, world));
    memory.set(Trouble::None);
    let next = World::new(memory.store());
    let view = next.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::DiskFull));
    assert_eq!(view.error.as_deref(), Some("the disk is full"));
    assert!(view.mp4.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_known_after_a_crash() {
    let memory = Memory::new(Trouble::Takes(Duration::from_secs(12)));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(120)).await;
    memory.set(Trouble::HangsBefore(0));
    sleep(Duration::from_secs(20)).await;
    let before = world.recordings.of(7, Some(&id("a"))).remove(0);
    drop((ingest, world));
    memory.set(Trouble::None);
    let next = World::new(memory.store());
    let view = next.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::Interrupted));
    assert!(view.missed > 0 && view.missed <= before.missed, "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_made_is_not_made_again() {
    let memory = Memory::new(Trouble::FailsBehind("recording.json", "recording.mp4"));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    ingest.end();
    sleep(Duration::from_secs(100)).await;
    assert!(
        memory
            .objects()
            .keys()
            .any(|path| path.ends_with("recording.mp4"))
    );
    let view = world.recordings.of(7, Some(&id("a"))).remove(0);
    assert_eq!(view.state, RecordState::Finishing);
    // The process goes on, and another one begins where it was killed.
    let killed = Memory::with(memory.objects(), Trouble::None);
    let next = World::new(killed.store());
    assert_eq!(next.ended("a").await.reason, Some(EndReason::StreamEnded));
    memory.set(Trouble::None);
    let view = world.ended("a").await;
    assert_eq!((memory.begun(), killed.begun()), (1, 0));
    for memory in [memory, killed] {
        check_whole(&memory.objects());
    }
    assert!(view.mp4.is_some() && view.error.is_none(), "{view:?}");
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_cannot_be_ended_waits_for_the_next_start() {
    let memory = Memory::new(Trouble::FailsFrom(8, Failure::Full));
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(9)).await;
    drop(ingest);
    let view = world.ended("a").await;
    assert_eq!((view.playlist, view.mp4), (None, None));
    let error = view.error.unwrap();
    assert_eq!(error, "its end is not written: the disk is full");
    world.recordings.settled().await;

    memory.set(Trouble::None);
    let next = World::new(memory.store());
    let view = next.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::Interrupted));
    assert!(view.playlist.is_some() && view.mp4.is_some());
    check_whole(&memory.objects());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_leaves_the_rest_to_the_next_start() {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(7)).await;
    world.recordings.leave_to_next_start();
    world.relay.shutdown().await;
    world.recordings.settled().await;
    let left = memory.objects();
    assert!(memory_had_mark(&left));
    assert!(!left.keys().any(|path| path.ends_with("index.m3u8")));
    let next = World::new(memory.store());
    let view = next.ended("a").await;
    assert_eq!(view.reason, Some(EndReason::Interrupted));
    let (_, pictures) = check_whole(&memory.objects());
    // 100 ms at the end may be left out.
    assert!(
        (207..=210).contains(&pictures),
        "the last segment too: {pictures}"
    );
}

#[tokio::test(start_paused = true)]
async fn marks_and_manifests_of_somebody_else_lead_nowhere() {
    let mut objects = BTreeMap::new();
    for (mark, text) in [
        ("x", r#"{"stream":"../../etc"}"#),
        ("y", r#"{"stream":"a/b"}"#),
        ("z", "no JSON"),
        ("v", r#"{"stream":"a"}"#),
        ("w", r#"{"stream":"a"}"#),
        ("nothing-more", r#"{"stream":"a"}"#),
    ] {
        objects.insert(format!(".unfinished/{mark}.json"), Bytes::from(text));
    }
    objects.insert("a/v/recording.json".to_owned(), "{}".into());
    let newer = r#"{"version":2}"#;
    objects.insert("a/w/recording.json".to_owned(), newer.into());
    objects.insert("kept".to_owned(), "kept".into());
    let memory = Memory::with(objects.clone(), Trouble::None);
    let world = World::new(memory.store());
    world.recordings.settled().await;
    objects.remove(".unfinished/nothing-more.json");
    assert_eq!(memory.objects(), objects, "what does not read stays");
    assert_eq!(world.told(), []);
}

/// Two recordings that a process left.
async fn two_left() -> Memory {
    let memory = Memory::new(Trouble::None);
    let world = World::new(memory.store());
    let ingests = ["a", "ab"].map(|name| world.publish(name));
    for ingest in &ingests {
        Camera::new().send(ingest, Duration::from_secs(5)).await;
    }
    world.recordings.leave_to_next_start();
    drop(ingests);
    world.relay.shutdown().await;
    world.recordings.settled().await;
    memory
}

#[tokio::test(start_paused = true)]
async fn one_recording_that_cannot_be_ended_yet_keeps_no_other_from_its_end() {
    for trouble in [Trouble::Panics("a/"), Trouble::UnreadableIn("a/")] {
        let memory = two_left().await;
        memory.set(trouble);
        let next = World::new(memory.store());
        let view = next.ended("ab").await;
        assert!(view.mp4.is_some(), "{view:?}");
        assert!(memory_had_mark(&memory.objects()));
        assert_eq!(next.told().len(), 1);
        assert_eq!(next.counted("weblive_record_recordings", None), 0.0);
        memory.set(Trouble::None);
        let view = next.ended("a").await;
        assert!(view.mp4.is_some(), "{view:?}");
        next.recordings.settled().await;
        assert!(!memory_had_mark(&memory.objects()));
    }
}
