//! The core with its transcoder inline, on virtual time, and a publisher that drives it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use packager::flv::demux::Demuxed;
use packager::frames::AudioFrame;
use packager::hls::{InitSection, Segment, SegmenterConfig};
use packager::rtp::{Codec, Tracks};
use prometheus::Registry;

use super::core::{Core, Media, Output};
use super::testing::{Publisher, Tone};
use crate::flv::{Tag, TagKind};
use crate::hls::Store;
use crate::ingest::{FrameItem, IngestItem};
use crate::metrics::Metrics;
use crate::transcoder::{AudioTranscoder, AudioWork};

/// Target duration of the segments.
pub(crate) const TARGET: Duration = Duration::from_secs(2);

/// A core with its transcoder inline, and all that came out of it.
pub(crate) struct Rig {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(super) core: Core,
    pub(crate) transcoder: AudioTranscoder,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tags: Vec<(Instant, Tag)>,
    pub(crate) frames: Vec<AudioFrame>,
    pub(crate) inits: Vec<InitSection>,
    pub(crate) segments: Vec<(Segment, SystemTime)>,
    /// Takes them too, with their parts.
    pub(crate) store: Option<Arc<Store>>,
    /// Of the segment under way.
    wall: Option<SystemTime>,
    /// The publisher's own sound.
    pub(crate) opus_inits: Vec<InitSection>,
    pub(crate) opus_segments: Vec<(Segment, SystemTime)>,
    opus_wall: Option<SystemTime>,
    /// It goes on no more.
    pub(crate) is_opus_over: bool,
    /// When a key frame was asked for.
    pub(crate) asked: Vec<Instant>,
    pub(crate) refused: Option<Codec>,
    pub(crate) refusals: usize,
    pub(crate) accepted: usize,
    /// Sources that began after the first.
    pub(crate) sources: usize,
}

impl Rig {
    pub(crate) fn new(tracks: Tracks) -> Self {
        Self::with_target(tracks, TARGET)
    }

    pub(crate) fn with_target(tracks: Tracks, target: Duration) -> Self {
        let now = Instant::now();
        let metrics = Arc::new(Metrics::register(&Registry::new()).unwrap());
        Self {
            start: now,
            now,
            core: Core::new(
                SegmenterConfig {
                    target,
                    ..SegmenterConfig::default()
                },
                tracks.into(),
                metrics.clone(),
                now,
                wall0(),
            ),
            transcoder: AudioTranscoder::new(128_000).unwrap(),
            metrics,
            tags: Vec::new(),
            frames: Vec::new(),
            inits: Vec::new(),
            segments: Vec::new(),
            store: None,
            wall: None,
            opus_inits: Vec::new(),
            opus_segments: Vec::new(),
            opus_wall: None,
            is_opus_over: false,
            asked: Vec::new(),
            refused: None,
            refusals: 0,
            accepted: 0,
            sources: 0,
        }
    }

    /// One that cuts parts of 250 ms, into a store.
    pub(crate) fn with_parts(tracks: Tracks, store: Arc<Store>) -> Self {
        let mut rig = Self::new(tracks);
        let config = SegmenterConfig {
            target: TARGET,
            part: Some(Duration::from_millis(250)),
            ..SegmenterConfig::default()
        };
        let metrics = rig.metrics.clone();
        rig.core = Core::new(config, tracks.into(), metrics, rig.start, wall0());
        rig.store = Some(store);
        rig
    }

    /// One that takes the frames of another server, from `start` on.
    pub(crate) fn of_frames(tracks: Tracks, start: Instant) -> Self {
        let mut rig = Self::new(tracks);
        let config = SegmenterConfig::default();
        (rig.start, rig.now) = (start, start);
        let metrics = rig.metrics.clone();
        rig.core = Core::of_frames(config, tracks.into(), metrics, start, wall0());
        rig
    }

    /// Takes frames that come at `now`.
    pub(crate) fn feed_frames(&mut self, now: Instant, frames: Vec<Demuxed>) {
        self.feed_frame_item(now, FrameItem::Frames(frames));
    }

    /// Takes what another server's connection brings at `now`.
    pub(crate) fn feed_frame_item(&mut self, now: Instant, item: FrameItem) {
        self.run_to(now);
        let wall = wall0() + (self.now - self.start);
        self.core.handle_wall_clock(self.now, wall);
        self.core.handle_frames(self.now, item);
        self.drain();
    }

