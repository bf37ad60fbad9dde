//! The promises of a store, kept by both; and those of the one in a file.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::live::RoomId;
use crate::live::chat::{Payload, Priority, TextPayload};

const FAR: UnixTime = UnixTime(99_999_999_999_999);

fn key(number: u64) -> RoomKey {
    RoomKey::new(AppId(7), RoomId::number(number).unwrap())
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn message(room: &RoomKey, sequence: u64, text: &str) -> Change {
    let message = Message {
        id: format!("m{sequence}"),
        sequence,
        random: 0,
        from: Some(user("anna")),
        to: room.room.clone(),
        time: 1_700_000_000,
        priority: Priority::Normal,
        nick: "Anna ☀".into(),
        avatar: String::new(),
        name_card: String::new(),
        cloud_custom_data: String::new(),
        is_revoked: false,
        payload: Payload::Text(TextPayload { text: text.into() }),
    };
    Change::Message {
        room: room.clone(),
        message: Arc::new(message),
    }
}

fn read(store: &dyn Store, room: &RoomKey) -> SavedRoom {
    store.room(room).unwrap().wait().unwrap()
}

fn sequences(room: &SavedRoom) -> Vec<u64> {
    room.chat.history.iter().map(|m| m.sequence).collect()
}

/// One check for both stores.
fn both(check: impl Fn(&dyn Store)) {
    check(&MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    check(&open(&directory.path().join("weblive.db")));
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &SqliteConfig::default()).unwrap()
}

/// Everything that can be stored of a room, in one way.
fn fill(store: &dyn Store, room: &RoomKey) {
    for sequence in 1..=3 {
        store.write(message(room, sequence, "hello")).unwrap();
    }
    for change in [
        Change::Mute {
            room: room.clone(),
            user: user("ben"),
            until: Some(FAR),
        },
        Change::Ban {
            room: room.clone(),
            user: user("eve"),
            until: Some(FAR),
        },
        Change::MuteAll {
            room: room.clone(),
            mute_all: true,
        },
        Change::Likes {
            room: room.clone(),
            total: 41,
        },
        Change::Counter {
            room: room.clone(),
            name: "gifts".into(),
            value: -3,
        },
        Change::Attributes {
            room: room.clone(),
            change: AttributesChange {
                set: [("topic".to_owned(), "cats".to_owned())].into(),
                deleted: Vec::new(),
            },
        },
    ] {
        store.write(change).unwrap();
    }
}

#[test]
fn what_was_written_is_read_back() {
    both(|store| {
        let room = key(1);
        assert_eq!(read(store, &room), SavedRoom::default());
        fill(store, &room);
        let saved = read(store, &room);
        assert_eq!(sequences(&saved), [1, 2, 3]);
        assert_eq!(saved.chat.last_sequence, 3);
        assert_eq!(saved.chat.history[0].nick, "Anna ☀");
        assert_eq!(saved.chat.mutes, [(user("ben"), FAR)]);
        assert_eq!(saved.bans, [(user("eve"), FAR)]);
        assert!(saved.chat.mute_all);
        assert_eq!(saved.chat.likes, 41);
        assert_eq!(saved.chat.counters["gifts"], -3);
        assert_eq!(saved.chat.attributes["topic"], "cats");
        assert!(store.counts().written >= 9);
    });
}

#[test]
fn what_was_taken_back_is_gone() {
    both(|store| {
        let room = key(1);
        fill(store, &room);
        for change in [
            message(&room, 2, ""),
            Change::Mute {
                room: room.clone(),
                user: user("ben"),
                until: None,
            },
            Change::Ban {
                room: room.clone(),
                user: user("eve"),
                until: None,
            },
            Change::MuteAll {
                room: room.clone(),
                mute_all: false,
            },
            Change::Attributes {
                room: room.clone(),
                change: AttributesChange {
                    set: [("a".to_owned(), "b".to_owned())].into(),
                    deleted: vec!["topic".to_owned()],
                },
            },
        ] {
            store.write(change).unwrap();
        }
        let saved = read(store, &room);
        assert_eq!(sequences(&saved), [1, 2, 3]);
        let texts: Vec<_> = saved
            .chat
            .history
            .iter()
            .map(|m| m.payload.clone())
            .collect();
        assert_eq!(
            texts[1],
            Payload::Text(TextPayload {
                text: String::new()
            })
        );
        assert!(saved.chat.mutes.is_empty() && saved.bans.is_empty() && !saved.chat.mute_all);
        assert_eq!(saved.chat.attributes.keys().collect::<Vec<_>>(), ["a"]);

        store.write(Change::Forget { room: room.clone() }).unwrap();
        assert_eq!(read(store, &room), SavedRoom::default());
        store.write(message(&room, 1, "anew")).unwrap();
        assert_eq!(sequences(&read(store, &room)), [1]);
    });
}

#[test]
fn rooms_of_two_apps_and_of_two_kinds_do_not_meet() {
    both(|store| {
        let number = key(123);
        let named = RoomKey::new(AppId(7), RoomId::name("123").unwrap());
        let other = RoomKey::new(AppId(8), RoomId::number(123).unwrap());
        store.write(message(&number, 1, "number")).unwrap();
        store.write(message(&named, 5, "named")).unwrap();
        assert_eq!(sequences(&read(store, &number)), [1]);
        assert_eq!(sequences(&read(store, &named)), [5]);
        assert_eq!(read(store, &other), SavedRoom::default());
    });
}

#[test]
fn profiles_belong_to_a_user_of_an_app() {
    both(|store| {
        let profile = SavedProfile {
            nick: "Anna".into(),
            avatar: "https://example.org/a.png".into(),
            ..SavedProfile::default()
        };
        let change = Change::Profile {
            app: AppId(7),
            user: user("anna"),
            profile: profile.clone(),
        };
        store.write(change).unwrap();
        let read = |app, name| {
            store
                .profile(AppId(app), &user(name))
                .unwrap()
                .wait()
                .unwrap()
        };
        assert_eq!(read(7, "anna"), Some(profile.clone()));
        assert_eq!((read(8, "anna"), read(7, "ben")), (None, None));
        let several = |app| {
            let users = ["zoe", "anna", "ben"].map(user);
            store.profiles(AppId(app), &users).unwrap().wait().unwrap()
        };
        assert_eq!(several(7), [(user("anna"), profile)]);
        assert_eq!(several(8), []);
    });
}

#[test]
fn the_history_of_a_room_is_a_ring() {
    both(|store| {
        let room = key(1);
        for sequence in 1..=500 {
            store.write(message(&room, sequence, "x")).unwrap();
        }
        store.write(message(&key(2), 1, "another room")).unwrap();
        let saved = read(store, &room);
        let first = 501 - u64::from(DEFAULT_HISTORY);
        assert_eq!(sequences(&saved), (first..=500).collect::<Vec<_>>());
        assert_eq!(sequences(&read(store, &key(2))), [1]);
    });
}

#[test]
fn a_file_is_read_by_the_next_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let room = key(1);
    let store = open(&path);
    fill(&store, &room);
    let before = read(&store, &room);
    store.close();
    assert_eq!(read(&open(&path), &room), before);
}

