//! Whether a link is choked, which is when video has to be paused for the sound's sake.
//!
//! An estimate alone does not tell. It falls with delays that a busy machine makes, at either end,
//! as well as with those of a queue; and each time it falls it is cut to a part of what was sent,
//! so that a small stream may have an estimate below its own rate for as long as the machine is
//! busy. What such a link is given stays at the least picture. Only a queue that runs over, or that
//! nobody drains, takes the sound's packets too.

use std::time::{Duration, Instant};

/// How often a session says how the way to it is.
pub(crate) const WAY_INTERVAL: Duration = Duration::from_millis(250);

/// What an allocation did to the videos of a subscriber.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pauses {
    /// A video that had a picture has none now.
    pub(crate) paused: bool,
    /// A video that had none has one now.
    pub(crate) resumed: bool,
    /// A video has none.
    pub(crate) waits: bool,
    /// A video has one.
    pub(crate) flows: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Choke {
    /// Figures in a row by which more was lost than is usual.
    lossy: u32,
    /// What is lost whether video flows or not: by what was lost while none did.
    usual_loss: f32,
    /// No video flows since then.
    quiet_since: Option<Instant>,
    least_rtt: Option<Duration>,
    /// The last round trip was that of a short queue, and of one that is none too short.
    has_queue: bool,
    is_queued: bool,
    /// Round trips in a row that were those of a long queue.
    late: u32,
    /// The last pause, and how long it takes until a video is given back to see what happens.
    paused_at: Option<Instant>,
    patience: Duration,
    try_at: Option<Instant>,
}

impl Choke {
    /// Takes the part of packets lost in the last second, and the newest round trip;
    /// once in [`WAY_INTERVAL`].
    pub(super) fn note_way(&mut self, now: Instant, loss: Option<f32>, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            let least = self.least_rtt.map_or(rtt, |least| least.min(rtt));
            self.least_rtt = Some(least);
            self.has_queue = rtt >= least + SHORT_QUEUE;
            self.is_queued = rtt >= least + QUEUE;
            self.late = match rtt >= least + LONG_QUEUE {
                true => self.late.saturating_add(1),
                false => 0,
            };
        }
        if let Some(loss) = loss {
            // Sound is few packets: of what they lose the most counts.
            if self.is_settled(now) {
                self.usual_loss = self.usual_loss.max(loss);
            } else if loss + LOST < self.usual_loss {
                self.usual_loss = loss;
            }
        }
        if let Some(loss) = loss {
            self.lossy = match loss >= self.usual_loss + LOST {
                true => self.lossy.saturating_add(1),
                false => 0,
            };
        }
    }

    /// Nothing but sound flows, and what the link's queue held of video is gone.
    fn is_settled(&self, now: Instant) -> bool {
        self.quiet_since.is_some_and(|since| now >= since + SETTLED)
    }

    /// The last figures were those of a choked link.
    pub(super) fn is_seen(&self) -> bool {
        self.lossy >= LOSSY_IN_A_ROW || self.late >= LATE_IN_A_ROW
    }

    /// The last figure was that of a link that has more to carry than it can. That is no reason for
    /// a pause: it costs a lesser picture, and a busy machine has such moments too.
    pub(super) fn is_full(&self) -> bool {
        self.has_queue || self.lossy > 0
    }

    /// It is beyond doubt.
    pub(super) fn is_surely_full(&self) -> bool {
        self.is_queued || self.lossy > 0
    }

    /// True if a paused video is to be given back, whatever the estimate says: with sound alone on
    /// it, a link shows no more than that it carries sound, and what is lost then is not lost to
    /// video.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.try_at.is_some_and(|at| at <= now)
    }

    pub(super) fn note_pauses(&mut self, now: Instant, pauses: Pauses) {
        self.quiet_since = match pauses.flows {
            true => None,
            false => self.quiet_since.or(Some(now)),
        };
        if pauses.resumed {
            // What was seen was seen of the link as it was.
            (self.has_queue, self.is_queued) = (false, false);
            (self.lossy, self.late) = (0, 0);
        }
        if pauses.paused {
            let is_again = self
                .paused_at
                .is_some_and(|at| now.saturating_duration_since(at) < self.patience + CALM);
            self.patience = match is_again {
                true => (self.patience * 2).min(MOST_PATIENCE),
                false => PATIENCE,
            };
            self.paused_at = Some(now);
            self.try_at = Some(now + self.patience);
        } else if !pauses.waits {
            self.try_at = None;
        } else if pauses.resumed || self.try_at.is_none() {
            self.try_at = Some(now + self.patience.max(PATIENCE));
        }
    }
}

/// This part of packets lost beyond what is usual is no accident of a wireless network.
const LOST: f32 = 0.08;

/// Loss that goes on for two seconds. A machine that is busy for one drops packets too.
const LOSSY_IN_A_ROW: u32 = 8;

/// So long after a pause what is lost is not lost to the video.
const SETTLED: Duration = Duration::from_secs(3);

/// Packets that wait for so long beyond the least round trip may stand in a queue.
const SHORT_QUEUE: Duration = Duration::from_millis(100);

/// Packets that wait for so long do.
const QUEUE: Duration = Duration::from_millis(250);

/// A queue that is never empty. A machine with more to do than it can has such round trips too, but
/// not for 8 s.
const LONG_QUEUE: Duration = Duration::from_secs(1);
const LATE_IN_A_ROW: u32 = 32;

