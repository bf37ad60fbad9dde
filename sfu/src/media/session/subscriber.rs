//! A session that receives streams.

use packager::rtp::{Codec, MediaKind};
use relay::StreamId;
use std::time::Instant;
use str0m::Rtc;
use str0m::media::Mid;

use super::writer::Writer;
use super::{Session, Side};
use crate::media::counters::DropReason;
use crate::media::demand::Wish;
use crate::media::forward::place::{Layers, Target};
use crate::media::forward::subscription::Subscription;
use crate::media::loudest::{Heard, Stage, Voice};
use crate::media::packet::{MAX_PAYLOAD, MediaPacket, StreamKey};
use crate::media::slots::SlotKey;
use packager::picture::Picture;

/// What one session is sent. A WHEP session has one feed and the lines of its own offer; one that
/// the server makes offers to has a feed for each stream, and lines that change hands.
#[derive(Default)]
pub(crate) struct Subscriber {
    pub(crate) feeds: Vec<Feed>,
    /// In the order of the m-lines; never shortened.
    pub(super) lines: Vec<Line>,
    /// Whose sound is heard, where there are many.
    pub(super) stage: Stage,
}

/// A stream on its way to one session.
pub(crate) struct Feed {
    pub(crate) stream: StreamId,
    pub(crate) room: SlotKey,
    pub(crate) wish: Wish,
    /// What it gets of the video: the picture that is wanted or, where the link does not carry
    /// that, a lesser one or none.
    pub(crate) given: Option<Picture>,
    /// That is without its highest temporal layer.
    pub(crate) is_thinned: bool,
    /// Its client was told that the link carries no picture of it.
    paused: bool,
    /// Indices of the lines that carry its audio and video now.
    pub(super) audio: Option<usize>,
    pub(super) video: Option<usize>,
}

/// One m-line.
pub(super) struct Line {
    pub(super) mid: Mid,
    pub(super) kind: MediaKind,
    pub(super) carries: Carries,
    /// There once the line has been negotiated, until it is free again.
    pub(super) outgoing: Option<Outgoing>,
}

/// What an m-line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carries {
    Stream(StreamId),
    /// Offered as inactive, and not answered yet.
    Leaving,
    Nothing,
}

/// One outgoing RTP stream.
pub(super) struct Outgoing {
    pub(super) subscription: Subscription,
    pub(super) writer: Writer,
    /// What comes in this codec, which the client does not have, and that was told.
    pub(super) missed: Option<Codec>,
}

/// What went out to one subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) packets: u64,
    /// Of their payloads, without what is repeated.
    pub(crate) bytes: u64,
    /// Packets of sound that were sent with those before them.
    pub(crate) redundant: u64,
}

impl Written {
    fn note(&mut self, packet: &MediaPacket) {
        self.packets += 1;
        self.bytes += packet.payload.len() as u64;
    }
}

impl Feed {
    pub(crate) fn new(stream: StreamId, room: SlotKey, wish: Wish) -> Self {
        Self {
            stream,
            room,
            wish,
            given: wish.video,
            is_thinned: false,
            paused: false,
            audio: None,
            video: None,
        }
    }

    /// What it gets of what it wants.
    pub(crate) fn served(&self) -> Wish {
        Wish {
            audio: self.wish.audio,
            video: self.given,
        }
    }

    /// True if its video has paused for want of bandwidth since the last call, false if it goes on.
    fn take_pause(&mut self) -> Option<bool> {
        let paused = self.wish.video.is_some() && self.given.is_none();
        let before = std::mem::replace(&mut self.paused, paused);
        (paused != before).then_some(paused)
    }

    /// Changes what is wanted. A better picture than before is not given yet.
    pub(super) fn set_wish(&mut self, wish: Wish) {
        self.given = match (self.wish.video, self.given) {
            (Some(_), given) => wish.video.and_then(|best| Some(best.max(given?))),
            (None, _) => wish.video,
        };
        self.wish = wish;
    }

    pub(super) fn line(&self, kind: MediaKind) -> Option<usize> {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }

    pub(super) fn set_line(&mut self, kind: MediaKind, line: Option<usize>) {
        match kind {
            MediaKind::Audio => self.audio = line,
            MediaKind::Video => self.video = line,
        }
    }
}

impl Subscriber {
    fn outgoing(&self, feed: usize, kind: MediaKind) -> Option<&Outgoing> {
        let line = self.feeds.get(feed)?.line(kind)?;
        self.lines.get(line)?.outgoing.as_ref()
    }

    fn outgoing_mut(&mut self, feed: usize, kind: MediaKind) -> Option<&mut Outgoing> {
        let line = self.feeds.get(feed)?.line(kind)?;
        self.lines.get_mut(line)?.outgoing.as_mut()
    }

    /// Stops the video of a feed until it is entered again. Nothing of it is sent again either: the
    /// link has no room for what no decoder waits for.
    pub(super) fn pause(&mut self, rtc: &mut Rtc, feed: usize) {
        if let Some(outgoing) = self.outgoing_mut(feed, MediaKind::Video) {
            outgoing.subscription.restart();
            outgoing.writer.give_up_repair(rtc);
        }
    }

