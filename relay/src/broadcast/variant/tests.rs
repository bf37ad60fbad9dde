//! Variants of a publisher with simulcast, on virtual time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use packager::hls::{InitSection, Part, Segment, SegmenterConfig};
use packager::rtp::{Codec, MediaKind};
use prometheus::Registry;

use super::*;
use crate::broadcast::core::{Core, Media, Output};
use crate::broadcast::testing::{Publisher, SPS_320X180, SPS_640X360, Tone};
use crate::flv::{Tag, TagKind};
use crate::ingest::{IngestItem, Track};
use crate::metrics::Metrics;
use crate::transcoder::{AudioTranscoder, AudioWork};

/// What came out of one variant.
#[derive(Default)]
struct Shown {
    tags: Vec<Tag>,
    inits: Vec<InitSection>,
    before: u64,
    parts: Vec<Part>,
    segments: Vec<Segment>,
    dates: Vec<SystemTime>,
}

impl Shown {
    fn take(&mut self, media: Media) {
        match media {
            Media::Tag(tag) => self.tags.push(tag),
            Media::Init(init, before) => {
                if self.inits.is_empty() {
                    self.before = before;
                }
                self.inits.push(init);
            }
            Media::Part(part, date) => {
                self.dates.extend(date);
                self.parts.push(part);
            }
            Media::Segment(segment) => self.segments.push(segment),
        }
    }

    fn discontinuities(&self) -> u64 {
        let own = self.parts.iter().filter(|part| part.discontinuity);
        self.before + own.count() as u64
    }

    fn breaks(&self) -> Vec<u64> {
        let breaks = self.parts.iter().filter(|part| part.discontinuity);
        breaks.map(|part| part.start.as_millis()).collect()
    }

    fn pictures(&self) -> Vec<u64> {
        let tags = self.tags.iter();
        tags.filter(|tag| !matches!(tag.kind, TagKind::Audio(_)))
            .map(|tag| tag.time.as_millis())
            .collect()
    }
}

/// A broadcast whose publisher captures 30 pictures a second and sends each in two sizes.
struct Stage {
    start: Instant,
    now: Instant,
    core: Core,
    transcoder: AudioTranscoder,
    shown: Vec<Shown>,
    /// The publisher's own sound.
    opus: Shown,
    asked: Pictures,
    layers: Vec<(Picture, Publisher)>,
    /// Pictures by which key frames of the least size come later than those of the others.
    lag: u64,
    small_keyframe: Option<u64>,
    tone: Tone,
    picture: u64,
    packet: u64,
}

fn publication(layers: usize) -> Publication {
    Publication {
        tracks: Tracks::BOTH,
        pictures: Pictures::of_layers(layers),
    }
}

impl Stage {
    fn new(layers: usize) -> Self {
        let now = Instant::now();
        let metrics = Arc::new(Metrics::register(&Registry::new()).unwrap());
        let config = SegmenterConfig {
            part: Some(Duration::from_millis(250)),
            ..SegmenterConfig::default()
        };
        let core = Core::new(config, publication(layers), metrics, now, wall0());
        let variants = contents(publication(layers)).len();
        let mut stage = Self {
            start: now,
            now,
            core,
            transcoder: AudioTranscoder::new(128_000).unwrap(),
            shown: (0..variants).map(|_| Shown::default()).collect(),
            opus: Shown::default(),
            asked: Pictures::NONE,
            layers: Vec::new(),
            lag: 0,
            small_keyframe: None,
            tone: Tone::new(1_000.0),
            picture: 0,
            packet: 0,
        };
        stage.take_up(layers);
        stage
    }

    /// Another publisher starts now, with so many layers.
    fn republish(&mut self, layers: usize) {
        self.core.handle_republish(self.now, publication(layers));
        self.take_up(layers);
        self.drain();
    }

