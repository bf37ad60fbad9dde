//! Both tracks in one order by time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::frames::{AudioFrame, Frame, VideoFrame};
use packager::rtp::Tracks;

/// How long a frame waits for the other track to reach its time. Sound comes 64 ms later than
/// it went in (two frames of encoder delay and the one being filled), plus one Opus packet.
const MAX_WAIT: Duration = Duration::from_millis(150);

/// How long a key frame waits for the picture behind it. Next to sound it costs nearly nothing:
/// the sound is later than that in most cases.
const KEYFRAME_WAIT: Duration = Duration::from_millis(100);

/// Frames of one track that wait. At 150 ms that is over 1,500 frames a second: only a sender
/// that means harm gets here, and its frames go out unordered.
const MAX_WAITING: usize = 256;

/// Orders frames by time across tracks. A frame whose other track stays behind goes out after
/// [`MAX_WAIT`]; the order within a track never changes.
///
/// A key frame that is followed by one with other parameter sets is left out: nothing depends on
/// it, and players that keep back one picture to learn its duration (mpegts.js, flv.js) would
/// decode it with the sets of the next and give up. Encoders send such pairs when they start, and
/// when their rate changes just after a request for a key frame.
#[derive(Debug, Default)]
pub(super) struct Interleaver {
    video: VecDeque<(Instant, VideoFrame)>,
    audio: VecDeque<(Instant, AudioFrame)>,
    /// The tracks that are waited for.
    expected: Tracks,
    superseded: u64,
}

impl Interleaver {
    pub(super) fn new(expected: Tracks) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Says which tracks are worth waiting for.
    pub(super) fn expect(&mut self, tracks: Tracks) {
        self.expected = tracks;
    }

    pub(super) fn push_video(&mut self, now: Instant, frame: VideoFrame) {
        self.video.push_back((now, frame));
    }

    pub(super) fn push_audio(&mut self, now: Instant, frame: AudioFrame) {
        self.audio.push_back((now, frame));
    }

    /// Key frames that were left out so far.
    pub(super) fn superseded(&self) -> u64 {
        self.superseded
    }

