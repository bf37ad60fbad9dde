//! The VP9 payload descriptor (RFC 9628 section 4.2).

/// What is read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// B: a frame starts here.
    pub(super) starts_frame: bool,
    /// E: a frame ends here.
    pub(super) ends_frame: bool,
    /// SID, 0 where there are no layer indices.
    pub(super) spatial: u8,
}

impl Descriptor {
    /// The descriptor at the start of `payload`, and what follows it; nothing if the payload ends
    /// within it.
    pub(super) fn read(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (&first, mut rest) = payload.split_first()?;
        let [
            picture_id,
            predicted,
            layers,
            flexible,
            starts,
            ends,
            structure,
        ] = [I, P, L, F, B, E, V].map(|bit| first & bit != 0);
        if picture_id && byte(&mut rest)? & M != 0 {
            byte(&mut rest)?;
        }
        let mut spatial = 0;
        if layers {
            spatial = byte(&mut rest)? >> 1 & 0x07;
            if !flexible {
                // TL0PICIDX
                byte(&mut rest)?;
            }
        }
        if flexible && predicted {
            let mut references = 1;
            while byte(&mut rest)? & N != 0 {
                references += 1;
                if references > MAX_REFERENCES {
                    return None;
                }
            }
        }
        if structure {
            rest = after_structure(rest)?;
        }
        let descriptor = Descriptor {
            starts_frame: starts,
            ends_frame: ends,
            spatial,
        };
        Some((descriptor, rest))
    }
}

/// What follows the scalability structure (section 4.2.1).
fn after_structure(mut rest: &[u8]) -> Option<&[u8]> {
    let first = byte(&mut rest)?;
    let (layers, has_sizes, has_group) = (first >> 5, first & 0x10 != 0, first & 0x08 != 0);
    if has_sizes {
        // Width and height of each.
        rest = rest.get(4 * (usize::from(layers) + 1)..)?;
    }
    if has_group {
        for _ in 0..byte(&mut rest)? {
            let references = byte(&mut rest)? >> 2 & 0x03;
            rest = rest.get(usize::from(references)..)?;
        }
    }
    Some(rest)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&first, tail) = rest.split_first()?;
    *rest = tail;
    Some(first)
}

const I: u8 = 0x80;
const P: u8 = 0x40;
const L: u8 = 0x20;
const F: u8 = 0x10;
const B: u8 = 0x08;
const E: u8 = 0x04;
const V: u8 = 0x02;
/// The picture id has 15 bits.
const M: u8 = 0x80;
/// Another P_DIFF follows; there are three at most.
const N: u8 = 0x01;
const MAX_REFERENCES: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &[u8]) -> Option<(bool, bool, u8, &[u8])> {
        let (read, rest) = Descriptor::read(payload)?;
        Some((read.starts_frame, read.ends_frame, read.spatial, rest))
    }

    #[test]
    fn every_field_is_passed_over() {
        for (payload, expected) in [
            // Nothing but the first byte.
            (&[B | E, 7][..], (true, true, 0, &[7][..])),
            // Picture ids of 7 and 15 bits.
            (&[I | B, 0x7f, 7], (true, false, 0, &[7])),
            (&[I | E, 0xff, 0xff, 7], (false, true, 0, &[7])),
            // Layer indices with and without TL0PICIDX.
            (&[L, 0b0100_0101, 9, 7], (false, false, 2, &[7])),
            (&[L | F, 0b0100_0010, 7], (false, false, 1, &[7])),
            // One and three references.
            (&[F | P, 0x02, 7], (false, false, 0, &[7])),
            (&[F | P, 0x03, 0x05, 0x06, 7], (false, false, 0, &[7])),
            // Two sizes, and a group of two pictures with one and no reference.
            (
                &[
                    V | B,
                    0b0011_1000,
                    1,
                    64,
                    0,
                    180,
                    2,
                    128,
                    1,
                    104,
                    2,
                    0b0000_0100,
                    1,
                    0,
                    7,
                ],
                (true, false, 0, &[7]),
            ),
        ] {
            assert_eq!(read(payload), Some(expected), "{payload:02x?}");
            for length in 0..payload.len() - 1 {
                assert_eq!(read(&payload[..length]), None, "{length} of {payload:02x?}");
            }
        }
    }

    #[test]
    fn a_fourth_reference_is_malformed() {
        assert_eq!(read(&[F | P, 3, 3, 3, 2, 7]), None);
    }
}
