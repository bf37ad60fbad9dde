use super::*;

#[test]
fn the_audience_sees_anchors_and_nobody_sees_the_audience() {
    let mut w = World::new();
    let (a, b, c) = (w.login("a"), w.login("b"), w.login("c"));
    w.enter(b, 1, audience());
    w.enter(a, 1, anchor());
    assert_eq!(
        w.take(b),
        [Event::AnchorEntered {
            room: room(1),
            user: user("a"),
            profile: Profile::new("a", "").unwrap(),
        }]
    );
    w.ok(a, publish(1));
    let entered = w.enter(c, 1, audience());
    assert_eq!(entered.anchors.len(), 1);
    assert_eq!(entered.anchors[0].tracks.main, Some(CAMERA));
    assert_eq!(w.take(a), [], "nobody tells the anchor of the audience");

    w.forget();
    w.ok(a, leave(1, Part::Media));
    let told = w.take(c);
    assert!(
        matches!(
            &told[..],
            [
                Event::TrackChanged {
                    publication: None,
                    ..
                },
                Event::AnchorLeft {
                    reason: LeaveReason::Left,
                    ..
                },
            ]
        ),
        "{told:?}"
    );
    w.ok(c, leave(1, Part::All));
    assert_eq!(
        w.take(b).len(),
        2,
        "the audience's leaving is told to nobody"
    );
}

#[test]
fn two_apps_and_a_number_and_a_name_never_meet() {
    let mut w = World::new();
    let a = w.login("a");
    let b = w.try_login(AppId(2), Some("a")).unwrap();
    let c = w.login("c");
    w.enter(a, 123, anchor());
    w.enter(b, 123, anchor());
    let named = Command::Enter {
        room: RoomId::name("123").unwrap(),
        entry: anchor(),
    };
    w.ok(c, named);
    assert_eq!((w.take(a), w.take(b), w.take(c)), (vec![], vec![], vec![]));
    assert_eq!(w.rooms.gauges().rooms, 3);
    assert_eq!(w.rooms.online(&key(123)), 1);
    assert_eq!(w.rooms.rooms_of(APP, None, 10).len(), 2);
    assert_eq!(w.rooms.rooms_of(APP, Some(&key(123)), 10).len(), 1);
    assert_eq!(w.rooms.rooms_of(AppId(2), None, 10).len(), 1);
    assert!(!w.ended(a), "another app's user is another user");
}

#[test]
fn in_rtc_mode_everybody_is_an_anchor() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    let call = Entry::Media(media(Scene::Rtc, Role::Audience));
    assert_eq!(w.enter(a, 1, call).role, Some(Role::Anchor));
    assert_eq!(w.enter(b, 1, call).anchors.len(), 2);
    assert!(matches!(&w.take(a)[..], [Event::AnchorEntered { .. }]));
    w.ok(a, leave(1, Part::All));
    w.ok(b, leave(1, Part::All));
    w.enter(a, 1, anchor());
    assert_eq!(
        w.role(1, "a"),
        Some(Role::Anchor),
        "an empty room takes a new mode"
    );
}

#[test]
fn switching_to_audience_ends_the_publications() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.ok(a, publish(1));
    w.forget();
    w.ok(a, switch(1, Role::Audience));
    assert_eq!(w.view(1, "a").unwrap().tracks, Tracks::default());
    assert!(matches!(
        &w.take(b)[..],
        [
            Event::TrackChanged {
                publication: None,
                ..
            },
            Event::AnchorLeft {
                reason: LeaveReason::SwitchedRole,
                ..
            }
        ]
    ));
    assert!(w.effects.contains(&Effect::AllowedChanged {
        key: key(1),
        user: user("a"),
        connection: a,
        allowed: Allowed::default(),
    }));
    w.ok(b, switch(1, Role::Anchor));
    w.ok(b, publish(1));
}

#[test]
fn chat_and_media_are_entered_and_left_apart() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.ok(a, create(1, None));
    assert!(!w.enter(b, 1, Entry::Chat).already);
    assert!(w.enter(b, 1, Entry::Chat).already);
    assert!(w.enter(b, 1, audience()).role.is_some());
    w.ok(b, leave(1, Part::Chat));
    assert!(!w.rooms.is_in_chat(&key(1), &user("b")));
    assert_eq!(w.rooms.online(&key(1)), 1);
    w.ok(b, leave(1, Part::Media));
    assert_eq!(w.rooms.online(&key(1)), 0);
    let chat: Vec<_> = w
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::ChatEntered { .. } | Effect::ChatLeft { .. }))
        .collect();
    assert_eq!(chat.len(), 2);
}

