//! What to do when a connection to the origin is over, without sockets and clocks; and for how long
//! anybody is interested.

use std::time::{Duration, Instant};

use super::failure::Failure;

/// How one connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The origin says that it has no such stream.
    NotFound,
    /// The origin ended the stream in good order.
    Ended,
    /// Anything else.
    Failed(Failure),
}

/// What to do then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the origin again, after this time.
    Again(Duration),
    /// It is over.
    Over(Verdict),
}

/// How a pull ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There was never a stream: the origin has none.
    NotLive,
    /// There was never a stream: the origin does not give it.
    Unreachable(Failure),
    /// The origin has ended the stream.
    Ended,
    /// The stream was lost, and did not come back in time.
    GivenUp,
}

/// The connections of one stream, one after the other.
#[derive(Debug)]
pub(super) struct Pull {
    /// How long a stream that was lost may stay away.
    patience: Duration,
    /// Some connection has brought media.
    has_begun: bool,
    /// When this one first did.
    media_since: Option<Instant>,
    lost_at: Option<Instant>,
    /// The origin has ended the stream, and was not asked again since.
    is_ended: bool,
    /// Connections in a row that did not last.
    failures: u32,
}

impl Pull {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            has_begun: false,
            media_since: None,
            lost_at: None,
            is_ended: false,
            failures: 0,
        }
    }

    /// Media has come.
    pub(super) fn handle_media(&mut self, now: Instant) {
        self.has_begun = true;
        self.is_ended = false;
        self.lost_at = None;
        self.media_since.get_or_insert(now);
    }

    /// A connection is over; `random` is uniform.
    pub(super) fn handle_outcome(&mut self, now: Instant, outcome: Outcome, random: u32) -> Next {
        let ran = self
            .media_since
            .take()
            .map(|since| now.duration_since(since));
        if !self.has_begun {
            return Next::Over(match outcome {
                Outcome::NotFound | Outcome::Ended => Verdict::NotLive,
                Outcome::Failed(failure) => Verdict::Unreachable(failure),
            });
        }
        if ran.is_some_and(|time| time >= STEADY) {
            self.failures = 0;
        }
        let has_just_ended = std::mem::take(&mut self.is_ended);
        match outcome {
            // Asked at once: a server that restarts refuses the connection or is unavailable, and
            // one that has the stream no more says so.
            Outcome::Ended if ran.is_some() && self.failures == 0 => {
                self.is_ended = true;
                self.failures = 1;
                self.lost_at = Some(now);
                return Next::Again(Duration::ZERO);
            }
            Outcome::NotFound | Outcome::Ended if has_just_ended => {
                return Next::Over(Verdict::Ended);
            }
            _ => {}
        }
        let lost_at = *self.lost_at.get_or_insert(now);
        if now.duration_since(lost_at) >= self.patience {
            return Next::Over(Verdict::GivenUp);
        }
        self.failures = self.failures.saturating_add(1);
        Next::Again(backoff(self.failures, random))
    }
}

/// Waits that double from [`FIRST`] to [`LONGEST`], each cut by a random part of up to a half, so
/// that the streams of an origin which comes back do not all come at once.
fn backoff(failures: u32, random: u32) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let share = f64::from(random) / f64::from(u32::MAX);
    doubled.min(LONGEST).mul_f64(1.0 - share / 2.0)
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);

/// A connection that brought media for so long has worked: an origin that takes the edge and throws
/// it out at once is not asked at that rate.
const STEADY: Duration = Duration::from_secs(2);

/// Who is interested in a stream.
#[derive(Debug)]
pub(super) struct Interest {
    viewers: usize,
    /// When somebody was last there.
    last: Instant,
}

