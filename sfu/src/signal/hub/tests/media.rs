use super::*;
use crate::worker::api::Picture;

fn subscribe(room: u32, user: &str) -> Value {
    json!({"room": room, "user": user, "track": "main", "audio": true, "video": true})
}

fn received(order: &MediaOrder) -> Option<(Vec<String>, Vec<String>)> {
    let MediaOrder::Receive { add, remove, .. } = order else {
        return None;
    };
    let add = add.iter().map(|wanted| wanted.stream.to_string());
    let remove = remove.iter().map(ToString::to_string);
    Some((add.collect(), remove.collect()))
}

/// A room of anna's that ben is in as audience.
fn two(world: &mut World) -> [u64; 2] {
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    world.room(anna, 5);
    world.enter(ben, 5, "audience");
    [anna, ben]
}

/// Seats a user by application.
fn seat(world: &mut World, host: u64, guest: u64, name: &str) {
    world.done(guest, "applyForSeat", json!({"room": 5}));
    let accept = json!({"room": 5, "guest": name, "accept": true});
    world.done(host, "answerApplication", accept);
}

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
fn one_who_is_kicked_publishes_and_receives_no_more() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    seat(&mut world, anna, ben, "ben");
    let session = world.publish(ben, 5);
    world.publish(anna, 5);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    world.done(anna, "subscribe", subscribe(5, "ben"));
    world.done(anna, "kick", json!({"room": 5, "users": ["ben"]}));
    assert!(world.is_closed(&session));
    let closes = |order: &MediaOrder| matches!(order, MediaOrder::CloseReceiver { .. });
    assert_eq!(
        world.ordered.iter().filter(|order| closes(order)).count(),
        1
    );
    let removed = world.ordered.iter().rev().find_map(received).unwrap();
    assert_eq!(removed, (vec![], vec!["1_5_ben_main".to_owned()]));
    assert_eq!(world.refused(ben, "publish", publish(5)), "notEntered");
    assert_eq!(
        world.refused(ben, "subscribe", subscribe(5, "anna")),
        "notEntered"
    );
    // A late sign of life of what was closed is not announced.
    world.events(anna);
    world.live(&session);
    assert!(world.events_of(anna, "trackChanged").is_empty());
    let gauges = world.hub.gauges();
    assert_eq!((gauges.publications, gauges.subscriptions), (1, 0));
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
fn a_subscription_is_offered_answered_and_ends_with_the_track() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    assert_eq!(
        world.refused(ben, "subscribe", subscribe(5, "anna")),
        "notLive"
    );
    let answer = json!({"revision": 1, "sdp": "answer"});
    assert_eq!(
        world.refused(ben, "answer", answer.clone()),
        "noPeerConnection"
    );
    let session = world.publish(anna, 5);
    world.events(ben);
    let result = world.done(ben, "subscribe", subscribe(5, "anna"));
    assert_eq!(result["stream"], "1_5_anna_main");
    let offers = world.events_of(ben, "offer");
    assert_eq!(
        (&offers[0]["revision"], &offers[0]["sdp"]),
        (&json!(1), &json!("offer"))
    );
    world.done(ben, "answer", answer);
    world.done(ben, "receiverTrickle", json!({"fragment": "a=..."}));
    let gone = json!({"room": 5, "user": "carl", "track": "main"});
    assert_eq!(world.refused(ben, "unsubscribe", gone), "notSubscribed");
    assert_eq!(world.hub.gauges().subscriptions, 1);

    let receiver = world.ordered.iter().rev().find_map(|order| match order {
        MediaOrder::Receive { receiver, .. } => Some(*receiver),
        _ => None,
    });
    for stream in ["1_5_anna_main", "1_5_dora_main"] {
        world.media_event(MediaEvent::CodecMissing {
            receiver: receiver.unwrap(),
            stream: stream.parse().unwrap(),
            codec: packager::rtp::Codec::H264,
        });
    }
    let missing = world.events_of(ben, "codecMissing");
    assert_eq!(missing.len(), 1, "what is not subscribed to is not told");
    assert_eq!(
        (&missing[0]["stream"], &missing[0]["codec"]),
        (&json!("1_5_anna_main"), &json!("H264"))
    );

    world.media_event(MediaEvent::Ended {
        stream: session.stream.clone(),
        session: session.session,
    });
    let removed = world.ordered.iter().rev().find_map(received).unwrap();
    assert_eq!(removed, (vec![], vec!["1_5_anna_main".to_owned()]));
    assert_eq!(
        world.events_of(ben, "offer")[0]["revision"],
        2,
        "offered without being asked"
    );
    assert_eq!(world.hub.gauges().subscriptions, 0);

    world.publish(anna, 5);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    let here = json!({"room": 5, "user": "anna", "track": "main"});
    world.done(ben, "unsubscribe", here);
    assert_eq!(world.hub.gauges().subscriptions, 0);
}

