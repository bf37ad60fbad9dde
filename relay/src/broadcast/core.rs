//! The muxer of one broadcast, without clocks and sockets: packets, AAC frames and time in; FLV
//! tags, HLS segments, key frame requests and audio work out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use packager::flv;
use packager::frames::{AudioConfig, AudioFrame, Frame, VideoFrame};
use packager::hls::{InitSection, Part, Segment, Segmenter, SegmenterConfig, SegmenterOutput};
use packager::rtp::{Codec, MediaKind, RtpPacket, Tracks};
use packager::time::MediaTime;
use packager::timeline::{Timeline, TimelineConfig, TimelineCounters};

use super::inputs::{AudioInput, VideoInput};
use super::interleave::Interleaver;
use super::keyframes::KeyframeWish;
use super::silence::SilenceWatch;
use super::wall::WallClock;
use crate::flv::{Tag, TagKind};
use crate::ingest::IngestItem;
use crate::metrics::Metrics;
use crate::transcoder::{self, AudioWork};

/// A key frame is asked for when a group of pictures is this old, or as old as a segment, so that
/// segments can end on time and a viewer who joins need not catch up with more.
const MAX_GOP: Duration = Duration::from_secs(2);

/// A publisher starts with a key frame by itself: how long to wait for it before asking.
const KEYFRAME_GRACE: Duration = Duration::from_millis(150);

/// Without a video packet for this long a publisher is asked for no key frame: it is gone, or its
/// camera is off.
const VIDEO_ABSENT: Duration = Duration::from_secs(1);

/// How long FLV viewers wait for an announced video track before they get sound alone.
const VIDEO_WAIT: Duration = Duration::from_secs(3);

/// What the core wants done.
#[derive(Debug)]
pub(super) enum Output {
    /// The next FLV tag.
    Tag(Tag),
    /// The initialization section of the segments that follow.
    Init(InitSection),
    /// The next part of a Media Segment; with the first the wall clock of its start.
    Part(Part, Option<SystemTime>),
    /// The Media Segment of the parts so far.
    Segment(Segment),
    /// Work for the transcoder.
    Audio(AudioWork),
    /// Ask the publisher for a key frame.
    RequestKeyframe,
    /// The video codec is known and can be carried, or there is no video.
    Accepted,
    /// The video codec cannot be carried.
    Refused(Codec),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    tracks: Tracks,
    metrics: Arc<Metrics>,
    timeline: Timeline,
    timeline_reported: TimelineCounters,
    /// Jumps of the timeline that the wall clock knows of.
    jumps: u64,
    wall: WallClock,
    video: VideoInput,
    audio: AudioInput,
    audio_config: Option<Arc<AudioConfig>>,
    /// The transcoder has made sound, which then never stops: players that were told of an audio
    /// track wait for it.
    has_sounded: bool,
    /// `None` until the first packet that decides.
    verdict: Option<Result<(), Codec>>,
    wish: KeyframeWish,
    max_gop: Duration,
    last_video: Option<Instant>,
    last_keyframe: Option<MediaTime>,
    silence: SilenceWatch,
    interleaver: Interleaver,
    superseded_reported: u64,
    /// First sound that came while announced video did not.
    sound_alone_since: Option<MediaTime>,
    segmenter: Segmenter,
    segmenter_dropped: u64,
    out: VecDeque<Output>,
}

impl Core {
    pub(super) fn new(
        config: SegmenterConfig,
        tracks: Tracks,
        metrics: Arc<Metrics>,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        let tracks = carried(tracks);
        Self {
            tracks,
            metrics,
            timeline: Timeline::new(TimelineConfig::default(), tracks),
            timeline_reported: TimelineCounters::default(),
            jumps: 0,
            wall: WallClock::new(now, wall),
            video: VideoInput::new(),
            audio: AudioInput::new(),
            audio_config: aac_config().map(Arc::new),
            has_sounded: false,
            verdict: None,
            wish: KeyframeWish::default(),
            max_gop: config.target.min(MAX_GOP),
            last_video: None,
            last_keyframe: None,
            silence: SilenceWatch::new(now),
            interleaver: Interleaver::new(tracks),
            superseded_reported: 0,
            sound_alone_since: None,
            segmenter: Segmenter::new(config, tracks.video, tracks.audio),
            segmenter_dropped: 0,
            out: VecDeque::new(),
        }
    }

