//! The bytes of one viewer's stream, as far as they are there.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use prometheus::{IntCounter, IntCounterVec};
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::watch::ViewerWatch;
use crate::limits::Seat;

/// What a viewer reads, with its place there.
pub(crate) trait Reader {
    /// Told whenever there may be more, and at the end.
    fn news(&self) -> &Arc<Notify>;

    /// Reads on until something waits for the viewer, in `pending`.
    fn look(&mut self, pending: &mut VecDeque<Bytes>, counters: &BodyCounters) -> Found;
}

/// What is there for a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Bytes,
    Nothing,
    End(Ended),
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The broadcast is over.
    Broadcast,
    /// It goes on with other tracks, which need a stream that begins with them.
    Tracks,
}

/// One viewer's stream. Costs its reader and the few bytes that wait to be sent.
pub(crate) struct ViewerBody<R> {
    reader: R,
    ended: Option<Ended>,
    pending: VecDeque<Bytes>,
    /// The front of these was handed out in part.
    is_begun: bool,
    /// The most bytes that are handed out at once.
    piece: usize,
    news: Pin<Box<OwnedNotified>>,
    watch: ViewerWatch,
    counters: BodyCounters,
    _seat: Seat,
}

/// What viewers' bodies count.
#[derive(Debug, Clone)]
pub(crate) struct BodyCounters {
    /// Bytes handed out.
    pub(crate) sent: IntCounter,
    /// Skips to the newest key frame.
    pub(crate) skips: IntCounter,
    /// Pictures left out because they do not decode without a key frame.
    pub(crate) undecodable: IntCounter,
    /// Ends, by reason; of those that are counted so.
    pub(crate) closed: Option<IntCounterVec>,
}

impl<R: Reader> ViewerBody<R> {
    pub(crate) fn of(
        reader: R,
        piece: usize,
        watch: ViewerWatch,
        seat: Seat,
        counters: BodyCounters,
    ) -> Self {
        let news = Box::pin(reader.news().clone().notified_owned());
        Self {
            reader,
            ended: None,
            pending: VecDeque::new(),
            is_begun: false,
            piece: piece.max(1),
            news,
            watch,
            counters,
            _seat: seat,
        }
    }

    /// Tells when the viewer is to be closed.
    pub(crate) fn watch(&self) -> &ViewerWatch {
        &self.watch
    }

    /// Why it has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The next bytes; `None` at the end of the stream.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.pop() {
                return Poll::Ready(Some(bytes));
            }
            // Listening starts before looking, so that nothing is missed in between.
            self.news.as_mut().enable();
            match self.look() {
                Found::Bytes => {}
                Found::End(ended) => {
                    self.ended = Some(ended);
                    return Poll::Ready(None);
                }
                Found::Nothing => match self.news.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        let news = self.reader.news().clone().notified_owned();
                        self.news.set(news);
                    }
                    Poll::Pending => {
                        self.watch.note_caught_up();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// The next bytes if they are there and no more than that.
    pub(crate) fn ready_bytes(&mut self, most: usize) -> Option<Bytes> {
        if self.pending.is_empty() {
            self.look();
        }
        let fits = self.pending.front()?.len() <= most;
        fits.then(|| self.pop()).flatten()
    }

    fn look(&mut self) -> Found {
        self.reader.look(&mut self.pending, &self.counters)
    }

    fn pop(&mut self) -> Option<Bytes> {
        let front = self.pending.front_mut()?;
        let is_whole = front.len() <= self.piece;
        let bytes = match is_whole {
            true => self.pending.pop_front()?,
            false => front.split_to(self.piece),
        };
        let goes_on = std::mem::replace(&mut self.is_begun, !is_whole);
        self.counters.sent.inc_by(bytes.len() as u64);
        self.watch.note_given(bytes.len() as u64, goes_on);
        Some(bytes)
    }
}

impl<R> Drop for ViewerBody<R> {
    fn drop(&mut self) {
        let reason = if self.watch.has_stalled() {
            "stalled"
        } else if self.watch.is_revoked() {
            "revoked"
        } else {
            match self.ended {
                Some(Ended::Broadcast) => "ended",
                Some(Ended::Tracks) => "tracks",
                None => "left",
            }
        };
        if let Some(closed) = &self.counters.closed {
            closed.with_label_values(&[reason]).inc();
        }
        self.watch.note_gone();
    }
}

impl<R: std::fmt::Debug> std::fmt::Debug for ViewerBody<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewerBody")
            .field("reader", &self.reader)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}
