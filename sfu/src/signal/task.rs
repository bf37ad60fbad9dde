//! The one task that owns the hub and carries out what it says.
//!
//! It never waits for a client, the disk, a media worker or a web server: messages go into
//! outboxes that refuse when they are full, everything else runs beside it and comes back as an
//! input. Sockets wait for it: the inbox is bounded, and while too many orders run nothing is
//! taken out of it.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use relay::StreamId;
use relay::record::RecordingView;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::hub::admin::{AdminError, Call, Reply};
use super::hub::{Hub, HubOutput, SocketId, Ticket};
use super::metrics::SignalMetrics;
use super::orders::{Media, Orders};
use super::outbox::Outbox;
use super::protocol::CloseCode;
use crate::live::broadcasts::Source;
use crate::live::chat::{ImagePayload, UnixTime, WordFilter};
use crate::live::{AppId, RoomKey, UserId};
use crate::record::NotRecorded;
use crate::store::{Pending, SavedProfile, SavedRoom, Store, StoreError};
use crate::webhook::{BeforeMessage, Notice, Verdict};
use crate::worker::MediaEvent;

/// The way to the apps' own back ends.
pub(super) trait BackEnd: Send + 'static {
    /// Tells it. Never waits.
    fn tell(&self, notice: Notice);

    /// Asks it about a message. The answer comes within a bounded time.
    fn ask(&self, message: BeforeMessage) -> Pin<Box<dyn Future<Output = Verdict> + Send>>;

    /// Records what is relayed under a name of a room that is recorded.
    fn record(&self, app: AppId, name: &StreamId) -> Result<RecordingView, NotRecorded>;

    /// Records it no longer.
    fn stop_recording(&self, app: AppId, name: &StreamId);

    /// Looks at what the media workers tell; a broadcast that began may be a member's publication.
    fn handle_media(&mut self, at: UnixTime, event: &MediaEvent, source: Option<&Source>);

    /// The server goes down.
    fn end(&mut self, at: UnixTime);
}

/// Looks at the hub now and then, for metrics.
pub(super) type Observe = Box<dyn FnMut(&Hub) + Send>;

/// Finds an uploaded image by its id; it may read the disk.
pub type FindImage = Arc<dyn Fn(&str) -> Option<ImagePayload> + Send + Sync>;

/// What the task works with.
pub(super) struct TaskParts<M, B> {
    /// The rooms.
    pub hub: Hub,
    /// The media workers.
    pub media: M,
    /// What they tell.
    pub events: mpsc::Receiver<MediaEvent>,
    /// What outlives a restart.
    pub store: Arc<dyn Store>,
    /// Uploaded images.
    pub find_image: FindImage,
    /// Webhooks.
    pub back_end: B,
    /// Called every second.
    pub observe: Observe,
}

/// The way to the task; clones share it.
#[derive(Debug, Clone)]
pub struct HubHandle {
    inbox: mpsc::Sender<Input>,
    controls: mpsc::Sender<Control>,
}

/// A socket's way to the hub.
#[derive(Debug)]
pub(super) struct Link {
    socket: SocketId,
    inbox: mpsc::Sender<Input>,
}

/// The task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hub has ended")]
pub(super) struct HubEnded;

/// From sockets, in order.
#[derive(Debug)]
enum Input {
    Open {
        socket: SocketId,
        peer: IpAddr,
        outbox: Outbox,
    },
    Text {
        socket: SocketId,
        text: Utf8Bytes,
    },
    Closed {
        socket: SocketId,
    },
}

/// From the server's other parts. They do not wait behind clients.
enum Control {
    Admin {
        app: AppId,
        call: Box<Call>,
        reply: oneshot::Sender<Result<Reply, AdminError>>,
    },
    /// Answered by a hub that is alive.
    Ping(oneshot::Sender<()>),
    Filter(Arc<WordFilter>),
    ShutDown(oneshot::Sender<()>),
}

/// Something that ran beside the task has ended.
enum Answer {
    Loaded(RoomKey, Option<SavedRoom>),
    Profile(Ticket, Option<SavedProfile>),
    Profiles(Ticket, Vec<(UserId, SavedProfile)>),
    Image(Ticket, Option<ImagePayload>),
    Verdict(Ticket, Verdict),
}

