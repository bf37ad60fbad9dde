//! Parts one after the other, for viewers of an endless stream: where each is, and where it goes on
//! if it is too slow.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use packager::hls::InitSection;
use packager::time::MediaTime;
use tokio::sync::Notify;

use super::files::{Mark, OpenSegment};
use super::{State, Store};
use crate::viewer::{MaxLag, StartAt};

/// Media Sequence Number of a segment, and a part of it.
type Place = (u64, usize);

/// A viewer's place among the parts of a [`Store`].
#[derive(Debug)]
pub(crate) struct Follower {
    goal: Goal,
    /// How old the beginning was, which is no fault of the viewer's until it has caught up.
    headroom: Duration,
    /// Version of the initialization section that it has.
    init: Option<u32>,
}

/// What a viewer is to get next.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// Its first part.
    Beginning(StartAt),
    /// A part from here on that begins with a key frame.
    StartFrom(Place),
    At(Place),
}

/// What a follower finds.
#[derive(Debug)]
pub(crate) enum Next {
    Part {
        data: Bytes,
        /// The initialization section that it needs and the viewer has not got.
        init: Option<Box<InitSection>>,
        /// Parts before it were left out.
        skipped: bool,
    },
    /// Nothing yet.
    Wait {
        /// Parts were left out.
        skipped: bool,
    },
    /// Nothing any more.
    End,
}

impl Follower {
    pub(crate) fn new(start_at: StartAt) -> Self {
        Self {
            goal: Goal::Beginning(start_at),
            headroom: Duration::ZERO,
            init: None,
        }
    }
}

impl Store {
    /// The next part for a follower, which moves on.
    ///
    /// Who has fallen behind goes on at the newest part that begins with a key frame; where that is
    /// too old itself, with the next one.
    pub(crate) fn follow(&self, follower: &mut Follower, max_lag: MaxLag) -> Next {
        let state = self.read();
        let skipped = match follower.goal {
            Goal::At(place) => match state.overtaken(place, follower.headroom, max_lag) {
                Some(goal) => {
                    (follower.goal, follower.headroom) = (goal, Duration::ZERO);
                    true
                }
                None => false,
            },
            _ => false,
        };
        let place = match follower.goal {
            Goal::Beginning(start_at) => state.beginning(start_at, max_lag),
            Goal::StartFrom(from) => state.start_from(from),
            Goal::At(place) => Some(state.settled(place)),
        };
        let Some((place, found)) = place.and_then(|place| Some((place, state.found(place)?)))
        else {
            follower.headroom = match follower.goal {
                Goal::At(_) => Duration::ZERO,
                _ => follower.headroom,
            };
            return match state.edge.is_ended || state.is_halted {
                true => Next::End,
                false => Next::Wait { skipped },
            };
        };
        if let Goal::Beginning(_) = follower.goal {
            follower.headroom = state.newest_start().since(found.mark.start);
        }
        follower.goal = Goal::At((place.0, place.1 + 1));
        let version = found.init;
        let init = match follower.init == Some(version) {
            true => None,
            // It stays as long as what needs it.
            false => state.inits.iter().find(|init| init.version == version),
        };
        follower.init = Some(version);
        Next::Part {
            data: found.data,
            init: init.cloned().map(Box::new),
            skipped,
        }
    }

    /// The initialization section that a viewer begins with who comes now, once there is something to
    /// begin with.
    pub(crate) fn opening(&self) -> Option<InitSection> {
        let state = self.read();
        let place = state.beginning(StartAt::Newest, MaxLag(Duration::ZERO))?;
        let version = state.init_of(place)?;
        let mut inits = state.inits.iter();
        inits.find(|init| init.version == version).cloned()
    }

    /// Ends the streams of its followers once they have read what is there: what comes now it cannot
    /// carry.
    pub(crate) fn halt(&self) {
        self.write().is_halted = true;
        self.news.notify_waiters();
    }

    /// Takes back [`Store::halt`]. Who comes from now on begins with what comes from now on.
    pub(crate) fn resume(&self) {
        let mut state = self.write();
        if std::mem::take(&mut state.is_halted) {
            state.begins = state.playlist.next_sequence() + u64::from(state.open.is_some());
        }
    }

    /// Told with each part and at the end.
    pub(crate) fn news(&self) -> &Arc<Notify> {
        &self.news
    }
}

/// A part that is there.
struct Found {
    data: Bytes,
    mark: Mark,
    init: u32,
}

