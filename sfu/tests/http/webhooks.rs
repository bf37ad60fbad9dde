//! The binary tells a back end of a WHIP publisher, up to its own last second.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::HeaderMap;
use serde_json::Value;
use sfu::webhook::{room_sign, stream_sign};

use crate::program::{File, Program};
use crate::publisher::Publisher;
use crate::support::{SDP, until};

type Told = Arc<Mutex<Vec<(String, String, Bytes)>>>;

async fn receive(State(told): State<Told>, headers: HeaderMap, body: Bytes) -> &'static str {
    let field = |name: &str| headers[name].to_str().expect("text").to_owned();
    let notice = (field("sdkappid"), field("sign"), body);
    told.lock().expect("not poisoned").push(notice);
    "{\"code\":0}"
}

/// The begin and end notices of streams so far, verified.
fn streams(told: &Told) -> Vec<Value> {
    let told = told.lock().expect("not poisoned");
    told.iter()
        .map(|(app, sign, body)| {
            assert_eq!(app, "14");
            let key = "room-key".parse().expect("a key");
            assert_eq!(sign, &room_sign(&key, body));
            serde_json::from_slice::<Value>(body).expect("JSON")
        })
        .filter(|notice| notice["stream_id"].is_string())
        .inspect(|notice| {
            let key = "cdn-key".parse().expect("a key");
            let t = notice["t"].as_u64().expect("a time");
            assert_eq!(notice["sign"], stream_sign(&key, t));
        })
        .collect()
}

/// Waits until a playlist has a segment: its first key frame has been seen then.
async fn has_segment(url: &str) {
    for _ in 0..300 {
        if let Ok(reply) = reqwest::get(url).await
            && reply
                .text()
                .await
                .is_ok_and(|text| text.contains("#EXTINF"))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no segment within 30 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_is_told_of_a_streams_beginning_and_of_its_end_with_the_server() {
    let told = Told::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let back_end = Router::new().fallback(receive).with_state(told.clone());
    tokio::spawn(async move { axum::serve(listener, back_end).await });

    let settings = format!(
        "data_dir = \"\"\n[[apps]]\nid = 14\nkeys = [\"hunter2\"]\n\
         webhook_url = \"http://{address}/hook\"\nwebhook_key = \"room-key\"\n\
         cdn_webhook_key = \"cdn-key\"\n"
    );
    let file = File::new("webhooks", &settings);
    let mut program = Program::start(&["--config", file.path()]);
    let apps = sfu::config::Settings::from_toml(std::path::Path::new("x"), &settings)
        .expect("settings")
        .apps;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let token = sfu::auth::Apps::new(apps)
        .sign_user_sig(now, sfu::live::AppId(14), &"anna".parse().unwrap(), 600)
        .expect("a token");

    let (publisher, offer) = Publisher::new().await;
    let reply = reqwest::Client::new()
        .post(format!("{}/whip/14_show", program.url))
        .header("content-type", SDP)
        .header("authorization", format!("Bearer {token}"))
        .body(offer)
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 201);
    let (_, sending) = publisher.start(&reply.text().await.unwrap());
    until("the beginning is told", || !streams(&told).is_empty()).await;
    let began = streams(&told)[0].clone();
    assert_eq!(
        (&began["event_type"], &began["stream_id"], &began["appid"]),
        (&1.into(), &"14_show".into(), &14.into())
    );

    assert_eq!(
        (&began["user_ip"], &began["width"]),
        (&"127.0.0.1".into(), &0.into()),
        "the first key frame is still to come"
    );

    has_segment(&format!("{}/live/14_show.m3u8", program.url)).await;
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
    sending.abort();
    let all = streams(&told);
    assert_eq!(all.len(), 2, "{all:?}");
    let ended = &all[1];
    assert_eq!(
        (&ended["event_type"], &ended["stream_id"]),
        (&0.into(), &"14_show".into())
    );
    assert_eq!(ended["sequence"], began["sequence"]);
    assert_eq!(ended["user_ip"], "127.0.0.1");
    assert_eq!(
        (&ended["width"], &ended["height"]),
        (&640.into(), &360.into())
    );
    let lasted = ended["push_duration"].as_str().expect("a text");
    assert!(lasted.parse::<u64>().is_ok(), "{lasted}");
}
