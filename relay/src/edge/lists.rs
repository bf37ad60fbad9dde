//! The lists of sizes that the origin has, for the streams whose lists viewers ask for.
//!
//! A list is asked for with its first viewer, again from time to time while somebody plays what it
//! names, and forgotten some time after the last one. What the first answer is, a list or one size,
//! it stays for as long as it is kept: players who were given a Media Playlist at the stream's
//! address ask for it there again, and could do nothing with a list.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};

use super::Edge;
use super::client;
use super::failure::Failure;
use super::pull::Outcome;
use super::sizes::{self, BadList, Listed, Sizes};
use crate::broadcast::CommonClock;
use crate::stream_id::StreamId;

/// All lists by the ids of their streams. Every row's task is somewhere.
#[derive(Debug)]
pub(super) struct Lists {
    rows: Mutex<HashMap<StreamId, Arc<Row>>>,
    /// Rows that may be.
    limit: usize,
    /// How long one is kept that nobody uses.
    linger: Duration,
    /// Requests to the origin that are under way.
    asking: Semaphore,
}

/// The list of one stream.
#[derive(Debug)]
pub(super) struct Row {
    stream: StreamId,
    shape: watch::Sender<Shape>,
    used: Mutex<Instant>,
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
    pub(super) fn new(limit: usize, linger: Duration) -> Self {
        Self {
            rows: Mutex::default(),
            limit,
            linger,
            asking: Semaphore::new(MAX_ASKING_LISTS),
        }
    }

    /// The stream of which an id names a size, as far as it is known, and the size's name.
    pub(super) fn layer(&self, id: &StreamId) -> Option<(StreamId, &'static str)> {
        let (stream, name) = sizes::split(id)?;
        let rows = self.rows();
        let row = rows.get(stream)?;
        row.has(name).then(|| (row.stream.clone(), name))
    }

    /// Notes that somebody plays a stream, or one of its sizes.
    pub(super) fn touch(&self, stream: &StreamId) {
        if let Some(row) = self.rows().get(stream) {
            row.touch();
        }
    }

    /// What a stream's sizes date their segments by.
    pub(super) fn clock(&self, stream: &StreamId) -> Option<CommonClock> {
        self.rows().get(stream).map(|row| row.clock.clone())
    }

    /// The row of a stream, which is used now.
    fn row(&self, stream: &StreamId) -> Option<Arc<Row>> {
        let rows = self.rows();
        let row = rows.get(stream)?;
        row.touch();
        Some(row.clone())
    }

    /// A row for a stream that has none; `None` where there are as many as may be.
    fn add(&self, stream: &StreamId, clock: CommonClock) -> Option<(Arc<Row>, bool)> {
        let mut rows = self.rows();
        if let Some(row) = rows.get(stream) {
            row.touch();
            return Some((row.clone(), false));
        }
        if rows.len() >= self.limit {
            return None;
        }
        let row = Arc::new(Row {
            stream: stream.clone(),
            shape: watch::Sender::new(Shape::Asking),
            used: Mutex::new(Instant::now()),
            is_settled: AtomicBool::new(false),
            clock,
        });
        rows.insert(stream.clone(), row.clone());
        Some((row, true))
    }

    /// Forgets a row that nobody uses; else says when it may be forgotten.
    fn forget(&self, row: &Arc<Row>, now: Instant) -> Option<Instant> {
        let mut rows = self.rows();
        let ends_at = row.ends_at(self.linger);
        if ends_at > now {
            return Some(ends_at);
        }
        rows.remove(&row.stream);
        None
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Row>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows().len()
    }
}

