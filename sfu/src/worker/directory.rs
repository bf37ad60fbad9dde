//! Which streams and sessions there are, and on which workers.

use std::collections::HashMap;

use relay::StreamId;

use super::api::{OfferError, Owner, Role, SessionId, SessionRef};
use super::names::Names;
use super::published::Published;
use super::receive::ReceiveError;
use super::relaying::RelayError;
use crate::live::AppId;

/// Control-path bookkeeping of all workers; media never looks at it.
#[derive(Debug)]
pub(crate) struct Directory {
    streams: HashMap<StreamId, Entry>,
    sessions: HashMap<SessionId, usize>,
    /// Receivers and their workers; their streams are counted in `streams`.
    receivers: HashMap<SessionId, usize>,
    load: Vec<usize>,
    publishers: usize,
    subscribers: usize,
    max_sessions: usize,
    published: Published,
    names: Names,
    pub(crate) shutting_down: bool,
}

#[derive(Debug)]
struct Entry {
    home: usize,
    publishers: usize,
    sessions: usize,
    /// Of the publishers, while there are any.
    owner: Option<Owner>,
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
            receivers: HashMap::new(),
            load: vec![0; workers.max(1)],
            publishers: 0,
            subscribers: 0,
            max_sessions,
            published: Published::default(),
            names: Names::default(),
            shutting_down: false,
        }
    }

    /// Finds a worker for a session and writes the session down. Undone by [`Self::closed`].
    /// `owner` is whose stream a publisher's is; while it is live, other owners are refused.
    pub(crate) fn place(
        &mut self,
        stream: &StreamId,
        session: SessionId,
        role: Role,
        owner: Option<Owner>,
    ) -> Result<Placement, OfferError> {
        if self.shutting_down {
            return Err(OfferError::ShuttingDown);
        }
        if self.sessions.len() + self.receivers.len() >= self.max_sessions {
            return Err(OfferError::LimitReached {
                limit: self.max_sessions,
            });
        }
        let least = self.least();
        let placement = match (self.streams.get(stream), role) {
            (_, Role::Publisher) if !self.names.is_free(stream, stream) => {
                return Err(OfferError::Taken {
                    stream: stream.clone(),
                });
            }
            (None, Role::Publisher) => Placement {
                worker: least,
                home: least,
            },
            (Some(entry), Role::Publisher) if entry.publishers > 0 && entry.owner != owner => {
                return Err(OfferError::Taken {
                    stream: stream.clone(),
                });
            }
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
            owner: None,
        });
        entry.sessions += 1;
        match role {
            Role::Publisher => {
                entry.publishers += 1;
                entry.owner = owner;
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
        self.names.forget(session);
        match role {
            Role::Publisher => self.publishers = self.publishers.saturating_sub(1),
            Role::Subscriber => self.subscribers = self.subscribers.saturating_sub(1),
        }
        if role == Role::Publisher
            && let Some(entry) = self.streams.get_mut(stream)
        {
            entry.publishers = entry.publishers.saturating_sub(1);
        }
        self.left(stream);
    }

    /// Finds the worker of a receiver, or one for a new receiver, and the homes of the streams
    /// that it is to get. Each of those is counted as one more session on it: see [`Self::left`].
    /// The homes are those of publishers that are there or will come.
    pub(crate) fn place_receiver(
        &mut self,
        receiver: SessionId,
        streams: &[StreamId],
    ) -> Result<(usize, Vec<usize>), ReceiveError> {
        if self.shutting_down {
            return Err(ReceiveError::ShuttingDown);
        }
        let worker = match self.receivers.get(&receiver) {
            Some(worker) => *worker,
            None if streams.is_empty() => return Err(ReceiveError::UnknownReceiver { receiver }),
            None if self.sessions.len() + self.receivers.len() >= self.max_sessions => {
                return Err(ReceiveError::LimitReached {
                    limit: self.max_sessions,
                });
            }
            None => {
                let least = self.least();
                let home = streams.first().and_then(|s| self.streams.get(s));
                let worker = match home.map(|e| e.home) {
                    Some(home) if self.load[home] < self.load[least] + SPREAD => home,
                    _ => least,
                };
                self.load[worker] += 1;
                self.receivers.insert(receiver, worker);
                worker
            }
        };
        let homes = streams
            .iter()
            .map(|stream| {
                let entry = self.streams.entry(stream.clone()).or_insert(Entry {
                    home: worker,
                    publishers: 0,
                    sessions: 0,
                    owner: None,
                });
                entry.sessions += 1;
                entry.home
            })
            .collect();
        Ok((worker, homes))
    }

    /// A session has done with a stream.
    pub(crate) fn left(&mut self, stream: &StreamId) {
        if let Some(entry) = self.streams.get_mut(stream) {
            entry.sessions = entry.sessions.saturating_sub(1);
            if entry.sessions == 0 {
                self.streams.remove(stream);
            }
        }
    }

    /// A receiver has ended, or was never opened.
    pub(crate) fn receiver_closed(&mut self, receiver: SessionId) {
        if let Some(worker) = self.receivers.remove(&receiver)
            && let Some(load) = self.load.get_mut(worker)
        {
            *load = load.saturating_sub(1);
        }
    }

    pub(crate) fn worker_of_receiver(&self, receiver: SessionId) -> Option<usize> {
        self.receivers.get(&receiver).copied()
    }

    fn least(&self) -> usize {
        (0..self.load.len())
            .min_by_key(|w| self.load[*w])
            .unwrap_or(0)
    }

    /// A publisher is connected: from now on the stream is its app's.
    pub(crate) fn published(&mut self, stream: &StreamId) {
        let owner = self.streams.get(stream).and_then(|e| e.owner.as_ref());
        if let Some(app) = owner.and_then(Owner::app) {
            self.published.note(stream, app);
        }
    }

    /// A stream is relayed under a name from now on: it is the name of its app, too.
    pub(crate) fn relayed(&mut self, stream: &StreamId, name: &StreamId) {
        if let Some(app) = self.live_app(stream) {
            self.published.note(name, app);
        }
    }

    /// Holds a name for the relay of a session's stream. The stream's own id needs no hold.
    pub(crate) fn hold(&mut self, session: &SessionRef, name: &StreamId) -> Result<(), RelayError> {
        if self.shutting_down {
            return Err(RelayError::ShuttingDown);
        }
        if *name == session.stream {
            return Ok(());
        }
        let is_live = self.streams.get(name).is_some_and(|e| e.publishers > 0);
        if is_live || !self.names.hold(session.session, &session.stream, name) {
            return Err(RelayError::Taken {
                stream: name.clone(),
            });
        }
        Ok(())
    }

    /// Lets a name go that was held for a session.
    pub(crate) fn release(&mut self, session: SessionId, name: &StreamId) {
        self.names.release(session, name);
    }

    /// The app of the stream's publisher, connected or not.
    pub(crate) fn live_app(&self, stream: &StreamId) -> Option<AppId> {
        let entry = self.streams.get(stream).filter(|e| e.publishers > 0)?;
        entry.owner.as_ref()?.app()
    }

    /// Whose the stream is, and how many sessions receive it.
    pub(crate) fn audience(&self, stream: &StreamId) -> Option<(Owner, usize)> {
        let entry = self.streams.get(stream).filter(|e| e.publishers > 0)?;
        let viewers = entry.sessions.saturating_sub(entry.publishers);
        Some((entry.owner.clone()?, viewers))
    }

    /// Whose stream is relayed under a name, while it has a publisher.
    pub(crate) fn owner_under(&self, name: &StreamId) -> Option<&Owner> {
        let stream = self.names.stream_under(name).unwrap_or(name);
        let entry = self.streams.get(stream).filter(|e| e.publishers > 0)?;
        entry.owner.as_ref()
    }

    /// The app of the stream's last connected publisher.
    pub(crate) fn app_of(&self, stream: &StreamId) -> Option<AppId> {
        self.published.app_of(stream)
    }

    /// Streams whose app was known and is no longer, since the start.
    pub(crate) fn forgotten(&self) -> u64 {
        self.published.forgotten()
    }

    pub(crate) fn worker_of(&self, session: SessionId) -> Option<usize> {
        self.sessions.get(&session).copied()
    }

    /// Publishers and subscribers.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.publishers, self.subscribers)
    }

    pub(crate) fn receivers(&self) -> usize {
        self.receivers.len()
    }
}

