//! Cuts frames into fMP4 Media Segments.
//!
//! Segments start at a key frame where one comes in time. Without one the segment is cut all
//! the same, so that no `EXTINF` rounds to more than `EXT-X-TARGETDURATION` (RFC 8216 section
//! 4.3.3.1).

mod cut;
mod open;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::fmp4;
use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::h264::VideoConfig;
use crate::time::MediaTime;
use cut::{LATE_PICTURE, Track};
use open::{Open, audio_end};

/// When segments end.
#[derive(Debug, Clone, Copy)]
pub struct SegmenterConfig {
    /// Target duration, whole seconds. A segment ends at the first key frame near it.
    pub target: Duration,
    /// How long one expected track waits for the other at the start.
    pub track_wait: Duration,
    /// Bytes at which a segment ends whatever its length: the bound of this buffer.
    pub max_bytes: usize,
}

impl Default for SegmenterConfig {
    fn default() -> Self {
        Self {
            target: Duration::from_secs(2),
            track_wait: Duration::from_secs(3),
            // 2 s at 64 Mbit/s.
            max_bytes: 16 << 20,
        }
    }
}

/// What the segmenter gives.
#[derive(Debug, Clone)]
pub enum SegmenterOutput {
    /// The initialization section of the segments that follow.
    Init(InitSection),
    /// A finished segment.
    Segment(Segment),
}

/// A Media Initialization Section (`EXT-X-MAP`).
#[derive(Debug, Clone)]
pub struct InitSection {
    /// Counts from 0, rises by one with each change of the tracks or their configuration.
    pub version: u32,
    /// `ftyp` and `moov`.
    pub data: Bytes,
    /// RFC 6381 codec strings, for a `CODECS` attribute.
    pub codecs: String,
}

/// A Media Segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Version of the initialization section it belongs to.
    pub init: u32,
    /// `styp`, `moof`, `mdat`.
    pub data: Bytes,
    /// Media time of its first frame.
    pub start: MediaTime,
    /// Until the next segment's start; never rounds to more than the target.
    pub duration: Duration,
    /// Starts with a key frame (or has no video).
    pub is_independent: bool,
    /// The segment is not a continuation of the one before (`EXT-X-DISCONTINUITY`).
    pub discontinuity: bool,
}

/// The segmenter of one broadcast. Frames go in ordered by time across both tracks, give or
/// take a short interleaving distance.
#[derive(Debug)]
pub struct Segmenter {
    config: SegmenterConfig,
    expected: Expected,
    state: State,
    discontinuity: bool,
    next_fragment: u32,
    /// The last key frame of the segments so far: what is shown while no picture comes.
    last_keyframe: Option<VideoFrame>,
    /// Where the pictures of the segments so far end.
    video_end: MediaTime,
    /// Pictures up to the next key frame follow none that players were given.
    awaits_keyframe: bool,
    /// Sound that joins with the next key frame.
    joining: Option<AudioConfig>,
    out: VecDeque<SegmenterOutput>,
    dropped_frames: u64,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    video: bool,
    audio: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing was cut yet: frames are held until every expected track has shown itself.
    Waiting {
        since: Option<MediaTime>,
        audio: Option<AudioConfig>,
        held: Open,
    },
    Running {
        init: Init,
        open: Option<Open>,
    },
}

#[derive(Debug, Clone)]
struct Init {
    version: u32,
    video: Option<Arc<VideoConfig>>,
    audio: Option<AudioConfig>,
}

impl Segmenter {
    /// A segmenter that expects the named tracks and starts when all of them have shown a
    /// first frame, or one has waited [`SegmenterConfig::track_wait`] for the other.
    pub fn new(config: SegmenterConfig, video: bool, audio: bool) -> Self {
        Self {
            config,
            expected: Expected { video, audio },
            state: State::Waiting {
                since: None,
                audio: None,
                held: Open::default(),
            },
            discontinuity: false,
            next_fragment: 1,
            last_keyframe: None,
            video_end: MediaTime::ZERO,
            awaits_keyframe: false,
            joining: None,
            out: VecDeque::new(),
            dropped_frames: 0,
        }
    }

    /// Frames that could not be used: before a key frame that is needed, of sound that joins with
    /// the next one, too late for their segment, or not fit for MP4.
    pub fn dropped_frames(&self) -> u64 {
        self.dropped_frames
    }

    /// Takes the next video frame.
    pub fn push_video(&mut self, frame: VideoFrame) {
        let limit = self.config.max_bytes;
        if frame.dts < self.video_end {
            // Its segment is out, with the picture before it shown to the end.
            self.awaits_keyframe = true;
            self.dropped_frames += 1;
            return;
        }
        match &mut self.state {
            State::Waiting { held, since, .. } => {
                if held.video.is_empty() && !frame.is_keyframe {
                    self.dropped_frames += 1;
                    return;
                }
                let now = frame.dts;
                since.get_or_insert(now);
                // Full: the other track has had its chance.
                if held.is_full(frame.data.len(), limit) {
                    self.start(now);
                    return self.push_video(frame);
                }
                held.push_video(frame);
                self.start_if_complete(now);
            }
            State::Running { init, .. } => {
                let joins = frame.is_keyframe && self.joining.is_some();
                let is_other = init
                    .video
                    .as_ref()
                    .is_none_or(|config| *config != frame.config);
                if joins || is_other {
                    if !frame.is_keyframe {
                        self.dropped_frames += 1;
                        return;
                    }
                    let audio = self.joining.take().or_else(|| init.audio.clone());
                    self.reconfigure(frame.dts, Some(frame.config.clone()), audio);
                } else if self.cut_due(
                    frame.dts,
                    frame.data.len(),
                    Track::Video {
                        is_keyframe: frame.is_keyframe,
                    },
                ) {
                    let end = self.cut_point(&frame);
                    self.cut(end);
                }
                if self.awaits_keyframe && !frame.is_keyframe {
                    self.dropped_frames += 1;
                    return;
                }
                self.awaits_keyframe = false;
                self.open_at(frame.dts, |open| open.push_video(frame));
            }
        }
    }

