//! The muxer of one broadcast, without clocks and sockets: packets, AAC frames and time in; FLV
//! tags and HLS segments of each variant, key frame requests and audio work out.

mod of_frames;
mod variants;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use packager::frames::{AudioConfig, AudioFrame, VideoFrame};
use packager::hls::{InitSection, Part, Segment, SegmenterConfig};
use packager::picture::{Picture, Pictures};
use packager::rtp::{Codec, MediaKind, RtpPacket, Tracks};
use packager::time::MediaTime;
use packager::timeline::{Timeline, TimelineConfig, TimelineCounters};
use packager::video::VideoCodec;

use super::frames::FrameInput;
use super::inputs::{AudioInput, VideoInput};
use super::keyframes::KeyframeWish;
use super::layer::Layer;
use super::mux::Mux;
use super::opus::OpusTrack;
use super::silence::SilenceWatch;
use super::variant::{Content, contents, has_opus};
use super::wall::{CommonClock, WallClock};
use crate::flv::Tag;
use crate::ingest::{IngestItem, Publication, Track};
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

/// What the core wants done.
#[derive(Debug)]
pub(super) enum Output {
    /// What a variant of this index goes on with.
    Media(usize, Media),
    /// What the publisher's own sound goes on with.
    Opus(Media),
    /// It goes on no more.
    OpusOver,
    /// Work for the transcoder.
    Audio(AudioWork),
    /// Ask the publisher for a key frame of these pictures.
    RequestKeyframe(Pictures),
    /// The frames that follow are of another source than those before.
    NewSource,
    /// The format of the sound is another one from here on.
    NewSound,
    /// The video codec is known and can be carried, or there is no video.
    Accepted,
    /// The video codec cannot be carried.
    Refused(Codec),
}

/// What comes out of a variant.
#[derive(Debug)]
pub(super) enum Media {
    /// The next FLV tag.
    Tag(Tag),
    /// The initialization section of the segments that follow, and the discontinuities that other
    /// variants had before this one began.
    Init(InitSection, u64),
    /// The next part of a Media Segment; with the first the wall clock of its start.
    Part(Part, Option<SystemTime>),
    /// The Media Segment of the parts so far.
    Segment(Segment),
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
    /// In place of the two above, where frames come and not packets.
    frames: Option<FrameInput>,
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
    /// What each variant has.
    contents: Vec<Content>,
    /// The variants: that of the large picture first.
    variants: Vec<Mux>,
    /// The lesser pictures of variants, in the same order.
    layers: Vec<Layer>,
    /// The publisher's own sound, if the broadcast began with one.
    opus: Option<OpusTrack>,
    out: VecDeque<Output>,
}

