//! From settings to running threads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use relay::Relay;
use str0m::config::DtlsCert;
use tokio::sync::mpsc;

use super::directory::Directory;
use super::events::EventLane;
use super::metrics::Metrics;
use super::socket::{self, MediaSocket};
use super::tcp::{self, Lines, Places, TcpMetrics};
use super::thread::{Command, Worker};
use super::{Shared, WorkerConfig, Workers, WorkersGuard};
use crate::media::{Core, CoreConfig, Gauges, LaneMessage};

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
    /// A TCP socket could not be bound.
    #[error("cannot bind TCP {address}, for media where UDP does not pass: {source}")]
    BindTcp {
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
        let tcp_metrics = TcpMetrics::register(registry)?;
        let places = Places::new(config.tcp_max_connections, config.tcp_max_per_address);
        let cert = certificate().ok_or(StartError::Certificate)?;

        let mut sockets = Vec::new();
        for index in 0..config.workers {
            let port = match config.media_port {
                0 => 0,
                first => first + index as u16,
            };
            let address = SocketAddr::new(config.bind, port);
            let (socket, listener, port) = bind(address, config.tcp)?;
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
            sockets.push((socket, listener, port));
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
            ports: sockets.iter().map(|(_, _, port)| *port).collect(),
            running: AtomicUsize::new(0),
        });

        let mut guard = WorkersGuard {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        for (index, ((socket, listener, port), (commands, lanes))) in
            sockets.into_iter().zip(inputs).enumerate()
        {
            let core = CoreConfig {
                worker: index,
                local: config
                    .announce
                    .iter()
                    .map(|ip| SocketAddr::new(*ip, port))
                    .collect(),
                tcp: listener.is_some(),
                max_sessions: config.max_sessions,
                connect_timeout: config.connect_timeout,
                linger: config.linger,
                loudest: config.loudest,
                audio_redundancy: config.audio_redundancy,
                max_segments: 1,
                cert: cert.clone(),
                seed: rand::random(),
            };
            let start = Start {
                index,
                core,
                socket,
                listener,
                places: Arc::clone(&places),
                tcp_metrics: tcp_metrics.clone(),
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
}

/// Binds a worker's sockets. The TCP port has the number of the UDP port.
fn bind(
    address: SocketAddr,
    tcp: bool,
) -> Result<(std::net::UdpSocket, Option<std::net::TcpListener>, u16), StartError> {
    let mut tries = 0;
    loop {
        let failed = |source| StartError::Bind { address, source };
        let socket = socket::bind(address).map_err(failed)?;
        let port = socket.local_addr().map_err(failed)?.port();
        if !tcp {
            return Ok((socket, None, port));
        }
        let same = SocketAddr::new(address.ip(), port);
        tries += 1;
        match tcp::bind(same) {
            Ok(listener) => return Ok((socket, Some(listener), port)),
            // The system chose a number that is free for UDP alone.
            Err(_) if address.port() == 0 && tries < BIND_TRIES => {}
            Err(source) => {
                let address = same;
                return Err(StartError::BindTcp { address, source });
            }
        }
    }
}

/// Everything that a worker thread starts from.
struct Start {
    index: usize,
    core: CoreConfig,
    socket: std::net::UdpSocket,
    listener: Option<std::net::TcpListener>,
    places: Arc<Places>,
    tcp_metrics: TcpMetrics,
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
            let tcp = match Lines::new(self.listener, self.places, self.tcp_metrics) {
                Ok(tcp) => tcp,
                Err(error) => {
                    tracing::error!(worker = self.index, %error, "a media worker takes no TCP");
                    return;
                }
            };
            self.core.max_segments = socket.max_segments();
            Worker {
                index: self.index,
                core: Core::new(self.core),
                socket,
                tcp,
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
fn certificate() -> Option<DtlsCert> {
    str0m::crypto::from_feature_flags()
        .dtls_provider
        .generate_certificate()
}

/// Ports that the system is asked for until TCP has the one that UDP got.
const BIND_TRIES: u32 = 32;

/// Commands that wait for one worker. The HTTP side awaits a place: control is never dropped.
const COMMANDS: usize = 256;

/// Messages that wait in a lane between workers: 2 s of a 10 Mbit/s stream. "Full" means that the
/// other worker has not run for that long.
const LANE: usize = 2_048;
