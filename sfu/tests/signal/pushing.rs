//! Streams of WHIP publishers are pushed to another server and recorded at the request of their
//! app's back end.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use rtmp_runtime::server::{ServerEvent, ServerSession};
use serde_json::{Value, json};
use sfu::auth::Apps;
use sfu::config::Settings;
use sfu::live::AppId;
use sfu::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::client::{Client, PATIENCE};
use crate::publisher::{Publisher, State};
use crate::server::{port, serve};
use crate::webhooks::BackEnd;

/// Another server, and what each connection has brought it.
#[derive(Clone)]
struct Platform {
    port: u16,
    connections: Arc<Mutex<Vec<Got>>>,
}

#[derive(Debug, Clone, Default)]
struct Got {
    key: String,
    media_bytes: usize,
    is_over: bool,
}

impl Platform {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let platform = Self {
            port: listener.local_addr().expect("bound").port(),
            connections: Arc::default(),
        };
        let served = platform.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = served.push();
                tokio::spawn(served.clone().serve(socket, number));
            }
        });
        platform
    }

    fn push(&self) -> usize {
        let mut connections = self.connections.lock().expect("the list");
        connections.push(Got::default());
        connections.len() - 1
    }

    async fn serve(self, mut socket: TcpStream, number: usize) {
        let mut session = ServerSession::with_defaults();
        let mut buffer = [0; 8_192];
        while let Ok(read @ 1..) = socket.read(&mut buffer).await {
            let (answer, events) = session.handle_data(&buffer[..read]).expect("RTMP");
            for event in events {
                let got = &mut self.connections.lock().expect("the list")[number];
                match event {
                    ServerEvent::Publish { stream_key, .. } => got.key = stream_key,
                    ServerEvent::Media { flv } => got.media_bytes += flv.len(),
                    ServerEvent::Eof => got.is_over = true,
                    _ => {}
                }
            }
            if socket.write_all(&answer).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the connections are like this.
    async fn has(&self, what: &str, holds: impl Fn(&[Got]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let connections = self.connections.lock().expect("the list").clone();
            if holds(&connections) {
                return;
            }
            assert!(Instant::now() < end, "not {what}: {connections:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn media_bytes(&self) -> usize {
        let connections = self.connections.lock().expect("the list");
        connections.iter().map(|got| got.media_bytes).sum()
    }
}

struct World {
    server: Server,
    apps: Apps,
    back_end: BackEnd,
    platform: Platform,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let (back_end, hook) = BackEnd::start().await;
        let platform = Platform::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let toml = format!(
            "api.tokens = [\"operators-token-1\"]\nrecord.folder = {:?}\n\
             push.private_hosts = [\"127.0.0.1:{}\"]\n\
             [[apps]]\nid = 7\nkeys = [\"k7\"]\nwebhook_url = \"{hook}\"\n\
             [[apps]]\nid = 8\nkeys = [\"k8\"]\n",
            folder.path(),
            platform.port,
        );
        let read = Settings::from_toml(Path::new("x"), &toml).expect("settings");
        Self {
            server: serve(&toml).await,
            apps: Apps::new(read.apps),
            back_end,
            platform,
            _folder: folder,
        }
    }

    fn token(&self, user: &str) -> String {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        let user = user.parse().expect("a user");
        let token = self.apps.sign_user_sig(now.as_secs(), AppId(7), &user, 600);
        token.expect("a token")
    }

    /// Publishes by WHIP, as a user of app 7.
    async fn whip(&self, stream: &str, user: &str) -> (Arc<State>, JoinHandle<()>) {
        let (publisher, offer) = Publisher::new().await;
        let url = format!("http://127.0.0.1:{}/whip/{stream}", port(&self.server));
        let request = reqwest::Client::new().post(url).body(offer);
        let request = request
            .bearer_auth(self.token(user))
            .header("content-type", "application/sdp");
        let reply = request.send().await.expect("a reply");
        assert_eq!(reply.status(), 201);
        publisher.start(&reply.text().await.expect("an answer"))
    }

    async fn ask(&self, app: u32, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1{path}", port(&self.server));
        let mut request = reqwest::Client::new().request(method, url);
        request = request
            .bearer_auth("operators-token-1")
            .header("weblive-app", app);
        if !body.is_null() {
            let json = (http::header::CONTENT_TYPE, "application/json");
            request = request.header(json.0, json.1).body(body.to_string());
        }
        let reply = request.send().await.expect("a reply");
        let status = reply.status().as_u16();
        let text = reply.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn list(&self, path: &str) -> Vec<Value> {
        let (status, list) = self.ask(7, Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().expect("a list").clone()
    }

    /// Waits until a list is like this.
    async fn lists(&self, path: &str, holds: impl Fn(&[Value]) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let items = self.list(path).await;
            if holds(&items) {
                return;
            }
            assert!(Instant::now() < end, "{path} has {items:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts what can be started once the stream is live.
    async fn start(&self, path: &str, body: Value) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, started) = self.ask(7, Method::POST, path, body.clone()).await;
            if status == 200 {
                return started;
            }
            assert_eq!((status, &started["code"]), (409, &json!("not-live")));
            assert!(Instant::now() < end, "{started}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn address(&self) -> Value {
        json!({ "url": format!("rtmp://127.0.0.1:{}/app/secret-key", self.platform.port) })
    }

    /// Waits for the notice that a push of a stream in no room has this status.
    async fn told(&self, stream: &str, status: u64) -> Value {
        let is_it = |notice: &Value| {
            let info = &notice["EventInfo"];
            notice["EventType"] == 401
                && info["StreamId"] == stream
                && info["Payload"]["Status"] == status
        };
        self.back_end.has("the state of a push", is_it).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whip_stream_is_pushed_over_a_take_over_until_that_is_stopped() {
    let world = World::new().await;
    let pushes = "/streams/obs/pushes";
    let (first, first_task) = world.whip("obs", "obs").await;
    let push = world.start(pushes, world.address()).await;
    assert_eq!(
        push["target"],
        format!("rtmp://127.0.0.1:{}/app", world.platform.port)
    );
    let runs = |items: &[Value]| items.len() == 1 && items[0]["state"] == "running";
    world.lists(pushes, runs).await;
    let platform = &world.platform;
    platform
        .has("pushed", |got| {
            got[0].key == "secret-key" && got[0].media_bytes > 0
        })
        .await;
    let told = world.told("obs", 2).await;
    for left_out in ["RoomId", "RoomType", "UserId"] {
        assert!(told["EventInfo"].get(left_out).is_none(), "{told}");
    }
    assert!(!told.to_string().contains("secret-key"), "{told}");

    // Another app neither sees nor touches it.
    let address = world.address();
    let (status, refused) = world.ask(8, Method::POST, pushes, address).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not-live")));
    let (_, list) = world.ask(8, Method::GET, pushes, Value::Null).await;
    assert_eq!(list, json!({ "items": [] }));
    let one = format!("{pushes}/{}", push["id"]);
    let (status, _) = world.ask(8, Method::DELETE, &one, Value::Null).await;
    assert_eq!(status, 404);

    // The publisher comes again: the same push goes on, on the same connection.
    let (_second, second_task) = world.whip("obs", "obs").await;
    let end = Instant::now() + PATIENCE;
    while !first.is_closed() {
        assert!(Instant::now() < end, "the first one is not ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let before = platform.media_bytes();
    let grows = |got: &[Got]| got.len() == 1 && got[0].media_bytes > before + 2_000;
    platform.has("going on", grows).await;
    let ids: Vec<_> = world.list(pushes).await;
    assert_eq!((ids.len(), &ids[0]["id"]), (1, &push["id"]));

    let (status, _) = world.ask(7, Method::DELETE, &one, Value::Null).await;
    assert_eq!(status, 204);
    platform.has("told of the end", |got| got[0].is_over).await;
    world.lists(pushes, |items| items.is_empty()).await;
    world.told("obs", 0).await;
    for task in [first_task, second_task] {
        task.abort();
    }
    world.server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whip_stream_is_recorded_until_that_is_stopped() {
    let world = World::new().await;
    let recordings = "/streams/obs/recordings";
    let (_state, task) = world.whip("obs", "obs").await;
    let recording = world.start(recordings, Value::Null).await;
    assert_eq!(recording["relayedAs"], "obs");
    let (status, refused) = world.ask(8, Method::POST, recordings, Value::Null).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not-live")));
    let has_begun = |items: &[Value]| items[0]["segments"].as_u64() > Some(0);
    world.lists(recordings, has_begun).await;
    let id = recording["id"].as_str().expect("an id");
    let one = format!("{recordings}/{id}");
    let (status, _) = world.ask(8, Method::DELETE, &one, Value::Null).await;
    assert_eq!(status, 404);
    let (status, _) = world.ask(7, Method::DELETE, &one, Value::Null).await;
    assert_eq!(status, 204);
    let has_ended =
        |items: &[Value]| items.len() == 1 && items[0]["state"] == "ended" && items[0]["id"] == id;
    world.lists(recordings, has_ended).await;
    let is_it = |notice: &Value| notice["event_type"] == 100 && notice["task_id"] == id;
    let told = world.back_end.has("the end of a recording", is_it).await;
    assert_eq!(told["stream_id"], "obs");
    task.abort();
    world.server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rooms_publication_that_takes_the_name_inherits_no_push() {
    let world = World::new().await;
    let pushes = "/streams/show/pushes";
    let (_state, whip_task) = world.whip("show", "anna").await;
    world.start(pushes, world.address()).await;
    let platform = &world.platform;
    let is_pushed = |got: &[Got]| got.len() == 1 && got[0].media_bytes > 0;
    platform.has("pushed", is_pushed).await;

    // The same user may take her stream over, from within a room.
    let mut anna = Client::open(port(&world.server)).await;
    let token = world.token("anna");
    let login = anna.login(7, Some("anna"), Some(&token));
    login.await.expect("logged in");
    let enter = json!({ "room": 1, "part": "media", "role": "anchor" });
    anna.ask("enterRoom", enter).await.expect("entered");
    let (publisher, offer) = Publisher::new().await;
    let publish = json!({
        "room": 1,
        "track": "main",
        "publication": { "hasAudio": true, "hasVideo": true, "hasSmall": false },
        "offer": offer,
        "streamId": "show",
    });
    let published = anna.ask("publish", publish).await.expect("published");
    let (_, task) = publisher.start(published["answer"].as_str().expect("an answer"));
    platform.has("told of the end", |got| got[0].is_over).await;
    world.lists(pushes, |items| items.is_empty()).await;

    // It is pushed by its public id, and by its place in the room: both are one.
    let push = world.start(pushes, world.address()).await;
    let by_room = "/rooms/1/members/anna/relays/main/pushes";
    let (status, same) = world.ask(7, Method::POST, by_room, world.address()).await;
    assert_eq!((status, &same["id"]), (200, &push["id"]));
    let is_told_of_room = |notice: &Value| {
        let info = &notice["EventInfo"];
        notice["EventType"] == 401
            && info["RoomId"] == 1
            && info["UserId"] == "anna"
            && info["Payload"]["Status"] == 2
    };
    world.back_end.has("the room's push", is_told_of_room).await;
    for task in [whip_task, task] {
        task.abort();
    }
    world.server.shut_down().await;
}
