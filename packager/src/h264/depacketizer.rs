//! RFC 6184 depacketizer: RTP payloads in, whole access units out.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{BufMut, BytesMut};

use super::nal::{self, nal_type};
use super::sets::ParameterSets;
use crate::rtp::RtpPacket;
use crate::video::{AccessUnit, DepacketizerCounters, DepacketizerLimits};

/// Puts access units together from packets in rising order of their sequence
/// numbers.
///
/// A gap in the numbers drops the open access unit and all others until the
/// next IDR that is known to be whole, its first packet included. Call
/// [`poll_access_unit`](Self::poll_access_unit) after each
/// [`handle_packet`](Self::handle_packet) until it has nothing more.
#[derive(Debug, Default)]
pub struct Depacketizer {
    limits: DepacketizerLimits,
    sets: ParameterSets,
    last_seq: Option<u64>,
    /// The packet after `last_seq` starts an access unit or continues the open
    /// one. Unknown after a loss: what was lost may belong to it.
    is_start_known: bool,
    /// Every picture since the last IDR has come out.
    is_synced: bool,
    open: Option<OpenUnit>,
    ready: VecDeque<AccessUnit>,
    counters: DepacketizerCounters,
}

impl Depacketizer {
    /// One that has seen nothing yet and waits for an IDR.
    pub fn new(limits: DepacketizerLimits) -> Self {
        Depacketizer {
            limits,
            ..Default::default()
        }
    }

    /// Takes the next packet in. Numbers left out count as lost.
    pub fn handle_packet(&mut self, packet: &RtpPacket) {
        if self.last_seq.is_some_and(|last| packet.seq <= last) {
            self.counters.stale_packets += 1;
            return;
        }
        if self.last_seq.is_none_or(|last| last + 1 != packet.seq) {
            self.handle_gap();
        }
        self.last_seq = Some(packet.seq);
        // Padding for bandwidth probes: it belongs to no access unit.
        if packet.payload.is_empty() {
            return;
        }
        // The marker is a hint only (RFC 6184 §5.1): a new timestamp ends the
        // access unit as well.
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.time != packet.time)
        {
            self.finish();
        }
        let is_head_known = self.is_start_known || starts_access_unit(&packet.payload);
        let open = self.open.get_or_insert_with(|| {
            let doom = (!is_head_known).then_some(Doom::Headless);
            OpenUnit::new(packet.time, packet.received, doom)
        });
        open.received = packet.received;
        if open.doom.is_none()
            && let Err(doom) = open.handle_payload(
                &packet.payload,
                self.limits.max_access_unit,
                &mut self.sets,
                &mut self.counters,
            )
        {
            open.doom(doom);
        }
        if packet.marker {
            self.finish();
        }
    }

    /// Says that packets are missing here, or that a sequence starts anew: the next packet may
    /// have any number. [`handle_packet`](Self::handle_packet) sees gaps in the sequence numbers
    /// by itself.
    pub fn handle_gap(&mut self) {
        if self.open.take().is_some() {
            self.counters.units_lost += 1;
        }
        self.last_seq = None;
        self.is_start_known = false;
        self.is_synced = false;
    }

    /// The next whole access unit.
    pub fn poll_access_unit(&mut self) -> Option<AccessUnit> {
        self.ready.pop_front()
    }

    /// Nothing comes out before the next IDR.
    pub fn needs_keyframe(&self) -> bool {
        !self.is_synced
    }

    /// What was dropped so far.
    pub fn counters(&self) -> DepacketizerCounters {
        self.counters
    }

    fn finish(&mut self) {
        // This packet is the last of its access unit, so the next is a first.
        self.is_start_known = true;
        let Some(mut unit) = self.open.take() else {
            return;
        };
        if unit.fragment.is_some() {
            unit.doom(Doom::Malformed);
        }
        if let Some(doom) = unit.doom {
            self.is_synced = false;
            *match doom {
                Doom::Headless => &mut self.counters.units_headless,
                Doom::Malformed => &mut self.counters.units_malformed,
                Doom::TooLarge => &mut self.counters.units_too_large,
            } += 1;
            return;
        }
        // Parameter sets or SEI alone are no picture.
        let Some(pps_id) = unit.pps_id else { return };
        let is_keyframe = unit.has_idr && !unit.has_other;
        if !is_keyframe && !self.is_synced {
            self.counters.units_awaiting_keyframe += 1;
            return;
        }
        let config = if is_keyframe {
            self.sets.activate(pps_id)
        } else {
            self.sets.still_active(pps_id)
        };
        self.is_synced = config.is_some();
        let Some(config) = config else {
            *match is_keyframe {
                true => &mut self.counters.units_without_sets,
                false => &mut self.counters.units_changed_sets,
            } += 1;
            return;
        };
        if self.ready.len() >= self.limits.max_ready.max(1) {
            self.counters.units_unpolled += 1;
            self.is_synced = false;
            return;
        }
        self.ready.push_back(AccessUnit {
            rtp_time: unit.time,
            received: unit.received,
            is_keyframe,
            config,
            data: unit.data.freeze(),
        });
    }
}

/// Why an access unit will not come out.
#[derive(Clone, Copy, Debug)]
enum Doom {
    Headless,
    Malformed,
    TooLarge,
}

#[derive(Debug)]
struct OpenUnit {
    time: u32,
    received: Instant,
    data: BytesMut,
    doom: Option<Doom>,
    /// The FU-A under way: its NAL unit type, and where its length goes.
    fragment: Option<(u8, usize)>,
    /// The PPS of the first slice.
    pps_id: Option<u8>,
    has_idr: bool,
    has_other: bool,
}

