//! The streams of an edge, and the places that they have: some that are asked for, some that are
//! live, some that were refused a moment ago.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::failure::EdgeRefusal;
use super::pull::Interest;
use crate::broadcast::CommonClock;
use crate::stream_id::StreamId;

/// All streams by their ids. Every entry's [`Place`] is somewhere.
#[derive(Debug)]
pub(super) struct Table {
    rows: Mutex<Rows>,
    /// Streams that may be live.
    limit: usize,
    /// Streams that are asked for or live.
    pulled: IntGauge,
    /// One is asked for or kept as refused no more.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Rows {
    streams: HashMap<StreamId, Arc<Stream>>,
    all: Counts,
    /// Those that were first asked for by each network: only where there is one, so that there are
    /// no more than streams.
    of_clients: HashMap<IpAddr, Counts>,
}

/// Streams by their states.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    asking: usize,
    live: usize,
    refused: usize,
}

/// One pull, as its viewers see it.
#[derive(Debug)]
pub(super) struct Stream {
    /// The network that asked first.
    client: IpAddr,
    interest: Mutex<Interest>,
    /// Changed while the table is held.
    state: watch::Sender<State>,
    /// Somebody came or left.
    news: Notify,
    /// What its segments are dated by, from the beginning of its task on.
    clock: OnceLock<CommonClock>,
}

/// How a stream is, for viewers who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Asking,
    Live,
    Refused(EdgeRefusal),
}

/// What somebody who comes for a stream finds.
pub(super) enum Found {
    /// It is pulled already, or was refused a moment ago.
    Known(Watching),
    /// It is to be pulled now.
    New(Watching, Place),
}

/// The place of a stream that is pulled. However its task ends, the place is free with it, and who
/// waits is told.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Table>,
    id: StreamId,
    stream: Arc<Stream>,
}

/// A viewer of a stream that is pulled.
#[derive(Debug)]
pub struct Watching(Arc<Stream>);

impl Table {
    pub(super) fn new(limit: usize, pulled: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            limit,
            pulled,
            freed: Notify::new(),
        })
    }

    /// Counts a viewer of a stream, with a place for it if it has none, for which it waits a while
    /// where others have them all.
    ///
    /// # Errors
    /// There is no place. Who comes to an edge that has just begun, with a whole audience, waits
    /// for no longer than the origin takes for those before.
    pub(super) async fn wait(
        self: &Arc<Self>,
        id: &StreamId,
        client: IpAddr,
    ) -> Result<Found, EdgeRefusal> {
        let end = Instant::now() + PLACE_WAIT;
        loop {
            // Listening starts before looking, so that nothing is missed in between.
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let refusal = match self.come(id, client) {
                Err(refusal @ (EdgeRefusal::TooManyRequests | EdgeRefusal::TooManyOfClient)) => {
                    refusal
                }
                found_or_full => return found_or_full,
            };
            if timeout_at(end, freed).await.is_err() {
                return Err(refusal);
            }
        }
    }

    fn come(self: &Arc<Self>, id: &StreamId, client: IpAddr) -> Result<Found, EdgeRefusal> {
        let client = network(client);
        let mut rows = self.rows();
        if let Some(stream) = rows.streams.get(id) {
            return Ok(Found::Known(Watching::new(stream)));
        }
        if rows.all.live >= self.limit {
            return Err(EdgeRefusal::TooManyStreams { limit: self.limit });
        }
        // Those who ask for what is not there reach the origin at a bounded rate.
        if rows.all.asking >= MAX_ASKING || rows.all.refused >= MAX_REFUSED {
            return Err(EdgeRefusal::TooManyRequests);
        }
        let of_client = rows.of_clients.get(&client).copied().unwrap_or_default();
        if of_client.asking >= MAX_ASKING_OF_CLIENT || of_client.refused >= MAX_REFUSED_OF_CLIENT {
            return Err(EdgeRefusal::TooManyOfClient);
        }
        let stream = Arc::new(Stream {
            client,
            interest: Mutex::new(Interest::new(Instant::now().into_std())),
            state: watch::Sender::new(State::Asking),
            news: Notify::new(),
            clock: OnceLock::new(),
        });
        let watching = Watching::new(&stream);
        rows.streams.insert(id.clone(), stream.clone());
        rows.add(&State::Asking, client);
        self.report(&rows);
        let place = Place {
            table: self.clone(),
            id: id.clone(),
            stream,
        };
        Ok(Found::New(watching, place))
    }

    /// Notes that somebody was there for a moment.
    pub(super) fn touch(&self, id: &StreamId) {
        if let Some(stream) = self.rows().streams.get(id) {
            stream.interest().touch(Instant::now().into_std());
        }
    }

    /// What the segments of a stream are dated by, if it is live.
    pub(super) fn clock(&self, id: &StreamId) -> Option<CommonClock> {
        let rows = self.rows();
        let stream = rows.streams.get(id)?;
        let is_live = *stream.state.borrow() == State::Live;
        stream.clock.get().filter(|_| is_live).cloned()
    }

    /// Whether a stream is asked for or live.
    pub(super) fn is_pulled(&self, id: &StreamId) -> bool {
        let rows = self.rows();
        let stream = rows.streams.get(id);
        stream.is_some_and(|stream| !matches!(&*stream.state.borrow(), State::Refused(_)))
    }

    fn report(&self, rows: &Rows) {
        let pulled = i64::try_from(rows.all.asking + rows.all.live);
        self.pulled.set(pulled.unwrap_or(i64::MAX));
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are asked for, live and refused.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let rows = self.rows();
        let sum = |counts: &Counts| counts.asking + counts.live + counts.refused;
        assert_eq!(rows.streams.len(), sum(&rows.all));
        let of_clients = rows.of_clients.values();
        assert_eq!(rows.streams.len(), of_clients.map(sum).sum::<usize>());
        assert!(rows.of_clients.values().all(|counts| sum(counts) > 0));
        [rows.all.asking, rows.all.live, rows.all.refused]
    }
}

