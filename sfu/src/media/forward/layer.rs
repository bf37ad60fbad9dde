//! The simulcast layers of a video track, and which of them is worth following.

use std::time::{Duration, Instant};

use super::allocate::Rates;
use super::place::{Layers, Place, Target};
use super::scale::Scale;
use crate::media::packet::StreamKey;
use packager::picture::{Picture, Pictures};

/// What is known of one layer.
#[derive(Debug, Clone)]
struct Layer {
    stream: StreamKey,
    last_packet: Instant,
    window_start: Instant,
    window_bytes: u64,
    /// Whole windows since the layer began to flow.
    windows: u32,
    /// Bits a second over the last of these windows, old ones counting ever less.
    rate_bps: Option<u64>,
    /// The same before it paused.
    rate_before: Option<u64>,
    scale: Scale,
}

/// Picks a layer for each picture among those that flow: the one with the highest bit rate for the
/// large one, the next for the medium one, the one with the lowest for the small one. Where there is
/// one layer that has spatial layers of its own, the pictures are these.
#[derive(Debug, Default)]
pub struct LayerSelector {
    layers: Vec<Layer>,
    targets: [Option<StreamKey>; Picture::COUNT],
}

impl LayerSelector {
    /// Counts a packet of a layer. True if the target of a picture is another one now.
    pub fn handle_packet(
        &mut self,
        stream: StreamKey,
        place: Option<Place>,
        bytes: usize,
        now: Instant,
    ) -> bool {
        let mut rescaled = false;
        match self.layers.iter_mut().find(|l| l.stream == stream) {
            Some(layer) => {
                let resumes = !layer.flows(now);
                if resumes {
                    // What it sends after a pause says nothing together with the pause.
                    layer.begin(now);
                }
                layer.last_packet = now;
                layer.window_bytes += bytes as u64;
                layer.scale.note(place, bytes);
                let elapsed = now.saturating_duration_since(layer.window_start);
                if elapsed >= WINDOW {
                    layer.end_window(elapsed, now);
                    let before = Picture::ALL.map(|picture| layer.scale.layers(picture));
                    layer.scale.turn();
                    rescaled = before != Picture::ALL.map(|picture| layer.scale.layers(picture));
                } else if !resumes {
                    return false;
                }
            }
            None => {
                let mut scale = Scale::default();
                scale.note(place, bytes);
                self.layers.push(Layer {
                    stream,
                    last_packet: now,
                    window_start: now,
                    window_bytes: bytes as u64,
                    windows: 0,
                    rate_bps: None,
                    rate_before: None,
                    scale,
                });
            }
        }
        self.select(now) | rescaled
    }

    /// Measures the layers of a stream that its source has chosen.
    pub fn measure(&mut self, stream: StreamKey, place: Option<Place>, bytes: usize, now: Instant) {
        let targets = self.targets;
        self.handle_packet(stream, place, bytes, now);
        self.targets = targets;
    }

    /// Follows `stream` for these pictures from now on, whatever its rate: its source has chosen
    /// it. True if the target of one is another one now.
    pub fn follow(&mut self, pictures: Pictures, stream: StreamKey) -> bool {
        let mut changed = false;
        for picture in pictures.iter() {
            let before = self.targets[picture.index()].replace(stream);
            changed |= before != Some(stream);
        }
        changed
    }

    /// What those who want a picture should follow.
    pub fn target(&self, picture: Picture) -> Option<Target> {
        let stream = self.targets[picture.index()]?;
        let is_only = self.targets == [Some(stream); Picture::COUNT];
        let layer = self.layers.iter().find(|l| l.stream == stream);
        let layers = match layer {
            Some(layer) if is_only => layer.scale.layers(picture),
            _ => Layers::ALL,
        };
        Some(Target { stream, layers })
    }

    /// What the pictures take, as far as it was measured.
    pub fn rates(&self) -> Rates {
        Picture::ALL.map(|picture| {
            let Some(target) = self.target(picture) else {
                return 0;
            };
            let layer = self.layers.iter().find(|l| l.stream == target.stream);
            let rate = layer.and_then(|layer| Some((layer, layer.rate()?)));
            rate.map_or(0, |(layer, rate)| layer.scale.share(target.layers, rate))
        })
    }

