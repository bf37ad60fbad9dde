//! H.264: RTP payloads to access units (RFC 6184), and what a decoder must
//! know before the first one.

mod config;
mod depacketizer;
mod nal;
mod repeat;
mod sets;

pub use config::BadParameterSets;
pub use depacketizer::Depacketizer;
pub use repeat::repeated_picture;
