//! Load generators and benchmarks for WHIP, WHEP, FLV and HLS servers.
//!
//! The parts that talk WebRTC know neither clock nor socket
//! ([`rtc::publisher`], [`rtc::subscriber`]); [`rtc::engine`] moves their
//! datagrams on real sockets.

pub mod cli;
pub mod edge;
pub mod flv;
pub mod histogram;
pub mod hls;
pub mod procfs;
pub mod rtc;
pub mod source;
pub mod stamp;
pub mod viewers;
