//! The frame numbers of dependency descriptors, continuous over changes of the source.

/// Shifts the frame numbers of one outgoing RTP stream, so that each source goes on where the one
/// before ended: a receiver takes a step back for a frame that comes too late.
///
/// The first source passes as it is.
#[derive(Debug, Clone, Default)]
pub struct FrameNumbers {
    /// The next number is the first one of another source.
    is_entering: bool,
    by: u16,
    newest: Option<u16>,
}

impl FrameNumbers {
    /// Another source is entered with the next frame.
    pub fn enter(&mut self) {
        self.is_entering = true;
    }

    /// The number of a frame on the way out.
    pub fn map(&mut self, number: u16) -> u16 {
        if std::mem::take(&mut self.is_entering)
            && let Some(newest) = self.newest.take()
        {
            self.by = newest.wrapping_add(1).wrapping_sub(number);
        }
        let number = number.wrapping_add(self.by);
        let is_newer = |newest: u16| number.wrapping_sub(newest) < 1 << 15;
        if self.newest.is_none_or(is_newer) {
            self.newest = Some(number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_source_passes_as_it_is() {
        let mut numbers = FrameNumbers::default();
        numbers.enter();
        for number in (0..=u16::MAX).chain(0..9) {
            assert_eq!(numbers.map(number), number);
        }
    }

    #[test]
    fn another_source_goes_on_where_the_one_before_ended() {
        let mut numbers = FrameNumbers::default();
        numbers.enter();
        // The last one is late.
        for number in [65_533, 65_535, 65_534] {
            assert_eq!(numbers.map(number), number);
        }
        numbers.enter();
        // What is left out keeps its place: others refer to frames by their distance.
        for (number, out) in [(700, 0), (700, 0), (703, 3), (702, 2)] {
            assert_eq!(numbers.map(number), out);
        }
        numbers.enter();
        assert_eq!(numbers.map(4), 4);
    }
}
