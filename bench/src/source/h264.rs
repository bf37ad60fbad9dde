//! Pictures of a plain grey 1280×720 video, as RTP payloads (RFC 6184).
//!
//! The slices are real: a decoder shows them. What fills them up to a live
//! encoder's sizes stands behind the last macroblock, where decoders stop.

use std::ops::Range;

use rand::{Rng, rngs::StdRng};

use crate::stamp::Stamp;

/// The kind of picture to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    /// IDR with parameter sets before it.
    Key,
    /// P picture that repeats the one before.
    Delta,
}

/// Writes pictures and counts them.
#[derive(Debug)]
pub(super) struct Pictures {
    frame_num: u8,
    idr_pic_id: u32,
    parameter_sets: Vec<u8>,
}

impl Pictures {
    pub(super) fn new() -> Pictures {
        Pictures {
            frame_num: 0,
            idr_pic_id: 0,
            parameter_sets: parameter_sets(),
        }
    }

    /// The payloads of the next picture, whose slice takes about `size` bytes.
    pub(super) fn write(
        &mut self,
        picture: Picture,
        size: usize,
        rng: &mut StdRng,
    ) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        let last = match picture {
            Picture::Key => {
                payloads.push(self.parameter_sets.clone());
                self.frame_num = 0;
                self.idr_pic_id = (self.idr_pic_id + 1) % 2;
                let mut first_row = 0;
                // Decoders stop at the end of the picture, not of the slice:
                // only the last slice can carry bytes of ours behind it.
                // The others fit into one packet with a NAL unit of filler.
                while first_row + IDR_SLICE_ROWS < HEIGHT_MBS {
                    let rows = first_row..first_row + IDR_SLICE_ROWS;
                    let mut filler = vec![FILLER; 1 + Stamp::LEN];
                    filler.push(STOP);
                    payloads.push(aggregate(&[idr_slice(self.idr_pic_id, rows), filler]));
                    first_row += IDR_SLICE_ROWS;
                }
                idr_slice(self.idr_pic_id, first_row..HEIGHT_MBS)
            }
            Picture::Delta => {
                self.frame_num = self.frame_num.wrapping_add(1);
                p_slice(self.frame_num)
            }
        };
        let before: usize = payloads.iter().map(Vec::len).sum();
        let mut slice = last;
        let filler = size.saturating_sub(before + slice.len());
        let coded = slice.len();
        fill(&mut slice, filler.max(2 * Stamp::LEN), rng);
        // The first of several fragments holds all of the slice's own bytes.
        while slice.len() > MAX_PAYLOAD && first_fragment(slice.len() - 1) < coded + 2 * Stamp::LEN
        {
            fill(&mut slice, 64, rng);
        }
        fragment(&slice, &mut payloads);
        payloads
    }
}

/// Appends bytes behind the last macroblock. Values of at least 4 never make a
/// start code or an emulation of one.
fn fill(slice: &mut Vec<u8>, count: usize, rng: &mut StdRng) {
    slice.extend((0..count).map(|_| rng.random_range(4..=255u8)));
}

/// Rows of macroblocks in an IDR slice: at a byte a macroblock, 960 bytes.
const IDR_SLICE_ROWS: u32 = 12;

/// Whether a payload made here ends in a stop byte, behind the stamp.
pub(super) fn ends_in_stop(payload: &[u8]) -> bool {
    payload
        .first()
        .is_some_and(|header| header & 0x1f == STAP_A)
}

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const SPS: u8 = 7;
const PPS: u8 = 8;
const SEI: u8 = 6;
const IDR: u8 = 5;
const FILLER: u8 = 12;
const NON_IDR: u8 = 1;
const REFERENCE: u8 = 3 << 5;
/// The stop bit and its alignment, of a NAL unit that ends on a byte.
const STOP: u8 = 0x80;

/// Payload bytes a packet: with RTP header, extensions and SRTP tag it stays
/// below the 1,280 bytes every path carries.
const MAX_PAYLOAD: usize = 1_170;

const WIDTH_MBS: u32 = 1280 / 16;
const HEIGHT_MBS: u32 = 720 / 16;

/// FU-A fragments of nearly equal size, the way browsers split a frame.
fn fragment(nal: &[u8], payloads: &mut Vec<Vec<u8>>) {
    let (header, body) = (nal[0], &nal[1..]);
    if nal.len() <= MAX_PAYLOAD {
        payloads.push(nal.to_vec());
        return;
    }
    let count = fragments(body.len());
    let (size, larger) = (body.len() / count, body.len() % count);
    let mut rest = body;
    for index in 0..count {
        // The larger ones last, so that a frame makes two runs of equal size.
        let (now, after) = rest.split_at(size + usize::from(index >= count - larger));
        rest = after;
        let start = if index == 0 { 0x80 } else { 0 };
        let end = if index + 1 == count { 0x40 } else { 0 };
        let mut payload = Vec::with_capacity(2 + now.len());
        payload.push(header & 0xe0 | FU_A);
        payload.push(start | end | header & 0x1f);
        payload.extend_from_slice(now);
        payloads.push(payload);
    }
}