impl OpenUnit {
    fn new(time: u32, received: Instant, doom: Option<Doom>) -> Self {
        OpenUnit {
            time,
            received,
            data: BytesMut::new(),
            doom,
            fragment: None,
            pps_id: None,
            has_idr: false,
            has_other: false,
        }
    }

    /// The first reason stays; what has been gathered is of no use any more.
    fn doom(&mut self, doom: Doom) {
        self.doom.get_or_insert(doom);
        self.data = BytesMut::new();
        self.fragment = None;
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        max: usize,
        sets: &mut ParameterSets,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let Some((&header, rest)) = payload.split_first() else {
            return Ok(());
        };
        if header & FORBIDDEN_BIT != 0 {
            return Err(Doom::Malformed);
        }
        if self.fragment.is_some() && nal_type(header) != nal::FU_A {
            return Err(Doom::Malformed);
        }
        match nal_type(header) {
            1..=23 => self.handle_nal(payload, max, sets, counters),
            nal::STAP_A => {
                let mut rest = rest;
                if rest.is_empty() {
                    return Err(Doom::Malformed);
                }
                while !rest.is_empty() {
                    let (length, tail) = rest.split_first_chunk().ok_or(Doom::Malformed)?;
                    let length = usize::from(u16::from_be_bytes(*length));
                    let (nal, tail) = tail.split_at_checked(length).ok_or(Doom::Malformed)?;
                    match nal.first() {
                        Some(&header)
                            if header & FORBIDDEN_BIT == 0
                                && (1..=23).contains(&nal_type(header)) => {}
                        _ => return Err(Doom::Malformed),
                    }
                    self.handle_nal(nal, max, sets, counters)?;
                    rest = tail;
                }
                Ok(())
            }
            nal::FU_A => {
                let (&fu, body) = rest.split_first().ok_or(Doom::Malformed)?;
                self.handle_fragment(header, fu, body, max, sets, counters)
            }
            // STAP-B, MTAP and FU-B belong to the interleaved mode, which is
            // never negotiated (§5.4); the rest is reserved.
            _ => Err(Doom::Malformed),
        }
    }

    /// FU-A (RFC 6184 §5.8).
    fn handle_fragment(
        &mut self,
        indicator: u8,
        fu: u8,
        body: &[u8],
        max: usize,
        sets: &mut ParameterSets,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let (is_start, is_end, kind) = (fu & 0x80 != 0, fu & 0x40 != 0, nal_type(fu));
        if !(1..=23).contains(&kind) || (is_start && is_end) {
            return Err(Doom::Malformed);
        }
        let start = match self.fragment {
            None if is_start => {
                let start = self.data.len();
                self.append(&[0; LENGTH_SIZE], max)?;
                self.append(&[indicator & 0xe0 | kind], max)?;
                self.fragment = Some((kind, start));
                start
            }
            Some((open_kind, start)) if !is_start && open_kind == kind => start,
            _ => return Err(Doom::Malformed),
        };
        self.append(body, max)?;
        if !is_end {
            return Ok(());
        }
        self.fragment = None;
        if is_slice(kind) {
            return self.seal_slice(start);
        }
        // Rare: what is not a slice comes in one piece. It goes the common way.
        let nal = self.data.split_off(start).freeze().slice(LENGTH_SIZE..);
        self.handle_nal(&nal, max, sets, counters)
    }

    fn handle_nal(
        &mut self,
        nal: &[u8],
        max: usize,
        sets: &mut ParameterSets,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let kind = nal.first().map_or(0, |header| nal_type(*header));
        let set = match kind {
            nal::SPS => sets.handle_sps(nal),
            nal::PPS => sets.handle_pps(nal),
            _ if is_slice(kind) => {
                let start = self.data.len();
                self.append(&[0; LENGTH_SIZE], max)?;
                self.append(nal, max)?;
                return self.seal_slice(start);
            }
            _ => Ok(()),
        };
        if set.is_err() {
            counters.bad_parameter_sets += 1;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8], max: usize) -> Result<(), Doom> {
        if self.data.len() + bytes.len() > max {
            return Err(Doom::TooLarge);
        }
        self.data.put_slice(bytes);
        Ok(())
    }

    /// Writes the length of the slice that begins at `start` and takes note of
    /// what it is.
    fn seal_slice(&mut self, start: usize) -> Result<(), Doom> {
        let length = self.data.len() - start - LENGTH_SIZE;
        let nal = &self.data[start + LENGTH_SIZE..];
        let pps_id = nal::slice_pps_id(nal).ok_or(Doom::Malformed)?;
        match nal_type(nal[0]) {
            nal::IDR_SLICE => self.has_idr = true,
            _ => self.has_other = true,
        }
        self.pps_id.get_or_insert(pps_id);
        let length = u32::try_from(length).map_err(|_| Doom::TooLarge)?;
        self.data[start..start + LENGTH_SIZE].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// Bytes of the length before each NAL unit.
const LENGTH_SIZE: usize = 4;
/// `forbidden_zero_bit` (ISO/IEC 14496-10 §7.4.1).
const FORBIDDEN_BIT: u8 = 0x80;

/// Slices of a single layer. Data partitions (2 to 4) belong to the Extended
/// profile, which nobody negotiates.
fn is_slice(kind: u8) -> bool {
    matches!(kind, nal::NON_IDR_SLICE | nal::IDR_SLICE)
}

/// Whether `payload` can only be the first of an access unit: it begins with a
/// delimiter or an SPS (ISO/IEC 14496-10 §7.4.1.2.3).
fn starts_access_unit(payload: &[u8]) -> bool {
    let first = match payload.first().map(|header| nal_type(*header)) {
        Some(nal::STAP_A) => payload.get(3).map(|header| nal_type(*header)),
        first => first,
    };
    matches!(first, Some(nal::SPS | nal::ACCESS_UNIT_DELIMITER))
}

#[cfg(test)]
mod tests;
