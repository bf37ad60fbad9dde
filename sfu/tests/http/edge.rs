//! `weblive edge` with an origin, on real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Response;
use sfu::auth::SignedAddress;
use sfu::server::Server;
use tokio::task::JoinHandle;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::metrics::promtool;
use crate::program::Program;
use crate::publisher::Publisher;
use crate::support::{PATIENCE, SDP, settings, until};

/// A server with one stream, `show`.
struct Origin {
    server: Server,
    url: String,
    sending: JoinHandle<()>,
}

impl Origin {
    async fn start(listen: &str, toml: &str, query: &str) -> Self {
        Self::start_with(listen, toml, query, 1).await
    }

    /// One whose pictures have so many slices.
    async fn start_with(listen: &str, toml: &str, query: &str, slices: usize) -> Self {
        let mut settings = settings(toml);
        settings.listen = listen.parse().expect("an address");
        let server = Server::start(&settings).await.expect("server");
        let url = format!("http://{}", server.local_addr());
        let (mut publisher, offer) = Publisher::new().await;
        publisher.slices = slices;
        let reply = reqwest::Client::new()
            .post(format!("{url}/whip/show{query}"))
            .header("content-type", SDP)
            .body(offer)
            .send()
            .await
            .expect("response");
        assert_eq!(reply.status(), 201);
        let (state, sending) = publisher.start(&reply.text().await.expect("answer"));
        until("the publisher is connected", || state.is_connected()).await;
        reaches(&url, "weblive_relay_gops_total", |gops| gops >= 1.0).await;
        Self {
            server,
            url,
            sending,
        }
    }

    fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    async fn end(self) {
        self.sending.abort();
        self.server.shut_down().await;
    }
}

async fn metric(url: &str, line: &str) -> f64 {
    let page = get(&format!("{url}/metrics")).await.text().await;
    let page = page.expect("text");
    page.lines()
        .find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
        .unwrap_or_default()
}

async fn reaches(url: &str, line: &str, is_wanted: impl Fn(f64) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let value = metric(url, line).await;
        if is_wanted(value) {
            return;
        }
        assert!(Instant::now() < end, "{line} is {value}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn get(url: &str) -> Response {
    reqwest::get(url).await.expect("response")
}

/// Checks a problem body, and gives its detail.
async fn problem(url: &str, status: u16, code: &str) -> String {
    let response = get(url).await;
    assert_eq!(response.status(), status);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let body = response.bytes().await.expect("whole");
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["code"], code);
    problem["detail"].as_str().expect("detail").to_owned()
}

/// An FLV viewer on a task of its own.
struct Viewer {
    flv: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Viewer {
    async fn begin(url: &str) -> Self {
        let mut response = get(url).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "video/x-flv");
        let flv = Arc::new(Mutex::new(Vec::new()));
        let kept = flv.clone();
        let reading = tokio::spawn(async move {
            while let Some(chunk) = response.chunk().await.expect("a whole body") {
                kept.lock().expect("kept").extend_from_slice(&chunk);
            }
        });
        Self { flv, reading }
    }

    fn len(&self) -> usize {
        self.flv.lock().expect("kept").len()
    }

    /// The times of its pictures and sounds, in the order of the tags.
    fn times(&self) -> BTreeMap<u8, Vec<u32>> {
        let flv = self.flv.lock().expect("kept");
        assert!(flv.starts_with(b"FLV\x01"));
        let (mut rest, mut times) = (&flv[13..], BTreeMap::<u8, Vec<u32>>::new());
        while rest.len() >= 11 {
            let size = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]) as usize;
            let Some(next) = rest.get(11 + size + 4..) else {
                break;
            };
            let time = u32::from_be_bytes([rest[7], rest[4], rest[5], rest[6]]);
            if rest[0] != 18 {
                times.entry(rest[0]).or_default().push(time);
            }
            rest = next;
        }
        times
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

