//! The transcoder's core: Opus packets with media times in, AAC frames on one sample count out.

use std::ops::RangeInclusive;
use std::time::Duration;

use packager::frames::AudioFrame;
use packager::time::MediaTime;

use super::encoder::{AacEncoder, FRAME_VALUES};
use super::{CHANNELS, ENCODER_DELAY, FRAME_SAMPLES, SAMPLE_RATE};

/// Bit rates in bit/s that the encoder takes for two channels.
const BIT_RATES: RangeInclusive<u32> = 16_000..=320_000;

/// Longest Opus packet: 120 ms (RFC 6716, section 2.1.4).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// How far a packet's media time may lie from the count of PCM samples before sound is made up
/// or cut away: 10 ms, so that the loss of one usual packet (20 ms) is one gap.
const MAX_DRIFT: u64 = 480;

/// From here on a packet gives or takes one sample: 2 ms. One sample in a packet of 20 ms
/// corrects 1,000 ppm, more than any two clocks differ by, and cannot be heard.
const SLEW_FROM: u64 = 96;

/// Longest loss that the Opus decoder conceals: after 120 ms it has faded out anyway.
const MAX_CONCEALED: u64 = 5_760;

/// Longest silence made at once. Beyond it the sample count jumps: the work must stay bounded,
/// and the timeline takes long pauses out.
const MAX_FILL: u64 = 10 * SAMPLE_RATE as u64;

/// Concealment works in steps of 2.5 ms (RFC 6716, section 2.1.4).
const CONCEAL_STEP: u64 = 120;

/// Largest packet that carries no speech: DTX sends the TOC byte and at most one more.
const DTX_PACKET: usize = 2;

/// Opus in, AAC-LC out, continuous: the time of a frame is its count of samples since the start,
/// and the count is held to the packets' media time by concealment, silence and cuts.
///
/// No clock, no thread; time comes with the packets.
pub struct AudioTranscoder {
    decoder: opus::Decoder,
    encoder: AacEncoder,
    decoded: Box<[i16]>,
    /// Interleaved PCM that waits for a whole frame.
    pcm: Vec<i16>,
    /// Sample time of the next PCM sample; `None` until the first packet or fill.
    next: Option<u64>,
    /// No frame is emitted before this time: what the encoder gives for its own delay line.
    emit_from: u64,
    in_dtx: bool,
    report: Report,
}

/// What a transcoder did to the sound since it was last asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Samples that the Opus decoder made up for lost packets.
    pub concealed: u64,
    /// Samples of comfort noise while the sender was silent on purpose (DTX).
    pub dtx: u64,
    /// Samples of silence.
    pub silence: u64,
    /// Decoded samples cut away because they came for a time that was already filled.
    pub cut: u64,
    /// Packets that are not Opus.
    pub bad_packets: u64,
}

/// The codec libraries refuse their settings or their input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscoderError {
    /// A bit rate that AAC-LC stereo at 48 kHz has no use for.
    #[error("an AAC bit rate of {bit_rate_bps} bit/s; 16000 to 320000 are allowed")]
    BitRate {
        /// The bit rate asked for.
        bit_rate_bps: u32,
    },
    /// The Opus decoder.
    #[error("the Opus decoder fails: {0}")]
    Decoder(String),
    /// The AAC encoder.
    #[error("the AAC encoder fails: {0}")]
    Encoder(String),
}

impl AudioTranscoder {
    /// A transcoder to AAC-LC, 48 kHz, stereo.
    ///
    /// # Errors
    /// [`TranscoderError`] when a codec refuses its settings, such as a bit rate out of range.
    pub fn new(bit_rate_bps: u32) -> Result<Self, TranscoderError> {
        if !BIT_RATES.contains(&bit_rate_bps) {
            return Err(TranscoderError::BitRate { bit_rate_bps });
        }
        let decoder = opus::Decoder::new(SAMPLE_RATE, opus::Channels::Stereo)
            .map_err(|error| TranscoderError::Decoder(error.to_string()))?;
        Ok(Self {
            decoder,
            encoder: AacEncoder::new(bit_rate_bps)?,
            decoded: vec![0; MAX_PACKET_SAMPLES * CHANNELS].into_boxed_slice(),
            pcm: Vec::with_capacity(2 * FRAME_VALUES),
            next: None,
            emit_from: 0,
            in_dtx: false,
            report: Report::default(),
        })
    }

