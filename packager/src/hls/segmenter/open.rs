//! The frames of the segment that is under way.

use std::time::Duration;

use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::time::MediaTime;

#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) start: MediaTime,
    pub(super) video: Vec<VideoFrame>,
    pub(super) audio: Vec<AudioFrame>,
    pub(super) bytes: usize,
}

impl Open {
    pub(super) fn push_video(&mut self, frame: VideoFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.video.push(frame);
    }

    pub(super) fn push_audio(&mut self, frame: AudioFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.audio.push(frame);
    }

    pub(super) fn is_full(&self, more: usize, limit: usize) -> bool {
        self.bytes.saturating_add(more) > limit
    }

    /// The last key frame at least `distance` after the start.
    pub(super) fn last_keyframe(&self, distance: Duration) -> Option<MediaTime> {
        let last = self.video.iter().rev().find(|frame| frame.is_keyframe)?;
        (last.dts.since(self.start) >= distance).then_some(last.dts)
    }

    /// The last picture at least `distance` after the start, if there is one before it.
    pub(super) fn last_picture(&self, distance: Duration) -> Option<MediaTime> {
        let [.., _, last] = self.video.as_slice() else {
            return None;
        };
        (last.dts.since(self.start) >= distance).then_some(last.dts)
    }

    /// When the newest picture is shown, or would be.
    pub(super) fn newest_picture(&self) -> MediaTime {
        self.video.last().map_or(self.start, |frame| frame.dts)
    }

    pub(super) fn first_time(&self) -> Option<MediaTime> {
        let video = self.video.first().map(|frame| frame.dts);
        let audio = self.audio.first().map(|frame| frame.pts);
        // The picture sets the start; sound may reach a frame's length before it.
        video.or(audio)
    }

    /// Where the last frame ends; a video frame is taken to last as long as the one before it.
    pub(super) fn end_time(&self, audio: Option<&AudioConfig>) -> Option<MediaTime> {
        let video = self.video.last().map(|last| {
            let before = self
                .video
                .iter()
                .rev()
                .nth(1)
                .map_or(last.dts, |frame| frame.dts);
            last.dts
                .saturating_add(last.dts.since(before).max(Duration::from_millis(1)))
        });
        let audio = self.audio.last().map(|last| audio_end(last, audio));
        video.max(audio)
    }
}

pub(super) fn audio_end(frame: &AudioFrame, config: Option<&AudioConfig>) -> MediaTime {
    let rate = config.map_or(0, |config| config.sample_rate);
    frame
        .pts
        .saturating_add(MediaTime::from_hz(frame.samples.into(), rate).as_duration())
}

/// What holding a frame costs beside its data, so that many tiny ones are bounded as well.
pub(super) const FRAME_COST: usize = 128;
