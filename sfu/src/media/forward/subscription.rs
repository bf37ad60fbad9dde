//! One outgoing RTP stream: a track on its way to one subscriber or into one lane.

use std::time::Instant;

use packager::rtp::MediaKind;

use super::rewrite::{Rewriter, Rewritten};
use crate::media::counters::DropReason;
use crate::media::packet::{MAX_PAYLOAD, MediaPacket, StreamKey};

/// Follows one layer of a track at a time and gives its packets the numbers of one stream.
#[derive(Debug, Clone)]
pub struct Subscription {
    rewriter: Rewriter,
    /// The incoming stream that is forwarded; `None` while the subscription waits to enter one.
    current: Option<StreamKey>,
}

impl Subscription {
    /// A subscription that waits for its first key frame.
    pub fn new(kind: MediaKind, first: Rewritten) -> Self {
        Self {
            rewriter: Rewriter::new(kind, first),
            current: None,
        }
    }

    /// Decides on one packet. The order of the checks is fixed: size, emptiness, layer, key frame,
    /// age. `target` is the layer that should be followed.
    pub fn forward(
        &mut self,
        packet: &MediaPacket,
        target: Option<StreamKey>,
        now: Instant,
    ) -> Result<Rewritten, DropReason> {
        if packet.payload.len() > MAX_PAYLOAD {
            return Err(DropReason::PayloadTooLarge);
        }
        if packet.payload.is_empty() {
            if self.current == Some(packet.stream) {
                self.rewriter.skip(packet.seq);
            }
            return Err(DropReason::Empty);
        }
        if self.current == Some(packet.stream) {
            return self
                .rewriter
                .map(packet, now)
                .map_err(|_| DropReason::OldSequence);
        }
        if target != Some(packet.stream) {
            return Err(DropReason::WrongLayer);
        }
        if !packet.starts_keyframe {
            return Err(DropReason::AwaitingKeyframe);
        }
        self.current = Some(packet.stream);
        Ok(self.rewriter.switch(packet, now))
    }

    /// Enters the stream of `packets` at its cached key frame: the packets since then, in order
    /// and without gaps.
    pub fn replay(&mut self, packets: &[MediaPacket], now: Instant) -> Vec<Rewritten> {
        if let Some(first) = packets.first() {
            self.current = Some(first.stream);
        }
        self.rewriter.replay(packets, now)
    }

    /// The incoming stream that is forwarded now.
    pub fn current(&self) -> Option<StreamKey> {
        self.current
    }

    /// True if the subscription would have to wait for a key frame of `target`.
    pub fn awaits(&self, target: Option<StreamKey>) -> bool {
        self.current.is_none() || (target.is_some() && self.current != target)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::Extensions;
    use packager::rtp::Codec;
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
        }
    }

    fn subscription() -> Subscription {
        Subscription::new(MediaKind::Video, Rewritten { seq: 7, time: 0 })
    }

    #[test]
    fn each_check_has_its_reason() {
        let now = Instant::now();
        let mut s = subscription();
        let t = Some(A);
        assert_eq!(s.forward(&packet(A, 1, true, 1_401), t, now), Err(DropReason::PayloadTooLarge));
        assert_eq!(s.forward(&packet(A, 1, true, 0), t, now), Err(DropReason::Empty));
        assert_eq!(s.forward(&packet(B, 1, true, 9), t, now), Err(DropReason::WrongLayer));
        assert_eq!(s.forward(&packet(A, 1, false, 9), t, now), Err(DropReason::AwaitingKeyframe));
        assert!(s.forward(&packet(A, 2, true, 9), t, now).is_ok());
        assert_eq!(s.forward(&packet(A, 1, true, 9), t, now), Err(DropReason::OldSequence));
    }

    #[test]
    fn layers_are_switched_at_key_frames_only_and_the_old_one_flows_until_then() {
        let now = Instant::now();
        let mut s = subscription();
        assert_eq!(s.forward(&packet(A, 1, true, 9), Some(A), now).map(|o| o.seq), Ok(7));
        assert!(!s.awaits(Some(A)));
        assert!(s.awaits(Some(B)));
        assert_eq!(s.forward(&packet(B, 900, false, 9), Some(B), now), Err(DropReason::AwaitingKeyframe));
        assert_eq!(s.forward(&packet(A, 2, false, 9), Some(B), now).map(|o| o.seq), Ok(8));
        assert_eq!(s.forward(&packet(B, 901, true, 9), Some(B), now).map(|o| o.seq), Ok(9));
        assert_eq!(s.forward(&packet(A, 3, false, 9), Some(B), now), Err(DropReason::WrongLayer));
    }

    #[test]
    fn payload_is_shared_not_copied() {
        let p = packet(A, 1, true, 9);
        let q = p.clone();
        assert!(Arc::ptr_eq(&p.payload, &q.payload));
    }
}
