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

/// Samples at 48 kHz that `packet` carries again of the packet before it: its first frame's length
/// if that has low bit-rate redundancy (in-band FEC, RFC 6716 §2.1.7), else 0.
pub fn recoverable(packet: &[u8]) -> u32 {
    let Some(&toc) = packet.first() else { return 0 };
    // CELT has none.
    if toc >> 3 >= 16 {
        return 0;
    }
    let samples = samples_in_frame(toc >> 3);
    let Some(&first) = first_frame(packet).and_then(<[u8]>::first) else {
        return 0;
    };
    // A SILK frame begins with a bit of voice activity for each 20 ms, then the bit for redundancy
    // (§4.2.3); for the side channel the same again.
    let frames = (samples / 960).max(1);
    let bit = |place: u32| first >> (7 - place) & 1 == 1;
    let has = bit(frames) || (is_stereo(packet) && bit(2 * frames + 1));
    if has { samples } else { 0 }
}

/// Whether the sender has nothing to say after `packet` (DTX, RFC 6716 §2.1.9): it sends the table
/// of contents and at most one byte more.
pub fn is_dtx(packet: &[u8]) -> bool {
    (1..=2).contains(&packet.len())
}

/// The first frame of a packet (RFC 6716 §3.2).
fn first_frame(packet: &[u8]) -> Option<&[u8]> {
    let (&toc, rest) = packet.split_first()?;
    match toc & 0x3 {
        0 | 1 => Some(rest),
        2 => frame_length(rest).map(|(_, rest)| rest),
        _ => {
            let (&count, mut rest) = rest.split_first()?;
            if count & 0x40 != 0 {
                // Padding: every 255 is followed by another byte of its length (§3.2.5).
                let ended = rest.iter().position(|byte| *byte != 255)?;
                rest = rest.get(ended + 1..)?;
            }
            if count & 0x80 == 0 {
                return Some(rest);
            }
            for _ in 1..count & 0x3f {
                rest = frame_length(rest)?.1;
            }
            Some(rest)
        }
    }
}

/// A frame's length, in one or two bytes (RFC 6716 §3.2.1), and what is behind it.
fn frame_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [first @ 0..=251, ref rest @ ..] => Some((first.into(), rest)),
        [first, second, ref rest @ ..] => {
            Some((usize::from(second) * 4 + usize::from(first), rest))
        }
        _ => None,
    }
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

    #[test]
    fn redundancy_is_the_bit_behind_voice_activity() {
        // SILK, 20 ms, mono: voice activity, then redundancy.
        let silk = 9 << 3;
        assert_eq!(recoverable(&[silk, 0b1000_0000]), 0);
        assert_eq!(recoverable(&[silk, 0b0100_0000]), 960);
        // 60 ms have three bits of voice activity.
        assert_eq!(recoverable(&[11 << 3, 0b1110_0000]), 0);
        assert_eq!(recoverable(&[11 << 3, 0b0001_0000]), 2_880);
        // In stereo the side channel may have it alone.
        assert_eq!(recoverable(&[silk | 4, 0b0001_0000]), 960);
        // The first frame is behind the lengths: code 2, and code 3 with padding.
        assert_eq!(recoverable(&[silk | 2, 252, 9, 0b0100_0000]), 960);
        assert_eq!(recoverable(&[silk | 3, 0xc2, 255, 1, 7, 0b0100_0000]), 960);
        // CELT, and packets without a frame.
        assert_eq!(recoverable(&[31 << 3, 0xff]), 0);
        assert_eq!(recoverable(&[silk]), 0);
        assert_eq!(recoverable(&[]), 0);
    }

    #[test]
    fn a_packet_without_speech_is_known_by_its_length() {
        assert!(is_dtx(&[9 << 3]) && is_dtx(&[9 << 3, 0]));
        assert!(!is_dtx(&[]) && !is_dtx(&[9 << 3, 0, 0]));
    }

    proptest! {
        #[test]
        fn no_packet_carries_more_than_a_frame_again(packet: Vec<u8>) {
            prop_assert!(recoverable(&packet) <= 2_880);
        }

        #[test]
        fn any_accepted_packet_plays_between_2_5_and_120_ms(packet: Vec<u8>) {
            if let Ok(samples) = samples(&packet) {
                prop_assert!((120..=MAX_SAMPLES).contains(&samples));
            }
        }
    }
}