impl Rows {
    fn add(&mut self, state: &State, client: IpAddr) {
        *self.all.of(state) += 1;
        *self.of_clients.entry(client).or_default().of(state) += 1;
    }

    fn remove(&mut self, state: &State, client: IpAddr) {
        *self.all.of(state) -= 1;
        if let Some(counts) = self.of_clients.get_mut(&client) {
            *counts.of(state) -= 1;
            if *counts == Counts::default() {
                self.of_clients.remove(&client);
            }
        }
    }
}

impl Counts {
    /// The number of streams in a state.
    fn of(&mut self, state: &State) -> &mut usize {
        match state {
            State::Asking => &mut self.asking,
            State::Live => &mut self.live,
            State::Refused(_) => &mut self.refused,
        }
    }
}

impl Place {
    pub(super) fn id(&self) -> &StreamId {
        &self.id
    }

    /// The stream's segments are dated by this clock.
    pub(super) fn set_clock(&self, clock: CommonClock) {
        // It is set once, by the task.
        let _ = self.stream.clock.set(clock);
    }

    /// Media has come.
    ///
    /// # Errors
    /// As many streams as allowed are live since it was asked for.
    pub(super) fn go_live(&self) -> Result<(), EdgeRefusal> {
        let mut rows = self.table.rows();
        let limit = self.table.limit;
        if rows.all.live >= limit {
            return Err(EdgeRefusal::TooManyStreams { limit });
        }
        self.change(&mut rows, State::Live);
        Ok(())
    }

    /// Tells all who wait, and all who come for as long as the place is kept.
    pub(super) fn refuse(&self, refusal: EdgeRefusal) {
        self.change(&mut self.table.rows(), State::Refused(refusal));
    }

    /// Leaves the table: who comes now begins a pull of its own.
    pub(super) fn leave(&self) {
        self.forget(&mut self.table.rows());
    }

    /// Returns once nobody has watched for as long as a live stream is kept, or one that is not live
    /// yet has nobody who waits; it has left the table then.
    pub(super) async fn unwatched(&self, linger: Duration) {
        loop {
            let now = Instant::now();
            match self.interest_ends(linger, now.into_std()) {
                Some(at) if at <= now => return,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.stream.news.notified() => {}
                },
                None => self.stream.news.notified().await,
            }
        }
    }

    /// When nobody is interested any more; `None` while somebody is there. A stream whose time is
    /// over is forgotten with the same look.
    fn interest_ends(&self, linger: Duration, now: std::time::Instant) -> Option<Instant> {
        let mut rows = self.table.rows();
        let linger = match *self.stream.state.borrow() {
            State::Live => linger,
            State::Asking | State::Refused(_) => Duration::ZERO,
        };
        let ends_at = self.stream.interest().ends_at(linger)?;
        if ends_at <= now {
            self.forget(&mut rows);
        }
        Some(ends_at.into())
    }

    fn change(&self, rows: &mut Rows, state: State) {
        if self.is_in(rows) {
            rows.remove(&self.stream.state.borrow(), self.stream.client);
            rows.add(&state, self.stream.client);
        }
        self.stream.state.send_replace(state);
        self.table.report(rows);
        self.table.freed.notify_waiters();
    }

    fn forget(&self, rows: &mut Rows) {
        if self.is_in(rows) {
            rows.streams.remove(&self.id);
            rows.remove(&self.stream.state.borrow(), self.stream.client);
        }
        self.table.report(rows);
        self.table.freed.notify_waiters();
    }

    fn is_in(&self, rows: &Rows) -> bool {
        let stream = rows.streams.get(&self.id);
        stream.is_some_and(|stream| Arc::ptr_eq(stream, &self.stream))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut rows = self.table.rows();
        if *self.stream.state.borrow() == State::Asking {
            let lost = EdgeRefusal::Origin(LOST.to_owned());
            self.change(&mut rows, State::Refused(lost));
        }
        self.forget(&mut rows);
    }
}