    fn take_up(&mut self, layers: usize) {
        (self.picture, self.packet) = (0, 0);
        self.start = self.now;
        let pictures = Pictures::of_layers(layers);
        let publisher = |picture: Picture| {
            let mut publisher = Publisher::new(self.now);
            publisher.video_base = 0xffff_0000_u32.wrapping_add(77_777 * picture.index() as u32);
            publisher.sps = match picture {
                Picture::Large => SPS_640X360,
                _ => SPS_320X180,
            };
            (picture, publisher)
        };
        self.layers = pictures.iter().map(publisher).collect();
    }

    /// Sends all that is captured before `until_ms`; `flows` says which pictures are sent.
    fn send(&mut self, until_ms: f64, flows: impl Fn(Picture, f64) -> bool) {
        loop {
            let (picture_ms, packet_ms) =
                (self.picture as f64 * 100.0 / 3.0, self.packet as f64 * 20.0);
            if picture_ms.min(packet_ms) >= until_ms {
                return;
            }
            if packet_ms < picture_ms {
                let opus = self.tone.frame(&|_| true);
                let item = self.layers[0].1.sound(packet_ms, &opus);
                self.packet += 1;
                self.feed(item);
                continue;
            }
            // As encoders do: a key frame that one layer is asked for is one of all layers.
            let asked = std::mem::replace(&mut self.asked, Pictures::NONE);
            let is_keyframe = !asked.is_empty() || self.picture == 0;
            if is_keyframe {
                self.small_keyframe = Some(self.picture + self.lag);
            }
            let is_small_keyframe = self.small_keyframe.take_if(|at| *at == self.picture);
            let reports = self.picture % 30 == 3;
            self.picture += 1;
            let mut items = Vec::new();
            // The least one is sent first.
            for (picture, publisher) in self.layers.iter_mut().rev() {
                let track = Track::Video(*picture);
                let is_keyframe = match picture {
                    Picture::Small => is_small_keyframe.is_some(),
                    _ => is_keyframe,
                };
                let size = if is_keyframe { 5_000 } else { 1_500 } / (1 + picture.index());
                let packets = publisher.picture(picture_ms, is_keyframe, size);
                if !flows(*picture, picture_ms) {
                    continue;
                }
                let packets = packets.into_iter().map(|item| on(track, item));
                items.extend(packets);
                if reports {
                    let kinds = publisher.reports(picture_ms).into_iter();
                    items.extend(kinds.filter_map(|item| match item {
                        IngestItem::SenderReport { track: of, report } => match of.kind() {
                            MediaKind::Video => Some(IngestItem::SenderReport { track, report }),
                            MediaKind::Audio if *picture == Picture::Large => {
                                Some(IngestItem::SenderReport { track: of, report })
                            }
                            MediaKind::Audio => None,
                        },
                        _ => None,
                    }));
                }
            }
            items.into_iter().for_each(|item| self.feed(item));
        }
    }

    fn feed(&mut self, item: IngestItem) {
        let received = match &item {
            IngestItem::Rtp { packet, .. } => packet.received,
            IngestItem::SenderReport { report, .. } => report.received,
            IngestItem::Switched { .. } => self.now,
        };
        while let Some(at) = self.core.next_timeout().filter(|at| *at <= received) {
            self.now = self.now.max(at);
            self.core.handle_timeout(self.now);
            self.drain();
        }
        self.now = self.now.max(received);
        self.core.handle_ingest(self.now, item);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Media(index, media) => self.shown[index].take(media),
                Output::Opus(media) => self.opus.take(media),
                Output::Audio(work) => {
                    let mut frames = Vec::new();
                    match work {
                        AudioWork::Opus { data, time } => {
                            self.transcoder.push(&data, time, &mut frames).unwrap();
                        }
                        AudioWork::Fill { from, until } => {
                            let filled = self.transcoder.fill_until(from, until, &mut frames);
                            filled.unwrap();
                        }
                        AudioWork::Restart => self.transcoder.restart().unwrap(),
                    }
                    for frame in frames {
                        self.core.handle_audio(self.now, frame);
                    }
                }
                Output::RequestKeyframe(pictures) => self.asked |= pictures,
                Output::Accepted | Output::NewSource | Output::NewSound => {}
                Output::OpusOver => panic!("no transcoder fails here"),
                Output::Refused(codec) => panic!("{codec:?}"),
            }
        }
    }

    /// Starts and lengths in ms of the segments of each variant.
    fn grid(&self) -> Vec<Vec<(u64, u128)>> {
        let of = |shown: &Shown| {
            let segments = shown.segments.iter();
            segments
                .map(|s| (s.start.as_millis(), s.duration.as_millis()))
                .collect()
        };
        self.shown.iter().map(of).collect()
    }

    /// Where in ms the discontinuities of each variant are.
    fn breaks(&self) -> Vec<Vec<u64>> {
        self.shown.iter().map(Shown::breaks).collect()
    }

    fn discontinuities(&self) -> Vec<u64> {
        self.shown.iter().map(Shown::discontinuities).collect()
    }
}

