//! H.264: RTP payloads to access units (RFC 6184), and what a decoder must
//! know before the first one.

mod config;
mod depacketizer;
mod nal;
mod sets;

pub use config::{BadParameterSets, VideoConfig};
pub use depacketizer::{AccessUnit, Depacketizer, DepacketizerCounters, DepacketizerLimits};
