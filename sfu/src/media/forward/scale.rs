//! The spatial layers of one RTP stream, and what each of them takes.

use super::picture::Picture;
use super::place::{Layers, Place};
use crate::media::dependency::MAX_LAYERS;

/// Most spatial layers that are told apart.
const SPATIAL: usize = MAX_LAYERS[0] as usize;

/// Counts the bytes of each spatial layer over windows of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scale {
    bytes: [u64; SPATIAL],
    /// Those of the last window that ended.
    before: [u64; SPATIAL],
}

impl Scale {
    /// Counts a packet.
    pub fn note(&mut self, place: Option<Place>, bytes: usize) {
        let spatial = usize::from(place.map_or(0, |place| place.spatial));
        self.bytes[spatial.min(SPATIAL - 1)] += bytes as u64;
    }

    /// Begins the next window.
    pub fn turn(&mut self) {
        self.before = std::mem::take(&mut self.bytes);
    }

    /// Forgets what has not made up a window yet.
    pub fn begin(&mut self) {
        self.bytes = Default::default();
    }

    /// The layers for a picture: all for the large one, for the medium one those below the best one
    /// that flows, and the lowest for the small one.
    pub fn layers(&self, picture: Picture) -> Layers {
        let highest = self.highest();
        let spatial = match picture {
            _ if highest == 0 => u8::MAX,
            Picture::Large => u8::MAX,
            Picture::Medium => highest - 1,
            Picture::Small => 0,
        };
        Layers {
            spatial,
            ..Layers::ALL
        }
    }

    /// What some layers take of the bit rate of all.
    pub fn share(&self, layers: Layers, rate_bps: u64) -> u64 {
        let all: u64 = self.before.iter().sum();
        let some: u64 = self
            .before
            .iter()
            .take(usize::from(layers.spatial) + 1)
            .sum();
        match all {
            0 => rate_bps,
            _ => (u128::from(rate_bps) * u128::from(some) / u128::from(all)) as u64,
        }
    }

    /// The best layer that flows.
    fn highest(&self) -> u8 {
        let flowing = self.before.iter().rposition(|bytes| *bytes > 0);
        flowing.unwrap_or(0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Picture::{Large, Medium, Small};

    fn place(spatial: u8) -> Option<Place> {
        Some(Place {
            spatial,
            temporal: 0,
            ends_frame: true,
            is_key: false,
            raise: None,
        })
    }

    fn spatial(scale: &Scale) -> [u8; 3] {
        Picture::ALL.map(|picture| scale.layers(picture).spatial)
    }

    #[test]
    fn pictures_are_layers_once_they_have_been_measured() {
        let mut scale = Scale::default();
        for (layer, bytes) in [(0, 100), (1, 300), (2, 600)] {
            scale.note(place(layer), bytes);
        }
        assert_eq!(spatial(&scale), [u8::MAX; 3]);
        assert_eq!(scale.share(scale.layers(Small), 5_000), 5_000);
        scale.turn();
        assert_eq!(spatial(&scale), [u8::MAX, 1, 0]);
        let takes = |picture| scale.share(scale.layers(picture), 5_000);
        assert_eq!([Large, Medium, Small].map(takes), [5_000, 2_000, 500]);
        // The encoder leaves the best one out.
        for (layer, bytes) in [(0, 100), (1, 300)] {
            scale.note(place(layer), bytes);
        }
        scale.turn();
        assert_eq!(spatial(&scale), [u8::MAX, 0, 0]);
    }

    #[test]
    fn one_layer_is_all_pictures() {
        let mut scale = Scale::default();
        for place in [place(0), None] {
            scale.note(place, 100);
            scale.turn();
            assert_eq!(spatial(&scale), [u8::MAX; 3]);
            assert_eq!(scale.share(scale.layers(Small), 700), 700);
        }
    }
}
