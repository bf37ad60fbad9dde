//! What a variant takes, measured (RFC 8216bis section 4.4.6.2).

use std::time::Duration;

use packager::hls::{InitSection, Rates, Segment};

/// What a Multivariant Playlist says of a variant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Summary {
    pub(crate) rates: Rates,
    pub(crate) codecs: String,
    pub(crate) resolution: Option<(u16, u16)>,
    pub(crate) frame_rate: Option<f64>,
}

/// The segments of one initialization section.
#[derive(Debug, Default)]
pub(super) struct Meter {
    peak_bps: f64,
    bits: f64,
    time: Duration,
    /// Pictures a second, the most of any segment.
    frame_rate: f64,
}

impl Meter {
    pub(super) fn handle(&mut self, segment: &Segment) {
        let bits = segment.data.len() as f64 * 8.0;
        let seconds = segment.duration.max(SHORTEST).as_secs_f64();
        self.peak_bps = self.peak_bps.max(bits / seconds);
        self.frame_rate = self.frame_rate.max(f64::from(segment.pictures) / seconds);
        self.bits += bits;
        self.time += segment.duration;
    }

    /// What was measured, if anything was. Encoders begin with few bits, and players read the list
    /// once: until enough was measured, a picture counts for what one of its size usually takes.
    pub(super) fn summary(&self, init: &InitSection) -> Option<Summary> {
        if self.time.is_zero() {
            return None;
        }
        let pixels = init
            .size
            .map_or(0.0, |(width, height)| f64::from(width) * f64::from(height));
        let usual = match self.time < SETTLED {
            true => pixels * self.frame_rate * USUAL_BITS_A_PIXEL,
            false => 0.0,
        };
        let average = self.bits / self.time.max(SHORTEST).as_secs_f64();
        Some(Summary {
            rates: Rates {
                peak_bps: self.peak_bps.max(usual).ceil() as u64,
                average_bps: average.max(usual).ceil() as u64,
            },
            codecs: init.codecs.clone(),
            resolution: init.size,
            frame_rate: init.size.map(|_| self.frame_rate),
        })
    }
}

/// A segment counts for this long at least.
const SHORTEST: Duration = Duration::from_millis(100);

/// Encoders for live pictures have found their rate after this time.
const SETTLED: Duration = Duration::from_secs(30);

/// 1.7 Mbit/s for 720 lines at 30 pictures a second.
const USUAL_BITS_A_PIXEL: f64 = 1.0 / 16.0;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use packager::time::MediaTime;

    use super::*;

    fn segment(bytes: usize, seconds: u64, pictures: u32) -> Segment {
        Segment {
            init: 0,
            data: Bytes::from(vec![0; bytes]),
            start: MediaTime::ZERO,
            duration: Duration::from_secs(seconds),
            lasts: Duration::from_secs(seconds),
            is_independent: true,
            pictures,
            discontinuity: false,
        }
    }

    fn init(size: Option<(u16, u16)>) -> InitSection {
        InitSection {
            version: 0,
            data: Bytes::new(),
            codecs: "c".to_owned(),
            video: None,
            audio: None,
            size,
        }
    }

    #[test]
    fn a_picture_takes_what_is_usual_until_enough_was_measured() {
        let mut meter = Meter::default();
        let init = init(Some((1_280, 720)));
        assert_eq!(meter.summary(&init), None);
        meter.handle(&segment(100_000, 2, 60));
        let early = meter.summary(&init).expect("a segment");
        assert_eq!(early.rates.peak_bps, 1_728_000);
        assert_eq!(early.rates.average_bps, 1_728_000);
        for _ in 0..14 {
            meter.handle(&segment(200_000, 2, 58));
        }
        let later = meter.summary(&init).expect("segments");
        assert_eq!(later.rates.peak_bps, 800_000);
        assert_eq!(later.rates.average_bps, 773_334);
        assert_eq!(later.frame_rate, Some(30.0));
    }

    #[test]
    fn sound_is_measured_from_the_first_segment_on() {
        let mut meter = Meter::default();
        meter.handle(&segment(32_000, 2, 0));
        let sound = meter.summary(&init(None)).expect("a segment");
        assert_eq!((sound.rates.peak_bps, sound.frame_rate), (128_000, None));
    }
}
