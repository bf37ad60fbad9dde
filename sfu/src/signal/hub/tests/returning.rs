//! Those who come back to a room: what they are told of it, and whose it is after the server has
//! begun anew.

use super::*;

const SHOW: u32 = 5;

fn seats() -> Value {
    json!({"count": 3, "mode": "applyToTake", "keepOwnerOnSeat": true})
}

/// The room of olga's, in whose media gina is.
fn show(world: &mut World) -> [u64; 2] {
    let [olga, gina] = ["olga", "gina"].map(|user| world.user(user));
    world.room(olga, SHOW);
    world.enter(gina, SHOW, "audience");
    [olga, gina]
}

fn enter_again(world: &mut World, socket: u64, role: &str) -> Value {
    let fields = json!({"room": SHOW, "part": "media", "role": role, "existing": true});
    world.ask(socket, "enterRoom", fields)
}

#[test]
fn a_host_who_returns_is_told_what_waits_for_an_answer() {
    let mut world = World::new();
    let [olga, gina] = show(&mut world);
    let apply = json!({"room": SHOW, "seat": 2, "timeoutSeconds": 60});
    world.done(gina, "applyForSeat", apply);
    for (user, room) in [("paul", 6), ("rita", 7)] {
        let host = world.user(user);
        world.room(host, room);
        if room == 6 {
            let ask = json!({"room": 6, "other": SHOW, "extension": "battle"});
            world.done(host, "requestCoHost", ask);
        }
    }
    world.done(olga, "requestCoHost", json!({"room": SHOW, "other": 7}));

    // The page was loaded anew: another login, and the room is entered again.
    let olga = world.user("olga");
    let entered = world.enter(olga, SHOW, "anchor");
    assert_eq!(
        entered["applications"],
        json!([{"guest": "gina", "profile": {"nick": "", "avatar": ""}, "seat": 2}])
    );
    assert_eq!(
        entered["coHostRequests"],
        json!([
            {"other": 7, "sent": true, "extension": ""},
            {"other": 6, "sent": false, "extension": "battle"},
        ])
    );
    // All of it can be answered.
    let answer = json!({"room": SHOW, "guest": "gina", "accept": true});
    world.done(olga, "answerApplication", answer);
    let answer = json!({"room": SHOW, "other": 6, "accept": true});
    world.done(olga, "answerCoHost", answer);
    world.done(olga, "cancelCoHost", json!({"room": SHOW, "other": 7}));
    let entered = world.enter(olga, SHOW, "anchor");
    assert_eq!(entered["applications"], Value::Null);
    assert_eq!(entered["coHostRequests"], Value::Null);
}

#[test]
fn only_hosts_are_told_what_waits_for_an_answer() {
    let mut world = World::new();
    let [_, gina] = show(&mut world);
    world.done(gina, "applyForSeat", json!({"room": SHOW}));
    let paul = world.user("paul");
    world.room(paul, 6);
    world.done(paul, "requestCoHost", json!({"room": 6, "other": SHOW}));
    let ben = world.user("ben");
    let guest = world.guest();
    let chat = json!({"room": SHOW, "part": "chat"});
    for entered in [
        world.enter(ben, SHOW, "audience"),
        world.done(guest, "enterRoom", chat),
    ] {
        assert_eq!(entered["applications"], Value::Null);
        assert_eq!(entered["coHostRequests"], Value::Null);
    }
}

#[test]
fn who_enters_a_chat_knows_how_often_the_room_was_liked() {
    let mut world = World::new();
    let [_, gina] = show(&mut world);
    world.done(gina, "like", json!({"room": SHOW, "count": 41}));
    world.done(gina, "like", json!({"room": SHOW, "count": 1}));
    let [ben, guest] = [world.user("ben"), world.guest()];
    let mut enter = |socket, part| {
        let fields = json!({"room": SHOW, "part": part});
        world.done(socket, "enterRoom", fields)["totalLikesReceived"].clone()
    };
    assert_eq!(enter(ben, "media"), Value::Null, "likes are of the chat");
    assert_eq!(enter(ben, "chat"), 42);
    assert_eq!(enter(ben, "all"), 42, "one who is there asks again");
    assert_eq!(enter(guest, "chat"), 42);
}

