//! Links that carry less than what their subscribers want.

use std::time::Duration;

use sfu::media::Picture::{self, Large, Small};
use sfu::worker::{MediaEvent, ServerOffer, Wanted};
use str0m_netem::{Bitrate, DataSize, NetemConfig, Probability, RandomLoss};

use crate::frames;
use crate::world::{World, good, stream};

/// Packets of a frame of each layer, the best first; a key frame has four times as many.
const HIGH: u16 = 14;
const MIDDLE: u16 = 8;
const LOW: u16 = 3;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A publisher of three layers: 1.5, 0.44 and 0.1 Mbit/s with their headers left out.
fn publish(w: &mut World, name: &str) -> usize {
    w.egress.get_or_insert_default();
    let index = w.publish_layers(name, good(), &["l", "m", "h"]);
    let sender = w.peers[index].sender.as_mut().expect("a publisher");
    let sizes = [(LOW, 140), (MIDDLE, 230), (HIGH, 450)];
    for (layer, (packets, len)) in sender.layers.iter_mut().zip(sizes) {
        layer.packets = packets;
        layer.payload_len = len;
    }
    index
}

/// A link with a buffer of 200 ms, or of a few key frames.
pub fn link(kbps: i64) -> NetemConfig {
    let buffer = DataSize::bytes((kbps * 25).max(20_000));
    NetemConfig::new()
        .latency(ms(20))
        .link(Bitrate::kbps(kbps.unsigned_abs()), buffer)
}

fn choose(w: &mut World, page: usize, name: &str, video: Option<Picture>) -> Option<ServerOffer> {
    let wanted = Wanted {
        stream: stream(name),
        audio: true,
        video,
    };
    w.receive_only(page, vec![wanted], &[]).expect("received")
}

/// A page on core `at` that watches streams over a link.
fn watch(w: &mut World, at: usize, names: &[&str], net: NetemConfig) -> usize {
    let page = w.open_page(at, net);
    for name in names {
        let offer = choose(w, page, name, Some(Large));
        w.negotiate(page, offer);
    }
    page
}

/// A frame that came: when, since the beginning of the look, and of which layer.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Duration,
    layer: u16,
}

/// What a page or a viewer by WHEP gets of a stream from now on.
fn look(w: &mut World, receiver: usize, name: &str, time: Duration) -> Vec<Seen> {
    let start = w.now;
    w.run(time);
    let peer = &w.peers[receiver];
    let frames = match &peer.page {
        Some(page) => page.video(name),
        None => frames::check(&peer.got_video),
    };
    let all = frames.times.iter().zip(&frames.sizes);
    let new = all.filter(|(at, _)| **at > start);
    let seen = new.map(|(at, size)| {
        let of = |layer: &u16| [*layer, 4 * layer].contains(size);
        Seen {
            at: *at - start,
            layer: [HIGH, MIDDLE, LOW].into_iter().find(of).expect("a layer"),
        }
    });
    // What was sent again is whole later than what followed it.
    let mut seen: Vec<Seen> = seen.collect();
    seen.sort_by_key(|frame| frame.at);
    seen
}

/// The last moment at which a frame of another layer came.
fn settled(seen: &[Seen], layer: u16) -> Duration {
    let other = seen.iter().rev().find(|frame| frame.layer != layer);
    other.map_or(Duration::ZERO, |frame| frame.at)
}

/// The longest time without a frame.
fn freeze(seen: &[Seen]) -> Duration {
    let times = seen.windows(2).map(|pair| pair[1].at - pair[0].at);
    times.max().unwrap_or(Duration::MAX)
}

#[test]
fn a_link_that_carries_all_has_the_best_layer_from_its_first_frame() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], link(10_000));
    let seen = look(&mut w, page, "a", secs(10));
    assert!(seen.len() > 290, "{}", seen.len());
    assert_eq!(settled(&seen, HIGH), Duration::ZERO);
    assert!(freeze(&seen) < ms(100), "{:?}", freeze(&seen));
}

#[test]
fn a_link_that_gets_narrow_and_wide_again_has_what_it_carries() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], link(3_000));
    println!("a page: {}", narrow_and_wide_again(w, page));
}

#[test]
fn a_viewer_by_whep_has_what_its_link_carries() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    w.run(secs(2));
    let viewer = w.subscribe("a", 0, link(3_000));
    println!("WHEP: {}", narrow_and_wide_again(w, viewer));
}

