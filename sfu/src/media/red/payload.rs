//! The payload format of RFC 2198 §3.
//!
//! Headers first, the oldest block's first: `1` and the payload type, 14 bits of time before the
//! packet's own, 10 bits of length. The last header is `0` and the payload type alone: its block is
//! the packet's own and takes what is left. The blocks follow in the same order.

use std::sync::Arc;

/// An encoding of sound, with a payload type of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block<'a> {
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// How much earlier than the packet it is, in RTP ticks; 0 for the packet's own.
    pub offset: u16,
    /// Without any header.
    pub payload: &'a [u8],
}

/// A payload that has been taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Red<'a> {
    /// The packet's own block.
    pub primary: Block<'a>,
    repeated: [Block<'a>; MAX_BLOCKS],
    count: usize,
}

/// The payload is not what RFC 2198 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends within a header or a block.
    #[error("it ends too early")]
    Truncated,
    /// More blocks than any sender makes.
    #[error("it has more than {MAX_BLOCKS} blocks beside its own")]
    TooManyBlocks,
}

impl<'a> Red<'a> {
    /// Takes a payload apart, without allocating.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut headers = [(0_u8, 0_u16, 0_usize); MAX_BLOCKS];
        let (mut count, mut rest) = (0, payload);
        let payload_type = loop {
            let (first, _) = rest.split_first().ok_or(Malformed::Truncated)?;
            if first & MORE == 0 {
                rest = &rest[1..];
                break *first;
            }
            let (header, after) = rest
                .split_first_chunk::<HEADER>()
                .ok_or(Malformed::Truncated)?;
            let slot = headers.get_mut(count).ok_or(Malformed::TooManyBlocks)?;
            let bits = u32::from_be_bytes(*header);
            *slot = (
                header[0] & !MORE,
                (bits >> 10) as u16 & MAX_OFFSET,
                bits as usize & MAX_LENGTH,
            );
            (count, rest) = (count + 1, after);
        };
        let mut repeated = [Block::default(); MAX_BLOCKS];
        for (block, (payload_type, offset, length)) in repeated.iter_mut().zip(&headers[..count]) {
            let (payload, after) = rest.split_at_checked(*length).ok_or(Malformed::Truncated)?;
            *block = Block {
                payload_type: *payload_type,
                offset: *offset,
                payload,
            };
            rest = after;
        }
        Ok(Self {
            primary: Block {
                payload_type,
                offset: 0,
                payload: rest,
            },
            repeated,
            count,
        })
    }

    /// The blocks of earlier packets, the oldest first.
    pub fn repeated(&self) -> &[Block<'a>] {
        &self.repeated[..self.count]
    }
}

/// Puts a payload together. Of the blocks, the oldest first, those that fit the format are taken,
/// and the newest of these if all of them would make it longer than `limit`.
pub fn write(payload_type: u8, primary: &[u8], repeated: &[Block<'_>], limit: usize) -> Arc<[u8]> {
    let fits = |block: &Block<'_>| {
        (1..=MAX_OFFSET).contains(&block.offset) && (1..=MAX_LENGTH).contains(&block.payload.len())
    };
    let mut room = limit.saturating_sub(1 + primary.len());
    let newest = repeated.iter().rev().filter(|block| fits(block));
    let taken = newest
        .take(MAX_BLOCKS)
        .take_while(|block| {
            let left = room.checked_sub(HEADER + block.payload.len());
            room = left.unwrap_or(0);
            left.is_some()
        })
        .count();
    let blocks = || {
        let fitting = repeated.iter().filter(|block| fits(block));
        let count = fitting.clone().count();
        fitting.skip(count - taken)
    };
    let length = |block: &Block<'_>| HEADER + block.payload.len();
    let mut out = Vec::with_capacity(1 + primary.len() + blocks().map(length).sum::<usize>());
    for block in blocks() {
        let bits = u32::from(block.offset) << 10 | block.payload.len() as u32;
        let mut header = bits.to_be_bytes();
        header[0] = MORE | block.payload_type & !MORE;
        out.extend_from_slice(&header);
    }
    out.push(payload_type & !MORE);
    for block in blocks() {
        out.extend_from_slice(block.payload);
    }
    out.extend_from_slice(primary);
    out.into()
}

/// Another header follows.
const MORE: u8 = 0x80;

