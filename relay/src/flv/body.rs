//! One FLV viewer: a cursor, and which configurations it was told.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use packager::flv::{self, LastPicture, Metadata};
use packager::frames::AudioConfig;
use packager::video::VideoConfig;
use prometheus::{IntCounter, IntCounterVec};
use tokio::sync::futures::OwnedNotified;

use super::ring::{Cursor, Next, Ring, StartAt, Tag, TagKind};
use super::watch::ViewerWatch;
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
    /// What follows is of another publisher, which `onMetaData` has not told yet.
    is_of_other: bool,
    video: Option<Arc<VideoConfig>>,
    audio: Option<Arc<AudioConfig>>,
    /// The last picture that was sent.
    last: Option<LastPicture>,
    has_ended: bool,
    pending: VecDeque<Bytes>,
    /// The most bytes that are handed out at once.
    piece: usize,
    news: Pin<Box<OwnedNotified>>,
    watch: ViewerWatch,
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
    /// Ends, by reason; of those that are counted so.
    pub(crate) closed: Option<IntCounterVec>,
}

/// What is there for a viewer.
enum Found {
    Bytes,
    Nothing,
    End,
}

impl FlvBody {
    pub(crate) fn new(
        ring: Arc<Ring>,
        start_at: StartAt,
        piece: usize,
        watch: ViewerWatch,
        seat: Seat,
        counters: BodyCounters,
    ) -> Self {
        let news = Box::pin(ring.news().clone().notified_owned());
        Self {
            ring,
            cursor: Cursor::new(start_at),
            begun: false,
            needs_keyframe: true,
            is_of_other: false,
            video: None,
            audio: None,
            last: None,
            has_ended: false,
            pending: VecDeque::new(),
            piece: piece.max(1),
            news,
            watch,
            counters,
            _seat: seat,
        }
    }

    /// Tells when the viewer is to be closed.
    pub(crate) fn watch(&self) -> &ViewerWatch {
        &self.watch
    }

    /// The next bytes; `None` at the end of the broadcast.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.pop() {
                return Poll::Ready(Some(bytes));
            }
            // Listening starts before looking, so that nothing is missed in between.
            self.news.as_mut().enable();
            match self.look() {
                Found::Bytes => {}
                Found::End => {
                    self.has_ended = true;
                    return Poll::Ready(None);
                }
                Found::Nothing => match self.news.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        let news = self.ring.news().clone().notified_owned();
                        self.news.set(news);
                    }
                    Poll::Pending => {
                        self.watch.note_caught_up();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// The next bytes if they are there and no more than that.
    pub(crate) fn ready_bytes(&mut self, most: usize) -> Option<Bytes> {
        if self.pending.is_empty() {
            self.look();
        }
        let fits = self.pending.front()?.len() <= most;
        fits.then(|| self.pop()).flatten()
    }

    fn pop(&mut self) -> Option<Bytes> {
        let front = self.pending.front_mut()?;
        let bytes = if front.len() > self.piece {
            front.split_to(self.piece)
        } else {
            self.pending.pop_front()?
        };
        self.counters.sent.inc_by(bytes.len() as u64);
        self.watch.note_given(bytes.len() as u64);
        Some(bytes)
    }

    /// Reads on until something is pending.
    fn look(&mut self) -> Found {
        while self.pending.is_empty() {
            match self.ring.next(&mut self.cursor) {
                Next::Tag {
                    tag,
                    skipped,
                    is_of_other,
                } => {
                    if skipped {
                        self.counters.skips.inc();
                        self.needs_keyframe = true;
                    }
                    self.is_of_other |= is_of_other;
                    self.take(tag);
                }
                Next::End => return Found::End,
                Next::Wait => return Found::Nothing,
            }
        }
        Found::Bytes
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
        self.tell(&tag);
        if !matches!(tag.kind, TagKind::Audio(_)) {
            self.last = Some(LastPicture {
                tag: tag.bytes.clone(),
                time: tag.time,
                is_keyframe: matches!(tag.kind, TagKind::Keyframe(_)),
            });
        }
        self.pending.push_back(tag.bytes);
    }

    fn begin(&mut self, first: &Tag) {
        let has_video = matches!(first.kind, TagKind::Keyframe(_));
        let audio = match &first.kind {
            TagKind::Audio(config) => Some(config.clone()),
            TagKind::Keyframe(_) | TagKind::Picture => self.ring.audio(),
        };
        self.pending
            .push_back(flv::header(has_video, audio.is_some()));
        // Both sequence headers come first: some players wait for those that the file header
        // promises.
        if !has_video {
            return;
        }
        self.tell(first);
        if let Some(audio) = audio {
            self.pending
                .push_back(flv::audio_sequence_header(first.time, &audio));
            self.audio = Some(audio);
        }
    }

    /// Tells what decoding the tag needs, and what has changed.
    fn tell(&mut self, tag: &Tag) {
        match &tag.kind {
            TagKind::Picture => {}
            TagKind::Keyframe(config) => {
                let is_new = self.video.as_ref().is_none_or(|told| told != config);
                if is_new && let Some((told, last)) = self.video.as_ref().zip(self.last.as_ref()) {
                    let closing = flv::closing_tags(tag.time, told, last);
                    self.pending.extend(closing);
                }
                if is_new || std::mem::take(&mut self.is_of_other) {
                    self.is_of_other = false;
                    let audio = self.audio.clone().or_else(|| self.ring.audio());
                    self.tell_metadata(Some(config), audio.as_deref());
                }
                if is_new {
                    self.pending
                        .push_back(flv::video_sequence_header(tag.time, config));
                    self.video = Some(config.clone());
                }
            }
            TagKind::Audio(config) => {
                let is_new = self.audio.as_ref().is_none_or(|told| told != config);
                // A new publisher's pictures are waited for if the last one had some.
                let is_of_other = self.is_of_other && self.video.is_none();
                if is_new || is_of_other {
                    self.is_of_other &= !is_of_other;
                    let video = self.video.clone();
                    self.tell_metadata(video.as_deref(), Some(config));
                }
                if is_new {
                    self.pending
                        .push_back(flv::audio_sequence_header(tag.time, config));
                    self.audio = Some(config.clone());
                }
            }
        }
    }

    fn tell_metadata(&mut self, video: Option<&VideoConfig>, audio: Option<&AudioConfig>) {
        let frame_rate = video.and_then(|_| self.ring.frame_rate());
        self.pending.push_back(flv::metadata_tag(&Metadata {
            video,
            frame_rate,
            audio,
        }));
    }
}