#[test]
fn a_receiver_that_ends_by_itself_is_opened_anew() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    world.publish(anna, 5);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    let receiver = |world: &World| {
        let mut orders = world.ordered.iter().rev();
        orders.find_map(|order| match order {
            MediaOrder::Receive { receiver, .. } => Some(*receiver),
            _ => None,
        })
    };
    let first = receiver(&world).unwrap();
    world.media_event(MediaEvent::ReceiverEnded { receiver: first });
    assert_eq!(world.events_of(ben, "receiverClosed").len(), 1);
    assert_eq!(world.hub.gauges().subscriptions, 0);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    assert_ne!(receiver(&world), Some(first));
}

#[test]
fn connected_rooms_receive_each_other_and_a_mute_is_kept_to() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let dora = world.user("dora");
    world.room(dora, 6);
    world.publish(dora, 6);
    assert_eq!(
        world.refused(ben, "subscribe", subscribe(6, "dora")),
        "notEntered"
    );
    world.done(anna, "requestCoHost", json!({"room": 5, "other": 6}));
    world.done(
        dora,
        "answerCoHost",
        json!({"room": 6, "other": 5, "accept": true}),
    );
    world.done(ben, "subscribe", subscribe(6, "dora"));
    let audio = |world: &World| {
        let mut orders = world.ordered.iter().rev();
        orders.find_map(|order| match order {
            MediaOrder::Receive { add, .. } => add.first().map(|wanted| wanted.audio),
            _ => None,
        })
    };
    assert_eq!(audio(&world), Some(true));
    world.done(
        anna,
        "muteCoHost",
        json!({"room": 5, "other": 6, "muted": true}),
    );
    assert_eq!(audio(&world), Some(false));
    world.done(anna, "exitCoHost", json!({"room": 5}));
    let removed = world.ordered.iter().rev().find_map(received).unwrap();
    assert_eq!(removed, (vec![], vec!["1_6_dora_main".to_owned()]));
    assert_eq!(world.hub.gauges().subscriptions, 0);
}

