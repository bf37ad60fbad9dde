//! How long a client holds pictures back before it shows them.
//!
//! A browser makes its buffer as long as packets vary on their way and does not count those that
//! were sent again, save for one round trip: on a link that loses much, what is lost a second time
//! comes too late, and the picture freezes until it does. The server knows how often that happens
//! and asks for as much time as some tries need, with the header extension `playout-delay`
//! (libwebrtc, docs/native-code/rtp-hdrext/playout-delay). Sound goes along with its picture.

use std::time::{Duration, Instant};

/// What is asked of a client.
#[derive(Debug, Default)]
pub(super) struct Hold {
    ramp: Option<Ramp>,
    /// As much has been needed last at that moment.
    needed_at: Option<Instant>,
    /// Nothing is asked any more, and that is said until then.
    ended_until: Option<Instant>,
}

/// From one length to another, slowly: Chromium's picture stands still for two seconds if it is to
/// be shown 0.4 s later from one frame to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ramp {
    from: Duration,
    to: Duration,
    since: Instant,
}

impl Ramp {
    /// What a packet asks for.
    pub(super) fn at(self, now: Instant) -> Duration {
        let step = now.saturating_duration_since(self.since) / SLOWNESS;
        match self.from < self.to {
            true => (self.from + step).min(self.to),
            false => self.from.saturating_sub(step).max(self.to),
        }
    }
}

impl Hold {
    /// Takes the part of packets that were asked for again lately, and the round trip. Without
    /// them the link needs nothing.
    pub(super) fn note(&mut self, now: Instant, again: Option<f64>, rtt: Option<Duration>) {
        let needed = again.zip(rtt).map(|(again, rtt)| {
            let tries = if again < MUCH { FEW_TRIES } else { MANY_TRIES };
            (tries * (rtt + TRY)).min(LONGEST)
        });
        if let Some(needed) = needed {
            self.needed_at = Some(now);
            self.ended_until = None;
            // Each change makes pictures faster or slower for a while.
            let asked = self.ramp.map_or(Duration::ZERO, |ramp| ramp.to);
            if needed > asked || needed * 2 < asked {
                self.go_to(now, needed);
            }
        } else if self.needed_at.is_some_and(|at| now >= at + CALM) {
            self.go_to(now, Duration::ZERO);
            self.needed_at = None;
            self.ended_until = Some(now + SAYING);
        }
    }

    fn go_to(&mut self, now: Instant, to: Duration) {
        self.ramp = Some(Ramp {
            from: self.ramp.map_or(Duration::ZERO, |ramp| ramp.at(now)),
            to,
            since: now,
        });
    }

    /// What packets ask for from now on; `None` if the client need not be told.
    pub(super) fn asked(&mut self, now: Instant) -> Option<Ramp> {
        self.ended_until = self.ended_until.filter(|until| now < *until);
        let is_said = self.needed_at.is_some() || self.ended_until.is_some();
        self.ramp.filter(|_| is_said)
    }
}

/// What a try takes beside the round trip: the lack is noticed and the request gathered.
const TRY: Duration = Duration::from_millis(30);

/// Where so many packets are asked for again, the second try fails often as well.
const MUCH: f64 = 0.1;

const FEW_TRIES: u32 = 2;
const MANY_TRIES: u32 = 3;

/// More delay than this is worse than a picture that stands still at times.
const LONGEST: Duration = Duration::from_millis(400);

/// How long a link has to be good before its pictures are shown sooner.
const CALM: Duration = Duration::from_secs(20);

/// How long the client is told that nothing is asked: it keeps what it heard last.
const SAYING: Duration = Duration::from_secs(10);

/// Pictures are shown by a thirtieth slower or faster until the client has got there. By a tenth,
/// Chromium made 9 % of the sound up meanwhile, which has to go along.
const SLOWNESS: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What is asked for in the end.
    fn asked(hold: &mut Hold, now: Instant) -> Option<Duration> {
        hold.asked(now).map(|ramp| ramp.to)
    }

    #[test]
    fn good_links_are_not_asked_for_anything() {
        let now = Instant::now();
        let mut hold = Hold::default();
        for at in 0..100 {
            hold.note(now + ms(at * 1_000), None, Some(ms(100)));
            assert_eq!(asked(&mut hold, now + ms(at * 1_000)), None);
        }
    }

    #[test]
    fn the_time_is_that_of_some_tries() {
        for (again, rtt, time) in [
            (0.02, 100, 260),
            (0.2, 100, 390),
            (0.2, 20, 150),
            (0.3, 300, 400),
        ] {
            let now = Instant::now();
            let mut hold = Hold::default();
            hold.note(now, Some(again), Some(ms(rtt)));
            assert_eq!(asked(&mut hold, now), Some(ms(time)));
        }
    }

    #[test]
    fn it_grows_and_shrinks_slowly() {
        let now = Instant::now();
        let mut hold = Hold::default();
        hold.note(now, Some(0.2), Some(ms(100)));
        let ramp = hold.asked(now).expect("asked");
        for (at, said) in [
            (0, 0),
            (3_000, 100),
            (11_400, 380),
            (11_700, 390),
            (20_000, 390),
        ] {
            assert_eq!(ramp.at(now + ms(at)), ms(said), "{at}");
        }
        hold.note(now + ms(3_000), Some(0.05), Some(ms(10)));
        let ramp = hold.asked(now + ms(3_000)).expect("asked");
        for (at, said) in [(3_000, 100), (3_300, 90), (3_600, 80), (9_000, 80)] {
            assert_eq!(ramp.at(now + ms(at)), ms(said), "{at}");
        }
    }

    #[test]
    fn it_ends_after_a_calm_and_that_is_said() {
        let now = Instant::now();
        let mut hold = Hold::default();
        hold.note(now, Some(0.2), Some(ms(100)));
        hold.note(now + ms(5_000), Some(0.05), Some(ms(80)));
        let kept = asked(&mut hold, now + ms(5_000));
        assert_eq!(kept, Some(ms(390)), "not for a little less");
        for (at, said) in [
            (24_000, Some(390)),
            (25_000, Some(0)),
            (34_999, Some(0)),
            (35_000, None),
        ] {
            hold.note(now + ms(at), None, Some(ms(80)));
            assert_eq!(asked(&mut hold, now + ms(at)), said.map(ms), "{at}");
        }
        hold.note(now + ms(36_000), Some(0.05), Some(ms(80)));
        assert_eq!(asked(&mut hold, now + ms(36_000)), Some(ms(220)));
    }
}
