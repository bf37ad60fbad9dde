use super::*;

/// A room of an owner on seat 0 and two guests in the audience, with three seats.
struct Stage {
    w: World,
    o: ConnectionId,
    g: ConnectionId,
    h: ConnectionId,
}

fn stage(mode: SeatMode) -> Stage {
    let mut w = World::new();
    let (o, g, h) = (w.login("o"), w.login("g"), w.login("h"));
    w.ok(o, create(1, Some(seats(3, mode))));
    w.enter(o, 1, live(Role::Anchor));
    w.enter(g, 1, live(Role::Audience));
    w.enter(h, 1, live(Role::Anchor));
    w.forget();
    Stage { w, o, g, h }
}

pub(super) fn seats(count: u16, mode: SeatMode) -> SeatSettings {
    SeatSettings {
        count,
        mode,
        keep_owner_on_seat: true,
    }
}

pub(super) fn apply(index: Option<u16>, timeout: Option<u64>) -> Command {
    let timeout = timeout.map(Duration::from_secs);
    seat(
        1,
        SeatCommand::Apply {
            seat: index,
            timeout,
        },
    )
}

pub(super) fn answer(guest: &str, accept: bool) -> Command {
    let guest = user(guest);
    seat(1, SeatCommand::AnswerApplication { guest, accept })
}

pub(super) fn invite(guest: &str, index: Option<u16>, timeout: Option<u64>) -> Command {
    seat(
        1,
        SeatCommand::Invite {
            guest: user(guest),
            seat: index,
            timeout: timeout.map(Duration::from_secs),
        },
    )
}

pub(super) fn reply_invitation(host: &str, accept: bool) -> Command {
    let host = user(host);
    seat(1, SeatCommand::AnswerInvitation { host, accept })
}

pub(super) fn move_to(name: &str, target: u16, policy: MovePolicy) -> Command {
    let user = user(name);
    order(
        1,
        Order::Seat(SeatOrder::Move {
            user,
            target,
            policy,
        }),
    )
}

pub(super) fn device(name: &str, device: Device, open: bool) -> Command {
    let user = user(name);
    order(1, Order::Seat(SeatOrder::Device { user, device, open }))
}

pub(super) fn lock(index: u16, locked: bool) -> Command {
    order(
        1,
        Order::Seat(SeatOrder::Lock {
            seat: index,
            locked,
        }),
    )
}

pub(super) fn kick_off(name: &str) -> Command {
    let users = vec![user(name)];
    order(1, Order::Seat(SeatOrder::KickOff { users }))
}

/// The kinds of a client's events, without those that show the seats.
fn kinds(events: Vec<Event>) -> Vec<String> {
    events
        .iter()
        .filter(|event| !matches!(event, Event::SeatsChanged { .. }))
        .map(|event| {
            let json = serde_json::to_value(event).unwrap();
            json["event"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn the_owner_sits_on_the_first_seat_and_an_unseated_anchor_is_audience() {
    let Stage { mut w, o, h, .. } = stage(SeatMode::ApplyToTake);
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
    assert_eq!(w.role(1, "h"), Some(Role::Audience));
    assert_eq!(w.refused(h, publish(1)), LiveError::AudienceMayNotPublish);
    assert_eq!(
        w.refused(h, switch(1, Role::Anchor)),
        LiveError::NotSeated { user: user("h") }
    );
}

#[test]
fn an_accepted_guest_sits_and_publishes_until_leaving_the_seat() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    assert_eq!(w.ok(g, apply(None, Some(30))), Reply::Applied);
    assert!(matches!(
        &w.take(o)[..],
        [Event::ApplicationReceived { guest, seat: None, .. }] if *guest == user("g")
    ));
    assert_eq!(w.take(h), []);
    assert_eq!(w.ok(o, answer("g", true)), Reply::Seated { seat: 1 });
    assert_eq!(kinds(w.take(g)), ["applicationAnswered", "roleChanged"]);
    assert_eq!(kinds(w.take(h)), ["anchorEntered"]);
    w.ok(g, publish(1));
    assert_eq!(w.sitting(o, 1), ["o", "g", "-"]);

    w.forget();
    w.ok(g, seat(1, SeatCommand::Leave));
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
    assert_eq!(kinds(w.take(h)), ["trackChanged", "anchorLeft"]);
    assert_eq!(w.refused(g, publish(1)), LiveError::AudienceMayNotPublish);
    assert!(w.effects.contains(&Effect::AllowedChanged {
        key: key(1),
        user: user("g"),
        connection: g,
        allowed: Allowed::default(),
    }));
}

#[test]
fn a_rejected_and_a_cancelled_application_leave_the_guest_in_the_audience() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(Some(2), None));
    w.ok(o, answer("g", false));
    assert!(matches!(
        w.take(g)[..],
        [Event::ApplicationAnswered {
            accepted: false,
            ..
        }]
    ));
    w.ok(g, apply(Some(2), None));
    w.forget();
    w.ok(g, seat(1, SeatCommand::CancelApplication));
    assert!(matches!(
        w.take(o)[..],
        [Event::ApplicationEnded {
            result: RequestResult::Cancelled,
            ..
        }]
    ));
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
    assert_eq!(w.role(1, "g"), Some(Role::Audience));
}

#[test]
fn other_hosts_learn_who_answered_an_application() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(o, order(1, administrator("h")));
    w.forget();
    w.ok(g, apply(None, None));
    assert_eq!(kinds(w.take(h)), ["applicationReceived"]);
    w.take(o);
    w.ok(h, answer("g", true));
    assert!(w.take(o).contains(&Event::ApplicationEnded {
        room: room(1),
        guest: user("g"),
        result: RequestResult::Accepted,
        host: Some(user("h")),
    }));
    assert_eq!(kinds(w.take(h)), ["anchorEntered"]);
    let error = w.refused(o, answer("g", true));
    assert_eq!(error, LiveError::NotQueued { user: user("g") });
}

