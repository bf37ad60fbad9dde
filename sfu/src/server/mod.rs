//! The server as a whole: what starts in which order, and ends in which.

mod edge;
mod shutdown;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::Registry;
use relay::{Relay, RelayConfig};
use thiserror::Error;
use tokio::task::JoinHandle;

pub use edge::EdgeServer;
pub use shutdown::{Outcome, Shutdown, StepReport};

use crate::config::{ConfigError, MediaAddresses, Settings, interface_addresses};
use crate::http::{
    App, Connections, HttpMetrics, Images, ImagesError, KeptRevocations, ListenError, Listener,
    Phase, RevocationKeeper, RevocationsError, TlsError, router, server_config,
};
use crate::signal::{SignalError, Signalling};
use crate::store::{DataDir, DataDirError};
use crate::worker::{self, WorkerConfig, Workers, WorkersGuard};

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The settings do not fit this machine.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// HTTP cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// HTTPS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Media cannot be received.
    #[error("media: {0} (settings `media.bind` and `media.port`)")]
    Workers(#[from] worker::StartError),
    /// Rooms cannot be served.
    #[error(transparent)]
    Signalling(#[from] SignalError),
    /// HTTP-FLV and HLS cannot be served.
    #[error(transparent)]
    Relay(#[from] relay::StartError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// It is not known who is kept out.
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    /// Images cannot be kept.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A server that runs.
///
/// It starts from the outside to the inside, so that what fails most often fails
/// first: the TCP port, certificates, the relay, the media ports, and only then is
/// the first connection accepted. It ends the other way round, see [`Server::shut_down`].
pub struct Server {
    local: SocketAddr,
    is_https: bool,
    is_open: bool,
    gives_tokens: bool,
    deadline: Duration,
    app: App,
    relay: Relay,
    signalling: Signalling,
    workers: Workers,
    guard: WorkersGuard,
    connections: Connections,
    accepting: JoinHandle<()>,
    /// Writes who is kept out.
    revocations: Option<RevocationKeeper>,
    /// Held as long as something writes there.
    data: Option<DataDir>,
}

impl Server {
    /// Starts everything; must be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]; nothing goes on running then.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let interfaces = interface_addresses().unwrap_or_else(|error| {
            tracing::warn!(%error, "the interfaces cannot be listed: set `media.announce`");
            Vec::new()
        });
        let media = MediaAddresses::plan(settings, &interfaces)?;
        let listener = Listener::bind(settings.listen).await?;
        let local = listener.local_addr();
        let names: Vec<IpAddr> = media.announce.iter().chain(&interfaces).copied().collect();
        let tls = server_config(&settings.tls, &names)?;
        let is_https = tls.is_some();

        let registry = registry()?;
        let metrics = HttpMetrics::register(&registry)?;
        let data = open_data_dir(settings)?;
        let revocations = match &data {
            Some(_) => Some(KeptRevocations::read(&settings.data_dir, unix_now())?),
            None => None,
        };
        let images = Images::open(settings, &registry)?;
        let relay = Relay::new(relay_config(settings), &registry)?;
        let config = worker_config(settings, &media);
        let (workers, guard) = Workers::start(config, relay.clone(), &registry)?;

        let found = images.clone();
        let find_image = Arc::new(move |id: &str| found.as_ref()?.find(id));
        let signalling = Signalling::start(settings, &workers, find_image, &registry)?;

        let connections = Connections::new(settings.http.clone(), tls, metrics.clone());
        let app = App::new(
            settings,
            workers.clone(),
            relay.clone(),
            signalling.clone(),
            registry,
            metrics,
            images,
        );
        let revocations = revocations.map(|kept| app.keep_revocations(kept));
        let accepting = tokio::spawn(listener.serve(connections.clone(), router(app.clone())));
        let server = Self {
            local,
            is_https,
            is_open: settings.apps.is_empty(),
            gives_tokens: settings.dev.tokens,
            deadline: settings.shutdown.deadline,
            app,
            relay,
            signalling,
            workers,
            guard,
            connections,
            accepting,
            revocations,
            data,
        };
        server.tell(&media);
        Ok(server)
    }

    /// The address of HTTP, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address of the demo page, for a browser on this machine.
    pub fn page(&self) -> String {
        address(self.local, self.is_https)
    }

    fn tell(&self, media: &MediaAddresses) {
        let ports = self.workers.snapshot().ports;
        let bind = media.bind;
        tracing::info!(listen = %self.local, https = self.is_https, "HTTP is served");
        tracing::info!(
            %bind,
            ?ports,
            announce = ?media.announce,
            "media is received over UDP; clients are told the announced addresses with these ports"
        );
        if self.is_open {
            tracing::warn!(
                "THE SERVER IS OPEN: no app is configured, so that everybody who reaches it may \
                 publish, watch and speak under any name; tokens are checked once `apps` are set"
            );
        }
        if self.gives_tokens {
            tracing::warn!(
                "THE SERVER GIVES TOKENS TO EVERYBODY WHO ASKS (dev.tokens): whoever reaches it \
                 can be any user of any app; for developing pages only"
            );
        }
        if media.announce.iter().all(IpAddr::is_loopback) {
            tracing::info!(
                "only browsers on this machine reach the announced address: \
                 for others set `listen` and `media.announce`"
            );
        } else if !self.is_https {
            tracing::info!(
                "browsers on other machines give camera and microphone to https pages only: \
                 see [tls], or --tls-self-signed"
            );
        }
    }

    /// Ends everything within `shutdown.deadline`.
    ///
    /// 1. Signalling sockets are closed with 1001, and what rooms keep is written.
    /// 2. Broadcasts end: FLV bodies end, playlists get `EXT-X-ENDLIST`. New sessions are refused.
    ///    Recordings are written as far as that; the next start makes their playlists and files.
    /// 3. Publishers and subscribers get BYE.
    /// 4. If somebody plays a playlist, there is time for one more reload, over new connections
    ///    too: an edge that opens one for each request would pass on no end otherwise. Meanwhile
    ///    the apps' back ends get their last notices.
    /// 5. No new connections.
    /// 6. Who is kept out is written, as far as it is not.
    /// 7. Connections end with the response that they are at.
    /// 8. What is left is cut.
    /// 9. The media threads are joined.
    pub async fn shut_down(self) -> Vec<StepReport> {
        self.way_down().run().await
    }

    /// The steps of that. Recordings that end from now on are left to the next start.
    fn way_down(self) -> Shutdown {
        let Self {
            app,
            relay,
            signalling,
            workers,
            guard,
            connections,
            accepting,
            deadline,
            revocations,
            data,
            ..
        } = self;
        let (closing, draining, cutting) = (connections.clone(), connections.clone(), connections);
        let close = async move {
            closing.advance(Phase::Closed);
            // It ends at once; an error would be its panic.
            let _ = accepting.await;
        };
        let recordings = signalling.recordings().clone();
        recordings.leave_to_next_start();
        let (telling, notifying) = (signalling.clone(), signalling);
        let last_playlist = async move {
            let reload = async {
                if app.site().has_playlist_reader(PLAYLIST_READER) {
                    tokio::time::sleep(LAST_PLAYLIST).await;
                }
            };
            tokio::join!(reload, notifying.last_notices(SECOND));
        };
        let drain = async move {
            draining.advance(Phase::Drain);
            draining.all_ended().await;
        };
        let cut = async move {
            cutting.advance(Phase::Abort);
            cutting.all_ended().await;
        };
        let keep = async move {
            if let Some(revocations) = revocations {
                revocations.settle().await;
            }
        };
        let join = async move {
            // An error would be the guard's panic.
            let _ = tokio::task::spawn_blocking(move || drop(guard)).await;
            // Nobody else may have the folder before all is written.
            drop(data);
        };
        Shutdown::new(deadline)
            .then("tell the sessions", SECOND, async move {
                telling.shut_down().await;
            })
            .then(
                "end broadcasts",
                SECOND,
                async move { relay.shutdown().await },
            )
            .then("write recordings", 2 * SECOND, async move {
                recordings.settled().await;
            })
            .then("say BYE", SECOND, async move { workers.shutdown().await })
            .then("last playlist", LAST_PLAYLIST + MOMENT, last_playlist)
            .then("stop accepting", MOMENT, close)
            .then("write revocations", SECOND, keep)
            .then("finish responses", MOMENT, drain)
            .then("cut connections", MOMENT, cut)
            .then("join media workers", SECOND, join)
    }
}

