//! The configuration that H.264 parameter sets make.

use bytes::{BufMut, Bytes, BytesMut};
use h264_reader::nal::sps::{ChromaFormat, SeqParameterSet};

use super::nal::{self, bits, nal_type};
use crate::video::{Description, VideoCodec, VideoConfig};

/// Why parameter sets make no [`VideoConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParameterSets {
    /// The sequence parameter set does not parse.
    #[error("sequence parameter set of {length} bytes does not parse: {reason}")]
    Sps {
        /// Its length in bytes.
        length: usize,
        /// What the parser said.
        reason: String,
    },
    /// The picture has no size or one beyond what containers can say.
    #[error(
        "sequence parameter set: a picture of {width}x{height}, 1 to 16384 each way are allowed"
    )]
    PictureSize {
        /// Luma samples across.
        width: u32,
        /// Luma samples down.
        height: u32,
    },
    /// The picture parameter set does not parse.
    #[error("picture parameter set of {length} bytes does not parse")]
    Pps {
        /// Its length in bytes.
        length: usize,
    },
    /// No picture parameter set, or more than a configuration record can count.
    #[error("{count} picture parameter sets, 1 to {MAX_PPS} are allowed")]
    PpsCount {
        /// How many there are.
        count: usize,
    },
    /// A parameter set is longer than any real one.
    #[error("parameter set of {length} bytes, at most {MAX_PARAMETER_SET} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl VideoConfig {
    /// The configuration made of one SPS and the PPSs that refer to it, each a
    /// NAL unit without start code or length.
    pub fn h264(sps: &[u8], pps: &[&[u8]]) -> Result<Self, BadParameterSets> {
        let sps = nal::trimmed(sps);
        let parsed = ParsedSps::new(sps)?;
        if pps.is_empty() || pps.len() > MAX_PPS {
            return Err(BadParameterSets::PpsCount { count: pps.len() });
        }
        let mut sets = Vec::with_capacity(pps.len());
        for pps in pps.iter().copied().map(nal::trimmed) {
            check_length(pps)?;
            if pps.first().map(|header| nal_type(*header)) != Some(nal::PPS)
                || nal::pps_ids(pps).is_none()
            {
                return Err(BadParameterSets::Pps { length: pps.len() });
            }
            sets.push(pps);
        }
        Ok(Description {
            codec: VideoCodec::H264,
            width: parsed.width,
            height: parsed.height,
            codec_string: codec_string(sps),
            record: configuration_record(sps, &sets, &parsed),
        }
        .into())
    }
}

/// What is read from an SPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedSps {
    pub(crate) id: u8,
    width: u16,
    height: u16,
    chroma_format: u8,
    bit_depth_luma_minus8: u8,
    bit_depth_chroma_minus8: u8,
}

impl ParsedSps {
    pub(crate) fn new(sps: &[u8]) -> Result<Self, BadParameterSets> {
        let length = sps.len();
        check_length(sps)?;
        let bad = |reason: String| BadParameterSets::Sps { length, reason };
        match sps.first() {
            Some(header) if nal_type(*header) == nal::SPS => {}
            _ => return Err(bad("its NAL unit type is not 7".to_owned())),
        }
        let parsed =
            SeqParameterSet::from_bits(bits(sps)).map_err(|error| bad(format!("{error:?}")))?;
        if parsed.pic_width_in_mbs_minus1 >= MAX_MACROBLOCKS
            || parsed.pic_height_in_map_units_minus1 >= MAX_MACROBLOCKS
        {
            return Err(BadParameterSets::PictureSize {
                width: parsed
                    .pic_width_in_mbs_minus1
                    .saturating_add(1)
                    .saturating_mul(16),
                height: parsed
                    .pic_height_in_map_units_minus1
                    .saturating_add(1)
                    .saturating_mul(16),
            });
        }
        let (width, height) = parsed
            .pixel_dimensions()
            .map_err(|error| bad(format!("{error:?}")))?;
        let size = |value: u32| {
            u16::try_from(value)
                .ok()
                .filter(|v| (1..=MAX_SIDE).contains(v))
        };
        let (Some(width), Some(height)) = (size(width), size(height)) else {
            return Err(BadParameterSets::PictureSize { width, height });
        };
        Ok(ParsedSps {
            id: parsed.id().id(),
            width,
            height,
            chroma_format: match parsed.chroma_info.chroma_format {
                ChromaFormat::Monochrome => 0,
                ChromaFormat::YUV420 => 1,
                ChromaFormat::YUV422 => 2,
                ChromaFormat::YUV444 => 3,
                ChromaFormat::Invalid(_) => return Err(bad("its chroma format is unknown".into())),
            },
            bit_depth_luma_minus8: parsed.chroma_info.bit_depth_luma_minus8,
            bit_depth_chroma_minus8: parsed.chroma_info.bit_depth_chroma_minus8,
        })
    }
}

/// PPSs in one configuration. The record's count is a byte; encoders use one
/// or a few.
pub(crate) const MAX_PPS: usize = 32;
/// Bytes in a parameter set. Real ones have 10 to 800; the record's lengths
/// are 16 bits wide.
pub(crate) const MAX_PARAMETER_SET: usize = 2_048;
/// Luma samples each way: level 6.2 ends at 16,880 across.
const MAX_SIDE: u16 = 16_384;
const MAX_MACROBLOCKS: u32 = MAX_SIDE as u32 / 16;

fn check_length(set: &[u8]) -> Result<(), BadParameterSets> {
    if set.len() > MAX_PARAMETER_SET {
        return Err(BadParameterSets::TooLong { length: set.len() });
    }
    Ok(())
}