fn on(track: Track, item: IngestItem) -> IngestItem {
    match item {
        IngestItem::Rtp { codec, packet, .. } => IngestItem::Rtp {
            track,
            codec,
            packet,
        },
        other => other,
    }
}

fn wall0() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

const ALL: fn(Picture, f64) -> bool = |_, _| true;

#[test]
fn variants_are_the_pictures_and_the_sound() {
    let names = |layers| {
        let contents = contents(publication(layers)).into_iter();
        contents.map(Content::name).collect::<Vec<_>>()
    };
    assert_eq!(names(1), ["h"]);
    assert_eq!(names(2), ["h", "l", "audio"]);
    assert_eq!(names(3), ["h", "m", "l", "audio"]);
}

#[test]
fn segments_and_pictures_of_all_sizes_are_at_the_same_times() {
    let mut stage = Stage::new(3);
    stage.send(20_000.0, ALL);
    let grid = stage.grid();
    assert!(grid[0].len() >= 8, "{grid:?}");
    assert_eq!(grid[1], grid[0]);
    assert_eq!(grid[2], grid[0]);
    let [large, medium, small, sound] = &stage.shown[..] else {
        panic!("four variants");
    };
    for other in [medium, small] {
        assert_eq!(other.pictures(), large.pictures());
        assert_eq!(other.dates, large.dates);
        assert!(other.segments.iter().all(|segment| segment.is_independent));
    }
    assert_eq!(small.inits[0].size, Some((320, 180)));
    assert_eq!(large.inits[0].size, Some((640, 360)));
    assert_eq!(sound.inits[0].codecs, "mp4a.40.2");
    assert!(sound.segments.len() >= 8 && sound.pictures().is_empty());
    assert_eq!(stage.discontinuities(), [0; 4]);
    // The sound as it was sent is as far as that of AAC, and begins with it.
    let opus = &stage.opus;
    assert_eq!(opus.inits[0].codecs, "opus");
    assert_eq!(opus.segments.len(), sound.segments.len());
    let starts = opus.segments.iter().zip(&sound.segments);
    for (opus, sound) in starts {
        let apart = opus.start.ticks_since(sound.start).unsigned_abs();
        assert!(apart < 64 * 720, "{:?}, {:?}", opus.start, sound.start);
    }
    assert!(opus.tags.is_empty());
    assert_eq!(opus.discontinuities(), 0);
}