    /// Packets written on a media section.
    pub(super) fn sent(&self, mid: Mid) -> u64 {
        let line = self.lines.iter().find(|l| l.mid == mid);
        line.and_then(|l| l.outgoing.as_ref())
            .map_or(0, |o| o.writer.sent)
    }

    /// True if the media section carries sound.
    pub(super) fn is_sound(&self, mid: Mid) -> bool {
        let line = self.lines.iter().find(|l| l.mid == mid);
        line.is_some_and(|l| l.kind == MediaKind::Audio)
    }

    /// As many sounds as are sent at most, each counted as often as it is sent with `repeated`
    /// packets in each.
    pub(super) fn sounds(&self, repeated: usize) -> usize {
        let wanted = self.feeds.iter().filter(|feed| feed.wish.audio).count();
        let mut outgoing = self.lines.iter().filter_map(|l| l.outgoing.as_ref());
        let times = match outgoing.any(|o| o.writer.payload_types.red.is_some()) {
            true => 1 + repeated,
            false => 1,
        };
        wanted.min(self.stage.limit()) * times
    }

    fn refill(&mut self, rtc: &mut Rtc) -> bool {
        let mut any = false;
        for line in &mut self.lines {
            if let Some(outgoing) = &mut line.outgoing {
                any |= outgoing.writer.refill(rtc);
            }
        }
        any
    }
}

impl Session {
    /// The index of the feed from a room.
    pub(crate) fn feed_from(&self, room: SlotKey) -> Option<usize> {
        match &self.side {
            Side::Subscriber(s) => s.feeds.iter().position(|f| f.room == room),
            Side::Publisher(_) => None,
        }
    }

    /// The streams whose video has paused for want of bandwidth since the last call, or goes on.
    pub(crate) fn take_pauses(&mut self) -> Vec<(StreamId, bool)> {
        let Side::Subscriber(subscriber) = &mut self.side else {
            return Vec::new();
        };
        let feeds = subscriber.feeds.iter_mut();
        feeds
            .filter_map(|feed| Some((feed.take_pause()?, feed.stream.clone())))
            .map(|(paused, stream)| (stream, paused))
            .collect()
    }

    /// True if the session receives several streams: it is drained once for all of them.
    pub(crate) fn has_many_feeds(&self) -> bool {
        matches!(&self.side, Side::Subscriber(s) if s.feeds.len() > 1)
    }

    /// Whether a packet of sound is heard beside that of the other feeds. What is not is left out
    /// without a trace.
    pub(crate) fn hears(&mut self, feed: usize, voice: &Voice, now: Instant) -> Heard {
        let Side::Subscriber(subscriber) = &mut self.side else {
            return Heard::Yes;
        };
        let (feeds, limit) = (&subscriber.feeds, subscriber.stage.limit());
        let is_sent = feeds.get(feed).is_some_and(|feed| feed.audio.is_some());
        let has_many = || feeds.iter().filter(|f| f.audio.is_some()).count() > limit;
        if !self.connected || !is_sent || feeds.len() <= limit || !has_many() {
            return Heard::Yes;
        }
        let room = feeds[feed].room;
        let heard = subscriber.stage.admit(now, room, voice);
        if heard == Heard::No
            && let Some(outgoing) = subscriber.outgoing_mut(feed, MediaKind::Audio)
        {
            outgoing.subscription.hold();
        }
        heard
    }

