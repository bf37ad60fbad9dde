//! A viewer's endless stream for transports other than an HTTP body.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use crate::flv::FlvBody;
use crate::fmp4::FragmentBody;
use crate::viewer::{Ended, ViewerWatch};

/// What `GET /live/{id}.flv` answers in batches of tags, or `/live/{id}/stream.mp4` fragment by
/// fragment. Dropping it gives the viewer's place back.
#[derive(Debug)]
pub struct LiveStream(Kind);

#[derive(Debug)]
enum Kind {
    Flv(Box<FlvBody>),
    Fragments(Box<FragmentBody>),
}

impl LiveStream {
    pub(super) fn flv(body: FlvBody) -> Self {
        Self(Kind::Flv(Box::new(body)))
    }

    pub(super) fn fragments(body: FragmentBody) -> Self {
        Self(Kind::Fragments(Box::new(body)))
    }

    /// The bytes that are there, or the next ones. Of FLV whole tags, of about `max` bytes at most; a
    /// tag above that comes in several batches. Of fMP4 an initialization section or a fragment, or a
    /// piece of a large one.
    /// `None` at the end of the stream.
    ///
    /// Bytes are taken out of the stream when this resolves and not before, so that it may be
    /// dropped and called again.
    pub async fn next(&mut self, max: usize) -> Option<Bytes> {
        poll_fn(|cx| match &mut self.0 {
            Kind::Flv(body) => poll_batch(body, cx, max),
            Kind::Fragments(body) => body.poll_bytes(cx),
        })
        .await
    }

    /// True if it has ended because its broadcast goes on with other tracks: a new stream has them.
    pub fn is_of_other_tracks(&self) -> bool {
        let ended = match &self.0 {
            Kind::Flv(body) => body.ended(),
            Kind::Fragments(body) => body.ended(),
        };
        ended == Some(Ended::Tracks)
    }

    /// Tells when the viewer is to be closed.
    pub fn watch(&self) -> ViewerWatch {
        match &self.0 {
            Kind::Flv(body) => body.watch().clone(),
            Kind::Fragments(body) => body.watch().clone(),
        }
    }
}

fn poll_batch(body: &mut FlvBody, cx: &mut Context<'_>, max: usize) -> Poll<Option<Bytes>> {
    let Poll::Ready(first) = body.poll_bytes(cx) else {
        return Poll::Pending;
    };
    let Some(first) = first else {
        return Poll::Ready(None);
    };
    let mut size = first.len();
    let mut rest = Vec::new();
    while size < max
        && let Some(more) = body.ready_bytes(max - size)
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
}
