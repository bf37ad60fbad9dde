//! Subscribers on another worker than their publisher.

use std::time::Duration;

use crate::frames;
use crate::world::{World, good};
use sfu::media::DropReason;

#[test]
fn subscribers_on_two_workers_see_the_same() {
    let mut w = World::new(2);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let before = w.peers[p].plis;
    let posted = w.now;
    let near = w.subscribe("a", 0, good());
    let far: Vec<usize> = (0..3).map(|_| w.subscribe("a", 1, good())).collect();
    w.run(Duration::from_secs(4));
    for s in far.iter().copied().chain([near]) {
        let got = frames::check(&w.peers[s].got_video);
        assert!(got.whole.len() > 110, "{}", got.whole.len());
        assert!(got.whole[0].1);
        assert_eq!(got.gaps, 0);
        assert!(frames::check(&w.peers[s].got_audio).packets > 180);
        let first = w.peers[s].first_video_at.expect("video") - posted;
        assert!(first < Duration::from_millis(600), "{first:?}");
    }
    assert!(w.peers[p].plis - before <= 3);
}

#[test]
fn full_lane_drops_until_the_next_key_frame_and_asks_for_it() {
    let mut w = World::new(2);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 1, good());
    w.run(Duration::from_secs(2));
    w.lanes_full = true;
    w.run(Duration::from_millis(300));
    w.lanes_full = false;
    let before = w.peers[p].plis;
    w.run(Duration::from_secs(2));
    assert!(w.counters(0).drops(DropReason::WorkerLaneFull) > 0);
    assert!(w.peers[p].plis > before);
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole.len() > 100, "{}", got.whole.len());
}

#[test]
fn lane_ends_with_its_last_subscriber_and_the_stream_with_its_publisher() {
    let mut w = World::with(2, |c| c.linger = Duration::from_secs(3));
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 1, good());
    let t = w.subscribe("a", 1, good());
    w.run(Duration::from_secs(1));
    w.close(s);
    w.run(Duration::from_secs(1));
    assert_eq!(w.cores[1].gauges().rooms, 1);
    w.close(p);
    w.run(Duration::from_secs(8));
    assert!(w.peers[t].closed, "nobody waits for ever");
    for core in &w.cores {
        let gauges = core.gauges();
        assert_eq!((gauges.rooms, gauges.subscribers, gauges.users), (0, 0, 0));
    }
}
