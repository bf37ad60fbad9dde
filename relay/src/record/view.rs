//! What is told of a recording.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::id::RecordingId;
use super::manifest::{End, Paths};
use crate::stream_id::StreamId;

/// How a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordState {
    /// It goes on.
    Recording,
    /// Its playlist and its MP4 file are made.
    Finishing,
    /// It is over.
    Ended,
}

impl RecordState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Recording, Self::Finishing, Self::Ended];

    /// A word for metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Finishing => "finishing",
            Self::Ended => "ended",
        }
    }
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// Its stream ended.
    StreamEnded,
    /// Somebody stopped it.
    Stopped,
    /// It reached the longest time, or the largest size.
    Limit,
    /// The disk is full.
    DiskFull,
    /// The store did not take it.
    StoreFailed,
    /// The server ended, and another one found it.
    Interrupted,
}

impl EndReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::StreamEnded,
        Self::Stopped,
        Self::Limit,
        Self::DiskFull,
        Self::StoreFailed,
        Self::Interrupted,
    ];

    /// A word for metrics and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::StreamEnded => "stream-ended",
            Self::Stopped => "stopped",
            Self::Limit => "limit",
            Self::DiskFull => "disk-full",
            Self::StoreFailed => "store-failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A recording. Paths are below the store's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingView {
    /// Its name.
    pub id: RecordingId,
    /// What is recorded.
    pub stream: StreamId,
    /// Whose it is, by number.
    pub owner: u32,
    /// How it is.
    pub state: RecordState,
    /// Wall clock at its beginning, in Unix milliseconds.
    pub started_at: u64,
    /// Why it ended, once it does.
    pub reason: Option<EndReason>,
    /// What went wrong.
    pub error: Option<String>,
    /// What plays of it.
    pub duration: Duration,
    /// Bytes of its segments.
    pub bytes: u64,
    /// Segments that were written.
    pub segments: usize,
    /// Segments that were gone before the store was ready for them.
    pub missed: u64,
    /// Its folder.
    pub folder: String,
    /// The path of its playlist, once that is there.
    pub playlist: Option<String>,
    /// The path and the bytes of its MP4 file, once that is there.
    pub mp4: Option<(String, u64)>,
}

impl RecordingView {
    /// Takes over how a recording ended and what there is of it.
    pub(super) fn tell(&mut self, end: &End, paths: &Paths) {
        self.error = end.errors();
        self.playlist = (end.segments > 0).then(|| paths.playlist());
        self.mp4 = end.mp4_bytes.map(|bytes| (paths.mp4(), bytes));
        self.duration = Duration::from_millis(end.duration_ms);
        (self.bytes, self.segments) = (end.bytes, end.segments);
        self.missed = end.missed;
    }
}