#[test]
fn an_application_and_an_invitation_end_at_their_time() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(None, Some(10)));
    w.ok(o, invite("h", None, Some(20)));
    w.forget();
    w.pass(9);
    assert_eq!((w.take(o), w.take(g), w.take(h)), (vec![], vec![], vec![]));
    w.pass(1);
    assert!(matches!(
        w.take(g)[..],
        [Event::ApplicationUnanswered {
            reason: NoResponse::Timeout,
            ..
        }]
    ));
    assert_eq!(kinds(w.take(o)), ["applicationEnded"]);
    w.pass(10);
    assert!(matches!(
        w.take(o)[..],
        [Event::InvitationUnanswered {
            reason: NoResponse::Timeout,
            ..
        }]
    ));
    assert_eq!(kinds(w.take(h)), ["invitationEnded"]);
    w.ok(g, apply(None, None));
    w.pass(7 * 24 * 3600);
    assert_eq!(w.ok(o, answer("g", true)), Reply::Seated { seat: 1 });
}

#[test]
fn an_invited_guest_accepts_or_rejects() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(o, invite("g", Some(2), None));
    assert!(matches!(
        &w.take(g)[..],
        [Event::InvitationReceived { seat: Some(2), .. }]
    ));
    assert_eq!(
        w.ok(g, reply_invitation("o", true)),
        Reply::Seated { seat: 2 }
    );
    assert_eq!(kinds(w.take(o)), ["invitationAnswered", "anchorEntered"]);
    w.ok(o, invite("h", None, None));
    w.forget();
    w.ok(h, reply_invitation("o", false));
    assert!(matches!(
        w.take(o)[..],
        [Event::InvitationAnswered {
            accepted: false,
            ..
        }]
    ));
    w.ok(o, invite("h", None, None));
    w.forget();
    w.ok(
        o,
        seat(1, SeatCommand::CancelInvitation { guest: user("h") }),
    );
    assert_eq!(kinds(w.take(h)), ["invitationEnded"]);
    assert_eq!(
        w.refused(h, reply_invitation("o", true)),
        LiveError::NotQueued { user: user("h") }
    );
}

#[test]
fn whoever_gets_a_seat_in_another_way_has_no_open_request_left() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(None, None));
    w.ok(o, invite("h", None, None));
    w.forget();
    for name in ["g", "h"] {
        let pick = SeatOrder::Pick {
            user: user(name),
            seat: None,
        };
        w.order(1, Order::Seat(pick)).unwrap();
    }
    assert!(w.take(g).iter().any(|e| matches!(
        e,
        Event::ApplicationUnanswered {
            reason: NoResponse::AlreadySeated,
            ..
        }
    )));
    assert!(w.take(o).iter().any(|e| matches!(
        e,
        Event::InvitationUnanswered {
            reason: NoResponse::AlreadySeated,
            ..
        }
    )));
    assert!(
        w.take(h)
            .iter()
            .all(|e| !matches!(e, Event::InvitationAnswered { .. }))
    );
    assert_eq!(w.sitting(o, 1), ["o", "g", "h"]);
}

