//! Opus: how long a packet plays, from its first bytes (RFC 6716 §3.1, §3.2).

/// The rate of Opus RTP timestamps and of [`samples`] (RFC 7587 §4.1).
pub const HZ: u32 = 48_000;

/// The most that one packet may play: 120 ms (RFC 6716 §3.2.5, requirement R5).
pub const MAX_SAMPLES: u32 = 5_760;

/// A payload that is no Opus packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOpusPacket {
    /// No table-of-contents byte (requirement R1).
    #[error("opus packet: empty, at least the table-of-contents byte must be there")]
    Empty,
    /// A code 3 packet without its frame count byte, or with a count of 0
    /// (requirements R6 and R7).
    #[error("opus packet: a code 3 packet needs a frame count from 1 to 48")]
    NoFrameCount,
    /// More than 120 ms (requirement R5).
    #[error("opus packet: {0} samples at 48 kHz, at most 5760 are allowed")]
    TooLong(u32),
}

/// Samples at 48 kHz that `packet` plays.
pub fn samples(packet: &[u8]) -> Result<u32, BadOpusPacket> {
    let toc = *packet.first().ok_or(BadOpusPacket::Empty)?;
    let frames = match toc & 0x3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1).ok_or(BadOpusPacket::NoFrameCount)? & 0x3f),
    };
    if frames == 0 {
        return Err(BadOpusPacket::NoFrameCount);
    }
    let total = frames * samples_in_frame(toc >> 3);
    if total > MAX_SAMPLES {
        return Err(BadOpusPacket::TooLong(total));
    }
    Ok(total)
}

/// Whether `packet` says that it carries two channels.
pub fn is_stereo(packet: &[u8]) -> bool {
    packet.first().is_some_and(|toc| toc & 0x4 != 0)
}

/// Frame length by configuration number (RFC 6716 §3.1, table 2).
fn samples_in_frame(config: u8) -> u32 {
    match config {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1_920, 2_880][usize::from(config % 4)],
        // Hybrid: 10, 20 ms.
        12..=15 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frame_lengths_follow_the_table() {
        // Config in the top five bits, code 0: one frame.
        let of = |config: u8| samples(&[config << 3]);
        assert_eq!(
            [of(0), of(1), of(2), of(3)],
            [Ok(480), Ok(960), Ok(1_920), Ok(2_880)]
        );
        assert_eq!(
            [of(12), of(13), of(14), of(15)],
            [Ok(480), Ok(960), Ok(480), Ok(960)]
        );
        assert_eq!(
            [of(16), of(17), of(18), of(31)],
            [Ok(120), Ok(240), Ok(480), Ok(960)]
        );
    }

    #[test]
    fn codes_multiply_the_frames() {
        let fullband_20ms = 31 << 3;
        assert_eq!(samples(&[fullband_20ms | 1]), Ok(1_920));
        assert_eq!(samples(&[fullband_20ms | 2]), Ok(1_920));
        assert_eq!(samples(&[fullband_20ms | 3, 0x80 | 6]), Ok(5_760));
    }

    #[test]
    fn broken_packets_are_named() {
        assert_eq!(samples(&[]), Err(BadOpusPacket::Empty));
        assert_eq!(samples(&[0xff]), Err(BadOpusPacket::NoFrameCount));
        assert_eq!(samples(&[0xff, 0x80]), Err(BadOpusPacket::NoFrameCount));
        assert_eq!(samples(&[0xff, 7]), Err(BadOpusPacket::TooLong(6_720)));
    }

    #[test]
    fn the_stereo_bit_is_read() {
        assert!(is_stereo(&[0xfc]));
        assert!(!is_stereo(&[0xf8]));
        assert!(!is_stereo(&[]));
    }

    proptest! {
        #[test]
        fn any_accepted_packet_plays_between_2_5_and_120_ms(packet: Vec<u8>) {
            if let Ok(samples) = samples(&packet) {
                prop_assert!((120..=MAX_SAMPLES).contains(&samples));
            }
        }
    }
}