#[test]
fn many_changes_share_a_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let store = open(&path);
    // The file is held by another writer, so that changes gather.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let room = key(1);
    for sequence in 1..=1_000 {
        store.write(message(&room, sequence, "x")).unwrap();
    }
    other.execute_batch("ROLLBACK").unwrap();
    store.flush().unwrap().wait().unwrap();
    let counts = store.counts();
    assert_eq!((counts.written, counts.failed), (1_000, 0));
    assert!(counts.commits < 500, "{counts:?}");
    assert_eq!(counts.waiting, 0);
}

#[test]
fn a_full_queue_refuses_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let config = SqliteConfig {
        queue: 4,
        batch: 1,
        ..SqliteConfig::default()
    };
    let store = SqliteStore::open(&path, &config).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let room = key(1);
    let results: Vec<_> = (1..=20)
        .map(|n| store.write(message(&room, n, "x")))
        .collect();
    let taken = results.iter().filter(|r| r.is_ok()).count();
    // Three in the queue, or waiting in the thread's hands; the fourth place is for bans.
    assert!((3..=4).contains(&taken), "{taken}");
    assert_eq!(results[19], Err(StoreError::Full { limit: 4 }));
    assert_eq!(store.counts().refused, 20 - taken as u64);
    other.execute_batch("ROLLBACK").unwrap();
    drop(store);
    let saved = read(&open(&path), &room);
    assert_eq!(saved.chat.history.len(), taken, "what was taken is written");
}

