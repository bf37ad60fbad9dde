//! Small material for tests and fuzz bodies: H.264 and H.265 parameter sets that parse and slices
//! that name them, VP9 and AV1 frames that begin as an encoder's do, and a seeded source of numbers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::rtp::RtpPacket;
#[cfg(test)]
use crate::video::{Depacketizer, DepacketizerLimits, VideoCodec, VideoConfig};

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

/// The sets of x265: VPS 0.
pub(crate) const H265_VPS: &[u8] = &[
    0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x03, 0x00, 0x3f, 0xba, 0x02, 0x40,
];
/// SPS 0: Main, level 2.1, 640x360.
pub(crate) const H265_SPS_640X360: &[u8] = &[
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x3f, 0xa0, 0x05, 0x02, 0x01, 0x71, 0xf2, 0xe5, 0xba, 0x4a, 0x4c, 0x2f, 0x01, 0x68, 0x08,
    0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x40,
];
/// SPS 0: Main 10, level 4.0, 1920x1080 (with cropping).
#[cfg(test)]
pub(crate) const H265_SPS_MAIN10_1080: &[u8] = &[
    0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03,
    0x00, 0x78, 0xa0, 0x03, 0xc0, 0x80, 0x11, 0x07, 0xca, 0xd9, 0x65, 0x65, 0x4a, 0x4c, 0x2f, 0x01,
    0x68, 0x08, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x40,
];
/// PPS 0 of SPS 0.
pub(crate) const H265_PPS: &[u8] = &[0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89];

/// The start of a VP9 key frame of libvpx: profile 0, 320x180.
#[cfg(test)]
pub(crate) const VP9_KEY_320X180: &[u8] = &[
    0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x36, 0x06, 0x38, 0x24, 0x1c, 0x18, 0x4a, 0x00,
];
/// The AV1 sequence header of libaom: main profile, level 2.0, 320x180.
pub(crate) const AV1_SEQUENCE_320X180: &[u8] = &[
    0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0xda, 0xf9, 0x00, 0x40,
];
/// The AV1 sequence header of SVT-AV1: main profile, level 2.1, 640x360.
pub(crate) const AV1_SEQUENCE_640X360: &[u8] = &[
    0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x3e, 0xfe, 0x40, 0x10,
];

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

/// H.265: the first slice segment of a picture of this type, which uses PPS 0, its body drawn from
/// `numbers`.
pub(crate) fn h265_slice(kind: u8, length: usize, numbers: &mut Numbers) -> Vec<u8> {
    // first_slice_segment_in_pic_flag; of a key frame, a flag; ue(0).
    let head = if kind < 16 { 0b1100_0001 } else { 0b1010_0001 };
    let mut nal = vec![kind << 1, 1, head];
    // No zeros, so that no emulation prevention is needed.
    nal.extend((3..length.max(4)).map(|_| numbers.next() as u8 | 1));
    nal
}

/// H.265: the NAL units of a key frame of 640x360 with its sets.
pub(crate) fn h265_key(kind: u8, length: usize, numbers: &mut Numbers) -> Vec<Vec<u8>> {
    let mut nals = [H265_VPS, H265_SPS_640X360, H265_PPS]
        .map(<[u8]>::to_vec)
        .to_vec();
    nals.push(h265_slice(kind, length, numbers));
    nals
}

/// NAL units of H.265 as RTP payloads of at most `mtu` bytes: parameter sets in one aggregation
/// packet, large NAL units in fragments.
pub(crate) fn h265_payloads(nals: &[Vec<u8>], mtu: usize) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let (sets, others): (Vec<_>, Vec<_>) =
        nals.iter().partition(|nal| matches!(nal[0] >> 1, 32..=34));
    if !sets.is_empty() {
        let mut aggregate = vec![48 << 1, 1];
        for set in sets {
            aggregate.extend_from_slice(&(set.len() as u16).to_be_bytes());
            aggregate.extend_from_slice(set);
        }
        payloads.push(aggregate);
    }
    for nal in others {
        if nal.len() <= mtu {
            payloads.push(nal.clone());
            continue;
        }
        let parts: Vec<&[u8]> = nal[2..].chunks(mtu - 3).collect();
        for (index, part) in parts.iter().enumerate() {
            let start = if index == 0 { 0x80 } else { 0 };
            let end = if index + 1 == parts.len() { 0x40 } else { 0 };
            let head = [nal[0] & 0x81 | 49 << 1, nal[1], start | end | nal[0] >> 1];
            payloads.push([&head, *part].concat());
        }
    }
    payloads
}

/// NAL units of H.265 as an fMP4 sample has them: slices with their lengths.
#[cfg(test)]
pub(crate) fn hvcc(nals: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for nal in nals.iter().filter(|nal| nal[0] >> 1 < 32) {
        data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
        data.extend_from_slice(nal);
    }
    data
}

