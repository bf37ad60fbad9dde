//! The pictures of segments and their parts without the sound, cut out when somebody asks for them.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use packager::fmp4;

/// A part that is there or all of a segment, and its pictures.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) data: Bytes,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// Of a segment that has not ended.
    Open(Arc<OnceLock<Option<Bytes>>>),
    /// One of those of a segment that has.
    Ended(Arc<Cutout>, usize),
    /// All of it.
    Whole(Arc<Cutout>),
}

impl Part {
    /// One of the segment under way.
    pub(super) fn open(data: Bytes) -> Self {
        let source = Source::Open(Arc::default());
        Self { data, source }
    }

    /// Its pictures alone; none if there are none. All who ask have the same bytes.
    pub(super) fn pictures(&self) -> Option<Bytes> {
        match &self.source {
            Source::Open(cell) => cell.get_or_init(|| fmp4::pictures(&self.data).ok()).clone(),
            Source::Ended(cutout, index) => {
                let cut = cutout.cut()?;
                slice(&cut.data, &cut.ends, *index)
            }
            Source::Whole(cutout) => Some(cutout.cut()?.data.clone()),
        }
    }
}

/// The pictures of a segment that has ended: one copy for it and for its parts, which stays as long as
/// it does.
#[derive(Debug)]
pub(super) struct Cutout {
    data: Bytes,
    /// Where each part ends.
    ends: Vec<usize>,
    cut: OnceLock<Option<Cut>>,
}

#[derive(Debug)]
struct Cut {
    data: Bytes,
    /// Where the pictures of each part end.
    ends: Vec<usize>,
}

impl Cutout {
    pub(super) fn new(data: Bytes, ends: Vec<usize>) -> Self {
        let cut = OnceLock::new();
        Self { data, ends, cut }
    }

    /// All parts together.
    pub(super) fn all(self: &Arc<Self>) -> Part {
        let data = self.data.clone();
        let source = Source::Whole(self.clone());
        Part { data, source }
    }

    /// The part of an index, whose pictures are read out of those of all.
    pub(super) fn part(self: &Arc<Self>, index: usize) -> Option<Part> {
        let data = slice(&self.data, &self.ends, index)?;
        let source = Source::Ended(self.clone(), index);
        Some(Part { data, source })
    }

    fn cut(&self) -> Option<&Cut> {
        self.cut.get_or_init(|| self.make()).as_ref()
    }

    fn make(&self) -> Option<Cut> {
        let mut data = BytesMut::with_capacity(self.data.len());
        let mut ends = Vec::with_capacity(self.ends.len());
        for index in 0..self.ends.len() {
            let part = slice(&self.data, &self.ends, index)?;
            data.extend_from_slice(&fmp4::pictures(&part).ok()?);
            ends.push(data.len());
        }
        let data = data.freeze();
        Some(Cut { data, ends })
    }
}

/// What lies between two ends.
fn slice(data: &Bytes, ends: &[usize], index: usize) -> Option<Bytes> {
    let end = *ends.get(index)?;
    let start = match index.checked_sub(1) {
        Some(before) => *ends.get(before)?,
        None => 0,
    };
    (start <= end && end <= data.len()).then(|| data.slice(start..end))
}
