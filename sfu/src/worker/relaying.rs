//! Relaying of one session switched on, off and to another name.

use std::sync::Arc;
use std::time::Instant;

use relay::{Ingest, PublishError, StreamId};
use tokio::sync::oneshot;

use super::api::{SessionId, SessionRef, UnknownSession};
use super::thread::{Command, Worker};
use super::{Shared, Workers};

/// Why a session is not relayed as asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// There is no such publisher.
    #[error(transparent)]
    UnknownSession(#[from] UnknownSession),
    /// Another stream has the name.
    #[error(
        "stream {stream} is live under another user or track; allowed is another id, or this one once it has ended"
    )]
    Taken {
        /// The name.
        stream: StreamId,
    },
    /// The relay takes no more broadcasts.
    #[error(transparent)]
    Refused(#[from] PublishError),
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl Workers {
    /// Relays a publisher's media under a name from now on: the id of its stream or another one,
    /// which then is no other stream's as long as the session has it. The broadcast under the
    /// name before ends. `None` stops relaying at once: FLV bodies end, the playlist gets
    /// `EXT-X-ENDLIST`; subscribers notice nothing.
    ///
    /// # Errors
    /// See [`RelayError`]; all is as before then.
    pub async fn set_relay(
        &self,
        session: SessionRef,
        relay: Option<StreamId>,
    ) -> Result<(), RelayError> {
        let (worker, hold) = {
            let mut directory = self.shared.directory();
            let worker = directory
                .worker_of(session.session)
                .ok_or_else(|| UnknownSession::from(&session))?;
            let hold = match relay {
                Some(name) => {
                    directory.hold(&session, &name)?;
                    Some(Hold {
                        shared: Arc::clone(&self.shared),
                        session: session.session,
                        name,
                        kept: false,
                    })
                }
                None => None,
            };
            (worker, hold)
        };
        let (reply, answer) = oneshot::channel();
        let command = Command::SetRelay {
            session,
            relay: hold,
            reply,
        };
        if !self.shared.send(worker, command).await {
            return Err(RelayError::ShuttingDown);
        }
        match answer.await {
            Ok(done) => done,
            Err(_) => Err(RelayError::ShuttingDown),
        }
    }
}

impl Worker {
    /// Carries it out, or leaves all as it was.
    pub(super) fn set_relay(
        &mut self,
        now: Instant,
        session: &SessionRef,
        relay: Option<Hold>,
    ) -> Result<(), RelayError> {
        let name = relay.as_ref().map(|hold| hold.name.clone());
        let before = self.core.set_relay(now, session, name.clone())?;
        self.refused = None;
        self.carry_out(now);
        if let Some(error) = self.refused.take() {
            // The name is let go with its hold.
            self.core.set_relay(now, session, before)?;
            self.carry_out(now);
            return Err(error.into());
        }
        if let Some(hold) = relay {
            hold.keep();
        }
        if let Some(before) = before {
            self.shared.directory().release(session.session, &before);
        }
        Ok(())
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.core.poll_output() {
            self.handle_output(now, output);
        }
    }
}

/// A name that is held for a session until its worker relays under it. Dropped before that, by
/// whoever gives up, it lets the name go.
pub(crate) struct Hold {
    shared: Arc<Shared>,
    session: SessionId,
    pub(crate) name: StreamId,
    kept: bool,
}

impl Hold {
    /// The session is relayed so: its end, or its next name, lets this one go.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.directory().release(self.session, &self.name);
        }
    }
}

/// A stream's way into the relay.
pub(crate) struct Relayed {
    pub(crate) name: StreamId,
    pub(crate) session: SessionId,
    pub(crate) ingest: Ingest,
}
