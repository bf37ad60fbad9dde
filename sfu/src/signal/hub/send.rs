//! Answers and events on their way out.

use std::sync::Arc;

use super::error::HubError;
use super::io::SocketId;
use super::tickets::Asker;
use super::{Hub, HubOutput};
use crate::live::{ConnectionId, Face, Recipient};
use crate::signal::protocol::{ErrorBody, EventBody, Response, ResultBody, SharedEvent};

impl Hub {
    /// Answers a request on the socket that it came from.
    pub(super) fn answer_socket(
        &mut self,
        socket: SocketId,
        id: u32,
        face: Face,
        result: Result<ResultBody, HubError>,
    ) {
        match result {
            Ok(result) => {
                let text = Response::ok(id, result).text();
                self.out.push_back(HubOutput::Send { socket, text });
            }
            Err(error) => self.send_error(socket, id, error.body(face)),
        }
    }

    pub(super) fn send_error(&mut self, socket: SocketId, id: u32, error: ErrorBody) {
        self.counters.errors += 1;
        let text = Response::error(id, error).text();
        self.out.push_back(HubOutput::Send { socket, text });
    }

    /// Answers a slow request.
    pub(super) fn answer_later(&mut self, asker: Asker, result: Result<ResultBody, HubError>) {
        self.end_pending(asker.connection);
        self.answer(asker, result);
    }

    /// Answers a request of a session. While the socket is lost, the answer waits for the next
    /// one; when the session has ended, nobody waits for it.
    pub(super) fn answer(&mut self, asker: Asker, result: Result<ResultBody, HubError>) {
        let Some(session) = self.sessions.get_mut(&asker.connection) else {
            return;
        };
        let response = match result {
            Ok(result) => Response::ok(asker.request, result),
            Err(error) => {
                self.counters.errors += 1;
                Response::error(asker.request, error.body(asker.face))
            }
        };
        let text = response.text();
        session.answers.answer(asker.request, &text);
        match session.socket {
            Some(socket) => self.out.push_back(HubOutput::Send { socket, text }),
            None => session.held.push_back(text),
        }
    }

    /// Tells all that `to` means now.
    pub(super) fn tell(&mut self, to: &Recipient, event: EventBody) {
        let Self {
            rooms,
            sessions,
            out,
            counters,
            told,
            ..
        } = self;
        // Written when the first one is found, and once for all.
        let mut shared: Option<SharedEvent> = None;
        rooms.connections(to, |connection| {
            let Some(session) = sessions.get_mut(&connection) else {
                return;
            };
            let event = shared.get_or_insert_with(|| SharedEvent::new(&event));
            counters.events += 1;
            *told += (event.bytes() as u64).max(EVENT_COST);
            let seq = session.events.push(event.clone());
            if let Some(socket) = session.socket {
                let text = event.numbered(seq);
                out.push_back(HubOutput::Send { socket, text });
            }
        });
    }

    /// Tells these sessions.
    pub(super) fn tell_list(&mut self, connections: &[ConnectionId], event: &EventBody) {
        let event = SharedEvent::new(event);
        for connection in connections {
            if let Some(session) = self.sessions.get_mut(connection) {
                self.counters.events += 1;
                let seq = session.events.push(event.clone());
                if let Some(socket) = session.socket {
                    let text = event.numbered(seq);
                    self.out.push_back(HubOutput::Send { socket, text });
                }
            }
        }
    }

    /// Tells one session.
    pub(super) fn tell_one(&mut self, connection: ConnectionId, event: impl Into<EventBody>) {
        self.tell(&Recipient::One(connection), event.into());
    }

    pub(super) fn send_event(&mut self, socket: SocketId, seq: u64, event: &SharedEvent) {
        let text: Arc<str> = event.numbered(seq);
        self.out.push_back(HubOutput::Send { socket, text });
    }
}

/// What the shortest event costs for one member, in bytes: finding the member, a frame, a write.
const EVENT_COST: u64 = 256;