    /// The next frame, if one may go by `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Frame> {
        self.leave_out_superseded();
        if self.blocked_until().is_some_and(|until| now < until) {
            return None;
        }
        if self.is_video_next()? {
            self.video.pop_front().map(|(_, frame)| Frame::Video(frame))
        } else {
            self.audio.pop_front().map(|(_, frame)| Frame::Audio(frame))
        }
    }

    /// The next frame, however long it has waited.
    pub(super) fn drain(&mut self) -> Option<Frame> {
        self.leave_out_superseded();
        let until = self.blocked_until();
        let any = self.video.front().map(|(since, _)| *since);
        let any = any.or_else(|| self.audio.front().map(|(since, _)| *since))?;
        self.pop(until.unwrap_or(any))
    }

    /// When to call [`Interleaver::pop`] again, if nothing is pushed before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.blocked_until()
    }

    /// Until when the next frame waits; `None` if there is none, or it may go at once.
    fn blocked_until(&self) -> Option<Instant> {
        let is_video_next = self.is_video_next()?;
        let (since, waiting, other_is_missing) = if is_video_next {
            let (since, _) = self.video.front()?;
            let is_missing = self.expected.audio && self.audio.is_empty();
            (*since, self.video.len(), is_missing)
        } else {
            let (since, _) = self.audio.front()?;
            let is_missing = self.expected.video && self.video.is_empty();
            (*since, self.audio.len(), is_missing)
        };
        if waiting > MAX_WAITING {
            return None;
        }
        let for_other = other_is_missing.then(|| since + MAX_WAIT);
        let is_lone_keyframe = is_video_next && waiting == 1 && self.video[0].1.is_keyframe;
        for_other.max(is_lone_keyframe.then(|| since + KEYFRAME_WAIT))
    }

    /// Whether the next frame in time is a picture; `None` if there is no frame.
    fn is_video_next(&self) -> Option<bool> {
        match (self.video.front(), self.audio.front()) {
            (Some((_, video)), Some((_, audio))) => Some(video.dts <= audio.pts),
            (Some(_), None) => Some(true),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        }
    }

    fn leave_out_superseded(&mut self) {
        while let (Some((_, first)), Some((_, second))) = (self.video.front(), self.video.get(1))
            && first.is_keyframe
            && second.is_keyframe
            && !Arc::ptr_eq(&first.config, &second.config)
            && first.config != second.config
        {
            self.video.pop_front();
            self.superseded += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::testing::{
        SPS_320X180, SPS_640X360, audio_frame, video_config, video_frame,
    };

    const MS: Duration = Duration::from_millis(1);

    fn both() -> Interleaver {
        Interleaver::new(Tracks::BOTH)
    }

    fn times(interleaver: &mut Interleaver, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| interleaver.pop(now))
            .map(|frame| frame.dts().as_millis())
            .collect()
    }

    #[test]
    fn frames_of_both_tracks_come_out_by_time() {
        let t0 = Instant::now();
        let mut interleaver = both();
        for ms in [0, 33, 66] {
            interleaver.push_video(t0, video_frame(ms, ms == 0));
        }
        assert_eq!(times(&mut interleaver, t0), Vec::<u64>::new());
        for ms in [5, 26, 47, 68] {
            interleaver.push_audio(t0, audio_frame(ms));
        }
        assert_eq!(times(&mut interleaver, t0), [0, 5, 26, 33, 47, 66]);
    }

    #[test]
    fn a_frame_waits_for_the_other_track_only_so_long() {
        let t0 = Instant::now();
        let mut interleaver = both();
        interleaver.push_video(t0, video_frame(0, true));
        interleaver.push_video(t0 + MS * 33, video_frame(33, false));
        assert_eq!(interleaver.next_timeout(), Some(t0 + MAX_WAIT));
        assert_eq!(
            times(&mut interleaver, t0 + MAX_WAIT - MS),
            Vec::<u64>::new()
        );
        assert_eq!(times(&mut interleaver, t0 + MAX_WAIT), [0]);
        assert_eq!(times(&mut interleaver, t0 + MAX_WAIT + MS * 33), [33]);
        assert_eq!(interleaver.next_timeout(), None);
    }

    #[test]
    fn a_key_frame_before_other_parameter_sets_is_left_out() {
        let t0 = Instant::now();
        let mut interleaver = Interleaver::new(Tracks {
            video: true,
            audio: false,
        });
        let frame = |ms, is_keyframe, sps| VideoFrame {
            config: video_config(sps),
            ..video_frame(ms, is_keyframe)
        };
        // Alone it waits for what comes behind it.
        interleaver.push_video(t0, frame(0, true, SPS_640X360));
        assert_eq!(interleaver.next_timeout(), Some(t0 + KEYFRAME_WAIT));
        assert!(interleaver.pop(t0).is_none());
        interleaver.push_video(t0 + MS * 33, frame(33, true, SPS_320X180));
        assert!(interleaver.pop(t0 + MS * 33).is_none());
        assert_eq!(interleaver.superseded(), 1);
        // Followed by a picture of its own, it goes.
        interleaver.push_video(t0 + MS * 66, frame(66, false, SPS_320X180));
        assert_eq!(times(&mut interleaver, t0 + MS * 66), [33, 66]);
        // The same sets in another copy are no change.
        interleaver.push_video(t0 + MS * 99, frame(99, true, SPS_320X180));
        interleaver.push_video(t0 + MS * 132, frame(132, true, SPS_320X180));
        assert_eq!(times(&mut interleaver, t0 + MS * 132), [99]);
        // And nothing is waited for longer than this.
        let late = t0 + MS * 132 + KEYFRAME_WAIT;
        assert_eq!(interleaver.next_timeout(), Some(late));
        assert_eq!(times(&mut interleaver, late), [132]);
        assert_eq!(interleaver.superseded(), 1);
    }

    #[test]
    fn a_track_alone_does_not_wait() {
        let t0 = Instant::now();
        let mut interleaver = Interleaver::new(Tracks {
            video: false,
            audio: true,
        });
        interleaver.push_audio(t0, audio_frame(7));
        assert_eq!(times(&mut interleaver, t0), [7]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let t0 = Instant::now();
        let mut interleaver = both();
        for ms in 0..2_000 {
            interleaver.push_video(t0, video_frame(ms, false));
            while interleaver.pop(t0).is_some() {}
        }
        assert!(interleaver.video.len() <= MAX_WAITING);
    }
}
