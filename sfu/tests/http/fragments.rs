//! fMP4 over HTTP and over WebSockets, on real sockets.

use http_body_util::BodyExt;
use reqwest::Response;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::show::{Show, ask, binary, closed, http2, refused};
use crate::support::PATIENCE;

const STREAM: &str = "/live/show/stream.mp4";

/// Names of the boxes that are there as a whole.
fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(size) = bytes.first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        let Some(rest) = bytes.get(size..) else {
            break;
        };
        names.push(String::from_utf8(bytes[4..8].to_vec()).expect("a name"));
        bytes = rest;
    }
    names
}

/// Reads until so many fragments are there.
async fn fragments(response: &mut Response, count: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    loop {
        let chunk = timeout(PATIENCE, response.chunk()).await;
        bytes.extend(chunk.expect("in time").expect("whole").expect("open"));
        let names = names(&bytes);
        if names.iter().filter(|name| *name == "mdat").count() >= count {
            return names;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_has_the_section_then_fragments_and_ends_with_the_broadcast() {
    let show = Show::small("relay.linger = \"0s\"\n").await;
    let url = format!("http://{}{STREAM}", show.address);
    let head = reqwest::Client::new().head(&url).send().await;
    let kind = |response: &Response| {
        let kind = response.headers()["content-type"].to_str().expect("text");
        kind.to_owned()
    };
    let mut response = reqwest::get(&url).await.expect("response");
    assert_eq!(response.status(), 200);
    let told = kind(&response);
    assert!(told.starts_with("video/mp4; codecs=\"avc1."), "{told}");
    assert!(told.ends_with(",mp4a.40.2\""), "{told}");
    assert_eq!(kind(&head.expect("response")), told);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let seen = fragments(&mut response, 8).await;
    assert_eq!(seen[..5], ["ftyp", "moov", "styp", "moof", "mdat"]);
    show.is("weblive_relay_viewers{protocol=\"fmp4\"}", 1.0)
        .await;
    let sent = "weblive_relay_sent_bytes_total{protocol=\"fmp4\"}";
    assert!(show.metric(sent).await > 1e4);
    show.end_broadcast().await;
    // Its last chunk says that it is whole.
    let rest = async { while response.chunk().await.expect("whole").is_some() {} };
    timeout(PATIENCE, rest).await.expect("over");
    show.is("weblive_relay_viewers_closed_total{reason=\"ended\"}", 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_has_a_message_for_each_and_an_operator_ends_it() {
    let show = Show::small("").await;
    let (mut socket, _) = connect_async(show.ws(STREAM)).await.expect("opened");
    assert_eq!(names(&binary(&mut socket).await), ["ftyp", "moov"]);
    assert_eq!(names(&binary(&mut socket).await), ["styp", "moof", "mdat"]);
    for _ in 0..6 {
        let message = binary(&mut socket).await;
        assert!(names(&message).ends_with(&["moof".to_owned(), "mdat".to_owned()]));
    }
    show.is("weblive_relay_viewers{protocol=\"ws_fmp4\"}", 1.0)
        .await;
    let mut response = reqwest::get(format!("http://{}{STREAM}", show.address)).await;
    let list = show.api("GET", "/streams/show/viewers", "").await;
    let transports = list["items"].as_array().expect("a list").iter();
    let transports: Vec<_> = transports.map(|one| one["transport"].as_str()).collect();
    assert_eq!(transports, [Some("websocket"), Some("http")]);
    let body = r#"{"address": "127.0.0.1", "stream": "show", "seconds": 600}"#;
    assert_eq!(show.api("POST", "/revocations", body).await["ended"], 2);
    assert_eq!(closed(&mut socket).await, CloseCode::Policy);
    let body = response.as_mut().expect("response");
    let over = async { while let Ok(Some(_)) = body.chunk().await {} };
    timeout(PATIENCE, over).await.expect("over");
    for protocol in ["fmp4", "ws_fmp4"] {
        let viewers = format!("weblive_relay_viewers{{protocol=\"{protocol}\"}}");
        show.is(&viewers, 0.0).await;
    }
    assert_eq!(refused(show.ws(STREAM)).await, (403, "revoked".to_owned()));
    let refusal = reqwest::get(format!("http://{}{STREAM}", show.address)).await;
    let refusal: Value =
        serde_json::from_slice(&refusal.expect("response").bytes().await.expect("whole"))
            .expect("JSON");
    assert_eq!(refusal["code"], "revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_its_broadcast_and_is_refused_as_requests_are() {
    let show = Show::small("relay.linger = \"0s\"\nrelay.max_viewers = 1\n").await;
    let said = |status: u16, code: &str| (status, code.to_owned());
    let other = show.ws("/live/nobody/stream.mp4");
    assert_eq!(refused(other).await, said(404, "not-live"));
    let bad = show.ws("/live/show/stream.mp4?latency=fast");
    assert_eq!(refused(bad).await, said(400, "bad-latency"));
    let (mut socket, _) = connect_async(show.ws(STREAM)).await.expect("opened");
    assert_eq!(refused(show.ws(STREAM)).await, said(503, "limit-reached"));
    show.end_broadcast().await;
    assert_eq!(closed(&mut socket).await, CloseCode::Normal);
    assert_eq!(refused(show.ws(STREAM)).await, said(404, "ended"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_that_take_nothing_are_closed() {
    let show = Show::large("relay.viewer_timeout = \"1s\"\n").await;
    let stalled = "weblive_relay_viewers_closed_total{reason=\"stalled\"}";
    let http = format!("GET {STREAM} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut http = ask(show.address, &http).await;
    show.is(stalled, 1.0).await;
    let websocket = format!(
        "GET {STREAM} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut websocket = ask(show.address, &websocket).await;
    show.is(stalled, 2.0).await;
    for stream in [&mut http, &mut websocket] {
        let mut taken = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut taken));
        let _ = read.await.expect("the connection is closed");
        assert!(taken.starts_with(b"HTTP/1.1 "));
    }
    // Over HTTP/2 the stream alone.
    let mut sender = http2(show.address).await;
    let response = sender.send_request(show.get(STREAM)).await;
    let mut body = response.expect("answer").into_body();
    show.is(stalled, 3.0).await;
    let broken = async { while let Some(Ok(_)) = body.frame().await {} };
    timeout(PATIENCE, broken).await.expect("reset");
    let other = sender.send_request(show.get("/healthz")).await;
    assert_eq!(other.expect("answer").status(), 200);
}