    /// Lets time pass up to `now`, with all timeouts on the way.
    pub(crate) fn run_to(&mut self, now: Instant) {
        for _ in 0..100_000 {
            match self.core.next_timeout().filter(|at| *at <= now) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.core.handle_timeout(self.now);
                    self.drain();
                }
                None => {
                    self.now = self.now.max(now);
                    return;
                }
            }
        }
        panic!("timeouts do not end");
    }

    pub(crate) fn feed(&mut self, item: IngestItem) {
        let received = match &item {
            IngestItem::Rtp { packet, .. } => packet.received,
            IngestItem::SenderReport { report, .. } => report.received,
            IngestItem::Switched { .. } => self.now,
        };
        self.run_to(received);
        let wall = wall0() + (self.now - self.start);
        self.core.handle_wall_clock(self.now, wall);
        self.core.handle_ingest(self.now, item);
        self.drain();
    }

    /// Another publisher goes on.
    pub(crate) fn republish(&mut self, tracks: Tracks) {
        self.core.handle_republish(self.now, tracks.into());
        self.drain();
    }

    /// Ends the broadcast.
    pub(crate) fn finish(&mut self) {
        self.core.finish();
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            if let (Some(store), Output::Media(_, media)) = (&self.store, &output) {
                match media {
                    Media::Tag(_) => {}
                    Media::Init(init, _) => store.push_init(init.clone()),
                    Media::Part(part, wall) => store.push_part(part, *wall),
                    Media::Segment(segment) => store.push_segment(segment),
                }
            }
            match output {
                Output::Media(_, Media::Tag(tag)) => self.tags.push((self.now, tag)),
                Output::Media(_, Media::Init(init, _)) => self.inits.push(init),
                Output::Media(_, Media::Part(_, wall)) => self.wall = wall.or(self.wall),
                Output::Media(_, Media::Segment(segment)) => {
                    self.segments
                        .push((segment, self.wall.expect("its first part")));
                }
                Output::Opus(Media::Tag(_)) => panic!("no FLV of Opus"),
                Output::Opus(Media::Init(init, _)) => self.opus_inits.push(init),
                Output::Opus(Media::Part(_, wall)) => self.opus_wall = wall.or(self.opus_wall),
                Output::Opus(Media::Segment(segment)) => {
                    let wall = self.opus_wall.expect("its first part");
                    self.opus_segments.push((segment, wall));
                }
                Output::OpusOver => self.is_opus_over = true,
                Output::RequestKeyframe(_) => self.asked.push(self.now),
                Output::Accepted => self.accepted += 1,
                Output::NewSource => self.sources += 1,
                Output::NewSound => {}
                Output::Refused(codec) => {
                    self.refused = Some(codec);
                    self.refusals += 1;
                }
                Output::Audio(work) => {
                    let mut frames = Vec::new();
                    match work {
                        AudioWork::Opus { data, time } => {
                            self.transcoder.push(&data, time, &mut frames).unwrap();
                        }
                        AudioWork::Fill { from, until } => {
                            let until = self.transcoder.fill_until(from, until, &mut frames);
                            until.unwrap();
                        }
                        AudioWork::Restart => self.transcoder.restart().unwrap(),
                    }
                    for frame in frames {
                        self.frames.push(frame.clone());
                        self.core.handle_audio(self.now, frame);
                    }
                }
            }
        }
    }

    /// Versions of the initialization sections.
    pub(crate) fn init_versions(&self) -> Vec<u32> {
        self.inits.iter().map(|init| init.version).collect()
    }

    pub(crate) fn video_times(&self) -> Vec<u64> {
        let tags = self.tags.iter().map(|(_, tag)| tag);
        tags.filter(|tag| !is_audio(tag))
            .map(|tag| tag.time.as_millis())
            .collect()
    }

    pub(crate) fn audio_times(&self) -> Vec<u64> {
        let tags = self.tags.iter().map(|(_, tag)| tag);
        tags.filter(|tag| is_audio(tag))
            .map(|tag| tag.time.as_millis())
            .collect()
    }

    pub(crate) fn discontinuities(&self) -> usize {
        let segments = self.segments.iter();
        segments
            .filter(|(segment, _)| segment.discontinuity)
            .count()
    }

    /// What must hold whatever came in.
    pub(crate) fn check(&self) {
        assert!(
            self.video_times().windows(2).all(|w| w[0] < w[1]),
            "video time rises"
        );
        assert!(
            self.audio_times().windows(2).all(|w| w[0] < w[1]),
            "audio time rises"
        );
        let first_picture = self.tags.iter().find(|(_, tag)| !is_audio(tag));
        if let Some((_, tag)) = first_picture {
            assert!(matches!(tag.kind, TagKind::Keyframe(_)), "starts decodable");
        }
        for pair in self.segments.windows(2) {
            let gap = pair[1].0.start.since(pair[0].0.start);
            assert!(gap >= pair[0].0.duration.saturating_sub(Duration::from_millis(1)));
        }
        for (segment, _) in &self.segments {
            let rounded = segment.duration.as_secs_f64().round() as u64;
            assert!(rounded <= TARGET.as_secs(), "{:?}", segment.duration);
        }
        for pair in self.asked.windows(2) {
            assert!(
                pair[1] - pair[0] >= Duration::from_millis(500),
                "asks rarely"
            );
        }
        for (_, tag) in &self.tags {
            check_tag(tag);
        }
    }
}

