//! The lists of sizes that the origin has, for the streams whose lists viewers ask for.
//!
//! A list is asked for with its first viewer, again from time to time while something that it names
//! is pulled, and forgotten soon after that is over: the next broadcast may have another one. What
//! the first answer is, a list or one size, it stays for as long as it is kept: players who were given
//! a Media Playlist at the stream's address ask for it there again, and could do nothing with a list.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info};

use super::Edge;
use super::client;
use super::failure::Failure;
use super::pull::Outcome;
use super::sizes::{self, BadList, Listed, Sizes};
use super::table;
use crate::broadcast::CommonClock;
use crate::stream_id::StreamId;

/// All lists by the ids of their streams. Every row's task is somewhere.
#[derive(Debug)]
pub(super) struct Lists {
    rows: Mutex<HashMap<StreamId, Arc<Row>>>,
    /// Streams that may be pulled, and as many rows of others.
    limit: usize,
    /// Requests to the origin that are under way.
    asking: Semaphore,
    /// Those for streams of which nothing is pulled, by the network that asks.
    learning: Mutex<HashMap<IpAddr, usize>>,
}

/// The list of one stream.
#[derive(Debug)]
pub(super) struct Row {
    stream: StreamId,
    shape: watch::Sender<Shape>,
    /// When it was begun, or answered.
    begun: Mutex<Instant>,
    /// Players were given a Media Playlist in its place.
    is_settled: AtomicBool,
    /// What the sizes date their segments by.
    clock: CommonClock,
}

/// What is known of a stream's list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// It is asked for.
    Asking,
    /// There is one size.
    One,
    /// It is not known.
    Unknown,
    /// These sizes.
    Several(Arc<Sizes>),
}

/// Why it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NoList {
    #[error("the origin has none")]
    NotFound,
    #[error("{0}")]
    Failed(Failure),
    #[error("the origin's list is not understood: {0}")]
    Bad(#[from] BadList),
}

impl Lists {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            rows: Mutex::default(),
            limit,
            asking: Semaphore::new(MAX_ASKING_LISTS),
            learning: Mutex::default(),
        }
    }

    /// The stream of which an id names a size, as far as it is known, and the size's name.
    pub(super) fn layer(&self, id: &StreamId) -> Option<(StreamId, &'static str)> {
        let (stream, name) = sizes::split(id)?;
        let rows = self.rows();
        let row = rows.get(stream)?;
        row.has(name).then(|| (row.stream.clone(), name))
    }

    /// Whether a stream is known to have several sizes.
    pub(super) fn has_several(&self, stream: &StreamId) -> bool {
        let rows = self.rows();
        let row = rows.get(stream);
        row.is_some_and(|row| matches!(&*row.shape.borrow(), Shape::Several(_)))
    }

    /// What a stream's sizes date their segments by.
    pub(super) fn clock(&self, stream: &StreamId) -> Option<CommonClock> {
        self.rows().get(stream).map(|row| row.clock.clone())
    }

    fn row(&self, stream: &StreamId) -> Option<Arc<Row>> {
        self.rows().get(stream).cloned()
    }

    /// A row for a stream that has none; `None` where there are as many as may be. Streams that are
    /// pulled are bounded, and always have room for theirs.
    fn add(
        &self,
        stream: &StreamId,
        clock: CommonClock,
        is_pulled: bool,
    ) -> Option<(Arc<Row>, bool)> {
        let mut rows = self.rows();
        if let Some(row) = rows.get(stream) {
            return Some((row.clone(), false));
        }
        if !is_pulled && rows.len() >= self.limit {
            return None;
        }
        let row = Arc::new(Row {
            stream: stream.clone(),
            shape: watch::Sender::new(Shape::Asking),
            begun: Mutex::new(Instant::now()),
            is_settled: AtomicBool::new(false),
            clock,
        });
        rows.insert(stream.clone(), row.clone());
        Some((row, true))
    }

    /// Forgets a row of which nothing is pulled; else says when to look again.
    fn forget(&self, row: &Arc<Row>, is_pulled: bool, now: Instant) -> Option<Instant> {
        let mut rows = self.rows();
        let stays_until = row.stays_until(is_pulled, now);
        if stays_until > now {
            return Some(stays_until);
        }
        rows.remove(&row.stream);
        None
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learning(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.learning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows().len()
    }
}

