use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::test_media::{Numbers, PPS, Packets, SPS_320X180, SPS_640X360, avcc, payloads, slice};
use proptest::prelude::*;

const MTU: usize = 100;

fn idr(length: usize, numbers: &mut Numbers) -> Vec<Vec<u8>> {
    vec![
        SPS_640X360.to_vec(),
        PPS.to_vec(),
        slice(true, length, numbers),
    ]
}

fn feed(depacketizer: &mut Depacketizer, packets: &[RtpPacket]) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    for packet in packets {
        depacketizer.handle_packet(packet);
        units.extend(std::iter::from_fn(|| depacketizer.poll_access_unit()));
    }
    units
}

/// A key frame, then `rest`, each one access unit, 3,000 ticks apart.
fn stream(rest: &[Vec<Vec<u8>>], numbers: &mut Numbers) -> Vec<Vec<RtpPacket>> {
    let mut packets = Packets::new(1_000);
    let mut units = vec![packets.unit(0, payloads(&idr(300, numbers), MTU))];
    for (index, nals) in rest.iter().enumerate() {
        units.push(packets.unit((index as u32 + 1) * 3_000, payloads(nals, MTU)));
    }
    units
}

#[test]
fn fragments_and_aggregates_become_whole_frames() {
    let mut numbers = Numbers::new(1);
    let key = idr(1_000, &mut numbers);
    let small = vec![slice(false, 50, &mut numbers)];
    let two_slices = vec![
        slice(false, 250, &mut numbers),
        slice(false, 90, &mut numbers),
    ];
    let mut packets = Packets::new(7);
    let mut depacketizer = Depacketizer::default();
    assert!(depacketizer.needs_keyframe());
    for (index, nals) in [&key, &small, &two_slices].into_iter().enumerate() {
        let time = index as u32 * 3_000;
        let units = feed(&mut depacketizer, &packets.unit(time, payloads(nals, MTU)));
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, avcc(nals));
        assert_eq!(units[0].is_keyframe, index == 0);
        assert_eq!((units[0].rtp_time, units[0].config.width()), (time, 640));
    }
    assert!(!depacketizer.needs_keyframe());
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}

#[test]
fn a_sender_that_starts_its_sequence_anew_is_followed() {
    use crate::reorder::{Ordered, Reorder, ReorderConfig};

    let mut numbers = Numbers::new(18);
    let (mut reorder, mut depacketizer) = (
        Reorder::new(ReorderConfig::default()),
        Depacketizer::default(),
    );
    let mut frames = 0;
    for first in [50_000, 7] {
        let mut packets = Packets::new(first);
        for index in 0..5 {
            let nals = idr(300, &mut numbers);
            for packet in packets.unit(index * 3_000, payloads(&nals, MTU)) {
                let now = packet.received;
                // The first packet of a new sequence is taken for a stray.
                let _ = reorder.push(packet);
                while let Some(ordered) = reorder.pop(now) {
                    match ordered {
                        Ordered::Packet(packet) => depacketizer.handle_packet(&packet),
                        Ordered::Gap { .. } => depacketizer.handle_gap(),
                    }
                    frames += std::iter::from_fn(|| depacketizer.poll_access_unit()).count();
                }
            }
        }
    }
    assert_eq!(reorder.counters().restarts, 1);
    assert_eq!(depacketizer.counters().stale_packets, 0);
    assert_eq!(frames, 5 + 4);
}

#[test]
fn parameter_sets_in_single_packets_are_taken() {
    let mut numbers = Numbers::new(2);
    let nals = idr(60, &mut numbers);
    let units = feed(
        &mut Depacketizer::default(),
        &Packets::new(0).unit(0, nals.clone()),
    );
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].data, avcc(&nals));
}

#[test]
fn everything_but_slices_is_left_out() {
    let mut numbers = Numbers::new(3);
    let mut nals = vec![vec![0x09, 0x10]];
    nals.extend(idr(60, &mut numbers));
    nals.insert(3, vec![0x06, 0x05, 0x01, 0xff, 0x80]);
    nals.push(vec![0x0c, 0xff, 0x80]);
    let units = feed(
        &mut Depacketizer::default(),
        &Packets::new(0).unit(0, nals.clone()),
    );
    assert_eq!(units[0].data, avcc(&nals));
}

#[test]
fn a_fragmented_parameter_set_is_taken() {
    let mut numbers = Numbers::new(4);
    let mut packets = vec![vec![0x7c, 0x87], vec![0x7c, 0x47], PPS.to_vec()];
    packets[0].extend_from_slice(&SPS_640X360[1..5]);
    packets[1].extend_from_slice(&SPS_640X360[5..]);
    // The delimiter says that nothing is missing before the first fragment.
    packets.insert(0, vec![0x09, 0x10]);
    packets.push(slice(true, 40, &mut numbers));
    let units = feed(
        &mut Depacketizer::default(),
        &Packets::new(0).unit(0, packets),
    );
    assert_eq!(units.len(), 1);
    assert_eq!(units[0].data.len(), 44);
}