/// Starts the task; must be called within a tokio runtime.
pub(super) fn start<M: Media, B: BackEnd>(
    parts: TaskParts<M, B>,
    metrics: SignalMetrics,
) -> HubHandle {
    let (inbox, inputs) = mpsc::channel(INBOX);
    let (controls, control_inputs) = mpsc::channel(CONTROLS);
    let task = Task {
        hub: parts.hub,
        orders: Orders::new(parts.media),
        events: parts.events,
        store: parts.store,
        find_image: parts.find_image,
        back_end: parts.back_end,
        observe: parts.observe,
        outboxes: HashMap::new(),
        answers: JoinSet::new(),
        inputs,
        controls: control_inputs,
        going: None,
        metrics,
    };
    tokio::spawn(task.run());
    HubHandle { inbox, controls }
}

impl HubHandle {
    /// Introduces a socket.
    pub(super) async fn open(
        &self,
        socket: SocketId,
        peer: IpAddr,
        outbox: Outbox,
    ) -> Result<Link, HubEnded> {
        let open = Input::Open {
            socket,
            peer,
            outbox,
        };
        let sent = self.inbox.send(open).await;
        sent.map_err(|_| HubEnded)?;
        Ok(Link {
            socket,
            inbox: self.inbox.clone(),
        })
    }

    /// Asks for something in the name of an app's back end or of the operator.
    ///
    /// # Errors
    /// What the hub says; [`AdminError::Busy`] when it does not answer within [`ADMIN_ANSWER`],
    /// or too many ask.
    pub async fn admin(&self, app: AppId, call: Call) -> Result<Reply, AdminError> {
        let (reply, answer) = oneshot::channel();
        let call = Box::new(call);
        let asked = self.controls.try_send(Control::Admin { app, call, reply });
        if asked.is_err() {
            return Err(AdminError::Busy);
        }
        match tokio::time::timeout(ADMIN_ANSWER, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(AdminError::Busy),
        }
    }

    /// Replaces the word filter.
    pub async fn set_filter(&self, filter: Arc<WordFilter>) {
        // A hub that has ended filters nothing.
        let _ = self.controls.send(Control::Filter(filter)).await;
    }

    /// Whether the hub's task runs.
    pub fn is_running(&self) -> bool {
        !self.inbox.is_closed()
    }

    /// Whether the hub's task answers within `limit`. One that is so far behind that it takes no
    /// question does not.
    pub async fn answers(&self, limit: Duration) -> bool {
        let (reply, answer) = oneshot::channel();
        if self.controls.try_send(Control::Ping(reply)).is_err() {
            return false;
        }
        matches!(tokio::time::timeout(limit, answer).await, Ok(Ok(())))
    }

    /// Tells all sockets that the server goes down, waits for them a little, and writes to the
    /// store what is not written yet. New sockets are closed at once from now on.
    pub async fn shut_down(&self) {
        let (done, ended) = oneshot::channel();
        if self.controls.send(Control::ShutDown(done)).await.is_ok() {
            // An error would be the task's panic.
            let _ = ended.await;
        }
    }
}

impl Link {
    pub(super) fn socket(&self) -> SocketId {
        self.socket
    }

    /// Hands a message over; waits while the inbox is full.
    pub(super) async fn text(&self, text: Utf8Bytes) -> Result<(), HubEnded> {
        let socket = self.socket;
        let sent = self.inbox.send(Input::Text { socket, text }).await;
        sent.map_err(|_| HubEnded)
    }

    /// Says that the socket is gone, after all its messages.
    pub(super) async fn closed(self) {
        let socket = self.socket;
        // A hub that has ended knows no sockets.
        let _ = self.inbox.send(Input::Closed { socket }).await;
    }
}

struct Task<M, B> {
    hub: Hub,
    orders: Orders<M>,
    events: mpsc::Receiver<MediaEvent>,
    store: Arc<dyn Store>,
    find_image: FindImage,
    back_end: B,
    observe: Observe,
    outboxes: HashMap<SocketId, Outbox>,
    answers: JoinSet<Answer>,
    inputs: mpsc::Receiver<Input>,
    controls: mpsc::Receiver<Control>,
    /// Set on the way down: whom to tell at its end.
    going: Option<Going>,
    metrics: SignalMetrics,
}

struct Going {
    end: Instant,
    done: oneshot::Sender<()>,
}

