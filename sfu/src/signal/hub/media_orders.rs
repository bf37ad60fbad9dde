//! Orders to the media side, and what comes of them.

use std::time::Instant;

use relay::StreamId;

use super::error::HubError;
use super::io::{MediaDone, MediaOrder, Ticket};
use super::tickets::Waiting;
use super::{Hub, HubOutput};
use crate::live::{Allowed, TrackKind};
use crate::signal::protocol::ResultBody;
use crate::worker::{Role as SessionRole, SessionId, SessionRef};

impl Hub {
    /// A result of the media side.
    pub fn handle_media(&mut self, now: Instant, ticket: Ticket, done: MediaDone) {
        match (self.tickets.take(ticket), done) {
            (
                Some(Waiting::Publish {
                    asker,
                    source,
                    stream,
                }),
                MediaDone::Published(result),
            ) => {
                let result = self.accepted(now, &source, &stream, result);
                self.answer_later(asker, result);
            }
            (Some(Waiting::Patch(asker)), MediaDone::Patched(result)) => {
                let result = result.map(|patched| ResultBody::Patched(patched.into()));
                self.answer_later(asker, result.map_err(HubError::from));
            }
            (
                Some(Waiting::Relay {
                    asker,
                    source,
                    order,
                }),
                MediaDone::Relayed(result),
            ) => {
                let result = self.relayed(now, &source, &order, result);
                if let Some(asker) = asker {
                    self.answer_later(asker, result);
                }
            }
            (Some(Waiting::Push(asker)), MediaDone::Pushed(result)) => {
                let result = result.map(|()| ResultBody::DONE);
                self.answer_later(asker, result.map_err(HubError::from));
            }
            (Some(Waiting::Offer(waiting)), MediaDone::Offered(result)) => {
                self.offered(waiting, result);
            }
            // Answered as too late: nobody else would end that session.
            (Some(Waiting::LatePublish(stream)), MediaDone::Published(result)) => {
                if let Ok(accepted) = result {
                    self.order(MediaOrder::ClosePublisher {
                        session: publisher_ref(&stream, accepted.session),
                    });
                }
            }
            (None, _) => {}
            // The shell has answered with something else: as good as nothing.
            (Some(waiting), done) => {
                tracing::error!(?done, "a media result does not fit its order");
                self.give_up(now, ticket, waiting);
            }
        }
        self.settle(now);
    }

    /// An order of which nobody waits for the result.
    pub(super) fn order(&mut self, order: MediaOrder) {
        let ticket = self.tickets.unawaited();
        self.out.push_back(HubOutput::Media { ticket, order });
    }
}

pub(super) fn publisher_ref(stream: &StreamId, session: SessionId) -> SessionRef {
    SessionRef {
        stream: stream.clone(),
        session,
        role: SessionRole::Publisher,
    }
}

pub(super) fn allow(session: SessionRef, track: TrackKind, allowed: Allowed) -> MediaOrder {
    MediaOrder::Allow {
        session,
        audio: allowed.audio,
        video: match track {
            TrackKind::Main => allowed.video,
            TrackKind::Aux => allowed.aux,
        },
    }
}
