//! Publishing, limits and the ends of broadcasts.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;
use crate::{IngestFull, PublishError, StartError};

#[tokio::test(start_paused = true)]
async fn a_broadcast_lingers_then_ends_then_is_forgotten() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(5)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    drop(ingest);
    sleep(Duration::from_millis(14_000)).await;
    assert!(!read_on(&mut body).await.1);
    assert!(
        !text(get(&relay, "/live/a.m3u8").await)
            .await
            .contains("ENDLIST")
    );
    sleep(Duration::from_millis(1_000)).await;
    assert!(read_on(&mut body).await.1, "the body ends");
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let uri = playlist
        .lines()
        .rfind(|line| line.ends_with(".m4s"))
        .unwrap();
    assert_eq!(get(&relay, &format!("/live/{uri}")).await.status(), 200);
    let (status, detail) = problem(get(&relay, "/live/a.flv").await).await;
    assert_eq!(status, 404);
    assert!(detail.contains("has left"), "{detail}");
    assert_eq!(relay.inner.metrics.broadcasts.get(), 0);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(problem(get(&relay, "/live/a.m3u8").await).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_is_ended_does_not_linger() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    ingest.end();
    sleep(Duration::from_millis(600)).await;
    assert!(read_on(&mut body).await.1, "the body ends");
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 404);
    // The id is free for another broadcast.
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(1)).await;
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_end_does_not_touch_the_publisher_who_took_over() {
    let relay = relay(RelayConfig::default());
    let first = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&first, Duration::from_secs(1)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    let second = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&second, Duration::from_secs(1)).await;
    first.end();
    Camera::new().send(&second, Duration::from_secs(20)).await;
    assert!(!read_on(&mut body).await.1);
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_ended_broadcast_stays_for_as_long_as_its_playlist_plays() {
    let relay = relay(RelayConfig {
        keep_ended: Duration::ZERO,
        linger: Duration::ZERO,
        ..RelayConfig::default()
    });
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    drop(ingest);
    sleep(Duration::from_millis(13_900)).await;
    assert_eq!(get(&relay, "/live/a.m3u8").await.status(), 200);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(get(&relay, "/live/a.m3u8").await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_new_broadcast_of_an_id_has_files_of_other_names() {
    let relay = relay(RelayConfig::default());
    let mut names = Vec::new();
    for _ in 0..2 {
        let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
        Camera::new().send(&ingest, Duration::from_secs(5)).await;
        let playlist = text(get(&relay, "/live/a.m3u8").await).await;
        let uri = playlist
            .lines()
            .find(|line| line.ends_with(".m4s"))
            .unwrap();
        names.push(uri.to_owned());
        drop(ingest);
        sleep(Duration::from_secs(20)).await;
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(
        get(&relay, &format!("/live/{}", names[0])).await.status(),
        404
    );
}

#[tokio::test(start_paused = true)]
async fn limits_are_kept_and_counted() {
    let relay = relay(RelayConfig {
        max_broadcasts: 1,
        max_viewers_per_broadcast: 2,
        ..RelayConfig::default()
    });
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    assert_eq!(
        relay.publish(&id("b"), VIDEO, deaf()).unwrap_err(),
        PublishError::TooManyBroadcasts {
            id: id("b"),
            limit: 1
        }
    );
    Camera::new()
        .send(&ingest, Duration::from_millis(100))
        .await;
    let first = get(&relay, "/live/a.flv").await;
    let _second = get(&relay, "/live/a.flv").await;
    let (status, detail) = problem(get(&relay, "/live/a.flv").await).await;
    assert_eq!(status, 503);
    assert!(detail.contains("2 viewers"), "{detail}");
    let metrics = &relay.inner.metrics;
    assert_eq!(metrics.viewers.with_label_values(&["flv"]).get(), 2);
    assert_eq!(metrics.refused.with_label_values(&["viewers"]).get(), 1);
    assert_eq!(metrics.refused.with_label_values(&["broadcasts"]).get(), 1);
    drop(first);
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_ends_its_broadcast_and_frees_its_id() {
    let relay = relay(RelayConfig::default());
    let asker: KeyframeAsker = Arc::new(|_| panic!("the asker of this test panics"));
    let ingest = relay.publish(&id("a"), VIDEO, asker).unwrap();
    let mut camera = Camera::new();
    // It starts within a group of pictures, so that a key frame is asked for.
    camera.picture = 1;
    camera.send(&ingest, Duration::from_millis(100)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    camera.send(&ingest, Duration::from_millis(500)).await;
    assert!(ingest.is_closed());
    assert!(read_on(&mut body).await.1, "the body ends");
    assert_eq!(relay.inner.metrics.broadcasts.get(), 0);
    assert_eq!(problem(get(&relay, "/live/a.flv").await).await.0, 404);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new()
        .send(&ingest, Duration::from_millis(500))
        .await;
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_refuses_and_counts() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut publisher = Publisher::new(Instant::now().into_std());
    let mut refused = 0;
    // The task does not run before this one waits.
    for number in 0..2_100 {
        for item in publisher.picture(f64::from(number), false, 100) {
            refused += usize::from(ingest.try_send(item) == Err(IngestFull));
        }
    }
    assert_eq!(refused, 2_100 - 2_048);
    assert_eq!(relay.inner.metrics.ingest_full.get(), 52);
}

#[tokio::test(start_paused = true)]
async fn key_frames_are_asked_of_the_publisher() {
    let relay = relay(RelayConfig::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let asker: KeyframeAsker = Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let ingest = relay.publish(&id("a"), VIDEO, asker).unwrap();
    let mut camera = Camera::new();
    camera.picture = 1;
    camera.send(&ingest, Duration::from_millis(900)).await;
    // After the grace, and once more half a second later.
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_eq!(relay.inner.metrics.keyframe_requests.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_bodies_and_playlists() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(3)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    relay.shutdown().await;
    let (flv, has_ended) = read_on(&mut body).await;
    assert!(has_ended && tags(&flv).len() > 20);
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(playlist.contains("ENDLIST"));
    // An edge that asks now is told to come back, whatever it asks with.
    for method in [Method::GET, Method::HEAD] {
        let response = request(&relay, method, "/live/a.flv", &[]).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(ingest.is_closed());
    assert_eq!(
        relay.publish(&id("b"), VIDEO, deaf()).unwrap_err(),
        PublishError::ShuttingDown { id: id("b") }
    );
}

#[test]
fn publishing_works_from_threads_of_no_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let relay = runtime.block_on(async { relay(RelayConfig::default()) });
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    assert!(!ingest.is_closed());
    runtime.block_on(relay.shutdown());
    assert!(matches!(
        Relay::new(RelayConfig::default(), &Registry::new()),
        Err(StartError::NoRuntime(_))
    ));
}

#[tokio::test]
async fn every_metric_has_a_name_of_the_relay() {
    let registry = Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).unwrap();
    let _ = get(&relay, "/live/a.flv").await;
    let families = registry.gather();
    assert!(families.len() > 5);
    for family in families {
        assert!(family.name().starts_with("weblive_relay_"));
        assert!(family.help().ends_with('.'));
    }
    assert!(matches!(
        Relay::new(RelayConfig::default(), &registry),
        Err(StartError::Metrics(_))
    ));
}
