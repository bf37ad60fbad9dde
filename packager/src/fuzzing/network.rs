//! Video from the network: garbage, and good frames over a bad network.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::input::Input;
use crate::h264::{Depacketizer, repeated_picture};
use crate::patience::Waits;
use crate::reorder::{Ordered, Reorder, ReorderConfig};
use crate::rtp::RtpPacket;
use crate::test_media::{self, Numbers, PPS, Packets, SPS_320X180, SPS_640X360};
use crate::video::{self, AccessUnit, DepacketizerLimits, VideoCodec};

const MAX_ACCESS_UNIT: usize = 4_096;

/// Any payloads: no panic, bounds kept, and what comes out is well-formed and can be repeated or not.
pub fn h264_depacketizer(data: &[u8]) {
    let mut input = Input(data);
    let limits = DepacketizerLimits {
        max_access_unit: MAX_ACCESS_UNIT,
        max_ready: 2,
    };
    let mut depacketizer = Depacketizer::new(limits);
    let received = Instant::now();
    let (mut seq, mut time) = (input.u64(), input.u32());
    let mut needs_keyframe = true;
    while !input.is_empty() {
        let flags = input.byte();
        seq = match flags & 0x0f {
            0 => input.u64(),
            1 => seq.wrapping_add(2),
            _ => seq.wrapping_add(1),
        };
        if flags & 0x30 == 0x10 {
            time = time.wrapping_add(u32::from(input.u16()));
        }
        let payload = match flags & 0xc0 {
            // Something valid, so that garbage meets a decodable stream.
            0x40 => stap(SPS_640X360, PPS),
            0x80 => test_media::slice(flags & 1 == 0, 20, &mut Numbers::new(seq)),
            _ => {
                let length = usize::from(input.byte());
                input.take(length).to_vec()
            }
        };
        let marker = flags & 0x20 != 0;
        let packet = RtpPacket {
            seq,
            time,
            marker,
            payload: Arc::from(payload),
            received,
        };
        depacketizer.handle_packet(&packet);
        while let Some(unit) = depacketizer.poll_access_unit() {
            assert!(
                unit.is_keyframe || !needs_keyframe,
                "a picture that nothing starts"
            );
            check_unit(&unit);
            if let Some(repeated) = repeated_picture(&unit.config, &unit.data) {
                assert!(repeated_picture(&unit.config, &repeated).is_some());
            }
            needs_keyframe = false;
        }
        needs_keyframe |= depacketizer.needs_keyframe();
    }
}

/// Any H.265 payloads: no panic, bounds kept, and what comes out starts with a key frame and consists
/// of slices of one kind, each with its length.
pub fn h265_depacketizer(data: &[u8]) {
    let key = |numbers: &mut Numbers| match numbers.below(3) {
        0 => test_media::h265_payloads(&test_media::h265_key(19, 0, numbers)[..3], 1_200).concat(),
        1 => test_media::h265_slice(numbers.below(22) as u8, 30, numbers),
        _ => {
            // All in one aggregate.
            let nals = test_media::h265_key([16, 19, 21][numbers.below(3) as usize], 30, numbers);
            let with_length = |nal: &Vec<u8>| [&(nal.len() as u16).to_be_bytes()[..], nal].concat();
            let units: Vec<u8> = nals.iter().flat_map(with_length).collect();
            [&[48 << 1, 1][..], &units].concat()
        }
    };
    depacketizer(VideoCodec::H265, data, key, |unit| {
        let mut rest = &unit.data[..];
        let mut kinds = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (nal, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
            kinds.push(nal[0] >> 1);
            rest = tail;
        }
        assert!(rest.is_empty() && kinds.iter().all(|kind| *kind == kinds[0]));
        assert!(if unit.is_keyframe {
            (16..=21).contains(&kinds[0])
        } else {
            kinds[0] <= 9
        });
    });
}

/// Any VP9 payloads: no panic, bounds kept, and what comes out starts with a key frame.
pub fn vp9_depacketizer(data: &[u8]) {
    let key = |numbers: &mut Numbers| {
        let frame = test_media::vp9_frame(true, 30, numbers);
        test_media::vp9_payloads(&frame, 1_200).concat()
    };
    depacketizer(VideoCodec::Vp9, data, key, |unit| {
        assert_eq!(unit.data[0] >> 6, 2, "a frame marker");
    });
}

/// Any AV1 payloads: no panic, bounds kept, and what comes out starts with a key frame and consists
/// of whole OBUs.
pub fn av1_depacketizer(data: &[u8]) {
    let key = |numbers: &mut Numbers| {
        let obus = test_media::av1_unit(true, 30, numbers);
        test_media::av1_payloads(&obus, 1_200).concat()
    };
    depacketizer(VideoCodec::Av1, data, key, |unit| {
        let mut rest = &unit.data[..];
        while let Some((header, tail)) = rest.split_first() {
            assert_eq!(header & 0x82, 0x02, "a size field");
            rest = &tail[usize::from(header >> 2 & 1)..];
            let (mut size, mut shift) = (0, 0);
            loop {
                size |= usize::from(rest[0] & 0x7f) << shift;
                shift += 7;
                let is_last = rest[0] & 0x80 == 0;
                rest = &rest[1..];
                if is_last {
                    break;
                }
            }
            rest = &rest[size..];
        }
    });
}

