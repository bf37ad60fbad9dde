use std::sync::Arc;

use proptest::prelude::*;

use crate::rtp::RtpPacket;
use crate::test_media::{
    AV1_SEQUENCE_320X180, AV1_SEQUENCE_640X360, Numbers, Packets, av1_payloads, av1_sample,
    av1_unit,
};
use crate::video::{
    AccessUnit, Depacketizer, DepacketizerCounters, DepacketizerLimits, VideoCodec,
};

const MTU: usize = 100;

fn depacketizer() -> Depacketizer {
    Depacketizer::new(VideoCodec::Av1, DepacketizerLimits::default())
}

fn feed(depacketizer: &mut Depacketizer, packets: &[RtpPacket]) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    for packet in packets {
        depacketizer.handle_packet(packet);
        units.extend(std::iter::from_fn(|| depacketizer.poll_access_unit()));
    }
    units
}

#[test]
fn fragments_and_aggregates_become_whole_temporal_units() {
    let mut numbers = Numbers::new(1);
    let mut packets = Packets::new(7);
    let mut depacketizer = depacketizer();
    for index in 0..3 {
        let obus = av1_unit(index == 0, 500, &mut numbers);
        let packets = packets.unit(index * 3_000, av1_payloads(&obus, MTU));
        let units = feed(&mut depacketizer, &packets);
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, av1_sample(&obus));
        assert_eq!(
            (units[0].is_keyframe, units[0].rtp_time),
            (index == 0, index * 3_000)
        );
        assert_eq!(
            (units[0].config.width(), units[0].config.height()),
            (640, 360)
        );
    }
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}

#[test]
fn counted_elements_sizes_and_delimiters_are_taken() {
    let sequence = [&[0x0a, 11][..], AV1_SEQUENCE_320X180].concat();
    // Two elements: a delimiter with a size, and the rest without a length before it.
    let first = [&[0x28, 2, 0x12, 0][..], &sequence].concat();
    // One: a key frame; padding has no place in a sample.
    let second = vec![0x10, 0x30, 0x10, 9];
    let third = vec![0x10, 0x78, 1, 2, 3];
    let mut depacketizer = depacketizer();
    let units = feed(
        &mut depacketizer,
        &Packets::new(0).unit(0, vec![first, second, third]),
    );
    let expected = [&sequence[..], &[0x32, 2, 0x10, 9]].concat();
    assert!(matches!(units.as_slice(), [unit] if unit.is_keyframe && unit.data == expected));
    assert_eq!(units[0].config.width(), 320);
}

#[test]
fn spatial_layers_stay_in_one_unit() {
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let sequence = [&[0x08], AV1_SEQUENCE_640X360].concat();
    let frames = [vec![0x34, 0x00, 0x10, 1], vec![0x34, 0x08, 0x30, 2]];
    let payloads = vec![
        av1_payloads(&[sequence, frames[0].clone()], MTU).concat(),
        av1_payloads(&frames[1..], MTU).concat(),
    ];
    let units = feed(&mut depacketizer, &packets.unit(0, payloads));
    assert!(matches!(units.as_slice(), [unit] if unit.is_keyframe));
    let tail = [0x36, 0x00, 2, 0x10, 1, 0x36, 0x08, 2, 0x30, 2];
    assert!(units[0].data.ends_with(&tail));
}

#[test]
fn a_loss_drops_all_up_to_the_next_key_frame() {
    let mut numbers = Numbers::new(2);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let mut out = Vec::new();
    for index in 0..6 {
        let obus = av1_unit(index % 4 == 0, 300, &mut numbers);
        let mut sent = packets.unit(index * 3_000, av1_payloads(&obus, MTU));
        if index == 1 {
            sent.remove(1);
        }
        let units = feed(&mut depacketizer, &sent);
        out.extend(
            units
                .iter()
                .map(|unit| (unit.rtp_time / 3_000, unit.is_keyframe)),
        );
    }
    assert_eq!(out, [(0, true), (4, true), (5, false)]);
    let counters = depacketizer.counters();
    assert_eq!(
        (counters.units_lost, counters.units_awaiting_keyframe),
        (1, 2)
    );
}

#[test]
fn a_sequence_header_holds_for_key_frames_that_come_without_it() {
    let mut numbers = Numbers::new(3);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    // A key frame before any: nothing says how to decode it.
    let obus = av1_unit(true, 20, &mut numbers);
    let mut bare = av1_payloads(&obus[1..], MTU);
    bare[0][0] |= 0x08;
    assert!(feed(&mut depacketizer, &packets.unit(0, bare.clone())).is_empty());
    assert_eq!(depacketizer.counters().units_without_sets, 1);
    let first = feed(
        &mut depacketizer,
        &packets.unit(3_000, av1_payloads(&obus, MTU)),
    );
    let second = feed(&mut depacketizer, &packets.unit(6_000, bare));
    assert_eq!(first[0].data, second[0].data);
    assert!(Arc::ptr_eq(&first[0].config, &second[0].config));
}

