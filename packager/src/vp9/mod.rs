//! VP9: RTP payloads to frames (RFC 9628), and what a decoder must know before the first one.

mod descriptor;
mod header;
mod picture;

pub(crate) use header::{is_configuration_record, read_frame};
pub(crate) use picture::Picture;