    /// Takes one Opus packet that plays at `time` and appends the frames that are complete.
    ///
    /// A packet that does not decode is counted; the next one's time shows the gap.
    ///
    /// # Errors
    /// [`TranscoderError`] when the encoder fails.
    pub fn push(
        &mut self,
        packet: &[u8],
        time: MediaTime,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        let at = time.as_hz(SAMPLE_RATE);
        let next = self.start(at);
        if at > next.saturating_add(MAX_DRIFT) {
            self.bridge(at, frames)?;
        }
        let Ok(samples) = self.decoder.decode(packet, &mut self.decoded, false) else {
            self.report.bad_packets += 1;
            return Ok(());
        };
        self.in_dtx = packet.len() <= DTX_PACKET;
        let next = self.next.unwrap_or(at);
        let behind = next.saturating_sub(at);
        if behind > MAX_DRIFT {
            let cut = behind.min(samples as u64);
            self.report.cut += cut;
            self.append_decoded(cut as usize, samples, frames)
        } else if behind > SLEW_FROM {
            self.append_decoded(1.min(samples), samples, frames)
        } else {
            if at.saturating_sub(next) > SLEW_FROM {
                self.append_decoded(0, 1.min(samples), frames)?;
            }
            self.append_decoded(0, samples, frames)
        }
    }

    /// Makes silence up to `until`, because no packets come while the broadcast goes on. `from`
    /// is where the sound starts if there was none yet.
    ///
    /// # Errors
    /// [`TranscoderError`] when the encoder fails.
    pub fn fill_until(
        &mut self,
        from: MediaTime,
        until: MediaTime,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        let until = until.as_hz(SAMPLE_RATE);
        let next = self.start(from.as_hz(SAMPLE_RATE));
        if until > next {
            self.bridge(until, frames)?;
        }
        Ok(())
    }

    /// Forgets the decoder's state: another publisher's packets follow. The sample count goes
    /// on.
    ///
    /// # Errors
    /// [`TranscoderError`] when the decoder fails.
    pub fn restart(&mut self) -> Result<(), TranscoderError> {
        self.in_dtx = false;
        self.decoder
            .reset_state()
            .map_err(|error| TranscoderError::Decoder(error.to_string()))
    }

    /// What was made up, cut and refused since the last call.
    pub fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    fn start(&mut self, at: u64) -> u64 {
        if self.next.is_none() {
            self.emit_from = at;
        }
        *self.next.get_or_insert(at)
    }

    /// Brings the sample count to `target`, which lies ahead: concealment first, then silence,
    /// and a jump if it lies too far ahead.
    fn bridge(&mut self, target: u64, frames: &mut Vec<AudioFrame>) -> Result<(), TranscoderError> {
        let gap = target.saturating_sub(self.next.unwrap_or(target));
        if gap > MAX_FILL {
            // Pushes the last sound out of the delay line under its own time.
            self.append_silence(ENCODER_DELAY + FRAME_SAMPLES, frames)?;
            self.pcm.clear();
            self.next = Some(target);
            self.emit_from = target;
            return Ok(());
        }
        let limit = if self.in_dtx {
            gap
        } else {
            gap.min(MAX_CONCEALED)
        };
        let mut concealed = limit / CONCEAL_STEP * CONCEAL_STEP;
        while concealed > 0 {
            let step = concealed.min(MAX_CONCEALED);
            concealed -= step;
            let room = &mut self.decoded[..step as usize * CHANNELS];
            let Ok(samples) = self.decoder.decode(&[], room, false) else {
                break;
            };
            *match self.in_dtx {
                true => &mut self.report.dtx,
                false => &mut self.report.concealed,
            } += samples as u64;
            self.append_decoded(0, samples, frames)?;
        }
        let rest = target.saturating_sub(self.next.unwrap_or(target));
        self.append_silence(rest, frames)
    }

    fn append_silence(
        &mut self,
        samples: u64,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        self.report.silence += samples;
        let mut left = samples;
        while left > 0 {
            let step = left.min(FRAME_SAMPLES);
            left -= step;
            self.pcm
                .resize(self.pcm.len() + step as usize * CHANNELS, 0);
            self.advance(step, frames)?;
        }
        Ok(())
    }

    fn append_decoded(
        &mut self,
        first: usize,
        end: usize,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        let values = &self.decoded[first * CHANNELS..end * CHANNELS];
        self.pcm.extend_from_slice(values);
        self.advance((end - first) as u64, frames)
    }

