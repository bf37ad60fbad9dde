//! What the link to a subscriber carries, as its feedback tells.

use std::time::{Duration, Instant};

use str0m::bwe::{Bitrate, BweKind};

use super::choke::{Choke, Pauses};
use super::{Session, Side};
use crate::media::demand::Wish;
use crate::media::forward::allocate::Budget;
use crate::media::slots::SlotKey;
use packager::picture::Picture;

/// The estimate of a link, and what was made of it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Bits a second, the mean of three seconds; `None` where the client gives no feedback.
    estimate: Option<u64>,
    /// The newest of which it is the mean.
    newest: Option<u64>,
    /// A better picture was asked for: the link is tried until then.
    tried_until: Option<Instant>,
    /// What was given out by the last allocation, audio included.
    spent: u64,
    /// The next look at what the streams take.
    look_at: Option<Instant>,
    /// The estimate has been below what is given out since then.
    short_since: Option<Instant>,
    /// Nothing gets better before.
    raise_at: Option<Instant>,
    choke: Choke,
    /// What str0m was told last.
    told: (u64, u64),
}

impl Link {
    /// Takes an estimate. True if it is less than what is given out.
    fn note(&mut self, kind: &BweKind) -> bool {
        match kind {
            BweKind::Twcc {
                estimate,
                can_probe,
            } => self.estimate = can_probe.then(|| estimate.as_u64()),
            BweKind::Remb { estimate, .. } => self.estimate = Some(estimate.as_u64()),
            _ => {}
        }
        self.estimate.is_some_and(|estimate| self.is_less(estimate))
    }

    fn is_less(&self, estimate: u64) -> bool {
        estimate / DIP * 100 < self.spent
    }

    /// What there is for video beside the audio of so many streams; `None` if there is no bound.
    pub(crate) fn budget(&mut self, now: Instant, audio: usize) -> Option<Budget> {
        if self.tried_until.is_some_and(|until| now < until) {
            return None;
        }
        let mean = self.estimate?;
        let is_full = self.choke.is_surely_full();
        let estimate = match self.newest {
            Some(newest) if is_full => mean.min(newest),
            _ => mean,
        };
        let for_video = |bps: u64| bps.saturating_sub(audio_bps(audio));
        if mean >= self.spent {
            self.short_since = None;
        }
        let is_short = mean < self.spent && *self.short_since.get_or_insert(now) + SHORT <= now;
        let in_a_dip = |percent: u64| match is_short {
            true => mean,
            false => mean / percent * 100,
        };
        let keep = match is_full {
            true => estimate,
            false => in_a_dip(DIP),
        };
        let lesser = match self.is_full() {
            true => keep.min(estimate / 100 * DRAIN),
            false => keep,
        };
        Some(Budget {
            keep: for_video(keep),
            lesser: for_video(lesser),
            least: self.choke.is_seen().then(|| for_video(in_a_dip(DEEP_DIP))),
            raise: self.may_raise(now).then(|| for_video(estimate)),
            tries_one: self.choke.may_try(now),
        })
    }

    /// More stands in the link's queue than it carries in a moment, or the queue runs over.
    pub(crate) fn is_full(&self) -> bool {
        self.choke.is_full()
    }

    fn may_raise(&self, now: Instant) -> bool {
        self.raise_at.is_none_or(|at| at <= now)
    }

    /// True if it is time for a look, the next one being due after some time.
    pub(crate) fn take_look(&mut self, now: Instant) -> bool {
        let is_due = self.look_at.is_some_and(|at| at <= now);
        if is_due {
            self.look_at = Some(now + LOOK);
        }
        is_due
    }

    pub(super) fn next_look(&self) -> Option<Instant> {
        self.look_at
    }

    /// Somebody has asked for a better picture: it is given, unless the link has just shown that it
    /// carries no more, and the estimate may follow.
    pub(crate) fn try_out(&mut self, now: Instant) {
        if self.may_raise(now) {
            self.tried_until = Some(now + TRIAL);
        }
    }

    /// A picture was taken away for want of bandwidth: the link is to show for a while that it
    /// carries more.
    pub(crate) fn hold(&mut self, now: Instant) {
        self.raise_at = Some(now + HOLD);
    }

    /// Notes whether an allocation has paused a video, resumed one, and leaves any paused.
    pub(crate) fn note_pauses(&mut self, now: Instant, pauses: Pauses) {
        self.choke.note_pauses(now, pauses);
    }

