//! A picture that shows the one before it once more.

use bytes::{BufMut, Bytes, BytesMut};
use h264_reader::Context;
use h264_reader::avcc::AvcDecoderConfigurationRecord;
use h264_reader::nal::NalHeader;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{PicOrderCountLsb, SliceHeader};
use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, ProfileIdc, SeqParameterSet};

use super::nal::{self, bits, nal_type};
use crate::video::{VideoCodec, VideoConfig};

/// A picture of a few bytes behind `picture`, NAL units with their lengths in
/// four bytes, that shows the same: a P slice that skips each macroblock
/// (Rec. ITU-T H.264 §7.3.3, §7.3.4).
///
/// It is a reference picture, so that it can itself be repeated, and it fits no
/// longer once another picture has followed, unless that is an IDR. `None` for
/// pictures beyond what browsers send, which is the baseline profile.
pub fn repeated_picture(config: &VideoConfig, picture: &[u8]) -> Option<Bytes> {
    if config.codec() != VideoCodec::H264 {
        return None;
    }
    let context = context(config)?;
    let last = LastPicture::new(&context, first_slice(picture)?)?;
    let slice = last.repeated()?;
    let mut data = BytesMut::with_capacity(4 + slice.len());
    data.put_u32(slice.len() as u32);
    data.put_slice(&slice);
    Some(data.freeze())
}

fn context(config: &VideoConfig) -> Option<Context> {
    let record: &[u8] = config.configuration_record();
    let record = AvcDecoderConfigurationRecord::try_from(record).ok()?;
    record.create_context().ok()
}

/// The first slice in NAL units with lengths.
fn first_slice(mut picture: &[u8]) -> Option<&[u8]> {
    while let Some((length, rest)) = picture.split_first_chunk::<4>() {
        let (unit, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let header = *unit.first()?;
        if matches!(nal_type(header), nal::NON_IDR_SLICE | nal::IDR_SLICE) {
            return Some(unit);
        }
        picture = rest;
    }
    None
}

/// What the picture behind it has to go on from.
struct LastPicture<'a> {
    sps: &'a SeqParameterSet,
    pps: &'a PicParameterSet,
    slice: SliceHeader,
    is_reference: bool,
}

impl<'a> LastPicture<'a> {
    /// `None` unless it is of the baseline profile without what only that has:
    /// slice groups and redundant slices.
    fn new(context: &'a Context, slice: &[u8]) -> Option<Self> {
        let header = NalHeader::new(*slice.first()?).ok()?;
        let (slice, sps, pps) =
            SliceHeader::from_bits(context, &mut bits(slice), header, None).ok()?;
        let is_plain = sps.profile_idc == ProfileIdc::from(BASELINE)
            && sps.frame_mbs_flags == FrameMbsFlags::Frames
            && sps.max_num_ref_frames > 0
            && !pps.entropy_coding_mode_flag
            && !pps.weighted_pred_flag
            && !pps.redundant_pic_cnt_present_flag
            && pps.slice_groups.is_none();
        is_plain.then_some(LastPicture {
            sps,
            pps,
            slice,
            is_reference: header.nal_ref_idc() != 0,
        })
    }