/// The header of a VP9 key frame of profile 0, each side at least 1.
pub(crate) fn vp9_key(width: u16, height: u16) -> Vec<u8> {
    // Sync code, colour space and range, then both sizes less one.
    let size = u64::from(width - 1) << 16 | u64::from(height - 1);
    let mut frame = vec![0x82, 0x49, 0x83, 0x42];
    frame.extend_from_slice(&(size << 28).to_be_bytes()[..5]);
    frame
}

/// A VP9 frame of `length` bytes after its header, drawn from `numbers`.
pub(crate) fn vp9_frame(is_key: bool, length: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mut frame = if is_key {
        vp9_key(640, 360)
    } else {
        vec![0x86]
    };
    frame.extend((0..length).map(|_| numbers.next() as u8));
    frame
}

/// A VP9 frame as RTP payloads of at most `mtu` bytes, with picture ids of 15 bits.
pub(crate) fn vp9_payloads(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = frame.chunks(mtu - 3).collect();
    let payload = |(index, part): (usize, &&[u8])| {
        let starts = if index == 0 { 0x08 } else { 0 };
        let ends = if index + 1 == parts.len() { 0x04 } else { 0 };
        [&[0x80 | starts | ends, 0x80, 0x07][..], part].concat()
    };
    parts.iter().enumerate().map(payload).collect()
}

/// The OBUs of an AV1 temporal unit without sizes: a sequence header before a key frame.
pub(crate) fn av1_unit(is_key: bool, length: usize, numbers: &mut Numbers) -> Vec<Vec<u8>> {
    let mut frame = vec![0x30, if is_key { 0x10 } else { 0x30 }];
    frame.extend((0..length).map(|_| numbers.next() as u8));
    match is_key {
        true => vec![[&[0x08], AV1_SEQUENCE_640X360].concat(), frame],
        false => vec![frame],
    }
}

/// OBUs as RTP payloads of at most `mtu` bytes: as many elements in each as fit, none with a count.
pub(crate) fn av1_payloads(obus: &[Vec<u8>], mtu: usize) -> Vec<Vec<u8>> {
    // Elements are shorter than 16,384 bytes: two bytes for the length of each.
    let is_new = obus.iter().any(|obu| obu[0] == 0x08);
    let mut payloads = vec![vec![if is_new { 0x08 } else { 0 }]];
    for obu in obus {
        let mut rest = &obu[..];
        while let Some(payload) = payloads.last_mut().filter(|_| !rest.is_empty()) {
            let room = mtu.saturating_sub(payload.len() + 2);
            let (part, tail) = rest.split_at(rest.len().min(room));
            if !part.is_empty() {
                payload.push(part.len() as u8 | 0x80);
                payload.push((part.len() >> 7) as u8);
                payload.extend_from_slice(part);
            }
            if !tail.is_empty() {
                let goes_on = tail.len() < obu.len();
                payload[0] |= if goes_on { 0x40 } else { 0 };
                payloads.push(vec![if goes_on { 0x80 } else { 0 }]);
            }
            rest = tail;
        }
    }
    payloads
}

/// OBUs as an fMP4 sample has them.
pub(crate) fn av1_sample(obus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for obu in obus {
        let length = obu.len() - 1;
        data.push(obu[0] | 0x02);
        if length >= 0x80 {
            data.push(length as u8 | 0x80);
            data.push((length >> 7) as u8);
        } else {
            data.push(length as u8);
        }
        data.extend_from_slice(&obu[1..]);
    }
    data
}

/// The configuration that a key frame of 640x360 brings.
#[cfg(test)]
pub(crate) fn video_config(codec: VideoCodec) -> Arc<VideoConfig> {
    let mut numbers = Numbers::new(1);
    let payloads = match codec {
        VideoCodec::H264 => {
            let nals = [SPS_640X360, PPS].map(<[u8]>::to_vec);
            payloads(&[&nals[..], &[slice(true, 40, &mut numbers)]].concat(), 200)
        }
        VideoCodec::H265 => h265_payloads(&h265_key(19, 40, &mut numbers), 200),
        VideoCodec::Vp9 => vp9_payloads(&vp9_key(640, 360), 200),
        VideoCodec::Av1 => av1_payloads(&av1_unit(true, 40, &mut numbers), 200),
    };
    let mut depacketizer = Depacketizer::new(codec, DepacketizerLimits::default());
    for packet in Packets::new(0).unit(0, payloads) {
        depacketizer.handle_packet(&packet);
    }
    let unit = depacketizer.poll_access_unit();
    unit.expect("a whole key frame").config
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
