//! Reads a Transport Stream and checks what HLS asks of it: for tests and fuzz bodies.

use std::collections::BTreeMap;

use super::tables::crc32;
use super::{AUDIO_PID, PMT_PID, VIDEO_PID};

/// What segments behind each other carry.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) sounds: Vec<Sound>,
    /// In ticks of 90 kHz.
    pub(crate) clock: Vec<u64>,
    /// The last one of each PID.
    counters: BTreeMap<u16, u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) pts: u64,
    pub(crate) dts: u64,
    pub(crate) is_random_access: bool,
    /// Without start codes.
    pub(crate) nals: Vec<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sound {
    /// Of the unit that it is in.
    pub(crate) pts: u64,
    /// Its place there.
    pub(crate) index: u64,
    pub(crate) data: Vec<u8>,
}

/// Ticks from one time of 33 bits to a later one.
pub(crate) fn since(later: u64, earlier: u64) -> u64 {
    later.wrapping_sub(earlier) & ((1 << 33) - 1)
}

/// A unit under way, with the bytes of the packets so far.
struct Unit {
    is_random_access: bool,
    bytes: Vec<u8>,
}

impl Read {
    /// Takes the next segment. Panics where it is not what HLS asks for.
    pub(crate) fn take(&mut self, segment: &[u8]) {
        assert_eq!(segment.len() % 188, 0, "whole packets");
        let mut units: BTreeMap<u16, Unit> = BTreeMap::new();
        let mut tracks = None;
        for (index, packet) in segment.chunks(188).enumerate() {
            assert_eq!(packet[0], 0x47, "sync byte");
            assert_eq!(packet[1] & 0xa0, 0, "no error, no priority");
            let starts_unit = packet[1] & 0x40 != 0;
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            let (has_field, has_payload) = (packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
            self.count(pid, packet[3] & 0x0f, has_payload);
            let (flags, payload) = match has_field {
                true => self.read_field(pid, packet),
                false => (0, &packet[4..]),
            };
            assert_eq!(has_payload, !payload.is_empty());
            match (index, pid) {
                (0, 0) => {
                    let pat = section(payload);
                    assert_eq!(pat[8..12], [0, 1, 0xe0 | (PMT_PID >> 8) as u8, 0]);
                }
                (1, PMT_PID) => tracks = Some(named(section(payload))),
                (_, VIDEO_PID | AUDIO_PID) => {
                    let (_, named) = tracks.as_ref().expect("a PMT before all others");
                    assert!(named.contains(&pid), "a track that the PMT names");
                    if starts_unit {
                        let unit = Unit {
                            is_random_access: flags & 0x40 != 0,
                            bytes: payload.to_vec(),
                        };
                        if let Some(whole) = units.insert(pid, unit) {
                            self.take_unit(pid, &whole);
                        }
                    } else if has_payload {
                        let unit = units.get_mut(&pid).expect("the start of the unit");
                        unit.bytes.extend(payload);
                    }
                }
                other => panic!("packet of {other:?}"),
            }
            let has_clock = flags & 0x10 != 0;
            assert!(!has_clock || tracks.as_ref().is_some_and(|(of, _)| *of == pid));
        }
        for (pid, unit) in units {
            self.take_unit(pid, &unit);
        }
    }

    fn count(&mut self, pid: u16, counter: u8, has_payload: bool) {
        let last = self.counters.insert(pid, counter);
        let step = u8::from(has_payload);
        if let Some(last) = last {
            assert_eq!(
                counter,
                last.wrapping_add(step) & 0x0f,
                "counter of {pid:#x}"
            );
        }
    }

    /// The flags of the adaptation field, and what is behind it.
    fn read_field<'a>(&mut self, pid: u16, packet: &'a [u8]) -> (u8, &'a [u8]) {
        let length = usize::from(packet[4]);
        let (field, payload) = packet[5..].split_at(length);
        let Some((flags, mut rest)) = field.split_first() else {
            return (0, payload);
        };
        assert_eq!(flags & !0x50, 0, "no other flags of {pid:#x}");
        if flags & 0x10 != 0 {
            let (pcr, tail) = rest.split_at(6);
            rest = tail;
            let high = u32::from_be_bytes([pcr[0], pcr[1], pcr[2], pcr[3]]);
            assert_eq!(
                (pcr[4] & 0x7f, pcr[5]),
                (0x7e, 0),
                "reserved bits, extension"
            );
            let clock = u64::from(high) << 1 | u64::from(pcr[4] >> 7);
            self.clock.push(clock);
        }
        assert!(rest.iter().all(|byte| *byte == 0xff), "stuffing");
        (*flags, payload)
    }

