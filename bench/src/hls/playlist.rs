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
    /// The parts in order, of segments and of the one that has begun.
    pub parts: Vec<Part>,
    /// Distance from the end at which players of parts start (`PART-HOLD-BACK`).
    pub part_hold_back: Option<Duration>,
    /// URI of the part that comes next (`EXT-X-PRELOAD-HINT`).
    pub hint: Option<String>,
}

/// A Partial Segment (RFC 8216bis section 4.4.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it stands.
    pub position: Position,
    /// Its URI, relative to the playlist.
    pub uri: String,
    /// URI of its Media Initialization Section.
    pub map: Option<String>,
    /// Its length.
    pub duration: Duration,
    /// Whether it begins with a key frame.
    pub is_independent: bool,
}

/// Media sequence number of a segment, and the index of a part in it.
pub type Position = (u64, usize);

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

impl MediaPlaylist {
    /// Where the part after the last one stands.
    pub fn next_position(&self) -> Position {
        let msn = self.first + self.segments.len() as u64;
        let parts = self.parts.iter().rev();
        (msn, parts.take_while(|part| part.position.0 == msn).count())
    }

    /// The parts that a player starts with: from the hold back on, and from the independent one
    /// before that.
    pub fn parts_to_start_with(&self) -> &[Part] {
        let hold_back = self.part_hold_back.unwrap_or_default();
        let mut behind = Duration::ZERO;
        let start = self.parts.iter().rposition(|part| {
            behind += part.duration;
            behind >= hold_back && part.is_independent
        });
        &self.parts[start.unwrap_or(0)..]
    }
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
        let (mut part_hold_back, mut hint) = (None, None);
        let mut segments = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        for line in lines {
            if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
                let seconds = number(value, "EXT-X-TARGETDURATION")?;
                target = Some(Duration::from_secs(seconds));
            } else if let Some(value) = line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
                first = number(value, "EXT-X-MEDIA-SEQUENCE")?;
            } else if let Some(value) = line.strip_prefix("#EXTINF:") {
                let length = value.split(',').next().and_then(|v| seconds(v.trim()));
                duration = Some(length.ok_or(PlaylistError::BadValue("EXTINF"))?);
            } else if let Some(value) = line.strip_prefix("#EXT-X-MAP:") {
                map = attribute(value, "URI").map(str::to_owned);
            } else if let Some(value) = line.strip_prefix("#EXT-X-SERVER-CONTROL:") {
                part_hold_back = attribute(value, "PART-HOLD-BACK").and_then(seconds);
            } else if let Some(value) = line.strip_prefix("#EXT-X-PART:") {
                let msn = first + segments.len() as u64;
                let of_it = parts.iter().rev().take_while(|p| p.position.0 == msn);
                let index = of_it.count();
                let uri = attribute(value, "URI");
                let duration = attribute(value, "DURATION").and_then(seconds);
                let bad = PlaylistError::BadValue("EXT-X-PART");
                parts.push(Part {
                    position: (msn, index),
                    uri: uri.ok_or(bad)?.to_owned(),
                    map: map.clone(),
                    duration: duration.ok_or(bad)?,
                    is_independent: attribute(value, "INDEPENDENT") == Some("YES"),
                });
            } else if let Some(value) = line.strip_prefix("#EXT-X-PRELOAD-HINT:") {
                if attribute(value, "TYPE") == Some("PART") {
                    hint = attribute(value, "URI").map(str::to_owned);
                }
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
            parts,
            part_hold_back,
            hint,
        }))
    }
}

fn number(value: &str, tag: &'static str) -> Result<u64, PlaylistError> {
    value
        .trim()
        .parse()
        .map_err(|_| PlaylistError::BadValue(tag))
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// The value of an attribute (RFC 8216 section 4.2), without quotes.
fn attribute<'a>(mut list: &'a str, name: &str) -> Option<&'a str> {
    loop {
        let (found, rest) = list.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (value, rest) = quoted.split_once('"')?;
                (value, rest.strip_prefix(',').unwrap_or(rest))
            }
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        if found.trim() == name {
            return Some(value);
        }
        list = rest;
    }
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
    fn parts_stand_where_the_next_request_needs_them() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n\
                    #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.750\n\
                    #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"a/init.mp4\"\n\
                    #EXT-X-PART:DURATION=0.5,URI=\"a/7.0.m4s\",INDEPENDENT=YES\n\
                    #EXT-X-PART:DURATION=0.5,URI=\"a/7.1.m4s\"\n#EXTINF:1.0,\na/7.m4s\n\
                    #EXT-X-PART:DURATION=0.5,URI=\"a/8.0.m4s\",INDEPENDENT=YES\n\
                    #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/8.1.m4s\"\n";
        let Ok(Playlist::Media(playlist)) = Playlist::parse(text) else {
            panic!("not a Media Playlist");
        };
        let positions: Vec<_> = playlist.parts.iter().map(|p| p.position).collect();
        assert_eq!(positions, [(7, 0), (7, 1), (8, 0)]);
        assert_eq!(playlist.next_position(), (8, 1));
        assert_eq!(playlist.hint.as_deref(), Some("a/8.1.m4s"));
        // The newest part alone is too near to the end, the one before it needs the first.
        assert_eq!(playlist.parts_to_start_with().len(), 3);
        let begun = text.replace(
            "#EXT-X-PART:DURATION=0.5,URI=\"a/8.0.m4s\",INDEPENDENT=YES\n",
            "",
        );
        let Ok(Playlist::Media(begun)) = Playlist::parse(&begun) else {
            panic!("not a Media Playlist");
        };
        assert_eq!(begun.next_position(), (8, 0));
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
