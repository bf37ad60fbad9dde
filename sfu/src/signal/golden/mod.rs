//! Recorded signalling sessions: text files that run against the hub on virtual time.
//!
//! A file in `tests/signal_golden/` has one step or one outcome a line:
//!
//! ```text
//! anna > {"id":1,…}      a client sends a frame
//! anna < {"type":…}      a client gets a frame
//! anna opens             a client opens a socket; closes: it is lost
//! anna closed 4001 …     the server closes it
//! wait 30s               time goes by
//! media > live STREAM    the media side tells something; media < … it is ordered something
//! store is broken        what is stored of rooms cannot be read from now on
//! server tokens          the first line, where the apps' tokens are checked; or
//! server turn            where a TURN server shares a secret with this one
//! ```
//!
//! Steps are carried out, outcomes compared. Every frame to a client is checked against the
//! TypeScript types, every frame from one that is answered without an error is a request.
//! `UPDATE=1` writes the outcomes anew: read the difference before you commit it.

mod player;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::player::Player;
use crate::signal::protocol::typescript::Types;

#[test]
fn the_recorded_sessions_go_as_they_went() {
    let types = Types::collect();
    let mut differences = Vec::new();
    for path in files() {
        let recorded = std::fs::read_to_string(&path).unwrap();
        let played = Player::play(&types, &recorded)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if played == recorded {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, played).unwrap();
            continue;
        }
        let mut lines = recorded.lines().zip(played.lines()).enumerate();
        let at = lines.find(|(_, (old, new))| old != new);
        let (number, (old, new)) = at.unwrap_or((recorded.lines().count(), ("the end", "more")));
        differences.push(format!(
            "{}:{}\n    recorded {old}\n    now      {new}",
            path.display(),
            number + 1
        ));
    }
    assert!(
        differences.is_empty(),
        "{}\nIf that is right: UPDATE=1 cargo test -p sfu --lib signal::golden",
        differences.join("\n")
    );
}

#[test]
fn the_example_session_of_the_description_goes_so() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once("```session\n").unwrap();
    let (recorded, after) = rest.split_once("```").unwrap();
    let played = Player::play(&Types::collect(), recorded).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}```session\n{played}```{after}")).unwrap();
        return;
    }
    assert_eq!(
        recorded, played,
        "UPDATE=1 cargo test -p sfu --lib signal::golden renews it"
    );
}

#[test]
fn each_documented_error_is_provoked_in_a_recorded_session() {
    let types = Types::collect();
    let mut missing: BTreeSet<&str> = types.error_names().into_iter().collect();
    for path in files() {
        let recorded = std::fs::read_to_string(path).unwrap();
        missing.retain(|name| !recorded.contains(&format!("\"name\":\"{name}\"")));
    }
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(name, _)| *name).collect();
    assert_eq!(missing, elsewhere);
}

#[test]
fn each_request_is_made_and_each_event_told_in_a_recorded_session() {
    let types = Types::collect();
    let all: String = files()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for name in crate::signal::protocol::RequestBody::NAMES {
        assert!(all.contains(&format!("\"type\":\"{name}\"")), "{name}");
    }
    for name in types.event_names() {
        assert!(all.contains(&format!("\"event\":\"{name}\"")), "{name}");
    }
}

/// Errors that no session on a hub alone can meet, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "answerGone",
        "it takes answers of more than 32 KiB between a request and its repetition",
    ),
    ("imageType", "the upload says it, by HTTP"),
    ("imageSize", "the upload says it, by HTTP"),
];

fn files() -> impl Iterator<Item = PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signal_golden");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.into_iter()
}
