//! Rooms over real sockets: who meets whom, and what a restart keeps.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sfu::auth::Apps;
use sfu::config::Settings;
use sfu::live::AppId;

use crate::client::Client;
use crate::server::{port, serve};

pub(crate) fn text(text: &str) -> Value {
    json!({ "type": "TIMTextElem", "payload": { "text": text } })
}

/// Says something in a room, again when it was too fast.
pub(crate) async fn say(client: &mut Client, room: Value, words: &str) {
    for _ in 0..50 {
        let message = json!({ "room": room, "content": text(words), "priority": "High" });
        let Err(error) = client.ask("sendMessage", message).await else {
            return;
        };
        let wait = error["retryAfterMs"].as_u64();
        let wait = wait.unwrap_or_else(|| panic!("not sent: {error}"));
        tokio::time::sleep(Duration::from_millis(wait + 1)).await;
    }
    panic!("not sent: {words}");
}

/// Members of room 1, enough of them to fill its rate.
pub(crate) async fn speakers(port: u16) -> Vec<Client> {
    let mut speakers = Vec::new();
    for n in 0..8 {
        let mut client = Client::user(port, &format!("speaker{n}")).await;
        client
            .ask("enterRoom", json!({ "room": 1, "part": "chat" }))
            .await
            .expect("entered");
        speakers.push(client);
    }
    speakers
}

