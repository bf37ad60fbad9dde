//! What members publish, and where it can be played besides.

use super::*;
use crate::worker::api::Picture;

#[test]
fn a_publication_is_announced_when_it_is_live_and_taken_back_when_it_ends() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let result = world.done(anna, "publish", publish(5));
    assert_eq!(result["stream"], "1_5_anna_main");
    assert_eq!(result["relay"]["flv"], "/live/1_5_anna_main.flv");
    assert!(world.events_of(ben, "trackChanged").is_empty());
    let session = world.last_session();
    assert_eq!(world.allowed(&session), Some((true, true)));
    world.live(&session);
    let events = world.events_of(ben, "trackChanged");
    assert_eq!(events[0]["publication"]["hasVideo"], true);

    let ended = MediaEvent::Ended {
        stream: session.stream.clone(),
        session: session.session,
    };
    world.media_event(ended.clone());
    assert_eq!(
        world.events_of(ben, "trackChanged")[0]["publication"],
        Value::Null
    );
    assert_eq!(world.events_of(anna, "publisherClosed").len(), 1);
    assert!(!world.is_closed(&session), "it is gone already");

    // The end of a session that was replaced is not the end of the publication.
    let first = world.publish(anna, 5);
    let second = world.publish(anna, 5);
    assert_ne!(first, second);
    world.events(ben);
    world.media_event(MediaEvent::Ended {
        stream: first.stream.clone(),
        session: first.session,
    });
    assert!(world.events_of(ben, "trackChanged").is_empty());
    world.done(anna, "unpublish", json!({"room": 5, "track": "main"}));
    assert!(world.is_closed(&second));
    assert_eq!(
        world.events_of(ben, "trackChanged")[0]["publication"],
        Value::Null
    );
    assert_eq!(world.hub.gauges().publications, 0);
}

#[test]
fn who_publishes_is_told_which_picture_is_wanted_and_nobody_else() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let first = world.publish(anna, 5);
    let second = world.publish(anna, 5);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    world.events(anna);
    world.events(ben);
    let want = |world: &mut World, session: &SessionRef, picture| {
        world.media_event(MediaEvent::PictureWanted {
            session: session.session,
            picture,
        });
    };
    for picture in [Picture::Small, Picture::Medium, Picture::Large] {
        want(&mut world, &second, picture);
    }
    let told = world.events_of(anna, "pictureWanted");
    let pictures: Vec<_> = told.iter().map(|event| &event["picture"]).collect();
    assert_eq!(
        pictures,
        [&json!("small"), &json!("large"), &json!("large")]
    );
    assert_eq!(
        (&told[0]["room"], &told[0]["track"]),
        (&json!(5), &json!("main"))
    );
    // A session of the world outside the rooms, and one that has ended, have nobody to be told.
    world.media_event(MediaEvent::Ended {
        stream: first.stream.clone(),
        session: first.session,
    });
    let other = SessionRef {
        session: crate::worker::SessionId::from_bits(77),
        ..first.clone()
    };
    for session in [first, other] {
        want(&mut world, &session, Picture::Small);
    }
    assert!(world.events_of(anna, "pictureWanted").is_empty());
    assert!(world.events_of(ben, "pictureWanted").is_empty());
}

#[test]
fn a_guest_publishes_exactly_while_seated() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    assert_eq!(
        world.refused(ben, "publish", publish(5)),
        "audienceMayNotPublish"
    );
    seat(&mut world, anna, ben, "ben");
    let session = world.publish(ben, 5);
    assert_eq!(world.allowed(&session), Some((true, true)));
    world.done(ben, "leaveSeat", json!({"room": 5}));
    assert!(world.is_closed(&session));
    assert_eq!(
        world.allowed(&session),
        Some((true, true)),
        "closed, not only silenced"
    );
    assert_eq!(
        world.refused(ben, "publish", publish(5)),
        "audienceMayNotPublish"
    );
    assert_eq!(world.hub.gauges().publications, 0);

    // Taken off the seat while the offer is looked at.
    seat(&mut world, anna, ben, "ben");
    world.media_at_once = false;
    let id = world.send(ben, "publish", publish(5));
    world.done(anna, "kickOffSeat", json!({"room": 5, "users": ["ben"]}));
    world.media_at_once = true;
    world.carry_out_media();
    world.pump();
    let answer = world.answer(ben, id).unwrap();
    assert_eq!(answer["error"]["name"], "publicationChanged");
    assert!(world.is_closed(&world.last_session()));
}

