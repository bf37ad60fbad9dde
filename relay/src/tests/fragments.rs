//! What viewers of fMP4 get.

use std::collections::HashSet;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use packager::picture::Pictures;
use tokio::time::sleep;

use super::*;
use crate::broadcast::testing::{SPS_320X180, SPS_640X360};
use crate::{Publication, ViewerOver, ViewerWatch};

const STREAM: &str = "/live/a/stream.mp4";

/// Names of the boxes, and their data.
fn boxes(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut boxes = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let name = String::from_utf8(bytes[4..8].to_vec()).unwrap();
        boxes.push((name, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    boxes
}

fn names(bytes: &[u8]) -> String {
    let names = boxes(bytes).into_iter().map(|(name, _)| name);
    names.collect::<Vec<_>>().join(" ")
}

fn child<'a>(of: &'a [u8], name: &str) -> &'a [u8] {
    boxes(of).into_iter().find(|b| b.0 == name).unwrap().1
}

/// Base decode times of the fragments' pictures, in milliseconds (ISO/IEC 14496-12 §8.8.12).
fn times(bytes: &[u8]) -> Vec<u64> {
    let fragments = boxes(bytes).into_iter().filter(|(name, _)| name == "moof");
    let times = fragments.map(|(_, moof)| {
        let time = child(child(moof, "traf"), "tfdt");
        u64::from_be_bytes(time[4..12].try_into().unwrap()) / 90
    });
    times.collect()
}

/// Whether its first sample is one that players may begin with (§8.8.3.1: it depends on no other).
fn begins_with_a_key_frame(fragment: &[u8]) -> bool {
    let boxes = boxes(fragment);
    let moof = boxes.iter().find(|(name, _)| name == "moof").unwrap().1;
    let run = child(child(moof, "traf"), "trun");
    let flags = u32::from_be_bytes(run[..4].try_into().unwrap()) & 0xff_ffff;
    // Data offset, then the flags of the first sample or of each.
    let at = match (flags & 0x4 != 0, flags & 0x400 != 0) {
        (true, _) => 12,
        (false, true) => {
            12 + 4 * usize::from(flags & 0x100 != 0) + 4 * usize::from(flags & 0x200 != 0)
        }
        _ => panic!("no flags of samples"),
    };
    u32::from_be_bytes(run[at..at + 4].try_into().unwrap()) & 0x1_0000 == 0
}

/// What is there now, write by write.
fn writes(body: &mut Body) -> (Vec<Bytes>, bool) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut writes = Vec::new();
    loop {
        match http_body::Body::poll_frame(Pin::new(&mut *body), &mut cx) {
            Poll::Ready(Some(frame)) => writes.push(frame.unwrap().into_data().unwrap()),
            Poll::Ready(None) => return (writes, true),
            Poll::Pending => return (writes, false),
        }
    }
}

fn closed(relay: &Relay, reason: &str) -> u64 {
    let closed = &relay.inner.metrics.viewers_closed;
    closed.with_label_values(&[reason]).get()
}

fn viewers(relay: &Relay, protocol: &str) -> i64 {
    let viewers = &relay.inner.metrics.viewers;
    viewers.with_label_values(&[protocol]).get()
}

