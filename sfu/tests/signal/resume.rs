//! A lost socket loses no event.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::rooms::{say, speakers, text, texts};
use crate::server::{port, serve};

/// How long the socket is away.
const CUT: Duration = Duration::from_secs(10);

async fn two_in_a_room(port: u16) -> (Client, Client) {
    let mut anna = Client::user(port, "anna").await;
    let mut ben = Client::user(port, "ben").await;
    anna.ask("createRoom", json!({ "room": 1 }))
        .await
        .expect("made");
    for client in [&mut anna, &mut ben] {
        client
            .ask("enterRoom", json!({ "room": 1, "part": "all" }))
            .await
            .expect("entered");
    }
    (anna, ben)
}

#[tokio::test]
async fn all_events_of_ten_seconds_without_a_socket_come_with_the_next_one() {
    let server = serve("").await;
    let port = port(&server);
    let (mut anna, mut ben) = two_in_a_room(port).await;
    let mut speakers = speakers(port).await;
    say(&mut anna, json!(1), "before").await;
    ben.event_where("message", |e| e["message"]["from"] == "anna")
        .await;
    let session = ben.cut();
    let cut = Instant::now();
    for n in 0..100 {
        let speaker = n % speakers.len();
        say(&mut speakers[speaker], json!(1), &format!("missed {n}")).await;
        // Something happens all the time.
        sleep_until(cut + CUT.mul_f64((f64::from(n as u32) + 1.0) / 100.0)).await;
    }
    assert!(cut.elapsed() >= CUT);
    let mut ben = Client::open(port).await;
    let resumed = ben.resume(&session).await.expect("resumed");
    assert!(resumed["missed"].as_u64() >= Some(100), "{resumed}");
    say(&mut anna, json!(1), "after").await;
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "after") {
        let event = ben.event("message").await;
        said.extend(texts(&[event]));
    }
    let mut expected: Vec<String> = (0..100).map(|n| format!("missed {n}")).collect();
    expected.push("after".to_owned());
    assert_eq!(said, expected);
    // Still the same member: nobody was told of a leave, and messages go both ways.
    say(&mut ben, json!(1), "back again").await;
    let mut seen = Vec::new();
    while texts(&seen).last().is_none_or(|last| last != "back again") {
        let event = anna.any_event().await;
        seen.push(event);
    }
    assert!(!seen.iter().any(|event| event["event"] == "anchorLeft"));
    server.shut_down().await;
}

#[tokio::test]
async fn a_session_goes_on_on_the_newest_socket_only() {
    let server = serve("").await;
    let port = port(&server);
    let (_anna, mut ben) = two_in_a_room(port).await;
    let session = ben.session();
    let mut newer = Client::open(port).await;
    newer.resume(&session).await.expect("resumed");
    assert_eq!(ben.closed().await.0, 4002);
    newer.ask("ping", json!({})).await.expect("a pong");

    let mut thief = Client::open(port).await;
    let mut guess = session.clone();
    guess.token = "A".repeat(guess.token.len());
    thief.resume(&guess).await.expect_err("a wrong token");
    newer.ask("ping", json!({})).await.expect("still there");
    server.shut_down().await;
}

#[tokio::test]
async fn a_second_login_ends_the_first() {
    let server = serve("").await;
    let port = port(&server);
    let mut first = Client::user(port, "anna").await;
    let mut second = Client::user(port, "anna").await;
    assert_eq!(first.closed().await.0, 4001);
    second.ask("ping", json!({})).await.expect("a pong");
    server.shut_down().await;
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_sent_again_and_not_done_twice() {
    let server = serve("").await;
    let port = port(&server);
    let (mut anna, mut ben) = two_in_a_room(port).await;
    let message = json!({ "room": 1, "content": text("once"), "priority": "High" });
    let id = ben.send("sendMessage", message.clone()).await;
    // It has arrived, and its answer goes to a socket that nobody reads any more.
    anna.event_where("message", |e| e["message"]["from"] == "ben")
        .await;
    let session = ben.cut();
    let mut ben = Client::open(port).await;
    ben.resume(&session).await.expect("resumed");
    let first = ben.send_again(id, "sendMessage", message.clone()).await;
    let first = first.expect("sent");
    assert_eq!(first["message"]["payload"]["text"], "once");
    let again = ben.send_again(id, "sendMessage", message).await;
    assert_eq!(again.expect("sent"), first);
    let other = json!({ "room": 1, "content": text("other") });
    let error = ben.send_again(id, "sendMessage", other).await;
    assert_eq!(error.expect_err("refused")["name"], "idReused");
    say(&mut ben, json!(1), "the end").await;
    let mut said = Vec::new();
    while said.last().is_none_or(|last| last != "the end") {
        let event = anna.event("message").await;
        said.extend(texts(&[event]));
    }
    assert_eq!(said, ["the end"], "the first one was read before");
    server.shut_down().await;
}
