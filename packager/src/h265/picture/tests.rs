use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use crate::rtp::RtpPacket;
use crate::test_media::{
    H265_PPS, H265_SPS_640X360, H265_SPS_MAIN10_1080, H265_VPS, Numbers, Packets, h265_key,
    h265_payloads, h265_slice, hvcc,
};
use crate::video::{
    AccessUnit, Depacketizer, DepacketizerCounters, DepacketizerLimits, VideoCodec,
};

const MTU: usize = 100;

/// NAL unit types.
const TRAIL: u8 = 1;
const RADL: u8 = 7;
const RASL: u8 = 9;
const BLA: u8 = 16;
const IDR: u8 = 19;
const CRA: u8 = 21;

fn depacketizer() -> Depacketizer {
    Depacketizer::new(VideoCodec::H265, DepacketizerLimits::default())
}

fn feed(depacketizer: &mut Depacketizer, packets: &[RtpPacket]) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    for packet in packets {
        depacketizer.handle_packet(packet);
        units.extend(std::iter::from_fn(|| depacketizer.poll_access_unit()));
    }
    units
}

/// Pictures of these types, each one access unit, 3,000 ticks apart; key frames with their sets.
fn stream(kinds: &[u8], numbers: &mut Numbers) -> Vec<Vec<RtpPacket>> {
    let mut packets = Packets::new(1_000);
    let units = kinds.iter().enumerate().map(|(index, kind)| {
        let nals = match kind {
            16.. => h265_key(*kind, 250, numbers),
            kind => vec![h265_slice(*kind, 250, numbers)],
        };
        packets.unit(index as u32 * 3_000, h265_payloads(&nals, MTU))
    });
    units.collect()
}

/// Places of the pictures that come out of a stream.
fn places(depacketizer: &mut Depacketizer, packets: &[RtpPacket]) -> Vec<u32> {
    let units = feed(depacketizer, packets);
    units.iter().map(|unit| unit.rtp_time / 3_000).collect()
}

#[test]
fn fragments_and_aggregates_become_whole_pictures() {
    let mut numbers = Numbers::new(1);
    let mut later = h265_slice(TRAIL, 90, &mut numbers);
    later[2] &= 0x7f; // not the first slice segment
    let pictures = [
        h265_key(IDR, 1_000, &mut numbers),
        vec![h265_slice(TRAIL, 50, &mut numbers)],
        vec![h265_slice(TRAIL, 250, &mut numbers), later],
    ];
    let mut packets = Packets::new(7);
    let mut depacketizer = depacketizer();
    assert!(depacketizer.needs_keyframe());
    for (index, nals) in pictures.iter().enumerate() {
        let time = index as u32 * 3_000;
        let units = feed(
            &mut depacketizer,
            &packets.unit(time, h265_payloads(nals, MTU)),
        );
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, hvcc(nals));
        assert_eq!(units[0].is_keyframe, index == 0);
        assert_eq!((units[0].rtp_time, units[0].config.width()), (time, 640));
    }
    assert!(!depacketizer.needs_keyframe());
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}

#[test]
fn sets_are_taken_from_single_packets_and_fragments_and_kept() {
    let mut numbers = Numbers::new(2);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let (start, end) = H265_SPS_640X360[2..].split_at(20);
    let slice = h265_slice(IDR, 40, &mut numbers);
    let payloads = vec![
        vec![0x46, 0x01, 0x50],
        H265_VPS.to_vec(),
        [&[0x62, 0x01, 0x80 | 33], start].concat(),
        [&[0x62, 0x01, 0x40 | 33], end].concat(),
        H265_PPS.to_vec(),
        vec![0x4e, 0x01, 0x05, 0x01, 0xff, 0x80],
        slice.clone(),
        vec![0x50, 0x01, 0x84, 0x01, 0xff, 0x80],
    ];
    let units = feed(&mut depacketizer, &packets.unit(0, payloads));
    assert!(matches!(units.as_slice(), [unit] if unit.is_keyframe));
    assert_eq!(units[0].data, hvcc(&[slice]), "slices alone");
    // A key frame that comes without them is decoded by those.
    let bare = vec![h265_slice(IDR, 40, &mut numbers)];
    let again = feed(&mut depacketizer, &packets.unit(3_000, bare));
    assert!(matches!(again.as_slice(), [unit] if unit.is_keyframe));
    assert!(Arc::ptr_eq(&units[0].config, &again[0].config));
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}