impl Stream {
    fn interest(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    fn new(stream: &Arc<Stream>) -> Self {
        stream.interest().come();
        stream.news.notify_one();
        Self(stream.clone())
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.interest().leave(Instant::now().into_std());
        self.0.news.notify_one();
    }
}

/// Streams that are asked for at once: more wait for nothing but an origin that is slow, or are made
/// up.
pub(super) const MAX_ASKING: usize = 64;

/// Refusals that are kept for a moment: streams that are asked for and are not there.
pub(super) const MAX_REFUSED: usize = 1_024;

/// Those among them that one client was the first to ask for: a share, so that nobody who guesses
/// names keeps all others from what is there.
pub(super) const MAX_ASKING_OF_CLIENT: usize = MAX_ASKING / 4;

/// Likewise.
pub(super) const MAX_REFUSED_OF_CLIENT: usize = MAX_REFUSED / 8;

/// How long is waited for a place among them: an origin answers within this, or not at all.
pub(super) const PLACE_WAIT: Duration = Duration::from_secs(4);

/// What counts as one client: an address, or the /64 that an IPv6 address is of.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What they are told whose pull ended without a word.
const LOST: &str = "the stream was lost";

#[cfg(test)]
mod tests {
    use super::*;

    fn table(limit: usize) -> Arc<Table> {
        Table::new(limit, IntGauge::new("pulled", "Streams").unwrap())
    }

    fn id(number: usize) -> StreamId {
        format!("stream-{number}").parse().unwrap()
    }

    /// Of as many as share the places evenly.
    fn client(number: usize) -> IpAddr {
        let network = u128::try_from(number / MAX_ASKING_OF_CLIENT).unwrap();
        Ipv6Addr::from_bits(0x2001_0db8 << 96 | network << 64 | number as u128).into()
    }

