//! Opus to AAC-LC: a core without clocks, and the thread that runs it.
//!
//! The crate feature `aac` brings the encoder. Without it [`AVAILABLE`] is false, and a
//! broadcast has no sound over FLV and HLS.

#[cfg(feature = "aac")]
mod audio;
#[cfg(feature = "aac")]
mod encoder;
#[cfg(feature = "aac")]
pub(crate) mod pace;
mod thread;

#[cfg(feature = "aac")]
pub use audio::{AudioTranscoder, TranscoderError};
#[cfg(feature = "aac")]
pub use pace::Report;

pub(crate) use thread::{AudioWork, TranscoderThread};

/// True if this build can make AAC.
pub const AVAILABLE: bool = cfg!(feature = "aac");

/// Sample rate of the AAC tracks, in Hz: that of Opus (RFC 6716, section 2), so that nothing is
/// resampled.
pub const SAMPLE_RATE: u32 = 48_000;

/// Channels of the AAC tracks.
pub const CHANNELS: usize = 2;

/// Samples that the encoder holds back: sample `n` of the decoder's output is sample
/// `n - ENCODER_DELAY` of the encoder's input.
pub const ENCODER_DELAY: u64 = 2_048;

/// Samples of one AAC frame (ISO/IEC 14496-3).
pub const FRAME_SAMPLES: u64 = 1_024;