impl<M: Media, B: BackEnd> Task<M, B> {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut observe = tokio::time::interval(OBSERVE);
        observe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut was_held = false;
        while !self.is_over() {
            let due = self.due();
            let work = self.orders.len() + self.answers.len();
            self.metrics
                .orders
                .set(i64::try_from(work).unwrap_or(i64::MAX));
            let is_held = work >= MAX_ORDERS;
            if is_held && !was_held {
                self.metrics.held.inc();
            }
            was_held = is_held;
            let begun;
            tokio::select! {
                count = self.inputs.recv_many(&mut batch, BATCH), if !is_held => {
                    begun = Instant::now();
                    if count == 0 {
                        // Every handle is gone, and with them the server.
                        break;
                    }
                    for input in batch.drain(..) {
                        self.handle_input(begun, input);
                    }
                }
                Some(control) = self.controls.recv() => {
                    begun = Instant::now();
                    self.handle_control(begun, control);
                }
                (ticket, done) = self.orders.next() => {
                    begun = Instant::now();
                    self.hub.handle_media(begun.into_std(), ticket, done);
                }
                Some(answer) = self.answers.join_next() => {
                    begun = Instant::now();
                    match answer {
                        Ok(answer) => self.handle_answer(begun, answer),
                        // The hub's own time limit answers whoever asked.
                        Err(error) => tracing::error!(%error, "a question of the hub has failed"),
                    }
                }
                Some(event) = self.events.recv() => {
                    begun = Instant::now();
                    let source = match &event {
                        MediaEvent::BroadcastBegan { session, .. } => self.hub.source(*session),
                        _ => None,
                    };
                    self.back_end.handle_media(super::clock(), &event, source);
                    self.hub.handle_media_event(begun.into_std(), event);
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    begun = Instant::now();
                    self.hub.handle_timeout(begun.into_std());
                }
                _ = observe.tick() => {
                    begun = Instant::now();
                    (self.observe)(&self.hub);
                }
            }
            self.execute();
            self.metrics.turns.observe(begun.elapsed().as_secs_f64());
        }
        self.end().await;
    }

    fn due(&self) -> Option<Instant> {
        let hub = self.hub.next_timeout().map(Instant::from_std);
        let going = self.going.as_ref().map(|going| going.end);
        [hub, going].into_iter().flatten().min()
    }

    fn is_over(&self) -> bool {
        self.going
            .as_ref()
            .is_some_and(|going| self.outboxes.is_empty() || going.end <= Instant::now())
    }

    fn handle_input(&mut self, now: Instant, input: Input) {
        let std = now.into_std();
        match input {
            Input::Open {
                socket,
                peer,
                outbox,
            } => {
                if self.going.is_some() {
                    outbox.close(CloseCode::ServerStopping.into());
                }
                self.outboxes.insert(socket, outbox);
                self.hub.open(std, socket, peer);
            }
            Input::Text { socket, text } => self.hub.receive(std, socket, &text),
            Input::Closed { socket } => {
                self.outboxes.remove(&socket);
                self.hub.closed(std, socket);
            }
        }
        self.execute();
    }

    fn handle_control(&mut self, now: Instant, control: Control) {
        match control {
            Control::Admin { app, call, reply } => {
                let mut result = self.hub.admin(now.into_std(), app, *call);
                if let Ok(Reply::Recorded { items }) = &mut result {
                    for item in items {
                        item.settle(self.back_end.record(app, &item.relayed_as));
                    }
                }
                // Nobody waits any more when the asking request has gone.
                let _ = reply.send(result);
            }
            Control::Ping(reply) => {
                let _ = reply.send(());
            }
            Control::Filter(filter) => self.hub.set_filter(filter),
            Control::ShutDown(done) => {
                for outbox in self.outboxes.values() {
                    outbox.close(CloseCode::ServerStopping.into());
                }
                self.back_end.end(super::clock());
                let end = now + FAREWELL;
                self.going.get_or_insert(Going { end, done });
            }
        }
    }

    fn handle_answer(&mut self, now: Instant, answer: Answer) {
        let now = now.into_std();
        match answer {
            Answer::Loaded(key, saved) => self.hub.handle_loaded(now, &key, saved),
            Answer::Profile(ticket, profile) => self.hub.handle_profile(now, ticket, profile),
            Answer::Profiles(ticket, saved) => self.hub.handle_profiles(now, ticket, saved),
            Answer::Image(ticket, image) => self.hub.handle_image(now, ticket, image),
            Answer::Verdict(ticket, verdict) => self.hub.handle_verdict(now, ticket, verdict),
        }
    }

    /// Does everything that the hub says.
    fn execute(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::Send { socket, text } => {
                    if let Some(outbox) = self.outboxes.get(&socket) {
                        // A full one closes its socket; the session behind it keeps the events.
                        let _ = outbox.push(text);
                    }
                }
                HubOutput::Close { socket, code } => {
                    if let Some(outbox) = self.outboxes.get(&socket) {
                        outbox.close(code.into());
                    }
                }
                HubOutput::Media { ticket, order } => self.orders.push(ticket, order),
                HubOutput::Load { key } => {
                    let store = Arc::clone(&self.store);
                    self.answers.spawn(async move {
                        let saved = ask(|| store.room(&key)).await;
                        Answer::Loaded(key, saved)
                    });
                }
                HubOutput::LoadProfile { ticket, app, user } => {
                    let store = Arc::clone(&self.store);
                    self.answers.spawn(async move {
                        let saved = ask(|| store.profile(app, &user)).await;
                        Answer::Profile(ticket, saved.flatten())
                    });
                }
                HubOutput::LoadProfiles { ticket, app, users } => {
                    let store = Arc::clone(&self.store);
                    self.answers.spawn(async move {
                        let saved = ask(|| store.profiles(app, &users)).await;
                        Answer::Profiles(ticket, saved.unwrap_or_default())
                    });
                }
                HubOutput::LoadImage { ticket, id, .. } => {
                    let find = Arc::clone(&self.find_image);
                    self.answers
                        .spawn_blocking(move || Answer::Image(ticket, find(&id)));
                }
                HubOutput::Save(change) => {
                    if let Err(error) = self.store.write(change) {
                        if self.metrics.unsaved.get() == 0 {
                            tracing::warn!(%error, "a change of a room is not kept");
                        }
                        self.metrics.unsaved.inc();
                    }
                }
                HubOutput::Ask { ticket, message } => {
                    let asked = self.back_end.ask(message);
                    self.answers
                        .spawn(async move { Answer::Verdict(ticket, asked.await) });
                }
                HubOutput::Tell(notice) => self.back_end.tell(notice),
                HubOutput::Record {
                    app,
                    name,
                    recorded,
                } => match recorded {
                    // What is refused has been told to the log; nobody has asked.
                    true => drop(self.back_end.record(app, &name)),
                    false => self.back_end.stop_recording(app, &name),
                },
            }
        }
    }

    async fn end(mut self) {
        // Sockets that have not heard of it yet find it closed.
        self.inputs.close();
        self.controls.close();
        match self.store.flush() {
            Ok(pending) => {
                if let Err(error) = pending.await {
                    tracing::warn!(%error, "not everything of the rooms is kept");
                }
            }
            Err(error) => tracing::warn!(%error, "not everything of the rooms is kept"),
        }
        if let Some(going) = self.going {
            // Nobody waits any more when the shutdown has been cut short.
            let _ = going.done.send(());
        }
    }
}

