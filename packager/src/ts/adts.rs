//! ADTS: the header before each AAC access unit (ISO/IEC 13818-7 section 6.2).

use super::TsError;
use crate::frames::AudioConfig;

/// What every header of a track says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Adts {
    /// `profile`: the audio object type less one.
    profile: u8,
    frequency_index: u8,
    channels: u8,
    /// In Hz: the timescale of the track.
    pub(super) sample_rate: u32,
}

/// Length of a header without a check sum.
pub(super) const HEADER: usize = 7;

impl Adts {
    /// Reads the AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
    pub(super) fn new(config: &AudioConfig) -> Result<Self, TsError> {
        let asc = config.asc().map_or(&[][..], |asc| asc);
        let unknown = || TsError::Sound(asc.to_vec());
        let &[first, second, ..] = asc else {
            return Err(unknown());
        };
        let object_type = first >> 3;
        let frequency_index = (first & 0x07) << 1 | second >> 7;
        let channels = second >> 3 & 0x0f;
        // ADTS has two bits for the type, and no rate but those of the table.
        if !(1..=4).contains(&object_type) || frequency_index > 12 || !(1..=7).contains(&channels) {
            return Err(unknown());
        }
        Ok(Self {
            profile: object_type - 1,
            frequency_index,
            channels,
            sample_rate: config.sample_rate,
        })
    }

    /// The header of an access unit of `length` bytes.
    pub(super) fn header(self, length: usize) -> Result<[u8; HEADER], TsError> {
        let whole = u16::try_from(length + HEADER).ok();
        let whole = whole.filter(|whole| *whole < 1 << 13);
        let [high, low] = whole.ok_or(TsError::TooLong(length))?.to_be_bytes();
        Ok([
            0xff,
            // MPEG-4, no check sum.
            0xf1,
            self.profile << 6 | self.frequency_index << 2 | self.channels >> 2,
            (self.channels & 0x03) << 6 | high >> 3,
            high << 5 | low >> 3,
            // Buffer fullness 0x7ff: a variable bit rate. One access unit in the frame.
            low << 5 | 0x1f,
            0xfc,
        ])
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frames::AudioCodec;

    #[test]
    fn a_header_is_byte_exact() {
        let stereo = AudioConfig::aac_lc(48_000, 2).unwrap();
        let header = Adts::new(&stereo).unwrap().header(341).unwrap();
        // 348 bytes with the header: 0b0_0001_0101_1100.
        assert_eq!(header, [0xff, 0xf1, 0x4c, 0x80, 0x2b, 0x9f, 0xfc]);
        let mono = AudioConfig::aac_lc(44_100, 1).unwrap();
        let header = Adts::new(&mono).unwrap().header(8_184).unwrap();
        assert_eq!(header, [0xff, 0xf1, 0x50, 0x43, 0xff, 0xff, 0xfc]);
    }

    #[test]
    fn what_has_no_header_is_refused() {
        let stereo = AudioConfig::aac_lc(48_000, 2).unwrap();
        let adts = Adts::new(&stereo).unwrap();
        assert!(matches!(adts.header(8_185), Err(TsError::TooLong(8_185))));
        assert!(matches!(adts.header(70_000), Err(TsError::TooLong(_))));
        // HE-AAC, a rate of its own, no channels, too short.
        for asc in [&[0x2b, 0x92][..], &[0x17, 0x90], &[0x11, 0x80], &[0x11]] {
            let config = AudioConfig {
                codec: AudioCodec::Aac(Bytes::copy_from_slice(asc)),
                ..stereo.clone()
            };
            assert!(matches!(Adts::new(&config), Err(TsError::Sound(_))));
        }
        let opus = AudioConfig::opus(2);
        assert!(matches!(Adts::new(&opus), Err(TsError::Sound(_))));
    }
}
