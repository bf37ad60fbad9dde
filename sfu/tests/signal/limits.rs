//! Sockets that say nothing, take nothing, or are too many.

use serde_json::json;
use std::time::Duration;

use crate::client::Client;
use crate::rooms::{say, speakers};
use crate::server::{metric, port, serve};

#[tokio::test]
async fn a_client_that_answers_no_pings_is_closed_and_can_resume() {
    let server = serve("signal.idle_timeout = \"5s\"").await;
    let port = port(&server);
    let mut lively = Client::user(port, "ben").await;
    let mut silent = Client::user(port, "anna").await;
    // The library answers pings whenever it is asked for the next message.
    let (enough, mut has_enough) = tokio::sync::oneshot::channel::<()>();
    let reading = tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = &mut has_enough => return lively,
                message = lively.next() => {
                    message.expect("it stays open");
                }
            }
        }
    });
    metric(
        &server,
        "weblive_signal_sockets_closed_total{reason=\"silent\"} 1",
    )
    .await;
    let session = silent.session();
    assert_eq!(silent.closed().await.0, 4008);
    let mut again = Client::open(port).await;
    again.resume(&session).await.expect("resumed");
    enough.send(()).expect("it reads still");
    let mut lively = reading.await.expect("it reads");
    lively.ask("ping", json!({})).await.expect("still there");
    server.shut_down().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_in_time_and_can_resume() {
    // Enough may wait for it, so that only the time ends it.
    let toml = "http.write_timeout = \"1s\"\nsignal.max_waiting_bytes = 536870912\n\
        signal.max_waiting_messages = 100000";
    let server = serve(toml).await;
    let port = port(&server);
    let mut anna = Client::user(port, "anna").await;
    anna.ask("createRoom", json!({ "room": 1 }))
        .await
        .expect("made");
    let mut stuck = Client::open_with(port, &[], Some(4_096))
        .await
        .expect("a socket");
    stuck
        .login(0, Some("stuck"), None)
        .await
        .expect("logged in");
    stuck
        .ask("enterRoom", json!({ "room": 1, "part": "all" }))
        .await
        .expect("entered");
    let mut speakers = speakers(port).await;
    for n in 0..40 {
        let words = format!("{n} {}", "x".repeat(7_000));
        let speaker = n % speakers.len();
        say(&mut speakers[speaker], json!(1), &words).await;
    }
    for _ in 0..60 {
        stuck
            .send("history", json!({ "room": 1, "count": 100 }))
            .await;
    }
    metric(
        &server,
        "weblive_signal_sockets_closed_total{reason=\"write_timeout\"} 1",
    )
    .await;
    anna.ask("ping", json!({})).await.expect("still there");
    let mut again = Client::open(port).await;
    again.resume(&stuck.session()).await.expect("resumed");
    server.shut_down().await;
}

#[tokio::test]
async fn sockets_are_bounded_for_the_whole_server() {
    let toml = "signal.max_sockets = 3\nhttp.trusted_proxies = [\"127.0.0.1\"]";
    let server = serve(toml).await;
    let port = port(&server);
    // Of many addresses.
    let open = async |n: usize| {
        let client = format!("198.51.100.{n}");
        Client::open_with(port, &[("x-forwarded-for", &*client)], None).await
    };
    let mut clients = Vec::new();
    for n in 0..3 {
        clients.push(open(n).await.expect("a socket"));
    }
    let refused = open(3).await.err().expect("refused");
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("limit-reached"), "{}", refused.body);
    metric(
        &server,
        "weblive_signal_sockets_refused_total{reason=\"limit\"} 1",
    )
    .await;
    // Those that are there go on, and one that goes makes place.
    clients[0].ask("ping", json!({})).await.expect("a pong");
    clients.pop();
    metric(&server, "weblive_signal_sockets 2").await;
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while open(4).await.is_err() {
        assert!(std::time::Instant::now() < end, "the place is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.shut_down().await;
}
