//! Names of streams, and who holds them.

use super::*;
use crate::live::ids::{AppId, RoomId};
use proptest::prelude::*;

const APP: AppId = AppId(1_400_000_000);

fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

fn default_id(room: &RoomId, name: &str, track: TrackKind) -> String {
    StreamName::of(APP, room, &user(name), track, None)
        .unwrap()
        .to_string()
}

fn source(name: &str, track: TrackKind) -> Source {
    Source {
        room: RoomKey::new(APP, RoomId::Number(7)),
        user: user(name),
        track,
    }
}

fn id(text: &str) -> StreamId {
    text.parse().unwrap()
}

fn order(stream: &str, relay: Option<&str>) -> Option<RelayOrder> {
    Some(RelayOrder {
        stream: id(stream),
        relay: relay.map(id),
    })
}

#[test]
fn a_default_id_says_app_room_user_and_track() {
    let number = RoomId::Number(123);
    assert_eq!(
        default_id(&number, "anna-1_b", TrackKind::Main),
        "1400000000_123_anna-1_b_main"
    );
    let name = RoomId::name("r1").unwrap();
    assert_eq!(
        default_id(&name, "anna", TrackKind::Aux),
        "1400000000_r1_anna_aux"
    );
}

#[test]
fn a_tail_with_other_characters_is_hashed() {
    let room = RoomId::name("r1").unwrap();
    assert_eq!(
        default_id(&room, "user@x", TrackKind::Main),
        "1400000000_3f8b4328b5fc5508c8c8a7c5cbc23d35"
    );
    // Leading zeros stay, and letters beyond ASCII are other characters.
    for name in ["小军", "é", "a b", "a.b"] {
        let text = default_id(&room, name, TrackKind::Main);
        let tail = text.strip_prefix("1400000000_").unwrap();
        assert_eq!(tail.len(), 32, "{name}: {text}");
    }
}

#[test]
fn a_chosen_id_is_taken_verbatim_within_its_rule() {
    let of = |chosen: &str| {
        let room = RoomId::Number(1);
        StreamName::of(APP, &room, &user("a"), TrackKind::Main, Some(chosen))
    };
    let longest = "x".repeat(64);
    for good in ["a", "My-stream_1", longest.as_str()] {
        assert_eq!(of(good).unwrap().as_str(), good);
    }
    assert_eq!(of(""), Err(InvalidStreamName::Length { len: 0, limit: 64 }));
    assert_eq!(
        of(&"x".repeat(65)),
        Err(InvalidStreamName::Length { len: 65, limit: 64 })
    );
    for character in ['.', '/', ' ', 'é', '\0', '%', '军', 'ſ'] {
        assert_eq!(
            of(&format!("a{character}b")),
            Err(InvalidStreamName::Character { character })
        );
    }
}

proptest! {
    #[test]
    fn every_room_and_user_have_a_default_id(
        app in any::<u32>(),
        room in "[ -~]{1,64}",
        name in "\\PC{1,10}",
        aux in any::<bool>(),
    ) {
        let (Ok(room), Ok(name)) = (RoomId::name(&room), name.parse::<UserId>()) else {
            return Ok(());
        };
        let track = if aux { TrackKind::Aux } else { TrackKind::Main };
        let made = StreamName::of(AppId(app), &room, &name, track, None).unwrap();
        let prefix = format!("{app}_");
        prop_assert!(made.as_str().starts_with(&prefix));
    }
}

#[test]
fn the_mode_says_what_is_relayed_without_a_call() {
    for (mode, default, chosen) in [
        (RelayMode::Automatic, true, true),
        (RelayMode::Named, false, true),
    ] {
        let mut book = Broadcasts::new(mode, 10);
        let by_default = book.open(source("anna", TrackKind::Main), None).unwrap();
        assert_eq!(by_default.relayed_as.is_some(), default);
        let by_choice = book.open(source("anna", TrackKind::Aux), Some("show"));
        let by_choice = by_choice.unwrap();
        assert_eq!(by_choice.relayed_as.is_some(), chosen);
        assert_eq!(by_choice.stream, id("show"));
    }
}

