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
pub mod edge;
mod flv;
mod fmp4;
mod hls;
mod http;
mod ingest;
mod limits;
mod metrics;
pub mod push;
pub mod record;
mod relay;
mod shift;
mod stream_id;
#[cfg(test)]
mod tests;
pub mod transcoder;
mod viewer;

pub use crate::config::RelayConfig;
pub use crate::http::{Body, CutShort, FileWatch, LiveStream, Wanted};
pub use crate::ingest::{
    FrameIngest, FrameItem, Ingest, IngestClosed, IngestFull, IngestItem, KeyframeAsker,
    Publication, Track,
};
pub use crate::relay::{PublishError, Relay, StartError};
pub use crate::shift::TimeShiftConfig;
pub use crate::stream_id::{InvalidStreamId, StreamId};
pub use crate::viewer::{ViewerOver, ViewerWatch};
pub use packager::picture::{Picture, Pictures};
pub use packager::rtp::Tracks;