/// What happened when.
fn narrow_and_wide_again(mut w: World, page: usize) -> String {
    w.run(secs(10));
    let before = look(&mut w, page, "a", secs(5));
    assert_eq!(settled(&before, HIGH), Duration::ZERO, "all fits");
    w.peers[page].down.set_config(link(500));
    let narrow = look(&mut w, page, "a", secs(15));
    w.peers[page].down.set_config(link(3_000));
    let wide = look(&mut w, page, "a", secs(15));
    let first_less = narrow.iter().find(|f| f.layer != HIGH).map(|f| f.at);
    let figures = format!(
        "down: the first lesser frame after {first_less:?}, settled after {:?}, longest freeze {:?}; \
         up: settled after {:?}, longest freeze {:?}",
        settled(&narrow, LOW),
        freeze(&narrow),
        settled(&wide, HIGH),
        freeze(&wide)
    );
    // Ports, keys and SSRCs are random: it takes about 0.74 s, and the way up 5.6 to 6.2 s.
    assert!(
        first_less.is_some_and(|at| at < ms(1_000)),
        "{first_less:?}"
    );
    // What fills the buffer of the link, 320 ms, has to drain before the key frame of the lesser
    // layer.
    assert!(freeze(&narrow) <= ms(600), "{:?}", freeze(&narrow));
    assert!(
        settled(&wide, HIGH) < secs(10),
        "{:?}",
        settled(&wide, HIGH)
    );
    assert!(freeze(&wide) <= ms(300), "{:?}", freeze(&wide));
    figures
}

/// A publisher of a single layer, which takes 1.5 Mbit/s.
fn publish_one(w: &mut World, name: &str) {
    let index = w.publish_layers(name, good(), &["h"]);
    let sender = w.peers[index].sender.as_mut().expect("a publisher");
    (sender.layers[0].packets, sender.layers[0].payload_len) = (HIGH, 450);
}

/// The part of the sound's packets that comes in a time.
fn sound(w: &mut World, page: usize, name: &str, time: Duration) -> f64 {
    let packets = |w: &World| {
        let page = w.peers[page].page.as_ref().expect("a page");
        page.audio(name).packets
    };
    let before = packets(w);
    w.run(time);
    (packets(w) - before) as f64 / (time.as_secs_f64() * 50.0)
}

#[test]
fn a_link_too_narrow_for_any_picture_carries_the_sound_and_tries_the_picture_rarely() {
    let mut w = World::new(1);
    publish_one(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], link(3_000));
    w.run(secs(5));
    w.peers[page].down.set_config(link(500));
    let heard = sound(&mut w, page, "a", secs(60));
    assert!(heard > 0.9, "{heard}");
    w.peers[page].down.set_config(link(3_000));
    w.run(secs(45));
    let wide = look(&mut w, page, "a", secs(5));
    assert!(wide.len() > 140, "{}", wide.len());
}

#[test]
fn delays_of_a_busy_machine_take_no_picture_away() {
    let mut w = World::new(1);
    publish_one(&mut w, "a");
    w.run(secs(2));
    let lag = |ms| NetemConfig::new().latency(Duration::from_millis(ms));
    let page = watch(&mut w, 0, &["a"], lag(5));
    w.run(secs(5));
    let mut frames = 0;
    // What waits for its turn comes in bunches, which look like a queue that builds up.
    for step in 0..200_u64 {
        w.peers[page].down.set_config(lag(5 + step * 37 % 11 * 30));
        frames += look(&mut w, page, "a", ms(200)).len();
    }
    assert!(frames > 1_100, "{frames} of 1200");
}

#[test]
fn what_a_wide_network_loses_takes_no_picture_away_for_long() {
    let mut w = World::new(1);
    publish_one(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], good());
    w.run(secs(5));
    let lossy = |seed| {
        let loss = RandomLoss::new(Probability::new(0.2));
        NetemConfig::new().latency(ms(50)).loss(loss).seed(seed)
    };
    w.peers[page].down.set_config(lossy(7));
    let sent = look(&mut w, page, "a", secs(60));
    // Later than the first trials, which tell that video is not what makes it lose packets.
    let late = sent.iter().filter(|frame| frame.at > secs(30)).count();
    println!("{} of 1800 frames, {late} of the last 900", sent.len());
    assert!(late > 700, "{late} of 900");
}