    fn new(table: &Arc<Table>, number: usize) -> (Watching, Place) {
        match table.come(&id(number), client(number)) {
            Ok(Found::New(watching, place)) => (watching, place),
            Ok(Found::Known(_)) => panic!("it is there"),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    fn refusal(table: &Arc<Table>, number: usize) -> Option<EdgeRefusal> {
        table.come(&id(number), client(number)).err()
    }

    #[test]
    fn one_client_has_a_share_of_the_places_alone() {
        let table = table(1);
        let guess = |number| {
            let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | number as u128);
            table.come(&id(number), address.into())
        };
        let full = Some(EdgeRefusal::TooManyOfClient);
        let mut asking: Vec<_> = (0..MAX_ASKING_OF_CLIENT).map(guess).collect();
        assert_eq!(guess(MAX_ASKING_OF_CLIENT).err(), full);
        assert!(guess(3).is_ok(), "one that is asked for");
        let other = MAX_REFUSED;
        let (_watching, _place) = new(&table, other);
        // Those that are refused count for themselves.
        let mut refused = Vec::new();
        for number in 0..MAX_REFUSED_OF_CLIENT {
            let found = match asking.pop() {
                Some(found) => found,
                None => guess(number + MAX_ASKING_OF_CLIENT),
            };
            let Ok(Found::New(_, place)) = found else {
                panic!("{number} is new");
            };
            place.refuse(EdgeRefusal::NotLive);
            refused.push(place);
        }
        assert_eq!(table.counts(), [1, 0, MAX_REFUSED_OF_CLIENT]);
        assert_eq!(guess(MAX_REFUSED).err(), None, "one that another asks for");
        assert_eq!(guess(MAX_REFUSED + 1).err(), full);
        new(&table, MAX_REFUSED + 1);
        refused.pop();
        assert!(guess(MAX_REFUSED + 1).is_ok());
        drop(refused);
        assert_eq!(table.counts(), [1, 0, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_freed_is_had_by_who_waits() {
        let table = table(1);
        let mut asking: Vec<_> = (0..MAX_ASKING).map(|n| new(&table, n)).collect();
        let start = Instant::now();
        let (more, address) = (id(MAX_ASKING), client(MAX_ASKING));
        let frees = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(asking.pop());
        };
        let (found, ()) = tokio::join!(table.wait(&more, address), frees);
        assert!(matches!(found, Ok(Found::New(..))));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        let found = table.wait(&id(MAX_ASKING - 1), address).await;
        assert_eq!(found.err(), Some(EdgeRefusal::TooManyRequests));
        assert_eq!(start.elapsed(), Duration::from_secs(3) + PLACE_WAIT);
    }

    #[test]
    fn those_that_are_asked_for_have_places_of_their_own() {
        let table = table(1);
        let asking: Vec<_> = (0..MAX_ASKING).map(|n| new(&table, n)).collect();
        assert_eq!(table.counts(), [MAX_ASKING, 0, 0]);
        assert_eq!(table.pulled.get(), MAX_ASKING as i64);
        assert_eq!(
            refusal(&table, MAX_ASKING),
            Some(EdgeRefusal::TooManyRequests)
        );
        assert!(refusal(&table, 3).is_none(), "one that is there");
        let [(_, first), (_, second)] = [&asking[0], &asking[1]];
        first.go_live().unwrap();
        let full = EdgeRefusal::TooManyStreams { limit: 1 };
        assert_eq!(second.go_live(), Err(full.clone()));
        second.refuse(full.clone());
        assert_eq!(table.counts(), [MAX_ASKING - 2, 1, 1]);
        assert_eq!(table.pulled.get(), MAX_ASKING as i64 - 1);
        assert_eq!(refusal(&table, MAX_ASKING), Some(full));
        drop(asking);
        assert_eq!(table.counts(), [0, 0, 0]);
        assert_eq!(table.pulled.get(), 0);
    }

    #[test]
    fn while_many_refusals_are_kept_nothing_new_is_asked_for() {
        let table = table(1);
        let mut refused = Vec::new();
        for number in 0..MAX_REFUSED {
            let (_, place) = new(&table, number);
            place.refuse(EdgeRefusal::NotLive);
            refused.push(place);
        }
        assert_eq!(table.counts(), [0, 0, MAX_REFUSED]);
        assert_eq!(
            refusal(&table, MAX_REFUSED),
            Some(EdgeRefusal::TooManyRequests)
        );
        refused.pop();
        let (_watching, _place) = new(&table, MAX_REFUSED);
    }

    #[test]
    fn a_task_that_ends_without_a_word_tells_those_who_wait() {
        let table = table(1);
        let (watching, place) = new(&table, 0);
        drop(place);
        let lost = EdgeRefusal::Origin(LOST.to_owned());
        assert_eq!(*watching.state().borrow(), State::Refused(lost));
        assert_eq!(table.counts(), [0, 0, 0]);
        // And one that is live ends with its broadcast.
        let (watching, place) = new(&table, 0);
        place.go_live().unwrap();
        drop(place);
        assert_eq!(*watching.state().borrow(), State::Live);
        assert_eq!(table.counts(), [0, 0, 0]);
    }

    #[test]
    fn a_place_that_was_left_is_not_that_of_the_next() {
        let table = table(1);
        let (_, old) = new(&table, 0);
        old.go_live().unwrap();
        old.leave();
        let (_, next) = new(&table, 0);
        old.refuse(EdgeRefusal::NotLive);
        drop(old);
        assert_eq!(table.counts(), [1, 0, 0]);
        next.go_live().unwrap();
        assert_eq!(table.counts(), [0, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_stream_that_was_live_is_kept_for_a_while() {
        let (table, linger) = (table(1), Duration::from_secs(30));
        let (watching, place) = new(&table, 0);
        let start = Instant::now();
        let leaves = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(watching);
        };
        tokio::join!(place.unwatched(linger), leaves);
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        let (watching, place) = new(&table, 0);
        place.go_live().unwrap();
        drop(watching);
        place.unwatched(linger).await;
        assert_eq!(start.elapsed(), Duration::from_secs(31));
        assert_eq!(table.counts(), [0, 0, 0]);
    }
}
