//! Low-Latency HLS: what players are held back for (RFC 8216bis section 6.2.5.2).

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

/// A live broadcast whose publisher goes on by itself until it is aborted.
struct Live {
    relay: Relay,
    publisher: JoinHandle<Ingest>,
}

async fn live(config: RelayConfig, until: Duration) -> Live {
    let relay = relay(config);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let publisher = tokio::spawn(async move {
        Camera::new().send(&ingest, until).await;
        ingest
    });
    sleep(Duration::from_millis(4_500)).await;
    Live { relay, publisher }
}

async fn playlist(relay: &Relay, query: &str) -> String {
    let response = get(relay, &format!("/live/a.m3u8{query}")).await;
    assert_eq!(response.status(), 200, "{query}");
    text(response).await
}

/// The value of an attribute that stands between quotation marks, of the last line with a tag.
fn uri<'a>(playlist: &'a str, tag: &str) -> &'a str {
    let line = playlist.lines().rfind(|l| l.starts_with(tag)).unwrap();
    line.split_once("URI=\"")
        .unwrap()
        .1
        .split('"')
        .next()
        .unwrap()
}

/// Media Sequence Number and index of a part, from its name.
fn position(uri: &str) -> (u64, usize) {
    let (_, numbers) = uri.strip_suffix(".m4s").unwrap().rsplit_once('-').unwrap();
    let (msn, part) = numbers.split_once('.').unwrap();
    (msn.parse().unwrap(), part.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_player_gets_each_part_as_soon_as_it_is_there() {
    let Live { relay, publisher } = live(RelayConfig::default(), Duration::from_secs(30)).await;
    let mut text = playlist(&relay, "").await;
    assert!(
        text.contains("#EXT-X-PART-INF:PART-TARGET=0.250\n"),
        "{text}"
    );
    let (mut parts, mut media) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while parts.len() < 40 {
        let hint = uri(&text, "#EXT-X-PRELOAD-HINT").to_owned();
        let (msn, part) = position(&hint);
        let asked = Instant::now();
        let query = format!("?_HLS_msn={msn}&_HLS_part={part}");
        let path = format!("/live/{hint}");
        let (next, file) = tokio::join!(playlist(&relay, &query), get(&relay, &path));
        let took = asked.elapsed();
        assert!(took <= Duration::from_millis(270), "{took:?} for {hint}");
        if file.status() == 404 {
            // The segment has ended without it.
            assert_eq!(position(uri(&next, "#EXT-X-PART:")).0, msn + 1);
            assert_eq!(header(&file, "cache-control"), "public, max-age=10");
        } else {
            assert!(next.contains(&format!("URI=\"{hint}\"")), "{next}");
            assert_eq!(
                header(&file, "cache-control"),
                "public, max-age=3600, immutable"
            );
            parts.push((msn, part));
            media.push(bytes(file).await);
        }
        text = next;
    }
    let took = began.elapsed().as_secs_f64();
    assert!((8.0..10.5).contains(&took), "{took} s for 40 parts");
    assert!(parts.is_sorted(), "{parts:?}");

    // A segment is its parts, before and after it is whole.
    let (msn, _) = parts[20];
    let whole = parts.iter().zip(&media).filter(|(at, _)| at.0 == msn);
    let whole: Vec<u8> = whole.flat_map(|(_, data)| data.to_vec()).collect();
    let name = uri(&text, "#EXT-X-PRELOAD-HINT");
    let stamp = name.rsplit_once('-').unwrap().0;
    let segment = bytes(get(&relay, &format!("/live/{stamp}-{msn}.m4s")).await).await;
    assert_eq!(segment, whole);
    publisher.abort();
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_is_there_or_for_what_nobody_knows_of() {
    let Live { relay, publisher } = live(RelayConfig::default(), Duration::from_secs(30)).await;
    let (msn, part) = position(uri(&playlist(&relay, "").await, "#EXT-X-PRELOAD-HINT"));
    let began = Instant::now();
    for query in [
        "?_HLS_msn=0".to_owned(),
        "?_HLS_msn=0&_HLS_part=99".to_owned(),
        format!("?_HLS_msn={}&_HLS_part=0&_HLS_skip=YES", msn - 1),
    ] {
        let response = get(&relay, &format!("/live/a.m3u8{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
        let cached = header(&response, "cache-control");
        assert_eq!(cached, "public, max-age=12", "{query}");
    }
    for query in [
        "_HLS_part=1".to_owned(),
        "_HLS_msn=x".to_owned(),
        "_HLS_skip=1".to_owned(),
        format!("_HLS_msn={}", msn + 3),
        format!("_HLS_msn={msn}&_HLS_part={}", part + 13),
    ] {
        let response = get(&relay, &format!("/live/a.m3u8?{query}")).await;
        assert_eq!(problem(response).await.0, 400, "{query}");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    publisher.abort();
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_after_three_target_durations() {
    let Live { relay, publisher } = live(RelayConfig::default(), Duration::from_secs(5)).await;
    let ingest = publisher.await.unwrap();
    let text = playlist(&relay, "").await;
    let hint = uri(&text, "#EXT-X-PRELOAD-HINT").to_owned();
    let (msn, part) = position(&hint);
    let began = Instant::now();
    for path in [
        format!("/live/a.m3u8?_HLS_msn={msn}&_HLS_part={part}"),
        format!("/live/a.m3u8?_HLS_msn={}", msn + 1),
        format!("/live/{hint}"),
    ] {
        let response = get(&relay, &path).await;
        assert_eq!(header(&response, "retry-after"), "1");
        assert_eq!(problem(response).await.0, 503, "{path}");
    }
    assert_eq!(began.elapsed().as_secs(), 18);

    // The end of the broadcast lets all go.
    let query = format!("?_HLS_msn={msn}&_HLS_part={}", part + 5);
    let path = format!(
        "/live/{stamp}-{}.0.m4s",
        msn + 1,
        stamp = hint.rsplit_once('-').unwrap().0
    );
    ingest.end();
    let (ended, file) = tokio::join!(playlist(&relay, &query), get(&relay, &path));
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"), "{ended}");
    assert_eq!(file.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn who_waits_takes_a_viewers_place() {
    let config = RelayConfig {
        max_viewers_per_broadcast: 3,
        ..RelayConfig::default()
    };
    let Live { relay, publisher } = live(config, Duration::from_secs(5)).await;
    let ingest = publisher.await.unwrap();
    let (msn, part) = position(uri(&playlist(&relay, "").await, "#EXT-X-PRELOAD-HINT"));
    let path = format!("/live/a.m3u8?_HLS_msn={msn}&_HLS_part={part}");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (relay, path) = (relay.clone(), path.clone());
            tokio::spawn(async move { get(&relay, &path).await.status() })
        })
        .collect();
    tokio::task::yield_now().await;
    let refused = get(&relay, &path).await;
    assert_eq!(problem(refused).await.0, 503);
    assert_eq!(
        playlist(&relay, "").await.matches("EXT-X-PRELOAD").count(),
        1
    );
    for one in waiting {
        assert_eq!(one.await.unwrap(), 503);
    }
    assert_eq!(
        relay
            .inner
            .metrics
            .viewers
            .with_label_values(&["hls_waiting"])
            .get(),
        0
    );
    drop(ingest);
}

#[tokio::test(start_paused = true)]
async fn plain_hls_is_a_setting() {
    let config = RelayConfig {
        part_duration: None,
        ..RelayConfig::default()
    };
    let Live { relay, publisher } = live(config, Duration::from_secs(30)).await;
    let text = playlist(&relay, "?_HLS_msn=1000").await;
    assert!(
        !text.contains("EXT-X-PART") && !text.contains("SERVER-CONTROL"),
        "{text}"
    );
    publisher.abort();
}
