//! Both tracks in one order by time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use packager::frames::{AudioFrame, Frame, VideoFrame};
use packager::rtp::Tracks;

/// How long a frame waits for the other track to reach its time. Sound comes 64 ms later than
/// it went in (two frames of encoder delay and the one being filled), plus one Opus packet.
const MAX_WAIT: Duration = Duration::from_millis(150);

/// Frames of one track that wait. At 150 ms that is over 1,500 frames a second: only a sender
/// that means harm gets here, and its frames go out unordered.
const MAX_WAITING: usize = 256;

/// Orders frames by time across tracks. A frame whose other track stays behind goes out after
/// [`MAX_WAIT`]; the order within a track never changes.
#[derive(Debug, Default)]
pub(super) struct Interleaver {
    video: VecDeque<(Instant, VideoFrame)>,
    audio: VecDeque<(Instant, AudioFrame)>,
    /// The tracks that are waited for.
    expected: Tracks,
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

    /// The next frame, if one may go by `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Frame> {
        let video_goes = match (self.video.front(), self.audio.front()) {
            (Some((_, video)), Some((_, audio))) => video.dts <= audio.pts,
            (Some((since, _)), None) => {
                let waits = self.expected.audio
                    && now < *since + MAX_WAIT
                    && self.video.len() <= MAX_WAITING;
                if waits {
                    return None;
                }
                true
            }
            (None, Some((since, _))) => {
                let waits = self.expected.video
                    && now < *since + MAX_WAIT
                    && self.audio.len() <= MAX_WAITING;
                if waits {
                    return None;
                }
                false
            }
            (None, None) => return None,
        };
        if video_goes {
            self.video.pop_front().map(|(_, frame)| Frame::Video(frame))
        } else {
            self.audio.pop_front().map(|(_, frame)| Frame::Audio(frame))
        }
    }

    /// The next frame, however long it has waited.
    pub(super) fn drain(&mut self) -> Option<Frame> {
        self.expected = Tracks::default();
        let any = self.video.front().map(|(since, _)| *since);
        self.pop(any.or_else(|| self.audio.front().map(|(since, _)| *since))?)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let video = self.video.front().map(|(since, _)| *since);
        let audio = self.audio.front().map(|(since, _)| *since);
        video
            .into_iter()
            .chain(audio)
            .min()
            .map(|since| since + MAX_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::testing::{audio_frame, video_frame};

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
