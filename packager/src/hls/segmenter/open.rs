//! The segment that is under way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::time::MediaTime;

/// The parts of a segment that are out, and the frames that are not.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) start: MediaTime,
    parts: Vec<Bytes>,
    /// The first part starts with a key frame, or there is no video.
    pub(super) is_independent: bool,
    /// Where the next part starts.
    pub(super) part_start: MediaTime,
    pub(super) video: Vec<VideoFrame>,
    pub(super) audio: Vec<AudioFrame>,
    /// In the parts so far.
    pictures: u32,
    bytes: usize,
}

/// The frames of one part.
pub(super) struct Closing {
    pub(super) video: Vec<VideoFrame>,
    pub(super) audio: Vec<AudioFrame>,
    /// When the picture after them is shown, if it has come.
    pub(super) next_picture: Option<MediaTime>,
}

impl Open {
    pub(super) fn new(start: MediaTime) -> Self {
        Self {
            start,
            part_start: start,
            ..Self::default()
        }
    }

    pub(super) fn push_video(&mut self, frame: VideoFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.video.push(frame);
    }

    pub(super) fn push_audio(&mut self, frame: AudioFrame) {
        self.bytes = self.bytes.saturating_add(frame.data.len() + FRAME_COST);
        self.audio.push(frame);
    }

    pub(super) fn push_part(&mut self, data: Bytes, pictures: usize) {
        let pictures = u32::try_from(pictures).unwrap_or(u32::MAX);
        self.pictures = self.pictures.saturating_add(pictures);
        self.bytes = self.bytes.saturating_add(data.len());
        self.parts.push(data);
    }

    pub(super) fn is_full(&self, more: usize, limit: usize) -> bool {
        self.bytes.saturating_add(more) > limit
    }

    pub(super) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// It has begun with a picture that does not decode by itself.
    pub(super) fn begins_without_keyframe(&self) -> bool {
        match self.has_parts() {
            true => !self.is_independent,
            false => self.video.first().is_some_and(|frame| !frame.is_keyframe),
        }
    }

    /// There is a frame before `end`.
    pub(super) fn has_frames_before(&self, end: MediaTime) -> bool {
        self.video.first().is_some_and(|frame| frame.dts < end)
            || self.audio.first().is_some_and(|frame| frame.pts < end)
    }

    /// Takes the frames before `end`; the next part starts there.
    pub(super) fn take_before(&mut self, end: MediaTime) -> Closing {
        let split = self.audio.partition_point(|frame| frame.pts < end);
        let audio_rest = self.audio.split_off(split);
        let split = self.video.partition_point(|frame| frame.dts < end);
        let video_rest = self.video.split_off(split);
        let closing = Closing {
            video: std::mem::replace(&mut self.video, video_rest),
            audio: std::mem::replace(&mut self.audio, audio_rest),
            next_picture: self.video.first().map(|frame| frame.dts),
        };
        let sizes = closing.audio.iter().map(|frame| frame.data.len());
        let sizes = sizes.chain(closing.video.iter().map(|frame| frame.data.len()));
        let taken = sizes.map(|size| size + FRAME_COST).sum();
        self.bytes = self.bytes.saturating_sub(taken);
        self.part_start = end;
        closing
    }

    /// Drops what comes before the first key frame, which is then shown from `start` on. Tells
    /// whether there is one, and how many were dropped.
    pub(super) fn begin_with_keyframe(&mut self, start: MediaTime) -> (bool, u64) {
        let first = self.video.iter().position(|frame| frame.is_keyframe);
        let dropped = self.video.drain(..first.unwrap_or(self.video.len()));
        let sizes = dropped.map(|frame| frame.data.len() + FRAME_COST);
        let (count, bytes) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(keyframe) = self.video.first_mut() {
            (keyframe.dts, keyframe.pts) = (start, start);
        }
        (first.is_some(), count)
    }

    /// The segment's bytes, if it has any, and how many pictures these are; what is left is the
    /// next one.
    pub(super) fn end(&mut self) -> Option<(Bytes, u32)> {
        let pictures = std::mem::take(&mut self.pictures);
        let parts = std::mem::take(&mut self.parts);
        let len: usize = parts.iter().map(Bytes::len).sum();
        self.bytes = self.bytes.saturating_sub(len);
        self.start = self.part_start;
        self.is_independent = false;
        match <[Bytes; 1]>::try_from(parts) {
            Ok([whole]) => Some((whole, pictures)),
            Err(parts) if parts.is_empty() => None,
            Err(parts) => {
                let mut whole = BytesMut::with_capacity(len);
                parts.iter().for_each(|part| whole.extend_from_slice(part));
                Some((whole.freeze(), pictures))
            }
        }
    }

    pub(super) fn first_time(&self) -> Option<MediaTime> {
        let video = self.video.first().map(|frame| frame.dts);
        let audio = self.audio.first().map(|frame| frame.pts);
        // The picture sets the start.
        video.or(audio)
    }

    /// Where the last frame ends.
    pub(super) fn end_time(&self, audio: Option<&AudioConfig>) -> Option<MediaTime> {
        let (video, audio) = self.track_ends(audio);
        video.max(audio)
    }

    /// Where the last picture and the last sound end, of those that are not out; a picture is taken
    /// to last as long as the one before it.
    pub(super) fn track_ends(
        &self,
        audio: Option<&AudioConfig>,
    ) -> (Option<MediaTime>, Option<MediaTime>) {
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
        (video, audio)
    }
}

pub(super) fn audio_end(frame: &AudioFrame, config: Option<&AudioConfig>) -> MediaTime {
    let rate = config.map_or(0, |config| config.sample_rate);
    frame
        .pts
        .saturating_add(MediaTime::from_hz(frame.samples.into(), rate).as_duration())
}

/// What holding a frame costs beside its data, so that many tiny ones are bounded as well.
const FRAME_COST: usize = 128;
