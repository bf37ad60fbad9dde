//! RTP times of a layer on the clock of the large picture's.
//!
//! Each layer counts from a number of its own (RFC 3550 section 5.1). Sender reports say how far
//! two of them are apart, to about a millisecond; and pictures of one capture, which both have, say
//! it exactly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use packager::picture::Picture;
use packager::rtp::SenderReport;

/// Ticks a second of RTP times of video (RFC 3551 section 5).
const HZ: i64 = 90_000;

/// Two pictures nearer than this are of one capture: half of the distance at 100 a second.
const SAME: i32 = 5 * HZ as i32 / 1_000;

/// Reports that differ less from what is known say nothing new.
const NOISE: i32 = SAME;

/// How long the first sender reports are waited for before arrival has to do, which is as long as
/// the timeline does.
const REPORT_WAIT: Duration = Duration::from_millis(500);

/// Pictures of the large one that are remembered: more than a second of them.
const REMEMBERED: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LayerClock {
    /// It is the large picture itself.
    is_large: bool,
    large: Seen,
    own: Seen,
    /// Times of the newest pictures of the large one.
    pictures: VecDeque<u32>,
    /// large = own + shift
    shift: Option<u32>,
    is_reported: bool,
    /// When arrival has to do.
    wait_until: Option<Instant>,
}

/// What came of one of the two.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    report: Option<SenderReport>,
    newest: Option<(u32, Instant)>,
}

impl LayerClock {
    /// The clock of what is made of this picture of the publisher.
    pub(super) fn of(source: Option<Picture>) -> Self {
        Self {
            is_large: source == Some(Picture::Large),
            ..Self::default()
        }
    }

    /// One of the two goes on from another source: what is known holds until its report comes.
    pub(super) fn restart(&mut self) {
        (self.large.report, self.own.report) = (None, None);
        self.pictures.clear();
        self.is_reported = false;
    }

    pub(super) fn note_large(&mut self, time: u32, received: Instant) {
        self.large.newest = Some((time, received));
        if self.pictures.back() != Some(&time) {
            self.pictures.push_back(time);
            if self.pictures.len() > REMEMBERED {
                self.pictures.pop_front();
            }
        }
    }

    pub(super) fn note_own(&mut self, time: u32, received: Instant) {
        self.own.newest = Some((time, received));
        if self.shift.is_none() && !self.is_large {
            self.wait_until.get_or_insert(received + REPORT_WAIT);
        }
        self.settle_by_arrival(received);
    }

    pub(super) fn handle_large_report(&mut self, report: &SenderReport) {
        self.large.report = Some(*report);
        self.settle_by_reports();
    }

    pub(super) fn handle_own_report(&mut self, report: &SenderReport) {
        self.own.report = Some(*report);
        self.settle_by_reports();
    }

    /// The time on the large picture's clock, once that is known.
    pub(super) fn place(&mut self, time: u32) -> Option<u32> {
        if self.is_large {
            return Some(time);
        }
        let shift = self.shift?;
        let placed = time.wrapping_add(shift);
        if self.is_reported
            && let Some(off) = self.off_by(placed)
        {
            self.shift = Some(shift.wrapping_add_signed(off));
            return Some(placed.wrapping_add_signed(off));
        }
        Some(placed)
    }

    /// How far it is to the large picture of the same capture, if that has come.
    fn off_by(&self, placed: u32) -> Option<i32> {
        let off = |time: &u32| time.wrapping_sub(placed) as i32;
        let nearest = self.pictures.iter().map(off).min_by_key(|off| off.abs())?;
        (nearest.abs() < SAME).then_some(nearest)
    }

    fn settle_by_reports(&mut self) {
        let (Some(large), Some(own)) = (self.large.report, self.own.report) else {
            return;
        };
        let later = i128::from(own.ntp) - i128::from(large.ntp);
        let later = (later * i128::from(HZ) + (1 << 31)) >> 32;
        let shift = large
            .rtp_time
            .wrapping_add(later as u32)
            .wrapping_sub(own.rtp_time);
        let is_known = self
            .shift
            .is_some_and(|known| (shift.wrapping_sub(known) as i32).abs() <= NOISE);
        if !(is_known && self.is_reported) {
            self.shift = Some(shift);
        }
        self.is_reported = true;
        self.wait_until = None;
    }