#[test]
fn two_streams_share_a_link_and_both_have_a_picture() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    publish(&mut w, "b");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a", "b"], link(1_500));
    w.run(secs(10));
    for name in ["a", "b"] {
        let seen = look(&mut w, page, name, secs(3));
        assert!(seen.len() > 80, "{name}: {}", seen.len());
        assert!(freeze(&seen) < ms(300), "{name}: {:?}", freeze(&seen));
    }
}

#[test]
fn what_was_chosen_small_stays_small_on_a_wide_link() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], link(10_000));
    w.run(secs(2));
    assert_eq!(choose(&mut w, page, "a", Some(Small)), None);
    w.run(secs(1));
    let seen = look(&mut w, page, "a", secs(5));
    assert_eq!(settled(&seen, LOW), Duration::ZERO);
    assert_eq!(choose(&mut w, page, "a", Some(Large)), None);
    w.run(secs(1));
    let seen = look(&mut w, page, "a", secs(2));
    assert_eq!(settled(&seen, HIGH), Duration::ZERO);
}

#[test]
fn a_page_on_another_worker_gets_what_its_link_carries() {
    let mut w = World::new(2);
    publish(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 1, &["a"], link(800));
    w.run(secs(6));
    let narrow = look(&mut w, page, "a", secs(4));
    assert!(narrow.len() > 110, "{}", narrow.len());
    assert!(narrow.iter().all(|frame| frame.layer != HIGH));
    w.peers[page].down.set_config(link(5_000));
    let wide = look(&mut w, page, "a", secs(12));
    assert!(
        settled(&wide, HIGH) < secs(10),
        "{:?}",
        settled(&wide, HIGH)
    );
}

/// What a page was told of the pauses of stream `a`.
fn pauses(w: &World, page: usize) -> Vec<bool> {
    let (of, a) = (w.receiver(page), stream("a"));
    let told = w.events.iter().filter_map(|event| match event {
        MediaEvent::VideoPaused {
            receiver,
            stream,
            paused,
        } if *receiver == of && *stream == a => Some(*paused),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_page_is_told_when_its_link_carries_no_picture_and_when_it_does_again() {
    for core in 0..2 {
        let mut w = World::new(2);
        publish(&mut w, "a");
        w.run(secs(2));
        let page = watch(&mut w, core, &["a"], link(3_000));
        w.subscribe("a", core, link(70));
        w.run(secs(5));
        assert!(pauses(&w, page).is_empty(), "all fits");
        w.peers[page].down.set_config(link(70));
        w.run_until(secs(20), "told that it pauses", |w| {
            !pauses(w, page).is_empty()
        });
        // What is in the buffer of the link still comes.
        w.run(secs(3));
        let late = look(&mut w, page, "a", secs(1));
        assert_eq!(pauses(&w, page), [true]);
        assert_eq!(late.len(), 0, "{late:?}");
        w.peers[page].down.set_config(link(3_000));
        w.run_until(secs(30), "told that it goes on", |w| {
            pauses(w, page).len() > 1
        });
        assert_eq!(pauses(&w, page), [true, false]);
        // First comes what the buffer of the narrow link still held: 2.3 s of sound.
        let seen = look(&mut w, page, "a", secs(4));
        assert!(seen.len() > 60, "{}", seen.len());
        let all = w.events.iter();
        let told = all.filter(|e| matches!(e, MediaEvent::VideoPaused { .. }));
        assert_eq!(told.count(), 2, "the WHEP session has nobody to be told");
    }
}

#[test]
fn what_is_no_longer_wanted_is_not_paused() {
    let mut w = World::new(1);
    publish(&mut w, "a");
    w.run(secs(2));
    let page = watch(&mut w, 0, &["a"], link(3_000));
    w.run(secs(3));
    w.peers[page].down.set_config(link(70));
    w.run_until(secs(20), "told that it pauses", |w| {
        !pauses(w, page).is_empty()
    });
    let offer = choose(&mut w, page, "a", None);
    w.negotiate(page, offer);
    assert_eq!(pauses(&w, page), [true, false]);
    w.run(secs(3));
    assert_eq!(pauses(&w, page), [true, false]);
}
