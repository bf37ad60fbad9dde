//! The uncompressed header of VP9 frames, as far as it says what a decoder must know (VP9 Bitstream
//! & Decoding Process Specification section 6.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::video::{Bits, Description, VideoCodec, VideoConfig};

/// What the start of a frame says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Decoding can start with it.
    Key(VideoConfig),
    /// It needs others before it.
    Inter,
}

impl Header {
    /// Reads the start of `frame`; nothing if it is no VP9 frame.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(frame);
        if bits.take(2)? != FRAME_MARKER {
            return None;
        }
        let profile = u8::from(bits.flag()?) | u8::from(bits.flag()?) << 1;
        if profile == 3 && bits.flag()? {
            return None;
        }
        let shows_existing = bits.flag()?;
        if shows_existing || bits.flag()? {
            return Some(Self::Inter);
        }
        // show_frame, error_resilient_mode
        bits.skip(2)?;
        if bits.take(24)? != SYNC_CODE {
            return None;
        }
        let colour = Colour::read(profile, &mut bits)?;
        let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
        Some(Self::Key(config(
            profile,
            &colour,
            u16::try_from(width).ok()?,
            u16::try_from(height).ok()?,
        )))
    }
}

/// `color_config`.
#[derive(Clone, Copy, Debug)]
struct Colour {
    bit_depth: u8,
    space: u8,
    is_full_range: bool,
    /// As `vpcC` counts it.
    subsampling: u8,
}

impl Colour {
    fn read(profile: u8, bits: &mut Bits<'_>) -> Option<Self> {
        let bit_depth = match profile >= 2 && bits.flag()? {
            true => 12,
            false if profile >= 2 => 10,
            false => 8,
        };
        let space = bits.byte(3)?;
        let has_more = profile & 1 != 0;
        let is_full_range = space == SRGB || bits.flag()?;
        let subsampling = match (space == SRGB, has_more) {
            // RGB is never subsampled, which the even profiles do not have.
            (true, false) => return None,
            (true, true) => SUBSAMPLING_444,
            (false, false) => SUBSAMPLING_420,
            (false, true) => match (bits.flag()?, bits.flag()?) {
                (false, false) => SUBSAMPLING_444,
                (true, false) => SUBSAMPLING_422,
                // 4:2:0 is for the even profiles; `vpcC` has no number for 4:4:0.
                (_, true) => return None,
            },
        };
        if has_more && bits.flag()? {
            return None;
        }
        Some(Colour {
            bit_depth,
            space,
            is_full_range,
            subsampling,
        })
    }

    /// Primaries, transfer and matrix (ISO/IEC 23091-2) of the `color_space`.
    fn code_points(self) -> [u8; 3] {
        match self.space {
            1 => [5, 6, 5],
            2 => [1, 1, 1],
            3 => [6, 6, 6],
            4 => [7, 7, 7],
            5 => [9, 14, 9],
            SRGB => [1, 13, 0],
            // Unspecified.
            _ => [2, 2, 2],
        }
    }
}

fn config(profile: u8, colour: &Colour, width: u16, height: u16) -> VideoConfig {
    let (level, bit_depth) = (level(width, height), colour.bit_depth);
    Description {
        codec: VideoCodec::Vp9,
        width,
        height,
        codec_string: format!("vp09.{profile:02}.{level:02}.{bit_depth:02}"),
        record: configuration_record(profile, level, colour),
    }
    .into()
}

/// VP Codec ISO Media File Format Binding, VPCodecConfigurationRecord.
fn configuration_record(profile: u8, level: u8, colour: &Colour) -> Bytes {
    let mut record = BytesMut::with_capacity(8);
    record.put_u8(profile);
    record.put_u8(level);
    record.put_u8(colour.bit_depth << 4 | colour.subsampling << 1 | u8::from(colour.is_full_range));
    record.put_slice(&colour.code_points());
    record.put_u16(0); // codecInitializationDataSize
    record.freeze()
}

/// Whether these are a VPCodecConfigurationRecord, alone or behind the version and flags of its box,
/// which some write before it. It says neither width nor height: key frames do.
pub(crate) fn is_configuration_record(record: &[u8]) -> bool {
    let record = match record {
        [1, 0, 0, 0, record @ ..] if record.len() == RECORD => record,
        record => record,
    };
    // codecInitializationDataSize is 0 for VP9.
    let [profile, _, depth, _, _, _, 0, 0] = *record else {
        return false;
    };
    profile <= 3 && matches!(depth >> 4, 8 | 10 | 12)
}

/// What a key frame says; nothing of another frame. `None` for what is no VP9 frame.
pub(crate) fn read_frame(frame: &[u8]) -> Option<Option<VideoConfig>> {
    Header::read(frame).map(|header| match header {
        Header::Key(config) => Some(config),
        Header::Inter => None,
    })
}

