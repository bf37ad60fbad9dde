//! Frames: what every muxer takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::aac;
use crate::opus;
use crate::time::MediaTime;
use crate::video::VideoConfig;

/// One coded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoFrame {
    /// Decode time; rises strictly from frame to frame.
    pub dts: MediaTime,
    /// Presentation time; may lie before `dts`, containers write the
    /// difference as a signed composition offset.
    pub pts: MediaTime,
    /// Decoding can start here.
    pub is_keyframe: bool,
    /// What a decoder must know. The same `Arc` as the frame before unless
    /// their content differs.
    pub config: Arc<VideoConfig>,
    /// The bytes of an fMP4 sample: of H.264 and H.265 NAL units, each with a 4-byte length before it
    /// (ISO/IEC 14496-15).
    pub data: Bytes,
}

/// One coded frame of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// Presentation time of the first sample.
    pub pts: MediaTime,
    /// An AAC access unit without ADTS, or an Opus packet.
    pub data: Bytes,
    /// Samples in a channel at the rate of the [`AudioConfig`].
    pub samples: u32,
}

/// How to decode the audio frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioConfig {
    /// Samples a second.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// What the frames are.
    pub codec: AudioCodec,
}

/// A codec of sound, with what its decoder must know beside rate and channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC, by its AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
    Aac(Bytes),
    /// Opus (RFC 6716), whose packets say the rest.
    Opus,
}

impl AudioConfig {
    /// The configuration of plain AAC-LC.
    pub fn aac_lc(sample_rate: u32, channels: u8) -> Result<Self, aac::UnknownAudioFormat> {
        let asc = aac::audio_specific_config(sample_rate, channels)?;
        Ok(AudioConfig {
            sample_rate,
            channels,
            codec: AudioCodec::Aac(Bytes::copy_from_slice(&asc)),
        })
    }

    /// The configuration of Opus that is decoded at its full rate. `channels` is what a decoder
    /// gives, from 1 to 2, whatever single packets carry: those of one channel play in both (RFC 6716
    /// §2.1.2).
    pub fn opus(channels: u8) -> Self {
        AudioConfig {
            sample_rate: opus::HZ,
            channels: channels.clamp(1, 2),
            codec: AudioCodec::Opus,
        }
    }

    /// The RFC 6381 codec string. That of Opus is `Opus` in the register of MP4, and `opus` to
    /// browsers.
    pub fn codec_string(&self) -> &'static str {
        match self.codec {
            AudioCodec::Aac(_) => "mp4a.40.2",
            AudioCodec::Opus => "opus",
        }
    }

    /// The AudioSpecificConfig, which only AAC has.
    pub fn asc(&self) -> Option<&Bytes> {
        match &self.codec {
            AudioCodec::Aac(asc) => Some(asc),
            AudioCodec::Opus => None,
        }
    }
}

/// A frame of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One coded picture.
    Video(VideoFrame),
    /// One frame of sound.
    Audio(AudioFrame),
}

impl Frame {
    /// The time by which frames of both kinds are put in order.
    pub fn dts(&self) -> MediaTime {
        match self {
            Frame::Video(frame) => frame.dts,
            Frame::Audio(frame) => frame.pts,
        }
    }
}

/// Gives each picture a decode time from its presentation time.
///
/// Browsers send no B-frames, so decode time is presentation time. Where an
/// encoder does reorder pictures, presentation times go back in decode order:
/// decode time then creeps on by [`STEP`](Self::STEP), and the composition
/// offset is negative.
#[derive(Debug, Default)]
pub struct DecodeClock {
    last: Option<MediaTime>,
}

impl DecodeClock {
    /// The least distance between two decode times: 1 ms, so that FLV's
    /// millisecond timestamps rise as well.
    pub const STEP: Duration = Duration::from_millis(1);

    /// The decode time of the next picture in decode order.
    pub fn next(&mut self, pts: MediaTime) -> MediaTime {
        let dts = match self.last {
            Some(last) => pts.max(last.saturating_add(Self::STEP)),
            None => pts,
        };
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_times(pts: &[u64]) -> Vec<u64> {
        let mut clock = DecodeClock::default();
        pts.iter()
            .map(|ms| clock.next(MediaTime::from_millis(*ms)).as_millis())
            .collect()
    }

    #[test]
    fn decode_time_is_presentation_time_without_reordering() {
        assert_eq!(decode_times(&[5, 38, 71, 105]), [5, 38, 71, 105]);
    }

    #[test]
    fn decode_time_rises_when_presentation_time_goes_back() {
        assert_eq!(
            decode_times(&[0, 100, 33, 66, 200, 133]),
            [0, 100, 101, 102, 200, 201]
        );
    }

    #[test]
    fn equal_presentation_times_still_rise() {
        assert_eq!(decode_times(&[7, 7, 7]), [7, 8, 9]);
    }

    #[test]
    fn aac_lc_config_carries_the_audio_specific_config() {
        let config = AudioConfig::aac_lc(48_000, 2).expect("48 kHz stereo is AAC-LC");
        assert_eq!(config.asc().expect("AAC").as_ref(), [0x11, 0x90]);
        assert_eq!(config.codec_string(), "mp4a.40.2");
    }

    #[test]
    fn opus_is_decoded_at_48_khz() {
        let config = AudioConfig::opus(1);
        assert_eq!((config.sample_rate, config.channels), (48_000, 1));
        assert_eq!((config.codec_string(), config.asc()), ("opus", None));
    }
}
