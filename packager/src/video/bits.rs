//! Bits: fixed-length fields of a bit stream, the most significant bit first.

/// A reader of bits; `None` where they have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Bits { data, at: 0 }
    }

    /// A number of `width` bits, at most 32.
    pub(crate) fn take(&mut self, width: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..width {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// A number of up to eight bits.
    pub(crate) fn byte(&mut self, width: u32) -> Option<u8> {
        self.take(width).map(|value| value as u8)
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Passes over `width` bits.
    pub(crate) fn skip(&mut self, width: u32) -> Option<()> {
        let end = self.at.checked_add(width as usize)?;
        (end <= self.data.len() * 8).then(|| self.at = end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_from_the_top_down_to_the_end() {
        let mut bits = Bits::new(&[0b1010_0110, 0xff]);
        assert_eq!(bits.flag(), Some(true));
        assert_eq!(bits.take(3), Some(0b010));
        assert_eq!(bits.skip(2), Some(()));
        assert_eq!(bits.byte(4), Some(0b1011));
        assert_eq!(bits.skip(7), None);
        assert_eq!(bits.take(7), None);
        assert_eq!(bits.flag(), None);
    }
}