    /// What to follow for a picture without its highest temporal layer, if there is one to leave out.
    pub fn thinned(&self, picture: Picture) -> Option<Target> {
        let target = self.target(picture)?;
        let layer = self.layers.iter().find(|l| l.stream == target.stream)?;
        let temporal = layer.scale.thinned()?;
        let layers = Layers {
            temporal,
            ..target.layers
        };
        Some(Target { layers, ..target })
    }

    /// What a picture takes without its highest temporal layer, of what it takes whole; 0 if there
    /// is none to leave out.
    pub fn thinned_rate(&self, picture: Picture, whole: u64) -> u64 {
        let (Some(target), Some(thinned)) = (self.target(picture), self.thinned(picture)) else {
            return 0;
        };
        let layer = self.layers.iter().find(|l| l.stream == target.stream);
        layer.map_or(0, |layer| {
            let all = layer.scale.share(target.layers, u64::from(u32::MAX));
            let some = layer.scale.share(thinned.layers, u64::from(u32::MAX));
            (u128::from(whole) * u128::from(some) / u128::from(all.max(1))) as u64
        })
    }

    /// Forgets a layer whose RTP stream has ended.
    pub fn remove(&mut self, stream: StreamKey) {
        self.layers.retain(|l| l.stream != stream);
        for target in &mut self.targets {
            if *target == Some(stream) {
                *target = None;
            }
        }
    }

    /// Looks for silent layers. True if the target of a picture is another one now.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        self.select(now)
    }

    fn select(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for picture in Picture::ALL {
            let target = self.targets[picture.index()];
            if let Some(better) = self.better(picture, target, now) {
                self.targets[picture.index()] = Some(better);
                changed = true;
            }
        }
        changed
    }

    /// The layer that is worth a switch.
    fn better(
        &self,
        picture: Picture,
        target: Option<StreamKey>,
        now: Instant,
    ) -> Option<StreamKey> {
        let large = self.targets[Picture::Large.index()];
        let mut flowing = self.layers.iter().filter(|l| l.flows(now));
        let best = match picture {
            Picture::Large => flowing.max_by_key(|l| l.rate().unwrap_or(0)),
            Picture::Medium => {
                let is_large = |l: &&Layer| Some(l.stream) == large;
                let others = flowing.clone().filter(|l| !is_large(l));
                let next = others.max_by_key(|l| l.rate().unwrap_or(0));
                next.or_else(|| flowing.find(is_large))
            }
            Picture::Small => flowing.min_by_key(|l| l.rate().unwrap_or(u64::MAX)),
        }?;
        if target == Some(best.stream) {
            return None;
        }
        let is_better = match self.layers.iter().find(|l| Some(l.stream) == target) {
            // It has become the large one.
            Some(current) if picture == Picture::Medium && Some(current.stream) == large => {
                best.rate().is_some()
            }
            // Encoders move bits between layers: only a clear lead is worth a switch.
            Some(current) if current.flows(now) => {
                best.rate()
                    .zip(current.rate())
                    .is_some_and(|(best, current)| match picture {
                        Picture::Large | Picture::Medium => best / 3 > current / 2,
                        Picture::Small => best / 2 < current / 3,
                    })
            }
            // Layers that have paused together come back one after the other.
            Some(_) => best.rate_bps.is_some(),
            None => true,
        };
        is_better.then_some(best.stream)
    }
}

impl Layer {
    fn begin(&mut self, now: Instant) {
        self.window_start = now;
        self.window_bytes = 0;
        self.windows = 0;
        self.scale.begin();
        self.rate_before = self.rate_bps.take().or(self.rate_before);
    }

