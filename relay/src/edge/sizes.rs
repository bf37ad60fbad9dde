//! The sizes of a stream, as the list at the origin names them (RFC 8216bis section 4.4.6).
//!
//! Only what an origin of this kind writes is read: nothing of it is needed that is not understood
//! here, and everything is checked before it goes to players.

use std::str::FromStr;

use packager::hls::{Rates, Variant, multivariant};

use crate::broadcast::Content;
use crate::stream_id::StreamId;
use packager::picture::Picture;

/// What the origin has at the address of a playlist.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Listed {
    /// A Media Playlist: the stream has one size.
    One,
    /// A Multivariant Playlist.
    Several(Sizes),
}

/// The sizes of one stream, the best first; one of them at least.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sizes {
    /// The name behind the stream's id, and what players are told.
    layers: Vec<(&'static str, Variant)>,
}

/// Why a list is not understood. Texts hold nothing that the origin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadList {
    #[error("it is no playlist of UTF-8")]
    NoPlaylist,
    #[error("it is longer than {MAX_LIST} bytes")]
    TooLong,
    #[error("it names no size")]
    Empty,
    #[error("it has sound or pictures in playlists of their own")]
    Renditions,
    #[error("a size has no BANDWIDTH, no CODECS, or a value that cannot be")]
    Attributes,
    #[error(
        "a size has another address than the stream's with _h, _m, _l or _audio, or that of another one"
    )]
    Address,
}

impl Listed {
    /// Reads what the origin has at `/live/{stream}.m3u8`.
    pub(super) fn read(stream: &StreamId, bytes: &[u8]) -> Result<Self, BadList> {
        if bytes.len() > MAX_LIST {
            return Err(BadList::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadList::NoPlaylist)?;
        let mut lines = text.lines().map(str::trim_end);
        if lines.next() != Some("#EXTM3U") {
            return Err(BadList::NoPlaylist);
        }
        let (mut layers, mut described) = (Vec::new(), None);
        for line in lines {
            if line.starts_with(TARGET_DURATION) {
                return Ok(Self::One);
            } else if line.starts_with("#EXT-X-MEDIA:") {
                return Err(BadList::Renditions);
            } else if let Some(attributes) = line.strip_prefix("#EXT-X-STREAM-INF:") {
                described = Some(read_variant(attributes)?);
            } else if !line.is_empty() && !line.starts_with('#') {
                let name = name_in(line, stream).ok_or(BadList::Address)?;
                let variant = described.take().ok_or(BadList::Attributes)?;
                if layers.iter().any(|(known, _)| *known == name) {
                    return Err(BadList::Address);
                }
                let uri = format!("{stream}_{name}.m3u8");
                layers.push((name, Variant { uri, ..variant }));
            }
        }
        match layers.is_empty() {
            true => Err(BadList::Empty),
            false => Ok(Self::Several(Sizes { layers })),
        }
    }

    /// Whether the beginning of an answer says that there is one size, so that the rest need not be
    /// read.
    pub(super) fn is_one(beginning: &[u8]) -> bool {
        let tag = TARGET_DURATION.as_bytes();
        beginning.windows(tag.len()).any(|bytes| bytes == tag)
    }
}

impl Sizes {
    /// Whether one is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        self.layers.iter().any(|(known, _)| *known == name)
    }

    /// The best alone, at the address of the stream itself: the origin has that in any case.
    pub(super) fn best(mut self) -> Self {
        self.layers.truncate(1);
        for (name, variant) in &mut self.layers {
            if let Some(stream) = variant.uri.strip_suffix(&format!("{name}.m3u8")) {
                variant.uri = format!("{stream}{LARGE}.m3u8");
                *name = LARGE;
            }
        }
        self
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// The Multivariant Playlist of them, beside the streams that it names.
    pub(super) fn playlist(&self) -> String {
        let variants = self.layers.iter().map(|(_, variant)| variant);
        multivariant(&[], &variants.cloned().collect::<Vec<_>>())
    }
}

/// The stream of which an id may name a size, and the name of that size.
pub(super) fn split(id: &StreamId) -> Option<(&str, &'static str)> {
    let (stream, name) = id.as_str().rsplit_once('_')?;
    Some((stream, known(name)?)).filter(|_| !stream.is_empty())
}

/// What the sizes of a stream are called, whichever it has.
pub(super) fn ids(stream: &StreamId) -> impl Iterator<Item = StreamId> {
    names().filter_map(move |name| format!("{stream}_{name}").parse().ok())
}

/// What the large picture is called: a stream has it at its own address as well.
pub(super) const LARGE: &str = Picture::Large.name();

/// Bytes of a list that are read. Four sizes with signed addresses have less than 2 kB.
pub(super) const MAX_LIST: usize = 16 << 10;

/// In every Media Playlist, and in none of the others.
const TARGET_DURATION: &str = "#EXT-X-TARGETDURATION:";

fn known(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    let pictures = Picture::ALL.into_iter().map(Content::Picture);
    pictures.chain([Content::Sound]).map(Content::name)
}

/// The name of the size of `stream` at an address beside it. Its query is the origin's signature, of
/// which nothing is needed.
fn name_in(uri: &str, stream: &StreamId) -> Option<&'static str> {
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    let id: StreamId = path.strip_suffix(".m3u8")?.parse().ok()?;
    let (of, name) = split(&id)?;
    (of == stream.as_str()).then_some(name)
}

