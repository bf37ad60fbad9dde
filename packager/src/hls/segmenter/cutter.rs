//! From frames to parts and segments, once it is known which tracks there are.

use std::collections::VecDeque;
use std::sync::Arc;

use super::open::Open;
use super::{InitSection, SegmenterConfig, SegmenterOutput};
use crate::fmp4;
use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::h264::VideoConfig;
use crate::time::MediaTime;

#[derive(Debug)]
pub(super) struct Cutter {
    pub(super) config: SegmenterConfig,
    pub(super) init: Init,
    pub(super) open: Open,
    /// The next segment is not a continuation.
    pub(super) discontinuity: bool,
    /// The next key frame is of another source.
    pub(super) restarts: bool,
    pub(super) next_fragment: u32,
    /// The last key frame of the parts so far: what is shown while no picture comes.
    pub(super) last_keyframe: Option<VideoFrame>,
    /// When the newest picture and the newest key frame are shown.
    pub(super) newest_picture: Option<MediaTime>,
    pub(super) newest_keyframe: Option<MediaTime>,
    /// Where the parts so far end.
    pub(super) parts_end: MediaTime,
    /// Until when the last picture of these is shown, as they say.
    pub(super) shown_until: MediaTime,
    /// No picture comes: where the segment ends without one.
    pub(super) stalled_until: Option<MediaTime>,
    /// Pictures up to the next key frame follow none that players were given.
    pub(super) awaits_keyframe: bool,
    /// Sound that joins with the next key frame.
    joining: Option<AudioConfig>,
    pub(super) out: VecDeque<SegmenterOutput>,
    pub(super) dropped_frames: u64,
}

/// The tracks of an initialization section.
#[derive(Debug, Clone)]
pub(super) struct Init {
    pub(super) version: u32,
    pub(super) video: Option<Arc<VideoConfig>>,
    pub(super) audio: Option<AudioConfig>,
}

impl Cutter {
    /// Segments from `start` on.
    pub(super) fn new(config: SegmenterConfig, init: Init, start: MediaTime) -> Self {
        let mut cutter = Self {
            config,
            init,
            open: Open::new(start),
            discontinuity: false,
            restarts: false,
            next_fragment: 1,
            last_keyframe: None,
            newest_picture: None,
            newest_keyframe: None,
            parts_end: MediaTime::ZERO,
            shown_until: MediaTime::ZERO,
            stalled_until: None,
            awaits_keyframe: false,
            joining: None,
            out: VecDeque::new(),
            dropped_frames: 0,
        };
        cutter.write_init();
        cutter
    }

    pub(super) fn push_video(&mut self, frame: VideoFrame) {
        if frame.dts < self.parts_end {
            // Its part is out, with the picture before it shown to the end.
            self.awaits_keyframe = true;
            self.dropped_frames += 1;
            return;
        }
        let joins = frame.is_keyframe && self.joining.is_some();
        let is_other = self.init.video.as_ref() != Some(&frame.config);
        if !frame.is_keyframe && (is_other || self.awaits_keyframe) {
            self.dropped_frames += 1;
            return;
        }
        if joins || is_other {
            let audio = self.joining.take().or_else(|| self.init.audio.clone());
            self.reconfigure(frame.dts, Some(frame.config.clone()), audio);
        } else if frame.is_keyframe && self.restarts {
            self.begin_anew(frame.dts);
        } else {
            self.end_before_picture(&frame);
        }
        if self.awaits_keyframe && !frame.is_keyframe {
            // A part that ended just now shows another key frame again.
            self.dropped_frames += 1;
            return;
        }
        self.awaits_keyframe = false;
        self.stalled_until = None;
        self.newest_picture = Some(frame.dts);
        if frame.is_keyframe {
            self.newest_keyframe = Some(frame.dts);
        }
        self.open.push_video(frame);
    }

    pub(super) fn push_audio(&mut self, config: &AudioConfig, frame: AudioFrame) {
        if self.init.audio.as_ref() != Some(config) {
            // A new MAP resets decoders: it needs a key frame behind it.
            if self.init.video.is_some() && !self.is_picture_late(frame.pts) {
                self.joining = Some(config.clone());
                self.dropped_frames += 1;
                return;
            }
            self.joining = None;
            self.awaits_keyframe = self.init.video.is_some();
            let video = self.init.video.clone();
            self.reconfigure(frame.pts, video, Some(config.clone()));
        } else if self.init.video.is_none() && self.restarts {
            self.begin_anew(frame.pts);
        } else {
            self.end_before_sound(&frame);
        }
        self.open.push_audio(frame);
    }

    pub(super) fn finish(&mut self) {
        if let Some(end) = self.open.end_time(self.init.audio.as_ref()) {
            self.end_segment(end);
        }
    }

    /// Starts a new initialization section at `at`, ending the segment before.
    fn reconfigure(
        &mut self,
        at: MediaTime,
        video: Option<Arc<VideoConfig>>,
        audio: Option<AudioConfig>,
    ) {
        self.begin_anew(at);
        self.init = Init {
            version: self.init.version + 1,
            video,
            audio,
        };
        self.write_init();
    }

    /// Ends the segment at `at`; the next one is not a continuation.
    fn begin_anew(&mut self, at: MediaTime) {
        self.end_segment(at);
        self.discontinuity = true;
        self.restarts = false;
    }

    fn write_init(&mut self) {
        let init = &self.init;
        match fmp4::init_section(init.video.as_deref(), init.audio.as_ref()) {
            Ok(data) => {
                let video = init.video.as_ref().map(|config| config.codec_string());
                let audio = init.audio.as_ref().map(AudioConfig::codec_string);
                let codecs = video.into_iter().chain(audio.map(str::to_owned));
                self.out.push_back(SegmenterOutput::Init(InitSection {
                    version: init.version,
                    data,
                    codecs: codecs.collect::<Vec<_>>().join(","),
                }));
            }
            Err(_) => self.dropped_frames += 1,
        }
    }
}