    /// Counts `samples` that were appended and encodes what is complete.
    fn advance(
        &mut self,
        samples: u64,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        let next = self.next.unwrap_or(0).saturating_add(samples);
        self.next = Some(next);
        let mut first = next.saturating_sub((self.pcm.len() / CHANNELS) as u64);
        let (whole, rest) = self.pcm.as_chunks::<FRAME_VALUES>();
        for frame in whole {
            let unit = self.encoder.encode(frame)?;
            // The unit decodes to sound that went in two frames ago.
            let at = first.checked_sub(ENCODER_DELAY);
            first += FRAME_SAMPLES;
            if let (Some(data), Some(at)) = (unit, at.filter(|at| *at >= self.emit_from)) {
                frames.push(AudioFrame {
                    pts: MediaTime::from_hz(at, SAMPLE_RATE),
                    data,
                    samples: FRAME_SAMPLES as u32,
                });
            }
        }
        let keep = rest.len();
        let start = self.pcm.len() - keep;
        self.pcm.copy_within(start.., 0);
        self.pcm.truncate(keep);
        Ok(())
    }
}

impl Report {
    /// Samples as time.
    pub fn duration(samples: u64) -> Duration {
        Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(SAMPLE_RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::testing::{AacPlayer, Tone};

    const BIT_RATE: u32 = 128_000;

    fn at(samples: u64) -> MediaTime {
        MediaTime::from_hz(samples, SAMPLE_RATE)
    }

    fn times(frames: &[AudioFrame]) -> Vec<u64> {
        frames.iter().map(|f| f.pts.as_hz(SAMPLE_RATE)).collect()
    }

    fn is_continuous(frames: &[AudioFrame]) -> bool {
        times(frames)
            .windows(2)
            .all(|w| w[1] == w[0] + FRAME_SAMPLES)
    }

    /// Pushes packets of 20 ms; `place` gives the media time of each, `None` loses it.
    fn transcode(
        packets: u64,
        place: impl Fn(u64) -> Option<u64>,
        is_loud: impl Fn(u64) -> bool,
    ) -> (Vec<AudioFrame>, Report) {
        let mut tone = Tone::new(1_000.0);
        let mut transcoder = AudioTranscoder::new(BIT_RATE).unwrap();
        let mut frames = Vec::new();
        for number in 0..packets {
            let packet = tone.frame(&is_loud);
            if let Some(time) = place(number) {
                transcoder.push(&packet, at(time), &mut frames).unwrap();
            }
        }
        (frames, transcoder.take_report())
    }

    #[test]
    fn frames_are_counted_in_samples_from_the_first_packet() {
        let (frames, report) = transcode(100, |n| Some(48_000 + n * 960), |_| true);
        assert_eq!(times(&frames)[0], 48_000);
        assert!(is_continuous(&frames));
        // 96,000 samples went in; the delay line keeps two frames and the last part of one.
        assert_eq!(frames.len(), 96_000 / 1_024 - 2);
        assert_eq!(report, Report::default());
    }

    #[test]
    fn a_tone_is_heard_at_its_own_time() {
        let burst = 24_000..26_400;
        let (frames, _) = transcode(100, |n| Some(n * 960), |s| burst.contains(&s));
        let mut player = AacPlayer::new();
        for frame in &frames {
            player.play(frame);
        }
        let delay = Tone::new(1_000.0).lookahead();
        let (first, last) = player.loud_span(3_000);
        let first = first.abs_diff(burst.start + delay);
        let last = last.abs_diff(burst.end + delay);
        // 5 ms: a block of the codec spreads an onset.
        assert!(first < 240, "onset is off by {first} samples");
        assert!(last < 480, "end is off by {last} samples");
    }

    #[test]
    fn lost_packets_are_concealed_and_the_count_goes_on() {
        let (frames, report) = transcode(200, |n| (n % 10 != 3).then_some(n * 960), |_| true);
        assert!(is_continuous(&frames));
        assert_eq!(frames.len(), 200 * 960 / 1_024 - 2);
        assert_eq!(report.concealed, 20 * 960);
        assert_eq!((report.silence, report.cut), (0, 0));
    }

    #[test]
    fn comfort_noise_is_no_concealment() {
        let mut tone = Tone::new(1_000.0);
        let mut transcoder = AudioTranscoder::new(BIT_RATE).unwrap();
        let mut frames = Vec::new();
        let loud = tone.frame(&|_| true);
        transcoder.push(&loud, at(0), &mut frames).unwrap();
        // The table of contents alone: the sender has nothing to say for 400 ms.
        transcoder.push(&loud[..1], at(960), &mut frames).unwrap();
        transcoder.push(&loud, at(21 * 960), &mut frames).unwrap();
        let report = transcoder.take_report();
        assert_eq!((report.dtx, report.concealed), (19 * 960, 0));
    }

    #[test]
    fn a_long_gap_is_silence() {
        let place = |n: u64| Some(if n < 50 { n * 960 } else { n * 960 + 96_000 });
        let (frames, report) = transcode(100, place, |_| true);
        assert!(is_continuous(&frames));
        assert_eq!(report.concealed + report.silence, 96_000);
        assert_eq!(report.concealed, MAX_CONCEALED);
        assert_eq!(frames.len() as u64, (96_000 + 96_000) / 1_024 - 2);
    }

    #[test]
    fn a_gap_beyond_the_bound_jumps_and_stays_cheap() {
        let hour = 3_600 * 48_000;
        let place = |n: u64| Some(if n < 50 { n * 960 } else { n * 960 + hour });
        let (frames, report) = transcode(100, place, |_| true);
        assert!(report.silence < 4 * FRAME_SAMPLES);
        assert!(frames.len() < 200);
        let times = times(&frames);
        let jumps = times.windows(2).filter(|w| w[1] > w[0] + FRAME_SAMPLES);
        assert_eq!(jumps.count(), 1);
        assert!(times.is_sorted());
        assert_eq!(
            times.iter().find(|t| **t > hour).copied(),
            Some(hour + 48_000)
        );
    }

    #[test]
    fn sound_for_a_time_that_is_filled_is_cut() {
        let mut tone = Tone::new(1_000.0);
        let mut transcoder = AudioTranscoder::new(BIT_RATE).unwrap();
        let mut frames = Vec::new();
        transcoder
            .fill_until(at(0), at(48_000), &mut frames)
            .unwrap();
        for number in 0..50 {
            let packet = tone.frame(&|_| true);
            transcoder
                .push(&packet, at(40_000 + number * 960), &mut frames)
                .unwrap();
        }
        assert!(is_continuous(&frames));
        assert_eq!(times(&frames)[0], 0);
        let report = transcoder.take_report();
        assert!((7_000..=8_000).contains(&report.cut), "{}", report.cut);
        let end = times(&frames).last().unwrap() + 3 * FRAME_SAMPLES;
        assert!(end.abs_diff(40_000 + 50 * 960) < 2 * MAX_DRIFT);
    }

    #[test]
    fn drift_is_followed_without_gaps() {
        // The sender's clock is 300 ppm slow against media time: 36 ms in 120 s.
        let place = |n: u64| Some(n * 960 + n * 960 * 3 / 10_000);
        let (frames, report) = transcode(6_000, place, |_| false);
        assert!(is_continuous(&frames));
        assert_eq!(report.concealed + report.silence + report.cut, 0);
        let end = times(&frames).last().unwrap() + 3 * FRAME_SAMPLES;
        let target = place(6_000).unwrap();
        assert!(
            end.abs_diff(target) < SLEW_FROM + FRAME_SAMPLES,
            "{end} {target}"
        );
    }

    #[test]
    fn packets_that_are_no_opus_are_counted() {
        let mut transcoder = AudioTranscoder::new(BIT_RATE).unwrap();
        let mut frames = Vec::new();
        let bad: [&[u8]; 4] = [
            &[0xff],
            &[0xff, 0x80],
            &[0x03, 0x3f, 0xff],
            &[0xff, 7, 1, 2],
        ];
        for (number, packet) in bad.into_iter().enumerate() {
            let time = at(number as u64 * 960);
            transcoder.push(packet, time, &mut frames).unwrap();
        }
        assert_eq!(transcoder.take_report().bad_packets, 4);
    }

    #[test]
    fn a_bit_rate_out_of_range_is_refused() {
        for bit_rate_bps in [0, 15_999, 320_001] {
            assert_eq!(
                AudioTranscoder::new(bit_rate_bps).err(),
                Some(TranscoderError::BitRate { bit_rate_bps })
            );
        }
        assert!(AudioTranscoder::new(16_000).is_ok());
        assert!(AudioTranscoder::new(320_000).is_ok());
    }
}
