//! HLS (RFC 8216, RFC 8216bis): frames to Media Segments and their parts, these to a live Media
//! Playlist.

mod multivariant;
pub mod playlist;
pub mod segmenter;

pub use multivariant::{Rates, Rendition, Variant, multivariant};
pub use playlist::{
    HOLD_BACK, HOLD_BACK_OF_SIZES, LivePlaylist, MAX_WINDOWS, PlaylistConfig, PlaylistPart,
    SegmentHead, ShiftPlaylist, ShiftSegment, VodSegment, vod_playlist,
};
pub use segmenter::{InitSection, Part, Segment, Segmenter, SegmenterConfig, SegmenterOutput};
