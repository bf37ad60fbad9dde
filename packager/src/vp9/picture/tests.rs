use proptest::prelude::*;

use crate::rtp::RtpPacket;
use crate::test_media::{Numbers, Packets, vp9_frame, vp9_key, vp9_payloads};
use crate::video::{
    AccessUnit, Depacketizer, DepacketizerCounters, DepacketizerLimits, VideoCodec,
};

const MTU: usize = 100;

fn depacketizer() -> Depacketizer {
    Depacketizer::new(VideoCodec::Vp9, DepacketizerLimits::default())
}

fn feed(depacketizer: &mut Depacketizer, packets: &[RtpPacket]) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    for packet in packets {
        depacketizer.handle_packet(packet);
        units.extend(std::iter::from_fn(|| depacketizer.poll_access_unit()));
    }
    units
}

/// A key frame and `count` others, 3,000 ticks apart.
fn stream(count: u32, numbers: &mut Numbers) -> (Vec<Vec<u8>>, Vec<Vec<RtpPacket>>) {
    let mut packets = Packets::new(1_000);
    (0..=count)
        .map(|index| {
            let frame = vp9_frame(index == 0, 250, numbers);
            let packets = packets.unit(index * 3_000, vp9_payloads(&frame, MTU));
            (frame, packets)
        })
        .unzip()
}

#[test]
fn fragments_become_whole_frames() {
    let (frames, packets) = stream(2, &mut Numbers::new(1));
    let mut depacketizer = depacketizer();
    assert!(depacketizer.needs_keyframe());
    for (index, (frame, packets)) in frames.iter().zip(&packets).enumerate() {
        let units = feed(&mut depacketizer, packets);
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, frame);
        assert_eq!(units[0].is_keyframe, index == 0);
        assert_eq!(units[0].rtp_time, index as u32 * 3_000);
        assert_eq!(
            (units[0].config.width(), units[0].config.height()),
            (640, 360)
        );
    }
    assert!(!depacketizer.needs_keyframe());
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}

#[test]
fn a_loss_drops_all_up_to_the_next_key_frame() {
    let mut numbers = Numbers::new(2);
    let (_, mut packets) = stream(3, &mut numbers);
    packets[1].remove(1);
    let mut depacketizer = depacketizer();
    assert_eq!(feed(&mut depacketizer, &packets.concat()).len(), 1);
    assert!(depacketizer.needs_keyframe());
    let counters = depacketizer.counters();
    assert_eq!(
        (counters.units_lost, counters.units_awaiting_keyframe),
        (1, 2)
    );
    let mut later = Packets::new(2_000);
    let frame = vp9_frame(true, 250, &mut numbers);
    let units = feed(
        &mut depacketizer,
        &later.unit(90_000, vp9_payloads(&frame, MTU)),
    );
    assert!(matches!(units.as_slice(), [unit] if unit.is_keyframe && unit.data == frame));
}

#[test]
fn a_frame_without_its_first_or_last_packet_is_none() {
    for lacks in [0, 2] {
        let (_, mut packets) = stream(0, &mut Numbers::new(3));
        packets[0].remove(lacks);
        // What the network lost is not told: numbers go on, the marker is gone.
        for (number, packet) in packets[0].iter_mut().enumerate() {
            packet.seq = number as u64;
        }
        let mut depacketizer = depacketizer();
        assert!(feed(&mut depacketizer, &packets.concat()).is_empty());
        // Of another time: ends the one before.
        let mut next = Packets::new(2);
        let inter = vp9_payloads(&[0x86, 1], MTU);
        assert!(feed(&mut depacketizer, &next.unit(3_000, inter)).is_empty());
        let counters = depacketizer.counters();
        let dropped = [counters.units_headless, counters.units_malformed];
        assert_eq!(dropped, if lacks == 0 { [1, 0] } else { [0, 1] });
    }
}

#[test]
fn the_lowest_spatial_layer_is_the_picture() {
    // With layer indices and TL0PICIDX: three layers of a key picture, the marker on the last.
    let layer = |spatial: u8, frame: &[u8]| [&[0x2c, spatial << 1, 0][..], frame].concat();
    let key = vp9_key(320, 180);
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    for (time, lowest) in [(0, &key[..]), (3_000, &[0x86, 5])] {
        let payloads = vec![layer(0, lowest), layer(1, &[0x86, 6]), layer(2, &[0x86, 7])];
        let units = feed(&mut depacketizer, &packets.unit(time, payloads));
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].data, lowest);
        assert_eq!(
            (units[0].is_keyframe, units[0].config.width()),
            (time == 0, 320)
        );
    }
    assert_eq!(depacketizer.counters().layer_packets, 4);
    // A picture without it is none, and takes nothing from those that follow.
    let units = feed(
        &mut depacketizer,
        &packets.unit(6_000, vec![layer(2, &[0x86])]),
    );
    assert!(units.is_empty() && !depacketizer.needs_keyframe());
}

#[test]
fn another_size_is_another_configuration_at_the_next_key_frame() {
    let mut packets = Packets::new(0);
    let mut depacketizer = depacketizer();
    let mut configs = Vec::new();
    for (time, (width, height)) in (0..).zip([(640, 360), (640, 360), (320, 180)]) {
        let payloads = vp9_payloads(&vp9_key(width, height), MTU);
        let units = feed(&mut depacketizer, &packets.unit(time * 3_000, payloads));
        configs.extend(units.into_iter().map(|unit| unit.config));
    }
    assert!(std::sync::Arc::ptr_eq(&configs[0], &configs[1]));
    assert_eq!((configs[2].width(), configs[2].height()), (320, 180));
}

#[test]
fn what_is_held_is_bounded() {
    let limits = DepacketizerLimits {
        max_access_unit: 400,
        max_ready: 1,
    };
    let mut depacketizer = Depacketizer::new(VideoCodec::Vp9, limits);
    let mut packets = Packets::new(0);
    let large = vp9_frame(true, 500, &mut Numbers::new(4));
    assert!(
        feed(
            &mut depacketizer,
            &packets.unit(0, vp9_payloads(&large, MTU))
        )
        .is_empty()
    );
    assert_eq!(depacketizer.counters().units_too_large, 1);
    for time in [3_000, 6_000] {
        for packet in packets.unit(time, vp9_payloads(&vp9_key(16, 16), MTU)) {
            depacketizer.handle_packet(&packet);
        }
    }
    assert_eq!(depacketizer.counters().units_unpolled, 1);
    assert!(depacketizer.poll_access_unit().is_some() && depacketizer.needs_keyframe());
}

proptest! {
    #[test]
    fn any_cut_and_any_first_number_give_the_same_frames(
        seq in 0u64..1 << 40,
        mtu in 10usize..300,
        lengths in proptest::collection::vec(0usize..900, 1..6),
    ) {
        let mut numbers = Numbers::new(seq);
        let mut packets = Packets::new(seq);
        let mut depacketizer = depacketizer();
        for (index, length) in lengths.into_iter().enumerate() {
            let frame = vp9_frame(index == 0, length, &mut numbers);
            let payloads = vp9_payloads(&frame, mtu);
            let units = feed(&mut depacketizer, &packets.unit(index as u32, payloads));
            prop_assert_eq!(units.len(), 1);
            prop_assert_eq!(&units[0].data[..], &frame[..]);
        }
    }
}
