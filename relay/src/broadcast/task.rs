//! The task of one broadcast: the core's clock, lanes and outputs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use packager::frames::AudioFrame;
use packager::hls::SegmenterConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, error, info, warn};

use super::core::{Core, Output};
use super::{Broadcast, Phase, Publisher};
use crate::config::RelayConfig;
use crate::flv::{Tag, TagKind};
use crate::ingest::{self, IngestItem, KeyframeAsker};
use crate::metrics::Metrics;
use crate::transcoder::{AudioWork, TranscoderThread};

/// Items taken from the lane in one step, so that other inputs get their turn.
const BATCH: usize = 256;

/// How long sound is held so that it leaves with the next picture: one picture at 25 a second.
/// All viewers wake for each batch of tags, so that batches are what viewers cost.
const TAG_WAIT: Duration = Duration::from_millis(40);

/// How long the end of a broadcast waits for the last sound. A full queue of packets takes the
/// transcoder about 40 ms.
const LAST_SOUND: Duration = Duration::from_millis(500);

/// What a broadcast's task needs of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) config: Arc<RelayConfig>,
    pub(crate) metrics: Arc<Metrics>,
    /// True once the relay shuts down.
    pub(crate) shutdown: watch::Receiver<bool>,
}

struct Task {
    broadcast: Arc<Broadcast>,
    context: Context,
    core: Core,
    lane: Option<mpsc::Receiver<IngestItem>>,
    /// Read once the lane is closed: the broadcast ends then.
    is_over: ingest::Over,
    ask_keyframe: KeyframeAsker,
    transcoder: Option<TranscoderThread>,
    aac: Option<mpsc::Receiver<AudioFrame>>,
    /// Tags for the ring, and since when they are held.
    held: Vec<Tag>,
    held_since: Option<Instant>,
    /// The log says that this publisher's codec is refused.
    has_logged_refusal: bool,
    /// No transcoder is started any more.
    is_ending: bool,
    /// The publisher has left, and is waited for until then.
    alone_until: Option<Instant>,
}

/// Runs a broadcast from its first publisher to its end, when the last publisher has been gone
/// for [`RelayConfig::linger`] or the relay shuts down.
pub(crate) async fn run(broadcast: Arc<Broadcast>, context: Context, publisher: Publisher) {
    info!(stream = %broadcast.id, tracks = ?publisher.tracks, "broadcast starts");
    let _over = Over::when_dropped(broadcast.clone(), context.metrics.clone());
    let mut task = Task::new(broadcast, context, publisher);
    task.live().await;
    task.end().await;
}

/// Tells everybody that the broadcast is over, even if its task panicked.
struct Over {
    broadcast: Arc<Broadcast>,
    metrics: Arc<Metrics>,
}

impl Over {
    fn when_dropped(broadcast: Arc<Broadcast>, metrics: Arc<Metrics>) -> Self {
        metrics.broadcasts.inc();
        Self { broadcast, metrics }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!(stream = %self.broadcast.id, "the task of a broadcast panicked");
        }
        self.broadcast.close_desk_at_once();
        self.broadcast.store.end();
        self.broadcast.ring.close();
        self.broadcast.set_phase(Phase::Ended);
        self.metrics.broadcasts.dec();
        info!(stream = %self.broadcast.id, "broadcast ends");
    }
}

impl Task {
    fn new(broadcast: Arc<Broadcast>, context: Context, publisher: Publisher) -> Self {
        let segmenter = SegmenterConfig {
            target: context.config.segment_duration,
            part: context.config.part_duration,
            ..SegmenterConfig::default()
        };
        let core = Core::new(
            segmenter,
            publisher.tracks,
            context.metrics.clone(),
            now(),
            SystemTime::now(),
        );
        let task = Self {
            broadcast,
            context,
            core,
            lane: Some(publisher.lane),
            is_over: publisher.is_over,
            ask_keyframe: publisher.ask_keyframe,
            transcoder: None,
            aac: None,
            held: Vec::new(),
            held_since: None,
            has_logged_refusal: false,
            is_ending: false,
            alone_until: None,
        };
        task.announce();
        task
    }

    /// Says to viewers what the publisher has.
    fn announce(&self) {
        self.broadcast.ring.set_audio(self.core.audio_config());
        self.broadcast.set_phase(if self.core.has_nothing() {
            Phase::NoTracks
        } else {
            Phase::Starting
        });
    }

