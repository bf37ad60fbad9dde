//! The sequence parameter set, as far as it says what a decoder must know (Rec. ITU-T H.265 section
//! 7.3.2.2).

use super::nal::{self, id};
use crate::video::Bits;

/// What is read from an SPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) id: u8,
    pub(super) vps_id: u8,
    pub(super) level: Level,
    pub(super) temporal_layers: u8,
    pub(super) is_temporally_nested: bool,
    pub(super) width: u16,
    pub(super) height: u16,
    /// `chroma_format_idc`.
    pub(super) chroma_format: u8,
    pub(super) bit_depth_luma_minus8: u8,
    pub(super) bit_depth_chroma_minus8: u8,
}

/// The general part of `profile_tier_level` (section 7.3.3), as it stands there: profile space,
/// tier and profile in the first byte, then 32 compatibility flags, 48 bits of constraints, and the
/// level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(pub(super) [u8; 12]);

impl Sequence {
    /// Reads the SPS `nal`; nothing if it is none, or one of a picture beyond what containers can
    /// say.
    pub(super) fn read(nal: &[u8]) -> Option<Self> {
        let rbsp = nal::rbsp(nal);
        let mut bits = Bits::new(&rbsp);
        let vps_id = bits.byte(4)?;
        let sub_layers = bits.byte(3)?;
        if sub_layers > MAX_SUB_LAYERS {
            return None;
        }
        let is_temporally_nested = bits.flag()?;
        let mut level = [0; 12];
        for byte in &mut level {
            *byte = bits.byte(8)?;
        }
        skip_sub_layers(&mut bits, sub_layers)?;
        let id = id(&mut bits, 15)?;
        let chroma_format = u8::try_from(bits.ue()?)
            .ok()
            .filter(|format| *format <= 3)?;
        // separate_colour_plane_flag
        if chroma_format == 3 {
            bits.skip(1)?;
        }
        let coded = [bits.ue()?, bits.ue()?];
        let cropped = match bits.flag()? {
            true => {
                let [left, right, top, bottom] = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
                [left.checked_add(right)?, top.checked_add(bottom)?]
            }
            false => [0, 0],
        };
        // SubWidthC and SubHeightC (table 6-1).
        let units = match chroma_format {
            1 => [2, 2],
            2 => [2, 1],
            _ => [1, 1],
        };
        let side = |axis: usize| {
            let cropped = cropped[axis].checked_mul(units[axis])?;
            let side = coded[axis].checked_sub(cropped)?;
            let side = u16::try_from(side).ok()?;
            (1..=MAX_SIDE).contains(&side).then_some(side)
        };
        let depth = |bits: &mut Bits<'_>| {
            let depth = u8::try_from(bits.ue()?).ok()?;
            (depth <= MAX_DEPTH_MINUS8).then_some(depth)
        };
        Some(Sequence {
            id,
            vps_id,
            level: Level(level),
            temporal_layers: sub_layers + 1,
            is_temporally_nested,
            width: side(0)?,
            height: side(1)?,
            chroma_format,
            bit_depth_luma_minus8: depth(&mut bits)?,
            bit_depth_chroma_minus8: depth(&mut bits)?,
        })
    }
}

/// Profiles and levels of the layers below the highest (section 7.3.3).
fn skip_sub_layers(bits: &mut Bits<'_>, sub_layers: u8) -> Option<()> {
    if sub_layers == 0 {
        return Some(());
    }
    let mut length = 0;
    for _ in 0..sub_layers {
        // sub_layer_profile_present_flag, sub_layer_level_present_flag
        length += if bits.flag()? { 88 } else { 0 };
        length += if bits.flag()? { 8 } else { 0 };
    }
    // reserved_zero_2bits of those that are not there.
    bits.skip(2 * u32::from(8 - sub_layers))?;
    bits.skip(length)
}

impl Level {
    /// ISO/IEC 14496-15 section E.3.
    pub(super) fn codec_string(&self) -> String {
        let [profile, c0, c1, c2, c3, constraints @ .., level] = self.0;
        let space = match profile >> 6 {
            0 => "",
            1 => "A",
            2 => "B",
            _ => "C",
        };
        let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
        // The first flag is the lowest bit.
        let compatible = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
        let mut text = format!(
            "hvc1.{space}{}.{compatible:X}.{tier}{level}",
            profile & 0x1f
        );
        // Zeros behind the last byte that is none are left out.
        let used = constraints.iter().rposition(|byte| *byte != 0);
        for byte in &constraints[..used.map_or(0, |last| last + 1)] {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }
}

/// `sps_max_sub_layers_minus1` (section 7.4.3.2.1).
const MAX_SUB_LAYERS: u8 = 6;
/// Luma samples each way: as for H.264, and about what level 6.2 ends at.
const MAX_SIDE: u16 = 16_384;
/// Sixteen bits.
const MAX_DEPTH_MINUS8: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{H265_SPS_640X360, H265_SPS_MAIN10_1080};

