//! Watches one subscriber's H.264 for its first whole key frame.

/// Follows the frames of one RTP stream until a key frame is complete: every
/// packet from the one with the parameter sets to the one with the marker bit. Packets may come in any order.
#[derive(Debug, Default)]
pub struct KeyframeWatch {
    frame: Option<Frame>,
    done: bool,
}

/// What one packet told the watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A frame that does not start as a key frame: a player would ask for one.
    NotKeyframe,
    /// Packets of the key frame are still missing.
    Partial,
    /// This packet completed the first key frame.
    Complete,
    /// A key frame was completed before.
    Done,
}

#[derive(Debug)]
struct Frame {
    rtp_time: u32,
    /// Sequence number at bit 0 of `seen`.
    base: u64,
    seen: [u64; WINDOW / 64],
    start: Option<u64>,
    marker: Option<u64>,
}

/// Packets a frame may have, and room before its first for late ones: at
/// 1,200 bytes a packet this is a key frame of 1.1 MB.
const WINDOW: usize = 1_024;
const BEFORE: u64 = 64;

impl KeyframeWatch {
    /// Takes one packet by its extended sequence number.
    pub fn handle(&mut self, seq: u64, rtp_time: u32, marker: bool, payload: &[u8]) -> Progress {
        if self.done {
            return Progress::Done;
        }
        let frame = match &mut self.frame {
            Some(frame) if frame.rtp_time == rtp_time => frame,
            other => other.insert(Frame {
                rtp_time,
                base: seq.saturating_sub(BEFORE),
                seen: [0; WINDOW / 64],
                start: None,
                marker: None,
            }),
        };
        let Some(bit) = seq.checked_sub(frame.base).filter(|b| *b < WINDOW as u64) else {
            return Progress::Partial;
        };
        frame.seen[(bit / 64) as usize] |= 1 << (bit % 64);
        if starts_keyframe(payload) {
            frame.start = Some(frame.start.map_or(bit, |start| start.min(bit)));
        }
        if marker {
            frame.marker = Some(bit);
        }
        match (frame.start, frame.marker) {
            (None, _) => Progress::NotKeyframe,
            (Some(start), Some(end)) if (start..=end).all(|b| frame.has(b)) => {
                self.done = true;
                self.frame = None;
                Progress::Complete
            }
            _ => Progress::Partial,
        }
    }
}

impl Frame {
    fn has(&self, bit: u64) -> bool {
        self.seen[(bit / 64) as usize] & 1 << (bit % 64) != 0
    }
}

/// Whether an RTP payload holds an SPS (RFC 6184 5.2): a key frame that a
/// player can start with begins with one.
fn starts_keyframe(payload: &[u8]) -> bool {
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    let is_sps = |header: u8| header & 0x1f == SPS;
    match payload {
        [header, rest @ ..] if header & 0x1f == STAP_A => {
            let mut rest = rest;
            while let [high, low, nal @ ..] = rest {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                if nal.first().is_some_and(|header| is_sps(*header)) {
                    return true;
                }
                rest = nal.get(len..).unwrap_or(&[]);
            }
            false
        }
        [header, ..] => is_sps(*header),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAP: &[u8] = &[0x78, 0, 1, 0x67, 0, 1, 0x68];
    const FU_START: &[u8] = &[0x7c, 0x85, 1];
    const FU_MIDDLE: &[u8] = &[0x7c, 0x05, 1];
    const DELTA: &[u8] = &[0x41, 1];

    #[test]
    fn a_key_frame_is_complete_with_its_last_packet_in_any_order() {
        let packets = [
            (10, false, STAP),
            (11, false, FU_START),
            (12, false, FU_MIDDLE),
            (13, true, FU_MIDDLE),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
            let mut watch = KeyframeWatch::default();
            for (step, index) in order.into_iter().enumerate() {
                let (seq, marker, payload) = packets[index];
                let progress = watch.handle(seq, 900, marker, payload);
                assert_eq!(progress == Progress::Complete, step == 3, "{order:?}");
            }
            assert_eq!(watch.handle(14, 3_900, true, DELTA), Progress::Done);
        }
    }

    #[test]
    fn a_frame_with_a_hole_or_without_its_start_is_never_complete() {
        let mut watch = KeyframeWatch::default();
        assert_eq!(watch.handle(10, 1, false, STAP), Progress::Partial);
        assert_eq!(watch.handle(12, 1, true, FU_MIDDLE), Progress::Partial);
        assert_eq!(watch.handle(13, 2, true, FU_MIDDLE), Progress::NotKeyframe);
        assert_eq!(watch.handle(14, 3, true, DELTA), Progress::NotKeyframe);
    }

    #[test]
    fn lying_lengths_in_an_aggregate_end_the_look() {
        assert!(!starts_keyframe(&[0x78, 0xff, 0xff, 0x41]));
        assert!(!starts_keyframe(&[0x78, 0, 0, 0, 0, 0]));
        assert!(starts_keyframe(&[0x78, 0, 1, 0x06, 0, 9, 0x67]));
    }
}
