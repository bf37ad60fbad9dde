//! PAT and PMT (ISO/IEC 13818-1 section 2.4.4): one program, and what it has.

use super::{AUDIO_PID, PMT_PID, Program, VIDEO_PID};

/// `stream_type` (table 2-34).
pub(super) const H264: u8 = 0x1b;
pub(super) const H265: u8 = 0x24;
const AAC_ADTS: u8 = 0x0f;

/// `table_id` (table 2-31).
const PAT: u8 = 0x00;
const PMT: u8 = 0x02;

const PROGRAM_NUMBER: u16 = 1;

/// Three bits that are reserved, and are ones, before 13 bits of a PID.
const RESERVED: u16 = 0xe000;

impl Program {
    /// The PID that carries the clock.
    pub(super) fn pcr_pid(&self) -> u16 {
        match self.video {
            Some(_) => VIDEO_PID,
            None => AUDIO_PID,
        }
    }

    /// The Program Association Section.
    pub(super) fn pat(&self) -> Vec<u8> {
        let mut body = PROGRAM_NUMBER.to_be_bytes().to_vec();
        body.extend((RESERVED | PMT_PID).to_be_bytes());
        // The transport stream has the number of its program. This section never changes.
        section(PAT, PROGRAM_NUMBER, 0, &body)
    }

    /// The Program Map Section.
    pub(super) fn pmt(&self) -> Vec<u8> {
        let mut body = (RESERVED | self.pcr_pid()).to_be_bytes().to_vec();
        body.extend(NO_DESCRIPTORS);
        let video = self.video.as_ref().map(|video| (video.kind, VIDEO_PID));
        let audio = self.sound.map(|_| (AAC_ADTS, AUDIO_PID));
        for (kind, pid) in video.into_iter().chain(audio) {
            body.push(kind);
            body.extend((RESERVED | pid).to_be_bytes());
            body.extend(NO_DESCRIPTORS);
        }
        section(PMT, PROGRAM_NUMBER, self.version, &body)
    }
}

/// Four bits that are reserved, and a length of 12 bits.
const NO_DESCRIPTORS: [u8; 2] = [0xf0, 0x00];

/// A section with what all have before and behind.
fn section(table: u8, number: u16, version: u8, body: &[u8]) -> Vec<u8> {
    // Behind the length: five bytes of heads, the body, the check sum.
    let [high, low] = (5 + body.len() as u16 + 4).to_be_bytes();
    let mut section = vec![table, 0xb0 | high, low];
    section.extend(number.to_be_bytes());
    // It applies now, and is the only one.
    section.extend([0xc0 | version << 1 | 1, 0, 0]);
    section.extend(body);
    let sum = crc32(&section);
    section.extend(sum.to_be_bytes());
    section
}

/// The check sum of sections (annex A): over a section with its check sum it is zero.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            let polynomial = if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            sum << 1 ^ polynomial
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::AudioConfig;
    use crate::test_media;
    use crate::video::VideoCodec;

    #[test]
    fn the_check_sum_is_that_of_the_catalogue() {
        // CRC-32/MPEG-2 of the nine digits.
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_program_of_h265_says_so() {
        let video = test_media::video_config(VideoCodec::H265);
        let program = Program::new(Some(&video), None, 0).unwrap();
        assert_eq!(program.pmt()[12..15], [0x24, 0xe1, 0x00]);
    }

    #[test]
    fn sections_are_byte_exact() {
        let video = test_media::video_config(VideoCodec::H264);
        let audio = AudioConfig::aac_lc(48_000, 2).unwrap();
        let both = Program::new(Some(&video), Some(&audio), 0).unwrap();
        let pat = [
            0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00, 0x2a, 0xb1,
            0x04, 0xb2,
        ];
        assert_eq!(both.pat(), pat);
        let pmt = [
            0x02, 0xb0, 0x17, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe1, 0x00, 0xf0, 0x00, 0x1b, 0xe1,
            0x00, 0xf0, 0x00, 0x0f, 0xe1, 0x01, 0xf0, 0x00, 0x2f, 0x44, 0xb9, 0x9b,
        ];
        assert_eq!(both.pmt(), pmt);
        let sound = Program::new(None, Some(&audio), 33).unwrap();
        let pmt = sound.pmt();
        assert_eq!(pmt[..4], [0x02, 0xb0, 0x12, 0x00]);
        assert_eq!(pmt[5], 0xc3, "version 33 of 32");
        assert_eq!(
            pmt[8..12],
            [0xe1, 0x01, 0xf0, 0x00],
            "the sound has the clock"
        );
        assert_eq!(crc32(&pmt), 0);
    }
}