impl State {
    /// Where a viewer begins; `None` while there is no place to. What needs another initialization
    /// section than the newest part is no place.
    fn beginning(&self, start_at: StartAt, max_lag: MaxLag) -> Option<Place> {
        let (at, newest) = self.marks().next()?;
        let init = self.init_of(at)?;
        let mut starts = self
            .marks()
            .take_while(|(place, _)| place.0 >= self.begins && self.init_of(*place) == Some(init))
            .filter(|(_, mark)| mark.is_start);
        let (first, _) = starts.next()?;
        let earlier = starts.take_while(|(_, mark)| newest.start.since(mark.start) <= max_lag.0);
        Some(match start_at {
            StartAt::Newest => first,
            StartAt::Earlier => earlier.last().map_or(first, |(place, _)| place),
        })
    }

    /// The newest start, if it is not before this place.
    fn start_from(&self, from: Place) -> Option<Place> {
        let mut behind = self.marks().take_while(|(place, _)| *place >= from);
        let start = behind.find(|(_, mark)| mark.is_start);
        start.map(|(place, _)| place)
    }

    /// Where a viewer at a place has to skip to, if it is too far behind or what was there is gone:
    /// the newest start, or the next one where that is too old itself.
    fn overtaken(&self, at: Place, headroom: Duration, max_lag: MaxLag) -> Option<Goal> {
        let (newest_place, newest) = self.marks().next()?;
        let is_gone = at.0 < self.first();
        let settled = self.settled(at);
        let lag = match self.mark(settled) {
            Some(mark) => newest.start.since(mark.start),
            None if is_gone => Duration::MAX,
            None => return None,
        };
        // As good as always.
        if !max_lag.is_exceeded(lag, headroom, true) {
            return None;
        }
        let landing = self.marks().find(|(_, mark)| mark.is_start);
        let landing = landing.filter(|(_, mark)| !max_lag.is_stale(newest.start.since(mark.start)));
        let has_newer = landing.is_some_and(|(place, _)| place > settled);
        let goal = match landing {
            Some((place, _)) => Goal::At(place),
            None => Goal::StartFrom((newest_place.0, newest_place.1 + 1)),
        };
        let leads_on = has_newer || landing.is_none();
        (leads_on && max_lag.is_exceeded(lag, headroom, has_newer)).then_some(goal)
    }

    /// The same place, or the first of the next segment if it is behind the last part of one that has
    /// ended.
    fn settled(&self, (msn, part): Place) -> Place {
        match self.segment(msn) {
            Some(segment) if part >= segment.parts() => (msn + 1, 0),
            _ => (msn, part),
        }
    }

    fn found(&self, (msn, part): Place) -> Option<Found> {
        let (data, mark, init) = match self.segment(msn) {
            Some(segment) => (segment.part(part)?, segment.mark(part)?, segment.init),
            None => {
                let open = self.open_at(msn)?;
                (open.part(part)?, open.mark(part)?, open.init())
            }
        };
        let data = data.data;
        Some(Found { data, mark, init })
    }

    fn mark(&self, (msn, part): Place) -> Option<Mark> {
        match self.segment(msn) {
            Some(segment) => segment.mark(part),
            None => self.open_at(msn)?.mark(part),
        }
    }

    fn init_of(&self, (msn, _): Place) -> Option<u32> {
        match self.segment(msn) {
            Some(segment) => Some(segment.init),
            None => self.open_at(msn).map(OpenSegment::init),
        }
    }

    fn open_at(&self, msn: u64) -> Option<&OpenSegment> {
        let open = self.open.as_ref();
        open.filter(|_| msn == self.playlist.next_sequence())
    }

    /// When the newest part starts.
    fn newest_start(&self) -> MediaTime {
        let newest = self.marks().next();
        newest.map_or(MediaTime::ZERO, |(_, mark)| mark.start)
    }

    /// All parts, the newest first.
    fn marks(&self) -> impl Iterator<Item = (Place, Mark)> {
        let next = self.playlist.next_sequence();
        let open = self.open.iter().flat_map(move |open| {
            let parts = (0..open.parts()).rev();
            parts.filter_map(move |part| Some(((next, part), open.mark(part)?)))
        });
        let ended = self.segments.iter().rev().zip(1_u64..);
        open.chain(ended.flat_map(move |(segment, back)| {
            let msn = next.saturating_sub(back);
            let parts = (0..segment.parts()).rev();
            parts.filter_map(move |part| Some(((msn, part), segment.mark(part)?)))
        }))
    }
}

#[cfg(test)]
mod tests;
