//! Where a frame stands among the layers of its stream.

use packager::rtp::Codec;

use super::detect::{self, Entry};
use crate::media::dependency::{Indication, Told};
use crate::media::packet::StreamKey;

/// What a packet says of the layers of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Spatial layer, from 0.
    pub spatial: u8,
    /// Temporal layer, from 0.
    pub temporal: u8,
    /// The packet is the last one of its frame.
    pub ends_frame: bool,
    /// The frame is the first one of its picture, and needs no other.
    pub is_key: bool,
    /// More temporal layers can be had from this picture on.
    pub raise: Option<Raise>,
}

/// A point at which temporal layers can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raise {
    /// Whoever has had the layers up to this one
    pub from: u8,
    /// can have those up to this one.
    pub to: u8,
}

/// The layers that are forwarded of a stream: those up to these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The highest spatial layer.
    pub spatial: u8,
    /// The highest temporal layer.
    pub temporal: u8,
}

/// What to follow: an RTP stream, and some layers of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The stream.
    pub stream: StreamKey,
    /// Its layers.
    pub layers: Layers,
}

impl Target {
    /// All of a stream.
    pub fn whole(stream: StreamKey) -> Self {
        Self {
            stream,
            layers: Layers::ALL,
        }
    }
}

impl Layers {
    /// Whatever there is.
    pub const ALL: Self = Self {
        spatial: u8::MAX,
        temporal: u8::MAX,
    };

    /// True if a frame is in one of them.
    pub fn has(self, place: Place) -> bool {
        place.spatial <= self.spatial && place.temporal <= self.temporal
    }

    /// True if the packet is the last one of its picture, when no higher spatial layers are had.
    pub fn ends_picture(self, place: Place) -> bool {
        place.ends_frame && place.spatial == self.spatial
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self::ALL
    }
}

impl Place {
    /// What a dependency descriptor or, where there is none, the payload says.
    pub fn of(told: Option<&Told>, codec: Codec, payload: &[u8]) -> Option<Self> {
        match (told, codec) {
            (Some(told), _) => Some(Self::told(told)),
            (None, Codec::Vp9) => Self::vp9(payload),
            (None, Codec::Vp8) => Self::vp8(payload),
            (None, _) => None,
        }
    }

    fn told(told: &Told) -> Self {
        let frame = &told.frame;
        // Decode targets of this spatial layer that can be decoded from here on.
        let targets = told.targets.iter().zip(frame.indications.iter());
        let reached = targets
            .filter(|(layers, indication)| {
                layers.spatial == frame.spatial && *indication == Indication::Switch
            })
            .map(|(layers, _)| layers.temporal)
            .max();
        let is_highest = |to: &u8| told.targets.iter().all(|layers| layers.temporal <= *to);
        Self {
            spatial: frame.spatial,
            temporal: frame.temporal,
            ends_frame: told.ends_frame,
            is_key: frame.spatial == 0 && frame.differences.iter().next().is_none(),
            raise: reached.map(|to| Raise {
                from: frame.temporal,
                to: if is_highest(&to) { u8::MAX } else { to },
            }),
        }
    }

    /// RFC 7741 §4.2. What it needs is not told of a frame that does not depend on the lowest layer
    /// alone.
    fn vp8(payload: &[u8]) -> Option<Self> {
        let has = |byte: u8, bit: u8| byte & bit != 0;
        let first = *payload.first()?;
        let extension = if has(first, 0x80) {
            *payload.get(1)?
        } else {
            0
        };
        if !has(extension, 0x20) {
            return None;
        }
        let mut at = 2;
        if has(extension, 0x80) {
            at += if has(*payload.get(at)?, 0x80) { 2 } else { 1 };
        }
        at += usize::from(has(extension, 0x40));
        let layer = *payload.get(at)?;
        let (temporal, syncs) = (layer >> 6, has(layer, 0x20));
        let raise = temporal
            .checked_sub(1)
            .map(|from| Raise { from, to: temporal });
        Some(Self {
            spatial: 0,
            temporal,
            ends_frame: false,
            is_key: detect::entry(Codec::Vp8, payload) == Entry::Yes,
            raise: raise.filter(|_| syncs),
        })
    }