#[test]
fn relaying_is_started_renamed_and_stopped() {
    let mut book = Broadcasts::new(RelayMode::Named, 10);
    let anna = source("anna", TrackKind::Main);
    let stream = "1400000000_7_anna_main";
    assert_eq!(
        book.start(&anna, None),
        Err(BroadcastError::NotPublished {
            track: TrackKind::Main
        })
    );
    book.open(anna.clone(), None).unwrap();
    assert_eq!(book.stop(&anna), Ok(None), "it is not relayed");

    let started = book.start(&anna, None).unwrap();
    assert_eq!(started, order(stream, Some(stream)));
    assert_eq!(book.of(&anna).unwrap().relayed_as, None, "not yet");
    assert_eq!(book.of(&anna).unwrap().relay_name(), Some(&id(stream)));
    assert_eq!(
        book.start(&anna, Some("show")),
        Err(BroadcastError::Busy { stream: id(stream) })
    );
    book.settle(&anna, &started.unwrap(), true);
    assert_eq!(book.of(&anna).unwrap().relayed_as, Some(id(stream)));
    assert_eq!(book.start(&anna, None), Ok(None));

    let renamed = book.start(&anna, Some("show")).unwrap().unwrap();
    assert_eq!(Some(renamed.clone()), order(stream, Some("show")));
    book.settle(&anna, &renamed, true);
    assert_eq!(book.start(&anna, Some("show")), Ok(None));
    assert_eq!(book.holder(&id("show")), Some(&anna));
    assert_eq!(
        book.holder(&id(stream)),
        Some(&anna),
        "its id stays its own"
    );

    let stopped = book.stop(&anna).unwrap().unwrap();
    assert_eq!(Some(stopped.clone()), order(stream, None));
    book.settle(&anna, &stopped, true);
    assert_eq!(book.holder(&id("show")), None);
    assert_eq!(book.of(&anna).unwrap().relayed_as, None);
}

#[test]
fn a_refused_order_leaves_all_as_it_was() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 10);
    let anna = source("anna", TrackKind::Main);
    let stream = book.open(anna.clone(), None).unwrap().stream.clone();
    let refused = book.start(&anna, Some("show")).unwrap().unwrap();
    book.settle(&anna, &refused, false);
    assert_eq!(book.of(&anna).unwrap().relayed_as, Some(stream.clone()));
    assert_eq!(book.holder(&id("show")), None);
    assert_eq!(book.holder(&stream), Some(&anna));
    let refused = book.stop(&anna).unwrap().unwrap();
    book.settle(&anna, &refused, false);
    assert_eq!(book.of(&anna).unwrap().relayed_as, Some(stream));
}

#[test]
fn an_update_that_is_not_newer_than_the_last_one_is_refused() {
    let mut book = Broadcasts::new(RelayMode::Named, 10);
    let anna = source("anna", TrackKind::Main);
    book.open(anna.clone(), None).unwrap();
    let not_relayed = BroadcastError::NotRelayed {
        track: TrackKind::Main,
    };
    assert_eq!(book.update(&anna, Some("x"), 1), Err(not_relayed.clone()));
    let settle = |book: &mut Broadcasts, order: Option<RelayOrder>| {
        book.settle(&anna, &order.unwrap(), true);
    };
    let order = book.start(&anna, None).unwrap();
    assert!(
        matches!(
            book.update(&anna, None, 5),
            Err(BroadcastError::Busy { .. })
        ),
        "and its number is not used up"
    );
    settle(&mut book, order);
    assert!(book.update(&anna, Some("no name"), 5).is_err(), "nor here");
    let order = book.update(&anna, Some("five"), 5).unwrap();
    settle(&mut book, order);
    for given in [0, 4, 5] {
        let old = BroadcastError::OldUpdate { given, last: 5 };
        assert_eq!(book.update(&anna, Some("late"), given), Err(old));
    }
    assert_eq!(book.of(&anna).unwrap().relay_name(), Some(&id("five")));
    assert_eq!(book.update(&anna, None, 7), Ok(None));
    let order = book.stop(&anna).unwrap();
    settle(&mut book, order);
    assert_eq!(book.update(&anna, None, 8), Err(not_relayed));
    let order = book.start(&anna, None).unwrap();
    settle(&mut book, order);
    let old = BroadcastError::OldUpdate { given: 7, last: 7 };
    assert_eq!(book.update(&anna, Some("late"), 7), Err(old));
    book.open(anna.clone(), Some("anew")).unwrap();
    assert_eq!(book.update(&anna, None, 1), Ok(None));
}

