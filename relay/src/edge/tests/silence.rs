//! Origins that say little or nothing, on virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};

use packager::flv;
use packager::frames::VideoFrame;
use packager::time::MediaTime;
use tokio::task::JoinSet;

use super::super::table::{MAX_ASKING, MAX_ASKING_OF_CLIENT};
use super::super::task::{CONNECT, FIRST_MEDIA, STALLED};
use super::*;
use crate::broadcast::testing::video_frame;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

/// An origin that answers each request with these bytes and is silent from there on; it counts them.
async fn silent_after(said: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(local()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let said = said.clone();
            open.spawn(async move {
                // Who answers before it is asked speaks no HTTP.
                let mut request = vec![0; 4_096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&said).await;
                let _ = socket.read_to_end(&mut request).await;
            });
        }
    });
    (address, count)
}

/// The beginning of a stream, with so many pictures.
pub(super) fn pictures(count: u64) -> Vec<u8> {
    let frames: Vec<VideoFrame> = (0..count)
        .map(|index| video_frame(index * 40, index == 0))
        .collect();
    let mut said = [HEAD, &flv::header(true, false)].concat();
    if let Some(first) = frames.first() {
        said.extend(flv::video_sequence_header(MediaTime::ZERO, &first.config));
    }
    for frame in &frames {
        said.extend(flv::video_tag(frame).unwrap());
    }
    said
}

