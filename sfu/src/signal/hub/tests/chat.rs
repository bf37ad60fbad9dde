use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::live::chat::{FilterMode, WordFilter, WordList};
use crate::webhook::{AppHook, Verdict};

fn said(events: &[Value]) -> Vec<&str> {
    let texts = events.iter().filter(|e| e["event"] == "message");
    texts
        .filter_map(|e| e["message"]["payload"]["text"].as_str())
        .collect()
}

/// A room of anna's that ben is in, with all notices told.
fn two(world: &mut World) -> [u64; 2] {
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    world.room(anna, 5);
    world.enter(ben, 5, "audience");
    world.pass(SECOND);
    world.events(anna);
    world.events(ben);
    [anna, ben]
}

fn asking(config: &mut HubConfig) {
    let hook = AppHook {
        url: "http://127.0.0.1/hook".parse().unwrap(),
        key: None,
        cdn_key: None,
        before_chat: true,
    };
    config.webhooks.apps = BTreeMap::from([(AppId(1), hook)]);
}

#[test]
fn notices_say_who_has_done_what_to_whom() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let carl = world.user("carl");
    world.enter(carl, 5, "audience");
    world.pass(SECOND);
    world.events(carl);
    let told = |world: &mut World, kind: &str, fields: Value| {
        world.done(anna, kind, fields);
        world.pass(SECOND);
        let events = world.events_of(carl, "message");
        let tips = events.iter().map(|event| &event["message"]["payload"]);
        tips.map(|tip| json!([tip["operationType"], tip["operatorID"], tip["userIDList"]]))
            .collect::<Vec<_>>()
    };
    let ben_is = |is: bool| json!({"room": 5, "user": "ben", "isAdministrator": is});
    let mute = json!({"room": 5, "user": "ben", "seconds": 9});
    let name = json!({"room": 5, "name": "New"});
    let silence = json!({"room": 5, "muted": true});
    for (kind, fields, tip) in [
        ("updateRoom", name, json!([6, "anna", []])),
        ("muteAll", silence, json!([6, "anna", []])),
        ("muteUser", mute, json!([7, "anna", ["ben"]])),
        (
            "setAdministrator",
            ben_is(true),
            json!([4, "anna", ["ben"]]),
        ),
        (
            "setAdministrator",
            ben_is(false),
            json!([5, "anna", ["ben"]]),
        ),
    ] {
        assert_eq!(told(&mut world, kind, fields), [tip], "{kind}");
    }
    let kick = json!({"room": 5, "users": ["ben"], "banSeconds": 9});
    let tips = told(&mut world, "kick", kick);
    for tip in [json!([3, "anna", ["ben"]]), json!([10, "anna", ["ben"]])] {
        assert!(tips.contains(&tip), "{tips:?}");
    }
    // The end of a ban is nobody's doing.
    world.pass(10 * SECOND);
    let ends = world.events_of(carl, "message");
    let by = ends
        .iter()
        .map(|event| &event["message"]["payload"]["operatorID"]);
    assert!(by.clone().all(Value::is_null), "{ends:?}");
    assert_eq!(world.events_of(ben, "removed").len(), 1);
}

#[test]
fn history_on_entering_and_the_events_after_it_have_no_gap_and_nothing_twice() {
    let mut world = World::with(|config| config.chat.user_message_burst = 1_000);
    let [anna, _] = two(&mut world);
    let sequences = |messages: &[Value]| -> Vec<u64> {
        let all = messages.iter().map(|m| m["sequence"].as_u64().unwrap());
        all.filter(|sequence| *sequence > 0).collect()
    };
    // Members and guests come while the room delivers some of a flood and holds back the rest.
    let mut came = Vec::new();
    for n in 0..120 {
        world.done(anna, "sendMessage", text(5, &format!("talk {n}")));
        if n % 10 == 5 {
            let socket = match n % 20 {
                5 => world.user(&format!("user{n}")),
                _ => world.guest(),
            };
            let part = if n % 20 == 5 { "all" } else { "chat" };
            let fields = json!({"room": 5, "part": part, "history": 30});
            let entered = world.done(socket, "enterRoom", fields);
            came.push((socket, entered["history"].as_array().unwrap().clone()));
        }
        world.pass(SECOND / 50);
    }
    world.pass(3 * SECOND);
    let last = world.done(anna, "history", json!({"room": 5, "count": 1}));
    let last = last["messages"][0]["sequence"].as_u64().unwrap();
    assert!(last > 60, "{last}");
    for (socket, history) in came {
        assert!(history.len() <= 30);
        let mut got = sequences(&history);
        let events = world.events_of(socket, "message");
        let told: Vec<_> = events.iter().map(|e| e["message"].clone()).collect();
        got.extend(sequences(&told));
        let first = got.first().copied().unwrap_or(1);
        assert_eq!(got, (first..=last).collect::<Vec<_>>());
    }
}

