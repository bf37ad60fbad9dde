//! NAL units: their types, and the few fields read from them (Rec. ITU-T H.265 section 7.3).

use crate::video::Bits;

/// NAL unit types (table 7-1).
pub(super) const RASL_N: u8 = 8;
pub(super) const RASL_R: u8 = 9;
pub(super) const BLA_W_LP: u8 = 16;
pub(super) const CRA: u8 = 21;
pub(crate) const VPS: u8 = 32;
pub(crate) const SPS: u8 = 33;
pub(crate) const PPS: u8 = 34;
pub(super) const DELIMITER: u8 = 35;
pub(super) const END_OF_SEQUENCE: u8 = 36;
/// RTP payload structures (RFC 7798 section 4.4).
pub(super) const AGGREGATION: u8 = 48;
pub(super) const FRAGMENT: u8 = 49;

/// The header of a NAL unit and of an RTP payload (section 7.3.1.2, RFC 7798 section 1.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    /// `nuh_layer_id`: 0 for the base layer, which alone is decoded by version 1.
    pub(super) layer: u8,
}

impl Header {
    /// The header of `nal` and what is behind it; nothing if it is none.
    pub(super) fn read(nal: &[u8]) -> Option<(Self, &[u8])> {
        let ([first, second], rest) = nal.split_first_chunk()?;
        // forbidden_zero_bit, and nuh_temporal_id_plus1, which is never 0.
        if first & 0x80 != 0 || second & 0x07 == 0 {
            return None;
        }
        let header = Header {
            kind: first >> 1 & 0x3f,
            layer: (first & 1) << 5 | second >> 3,
        };
        Some((header, rest))
    }
}

/// A slice segment of a picture, of the types that are not reserved.
pub(super) fn is_slice(kind: u8) -> bool {
    kind <= RASL_R || is_irap(kind)
}

/// An intra random access point picture: BLA, IDR or CRA.
pub(super) fn is_irap(kind: u8) -> bool {
    (BLA_W_LP..=CRA).contains(&kind)
}

/// A leading picture that may refer to pictures before its IRAP picture.
pub(super) fn is_skipped_leading(kind: u8) -> bool {
    (RASL_N..=RASL_R).contains(&kind)
}

/// What is read from the header of a slice segment (section 7.3.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// `first_slice_segment_in_pic_flag`.
    pub(super) is_first: bool,
    pub(super) pps_id: u8,
}

impl Slice {
    /// Reads the slice segment `nal` of the type `kind`.
    pub(super) fn read(kind: u8, nal: &[u8]) -> Option<Self> {
        // Two flags and a code of 13 bits: the rest is of no interest.
        let rbsp = rbsp(&nal[..nal.len().min(16)]);
        let mut bits = Bits::new(&rbsp);
        let is_first = bits.flag()?;
        if is_irap(kind) {
            // no_output_of_prior_pics_flag
            bits.skip(1)?;
        }
        let pps_id = id(&mut bits, 63)?;
        Some(Slice { is_first, pps_id })
    }
}

/// The ids at the start of the PPS `nal`: its own, and that of its SPS (section 7.3.2.3.1).
pub(super) fn pps_ids(nal: &[u8]) -> Option<(u8, u8)> {
    let rbsp = rbsp(nal);
    let mut bits = Bits::new(&rbsp);
    Some((id(&mut bits, 63)?, id(&mut bits, 15)?))
}

/// The id at the start of the VPS `nal` (section 7.3.2.1).
pub(super) fn vps_id(nal: &[u8]) -> Option<u8> {
    Some(nal.get(2)? >> 4)
}

/// An id of up to `max`.
pub(super) fn id(bits: &mut Bits<'_>, max: u8) -> Option<u8> {
    let id = u8::try_from(bits.ue()?).ok()?;
    (id <= max).then_some(id)
}

/// What is behind the header of `nal`, without emulation prevention (section 7.3.1.1).
pub(super) fn rbsp(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal.iter().copied().skip(2) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

/// `nal` without the zero bytes that may trail it (section 7.4.2).
pub(super) fn trimmed(nal: &[u8]) -> &[u8] {
    let last = nal.iter().rposition(|byte| *byte != 0);
    &nal[..last.map_or(0, |last| last + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_type_and_layer() {
        let read = |nal: &[u8]| Header::read(nal).map(|(header, _)| (header.kind, header.layer));
        assert_eq!(read(&[0x40, 0x01]), Some((VPS, 0)));
        assert_eq!(read(&[0x26, 0x01, 0xaf]), Some((19, 0)));
        assert_eq!(read(&[0x03, 0x0a]), Some((1, 33)));
        for broken in [&[][..], &[0x40], &[0xc0, 0x01], &[0x40, 0x08]] {
            assert_eq!(read(broken), None, "{broken:02x?}");
        }
    }

    #[test]
    fn slices_say_whether_they_are_first_and_which_pps_they_use() {
        let first = |is_first, pps_id| Some(Slice { is_first, pps_id });
        // An IDR has a flag before the id: 1 0 ue(0).
        assert_eq!(Slice::read(19, &[0x26, 0x01, 0b1010_0000]), first(true, 0));
        // 0 ue(2).
        assert_eq!(Slice::read(1, &[0x02, 0x01, 0b0011_0000]), first(false, 2));
        // ue(64) is no id.
        let wide = [0x02, 0x01, 0b1000_0001, 0b0000_0100];
        assert_eq!(Slice::read(1, &wide), None);
        assert_eq!(Slice::read(1, &[0x02, 0x01]), None);
    }

    #[test]
    fn ids_are_read_past_the_header() {
        assert_eq!(vps_id(&[0x40, 0x01, 0x5c]), Some(5));
        assert_eq!(vps_id(&[0x40, 0x01]), None);
        // ue(0) ue(0), as of x265.
        assert_eq!(pps_ids(&[0x44, 0x01, 0xc1, 0x72]), Some((0, 0)));
        // ue(3) ue(16): an SPS id too many.
        assert_eq!(pps_ids(&[0x44, 0x01, 0b0010_0000, 0b0100_0100]), None);
        assert_eq!(pps_ids(&[0x44, 0x01]), None);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let nal = [0x40, 0x01, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3];
        assert_eq!(rbsp(&nal), [0, 0, 1, 0, 0, 0, 0, 3]);
        assert_eq!(trimmed(&[0x40, 1, 0, 0]), [0x40, 1]);
        assert_eq!(trimmed(&[0, 0]), [0u8; 0]);
    }
}
