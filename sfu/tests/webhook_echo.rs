//! `weblive webhook-echo` as the program that it is, told by the server's own webhooks.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use prometheus::Registry;
use sfu::live::chat::{Draft, UnixTime};
use sfu::live::{AppId, RoomId, RoomKey};
use sfu::webhook::{
    AppHook, BeforeMessage, Notice, RoomChange, RoomNotice, StreamNotice, StreamPhase, Verdict,
    WebhookConfig, Webhooks,
};

struct Echo {
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
}

impl Echo {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weblive"));
        // The test's own environment may hold settings.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WEBLIVE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["webhook-echo", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("weblive starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let (_, rest) = line.split_once("http://").expect(&line);
        let (address, _) = rest.split_once('/').expect(&line);
        Self {
            child,
            stdout,
            url: format!("http://{address}/hook"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        // It runs until it is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn webhooks(url: &str) -> Webhooks {
    let hook = AppHook {
        url: url.parse().expect("a URL"),
        key: Some("room-key".parse().expect("a key")),
        cdn_key: Some("cdn-key".parse().expect("a key")),
        before_chat: true,
    };
    let config = WebhookConfig {
        apps: [(AppId(14), hook)].into(),
        ask_timeout: Duration::from_secs(10),
        ..WebhookConfig::default()
    };
    Webhooks::start(config, &Registry::new()).expect("webhooks")
}

fn key() -> RoomKey {
    RoomKey::new(AppId(14), RoomId::number(5).expect("a room"))
}

const AT: UnixTime = UnixTime(1_700_000_000_000);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_printed_with_its_signature_checked() {
    let mut echo = Echo::start(&["--key", "room-key", "--cdn-key", "cdn-key"]);
    let webhooks = webhooks(&echo.url);
    webhooks.tell(Notice::Room(RoomNotice {
        key: key(),
        at: AT,
        change: RoomChange::Created { owner: None },
    }));
    assert_eq!(echo.line(), "app 14: room 5 created (1/101) [signature ok]");
    let body = echo.line();
    assert!(body.contains("\"EventType\":101"), "{body}");

    webhooks.tell(Notice::Stream(StreamNotice {
        app: AppId(14),
        stream: "show".parse().expect("an id"),
        sequence: 3,
        at: AT,
        phase: StreamPhase::Began,
        from: None,
        size: None,
    }));
    assert_eq!(
        echo.line(),
        "app 14: stream show began (sequence 3) [signature ok]"
    );
    webhooks.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_the_word_is_refused_and_a_wrong_key_is_seen() {
    let mut echo = Echo::start(&["--key", "another", "--refuse", "spam"]);
    let webhooks = webhooks(&echo.url);
    let ask = |text: &str| {
        webhooks.ask(BeforeMessage {
            key: key(),
            at: AT,
            from: "anna".parse().expect("a user"),
            ip: None,
            draft: Draft::text(text),
        })
    };
    assert_eq!(ask("hello").await, Verdict::Allow);
    let line = echo.line();
    assert!(line.ends_with("anna: hello [SIGNATURE WRONG]"), "{line}");
    let verdict = ask("buy spam").await;
    let reason = "the word spam is not allowed".to_owned();
    assert_eq!(
        verdict,
        Verdict::Refuse {
            code: 10_016,
            reason
        }
    );
}

#[test]
fn a_port_in_use_ends_it_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_weblive"))
        .args(["webhook-echo", "--listen", &address])
        .output()
        .expect("weblive runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains(&address), "{stderr}");
}
