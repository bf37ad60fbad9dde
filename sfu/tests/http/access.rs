//! Tokens and signed addresses, request by request.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use sfu::auth::{Apps, Claims, Privileges, SecretKey, SignedAddress};
use sfu::live::{AppId, RoomId};
use str0m::media::Direction;

use crate::publisher::Publisher;
use crate::support::{Reply, Routes, SDP, offer, request, settings, until};

/// App 1 signs its addresses, app 2 does not, app 3 requires PrivateMapKeys.
const APPS: &str = r#"
apps = [
  { id = 1, keys = ["new-one", "old-one"], push_url_key = "push", play_url_key = "play" },
  { id = 2, keys = ["two"] },
  { id = 3, keys = ["three"], require_private_map_key = true },
]
"#;

const HOUR: u64 = 3_600;

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}

fn key(text: &str) -> SecretKey {
    text.parse().expect("key")
}

fn claims(app: u32, user: &str) -> Claims {
    Claims {
        app: AppId(app),
        user: user.parse().expect("user id"),
        issued_at: now(),
        expires_in: HOUR,
        userbuf: None,
    }
}

fn token(app: u32, user: &str) -> String {
    let keys = ["new-one", "two", "three"];
    claims(app, user).sign(&key(keys[app as usize - 1]))
}

async fn post(routes: &Routes, path: &str, token: &str, offer: String) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [
        (CONTENT_TYPE.as_str(), SDP),
        (AUTHORIZATION.as_str(), bearer.as_str()),
    ];
    routes.send(request("POST", path, &headers, offer)).await
}

async fn publish(routes: &Routes, path: &str, token: &str) -> Reply {
    post(routes, path, token, offer(Direction::SendOnly)).await
}

async fn watch(routes: &Routes, path: &str, token: &str) -> Reply {
    post(routes, path, token, offer(Direction::RecvOnly)).await
}

fn error_code(reply: &Reply) -> Option<i64> {
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    problem["error_code"].as_i64()
}

async fn refused(routes: &Routes, reason: &str) -> u64 {
    let page = routes.call("GET", "/metrics").await.text();
    let name = format!("weblive_auth_refused_total{{reason=\"{reason}\"}} ");
    page.lines()
        .find_map(|line| line.strip_prefix(&name))
        .map_or(0, |count| count.parse().expect("a count"))
}

#[tokio::test]
async fn without_apps_everybody_is_let_in_with_or_without_a_token() {
    let routes = Routes::new("");
    assert_eq!(publish(&routes, "/whip/a", "x").await.status, 201);
    let reply = routes.post("/whep/a", offer(Direction::RecvOnly)).await;
    assert_eq!(reply.status, 201);
    let reply = routes.call("GET", "/live/nobody.m3u8").await;
    assert_eq!(reply.status, 404, "{}", reply.text());
}

#[tokio::test]
async fn without_a_token_a_client_is_told_how_to_come_with_one() {
    let routes = Routes::new(APPS);
    for path in ["/whip/a", "/whep/a"] {
        let reply = routes.post(path, offer(Direction::SendOnly)).await;
        let detail = reply.problem(401, "credentials-missing");
        assert!(detail.contains("Bearer"), "{detail}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        assert!(
            reply
                .header("access-control-expose-headers")
                .contains("WWW-Authenticate")
        );
    }
    assert_eq!(refused(&routes, "missing").await, 2);
    assert_eq!(routes.workers.snapshot().publishers, 0);
    // A page asks first whether it may send the header.
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let reply = routes
        .send(request("OPTIONS", "/whip/a", &preflight, ""))
        .await;
    assert_eq!(reply.status, 204);
    let allowed = reply.header("access-control-allow-headers");
    assert!(allowed.contains("Authorization"), "{allowed}");
}

#[tokio::test]
async fn a_token_lets_its_user_publish_and_watch() {
    let routes = Routes::new(APPS);
    let reply = publish(&routes, "/whip/show", &token(1, "anna")).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let old_key = claims(1, "bert").sign(&key("old-one"));
    let watching = watch(&routes, "/whep/show", &old_key).await;
    assert_eq!(watching.status, 201, "{}", watching.text());
    // The session's own URL is the right to it.
    for location in [watching.header("location"), reply.header("location")] {
        assert_eq!(routes.call("DELETE", location).await.status, 200);
    }
}

