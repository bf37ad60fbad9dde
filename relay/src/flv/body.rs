//! One FLV viewer: a cursor, and which configurations it was told.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use packager::flv::{self, LastPicture, Metadata};
use packager::frames::AudioConfig;
use packager::video::VideoConfig;
use tokio::sync::Notify;

use super::ring::{Cursor, Next, Ring, Tag, TagKind};
use crate::limits::Seat;
use crate::viewer::{BodyCounters, Ended, Found, Reader, StartAt, ViewerBody, ViewerWatch};

/// The bytes of one viewer's stream.
pub(crate) type FlvBody = ViewerBody<TagReader>;

/// Where a viewer is in a [`Ring`], and what it knows of it.
#[derive(Debug)]
pub(crate) struct TagReader {
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
        let reader = TagReader {
            ring,
            cursor: Cursor::new(start_at),
            begun: false,
            needs_keyframe: true,
            is_of_other: false,
            video: None,
            audio: None,
            last: None,
        };
        Self::of(reader, piece, watch, seat, counters)
    }
}

impl Reader for TagReader {
    fn news(&self) -> &Arc<Notify> {
        self.ring.news()
    }

    fn look(&mut self, pending: &mut VecDeque<Bytes>, counters: &BodyCounters) -> Found {
        while pending.is_empty() {
            match self.ring.next(&mut self.cursor) {
                Next::Tag {
                    tag,
                    skipped,
                    is_of_other,
                } => {
                    if skipped {
                        counters.skips.inc();
                        self.needs_keyframe = true;
                    }
                    self.is_of_other |= is_of_other;
                    self.take(tag, pending, counters);
                }
                Next::End => return Found::End(Ended::Broadcast),
                Next::Wait => return Found::Nothing,
            }
        }
        Found::Bytes
    }
}

impl TagReader {
    fn take(&mut self, tag: Tag, pending: &mut VecDeque<Bytes>, counters: &BodyCounters) {
        match tag.kind {
            TagKind::Keyframe(_) => self.needs_keyframe = false,
            TagKind::Picture if self.needs_keyframe => {
                counters.undecodable.inc();
                return;
            }
            TagKind::Picture | TagKind::Audio(_) => {}
        }
        if !self.begun {
            self.begun = true;
            self.begin(&tag, pending);
        }
        self.tell(&tag, pending);
        if !matches!(tag.kind, TagKind::Audio(_)) {
            self.last = Some(LastPicture {
                tag: tag.bytes.clone(),
                time: tag.time,
                is_keyframe: matches!(tag.kind, TagKind::Keyframe(_)),
            });
        }
        pending.push_back(tag.bytes);
    }

    fn begin(&mut self, first: &Tag, pending: &mut VecDeque<Bytes>) {
        let has_video = matches!(first.kind, TagKind::Keyframe(_));
        let audio = match &first.kind {
            TagKind::Audio(config) => Some(config.clone()),
            TagKind::Keyframe(_) | TagKind::Picture => self.ring.audio(),
        };
        pending.push_back(flv::header(has_video, audio.is_some()));
        // Both sequence headers come first: some players wait for those that the file header
        // promises.
        if !has_video {
            return;
        }
        self.tell(first, pending);
        if let Some(audio) = audio {
            pending.push_back(flv::audio_sequence_header(first.time, &audio));
            self.audio = Some(audio);
        }
    }

    /// Tells what decoding the tag needs, and what has changed.
    fn tell(&mut self, tag: &Tag, pending: &mut VecDeque<Bytes>) {
        match &tag.kind {
            TagKind::Picture => {}
            TagKind::Keyframe(config) => {
                let is_new = self.video.as_ref().is_none_or(|told| told != config);
                if is_new && let Some((told, last)) = self.video.as_ref().zip(self.last.as_ref()) {
                    let closing = flv::closing_tags(tag.time, told, last);
                    pending.extend(closing);
                }
                if is_new || std::mem::take(&mut self.is_of_other) {
                    self.is_of_other = false;
                    let audio = self.audio.clone().or_else(|| self.ring.audio());
                    pending.push_back(self.metadata(Some(config), audio.as_deref()));
                }
                if is_new {
                    pending.push_back(flv::video_sequence_header(tag.time, config));
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
                    pending.push_back(self.metadata(video.as_deref(), Some(config)));
                }
                if is_new {
                    pending.push_back(flv::audio_sequence_header(tag.time, config));
                    self.audio = Some(config.clone());
                }
            }
        }
    }

    fn metadata(&self, video: Option<&VideoConfig>, audio: Option<&AudioConfig>) -> Bytes {
        let frame_rate = video.and_then(|_| self.ring.frame_rate());
        flv::metadata_tag(&Metadata {
            video,
            frame_rate,
            audio,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use packager::time::MediaTime;
    use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

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
        in_pieces(ring, counters, usize::MAX)
    }

    fn in_pieces(ring: &Arc<Ring>, counters: &BodyCounters, piece: usize) -> FlvBody {
        let gauge = IntGauge::new("viewers", "viewers").unwrap();
        let seat = Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap();
        let watch = ViewerWatch::new(Duration::from_secs(10));
        FlvBody::new(
            ring.clone(),
            StartAt::Newest,
            piece,
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
        let mut body = in_pieces(&ring, &counters, 4);
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