#[test]
fn a_flood_of_messages_leaves_place_for_bans() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let config = SqliteConfig {
        queue: 40,
        batch: 1,
        ..SqliteConfig::default()
    };
    let store = SqliteStore::open(&path, &config).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let room = key(1);
    let flood: Vec<_> = (1..=100)
        .map(|n| store.write(message(&room, n, "x")))
        .collect();
    assert_eq!(flood[99], Err(StoreError::Full { limit: 40 }));
    for n in 0..9 {
        let ban = Change::Ban {
            room: room.clone(),
            user: user(&format!("user{n}")),
            until: Some(FAR),
        };
        assert_eq!(store.write(ban), Ok(()), "ban {n}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    drop(store);
    assert_eq!(read(&open(&path), &room).bans.len(), 9);
}

#[test]
fn changes_that_cannot_be_written_are_told_by_the_next_flush() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let store = open(&path);
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON ban BEGIN SELECT RAISE(ABORT, 'no bans'); END",
        )
        .unwrap();
    let room = key(1);
    store.write(message(&room, 1, "before")).unwrap();
    store
        .write(Change::Ban {
            room: room.clone(),
            user: user("eve"),
            until: Some(FAR),
        })
        .unwrap();
    store.write(message(&room, 2, "after")).unwrap();
    let error = store.flush().unwrap().wait().unwrap_err();
    assert_eq!(
        error,
        StoreError::Write {
            count: 1,
            reason: "no bans".into()
        }
    );
    assert_eq!(store.flush().unwrap().wait(), Ok(()), "told once");
    assert_eq!(
        sequences(&read(&store, &room)),
        [1, 2],
        "the others are written"
    );
    assert_eq!(store.counts().failed, 1);
}

#[test]
fn a_damaged_row_is_left_out_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let store = open(&path);
    let room = key(1);
    fill(&store, &room);
    store.flush().unwrap().wait().unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute("UPDATE message SET body = '{' WHERE sequence = 2", [])
        .unwrap();
    other.execute("UPDATE ban SET user = ''", []).unwrap();
    let saved = read(&store, &room);
    assert_eq!(sequences(&saved), [1, 3]);
    assert!(saved.bans.is_empty());
    assert_eq!(store.counts().unreadable, 2);
}

#[test]
fn a_table_that_is_gone_is_an_error_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let store = open(&path);
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE profile; DROP TABLE room")
        .unwrap();
    let error = store.room(&key(1)).unwrap().wait().unwrap_err();
    assert!(
        matches!(&error, StoreError::Read { what, .. } if what == "room 7/1"),
        "{error}"
    );
    let error = store
        .profile(AppId(7), &user("anna"))
        .unwrap()
        .wait()
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the profile of anna cannot be read"),
        "{error}"
    );
}

#[test]
fn the_file_is_cut_to_its_bounds_when_it_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weblive.db");
    let store = open(&path);
    for number in 1..=10 {
        store.write(message(&key(number), 1, "x")).unwrap();
    }
    for name in ["anna", "ben", "eve"] {
        let profile = SavedProfile::default();
        store
            .write(Change::Profile {
                app: AppId(7),
                user: user(name),
                profile,
            })
            .unwrap();
    }
    let past = Some(UnixTime(1));
    store
        .write(Change::Ban {
            room: key(10),
            user: user("eve"),
            until: past,
        })
        .unwrap();
    store.close();

    let config = SqliteConfig {
        rooms: 3,
        profiles: 2,
        ..SqliteConfig::default()
    };
    let store = SqliteStore::open(&path, &config).unwrap();
    store.write(message(&key(10), 2, "y")).unwrap();
    let saved = read(&store, &key(10));
    assert_eq!(sequences(&saved), [1, 2]);
    assert!(saved.bans.is_empty(), "the ban has ended");
    let other = Connection::open(&path).unwrap();
    let count = |table| {
        let sql = format!("SELECT count(*) FROM {table}");
        other
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(
        (count("room"), count("message"), count("profile")),
        (3, 4, 2)
    );
}

#[test]
fn memory_is_bounded() {
    let store = MemoryStore::new();
    for number in 1..=10_000 {
        store.write(message(&key(number), 1, "x")).unwrap();
    }
    let full = store.write(message(&key(10_001), 1, "x"));
    assert_eq!(full, Err(StoreError::Full { limit: 10_000 }));
    assert_eq!(store.write(message(&key(1), 2, "x")), Ok(()));
    assert_eq!(store.counts().refused, 1);
}

#[tokio::test]
async fn an_answer_can_be_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("weblive.db"));
    let room = key(1);
    store.write(message(&room, 1, "x")).unwrap();
    let flushed = tokio::time::timeout(Duration::from_secs(10), store.flush().unwrap()).await;
    assert_eq!(flushed.unwrap(), Ok(()));
    assert_eq!(sequences(&store.room(&room).unwrap().await.unwrap()), [1]);
}