/// Until a paused video is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same after trials that failed one after the other.
const MOST_PATIENCE: Duration = Duration::from_secs(40);

/// A pause so long after the last trial is another matter.
const CALM: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSED: Pauses = Pauses {
        paused: true,
        resumed: false,
        waits: true,
        flows: false,
    };
    const RESUMED: Pauses = Pauses {
        paused: false,
        resumed: true,
        waits: false,
        flows: true,
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn loss_and_a_queue_are_seen_and_a_long_way_is_not() {
        let mut choke = Choke::default();
        let now = Instant::now();
        let mut seen = |loss, rtt| {
            choke.note_way(now, loss, Some(Duration::from_millis(rtt)));
            choke.is_seen()
        };
        assert!(!seen(None, 1_500), "a satellite");
        assert!(!seen(Some(0.03), 1_600));
        for _ in 1..LOSSY_IN_A_ROW {
            assert!(!seen(Some(0.09), 1_500));
        }
        assert!(seen(Some(0.09), 1_500));
        assert!(seen(None, 1_500), "nothing new");
        assert!(!seen(Some(0.0), 400));
        assert!(!seen(Some(0.0), 1_300), "a way that is long at times");
        for _ in 1..LATE_IN_A_ROW {
            assert!(!seen(Some(0.0), 2_400), "a busy machine");
        }
        assert!(!seen(None, 500));
        for _ in 1..LATE_IN_A_ROW {
            assert!(!seen(None, 1_400));
        }
        assert!(seen(Some(0.0), 1_400), "a queue");
    }

    /// Figures of two seconds that end so much later than `start`.
    fn lose(choke: &mut Choke, start: Instant, seconds: u64, loss: f32) {
        for figure in (0..LOSSY_IN_A_ROW).rev() {
            choke.note_way(start + s(seconds) - WAY_INTERVAL * figure, Some(loss), None);
        }
    }

    #[test]
    fn any_loss_and_queue_mean_a_full_link() {
        let mut choke = Choke::default();
        let now = Instant::now();
        let mut full = |loss, rtt| {
            choke.note_way(now, Some(loss), Some(Duration::from_millis(rtt)));
            (choke.is_full(), choke.is_surely_full())
        };
        assert_eq!(full(0.0, 40), (false, false));
        assert_eq!(full(0.0, 150), (true, false));
        assert_eq!(full(0.0, 290), (true, true));
        assert_eq!(full(0.0, 40), (false, false));
        assert_eq!(full(0.09, 40), (true, true));
        assert_eq!(full(0.07, 40), (false, false));
    }

    #[test]
    fn loss_that_stays_without_video_pauses_it_once() {
        let mut choke = Choke::default();
        let now = Instant::now();
        lose(&mut choke, now, 2, 0.2);
        assert!(choke.is_seen());
        choke.note_pauses(now + s(2), PAUSED);
        choke.note_way(now + s(4), Some(0.2), None);
        assert!(choke.is_seen(), "it may be what the queue lost");
        choke.note_way(now + s(5), Some(0.21), None);
        assert!(!choke.is_seen());
        choke.note_pauses(now + s(6), RESUMED);
        for (at, loss, is_seen) in [
            (8, 0.2, false),
            (10, 0.3, true),
            (12, 0.02, false),
            (14, 0.2, true),
        ] {
            lose(&mut choke, now, at, loss);
            assert_eq!(choke.is_seen(), is_seen, "{loss}");
        }
    }

    #[test]
    fn loss_beside_a_video_that_flows_is_never_usual() {
        let mut choke = Choke::default();
        let now = Instant::now();
        let one_of_two = Pauses {
            flows: true,
            ..PAUSED
        };
        choke.note_pauses(now, one_of_two);
        lose(&mut choke, now, 10, 0.3);
        assert!(choke.is_seen());
        // Both, and then one of them is back.
        choke.note_pauses(now + s(11), PAUSED);
        choke.note_pauses(
            now + s(21),
            Pauses {
                waits: true,
                ..RESUMED
            },
        );
        lose(&mut choke, now, 31, 0.3);
        assert!(choke.is_seen());
    }

    #[test]
    fn a_paused_video_is_tried_and_each_time_in_vain_later() {
        let mut choke = Choke::default();
        let mut now = Instant::now();
        assert!(!choke.may_try(now));
        for wait in [5, 10, 20, 40, 40] {
            choke.note_pauses(now, PAUSED);
            assert!(!choke.may_try(now + s(wait) - Duration::from_millis(1)));
            now += s(wait);
            assert!(choke.may_try(now));
            choke.note_pauses(now, RESUMED);
            assert!(!choke.may_try(now + s(100)));
            now += s(3);
        }
        // What went well for a while is forgotten.
        now += s(60);
        choke.note_pauses(now, PAUSED);
        assert!(choke.may_try(now + PATIENCE));
    }

    #[test]
    fn several_that_wait_come_back_one_by_one() {
        let mut choke = Choke::default();
        let now = Instant::now();
        let one_of_two = Pauses {
            waits: true,
            ..RESUMED
        };
        choke.note_pauses(now, PAUSED);
        choke.note_pauses(now + s(5), one_of_two);
        assert!(!choke.may_try(now + s(9)));
        assert!(choke.may_try(now + s(10)));
        lose(&mut choke, now, 9, 0.5);
        choke.note_pauses(now + s(10), one_of_two);
        assert!(!choke.is_seen(), "that was before");
    }
}
