use super::seats::{apply, seats};
use super::*;

fn full(refusal: Refusal, limit: usize) -> LiveError {
    LiveError::Full { refusal, limit }
}

fn small() -> Limits {
    Limits {
        connections: 6,
        rooms: 3,
        rooms_per_connection: 2,
        rooms_per_owner: 3,
        members: 4,
        guests: 1,
        anchors: 2,
        administrators: 1,
        seat_requests: 1,
        cohost_requests: 1,
        bans_per_room: 1,
        bans: 2,
        users_per_command: 2,
        ..Limits::default()
    }
}

fn enter(number: u32, entry: Entry) -> Command {
    Command::Enter {
        room: room(number),
        entry,
    }
}

#[test]
fn every_list_refuses_at_its_bound_and_counts_it() {
    let mut w = World::with(small());
    let mut counted = Vec::new();
    let ids: Vec<_> = ["o", "a", "b", "c"].map(|name| w.login(name)).into();
    let (g1, g2) = (w.guest(), w.guest());
    let error = w.try_login(APP, Some("d")).unwrap_err();
    assert_eq!(error, full(Refusal::Connections, 6));
    counted.push(Refusal::Connections);
    let again = w.login("c");
    let [o, a, b, c] = [ids[0], ids[1], ids[2], again];

    for number in 1..=3 {
        w.ok(o, create(number, Some(seats(4, SeatMode::ApplyToTake))));
    }
    assert_eq!(
        w.refused(o, create(4, None)),
        full(Refusal::RoomsPerOwner, 3)
    );
    counted.push(Refusal::RoomsPerOwner);
    assert_eq!(w.refused(a, create(4, None)), full(Refusal::Rooms, 3));
    assert_eq!(w.refused(a, enter(4, anchor())), full(Refusal::Rooms, 3));
    counted.extend([Refusal::Rooms; 2]);

    w.enter(o, 2, Entry::Chat);
    w.enter(o, 3, Entry::Chat);
    let error = w.refused(o, enter(1, live(Role::Anchor)));
    assert_eq!(error, full(Refusal::RoomsPerConnection, 2));
    counted.push(Refusal::RoomsPerConnection);
    w.ok(o, leave(2, Part::All));
    w.enter(o, 1, live(Role::Anchor));

    w.enter(g1, 1, Entry::Chat);
    assert_eq!(
        w.refused(g2, enter(1, Entry::Chat)),
        full(Refusal::Guests, 1)
    );
    counted.push(Refusal::Guests);

    for id in [a, b, c] {
        w.enter(id, 1, live(Role::Audience));
    }
    w.log_out(g1);
    let d = w.login("d");
    assert_eq!(
        w.refused(d, enter(1, audience())),
        full(Refusal::Members, 4)
    );
    counted.push(Refusal::Members);

    w.ok(o, order(1, administrator("a")));
    let error = w.refused(o, order(1, administrator("b")));
    assert_eq!(error, full(Refusal::Administrators, 1));
    counted.push(Refusal::Administrators);

    w.ok(b, apply(None, None));
    assert_eq!(
        w.refused(c, apply(None, None)),
        full(Refusal::SeatRequests, 1)
    );
    counted.push(Refusal::SeatRequests);

    w.ok(a, apply(None, None));
    let pick = Order::Seat(SeatOrder::Pick {
        user: user("c"),
        seat: None,
    });
    assert_eq!(w.order(1, pick), Err(full(Refusal::Anchors, 2)));
    counted.push(Refusal::Anchors);

    let kick_all = |names: &[&str], ban: Option<u64>| Order::Kick {
        users: names.iter().map(|name| user(name)).collect(),
        message: String::new(),
        ban: ban.map(Duration::from_secs),
    };
    let error = w.refused(o, order(1, kick_all(&["b", "c", "d"], None)));
    assert_eq!(error, full(Refusal::UsersPerCommand, 2));
    counted.push(Refusal::UsersPerCommand);
    let error = w.refused(o, order(1, kick_all(&["b", "c"], Some(60))));
    assert_eq!(error, full(Refusal::Bans, 1));
    assert_eq!(w.rooms.online(&key(1)), 4, "a refusal changes nothing");
    counted.push(Refusal::Bans);
    w.ok(o, order(1, kick_all(&["b"], Some(60))));

    let ask = |number| {
        order(
            3,
            Order::CoHost(CoHostOrder::Request {
                room: room(number),
                timeout: None,
                extension: String::new(),
            }),
        )
    };
    w.ok(o, ask(1));
    assert_eq!(w.refused(o, ask(2)), full(Refusal::CoHostRequests, 1));
    counted.push(Refusal::CoHostRequests);

    for refusal in Refusal::ALL {
        let times = counted.iter().filter(|r| **r == refusal).count() as u64;
        assert_eq!(w.rooms.counters().refused(refusal), times, "{refusal:?}");
    }
}

#[test]
fn a_shell_that_takes_no_outputs_is_told_to_wait() {
    let limits = Limits {
        outputs: 3,
        ..Limits::default()
    };
    let mut w = World::with(limits);
    let a = w.login("a");
    for _ in 0..10 {
        let _ = w.rooms.handle_command(w.now, a, enter(1, anchor()));
        let _ = w.rooms.handle_command(w.now, a, leave(1, Part::All));
    }
    let error = w.rooms.handle_command(w.now, a, enter(1, anchor()));
    assert_eq!(error, Err(LiveError::Busy));
    assert_eq!(LiveError::Busy.code(Face::Chat), 2996);
    assert!(w.rooms.counters().refused(Refusal::Outputs) > 0);
    while w.rooms.poll_output().is_some() {}
    w.ok(a, enter(1, anchor()));
}

#[test]
fn lists_of_requests_are_free_again_when_their_users_go() {
    let mut w = World::with(Limits {
        seat_requests: 2,
        ..Limits::default()
    });
    let o = w.login("o");
    w.ok(o, create(1, Some(seats(4, SeatMode::ApplyToTake))));
    w.enter(o, 1, live(Role::Anchor));
    for n in 0..100 {
        let id = w.login(&format!("u{n}"));
        w.enter(id, 1, live(Role::Audience));
        w.ok(id, apply(None, None));
        match n % 3 {
            0 => w.log_out(id),
            1 => {
                w.login(&format!("u{n}"));
            }
            _ => {
                w.lose(id);
                w.pass(30);
            }
        }
    }
    assert_eq!(w.rooms.counters().refused(Refusal::SeatRequests), 0);
}

#[test]
fn rooms_that_one_was_removed_from_do_not_count() {
    let mut w = World::with(Limits {
        rooms_per_connection: 2,
        ..Limits::default()
    });
    let a = w.login("a");
    for number in 1..=20 {
        w.enter(a, number, anchor());
        match number % 3 {
            0 => drop(w.order(number, kick("a", None)).unwrap()),
            1 => drop(w.order(number, Order::Dismiss).unwrap()),
            _ => drop(w.ok(a, leave(number, Part::All))),
        }
    }
    assert_eq!(w.rooms.counters().refused(Refusal::RoomsPerConnection), 0);
}
