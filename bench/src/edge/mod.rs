//! Load through an nginx as edge.

pub mod log;
pub mod nginx;
pub mod run;