    #[test]
    fn encoders_sets_say_size_level_and_depth() {
        let small = Sequence::read(H265_SPS_640X360).expect("a set of x265");
        assert_eq!((small.width, small.height), (640, 360));
        assert_eq!((small.chroma_format, small.bit_depth_luma_minus8), (1, 0));
        assert_eq!((small.id, small.vps_id, small.temporal_layers), (0, 0, 1));
        assert_eq!(small.level.codec_string(), "hvc1.1.6.L63.90");
        // 1080 lines of 8 are 1,088: the window is read.
        let large = Sequence::read(H265_SPS_MAIN10_1080).expect("a set of x265");
        assert_eq!((large.width, large.height), (1920, 1080));
        assert_eq!(
            [large.bit_depth_luma_minus8, large.bit_depth_chroma_minus8],
            [2, 2]
        );
        assert!(large.level.codec_string().starts_with("hvc1.2.4.L"));
    }

    #[test]
    fn codec_strings_are_those_of_the_standard() {
        // Those of ISO/IEC 14496-15 section E.3, and one without constraints.
        let main = [1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93];
        assert_eq!(Level(main).codec_string(), "hvc1.1.6.L93.B0");
        let other = [0x64, 0x82, 0, 0, 0, 0xb0, 0x23, 0, 0, 0, 0, 120];
        assert_eq!(Level(other).codec_string(), "hvc1.A4.41.H120.B0.23");
        let high = [0x21, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 153];
        assert_eq!(Level(high).codec_string(), "hvc1.1.6.H153");
    }

    #[test]
    fn truncated_sets_are_nothing() {
        // Up to the bit depths, which is all that is read.
        for length in 0..20 {
            assert_eq!(
                Sequence::read(&H265_SPS_640X360[..length]),
                None,
                "{length}"
            );
        }
    }

    /// An SPS of bits: `head` sub-layers, then `fields` as Exp-Golomb codes.
    fn set(sub_layers: u32, present: &str, fields: &[u32], end: &str) -> Vec<u8> {
        let mut bits = format!("0000{sub_layers:03b}1");
        bits += &"00000001".repeat(12);
        bits += present;
        for field in fields {
            let code = format!("{:b}", field + 1);
            bits += &"0".repeat(code.len() - 1);
            bits += &code;
        }
        bits += end;
        let byte = |bits: &[u8]| {
            let ones = bits.iter().enumerate();
            ones.fold(0, |byte, (at, bit)| byte | (bit - b'0') << (7 - at))
        };
        let bytes: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
        [&[0x42, 0x01][..], &bytes].concat()
    }

    #[test]
    fn sub_layers_are_passed_over() {
        // Two below the highest: one with a profile, one with a level; six that are not there.
        let present = format!("1001{}{}", "0".repeat(12), "1".repeat(96));
        let nal = set(2, &present, &[3, 1, 64, 48], "0111");
        let read = Sequence::read(&nal).expect("it is whole");
        assert_eq!((read.id, read.temporal_layers), (3, 3));
        assert_eq!((read.width, read.height), (64, 48));
        assert_eq!(
            Sequence::read(&set(7, &present, &[3, 1, 64, 48], "0111")),
            None
        );
    }

    #[test]
    fn absurd_sizes_windows_and_depths_are_refused() {
        let read = |fields: &[u32], end: &str| Sequence::read(&set(0, "", fields, end));
        assert!(read(&[0, 1, 16_384, 2], "0111").is_some());
        assert_eq!(read(&[0, 1, 16_385, 2], "0111"), None);
        assert_eq!(read(&[0, 1, 0, 2], "0111"), None);
        assert_eq!(read(&[0, 1, u32::MAX - 1, 2], "0111"), None);
        // Chroma format 4, and an id of 16.
        assert_eq!(read(&[0, 4, 64, 48], "0111"), None);
        assert_eq!(read(&[16, 1, 64, 48], "0111"), None);
        // A window of ue(1) on each side crops four of 64 and of 48.
        let cropped = read(&[0, 1, 64, 48], "1010010010010111").expect("it is whole");
        assert_eq!((cropped.width, cropped.height), (60, 44));
        assert_eq!(read(&[0, 1, 4, 4], "1010010010010111"), None);
        // A depth of 8 + 9 bits.
        assert_eq!(read(&[0, 1, 64, 48], "000010101"), None);
    }
}
