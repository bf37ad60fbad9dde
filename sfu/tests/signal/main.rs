//! Signalling over real sockets.

mod abuse;
mod client;
mod crowd;
mod images;
mod limits;
mod media;
#[path = "../http/publisher.rs"]
mod publisher;
mod pushing;
mod recording;
mod rest;
mod resume;
mod rooms;
mod server;
mod slow;
mod support;
mod tls;
mod webhooks;