#[test]
fn the_requests_of_one_who_leaves_are_gone() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(None, None));
    w.ok(o, invite("h", None, None));
    w.forget();
    w.ok(g, leave(1, Part::All));
    w.ok(h, leave(1, Part::All));
    let told = w.take(o);
    assert!(
        matches!(
            told[..],
            [
                Event::ApplicationEnded {
                    result: RequestResult::Left,
                    ..
                },
                Event::InvitationUnanswered {
                    reason: NoResponse::Left,
                    ..
                },
            ]
        ),
        "{told:?}"
    );
    w.enter(g, 1, live(Role::Audience));
    w.ok(o, invite("g", None, None));
    w.forget();
    w.ok(o, leave(1, Part::All));
    assert!(kinds(w.take(g)).contains(&"invitationEnded".to_owned()));
}

#[test]
fn where_seats_are_free_one_just_sits_down_and_moves() {
    let Stage { mut w, o, g, h } = stage(SeatMode::FreeToTake);
    assert_eq!(w.ok(g, apply(Some(2), None)), Reply::Seated { seat: 2 });
    assert_eq!(
        w.ok(h, seat(1, SeatCommand::Take { seat: None })),
        Reply::Seated { seat: 1 }
    );
    assert_eq!(
        w.refused(h, seat(1, SeatCommand::Move { target: 2 })),
        LiveError::TargetOccupied { index: 2 }
    );
    w.ok(g, seat(1, SeatCommand::Leave));
    let moved = w.ok(h, seat(1, SeatCommand::Take { seat: Some(2) }));
    assert_eq!(moved, Reply::Seated { seat: 2 });
    assert_eq!(w.sitting(o, 1), ["o", "-", "h"]);
}

#[test]
fn a_host_moves_replaces_and_swaps() {
    let Stage { mut w, o, g, h } = stage(SeatMode::FreeToTake);
    w.ok(g, apply(Some(1), None));
    w.ok(h, apply(Some(2), None));
    w.ok(o, move_to("g", 2, MovePolicy::SwapPosition));
    assert_eq!(w.sitting(o, 1), ["o", "h", "g"]);
    w.forget();
    w.ok(o, move_to("g", 1, MovePolicy::ForceReplace));
    assert_eq!(w.sitting(o, 1), ["o", "g", "-"]);
    assert!(w.take(h).contains(&Event::KickedOffSeat {
        room: room(1),
        seat: 1,
        host: Some(user("o")),
    }));
    assert_eq!(w.role(1, "h"), Some(Role::Audience));
    assert_eq!(
        w.refused(o, move_to("g", 0, MovePolicy::ForceReplace)),
        LiveError::TargetOccupied { index: 0 }
    );
    let error = w.refused(o, move_to("o", 2, MovePolicy::SwapPosition));
    assert!(matches!(error, LiveError::NoPermission { .. }));
    let error = w.refused(h, move_to("g", 2, MovePolicy::SwapPosition));
    assert!(matches!(error, LiveError::NoPermission { .. }));
}

#[test]
fn a_guest_kicked_off_the_seat_can_publish_no_more() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::FreeToTake);
    w.ok(g, apply(None, None));
    w.ok(g, publish(1));
    w.forget();
    w.ok(o, kick_off("g"));
    assert_eq!(kinds(w.take(g)), ["kickedOffSeat", "roleChanged"]);
    assert_eq!(w.refused(g, publish(1)), LiveError::AudienceMayNotPublish);
    assert_eq!(w.view(1, "g").unwrap().tracks, Tracks::default());
    w.ok(g, apply(None, None));
    w.ok(o, order(1, kick("g", None)));
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
}

#[test]
fn a_closed_microphone_stays_muted_until_it_is_opened() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::FreeToTake);
    w.ok(g, apply(None, None));
    w.ok(g, publish(1));
    w.forget();
    w.ok(o, device("g", Device::Microphone, false));
    w.ok(o, device("g", Device::Microphone, false));
    let changed = |open| Event::DeviceChanged {
        room: room(1),
        device: Device::Microphone,
        open,
    };
    let told = w.take(g);
    assert_eq!(told.iter().filter(|e| **e == changed(false)).count(), 1);
    assert!(w.view(1, "g").unwrap().tracks.main.unwrap().audio_muted);
    let unmute = Command::Mute {
        room: room(1),
        track: TrackKind::Main,
        audio: Some(false),
        video: None,
    };
    let error = w.refused(g, unmute.clone());
    assert_eq!(
        error,
        LiveError::DeviceLocked {
            device: "microphone"
        }
    );
    w.ok(g, publish(1));
    assert!(w.view(1, "g").unwrap().tracks.main.unwrap().audio_muted);
    assert!(w.effects.iter().any(|e| matches!(
        e,
        Effect::AllowedChanged {
            allowed: Allowed {
                audio: false,
                video: true,
                aux: true
            },
            ..
        }
    )));

    w.ok(o, device("g", Device::Microphone, true));
    assert!(w.take(g).contains(&changed(true)));
    assert!(
        w.view(1, "g").unwrap().tracks.main.unwrap().audio_muted,
        "opening turns nothing on"
    );
    w.ok(g, unmute);
}