/// RFC 6381 section 3.3.
fn codec_string(sps: &[u8]) -> String {
    // The SPS has parsed, so these three bytes are there.
    match sps {
        [_, profile, constraints, level, ..] => {
            format!("avc1.{profile:02X}{constraints:02X}{level:02X}")
        }
        _ => "avc1".to_owned(),
    }
}

fn configuration_record(sps: &[u8], pps: &[&[u8]], parsed: &ParsedSps) -> Bytes {
    let length = 11 + 4 + sps.len() + pps.iter().map(|pps| 2 + pps.len()).sum::<usize>();
    let mut record = BytesMut::with_capacity(length);
    record.put_u8(1); // configurationVersion
    record.put_slice(&sps[1..4]); // AVCProfileIndication, profile_compatibility, level
    record.put_u8(0xfc | 3); // lengthSizeMinusOne: 4-byte lengths
    record.put_u8(0xe0 | 1); // numOfSequenceParameterSets
    record.put_u16(sps.len() as u16);
    record.put_slice(sps);
    record.put_u8(pps.len() as u8);
    for pps in pps {
        record.put_u16(pps.len() as u16);
        record.put_slice(pps);
    }
    // §5.3.3.1.2 adds these for the High profiles.
    if matches!(sps[1], 100 | 110 | 122 | 144) {
        record.put_u8(0xfc | parsed.chroma_format);
        record.put_u8(0xf8 | parsed.bit_depth_luma_minus8);
        record.put_u8(0xf8 | parsed.bit_depth_chroma_minus8);
        record.put_u8(0); // numOfSequenceParameterSetExt
    }
    record.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{PPS, SPS_320X180, SPS_640X360, SPS_HIGH_1080};

    #[test]
    fn size_and_codec_string_come_from_the_sps() {
        let config = VideoConfig::h264(SPS_640X360, &[PPS]).expect("a real SPS");
        assert_eq!((config.width(), config.height()), (640, 360));
        assert_eq!(config.codec_string(), "avc1.42C01E");
    }

    #[test]
    fn the_configuration_record_is_byte_exact() {
        let config = VideoConfig::h264(SPS_640X360, &[PPS]).expect("a real SPS");
        let mut expected = vec![1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, SPS_640X360.len() as u8];
        expected.extend_from_slice(SPS_640X360);
        expected.extend_from_slice(&[1, 0, PPS.len() as u8]);
        expected.extend_from_slice(PPS);
        assert_eq!(config.configuration_record().as_ref(), expected);
    }

    #[test]
    fn high_profile_adds_chroma_and_bit_depth() {
        let config = VideoConfig::h264(SPS_HIGH_1080, &[PPS]).expect("a real SPS");
        assert_eq!((config.width(), config.height()), (1920, 1080));
        assert!(
            config
                .configuration_record()
                .ends_with(&[0xfd, 0xf8, 0xf8, 0])
        );
    }

    #[test]
    fn equality_is_of_content() {
        let config = VideoConfig::h264(SPS_640X360, &[PPS]);
        assert_eq!(config, VideoConfig::h264(SPS_640X360, &[PPS]));
        assert_ne!(config, VideoConfig::h264(SPS_320X180, &[PPS]));
        assert_ne!(
            config,
            VideoConfig::h264(SPS_640X360, &[&[0x68, 0xce, 0x3c, 0x81]])
        );
    }

    #[test]
    fn broken_sets_are_named() {
        assert!(matches!(
            VideoConfig::h264(&[], &[PPS]),
            Err(BadParameterSets::Sps { .. })
        ));
        assert!(matches!(
            VideoConfig::h264(PPS, &[PPS]),
            Err(BadParameterSets::Sps { .. })
        ));
        for cut in 1..SPS_640X360.len() - 1 {
            let result = VideoConfig::h264(&SPS_640X360[..cut], &[PPS]);
            assert!(
                matches!(result, Err(BadParameterSets::Sps { .. })),
                "cut at {cut}"
            );
        }
        assert_eq!(
            VideoConfig::h264(SPS_640X360, &[]),
            Err(BadParameterSets::PpsCount { count: 0 })
        );
        assert_eq!(
            VideoConfig::h264(SPS_640X360, &[&[0x68]]),
            Err(BadParameterSets::Pps { length: 1 })
        );
        let long = [0x67; MAX_PARAMETER_SET + 1];
        assert_eq!(
            VideoConfig::h264(&long, &[PPS]),
            Err(BadParameterSets::TooLong {
                length: MAX_PARAMETER_SET + 1
            })
        );
    }

    #[test]
    fn an_absurd_picture_size_is_refused() {
        // Baseline, ids and frame numbers 0, then a width of 2^31 macroblocks.
        let mut sps = vec![0x67, 66, 0, 30];
        let mut bits = "1111".to_owned() + "010" + "0"; // sps id, frame_num, poc type 0, lsb, refs 1, gaps
        bits += &("0".repeat(31) + "1" + &"0".repeat(31));
        bits += &("0".repeat(31) + "1" + &"0".repeat(31));
        bits += "1101"; // frames only, 8x8, no crop, no VUI… and the stop bit below
        bits += "1";
        while !bits.len().is_multiple_of(8) {
            bits.push('0');
        }
        for byte in bits.as_bytes().chunks(8) {
            let byte = byte.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
            // Emulation prevention.
            if sps.ends_with(&[0, 0]) && byte <= 3 {
                sps.push(3);
            }
            sps.push(byte);
        }
        assert!(VideoConfig::h264(&sps, &[PPS]).is_err());
    }
}