    fn repeated(&self) -> Option<Vec<u8>> {
        let (sps, pps) = (self.sps, self.pps);
        let macroblocks = (sps.pic_width_in_mbs_minus1 + 1)
            .checked_mul(sps.pic_height_in_map_units_minus1 + 1)?;
        let mut bits = BitWriter::default();
        bits.ue(0); // first_mb_in_slice
        bits.ue(ALL_P);
        bits.ue(u32::from(pps.pic_parameter_set_id.id()));
        // §7.4.3: it goes up behind a reference picture.
        let frame_num = u32::from(self.slice.frame_num) + u32::from(self.is_reference);
        bits.wrapping(frame_num, sps.log2_max_frame_num());
        match &sps.pic_order_cnt {
            PicOrderCntType::TypeZero {
                log2_max_pic_order_cnt_lsb_minus4: bits_minus4,
            } => {
                let last = match self.slice.pic_order_cnt_lsb.as_ref()? {
                    PicOrderCountLsb::Frame(lsb)
                    | PicOrderCountLsb::FieldsAbsolute {
                        pic_order_cnt_lsb: lsb,
                        ..
                    } => *lsb,
                    PicOrderCountLsb::FieldsDelta(_) => return None,
                };
                // Two fields further.
                bits.wrapping(last + 2, bits_minus4 + 4);
                if pps.bottom_field_pic_order_in_frame_present_flag {
                    bits.ue(0); // delta_pic_order_cnt_bottom
                }
            }
            PicOrderCntType::TypeTwo => {}
            PicOrderCntType::TypeOne { .. } => return None,
        }
        bits.bit(false); // num_ref_idx_active_override_flag
        bits.bit(false); // ref_pic_list_modification_flag_l0
        bits.bit(false); // adaptive_ref_pic_marking_mode_flag
        bits.ue(0); // slice_qp_delta
        if pps.deblocking_filter_control_present_flag {
            bits.ue(1); // disable_deblocking_filter_idc
        }
        bits.ue(macroblocks); // mb_skip_run
        Some(escaped(P_REFERENCE, &bits.finish()))
    }
}

/// The NAL unit of `header` and `payload`, with emulation prevention (§7.4.1).
fn escaped(header: u8, payload: &[u8]) -> Vec<u8> {
    let mut unit = vec![header];
    let mut zeros = 0;
    for byte in payload.iter().copied() {
        if zeros == 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        unit.push(byte);
    }
    unit
}

/// `profile_idc` of the baseline profile (§A.2.1).
const BASELINE: u8 = 66;
/// `slice_type`: all slices of the picture are P slices (table 7-6).
const ALL_P: u32 = 5;
/// A slice of no IDR picture, for reference.
const P_REFERENCE: u8 = 0x40 | nal::NON_IDR_SLICE;

/// Bits, the highest first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// Bits that are used of the last byte; 0 for all.
    used: u8,
}

