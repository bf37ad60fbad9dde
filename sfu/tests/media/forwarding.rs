//! Publisher to subscribers and to the relay, on good and bad networks.

use std::time::Duration;

use packager::rtp::{Codec, MediaKind};
use relay::IngestItem;
use sfu::media::DropReason;
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::frames;
use crate::world::{World, good};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

#[test]
fn every_frame_reaches_subscriber_and_relay() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_millis(500));
    let s = w.subscribe("a", 0, good());
    w.run(secs(5));
    assert_eq!(w.published, 1);
    assert!(w.peers[p].connected_at.is_some());
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole.len() > 145, "{}", got.whole.len());
    assert!(got.whole[0].1, "the first frame is a key frame");
    assert_eq!(got.gaps, 0);
    let numbers: Vec<u32> = got.whole.iter().map(|f| f.0).collect();
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1));
    let audio = frames::check(&w.peers[s].got_audio);
    assert!(audio.packets > 240);

    let mut last = [None; 2];
    let mut reports = 0;
    for item in &w.relayed {
        match item {
            IngestItem::Rtp { track, packet, .. } => {
                let last = &mut last[usize::from(track.kind() == MediaKind::Video)];
                if let Some(last) = *last {
                    assert_eq!(packet.seq, last + 1);
                }
                *last = Some(packet.seq);
            }
            IngestItem::SenderReport { .. } => reports += 1,
            IngestItem::Switched { .. } => {}
        }
    }
    assert!(last.iter().all(Option::is_some));
    assert!(reports >= 2, "{reports} sender reports");
}

#[test]
fn answer_has_h264_first() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    let answer = w.peers[p].answer.clone();
    let video = answer.split("m=video").nth(1).expect("video");
    let first = video
        .split_whitespace()
        .nth(2)
        .expect("payload type")
        .to_owned();
    assert!(
        video.contains(&format!("a=rtpmap:{first} H264/90000")),
        "{answer}"
    );
    assert!(answer.contains("a=ice-lite"));
    // Feedback for the publisher's bandwidth estimation.
    assert!(answer.contains("transport-wide-cc-extensions"));
}

#[test]
fn viewers_give_feedback_where_there_are_pictures_to_choose_from() {
    let mut w = World::new(2);
    w.publish("one", good());
    w.publish_layers("three", good(), &["l", "m", "h"]);
    // On the other worker nothing is known of a stream before its first viewer.
    for core in [0, 1] {
        for name in ["one", "three"] {
            w.run(Duration::from_secs(2));
            w.subscribe(name, core, good());
            w.run(Duration::from_secs(2));
            let s = w.subscribe(name, core, good());
            let has = w.peers[s].answer.contains("transport-wide-cc-extensions");
            assert_eq!(has, name == "three", "{name} on {core}");
        }
    }
}

#[test]
fn losses_reorder_and_duplicates_are_repaired() {
    for seed in 0..3 {
        let bad = NetemConfig::new()
            .latency(Duration::from_millis(15))
            .jitter(Duration::from_millis(4))
            .loss(RandomLoss::new(Probability::new(0.03)))
            .duplicate(Probability::new(0.02))
            .reorder_gap(40);
        let mut w = World::new(1);
        for _ in 0..seed {
            // Another seed for every network.
            w.publish("other", good());
        }
        let p = w.publish("a", bad);
        w.run_until(secs(5), "publisher is connected", |w| {
            w.peers[p].connected_at.is_some()
        });
        w.run(secs(1));
        let s = w.subscribe("a", 0, bad);
        w.run(secs(8));
        let got = frames::check(&w.peers[s].got_video);
        assert!(
            got.whole.len() > 180,
            "seed {seed}: {} whole frames",
            got.whole.len()
        );
        let c = w.counters(0);
        assert_eq!(c.panics, 0);
    }
}

#[test]
fn second_publisher_takes_over_and_everybody_stays() {
    let mut w = World::new(1);
    let first = w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(secs(2));
    let second = w.publish("a", good());
    w.run(secs(3));
    assert!(w.peers[first].closed, "the first publisher hears of it");
    assert!(!w.peers[second].closed && !w.peers[s].closed);
    assert_eq!((w.published, w.unpublished), (2, 0));
    let got = frames::check(&w.peers[s].got_video);
    assert_eq!(
        got.whole.iter().filter(|f| f.0 == 1).count(),
        1,
        "frames of the second one"
    );
    assert!(got.whole.len() > 140, "{}", got.whole.len());
    assert!(frames::check(&w.peers[s].got_audio).packets > 230);
}

#[test]
fn publisher_that_never_connects_replaces_nobody() {
    let mut w = World::new(1);
    let first = w.publish("a", good());
    w.run(secs(1));
    let dead = NetemConfig::new().loss(RandomLoss::new(Probability::ONE));
    w.publish("a", dead);
    w.run(secs(17));
    assert!(!w.peers[first].closed);
    assert_eq!((w.published, w.unpublished), (1, 0));
    assert_eq!(w.cores[0].gauges().publishers, 1);
}

#[test]
fn codec_change_is_followed() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(secs(1));
    let sender = w.peers[p].sender.as_mut().expect("publisher");
    sender.codec = Codec::Vp8;
    sender.layers[0].wanted = true;
    w.run(secs(1));
    frames::check(&w.peers[s].got_video);
    let vp8 = w.peers[s]
        .got_video
        .iter()
        .filter(|g| g.codec == Codec::Vp8)
        .count();
    assert!(vp8 > 80, "{vp8}");
}

#[test]
fn simulcast_follows_the_best_layer_and_falls_back() {
    let mut w = World::new(1);
    let p = w.publish_layers("a", good(), &["l", "h"]);
    w.run(secs(3));
    let s = w.subscribe("a", 0, good());
    w.run(secs(2));
    let got = frames::check(&w.peers[s].got_video);
    let counts = |w: &World| {
        let last = w.peers[s].got_video.last().expect("video");
        frames::parse(last.codec, &last.payload)
            .expect("payload")
            .count
    };
    assert_eq!(counts(&w), 8, "the high layer");
    let before = got.whole.len();
    w.peers[p].sender.as_mut().expect("publisher").layers[1].on = false;
    w.run(secs(3));
    assert_eq!(counts(&w), 4, "the low layer");
    let sender = w.peers[p].sender.as_mut().expect("publisher");
    sender.layers[1].on = true;
    w.run(secs(3));
    assert_eq!(counts(&w), 8, "the high layer again");
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole.len() > before + 100);
    assert!(w.counters(0).drops(DropReason::WrongLayer) > 0);
}

#[test]
fn audio_only_and_paused_video_work() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.peers[p].sender.as_mut().expect("publisher").layers[0].on = false;
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(secs(2));
    assert!(w.peers[s].got_video.is_empty());
    assert!(w.peers[s].got_audio.len() > 90);
    let sender = w.peers[p].sender.as_mut().expect("publisher");
    sender.layers[0].on = true;
    w.run(secs(1));
    assert!(frames::check(&w.peers[s].got_video).whole.len() > 25);
}
