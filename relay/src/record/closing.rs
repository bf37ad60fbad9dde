//! How a recording is ended: how it ended, its playlist, one MP4 file, and what came of that, in this
//! order. Each step can be carried out again, and none that is done is, so that another process goes
//! on where one was killed.

use std::time::Duration;

use bytes::Bytes;
use packager::mp4_file::{self, Joiner};
use tokio::time::timeout;

use super::archive::{Archive, Failure, Pending};
use super::id::RecordingId;
use super::manifest::{self, End, Entry, InvalidManifest, Manifest, PAGE, Paths, UNFINISHED};
use super::recorder::json;
use super::turns::Mp4Turns;
use super::view::EndReason;
use crate::stream_id::StreamId;

/// How long the store may take for one object.
const OBJECT: Duration = Duration::from_secs(30);

/// How long it may take for some more of a large object, or for the end of it.
const LARGE_OBJECT: Duration = Duration::from_secs(300);

/// Carries out one thing, within the time that a store has for it.
pub(super) async fn within<T>(pending: Pending<'_, T>) -> Result<T, Failure> {
    timeout(OBJECT, pending).await.unwrap_or(Err(Failure::Slow))
}

/// The same for a step of a large object.
pub(super) async fn within_more<T>(pending: Pending<'_, T>) -> Result<T, Failure> {
    let done = timeout(LARGE_OBJECT, pending).await;
    done.unwrap_or(Err(Failure::Slow))
}

/// Why there is no MP4 file.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMp4 {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error(transparent)]
    Media(#[from] mp4_file::JoinError),
    #[error("a segment is missing")]
    Missing,
    #[error("too many recordings wait for theirs")]
    Waiting,
}

impl NoMp4 {
    /// The store's failure, if that may be gone a little later. On a full disk each try would take
    /// what room there is from those who record.
    fn may_pass(&self) -> Option<Failure> {
        match self {
            Self::Store(failure @ (Failure::Store | Failure::Slow)) => Some(*failure),
            Self::Store(Failure::Full) | Self::Media(_) | Self::Missing | Self::Waiting => None,
        }
    }
}

/// Why a recording ended, how many segments it missed, and what went wrong.
pub(super) type How = (EndReason, u64, Option<String>);

/// The end of one recording, as far as it has come.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) paths: Paths,
    pub(super) manifest: Manifest,
    entries: Vec<Entry>,
    next: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Note,
    Playlist,
    File,
    Result,
    Unmark,
    Done,
}

impl Closing {
    pub(super) fn new(
        paths: Paths,
        mut manifest: Manifest,
        entries: Vec<Entry>,
        (reason, missed, error): How,
    ) -> Self {
        manifest.end = Some(End {
            reason,
            duration_ms: entries.iter().map(|e| e.duration_us).sum::<u64>() / 1_000,
            segments: entries.len(),
            missed,
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            mp4_bytes: None,
            mp4_error: None,
            error,
        });
        Self {
            paths,
            manifest,
            entries,
            next: Step::Note,
        }
    }

    /// Writes how the recording ended. After that another process knows it, too.
    pub(super) async fn note(&mut self, archive: &dyn Archive) -> Result<(), Failure> {
        if self.next == Step::Note {
            self.put_manifest(archive).await?;
            self.next = Step::Playlist;
        }
        Ok(())
    }

    /// Writes what a recording has at its end, from the first step on that is not done. `Err` leaves
    /// it there. The last try goes without an MP4 file that cannot be made.
    pub(super) async fn carry_on(
        &mut self,
        archive: &dyn Archive,
        turns: &Mp4Turns,
        is_last: bool,
    ) -> Result<(), Failure> {
        while self.next != Step::Done {
            self.next = self.step(archive, turns, is_last).await?;
        }
        Ok(())
    }

    /// Carries out the next step; the one after it.
    async fn step(
        &mut self,
        archive: &dyn Archive,
        turns: &Mp4Turns,
        is_last: bool,
    ) -> Result<Step, Failure> {
        let step = match self.next {
            Step::Note => {
                self.note(archive).await?;
                Step::Playlist
            }
            Step::Playlist if self.entries.is_empty() => Step::Result,
            Step::Playlist => {
                let text = manifest::playlist(&self.entries);
                within(archive.put(&self.paths.playlist(), text.into())).await?;
                match self.manifest.mp4 {
                    true => Step::File,
                    false => Step::Result,
                }
            }
            Step::File => {
                let made = match turns.take().await {
                    Some(_turn) => self.make_mp4(archive).await,
                    None => Err(NoMp4::Waiting),
                };
                if let Err(error) = &made {
                    tracing::warn!(recording = %self.manifest.id, %error, "no MP4 file");
                    if let Some(failure) = error.may_pass().filter(|_| !is_last) {
                        return Err(failure);
                    }
                }
                if let Some(end) = &mut self.manifest.end {
                    end.mp4_error = made.as_ref().err().map(ToString::to_string);
                    end.mp4_bytes = made.ok();
                }
                Step::Result
            }
            Step::Result => {
                self.put_manifest(archive).await?;
                Step::Unmark
            }
            Step::Unmark => {
                within(archive.tidy(self.paths.folder())).await?;
                within(archive.delete(&self.paths.mark())).await?;
                Step::Done
            }
            Step::Done => Step::Done,
        };
        Ok(step)
    }