#[test]
fn layers_above_the_base_are_left_out() {
    let mut numbers = Numbers::new(3);
    let key = h265_key(IDR, 40, &mut numbers);
    let mut above = h265_slice(IDR, 40, &mut numbers);
    above[1] |= 1 << 3;
    let mut payloads = h265_payloads(&key, MTU);
    payloads.push(above);
    let mut depacketizer = depacketizer();
    let units = feed(&mut depacketizer, &Packets::new(0).unit(0, payloads));
    assert_eq!(units[0].data, hvcc(&key));
    assert_eq!(depacketizer.counters().layer_packets, 1);
}

#[test]
fn every_single_loss_drops_its_picture_and_all_until_the_next_key_frame() {
    let mut numbers = Numbers::new(4);
    let kinds = [IDR, TRAIL, TRAIL, CRA, TRAIL, TRAIL];
    let units = stream(&kinds, &mut numbers);
    let all: Vec<RtpPacket> = units.concat();
    assert_eq!(places(&mut depacketizer(), &all), [0, 1, 2, 3, 4, 5]);
    for (lost_unit, unit) in units.iter().enumerate() {
        for lost in unit {
            let packets: Vec<RtpPacket> = all
                .iter()
                .filter(|packet| packet.seq != lost.seq)
                .cloned()
                .collect();
            let mut depacketizer = depacketizer();
            let out = places(&mut depacketizer, &packets);
            let gone = if lost_unit < 3 {
                lost_unit..3
            } else {
                lost_unit..6
            };
            let expected: Vec<u32> = (0..6)
                .filter(|place| !gone.contains(&(*place as usize)))
                .collect();
            assert_eq!(out, expected, "packet {} of picture {lost_unit}", lost.seq);
            // Nothing comes after the very last packet to show its loss.
            let is_seen = lost.seq != all[all.len() - 1].seq;
            assert_eq!(depacketizer.needs_keyframe(), lost_unit >= 3 && is_seen);
        }
    }
}

#[test]
fn pictures_that_lead_a_key_frame_come_out_only_if_what_they_need_did() {
    let mut numbers = Numbers::new(5);
    let kinds = [
        CRA, RASL, RADL, TRAIL, CRA, RASL, TRAIL, BLA, RASL, RADL, TRAIL,
    ];
    let units = stream(&kinds, &mut numbers);
    let mut whole = depacketizer();
    // Those of the first key frame and of the broken link are not decoded.
    assert_eq!(
        places(&mut whole, &units.concat()),
        [0, 2, 3, 4, 5, 6, 7, 9, 10]
    );
    assert_eq!(whole.counters().units_leading, 2);
    assert!(!whole.needs_keyframe());
    // Begun at the key frame in the middle, or behind a loss.
    assert_eq!(places(&mut depacketizer(), &units[4..7].concat()), [4, 6]);
    let mut lost = units[..7].to_vec();
    lost.remove(3);
    assert_eq!(places(&mut depacketizer(), &lost.concat()), [0, 2, 4, 6]);
}

#[test]
fn what_leads_a_key_frame_behind_the_end_of_a_sequence_is_left_out() {
    let mut numbers = Numbers::new(6);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let mut last = h265_payloads(&h265_key(IDR, 40, &mut numbers), MTU);
    last.push(vec![0x48, 0x01]);
    let mut sent = packets.unit(0, last);
    sent.extend(packets.unit(3_000, h265_payloads(&h265_key(CRA, 40, &mut numbers), MTU)));
    for place in 2..4 {
        sent.extend(packets.unit(place * 3_000, vec![h265_slice(RASL, 40, &mut numbers)]));
    }
    sent.extend(packets.unit(12_000, vec![h265_slice(TRAIL, 40, &mut numbers)]));
    assert_eq!(places(&mut depacketizer, &sent), [0, 1, 4]);
    assert_eq!(depacketizer.counters().units_leading, 2);
}

