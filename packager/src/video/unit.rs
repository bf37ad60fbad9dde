//! Access units, and what a depacketizer holds and drops on the way to them.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::VideoConfig;

/// One whole picture.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// The RTP timestamp of all its packets.
    pub rtp_time: u32,
    /// When its last packet came in.
    pub received: Instant,
    /// Decoding can start here: what a decoder must know is known.
    pub is_keyframe: bool,
    /// What a decoder must know; a new `Arc` only when its content differs.
    pub config: Arc<VideoConfig>,
    /// Its bytes in the form of an fMP4 sample. H.264, H.265: its slices, each with a 4-byte length
    /// before it; parameter sets, SEI, delimiters and filler are left out. VP9: the frame. AV1:
    /// its OBUs with their sizes, without temporal delimiter and padding.
    pub data: Bytes,
}

/// How much a depacketizer holds.
#[derive(Clone, Copy, Debug)]
pub struct DepacketizerLimits {
    /// Bytes in one access unit.
    pub max_access_unit: usize,
    /// Access units waiting to be polled.
    pub max_ready: usize,
}

impl Default for DepacketizerLimits {
    /// 4 MiB (a key frame of 2160p at a high rate has about 1 MiB), and 4
    /// access units (one packet completes at most two).
    fn default() -> Self {
        DepacketizerLimits {
            max_access_unit: 4 << 20,
            max_ready: 4,
        }
    }
}

/// What a depacketizer has dropped so far, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DepacketizerCounters {
    /// Packets not above the sequence number before them.
    pub stale_packets: u64,
    /// Access units with a packet missing in their middle.
    pub units_lost: u64,
    /// Access units after a loss whose first packet may be missing.
    pub units_headless: u64,
    /// Access units with a payload that the payload format does not allow.
    pub units_malformed: u64,
    /// Access units above [`DepacketizerLimits::max_access_unit`].
    pub units_too_large: u64,
    /// Key frames whose parameter sets are not known.
    pub units_without_sets: u64,
    /// Pictures whose parameter sets changed without a key frame.
    pub units_changed_sets: u64,
    /// Whole pictures that nothing before them allows to decode.
    pub units_awaiting_keyframe: u64,
    /// Pictures behind a key frame that need what was before it, and that was not decoded.
    pub units_leading: u64,
    /// Access units that nobody polled.
    pub units_unpolled: u64,
    /// Parameter sets that do not parse, or are too many.
    pub bad_parameter_sets: u64,
    /// Packets of spatial layers that are left out.
    pub layer_packets: u64,
}
