//! The depacketizer of whichever codec comes.

use super::{AccessUnit, Assembly, DepacketizerCounters, DepacketizerLimits, VideoCodec};
use crate::rtp::RtpPacket;
use crate::{av1, h264, h265, vp9};

/// Puts access units of one codec together from packets in rising order of their sequence numbers.
///
/// A gap in the numbers drops the open access unit and all others until the next key frame that is
/// known to be whole, its first packet included. Call
/// [`poll_access_unit`](Self::poll_access_unit) after each
/// [`handle_packet`](Self::handle_packet) until it has nothing more.
#[derive(Debug)]
pub struct Depacketizer(Format);

/// The payload formats.
#[derive(Debug)]
enum Format {
    /// RFC 6184.
    H264(h264::Depacketizer),
    /// RFC 7798.
    H265(Assembly<h265::Picture>),
    /// RFC 9628.
    Vp9(Assembly<vp9::Picture>),
    /// The AOMedia RTP payload format for AV1.
    Av1(Assembly<av1::TemporalUnit>),
}

/// The same of whichever it is.
macro_rules! of {
    ($format:expr, $inner:ident => $done:expr) => {
        match $format {
            Format::H264($inner) => $done,
            Format::H265($inner) => $done,
            Format::Vp9($inner) => $done,
            Format::Av1($inner) => $done,
        }
    };
}

impl Depacketizer {
    /// One that has seen nothing yet and waits for a key frame.
    pub fn new(codec: VideoCodec, limits: DepacketizerLimits) -> Self {
        Self(match codec {
            VideoCodec::H264 => Format::H264(h264::Depacketizer::new(limits)),
            VideoCodec::H265 => Format::H265(Assembly::new(limits)),
            VideoCodec::Vp9 => Format::Vp9(Assembly::new(limits)),
            VideoCodec::Av1 => Format::Av1(Assembly::new(limits)),
        })
    }

    /// What it takes.
    pub fn codec(&self) -> VideoCodec {
        match self.0 {
            Format::H264(_) => VideoCodec::H264,
            Format::H265(_) => VideoCodec::H265,
            Format::Vp9(_) => VideoCodec::Vp9,
            Format::Av1(_) => VideoCodec::Av1,
        }
    }

    /// Takes the next packet in. Numbers left out count as lost.
    pub fn handle_packet(&mut self, packet: &RtpPacket) {
        of!(&mut self.0, inner => inner.handle_packet(packet));
    }

    /// Says that packets are missing here, or that a sequence starts anew: the next packet may
    /// have any number.
    pub fn handle_gap(&mut self) {
        of!(&mut self.0, inner => inner.handle_gap());
    }

    /// The next whole access unit.
    pub fn poll_access_unit(&mut self) -> Option<AccessUnit> {
        of!(&mut self.0, inner => inner.poll_access_unit())
    }

    /// Nothing comes out before the next key frame.
    pub fn needs_keyframe(&self) -> bool {
        of!(&self.0, inner => inner.needs_keyframe())
    }

    /// What was dropped so far.
    pub fn counters(&self) -> DepacketizerCounters {
        of!(&self.0, inner => inner.counters())
    }
}
