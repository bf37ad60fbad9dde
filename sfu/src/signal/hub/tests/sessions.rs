use super::*;
use crate::config::IceServer;

#[test]
fn a_user_logs_in_with_a_token_and_a_guest_without() {
    let mut world = World::new();
    let socket = world.open();
    let login = world.login_fields(1, "anna");
    let result = world.done(socket, "login", login);
    assert_eq!(result["user"], "anna");
    assert_eq!(result["resumeToken"].as_str().unwrap().len(), 32);
    assert_eq!(result["serverTime"], CLOCK.0);
    let login = world.login_fields(1, "ben");
    assert_eq!(world.refused(socket, "login", login), "alreadyLoggedIn");

    let guest = world.guest();
    assert_eq!(world.hub.gauges().guests, 1);
    assert_eq!(
        world.refused(guest, "createRoom", json!({"room": 5})),
        "guest"
    );

    let other = world.open();
    for (fields, name) in [
        (json!({"version": 9, "app": 1}), "version"),
        (json!({"version": 1, "app": 9}), "userSigRefused"),
        (
            json!({"version": 1, "app": 1, "user": "anna"}),
            "userSigRefused",
        ),
        (
            json!({"version": 1, "app": 1, "user": "ben", "userSig": world.sig(1, "anna")}),
            "userSigRefused",
        ),
    ] {
        assert_eq!(world.refused(other, "login", fields), name);
    }
    assert_eq!(
        world.refused(other, "createRoom", json!({"room": 5})),
        "notLoggedIn"
    );
    assert!(world.done(other, "ping", json!({}))["serverTime"].is_u64());
    assert_eq!(world.hub.counters().refused(HubRefusal::Token), 3);
    assert_eq!(world.hub.counters().logins, 2);
}

#[test]
fn a_second_login_of_a_user_ends_the_first_with_its_reason() {
    let mut world = World::new();
    let first = world.user("anna");
    world.room(first, 5);
    let session = world.publish(first, 5);
    world.events(first);
    let second = world.user("anna");
    let events = world.events(first);
    assert_eq!(
        events.iter().map(|e| &e["event"]).collect::<Vec<_>>()[0],
        "loggedOut"
    );
    let removed = events.iter().find(|e| e["event"] == "removed").unwrap();
    assert_eq!(removed["reason"], "banned");
    assert_eq!(world.closed[&first], 4001);
    assert!(world.is_closed(&session), "what it published ends");
    assert_eq!(world.hub.gauges().sessions, 1);
    assert_eq!(
        world.enter(second, 5, "anchor")["role"],
        "anchor",
        "its seat is kept"
    );
    // The same user of another app is somebody else.
    world.user_of(2, "anna");
    assert!(!world.closed.contains_key(&second));
}

#[test]
fn logging_out_leaves_all_rooms_and_closes_the_socket_after_the_answer() {
    let mut world = World::new();
    let anna = world.user("anna");
    world.room(anna, 5);
    let ben = world.user("ben");
    world.enter(ben, 5, "audience");
    let id = world.send(anna, "logout", json!({}));
    assert!(world.answer(anna, id).is_some());
    assert_eq!(world.closed[&anna], 1000);
    assert_eq!(world.events_of(ben, "anchorLeft")[0]["user"], "anna");
    assert_eq!(world.hub.gauges().sockets, 1);
}

#[test]
fn a_profile_comes_from_the_store_unless_the_client_brings_one() {
    let mut world = World::new();
    let stored = SavedProfile {
        nick: "Anna".to_owned(),
        gender: "f".to_owned(),
        ..SavedProfile::default()
    };
    world.profiles.insert("anna".to_owned(), stored.clone());
    let socket = world.open();
    let login = world.login_fields(1, "anna");
    assert_eq!(
        world.done(socket, "login", login)["profile"]["nick"],
        "Anna"
    );
    assert!(world.saved.is_empty());
    let profile = json!({"profile": {"nick": "Ann", "avatar": "a.png"}});
    assert_eq!(world.done(socket, "setProfile", profile)["nick"], "Ann");
    let [Change::Profile { profile, .. }] = &world.saved[..] else {
        panic!("{:?}", world.saved);
    };
    assert_eq!((&*profile.nick, &*profile.gender), ("Ann", "f"));

    // A login that brings a nick takes nothing else away.
    world.saved.clear();
    let again = world.open();
    let mut login = world.login_fields(1, "anna");
    login["profile"] = json!({"nick": "A.", "avatar": ""});
    world.done(again, "login", login);
    let [Change::Profile { profile, .. }] = &world.saved[..] else {
        panic!("{:?}", world.saved);
    };
    assert_eq!((&*profile.nick, &*profile.gender), ("A.", "f"));
}

