//! The task of one recording: reads finished segments as a player does, and writes what the core
//! wants. What the store is too slow for is gone from the broadcast's window, and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};

use super::archive::Failure;
use super::closing::Closing;
use super::manifest::{Manifest, Paths};
use super::recorder::{Ending, PATIENCE, Recorder};
use super::view::{EndReason, RecordState, RecordingView};
use super::{Recordings, bounds};
use crate::broadcast::Broadcast;
use crate::hls::Reading;

/// Between tries to write the end of a recording, and how often it is tried: five minutes in all.
/// What is not ended then is found at the next start.
const RETRY: Duration = Duration::from_secs(30);
const TRIES: u32 = 10;

pub(super) struct Task {
    pub(super) recordings: Recordings,
    pub(super) manifest: Manifest,
    pub(super) paths: Paths,
    /// Media Sequence Number of the first segment.
    pub(super) first: u64,
    /// How many recordings of the broadcast came to nothing before, one after the other.
    pub(super) failures: u32,
    pub(super) view: RecordingView,
}

impl Task {
    pub(super) async fn run(
        mut self,
        broadcast: Arc<Broadcast>,
        ending: watch::Receiver<Option<Ending>>,
    ) {
        let mut place = Place::take(&self.recordings, &self.view);
        self.recordings.tell(&self.view);
        let recorded = Arc::downgrade(&broadcast);
        let recorder = self.record(broadcast, ending).await;
        let next = recorder.next();
        let (entries, missed, reason, error) = recorder.end();
        let mut down = self.recordings.0.down.subscribe();
        let reason = match reason {
            // The stream would have gone on.
            EndReason::StreamEnded if *down.borrow() => EndReason::Interrupted,
            other => other,
        };
        place.finishes();
        self.view.state = RecordState::Finishing;
        self.view.reason = Some(reason);
        self.view.error.clone_from(&error);
        self.recordings.note(&self.view);
        let id = &self.view.id;
        tracing::info!(recording = %id, reason = reason.name(), ?error, "a recording ends");
        if let Some(next) = next.filter(|_| !*down.borrow())
            && let Some(live) = recorded.upgrade().filter(|live| !live.is_ended())
        {
            let recordings = &self.recordings;
            recordings.follow(&live, &self.view, next, self.failures);
        }
        let how = (reason, missed, error);
        let mut closing = Closing::new(self.paths, self.manifest, entries, how);
        let archive = self.recordings.archive();
        // Before all else, and when the server ends, too. What fails here is tried again.
        let _ = closing.note(archive).await;
        tokio::select! {
            biased;
            // The next process ends it.
            _ = down.wait_for(|is_down| *is_down) => {}
            () = finish(&self.recordings, &mut closing, &mut self.view) => {}
        }
    }

    /// Records until the recording is over, and lets the broadcast go: its media is not kept for as
    /// long as files are made.
    async fn record(
        &mut self,
        broadcast: Arc<Broadcast>,
        mut ending: watch::Receiver<Option<Ending>>,
    ) -> Recorder {
        let bounds = bounds(&self.recordings.0.config);
        let mut recorder = Recorder::new(&self.manifest, self.paths.clone(), self.first, bounds);
        let store = &broadcast.variant(None).store;
        let archive = self.recordings.archive();
        let metrics = &self.recordings.0.metrics;
        let mut edge = store.edge();
        loop {
            while let Some(write) = recorder.poll(now()).cloned() {
                let (size, is_segment) = (write.data.len() as u64, write.is_segment);
                let put = timeout(PATIENCE, archive.put(&write.path, write.data)).await;
                let written = put.unwrap_or(Err(Failure::Slow));
                if written.is_ok() && is_segment {
                    metrics.segments.inc();
                    metrics.bytes.inc_by(size);
                }
                recorder.handle_written(now(), written);
            }
            metrics.missed.inc_by(recorder.missed() - self.view.missed);
            self.view.duration = recorder.duration();
            self.view.bytes = recorder.bytes();
            self.view.segments = recorder.entries().len();
            self.view.missed = recorder.missed();
            self.recordings.note(&self.view);
            // Heeded while segments wait, too: a slow disk has always one.
            let told = *ending.borrow_and_update();
            if let Some(ending) = told {
                recorder.handle_ending(now(), ending);
            }
            if recorder.is_over() {
                return recorder;
            }
            edge.borrow_and_update();
            let reading = recorder.wants().map(|msn| store.read_from(msn));
            match reading {
                Some(Reading::Segment(msn, segment)) => {
                    recorder.handle_segment(msn, &segment);
                    continue;
                }
                Some(Reading::Over) => {
                    recorder.handle_over();
                    continue;
                }
                Some(Reading::Later) | None => {}
            }
            let far = || now() + Duration::from_secs(3_600);
            let next_timeout = recorder.next_timeout().unwrap_or_else(far);
            tokio::select! {
                changed = edge.changed() => if changed.is_err() {
                    recorder.handle_over();
                },
                // It is looked at above.
                Ok(()) = ending.changed() => {}
                () = sleep_until(next_timeout.into()) => recorder.handle_timeout(now()),
            }
        }
    }
}

/// Writes the end of a recording, and tells of it.
pub(super) async fn finish(
    recordings: &Recordings,
    closing: &mut Closing,
    view: &mut RecordingView,
) {
    let archive = recordings.archive();
    let turns = &recordings.0.mp4_turns;
    let mut is_closed = false;
    for number in 1..=TRIES {
        match closing.carry_on(archive, turns, number == TRIES).await {
            Ok(()) => {
                is_closed = true;
                break;
            }
            Err(error) if number == TRIES => {
                let error = format!("its end is not written: {error}");
                tracing::warn!(recording = %view.id, error, "a recording waits for the next start");
                view.error = Some(error);
            }
            Err(_) => sleep(RETRY).await,
        }
    }
    let metrics = &recordings.0.metrics;
    let Closing {
        paths, manifest, ..
    } = closing;
    if let Some(end) = manifest.end.as_ref().filter(|_| is_closed) {
        view.tell(end, paths);
        if manifest.mp4 && end.segments > 0 {
            let result = match end.mp4_bytes {
                Some(_) => "made",
                None => "failed",
            };
            metrics.mp4.with_label_values(&[result]).inc();
        }
    }
    if let Some(reason) = view.reason {
        metrics.ended.with_label_values(&[reason.name()]).inc();
    }
    view.state = RecordState::Ended;
    recordings.tell(view);
    recordings.keep_ended(view);
}

/// A recording's place among the others, given back on drop: if its task panics, too.
pub(super) struct Place {
    recordings: Recordings,
    id: super::RecordingId,
    finishes: bool,
}

impl Place {
    fn take(recordings: &Recordings, view: &RecordingView) -> Self {
        recordings.gauge(RecordState::Recording).inc();
        Self {
            recordings: recordings.clone(),
            id: view.id.clone(),
            finishes: false,
        }
    }

    /// Of one whose files are all that is missing.
    pub(super) fn take_finishing(recordings: &Recordings, view: &RecordingView) -> Self {
        let mut place = Self::take(recordings, view);
        place.finishes();
        place
    }

    fn finishes(&mut self) {
        self.finishes = true;
        self.recordings.gauge(RecordState::Recording).dec();
        self.recordings.gauge(RecordState::Finishing).inc();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = match self.finishes {
            true => RecordState::Finishing,
            false => RecordState::Recording,
        };
        self.recordings.gauge(state).dec();
        self.recordings.forget(&self.id);
    }
}

/// The runtime's clock, which tests can hold.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