#[tokio::test(start_paused = true)]
async fn a_viewer_gets_the_section_and_a_key_frame_then_each_part_in_a_write() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(3_000)).await;
    let response = get(&relay, STREAM).await;
    assert_eq!(response.status(), 200);
    let kind = header(&response, "content-type");
    assert!(kind.starts_with("video/mp4; codecs=\"avc1."), "{kind}");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert_eq!(viewers(&relay, "fmp4"), 1);
    let mut body = response.into_body();
    let (first, _) = writes(&mut body);
    assert_eq!(names(&first[0]), "ftyp moov");
    assert_eq!(names(&first[1]), "styp moof mdat");
    assert!(begins_with_a_key_frame(&first[1]));
    // From the segment's beginning at 2 s.
    assert_eq!(times(&first[1]), [2_000]);
    let begun = first.len();
    let mut seen = first.concat();
    for step in 1..=40 {
        camera
            .send(&ingest, Duration::from_millis(3_000 + step * 100))
            .await;
        sleep(Duration::from_millis(1)).await;
        let (now, has_ended) = writes(&mut body);
        // As it is cut: one at a time.
        assert!(now.len() <= 1 && !has_ended);
        seen.extend(now.concat());
    }
    let times = times(&seen);
    assert!(times.len() > begun + 14 && times.is_sorted(), "{times:?}");
    assert!(times.windows(2).all(|w| w[1] - w[0] <= 250), "{times:?}");
    let sent = &relay.inner.metrics.sent_bytes;
    assert_eq!(sent.with_label_values(&["fmp4"]).get(), seen.len() as u64);
    drop(body);
    assert_eq!((viewers(&relay, "fmp4"), closed(&relay, "left")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_waits_for_the_codecs() {
    let relay = relay(RelayConfig::default());
    assert_eq!(problem(get(&relay, STREAM).await).await.0, 404);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    for method in [Method::HEAD, Method::GET] {
        let asked = request(&relay, method.clone(), STREAM, &[]);
        let until = camera.start.elapsed() + Duration::from_secs(1);
        let (response, ()) = tokio::join!(asked, camera.send(&ingest, until));
        let kind = header(&response, "content-type");
        assert!(kind.contains("codecs="), "{method}: {kind}");
        let (bytes, _) = writes(&mut response.into_body());
        assert_eq!(bytes.is_empty(), method == Method::HEAD);
    }
    assert_eq!(viewers(&relay, "hls_waiting"), 0);
    // A publisher that sends nothing.
    let _silent = relay.publish(&id("b"), VIDEO, deaf()).unwrap();
    let response = get(&relay, "/live/b/stream.mp4").await;
    assert_eq!(header(&response, "content-type"), "video/mp4");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_chooses_its_latency() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(4_600)).await;
    for (query, first) in [
        ("", 4_000),
        ("?latency=low", 4_000),
        ("?x=1&latency=smooth", 2_000),
    ] {
        let mut body = get(&relay, &format!("{STREAM}{query}")).await.into_body();
        assert_eq!(times(&writes(&mut body).0.concat())[0], first, "{query}");
    }
    for method in [Method::GET, Method::HEAD] {
        let path = format!("{STREAM}?latency=fast");
        assert_eq!(request(&relay, method, &path, &[]).await.status(), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_viewer_skips_to_a_key_frame() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let mut body = get(&relay, STREAM).await.into_body();
    let (before, _) = writes(&mut body);
    camera.send(&ingest, Duration::from_secs(11)).await;
    let (after, _) = writes(&mut body);
    assert_eq!(relay.inner.metrics.viewer_skips.get(), 1);
    assert!(begins_with_a_key_frame(&after[0]));
    assert_eq!(times(&after[0]), [10_000]);
    let all = times(&[before.concat(), after.concat()].concat());
    assert!(all.windows(2).all(|w| w[0] < w[1]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_size_brings_a_section_and_goes_on() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.publisher.sps = SPS_640X360;
    camera.send(&ingest, Duration::from_millis(1_990)).await;
    let mut body = get(&relay, STREAM).await.into_body();
    writes(&mut body);
    camera.publisher.sps = SPS_320X180;
    camera.send(&ingest, Duration::from_millis(3_500)).await;
    let (seen, has_ended) = writes(&mut body);
    assert!(!has_ended);
    let at = seen.iter().position(|write| names(write) == "ftyp moov");
    let next = &seen[at.unwrap() + 1];
    assert!(begins_with_a_key_frame(next) && times(next) == [2_000]);
}

#[tokio::test(start_paused = true)]
async fn a_republish_keeps_the_viewers_and_the_end_ends_them() {
    let relay = relay(RelayConfig::default());
    let first = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&first, Duration::from_secs(3)).await;
    let mut body = get(&relay, STREAM).await.into_body();
    let (mut seen, _) = writes(&mut body);
    drop(first);
    sleep(Duration::from_secs(10)).await;
    let second = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&second, Duration::from_secs(3)).await;
    let (after, has_ended) = writes(&mut body);
    assert!(!has_ended && after.len() > 8);
    seen.extend(after);
    second.end();
    sleep(Duration::from_millis(600)).await;
    let (last, has_ended) = writes(&mut body);
    assert!(has_ended);
    seen.extend(last);
    let times = times(&seen.concat());
    assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
    drop(body);
    assert_eq!(closed(&relay, "ended"), 1);
    let (status, detail) = problem(get(&relay, STREAM).await).await;
    assert!(status == 404 && detail.contains("has left"), "{detail}");
    let head = request(&relay, Method::HEAD, STREAM, &[]).await;
    assert_eq!(head.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_of_vp8_ends_the_viewers_of_the_one_before() {
    let relay = relay(RelayConfig::default());
    let first = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&first, Duration::from_secs(3)).await;
    let mut body = get(&relay, STREAM).await.into_body();
    writes(&mut body);
    let second = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.codec = Codec::Vp8;
    camera.send(&second, Duration::from_secs(1)).await;
    assert!(writes(&mut body).1, "the body ends");
    assert_eq!(problem(get(&relay, STREAM).await).await.0, 409);
    // With a codec that is carried it is there again, and begins with that.
    let third = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    sleep(Duration::from_millis(10)).await;
    let asked = get(&relay, STREAM);
    let mut camera = Camera::new();
    // However long that takes to come.
    let late = async {
        sleep(Duration::from_secs(3)).await;
        camera
            .send(&third, camera.start.elapsed() + Duration::from_secs(2))
            .await;
    };
    let (response, ()) = tokio::join!(asked, late);
    assert!(header(&response, "content-type").contains("codecs="));
    let (seen, _) = writes(&mut response.into_body());
    assert!(times(&seen.concat())[0] > 3_000);
}

#[tokio::test(start_paused = true)]
async fn each_size_is_a_stream_of_its_own() {
    let relay = relay(RelayConfig::default());
    let publication = Publication {
        tracks: VIDEO,
        pictures: Pictures::of_layers(2),
    };
    let ingest = relay.publish(&id("a"), publication, deaf()).unwrap();
    super::variants::send(&ingest, 3.0, 0.0).await;
    let mut sizes = Vec::new();
    for path in [STREAM, "/live/a_h/stream.mp4", "/live/a_l/stream.mp4"] {
        let response = get(&relay, path).await;
        assert_eq!(response.status(), 200, "{path}");
        sizes.push(writes(&mut response.into_body()).0.concat().len());
    }
    assert_eq!(sizes[0], sizes[1]);
    assert!(sizes[2] * 2 < sizes[0], "{sizes:?}");
    assert_eq!(get(&relay, "/live/a_m/stream.mp4").await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_without_progress_and_one_that_is_revoked_are_told_of() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let open = async || {
        let response = get(&relay, STREAM).await;
        let watch = response.extensions().get::<ViewerWatch>().unwrap().clone();
        (watch, response.into_body())
    };
    let (watch, mut body) = open().await;
    body.frame().await.unwrap().unwrap();
    let began = Instant::now();
    // What its connection takes bit by bit is no progress: a fragment of 250 ms has ten seconds.
    let over = tokio::select! {
        () = camera.send(&ingest, Duration::from_secs(20)) => panic!("nobody told"),
        over = watch.over(|| Some(Instant::now())) => over,
    };
    assert_eq!((over, began.elapsed().as_secs()), (ViewerOver::Stalled, 10));
    drop(body);
    assert_eq!(closed(&relay, "stalled"), 1);
    let (watch, body) = open().await;
    watch.revoke();
    assert_eq!(watch.over(|| None).await, ViewerOver::Revoked);
    drop(body);
    assert_eq!(closed(&relay, "revoked"), 1);
}

#[tokio::test(start_paused = true)]
async fn other_transports_get_a_section_or_a_fragment_at_a_time() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(3)).await;
    let mut stream = relay.live_stream(&STREAM.parse().unwrap()).await.unwrap();
    assert_eq!(
        (viewers(&relay, "ws_fmp4"), viewers(&relay, "fmp4")),
        (1, 0)
    );
    // However much is there, and however little is asked for.
    assert_eq!(names(&stream.next(1 << 20).await.unwrap()), "ftyp moov");
    assert_eq!(names(&stream.next(1).await.unwrap()), "styp moof mdat");
    assert_eq!(names(&stream.next(1 << 20).await.unwrap()), "moof mdat");
    relay.shutdown().await;
    while stream.next(1).await.is_some() {}
    assert!(!stream.is_of_other_tracks());
    drop(stream);
    assert_eq!(
        (viewers(&relay, "ws_fmp4"), closed(&relay, "ended")),
        (0, 1)
    );
    let head = request(&relay, Method::HEAD, STREAM, &[]).await;
    assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// A WebSocket keeps a buffer as large as its largest message, for each viewer.
#[tokio::test(start_paused = true)]
async fn other_transports_get_a_large_fragment_in_messages_of_64_kb() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.bytes = 20_000;
    camera.send(&ingest, Duration::from_secs(3)).await;
    let (whole, _) = writes(&mut get(&relay, STREAM).await.into_body());
    assert_eq!(names(&whole[1]), "styp moof mdat");
    assert!(whole[1].len() > 2 * (64 << 10), "{}", whole[1].len());
    let mut stream = relay.live_stream(&STREAM.parse().unwrap()).await.unwrap();
    for fragment in whole {
        let mut left = &fragment[..];
        while !left.is_empty() {
            // However much is asked for.
            let message = stream.next(1 << 20).await.unwrap();
            // As large as may be, and no longer than its fragment.
            assert_eq!(message.len(), left.len().min(64 << 10));
            left = left.strip_prefix(&message[..]).expect("the same bytes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_takes_a_place_of_the_viewers() {
    let relay = relay(RelayConfig {
        max_viewers_per_broadcast: 1,
        ..RelayConfig::default()
    });
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(1)).await;
    let first = get(&relay, "/live/a.flv").await;
    assert_eq!(problem(get(&relay, STREAM).await).await.0, 503);
    drop(first);
    let _second = get(&relay, STREAM).await;
    assert_eq!(get(&relay, "/live/a.flv").await.status(), 503);
}

/// A thousand that take a fragment of 250 ms every two seconds, and keep it until they take the next:
/// what they keep alive is what the broadcast had in the last seconds, once for all of them.
#[tokio::test(start_paused = true)]
async fn a_thousand_slow_viewers_share_what_they_keep_alive() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(600)).await;
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        let mut body = get(&relay, STREAM).await.into_body();
        let section = body.frame().await.unwrap().unwrap();
        slow.push((body, section.into_data().unwrap(), 0_u64));
    }
    let mut fast = get(&relay, STREAM).await.into_body();
    let mut fast_times = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    for step in 0..200_u64 {
        let now = 700 + step * 100;
        camera.send(&ingest, Duration::from_millis(now)).await;
        sleep(Duration::from_millis(1)).await;
        fast_times.extend(times(&writes(&mut fast).0.concat()));
        for (number, (body, kept, last)) in slow.iter_mut().enumerate() {
            if !(number as u64 + step).is_multiple_of(20) {
                continue;
            }
            let Poll::Ready(Some(Ok(frame))) = http_body::Body::poll_frame(Pin::new(body), &mut cx)
            else {
                panic!("there is always more for a slow viewer");
            };
            *kept = frame.into_data().unwrap();
            if let [time] = times(kept)[..] {
                assert!(time >= *last, "time goes on");
                // The bound, the part under way, and the age of where it began.
                assert!(now - time <= 3_000 + 500 + 300, "{} at {now}", now - time);
                *last = time;
            }
        }
        // A part has one place as long as its segment grows, and another behind that.
        let places: HashSet<_> = slow.iter().map(|(_, kept, _)| kept.as_ptr()).collect();
        assert!(places.len() <= 2 * 4 * 6, "{}", places.len());
    }
    assert!(
        fast_times
            .windows(2)
            .all(|w| w[0] < w[1] && w[1] - w[0] <= 250)
    );
    let skips = relay.inner.metrics.viewer_skips.get();
    // Each falls behind by 1.75 s every two seconds.
    assert!((3_000..=8_000).contains(&skips), "{skips}");
}
