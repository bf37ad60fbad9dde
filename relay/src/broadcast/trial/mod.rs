//! Trials: the core between a publisher and viewers that know the truth, for hours of virtual
//! time.
//!
//! The publisher's clocks drift, the way to the relay loses, delays and repeats packets, and every
//! picture and sound carries the time of its capture. What comes out is read back by readers that
//! share nothing with the writers.

mod dice;
mod hours;
mod ledger;
mod link;
mod loss;
mod playlists;
mod publisher;
mod readers;
mod scenes;
mod seasons;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use packager::hls::SegmenterConfig;
use packager::rtp::Tracks;
use prometheus::Registry;

use super::core::{Core, Media, Output};
use crate::hls::Store;
use crate::metrics::Metrics;
use ledger::Ledger;
use link::{Link, Way};
use playlists::{Of, Playlists};
use publisher::{Habits, Publisher};
use verdict::Verdict;

/// Nanoseconds of the truth.
type Nanos = u64;
const SECOND: Nanos = 1_000_000_000;
const MILLISECOND: Nanos = 1_000_000;

/// A broadcast and its publisher.
struct Trial {
    origin: Instant,
    now: Nanos,
    core: Core,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    publisher: Publisher,
    link: Link,
    way: Way,
    seed: u64,
    epoch: u8,
    /// When requests for key frames reach the publisher.
    wishes: Vec<Nanos>,
    init: Vec<u8>,
    inits: usize,
    verdict: Verdict,
    /// What HLS players see, if that is looked at.
    store: Option<Store>,
    playlists: Playlists,
    /// Those of all that is kept.
    windows: Playlists,
    /// The same of the publisher's own sound.
    opus: Option<Store>,
    opus_playlists: Playlists,
    opus_windows: Playlists,
    /// Where the samples of that end, and what was wrong with them.
    opus_end: Option<u64>,
    opus_wrong: Vec<String>,
}

impl Trial {
    fn new(habits: Habits, way: Way, seed: u64) -> Self {
        Self::with_tracks(habits, way, seed, Tracks::BOTH)
    }

    fn with_tracks(habits: Habits, way: Way, seed: u64, tracks: Tracks) -> Self {
        let origin = Instant::now();
        let metrics = Arc::new(Metrics::register(&Registry::new()).expect("metrics"));
        let segmenter = SegmenterConfig {
            part: Some(Duration::from_millis(250)),
            ..SegmenterConfig::default()
        };
        let mut publisher = Publisher::new(habits, 1, 0);
        publisher.has_camera = tracks.video;
        Trial {
            origin,
            now: 0,
            core: Core::new(
                segmenter,
                tracks.into(),
                metrics.clone(),
                origin,
                SystemTime::UNIX_EPOCH,
            ),
            ledger: Ledger::default(),
            metrics,
            publisher,
            link: Link::new(way, seed),
            way,
            seed,
            epoch: 1,
            wishes: Vec::new(),
            init: Vec::new(),
            inits: 0,
            verdict: Verdict::default(),
            store: None,
            playlists: Playlists::default(),
            windows: Playlists::of(Of::Window),
            opus: None,
            opus_playlists: Playlists::default(),
            opus_windows: Playlists::of(Of::Window),
            opus_end: None,
            opus_wrong: Vec::new(),
        }
    }

    /// Another publisher takes over: other streams, other clocks.
    fn republish(&mut self, habits: Habits) {
        self.epoch += 1;
        self.publisher = Publisher::new(habits, self.epoch, self.now);
        self.link = Link::new(self.way, self.seed + u64::from(self.epoch));
        self.core
            .handle_republish(self.instant(), Tracks::BOTH.into());
        self.drain();
    }

    /// The publisher is gone, and with it what is under way.
    fn disconnect(&mut self) {
        self.publisher.has_camera = false;
        self.publisher.microphone = publisher::Microphone::Off;
        self.link = Link::new(self.way, self.seed);
        self.core.handle_publisher_gone();
    }