#[test]
fn history_on_entering_is_bounded_asked_for_and_of_the_chat() {
    let mut world = World::with(|config| config.limits.page = 3);
    let [anna, ben] = two(&mut world);
    for n in 0..5 {
        world.done(anna, "sendMessage", text(5, &format!("talk {n}")));
    }
    let enter = |world: &mut World, socket, part, history: Value| {
        let mut fields = json!({"room": 5, "part": part});
        if !history.is_null() {
            fields["history"] = history;
        }
        world.done(socket, "enterRoom", fields)["history"].clone()
    };
    let carl = world.user("carl");
    assert_eq!(enter(&mut world, carl, "media", 3.into()), Value::Null);
    assert_eq!(enter(&mut world, carl, "chat", Value::Null), Value::Null);
    // One who is there already asks again, after a reload.
    assert_eq!(enter(&mut world, ben, "all", 0.into()), json!([]));
    let history = enter(&mut world, ben, "all", 99.into());
    let texts: Vec<_> = history.as_array().unwrap().iter().collect();
    assert_eq!(texts.len(), 3, "the bound for pages");
    assert_eq!(texts[2]["payload"]["text"], "talk 4");
    let wrong = json!({"room": 5, "part": "all", "history": -1});
    assert_eq!(world.refused(ben, "enterRoom", wrong), "badField");
}

#[test]
fn history_of_the_store_comes_with_the_answer_that_waited_for_it() {
    let mut world = World::new();
    let [anna, _] = two(&mut world);
    world.done(anna, "sendMessage", text(5, "before the restart"));
    let message = world.saved.iter().find_map(|change| match change {
        Change::Message { message, .. } => Some((**message).clone()),
        _ => None,
    });
    let mut world = World::new();
    let mut saved = SavedRoom::default();
    saved.chat.history = vec![message.unwrap()];
    world.stored.insert(key(1, 6), saved);
    world.loads_at_once = false;
    let anna = world.user("anna");
    world.send(anna, "createRoom", json!({"room": 6}));
    let fields = json!({"room": 6, "part": "all", "history": 10});
    let id = world.send(anna, "enterRoom", fields);
    world.load();
    world.pump();
    let history = &world.answer(anna, id).unwrap()["result"]["history"];
    assert_eq!(history[0]["payload"]["text"], "before the restart");
    assert_eq!(history[0]["sequence"], 1);
}

#[test]
fn a_message_that_waits_behind_a_flood_is_not_told_to_its_sender() {
    let mut world = World::with(|config| config.chat.user_message_burst = 1_000);
    let [anna, ben] = two(&mut world);
    // Of each kind: the room delivers some at once, holds some back and drops the rest.
    for n in 0..40 {
        world.done(anna, "sendMessage", text(5, &format!("talk {n}")));
    }
    let mut like = text(5, "like");
    like["priority"] = "Lowest".into();
    for n in 0..200 {
        world.done(ben, "sendMessage", like.clone());
        if n % 40 == 0 {
            world.pass(SECOND);
        }
    }
    world.pass(2 * SECOND);
    let heard = world.events(ben);
    assert_eq!(said(&heard).len(), 40);
    assert!(said(&heard).iter().all(|text| text.starts_with("talk")));
    let heard = world.events(anna);
    assert!(!said(&heard).is_empty());
    assert!(said(&heard).iter().all(|text| *text == "like"));
}

#[test]
fn a_message_goes_to_everybody_but_its_sender_and_is_stored() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let guest = world.guest();
    world.done(guest, "enterRoom", json!({"room": 5, "part": "chat"}));
    let media_only = world.user("carl");
    world.done(media_only, "enterRoom", json!({"room": 5, "part": "media"}));
    let sent = world.done(ben, "sendMessage", text(5, "hello"));
    assert_eq!(sent["message"]["from"], "ben");
    world.pass(SECOND);
    assert_eq!(said(&world.events(anna)), ["hello"]);
    assert_eq!(said(&world.events(guest)), ["hello"]);
    assert_eq!(said(&world.events(ben)), Vec::<&str>::new());
    assert_eq!(said(&world.events(media_only)), Vec::<&str>::new());
    let stored = world.saved.iter().filter_map(|change| match change {
        Change::Message { message, .. } => Some(message.sequence),
        _ => None,
    });
    assert_eq!(stored.collect::<Vec<_>>(), [1]);
    let history = world.done(guest, "history", json!({"room": 5}));
    assert_eq!(history["messages"][0]["payload"]["text"], "hello");
    assert_eq!(
        world.refused(guest, "sendMessage", text(5, "me too")),
        "guest"
    );
    assert_eq!(
        world.refused(media_only, "history", json!({"room": 5})),
        "notEntered"
    );
}

