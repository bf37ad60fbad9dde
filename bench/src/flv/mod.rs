//! Load over HTTP-FLV.

pub mod reader;
pub mod run;
pub mod slow;