impl Row {
    fn begin(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn stays_until(&self, is_pulled: bool, now: Instant) -> Instant {
        let begun = *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let is_settled = self.is_settled.load(Ordering::Relaxed);
        match &*self.shape.borrow() {
            // Who comes later may ask again.
            Shape::Unknown if !is_settled => begun + UNKNOWN_STAYS,
            _ if is_pulled => now + LOOK,
            // Whoever has asked begins a pull now.
            _ => begun + UNPULLED_STAYS,
        }
    }

    fn has(&self, name: &str) -> bool {
        matches!(&*self.shape.borrow(), Shape::Several(sizes) if sizes.has(name))
    }

    /// Waits for the origin's answer.
    async fn answered(&self) -> Shape {
        let mut shape = self.shape.subscribe();
        let answered = shape.wait_for(|shape| *shape != Shape::Asking);
        match timeout(LIST_WAIT, answered).await {
            Ok(Ok(shape)) => shape.clone(),
            _ => Shape::Unknown,
        }
    }

    /// What is known with another answer of the origin.
    fn after(&self, heard: Result<Listed, NoList>) -> Shape {
        match (heard, &*self.shape.borrow()) {
            (Ok(Listed::Several(_)), Shape::Asking | Shape::One | Shape::Unknown)
                if self.is_settled.load(Ordering::Relaxed) =>
            {
                Shape::One
            }
            (Ok(Listed::Several(sizes)), _) => Shape::Several(Arc::new(sizes)),
            // Those who have the list play one of its sizes, and who comes now needs one.
            (Ok(Listed::One), Shape::Several(sizes)) => {
                Shape::Several(Arc::new(Sizes::clone(sizes).best()))
            }
            (Ok(Listed::One), _) => Shape::One,
            (Err(_), Shape::Several(sizes)) => Shape::Several(sizes.clone()),
            (Err(_), _) => Shape::Unknown,
        }
    }
}

impl NoList {
    fn label(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Failed(_) => "failed",
            Self::Bad(_) => "unreadable",
        }
    }
}

/// What asking for a list may come to, in the metrics.
pub(super) const LABELS: [&str; 5] = ["several", "one", "failed", "unreadable", "limit"];

