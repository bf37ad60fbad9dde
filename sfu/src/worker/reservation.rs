//! A session's place in the directory until its worker has opened it.

use std::sync::Arc;

use relay::StreamId;

use super::Shared;
use super::api::{OfferError, Owner, Role, SessionId, SessionRef};
use super::directory::Placement;

/// A session's entry in the directory until its worker has opened it. Dropped before that, by
/// whoever gives up, it takes the entry back.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    pub(crate) stream: StreamId,
    pub(crate) session: SessionId,
    pub(crate) role: Role,
    kept: bool,
}

impl Reservation {
    pub(super) fn make(
        shared: &Arc<Shared>,
        stream: &StreamId,
        session: SessionId,
        role: Role,
        owner: Option<Owner>,
    ) -> Result<(Placement, Self), OfferError> {
        let placement = shared.directory().place(stream, session, role, owner)?;
        let reservation = Self {
            shared: Arc::clone(shared),
            stream: stream.clone(),
            session,
            role,
            kept: false,
        };
        Ok((placement, reservation))
    }

    /// The session that it is for.
    pub(crate) fn session_ref(&self) -> SessionRef {
        SessionRef {
            stream: self.stream.clone(),
            session: self.session,
            role: self.role,
        }
    }

    /// The session is open: its end takes the entry back.
    pub(crate) fn keep(mut self) -> SessionRef {
        self.kept = true;
        self.session_ref()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            self.shared
                .directory()
                .closed(&self.stream, self.session, self.role);
        }
    }
}
