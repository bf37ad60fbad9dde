//! HLS (RFC 8216, RFC 8216bis): frames to Media Segments and their parts, these to a live Media
//! Playlist.

pub mod playlist;
pub mod segmenter;

pub use playlist::{LivePlaylist, MAX_WINDOWS, PlaylistConfig, PlaylistPart, SegmentHead};
pub use segmenter::{InitSection, Part, Segment, Segmenter, SegmenterConfig, SegmenterOutput};