    /// Passes a packet on to this subscriber if it may have it; see [`Subscription::pass`]. To be
    /// drained afterwards.
    pub(crate) fn forward(
        &mut self,
        feed: usize,
        packet: &MediaPacket,
        target: Option<Target>,
        cached: Option<&[MediaPacket]>,
        now: Instant,
    ) -> Result<Written, DropReason> {
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(DropReason::PayloadTooLarge);
        }
        if !self.connected {
            return Err(DropReason::NotConnected);
        }
        let Side::Subscriber(subscriber) = &mut self.side else {
            return Err(DropReason::UnknownMedia);
        };
        let Some(outgoing) = subscriber.outgoing_mut(feed, packet.kind) else {
            let wish = subscriber.feeds.get(feed).map(|f| f.wish);
            return Err(match wish.is_some_and(|w| w.has(packet.kind)) {
                true => DropReason::CodecNotNegotiated,
                false => DropReason::NotWanted,
            });
        };
        if outgoing.writer.payload_types.of(packet.codec).is_none() {
            return Err(DropReason::CodecNotNegotiated);
        }
        outgoing.missed = None;
        let (writer, rtc) = (&mut outgoing.writer, &mut self.rtc);
        let repeated = self.redundancy.repeated();
        let mut written = Written::default();
        outgoing
            .subscription
            .pass(packet, target, cached, now, |packet, numbers| {
                written.note(packet);
                let any = writer.write(rtc, packet, numbers, repeated);
                written.redundant += u64::from(any);
            })?;
        Ok(written)
    }

    /// The stream of a packet that was not forwarded because a receiver has answered without its
    /// codec; the first time only.
    pub(crate) fn misses(&mut self, feed: usize, packet: &MediaPacket) -> Option<StreamId> {
        if !self.is_receiver() {
            return None;
        }
        let Side::Subscriber(subscriber) = &mut self.side else {
            return None;
        };
        let outgoing = subscriber.outgoing_mut(feed, packet.kind)?;
        let is_known = outgoing.writer.payload_types.of(packet.codec).is_some();
        if is_known || outgoing.missed.replace(packet.codec) == Some(packet.codec) {
            return None;
        }
        Some(subscriber.feeds.get(feed)?.stream.clone())
    }

    /// Keeps as much of a feed's video for repair as is of use at so many bits a second. To be called
    /// before it is entered: what was sent so far is forgotten if it is to be more than before.
    pub(crate) fn keep_for_repair(&mut self, feed: usize, bps: u64) {
        if let Side::Subscriber(subscriber) = &mut self.side
            && let Some(outgoing) = subscriber.outgoing_mut(feed, MediaKind::Video)
        {
            outgoing.writer.keep_for(&mut self.rtc, bps);
        }
    }

    /// Lets a feed in to some layers at the cached start of a group of pictures.
    pub(crate) fn enter(
        &mut self,
        feed: usize,
        cached: &[MediaPacket],
        layers: Layers,
        now: Instant,
    ) -> Written {
        let mut written = Written::default();
        let Side::Subscriber(subscriber) = &mut self.side else {
            return written;
        };
        let Some(outgoing) = subscriber.outgoing_mut(feed, MediaKind::Video) else {
            return written;
        };
        let table = &outgoing.writer.payload_types;
        let known = |p: &MediaPacket| table.of(p.codec).is_some();
        if !self.connected || !cached.iter().all(known) {
            return written;
        }
        let (writer, rtc) = (&mut outgoing.writer, &mut self.rtc);
        let subscription = &mut outgoing.subscription;
        subscription.enter(cached, layers, now, |packet, numbers| {
            written.note(packet);
            writer.write(rtc, packet, numbers, 0);
        });
        written
    }

    /// Takes the part of packets that the link has lost lately.
    pub(crate) fn note_loss(&mut self, now: Instant, loss: Option<f32>) {
        if let Some(loss) = loss {
            self.redundancy.note(now, loss);
        }
    }

    /// The incoming stream that a feed is sent.
    pub(crate) fn follows(&self, feed: usize, kind: MediaKind) -> Option<StreamKey> {
        match &self.side {
            Side::Subscriber(s) => s.outgoing(feed, kind)?.subscription.current(),
            Side::Publisher(_) => None,
        }
    }

    /// Writes what has waited for a drain. True if the session is to be drained again.
    pub(crate) fn refill(&mut self) -> bool {
        match &mut self.side {
            Side::Subscriber(subscriber) => subscriber.refill(&mut self.rtc),
            Side::Publisher(_) => false,
        }
    }

    /// True if a feed has video and has to wait for a key frame of `target`.
    pub(crate) fn awaits_video(&self, feed: usize, target: Option<Target>) -> bool {
        match &self.side {
            Side::Subscriber(s) => s
                .outgoing(feed, MediaKind::Video)
                .is_some_and(|v| v.subscription.awaits(target)),
            Side::Publisher(_) => false,
        }
    }

    /// True if a feed has fewer spatial layers of the stream that it is sent than it should have.
    pub(crate) fn awaits_layers(&self, feed: usize, target: Option<Target>) -> bool {
        match &self.side {
            Side::Subscriber(s) => s
                .outgoing(feed, MediaKind::Video)
                .is_some_and(|v| v.subscription.awaits_layers(target)),
            Side::Publisher(_) => false,
        }
    }

    /// True if what a feed is given is without its highest temporal layer.
    pub(crate) fn is_thinned(&self, feed: usize) -> bool {
        self.feeds().get(feed).is_some_and(|feed| feed.is_thinned)
    }

    /// Leaves the highest temporal layer of what a feed is given out, or not any more.
    pub(crate) fn set_thinned(&mut self, feed: usize, is_thinned: bool) {
        if let Side::Subscriber(subscriber) = &mut self.side
            && let Some(feed) = subscriber.feeds.get_mut(feed)
        {
            feed.is_thinned = is_thinned;
        }
    }

    /// The picture that a feed is given.
    pub(crate) fn picture(&self, feed: usize) -> Option<Picture> {
        self.feeds().get(feed)?.given
    }

    /// The room whose video the media section carries, and which picture of it.
    pub(crate) fn video_of(&self, mid: Mid) -> Option<(SlotKey, Picture)> {
        let Side::Subscriber(s) = &self.side else {
            return None;
        };
        let line = s.lines.iter().position(|l| l.mid == mid)?;
        let feed = s.feeds.iter().find(|f| f.video == Some(line))?;
        Some((feed.room, feed.given?))
    }
}
