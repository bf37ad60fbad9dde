//! Media time to wall clock, for `EXT-X-PROGRAM-DATE-TIME`.

use std::time::{Duration, Instant, SystemTime};

use packager::time::MediaTime;

/// Most that the mapping moves with one segment: the jitter of arrivals must not show, a
/// sender's clock that is wrong by 100 ppm (0.2 ms in a segment) must be followed.
const STEP: Duration = Duration::from_millis(5);

/// A difference that is no drift: the mapping starts over.
const JUMP: Duration = Duration::from_secs(1);

/// Keeps the wall clock of media time zero, by the frames that arrived with the least delay.
#[derive(Debug)]
pub(super) struct WallClock {
    anchor: (Instant, SystemTime),
    /// Wall clock of media time zero, less than every arrival allows.
    origin: Option<SystemTime>,
    /// The earliest origin that a frame since the last segment says.
    earliest: Option<SystemTime>,
}

impl WallClock {
    pub(super) fn new(now: Instant, wall: SystemTime) -> Self {
        Self {
            anchor: (now, wall),
            origin: None,
            earliest: None,
        }
    }

    /// Says what the wall clock shows now.
    pub(super) fn anchor(&mut self, now: Instant, wall: SystemTime) {
        self.anchor = (now, wall);
    }

    /// Media time went on differently from the wall clock: what was known is void.
    pub(super) fn reset(&mut self) {
        self.origin = None;
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
        self.origin.get_or_insert(says);
        self.earliest = Some(self.earliest.map_or(says, |earliest| earliest.min(says)));
    }

    /// The wall clock of a segment that starts at `start`.
    pub(super) fn of_segment(&mut self, start: MediaTime) -> SystemTime {
        if let (Some(origin), Some(earliest)) = (self.origin, self.earliest.take()) {
            let moved = match earliest.duration_since(origin) {
                Ok(later) if later > JUMP => earliest,
                Ok(later) => origin + later.min(STEP),
                Err(error) if error.duration() > JUMP => earliest,
                Err(error) => origin - error.duration().min(STEP),
            };
            self.origin = Some(moved);
        }
        self.of_other(start)
    }

    /// The wall clock of a segment of another variant, which moves nothing.
    pub(super) fn of_other(&mut self, start: MediaTime) -> SystemTime {
        // Without a frame to go by, the segment starts now, and the next ones follow it.
        let now = self.anchor.1;
        let origin = *self
            .origin
            .get_or_insert_with(|| now.checked_sub(start.as_duration()).unwrap_or(now));
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
