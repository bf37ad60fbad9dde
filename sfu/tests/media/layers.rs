//! Publishers with two layers, and subscribers of which each chooses one of the pictures.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sfu::media::Picture::{self, Large, Small};
use sfu::worker::{ServerOffer, Wanted};
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::frames::Frames;
use crate::peer::Layer;
use crate::world::{World, good, stream};

// The packets of the two layers come mixed: a switch may cut a frame off, which then leaves a gap of
// one sequence number, and no switch leaves more.

/// Packets of a frame of each layer, and of a key frame.
const LOW: [u16; 2] = [4, 16];
const HIGH: [u16; 2] = [8, 32];

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A publisher of two layers that have been measured, and that nobody watches.
fn with_layers(cores: usize) -> World {
    let mut w = World::new(cores);
    w.publish_layers("a", good(), &["l", "h"]);
    w.run(secs(2));
    w
}

fn layer(w: &mut World, index: usize) -> &mut Layer {
    let sender = w.peers[0].sender.as_mut().expect("publisher");
    &mut sender.layers[index]
}

fn plis(w: &mut World) -> [usize; 2] {
    [layer(w, 0).plis, layer(w, 1).plis]
}

fn choose(w: &mut World, page: usize, video: Option<Picture>) -> Option<ServerOffer> {
    let wanted = Wanted {
        stream: stream("a"),
        audio: true,
        video,
    };
    w.receive_only(page, vec![wanted], &[]).expect("received")
}

/// A page on core `at` that watches one of the pictures.
fn watch(w: &mut World, at: usize, picture: Picture) -> usize {
    watch_over(w, at, Some(picture), good())
}

fn watch_over(w: &mut World, at: usize, video: Option<Picture>, net: NetemConfig) -> usize {
    let page = w.open_page(at, net);
    let offer = choose(w, page, video);
    w.negotiate(page, offer);
    page
}

/// Another picture, which needs no offer.
fn switch(w: &mut World, page: usize, picture: Picture) {
    assert_eq!(choose(w, page, Some(picture)), None);
}

fn video(w: &World, page: usize) -> Frames {
    w.peers[page].page.as_ref().expect("a page").video("a")
}

/// Runs for a second in which a page gets frames of one layer and nothing else.
fn sees(w: &mut World, pages: &[usize], layer: [u16; 2]) {
    let before: Vec<usize> = pages.iter().map(|p| video(w, *p).sizes.len()).collect();
    w.run(secs(1));
    for (page, before) in pages.iter().zip(before) {
        let sizes = &video(w, *page).sizes[before..];
        assert!(sizes.len() >= 28, "page {page}: {sizes:?}");
        let only = sizes.iter().all(|size| layer.contains(size));
        assert!(only, "page {page}: {sizes:?}");
    }
}

#[test]
fn each_subscriber_has_a_picture_of_its_own_and_changes_it_without_an_offer() {
    let mut w = with_layers(1);
    let whep = w.subscribe("a", 0, good());
    let (large, small) = (watch(&mut w, 0, Large), watch(&mut w, 0, Small));
    w.run(Duration::from_millis(500));
    sees(&mut w, &[large], HIGH);
    sees(&mut w, &[small], LOW);
    for (page, picture, layer) in [(small, Large, HIGH), (large, Small, LOW)] {
        switch(&mut w, page, picture);
        w.run(Duration::from_millis(150));
        sees(&mut w, &[page], layer);
    }
    sees(&mut w, &[small], HIGH);
    for page in [large, small] {
        let got = video(&w, page);
        assert!(got.whole[0].1, "it begins with a key frame");
        assert!(got.gaps <= 1, "{}", got.gaps);
        let audio = w.peers[page].page.as_ref().expect("a page").audio("a");
        assert_eq!(audio.gaps, 0);
    }
    let sizes = crate::frames::check(&w.peers[whep].got_video).sizes;
    assert!(sizes.iter().all(|size| HIGH.contains(size)), "{sizes:?}");
}

#[test]
fn old_picture_flows_until_the_key_frame_of_the_new_one() {
    let mut w = World::new(1);
    let slow = NetemConfig::new().latency(Duration::from_millis(200));
    w.publish_layers("a", slow, &["l", "h"]);
    w.run(secs(3));
    let page = watch(&mut w, 0, Large);
    w.run(secs(2));
    let before = video(&w, page).sizes.len();
    switch(&mut w, page, Small);
    w.run(Duration::from_millis(330));
    let sizes = video(&w, page).sizes.split_off(before);
    assert!(sizes.len() >= 8, "{sizes:?}");
    assert!(sizes.iter().all(|size| HIGH.contains(size)), "{sizes:?}");
    w.run(Duration::from_millis(300));
    sees(&mut w, &[page], LOW);
    let got = video(&w, page);
    assert!(got.gaps <= 1, "{}", got.gaps);
    let first = got.sizes[before..].iter().position(|s| LOW.contains(s));
    let first = before + first.expect("a frame of the low layer");
    assert!(got.whole[first].1, "entered at a key frame");
}