impl Edge {
    /// The Multivariant Playlist of a stream that is pulled, in as many sizes as the origin has; `None`
    /// for one size, and where it is not known: the stream's own Media Playlist is what viewers have
    /// then. Returns when the origin has answered.
    pub async fn list(&self, stream: &StreamId) -> Option<String> {
        let row = match self.0.lists.row(stream) {
            Some(row) => row,
            // What is not pulled is not live: nothing is learnt of it.
            None => self.begin_list(stream, self.0.table.clock(stream)?, true)?,
        };
        match row.answered().await {
            Shape::Several(sizes) => Some(sizes.playlist()),
            Shape::Asking | Shape::One | Shape::Unknown => {
                row.is_settled.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// The stream that an id speaks of: the one of which it names a size, as far as that is known, or
    /// itself.
    pub fn stream_of(&self, id: &StreamId) -> StreamId {
        let layer = self.0.lists.layer(id);
        layer.map_or_else(|| id.clone(), |(stream, _)| stream)
    }

    /// The stream that is pulled for an id. A stream has its large picture at its own address, too:
    /// nobody needs it twice.
    pub fn pulled_as(&self, id: &StreamId) -> StreamId {
        match self.0.lists.layer(id) {
            Some((stream, sizes::LARGE)) if self.0.table.clock(id).is_none() => stream,
            _ => id.clone(),
        }
    }

    /// The stream of which an id may name a size, if that is not known and nothing is known of the
    /// id itself.
    pub fn may_be_of(&self, id: &StreamId) -> Option<StreamId> {
        let (stream, _) = sizes::split(id)?;
        let is_known = self.0.lists.layer(id).is_some() || self.0.table.clock(id).is_some();
        stream.parse().ok().filter(|_| !is_known)
    }

    /// Asks the origin for a client which sizes a stream has, if that is not known: those that it has
    /// are of this stream from then on. Whoever calls it has the right to play the stream.
    pub async fn learn(&self, stream: &StreamId, client: IpAddr) {
        let Some(learning) = Learning::begin(self, client) else {
            self.count_list("limit");
            return;
        };
        let clock = self.0.table.clock(stream).unwrap_or_default();
        let Some(row) = self.begin_list(stream, clock, false) else {
            return;
        };
        if !matches!(row.answered().await, Shape::Several(_)) {
            // Those who guess reach the origin at a bounded rate.
            let stays = async move {
                sleep(UNKNOWN_STAYS).await;
                drop(learning);
            };
            self.0.relay.runtime().spawn(stays);
        }
    }

    /// Whether the origin wants its addresses signed.
    pub fn signs(&self, stream: &StreamId) -> bool {
        (self.0.config.sign)(stream).is_some()
    }

    fn begin_list(
        &self,
        stream: &StreamId,
        clock: CommonClock,
        is_pulled: bool,
    ) -> Option<Arc<Row>> {
        if self.0.relay.is_shutting_down() {
            return None;
        }
        let Some((row, is_new)) = self.0.lists.add(stream, clock, is_pulled) else {
            self.count_list("limit");
            info!(%stream, "the origin is not asked for its list of sizes: too many are known");
            return None;
        };
        if is_new {
            let runtime = self.0.relay.runtime();
            runtime.spawn(keep(self.clone(), row.clone()));
        }
        Some(row)
    }

    /// Whether the stream or one of its sizes is pulled.
    fn pulls_some_of(&self, stream: &StreamId) -> bool {
        let table = &self.0.table;
        table.is_pulled(stream) || sizes::ids(stream).any(|id| table.is_pulled(&id))
    }

    fn count_list(&self, result: &str) {
        self.0.metrics.lists.with_label_values(&[result]).inc();
    }
}

/// A client that asks for the sizes of a stream of which nothing is pulled.
struct Learning {
    edge: Edge,
    network: IpAddr,
}

impl Learning {
    /// `None` for one that asks for too many, or where all together do.
    fn begin(edge: &Edge, client: IpAddr) -> Option<Self> {
        let network = table::network(client);
        let mut learning = edge.0.lists.learning();
        let all: usize = learning.values().sum();
        let own = learning.entry(network).or_default();
        let has_room = all < MAX_LEARNING && *own < MAX_LEARNING_OF_CLIENT;
        *own += usize::from(has_room);
        if *own == 0 {
            learning.remove(&network);
        }
        drop(learning);
        // Who has no room must not give any back: one is made only where it was counted.
        has_room.then(|| Self {
            edge: edge.clone(),
            network,
        })
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        let mut learning = self.edge.0.lists.learning();
        if let Some(own) = learning.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                learning.remove(&self.network);
            }
        }
    }
}

/// Asks for a list, and again while something of it is pulled; forgets it then. On the way down it
/// stays: players of a size ask for its last state.
async fn keep(edge: Edge, row: Arc<Row>) {
    while !edge.0.relay.is_shutting_down() {
        let heard = ask_first(&edge, &row).await;
        let stream = &row.stream;
        match &heard {
            Ok(Listed::Several(sizes)) => {
                edge.count_list("several");
                debug!(%stream, sizes = sizes.len(), "the origin has a list of sizes");
            }
            Ok(Listed::One) => edge.count_list("one"),
            Err(reason) => {
                edge.count_list(reason.label());
                info!(%stream, %reason, "the origin's list of sizes cannot be had");
            }
        }
        if *row.shape.borrow() == Shape::Asking {
            row.begin();
        }
        let shape = row.after(heard);
        let goes_on = matches!(shape, Shape::Several(_));
        row.shape.send_replace(shape);
        let again = Instant::now() + REFRESH;
        loop {
            let now = Instant::now();
            if goes_on && again <= now {
                break;
            }
            let Some(look) = edge.0.lists.forget(&row, edge.pulls_some_of(stream), now) else {
                return;
            };
            sleep_until(if goes_on { look.min(again) } else { look }).await;
        }
    }
}

/// The same as [`ask`]; the first time a few times where the origin has no answer for a moment, since
/// what is not known then stays so for as long as the stream is pulled.
async fn ask_first(edge: &Edge, row: &Row) -> Result<Listed, NoList> {
    let begun = Instant::now();
    loop {
        let heard = ask(edge, &row.stream).await;
        let is_first = *row.shape.borrow() == Shape::Asking;
        let has_time = begun.elapsed() < RETRIES_FOR;
        match heard {
            Err(NoList::Failed(_)) if is_first && has_time => sleep(RETRY).await,
            heard => return heard,
        }
    }
}

/// One request to the origin.
async fn ask(edge: &Edge, stream: &StreamId) -> Result<Listed, NoList> {
    let inner = &edge.0;
    // It is never closed.
    let _permit = inner.lists.asking.acquire().await.ok();
    let query = (inner.config.sign)(stream);
    let target = inner.config.origin.list_target(stream, query.as_deref());
    let heard = timeout(LIST_TIME, async {
        let answer = client::get(&inner.config.origin, &inner.config.tls, &target).await;
        let mut answer = answer.map_err(|outcome| match outcome {
            Outcome::NotFound => NoList::NotFound,
            Outcome::Ended => NoList::Failed(Failure::Broken),
            Outcome::Failed(failure) => NoList::Failed(failure),
        })?;
        let mut bytes = Vec::new();
        while let Some(frame) = answer.body.frame().await {
            let frame = frame.map_err(|_| NoList::Failed(Failure::Broken))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            inner.metrics.received_bytes.inc_by(data.len() as u64);
            bytes.extend_from_slice(&data);
            if Listed::is_one(&bytes) || bytes.len() > sizes::MAX_LIST {
                break;
            }
        }
        // A long Media Playlist is one all the same.
        if Listed::is_one(&bytes) {
            return Ok(Listed::One);
        }
        Ok(Listed::read(stream, &bytes)?)
    });
    heard.await.unwrap_or(Err(NoList::Failed(Failure::Timeout)))
}

/// Between two requests for a list that is used: players read it once, when they begin.
pub(super) const REFRESH: Duration = Duration::from_secs(10);

/// For one request. An origin waits 5 s for the first segment of a stream, and half a second for each
/// of its other sizes.
pub(super) const LIST_TIME: Duration = Duration::from_secs(8);

/// How long a viewer waits for the answer.
const LIST_WAIT: Duration = Duration::from_secs(9);

/// How long it is not asked again for what it did not tell, while no player goes by that.
const UNKNOWN_STAYS: Duration = Duration::from_secs(1);

/// How long a list is kept of which nothing is pulled.
const UNPULLED_STAYS: Duration = Duration::from_secs(10);

/// Between two looks at what is pulled.
const LOOK: Duration = Duration::from_secs(2);

/// Between two requests for a list of which nothing is known yet, and how long these go on.
const RETRY: Duration = Duration::from_secs(1);
const RETRIES_FOR: Duration = Duration::from_secs(2);

/// Requests for lists at once.
const MAX_ASKING_LISTS: usize = 32;

/// Clients at once that ask for the sizes of what is not pulled, and those of one network.
const MAX_LEARNING: usize = 256;
const MAX_LEARNING_OF_CLIENT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"#EXTM3U\n\
        #EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"c\",RESOLUTION=640x360\na_h.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=8,CODECS=\"c\",RESOLUTION=320x180\na_l.m3u8\n";