    /// Takes the next audio frame; `config` describes it.
    pub fn push_audio(&mut self, config: &AudioConfig, frame: AudioFrame) {
        let limit = self.config.max_bytes;
        match &mut self.state {
            State::Waiting { held, since, audio } => {
                let now = frame.pts;
                since.get_or_insert(now);
                *audio = Some(config.clone());
                if held.is_full(frame.data.len(), limit) {
                    self.start(now);
                    return self.push_audio(config, frame);
                }
                held.push_audio(frame);
                self.start_if_complete(now);
            }
            State::Running { init, open } => {
                if init.audio.as_ref() != Some(config) {
                    // A new MAP resets decoders: it needs a key frame behind it.
                    let newest = open.as_ref().map_or(self.video_end, Open::newest_picture);
                    if init.video.is_some() && frame.pts.since(newest) < LATE_PICTURE {
                        self.joining = Some(config.clone());
                        self.dropped_frames += 1;
                        return;
                    }
                    self.joining = None;
                    self.awaits_keyframe = init.video.is_some();
                    let video = init.video.clone();
                    self.reconfigure(frame.pts, video, Some(config.clone()));
                } else if self.cut_due(frame.pts, frame.data.len(), Track::Audio) {
                    let end = self.sound_cut_point(frame.pts);
                    self.cut(end);
                }
                self.open_at(frame.pts, |open| open.push_audio(frame));
            }
        }
    }

    /// Ends the open segment with what it has.
    pub fn finish(&mut self) {
        if let State::Waiting { held, audio, .. } = &self.state
            && let Some(end) = held.end_time(audio.as_ref())
        {
            self.start(end);
        }
        if let State::Running {
            open: Some(open),
            init,
        } = &self.state
            && let Some(end) = open.end_time(init.audio.as_ref())
        {
            self.cut(end);
        }
    }

    /// What is ready.
    pub fn poll(&mut self) -> Option<SegmenterOutput> {
        self.out.pop_front()
    }

    fn start_if_complete(&mut self, now: MediaTime) {
        let State::Waiting { since, audio, held } = &self.state else {
            return;
        };
        let complete = (!self.expected.video || !held.video.is_empty())
            && (!self.expected.audio || audio.is_some());
        let waited = since.is_some_and(|since| now.since(since) >= self.config.track_wait);
        if complete || waited {
            self.start(now);
        }
    }

    /// From waiting to running, with whatever tracks there are.
    fn start(&mut self, now: MediaTime) {
        let State::Waiting { audio, held, .. } = &mut self.state else {
            return;
        };
        let audio = audio.take();
        let mut held = std::mem::take(held);
        let video = held.video.first().map(|frame| frame.config.clone());
        // Sound before the first picture would only delay the start.
        if let Some(first) = held.video.first() {
            let split = held
                .audio
                .partition_point(|frame| audio_end(frame, audio.as_ref()) <= first.dts);
            held.audio.drain(..split);
        }
        held.start = held.first_time().unwrap_or(now);
        let init = Init {
            version: 0,
            video,
            audio,
        };
        self.write_init(&init);
        // Parameter sets may have changed while frames were held: go through the usual checks.
        let config = init.audio.clone();
        let Open {
            start,
            video,
            audio,
            ..
        } = held;
        self.state = State::Running {
            init,
            open: Some(Open {
                start,
                ..Open::default()
            }),
        };
        let mut audio = audio.into_iter().peekable();
        for frame in video {
            while let (Some(config), Some(sound)) =
                (&config, audio.next_if(|sound| sound.pts <= frame.dts))
            {
                self.push_audio(config, sound);
            }
            self.push_video(frame);
        }
        if let Some(config) = &config {
            audio.for_each(|sound| self.push_audio(config, sound));
        }
    }

    /// Starts a new initialization section at `at`, ending the segment before.
    fn reconfigure(
        &mut self,
        at: MediaTime,
        video: Option<Arc<VideoConfig>>,
        audio: Option<AudioConfig>,
    ) {
        self.cut(at);
        let State::Running { init, .. } = &mut self.state else {
            return;
        };
        *init = Init {
            version: init.version + 1,
            video,
            audio,
        };
        let init = init.clone();
        self.discontinuity = true;
        self.write_init(&init);
    }

    fn write_init(&mut self, init: &Init) {
        match fmp4::init_section(init.video.as_deref(), init.audio.as_ref()) {
            Ok(data) => {
                let codecs = [
                    init.video.as_ref().map(|config| config.codec_string()),
                    init.audio
                        .as_ref()
                        .map(|config| config.codec_string().to_owned()),
                ];
                let codecs = codecs.into_iter().flatten().collect::<Vec<_>>().join(",");
                let version = init.version;
                self.out.push_back(SegmenterOutput::Init(InitSection {
                    version,
                    data,
                    codecs,
                }));
            }
            Err(_) => self.dropped_frames += 1,
        }
    }

    fn open_at(&mut self, start: MediaTime, push: impl FnOnce(&mut Open)) {
        if let State::Running { open, .. } = &mut self.state {
            push(open.get_or_insert_with(|| Open {
                start,
                ..Open::default()
            }));
        }
    }
}

#[cfg(test)]
mod tests;
