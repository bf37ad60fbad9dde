//! So many messages a second a room, and the lowest priority goes first.
//!
//! Messages come one by one, so when one is refused, nobody knows what the rest of the second
//! will bring. Refusing at the door would let forty likes in and then refuse a gift. Reserving
//! shares for the higher priorities would waste the shares whenever nobody uses them, and forty
//! ordinary messages a second are promised. So a room that is not busy delivers at once, and a
//! busy one holds what is too much for up to [`HOLD`] and delivers the highest priority first;
//! what does not get its turn in that time is dropped. A gift thus waits behind no like, and
//! nothing is dropped before something more important has taken its place.
//!
//! The numbers: no second has more deliveries than the rate, whichever way it is cut. At 40 a
//! second, up to 16 go out together and after that one every 25 ms, so that a room that was
//! silent does not spend its second at once and leave the next gift waiting for the rest of it.
//! The burst and what gets its turn within [`HOLD`] make a second's messages: forty that come in
//! one instant are all delivered, and so with other rates.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::message::Priority;

/// What waits for its turn in one room.
#[derive(Debug)]
pub struct RoomRate<T> {
    /// Most deliveries in any second, and as many wait at most.
    rate: usize,
    /// Most deliveries together.
    burst: u32,
    /// Between deliveries that come evenly.
    interval: Duration,
    waiting: [VecDeque<Held<T>>; Priority::ALL.len()],
    /// When the last deliveries were, as many as the rate, oldest first.
    delivered: VecDeque<Instant>,
    /// When the next delivery would be due if all came evenly.
    due: Option<Instant>,
    dropped: [u64; Priority::ALL.len()],
}

#[derive(Debug)]
struct Held<T> {
    until: Instant,
    item: T,
}

impl<T> RoomRate<T> {
    /// At most `per_second` deliveries in any second; at least one.
    pub fn new(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        let interval = WINDOW / per_second;
        // The rest gets its turn while it is held, one after the other.
        let held = u128::from(per_second) * HOLD.as_millis() / WINDOW.as_millis();
        let held = u32::try_from(held).unwrap_or(u32::MAX);
        Self {
            rate: usize::try_from(per_second).unwrap_or(usize::MAX),
            burst: per_second.saturating_sub(held).max(1),
            interval,
            waiting: Default::default(),
            delivered: VecDeque::new(),
            due: None,
            dropped: [0; Priority::ALL.len()],
        }
    }

    /// Takes an item. When more wait than can be delivered in time, the newest of the lowest
    /// priority is dropped; it may be this one.
    pub fn push(&mut self, now: Instant, priority: Priority, item: T) {
        self.waiting[priority as usize].push_back(Held {
            until: now + HOLD,
            item,
        });
        if self.len() <= self.rate {
            return;
        }
        if let Some(lowest) = self.waiting.iter().position(|queue| !queue.is_empty()) {
            self.waiting[lowest].pop_back();
            self.dropped[lowest] += 1;
        }
    }

    /// The next item to deliver now: the highest priority, the oldest of it.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        if self.is_empty() || self.next_slot(now) > now {
            // Only now: a caller that comes late must not cost what there is room for.
            self.expire(now);
            return None;
        }
        let held = self
            .waiting
            .iter_mut()
            .rev()
            .find_map(VecDeque::pop_front)?;
        if self.delivered.len() == self.rate {
            self.delivered.pop_front();
        }
        self.delivered.push_back(now);
        self.due = Some(self.due.unwrap_or(now).max(now) + self.interval);
        Some(held.item)
    }

    /// When [`Self::poll`] will have something to say; none while nothing waits.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then(|| self.next_slot(now))
    }

    /// Items waiting.
    pub fn len(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Items dropped since the start, by priority from the lowest.
    pub fn dropped(&self) -> [u64; Priority::ALL.len()] {
        self.dropped
    }

    fn next_slot(&self, now: Instant) -> Instant {
        let even = self
            .due
            .and_then(|due| due.checked_sub(self.interval * (self.burst - 1)));
        let window = match self.delivered.front() {
            Some(oldest) if self.delivered.len() == self.rate => Some(*oldest + WINDOW),
            _ => None,
        };
        even.into_iter().chain(window).fold(now, Instant::max)
    }

    fn expire(&mut self, now: Instant) {
        for (queue, dropped) in self.waiting.iter_mut().zip(&mut self.dropped) {
            while queue.pop_front_if(|held| held.until < now).is_some() {
                *dropped += 1;
            }
        }
    }
}

/// How much one key (a user) may do: a bucket of tokens for each.
#[derive(Debug)]
pub struct Buckets<K> {
    /// When each bucket is full again.
    full_at: HashMap<K, Instant>,
    per_second: u32,
    burst: u32,
    max_keys: usize,
    refused: u64,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// `per_second` in the long run and `burst` at once, for up to `max_keys` that are busy at
    /// the same time.
    pub fn new(per_second: u32, burst: u32, max_keys: usize) -> Self {
        Self {
            full_at: HashMap::new(),
            per_second: per_second.max(1),
            burst: burst.max(1),
            max_keys,
            refused: 0,
        }
    }

