//! When a segment ends, and what goes into it.

use std::time::Duration;

use super::open::{FRAME_COST, Open};
use super::{Segment, Segmenter, SegmenterConfig, SegmenterOutput, State};
use crate::fmp4::{self, Fragment};
use crate::frames::VideoFrame;
use crate::time::MediaTime;

#[derive(Debug, Clone, Copy)]
pub(super) enum Track {
    Video { is_keyframe: bool },
    Audio,
}

impl Segmenter {
    pub(super) fn cut_due(&self, now: MediaTime, bytes: usize, track: Track) -> bool {
        let State::Running {
            init,
            open: Some(open),
        } = &self.state
        else {
            return false;
        };
        let elapsed = now.since(open.start);
        // The next picture may come as long after this one as this one came after the last.
        let last = open.video.last().map_or(now, |frame| frame.dts);
        if matches!(track, Track::Video { .. }) && elapsed + now.since(last) > self.config.longest()
        {
            return true;
        }
        let due = match track {
            Track::Video { is_keyframe: true } => self.config.earliest_cut(),
            Track::Video { is_keyframe: false } => self.config.latest_cut(),
            // With video the sound leaves the cut to the picture, unless no picture comes.
            Track::Audio if init.video.is_some() => self.config.latest_cut() + LATE_PICTURE,
            Track::Audio => self.config.target,
        };
        elapsed >= due || open.is_full(bytes, self.config.max_bytes)
    }

    /// Where to end the open segment when `frame` is due. A publisher with key frames every
    /// 1.5 s has none near the target: better a short segment than one that starts without.
    pub(super) fn cut_point(&self, frame: &VideoFrame) -> MediaTime {
        match &self.state {
            State::Running {
                open: Some(open), ..
            } if !frame.is_keyframe => open.last_keyframe(self.config.target / 2),
            _ => None,
        }
        .unwrap_or(frame.dts)
    }

    /// Where to end the open segment when sound at `now` is due. Pictures may come later than
    /// sound: what ends after the last of them would take the time of those to come.
    pub(super) fn sound_cut_point(&self, now: MediaTime) -> MediaTime {
        let State::Running {
            init,
            open: Some(open),
        } = &self.state
        else {
            return now;
        };
        if init.video.is_none() {
            return now;
        }
        let half = self.config.target / 2;
        open.last_keyframe(half)
            .or_else(|| open.last_picture(half))
            .unwrap_or_else(|| now.min(open.start.saturating_add(self.config.target)))
    }

    /// Closes the open segment at `end`; frames from `end` on stay for the next one.
    pub(super) fn cut(&mut self, end: MediaTime) {
        let State::Running { init, open } = &mut self.state else {
            return;
        };
        let Some(mut closing) = open.take() else {
            return;
        };
        let split = closing.audio.partition_point(|frame| frame.pts < end);
        let audio = closing.audio.split_off(split);
        let split = closing.video.partition_point(|frame| frame.dts < end);
        let video = closing.video.split_off(split);
        let next_is_decodable = video.first().is_some_and(|frame| frame.is_keyframe);
        let sizes = audio.iter().map(|frame| frame.data.len());
        let sizes = sizes.chain(video.iter().map(|frame| frame.data.len()));
        // It stays open without frames as well: the next one follows without a hole.
        *open = Some(Open {
            start: end,
            bytes: sizes.map(|size| size + FRAME_COST).sum(),
            video,
            audio,
        });
        if closing.video.is_empty() && closing.audio.is_empty() {
            return;
        }
        if let Some(config) = &init.video {
            let keyframe = self.last_keyframe.clone();
            match closing.video.first_mut() {
                // After a stall: shown from the start on, so that there is no hole.
                Some(first) if first.dts > closing.start => {
                    (first.dts, first.pts) = (closing.start, closing.start);
                }
                Some(_) => {}
                // Players that were told of pictures wait for them in every segment: the last
                // key frame again. What follows it in the stream does not decode after it.
                None => {
                    let start = closing.start.max(self.video_end);
                    if let Some(mut again) = keyframe
                        && again.config == *config
                        && start < end
                    {
                        (again.dts, again.pts) = (start, start);
                        closing.video.push(again);
                        self.awaits_keyframe = !next_is_decodable;
                    }
                }
            }
        }
        let fragment = Fragment {
            sequence: self.next_fragment,
            video: &closing.video,
            audio: &closing.audio,
            audio_timescale: init.audio.as_ref().map_or(1, |audio| audio.sample_rate),
            end,
        };
        let Ok(data) = fmp4::fragment(&fragment) else {
            self.dropped_frames += (closing.video.len() + closing.audio.len()) as u64;
            return;
        };
        self.next_fragment = self.next_fragment.wrapping_add(1);
        if !closing.video.is_empty() {
            self.video_end = end;
        }
        if let Some(keyframe) = closing.video.iter().rfind(|frame| frame.is_keyframe) {
            self.last_keyframe = Some(keyframe.clone());
        }
        self.out.push_back(SegmenterOutput::Segment(Segment {
            init: init.version,
            data,
            start: closing.start,
            // A frame that comes late (a still screen, say) ends its segment late. The playlist
            // must not say so; players take the exact time from the media.
            duration: end.since(closing.start).min(self.config.longest()),
            is_independent: closing.video.first().is_none_or(|frame| frame.is_keyframe),
            discontinuity: std::mem::take(&mut self.discontinuity),
        }));
    }
}

impl SegmenterConfig {
    /// A key frame this long after the start ends the segment.
    fn earliest_cut(&self) -> Duration {
        // A key frame asked for at the target comes a little after it; one that a publisher
        // sends by itself every 2 s may come a frame early.
        self.target.saturating_sub(Duration::from_millis(100))
    }

    /// Any frame this long after the start ends the segment.
    fn latest_cut(&self) -> Duration {
        self.target + Duration::from_millis(350)
    }

    /// The longest duration that still rounds to the target.
    fn longest(&self) -> Duration {
        self.target + Duration::from_millis(499)
    }
}

/// How far pictures may come behind sound before they count as stopped. Sound alone ends a
/// segment only then.
pub(super) const LATE_PICTURE: Duration = Duration::from_secs(1);
