//! From str0m's running totals to counters.

use str0m::Event;
use str0m::media::{Mid, Rid};

use super::{MAX_STREAMS, Session, Side};
use crate::media::counters::Counters;

/// The last cumulative statistics of one media section.
#[derive(Debug)]
pub(super) struct Totals {
    mid: Mid,
    rid: Option<Rid>,
    nacks: u64,
    /// The most packets that str0m had sent above those that were written.
    again: u64,
}

impl Session {
    /// Counts what the statistics of a media section say since the last ones.
    pub(crate) fn count_stats(&mut self, event: &Event, counters: &mut Counters) {
        let (mid, rid, nacks, packets) = match event {
            Event::MediaEgressStats(s) => (s.mid, s.rid, s.nacks, s.packets),
            Event::MediaIngressStats(s) => (s.mid, s.rid, s.nacks, s.packets),
            _ => return,
        };
        let sent = match &self.side {
            Side::Subscriber(s) => [&s.audio, &s.video]
                .into_iter()
                .flatten()
                .find(|o| o.mid == mid)
                .map_or(0, |o| o.writer.sent),
            Side::Publisher(_) => 0,
        };
        let index = match self
            .totals
            .iter()
            .position(|t| t.mid == mid && t.rid == rid)
        {
            Some(index) => index,
            None if self.totals.len() < MAX_STREAMS => {
                self.totals.push(Totals {
                    mid,
                    rid,
                    nacks: 0,
                    again: 0,
                });
                self.totals.len() - 1
            }
            None => return,
        };
        let last = &mut self.totals[index];
        let nacked = nacks.saturating_sub(last.nacks);
        match event {
            Event::MediaEgressStats(_) => {
                counters.nacks_in += nacked;
                // Packets may be written and not yet sent at this moment, so that the difference
                // is too small for a while, but never too large.
                let again = packets.saturating_sub(sent);
                counters.rtx_out += again.saturating_sub(last.again);
                last.again = last.again.max(again);
            }
            _ => counters.nacks_out += nacked,
        }
        last.nacks = nacks;
    }
}
