//! The packets since the newest key frame of one RTP stream, for those who join now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::packet::MediaPacket;

/// The start of the current group of pictures; bounded in age, packets and bytes.
#[derive(Debug, Default)]
pub(crate) struct GopCache {
    /// From the key frame on, by sequence number.
    packets: Vec<MediaPacket>,
    bytes: usize,
    /// The newest arrivals: the first packet of a key frame may come after its others.
    recent: VecDeque<MediaPacket>,
}

impl GopCache {
    /// Takes a packet of the stream, in whatever order packets come.
    pub(crate) fn push(&mut self, packet: &MediaPacket) {
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(packet.clone());

        let starts = packet.starts_keyframe
            && self
                .packets
                .first()
                .is_none_or(|first| packet.seq > first.seq && packet.time != first.time);
        if starts {
            self.packets.clear();
            self.bytes = 0;
            let recent = std::mem::take(&mut self.recent);
            for later in recent.iter().filter(|p| p.seq >= packet.seq) {
                self.insert(later);
            }
            self.recent = recent;
            return;
        }
        let Some(first) = self.packets.first() else {
            return;
        };
        if packet.seq <= first.seq {
            return;
        }
        let old = packet.received.saturating_duration_since(first.received) > MAX_AGE;
        if old || self.packets.len() >= MAX_PACKETS || self.bytes >= MAX_BYTES {
            // The start is what counts: without it the rest is of no use.
            self.packets = Vec::new();
            self.bytes = 0;
            return;
        }
        self.insert(packet);
    }

    fn insert(&mut self, packet: &MediaPacket) {
        let at = self.packets.partition_point(|p| p.seq < packet.seq);
        if self.packets.get(at).is_some_and(|p| p.seq == packet.seq) {
            return;
        }
        self.bytes += packet.payload.len();
        self.packets.insert(at, packet.clone());
    }

    /// The packets from the key frame to the live edge, if it is young enough and none is missing.
    pub(crate) fn fresh(&self, now: Instant) -> Option<&[MediaPacket]> {
        let (first, last) = (self.packets.first()?, self.packets.last()?);
        let age = now.saturating_duration_since(first.received);
        let whole = last.seq - first.seq + 1 == self.packets.len() as u64;
        (age <= MAX_JOIN_AGE && whole).then_some(&self.packets)
    }

    /// When the newest key frame arrived.
    pub(crate) fn keyframe_at(&self) -> Option<Instant> {
        self.packets.first().map(|p| p.received)
    }

    /// Drops what is too old to be of use.
    pub(crate) fn expire(&mut self, now: Instant) {
        let old = |at: Instant| now.saturating_duration_since(at) > MAX_AGE;
        if self.keyframe_at().is_some_and(old) {
            self.packets = Vec::new();
            self.bytes = 0;
        }
    }
}

/// A subscriber enters at a cached key frame that is at most this old: somewhat more than the
/// least time between two key frame requests, so that a crowd needs no key frame of its own each.
const MAX_JOIN_AGE: Duration = Duration::from_millis(700);

/// Age at which the cache is given up.
const MAX_AGE: Duration = Duration::from_millis(1_000);

/// One second of 8 Mbit/s in packets of 1,200 bytes, and room for a large key frame.
const MAX_PACKETS: usize = 1_024;

/// Arrivals that are remembered: more than a jitter buffer's worth of reordering.
const MAX_RECENT: usize = 64;

/// Bound on the payload bytes that one stream keeps alive.
const MAX_BYTES: usize = 1_500_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::packet::{Extensions, StreamKey};
    use packager::rtp::{Codec, MediaKind};

    fn packet(seq: u64, key: bool, at: Instant) -> MediaPacket {
        MediaPacket {
            stream: StreamKey(0),
            kind: MediaKind::Video,
            codec: Codec::Vp8,
            seq,
            time: seq as u32 * 3_000,
            marker: true,
            starts_keyframe: key,
            payload: vec![0; 1_000].into(),
            received: at,
            captured: at,
            extensions: Extensions::default(),
            place: None,
            dependency: None,
        }
    }

    fn seqs(cache: &GopCache, now: Instant) -> Option<Vec<u64>> {
        cache.fresh(now).map(|p| p.iter().map(|p| p.seq).collect())
    }

    #[test]
    fn starts_at_the_newest_key_frame() {
        let now = Instant::now();
        let mut cache = GopCache::default();
        cache.push(&packet(1, false, now));
        assert_eq!(seqs(&cache, now), None);
        for (seq, key) in [(2, true), (3, false), (4, true), (5, false)] {
            cache.push(&packet(seq, key, now));
        }
        cache.push(&packet(3, false, now));
        assert_eq!(seqs(&cache, now), Some(vec![4, 5]));
    }

    #[test]
    fn gap_makes_it_useless_until_it_is_filled() {
        let now = Instant::now();
        let mut cache = GopCache::default();
        cache.push(&packet(2, true, now));
        cache.push(&packet(4, false, now));
        assert_eq!(seqs(&cache, now), None);
        cache.push(&packet(3, false, now));
        assert_eq!(seqs(&cache, now), Some(vec![2, 3, 4]));
        cache.push(&packet(3, false, now));
        assert_eq!(seqs(&cache, now), Some(vec![2, 3, 4]));
    }

    #[test]
    fn late_start_of_a_key_frame_finds_its_other_packets() {
        let now = Instant::now();
        let mut cache = GopCache::default();
        for seq in [1, 3, 4] {
            cache.push(&packet(seq, false, now));
        }
        cache.push(&packet(2, true, now));
        assert_eq!(seqs(&cache, now), Some(vec![2, 3, 4]));
    }

    #[test]
    fn old_key_frame_is_not_used_and_then_given_up() {
        let now = Instant::now();
        let mut cache = GopCache::default();
        cache.push(&packet(2, true, now));
        assert!(cache.fresh(now + Duration::from_millis(700)).is_some());
        assert!(cache.fresh(now + Duration::from_millis(701)).is_none());
        cache.expire(now + Duration::from_millis(1_001));
        assert!(cache.packets.is_empty());
    }

    #[test]
    fn packets_and_bytes_are_bounded() {
        let now = Instant::now();
        let mut cache = GopCache::default();
        cache.push(&packet(0, true, now));
        for seq in 1..5_000 {
            cache.push(&packet(seq, false, now));
            assert!(cache.packets.len() <= MAX_PACKETS);
            assert!(cache.bytes <= MAX_BYTES + 1_500);
        }
    }
}
