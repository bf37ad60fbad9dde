//! What forward error correction would repair: parity packets that no header costs anything, each of
//! which stands for one lost packet of its group (RFC 8627, one-dimensional).

use std::collections::BTreeMap;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::frames::{self, Got, Part};

/// A parity packet behind every so many packets of one RTP stream, on a network that loses each for
/// itself.
pub struct Fec {
    per_parity: u64,
    /// Of the packets.
    loss: f64,
    rng: StdRng,
    groups: BTreeMap<u64, Group>,
    /// The newest packet looked at.
    highest: u64,
}

#[derive(Default)]
struct Group {
    parts: BTreeMap<u64, Part>,
    /// Its parity packet has come.
    has_parity: bool,
    is_over: bool,
}

impl Fec {
    pub fn new(per_parity: u64, loss: u8, seed: u64) -> Self {
        Self {
            per_parity,
            loss: f64::from(loss) / 100.0,
            rng: StdRng::seed_from_u64(seed),
            groups: BTreeMap::new(),
            highest: 0,
        }
    }

    /// Takes a packet; one that can be made of those that have come, and when.
    pub fn take(&mut self, got: &Got) -> Option<(Part, Instant)> {
        let part = frames::parse(got.codec, &got.payload)?;
        let number = got.seq / self.per_parity;
        let has_parity = !self.rng.random_bool(self.loss);
        let group = self.groups.entry(number).or_insert_with(|| Group {
            has_parity,
            ..Group::default()
        });
        group.parts.insert(got.seq, part);
        self.highest = self.highest.max(got.seq);
        // Parity comes behind the last packet of its group: before the first one of the next, or,
        // if that is lost, the one after it.
        while let Some(group) = self.groups.first_key_value().map(|(number, _)| *number)
            && group + KEPT < number
        {
            self.groups.remove(&group);
        }
        // What the missing packet is may show in the packets of later groups.
        (number.saturating_sub(LATER)..=number)
            .find_map(|number| self.repair(number))
            .map(|part| (part, got.at))
    }

    fn repair(&mut self, number: u64) -> Option<Part> {
        let first = number * self.per_parity;
        let end = first + self.per_parity;
        let group = self.groups.get(&number)?;
        let is_sent = self.highest + 1 >= end;
        let is_one_missing = group.parts.len() as u64 + 1 == self.per_parity;
        if group.is_over || !group.has_parity || !is_sent || !is_one_missing {
            return None;
        }
        let missing = (first..end).find(|seq| !group.parts.contains_key(seq))?;
        let next = self.part(missing + 1).filter(|next| next.index > 0);
        let last = missing.checked_sub(1).and_then(|seq| self.part(seq));
        let part = match (next, last) {
            (Some(next), _) => Part {
                index: next.index - 1,
                ..next
            },
            (None, Some(last)) if last.index + 1 < last.count => Part {
                index: last.index + 1,
                ..last
            },
            _ => return None,
        };
        self.groups.get_mut(&number)?.is_over = true;
        Some(part)
    }

    fn part(&self, seq: u64) -> Option<Part> {
        let group = self.groups.get(&(seq / self.per_parity))?;
        group.parts.get(&seq).copied()
    }
}

/// Groups that late packets may still belong to.
const KEPT: u64 = 300;

const LATER: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use packager::rtp::Codec;

    /// Frames of four packets, of which those with the numbers of `lost` do not come; the numbers
    /// of what was repaired.
    fn repaired(fec: &mut Fec, lost: &[u64]) -> Vec<u64> {
        let mut repaired = Vec::new();
        for frame in 0..10 {
            let payloads = frames::frame(Codec::H264, frame, false, 4, 30);
            for (index, payload) in payloads.into_iter().enumerate() {
                let seq = u64::from(frame) * 4 + index as u64;
                let got = Got {
                    at: Instant::now(),
                    ssrc: 1,
                    seq,
                    time: 0,
                    marker: false,
                    codec: Codec::H264,
                    payload,
                    descriptor: None,
                    hold: None,
                };
                if !lost.contains(&seq) {
                    let part = fec.take(&got).map(|(part, _)| part);
                    repaired.extend(part.map(|p| u64::from(p.number) * 4 + u64::from(p.index)));
                }
            }
        }
        repaired
    }

    #[test]
    fn one_lost_packet_of_a_group_is_repaired() {
        for lost in 0..36 {
            for per_parity in [2, 3, 5, 10] {
                let mut fec = Fec::new(per_parity, 0, 1);
                assert_eq!(repaired(&mut fec, &[lost]), [lost], "{per_parity}");
            }
        }
    }

    #[test]
    fn two_lost_packets_of_a_group_or_its_parity_are_not() {
        assert!(repaired(&mut Fec::new(5, 0, 1), &[6, 8]).is_empty());
        assert_eq!(repaired(&mut Fec::new(5, 0, 1), &[6, 11]), [6, 11]);
        assert!(repaired(&mut Fec::new(5, 100, 1), &[6, 11]).is_empty());
    }
}