#[test]
fn key_frame_requests_go_to_the_picture_that_the_asker_has() {
    let mut w = with_layers(1);
    let (large, small) = (watch(&mut w, 0, Large), watch(&mut w, 0, Small));
    w.run(secs(2));
    let mut expected = plis(&mut w);
    let mut asked = |w: &mut World, layers: &[usize]| {
        for index in layers {
            expected[*index] += 1;
        }
        assert_eq!(plis(w), expected);
    };
    w.peers[small].send_pli();
    w.run(secs(1));
    asked(&mut w, &[0]);
    w.peers[large].send_pli();
    w.run(secs(1));
    asked(&mut w, &[1]);
    // One who changes the picture asks for the new one only, and at a young key frame not at all.
    switch(&mut w, large, Small);
    w.run(secs(2));
    asked(&mut w, &[0]);
    w.peers[small].send_pli();
    w.run(Duration::from_millis(100));
    switch(&mut w, large, Large);
    w.run(secs(2));
    asked(&mut w, &[0, 1]);
    w.peers[small].send_pli();
    w.run(Duration::from_millis(100));
    switch(&mut w, large, Small);
    w.run(Duration::from_millis(50));
    sees(&mut w, &[large, small], LOW);
    asked(&mut w, &[0]);
}

#[test]
fn silent_small_picture_is_the_large_one_until_it_is_back() {
    let mut w = with_layers(1);
    let (large, small) = (watch(&mut w, 0, Large), watch(&mut w, 0, Small));
    w.run(secs(1));
    layer(&mut w, 0).on = false;
    w.run(secs(2));
    sees(&mut w, &[large, small], HIGH);
    layer(&mut w, 0).on = true;
    w.run(secs(1));
    sees(&mut w, &[small], LOW);
    layer(&mut w, 1).on = false;
    w.run(secs(2));
    sees(&mut w, &[large, small], LOW);
    layer(&mut w, 1).on = true;
    w.run(secs(1));
    sees(&mut w, &[large], HIGH);
    sees(&mut w, &[small], LOW);
    for page in [large, small] {
        let gaps = video(&w, page).gaps;
        assert!(gaps <= 2, "{gaps}");
    }
    // A layer that has gone is not asked for ever.
    let [low, high] = plis(&mut w);
    w.run(secs(20));
    assert_eq!(plis(&mut w), [low, high]);
}

#[test]
fn one_layer_is_both_pictures() {
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(secs(2));
    let page = watch(&mut w, 0, Small);
    w.run(secs(1));
    let before = w.peers[0].plis;
    for picture in [Large, Small, Large] {
        switch(&mut w, page, picture);
        sees(&mut w, &[page], LOW);
    }
    assert_eq!(w.peers[0].plis, before, "there is nothing to switch to");
    assert_eq!(video(&w, page).gaps, 0);
}

/// Packets that lanes carry in a second.
fn carried(w: &mut World) -> usize {
    let before = w.lane_packets;
    w.run(secs(1));
    w.lane_packets - before
}

/// Packets a second of audio and of each layer, whose frames are 33 ms apart.
const AUDIO_RATE: usize = 50;
const LOW_RATE: usize = 4 * 31;
const HIGH_RATE: usize = 8 * 31;

#[test]
fn lanes_carry_the_pictures_that_are_wanted_on_the_other_worker_and_no_others() {
    let mut w = with_layers(2);
    let near = watch(&mut w, 0, Large);
    let is_about = |carried: usize, wanted: usize| {
        assert!(carried.abs_diff(wanted) < 40, "{carried} not {wanted}");
    };
    let far = watch(&mut w, 1, Small);
    w.run(secs(1));
    sees(&mut w, &[far], LOW);
    is_about(carried(&mut w), AUDIO_RATE + LOW_RATE);
    let other = watch(&mut w, 1, Large);
    w.run(secs(1));
    sees(&mut w, &[other, near], HIGH);
    sees(&mut w, &[far], LOW);
    is_about(carried(&mut w), AUDIO_RATE + LOW_RATE + HIGH_RATE);
    switch(&mut w, other, Small);
    w.run(Duration::from_millis(300));
    sees(&mut w, &[other, far], LOW);
    is_about(carried(&mut w), AUDIO_RATE + LOW_RATE);
    // The last one who has a picture keeps it until the other one is there.
    for (picture, layer, rate) in [(Large, HIGH, HIGH_RATE), (Small, LOW, LOW_RATE)] {
        for page in [far, other] {
            switch(&mut w, page, picture);
        }
        w.run(Duration::from_millis(300));
        sees(&mut w, &[far, other], layer);
        is_about(carried(&mut w), AUDIO_RATE + rate);
    }
    for page in [far, other] {
        let offer = choose(&mut w, page, None);
        w.negotiate(page, offer);
    }
    w.run(Duration::from_millis(300));
    is_about(carried(&mut w), AUDIO_RATE);
    for (page, switches) in [(near, 0), (far, 2), (other, 3)] {
        let got = video(&w, page);
        assert!(got.gaps <= switches, "page {page}: {}", got.gaps);
        assert!(got.whole[0].1);
    }
    sees(&mut w, &[near], HIGH);
}