    /// Takes what the feedback of the last second says about the way. True if it carries less
    /// than what is given out.
    pub(crate) fn note_way(&mut self, now: Instant, way: Way) -> bool {
        self.choke.note_way(now, way.loss, way.rtt);
        self.newest = way.estimate;
        let can_estimate = self.estimate.is_some();
        can_estimate
            && self.choke.is_surely_full()
            && way.estimate.is_some_and(|bps| self.is_less(bps))
    }
}

/// What a subscriber's feedback says about the way to it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Way {
    /// The part of packets lost in the last second.
    pub(crate) loss: Option<f32>,
    /// The newest round trip.
    pub(crate) rtt: Option<Duration>,
    /// The newest estimate, in bits a second.
    pub(crate) estimate: Option<u64>,
}

/// What an allocation comes to, in bits a second of video.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spending {
    pub(crate) spent: u64,
    /// With the next better picture, if there is any.
    pub(crate) next_step: Option<u64>,
    /// With all that is wanted.
    pub(crate) desired: u64,
}

impl Session {
    /// The link, if it is one to a subscriber.
    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Takes an estimate of the link. True if it is less than what is given out.
    pub(crate) fn note_estimate(&mut self, now: Instant, kind: &BweKind) -> bool {
        self.link.look_at.get_or_insert(now + LOOK);
        self.link.note(kind)
    }

    /// Feeds of which audio is sent at once, those that are sent twice counted twice.
    pub(crate) fn audio_feeds(&self) -> usize {
        match &self.side {
            Side::Subscriber(subscriber) => subscriber.sounds(self.redundancy.repeated()),
            Side::Publisher(_) => 0,
        }
    }

    /// Gives a feed another picture than before, or none; `at_once` sends nothing of the one before
    /// until there is a key frame. The room, and what the feed was served before and is served now.
    pub(crate) fn give(
        &mut self,
        feed: usize,
        picture: Option<Picture>,
        at_once: bool,
    ) -> Option<(SlotKey, Wish, Wish)> {
        let Side::Subscriber(subscriber) = &mut self.side else {
            return None;
        };
        let given = subscriber.feeds.get_mut(feed)?;
        if given.given == picture {
            return None;
        }
        let before = given.served();
        given.given = picture;
        let (room, after) = (given.room, given.served());
        if picture.is_none() || at_once {
            // What comes after the pause begins with a key frame.
            subscriber.pause(&mut self.rtc, feed);
        }
        Some((room, before, after))
    }

    /// Lets str0m look for as much bandwidth as is of use.
    pub(crate) fn spend(&mut self, now: Instant, spending: Spending) {
        let audio = audio_bps(self.audio_feeds());
        self.link.spent = audio + spending.spent;
        if spending.desired == 0 {
            // str0m probes up to what it is told and takes the outcome for the link: told of audio
            // alone it would find that a link carries that.
            return;
        }
        let with_room = |video: u64| audio + video / 100 * ROOM;
        // Padding up to the next step shows that a link carries it, and fills one that is to drain.
        let pads = self.link.may_raise(now) && !self.link.is_full();
        let next_step = spending.next_step.filter(|_| pads);
        let told = (
            next_step.map_or(0, with_room),
            with_room(spending.desired).max(LEAST_WISH),
        );
        // Rates move all the time; a tenth makes no difference.
        let is_near = |a: u64, b: u64| a.abs_diff(b) <= b / 10;
        if !is_near(told.0, self.link.told.0) || !is_near(told.1, self.link.told.1) {
            self.link.told = told;
            let (least, desired) = (Bitrate::bps(told.0), Bitrate::bps(told.1));
            self.rtc.bwe().set_bitrate(least, desired);
        }
    }
}

fn audio_bps(streams: usize) -> u64 {
    streams as u64 * AUDIO_BPS
}

/// What is kept for each audio stream, its headers included.
const AUDIO_BPS: u64 = 48_000;

/// What is looked for, in percent of what pictures take.
const ROOM: u64 = 120;

/// The least that is looked for.
const LEAST_WISH: u64 = 1_000_000;

/// How often the rates of streams are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long a better picture that was asked for flows whatever the estimate says.
const TRIAL: Duration = Duration::from_secs(2);

/// A link of which nothing is known to be wrong is told to carry this many percent of what it does
/// at times: each overuse that the estimator believes to see cuts its estimate to 85 percent of
/// what arrives.
const DIP: u64 = 80;

/// The same before a video is paused, on a link that is choked.
const DEEP_DIP: u64 = 50;

