//! The hub's media orders as calls of the media workers.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::hub::{MediaDone, MediaOrder};
use super::orders::Media;
use crate::worker::{OfferError, PatchError, ReceiveError, RelayError, Workers};

impl Media for Workers {
    fn carry_out(&self, order: MediaOrder) -> Pin<Box<dyn Future<Output = MediaDone> + Send>> {
        let workers = self.clone();
        let silent = unanswered(&order);
        Box::pin(async move {
            let done = tokio::time::timeout(WORKER_ANSWER, carry_out(&workers, order)).await;
            done.unwrap_or(silent)
        })
    }
}

async fn carry_out(workers: &Workers, order: MediaOrder) -> MediaDone {
    match order {
        MediaOrder::Publish {
            stream,
            owner,
            offer,
            relay,
        } => MediaDone::Published(workers.publish_with(stream, offer, owner, relay).await),
        MediaOrder::Patch {
            session,
            if_match,
            body,
        } => MediaDone::Patched(workers.patch(session, if_match, body).await),
        MediaOrder::ClosePublisher { session } => {
            // A session that has ended by itself needs no end.
            let _ = workers.close(session).await;
            MediaDone::Done
        }
        MediaOrder::Allow {
            session,
            audio,
            video,
        } => {
            // A session that has ended sends nothing.
            let _ = workers.set_allowed(session, audio, video).await;
            MediaDone::Done
        }
        MediaOrder::Relay { session, name } => {
            MediaDone::Relayed(workers.set_relay(session, name).await)
        }
        MediaOrder::Receive {
            receiver,
            add,
            remove,
        } => MediaDone::Offered(workers.receive(receiver, add, remove).await),
        MediaOrder::Answer {
            receiver,
            revision,
            sdp,
        } => MediaDone::Offered(workers.answer(receiver, revision, sdp).await),
        MediaOrder::PatchReceiver { receiver, body } => {
            MediaDone::Offered(workers.patch_receiver(receiver, body).await)
        }
        MediaOrder::CloseReceiver { receiver } => {
            // A receiver that has ended by itself needs no end.
            let _ = workers.close_receiver(receiver).await;
            MediaDone::Done
        }
    }
}

/// The result when a worker does not answer.
fn unanswered(order: &MediaOrder) -> MediaDone {
    match order {
        MediaOrder::Publish { .. } => MediaDone::Published(Err(OfferError::ShuttingDown)),
        MediaOrder::Patch { .. } => MediaDone::Patched(Err(PatchError::ShuttingDown)),
        MediaOrder::Relay { .. } => MediaDone::Relayed(Err(RelayError::ShuttingDown)),
        MediaOrder::Receive { .. }
        | MediaOrder::Answer { .. }
        | MediaOrder::PatchReceiver { .. } => MediaDone::Offered(Err(ReceiveError::ShuttingDown)),
        MediaOrder::ClosePublisher { .. }
        | MediaOrder::Allow { .. }
        | MediaOrder::CloseReceiver { .. } => MediaDone::Done,
    }
}

/// A worker answers within milliseconds unless it hangs.
const WORKER_ANSWER: Duration = Duration::from_secs(5);
