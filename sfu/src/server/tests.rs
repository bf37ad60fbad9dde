//! The order of the way down, by what still goes on after each step of it.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures_util::FutureExt;
use relay::{StreamId, Tracks};

use super::*;
use crate::live::AppId;
use crate::record::RecordDesk;

/// Nothing but what hangs takes as long as any of these.
const SETTINGS: &str = "listen = \"127.0.0.1:0\"\nmedia.port = 0\nmedia.workers = 1\n\
                        http.header_timeout = \"5m\"\nshutdown.deadline = \"1m\"\n";

/// Where to look.
#[derive(Clone)]
struct Sights {
    address: SocketAddr,
    relay: Relay,
    signalling: Signalling,
    workers: Workers,
    connections: Connections,
    data: PathBuf,
}

impl Sights {
    fn of(server: &Server, data: &Path) -> Self {
        Self {
            address: server.local_addr(),
            relay: server.relay.clone(),
            signalling: server.signalling.clone(),
            workers: server.workers.clone(),
            connections: server.connections.clone(),
            data: data.to_owned(),
        }
    }

    /// What goes on.
    fn now(&self) -> Vec<&'static str> {
        let is_recording = self.signalling.recordings().settled().now_or_never();
        let has_media = !self.workers.snapshot().shutting_down;
        let all = [
            ("sessions", self.signalling.hub().is_running()),
            ("broadcasts", !self.relay.is_shutting_down()),
            ("recordings", is_recording.is_none()),
            ("media", has_media),
            ("notices", !self.signalling.webhooks().is_over()),
            ("listener", TcpStream::connect(self.address).is_ok()),
            ("connections", self.connections.open_count() > 0),
        ];
        let going_on = all.into_iter().filter(|(_, goes_on)| *goes_on);
        going_on.map(|(name, _)| name).collect()
    }

    /// Keeps an address out, by the API.
    async fn revoke(&self, address: &str) {
        let url = format!("http://{}/api/v1/revocations", self.address);
        let body = format!(r#"{{"address": "{address}", "seconds": 600}}"#);
        let request = reqwest::Client::new().post(url).body(body);
        let reply = request.header("content-type", "application/json").send();
        assert_eq!(reply.await.unwrap().status(), 200);
    }

    fn is_kept_out(&self, address: &str) -> bool {
        let kept = std::fs::read_to_string(self.data.join("revocations.json"));
        kept.is_ok_and(|text| text.contains(address))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_the_way_down_finds_what_it_needs_and_ends_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let records = folder.path().join("records");
    let settings = format!("{SETTINGS}data_dir = {data:?}\nrecord.folder = {records:?}\n");
    let settings = Settings::from_toml(Path::new("test"), &settings).unwrap();
    let server = Server::start(&settings).await.unwrap();
    let sights = Sights::of(&server, &data);
    // Somebody publishes and is recorded, and somebody hangs in the middle of a request.
    let stream: StreamId = "show".parse().unwrap();
    let tracks = Tracks {
        video: true,
        audio: true,
    };
    let ingest = server.relay.publish_frames(&stream, tracks).unwrap();
    let recordings = server.signalling.recordings();
    recordings.start(AppId(1), &stream).unwrap();
    let mut hanging = TcpStream::connect(sights.address).unwrap();
    hanging.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let accepted = async {
        while server.connections.open_count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(30);
    tokio::time::timeout(patience, accepted).await.unwrap();

    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = |step| {
        let (sights, seen) = (sights.clone(), seen.clone());
        async move {
            let mut now = sights.now();
            match step {
                // It may be written by now.
                "end broadcasts" => now.retain(|name| *name != "recordings"),
                // With the last connection that is accepted.
                "last playlist" => sights.revoke(LATE).await,
                // What waits to be written may be by itself, before that.
                "write revocations" if !sights.is_kept_out(LATE) => now.push("revocations"),
                _ => {}
            }
            seen.lock().unwrap().push((step, now.join(" ")));
        }
    };
    server.way_down().with_looks(look).run().await;
    drop((ingest, hanging));
    let expected = [
        (
            "tell the sessions",
            "broadcasts recordings media notices listener connections",
        ),
        ("end broadcasts", "media notices listener connections"),
        ("write recordings", "media notices listener connections"),
        ("say BYE", "notices listener connections"),
        ("last playlist", "listener connections"),
        ("stop accepting", "connections"),
        ("write revocations", "connections"),
        ("finish responses", "connections"),
        ("cut connections", ""),
        ("join media workers", ""),
    ];
    let expected = expected.map(|(step, goes_on)| (step, goes_on.to_owned()));
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// Who is kept out at the last moment.
const LATE: &str = "192.0.2.7";
