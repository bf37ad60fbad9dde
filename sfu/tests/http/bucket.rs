//! Recordings in a bucket, of an S3 server that is not ours and checks who asks.

use std::path::Path;
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use reqwest::Client;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::program::Program;
use crate::publisher::Publisher;
use crate::recording::file;
use crate::support::{PATIENCE, SDP, until};

const KEY: &str = "recorder";
const SECRET: &str = "a-secret-of-this-test";

/// Serves the folders of a folder as buckets; where.
async fn s3_server(folder: &Path) -> (String, JoinHandle<()>) {
    let files = FileSystem::new(folder).expect("a folder");
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let serving = server.serve_connection(TokioIo::new(socket), service);
                let _ = serving.await;
            });
        }
    });
    (url, serving)
}

/// The only recording, once it is listed as ended.
async fn listed(url: &str) -> serde_json::Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let reply = reqwest::get(format!("{url}/api/v1/recordings")).await;
        let text = reply.expect("a reply").text().await.expect("text");
        let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        if list["items"][0]["state"] == "ended" {
            assert!(list["items"][1].is_null(), "{text}");
            return list["items"].clone();
        }
        assert!(Instant::now() < end, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_recorded_into_a_bucket() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = folder.path().join("recordings");
    std::fs::create_dir(&bucket).expect("a bucket");
    let (store, serving) = s3_server(folder.path()).await;
    let settings = [
        "--record-folder",
        "s3://recordings/live",
        "--record-auto",
        "*",
        "--relay-linger",
        "1s",
    ];
    let environment = [
        ("AWS_ENDPOINT_URL", store.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ];
    let mut program = Program::start_in(&settings, &environment);
    let (publisher, offer) = Publisher::new().await;
    let reply = Client::new()
        .post(format!("{}/whip/evening", program.url))
        .header("content-type", SDP)
        .body(offer)
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 201);
    let location = reply.headers()["location"].to_str().expect("text");
    let session = format!("{}{location}", program.url);
    let (state, task) = publisher.start(&reply.text().await.expect("answer"));
    until("connected", || state.is_connected()).await;

    let recorded = bucket.join("live/evening");
    file(&recorded, "000000.m4s").await;
    let ended = Client::new().delete(session).send().await.expect("answer");
    assert!(ended.status().is_success());
    task.abort();

    let playlist = file(&recorded, "index.m3u8").await;
    let playlist = String::from_utf8(playlist).expect("text");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let mp4 = file(&recorded, "recording.mp4").await;
    assert_eq!(&mp4[4..8], b"ftyp");
    let marks = bucket.join("live/.unfinished");
    until("the mark to go", || {
        std::fs::read_dir(&marks).map_or(true, |mut marks| marks.next().is_none())
    })
    .await;
    let manifest = file(&recorded, "recording.json").await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["end"]["mp4_bytes"], mp4.len() as u64);
    assert_eq!(manifest["end"]["error"], serde_json::Value::Null);

    // Players get it out of the bucket, by way of the server.
    let id = manifest["id"].as_str().expect("an id");
    let url = format!("{}/recordings/evening/{id}", program.url);
    let got = reqwest::get(format!("{url}/index.m3u8")).await;
    assert_eq!(got.expect("a reply").text().await.expect("text"), playlist);
    let part = Client::new()
        .get(format!("{url}/recording.mp4"))
        .header("range", "bytes=4-99")
        .send()
        .await
        .expect("a reply");
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.expect("bytes"), &mp4[4..100]);
    let told = listed(&program.url).await;
    assert_eq!(told[0]["id"], id);
    assert_eq!(told[0]["mp4Bytes"], mp4.len() as u64);

    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));

    // The next start tells the same, and removes it when it is asked to.
    let mut program = Program::start_in(&settings, &environment);
    assert_eq!(listed(&program.url).await, told);
    let url = format!("{}/api/v1/recordings/{id}", program.url);
    let deleted = Client::new().delete(&url).send().await.expect("a reply");
    assert_eq!(deleted.status(), 204);
    let files = std::fs::read_dir(recorded.join(id)).map_or(0, Iterator::count);
    assert_eq!(files, 0, "the bucket has none of its objects");
    let gone = format!("{}/recordings/evening/{id}/index.m3u8", program.url);
    assert_eq!(reqwest::get(gone).await.expect("a reply").status(), 404);
    let again = Client::new().delete(&url).send().await.expect("a reply");
    assert_eq!(again.status(), 404);
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
    serving.abort();
}
