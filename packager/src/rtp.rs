//! What a track hands over: RTP packets and sender reports.

use std::sync::Arc;
use std::time::Instant;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// The codec that an RTP payload carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, RFC 6184.
    H264,
    /// H.265, RFC 7798.
    H265,
    /// VP8, RFC 7741.
    Vp8,
    /// VP9, RFC 9628.
    Vp9,
    /// AV1, the AOMedia RTP specification.
    Av1,
    /// Opus, RFC 7587.
    Opus,
}

impl Codec {
    /// The kind of media that this codec encodes.
    pub const fn kind(self) -> MediaKind {
        match self {
            Codec::Opus => MediaKind::Audio,
            Codec::H264 | Codec::H265 | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => MediaKind::Video,
        }
    }

    /// Ticks a second of this codec's RTP timestamps: 48 000 for Opus
    /// (RFC 7587 §4.1), 90 000 for video.
    pub const fn clock_hz(self) -> u32 {
        match self.kind() {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        }
    }

    /// The name used in SDP `a=rtpmap` lines.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::H264 => "H264",
            Codec::H265 => "H265",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::Av1 => "AV1",
            Codec::Opus => "opus",
        }
    }
}

/// Which tracks a broadcast has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tracks {
    /// There is a video track.
    pub video: bool,
    /// There is an audio track.
    pub audio: bool,
}

impl Tracks {
    /// Video and audio.
    pub const BOTH: Tracks = Tracks {
        video: true,
        audio: true,
    };

    /// Whether the track of `kind` is there.
    pub const fn has(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }
}

/// One RTP packet of one RTP stream (RFC 3550 §5.1), its payload shared.
#[derive(Clone, Debug)]
pub struct RtpPacket {
    /// Sequence number extended to 64 bits by its roll-overs.
    pub seq: u64,
    /// RTP timestamp as it was on the wire.
    pub time: u32,
    /// The marker bit: for video the last packet of an access unit.
    pub marker: bool,
    /// The payload without header, extensions and padding.
    pub payload: Arc<[u8]>,
    /// When the packet came in.
    pub received: Instant,
}

/// The timing part of an RTCP sender report (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's wall clock as a 32.32 fixed point NTP timestamp.
    pub ntp: u64,
    /// The RTP timestamp of the same instant.
    pub rtp_time: u32,
    /// When the report came in.
    pub received: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_is_the_audio_codec() {
        for codec in [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1] {
            assert_eq!((codec.kind(), codec.clock_hz()), (MediaKind::Video, 90_000));
        }
        assert_eq!(
            (Codec::Opus.kind(), Codec::Opus.clock_hz()),
            (MediaKind::Audio, 48_000)
        );
    }

    #[test]
    fn tracks_answer_by_kind() {
        let audio_only = Tracks {
            video: false,
            audio: true,
        };
        assert!(audio_only.has(MediaKind::Audio));
        assert!(!audio_only.has(MediaKind::Video));
    }
}