fn fragments(body_len: usize) -> usize {
    body_len.div_ceil(MAX_PAYLOAD - 2)
}

/// Bytes of the body in the first fragment.
fn first_fragment(body_len: usize) -> usize {
    body_len / fragments(body_len)
}

/// STAP-A of SPS, PPS and an SEI message that holds the packet's stamp.
fn parameter_sets() -> Vec<u8> {
    let mut sei = vec![SEI, 5, (UUID.len() + Stamp::LEN) as u8];
    sei.extend_from_slice(&UUID);
    sei.resize(sei.len() + Stamp::LEN, 0xff);
    sei.push(STOP);
    aggregate(&[sps(), pps(), sei])
}

/// A STAP-A of NAL units (RFC 6184 5.7.1).
fn aggregate(nals: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = vec![REFERENCE | STAP_A];
    for nal in nals {
        payload.extend_from_slice(&(nal.len() as u16).to_be_bytes());
        payload.extend_from_slice(nal);
    }
    payload
}

/// Names the SEI message as ours (ITU-T H.264 D.2.7).
const UUID: [u8; 16] = *b"weblive-bench-01";

fn sps() -> Vec<u8> {
    let mut bits = Bits::new();
    bits.put(66, 8); // profile_idc: Baseline
    bits.put(0xe0, 8); // constraint_set0..2: Constrained Baseline
    bits.put(31, 8); // level_idc 3.1
    bits.ue(0); // seq_parameter_set_id
    bits.ue(4); // log2_max_frame_num_minus4: frame_num takes 8 bits
    bits.ue(2); // pic_order_cnt_type: output order is decoding order
    bits.ue(1); // max_num_ref_frames
    bits.put(0, 1); // gaps_in_frame_num_value_allowed_flag
    bits.ue(WIDTH_MBS - 1);
    bits.ue(HEIGHT_MBS - 1);
    bits.put(1, 1); // frame_mbs_only_flag
    bits.put(1, 1); // direct_8x8_inference_flag
    bits.put(0, 1); // frame_cropping_flag
    bits.put(0, 1); // vui_parameters_present_flag
    bits.into_nal(REFERENCE | SPS)
}

fn pps() -> Vec<u8> {
    let mut bits = Bits::new();
    bits.ue(0); // pic_parameter_set_id
    bits.ue(0); // seq_parameter_set_id
    bits.put(0, 1); // entropy_coding_mode_flag: CAVLC
    bits.put(0, 1); // bottom_field_pic_order_in_frame_present_flag
    bits.ue(0); // num_slice_groups_minus1
    bits.ue(0); // num_ref_idx_l0_default_active_minus1
    bits.ue(0); // num_ref_idx_l1_default_active_minus1
    bits.put(0, 1); // weighted_pred_flag
    bits.put(0, 2); // weighted_bipred_idc
    bits.ue(0); // pic_init_qp_minus26, as se(v)
    bits.ue(0); // pic_init_qs_minus26, as se(v)
    bits.ue(0); // chroma_qp_index_offset, as se(v)
    bits.put(1, 1); // deblocking_filter_control_present_flag
    bits.put(0, 1); // constrained_intra_pred_flag
    bits.put(0, 1); // redundant_pic_cnt_present_flag
    bits.into_nal(REFERENCE | PPS)
}

/// Every macroblock Intra16x16 with DC prediction and no residual: grey.
fn idr_slice(idr_pic_id: u32, rows: Range<u32>) -> Vec<u8> {
    let mut bits = Bits::new();
    bits.ue(rows.start * WIDTH_MBS); // first_mb_in_slice
    bits.ue(7); // slice_type: all slices of the picture are I
    bits.ue(0); // pic_parameter_set_id
    bits.put(0, 8); // frame_num
    bits.ue(idr_pic_id);
    bits.put(0, 1); // no_output_of_prior_pics_flag
    bits.put(0, 1); // long_term_reference_flag
    bits.ue(0); // slice_qp_delta, as se(v)
    bits.ue(1); // disable_deblocking_filter_idc
    for _ in 0..rows.len() as u32 * WIDTH_MBS {
        bits.ue(3); // mb_type I_16x16_2_0_0
        bits.ue(0); // intra_chroma_pred_mode: DC
        bits.ue(0); // mb_qp_delta, as se(v)
        bits.put(1, 1); // coeff_token of the DC block: no coefficients
    }
    bits.into_nal(REFERENCE | IDR)
}