const VIEWERS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_viewers_cost_the_origin_one_pull_and_outlive_its_restart() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let arguments = ["edge", "--origin", &origin.url, "--edge-linger", "4s"];
    let mut edge = Program::start(&arguments);
    let url = edge.url.clone();

    // Nothing is asked before somebody watches.
    assert_eq!(metric(&url, "weblive_edge_requests_total").await, 0.0);
    let show = format!("{url}/live/show.flv");
    let begin = |_| {
        let show = show.clone();
        tokio::spawn(async move { Viewer::begin(&show).await })
    };
    let beginning: Vec<_> = (0..VIEWERS).map(begin).collect();
    let mut viewers = Vec::new();
    for viewer in beginning {
        viewers.push(viewer.await.expect("a viewer"));
    }
    let playlist = get(&format!("{url}/live/show.m3u8")).await;
    assert_eq!(playlist.status(), 200);
    let playlist = playlist.text().await.expect("text");
    assert!(playlist.contains("#EXT-X-PART:"), "{playlist}");
    let init = playlist.split("#EXT-X-MAP:URI=\"").nth(1).expect("a map");
    let init = init.split('"').next().expect("its end");
    assert_eq!(get(&format!("{url}/live/{init}")).await.status(), 200);
    let ws = show.replace("http:", "ws:");
    let (socket, _) = connect_async(ws).await.expect("a socket");
    let all_have = |bytes: usize| viewers.iter().all(|viewer| viewer.len() > bytes);
    until("all have some seconds", || all_have(10_000)).await;
    let pulls = "weblive_relay_requests_total{kind=\"flv\"}";
    assert_eq!(metric(&origin.url, pulls).await, 1.0);
    assert_eq!(metric(&url, "weblive_edge_streams").await, 1.0);
    assert_eq!(
        metric(&url, "weblive_relay_viewers{protocol=\"flv\"}").await,
        20.0
    );
    let metrics = get(&format!("{url}/metrics")).await.bytes().await;
    promtool(&metrics.expect("whole"));
    assert_eq!(get(&format!("{url}/readyz")).await.status(), 200);

    // What is not there is not there, and what is no id is never asked for.
    problem(&format!("{url}/live/nobody.flv"), 404, "not-live").await;
    problem(&format!("{url}/live/nobody.m3u8"), 404, "not-live").await;
    let asked = metric(&url, "weblive_edge_requests_total").await;
    problem(&format!("{url}/live/a.b.flv"), 400, "bad-stream-id").await;
    problem(&format!("{url}/live/a%2fb.flv"), 400, "bad-stream-id").await;
    problem(&format!("{url}/whip/show"), 404, "no-such-address").await;
    assert_eq!(metric(&url, "weblive_edge_requests_total").await, asked);

    // The origin goes down in good order, and comes back with a publisher of other pictures.
    drop(socket);
    let address = origin.address().to_string();
    origin.end().await;
    let before: Vec<_> = viewers.iter().map(Viewer::len).collect();
    let origin = Origin::start_with(&address, "", "", 2).await;
    let goes_on = || {
        let now = viewers.iter().map(Viewer::len);
        before
            .iter()
            .zip(now)
            .all(|(before, now)| now > before + 10_000)
    };
    // Four seconds may lie between two tries, and three until it is known that the source is another.
    until("all go on", goes_on).await;
    for viewer in &viewers {
        assert!(!viewer.reading.is_finished());
        for (kind, times) in viewer.times() {
            assert!(times.is_sorted(), "{kind}: {times:?}");
        }
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let playlist = get(&format!("{url}/live/show.m3u8")).await.text().await;
        let playlist = playlist.expect("text");
        assert!(!playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
        if playlist.contains("#EXT-X-DISCONTINUITY\n") {
            break;
        }
        assert!(Instant::now() < end, "no discontinuity: {playlist}");
    }
    assert_eq!(metric(&url, "weblive_edge_streams").await, 1.0);

    // With the last viewer the pull goes, four seconds later.
    drop(viewers);
    reaches(&url, "weblive_edge_streams", |streams| streams == 0.0).await;
    reaches(
        &origin.url,
        "weblive_relay_viewers{protocol=\"flv\"}",
        |n| n == 0.0,
    )
    .await;
    edge.signal("-TERM");
    assert_eq!(edge.ends().await.code(), Some(0));
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_of_fmp4_begins_a_pull_and_keeps_it() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let arguments = ["edge", "--origin", &origin.url, "--edge-linger", "4s"];
    let edge = Program::start(&arguments);
    let mut response = get(&format!("{}/live/show/stream.mp4", edge.url)).await;
    assert_eq!(response.status(), 200);
    let began = Instant::now();
    // Longer than a pull stays without a viewer.
    while began.elapsed() < Duration::from_secs(6) {
        let chunk = response.chunk().await.expect("whole");
        assert!(chunk.is_some_and(|chunk| !chunk.is_empty()));
    }
    assert_eq!(metric(&edge.url, "weblive_edge_streams").await, 1.0);
    let viewers = "weblive_relay_viewers{protocol=\"fmp4\"}";
    assert_eq!(metric(&edge.url, viewers).await, 1.0);
    let pulls = "weblive_relay_requests_total{kind=\"flv\"}";
    assert_eq!(metric(&origin.url, pulls).await, 1.0);
    drop(response);
    reaches(&edge.url, "weblive_edge_streams", |streams| streams == 0.0).await;
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stays_away_ends_for_its_viewers() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let arguments = ["edge", "--origin", &origin.url, "--edge-retry-for", "1s"];
    let edge = Program::start(&arguments);
    let viewer = Viewer::begin(&format!("{}/live/show.flv", edge.url)).await;
    let playlist = format!("{}/live/show.m3u8", edge.url);
    assert_eq!(get(&playlist).await.status(), 200);
    origin.end().await;
    until("the body ends", || viewer.reading.is_finished()).await;
    // Who plays it hears of the end, although the origin cannot be asked.
    let last = get(&playlist).await.text().await.expect("text");
    assert!(last.ends_with("#EXT-X-ENDLIST\n"), "{last}");
    let flv = format!("{}/live/show.flv", edge.url);
    problem(&flv, 502, "origin-failed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_checks_its_viewers_and_signs_for_its_origin() {
    let (north, south) = ("north", "south");
    let signed = |key: &str| {
        let ends_at = 4_000_000_000;
        SignedAddress::query(&key.parse().expect("a key"), "show", ends_at)
    };
    let apps = |key: &str| {
        format!("[{{ id = 7, keys = [\"k\"], push_url_key = \"push\", play_url_key = \"{key}\" }}]")
    };
    let toml = format!("apps = {}", apps(north));
    let push = format!("?{}", signed("push"));
    let origin = Origin::start("127.0.0.1:0", &toml, &push).await;
    let apps = apps(south);
    let arguments = ["edge", "--origin", &origin.url, "--apps", &apps];
    let edge = Program::start(&[&arguments[..], &["--edge-origin-key", north]].concat());
    let show = format!("{}/live/show.flv", edge.url);
    problem(&show, 403, "address-unsigned").await;
    problem(&format!("{show}?{}", signed(north)), 403, "address-invalid").await;
    assert_eq!(metric(&edge.url, "weblive_edge_requests_total").await, 0.0);
    let viewer = Viewer::begin(&format!("{show}?{}", signed(south))).await;
    until("a picture", || viewer.len() > 5_000).await;

    let edge = Program::start(&[&arguments[..], &["--edge-origin-key", "west"]].concat());
    let show = format!("{}/live/show.flv?{}", edge.url, signed(south));
    let detail = problem(&show, 502, "origin-failed").await;
    assert_eq!(detail, "the origin answers with status 403");
    origin.end().await;
    // Refusals are kept for a second.
    let end = Instant::now() + PATIENCE;
    loop {
        let detail = problem(&show, 502, "origin-failed").await;
        if detail == "the origin cannot be reached" {
            break;
        }
        assert!(Instant::now() < end, "{detail}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_pulls_over_https_from_who_has_a_good_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
    let path = |name: &str| folder.path().join(name).to_str().expect("plain").to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    // An edge of the origin is the origin of others.
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let middle = Program::start(&[&["edge", "--origin", &origin.url][..], &tls].concat());
    let arguments = ["edge", "--origin", &middle.url];
    let edge = Program::start_trusting(&arguments, &cert);
    let viewer = Viewer::begin(&format!("{}/live/show.flv", edge.url)).await;
    until("some seconds", || viewer.len() > 10_000).await;
    let stranger = Program::start(&arguments);
    let show = format!("{}/live/show.flv", stranger.url);
    let detail = problem(&show, 502, "origin-failed").await;
    assert!(detail.starts_with("TLS with the origin fails"), "{detail}");
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_without_a_look_at_the_stream_costs_the_origin_nothing() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let arguments = ["edge", "--origin", &origin.url];
    let cors = ["--cors-origins", "https://page.example"];
    let edge = Program::start(&[&arguments[..], &cors].concat());
    let url = &edge.url;
    for (path, status) in [
        ("/live/show/x.flv", 404),
        ("/live/show/x.m3u8", 404),
        ("/live/show/a/x.flv", 404),
        ("/live/show.flv?latency=none", 400),
        ("/live/show.m3u8?_HLS_msn=none", 400),
        ("/live/show.mp4", 404),
    ] {
        let response = get(&format!("{url}{path}")).await;
        assert_eq!(response.status(), status, "{path}");
    }
    let socket = |origin: &'static str| {
        let ws = format!("{}/live/show.flv", url.replace("http:", "ws:"));
        let mut request = ws.into_client_request().expect("a request");
        let origin = origin.parse().expect("a value");
        request.headers_mut().insert("origin", origin);
        connect_async(request)
    };
    let refused = socket("https://other.example").await.map(drop).unwrap_err();
    assert!(
        matches!(&refused, WsError::Http(response) if response.status() == 403),
        "{refused}"
    );
    // A request that asks for a socket and cannot have one.
    let half = reqwest::Client::new()
        .get(format!("{url}/live/show.flv"))
        .header("upgrade", "websocket")
        .send();
    assert_eq!(half.await.expect("response").status(), 426);
    assert_eq!(metric(url, "weblive_edge_requests_total").await, 0.0);
    // What is allowed is pulled.
    let (_socket, _) = socket("https://page.example").await.expect("a socket");
    assert_eq!(metric(url, "weblive_edge_requests_total").await, 1.0);
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_no_media_keeps_no_stream() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let edge = Program::start(&["edge", "--origin", &origin.url, "--edge-linger", "4s"]);
    let (show, streams) = (format!("{}/live/show", edge.url), "weblive_edge_streams");
    let playlist = get(&format!("{show}.m3u8")).await.text().await;
    let playlist = playlist.expect("text");
    let init = playlist.split("#EXT-X-MAP:URI=\"").nth(1).expect("a map");
    let init = init.split('"').next().expect("its end");
    let init = format!("{}/live/{init}", edge.url);
    // Who asks for files of the playlist watches, beyond the time after the playlist.
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until {
        assert_eq!(get(&init).await.status(), 200);
        assert_eq!(metric(&edge.url, streams).await, 1.0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A page of pictures of what is live does not, nor does who guesses.
    let end = Instant::now() + PATIENCE;
    while metric(&edge.url, streams).await > 0.0 {
        assert!(Instant::now() < end, "it is pulled for nobody");
        get(&format!("{show}.mp4")).await;
        assert_eq!(get(&format!("{show}/none.m4s")).await.status(), 404);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(metric(&edge.url, "weblive_edge_requests_total").await, 1.0);
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_of_several_apps_serves_ids_that_name_their_app() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let apps = "[{ id = 7, keys = [\"k\"], play_url_key = \"seven\" }, \
                { id = 8, keys = [\"k\"], play_url_key = \"eight\" }]";
    let edge = Program::start(&["edge", "--origin", &origin.url, "--apps", apps]);
    let address = |id: &str, file: &str, key: &str| {
        let query = SignedAddress::query(&key.parse().expect("a key"), id, 4_000_000_000);
        format!("{}/live/{id}{file}?{query}", edge.url)
    };
    for key in ["seven", "eight"] {
        for file in [".flv", ".m3u8", ".mp4", "/x.m4s"] {
            problem(&address("show", file, key), 403, "app-unknown").await;
            problem(&address("9_show", file, key), 403, "app-unknown").await;
        }
    }
    problem(&address("7_show", ".flv", "eight"), 403, "address-invalid").await;
    assert_eq!(metric(&edge.url, "weblive_edge_requests_total").await, 0.0);
    problem(&address("7_show", ".flv", "seven"), 404, "not-live").await;
    assert_eq!(metric(&edge.url, "weblive_edge_requests_total").await, 1.0);
    origin.end().await;
}

/// Stands before a server with `show` and has it in two sizes, with the same pictures; keeps the
/// addresses that it is asked for.
async fn in_two_sizes(origin: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, origin) = (asked.clone(), origin.to_owned());
    let answer = move |uri: axum::http::Uri| {
        let (kept, origin) = (kept.clone(), origin.clone());
        async move {
            kept.lock().expect("kept").push(uri.to_string());
            if uri.path() == "/live/show.m3u8" {
                let of = |name, bps, size| {
                    format!(
                        "#EXT-X-STREAM-INF:BANDWIDTH={bps},AVERAGE-BANDWIDTH={bps},\
                         CODECS=\"avc1.42C01E,mp4a.40.2\",RESOLUTION={size}\n\
                         show_{name}.m3u8?txSecret=0&txTime=0\n"
                    )
                };
                let sizes = of("h", 900_000, "640x360") + &of("l", 90_000, "320x180");
                return axum::body::Body::from(format!("#EXTM3U\n{sizes}"));
            }
            let query = uri.query().map(|query| format!("?{query}"));
            let url = format!("{origin}/live/show.flv{}", query.unwrap_or_default());
            let body = get(&url).await;
            assert_eq!(body.status(), 200, "{uri}");
            axum::body::Body::new(reqwest::Body::from(body))
        }
    };
    let routes = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_several_sizes_has_its_list_and_one_signature_behind_an_edge() {
    let (north, south) = ("north", "south");
    let signed = |key: &str, stream: &str| {
        SignedAddress::query(&key.parse().expect("a key"), stream, 4_000_000_000)
    };
    let apps = |key: &str| {
        format!("[{{ id = 7, keys = [\"k\"], push_url_key = \"push\", play_url_key = \"{key}\" }}]")
    };
    let toml = format!("apps = {}", apps(north));
    let push = format!("?{}", signed("push", "show"));
    let origin = Origin::start("127.0.0.1:0", &toml, &push).await;
    let (front, asked) = in_two_sizes(&origin.url).await;
    let apps = apps(south);
    let arguments = ["edge", "--origin", &front, "--apps", &apps];
    let edge = Program::start(&[&arguments[..], &["--edge-origin-key", north]].concat());
    let query = signed(south, "show");
    let at = |file: &str| format!("{}/live/{file}?{query}", edge.url);

    // A size has the signature of its stream; what it is of is learnt with the first viewer of it.
    let other = format!("{}/live/show_l.m3u8?{}", edge.url, signed(south, "other"));
    problem(&other, 403, "address-invalid").await;
    problem(
        &format!("{}/live/show_l.m3u8", edge.url),
        403,
        "address-unsigned",
    )
    .await;
    assert!(asked.lock().expect("asked").is_empty());
    let small = get(&at("show_l.m3u8")).await;
    assert_eq!(small.status(), 200);
    let small = small.text().await.expect("text");
    assert!(small.contains("show_l/"), "{small}");

    let list = get(&at("show.m3u8")).await;
    assert_eq!(list.status(), 200);
    assert_eq!(
        list.headers()["content-type"],
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(list.headers()["access-control-allow-origin"], "*");
    let etag = list.headers()["etag"].clone();
    let list = list.text().await.expect("text");
    let sizes: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = ["show_h", "show_l"].map(|name| format!("{name}.m3u8?{query}"));
    assert_eq!(sizes, expected);
    let client = reqwest::Client::new();
    let again = client.get(at("show.m3u8")).header("if-none-match", etag);
    assert_eq!(again.send().await.expect("response").status(), 304);
    let head = client.head(at("show.m3u8")).send().await.expect("response");
    assert_eq!(
        (head.status().as_u16(), head.content_length()),
        (200, Some(0))
    );

    // The large picture is the stream itself: it is pulled once.
    let large = get(&at("show_h.m3u8")).await.text().await.expect("text");
    let init = large.split("#EXT-X-MAP:URI=\"").nth(1).expect("a map");
    let init = init.split('"').next().expect("its end");
    assert!(init.starts_with("show/"), "{large}");
    let init = format!("{}/live/{init}", edge.url);
    assert_eq!(get(&init).await.status(), 200);
    let viewers = [
        Viewer::begin(&at("show_h.flv")).await,
        Viewer::begin(&at("show_l.flv")).await,
    ];
    until("pictures", || {
        viewers.iter().all(|viewer| viewer.len() > 5_000)
    })
    .await;
    let ws = at("show_h.flv").replace("http:", "ws:");
    let (_socket, _) = connect_async(ws).await.expect("a socket");
    assert_eq!(metric(&edge.url, "weblive_edge_streams").await, 2.0);
    assert_eq!(get(&at("show_h.mp4")).await.status(), 200);
    let mut asked = asked.lock().expect("asked").clone();
    for uri in &asked {
        // Each with the signature of the stream, which the origin has checked.
        assert!(uri.contains("?txSecret="), "{uri}");
    }
    let path = |uri: &mut String| uri.truncate(uri.find('?').unwrap_or(uri.len()));
    asked.iter_mut().for_each(path);
    asked.sort();
    let expected = ["/live/show.flv", "/live/show.m3u8", "/live/show_l.flv"];
    assert_eq!(asked, expected);
    let several = "weblive_edge_lists_total{result=\"several\"}";
    assert_eq!(metric(&edge.url, several).await, 1.0);
    origin.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_on_its_way_down_gives_the_last_playlist() {
    let origin = Origin::start("127.0.0.1:0", "", "").await;
    let mut edge = Program::start(&["edge", "--origin", &origin.url]);
    let show = format!("{}/live/show.flv", edge.url);
    let viewer = Viewer::begin(&show).await;
    let playlist = format!("{}/live/show.m3u8", edge.url);
    assert_eq!(get(&playlist).await.status(), 200);
    edge.signal("-TERM");
    until("the body ends", || viewer.reading.is_finished()).await;
    // The pull ends with the next frames of the origin, and players ask until the edge is gone.
    let (client, mut asked) = (reqwest::Client::new(), 0);
    while let Ok(last) = client.get(&playlist).send().await {
        let status = last.status();
        let Ok(last) = last.text().await else {
            break;
        };
        assert_eq!(status, 200, "{last}");
        assert!(last.ends_with("#EXT-X-ENDLIST\n"), "{last}");
        if let Ok(head) = client.head(&show).send().await {
            assert_eq!(head.status(), 503);
        }
        asked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(asked > 3, "{asked} times");
    assert_eq!(edge.ends().await.code(), Some(0));
    origin.end().await;
}