    /// The file's size.
    async fn make_mp4(&self, archive: &dyn Archive) -> Result<u64, NoMp4> {
        // Another process made it, and was killed before it said so.
        match within(archive.size(&self.paths.mp4())).await? {
            Some(bytes) => Ok(bytes),
            None => write_mp4(archive, &self.paths, &self.entries).await,
        }
    }

    async fn put_manifest(&self, archive: &dyn Archive) -> Result<(), Failure> {
        within(archive.put(&self.paths.manifest(), json(&self.manifest))).await
    }
}

/// Makes one file of the segments; its size.
async fn write_mp4(archive: &dyn Archive, paths: &Paths, entries: &[Entry]) -> Result<u64, NoMp4> {
    let mut joiner = Joiner::new();
    let mut init = None;
    for (number, entry) in entries.iter().enumerate() {
        if init != Some(entry.init) {
            joiner.push_init(&read(archive, &paths.init(entry.init)).await?)?;
            init = Some(entry.init);
        }
        joiner.push_segment(&read(archive, &paths.segment(number)).await?)?;
    }
    let payload = joiner.payload();
    let head = joiner.head()?;
    let size = head.len() as u64 + payload;
    let mut upload = within(archive.begin(&paths.mp4())).await?;
    let copied = async {
        within_more(upload.write(head)).await?;
        let mut left = payload;
        for number in 0..entries.len() {
            let segment = read(archive, &paths.segment(number)).await?;
            for media in mp4_file::media(&segment)? {
                let rest = left.checked_sub(media.len() as u64);
                left = rest.ok_or(NoMp4::Missing)?;
                within_more(upload.write(media)).await?;
            }
        }
        match left {
            0 => Ok(()),
            _ => Err(NoMp4::Missing),
        }
    };
    let ended = match copied.await {
        Ok(()) => {
            within_more(upload.finish()).await?;
            return Ok(size);
        }
        Err(error) => error,
    };
    if let Err(error) = within(upload.abort()).await {
        tracing::warn!(%error, "what there is of an MP4 file stays");
    }
    Err(ended)
}

async fn read(archive: &dyn Archive, path: &str) -> Result<Bytes, NoMp4> {
    within(archive.get(path)).await?.ok_or(NoMp4::Missing)
}

/// A recording that a process left.
pub(super) struct Left {
    pub(super) stream: StreamId,
    pub(super) closing: Closing,
}

/// Why it is not known what a mark stands for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Store(#[from] Failure),
    #[error("the mark names no recording")]
    Mark,
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
}

/// The marks of recordings that have not ended.
pub(super) async fn unfinished(archive: &dyn Archive) -> Result<Vec<String>, Failure> {
    within(archive.list(UNFINISHED, MAX_UNFINISHED)).await
}

/// Reads what a mark stands for. `None` if there is nothing to end; the mark is gone then. What does
/// not read stays, for somebody who reads it.
pub(super) async fn find(archive: &dyn Archive, mark: &str) -> Result<Option<Left>, Unreadable> {
    let Some(text) = within(archive.text(mark)).await? else {
        return Ok(None);
    };
    let (stream, id) = named(mark, &text).ok_or(Unreadable::Mark)?;
    let paths = Paths::new(&stream, &id);
    within(archive.tidy(paths.folder())).await?;
    let Some(text) = within(archive.text(&paths.manifest())).await? else {
        // It was marked and nothing more.
        within(archive.delete(mark)).await?;
        return Ok(None);
    };
    let mut manifest = Manifest::read(&text, &stream, &id)?;
    let mut entries: Vec<Entry> = Vec::new();
    for page in 0.. {
        let Some(text) = within(archive.text(&paths.page(page))).await? else {
            break;
        };
        let named: Vec<Entry> = match serde_json::from_slice(&text) {
            Ok(named) => named,
            Err(error) => {
                tracing::warn!(mark, page, %error, "a page of a recording does not read");
                break;
            }
        };
        let is_full = named.len() == PAGE;
        entries.extend(named);
        if !is_full {
            break;
        }
    }
    let noted = manifest.end.take();
    if let Some(end) = &noted {
        // What the files are made of, if there are some already.
        entries.truncate(end.segments);
    }
    // Named before it is written.
    if let Some(last) = entries.last() {
        let path = paths.segment(entries.len() - 1);
        let there = within(archive.size(&path)).await?;
        if there != Some(last.bytes) {
            entries.pop();
        }
    }
    let how = match noted {
        Some(end) => (end.reason, end.missed, end.error),
        None => {
            let missed = entries.iter().map(|entry| entry.missed).sum();
            (EndReason::Interrupted, missed, None)
        }
    };
    let closing = Closing::new(paths, manifest, entries, how);
    Ok(Some(Left { stream, closing }))
}

/// The recording that a mark names. Both names are checked: a mark leads to nowhere else.
fn named(mark: &str, text: &[u8]) -> Option<(StreamId, RecordingId)> {
    let id = id_of(mark)?;
    let text: manifest::Mark = serde_json::from_slice(text).ok()?;
    Some((text.stream.parse().ok()?, id))
}

/// The recording that the path of a mark names.
pub(super) fn id_of(mark: &str) -> Option<RecordingId> {
    let id = mark.strip_prefix(UNFINISHED)?.strip_prefix('/')?;
    id.strip_suffix(".json")?.parse().ok()
}

/// Recordings that are looked for at the start: more than can be under way.
const MAX_UNFINISHED: usize = 100_000;
