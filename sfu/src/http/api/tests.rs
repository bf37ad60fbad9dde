//! The routes over rooms without a hub.

mod dev;
mod doubles;
mod sights;
mod signing;
mod table;
mod vendor;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::access::unix_time;
use super::*;
use crate::auth::{App, SignedRequest};
use crate::http::forwarded::Remote;
use crate::signal::hub::admin::tests::{APP, Bench, number, user};

/// The routes, and the rooms behind them.
pub(super) struct Routes {
    router: Router,
    pub(super) api: Api,
    pub(super) bench: Arc<Mutex<Bench>>,
}

struct Behind(Arc<Mutex<Bench>>);

impl Control for Behind {
    fn call(&self, app: AppId, call: Call) -> Answer {
        let reply = self.0.lock().unwrap().call(app, call);
        Box::pin(std::future::ready(reply))
    }
}

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Checks that this is a problem of the given kind, and gives its documented code.
    #[track_caller]
    pub(super) fn problem(&self, status: u16, code: &str) -> Option<i64> {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().len() > 10);
        problem["error_code"].as_i64()
    }
}

pub(super) fn app(id: u32, keys: &[&str]) -> App {
    App {
        id: AppId(id),
        keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
        admins: vec![user("administrator")],
        ..App::default()
    }
}

impl Routes {
    pub(super) fn new(apps: Vec<App>) -> Self {
        Self::with(apps, |_| {})
    }

    /// One app, with a server that sees.
    pub(super) fn seeing(sights: Arc<dyn Sights>) -> Self {
        Self::build(vec![app(APP.0, &["old-key", "new-key"])], sights, |_| {})
    }

    pub(super) fn with(apps: Vec<App>, change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::build(apps, Arc::new(doubles::NoWorkers::default()), change)
    }

    fn build(apps: Vec<App>, seen: Arc<dyn Sights>, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let admins = apps.iter().map(|app| (app.id, user("administrator")));
        let mut config = ApiConfig {
            tokens: vec!["first-token".parse().unwrap(), "second".parse().unwrap()],
            admins: admins.collect(),
            max_body_bytes: 4_096,
            ..ApiConfig::default()
        };
        change(&mut config);
        let metrics = HttpMetrics::register(&prometheus::Registry::new()).unwrap();
        let bench = Arc::new(Mutex::new(Bench::default()));
        let control = Arc::new(Behind(Arc::clone(&bench)));
        let api = Api::new(config, Apps::new(apps), control, seen, metrics);
        Self {
            router: router(api.clone()),
            api,
            bench,
        }
    }