/// An address for clients on this machine.
fn address(local: SocketAddr, is_https: bool) -> String {
    let scheme = if is_https { "https" } else { "http" };
    let host = match local.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
    };
    format!("{scheme}://{}/", SocketAddr::new(host, local.port()))
}

fn registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    #[cfg(target_os = "linux")]
    registry.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(registry)
}

/// The data folder, unless nothing is kept.
fn open_data_dir(settings: &Settings) -> Result<Option<DataDir>, DataDirError> {
    if settings.data_dir.as_os_str().is_empty() {
        tracing::info!("no data folder: history, bans, revocations and images are not kept");
        return Ok(None);
    }
    let data = DataDir::open(&settings.data_dir)?;
    tracing::info!(folder = %settings.data_dir.display(), "history, bans, revocations and images are kept");
    Ok(Some(data))
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

fn relay_config(settings: &Settings) -> RelayConfig {
    let relay = &settings.relay;
    RelayConfig {
        segment_duration: relay.segment_duration,
        part_duration: (!relay.part_duration.is_zero()).then_some(relay.part_duration),
        playlist_segments: relay.window,
        max_viewer_lag: relay.max_latency,
        viewer_timeout: relay.viewer_timeout,
        max_ring_bytes: relay.max_cache_bytes,
        linger: relay.linger,
        keep_ended: relay.keep_ended,
        aac_bit_rate_bps: relay.aac_bit_rate_bps,
        max_broadcasts: relay.max_broadcasts,
        max_viewers_per_broadcast: relay.max_viewers_per_broadcast,
        max_viewers: relay.max_viewers,
        time_shift: settings.time_shift(),
        ..RelayConfig::default()
    }
}

fn worker_config(settings: &Settings, media: &MediaAddresses) -> WorkerConfig {
    let workers = match settings.media.workers {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        count => count,
    };
    WorkerConfig {
        max_sessions: settings.media.max_sessions,
        linger: settings.media.linger,
        loudest: settings.media.loudest,
        audio_redundancy: settings.media.audio_redundancy,
        tcp: settings.media.tcp,
        tcp_max_connections: settings.media.tcp_max_connections,
        tcp_max_per_address: settings.media.tcp_max_per_address,
        ..WorkerConfig::new(
            media.bind,
            settings.media.port,
            workers,
            media.announce.clone(),
        )
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// For steps that wait for nobody far away.
const MOMENT: Duration = Duration::from_millis(300);

/// A player reloads within the target duration (RFC 8216 §6.3.4), 2 s by default.
const LAST_PLAYLIST: Duration = Duration::from_millis(2_200);

/// Who asked within this time is taken to play still.
const PLAYLIST_READER: Duration = Duration::from_secs(6);
