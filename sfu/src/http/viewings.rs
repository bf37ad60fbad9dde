//! Who watches FLV or endless fMP4 now, and who may watch no more: an operator ends a viewer, and keeps its address
//! or its signed address out for a time.
//!
//! Both are in one table, so that nobody who was refused while its request was on the way slips in.
//! Times are Unix seconds. Revocations outlive the process in a file of the data folder, where there
//! is one.

mod file;
mod keeper;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use relay::edge::Watching;
use relay::{StreamId, ViewerWatch};
use thiserror::Error;
use tokio::sync::watch;

pub use self::file::{KeptRevocations, RevocationsError};
pub use self::keeper::RevocationKeeper;

use super::metrics::HttpMetrics;
use crate::live::AppId;
use crate::signal::{Place, network};

/// Viewers and revocations; clones share them.
#[derive(Debug, Clone)]
pub struct Viewings {
    table: Arc<Mutex<Table>>,
    /// Revocations are others now.
    changed: watch::Sender<()>,
    metrics: HttpMetrics,
}

#[derive(Debug, Default)]
struct Table {
    /// As many as the relay has places for.
    open: BTreeMap<(StreamId, u64), Open>,
    last_viewer: u64,
    revoked: HashMap<Rule, Revoked>,
    last_revocation: u64,
    /// When the first revocation is over, at the earliest.
    next_end: u64,
}

/// Who asks for a stream, as far as revocations can name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The app that the stream is of, if that is known.
    pub app: Option<AppId>,
    /// The stream, without the name of a variant.
    pub stream: StreamId,
    /// The client's address.
    pub address: IpAddr,
    /// The secret of the signed address that it uses.
    pub secret: Option<[u8; 16]>,
}

#[derive(Debug)]
struct Open {
    asker: Asker,
    transport: &'static str,
    since: u64,
    watch: ViewerWatch,
}

/// One viewer, for as long as it watches.
#[derive(Debug)]
pub(super) struct Viewing {
    of: Viewings,
    key: (StreamId, u64),
    _kept: Kept,
}

/// What a viewer has for as long as it watches.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its place among those of its address.
    pub(super) _place: Place,
    /// Its interest in a stream that is pulled from an origin.
    pub(super) _watching: Option<Watching>,
}

/// A viewer as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewerInfo {
    /// Its number: later ones have larger ones.
    pub id: u64,
    /// Who it is.
    pub asker: Asker,
    /// `http` or `websocket`.
    pub transport: &'static str,
    /// When it came, in Unix seconds.
    pub since: u64,
    /// Bytes of the stream that its connection was given.
    pub sent_bytes: u64,
}

/// Whom a revocation keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// An address; of IPv6 the whole /64.
    Address(IpAddr),
    /// All who use a signed address with this secret.
    Secret([u8; 16]),
}

/// What is refused: a target in an app, in one stream or in all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Rule {
    app: AppId,
    target: Target,
    stream: Option<StreamId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revoked {
    id: u64,
    until: u64,
}

/// A revocation as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its number.
    pub id: u64,
    /// Who is kept out.
    pub target: Target,
    /// Of this stream alone.
    pub stream: Option<StreamId>,
    /// Until when, in Unix seconds.
    pub until: u64,
}

/// What a revocation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// The number under which it is kept; none if it is for no time.
    pub id: Option<u64>,
    /// Viewers that were ended.
    pub ended: usize,
}

/// As many revocations hold as there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{MAX_REVOCATIONS} revocations hold, and no more are kept; lift some, or name addresses")]
pub struct TooMany;

impl Viewings {
    /// Nobody yet.
    pub fn new(metrics: HttpMetrics) -> Self {
        Self {
            table: Arc::default(),
            changed: watch::Sender::new(()),
            metrics,
        }
    }

    /// Until when one who asks is kept out, if it is.
    pub(super) fn refused(&self, now: u64, asker: &Asker) -> Option<u64> {
        let mut table = self.table();
        self.forget_old(&mut table, now);
        table.refused(now, asker)
    }

    /// Notes a viewer who begins to watch.
    ///
    /// # Errors
    /// Until when it is kept out, if it was revoked since it asked.
    pub(super) fn begin(
        &self,
        now: u64,
        asker: Asker,
        transport: &'static str,
        watch: ViewerWatch,
        kept: Kept,
    ) -> Result<Viewing, u64> {
        let mut table = self.table();
        if let Some(until) = table.refused(now, &asker) {
            return Err(until);
        }
        table.last_viewer += 1;
        let key = (asker.stream.clone(), table.last_viewer);
        let open = Open {
            asker,
            transport,
            since: now,
            watch,
        };
        table.open.insert(key.clone(), open);
        Ok(Viewing {
            of: self.clone(),
            key,
            _kept: kept,
        })
    }