#[test]
fn subscriptions_are_bounded() {
    let mut world = World::with(|config| config.subscriptions = 1);
    let [anna, ben] = two(&mut world);
    let carl = world.user("carl");
    world.enter(carl, 5, "audience");
    seat(&mut world, anna, carl, "carl");
    world.publish(anna, 5);
    world.publish(carl, 5);
    world.done(ben, "subscribe", subscribe(5, "anna"));
    world.done(ben, "subscribe", subscribe(5, "anna"));
    let refused = world.refused(ben, "subscribe", subscribe(5, "carl"));
    assert_eq!(refused, "tooManySubscriptions");
    assert_eq!(world.hub.counters().refused(HubRefusal::Subscriptions), 1);
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
fn volumes_and_quality_come_as_events() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let session = world.publish(anna, 5);
    world.done(
        ben,
        "listenVolumes",
        json!({"room": 5, "intervalMs": 1_000}),
    );
    for _ in 0..25 {
        world.media_event(MediaEvent::Levels(vec![crate::worker::StreamLevel {
            stream: session.stream.clone(),
            level: 20,
            voice: None,
        }]));
        world.media_event(MediaEvent::Transport {
            session: session.session,
            rtt: Some(Duration::from_millis(40)),
            loss_up: Some(0.0),
            loss_down: None,
        });
        world.pass(SECOND / 5);
    }
    let events = world.events(ben);
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert!(named("volumes") >= 3, "{}", named("volumes"));
    assert_eq!(named("activeSpeaker"), 1);
    let quality = world.events_of(anna, "networkQuality");
    assert_eq!(quality.len(), 2);
    assert_eq!(quality[1]["uplinkNetworkQuality"], 1);
    assert_eq!(quality[1]["uplinkRTT"], 40);
}

#[test]
fn the_qualities_of_anchors_are_told_to_those_who_listen() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    let carl = world.user("carl");
    world.enter(carl, 5, "audience");
    let session = world.publish(anna, 5);
    let listen = |listen: bool| json!({"room": 5, "listen": listen});
    world.done(ben, "listenQualities", listen(true));
    let measure = |world: &mut World| {
        for _ in 0..5 {
            world.media_event(MediaEvent::Transport {
                session: session.session,
                rtt: Some(Duration::from_millis(40)),
                loss_up: Some(0.5),
                loss_down: None,
            });
            world.pass(SECOND);
        }
    };
    measure(&mut world);
    let told = world.events_of(ben, "qualities");
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[1]["qualities"],
        json!([{
            "user": "anna", "uplinkNetworkQuality": 5, "downlinkNetworkQuality": 0, "rtt": 40,
            "uplinkLoss": 50, "downlinkLoss": 0,
        }])
    );
    assert_eq!(world.events_of(carl, "qualities").len(), 0, "did not ask");
    // Neither one who asks no longer nor one who has left is told.
    world.done(ben, "listenQualities", listen(false));
    world.done(carl, "listenQualities", listen(true));
    world.done(carl, "leaveRoom", json!({"room": 5, "part": "all"}));
    measure(&mut world);
    for socket in [ben, carl] {
        assert_eq!(world.events_of(socket, "qualities").len(), 0);
    }
    let refused = world.refused(carl, "listenQualities", listen(true));
    assert_eq!(refused, "notEntered");
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

#[test]
fn a_subscriber_chooses_a_picture_of_what_is_received() {
    let mut world = World::new();
    let [anna, ben] = two(&mut world);
    world.publish(anna, 5);
    let wanted = |world: &World| {
        let mut orders = world.ordered.iter().rev();
        orders.find_map(|order| match order {
            MediaOrder::Receive { add, .. } => add.first().map(|w| (w.audio, w.video)),
            _ => None,
        })
    };
    let choose = |world: &mut World, picture: Value, video: bool| {
        let mut request = subscribe(5, "anna");
        request["picture"] = picture;
        request["video"] = json!(video);
        world.done(ben, "subscribe", request)
    };
    let stream = choose(&mut world, json!("small"), true);
    assert_eq!(wanted(&world), Some((true, Some(Picture::Small))));
    assert_eq!(choose(&mut world, json!("large"), true), stream);
    assert_eq!(wanted(&world), Some((true, Some(Picture::Large))));
    choose(&mut world, json!("small"), false);
    assert_eq!(wanted(&world), Some((true, None)));
    choose(&mut world, Value::Null, true);
    assert_eq!(wanted(&world), Some((true, Some(Picture::Large))));
    assert_eq!(world.hub.gauges().subscriptions, 1);

    let mut request = subscribe(5, "anna");
    request["picture"] = json!("tiny");
    assert_eq!(world.refused(ben, "subscribe", request), "badField");
}