/// What a picture may take of a full link, in percent: it begins with a key frame, and what stands
/// in the queue has to go as well.
const DRAIN: u64 = 40;

/// How long such a dip may take on a link that is not seen to be full.
const SHORT: Duration = Duration::from_secs(4);

/// How long nothing gets better after something had to get worse.
const HOLD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn twcc(bps: u64, can_probe: bool) -> BweKind {
        BweKind::Twcc {
            estimate: Bitrate::bps(bps),
            can_probe,
        }
    }

    #[test]
    fn without_feedback_there_is_no_bound() {
        let mut link = Link::default();
        let now = Instant::now();
        assert_eq!(link.budget(now, 1), None);
        link.note(&twcc(1_000_000, true));
        let mut raise = |audio| link.budget(now, audio).expect("a bound").raise;
        assert_eq!(raise(0), Some(1_000_000));
        assert_eq!(raise(2), Some(1_000_000 - 2 * AUDIO_BPS));
        assert_eq!(raise(100), Some(0));
        link.note(&twcc(1_000_000, false));
        assert_eq!(link.budget(now, 1), None);
    }

    #[test]
    fn what_is_asked_for_is_tried_unless_it_has_just_failed() {
        let now = Instant::now();
        let mut link = Link::default();
        link.note(&twcc(100_000, true));
        link.hold(now);
        link.try_out(now);
        assert!(link.budget(now, 0).is_some());
        let later = now + HOLD;
        link.try_out(later);
        assert_eq!(link.budget(later, 0), None);
        assert!(link.budget(later + TRIAL, 0).is_some());
    }

    #[test]
    fn only_an_estimate_below_what_is_given_out_is_urgent() {
        let mut link = Link {
            spent: 900_000,
            ..Link::default()
        };
        assert!(!link.note(&twcc(900_000, true)));
        assert!(!link.note(&twcc(800_000, true)), "a dip");
        assert!(link.note(&twcc(600_000, true)));
        assert!(!link.note(&twcc(1, false)));
    }

    #[test]
    fn a_dip_is_passed_over_and_a_shortage_is_not() {
        let now = Instant::now();
        let mut link = Link {
            spent: 1_000_000,
            ..Link::default()
        };
        link.note(&twcc(840_000, true));
        let mut keep = |at| link.budget(at, 0).expect("a bound").keep;
        assert_eq!(keep(now), 1_050_000);
        assert_eq!(keep(now + SHORT - Duration::from_millis(1)), 1_050_000);
        assert_eq!(keep(now + SHORT), 840_000);
        link.note(&twcc(1_100_000, true));
        link.budget(now + SHORT, 0);
        link.note(&twcc(1_000_000, true));
        link.note(&twcc(980_000, true));
        let keep = link.budget(now + SHORT, 0).expect("a bound").keep;
        assert!(keep > 1_000_000, "another dip");
    }

    #[test]
    fn a_full_link_is_taken_for_what_it_is_at_once() {
        let now = Instant::now();
        let mut link = Link {
            spent: 1_000_000,
            ..Link::default()
        };
        link.note(&twcc(900_000, true));
        let way = |loss, rtt, estimate| Way {
            loss: Some(loss),
            rtt: Some(Duration::from_millis(rtt)),
            estimate: Some(estimate),
        };
        assert!(!link.note_way(now, way(0.0, 40, 400_000)), "a dip");
        assert_eq!(link.budget(now, 0).expect("a bound").keep, 1_125_000);
        assert!(!link.note_way(now, way(0.0, 150, 400_000)), "a short queue");
        let budget = link.budget(now, 0).expect("a bound");
        assert_eq!((budget.keep, budget.lesser), (1_125_000, 360_000));
        for (loss, rtt) in [(0.1, 40), (0.0, 290)] {
            assert!(
                !link.note_way(now, way(loss, rtt, 1_000_000)),
                "it carries all"
            );
            assert!(link.note_way(now, way(loss, rtt, 400_000)));
            let budget = link.budget(now, 0).expect("a bound");
            assert_eq!((budget.keep, budget.lesser), (400_000, 160_000));
        }
    }

    #[test]
    fn looks_and_holds_end_by_themselves() {
        let now = Instant::now();
        let mut link = Link {
            look_at: Some(now),
            ..Link::default()
        };
        assert!(link.take_look(now) && !link.take_look(now));
        assert!(link.take_look(now + LOOK));
        assert!(link.may_raise(now));
        link.hold(now);
        assert!(!link.may_raise(now) && link.may_raise(now + HOLD));
    }
}
