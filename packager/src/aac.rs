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

#[cfg(test)]
mod tests {
    use super::*;

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
