//! The task of one push: connections one after the other, until the stream or its push ends.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::dial::Link;
use super::failure::Failure;
use super::session::Session;
use super::target::PushTarget;
use super::{PushState, PushView, PushWatcher, Pushes};
use crate::broadcast::{Broadcast, Phase, Status};
use crate::flv::FlvBody;
use crate::limits::{Seat, Seats};
use crate::viewer::{BodyCounters, StartAt, ViewerWatch};

pub(super) struct Task {
    pub(super) pushes: Pushes,
    pub(super) broadcast: Arc<Broadcast>,
    pub(super) target: PushTarget,
    pub(super) view: PushView,
    /// Bytes sent, which the view is given when somebody looks.
    pub(super) sent: Arc<AtomicU64>,
    pub(super) watcher: PushWatcher,
}

impl Task {
    /// Runs until the stream ends or `stop` says so.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) {
        let _gone = Gone {
            pushes: self.pushes.clone(),
            view: self.view.clone(),
        };
        self.gauge().inc();
        let status = self.broadcast.status.subscribe();
        let mut over = Over { stop, status };
        self.live(&mut over).await;
        self.enter(PushState::Ended, None);
        self.gauge().dec();
    }

    async fn live(&mut self, over: &mut Over) {
        let mut backoff = Backoff::default();
        let mut doing = PushState::Connecting;
        loop {
            if !over.wait_for_media().await {
                return;
            }
            self.enter(doing, self.view.error.clone());
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = over.wait() => return,
            };
            let failure = match connected {
                Ok((link, session)) => {
                    self.enter(PushState::Running, None);
                    let began = Instant::now();
                    let Err(failure) = self.send(link, session, over).await else {
                        return;
                    };
                    backoff.ran(began.elapsed());
                    failure
                }
                Err(failure) => failure,
            };
            let (stream, target) = (&self.view.stream, &self.target);
            tracing::info!(%stream, %target, %failure, "a push has no connection");
            self.count(&failure);
            let Some(wait) = backoff.wait(rand::random()) else {
                let last = Box::new(failure);
                let given_up = Failure::GivenUp { last };
                self.count(&given_up);
                self.enter(PushState::Failed, Some(given_up.to_string()));
                over.wait().await;
                return;
            };
            doing = PushState::Recovering;
            self.enter(doing, Some(failure.to_string()));
            tokio::select! {
                () = sleep(wait) => {}
                () = over.wait() => return,
            }
            self.view.reconnects += 1;
            self.pushes.0.metrics.reconnects.inc();
            self.pushes.note(&self.view);
        }
    }

    /// A connection whose server takes the stream.
    async fn connect(&self) -> Result<(Box<dyn Link>, Session), Failure> {
        let connect = async {
            let mut link = self.pushes.0.dial.dial(&self.target).await?;
            let (mut session, mut out) = Session::new(&self.target);
            let mut buffer = [0; READ];
            while !session.is_publishing() {
                link.write_all(&out).await.map_err(|_| Failure::Lost)?;
                link.flush().await.map_err(|_| Failure::Lost)?;
                let read = link.read(&mut buffer).await;
                let read = read.ok().filter(|n| *n > 0).ok_or(Failure::Lost)?;
                out = session.handle_bytes(&buffer[..read])?;
            }
            link.write_all(&out).await.map_err(|_| Failure::Lost)?;
            Ok((link, session))
        };
        let connected = timeout(CONNECT, connect).await;
        connected.unwrap_or(Err(Failure::Slow))
    }

    /// Sends the stream. `Ok` at its end, and when somebody stopped the push.
    async fn send(
        &mut self,
        link: Box<dyn Link>,
        mut session: Session,
        over: &mut Over,
    ) -> Result<(), Failure> {
        let mut body = self.body()?;
        let (mut reader, mut writer) = split(link);
        let mut buffer = [0; READ];
        let mut out = BytesMut::new();
        let (mut is_flushed, mut replies) = (false, 0);
        let mut taken = Instant::now();
        loop {
            let is_idle = out.is_empty() && is_flushed;
            tokio::select! {
                () = over.stopped() => break,
                // Who lets us answer without taking the answers is read no more.
                read = reader.read(&mut buffer), if replies < MAX_REPLIES => {
                    let read = read.ok().filter(|n| *n > 0).ok_or(Failure::Lost)?;
                    let reply = session.handle_bytes(&buffer[..read])?;
                    if !reply.is_empty() {
                        taken = if is_idle { Instant::now() } else { taken };
                        replies += reply.len();
                        out.extend_from_slice(&reply);
                        is_flushed = false;
                    }
                }
                written = write(&mut writer, &mut out), if !is_idle => {
                    if written.map_err(|_| Failure::Lost)? == 0 {
                        (is_flushed, replies) = (true, 0);
                    }
                    taken = Instant::now();
                }
                () = sleep_until(taken + STALL), if !is_idle => return Err(Failure::Stalled),
                tag = poll_fn(|cx| body.poll_bytes(cx)), if is_idle => {
                    let Some(tag) = tag else { break };
                    self.sent.fetch_add(tag.len() as u64, Ordering::Relaxed);
                    out.extend_from_slice(&session.write_tag(&tag)?);
                    (is_flushed, taken) = (false, Instant::now());
                }
            }
        }
        drop(body);
        out.extend_from_slice(&session.write_end()?);
        let last = async {
            // What is lost of a farewell changes nothing.
            let _ = writer.write_all_buf(&mut out).await;
            let _ = writer.shutdown().await;
        };
        let _ = timeout(FAREWELL, last).await;
        Ok(())
    }

    /// The stream from its newest key frame on.
    fn body(&self) -> Result<FlvBody, Failure> {
        let metrics = &self.pushes.0.metrics;
        let seats = &self.pushes.0.seats;
        // There are as many places as there may be pushes.
        let seat = Seat::take(&Seats::new(1), seats, metrics.connected.clone());
        let seat = seat.map_err(|_| Failure::Lost)?;
        Ok(FlvBody::new(
            self.broadcast.variant(None).ring.clone(),
            StartAt::Newest,
            usize::MAX,
            ViewerWatch::new(STALL),
            seat,
            BodyCounters {
                sent: metrics.sent_bytes.clone(),
                skips: metrics.skips.clone(),
                undecodable: metrics.undecodable.clone(),
                closed: None,
            },
        ))
    }

    fn enter(&mut self, state: PushState, error: Option<String>) {
        if (self.view.state, &self.view.error) == (state, &error) {
            return;
        }
        let was_failed = self.view.state == PushState::Failed;
        let is_new = self.view.state != state;
        self.gauge().dec();
        self.view.state = state;
        self.view.error = error;
        self.gauge().inc();
        self.pushes.note(&self.view);
        // A push that was given up has said its last.
        if is_new && !was_failed {
            let mut view = self.view.clone();
            view.sent_bytes = self.sent.load(Ordering::Relaxed);
            (self.watcher)(&view);
        }
    }

    fn gauge(&self) -> prometheus::IntGauge {
        let pushes = &self.pushes.0.metrics.pushes;
        pushes.with_label_values(&[self.view.state.name()])
    }

    fn count(&self, failure: &Failure) {
        let failures = &self.pushes.0.metrics.failures;
        failures.with_label_values(&[failure.label()]).inc();
    }
}

