//! How loud and how good it is.

use super::*;

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
