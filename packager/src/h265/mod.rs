//! H.265: RTP payloads to access units (RFC 7798), and what a decoder must know before the first
//! one.

mod config;
mod nal;
mod picture;
mod sequence;
mod sets;

pub(crate) use config::read_configuration_record;
pub(crate) use picture::Picture;