    async fn live(&mut self) {
        let broadcast = self.broadcast.clone();
        let mut shutdown = self.context.shutdown.clone();
        let mut shut_down =
            pin!(async move { shutdown.wait_for(|is_down| *is_down).await.map(drop) });
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.apply();
            let deadline = self.deadline();
            tokio::select! {
                _ = &mut shut_down => {
                    broadcast.close_desk_at_once();
                    return;
                }
                () = broadcast.arrivals.notified() => {
                    if let Some(publisher) = broadcast.take_publisher() {
                        self.take_over(publisher);
                    }
                }
                taken = receive(&mut self.lane, &mut batch) => {
                    let now = now();
                    self.core.handle_wall_clock(now, SystemTime::now());
                    for item in batch.drain(..) {
                        self.core.handle_ingest(now, item);
                    }
                    if taken == 0 {
                        debug!(stream = %broadcast.id, "publisher is gone");
                        self.lane = None;
                        self.core.handle_publisher_gone();
                        self.alone_until = Some(now + self.patience());
                    }
                }
                frame = receive_frame(&mut self.aac) => match frame {
                    Some(frame) => self.core.handle_audio(now(), frame),
                    None => {
                        warn!(stream = %broadcast.id, "the transcoder ended; no sound from here on");
                        self.lose_sound();
                    }
                },
                () = sleep_until(deadline.into()) => {
                    let now = now();
                    self.core.handle_timeout(now);
                    let is_over = self.alone_until.is_some_and(|until| until <= now);
                    if is_over && broadcast.close_desk() {
                        return;
                    }
                }
            }
        }
    }

    /// How long a publisher who has left is waited for.
    fn patience(&self) -> Duration {
        if self.is_over.load(Ordering::Acquire) {
            Duration::ZERO
        } else {
            self.context.config.linger
        }
    }

    /// When to look again; a far time when there is nothing to wait for.
    fn deadline(&self) -> Instant {
        self.core
            .next_timeout()
            .into_iter()
            .chain(self.alone_until)
            .chain(self.held_since.map(|since| since + TAG_WAIT))
            .min()
            .unwrap_or_else(|| now() + Duration::from_secs(3_600))
    }

    fn take_over(&mut self, publisher: Publisher) {
        info!(stream = %self.broadcast.id, tracks = ?publisher.tracks, "publisher takes over");
        self.lane = Some(publisher.lane);
        self.is_over = publisher.is_over;
        self.ask_keyframe = publisher.ask_keyframe;
        self.alone_until = None;
        self.has_logged_refusal = false;
        self.core.handle_republish(now(), publisher.tracks);
        self.broadcast.set_picture(None);
        self.announce();
    }

    /// Carries out what the core wants.
    fn apply(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Tag(tag) => {
                    if let TagKind::Keyframe(config) = &tag.kind {
                        self.broadcast.set_picture(Some(config));
                    }
                    self.held.push(tag);
                }
                Output::Init(init) => {
                    debug!(stream = %self.broadcast.id, version = init.version, codecs = init.codecs, "initialization section");
                    self.broadcast.store.push_init(init);
                }
                Output::Part(part, wall) => self.broadcast.store.push_part(&part, wall),
                Output::Segment(segment) => {
                    self.broadcast.store.push_segment(&segment);
                    self.broadcast.status.send_if_modified(|status| {
                        !std::mem::replace(&mut status.has_playlist, true)
                    });
                }
                Output::Audio(work) => self.submit(work),
                Output::RequestKeyframe => {
                    self.context.metrics.keyframe_requests.inc();
                    (self.ask_keyframe)();
                }
                Output::Accepted => {
                    self.broadcast.ring.reopen();
                    self.broadcast.set_phase(Phase::Live);
                }
                Output::Refused(codec) => {
                    if !std::mem::replace(&mut self.has_logged_refusal, true) {
                        info!(stream = %self.broadcast.id, codec = codec.name(), "FLV and HLS cannot carry this codec");
                    }
                    self.broadcast.set_phase(Phase::Refused(codec));
                    self.broadcast.ring.close();
                }
            }
        }
        self.release_tags();
    }

    /// Hands the held tags to the viewers if a picture is among them or they were held long
    /// enough.
    fn release_tags(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let now = now();
        let since = *self.held_since.get_or_insert(now);
        let has_picture = self
            .held
            .iter()
            .any(|tag| !matches!(tag.kind, TagKind::Audio(_)));
        if has_picture || now >= since + TAG_WAIT {
            self.flush_tags();
        }
    }

    fn flush_tags(&mut self) {
        self.held_since = None;
        self.broadcast.ring.append(self.held.drain(..));
    }

    fn submit(&mut self, work: AudioWork) {
        let is_needed = !self.is_ending && !matches!(work, AudioWork::Restart);
        if self.transcoder.is_none() && is_needed {
            self.start_transcoder();
        }
        if let Some(transcoder) = &self.transcoder
            && !transcoder.submit(work)
        {
            self.context.metrics.count_drop("transcoder_full", 1);
        }
    }

    fn start_transcoder(&mut self) {
        let config = &self.context.config;
        match TranscoderThread::spawn(config.aac_bit_rate_bps, self.context.metrics.clone()) {
            Ok((transcoder, frames)) => {
                self.transcoder = Some(transcoder);
                self.aac = Some(frames);
            }
            Err(error) => {
                warn!(stream = %self.broadcast.id, %error, "cannot start the transcoder's thread");
                self.lose_sound();
            }
        }
    }

    /// Goes on without sound until another publisher brings it.
    fn lose_sound(&mut self) {
        self.aac = None;
        self.transcoder = None;
        self.core.handle_audio_failure(now());
        self.broadcast.ring.set_audio(self.core.audio_config());
    }

    /// Writes out what is left.
    async fn end(&mut self) {
        if let Some(mut lane) = self.lane.take() {
            lane.close();
            let now = now();
            // At most as many as the lane holds.
            while let Ok(item) = lane.try_recv() {
                self.core.handle_ingest(now, item);
            }
            self.apply();
        }
        self.is_ending = true;
        // Without its input the thread ends once its queue is done.
        self.transcoder = None;
        if let Some(mut frames) = self.aac.take() {
            let core = &mut self.core;
            let rest = async {
                while let Some(frame) = frames.recv().await {
                    core.handle_audio(now(), frame);
                }
            };
            if timeout(LAST_SOUND, rest).await.is_err() {
                self.context.metrics.count_drop("last_sound", 1);
            }
        }
        self.core.finish();
        self.apply();
        self.flush_tags();
    }
}

/// The runtime's clock, which tests can hold.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Takes what is in the lane: 0 when the publisher is gone; waits for ever without a lane.
async fn receive(
    lane: &mut Option<mpsc::Receiver<IngestItem>>,
    batch: &mut Vec<IngestItem>,
) -> usize {
    match lane {
        Some(lane) => lane.recv_many(batch, BATCH).await,
        None => std::future::pending().await,
    }
}

async fn receive_frame(aac: &mut Option<mpsc::Receiver<AudioFrame>>) -> Option<AudioFrame> {
    match aac {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}
