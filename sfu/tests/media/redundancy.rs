//! Sound that is sent with redundancy (RED, RFC 2198), by publishers and to subscribers.

use std::time::Duration;

use packager::rtp::MediaKind;
use relay::IngestItem;
use sfu::media::DropReason;
use str0m_netem::{GilbertElliot, NetemConfig, Probability, RandomLoss};

use crate::page::sections;
use crate::world::{World, good};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn random(percent: f32) -> NetemConfig {
    good().loss(RandomLoss::new(Probability::new(percent / 100.0)))
}

/// Losses of three packets in a row on average.
fn bursts(percent: f32) -> NetemConfig {
    let model = GilbertElliot::new()
        .good_duration(3.0 * (100.0 - percent) / percent)
        .bad_duration(3.0)
        .loss_in_good(Probability::new(0.0))
        .loss_in_bad(Probability::new(1.0));
    good().loss(model)
}

fn world() -> World {
    let mut w = World::new(1);
    w.red = true;
    w
}

/// The part of the sound that a subscriber lacks, in percent, between the first and the last that
/// it has from now on.
fn missing(w: &mut World, s: usize, time: Duration) -> f64 {
    w.peers[s].heard.numbers.clear();
    w.run(time);
    let numbers = &w.peers[s].heard.numbers;
    let (first, last) = (numbers.keys().next(), numbers.keys().next_back());
    let span = last.expect("sound") - first.expect("sound") + 1;
    (f64::from(span) - numbers.len() as f64) * 100.0 / f64::from(span)
}

/// The first payload type of each audio section, and all its lines.
fn audio_sections(sdp: &str) -> Vec<(&str, &str)> {
    let audio = sections(sdp)
        .into_iter()
        .filter(|s| s.starts_with("m=audio"));
    audio
        .map(|s| (s.split_whitespace().nth(3).expect("a payload type"), s))
        .collect()
}

#[test]
fn offers_and_answers_have_it_before_plain_sound_if_the_client_knows_it() {
    let mut w = world();
    let p = w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    let page = w.open_page(0, good());
    let offer = w.receive(page, &["a"], &[]).expect("received");
    let offered = offer.as_ref().expect("an offer").sdp.clone();
    for sdp in [&w.peers[p].answer, &w.peers[s].answer, &offered] {
        for (first, section) in audio_sections(sdp) {
            assert!(
                section.contains(&format!("a=rtpmap:{first} red/48000/2")),
                "{section}"
            );
            assert!(
                section.contains(&format!("a=fmtp:{first} 111/111")),
                "{section}"
            );
            assert!(section.contains("useinbandfec=1"), "{section}");
        }
    }
    w.red = false;
    let plain = w.subscribe("a", 0, good());
    assert!(!w.peers[plain].answer.contains("red/48000"));
    let mut w = World::with(1, |config| config.audio_redundancy = false);
    w.red = true;
    let p = w.publish("a", good());
    assert!(!w.peers[p].answer.contains("red/48000"));
}

#[test]
fn what_a_publisher_repeats_fills_its_losses_for_everybody() {
    // The part of the losses that is filled: bursts have their last two packets filled.
    for (name, net, repeated, least) in [
        ("5 % at random", random(5.0), 1, 0.9),
        ("10 % at random", random(10.0), 2, 0.98),
        ("5 % in bursts", bursts(5.0), 2, 0.45),
    ] {
        let mut w = world();
        let p = w.publish("a", net);
        let sender = w.peers[p].sender.as_mut().expect("a publisher");
        sender.repeated = repeated;
        // Sound alone, so that bursts are bursts of sound.
        sender.layers[0].on = false;
        w.run_until(secs(10), "connected", |w| w.published == 1);
        // The one does not know redundant sound, and gets none.
        w.red = false;
        let s = w.subscribe("a", 0, good());
        w.run(secs(1));
        w.relayed.clear();
        let before = w.counters(0).redundant_in;
        let missing = missing(&mut w, s, secs(60));
        let filled = (w.counters(0).redundant_in - before) as f64;
        println!("{name}, {repeated} repeated: {filled} filled, {missing:.2} % missing");
        assert!(filled > least * (filled + missing * 30.0), "{name}");
        assert!(filled > 50.0, "{name}");
        assert_eq!(w.peers[s].heard.redundant, 0);
        // The relay has the same, under numbers of their own, and plain.
        let mut relayed: Vec<u64> = w.relayed.iter().filter_map(sound).collect();
        let count = relayed.len();
        relayed.sort_unstable();
        relayed.dedup();
        assert_eq!(relayed.len(), count, "no packet twice");
        let expected = w.peers[s].heard.numbers.len() as f64;
        assert!(
            (count as f64 - expected).abs() < 10.0,
            "{count}, {expected}"
        );
    }
}

