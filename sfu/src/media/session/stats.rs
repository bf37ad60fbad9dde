//! From str0m's running totals to counters, and to figures of how a session's packets travel.

use std::time::{Duration, Instant};

use packager::rtp::MediaKind;
use str0m::Event;
use str0m::media::{Mid, Rid};

use super::{Session, Side, WAY_INTERVAL};
use crate::media::codec::FIGURES_INTERVAL;
use crate::media::counters::Counters;

/// The last cumulative statistics of one media section.
#[derive(Debug)]
pub(super) struct Totals {
    mid: Mid,
    rid: Option<Rid>,
    nacks: u64,
    packets: u64,
    bytes: u64,
    /// The most packets that str0m had sent above those that were written.
    again: u64,
}

/// What the statistics since the last [`Session::take_figures`] say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) rtt: Option<Duration>,
    pub(crate) up: Loss,
    pub(crate) down: Loss,
    /// Of the sound that went down: video that was sent again may not count as lost.
    pub(crate) sound_down: Loss,
    /// Bytes that came.
    pub(crate) bytes_up: u64,
}

/// A part of packets lost, over several streams.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Loss {
    lost: f64,
    packets: f64,
}

impl Loss {
    fn note(&mut self, fraction: Option<f32>, packets: u64) {
        if let Some(fraction) = fraction.filter(|f| f.is_finite()) {
            let packets = packets as f64;
            self.lost += f64::from(fraction.clamp(0.0, 1.0)) * packets;
            self.packets += packets;
        }
    }

    /// From 0 to 1; `None` if nothing is known.
    pub(crate) fn fraction(self) -> Option<f32> {
        (self.packets > 0.0).then(|| (self.lost / self.packets) as f32)
    }
}

impl Totals {
    /// True if they are those of a media section.
    pub(super) fn is_of(&self, mid: Mid) -> bool {
        self.mid == mid
    }
}

impl Session {
    /// Counts what the statistics of a media section say since the last ones.
    pub(crate) fn count_stats(&mut self, event: &Event, counters: &mut Counters) {
        let (mid, rid, rtt, loss) = match event {
            Event::MediaEgressStats(s) => (s.mid, s.rid, s.rtt, s.loss),
            Event::MediaIngressStats(s) => (s.mid, s.rid, s.rtt, s.loss),
            _ => return,
        };
        let (nacks, packets, bytes) = match event {
            Event::MediaEgressStats(s) => (s.nacks, s.packets, s.bytes),
            Event::MediaIngressStats(s) => (s.nacks, s.packets, s.bytes),
            _ => return,
        };
        let (sent, is_sound) = match &self.side {
            Side::Subscriber(s) => (s.sent(mid), s.is_sound(mid)),
            Side::Publisher(_) => (0, false),
        };
        let index = match self
            .totals
            .iter()
            .position(|t| t.mid == mid && t.rid == rid)
        {
            Some(index) => index,
            None if self.totals.len() < MAX_TOTALS => {
                self.totals.push(Totals {
                    mid,
                    rid,
                    nacks: 0,
                    packets: 0,
                    bytes: 0,
                    again: 0,
                });
                self.totals.len() - 1
            }
            None => return,
        };
        let last = &mut self.totals[index];
        let nacked = nacks.saturating_sub(last.nacks);
        let fresh = packets.saturating_sub(last.packets);
        self.figures.rtt = self.figures.rtt.max(rtt);
        self.repair.note(nacked, fresh);
        match event {
            Event::MediaEgressStats(_) => {
                counters.nacks_in += nacked;
                // Packets may be written and not yet sent at this moment, so that the difference
                // is too small for a while, but never too large.
                let again = packets.saturating_sub(sent);
                counters.rtx_out += again.saturating_sub(last.again);
                last.again = last.again.max(again);
                self.figures.down.note(loss, fresh);
                if is_sound {
                    self.figures.sound_down.note(loss, fresh);
                }
            }
            _ => {
                counters.nacks_out += nacked;
                self.figures.up.note(loss, fresh);
                self.figures.bytes_up += bytes.saturating_sub(last.bytes);
            }
        }
        last.nacks = nacks;
        last.packets = packets;
        last.bytes = bytes;
    }

    /// The figures since the last call; nothing if that was just now.
    pub(crate) fn take_figures(&mut self, now: Instant) -> Option<Figures> {
        if self.figures_at.is_some_and(|at| now < at) {
            return None;
        }
        // Receivers are looked at more often than they are told of.
        self.figures_at = Some(now + FIGURES_INTERVAL - WAY_INTERVAL / 2);
        self.mend(now);
        Some(std::mem::take(&mut self.figures))
    }
}

/// Media sections and layers of one session whose totals are kept.
const MAX_TOTALS: usize = {
    use super::offers::max_lines;
    max_lines(MediaKind::Audio) + max_lines(MediaKind::Video)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_weighed_by_packets_and_unknown_without_any() {
        let mut loss = Loss::default();
        assert_eq!(loss.fraction(), None);
        loss.note(None, 100);
        loss.note(Some(0.5), 0);
        assert_eq!(loss.fraction(), None);
        loss.note(Some(0.5), 100);
        loss.note(Some(0.0), 300);
        assert_eq!(loss.fraction(), Some(0.125));
        loss.note(Some(f32::NAN), 300);
        assert_eq!(loss.fraction(), Some(0.125));
    }
}
