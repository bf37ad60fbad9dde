//! The weblive server: WebRTC forwarding, rooms, HTTP and settings.

pub mod config;
pub mod media;
pub mod worker;
