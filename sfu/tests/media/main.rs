//! The media core on virtual time: no sockets, seeded networks, str0m clients at both ends.

#![allow(unreachable_pub)]

mod bandwidth;
mod browsers;
mod cell;
mod conference;
mod egress;
mod fec;
mod follow;
mod forwarding;
mod frames;
mod hevc;
mod hostile;
mod joins;
mod lanes;
mod layers;
mod loss;
mod loudest;
mod page;
mod paths;
mod peer;
mod player;
mod receivers;
mod receivers_hostile;
mod redundancy;
mod relaying;
mod scalable;
mod sessions;
mod svc;
mod unwanted;
mod world;
