//! Publishers of one stream with spatial and temporal layers, told by dependency descriptors.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use packager::rtp::Codec;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sfu::media::Picture as Choice;
use sfu::media::dependency::{Descriptor, Structure, URI};
use sfu::worker::Wanted;
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::bandwidth::link;
use crate::frames::{self, Got};
use crate::svc::{PACKETS, Scalable};
use crate::world::{World, good, stream};

/// A picture that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    pub at: Instant,
    /// The best of its spatial layers.
    pub spatial: u8,
    pub temporal: u8,
    pub is_key: bool,
}

/// What a decoder makes of packets.
#[derive(Debug, Default)]
pub struct Decoded {
    pub pictures: Vec<Picture>,
    /// Sequence numbers that did not come.
    pub gaps: u64,
    /// Frames that are whole and lack one that they refer to.
    pub undecodable: Vec<i64>,
}

/// Fails if a decoder would have to ask for a key frame after the first one, or could not tell where
/// a picture ends.
pub fn decode(got: &[Got]) -> Decoded {
    let decoded = decode_what_can_be(got);
    assert_eq!(decoded.undecodable, [0; 0], "frames that lack others");
    decoded
}

/// The same where packets may be lost for good: frames that lack others are left out.
fn decode_what_can_be(got: &[Got]) -> Decoded {
    let by_seq: BTreeMap<u64, &Got> = got.iter().map(|packet| (packet.seq, packet)).collect();
    let packets: Vec<&Got> = by_seq.into_values().collect();
    let mut decoded = Decoded::default();
    for pair in packets.windows(2) {
        let step = pair[1].time.wrapping_sub(pair[0].time) as i32;
        let seq = pair[1].seq;
        assert!(step >= 0, "time goes back by {step} at {seq}");
        let missing = seq - pair[0].seq - 1;
        decoded.gaps += missing;
        if missing == 0 {
            // The marker tells that there is no more of a picture, and nothing else does.
            assert_eq!(pair[0].marker, step > 0, "marker before {seq}");
        }
    }
    let mut structure: Option<Structure> = None;
    let mut newest: Option<i64> = None;
    let mut have: HashSet<i64> = HashSet::new();
    let mut parts = 0;
    let mut time = None;
    let mut before: Option<u64> = None;
    for packet in packets {
        let is_next = before.is_none_or(|before| before + 1 == packet.seq);
        before = Some(packet.seq);
        let bytes = packet.descriptor.as_deref().expect("a descriptor");
        let descriptor = Descriptor::read(bytes, structure.as_ref()).expect("it can be read");
        structure = descriptor.structure.clone().or(structure);
        let frame = structure.as_ref().and_then(|s| descriptor.frame(s));
        let frame = frame.expect("its template");
        let part = frames::parse(packet.codec, &packet.payload).expect("as it was made");
        let number = match newest {
            None => i64::from(descriptor.frame_number),
            Some(newest) => {
                newest + i64::from(descriptor.frame_number.wrapping_sub(newest as u16) as i16)
            }
        };
        assert!(
            newest.is_none_or(|newest| newest <= number),
            "frame {number} after {newest:?}"
        );
        newest = Some(number);
        parts = match (descriptor.starts_frame, is_next) {
            (true, _) => 1,
            (false, true) if parts > 0 => parts + 1,
            // Its first packets are lost.
            (false, _) => 0,
        };
        assert!(parts == 0 || parts == part.index + 1, "of frame {number}");
        if !descriptor.ends_frame || parts == 0 {
            continue;
        }
        assert_eq!(parts, part.count, "of frame {number}");
        let mut needed = frame.differences.iter().map(|d| number - i64::from(d));
        if !needed.all(|needed| have.contains(&needed)) {
            decoded.undecodable.push(number);
            continue;
        }
        have.insert(number);
        let picture = Picture {
            at: packet.at,
            spatial: frame.spatial,
            temporal: frame.temporal,
            is_key: frame.differences.iter().next().is_none(),
        };
        match decoded.pictures.last_mut() {
            Some(last) if time == Some(packet.time) => last.spatial = frame.spatial,
            _ => decoded.pictures.push(picture),
        }
        time = Some(packet.time);
    }
    decoded
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A world in which somebody has published a scalable stream for two seconds.
fn with_scalable(cores: usize, up: NetemConfig) -> World {
    let mut w = World::new(cores);
    let publisher = w.publish("a", up);
    let sender = w.peers[publisher].sender.as_mut().expect("a publisher");
    sender.codec = Codec::Av1;
    sender.layers[0].scalable = Some(Scalable::l3t3_key());
    w.run(secs(2));
    w
}

fn page(w: &mut World, core: usize, down: NetemConfig) -> usize {
    let page = w.open_page(core, down);
    let offer = w.receive(page, &["a"], &[]).expect("received");
    w.negotiate(page, offer);
    page
}

fn decoded(w: &World, page: usize) -> Decoded {
    decode(w.peers[page].page.as_ref().expect("a page").packets("a"))
}

#[test]
fn scalable_stream_arrives_with_its_descriptors_on_each_worker() {
    let mut w = with_scalable(2, good());
    let pages = [0, 1].map(|core| page(&mut w, core, good()));
    w.run(secs(5));
    for page in pages {
        let all = decoded(&w, page);
        assert_eq!(all.gaps, 0);
        assert!(all.pictures[0].is_key);
        assert!(all.pictures.len() > 140, "{}", all.pictures.len());
        assert!(all.pictures.iter().all(|picture| picture.spatial == 2));
        // Its own, and perhaps that of the other page.
        let keys = all.pictures.iter().filter(|picture| picture.is_key);
        assert!(keys.count() <= 2);
    }
}

#[test]
fn descriptors_are_sent_again_with_their_packets() {
    let lossy = |seed| {
        let loss = RandomLoss::new(Probability::new(0.02));
        good().loss(loss).seed(seed)
    };
    let mut w = with_scalable(1, lossy(3));
    let page = page(&mut w, 0, lossy(4));
    w.run(secs(20));
    // What has been lost just now is still to come.
    let mut all = w.peers[page]
        .page
        .as_ref()
        .expect("a page")
        .packets("a")
        .to_vec();
    all.sort_by_key(|packet| packet.seq);
    let settled = all.partition_point(|packet| packet.at + secs(1) < w.now);
    let all = decode(&all[..settled]);
    assert_eq!(all.gaps, 0);
    assert!(all.pictures.len() > 500, "{}", all.pictures.len());
}

#[test]
fn frame_numbers_go_on_when_another_publisher_takes_over() {
    let mut w = with_scalable(2, good());
    let pages = [0, 1].map(|core| page(&mut w, core, good()));
    w.run(secs(1));
    let then = w.now;
    let second = w.publish("a", good());
    let sender = w.peers[second].sender.as_mut().expect("a publisher");
    sender.codec = Codec::Av1;
    let mut scalable = Scalable::l3t3_key();
    // A number that is older than what was sent so far.
    scalable.frame_number = 60_000;
    sender.layers[0].scalable = Some(scalable);
    w.run(secs(3));
    for page in pages {
        let all = decoded(&w, page);
        let keys = all.pictures.iter().filter(|picture| picture.is_key);
        assert_eq!(keys.filter(|picture| picture.at > then).count(), 1);
        assert!(all.pictures.len() > 100, "{}", all.pictures.len());
    }
}

/// Chooses one of the pictures, which needs no offer.
fn choose(w: &mut World, page: usize, picture: Choice) {
    let wanted = Wanted {
        stream: stream("a"),
        audio: true,
        video: Some(picture),
    };
    let offer = w.receive_only(page, vec![wanted], &[]).expect("received");
    assert_eq!(offer, None);
}

/// Runs for a second in which a page decodes one spatial layer and nothing else.
fn sees(w: &mut World, page: usize, spatial: u8) {
    let before = decoded(w, page).pictures.len();
    w.run(secs(1));
    let mut pictures = decoded(w, page).pictures.split_off(before);
    // The rest of the last one is still to come.
    pictures.pop();
    let only = pictures.iter().all(|picture| picture.spatial == spatial);
    assert!(only && pictures.len() >= 28, "not {spatial}: {pictures:?}");
}

fn plis(w: &mut World) -> usize {
    let sender = w.peers[0].sender.as_mut().expect("a publisher");
    sender.layers[0].plis
}

#[test]
fn pictures_are_spatial_layers_and_less_is_had_without_a_key_frame() {
    let mut w = with_scalable(1, good());
    let (page, other) = (page(&mut w, 0, good()), page(&mut w, 0, good()));
    sees(&mut w, page, 2);
    for (picture, spatial, key_frames) in [
        (Choice::Medium, 1, 0),
        (Choice::Small, 0, 0),
        (Choice::Large, 2, 1),
        (Choice::Small, 0, 0),
        (Choice::Medium, 1, 1),
        (Choice::Large, 2, 1),
    ] {
        let before = plis(&mut w);
        choose(&mut w, page, picture);
        w.run(Duration::from_millis(150));
        sees(&mut w, page, spatial);
        sees(&mut w, other, 2);
        assert_eq!(plis(&mut w) - before, key_frames, "for {picture:?}");
    }
    for page in [page, other] {
        assert_eq!(decoded(&w, page).gaps, 0);
    }
}

#[test]
fn lanes_carry_the_spatial_layers_that_are_wanted() {
    let mut w = with_scalable(2, good());
    let near = page(&mut w, 0, good());
    let (far, other) = (page(&mut w, 1, good()), page(&mut w, 1, good()));
    w.run(secs(1));
    for (picture, spatial) in [
        (Choice::Small, 0),
        (Choice::Medium, 1),
        (Choice::Large, 2),
        (Choice::Medium, 1),
    ] {
        choose(&mut w, far, picture);
        w.run(Duration::from_millis(500));
        sees(&mut w, far, spatial);
        sees(&mut w, other, 2);
        sees(&mut w, near, 2);
    }
    choose(&mut w, other, Choice::Small);
    w.run(secs(1));
    let before = w.lane_packets;
    sees(&mut w, other, 0);
    sees(&mut w, far, 1);
    // The small one has a packet a picture, the medium one three; the sound has 50 a second.
    let carried = (w.lane_packets - before) / 2;
    assert!(carried.abs_diff(31 * 4 + 50) < 20, "{carried}");
    for page in [near, far, other] {
        assert!(decoded(&w, page).gaps <= 5, "{}", decoded(&w, page).gaps);
    }
}

/// Everybody changes pictures at any time and packets are lost on all ways: what arrives can be
/// decoded all along, and in the end everybody has what they want.
#[test]
fn any_changes_end_in_what_is_wanted() {
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let lossy = |seed| {
            let loss = RandomLoss::new(Probability::new(0.01));
            good().loss(loss).seed(seed)
        };
        let mut w = with_scalable(2, lossy(seed));
        let pages: Vec<usize> = (0..4)
            .map(|i| page(&mut w, i % 2, lossy(seed + 10 * (1 + i as u64))))
            .collect();
        for _ in 0..40 {
            w.run(Duration::from_millis(rng.random_range(1..500)));
            let picture = Choice::ALL[rng.random_range(0..3)];
            choose(&mut w, pages[rng.random_range(0..4)], picture);
        }
        for (page, picture) in pages.iter().zip([0, 0, 2, 2]) {
            choose(&mut w, *page, Choice::ALL[picture]);
        }
        w.run(secs(4));
        for (page, spatial) in pages.iter().zip([2, 2, 0, 0]) {
            // What has been lost just now is still to come.
            let packets = w.peers[*page].page.as_ref().expect("a page").packets("a");
            let mut packets = packets.to_vec();
            packets.sort_by_key(|packet| packet.seq);
            let settled = packets.partition_point(|packet| packet.at + secs(1) < w.now);
            let all = decode_what_can_be(&packets[..settled]);
            let late = all.pictures.iter().rev().skip(1).take(30);
            assert!(
                late.clone().all(|picture| picture.spatial == spatial),
                "seed {seed}, page {page}: {:?}",
                late.collect::<Vec<_>>()
            );
        }
        assert_eq!(w.counters(0).panics + w.counters(1).panics, 0);
    }
}

