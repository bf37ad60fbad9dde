//! What an app's back end is told and asked, by a whole server over real sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};
use sfu::auth::Apps;
use sfu::config::Settings;
use sfu::live::AppId;
use sfu::server::Server;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::client::{Client, PATIENCE};
use crate::rooms::text;
use crate::server::{port, serve};

/// A back end that refuses `spam`, masks `darn`, and thinks about `think` until it is told to go on.
#[derive(Clone)]
pub(crate) struct BackEnd {
    told: Arc<Mutex<Vec<Value>>>,
    thinking: Arc<Semaphore>,
}

async fn receive(State(back_end): State<BackEnd>, body: Bytes) -> String {
    let notice: Value = serde_json::from_slice(&body).expect("JSON");
    let command = notice["CallbackCommand"].as_str().unwrap_or_default();
    let words = notice["MsgBody"][0]["MsgContent"]["Text"].clone();
    let is_question = command == "Group.CallbackBeforeSendMsg";
    back_end.told.lock().expect("the list").push(notice);
    if !is_question {
        return "{\"code\":0}".to_owned();
    }
    let mut verdict = json!({ "ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0 });
    match words.as_str().unwrap_or_default() {
        "spam" => verdict["ErrorCode"] = 10_111.into(),
        "darn" => {
            verdict["MsgBody"] =
                json!([{ "MsgType": "TIMTextElem", "MsgContent": { "Text": "****" } }]);
        }
        "think" => drop(back_end.thinking.acquire().await),
        _ => {}
    }
    verdict.to_string()
}

impl BackEnd {
    pub(crate) async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
        let back_end = Self {
            told: Arc::default(),
            thinking: Arc::new(Semaphore::new(0)),
        };
        let router = Router::new().fallback(receive).with_state(back_end.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (back_end, url)
    }

    /// Waits until something has been told.
    pub(crate) async fn has(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(notice) = self
                .told
                .lock()
                .expect("the list")
                .iter()
                .find(|n| holds(n))
            {
                return notice.clone();
            }
            assert!(Instant::now() < end, "not told: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn has_command(&self, command: &str) -> Value {
        self.has(command, |n| n["CallbackCommand"] == command).await
    }
}

struct World {
    server: Server,
    back_end: BackEnd,
    apps: Apps,
}

impl World {
    async fn new() -> Self {
        let (back_end, url) = BackEnd::start().await;
        let settings = format!(
            "[webhooks]\nbefore_chat_timeout = \"10s\"\n[[apps]]\nid = 14\nkeys = [\"hunter2\"]\n\
             webhook_url = \"{url}\"\nwebhook_key = \"k\"\nwebhook_before_chat = true\n"
        );
        let read = Settings::from_toml(std::path::Path::new("x"), &settings);
        Self {
            server: serve(&settings).await,
            back_end,
            apps: Apps::new(read.expect("settings").apps),
        }
    }

    async fn user(&self, name: &str) -> Client {
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .expect("after 1970")
            .as_secs();
        let token = self
            .apps
            .sign_user_sig(now, AppId(14), &name.parse().expect("a user"), 600);
        let mut client = Client::open(port(&self.server)).await;
        let token = token.expect("a token");
        let login = client.login(14, Some(name), Some(&token));
        login.await.expect("logged in");
        client
    }
}

fn message(words: &str) -> Value {
    json!({ "room": 7, "content": text(words) })
}

async fn enter(client: &mut Client) {
    let enter = json!({ "room": 7, "part": "chat" });
    client.ask("enterRoom", enter).await.expect("entered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_is_told_of_a_room_its_members_and_its_messages() {
    let world = World::new().await;
    let mut anna = world.user("anna").await;
    let room = json!({ "room": 7, "name": "Show" });
    anna.ask("createRoom", room).await.expect("made");
    enter(&mut anna).await;
    let sent = anna.ask("sendMessage", message("hello")).await;
    sent.expect("sent");
    let mut ben = world.user("ben").await;
    enter(&mut ben).await;
    let leave = json!({ "room": 7, "part": "chat" });
    ben.ask("leaveRoom", leave).await.expect("left");
    let told = &world.back_end;
    let created = told.has("101", |n| n["EventType"] == 101).await;
    assert_eq!(created["EventInfo"]["RoomId"], 7);
    let created = told.has_command("Live.CallbackAfterCreateRoom").await;
    assert_eq!(created["RoomInfo"]["RoomName"], "Show");
    let joined = told.has_command("Group.CallbackAfterNewMemberJoin").await;
    assert_eq!(joined["NewMemberList"][0]["Member_Account"], "anna");
    let asked = told.has_command("Group.CallbackBeforeSendMsg").await;
    let sent = told.has_command("Group.CallbackAfterSendMsg").await;
    assert_eq!(asked["MsgBody"], sent["MsgBody"]);
    assert_eq!(
        (&sent["From_Account"], &sent["MsgSeq"]),
        (&json!("anna"), &json!(1))
    );
    let left = told.has_command("Group.CallbackAfterMemberExit").await;
    assert_eq!(left["ExitMemberList"][0]["Member_Account"], "ben");
    assert_eq!(left["ExitType"], "Quit");
    world.server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_refuses_and_changes_messages() {
    let world = World::new().await;
    let mut anna = world.user("anna").await;
    let room = json!({ "room": 7, "name": "Show" });
    anna.ask("createRoom", room).await.expect("made");
    enter(&mut anna).await;
    let refused = anna.ask("sendMessage", message("spam")).await;
    assert_eq!(refused.expect_err("refused")["code"], 10_111);
    let masked = anna.ask("sendMessage", message("darn")).await;
    let masked = masked.expect("sent");
    assert_eq!(masked["message"]["payload"]["text"], "****");
    world.server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_that_thinks_holds_up_its_sender_alone_and_in_order() {
    let world = World::new().await;
    let mut anna = world.user("anna").await;
    let mut ben = world.user("ben").await;
    let room = json!({ "room": 7, "name": "Show" });
    anna.ask("createRoom", room).await.expect("made");
    enter(&mut anna).await;
    enter(&mut ben).await;
    let first = anna.send("sendMessage", message("think")).await;
    let second = anna.send("sendMessage", message("second")).await;
    let told = &world.back_end;
    let is_second = |n: &Value| n["MsgBody"][0]["MsgContent"]["Text"] == "second";
    told.has("the second question", is_second).await;
    let passed = ben.ask("sendMessage", message("meanwhile")).await;
    passed.expect("ben does not wait");
    world.back_end.thinking.add_permits(1);
    anna.answer(first).await.expect("sent");
    anna.answer(second).await.expect("sent");
    let history = json!({ "room": 7 });
    let history = ben.ask("history", history).await.expect("messages");
    let all: Vec<Value> = history["messages"].as_array().expect("a list").clone();
    let words: Vec<&str> = all
        .iter()
        .filter_map(|message| message["payload"]["text"].as_str())
        .collect();
    assert_eq!(words, ["meanwhile", "think", "second"]);
    world.server.shut_down().await;
}
