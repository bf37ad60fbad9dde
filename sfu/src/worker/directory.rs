//! Which streams and sessions there are, and on which workers.

use std::collections::HashMap;

use relay::StreamId;

use super::api::{OfferError, Role, SessionId};

/// Control-path bookkeeping of all workers; media never looks at it.
#[derive(Debug)]
pub(crate) struct Directory {
    streams: HashMap<StreamId, Entry>,
    sessions: HashMap<SessionId, usize>,
    load: Vec<usize>,
    publishers: usize,
    subscribers: usize,
    max_sessions: usize,
    pub(crate) shutting_down: bool,
}

#[derive(Debug)]
struct Entry {
    home: usize,
    publishers: usize,
    sessions: usize,
}

/// Where a new session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) worker: usize,
    /// The worker of the publisher.
    pub(crate) home: usize,
}

impl Directory {
    pub(crate) fn new(workers: usize, max_sessions: usize) -> Self {
        Self {
            streams: HashMap::new(),
            sessions: HashMap::new(),
            load: vec![0; workers.max(1)],
            publishers: 0,
            subscribers: 0,
            max_sessions,
            shutting_down: false,
        }
    }

    /// Finds a worker for a session and writes the session down. Undone by [`Self::closed`].
    pub(crate) fn place(
        &mut self,
        stream: &StreamId,
        session: SessionId,
        role: Role,
    ) -> Result<Placement, OfferError> {
        if self.shutting_down {
            return Err(OfferError::ShuttingDown);
        }
        if self.sessions.len() >= self.max_sessions {
            return Err(OfferError::LimitReached {
                limit: self.max_sessions,
            });
        }
        let least = (0..self.load.len())
            .min_by_key(|w| self.load[*w])
            .unwrap_or(0);
        let placement = match (self.streams.get(stream), role) {
            (None, Role::Publisher) => Placement {
                worker: least,
                home: least,
            },
            (Some(entry), Role::Publisher) => Placement {
                worker: entry.home,
                home: entry.home,
            },
            (Some(entry), Role::Subscriber) if entry.publishers > 0 => {
                // The hop to another worker is worth it for a real difference only.
                let near = self.load[entry.home] < self.load[least] + SPREAD;
                Placement {
                    worker: if near { entry.home } else { least },
                    home: entry.home,
                }
            }
            (_, Role::Subscriber) => {
                return Err(OfferError::NotLive {
                    stream: stream.clone(),
                });
            }
        };
        let entry = self.streams.entry(stream.clone()).or_insert(Entry {
            home: placement.home,
            publishers: 0,
            sessions: 0,
        });
        entry.sessions += 1;
        match role {
            Role::Publisher => {
                entry.publishers += 1;
                self.publishers += 1;
            }
            Role::Subscriber => self.subscribers += 1,
        }
        self.load[placement.worker] += 1;
        self.sessions.insert(session, placement.worker);
        Ok(placement)
    }

    /// A session has ended, or was never opened.
    pub(crate) fn closed(&mut self, stream: &StreamId, session: SessionId, role: Role) {
        let Some(worker) = self.sessions.remove(&session) else {
            return;
        };
        if let Some(load) = self.load.get_mut(worker) {
            *load = load.saturating_sub(1);
        }
        match role {
            Role::Publisher => self.publishers = self.publishers.saturating_sub(1),
            Role::Subscriber => self.subscribers = self.subscribers.saturating_sub(1),
        }
        if let Some(entry) = self.streams.get_mut(stream) {
            entry.sessions = entry.sessions.saturating_sub(1);
            if role == Role::Publisher {
                entry.publishers = entry.publishers.saturating_sub(1);
            }
            if entry.sessions == 0 {
                self.streams.remove(stream);
            }
        }
    }

    pub(crate) fn worker_of(&self, session: SessionId) -> Option<usize> {
        self.sessions.get(&session).copied()
    }

    /// Publishers and subscribers.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.publishers, self.subscribers)
    }
}

/// A subscriber stays with its publisher's worker up to this many sessions more than on the
/// emptiest worker.
const SPREAD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> SessionId {
        SessionId::from_bits(n)
    }

    fn stream(name: &str) -> StreamId {
        name.parse().expect("stream id")
    }

    #[test]
    fn subscribers_spread_once_the_home_is_fuller() {
        let mut d = Directory::new(2, 1_000);
        let s = stream("a");
        let home = d.place(&s, id(0), Role::Publisher).expect("placed").home;
        let mut per_worker = [0; 2];
        for n in 1..=100 {
            per_worker[d.place(&s, id(n), Role::Subscriber).expect("placed").worker] += 1;
        }
        assert!(per_worker[home] - per_worker[1 - home] <= SPREAD as i32);
        assert!(per_worker[1 - home] > 40);
    }

    #[test]
    fn nothing_is_left_after_all_sessions_closed() {
        let mut d = Directory::new(2, 1_000);
        let s = stream("a");
        assert!(matches!(
            d.place(&s, id(9), Role::Subscriber),
            Err(OfferError::NotLive { .. })
        ));
        d.place(&s, id(0), Role::Publisher).expect("placed");
        d.place(&s, id(1), Role::Subscriber).expect("placed");
        d.closed(&s, id(0), Role::Publisher);
        assert!(matches!(
            d.place(&s, id(2), Role::Subscriber),
            Err(OfferError::NotLive { .. })
        ));
        d.closed(&s, id(1), Role::Subscriber);
        d.closed(&s, id(1), Role::Subscriber);
        assert!(d.streams.is_empty() && d.sessions.is_empty());
        assert_eq!(d.load, vec![0, 0]);
        assert_eq!(d.counts(), (0, 0));
    }

    #[test]
    fn sessions_are_limited() {
        let mut d = Directory::new(1, 1);
        d.place(&stream("a"), id(0), Role::Publisher)
            .expect("placed");
        assert_eq!(
            d.place(&stream("b"), id(1), Role::Publisher),
            Err(OfferError::LimitReached { limit: 1 })
        );
    }
}