    /// The AAC format of the broadcast, if it has sound.
    pub(super) fn audio_config(&self) -> Option<Arc<AudioConfig>> {
        self.audio_config.clone().filter(|_| self.sounds())
    }

    /// True if the broadcast has sound, be it silence after a publisher who had a microphone.
    fn sounds(&self) -> bool {
        self.tracks.audio || self.has_sounded
    }

    /// The tracks that frames come of.
    fn expected(&self) -> Tracks {
        Tracks {
            audio: self.sounds(),
            ..self.tracks
        }
    }

    /// True if no track can be carried.
    pub(super) fn has_nothing(&self) -> bool {
        !self.tracks.video && !self.tracks.audio
    }

    /// Another publisher goes on; the old one's packets are void.
    pub(super) fn handle_republish(&mut self, now: Instant, tracks: Tracks) {
        self.tracks = carried(tracks);
        self.timeline.republish(self.tracks);
        self.video.restart();
        self.audio = AudioInput::new();
        self.verdict = None;
        self.wish.satisfy();
        self.last_keyframe = None;
        self.silence.handle_publisher(now, self.tracks.audio);
        self.segmenter.restart();
        self.interleaver.expect(self.expected());
        self.out.push_back(Output::Audio(AudioWork::Restart));
    }

    /// The publisher is gone: nobody is there to be asked.
    pub(super) fn handle_publisher_gone(&mut self) {
        self.wish.satisfy();
        self.silence.handle_gone();
    }

    /// Says what the wall clock shows.
    pub(super) fn handle_wall_clock(&mut self, now: Instant, wall: SystemTime) {
        self.wall.anchor(now, wall);
    }

    /// Takes what the publisher sent.
    pub(super) fn handle_ingest(&mut self, now: Instant, item: IngestItem) {
        match item {
            IngestItem::Rtp {
                kind,
                codec,
                packet,
            } => {
                if codec.kind() != kind || !self.tracks.has(kind) {
                    self.metrics.count_drop("track_not_announced", 1);
                    return;
                }
                self.handle_rtp(now, codec, packet);
            }
            IngestItem::SenderReport { kind, report } => {
                self.timeline.handle_sender_report(kind, &report);
            }
            IngestItem::Switched { kind } => match kind {
                MediaKind::Audio => self.audio.switch(),
                MediaKind::Video => self.video.switch(),
            },
        }
        self.advance(now);
    }

    /// Takes an AAC frame from the transcoder.
    pub(super) fn handle_audio(&mut self, now: Instant, frame: AudioFrame) {
        if !self.sounds() {
            // Of a publisher who left before viewers were told of sound.
            self.metrics.count_drop("audio_not_announced", 1);
            return;
        }
        self.has_sounded = true;
        self.interleaver.push_audio(now, frame);
        self.advance(now);
    }

