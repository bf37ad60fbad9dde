//! What a recording says of itself, so that another process can end it.
//!
//! `recording.json` is written at the beginning, at the end, and once its files are made. Its segments stand in pages of
//! [`PAGE`], each an object that is replaced as a whole: the price of a segment does not grow with
//! the recording. A page names a segment before it is written, so that all that is there is named;
//! only the last one named can be missing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use packager::hls::{SegmentHead, VodSegment};
use serde::{Deserialize, Serialize};

use super::file::{MP4, PLAYLIST, RecordingPart};
use super::id::RecordingId;
use super::view::EndReason;
use crate::stream_id::StreamId;

/// Segments of a page.
pub(super) const PAGE: usize = 100;

/// Objects of this folder name recordings that have not ended.
pub(super) const UNFINISHED: &str = ".unfinished";

/// What a recording says of itself.
pub(super) const MANIFEST: &str = "recording.json";

/// `recording.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) id: RecordingId,
    pub(super) stream: String,
    pub(super) owner: u32,
    /// Unix milliseconds.
    pub(super) started_at: u64,
    /// Whether there is to be an MP4 file.
    pub(super) mp4: bool,
    /// How it ended.
    pub(super) end: Option<End>,
}

/// How a recording ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) reason: EndReason,
    pub(super) duration_ms: u64,
    pub(super) segments: usize,
    pub(super) missed: u64,
    pub(super) bytes: u64,
    /// The MP4 file's size.
    pub(super) mp4_bytes: Option<u64>,
    /// Why there is no MP4 file.
    pub(super) mp4_error: Option<String>,
    /// What ended it.
    pub(super) error: Option<String>,
}

impl End {
    /// All that went wrong.
    pub(super) fn errors(&self) -> Option<String> {
        let mp4 = self.mp4_error.as_ref();
        let mp4 = mp4.map(|error| format!("no MP4 file: {error}"));
        let errors: Vec<_> = self.error.clone().into_iter().chain(mp4).collect();
        let mut errors = errors.join("; ");
        // Ours are shorter; a file may say anything, and it stays in memory.
        errors.truncate(errors.floor_char_boundary(MAX_ERROR));
        (!errors.is_empty()).then_some(errors)
    }
}

/// What is read of `recording.json` before anything else.
#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

/// Why a `recording.json` says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidManifest {
    #[error("its recording.json does not read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("its recording.json is of version {0}, and this server reads {VERSION}")]
    Version(u32),
    #[error("its recording.json is of another recording")]
    Other,
}

impl Manifest {
    /// Reads what stands in the folder of a recording. Fields that a later server adds are none of
    /// ours.
    pub(super) fn read(
        text: &[u8],
        stream: &StreamId,
        id: &RecordingId,
    ) -> Result<Self, InvalidManifest> {
        let Version { version } = serde_json::from_slice(text)?;
        if version != VERSION {
            return Err(InvalidManifest::Version(version));
        }
        let manifest: Self = serde_json::from_slice(text)?;
        let is_its_own = manifest.id == *id && manifest.stream == stream.as_str();
        is_its_own.then_some(manifest).ok_or(InvalidManifest::Other)
    }
}

/// Bytes of what is told of an error.
const MAX_ERROR: usize = 500;

/// Version of the format.
pub(super) const VERSION: u32 = 1;

/// A segment that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Version of its Media Initialization Section.
    pub(super) init: u32,
    #[serde(rename = "us")]
    pub(super) duration_us: u64,
    /// Wall clock of its start, Unix milliseconds.
    #[serde(rename = "at")]
    pub(super) wall_ms: u64,
    pub(super) bytes: u64,
    #[serde(rename = "new", default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) discontinuity: bool,
    /// Segments before it that were gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) missed: u64,
}

/// Marks a recording that has not ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) stream: String,
}

impl Entry {
    pub(super) fn duration(&self) -> Duration {
        Duration::from_micros(self.duration_us)
    }
}

/// The paths of a recording.
#[derive(Debug, Clone)]
pub(super) struct Paths {
    folder: String,
    mark: String,
}

impl Paths {
    /// Neither part can be anything but one name of a path.
    pub(super) fn new(stream: &StreamId, id: &RecordingId) -> Self {
        Self {
            folder: format!("{stream}/{id}"),
            mark: format!("{UNFINISHED}/{id}.json"),
        }
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn mark(&self) -> String {
        self.mark.clone()
    }

    pub(super) fn manifest(&self) -> String {
        format!("{}/{MANIFEST}", self.folder)
    }

    pub(super) fn page(&self, page: usize) -> String {
        format!("{}/{}", self.folder, page_name(page))
    }

    pub(super) fn init(&self, version: u32) -> String {
        format!("{}/{}", self.folder, init_name(version))
    }

    pub(super) fn segment(&self, number: usize) -> String {
        format!("{}/{}", self.folder, segment_name(number))
    }

    pub(super) fn playlist(&self) -> String {
        format!("{}/{PLAYLIST}", self.folder)
    }

    pub(super) fn mp4(&self) -> String {
        format!("{}/{MP4}", self.folder)
    }
}

/// The segments as the playlist names them.
pub(super) fn playlist(entries: &[Entry]) -> String {
    let segments = entries
        .iter()
        .enumerate()
        .map(|(number, entry)| VodSegment {
            uri: segment_name(number),
            duration: entry.duration(),
            head: SegmentHead {
                map_uri: init_name(entry.init),
                discontinuity: entry.discontinuity,
                program_date_time: UNIX_EPOCH + Duration::from_millis(entry.wall_ms),
            },
        });
    packager::hls::vod_playlist(&segments.collect::<Vec<_>>())
}

/// Unix milliseconds.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(super) fn init_name(version: u32) -> String {
    format!("init{version}.mp4")
}

pub(super) fn page_name(page: usize) -> String {
    format!("segments-{page:05}.json")
}

/// Whether a recorder gives a file of a recording this name.
pub(super) fn is_of_recorder(name: &str) -> bool {
    name == MANIFEST || RecordingPart::read(name).is_some() || is_page(name)
}

fn is_page(name: &str) -> bool {
    let number = name.strip_prefix("segments-");
    let number = number.and_then(|rest| rest.strip_suffix(".json"));
    let number = number.and_then(|number| number.parse().ok());
    number.is_some_and(|number| page_name(number) == name)
}

/// Whether a mark has this name.
pub(super) fn is_mark(name: &str) -> bool {
    let id = name.strip_suffix(".json");
    id.is_some_and(|id| id.parse::<RecordingId>().is_ok())
}

pub(super) fn segment_name(number: usize) -> String {
    format!("{number:06}.m4s")
}
