//! What the signalling side asks about receivers.

use std::sync::Arc;

use relay::StreamId;
use tokio::sync::oneshot;

use super::api::SessionId;
use super::receive::{ReceiveError, ServerOffer, Wanted};
use super::thread::Command;
use super::{Shared, Workers};
use crate::media::Placed;

impl Workers {
    /// Changes what a receiver gets: one session that receives any number of streams. Its id is
    /// the caller's choice, at random; the first stream opens it. Gives the offer for its client,
    /// or `None` if nothing changed or an offer is outstanding: then [`Self::answer`] gives the
    /// next one. Calls about one receiver have to follow one another.
    ///
    /// # Errors
    /// See [`ReceiveError`]; nothing has changed then.
    pub async fn receive(
        &self,
        receiver: SessionId,
        add: Vec<Wanted>,
        remove: Vec<StreamId>,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let streams: Vec<StreamId> = add.iter().map(|w| w.stream.clone()).collect();
        let placed = self.shared.directory().place_receiver(receiver, &streams);
        let (worker, homes) = match placed {
            Ok(placed) => placed,
            // There is nothing to remove from a receiver that is not open.
            Err(ReceiveError::UnknownReceiver { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let claims = Claims {
            shared: Arc::clone(&self.shared),
            streams,
        };
        let add = add
            .into_iter()
            .zip(homes)
            .map(|(wanted, home)| Placed {
                wanted,
                home: (home != worker).then_some(home),
            })
            .collect();
        self.ask_receiver(Some(worker), receiver, |reply| Command::Receive {
            receiver,
            add,
            claims,
            remove,
            reply,
        })
        .await
    }

    /// Takes the answer to a receiver's outstanding offer. Gives the next offer, if changes have
    /// waited for it.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn answer(
        &self,
        receiver: SessionId,
        revision: u32,
        sdp: String,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let worker = self.shared.directory().worker_of_receiver(receiver);
        self.ask_receiver(worker, receiver, |reply| Command::Answer {
            receiver,
            revision,
            sdp,
            reply,
        })
        .await
    }

    /// Takes a fragment of trickle ICE (RFC 8840) from a receiver's client. An empty one asks for
    /// an ICE restart: the offer for it, or `None` if it comes with the next [`Self::answer`].
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn patch_receiver(
        &self,
        receiver: SessionId,
        body: String,
    ) -> Result<Option<ServerOffer>, ReceiveError> {
        let worker = self.shared.directory().worker_of_receiver(receiver);
        self.ask_receiver(worker, receiver, |reply| Command::PatchReceiver {
            receiver,
            body,
            reply,
        })
        .await
    }

    /// Ends a receiver with BYE.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn close_receiver(&self, receiver: SessionId) -> Result<(), ReceiveError> {
        let worker = self.shared.directory().worker_of_receiver(receiver);
        self.ask_receiver(worker, receiver, |reply| Command::CloseReceiver {
            receiver,
            reply,
        })
        .await
    }

    async fn ask_receiver<T>(
        &self,
        worker: Option<usize>,
        receiver: SessionId,
        command: impl FnOnce(oneshot::Sender<Result<T, ReceiveError>>) -> Command,
    ) -> Result<T, ReceiveError> {
        let worker = worker.ok_or(ReceiveError::UnknownReceiver { receiver })?;
        let (reply, done) = oneshot::channel();
        if !self.shared.send(worker, command(reply)).await {
            return Err(ReceiveError::ShuttingDown);
        }
        done.await.unwrap_or(Err(ReceiveError::ShuttingDown))
    }
}

/// Streams counted in the directory for a receiver, until its worker has taken them. Dropped
/// before that they are taken back.
pub(crate) struct Claims {
    shared: Arc<Shared>,
    streams: Vec<StreamId>,
}

impl Claims {
    /// The core has them now.
    pub(crate) fn keep(mut self) {
        self.streams.clear();
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        if !self.streams.is_empty() {
            let mut directory = self.shared.directory();
            for stream in self.streams.drain(..) {
                directory.left(&stream);
            }
        }
    }
}
