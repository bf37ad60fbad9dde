//! A segment from a file on its way to a viewer.

use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::OnDisk;
use super::metrics::ReadError;
use super::reads::{PIECE, Place};
use crate::viewer::ViewerWatch;

/// A range of a segment, read piece by piece as it is taken.
pub(crate) struct SegmentBody {
    file: OnDisk,
    left: Range<u64>,
    first: Option<Bytes>,
    reading: Option<Reading>,
    place: Place,
}

type Reading = Pin<Box<dyn Future<Output = Result<Bytes, ReadError>> + Send>>;

impl SegmentBody {
    /// Reads the first piece: whoever asks is told what is wrong with it. What goes wrong later ends
    /// the body. `watch` tells when the viewer takes nothing.
    pub(super) async fn open(
        file: OnDisk,
        range: Range<u64>,
        watch: ViewerWatch,
    ) -> Result<Self, ReadError> {
        let shared = &file.window.shared;
        let place = shared.reads.begin(Instant::now(), watch);
        let place = place.inspect_err(|error| shared.metrics.count_refused(*error))?;
        let first = file.clone().piece(piece_of(&range)).await?;
        Ok(Self {
            file,
            left: range,
            first: Some(first),
            reading: None,
            place,
        })
    }

    /// Bytes that are not handed over yet.
    pub(crate) fn left(&self) -> u64 {
        self.left.end - self.left.start
    }

    pub(crate) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let read = match self.first.take() {
            Some(first) => Ok(first),
            None => ready!(self.poll_piece(cx)),
        };
        match &read {
            Ok(piece) => {
                let bytes = piece.len() as u64;
                self.left.start += bytes;
                self.place.handle_given(Instant::now(), bytes);
            }
            Err(_) => self.left.start = self.left.end,
        }
        Poll::Ready(Some(read))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        if self.reading.is_none() && !self.place.handle_taken() {
            return Poll::Ready(Err(ReadError::Idle));
        }
        let (file, left) = (&self.file, &self.left);
        let reading = self
            .reading
            .get_or_insert_with(|| Box::pin(file.clone().piece(piece_of(left))));
        let read = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(read)
    }
}

impl Drop for SegmentBody {
    fn drop(&mut self) {
        if self.place.was_idle() {
            let metrics = &self.file.window.shared.metrics;
            metrics.count_refused(ReadError::Idle);
        }
    }
}

impl fmt::Debug for SegmentBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentBody")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The first piece of a range.
fn piece_of(range: &Range<u64>) -> Range<u64> {
    range.start..range.end.min(range.start.saturating_add(PIECE))
}
