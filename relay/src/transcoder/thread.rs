//! The transcoder's thread: media never waits for it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use packager::frames::AudioFrame;
use packager::time::MediaTime;
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Jobs that wait for the thread: 5 s of packets of 20 ms. "Full" means that the machine has no
/// time for sound; the transcoder bridges the gap when it comes to run again.
const QUEUED_WORK: usize = 256;

/// Frames that wait for the broadcast's task: 5 s of them. The thread waits when it is full,
/// and then its jobs pile up and are dropped.
const QUEUED_FRAMES: usize = 256;

/// A job of the transcoder.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "aac"), allow(dead_code))]
pub(crate) enum AudioWork {
    /// One Opus packet, and when it plays.
    Opus { data: Arc<[u8]>, time: MediaTime },
    /// No packets come: silence up to a time.
    Fill { from: MediaTime, until: MediaTime },
    /// Another publisher's packets follow.
    Restart,
}

/// The input side of a transcoder's thread, which ends when this is dropped and its queue is
/// done.
#[derive(Debug)]
pub(crate) struct TranscoderThread {
    work: SyncSender<AudioWork>,
}

impl TranscoderThread {
    /// Starts the thread; the receiver ends when the thread has.
    pub(crate) fn spawn(
        bit_rate_bps: u32,
        metrics: Arc<Metrics>,
    ) -> io::Result<(Self, mpsc::Receiver<AudioFrame>)> {
        let (work, jobs) = sync_channel(QUEUED_WORK);
        let (frames, out) = mpsc::channel(QUEUED_FRAMES);
        thread::Builder::new()
            .name("weblive-aac".to_owned())
            .spawn(move || run(bit_rate_bps, &jobs, &frames, &metrics))?;
        Ok((Self { work }, out))
    }

    /// Hands a job over. False if the queue is full or the thread has ended: the job is dropped.
    pub(crate) fn submit(&self, work: AudioWork) -> bool {
        self.work.try_send(work).is_ok()
    }
}

#[cfg(feature = "aac")]
fn run(
    bit_rate_bps: u32,
    jobs: &Receiver<AudioWork>,
    out: &mpsc::Sender<AudioFrame>,
    metrics: &Metrics,
) {
    use std::time::Instant;

    use super::{AudioTranscoder, Report};

    let mut transcoder = match AudioTranscoder::new(bit_rate_bps) {
        Ok(transcoder) => transcoder,
        Err(error) => {
            tracing::error!(%error, "a broadcast has no sound over FLV and HLS");
            return;
        }
    };
    let recovered = metrics.audio_filled.with_label_values(&["recovered"]);
    let concealed = metrics.audio_filled.with_label_values(&["concealed"]);
    let dtx = metrics.audio_filled.with_label_values(&["dtx"]);
    let silence = metrics.audio_filled.with_label_values(&["silence"]);
    let cut = metrics.audio_filled.with_label_values(&["cut"]);
    let mut frames = Vec::new();
    while let Ok(job) = jobs.recv() {
        let began = Instant::now();
        let done = match job {
            AudioWork::Opus { data, time } => transcoder.push(&data, time, &mut frames),
            AudioWork::Fill { from, until } => transcoder.fill_until(from, until, &mut frames),
            AudioWork::Restart => transcoder.restart(),
        };
        metrics.audio_busy.inc_by(began.elapsed().as_secs_f64());
        metrics.audio_frames.inc_by(frames.len() as u64);
        let report = transcoder.take_report();
        recovered.inc_by(Report::duration(report.recovered).as_secs_f64());
        concealed.inc_by(Report::duration(report.concealed).as_secs_f64());
        dtx.inc_by(Report::duration(report.dtx).as_secs_f64());
        silence.inc_by(Report::duration(report.silence).as_secs_f64());
        cut.inc_by(Report::duration(report.cut).as_secs_f64());
        metrics.count_drop("opus_not_decodable", report.bad_packets);
        if let Err(error) = done {
            tracing::error!(%error, "a broadcast lost its sound over FLV and HLS");
            return;
        }
        for frame in frames.drain(..) {
            if out.blocking_send(frame).is_err() {
                return;
            }
        }
    }
}

#[cfg(not(feature = "aac"))]
fn run(
    _bit_rate_bps: u32,
    _jobs: &Receiver<AudioWork>,
    _out: &mpsc::Sender<AudioFrame>,
    _metrics: &Metrics,
) {
}
