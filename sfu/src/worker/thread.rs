//! The loop of one worker thread.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use relay::{KeyframeAsker, Pictures, Publication, PublishError, StreamId};
use tokio::sync::{mpsc, oneshot};

use super::api::{
    Accepted, MediaEvent, OfferError, PatchError, Patched, ReceiveError, Role, ServerOffer,
    SessionId, SessionRef, UnknownSession,
};
use super::measures::{Audience, Travel};
use super::metrics::{Metrics, PERIOD};
use super::receivers::Claims;
use super::relaying::{Hold, RelayError, Relayed};
use super::socket::MediaSocket;
use super::tcp::Lines;
use super::{Reservation, Shared};
use crate::media::offer::CheckedOffer;
use crate::media::{Core, DropReason, Gauges, LaneMessage, Output, Placed, Transport, Travelled};

/// What the HTTP side asks of a worker.
pub(crate) enum Command {
    Publish {
        reservation: Reservation,
        offer: CheckedOffer,
        /// It goes to the relay under its stream's id.
        relay: bool,
        reply: oneshot::Sender<Result<Accepted, OfferError>>,
    },
    SetRelay {
        session: SessionRef,
        relay: Option<Hold>,
        reply: oneshot::Sender<Result<(), RelayError>>,
    },
    Subscribe {
        reservation: Reservation,
        offer: CheckedOffer,
        home: Option<usize>,
        reply: oneshot::Sender<Result<Accepted, OfferError>>,
    },
    Patch {
        session: SessionRef,
        if_match: Option<String>,
        fragment: String,
        reply: oneshot::Sender<Result<Patched, PatchError>>,
    },
    Close {
        session: SessionRef,
        reply: oneshot::Sender<Result<(), UnknownSession>>,
    },
    Receive {
        receiver: SessionId,
        add: Vec<Placed>,
        claims: Claims,
        remove: Vec<StreamId>,
        reply: oneshot::Sender<Result<Option<ServerOffer>, ReceiveError>>,
    },
    Answer {
        receiver: SessionId,
        revision: u32,
        sdp: String,
        reply: oneshot::Sender<Result<Option<ServerOffer>, ReceiveError>>,
    },
    PatchReceiver {
        receiver: SessionId,
        body: String,
        reply: oneshot::Sender<Result<Option<ServerOffer>, ReceiveError>>,
    },
    CloseReceiver {
        receiver: SessionId,
        reply: oneshot::Sender<Result<(), ReceiveError>>,
    },
    Allow {
        session: SessionRef,
        audio: bool,
        video: bool,
        reply: oneshot::Sender<Result<(), UnknownSession>>,
    },
    WantKeyframes {
        stream: StreamId,
        pictures: Pictures,
    },
    /// Answered by a worker that is alive.
    Ping {
        reply: oneshot::Sender<()>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) core: Core,
    pub(crate) socket: MediaSocket,
    pub(crate) tcp: Lines,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) lanes: mpsc::Receiver<LaneMessage>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Metrics,
    /// By the id of the stream, which may be relayed under another name.
    pub(crate) relayed: HashMap<StreamId, Relayed>,
    /// Why the relay did not take the last broadcast that was opened.
    pub(crate) refused: Option<PublishError>,
    pub(crate) gauges: Gauges,
}

