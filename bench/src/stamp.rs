//! The mark at the end of each generated payload: who, when, and whether whole.

/// Marks one payload: its place in the order of all payloads of the publisher,
/// when it was handed to the network, and a checksum over the payload.
///
/// A stamp is [`Stamp::LEN`] bytes that all have their highest bit set. Inside
/// a NAL unit it therefore never makes a start code or needs emulation
/// prevention (ITU-T H.264 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Counts the publisher's payloads of both tracks from 0.
    pub index: u64,
    /// Microseconds from the run's epoch to the hand-over to the socket.
    pub sent_micros: u64,
}

impl Stamp {
    /// Bytes a stamp takes.
    pub const LEN: usize = 2 + INDEX + TIME + SUM;

    /// Writes the stamp over the last [`Stamp::LEN`] bytes of `payload`.
    ///
    /// # Panics
    ///
    /// When the payload is shorter than a stamp.
    pub fn write(self, payload: &mut [u8]) {
        let body_len = payload.len() - Stamp::LEN;
        let (body, tail) = payload.split_at_mut(body_len);
        let sum = self.checksum(body);
        tail[..2].copy_from_slice(&MAGIC);
        write_septets(&mut tail[2..2 + INDEX], self.index);
        write_septets(&mut tail[2 + INDEX..2 + INDEX + TIME], self.sent_micros);
        write_septets(&mut tail[2 + INDEX + TIME..], u64::from(sum));
    }

    /// Reads the stamp at the end of `payload`, or one byte before the end,
    /// where the stop byte of its NAL unit follows it.
    pub fn read(payload: &[u8]) -> Mark {
        let mut found = Mark::None;
        for spare in 0..=1 {
            let Some(end) = payload.len().checked_sub(spare) else {
                break;
            };
            let Some(body_len) = end.checked_sub(Stamp::LEN) else {
                break;
            };
            let (body, tail) = payload[..end].split_at(body_len);
            if tail[..2] != MAGIC {
                continue;
            }
            let stamp = Stamp {
                index: read_septets(&tail[2..2 + INDEX]),
                sent_micros: read_septets(&tail[2 + INDEX..2 + INDEX + TIME]),
            };
            let sum = read_septets(&tail[2 + INDEX + TIME..]);
            if sum == u64::from(stamp.checksum(body)) {
                return Mark::Whole(stamp);
            }
            found = Mark::Damaged;
        }
        found
    }

    /// Reads the last [`Stamp::LEN`] bytes without the payload they check: for
    /// places where the payload's framing has changed, as in a container.
    pub fn read_unchecked(tail: &[u8]) -> Option<Stamp> {
        let tail = tail.get(tail.len().checked_sub(Stamp::LEN)?..)?;
        (tail[..2] == MAGIC && tail.iter().all(|byte| byte & 0x80 != 0)).then(|| Stamp {
            index: read_septets(&tail[2..2 + INDEX]),
            sent_micros: read_septets(&tail[2 + INDEX..2 + INDEX + TIME]),
        })
    }

    fn checksum(self, body: &[u8]) -> u32 {
        let mut lanes = [
            self.index ^ SEED,
            self.sent_micros ^ SEED.rotate_left(16),
            SEED.rotate_left(32) ^ body.len() as u64,
            SEED.rotate_left(48),
        ];
        // Four independent lanes: the check must not cost the load generator
        // more than the decryption of the same bytes.
        let mut blocks = body.chunks_exact(32);
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                let word = u64::from_le_bytes(word.try_into().expect("chunks of eight bytes"));
                *lane = (*lane ^ word).wrapping_mul(MIX).rotate_left(29);
            }
        }
        for byte in blocks.remainder() {
            lanes[0] = (lanes[0] ^ u64::from(*byte))
                .wrapping_mul(MIX)
                .rotate_left(29);
        }
        let sum = lanes.iter().fold(0u64, |sum, lane| {
            (sum ^ lane).wrapping_mul(MIX).rotate_left(31)
        });
        (sum >> 32) as u32
    }
}

/// What [`Stamp::read`] found at the end of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A stamp whose checksum agrees.
    Whole(Stamp),
    /// A stamp whose checksum does not agree: bytes were changed on the way.
    Damaged,
    /// No stamp: somebody else's payload.
    None,
}

const MAGIC: [u8; 2] = [0xd7, 0xb9];
/// 35 bits of index: 4 years at 269 packets a second.
const INDEX: usize = 5;
/// 42 bits of microseconds: 50 days.
const TIME: usize = 6;
const SUM: usize = 5;
const SEED: u64 = 0x6a09_e667_f3bc_c909;
/// Odd, with bits all over: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn write_septets(out: &mut [u8], mut value: u64) {
    for byte in out.iter_mut().rev() {
        *byte = 0x80 | (value & 0x7f) as u8;
        value >>= 7;
    }
}

fn read_septets(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        index: 34_000_000_000,
        sent_micros: 4_000_000_000_000,
    };

    #[test]
    fn a_stamp_survives_the_way_with_and_without_a_stop_byte() {
        for len in [Stamp::LEN, Stamp::LEN + 1, 160, 1_200] {
            let mut payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            STAMP.write(&mut payload);
            assert_eq!(Stamp::read(&payload), Mark::Whole(STAMP));
            payload.push(0x80);
            assert_eq!(Stamp::read(&payload), Mark::Whole(STAMP));
        }
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let mut payload = vec![0x55; 200];
        STAMP.write(&mut payload);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 0x10;
            assert!(
                !matches!(Stamp::read(&changed), Mark::Whole(_)),
                "byte {at}"
            );
        }
        assert_eq!(Stamp::read(&payload[1..]), Mark::Damaged);
    }

    #[test]
    fn payloads_of_others_carry_no_stamp() {
        assert_eq!(Stamp::read(&[]), Mark::None);
        assert_eq!(Stamp::read(&[0; 17]), Mark::None);
        assert_eq!(Stamp::read(&[0x80; 400]), Mark::None);
    }

    #[test]
    fn the_tail_alone_tells_the_time() {
        let mut payload = vec![1; 100];
        STAMP.write(&mut payload);
        assert_eq!(Stamp::read_unchecked(&payload[80..]), Some(STAMP));
        assert_eq!(Stamp::read_unchecked(&payload[83..]), None);
        assert_eq!(Stamp::read_unchecked(&[0xff; 40]), None);
    }

    #[test]
    fn every_byte_has_its_highest_bit_set() {
        let mut payload = vec![0; 60];
        STAMP.write(&mut payload);
        assert!(payload[60 - Stamp::LEN..].iter().all(|b| b & 0x80 != 0));
    }
}
