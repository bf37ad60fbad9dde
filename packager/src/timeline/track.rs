//! One track's RTP clock: unwrapping, arrival filter, sender reports.

use super::comeback::Misfit;
use crate::rtp::{MediaKind, SenderReport};
use crate::time::MediaTime;

/// The state of one track. All values are in media ticks: `local` is the RTP
/// clock unwrapped, `arrival` the receiver's clock, `media` the timeline.
#[derive(Debug)]
pub(super) struct Track {
    ticks_per_rtp: i64,
    /// The newest RTP timestamp, raw and unwrapped.
    newest: Option<(u32, i64)>,
    /// media = local + offset, once the track has its place.
    pub(super) offset: Option<i64>,
    pub(super) delay: MinFilter,
    pub(super) first_arrival: Option<i64>,
    /// Of the newest packet: its arrival, and what it was delayed by.
    pub(super) last_arrival: Option<i64>,
    last_delay: Option<i64>,
    /// The track is back from a silence, and its clock does not seem to fit.
    pub(super) misfit: Option<Misfit>,
    /// The latest media time handed out, and what none may go below.
    pub(super) latest: Option<i64>,
    /// The latest local time that was asked for.
    pub(super) asked: Option<i64>,
    pub(super) floor: i64,
    /// All tracks were silent, and this one has not come back yet.
    pub(super) is_resuming: bool,
    /// Sender's wall clock - local, by the newest sender report.
    pub(super) sender: Option<i64>,
    /// A report that came before the first packet.
    early_report: Option<SenderReport>,
    /// Local time of the newest packet when the slew last moved.
    pub(super) slewed_at: i64,
    /// Since when packets come late beyond any jitter.
    pub(super) late_since: Option<i64>,
}

impl Track {
    pub(super) fn new(kind: MediaKind) -> Self {
        let hz = match kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        };
        Track {
            ticks_per_rtp: (MediaTime::HZ / hz) as i64,
            newest: None,
            offset: None,
            delay: MinFilter::default(),
            first_arrival: None,
            last_arrival: None,
            last_delay: None,
            misfit: None,
            latest: None,
            asked: None,
            floor: 0,
            is_resuming: false,
            sender: None,
            early_report: None,
            slewed_at: 0,
            late_since: None,
        }
    }

    /// The unwrapped time of `rtp_time`: the one nearest to the newest.
    pub(super) fn local(&self, rtp_time: u32) -> Option<i64> {
        let (raw, local) = self.newest?;
        let steps = i64::from(rtp_time.wrapping_sub(raw) as i32);
        Some(local.saturating_add(steps * self.ticks_per_rtp))
    }

    /// Notes the packet time `rtp_time` and unwraps it. The first is at zero.
    pub(super) fn advance(&mut self, rtp_time: u32) -> i64 {
        let Some(local) = self.local(rtp_time) else {
            self.newest = Some((rtp_time, 0));
            if let Some(report) = self.early_report.take() {
                self.handle_report(&report);
            }
            return 0;
        };
        if self.newest.is_some_and(|(_, newest)| local > newest) {
            self.newest = Some((rtp_time, local));
        }
        local
    }

    /// Notes that a packet of the time `local` came at `arrival`.
    pub(super) fn arrived(&mut self, local: i64, arrival: i64) {
        self.delay.handle(arrival - local, arrival);
        self.last_arrival = self.last_arrival.max(Some(arrival));
        self.last_delay = Some(arrival - local);
    }

    /// Since when nothing has come by `arrival`.
    pub(super) fn silence(&self, arrival: i64) -> i64 {
        self.last_arrival.map_or(0, |last| arrival - last)
    }

    /// Packets come, and hardly later than they can.
    pub(super) fn is_punctual(&self, arrival: i64) -> bool {
        let late = self.last_delay.zip(self.delay.least());
        self.silence(arrival) < RECENT && late.is_some_and(|(last, least)| last - least < RECENT)
    }

    /// The media time that a packet with the least delay would have that came at zero.
    pub(super) fn arrival_offset(&self) -> Option<i64> {
        Some(self.offset? - self.delay.least()?)
    }

    /// Makes `local` the unwrapped time of `rtp_time` from here on.
    pub(super) fn relabel(&mut self, rtp_time: u32, local: i64) {
        self.newest = Some((rtp_time, local));
        self.slewed_at = local;
        self.late_since = None;
        self.misfit = None;
        self.asked = None;
        self.hold_floor();
    }

    /// Lets nothing come out before what has come out already.
    pub(super) fn hold_floor(&mut self) {
        self.floor = self.floor.max(self.latest.unwrap_or(self.floor));
    }

    /// The media time of the newest packet or of the latest frame handed out.
    pub(super) fn horizon(&self) -> Option<i64> {
        let newest = Some(self.newest_local()?.saturating_add(self.offset?));
        newest.max(self.latest)
    }

    /// The newest unwrapped time.
    pub(super) fn newest_local(&self) -> Option<i64> {
        self.newest.map(|(_, local)| local)
    }

    /// Takes the pair of clocks of a sender report in. Refuses one whose RTP
    /// timestamp is far from the packets'.
    pub(super) fn handle_report(&mut self, report: &SenderReport) -> bool {
        let (Some(local), Some(newest)) = (self.local(report.rtp_time), self.newest_local()) else {
            self.early_report = Some(*report);
            return true;
        };
        if (local - newest).abs() > MAX_REPORT_DISTANCE {
            return false;
        }
        let ntp = (u128::from(report.ntp) * u128::from(MediaTime::HZ)) >> 32;
        self.sender = Some(ntp as i64 - local);
        true
    }
}