impl Worker {
    pub(crate) async fn run(mut self) {
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        let mut report_at = Instant::now() + PERIOD;
        let mut rounds = 0_u32;
        loop {
            let (mut command, mut lane, mut arrival) = (None, None, None);
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(ROUNDS_ALONE) {
                tokio::task::yield_now().await;
            }
            let wake = self
                .core
                .next_timeout()
                .map_or(report_at, |at| at.min(report_at));
            sleep.as_mut().reset(wake.into());
            tokio::select! {
                biased;
                _ = self.socket.readable() => {}
                received = self.commands.recv() => command = received,
                received = self.lanes.recv() => lane = received,
                arrived = self.tcp.next() => arrival = Some(arrived),
                () = &mut sleep => {}
            }

            let now = Instant::now();
            let packets_before = self.core.counters().packets_out;
            for _ in 0..MAX_RECEIVES {
                let core = &mut self.core;
                let any = self
                    .socket
                    .receive(|d| core.handle_datagram(now, d.source, d.to, d.contents));
                if !any {
                    break;
                }
            }
            let mut left = MAX_ARRIVALS;
            while let Some(next) = arrival.take().or_else(|| self.tcp.try_next()) {
                self.tcp.handle(&mut self.core, now, next);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
            let mut left = MAX_LANE_MESSAGES;
            while let Some(message) = lane.take().or_else(|| self.lanes.try_recv().ok()) {
                self.core.handle_lane(now, message);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
            self.send_all(now).await;
            if self.core.counters().packets_out != packets_before {
                self.metrics.delay.observe(now.elapsed().as_secs_f64());
            }

            let mut left = MAX_COMMANDS;
            while let Some(next) = command.take().or_else(|| self.commands.try_recv().ok()) {
                if let Some(done) = self.handle_command(Instant::now(), next) {
                    self.send_all(now).await;
                    self.report();
                    self.tcp.close(&mut self.core).await;
                    let _ = done.send(());
                    return;
                }
                left -= 1;
                if left == 0 {
                    break;
                }
            }
            let now = Instant::now();
            if self.core.next_timeout().is_some_and(|at| at <= now) {
                self.core.handle_timeout(now);
            }
            self.send_all(now).await;
            if now >= report_at {
                report_at = now + PERIOD;
                self.report();
                self.tcp.sweep(&mut self.core);
            }
        }
    }

    /// Carries out a command; a shutdown gives back whom to tell when it is done.
    fn handle_command(&mut self, now: Instant, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Publish {
                reservation,
                offer,
                relay,
                reply,
            } => {
                let (stream, session) = (&reservation.stream, reservation.session);
                let result = self.core.publish(now, stream, session, &offer);
                if !relay {
                    // An offer that was refused has no session.
                    let _ = self.core.set_relay(now, &reservation.session_ref(), None);
                }
                self.opened(now, reservation, result, reply);
            }
            Command::Subscribe {
                reservation,
                offer,
                home,
                reply,
            } => {
                let (stream, session) = (&reservation.stream, reservation.session);
                let result = self.core.subscribe(now, stream, session, &offer, home);
                self.opened(now, reservation, result, reply);
            }
            Command::Patch {
                session,
                if_match,
                fragment,
                reply,
            } => {
                let result = self
                    .core
                    .patch(now, &session, if_match.as_deref(), &fragment);
                let _ = reply.send(result);
            }
            Command::Ping { reply } => {
                let _ = reply.send(());
            }
            Command::Close { session, reply } => {
                let _ = reply.send(self.core.close(now, &session));
            }
            Command::SetRelay {
                session,
                relay,
                reply,
            } => {
                let result = self.set_relay(now, &session, relay);
                let _ = reply.send(result);
            }
            Command::Receive {
                receiver,
                add,
                claims,
                remove,
                reply,
            } => {
                let result = self.core.receive(now, receiver, &add, &remove);
                if result.is_ok() {
                    // The core says when it has done with each.
                    claims.keep();
                }
                self.forget_unopened(receiver);
                let _ = reply.send(result);
            }
            Command::Answer {
                receiver,
                revision,
                sdp,
                reply,
            } => {
                let _ = reply.send(self.core.answer(now, receiver, revision, &sdp));
            }
            Command::PatchReceiver {
                receiver,
                body,
                reply,
            } => {
                let _ = reply.send(self.core.patch_receiver(receiver, &body));
            }
            Command::CloseReceiver { receiver, reply } => {
                let _ = reply.send(self.core.close_receiver(now, receiver));
            }
            Command::Allow {
                session,
                audio,
                video,
                reply,
            } => {
                let _ = reply.send(self.core.set_allowed(&session, audio, video));
            }
            Command::WantKeyframes { stream, pictures } => {
                self.core.want_keyframes(now, &stream, pictures);
            }
            Command::Shutdown { reply } => {
                self.core.close_all(now);
                return Some(reply);
            }
        }
        None
    }

    /// Takes a receiver that is not open out of the directory.
    fn forget_unopened(&self, receiver: SessionId) {
        if !self.core.has_receiver(receiver) {
            self.shared.directory().receiver_closed(receiver);
        }
    }

    /// Answers an offer. A session that nobody waits for any more is closed again.
    fn opened(
        &mut self,
        now: Instant,
        reservation: Reservation,
        result: Result<Accepted, OfferError>,
        reply: oneshot::Sender<Result<Accepted, OfferError>>,
    ) {
        if result.is_err() {
            drop(reservation);
            let _ = reply.send(result);
            return;
        }
        let session = reservation.keep();
        if reply.send(result).is_err() {
            let _ = self.core.close(now, &session);
        }
    }

    /// Drains sessions, carries out what the core asks for, and sends, until nothing is left.
    async fn send_all(&mut self, now: Instant) {
        loop {
            let more = self.core.flush_some(now, SEND_BYTES);
            let mut worked = false;
            while let Some(output) = self.core.poll_output() {
                worked = true;
                self.handle_output(now, output);
            }
            self.send().await;
            if !more && !worked {
                return;
            }
        }
    }

    pub(super) fn handle_output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Relay { stream, item } => {
                let Some(relayed) = self.relayed.get(&stream) else {
                    return;
                };
                // Only a full lane needs the item again, and only for its kind.
                let kind = item.clone();
                if relayed.ingest.try_send(item).is_err() {
                    self.core.relay_full(now, &stream, &kind);
                }
            }
            Output::Lane { worker, message } => {
                let Some(lane) = self.shared.lanes.get(worker) else {
                    return;
                };
                if let Err(e) = lane.try_send(message) {
                    let message = match e {
                        mpsc::error::TrySendError::Full(m)
                        | mpsc::error::TrySendError::Closed(m) => m,
                    };
                    self.core.lane_full(now, worker, &message);
                }
            }
            Output::BroadcastOpened {
                stream,
                name,
                session,
                from,
                publication,
            } => self.open_broadcast(stream, name, (session, from), publication),
            Output::BroadcastStopped { stream } => {
                if let Some(relayed) = self.relayed.remove(&stream) {
                    relayed.ingest.end();
                    self.broadcast_ended(relayed.name, relayed.session);
                }
            }
            Output::Unpublished { stream } => {
                if let Some(relayed) = self.relayed.remove(&stream) {
                    self.broadcast_ended(relayed.name, relayed.session);
                }
            }
            Output::Closed(closed) => {
                let SessionRef {
                    stream,
                    session,
                    role,
                } = closed;
                tracing::info!(%stream, session = %session.short(), role = role.name(), "session closed");
                self.shared.directory().closed(&stream, session, role);
                if role == Role::Publisher {
                    self.shared.measures().ended(&stream, session);
                }
            }
            Output::Travelled { streams, travel } => self.measure(now, &streams, &travel),
            Output::Left { stream } => self.shared.directory().left(&stream),
            Output::ReceiverClosed { receiver } => {
                tracing::info!(session = %receiver.short(), role = "receiver", "session closed");
                // It may have been opened again in between.
                self.forget_unopened(receiver);
            }
            Output::Event(event) => {
                if let MediaEvent::Live { stream, .. } = &event {
                    self.shared.directory().published(stream);
                }
                self.tell(event);
            }
        }
    }

    /// Notes how a session's packets travel, for the operator.
    fn measure(&self, now: Instant, streams: &Travelled, travel: &Travel) {
        match streams {
            Travelled::From(stream) => {
                let Some((owner, viewers)) = self.shared.directory().audience(stream) else {
                    return;
                };
                let relayed = self.relayed.get(stream);
                let audience = Audience {
                    owner,
                    relayed_as: relayed.map(|relayed| relayed.name.clone()),
                    viewers: u32::try_from(viewers).unwrap_or(u32::MAX),
                };
                let times = (now, unix_ms());
                let mut measures = self.shared.measures();
                measures.publisher(times, stream, audience, travel);
            }
            Travelled::To(streams) => {
                let Some(loss) = travel.loss else {
                    return;
                };
                let mut measures = self.shared.measures();
                for stream in streams {
                    measures.viewer(stream, loss);
                }
            }
        }
    }

    /// Opens a broadcast, or takes it over. The one under the stream's name before ends.
    fn open_broadcast(
        &mut self,
        stream: StreamId,
        name: StreamId,
        (session, from): (SessionId, Option<IpAddr>),
        publication: Publication,
    ) {
        let owner = {
            let mut directory = self.shared.directory();
            directory.relayed(&stream, &name);
            directory.audience(&stream).map(|(owner, _)| owner)
        };
        let asker = self.asker(&stream);
        self.refused = None;
        let opened = self.shared.relay.publish(&name, publication, asker);
        let before = self.relayed.remove(&stream);
        match opened {
            Ok(ingest) => {
                self.tell(MediaEvent::BroadcastBegan {
                    name: name.clone(),
                    session,
                    from,
                    owner,
                });
                let relayed = Relayed {
                    name: name.clone(),
                    session,
                    ingest,
                };
                self.relayed.insert(stream, relayed);
            }
            Err(error) => {
                tracing::warn!(%stream, %name, %error, "the relay does not take the stream");
                self.refused = Some(error);
            }
        }
        // After the beginning: what goes on under its name has not ended.
        if let Some(before) = before {
            // One whose successor is refused may be taken up again.
            if before.name != name && self.refused.is_none() {
                before.ingest.end();
            }
            self.broadcast_ended(before.name, before.session);
        }
    }

    fn broadcast_ended(&mut self, name: StreamId, session: SessionId) {
        self.tell(MediaEvent::BroadcastEnded { name, session });
    }

    fn tell(&mut self, event: MediaEvent) {
        if !self.shared.events.send(event) {
            self.core.counters().events_dropped += 1;
        }
    }

    /// The relay's way to ask for a key frame. It must not keep the worker alive.
    fn asker(&self, stream: &StreamId) -> KeyframeAsker {
        let commands = self
            .shared
            .commands
            .get(self.index)
            .map(mpsc::Sender::downgrade);
        let stream = stream.clone();
        Arc::new(move |pictures| {
            let sender = commands.as_ref().and_then(mpsc::WeakSender::upgrade);
            if let Some(sender) = sender {
                // A full queue means that the worker is behind; the relay asks again.
                let _ = sender.try_send(Command::WantKeyframes {
                    stream: stream.clone(),
                    pictures,
                });
            }
        })
    }

    async fn send(&mut self) {
        let (mut sends, mut datagrams, mut bytes, mut failed, mut full) = (0, 0, 0, 0, 0);
        for batch in self.core.transmits().batches() {
            let count = batch.datagrams().count() as u64;
            let dropped = match batch.destination.transport {
                Transport::Udp => self.socket.send(&batch).await.map(|()| 0).ok(),
                Transport::Tcp => self.tcp.send(&batch).ok(),
            };
            match dropped {
                Some(dropped) => {
                    sends += 1;
                    datagrams += count.saturating_sub(dropped);
                    bytes += batch.contents.len() as u64;
                    full += dropped;
                }
                None => failed += count,
            }
        }
        let max_segments = self.socket.max_segments();
        self.core.transmits().clear();
        self.core.transmits().limit_segments(max_segments);
        let counters = self.core.counters();
        counters.sends += sends;
        counters.datagrams_out += datagrams;
        counters.datagram_bytes_out += bytes;
        counters.drop_many(DropReason::SendFailed, failed);
        counters.drop_many(DropReason::ConnectionFull, full);
    }

    fn report(&mut self) {
        let counters = self.core.counters().take();
        self.metrics.add(&counters);
        if self.index == 0 {
            self.metrics.forgotten(self.shared.directory().forgotten());
        }
        let gauges = self.core.gauges();
        self.metrics.shift(&self.gauges, &gauges);
        self.gauges = gauges;
    }
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Receive calls before the sessions are drained: up to 16 runs of datagrams each.
const MAX_RECEIVES: usize = 4;

/// Reads of TCP connections of one round.
const MAX_ARRIVALS: usize = 64;

/// Rounds after which the tasks of TCP connections get their turn even if datagrams never end.
const ROUNDS_ALONE: u32 = 16;

/// Lane messages of one round.
const MAX_LANE_MESSAGES: usize = 512;

/// Commands of one round: an offer costs about a millisecond, and media waits for it.
const MAX_COMMANDS: usize = 4;

/// Bytes gathered before they are sent: the first subscribers of a large room do not wait for the
/// last ones.
const SEND_BYTES: usize = 256 * 1_024;
