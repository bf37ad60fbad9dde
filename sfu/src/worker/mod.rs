//! The shell around the media core: one thread, one UDP socket and one [`Core`] a worker.
//!
//! [`Workers`] is the handle for the HTTP side. Its methods find the worker of a session in the
//! directory, send it a command and await the reply; media never takes that way.

mod alive;
pub mod api;
mod directory;
mod events;
mod measures;
mod metrics;
mod names;
mod published;
mod receive;
mod receivers;
mod relaying;
mod socket;
mod thread;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use relay::{Relay, StreamId};
use str0m::config::DtlsCert;
use tokio::sync::{mpsc, oneshot};

pub use self::api::{
    Accepted, BadSessionId, OfferError, Owner, PatchError, Patched, Role, SessionId, SessionRef,
    Snapshot, UnknownSession, WorkerConfig,
};
use self::directory::{Directory, Placement};
use self::events::EventLane;
pub use self::events::{MediaEvent, StreamLevel};
use self::measures::Measures;
pub use self::measures::{INTERVAL_MS, Sample, StreamMeasure, Travel};
use self::metrics::Metrics;
pub use self::receive::{ReceiveError, ServerOffer, Wanted};
pub use self::relaying::RelayError;
use self::socket::MediaSocket;
use self::thread::{Command, Worker};
use crate::auth::Apps;
use crate::live::AppId;
use crate::media::offer::{self, CheckedOffer};
use crate::media::{Core, CoreConfig, Gauges, LaneMessage};

/// The handle to all media workers; clones share them.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

/// Joins the worker threads when it is dropped. Keep it until after [`Workers::shutdown`].
#[must_use]
pub struct WorkersGuard {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(crate) struct Shared {
    relay: Relay,
    commands: Vec<mpsc::Sender<Command>>,
    lanes: Vec<mpsc::Sender<LaneMessage>>,
    directory: Mutex<Directory>,
    measures: Mutex<Measures>,
    events: EventLane,
    ports: Vec<u16>,
    running: AtomicUsize,
}

/// A session's entry in the directory until its worker has opened it. Dropped before that, by
/// whoever gives up, it takes the entry back.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    pub(crate) stream: StreamId,
    pub(crate) session: SessionId,
    pub(crate) role: Role,
    kept: bool,
}

impl Reservation {
    fn make(
        shared: &Arc<Shared>,
        stream: &StreamId,
        session: SessionId,
        role: Role,
        owner: Option<Owner>,
    ) -> Result<(Placement, Self), OfferError> {
        let placement = shared.directory().place(stream, session, role, owner)?;
        let reservation = Self {
            shared: Arc::clone(shared),
            stream: stream.clone(),
            session,
            role,
            kept: false,
        };
        Ok((placement, reservation))
    }

    /// The session that it is for.
    pub(crate) fn session_ref(&self) -> SessionRef {
        SessionRef {
            stream: self.stream.clone(),
            session: self.session,
            role: self.role,
        }
    }

    /// The session is open: its end takes the entry back.
    pub(crate) fn keep(mut self) -> SessionRef {
        self.kept = true;
        self.session_ref()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            self.shared
                .directory()
                .closed(&self.stream, self.session, self.role);
        }
    }
}

