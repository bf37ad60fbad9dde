//! The accept loop: TLS, HTTP/1.1 and HTTP/2, and what one client may hold.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use relay::{FileWatch, ViewerOver, ViewerWatch};
use rustls::ServerConfig;
use socket2::SockRef;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::forwarded::Remote;
use super::metrics::{Dropped, HttpMetrics};
use super::stall::{StallGuard, Taken};
use super::viewer::{Served, StreamExecutor};
use crate::config::{HttpSettings, Prefix};

/// Why nothing can be served.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another program listens there.
    #[error(
        "cannot listen on {address}: the port is in use; stop the other program or choose another address with `listen`"
    )]
    InUse {
        /// The setting.
        address: SocketAddr,
    },
    /// Anything else that the system says.
    #[error("cannot listen on {address} (setting `listen`): {source}")]
    Other {
        /// The setting.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A bound socket that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    local: SocketAddr,
}

impl Listener {
    /// Binds the socket.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let wrong = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address },
            _ => ListenError::Other { address, source },
        };
        let tcp = TcpListener::bind(address).await.map_err(wrong)?;
        let local = tcp.local_addr().map_err(wrong)?;
        Ok(Self { tcp, local })
    }

    /// The address, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Accepts until the phase is no longer [`Phase::Serve`], then closes the socket.
    pub async fn serve(self, connections: Connections, router: Router) {
        let mut phase = connections.phase.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = reached(&mut phase, Phase::Closed) => return,
            };
            match accepted {
                Ok((stream, remote)) => connections.open(stream, remote, &router),
                // Out of file descriptors, mostly: asking again at once would spin.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// How far the way down the connections are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// New connections are accepted.
    Serve,
    /// No new connections; open ones go on.
    Closed,
    /// Connections end with the response that they are at.
    Drain,
    /// Connections end now.
    Abort,
}

/// All connections of a server; clones share them.
#[derive(Clone)]
pub struct Connections {
    limits: HttpSettings,
    trusted: Arc<[Prefix]>,
    tls: Option<TlsAcceptor>,
    metrics: HttpMetrics,
    seats: Arc<Semaphore>,
    phase: Arc<watch::Sender<Phase>>,
}

