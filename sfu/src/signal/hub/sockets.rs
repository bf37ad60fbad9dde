//! Sockets come, ask and go.

use std::net::IpAddr;
use std::time::Instant;

use super::answers::Question;
use super::bucket::Bucket;
use super::counters::HubRefusal;
use super::error::HubError;
use super::io::SocketId;
use super::session::{Socket, SocketState, network};
use super::{Hub, HubOutput};
use crate::live::ConnectionId;
use crate::signal::protocol::{self, CloseCode};

impl Hub {
    /// A socket has been opened.
    pub fn open(&mut self, now: Instant, socket: SocketId, peer: IpAddr) {
        let network = network(peer);
        let config = &self.config;
        self.sockets.insert(
            socket,
            Socket {
                address: peer.to_canonical(),
                network,
                state: SocketState::New,
                requests: Bucket::new(config.requests_per_second, config.request_burst),
                strikes: Bucket::new(1, config.rate_strikes),
                opened: now,
            },
        );
        self.logins_due
            .push_back((now + config.login_timeout, socket));
    }

    /// A text frame has come.
    pub fn receive(&mut self, now: Instant, socket: SocketId, text: &str) {
        let Some(found) = self.sockets.get_mut(&socket) else {
            // Closed by the hub, and the shell has not heard of it yet.
            return;
        };
        self.counters.requests += 1;
        if let Err(retry) = found.requests.take(now) {
            if found.strikes.take(now).is_err() {
                self.counters.count(HubRefusal::RateClosed);
                return self.end_for_haste(now, socket);
            }
            self.counters.count(HubRefusal::Rate);
            let error = HubError::TooFast {
                per_second: self.config.requests_per_second,
                retry,
            };
            // Not read further: a client that is too fast costs as little as it can.
            match protocol::parse(text) {
                Ok(request) => {
                    let face = request.body.face();
                    self.answer_socket(socket, request.id, face, Err(error));
                }
                Err(bad) => self.refuse_bad(now, socket, &bad),
            }
            return;
        }
        let told = self.told;
        match protocol::parse(text) {
            Ok(request) => self.handle_request(now, socket, request, Question::new(text)),
            Err(bad) => {
                self.counters.count(HubRefusal::Malformed);
                self.refuse_bad(now, socket, &bad);
            }
        }
        self.settle(now);
        self.charge(now, socket, self.told - told);
    }

    /// Takes what a request made the rooms tell out of its socket's rate: one member of a large
    /// room could keep the server busy with the others otherwise.
    fn charge(&mut self, now: Instant, socket: SocketId, told: u64) {
        let more = told / self.config.told_per_request.max(1);
        if let Some(found) = self.sockets.get_mut(&socket)
            && more > 0
        {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            found.requests.spend(now, more);
        }
    }

    /// A client that goes on regardless: its session ends with the socket.
    fn end_for_haste(&mut self, now: Instant, socket: SocketId) {
        let connection = self.connection_of(socket);
        self.close(now, socket, CloseCode::TooFast);
        if let Some(connection) = connection {
            self.rooms.log_out(now, connection);
        }
        self.settle(now);
    }

    /// A socket is gone.
    pub fn closed(&mut self, now: Instant, socket: SocketId) {
        self.drop_socket(now, socket);
        self.settle(now);
    }

    /// Closes a socket; a session behind it is lost, and may be resumed.
    pub(super) fn close(&mut self, now: Instant, socket: SocketId, code: CloseCode) {
        if self.sockets.contains_key(&socket) {
            self.out.push_back(HubOutput::Close { socket, code });
            self.drop_socket(now, socket);
        }
    }

    /// Closes the sockets on which nobody has logged in.
    pub(super) fn end_logins(&mut self, now: Instant) {
        while let Some((_, socket)) = self.logins_due.pop_front_if(|(at, _)| *at <= now) {
            let found = self.sockets.get(&socket);
            let is_late = found.is_some_and(|s| {
                !matches!(s.state, SocketState::In(_))
                    && s.opened + self.config.login_timeout <= now
            });
            if is_late {
                self.counters.count(HubRefusal::NoLogin);
                self.close(now, socket, CloseCode::NotLoggedIn);
            }
        }
    }

    /// Who is behind a socket.
    pub(super) fn connection_of(&self, socket: SocketId) -> Option<ConnectionId> {
        match self.sockets.get(&socket)?.state {
            SocketState::In(connection) => Some(connection),
            SocketState::New | SocketState::LoggingIn => None,
        }
    }

    /// Forgets a socket; the session behind it is lost.
    fn drop_socket(&mut self, now: Instant, socket: SocketId) {
        let Some(gone) = self.sockets.remove(&socket) else {
            return;
        };
        // Most sockets close long after their login was due; those that did not, and came in
        // order, make place at once.
        while self
            .logins_due
            .pop_front_if(|(_, s)| !self.sockets.contains_key(s))
            .is_some()
        {}
        if let SocketState::In(connection) = gone.state
            && let Some(session) = self.sessions.get_mut(&connection)
            && session.socket == Some(socket)
        {
            session.socket = None;
            self.rooms.handle_lost(now, connection);
        }
    }

    /// A session of an address has ended.
    pub(super) fn leave_place(&mut self, network: IpAddr) {
        if let Some(sessions) = self.places.get_mut(&network) {
            *sessions = sessions.saturating_sub(1);
            if *sessions == 0 {
                self.places.remove(&network);
            }
        }
    }

    fn refuse_bad(&mut self, now: Instant, socket: SocketId, bad: &protocol::BadRequest) {
        match bad.id {
            Some(id) => self.send_error(socket, id, bad.error.clone()),
            // Nobody could tell to which request an answer belongs.
            None => self.close(now, socket, CloseCode::BadFrame),
        }
    }
}