impl BitWriter {
    fn bit(&mut self, bit: bool) {
        if self.used == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.used);
        }
        self.used = (self.used + 1) % 8;
    }

    /// The lowest `count` bits of `value`: u(n) of a number that wraps.
    fn wrapping(&mut self, value: u32, count: u8) {
        for shift in (0..count).rev() {
            self.bit(value >> shift & 1 == 1);
        }
    }

    /// ue(v) and, of zero, se(v) (§9.1).
    fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        for _ in 1..length {
            self.bit(false);
        }
        for shift in (0..length).rev() {
            self.bit(code >> shift & 1 == 1);
        }
    }

    /// With the stop bit (§7.3.2.11).
    fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{PPS, SPS_640X360, SPS_HIGH_1080};

    /// 640x360, order counts of type 2, frame numbers of 4 bits.
    fn config() -> VideoConfig {
        VideoConfig::h264(SPS_640X360, &[PPS]).expect("both sets parse")
    }

    fn header(config: &VideoConfig, picture: &[u8]) -> (SliceHeader, u8) {
        let context = context(config).expect("a record of two sets");
        let slice = first_slice(picture).expect("a slice");
        let header = NalHeader::new(slice[0]).expect("a header");
        let parsed = SliceHeader::from_bits(&context, &mut bits(slice), header, None);
        (parsed.expect("it parses").0, header.nal_ref_idc())
    }

    /// A slice of I macroblocks with this header byte and frame number.
    fn picture(header: u8, frame_num: u32, config: &VideoConfig) -> Vec<u8> {
        let context = context(config).expect("a record of two sets");
        let sps = context.sps().next().expect("one");
        let mut bits = BitWriter::default();
        for value in [0, 7, 0] {
            bits.ue(value);
        }
        bits.wrapping(frame_num, sps.log2_max_frame_num());
        if nal_type(header) == nal::IDR_SLICE {
            bits.ue(0);
        }
        if let PicOrderCntType::TypeZero {
            log2_max_pic_order_cnt_lsb_minus4: minus4,
        } = sps.pic_order_cnt
        {
            bits.wrapping(2 * frame_num, minus4 + 4);
        }
        // What marks references, no change of the quantizer, then macroblocks.
        bits.wrapping(0b0011_0101_0101, 12);
        let slice = escaped(header, &bits.finish());
        let delimiter = [&2_u32.to_be_bytes()[..], &[9, 0xf0]].concat();
        [&delimiter, &(slice.len() as u32).to_be_bytes()[..], &slice].concat()
    }

    #[test]
    fn it_skips_each_macroblock_of_the_next_frame() {
        let config = config();
        let first = repeated_picture(&config, &picture(0x65, 0, &config)).expect("it is plain");
        let (slice, reference) = header(&config, &first);
        assert_eq!((slice.first_mb_in_slice, slice.frame_num), (0, 1));
        assert_eq!(reference, 2);
        // And the same again.
        let second = repeated_picture(&config, &first).expect("it is plain");
        assert_eq!(header(&config, &second).0.frame_num, 2);
    }

    #[test]
    fn it_comes_one_picture_later_in_order() {
        // What Chromium sends of a camera of 320x240.
        let sps = [
            0x67, 0x42, 0xc0, 0x15, 0x8c, 0x8d, 0x40, 0xa0, 0xf9, 0x35, 0x06, 0x06, 0x06, 0x07,
            0x84, 0x42, 0x35,
        ];
        let config = VideoConfig::h264(&sps, &[PPS]).expect("both sets parse");
        let last = picture(0x41, 7, &config);
        let order = |picture| header(&config, picture).0.pic_order_cnt_lsb;
        assert_eq!(order(&last), Some(PicOrderCountLsb::Frame(14)));
        let repeated = repeated_picture(&config, &last).expect("it is plain");
        assert_eq!(order(&repeated), Some(PicOrderCountLsb::Frame(16)));
    }

    #[test]
    fn numbers_wrap_and_pause_behind_what_is_no_reference() {
        let config = config();
        let frame_num = |last: u8, number| {
            let repeated = repeated_picture(&config, &picture(last, number, &config));
            header(&config, &repeated.expect("it is plain")).0.frame_num
        };
        let most = {
            let parsed = SeqParameterSet::from_bits(bits(SPS_640X360)).expect("it parses");
            (1 << parsed.log2_max_frame_num()) - 1
        };
        assert_eq!(frame_num(0x41, most), 0);
        assert_eq!(frame_num(0x01, 3), 3);
        assert_eq!(frame_num(0x41, 3), 4);
    }

    #[test]
    fn other_profiles_and_broken_pictures_are_left_alone() {
        let config = config();
        let whole = picture(0x65, 0, &config);
        for length in 0..whole.len() - 4 {
            assert_eq!(repeated_picture(&config, &whole[..length]), None);
        }
        let high = VideoConfig::h264(SPS_HIGH_1080, &[PPS]).expect("both sets parse");
        assert_eq!(repeated_picture(&high, &whole), None);
        let vp9 = crate::test_media::video_config(VideoCodec::Vp9);
        assert_eq!(repeated_picture(&vp9, &whole), None);
    }

    #[test]
    fn no_start_code_comes_out() {
        assert_eq!(
            escaped(0x41, &[0, 0, 1, 0, 0, 0, 0, 4, 0, 0, 2]),
            [0x41, 0, 0, 3, 1, 0, 0, 3, 0, 0, 4, 0, 0, 3, 2]
        );
    }

    #[test]
    fn numbers_are_written_as_exponential_golomb_codes() {
        let mut bits = BitWriter::default();
        for value in [0, 1, 3, 7] {
            bits.ue(value);
        }
        // 1 010 00100 0001000 1
        assert_eq!(bits.finish(), [0b1010_0010, 0b0000_1000, 0b1000_0000]);
    }
}
