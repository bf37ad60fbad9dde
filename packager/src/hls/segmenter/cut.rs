//! When parts and segments end, and what goes into them.

use std::time::Duration;

use super::cutter::Cutter;
use super::open::{Closing, audio_end};
use super::{Part, Segment, SegmenterConfig, SegmenterOutput};
use crate::fmp4::{self, Fragment};
use crate::frames::{AudioCodec, AudioFrame, VideoFrame};
use crate::time::MediaTime;

impl Cutter {
    /// Ends what is over before a picture that is about to be pushed.
    pub(super) fn end_before_picture(&mut self, frame: &VideoFrame) {
        let now = frame.dts;
        // The next picture may come as long after this one as this one comes after the last.
        let gap = self
            .newest_picture
            .filter(|newest| *newest >= self.open.start)
            .map_or(Duration::ZERO, |newest| now.since(newest));
        if self.picture_ends_segment(frame, gap) {
            self.end_segment(now);
            return;
        }
        while let Some(part) = self.config.part {
            let (earliest, latest) = self.part_window(part);
            let fits_another = now.saturating_add(gap.max(MIN_GAP)) <= latest;
            if now < earliest || fits_another {
                return;
            }
            let end = match now <= latest {
                true => now,
                false => self.last_picture_within(earliest, latest).unwrap_or(latest),
            };
            self.end_part(end, Some(now));
        }
    }

    /// Ends what is over before sound that is about to be pushed.
    pub(super) fn end_before_sound(&mut self, frame: &AudioFrame) {
        let now = frame.pts;
        let is_full = self.open.is_full(frame.data.len(), self.config.max_bytes);
        if self.init.video.is_none() {
            if is_full || now.since(self.open.start) >= self.config.target {
                return self.end_segment(now);
            }
            let next = audio_end(frame, self.init.audio.as_ref());
            while let Some(part) = self.config.part {
                let (earliest, latest) = self.part_window(part);
                if now < earliest || next <= latest {
                    return;
                }
                self.end_part(now.min(latest), None);
            }
            return;
        }
        // With video the sound leaves the end to the picture, unless no picture comes.
        if is_full {
            return self.end_segment(now);
        }
        let patience = match self.is_held {
            true => LATE_KEYFRAME,
            false => self.config.part.unwrap_or(self.config.latest_cut()) + LATE_PICTURE,
        };
        let waited = now.since(self.open.part_start);
        if self.stalled_until.is_none() && waited >= patience {
            self.is_held = false;
            let end = self.open.start.saturating_add(self.config.target);
            self.stalled_until = Some(end.max(self.open.part_start));
        }
        while let Some(until) = self.stalled_until {
            let latest = match self.config.part {
                Some(part) => self.part_window(part).1.min(until),
                None => until,
            };
            if now < latest {
                return;
            }
            if latest < until {
                self.end_part(self.last_sound_within(latest), None);
            } else {
                self.end_segment(until);
                let next = until.saturating_add(self.config.target);
                self.stalled_until = Some(next);
            }
        }
    }

    /// The sound at `now` is so far beyond the last picture that none may come.
    pub(super) fn is_picture_late(&self, now: MediaTime) -> bool {
        let newest = self.newest_picture.unwrap_or(self.open.start);
        now.since(newest) >= LATE_PICTURE
    }

    fn picture_ends_segment(&self, frame: &VideoFrame, gap: Duration) -> bool {
        let elapsed = frame.dts.since(self.open.start);
        if elapsed + gap > self.config.longest()
            || self.open.is_full(frame.data.len(), self.config.max_bytes)
        {
            return true;
        }
        if !frame.is_keyframe {
            return elapsed >= self.config.latest_cut();
        }
        // Players begin with a key frame: where those are far apart and in the middle of segments,
        // viewers would begin long ago.
        if self.open.begins_without_keyframe() && elapsed >= self.config.target / 8 {
            return true;
        }
        // A publisher with key frames every 1.5 s has none near the target: better a short
        // segment than one that starts without.
        let group = self
            .newest_keyframe
            .map_or(Duration::ZERO, |newest| frame.dts.since(newest));
        elapsed >= self.config.earliest_cut()
            || (elapsed >= self.config.target / 2 && elapsed + group > self.config.latest_cut())
    }

    /// From when to when the part under way may end.
    fn part_window(&self, part: Duration) -> (MediaTime, MediaTime) {
        let start = self.open.part_start;
        (
            start.saturating_add(part.mul_f64(LEAST_PART)),
            start.saturating_add(part),
        )
    }

    fn last_picture_within(&self, earliest: MediaTime, latest: MediaTime) -> Option<MediaTime> {
        let pictures = self.open.video.iter().rev().map(|frame| frame.dts);
        pictures
            .skip_while(|time| *time > latest)
            .take_while(|time| *time >= earliest)
            .next()
    }

