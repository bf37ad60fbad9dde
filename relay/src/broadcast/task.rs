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

use super::core::{Core, Media, Output};
use super::{Broadcast, OPUS, Phase, Publisher};
use crate::config::RelayConfig;
use crate::flv::{Ring, Tag, TagKind};
use crate::hls::Store;
use crate::ingest::{self, FrameItem, IngestItem, KeyframeAsker, Lane};
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
    lane: Option<Lane>,
    /// Read once the lane is closed: the broadcast ends then.
    is_over: ingest::Over,
    ask_keyframe: KeyframeAsker,
    transcoder: Option<TranscoderThread>,
    aac: Option<mpsc::Receiver<AudioFrame>>,
    /// Tags for the ring of each variant, and since when they are held.
    held: Vec<Held>,
    /// The log says that this publisher's codec is refused.
    has_logged_refusal: bool,
    /// No transcoder is started any more.
    is_ending: bool,
    /// The publisher has left, and is waited for until then.
    alone_until: Option<Instant>,
}

/// Tags that wait for the next picture.
#[derive(Debug, Default)]
struct Held {
    tags: Vec<Tag>,
    since: Option<Instant>,
}

/// Runs a broadcast from its first publisher to its end, when the last publisher has been gone
/// for [`RelayConfig::linger`] or the relay shuts down.
pub(crate) async fn run(broadcast: Arc<Broadcast>, context: Context, publisher: Publisher) {
    info!(stream = %broadcast.id, publication = ?publisher.publication, "broadcast starts");
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
        self.broadcast.stores().for_each(Store::end);
        self.broadcast
            .variants()
            .iter()
            .for_each(|v| v.ring.close());
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
        let new = match publisher.lane {
            Lane::Packets(_) => Core::new,
            Lane::Frames(_) => Core::of_frames,
        };
        let mut core = new(
            segmenter,
            publisher.publication,
            context.metrics.clone(),
            now(),
            SystemTime::now(),
        );
        core.share_clock(publisher.clock);
        let held = broadcast.variants().iter().map(|_| Held::default());
        let task = Self {
            held: held.collect(),
            broadcast,
            context,
            core,
            lane: Some(publisher.lane),
            is_over: publisher.is_over,
            ask_keyframe: publisher.ask_keyframe,
            transcoder: None,
            aac: None,
            has_logged_refusal: false,
            is_ending: false,
            alone_until: None,
        };
        task.announce();
        task
    }

    /// Says to viewers what the publisher has.
    fn announce(&self) {
        for variant in self.broadcast.variants() {
            variant.ring.set_publisher(self.core.audio_config());
        }
        self.broadcast.stores().for_each(Store::resume);
        self.broadcast.set_phase(if self.core.has_nothing() {
            Phase::NoTracks
        } else {
            Phase::Starting
        });
    }

    fn announce_sound(&self) {
        for variant in self.broadcast.variants() {
            variant.ring.set_audio(self.core.audio_config());
        }
    }

    async fn live(&mut self) {
        let broadcast = self.broadcast.clone();
        let mut shutdown = self.context.shutdown.clone();
        let mut shut_down =
            pin!(async move { shutdown.wait_for(|is_down| *is_down).await.map(drop) });
        let mut batch = Batch::default();
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
                    batch.drain_into(&mut self.core, now);
                    if !taken {
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
            .chain(
                self.held
                    .iter()
                    .filter_map(|held| held.since)
                    .map(|since| since + TAG_WAIT),
            )
            .min()
            .unwrap_or_else(|| now() + Duration::from_secs(3_600))
    }

    fn take_over(&mut self, publisher: Publisher) {
        info!(stream = %self.broadcast.id, publication = ?publisher.publication, "publisher takes over");
        self.lane = Some(publisher.lane);
        self.is_over = publisher.is_over;
        self.ask_keyframe = publisher.ask_keyframe;
        self.alone_until = None;
        self.has_logged_refusal = false;
        self.core.handle_republish(now(), publisher.publication);
        self.broadcast.set_picture(None);
        self.announce();
    }

    /// Carries out what the core wants.
    fn apply(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Media(variant, media) => self.apply_media(variant, media),
                Output::Opus(media) => {
                    if let Some(opus) = self.broadcast.opus() {
                        self.store(opus, OPUS, media);
                    }
                }
                Output::OpusOver => self.broadcast.opus().into_iter().for_each(Store::end),
                Output::Audio(work) => self.submit(work),
                Output::NewSource => {
                    let audio = self.core.audio_config();
                    for (held, variant) in self.held.iter_mut().zip(self.broadcast.variants()) {
                        held.flush(&variant.ring);
                        variant.ring.set_publisher(audio.clone());
                    }
                }
                Output::NewSound => self.announce_sound(),
                Output::RequestKeyframe(pictures) => {
                    self.context.metrics.keyframe_requests.inc();
                    (self.ask_keyframe)(pictures);
                }
                Output::Accepted => {
                    self.broadcast
                        .variants()
                        .iter()
                        .for_each(|v| v.ring.reopen());
                    self.broadcast.stores().for_each(Store::resume);
                    self.broadcast.set_phase(Phase::Live);
                }
                Output::Refused(codec) => {
                    if !std::mem::replace(&mut self.has_logged_refusal, true) {
                        info!(stream = %self.broadcast.id, codec = codec.name(), "FLV and HLS cannot carry this codec");
                    }
                    self.broadcast.set_phase(Phase::Refused(codec));
                    self.broadcast
                        .variants()
                        .iter()
                        .for_each(|v| v.ring.close());
                    self.broadcast.stores().for_each(Store::halt);
                }
            }
        }
        self.release_tags();
    }

    /// Hands a variant what has come out for it.
    fn apply_media(&mut self, index: usize, media: Media) {
        let (variants, is_main) = (self.broadcast.variants(), index == 0);
        let (Some(variant), Some(held)) = (variants.get(index), self.held.get_mut(index)) else {
            return;
        };
        match media {
            Media::Tag(tag) => {
                if let TagKind::Keyframe(config) = &tag.kind
                    && is_main
                {
                    self.broadcast.set_picture(Some(config));
                }
                held.tags.push(tag);
            }
            other => self.store(&variant.store, variant.content.name(), other),
        }
    }

    /// Puts what players of HLS get into the store of what is called so in addresses.
    fn store(&self, store: &Store, name: &str, media: Media) {
        match media {
            Media::Tag(_) => {}
            Media::Init(init, discontinuities) => {
                debug!(stream = %self.broadcast.id, variant = name, version = init.version, codecs = init.codecs, "initialization section");
                store.begin_after(discontinuities);
                store.push_init(init);
            }
            Media::Part(part, wall) => store.push_part(&part, wall),
            Media::Segment(segment) => store.push_segment(&segment),
        }
    }

    /// Hands the held tags to the viewers if a picture is among them or they were held long
    /// enough.
    fn release_tags(&mut self) {
        let now = now();
        for (held, variant) in self.held.iter_mut().zip(self.broadcast.variants()) {
            if held.tags.is_empty() {
                continue;
            }
            let since = *held.since.get_or_insert(now);
            let is_picture = |tag: &Tag| !matches!(tag.kind, TagKind::Audio(_));
            if held.tags.iter().any(is_picture) || now >= since + TAG_WAIT {
                held.flush(&variant.ring);
            }
        }
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
        self.announce_sound();
    }

    /// Writes out what is left.
    async fn end(&mut self) {
        // At most as many items as the lane holds.
        let closed_at = now();
        match self.lane.take() {
            Some(Lane::Packets(mut lane)) => {
                lane.close();
                while let Ok(item) = lane.try_recv() {
                    self.core.handle_ingest(closed_at, item);
                }
            }
            Some(Lane::Frames(mut lane)) => {
                lane.close();
                while let Ok(item) = lane.try_recv() {
                    self.core.handle_frames(closed_at, item);
                }
            }
            None => {}
        }
        self.apply();
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
        for (held, variant) in self.held.iter_mut().zip(self.broadcast.variants()) {
            held.flush(&variant.ring);
        }
    }
}