#[test]
fn who_enters_a_chat_knows_whether_everybody_is_muted() {
    let mut world = World::new();
    let [olga, gina] = show(&mut world);
    let chat = json!({"room": SHOW, "part": "chat"});
    let guest = world.guest();
    let entered = world.done(guest, "enterRoom", chat.clone());
    assert_eq!(entered["allMuted"], false);
    world.done(olga, "muteAll", json!({"room": SHOW, "muted": true}));
    assert_eq!(world.done(gina, "enterRoom", chat)["allMuted"], true);
}

#[test]
fn a_room_says_when_it_was_created() {
    let mut world = World::new();
    world.pass(9 * SECOND);
    let [olga, gina] = show(&mut world);
    let info = world.done(gina, "showRoom", json!({"room": SHOW}));
    assert_eq!(info["createdAt"], CLOCK.0 + 9_000);
    let fields = json!({"room": 6, "part": "media", "role": "anchor"});
    world.done(olga, "leaveRoom", json!({"room": SHOW, "part": "media"}));
    let entered = world.done(olga, "enterRoom", fields);
    assert_eq!(entered["info"]["createdAt"], Value::Null);
}

#[test]
fn who_is_removed_is_told_by_whom() {
    let mut world = World::new();
    let [olga, gina] = show(&mut world);
    let removed = |world: &mut World, socket| {
        let told = world.events_of(socket, "removed");
        assert_eq!(told.len(), 1, "{told:?}");
        (told[0]["reason"].clone(), told[0]["by"].clone())
    };
    let kick = json!({"room": SHOW, "users": ["gina"]});
    world.done(olga, "kick", kick);
    assert_eq!(removed(&mut world, gina), ("kick".into(), "host".into()));
    world.enter(gina, SHOW, "audience");
    let again = world.user("gina");
    assert_eq!(removed(&mut world, gina), ("banned".into(), "user".into()));
    world.enter(again, SHOW, "audience");
    world.done(olga, "dismissRoom", json!({"room": SHOW}));
    for socket in [olga, again] {
        let expected = ("room-disband".into(), "host".into());
        assert_eq!(removed(&mut world, socket), expected);
    }
}

/// The host and a guest, who sat on a seat or watched, come to a server that knows nothing of
/// their room.
fn after_a_restart(host_is_first: bool, guest_role: &str, guest_is_patient: bool) {
    let mut world = World::new();
    let [olga, gina] = ["olga", "gina"].map(|user| world.user(user));
    let create = json!({"room": SHOW, "name": "Evening show", "seats": seats()});
    let host_comes = |world: &mut World| {
        world.done(olga, "createRoom", create.clone());
        let entered = enter_again(world, olga, "anchor")["result"].clone();
        assert_eq!(entered["role"], "anchor");
        assert_eq!(entered["info"]["owner"], "olga");
        assert_eq!(entered["info"]["seats"], seats());
        assert_eq!(entered["seats"][0]["user"]["user"], "olga");
    };
    if host_is_first {
        host_comes(&mut world);
        assert!(enter_again(&mut world, gina, guest_role)["error"].is_null());
    } else if guest_is_patient {
        let refused = enter_again(&mut world, gina, guest_role);
        assert_eq!(refused["error"]["name"], "noSuchRoom");
        host_comes(&mut world);
        assert!(enter_again(&mut world, gina, guest_role)["error"].is_null());
    } else {
        // A page of another make begins the media, as one of the audience.
        let fields = json!({"room": SHOW, "part": "media", "role": guest_role});
        world.done(gina, "enterRoom", fields);
        host_comes(&mut world);
    }
    let info = world.done(gina, "showRoom", json!({"room": SHOW}));
    assert_eq!((&info["owner"], &info["seats"]), (&"olga".into(), &seats()));
    // It is the host's in every way: a guest sits down when the host says so.
    world.done(gina, "applyForSeat", json!({"room": SHOW}));
    let answer = json!({"room": SHOW, "guest": "gina", "accept": true});
    assert_eq!(world.done(olga, "answerApplication", answer)["seat"], 1);
}

