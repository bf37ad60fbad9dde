//! One RTP packet on its way through a room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::rtp::{Codec, MediaKind};
use str0m::rtp::VideoOrientation;

use super::dependency::{Bytes, Description};
use super::forward::place::Place;

/// Names one incoming RTP stream (SSRC) within a room. Keys are never used twice in a room, so
/// that a new publisher, a new layer and a new SSRC are all "another stream".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(pub u32);

/// The header extension values that pass from publisher to subscriber.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Audio level in -dBov (RFC 6464).
    pub audio_level: Option<i8>,
    /// Voice activity (RFC 6464).
    pub voice: Option<bool>,
    /// Rotation of the picture (3GPP TS 26.114).
    pub orientation: Option<VideoOrientation>,
    /// How long it is to be held back before it is shown, as far as its publisher's network is
    /// concerned (libwebrtc's `playout-delay`).
    pub hold: Option<Duration>,
}

/// One RTP packet as a room sees it; a clone shares the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPacket {
    /// The RTP stream that it came on.
    pub stream: StreamKey,
    /// Audio or video.
    pub kind: MediaKind,
    /// What the payload is.
    pub codec: Codec,
    /// Extended sequence number in the numbering of `stream`.
    pub seq: u64,
    /// RTP timestamp in the numbering of `stream`.
    pub time: u32,
    /// The RTP marker bit: for video, the last packet of a frame.
    pub marker: bool,
    /// True on the packets that a key frame can be entered at.
    pub starts_keyframe: bool,
    /// The payload, shared by all who receive it.
    pub payload: Arc<[u8]>,
    /// When the datagram arrived.
    pub received: Instant,
    /// When the media was captured, on the server's clock, by the sender reports so far.
    pub captured: Instant,
    /// Header extensions that pass through.
    pub extensions: Extensions,
    /// The layers of its frame, if the stream has layers of its own.
    pub place: Option<Place>,
    /// What its dependency descriptor says, if it has one.
    pub dependency: Option<Dependency>,
}

impl MediaPacket {
    /// Bytes of what differs from packet to packet in length: the payload, and a descriptor that is
    /// not a short one.
    pub fn size(&self) -> usize {
        let descriptor = self.dependency.as_ref().map(|d| &d.description.bytes);
        let long = match descriptor {
            Some(bytes @ Bytes::Long(_)) => bytes.as_slice().len(),
            _ => 0,
        };
        self.payload.len() + long
    }
}

/// The dependency descriptor of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// The number of its frame in the numbering of `stream`.
    pub frame_number: u16,
    /// All else, shared by all who receive it.
    pub description: Arc<Description>,
}

/// RTP clock rate of a kind of media, in Hz.
pub(crate) fn clock_rate(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

/// Largest payload that is forwarded, in bytes. A datagram of 1,500 bytes less IP, UDP, SRTP tag,
/// RTP header and the extensions that the server adds leaves this much; str0m cannot send one that
/// is a lot larger.
pub const MAX_PAYLOAD: usize = 1_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dependency::{SHORT, Structures};

    #[test]
    fn long_descriptors_count_as_much_as_payload() {
        let now = Instant::now();
        let with = |descriptor: usize| {
            let bytes = Bytes::new(&vec![0; descriptor]).map(|bytes| Dependency {
                frame_number: 0,
                description: Arc::new(Structures::default().describe(bytes)),
            });
            let packet = MediaPacket {
                stream: StreamKey(0),
                kind: MediaKind::Video,
                codec: Codec::Av1,
                seq: 0,
                time: 0,
                marker: true,
                starts_keyframe: false,
                payload: Arc::from([0; 1_000]),
                received: now,
                captured: now,
                extensions: Extensions::default(),
                place: None,
                dependency: bytes,
            };
            packet.size()
        };
        assert_eq!([0, 3, SHORT].map(with), [1_000; 3]);
        assert_eq!([SHORT + 1, 255].map(with), [1_017, 1_255]);
    }
}
