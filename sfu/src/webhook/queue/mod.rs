//! What is posted when: order, retries and bounds, on the time that is passed in.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::notice::{Family, Lane};
use crate::live::AppId;

/// Notices that wait or are under way, in lanes.
///
/// One lane has at most one notice under way: the next one follows when that is delivered or given
/// up. The lanes of one family of one app share [`Limits::in_flight`] places, and nothing else is
/// shared but the bounds: an end point that hangs holds up its own family alone.
#[derive(Debug)]
pub struct Queue<T> {
    limits: Limits,
    total: Share,
    apps: BTreeMap<AppId, Share>,
    lanes: BTreeMap<Lane, Waiting<T>>,
    families: BTreeMap<(AppId, Family), Places>,
    /// Families with a place and a lane that is ready, each at most once.
    ready: VecDeque<(AppId, Family)>,
    retries: BTreeSet<(Instant, Lane)>,
    in_flight: BTreeMap<AttemptId, Lane>,
    next: u64,
    closing: bool,
    counts: QueueCounts,
}

/// The bounds of a [`Queue`], and its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Notices of all apps, those under way included.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Notices of one app.
    pub app_entries: usize,
    /// Their bytes.
    pub app_bytes: usize,
    /// Notices of one family of one app under way at once.
    pub in_flight: usize,
    /// From a failure to the next try; the first failure is followed by a try at once.
    pub retry_pause: Duration,
    /// A notice that was told longer ago is not tried again. It has had two tries then.
    pub retry_for: Duration,
}

/// One try, to be answered by [`Queue::handle_result`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt<T> {
    /// Names it.
    pub id: AttemptId,
    /// Whose it is.
    pub lane: Lane,
    /// What is posted.
    pub packet: T,
}

/// Names one try. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(u64);

/// A notice is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Full {
    /// The app has its share.
    #[error("the app's notices wait up to their bound")]
    App,
    /// All apps together have theirs.
    #[error("the notices of all apps wait up to their bound")]
    All,
}

/// What became of notices since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Answered with success.
    pub delivered: u64,
    /// Tries after the first one of a notice.
    pub retried: u64,
    /// Not delivered in time.
    pub given_up: u64,
    /// Refused, because the app had too many.
    pub refused_app: u64,
    /// Refused, because all together had too many.
    pub refused_all: u64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    entries: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    entries: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    packet: T,
    bytes: usize,
    told: Instant,
    tries: u32,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    ready: VecDeque<Lane>,
    /// In [`Queue::ready`].
    is_listed: bool,
}

