//! The picture numbers of VP8 (RFC 7741 §4.2), continuous over changes of the source and over pictures
//! that are left out.

use std::collections::VecDeque;
use std::sync::Arc;

/// Shifts the picture ids and the indices of temporal layer 0 of one outgoing RTP stream, so that
/// each source goes on where the one before ended: a receiver takes a jump for lost pictures.
///
/// The first source passes as it is. A payload is copied only where its numbers change.
#[derive(Debug, Clone, Default)]
pub struct PictureNumbers {
    /// The next payload is the first one of another source.
    is_entering: bool,
    picture: Shift,
    layer0: Shift,
}

impl PictureNumbers {
    /// Another source is entered with the next payload.
    pub fn enter(&mut self) {
        self.is_entering = true;
    }

    /// A payload is left out: if it is of the newest picture, the next one gets its picture id. The
    /// pictures of temporal layer 0, whose indices go on, are never left out.
    pub fn leave_out(&mut self, payload: &[u8]) {
        if let Some(number) = Numbers::read(payload).and_then(|numbers| numbers.picture)
            && !self.is_entering
        {
            self.picture.leave_out(number);
        }
    }

    /// The payload with numbers that go on, if they are not its own.
    pub fn map(&mut self, payload: &[u8]) -> Option<Arc<[u8]>> {
        let numbers = Numbers::read(payload)?;
        let is_entering = std::mem::take(&mut self.is_entering);
        let picture = numbers
            .picture
            .map(|n| (n, self.picture.map(n, is_entering)));
        let layer0 = numbers.layer0.map(|n| (n, self.layer0.map(n, is_entering)));
        let changes = |(number, value): &(Number, u16)| number.value != *value;
        if !picture.is_some_and(|p| changes(&p)) && !layer0.is_some_and(|l| changes(&l)) {
            return None;
        }
        let mut mapped: Arc<[u8]> = Arc::from(payload);
        let bytes = Arc::get_mut(&mut mapped)?;
        for (number, value) in picture.into_iter().chain(layer0) {
            number.write(bytes, value);
        }
        Some(mapped)
    }
}

/// One of the numbers: what is added to it, and the newest one sent.
#[derive(Debug, Clone, Default)]
struct Shift {
    by: u16,
    newest: Option<u16>,
    /// Numbers that were left out, in order, and what was added to those before them.
    left_out: VecDeque<(u16, u16)>,
}

impl Shift {
    fn map(&mut self, number: Number, is_entering: bool) -> u16 {
        if is_entering && let Some(newest) = self.newest.take() {
            self.by = newest.wrapping_add(1).wrapping_sub(number.value);
            self.left_out.clear();
        }
        let value = self.shifted(number);
        if self
            .newest
            .is_none_or(|newest| number.is_ahead(value, newest))
        {
            self.newest = Some(value);
        }
        value
    }

    fn leave_out(&mut self, number: Number) {
        let before = self.by;
        let is_known = self
            .left_out
            .back()
            .is_some_and(|(last, _)| *last == number.value);
        let value = self.shifted(number);
        let is_newest = |newest: u16| value != newest && number.is_ahead(value, newest);
        if is_known || !self.newest.is_some_and(is_newest) {
            return;
        }
        if self.left_out.len() >= MAX_LEFT_OUT {
            self.left_out.pop_front();
        }
        self.left_out.push_back((number.value, before));
        self.by = before.wrapping_sub(1);
    }

    fn shifted(&self, number: Number) -> u16 {
        let is_behind = |at: u16| at != number.value && number.is_ahead(at, number.value);
        let later = self.left_out.iter().rev();
        let later = later.take_while(|(at, _)| is_behind(*at));
        let by = later.last().map_or(self.by, |(_, before)| *before);
        number.value.wrapping_add(by) & number.mask
    }
}

/// A number in a payload descriptor.
#[derive(Debug, Clone, Copy)]
struct Number {
    at: usize,
    value: u16,
    /// The largest value.
    mask: u16,
}

impl Number {
    /// True if a value is another one or up to half of the numbers ahead of it.
    fn is_ahead(self, value: u16, of: u16) -> bool {
        value.wrapping_sub(of) & self.mask <= self.mask / 2
    }

    fn write(self, bytes: &mut [u8], value: u16) {
        let [high, low] = value.to_be_bytes();
        match bytes.get_mut(self.at..) {
            Some([first, second, ..]) if self.mask == WIDE => {
                (*first, *second) = (LONG | high, low);
            }
            Some([first, ..]) => *first = low,
            _ => {}
        }
    }
}

/// The numbers that a payload descriptor has.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    picture: Option<Number>,
    layer0: Option<Number>,
}

impl Numbers {
    fn read(payload: &[u8]) -> Option<Self> {
        let has_extension = payload.first()? & 0x80 != 0;
        let extension = if has_extension { *payload.get(1)? } else { 0 };
        let mut at = 2;
        let mut picture = None;
        if extension & 0x80 != 0 {
            let first = u16::from(*payload.get(at)?);
            let (value, mask) = if first & u16::from(LONG) != 0 {
                ((first << 8 | u16::from(*payload.get(at + 1)?)) & WIDE, WIDE)
            } else {
                (first, NARROW)
            };
            picture = Some(Number { at, value, mask });
            at += if mask == WIDE { 2 } else { 1 };
        }
        let layer0 = match extension & 0x40 != 0 {
            true => Some(Number {
                at,
                value: u16::from(*payload.get(at)?),
                mask: BYTE,
            }),
            false => None,
        };
        Some(Self { picture, layer0 })
    }
}

