//! The Media Playlist of what is over and kept: all its segments (RFC 8216 section 4.3.3.5).

use std::fmt::Write as _;
use std::time::Duration;

use super::SegmentHead;
use super::render::write_head;

/// A segment of a playlist that does not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VodSegment {
    /// Relative or absolute URI of the segment. Must not contain a line end.
    pub uri: String,
    /// `EXTINF`.
    pub duration: Duration,
    /// What stands before it.
    pub head: SegmentHead,
}

/// The text of a playlist of type `VOD`, ended. The target duration is that of the longest segment
/// (section 4.3.3.1).
pub fn vod_playlist(segments: &[VodSegment]) -> String {
    let longest = segments.iter().map(|segment| segment.duration).max();
    let target = longest.unwrap_or_default() + Duration::from_millis(500);
    let mut out = String::with_capacity(128 + 96 * segments.len());
    // Writing to a string cannot fail. Version 6: EXT-X-MAP beside more than I-frames (section 7).
    let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:6");
    let _ = writeln!(out, "#EXT-X-TARGETDURATION:{}", target.as_secs().max(1));
    out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n");
    let mut map = None;
    for segment in segments {
        write_head(&mut out, &segment.head, &mut map);
        let _ = writeln!(out, "#EXTINF:{:.5},", segment.duration.as_secs_f64());
        out.push_str(&segment.uri);
        out.push('\n');
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn segment(number: u64, ms: u64, map: &str, discontinuity: bool) -> VodSegment {
        VodSegment {
            uri: format!("{number}.m4s"),
            duration: Duration::from_millis(ms),
            head: SegmentHead {
                map_uri: map.to_owned(),
                discontinuity,
                program_date_time: SystemTime::UNIX_EPOCH + Duration::from_secs(2 * number),
            },
        }
    }

    #[test]
    fn a_playlist_of_what_is_over_names_all_segments_and_ends() {
        let text = vod_playlist(&[
            segment(0, 2_000, "init0.mp4", false),
            segment(1, 2_499, "init0.mp4", false),
            segment(2, 1_200, "init1.mp4", true),
        ]);
        let expected = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
            #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n\
            #EXT-X-MAP:URI=\"init0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n\
            #EXTINF:2.00000,\n0.m4s\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:02.000Z\n#EXTINF:2.49900,\n1.m4s\n\
            #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init1.mp4\"\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:04.000Z\n#EXTINF:1.20000,\n2.m4s\n\
            #EXT-X-ENDLIST\n";
        assert_eq!(text, expected);
        let read = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        assert_eq!(read.segments.len(), 3);
        assert!(read.end_list);
        assert_eq!(read.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
    }

    #[test]
    fn no_segment_rounds_to_more_than_the_target_duration() {
        for ms in [1, 499, 500, 1_499, 1_500, 2_000, 2_500, 9_999] {
            let text = vod_playlist(&[segment(0, ms, "i", false)]);
            let read = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
            let rounded = (ms + 500) / 1_000;
            assert_eq!(read.target_duration, rounded.max(1), "{ms}");
        }
    }
}
