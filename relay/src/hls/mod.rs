//! HLS: the playlist and files of a broadcast.

mod store;

pub(crate) use store::{Edge, File, Finished, Lookup, Reading, Report, Store, Summary, etag_of};