fn read_variant(mut rest: &str) -> Result<Variant, BadList> {
    let (mut peak, mut average, mut codecs) = (None, None, None);
    let (mut resolution, mut frame_rate) = (None, None);
    while !rest.is_empty() {
        let (name, tail) = rest.split_once('=').ok_or(BadList::Attributes)?;
        let (value, tail) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(BadList::Attributes)?,
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        rest = match tail.strip_prefix(',') {
            Some(next) => next,
            None if tail.is_empty() => tail,
            None => return Err(BadList::Attributes),
        };
        match name {
            "BANDWIDTH" => peak = Some(number(value)?),
            "AVERAGE-BANDWIDTH" => average = Some(number(value)?),
            "CODECS" => codecs = Some(value.to_owned()).filter(|codecs| are_codecs(codecs)),
            "RESOLUTION" => {
                let (width, height) = value.split_once('x').ok_or(BadList::Attributes)?;
                let size = (number::<u16>(width)?, number::<u16>(height)?);
                resolution = Some(size).filter(|(width, height)| *width > 0 && *height > 0);
            }
            "FRAME-RATE" => {
                let rate: f64 = number(value)?;
                // Infinity and "not a number" are none, either.
                if !(0.0..=MAX_FRAME_RATE).contains(&rate) {
                    return Err(BadList::Attributes);
                }
                frame_rate = Some(rate);
            }
            "AUDIO" | "VIDEO" | "SUBTITLES" => return Err(BadList::Renditions),
            _ => {}
        }
    }
    let peak_bps: u64 = peak.ok_or(BadList::Attributes)?;
    Ok(Variant {
        uri: String::new(),
        rates: Rates {
            peak_bps,
            average_bps: average.unwrap_or(peak_bps),
        },
        codecs: codecs.ok_or(BadList::Attributes)?,
        resolution,
        frame_rate,
        audio: None,
    })
}

fn number<T: FromStr>(text: &str) -> Result<T, BadList> {
    text.parse().map_err(|_| BadList::Attributes)
}

/// RFC 6381 codec strings and commas between them.
fn are_codecs(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '-' | '_');
    (1..=MAX_CODECS).contains(&text.len()) && text.chars().all(is_allowed)
}

/// Characters of the codecs of one size; ours have about 35.
const MAX_CODECS: usize = 128;