#[test]
fn a_key_frame_after_a_loss_counts_only_when_its_start_is_known() {
    let mut numbers = Numbers::new(7);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let key = h265_key(IDR, 40, &mut numbers);
    assert_eq!(
        feed(
            &mut depacketizer,
            &packets.unit(0, h265_payloads(&key, MTU))
        )
        .len(),
        1
    );
    packets.seq += 1;
    let bare = vec![h265_slice(IDR, 40, &mut numbers)];
    assert!(feed(&mut depacketizer, &packets.unit(3_000, bare.clone())).is_empty());
    assert_eq!(depacketizer.counters().units_headless, 1);
    assert_eq!(feed(&mut depacketizer, &packets.unit(6_000, bare)).len(), 1);
}

#[test]
fn another_size_is_another_configuration() {
    let mut numbers = Numbers::new(8);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let key = h265_key(IDR, 40, &mut numbers);
    let mut other = h265_key(IDR, 40, &mut numbers);
    other[1] = H265_SPS_MAIN10_1080.to_vec();
    let mut out = Vec::new();
    for (index, nals) in [&key, &other, &key].into_iter().enumerate() {
        let sent = packets.unit(index as u32 * 3_000, h265_payloads(nals, MTU));
        out.extend(feed(&mut depacketizer, &sent));
    }
    let widths: Vec<u16> = out.iter().map(|unit| unit.config.width()).collect();
    assert_eq!(widths, [640, 1_920, 640]);
    assert!(out[1].config.codec_string().starts_with("hvc1.2.4."));
    // And between key frames none goes on.
    let mut changed = vec![h265_slice(TRAIL, 40, &mut numbers)];
    changed.splice(0..0, other[1..3].iter().cloned());
    assert!(
        feed(
            &mut depacketizer,
            &packets.unit(9_000, h265_payloads(&changed, MTU))
        )
        .is_empty()
    );
    assert_eq!(depacketizer.counters().units_changed_sets, 1);
    assert!(depacketizer.needs_keyframe());
}

#[test]
fn a_key_frame_without_sets_is_none_and_broken_sets_are_counted() {
    let mut numbers = Numbers::new(9);
    let mut depacketizer = depacketizer();
    let payloads = vec![
        vec![0x46, 0x01, 0x50],
        H265_SPS_640X360[..12].to_vec(),
        h265_slice(IDR, 40, &mut numbers),
    ];
    assert!(feed(&mut depacketizer, &Packets::new(0).unit(0, payloads)).is_empty());
    let counters = depacketizer.counters();
    assert_eq!(
        (counters.units_without_sets, counters.bad_parameter_sets),
        (1, 1)
    );
}

