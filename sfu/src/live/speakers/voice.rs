//! One voice: levels in, a smoothed volume out.

use std::time::{Duration, Instant};

/// One user's volume.
#[derive(Debug)]
pub(super) struct Voice {
    /// 0 to 100, smoothed.
    volume: f32,
    /// The newest level as a volume, and when it came.
    newest: f32,
    at: Instant,
}

impl Voice {
    pub(super) fn new(now: Instant, level: u8) -> Self {
        Self {
            volume: 0.0,
            newest: volume_of(level),
            at: now,
        }
    }

    pub(super) fn handle(&mut self, now: Instant, level: u8) {
        self.volume = self.volume(now);
        self.newest = volume_of(level);
        self.at = self.at.max(now);
    }

    /// A level stands for the time until the next one, at most [`HOLD`]; then there is silence.
    pub(super) fn volume(&self, now: Instant) -> f32 {
        let passed = now.saturating_duration_since(self.at);
        let held = passed.min(HOLD);
        let volume = approach(self.volume, self.newest, held);
        approach(volume, 0.0, passed - held)
    }
}

/// Where a volume is after some time on its way to another.
fn approach(from: f32, to: f32, passed: Duration) -> f32 {
    let over = if to > from { ATTACK } else { RELEASE };
    to + (from - to) * (-passed.as_secs_f32() / over.as_secs_f32()).exp()
}

/// 0 dBov is 100, and −[`FLOOR`] dBov and below is 0.
pub(super) fn volume_of(level: u8) -> f32 {
    f32::from(FLOOR.saturating_sub(level)) * 100.0 / f32::from(FLOOR)
}

pub(super) fn is_speech(volume: f32) -> bool {
    volume >= SPEECH
}

/// Room noise lies about here, in −dBov. Speech has 15 to 40.
const FLOOR: u8 = 60;

/// What counts as speech: −48 dBov.
const SPEECH: f32 = 20.0;

/// Time constants of the smoothing. Volumes rise within a syllable and outlast the pauses between
/// words.
const ATTACK: Duration = Duration::from_millis(80);
const RELEASE: Duration = Duration::from_millis(400);

/// How long a level stands for without a new one. Opus sends one packet in 400 ms of silence.
const HOLD: Duration = Duration::from_millis(250);
