//! Frames whose packets can be checked, and the invariants of what a subscriber got.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use packager::rtp::Codec;

/// The payloads of one video frame. Each says which frame it belongs to and where, and is filled
/// with bytes that follow from that.
pub fn frame(codec: Codec, number: u32, keyframe: bool, packets: u16, len: usize) -> Vec<Vec<u8>> {
    (0..packets)
        .map(|index| {
            let mut payload = match codec {
                // A sequence parameter set starts a key frame; the rest are slices.
                Codec::H264 => vec![match (keyframe, index) {
                    (true, 0) => 0x67,
                    (true, _) => 0x65,
                    _ => 0x41,
                }],
                // A video parameter set, and slices behind a header of two bytes.
                Codec::H265 => match (keyframe, index) {
                    (true, 0) => vec![0x40, 0x01],
                    (true, _) => vec![0x26, 0x01],
                    _ => vec![0x02, 0x01],
                },
                Codec::Vp8 => vec![if index == 0 { 0x10 } else { 0x00 }, u8::from(!keyframe)],
                Codec::Opus => vec![0xfc],
                // An aggregation header, which tells where a coded video sequence starts.
                Codec::Av1 => vec![if keyframe && index == 0 { 0x18 } else { 0x10 }],
                Codec::Vp9 => unreachable!("not generated here"),
            };
            payload.extend_from_slice(&number.to_be_bytes());
            payload.extend_from_slice(&index.to_be_bytes());
            payload.extend_from_slice(&packets.to_be_bytes());
            payload.push(u8::from(keyframe));
            let fill = fill(number, index);
            while payload.len() < len {
                payload.push(fill);
            }
            payload
        })
        .collect()
}

fn fill(number: u32, index: u16) -> u8 {
    (number.wrapping_mul(31).wrapping_add(u32::from(index) * 7) % 251) as u8
}

/// What one payload says about itself; `None` if its bytes are not as they were made.
pub fn parse(codec: Codec, payload: &[u8]) -> Option<Part> {
    let head = match codec {
        Codec::Vp8 | Codec::H265 => 2,
        _ => 1,
    };
    let body = payload.get(head..)?;
    let number = u32::from_be_bytes(body.get(..4)?.try_into().ok()?);
    let index = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let count = u16::from_be_bytes(body.get(6..8)?.try_into().ok()?);
    let keyframe = *body.get(8)? == 1;
    let ok = body[9..].iter().all(|b| *b == fill(number, index));
    ok.then_some(Part {
        number,
        index,
        count,
        keyframe,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub number: u32,
    pub index: u16,
    pub count: u16,
    pub keyframe: bool,
}

/// One packet as a subscriber got it.
#[derive(Debug, Clone)]
pub struct Got {
    pub at: Instant,
    pub ssrc: u32,
    pub seq: u64,
    pub time: u32,
    pub marker: bool,
    pub codec: Codec,
    pub payload: Vec<u8>,
    /// The dependency descriptor.
    pub descriptor: Option<Vec<u8>>,
    /// How long the client is to hold it back.
    pub hold: Option<Duration>,
}

/// The frames of a subscriber's video, after the invariants have been checked:
/// no two packets on one sequence number, time never back, no truncated frame that looks whole.
#[derive(Debug, Default)]
pub struct Frames {
    /// Whole frames in order: frame number and whether it is a key frame.
    pub whole: Vec<(u32, bool)>,
    /// Packets of each whole frame.
    pub sizes: Vec<u16>,
    /// When each of them was whole.
    pub times: Vec<Instant>,
    pub packets: usize,
    pub gaps: u64,
}

pub fn check(got: &[Got]) -> Frames {
    let mut by_seq: BTreeMap<u64, &Got> = BTreeMap::new();
    for packet in got {
        if let Some(other) = by_seq.insert(packet.seq, packet) {
            assert_eq!(
                (other.time, &other.payload),
                (packet.time, &packet.payload),
                "two packets on sequence number {}",
                packet.seq
            );
        }
    }
    let mut frames = Frames {
        packets: by_seq.len(),
        ..Frames::default()
    };
    let ordered: Vec<&Got> = by_seq.into_values().collect();
    for pair in ordered.windows(2) {
        let step = pair[1].time.wrapping_sub(pair[0].time) as i32;
        assert!(step >= 0, "time goes back by {step} at {}", pair[1].seq);
        frames.gaps += pair[1].seq - pair[0].seq - 1;
    }
    // Runs of one RTP time without a gap that end with the marker are what a receiver takes for
    // a frame, if it knows the packet before the run.
    let mut start = 0;
    for end in 0..ordered.len() {
        let last = ordered[end];
        if end > start {
            let before = ordered[end - 1];
            if before.seq + 1 != last.seq || before.time != last.time {
                start = end;
            }
        }
        if !last.marker {
            continue;
        }
        let run = &ordered[start..=end];
        let parts: Vec<Part> = run
            .iter()
            .map(|g| parse(g.codec, &g.payload).expect("payload is as it was made"))
            .collect();
        let known_start = start > 0 && ordered[start - 1].seq + 1 == ordered[start].seq;
        let whole = parts.len() == usize::from(parts[0].count)
            && parts
                .iter()
                .enumerate()
                .all(|(i, p)| usize::from(p.index) == i && p.number == parts[0].number);
        if known_start {
            assert!(whole, "truncated frame looks whole: {parts:?}");
        }
        if whole {
            frames.whole.push((parts[0].number, parts[0].keyframe));
            frames.sizes.push(parts[0].count);
            frames.times.extend(run.iter().map(|got| got.at).max());
        }
        start = end + 1;
    }
    frames
}
