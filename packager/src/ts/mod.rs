//! MPEG-2 Transport Stream (ISO/IEC 13818-1) for HLS players that take no fMP4 (RFC 8216 section
//! 3.2): Media Segments of H.264 or H.265 and AAC, written anew from those of fMP4.
//!
//! A segment depends on its own frames and its Media Sequence Number alone, so it can be made when
//! somebody asks for it, in any order. Its continuity counters follow those of the segment before
//! all the same (RFC 8216 section 3): a segment has one PAT and one PMT, whose counter is the Media
//! Sequence Number, and of every track a multiple of sixteen packets.

mod adts;
#[cfg(any(test, fuzzing))]
pub(crate) mod check;
mod fragments;
mod packets;
mod pes;
mod segment;
mod tables;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use mp4_atom::{Atom, Avcc, Hvcc};

use crate::frames::AudioConfig;
use crate::hls::Rates;
use crate::video::{VideoCodec, VideoConfig};
use adts::Adts;

pub use segment::segment;

/// Why there is no Transport Stream of something.
#[derive(Debug, thiserror::Error)]
pub enum TsError {
    /// Neither a video nor an audio configuration was given.
    #[error("a program needs a video or an audio track, or both")]
    NoTrack,
    /// HLS has no Transport Stream of it.
    #[error("{0:?} is not carried in MPEG-TS, H.264 and H.265 are")]
    Codec(VideoCodec),
    /// The decoder configuration record does not read.
    #[error("the decoder configuration record does not read: {0}")]
    Record(mp4_atom::Error),
    /// ADTS has no words for the sound.
    #[error("the AudioSpecificConfig {0:02x?} has no ADTS header")]
    Sound(Vec<u8>),
    /// A box of the segment does not read.
    #[error("a box of the segment does not read: {0}")]
    Mp4(#[from] mp4_atom::Error),
    /// There is no sample, or one that lies outside of the segment.
    #[error("the segment has no samples, or not all of their bytes")]
    Sample,
    /// A picture is not NAL units with a length of four bytes each.
    #[error("a picture does not consist of whole NAL units")]
    Picture,
    /// An access unit is longer than an ADTS frame can be.
    #[error("an access unit of {0} bytes does not fit into an ADTS frame")]
    TooLong(usize),
}

/// The tracks of a Transport Stream, as its PMT names them.
#[derive(Debug, Clone)]
pub struct Program {
    video: Option<Video>,
    sound: Option<Adts>,
    /// `version_number` of the PMT.
    version: u8,
}

impl Program {
    /// The program of one or both tracks. `version` rises where they change.
    ///
    /// # Errors
    /// There is no track, or one that HLS does not carry in a Transport Stream.
    pub fn new(
        video: Option<&VideoConfig>,
        audio: Option<&AudioConfig>,
        version: u32,
    ) -> Result<Self, TsError> {
        if video.is_none() && audio.is_none() {
            return Err(TsError::NoTrack);
        }
        Ok(Self {
            video: video.map(Video::new).transpose()?,
            sound: audio.map(Adts::new).transpose()?,
            // Five bits.
            version: (version & 0x1f) as u8,
        })
    }
}

/// What is told of pictures.
#[derive(Debug, Clone)]
struct Video {
    /// `stream_type`.
    kind: u8,
    /// A NAL unit before every picture (ISO/IEC 13818-1 sections 2.14.1 and 2.17.1).
    delimiter: &'static [u8],
    /// NAL units before a key frame.
    parameter_sets: Vec<Bytes>,
    /// Pictures may come in another order than they are shown in.
    reorders: bool,
}

impl Video {
    fn new(config: &VideoConfig) -> Result<Self, TsError> {
        let mut record = &config.configuration_record()[..];
        match config.codec() {
            VideoCodec::H264 => Avcc::decode_body(&mut record).map(Self::h264),
            VideoCodec::H265 => Hvcc::decode_body(&mut record).map(Self::h265),
            other => return Err(TsError::Codec(other)),
        }
        .map_err(TsError::Record)
    }

    fn h264(record: Avcc) -> Self {
        let sequence = record.sequence_parameter_sets.into_iter();
        let sets = sequence.chain(record.picture_parameter_sets);
        Self {
            kind: tables::H264,
            // Slices of any type (ISO/IEC 14496-10 section 7.3.2.4, table 7-5).
            delimiter: &[0x09, 0xf0],
            parameter_sets: sets.map(Bytes::from).collect(),
            // Any profile but Baseline, which has no B slices (ISO/IEC 14496-10 section A.2.1).
            reorders: record.avc_profile_indication != BASELINE,
        }
    }

    fn h265(record: Hvcc) -> Self {
        let sets = record.arrays.into_iter().flat_map(|array| array.nalus);
        Self {
            kind: tables::H265,
            // Slices of any type (Rec. ITU-T H.265 section 7.3.2.5, table 7-2).
            delimiter: &[0x46, 0x01, 0x50],
            parameter_sets: sets.map(Bytes::from).collect(),
            // Every profile has B slices.
            reorders: true,
        }
    }
}

/// `profile_idc` (ISO/IEC 14496-10 section A.2.1).
const BASELINE: u8 = 66;

/// What a variant takes as Transport Stream: at most, for `BANDWIDTH`, which no segment may exceed.
pub fn rates(fmp4: Rates, frame_rate: Option<f64>) -> Rates {
    let tracks = if frame_rate.is_some() { 2.0 } else { 1.0 };
    let bytes = frame_rate.unwrap_or(0.0) * PICTURE_COST + tracks * TRACK_COST;
    let more = (bytes * 8.0).ceil() as u64;
    // A packet of 188 bytes carries 184.
    let carried = |bps: u64| (bps + bps.div_ceil(46)).saturating_add(more);
    Rates {
        peak_bps: carried(fmp4.peak_bps),
        average_bps: carried(fmp4.average_bps),
    }
}

/// Bytes that a picture takes beside its own: headers, the clock and a packet of stuffing.
const PICTURE_COST: f64 = 200.0;

/// Bytes a second that a track takes beside these: twelve pieces of sound with headers and stuffing,
/// a table, and the packets that make a multiple of sixteen in segments of one second.
const TRACK_COST: f64 = 5_000.0;

/// 90 kHz: the clock of time stamps (ISO/IEC 13818-1 section 2.4.3.7), in ticks a second.
const HZ: u32 = 90_000;

// Any numbers from 0x20 to 0x1ffe would do.
const PMT_PID: u16 = 0x1000;
const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