#[test]
fn another_sequence_header_needs_a_key_frame() {
    let mut numbers = Numbers::new(4);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let key = av1_unit(true, 20, &mut numbers);
    let other = [&[0x08], AV1_SEQUENCE_320X180].concat();
    let inter = av1_unit(false, 20, &mut numbers);
    assert_eq!(
        feed(&mut depacketizer, &packets.unit(0, av1_payloads(&key, MTU))).len(),
        1
    );
    let changed = [other.clone(), inter[0].clone()];
    let units = feed(
        &mut depacketizer,
        &packets.unit(3_000, av1_payloads(&changed, MTU)),
    );
    assert!(units.is_empty() && depacketizer.needs_keyframe());
    assert_eq!(depacketizer.counters().units_changed_sets, 1);
    let units = feed(
        &mut depacketizer,
        &packets.unit(6_000, av1_payloads(&[other, key[1].clone()], MTU)),
    );
    assert_eq!(units[0].config.width(), 320);
    // One that does not parse is counted, and nothing decodes by it.
    let broken = [vec![0x08, 0xe0], key[1].clone()];
    assert!(
        feed(
            &mut depacketizer,
            &packets.unit(9_000, av1_payloads(&broken, MTU))
        )
        .is_empty()
    );
    assert_eq!(depacketizer.counters().bad_parameter_sets, 1);
}

#[test]
fn malformed_payloads_end_their_unit() {
    for payload in [
        // Nothing but the aggregation header, and a length beyond the end.
        &[0x08][..],
        &[0x08, 9, 0x30, 0x10],
        // Two elements are told, one is there.
        &[0x28, 2, 0x30, 0x10],
        // It continues what has not begun, or goes on in a packet that does not come.
        &[0x98, 0x30, 0x10],
        &[0x58, 0x30, 0x10],
        // The forbidden bit, an element without a byte, a frame without one.
        &[0x18, 0xb0, 0x10],
        &[0x08, 0],
        &[0x18, 0x30],
    ] {
        let mut depacketizer = depacketizer();
        let mut packets = Packets::new(0);
        // So that the start of the next one is known.
        let start = vec![0x18, 0x12, 0];
        feed(&mut depacketizer, &packets.unit(0, vec![start]));
        let units = feed(
            &mut depacketizer,
            &packets.unit(3_000, vec![payload.to_vec()]),
        );
        assert!(units.is_empty(), "{payload:02x?}");
        assert_eq!(depacketizer.counters().units_malformed, 1, "{payload:02x?}");
    }
}

#[test]
fn what_is_held_is_bounded() {
    let limits = DepacketizerLimits {
        max_access_unit: 1_500,
        max_ready: 1,
    };
    let mut numbers = Numbers::new(5);
    let mut packets = Packets::new(0);
    let mut depacketizer = Depacketizer::new(VideoCodec::Av1, limits);
    // In one piece, in fragments, and a sequence header of no real size.
    let long = [vec![0x08; 1_200], vec![0x30, 0x10]];
    let large = av1_unit(true, 1_600, &mut numbers);
    for (time, (obus, mtu)) in (0..).zip([(&large[..], 5_000), (&large, MTU), (&long, MTU)]) {
        let sent = packets.unit(time, av1_payloads(obus, mtu));
        assert!(feed(&mut depacketizer, &sent).is_empty());
    }
    assert_eq!(depacketizer.counters().units_too_large, 3);
}

proptest! {
    #[test]
    fn any_cut_and_any_first_number_give_the_same_units(
        seq in 0u64..1 << 40,
        mtu in 10usize..300,
        lengths in proptest::collection::vec(0usize..900, 1..6),
    ) {
        let mut numbers = Numbers::new(seq);
        let mut packets = Packets::new(seq);
        let mut depacketizer = depacketizer();
        for (index, length) in lengths.into_iter().enumerate() {
            let obus = av1_unit(index == 0, length, &mut numbers);
            let payloads = av1_payloads(&obus, mtu);
            let units = feed(&mut depacketizer, &packets.unit(index as u32, payloads));
            prop_assert_eq!(units.len(), 1);
            prop_assert_eq!(&units[0].data[..], &av1_sample(&obus)[..]);
        }
    }
}