#[test]
fn a_chat_member_gets_no_media_events() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.ok(a, create(1, None));
    w.enter(b, 1, Entry::Chat);
    let guest = w.guest();
    w.enter(guest, 1, Entry::Chat);
    w.enter(a, 1, live(Role::Anchor));
    w.ok(a, publish(1));
    assert_eq!((w.take(b), w.take(guest)), (vec![], vec![]));
    assert_eq!(w.rooms.online(&key(1)), 3);
}

#[test]
fn mute_states_reach_the_others_once() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.ok(a, publish(1));
    w.forget();
    let mute = Command::Mute {
        room: room(1),
        track: TrackKind::Main,
        audio: Some(true),
        video: None,
    };
    w.ok(a, mute.clone());
    w.ok(a, mute);
    let muted = Publication {
        audio_muted: true,
        ..CAMERA
    };
    assert_eq!(
        w.take(b),
        [Event::TrackChanged {
            room: room(1),
            user: user("a"),
            track: TrackKind::Main,
            publication: Some(muted),
        }]
    );
}

#[test]
fn a_second_login_removes_the_first_with_the_documented_reason() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.forget();
    let again = w.login("a");
    let told = w.take(a);
    assert!(matches!(told[0], Event::LoggedOut { .. }));
    assert!(matches!(
        told[1],
        Event::Removed {
            reason: RemovalReason::Banned,
            ..
        }
    ));
    assert!(w.ended(a) && !w.ended(again));
    assert_eq!(w.refused(a, publish(1)), LiveError::NotLoggedIn);
    assert!(matches!(
        w.take(b)[..],
        [Event::AnchorLeft {
            reason: LeaveReason::Replaced,
            ..
        }]
    ));
    assert_eq!(w.rooms.online(&key(1)), 1);
    w.enter(again, 1, anchor());
}

#[test]
fn a_lost_connection_keeps_its_place_for_thirty_seconds() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.ok(a, publish(1));
    w.forget();

    w.lose(a);
    w.pass(29);
    w.rooms.handle_resumed(w.now, a).unwrap();
    w.pass(60);
    assert_eq!(w.take(b), []);
    assert_eq!(w.role(1, "a"), Some(Role::Anchor));

    w.lose(a);
    w.lose(a);
    w.pass(30);
    assert!(w.ended(a));
    assert_eq!(
        w.rooms.handle_resumed(w.now, a),
        Err(LiveError::NotLoggedIn)
    );
    assert!(matches!(
        w.take(b)[..],
        [
            Event::TrackChanged { .. },
            Event::AnchorLeft {
                reason: LeaveReason::Lost,
                ..
            }
        ]
    ));
}

#[test]
fn an_empty_room_goes_after_a_time_and_one_with_an_owner_later() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.ok(a, create(1, None));
    w.enter(b, 2, anchor());
    w.enter(a, 1, live(Role::Anchor));
    w.pass(24 * 3600);
    assert_eq!(w.rooms.gauges().rooms, 2, "rooms with members stay");
    w.log_out(a);
    w.log_out(b);
    w.pass(29);
    assert!(w.rooms.room(&key(2)).is_some());
    w.pass(1);
    assert!(w.rooms.room(&key(2)).is_none());
    w.pass(12 * 3600);
    assert_eq!(w.rooms.gauges(), Gauges::default());
    assert_eq!(w.rooms.next_timeout(), None);
    let ends = w.effects.iter().filter(|e| {
        matches!(
            e,
            Effect::RoomEnded {
                reason: EndReason::Empty,
                ..
            }
        )
    });
    assert_eq!(ends.count(), 2);
}

#[test]
fn dismissing_removes_everybody() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    let guest = w.guest();
    w.ok(a, create(1, None));
    w.enter(a, 1, live(Role::Anchor));
    w.enter(b, 1, live(Role::Audience));
    w.enter(guest, 1, Entry::Chat);
    w.forget();
    assert_eq!(
        w.refused(b, order(1, Order::Dismiss)),
        LiveError::NotOwner {
            action: "dismissing the room"
        }
    );
    w.ok(a, order(1, Order::Dismiss));
    for id in [a, b, guest] {
        let told = w.take(id);
        assert!(
            matches!(
                told[..],
                [Event::Removed {
                    reason: RemovalReason::RoomDisband,
                    ..
                }]
            ),
            "{told:?}"
        );
    }
    assert_eq!(w.rooms.room(&key(1)), None);
    w.enter(b, 1, anchor());
}

