//! HLS: the playlist and files of a broadcast.

mod store;

pub(crate) use store::{Edge, File, Lookup, Store};