/// A subscriber stays with its publisher's worker up to this many sessions more than on the
/// emptiest worker.
const SPREAD: usize = 8;

#[cfg(test)]
mod tests {
    use std::slice;

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
        let home = d
            .place(&s, id(0), Role::Publisher, None)
            .expect("placed")
            .home;
        let mut per_worker = [0; 2];
        for n in 1..=100 {
            per_worker[d
                .place(&s, id(n), Role::Subscriber, None)
                .expect("placed")
                .worker] += 1;
        }
        assert!(per_worker[home] - per_worker[1 - home] <= SPREAD as i32);
        assert!(per_worker[1 - home] > 40);
    }

    #[test]
    fn nothing_is_left_after_all_sessions_closed() {
        let mut d = Directory::new(2, 1_000);
        let s = stream("a");
        assert!(matches!(
            d.place(&s, id(9), Role::Subscriber, None),
            Err(OfferError::NotLive { .. })
        ));
        d.place(&s, id(0), Role::Publisher, None).expect("placed");
        d.place(&s, id(1), Role::Subscriber, None).expect("placed");
        d.closed(&s, id(0), Role::Publisher);
        assert!(matches!(
            d.place(&s, id(2), Role::Subscriber, None),
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
        d.place(&stream("a"), id(0), Role::Publisher, None)
            .expect("placed");
        assert_eq!(
            d.place(&stream("b"), id(1), Role::Publisher, None),
            Err(OfferError::LimitReached { limit: 1 })
        );
    }

    #[test]
    fn receivers_wait_for_a_stream_where_its_publisher_will_come() {
        let mut d = Directory::new(2, 3);
        let (a, b) = (stream("a"), stream("b"));
        d.place(&stream("c"), id(9), Role::Publisher, None)
            .expect("placed");
        let (worker, homes) = d
            .place_receiver(id(1), &[a.clone(), b.clone()])
            .expect("placed");
        assert_eq!((worker, homes), (1, vec![1, 1]));
        d.place(&stream("d"), id(8), Role::Publisher, None)
            .expect("placed");
        assert_eq!(
            d.place_receiver(id(2), slice::from_ref(&a)),
            Err(ReceiveError::LimitReached { limit: 3 })
        );
        d.closed(&stream("d"), id(8), Role::Publisher);
        let publisher = d
            .place(&a, id(3), Role::Publisher, None)
            .expect("the receiver makes it known, and nobody owns it");
        assert_eq!(publisher.home, 1);
        // The stream stays at home for as long as somebody waits for it.
        d.closed(&a, id(3), Role::Publisher);
        d.left(&b);
        assert_eq!(
            d.place_receiver(id(1), slice::from_ref(&b)),
            Ok((1, vec![1]))
        );
        d.left(&a);
        d.left(&b);
        d.receiver_closed(id(1));
        d.receiver_closed(id(1));
        d.closed(&stream("c"), id(9), Role::Publisher);
        assert!(d.streams.is_empty() && d.receivers.is_empty());
        assert_eq!(d.load, vec![0, 0]);
    }

    fn user(app: u32, name: &str) -> Option<Owner> {
        Some(Owner::User {
            app: AppId(app),
            user: name.parse().expect("user id"),
        })
    }

    #[test]
    fn a_live_stream_is_its_owners_and_a_free_one_is_anybodys() {
        let mut d = Directory::new(2, 100);
        let s = stream("a");
        let (anna, bert) = (user(1, "anna"), user(1, "bert"));
        let taken = Err(OfferError::Taken { stream: s.clone() });
        let mut next = 0;
        let mut publish = |d: &mut Directory, owner: &Option<Owner>| {
            next += 1;
            d.place(&s, id(next), Role::Publisher, owner.clone())
                .map(|_| id(next))
        };
        let first = publish(&mut d, &anna).expect("free");
        let second = publish(&mut d, &anna).expect("the same user again");
        let address = Some(Owner::PushAddress { app: AppId(1) });
        for other in [&bert, &user(2, "anna"), &address, &Some(Owner::Anybody)] {
            assert_eq!(publish(&mut d, other), taken.clone());
        }
        d.place(&s, id(99), Role::Subscriber, None).expect("live");
        d.closed(&s, first, Role::Publisher);
        assert_eq!(publish(&mut d, &bert), taken);
        d.closed(&s, second, Role::Publisher);
        // Its viewers still wait.
        publish(&mut d, &bert).expect("free again");
        assert_eq!(
            publish(&mut d, &anna),
            Err(OfferError::Taken { stream: s.clone() })
        );
    }

    fn session(n: u128, name: &str) -> SessionRef {
        SessionRef {
            stream: stream(name),
            session: id(n),
            role: Role::Publisher,
        }
    }

    #[test]
    fn a_relay_name_is_like_a_live_stream() {
        let mut d = Directory::new(1, 100);
        let (a, b, show) = (stream("a"), stream("b"), stream("show"));
        let place = |d: &mut Directory, n, s: &StreamId| {
            d.place(s, id(n), Role::Publisher, Some(Owner::Anybody))
        };
        place(&mut d, 1, &a).expect("free");
        place(&mut d, 2, &b).expect("free");
        let taken = |name: &StreamId| RelayError::Taken {
            stream: name.clone(),
        };
        assert_eq!(d.hold(&session(1, "a"), &b), Err(taken(&b)), "it is live");
        assert_eq!(d.hold(&session(1, "a"), &show), Ok(()));
        assert_eq!(d.hold(&session(2, "b"), &show), Err(taken(&show)));
        assert_eq!(
            place(&mut d, 3, &show),
            Err(OfferError::Taken {
                stream: show.clone()
            })
        );
        d.closed(&a, id(1), Role::Publisher);
        assert_eq!(d.hold(&session(2, "b"), &show), Ok(()));
        d.release(id(2), &show);
        place(&mut d, 3, &show).expect("free");
        assert_eq!(d.hold(&session(3, "show"), &show), Ok(()));
        d.shutting_down = true;
        assert_eq!(
            d.hold(&session(3, "show"), &stream("x")),
            Err(RelayError::ShuttingDown)
        );
    }

    #[test]
    fn a_relay_name_is_its_streams_apps() {
        let mut d = Directory::new(1, 100);
        let (a, show) = (stream("a"), stream("show"));
        d.place(&a, id(1), Role::Publisher, user(7, "anna"))
            .expect("free");
        d.relayed(&a, &show);
        assert_eq!(d.owner_under(&show), None);
        assert_eq!(d.hold(&session(1, "a"), &show), Ok(()));
        for name in [&a, &show] {
            assert_eq!(d.owner_under(name), user(7, "anna").as_ref());
        }
        d.closed(&a, id(1), Role::Publisher);
        assert_eq!(d.owner_under(&a), None);
        assert_eq!(d.app_of(&show), Some(AppId(7)));
    }

    #[test]
    fn a_stream_becomes_its_apps_once_the_publisher_is_connected() {
        let mut d = Directory::new(1, 100);
        let s = stream("a");
        d.place(&s, id(1), Role::Publisher, user(7, "anna"))
            .expect("free");
        assert_eq!((d.app_of(&s), d.live_app(&s)), (None, Some(AppId(7))));
        d.published(&s);
        assert_eq!(d.app_of(&s), Some(AppId(7)));
        d.closed(&s, id(1), Role::Publisher);
        assert_eq!(d.live_app(&s), None);
        assert_eq!(d.app_of(&s), Some(AppId(7)), "its playlist is still there");
        d.published(&stream("b"));
        assert_eq!(d.app_of(&stream("b")), None);
    }
}
