//! The shell around the media core: one thread, one UDP socket, the TCP connections of the same
//! port and one [`Core`] a worker.
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
mod reservation;
mod socket;
mod start;
mod tcp;
mod thread;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use relay::{Relay, StreamId};
use tokio::sync::{mpsc, oneshot};

pub use self::api::{
    Accepted, BadSessionId, OfferError, Owner, PatchError, Patched, Role, SessionId, SessionRef,
    Snapshot, UnknownSession, WorkerConfig,
};
use self::directory::Directory;
use self::events::EventLane;
pub use self::events::{MediaEvent, StreamLevel};
use self::measures::Measures;
pub use self::measures::{INTERVAL_MS, Sample, StreamMeasure, Travel};
pub use self::receive::{ReceiveError, ServerOffer, Wanted};
pub use self::relaying::RelayError;
pub(crate) use self::reservation::Reservation;
pub use self::start::StartError;
use self::thread::Command;
use crate::auth::Apps;
use crate::live::AppId;
use crate::media::LaneMessage;
use crate::media::offer::{self, CheckedOffer};

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

impl Workers {
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

    /// Whose stream is relayed under a name, or about to be; `None` without a publisher.
    pub fn owner_under(&self, name: &StreamId) -> Option<Owner> {
        self.shared.directory().owner_under(name).cloned()
    }

    /// The relay that has what is published.
    pub fn relay(&self) -> &Relay {
        &self.shared.relay
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

/// How often a dropped guard tries to reach a busy worker, a millisecond apart.
const DROP_TRIES: u32 = 2_000;

/// Bound on [`Workers::shutdown`].
const SHUTDOWN: Duration = Duration::from_secs(2);
