//! Video of any codec that FLV and fMP4 carry: its configuration, and packets to access units.

mod assembly;
mod bits;
mod config;
mod depacketizer;
mod unit;

pub(crate) use assembly::{Assembly, Coded, Doom, Payloads};
pub(crate) use bits::Bits;
pub(crate) use config::Description;
pub use config::{VideoCodec, VideoConfig};
pub use depacketizer::Depacketizer;
pub use unit::{AccessUnit, DepacketizerCounters, DepacketizerLimits};