impl Held {
    fn flush(&mut self, ring: &Ring) {
        self.since = None;
        ring.append(self.tags.drain(..));
    }
}

/// The runtime's clock, which tests can hold.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What one step takes from the lane.
#[derive(Default)]
struct Batch {
    packets: Vec<IngestItem>,
    frames: Option<FrameItem>,
}

impl Batch {
    fn drain_into(&mut self, core: &mut Core, now: Instant) {
        for item in self.packets.drain(..) {
            core.handle_ingest(now, item);
        }
        if let Some(item) = self.frames.take() {
            core.handle_frames(now, item);
        }
    }
}

/// Takes what is in the lane: false when the publisher is gone; waits for ever without a lane.
async fn receive(lane: &mut Option<Lane>, batch: &mut Batch) -> bool {
    match lane {
        Some(Lane::Packets(lane)) => lane.recv_many(&mut batch.packets, BATCH).await > 0,
        Some(Lane::Frames(lane)) => {
            batch.frames = lane.recv().await;
            batch.frames.is_some()
        }
        None => std::future::pending().await,
    }
}

async fn receive_frame(aac: &mut Option<mpsc::Receiver<AudioFrame>>) -> Option<AudioFrame> {
    match aac {
        Some(frames) => frames.recv().await,
        None => std::future::pending().await,
    }
}