#[test]
fn a_session_that_another_one_is_to_replace_loses_its_right_too() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    seat(&mut world, anna, ben, "ben");
    let connected = world.publish(ben, 5);
    let mut all = vec![connected.clone()];
    for _ in 0..5 {
        world.done(ben, "publish", publish(5));
        all.push(world.last_session());
    }
    let device = json!({"room": 5, "user": "ben", "device": "camera", "open": false});
    world.done(anna, "setDevice", device);
    assert_eq!(world.allowed(&connected), Some((true, false)));
    assert!(
        !world.is_closed(&connected),
        "it goes on until the next one is connected"
    );
    world.done(ben, "leaveSeat", json!({"room": 5}));
    assert!(all.iter().all(|session| world.is_closed(session)));

    // One that does not come to be connected leaves the one before it where it was.
    seat(&mut world, anna, ben, "ben");
    let connected = world.publish(ben, 5);
    world.done(ben, "publish", publish(5));
    let failed = world.last_session();
    world.events(anna);
    world.media_event(MediaEvent::Ended {
        stream: failed.stream.clone(),
        session: failed.session,
    });
    assert!(world.events_of(anna, "trackChanged").is_empty());
    world.done(ben, "leaveSeat", json!({"room": 5}));
    assert!(world.is_closed(&connected));
}

#[test]
fn closed_devices_and_lost_rights_reach_the_media_side() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    seat(&mut world, anna, ben, "ben");
    let session = world.publish(ben, 5);
    let device = |open: bool| json!({"room": 5, "user": "ben", "device": "camera", "open": open});
    world.done(anna, "setDevice", device(false));
    assert_eq!(world.allowed(&session), Some((true, false)));
    world.done(anna, "setDevice", device(true));
    assert_eq!(world.allowed(&session), Some((true, true)));
}

#[test]
fn an_id_that_is_live_under_another_user_is_refused() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    seat(&mut world, anna, ben, "ben");
    let mut chosen = publish(5);
    chosen["streamId"] = "my-show".into();
    assert_eq!(
        world.done(anna, "publish", chosen.clone())["stream"],
        "my-show"
    );
    assert_eq!(world.refused(ben, "publish", chosen.clone()), "streamTaken");
    chosen["streamId"] = "no spaces".into();
    assert_eq!(world.refused(ben, "publish", chosen), "badStreamId");
    assert_eq!(world.hub.counters().refused(HubRefusal::StreamTaken), 1);
    assert_eq!(world.hub.gauges().pending, 0);
}

#[test]
fn an_offer_that_is_accepted_too_late_is_closed() {
    let mut world = World::new();
    let [anna, _] = two(&mut world);
    world.media_at_once = false;
    let id = world.send(anna, "publish", publish(5));
    world.pass(16 * SECOND);
    assert_eq!(world.answer(anna, id).unwrap()["error"]["name"], "timedOut");
    assert_eq!(world.hub.gauges().publications, 0);
    world.media_at_once = true;
    world.carry_out_media();
    world.pump();
    assert!(world.is_closed(&world.last_session()));
}

#[test]
fn a_relay_that_is_not_stopped_is_refused_under_the_code_for_that() {
    let mut world = World::new();
    let [anna, _] = two(&mut world);
    world.done(anna, "publish", publish(5));
    world.live(&world.last_session());
    world.media_at_once = false;
    let stop = json!({"room": 5, "track": "main"});
    let first = world.send(anna, "stopRelay", stop.clone());
    let second = world.send(anna, "stopRelay", stop);
    let busy = world.answer(anna, second).unwrap()["error"].clone();
    assert_eq!(
        (&busy["name"], &busy["code"]),
        (&json!("publicationChanged"), &json!(0x4046))
    );
    let (ticket, order) = world.orders.pop_front().unwrap();
    assert!(matches!(order, MediaOrder::Relay { name: None, .. }));
    let failed = MediaDone::Relayed(Err(crate::worker::RelayError::ShuttingDown));
    world.hub.handle_media(world.now, ticket, failed);
    world.pump();
    let failed = world.answer(anna, first).unwrap()["error"].clone();
    assert_eq!(
        (&failed["name"], &failed["code"]),
        (&json!("relayFailed"), &json!(0x4046))
    );
}

#[test]
fn relaying_is_started_renamed_and_stopped_by_call() {
    let mut world = World::with(|config| {
        config.relay_mode = crate::live::broadcasts::RelayMode::Named;
    });
    let [anna, _] = two(&mut world);
    let here = json!({"room": 5, "track": "main"});
    assert_eq!(
        world.refused(anna, "startRelay", here.clone()),
        "notPublished"
    );
    assert_eq!(
        world.done(anna, "publish", publish(5))["relay"],
        Value::Null
    );
    let session = world.last_session();
    world.live(&session);
    let relay = world.done(anna, "startRelay", here.clone());
    assert_eq!(relay["hls"], "/live/1_5_anna_main.m3u8");
    let named = json!({"room": 5, "track": "main", "streamId": "show"});
    assert_eq!(world.done(anna, "startRelay", named)["stream"], "show");
    world.done(anna, "stopRelay", here);
    let names: Vec<_> = world
        .ordered
        .iter()
        .filter_map(|order| match order {
            MediaOrder::Relay { name, .. } => Some(name.as_ref().map(ToString::to_string)),
            _ => None,
        })
        .collect();
    let name = |text: &str| Some(text.to_owned());
    assert_eq!(names, [name("1_5_anna_main"), name("show"), None]);
}