const MAX_FRAME_RATE: f64 = 1_000.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> StreamId {
        text.parse().unwrap()
    }

    fn variant(name: &str, peak_bps: u64, resolution: Option<(u16, u16)>) -> Variant {
        Variant {
            uri: format!("a_b_{name}.m3u8"),
            rates: Rates {
                peak_bps,
                average_bps: peak_bps / 2,
            },
            codecs: match resolution {
                Some(_) => "avc1.42C01E,mp4a.40.2".to_owned(),
                None => "mp4a.40.2".to_owned(),
            },
            resolution,
            frame_rate: resolution.map(|_| 29.97),
            audio: None,
        }
    }

    fn list() -> String {
        let variants = [
            variant("h", 2_000_000, Some((1_280, 720))),
            variant("l", 300_000, Some((320, 180))),
            variant("audio", 140_000, None),
        ];
        multivariant(&[], &variants)
    }

    fn sizes(text: &str) -> Sizes {
        match Listed::read(&id("a_b"), text.as_bytes()) {
            Ok(Listed::Several(sizes)) => sizes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_list_of_an_origin_is_given_on_as_it_is() {
        let sizes_of = sizes(&list());
        assert_eq!(sizes_of.playlist(), list());
        assert_eq!(sizes_of.len(), 3);
        assert!(sizes_of.has("h") && sizes_of.has("audio") && !sizes_of.has("m"));
        let best = sizes_of.clone().best();
        assert_eq!((best.len(), best.has("h")), (1, true));
        // The origin's signatures stay there; other tags say nothing that is needed.
        let signed = list().replace(".m3u8", ".m3u8?txSecret=x&txTime=y");
        let signed = signed.replace("#EXTM3U", "#EXTM3U\n#EXT-X-VERSION:9\n\n#EXT-X-X:1");
        assert_eq!(sizes(&signed.replace('\n', "\r\n")), sizes_of);
    }

    #[test]
    fn a_media_playlist_says_that_there_is_one_size() {
        let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na/x.m4s\n";
        assert_eq!(Listed::read(&id("a"), text), Ok(Listed::One));
        assert!(Listed::is_one(text) && !Listed::is_one(list().as_bytes()));
    }

    #[test]
    fn anything_else_is_named() {
        let read = |text: &str| Listed::read(&id("a_b"), text.as_bytes()).unwrap_err();
        assert_eq!(read("<html></html>"), BadList::NoPlaylist);
        let bytes = Listed::read(&id("a_b"), b"#EXTM3U\n\xff");
        assert_eq!(bytes, Err(BadList::NoPlaylist));
        assert_eq!(read("#EXTM3U\n"), BadList::Empty);
        let long = list() + &"#".repeat(MAX_LIST);
        assert_eq!(read(&long), BadList::TooLong);
        for (from, to, error) in [
            ("a_b_l", "a_b_x", BadList::Address),
            ("a_b_l", "a_c_l", BadList::Address),
            ("a_b_l", "a_b_h", BadList::Address),
            ("a_b_l", "../a_b_l", BadList::Address),
            ("a_b_l", "https://b.example/a_b_l", BadList::Address),
            ("a_b_l.m3u8", "a_b_l.flv", BadList::Address),
            ("#EXT-X-STREAM-INF:", "#", BadList::Attributes),
            ("BANDWIDTH=300000", "BANDWIDTH=-1", BadList::Attributes),
            (",AVERAGE-BANDWIDTH=150000", ",X", BadList::Attributes),
            ("CODECS=\"avc1", "CODECS=\"<avc1", BadList::Attributes),
            ("CODECS=\"mp4a.40.2\"", "CODECS=\"mp4a", BadList::Attributes),
            ("CODECS=\"mp4a.40.2\"", "CODECS=\"m\"x", BadList::Attributes),
            ("=320x180", "=320", BadList::Attributes),
            ("=320x180", "=70000x1", BadList::Attributes),
            ("FRAME-RATE=29.970", "FRAME-RATE=inf", BadList::Attributes),
            ("FRAME-RATE=29.970", "FRAME-RATE=NaN", BadList::Attributes),
            ("FRAME-RATE=29.970", "AUDIO=\"x\"", BadList::Renditions),
            (
                "#EXTM3U\n",
                "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO\n",
                BadList::Renditions,
            ),
        ] {
            assert_eq!(read(&list().replace(from, to)), error, "{from} to {to}");
        }
    }

    #[test]
    fn ids_that_may_be_sizes_are_split() {
        assert_eq!(split(&id("a_b_h")), Some(("a_b", "h")));
        assert_eq!(split(&id("a_audio")), Some(("a", "audio")));
        for other in ["a", "a_b", "_h", "a_opus", "a_H"] {
            assert_eq!(split(&id(other)), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_gets_through_changed(
            noise in proptest::collection::vec((any::<prop::sample::Index>(), ".{0,6}"), 0..4)
        ) {
            let mut text = list();
            for (at, more) in noise {
                let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                let at = places[at.index(places.len())];
                text.insert_str(at, &more);
            }
            if let Ok(Listed::Several(read)) = Listed::read(&id("a_b"), text.as_bytes()) {
                // What goes to players is of the form that it should have.
                prop_assert_eq!(sizes(&read.playlist()).len(), read.len());
                prop_assert!(read.playlist().lines().count() == 1 + 2 * read.len());
            }
        }
    }
}
