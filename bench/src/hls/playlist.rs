//! As much of a playlist as a viewer needs (RFC 8216).

use std::time::Duration;

use thiserror::Error;

/// A playlist as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// The URI of the first variant.
    Multivariant(String),
    /// Segments to fetch.
    Media(MediaPlaylist),
}

/// A Media Playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// The target duration.
    pub target: Duration,
    /// Media sequence number of the first segment.
    pub first: u64,
    /// Whether no more segments come.
    pub ended: bool,
    /// The segments in order.
    pub segments: Vec<Segment>,
}

/// A Media Segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its URI, relative to the playlist.
    pub uri: String,
    /// URI of its Media Initialization Section.
    pub map: Option<String>,
    /// Its length by `EXTINF`.
    pub duration: Duration,
}

/// Why a playlist cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PlaylistError {
    /// The first line is not `#EXTM3U`.
    #[error("the playlist does not begin with #EXTM3U")]
    NoHeader,
    /// No valid `EXT-X-TARGETDURATION`.
    #[error("the playlist has no target duration")]
    NoTarget,
    /// A tag's value is not what it should be.
    #[error("the playlist's {0} has no valid value")]
    BadValue(&'static str),
}

impl Playlist {
    /// Reads a playlist.
    ///
    /// # Errors
    ///
    /// See [`PlaylistError`].
    pub fn parse(text: &str) -> Result<Playlist, PlaylistError> {
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some("#EXTM3U") {
            return Err(PlaylistError::NoHeader);
        }
        let mut target = None;
        let (mut first, mut ended) = (0, false);
        let (mut map, mut duration) = (None, None);
        let mut variant = false;
        let mut segments = Vec::new();
        for line in lines {
            if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                let seconds = number(value, "EXT-X-TARGETDURATION")?;
                target = Some(Duration::from_secs(seconds));
            } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                first = number(value, "EXT-X-MEDIA-SEQUENCE")?;
            } else if let Some(value) = line.strip_prefix("#EXTINF:") {
                let seconds = value.split(',').next().and_then(|v| v.trim().parse().ok());
                let length = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                duration = Some(length.ok_or(PlaylistError::BadValue("EXTINF"))?);
            } else if let Some(value) = line.strip_prefix("#EXT-X-MAP:") {
                map = uri_attribute(value);
            } else if line.starts_with("#EXT-X-STREAM-INF:") {
                variant = true;
            } else if line == "#EXT-X-ENDLIST" {
                ended = true;
            } else if !line.is_empty() && !line.starts_with('#') {
                if variant {
                    return Ok(Playlist::Multivariant(line.to_owned()));
                }
                let duration = duration.take().ok_or(PlaylistError::BadValue("EXTINF"))?;
                segments.push(Segment {
                    uri: line.to_owned(),
                    map: map.clone(),
                    duration,
                });
            }
        }
        Ok(Playlist::Media(MediaPlaylist {
            target: target.ok_or(PlaylistError::NoTarget)?,
            first,
            ended,
            segments,
        }))
    }
}

fn number(value: &str, tag: &'static str) -> Result<u64, PlaylistError> {
    value
        .trim()
        .parse()
        .map_err(|_| PlaylistError::BadValue(tag))
}

fn uri_attribute(attributes: &str) -> Option<String> {
    let (_, rest) = attributes.split_once("URI=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_playlist_gives_its_segments_with_their_maps() {
        let text = "#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:2\r\n\
                    #EXT-X-MEDIA-SEQUENCE:41\r\n#EXT-X-MAP:URI=\"a/init.mp4\"\r\n\
                    #EXTINF:2.000,\r\na/41.m4s\r\n#EXT-X-DISCONTINUITY\r\n\
                    #EXT-X-MAP:URI=\"b/init.mp4\"\r\n#EXTINF:1.5,title\r\nb/42.m4s\r\n";
        let Ok(Playlist::Media(playlist)) = Playlist::parse(text) else {
            panic!("not a Media Playlist");
        };
        assert_eq!(playlist.first, 41);
        assert_eq!(playlist.target, Duration::from_secs(2));
        assert!(!playlist.ended);
        let uris: Vec<_> = playlist.segments.iter().map(|s| s.uri.as_str()).collect();
        assert_eq!(uris, ["a/41.m4s", "b/42.m4s"]);
        assert_eq!(playlist.segments[1].map.as_deref(), Some("b/init.mp4"));
        assert_eq!(playlist.segments[1].duration, Duration::from_millis(1_500));
    }

    #[test]
    fn a_multivariant_playlist_leads_to_its_first_variant() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n";
        assert_eq!(
            Playlist::parse(text),
            Ok(Playlist::Multivariant("low.m3u8".into()))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Playlist::parse("<html>"), Err(PlaylistError::NoHeader));
        assert_eq!(Playlist::parse("#EXTM3U\n"), Err(PlaylistError::NoTarget));
        for bad in ["#EXTINF:-1,\n", "#EXTINF:x,\n", "segment.ts\n"] {
            let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{bad}");
            assert_eq!(
                Playlist::parse(&text),
                Err(PlaylistError::BadValue("EXTINF"))
            );
        }
    }
}