#[test]
fn a_new_timestamp_ends_a_frame_whose_marker_is_not_set() {
    let mut numbers = Numbers::new(5);
    let mut units = stream(&[vec![slice(false, 50, &mut numbers)]], &mut numbers);
    units[0].last_mut().expect("packets").marker = false;
    let out = feed(&mut Depacketizer::default(), &units.concat());
    assert_eq!(out.len(), 2);
    assert!(out[0].is_keyframe);
}

#[test]
fn padding_packets_belong_to_no_frame() {
    let mut numbers = Numbers::new(6);
    let mut packets = stream(&[vec![slice(false, 250, &mut numbers)]], &mut numbers).concat();
    let middle = packets.len() - 1;
    for packet in &mut packets[middle..] {
        packet.seq += 1;
    }
    let padding = RtpPacket {
        seq: packets[middle].seq - 1,
        payload: Arc::from([]),
        time: 3_000,
        marker: false,
        received: packets[0].received,
    };
    packets.insert(middle, padding);
    assert_eq!(feed(&mut Depacketizer::default(), &packets).len(), 2);
}

#[test]
fn every_single_loss_drops_its_frame_and_all_until_the_next_idr() {
    let mut numbers = Numbers::new(7);
    let mut rest: Vec<_> = (0..5)
        .map(|_| vec![slice(false, 250, &mut numbers)])
        .collect();
    rest.insert(3, idr(300, &mut numbers));
    let units = stream(&rest, &mut numbers);
    let whole: Vec<Bytes> = feed(&mut Depacketizer::default(), &units.concat())
        .into_iter()
        .map(|u| u.data)
        .collect();
    assert_eq!(whole.len(), 7);
    for (lost_unit, unit) in units.iter().enumerate() {
        for lost in unit {
            let packets: Vec<RtpPacket> = units
                .concat()
                .into_iter()
                .filter(|packet| packet.seq != lost.seq)
                .collect();
            let mut depacketizer = Depacketizer::default();
            let out: Vec<Bytes> = feed(&mut depacketizer, &packets)
                .into_iter()
                .map(|unit| unit.data)
                .collect();
            // The lost frame and those up to the next key frame (4) are gone.
            // The STAP-A of a key frame lost: its slice alone proves nothing.
            let mut expected = whole.clone();
            let gone = if lost_unit < 4 {
                lost_unit..4
            } else {
                lost_unit..7
            };
            expected.drain(gone);
            assert_eq!(out, expected, "packet {} of frame {lost_unit}", lost.seq);
            // Nothing comes after the very last packet to show its loss.
            let is_seen = lost.seq != units[6][units[6].len() - 1].seq;
            assert_eq!(depacketizer.needs_keyframe(), lost_unit >= 4 && is_seen);
        }
    }
}

#[test]
fn a_lost_tail_does_not_take_the_next_idr_with_it() {
    let mut numbers = Numbers::new(9);
    let rest = [
        vec![slice(false, 250, &mut numbers)],
        idr(300, &mut numbers),
    ];
    let mut units = stream(&rest, &mut numbers);
    units[1].pop();
    let mut depacketizer = Depacketizer::default();
    let out = feed(&mut depacketizer, &units.concat());
    assert_eq!(out.len(), 2);
    assert!(out[1].is_keyframe);
    assert_eq!(depacketizer.counters().units_lost, 1);
}

#[test]
fn an_idr_after_a_loss_counts_only_when_its_start_is_known() {
    let mut numbers = Numbers::new(10);
    // A key frame whose sets came earlier begins with a slice: after a loss
    // nobody knows whether a slice before it is missing.
    let bare = vec![slice(true, 60, &mut numbers)];
    let rest = [
        vec![slice(false, 60, &mut numbers)],
        bare.clone(),
        bare.clone(),
    ];
    let mut units = stream(&rest, &mut numbers);
    units.remove(1);
    let mut depacketizer = Depacketizer::default();
    let out = feed(&mut depacketizer, &units.concat());
    assert_eq!(
        out.iter().map(|unit| unit.rtp_time).collect::<Vec<_>>(),
        [0, 9_000]
    );
    assert_eq!(depacketizer.counters().units_headless, 1);
}