/// The texts of message events, in order.
pub(crate) fn texts(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .filter(|event| event["event"] == "message")
        .filter_map(|event| Some(event["message"]["payload"]["text"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_room_is_made_entered_spoken_in_and_dismissed() {
    let server = serve("").await;
    let port = port(&server);
    let mut anna = Client::user(port, "anna").await;
    let mut ben = Client::user(port, "ben").await;
    let room = json!({ "room": 4711, "name": "Hello" });
    anna.ask("createRoom", room).await.expect("made");
    let enter = json!({ "room": 4711, "part": "all", "role": "anchor" });
    anna.ask("enterRoom", enter).await.expect("entered");
    let entered = ben
        .ask("enterRoom", json!({ "room": 4711, "part": "all" }))
        .await
        .expect("entered");
    assert_eq!(entered["info"]["name"], "Hello");
    assert_eq!(entered["anchors"][0]["user"], "anna");

    let message = json!({ "room": 4711, "content": text("good evening") });
    anna.ask("sendMessage", message).await.expect("sent");
    let event = ben
        .event_where("message", |e| e["message"]["from"] == "anna")
        .await;
    assert_eq!(event["room"], 4711);
    assert_eq!(event["message"]["payload"]["text"], "good evening");

    let message = json!({ "room": 4711, "content": text("hello!") });
    ben.ask("sendMessage", message).await.expect("sent");
    anna.event_where("message", |e| e["message"]["from"] == "ben")
        .await;

    let error = ben.ask("dismissRoom", json!({ "room": 4711 })).await;
    assert!(error.unwrap_err()["code"].is_i64());
    anna.ask("dismissRoom", json!({ "room": 4711 }))
        .await
        .expect("dismissed");
    ben.event("removed").await;
    let error = ben
        .ask("enterRoom", json!({ "room": 4711, "part": "chat" }))
        .await;
    assert_eq!(error.unwrap_err()["codes"]["chat"], 10_010);
    server.shut_down().await;
}

#[tokio::test]
async fn the_sessions_are_told_when_the_server_goes_down() {
    let server = serve("").await;
    let mut anna = Client::user(port(&server), "anna").await;
    let down = tokio::spawn(server.shut_down());
    assert_eq!(anna.closed().await.0, 1001);
    let steps = down.await.expect("down");
    assert!(
        steps
            .iter()
            .all(|step| step.outcome == sfu::server::Outcome::Done),
        "{steps:?}"
    );
}

#[tokio::test]
async fn two_apps_with_the_same_room_number_do_not_meet() {
    let toml = "apps = [{ id = 1, keys = [\"k1\"] }, { id = 2, keys = [\"k2\"] }]\n";
    let server = serve(toml).await;
    let port = port(&server);
    let settings = Settings::from_toml(std::path::Path::new("test"), toml).expect("settings");
    let apps = Apps::new(settings.apps);
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let mut clients = Vec::new();
    for app in [1, 2] {
        for user in ["anna", "ben"] {
            let sig = apps.sign_user_sig(now, AppId(app), &user.parse().unwrap(), 600);
            let mut client = Client::open(port).await;
            client
                .login(app, Some(user), Some(&sig.expect("signed")))
                .await
                .expect("logged in");
            if user == "anna" {
                client
                    .ask("createRoom", json!({ "room": 1 }))
                    .await
                    .expect("each app has its own room");
            }
            client
                .ask("enterRoom", json!({ "room": 1, "part": "all" }))
                .await
                .expect("entered");
            clients.push((app, client));
        }
    }
    for (app, client) in &mut clients {
        let content = text(&format!("app {app}"));
        let message = json!({ "room": 1, "content": content });
        client.ask("sendMessage", message).await.expect("sent");
    }
    for (app, client) in &mut clients {
        let events = client.events_for(Duration::from_millis(300)).await;
        assert_eq!(texts(&events), [format!("app {app}")], "the other's alone");
        let members = json!({ "room": 1 });
        let members = client.ask("listMembers", members).await.expect("listed");
        assert_eq!(members["members"].as_array().map(Vec::len), Some(2));
    }
    // A token of one app is none of the other.
    let sig = apps.sign_user_sig(now, AppId(1), &"anna".parse().unwrap(), 600);
    let mut client = Client::open(port).await;
    let error = client
        .login(2, Some("anna"), Some(&sig.expect("signed")))
        .await
        .unwrap_err();
    assert!(error["code"].is_i64(), "{error}");
    server.shut_down().await;
}

/// The binary, on a data folder.
struct Program {
    child: Child,
    port: u16,
}

impl Program {
    fn start(data: &std::path::Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weblive"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WEBLIVE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--media-port", "0"])
            .args(["--workers", "1", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("weblive starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let port = line.trim_end().trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok()).expect("a port");
        Self { child, port }
    }

    /// What a counter says.
    async fn counter(&self, name: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/metrics", self.port);
        let page = reqwest::get(url).await.expect("a page");
        let page = page.text().await.expect("a text");
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        let value = line.unwrap_or_else(|| panic!("no {name}"));
        value.trim().parse::<f64>().expect("a number") as u64
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: what every one of these programs is to live through.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_killed_server_has_its_history_and_its_bans_when_it_is_started_again() {
    let data = tempfile::tempdir().expect("a folder");
    let said: Vec<String> = (1..=10).map(|n| format!("message {n}")).collect();
    {
        let program = Program::start(data.path());
        let mut anna = Client::user(program.port, "anna").await;
        let mut ben = Client::user(program.port, "ben").await;
        anna.ask("createRoom", json!({ "room": "show" }))
            .await
            .expect("made");
        for client in [&mut anna, &mut ben] {
            client
                .ask("enterRoom", json!({ "room": "show", "part": "chat" }))
                .await
                .expect("entered");
        }
        let written = program.counter("weblive_store_changes_written_total").await;
        for said in &said {
            say(&mut anna, json!("show"), said).await;
        }
        let kick = json!({ "room": "show", "users": ["ben"], "banSeconds": 3600 });
        anna.ask("kick", kick).await.expect("kicked");
        let end = Instant::now() + Duration::from_secs(10);
        while program.counter("weblive_store_changes_written_total").await < written + 11 {
            assert!(Instant::now() < end, "it is not written");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let program = Program::start(data.path());
    let mut ben = Client::user(program.port, "ben").await;
    let mut anna = Client::user(program.port, "anna").await;
    // Nobody who is banned gets in first, not even as the one who makes the room again.
    let create = json!({ "room": "show" });
    anna.ask("createRoom", create).await.expect("made again");
    let enter = json!({ "room": "show", "part": "chat" });
    let error = ben.ask("enterRoom", enter.clone()).await.unwrap_err();
    assert!(error["code"].is_i64(), "{error}");
    anna.ask("enterRoom", enter).await.expect("entered");
    let history = json!({ "room": "show", "count": 50 });
    let history = anna.ask("history", history).await.expect("a list");
    let kept: Vec<&str> = history["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|message| message["payload"]["text"].as_str())
        .collect();
    assert_eq!(kept, said);
}
