//! Addresses below `/live/`.

use crate::stream_id::{InvalidStreamId, StreamId};

/// What an address asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/live/{id}.flv`
    Flv(StreamId),
    /// `/live/{id}/stream.mp4`
    Fragments(StreamId),
    /// `/live/{id}.m3u8`
    Playlist(StreamId),
    /// `/live/{id}/ts.m3u8`: the playlist with segments of MPEG-TS.
    TransportPlaylist(StreamId),
    /// `/live/{id}/dvr.m3u8`: the playlist of all that is kept.
    ShiftPlaylist(StreamId),
    /// `/live/{id}/opus.m3u8`: the list of its pictures with the publisher's own sound.
    OpusList(StreamId),
    /// `/live/{id}/video.m3u8`: the playlist of its pictures alone.
    PicturePlaylist(StreamId),
    /// `/live/{id}.mp4`: the newest key frame.
    Still(StreamId),
    /// `/live/{id}/{file}`: a Media Segment or a Media Initialization Section.
    File(StreamId, String),
}

/// Why an address asks for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// Neither a playlist, nor a stream, nor a file.
    Unknown,
    /// The id in the address is none.
    Id(InvalidStreamId),
}

/// Longest file name that is looked up; ours have at most 50 characters.
const MAX_FILE_NAME: usize = 64;

/// It stands where its segments do, so that it names them without a path. No file of a store is named
/// like it.
pub(crate) const TRANSPORT_PLAYLIST: &str = "ts.m3u8";

/// Likewise.
pub(crate) const SHIFT_PLAYLIST: &str = "dvr.m3u8";
/// The list of pictures with the publisher's own sound stands beside it, without a query: signatures
/// are put behind the addresses in playlists, and shared caches may leave queries out of their keys.
pub(crate) const OPUS_LIST: &str = "opus.m3u8";

/// The endless stream of fMP4. `/live/{id}.mp4` is one picture.
pub(crate) const FRAGMENTS: &str = "stream.mp4";

/// What [`OPUS_LIST`] names for the pictures.
pub(crate) const PICTURE_PLAYLIST: &str = "video.m3u8";

/// Reads the path of a request, without its query.
pub(crate) fn parse(path: &str) -> Result<Route, NoRoute> {
    let rest = path.strip_prefix("/live/").ok_or(NoRoute::Unknown)?;
    if let Some((id, file)) = rest.split_once('/') {
        if file.is_empty() || file.len() > MAX_FILE_NAME || file.contains('/') {
            return Err(NoRoute::Unknown);
        }
        let id = id_of(id)?;
        return Ok(match file {
            FRAGMENTS => Route::Fragments(id),
            TRANSPORT_PLAYLIST => Route::TransportPlaylist(id),
            SHIFT_PLAYLIST => Route::ShiftPlaylist(id),
            OPUS_LIST => Route::OpusList(id),
            PICTURE_PLAYLIST => Route::PicturePlaylist(id),
            _ => Route::File(id, file.to_owned()),
        });
    }
    let (id, suffix) = rest.rsplit_once('.').ok_or(NoRoute::Unknown)?;
    match suffix {
        "flv" => Ok(Route::Flv(id_of(id)?)),
        "m3u8" => Ok(Route::Playlist(id_of(id)?)),
        "mp4" => Ok(Route::Still(id_of(id)?)),
        _ => Err(NoRoute::Unknown),
    }
}

fn id_of(text: &str) -> Result<StreamId, NoRoute> {
    text.parse().map_err(NoRoute::Id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> StreamId {
        text.parse().unwrap()
    }

    #[test]
    fn the_kinds_of_address_are_read() {
        assert_eq!(parse("/live/a.flv"), Ok(Route::Flv(id("a"))));
        assert_eq!(parse("/live/a.mp4"), Ok(Route::Still(id("a"))));
        assert_eq!(
            parse("/live/a_h/stream.mp4"),
            Ok(Route::Fragments(id("a_h")))
        );
        assert_eq!(parse("/live/stream.mp4"), Ok(Route::Still(id("stream"))));
        assert_eq!(parse("/live/a_b-1.m3u8"), Ok(Route::Playlist(id("a_b-1"))));
        assert_eq!(
            parse("/live/a_h/ts.m3u8"),
            Ok(Route::TransportPlaylist(id("a_h")))
        );
        assert_eq!(parse("/live/a/dvr.m3u8"), Ok(Route::ShiftPlaylist(id("a"))));
        assert_eq!(parse("/live/a/opus.m3u8"), Ok(Route::OpusList(id("a"))));
        assert_eq!(
            parse("/live/a_l/video.m3u8"),
            Ok(Route::PicturePlaylist(id("a_l")))
        );
        assert_eq!(
            parse("/live/a/x-3.m4s"),
            Ok(Route::File(id("a"), "x-3.m4s".to_owned()))
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for path in [
            "/",
            "/live/",
            "/live/a",
            "/live/a.jpg",
            "/live/a/",
            "/live/a/b/c",
            "/x/a.flv",
        ] {
            assert_eq!(parse(path), Err(NoRoute::Unknown), "{path}");
        }
        for path in [
            "/live/.flv",
            "/live/a.b.flv",
            "/live/../x.m4s",
            "/live/%2e.m3u8",
        ] {
            assert!(matches!(parse(path), Err(NoRoute::Id(_))), "{path}");
        }
        let long = format!("/live/a/{}.m4s", "x".repeat(100));
        assert_eq!(parse(&long), Err(NoRoute::Unknown));
    }
}
