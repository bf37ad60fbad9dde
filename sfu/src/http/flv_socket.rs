//! `ws(s)://…/live/{id}.flv`: the FLV stream in binary messages of a WebSocket (RFC 6455), as
//! mpegts.js, flv.js and others play it; `…/live/{id}/stream.mp4`, a fragment of fMP4 in each. What
//! clients say is read slowly and ignored.

use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{ORIGIN, UPGRADE};
use http::{HeaderMap, Method, Uri};
use relay::{LiveStream, ViewerOver, Wanted};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::tungstenite;

use super::listener::Held;
use super::live;
use super::metrics::ViewerRefused;
use super::problem::Problem;
use super::site::Site;
use super::viewings::{Asker, Kept, Viewing};
use crate::signal::is_same_origin;

/// Whether a request below `/live/` wants a WebSocket of an endless stream. Others are answered as if
/// they did not ask for an upgrade (RFC 9110 §7.8).
pub(super) fn is_asked_for(request: &Request) -> bool {
    let mut upgrades = request.headers().get_all(UPGRADE).iter();
    *request.method() == Method::GET
        && Wanted::is_live_stream(request.uri().path())
        && upgrades.any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A socket that may be opened, as far as that can be said without a look at the stream.
pub(super) struct Opening {
    upgrade: WebSocketUpgrade,
    uri: Uri,
    held: Option<Held>,
}

/// Looks at what a request for a socket says of itself.
pub(super) async fn admit(site: &Site, request: Request) -> Result<Opening, Problem> {
    let (mut head, _) = request.into_parts();
    let held = head.extensions.get::<Held>().cloned();
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut head, &()).await else {
        return Err(Problem::NoWebSocket);
    };
    if !is_allowed(site, &head.uri, &head.headers) {
        site.metrics().refuse_viewer(ViewerRefused::Origin);
        return Err(Problem::PlayOrigin);
    }
    Ok(Opening {
        upgrade,
        uri: head.uri,
        held,
    })
}

impl Opening {
    /// Opens it, or answers as HTTP does. What is kept is the viewer's for as long as it is open.
    pub(super) async fn open(self, site: Site, asker: Asker, kept: Kept) -> Response {
        let stream = match site.relay().live_stream(&self.uri).await {
            Ok(stream) => stream,
            Err(refusal) => return refusal.map(Body::new),
        };
        let viewing = match live::begin(&site, asker, "websocket", stream.watch(), kept) {
            Ok(viewing) => viewing,
            Err(problem) => return problem.into_response(),
        };
        let held = self.held;
        self.upgrade
            .max_message_size(CLIENT_BYTES)
            .max_frame_size(CLIENT_BYTES)
            .read_buffer_size(CLIENT_BYTES)
            .write_buffer_size(0)
            .on_upgrade(move |socket| async move {
                serve(&site, socket, stream, viewing, held).await;
            })
    }
}

/// The rule for pages is that of HTTP-FLV: those of the server itself, and those that CORS lets in;
/// what the app says of hosts was looked at before. Programs send no `Origin`.
fn is_allowed(site: &Site, uri: &Uri, headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(ORIGIN).iter();
    match (fields.next(), fields.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(field), None) => field.to_str().is_ok_and(|origin| {
            site.cors_for(uri.path()).names(origin) || is_same_origin(origin, uri, headers)
        }),
    }
}

