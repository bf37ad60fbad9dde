//! A stream on its way to another worker, which gets what its subscribers want and nothing else.

use std::time::Instant;

use packager::rtp::MediaKind;

use super::counters::DropReason;
use super::demand::Wants;
use super::forward::layer::LayerSelector;
use super::forward::place::Target;
use super::forward::rewrite::Rewritten;
use super::forward::subscription::Subscription;
use super::packet::{MediaPacket, StreamKey};
use packager::picture::{Picture, Pictures};

/// One lane: the audio, and an RTP stream for each picture that is wanted. Pictures for which the
/// same layer is followed share one.
pub(crate) struct Lane {
    /// Never used twice by a worker: what another lane sent before has other numbers.
    id: u32,
    pub(crate) worker: usize,
    pub(crate) expires: Instant,
    wants: Wants,
    audio: Subscription,
    videos: [Subscription; Picture::COUNT],
    /// Not wanted any more, and sent until those who had them can have what they want instead.
    retiring: Pictures,
}

impl Lane {
    /// A lane that carries nothing.
    pub(crate) fn new(id: u32, worker: usize, expires: Instant) -> Self {
        let first = Rewritten { seq: 0, time: 0 };
        Self {
            id,
            worker,
            expires,
            wants: Wants::default(),
            audio: Subscription::new(MediaKind::Audio, first),
            videos: Picture::ALL.map(|_| Subscription::new(MediaKind::Video, first)),
            retiring: Pictures::NONE,
        }
    }

    pub(crate) fn wants(&self, picture: Picture) -> bool {
        self.wants.pictures.has(picture)
    }

    /// The best picture that would be taken there if no link were too narrow for it.
    pub(crate) fn best(&self) -> Option<Picture> {
        self.wants.best
    }

    /// Changes what is wanted. Gives the pictures that were not wanted before.
    pub(crate) fn set_wants(&mut self, wants: Wants) -> Pictures {
        let before = std::mem::replace(&mut self.wants, wants);
        if before.audio && !wants.audio {
            self.audio.restart();
        }
        self.retiring = (self.retiring | before.pictures).without(wants.pictures);
        if wants.pictures.is_empty() {
            self.retire();
        }
        wants.pictures.without(before.pictures)
    }

    /// Enters the layer for a picture at its cached key frame. False if the picture needs another
    /// key frame.
    pub(crate) fn enter(
        &mut self,
        picture: Picture,
        layers: &LayerSelector,
        cached: Option<&[MediaPacket]>,
        now: Instant,
        mut emit: impl FnMut(MediaPacket, Pictures),
    ) -> bool {
        if !self.awaited(layers).has(picture) {
            return true;
        }
        let (Some(cached), Some(target)) = (cached, layers.target(picture)) else {
            return false;
        };
        let serves = self.served(picture, layers);
        let key = lane_key(self.id, Some(picture));
        let video = &mut self.videos[picture.index()];
        video.enter(cached, target.layers, now, |packet, numbers| {
            emit(relabelled(packet, key, numbers), serves);
        }) > 0
    }

