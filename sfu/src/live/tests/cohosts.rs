use super::*;

/// Three rooms, each with its owner publishing and one listener.
struct Stage {
    w: World,
    owners: [ConnectionId; 3],
    listeners: [ConnectionId; 3],
}

fn stage() -> Stage {
    stage_with(Limits::default())
}

fn stage_with(limits: Limits) -> Stage {
    let mut w = World::with(limits);
    let owners = ["o1", "o2", "o3"].map(|name| w.login(name));
    let listeners = ["l1", "l2", "l3"].map(|name| w.login(name));
    for (n, (owner, listener)) in (1..).zip(owners.into_iter().zip(listeners)) {
        w.ok(owner, create(n, None));
        w.enter(owner, n, live(Role::Anchor));
        w.ok(owner, publish(n));
        w.enter(listener, n, live(Role::Audience));
    }
    w.forget();
    Stage {
        w,
        owners,
        listeners,
    }
}

fn co_host(number: u32, command: CoHostOrder) -> Command {
    order(number, Order::CoHost(command))
}

fn ask(from: u32, to: u32, timeout: Option<u64>) -> Command {
    co_host(
        from,
        CoHostOrder::Request {
            room: room(to),
            timeout: timeout.map(Duration::from_secs),
            extension: "battle".into(),
        },
    )
}

fn reply(number: u32, from: u32, accept: bool) -> Command {
    co_host(
        number,
        CoHostOrder::Answer {
            room: room(from),
            accept,
        },
    )
}

fn connect(s: &mut Stage, from: u32, to: u32) {
    let owner = |n: u32| n as usize - 1;
    s.w.ok(s.owners[owner(from)], ask(from, to, None));
    s.w.ok(s.owners[owner(to)], reply(to, from, true));
    s.w.forget();
}

fn rooms_in(event: &Event) -> Option<Vec<RoomId>> {
    match event {
        Event::CoHostsChanged { co_hosts, .. } => {
            Some(co_hosts.iter().map(|view| view.room.clone()).collect())
        }
        _ => None,
    }
}

#[test]
fn the_audiences_of_connected_rooms_know_the_anchors_of_both() {
    let mut s = stage();
    s.w.ok(s.owners[0], ask(1, 2, Some(30)));
    assert!(matches!(
        &s.w.take(s.owners[1])[..],
        [Event::CoHostRequested { other, extension, .. }] if *other == room(1) && extension == "battle"
    ));
    assert_eq!(s.w.take(s.listeners[1]), []);
    s.w.ok(s.owners[1], reply(2, 1, true));
    for (n, other, name) in [(0, 2, "o2"), (1, 1, "o1")] {
        let told = s.w.take(s.listeners[n]);
        let [Event::CoHostsChanged { co_hosts, .. }] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(co_hosts[0].room, room(other));
        assert_eq!(co_hosts[0].anchors[0].user, user(name));
        assert_eq!(co_hosts[0].anchors[0].tracks.main, Some(CAMERA));
    }
    assert!(matches!(
        s.w.take(s.owners[0])[0],
        Event::CoHostRequestEnded {
            sent: true,
            result: RequestResult::Accepted,
            ..
        }
    ));

    let late = s.w.login("late");
    assert_eq!(s.w.enter(late, 1, audience()).co_hosts.len(), 1);
    s.w.forget();
    let mute = Command::Mute {
        room: room(2),
        track: TrackKind::Main,
        audio: Some(true),
        video: None,
    };
    s.w.ok(s.owners[1], mute);
    assert!(matches!(
        &s.w.take(s.listeners[0])[..],
        [Event::CoHostAnchors { anchors, .. }] if anchors[0].tracks.main.unwrap().audio_muted
    ));
    s.w.ok(s.owners[1], switch(2, Role::Audience));
    let told = s.w.take(s.listeners[0]);
    assert!(
        matches!(&told[..], [Event::CoHostAnchors { other, anchors, .. }]
            if *other == room(2) && anchors.is_empty()),
        "{told:?}"
    );
    assert_eq!(s.w.take(s.listeners[2]), [], "a third room hears nothing");
}

#[test]
fn leaving_dismissing_and_the_last_room_end_the_connection() {
    let mut s = stage();
    connect(&mut s, 1, 2);
    connect(&mut s, 1, 3);
    s.w.ok(s.owners[0], co_host(1, CoHostOrder::Exit));
    let told = s.w.take(s.listeners[1]);
    assert_eq!(rooms_in(&told[0]), Some(vec![room(3)]));
    let told = s.w.take(s.listeners[0]);
    assert_eq!(rooms_in(&told[0]), Some(vec![]));
    s.w.forget();
    s.w.ok(s.owners[2], order(3, Order::Dismiss));
    let told = s.w.take(s.listeners[1]);
    assert_eq!(rooms_in(&told[0]), Some(vec![]));
    assert!(s.w.effects.contains(&Effect::CoHostsChanged {
        key: key(2),
        others: vec![]
    }));
    connect(&mut s, 2, 1);
    assert_eq!(s.w.rooms.co_hosts(&key(1)).len(), 1);
}