impl Core {
    pub(super) fn new(
        config: SegmenterConfig,
        publication: Publication,
        metrics: Arc<Metrics>,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        let tracks = carried(publication.tracks);
        let contents = contents(publication);
        let variants = contents.iter().map(|content| {
            let expected = content.of(tracks);
            Mux::new(config, expected, metrics.clone())
        });
        let lesser = contents
            .iter()
            .skip(1)
            .filter_map(|content| content.picture());
        Self {
            tracks,
            variants: variants.collect(),
            layers: lesser
                .map(|picture| Layer::new(picture, publication.pictures))
                .collect(),
            opus: has_opus(publication).then(|| OpusTrack::new(config)),
            contents,
            metrics,
            timeline: Timeline::new(TimelineConfig::default(), tracks),
            timeline_reported: TimelineCounters::default(),
            jumps: 0,
            wall: WallClock::new(now, wall),
            video: VideoInput::new(),
            audio: AudioInput::new(),
            frames: None,
            audio_config: aac_config().map(Arc::new),
            has_sounded: false,
            verdict: None,
            wish: KeyframeWish::default(),
            max_gop: config.target.min(MAX_GOP),
            last_video: None,
            last_keyframe: None,
            silence: SilenceWatch::new(now),
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

    /// True if no track can be carried.
    pub(super) fn has_nothing(&self) -> bool {
        !self.tracks.video && !self.tracks.audio
    }

    /// Another publisher goes on; the old one's packets are void.
    pub(super) fn handle_republish(&mut self, now: Instant, publication: Publication) {
        if let Some(frames) = &mut self.frames {
            frames.reconnect(publication.tracks);
            // Viewers are told once more that there is something to see.
            self.verdict = None;
            return;
        }
        self.tracks = carried(publication.tracks);
        self.timeline.republish(self.tracks);
        self.video.restart();
        self.audio = AudioInput::new();
        self.verdict = None;
        self.wish.satisfy();
        self.last_keyframe = None;
        self.silence.handle_publisher(now, self.tracks.audio);
        for layer in &mut self.layers {
            layer.handle_republish(publication.pictures);
        }
        for (content, mux) in self.contents.iter().zip(&mut self.variants) {
            // Sound alone goes by the pictures, if there are any.
            if !self.tracks.video || content.picture().is_some() {
                mux.restart();
            }
        }
        self.expect();
        if let Some(opus) = &mut self.opus {
            opus.restart();
        }
        self.out.push_back(Output::Audio(AudioWork::Restart));
    }

    /// The publisher is gone: nobody is there to be asked.
    pub(super) fn handle_publisher_gone(&mut self) {
        self.wish.satisfy();
        self.layers.iter_mut().for_each(Layer::handle_gone);
        self.silence.handle_gone();
    }

    /// Dates its segments as others of the same media time do.
    pub(super) fn share_clock(&mut self, clock: CommonClock) {
        self.wall.share(clock);
    }

    /// Says what the wall clock shows.
    pub(super) fn handle_wall_clock(&mut self, now: Instant, wall: SystemTime) {
        self.wall.anchor(now, wall);
    }

    /// Takes what the publisher sent.
    pub(super) fn handle_ingest(&mut self, now: Instant, item: IngestItem) {
        match item {
            IngestItem::Rtp {
                track,
                codec,
                packet,
            } => {
                if codec.kind() != track.kind() || !self.tracks.has(track.kind()) {
                    self.metrics.count_drop("track_not_announced", 1);
                    return;
                }
                match track {
                    Track::Audio => self.handle_sound_packet(now, packet),
                    Track::Video(picture) => {
                        self.handle_video_packet(now, picture, codec, packet);
                    }
                }
            }
            IngestItem::SenderReport { track, report } => {
                if let Track::Video(picture) = track {
                    for layer in &mut self.layers {
                        layer.handle_report(picture, &report);
                    }
                }
                if is_main(track) {
                    self.timeline.handle_sender_report(track.kind(), &report);
                }
            }
            IngestItem::Switched { track } => match track {
                Track::Audio => self.audio.switch(),
                Track::Video(picture) => {
                    for layer in &mut self.layers {
                        layer.switch(picture);
                    }
                    if picture == Picture::Large {
                        self.video.switch();
                    }
                }
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
        if let Some(opus) = &mut self.opus {
            let length = MediaTime::from_hz(frame.samples.into(), transcoder::SAMPLE_RATE);
            opus.release(frame.pts.saturating_add(length.as_duration()));
        }
        for mux in &mut self.variants {
            mux.push_audio(now, frame.clone());
        }
        self.advance(now);
    }

    /// The transcoder has ended: go on without sound. The publisher's own goes by the time of AAC, and
    /// is over.
    pub(super) fn handle_audio_failure(&mut self, now: Instant) {
        self.tracks.audio = false;
        self.has_sounded = false;
        // What waits for a transcoder would start another one.
        self.audio = AudioInput::new();
        self.out
            .retain(|output| !matches!(output, Output::Audio(_)));
        self.end_opus();
        self.expect();
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
            self.silence.next_timeout(),
        ]
        .into_iter()
        .chain(self.layers.iter().map(Layer::next_timeout))
        .chain(self.variants.iter().map(Mux::next_timeout))
        .flatten()
        .min()
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Writes out all that waits: the broadcast is over.
    pub(super) fn finish(&mut self) {
        let audio = self.audio_config.clone();
        for mux in &mut self.variants {
            mux.finish(audio.as_ref());
        }
        if let Some(opus) = &mut self.opus {
            opus.finish();
        }
        self.poll_variants();
    }

    fn handle_sound_packet(&mut self, now: Instant, packet: RtpPacket) {
        if matches!(self.verdict, Some(Err(_))) {
            self.metrics.count_drop("codec_not_carried", 1);
            return;
        }
        if !self.tracks.video {
            self.judge(Ok(()));
        }
        self.timeline
            .handle_rtp(MediaKind::Audio, packet.time, packet.received);
        self.silence.handle_arrival(now);
        self.audio.push(packet);
    }

    fn handle_video_packet(
        &mut self,
        now: Instant,
        picture: Picture,
        codec: Codec,
        packet: RtpPacket,
    ) {
        let Some(carried) = VideoCodec::of(codec) else {
            if picture == Picture::Large {
                self.judge(Err(codec));
            }
            self.metrics.count_drop("codec_not_carried", 1);
            return;
        };
        let mut is_taken = picture == Picture::Large;
        for layer in &mut self.layers {
            if picture == Picture::Large {
                layer.note_large(packet.time, packet.received);
            }
            if layer.source() == Some(picture) {
                layer.push(now, carried, packet.clone(), &self.metrics);
                is_taken = true;
            }
        }
        if !is_taken {
            self.metrics.count_drop("picture_without_variant", 1);
        }
        if picture == Picture::Large {
            self.handle_large_packet(now, carried, packet);
        }
    }

    fn handle_large_packet(&mut self, now: Instant, codec: VideoCodec, packet: RtpPacket) {
        // A refused codec stays so until a key frame says that one that is carried goes on.
        if self.verdict.is_none() {
            self.judge(Ok(()));
        }
        self.last_video = Some(now);
        self.timeline
            .handle_rtp(MediaKind::Video, packet.time, packet.received);
        self.video.push(codec, packet, &self.metrics);
        if self.video.needs_keyframe() {
            let grace = match self.last_keyframe {
                Some(_) => Duration::ZERO,
                None => KEYFRAME_GRACE,
            };
            self.wish.want(now, grace);
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
            if let Some(track) = &mut self.opus {
                track.push(&opus, &self.metrics);
            }
            self.out.push_back(Output::Audio(AudioWork::Opus {
                data: opus.data,
                time: opus.time,
            }));
        }
        while let Some((frame, received)) = {
            let timeline = &mut self.timeline;
            let place = |time| timeline.media_time(MediaKind::Video, time);
            self.video.poll(now, place, &self.metrics)
        } {
            self.wall.note(frame.pts, received);
            self.handle_picture(now, frame);
        }
        self.advance_layers(now);
        if self.sounds() {
            let time = |now| self.timeline.time_on_arrival(MediaKind::Audio, now);
            if let Some((from, until)) = self.silence.poll(now, time) {
                self.fill(from, until);
            }
        }
        self.video.report(&self.metrics);
        self.audio.report(&self.metrics);
        self.report_timeline();
        let audio = self.audio_config.clone();
        for index in 0..self.variants.len() {
            if let Some(mux) = self.variants.get_mut(index) {
                mux.advance(now, audio.as_ref());
            }
            self.keep_in_step(now);
        }
        self.keep_opus_in_step();
        self.poll_variants();
        self.ask_keyframes(now);
    }

    fn ask_keyframes(&mut self, now: Instant) {
        let is_video_absent = self
            .last_video
            .is_none_or(|last| now.saturating_duration_since(last) >= VIDEO_ABSENT);
        if self.video.poll_doubt(now) {
            self.wish.want(now, Duration::ZERO);
        }
        if is_video_absent {
            self.wish.satisfy();
        }
        let mut wanted = Pictures::NONE;
        if self.wish.poll(now) {
            wanted.insert(Picture::Large);
        }
        for layer in &mut self.layers {
            if layer.poll_wish(now) {
                wanted.extend(layer.source());
            }
        }
        if !wanted.is_empty() {
            self.out.push_back(Output::RequestKeyframe(wanted));
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
            self.fill(from, until);
        }
        if let Some(main) = self.variants.first_mut() {
            main.push_video(now, frame);
        }
    }

    /// Has sound from one time to another where no packets are.
    fn fill(&mut self, from: MediaTime, until: MediaTime) {
        if let Some(opus) = &mut self.opus {
            opus.fill(from, until);
        }
        self.out
            .push_back(Output::Audio(AudioWork::Fill { from, until }));
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
}

/// The tracks that this build can carry.
pub(super) fn carried(tracks: Tracks) -> Tracks {
    Tracks {
        audio: tracks.audio && transcoder::AVAILABLE,
        ..tracks
    }
}

/// True if the timeline goes by the track: sound, and the large picture.
fn is_main(track: Track) -> bool {
    matches!(track, Track::Audio | Track::LARGE)
}

fn aac_config() -> Option<AudioConfig> {
    AudioConfig::aac_lc(transcoder::SAMPLE_RATE, transcoder::CHANNELS as u8).ok()
}