    fn take_unit(&mut self, pid: u16, unit: &Unit) {
        let bytes = &unit.bytes[..];
        assert_eq!(bytes[..3], [0, 0, 1]);
        let length = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        assert_eq!(bytes[6], 0x84);
        let fields = usize::from(bytes[8]);
        let payload = &bytes[9 + fields..];
        let pts = time(&bytes[9..14]);
        let has_dts = bytes[7] & 0x40 != 0;
        let dts = if has_dts { time(&bytes[14..19]) } else { pts };
        if pid == VIDEO_PID {
            assert_eq!((bytes[3], length), (0xe0, 0));
            let mut nals = nal_units(payload);
            assert_eq!(nals.remove(0), [0x09, 0xf0], "a delimiter");
            self.pictures.push(Picture {
                pts,
                dts,
                is_random_access: unit.is_random_access,
                nals,
            });
            return;
        }
        assert_eq!((bytes[3], length, dts), (0xc0, bytes.len() - 6, pts));
        let mut rest = payload;
        for index in 0.. {
            assert_eq!(rest[..2], [0xff, 0xf1], "an ADTS header");
            let [high, low, full] = [rest[3], rest[4], rest[5]].map(usize::from);
            let length = (high & 0x03) << 11 | low << 3 | full >> 5;
            let (frame, tail) = rest.split_at(length);
            let data = frame[7..].to_vec();
            self.sounds.push(Sound { pts, index, data });
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Decode times rise and are no later than those at which pictures are shown, and the clock is told
    /// often enough.
    #[cfg(test)]
    pub(crate) fn check_times(&self) {
        for pair in self.clock.windows(2) {
            let step = since(pair[1], pair[0]);
            assert!((1..=9_000).contains(&step), "the clock stands for {step}");
        }
        for pair in self.pictures.windows(2) {
            let step = since(pair[1].dts, pair[0].dts);
            assert!((1..1 << 32).contains(&step), "{pair:?}");
        }
        for picture in &self.pictures {
            assert!(
                since(picture.pts, picture.dts) < 1 << 32,
                "shown before it is decoded"
            );
        }
    }
}

/// A section in a packet with its pointer field.
fn section(payload: &[u8]) -> &[u8] {
    assert_eq!(payload[0], 0, "it begins at once");
    let length = usize::from(u16::from_be_bytes([payload[2] & 0x0f, payload[3]]));
    let (section, stuffing) = payload[1..].split_at(3 + length);
    assert_eq!(crc32(section), 0, "check sum");
    assert!(stuffing.iter().all(|byte| *byte == 0xff));
    section
}

/// The PID of the clock, and those of the tracks.
fn named(pmt: &[u8]) -> (u16, Vec<u16>) {
    let pid = |bytes: &[u8]| u16::from_be_bytes([bytes[0] & 0x1f, bytes[1]]);
    let tracks = pmt[12..pmt.len() - 4].chunks(5);
    let tracks = tracks.map(|track| {
        let of = pid(&track[1..]);
        assert_eq!(track[0], if of == VIDEO_PID { 0x1b } else { 0x0f });
        of
    });
    (pid(&pmt[8..]), tracks.collect())
}

fn time(bytes: &[u8]) -> u64 {
    assert!(bytes[0] & bytes[2] & bytes[4] & 1 == 1, "marker bits");
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|index| u64::from(bytes[index]));
    (a >> 1 & 0x07) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}

/// NAL units between start codes. Units of test material end with no zero.
fn nal_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let is_code = |window: &&[u8]| **window == [0, 0, 1];
    let starts = (0..stream.len().saturating_sub(2))
        .filter(|at| stream.get(*at..at + 3).as_ref().is_some_and(is_code));
    let starts: Vec<usize> = starts.map(|at| at + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3);
    let ends = ends.chain([stream.len()]);
    let unit = |(start, end): (&usize, usize)| {
        let unit = &stream[*start..end];
        // A start code may have one zero more.
        unit.strip_suffix(&[0]).unwrap_or(unit).to_vec()
    };
    starts.iter().zip(ends).map(unit).collect()
}