/// Pictures that are left out and whose late neighbours keep their numbers: two seconds of every
/// other picture.
const MAX_LEFT_OUT: usize = 32;

/// The M bit: the picture id has 15 bits.
const LONG: u8 = 0x80;

const WIDE: u16 = 0x7fff;
const NARROW: u16 = 0x7f;
const BYTE: u16 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    /// X, S, partition 0; I, L, T; a picture id of 15 bits, TL0PICIDX, TID and the payload.
    fn payload(picture: u16, layer0: u8) -> Vec<u8> {
        let [high, low] = picture.to_be_bytes();
        vec![0x90, 0xe0, 0x80 | high, low, layer0, 0x20, 0x00, 0xaa]
    }

    fn mapped(numbers: &mut PictureNumbers, payload: &[u8]) -> Vec<u8> {
        numbers
            .map(payload)
            .map_or_else(|| payload.to_vec(), |mapped| mapped.to_vec())
    }

    #[test]
    fn first_source_passes_as_it_is_and_is_not_copied() {
        let mut n = PictureNumbers::default();
        n.enter();
        for i in 0..300 {
            assert!(n.map(&payload((0x7ff0 + i) & WIDE, i as u8)).is_none());
        }
    }

    #[test]
    fn another_source_goes_on_where_the_one_before_ended() {
        let mut n = PictureNumbers::default();
        n.enter();
        assert_eq!(mapped(&mut n, &payload(0x7ffe, 254)), payload(0x7ffe, 254));
        assert_eq!(mapped(&mut n, &payload(0x7fff, 255)), payload(0x7fff, 255));
        n.enter();
        for i in 0..40_u16 {
            let wanted = payload(i, i as u8);
            // The packets of one picture have one number.
            for _ in 0..2 {
                assert_eq!(mapped(&mut n, &payload(77 + i, 9 + i as u8)), wanted);
            }
        }
        n.enter();
        assert_eq!(mapped(&mut n, &payload(40, 40)), payload(40, 40));
        assert!(n.map(&payload(41, 41)).is_none(), "nothing to change");
    }

    #[test]
    fn late_picture_keeps_its_distance_and_does_not_count_as_the_newest() {
        let mut n = PictureNumbers::default();
        n.enter();
        mapped(&mut n, &payload(10, 0));
        n.enter();
        assert_eq!(mapped(&mut n, &payload(500, 7)), payload(11, 1));
        assert_eq!(mapped(&mut n, &payload(502, 7)), payload(13, 1));
        assert_eq!(mapped(&mut n, &payload(501, 7)), payload(12, 1));
        n.enter();
        assert_eq!(mapped(&mut n, &payload(3, 3)), payload(14, 2));
    }

    #[test]
    fn pictures_that_are_left_out_leave_no_gap() {
        let mut n = PictureNumbers::default();
        n.enter();
        assert_eq!(mapped(&mut n, &payload(0x7ffd, 3)), payload(0x7ffd, 3));
        // Every other picture, of which each has two packets; the one behind it loses one on the way,
        // which comes when the next one has been left out.
        for i in 0..60_u16 {
            let picture = |by: u16| (0x7ffe + 2 * i + by) & WIDE;
            n.leave_out(&payload(picture(0), 3));
            n.leave_out(&payload(picture(0), 3));
            let wanted = payload((0x7ffe + i) & WIDE, 3);
            assert_eq!(mapped(&mut n, &payload(picture(1), 3)), wanted);
            n.leave_out(&payload(picture(2), 3));
            assert_eq!(mapped(&mut n, &payload(picture(1), 3)), wanted);
            // Too late to be closed.
            n.leave_out(&payload(picture(0), 3));
            assert!(n.picture.left_out.len() <= MAX_LEFT_OUT);
        }
        n.enter();
        let next = (0x7ffe + 60) & WIDE;
        assert_eq!(mapped(&mut n, &payload(9, 9)), payload(next, 4));
    }

    #[test]
    fn nothing_is_left_out_before_the_first_picture() {
        let mut n = PictureNumbers::default();
        for is_entering in [false, true] {
            if is_entering {
                n.enter();
            }
            n.leave_out(&payload(7, 0));
        }
        assert_eq!(mapped(&mut n, &payload(8, 0)), payload(8, 0));
        for payload in [&[][..], &[0x10, 0], &[0x90, 0x80], &[0x90, 0x40, 0x01]] {
            n.leave_out(payload);
        }
        assert_eq!(mapped(&mut n, &payload(9, 0)), payload(9, 0));
    }

    #[test]
    fn short_picture_ids_stay_short() {
        let mut n = PictureNumbers::default();
        let short = |picture: u8| vec![0x90, 0x80, picture, 0x00];
        n.enter();
        assert_eq!(mapped(&mut n, &short(0x7f)), short(0x7f));
        n.enter();
        assert_eq!(mapped(&mut n, &short(5)), short(0));
        assert_eq!(mapped(&mut n, &short(6)), short(1));
    }

    #[test]
    fn descriptors_without_numbers_or_cut_off_pass() {
        let mut n = PictureNumbers::default();
        mapped(&mut n, &payload(10, 0));
        n.enter();
        for payload in [
            &[][..],
            &[0x10, 0x00],
            &[0x90],
            &[0x90, 0x00, 0x00],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x81],
            &[0x90, 0x40],
            &[0x90, 0xc0, 0x81, 0x02],
        ] {
            assert!(n.map(payload).is_none(), "{payload:02x?}");
        }
    }
}
