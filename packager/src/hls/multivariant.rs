//! The Multivariant Playlist (RFC 8216bis section 4.4.6): the same content in several sizes, of
//! which a player chooses by what its link carries.

use std::fmt::Write as _;

/// A Variant Stream: one of the Media Playlists (`EXT-X-STREAM-INF`).
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Relative or absolute URI of its Media Playlist. Must not contain a line end.
    pub uri: String,
    /// What it takes.
    pub rates: Rates,
    /// RFC 6381 codec strings, separated by commas.
    pub codecs: String,
    /// Width and height, unless it is sound alone.
    pub resolution: Option<(u16, u16)>,
    /// Pictures a second.
    pub frame_rate: Option<f64>,
    /// The group of the [`Rendition`] that is its sound, where that is in a playlist of its own.
    pub audio: Option<&'static str>,
}

/// Sound in a playlist of its own (`EXT-X-MEDIA`, section 4.4.6.1), which is played unless the viewer
/// chooses another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    /// What variants name. Neither this nor the name may contain a quotation mark or a line end.
    pub group: &'static str,
    /// What viewers read.
    pub name: &'static str,
    /// Channels that are heard.
    pub channels: u8,
    /// Relative or absolute URI of its Media Playlist. Must not contain a quotation mark or a line
    /// end.
    pub uri: String,
}

impl Rendition {
    fn write(&self, out: &mut String) {
        let Self {
            group,
            name,
            channels,
            uri,
        } = self;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{name}\",DEFAULT=YES,\
             AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\""
        );
    }
}

/// Bit rates in bits a second, with what the container costs (RFC 8216bis section 4.4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// `BANDWIDTH`: the largest of any segment.
    pub peak_bps: u64,
    /// `AVERAGE-BANDWIDTH`: of all segments together.
    pub average_bps: u64,
}

impl Variant {
    fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let Rates {
            peak_bps,
            average_bps,
        } = self.rates;
        let _ = write!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={peak_bps},AVERAGE-BANDWIDTH={average_bps},CODECS=\"{}\"",
            self.codecs
        );
        if let Some((width, height)) = self.resolution {
            let _ = write!(out, ",RESOLUTION={width}x{height}");
        }
        if let Some(rate) = self.frame_rate {
            let _ = write!(out, ",FRAME-RATE={rate:.3}");
        }
        if let Some(group) = self.audio {
            let _ = write!(out, ",AUDIO=\"{group}\"");
        }
        let _ = writeln!(out, "\n{}", self.uri);
    }
}

/// The playlist's text, the variants in this order: players start with the first that they can
/// play.
pub fn multivariant(renditions: &[Rendition], variants: &[Variant]) -> String {
    let mut out = "#EXTM3U\n".to_owned();
    for rendition in renditions {
        rendition.write(&mut out);
    }
    for variant in variants {
        variant.write(&mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_parser_reads_what_was_written() {
        let variant = |name: &str, peak_bps, resolution, frame_rate| Variant {
            uri: format!("show_{name}.m3u8"),
            rates: Rates {
                peak_bps,
                average_bps: peak_bps / 2,
            },
            codecs: "avc1.42e01f,mp4a.40.2".to_owned(),
            resolution,
            frame_rate,
            audio: None,
        };
        let text = multivariant(
            &[],
            &[
                variant("h", 2_000_000, Some((1280, 720)), Some(29.97)),
                variant("audio", 140_000, None, None),
            ],
        );
        let (rest, read) = m3u8_rs::parse_master_playlist(text.as_bytes()).expect("parses");
        assert!(rest.is_empty());
        let [large, sound] = &read.variants[..] else {
            panic!("{read:?}");
        };
        assert_eq!(large.uri, "show_h.m3u8");
        assert_eq!(
            (large.bandwidth, large.average_bandwidth),
            (2_000_000, Some(1_000_000))
        );
        let size = large.resolution.map(|size| (size.width, size.height));
        assert_eq!((size, large.frame_rate), (Some((1280, 720)), Some(29.97)));
        assert_eq!(large.codecs.as_deref(), Some("avc1.42e01f,mp4a.40.2"));
        assert_eq!((sound.resolution, sound.frame_rate), (None, None));
    }

    #[test]
    fn a_variant_names_its_sound() {
        let rendition = Rendition {
            group: "opus",
            name: "Opus",
            channels: 2,
            uri: "../show_opus.m3u8".to_owned(),
        };
        let variant = Variant {
            uri: "video.m3u8".to_owned(),
            rates: Rates::default(),
            codecs: "avc1.42e01f,opus".to_owned(),
            resolution: Some((640, 360)),
            frame_rate: Some(30.0),
            audio: Some("opus"),
        };
        let text = multivariant(&[rendition], &[variant]);
        let (_, read) = m3u8_rs::parse_master_playlist(text.as_bytes()).expect("parses");
        let [sound] = &read.alternatives[..] else {
            panic!("{text}");
        };
        assert_eq!(sound.media_type, m3u8_rs::AlternativeMediaType::Audio);
        assert_eq!(sound.uri.as_deref(), Some("../show_opus.m3u8"));
        assert!(sound.default && sound.autoselect, "{text}");
        assert_eq!(read.variants[0].audio.as_ref(), Some(&sound.group_id));
    }
}
