//! The whole relay: publishers, viewers and HTTP, without sockets where they are not the point.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use packager::rtp::{Codec, Tracks};
use prometheus::Registry;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::broadcast::testing::{Publisher, SPS_320X180};
use crate::{
    Body, Ingest, IngestFull, IngestItem, KeyframeAsker, PublishError, Relay, RelayConfig, StreamId,
};

const VIDEO: Tracks = Tracks {
    video: true,
    audio: false,
};

fn relay(config: RelayConfig) -> Relay {
    Relay::new(config, &Registry::new()).unwrap()
}

fn id(text: &str) -> StreamId {
    text.parse().unwrap()
}

fn deaf() -> KeyframeAsker {
    Arc::new(|| {})
}

async fn request(
    relay: &Relay,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    relay.handle(request.body(()).unwrap()).await
}

async fn get(relay: &Relay, path: &str) -> Response<Body> {
    request(relay, Method::GET, path, &[]).await
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}

async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).unwrap()
}

/// Status and `detail` of a problem document.
async fn problem(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let document: serde_json::Value = serde_json::from_slice(&bytes(response).await).unwrap();
    assert_eq!(document["status"], status.as_u16());
    (status, document["detail"].as_str().unwrap().to_owned())
}

/// A publisher of pictures at 30 a second on the runtime's clock, a key frame every second.
struct Camera {
    publisher: Publisher,
    start: Instant,
    picture: u64,
    codec: Codec,
}

impl Camera {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            publisher: Publisher::new(start.into_std()),
            start,
            picture: 0,
            codec: Codec::H264,
        }
    }

    /// Sends pictures in time, up to `until`.
    async fn send(&mut self, ingest: &Ingest, until: Duration) {
        loop {
            let ms = self.picture as f64 * 100.0 / 3.0;
            let at = self.start + Duration::from_secs_f64(ms / 1e3);
            if at >= self.start + until {
                return;
            }
            sleep_until(at).await;
            for item in self
                .publisher
                .picture(ms, self.picture.is_multiple_of(30), 1_500)
            {
                let IngestItem::Rtp { kind, packet, .. } = item else {
                    continue;
                };
                let codec = self.codec;
                ingest
                    .try_send(IngestItem::Rtp {
                        kind,
                        codec,
                        packet,
                    })
                    .unwrap();
            }
            self.picture += 1;
        }
    }
}

/// Reads a body until it ends or nothing comes for a second.
async fn read_on(body: &mut Body) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match timeout(Duration::from_secs(1), body.frame()).await {
            Ok(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        }
    }
}

/// Tag type, time in ms and data of each tag after the file header.
fn tags(mut flv: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    if flv.starts_with(b"FLV") {
        flv = &flv[13..];
    }
    let mut tags = Vec::new();
    while !flv.is_empty() {
        let size = u32::from_be_bytes([0, flv[1], flv[2], flv[3]]) as usize;
        let ms = u32::from_be_bytes([flv[7], flv[4], flv[5], flv[6]]);
        tags.push((flv[0], ms, flv[11..11 + size].to_vec()));
        flv = &flv[11 + size + 4..];
    }
    tags
}