fn sound(item: &IngestItem) -> Option<u64> {
    match item {
        IngestItem::Rtp { track, packet, .. } if track.kind() == MediaKind::Audio => {
            assert_eq!(packet.payload[0], 0xfc, "plain Opus");
            Some(packet.seq)
        }
        _ => None,
    }
}

#[test]
fn packets_that_were_overtaken_by_their_repetition_are_not_sent_twice() {
    let net = NetemConfig::new()
        .latency(Duration::from_millis(30))
        .jitter(Duration::from_millis(15))
        .reorder_gap(7);
    let mut w = world();
    let p = w.publish("a", net);
    w.peers[p].sender.as_mut().expect("a publisher").repeated = 1;
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    assert_eq!(missing(&mut w, s, secs(20)), 0.0);
    let c = w.counters(0);
    assert!(c.drops(DropReason::Repeated) > 0, "{c:?}");
    assert_eq!(c.drops(DropReason::Repeated), c.redundant_in);
    // Whatever number a packet has, it has it alone.
    crate::frames::check(&w.peers[s].got_audio);
}

#[test]
fn a_lossy_link_gets_redundancy_and_a_good_one_gets_none() {
    let mut w = world();
    w.publish("a", good());
    w.run(secs(1));
    let clean = w.subscribe("a", 0, good());
    let lossy = w.subscribe("a", 0, random(10.0));
    let page = w.open_page(0, random(10.0));
    let offer = w.receive(page, &["a"], &[]).expect("received");
    w.negotiate(page, offer);
    // Reports on sound come every 5 s, and the first one says nothing of losses.
    w.run(secs(20));
    for peer in [clean, lossy, page] {
        w.peers[peer].heard.redundant = 0;
        w.peers[peer].heard.repeated = 0;
    }
    let before = w.counters(0).redundant_out;
    for (peer, name) in [(lossy, "WHEP"), (page, "a page")] {
        let missing = missing(&mut w, peer, secs(30));
        println!("{name}, 10 % lost: {missing:.2} % missing");
        assert!(missing < 0.6, "{name}: {missing}");
        let heard = &w.peers[peer].heard;
        assert!(heard.repeated > heard.redundant * 19 / 10, "two each");
    }
    assert_eq!(w.peers[clean].heard.redundant, 0);
    let sent = w.counters(0).redundant_out - before;
    assert!((5_900..6_100).contains(&sent), "{sent} to two of three");
}

#[test]
fn redundancy_begins_with_the_losses_and_ends_after_them() {
    let mut w = world();
    w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_millis(800));
    assert!(w.peers[s].heard.redundant > 10, "nothing is known yet");
    let redundant = |w: &mut World, time| {
        w.peers[s].heard.redundant = 0;
        w.run(time);
        w.peers[s].heard.redundant
    };
    redundant(&mut w, secs(20));
    assert_eq!(redundant(&mut w, secs(10)), 0);
    w.peers[s].down.set_config(random(5.0));
    redundant(&mut w, secs(15));
    assert!(redundant(&mut w, secs(10)) > 440);
    w.peers[s].down.set_config(good());
    redundant(&mut w, secs(35));
    assert_eq!(redundant(&mut w, secs(10)), 0);
    let whole = crate::frames::check(&w.peers[s].got_audio);
    assert!(whole.packets > 3_000, "one stream of numbers for all");
}

#[test]
fn what_subscribers_lack_by_loss_and_repetition() {
    for (name, net) in [
        ("random 5 %", random(5.0)),
        ("random 10 %", random(10.0)),
        ("random 20 %", random(20.0)),
        ("bursts 5 %", bursts(5.0)),
        ("bursts 10 %", bursts(10.0)),
        ("bursts 20 %", bursts(20.0)),
    ] {
        let lack = |redundancy: bool| {
            let mut w = world();
            w.red = redundancy;
            let p = w.publish("a", good());
            let sender = w.peers[p].sender.as_mut().expect("a publisher");
            sender.layers[0].on = false;
            w.run(secs(1));
            let s = w.subscribe("a", 0, net);
            w.run(secs(15));
            missing(&mut w, s, secs(60))
        };
        let (without, with) = (lack(false), lack(true));
        println!("{name}: {without:.2} % missing, {with:.2} % with redundancy");
        let least = if name.starts_with("random") { 8.0 } else { 1.5 };
        assert!(with * least < without, "{name}");
    }
}

#[test]
fn redundancy_that_is_cut_off_is_refused_and_harms_nobody() {
    let mut w = world();
    let p = w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(secs(1));
    let sender = w.peers[p].sender.as_mut().expect("a publisher");
    (sender.repeated, sender.spoils) = (2, true);
    w.run(secs(2));
    let c = w.counters(0);
    assert!(c.drops(DropReason::BadRedundancy) > 90, "{c:?}");
    assert_eq!((c.panics, w.peers[p].closed), (0, false));
    w.peers[p].sender.as_mut().expect("a publisher").spoils = false;
    let missing = missing(&mut w, s, secs(2));
    assert_eq!(missing, 0.0);
}
