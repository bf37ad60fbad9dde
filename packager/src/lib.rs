//! Bytes to bytes: RTP payloads to access units, one timeline, FLV, fMP4, MPEG-TS and playlists.
//!
//! Nothing here does IO or reads a clock: bytes and time come in as arguments,
//! bytes and time go out as return values.

pub mod aac;
mod av1;
pub mod flv;
pub mod fmp4;
pub mod frames;
pub mod h264;
mod h265;
pub mod hls;
pub mod mp4_file;
pub mod opus;
pub mod patience;
pub mod picture;
pub mod reorder;
pub mod rtp;
pub mod time;
pub mod timeline;
pub mod ts;
pub mod video;
mod vp9;

#[cfg(any(test, fuzzing))]
mod test_media;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use frames::{AudioCodec, AudioConfig, AudioFrame, Frame, VideoFrame};
pub use rtp::{Codec, MediaKind, RtpPacket, SenderReport, Tracks};
pub use time::MediaTime;
pub use video::{VideoCodec, VideoConfig};
