//! What FLV viewers get.

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
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
    let first = seen[0].clone();
    assert_eq!(headers.len(), 1);
    assert_eq!(relay.inner.metrics.viewer_skips.get(), 0);
    camera.publisher.sps = SPS_640X360;
    camera.send(&ingest, Duration::from_millis(7_500)).await;
    let (flv, _) = read_on(&mut body).await;
    let seen = tags(&flv);
    let header = seen.iter().position(is_video_header).unwrap();
    // 320 as an AMF 0 number was told before.
    let width = |tag: &(u8, u32, Vec<u8>), pixels: f64| {
        let value = [&b"\0\x05width\0"[..], &pixels.to_be_bytes()].concat();
        tag.0 == 18 && tag.2.windows(value.len()).any(|bytes| bytes == value)
    };
    assert!(width(&first, 320.0) && width(&seen[header - 1], 640.0));
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
    let after = tags(&after);
    // Who publishes now is told anew, the configuration is the same.
    assert_eq!((after[0].0, after[0].1), (18, 0));
    assert!(!after.iter().any(is_video_header));
    let next = after[1].1;
    assert!(next > end && next < end + 2_500, "{end} then {next}");
    assert_eq!(relay.inner.metrics.broadcasts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_chooses_its_latency() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(4_500)).await;
    for (query, first) in [
        ("", 4_000),
        ("?latency=low", 4_000),
        ("?x=1&latency=smooth", 2_000),
    ] {
        let mut body = get(&relay, &format!("/live/a.flv{query}"))
            .await
            .into_body();
        let seen = tags(&read_on(&mut body).await.0);
        assert!(seen[2].1.abs_diff(first) <= 10, "{query}: {}", seen[2].1);
        assert_eq!(seen[2].2[..2], [0x17, 1], "{query}");
    }
    assert_eq!(relay.inner.metrics.viewer_skips.get(), 0);
    for method in [Method::GET, Method::HEAD] {
        let response = request(&relay, method, "/live/a.flv?latency=fast", &[]).await;
        assert_eq!(response.status(), 400);
    }
    let (_, detail) = problem(get(&relay, "/live/a.flv?latency=fast").await).await;
    assert!(
        detail.contains("low") && detail.contains("smooth"),
        "{detail}"
    );
    let uri = "/live/a.flv?latency=fast".parse().unwrap();
    let (status, _) = problem(relay.live_stream(&uri).await.unwrap_err()).await;
    assert_eq!(status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_stream_for_other_transports_has_whole_tags_in_batches() {
    let relay = relay(RelayConfig::default());
    let uri = "/live/a.flv".parse().unwrap();
    assert_eq!(
        problem(relay.live_stream(&uri).await.unwrap_err()).await.0,
        404
    );
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let other = "/live/a.m3u8".parse().unwrap();
    assert_eq!(
        problem(relay.live_stream(&other).await.unwrap_err())
            .await
            .0,
        404
    );
    sleep(Duration::from_millis(10)).await;
    let mut stream = relay.live_stream(&uri).await.unwrap();
    let viewers = relay.inner.metrics.viewers.with_label_values(&["ws_flv"]);
    assert_eq!(viewers.get(), 1);
    // Headers and the group of pictures so far in one.
    let first = stream.next(1 << 20).await.unwrap();
    assert!(first.starts_with(b"FLV"));
    assert_eq!(tags(&first).len(), 2 + 15);
    camera.send(&ingest, Duration::from_millis(700)).await;
    sleep(Duration::from_millis(10)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        // Two pictures of 1,500 bytes at most.
        let batch = stream.next(3_500).await.unwrap();
        seen.push(tags(&batch).len());
    }
    assert_eq!(seen, [2, 2, 2]);
    drop(ingest);
    relay.shutdown().await;
    assert_eq!(stream.next(1 << 20).await, None);
    drop(stream);
    assert_eq!(viewers.get(), 0);
    let closed = &relay.inner.metrics.viewers_closed;
    assert_eq!(closed.with_label_values(&["ended"]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_without_progress_is_told_of_and_counted() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let response = get(&relay, "/live/a.flv").await;
    let watch = response
        .extensions()
        .get::<crate::ViewerWatch>()
        .unwrap()
        .clone();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let began = Instant::now();
    tokio::select! {
        () = camera.send(&ingest, Duration::from_secs(20)) => panic!("nobody told"),
        _ = watch.over(|| None) => {}
    }
    assert_eq!(began.elapsed().as_secs(), 10);
    drop(body);
    let closed = &relay.inner.metrics.viewers_closed;
    assert_eq!(closed.with_label_values(&["stalled"]).get(), 1);
}

/// A tenth of what they need, a thousand of them: the relay keeps no more than its ring, each of
/// them is as near to the live edge as the bound says, and who reads in time notices nothing.
#[tokio::test(start_paused = true)]
async fn a_thousand_slow_viewers_cost_a_place_and_a_cursor() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(100)).await;
    let mut fast = get(&relay, "/live/a.flv").await.into_body();
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        slow.push((get(&relay, "/live/a.flv").await.into_body(), 0, 0));
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut fast_times = Vec::new();
    for step in 0..200_u64 {
        let until = Duration::from_millis(200 + step * 100);
        camera.send(&ingest, until).await;
        sleep(Duration::from_millis(10)).await;
        let edge = ((camera.picture - 1) * 100 / 3) as u32;
        while let Poll::Ready(Some(Ok(frame))) =
            http_body::Body::poll_frame(Pin::new(&mut fast), &mut cx)
        {
            fast_times.extend(
                tags(&frame.into_data().unwrap())
                    .iter()
                    .filter(|t| t.0 == 9)
                    .map(|t| t.1),
            );
        }
        // In the very step that they were sent in.
        assert!(
            step == 0 || edge - fast_times.last().unwrap() <= 1,
            "{edge}"
        );
        // Three pictures come in a step; each of the slow ones takes one in three steps.
        for (number, (body, last, taken)) in slow.iter_mut().enumerate() {
            if !(number as u64 + step).is_multiple_of(3) {
                continue;
            }
            let Poll::Ready(Some(Ok(frame))) = http_body::Body::poll_frame(Pin::new(body), &mut cx)
            else {
                panic!("there is always more for a slow viewer");
            };
            let data = frame.into_data().unwrap();
            if let Some(tag) = tags(&data).iter().find(|tag| tag.0 == 9) {
                assert!(tag.1 >= *last, "time goes on");
                // The bound, and the age of where it began.
                let lag = edge.saturating_sub(tag.1);
                assert!(lag <= 3_000 + 200, "{lag} at {edge}");
                *last = tag.1;
            }
            *taken += data.len();
        }
    }
    assert!(fast_times.len() > 590 && fast_times.is_sorted());
    assert!(fast_times.windows(2).all(|pair| pair[1] - pair[0] <= 34));
    let skips = relay.inner.metrics.viewer_skips.get();
    // Each falls behind by nearly a second each second, and may do so for three.
    assert!((4_000..=7_000).contains(&skips), "{skips}");
    let (count, bytes) = relay.broadcast(&id("a")).unwrap().variants()[0].ring.held();
    assert!(
        count <= 7 * 30 && bytes <= count * 1_600,
        "{count} tags of {bytes} bytes"
    );
}

/// Notes how much each write takes.
struct Writes {
    inner: DuplexStream,
    sizes: Arc<Mutex<Vec<usize>>>,
}

impl Writes {
    fn note(&self, written: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        if let Poll::Ready(Ok(size)) = written {
            self.sizes.lock().unwrap().push(size);
        }
        written
    }
}

impl AsyncRead for Writes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Writes {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_at_once_is_one_write() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let socket = Writes {
        inner: ours,
        sizes: sizes.clone(),
    };
    let server = relay.clone();
    let service = hyper::service::service_fn(move |request| {
        let answer = server.handle(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    tokio::spawn(async move {
        let _ = connection
            .serve_connection(TokioIo::new(socket), service)
            .await;
    });
    theirs
        .write_all(b"GET /live/a.flv HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut taken = vec![0; 1 << 20];
    assert!(theirs.read(&mut taken).await.unwrap() > 0);
    sleep(Duration::from_millis(50)).await;
    sizes.lock().unwrap().clear();
    let before = camera.picture;
    camera.send(&ingest, Duration::from_millis(1_500)).await;
    sleep(Duration::from_millis(500)).await;
    let sizes = sizes.lock().unwrap();
    // With the head and the end of its chunk.
    let picture = sizes[0];
    let pictures: Vec<usize> = sizes.iter().map(|size| size / picture).collect();
    assert!(sizes.iter().all(|size| size % picture == 0), "{sizes:?}");
    assert_eq!(
        pictures.iter().sum::<usize>() as u64,
        camera.picture - before
    );
    // The key frame was held back for a moment, and left with the picture behind it.
    assert_eq!(pictures.iter().filter(|count| **count > 1).count(), 1);
}
