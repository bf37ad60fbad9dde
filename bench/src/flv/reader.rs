//! Follows an FLV byte stream without keeping it.

use thiserror::Error;

/// What a viewer needs to know of one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Audio, video or script data.
    pub kind: TagKind,
    /// Milliseconds, with the extension byte.
    pub timestamp: u32,
    /// Whether it is video that starts with an IDR (not a sequence header).
    pub is_keyframe: bool,
    /// Whether it is a sequence header, which carries no media.
    pub is_config: bool,
    /// The last bytes of the body, up to 32.
    pub tail: Vec<u8>,
}

/// The kind of a tag (FLV specification E.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// Tag type 8.
    Audio,
    /// Tag type 9.
    Video,
    /// Tag type 18.
    Script,
}

/// Why a stream is not FLV.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FlvError {
    /// It does not begin with `FLV`, version 1.
    #[error("the body does not begin with an FLV header")]
    NoHeader,
    /// A tag of another type than 8, 9 or 18.
    #[error("tag type {0} is none of 8, 9, 18")]
    UnknownTag(u8),
    /// `PreviousTagSize` does not agree with the tag.
    #[error("PreviousTagSize says {said} after a tag of {was} bytes")]
    PreviousTagSize {
        /// What the field says.
        said: u32,
        /// What the tag was, header included.
        was: u32,
    },
}

/// The reader: bytes in, tags out. Its memory does not depend on the input.
#[derive(Debug)]
pub struct FlvReader {
    state: State,
    /// Bytes of the current header or trailer.
    fixed: Vec<u8>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    FileHeader,
    TagHeader,
    Body {
        kind: TagKind,
        timestamp: u32,
        size: u32,
        left: u32,
    },
    Trailer {
        kind: TagKind,
        timestamp: u32,
        size: u32,
    },
}

const TAG_HEADER: usize = 11;
/// Codec and packet type of audio and video.
const HEAD: usize = 2;
const TAIL: usize = 32;

impl FlvReader {
    /// A reader at the start of a stream.
    pub fn new() -> FlvReader {
        FlvReader {
            state: State::FileHeader,
            fixed: Vec::with_capacity(16),
            head: Vec::with_capacity(HEAD),
            tail: Vec::with_capacity(2 * TAIL),
        }
    }

    /// Takes the next bytes and hands over each tag that they complete.
    ///
    /// # Errors
    ///
    /// When they cannot be FLV; the reader is of no use then.
    pub fn handle(
        &mut self,
        mut bytes: &[u8],
        mut on_tag: impl FnMut(Tag),
    ) -> Result<(), FlvError> {
        loop {
            match &mut self.state {
                State::FileHeader => {
                    // The header and the first PreviousTagSize, which is 0.
                    let Some(fixed) = collect::<13>(&mut self.fixed, &mut bytes) else {
                        return Ok(());
                    };
                    if fixed[..4] != *b"FLV\x01" || fixed[5..] != [0, 0, 0, 9, 0, 0, 0, 0] {
                        return Err(FlvError::NoHeader);
                    }
                    self.state = State::TagHeader;
                }
                State::TagHeader => {
                    let Some(fixed) = collect::<TAG_HEADER>(&mut self.fixed, &mut bytes) else {
                        return Ok(());
                    };
                    let kind = match fixed[0] & 0x1f {
                        8 => TagKind::Audio,
                        9 => TagKind::Video,
                        18 => TagKind::Script,
                        other => return Err(FlvError::UnknownTag(other)),
                    };
                    let size = u32::from_be_bytes([0, fixed[1], fixed[2], fixed[3]]);
                    let timestamp = u32::from_be_bytes([fixed[7], fixed[4], fixed[5], fixed[6]]);
                    self.head.clear();
                    self.tail.clear();
                    self.state = State::Body {
                        kind,
                        timestamp,
                        size,
                        left: size,
                    };
                }
                State::Body {
                    kind,
                    timestamp,
                    size,
                    left,
                } => {
                    let take = bytes.len().min(*left as usize);
                    let (now, rest) = bytes.split_at(take);
                    *left -= take as u32;
                    bytes = rest;
                    let missing = HEAD - self.head.len();
                    self.head.extend(now.iter().take(missing));
                    let from = now.len().saturating_sub(TAIL);
                    self.tail.extend_from_slice(&now[from..]);
                    let surplus = self.tail.len().saturating_sub(TAIL);
                    self.tail.drain(..surplus);
                    if *left > 0 {
                        return Ok(());
                    }
                    self.state = State::Trailer {
                        kind: *kind,
                        timestamp: *timestamp,
                        size: *size,
                    };
                }
                State::Trailer {
                    kind,
                    timestamp,
                    size,
                } => {
                    let (kind, timestamp) = (*kind, *timestamp);
                    let was = *size + TAG_HEADER as u32;
                    let Some(fixed) = collect::<4>(&mut self.fixed, &mut bytes) else {
                        return Ok(());
                    };
                    let said = u32::from_be_bytes(fixed);
                    if said != was {
                        return Err(FlvError::PreviousTagSize { said, was });
                    }
                    on_tag(self.tag(kind, timestamp));
                    self.state = State::TagHeader;
                }
            }
        }
    }