#[test]
fn a_whole_frame_lost_ends_the_sequence_even_where_each_start_is_marked() {
    let mut numbers = Numbers::new(18);
    let delimiter = vec![0x09, 0x10];
    let mut packets = Packets::new(0);
    let mut depacketizer = Depacketizer::default();
    let key = packets.unit(0, payloads(&idr(60, &mut numbers), MTU));
    assert_eq!(feed(&mut depacketizer, &key).len(), 1);
    let lost = packets.unit(
        3_000,
        vec![delimiter.clone(), slice(false, 60, &mut numbers)],
    );
    assert_eq!(lost.len(), 2);
    // Whole, but what it refers to is missing.
    let next = packets.unit(6_000, vec![delimiter, slice(false, 60, &mut numbers)]);
    assert!(feed(&mut depacketizer, &next).is_empty());
    assert!(depacketizer.needs_keyframe());
    assert_eq!(depacketizer.counters().units_awaiting_keyframe, 1);
}

#[test]
fn parameter_sets_are_compared_by_content() {
    let mut numbers = Numbers::new(11);
    let mut smaller = idr(60, &mut numbers);
    smaller[0] = SPS_320X180.to_vec();
    let rest = [
        idr(60, &mut numbers),
        smaller,
        vec![slice(false, 60, &mut numbers)],
    ];
    let out = feed(
        &mut Depacketizer::default(),
        &stream(&rest, &mut numbers).concat(),
    );
    assert_eq!(out.len(), 4);
    assert!(Arc::ptr_eq(&out[0].config, &out[1].config));
    assert_eq!(
        out.iter().map(|u| u.config.width()).collect::<Vec<_>>(),
        [640, 640, 320, 320]
    );
    assert!(Arc::ptr_eq(&out[2].config, &out[3].config));
}

#[test]
fn sets_that_change_without_an_idr_wait_for_one() {
    let mut numbers = Numbers::new(12);
    let other = vec![0x68, 0xce, 0x3c, 0x81];
    let rest = [
        vec![other, slice(false, 60, &mut numbers)],
        vec![slice(false, 60, &mut numbers)],
    ];
    let mut depacketizer = Depacketizer::default();
    let out = feed(&mut depacketizer, &stream(&rest, &mut numbers).concat());
    assert_eq!(out.len(), 1);
    assert_eq!(depacketizer.counters().units_changed_sets, 1);
    assert!(depacketizer.needs_keyframe());
}

#[test]
fn an_idr_without_parameter_sets_is_no_keyframe() {
    let mut numbers = Numbers::new(13);
    let nals = vec![vec![0x09, 0x10], slice(true, 60, &mut numbers)];
    let mut depacketizer = Depacketizer::default();
    assert!(feed(&mut depacketizer, &Packets::new(0).unit(0, nals)).is_empty());
    assert_eq!(depacketizer.counters().units_without_sets, 1);
}

#[test]
fn malformed_payloads_doom_their_frame_only() {
    let slice_body = [0x41, 0b1000_1000, 0xff, 1];
    let fu = |flags: u8, indicator: u8| vec![indicator, flags | 1, 0b1000_1000, 0xff, 1];
    let cases: Vec<(&str, Vec<Vec<u8>>)> = vec![
        (
            "a trailing byte in a STAP-A",
            vec![vec![0x78, 0x00, 0x02, 0x67, 0x42, 0x00]],
        ),
        (
            "a lying length in a STAP-A",
            vec![vec![0x78, 0xff, 0xff, 0x67, 0x42]],
        ),
        ("an empty unit in a STAP-A", vec![vec![0x78, 0x00, 0x00]]),
        ("an empty STAP-A", vec![vec![0x78]]),
        (
            "a STAP-A in a STAP-A",
            vec![vec![0x78, 0x00, 0x02, 0x78, 0x00]],
        ),
        ("an FU-A without its header", vec![vec![0x7c]]),
        ("an FU-A without a start", vec![fu(0, 0x5c), fu(0x40, 0x5c)]),
        ("an FU-A without an end", vec![fu(0x80, 0x5c), fu(0, 0x5c)]),
        (
            "an FU-A that starts twice",
            vec![fu(0x80, 0x5c), fu(0x80, 0x5c)],
        ),
        ("an FU-A that starts and ends", vec![fu(0xc0, 0x5c)]),
        (
            "an FU-A of another type inside",
            vec![fu(0x80, 0x5c), vec![0x5c, 0x45, 1, 2]],
        ),
        ("an FU-A of an FU-A", vec![vec![0x7c, 0x80 | 28, 1, 2]]),
        (
            "a slice between fragments",
            vec![fu(0x80, 0x5c), slice_body.to_vec()],
        ),
        ("the forbidden bit", vec![vec![0xc1, 0b1000_1000, 0xff, 1]]),
        ("a slice of one byte", vec![vec![0x41]]),
        ("STAP-B", vec![vec![0x79, 0, 0, 0, 2, 0x41, 0x88]]),
        ("MTAP16", vec![vec![0x7a, 0, 0]]),
        ("FU-B", vec![vec![0x7d, 0x81, 0, 0, 1]]),
        ("type 0", vec![vec![0x60, 1, 2]]),
        ("type 31", vec![vec![0x7f, 1, 2]]),
    ];
    for (name, payloads_of_frame) in cases {
        let mut numbers = Numbers::new(14);
        let mut packets = Packets::new(0);
        let mut depacketizer = Depacketizer::default();
        let key = idr(60, &mut numbers);
        assert_eq!(
            feed(&mut depacketizer, &packets.unit(0, payloads(&key, MTU))).len(),
            1,
            "{name}"
        );
        let bad = packets.unit(3_000, payloads_of_frame);
        assert!(feed(&mut depacketizer, &bad).is_empty(), "{name}");
        assert_eq!(depacketizer.counters().units_malformed, 1, "{name}");
        assert!(depacketizer.needs_keyframe(), "{name}");
        let next = packets.unit(6_000, payloads(&key, MTU));
        assert_eq!(feed(&mut depacketizer, &next).len(), 1, "{name}");
    }
}

