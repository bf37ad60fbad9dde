//! The hub's media orders as calls of the media workers and of the pushes.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::hub::{MediaDone, MediaOrder};
use super::orders::Media;
use crate::live::broadcasts::Publisher;
use crate::push::{AppPushes, PushDesk};
use crate::worker::{OfferError, PatchError, ReceiveError, RelayError, Workers};

/// Who carries out media orders.
pub(super) struct MediaSide {
    workers: Workers,
    pushes: AppPushes,
}

impl MediaSide {
    pub(super) fn new(workers: Workers, pushes: AppPushes) -> Self {
        Self { workers, pushes }
    }
}

impl Media for MediaSide {
    fn carry_out(&self, order: MediaOrder) -> Pin<Box<dyn Future<Output = MediaDone> + Send>> {
        let (workers, pushes) = (self.workers.clone(), self.pushes.clone());
        let silent = unanswered(&order);
        Box::pin(async move {
            let done = carry_out(&workers, &pushes, order);
            let done = tokio::time::timeout(WORKER_ANSWER, done).await;
            done.unwrap_or(silent)
        })
    }
}

async fn carry_out(workers: &Workers, pushes: &AppPushes, order: MediaOrder) -> MediaDone {
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
        MediaOrder::Push {
            source,
            name,
            target,
        } => {
            let publisher = Publisher::Member(source);
            MediaDone::Pushed(pushes.start(&publisher, &name, target).map(|_| ()))
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
        | MediaOrder::Push { .. }
        | MediaOrder::CloseReceiver { .. } => MediaDone::Done,
    }
}

/// A worker answers within milliseconds unless it hangs.
const WORKER_ANSWER: Duration = Duration::from_secs(5);
