//! Segments with their parts, and the names under which they are served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use packager::hls::{self, Segment, ShiftSegment};
use packager::time::MediaTime;

use super::cutout::{Cutout, Part};
use super::transport::Cell;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileName {
    /// The Media Initialization Section of this version.
    Init(u32),
    /// The Media Segment of this Media Sequence Number.
    Segment(u64),
    /// A part of it.
    Part(u64, usize),
    /// The Media Segment as Transport Stream.
    Transport(u64),
}

impl FileName {
    pub(super) fn write(self, stamp: &str) -> String {
        match self {
            Self::Init(version) => format!("{stamp}-init{version}.mp4"),
            Self::Segment(msn) => format!("{stamp}-{msn}.m4s"),
            Self::Part(msn, part) => format!("{stamp}-{msn}.{part}.m4s"),
            Self::Transport(msn) => format!("{stamp}-{msn}.ts"),
        }
    }

    /// Reads a name as it is written, and no other way of writing it.
    pub(super) fn parse(name: &str, stamp: &str) -> Option<Self> {
        let rest = name.strip_prefix(stamp)?.strip_prefix('-')?;
        let found = if let Some(numbers) = rest.strip_suffix(".m4s") {
            match numbers.split_once('.') {
                Some((msn, part)) => Self::Part(msn.parse().ok()?, part.parse().ok()?),
                None => Self::Segment(numbers.parse().ok()?),
            }
        } else if let Some(msn) = rest.strip_suffix(".ts") {
            Self::Transport(msn.parse().ok()?)
        } else {
            let version = rest.strip_prefix("init")?.strip_suffix(".mp4")?;
            Self::Init(version.parse().ok()?)
        };
        (found.write(stamp) == name).then_some(found)
    }
}

/// The parts of the segment under way.
#[derive(Debug)]
pub(super) struct OpenSegment {
    init: u32,
    wall: SystemTime,
    parts: Vec<(Mark, Part)>,
}

impl OpenSegment {
    pub(super) fn new(init: u32, wall: SystemTime) -> Self {
        let parts = Vec::new();
        Self { init, wall, parts }
    }

    /// Version of its initialization section.
    pub(super) fn init(&self) -> u32 {
        self.init
    }

    pub(super) fn push(&mut self, part: &hls::Part) {
        let mark = Mark {
            start: part.start,
            is_start: part.is_start,
        };
        self.parts.push((mark, Part::open(part.data.clone())));
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn mark(&self, index: usize) -> Option<Mark> {
        self.parts.get(index).map(|(mark, _)| *mark)
    }

    pub(super) fn part(&self, index: usize) -> Option<Part> {
        self.parts.get(index).map(|(_, part)| part.clone())
    }

    /// The segment, whose data is that of its parts.
    pub(super) fn end(self, segment: &Segment) -> StoredSegment {
        let mut end = 0;
        let ends = self.parts.iter().map(|(_, part)| {
            end += part.data.len();
            end
        });
        StoredSegment {
            init: self.init,
            cutout: Arc::new(Cutout::new(segment.data.clone(), ends.collect())),
            marks: self.parts.iter().map(|(mark, _)| *mark).collect(),
            data: segment.data.clone(),
            duration: segment.duration,
            lasts: segment.lasts,
            wall: self.wall,
            is_independent: segment.is_independent,
            discontinuity: segment.discontinuity,
            goes_at: Duration::ZERO,
            transport: Arc::default(),
        }
    }
}

/// Where a part is in time, and whether players may begin with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) start: MediaTime,
    pub(super) is_start: bool,
}

/// A finished segment. Its parts are read out of it.
#[derive(Debug)]
pub(super) struct StoredSegment {
    /// Version of its initialization section.
    pub(super) init: u32,
    pub(super) data: Bytes,
    pub(super) duration: Duration,
    /// Until the next one's start, whatever the playlist says.
    pub(super) lasts: Duration,
    /// Wall clock of its start.
    pub(super) wall: SystemTime,
    pub(super) is_independent: bool,
    pub(super) discontinuity: bool,
    /// Of each part.
    marks: Vec<Mark>,
    /// When it may go by [`State::clock`](super::State::clock), once it has left the playlist.
    pub(super) goes_at: Duration,
    /// The same as Transport Stream, once somebody has asked for that.
    pub(super) transport: Arc<Cell>,
    /// Its parts, and its pictures alone once somebody has asked for these.
    pub(super) cutout: Arc<Cutout>,
}

impl StoredSegment {
    /// What a playlist of all that is kept says of it.
    pub(super) fn shifted(&self) -> ShiftSegment {
        ShiftSegment {
            init: self.init,
            duration: self.duration,
            discontinuity: self.discontinuity,
            program_date_time: self.wall,
        }
    }

    pub(super) fn parts(&self) -> usize {
        self.marks.len()
    }

    pub(super) fn part(&self, index: usize) -> Option<Part> {
        self.cutout.part(index)
    }

    pub(super) fn mark(&self, index: usize) -> Option<Mark> {
        self.marks.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for name in [
            FileName::Init(3),
            FileName::Segment(12),
            FileName::Part(7, 0),
            FileName::Transport(7),
        ] {
            assert_eq!(FileName::parse(&name.write("5f"), "5f"), Some(name));
        }
        for name in [
            "5f-07.m4s",
            "5f-+7.m4s",
            "5f-7.0.1.m4s",
            "5f-7.m4",
            "5f-7.0.ts",
            "5f-07.ts",
            "5f-init.mp4",
            "5f7.m4s",
            "6f-7.m4s",
            "",
        ] {
            assert_eq!(FileName::parse(name, "5f"), None, "{name}");
        }
    }
}
