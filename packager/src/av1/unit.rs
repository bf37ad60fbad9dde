//! One AV1 temporal unit out of its payloads.

use bytes::{BufMut, Bytes, BytesMut};

use super::obu::{self, Obu};
use super::sequence::{MAX_SEQUENCE_HEADER, Sequence};
use crate::video::{Coded, DepacketizerCounters, Doom, Payloads, VideoConfig};

/// All OBUs of a picture with all its spatial layers: a decoder shows the highest one.
#[derive(Debug, Default)]
pub(crate) struct TemporalUnit {
    /// Whole OBUs, with their sizes.
    data: BytesMut,
    /// The OBU that goes on in the next payload.
    fragment: Option<BytesMut>,
    /// The payload of the sequence header.
    sequence: Option<Bytes>,
    /// The first byte of the first frame header.
    frame: Option<u8>,
}

/// The sequence header in force.
#[derive(Debug)]
pub(crate) struct Active {
    payload: Bytes,
    config: VideoConfig,
    is_reduced: bool,
}

impl Payloads for TemporalUnit {
    type Memory = Option<Active>;

    fn starts_picture(payload: &[u8]) -> bool {
        payload.first().is_some_and(|head| head & (Z | N) == N)
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        _: &mut Option<Active>,
        max: usize,
        _: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let (&head, mut rest) = payload.split_first().ok_or(Doom::Malformed)?;
        let count = head >> 4 & 0x03;
        if self.fragment.is_some() != (head & Z != 0) || rest.is_empty() {
            return Err(Doom::Malformed);
        }
        let mut index = 0;
        while !rest.is_empty() {
            index += 1;
            // The last of the counted ones has no length.
            let length = match count {
                0 => obu::read_leb128(&mut rest),
                count if index < count => obu::read_leb128(&mut rest),
                _ => Some(rest.len()),
            };
            let split = length.and_then(|length| rest.split_at_checked(length));
            let (element, tail) = split.ok_or(Doom::Malformed)?;
            rest = tail;
            let goes_on = rest.is_empty() && head & Y != 0;
            self.handle_element(element, goes_on, max)?;
        }
        if count != 0 && index != count {
            return Err(Doom::Malformed);
        }
        Ok(())
    }

    fn finish(
        mut self,
        memory: &mut Option<Active>,
        _: bool,
        counters: &mut DepacketizerCounters,
    ) -> Result<Option<Coded>, Doom> {
        if self.fragment.is_some() {
            return Err(Doom::Malformed);
        }
        let has_sequence = self.sequence.is_some();
        let mut is_other = false;
        if let Some(payload) = self.sequence.take()
            && memory
                .as_ref()
                .is_none_or(|active| active.payload != payload)
        {
            is_other = memory.is_some();
            *memory = Active::read(payload);
            counters.bad_parameter_sets += u64::from(memory.is_none());
        }
        let Some(frame) = self.frame else {
            return Ok(None);
        };
        let active = memory.as_ref().ok_or(Doom::WithoutSets)?;
        // show_existing_frame 0, frame_type KEY_FRAME, show_frame 1 (section 5.9.2).
        let is_keyframe = active.is_reduced || frame >> 4 == 0b0001;
        if !is_keyframe {
            return match is_other {
                true => Err(Doom::ChangedSets),
                false => Ok(Some(Coded {
                    data: self.data.freeze(),
                    starts: None,
                })),
            };
        }
        let mut data = self.data;
        if !has_sequence {
            // A sync sample has it (AV1 Codec ISO Media File Format Binding section 2.4).
            let header = Obu::sequence_header(&active.payload);
            let mut whole = BytesMut::with_capacity(header.max_length() + data.len());
            header.write(&mut whole);
            whole.put_slice(&data);
            data = whole;
        }
        Ok(Some(Coded {
            data: data.freeze(),
            starts: Some(active.config.clone()),
        }))
    }
}

impl TemporalUnit {
    /// An OBU element of a payload (section 4.4 of the payload format).
    fn handle_element(&mut self, element: &[u8], goes_on: bool, max: usize) -> Result<(), Doom> {
        let held = self.fragment.as_ref().map_or(0, BytesMut::len);
        if self.data.len() + held + element.len() > max {
            return Err(Doom::TooLarge);
        }
        match (self.fragment.take(), goes_on) {
            (None, false) => self.handle_obu(element, max),
            (fragment, true) => {
                let mut fragment = fragment.unwrap_or_default();
                fragment.put_slice(element);
                self.fragment = Some(fragment);
                Ok(())
            }
            (Some(mut fragment), false) => {
                fragment.put_slice(element);
                self.handle_obu(&fragment, max)
            }
        }
    }

    fn handle_obu(&mut self, element: &[u8], max: usize) -> Result<(), Doom> {
        let obu = Obu::read(element).ok_or(Doom::Malformed)?;
        match obu.kind() {
            // They are not part of a sample (AV1 Codec ISO Media File Format Binding section 2.4).
            obu::TEMPORAL_DELIMITER | obu::TILE_LIST | obu::PADDING => return Ok(()),
            obu::SEQUENCE_HEADER => {
                if obu.payload.len() > MAX_SEQUENCE_HEADER {
                    return Err(Doom::TooLarge);
                }
                self.sequence = Some(Bytes::copy_from_slice(obu.payload));
            }
            obu::FRAME | obu::FRAME_HEADER => {
                let first = *obu.payload.first().ok_or(Doom::Malformed)?;
                self.frame.get_or_insert(first);
            }
            _ => {}
        }
        if self.data.len() + obu.max_length() > max {
            return Err(Doom::TooLarge);
        }
        obu.write(&mut self.data);
        Ok(())
    }
}

impl Active {
    fn read(payload: Bytes) -> Option<Self> {
        let sequence = Sequence::read(&payload)?;
        Some(Active {
            config: sequence.config(&payload),
            is_reduced: sequence.is_reduced,
            payload,
        })
    }
}

// The aggregation header (section 4.4 of the payload format).
/// The first element continues the last one of the packet before.
const Z: u8 = 0x80;
/// The last element goes on in the next packet.
const Y: u8 = 0x40;
/// The packet is the first of a coded video sequence.
const N: u8 = 0x08;

#[cfg(test)]
mod tests;
