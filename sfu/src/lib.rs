//! The weblive server: WebRTC forwarding, rooms, HTTP and settings.

pub mod auth;
mod cli;
pub mod config;
pub mod http;
pub mod images;
pub mod live;
pub mod media;
pub mod push;
pub mod record;
pub mod server;
pub mod signal;
pub mod store;
pub mod telemetry;
pub mod webhook;
pub mod words;
pub mod worker;

pub use cli::run;
