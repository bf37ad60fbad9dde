//! Live broadcasts and their HTTP: one mux a broadcast, many viewers.
//!
//! A media worker [publishes](Relay::publish) RTP into a broadcast under its public
//! [`StreamId`]; one task a broadcast turns it into FLV tags and HLS segments once, and
//! [`Relay::handle`] hands the same bytes to every viewer.
//!
//! The crate knows tokio and HTTP, and nothing of WebRTC: packets come in already decrypted,
//! and a key frame is asked for through a callback.

mod broadcast;
mod config;
mod flv;
mod hls;
mod http;
mod ingest;
mod limits;
mod metrics;
mod relay;
mod stream_id;
#[cfg(test)]
mod tests;
pub mod transcoder;

pub use crate::config::RelayConfig;
pub use crate::http::Body;
pub use crate::ingest::{Ingest, IngestFull, IngestItem, KeyframeAsker};
pub use crate::relay::{PublishError, Relay, StartError};
pub use crate::stream_id::{InvalidStreamId, StreamId};
pub use packager::rtp::Tracks;
