//! One RTP packet on its way through a room.

use std::sync::Arc;
use std::time::Instant;

use packager::rtp::{Codec, MediaKind};
use str0m::rtp::VideoOrientation;

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
