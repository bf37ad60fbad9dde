//! A thread that drives sessions on real sockets and the real clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::peer::Driver;
use super::socket::{Buffers, Socket};

/// Names a session on its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey(usize);

/// The handle of an engine: a thread with sessions, each on an own socket.
pub struct Engine<D> {
    commands: mpsc::Sender<Command<D>>,
    waker: Waker,
    next_key: AtomicUsize,
    thread: Option<JoinHandle<()>>,
}

type Look<D> = Box<dyn FnOnce(&mut Sessions<D>) + Send>;

enum Command<D> {
    Add(SessionKey, Box<D>, Socket),
    Look(Look<D>),
    Close(SessionKey),
    Stop,
}

/// The sessions of an engine, for a look from outside.
pub struct Sessions<D> {
    map: BTreeMap<SessionKey, Session<D>>,
}

struct Session<D> {
    driver: D,
    socket: Socket,
    /// When the driver wants to be woken. The heap may hold an earlier entry.
    deadline: Instant,
    queued: Option<Instant>,
}

impl<D> Sessions<D> {
    /// One session, unless it is over.
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut D> {
        self.map.get_mut(&key).map(|session| &mut session.driver)
    }

    /// All sessions that are not over.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut D> {
        self.map.values_mut().map(|session| &mut session.driver)
    }
}

impl<D: Driver + Send + 'static> Engine<D> {
    /// Starts the thread. After each round in which datagrams came it naps for
    /// `nap`: what comes meanwhile is handled together, and whoever sends it on
    /// this machine does not pay for waking this thread each time.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread or its event queue.
    pub fn start(name: &str, nap: Duration) -> io::Result<Engine<D>> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let (commands, receiver) = mpsc::channel();
        let runner = Runner {
            poll,
            commands: receiver,
            sessions: Sessions {
                map: BTreeMap::new(),
            },
            timers: BinaryHeap::new(),
            buffers: Buffers::new(),
            outbox: Vec::new(),
            nap,
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runner.run())?;
        Ok(Engine {
            commands,
            waker,
            next_key: AtomicUsize::new(0),
            thread: Some(thread),
        })
    }

    /// Hands over a session that has its answer.
    pub fn add(&self, driver: D, socket: Socket) -> SessionKey {
        let key = SessionKey(self.next_key.fetch_add(1, Ordering::Relaxed));
        self.command(Command::Add(key, Box::new(driver), socket));
        key
    }

    /// Says goodbye and drops the session.
    pub fn close(&self, key: SessionKey) {
        self.command(Command::Close(key));
    }

    /// Runs `look` on the engine's thread; `None` when the thread has ended.
    pub async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Sessions<D>) -> R + Send + 'static,
    ) -> Option<R> {
        let (sender, receiver) = oneshot::channel();
        self.command(Command::Look(Box::new(move |sessions| {
            let _ = sender.send(look(sessions));
        })));
        receiver.await.ok()
    }

    fn command(&self, command: Command<D>) {
        if self.commands.send(command).is_ok() {
            // A waker that fails leaves the command to the next timeout.
            let _ = self.waker.wake();
        }
    }
}

