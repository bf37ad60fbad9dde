//! Packets to access units, as far as it is the same for all payload formats but that of H.264.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{AccessUnit, DepacketizerCounters, DepacketizerLimits, VideoConfig};
use crate::rtp::RtpPacket;

/// The payloads of one picture, in order.
pub(crate) trait Payloads: Default {
    /// What lasts from picture to picture.
    type Memory: Default;

    /// Whether `payload` can only be the first of a picture.
    fn starts_picture(payload: &[u8]) -> bool;

    /// Takes the next payload, which is not empty, in; at most `max` bytes are held.
    fn handle_payload(
        &mut self,
        payload: &[u8],
        memory: &mut Self::Memory,
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom>;

    /// The picture; nothing if there is none in the payloads. Pictures up to the next key frame
    /// come out if `is_synced`.
    fn finish(
        self,
        memory: &mut Self::Memory,
        is_synced: bool,
        counters: &mut DepacketizerCounters,
    ) -> Result<Option<Coded>, Doom>;
}

/// A picture on its own.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) data: Bytes,
    /// Of a key frame: what a decoder must know.
    pub(crate) starts: Option<VideoConfig>,
}

/// Why an access unit will not come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    Headless,
    Malformed,
    TooLarge,
    WithoutSets,
    ChangedSets,
}

/// See the module. Its functions are those of [`super::Depacketizer`].
#[derive(Debug)]
pub(crate) struct Assembly<P: Payloads> {
    limits: DepacketizerLimits,
    memory: P::Memory,
    last_seq: Option<u64>,
    /// The packet after `last_seq` starts a picture or continues the open one. Unknown after a
    /// loss: what was lost may belong to it.
    is_start_known: bool,
    /// What the pictures since the last key frame need, all of which have come out.
    active: Option<Arc<VideoConfig>>,
    is_synced: bool,
    open: Option<Open<P>>,
    ready: VecDeque<AccessUnit>,
    counters: DepacketizerCounters,
}

/// The picture under way.
#[derive(Debug)]
struct Open<P> {
    time: u32,
    received: Instant,
    payloads: Result<P, Doom>,
}

impl<P: Payloads> Assembly<P> {
    /// One that has seen nothing yet and waits for a key frame.
    pub(crate) fn new(limits: DepacketizerLimits) -> Self {
        Self {
            limits,
            memory: P::Memory::default(),
            last_seq: None,
            is_start_known: false,
            active: None,
            is_synced: false,
            open: None,
            ready: VecDeque::new(),
            counters: DepacketizerCounters::default(),
        }
    }

    /// Takes the next packet in. Numbers left out count as lost.
    pub(crate) fn handle_packet(&mut self, packet: &RtpPacket) {
        if self.last_seq.is_some_and(|last| packet.seq <= last) {
            self.counters.stale_packets += 1;
            return;
        }
        if self.last_seq.is_none_or(|last| last + 1 != packet.seq) {
            self.handle_gap();
        }
        self.last_seq = Some(packet.seq);
        // Padding for bandwidth probes: it belongs to no picture.
        if packet.payload.is_empty() {
            return;
        }
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.time != packet.time)
        {
            self.finish();
        }
        let is_head_known = self.is_start_known || P::starts_picture(&packet.payload);
        let open = self.open.get_or_insert_with(|| Open {
            time: packet.time,
            received: packet.received,
            payloads: is_head_known.then(P::default).ok_or(Doom::Headless),
        });
        open.received = packet.received;
        if let Ok(payloads) = &mut open.payloads {
            let max = self.limits.max_access_unit;
            let (memory, counters) = (&mut self.memory, &mut self.counters);
            let taken = payloads.handle_payload(&packet.payload, memory, max, counters);
            if let Err(doom) = taken {
                // What has been gathered is of no use any more.
                open.payloads = Err(doom);
            }
        }
        if packet.marker {
            self.finish();
        }
    }

    /// Says that packets are missing here, or that a sequence starts anew.
    pub(crate) fn handle_gap(&mut self) {
        if self.open.take().is_some() {
            self.counters.units_lost += 1;
        }
        self.last_seq = None;
        self.is_start_known = false;
        self.is_synced = false;
    }

    /// The next whole access unit.
    pub(crate) fn poll_access_unit(&mut self) -> Option<AccessUnit> {
        self.ready.pop_front()
    }

    /// Nothing comes out before the next key frame.
    pub(crate) fn needs_keyframe(&self) -> bool {
        !self.is_synced
    }

    /// What was dropped so far.
    pub(crate) fn counters(&self) -> DepacketizerCounters {
        self.counters
    }

    fn finish(&mut self) {
        // This packet is the last of its picture, so the next is a first.
        self.is_start_known = true;
        let Some(open) = self.open.take() else {
            return;
        };
        let (memory, counters) = (&mut self.memory, &mut self.counters);
        let coded = match open
            .payloads
            .and_then(|payloads| payloads.finish(memory, self.is_synced, counters))
        {
            Ok(Some(coded)) => coded,
            Ok(None) => return,
            Err(doom) => {
                self.is_synced = false;
                *match doom {
                    Doom::Headless => &mut self.counters.units_headless,
                    Doom::Malformed => &mut self.counters.units_malformed,
                    Doom::TooLarge => &mut self.counters.units_too_large,
                    Doom::WithoutSets => &mut self.counters.units_without_sets,
                    Doom::ChangedSets => &mut self.counters.units_changed_sets,
                } += 1;
                return;
            }
        };
        let is_keyframe = coded.starts.is_some();
        if !is_keyframe && !self.is_synced {
            self.counters.units_awaiting_keyframe += 1;
            return;
        }
        if let Some(config) = coded.starts
            && self.active.as_deref() != Some(&config)
        {
            self.active = Some(Arc::new(config));
        }
        let Some(config) = self.active.clone() else {
            return;
        };
        self.is_synced = self.ready.len() < self.limits.max_ready.max(1);
        if !self.is_synced {
            self.counters.units_unpolled += 1;
            return;
        }
        self.ready.push_back(AccessUnit {
            rtp_time: open.time,
            received: open.received,
            is_keyframe,
            config,
            data: coded.data,
        });
    }
}
