//! The layers of one RTP stream, and what each of them takes.

use super::place::{Layers, Place};
use crate::media::dependency::MAX_LAYERS;
use packager::picture::Picture;

/// Most layers that are told apart.
const SPATIAL: usize = MAX_LAYERS[0] as usize;
const TEMPORAL: usize = MAX_LAYERS[1] as usize;

/// Counts the bytes of each layer over windows of time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scale {
    bytes: Bytes,
    /// Those of the last window that ended.
    before: Bytes,
}

/// Of each temporal layer of each spatial one.
type Bytes = [[u64; TEMPORAL]; SPATIAL];

impl Scale {
    /// Counts a packet.
    pub fn note(&mut self, place: Option<Place>, bytes: usize) {
        let (spatial, temporal) = place.map_or((0, 0), |place| (place.spatial, place.temporal));
        let spatial = usize::from(spatial).min(SPATIAL - 1);
        let temporal = usize::from(temporal).min(TEMPORAL - 1);
        self.bytes[spatial][temporal] += bytes as u64;
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
        let upto = |layers: Layers| -> u64 {
            let spatial = self.before.iter().take(usize::from(layers.spatial) + 1);
            let temporal = usize::from(layers.temporal) + 1;
            spatial.flat_map(|bytes| bytes.iter().take(temporal)).sum()
        };
        let (all, some) = (upto(Layers::ALL), upto(layers));
        match all {
            0 => rate_bps,
            _ => (u128::from(rate_bps) * u128::from(some) / u128::from(all)) as u64,
        }
    }

    /// The highest temporal layer but one that flows, if there are some.
    pub fn thinned(&self) -> Option<u8> {
        let flows = |temporal: &usize| self.before.iter().any(|bytes| bytes[*temporal] > 0);
        let highest = (0..TEMPORAL).rev().find(flows)?;
        highest.checked_sub(1).map(|thinned| thinned as u8)
    }

    /// The best spatial layer that flows.
    fn highest(&self) -> u8 {
        let flows = |bytes: &[u64; TEMPORAL]| bytes.iter().any(|bytes| *bytes > 0);
        self.before.iter().rposition(flows).unwrap_or(0) as u8
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
    fn highest_temporal_layer_can_be_left_out() {
        let mut scale = Scale::default();
        for (temporal, bytes) in [(0, 100), (1, 200), (2, 700)] {
            let place = place(1).map(|place| Place { temporal, ..place });
            scale.note(place, bytes);
        }
        assert_eq!(scale.thinned(), None);
        scale.turn();
        assert_eq!(scale.thinned(), Some(1));
        let thinned = Layers {
            temporal: 1,
            ..Layers::ALL
        };
        assert_eq!(scale.share(thinned, 1_000), 300);
        scale.note(place(1), 100);
        scale.turn();
        assert_eq!(scale.thinned(), None, "there is one");
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
