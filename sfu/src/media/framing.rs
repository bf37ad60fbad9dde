//! Packets on a byte stream: each behind its length in two bytes, big end first (RFC 4571 §2).

use super::demux::MAX_DATAGRAM;

/// Appends a packet as a frame. The length of anything that str0m sends fits.
pub(crate) fn append(out: &mut Vec<u8>, packet: &[u8]) {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&packet[..usize::from(length)]);
}

/// Frames that lie one behind the other. Ends before one that is not whole.
#[derive(Debug, Clone)]
pub struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    /// Begins at the first frame's length.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<HEADER>()?;
        let (packet, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.0 = rest;
        Some(packet)
    }
}

/// Cuts what a connection brings into packets. It keeps less than one frame.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a frame, its length first.
    partial: Vec<u8>,
}

/// A frame is longer than any packet that is taken; where the next one begins is of no interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame has {length} bytes; at most {MAX_DATAGRAM} are allowed")]
pub struct TooLong {
    /// The length that it gives itself.
    pub length: usize,
}

impl Decoder {
    /// Takes bytes as they come and hands out each packet that they complete. A null packet, which
    /// has no bytes, is left out (RFC 4571 §2).
    ///
    /// # Errors
    /// [`TooLong`]; the connection cannot be read any further then.
    pub fn decode(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if self.partial.is_empty()
                && let Some(length) = length(bytes)?
                && let Some((packet, rest)) = bytes[HEADER..].split_at_checked(length)
            {
                if !packet.is_empty() {
                    each(packet);
                }
                bytes = rest;
                continue;
            }
            let wanted = match length(&self.partial)? {
                Some(length) => HEADER + length,
                None => HEADER,
            };
            let missing = wanted - self.partial.len();
            let (more, rest) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(more);
            bytes = rest;
            if let Some(length) = length(&self.partial)?
                && self.partial.len() == HEADER + length
            {
                if length > 0 {
                    each(&self.partial[HEADER..]);
                }
                self.partial.clear();
            }
        }
        Ok(())
    }
}

/// The length at the beginning of a frame, once it is there.
fn length(frame: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(length) = frame.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    match usize::from(u16::from_be_bytes(*length)) {
        length if length > MAX_DATAGRAM => Err(TooLong { length }),
        length => Ok(Some(length)),
    }
}

/// Bytes of a frame's length.
pub(crate) const HEADER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(decoder: &mut Decoder, bytes: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut packets = Vec::new();
        decoder.decode(bytes, |packet| packets.push(packet.to_vec()))?;
        Ok(packets)
    }

    #[test]
    fn a_frame_is_its_length_and_the_packet() {
        let mut out = Vec::new();
        append(&mut out, b"abc");
        append(&mut out, &[7; 300]);
        assert_eq!(&out[..5], b"\x00\x03abc");
        assert_eq!(&out[5..7], [1, 44]);
        let packets: Vec<_> = Frames::new(&out).collect();
        assert_eq!(packets, [&b"abc"[..], &[7; 300]]);
        out.pop();
        assert_eq!(Frames::new(&out).count(), 1);
    }

    #[test]
    fn null_packets_are_left_out() {
        let mut decoder = Decoder::default();
        let packets = decoded(&mut decoder, b"\x00\x00\x00\x01a\x00\x00\x00");
        assert_eq!(packets, Ok(vec![b"a".to_vec()]));
        let packets = decoded(&mut decoder, b"\x00\x00\x01b");
        assert_eq!(packets, Ok(vec![b"b".to_vec()]));
    }

    #[test]
    fn a_frame_above_the_bound_ends_the_stream_before_anything_is_kept() {
        let mut decoder = Decoder::default();
        let long = [0x05, 0xdd, 0];
        assert_eq!(decoded(&mut decoder, &long), Err(TooLong { length: 1_501 }));
        assert!(decoder.partial.is_empty());
        let mut decoder = Decoder::default();
        assert_eq!(decoded(&mut decoder, &[0xff]), Ok(Vec::new()));
        let error = TooLong { length: 65_535 };
        assert_eq!(decoded(&mut decoder, &[0xff]), Err(error));
        assert_eq!(
            error.to_string(),
            "a frame has 65535 bytes; at most 1500 are allowed"
        );
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..1_500), 0..8),
            cuts in prop::collection::vec(1_usize..2_000, 1..20),
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                append(&mut stream, packet);
            }
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (bytes, after) = rest.split_at((*cut).min(rest.len()));
                got.extend(decoded(&mut decoder, bytes).expect("within the bound"));
                prop_assert!(decoder.partial.len() < HEADER + MAX_DATAGRAM);
                rest = after;
            }
            prop_assert_eq!(got, packets);
        }
    }
}