#[test]
fn a_socket_without_login_is_closed_and_one_with_it_is_not() {
    let mut world = World::new();
    let idle = world.open();
    let anna = world.user("anna");
    world.pass(11 * SECOND);
    assert_eq!(world.closed.get(&idle), Some(&4003));
    assert!(!world.closed.contains_key(&anna));
    assert_eq!(world.hub.counters().refused(HubRefusal::NoLogin), 1);
}

#[test]
fn sessions_of_an_address_are_bounded_and_lost_ones_count() {
    let mut world = World::with(|config| config.sessions_per_address = 2);
    let anna = world.user("anna");
    world.user("ben");
    world.close(anna);
    let carl = world.open();
    let login = world.login_fields(1, "carl");
    assert_eq!(
        world.refused(carl, "login", login.clone()),
        "tooManySessions"
    );
    let elsewhere = world.open_from("10.0.0.2");
    world.done(elsewhere, "login", login.clone());
    world.pass(31 * SECOND);
    let carl = world.open();
    world.done(carl, "login", login);
    assert_eq!(world.hub.counters().refused(HubRefusal::Address), 1);
}

#[test]
fn one_who_asks_too_fast_is_told_and_one_who_goes_on_is_closed() {
    let mut world = World::with(|config| {
        config.requests_per_second = 10;
        config.request_burst = 20;
        config.rate_strikes = 5;
    });
    let anna = world.user("anna");
    for _ in 0..19 {
        world.done(anna, "ping", json!({}));
    }
    for _ in 0..5 {
        let answer = world.ask(anna, "ping", json!({}));
        assert_eq!(answer["error"]["code"], 2996);
        assert_eq!(answer["error"]["retryAfterMs"], 100);
    }
    world.pass(SECOND);
    for _ in 0..10 {
        world.done(anna, "ping", json!({}));
    }
    world.send(anna, "ping", json!({}));
    world.send(anna, "ping", json!({}));
    assert_eq!(world.closed.get(&anna), Some(&4004));
    assert_eq!(world.hub.gauges().sessions, 0, "the session ends with it");
    assert_eq!(world.hub.counters().refused(HubRefusal::RateClosed), 1);
}

#[test]
fn what_is_told_to_many_takes_more_of_the_rate() {
    let mut world = World::with(|config| config.told_per_request = 2_048);
    let anna = world.user("anna");
    world.room(anna, 5);
    for n in 0..20 {
        let member = world.user(&format!("m{n}"));
        world.enter(member, 5, "audience");
    }
    let ben = world.user("ben");
    world.enter(ben, 5, "audience");
    world.pass(10 * SECOND);
    let allowed = |world: &mut World, socket, kind: &str, request: &dyn Fn(u32) -> Value| {
        let answers = (0..200).map(|n| world.ask(socket, kind, request(n)));
        answers.take_while(|a| a.get("error").is_none()).count()
    };
    let renamed = allowed(
        &mut world,
        anna,
        "updateRoom",
        &|n| json!({"room": 5, "name": format!("name {n}")}),
    );
    assert!((5..60).contains(&renamed), "{renamed} of 100 at once");
    let alone = allowed(&mut world, ben, "showRoom", &|_| json!({"room": 5}));
    assert_eq!(alone, 100, "what nobody is told costs one");
    world.pass(10 * SECOND);
    let name = json!({"room": 5, "name": "back again"});
    world.done(anna, "updateRoom", name);
}