fn failures(edge: &Edge, reason: &str) -> u64 {
    edge.0.metrics.failures.with_label_values(&[reason]).get()
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_does_not_answer_is_given_up_in_time() {
    let without_media = [
        &pictures(0),
        &flv::metadata_tag(&flv::Metadata::default())[..],
    ];
    for (said, bound) in [
        (Vec::new(), CONNECT),
        (b"HTTP/1.1 200 OK\r\n".to_vec(), CONNECT),
        (HEAD.to_vec(), FIRST_MEDIA),
        (without_media.concat(), FIRST_MEDIA),
    ] {
        let (address, count) = silent_after(said).await;
        let (_, edge) = edge_of(address, |_| {});
        let start = Instant::now();
        let refused = edge.open(&id("a"), HERE).await.unwrap_err();
        let expected = EdgeRefusal::Origin("the origin does not answer in time".to_owned());
        assert_eq!(refused, expected);
        let took = start.elapsed();
        assert!((bound..bound + 100 * MS).contains(&took), "{took:?}");
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(failures(&edge, "timeout"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_other_codecs_alone_is_refused_for_that() {
    // VVC by Enhanced RTMP: a sequence start.
    let vvc = b"\x09\0\0\x06\0\0\0\0\0\0\0\x90vvc1\x81\0\0\0\x11";
    let (address, _) = silent_after([&pictures(0), &vvc[..]].concat()).await;
    let (_, edge) = edge_of(address, |_| {});
    let refused = edge.open(&id("a"), HERE).await.unwrap_err();
    let carried = "neither pictures in H.264, H.265, VP9 or AV1 nor sound in AAC";
    assert!(refused.to_string().contains(carried), "{refused}");
    assert_eq!(failures(&edge, "codec"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stands_still_is_asked_for_again() {
    let (address, count) = silent_after(pictures(5)).await;
    let (relay, edge) = edge_of(address, |_| {});
    let _watching = edge.open(&id("a"), HERE).await.unwrap();
    sleep(STALLED - 100 * MS).await;
    assert_eq!(failures(&edge, "stalled"), 0);
    sleep(1_000 * MS).await;
    assert_eq!(failures(&edge, "stalled"), 1);
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert!(relay.has(&id("a")));
    assert_eq!(edge.0.table.counts(), [0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_an_origin_at_once_is_bounded() {
    let (address, count) = silent_after(Vec::new()).await;
    let (_, edge) = edge_of(address, |_| {});
    let mut asking = JoinSet::new();
    for number in 0..200 {
        let (edge, stream) = (edge.clone(), id(&format!("stream-{number}")));
        let client = IpAddr::from([192, 0, 2, number]);
        asking.spawn(async move { edge.open(&stream, client).await.unwrap_err() });
    }
    let refusals = asking.join_all().await;
    let is_full = |refusal: &&EdgeRefusal| **refusal == EdgeRefusal::TooManyRequests;
    let full = refusals.iter().filter(is_full).count();
    assert_eq!(full, 200 - MAX_ASKING);
    assert_eq!(count.load(Ordering::Relaxed), MAX_ASKING);
    let refused = &edge.0.metrics.refused;
    assert_eq!(refused.with_label_values(&["asking"]).get(), full as u64);
}

#[tokio::test(start_paused = true)]
async fn one_client_who_guesses_names_keeps_nobody_from_what_is_there() {
    let (address, count) = silent_after(Vec::new()).await;
    let (_, edge) = edge_of(address, |_| {});
    let mut guesses = JoinSet::new();
    for number in 0..100 {
        let (edge, stream) = (edge.clone(), id(&format!("stream-{number}")));
        guesses.spawn(async move { edge.open(&stream, HERE).await.unwrap_err() });
    }
    until("it has its share", || edge.0.table.counts()[0] > 15).await;
    let other = IpAddr::from([192, 0, 2, 1]);
    let opening = edge.clone();
    guesses.spawn(async move { opening.open(&id("a"), other).await.unwrap_err() });
    let asked = || count.load(Ordering::Relaxed) == MAX_ASKING_OF_CLIENT + 1;
    until("the other's is asked for", asked).await;
    let refusals = guesses.join_all().await;
    let is_full = |refusal: &&EdgeRefusal| **refusal == EdgeRefusal::TooManyOfClient;
    let full = refusals.iter().filter(is_full).count();
    assert_eq!(full, 100 - MAX_ASKING_OF_CLIENT);
    let refused = &edge.0.metrics.refused;
    assert_eq!(refused.with_label_values(&["client"]).get(), full as u64);
}

#[tokio::test]
async fn an_audience_of_many_streams_that_comes_at_once_is_served() {
    let (address, _) = silent_after(pictures(5)).await;
    let (_, edge) = edge_of(address, |config| config.max_streams = 200);
    let mut opening = JoinSet::new();
    for number in 0..200_u8 {
        let (edge, stream) = (edge.clone(), id(&format!("stream-{number}")));
        // A few addresses have many behind them.
        let client = IpAddr::from([192, 0, 2, number / 50]);
        opening.spawn(async move { edge.open(&stream, client).await });
    }
    let opened = opening.join_all().await;
    let refusals: Vec<_> = opened
        .iter()
        .filter_map(|opened| opened.as_ref().err())
        .collect();
    assert_eq!(refusals, [&EdgeRefusal::NotLive; 0]);
    assert_eq!(edge.0.table.counts(), [0, 200, 0]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_origin_has_answered_leaves_nothing() {
    let (address, _) = silent_after(HEAD.to_vec()).await;
    let (_, edge) = edge_of(address, |config| config.linger = Duration::from_secs(30));
    let a = id("a");
    let opening = edge.open(&a, HERE);
    assert!(timeout(Duration::from_secs(1), opening).await.is_err());
    let left = Instant::now();
    until("it is forgotten", || edge.0.table.counts() == [0; 3]).await;
    assert!(left.elapsed() < 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn an_origins_stream_does_not_take_over_that_of_a_publisher_here() {
    let (address, _) = silent_after(pictures(5)).await;
    let (relay, edge) = edge_of(address, |_| {});
    let publisher = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let refused = edge.open(&id("a"), HERE).await.unwrap_err();
    let other_way = "cannot publish a: it is live with media that comes in another way";
    assert_eq!(refused, EdgeRefusal::Origin(other_way.to_owned()));
    assert!(!publisher.is_closed());
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_allowed_do_not_become_live_though_they_were_asked_for() {
    let (address, _) = silent_after(pictures(5)).await;
    let (_, edge) = edge_of(address, |config| config.max_streams = 1);
    let (a, b) = (id("a"), id("b"));
    let (first, second) = tokio::join!(edge.open(&a, HERE), edge.open(&b, HERE));
    let refusals: Vec<_> = [&first, &second]
        .into_iter()
        .filter_map(|opened| opened.as_ref().err())
        .collect();
    assert_eq!(refusals, [&EdgeRefusal::TooManyStreams { limit: 1 }]);
}

#[tokio::test(start_paused = true)]
async fn an_edge_on_its_way_down_asks_for_nothing() {
    let (address, count) = silent_after(pictures(5)).await;
    let (relay, edge) = edge_of(address, |_| {});
    relay.shutdown().await;
    let refused = edge.open(&id("a"), HERE).await.unwrap_err();
    assert_eq!(refused, EdgeRefusal::ShuttingDown);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}
