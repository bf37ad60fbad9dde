//! The muxer of a broadcast whose media comes as frames of another server, and not as RTP.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use packager::frames::{AudioConfig, Frame};
use packager::hls::SegmenterConfig;
use packager::rtp::{MediaKind, Tracks};

use super::{Core, Output};
use crate::broadcast::frames::{FrameInput, Placed};
use crate::ingest::{FrameItem, Publication};
use crate::metrics::Metrics;

impl Core {
    /// A core for the frames of another server, with the sound that these have.
    pub(in crate::broadcast) fn of_frames(
        config: SegmenterConfig,
        publication: Publication,
        metrics: Arc<Metrics>,
        now: Instant,
        wall: SystemTime,
    ) -> Self {
        let mut core = Self::new(config, publication, metrics, now, wall);
        core.frames = Some(FrameInput::new(publication.tracks));
        core.audio_config = None;
        core.opus = None;
        core.tracks = publication.tracks;
        core.expect();
        core
    }

    /// Takes what another server sent.
    pub(in crate::broadcast) fn handle_frames(&mut self, now: Instant, item: FrameItem) {
        let Some(input) = &mut self.frames else {
            return;
        };
        match item {
            FrameItem::Reconnected(tracks) => input.reconnect(tracks),
            FrameItem::Frames(frames) => {
                for frame in frames {
                    input.handle(now, frame, &self.metrics);
                }
            }
        }
        while let Some(placed) = self.frames.as_mut().and_then(FrameInput::poll) {
            match placed {
                Placed::NewSource(tracks) => self.begin_source(tracks),
                Placed::Sound(config) => self.begin_sound(config),
                Placed::Frame(frame) => self.handle_frame(now, frame),
            }
        }
        self.advance(now);
    }

    /// What follows does not continue what came so far, and has these tracks.
    fn begin_source(&mut self, tracks: Tracks) {
        self.flush();
        self.tracks = tracks;
        self.expect();
        for mux in &mut self.variants {
            mux.restart();
        }
        self.wall.reset();
        self.out.push_back(Output::NewSource);
    }

    /// The sound that follows has this format.
    fn begin_sound(&mut self, config: AudioConfig) {
        self.flush();
        self.audio_config = Some(Arc::new(config));
        self.expect_track(MediaKind::Audio);
        self.out.push_back(Output::NewSound);
    }

    /// Writes out what waits to be put in order.
    fn flush(&mut self) {
        let audio = self.audio_config.clone();
        for mux in &mut self.variants {
            mux.flush(audio.as_ref());
        }
        self.poll_variants();
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        self.judge(Ok(()));
        self.wall.note(frame.dts(), now);
        match frame {
            Frame::Video(frame) => {
                self.expect_track(MediaKind::Video);
                self.metrics.gops.inc_by(frame.is_keyframe.into());
                for mux in &mut self.variants {
                    mux.push_video(now, frame.clone());
                }
            }
            Frame::Audio(frame) => {
                if !self.tracks.audio {
                    self.expect_track(MediaKind::Audio);
                    self.out.push_back(Output::NewSound);
                }
                for mux in &mut self.variants {
                    mux.push_audio(now, frame.clone());
                }
            }
        }
    }

    /// A track has come that the other server may not have announced.
    fn expect_track(&mut self, kind: MediaKind) {
        if !self.tracks.has(kind) {
            match kind {
                MediaKind::Audio => self.tracks.audio = true,
                MediaKind::Video => self.tracks.video = true,
            }
            self.expect();
        }
    }
}