    /// Lets time pass up to `seconds` of the truth.
    fn run(&mut self, seconds: f64) {
        let until = (seconds * 1e9) as Nanos;
        let mut at_once = 0;
        loop {
            let timeout = self.core.next_timeout().map(|at| {
                let after = at.saturating_duration_since(self.origin).as_nanos();
                u64::try_from(after).unwrap_or(u64::MAX)
            });
            let sends = self.publisher.next_time();
            let arrives = self.link.next_time();
            let next = [timeout, sends, arrives].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return;
            };
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < 10_000, "time stands still at {next}");
            self.now = self.now.max(next);
            if arrives == Some(next) {
                if let Some(item) = self.link.arrive(next, self.origin) {
                    let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.now);
                    self.core.handle_wall_clock(self.instant(), wall);
                    self.core.handle_ingest(self.instant(), item);
                }
            } else if sends == Some(next) {
                let asked = self.wishes.iter().any(|at| *at <= next);
                self.publisher.wants_keyframe |= asked;
                self.wishes.retain(|at| *at > next);
                for item in self.publisher.send(self.origin) {
                    self.link.send(next, item);
                }
            } else {
                self.core.handle_timeout(self.instant());
            }
            self.drain();
        }
    }

    fn instant(&self) -> Instant {
        self.origin + Duration::from_nanos(self.now)
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Media(_, Media::Tag(tag)) => {
                    self.verdict.tag(self.now, &tag.bytes);
                }
                Output::Media(_, Media::Init(init, _)) => {
                    self.init = init.data.to_vec();
                    self.inits += 1;
                    self.store
                        .iter()
                        .for_each(|store| store.push_init(init.clone()));
                }
                Output::Media(_, Media::Part(part, wall)) => {
                    self.verdict.part(&self.init, &part, wall.is_some());
                    self.store
                        .iter()
                        .for_each(|store| store.push_part(&part, wall));
                }
                Output::Media(_, Media::Segment(segment)) => {
                    self.verdict.segments += 1;
                    self.store
                        .iter()
                        .for_each(|store| store.push_segment(&segment));
                }
                Output::Opus(media) => self.take_opus(media),
                Output::RequestKeyframe(_) => self.wishes.push(self.now + self.way.round_trip / 2),
                Output::Audio(work) => {
                    for frame in self.ledger.work(&work) {
                        self.core.handle_audio(self.instant(), frame);
                    }
                }
                Output::OpusOver => panic!("no transcoder fails here"),
                Output::Accepted | Output::Refused(_) | Output::NewSource | Output::NewSound => {}
            }
        }
        if let Some(store) = &self.store {
            self.playlists.look(store);
            self.windows.look(store);
        }
        if let Some(store) = &self.opus {
            self.opus_playlists.look(store);
            self.opus_windows.look(store);
        }
    }

    /// Packets of the publisher's own sound follow each other, each as long as it plays.
    fn take_opus(&mut self, media: Media) {
        match media {
            Media::Tag(_) => self.opus_wrong.push("a tag of FLV".to_owned()),
            Media::Init(init, before) => {
                self.opus.iter().for_each(|store| {
                    store.begin_after(before);
                    store.push_init(init.clone());
                });
            }
            Media::Part(part, wall) => {
                for (start, samples, packet) in readers::sounds(&part.data) {
                    let plays = packager::opus::samples(&packet).ok().map(u64::from);
                    if plays != Some(samples) || self.opus_end.is_some_and(|end| end != start) {
                        self.opus_wrong.push(format!(
                            "{packet:02x?} of {samples} at {start}, after {:?}",
                            self.opus_end
                        ));
                    }
                    self.opus_end = Some(start + samples);
                }
                self.opus
                    .iter()
                    .for_each(|store| store.push_part(&part, wall));
            }
            Media::Segment(segment) => {
                self.opus
                    .iter()
                    .for_each(|store| store.push_segment(&segment));
            }
        }
    }
}