#[test]
fn a_request_is_rejected_cancelled_or_ends_at_its_time() {
    let mut s = stage();
    let ended = |events: Vec<Event>| {
        let results = events.into_iter().filter_map(|event| match event {
            Event::CoHostRequestEnded { sent, result, .. } => Some((sent, result)),
            _ => None,
        });
        results.collect::<Vec<_>>()
    };
    s.w.ok(s.owners[0], ask(1, 2, None));
    s.w.ok(s.owners[1], reply(2, 1, false));
    assert_eq!(
        ended(s.w.take(s.owners[0])),
        [(true, RequestResult::Rejected)]
    );
    s.w.forget();
    s.w.ok(s.owners[0], ask(1, 2, None));
    s.w.ok(
        s.owners[0],
        co_host(1, CoHostOrder::Cancel { room: room(2) }),
    );
    assert_eq!(
        ended(s.w.take(s.owners[1])),
        [(false, RequestResult::Cancelled)]
    );
    s.w.ok(s.owners[0], ask(1, 2, Some(30)));
    s.w.forget();
    s.w.pass(29);
    assert_eq!(s.w.take(s.owners[0]), []);
    s.w.pass(1);
    assert_eq!(
        ended(s.w.take(s.owners[0])),
        [(true, RequestResult::Timeout)]
    );
    assert_eq!(s.w.rooms.next_timeout(), None);
    s.w.ok(s.owners[0], ask(1, 2, Some(30)));
    s.w.forget();
    s.w.ok(s.owners[1], order(2, Order::Dismiss));
    assert_eq!(ended(s.w.take(s.owners[0])), [(true, RequestResult::Left)]);
}

#[test]
fn another_rooms_sound_can_be_muted_for_the_own_audience() {
    let mut s = stage();
    connect(&mut s, 1, 2);
    let mute = |muted| {
        co_host(
            1,
            CoHostOrder::Mute {
                room: room(2),
                muted,
            },
        )
    };
    s.w.ok(s.owners[0], mute(true));
    let others = vec![(key(2), true)];
    assert!(s.w.effects.contains(&Effect::CoHostsChanged {
        key: key(1),
        others
    }));
    assert!(!s.w.rooms.co_hosts(&key(2))[0].is_muted);
    s.w.ok(s.owners[0], co_host(1, CoHostOrder::Exit));
    connect(&mut s, 1, 2);
    assert!(
        !s.w.rooms.co_hosts(&key(1))[0].is_muted,
        "a new connection begins unmuted"
    );
}

#[test]
fn each_code_of_the_connections() {
    let mut s = stage_with(Limits {
        cohosts: 2,
        ..Limits::default()
    });
    let [o1, o2, o3] = s.owners;
    let results = |error: LiveError| (error.code(Face::Live), error.co_host_result());
    assert_eq!(results(s.w.refused(o1, ask(1, 9, None))), (100_004, 1));
    assert_eq!(results(s.w.refused(o1, ask(1, 1, None))), (10_004, 5));
    s.w.ok(o1, ask(1, 2, None));
    assert_eq!(results(s.w.refused(o1, ask(1, 2, None))), (100_402, 2));
    assert_eq!(results(s.w.refused(o2, ask(2, 1, None))), (100_402, 2));
    s.w.ok(o2, reply(2, 1, true));
    assert_eq!(results(s.w.refused(o1, ask(1, 2, None))), (100_401, 2));
    assert_eq!(results(s.w.refused(o3, ask(3, 2, None))), (100_403, 3));
    assert_eq!(results(s.w.refused(o1, ask(1, 3, None))), (100_404, 4));
    assert_eq!(results(s.w.refused(o1, reply(1, 3, true))), (10_004, 5));
    let mute = co_host(
        3,
        CoHostOrder::Mute {
            room: room(2),
            muted: true,
        },
    );
    assert_eq!(
        s.w.refused(o3, mute),
        LiveError::NotConnected { room: room(2) }
    );
    let error = s.w.refused(s.listeners[0], co_host(1, CoHostOrder::Exit));
    assert_eq!(error.code(Face::Live), 100_006);
}

#[test]
fn a_room_that_connected_in_the_meantime_cannot_be_connected_twice() {
    let mut s = stage();
    s.w.ok(s.owners[0], ask(1, 3, None));
    s.w.ok(s.owners[1], ask(2, 3, None));
    s.w.ok(s.owners[2], reply(3, 1, true));
    assert_eq!(
        s.w.refused(s.owners[2], reply(3, 2, true)),
        LiveError::CoHostElsewhere { room: room(3) }
    );
}
