//! From frames to parts and segments, once it is known which tracks there are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::open::Open;
use super::{InitSection, SegmenterConfig, SegmenterOutput};
use crate::fmp4;
use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::time::MediaTime;
use crate::video::VideoConfig;

#[derive(Debug)]
pub(super) struct Cutter {
    pub(super) config: SegmenterConfig,
    pub(super) init: Init,
    pub(super) open: Open,
    /// The next segment is not a continuation.
    pub(super) discontinuity: bool,
    /// How many so far.
    pub(super) discontinuities: u64,
    /// Where the latest of them are, the newest last.
    starts: VecDeque<MediaTime>,
    /// The next key frame is of another source.
    pub(super) restarts: bool,
    /// Where the next one is to be.
    begins_at: Option<MediaTime>,
    /// The segment has begun without its key frame, which is on its way.
    pub(super) is_held: bool,
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
            discontinuities: 0,
            starts: VecDeque::new(),
            restarts: false,
            begins_at: None,
            is_held: false,
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

    /// Where the discontinuity of this number is, counted from 1, if it is one of the latest.
    pub(super) fn discontinuity(&self, number: u64) -> Option<MediaTime> {
        let newer = usize::try_from(self.discontinuities.checked_sub(number)?).ok()?;
        self.starts.iter().rev().nth(newer).copied()
    }

    /// Puts the next discontinuity at `at`, or where the parts that are out end.
    pub(super) fn begin_at(&mut self, at: MediaTime) {
        self.begins_at.get_or_insert(at);
    }

    pub(super) fn push_video(&mut self, mut frame: VideoFrame) {
        self.begin_if_due(frame.dts);
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
        let is_awaited = std::mem::take(&mut self.is_held);
        if is_awaited {
            // Shown from the segment's start on.
            (frame.dts, frame.pts) = (self.open.start, self.open.start);
        }
        if joins || is_other {
            let audio = self.joining.take().or_else(|| self.init.audio.clone());
            let video = Some(frame.config.clone());
            match is_awaited {
                true => self.describe(video, audio),
                false => self.reconfigure(frame.dts, video, audio),
            }
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
        self.begin_if_due(frame.pts);
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

    /// Ends the segment with what it has. What no part has is a segment of its own, as long as the
    /// shorter of its tracks: players that have parts of the last segment when they hear of the end
    /// may take that one for loaded, and wait for what one track lacks (hls.js). They take a very
    /// short one for a hole, behind which they never find the end: it is left out.
    pub(super) fn finish(&mut self) {
        let audio = self.init.audio.clone();
        if self.config.part.is_none() {
            if let Some(end) = self.open.end_time(audio.as_ref()) {
                self.end_segment(end);
            }
            return;
        }
        self.end_segment(self.open.part_start);
        let needs_both = self.init.video.is_some() && audio.is_some();
        let end = match self.open.track_ends(audio.as_ref()) {
            (Some(video), Some(audio)) => Some(video.min(audio)),
            (alone, None) | (None, alone) if !needs_both => alone,
            // The last picture is shown until there.
            (None, Some(audio)) => self.stalled_until.map(|until| audio.min(until)),
            _ => None,
        };
        let is_first = self.next_fragment == 1;
        if let Some(end) = end
            && (is_first || end.since(self.open.part_start) >= SHORTEST_TAIL)
        {
            self.end_segment(end.max(self.open.part_start));
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
        self.describe(video, audio);
    }

    /// The tracks of the parts that follow.
    fn describe(&mut self, video: Option<Arc<VideoConfig>>, audio: Option<AudioConfig>) {
        self.init = Init {
            version: self.init.version + 1,
            video,
            audio,
        };
        self.write_init();
    }

    /// Puts a discontinuity where it is to be, before a frame of `now`. The segment waits for its
    /// key frame; what comes before that does not decode behind a discontinuity.
    fn begin_if_due(&mut self, now: MediaTime) {
        let Some(at) = self.begins_at.take_if(|at| *at <= now) else {
            return;
        };
        let at = at.max(self.parts_end);
        self.begin_anew(at);
        if self.init.video.is_some() {
            let (has_keyframe, dropped) = self.open.begin_with_keyframe(at);
            self.dropped_frames += dropped;
            (self.awaits_keyframe, self.is_held) = (!has_keyframe, !has_keyframe);
            self.stalled_until = None;
        }
    }

    /// Ends the segment at `at`; the next one is not a continuation.
    fn begin_anew(&mut self, at: MediaTime) {
        self.end_segment(at);
        if !std::mem::replace(&mut self.discontinuity, true) {
            self.discontinuities += 1;
            if self.starts.len() == STARTS_KEPT {
                self.starts.pop_front();
            }
            self.starts.push_back(at);
        }
        self.restarts = false;
        self.begins_at = None;
        self.is_held = false;
    }

    fn write_init(&mut self) {
        let init = &self.init;
        match fmp4::init_section(init.video.as_deref(), init.audio.as_ref()) {
            Ok(data) => {
                let video = init.video.as_ref().map(|config| config.codec_string());
                let audio = init.audio.as_ref().map(AudioConfig::codec_string);
                let codecs = video.into_iter().chain(audio);
                self.out.push_back(SegmenterOutput::Init(InitSection {
                    version: init.version,
                    data,
                    codecs: codecs.collect::<Vec<_>>().join(","),
                    size: init
                        .video
                        .as_ref()
                        .map(|video| (video.width(), video.height())),
                    video: init.video.clone(),
                    audio: init.audio.clone(),
                }));
            }
            Err(_) => self.dropped_frames += 1,
        }
    }
}

/// Discontinuities whose places are known: more than happen while one variant waits for another.
const STARTS_KEPT: usize = 8;

/// The last segment of a broadcast is no shorter, but for the only one: hls.js 1.7 does not see an
/// end behind one of 1 to 50 ms.
const SHORTEST_TAIL: Duration = Duration::from_millis(100);
