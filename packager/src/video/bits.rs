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

    /// An Exp-Golomb code, ue(v) (Rec. ITU-T H.265 section 9.2).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
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

    #[test]
    fn exponential_golomb_codes_are_read_up_to_31_zeros() {
        // 1 010 00100 0001000
        let mut bits = Bits::new(&[0b1010_0010, 0b0000_1000]);
        assert_eq!([(); 4].map(|()| bits.ue()), [0, 1, 3, 7].map(Some));
        assert_eq!(bits.ue(), None);
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Bits::new(&longest).ue(), Some(u32::MAX - 1));
        assert_eq!(Bits::new(&[0; 9]).ue(), None);
    }
}