    fn settle_by_arrival(&mut self, now: Instant) {
        if self.shift.is_some() || self.wait_until.is_none_or(|until| now < until) {
            return;
        }
        let (Some(large), Some(own)) = (self.large.newest, self.own.newest) else {
            return;
        };
        let later = |a: Instant, b: Instant| {
            let micros = i64::try_from(a.saturating_duration_since(b).as_micros());
            micros.unwrap_or(0) * HZ / 1_000_000
        };
        let later = later(own.1, large.1) - later(large.1, own.1);
        self.shift = Some(large.0.wrapping_add(later as u32).wrapping_sub(own.0));
        self.wait_until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ms: u64, rtp_time: u32, received: Instant) -> SenderReport {
        SenderReport {
            ntp: (4_000_000_000 << 32) + (ms << 32) / 1_000,
            rtp_time,
            received,
        }
    }

    /// Where the layer's times start.
    const OWN: u32 = u32::MAX - 20_000;

    fn clock() -> LayerClock {
        LayerClock::of(Some(Picture::Small))
    }

    #[test]
    fn reports_of_both_put_it_there_and_a_picture_of_one_capture_exactly() {
        let now = Instant::now();
        let mut clock = clock();
        clock.note_large(1_000, now);
        clock.note_own(OWN, now);
        assert_eq!(clock.place(OWN), None);
        // The reports are 40 ms apart, and a millisecond off.
        clock.handle_large_report(&report(0, 1_000, now));
        clock.handle_own_report(&report(40, OWN + 3_600 + 90, now));
        assert_eq!(clock.place(OWN + 9_000), Some(10_000 - 90));
        clock.note_large(10_000, now);
        assert_eq!(clock.place(OWN + 9_000), Some(10_000));
        assert_eq!(clock.place(OWN + 12_000), Some(13_000));
        // Another report with another millisecond changes nothing.
        clock.handle_own_report(&report(140, OWN + 12_600 - 90, now));
        assert_eq!(clock.place(OWN + 15_000), Some(16_000));
    }

    #[test]
    fn without_reports_arrival_does_after_a_while() {
        let now = Instant::now();
        let mut clock = clock();
        clock.note_large(90_000, now);
        clock.note_own(7, now + Duration::from_millis(20));
        assert_eq!(clock.place(7), None);
        clock.note_large(90_000 + 45_000, now + Duration::from_millis(500));
        clock.note_own(45_007, now + Duration::from_millis(520));
        assert_eq!(clock.place(7), Some(90_000 + 1_800));
        // A report that comes yet knows better.
        clock.handle_large_report(&report(0, 90_000, now));
        clock.handle_own_report(&report(0, 7, now));
        assert_eq!(clock.place(7), Some(90_000));
    }

    #[test]
    fn another_source_keeps_its_place_until_its_report_comes() {
        let now = Instant::now();
        let mut clock = clock();
        clock.handle_large_report(&report(0, 90_000, now));
        clock.handle_own_report(&report(0, 0, now));
        clock.restart();
        assert_eq!(clock.place(0), Some(90_000));
        clock.handle_own_report(&report(1_000, 90_000, now));
        assert_eq!(clock.place(0), Some(90_000));
        clock.handle_large_report(&report(1_000, 188_100, now));
        assert_eq!(clock.place(90_000), Some(188_100));
    }

    #[test]
    fn the_large_picture_is_on_its_own_clock() {
        assert_eq!(LayerClock::of(Some(Picture::Large)).place(5), Some(5));
    }

    #[test]
    fn pictures_remembered_are_bounded() {
        let mut clock = clock();
        for time in 0..1_000 {
            clock.note_large(time * 3_000, Instant::now());
        }
        assert_eq!(clock.pictures.len(), REMEMBERED);
    }
}