/// What a page makes of the packets of some seconds.
fn look(w: &mut World, page: usize, seconds: u64) -> Vec<Picture> {
    let start = w.now;
    // What has been lost just now is still to come.
    w.run(secs(seconds + 1));
    let packets = w.peers[page].page.as_ref().expect("a page").packets("a");
    let mut packets = packets.to_vec();
    packets.sort_by_key(|packet| packet.seq);
    let end = packets.partition_point(|packet| packet.at < w.now - secs(1));
    let mut pictures = decode_what_can_be(&packets[..end]).pictures;
    pictures.retain(|picture| picture.at > start);
    pictures
}

#[test]
fn narrow_link_carries_fewer_pictures_a_second_before_it_carries_lesser_ones() {
    for core in 0..2 {
        let mut w = with_scalable(2, good());
        let page = page(&mut w, core, link(5_000));
        w.run(secs(5));
        // The layers take 1.5, 0.7 and 0.2 Mbit/s, and half of that without the highest temporal one.
        for (kbps, spatial, is_thinned) in [(1_200, 2, true), (600, 1, true), (4_000, 2, false)] {
            w.peers[page].down.set_config(link(kbps));
            w.run(secs(20));
            let seen = look(&mut w, page, 10);
            let right = seen.iter().filter(|picture| picture.spatial == spatial);
            let right = right.count();
            let highest = seen.iter().filter(|picture| picture.temporal == 2).count();
            println!(
                "core {core}, {kbps} kbit/s: {} pictures, {right} right, {highest} of the highest layer",
                seen.len()
            );
            let frames = if is_thinned { 150 } else { 300 };
            assert!(right * 10 > frames * 8, "{kbps}: {right} of {frames}");
            assert!(right * 10 > seen.len() * 8, "{kbps}: {right} of {seen:?}");
            assert_eq!(
                highest * 10 < seen.len() * 2,
                is_thinned,
                "{kbps}: {highest}"
            );
        }
    }
}

#[test]
fn subscriber_without_the_extension_gets_the_lowest_layer_and_no_descriptors() {
    let mut w = with_scalable(2, good());
    let offer = include_str!("offers/chromium-subscriber.sdp");
    assert!(!offer.contains(URI));
    let subscribers = [0, 1].map(|core| w.subscribe("a", core, good()));
    w.run(secs(4));
    let before = plis(&mut w);
    w.run(secs(4));
    for subscriber in subscribers {
        let peer = &w.peers[subscriber];
        assert!(!peer.answer.contains(URI));
        assert!(peer.got_video.iter().all(|got| got.descriptor.is_none()));
        let got = frames::check(&peer.got_video);
        assert_eq!(got.gaps, 0);
        assert!(
            got.whole[0].1 && got.whole.len() > 230,
            "{}",
            got.whole.len()
        );
        let [frame, key] = [PACKETS[0], PACKETS[0] * 2];
        assert!(got.sizes.iter().all(|size| [frame, key].contains(size)));
    }
    assert_eq!(plis(&mut w), before, "nothing more is waited for");
}