#[test]
fn words_are_masked_and_refused_also_in_nicks_and_with_lists_of_any_time() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    world.done(ben, "sendMessage", text(5, "a heck of a day"));
    let list = |name, text, mode| WordList { name, text, mode };
    let filter = WordFilter::new(&[
        list("mask.txt", "heck\n", FilterMode::Mask),
        list("reject.txt", "darn\n", FilterMode::Reject),
    ]);
    world.hub.set_filter(Arc::new(filter.unwrap()));
    world.done(ben, "sendMessage", text(5, "a heck of a day"));
    assert_eq!(
        world.refused(ben, "sendMessage", text(5, "darn")),
        "sensitiveText"
    );
    world.pass(SECOND);
    assert_eq!(
        said(&world.events(anna)),
        ["a heck of a day", "a **** of a day"]
    );
    let profile = |nick: &str| json!({"profile": {"nick": nick}});
    assert_eq!(
        world.done(ben, "setProfile", profile("heck"))["nick"],
        "****"
    );
    assert_eq!(
        world.refused(ben, "setProfile", profile("darn")),
        "sensitiveText"
    );
    let mut login = world.login_fields(1, "carl");
    login["profile"] = json!({"nick": "darn"});
    let carl = world.open();
    assert_eq!(world.refused(carl, "login", login), "sensitiveText");
    assert_eq!(world.hub.counters().refused(HubRefusal::Name), 2);
}

#[test]
fn the_back_end_may_refuse_replace_and_swallow_a_message() {
    let mut world = World::with(asking);
    let [anna, ben] = two(&mut world);
    let ids: Vec<_> = ["one", "two", "three", "four"]
        .map(|said| world.send(ben, "sendMessage", text(5, said)))
        .to_vec();
    assert!(ids.iter().all(|id| world.answer(ben, *id).is_none()));
    let replaced = crate::live::chat::Draft::text("2").payload;
    let verdicts = [
        Verdict::Allow,
        Verdict::Replace(replaced),
        Verdict::Refuse {
            code: 10_101,
            reason: "spam".to_owned(),
        },
        Verdict::Discard,
    ];
    for verdict in verdicts {
        let (ticket, question) = world.asked.pop_front().unwrap();
        assert_eq!(question.from.as_str(), "ben");
        world.hub.handle_verdict(world.now, ticket, verdict);
        world.pump();
    }
    let answers: Vec<_> = ids
        .iter()
        .map(|id| world.answer(ben, *id).unwrap())
        .collect();
    assert_eq!(answers[1]["result"]["message"]["payload"]["text"], "2");
    assert_eq!(answers[2]["error"]["code"], 10_101);
    assert_eq!(answers[2]["error"]["name"], "refusedByApp");
    assert!(answers[3]["result"].is_object());
    world.pass(SECOND);
    assert_eq!(said(&world.events(anna)), ["one", "2"]);
    let told = world.told.iter().filter(|notice| match notice {
        Notice::Chat(notice) => matches!(notice.change, crate::webhook::ChatChange::Sent(_)),
        _ => false,
    });
    assert_eq!(told.count(), 2, "told after what was delivered");
}

#[test]
fn one_who_is_muted_or_leaves_while_the_back_end_is_asked_sends_nothing() {
    let mut world = World::with(asking);
    let [anna, ben] = two(&mut world);
    let id = world.send(ben, "sendMessage", text(5, "rude"));
    let mute = |seconds: u32| json!({"room": 5, "user": "ben", "seconds": seconds});
    world.done(anna, "muteUser", mute(60));
    let (ticket, _) = world.asked.pop_front().unwrap();
    world.hub.handle_verdict(world.now, ticket, Verdict::Allow);
    world.pump();
    assert_eq!(world.answer(ben, id).unwrap()["error"]["name"], "muted");
    world.done(anna, "muteUser", mute(0));
    let id = world.send(ben, "sendMessage", text(5, "bye"));
    world.done(ben, "leaveRoom", json!({"room": 5, "part": "all"}));
    let (ticket, _) = world.asked.pop_front().unwrap();
    world.hub.handle_verdict(world.now, ticket, Verdict::Allow);
    world.pump();
    assert_eq!(
        world.answer(ben, id).unwrap()["error"]["name"],
        "notEntered"
    );
    world.pass(SECOND);
    assert_eq!(said(&world.events(anna)), Vec::<&str>::new());
}

