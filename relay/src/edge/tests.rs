mod silence;
mod sizes;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::RootCertStore;

use super::*;
use crate::broadcast::testing::SPS_320X180;
use crate::tests::{Camera, VIDEO, deaf, get, id, is_video_header, relay, tags, text};
use crate::{Body, Ingest, RelayConfig};

const MS: Duration = Duration::from_millis(1);

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Serves a relay over HTTP until it is aborted.
async fn serve(relay: Relay, at: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let relay = relay.clone();
            let service = hyper::service::service_fn(move |request| {
                let relay = relay.clone();
                async move { Ok::<Response<Body>, Infallible>(relay.handle(request).await) }
            });
            // Their connections break with the task.
            open.spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (address, serving)
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn edge_of(address: SocketAddr, change: impl FnOnce(&mut EdgeConfig)) -> (Relay, Edge) {
    let tls = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut config = EdgeConfig {
        origin: format!("http://{address}").parse().unwrap(),
        sign: Arc::new(|_| None),
        tls: Arc::new(tls),
        linger: Duration::from_millis(400),
        patience: Duration::from_secs(5),
        max_streams: 2,
    };
    change(&mut config);
    let relay = relay(RelayConfig::default());
    let edge = Edge::new(relay.clone(), config, &Registry::new()).unwrap();
    (relay, edge)
}

/// Publishes a camera on a relay until it is aborted.
fn publish(relay: &Relay, name: &str) -> JoinHandle<Ingest> {
    publish_with(relay, name, Camera::new())
}

fn publish_with(relay: &Relay, name: &str, mut camera: Camera) -> JoinHandle<Ingest> {
    let ingest = relay.publish(&id(name), VIDEO, deaf()).unwrap();
    tokio::spawn(async move {
        camera.send(&ingest, Duration::from_secs(60)).await;
        ingest
    })
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < end, "not in 10 s: {what}");
        sleep(5 * MS).await;
    }
}

/// Reads a body until its bytes are enough.
async fn read_until(body: &mut Body, mut is_enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut all = Vec::new();
    while !is_enough(&all) {
        let next = timeout(Duration::from_secs(10), body.frame()).await;
        let frame = next.expect("in time").expect("more").unwrap();
        all.extend_from_slice(&frame.into_data().unwrap());
    }
    all
}

fn pictures(flv: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let tags = tags(flv).into_iter();
    let pictures = tags.filter(|tag| tag.0 == 9 && !is_video_header(tag));
    pictures.map(|(_, ms, data)| (ms, data)).collect()
}

fn requests(origin: &Relay) -> u64 {
    let requests = &origin.inner.metrics.requests;
    requests.with_label_values(&["flv"]).get()
}

#[tokio::test]
async fn however_many_watch_the_origin_is_asked_once_until_they_are_gone() {
    let origin = relay(RelayConfig::default());
    let camera = publish(&origin, "a");
    let (address, _serving) = serve(origin.clone(), local()).await;
    let (relay, edge) = edge_of(address, |_| {});
    let viewers = (0..20).map(|_| {
        let (relay, edge) = (relay.clone(), edge.clone());
        tokio::spawn(async move {
            let watching = edge.open(&id("a"), HERE).await.unwrap();
            let response = get(&relay, "/live/a.flv").await;
            assert_eq!(response.status(), 200);
            let mut body = response.into_body();
            let flv = read_until(&mut body, |flv| flv.len() > 60_000).await;
            (watching, flv)
        })
    });
    let viewers: Vec<_> = viewers.collect();
    let mut theirs = get(&origin, "/live/a.flv").await.into_body();
    let theirs = read_until(&mut theirs, |flv| flv.len() > 90_000).await;
    let theirs = pictures(&theirs);
    let mut watching = Vec::new();
    for viewer in viewers {
        let (watches, flv) = viewer.await.unwrap();
        watching.push(watches);
        // What both have is the same, times and bytes.
        let ours = pictures(&flv);
        let common: Vec<_> = ours.iter().filter(|one| theirs.contains(one)).collect();
        assert!(common.len() > 20, "{} of {}", common.len(), ours.len());
    }
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(playlist.contains(".m4s"), "{playlist}");
    // One was from here.
    assert_eq!(requests(&origin) - 1, 1);
    assert_eq!(edge.0.metrics.streams.get(), 1);
    watching.truncate(1);
    sleep(600 * MS).await;
    assert_eq!(edge.0.metrics.streams.get(), 1, "one is there");
    let left = Instant::now();
    watching.clear();
    until("the pull ends", || edge.0.metrics.streams.get() == 0).await;
    assert!(left.elapsed() >= 390 * MS);
    assert_eq!(edge.0.table.counts(), [0; 3]);
    // And begins anew with the next viewer.
    let _watching = edge.open(&id("a"), HERE).await.unwrap();
    assert_eq!(requests(&origin) - 1, 2);
    camera.abort();
}

