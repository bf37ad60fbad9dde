//! One H.265 picture out of its payloads.

use bytes::{BufMut, BytesMut};

use super::nal::{self, Header, Slice};
use super::sets::ParameterSets;
use crate::video::{Coded, DepacketizerCounters, Doom, Payloads};

/// The slices of the base layer.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// NAL units, each with a 4-byte length before it.
    data: BytesMut,
    fragment: Option<Fragment>,
    first: Option<First>,
    /// No picture that follows refers to one before.
    ends_sequence: bool,
}

/// A NAL unit that goes on in the next payload.
#[derive(Debug)]
struct Fragment {
    kind: u8,
    /// Where its length goes.
    start: usize,
}

/// What the first slice segment says of the picture.
#[derive(Debug)]
struct First {
    kind: u8,
    pps_id: u8,
}

impl Payloads for Picture {
    type Memory = ParameterSets;

    /// It begins with a delimiter or the VPS, before which nothing is that a decoder needs (Rec.
    /// ITU-T H.265 section 7.4.2.4.4).
    fn starts_picture(payload: &[u8]) -> bool {
        let first = match Header::read(payload) {
            Some((header, rest)) if header.kind == nal::AGGREGATION => rest.get(2..),
            _ => Some(payload),
        };
        first
            .and_then(Header::read)
            .is_some_and(|(header, _)| matches!(header.kind, nal::DELIMITER | nal::VPS))
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        memory: &mut ParameterSets,
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let (header, rest) = Header::read(payload).ok_or(Doom::Malformed)?;
        if self.fragment.is_some() && header.kind != nal::FRAGMENT {
            return Err(Doom::Malformed);
        }
        match header.kind {
            nal::AGGREGATION if rest.is_empty() => Err(Doom::Malformed),
            nal::AGGREGATION => self.handle_aggregate(rest, memory, max, counters),
            nal::FRAGMENT => self.handle_fragment(payload, memory, max, counters),
            // PACI and what is reserved for later: nobody negotiates them.
            kind if kind > nal::AGGREGATION => Err(Doom::Malformed),
            _ => self.handle_nal(payload, memory, max, counters),
        }
    }

    fn finish(
        self,
        memory: &mut ParameterSets,
        is_synced: bool,
        counters: &mut DepacketizerCounters,
    ) -> Result<Option<Coded>, Doom> {
        if self.fragment.is_some() {
            return Err(Doom::Malformed);
        }
        // Parameter sets or SEI alone are no picture.
        let Some(First { kind, pps_id }) = self.first else {
            memory.has_ended |= self.ends_sequence;
            return Ok(None);
        };
        let is_first = std::mem::replace(&mut memory.has_ended, self.ends_sequence);
        let starts = if nal::is_irap(kind) {
            // NoRaslOutputFlag (section 8.1.3).
            memory.skips_leading = !is_synced || is_first || kind != nal::CRA;
            Some(memory.activate(pps_id).ok_or(Doom::WithoutSets)?)
        } else {
            if memory.skips_leading && nal::is_skipped_leading(kind) {
                counters.units_leading += 1;
                return Ok(None);
            }
            if is_synced && !memory.is_still_active(pps_id) {
                return Err(Doom::ChangedSets);
            }
            None
        };
        Ok(Some(Coded {
            data: self.data.freeze(),
            starts,
        }))
    }
}

impl Picture {
    /// RFC 7798 section 4.4.2, without `sprop-max-don-diff`.
    fn handle_aggregate(
        &mut self,
        mut rest: &[u8],
        memory: &mut ParameterSets,
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        while !rest.is_empty() {
            let (length, tail) = rest.split_first_chunk().ok_or(Doom::Malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (nal, tail) = tail.split_at_checked(length).ok_or(Doom::Malformed)?;
            self.handle_nal(nal, memory, max, counters)?;
            rest = tail;
        }
        Ok(())
    }

    /// RFC 7798 section 4.4.3, without `sprop-max-don-diff`.
    fn handle_fragment(
        &mut self,
        payload: &[u8],
        memory: &mut ParameterSets,
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let &[first, second, fu, ref body @ ..] = payload else {
            return Err(Doom::Malformed);
        };
        let (is_start, is_end, kind) = (fu & 0x80 != 0, fu & 0x40 != 0, fu & 0x3f);
        if kind >= nal::AGGREGATION || (is_start && is_end) || body.is_empty() {
            return Err(Doom::Malformed);
        }
        let start = match &self.fragment {
            None if is_start => {
                let start = self.data.len();
                self.append(&[0; LENGTH_SIZE], max)?;
                self.append(&[first & 0x81 | kind << 1, second], max)?;
                self.fragment = Some(Fragment { kind, start });
                start
            }
            Some(open) if !is_start && open.kind == kind => open.start,
            _ => return Err(Doom::Malformed),
        };
        self.append(body, max)?;
        if !is_end {
            return Ok(());
        }
        self.fragment = None;
        let header = Header::read(&self.data[start + LENGTH_SIZE..]);
        if header.is_some_and(|(header, _)| header.layer == 0 && nal::is_slice(kind)) {
            return self.seal_slice(kind, start);
        }
        // Rare: what is not a slice comes in one piece. It goes the common way.
        let nal = self.data.split_off(start).freeze().slice(LENGTH_SIZE..);
        self.handle_nal(&nal, memory, max, counters)
    }

    fn handle_nal(
        &mut self,
        nal: &[u8],
        memory: &mut ParameterSets,
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let (Header { kind, layer }, _) = Header::read(nal).ok_or(Doom::Malformed)?;
        if kind >= nal::AGGREGATION {
            return Err(Doom::Malformed);
        }
        if layer > 0 {
            counters.layer_packets += 1;
            return Ok(());
        }
        match kind {
            nal::VPS | nal::SPS | nal::PPS => {
                counters.bad_parameter_sets += u64::from(memory.handle(kind, nal).is_err());
            }
            nal::END_OF_SEQUENCE => self.ends_sequence = true,
            kind if nal::is_slice(kind) => {
                let start = self.data.len();
                self.append(&[0; LENGTH_SIZE], max)?;
                self.append(nal, max)?;
                return self.seal_slice(kind, start);
            }
            // Delimiters, SEI, filler, and what is reserved.
            _ => {}
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

    /// Writes the length of the slice segment that begins at `start` and takes note of what it is.
    fn seal_slice(&mut self, kind: u8, start: usize) -> Result<(), Doom> {
        let nal = &self.data[start + LENGTH_SIZE..];
        let length = u32::try_from(nal.len()).map_err(|_| Doom::TooLarge)?;
        let slice = Slice::read(kind, nal).ok_or(Doom::Malformed)?;
        // One picture, from its first segment on, all of one type (section 7.4.2.2).
        if slice.is_first != self.first.is_none()
            || self.first.as_ref().is_some_and(|first| first.kind != kind)
        {
            return Err(Doom::Malformed);
        }
        let pps_id = slice.pps_id;
        self.first.get_or_insert(First { kind, pps_id });
        self.data[start..start + LENGTH_SIZE].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// Bytes of the length before each NAL unit.
const LENGTH_SIZE: usize = 4;

#[cfg(test)]
mod tests;