#[test]
fn slow_requests_are_bounded_and_end_when_nobody_answers() {
    let mut world = World::with(|config| {
        asking(config);
        config.pending_per_session = 3;
    });
    let [_, ben] = two(&mut world);
    let ids: Vec<_> = (0..3)
        .map(|n| world.send(ben, "sendMessage", text(5, &n.to_string())))
        .collect();
    assert_eq!(
        world.refused(ben, "sendMessage", text(5, "more")),
        "tooManyPending"
    );
    assert_eq!(world.hub.gauges().pending, 3);
    world.pass(16 * SECOND);
    for id in ids {
        let answer = world.answer(ben, id).unwrap();
        assert_eq!(answer["error"]["name"], "timedOut");
    }
    let (late, _) = world.asked.pop_front().unwrap();
    world.hub.handle_verdict(world.now, late, Verdict::Allow);
    world.pump();
    assert_eq!(world.hub.gauges().pending, 0);
    assert_eq!(world.hub.counters().refused(HubRefusal::TimedOut), 3);
    world.send(ben, "sendMessage", text(5, "again"));
    assert_eq!(world.hub.gauges().pending, 1);
}

#[test]
fn hosts_mute_those_below_and_everybody() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let mute = |user: &str, seconds: u32| json!({"room": 5, "user": user, "seconds": seconds});
    assert_eq!(
        world.refused(ben, "muteUser", mute("anna", 60)),
        "noPermission"
    );
    assert_eq!(
        world.refused(anna, "muteUser", mute("anna", 60)),
        "noPermission"
    );
    world.done(anna, "muteUser", mute("ben", 60));
    assert_eq!(world.refused(ben, "sendMessage", text(5, "x")), "muted");
    let events = world.events_of(ben, "userMuted");
    assert_eq!(
        (&events[0]["user"], &events[0]["seconds"]),
        (&json!("ben"), &json!(60))
    );
    world.pass(61 * SECOND);
    world.done(ben, "sendMessage", text(5, "x"));
    let all = |muted: bool| json!({"room": 5, "muted": muted});
    assert_eq!(world.refused(ben, "muteAll", all(true)), "noPermission");
    world.done(anna, "muteAll", all(true));
    assert_eq!(world.refused(ben, "sendMessage", text(5, "x")), "allMuted");
    world.done(anna, "sendMessage", text(5, "hosts may"));
    assert_eq!(world.events_of(ben, "allMuted").len(), 1);
    let kept = |change: &Change| matches!(change, Change::Mute { .. } | Change::MuteAll { .. });
    assert_eq!(world.saved.iter().filter(|change| kept(change)).count(), 2);
}

#[test]
fn likes_are_told_as_totals_and_stored() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    for _ in 0..10 {
        world.done(ben, "like", json!({"room": 5, "count": 10}));
    }
    world.pass(2 * SECOND);
    let likes = world.events_of(anna, "likes");
    assert_eq!(likes.len(), 2);
    assert_eq!(likes[1]["totalLikesReceived"], 100);
    let total = world.saved.iter().rev().find_map(|change| match change {
        Change::Likes { total, .. } => Some(*total),
        _ => None,
    });
    assert_eq!(total, Some(100));
}

#[test]
fn shared_values_and_revoked_messages_are_told_and_stored() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let set = json!({"room": 5, "attributes": {"theme": "blue"}});
    world.done(ben, "setAttributes", set);
    world.done(
        ben,
        "addCounter",
        json!({"room": 5, "name": "gifts", "amount": 3}),
    );
    world.done(ben, "sendMessage", text(5, "oops"));
    world.pass(SECOND);
    world.done(ben, "revokeMessage", json!({"room": 5, "sequence": 1}));
    let events = world.events(anna);
    let names: Vec<_> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "attributesChanged",
            "countersChanged",
            "message",
            "messageRevoked"
        ]
    );
    let values = world.done(anna, "attributes", json!({"room": 5}));
    assert_eq!(values["attributes"]["theme"], "blue");
    assert_eq!(
        world.done(anna, "counters", json!({"room": 5}))["counters"]["gifts"],
        3
    );
    assert!(
        matches!(world.saved.last(), Some(Change::Message { message, .. }) if message.is_revoked)
    );
}