#[test]
fn a_late_outcome_does_not_touch_the_next_publication() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 10);
    let anna = source("anna", TrackKind::Main);
    book.open(anna.clone(), None).unwrap();
    let late = book.start(&anna, Some("show")).unwrap().unwrap();
    let again = book.open(anna.clone(), None).unwrap().clone();
    book.settle(&anna, &late, true);
    assert_eq!(book.of(&anna), Some(&again));
    assert_eq!(book.holder(&id("show")), None);
    book.close(&anna);
    book.settle(&anna, &late, true);
    assert!(book.is_empty() && book.holders.is_empty());
}

#[test]
fn a_name_that_another_holds_is_refused() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 10);
    let (anna, bert) = (
        source("anna", TrackKind::Main),
        source("bert", TrackKind::Main),
    );
    let taken = |name: &str| BroadcastError::Taken { name: id(name) };
    book.open(anna.clone(), Some("show")).unwrap();
    assert_eq!(
        book.open(bert.clone(), Some("show")).unwrap_err(),
        taken("show")
    );
    book.open(bert.clone(), None).unwrap();
    assert_eq!(book.start(&bert, Some("show")), Err(taken("show")));
    // A name that is held and not used yet, and one that is about to be left.
    let order = book.start(&anna, Some("other")).unwrap().unwrap();
    assert_eq!(book.start(&bert, Some("other")), Err(taken("other")));
    book.settle(&anna, &order, true);
    assert_eq!(book.start(&bert, Some("other")), Err(taken("other")));
    // Another track of the same user is another broadcast.
    let screen = source("anna", TrackKind::Aux);
    assert_eq!(book.open(screen, Some("show")).unwrap_err(), taken("show"));
    // Somebody else's default id is a name like any other.
    let mine = "1400000000_7_bert_main";
    assert_eq!(book.start(&anna, Some(mine)), Err(taken(mine)));
    assert_eq!(book.refused(), 6);
    book.close(&anna);
    assert!(book.open(bert, Some("show")).is_ok());
}

#[test]
fn publishing_again_frees_the_names_from_before() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 1);
    let anna = source("anna", TrackKind::Main);
    book.open(anna.clone(), Some("first")).unwrap();
    book.start(&anna, Some("alias")).unwrap();
    book.open(anna.clone(), Some("second")).unwrap();
    assert_eq!(book.holders.len(), 1);
    assert_eq!(book.holder(&id("second")), Some(&anna));
}

#[test]
fn the_book_is_bounded_and_counts() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 2);
    book.open(source("a", TrackKind::Main), None).unwrap();
    book.open(source("b", TrackKind::Main), None).unwrap();
    assert_eq!(
        book.open(source("c", TrackKind::Main), None).unwrap_err(),
        BroadcastError::Full { limit: 2 }
    );
    assert_eq!((book.refused(), book.len()), (1, 2));
}

#[test]
fn a_rooms_broadcasts_are_listed_apart() {
    let mut book = Broadcasts::new(RelayMode::Automatic, 10);
    let mut elsewhere = source("anna", TrackKind::Main);
    elsewhere.room.room = RoomId::Number(8);
    let mut named = source("bert", TrackKind::Main);
    named.room.room = RoomId::name("7").unwrap();
    for source in [
        source("bert", TrackKind::Aux),
        elsewhere,
        named,
        source("anna", TrackKind::Main),
    ] {
        book.open(source, None).unwrap();
    }
    let room = RoomKey::new(APP, RoomId::Number(7));
    let users: Vec<_> = book.of_room(&room).map(|(s, _)| s.user.as_str()).collect();
    assert_eq!(users, ["anna", "bert"]);
    assert_eq!(book.iter().count(), 4);
}
