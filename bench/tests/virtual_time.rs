//! The publisher's and the subscribers' drivers against a small server, on
//! virtual time.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod common;

use std::time::Duration;

use bench::source::SourceConfig;
use common::{LINK, World};

const SECOND: Duration = Duration::from_secs(1);

fn connected(world: &World) -> bool {
    world.publisher.connected().is_some()
}

/// Joins one and waits for its key frame.
fn join_and_wait(world: &mut World) -> usize {
    let index = world.join();
    world.run_until(
        |world| world.subscribers[index].milestones().keyframe.is_some(),
        3 * SECOND,
    );
    index
}

#[test]
fn every_packet_of_the_window_arrives_after_exactly_two_links() {
    let mut world = World::new(SourceConfig::default(), true);
    world.run_until(connected, SECOND);
    let index = join_and_wait(&mut world);
    let first = world.publisher.counts().packets + 20;
    let range = first..first + 500;
    world.subscribers[index].open_window(range);
    world.run_for(3 * SECOND);
    let report = world.subscribers[index].close_window();
    assert_eq!(report.received.packets, 500);
    assert_eq!(report.missing, 0);
    assert_eq!(report.received.duplicates, 0);
    assert_eq!((report.damaged, report.unstamped), (0, 0));
    let delay = &report.received.delay;
    assert_eq!(
        delay.quantile(0.0).unwrap().as_millis(),
        2 * LINK.as_millis()
    );
    // The virtual server looks around every 100 µs at the latest.
    assert!(delay.max().unwrap() <= 2 * LINK + Duration::from_millis(1));
}

#[test]
fn a_join_passes_its_milestones_in_order_and_asks_for_one_key_frame() {
    let mut world = World::new(SourceConfig::default(), true);
    world.run_until(connected, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.publisher.counts().keyframes, 1);
    let begin = world.now;
    let index = join_and_wait(&mut world);
    let milestones = world.subscribers[index].milestones();
    let connected = milestones.connected.unwrap();
    let keyframe = milestones.keyframe.unwrap();
    assert!(begin < connected && connected < keyframe);
    // Handshake, the wait for a frame, the request, the next frame, its way.
    assert!(
        keyframe - begin < Duration::from_millis(250),
        "{:?}",
        keyframe - begin
    );
    assert_eq!(world.publisher.counts().plis, 1);
    assert_eq!(world.publisher.counts().keyframes, 2);
}

#[test]
fn a_silent_subscriber_waits_for_somebody_elses_key_frame() {
    let mut world = World::new(SourceConfig::default(), false);
    world.run_until(connected, SECOND);
    let index = world.join();
    world.run_for(2 * SECOND);
    let milestones = world.subscribers[index].milestones();
    assert!(milestones.connected.is_some());
    assert_eq!(milestones.keyframe, None);
    assert_eq!(world.publisher.counts().plis, 0);
}

#[test]
fn lost_video_is_asked_for_again_and_lost_audio_is_counted() {
    let mut world = World::new(SourceConfig::default(), true);
    world.run_until(connected, SECOND);
    let index = join_and_wait(&mut world);
    world.loss = 0.05;
    let first = world.publisher.counts().packets + 20;
    world.subscribers[index].open_window(first..first + 1_000);
    world.run_for(6 * SECOND);
    let report = world.subscribers[index].close_window();
    // A fifth of the packets is audio, which nobody sends again.
    assert!((2..=40).contains(&report.missing), "{}", report.missing);
    assert_eq!(report.received.packets + report.missing, 1_000);
    // What came again came later than what came at once.
    assert!(report.received.delay.max().unwrap() > 3 * LINK);
}

#[test]
fn changed_bytes_are_noticed() {
    let mut world = World::new(SourceConfig::default(), true);
    world.run_until(connected, SECOND);
    let index = join_and_wait(&mut world);
    world.damage_every = Some(10);
    let before = world.subscribers[index].close_window().damaged;
    world.run_for(SECOND);
    let damaged = world.subscribers[index].close_window().damaged - before;
    assert!((20..=35).contains(&damaged), "{damaged}");
}

#[test]
fn many_subscribers_receive_the_same_at_another_frame_rate() {
    let config = SourceConfig {
        fps: 15,
        video_bps: 500_000,
        seed: 4,
    };
    let mut world = World::new(config, true);
    world.run_until(connected, SECOND);
    for _ in 0..5 {
        join_and_wait(&mut world);
    }
    let first = world.publisher.counts().packets + 20;
    for subscriber in &mut world.subscribers {
        subscriber.open_window(first..first + 200);
    }
    world.run_for(4 * SECOND);
    for subscriber in &mut world.subscribers {
        let report = subscriber.close_window();
        assert_eq!((report.received.packets, report.missing), (200, 0));
    }
}
