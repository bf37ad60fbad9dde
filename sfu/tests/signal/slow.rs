//! A client that does not read is closed, and nobody else notices.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::client::Client;
use crate::rooms::{say, speakers};
use crate::server::{port, serve};

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_the_others_go_on() {
    let server = serve("").await;
    let port = port(&server);
    let mut anna = Client::user(port, "anna").await;
    let mut ben = Client::user(port, "ben").await;
    anna.ask("createRoom", json!({ "room": 1 }))
        .await
        .expect("made");
    let mut slow = Client::open_with(port, &[], Some(4_096))
        .await
        .expect("a socket");
    slow.login(0, Some("slow"), None).await.expect("logged in");
    for client in [&mut anna, &mut ben, &mut slow] {
        client
            .ask("enterRoom", json!({ "room": 1, "part": "all" }))
            .await
            .expect("entered");
    }
    let mut speakers = speakers(port).await;
    for n in 0..60 {
        let words = format!("{n} {}", "x".repeat(7_000));
        let speaker = n % speakers.len();
        say(&mut speakers[speaker], json!(1), &words).await;
        tokio::time::sleep(Duration::from_millis(26)).await;
    }
    // It asks for all of that again and again, and takes none of it.
    for _ in 0..60 {
        slow.send("history", json!({ "room": 1, "count": 100 }))
            .await;
    }
    let mut worst = Duration::ZERO;
    let begun = Instant::now();
    let page = format!("http://127.0.0.1:{port}/metrics");
    loop {
        let asked = Instant::now();
        anna.send("like", json!({ "room": 1, "count": 1 })).await;
        anna.ask("ping", json!({})).await.expect("a pong");
        ben.event("likes").await;
        worst = worst.max(asked.elapsed());
        let metrics = reqwest::get(&page).await.expect("a page");
        let metrics = metrics.text().await.expect("a text");
        if metrics.contains("weblive_signal_sockets_closed_total{reason=\"slow\"} 1") {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it is still open"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(worst < Duration::from_secs(5), "others waited {worst:?}");
    // It is told why, when it reads again, and its session goes on.
    let session = slow.session();
    assert_eq!(slow.closed().await.0, 4009);
    let mut again = Client::open(port).await;
    again.resume(&session).await.expect("resumed");
    server.shut_down().await;
}
