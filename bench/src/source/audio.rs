//! One second of Opus, encoded once and repeated.

use std::f32::consts::TAU;
use std::time::Duration;

use anyhow::Context;

use crate::stamp::Stamp;

/// A loop of 20 ms Opus packets of a tone, each with room for a stamp in its
/// padding (RFC 6716 3.2.5), so that every decoder plays it.
#[derive(Debug)]
pub(super) struct AudioLoop {
    packets: Vec<Vec<u8>>,
}

impl AudioLoop {
    /// The length of a packet.
    pub(super) const PACKET: Duration = Duration::from_millis(20);
    /// The length of a packet in ticks of the 48 kHz RTP clock.
    pub(super) const TICKS: u32 = 960;

    pub(super) fn new() -> anyhow::Result<AudioLoop> {
        let mut encoder =
            opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Audio)
                .context("the Opus encoder does not start")?;
        encoder
            .set_bitrate(opus::Bitrate::Bits(48_000))
            .context("the Opus encoder refuses 48 kbit/s")?;
        let mut packets = Vec::new();
        let mut coded = [0u8; 1_000];
        for packet in 0..PACKETS {
            let pcm: Vec<f32> = (0..Self::TICKS)
                .flat_map(|i| {
                    // 440 Hz fits the loop's second in whole periods.
                    let at = (packet * Self::TICKS + i) as f32 / 48_000.0;
                    let sample = (TAU * 440.0 * at).sin() * 0.3;
                    [sample, sample]
                })
                .collect();
            let len = encoder
                .encode_float(&pcm, &mut coded)
                .context("the Opus encoder fails")?;
            packets.push(padded(&coded[..len])?);
        }
        Ok(AudioLoop { packets })
    }

    pub(super) fn packet(&self, number: u64) -> &[u8] {
        &self.packets[(number % self.packets.len() as u64) as usize]
    }
}

const PACKETS: u32 = 50;

/// Rewrites a packet of one frame (code 0) as code 3 with padding of the
/// length of a stamp.
fn padded(packet: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (toc, frame) = packet.split_first().context("an empty Opus packet")?;
    anyhow::ensure!(toc & 3 == 0, "the Opus encoder made more than one frame");
    let mut out = Vec::with_capacity(packet.len() + 2 + Stamp::LEN);
    out.push(toc | 3);
    out.push(0x40 | 1);
    out.push(Stamp::LEN as u8);
    out.extend_from_slice(frame);
    out.resize(out.len() + Stamp::LEN, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamped_packets_still_decode_to_the_tone() {
        let audio = AudioLoop::new().unwrap();
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Stereo).unwrap();
        let mut energy = 0.0;
        for number in 0..100 {
            let mut packet = audio.packet(number).to_vec();
            Stamp {
                index: number,
                sent_micros: 99,
            }
            .write(&mut packet);
            let mut pcm = vec![0f32; 1_920];
            let samples = decoder.decode_float(&packet, &mut pcm, false).unwrap();
            assert_eq!(samples, 960);
            energy += pcm.iter().map(|s| s * s).sum::<f32>() / 1_920.0;
        }
        let rms = (energy / 100.0).sqrt();
        assert!((0.15..0.25).contains(&rms), "{rms}");
    }
}
