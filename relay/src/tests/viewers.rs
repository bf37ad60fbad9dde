//! What FLV viewers get.

use tokio::time::sleep;

use super::*;
use crate::broadcast::testing::{SPS_320X180, SPS_640X360};

#[tokio::test(start_paused = true)]
async fn an_flv_viewer_gets_headers_and_a_key_frame_first() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(1_500)).await;
    let response = get(&relay, "/live/a.flv").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "video/x-flv");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let (flv, has_ended) = read_on(&mut response.into_body()).await;
    assert!(!has_ended);
    assert_eq!(flv[..5], *b"FLV\x01\x01");
    let tags = tags(&flv);
    assert_eq!(tags[0].0, 18);
    assert!(is_video_header(&tags[1]));
    assert_eq!((tags[2].0, &tags[2].2[..2]), (9, &[0x17, 1][..]));
    // From the newest key frame, at 1 s.
    assert!((990..=1_010).contains(&tags[2].1), "{}", tags[2].1);
    assert_eq!(tags.len(), 2 + 15);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_resolution_brings_a_new_sequence_header() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    camera.send(&ingest, Duration::from_millis(2_990)).await;
    camera.publisher.sps = SPS_320X180;
    camera.send(&ingest, Duration::from_millis(6_000)).await;
    // It read nothing so far: it starts after the change.
    let (flv, _) = read_on(&mut body).await;
    let seen = tags(&flv);
    let headers: Vec<_> = seen.iter().filter(|tag| is_video_header(tag)).collect();
    assert_eq!(headers.len(), 1);
    assert_eq!(relay.inner.metrics.viewer_skips.get(), 0);
    camera.publisher.sps = SPS_640X360;
    camera.send(&ingest, Duration::from_millis(7_500)).await;
    let (flv, _) = read_on(&mut body).await;
    let seen = tags(&flv);
    let header = seen.iter().position(is_video_header).unwrap();
    assert_eq!(seen[header + 1].2[..2], [0x17, 1]);
    assert_eq!(seen.iter().filter(|tag| is_video_header(tag)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_skips_and_is_counted() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first[..3], *b"FLV");
    camera.send(&ingest, Duration::from_secs(10)).await;
    let (flv, _) = read_on(&mut body).await;
    let seen = tags(&flv);
    let times: Vec<u32> = seen.iter().filter(|t| t.0 == 9).map(|t| t.1).collect();
    let jump = times.windows(2).position(|w| w[1] > w[0] + 50).unwrap();
    assert!(times[jump + 1] >= 8_990, "{times:?}");
    assert_eq!(relay.inner.metrics.viewer_skips.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_republish_keeps_the_viewers() {
    let relay = relay(RelayConfig::default());
    let first = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&first, Duration::from_secs(1)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    let (before, _) = read_on(&mut body).await;
    let second = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    sleep(Duration::from_millis(10)).await;
    assert!(first.is_closed());
    // What the replaced publisher still sends is dropped without an error.
    let mut stray = Camera::new();
    stray.send(&first, Duration::from_millis(40)).await;
    assert!(relay.inner.metrics.dropped("ingest_closed") > 0);
    let mut camera = Camera::new();
    camera.send(&second, Duration::from_secs(1)).await;
    let (after, has_ended) = read_on(&mut body).await;
    assert!(!has_ended);
    let end = tags(&before).last().unwrap().1;
    let next = tags(&after)[0].1;
    assert!(next > end && next < end + 2_500, "{end} then {next}");
    assert_eq!(relay.inner.metrics.broadcasts.get(), 1);
}
