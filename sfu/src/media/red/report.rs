//! Sender reports of redundant sound.

/// Rights the RTP times of one stream's sender reports.
///
/// A report tells which RTP time belongs to the instant of its sending (RFC 3550 §6.4.1). libwebrtc
/// counts it from its newest packet, in whole milliseconds, with the clock of that packet's payload
/// type, and has noted none for redundant sound: it takes 8 kHz there. Chromium's reports are so
/// some 30 ms behind, by another measure each time, and sound is late by as much.
///
/// Such a time is a multiple of 8 ticks from any packet of the stream; a right one of 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports(Clock);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// So many reports fitted both clocks; from some on it is taken for the right one.
    Untold(u8),
    Wrong,
    /// It does not count in milliseconds at all.
    Right,
}

impl Default for Reports {
    fn default() -> Self {
        Self(Clock::Untold(0))
    }
}

impl Reports {
    /// The RTP time that the report means, which says `told` and came after the packet of `newest`;
    /// `None` if that cannot be known.
    pub fn right(&mut self, told: u32, newest: u32) -> Option<u32> {
        let since = told.wrapping_sub(newest) as i32;
        self.0 = match (self.0, since.rem_euclid(TICKS)) {
            (Clock::Right, _) => Clock::Right,
            // Or a wrong one whose packet was lost: a later report tells.
            (Clock::Untold(_), 0) if since >= PACKET => Clock::Untold(ENOUGH),
            (Clock::Untold(before), 0) => Clock::Untold(before.saturating_add(1).min(ENOUGH)),
            (Clock::Wrong, 0) => Clock::Wrong,
            (_, rest) if rest % WRONG_TICKS == 0 => Clock::Wrong,
            _ => Clock::Right,
        };
        if matches!(self.0, Clock::Right | Clock::Untold(ENOUGH)) {
            return Some(told);
        }
        // More, or less than nothing: the packet that it was counted from is another one.
        let is_of_newest = (0..=MAX_AGE_MS * WRONG_TICKS).contains(&since);
        is_of_newest.then(|| newest.wrapping_add((since / WRONG_TICKS * TICKS) as u32))
    }
}

/// A millisecond of Opus (RFC 7587 §4.1), and what libwebrtc takes for one.
const TICKS: i32 = 48;
const WRONG_TICKS: i32 = 8;

/// A packet of 20 ms. A report with the right clock is usually further from the newest one, which
/// was captured for as long before it was sent.
const PACKET: i32 = 20 * TICKS;

/// What has been captured for longer has been followed by another packet.
const MAX_AGE_MS: i32 = 80;

/// A time of the wrong clock is one of the right clock by chance once in six: as many in a row are
/// right.
const ENOUGH: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: u32 = u32::MAX - 100;

    /// What a report says that is sent so many milliseconds after the newest packet's capture.
    fn after(ms: u32, ticks: i32) -> u32 {
        NEWEST.wrapping_add(ms * ticks as u32)
    }

    #[test]
    fn times_of_the_wrong_clock_are_righted_from_the_first_one() {
        let mut reports = Reports::default();
        for ms in [38, 28, 36, 35, 30, 34, 24, 24, 24, 24, 0] {
            let told = after(ms, WRONG_TICKS);
            assert_eq!(reports.right(told, NEWEST), Some(after(ms, TICKS)), "{ms}");
        }
        // It may be told by chance only with the second one.
        let mut reports = Reports::default();
        for ms in [36, 30, 37] {
            let told = after(ms, WRONG_TICKS);
            assert_eq!(reports.right(told, NEWEST), Some(after(ms, TICKS)), "{ms}");
        }
    }

    #[test]
    fn right_times_stay_as_they_are() {
        let mut reports = Reports::default();
        for ms in [38, 28, 36, 6, 18, 500] {
            let told = after(ms, TICKS);
            assert_eq!(reports.right(told, NEWEST), Some(told), "{ms}");
        }
        // Those of a sender that counts from its sending, once it is told.
        let mut reports = Reports::default();
        for (index, ms) in [0, 12, 7, 19, 3].into_iter().enumerate() {
            let told = after(ms, TICKS);
            let righted = reports.right(told, NEWEST);
            assert_eq!(righted == Some(told), ms == 0 || index >= 3, "{ms}");
        }
        // Those of a sender that does not count in milliseconds.
        let mut reports = Reports::default();
        for told in [1_001, 16, 33].map(|ticks| NEWEST.wrapping_add(ticks)) {
            assert_eq!(reports.right(told, NEWEST), Some(told));
        }
    }

    #[test]
    fn a_report_whose_packet_has_not_come_is_not_taken() {
        let mut reports = Reports::default();
        let lost = after(35, WRONG_TICKS).wrapping_add(PACKET as u32);
        assert_eq!(reports.right(lost, NEWEST), None);
        let overtaken = after(35, WRONG_TICKS).wrapping_sub(PACKET as u32);
        assert_eq!(reports.right(overtaken, NEWEST), None);
        let told = after(35, WRONG_TICKS);
        assert_eq!(reports.right(told, NEWEST), Some(after(35, TICKS)));
    }

    #[test]
    fn a_first_report_that_looks_right_by_chance_does_not_settle_it() {
        let mut reports = Reports::default();
        let lost = after(36, WRONG_TICKS).wrapping_add(PACKET as u32);
        assert_eq!(reports.right(lost, NEWEST), Some(lost));
        let told = after(35, WRONG_TICKS);
        assert_eq!(reports.right(told, NEWEST), Some(after(35, TICKS)));
    }
}