impl Interest {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            viewers: 0,
            last: now,
        }
    }

    pub(super) fn come(&mut self) {
        self.viewers += 1;
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.viewers = self.viewers.saturating_sub(1);
        self.touch(now);
    }

    /// Somebody was there for a moment.
    pub(super) fn touch(&mut self, now: Instant) {
        self.last = self.last.max(now);
    }

    /// When it is over if nobody comes; `None` while somebody is there.
    pub(super) fn ends_at(&self, linger: Duration) -> Option<Instant> {
        (self.viewers == 0).then(|| self.last + linger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed() -> Outcome {
        Outcome::Failed(Failure::Connect)
    }

    /// A pull that has run for some time.
    fn running(now: Instant) -> Pull {
        let mut pull = Pull::new(30 * SECOND);
        pull.handle_media(now);
        pull
    }

    #[test]
    fn a_stream_that_never_came_is_refused_at_once() {
        let now = Instant::now();
        for (outcome, verdict) in [
            (Outcome::NotFound, Verdict::NotLive),
            (Outcome::Ended, Verdict::NotLive),
            (failed(), Verdict::Unreachable(Failure::Connect)),
        ] {
            let next = Pull::new(SECOND).handle_outcome(now, outcome, 0);
            assert_eq!(next, Next::Over(verdict));
        }
    }

    #[test]
    fn a_stream_that_the_origin_ends_is_over_once_it_says_so_again() {
        let t0 = Instant::now();
        for last in [Outcome::NotFound, Outcome::Ended] {
            let mut pull = running(t0);
            let now = t0 + 10 * SECOND;
            let next = pull.handle_outcome(now, Outcome::Ended, 0);
            assert_eq!(next, Next::Again(Duration::ZERO));
            let next = pull.handle_outcome(now, last, 0);
            assert_eq!(next, Next::Over(Verdict::Ended));
        }
    }

    #[test]
    fn an_origin_that_restarts_has_time_to_get_its_publisher_back() {
        let t0 = Instant::now();
        let mut pull = running(t0);
        let mut now = t0 + 10 * SECOND;
        pull.handle_outcome(now, Outcome::Ended, 0);
        let answers = [Outcome::Failed(Failure::Status(503)), failed()];
        for outcome in answers
            .into_iter()
            .chain([Outcome::NotFound, Outcome::NotFound])
        {
            let Next::Again(wait) = pull.handle_outcome(now, outcome, 0) else {
                panic!("it may come back");
            };
            now += wait;
        }
        pull.handle_media(now);
        // And all begins anew.
        let next = pull.handle_outcome(now + 10 * SECOND, Outcome::Ended, 0);
        assert_eq!(next, Next::Again(Duration::ZERO));
    }

    #[test]
    fn a_stream_that_stays_away_is_given_up() {
        let t0 = Instant::now();
        let mut pull = running(t0);
        let lost = t0 + 10 * SECOND;
        let (mut now, mut waits) = (lost, Vec::new());
        loop {
            match pull.handle_outcome(now, failed(), 0) {
                Next::Again(wait) => {
                    now += wait;
                    waits.push(wait.as_millis());
                }
                Next::Over(verdict) => {
                    assert_eq!(verdict, Verdict::GivenUp);
                    break;
                }
            }
        }
        assert_eq!(waits[..6], [250, 500, 1_000, 2_000, 4_000, 4_000]);
        assert!((30 * SECOND..35 * SECOND).contains(&(now - lost)));
    }

    #[test]
    fn an_origin_that_ends_each_stream_at_once_is_not_asked_at_that_rate() {
        let mut now = Instant::now();
        let mut pull = running(now);
        let mut asked = 0;
        let end = now + 60 * SECOND;
        while now < end {
            now += Duration::from_millis(10);
            let Next::Again(wait) = pull.handle_outcome(now, Outcome::Ended, 0) else {
                panic!("it brings media each time");
            };
            now += wait;
            pull.handle_media(now);
            asked += 1;
        }
        assert!(asked < 25, "{asked} times in a minute");
    }

    #[test]
    fn half_of_a_wait_is_random() {
        assert_eq!(backoff(3, u32::MAX), Duration::from_millis(500));
        assert_eq!(backoff(3, 0), Duration::from_secs(1));
    }

    #[test]
    fn interest_ends_some_time_after_the_last_viewer() {
        let t0 = Instant::now();
        let linger = 30 * SECOND;
        let mut interest = Interest::new(t0);
        assert_eq!(interest.ends_at(linger), Some(t0 + linger));
        interest.come();
        interest.come();
        assert_eq!(interest.ends_at(linger), None);
        interest.leave(t0 + 5 * SECOND);
        assert_eq!(interest.ends_at(linger), None);
        interest.leave(t0 + 9 * SECOND);
        assert_eq!(interest.ends_at(linger), Some(t0 + 39 * SECOND));
        interest.touch(t0 + 20 * SECOND);
        assert_eq!(interest.ends_at(linger), Some(t0 + 50 * SECOND));
    }
}