/// Writes some, or flushes when there is nothing to write and gives 0.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
) -> std::io::Result<usize> {
    if out.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write_buf(out).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

/// When there is nothing left to do.
struct Over {
    stop: watch::Receiver<bool>,
    status: watch::Receiver<Status>,
}

impl Over {
    /// Waits for somebody to stop the push.
    async fn stopped(&mut self) {
        // An error would say that nobody can stop it any more.
        let _ = self.stop.wait_for(|is_stopped| *is_stopped).await;
    }

    /// Waits for that, or for the end of the stream.
    async fn wait(&mut self) {
        let Self { stop, status } = self;
        tokio::select! {
            _ = stop.wait_for(|is_stopped| *is_stopped) => {}
            _ = status.wait_for(|status| status.phase == Phase::Ended) => {}
        }
    }

    /// Waits for media. False when none comes any more, or somebody stops the push.
    async fn wait_for_media(&mut self) -> bool {
        let Self { stop, status } = self;
        let here = status.wait_for(|status| matches!(status.phase, Phase::Live | Phase::Ended));
        tokio::select! {
            _ = stop.wait_for(|is_stopped| *is_stopped) => false,
            status = here => status.is_ok_and(|status| status.phase == Phase::Live),
        }
    }
}

/// Takes the push out of the book, even if its task panicked.
struct Gone {
    pushes: Pushes,
    view: PushView,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.pushes.forget(self.view.id);
        tracing::info!(stream = %self.view.stream, push = self.view.id.0, "a push ends");
    }
}

/// From the look-up of the name to the server's consent.
const CONNECT: Duration = Duration::from_secs(10);

/// For a server that takes nothing.
const STALL: Duration = Duration::from_secs(10);

/// For the last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes of the server that are taken at once.
const READ: usize = 4_096;

/// Bytes of answers that may wait for a server to take them.
const MAX_REPLIES: usize = 64 * 1024;
