//! A lesser picture of a publisher with simulcast, on its way into a variant of its own.

mod clock;

use std::time::{Duration, Instant};

use packager::frames::VideoFrame;
use packager::picture::{Picture, Pictures};
use packager::rtp::{MediaKind, RtpPacket, SenderReport};
use packager::time::MediaTime;
use packager::timeline::Timeline;
use packager::video::VideoCodec;

use super::inputs::VideoInput;
use super::keyframes::KeyframeWish;
use crate::metrics::Metrics;
use clock::LayerClock;

/// Without a packet for this long it is not asked for key frames: it is not sent.
const ABSENT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Layer {
    picture: Picture,
    /// What the publisher has of it: the same, or what comes nearest.
    source: Option<Picture>,
    input: VideoInput,
    clock: LayerClock,
    order: Order,
    wish: KeyframeWish,
    last_packet: Option<Instant>,
}

impl Layer {
    pub(super) fn new(picture: Picture, published: Pictures) -> Self {
        let source = published.nearest(picture);
        Self {
            picture,
            source,
            input: VideoInput::new(),
            clock: LayerClock::of(source),
            order: Order::default(),
            wish: KeyframeWish::default(),
            last_packet: None,
        }
    }

    /// Another publisher goes on, with these pictures.
    pub(super) fn handle_republish(&mut self, published: Pictures) {
        let source = published.nearest(self.picture);
        self.source = source;
        self.input.restart();
        self.clock = LayerClock::of(source);
        self.order.asked = None;
        self.wish.satisfy();
    }

    /// The publisher is gone.
    pub(super) fn handle_gone(&mut self) {
        self.wish.satisfy();
    }

    /// The publisher's picture that it takes.
    pub(super) fn source(&self) -> Option<Picture> {
        self.source
    }

    /// Takes a packet of its source.
    pub(super) fn push(
        &mut self,
        now: Instant,
        codec: VideoCodec,
        packet: RtpPacket,
        metrics: &Metrics,
    ) {
        self.last_packet = Some(now);
        self.clock.note_own(packet.time, packet.received);
        self.input.push(codec, packet, metrics);
        if self.input.needs_keyframe() {
            self.wish.want(now, Duration::ZERO);
        }
    }

    /// A packet of the large picture has this RTP time.
    pub(super) fn note_large(&mut self, time: u32, received: Instant) {
        self.clock.note_large(time, received);
    }

    /// Takes a sender report of one of the publisher's pictures.
    pub(super) fn handle_report(&mut self, picture: Picture, report: &SenderReport) {
        if picture == Picture::Large {
            self.clock.handle_large_report(report);
        }
        if self.source == Some(picture) {
            self.clock.handle_own_report(report);
        }
    }

    /// What comes from here on of one of the publisher's pictures is of another layer.
    pub(super) fn switch(&mut self, picture: Picture) {
        if self.source == Some(picture) {
            self.input.switch();
        }
        if picture == Picture::Large || self.source == Some(picture) {
            self.clock.restart();
        }
    }

    /// Wants a key frame to go on with.
    pub(super) fn want_keyframe(&mut self, now: Instant) {
        self.wish.want(now, Duration::ZERO);
    }

    /// The next frame, on the clock of the large picture.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        timeline: &Timeline,
        metrics: &Metrics,
    ) -> Option<VideoFrame> {
        let (clock, order) = (&mut self.clock, &mut self.order);
        let place = |time| {
            let on_large = clock.place(time)?;
            let media = timeline.time_beside(MediaKind::Video, on_large)?;
            Some(order.hold(time, media))
        };
        let (frame, _) = self.input.poll(now, place, metrics)?;
        if frame.is_keyframe {
            self.wish.satisfy();
        }
        Some(frame)
    }

    /// True if a key frame is to be asked for now.
    pub(super) fn poll_wish(&mut self, now: Instant) -> bool {
        if self.input.poll_doubt(now) {
            self.wish.want(now, Duration::ZERO);
        }
        let is_absent = self
            .last_packet
            .is_none_or(|last| now.saturating_duration_since(last) >= ABSENT);
        if is_absent {
            self.wish.satisfy();
        }
        self.wish.poll(now)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let times = [self.input.next_timeout(), self.wish.next_timeout()];
        times.into_iter().flatten().min()
    }

    /// Adds what was dropped since the last call to the metrics.
    pub(super) fn report(&mut self, metrics: &Metrics) {
        self.input.report(metrics);
    }
}

/// Keeps times from going back where their clock is moved; pictures that were sent out of the order
/// in which they are shown stay so.
#[derive(Debug, Default)]
struct Order {
    /// The latest RTP time so far.
    asked: Option<u32>,
    latest: MediaTime,
}

impl Order {
    fn hold(&mut self, time: u32, media: MediaTime) -> MediaTime {
        let is_latest = self
            .asked
            .is_none_or(|asked| time.wrapping_sub(asked) as i32 >= 0);
        if !is_latest {
            return media;
        }
        self.asked = Some(time);
        self.latest = self.latest.max(media);
        self.latest
    }
}