    /// RFC 9628 §4.2.
    fn vp9(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let [picture_id, predicted, has_layers, _, _, ends] =
            [0x80, 0x40, 0x20, 0x10, 0x08, 0x04].map(|bit| first & bit != 0);
        if !has_layers {
            return None;
        }
        let mut at = 1;
        if picture_id {
            let is_wide = *payload.get(at)? & 0x80 != 0;
            at += if is_wide { 2 } else { 1 };
        }
        let layer = *payload.get(at)?;
        let (temporal, switches, spatial) = (layer >> 5, layer & 0x10 != 0, layer >> 1 & 7);
        let raise = Raise {
            from: temporal,
            to: u8::MAX,
        };
        Some(Self {
            spatial,
            temporal,
            ends_frame: ends,
            is_key: !predicted && spatial == 0,
            raise: switches.then_some(raise),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dependency::tests::{bytes, chromium};
    use crate::media::dependency::{Bytes, Structures};

    fn places(hex: &[&str]) -> Vec<Place> {
        let mut structures = Structures::default();
        let all = hex.iter().map(|hex| {
            let bytes = Bytes::new(&bytes(hex)).expect("bytes");
            let told = structures.describe(bytes).told.expect("told");
            Place::of(Some(&told), Codec::Av1, &[]).expect("a place")
        });
        all.collect()
    }

    fn raise(from: u8, to: u8) -> Option<Raise> {
        Some(Raise { from, to })
    }

    #[test]
    fn descriptors_tell_the_layers_and_where_to_add_some() {
        let all = places(&chromium::AV1_L3T3_KEY);
        let layers: Vec<_> = all.iter().map(|p| (p.spatial, p.temporal)).collect();
        let wanted = [(0, 0), (1, 0), (2, 0), (0, 2), (1, 2), (2, 2), (0, 1)];
        assert_eq!(layers, wanted);
        let keys: Vec<_> = all.iter().map(|p| p.is_key).collect();
        assert_eq!(keys, [true, false, false, false, false, false, false]);
        let raises: Vec<_> = all.iter().map(|p| p.raise).collect();
        let any = raise(0, u8::MAX);
        // The middle layer can be followed by the highest one.
        let middle = raise(1, u8::MAX);
        assert_eq!(raises, [any, any, any, None, None, None, middle]);
        let ends: Vec<_> = all.iter().map(|p| p.ends_frame).collect();
        assert_eq!(ends, [false, false, true, true, true, false, true]);
    }

    #[test]
    fn vp9_tells_its_layers_in_the_payload() {
        let vp9 = |payload: &[u8]| Place::of(None, Codec::Vp9, payload);
        // I, P, L, F, B, E, V, Z; the picture id in two bytes; TID, U, SID, D.
        let place = vp9(&[0b1110_0100, 0x81, 0x02, 0b0101_0010]).expect("layers");
        assert_eq!((place.spatial, place.temporal), (1, 2));
        assert!(place.ends_frame && !place.is_key);
        assert_eq!(place.raise, raise(2, u8::MAX));
        let place = vp9(&[0b1010_1000, 0x01, 0b0000_0000]).expect("layers");
        assert!(place.is_key && !place.ends_frame);
        assert_eq!(place.raise, None);
        // A key frame's upper spatial layer refers to the lower one.
        let place = vp9(&[0b0010_1000, 0b0000_0101]).expect("layers");
        assert_eq!((place.spatial, place.is_key), (2, false));
        for payload in [&[][..], &[0x88, 0x01], &[0xa0], &[0xa0, 0x81, 0x02]] {
            assert_eq!(vp9(payload), None, "{payload:02x?}");
        }
        assert_eq!(Place::of(None, Codec::Av1, &[0x18]), None);
    }

    #[test]
    fn vp8_tells_its_temporal_layers_in_the_payload() {
        let vp8 = |payload: &[u8]| Place::of(None, Codec::Vp8, payload);
        // X, S; I, L, T; a picture id in two bytes, TL0PICIDX; TID, Y; the first byte of the frame.
        let frame = |layer: u8, first: u8| vp8(&[0x90, 0xe0, 0x81, 2, 3, layer, first]);
        let key = frame(0x20, 0).expect("layers");
        assert_eq!((key.temporal, key.is_key, key.raise), (0, true, None));
        let middle = frame(0x60, 1).expect("layers");
        assert_eq!((middle.temporal, middle.is_key), (1, false));
        assert_eq!(middle.raise, raise(0, 1));
        assert_eq!(frame(0x80, 1).expect("layers").raise, None);
        assert_eq!(frame(0xa0, 1).expect("layers").raise, raise(1, 2));
        let short = vp8(&[0x90, 0xa0, 0x01, 0x40, 1]).expect("layers");
        assert_eq!(short.temporal, 1);
        for payload in [
            &[][..],
            &[0x90],
            &[0x10, 0],
            &[0x90, 0x80, 1, 0],
            &[0x90, 0x20],
        ] {
            assert_eq!(vp8(payload), None, "{payload:02x?}");
        }
    }

    #[test]
    fn the_highest_layer_that_is_had_ends_the_picture() {
        let all = places(&chromium::AV1_L3T3_KEY);
        let ends = |spatial| {
            let layers = Layers {
                spatial,
                ..Layers::ALL
            };
            let ends = all.iter().map(|place| layers.ends_picture(*place));
            ends.collect::<Vec<_>>()
        };
        assert_eq!(ends(0), [false, false, false, true, false, false, true]);
        assert_eq!(ends(1), [false, false, false, false, true, false, false]);
        assert_eq!(ends(u8::MAX), [false; 7]);
    }
}
