//! Each documented code, provoked once.

use super::seats::{
    answer, apply, device, invite, kick_off, lock, move_to, reply_invitation, seats,
};
use super::*;

/// An owner `o`, an administrator `x` and a guest `g`, with three seats.
fn stage() -> (World, ConnectionId, ConnectionId, ConnectionId) {
    let mut w = World::new();
    let (o, x, g) = (w.login("o"), w.login("x"), w.login("g"));
    w.ok(o, create(1, Some(seats(3, SeatMode::ApplyToTake))));
    w.enter(o, 1, live(Role::Anchor));
    w.enter(x, 1, live(Role::Audience));
    w.enter(g, 1, live(Role::Audience));
    w.ok(o, order(1, administrator("x")));
    (w, o, x, g)
}

fn chat(error: &LiveError) -> i32 {
    error.code(Face::Chat)
}

fn live_code(error: &LiveError) -> i32 {
    error.code(Face::Live)
}

#[test]
fn rooms_and_ids() {
    let (mut w, o, _, g) = stage();
    let gone = w.refused(g, Command::Info { room: room(9) });
    assert_eq!((chat(&gone), live_code(&gone)), (10_010, 100_004));
    let chat_only = Command::Enter {
        room: room(9),
        entry: Entry::Chat,
    };
    assert_eq!(chat(&w.refused(g, chat_only)), 10_010);
    let taken = w.refused(g, create(1, None));
    assert_eq!((chat(&taken), live_code(&taken)), (10_021, 100_003));
    assert_eq!(chat(&w.refused(o, create(1, None))), 10_025);
    let bad: LiveError = RoomId::number(0).unwrap_err().into();
    assert_eq!(chat(&bad), 10_015);
    let outside = w.login("z");
    let members = Command::Members {
        room: room(1),
        after: None,
        count: 10,
    };
    let error = w.refused(outside, members);
    assert_eq!((chat(&error), live_code(&error)), (2623, 100_005));
}

#[test]
fn permissions() {
    let (mut w, o, x, g) = stage();
    let error = w.refused(g, order(1, kick("x", None)));
    assert_eq!((chat(&error), live_code(&error)), (10_007, 100_006));
    let error = w.refused(x, order(1, Order::Dismiss));
    assert_eq!((chat(&error), live_code(&error)), (2681, 100_006));
    assert_eq!(chat(&w.refused(o, leave(1, Part::Chat))), 10_007);
    let error = w.refused(o, order(1, administrator("nobody")));
    assert_eq!(chat(&error), 2623);
    w.ok(o, order(1, kick("g", Some(60))));
    let enter = Command::Enter {
        room: room(1),
        entry: audience(),
    };
    let banned = w.refused(g, enter);
    assert_eq!((chat(&banned), banned.code(Face::Rtc)), (10_007, 0x4004));
}

#[test]
fn guests_listen_only() {
    let (mut w, ..) = stage();
    let guest = w.guest();
    w.enter(guest, 1, Entry::Chat);
    for command in [
        publish(1),
        Command::Enter {
            room: room(1),
            entry: audience(),
        },
        Command::SetProfile(Profile::default()),
        order(1, Order::Dismiss),
    ] {
        let error = w.refused(guest, command);
        assert_eq!((error.clone(), chat(&error)), (LiveError::Guest, 2024));
    }
    w.ok(guest, leave(1, Part::All));
    assert_eq!(chat(&w.refused(guest, leave(1, Part::All))), 2623);
    w.log_out(guest);
    assert_eq!(chat(&w.refused(guest, leave(1, Part::All))), 2024);
}

#[test]
fn publishing_and_modes() {
    let mut w = World::new();
    let (a, b) = (w.login("a"), w.login("b"));
    let with = |rights| Command::Enter {
        room: room(5),
        entry: Entry::Media(MediaEntry {
            rights,
            ..media(Scene::Live, Role::Anchor)
        }),
    };
    let missing = |right| LiveError::RightMissing { right };
    assert_eq!(w.refused(a, with(Rights(254 - 2))), missing(Right::Enter));
    assert_eq!(w.refused(a, with(Rights(254))), missing(Right::CreateRoom));
    w.ok(b, with(Rights::ALL));
    w.ok(a, with(Rights::AUDIENCE));
    let error = w.refused(a, publish(5));
    assert_eq!(error, missing(Right::SendAudio));
    assert_eq!(error.code(Face::Rtc), -100_006);

    let call = Command::Enter {
        room: room(5),
        entry: Entry::Media(media(Scene::Rtc, Role::Anchor)),
    };
    let c = w.login("c");
    let error = w.refused(c, call);
    assert_eq!(error, LiveError::SceneDiffers { scene: Scene::Live });
    assert_eq!(error.code(Face::Rtc), 0x4004);
    let other = Command::Enter {
        room: room(6),
        entry: anchor(),
    };
    assert_eq!(
        w.refused(a, other),
        LiveError::InOtherRoom { room: room(5) }
    );
    let aux = Command::Unpublish {
        room: room(5),
        track: TrackKind::Aux,
    };
    let error = w.refused(b, aux);
    assert_eq!(error.code(Face::Rtc), 0x1001);
    w.ok(b, switch(5, Role::Audience));
    assert_eq!(w.refused(b, publish(5)).code(Face::Rtc), 0x1001);

    w.ok(
        c,
        Command::Enter {
            room: room(7),
            entry: Entry::Media(media(Scene::Rtc, Role::Anchor)),
        },
    );
    assert_eq!(
        w.refused(c, switch(7, Role::Audience)),
        LiveError::RoleIsFixed
    );
    for publication in [
        Publication::default(),
        Publication {
            has_audio: true,
            has_small: true,
            ..Publication::default()
        },
    ] {
        let command = Command::Publish {
            room: room(7),
            track: TrackKind::Main,
            publication,
        };
        assert!(matches!(w.refused(c, command), LiveError::BadValue { .. }));
    }
}