/// Data size and time in the tag's header agree with the tag.
pub(crate) fn check_tag(tag: &Tag) {
    let b = &tag.bytes;
    let size = u32::from_be_bytes([0, b[1], b[2], b[3]]) as usize;
    assert_eq!(b.len(), 11 + size + 4);
    assert_eq!(b[b.len() - 4..], (size as u32 + 11).to_be_bytes());
    let ms = u32::from_be_bytes([b[7], b[4], b[5], b[6]]);
    assert_eq!(u64::from(ms), tag.time.as_millis());
}

pub(crate) fn is_audio(tag: &Tag) -> bool {
    matches!(tag.kind, TagKind::Audio(_))
}

pub(crate) fn wall0() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// A session of a publisher with pictures at 30 a second and sound every 20 ms.
pub(crate) struct Session {
    pub(crate) publisher: Publisher,
    pub(crate) tone: Tone,
    pub(crate) tracks: Tracks,
    /// Pictures between two key frames that the publisher sends by itself.
    pub(crate) gop: u64,
    /// A key frame that was asked for is sent.
    pub(crate) answers: bool,
    pub(crate) picture: u64,
    pub(crate) packet: u64,
    pub(crate) asked: usize,
}

impl Session {
    pub(crate) fn new(rig: &Rig, tracks: Tracks) -> Self {
        Self {
            publisher: Publisher::new(rig.now),
            tone: Tone::new(1_000.0),
            tracks,
            gop: u64::MAX,
            answers: true,
            picture: 0,
            packet: 0,
            asked: rig.asked.len(),
        }
    }

    /// Sends all that is captured before `until_ms`, in the order of arrival; `change` may drop,
    /// copy or replace items.
    pub(crate) fn send(
        &mut self,
        rig: &mut Rig,
        until_ms: f64,
        mut change: impl FnMut(f64, IngestItem) -> Vec<IngestItem>,
    ) {
        loop {
            let picture_ms = self.picture as f64 * 100.0 / 3.0;
            let packet_ms = self.packet as f64 * 20.0;
            let video_is_next =
                self.tracks.video && (!self.tracks.audio || picture_ms <= packet_ms);
            let ms = if video_is_next { picture_ms } else { packet_ms };
            if ms >= until_ms {
                return;
            }
            let mut items = Vec::new();
            if video_is_next {
                let was_asked = self.answers && rig.asked.len() > self.asked;
                let is_keyframe = was_asked || self.picture.is_multiple_of(self.gop);
                self.asked = rig.asked.len();
                let size = if is_keyframe { 5_000 } else { 1_500 };
                items.extend(self.publisher.picture(ms, is_keyframe, size));
                if self.picture % 30 == 3 {
                    items.extend(self.publisher.reports(ms));
                }
                self.picture += 1;
            } else {
                let opus = self.tone.frame(&|sample| sample % 48_000 < 4_800);
                items.push(self.publisher.sound(ms, &opus));
                if !self.tracks.video && self.packet % 50 == 3 {
                    items.extend(self.publisher.reports(ms));
                }
                self.packet += 1;
            }
            for item in items {
                for item in change(ms, item) {
                    rig.feed(item);
                }
            }
        }
    }
}
