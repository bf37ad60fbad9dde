//! AAC-LC: constants and the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).

/// Samples a channel in one AAC-LC access unit.
pub const SAMPLES_PER_FRAME: u32 = 1_024;

/// Audio object type 2, AAC-LC (ISO/IEC 14496-3 table 1.17).
const AAC_LC: u16 = 2;

/// Sampling frequencies by their index (ISO/IEC 14496-3 table 1.18).
const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// An audio format that AAC-LC as written here cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "AAC-LC at {sample_rate} Hz with {channels} channels: 1 or 2 channels at one of the 13 rates from 7350 to 96000 Hz are allowed"
)]
pub struct UnknownAudioFormat {
    /// The sample rate asked for.
    pub sample_rate: u32,
    /// The channel count asked for.
    pub channels: u8,
}

/// The two bytes of AudioSpecificConfig for AAC-LC with frames of 1,024 samples.
pub fn audio_specific_config(
    sample_rate: u32,
    channels: u8,
) -> Result<[u8; 2], UnknownAudioFormat> {
    let index = SAMPLE_RATES.iter().position(|rate| *rate == sample_rate);
    match (index, channels) {
        (Some(index), 1 | 2) => {
            Ok((AAC_LC << 11 | (index as u16) << 7 | u16::from(channels) << 3).to_be_bytes())
        }
        _ => Err(UnknownAudioFormat {
            sample_rate,
            channels,
        }),
    }
}

/// Sample rate and channels of an AudioSpecificConfig, if it is AAC-LC with frames of 1,024
/// samples, one of the rates by index and one or two channels.
pub fn read_audio_specific_config(asc: &[u8]) -> Option<(u32, u8)> {
    let bits = u16::from_be_bytes(*asc.first_chunk()?);
    let (index, channels) = (bits >> 7 & 0xf, (bits >> 3 & 0xf) as u8);
    let has_long_frames = bits & FRAME_LENGTH_960 == 0;
    let rate = *SAMPLE_RATES.get(usize::from(index))?;
    (bits >> 11 == AAC_LC && has_long_frames && matches!(channels, 1 | 2))
        .then_some((rate, channels))
}

/// An access unit of silence, of one or two channels at any rate: a `raw_data_block` of one element
/// whose `max_sfb` is 0, so that it has no spectrum (ISO/IEC 14496-3 tables 4.3 to 4.6 and 4.50).
pub fn silence(channels: u8) -> &'static [u8] {
    match channels {
        // ID_SCE, 26 zeros, ID_END.
        1 => &[0, 0, 0, 0x07],
        // ID_CPE, element_instance_tag 0, common_window 1, 35 zeros, ID_END.
        _ => &[0x21, 0, 0, 0, 0, 0x1c],
    }
}

/// frameLengthFlag of GASpecificConfig (ISO/IEC 14496-3 §4.4.1).
const FRAME_LENGTH_960: u16 = 1 << 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for rate in SAMPLE_RATES {
            for channels in [1, 2] {
                let asc = audio_specific_config(rate, channels).expect("a known rate");
                assert_eq!(read_audio_specific_config(&asc), Some((rate, channels)));
            }
        }
        // HE-AAC, frames of 960 samples, 5.1, a rate in words, half of it.
        for other in [
            &[0x2b, 0x92][..],
            &[0x11, 0x94],
            &[0x11, 0xb0],
            &[0x17, 0x80],
            &[0x11],
        ] {
            assert_eq!(read_audio_specific_config(other), None, "{other:02x?}");
        }
    }

    #[test]
    fn known_configs_are_byte_exact() {
        assert_eq!(audio_specific_config(48_000, 2), Ok([0x11, 0x90]));
        assert_eq!(audio_specific_config(48_000, 1), Ok([0x11, 0x88]));
        assert_eq!(audio_specific_config(44_100, 2), Ok([0x12, 0x10]));
    }

    #[test]
    fn unknown_formats_are_refused_by_name() {
        let error = audio_specific_config(48_001, 2).expect_err("48001 Hz has no index");
        assert!(error.to_string().contains("48001 Hz"));
        assert!(audio_specific_config(48_000, 0).is_err());
        assert!(audio_specific_config(48_000, 6).is_err());
    }
}
