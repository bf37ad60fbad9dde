//! The configuration that H.265 parameter sets make.

use bytes::{BufMut, Bytes, BytesMut};

use super::nal;
use super::sequence::Sequence;
use crate::video::{Description, VideoCodec, VideoConfig};

/// The parameter sets that are in force together, each a NAL unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sets<'a> {
    pub(super) vps: &'a [u8],
    pub(super) sps: &'a [u8],
    /// All that refer to the SPS.
    pub(super) pps: &'a [&'a [u8]],
}

impl Sets<'_> {
    /// The configuration that they make.
    pub(super) fn config(&self) -> Option<VideoConfig> {
        let sequence = Sequence::read(self.sps)?;
        Some(
            Description {
                codec: VideoCodec::H265,
                width: sequence.width,
                height: sequence.height,
                codec_string: sequence.level.codec_string(),
                record: self.configuration_record(&sequence),
            }
            .into(),
        )
    }

    /// The HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 8.3.3.1.2).
    fn configuration_record(&self, sequence: &Sequence) -> Bytes {
        let nested = u8::from(sequence.is_temporally_nested);
        let mut record = BytesMut::with_capacity(256);
        record.put_u8(1); // configurationVersion
        record.put_slice(&sequence.level.0);
        record.put_u16(0xf000); // min_spatial_segmentation_idc: none is known
        record.put_u8(0xfc); // parallelismType: not known
        record.put_u8(0xfc | sequence.chroma_format);
        record.put_u8(0xf8 | sequence.bit_depth_luma_minus8);
        record.put_u8(0xf8 | sequence.bit_depth_chroma_minus8);
        record.put_u16(0); // avgFrameRate: not known
        // constantFrameRate not known, and 4-byte lengths.
        record.put_u8(sequence.temporal_layers << 3 | nested << 2 | 3);
        let arrays = [
            (nal::VPS, &[self.vps][..]),
            (nal::SPS, &[self.sps]),
            (nal::PPS, self.pps),
        ];
        record.put_u8(arrays.len() as u8);
        for (kind, sets) in arrays {
            // array_completeness: the samples have none, as `hvc1` says.
            record.put_u8(0x80 | kind);
            record.put_u16(sets.len() as u16);
            for set in sets {
                record.put_u16(set.len() as u16);
                record.put_slice(set);
            }
        }
        record.freeze()
    }
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Atom, Hvcc};

    use super::*;
    use crate::test_media::{H265_PPS, H265_SPS_640X360, H265_VPS};

    #[test]
    fn another_reader_finds_all_in_the_record() {
        let sets = Sets {
            vps: H265_VPS,
            sps: H265_SPS_640X360,
            pps: &[H265_PPS],
        };
        let config = sets.config().expect("sets of x265");
        assert_eq!(config.codec(), VideoCodec::H265);
        assert_eq!((config.width(), config.height()), (640, 360));
        assert_eq!(config.codec_string(), "hvc1.1.6.L63.90");
        let mut record = &config.configuration_record()[..];
        let read = Hvcc::decode_body(&mut record).expect("a record");
        assert!(record.is_empty());
        assert_eq!(
            (read.configuration_version, read.general_profile_idc),
            (1, 1)
        );
        assert_eq!(read.general_profile_compatibility_flags, [0x60, 0, 0, 0]);
        assert_eq!(
            read.general_constraint_indicator_flags,
            [0x90, 0, 0, 0, 0, 0]
        );
        assert_eq!((read.general_level_idc, read.chroma_format_idc), (63, 1));
        assert_eq!(
            (read.bit_depth_luma_minus8, read.bit_depth_chroma_minus8),
            (0, 0)
        );
        assert_eq!(
            (read.num_temporal_layers, read.length_size_minus_one),
            (1, 3)
        );
        assert!(read.temporal_id_nested);
        let arrays = read.arrays.iter().map(|array| {
            assert!(array.completeness);
            (array.nal_unit_type, &array.nalus[..])
        });
        let expected = [(32, H265_VPS), (33, H265_SPS_640X360), (34, H265_PPS)];
        let expected = expected.map(|(kind, set)| (kind, vec![set.to_vec()]));
        assert!(arrays.eq(expected.iter().map(|(kind, sets)| (*kind, &sets[..]))));
    }
}