#[tokio::test]
async fn viewers_stay_while_the_origin_is_away_and_go_on_when_it_is_back() {
    let origin = relay(RelayConfig::default());
    let camera = publish(&origin, "a");
    let (address, serving) = serve(origin.clone(), local()).await;
    let (relay, edge) = edge_of(address, |_| {});
    let _watching = edge.open(&id("a"), HERE).await.unwrap();
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    let before = pictures(&read_until(&mut body, |flv| flv.len() > 30_000).await);
    // All of it is gone, and another one comes that knows nothing of it.
    camera.abort();
    serving.abort();
    let failures = &edge.0.metrics.failures;
    let failed = || failures.with_label_values(&["connect"]).get() > 0;
    until("the edge has missed it", failed).await;
    let origin = crate::tests::relay(RelayConfig::default());
    let (_, _serving) = serve(origin.clone(), address).await;
    until("the edge has asked", || requests(&origin) > 0).await;
    // Its pictures are others, at the same times.
    let mut camera = Camera::new();
    camera.publisher.sps = SPS_320X180;
    let camera = publish_with(&origin, "a", camera);
    let after = read_until(&mut body, |flv| flv.len() > 60_000).await;
    let after = pictures(&after);
    let times: Vec<_> = before.iter().chain(&after).map(|(ms, _)| *ms).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(edge.0.metrics.streams.get(), 1);
    assert_eq!(relay.inner.metrics.events("source_changed"), 1);
    camera.abort();
}

#[tokio::test]
async fn a_stream_that_the_origin_ends_is_over_here_too() {
    let origin = relay(RelayConfig::default());
    let ingest = origin.publish(&id("a"), VIDEO, deaf()).unwrap();
    let (address, _serving) = serve(origin.clone(), local()).await;
    let (relay, edge) = edge_of(address, |_| {});
    let a = id("a");
    let opening = edge.open(&a, HERE);
    let (_, watching) = tokio::join!(
        async { Camera::new().send(&ingest, Duration::from_secs(3)).await },
        opening
    );
    let _watching = watching.unwrap();
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    ingest.end();
    let ends = async { while body.frame().await.is_some() {} };
    timeout(Duration::from_secs(5), ends).await.expect("an end");
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert_eq!(edge.0.metrics.streams.get(), 0);
    // Once after the end, and once for who asks now.
    assert_eq!(
        edge.open(&id("a"), HERE).await.unwrap_err(),
        EdgeRefusal::NotLive
    );
    assert_eq!(requests(&origin), 3);
}

/// Answers every request with the same bytes, and closes; counts them.
async fn answers(response: &'static str) -> (SocketAddr, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind(local()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut request = vec![0; 4_096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(response.as_bytes()).await;
        }
    });
    (address, count)
}

#[tokio::test]
async fn what_the_origin_does_not_give_is_refused_once_for_all_who_ask() {
    for (response, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            EdgeRefusal::NotLive,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            EdgeRefusal::Origin("the origin answers with status 302".to_owned()),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>",
            EdgeRefusal::Origin(
                "the origin's stream cannot be read: \
                 the stream does not begin with a header of FLV version 1"
                    .to_owned(),
            ),
        ),
        (
            "SSH-2.0-x\r\n",
            EdgeRefusal::Origin("the connection to the origin broke".to_owned()),
        ),
    ] {
        let (address, count) = answers(response).await;
        let (relay, edge) = edge_of(address, |_| {});
        for _ in 0..5 {
            assert_eq!(edge.open(&id("a"), HERE).await.unwrap_err(), expected);
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(!relay.has(&id("a")));
        assert_eq!(edge.0.table.counts(), [0, 0, 1]);
        until("it is forgotten", || edge.0.table.counts() == [0; 3]).await;
    }
    let (_, edge) = edge_of(SocketAddr::from(([127, 0, 0, 1], 1)), |_| {});
    let refused = edge.open(&id("a"), HERE).await.unwrap_err();
    let expected = EdgeRefusal::Origin("the origin cannot be reached".to_owned());
    assert_eq!(refused, expected);
}

#[tokio::test]
async fn streams_are_bounded_and_those_that_are_not_there_take_no_place() {
    let origin = relay(RelayConfig::default());
    let cameras = ["a", "b", "c"].map(|name| publish(&origin, name));
    let (address, _serving) = serve(origin.clone(), local()).await;
    let (_, edge) = edge_of(address, |_| {});
    for number in 0..8 {
        let none = id(&format!("none-{number}"));
        assert_eq!(
            edge.open(&none, HERE).await.unwrap_err(),
            EdgeRefusal::NotLive
        );
    }
    let _a = edge.open(&id("a"), HERE).await.unwrap();
    let _b = edge.open(&id("b"), HERE).await.unwrap();
    let full = edge.open(&id("c"), HERE).await.unwrap_err();
    assert_eq!(full, EdgeRefusal::TooManyStreams { limit: 2 });
    let _more = edge.open(&id("a"), HERE).await.unwrap();
    cameras.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn the_address_is_signed_and_names_the_stream_below_the_origins_path() {
    let listener = TcpListener::bind(local()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, edge) = edge_of(address, |config| {
        config.origin = format!("http://{address}/cdn/").parse().unwrap();
        config.sign = Arc::new(|stream| Some(format!("txSecret={stream}&txTime=1")));
    });
    let opening = tokio::spawn(async move { edge.open(&id("a_1"), HERE).await.map(drop) });
    let (mut socket, _): (TcpStream, _) = listener.accept().await.unwrap();
    let mut request = vec![0; 4_096];
    let read = socket.read(&mut request).await.unwrap();
    let request = Bytes::from(request).slice(..read);
    let request = std::str::from_utf8(&request).unwrap();
    let first = "GET /cdn/live/a_1.flv?txSecret=a_1&txTime=1 HTTP/1.1\r\n";
    assert!(request.starts_with(first), "{request}");
    assert!(
        request.contains(&format!("host: {address}\r\n")),
        "{request}"
    );
    drop(socket);
    assert!(opening.await.unwrap().is_err());
}
