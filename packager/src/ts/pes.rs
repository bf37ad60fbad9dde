//! Packetized elementary streams (ISO/IEC 13818-1 section 2.4.3.6).

use super::packets::TIME_MASK;

/// `stream_id` (table 2-22).
pub(super) const VIDEO: u8 = 0xe0;
pub(super) const AUDIO: u8 = 0xc0;

/// The most bytes of stuffing in a header.
pub(super) const MAX_STUFFING: usize = 32;

/// When a unit is decoded and shown, in ticks of 90 kHz, of which 33 bits count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) dts: i64,
    pub(super) pts: i64,
}

/// Writes the header of a PES packet with `payload` bytes behind it. The length of pictures may stay
/// open, that of sound may not.
pub(super) fn write_header(
    out: &mut Vec<u8>,
    stream_id: u8,
    times: Times,
    stuffing: usize,
    payload: usize,
) {
    let has_dts = times.dts != times.pts;
    let fields = if has_dts { 10 } else { 5 } + stuffing;
    let length = match stream_id {
        VIDEO => 0,
        _ => u16::try_from(3 + fields + payload).unwrap_or(0),
    };
    out.extend([0, 0, 1, stream_id]);
    out.extend(length.to_be_bytes());
    // The payload begins with an access unit. Then: which times there are.
    out.extend([0x84, if has_dts { 0xc0 } else { 0x80 }, fields as u8]);
    out.extend(time(if has_dts { 3 } else { 2 }, times.pts));
    if has_dts {
        out.extend(time(1, times.dts));
    }
    out.resize(out.len() + stuffing, 0xff);
}

/// A time stamp: four bits of mark, then 3, 15 and 15 bits of time with a one behind each.
fn time(mark: u64, ticks: i64) -> [u8; 5] {
    let ticks = ticks as u64 & TIME_MASK;
    let bits = mark << 36
        | (ticks >> 30) << 33
        | 1 << 32
        | (ticks >> 15 & 0x7fff) << 17
        | 1 << 16
        | (ticks & 0x7fff) << 1
        | 1;
    let [_, _, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_byte_exact() {
        let mut out = Vec::new();
        let times = Times {
            dts: 90_000,
            pts: 90_000,
        };
        write_header(&mut out, AUDIO, times, 2, 100);
        let head = [0, 0, 1, 0xc0, 0, 110, 0x84, 0x80, 7];
        let time = [0x21, 0x00, 0x05, 0xbf, 0x21];
        assert_eq!(out, [&head[..], &time, &[0xff, 0xff]].concat());

        out.clear();
        let times = Times {
            dts: 0x1_ffff_ffff,
            // One bit more than there are.
            pts: 0x2_0000_0001,
        };
        write_header(&mut out, VIDEO, times, 0, 1 << 20);
        let head = [0, 0, 1, 0xe0, 0, 0, 0x84, 0xc0, 10];
        let pts = [0x31, 0x00, 0x01, 0x00, 0x03];
        let dts = [0x1f, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(out, [&head[..], &pts, &dts].concat());
    }
}