    /// Takes a window for a part of the mean. What an encoder sends in half a second may be five
    /// times what it sends in the next: what follows it at every turn finds no rest.
    fn end_window(&mut self, elapsed: Duration, now: Instant) {
        let micros = u64::try_from(elapsed.as_micros())
            .unwrap_or(u64::MAX)
            .max(1);
        let newest = self.window_bytes.saturating_mul(8_000_000) / micros;
        self.windows = (self.windows + 1).min(STEADY);
        let before = self.rate_bps.unwrap_or(0);
        let weight = u64::from(self.windows);
        self.rate_bps = Some((before.saturating_mul(weight - 1).saturating_add(newest)) / weight);
        self.window_bytes = 0;
        self.window_start = now;
    }

    /// What is known of its rate. One that comes back is taken for what it was until it has been
    /// measured: whoever waits for it need not wait for that too.
    fn rate(&self) -> Option<u64> {
        self.rate_bps.or(self.rate_before)
    }

    fn flows(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_packet) < SILENCE
    }
}

/// The time over which a layer's bit rate is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// So many windows a mean is made of before the old ones are forgotten as new ones come.
const STEADY: u32 = 6;

/// A layer without packets for this long does not flow; a paused encoder layer sends nothing.
const SILENCE: Duration = Duration::from_millis(1_000);

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: StreamKey = StreamKey(1);
    const HIGH: StreamKey = StreamKey(2);
    const MIDDLE: StreamKey = StreamKey(3);

    fn feed(
        s: &mut LayerSelector,
        start: Instant,
        from: u64,
        to: u64,
        layers: &[(StreamKey, usize)],
    ) {
        for ms in (from..to).step_by(20) {
            for (stream, bytes) in layers {
                s.handle_packet(*stream, None, *bytes, start + Duration::from_millis(ms));
            }
        }
    }

    fn targets(s: &LayerSelector) -> [Option<StreamKey>; Picture::COUNT] {
        Picture::ALL.map(|picture| {
            let target = s.target(picture)?;
            assert_eq!(target.layers, Layers::ALL);
            Some(target.stream)
        })
    }

    #[test]
    fn one_layer_with_layers_of_its_own_is_all_pictures() {
        let mut s = LayerSelector::default();
        let start = Instant::now();
        let mut changes = 0;
        for ms in (0..3_000).step_by(20) {
            let at = start + Duration::from_millis(ms);
            for (spatial, bytes) in [(0, 100), (1, 300), (2, 600)] {
                let place = Place {
                    spatial,
                    temporal: 0,
                    ends_frame: true,
                    is_key: false,
                    raise: None,
                };
                changes += usize::from(s.handle_packet(LOW, Some(place), bytes, at));
            }
        }
        assert_eq!(changes, 2, "its first packet, and its first measurement");
        let spatial = Picture::ALL.map(|picture| s.target(picture).map(|t| t.layers.spatial));
        assert_eq!(spatial, [Some(u8::MAX), Some(1), Some(0)]);
        let [large, medium, small] = s.rates();
        assert!(large.abs_diff(400_000) < 20_000, "{large}");
        assert!(medium.abs_diff(160_000) < 8_000, "{medium}");
        assert!(small.abs_diff(40_000) < 2_000, "{small}");
        // Beside another stream it is one layer of several.
        feed(&mut s, start, 3_000, 5_000, &[(LOW, 1_000), (HIGH, 3_000)]);
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
    }

    #[test]
    fn single_layer_serves_all_from_its_first_packet() {
        let mut s = LayerSelector::default();
        let start = Instant::now();
        assert!(s.handle_packet(LOW, None, 100, start));
        assert_eq!(targets(&s), [Some(LOW); 3]);
        feed(&mut s, start, 0, 2_000, &[(LOW, 200)]);
        assert_eq!(targets(&s), [Some(LOW); 3]);
        s.remove(LOW);
        assert_eq!(targets(&s), [None; 3]);
    }

    #[test]
    fn highest_layer_is_large_and_the_other_is_the_rest_whichever_comes_first() {
        let start = Instant::now();
        for layers in [[(LOW, 200), (HIGH, 1_000)], [(HIGH, 1_000), (LOW, 200)]] {
            let mut s = LayerSelector::default();
            feed(&mut s, start, 0, 2_000, &layers);
            assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
        }
    }

    #[test]
    fn three_layers_have_a_picture_each_in_whatever_order_they_come_and_go() {
        let start = Instant::now();
        let [low, middle, high] = [(LOW, 100), (MIDDLE, 400), (HIGH, 1_200)];
        for layers in [
            [low, middle, high],
            [high, middle, low],
            [middle, high, low],
        ] {
            let mut s = LayerSelector::default();
            feed(&mut s, start, 0, 2_000, &layers);
            assert_eq!(targets(&s), [Some(HIGH), Some(MIDDLE), Some(LOW)]);
            // An encoder short of bits or of time leaves the best one out first.
            feed(&mut s, start, 2_000, 4_000, &[low, middle]);
            assert_eq!(targets(&s), [Some(MIDDLE), Some(LOW), Some(LOW)]);
            feed(&mut s, start, 4_000, 6_000, &[low]);
            assert_eq!(targets(&s), [Some(LOW); 3]);
            feed(&mut s, start, 6_000, 8_000, &layers);
            assert_eq!(targets(&s), [Some(HIGH), Some(MIDDLE), Some(LOW)]);
        }
    }

    #[test]
    fn silent_layer_is_replaced_for_all_and_comes_back() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 200), (HIGH, 1_000)]);
        feed(&mut s, start, 2_000, 4_000, &[(LOW, 200)]);
        assert_eq!(targets(&s), [Some(LOW); 3]);
        feed(&mut s, start, 4_000, 6_000, &[(LOW, 200), (HIGH, 1_000)]);
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
        feed(&mut s, start, 6_000, 8_000, &[(HIGH, 1_000)]);
        assert_eq!(targets(&s), [Some(HIGH); 3]);
        feed(&mut s, start, 8_000, 10_000, &[(LOW, 200), (HIGH, 1_000)]);
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
    }

    #[test]
    fn layer_that_comes_back_is_followed_from_its_first_packet_at_the_rate_that_it_had() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 200), (HIGH, 1_000)]);
        let [before, ..] = s.rates();
        assert!(before > 0);
        feed(&mut s, start, 2_000, 9_010, &[(LOW, 200)]);
        assert_eq!(targets(&s), [Some(LOW); 3]);
        assert!(s.handle_packet(HIGH, None, 1_000, start + Duration::from_millis(9_010)));
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
        assert_eq!(s.rates()[0], before);
        feed(&mut s, start, 9_020, 11_000, &[(LOW, 200), (HIGH, 600)]);
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
        assert!(s.rates()[0] < before, "measured anew");
    }

    #[test]
    fn layers_that_pause_together_come_back_as_they_were() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 200), (HIGH, 1_000)]);
        for ms in (12_000..14_000).step_by(20) {
            let at = start + Duration::from_millis(ms);
            assert!(!s.handle_timeout(at));
            assert!(!s.handle_packet(LOW, None, 200, at));
            assert!(!s.handle_packet(HIGH, None, 1_000, at + Duration::from_millis(1)));
        }
        assert_eq!(targets(&s), [Some(HIGH), Some(LOW), Some(LOW)]);
    }

    #[test]
    fn nearly_equal_layers_do_not_flap() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 1_000), (HIGH, 1_100)]);
        let before = targets(&s);
        feed(&mut s, start, 2_000, 4_000, &[(LOW, 1_100), (HIGH, 1_000)]);
        feed(&mut s, start, 4_000, 6_000, &[(LOW, 1_000), (HIGH, 1_100)]);
        assert_eq!(targets(&s), before);
    }

    #[test]
    fn chosen_stream_is_followed_for_the_pictures_that_it_serves() {
        let mut s = LayerSelector::default();
        let large = Pictures::from_iter([Picture::Large]);
        assert!(s.follow(large, LOW));
        assert!(!s.follow(large, LOW));
        assert_eq!(targets(&s), [Some(LOW), None, None]);
        assert!(s.follow(Picture::ALL.into_iter().collect(), HIGH));
        assert_eq!(targets(&s), [Some(HIGH); 3]);
    }
}