impl Row {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn ends_at(&self, linger: Duration) -> Instant {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_settled = self.is_settled.load(Ordering::Relaxed);
        match &*self.shape.borrow() {
            // Who comes later may ask again.
            Shape::Unknown if !is_settled => used + UNKNOWN_STAYS,
            _ => used + linger,
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
            None => self.begin_list(stream, self.0.table.clock(stream)?)?,
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

    /// Asks the origin which sizes a stream has, if that is not known: those that it has are of this
    /// stream from then on. Whoever calls it has the right to play the stream.
    pub async fn learn(&self, stream: &StreamId) {
        let clock = self.0.table.clock(stream).unwrap_or_default();
        if let Some(row) = self.begin_list(stream, clock) {
            row.answered().await;
        }
    }

    /// Whether the origin wants its addresses signed.
    pub fn signs(&self, stream: &StreamId) -> bool {
        (self.0.config.sign)(stream).is_some()
    }

    fn begin_list(&self, stream: &StreamId, clock: CommonClock) -> Option<Arc<Row>> {
        if self.0.relay.is_shutting_down() {
            return None;
        }
        let Some((row, is_new)) = self.0.lists.add(stream, clock) else {
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

    fn count_list(&self, result: &str) {
        self.0.metrics.lists.with_label_values(&[result]).inc();
    }
}

/// Asks for a list, and again while it is used; forgets it then.
async fn keep(edge: Edge, row: Arc<Row>) {
    while !edge.0.relay.is_shutting_down() {
        let heard = ask(&edge, &row.stream).await;
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
            // Those who waited use it from now on.
            row.touch();
        }
        let shape = row.after(heard);
        let goes_on = matches!(shape, Shape::Several(_));
        row.shape.send_replace(shape);
        let again = Instant::now() + REFRESH;
        loop {
            let Some(unused) = edge.0.lists.forget(&row, Instant::now()) else {
                return;
            };
            match goes_on && again <= unused {
                true => {
                    sleep_until(again).await;
                    break;
                }
                false => sleep_until(unused).await,
            }
        }
    }
    // Nobody is served from it any more.
    edge.0.lists.rows().remove(&row.stream);
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

/// Requests for lists at once.
const MAX_ASKING_LISTS: usize = 32;

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
        let lists = Lists::new(2, Duration::from_secs(30));
        let (row, is_new) = lists.add(&id("a"), CommonClock::default()).unwrap();
        assert!(is_new);
        (lists, row)
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_stays_for_as_long_as_somebody_uses_it() {
        let (lists, row) = row();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        row.shape.send_replace(row.after(several()));
        assert_eq!(lists.layer(&id("a_l")), Some((id("a"), "l")));
        assert_eq!(lists.layer(&id("a_m")), None);
        assert_eq!(lists.layer(&id("b_l")), None);
        tokio::time::advance(20 * second).await;
        assert_eq!(
            lists.forget(&row, Instant::now()),
            Some(start + 30 * second)
        );
        lists.touch(&id("a"));
        tokio::time::advance(20 * second).await;
        assert_eq!(
            lists.forget(&row, Instant::now()),
            Some(start + 50 * second)
        );
        tokio::time::advance(10 * second).await;
        assert_eq!(lists.forget(&row, Instant::now()), None);
        assert_eq!((lists.len(), lists.layer(&id("a_l"))), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_bounded_and_those_of_no_answer_are_soon_forgotten() {
        let (lists, row) = row();
        let clock = CommonClock::default;
        assert!(lists.add(&id("b"), clock()).is_some());
        assert!(lists.add(&id("c"), clock()).is_none());
        assert!(
            lists
                .add(&id("a"), clock())
                .is_some_and(|(_, is_new)| !is_new)
        );
        row.shape.send_replace(row.after(Err(NoList::NotFound)));
        tokio::time::advance(UNKNOWN_STAYS).await;
        assert_eq!(lists.forget(&row, Instant::now()), None);
        assert!(lists.add(&id("c"), clock()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn players_who_were_given_a_media_playlist_keep_it() {
        let (lists, row) = row();
        row.is_settled.store(true, Ordering::Relaxed);
        assert_eq!(row.after(several()), Shape::One);
        row.shape.send_replace(row.after(Err(NoList::NotFound)));
        assert_eq!(*row.shape.borrow(), Shape::Unknown);
        tokio::time::advance(UNKNOWN_STAYS).await;
        assert!(lists.forget(&row, Instant::now()).is_some());
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
