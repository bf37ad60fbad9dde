//! Signalling: one WebSocket a client, behind which rooms, chat and media are asked for.
//!
//! [`hub`] decides without IO, [`protocol`] is what goes over the wire; the rest of this module is
//! the shell around them. [`Signalling`] is what the server starts and HTTP hands sockets to.

mod alive;
mod back_end;
pub mod close;
#[cfg(test)]
mod golden;
pub mod hub;
mod media;
mod metrics;
mod orders;
mod origin;
pub mod outbox;
mod pace;
mod places;
pub mod protocol;
mod socket;
mod start;
mod task;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{WebSocket, WebSocketUpgrade};

use self::hub::SocketId;
pub(crate) use self::metrics::NotOpened;
pub use self::metrics::SignalMetrics;
pub use self::origin::Origins;
pub(crate) use self::origin::is_same as is_same_origin;
use self::outbox::{OutboxLimits, outbox};
pub(crate) use self::places::network;
pub use self::places::{NoPlace, Place, Places};
pub use self::socket::SocketLimits;
pub use self::start::SignalError;
pub(crate) use self::start::or_unbounded;
pub use self::task::{ADMIN_ANSWER, FindImage, HubHandle};
use crate::live::chat::UnixTime;
use crate::push::AppPushes;
use crate::record::AppRecordings;
use crate::store::Store;
use crate::webhook::Webhooks;

/// Bounds of the sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalConfig {
    /// Which pages may open one.
    pub origins: Origins,
    /// Sockets at once.
    pub max_sockets: usize,
    /// Sockets of one address at once.
    pub max_sockets_per_address: usize,
    /// What may wait for one.
    pub outbox: OutboxLimits,
    /// Each of them.
    pub socket: SocketLimits,
}

/// All signalling sockets of a server; clones share them.
#[derive(Debug, Clone)]
pub struct Signalling(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SignalConfig,
    places: Places,
    next_socket: AtomicU64,
    hub: HubHandle,
    store: Arc<dyn Store>,
    webhooks: Webhooks,
    pushes: AppPushes,
    recordings: AppRecordings,
    metrics: SignalMetrics,
}

impl Signalling {
    fn new(
        config: SignalConfig,
        hub: HubHandle,
        store: Arc<dyn Store>,
        webhooks: Webhooks,
        (pushes, recordings): (AppPushes, AppRecordings),
        metrics: SignalMetrics,
    ) -> Self {
        Self(Arc::new(Inner {
            places: Places::new(config.max_sockets, config.max_sockets_per_address),
            config,
            next_socket: AtomicU64::new(1),
            hub,
            store,
            webhooks,
            pushes,
            recordings,
            metrics,
        }))
    }

    /// Closes all sockets with [`protocol::CloseCode::ServerStopping`], opens no more, and has the store write what
    /// is not written yet.
    pub async fn shut_down(&self) {
        self.0.hub.shut_down().await;
    }

    /// Gives the apps' back ends the notices that wait, for as long as that.
    pub async fn last_notices(&self, limit: Duration) {
        self.0.webhooks.shut_down(limit).await;
    }

    /// What the apps' back ends are told.
    pub fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    /// What is pushed to other servers.
    pub fn pushes(&self) -> &AppPushes {
        &self.0.pushes
    }

    /// What is recorded.
    pub fn recordings(&self) -> &AppRecordings {
        &self.0.recordings
    }

    /// The rooms, for HTTP routes.
    pub fn hub(&self) -> &HubHandle {
        &self.0.hub
    }

    /// Sockets that are open, those that are being closed included.
    pub fn open_count(&self) -> usize {
        self.0.places.taken()
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.0.config.origins
    }

    pub(crate) fn metrics(&self) -> &SignalMetrics {
        &self.0.metrics
    }

    /// A place for a socket from this address.
    pub(crate) fn take_place(&self, address: IpAddr) -> Result<Place, NoPlace> {
        self.0.places.take(address)
    }

    /// The bounds of the WebSocket's buffers. Compression is never offered: one message of a room
    /// would be compressed once for each socket.
    pub(crate) fn bounded<F>(&self, upgrade: WebSocketUpgrade<F>) -> WebSocketUpgrade<F> {
        let bytes = self.0.config.socket.message_bytes;
        upgrade
            .max_message_size(bytes)
            .max_frame_size(bytes)
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
    }

    /// Carries a socket to its end.
    pub(crate) async fn serve(&self, socket: WebSocket, peer: IpAddr, place: Place) {
        let id = SocketId(self.0.next_socket.fetch_add(1, Ordering::Relaxed));
        let (outbox, mail) = outbox(self.0.config.outbox);
        // The hub ends with the server; dropping the socket says so to the client.
        if let Ok(link) = self.0.hub.open(id, peer, outbox).await {
            socket::run(socket, link, mail, &self.0.config.socket, &self.0.metrics).await;
        }
        drop(place);
    }
}

/// The wall clock.
fn clock() -> UnixTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime(u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// Most requests are far smaller; each socket has one of these.
const READ_BUFFER: usize = 4 * 1024;

/// Messages are collected to this size before they are written.
const WRITE_BUFFER: usize = 4 * 1024;
