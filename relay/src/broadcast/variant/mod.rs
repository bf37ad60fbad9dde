//! What viewers choose from: the variants of a broadcast, each with its FLV stream and its playlist.

use std::sync::Arc;

use packager::picture::{Picture, Pictures};
use packager::rtp::Tracks;

use super::core::carried;
use crate::flv::Ring;
use crate::hls::Store;
use crate::ingest::Publication;

/// What a variant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A picture, and the sound.
    Picture(Picture),
    /// The sound alone.
    Sound,
}

impl Content {
    /// Its name in addresses, behind the id of the stream.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Picture(picture) => picture.name(),
            Self::Sound => "audio",
        }
    }

    /// The tracks of a broadcast that it has.
    pub(super) fn of(self, tracks: Tracks) -> Tracks {
        Tracks {
            video: tracks.video && self != Self::Sound,
            ..tracks
        }
    }

    pub(super) fn picture(self) -> Option<Picture> {
        match self {
            Self::Picture(picture) => Some(picture),
            Self::Sound => None,
        }
    }
}

/// The variants of a broadcast, the best first; the large picture is always one. They stay what the
/// first publisher makes them: players read a Multivariant Playlist once.
pub(super) fn contents(publication: Publication) -> Vec<Content> {
    let Publication { tracks, pictures } = publication;
    let lesser = match tracks.video {
        true => pictures.without(Pictures::of_layers(1)),
        false => Pictures::NONE,
    };
    let large = std::iter::once(Content::Picture(Picture::Large));
    let mut contents: Vec<_> = large.chain(lesser.iter().map(Content::Picture)).collect();
    if contents.len() > 1 && tracks.audio {
        contents.push(Content::Sound);
    }
    contents
}

/// Whether the publisher's own sound is there beside the AAC of the variants: Opus, as RTP brings it.
/// A broadcast that begins without sound, or with frames of another server, has none.
pub(super) fn has_opus(publication: Publication) -> bool {
    carried(publication.tracks).audio
}

/// What the sound of [`has_opus`] is called in addresses, behind the id of the stream. It is no
/// variant: players that choose among these by their rates would come to it.
pub(crate) const OPUS: &str = "opus";

/// What of a broadcast an address speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Facet {
    /// All of it.
    Whole,
    /// The variant at this place.
    Variant(usize),
    /// The publisher's own sound.
    Opus,
}

/// One variant as viewers get it.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) content: Content,
    pub(crate) ring: Arc<Ring>,
    pub(crate) store: Arc<Store>,
}

#[cfg(feature = "aac")]
#[cfg(test)]
mod tests;
