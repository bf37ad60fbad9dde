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
    /// Pictures up to the next key frame do not decode: the viewer started or skipped onto
    /// sound.
    needs_keyframe: bool,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    /// The last picture was a key frame.
    after_keyframe: bool,
    pending: VecDeque<Bytes>,
    news: Pin<Box<OwnedNotified>>,
    counters: BodyCounters,
    _seat: Seat,
}

/// What viewers' bodies count.
#[derive(Debug, Clone)]
pub(crate) struct BodyCounters {
    /// Bytes handed out.
    pub(crate) sent: IntCounter,
    /// Skips to the newest key frame.
    pub(crate) skips: IntCounter,
    /// Pictures left out because they do not decode without a key frame.
    pub(crate) undecodable: IntCounter,
}

impl FlvBody {
    pub(crate) fn new(ring: Arc<Ring>, seat: Seat, counters: BodyCounters) -> Self {
        let news = Box::pin(ring.news().clone().notified_owned());
        Self {
            ring,
            cursor: Cursor::default(),
            begun: false,
            needs_keyframe: true,
            video: None,
            audio: None,
            after_keyframe: false,
            pending: VecDeque::new(),
            news,
            counters,
            _seat: seat,
        }
    }

    /// The next bytes; `None` at the end of the broadcast.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                self.counters.sent.inc_by(bytes.len() as u64);
                return Poll::Ready(Some(bytes));
            }
            // Listening starts before looking, so that nothing is missed in between.
            self.news.as_mut().enable();
            match self.ring.next(&mut self.cursor) {
                Next::Tag { tag, skipped } => {
                    if skipped {
                        self.counters.skips.inc();
                        self.needs_keyframe = true;
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
        match tag.kind {
            TagKind::Keyframe(_) => self.needs_keyframe = false,
            TagKind::Picture if self.needs_keyframe => {
                self.counters.undecodable.inc();
                return;
            }
            TagKind::Picture | TagKind::Audio(_) => {}
        }
        if !self.begun {
            self.begun = true;
            self.begin(&tag);
        }
        match &tag.kind {
            TagKind::Keyframe(config) => {
                self.tell_video(config, tag.time);
                self.after_keyframe = true;
            }
            TagKind::Picture => self.after_keyframe = false,
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
            if self.after_keyframe {
                // Players that keep back one picture to learn its duration (mpegts.js, flv.js) hand
                // it to the decoder behind the next configuration. Browsers drop one that is no key
                // frame there; a key frame of another configuration ends their playback.
                self.pending.push_back(flv::empty_picture_tag(time));
            }
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

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use prometheus::IntGauge;

    use super::*;
    use crate::broadcast::testing::{SPS_320X180, SPS_640X360, video_config};
    use crate::flv::RingLimits;
    use crate::limits::Seats;

    fn counters() -> BodyCounters {
        let count = || IntCounter::new("count", "count").unwrap();
        BodyCounters {
            sent: count(),
            skips: count(),
            undecodable: count(),
        }
    }

    fn body(ring: &Arc<Ring>, counters: &BodyCounters) -> FlvBody {
        let gauge = IntGauge::new("viewers", "viewers").unwrap();
        let seat = Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap();
        FlvBody::new(ring.clone(), seat, counters.clone())
    }

    fn ring() -> Arc<Ring> {
        Arc::new(Ring::new(RingLimits {
            max_bytes: 1 << 20,
            max_age: Duration::from_secs(6),
            max_lag: Duration::from_secs(3),
        }))
    }

    fn tag(ms: u64, name: &'static str, kind: TagKind) -> Tag {
        Tag {
            time: MediaTime::from_millis(ms),
            bytes: Bytes::from_static(name.as_bytes()),
            kind,
        }
    }

    fn key(ms: u64) -> Tag {
        tag(ms, "key", TagKind::Keyframe(video_config(SPS_640X360)))
    }

    fn other_key(ms: u64) -> Tag {
        tag(ms, "key", TagKind::Keyframe(video_config(SPS_320X180)))
    }

    fn picture(ms: u64) -> Tag {
        tag(ms, "picture", TagKind::Picture)
    }

    fn sound(ms: u64) -> Tag {
        let config = AudioConfig::aac_lc(48_000, 2).unwrap();
        tag(ms, "sound", TagKind::Audio(Arc::new(config)))
    }

    /// What is there for the viewer: tags by name, sequence headers by kind.
    fn read(body: &mut FlvBody) -> Vec<&'static str> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut seen = Vec::new();
        while let Poll::Ready(Some(bytes)) = body.poll_bytes(&mut cx) {
            let names = ["key", "picture", "sound"];
            let name = names.into_iter().find(|name| bytes == name.as_bytes());
            seen.push(name.unwrap_or(match bytes[0] {
                9 if bytes[12] == 1 => "empty picture",
                8 => "audio header",
                9 => "video header",
                18 => "metadata",
                _ => "file header",
            }));
        }
        seen
    }

    #[test]
    fn a_viewer_that_starts_on_sound_gets_no_picture_before_a_key_frame() {
        let (ring, counters) = (ring(), counters());
        ring.append([key(0), sound(5), sound(4_000)]);
        let mut body = body(&ring, &counters);
        let begin = ["file header", "metadata", "audio header", "sound"];
        assert_eq!(read(&mut body), begin);
        ring.append([picture(4_010), sound(4_021), key(4_043), picture(4_076)]);
        assert_eq!(read(&mut body), ["sound", "video header", "key", "picture"]);
        assert_eq!(counters.undecodable.get(), 1);
    }

    #[test]
    fn a_viewer_that_skips_onto_sound_gets_no_picture_before_a_key_frame() {
        let (ring, counters) = (ring(), counters());
        ring.append([key(0), picture(33)]);
        let mut body = body(&ring, &counters);
        assert_eq!(read(&mut body).last(), Some(&"picture"));
        ring.append((2..400).map(|n| sound(n * 21)));
        ring.append([picture(8_400)]);
        let seen = read(&mut body);
        assert_eq!(counters.skips.get(), 1);
        assert!(seen.contains(&"sound") && !seen.contains(&"picture"));
        assert_eq!(counters.undecodable.get(), 1);
        ring.append([key(8_433), picture(8_466)]);
        assert_eq!(read(&mut body), ["key", "picture"]);
    }
    #[test]
    fn a_key_frame_with_nothing_behind_it_is_closed_before_another_configuration() {
        let (ring, counters) = (ring(), counters());
        ring.append([key(0), picture(33), key(66)]);
        let mut body = body(&ring, &counters);
        assert_eq!(read(&mut body).last(), Some(&"key"));
        ring.append([other_key(900), picture(933)]);
        let seen = read(&mut body);
        assert_eq!(seen, ["empty picture", "video header", "key", "picture"]);
        // A picture that is no key frame does no harm there.
        ring.append([key(966), picture(999), other_key(1_033)]);
        let seen = read(&mut body);
        assert_eq!(
            seen,
            ["video header", "key", "picture", "video header", "key"]
        );
    }
}
