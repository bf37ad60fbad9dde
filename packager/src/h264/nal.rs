//! NAL units: their types, and the few fields read from them.

use h264_reader::rbsp::{BitRead, BitReader, ByteReader};

/// NAL unit types (ISO/IEC 14496-10 table 7-1).
pub(crate) const NON_IDR_SLICE: u8 = 1;
pub(crate) const IDR_SLICE: u8 = 5;
pub(crate) const SPS: u8 = 7;
pub(crate) const PPS: u8 = 8;
pub(crate) const ACCESS_UNIT_DELIMITER: u8 = 9;
/// RTP payload structures (RFC 6184 table 1).
pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;

/// The type in the first byte of a NAL unit or RTP payload.
pub(crate) fn nal_type(header: u8) -> u8 {
    header & 0x1f
}

/// The parameter sets that a PPS is and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PpsIds {
    pub(crate) pps: u8,
    pub(crate) sps: u8,
}

/// The ids at the start of the PPS `nal` (§7.3.2.2).
pub(crate) fn pps_ids(nal: &[u8]) -> Option<PpsIds> {
    let mut bits = bits(nal);
    let pps = bits.read_ue("pic_parameter_set_id").ok()?;
    let sps = bits.read_ue("seq_parameter_set_id").ok()?;
    if sps > 31 {
        return None;
    }
    Some(PpsIds {
        pps: u8::try_from(pps).ok()?,
        sps: sps as u8,
    })
}

/// The id of the PPS that the slice `nal` uses (§7.3.3).
pub(crate) fn slice_pps_id(nal: &[u8]) -> Option<u8> {
    // Three Exp-Golomb codes of at most 63 bits each, doubled for emulation
    // prevention: the rest of the slice is of no interest.
    let mut bits = bits(&nal[..nal.len().min(64)]);
    bits.read_ue("first_mb_in_slice").ok()?;
    bits.read_ue("slice_type").ok()?;
    u8::try_from(bits.read_ue("pic_parameter_set_id").ok()?).ok()
}

/// A reader of the bits behind the header byte of `nal`.
pub(crate) fn bits(nal: &[u8]) -> BitReader<ByteReader<&[u8]>> {
    BitReader::new(ByteReader::skipping_h264_header(nal))
}

/// `nal` without the zero bytes that may trail it (§7.4.1).
pub(crate) fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_past_the_header() {
        // ue(0) ue(0): bits 1 1.
        assert_eq!(
            pps_ids(&[0x68, 0xce, 0x38, 0x80]),
            Some(PpsIds { pps: 0, sps: 0 })
        );
        // ue(1) ue(2): bits 010 011.
        assert_eq!(
            pps_ids(&[0x68, 0b0100_1110]),
            Some(PpsIds { pps: 1, sps: 2 })
        );
        // ue(0) ue(7) ue(3): bits 1 0001000 00100.
        assert_eq!(slice_pps_id(&[0x65, 0b1000_1000, 0b0010_0100]), Some(3));
    }

    #[test]
    fn truncated_units_have_no_ids() {
        for nal in [&[][..], &[0x68], &[0x68, 0x00], &[0x68, 0x00, 0x00, 0x00]] {
            assert_eq!(pps_ids(nal), None);
            assert_eq!(slice_pps_id(nal), None);
        }
    }

    #[test]
    fn trailing_zeros_are_cut() {
        assert_eq!(trimmed(&[0x67, 1, 0, 0]), [0x67, 1]);
        assert_eq!(trimmed(&[0, 0]), [0u8; 0]);
    }
}
