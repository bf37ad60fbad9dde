//! The way from a publisher to the relay: delay, jitter, loss, and video asked for again as str0m
//! does it (first at once, then after a round trip and 5 ms, five times, on a grid of 33 ms).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use packager::rtp::{MediaKind, RtpPacket};

use super::dice::Dice;
use super::{MILLISECOND, Nanos};
use crate::ingest::{IngestItem, Track};

/// What a way is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) round_trip: Nanos,
    pub(super) jitter: Nanos,
    pub(super) loss: Loss,
    /// Share of packets that others overtake.
    pub(super) reordered: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// Each packet for itself.
    Random(f64),
    /// In bursts: a share of packets, and how many in a row on average.
    Bursts(f64, f64),
}

impl Way {
    /// Without loss.
    pub(super) fn clean(round_trip_ms: u64, jitter_ms: u64) -> Self {
        Way {
            round_trip: round_trip_ms * MILLISECOND,
            jitter: jitter_ms * MILLISECOND,
            loss: Loss::Random(0.0),
            reordered: 0.0,
        }
    }

    pub(super) fn lossy(self, loss: Loss) -> Self {
        Way { loss, ..self }
    }
}

pub(super) struct Link {
    way: Way,
    dice: Dice,
    is_bad: bool,
    /// Packets of one track arrive in order, but for those that are overtaken.
    last: [Nanos; 2],
    sent: VecDeque<RtpPacket>,
    under_way: BinaryHeap<Reverse<(Nanos, u64)>>,
    items: BTreeMap<u64, IngestItem>,
    count: u64,
    highest: Option<u64>,
    missing: BTreeMap<u64, (u8, Nanos)>,
    next_nack: Option<Nanos>,
}

impl Link {
    pub(super) fn new(way: Way, seed: u64) -> Self {
        Link {
            way,
            dice: Dice::new(seed),
            is_bad: false,
            last: [0; 2],
            sent: VecDeque::new(),
            under_way: BinaryHeap::new(),
            items: BTreeMap::new(),
            count: 0,
            highest: None,
            missing: BTreeMap::new(),
            next_nack: None,
        }
    }

    /// Takes an item that leaves at `now`.
    pub(super) fn send(&mut self, now: Nanos, item: IngestItem) {
        let index = match &item {
            IngestItem::Rtp { track, packet, .. } => {
                if track.kind() == MediaKind::Video {
                    self.sent.push_back(packet.clone());
                    if self.sent.len() > 2_000 {
                        self.sent.pop_front();
                    }
                }
                usize::from(track.kind() == MediaKind::Video)
            }
            IngestItem::SenderReport { track, .. } | IngestItem::Switched { track } => {
                usize::from(track.kind() == MediaKind::Video)
            }
        };
        if !matches!(item, IngestItem::Switched { .. }) && self.loses() {
            return;
        }
        let delay = self.delay();
        let at = if self.dice.hits(self.way.reordered) {
            now + delay + 10 * MILLISECOND
        } else {
            self.last[index] = self.last[index].max(now + delay);
            self.last[index]
        };
        self.push(at, item);
    }

    pub(super) fn next_time(&self) -> Option<Nanos> {
        let first = self.under_way.peek().map(|Reverse((at, _))| *at);
        first.into_iter().chain(self.next_nack).min()
    }

    /// What arrives at `now`, which [`next_time`](Self::next_time) gave.
    pub(super) fn arrive(&mut self, now: Nanos, origin: Instant) -> Option<IngestItem> {
        if self.next_nack.is_some_and(|at| at <= now) {
            self.ask_again(now);
            return None;
        }
        let Reverse((_, number)) = self.under_way.pop()?;
        let mut item = self.items.remove(&number)?;
        let at = origin + Duration::from_nanos(now);
        match &mut item {
            IngestItem::Rtp { track, packet, .. } => {
                packet.received = at;
                let is_known = track.kind() == MediaKind::Video && !self.note(now, packet.seq);
                (!is_known).then_some(item)
            }
            IngestItem::SenderReport { report, .. } => {
                report.received = at;
                Some(item)
            }
            IngestItem::Switched { .. } => Some(item),
        }
    }

    fn push(&mut self, at: Nanos, item: IngestItem) {
        self.count += 1;
        self.items.insert(self.count, item);
        self.under_way.push(Reverse((at, self.count)));
    }

    fn delay(&mut self) -> Nanos {
        // Few packets are late by much.
        let late = self.dice.share().powi(3) * self.way.jitter as f64;
        self.way.round_trip / 2 + late as Nanos
    }

    fn loses(&mut self) -> bool {
        match self.way.loss {
            Loss::Random(share) => self.dice.hits(share),
            Loss::Bursts(share, length) => {
                // The chain of Gilbert: in the bad state all is lost.
                let (leave, enter) = (1.0 / length, share / (1.0 - share) / length);
                self.is_bad = match self.is_bad {
                    true => !self.dice.hits(leave),
                    false => self.dice.hits(enter),
                };
                self.is_bad
            }
        }
    }

    /// Takes note of a video packet; false if it came before.
    fn note(&mut self, now: Nanos, seq: u64) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            return true;
        };
        if seq <= highest {
            return self.missing.remove(&seq).is_some();
        }
        self.missing
            .extend((highest + 1..seq).map(|seq| (seq, (0, 0))));
        self.highest = Some(seq);
        if !self.missing.is_empty() && self.next_nack.is_none() {
            let grid = 33 * MILLISECOND;
            self.next_nack = Some((now / grid + 1) * grid);
        }
        true
    }

    fn ask_again(&mut self, now: Nanos) {
        let window = self.highest.unwrap_or(0).saturating_sub(100);
        self.missing
            .retain(|seq, (tries, _)| *seq >= window && *tries < 5);
        let patience = self.way.round_trip + 5 * MILLISECOND;
        let due: Vec<u64> = self
            .missing
            .iter_mut()
            .filter(|(_, (tries, last))| *tries == 0 || now - *last >= patience)
            .map(|(seq, (tries, last))| {
                (*tries, *last) = (*tries + 1, now);
                *seq
            })
            .collect();
        if !due.is_empty() && !self.loses() {
            for seq in due {
                let packet = self.sent.iter().find(|packet| packet.seq == seq).cloned();
                if let Some(packet) = packet
                    && !self.loses()
                {
                    let at = now + self.way.round_trip / 2 + self.delay();
                    let item = IngestItem::Rtp {
                        track: Track::LARGE,
                        codec: packager::rtp::Codec::H264,
                        packet,
                    };
                    self.push(at, item);
                }
            }
        }
        self.next_nack = (!self.missing.is_empty()).then(|| now + 33 * MILLISECOND);
    }
}