fn depacketizer(
    codec: VideoCodec,
    data: &[u8],
    key: impl Fn(&mut Numbers) -> Vec<u8>,
    check: impl Fn(&AccessUnit),
) {
    let mut input = Input(data);
    let limits = DepacketizerLimits {
        max_access_unit: MAX_ACCESS_UNIT,
        max_ready: 2,
    };
    let mut depacketizer = video::Depacketizer::new(codec, limits);
    let received = Instant::now();
    let (mut seq, mut time) = (u64::from(input.u32()), input.u32());
    let mut needs_keyframe = true;
    while !input.is_empty() {
        let flags = input.byte();
        seq += if flags & 0x0f == 0 { 2 } else { 1 };
        if flags & 0x30 == 0x10 {
            time = time.wrapping_add(u32::from(input.u16()));
        }
        // Something valid, so that garbage meets a decodable stream.
        let payload = if flags & 0xc0 == 0x40 {
            key(&mut Numbers::new(seq))
        } else {
            let length = usize::from(input.byte());
            input.take(length).to_vec()
        };
        depacketizer.handle_packet(&RtpPacket {
            seq,
            time,
            marker: flags & 0x20 != 0,
            payload: Arc::from(payload),
            received,
        });
        while let Some(unit) = depacketizer.poll_access_unit() {
            assert!(
                unit.is_keyframe || !needs_keyframe,
                "a picture that nothing starts"
            );
            assert!(!unit.data.is_empty() && unit.data.len() <= MAX_ACCESS_UNIT + 1_100);
            assert_eq!(unit.config.codec(), codec);
            assert!(unit.config.width() > 0 && unit.config.height() > 0);
            check(&unit);
            needs_keyframe = false;
        }
        needs_keyframe |= depacketizer.needs_keyframe();
    }
}

/// Good frames, their packets lost, late, twice and damaged in order: every
/// frame out is equal to a frame in, and follows the one before it or is a key
/// frame.
pub fn h264_over_a_bad_network(data: &[u8]) {
    let mut input = Input(data);
    let mut numbers = Numbers::new(input.u64());
    let mut packets = Packets::new(u64::from(input.u16()));
    // Frame in by its bytes: its place, and whether it is a key frame.
    let mut frames: HashMap<Vec<u8>, (usize, bool)> = HashMap::new();
    let mut on_the_way: Vec<RtpPacket> = Vec::new();
    let mut loss = u64::from(input.byte()) % 30;
    for index in 0..(data.len() / 8).min(200) {
        let choice = input.byte();
        let is_key = index == 0 || choice % 8 == 0;
        let mut nals = Vec::new();
        if is_key {
            let sps = if choice & 0x80 == 0 {
                SPS_640X360
            } else {
                SPS_320X180
            };
            nals = vec![sps.to_vec(), PPS.to_vec()];
        }
        for _ in 0..1 + choice % 3 {
            let length = 40 + numbers.below(600) as usize;
            nals.push(test_media::slice(is_key, length, &mut numbers));
        }
        frames.insert(test_media::avcc(&nals), (index, is_key));
        let payloads = test_media::payloads(&nals, 30 + usize::from(choice));
        on_the_way.extend(packets.unit(index as u32 * 3_000, payloads));
        if choice == 7 {
            loss = u64::from(input.byte()) % 60;
        }
        if choice & 0x40 != 0 {
            for packet in &mut on_the_way {
                if numbers.chance(loss) {
                    // A hole that stays a hole: numbers are given, bytes are not.
                    packet.payload = Arc::from([]);
                    packet.marker = false;
                }
            }
        }
    }
    // Holes have to be holes: an empty payload would count as padding.
    on_the_way.retain(|packet| !packet.payload.is_empty() && !numbers.chance(loss / 4));
    for index in 0..on_the_way.len() {
        if numbers.chance(10) {
            let other = (index + numbers.below(20) as usize).min(on_the_way.len() - 1);
            on_the_way.swap(index, other);
        }
        if numbers.chance(3) {
            let again = on_the_way[index].clone();
            on_the_way.push(again);
        }
    }

    let mut reorder = Reorder::new(ReorderConfig {
        max_packets: 32,
        waits: Waits::fixed(Duration::from_millis(50)),
    });
    let mut depacketizer = Depacketizer::default();
    let (mut now, mut last) = (packets.start, None);
    for mut packet in on_the_way {
        now += Duration::from_millis(numbers.below(10));
        packet.received = now;
        let _ = reorder.push(packet);
        while let Some(ordered) = reorder.pop(now) {
            match ordered {
                Ordered::Packet(packet) => depacketizer.handle_packet(&packet),
                Ordered::Gap { .. } => depacketizer.handle_gap(),
            }
            while let Some(unit) = depacketizer.poll_access_unit() {
                check_unit(&unit);
                let (index, is_key) = *frames
                    .get(unit.data.as_ref())
                    .expect("a frame that nobody sent");
                assert_eq!(unit.is_keyframe, is_key);
                assert_eq!(unit.rtp_time, index as u32 * 3_000);
                assert!(
                    is_key || last == index.checked_sub(1),
                    "frame {index} after {last:?}"
                );
                assert!(last < Some(index));
                last = Some(index);
            }
        }
    }
}

/// Slices only, each with its length; one kind in a key frame.
fn check_unit(unit: &AccessUnit) {
    let mut rest: Bytes = unit.data.clone();
    assert!(!rest.is_empty());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        let nal = rest.split_to(4 + length).slice(4..);
        let kind = nal[0] & 0x1f;
        assert!(kind == 5 || (kind == 1 && !unit.is_keyframe));
    }
    assert!(unit.config.width() > 0 && unit.config.height() > 0);
}

fn stap(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    test_media::payloads(&[sps.to_vec(), pps.to_vec()], 1_200).concat()
}
