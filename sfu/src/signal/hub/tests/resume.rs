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