/// Bytes of a header that is not the last one.
const HEADER: usize = 4;

/// Fields of 14 and 10 bits.
pub const MAX_OFFSET: u16 = (1 << 14) - 1;
const MAX_LENGTH: usize = (1 << 10) - 1;

/// Senders repeat one to three packets; the format has no limit.
pub const MAX_BLOCKS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(offset: u16, payload: &[u8]) -> Block<'_> {
        Block {
            payload_type: 111,
            offset,
            payload,
        }
    }

    #[test]
    fn a_payload_is_byte_exact() {
        let written = write(111, b"new", &[block(1_920, b"old"), block(960, b"ne")], 99);
        let bytes = [
            0x80 | 111,
            0x1e,
            0x00,
            3, // 1,920 ticks before, three bytes
            0x80 | 111,
            0x0f,
            0x00,
            2, // 960 ticks before, two bytes
            111,
            b'o',
            b'l',
            b'd',
            b'n',
            b'e',
            b'n',
            b'e',
            b'w',
        ];
        assert_eq!(&written[..], bytes);
        let red = Red::parse(&written).expect("well-formed");
        assert_eq!(red.primary, block(0, b"new"));
        assert_eq!(red.repeated(), [block(1_920, b"old"), block(960, b"ne")]);
    }

    #[test]
    fn a_packet_may_stand_alone_and_be_empty() {
        assert_eq!(&write(111, b"x", &[], 99)[..], [111, b'x']);
        let red = Red::parse(&[111]).expect("well-formed");
        assert!(red.repeated().is_empty() && red.primary.payload.is_empty());
    }

    #[test]
    fn what_ends_too_early_or_never_is_refused() {
        for truncated in [
            &[][..],
            &[0x80 | 111],
            &[0x80 | 111, 0, 0],
            &[0x80 | 111, 0x0f, 0, 2],
            &[0x80 | 111, 0x0f, 0, 2, 111, 7],
            &[0x80 | 111, 0x0f, 3, 0xff, 111, 7],
        ] {
            assert_eq!(Red::parse(truncated).err(), Some(Malformed::Truncated));
        }
        let mut many = [0x80 | 111, 0x0f, 0, 0].repeat(MAX_BLOCKS);
        many.push(111);
        assert!(Red::parse(&many).is_ok());
        many.splice(0..0, [0x80 | 111, 0x0f, 0, 0]);
        assert_eq!(Red::parse(&many).err(), Some(Malformed::TooManyBlocks));
    }

    #[test]
    fn the_oldest_blocks_make_way_for_the_limit_and_misfits_are_left_out() {
        let (long, short) = (vec![1; 600], vec![2; 300]);
        let blocks = [block(1_920, &long), block(960, &short)];
        let offsets = |limit| {
            let written = write(111, &[0; 100], &blocks, limit);
            let red = Red::parse(&written).expect("well-formed");
            assert!(written.len() <= limit.max(101));
            red.repeated().iter().map(|b| b.offset).collect::<Vec<_>>()
        };
        assert_eq!(offsets(1_400), [1_920, 960]);
        assert_eq!(offsets(1 + 100 + 304 + 604), [1_920, 960]);
        assert_eq!(offsets(1 + 100 + 304 + 603), [960]);
        assert_eq!(offsets(404), Vec::<u16>::new());
        assert_eq!(offsets(50), Vec::<u16>::new());
        let too_long = vec![3; 1_024];
        let misfits = [block(960, &too_long), block(0, b"x"), block(16_384, b"x")];
        assert_eq!(write(111, b"p", &misfits, 1_400).len(), 2);
        assert_eq!(write(111, b"p", &[block(480, b"")], 1_400).len(), 2);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            primary in prop::collection::vec(any::<u8>(), 0..200),
            repeated in prop::collection::vec(
                (1_u16..=MAX_OFFSET, prop::collection::vec(any::<u8>(), 1..300)), 0..5),
        ) {
            let blocks: Vec<_> = repeated.iter().map(|(o, p)| block(*o, p)).collect();
            let written = write(111, &primary, &blocks, 4_000);
            let red = Red::parse(&written).expect("well-formed");
            prop_assert_eq!(red.primary, block(0, &primary));
            prop_assert_eq!(red.repeated(), &blocks[..]);
        }
    }
}