#[test]
fn a_reload_keeps_the_seat_and_staying_away_loses_it() {
    let Stage { mut w, o, g, h } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(Some(2), None));
    w.ok(o, answer("g", true));
    w.ok(g, publish(1));
    w.forget();
    w.lose(g);
    w.pass(3);
    let again = w.login("g");
    assert_eq!(w.sitting(o, 1), ["o", "-", "g"]);
    assert_eq!(
        w.refused(o, invite("h", Some(2), None)),
        LiveError::SeatOccupied { index: 2 }
    );
    w.pass(27);
    let entered = w.enter(again, 1, live(Role::Audience));
    assert_eq!(entered.role, Some(Role::Anchor));
    assert!(entered.seats[2].user.as_ref().is_some_and(|u| !u.away));
    w.ok(again, publish(1));
    w.pass(100);
    assert_eq!(w.sitting(o, 1), ["o", "-", "g"]);

    w.lose(again);
    let third = w.login("g");
    w.pass(30);
    assert_eq!(w.sitting(h, 1), ["o", "-", "-"]);
    assert_eq!(
        w.enter(third, 1, live(Role::Anchor)).role,
        Some(Role::Audience)
    );
}

#[test]
fn a_lost_guest_keeps_the_seat_until_the_connection_ends() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::FreeToTake);
    w.ok(g, apply(Some(2), None));
    w.lose(g);
    w.pass(29);
    assert_eq!(w.sitting(o, 1), ["o", "-", "g"]);
    w.pass(1);
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
}

#[test]
fn an_owner_off_the_seat_comes_back_to_it_as_an_anchor() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::FreeToTake);
    w.ok(o, switch(1, Role::Audience));
    assert_eq!(w.sitting(g, 1), ["-", "-", "-"]);
    assert_eq!(
        w.refused(g, apply(Some(0), None)),
        LiveError::SeatOccupied { index: 0 }
    );
    w.ok(o, switch(1, Role::Anchor));
    assert_eq!(w.sitting(g, 1), ["o", "-", "-"]);
    w.ok(o, publish(1));
}

#[test]
fn everybody_sees_each_change_of_the_seats_once() {
    let Stage { mut w, o, g, h } = stage(SeatMode::FreeToTake);
    w.ok(o, lock(2, true));
    w.ok(o, lock(2, true));
    w.ok(g, apply(None, None));
    let shown: Vec<_> = w
        .take(h)
        .into_iter()
        .filter_map(|event| match event {
            Event::SeatsChanged { seats, .. } => Some(seats),
            _ => None,
        })
        .collect();
    assert_eq!(shown.len(), 2);
    assert!(shown[0][2].is_locked && shown[0][1].user.is_none());
    assert_eq!(shown[1][1].user.as_ref().unwrap().user, user("g"));
    assert_eq!(w.refused(h, apply(None, None)), LiveError::AllSeatsOccupied);
}

#[test]
fn an_applicant_who_leaves_the_media_applies_no_more() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::ApplyToTake);
    w.ok(g, apply(None, None));
    w.forget();
    w.ok(g, leave(1, Part::Media));
    assert_eq!(kinds(w.take(o)), ["applicationEnded"]);
    w.enter(g, 1, audience());
    assert_eq!(
        w.refused(o, answer("g", true)),
        LiveError::NotQueued { user: user("g") }
    );
}

#[test]
fn one_who_is_removed_has_no_seat_kept() {
    let Stage { mut w, o, g, .. } = stage(SeatMode::FreeToTake);
    w.ok(g, apply(None, None));
    let again = w.login("g");
    w.ok(o, order(1, kick("g", None)));
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
    w.enter(again, 1, live(Role::Audience));
    w.ok(again, apply(None, None));
    let third = w.login("g");
    w.enter(third, 1, Entry::Chat);
    w.ok(o, order(1, kick("g", None)));
    assert_eq!(w.sitting(o, 1), ["o", "-", "-"]);
}
