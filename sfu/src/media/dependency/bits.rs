//! Bits of a header extension, the highest of each byte first.

/// Reads bits and never beyond the end.
#[derive(Debug, Clone)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
}

/// There are fewer bits than were to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfBits;

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, OutOfBits> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(OutOfBits)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// The next `count` bits, at most 8.
    pub(super) fn byte(&mut self, count: u32) -> Result<u8, OutOfBits> {
        debug_assert!(count <= 8);
        Ok(self.bits(count)? as u8)
    }

    pub(super) fn flag(&mut self) -> Result<bool, OutOfBits> {
        Ok(self.bits(1)? == 1)
    }

    /// A value below `count`, at most 64 (`ns(n)` of the AV1 bitstream specification, §4.10.7).
    pub(super) fn below(&mut self, count: u8) -> Result<u8, OutOfBits> {
        let (width, short) = below_code(count);
        let value = self.byte(width - 1)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) - short + self.byte(1)?)
    }
}

/// Appends bits to a run of bytes.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits written so far.
    at: usize,
}

impl BitWriter {
    /// Appends the lowest `count` bits of a value, at most 32.
    pub(super) fn bits(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.at % 8);
            }
            self.at += 1;
        }
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.bits(u32::from(value), 1);
    }

    /// The counterpart of [`BitReader::below`].
    pub(super) fn below(&mut self, value: u8, count: u8) {
        let (width, short) = below_code(count);
        if value < short {
            self.bits(u32::from(value), width - 1);
        } else {
            self.bits(u32::from(value + short), width);
        }
    }

    /// The bytes, the last one filled up with zeros.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// How values below `count` are written: the bits of the long ones, and how many are one bit
/// shorter.
fn below_code(count: u8) -> (u32, u8) {
    debug_assert!((1..=64).contains(&count));
    let width = u8::BITS - count.leading_zeros();
    (width, ((1_u16 << width) - u16::from(count)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_back_as_they_were_written() {
        let mut writer = BitWriter::default();
        writer.flag(true);
        writer.bits(0x2_a5a5, 18);
        writer.bits(0, 0);
        writer.bits(u32::MAX, 32);
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 7);
        let mut reader = BitReader::new(&bytes);
        assert_eq!(reader.flag(), Ok(true));
        assert_eq!(reader.bits(18), Ok(0x2_a5a5));
        assert_eq!(reader.bits(32), Ok(u32::MAX));
        assert_eq!(reader.bits(5), Ok(0), "filled up");
        assert_eq!(reader.bits(1), Err(OutOfBits));
    }

    #[test]
    fn values_below_five_take_two_or_three_bits() {
        let written = |value| {
            let mut writer = BitWriter::default();
            writer.below(value, 5);
            (writer.at, writer.finish()[0])
        };
        let codes = [0b000, 0b001, 0b010, 0b110, 0b111];
        for (value, code) in codes.into_iter().enumerate() {
            let bits = if value < 3 { 2 } else { 3 };
            assert_eq!(written(value as u8), (bits, code << (8 - bits)));
        }
    }

    #[test]
    fn values_below_any_bound_come_back() {
        for count in 1..=64 {
            let mut writer = BitWriter::default();
            for value in 0..count {
                writer.below(value, count);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for value in 0..count {
                assert_eq!(reader.below(count), Ok(value), "of {count}");
            }
        }
    }
}
