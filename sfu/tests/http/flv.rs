//! FLV over HTTP and over WebSockets, on real sockets.

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use sfu::auth::SignedAddress;
use sfu::server::Server;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::show::{Show, ask, binary, closed, http2, refused};
use crate::support::{PATIENCE, settings};

/// Types and times of whole tags.
fn tags(mut bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut tags = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes([0, bytes[1], bytes[2], bytes[3]]) as usize;
        let time = u32::from_be_bytes([bytes[7], bytes[4], bytes[5], bytes[6]]);
        tags.push((bytes[0], time));
        let (tag, rest) = bytes.split_at(11 + size + 4);
        assert_eq!(tag[11 + size..], (11 + size as u32).to_be_bytes());
        bytes = rest;
    }
    tags
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_carries_the_stream_in_whole_tags() {
    let show = Show::small("relay.linger = \"0s\"\n").await;
    let (mut socket, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    let first = binary(&mut socket).await;
    assert!(first.starts_with(b"FLV\x01\x05"), "{:?}", &first[..5]);
    let mut seen = tags(&first[13..]);
    assert_eq!(seen[0], (18, 0));
    while seen.len() < 100 {
        seen.extend(tags(&binary(&mut socket).await));
    }
    for kind in [8, 9] {
        let times: Vec<u32> = seen.iter().filter(|t| t.0 == kind).map(|t| t.1).collect();
        assert!(times.len() > 20 && times.is_sorted(), "{kind}: {times:?}");
    }
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 1.0)
        .await;
    assert!(
        show.metric("weblive_relay_sent_bytes_total{protocol=\"ws_flv\"}")
            .await
            > 1e4
    );
    // What a client says changes nothing, and a ping has its answer.
    socket.send(Message::text("{}")).await.expect("sent");
    socket
        .send(Message::Ping("hello".into()))
        .await
        .expect("sent");
    loop {
        let next = timeout(PATIENCE, socket.next()).await;
        let next = next.expect("in time").expect("open").expect("whole");
        if let Message::Pong(said) = next {
            break assert_eq!(said, "hello");
        }
    }
    show.is("weblive_http_viewer_messages_ignored_total", 1.0)
        .await;
    show.end_broadcast().await;
    assert_eq!(closed(&mut socket).await, CloseCode::Normal);
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 0.0)
        .await;
    show.is("weblive_relay_viewers_closed_total{reason=\"ended\"}", 1.0)
        .await;
    assert_eq!(
        refused(show.ws("/live/show.flv")).await,
        (404, "ended".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_closed_when_its_client_says_too_much_or_goes() {
    let show = Show::small("").await;
    let (mut loud, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    loud.send(Message::text("x".repeat(5_000)))
        .await
        .expect("sent");
    assert_eq!(closed(&mut loud).await, CloseCode::Size);
    let (mut polite, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    polite.close(None).await.expect("sent");
    while let Some(Ok(_)) = polite.next().await {}
    let (gone, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    drop(gone);
    show.is("weblive_relay_viewers_closed_total{reason=\"left\"}", 3.0)
        .await;
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 0.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_told_of_the_shutdown() {
    let mut show = Show::small("").await;
    let (mut socket, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    binary(&mut socket).await;
    let server = show.server.take().expect("once");
    let (code, _) = tokio::join!(closed(&mut socket), server.shut_down());
    assert_eq!(code, CloseCode::Away);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_are_refused_as_requests_are() {
    let show = Show::small(
        "cors.origins = [\"https://shop.example\"]\nrelay.max_viewers_per_address = 2\n",
    )
    .await;
    let said = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(
        refused(show.ws("/live/nobody.flv")).await,
        said(404, "not-live")
    );
    let url = show.ws("/live/show.flv?latency=fast");
    assert_eq!(refused(url).await, said(400, "bad-latency"));
    let from = |origin: &str| {
        let mut request = show
            .ws("/live/show.flv")
            .into_client_request()
            .expect("request");
        request
            .headers_mut()
            .insert("origin", origin.parse().expect("value"));
        request
    };
    for other in ["https://evil.example", "null"] {
        assert_eq!(refused(from(other)).await, said(403, "origin-refused"));
    }
    show.is("weblive_http_viewers_refused_total{reason=\"origin\"}", 2.0)
        .await;
    let own = format!("http://{}", show.address);
    let (named, _) = connect_async(from("https://shop.example"))
        .await
        .expect("opened");
    let (same, _) = connect_async(from(&own)).await.expect("opened");
    assert_eq!(
        refused(show.ws("/live/show.flv")).await,
        said(429, "too-many-viewers")
    );
    show.is(
        "weblive_http_viewers_refused_total{reason=\"address\"}",
        1.0,
    )
    .await;
    drop((named, same));
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 0.0)
        .await;
    // Playlists and segments have no such side: the upgrade is not heeded.
    let answer = connect_async(show.ws("/live/nobody.m3u8")).await;
    assert!(matches!(answer, Err(Error::Http(response)) if response.status() == 404));
    let mut request = from(&own);
    request.headers_mut().remove("sec-websocket-version");
    request
        .headers_mut()
        .insert("sec-websocket-version", "12".parse().expect("value"));
    assert_eq!(refused(request).await, said(426, "websocket-required"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_takes_a_place_of_the_viewers() {
    let show = Show::small("relay.max_viewers = 1\n").await;
    let (socket, _) = connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
    let full = refused(show.ws("/live/show.flv")).await;
    assert_eq!(full, (503, "limit-reached".to_owned()));
    drop(socket);
    show.is("weblive_relay_viewers{protocol=\"ws_flv\"}", 0.0)
        .await;
    connect_async(show.ws("/live/show.flv"))
        .await
        .expect("opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_address_opens_a_websocket_with_its_choice_of_latency() {
    let server = Server::start(&settings(
        "apps = [{ id = 1, keys = [\"one\"], play_url_key = \"play\" }]\n",
    ))
    .await
    .expect("server");
    let address = format!("ws://{}/live/1_room_anna_main.flv", server.local_addr());
    let said = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(
        refused(address.as_str()).await,
        said(403, "address-unsigned")
    );
    let end = crate::access::now() + 3_600;
    let key = "play".parse().expect("key");
    let query = SignedAddress::query(&key, "1_room_anna_main", end);
    // Signed: it is the stream that is not there.
    let signed = format!("{address}?latency=smooth&{query}");
    assert_eq!(refused(signed).await, said(404, "not-live"));
}

const STALLED: &str = "weblive_relay_viewers_closed_total{reason=\"stalled\"}";
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_that_take_nothing_are_closed() {
    let show = Show::large("relay.viewer_timeout = \"1s\"\n").await;
    let http = "GET /live/show.flv HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut http = ask(show.address, http).await;
    show.is(STALLED, 1.0).await;
    let websocket = "GET /live/show.flv HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut websocket = ask(show.address, websocket).await;
    show.is(STALLED, 2.0).await;
    show.is(
        "weblive_http_connections_dropped_total{reason=\"viewer_stalled\"}",
        1.0,
    )
    .await;
    for protocol in ["flv", "ws_flv"] {
        let viewers = format!("weblive_relay_viewers{{protocol=\"{protocol}\"}}");
        show.is(&viewers, 0.0).await;
    }
    // What was on the way is all that comes.
    for stream in [&mut http, &mut websocket] {
        let mut taken = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut taken));
        let _ = read.await.expect("the connection is closed");
        assert!(
            taken.starts_with(b"HTTP/1.1 ") && taken.len() < 1 << 20,
            "{}",
            taken.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http2_stream_that_takes_nothing_is_reset_alone() {
    let show = Show::large("relay.viewer_timeout = \"1s\"\n").await;
    let mut sender = http2(show.address).await;
    let response = sender.send_request(show.get("/live/show.flv")).await;
    let response = response.expect("answer");
    assert_eq!(response.version(), http::Version::HTTP_2);
    show.is(STALLED, 1.0).await;
    let mut body = response.into_body();
    let broken = async {
        let mut bytes = 0;
        loop {
            match body.frame().await {
                Some(Ok(frame)) => bytes += frame.into_data().map_or(0, |data| data.len()),
                Some(Err(error)) => return (bytes, error.to_string()),
                None => panic!("it ended as if it were whole"),
            }
        }
    };
    let (bytes, _) = timeout(PATIENCE, broken).await.expect("reset");
    assert!(bytes <= 100_000, "{bytes}");
    // The connection is of use still.
    let other = sender
        .send_request(show.get("/healthz"))
        .await
        .expect("answer");
    assert_eq!(other.status(), 200);
    show.is(STALLED, 1.0).await;
}
