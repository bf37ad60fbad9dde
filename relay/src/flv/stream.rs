//! A viewer's FLV stream for transports other than an HTTP body.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use super::body::FlvBody;
use super::watch::ViewerWatch;

/// What `GET /live/{id}.flv` answers, in batches of tags. Dropping it gives the viewer's place back.
#[derive(Debug)]
pub struct FlvStream(FlvBody);

impl FlvStream {
    pub(crate) fn new(body: FlvBody) -> Self {
        Self(body)
    }

    /// The bytes that are there, or the next ones: whole tags, of about `max` bytes at most. A tag
    /// above that comes in several batches. `None` at the end of the broadcast.
    ///
    /// Bytes are taken out of the stream when this resolves and not before, so that it may be
    /// dropped and called again.
    pub async fn next(&mut self, max: usize) -> Option<Bytes> {
        poll_fn(|cx| {
            let Poll::Ready(first) = self.0.poll_bytes(cx) else {
                return Poll::Pending;
            };
            let Some(first) = first else {
                return Poll::Ready(None);
            };
            let mut size = first.len();
            let mut rest = Vec::new();
            while size < max
                && let Some(more) = self.0.ready_bytes(max - size)
            {
                size += more.len();
                rest.push(more);
            }
            if rest.is_empty() {
                return Poll::Ready(Some(first));
            }
            let mut batch = BytesMut::with_capacity(size);
            batch.extend_from_slice(&first);
            rest.iter().for_each(|bytes| batch.extend_from_slice(bytes));
            Poll::Ready(Some(batch.freeze()))
        })
        .await
    }

    /// Tells when the viewer is to be closed.
    pub fn watch(&self) -> ViewerWatch {
        self.0.watch().clone()
    }
}