#[test]
fn the_size_of_a_frame_is_bounded() {
    let mut numbers = Numbers::new(15);
    let limits = DepacketizerLimits {
        max_access_unit: 1_000,
        ..Default::default()
    };
    let rest = [
        vec![slice(false, 997, &mut numbers)],
        vec![slice(false, 60, &mut numbers)],
    ];
    let units = stream(&rest, &mut numbers);
    let mut depacketizer = Depacketizer::new(limits);
    assert_eq!(feed(&mut depacketizer, &units.concat()).len(), 1);
    assert_eq!(depacketizer.counters().units_too_large, 1);
    assert_eq!(depacketizer.counters().units_awaiting_keyframe, 1);
    // One byte less fits.
    let rest = [vec![slice(false, 996, &mut numbers)]];
    let units = stream(&rest, &mut numbers);
    assert_eq!(
        feed(&mut Depacketizer::new(limits), &units.concat()).len(),
        2
    );
}

#[test]
fn frames_that_nobody_polls_are_bounded() {
    let mut numbers = Numbers::new(16);
    let rest: Vec<_> = (0..9)
        .map(|_| vec![slice(false, 60, &mut numbers)])
        .collect();
    let mut depacketizer = Depacketizer::default();
    for packet in stream(&rest, &mut numbers).concat() {
        depacketizer.handle_packet(&packet);
    }
    assert_eq!(
        std::iter::from_fn(|| depacketizer.poll_access_unit()).count(),
        4
    );
    assert_eq!(depacketizer.counters().units_unpolled, 1);
    assert!(depacketizer.needs_keyframe());
}

/// The independent payloader of the `rtp` crate makes well-formed input.
#[test]
fn another_payloader_is_understood() {
    use rtp::codecs::h264::H264Payloader;
    use rtp::packetizer::Payloader;
    let mut numbers = Numbers::new(17);
    let mut payloader = H264Payloader::default();
    let mut packets = Packets::new(0);
    let mut depacketizer = Depacketizer::default();
    for index in 0..20u32 {
        let nals = if index % 5 == 0 {
            idr(1 + numbers.below(5_000) as usize, &mut numbers)
        } else {
            vec![slice(
                false,
                1 + numbers.below(3_000) as usize,
                &mut numbers,
            )]
        };
        let annex_b: Vec<u8> = nals
            .iter()
            .flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat())
            .collect();
        let payloads = payloader
            .payload(1_200, &Bytes::from(annex_b))
            .expect("well-formed input");
        let payloads = payloads
            .into_iter()
            .map(|payload| payload.to_vec())
            .collect();
        let units = feed(&mut depacketizer, &packets.unit(index * 3_000, payloads));
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, avcc(&nals));
        assert_eq!(units[0].is_keyframe, index % 5 == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn garbage_never_panics(
        packets in prop::collection::vec(
            (0u64..3, any::<bool>(), 0u32..2, prop::collection::vec(any::<u8>(), 0..40)), 0..60)
    ) {
        let mut depacketizer = Depacketizer::new(
            DepacketizerLimits { max_access_unit: 200, max_ready: 2 });
        let (mut seq, mut time, received) = (0, 0u32, Instant::now());
        for (step, marker, tick, payload) in packets {
            seq += step;
            time = time.wrapping_add(tick);
            let packet =
                RtpPacket { seq, time, marker, payload: Arc::from(payload), received };
            depacketizer.handle_packet(&packet);
            if let Some(unit) = depacketizer.poll_access_unit() {
                prop_assert!(unit.data.len() <= 200);
            }
        }
    }
}
