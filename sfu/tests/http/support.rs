//! Routes and servers for tests, and the requests that they get.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use relay::{Relay, RelayConfig};
use serde_json::Value;
use sfu::config::Settings;
use sfu::http::{App, HttpMetrics, Images, router};
use sfu::signal::Signalling;
use sfu::worker::{WorkerConfig, Workers, WorkersGuard};
use str0m::RtcConfig;
use str0m::media::{Direction, MediaKind};
use tower::ServiceExt;

pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const SDP: &str = "application/sdp";
pub(crate) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Routes without a listener.
pub(crate) struct Routes {
    router: Router,
    pub(crate) workers: Workers,
    _guards: [WorkersGuard; 2],
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn settings(toml: &str) -> Settings {
    let mut base = "listen = \"127.0.0.1:0\"\nmedia.port = 0\nmedia.workers = 1\n".to_owned();
    // Tests of one program share the folder that it is started in.
    if !toml.contains("data_dir") {
        base += "data_dir = \"\"\n";
    }
    Settings::from_toml(Path::new("test"), &format!("{base}{toml}")).expect("settings")
}

impl Routes {
    /// Must be called within a runtime.
    pub(crate) fn new(toml: &str) -> Self {
        Self::with_relay(toml, RelayConfig::default())
    }

    /// Must be called within a runtime.
    pub(crate) fn with_relay(toml: &str, relay: RelayConfig) -> Self {
        let settings = settings(toml);
        let registry = prometheus::Registry::new();
        let metrics = HttpMetrics::register(&registry).expect("metrics");
        let relay = Relay::new(relay, &registry).expect("relay");
        let config = WorkerConfig {
            max_sessions: settings.media.max_sessions,
            ..WorkerConfig::new(LOCAL, 0, 1, vec![LOCAL])
        };
        let (workers, guard) = Workers::start(config, relay.clone(), &registry).expect("workers");
        let images = Images::open(&settings, &registry).expect("images");
        // The rooms have workers of their own: a test may ask these ones for their events.
        let config = WorkerConfig::new(LOCAL, 0, 1, vec![LOCAL]);
        let other = prometheus::Registry::new();
        let rooms = Workers::start(config, relay.clone(), &other).expect("workers");
        let find_image = std::sync::Arc::new(|_: &str| None);
        let signalling = Signalling::start(&settings, &rooms.0, find_image, &registry);
        let app = App::new(
            &settings,
            workers.clone(),
            relay,
            signalling.expect("signalling"),
            registry,
            metrics,
            images,
        );
        Self {
            router: router(app),
            workers,
            _guards: [guard, rooms.1],
        }
    }

    /// A response whose body is not read yet.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response<Body> {
        let answered = self.router.clone().oneshot(request).await;
        answered.expect("infallible")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.open(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("body").to_bytes().to_vec();
        Reply {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str) -> Reply {
        self.send(request(method, path, &[], "")).await
    }

    pub(crate) async fn post(&self, path: &str, offer: impl Into<Body>) -> Reply {
        self.send(request(
            "POST",
            path,
            &[(CONTENT_TYPE.as_str(), SDP)],
            offer,
        ))
        .await
    }

    pub(crate) async fn patch(&self, path: &str, if_match: Option<&str>, fragment: &str) -> Reply {
        let mut headers = vec![(CONTENT_TYPE.as_str(), FRAGMENT)];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        self.send(request("PATCH", path, &headers, fragment.to_owned()))
            .await
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// Checks that this is a whole problem body of the given kind, and gives its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("access-control-allow-origin"), "*");
        assert_eq!(self.header("cache-control"), "no-store");
        let problem: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code);
        assert!(problem["title"].as_str().is_some_and(|t| !t.is_empty()));
        problem["detail"].as_str().expect("detail").to_owned()
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).expect("request")
}

/// An offer with Opus and H.264, as a client of the given direction makes it.
pub(crate) fn offer(direction: Direction) -> String {
    let mut rtc = RtcConfig::new()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_h264(true)
        .build(Instant::now());
    let mut api = rtc.sdp_api();
    api.add_media(MediaKind::Audio, direction, None, None, None);
    api.add_media(MediaKind::Video, direction, None, None, None);
    let (offer, _) = api.apply().expect("offer");
    offer.to_sdp_string()
}

/// How long a state is waited for that comes at once on a machine that has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`, which is asked again and again, with a bound.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
