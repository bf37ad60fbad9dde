//! What members receive.

use super::*;
use crate::worker::api::Picture;

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

    for (stream, paused) in [
        ("1_5_anna_main", true),
        ("1_5_dora_main", true),
        ("1_5_anna_main", false),
    ] {
        world.media_event(MediaEvent::VideoPaused {
            receiver: receiver.unwrap(),
            stream: stream.parse().unwrap(),
            paused,
        });
    }
    let told: Vec<_> = world.events_of(ben, "videoPaused");
    let told: Vec<_> = told.iter().map(|e| (&e["stream"], &e["paused"])).collect();
    let hers = json!("1_5_anna_main");
    assert_eq!(told, [(&hers, &json!(true)), (&hers, &json!(false))]);

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
