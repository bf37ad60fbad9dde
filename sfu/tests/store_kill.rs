//! What the store has acknowledged outlives `kill -9`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sfu::live::chat::{Message, Payload, Priority, TextPayload, UnixTime};
use sfu::live::{AppId, RoomId, RoomKey};
use sfu::store::{Change, SqliteConfig, SqliteStore, Store};

/// Tells the child where its database is. Without it the child's test does nothing.
const FILE: &str = "WEBLIVE_TEST_STORE_FILE";

const FAR: UnixTime = UnixTime(99_999_999_999_999);

fn room() -> RoomKey {
    RoomKey::new(AppId(1), RoomId::Number(1))
}

fn message(sequence: u64) -> Message {
    Message {
        id: format!("m{sequence}"),
        sequence,
        random: 0,
        from: Some("anna".parse().expect("a user id")),
        to: room().room,
        time: 0,
        priority: Priority::Normal,
        nick: String::new(),
        avatar: String::new(),
        name_card: String::new(),
        cloud_custom_data: String::new(),
        is_revoked: false,
        payload: Payload::Text(TextPayload {
            text: format!("text {sequence} {}", "x".repeat(500)),
        }),
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &SqliteConfig::default()).expect("the file opens after a kill")
}

#[test]
#[ignore = "the child of the test below; it runs until it is killed"]
fn write_until_killed() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let store = open(Path::new(&path));
    let first = store
        .room(&room())
        .unwrap()
        .wait()
        .unwrap()
        .chat
        .last_sequence
        + 1;
    // Bounded, in case nobody kills.
    for sequence in first..first + 200_000 {
        let message = Arc::new(message(sequence));
        let room = room();
        store
            .write(Change::Message {
                room: room.clone(),
                message,
            })
            .unwrap();
        let user = format!("user{}", sequence % 100).parse().unwrap();
        store
            .write(Change::Ban {
                room,
                user,
                until: Some(FAR),
            })
            .unwrap();
        if sequence % 7 == 0 {
            store.flush().unwrap().wait().unwrap();
            println!("\nacknowledged {sequence}");
        }
    }
}

#[test]
fn acknowledged_messages_and_bans_outlive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    for round in 1..=3u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "write_until_killed", "--ignored", "--nocapture"])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        for line in lines {
            let line = line.unwrap();
            if let Some(sequence) = line.strip_prefix("acknowledged ") {
                acknowledged = sequence.parse::<u64>().unwrap();
                if acknowledged >= round * 700 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(
            !status.success(),
            "it was killed in the middle of its work: {status}"
        );
        assert!(acknowledged >= round * 700, "round {round}: {acknowledged}");

        let saved = open(&path).room(&room()).unwrap().wait().unwrap();
        assert!(saved.chat.last_sequence >= acknowledged);
        let sequences: Vec<_> = saved.chat.history.iter().map(|m| m.sequence).collect();
        let first = saved.chat.last_sequence + 1 - 200;
        assert_eq!(
            sequences,
            (first..=saved.chat.last_sequence).collect::<Vec<_>>()
        );
        for kept in &saved.chat.history {
            assert_eq!(*kept, message(kept.sequence));
        }
        assert_eq!(saved.bans.len(), 100);

        let database = rusqlite::Connection::open(&path).unwrap();
        let check: String = database
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
    }
}
