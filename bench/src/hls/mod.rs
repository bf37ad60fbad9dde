//! Load over HLS.

pub mod playlist;
pub mod run;