#[test]
fn malformed_payloads_doom_their_picture_only() {
    let fu = |flags: u8, kind: u8| vec![0x62, 0x01, flags | kind, 0xd0, 0xff, 1];
    let slice = vec![0x02, 0x01, 0xd0, 0xff, 1];
    let later = vec![0x02, 0x01, 0x50, 0xff, 1];
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("a header of one byte", vec![vec![0x02]]),
        ("the forbidden bit", vec![vec![0x82, 0x01, 0xd0, 0xff]]),
        ("no temporal id", vec![vec![0x02, 0x00, 0xd0, 0xff]]),
        ("an empty aggregate", vec![vec![0x60, 0x01]]),
        (
            "a trailing byte in an aggregate",
            vec![vec![0x60, 1, 0, 2, 0x46, 1, 0]],
        ),
        (
            "a lying length in an aggregate",
            vec![vec![0x60, 1, 0xff, 0xff, 0x46, 1]],
        ),
        ("an empty unit in an aggregate", vec![vec![0x60, 1, 0, 0]]),
        (
            "an aggregate in an aggregate",
            vec![vec![0x60, 1, 0, 2, 0x60, 1]],
        ),
        ("a fragment without its header", vec![vec![0x62, 0x01]]),
        ("a fragment of nothing", vec![vec![0x62, 0x01, 0x81]]),
        ("a fragment without a start", vec![fu(0, 1), fu(0x40, 1)]),
        ("a fragment without an end", vec![fu(0x80, 1), fu(0, 1)]),
        (
            "a fragment that starts twice",
            vec![fu(0x80, 1), fu(0x80, 1)],
        ),
        ("a fragment that starts and ends", vec![fu(0xc0, 1)]),
        (
            "a fragment of another type inside",
            vec![fu(0x80, 1), fu(0x40, 0)],
        ),
        ("a fragment of a fragment", vec![fu(0x80, 49)]),
        (
            "a slice between fragments",
            vec![fu(0x80, 1), slice.clone()],
        ),
        ("PACI", vec![vec![0x64, 0x01, 0x00, 0x00, 0x02, 0x01, 0xd0]]),
        ("type 63", vec![vec![0x7e, 0x01, 1, 2]]),
        ("a slice without its header", vec![vec![0x02, 0x01]]),
        ("two first segments", vec![slice.clone(), slice.clone()]),
        ("no first segment", vec![later.clone()]),
        (
            "slices of two types",
            vec![slice, vec![0x00, 0x01, 0x50, 0xff, 1]],
        ),
    ];
    for (name, payloads) in cases {
        let mut numbers = Numbers::new(10);
        let mut packets = Packets::new(0);
        let mut depacketizer = depacketizer();
        let key = h265_payloads(&h265_key(IDR, 60, &mut numbers), MTU);
        assert_eq!(
            feed(&mut depacketizer, &packets.unit(0, key.clone())).len(),
            1,
            "{name}"
        );
        assert!(
            feed(&mut depacketizer, &packets.unit(3_000, payloads)).is_empty(),
            "{name}"
        );
        assert_eq!(depacketizer.counters().units_malformed, 1, "{name}");
        assert!(depacketizer.needs_keyframe(), "{name}");
        assert_eq!(
            feed(&mut depacketizer, &packets.unit(6_000, key)).len(),
            1,
            "{name}"
        );
    }
}

#[test]
fn the_size_of_a_picture_is_bounded() {
    let mut numbers = Numbers::new(11);
    let limits = DepacketizerLimits {
        max_access_unit: 1_000,
        ..Default::default()
    };
    for (length, expected) in [(996, 1), (997, 0)] {
        for mtu in [MTU, 1_200] {
            let key = h265_key(IDR, length, &mut numbers);
            let mut depacketizer = Depacketizer::new(VideoCodec::H265, limits);
            let packets = Packets::new(0).unit(0, h265_payloads(&key, mtu));
            assert_eq!(feed(&mut depacketizer, &packets).len(), expected);
            let too_large = depacketizer.counters().units_too_large;
            assert_eq!(too_large, 1 - expected as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_of_any_slices_gives_the_same_picture(
        sizes in prop::collection::vec(4usize..600, 1..6), mtu in 20usize..400, seed in any::<u64>()
    ) {
        let mut numbers = Numbers::new(seed);
        let mut nals = h265_key(IDR, sizes[0], &mut numbers);
        for size in &sizes[1..] {
            let mut slice = h265_slice(IDR, *size, &mut numbers);
            slice[2] &= 0x7f;
            nals.push(slice);
        }
        let packets = Packets::new(5).unit(0, h265_payloads(&nals, mtu));
        let units = feed(&mut depacketizer(), &packets);
        prop_assert_eq!(units.len(), 1);
        prop_assert_eq!(&units[0].data, &Bytes::from(hvcc(&nals)));
    }

    #[test]
    fn garbage_never_panics(
        packets in prop::collection::vec(
            (0u64..3, any::<bool>(), 0u32..2, prop::collection::vec(any::<u8>(), 0..40)), 0..60)
    ) {
        let limits = DepacketizerLimits { max_access_unit: 200, max_ready: 2 };
        let mut depacketizer = Depacketizer::new(VideoCodec::H265, limits);
        let mut unit = Packets::new(0);
        let mut time = 0u32;
        for (step, marker, tick, payload) in packets {
            unit.seq += step;
            time = time.wrapping_add(tick);
            for mut packet in unit.unit(time, vec![payload]) {
                packet.marker = marker;
                depacketizer.handle_packet(&packet);
            }
            while let Some(unit) = depacketizer.poll_access_unit() {
                prop_assert!(unit.data.len() <= 200);
            }
        }
    }
}