/// Asks the store, again after a while as long as it is behind.
async fn ask<T>(question: impl Fn() -> Result<Pending<T>, StoreError>) -> Option<T> {
    let mut tries = 0;
    loop {
        let error = match question() {
            Ok(pending) => match pending.await {
                Ok(answer) => return Some(answer),
                Err(error) => error,
            },
            Err(error) => error,
        };
        tries += 1;
        if !matches!(error, StoreError::Full { .. }) || tries >= STORE_TRIES {
            tracing::warn!(%error, "something stored cannot be read");
            return None;
        }
        sleep(STORE_PAUSE).await;
    }
}

/// Messages of all sockets that wait. Full means that the hub is behind, and slows the readers.
const INBOX: usize = 4_096;

/// Calls that wait. Full means that a back end asks faster than the hub answers.
const CONTROLS: usize = 256;

/// Messages of one turn, so that timers and results are not late.
const BATCH: usize = 64;

/// Orders and questions that run or wait before the hub stops reading clients.
const MAX_ORDERS: usize = 10_000;

/// A turn takes microseconds; this is for a machine that hangs.
pub const ADMIN_ANSWER: Duration = Duration::from_secs(5);

/// On the way down, for the clients to close their sockets.
const FAREWELL: Duration = Duration::from_millis(500);

/// Between two looks of the observer.
const OBSERVE: Duration = Duration::from_secs(1);

/// Who enters a room waits 5 s for a store that is behind, and is told to try again then.
const STORE_TRIES: u32 = 50;
const STORE_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hub_that_hangs_or_has_ended_does_not_answer() {
        let (inbox, _inputs) = mpsc::channel(1);
        let (controls, mut asked) = mpsc::channel(2);
        let handle = HubHandle { inbox, controls };
        let limit = Duration::from_secs(1);
        for _ in 0..2 {
            assert!(!handle.answers(limit).await);
        }
        let begun = Instant::now();
        assert!(!handle.answers(limit).await, "as many wait as may");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let answering = tokio::spawn(async move {
            while let Some(Control::Ping(reply)) = asked.recv().await {
                let _ = reply.send(());
            }
        });
        tokio::task::yield_now().await;
        assert!(handle.answers(limit).await);
        answering.abort();
        let _ = answering.await;
        assert!(!handle.answers(limit).await);
    }
}
