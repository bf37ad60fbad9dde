//! The simulcast layers of a video track, and which of them is worth following.

use std::time::{Duration, Instant};

use crate::media::packet::StreamKey;

/// What is known of one layer.
#[derive(Debug, Clone)]
struct Layer {
    stream: StreamKey,
    last_packet: Instant,
    window_start: Instant,
    window_bytes: u64,
    /// Bits a second over the last whole window.
    rate_bps: u64,
}

/// Picks the best layer that flows: the one with the highest bit rate.
#[derive(Debug, Default)]
pub struct LayerSelector {
    layers: Vec<Layer>,
    target: Option<StreamKey>,
}

impl LayerSelector {
    /// Counts a packet of a layer. True if the target layer is another one now.
    pub fn handle_packet(&mut self, stream: StreamKey, bytes: usize, now: Instant) -> bool {
        match self.layers.iter_mut().find(|l| l.stream == stream) {
            Some(layer) => {
                layer.last_packet = now;
                layer.window_bytes += bytes as u64;
                let elapsed = now.saturating_duration_since(layer.window_start);
                if elapsed < WINDOW {
                    return false;
                }
                let micros = u64::try_from(elapsed.as_micros())
                    .unwrap_or(u64::MAX)
                    .max(1);
                layer.rate_bps = (layer.window_bytes.saturating_mul(8_000_000)) / micros;
                layer.window_bytes = 0;
                layer.window_start = now;
            }
            None => self.layers.push(Layer {
                stream,
                last_packet: now,
                window_start: now,
                window_bytes: bytes as u64,
                rate_bps: 0,
            }),
        }
        self.select(now)
    }

    /// Follows `stream` from now on, whatever its rate: its source has chosen it.
    pub fn force(&mut self, stream: StreamKey) -> bool {
        let changed = self.target != Some(stream);
        self.target = Some(stream);
        changed
    }

    /// The layer that subscribers should follow.
    pub fn target(&self) -> Option<StreamKey> {
        self.target
    }

    /// Forgets a layer whose RTP stream has ended.
    pub fn remove(&mut self, stream: StreamKey) {
        self.layers.retain(|l| l.stream != stream);
        if self.target == Some(stream) {
            self.target = None;
        }
    }

    /// Looks for silent layers. True if the target layer is another one now.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        self.select(now)
    }

    fn select(&mut self, now: Instant) -> bool {
        let flows = |l: &&Layer| now.saturating_duration_since(l.last_packet) < SILENCE;
        let Some(best) = self.layers.iter().filter(flows).max_by_key(|l| l.rate_bps) else {
            return false;
        };
        let current = self
            .layers
            .iter()
            .filter(flows)
            .find(|l| Some(l.stream) == self.target);
        // Encoders move bits between layers: only a clear lead is worth a switch.
        let better = match current {
            Some(current) => best.rate_bps * 2 > current.rate_bps * 3,
            None => true,
        };
        if better && self.target != Some(best.stream) {
            self.target = Some(best.stream);
            return true;
        }
        false
    }
}

/// The time over which a layer's bit rate is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// A layer without packets for this long does not flow; a paused encoder layer sends nothing.
const SILENCE: Duration = Duration::from_millis(1_000);

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: StreamKey = StreamKey(1);
    const HIGH: StreamKey = StreamKey(2);

    fn feed(
        s: &mut LayerSelector,
        start: Instant,
        from: u64,
        to: u64,
        layers: &[(StreamKey, usize)],
    ) {
        for ms in (from..to).step_by(20) {
            for (stream, bytes) in layers {
                s.handle_packet(*stream, *bytes, start + Duration::from_millis(ms));
            }
        }
    }

    #[test]
    fn single_layer_is_followed_from_its_first_packet() {
        let mut s = LayerSelector::default();
        assert!(s.handle_packet(LOW, 100, Instant::now()));
        assert_eq!(s.target(), Some(LOW));
    }

    #[test]
    fn highest_layer_wins_and_a_silent_one_loses() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 200), (HIGH, 1_000)]);
        assert_eq!(s.target(), Some(HIGH));
        feed(&mut s, start, 2_000, 4_000, &[(LOW, 200)]);
        assert_eq!(s.target(), Some(LOW));
        feed(&mut s, start, 4_000, 6_000, &[(LOW, 200), (HIGH, 1_000)]);
        assert_eq!(s.target(), Some(HIGH));
    }

    #[test]
    fn nearly_equal_layers_do_not_flap() {
        let start = Instant::now();
        let mut s = LayerSelector::default();
        feed(&mut s, start, 0, 2_000, &[(LOW, 1_000), (HIGH, 1_100)]);
        let target = s.target();
        feed(&mut s, start, 2_000, 4_000, &[(LOW, 1_100), (HIGH, 1_000)]);
        feed(&mut s, start, 4_000, 6_000, &[(LOW, 1_000), (HIGH, 1_100)]);
        assert_eq!(s.target(), target);
    }
}
