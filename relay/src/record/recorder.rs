//! The core of a recording: finished segments in, objects to write out, one after the other.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::archive::Failure;
use super::manifest::{self, Entry, Manifest, Mark, PAGE, Paths};
use super::view::EndReason;
use crate::hls::Finished;

/// How long a recording may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) duration: Duration,
    pub(super) bytes: u64,
    pub(super) segments: usize,
}

/// An object that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) path: String,
    pub(super) data: Bytes,
    /// It is a segment, and with it all of the segment is written.
    pub(super) is_segment: bool,
}

/// How a recording is brought to its end before its broadcast ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) reason: EndReason,
    /// The first Media Sequence Number that is not wanted any more.
    pub(super) until: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Recorder {
    paths: Paths,
    bounds: Bounds,
    entries: Vec<Entry>,
    duration: Duration,
    bytes: u64,
    missed: u64,
    /// The Media Sequence Number that comes next.
    next: u64,
    /// The newest Media Initialization Section that was written.
    init: Option<u32>,
    /// Not of all segments up to here are written.
    is_open: bool,
    writes: VecDeque<Write>,
    /// How it is brought to its end, and until when what is wanted is waited for.
    ending: Option<(Ending, Instant)>,
    end: Option<(EndReason, Option<String>)>,
    failing: Option<Failing>,
}

/// The store does not take what is to be written.
#[derive(Debug)]
struct Failing {
    since: Instant,
    wait: Duration,
    again_at: Instant,
}

impl Recorder {
    /// A recording that begins with the segment of a Media Sequence Number, or with the first one
    /// after it that has a key frame.
    pub(super) fn new(manifest: &Manifest, paths: Paths, first: u64, bounds: Bounds) -> Self {
        let mark = Mark {
            stream: manifest.stream.clone(),
        };
        // Marked first: what has begun is found again.
        let writes = [
            object(paths.mark(), json(&mark)),
            object(paths.manifest(), json(manifest)),
        ];
        Self {
            paths,
            bounds,
            entries: Vec::new(),
            duration: Duration::ZERO,
            bytes: 0,
            missed: 0,
            next: first,
            init: None,
            is_open: false,
            writes: writes.into(),
            ending: None,
            end: None,
            failing: None,
        }
    }

    /// What is to be written now; asked again once it was.
    pub(super) fn poll(&self, now: Instant) -> Option<&Write> {
        let waits = self.failing.as_ref().is_some_and(|f| f.again_at > now);
        self.writes.front().filter(|_| !waits)
    }

    /// Says what became of it. What the store does not take is tried again for some time, unless
    /// time was given enough. A full disk may have room soon: an MP4 file that did not fit is gone.
    pub(super) fn handle_written(&mut self, now: Instant, written: Result<(), Failure>) {
        let may_pass = matches!(written, Err(Failure::Store | Failure::Full));
        if may_pass && self.is_tried_again(now) {
            return;
        }
        self.failing = None;
        let Some(write) = self.writes.pop_front() else {
            return;
        };
        match written {
            Ok(()) if write.is_segment => {
                self.is_open = false;
                if let Some(entry) = self.entries.last() {
                    self.duration += entry.duration();
                    self.bytes += entry.bytes;
                }
            }
            Ok(()) => {}
            Err(failure) => {
                self.writes.clear();
                if std::mem::take(&mut self.is_open) {
                    self.entries.pop();
                }
                let reason = match failure {
                    Failure::Full => EndReason::DiskFull,
                    Failure::Store | Failure::Slow => EndReason::StoreFailed,
                };
                self.end = Some((reason, Some(failure.to_string())));
            }
        }
    }

    /// Waits, for longer than before. False if that was long enough.
    fn is_tried_again(&mut self, now: Instant) -> bool {
        let failing = self.failing.get_or_insert(Failing {
            since: now,
            wait: FIRST_WAIT,
            again_at: now,
        });
        failing.again_at = now + failing.wait;
        failing.wait = (failing.wait * 2).min(LONGEST_WAIT);
        failing.again_at <= failing.since + PATIENCE
    }

    /// The Media Sequence Number of the segment that comes next. None when nothing can be taken:
    /// something waits to be written, or the recording is over.
    pub(super) fn wants(&self) -> Option<u64> {
        (self.writes.is_empty() && self.end.is_none()).then_some(self.next)
    }