/// Why the workers did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There has to be a worker.
    #[error("the number of workers is {0}; 1 to 1024 are allowed")]
    Workers(usize),
    /// There has to be an address to announce.
    #[error("there is no address to announce")]
    NoAnnouncedAddress,
    /// `media_port + k` is above 65535.
    #[error("media_port {port} leaves no room for {workers} workers below 65536")]
    Ports {
        /// The first port.
        port: u16,
        /// The number of workers.
        workers: usize,
    },
    /// A UDP socket could not be bound.
    #[error("cannot bind UDP {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The DTLS certificate could not be made.
    #[error("cannot make a DTLS certificate")]
    Certificate,
    /// A thread could not be started.
    #[error("cannot start a worker: {0}")]
    Thread(#[source] std::io::Error),
    /// The metrics are registered already.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Workers {
    /// Binds the sockets and starts the threads.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(
        config: WorkerConfig,
        relay: Relay,
        registry: &prometheus::Registry,
    ) -> Result<(Workers, WorkersGuard), StartError> {
        if config.workers == 0 || config.workers > 1_024 {
            return Err(StartError::Workers(config.workers));
        }
        if config.announce.is_empty() {
            return Err(StartError::NoAnnouncedAddress);
        }
        let last = usize::from(config.media_port) + config.workers - 1;
        if config.media_port != 0 && last > usize::from(u16::MAX) {
            return Err(StartError::Ports {
                port: config.media_port,
                workers: config.workers,
            });
        }
        let metrics = Metrics::register(registry)?;
        let cert = certificate().ok_or(StartError::Certificate)?;

        let mut sockets = Vec::new();
        for index in 0..config.workers {
            let port = match config.media_port {
                0 => 0,
                first => first + index as u16,
            };
            let address = SocketAddr::new(config.bind, port);
            let bind = |source| StartError::Bind { address, source };
            let socket = socket::bind(address).map_err(bind)?;
            let port = socket.local_addr().map_err(bind)?.port();
            if index == 0
                && let Some(granted) = socket::missing_buffer(&socket)
            {
                tracing::info!(
                    granted,
                    wanted = socket::KERNEL_BUFFER,
                    "the kernel limits the receive buffer of the media sockets: \
                     bursts may be lost; deploy/sysctl.conf raises the limit"
                );
            }
            sockets.push((socket, port));
        }

        let mut commands = Vec::new();
        let mut lanes = Vec::new();
        let mut inputs = Vec::new();
        for _ in 0..config.workers {
            let (command, command_input) = mpsc::channel(COMMANDS);
            let (lane, lane_input) = mpsc::channel(LANE);
            commands.push(command);
            lanes.push(lane);
            inputs.push((command_input, lane_input));
        }
        let shared = Arc::new(Shared {
            relay,
            commands,
            lanes,
            directory: Mutex::new(Directory::new(config.workers, config.max_sessions)),
            measures: Mutex::default(),
            events: EventLane::default(),
            ports: sockets.iter().map(|(_, port)| *port).collect(),
            running: AtomicUsize::new(0),
        });

        let mut guard = WorkersGuard {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        for (index, ((socket, port), (commands, lanes))) in
            sockets.into_iter().zip(inputs).enumerate()
        {
            let core = CoreConfig {
                worker: index,
                local: config
                    .announce
                    .iter()
                    .map(|ip| SocketAddr::new(*ip, port))
                    .collect(),
                max_sessions: config.max_sessions,
                connect_timeout: config.connect_timeout,
                linger: config.linger,
                max_segments: 1,
                cert: cert.clone(),
                seed: rand::random(),
            };
            let start = Start {
                index,
                core,
                socket,
                commands,
                lanes,
                shared: Arc::clone(&shared),
                metrics: metrics.clone(),
            };
            shared.running.fetch_add(1, Ordering::Relaxed);
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || start.run())
                .map_err(StartError::Thread)?;
            guard.threads.push(thread);
        }
        Ok((Workers { shared }, guard))
    }

    /// Accepts a publisher's offer (WHIP). A publisher that is there already stays until the new
    /// one is connected; one of another owner keeps the stream.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub async fn publish(
        &self,
        stream: StreamId,
        offer: String,
        owner: Owner,
    ) -> Result<Accepted, OfferError> {
        self.publish_with(stream, offer, owner, true).await
    }

    /// Accepts a publisher's offer like [`publish`](Self::publish). Unless `relay`, it does not go
    /// to the relay before [`set_relay`](Self::set_relay).
    ///
    /// # Errors
    /// See [`OfferError`].
    pub async fn publish_with(
        &self,
        stream: StreamId,
        offer: String,
        owner: Owner,
        relay: bool,
    ) -> Result<Accepted, OfferError> {
        let kind = Kind::Publisher { owner, relay };
        self.open(stream, offer, kind).await
    }

    /// Says what a publisher may send; what it sends of other kinds is dropped and counted.
    ///
    /// # Errors
    /// [`UnknownSession`].
    pub async fn set_allowed(
        &self,
        session: SessionRef,
        audio: bool,
        video: bool,
    ) -> Result<(), UnknownSession> {
        self.change(session, |session, reply| Command::Allow {
            session,
            audio,
            video,
            reply,
        })
        .await
    }

    /// What happens to media, for the one who asks first.
    pub fn events(&self) -> Option<mpsc::Receiver<MediaEvent>> {
        self.shared.events.open()
    }

    /// Changes something about a session that is open.
    async fn change(
        &self,
        session: SessionRef,
        command: impl FnOnce(SessionRef, oneshot::Sender<Result<(), UnknownSession>>) -> Command,
    ) -> Result<(), UnknownSession> {
        let unknown = UnknownSession::from(&session);
        let Some(worker) = self.shared.directory().worker_of(session.session) else {
            return Err(unknown);
        };
        let (reply, done) = oneshot::channel();
        if !self.shared.send(worker, command(session, reply)).await {
            return Err(unknown);
        }
        done.await.unwrap_or(Err(unknown))
    }

    /// The app whose publisher the stream has now, connected or not.
    pub fn live_app(&self, stream: &StreamId) -> Option<AppId> {
        self.shared.directory().live_app(stream)
    }

    /// The app of the stream's last connected publisher, as far as that is remembered: its FLV
    /// and HLS stay for a while.
    pub fn app_of(&self, stream: &StreamId) -> Option<AppId> {
        self.shared.directory().app_of(stream)
    }

    /// Width and height in pixels of what the relay has under a name; `None` until it knows.
    pub fn picture_size(&self, name: &StreamId) -> Option<(u16, u16)> {
        self.shared.relay.picture_size(name)
    }

    /// How the streams of an app travel: what is newer than `after`, in Unix milliseconds. What
    /// has no owner is of the open server's app.
    pub fn measures(&self, app: AppId, after: u64) -> Vec<StreamMeasure> {
        let is_theirs = |owner: &Owner| owner.app().unwrap_or(Apps::OPEN) == app;
        self.shared.measures().list(is_theirs, after)
    }

    /// Accepts a subscriber's offer (WHEP).
    ///
    /// # Errors
    /// See [`OfferError`]; [`OfferError::NotLive`] if nobody publishes the stream.
    pub async fn subscribe(&self, stream: StreamId, offer: String) -> Result<Accepted, OfferError> {
        self.open(stream, offer, Kind::Subscriber).await
    }

    async fn open(
        &self,
        stream: StreamId,
        offer: String,
        kind: Kind,
    ) -> Result<Accepted, OfferError> {
        let (role, owner, relay) = match kind {
            Kind::Publisher { owner, relay } => (Role::Publisher, Some(owner), relay),
            Kind::Subscriber => (Role::Subscriber, None, false),
        };
        let offer: CheckedOffer = offer::check(&offer, role)?;
        let session = SessionId::from_bits(rand::random());
        let (placement, reservation) =
            Reservation::make(&self.shared, &stream, session, role, owner)?;
        let (reply, answer) = oneshot::channel();
        let command = match role {
            Role::Publisher => Command::Publish {
                reservation,
                offer,
                relay,
                reply,
            },
            Role::Subscriber => Command::Subscribe {
                reservation,
                offer,
                home: (placement.home != placement.worker).then_some(placement.home),
                reply,
            },
        };
        if !self.shared.send(placement.worker, command).await {
            return Err(OfferError::ShuttingDown);
        }
        let accepted = answer.await.unwrap_or(Err(OfferError::ShuttingDown))?;
        let worker = placement.worker;
        tracing::info!(%stream, session = %session.short(), role = role.name(), worker, "session opened");
        Ok(accepted)
    }

    /// Carries out a PATCH on a session: trickle ICE or an ICE restart.
    ///
    /// # Errors
    /// See [`PatchError`].
    pub async fn patch(
        &self,
        session: SessionRef,
        if_match: Option<String>,
        fragment: String,
    ) -> Result<Patched, PatchError> {
        let unknown = UnknownSession::from(&session);
        let Some(worker) = self.shared.directory().worker_of(session.session) else {
            return Err(unknown.into());
        };
        let (reply, answer) = oneshot::channel();
        let command = Command::Patch {
            session,
            if_match,
            fragment,
            reply,
        };
        if !self.shared.send(worker, command).await {
            return Err(PatchError::ShuttingDown);
        }
        answer.await.unwrap_or(Err(PatchError::ShuttingDown))
    }

    /// Ends a session with BYE.
    ///
    /// # Errors
    /// [`UnknownSession`].
    pub async fn close(&self, session: SessionRef) -> Result<(), UnknownSession> {
        self.change(session, |session, reply| Command::Close { session, reply })
            .await
    }

    /// Ends all sessions with BYE and stops the workers; takes 2 s at most.
    pub async fn shutdown(&self) {
        let _ = tokio::time::timeout(SHUTDOWN, self.shared.shutdown()).await;
    }

    /// What there is now.
    pub fn snapshot(&self) -> Snapshot {
        let directory = self.shared.directory();
        let (publishers, subscribers) = directory.counts();
        Snapshot {
            running: self.shared.running.load(Ordering::Relaxed),
            workers: self.shared.ports.len(),
            ports: self.shared.ports.clone(),
            publishers,
            subscribers,
            receivers: directory.receivers(),
            shutting_down: directory.shutting_down,
        }
    }
}

