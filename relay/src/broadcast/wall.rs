//! Media time to wall clock, for `EXT-X-PROGRAM-DATE-TIME`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use packager::time::MediaTime;

/// Most that the mapping moves with one segment: the jitter of arrivals must not show, a
/// sender's clock that is wrong by 100 ppm (0.2 ms in a segment) must be followed.
const STEP: Duration = Duration::from_millis(5);

/// A difference that is no drift: the mapping starts over.
const JUMP: Duration = Duration::from_secs(1);

/// A new connection brings up to some seconds that are over, in one go: so many segments of it begin
/// with what seems to be late and is not.
const CATCHING_UP: u8 = 3;

/// What is so much later was never old: it is of another time.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The wall clock of media time zero, less than every arrival allows. Broadcasts of one media time may
/// have it in common: players that change between them go by what their playlists say.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommonClock(Arc<Mutex<Option<SystemTime>>>);

impl CommonClock {
    fn origin(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the wall clock of media time zero, by the frames that arrived with the least delay.
#[derive(Debug)]
pub(super) struct WallClock {
    anchor: (Instant, SystemTime),
    origin: CommonClock,
    /// It is known, whoever found it.
    has_origin: bool,
    /// The earliest origin that a frame since the last segment says.
    earliest: Option<SystemTime>,
    /// Segments that may yet be of what was old when it came, by what others found.
    catching_up: u8,
}

impl WallClock {
    pub(super) fn new(now: Instant, wall: SystemTime) -> Self {
        Self {
            anchor: (now, wall),
            origin: CommonClock::default(),
            has_origin: false,
            earliest: None,
            catching_up: 0,
        }
    }

    /// Goes by what others of the same media time go by, until that goes on differently here.
    pub(super) fn share(&mut self, origin: CommonClock) {
        self.catching_up = match *origin.origin() {
            Some(_) => CATCHING_UP,
            None => 0,
        };
        self.origin = origin;
        self.has_origin = false;
    }

    /// Says what the wall clock shows now.
    pub(super) fn anchor(&mut self, now: Instant, wall: SystemTime) {
        self.anchor = (now, wall);
    }

    /// Media time went on differently from the wall clock: what was known is void.
    pub(super) fn reset(&mut self) {
        self.origin = CommonClock::default();
        self.has_origin = false;
        self.earliest = None;
    }

    /// A frame of media time `time` came in at `received`.
    pub(super) fn note(&mut self, time: MediaTime, received: Instant) {
        let Some(wall) = self.at(received) else {
            return;
        };
        let Some(says) = wall.checked_sub(time.as_duration()) else {
            return;
        };
        if !std::mem::replace(&mut self.has_origin, true) {
            self.origin.origin().get_or_insert(says);
        }
        self.earliest = Some(self.earliest.map_or(says, |earliest| earliest.min(says)));
    }

    /// The wall clock of a segment that starts at `start`.
    pub(super) fn of_segment(&mut self, start: MediaTime) -> SystemTime {
        let mut common = self.origin.origin();
        if let (Some(origin), Some(earliest)) = (*common, self.earliest.take()) {
            let catching_up = std::mem::take(&mut self.catching_up);
            let moved = match earliest.duration_since(origin) {
                Ok(later) if later > JUMP && later <= MAX_AGE && catching_up > 0 => {
                    self.catching_up = catching_up - 1;
                    origin
                }
                Ok(later) if later > JUMP => earliest,
                Ok(later) => origin + later.min(STEP),
                Err(error) if error.duration() > JUMP => earliest,
                Err(error) => origin - error.duration().min(STEP),
            };
            *common = Some(moved);
        }
        drop(common);
        self.of_other(start)
    }

    /// The wall clock of a segment of another variant, which moves nothing.
    pub(super) fn of_other(&mut self, start: MediaTime) -> SystemTime {
        // Without a frame to go by, the segment starts now, and the next ones follow it.
        let now = self.anchor.1;
        let mut common = self.origin.origin();
        let origin =
            *common.get_or_insert_with(|| now.checked_sub(start.as_duration()).unwrap_or(now));
        origin.checked_add(start.as_duration()).unwrap_or(origin)
    }

    fn at(&self, instant: Instant) -> Option<SystemTime> {
        let (now, wall) = self.anchor;
        match instant.checked_duration_since(now) {
            Some(after) => wall.checked_add(after),
            None => wall.checked_sub(now - instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn jitter_hardly_moves_a_segments_date() {
        let (t0, wall0) = (Instant::now(), SystemTime::UNIX_EPOCH + MS * 1_000_000);
        let mut clock = WallClock::new(t0, wall0);
        for frame in 0..600_u64 {
            let media = frame * 33;
            let late = (frame * 7) % 40;
            let received = t0 + MS * (media + late) as u32;
            clock.note(MediaTime::from_millis(media), received);
            if frame % 60 == 59 {
                let date = clock.of_segment(MediaTime::from_millis(media));
                let expected = wall0 + MS * media as u32;
                let off = date
                    .duration_since(expected)
                    .unwrap_or_else(|e| e.duration());
                assert!(off <= STEP, "{off:?} at {media} ms");
            }
        }
    }

    #[test]
    fn what_is_of_one_media_time_has_one_date() {
        let (t0, wall0) = (Instant::now(), SystemTime::UNIX_EPOCH + MS * 1_000_000);
        let common = CommonClock::default();
        // Each begins with what is some time old, as a new connection brings it.
        let clock = |late: u32| {
            let mut clock = WallClock::new(t0, wall0);
            clock.share(common.clone());
            clock.note(MediaTime::from_millis(0), t0 + MS * late);
            clock
        };
        // One that brings more than a jump is would move the dates of the other.
        let (mut first, mut second) = (clock(700), clock(2_900));
        assert_eq!(second.of_segment(MediaTime::ZERO), wall0 + MS * 700);
        for segment in 0..20_u64 {
            let start = MediaTime::from_millis(segment * 2_000);
            let date = first.of_segment(start);
            assert_eq!(second.of_other(start), date);
            let received = t0 + MS * (segment as u32 * 2_000 + 30);
            second.note(start, received);
            let off = second.of_segment(start).duration_since(date);
            let off = off.unwrap_or_else(|earlier| earlier.duration());
            assert!(off <= STEP, "{off:?}");
        }
        // One of another time is dated right from its first segment on.
        let mut third = clock(0);
        third.earliest = None;
        third.note(MediaTime::from_millis(0), t0 + MS * 90_000);
        assert_eq!(third.of_segment(MediaTime::ZERO), wall0 + MS * 90_000);
        let (mut first, mut second) = (clock(0), clock(0));
        // One whose time goes on differently goes by itself.
        second.reset();
        second.note(MediaTime::from_millis(0), t0 + MS * 60_000);
        let start = MediaTime::from_millis(1_000);
        assert_eq!(second.of_segment(start), wall0 + MS * 61_000);
        assert!(first.of_segment(start) < wall0 + MS * 2_000);
    }

    #[test]
    fn without_a_frame_to_go_by_dates_go_at_the_speed_of_media() {
        let (t0, wall0) = (Instant::now(), SystemTime::UNIX_EPOCH + MS * 1_000_000);
        let mut clock = WallClock::new(t0, wall0);
        clock.anchor(t0 + MS * 2_000, wall0 + MS * 2_000);
        let first = clock.of_segment(MediaTime::from_millis(1_000));
        assert_eq!(first, wall0 + MS * 2_000);
        clock.anchor(t0 + MS * 4_000, wall0 + MS * 4_000);
        let second = clock.of_segment(MediaTime::from_millis(3_000));
        assert_eq!(second, wall0 + MS * 4_000);
    }

    #[test]
    fn a_pause_that_was_taken_out_moves_the_dates() {
        let (t0, wall0) = (Instant::now(), SystemTime::UNIX_EPOCH + MS * 1_000_000);
        let mut clock = WallClock::new(t0, wall0);
        clock.note(MediaTime::from_millis(0), t0);
        clock.reset();
        clock.note(MediaTime::from_millis(100), t0 + MS * 60_100);
        let date = clock.of_segment(MediaTime::from_millis(100));
        assert_eq!(date, wall0 + MS * 60_100);
    }
}
