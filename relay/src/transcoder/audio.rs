//! The transcoder's core: Opus packets with media times in, AAC frames on one sample count out.

use std::ops::RangeInclusive;
use std::time::Duration;

use packager::frames::AudioFrame;
use packager::opus;
use packager::time::MediaTime;

use super::encoder::{AacEncoder, FRAME_VALUES};
use super::pace::{MAX_CONCEALED, Pacer, Packet, Report, Step};
use super::{CHANNELS, ENCODER_DELAY, FRAME_SAMPLES, SAMPLE_RATE};

/// Bit rates in bit/s that the encoder takes for two channels.
const BIT_RATES: RangeInclusive<u32> = 16_000..=320_000;

/// Longest Opus packet: 120 ms (RFC 6716, section 2.1.4).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// Opus in, AAC-LC out, continuous: the time of a frame is its count of samples since the start,
/// and the count is held to the packets' media time by recovery, concealment, silence and cuts.
///
/// No clock, no thread; time comes with the packets.
pub struct AudioTranscoder {
    decoder: ::opus::Decoder,
    encoder: AacEncoder,
    decoded: Box<[i16]>,
    /// Interleaved PCM that waits for a whole frame.
    pcm: Vec<i16>,
    /// The number of the sample behind the last of `pcm`; `None` before the first.
    end: Option<u64>,
    /// No frame is emitted before this time: what the encoder gives for its own delay line.
    emit_from: u64,
    pacer: Pacer,
    steps: Vec<Step>,
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
        let decoder = ::opus::Decoder::new(SAMPLE_RATE, ::opus::Channels::Stereo)
            .map_err(|error| TranscoderError::Decoder(error.to_string()))?;
        Ok(Self {
            decoder,
            encoder: AacEncoder::new(bit_rate_bps)?,
            decoded: vec![0; MAX_PACKET_SAMPLES * CHANNELS].into_boxed_slice(),
            pcm: Vec::with_capacity(2 * FRAME_VALUES),
            end: None,
            emit_from: 0,
            pacer: Pacer::default(),
            steps: Vec::new(),
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
        let samples = opus::samples(packet).unwrap_or(0);
        let of = Packet {
            samples: samples.into(),
            recoverable: opus::recoverable(packet).into(),
            is_dtx: opus::is_dtx(packet),
        };
        let mut steps = std::mem::take(&mut self.steps);
        self.pacer.place(time.as_hz(SAMPLE_RATE), of, &mut steps);
        let done = self.carry_out(&steps, packet, samples as usize, frames);
        self.keep(steps);
        done
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
        let (from, until) = (from.as_hz(SAMPLE_RATE), until.as_hz(SAMPLE_RATE));
        let mut steps = std::mem::take(&mut self.steps);
        self.pacer.fill(from, until, &mut steps);
        let done = self.carry_out(&steps, &[], 0, frames);
        self.keep(steps);
        done
    }

    /// Forgets the decoder's state: another publisher's packets follow. The sample count goes
    /// on.
    ///
    /// # Errors
    /// [`TranscoderError`] when the decoder fails.
    pub fn restart(&mut self) -> Result<(), TranscoderError> {
        self.pacer.restart();
        self.decoder
            .reset_state()
            .map_err(|error| TranscoderError::Decoder(error.to_string()))
    }

    /// What was made up, cut and refused since the last call.
    pub fn take_report(&mut self) -> Report {
        self.pacer.take_report()
    }

    /// Keeps the room for the next packet's steps.
    fn keep(&mut self, mut steps: Vec<Step>) {
        steps.clear();
        self.steps = steps;
    }

    fn carry_out(
        &mut self,
        steps: &[Step],
        packet: &[u8],
        samples: usize,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        if self.end.is_none() {
            self.go_on_at(self.pacer.first());
        }
        for step in steps {
            match *step {
                Step::Silence(samples) => self.append_silence(samples, frames)?,
                Step::Conceal(samples) => self.append_made_up(&[], samples, frames)?,
                Step::Recover(samples) => self.append_made_up(packet, samples, frames)?,
                Step::Jump(to) => {
                    self.pcm.clear();
                    self.go_on_at(to);
                }
                Step::Play { skip, twice } => {
                    let decoded = self.decoder.decode(packet, &mut self.decoded, false);
                    if decoded.ok() != Some(samples) {
                        let missing = samples as u64 - skip + u64::from(twice);
                        self.pacer.take_back(missing);
                        continue;
                    }
                    if twice {
                        self.append_decoded(0, 1.min(samples), frames)?;
                    }
                    self.append_decoded(skip as usize, samples, frames)?;
                }
            }
        }
        Ok(())
    }

    fn go_on_at(&mut self, sample: u64) {
        self.end = Some(sample);
        self.emit_from = sample;
    }

    /// What the decoder makes of no packet, or of the copy in the packet behind.
    fn append_made_up(
        &mut self,
        packet: &[u8],
        samples: u64,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
        let mut left = samples;
        while left > 0 {
            let step = left.min(MAX_CONCEALED);
            left -= step;
            let room = &mut self.decoded[..step as usize * CHANNELS];
            let is_copy = !packet.is_empty();
            match self.decoder.decode(packet, room, is_copy) {
                Ok(samples) if samples as u64 == step => {
                    self.append_decoded(0, samples, frames)?;
                }
                _ => self.append_silence(step, frames)?,
            }
        }
        Ok(())
    }

    fn append_silence(
        &mut self,
        samples: u64,
        frames: &mut Vec<AudioFrame>,
    ) -> Result<(), TranscoderError> {
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
        let end = self.end.unwrap_or(0).saturating_add(samples);
        self.end = Some(end);
        let mut first = end.saturating_sub((self.pcm.len() / CHANNELS) as u64);
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
    use crate::transcoder::pace::{MAX_DRIFT, SLEW_FROM};

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

    /// Twenty milliseconds of a voice that glides up and down, so that nobody can foresee it.
    fn voice(encoder: &mut ::opus::Encoder, number: u64, phase: &mut f64) -> Vec<u8> {
        let mut pcm = Vec::with_capacity(960);
        for sample in number * 960..(number + 1) * 960 {
            let glide = (sample as f64 / 48_000.0 * 23.0).sin();
            *phase += (300.0 + 150.0 * glide) / 48_000.0 * std::f64::consts::TAU;
            pcm.push((phase.sin() * 6_000.0 + (2.0 * *phase).sin() * 3_000.0) as i16);
        }
        encoder.encode_vec(&pcm, 1_275).unwrap()
    }

    #[test]
    fn a_lost_packet_is_heard_by_its_copy_in_the_next_one() {
        let is_lost = |number: u64| number >= 20 && number % 10 == 3;
        let mut heard = Vec::new();
        // Everything, with losses, and with losses whose copies are lost as well.
        for lost_in_a_row in [0, 1, 2] {
            let voip = ::opus::Application::Voip;
            let mut encoder =
                ::opus::Encoder::new(SAMPLE_RATE, ::opus::Channels::Mono, voip).unwrap();
            encoder.set_bitrate(::opus::Bitrate::Bits(32_000)).unwrap();
            encoder.set_inband_fec(true).unwrap();
            encoder.set_packet_loss_perc(20).unwrap();
            let mut transcoder = AudioTranscoder::new(BIT_RATE).unwrap();
            let (mut frames, mut phase) = (Vec::new(), 0.0);
            for number in 0..200 {
                let packet = voice(&mut encoder, number, &mut phase);
                if (0..lost_in_a_row).any(|n| is_lost(number - n.min(number))) {
                    continue;
                }
                transcoder
                    .push(&packet, at(number * 960), &mut frames)
                    .unwrap();
            }
            assert!(is_continuous(&frames));
            let report = transcoder.take_report();
            // The encoder leaves the copy out where it would cost too much.
            let made_up = report.recovered + report.concealed;
            assert_eq!(made_up, lost_in_a_row * 18 * 960);
            assert!(report.recovered >= lost_in_a_row.min(1) * 8 * 960);
            let mut player = AacPlayer::new();
            frames.iter().for_each(|frame| player.play(frame));
            let spans = (20..195).filter(|number| is_lost(*number));
            let levels =
                spans.map(|number| player.levels(number * 960 + 480..number * 960 + 1_200));
            heard.push(levels.flatten().collect::<Vec<f64>>());
        }
        let power = |levels: &[f64]| levels.iter().map(|level| level * level).sum::<f64>();
        let wrong = |levels: &[f64]| {
            let pairs = levels.iter().zip(&heard[0]);
            power(&pairs.map(|(a, b)| a - b).collect::<Vec<_>>()) / power(&heard[0])
        };
        let (recovered, concealed) = (wrong(&heard[1]), wrong(&heard[2]));
        println!("wrong: {recovered:.3} with the copy, {concealed:.3} without");
        assert!(recovered < concealed * 0.8, "{recovered} of {concealed}");
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