    /// The transcoder has ended: go on without sound.
    pub(super) fn handle_audio_failure(&mut self, now: Instant) {
        self.tracks.audio = false;
        self.has_sounded = false;
        // What waits for a transcoder would start another one.
        self.audio = AudioInput::new();
        self.out
            .retain(|output| !matches!(output, Output::Audio(_)));
        self.interleaver.expect(self.expected());
        self.advance(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.timeline.handle_timeout(now);
        self.advance(now);
    }

    /// When to call [`Core::handle_timeout`], if nothing comes before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [
            self.timeline.next_timeout(),
            self.video.next_timeout(),
            self.audio.next_timeout(),
            self.wish.next_timeout(),
            self.interleaver.next_timeout(),
            self.silence.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Writes out all that waits: the broadcast is over.
    pub(super) fn finish(&mut self) {
        while let Some(frame) = self.interleaver.drain() {
            self.emit(frame);
        }
        self.segmenter.finish();
        self.poll_segmenter();
    }

    fn handle_rtp(&mut self, now: Instant, codec: Codec, packet: RtpPacket) {
        let received = packet.received;
        match codec {
            Codec::H264 => {
                // Another codec stays refused until a key frame says that H.264 goes on.
                if self.verdict.is_none() {
                    self.judge(Ok(()));
                }
                self.last_video = Some(now);
                self.timeline
                    .handle_rtp(MediaKind::Video, packet.time, received);
                self.video.push(packet);
                if self.video.needs_keyframe() {
                    let grace = match self.last_keyframe {
                        Some(_) => Duration::ZERO,
                        None => KEYFRAME_GRACE,
                    };
                    self.wish.want(now, grace);
                }
            }
            Codec::Opus => {
                if matches!(self.verdict, Some(Err(_))) {
                    self.metrics.count_drop("codec_not_carried", 1);
                    return;
                }
                if !self.tracks.video {
                    self.judge(Ok(()));
                }
                self.timeline
                    .handle_rtp(MediaKind::Audio, packet.time, received);
                self.silence.handle_arrival(now);
                self.audio.push(packet);
            }
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => {
                self.judge(Err(codec));
                self.metrics.count_drop("codec_not_carried", 1);
            }
        }
    }

    fn judge(&mut self, verdict: Result<(), Codec>) {
        if self.verdict == Some(verdict) {
            return;
        }
        self.verdict = Some(verdict);
        self.out.push_back(match verdict {
            Ok(()) => Output::Accepted,
            Err(codec) => Output::Refused(codec),
        });
    }

    /// Moves everything on that can move by `now`.
    fn advance(&mut self, now: Instant) {
        if self.jumps != self.timeline.jumps() {
            self.jumps = self.timeline.jumps();
            self.wall.reset();
        }
        while let Some(opus) = self.audio.poll(now, &mut self.timeline, &self.metrics) {
            self.silence.handle_packet(now, &opus);
            self.wall.note(opus.time, opus.received);
            self.out.push_back(Output::Audio(AudioWork::Opus {
                data: opus.data,
                time: opus.time,
            }));
        }
        while let Some((frame, received)) = self.video.poll(now, &mut self.timeline, &self.metrics)
        {
            self.wall.note(frame.pts, received);
            self.handle_picture(now, frame);
        }
        if self.sounds() {
            let time = |now| self.timeline.time_on_arrival(MediaKind::Audio, now);
            if let Some((from, until)) = self.silence.poll(now, time) {
                self.out
                    .push_back(Output::Audio(AudioWork::Fill { from, until }));
            }
        }
        self.video.report(&self.metrics);
        self.audio.report(&self.metrics);
        self.report_timeline();
        while let Some(frame) = self.interleaver.pop(now) {
            self.emit(frame);
        }
        self.report_superseded();
        self.poll_segmenter();
        let is_video_absent = self
            .last_video
            .is_none_or(|last| now.saturating_duration_since(last) >= VIDEO_ABSENT);
        if self.video.poll_doubt(now) {
            self.wish.want(now, Duration::ZERO);
        }
        if is_video_absent {
            self.wish.satisfy();
        }
        if self.wish.poll(now) {
            self.out.push_back(Output::RequestKeyframe);
        }
    }

    fn handle_picture(&mut self, now: Instant, frame: VideoFrame) {
        if matches!(self.verdict, Some(Err(_))) {
            if !frame.is_keyframe {
                self.metrics.count_drop("codec_not_carried", 1);
                self.wish.want(now, Duration::ZERO);
                return;
            }
            self.judge(Ok(()));
        }
        if frame.is_keyframe {
            self.metrics.gops.inc();
            self.wish.satisfy();
            self.last_keyframe = Some(frame.dts);
        } else if self
            .last_keyframe
            .is_some_and(|last| frame.dts.since(last) >= self.max_gop)
        {
            self.wish.want(now, Duration::ZERO);
        }
        if self.sounds()
            && let Some((from, until)) = self.silence.handle_picture(now, frame.dts)
        {
            self.out
                .push_back(Output::Audio(AudioWork::Fill { from, until }));
        }
        self.interleaver.push_video(now, frame);
    }

    fn emit(&mut self, frame: Frame) {
        match frame {
            Frame::Video(frame) => {
                self.sound_alone_since = None;
                let kind = if frame.is_keyframe {
                    TagKind::Keyframe(frame.config.clone())
                } else {
                    TagKind::Picture
                };
                self.emit_tag(frame.dts, kind, flv::video_tag(&frame));
                self.segmenter.push_video(frame);
            }
            Frame::Audio(frame) => {
                let Some(config) = self.audio_config.clone() else {
                    return;
                };
                let since = *self.sound_alone_since.get_or_insert(frame.pts);
                let is_awaiting_video = self.tracks.video
                    && self.last_keyframe.is_none()
                    && !self.silence.has_seen_pictures()
                    && frame.pts.since(since) < VIDEO_WAIT;
                if !is_awaiting_video {
                    let kind = TagKind::Audio(config.clone());
                    self.emit_tag(frame.pts, kind, flv::audio_tag(&frame));
                }
                self.segmenter.push_audio(&config, frame);
            }
        }
    }

    fn emit_tag(
        &mut self,
        time: MediaTime,
        kind: TagKind,
        tag: Result<bytes::Bytes, flv::TagTooLarge>,
    ) {
        match tag {
            Ok(bytes) => {
                self.metrics.tags.inc();
                self.metrics.tag_bytes.inc_by(bytes.len() as u64);
                self.out.push_back(Output::Tag(Tag { time, bytes, kind }));
            }
            Err(_) => self.metrics.count_drop("flv_tag_too_large", 1),
        }
    }

    fn report_superseded(&mut self) {
        let superseded = self.interleaver.superseded();
        let new = superseded - std::mem::replace(&mut self.superseded_reported, superseded);
        if new > 0 {
            self.metrics.count_drop("keyframe_superseded", new);
        }
    }

    /// Adds what the timeline met since the last call to the metrics.
    fn report_timeline(&mut self) {
        let new = self.timeline.counters();
        if new == self.timeline_reported {
            return;
        }
        let old = std::mem::replace(&mut self.timeline_reported, new);
        for (event, before, after) in [
            ("unknown_track", old.unknown_track, new.unknown_track),
            ("bad_report", old.bad_reports, new.bad_reports),
            (
                "implausible_report",
                old.implausible_reports,
                new.implausible_reports,
            ),
            ("clock_jump", old.clock_jumps, new.clock_jumps),
            ("pause", old.pauses, new.pauses),
            ("held_back", old.held_back, new.held_back),
        ] {
            self.metrics.count_event(event, after - before);
        }
    }

    fn poll_segmenter(&mut self) {
        while let Some(output) = self.segmenter.poll() {
            self.out.push_back(match output {
                SegmenterOutput::Init(init) => Output::Init(init),
                SegmenterOutput::Part(part) => {
                    let starts_segment = part.starts_segment;
                    let wall = starts_segment.then(|| self.wall.of_segment(part.start));
                    Output::Part(part, wall)
                }
                SegmenterOutput::Segment(segment) => {
                    self.metrics.segments.inc();
                    let is_dependent = !segment.is_independent;
                    self.metrics
                        .segments_dependent
                        .inc_by(u64::from(is_dependent));
                    self.metrics.segment_bytes.inc_by(segment.data.len() as u64);
                    Output::Segment(segment)
                }
            });
        }
        let dropped = self.segmenter.dropped_frames();
        if dropped > self.segmenter_dropped {
            self.metrics
                .count_drop("hls_frame", dropped - self.segmenter_dropped);
            self.segmenter_dropped = dropped;
        }
    }
}

/// The tracks that this build can carry.
fn carried(tracks: Tracks) -> Tracks {
    Tracks {
        audio: tracks.audio && transcoder::AVAILABLE,
        ..tracks
    }
}

fn aac_config() -> Option<AudioConfig> {
    AudioConfig::aac_lc(transcoder::SAMPLE_RATE, transcoder::CHANNELS as u8).ok()
}
