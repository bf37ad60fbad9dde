//! One connection: the worker writes, a task of the same thread reads and sends what is left.

use std::io;
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::Outbox;
use super::{Arrival, LineId};
use crate::media::framing::{Decoder, append};

/// A connection, shared by the worker and its task.
#[derive(Debug)]
pub(super) struct Line {
    id: LineId,
    stream: TcpStream,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    outbox: Outbox,
    /// A session has taken a packet from it.
    is_proven: bool,
    /// Nothing more is taken; what waits is still sent.
    is_closing: bool,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// The client ended it, or the network did.
    Client,
    /// The session is over, or never was.
    Session,
    /// No check with a right password came in time.
    Unproven,
    /// Nothing came for a long time.
    Silent,
    /// What came is no stream of frames.
    BadFrame,
}

impl Line {
    pub(super) fn new(id: LineId, stream: TcpStream) -> Self {
        Self {
            id,
            stream,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn id(&self) -> LineId {
        self.id
    }

    /// Writes frames, or as much of them as the kernel takes; keeps the rest for the task. Gives
    /// the number of frames that were dropped.
    pub(super) fn send(&self, frames: &[u8]) -> u64 {
        let mut state = self.state();
        if state.is_closing {
            return 0;
        }
        let written = match state.outbox.is_empty() {
            // The task sees an error too, and ends.
            true => self.stream.try_write(frames).unwrap_or(0),
            false => 0,
        };
        if written == frames.len() {
            return 0;
        }
        let dropped = state.outbox.keep(frames, written);
        drop(state);
        self.changed.notify_one();
        dropped
    }

    pub(super) fn prove(&self) {
        self.state().is_proven = true;
        self.changed.notify_one();
    }

    /// Ends the connection once what waits is sent.
    pub(super) fn close(&self) {
        self.state().is_closing = true;
        self.changed.notify_one();
    }

    /// The task: runs until the connection ends.
    pub(super) async fn run(&self, arrivals: mpsc::Sender<Arrival>) {
        let end = self.carry(&arrivals).await;
        // The client reads what is on its way, and then the end.
        let _ = socket2::SockRef::from(&self.stream).shutdown(Shutdown::Write);
        if end == LineEnd::Session {
            let _ = timeout(LAST_WORDS, self.drain()).await;
        }
        let _ = arrivals.send(Arrival::Ended { line: self.id, end }).await;
    }

    async fn carry(&self, arrivals: &mpsc::Sender<Arrival>) -> LineEnd {
        let opened = Instant::now();
        let (mut heard, mut closing) = (opened, None);
        let mut decoder = Decoder::default();
        loop {
            let (waits, is_proven) = {
                let state = self.state();
                if state.is_closing {
                    closing.get_or_insert_with(Instant::now);
                }
                (!state.outbox.is_empty(), state.is_proven)
            };
            let (until, end) = match closing {
                Some(_) if !waits => return LineEnd::Session,
                Some(at) => (at + LAST_WORDS, LineEnd::Session),
                None if is_proven => (heard + SILENCE, LineEnd::Silent),
                None => (opened + PROOF, LineEnd::Unproven),
            };
            tokio::select! {
                ready = self.stream.readable() => {
                    let frames = match ready.and_then(|()| self.read(&mut decoder)) {
                        Ok(frames) => frames,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                            return LineEnd::BadFrame;
                        }
                        Err(_) => return LineEnd::Client,
                    };
                    if !frames.is_empty() {
                        heard = Instant::now();
                        let arrival = Arrival::Frames { line: self.id, frames };
                        if arrivals.send(arrival).await.is_err() {
                            return LineEnd::Session;
                        }
                    }
                }
                ready = self.stream.writable(), if waits => {
                    match ready.and_then(|()| self.write()) {
                        Ok(true) => {
                            let _ = arrivals.send(Arrival::Drained { line: self.id }).await;
                        }
                        Ok(false) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return LineEnd::Client,
                    }
                }
                () = self.changed.notified() => {}
                () = sleep_until(until) => return end,
            }
        }
    }

    /// Reads until the client has ended the connection too: one that is closed with something unread
    /// is reset, and what was said last may be lost with it (RFC 1122 section 4.2.2.13).
    async fn drain(&self) {
        let mut buffer = [0; READ];
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// What has come, as whole frames one behind the other.
    fn read(&self, decoder: &mut Decoder) -> io::Result<Vec<u8>> {
        let mut buffer = [0; READ];
        let count = self.stream.try_read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut frames = Vec::new();
        decoder
            .decode(&buffer[..count], |packet| append(&mut frames, packet))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(frames)
    }

    /// True if there is room again where frames had to be dropped.
    fn write(&self) -> io::Result<bool> {
        let mut state = self.state();
        let written = self.stream.try_write(state.outbox.waiting())?;
        Ok(state.outbox.written(written))
    }

    /// Each step leaves the state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineEnd {
    /// All ends.
    pub(super) const ALL: [Self; 5] = [
        Self::Client,
        Self::Session,
        Self::Unproven,
        Self::Silent,
        Self::BadFrame,
    ];

    /// The label value in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Session => "session",
            Self::Unproven => "unproven",
            Self::Silent => "silent",
            Self::BadFrame => "bad_frame",
        }
    }
}

/// Bytes of one read.
const READ: usize = 16_384;

/// For the first check: a client sends it as soon as the connection is there.
const PROOF: Duration = Duration::from_secs(5);

/// Longer than ICE waits for a check; a client that has taken another path forgets this one.
const SILENCE: Duration = Duration::from_secs(20);

/// For what waits when a session ends, and then for the client to read it.
const LAST_WORDS: Duration = Duration::from_secs(1);
