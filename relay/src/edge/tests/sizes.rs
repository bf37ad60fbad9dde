//! Streams in several sizes behind an edge.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::super::lists::LABELS;
use super::*;
use crate::tests::bytes;
use crate::tests::variants::{send, two};

/// Publishes two sizes on a relay until it is aborted.
fn publish_two(relay: &Relay, name: &str) -> JoinHandle<()> {
    let ingest = relay.publish(&id(name), two(), deaf()).unwrap();
    tokio::spawn(async move { send(&ingest, 60.0, 0.0).await })
}

fn lists(edge: &Edge, result: &str) -> u64 {
    edge.0.metrics.lists.with_label_values(&[result]).get()
}

/// The segments of a playlist: when each begins by the wall clock, in ms, and its address.
fn segments(playlist: &str) -> Vec<(i64, String)> {
    let (mut found, mut date) = (Vec::new(), None);
    for line in playlist.lines() {
        if let Some(text) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
            // All of one hour, or of two.
            let field = |range| text.get(range).and_then(|t: &str| t.parse::<i64>().ok());
            let [h, m, s, ms] = [11..13, 14..16, 17..19, 20..23].map(|r| field(r).unwrap());
            date = Some(((h * 60 + m) * 60 + s) * 1_000 + ms);
        } else if !line.is_empty() && !line.starts_with('#') {
            found.push((date.take().expect("a date"), format!("/live/{line}")));
        }
    }
    found
}

/// `baseMediaDecodeTime` of the pictures, in ms: 90 kHz, version 1.
fn decode_time(segment: &[u8]) -> i64 {
    let at = segment.windows(4).position(|kind| kind == b"tfdt").unwrap();
    let [version, ..] = segment[at + 4..] else {
        panic!("a version");
    };
    assert_eq!(version, 1);
    let time: [u8; 8] = segment[at + 8..at + 16].try_into().unwrap();
    i64::from_be_bytes(time) / 90
}

/// What one size has: the decode time of each segment, and how far its date is ahead of that.
async fn timeline(relay: &Relay, name: &str) -> Vec<(i64, i64)> {
    let playlist = text(get(relay, &format!("/live/{name}.m3u8")).await).await;
    let mut all = Vec::new();
    for (date, address) in segments(&playlist) {
        let segment = get(relay, &address).await;
        assert_eq!(segment.status(), 200, "{address}");
        let time = decode_time(&bytes(segment).await);
        all.push((time, date - time));
    }
    all
}

#[tokio::test]
async fn the_sizes_of_the_origin_are_listed_pulled_when_asked_for_and_of_one_time() {
    let origin = relay(RelayConfig::default());
    let publisher = publish_two(&origin, "a");
    let (address, _serving) = serve(origin.clone(), local()).await;
    let signed = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let signs = signed.clone();
    let (relay, edge) = edge_of(address, |config| {
        config.linger = Duration::from_secs(2);
        config.sign = Arc::new(move |stream| {
            *signs.lock().unwrap().entry(stream.to_string()).or_default() += 1;
            Some(format!("txSecret={stream}&txTime=1"))
        });
    });
    let (a, large, small) = (id("a"), id("a_h"), id("a_l"));
    assert_eq!(edge.list(&a).await, None, "it is not pulled");
    assert_eq!(
        (edge.stream_of(&small), edge.pulled_as(&large)),
        (small.clone(), large.clone())
    );
    let watching = edge.open(&a, HERE).await.unwrap();
    let list = edge.list(&a).await.expect("two sizes");
    for part in [
        "RESOLUTION=640x360",
        "RESOLUTION=320x180",
        "\na_h.m3u8\n",
        "\na_l.m3u8\n",
    ] {
        assert!(list.contains(part), "{list}");
    }
    let at_origin = text(get(&origin, "/live/a.m3u8").await).await;
    let addresses = |list: &str| -> Vec<String> {
        let lines = list.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(addresses(&list), addresses(&at_origin));
    assert_eq!(
        (edge.stream_of(&small), edge.stream_of(&large)),
        (a.clone(), a.clone())
    );
    assert_eq!(
        (edge.pulled_as(&small), edge.pulled_as(&large)),
        (small.clone(), a.clone())
    );
    assert_eq!(edge.list(&a).await, Some(list));
    assert_eq!(lists(&edge, "several"), 1);
    assert_eq!(requests(&origin), 1, "the sizes are not pulled");

    // Some time later somebody takes the lesser one, from before the newest key frame on.
    sleep(1_700 * MS).await;
    let small_watching = edge.open(&small, HERE).await.unwrap();
    let has_segments = async {
        loop {
            let found = [timeline(&relay, "a").await, timeline(&relay, "a_l").await];
            if found.iter().all(|segments| segments.len() > 1) {
                return found;
            }
            sleep(50 * MS).await;
        }
    };
    let [of_large, of_small] = timeout(Duration::from_secs(20), has_segments)
        .await
        .expect("in time");
    assert_eq!(requests(&origin), 2);
    let (first, ahead) = of_large[0];
    for (time, date) in of_large.iter().chain(&of_small) {
        // Both are cut at the origin's key frames, which are a second apart, and dated alike.
        let off = (time - first + 500).rem_euclid(1_000) - 500;
        assert!(off.abs() <= 2, "{of_large:?} {of_small:?}");
        assert!((date - ahead).abs() <= 20, "{of_large:?} {of_small:?}");
    }
    let of_origin = timeline(&origin, "a_l").await;
    for (time, _) in &of_small {
        let off = |(other, _): &(i64, i64)| (time - other + 500).rem_euclid(1_000) - 500;
        assert!(of_origin.iter().all(|other| off(other).abs() <= 2));
    }
    // Whoever signs for the stream has its sizes.
    assert_eq!(signed.lock().unwrap().keys().collect::<Vec<_>>(), ["a"]);

    // While somebody plays a size its list is known, also without the large picture.
    drop(watching);
    let is_alone = || edge.0.metrics.streams.get() == 1;
    until("the large picture is pulled no more", is_alone).await;
    assert_eq!(edge.stream_of(&small), a);
    drop(small_watching);
    until("nothing is left", || edge.0.lists.len() == 0).await;
    assert_eq!(edge.stream_of(&small), small);
    // Who has a right to the stream has its sizes with nothing pulled.
    assert_eq!(edge.may_be_of(&small), Some(a.clone()));
    edge.learn(&a, HERE).await;
    assert_eq!((edge.stream_of(&small), edge.may_be_of(&small)), (a, None));
    publisher.abort();
}

/// An origin whose streams have this at the address of their playlists; counts requests for it.
async fn origin_with(list: &'static str) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind(local()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let counted = counted.clone();
            open.spawn(async move {
                let mut request = vec![0; 4_096];
                let read = socket.read(&mut request).await.unwrap();
                if String::from_utf8_lossy(&request[..read]).contains(".m3u8") {
                    counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let _ = socket.write_all(list.as_bytes()).await;
                    return;
                }
                let _ = socket.write_all(&silence::pictures(5)).await;
                let _ = socket.read_to_end(&mut request).await;
            });
        }
    });
    (address, count)
}

