//! What attackers send on a socket that is well-formed: each is refused, and changes nothing.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;
use crate::auth::{Claims, MAX_TOKEN_LEN};

/// Anything in the outer form of a token.
fn envelope(content: &[u8]) -> String {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(content).unwrap();
    let text = STANDARD.encode(zlib.finish().unwrap());
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

#[test]
fn no_token_of_any_bad_kind_logs_anybody_in() {
    let mut world = World::new();
    let now = world.hub.clock(world.now).as_secs();
    let claims = |app: u32, user: &str| Claims {
        app: AppId(app),
        user: user.parse().unwrap(),
        issued_at: now,
        expires_in: 3_600,
        userbuf: None,
    };
    let key = |text: &str| text.parse().unwrap();
    let expired = Claims {
        issued_at: now - 7_200,
        ..claims(1, "anna")
    };
    let future = Claims {
        issued_at: now + 7_200,
        ..claims(1, "anna")
    };
    let overflowing = Claims {
        issued_at: u64::MAX,
        expires_in: u64::MAX,
        ..claims(1, "anna")
    };
    let stripped = format!(
        "{{\"TLS.ver\":\"2.0\",\"TLS.identifier\":\"anna\",\"TLS.sdkappid\":1,\
         \"TLS.expire\":3600,\"TLS.time\":{now}}}"
    );
    let bomb = envelope(&vec![b' '; 1 << 20]);
    assert!(bomb.len() < MAX_TOKEN_LEN);
    let checked = -100_018;
    for (what, token, code) in [
        ("expired", expired.sign(&key("one")), 70_001),
        ("future-dated", future.sign(&key("one")), checked),
        ("beyond all numbers", overflowing.sign(&key("one")), checked),
        ("expired and forged", expired.sign(&key("x")), checked),
        (
            "of another app",
            claims(2, "anna").sign(&key("two")),
            checked,
        ),
        (
            "of another app's key",
            claims(1, "anna").sign(&key("two")),
            checked,
        ),
        (
            "of another user",
            claims(1, "ben").sign(&key("one")),
            checked,
        ),
        (
            "without a signature",
            envelope(stripped.as_bytes()),
            checked,
        ),
        ("a zlib bomb", bomb, checked),
        ("too long", "e".repeat(60_000), checked),
        ("empty", String::new(), checked),
    ] {
        let socket = world.open();
        let login = json!({"version": 1, "app": 1, "user": "anna", "userSig": token});
        let answer = world.ask(socket, "login", login);
        assert_eq!(answer["error"]["code"], code, "{what}: {answer}");
        assert_eq!(
            world.refused(socket, "createRoom", json!({"room": 5})),
            "notLoggedIn",
            "{what}"
        );
    }
    assert_eq!(world.hub.counters().logins, 0);
    assert_eq!(world.hub.counters().refused(HubRefusal::Token), 11);
    assert_eq!(world.hub.gauges().sessions, 0);
}

#[test]
fn a_session_is_taken_up_with_its_own_secret_only() {
    let mut world = World::new();
    let [first, second] = ["anna", "ben"].map(|user| {
        let socket = world.open();
        let login = world.login_fields(1, user);
        world.done(socket, "login", login)
    });
    for (what, session, token) in [
        (
            "another session",
            &first["session"],
            second["resumeToken"].clone(),
        ),
        ("a guessed secret", &first["session"], json!("0".repeat(32))),
        ("no secret", &first["session"], json!("")),
        (
            "a secret and more",
            &first["session"],
            json!(format!("{}0", first["resumeToken"].as_str().unwrap())),
        ),
        (
            "another case",
            &first["session"],
            json!(
                first["resumeToken"]
                    .as_str()
                    .unwrap()
                    .to_uppercase()
                    .replace(|c: char| c.is_ascii_digit(), "A")
            ),
        ),
        (
            "a session of nobody",
            &json!("999"),
            first["resumeToken"].clone(),
        ),
    ] {
        let socket = world.open();
        let resume = json!({"session": session, "resumeToken": token, "lastSeq": 0});
        assert_eq!(
            world.refused(socket, "resume", resume),
            "sessionUnknown",
            "{what}"
        );
    }
    assert_eq!(world.hub.counters().resumes, 0);
}

/// Everything that hosts decide, asked by somebody who may not.
fn decisions(room: u32, target: &str) -> Vec<(&'static str, Value)> {
    let with = |mut fields: Value| {
        fields["room"] = room.into();
        fields
    };
    [
        ("kick", json!({"users": [target]})),
        ("kick", json!({"users": [target], "banSeconds": 60})),
        ("unban", json!({"user": target})),
        (
            "setAdministrator",
            json!({"user": "mallory", "isAdministrator": true}),
        ),
        ("updateRoom", json!({"notice": "mine"})),
        ("dismissRoom", json!({})),
        ("muteUser", json!({"user": target, "seconds": 60})),
        ("muteAll", json!({"muted": true})),
        ("lockSeat", json!({"seat": 1, "locked": true})),
        (
            "moveUser",
            json!({"user": target, "target": 1, "policy": "forceReplace"}),
        ),
        (
            "setDevice",
            json!({"user": target, "device": "microphone", "open": false}),
        ),
        ("kickOffSeat", json!({"users": [target]})),
        ("inviteToSeat", json!({"guest": "mallory"})),
        (
            "answerApplication",
            json!({"guest": "mallory", "accept": true}),
        ),
        ("requestCoHost", json!({"other": 6})),
        ("answerCoHost", json!({"other": 6, "accept": true})),
        ("muteCoHost", json!({"other": 6, "muted": true})),
        ("exitCoHost", json!({})),
        ("revokeMessage", json!({"sequence": 1})),
        ("startRelay", json!({"track": "main"})),
        (
            "publish",
            json!({
                "track": "main",
                "publication": {"hasAudio": true, "hasVideo": true, "hasSmall": false},
                "offer": "v=0",
            }),
        ),
        ("switchRole", json!({"role": "anchor"})),
        ("takeSeat", json!({"seat": 1})),
    ]
    .map(|(kind, fields)| (kind, with(fields)))
    .into()
}

#[test]
fn the_audience_decides_nothing_and_another_app_sees_nothing() {
    let mut world = World::new();
    let anna = world.user("anna");
    world.room(anna, 5);
    let say = |text: &str| {
        json!({
            "room": 5,
            "content": {"type": "TIMTextElem", "payload": {"text": text}},
        })
    };
    world.done(anna, "sendMessage", say("welcome"));
    let audience = world.user("mallory");
    world.enter(audience, 5, "audience");
    // The same names in another app, whose room 5 this is not.
    let stranger = world.user_of(2, "anna");
    let outsider = world.user("oscar");
    world.pass(SECOND);
    world.events(anna);
    let before = (world.saved.len(), world.ordered.len());
    for (kind, fields) in decisions(5, "anna") {
        for socket in [audience, stranger, outsider] {
            let answer = world.ask(socket, kind, fields.clone());
            // Without seats to be free, a seat is applied for.
            let applies = kind == "takeSeat" && socket == audience;
            assert!(
                answer.get("error").is_some() || applies,
                "{kind} by {socket}: {answer}"
            );
            // Not to use up the rate.
            world.pass(SECOND);
        }
    }
    let told: Vec<_> = world
        .events(anna)
        .into_iter()
        .filter(|event| {
            event["event"] != "applicationReceived" && event["event"] != "networkQuality"
        })
        .collect();
    assert_eq!(told, Vec::<Value>::new());
    assert_eq!((world.saved.len(), world.ordered.len()), before);
    let members = world.done(anna, "listMembers", json!({"room": 5}));
    assert_eq!(members["members"].as_array().unwrap().len(), 2, "{members}");
    assert_eq!(world.hub.gauges().rooms, 1);
}

#[test]
fn scripts_are_texts_and_control_characters_are_none() {
    let mut world = World::new();
    let anna = world.user("anna");
    world.room(anna, 5);
    let text = "<script>alert('x')</script>\" onload=\"\u{2028}\u{202e}</textarea>\n--\\u0000";
    let nick = "<img src=x onerror=alert(1)>";
    let socket = world.open();
    let mut login = world.login_fields(1, "ben");
    login["profile"] = json!({"nick": nick, "avatar": "javascript:alert(1)"});
    world.done(socket, "login", login);
    world.enter(socket, 5, "audience");
    let content = json!({"type": "TIMTextElem", "payload": {"text": text}});
    world.done(
        socket,
        "sendMessage",
        json!({"room": 5, "content": content}),
    );
    world.pass(SECOND);
    let said = world.events_of(anna, "message");
    let said = said
        .iter()
        .find(|event| event["message"]["from"] == "ben")
        .unwrap();
    // As they were sent: who shows them says in which language they stand.
    assert_eq!(said["message"]["payload"]["text"], text);
    assert_eq!(said["message"]["nick"], nick);

    for bad in ["\0", "\u{7f}", "a\u{1b}[2Jb", "\u{85}"] {
        let content = json!({"type": "TIMTextElem", "payload": {"text": bad}});
        let send = json!({"room": 5, "content": content});
        assert_eq!(world.refused(socket, "sendMessage", send), "badValue");
        let profile = json!({"profile": {"nick": bad, "avatar": ""}});
        assert!(
            world
                .ask(socket, "setProfile", profile)
                .get("error")
                .is_some()
        );
    }
    let long = json!({"type": "TIMTextElem", "payload": {"text": "x".repeat(12 * 1024 + 1)}});
    let send = json!({"room": 5, "content": long});
    assert_eq!(
        world.ask(socket, "sendMessage", send)["error"]["code"],
        80_002
    );
    let fake = json!({"type": "TIMImageElem", "payload": {"uuid": "../../etc/passwd"}});
    let send = json!({"room": 5, "content": fake});
    assert!(
        world
            .ask(socket, "sendMessage", send)
            .get("error")
            .is_some()
    );
}
