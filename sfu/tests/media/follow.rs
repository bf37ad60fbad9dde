//! Invariants of the pictures that one RTP stream of video brings.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::frames::{self, Got, Part};

/// Looks at the packets of one RTP stream in the order of their numbers.
#[derive(Default)]
pub struct Follow {
    /// Those that a late one may still come before.
    waiting: BTreeMap<u64, Got>,
    last: Option<(u64, Part)>,
    /// Changes of the layer or the source.
    pub switches: usize,
    /// Pairs of packets that were compared.
    pub checked: u64,
}

impl Follow {
    pub fn take(&mut self, got: Got) {
        if self.last.is_none_or(|(seq, _)| got.seq > seq) {
            self.waiting.insert(got.seq, got);
        }
    }

    /// Checks the packets that no other can come before any more.
    pub fn settle(&mut self, now: Instant) {
        while let Some(first) = self.waiting.first_entry()
            && first.get().at + LATEST <= now
        {
            let got = first.remove();
            self.check(&got);
        }
    }

    fn check(&mut self, got: &Got) {
        let part = frames::parse(got.codec, &got.payload).expect("payload is as it was made");
        let Some((seq, last)) = self.last.replace((got.seq, part)) else {
            return;
        };
        // What is lost on the way to the client tells nothing, if it is more than one packet.
        let is_next = got.seq == seq + 1;
        if !is_next && got.seq != seq + 2 {
            return;
        }
        self.checked += 1;
        let goes_on = match is_next {
            true => comes_next(&last, &part),
            false => follows_a_lost_one(&last, &part),
        };
        if goes_on {
            return;
        }
        self.switches += 1;
        let has_lost_start = !is_next && part.index == 1 && last.index + 1 == last.count;
        let is_start = part.keyframe && (part.index == 0 || has_lost_start);
        assert!(is_start, "a change elsewhere: {part:?} after {last:?}");
        assert!(
            !is_next || last.index + 1 == last.count,
            "a frame that looks whole: {part:?} after {last:?}"
        );
    }
}

/// The packet after another one of the same layer.
fn comes_next(last: &Part, part: &Part) -> bool {
    match part.index {
        0 => starts_next(last, part) && last.index + 1 == last.count,
        index => {
            let before = Part {
                index: index - 1,
                ..*part
            };
            before == *last
        }
    }
}

/// The same with one packet lost between them.
fn follows_a_lost_one(last: &Part, part: &Part) -> bool {
    match part.index {
        0 => starts_next(last, part) && last.index + 2 == last.count,
        1 => starts_next(last, part) && last.index + 1 == last.count,
        index => {
            let before = Part {
                index: index - 2,
                ..*part
            };
            before == *last
        }
    }
}

fn starts_next(last: &Part, part: &Part) -> bool {
    part.number == last.number + 1 && layer(part) == layer(last)
}

/// Packets of its layer's frames that are no key frames.
fn layer(part: &Part) -> u16 {
    part.count / if part.keyframe { 4 } else { 1 }
}

/// The longest that a packet comes after those with later numbers.
const LATEST: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use packager::rtp::Codec;

    /// Packets by frame number, layer, whether it is a key frame, and the indices that come; each
    /// group after so many lost ones.
    fn follow(groups: &[(u32, u16, bool, std::ops::Range<usize>, u64)]) -> Follow {
        let now = Instant::now();
        let mut follow = Follow::default();
        let mut seq = 100;
        for (number, packets, keyframe, indices, lost) in groups.iter().cloned() {
            seq += lost;
            let count = packets * if keyframe { 4 } else { 1 };
            let payloads = frames::frame(Codec::H264, number, keyframe, count, 30);
            for payload in &payloads[indices] {
                follow.take(Got {
                    at: now,
                    ssrc: 1,
                    seq,
                    time: 0,
                    marker: false,
                    codec: Codec::H264,
                    payload: payload.clone(),
                    descriptor: None,
                    hold: None,
                });
                seq += 1;
            }
        }
        follow.settle(now + LATEST);
        follow
    }

    #[test]
    fn frames_lost_packets_and_switches_at_key_frames_are_no_fault() {
        let frames = [
            (0, 2, true, 0..8, 0),
            (1, 2, false, 0..1, 0),
            (2, 2, false, 0..2, 1),
            (3, 2, false, 1..2, 1),
            // Cut off by a switch, and a switch after a whole frame.
            (4, 2, false, 0..1, 0),
            (80, 4, true, 0..16, 1),
            (200, 2, true, 0..8, 0),
            (900, 4, false, 2..4, 3),
            // A switch whose first packet was lost.
            (30, 2, true, 1..8, 1),
        ];
        let follow = follow(&frames);
        assert_eq!(follow.switches, 3);
        assert_eq!(
            follow.checked,
            7 + 1 + 1 + 1 + 1 + 1 + 1 + 15 + 1 + 7 + 1 + 1 + 6
        );
    }

    #[test]
    #[should_panic(expected = "a change elsewhere")]
    fn a_switch_within_a_group_of_pictures_is_a_fault() {
        follow(&[(0, 2, true, 0..8, 0), (1, 4, false, 0..4, 0)]);
    }

    #[test]
    #[should_panic(expected = "a change elsewhere")]
    fn a_switch_into_a_key_frame_is_a_fault() {
        follow(&[(0, 2, true, 0..8, 0), (1, 4, true, 2..4, 0)]);
    }

    #[test]
    #[should_panic(expected = "a change elsewhere")]
    fn a_frame_left_out_is_a_fault() {
        follow(&[(0, 2, true, 0..8, 0), (2, 2, false, 0..2, 0)]);
    }

    #[test]
    #[should_panic(expected = "looks whole")]
    fn a_frame_cut_off_without_a_gap_is_a_fault() {
        follow(&[(0, 2, true, 0..7, 0), (1, 2, true, 0..8, 0)]);
    }
}