impl Drop for FlvBody {
    fn drop(&mut self) {
        let reason = if self.watch.has_stalled() {
            "stalled"
        } else if self.watch.is_revoked() {
            "revoked"
        } else if self.has_ended {
            "ended"
        } else {
            "left"
        };
        if let Some(closed) = &self.counters.closed {
            closed.with_label_values(&[reason]).inc();
        }
        self.watch.note_gone();
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

    use packager::time::MediaTime;
    use prometheus::{IntGauge, Opts};

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
            closed: IntCounterVec::new(Opts::new("closed", "closed"), &["reason"]).ok(),
        }
    }

    fn body(ring: &Arc<Ring>, counters: &BodyCounters) -> FlvBody {
        let gauge = IntGauge::new("viewers", "viewers").unwrap();
        let seat = Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap();
        let watch = ViewerWatch::new(Duration::from_secs(10));
        FlvBody::new(
            ring.clone(),
            StartAt::Newest,
            usize::MAX,
            watch,
            seat,
            counters.clone(),
        )
    }

    fn ring() -> Arc<Ring> {
        Arc::new(Ring::new(RingLimits {
            max_bytes: 1 << 20,
            max_age: Duration::from_secs(6),
            max_lag: Duration::from_secs(3),
            max_gop: Duration::from_secs(30),
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
        let told = ["metadata", "video header", "key", "picture"];
        assert_eq!(read(&mut body), [&["sound"][..], &told].concat());
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
        let told = ["metadata", "video header", "key", "picture"];
        assert_eq!(seen, [&["empty picture"][..], &told].concat());
        // A picture that is no key frame does no harm there.
        ring.append([key(966), picture(999), other_key(1_033)]);
        let seen = read(&mut body);
        assert_eq!(
            seen,
            [&told[..], &["metadata", "video header", "key"]].concat()
        );
    }

    #[test]
    fn metadata_is_told_again_for_another_publisher() {
        let (ring, counters) = (ring(), counters());
        ring.set_publisher(None);
        ring.append([key(0), picture(33)]);
        let mut body = body(&ring, &counters);
        let begin = ["file header", "metadata", "video header", "key", "picture"];
        assert_eq!(read(&mut body), begin);
        ring.set_publisher(None);
        ring.append([sound(60), key(66), picture(99), key(133)]);
        // The first publisher announced no sound.
        let told = ["metadata", "audio header", "sound", "metadata", "key"];
        assert_eq!(read(&mut body), [&told[..], &["picture", "key"]].concat());
    }

    #[test]
    fn metadata_is_told_again_for_another_publisher_of_sound_alone() {
        let (ring, counters) = (ring(), counters());
        ring.set_publisher(None);
        ring.append([sound(0)]);
        let mut body = body(&ring, &counters);
        let begin = ["file header", "metadata", "audio header", "sound"];
        assert_eq!(read(&mut body), begin);
        ring.set_publisher(None);
        ring.append([sound(21), sound(43)]);
        assert_eq!(read(&mut body), ["metadata", "sound", "sound"]);
    }

    #[test]
    fn metadata_has_the_frame_rate_once_it_is_known() {
        let (ring, counters) = (ring(), counters());
        ring.append([key(0)]);
        ring.append((1..30).map(|n| picture(n * 40)));
        let mut body = body(&ring, &counters);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(_)) = body.poll_bytes(&mut cx) else {
            panic!("no file header");
        };
        let Poll::Ready(Some(metadata)) = body.poll_bytes(&mut cx) else {
            panic!("no metadata");
        };
        let config = video_config(SPS_640X360);
        let expected = flv::metadata_tag(&Metadata {
            video: Some(&config),
            frame_rate: Some(25),
            audio: None,
        });
        assert_eq!(metadata, expected);
    }

    #[test]
    fn large_tags_are_handed_out_in_pieces_and_ends_are_counted() {
        let (ring, counters) = (ring(), counters());
        ring.append([key(0)]);
        let mut body = body(&ring, &counters);
        body.piece = 4;
        let mut cx = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(bytes)) = body.poll_bytes(&mut cx) {
            assert!((1..=4).contains(&bytes.len()));
            all.extend_from_slice(&bytes);
        }
        assert!(all.starts_with(b"FLV") && all.ends_with(b"key"));
        assert_eq!(counters.sent.get(), all.len() as u64);
        drop(body);
        ring.close();
        let mut other = self::body(&ring, &counters);
        while let Poll::Ready(Some(_)) = other.poll_bytes(&mut cx) {}
        drop(other);
        for reason in ["left", "ended"] {
            let closed = counters.closed.as_ref().unwrap();
            assert_eq!(closed.with_label_values(&[reason]).get(), 1);
        }
    }
}
