//! The transcoder's core: Opus packets with media times in, AAC frames on one sample count out.

use std::time::Duration;

use packager::frames::AudioFrame;
use packager::time::MediaTime;

use super::encoder::{AacEncoder, FRAME_VALUES};
use super::{CHANNELS, ENCODER_DELAY, FRAME_SAMPLES, SAMPLE_RATE};

/// Longest Opus packet: 120 ms (RFC 6716, section 2.1.4).
const MAX_PACKET_SAMPLES: usize = 5_760;

/// How far a packet's media time may lie from the count of PCM samples before sound is made up
/// or cut away: 20 ms, one usual packet.
const MAX_DRIFT: u64 = 960;

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
            self.report.concealed += samples as u64;
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
