//! HLS (RFC 8216): frames to Media Segments, Media Segments to a live Media Playlist.

pub mod playlist;
pub mod segmenter;

pub use playlist::{LivePlaylist, MAX_WINDOWS, PlaylistSegment};
pub use segmenter::{InitSection, Segment, Segmenter, SegmenterConfig, SegmenterOutput};