#[test]
fn who_may_not_speak_may_not_write_shared_texts_but_counts() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    world.done(
        ben,
        "addCounter",
        json!({"room": 5, "name": "claps", "amount": 1}),
    );
    world.done(anna, "muteAll", json!({"room": 5, "muted": true}));
    let shout = json!({"room": 5, "attributes": {"shout": "words"}});
    let requests = [
        ("setAttributes", shout.clone()),
        ("initAttributes", shout.clone()),
        ("deleteAttributes", json!({"room": 5, "names": []})),
        ("setCounters", json!({"room": 5, "counters": {"words": 1}})),
        (
            "addCounter",
            json!({"room": 5, "name": "words", "amount": 1}),
        ),
    ];
    for (name, request) in &requests {
        assert_eq!(
            world.refused(ben, name, request.clone()),
            "allMuted",
            "{name}"
        );
    }
    world.done(
        ben,
        "addCounter",
        json!({"room": 5, "name": "claps", "amount": 1}),
    );
    world.done(anna, "setAttributes", shout);
    let guest = world.guest();
    world.done(guest, "enterRoom", json!({"room": 5, "part": "chat"}));
    for (name, request) in &requests {
        assert_eq!(
            world.refused(guest, name, request.clone()),
            "guest",
            "{name}"
        );
    }
}

#[test]
fn shared_texts_change_no_faster_than_messages_come() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let mut users = vec![ben];
    for name in ["carl", "dora", "emil"] {
        let user = world.user(name);
        world.enter(user, 5, "audience");
        users.push(user);
    }
    world.pass(SECOND);
    world.events(anna);
    let mut value = 0;
    let mut set = |world: &mut World, user| {
        value += 1;
        let attributes = json!({"room": 5, "attributes": {"n": value.to_string()}});
        world.ask(user, "setAttributes", attributes)
    };
    let is_ok = |answer: &Value| answer.get("error").is_none();
    let one: usize = (0..20)
        .map(|_| usize::from(is_ok(&set(&mut world, ben))))
        .sum();
    assert_eq!(one, 10, "the burst of one user");
    let all: usize = users
        .iter()
        .flat_map(|user| std::iter::repeat_n(*user, 10))
        .map(|user| usize::from(is_ok(&set(&mut world, user))))
        .sum();
    assert_eq!(one + all, 20, "the burst of the room");
    assert_eq!(world.events_of(anna, "attributesChanged").len(), 20);
    assert!(world.hub.chat_counts().attributes_rate > 0);
}

#[test]
fn counters_are_told_and_stored_as_totals_twice_a_second() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    for _ in 0..50 {
        let add = json!({"room": 5, "name": "claps", "amount": 2});
        world.done(ben, "addCounter", add);
    }
    world.pass(2 * SECOND);
    let told = world.events_of(anna, "countersChanged");
    assert_eq!(told.len(), 2);
    assert_eq!(told[1]["counters"]["claps"], 100);
    let stored = world.saved.iter().filter_map(|change| match change {
        Change::Counter { value, .. } => Some(*value),
        _ => None,
    });
    assert_eq!(stored.collect::<Vec<_>>(), [2, 100]);
    let add = json!({"room": 5, "name": "claps", "amount": 1});
    let refused =
        (0..200).find(|_| world.ask(ben, "addCounter", add.clone())["error"] != json!(null));
    assert!(refused.is_some(), "one user's counting has a rate");
}

#[test]
fn bans_are_stored_and_a_dismissed_room_is_forgotten() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    world.done(
        anna,
        "kick",
        json!({"room": 5, "users": ["ben"], "banSeconds": 60}),
    );
    assert_eq!(world.events_of(ben, "removed")[0]["reason"], "kick");
    let until = world.saved.iter().find_map(|change| match change {
        Change::Ban { until, .. } => Some(*until),
        _ => None,
    });
    let now = world.hub.clock(world.now);
    assert_eq!(until, Some(Some(now.after(60 * SECOND))));
    let enter = json!({"room": 5, "part": "chat"});
    assert_eq!(world.refused(ben, "enterRoom", enter), "banned");
    world.done(anna, "dismissRoom", json!({"room": 5}));
    assert_eq!(
        world.saved.last(),
        Some(&Change::Forget { room: key(1, 5) })
    );
    assert_eq!(
        world.refused(anna, "history", json!({"room": 5})),
        "notEntered"
    );
    assert_eq!(world.hub.gauges().members, 0);
    assert!(
        world.hub.chat_counts().delivered > 0,
        "ended rooms are counted"
    );
}
