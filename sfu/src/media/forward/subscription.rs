//! One outgoing RTP stream: a track on its way to one subscriber or into one lane.

use std::time::Instant;

use packager::rtp::{Codec, MediaKind};

use super::filter::LayerFilter;
use super::frame::FrameNumbers;
use super::place::{Layers, Target};
use super::rewrite::{Rewriter, Rewritten};
use super::vp8::PictureNumbers;
use crate::media::counters::DropReason;
use crate::media::packet::{Dependency, MAX_PAYLOAD, MediaPacket, StreamKey};

/// Follows one layer of a track at a time and gives its packets the numbers of one stream.
#[derive(Debug, Clone)]
pub struct Subscription {
    rewriter: Rewriter,
    /// The incoming stream that is forwarded; `None` while the subscription waits to enter one.
    current: Option<StreamKey>,
    /// Packets of it have been left out since the last that was sent.
    is_held: bool,
    filter: LayerFilter,
    numbers: Numbers,
    /// The receiver takes dependency descriptors.
    takes_descriptors: bool,
    /// The highest spatial layer that it can make something of.
    limit: u8,
}

/// The numbers that packets have beside those of RTP.
#[derive(Debug, Clone, Default)]
struct Numbers {
    pictures: PictureNumbers,
    frames: FrameNumbers,
}

impl Subscription {
    /// A subscription that waits for its first key frame.
    pub fn new(kind: MediaKind, first: Rewritten) -> Self {
        Self {
            rewriter: Rewriter::new(kind, first),
            current: None,
            is_held: false,
            filter: LayerFilter::default(),
            numbers: Numbers::default(),
            takes_descriptors: true,
            limit: u8::MAX,
        }
    }

    /// Sets whether the receiver takes dependency descriptors. Without them it would take the
    /// spatial layers of an AV1 picture for pictures of their own: it gets the lowest one.
    pub fn set_descriptors(&mut self, takes: bool) {
        self.takes_descriptors = takes;
    }