#[test]
fn a_kicked_user_may_return_and_a_banned_one_after_the_time() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.ok(a, create(1, None));
    w.enter(a, 1, live(Role::Anchor));
    w.enter(b, 1, live(Role::Audience));
    w.forget();
    w.ok(a, order(1, kick("b", None)));
    assert!(matches!(
        w.take(b)[..],
        [Event::Removed {
            reason: RemovalReason::Kick,
            ..
        }]
    ));
    w.enter(b, 1, live(Role::Audience));

    w.ok(a, order(1, kick("b", Some(60))));
    assert_eq!(
        w.rooms.bans(w.now, &key(1)),
        [(user("b"), Duration::from_secs(60))]
    );
    w.pass(59);
    let enter = Command::Enter {
        room: room(1),
        entry: audience(),
    };
    assert_eq!(
        w.refused(b, enter.clone()),
        LiveError::Banned {
            room: room(1),
            seconds: 1
        }
    );
    w.pass(1);
    w.ok(b, enter.clone());

    w.ok(a, order(1, kick("b", Some(60))));
    w.ok(a, order(1, Order::Unban { user: user("b") }));
    w.ok(b, enter);
}

#[test]
fn a_ban_outlives_its_room_and_can_be_restored() {
    let mut w = World::new();
    let b = w.login("b");
    let minute = Duration::from_secs(60);
    w.rooms
        .restore_ban(w.now, &key(1), &user("b"), minute)
        .unwrap();
    let enter = Command::Enter {
        room: room(1),
        entry: anchor(),
    };
    assert!(matches!(
        w.refused(b, enter),
        LiveError::Banned { seconds: 60, .. }
    ));
}

#[test]
fn ranks_decide_who_may_remove_whom() {
    let mut w = World::new();
    let ids: Vec<_> = ["o", "x", "y", "u"].map(|name| w.login(name)).into();
    w.ok(ids[0], create(1, None));
    for id in &ids {
        w.enter(*id, 1, live(Role::Audience));
    }
    w.ok(ids[0], order(1, administrator("x")));
    w.ok(ids[0], order(1, administrator("y")));
    assert_eq!(w.view(1, "x").unwrap().rank, Rank::Administrator);
    for (id, target) in [(ids[3], "x"), (ids[1], "y"), (ids[1], "o"), (ids[1], "x")] {
        let error = w.refused(id, order(1, kick(target, None)));
        assert!(matches!(error, LiveError::NoPermission { .. }), "{error}");
    }
    w.ok(ids[1], order(1, kick("u", None)));
    w.ok(ids[0], order(1, kick("x", None)));
    w.order(1, kick("o", None)).unwrap();
    assert_eq!(w.rooms.online(&key(1)), 1);
    w.order(1, Order::Dismiss).unwrap();
}

#[test]
fn the_list_of_members_comes_in_pages() {
    let mut w = World::new();
    let owner = w.login("o");
    w.ok(owner, create(1, None));
    w.enter(owner, 1, live(Role::Anchor));
    for n in 0..150 {
        let id = w.login(&format!("u{n:03}"));
        w.enter(id, 1, live(Role::Audience));
    }
    let mut all = Vec::new();
    let mut after = None;
    for _ in 0..3 {
        let command = Command::Members {
            room: room(1),
            after: after.take(),
            count: 1000,
        };
        let Reply::Members { members, more } = w.ok(owner, command) else {
            panic!("no page");
        };
        assert!(members.len() <= 100);
        after = members.last().map(|m| m.user.clone());
        all.extend(members);
        if !more {
            break;
        }
    }
    assert_eq!(all.len(), 151);
    assert!(all.windows(2).all(|pair| pair[0].user < pair[1].user));
    let roles: Vec<_> = all.iter().filter_map(|m| m.role).collect();
    assert_eq!(roles, [Role::Anchor], "the audience's role is not shown");
}

#[test]
fn a_profile_reaches_those_who_see_its_user() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.forget();
    let profile = Profile::new("Anna", "https://example.org/a.png").unwrap();
    w.ok(a, Command::SetProfile(profile.clone()));
    assert!(matches!(&w.take(b)[..], [Event::ProfileChanged { profile: p, .. }] if *p == profile));
    w.forget();
    w.ok(b, Command::SetProfile(profile.clone()));
    assert_eq!(w.take(a), []);
    assert_eq!(w.view(1, "b").unwrap().profile, profile);
}