#[tokio::test]
async fn tokens_that_are_not_good_get_a_code_and_no_reason_that_helps_to_guess() {
    let routes = Routes::new(APPS);
    let expired = Claims {
        issued_at: now() - 2 * HOUR,
        ..claims(1, "anna")
    };
    let future = Claims {
        issued_at: now() + HOUR,
        ..claims(1, "anna")
    };
    let whole = token(1, "anna");
    for (token, code, number, reason) in [
        (
            expired.sign(&key("new-one")),
            "usersig-expired",
            70_001,
            "expired",
        ),
        (
            future.sign(&key("new-one")),
            "usersig-invalid",
            -100_018,
            "future_dated",
        ),
        (
            expired.sign(&key("forged")),
            "usersig-invalid",
            -100_018,
            "signature",
        ),
        (
            claims(4, "anna").sign(&key("x")),
            "usersig-invalid",
            -100_018,
            "unknown_app",
        ),
        (
            whole[..whole.len() - 8].to_owned(),
            "usersig-invalid",
            -100_018,
            "zlib",
        ),
        ("x".repeat(10_000), "usersig-invalid", -100_018, "too_long"),
        ("!".to_owned(), "usersig-invalid", -100_018, "base64"),
    ] {
        let before = refused(&routes, reason).await;
        for path in ["/whip/a", "/whep/a"] {
            let reply = publish(&routes, path, &token).await;
            let detail = reply.problem(401, code);
            assert!(!detail.contains("key made"), "{detail}");
            assert_eq!(error_code(&reply), Some(number), "{reason}");
            assert_eq!(
                reply.header("www-authenticate"),
                "Bearer error=\"invalid_token\""
            );
        }
        assert_eq!(refused(&routes, reason).await, before + 2, "{reason}");
    }
    assert_eq!(routes.workers.snapshot().publishers, 0);
}

