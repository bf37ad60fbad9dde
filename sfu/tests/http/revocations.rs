//! Who is kept out is kept out after a restart, however the server ended.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};

use crate::program::{Program, output};
use crate::support::PATIENCE;

const SETTINGS: &str = r#"
api.tokens = ["token-of-operators"]
apps = [{ id = 1, keys = ["one"] }]
"#;

/// Settings in a folder, and a data folder beside them.
fn arguments(folder: &Path) -> [String; 4] {
    let settings = folder.join("weblive.toml");
    std::fs::write(&settings, SETTINGS).expect("settings");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let data = text(&folder.join("data"));
    [
        "--config".to_owned(),
        text(&settings),
        "--data".to_owned(),
        data,
    ]
}

async fn watch(program: &Program) -> StatusCode {
    let url = format!("{}/live/1_a.m3u8", program.url);
    reqwest::get(url).await.expect("a reply").status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_kept_out_stays_so_whether_the_server_ended_or_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = arguments(folder.path());
    let arguments = arguments.each_ref().map(String::as_str);
    let mut program = Program::start(&arguments);
    assert_eq!(watch(&program).await, 404, "nobody publishes");
    let revoked = Client::new()
        .post(format!("{}/api/v1/revocations", program.url))
        .bearer_auth("token-of-operators")
        .header("content-type", "application/json")
        .body(r#"{"address": "127.0.0.1", "stream": "1_a", "seconds": 86400}"#)
        .send()
        .await
        .expect("a reply");
    assert_eq!(revoked.status(), 200);
    assert_eq!(watch(&program).await, 403);
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));

    let mut program = Program::start(&arguments);
    assert_eq!(watch(&program).await, 403, "after an orderly end");
    let lifted = Client::new()
        .delete(format!("{}/api/v1/revocations/1", program.url))
        .bearer_auth("token-of-operators")
        .send()
        .await
        .expect("a reply");
    assert_eq!(lifted.status(), 204);
    assert_eq!(watch(&program).await, 404);
    let file = folder.path().join("data/revocations.json");
    let end = Instant::now() + PATIENCE;
    while is_kept(&file) {
        assert!(Instant::now() < end, "the file is not written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program.signal("-KILL");
    assert_eq!(program.ends().await.code(), None);

    let mut program = Program::start(&arguments);
    assert_eq!(watch(&program).await, 404, "after being killed");
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
}

fn is_kept(file: &Path) -> bool {
    std::fs::read_to_string(file)
        .expect("a file")
        .contains("\"id\":1")
}

#[test]
fn a_server_that_does_not_know_who_is_kept_out_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = arguments(folder.path());
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("revocations.json"), "{\"version\":1,").expect("a file");
    let usual = ["--listen", "127.0.0.1:0", "--media-port", "0"];
    let arguments: Vec<_> = usual
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let (code, said, error) = output(&arguments);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("data/revocations.json"), "{error}");
    assert!(error.contains("remove it"), "{error}");
}