#[test]
fn a_page_pushes_what_is_relayed_to_the_hosts_that_the_settings_name() {
    let mut world = World::with(|config| {
        config.relay_mode = crate::live::broadcasts::RelayMode::Named;
        config.push_hosts = vec!["live.example.com".parse().unwrap()];
    });
    let [anna, ben] = two(&mut world);
    let to = |url: &str| json!({"room": 5, "track": "main", "url": url});
    let allowed = to("rtmp://live.example.com/app/hunter2");
    assert_eq!(
        world.refused(anna, "startPush", allowed.clone()),
        "notPublished"
    );
    world.done(anna, "publish", publish(5));
    let session = world.last_session();
    world.live(&session);
    assert_eq!(
        world.refused(anna, "startPush", allowed.clone()),
        "notPublished",
        "it is not relayed yet"
    );
    world.done(anna, "startRelay", json!({"room": 5, "track": "main"}));
    for elsewhere in [
        "rtmp://live.example.com:1936/app/key",
        "rtmp://example.com/app/key",
        "rtmps://127.0.0.1/app/key",
    ] {
        assert_eq!(
            world.refused(anna, "startPush", to(elsewhere)),
            "noPermission"
        );
    }
    assert_eq!(
        world.refused(anna, "startPush", to("https://live.example.com/app/key")),
        "badValue"
    );
    assert_eq!(
        world.refused(ben, "startPush", allowed.clone()),
        "notPublished",
        "only one's own publication"
    );
    world.done(anna, "startPush", allowed);
    let pushed: Vec<_> = world
        .ordered
        .iter()
        .filter_map(|order| match order {
            MediaOrder::Push { name, target, .. } => Some(format!("{name} to {target}")),
            _ => None,
        })
        .collect();
    assert_eq!(pushed, ["1_5_anna_main to rtmp://live.example.com/app"]);
}

#[test]
fn a_token_that_gives_less_takes_away_what_runs_at_once() {
    let mut world = World::with(|config| {
        let app = crate::auth::App {
            id: AppId(1),
            keys: vec!["one".parse().unwrap()],
            require_private_map_key: true,
            ..crate::auth::App::default()
        };
        config.apps = Apps::new([app]);
    });
    let token = |world: &World, user: &str, privileges: u32| {
        let now = world.hub.clock(world.now).as_secs();
        let (user, room) = (user.parse().unwrap(), key(1, 5).room);
        let privileges = crate::auth::Privileges(privileges);
        let signed =
            world
                .apps
                .sign_private_map_key(now, AppId(1), &user, &room, privileges, 3_600);
        json!(signed.unwrap())
    };
    let update = |world: &mut World, socket, user: &str, privileges| {
        let fields = json!({"room": 5, "privateMapKey": token(world, user, privileges)});
        world.done(socket, "updatePrivateMapKey", fields);
    };
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    world.done(anna, "createRoom", json!({"room": 5}));
    for (socket, user, role) in [(anna, "anna", "anchor"), (ben, "ben", "audience")] {
        let key = token(&world, user, 255);
        let fields = json!({"room": 5, "part": "all", "role": role, "privateMapKey": key});
        world.done(socket, "enterRoom", fields);
    }
    let main = world.publish(anna, 5);
    let mut screen = publish(5);
    screen["track"] = "aux".into();
    world.done(anna, "publish", screen);
    let aux = world.last_session();
    world.live(&aux);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    world.events(ben);

    // Create, enter, send sound and receive everything; then without sound; then all again.
    update(&mut world, anna, "anna", 1 | 2 | 4 | 8 | 32 | 128);
    assert_eq!(world.allowed(&main), Some((true, false)));
    assert_eq!(world.allowed(&aux), Some((true, false)));
    update(&mut world, anna, "anna", 2 | 8);
    assert_eq!(world.allowed(&main), Some((false, false)));
    assert!(!world.is_closed(&main), "it may be given back");
    assert_eq!(world.refused(anna, "publish", publish(5)), "rightMissing");
    update(&mut world, anna, "anna", 255);
    assert_eq!(world.allowed(&main), Some((true, true)));
    assert_eq!(world.allowed(&aux), Some((true, true)));

    let wanted = |world: &World| {
        let mut orders = world.ordered.iter().rev();
        orders.find_map(|order| match order {
            MediaOrder::Receive { add, remove, .. } => Some((
                add.first()
                    .map(|wanted| (wanted.audio, wanted.video.is_some())),
                remove.len(),
            )),
            _ => None,
        })
    };
    assert_eq!(wanted(&world), Some((Some((true, true)), 0)));
    update(&mut world, ben, "ben", 2 | 8);
    assert_eq!(wanted(&world), Some((Some((true, false)), 0)));
    update(&mut world, ben, "ben", 2);
    assert_eq!(wanted(&world), Some((None, 1)));
    assert_eq!(world.events_of(ben, "offer").len(), 2, "the client is told");
    assert_eq!(world.hub.gauges().subscriptions, 0);
    let refused = world.refused(ben, "subscribe", subscribe(5, "anna"));
    assert_eq!(refused, "rightMissing");
    update(&mut world, ben, "ben", 255);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    assert_eq!(wanted(&world), Some((Some((true, true)), 0)));
}