#[test]
fn a_broken_frame_is_answered_where_it_has_an_id_and_closed_where_not() {
    let mut world = World::new();
    let anna = world.user("anna");
    for (frame, name) in [
        (r#"{"id":900,"type":"fly"}"#, "unknownType"),
        (r#"{"id":901,"type":"like","room":1}"#, "badField"),
        (r#"{"id":902}"#, "malformed"),
    ] {
        world.hub.receive(world.now, SocketId(anna), frame);
        world.pump();
        let answer = world.frames[&anna].last().unwrap();
        assert_eq!(answer["error"]["name"], name, "{frame}");
    }
    world.hub.receive(world.now, SocketId(anna), "[[[[");
    world.pump();
    assert_eq!(world.closed.get(&anna), Some(&4000));
    assert_eq!(world.hub.counters().refused(HubRefusal::Malformed), 4);
    assert_eq!(world.hub.gauges().lost, 1, "its session may be resumed");
}

#[test]
fn two_apps_with_the_same_room_number_do_not_meet() {
    let mut world = World::new();
    let anna = world.user_of(1, "anna");
    let other = world.user_of(2, "anna");
    world.room(anna, 5);
    world.room(other, 5);
    let ben = world.user_of(2, "ben");
    world.enter(ben, 5, "audience");
    for socket in [anna, other, ben] {
        world.pass(SECOND);
        world.events(socket);
    }
    world.done(anna, "sendMessage", text(5, "one"));
    world.publish(anna, 5);
    world.pass(SECOND);
    assert_eq!(world.events(other), Vec::<Value>::new());
    assert_eq!(world.events(ben), Vec::<Value>::new());
    let members = world.done(anna, "listMembers", json!({"room": 5}));
    assert_eq!(members["members"].as_array().unwrap().len(), 1);
    let subscribe =
        json!({"room": 5, "user": "anna", "track": "main", "audio": true, "video": true});
    assert_eq!(world.refused(ben, "subscribe", subscribe), "notLive");
}

#[test]
fn whoever_enters_waits_until_the_room_is_loaded_and_is_then_answered_in_order() {
    let mut world = World::new();
    world.loads_at_once = false;
    let banned = SavedRoom {
        bans: vec![("ben".parse().unwrap(), CLOCK.after(60 * SECOND))],
        ..SavedRoom::default()
    };
    world.stored.insert(key(1, 5), banned);
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    let media = json!({"room": 5, "part": "media", "role": "anchor"});
    let first = world.send(anna, "enterRoom", media.clone());
    let second = world.send(ben, "enterRoom", media.clone());
    assert_eq!(
        (world.answer(anna, first), world.answer(ben, second)),
        (None, None)
    );
    assert_eq!((world.hub.gauges().pending, world.loads.len()), (2, 1));
    world.load();
    world.pump();
    assert!(world.answer(anna, first).unwrap()["result"]["role"] == "anchor");
    assert_eq!(
        world.answer(ben, second).unwrap()["error"]["name"],
        "banned"
    );
    // A room that is not there and would not be made is not read.
    let chat = json!({"room": 6, "part": "chat"});
    assert_eq!(world.refused(anna, "enterRoom", chat), "noSuchRoom");
    assert!(world.loads.is_empty());
    // The store is silent.
    let id = world.send(ben, "enterRoom", json!({"room": 7, "part": "media"}));
    world.pass(16 * SECOND);
    assert_eq!(world.answer(ben, id).unwrap()["error"]["name"], "timedOut");
    assert_eq!(world.hub.gauges().pending, 0);
}

#[test]
fn nobody_enters_a_room_whose_bans_cannot_be_read() {
    let mut world = World::new();
    world.loads_at_once = false;
    let banned = SavedRoom {
        bans: vec![("ben".parse().unwrap(), CLOCK.after(600 * SECOND))],
        ..SavedRoom::default()
    };
    world.stored.insert(key(1, 5), banned);
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    let media = json!({"room": 5, "part": "media", "role": "anchor"});
    for socket in [anna, ben] {
        let id = world.send(socket, "enterRoom", media.clone());
        world.loads.clear();
        world.hub.handle_loaded(world.now, &key(1, 5), None);
        world.pump();
        let error = world.answer(socket, id).unwrap()["error"].clone();
        assert_eq!(
            (&error["name"], &error["code"]),
            (&json!("busy"), &json!(0x4041))
        );
        assert_eq!(error["retryAfterMs"], 1_000);
    }
    assert_eq!(world.hub.counters().refused(HubRefusal::NotLoaded), 2);
    assert_eq!(
        (world.hub.gauges().rooms, world.hub.gauges().pending),
        (0, 0)
    );
    world.loads_at_once = true;
    assert_eq!(world.refused(ben, "enterRoom", media.clone()), "banned");
    world.done(anna, "enterRoom", media);
    assert_eq!(
        world.hub.next_timeout().map(|at| at > world.now),
        Some(true)
    );
}

#[test]
fn nobody_enters_a_room_of_which_a_ban_does_not_fit() {
    let mut world = World::with(|config| config.limits.bans_per_room = 1);
    let bans = ["ben", "cleo"].map(|user| (user.parse().unwrap(), CLOCK.after(60 * SECOND)));
    let saved = SavedRoom {
        bans: bans.to_vec(),
        ..SavedRoom::default()
    };
    world.stored.insert(key(1, 5), saved);
    let anna = world.user("anna");
    let media = json!({"room": 5, "part": "media"});
    assert_eq!(world.refused(anna, "enterRoom", media.clone()), "full");
    world.pass(61 * SECOND);
    world.done(anna, "enterRoom", media);
}

#[test]
fn without_a_good_user_sig_chat_and_new_rooms_wait_and_media_go_on() {
    let mut world = World::new();
    let anna = world.user("anna");
    world.room(anna, 5);
    let session = world.publish(anna, 5);
    world.pass(SECOND * 3_599);
    let hello = json!({"room": 5, "content": {"type": "TIMTextElem", "payload": {"text": "hi"}}});
    world.done(anna, "sendMessage", hello.clone());
    world.events(anna);
    world.pass(SECOND);
    assert_eq!(world.events_of(anna, "userSigExpired").len(), 1);

    assert_eq!(
        world.refused(anna, "sendMessage", hello.clone()),
        "userSigExpired"
    );
    let enter = json!({"room": 6, "part": "media"});
    assert_eq!(world.refused(anna, "enterRoom", enter), "userSigExpired");
    let mute = json!({"room": 5, "track": "main", "audio": true});
    world.done(anna, "muteTrack", mute);
    assert!(!world.is_closed(&session), "what it publishes goes on");

    let other = json!({"userSig": world.sig(1, "ben")});
    assert_eq!(world.refused(anna, "renewUserSig", other), "userSigRefused");
    let renewed = json!({"userSig": world.sig(1, "anna")});
    world.done(anna, "renewUserSig", renewed);
    world.done(anna, "sendMessage", hello);
    world.events(anna);
    world.pass(SECOND * 3_600);
    assert_eq!(world.events_of(anna, "userSigExpired").len(), 1);
}

#[test]
fn guests_and_ended_sessions_have_no_user_sig_that_ends() {
    let mut world = World::new();
    let ben = world.user("ben");
    world.send(ben, "logout", json!({}));
    let guest = world.guest();
    world.pass(SECOND * 4_000);
    assert!(world.events_of(guest, "userSigExpired").is_empty());
    assert_eq!(world.hub.user_sig_ends.next(), None);
    assert_eq!(
        world.refused(guest, "renewUserSig", json!({"userSig": "x"})),
        "guest"
    );
}

#[test]
fn credentials_for_turn_are_made_for_each_session_and_renewed_at_half_of_their_time() {
    let mut world = World::with(|config| {
        config.ice_servers = vec![
            IceServer {
                urls: vec!["stun:a.example".to_owned()],
                ..IceServer::default()
            },
            IceServer {
                urls: vec!["turn:a.example".to_owned()],
                secret: Some("north".parse().unwrap()),
                lifetime: SECOND * 600,
                ..IceServer::default()
            },
        ];
    });
    let socket = world.open();
    let login = world.login_fields(1, "anna");
    let result = world.done(socket, "login", login);
    let begins = CLOCK.as_secs();
    let username = |after: u64| format!("{}:anna", begins + after);
    assert_eq!(result["iceServers"][0], json!({"urls": ["stun:a.example"]}));
    let turn = &result["iceServers"][1];
    assert_eq!(turn["username"], username(600));
    assert_eq!(turn["credential"].as_str().unwrap().len(), 28);
    assert!(!result.to_string().contains("north"));

    world.pass(SECOND * 299);
    assert!(world.events_of(socket, "iceServersRenewed").is_empty());
    world.pass(SECOND);
    let renewed = world.events_of(socket, "iceServersRenewed");
    assert_eq!(renewed[0]["iceServers"][1]["username"], username(900));
    world.pass(SECOND * 300);
    assert_eq!(world.events_of(socket, "iceServersRenewed").len(), 1);
    world.send(socket, "logout", json!({}));
    assert_eq!(world.hub.ice_renewals.next(), None);

    let guest = world.guest();
    let mut without = World::new();
    let anna = without.user("anna");
    without.pass(SECOND * 3_000);
    assert!(without.events_of(anna, "iceServersRenewed").is_empty());
    world.pass(SECOND * 300);
    let renewed = world.events_of(guest, "iceServersRenewed");
    let name = renewed[0]["iceServers"][1]["username"].as_str().unwrap();
    assert!(name.ends_with(":guest"), "{name}");
}