#[test]
fn what_breaks_in_one_variant_breaks_in_all_and_nothing_else_does() {
    let mut stage = Stage::new(2);
    // As browsers begin: the large picture comes once there is room for it. Until then the large
    // one of the broadcast is the small one of the publisher, which is all there is.
    let late = |picture, ms| picture == Picture::Small || ms >= 3_000.0;
    for (picture, publisher) in &mut stage.layers {
        if *picture == Picture::Large {
            publisher.sps = SPS_320X180;
        }
    }
    stage.send(3_000.0, ALL);
    assert_eq!(stage.discontinuities(), [0; 3]);
    stage.feed(IngestItem::Switched {
        track: Track::LARGE,
    });
    for (picture, publisher) in &mut stage.layers {
        if *picture == Picture::Large {
            publisher.sps = SPS_640X360;
        }
    }
    stage.asked = Pictures::of_layers(2);
    stage.lag = 12;
    stage.send(4_000.0, late);
    stage.lag = 0;
    stage.send(12_000.0, late);
    assert_eq!(stage.discontinuities(), [1; 3]);
    let breaks = stage.breaks();
    assert_eq!(breaks[1], breaks[0]);
    // Sound begins with the frame nearest to it.
    assert!(breaks[2][0].abs_diff(breaks[0][0]) <= 22, "{breaks:?}");
    assert_eq!(stage.opus.discontinuities(), 1);
    let opus = stage.opus.breaks()[0];
    assert!(opus.abs_diff(breaks[0][0]) <= 22, "{opus}, {breaks:?}");
    assert_eq!(stage.shown[0].inits.len(), 2);
    assert_eq!(stage.shown[1].inits.len(), 1);
    // They are in step again.
    let last = |shown: &Shown| shown.segments.last().map(|segment| segment.start);
    let (large, small) = (last(&stage.shown[0]), last(&stage.shown[1]));
    let apart = large.zip(small).map(|(a, b)| a.since(b).max(b.since(a)));
    assert!(
        apart < Some(Duration::from_millis(10)),
        "{:?}",
        stage.grid()
    );
}

#[test]
fn variants_go_on_with_a_publisher_that_has_one_size() {
    let mut stage = Stage::new(3);
    stage.send(7_000.0, ALL);
    let before: Vec<_> = stage.shown.iter().map(|s| s.segments.len()).collect();
    stage.republish(1);
    stage.send(9_000.0, ALL);
    assert_eq!(stage.discontinuities(), [1; 4]);
    assert_eq!(stage.opus.discontinuities(), 1);
    for (shown, before) in stage.shown.iter().zip(before) {
        assert!(shown.segments.len() >= before + 3);
        let starts = shown.segments.windows(2);
        assert!({ starts }.all(|pair| pair[0].start < pair[1].start));
    }
    let grid = stage.grid();
    assert_eq!(grid[1][5..], grid[0][5..]);
    stage.republish(2);
    stage.send(9_000.0, ALL);
    assert_eq!(stage.discontinuities(), [2; 4]);
    assert_eq!(stage.opus.discontinuities(), 2);
    assert_eq!(stage.opus.inits.len(), 1);
    let sizes = |index: usize| stage.shown[index].inits.last().and_then(|init| init.size);
    assert_eq!(
        [0, 1, 2].map(sizes),
        [(640, 360), (320, 180), (320, 180)].map(Some)
    );
}

#[test]
fn a_size_that_comes_late_begins_with_the_number_that_the_others_have() {
    let mut stage = Stage::new(2);
    let no_small = |picture, _| picture == Picture::Large;
    stage.send(7_000.0, no_small);
    stage.republish(2);
    stage.send(5_000.0, no_small);
    assert!(stage.shown[1].inits.is_empty() || stage.shown[1].pictures().is_empty());
    stage.send(12_000.0, ALL);
    assert_eq!(stage.discontinuities()[0], stage.discontinuities()[1]);
    assert!(!stage.shown[1].pictures().is_empty());
}

#[test]
fn another_codec_in_a_lesser_size_is_left_out() {
    let mut stage = Stage::new(2);
    stage.send(3_000.0, ALL);
    let before = stage.shown[1].pictures().len();
    let IngestItem::Rtp { packet, .. } = stage.layers[1].1.picture(3_000.0, true, 100).remove(0)
    else {
        panic!("a packet");
    };
    stage.feed(IngestItem::Rtp {
        track: Track::Video(Picture::Small),
        codec: Codec::Vp8,
        packet,
    });
    assert_eq!(stage.shown[1].pictures().len(), before);
}