/// What an offer is for.
enum Kind {
    Publisher { owner: Owner, relay: bool },
    Subscriber,
}

impl Shared {
    /// The directory. A panic while it was held leaves counts that are off at worst.
    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The measures: each step leaves them whole.
    fn measures(&self) -> MutexGuard<'_, Measures> {
        self.measures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, worker: usize, command: Command) -> bool {
        match self.commands.get(worker) {
            Some(commands) => commands.send(command).await.is_ok(),
            None => false,
        }
    }

    async fn shutdown(&self) {
        self.directory().shutting_down = true;
        let mut replies = Vec::new();
        for commands in &self.commands {
            let (reply, done) = oneshot::channel();
            if commands.send(Command::Shutdown { reply }).await.is_ok() {
                replies.push(done);
            }
        }
        for done in replies {
            let _ = done.await;
        }
    }
}

impl Drop for WorkersGuard {
    fn drop(&mut self) {
        self.shared.directory().shutting_down = true;
        for commands in &self.shared.commands {
            // A worker that has stopped does not need it; a full queue is being worked on.
            for _ in 0..DROP_TRIES {
                let (reply, _) = oneshot::channel();
                match commands.try_send(Command::Shutdown { reply }) {
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Everything that a worker thread starts from.
struct Start {
    index: usize,
    core: CoreConfig,
    socket: std::net::UdpSocket,
    commands: mpsc::Receiver<Command>,
    lanes: mpsc::Receiver<LaneMessage>,
    shared: Arc<Shared>,
    metrics: Metrics,
}

impl Start {
    fn run(mut self) {
        let _running = Running(Arc::clone(&self.shared));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(worker = self.index, %error, "a media worker has no runtime");
                return;
            }
        };
        runtime.block_on(async move {
            let socket = match MediaSocket::new(self.socket) {
                Ok(socket) => socket,
                Err(error) => {
                    tracing::error!(worker = self.index, %error, "a media worker has no socket");
                    return;
                }
            };
            self.core.max_segments = socket.max_segments();
            Worker {
                index: self.index,
                core: Core::new(self.core),
                socket,
                commands: self.commands,
                lanes: self.lanes,
                shared: self.shared,
                metrics: self.metrics,
                relayed: HashMap::new(),
                refused: None,
                gauges: Gauges::default(),
            }
            .run()
            .await;
        });
    }
}

/// Counts a running thread until its end, by whichever way.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A DTLS certificate for all sessions of this run (ECDSA).
pub(crate) fn certificate() -> Option<DtlsCert> {
    str0m::crypto::from_feature_flags()
        .dtls_provider
        .generate_certificate()
}

/// Commands that wait for one worker. The HTTP side awaits a place: control is never dropped.
const COMMANDS: usize = 256;

/// Messages that wait in a lane between workers: 2 s of a 10 Mbit/s stream. "Full" means that the
/// other worker has not run for that long.
const LANE: usize = 2_048;

/// How often a dropped guard tries to reach a busy worker, a millisecond apart.
const DROP_TRIES: u32 = 2_000;

/// Bound on [`Workers::shutdown`].
const SHUTDOWN: Duration = Duration::from_secs(2);