#[test]
fn seating() {
    let (mut w, o, x, g) = stage();
    let code = |w: &mut World, id, command| live_code(&w.refused(id, command));
    assert_eq!(
        code(&mut w, x, create(2, Some(seats(0, SeatMode::FreeToTake)))),
        -2340
    );
    assert_eq!(
        code(&mut w, x, create(2, Some(seats(51, SeatMode::FreeToTake)))),
        -2340
    );
    assert_eq!(
        w.rooms.room(&key(2)),
        None,
        "a refusal leaves no room behind"
    );
    assert_eq!(code(&mut w, g, apply(Some(3), None)), -2344);
    assert_eq!(code(&mut w, o, lock(3, true)), -2344);
    w.ok(o, lock(2, true));
    assert_eq!(code(&mut w, g, apply(Some(2), None)), 100_200);
    assert_eq!(code(&mut w, g, apply(Some(0), None)), 100_201);
    assert_eq!(
        code(&mut w, g, seat(1, SeatCommand::CancelApplication)),
        100_204
    );
    assert_eq!(code(&mut w, o, answer("g", true)), 100_204);
    w.ok(g, apply(None, None));
    assert_eq!(code(&mut w, g, apply(None, None)), 100_202);
    assert_eq!(code(&mut w, o, invite("g", None, None)), 100_102);
    w.ok(o, answer("g", true));
    assert_eq!(code(&mut w, g, apply(None, None)), 100_203);
    assert_eq!(code(&mut w, o, invite("g", None, None)), 100_203);
    assert_eq!(code(&mut w, x, apply(None, None)), 100_205);
    assert_eq!(code(&mut w, x, seat(1, SeatCommand::Leave)), 100_206);
    assert_eq!(code(&mut w, o, kick_off("x")), 100_206);
    assert_eq!(code(&mut w, o, device("x", Device::Camera, false)), 100_206);
    w.ok(o, lock(2, false));
    w.ok(x, apply(Some(2), None));
    let abort = MovePolicy::AbortWhenOccupied;
    assert_eq!(code(&mut w, o, move_to("g", 2, abort)), 100_210);
    let nobody = Order::Seat(SeatOrder::KickOff { users: vec![] });
    assert_eq!(code(&mut w, o, order(1, nobody)), 100_251);
    assert_eq!(code(&mut w, g, answer("x", true)), 100_006);
    assert_eq!(code(&mut w, g, reply_invitation("o", true)), 100_204);
    assert_eq!(
        code(&mut w, g, seat(1, SeatCommand::Move { target: 1 })),
        100_006
    );
    assert_eq!(code(&mut w, g, device("x", Device::Camera, false)), 100_006);

    w.ok(x, create(3, None));
    w.enter(x, 3, Entry::Chat);
    assert_eq!(code(&mut w, x, seat(3, SeatCommand::Leave)), 100_211);
    let z = w.login("z");
    assert_eq!(code(&mut w, z, apply(None, None)), 100_005);
    w.enter(z, 1, Entry::Chat);
    assert_eq!(code(&mut w, z, apply(None, None)), 100_005);
    let pick = SeatOrder::Pick {
        user: user("z"),
        seat: None,
    };
    assert_eq!(code(&mut w, o, order(1, Order::Seat(pick))), 100_006);
    let never = seat(
        1,
        SeatCommand::Apply {
            seat: None,
            timeout: Some(Duration::ZERO),
        },
    );
    w.enter(z, 1, live(Role::Audience));
    w.ok(g, seat(1, SeatCommand::Leave));
    assert_eq!(code(&mut w, z, never), 10_004);
}

#[test]
fn an_invitation_conflicts_with_another_and_with_an_application() {
    let (mut w, o, x, g) = stage();
    w.ok(o, invite("g", None, None));
    assert_eq!(live_code(&w.refused(x, invite("g", None, None))), 100_102);
    assert_eq!(live_code(&w.refused(g, apply(None, None))), 100_102);
    let cancel = seat(1, SeatCommand::CancelInvitation { guest: user("g") });
    assert_eq!(live_code(&w.refused(x, cancel)), 100_204);
    w.ok(o, order(1, kick("x", None)));
    w.ok(g, reply_invitation("o", true));
}

#[test]
fn a_full_room_is_100008() {
    let mut w = World::with(Limits {
        members: 1,
        ..Limits::default()
    });
    let (a, b) = (w.login("a"), w.login("b"));
    w.enter(a, 1, anchor());
    let error = w.refused(
        b,
        Command::Enter {
            room: room(1),
            entry: audience(),
        },
    );
    assert_eq!(
        (live_code(&error), error.code(Face::Rtc)),
        (100_008, 0x4004)
    );
}

#[test]
fn a_sentence_says_what_is_allowed() {
    let error = LiveError::NoSuchSeat { index: 9, last: 3 };
    assert_eq!(
        error.to_string(),
        "there is no seat 9; the room has seats 0 to 3"
    );
    let error = LiveError::Full {
        refusal: Refusal::Members,
        limit: 5,
    };
    assert_eq!(error.to_string(), "the room is full: at most 5 are allowed");
}