#[tokio::test]
async fn a_live_stream_is_its_publishers_until_it_ends() {
    let routes = Routes::new(APPS);
    let first = publish(&routes, "/whip/show", &token(1, "anna")).await;
    assert_eq!(first.status, 201);
    for other in [token(1, "bert"), token(2, "anna")] {
        let reply = publish(&routes, "/whip/show", &other).await;
        let detail = reply.problem(409, "taken");
        assert!(detail.contains("show"), "{detail}");
    }
    let again = publish(&routes, "/whip/show", &token(1, "anna")).await;
    assert_eq!(again.status, 201, "{}", again.text());
    for reply in [&first, &again] {
        let location = reply.header("location");
        assert_eq!(routes.call("DELETE", location).await.status, 200);
    }
    until("nobody publishes", || {
        routes.workers.snapshot().publishers == 0
    })
    .await;
    let reply = publish(&routes, "/whip/show", &token(1, "bert")).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn users_of_different_apps_never_meet() {
    let routes = Routes::new(APPS);
    for path in ["/whip/2_room_anna_main", "/whep/2_room_anna_main"] {
        let reply = publish(&routes, path, &token(1, "anna")).await;
        reply.problem(403, "other-app");
    }
    let reply = publish(&routes, "/whip/show", &token(2, "anna")).await;
    assert_eq!(reply.status, 201);
    let other = watch(&routes, "/whep/show", &token(1, "bert")).await;
    other.problem(403, "other-app");
    // Nor by the signature of another app's play address.
    let query = SignedAddress::query(&key("play"), "show", now() + HOUR);
    let signed = format!("/whep/show?{query}");
    let reply = routes.post(&signed, offer(Direction::RecvOnly)).await;
    reply.problem(401, "address-invalid");
    let same = watch(&routes, "/whep/show", &token(2, "bert")).await;
    assert_eq!(same.status, 201, "{}", same.text());
}

#[tokio::test]
async fn a_signed_push_address_stands_for_a_token() {
    let routes = Routes::new(APPS);
    let push = |stream: &str, key_text: &str, end: u64| {
        let query = SignedAddress::query(&key(key_text), stream, end);
        format!("/whip/{stream}?{query}")
    };
    let later = now() + HOUR;
    let good = push("show", "push", later);
    for _ in 0..2 {
        let reply = routes.post(&good, offer(Direction::SendOnly)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert!(!reply.header("location").contains("txSecret"));
    }
    // Who holds the address is not the user who holds a token.
    publish(&routes, "/whip/show", &token(1, "anna"))
        .await
        .problem(409, "taken");

    for (path, code) in [
        (push("other", "push", now() - 1), "address-expired"),
        (push("other", "play", later), "address-invalid"),
        (good.replace("/show", "/other"), "address-invalid"),
        (push("2_other", "push", later), "address-invalid"),
        ("/whip/other?txTime=5C271099".to_owned(), "address-invalid"),
    ] {
        let reply = routes.post(&path, offer(Direction::SendOnly)).await;
        reply.problem(401, code);
        assert_eq!(reply.header("www-authenticate"), "Bearer", "{path}");
    }
    // A push address lets nobody watch, and a play address does.
    let reply = routes
        .post(&good.replace("whip", "whep"), offer(Direction::RecvOnly))
        .await;
    reply.problem(401, "address-invalid");
    let play = push("show", "play", later).replace("whip", "whep");
    let reply = routes.post(&play, offer(Direction::RecvOnly)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn an_app_may_require_the_rights_of_a_private_map_key() {
    let routes = Routes::new(APPS);
    let apps = Apps::new(settings(APPS).apps);
    let ticket = |user: &str, room: RoomId, privileges| {
        let user = user.parse().expect("user id");
        apps.sign_private_map_key(now(), AppId(3), &user, &room, privileges, HOUR)
            .expect("app")
    };
    let show = || RoomId::name("show").expect("name");
    for token in [
        token(3, "anna"),
        ticket("anna", show(), Privileges::AUDIENCE),
        ticket("anna", show(), Privileges::JOIN | Privileges::SEND_AUDIO),
        ticket(
            "anna",
            RoomId::name("other").expect("name"),
            Privileges::ALL,
        ),
    ] {
        let reply = publish(&routes, "/whip/show", &token).await;
        reply.problem(403, "private-map-key-refused");
        assert_eq!(error_code(&reply), Some(-100_006));
        assert_eq!(
            reply.header("www-authenticate"),
            "Bearer error=\"insufficient_scope\""
        );
    }
    assert_eq!(refused(&routes, "map_key_not_granted").await, 2);
    let anchor = ticket("anna", show(), Privileges::ALL);
    assert_eq!(publish(&routes, "/whip/show", &anchor).await.status, 201);
    let viewer = ticket("bert", show(), Privileges::AUDIENCE);
    let reply = watch(&routes, "/whep/show", &viewer).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn play_addresses_are_signed_where_the_app_has_a_key_for_them() {
    let routes = Routes::new(APPS);
    let query = |stream: &str, end| SignedAddress::query(&key("play"), stream, end);
    let later = now() + HOUR;
    for file in FILES {
        let path = format!("/live/1_room_anna_main{file}");
        routes
            .call("GET", &path)
            .await
            .problem(403, "address-unsigned");
        let expired = format!("{path}?{}", query("1_room_anna_main", now() - 1));
        let detail = routes
            .call("GET", &expired)
            .await
            .problem(403, "address-expired");
        assert!(detail.contains("expired"), "{detail}");
        assert_eq!(routes.call("HEAD", &expired).await.status, 403);
        let of_another = format!("{path}?{}", query("1_room_bert_main", later));
        routes
            .call("GET", &of_another)
            .await
            .problem(403, "address-invalid");
        // Signed: it is the stream that is not there.
        let good = format!("{path}?{}", query("1_room_anna_main", later));
        assert_eq!(routes.call("GET", &good).await.status, 404);
        // Another app signs none.
        let path = format!("/live/2_room_anna_main{file}");
        assert_eq!(routes.call("GET", &path).await.status, 404);
        // Whose stream it is cannot be told.
        let path = format!("/live/nobody{file}");
        routes
            .call("GET", &path)
            .await
            .problem(403, "address-unsigned");
    }
    assert_eq!(routes.call("OPTIONS", "/live/1_a.flv").await.status, 204);
    assert_eq!(routes.call("POST", "/live/1_a.flv").await.status, 405);
    assert_eq!(routes.call("GET", "/live/a.b.flv").await.status, 400);
}

/// What a header-only request for the file of a stream is answered with.
async fn ask(routes: &Routes, stream: &str, file: &str, headers: &[(&str, &str)]) -> Reply {
    let path = format!("/live/{stream}{file}");
    routes.send(request("GET", &path, headers, "")).await
}

const FILES: [&str; 4] = [".flv", ".m3u8", "/x-0.m4s", "/stream.mp4"];

#[tokio::test]
async fn pages_play_the_streams_of_apps_that_name_their_hosts() {
    let routes = Routes::new(
        r#"
apps = [
  { id = 1, keys = ["one"], referers = ["shop.example", "*.shop.example"], allow_no_referer = false },
  { id = 2, keys = ["two"], referers = ["fans.example"] },
  { id = 3, keys = ["three"] },
]
"#,
    );
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let (at_shop, at_fans) = (
        ("referer", "https://www.shop.example/a?b"),
        ("referer", "https://fans.example/"),
    );
    let (origin_shop, origin_null) = (("origin", "https://shop.example"), ("origin", "null"));
    // It is the stream that is not there where the page may play it.
    for (stream, from, allowed) in [
        ("1_a", Some(at_shop), true),
        ("1_a", Some(origin_shop), true),
        ("1_a", Some(at_fans), false),
        ("1_a", Some(origin_null), false),
        ("1_a", None, false),
        ("2_a", Some(at_fans), true),
        ("2_a", Some(at_shop), false),
        ("2_a", None, true),
        ("3_a", Some(at_shop), true),
        ("3_a", None, true),
    ] {
        let from: Vec<_> = from.into_iter().collect();
        for file in FILES {
            let reply = ask(&routes, stream, file, &from).await;
            if allowed {
                reply.problem(404, "not-live");
            } else {
                let detail = reply.problem(403, "referer-refused");
                assert_eq!(detail.contains("has to say"), from.is_empty(), "{detail}");
                // Nobody else is ever given the refusal.
                assert_eq!(reply.header("cache-control"), "no-store");
            }
        }
        let socket = [&from[..], &upgrade].concat();
        for file in [".flv", "/stream.mp4"] {
            let reply = ask(&routes, stream, file, &socket).await;
            assert_eq!(reply.status == 403, !allowed, "{stream} {from:?}");
        }
    }
    let page = routes.call("GET", "/metrics").await.text();
    let refusals = "weblive_http_viewers_refused_total{reason=\"referer\"} 24";
    assert!(page.contains(refusals), "4 pages, each 6 times");
    // What only asks how to ask needs no page.
    assert_eq!(routes.call("OPTIONS", "/live/1_a.flv").await.status, 204);
}

#[tokio::test]
async fn an_app_has_a_cors_rule_for_its_streams() {
    let routes = Routes::new(
        r#"
cors.origins = ["https://all.example"]
apps = [
  { id = 1, keys = ["one"], cors_origins = ["https://shop.example"] },
  { id = 2, keys = ["two"], cors_origins = ["*"] },
  { id = 3, keys = ["three"] },
]
"#,
    );
    let (all, shop) = ("https://all.example", "https://shop.example");
    for (stream, origin, allowed) in [
        ("1_a", shop, shop),
        ("1_a", all, ""),
        ("2_a", shop, "*"),
        ("3_a", all, all),
        ("3_a", shop, ""),
        ("unknown", all, all),
    ] {
        for file in FILES {
            let reply = ask(&routes, stream, file, &[("origin", origin)]).await;
            let said = reply.header("access-control-allow-origin");
            assert_eq!(said, allowed, "{stream}{file} from {origin}");
            // Caches keep what is for one origin apart.
            let varies = reply.headers.get_all("vary").iter();
            let varies = varies.filter(|v| v.as_bytes() == b"Origin").count();
            assert_eq!(varies, usize::from(allowed != "*"), "{stream}{file}");
        }
    }
    // Elsewhere the server's rule holds.
    let headers = [("origin", shop)];
    let reply = routes.send(request("GET", "/whep/1_a", &headers, "")).await;
    assert_eq!(reply.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_signed_address_is_revoked_and_no_other_of_its_stream() {
    let routes = Routes::new(&format!("api.tokens = [\"token-of-operators\"]\n{APPS}"));
    let api = async |method: &str, path: &str, body: &str| {
        let headers = [
            ("authorization", "Bearer token-of-operators"),
            ("weblive-app", "1"),
            ("content-type", "application/json"),
        ];
        let reply = routes
            .send(request(method, path, &headers, body.to_owned()))
            .await;
        assert!(reply.status.is_success(), "{}", reply.text());
        serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default()
    };
    let signed = |end| SignedAddress::query(&key("play"), "1_a", end);
    let (one, other) = (signed(now() + HOUR), signed(now() + 2 * HOUR));
    let secret = &one["txSecret=".len()..][..32];
    let body = format!("{{\"txSecret\": \"{secret}\", \"seconds\": 3600}}");
    let done = api("POST", "/api/v1/revocations", &body).await;
    assert_eq!(done["ended"], 0);
    for file in FILES {
        let file = format!("{file}?{one}");
        let reply = ask(&routes, "1_a", &file, &[]).await;
        let detail = reply.problem(403, "revoked");
        assert!(detail.contains("may come back in 3"), "{detail}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let whep = async |query: &str| {
        let path = format!("/whep/1_a?{query}");
        routes.post(&path, offer(Direction::RecvOnly)).await
    };
    whep(&one).await.problem(403, "revoked");
    let file = format!(".flv?{other}");
    ask(&routes, "1_a", &file, &[])
        .await
        .problem(404, "not-live");
    whep(&other).await.problem(409, "not-live");
    let page = routes.call("GET", "/metrics").await.text();
    for line in [
        "weblive_http_viewers_refused_total{reason=\"revoked\"} 5",
        "weblive_http_revocations 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}");
    }
    let id = &done["revocation"];
    api("DELETE", &format!("/api/v1/revocations/{id}"), "").await;
    let file = format!(".flv?{one}");
    ask(&routes, "1_a", &file, &[])
        .await
        .problem(404, "not-live");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_playlist_names_signed_files_and_a_stream_is_its_apps_while_it_lingers() {
    let routes = Routes::new(APPS);
    let (publisher, offered) = Publisher::new().await;
    let reply = post(&routes, "/whip/show", &token(1, "anna"), offered).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let (state, sending) = publisher.start(&reply.text());
    until("the publisher is connected", || state.is_connected()).await;

    let query = SignedAddress::query(&key("play"), "show", now() + HOUR);
    let path = format!("/live/show.m3u8?{query}");
    let mut playlist = None;
    for _ in 0..40 {
        let reply = routes.call("GET", &path).await;
        if reply.status == 200 {
            playlist = Some(reply);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    let playlist = playlist.expect("a playlist within 10 s");
    let length = playlist.body.len().to_string();
    assert_eq!(playlist.header("content-length"), length);
    let text = playlist.text();
    let map = text
        .split("#EXT-X-MAP:URI=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("a map");
    let first = |text: &str| {
        let mut lines = text.lines();
        let named = lines.find(|line| !line.starts_with('#') && !line.is_empty());
        named.expect("a segment").to_owned()
    };
    // Of MPEG-TS too, whose segments stand beside their playlist.
    let transport = format!("/live/show/ts.m3u8?{query}");
    let reply_of_transport = routes.call("GET", &transport).await;
    assert_eq!(reply_of_transport.status, 200);
    let of_transport = format!("show/{}", first(&reply_of_transport.text()));
    assert!(of_transport.contains(".ts?"), "{of_transport}");
    for file in [map, &first(&text), "show/ts.m3u8?", &of_transport] {
        let file = file.replace("m3u8?", &format!("m3u8?{query}"));
        assert!(file.ends_with(&query), "{file}");
        let path = format!("/live/{file}");
        assert_eq!(routes.call("GET", &path).await.status, 200, "{path}");
        let unsigned = path.split('?').next().expect("a path");
        routes
            .call("GET", unsigned)
            .await
            .problem(403, "address-unsigned");
    }

    // The stream ends, and its playlist stays for a while: as protected as before.
    let location = reply.header("location");
    assert_eq!(routes.call("DELETE", location).await.status, 200);
    sending.abort();
    until("nobody publishes", || {
        routes.workers.snapshot().publishers == 0
    })
    .await;
    routes
        .call("GET", "/live/show.m3u8")
        .await
        .problem(403, "address-unsigned");
    assert_eq!(routes.call("GET", &path).await.status, 200);
}
