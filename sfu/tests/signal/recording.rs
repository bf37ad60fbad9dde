//! A room is recorded: what is published in it, and what is published later.

use std::time::{Duration, Instant};

use reqwest::{Client as Http, Method};
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE};
use crate::publisher::Publisher;
use crate::server::{port, serve};

async fn rest(port: u16, method: Method, path: &str) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/v1{path}");
    let reply = Http::new().request(method, url).send().await;
    let text = reply.expect("a reply").text().await.expect("a text");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until so many recordings are in a state; the streams of all.
async fn recordings(port: u16, state: &str, count: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let list = rest(port, Method::GET, "/recordings").await;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        if items.iter().filter(|item| item["state"] == state).count() == count {
            let stream = |item: &Value| item["relayedAs"].as_str().expect("a name").to_owned();
            return items.iter().map(stream).collect();
        }
        assert!(Instant::now() < end, "not {count} {state} in {list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn publish(port: u16, user: &str) -> (Client, tokio::task::JoinHandle<()>) {
    let mut client = Client::user(port, user).await;
    let enter = json!({ "room": 1, "part": "media", "role": "anchor" });
    client.ask("enterRoom", enter).await.expect("entered");
    let (publisher, offer) = Publisher::new().await;
    let publish = json!({
        "room": 1,
        "track": "main",
        "publication": { "hasAudio": true, "hasVideo": true, "hasSmall": false },
        "offer": offer,
    });
    let published = client.ask("publish", publish).await.expect("published");
    let (_, task) = publisher.start(published["answer"].as_str().expect("an answer"));
    (client, task)
}

/// Waits until a member's publication can be watched.
async fn is_relayed(port: u16, user: &str) {
    let flv = format!("http://127.0.0.1:{port}/live/0_1_{user}_main.flv");
    let end = Instant::now() + PATIENCE;
    while !reqwest::get(&flv)
        .await
        .is_ok_and(|flv| flv.status() == 200)
    {
        assert!(Instant::now() < end, "it is not relayed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_recorded_room_has_no_place_for_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = format!("folder = {:?}\nmax_per_app = 1\n", folder.path());
    let server = serve(&format!("[record]\n{record}")).await;
    let port = port(&server);
    let (_anna, first) = publish(port, "anna").await;
    let (_ben, second) = publish(port, "ben").await;
    for user in ["anna", "ben"] {
        is_relayed(port, user).await;
    }
    let begun = rest(port, Method::PUT, "/rooms/1/recorded").await;
    let items = begun["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{begun}");
    let kept = items.iter().filter(|item| item["recordingId"].is_string());
    assert_eq!(kept.count(), 1, "{begun}");
    let error = "the limit of 1 recordings of one app is reached";
    let refused: Vec<_> = items.iter().filter(|item| item["error"] == error).collect();
    assert_eq!(refused.len(), 1, "{begun}");
    assert!(refused[0]["recordingId"].is_null());
    for task in [first, second] {
        task.abort();
    }
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_published_in_a_room_is_recorded_until_that_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = format!("[record]\nfolder = {:?}\n", folder.path());
    let server = serve(&toml).await;
    let port = port(&server);
    let (_anna, first) = publish(port, "anna").await;
    is_relayed(port, "anna").await;
    let begun = rest(port, Method::PUT, "/rooms/1/recorded").await;
    assert_eq!(recordings(port, "recording", 1).await, ["0_1_anna_main"]);
    let listed = rest(port, Method::GET, "/recordings").await;
    let item = json!({
        "user": "anna", "track": "main", "relayedAs": "0_1_anna_main",
        "recordingId": listed["items"][0]["id"], "error": null,
    });
    assert_eq!(begun, json!({ "items": [item] }));
    let (_ben, second) = publish(port, "ben").await;
    let both = recordings(port, "recording", 2).await;
    assert_eq!(both, ["0_1_anna_main", "0_1_ben_main"]);
    // Asked again it says the same, and what has come since.
    let again = rest(port, Method::PUT, "/rooms/1/recorded").await;
    assert_eq!(again["items"][0], begun["items"][0]);
    assert_eq!(again["items"].as_array().map(Vec::len), Some(2));
    rest(port, Method::DELETE, "/rooms/1/recorded").await;
    assert_eq!(recordings(port, "ended", 2).await, both);
    for task in [first, second] {
        task.abort();
    }
    server.shut_down().await;
}
