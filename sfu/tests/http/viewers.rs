//! Who may watch: places by address, the list of viewers, and what ends one.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::show::{Show, ask, binary, closed, http2, refused};
use crate::support::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_of_one_address_are_bounded_whatever_they_play_over() {
    let show =
        Show::small("relay.max_viewers_per_address = 2\nhttp.trusted_proxies = [\"127.0.0.1\"]\n")
            .await;
    let http = reqwest::Client::new();
    let get = async |path: &str, client: &str| {
        http.get(format!("http://{}{path}", show.address))
            .header("x-forwarded-for", client)
            .send()
            .await
            .expect("response")
    };
    let websocket = |client: &str| {
        let mut request = show
            .ws("/live/show.flv")
            .into_client_request()
            .expect("request");
        let client = client.parse().expect("value");
        request.headers_mut().insert("x-forwarded-for", client);
        request
    };
    // Two hosts of one IPv6 network, over two protocols.
    let mut first = get("/live/show.flv", "2001:db8:0:1::1").await;
    assert_eq!(first.status(), 200);
    let (second, _) = connect_async(websocket("2001:db8:0:1::2"))
        .await
        .expect("opened");
    for path in [
        "/live/show.flv",
        "/live/show.m3u8",
        "/live/show/x-0.m4s",
        "/live/show/stream.mp4",
    ] {
        let full = get(path, "2001:db8:0:1::3").await;
        assert_eq!(full.status(), 429, "{path}");
        assert_eq!(full.headers()["retry-after"], "5");
        let problem = full.bytes().await.expect("whole");
        let problem: serde_json::Value =
            serde_json::from_slice(&problem).expect("a problem document");
        assert_eq!(problem["code"], "too-many-viewers");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.ends_with("as one may have: 2"), "{detail}");
    }
    assert_eq!(
        refused(websocket("2001:db8:0:1::4")).await,
        (429, "too-many-viewers".to_owned())
    );
    let refusals = "weblive_http_viewers_refused_total{reason=\"address\"}";
    show.is(refusals, 5.0).await;
    // Others have their places, and those who watch watch on.
    let other = get("/live/show.flv", "2001:db8:0:2::1").await;
    assert_eq!(other.status(), 200);
    assert_eq!(get("/live/show.m3u8", "192.0.2.1").await.status(), 200);
    let mut bytes = 0;
    while bytes < 20_000 {
        let chunk = timeout(PATIENCE, first.chunk()).await;
        bytes += chunk.expect("in time").expect("whole").expect("open").len();
    }
    // Who goes makes place, over either protocol.
    drop((first, second));
    show.is("weblive_relay_viewers{protocol=\"flv\"}", 1.0)
        .await;
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 0.0)
        .await;
    let (_third, _) = connect_async(websocket("2001:db8:0:1::5"))
        .await
        .expect("opened");
    let fourth = get("/live/show.flv", "2001:db8:0:1::6").await;
    assert_eq!(fourth.status(), 200);
    assert_eq!(get("/live/show.flv", "2001:db8:0:1::7").await.status(), 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_viewers_who_do_not_come_back_for_a_time() {
    let show = Show::small("http.trusted_proxies = [\"127.0.0.1\"]\n").await;
    let http = reqwest::Client::new();
    let get = async |path: &str, client: &str| {
        http.get(format!("http://{}{path}", show.address))
            .header("x-forwarded-for", client)
            .send()
            .await
            .expect("response")
    };
    let (bad, good) = ("198.51.100.1", "198.51.100.2");
    let mut first = get("/live/show.flv", bad).await;
    let mut request = show
        .ws("/live/show.flv")
        .into_client_request()
        .expect("request");
    let client = bad.parse().expect("value");
    request.headers_mut().insert("x-forwarded-for", client);
    let (mut second, _) = connect_async(request.clone()).await.expect("opened");
    let mut third = get("/live/show.flv", good).await;
    binary(&mut second).await;
    let list = "/streams/show/viewers";
    let viewers = show.api("GET", list, "").await;
    let viewers = viewers["items"].as_array().expect("a list");
    let seen: Vec<_> = viewers
        .iter()
        .map(|viewer| (viewer["address"].as_str(), viewer["transport"].as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (Some(bad), Some("http")),
            (Some(bad), Some("websocket")),
            (Some(good), Some("http"))
        ]
    );
    assert!(viewers[1]["sentBytes"].as_u64() > Some(13), "{viewers:?}");
    assert!(viewers[1]["since"].as_u64() > Some(1_700_000_000));

    // One of them: it is closed, and its address is not let in again.
    let one = format!("{list}/{}?seconds=600", viewers[0]["viewer"]);
    assert_eq!(show.api("DELETE", &one, "").await["ended"], 1);
    let ended = async { while let Ok(Some(_)) = first.chunk().await {} };
    timeout(PATIENCE, ended).await.expect("over");
    show.is(
        "weblive_relay_viewers_closed_total{reason=\"revoked\"}",
        1.0,
    )
    .await;
    for path in [
        "/live/show.flv",
        "/live/show.m3u8",
        "/live/show/x-0.m4s",
        "/live/show/stream.mp4",
    ] {
        let reply = get(path, bad).await;
        assert_eq!(reply.status(), 403, "{path}");
        assert!(reply.text().await.expect("text").contains("\"revoked\""));
    }
    assert_eq!(refused(request.clone()).await, (403, "revoked".to_owned()));
    assert_eq!(show.api("DELETE", &one, "").await["ended"], 0);

    // The rest of its address.
    let body = r#"{"address": "198.51.100.1", "seconds": 600}"#;
    let done = show.api("POST", "/revocations", body).await;
    assert_eq!(done["ended"], 1);
    assert_eq!(closed(&mut second).await, CloseCode::Policy);
    show.is(
        "weblive_relay_viewers_closed_total{reason=\"revoked\"}",
        2.0,
    )
    .await;
    show.is(
        "weblive_http_viewers_refused_total{reason=\"revoked\"}",
        5.0,
    )
    .await;
    show.is("weblive_http_revocations", 2.0).await;

    // Others watch on, and come.
    let mut bytes = 0;
    while bytes < 20_000 {
        let chunk = timeout(PATIENCE, third.chunk()).await;
        bytes += chunk.expect("in time").expect("whole").expect("open").len();
    }
    assert_eq!(get("/live/show.m3u8", good).await.status(), 200);
    let viewers = show.api("GET", list, "").await;
    assert_eq!(viewers["items"].as_array().map(Vec::len), Some(1));

    // Both are lifted.
    let kept = show.api("GET", "/revocations", "").await;
    for revocation in kept["items"].as_array().expect("a list") {
        let id = &revocation["revocation"];
        let url = format!("http://{}/api/v1/revocations/{id}", show.address);
        assert_eq!(
            http.delete(url).send().await.expect("response").status(),
            204
        );
    }
    assert_eq!(get("/live/show.flv", bad).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_takes_nothing_is_ended_at_once_too() {
    let show = Show::large("relay.viewer_timeout = \"1m\"\n").await;
    let request = "GET /live/show.flv HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stream = ask(show.address, request).await;
    let end = Instant::now() + PATIENCE;
    while show.api("GET", "/streams/show/viewers", "").await["items"] == serde_json::json!([]) {
        assert!(Instant::now() < end, "nobody watches");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = show
        .api(
            "POST",
            "/revocations",
            r#"{"address": "127.0.0.1", "stream": "show", "seconds": 0}"#,
        )
        .await;
    assert_eq!(done, serde_json::json!({"ended": 1, "revocation": null}));
    for (line, count) in [
        ("weblive_relay_viewers{protocol=\"flv\"}", 0.0),
        (
            "weblive_relay_viewers_closed_total{reason=\"revoked\"}",
            1.0,
        ),
        (
            "weblive_http_connections_dropped_total{reason=\"viewer_revoked\"}",
            1.0,
        ),
    ] {
        show.is(line, count).await;
    }
    let mut taken = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut taken));
    let _ = read.await.expect("the connection is closed");
    assert!(taken.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_http2_connection_the_stream_alone_is_ended() {
    let show = Show::small("").await;
    let mut sender = http2(show.address).await;
    let response = sender.send_request(show.get("/live/show.flv")).await;
    let mut body = response.expect("answer").into_body();
    let first = timeout(PATIENCE, body.frame()).await;
    assert!(matches!(first, Ok(Some(Ok(_)))), "{first:?}");
    let viewers = show.api("GET", "/streams/show/viewers", "").await;
    let one = &viewers["items"][0]["viewer"];
    let one = format!("/streams/show/viewers/{one}?seconds=600");
    assert_eq!(show.api("DELETE", &one, "").await["ended"], 1);
    let over = async { while let Some(Ok(_)) = body.frame().await {} };
    timeout(PATIENCE, over).await.expect("over");
    show.is(
        "weblive_relay_viewers_closed_total{reason=\"revoked\"}",
        1.0,
    )
    .await;
    let other = sender.send_request(show.get("/healthz")).await;
    assert_eq!(other.expect("answer").status(), 200);
    let refused = sender.send_request(show.get("/live/show.flv")).await;
    assert_eq!(refused.expect("answer").status(), 403);
}