    /// One app with two keys.
    pub(super) fn usual() -> Self {
        Self::new(vec![app(APP.0, &["old-key", "new-key"])])
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Got {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Sends as an operator.
    pub(super) async fn call(&self, method: &str, target: &str, body: &str) -> Got {
        let headers = [("authorization", "Bearer first-token")];
        self.send(request(method, target, &headers, body)).await
    }

    /// Sends as the back end of the usual app.
    pub(super) async fn signed(&self, method: &str, target: &str, body: &str) -> Got {
        let signed = sign(method, target, body, "new-key", unix_time(), &nonce());
        self.send(signed).await
    }
}

pub(super) fn nonce() -> String {
    format!("{:016x}", rand::random::<u64>())
}

pub(super) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub(super) fn sign(
    method: &str,
    target: &str,
    body: &str,
    key: &str,
    time: u64,
    nonce: &str,
) -> Request<Body> {
    let signed = SignedRequest {
        method,
        target,
        time,
        nonce,
        body: body.as_bytes(),
    };
    let signature = signed.sign(&key.parse().unwrap());
    let signature: String = signature.iter().map(|b| format!("{b:02x}")).collect();
    let headers = [
        ("weblive-app", &*APP.to_string()),
        ("weblive-time", &*time.to_string()),
        ("weblive-nonce", nonce),
        ("weblive-signature", &*signature),
    ];
    request(method, target, &headers, body)
}

/// Gives a request the address that it came from.
pub(super) fn from(address: &str, mut request: Request<Body>) -> Request<Body> {
    let address: SocketAddr = address.parse().unwrap();
    request.extensions_mut().insert(Remote::direct(address));
    request
}

#[tokio::test]
async fn a_room_is_run_from_a_back_end() {
    let routes = Routes::usual();
    let room = "/api/v1/rooms/42";
    let body = r#"{"owner": "anna", "name": "Talk", "seats": {"count": 2}}"#;
    let created = routes.signed("PUT", room, body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    assert_eq!(created.headers["location"], room);
    assert_eq!(routes.signed("PUT", room, body).await.status, 200);
    routes.bench.lock().unwrap().enter(APP, "ben", &number(42));

    let seated = routes
        .signed("PUT", "/api/v1/rooms/42/seats/1/user", r#"{"user": "ben"}"#)
        .await;
    assert_eq!(
        (seated.status.as_u16(), seated.text.as_str()),
        (200, r#"{"seat":1}"#)
    );
    let seats = routes.signed("GET", "/api/v1/rooms/42/seats", "").await;
    assert_eq!(seats.json()["items"][1]["user"]["user"], "ben");
    let closed = routes
        .signed(
            "PATCH",
            "/api/v1/rooms/42/members/ben/devices",
            r#"{"microphone": false}"#,
        )
        .await;
    assert_eq!((closed.status.as_u16(), closed.text.as_str()), (204, ""));

    let removed = routes
        .signed("DELETE", "/api/v1/rooms/42/members/ben", "")
        .await;
    assert_eq!(removed.status, 204);
    let again = routes
        .signed("DELETE", "/api/v1/rooms/42/members/ben", "")
        .await;
    assert_eq!(again.status, 204);
    let gone = routes
        .signed("GET", "/api/v1/rooms/42/members/ben", "")
        .await;
    assert_eq!(gone.problem(404, "not-a-member"), Some(100_005));
    assert_eq!(routes.signed("DELETE", room, "").await.status, 204);
    let gone = routes.signed("DELETE", room, "").await;
    assert_eq!(gone.problem(404, "no-such-room"), Some(100_004));
}

#[tokio::test]
async fn a_number_room_and_a_named_room_have_two_addresses() {
    let routes = Routes::usual();
    let owner = r#"{"owner": "anna"}"#;
    for (path, room) in [
        ("123", r#"{"room":123,"#),
        ("name:123", r#"{"room":"123","#),
        ("a%20b%23", r#"{"room":"a b#","#),
    ] {
        let target = format!("/api/v1/rooms/{path}");
        let created = routes.signed("PUT", &target, owner).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert!(created.text.starts_with(room), "{}", created.text);
    }
    let list = routes.signed("GET", "/api/v1/rooms?limit=1", "").await;
    assert_eq!(list.json()["next"], "123");
    let list = routes.signed("GET", "/api/v1/rooms?after=123", "").await;
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 2);
    let bad = routes.signed("GET", "/api/v1/rooms/007", "").await;
    bad.problem(400, "bad-path");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_is_allowed() {
    let routes = Routes::usual();
    let room = "/api/v1/rooms/42";
    routes.call("PUT", room, r#"{"owner": "anna"}"#).await;
    let messages = "/api/v1/rooms/42/messages";
    for (method, target, body, status, code) in [
        ("PUT", room, "{", 400, "bad-body"),
        ("PUT", room, r#"{"owner": ""}"#, 400, "bad-body"),
        ("PUT", room, r#"{"owner": "a", "x": 1}"#, 400, "bad-body"),
        ("GET", "/api/v1/rooms?limit=0", "", 400, "bad-query"),
        ("GET", "/api/v1/rooms?limit=101", "", 400, "bad-query"),
        ("GET", "/api/v1/rooms?limit=5&limit=5", "", 400, "bad-query"),
        ("GET", "/api/v1/rooms?sort=up", "", 400, "bad-query"),
        ("GET", "/api/v1/streams?after=x", "", 400, "bad-query"),
        ("POST", messages, "{}", 400, "bad-value"),
        (
            "POST",
            messages,
            r#"{"text": "a", "custom": {}}"#,
            400,
            "bad-value",
        ),
        ("POST", messages, r#"{"text": ""}"#, 400, "bad-value"),
        (
            "PATCH",
            "/api/v1/rooms/42/members/a/devices",
            "{}",
            400,
            "bad-value",
        ),
        (
            "PUT",
            "/api/v1/rooms/42/members/a/relays/side",
            "{}",
            400,
            "bad-path",
        ),
        (
            "PUT",
            "/api/v1/rooms/42/members/a/relays/main",
            r#"{"streamId": "a/b"}"#,
            400,
            "bad-value",
        ),
        (
            "PUT",
            "/api/v1/rooms/42/members/a/relays/main",
            "{}",
            404,
            "not-published",
        ),
        (
            "DELETE",
            "/api/v1/rooms/42/seats/0/user",
            "",
            409,
            "no-seats",
        ),
        ("PUT", room, r#"{"owner": "ben"}"#, 409, "id-taken"),
    ] {
        let got = routes.call(method, target, body).await;
        got.problem(status, code);
    }
    let text = r#"{"owner": "a"}"#;
    let headers = [
        ("authorization", "Bearer second"),
        ("content-type", "text/plain"),
    ];
    let mut plain = request("PUT", room, &[], "");
    for (name, value) in headers {
        plain.headers_mut().insert(name, value.parse().unwrap());
    }
    *plain.body_mut() = Body::from(text);
    routes
        .send(plain)
        .await
        .problem(415, "unsupported-content-type");
    let large = format!(r#"{{"owner": "{}"}}"#, "a".repeat(5_000));
    let large = routes.call("PUT", room, &large).await;
    large.problem(413, "content-too-large");

    let method = routes.call("POST", room, "").await;
    method.problem(405, "method-not-allowed");
    assert_eq!(
        method.headers["allow"],
        "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
    );
    let options = routes.send(request("OPTIONS", room, &[], "")).await;
    assert_eq!(options.status, 204);
    let head = routes.call("HEAD", room, "").await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn an_app_has_its_rate_and_others_do_not_feel_it() {
    let routes = Routes::new(vec![app(1, &["a"]), app(2, &["b"])]);
    let call = |app: &'static str| {
        let headers = [
            ("authorization", "Bearer first-token"),
            ("weblive-app", app),
        ];
        routes.send(request("GET", "/api/v1/rooms", &headers, ""))
    };
    let mut refused = None;
    for _ in 0..2_000 {
        let got = call("1").await;
        if got.status != 200 {
            refused = Some(got);
            break;
        }
    }
    let refused = refused.expect("there is a bound");
    refused.problem(429, "too-fast");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(call("2").await.status, 200);
}

#[tokio::test]
async fn what_was_too_fast_may_come_again_as_it_is() {
    let routes = Routes::new(vec![app(1, &["a"])]);
    let put = || {
        let body = r#"{"owner": "anna"}"#;
        let mut put = sign("PUT", "/api/v1/rooms/42", body, "a", unix_time(), "once");
        put.headers_mut()
            .insert("weblive-app", "1".parse().unwrap());
        put
    };
    // Spent for a minute.
    let later = Instant::now() + std::time::Duration::from_secs(60);
    let is_spent = (0..2_000).any(|_| routes.api.pace(later, AppId(1)).is_err());
    assert!(is_spent, "there is a bound");
    for _ in 0..2 {
        routes.send(put()).await.problem(429, "too-fast");
    }
}

#[tokio::test]
async fn the_page_and_the_description_are_open_to_everybody() {
    let routes = Routes::usual();
    let get = |target: &'static str| routes.send(request("GET", target, &[], ""));
    let page = get("/api/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
    assert_eq!(get("/api").await.headers["location"], "/api/");
    assert_eq!(
        get("/api/style.css").await.headers["content-type"],
        "text/css; charset=utf-8"
    );
    let description = get("/api/openapi.json").await;
    assert_eq!(description.json()["openapi"], "3.1.0");
}
