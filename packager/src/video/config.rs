//! VideoConfig: what a decoder must know before the first frame, compared by content.

use std::fmt;

use bytes::Bytes;

use crate::rtp::Codec;

/// A video codec that FLV and fMP4 carry. VP8 is none: neither has a place for it that players
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264 (ISO/IEC 14496-10).
    H264,
    /// H.265 (ISO/IEC 23008-2).
    H265,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
}

impl VideoCodec {
    /// The codec of an RTP payload, if it is one of these.
    pub const fn of(codec: Codec) -> Option<Self> {
        match codec {
            Codec::H264 => Some(Self::H264),
            Codec::H265 => Some(Self::H265),
            Codec::Vp9 => Some(Self::Vp9),
            Codec::Av1 => Some(Self::Av1),
            Codec::Vp8 | Codec::Opus => None,
        }
    }

    /// The FourCC of its sample entry (ISO/IEC 14496-12 section 8.5.2), which is that of E-RTMP
    /// too.
    pub const fn four_cc(self) -> [u8; 4] {
        match self {
            Self::H264 => *b"avc1",
            Self::H265 => *b"hvc1",
            Self::Vp9 => *b"vp09",
            Self::Av1 => *b"av01",
        }
    }

    /// The codec of a [`four_cc`](Self::four_cc).
    pub(crate) fn of_four_cc(four_cc: [u8; 4]) -> Option<Self> {
        let all = [Self::H264, Self::H265, Self::Vp9, Self::Av1];
        all.into_iter().find(|codec| codec.four_cc() == four_cc)
    }
}

/// What a decoder must know before the first frame.
///
/// Two are equal when their decoder configuration records are equal byte for byte, and their sizes.
#[derive(Clone, PartialEq, Eq)]
pub struct VideoConfig(Description);

/// The fields of a [`VideoConfig`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) codec: VideoCodec,
    pub(crate) width: u16,
    pub(crate) height: u16,
    pub(crate) codec_string: String,
    pub(crate) record: Bytes,
}

impl From<Description> for VideoConfig {
    fn from(description: Description) -> Self {
        VideoConfig(description)
    }
}

impl VideoConfig {
    /// What the frames are coded in.
    pub fn codec(&self) -> VideoCodec {
        self.0.codec
    }

    /// Luma samples across after cropping.
    pub fn width(&self) -> u16 {
        self.0.width
    }

    /// Luma samples down after cropping.
    pub fn height(&self) -> u16 {
        self.0.height
    }

    /// The decoder configuration record, which FLV's sequence header carries too: the
    /// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1), the
    /// HEVCDecoderConfigurationRecord (the same, §8.3.3.1), the VPCodecConfigurationRecord (VP Codec
    /// ISO Media File Format Binding) or the AV1CodecConfigurationRecord (AV1 Codec ISO Media File
    /// Format Binding §2.3.3).
    pub fn configuration_record(&self) -> &Bytes {
        &self.0.record
    }

    /// The RFC 6381 codec string, as in `avc1.42E01F`.
    pub fn codec_string(&self) -> &str {
        &self.0.codec_string
    }
}

impl fmt::Debug for VideoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description {
            codec_string,
            width,
            height,
            ..
        } = &self.0;
        write!(f, "VideoConfig({codec_string} {width}x{height})")
    }
}
