//! What no honest client sends.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::client::Client;
use crate::server::{port, serve};

#[tokio::test]
async fn frames_that_are_too_large_or_binary_close_the_socket() {
    let server = serve("signal.max_message_bytes = 32768").await;
    let port = port(&server);
    let mut client = Client::user(port, "anna").await;
    client.send_text(&"x".repeat(32_769)).await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1009, "{reason}");
    assert!(reason.contains("larger"), "{reason}");

    let mut client = Client::user(port, "anna").await;
    client.send_frame(Message::binary(vec![0; 10])).await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1003, "{reason}");
    assert!(reason.contains("text"), "{reason}");
    server.shut_down().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_harms_nobody_else() {
    let server = serve("").await;
    let port = port(&server);
    let mut other = Client::user(port, "ben").await;
    let deep = format!(
        "{{\"id\":1,\"type\":\"ping\",\"x\":{}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    for wrong in ["", "{", "null", "[]", "ping", "{\"type\":\"ping\"}", &deep] {
        let mut client = Client::user(port, "anna").await;
        client.send_text(wrong).await;
        assert_eq!(client.closed().await.0, 4000, "{:.20}", wrong);
    }
    // With an id there is an answer, and the socket stays.
    let mut client = Client::user(port, "anna").await;
    for wrong in [
        json!({ "type": "launchRockets" }),
        json!({ "type": "ping", "more": 1 }),
        json!({ "type": "enterRoom", "room": -1, "part": "all" }),
        json!({ "type": "enterRoom", "room": "a\u{0}b", "part": "all" }),
    ] {
        let name = wrong["type"].as_str().expect("a name").to_owned();
        let error = client.ask(&name, wrong).await.expect_err("refused");
        let message = error["message"].as_str().expect("a sentence");
        assert!(!message.is_empty() && error["code"].is_i64(), "{error}");
    }
    client.ask("ping", json!({})).await.expect("a pong");
    other.ask("ping", json!({})).await.expect("a pong");
    server.shut_down().await;
}

#[tokio::test]
async fn frames_that_are_no_websocket_frames_end_the_connection() {
    let server = serve("").await;
    let client = Client::user(port(&server), "anna").await;
    let mut stream = client.into_stream();
    // Reserved bits, an unknown opcode, no mask (RFC 6455 §5.2).
    stream.write_all(&[0xff; 64]).await.expect("written");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
    // A reset is as good an end.
    let _ = read.await.expect("it ends");
    let close = [0x88];
    assert!(rest.is_empty() || rest.starts_with(&close), "{rest:?}");
    server.shut_down().await;
}

#[tokio::test]
async fn a_flood_of_requests_is_refused_and_then_closed_and_others_are_served() {
    let server = serve("signal.messages_per_second = 20\nsignal.message_burst = 20").await;
    let port = port(&server);
    let mut other = Client::user(port, "ben").await;
    let mut client = Client::user(port, "anna").await;
    let flood = tokio::spawn(async move {
        for _ in 0..2_000 {
            client.send("ping", json!({})).await;
        }
        client.closed().await
    });
    let mut worst = Duration::ZERO;
    let end = Instant::now() + Duration::from_secs(60);
    while !flood.is_finished() {
        let asked = Instant::now();
        other.ask("ping", json!({})).await.expect("a pong");
        worst = worst.max(asked.elapsed());
        assert!(Instant::now() < end, "the flood goes on");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(flood.await.expect("closed").0, 4004);
    assert!(worst < Duration::from_secs(5), "others waited {worst:?}");
    server.shut_down().await;
}

#[tokio::test]
async fn a_socket_without_a_login_is_closed_in_time() {
    let server = serve("signal.login_timeout = \"1s\"").await;
    let port = port(&server);
    let mut silent = Client::open(port).await;
    let mut talkative = Client::open(port).await;
    let error = talkative.ask("ping", json!({})).await;
    let enter = json!({ "room": 1, "part": "all" });
    talkative
        .ask("enterRoom", enter)
        .await
        .expect_err("nobody is there yet");
    drop(error);
    assert_eq!(silent.closed().await.0, 4003);
    assert_eq!(talkative.closed().await.0, 4003);
    server.shut_down().await;
}

#[tokio::test]
async fn logins_that_fail_are_no_way_to_try_tokens_without_end() {
    let toml = "apps = [{ id = 1, keys = [\"k1\"] }]\n\
        signal.messages_per_second = 20\nsignal.message_burst = 20\nsignal.login_timeout = \"5s\"";
    let server = serve(toml).await;
    let mut client = Client::open(port(&server)).await;
    for _ in 0..2_000 {
        let login = json!({ "version": 1, "app": 1, "user": "anna", "userSig": "eJw" });
        client.send("login", login).await;
    }
    let (code, reason) = client.closed().await;
    assert!([4003, 4004].contains(&code), "{code} {reason}");
    server.shut_down().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_off_an_open_server() {
    let server = serve("").await;
    let port = port(&server);
    let open = async |origin: &str| Client::open_with(port, &[("origin", origin)], None).await;
    for origin in ["http://localhost:5173", "http://127.0.0.1:8080"] {
        assert!(open(origin).await.is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null"] {
        let refused = open(origin).await.err().expect("refused");
        assert_eq!(refused.status, 403, "{origin}");
        assert!(refused.body.contains("origin-refused"), "{}", refused.body);
    }
    server.shut_down().await;
}

#[tokio::test]
async fn sockets_are_bounded_for_one_address() {
    let server = serve("signal.max_sockets_per_address = 3").await;
    let port = port(&server);
    let mut clients = Vec::new();
    for n in 0..3 {
        clients.push(Client::user(port, &format!("user{n}")).await);
    }
    let refused = Client::open_with(port, &[], None).await.err();
    assert_eq!(refused.expect("refused").status, 429);
    clients.pop();
    let end = Instant::now() + Duration::from_secs(10);
    while Client::open_with(port, &[], None).await.is_err() {
        assert!(Instant::now() < end, "the place is not free again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.shut_down().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_an_address_of_its_own() {
    let toml = "signal.max_sockets_per_address = 2\nhttp.trusted_proxies = [\"127.0.0.0/8\"]";
    let server = serve(toml).await;
    let port = port(&server);
    let open = async |field: &'static str, value: &str| {
        Client::open_with(port, &[(field, value)], None).await
    };
    let mut open_ones = Vec::new();
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        for before in ["", "203.0.113.5, ", "not an address, "] {
            // What a client says of itself stands left of what the proxy has seen.
            let value = format!("{before}{client}");
            match open("x-forwarded-for", &value).await {
                Ok(socket) => open_ones.push(socket),
                Err(refused) => assert_eq!(refused.status, 429),
            }
        }
        let refused = open("x-forwarded-for", client).await.err();
        assert_eq!(refused.expect("refused").status, 429, "{client}");
    }
    assert_eq!(open_ones.len(), 6);
    let standard = open("forwarded", "for=198.51.100.1;proto=https").await;
    assert_eq!(standard.err().expect("refused").status, 429);
    // Without an address the proxy itself is meant.
    let _own = open("x-forwarded-for", "unknown").await.expect("a socket");
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
    let page = metrics.expect("a page").text().await.expect("a text");
    let line = "weblive_http_forwarded_ignored_total{reason=\"malformed\"} 1\n";
    assert!(page.contains(line), "{page}");
    server.shut_down().await;
}

#[tokio::test]
async fn a_client_that_is_no_trusted_proxy_has_the_address_that_it_comes_from() {
    let toml = "signal.max_sockets_per_address = 2\nhttp.trusted_proxies = [\"10.0.0.0/8\"]";
    let server = serve(toml).await;
    let port = port(&server);
    let mut sockets = Vec::new();
    for n in 0..6 {
        let spoofed = format!("198.51.100.{n}");
        let standard = format!("for={spoofed}");
        let fields = [("x-forwarded-for", &*spoofed), ("forwarded", &*standard)];
        match Client::open_with(port, &fields, None).await {
            Ok(socket) => sockets.push(socket),
            Err(refused) => assert_eq!(refused.status, 429),
        }
    }
    assert_eq!(sockets.len(), 2);
    let metrics = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
    let page = metrics.expect("a page").text().await.expect("a text");
    let line = "weblive_http_forwarded_ignored_total{reason=\"untrusted\"} 6\n";
    assert!(page.contains(line), "{page}");
    server.shut_down().await;
}

#[tokio::test]
async fn a_request_that_opens_no_websocket_is_told_what_to_do() {
    let server = serve("").await;
    let url = format!("http://127.0.0.1:{}/signal", port(&server));
    let reply = reqwest::get(url).await.expect("a reply");
    assert_eq!(reply.status(), 426);
    assert_eq!(reply.headers()["upgrade"], "websocket");
    assert!(reply.text().await.expect("a text").contains("WebSocket"));
    server.shut_down().await;
}
