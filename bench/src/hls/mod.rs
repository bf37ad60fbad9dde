//! Load over HLS.

pub mod low_latency;
pub mod playlist;
pub mod run;