/// How a socket ends.
enum End {
    /// The client is told, and may answer.
    Told(u16, &'static str),
    /// The client has closed it.
    Client,
    /// Nobody is there to be told, or nothing can be sent.
    Silent,
}

async fn serve(
    site: &Site,
    socket: WebSocket,
    mut stream: LiveStream,
    viewing: Viewing,
    mut held: Option<Held>,
) {
    let (mut sink, mut incoming) = socket.split();
    let watch = stream.watch();
    let taken = held.as_ref().map(|held| held.taken().clone());
    let drained = async {
        match &mut held {
            Some(held) => held.drained().await,
            None => pending().await,
        }
    };
    let heard = Heard::new();
    let end = tokio::select! {
        end = write(site, &mut sink, &mut stream, &heard) => end,
        end = read(site, &mut incoming, &heard) => end,
        why = watch.over(|| taken.as_ref().map(|taken| taken.last())) => match why {
            ViewerOver::Stalled => End::Silent,
            ViewerOver::Revoked => End::Told(1008, "the operator has ended this viewer"),
        },
        () = drained => GOING_AWAY,
    };
    // Its place is free for others while the socket is being closed.
    drop((viewing, stream));
    let _ = timeout(GRACE, end.say(sink, incoming)).await;
}

/// Sends until the broadcast ends or the client answers no pings.
async fn write(
    site: &Site,
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut LiveStream,
    heard: &Heard,
) -> End {
    let idle = site.socket_idle();
    let every = (idle / 3).max(Duration::from_millis(10));
    let mut pings = interval_at(Instant::now() + every, every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            batch = stream.next(BATCH) => match batch {
                Some(batch) => Message::Binary(batch),
                // The rooms are the first to end.
                None if !site.is_running() => return GOING_AWAY,
                None if stream.is_of_other_tracks() => {
                    return End::Told(1000, "the tracks have changed: open it again");
                }
                None => return End::Told(1000, "the broadcast has ended"),
            },
            _ = pings.tick() => {
                if heard.silence() >= idle {
                    return End::Silent;
                }
                Message::Ping(Default::default())
            }
        };
        if sink.send(message).await.is_err() {
            return End::Silent;
        }
    }
}

/// Reads what nobody wants to know, slowly: a client that says much is slowed down by TCP.
async fn read(site: &Site, incoming: &mut SplitStream<WebSocket>, heard: &Heard) -> End {
    while let Some(message) = incoming.next().await {
        heard.mark();
        match message {
            Ok(Message::Text(_) | Message::Binary(_)) => site.metrics().messages_ignored.inc(),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Close(_)) => return End::Client,
            Err(error) => return End::of(error),
        }
        sleep(PAUSE).await;
    }
    End::Client
}

impl End {
    fn of(error: axum::Error) -> Self {
        use tungstenite::Error as Wrong;
        match error.into_inner().downcast_ref::<Wrong>() {
            Some(Wrong::Capacity(_)) => Self::Told(1009, "the message is too large"),
            Some(Wrong::Utf8(_)) => Self::Told(1007, "the message is not UTF-8"),
            _ => Self::Silent,
        }
    }

    /// Closes the socket in good order (RFC 6455 §7.1.1), as far as the client takes part in it.
    async fn say(
        self,
        mut sink: SplitSink<WebSocket, Message>,
        mut incoming: SplitStream<WebSocket>,
    ) {
        let (code, reason) = match self {
            Self::Told(code, reason) => (code, reason),
            Self::Client => {
                // Sends the answer to its close frame.
                let _ = sink.close().await;
                return;
            }
            Self::Silent => return,
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if sink.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        loop {
            match incoming.next().await {
                Some(Ok(Message::Close(_))) | None => return,
                Some(Ok(_)) => {}
                // Bytes that stay unread make the system reset the connection, and the client may
                // lose the close frame by that if it has not read it yet.
                Some(Err(_)) => return sleep(LINGER).await,
            }
        }
    }
}

/// When the last frame of the client came. Reading and writing take turns in one task.
struct Heard(std::sync::Mutex<Instant>);

impl Heard {
    fn new() -> Self {
        Self(std::sync::Mutex::new(Instant::now()))
    }

    fn mark(&self) {
        *self.last() = Instant::now();
    }

    fn silence(&self) -> Duration {
        self.last().elapsed()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

const GOING_AWAY: End = End::Told(1001, "the server is going down");

/// Bytes of one message of FLV to a client, but for a larger picture, which comes in several: this is
/// what a slow viewer has in memory of its own. One of fMP4 has the fragment that is on its way.
const BATCH: usize = 64 * 1024;

/// Bytes of one message from a client.
const CLIENT_BYTES: usize = 1024;

/// Between two messages of a client.
const PAUSE: Duration = Duration::from_millis(100);

/// For the closing handshake.
const GRACE: Duration = Duration::from_secs(2);

/// For the client to read the close frame.
const LINGER: Duration = Duration::from_millis(300);
