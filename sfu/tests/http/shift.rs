//! Time shift of a publisher over real sockets, at the server and at an edge of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sfu::auth::SignedAddress;
use sfu::config::Settings;
use sfu::server::{EdgeServer, Server};
use tokio::net::TcpStream;

use crate::publisher::Publisher;
use crate::support::{PATIENCE, SDP, settings, until};

/// The body of a response that has to be there.
async fn get(url: &str) -> Vec<u8> {
    let response = reqwest::get(url).await.expect("response");
    assert_eq!(response.status(), 200, "{url}");
    response.bytes().await.expect("whole").to_vec()
}

async fn text(url: &str) -> String {
    String::from_utf8(get(url).await).expect("text")
}

/// Short segments, of which half a minute fits into memory: half of that is for a disk that is slow.
fn shifting(toml: &str, folder: &Path) -> Settings {
    let mut settings = settings(toml);
    let relay = &mut settings.relay;
    relay.segment_duration = Duration::from_secs(1);
    relay.window = 3;
    relay.viewer_timeout = Duration::from_secs(5);
    relay.time_shift = Duration::from_secs(600);
    relay.time_shift_memory_bytes = 3_000_000;
    relay.time_shift_folder = folder.to_owned();
    settings
}

/// Files of segments in a folder of time shift.
fn files(folder: &Path) -> Vec<u64> {
    let windows = std::fs::read_dir(folder).expect("a folder");
    let windows = windows.map(|window| window.expect("a window").path());
    let files = windows.filter(|path| path.is_dir()).flat_map(|window| {
        let files = std::fs::read_dir(window).expect("a window");
        files.map(|file| file.expect("a file").path())
    });
    let numbers = files.filter_map(|file| file.file_stem()?.to_str()?.parse().ok());
    numbers.collect()
}

/// The addresses of the segments that a playlist names, once it names one as many.
async fn segments(url: &str, query: &str, count: usize) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let playlist = text(&format!("{url}/dvr.m3u8{query}")).await;
        let named = playlist.lines().filter(|line| !line.starts_with('#'));
        let named: Vec<_> = named.map(|name| format!("{url}/{name}")).collect();
        if named.len() >= count {
            return named;
        }
        assert!(Instant::now() < end, "{playlist}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks for a segment from the disk on a stream of HTTP/2 that leaves its window shut after some of it:
/// it is reset, and its connection is of use still.
async fn takes_nothing(server: SocketAddr, segment: &str) {
    let stream = TcpStream::connect(server).await.expect("connected");
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(10_000)
        .handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    let request = |method: &str| {
        let request = http::Request::builder().method(method).uri(segment);
        request.body(Empty::<Bytes>::new()).expect("a request")
    };
    let idle = sender.send_request(request("GET")).await.expect("answer");
    assert_eq!(idle.status(), 200);
    let end = Instant::now() + PATIENCE;
    let none = "weblive_relay_shift_reads_refused_total{reason=\"idle\"} 0\n";
    while text(&format!("http://{server}/metrics"))
        .await
        .contains(none)
    {
        assert!(Instant::now() < end, "it is not ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(idle.into_body().collect().await.is_err(), "it is reset");
    let other = sender.send_request(request("HEAD")).await.expect("answer");
    assert_eq!(other.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_segment_of_a_signed_window_comes_from_the_disk() {
    let signed = |key: &str| {
        let ends_at = 4_000_000_000;
        SignedAddress::query(&key.parse().expect("a key"), "show", ends_at)
    };
    let toml =
        "apps = [{ id = 7, keys = [\"k\"], push_url_key = \"push\", play_url_key = \"north\" }]";
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&shifting(toml, folder.path())).await;
    let server = server.expect("server");
    let origin = format!("http://{}", server.local_addr());
    let (mut publisher, offer) = Publisher::new().await;
    // 100 kB a second.
    publisher.slices = 4;
    let reply = reqwest::Client::new()
        .post(format!("{origin}/whip/show?{}", signed("push")))
        .header("content-type", SDP)
        .body(offer)
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 201);
    let (state, sending) = publisher.start(&reply.text().await.expect("answer"));
    until("the publisher is connected", || state.is_connected()).await;

    let show = format!("{origin}/live/show");
    let query = format!("?{}", signed("north"));
    let refused = reqwest::get(format!("{show}/dvr.m3u8")).await;
    assert_eq!(refused.expect("response").status(), 403);
    let first = segments(&show, &query, 3).await.swap_remove(0);
    assert!(first.ends_with(&query), "{first}");
    let kept = get(&first).await;
    segments(&show, &query, 20).await;
    until("the oldest is in a file", || {
        files(folder.path()).contains(&0)
    })
    .await;
    let listed = segments(&show, &query, 20).await;
    assert_eq!(listed[0], first);
    let live = text(&format!("{show}.m3u8{query}")).await;
    let name = first.rsplit('/').next().expect("a name");
    assert!(!live.contains(name), "{live}");
    assert_eq!(get(&first).await, kept);
    let unsigned = first.split('?').next().expect("an address");
    let refused = reqwest::get(unsigned).await.expect("response");
    assert_eq!(refused.status(), 403);
    let metrics = text(&format!("{origin}/metrics")).await;
    for (metric, least) in [("memory_bytes", 1.0), ("disk_bytes", kept.len() as f64)] {
        let name = format!("weblive_relay_shift_{metric} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
        let value: f64 = value.expect("a metric").parse().expect("a number");
        assert!(value >= least, "{name}{value}");
    }

    takes_nothing(server.local_addr(), &first).await;
    assert_eq!(get(&first).await, kept);

    // An edge has a window of its own, from its first viewer on.
    let edge_folder = tempfile::tempdir().expect("a folder");
    let mut settings = shifting("", edge_folder.path());
    settings.edge.origin = Some(origin.parse().expect("an origin"));
    settings.edge.origin_key = Some("north".parse().expect("a key"));
    let edge = EdgeServer::start(&settings).await.expect("an edge");
    let show = format!("http://{}/live/show", edge.local_addr());
    let first = segments(&show, "", 3).await.swap_remove(0);
    let kept = get(&first).await;
    let listed = segments(&show, "", 20).await;
    assert_eq!(listed[0], first);
    until("the oldest is in a file", || {
        files(edge_folder.path()).contains(&0)
    })
    .await;
    assert_eq!(get(&first).await, kept);

    edge.shut_down().await;
    sending.abort();
    server.shut_down().await;
}
