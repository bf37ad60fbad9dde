//! Small H.264 material for tests and fuzz bodies: parameter sets that parse,
//! slices that name them, and a seeded source of numbers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rtp::RtpPacket;

/// Constrained Baseline, level 3.0, 640x360 (with cropping).
pub(crate) const SPS_640X360: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40];
/// Constrained Baseline, level 1.3, 320x180 (with cropping).
pub(crate) const SPS_320X180: &[u8] = &[0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x74];
/// High, level 4.0, 1920x1080 (with cropping).
#[cfg(test)]
pub(crate) const SPS_HIGH_1080: &[u8] = &[
    0x67, 0x64, 0x00, 0x28, 0xac, 0xb4, 0x03, 0xc0, 0x11, 0x3f, 0x2a,
];
/// PPS 0 of SPS 0.
pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// xorshift64*: the same numbers from the same seed, for ever.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    #[cfg(test)]
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// A slice of `length` bytes that uses PPS 0, its body drawn from `numbers`.
pub(crate) fn slice(is_idr: bool, length: usize, numbers: &mut Numbers) -> Vec<u8> {
    // ue(0) ue(7) ue(0): first macroblock, an I or P slice, PPS 0.
    let mut nal = vec![if is_idr { 0x65 } else { 0x41 }, 0b1000_1000, 0b1111_1111];
    // No zeros, so that no emulation prevention is needed.
    nal.extend((3..length.max(4)).map(|_| numbers.next() as u8 | 1));
    nal
}

/// An access unit of `nals` as RTP payloads of at most `mtu` bytes, in the way
/// browsers do it: parameter sets in one STAP-A, large NAL units as FU-A.
pub(crate) fn payloads(nals: &[Vec<u8>], mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let (sets, slices): (Vec<_>, Vec<_>) =
        nals.iter().partition(|nal| matches!(nal[0] & 0x1f, 7 | 8));
    if !sets.is_empty() {
        let mut stap = vec![0x78];
        for set in sets {
            stap.extend_from_slice(&(set.len() as u16).to_be_bytes());
            stap.extend_from_slice(set);
        }
        payloads.push(stap);
    }
    for nal in slices {
        if nal.len() <= mtu {
            payloads.push(nal.clone());
            continue;
        }
        let parts: Vec<&[u8]> = nal[1..].chunks(mtu - 2).collect();
        for (index, part) in parts.iter().enumerate() {
            let start = if index == 0 { 0x80 } else { 0 };
            let end = if index + 1 == parts.len() { 0x40 } else { 0 };
            let mut payload = vec![nal[0] & 0xe0 | 28, start | end | nal[0] & 0x1f];
            payload.extend_from_slice(part);
            payloads.push(payload);
        }
    }
    payloads
}

/// `nals` as AVCC, parameter sets left out.
pub(crate) fn avcc(nals: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for nal in nals.iter().filter(|nal| matches!(nal[0] & 0x1f, 1 | 5)) {
        data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        data.extend_from_slice(nal);
    }
    data
}

/// Numbers packets one after the other.
pub(crate) struct Packets {
    pub(crate) seq: u64,
    pub(crate) start: Instant,
}

impl Packets {
    pub(crate) fn new(seq: u64) -> Self {
        Packets {
            seq,
            start: Instant::now(),
        }
    }

    /// The packets of one access unit at the RTP time `time`.
    pub(crate) fn unit(&mut self, time: u32, payloads: Vec<Vec<u8>>) -> Vec<RtpPacket> {
        let last = payloads.len().saturating_sub(1);
        let packets = payloads
            .into_iter()
            .enumerate()
            .map(|(index, payload)| RtpPacket {
                seq: self.seq + index as u64,
                time,
                marker: index == last,
                payload: Arc::from(payload),
                received: self.start + Duration::from_micros(u64::from(time) * 100 / 9),
            });
        let packets: Vec<RtpPacket> = packets.collect();
        self.seq += packets.len() as u64;
        packets
    }
}

/// Sixteen bytes a line: where they begin, in hexadecimal, as text.
#[cfg(test)]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let line = |(index, line): (usize, &[u8])| {
        let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = line
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() {
                    *byte as char
                } else {
                    '.'
                }
            })
            .collect();
        format!("{:04x}  {:<47}  {text}\n", index * 16, digits.join(" "))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}
