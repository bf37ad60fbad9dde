//! The body of every response of the relay.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::flv::FlvBody;
use crate::fmp4::FragmentBody;
use crate::shift::{ReadError, SegmentBody};

/// A response body: a whole file, one that is read as it is taken, or an endless stream that ends
/// with its broadcast.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Flv(Box<FlvBody>),
    Fragments(Box<FragmentBody>),
    Segment(Box<SegmentBody>),
}

/// A body ends before it is whole: its file cannot be read any more, or its client took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a segment from the disk ends early: {0}")]
pub struct CutShort(ReadError);

impl Body {
    pub(crate) fn empty() -> Self {
        Self(Kind::Whole(None))
    }

    pub(crate) fn flv(body: FlvBody) -> Self {
        Self(Kind::Flv(Box::new(body)))
    }

    pub(crate) fn fragments(body: FragmentBody) -> Self {
        Self(Kind::Fragments(Box::new(body)))
    }

    pub(crate) fn segment(body: SegmentBody) -> Self {
        Self(Kind::Segment(Box::new(body)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|b| !b.is_empty())))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Kind::Flv(flv) => flv.poll_bytes(cx).map(|b| b.map(|b| Ok(Frame::data(b)))),
            Kind::Fragments(body) => body.poll_bytes(cx).map(|b| b.map(|b| Ok(Frame::data(b)))),
            Kind::Segment(body) => {
                let read = body.poll_bytes(cx);
                read.map(|read| read.map(|read| read.map(Frame::data).map_err(CutShort)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Flv(_) | Kind::Fragments(_) => false,
            Kind::Segment(body) => body.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Flv(_) | Kind::Fragments(_) => SizeHint::default(),
            Kind::Segment(body) => SizeHint::with_exact(body.left()),
        }
    }
}
