//! The AV1 sequence header, as far as it says what a decoder must know (AV1 Bitstream & Decoding
//! Process Specification section 5.5).

use bytes::{BufMut, Bytes, BytesMut};

use super::obu::{self, Obu};
use crate::video::{Bits, Description, VideoCodec, VideoConfig};

/// What is read from a sequence header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    profile: u8,
    /// Frame headers do not say of which type they are: there are key frames alone.
    pub(super) is_reduced: bool,
    /// Of the first operating point.
    level: u8,
    is_high_tier: bool,
    width: u16,
    height: u16,
    colour: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Colour {
    bit_depth: u8,
    is_monochrome: bool,
    subsampling: (bool, bool),
    sample_position: u8,
}

impl Sequence {
    /// Reads the payload of a sequence header OBU; nothing if it is none.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let profile = bits.byte(3)?;
        if profile > 2 {
            return None;
        }
        // still_picture
        bits.skip(1)?;
        let is_reduced = bits.flag()?;
        let (level, is_high_tier) = match is_reduced {
            true => (bits.byte(5)?, false),
            false => read_operating_points(&mut bits)?,
        };
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let (width, height) = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
        if !is_reduced && bits.flag()? {
            // frame_id_numbers_present_flag
            bits.skip(4 + 3)?;
        }
        // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
        bits.skip(3)?;
        if !is_reduced {
            skip_tools(&mut bits)?;
        }
        // enable_superres, enable_cdef, enable_restoration
        bits.skip(3)?;
        let colour = Colour::read(profile, &mut bits)?;
        // separate_uv_delta_q
        if !colour.is_monochrome {
            bits.skip(1)?;
        }
        // film_grain_params_present
        bits.skip(1)?;
        Some(Sequence {
            profile,
            is_reduced,
            level,
            is_high_tier,
            width: u16::try_from(width).ok()?,
            height: u16::try_from(height).ok()?,
            colour,
        })
    }

    /// The configuration that it makes, of which `payload` is the whole of it.
    pub(super) fn config(&self, payload: &[u8]) -> VideoConfig {
        let tier = if self.is_high_tier { 'H' } else { 'M' };
        let (profile, level, depth) = (self.profile, self.level, self.colour.bit_depth);
        Description {
            codec: VideoCodec::Av1,
            width: self.width,
            height: self.height,
            codec_string: format!("av01.{profile}.{level:02}{tier}.{depth:02}"),
            record: self.configuration_record(payload),
        }
        .into()
    }

    /// AV1 Codec ISO Media File Format Binding section 2.3.3.
    fn configuration_record(&self, payload: &[u8]) -> Bytes {
        let Colour {
            bit_depth,
            is_monochrome,
            subsampling: (x, y),
            sample_position,
        } = self.colour;
        let flags = [
            self.is_high_tier,
            bit_depth > 8,
            bit_depth > 10,
            is_monochrome,
            x,
            y,
        ];
        let flags = flags.iter().fold(0, |all, flag| all << 1 | u8::from(*flag));
        let header = Obu::sequence_header(payload);
        let mut record = BytesMut::with_capacity(4 + header.max_length());
        record.put_u8(0x80 | 1); // marker, version
        record.put_u8(self.profile << 5 | self.level);
        record.put_u8(flags << 2 | sample_position);
        record.put_u8(0); // no initial_presentation_delay
        header.write(&mut record);
        record.freeze()
    }
}

/// What is no AV1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAv1;

/// The configuration that an AV1CodecConfigurationRecord says: nothing where it has no sequence
/// header, which key frames have as well.
pub(crate) fn read_configuration_record(record: &[u8]) -> Result<Option<VideoConfig>, NotAv1> {
    match record {
        // marker and version; what follows is of the sequence header.
        [0x81, _, _, _, obus @ ..] => read_unit(obus),
        _ => Err(NotAv1),
    }
}