    fn id(text: &str) -> StreamId {
        text.parse().unwrap()
    }

    fn several() -> Result<Listed, NoList> {
        Ok(Listed::read(&id("a"), LIST)?)
    }

    fn row() -> (Lists, Arc<Row>) {
        let lists = Lists::new(2);
        let (row, is_new) = lists.add(&id("a"), CommonClock::default(), true).unwrap();
        assert!(is_new);
        (lists, row)
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_stays_while_something_of_it_is_pulled() {
        let (lists, row) = row();
        row.shape.send_replace(row.after(several()));
        assert_eq!(lists.layer(&id("a_l")), Some((id("a"), "l")));
        assert_eq!(lists.layer(&id("a_m")), None);
        assert_eq!(lists.layer(&id("b_l")), None);
        // Who has asked has not begun the pull yet.
        let begun = Instant::now();
        let look = lists.forget(&row, false, begun);
        assert_eq!(look, Some(begun + UNPULLED_STAYS));
        for _ in 0..3 {
            tokio::time::advance(UNPULLED_STAYS).await;
            let now = Instant::now();
            assert_eq!(lists.forget(&row, true, now), Some(now + LOOK));
        }
        assert_eq!(lists.forget(&row, false, Instant::now()), None);
        assert_eq!((lists.len(), lists.layer(&id("a_l"))), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_bounded_and_those_of_no_answer_are_soon_forgotten() {
        let (lists, row) = row();
        let add = |name: &str, is_pulled| lists.add(&id(name), CommonClock::default(), is_pulled);
        assert!(add("b", false).is_some());
        assert!(add("c", false).is_none());
        assert!(add("a", false).is_some_and(|(_, is_new)| !is_new));
        row.shape.send_replace(row.after(Err(NoList::NotFound)));
        tokio::time::advance(UNKNOWN_STAYS).await;
        assert_eq!(lists.forget(&row, true, Instant::now()), None);
        assert!(add("c", false).is_some());
        // Those of streams that are pulled have room of their own.
        assert!(add("d", false).is_none());
        assert!(add("d", true).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn players_who_were_given_a_media_playlist_keep_it() {
        let (lists, row) = row();
        row.is_settled.store(true, Ordering::Relaxed);
        assert_eq!(row.after(several()), Shape::One);
        row.shape.send_replace(row.after(Err(NoList::NotFound)));
        assert_eq!(*row.shape.borrow(), Shape::Unknown);
        tokio::time::advance(UNKNOWN_STAYS).await;
        assert!(lists.forget(&row, true, Instant::now()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn players_who_were_given_a_list_keep_one() {
        let (_, row) = row();
        row.shape.send_replace(row.after(several()));
        let known = row.shape.borrow().clone();
        assert_eq!(row.after(several()), known);
        let failed = NoList::Failed(Failure::Connect);
        assert_eq!(row.after(Err(failed)), known);
        let Shape::Several(sizes) = row.after(Ok(Listed::One)) else {
            panic!("they ask for sizes");
        };
        assert_eq!((sizes.len(), sizes.has("h")), (1, true));
    }
}