    fn tag(&self, kind: TagKind, timestamp: u32) -> Tag {
        let byte = |at: usize| self.head.get(at).copied().unwrap_or(0xff);
        let is_config = match kind {
            // AVC or AAC with packet type 0.
            TagKind::Video => byte(0) & 0x0f == 7 && byte(1) == 0,
            TagKind::Audio => byte(0) >> 4 == 10 && byte(1) == 0,
            TagKind::Script => true,
        };
        Tag {
            kind,
            timestamp,
            is_keyframe: kind == TagKind::Video && byte(0) >> 4 == 1 && !is_config,
            is_config,
            tail: self.tail.clone(),
        }
    }
}

impl Default for FlvReader {
    fn default() -> FlvReader {
        FlvReader::new()
    }
}

/// Moves bytes until `N` are together; `None` while they are not.
fn collect<const N: usize>(into: &mut Vec<u8>, bytes: &mut &[u8]) -> Option<[u8; N]> {
    let take = bytes.len().min(N - into.len());
    let (now, rest) = bytes.split_at(take);
    into.extend_from_slice(now);
    *bytes = rest;
    let whole = <[u8; N]>::try_from(into.as_slice()).ok()?;
    into.clear();
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: u8, timestamp: u32, body: &[u8]) -> Vec<u8> {
        let size = (body.len() as u32).to_be_bytes();
        let time = timestamp.to_be_bytes();
        let mut bytes = vec![kind, size[1], size[2], size[3]];
        bytes.extend([time[1], time[2], time[3], time[0], 0, 0, 0]);
        bytes.extend(body);
        bytes.extend((body.len() as u32 + 11).to_be_bytes());
        bytes
    }

    fn stream() -> Vec<u8> {
        let mut bytes = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        bytes.extend(tag(18, 0, &[2, 0, 10]));
        bytes.extend(tag(9, 0, &[0x17, 0, 0, 0, 0, 1]));
        bytes.extend(tag(9, 0x0102_0304, &[0x17, 1, 0, 0, 0, 0x65]));
        bytes.extend(tag(8, 5, &[0xaf, 1]));
        bytes.extend(tag(8, 6, &[]));
        bytes.extend(tag(9, 7, &[0x27; 5_000]));
        bytes
    }

    #[test]
    fn tags_come_out_the_same_however_the_bytes_are_cut() {
        let bytes = stream();
        let mut whole = Vec::new();
        FlvReader::new()
            .handle(&bytes, |tag| whole.push(tag))
            .unwrap();
        assert_eq!(whole.len(), 6);
        assert!(whole[1].is_config && !whole[1].is_keyframe);
        assert!(whole[2].is_keyframe);
        assert_eq!(whole[2].timestamp, 0x0102_0304);
        assert_eq!(whole[5].tail, [0x27; 32]);
        for size in [1, 2, 3, 7, 64, 1_000] {
            let mut reader = FlvReader::new();
            let mut tags = Vec::new();
            for piece in bytes.chunks(size) {
                reader.handle(piece, |tag| tags.push(tag)).unwrap();
            }
            assert_eq!(tags, whole, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_not_flv_is_named() {
        let mut reader = FlvReader::new();
        assert_eq!(
            reader.handle(b"<html>hello there</html>", |_| {}),
            Err(FlvError::NoHeader)
        );
        let mut bytes = stream();
        bytes.extend(tag(7, 0, &[]));
        assert_eq!(
            FlvReader::new().handle(&bytes, |_| {}),
            Err(FlvError::UnknownTag(7))
        );
        let mut bytes = stream();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(
            FlvReader::new().handle(&bytes, |_| {}),
            Err(FlvError::PreviousTagSize { was: 5_011, .. })
        ));
    }
}