/// Every macroblock skipped.
fn p_slice(frame_num: u8) -> Vec<u8> {
    let mut bits = Bits::new();
    bits.ue(0); // first_mb_in_slice
    bits.ue(5); // slice_type: all slices of the picture are P
    bits.ue(0); // pic_parameter_set_id
    bits.put(u32::from(frame_num), 8);
    bits.put(0, 1); // num_ref_idx_active_override_flag
    bits.put(0, 1); // ref_pic_list_modification_flag_l0
    bits.put(0, 1); // adaptive_ref_pic_marking_mode_flag
    bits.ue(0); // slice_qp_delta, as se(v)
    bits.ue(1); // disable_deblocking_filter_idc
    bits.ue(WIDTH_MBS * HEIGHT_MBS); // mb_skip_run
    bits.into_nal(REFERENCE | NON_IDR)
}

/// Writes bits, most significant first.
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    fn new() -> Bits {
        Bits {
            bytes: Vec::new(),
            free: 0,
        }
    }

    fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> shift & 1) as u8) << self.free;
        }
    }

    /// Unsigned Exp-Golomb (ITU-T H.264 9.1). Zero is the same as se(v).
    fn ue(&mut self, value: u32) {
        let code = value + 1;
        let len = 32 - code.leading_zeros();
        self.put(0, len - 1);
        self.put(code, len);
    }

    /// Stop bit, alignment, header and emulation prevention (7.4.1).
    fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        let mut nal = Vec::with_capacity(self.bytes.len() + 8);
        nal.push(header);
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn has_start_code(nal: &[u8]) -> bool {
        nal.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3)
    }

    #[test]
    fn the_parameter_sets_are_the_known_bytes() {
        assert_eq!(
            sps(),
            [0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x14, 0x01, 0x6e, 0x40],
            "{:02x?}",
            sps()
        );
        assert_eq!(pps(), [0x68, 0xce, 0x3c, 0x80], "{:02x?}", pps());
    }

    /// Slices of stamped payloads.
    fn stamped_slices(payloads: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut slices: Vec<Vec<u8>> = Vec::new();
        for mut payload in payloads {
            let end = payload.len() - usize::from(ends_in_stop(&payload));
            Stamp {
                index: 0,
                sent_micros: 0,
            }
            .write(&mut payload[..end]);
            match payload[0] & 0x1f {
                STAP_A => {
                    let len = usize::from(u16::from_be_bytes([payload[1], payload[2]]));
                    slices.push(payload[3..3 + len].to_vec());
                }
                FU_A if payload[1] & 0x80 == 0 => {
                    slices.last_mut().unwrap().extend_from_slice(&payload[2..]);
                }
                FU_A => {
                    let header = payload[0] & 0xe0 | payload[1] & 0x1f;
                    slices.push([&[header], &payload[2..]].concat());
                }
                _ => slices.push(payload),
            }
        }
        slices.retain(|slice| slice[0] & 0x1f != SPS);
        slices
    }

    #[test]
    fn stamps_never_touch_a_macroblock_and_make_no_start_code() {
        let mut pictures = Pictures::new();
        let mut rng = StdRng::seed_from_u64(3);
        for size in (0..50_000).step_by(97) {
            for kind in [Picture::Key, Picture::Delta] {
                let payloads = pictures.write(kind, size, &mut rng);
                assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
                let coded = match kind {
                    Picture::Key => (0..4)
                        .map(|n| {
                            let first = n * IDR_SLICE_ROWS;
                            let end = (first + IDR_SLICE_ROWS).min(HEIGHT_MBS);
                            idr_slice(pictures.idr_pic_id, first..end)
                        })
                        .collect(),
                    Picture::Delta => vec![p_slice(pictures.frame_num)],
                };
                let nals = stamped_slices(payloads);
                assert_eq!(nals.len(), coded.len());
                for (number, (nal, coded)) in nals.iter().zip(&coded).enumerate() {
                    assert!(nal.starts_with(coded), "{kind:?} of {size} bytes");
                    let is_last = number + 1 == nals.len();
                    assert!(is_last || nal == coded, "{kind:?} of {size} bytes");
                    assert!(!has_start_code(nal), "{kind:?} of {size} bytes");
                }
            }
        }
    }

    #[test]
    fn fragments_grow_by_at_most_one_byte_and_mark_start_and_end() {
        let mut out = Vec::new();
        fragment(&[0x65; 7_919], &mut out);
        assert_eq!(out.len(), 7);
        let (min, max) = (
            out.iter().map(Vec::len).min().unwrap(),
            out.iter().map(Vec::len).max().unwrap(),
        );
        assert!(max - min <= 1 && max <= MAX_PAYLOAD);
        assert!(out.is_sorted_by_key(Vec::len));
        assert_eq!(out[0][1], 0x85);
        assert_eq!(out[3][1], 0x05);
        assert_eq!(out[6][1], 0x45);
        assert!(out.iter().all(|p| p[0] == 0x7c));
        let body: usize = out.iter().map(|p| p.len() - 2).sum();
        assert_eq!(body, 7_918);
    }
}
