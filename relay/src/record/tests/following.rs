//! Streams that are recorded by themselves, and again.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stream_that_outlasts_a_recording_is_recorded_in_several() {
    let memory = Memory::new(Trouble::None);
    let mut bounded = config();
    // The next one takes the place of the one before.
    (bounded.max_per_owner, bounded.max_recordings) = (1, 1);
    bounded.max_duration = Duration::from_secs(10);
    let world = World::with(bounded, memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(35)).await;
    ingest.end();
    world.recordings.settled().await;
    let views = world.recordings.of(7, Some(&id("a")));
    // Whole segments of 2 s.
    assert!((4..=5).contains(&views.len()), "{views:?}");
    let limits = views.iter().filter(|v| v.reason == Some(EndReason::Limit));
    assert_eq!(limits.count(), views.len() - 1, "{views:?}");
    assert!(views.iter().all(|v| v.missed == 0 && v.mp4.is_some()));
    let all: Duration = views.iter().map(|view| view.duration).sum();
    assert!((34_900..35_100).contains(&all.as_millis()), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_recorded_again_once_the_store_takes_it() {
    for failure in [Failure::Store, Failure::Full] {
        let memory = Memory::new(Trouble::FailsFrom(8, failure));
        let world = World::new(memory.store());
        let ingest = world.publish("a");
        let mut camera = Camera::new();
        // It is given up, and so is the next one.
        camera.send(&ingest, Duration::from_secs(330)).await;
        assert_eq!(world.recordings.of(7, None).len(), 2);
        memory.set(Trouble::None);
        camera.send(&ingest, Duration::from_secs(420)).await;
        assert_eq!(world.recordings.of(7, None).len(), 2, "waits grow");
        camera.send(&ingest, Duration::from_secs(460)).await;
        let views = world.recordings.of(7, None);
        assert_eq!(views.len(), 3);
        let goes_on = |v: &&RecordingView| v.state == RecordState::Recording;
        let newest = views.iter().find(goes_on).unwrap();
        assert!(newest.segments > 3, "{newest:?}");
        ingest.end();
        world.recordings.settled().await;
        let views = world.recordings.of(7, None);
        let ended = |reason| views.iter().filter(|v| v.reason == Some(reason)).count();
        let failed = ended(EndReason::StoreFailed) + ended(EndReason::DiskFull);
        assert_eq!((failed, ended(EndReason::StreamEnded)), (2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_refused_is_recorded_once_there_is_a_place() {
    let memory = Memory::new(Trouble::None);
    let mut bounded = config();
    bounded.max_recordings = 1;
    let world = World::with(bounded, memory.store());
    let (first, second) = (world.publish("a"), world.publish("ab"));
    let mut camera = Camera::new();
    camera.send(&second, Duration::from_secs(30)).await;
    assert_eq!(world.recordings.of(7, Some(&id("ab"))), []);
    first.end();
    camera.send(&second, Duration::from_secs(70)).await;
    let view = world.recordings.of(7, Some(&id("ab"))).remove(0);
    assert_eq!(view.state, RecordState::Recording);
    assert!(view.segments > 1, "{view:?}");
    second.end();
    world.recordings.settled().await;
    let refused = world.counted("weblive_record_refused_total", Some("limit"));
    assert_eq!(refused, 1.0);
}

/// Each recording would end before it has anything.
#[tokio::test(start_paused = true)]
async fn segments_that_are_too_large_do_not_make_a_recording_each() {
    let memory = Memory::new(Trouble::None);
    let mut bounded = config();
    bounded.max_bytes = 1_000;
    let world = World::with(bounded, memory.store());
    let ingest = world.publish("a");
    Camera::new().send(&ingest, Duration::from_secs(60)).await;
    let views = world.recordings.of(7, None);
    assert_eq!(views.len(), 1, "{views:?}");
    assert_eq!(
        (views[0].segments, views[0].reason),
        (0, Some(EndReason::Limit))
    );
    ingest.end();
    world.recordings.settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_stops_is_not_begun_again() {
    let memory = Memory::new(Trouble::None);
    let mut bounded = config();
    bounded.max_duration = Duration::from_secs(10);
    let world = World::with(bounded, memory.store());
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    let begun = world.recordings.of(7, None).remove(0);
    assert!(world.recordings.stop(&id("a"), 7, &begun.id));
    camera.send(&ingest, Duration::from_secs(200)).await;
    assert_eq!(world.recordings.of(7, None).len(), 1);
    drop(ingest);
}
