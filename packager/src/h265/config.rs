//! The configuration that H.265 parameter sets make.

use bytes::{BufMut, Bytes, BytesMut};

use super::nal;
use super::sequence::Sequence;
use super::sets::MAX_PARAMETER_SET;
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

/// The configuration that an HEVCDecoderConfigurationRecord says: that of its first SPS, with the VPS
/// and the PPSs that belong to it. `None` for what is no such record of version 1 with lengths of four
/// bytes, for sets that are not there or do not parse, and for more or longer ones than any encoder
/// makes.
pub(crate) fn read_configuration_record(record: &[u8]) -> Option<VideoConfig> {
    let (head, mut rest) = record.split_first_chunk::<RECORD_HEAD>()?;
    let [version, .., lengths, arrays] = *head;
    if version != 1 || lengths & 3 != 3 {
        return None;
    }
    let (mut vps, mut sps, mut pps) = (Vec::new(), None, Vec::new());
    for _ in 0..arrays {
        let ([kind, high, low], tail) = rest.split_first_chunk()?;
        rest = tail;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (length, tail) = rest.split_first_chunk()?;
            let (set, tail) = tail.split_at_checked(u16::from_be_bytes(*length).into())?;
            rest = tail;
            let all = match kind & 0x3f {
                nal::VPS => &mut vps,
                nal::PPS => &mut pps,
                nal::SPS => {
                    sps.get_or_insert(checked(nal::SPS, set)?);
                    continue;
                }
                // What is said about the pictures (SEI) is not needed to decode them.
                _ => continue,
            };
            if all.len() >= MAX_SETS {
                return None;
            }
            all.push(checked(kind & 0x3f, set)?);
        }
    }
    let sps = sps?;
    let sequence = Sequence::read(sps)?;
    pps.retain(|pps| nal::pps_ids(pps).is_some_and(|(_, sps_id)| sps_id == sequence.id));
    let is_its_vps = |vps: &&&[u8]| nal::vps_id(vps) == Some(sequence.vps_id);
    let vps = vps.iter().find(is_its_vps)?;
    let sets = Sets {
        vps,
        sps,
        pps: &pps,
    };
    sets.config().filter(|_| !pps.is_empty())
}

/// A parameter set of this kind in a record.
fn checked(kind: u8, set: &[u8]) -> Option<&[u8]> {
    let set = nal::trimmed(set);
    let (header, _) = nal::Header::read(set)?;
    let is_one = header.kind == kind && header.layer == 0 && set.len() <= MAX_PARAMETER_SET;
    is_one.then_some(set)
}

/// Bytes of a record before its arrays, their number included.
const RECORD_HEAD: usize = 23;

/// Sets of a kind: as many as are held of RTP.
const MAX_SETS: usize = 32;

#[cfg(test)]
mod tests {
    use mp4_atom::{Atom, Hvcc};

    use super::*;
    use crate::test_media::{H265_PPS, H265_SPS_640X360, H265_SPS_MAIN10_1080, H265_VPS};

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

    fn record(sps: &[u8], pps: &[&[u8]]) -> Bytes {
        let sets = Sets {
            vps: H265_VPS,
            sps,
            pps,
        };
        let config = sets.config().expect("sets of x265");
        config.configuration_record().clone()
    }

    #[test]
    fn what_is_written_is_read() {
        for sps in [H265_SPS_640X360, H265_SPS_MAIN10_1080] {
            let written = record(sps, &[H265_PPS]);
            let read = read_configuration_record(&written).expect("a record");
            assert_eq!(read.configuration_record(), &written);
            for length in 0..written.len() {
                assert_eq!(read_configuration_record(&written[..length]), None);
            }
        }
    }

    #[test]
    fn records_of_other_versions_lengths_and_sets_are_refused() {
        let good = record(H265_SPS_640X360, &[H265_PPS]);
        assert!(read_configuration_record(&good).is_some());
        let change = |at: usize, value: u8| {
            let mut record = good.to_vec();
            record[at] = value;
            read_configuration_record(&record)
        };
        assert_eq!(change(0, 2), None, "the version");
        assert_eq!(change(21, good[21] & !2), None, "lengths of two bytes");
        assert_eq!(change(22, 2), None, "no PPS");
        assert_eq!(change(22, 4), None, "more arrays than there are");
        // The array says PPS, the set says VPS.
        assert_eq!(change(23, 0x80 | nal::PPS), None);
        // Of another layer.
        assert_eq!(change(28, good[28] | 1), None);
        let many = vec![H265_PPS; MAX_SETS + 1];
        let too_many = record(H265_SPS_640X360, &many);
        assert_eq!(read_configuration_record(&too_many), None);
        let long = [H265_PPS, &[0x55; MAX_PARAMETER_SET]].concat();
        let too_long = record(H265_SPS_640X360, &[&long]);
        assert_eq!(read_configuration_record(&too_long), None);
    }

    #[test]
    fn other_arrays_are_left_out() {
        let good = record(H265_SPS_640X360, &[H265_PPS]);
        let mut record = good.to_vec();
        record[22] += 1;
        record.extend_from_slice(&[0x80 | 39, 0, 1, 0, 3, 0x4e, 0x01, 0x80]);
        let read = read_configuration_record(&record).expect("a record");
        assert_eq!(read.configuration_record(), &good);
    }
}