    /// Takes a segment that was wanted, or a later one if that is gone. The recording begins with a
    /// key frame, and is over with a segment that is one too many.
    pub(super) fn handle_segment(&mut self, msn: u64, segment: &Finished) {
        let until = self.ending.map_or(u64::MAX, |(ending, _)| ending.until);
        let missed = msn.min(until).saturating_sub(self.next);
        self.missed += missed;
        self.next = msn;
        if until <= msn {
            return self.check_ending();
        }
        let begins = self.entries.is_empty();
        if begins && !segment.is_independent {
            self.next = msn + 1;
            return self.check_ending();
        }
        let bytes = segment.data.len() as u64;
        if self.duration + segment.duration > self.bounds.duration
            || self.bytes + bytes > self.bounds.bytes
            || self.entries.len() >= self.bounds.segments
        {
            self.end = Some((EndReason::Limit, None));
            return;
        }
        self.next = msn + 1;
        let version = segment.init.version;
        if self.init != Some(version) {
            let data = segment.init.data.clone();
            self.writes
                .push_back(object(self.paths.init(version), data));
        }
        let is_other = self.init.is_some_and(|init| init != version);
        self.init = Some(version);
        self.entries.push(Entry {
            init: version,
            duration_us: u64::try_from(segment.duration.as_micros()).unwrap_or(u64::MAX),
            wall_ms: manifest::millis(segment.wall),
            bytes,
            discontinuity: !begins && (segment.discontinuity || missed > 0 || is_other),
            missed,
        });
        self.is_open = true;
        let number = self.entries.len() - 1;
        let page = number / PAGE;
        let named = &self.entries[page * PAGE..];
        self.writes
            .push_back(object(self.paths.page(page), json(&named)));
        self.writes.push_back(Write {
            path: self.paths.segment(number),
            data: segment.data.clone(),
            is_segment: true,
        });
        self.check_ending();
    }

    /// No segment will follow.
    pub(super) fn handle_over(&mut self) {
        let reason = match self.ending {
            Some((ending, _)) => ending.reason,
            None => EndReason::StreamEnded,
        };
        self.end.get_or_insert((reason, None));
    }

    /// The recording is brought to its end: it takes what is wanted still, unless that does not
    /// come. Told of several times, it ends with what all of them want.
    pub(super) fn handle_ending(&mut self, now: Instant, ending: Ending) {
        let (known, _) = self.ending.get_or_insert((ending, now + LAST_SEGMENT));
        known.until = known.until.min(ending.until);
        self.check_ending();
    }

    /// When to call [`Recorder::handle_timeout`] and [`Recorder::poll`].
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let again_at = self.failing.as_ref().map(|failing| failing.again_at);
        self.waits_until().into_iter().chain(again_at).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.waits_until().is_some_and(|until| until <= now) {
            self.handle_over();
        }
    }

    /// Until when the last segment is waited for.
    fn waits_until(&self) -> Option<Instant> {
        let (_, until) = self.ending?;
        self.end.is_none().then_some(until)
    }

    /// True once nothing is written and nothing taken any more.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some() && self.writes.is_empty()
    }

    /// With which segment another recording goes on. None if somebody brought this one to its end.
    pub(super) fn next(&self) -> Option<u64> {
        self.ending.is_none().then_some(self.next)
    }

    /// Segments that are written or will be.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What plays of those that are written.
    pub(super) fn duration(&self) -> Duration {
        self.duration
    }

    /// Bytes of those that are written.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Segments that were gone before they could be taken.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    /// What was written, and why nothing follows, in words if it is an error.
    pub(super) fn end(self) -> (Vec<Entry>, u64, EndReason, Option<String>) {
        let (reason, error) = self.end.unwrap_or((EndReason::Interrupted, None));
        (self.entries, self.missed, reason, error)
    }

    fn check_ending(&mut self) {
        if self
            .ending
            .is_some_and(|(ending, _)| ending.until <= self.next)
        {
            self.handle_over();
        }
    }
}

fn object(path: String, data: Bytes) -> Write {
    Write {
        path,
        data,
        is_segment: false,
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> Bytes {
    // Plain values under texts: they can always be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// Between the first two tries to write something.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Between later ones.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// How long the store may take for a segment, and how long one that fails is asked again: a disk
/// that is away for a minute costs what leaves the playlist meanwhile, and not the rest of the
/// recording.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How long the segment under way is waited for when somebody stops a recording: longer than any
/// lasts.
const LAST_SEGMENT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