/// A tenth of a second: more than jitter mostly is.
const RECENT: i64 = MediaTime::HZ as i64 / 10;

/// Further than this from the newest packet, a report's RTP timestamp is of
/// another clock: senders extrapolate to the time of sending, and report every
/// 5 s at least.
const MAX_REPORT_DISTANCE: i64 = 10 * MediaTime::HZ as i64;

/// The least of what was seen in the last one to two windows: of `arrival -
/// local` that is the packet that was delayed least. Forgetting follows the
/// drift between the two clocks.
#[derive(Debug, Default)]
pub(super) struct MinFilter {
    window_start: i64,
    first: Option<i64>,
    current: Option<i64>,
    previous: Option<i64>,
}

impl MinFilter {
    pub(super) fn handle(&mut self, value: i64, now: i64) {
        if now - self.window_start >= WINDOW {
            self.window_start = now;
            self.previous = self.current.take();
        }
        self.first.get_or_insert(value);
        self.current = Some(self.current.map_or(value, |current| current.min(value)));
    }

    pub(super) fn least(&self) -> Option<i64> {
        match (self.current, self.previous) {
            (Some(current), Some(previous)) => Some(current.min(previous)),
            (current, previous) => current.or(previous),
        }
    }

    /// True if a second of packets is in it.
    pub(super) fn is_settled(&self, now: i64) -> bool {
        self.previous.is_some() || now - self.window_start >= MediaTime::HZ as i64
    }

    /// What was the least before the last few seconds, which a sender that
    /// runs ahead cannot have moved.
    pub(super) fn settled(&self) -> Option<i64> {
        self.previous.or(self.first)
    }

    pub(super) fn restart(&mut self, value: i64, now: i64) {
        *self = MinFilter {
            window_start: now,
            first: Some(value),
            current: Some(value),
            previous: None,
        };
    }
}

/// 5 s hold a hundred packets of the slowest video; 100 ppm of drift in it
/// are half a millisecond.
const WINDOW: i64 = 5 * MediaTime::HZ as i64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn local_time_goes_on_over_the_wrap_and_back_for_a_late_packet() {
        let mut track = Track::new(MediaKind::Video);
        assert_eq!(track.advance(u32::MAX - 2_999), 0);
        assert_eq!(track.advance(0), 3_000 * 8);
        assert_eq!(track.advance(u32::MAX - 1_499), 1_500 * 8);
        assert_eq!(track.advance(3_000), 6_000 * 8);
    }

    #[test]
    fn the_filter_forgets_after_two_windows() {
        let mut filter = MinFilter::default();
        filter.handle(5, 0);
        filter.handle(9, WINDOW);
        assert_eq!(filter.least(), Some(5));
        filter.handle(8, 2 * WINDOW);
        assert_eq!(filter.least(), Some(8));
    }

    #[test]
    fn a_report_of_another_clock_is_refused() {
        let received = Instant::now();
        let mut track = Track::new(MediaKind::Audio);
        assert_eq!(track.advance(1_000), 0);
        let mut report = SenderReport {
            ntp: 7 << 32,
            rtp_time: 1_000,
            received,
        };
        assert!(track.handle_report(&report));
        assert_eq!(track.sender, Some(7 * 720_000));
        report.rtp_time = 1_000 + 48_000 * 11;
        assert!(!track.handle_report(&report));
        assert_eq!(track.sender, Some(7 * 720_000));
    }
}
