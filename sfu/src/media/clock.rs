//! From a publisher's clock to the server's.

use std::time::{Duration, Instant, SystemTime};

use super::packet::clock_rate;
use packager::rtp::MediaKind;

/// Maps RTP timestamps of one publisher to instants of capture.
///
/// Both tracks of a publisher share its NTP clock, so one offset serves both and the subscribers'
/// sender reports keep audio and video in step although key frames arrive late and audio does not.
#[derive(Debug, Default)]
pub(crate) struct CaptureClock {
    /// A sender's NTP time and the earliest arrival on the server's clock that matches it.
    anchor: Option<(SystemTime, Instant)>,
}

/// The newest sender report of one RTP stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) ntp: SystemTime,
    pub(crate) rtp_time: u32,
}

impl CaptureClock {
    /// Takes a new report that arrived at `now`. The fastest report of all sets the offset.
    pub(crate) fn handle_report(&mut self, report: Report, now: Instant) {
        let Some((ntp, at)) = self.anchor else {
            self.anchor = Some((report.ntp, now));
            return;
        };
        let expected = shift(at, signed_since(report.ntp, ntp));
        match expected {
            // This one travelled faster than the anchor did.
            Some(expected) if now <= expected => self.anchor = Some((report.ntp, now)),
            // Let a slow drift or a path that became longer through, and survive a jump.
            Some(expected) if now - expected > RESET => self.anchor = Some((report.ntp, now)),
            Some(expected) => {
                let late = (now - expected) / DRIFT_DIVISOR;
                self.anchor = Some((report.ntp, expected + late));
            }
            None => self.anchor = Some((report.ntp, now)),
        }
    }

    /// When the media with `rtp_time` was captured; `received` as long as that is not known.
    pub(crate) fn captured(
        &self,
        kind: MediaKind,
        report: Option<Report>,
        rtp_time: u32,
        received: Instant,
    ) -> Instant {
        let (Some((ntp, at)), Some(report)) = (self.anchor, report) else {
            return received;
        };
        let ticks = i64::from(rtp_time.wrapping_sub(report.rtp_time) as i32);
        let micros = ticks * 1_000_000 / i64::from(clock_rate(kind));
        let since_report = Signed(micros);
        let since_anchor = signed_since(report.ntp, ntp).plus(since_report);
        match shift(at, since_anchor) {
            // str0m wants the past; and more than some seconds of delay is a lying report.
            Some(at) if at <= received && received - at < RESET => at,
            _ => received,
        }
    }
}

/// The 32.32 fixed point NTP timestamp of a wall-clock time (RFC 3550 §4).
pub(crate) fn to_ntp(time: SystemTime) -> u64 {
    // Seconds from 1900 to 1970.
    const UNIX_EPOCH_NTP: u64 = 2_208_988_800;
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(UNIX_EPOCH_NTP) & 0xffff_ffff;
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (seconds << 32) | fraction
}

/// Microseconds, signed.
#[derive(Clone, Copy)]
struct Signed(i64);

impl Signed {
    fn plus(self, other: Signed) -> Signed {
        Signed(self.0.saturating_add(other.0))
    }
}

fn signed_since(a: SystemTime, b: SystemTime) -> Signed {
    let micros = |d: Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX / 4);
    match a.duration_since(b) {
        Ok(d) => Signed(micros(d)),
        Err(e) => Signed(-micros(e.duration())),
    }
}

fn shift(at: Instant, by: Signed) -> Option<Instant> {
    let distance = Duration::from_micros(by.0.unsigned_abs());
    if by.0 < 0 {
        at.checked_sub(distance)
    } else {
        at.checked_add(distance)
    }
}

/// A report that is later than this is another clock, not another path.
const RESET: Duration = Duration::from_secs(3);

/// A 64th of the lateness of each report is believed: at one report a second that follows a drift
/// of some hundred parts per million and hardly a queue.
const DRIFT_DIVISOR: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tracks_get_the_same_offset() {
        let start = Instant::now() + Duration::from_secs(1_000);
        let ntp = SystemTime::UNIX_EPOCH + Duration::from_secs(50);
        let mut clock = CaptureClock::default();
        let audio = Report {
            ntp,
            rtp_time: 48_000,
        };
        let video = Report {
            ntp: ntp + Duration::from_millis(500),
            rtp_time: 9_000,
        };
        clock.handle_report(audio, start);
        // The video report is 40 ms late; the offset hardly moves.
        clock.handle_report(video, start + Duration::from_millis(540));
        let a = clock.captured(
            MediaKind::Audio,
            Some(audio),
            48_000 + 48_000,
            start + Duration::from_millis(1_010),
        );
        let v = clock.captured(
            MediaKind::Video,
            Some(video),
            9_000 + 45_000,
            start + Duration::from_millis(1_080),
        );
        let apart = if a > v { a - v } else { v - a };
        assert!(apart <= Duration::from_millis(1), "{apart:?}");
    }

    #[test]
    fn unknown_clock_means_the_time_of_arrival() {
        let now = Instant::now();
        let clock = CaptureClock::default();
        assert_eq!(clock.captured(MediaKind::Video, None, 7, now), now);
    }

    #[test]
    fn capture_is_never_in_the_future() {
        let now = Instant::now() + Duration::from_secs(10);
        let mut clock = CaptureClock::default();
        let report = Report {
            ntp: SystemTime::UNIX_EPOCH,
            rtp_time: 0,
        };
        clock.handle_report(report, now);
        assert_eq!(
            clock.captured(MediaKind::Video, Some(report), 90_000, now),
            now
        );
    }
}