    /// Where the last sound before `latest` ends a part.
    fn last_sound_within(&self, latest: MediaTime) -> MediaTime {
        let sounds = self.open.audio.iter().rev().map(|frame| frame.pts);
        let earliest = self.config.part.map(|part| self.part_window(part).0);
        sounds
            .skip_while(|time| *time > latest)
            .take_while(|time| earliest.is_some_and(|earliest| *time >= earliest))
            .next()
            .unwrap_or(latest)
    }

    /// Ends the segment at `end`; frames from there on stay for the next one.
    pub(super) fn end_segment(&mut self, end: MediaTime) {
        while let Some(part) = self.config.part {
            let (earliest, latest) = self.part_window(part);
            if latest > end {
                break;
            }
            let at = self.last_picture_within(earliest, latest).unwrap_or(latest);
            self.end_part(at, Some(end));
        }
        if self.open.has_frames_before(end) {
            self.end_part(end, None);
        } else if !self.open.has_parts() {
            self.open.part_start = end;
        }
        let (start, is_independent) = (self.open.start, self.open.is_independent);
        let Some((data, pictures)) = self.open.end() else {
            return;
        };
        let lasts = self.open.start.since(start);
        self.out.push_back(SegmenterOutput::Segment(Segment {
            init: self.init.version,
            data,
            start,
            // A frame that comes late ends its segment late. A live playlist must not say so
            // (RFC 8216 section 4.3.3.1); players take the exact time from the media.
            duration: lasts.min(self.config.longest()),
            lasts,
            is_independent,
            pictures,
            discontinuity: std::mem::take(&mut self.discontinuity),
        }));
    }

    /// Ends the part under way at `end`; frames from there on stay for the next one. A picture
    /// that is not pushed yet is shown at `next_picture`.
    fn end_part(&mut self, end: MediaTime, next_picture: Option<MediaTime>) {
        let (start, is_first) = (self.open.part_start, !self.open.has_parts());
        let mut closing = self.open.take_before(end);
        if is_first {
            self.begin_with_picture(start, end, &mut closing);
            self.open.is_independent = self.init.video.is_none()
                || closing.video.first().is_some_and(|frame| frame.is_keyframe);
        }
        let next_picture = closing.next_picture.or(next_picture);
        let video_end = next_picture.or(self.stalled_until).unwrap_or(end).max(end);
        let fragment = Fragment {
            sequence: self.next_fragment,
            starts_segment: is_first,
            video: &closing.video,
            audio: &closing.audio,
            audio_timescale: self
                .init
                .audio
                .as_ref()
                .map_or(1, |audio| audio.sample_rate),
            audio_rolls: self
                .init
                .audio
                .as_ref()
                .is_some_and(|audio| audio.codec == AudioCodec::Opus),
            video_end,
        };
        let Ok(data) = fmp4::fragment(&fragment) else {
            self.dropped_frames += (closing.video.len() + closing.audio.len()) as u64;
            return;
        };
        self.next_fragment = self.next_fragment.wrapping_add(1);
        self.parts_end = end;
        if !closing.video.is_empty() {
            self.shown_until = video_end;
        }
        if let Some(keyframe) = closing.video.iter().rfind(|frame| frame.is_keyframe) {
            self.last_keyframe = Some(keyframe.clone());
        }
        self.open.push_part(data.clone(), closing.video.len());
        self.out.push_back(SegmenterOutput::Part(Part {
            init: self.init.version,
            data,
            start,
            duration: end.since(start),
            starts_segment: is_first,
            is_independent: self.init.video.is_none()
                || closing.video.iter().any(|frame| frame.is_keyframe),
            is_start: self.init.video.is_none()
                || closing.video.first().is_some_and(|frame| frame.is_keyframe),
            discontinuity: is_first && self.discontinuity,
        }));
    }

    /// Players that were told of pictures wait for them in every segment, from its start on.
    fn begin_with_picture(&mut self, start: MediaTime, end: MediaTime, closing: &mut Closing) {
        let Some(config) = &self.init.video else {
            return;
        };
        match closing.video.first_mut() {
            // After a stall: shown from the start on, so that there is no hole.
            Some(first) => {
                let from = self.shown_until.max(start);
                if first.dts > from {
                    (first.dts, first.pts) = (from, from);
                }
            }
            // The last key frame again. What follows it in the stream does not decode after it.
            None => {
                if let Some(keyframe) = &self.last_keyframe
                    && keyframe.config == *config
                    && start < end
                {
                    let mut again = keyframe.clone();
                    (again.dts, again.pts) = (start, start);
                    closing.video.push(again);
                    let next = self.open.video.first();
                    self.awaits_keyframe = next.is_none_or(|frame| !frame.is_keyframe);
                }
            }
        }
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
/// part only then.
const LATE_PICTURE: Duration = Duration::from_secs(1);

/// How far sound goes on before a segment that waits for its key frame shows the last one again.
const LATE_KEYFRAME: Duration = Duration::from_millis(700);

/// The least part of the Part Target Duration that a part has (RFC 8216bis section 4.4.4.9).
const LEAST_PART: f64 = 0.85;

/// The least distance of two pictures: two at one time are no reason to expect a third.
const MIN_GAP: Duration = Duration::from_millis(1);
