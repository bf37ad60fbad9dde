//! Where a decoder can enter a stream.

use packager::rtp::Codec;

/// What a payload is to somebody who has not seen the stream so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing can start here.
    No,
    /// Part of a key frame; its start only if the packet before belongs to another frame.
    IfFrameStarts,
    /// The start of a key frame.
    Yes,
}

/// Whether a decoder that has seen nothing can start with this payload and the ones after it.
///
/// For audio that is every packet. For H.264 a sequence parameter set is a start, for H.265 a video
/// parameter set; a slice of a key frame may be the second one of its frame.
pub fn entry(codec: Codec, payload: &[u8]) -> Entry {
    let sure = match codec {
        Codec::H264 => return h264(payload),
        Codec::H265 => return h265(payload),
        Codec::Vp8 => vp8(payload).unwrap_or(false),
        Codec::Vp9 => vp9(payload).unwrap_or(false),
        Codec::Av1 => av1(payload),
        Codec::Opus => true,
    };
    if sure { Entry::Yes } else { Entry::No }
}

/// RFC 6184 §5.
fn h264(payload: &[u8]) -> Entry {
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    const FU_START: u8 = 0x80;
    let Some((&head, rest)) = payload.split_first() else {
        return Entry::No;
    };
    match head & 0x1f {
        STAP_A => {
            let mut rest = rest;
            while let [high, low, tail @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match tail.first() {
                    Some(&nal) if length > 0 && nal_entry(nal) != Entry::No => {
                        return nal_entry(nal);
                    }
                    _ => rest = tail.get(length..).unwrap_or_default(),
                }
            }
            Entry::No
        }
        FU_A => match rest.first() {
            Some(&fu) if fu & FU_START != 0 => nal_entry(fu),
            _ => Entry::No,
        },
        _ => nal_entry(head),
    }
}

fn nal_entry(byte: u8) -> Entry {
    const SLICE_IDR: u8 = 5;
    const SPS: u8 = 7;
    match byte & 0x1f {
        SPS => Entry::Yes,
        SLICE_IDR => Entry::IfFrameStarts,
        _ => Entry::No,
    }
}

/// RFC 7798 §4.4.
fn h265(payload: &[u8]) -> Entry {
    const AGGREGATION: u8 = 48;
    const FRAGMENT: u8 = 49;
    const FU_START: u8 = 0x80;
    let Some(([head, _], rest)) = payload.split_first_chunk() else {
        return Entry::No;
    };
    match head >> 1 & 0x3f {
        AGGREGATION => {
            let mut rest = rest;
            while let [high, low, tail @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let found = tail.first().map_or(Entry::No, |nal| h265_entry(nal >> 1));
                if length > 0 && found != Entry::No {
                    return found;
                }
                rest = tail.get(length..).unwrap_or_default();
            }
            Entry::No
        }
        FRAGMENT => match rest.first() {
            Some(&fu) if fu & FU_START != 0 => h265_entry(fu),
            _ => Entry::No,
        },
        kind => h265_entry(kind),
    }
}

fn h265_entry(kind: u8) -> Entry {
    const VPS: u8 = 32;
    const SPS: u8 = 33;
    match kind & 0x3f {
        VPS => Entry::Yes,
        // BLA, IDR and CRA pictures.
        16..=21 | SPS => Entry::IfFrameStarts,
        _ => Entry::No,
    }
}

/// RFC 7741 §4.2 and §4.3: the start of partition 0 with the inverse key frame bit clear.
fn vp8(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let starts = first & 0x10 != 0 && first & 0x0f == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(at)?;
        at += 1;
        if extension & 0x80 != 0 {
            let wide = *payload.get(at)? & 0x80 != 0;
            at += if wide { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            at += 1;
        }
        if extension & 0x30 != 0 {
            at += 1;
        }
    }
    Some(starts && *payload.get(at)? & 0x01 == 0)
}

/// RFC 9628 §4.2: not inter-picture predicted, start of a frame, lowest spatial layer.
fn vp9(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    let picture_id = first & 0x80 != 0;
    let predicted = first & 0x40 != 0;
    let layers = first & 0x20 != 0;
    let starts = first & 0x08 != 0;
    let mut at = 1;
    if picture_id {
        let wide = *payload.get(at)? & 0x80 != 0;
        at += if wide { 2 } else { 1 };
    }
    let lowest = if layers {
        let byte = *payload.get(at)?;
        (byte >> 1) & 0x07 == 0
    } else {
        true
    };
    Some(!predicted && starts && lowest)
}