impl Connections {
    /// No connections yet, and the bounds for those to come.
    pub fn new(limits: HttpSettings, tls: Option<Arc<ServerConfig>>, metrics: HttpMetrics) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(limits.max_connections)),
            trusted: limits.trusted_proxies.as_slice().into(),
            limits,
            tls: tls.map(TlsAcceptor::from),
            metrics,
            phase: Arc::new(watch::Sender::new(Phase::Serve)),
        }
    }

    /// Goes on to a later phase.
    pub fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let is_later = to > *phase;
            *phase = (*phase).max(to);
            is_later
        });
    }

    /// Connections that are open.
    pub fn open_count(&self) -> usize {
        self.limits
            .max_connections
            .saturating_sub(self.seats.available_permits())
    }

    /// Returns when no connection is open.
    pub async fn all_ended(&self) {
        let all = u32::try_from(self.limits.max_connections).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.seats.acquire_many(all).await;
    }

    fn open(&self, stream: TcpStream, remote: SocketAddr, router: &Router) {
        self.metrics.accepted.inc();
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.metrics.drop_connection(Dropped::Limit);
            tracing::debug!(%remote, "connection refused: `http.max_connections` are open");
            if self.tls.is_none() {
                // Best effort: the socket's buffer is empty, so that it fits.
                let _ = stream.try_write(FULL);
            }
            return;
        };
        let (this, router) = (self.clone(), router.clone());
        tokio::spawn(async move {
            // A WebSocket goes on after the connection's end as HTTP, and holds its seat too.
            let open = Arc::new(Open::new(&this.metrics, seat));
            if let Some(reason) = this.run(stream, remote, router, &open).await {
                this.metrics.drop_connection(reason);
                tracing::debug!(%remote, ?reason, "connection dropped");
            }
        });
    }

    async fn run(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        router: Router,
        open: &Arc<Open>,
    ) -> Option<Dropped> {
        // Frames are written whole: waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        // What a slow client is to skip must not wait in the kernel, which takes megabytes else.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        let Some(acceptor) = &self.tls else {
            return self.serve_http(stream, remote, router, open).await;
        };
        let mut phase = self.phase.subscribe();
        let handshake = timeout(self.limits.header_timeout, acceptor.accept(stream));
        tokio::select! {
            done = handshake => match done {
                Ok(Ok(stream)) => self.serve_http(stream, remote, router, open).await,
                Ok(Err(_)) | Err(_) => Some(Dropped::Tls),
            },
            () = reached(&mut phase, Phase::Drain) => None,
        }
    }

    async fn serve_http<T>(
        &self,
        stream: T,
        remote: SocketAddr,
        router: Router,
        open: &Arc<Open>,
    ) -> Option<Dropped>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, has_stalled) = StallGuard::new(stream, self.limits.write_timeout);
        let taken = stream.taken().clone();
        let served = Served::new();
        let has_begun = Arc::new(AtomicBool::new(false));
        let service = {
            let served = served.clone();
            let has_begun = Arc::clone(&has_begun);
            let trusted = Arc::clone(&self.trusted);
            let metrics = self.metrics.clone();
            let held = Held {
                _open: Arc::clone(open),
                taken: taken.clone(),
                phase: self.phase.subscribe(),
            };
            service_fn(move |mut request: http::Request<Incoming>| {
                has_begun.store(true, Ordering::Relaxed);
                let remote = Remote::of(remote, request.headers(), &trusted, &metrics);
                request.extensions_mut().insert(remote);
                request.extensions_mut().insert(held.clone());
                let response = router.clone().oneshot(request);
                let served = served.clone();
                async move {
                    let response = response.await;
                    if let Ok(response) = &response {
                        let extensions = response.extensions();
                        let file = extensions.get::<FileWatch>().map(|FileWatch(watch)| watch);
                        if let Some(watch) = extensions.get::<ViewerWatch>().or(file) {
                            Served::by(&served).set(watch.clone());
                        }
                    }
                    response
                }
            })
        };
        let builder = self.builder();
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        // The builder reads the first bytes before any of its own timers runs.
        let mut first_request = pin!(sleep(self.limits.header_timeout));
        let mut is_first = true;
        let mut phase = self.phase.subscribe();
        let mut next = Phase::Drain;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    let error = ended.err()?;
                    return Some(if has_stalled.load(Ordering::Relaxed) {
                        Dropped::WriteTimeout
                    } else if is_header_timeout(error.as_ref()) {
                        Dropped::HeaderTimeout
                    } else {
                        Dropped::Protocol
                    });
                }
                () = first_request.as_mut(), if is_first => {
                    if !has_begun.load(Ordering::Relaxed) {
                        return Some(Dropped::HeaderTimeout);
                    }
                    is_first = false;
                }
                why = served.over(|| Some(taken.last())) => return Some(match why {
                    ViewerOver::Stalled => Dropped::ViewerStalled,
                    ViewerOver::Revoked => Dropped::ViewerRevoked,
                }),
                () = reached(&mut phase, next) => {
                    if next == Phase::Abort {
                        return Some(Dropped::Shutdown);
                    }
                    connection.as_mut().graceful_shutdown();
                    next = Phase::Abort;
                }
            }
        }
    }

    fn builder(&self) -> auto::Builder<StreamExecutor> {
        let limits = &self.limits;
        let header_bytes = u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX);
        let mut builder = auto::Builder::new(StreamExecutor);
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(limits.max_header_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_send_buf_size(UNSENT as usize)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout);
        builder
    }
}

/// Keeps a connection counted, and tells when it has to end, among a request's extensions.
#[derive(Clone)]
pub(super) struct Held {
    _open: Arc<Open>,
    taken: Taken,
    phase: watch::Receiver<Phase>,
}

impl Held {
    /// When the connection last took bytes.
    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Resolves when the connection has to end. What is no response is not waited for.
    pub(super) async fn drained(&mut self) {
        reached(&mut self.phase, Phase::Drain).await;
    }
}

/// Counts a connection for as long as it is open.
struct Open {
    metrics: HttpMetrics,
    _seat: OwnedSemaphorePermit,
}

impl Open {
    fn new(metrics: &HttpMetrics, seat: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self {
            metrics: metrics.clone(),
            _seat: seat,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// Returns when the phase is as late as `wanted`.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error would be that all handles are gone, and with them the server.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

fn is_header_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<hyper::Error>()
        .is_some_and(hyper::Error::is_timeout)
}

/// Browsers behind proxies send some thirty.
const MAX_HEADERS: usize = 100;

/// HTTP/2 streams of one connection (RFC 9113 §6.5.2 recommends no fewer).
const MAX_STREAMS: u32 = 100;

/// Bytes that may wait to be sent, in the kernel and in an HTTP/2 stream's own buffer: more than a
/// key frame of most streams, and a third of a second of one with 1.5 Mbit/s.
const UNSENT: u32 = 64 * 1024;

/// Between two tries to accept when the system refuses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For connections above the limit.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/problem+json\r\n\
    Content-Length: 122\r\nRetry-After: 5\r\nConnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Too many connections\",\"status\":503,\
    \"detail\":\"the limit of open connections is reached\"}    ";