fn is_video_header(tag: &(u8, u32, Vec<u8>)) -> bool {
    tag.0 == 9 && tag.2[..2] == [0x17, 0]
}

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
    camera.publisher.sps = crate::broadcast::testing::SPS_640X360;
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
async fn a_playlist_is_waited_for_and_refused_in_time() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let began = Instant::now();
    let response = get(&relay, "/live/a.m3u8").await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(problem(response).await.0, 503);
    let mut camera = Camera::new();
    let (response, ()) = tokio::join!(
        get(&relay, "/live/a.m3u8"),
        camera.send(&ingest, Duration::from_secs(3))
    );
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn playlists_and_segments_follow_the_rules_of_http_caching() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let path = "/live/a.m3u8";
    let response = get(&relay, path).await;
    assert_eq!(
        header(&response, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=0, s-maxage=1"
    );
    assert!(header(&response, "access-control-expose-headers").contains("etag"));
    let etag = header(&response, "etag").to_owned();
    let length = header(&response, "content-length").to_owned();
    let playlist = text(response).await;
    assert_eq!(playlist.len().to_string(), length);
    let parsed = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).unwrap();
    assert_eq!(parsed.target_duration, 2);
    assert!(
        parsed
            .segments
            .iter()
            .all(|s| s.program_date_time.is_some())
    );

    let response = request(&relay, Method::GET, path, &[("if-none-match", &etag)]).await;
    assert_eq!(response.status(), 304);
    assert!(bytes(response).await.is_empty());
    let response = request(&relay, Method::HEAD, path, &[]).await;
    assert_eq!(header(&response, "content-length"), length);
    assert!(bytes(response).await.is_empty());

    let uri = format!("/live/{}", parsed.segments[0].uri);
    let response = get(&relay, &uri).await;
    assert_eq!(header(&response, "content-type"), "video/mp4");
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=3600, immutable"
    );
    let etag = header(&response, "etag").to_owned();
    let segment = bytes(response).await;
    let response = request(&relay, Method::GET, &uri, &[("range", "bytes=4-7")]).await;
    assert_eq!(response.status(), 206);
    assert_eq!(
        header(&response, "content-range"),
        format!("bytes 4-7/{}", segment.len())
    );
    assert_eq!(bytes(response).await, segment.slice(4..8));
    let headers = [("range", "bytes=99999999-")];
    let response = request(&relay, Method::GET, &uri, &headers).await;
    assert_eq!(problem(response).await.0, 416);
    let headers = [("if-none-match", &*format!("\"x\", {etag}"))];
    assert_eq!(
        request(&relay, Method::GET, &uri, &headers).await.status(),
        304
    );

    let map = parsed.segments[0].map.as_ref().unwrap();
    let init = bytes(get(&relay, &format!("/live/{}", map.uri)).await).await;
    let whole = [init, segment].concat();
    let size = whole.len() as u64;
    let mp4 = mp4::Mp4Reader::read_header(std::io::Cursor::new(whole), size).unwrap();
    assert_eq!(mp4.tracks().len(), 1);
    assert_eq!(mp4.moofs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_told_why() {
    let relay = relay(RelayConfig::default());
    let (status, detail) = problem(get(&relay, "/live/nobody.flv").await).await;
    assert_eq!(status, 404);
    assert!(detail.contains("nobody"));
    assert_eq!(problem(get(&relay, "/live/nobody.m3u8").await).await.0, 404);
    assert_eq!(problem(get(&relay, "/live/x/y.m4s").await).await.0, 404);
    assert_eq!(problem(get(&relay, "/live/a%2fb.flv").await).await.0, 400);
    assert_eq!(problem(get(&relay, "/live/a.mp3").await).await.0, 404);
    let response = request(&relay, Method::POST, "/live/a.flv", &[]).await;
    assert_eq!(header(&response, "allow"), "GET, HEAD, OPTIONS");
    assert_eq!(problem(response).await.0, 405);
    let response = request(&relay, Method::OPTIONS, "/live/a.flv", &[]).await;
    assert_eq!(response.status(), 204);
    assert_eq!(
        header(&response, "access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_cannot_be_carried_is_a_problem_with_a_way_out() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.codec = Codec::Vp8;
    // The viewer asks before the first packet comes.
    let (response, ()) = tokio::join!(
        get(&relay, "/live/a.flv"),
        camera.send(&ingest, Duration::from_millis(100))
    );
    let (status, detail) = problem(response).await;
    assert_eq!(status, 409);
    assert!(
        detail.contains("VP8") && detail.contains("publish H.264"),
        "{detail}"
    );
    assert_eq!(problem(get(&relay, "/live/a.m3u8").await).await.0, 409);
    let head = request(&relay, Method::HEAD, "/live/a.flv", &[]).await;
    assert_eq!(head.status(), 409);
    // A publisher with H.264 takes over: the same address plays.
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    assert!(tags(&read_on(&mut body).await.0).len() > 10);
    // And back: open bodies end.
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.codec = Codec::Av1;
    camera.send(&ingest, Duration::from_millis(500)).await;
    assert!(read_on(&mut body).await.1);
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
    let asker: KeyframeAsker = Arc::new(move || {
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
        Err(crate::StartError::NoRuntime(_))
    ));
}

/// A publisher of both tracks whose media comes as fast as it is asked for, with times of
/// arrival as if it had come in time.
#[cfg(feature = "aac")]
struct Burst {
    publisher: Publisher,
    tone: crate::broadcast::testing::Tone,
    packet: u64,
}

#[cfg(feature = "aac")]
impl Burst {
    /// One that started `ago`.
    fn new(ago: Duration) -> Self {
        Self {
            publisher: Publisher::new(std::time::Instant::now() - ago),
            tone: crate::broadcast::testing::Tone::new(440.0),
            packet: 0,
        }
    }

    /// Sends what was captured before `until_ms`: 25 pictures a second, a key frame every one.
    fn send(&mut self, ingest: &Ingest, until_ms: u64) {
        while self.packet * 20 < until_ms {
            let ms = (self.packet * 20) as f64;
            if self.packet.is_multiple_of(2) {
                let is_keyframe = self.packet.is_multiple_of(50);
                for item in self.publisher.picture(ms, is_keyframe, 1_500) {
                    ingest.try_send(item).unwrap();
                }
            }
            let opus = self.tone.frame(&|_| true);
            ingest.try_send(self.publisher.sound(ms, &opus)).unwrap();
            if self.packet % 50 == 1 {
                for report in self.publisher.reports(ms) {
                    ingest.try_send(report).unwrap();
                }
            }
            self.packet += 1;
        }
    }
}

#[cfg(feature = "aac")]
#[tokio::test]
async fn both_tracks_reach_a_viewer_over_a_real_connection() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let relay = relay(RelayConfig::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = relay.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let relay = server.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = relay.handle(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let fetch = |path: String| async move {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.unwrap();
        let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        (
            String::from_utf8(all[..end].to_vec()).unwrap(),
            all.split_off(end + 4),
        )
    };

    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let mut burst = Burst::new(Duration::from_secs(5));
    burst.send(&ingest, 3_500);
    // The playlist comes with the first segment, so the stream is under way.
    let (head, playlist) = fetch("/live/a.m3u8".to_owned()).await;
    assert!(head.contains(" 200 OK"), "{head}");
    let viewer = tokio::spawn(fetch("/live/a.flv".to_owned()));
    let has_viewer = async {
        while relay
            .inner
            .metrics
            .viewers
            .with_label_values(&["flv"])
            .get()
            == 0
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), has_viewer).await.unwrap();
    // Not so much that the viewer counts as slow.
    burst.send(&ingest, 4_900);
    drop(ingest);
    relay.shutdown().await;

    let (head, flv) = viewer.await.unwrap();
    assert!(head.contains("content-type: video/x-flv"), "{head}");
    let file =
        scuffle_flv::file::FlvFile::demux(&mut std::io::Cursor::new(Bytes::from(flv.clone())));
    let file = file.unwrap();
    assert!(file.header.is_audio_present && file.header.is_video_present);
    let seen = tags(&flv);
    assert_eq!(seen.iter().filter(|t| t.0 == 8 && t.2[1] == 0).count(), 1);
    for kind in [8, 9] {
        let times: Vec<u32> = seen.iter().filter(|t| t.0 == kind).map(|t| t.1).collect();
        assert!(times.len() > 60 && times.is_sorted(), "{kind}: {times:?}");
    }

    let playlist = m3u8_rs::parse_media_playlist_res(&playlist).unwrap();
    let segment = &playlist.segments[0];
    let (_, init) = fetch(format!("/live/{}", segment.map.as_ref().unwrap().uri)).await;
    let (_, data) = fetch(format!("/live/{}", segment.uri)).await;
    let whole = [init, data].concat();
    let size = whole.len() as u64;
    let mp4 = mp4::Mp4Reader::read_header(std::io::Cursor::new(whole), size).unwrap();
    assert_eq!(mp4.tracks().len(), 2);
    assert!(relay.inner.metrics.audio_busy.get() > 0.0);
    assert!(relay.inner.metrics.audio_frames.get() > 200);
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
        Err(crate::StartError::Metrics(_))
    ));
}