/// The configuration that the sequence header among OBUs says, if there is one before the first
/// frame.
pub(crate) fn read_unit(mut obus: &[u8]) -> Result<Option<VideoConfig>, NotAv1> {
    while !obus.is_empty() {
        let obu = Obu::next(&mut obus).ok_or(NotAv1)?;
        match obu.kind() {
            obu::FRAME | obu::FRAME_HEADER => return Ok(None),
            obu::SEQUENCE_HEADER if obu.payload.len() > MAX_SEQUENCE_HEADER => return Err(NotAv1),
            obu::SEQUENCE_HEADER => {
                let sequence = Sequence::read(obu.payload).ok_or(NotAv1)?;
                return Ok(Some(sequence.config(obu.payload)));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Level and tier of the first operating point, which a decoder takes by default.
fn read_operating_points(bits: &mut Bits<'_>) -> Option<(u8, bool)> {
    // timing_info_present_flag
    let mut delay_bits = None;
    if bits.flag()? {
        // num_units_in_display_tick, time_scale
        bits.skip(64)?;
        // equal_picture_interval
        if bits.flag()? {
            skip_uvlc(bits)?;
        }
        // decoder_model_info_present_flag
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            // num_units_in_decoding_tick, buffer_removal_time_length_minus_1,
            // frame_presentation_time_length_minus_1
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    let mut first = None;
    for _ in 0..=bits.take(5)? {
        // operating_point_idc
        bits.skip(12)?;
        let level = bits.byte(5)?;
        let is_high_tier = level > 7 && bits.flag()?;
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            // decoder_buffer_delay, encoder_buffer_delay, low_delay_mode_flag
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
        first.get_or_insert((level, is_high_tier));
    }
    first
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn skip_tools(bits: &mut Bits<'_>) -> Option<()> {
    // interintra and masked compound, warped motion, dual filter
    bits.skip(4)?;
    let has_order_hint = bits.flag()?;
    if has_order_hint {
        bits.skip(2)?;
    }
    // seq_choose_screen_content_tools, else seq_force_screen_content_tools
    let may_be_screen = bits.flag()? || bits.flag()?;
    // seq_choose_integer_mv, else seq_force_integer_mv
    if may_be_screen && !bits.flag()? {
        bits.skip(1)?;
    }
    if has_order_hint {
        bits.skip(3)?;
    }
    Some(())
}

/// Section 4.10.3.
fn skip_uvlc(bits: &mut Bits<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
        if zeros == 32 {
            return None;
        }
    }
    bits.skip(zeros)
}

impl Colour {
    /// Section 5.5.2, up to `chroma_sample_position`.
    fn read(profile: u8, bits: &mut Bits<'_>) -> Option<Self> {
        let is_high = bits.flag()?;
        let bit_depth = match (profile, is_high) {
            (_, false) => 8,
            (2, true) if bits.flag()? => 12,
            (_, true) => 10,
        };
        let is_monochrome = profile != 1 && bits.flag()?;
        let mut points = [2; 3];
        if bits.flag()? {
            for point in &mut points {
                *point = bits.byte(8)?;
            }
        }
        let is_srgb = !is_monochrome && points == [1, 13, 0];
        if !is_srgb {
            // color_range
            bits.skip(1)?;
        }
        let subsampling = match profile {
            _ if is_monochrome => (true, true),
            _ if is_srgb => (false, false),
            0 => (true, true),
            1 => (false, false),
            _ if bit_depth == 12 => {
                let x = bits.flag()?;
                (x, x && bits.flag()?)
            }
            _ => (true, false),
        };
        let sample_position = match subsampling {
            (true, true) if !is_monochrome => bits.byte(2)?,
            _ => 0,
        };
        Some(Colour {
            bit_depth,
            is_monochrome,
            subsampling,
            sample_position,
        })
    }
}

/// Bytes in a sequence header. Real ones have about 11; with 32 operating points it is 300.
pub(super) const MAX_SEQUENCE_HEADER: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{AV1_SEQUENCE_320X180, AV1_SEQUENCE_640X360};

    #[test]
    fn encoders_headers_say_size_level_and_depth() {
        for (payload, size, codec_string) in [
            (AV1_SEQUENCE_320X180, (320, 180), "av01.0.00M.08"),
            (AV1_SEQUENCE_640X360, (640, 360), "av01.0.01M.08"),
        ] {
            let sequence = Sequence::read(payload).expect("an encoder's sequence header");
            assert!(!sequence.is_reduced);
            let config = sequence.config(payload);
            assert_eq!((config.width(), config.height()), size);
            assert_eq!(config.codec_string(), codec_string);
        }
    }

    #[test]
    fn the_configuration_record_is_byte_exact() {
        let payload = AV1_SEQUENCE_320X180;
        let sequence = Sequence::read(payload).expect("a sequence header");
        let mut expected = vec![0x81, 0, 0x0c, 0, 0x0a, payload.len() as u8];
        expected.extend_from_slice(payload);
        assert_eq!(
            sequence.config(payload).configuration_record().as_ref(),
            expected
        );
    }

    #[test]
    fn records_and_units_are_read() {
        let sequence = Sequence::read(AV1_SEQUENCE_640X360).expect("a sequence header");
        let config = sequence.config(AV1_SEQUENCE_640X360);
        let record = config.configuration_record();
        assert_eq!(read_configuration_record(record), Ok(Some(config.clone())));
        assert_eq!(read_configuration_record(&record[..4]), Ok(None));
        for length in (0..4).chain(5..record.len()) {
            assert_eq!(read_configuration_record(&record[..length]), Err(NotAv1));
        }
        let version_2 = [&[0x82], &record[1..]].concat();
        assert_eq!(read_configuration_record(&version_2), Err(NotAv1));
        // A delimiter, the header, a frame; then one without the header; then no frame.
        let (delimiter, frame) = ([0x12, 0], [0x32, 2, 0x10, 0]);
        let unit = [&delimiter, &record[4..], &frame].concat();
        assert_eq!(read_unit(&unit), Ok(Some(config.clone())));
        assert_eq!(read_unit(&[&frame, &record[4..]].concat()), Ok(None));
        assert_eq!(read_unit(&delimiter), Ok(None));
        // Forbidden bit, a size beyond the end, a header of too many bytes.
        assert_eq!(read_unit(&[0x80]), Err(NotAv1));
        assert_eq!(read_unit(&[0x32, 3, 0]), Err(NotAv1));
        let long = [&[0x08][..], AV1_SEQUENCE_640X360, &[0; MAX_SEQUENCE_HEADER]].concat();
        assert_eq!(read_unit(&long), Err(NotAv1));
    }

    #[test]
    fn truncated_headers_are_nothing() {
        for payload in [AV1_SEQUENCE_320X180, AV1_SEQUENCE_640X360] {
            for length in 0..payload.len() {
                assert_eq!(Sequence::read(&payload[..length]), None, "{length}");
            }
        }
        // A reserved profile.
        assert_eq!(Sequence::read(&[0xe0; 32]), None);
    }

    #[test]
    fn timing_and_decoder_models_are_passed_over() {
        let mut bits = String::new();
        let mut put = |width: usize, value: u64| bits += &format!("{value:0width$b}");
        // Profile 2, not still, not reduced.
        put(3, 2);
        put(2, 0);
        // Timing: two numbers, an equal interval of uvlc(2), a decoder model with delays of 4 bits.
        put(1, 1);
        put(64, 7);
        put(1, 1);
        put(3, 0b011);
        put(1, 1);
        put(5, 3);
        put(42, 0);
        // Display delays, and two operating points.
        put(1, 1);
        put(5, 1);
        for level in [13, 4] {
            put(12, 0);
            put(5, level);
            if level > 7 {
                put(1, 1);
            }
            put(1, 1);
            put(9, 0);
            put(1, 1);
            put(4, 0);
        }
        // 5 and 4 bits for 32x16, frame ids.
        put(4, 4);
        put(4, 3);
        put(5, 31);
        put(4, 15);
        put(1, 1);
        put(7, 0);
        put(3, 0);
        // Tools: order hints, screen content as forced, integer vectors as forced.
        put(4, 0);
        put(3, 0b100);
        put(2, 0b01);
        put(2, 0);
        put(3, 6);
        put(3, 0);
        // 12 bits, colours told, full range, 4:2:2.
        put(3, 0b110);
        put(1, 1);
        put(24, 0x09_1009);
        put(1, 1);
        put(2, 0b10);
        put(2, 0);
        let byte = |bits: &[u8]| {
            let ones = bits.iter().enumerate();
            ones.fold(0, |byte, (at, bit)| byte | (bit - b'0') << (7 - at))
        };
        let payload: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
        let config = Sequence::read(&payload)
            .expect("it is whole")
            .config(&payload);
        assert_eq!((config.width(), config.height()), (32, 16));
        assert_eq!(config.codec_string(), "av01.2.13H.12");
        let record = config.configuration_record();
        assert_eq!(record[..4], [0x81, 2 << 5 | 13, 0b1110_1000, 0]);
    }
}
