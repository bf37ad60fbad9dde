use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::live::chat::ChatError;
use crate::live::{
    Command, Entry, Event, Face, LiveError, Order, Rights, RoomId, RoomInfo, SeatCommand,
};

fn read(text: &str) -> RequestBody {
    parse(text)
        .unwrap_or_else(|bad| panic!("{text}: {}", bad.error.message))
        .body
}

fn refused(text: &str) -> (Option<u32>, ErrorName, String) {
    let bad = parse(text).expect_err(text);
    (bad.id, bad.error.name, bad.error.message)
}

fn command(text: &str) -> Command {
    match read(text).convert() {
        Converted::Command(command) => command,
        other => panic!("{text} is no command: {other:?}"),
    }
}

#[test]
fn a_refused_frame_says_what_is_allowed_and_keeps_its_id() {
    let (id, name, message) = refused(r#"{"id":7,"type":"ping","extra":1}"#);
    assert_eq!((id, name), (Some(7), ErrorName::BadField));
    assert!(message.contains("`extra`"), "{message}");
    let (id, name, message) = refused(r#"{"id":7,"type":"like","room":5,"count":1,"to":"x"}"#);
    assert_eq!((id, name), (Some(7), ErrorName::BadField));
    assert!(message.contains("expected `room` or `count`"), "{message}");
    let (_, name, message) = refused(r#"{"id":7,"type":"leaveRoom","room":5}"#);
    assert_eq!(name, ErrorName::BadField);
    assert!(message.contains("missing field `part`"), "{message}");

    let bad = parse(r#"{"id":7,"type":"fly"}"#).unwrap_err();
    assert_eq!((bad.id, bad.error.name), (Some(7), ErrorName::UnknownType));
    assert!(bad.error.allowed.unwrap().contains("enterRoom"));
    for text in [
        "",
        "[]",
        r#"{"type":"ping"}"#,
        r#"{"id":"1","type":"ping"}"#,
        r#"{"id":4294967296,"type":"ping"}"#,
        r#"{"id":1.5,"type":"ping"}"#,
        r#"{"id":1,"id":1,"type":"ping"}"#,
    ] {
        let (id, name, _) = refused(text);
        assert_eq!((id, name), (None, ErrorName::Malformed), "{text}");
    }
}

#[test]
fn inner_values_are_read_as_strictly() {
    for text in [
        r#"{"id":1,"type":"setProfile","profile":{"nick":"a","avatar":"","gender":1}}"#,
        r#"{"id":1,"type":"createRoom","room":5,"seats":{"count":3,"mode":"freeToTake","keepOwnerOnSeat":true,"x":1}}"#,
        r#"{"id":1,"type":"sendMessage","room":5,"content":{"type":"TIMTextElem","payload":{"text":"a","x":1}}}"#,
        r#"{"id":1,"type":"sendMessage","room":5,"content":{"type":"TIMTextElem","payload":{"text":"a"},"x":1}}"#,
        r#"{"id":1,"type":"muteUser","room":5,"user":"ben","seconds":-1}"#,
        r#"{"id":1,"type":"takeSeat","room":5,"seat":70000}"#,
    ] {
        assert_eq!(refused(text).1, ErrorName::BadField, "{text}");
    }
}

#[test]
fn a_bad_id_has_the_documented_code() {
    for text in [
        r#"{"id":1,"type":"showRoom","room":0}"#,
        r#"{"id":1,"type":"showRoom","room":"a/b"}"#,
        r#"{"id":1,"type":"requestCoHost","room":5,"other":4294967295}"#,
        r#"{"id":1,"type":"unban","room":5,"user":""}"#,
    ] {
        let bad = parse(text).expect_err(text);
        assert_eq!((bad.error.name, bad.error.code), (ErrorName::BadId, 10_015));
        assert_eq!(bad.error.codes.rtc, 0x1000);
    }
}

#[test]
fn what_a_client_has_sent_is_quoted_shortly() {
    let text = format!(r#"{{"id":1,"type":"ping","{}":1}}"#, "ä".repeat(10_000));
    assert!(refused(&text).2.len() < 800);
    let text = format!(r#"{{"id":1,"type":"{}"}}"#, "x".repeat(10_000));
    assert!(refused(&text).2.len() < 200);
}

#[test]
fn absent_and_zero_times_are_none() {
    for (field, expected) in [
        ("", None),
        (r#","timeoutSeconds":0"#, None),
        (r#","timeoutSeconds":null"#, None),
        (r#","timeoutSeconds":30"#, Some(Duration::from_secs(30))),
    ] {
        let text = format!(r#"{{"id":1,"type":"applyForSeat","room":5{field}}}"#);
        let Command::Seat {
            command: SeatCommand::Apply { seat, timeout },
            ..
        } = command(&text)
        else {
            panic!("{text}");
        };
        assert_eq!((seat, timeout), (None, expected));
    }
    let kick = command(r#"{"id":1,"type":"kick","room":5,"users":["ben"],"banSeconds":60}"#);
    assert!(matches!(
        kick,
        Command::Order { order: Order::Kick { ban: Some(ban), .. }, .. }
            if ban == Duration::from_secs(60)
    ));
}

#[test]
fn entering_needs_the_rights_of_a_token_and_has_safe_defaults() {
    let RequestBody::EnterRoom(enter) =
        read(r#"{"id":1,"type":"enterRoom","room":"a","part":"all"}"#)
    else {
        panic!("another request");
    };
    let Command::Enter { room, entry } = enter.command(Rights::AUDIENCE) else {
        panic!("another command");
    };
    assert_eq!(room, RoomId::name("a").unwrap());
    let Entry::Live(media) = entry else {
        panic!("another entry: {entry:?}");
    };
    assert_eq!(media.rights, Rights::AUDIENCE);
    assert_eq!(media.role, crate::live::Role::Audience);
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let before = RoomInfo {
        room: RoomId::number(5).unwrap(),
        name: "Old".into(),
        notice: "Notice".into(),
        introduction: "".into(),
        cover: "/cover.png".into(),
        hidden: false,
        owner: None,
        scene: None,
        online: 0,
        total_entered: 0,
        seats: None,
        created_at: None,
    };
    let RequestBody::UpdateRoom(update) =
        read(r#"{"id":1,"type":"updateRoom","room":5,"name":"New"}"#)
    else {
        panic!("another request");
    };
    let command = update.command(Some(&before)).unwrap();
    let expected = RoomInfo {
        name: "New".into(),
        ..before.clone()
    };
    assert_eq!(
        command,
        Command::Order {
            room: before.room.clone(),
            order: Order::Update {
                about: Some(expected.about()),
                seat_mode: None
            }
        }
    );
}

#[test]
fn a_refusal_has_the_code_of_the_face_that_asked() {
    let faces = [
        (
            r#"{"id":1,"type":"enterRoom","room":5,"part":"chat"}"#,
            10_010,
        ),
        (
            r#"{"id":1,"type":"enterRoom","room":5,"part":"media"}"#,
            0x4004,
        ),
        (
            r#"{"id":1,"type":"enterRoom","room":5,"part":"all"}"#,
            100_004,
        ),
        (
            r#"{"id":1,"type":"switchRole","room":5,"role":"anchor"}"#,
            0x4004,
        ),
    ];
    let room = RoomId::number(5).unwrap();
    let error = LiveError::NoSuchRoom { room: room.clone() };
    for (text, code) in faces {
        let request = read(text);
        assert_eq!(request.room(), Some(&room));
        assert_eq!(ErrorBody::live(&error, request.face()).code, code, "{text}");
    }
    let muted = ErrorBody::chat(&ChatError::AllMuted, Face::Chat);
    assert_eq!((muted.code, muted.codes.live), (10_017, -2380));
    let slow = ErrorBody::chat(
        &ChatError::TooFast {
            per_second: 5,
            retry: Duration::from_millis(200),
        },
        Face::Chat,
    );
    assert_eq!((slow.code, slow.retry_after_ms), (2996, Some(200)));
}

#[test]
fn an_event_that_is_written_once_is_the_same_as_one_written_for_itself() {
    let body = EventBody::from(Event::LoggedOut {
        message: "\"quoted\"".into(),
    });
    let shared = SharedEvent::new(&body).numbered(41);
    assert_eq!(*shared, *ServerMessage::Event { seq: 41, body }.text());
    assert_eq!(
        *shared,
        *r#"{"type":"event","seq":41,"event":"loggedOut","message":"\"quoted\""}"#
    );
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let login =
        read(r#"{"id":1,"type":"login","version":1,"app":1,"user":"a","userSig":"geheim"}"#);
    let resume =
        read(r#"{"id":1,"type":"resume","session":"1","resumeToken":"geheim","lastSeq":0}"#);
    let enter =
        read(r#"{"id":1,"type":"enterRoom","room":1,"part":"all","privateMapKey":"geheim"}"#);
    let update = read(r#"{"id":1,"type":"updatePrivateMapKey","room":1,"privateMapKey":"geheim"}"#);
    for request in [login, resume, enter, update] {
        assert!(!format!("{request:?}").contains("geheim"));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_as_they_are_written(
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            (0..RequestBody::NAMES.len(), "[\\PC]{0,40}", any::<u32>()).prop_map(|(n, text, id)| {
                let name = RequestBody::NAMES[n];
                let text = serde_json::json!(text);
                format!(
                    r#"{{"id":{id},"type":"{name}","room":{},"user":{text},"count":{id}}}"#,
                    id % 100
                ).into_bytes()
            }),
        ],
    ) {
        fuzzing::read_request(&data);
    }
}
