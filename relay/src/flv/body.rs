//! One HTTP-FLV viewer: a cursor, and which configurations it was told.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use packager::flv::{self, Metadata};
use packager::frames::AudioConfig;
use packager::h264::VideoConfig;
use packager::time::MediaTime;
use prometheus::IntCounter;
use tokio::sync::futures::OwnedNotified;

use super::ring::{Cursor, Next, Ring, Tag, TagKind};
use crate::limits::Seat;

/// The bytes of one viewer's stream. Costs a cursor and the few bytes of headers that wait to
/// be sent.
pub(crate) struct FlvBody {
    ring: Arc<Ring>,
    cursor: Cursor,
    /// Set once the file header is written.
    begun: bool,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    pending: VecDeque<Bytes>,
    news: Pin<Box<OwnedNotified>>,
    sent: IntCounter,
    skips: IntCounter,
    _seat: Seat,
}

impl FlvBody {
    pub(crate) fn new(ring: Arc<Ring>, seat: Seat, sent: IntCounter, skips: IntCounter) -> Self {
        let news = Box::pin(ring.news().clone().notified_owned());
        Self {
            ring,
            cursor: Cursor::default(),
            begun: false,
            video: None,
            audio: None,
            pending: VecDeque::new(),
            news,
            sent,
            skips,
            _seat: seat,
        }
    }

    /// The next bytes; `None` at the end of the broadcast.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                self.sent.inc_by(bytes.len() as u64);
                return Poll::Ready(Some(bytes));
            }
            // Listening starts before looking, so that nothing is missed in between.
            self.news.as_mut().enable();
            match self.ring.next(&mut self.cursor) {
                Next::Tag { tag, skipped } => {
                    if skipped {
                        self.skips.inc();
                    }
                    self.take(tag);
                }
                Next::End => return Poll::Ready(None),
                Next::Wait => match self.news.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        let news = self.ring.news().clone().notified_owned();
                        self.news.set(news);
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn take(&mut self, tag: Tag) {
        if !self.begun {
            self.begun = true;
            self.begin(&tag);
        }
        match &tag.kind {
            TagKind::Keyframe(config) => self.tell_video(config, tag.time),
            TagKind::Picture => {}
            TagKind::Audio(config) => self.tell_audio(config, tag.time),
        }
        self.pending.push_back(tag.bytes);
    }

    fn begin(&mut self, first: &Tag) {
        let video = match &first.kind {
            TagKind::Keyframe(config) => Some(config),
            TagKind::Picture | TagKind::Audio(_) => None,
        };
        let audio = match &first.kind {
            TagKind::Audio(config) => Some(config.clone()),
            _ => self.ring.audio(),
        };
        self.pending
            .push_back(flv::header(video.is_some(), audio.is_some()));
        let metadata = Metadata {
            video: video.map(|config| &**config),
            audio: audio.as_deref(),
            frame_rate: None,
        };
        self.pending.push_back(flv::metadata_tag(&metadata));
        if let Some(video) = video {
            self.tell_video(video, first.time);
        }
        if let Some(audio) = audio {
            self.tell_audio(&audio, first.time);
        }
    }

    fn tell_video(&mut self, config: &Arc<VideoConfig>, time: MediaTime) {
        if self.video.as_ref().is_none_or(|told| told != config) {
            self.video = Some(config.clone());
            self.pending
                .push_back(flv::video_sequence_header(time, config));
        }
    }

    fn tell_audio(&mut self, config: &Arc<AudioConfig>, time: MediaTime) {
        if self.audio.as_ref().is_none_or(|told| told != config) {
            self.audio = Some(config.clone());
            self.pending
                .push_back(flv::audio_sequence_header(time, config));
        }
    }
}

impl std::fmt::Debug for FlvBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlvBody")
            .field("cursor", &self.cursor)
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}
