//! One WebSocket of a client: its frames to the hub, the hub's messages to it.
//!
//! Reading and writing go on side by side in one task, so that neither waits for the other. What
//! is read goes into the hub's bounded inbox: a full one slows this reader only.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite;

use super::close::Closing;
use super::metrics::{Ended, SignalMetrics};
use super::outbox::{Mail, Next};
use super::pace::Pace;
use super::protocol::CloseCode;
use super::task::Link;

/// Bounds of one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketLimits {
    /// Bytes of one message from the client.
    pub message_bytes: usize,
    /// Messages a second in the long run; a faster client is read later.
    pub messages_per_second: u32,
    /// Messages at once.
    pub message_burst: u32,
    /// Without any frame from the client for this long the socket is closed. Pings go out three
    /// times as often, so that two of them stay unanswered.
    pub idle: Duration,
    /// For some messages to be taken by the client's side.
    pub write_timeout: Duration,
}

/// Carries a socket to its end, of which the hub is told.
pub(super) async fn run(
    socket: WebSocket,
    link: Link,
    mail: Mail,
    limits: &SocketLimits,
    metrics: &SignalMetrics,
) {
    metrics.opened.inc();
    metrics.sockets.inc();
    let (mut sink, mut stream) = socket.split();
    let heard = Heard::new();
    let end = tokio::select! {
        end = read(&mut stream, &link, &heard, limits, metrics) => end,
        end = write(&mut sink, &mail, &heard, limits, metrics) => end,
    };
    metrics.close(end.ended);
    metrics.sockets.dec();
    tracing::debug!(socket = link.socket().0, ended = ?end.ended, "signalling socket ended");
    link.closed().await;
    end.say(sink, stream).await;
}

/// How a socket ends.
struct End {
    ended: Ended,
    /// What the client is told, unless it has gone.
    closing: Option<Closing>,
}

impl End {
    fn silent(ended: Ended) -> Self {
        Self {
            ended,
            closing: None,
        }
    }

    fn told(ended: Ended, code: CloseCode) -> Self {
        Self {
            ended,
            closing: Some(code.into()),
        }
    }

    fn by_hub(closing: Closing) -> Self {
        let ended = match closing.code {
            CloseCode::TooSlow => Ended::Slow,
            CloseCode::ServerStopping => Ended::GoingAway,
            _ => Ended::Hub,
        };
        Self {
            ended,
            closing: Some(closing),
        }
    }

    fn of(error: Error) -> Self {
        use tungstenite::Error as Wrong;
        let error = error.into_inner();
        match error.downcast_ref::<Wrong>() {
            Some(Wrong::Capacity(_)) => Self::told(Ended::TooLarge, CloseCode::TooLarge),
            Some(Wrong::Utf8(_)) => Self::told(Ended::NotUtf8, CloseCode::NotUtf8),
            // A connection that just ends is no fault of the client's program.
            Some(Wrong::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => Self::silent(Ended::Lost),
            Some(Wrong::Protocol(_)) => Self::told(Ended::Protocol, CloseCode::ProtocolError),
            _ => Self::silent(Ended::Lost),
        }
    }

    /// Closes the connection in good order, for as long as the client takes part in it.
    async fn say(
        self,
        mut sink: SplitSink<WebSocket, Message>,
        mut stream: SplitStream<WebSocket>,
    ) {
        let Some(closing) = self.closing else {
            // Answers the client's close frame, if there was one.
            let _ = timeout(GRACE, sink.close()).await;
            return;
        };
        let frame = CloseFrame {
            code: closing.code.code(),
            reason: closing.reason.as_ref().into(),
        };
        let handshake = async {
            if sink.send(Message::Close(Some(frame))).await.is_err() {
                return;
            }
            loop {
                match stream.next().await {
                    Some(Ok(Message::Close(_))) | None => return,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => {
                        // Bytes that stay unread make the system reset the connection, and the
                        // client may lose the close frame by that if it has not read it yet.
                        return sleep(LINGER).await;
                    }
                }
            }
        };
        let _ = timeout(GRACE, handshake).await;
    }
}

async fn read(
    stream: &mut SplitStream<WebSocket>,
    link: &Link,
    heard: &Heard,
    limits: &SocketLimits,
    metrics: &SignalMetrics,
) -> End {
    let mut pace = Pace::new(limits.messages_per_second, limits.message_burst);
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return End::of(error),
            None => return End::silent(Ended::Lost),
        };
        heard.mark();
        match message {
            Message::Text(text) => {
                metrics.received.inc();
                if link.text(text).await.is_err() {
                    return End::told(Ended::GoingAway, CloseCode::ServerStopping);
                }
            }
            Message::Binary(_) => {
                return End::told(Ended::Binary, CloseCode::Binary);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return End::silent(Ended::Client),
        }
        let wait = pace.count(Instant::now().into_std());
        if !wait.is_zero() {
            metrics.paced.inc();
            sleep(wait).await;
        }
        // While it waited here it was not the client that was silent.
        heard.mark();
    }
}

async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    mail: &Mail,
    heard: &Heard,
    limits: &SocketLimits,
    metrics: &SignalMetrics,
) -> End {
    let every = (limits.idle / 3).max(Duration::from_millis(10));
    let mut pings = interval_at(Instant::now() + every, every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            next = mail.next() => Some(next),
            _ = pings.tick() => None,
        };
        let first = match next {
            Some(Next::Text(text)) => Message::Text((&*text).into()),
            Some(Next::Close(closing)) => return End::by_hub(closing),
            None if heard.silence() >= limits.idle => {
                return End::told(Ended::Silent, CloseCode::Silent);
            }
            None => Message::Ping(Bytes::new()),
        };
        let sent = tokio::select! {
            biased;
            // The loop finds the reason to close.
            () = mail.cut() => continue,
            sent = timeout(limits.write_timeout, send(sink, first, mail, metrics)) => sent,
        };
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) if !is_stall(&error) => return End::silent(Ended::Lost),
            // The connection has a guard of its own, which may be the first to say it.
            Ok(Err(_)) | Err(_) => {
                return End::told(Ended::WriteTimeout, CloseCode::TooSlow);
            }
        }
    }
}

/// Sends a message and those that wait behind it, in as few writes as they fit in.
async fn send(
    sink: &mut SplitSink<WebSocket, Message>,
    first: Message,
    mail: &Mail,
    metrics: &SignalMetrics,
) -> Result<(), Error> {
    let mut sent = u64::from(matches!(first, Message::Text(_)));
    sink.feed(first).await?;
    while sent < TOGETHER
        && let Some(Next::Text(text)) = mail.try_next()
    {
        sink.feed(Message::Text((&*text).into())).await?;
        sent += 1;
    }
    metrics.sent.inc_by(sent);
    sink.flush().await
}

/// Whether a write has failed because the client took nothing for too long.
fn is_stall(error: &Error) -> bool {
    let cause = error.source().and_then(|e| e.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Io(e)) if e.kind() == io::ErrorKind::TimedOut)
}

/// When the last frame came.
struct Heard {
    start: Instant,
    /// Milliseconds after `start`.
    last: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    fn mark(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }
}

/// Messages of one flush.
const TOGETHER: u64 = 32;

/// For the closing handshake (RFC 6455 §7.1.1).
const GRACE: Duration = Duration::from_secs(2);

/// For the client to read the close frame.
const LINGER: Duration = Duration::from_millis(300);
