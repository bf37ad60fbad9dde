//! The media core on virtual time: no sockets, seeded networks, str0m clients at both ends.

#![allow(unreachable_pub)]

mod browsers;
mod forwarding;
mod frames;
mod hostile;
mod joins;
mod lanes;
mod peer;
mod relaying;
mod sessions;
mod world;
