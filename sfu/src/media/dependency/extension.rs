//! The descriptor on its way through str0m, which knows it as bytes.

use std::sync::Arc;

use str0m::media::{Frequency, MediaTime};
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

use super::URI;
use super::read::MANDATORY;

/// The bytes of a descriptor, in which the frame number can be another one on each way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// At most [`SHORT`] of them, as nearly all descriptors are.
    Short {
        /// How many.
        len: u8,
        /// The bytes, and zeros.
        bytes: [u8; SHORT],
    },
    /// More: the descriptor has a structure, or is very odd.
    Long(Arc<Long>),
}

/// More than [`SHORT`] bytes of a descriptor.
#[derive(Debug, PartialEq, Eq)]
pub struct Long(Box<[u8]>);

/// Most bytes of a header extension that has a header of one byte (RFC 8285 §4.2).
pub const SHORT: usize = 16;

/// Most bytes of a header extension (RFC 8285 §4.3).
const MAX_BYTES: usize = 255;

impl Bytes {
    /// Takes the bytes, if they can be a descriptor.
    pub fn new(read: &[u8]) -> Option<Self> {
        if !(MANDATORY..=MAX_BYTES).contains(&read.len()) {
            return None;
        }
        let mut bytes = [0; SHORT];
        Some(match bytes.get_mut(..read.len()) {
            Some(start) => {
                start.copy_from_slice(read);
                let len = read.len() as u8;
                Self::Short { len, bytes }
            }
            None => Self::Long(Arc::new(Long(read.into()))),
        })
    }

    /// All of them.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len).min(SHORT)],
            Self::Long(long) => &long.0,
        }
    }

    /// The frame number that the descriptor came with.
    pub fn frame_number(&self) -> u16 {
        match self.as_slice() {
            [_, high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        }
    }

    /// Puts them among the values of a packet that goes out, with this frame number.
    ///
    /// Short ones lie in fields of extensions that the server does not negotiate: values of our own
    /// would cost an allocation for each subscriber and packet.
    pub fn put(&self, frame_number: u16, values: &mut ExtensionValues) {
        let [high, low] = frame_number.to_be_bytes();
        let (first, len) = match self {
            Self::Short { len, bytes } => {
                let mut words = bytes.chunks_exact(8).map(|word| {
                    let word = word.try_into().map_or(0, u64::from_be_bytes);
                    MediaTime::new(word, Frequency::MICROS)
                });
                values.play_delay_min = words.next();
                values.play_delay_max = words.next();
                (bytes[0], *len)
            }
            Self::Long(long) => {
                values.user_values.set_arc(long.clone());
                (long.0.first().copied().unwrap_or(0), u8::MAX)
            }
        };
        values.frame_mark = Some(u32::from_be_bytes([len, first, high, low]));
    }

    /// Takes them from the values of a packet that has come in.
    pub fn take(values: &ExtensionValues) -> Option<Self> {
        let [len, ..] = values.frame_mark?.to_be_bytes();
        if let Some(long) = values.user_values.get_arc() {
            return Some(Self::Long(long));
        }
        let bytes = short(values)?;
        Some(Self::Short { len, bytes })
    }
}

/// The words of a short descriptor.
fn short(values: &ExtensionValues) -> Option<[u8; SHORT]> {
    let mut bytes = [0; SHORT];
    let words = [values.play_delay_min?, values.play_delay_max?];
    for (word, out) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        out.copy_from_slice(&word.numer().to_be_bytes());
    }
    Some(bytes)
}

/// Passes the bytes of descriptors between str0m's packets and [`Bytes`].
#[derive(Debug)]
struct Serializer;

/// The extension as str0m negotiates and carries it.
pub fn extension() -> Extension {
    Extension::with_serializer(URI, Serializer)
}

impl ExtensionSerializer for Serializer {
    fn write_to(&self, out: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(mark) = values.frame_mark else {
            return 0;
        };
        let [len, first, high, low] = mark.to_be_bytes();
        let inline = short(values);
        let bytes = match (values.user_values.get::<Long>(), &inline) {
            (Some(long), _) => &long.0[..],
            (None, Some(bytes)) => &bytes[..usize::from(len).min(SHORT)],
            (None, None) => return 0,
        };
        let Some(out) = out.get_mut(..bytes.len()) else {
            return 0;
        };
        out.copy_from_slice(bytes);
        if let Some(mandatory) = out.get_mut(..MANDATORY) {
            mandatory.copy_from_slice(&[first, high, low]);
        }
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        let Some(read) = Bytes::new(bytes) else {
            return false;
        };
        read.put(read.frame_number(), values);
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Long>().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dependency::tests::{bytes, chromium};

    fn written(values: &ExtensionValues, room: usize) -> Vec<u8> {
        let mut out = vec![0xee; room];
        let len = Serializer.write_to(&mut out, values);
        out.truncate(len);
        out
    }

    fn parsed(bytes: &[u8]) -> ExtensionValues {
        let mut values = ExtensionValues::default();
        assert!(Serializer.parse_value(bytes, &mut values));
        values
    }

    #[test]
    fn bytes_pass_as_they_are_and_long_ones_say_that_they_are() {
        for len in MANDATORY..=MAX_BYTES {
            let sent: Vec<u8> = (0..len).map(|i| 0xff - i as u8).collect();
            let values = parsed(&sent);
            assert_eq!(written(&values, 300), sent, "{len}");
            assert_eq!(Serializer.requires_two_byte_form(&values), len > SHORT);
            let taken = Bytes::take(&values).expect("bytes");
            assert_eq!(taken.as_slice(), sent);
        }
    }

    #[test]
    fn frame_number_is_changed_and_nothing_else() {
        for hex in [
            chromium::AV1_L3T3_KEY[0],
            chromium::AV1_L3T3_KEY[1],
            chromium::AV1_CUSTOM,
        ] {
            let sent = bytes(hex);
            let taken = Bytes::new(&sent).expect("bytes");
            assert_eq!(taken.frame_number(), u16::from_be_bytes([sent[1], sent[2]]));
            let mut values = ExtensionValues::default();
            taken.put(0xabcd, &mut values);
            let mut wanted = sent;
            (wanted[1], wanted[2]) = (0xab, 0xcd);
            assert_eq!(written(&values, 300), wanted);
        }
    }

    #[test]
    fn what_can_be_no_descriptor_is_left_out() {
        let mut values = ExtensionValues::default();
        for len in [0, 1, 2, 256, 2_000] {
            assert!(!Serializer.parse_value(&vec![0; len], &mut values), "{len}");
        }
        assert_eq!(Bytes::take(&values), None);
        assert!(written(&values, 300).is_empty());
        assert!(!Serializer.requires_two_byte_form(&values));
        // Too little room for it.
        assert!(written(&parsed(&[1, 2, 3]), 2).is_empty());
    }
}