    /// Takes `count` tokens.
    ///
    /// # Errors
    /// How long to wait for them. More than the burst are never there: the wait is then that for
    /// a full bucket.
    pub fn take(&mut self, now: Instant, key: &K, count: u32) -> Result<(), Duration> {
        let full_at = self.full_at.get(key).map_or(now, |at| (*at).max(now));
        let after = full_at + self.worth(count);
        let most = now + self.worth(self.burst);
        if after > most {
            self.refused += 1;
            return Err((after - most).min(self.worth(self.burst)));
        }
        if self.full_at.len() >= self.max_keys && !self.full_at.contains_key(key) {
            self.full_at.retain(|_, at| *at > now);
            if self.full_at.len() >= self.max_keys {
                self.refused += 1;
                return Err(self.worth(self.burst));
            }
        }
        self.full_at.insert(key.clone(), after);
        Ok(())
    }

    /// The rate in the long run.
    pub fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Times that tokens were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn worth(&self, tokens: u32) -> Duration {
        Duration::from_secs(tokens.into()) / self.per_second
    }
}

/// How long an item waits for its turn before it is dropped.
pub const HOLD: Duration = Duration::from_millis(600);

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    const MS: Duration = Duration::from_millis(1);
    const RATE: usize = 40;

    /// A room that is polled whenever it asks for it, on virtual time.
    struct Run {
        start: Instant,
        rate: RoomRate<(Priority, u32, Instant)>,
        /// Milliseconds of arrival and delivery.
        delivered: Vec<(Priority, u32, u128, u128)>,
    }

    impl Run {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                rate: RoomRate::new(RATE as u32),
                delivered: Vec::new(),
            }
        }

        fn push(&mut self, at: u32, priority: Priority, number: u32) {
            let now = self.start + at * MS;
            self.until(now);
            self.rate.push(now, priority, (priority, number, now));
            self.drain(now);
        }

        fn until(&mut self, end: Instant) {
            // What is due later than everything that waits may live is dropped by the poll.
            while let Some(at) = self.rate.next_timeout(self.start).filter(|at| *at <= end) {
                self.drain(at);
            }
            self.drain(end);
        }

        fn drain(&mut self, now: Instant) {
            while let Some((priority, number, came)) = self.rate.poll(now) {
                let at = |t: Instant| (t - self.start).as_millis();
                self.delivered.push((priority, number, at(came), at(now)));
            }
        }

        fn end(&mut self) {
            self.until(self.start + Duration::from_secs(3_600));
            assert!(self.rate.is_empty());
            // No second has more than forty, whichever way it is cut.
            for window in self.delivered.windows(RATE + 1) {
                assert!(window[RATE].3 - window[0].3 >= 1_000, "{window:?}");
            }
        }

        fn count(&self, priority: Priority) -> usize {
            self.delivered.iter().filter(|d| d.0 == priority).count()
        }
    }

    #[test]
    fn a_quiet_room_delivers_at_once() {
        let mut run = Run::new();
        for n in 0..100 {
            run.push(n * 25, Priority::Normal, n);
        }
        run.end();
        assert_eq!(run.delivered.len(), 100);
        assert!(run.delivered.iter().all(|d| d.2 == d.3), "without any wait");
    }

    #[test]
    fn forty_in_one_instant_are_all_delivered_in_order() {
        let mut run = Run::new();
        for n in 0..40 {
            run.push(5, Priority::Normal, n);
        }
        run.end();
        let numbers: Vec<_> = run.delivered.iter().map(|d| d.1).collect();
        assert_eq!(numbers, (0..40).collect::<Vec<_>>());
        assert_eq!(run.delivered[39].3, 5 + 600, "the last one after the hold");
    }

    #[test]
    fn a_second_of_messages_in_one_instant_is_delivered_at_every_rate() {
        for rate in 1..=1_000 {
            let start = Instant::now();
            let mut room = RoomRate::new(rate);
            let (mut now, mut delivered) = (start, Vec::new());
            for n in 0..2 * rate {
                room.push(start, Priority::Normal, n);
            }
            while let Some(at) = room.next_timeout(now) {
                now = at;
                while let Some(n) = room.poll(now) {
                    delivered.push(n);
                }
            }
            assert_eq!(delivered, (0..rate).collect::<Vec<_>>(), "{rate} a second");
            assert_eq!(room.dropped()[Priority::Normal as usize], u64::from(rate));
            assert!(now - start <= HOLD);
            // The second is spent: what comes before its end waits for that.
            let late = start + WINDOW - MS;
            room.push(late, Priority::Normal, 0);
            assert_eq!(room.poll(late), None, "{rate} a second");
            assert!(room.next_timeout(late) >= Some(start + WINDOW));
        }
    }

    #[test]
    fn the_lowest_priority_is_dropped_first() {
        let mut run = Run::new();
        // A second with 30 talks and 30 likes evenly mixed, then one gift at its very end.
        for n in 0..30 {
            run.push(n * 2, Priority::Lowest, n);
            run.push(n * 2 + 1, Priority::Normal, n);
        }
        run.push(60, Priority::High, 0);
        run.end();
        assert_eq!(run.count(Priority::High), 1);
        assert_eq!(run.count(Priority::Normal), 30);
        assert!(run.count(Priority::Lowest) < 30);
        assert_eq!(run.rate.dropped()[Priority::Normal as usize], 0);
        let gift = run
            .delivered
            .iter()
            .find(|d| d.0 == Priority::High)
            .expect("delivered");
        assert!(
            gift.3 - gift.2 <= 25,
            "the gift takes the next turn: {gift:?}"
        );
    }

    #[test]
    fn a_flood_of_likes_leaves_gifts_and_talk_alone() {
        for seed in 0..20 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut arrivals = Vec::new();
            // Ten seconds: 500 likes, 25 talks, 5 gifts a second, at random times.
            for (priority, count) in [
                (Priority::Lowest, 5_000),
                (Priority::Normal, 250),
                (Priority::High, 50),
            ] {
                for n in 0..count {
                    arrivals.push((random.random_range(0..10_000), priority, n));
                }
            }
            arrivals.sort_by_key(|a| a.0);
            let mut run = Run::new();
            for (at, priority, n) in arrivals {
                run.push(at, priority, n);
            }
            run.end();
            assert_eq!(run.count(Priority::High), 50, "seed {seed}");
            let talk = run.count(Priority::Normal);
            assert!(talk >= 245, "seed {seed}: {talk} of 250 talks");
            let all = run.delivered.len();
            assert!(
                (390..=440).contains(&all),
                "seed {seed}: {all} in ten seconds"
            );
            assert!(run.delivered.iter().all(|d| d.3 - d.2 <= 625));
            let slow = |d: &&(Priority, u32, u128, u128)| d.0 == Priority::High && d.3 - d.2 > 425;
            let slow: Vec<_> = run.delivered.iter().filter(slow).collect();
            assert!(slow.is_empty(), "seed {seed}: {slow:?}");
        }
    }

    #[test]
    fn one_priority_keeps_its_order_and_what_waits_is_bounded() {
        let mut run = Run::new();
        for n in 0..10_000 {
            run.push(n / 10, Priority::Normal, n);
            assert!(run.rate.len() <= RATE);
        }
        run.end();
        assert!(run.delivered.is_sorted_by_key(|d| d.1));
        let dropped = run.rate.dropped()[Priority::Normal as usize];
        assert_eq!(dropped as usize + run.delivered.len(), 10_000);
    }

    #[test]
    fn a_late_poll_drops_nothing_that_there_is_room_for() {
        let start = Instant::now();
        let mut rate = RoomRate::new(40);
        for n in 0..40 {
            rate.push(start, Priority::Normal, n);
        }
        let mut delivered = 0;
        // A thread that was held up for a second takes up to the burst, and then the rest.
        for ms in (1_000..2_000).step_by(25) {
            while rate.poll(start + ms * MS).is_some() {
                delivered += 1;
            }
        }
        assert!(delivered >= 16, "{delivered}");
        assert_eq!(delivered + rate.dropped()[Priority::Normal as usize], 40);
    }

    #[test]
    fn a_user_has_a_burst_and_then_a_rate() {
        let start = Instant::now();
        let mut users = Buckets::new(5, 10, 100);
        for _ in 0..10 {
            assert_eq!(users.take(start, &"anna", 1), Ok(()));
        }
        assert_eq!(users.take(start, &"anna", 1), Err(200 * MS));
        assert_eq!(
            users.take(start, &"ben", 1),
            Ok(()),
            "others are not slowed down"
        );
        assert_eq!(users.take(start + 200 * MS, &"anna", 1), Ok(()));
        assert_eq!(users.take(start + 10_000 * MS, &"anna", 11), Err(200 * MS));
        assert_eq!(users.take(start + 10_000 * MS, &"anna", 10), Ok(()));
        assert_eq!(users.refused(), 2);
    }

    #[test]
    fn users_that_are_remembered_are_bounded_and_forgotten_when_idle() {
        let start = Instant::now();
        let mut users = Buckets::new(5, 10, 100);
        for user in 0..100 {
            assert_eq!(users.take(start, &user, 1), Ok(()));
        }
        assert!(users.take(start, &100, 1).is_err());
        assert_eq!(users.take(start + 201 * MS, &100, 1), Ok(()));
        assert_eq!(users.full_at.len(), 1);
    }
}
