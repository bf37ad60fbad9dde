//! HLS: the playlist and files of a broadcast.

mod store;

pub(crate) use store::{
    Edge, File, Finished, Follower, Lookup, Next, Reading, Report, Store, Summary, etag_of,
};
