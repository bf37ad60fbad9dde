//! What the handlers of viewers share, on a whole server and on an edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::Registry;
use relay::edge::Edge;
use relay::{Relay, StreamId};

use super::access;
use super::cors::{Cors, CorsRules};
use super::metrics::HttpMetrics;
use super::viewings::Viewings;
use crate::auth::Apps;
use crate::config::Settings;
use crate::live::AppId;
use crate::signal::{Places, or_unbounded};

/// What every handler of viewers can reach; clones share it.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    source: Source,
    relay: Relay,
    registry: Registry,
    metrics: HttpMetrics,
    apps: Apps,
    cors: CorsRules,
    started: Instant,
    /// Milliseconds from `started` to the last playlist request, plus one; 0 for none.
    last_playlist: AtomicU64,
    /// Of viewers.
    viewers: Places,
    viewings: Viewings,
    socket_idle: Duration,
}

type AppOf = Box<dyn Fn(&StreamId) -> Option<AppId> + Send + Sync>;
type IsRunning = Box<dyn Fn() -> bool + Send + Sync>;

/// Where the streams come from.
pub(super) enum Source {
    /// From publishers here.
    Publishers {
        /// The app that publishes a stream, if that is known.
        app_of: AppOf,
        /// False once the server is on its way down.
        is_running: IsRunning,
    },
    /// From another server.
    Origin(Edge),
}

impl Site {
    /// A site of an edge.
    pub fn of_edge(
        settings: &Settings,
        relay: Relay,
        edge: Edge,
        registry: Registry,
        metrics: HttpMetrics,
    ) -> Self {
        Self::new(settings, Source::Origin(edge), relay, registry, metrics)
    }

    pub(super) fn new(
        settings: &Settings,
        source: Source,
        relay: Relay,
        registry: Registry,
        metrics: HttpMetrics,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            relay,
            registry,
            viewings: Viewings::new(metrics.clone()),
            metrics,
            apps: Apps::new(settings.apps.clone()),
            cors: CorsRules::new(&settings.cors.origins, &settings.apps),
            started: Instant::now(),
            last_playlist: AtomicU64::new(0),
            // How many there are in all is the relay's to bound.
            viewers: Places::new(
                usize::MAX,
                or_unbounded(settings.relay.max_viewers_per_address),
            ),
            socket_idle: settings.signal.idle_timeout,
        }))
    }

    pub(super) fn relay(&self) -> &Relay {
        &self.0.relay
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(super) fn metrics(&self) -> &HttpMetrics {
        &self.0.metrics
    }

    pub(super) fn apps(&self) -> &Apps {
        &self.0.apps
    }

    /// Who watches, and who may not.
    pub(super) fn viewings(&self) -> &Viewings {
        &self.0.viewings
    }

    /// Places of viewers, by their addresses.
    pub(super) fn viewers(&self) -> &Places {
        &self.0.viewers
    }

    /// Without any frame from a client for this long its WebSocket is closed.
    pub(super) fn socket_idle(&self) -> Duration {
        self.0.socket_idle
    }

    /// The stream that an id in an address speaks of: itself, or that of which it names a size or the
    /// publisher's own sound.
    pub(super) fn stream_of(&self, id: &StreamId) -> StreamId {
        match self.edge() {
            Some(edge) => edge.stream_of(id),
            None => self.relay().stream_of(id),
        }
    }

    /// What brings streams from an origin, if anything does.
    pub(super) fn edge(&self) -> Option<&Edge> {
        match &self.0.source {
            Source::Publishers { .. } => None,
            Source::Origin(edge) => Some(edge),
        }
    }

    /// The app that publishes a stream, if that is known. An origin does not say it: an edge for one
    /// app takes every stream for a stream of that app.
    pub(super) fn publisher_of(&self, stream: &StreamId) -> Option<AppId> {
        match &self.0.source {
            Source::Publishers { app_of, .. } => app_of(stream),
            Source::Origin(_) => {
                let mut apps = self.0.apps.ids();
                apps.next().filter(|_| apps.next().is_none())
            }
        }
    }

    /// False once the server is on its way down.
    pub(super) fn is_running(&self) -> bool {
        match &self.0.source {
            Source::Publishers { is_running, .. } => is_running(),
            Source::Origin(_) => !self.0.relay.is_shutting_down(),
        }
    }

    /// Which origins are let in to an address: below `/live/` the app of the stream may have a rule
    /// of its own.
    pub(super) fn cors_for(&self, path: &str) -> &Cors {
        let rules = &self.0.cors;
        rules.of(|| access::app_of(self, path))
    }

    /// Which origins are let in to what is an app's.
    pub(super) fn cors_of(&self, app: AppId) -> &Cors {
        self.0.cors.of(|| Some(app))
    }

    /// Somebody asks for a playlist.
    pub(super) fn note_playlist_reader(&self) {
        let now = self.0.started.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX - 1);
        self.0.last_playlist.store(now + 1, Ordering::Relaxed);
    }

    /// Whether somebody asked for a playlist within the given time: a player that
    /// will come back for the end of it.
    pub fn has_playlist_reader(&self, within: Duration) -> bool {
        let last = self.0.last_playlist.load(Ordering::Relaxed);
        last > 0 && self.0.started.elapsed() < Duration::from_millis(last - 1) + within
    }
}