/// AV1 RTP payload, aggregation header: N says that a new coded video sequence starts.
fn av1(payload: &[u8]) -> bool {
    payload.first().is_some_and(|byte| byte & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure(codec: Codec, payload: &[u8]) -> bool {
        entry(codec, payload) == Entry::Yes
    }

    #[test]
    fn h264_key_frames_are_found_in_every_packing() {
        for (payload, wanted) in [
            (&[0x67, 0x42][..], Entry::Yes),
            (&[0x65, 0x88], Entry::IfFrameStarts),
            (&[0x41, 0x9a], Entry::No),
            (&[0x68, 0xce], Entry::No),
            (&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce], Entry::Yes),
            (
                &[0x78, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88],
                Entry::IfFrameStarts,
            ),
            (&[0x78, 0, 2, 0x41, 0x9a], Entry::No),
            (&[0x7c, 0x85, 0x88], Entry::IfFrameStarts),
            (&[0x7c, 0x05, 0x88], Entry::No),
            (&[0x7c, 0x81], Entry::No),
            (&[], Entry::No),
            (&[0x78], Entry::No),
            (&[0x78, 0], Entry::No),
            (&[0x78, 0xff, 0xff, 0x41], Entry::No),
            (&[0x78, 0, 0, 0, 0], Entry::No),
            (&[0x7c], Entry::No),
        ] {
            assert_eq!(entry(Codec::H264, payload), wanted, "{payload:02x?}");
        }
    }

    #[test]
    fn h265_key_frames_are_found_in_every_packing() {
        for (payload, wanted) in [
            (&[0x40, 0x01, 0x0c][..], Entry::Yes),
            (&[0x42, 0x01], Entry::IfFrameStarts),
            (&[0x44, 0x01], Entry::No),
            // BLA_W_LP, IDR_N_LP, CRA; what is reserved behind them, and RASL.
            (&[0x20, 0x01, 0xac], Entry::IfFrameStarts),
            (&[0x28, 0x01, 0xac], Entry::IfFrameStarts),
            (&[0x2a, 0x01, 0xac], Entry::IfFrameStarts),
            (&[0x2c, 0x01, 0xac], Entry::No),
            (&[0x12, 0x01, 0xd0], Entry::No),
            (&[0x02, 0x01, 0xd0], Entry::No),
            (&[0x60, 1, 0, 2, 0x46, 1, 0, 2, 0x40, 1], Entry::Yes),
            (
                &[0x60, 1, 0, 2, 0x44, 1, 0, 2, 0x26, 1],
                Entry::IfFrameStarts,
            ),
            (&[0x60, 1, 0, 2, 0x02, 1], Entry::No),
            (&[0x62, 1, 0x80 | 19, 0xac], Entry::IfFrameStarts),
            (&[0x62, 1, 19, 0xac], Entry::No),
            (&[0x62, 1, 0x80 | 1], Entry::No),
            (&[], Entry::No),
            (&[0x40], Entry::No),
            (&[0x60, 1], Entry::No),
            (&[0x60, 1, 0], Entry::No),
            (&[0x60, 1, 0xff, 0xff, 0x02], Entry::No),
            (&[0x60, 1, 0, 0, 0, 0], Entry::No),
            (&[0x62, 1], Entry::No),
        ] {
            assert_eq!(entry(Codec::H265, payload), wanted, "{payload:02x?}");
        }
    }

    #[test]
    fn vp8_key_frames_are_found_behind_extensions() {
        for (payload, wanted) in [
            (&[0x10, 0x00][..], true),
            (&[0x10, 0x01], false),
            (&[0x00, 0x00], false),
            (&[0x11, 0x00], false),
            (&[0x90, 0x80, 0x81, 0x02, 0x00], true),
            (&[0x90, 0xe0, 0x01, 0x02, 0x03, 0x01], false),
            (&[0x90, 0xf0, 0x01, 0x02, 0x03, 0x00], true),
            (&[0x90], false),
            (&[0x90, 0x80], false),
            (&[], false),
        ] {
            assert_eq!(sure(Codec::Vp8, payload), wanted, "{payload:02x?}");
        }
    }

    #[test]
    fn vp9_key_frames_start_the_lowest_layer() {
        for (payload, wanted) in [
            (&[0x88, 0x01][..], true),
            (&[0xc8, 0x01], false),
            (&[0x80, 0x01], false),
            (&[0xa8, 0x81, 0x02, 0x00], true),
            (&[0xa8, 0x81, 0x02, 0x02], false),
            (&[0xa8, 0x81], false),
            (&[], false),
        ] {
            assert_eq!(sure(Codec::Vp9, payload), wanted, "{payload:02x?}");
        }
    }

    #[test]
    fn av1_sequences_and_opus_packets_can_be_entered() {
        assert!(sure(Codec::Av1, &[0x18]));
        assert!(!sure(Codec::Av1, &[0x10]));
        assert!(!sure(Codec::Av1, &[]));
        assert!(sure(Codec::Opus, &[0xfc]));
    }
}
