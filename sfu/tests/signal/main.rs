//! Signalling over real sockets.

mod abuse;
mod client;
mod crowd;
mod resume;
mod rooms;
mod server;
mod slow;