    /// Passes one packet on, or says why not. The order of the checks is fixed: size, emptiness,
    /// layers of the stream, age, stream, key frame.
    ///
    /// `target` is what should be followed, `cached` the packets of this one's layer from
    /// a key frame to the live edge, this one included: video is entered there and nowhere else,
    /// so that a key frame whose first packet comes late is entered as a whole. Gives the number
    /// of packets passed to `emit`.
    pub fn pass(
        &mut self,
        packet: &MediaPacket,
        target: Option<Target>,
        cached: Option<&[MediaPacket]>,
        now: Instant,
        mut emit: impl FnMut(&MediaPacket, Rewritten),
    ) -> Result<usize, DropReason> {
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(DropReason::PayloadTooLarge);
        }
        if packet.payload.is_empty() {
            if self.current == Some(packet.stream) {
                self.rewriter.skip(packet.seq);
            }
            return Err(DropReason::Empty);
        }
        let is_first = std::mem::take(&mut self.is_held);
        if is_first && self.current == Some(packet.stream) {
            let Ok(numbers) = self.rewriter.resume(packet, now) else {
                self.is_held = true;
                return Err(DropReason::OldSequence);
            };
            // The first packet of a talkspurt (RFC 3551 §4.1).
            let first = MediaPacket {
                marker: true,
                ..packet.clone()
            };
            emit(&first, numbers);
            return Ok(1);
        }
        self.limit_for(packet.codec);
        let target = target.filter(|target| target.stream == packet.stream);
        if self.current == Some(packet.stream) {
            let Some(marker) = self.chosen(packet, target) else {
                self.rewriter.skip(packet.seq);
                self.numbers.leave_out(packet);
                return Err(DropReason::LayerLeftOut);
            };
            let numbers = self
                .rewriter
                .map(packet, now)
                .map_err(|_| DropReason::OldSequence)?;
            self.pass_on(packet, numbers, marker, &mut emit);
            return Ok(1);
        }
        let Some(target) = target else {
            return Err(DropReason::WrongLayer);
        };
        if packet.kind == MediaKind::Audio {
            self.current = Some(packet.stream);
            emit(packet, self.rewriter.switch(packet, now));
            return Ok(1);
        }
        match cached {
            Some(cached) => Ok(self.enter(cached, target.layers, now, emit)),
            None => Err(DropReason::AwaitingKeyframe),
        }
    }

    /// Enters some layers of the stream of `cached` at its key frame: the packets since then, in
    /// order and without gaps. Gives the number of packets passed to `emit`.
    pub fn enter(
        &mut self,
        cached: &[MediaPacket],
        layers: Layers,
        now: Instant,
        mut emit: impl FnMut(&MediaPacket, Rewritten),
    ) -> usize {
        if let Some(first) = cached.first() {
            self.current = Some(first.stream);
            self.numbers.enter();
            self.limit_for(first.codec);
            self.filter.enter(self.limited(layers));
        }
        let layers = self.limited(layers);
        let wants = |packet: &MediaPacket| packet.place.is_none_or(|place| layers.has(place));
        let numbers = self.rewriter.replay(cached, wants, now);
        let mut count = 0;
        for (packet, numbers) in cached.iter().zip(numbers) {
            let marker = self.chosen(packet, None);
            if let Some((numbers, marker)) = numbers.zip(marker) {
                self.pass_on(packet, numbers, marker, &mut emit);
                count += 1;
            } else {
                self.numbers.leave_out(packet);
            }
        }
        count
    }

    fn limit_for(&mut self, codec: Codec) {
        let is_limited = codec == Codec::Av1 && !self.takes_descriptors;
        self.limit = if is_limited { 0 } else { u8::MAX };
    }

    fn limited(&self, layers: Layers) -> Layers {
        Layers {
            spatial: layers.spatial.min(self.limit),
            ..layers
        }
    }

    /// The marker bit of a packet of the current stream, if it is of a layer that is had.
    fn chosen(&mut self, packet: &MediaPacket, target: Option<Target>) -> Option<bool> {
        let Some(place) = packet.place else {
            return Some(packet.marker);
        };
        // On the way to another stream the layers of this one stay.
        let wanted = target.map_or(self.filter.layers(), |target| self.limited(target.layers));
        let layers = self.filter.handle(place, packet.time, wanted);
        let marker = packet.marker || layers.ends_picture(place);
        layers.has(place).then_some(marker)
    }

    fn pass_on(
        &mut self,
        packet: &MediaPacket,
        numbers: Rewritten,
        marker: bool,
        emit: &mut impl FnMut(&MediaPacket, Rewritten),
    ) {
        if marker {
            self.rewriter.mark(numbers.seq);
        }
        self.numbers.pass(packet, numbers, marker, emit);
    }

    /// The incoming stream that is forwarded now.
    pub fn current(&self) -> Option<StreamKey> {
        self.current
    }

    /// What is forwarded now.
    pub fn source(&self) -> Option<Target> {
        let layers = self.filter.layers();
        self.current.map(|stream| Target { stream, layers })
    }

    /// True if the subscription would have to wait for a key frame of `target`: less of a stream is
    /// had without one, and so are more temporal layers.
    pub fn awaits(&self, target: Option<Target>) -> bool {
        match (self.current, target) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(current), Some(target)) => {
                let wanted = self.limited(target.layers);
                current != target.stream || self.filter.layers().spatial < wanted.spatial
            }
        }
    }

    /// True if it is for more spatial layers of the current stream that it would have to wait.
    pub fn awaits_layers(&self, target: Option<Target>) -> bool {
        let is_same = target.is_some_and(|target| self.current == Some(target.stream));
        is_same && self.awaits(target)
    }

    /// Leaves out what comes of a sound until the next packet that is passed. That one has the next
    /// number and its own time, as after DTX.
    pub fn hold(&mut self) {
        self.is_held = true;
    }

    /// Forgets the source: the next packet sent starts a key frame.
    pub fn restart(&mut self) {
        self.current = None;
    }

    /// The outgoing time for a time of `stream`, if that is what is forwarded.
    pub fn map_time(&self, stream: StreamKey, time: u32) -> Option<u32> {
        if self.current == Some(stream) {
            self.rewriter.map_time(time)
        } else {
            None
        }
    }
}