    /// Passes a packet on; see [`Subscription::pass`]. `emit` is told which pictures it serves.
    /// Gives the pictures that wait for a key frame.
    pub(crate) fn pass(
        &mut self,
        packet: &MediaPacket,
        layers: &LayerSelector,
        cached: Option<&[MediaPacket]>,
        now: Instant,
        mut emit: impl FnMut(MediaPacket, Pictures),
        mut dropped: impl FnMut(DropReason),
    ) -> Pictures {
        let mut awaiting = Pictures::NONE;
        if packet.kind == MediaKind::Audio {
            if self.wants.audio {
                let key = lane_key(self.id, None);
                let emit = |packet: &MediaPacket, numbers| {
                    emit(relabelled(packet, key, numbers), Pictures::NONE);
                };
                let target = Some(Target::whole(packet.stream));
                let passed = self.audio.pass(packet, target, None, now, emit);
                passed.map_or_else(dropped, |_| ());
            }
            return awaiting;
        }
        for picture in self.wants.pictures.iter() {
            if self.carrier(picture, layers) != picture {
                self.videos[picture.index()].restart();
                continue;
            }
            let serves = self.served(picture, layers);
            let key = lane_key(self.id, Some(picture));
            let video = &mut self.videos[picture.index()];
            let emit = |packet: &MediaPacket, numbers| {
                emit(relabelled(packet, key, numbers), serves);
            };
            let target = layers.target(picture);
            if let Err(reason) = video.pass(packet, target, cached, now, emit) {
                if reason == DropReason::AwaitingKeyframe {
                    awaiting.insert(picture);
                }
                dropped(reason);
            }
            if video.awaits_layers(target) {
                awaiting.insert(picture);
            }
        }
        if !self.retiring.is_empty() {
            for picture in self.retiring.iter() {
                let key = lane_key(self.id, Some(picture));
                let emit = |packet: &MediaPacket, numbers| {
                    emit(relabelled(packet, key, numbers), Pictures::NONE);
                };
                // What does not pass has no reason: nobody wants it.
                let _ = self.videos[picture.index()].pass(packet, None, None, now, emit);
            }
            if self.awaited(layers).is_empty() {
                self.retire();
            }
        }
        awaiting
    }

    /// The pictures that have to wait for a key frame.
    pub(crate) fn awaited(&self, layers: &LayerSelector) -> Pictures {
        let awaits = |picture: &Picture| {
            self.carrier(*picture, layers) == *picture
                && self.videos[picture.index()].awaits(layers.target(*picture))
        };
        self.wants.pictures.iter().filter(awaits).collect()
    }

    /// Something of a stream of the lane was lost: it goes on at a key frame. The picture, if one
    /// is wanted.
    pub(crate) fn restart(&mut self, stream: StreamKey) -> Option<Picture> {
        let picture = picture_of(stream)?;
        self.videos[picture.index()].restart();
        self.wants(picture).then_some(picture)
    }

    fn retire(&mut self) {
        for picture in std::mem::take(&mut self.retiring).iter() {
            self.videos[picture.index()].restart();
        }
    }

    /// The picture whose RTP stream this one has: its own, or that of a better one which has
    /// entered the layer that this one should follow.
    fn carrier(&self, picture: Picture, layers: &LayerSelector) -> Picture {
        let target = layers.target(picture);
        let has_entered =
            |other: &Picture| target.is_some() && self.videos[other.index()].source() == target;
        let mut better = self.wants.pictures.iter().take_while(|p| *p != picture);
        better.find(has_entered).unwrap_or(picture)
    }

    /// The pictures that the RTP stream of this one serves.
    fn served(&self, carrier: Picture, layers: &LayerSelector) -> Pictures {
        let is_served = |picture: &Picture| self.carrier(*picture, layers) == carrier;
        self.wants.pictures.iter().filter(is_served).collect()
    }
}

fn relabelled(packet: &MediaPacket, stream: StreamKey, numbers: Rewritten) -> MediaPacket {
    MediaPacket {
        stream,
        seq: numbers.seq,
        time: numbers.time,
        ..packet.clone()
    }
}

/// The keys of the streams that a lane carries, apart from those of streams that arrive here.
fn lane_key(lane: u32, picture: Option<Picture>) -> StreamKey {
    let track = picture.map_or(0, |picture| 1 + picture.index() as u32);
    StreamKey(1 << 31 | lane << TRACK_BITS | track)
}

/// The picture that a stream of a lane was begun for. It may serve others as well.
pub(crate) fn picture_of(stream: StreamKey) -> Option<Picture> {
    let track = stream.0 & ((1 << TRACK_BITS) - 1);
    let index = (track as usize).checked_sub(1)?;
    Picture::ALL.get(index).copied()
}

/// True if two streams came on the same lane.
pub(crate) fn is_same_lane(a: StreamKey, b: StreamKey) -> bool {
    a.0 >> TRACK_BITS == b.0 >> TRACK_BITS
}

/// Room in a key for the audio and three pictures.
const TRACK_BITS: u32 = 2;
const _: () = assert!(Picture::COUNT < 1 << TRACK_BITS);