#[test]
fn lane_carries_a_layer_once_whatever_pictures_it_is() {
    let mut w = World::new(2);
    w.publish("a", good());
    w.run(secs(2));
    let (large, small) = (watch(&mut w, 1, Large), watch(&mut w, 1, Small));
    w.run(secs(1));
    sees(&mut w, &[large, small], LOW);
    let rate = carried(&mut w);
    assert!(rate.abs_diff(AUDIO_RATE + LOW_RATE) < 40, "{rate}");
    // Who is left has what the other one had.
    let offer = w.receive(large, &[], &["a"]).expect("received");
    w.negotiate(large, offer);
    w.run(Duration::from_millis(300));
    sees(&mut w, &[small], LOW);
    let rate = carried(&mut w);
    assert!(rate.abs_diff(AUDIO_RATE + LOW_RATE) < 40, "{rate}");
    assert_eq!(video(&w, small).gaps, 0);
}

#[test]
fn silent_layers_are_replaced_and_come_back_on_the_other_worker() {
    let mut w = with_layers(2);
    let (large, small) = (watch(&mut w, 1, Large), watch(&mut w, 1, Small));
    w.run(secs(1));
    sees(&mut w, &[large], HIGH);
    sees(&mut w, &[small], LOW);
    for (index, left) in [(0, HIGH), (1, LOW)] {
        layer(&mut w, index).on = false;
        w.run(secs(2));
        sees(&mut w, &[large, small], left);
        layer(&mut w, index).on = true;
        w.run(secs(2));
        sees(&mut w, &[large], HIGH);
        sees(&mut w, &[small], LOW);
    }
    for page in [large, small] {
        let got = video(&w, page);
        assert!(got.gaps <= 4, "page {page}: {}", got.gaps);
        // Frames that are skipped at a switch are few: nobody looks at a frozen picture.
        assert!(got.whole.len() > 380, "{}", got.whole.len());
    }
    let before = plis(&mut w);
    w.run(secs(20));
    assert_eq!(plis(&mut w), before, "nothing is asked for ever");
}

#[test]
fn key_frame_requests_cross_to_the_right_layer() {
    let mut w = with_layers(2);
    let (large, small) = (watch(&mut w, 1, Large), watch(&mut w, 1, Small));
    w.run(secs(2));
    let before = plis(&mut w);
    w.peers[small].send_pli();
    w.run(secs(1));
    assert_eq!(plis(&mut w), [before[0] + 1, before[1]]);
    w.peers[large].send_pli();
    w.run(secs(1));
    assert_eq!(plis(&mut w), [before[0] + 1, before[1] + 1]);
}

#[test]
fn full_lane_loses_no_picture_for_good() {
    let mut w = with_layers(2);
    let (large, small) = (watch(&mut w, 1, Large), watch(&mut w, 1, Small));
    w.run(secs(1));
    w.lanes_full = true;
    w.run(Duration::from_millis(300));
    w.lanes_full = false;
    w.run(secs(1));
    sees(&mut w, &[large], HIGH);
    sees(&mut w, &[small], LOW);
}

/// Everybody changes pictures at any time, layers come and go, packets are lost: what arrives can
/// be decoded all along, and in the end everybody has what they want.
#[test]
fn any_changes_end_in_what_is_wanted() {
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut w = with_layers(2);
        let bad = good().loss(RandomLoss::new(Probability::new(0.01)));
        let pages: Vec<usize> = (0..6)
            .map(|i| watch_over(&mut w, i % 2, Some(Picture::ALL[i / 3]), bad))
            .collect();
        for _ in 0..40 {
            w.run(Duration::from_millis(rng.random_range(1..600)));
            let index = rng.random_range(0..6);
            let picture = Picture::ALL[rng.random_range(0..2)];
            let offer = choose(&mut w, pages[index], Some(picture));
            w.negotiate(pages[index], offer);
            if rng.random_range(0..4) == 0 {
                let on = rng.random_bool(0.5);
                layer(&mut w, rng.random_range(0..2)).on = on;
            }
        }
        for index in 0..2 {
            layer(&mut w, index).on = true;
        }
        let wanted: [Picture; 6] = std::array::from_fn(|_| Picture::ALL[rng.random_range(0..2)]);
        for (page, picture) in pages.iter().zip(wanted) {
            let offer = choose(&mut w, *page, Some(picture));
            w.negotiate(*page, offer);
        }
        w.run(secs(4));
        let before: Vec<usize> = pages.iter().map(|p| video(&w, *p).sizes.len()).collect();
        w.run(secs(1));
        for ((page, picture), before) in pages.iter().zip(wanted).zip(before) {
            let layer = if picture == Large { HIGH } else { LOW };
            let sizes = &video(&w, *page).sizes[before..];
            let only = sizes.iter().all(|size| layer.contains(size));
            assert!(
                only && sizes.len() > 20,
                "seed {seed}, page {page}, {picture:?}: {sizes:?}"
            );
        }
        assert_eq!(w.counters(0).panics + w.counters(1).panics, 0);
    }
}