impl Numbers {
    /// Another source is entered with the next packet.
    fn enter(&mut self) {
        self.pictures.enter();
        self.frames.enter();
    }

    /// A packet of a layer that is not forwarded.
    fn leave_out(&mut self, packet: &MediaPacket) {
        if packet.codec == Codec::Vp8 {
            self.pictures.leave_out(&packet.payload);
        }
    }

    /// Emits a packet, or one of its own if that has other numbers.
    fn pass(
        &mut self,
        packet: &MediaPacket,
        numbers: Rewritten,
        marker: bool,
        emit: &mut impl FnMut(&MediaPacket, Rewritten),
    ) {
        let payload = match packet.codec {
            Codec::Vp8 => self.pictures.map(&packet.payload),
            _ => None,
        };
        let dependency = packet.dependency.as_ref().and_then(|dependency| {
            let frame_number = self.frames.map(dependency.frame_number);
            (frame_number != dependency.frame_number).then(|| Dependency {
                frame_number,
                ..dependency.clone()
            })
        });
        if payload.is_none() && dependency.is_none() && marker == packet.marker {
            return emit(packet, numbers);
        }
        let mut changed = packet.clone();
        changed.marker = marker;
        if let Some(payload) = payload {
            changed.payload = payload;
        }
        changed.dependency = dependency.or(changed.dependency);
        emit(&changed, numbers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::forward::place::Place;
    use crate::media::packet::Extensions;
    use std::sync::Arc;

    const A: StreamKey = StreamKey(1);
    const B: StreamKey = StreamKey(2);

    fn packet(stream: StreamKey, seq: u64, key: bool, len: usize) -> MediaPacket {
        let now = Instant::now();
        MediaPacket {
            stream,
            kind: MediaKind::Video,
            codec: Codec::H264,
            seq,
            time: (seq as u32).wrapping_mul(3_000),
            marker: true,
            starts_keyframe: key,
            payload: vec![0; len].into(),
            received: now,
            captured: now,
            extensions: Extensions::default(),
            place: None,
            dependency: None,
        }
    }

    fn subscription() -> Subscription {
        Subscription::new(MediaKind::Video, Rewritten { seq: 7, time: 0 })
    }

    fn pass(s: &mut Subscription, p: &MediaPacket, target: StreamKey) -> Result<u64, DropReason> {
        let cached = [p.clone()];
        let cached = p.starts_keyframe.then_some(&cached[..]);
        let mut seq = 0;
        let target = Some(Target::whole(target));
        s.pass(p, target, cached, Instant::now(), |_, n| seq = n.seq)?;
        Ok(seq)
    }

    #[test]
    fn each_check_has_its_reason() {
        let mut s = subscription();
        assert_eq!(
            pass(&mut s, &packet(A, 1, true, 1_401), A),
            Err(DropReason::PayloadTooLarge)
        );
        assert_eq!(
            pass(&mut s, &packet(A, 1, true, 0), A),
            Err(DropReason::Empty)
        );
        assert_eq!(
            pass(&mut s, &packet(B, 1, true, 9), A),
            Err(DropReason::WrongLayer)
        );
        assert_eq!(
            pass(&mut s, &packet(A, 1, false, 9), A),
            Err(DropReason::AwaitingKeyframe)
        );
        assert_eq!(pass(&mut s, &packet(A, 2, true, 9), A), Ok(7));
        assert_eq!(
            pass(&mut s, &packet(A, 1, true, 9), A),
            Err(DropReason::OldSequence)
        );
    }

    #[test]
    fn layers_are_switched_at_key_frames_only_and_the_old_one_flows_until_then() {
        let mut s = subscription();
        assert_eq!(pass(&mut s, &packet(A, 1, true, 9), A), Ok(7));
        assert!(!s.awaits(Some(Target::whole(A))));
        assert!(s.awaits(Some(Target::whole(B))));
        assert_eq!(
            pass(&mut s, &packet(B, 900, false, 9), B),
            Err(DropReason::AwaitingKeyframe)
        );
        assert_eq!(pass(&mut s, &packet(A, 2, false, 9), B), Ok(8));
        assert_eq!(pass(&mut s, &packet(B, 901, true, 9), B), Ok(9));
        assert_eq!(
            pass(&mut s, &packet(A, 3, false, 9), B),
            Err(DropReason::WrongLayer)
        );
    }

    /// The payload that comes out.
    fn payload_of(s: &mut Subscription, p: &MediaPacket) -> Arc<[u8]> {
        let cached = [p.clone()];
        let cached = p.starts_keyframe.then_some(&cached[..]);
        let mut out = None;
        let target = Some(Target::whole(p.stream));
        s.pass(p, target, cached, Instant::now(), |p, _| {
            out = Some(p.payload.clone());
        })
        .expect("passed");
        out.expect("a packet")
    }

    #[test]
    fn payload_is_shared_not_copied() {
        let mut s = subscription();
        for p in [packet(A, 1, true, 9), packet(B, 1, true, 9)] {
            assert!(Arc::ptr_eq(&payload_of(&mut s, &p), &p.payload));
        }
    }

    #[test]
    fn vp8_pictures_are_numbered_on_in_another_layer() {
        let vp8 = |stream, seq, key: bool, id: u8| MediaPacket {
            codec: Codec::Vp8,
            payload: Arc::from([0x90, 0x80, 0x80, id, u8::from(!key)]),
            ..packet(stream, seq, key, 0)
        };
        let mut s = subscription();
        let first = vp8(A, 1, true, 7);
        assert!(Arc::ptr_eq(&payload_of(&mut s, &first), &first.payload));
        assert_eq!(payload_of(&mut s, &vp8(B, 90, true, 200))[3], 8);
        assert_eq!(payload_of(&mut s, &vp8(B, 91, false, 201))[3], 9);
        assert_eq!(payload_of(&mut s, &vp8(A, 50, true, 40))[3], 10);
    }

    #[test]
    fn temporal_layers_of_vp8_are_left_out_and_added_without_gaps() {
        let mut s = subscription();
        let mut out = Vec::new();
        // Every other picture is of the upper layer, and each has two packets.
        for number in 0..40_u8 {
            let temporal = number % 2;
            let is_thinned = (10..20).contains(&number);
            let layers = Layers {
                temporal: if is_thinned { 0 } else { u8::MAX },
                ..Layers::ALL
            };
            for index in 0..2 {
                let start = if index == 0 { 0x90 } else { 0x80 };
                let layer = temporal << 6 | 0x20;
                let payload = [start, 0xa0, 0x80, number, layer, u8::from(number > 0)];
                let p = MediaPacket {
                    codec: Codec::Vp8,
                    time: u32::from(number) * 3_000,
                    marker: index == 1,
                    starts_keyframe: number == 0 && index == 0,
                    place: Place::of(None, Codec::Vp8, &payload),
                    payload: Arc::from(payload),
                    ..packet(A, u64::from(number) * 2 + index, false, 0)
                };
                let target = Some(Target { stream: A, layers });
                let cached = p.starts_keyframe.then(|| std::slice::from_ref(&p));
                let passed = s.pass(&p, target, cached, Instant::now(), |p, n| {
                    out.push((n.seq, p.payload[3], p.payload[4] >> 6));
                });
                let is_left_out = is_thinned && temporal == 1;
                let wanted = if is_left_out {
                    Err(DropReason::LayerLeftOut)
                } else {
                    Ok(1)
                };
                assert_eq!(passed, wanted, "picture {number}");
            }
        }
        assert_eq!(out.len(), 2 * 35);
        for (i, (seq, picture, _)) in out.iter().enumerate() {
            assert_eq!((*seq, usize::from(*picture)), (7 + i as u64, i / 2));
        }
    }
}