impl<D> Drop for Engine<D> {
    /// Says goodbye for all sessions and waits for the thread.
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Runner<D> {
    poll: Poll,
    commands: mpsc::Receiver<Command<D>>,
    sessions: Sessions<D>,
    timers: BinaryHeap<Reverse<(Instant, SessionKey)>>,
    buffers: Buffers,
    outbox: Vec<str0m::net::Transmit>,
    nap: Duration,
}

const WAKE: Token = Token(usize::MAX);
/// No wait is longer: a missed wake-up costs no more.
const MAX_WAIT: Duration = Duration::from_millis(100);

impl<D: Driver> Runner<D> {
    fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        loop {
            let wait = match self.timers.peek() {
                Some(Reverse((at, _))) => {
                    at.saturating_duration_since(Instant::now()).min(MAX_WAIT)
                }
                None => MAX_WAIT,
            };
            if let Err(e) = self.poll.poll(&mut events, Some(wait))
                && e.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!("the event queue failed: {e}");
                return;
            }
            for event in &events {
                if event.token() != WAKE {
                    self.receive(SessionKey(event.token().0));
                }
            }
            self.fire_timers();
            while let Ok(command) = self.commands.try_recv() {
                if !self.handle(command) {
                    return;
                }
            }
            if !events.is_empty() && !self.nap.is_zero() {
                std::thread::sleep(self.nap);
            }
        }
    }

    /// `false` ends the thread.
    fn handle(&mut self, command: Command<D>) -> bool {
        match command {
            Command::Add(key, driver, socket) => self.add(key, *driver, socket),
            Command::Look(look) => look(&mut self.sessions),
            Command::Close(key) => self.close(key),
            Command::Stop => {
                let keys: Vec<_> = self.sessions.map.keys().copied().collect();
                for key in keys {
                    self.close(key);
                }
                return false;
            }
        }
        true
    }

    fn add(&mut self, key: SessionKey, mut driver: D, mut socket: Socket) {
        if let Err(e) = socket.register(self.poll.registry(), Token(key.0)) {
            tracing::error!("a session cannot start: {e}");
            return;
        }
        let now = Instant::now();
        driver.handle_timeout(now);
        let session = Session {
            driver,
            socket,
            deadline: now,
            queued: None,
        };
        self.sessions.map.insert(key, session);
        self.drain(key, now);
    }

    fn close(&mut self, key: SessionKey) {
        if let Some(mut session) = self.sessions.map.remove(&key) {
            session.driver.close();
            session.driver.poll(Instant::now(), &mut self.outbox);
            session.socket.send(&mut self.buffers, &mut self.outbox);
            let _ = session.socket.deregister(self.poll.registry());
        }
    }

    fn receive(&mut self, key: SessionKey) {
        loop {
            let Some(session) = self.sessions.map.get_mut(&key) else {
                return;
            };
            let Session { driver, socket, .. } = session;
            let outbox = &mut self.outbox;
            let mut deadline = None;
            let more = socket.receive(&mut self.buffers, |source, datagram| {
                // Each packet is timed when its turn for decryption comes:
                // the wait behind the others of its train is part of the delay.
                let now = Instant::now();
                driver.handle_datagram(now, source, datagram);
                deadline = Some(driver.poll(now, outbox));
            });
            match deadline {
                Some(Some(deadline)) => session.deadline = deadline,
                Some(None) => {
                    self.close(key);
                    return;
                }
                None => {}
            }
            session.socket.send(&mut self.buffers, &mut self.outbox);
            self.queue_timer(key);
            match more {
                Ok(true) => {}
                Ok(false) => return,
                // Port unreachable and the like: the session's own timers judge.
                Err(e) => {
                    tracing::debug!("a socket read failed: {e}");
                    return;
                }
            }
        }
    }

    fn drain(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.sessions.map.get_mut(&key) else {
            return;
        };
        match session.driver.poll(now, &mut self.outbox) {
            Some(deadline) => {
                session.deadline = deadline;
                session.socket.send(&mut self.buffers, &mut self.outbox);
                self.queue_timer(key);
            }
            None => self.close(key),
        }
    }

    fn fire_timers(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, key))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(session) = self.sessions.map.get_mut(&key) else {
                continue;
            };
            if session.queued == Some(at) {
                session.queued = None;
            }
            if session.deadline <= now {
                session.driver.handle_timeout(now);
                self.drain(key, now);
            } else {
                self.queue_timer(key);
            }
        }
    }

    /// Keeps at most one useful entry a session on the heap: deadlines move
    /// with every packet, mostly to later.
    fn queue_timer(&mut self, key: SessionKey) {
        if let Some(session) = self.sessions.map.get_mut(&key)
            && session
                .queued
                .is_none_or(|queued| session.deadline < queued)
        {
            session.queued = Some(session.deadline);
            self.timers.push(Reverse((session.deadline, key)));
        }
    }
}