#[test]
fn a_room_that_was_entered_first_can_still_be_claimed_once() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(b, 1, audience());
    assert_eq!(w.rooms.room(&key(1)).unwrap().owner, None);
    w.forget();
    w.ok(a, create(1, None));
    let told = w.take(b);
    assert!(
        matches!(&told[..], [Event::RoomUpdated { info, .. }] if info.owner == Some(user("a")))
    );
    assert_eq!(
        w.refused(a, create(1, None)),
        LiveError::AlreadyYours { room: room(1) }
    );
    assert_eq!(
        w.refused(b, create(1, None)),
        LiveError::IdTaken { room: room(1) }
    );
    w.ok(
        a,
        order(
            1,
            Order::Update {
                about: Some(About::of("Concert", "Be kind\nto each other")),
                seat_mode: None,
            },
        ),
    );
    assert!(
        matches!(&w.take(b)[..], [Event::RoomUpdated { info, .. }] if &*info.name == "Concert")
    );
}

#[test]
fn nobody_takes_a_room_over_that_others_use() {
    let mut w = World::new();
    let (a, b, c) = (w.login("a"), w.login("b"), w.login("c"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, anchor());
    for other in [b, c] {
        assert_eq!(
            w.refused(other, create(1, None)),
            LiveError::IdTaken { room: room(1) }
        );
    }
    // It is still the room of who opened it, who may come back.
    w.ok(a, leave(1, Part::All));
    assert_eq!(
        w.refused(b, create(1, None)),
        LiveError::IdTaken { room: room(1) }
    );
    w.ok(a, create(1, None));
    assert_eq!(w.rooms.room(&key(1)).unwrap().owner, Some(user("a")));

    // The back end decides as it likes.
    w.enter(c, 2, anchor());
    let settings = RoomSettings::default();
    let now = w.now;
    w.rooms.create(now, &key(2), &user("b"), settings).unwrap();
    assert_eq!(w.rooms.room(&key(2)).unwrap().owner, Some(user("b")));
}

#[test]
fn one_user_cannot_create_all_rooms_of_the_server() {
    let mut w = World::with(Limits {
        rooms_per_owner: 2,
        ..Limits::default()
    });
    let (a, b) = (w.login("a"), w.login("b"));
    w.ok(a, create(1, None));
    w.ok(a, create(2, None));
    let full = LiveError::Full {
        refusal: Refusal::RoomsPerOwner,
        limit: 2,
    };
    assert_eq!(w.refused(a, create(3, None)), full);
    assert_eq!(w.rooms.counters().refused(Refusal::RoomsPerOwner), 1);
    assert_eq!(
        w.refused(a, create(1, None)),
        LiveError::AlreadyYours { room: room(1) },
        "the documented code comes first"
    );
    w.ok(b, create(3, None));
    let now = w.now;
    let settings = RoomSettings::default();
    w.rooms.create(now, &key(4), &user("a"), settings).unwrap();
    // Of three, one more than may be created.
    w.ok(a, order(1, Order::Dismiss));
    assert_eq!(w.refused(a, create(1, None)), full);
    w.ok(a, order(2, Order::Dismiss));
    w.ok(a, create(1, None));
}

#[test]
fn a_token_can_change_what_its_user_sends() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    w.enter(b, 1, audience());
    w.ok(a, publish(1));
    w.forget();
    w.rooms
        .set_rights(w.now, a, &key(1), Rights(2 | 16))
        .unwrap();
    w.deliver();
    assert_eq!(w.rooms.rights(&key(1), &user("a")), Some(Rights(2 | 16)));
    assert_eq!(w.rooms.rights(&key(1), &user("c")), None);
    assert!(matches!(
        &w.take(b)[..],
        [Event::TrackChanged { publication: Some(p), .. }] if p.audio_muted && !p.video_muted
    ));
    assert!(matches!(
        &w.effects[..],
        [Effect::AllowedChanged { allowed, .. }, ..] if !allowed.audio && allowed.video
    ));
}

#[test]
fn a_room_with_guests_alone_stays() {
    let mut w = World::new();
    let a = w.login("a");
    let guest = w.guest();
    w.enter(a, 1, anchor());
    w.enter(guest, 1, Entry::Chat);
    w.log_out(a);
    w.pass(3600);
    assert_eq!(w.rooms.online(&key(1)), 1);
    w.log_out(guest);
    w.pass(30);
    assert_eq!(w.rooms.gauges(), Gauges::default());
}
