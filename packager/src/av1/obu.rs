//! Open bitstream units: their header and size (AV1 Bitstream & Decoding Process Specification
//! sections 5.3 and 4.10.5).

use bytes::{BufMut, BytesMut};

/// OBU types (section 6.2.2).
pub(super) const SEQUENCE_HEADER: u8 = 1;
pub(super) const TEMPORAL_DELIMITER: u8 = 2;
pub(super) const FRAME_HEADER: u8 = 3;
pub(super) const FRAME: u8 = 6;
pub(super) const TILE_LIST: u8 = 8;
pub(super) const PADDING: u8 = 15;

/// An OBU without its size field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Obu<'a> {
    header: u8,
    extension: Option<u8>,
    pub(super) payload: &'a [u8],
}

impl<'a> Obu<'a> {
    /// A sequence header without extension.
    pub(super) fn sequence_header(payload: &'a [u8]) -> Self {
        Obu {
            header: SEQUENCE_HEADER << 3,
            extension: None,
            payload,
        }
    }

    /// The OBU that `element` of an RTP payload is, with a size field or without; nothing if it is
    /// none.
    pub(super) fn read(element: &'a [u8]) -> Option<Self> {
        let (&header, mut payload) = element.split_first()?;
        if header & FORBIDDEN_BIT != 0 {
            return None;
        }
        let mut extension = None;
        if header & EXTENSION_FLAG != 0 {
            let (&byte, rest) = payload.split_first()?;
            (extension, payload) = (Some(byte), rest);
        }
        if header & HAS_SIZE_FIELD != 0 {
            let size = read_leb128(&mut payload)?;
            payload = payload.get(..size)?;
        }
        Some(Obu {
            header,
            extension,
            payload,
        })
    }

    /// The first of the OBUs in `rest`, each but the last with its size, cut off its front; nothing if
    /// there is none.
    pub(super) fn next(rest: &mut &'a [u8]) -> Option<Self> {
        let obu = Self::read(rest)?;
        // `read` has cut the payload out of it.
        let has_size = obu.header & HAS_SIZE_FIELD != 0;
        let mut behind = rest.get(1 + usize::from(obu.extension.is_some())..)?;
        if has_size {
            read_leb128(&mut behind)?;
        }
        *rest = behind.get(obu.payload.len()..)?;
        Some(obu)
    }

    pub(super) fn kind(&self) -> u8 {
        self.header >> 3 & 0x0f
    }

    /// Writes it with its size.
    pub(super) fn write(&self, out: &mut BytesMut) {
        out.put_u8(self.header | HAS_SIZE_FIELD);
        out.extend(self.extension);
        put_leb128(self.payload.len(), out);
        out.put_slice(self.payload);
    }

    /// The most bytes that [`write`](Self::write) adds.
    pub(super) fn max_length(&self) -> usize {
        2 + LEB128_BYTES + self.payload.len()
    }
}

/// A number in as many bytes as it takes, cut off the front of `rest`; nothing if it does not end or
/// is above 32 bits.
pub(super) fn read_leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0u64;
    for index in 0..LEB128_BYTES {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return usize::try_from(u32::try_from(value).ok()?).ok();
        }
    }
    None
}

fn put_leb128(mut value: usize, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

const FORBIDDEN_BIT: u8 = 0x80;
const EXTENSION_FLAG: u8 = 0x04;
const HAS_SIZE_FIELD: u8 = 0x02;
/// Section 4.10.5.
const LEB128_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_with_and_without_size_and_written_with_it() {
        for (element, kind, expected) in [
            (&[0x30, 1, 2][..], FRAME, &[0x32, 2, 1, 2][..]),
            (&[0x32, 2, 1, 2], FRAME, &[0x32, 2, 1, 2]),
            (&[0x34, 0x48, 1], FRAME, &[0x36, 0x48, 1, 1]),
            (&[0x36, 0x48, 1, 9], FRAME, &[0x36, 0x48, 1, 9]),
            (&[0x10], TEMPORAL_DELIMITER, &[0x12, 0]),
        ] {
            let obu = Obu::read(element).expect("an OBU");
            assert_eq!(obu.kind(), kind);
            let mut out = BytesMut::new();
            obu.write(&mut out);
            assert_eq!(out.as_ref(), expected);
            assert!(out.len() <= obu.max_length());
        }
        // Nothing, the forbidden bit, no extension, and a size beyond the end.
        for element in [&[][..], &[0xb0, 1], &[0x34], &[0x32, 3, 1, 2], &[0x32]] {
            assert_eq!(Obu::read(element), None, "{element:02x?}");
        }
    }

    #[test]
    fn numbers_go_there_and_back() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX as usize] {
            let mut out = BytesMut::new();
            put_leb128(value, &mut out);
            let mut rest = &out[..];
            assert_eq!(read_leb128(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        // Not ended, above 32 bits, longer than eight bytes.
        for bytes in [&[0x80][..], &[0xff, 0xff, 0xff, 0xff, 0x1f], &[0x80; 9]] {
            assert_eq!(read_leb128(&mut &bytes[..]), None);
        }
    }
}