    /// Viewers of an app's stream who came after the one with this number, in that order.
    pub fn list(&self, app: AppId, stream: &StreamId, after: u64, limit: usize) -> Vec<ViewerInfo> {
        let table = self.table();
        let from = (stream.clone(), after.saturating_add(1));
        let to = (stream.clone(), u64::MAX);
        let mut viewers = Vec::new();
        // No viewer has the last of all numbers.
        if from < to {
            let of_app = table.open.range(from..to);
            let of_app = of_app.filter(|(_, open)| open.asker.app == Some(app));
            viewers.extend(of_app.take(limit).map(|(key, open)| open.info(key.1)));
        }
        viewers
    }

    /// Ends one viewer of an app's stream, and keeps its signed address out of the stream for so
    /// many seconds, or its address if that is not signed.
    ///
    /// # Errors
    /// [`TooMany`]; the viewer watches on then.
    pub fn end(
        &self,
        now: u64,
        app: AppId,
        stream: &StreamId,
        viewer: u64,
        seconds: u64,
    ) -> Result<Done, TooMany> {
        let mut table = self.table();
        let key = (stream.clone(), viewer);
        let open = table.open.get(&key);
        let Some(open) = open.filter(|open| open.asker.app == Some(app)) else {
            return Ok(Done { id: None, ended: 0 });
        };
        let (watch, asker) = (open.watch.clone(), &open.asker);
        let target = asker
            .secret
            .map_or_else(|| Target::address(asker.address), Target::Secret);
        let rule = Rule {
            app,
            target,
            stream: Some(stream.clone()),
        };
        let id = self.keep(&mut table, now, rule, seconds)?;
        watch.revoke();
        Ok(Done { id, ended: 1 })
    }

    /// Ends all viewers that the target names, of one of the app's streams or of all, and keeps
    /// those like them out for so many seconds.
    ///
    /// # Errors
    /// [`TooMany`]; they watch on then.
    pub fn revoke(
        &self,
        now: u64,
        app: AppId,
        target: Target,
        stream: Option<StreamId>,
        seconds: u64,
    ) -> Result<Done, TooMany> {
        let target = match target {
            Target::Address(address) => Target::address(address),
            secret @ Target::Secret(_) => secret,
        };
        let rule = Rule {
            app,
            target,
            stream,
        };
        let mut table = self.table();
        let id = self.keep(&mut table, now, rule.clone(), seconds)?;
        let named = table.open.values().filter(|open| rule.names(&open.asker));
        let ended = named.inspect(|open| open.watch.revoke()).count();
        Ok(Done { id, ended })
    }

    /// Revocations of an app that hold, after the one with this number, in their order.
    pub fn revocations(&self, now: u64, app: AppId, after: u64, limit: usize) -> Vec<Revocation> {
        let mut table = self.table();
        self.forget_old(&mut table, now);
        let of_app = table.revoked.iter().filter(|(rule, _)| rule.app == app);
        let mut found: Vec<_> = of_app
            .filter(|(_, revoked)| revoked.id > after)
            .map(|(rule, revoked)| Revocation {
                id: revoked.id,
                target: rule.target,
                stream: rule.stream.clone(),
                until: revoked.until,
            })
            .collect();
        found.sort_by_key(|revocation| revocation.id);
        found.truncate(limit);
        found
    }

    /// Lifts a revocation of an app, if it still holds.
    pub fn lift(&self, app: AppId, id: u64) {
        let mut table = self.table();
        let before = table.revoked.len();
        table
            .revoked
            .retain(|rule, revoked| rule.app != app || revoked.id != id);
        if table.revoked.len() < before {
            self.changed.send_replace(());
        }
        self.count(&table);
    }

    /// Takes over those that an earlier process kept.
    fn restore(&self, kept: KeptRevocations) {
        let mut table = self.table();
        let ends = kept.revoked.values().map(|revoked| revoked.until);
        table.next_end = ends.min().unwrap_or(0);
        table.revoked = kept.revoked;
        table.last_revocation = kept.last;
        self.count(&table);
    }

    /// The text that keeps those that hold.
    fn kept(&self, now: u64) -> Vec<u8> {
        let (revoked, last) = {
            let table = self.table();
            (table.revoked.clone(), table.last_revocation)
        };
        file::text(&revoked, last, now)
    }

    fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn keep(
        &self,
        table: &mut Table,
        now: u64,
        rule: Rule,
        seconds: u64,
    ) -> Result<Option<u64>, TooMany> {
        if seconds == 0 {
            return Ok(None);
        }
        self.forget_old(table, now);
        if table.revoked.len() >= MAX_REVOCATIONS && !table.revoked.contains_key(&rule) {
            self.metrics.revocations_refused.inc();
            return Err(TooMany);
        }
        table.last_revocation += 1;
        let revoked = Revoked {
            id: table.last_revocation,
            until: now.saturating_add(seconds),
        };
        table.next_end = match table.revoked.is_empty() {
            true => revoked.until,
            false => table.next_end.min(revoked.until),
        };
        // The newest word on the same rule counts.
        table.revoked.insert(rule, revoked);
        self.changed.send_replace(());
        self.count(table);
        Ok(Some(revoked.id))
    }

    fn forget_old(&self, table: &mut Table, now: u64) {
        if table.revoked.is_empty() || now < table.next_end {
            return;
        }
        table.revoked.retain(|_, revoked| revoked.until > now);
        let ends = table.revoked.values().map(|revoked| revoked.until);
        table.next_end = ends.min().unwrap_or(0);
        self.count(table);
    }

    fn count(&self, table: &Table) {
        let count = i64::try_from(table.revoked.len()).unwrap_or(i64::MAX);
        self.metrics.revocations.set(count);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds it can panic half-way.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn refused(&self, now: u64, asker: &Asker) -> Option<u64> {
        if self.revoked.is_empty() {
            return None;
        }
        let app = asker.app?;
        let address = Target::address(asker.address);
        let targets = [Some(address), asker.secret.map(Target::Secret)];
        let until = |target: Target, stream: Option<&StreamId>| {
            let rule = Rule {
                app,
                target,
                stream: stream.cloned(),
            };
            let revoked = self.revoked.get(&rule)?;
            (revoked.until > now).then_some(revoked.until)
        };
        targets
            .into_iter()
            .flatten()
            .flat_map(|target| [until(target, None), until(target, Some(&asker.stream))])
            .flatten()
            .max()
    }
}

impl Target {
    fn address(address: IpAddr) -> Self {
        Self::Address(network(address))
    }
}

impl Rule {
    fn names(&self, asker: &Asker) -> bool {
        let is_target = match self.target {
            Target::Address(network_of) => network(asker.address) == network_of,
            Target::Secret(secret) => asker.secret == Some(secret),
        };
        let is_stream = self.stream.as_ref().is_none_or(|id| *id == asker.stream);
        asker.app == Some(self.app) && is_target && is_stream
    }
}

impl Open {
    fn info(&self, id: u64) -> ViewerInfo {
        ViewerInfo {
            id,
            asker: self.asker.clone(),
            transport: self.transport,
            since: self.since,
            sent_bytes: self.watch.sent_bytes(),
        }
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.of.table().open.remove(&self.key);
    }
}

/// Revocations of all apps that hold at once.
const MAX_REVOCATIONS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::signal::Places;

    const APP: AppId = AppId(1);
    const SECRET: [u8; 16] = [7; 16];

    fn viewings() -> Viewings {
        Viewings::new(HttpMetrics::register(&prometheus::Registry::new()).unwrap())
    }

    fn asker(stream: &str, address: &str, secret: Option<[u8; 16]>) -> Asker {
        Asker {
            app: Some(APP),
            stream: stream.parse().unwrap(),
            address: address.parse().unwrap(),
            secret,
        }
    }

    fn begin(all: &Viewings, asker: Asker) -> Result<(Viewing, ViewerWatch), u64> {
        let watch = ViewerWatch::new(Duration::from_secs(10));
        let place = Places::new(usize::MAX, usize::MAX).take(asker.address);
        let kept = Kept {
            _place: place.unwrap(),
            _watching: None,
        };
        all.begin(100, asker, "http", watch.clone(), kept)
            .map(|viewing| (viewing, watch))
    }