impl<T: Clone> Queue<T> {
    /// Nothing waits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            total: Share::default(),
            apps: BTreeMap::new(),
            lanes: BTreeMap::new(),
            families: BTreeMap::new(),
            ready: VecDeque::new(),
            retries: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            next: 0,
            closing: false,
            counts: QueueCounts::default(),
        }
    }

    /// Takes a notice of `bytes` behind the others of its lane.
    ///
    /// # Errors
    /// [`Full`]: the notice is refused, and counted. Chat is refused while a quarter of a bound is
    /// still free, so that talk does not push out beginnings and ends.
    pub fn tell(&mut self, now: Instant, lane: Lane, bytes: usize, packet: T) -> Result<(), Full> {
        let bound = |bound: usize| match lane.family {
            Family::Chat => bound - bound / 4,
            _ => bound,
        };
        let fits = |share: Share, entries: usize, most: usize| {
            share.entries < bound(entries) && share.bytes.saturating_add(bytes) <= bound(most)
        };
        let limits = &self.limits;
        let share = self.apps.get(&lane.app).copied().unwrap_or_default();
        if !fits(share, limits.app_entries, limits.app_bytes) {
            self.counts.refused_app += 1;
            return Err(Full::App);
        }
        if !fits(self.total, limits.entries, limits.bytes) {
            self.counts.refused_all += 1;
            return Err(Full::All);
        }
        self.total.add(bytes);
        self.apps.entry(lane.app).or_default().add(bytes);
        let entry = Entry {
            packet,
            bytes,
            told: now,
            tries: 0,
        };
        match self.lanes.get_mut(&lane) {
            Some(waiting) => waiting.entries.push_back(entry),
            None => {
                let entries = VecDeque::from([entry]);
                self.lanes.insert(lane.clone(), Waiting { entries });
                self.make_ready(lane);
            }
        }
        Ok(())
    }

    /// The next try to make; to be asked until there is none, after every other call.
    pub fn poll_attempt(&mut self) -> Option<Attempt<T>> {
        loop {
            let key = self.ready.pop_front()?;
            let places = self.families.get_mut(&key)?;
            places.is_listed = false;
            if places.taken >= self.limits.in_flight {
                continue;
            }
            let Some(lane) = places.ready.pop_front() else {
                continue;
            };
            let Some(entry) = self
                .lanes
                .get_mut(&lane)
                .and_then(|w| w.entries.front_mut())
            else {
                continue;
            };
            if entry.tries > 0 {
                self.counts.retried += 1;
            }
            entry.tries += 1;
            let packet = entry.packet.clone();
            places.taken += 1;
            let id = AttemptId(self.next);
            self.next += 1;
            self.in_flight.insert(id, lane.clone());
            self.list(key);
            return Some(Attempt { id, lane, packet });
        }
    }

    /// A try has ended. One that is not known is ignored.
    pub fn handle_result(&mut self, now: Instant, id: AttemptId, success: bool) {
        let Some(lane) = self.in_flight.remove(&id) else {
            return;
        };
        let key = (lane.app, lane.family);
        if let Some(places) = self.families.get_mut(&key) {
            places.taken -= 1;
        }
        let entry = self.lanes.get(&lane).and_then(|w| w.entries.front());
        let Some((tries, told)) = entry.map(|entry| (entry.tries, entry.told)) else {
            return;
        };
        let next_try = now + self.limits.retry_pause;
        if success {
            self.counts.delivered += 1;
            self.drop_first(lane);
        } else if tries == 1 {
            self.make_ready(lane);
        } else if self.closing || next_try > told + self.limits.retry_for {
            self.counts.given_up += 1;
            self.drop_first(lane);
        } else {
            self.retries.insert((next_try, lane));
        }
        self.list(key);
        self.forget_idle(key);
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Makes those ready whose pause is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, lane)) = self.retries.pop_first() {
            if at > now {
                self.retries.insert((at, lane));
                return;
            }
            self.make_ready(lane);
        }
    }

    /// The server ends: no pause any more. What waits for a retry has a last one, and what fails
    /// twice is given up. Notices are still taken.
    pub fn close(&mut self) {
        self.closing = true;
        for (_, lane) in std::mem::take(&mut self.retries) {
            self.make_ready(lane);
        }
    }

    /// Gives up everything.
    pub fn clear(&mut self) {
        self.counts.given_up += self.total.entries as u64;
        *self = Self {
            closing: self.closing,
            next: self.next,
            counts: self.counts,
            ..Self::new(self.limits.clone())
        };
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.total.entries == 0
    }

    /// Notices that wait or are under way.
    pub fn len(&self) -> usize {
        self.total.entries
    }

    /// As [`Self::is_idle`].
    pub fn is_empty(&self) -> bool {
        self.is_idle()
    }

    /// Their bytes.
    pub fn bytes(&self) -> usize {
        self.total.bytes
    }

    /// What became of the others.
    pub fn counts(&self) -> QueueCounts {
        self.counts
    }

    fn make_ready(&mut self, lane: Lane) {
        let key = (lane.app, lane.family);
        self.families.entry(key).or_default().ready.push_back(lane);
        self.list(key);
    }

    /// Puts a family that can make a try on the list.
    fn list(&mut self, key: (AppId, Family)) {
        if let Some(places) = self.families.get_mut(&key)
            && !places.is_listed
            && places.taken < self.limits.in_flight
            && !places.ready.is_empty()
        {
            places.is_listed = true;
            self.ready.push_back(key);
        }
    }

    /// The first notice of a lane is done with; the next one is ready.
    fn drop_first(&mut self, lane: Lane) {
        let Some(waiting) = self.lanes.get_mut(&lane) else {
            return;
        };
        if let Some(entry) = waiting.entries.pop_front() {
            self.total.remove(entry.bytes);
            if let Some(share) = self.apps.get_mut(&lane.app) {
                share.remove(entry.bytes);
                if share.entries == 0 {
                    self.apps.remove(&lane.app);
                }
            }
        }
        if waiting.entries.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.make_ready(lane);
        }
    }

    fn forget_idle(&mut self, key: (AppId, Family)) {
        let is_idle = |places: &Places| places.taken == 0 && places.ready.is_empty();
        if self.families.get(&key).is_some_and(is_idle) {
            self.families.remove(&key);
        }
    }
}

impl Share {
    fn add(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.entries -= 1;
        self.bytes -= bytes;
    }
}
