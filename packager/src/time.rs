//! Media time: the one clock of a broadcast.

use std::fmt;
use std::time::Duration;

/// A point on a broadcast's timeline, in ticks of 1/720 000 s since its start.
///
/// 720 000 is the least common multiple of the 90 kHz video and 48 kHz audio
/// RTP clocks, so neither conversion loses anything. 64 bits of it last for
/// 800,000 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(pub u64);

impl MediaTime {
    /// Ticks in a second.
    pub const HZ: u64 = 720_000;
    /// The start of the broadcast.
    pub const ZERO: MediaTime = MediaTime(0);
    /// The last point that can be written.
    pub const MAX: MediaTime = MediaTime(u64::MAX);

    /// The point `ticks` ticks of 1/[`HZ`](Self::HZ) s after the start.
    pub const fn from_ticks(ticks: u64) -> Self {
        MediaTime(ticks)
    }

    /// Ticks of 1/[`HZ`](Self::HZ) s since the start.
    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// The point `millis` milliseconds after the start, saturating.
    pub const fn from_millis(millis: u64) -> Self {
        MediaTime(millis.saturating_mul(Self::HZ / 1_000))
    }

    /// Whole milliseconds since the start, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / (Self::HZ / 1_000)
    }

    /// The point `ticks` ticks of a clock of `hz` after the start, rounded
    /// down, saturating. A clock of 0 Hz never leaves the start.
    pub const fn from_hz(ticks: u64, hz: u32) -> Self {
        MediaTime(rescale(ticks, Self::HZ, hz as u64))
    }

    /// Ticks of a clock of `hz` since the start, rounded down, saturating.
    pub const fn as_hz(self, hz: u32) -> u64 {
        rescale(self.0, hz as u64, Self::HZ)
    }

    /// The point `duration` after the start, rounded down, saturating.
    pub fn from_duration(duration: Duration) -> Self {
        let ticks = duration.as_nanos().saturating_mul(u128::from(Self::HZ)) / 1_000_000_000;
        MediaTime(u64::try_from(ticks).unwrap_or(u64::MAX))
    }

    /// Time since the start, rounded down to a nanosecond.
    pub fn as_duration(self) -> Duration {
        let seconds = self.0 / Self::HZ;
        let nanos = (self.0 % Self::HZ) * 1_000_000_000 / Self::HZ;
        Duration::new(seconds, nanos as u32)
    }

    /// `self + duration`, or `None` beyond [`MAX`](Self::MAX).
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0
            .checked_add(Self::from_duration(duration).0)
            .map(MediaTime)
    }

    /// `self + duration`, or [`MAX`](Self::MAX).
    pub fn saturating_add(self, duration: Duration) -> Self {
        MediaTime(self.0.saturating_add(Self::from_duration(duration).0))
    }

    /// `self - duration`, or [`ZERO`](Self::ZERO).
    pub fn saturating_sub(self, duration: Duration) -> Self {
        MediaTime(self.0.saturating_sub(Self::from_duration(duration).0))
    }

    /// The time from `earlier` to `self`, or zero when `earlier` is later.
    pub fn since(self, earlier: MediaTime) -> Duration {
        MediaTime(self.0.saturating_sub(earlier.0)).as_duration()
    }

    /// Signed ticks from `earlier` to `self`, saturating.
    pub fn ticks_since(self, earlier: MediaTime) -> i64 {
        let difference = i128::from(self.0) - i128::from(earlier.0);
        difference.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }
}

impl From<Duration> for MediaTime {
    fn from(duration: Duration) -> Self {
        MediaTime::from_duration(duration)
    }
}

impl From<MediaTime> for Duration {
    fn from(time: MediaTime) -> Self {
        time.as_duration()
    }
}

impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis();
        write!(f, "{}.{:03}s", millis / 1_000, millis % 1_000)
    }
}

/// `value * mul / div` without overflow on the way; 0 when `div` is 0.
const fn rescale(value: u64, mul: u64, div: u64) -> u64 {
    if div == 0 {
        return 0;
    }
    let scaled = value as u128 * mul as u128 / div as u128;
    if scaled > u64::MAX as u128 {
        u64::MAX
    } else {
        scaled as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_rtp_clocks_divide_the_tick() {
        assert_eq!(MediaTime::from_hz(1, 90_000), MediaTime(8));
        assert_eq!(MediaTime::from_hz(1, 48_000), MediaTime(15));
        assert_eq!(MediaTime::from_hz(3_000, 90_000).as_millis(), 33);
        assert_eq!(MediaTime::from_hz(1_024, 48_000).as_hz(48_000), 1_024);
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(MediaTime::from_millis(u64::MAX), MediaTime::MAX);
        assert_eq!(MediaTime::from_hz(5, 0), MediaTime::ZERO);
        assert_eq!(MediaTime::MAX.as_hz(u32::MAX), u64::MAX);
        assert_eq!(MediaTime::from_duration(Duration::MAX), MediaTime::MAX);
        assert_eq!(MediaTime::MAX.checked_add(Duration::from_millis(1)), None);
        assert_eq!(
            MediaTime::ZERO.saturating_sub(Duration::from_secs(1)),
            MediaTime::ZERO
        );
        assert_eq!(MediaTime::ZERO.ticks_since(MediaTime::MAX), i64::MIN);
    }

    #[test]
    fn display_shows_seconds() {
        assert_eq!(MediaTime::from_millis(61_007).to_string(), "61.007s");
    }

    proptest! {
        #[test]
        fn rtp_ticks_come_back_exactly(ticks in 0..u64::MAX / 720_000) {
            for hz in [48_000, 90_000] {
                prop_assert_eq!(MediaTime::from_hz(ticks, hz).as_hz(hz), ticks);
            }
        }

        #[test]
        fn a_duration_comes_back_within_a_tick(ticks in any::<u64>()) {
            let back = MediaTime::from_duration(MediaTime(ticks).as_duration());
            prop_assert!(ticks - back.0 <= 1);
        }
    }
}
