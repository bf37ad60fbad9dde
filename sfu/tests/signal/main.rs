//! Signalling over real sockets.

mod abuse;
mod client;
mod crowd;
mod media;
#[path = "../http/publisher.rs"]
mod publisher;
mod resume;
mod rooms;
mod server;
mod slow;
mod support;
mod webhooks;
