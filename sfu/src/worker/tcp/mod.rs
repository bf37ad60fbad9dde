//! ICE over TCP (RFC 6544): clients behind firewalls that let no UDP through connect to the TCP
//! port with the number of the worker's UDP port.
//!
//! A connection stays only if its first packet is a check with the right password for one of the
//! worker's sessions. The worker never waits for one: what a client does not read is kept up to a
//! bound, then dropped frame by frame.

mod line;
mod metrics;
mod outbox;
mod places;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::line::{Line, LineEnd};
pub(crate) use self::metrics::TcpMetrics;
pub(crate) use self::places::Places;
use self::places::{NoPlace, Place};
use crate::media::framing::Frames;
use crate::media::{Batch, Core, Remote};

/// The connections of one worker.
pub(crate) struct Lines {
    listener: Option<TcpListener>,
    /// Until then the listener is left alone: there was no descriptor for a connection.
    rests_until: Option<tokio::time::Instant>,
    places: Arc<Places>,
    metrics: TcpMetrics,
    open: HashMap<SocketAddr, Open>,
    tasks: JoinSet<()>,
    arrivals: mpsc::Receiver<Arrival>,
    sender: mpsc::Sender<Arrival>,
    next: u64,
}

struct Open {
    line: Arc<Line>,
    /// The local address that the client has connected to.
    to: IpAddr,
    is_proven: bool,
    _place: Place,
}

/// Names a connection: its address may be another one's later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineId {
    from: SocketAddr,
    number: u64,
}

/// Something has happened on a connection.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A client has connected.
    Opened { stream: TcpStream, from: SocketAddr },
    /// Packets have come.
    Frames { line: LineId, frames: Vec<u8> },
    /// Packets were dropped, and there is room again.
    Drained { line: LineId },
    /// The connection is over.
    Ended { line: LineId, end: LineEnd },
}

/// Binds a listener.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A server that starts again finds its port although connections of before are winding up.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Lines {
    /// To be called on the worker's runtime. Without a listener there are never any.
    pub(crate) fn new(
        listener: Option<std::net::TcpListener>,
        places: Arc<Places>,
        metrics: TcpMetrics,
    ) -> io::Result<Self> {
        let (sender, arrivals) = mpsc::channel(ARRIVALS);
        Ok(Self {
            listener: listener.map(TcpListener::from_std).transpose()?,
            rests_until: None,
            places,
            metrics,
            open: HashMap::new(),
            tasks: JoinSet::new(),
            arrivals,
            sender,
            next: 0,
        })
    }

    /// The next thing that happens. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Arrival {
        loop {
            tokio::select! {
                Some(arrival) = self.arrivals.recv() => return arrival,
                accepted = accept(self.listener.as_ref(), self.rests_until) => match accepted {
                    Ok((stream, from)) => {
                        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                        return Arrival::Opened { stream, from };
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a media connection was not accepted");
                        self.rests_until = Some(tokio::time::Instant::now() + REST);
                    }
                },
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// What else has happened, without waiting.
    pub(crate) fn try_next(&mut self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }

    /// Does what an arrival asks for.
    pub(crate) fn handle(&mut self, core: &mut Core, now: std::time::Instant, arrival: Arrival) {
        match arrival {
            Arrival::Opened { stream, from } => self.take(core, stream, from),
            Arrival::Frames { line, frames } => {
                for packet in Frames::new(&frames) {
                    let Some(open) = self.open.get_mut(&line.from) else {
                        return;
                    };
                    if open.line.id() != line {
                        return;
                    }
                    let remote = Remote::tcp(line.from);
                    core.handle_datagram(now, remote, Some(open.to), packet);
                    if open.is_proven {
                        continue;
                    }
                    if core.knows(remote) {
                        open.is_proven = true;
                        open.line.prove();
                    } else {
                        self.end(core, line, LineEnd::Unproven);
                        return;
                    }
                }
            }
            Arrival::Drained { line } => core.connection_drained(now, Remote::tcp(line.from)),
            Arrival::Ended { line, end } => self.end(core, line, end),
        }
    }

    fn take(&mut self, core: &mut Core, stream: TcpStream, from: SocketAddr) {
        let place = match self.places.take(from.ip()) {
            Ok(place) => place,
            Err(NoPlace::Server) => return self.metrics.refused("server_full"),
            Err(NoPlace::Address) => return self.metrics.refused("address_full"),
        };
        let Ok(to) = stream.local_addr() else {
            return;
        };
        // A frame is sent when it is there, and a client that is slow is noticed.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(outbox::BOUND);
        // The client has begun anew, and its old connection is dead.
        if let Some(before) = self.open.get(&from) {
            let line = before.line.id();
            self.end(core, line, LineEnd::Client);
        }
        self.next += 1;
        let id = LineId {
            from,
            number: self.next,
        };
        let line = Arc::new(Line::new(id, stream));
        let (task, sender) = (Arc::clone(&line), self.sender.clone());
        self.tasks.spawn(async move { task.run(sender).await });
        let open = Open {
            line,
            to: to.ip().to_canonical(),
            is_proven: false,
            _place: place,
        };
        self.open.insert(from, open);
        self.metrics.opened();
    }

    /// Forgets a connection, whose task ends by itself.
    fn end(&mut self, core: &mut Core, line: LineId, end: LineEnd) {
        let is_this = self
            .open
            .get(&line.from)
            .is_some_and(|o| o.line.id() == line);
        if !is_this {
            return;
        }
        if let Some(open) = self.open.remove(&line.from) {
            open.line.close();
            self.metrics.ended(end);
        }
        core.connection_ended(Remote::tcp(line.from));
    }

    /// Sends frames, in one write if the client keeps up. Gives the number of those dropped.
    pub(crate) fn send(&self, batch: &Batch<'_>) -> Result<u64, NotConnected> {
        let open = self.open.get(&batch.destination.address);
        open.map(|open| open.line.send(batch.contents))
            .ok_or(NotConnected)
    }

    /// Ends the connections of sessions that are over.
    pub(crate) fn sweep(&mut self, core: &mut Core) {
        let over: Vec<_> = self
            .open
            .iter()
            .filter(|(from, open)| open.is_proven && !core.knows(Remote::tcp(**from)))
            .map(|(_, open)| open.line.id())
            .collect();
        for line in over {
            self.end(core, line, LineEnd::Session);
        }
    }

    /// Ends all of them, and waits a little until what waits is sent.
    pub(crate) async fn close(&mut self, core: &mut Core) {
        self.listener = None;
        let all: Vec<_> = self.open.values().map(|open| open.line.id()).collect();
        for line in all {
            self.end(core, line, LineEnd::Session);
        }
        self.arrivals.close();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS, ended).await;
    }
}

/// There is no connection to this address any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotConnected;

async fn accept(
    listener: Option<&TcpListener>,
    rests_until: Option<tokio::time::Instant>,
) -> io::Result<(TcpStream, SocketAddr)> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    if let Some(until) = rests_until {
        tokio::time::sleep_until(until).await;
    }
    listener.accept().await
}

/// Reads that wait for the worker. "Full" means that it has not run for a while; connections are
/// not read until it does.
const ARRIVALS: usize = 256;

/// Clients that wait to be accepted.
const BACKLOG: i32 = 256;

/// After a failed accept: descriptors come back when connections end.
const REST: Duration = Duration::from_millis(100);

/// For what waits when the server ends.
const LAST_WORDS: Duration = Duration::from_millis(200);
