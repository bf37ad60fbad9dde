//! How soon a subscriber sees a key frame, and what that costs the publisher.

use std::time::Duration;

use crate::frames;
use crate::world::{World, good};

#[test]
fn lone_join_sees_a_key_frame_soon_and_asks_once() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(5));
    let before = w.peers[p].plis;
    let posted = w.now;
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(2));
    let first = w.peers[s].first_video_at.expect("video");
    assert!(
        first - posted < Duration::from_millis(120),
        "{:?}",
        first - posted
    );
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole[0].1);
    assert_eq!(w.peers[p].plis - before, 1);
}

#[test]
fn hundred_joins_in_four_seconds_cost_ten_requests_at_most() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(3));
    let before = w.peers[p].plis;
    let mut joins = Vec::new();
    for _ in 0..100 {
        let posted = w.now;
        joins.push((posted, w.subscribe("a", 0, good())));
        w.run(Duration::from_millis(40));
    }
    w.run(Duration::from_secs(1));
    let mut waits: Vec<Duration> = joins
        .iter()
        .map(|(posted, s)| {
            frames::check(&w.peers[*s].got_video);
            w.peers[*s].first_video_at.expect("video") - *posted
        })
        .collect();
    waits.sort();
    let asked = w.peers[p].plis - before;
    assert!(asked <= 10, "{asked} requests");
    assert!(
        waits[94] < Duration::from_millis(550),
        "p95 {:?}",
        waits[94]
    );
}

#[test]
fn storm_of_requests_becomes_two_a_second() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let subscribers: Vec<usize> = (0..10).map(|_| w.subscribe("a", 0, good())).collect();
    w.run(Duration::from_secs(2));
    let before = w.peers[p].plis;
    for _ in 0..50 {
        for s in &subscribers {
            w.peers[*s].send_pli();
        }
        w.run(Duration::from_millis(100));
    }
    let asked = w.peers[p].plis - before;
    assert!((5..=11).contains(&asked), "{asked} requests in 5 s");
    assert!(w.counters(0).keyframe_requests_in > 100);
}