#[test]
fn the_host_owns_the_room_again_whoever_comes_back_first() {
    for role in ["anchor", "audience"] {
        after_a_restart(true, role, true);
        after_a_restart(false, role, true);
    }
    after_a_restart(false, "audience", false);
}

#[test]
fn entering_a_room_that_has_to_exist_makes_none() {
    let mut world = World::new();
    let gina = world.user("gina");
    let answer = enter_again(&mut world, gina, "audience");
    assert_eq!(answer["error"]["name"], "noSuchRoom");
    let answer = world.refused(gina, "showRoom", json!({"room": SHOW}));
    assert_eq!(answer, "noSuchRoom");
    assert!(world.loads.is_empty(), "nothing is read for it");
}

#[test]
fn the_cover_and_the_introduction_are_kept_listed_and_changed_by_hosts_alone() {
    let mut world = World::new();
    let [olga, gina] = ["olga", "gina"].map(|user| world.user(user));
    let create = json!({
        "room": SHOW, "name": "Evening show", "introduction": "What the day\nhas brought",
        "cover": "/images/show.png",
    });
    world.done(olga, "createRoom", create);
    world.enter(gina, SHOW, "audience");
    let shown = world.done(gina, "listRooms", json!({}))["rooms"][0].clone();
    assert_eq!(shown["cover"], "/images/show.png");
    assert_eq!(shown["introduction"], "What the day\nhas brought");
    let change = json!({"room": SHOW, "cover": "/images/other.png"});
    let refused = world.refused(gina, "updateRoom", change.clone());
    assert_eq!(refused, "noPermission");
    world.events(gina);
    world.done(olga, "updateRoom", change);
    let told = world.events_of(gina, "roomUpdated");
    assert_eq!(told[0]["info"]["cover"], "/images/other.png");
    assert_eq!(told[0]["info"]["name"], "Evening show", "the others stay");
    for (field, bad) in [
        ("cover", "x".repeat(1_001)),
        ("cover", "a\nb".to_owned()),
        ("introduction", "x".repeat(1_001)),
        ("introduction", "a\u{7}b".to_owned()),
    ] {
        let change = json!({"room": SHOW, field: bad});
        assert_eq!(world.refused(olga, "updateRoom", change), "badValue");
    }
}

#[test]
fn a_hidden_room_is_in_no_list_and_can_be_entered() {
    let mut world = World::new();
    let [olga, gina] = ["olga", "gina"].map(|user| world.user(user));
    let names = |world: &mut World| {
        let listed = world.done(gina, "listRooms", json!({"count": 1}));
        let rooms = listed["rooms"].as_array().unwrap().iter();
        let names: Vec<_> = rooms.map(|info| info["room"].clone()).collect();
        (names, listed["more"].as_bool().unwrap())
    };
    for (room, hidden) in [(1, true), (2, false), (3, true)] {
        world.done(olga, "createRoom", json!({"room": room, "hidden": hidden}));
    }
    assert_eq!(
        names(&mut world),
        (vec![json!(2)], false),
        "no page too much"
    );
    let shown = world.done(gina, "showRoom", json!({"room": 1}));
    assert_eq!(shown["hidden"], true);
    world.enter(gina, 1, "audience");

    let change = json!({"room": 3, "hidden": false, "name": "Out"});
    world.done(olga, "updateRoom", change);
    assert_eq!(names(&mut world), (vec![json!(2)], true));
    world.done(olga, "updateRoom", json!({"room": 3, "name": "Still out"}));
    assert!(names(&mut world).1, "what is absent stays");
}