/// The least level for pictures of this size, [`PICTURES_A_SECOND`] of them: no VP9 header says
/// which it is.
fn level(width: u16, height: u16) -> u8 {
    let picture = u64::from(width) * u64::from(height);
    let rate = picture * PICTURES_A_SECOND;
    let fits =
        |&&(_, max_rate, max_picture): &&(u8, u64, u64)| rate <= max_rate && picture <= max_picture;
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

/// Bytes of a configuration record.
const RECORD: usize = 8;
const FRAME_MARKER: u32 = 2;
const SYNC_CODE: u32 = 0x49_8342;
const SRGB: u8 = 7;
/// 4:2:0, chroma collocated with luma.
const SUBSAMPLING_420: u8 = 1;
const SUBSAMPLING_422: u8 = 2;
const SUBSAMPLING_444: u8 = 3;
/// The most that browsers send.
const PICTURES_A_SECOND: u64 = 60;
/// Ten times the level, luma samples a second, luma samples in a picture (VP9 Levels and Decoder
/// Testing section 2).
const LEVELS: [(u8, u64, u64); 14] = [
    (10, 829_440, 36_864),
    (11, 2_764_800, 73_728),
    (20, 4_608_000, 122_880),
    (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960),
    (31, 36_864_000, 983_040),
    (40, 83_558_400, 2_228_224),
    (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896),
    (51, 588_251_136, 8_912_896),
    (52, 1_176_502_272, 8_912_896),
    (60, 1_176_502_272, 35_651_584),
    (61, 2_353_004_544, 35_651_584),
    (62, 4_706_009_088, 35_651_584),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{VP9_KEY_320X180, vp9_key};

    fn key(frame: &[u8]) -> Option<VideoConfig> {
        match Header::read(frame)? {
            Header::Key(config) => Some(config),
            Header::Inter => None,
        }
    }

    #[test]
    fn an_encoders_key_frame_says_its_size() {
        let config = key(VP9_KEY_320X180).expect("a key frame of libvpx");
        assert_eq!((config.width(), config.height()), (320, 180));
        assert_eq!(config.codec_string(), "vp09.00.20.08");
        let record = config.configuration_record();
        assert_eq!(record.as_ref(), [0, 20, 0x82, 2, 2, 2, 0, 0]);
    }

    #[test]
    fn configuration_records_are_known() {
        let config = key(VP9_KEY_320X180).expect("a key frame of libvpx");
        let record = &config.configuration_record()[..];
        assert!(is_configuration_record(record));
        let boxed = [&[1, 0, 0, 0], record].concat();
        assert!(is_configuration_record(&boxed));
        for length in 0..8 {
            assert!(!is_configuration_record(&record[..length]));
        }
        assert!(!is_configuration_record(&[record, &[0]].concat()));
        for (at, value) in [(0, 4), (2, 0x72), (7, 1)] {
            let mut other = record.to_vec();
            other[at] = value;
            assert!(!is_configuration_record(&other), "{at}");
        }
    }

    #[test]
    fn truncated_headers_and_other_bytes_are_nothing() {
        for length in 0..9 {
            assert_eq!(Header::read(&VP9_KEY_320X180[..length]), None, "{length}");
        }
        assert_eq!(Header::read(&[0x00, 0x49, 0x83, 0x42]), None);
        // A wrong sync code.
        assert_eq!(
            Header::read(&[0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0, 0]),
            None
        );
        // Inter, and one that is shown again.
        assert_eq!(Header::read(&[0x86]), Some(Header::Inter));
        assert_eq!(Header::read(&[0x88]), Some(Header::Inter));
    }

    #[test]
    fn other_profiles_say_depth_and_subsampling() {
        // Profile 1, BT.709, 4:4:4, 2x1.
        let bits = "10100010".to_owned() + "010010011000001101000010" + "010" + "0" + "00" + "0";
        let frame = packed(&(bits + "0000000000000001" + "0000000000000000"));
        let config = key(&frame).expect("profile 1");
        assert_eq!((config.width(), config.height()), (2, 1));
        assert_eq!(
            config.configuration_record().as_ref(),
            [1, 10, 0x86, 1, 1, 1, 0, 0]
        );
        // Profile 2, 10 bits, BT.2020, full range, 4:2:0.
        let bits = "10010010".to_owned() + "010010011000001101000010" + "0" + "101" + "1";
        let frame = packed(&(bits + "0000000000000001" + "0000000000000000"));
        let config = key(&frame).expect("profile 2");
        assert_eq!(config.codec_string(), "vp09.02.10.10");
        assert_eq!(
            config.configuration_record().as_ref(),
            [2, 10, 0xa3, 9, 14, 9, 0, 0]
        );
        // Profile 1 with 4:2:0 is not allowed, and neither is RGB in profile 0.
        let bits = "10100010".to_owned() + "010010011000001101000010" + "010" + "0" + "11" + "0";
        assert_eq!(key(&packed(&(bits + &"0".repeat(40)))), None);
        let bits = "10000010".to_owned() + "010010011000001101000010" + "111";
        assert_eq!(key(&packed(&(bits + &"0".repeat(40)))), None);
    }

    #[test]
    fn levels_go_by_size() {
        for (width, height, expected) in [
            (320, 180, "20"),
            (640, 360, "30"),
            (1280, 720, "40"),
            (1920, 1080, "41"),
            (3840, 2160, "51"),
            (u16::MAX, u16::MAX, "62"),
        ] {
            let config = key(&vp9_key(width, height)).expect("a key frame");
            assert_eq!((config.width(), config.height()), (width, height));
            assert_eq!(config.codec_string(), format!("vp09.00.{expected}.08"));
        }
    }

    /// Bits to bytes.
    fn packed(bits: &str) -> Vec<u8> {
        let byte = |bits: &[u8]| {
            let ones = bits.iter().enumerate();
            ones.fold(0, |byte, (at, bit)| byte | (bit - b'0') << (7 - at))
        };
        bits.as_bytes().chunks(8).map(byte).collect()
    }
}
