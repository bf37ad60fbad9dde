use super::*;

/// A login that can be resumed: socket, and the fields of `resume` but `lastSeq`.
fn resumable(world: &mut World, user: &str) -> (u64, Value) {
    let socket = world.open();
    let login = world.login_fields(1, user);
    let result = world.done(socket, "login", login);
    let fields = json!({"session": result["session"], "resumeToken": result["resumeToken"]});
    (socket, fields)
}

fn resume(world: &mut World, fields: &Value, seen: u64) -> (u64, Value) {
    let socket = world.open();
    let mut fields = fields.clone();
    fields["lastSeq"] = seen.into();
    (socket, world.ask(socket, "resume", fields))
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|e| e["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_session_goes_on_with_every_event_that_was_missed_in_order() {
    let mut world = World::new();
    let anna = world.user("anna");
    world.room(anna, 5);
    let (ben, fields) = resumable(&mut world, "ben");
    world.enter(ben, 5, "audience");
    world.done(anna, "sendMessage", text(5, "one"));
    world.pass(SECOND);
    let seen = *seqs(&world.events(ben)).last().unwrap();
    world.close(ben);
    assert_eq!(world.hub.gauges().lost, 1);
    for said in ["two", "three", "four"] {
        world.done(anna, "sendMessage", text(5, said));
        world.pass(SECOND);
    }
    world.pass(20 * SECOND);
    let (again, answer) = resume(&mut world, &fields, seen);
    assert_eq!(answer["result"]["missed"], 3);
    let events = world.events(again);
    assert_eq!(seqs(&events), [seen + 1, seen + 2, seen + 3]);
    let said: Vec<_> = events
        .iter()
        .map(|e| e["message"]["payload"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(said, ["two", "three", "four"]);
    world.pass(60 * SECOND);
    world.done(anna, "sendMessage", text(5, "five"));
    world.pass(SECOND);
    assert_eq!(
        seqs(&world.events(again)),
        [seen + 4],
        "it does not end any more"
    );
    assert_eq!(world.hub.counters().resumes, 1);
}

#[test]
fn a_socket_that_seems_open_gives_way_to_the_one_that_resumes() {
    let mut world = World::new();
    let (first, fields) = resumable(&mut world, "anna");
    let (second, answer) = resume(&mut world, &fields, 0);
    assert!(answer["result"].is_object());
    assert_eq!(world.closed[&first], 4002);
    world.close(first);
    world.pass(40 * SECOND);
    world.done(second, "createRoom", json!({"room": 5}));
}

#[test]
fn a_session_ends_after_its_time_and_needs_its_secret() {
    let mut world = World::new();
    let (anna, fields) = resumable(&mut world, "anna");
    world.close(anna);
    let mut wrong = fields.clone();
    wrong["resumeToken"] = "0".repeat(32).into();
    let (_, answer) = resume(&mut world, &wrong, 0);
    assert_eq!(answer["error"]["name"], "sessionUnknown");
    world.pass(29 * SECOND);
    assert!(resume(&mut world, &fields, 0).1["result"].is_object());
    world.close(3);
    world.pass(31 * SECOND);
    assert_eq!(
        resume(&mut world, &fields, 0).1["error"]["name"],
        "sessionUnknown"
    );
    assert_eq!(world.hub.gauges().sessions, 0);
    assert_eq!(world.hub.counters().refused(HubRefusal::ResumeUnknown), 2);
}

#[test]
fn a_client_that_missed_more_than_is_kept_is_told_so() {
    let mut world = World::with(|config| config.kept_events = 3);
    let anna = world.user("anna");
    world.room(anna, 5);
    let (ben, fields) = resumable(&mut world, "ben");
    world.enter(ben, 5, "audience");
    world.pass(SECOND);
    let seen = seqs(&world.events(ben)).last().copied().unwrap_or(0);
    world.close(ben);
    for n in 0..4 {
        world.done(anna, "sendMessage", text(5, &n.to_string()));
        world.pass(SECOND);
    }
    let (socket, answer) = resume(&mut world, &fields, seen);
    assert_eq!(answer["error"]["name"], "eventsMissed");
    assert_eq!(world.hub.counters().refused(HubRefusal::ResumeGap), 1);
    // The same socket logs in instead.
    let login = world.login_fields(1, "ben");
    world.done(socket, "login", login);
    let (_, answer) = resume(&mut world, &fields, seen + 1);
    assert_eq!(answer["error"]["name"], "sessionUnknown");
}

#[test]
fn an_answer_that_comes_while_the_socket_is_lost_comes_with_the_next_one() {
    let mut world = World::new();
    let (anna, fields) = resumable(&mut world, "anna");
    world.room(anna, 5);
    let seen = world.events(anna).len() as u64;
    world.media_at_once = false;
    let id = world.send(anna, "publish", publish(5));
    world.close(anna);
    world.carry_out_media();
    world.pump();
    let (again, _) = resume(&mut world, &fields, seen);
    assert_eq!(
        world.answer(again, id).unwrap()["result"]["answer"],
        "answer"
    );
    assert_eq!(world.hub.gauges().pending, 0);
}

/// Sends a request under an id of its own choice.
fn send_as(world: &mut World, socket: u64, id: u32, kind: &str, mut fields: Value) {
    fields["id"] = id.into();
    fields["type"] = kind.into();
    let text = fields.to_string();
    world.hub.receive(world.now, SocketId(socket), &text);
    world.pump();
}

fn answers(world: &World, socket: u64, id: u32) -> Vec<Value> {
    let frames = world.frames[&socket].iter();
    let of_id = |f: &&Value| f["type"] == "response" && f["id"] == id;
    frames.filter(of_id).cloned().collect()
}

#[test]
fn a_request_that_is_sent_again_after_a_resume_gets_its_answer_and_is_not_done_twice() {
    let mut world = World::new();
    let (anna, fields) = resumable(&mut world, "anna");
    world.room(anna, 5);
    let ben = world.user("ben");
    world.enter(ben, 5, "audience");
    let seen = *seqs(&world.events(anna)).last().unwrap();
    send_as(&mut world, anna, 9_000, "sendMessage", text(5, "once"));
    send_as(
        &mut world,
        anna,
        9_001,
        "createRoom",
        json!({"room": 5, "x": 1}),
    );
    send_as(&mut world, anna, 9_002, "createRoom", json!({"room": 5}));
    let first = answers(&world, anna, 9_000);
    let refused = answers(&world, anna, 9_002);
    assert!(first[0]["result"]["message"].is_object() && refused[0]["error"].is_object());
    // Whatever of it has reached the client.
    world.close(anna);
    let (again, _) = resume(&mut world, &fields, seen);
    for _ in 0..3 {
        send_as(&mut world, again, 9_000, "sendMessage", text(5, "once"));
    }
    send_as(&mut world, again, 9_002, "createRoom", json!({"room": 5}));
    let same = vec![first[0].clone(); 3];
    assert_eq!(answers(&world, again, 9_000), same);
    assert_eq!(answers(&world, again, 9_002), refused);
    assert_eq!(world.hub.counters().repeats, 4);
    world.pass(SECOND);
    let said = world.events_of(ben, "message");
    let said: Vec<_> = said
        .iter()
        .filter_map(|e| e["message"]["payload"]["text"].as_str())
        .collect();
    assert_eq!(said, ["once"]);
    // One that never came is carried out, and one that was no request may come again.
    send_as(&mut world, again, 9_003, "sendMessage", text(5, "two"));
    send_as(
        &mut world,
        again,
        9_001,
        "like",
        json!({"room": 5, "count": 1}),
    );
    for id in [9_003, 9_001] {
        assert!(answers(&world, again, id)[0]["result"].is_object(), "{id}");
    }
}

#[test]
fn a_slow_request_that_is_sent_again_is_answered_when_it_is_done() {
    let mut world = World::new();
    let (anna, fields) = resumable(&mut world, "anna");
    world.room(anna, 5);
    let seen = world.events(anna).len() as u64;
    world.media_at_once = false;
    send_as(&mut world, anna, 9_000, "publish", publish(5));
    world.close(anna);
    let (again, _) = resume(&mut world, &fields, seen);
    send_as(&mut world, again, 9_000, "publish", publish(5));
    assert!(answers(&world, again, 9_000).is_empty());
    world.carry_out_media();
    world.pump();
    let done = answers(&world, again, 9_000);
    assert_eq!(done.len(), 1);
    assert_eq!(done[0]["result"]["answer"], "answer");
    assert_eq!(world.accepted.len(), 1, "one publication");
    send_as(&mut world, again, 9_000, "publish", publish(5));
    assert_eq!(
        answers(&world, again, 9_000),
        [&done[..], &done[..]].concat()
    );
}

#[test]
fn an_id_belongs_to_one_request_and_old_answers_are_not_kept() {
    let mut world = World::with(|config| {
        config.known_requests = 20;
        config.kept_answer_bytes = 200;
    });
    let anna = world.user("anna");
    world.room(anna, 5);
    let like = |count: u32| json!({"room": 5, "count": count});
    send_as(&mut world, anna, 9_000, "like", like(1));
    send_as(&mut world, anna, 9_000, "like", like(2));
    let both = answers(&world, anna, 9_000);
    assert_eq!(both[1]["error"]["name"], "idReused");
    assert_eq!(world.hub.counters().refused(HubRefusal::IdReused), 1);
    for id in 9_001..9_010 {
        send_as(&mut world, anna, id, "like", like(1));
    }
    send_as(&mut world, anna, 9_000, "like", like(1));
    assert_eq!(
        answers(&world, anna, 9_000)[2]["error"]["name"],
        "answerGone"
    );
    assert_eq!(world.hub.counters().refused(HubRefusal::AnswerGone), 1);
    // What only asks is answered anew.
    for _ in 0..2 {
        send_as(&mut world, anna, 9_100, "showRoom", json!({"room": 5}));
    }
    assert_eq!(answers(&world, anna, 9_100).len(), 2);
    // Another session has ids of its own.
    let ben = world.user("ben");
    world.enter(ben, 5, "audience");
    send_as(&mut world, ben, 9_000, "like", like(3));
    assert!(answers(&world, ben, 9_000)[0]["result"].is_object());
}