    #[tokio::test]
    async fn one_viewer_is_ended_and_only_what_it_came_with_is_kept_out() {
        let all = viewings();
        let signed = asker("a", "192.0.2.1", Some(SECRET));
        let (_ended, ended) = begin(&all, signed.clone()).unwrap();
        let (_other, other) = begin(&all, signed.clone()).unwrap();
        let stream = signed.stream.clone();
        // Of another app, or of another stream, it is nobody.
        let none = Done { id: None, ended: 0 };
        assert_eq!(all.end(100, AppId(2), &stream, 1, 60), Ok(none));
        assert_eq!(all.end(100, APP, &"b".parse().unwrap(), 1, 60), Ok(none));
        let done = all.end(100, APP, &stream, 1, 60).unwrap();
        assert_eq!((done.ended, done.id), (1, Some(1)));
        assert!(ended.is_revoked() && !other.is_revoked());
        assert_eq!(all.refused(159, &signed), Some(160));
        assert_eq!(begin(&all, signed.clone()).unwrap_err(), 160);
        // Others of its address come in, and so does the same signature in time.
        assert_eq!(all.refused(159, &asker("a", "192.0.2.1", None)), None);
        assert_eq!(all.refused(160, &signed), None);
        assert!(all.revocations(160, APP, 0, 10).is_empty());
        assert_eq!(all.metrics.revocations.get(), 0);
    }

    #[tokio::test]
    async fn an_address_is_ended_in_one_stream_or_in_all_of_the_app() {
        let all = viewings();
        let of_other_app = Asker {
            app: Some(AppId(2)),
            ..asker("a", "2001:db8::1", None)
        };
        let watching = [
            asker("a", "2001:db8::1", None),
            asker("a", "2001:db8::2", Some(SECRET)),
            asker("b", "2001:db8::3", None),
            asker("a", "2001:db8:0:1::1", None),
            of_other_app,
        ];
        let watching = watching.map(|asker| begin(&all, asker).unwrap());
        let ended = || watching.each_ref().map(|(_, watch)| watch.is_revoked());
        let address = Target::Address("2001:db8::9".parse().unwrap());
        let stream: StreamId = "a".parse().unwrap();
        let done = all.revoke(100, APP, address, Some(stream), 0).unwrap();
        assert_eq!(done, Done { id: None, ended: 2 });
        assert_eq!(ended(), [true, true, false, false, false]);
        assert_eq!(all.refused(100, &asker("a", "2001:db8::1", None)), None);
        let done = all.revoke(100, APP, address, None, 60).unwrap();
        assert_eq!((done.ended, done.id), (3, Some(1)));
        assert_eq!(ended(), [true, true, true, false, false]);
        assert!(all.refused(100, &asker("x", "2001:db8::1", None)).is_some());
        all.lift(AppId(2), 1);
        assert!(all.refused(100, &asker("x", "2001:db8::1", None)).is_some());
        all.lift(APP, 1);
        assert!(all.refused(100, &asker("x", "2001:db8::1", None)).is_none());
    }

    #[tokio::test]
    async fn viewers_are_listed_in_pages_until_they_go() {
        let all = viewings();
        let watching: Vec<_> = (0..5)
            .map(|_| begin(&all, asker("a", "192.0.2.1", None)).unwrap())
            .collect();
        let _other = begin(&all, asker("b", "192.0.2.1", None)).unwrap();
        let stream: StreamId = "a".parse().unwrap();
        let ids = |after, limit| {
            let viewers = all.list(APP, &stream, after, limit).into_iter();
            viewers.map(|viewer| viewer.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(0, 3), [1, 2, 3]);
        assert_eq!(ids(3, 3), [4, 5]);
        assert!(ids(u64::MAX, 3).is_empty());
        assert!(all.list(AppId(2), &stream, 0, 3).is_empty());
        drop(watching);
        assert!(ids(0, 3).is_empty());
        assert_eq!(all.table().open.len(), 1);
    }

    #[test]
    fn the_number_of_revocations_is_bounded_and_those_that_are_over_make_room() {
        let all = viewings();
        let address = |n: usize| Target::Address(IpAddr::from((n as u32).to_be_bytes()));
        for n in 0..MAX_REVOCATIONS {
            let until = if n == 7 { 60 } else { 600 };
            all.revoke(0, APP, address(n), None, until).unwrap();
        }
        let one_more = |now| all.revoke(now, APP, address(MAX_REVOCATIONS), None, 600);
        assert_eq!(one_more(59), Err(TooMany));
        assert_eq!(all.metrics.revocations_refused.get(), 1);
        // One that is there may be renewed.
        assert!(all.revoke(59, APP, address(3), None, 600).is_ok());
        assert!(one_more(60).is_ok());
        assert_eq!(all.metrics.revocations.get(), MAX_REVOCATIONS as i64);
        let page = all.revocations(60, APP, 0, 2);
        assert_eq!(page.len(), 2);
        assert!(page[0].id < page[1].id);
    }
}
