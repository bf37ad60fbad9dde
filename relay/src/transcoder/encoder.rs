//! The AAC-LC encoder: whole frames of PCM in, raw access units out.

use bytes::Bytes;
use fdk_aac::enc::{AudioObjectType, BitRate, ChannelMode, Encoder, EncoderParams, Transport};

use super::audio::TranscoderError;
use super::{CHANNELS, FRAME_SAMPLES, SAMPLE_RATE};

/// Interleaved values of one frame.
pub(super) const FRAME_VALUES: usize = FRAME_SAMPLES as usize * CHANNELS;

/// Largest access unit: 6,144 bits a channel (ISO/IEC 14496-3, 4.5.3), twice, with room.
const MAX_ACCESS_UNIT: usize = 2_048;

pub(super) struct AacEncoder {
    inner: Encoder,
    buffer: [u8; MAX_ACCESS_UNIT],
}

impl AacEncoder {
    pub(super) fn new(bit_rate_bps: u32) -> Result<Self, TranscoderError> {
        let inner = Encoder::new(EncoderParams {
            bit_rate: BitRate::Cbr(bit_rate_bps),
            sample_rate: SAMPLE_RATE,
            transport: Transport::Raw,
            channels: ChannelMode::Stereo,
            audio_object_type: AudioObjectType::Mpeg4LowComplexity,
        })
        .map_err(|error| TranscoderError::Encoder(error.to_string()))?;
        Ok(Self {
            inner,
            buffer: [0; MAX_ACCESS_UNIT],
        })
    }

    /// Encodes one frame; `None` while the encoder only fills its delay line.
    pub(super) fn encode(
        &mut self,
        frame: &[i16; FRAME_VALUES],
    ) -> Result<Option<Bytes>, TranscoderError> {
        let done = self
            .inner
            .encode(frame, &mut self.buffer)
            .map_err(|error| TranscoderError::Encoder(error.to_string()))?;
        debug_assert_eq!(done.input_consumed, FRAME_VALUES);
        let unit = self.buffer.get(..done.output_size).unwrap_or_default();
        Ok((!unit.is_empty()).then(|| Bytes::copy_from_slice(unit)))
    }
}