#[tokio::test]
async fn where_the_list_cannot_be_had_viewers_have_the_largest_size() {
    for (answer, result, retried) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "failed",
            false,
        ),
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
            "failed",
            true,
        ),
        ("SSH-2.0-x\r\n", "failed", true),
        ("HTTP/1.1 200 OK\r\n\r\n<html></html>", "unreadable", false),
        (
            "HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na/x.m4s\n",
            "one",
            false,
        ),
    ] {
        let (address, count) = origin_with(answer).await;
        let (_, edge) = edge_of(address, |_| {});
        let a = id("a");
        let _watching = edge.open(&a, HERE).await.unwrap();
        for _ in 0..3 {
            assert_eq!(edge.list(&a).await, None, "{result}");
        }
        // What it does not give for a moment is asked for again, before that is told.
        let asked = count.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(asked > 1, retried, "{asked} for {result}");
        for label in LABELS {
            assert_eq!(lists(&edge, label), u64::from(label == result), "{label}");
        }
        assert_eq!(edge.pulled_as(&id("a_h")), id("a_h"));
        assert_eq!(edge.0.table.counts(), [0, 1, 0]);
    }
}

/// The hosts of one IPv6 network are one client.
fn host(network: u128, number: usize) -> IpAddr {
    let host = u128::try_from(number).unwrap();
    std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | network << 64 | host).into()
}

#[tokio::test(start_paused = true)]
async fn one_client_asks_for_a_share_of_the_lists_and_leaves_the_others_theirs() {
    // The system takes its connections, and nothing is ever answered.
    let silent = std::net::TcpListener::bind(local()).unwrap();
    let (_, edge) = edge_of(silent.local_addr().unwrap(), |config| {
        config.max_streams = 1_000;
    });
    // Whoever asks waits for the answer.
    let ask = |network: u128, numbers: std::ops::Range<usize>| {
        let mut asking = tokio::task::JoinSet::new();
        for number in numbers {
            let (edge, stream) = (edge.clone(), id(&format!("s-{network}-{number}")));
            let client = host(network, number);
            asking.spawn(async move { edge.learn(&stream, client).await });
        }
        asking
    };
    let begun = async || {
        sleep(MS).await;
        (edge.0.lists.len(), lists(&edge, "limit"))
    };
    let mut asking = vec![ask(0, 0..50)];
    assert_eq!(begun().await, (16, 34), "a share for one client");
    asking.push(ask(1, 0..16));
    assert_eq!(begun().await, (32, 34), "another has its own");
    // All of them together have sixteen shares.
    asking.extend((2..20).map(|network| ask(network, 0..16)));
    assert_eq!(begun().await, (16 * 16, 34 + 4 * 16));
    // Who guesses waits for some time longer than for the answer.
    while asking[0].join_next().await.is_some() {}
    edge.learn(&id("s"), host(0, 0)).await;
    assert_eq!(lists(&edge, "limit"), 34 + 4 * 16 + 1);
    // Until all are answered, some at a time.
    sleep(Duration::from_secs(90)).await;
    assert_eq!(edge.0.lists.len(), 0);
    let _asking = ask(0, 0..50);
    assert_eq!(begun().await, (16, 34 + 4 * 16 + 1 + 34));
}

#[tokio::test]
async fn a_list_without_end_and_one_too_many_are_not_read() {
    let line = "#EXT-X-X:1\n".repeat(10_000);
    let long: &'static str = String::leak(format!("HTTP/1.1 200 OK\r\n\r\n#EXTM3U\n{line}"));
    let (address, _) = origin_with(long).await;
    let (_, edge) = edge_of(address, |config| config.max_streams = 1);
    let a = id("a");
    let _watching = edge.open(&a, HERE).await.unwrap();
    assert_eq!(edge.list(&a).await, None);
    assert_eq!(lists(&edge, "unreadable"), 1);
    let before = lists(&edge, "limit");
    edge.learn(&id("b"), HERE).await;
    assert_eq!(lists(&edge, "limit"), before + 1);
}
