//! Fragmented MP4 for HLS (ISO/IEC 14496-12 and -15, RFC 8216 section 3.3): the Media
//! Initialization Section and fragments of one `moof` and one `mdat`.

mod pictures;

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{
    AnySampleGroupEntry, Atom, Audio, Av01, Av1c, Avc1, Avcc, Codec, Dinf, Dops, Dref, DrefEntry,
    Encode, Esds, FourCC, Ftyp, Hdlr, Hvc1, Hvcc, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mp4a, Mvex,
    Mvhd, Opus, Sbgp, SbgpEntry, Sgpd, SgpdEntry, Smhd, Stbl, Stco, Stsd, Styp, Tfdt, Tfhd, Tkhd,
    Traf, Trak, Trex, Trun, TrunEntry, Url, Visual, Vmhd, Vp09, VpcC, esds,
};

use crate::frames::{AudioCodec, AudioConfig, AudioFrame, VideoFrame};
use crate::time::MediaTime;
use crate::video::{VideoCodec, VideoConfig};

pub use pictures::pictures;

/// Timescale of video tracks: the RTP clock of video (RFC 6184 section 8.1).
pub const VIDEO_TIMESCALE: u32 = 90_000;

pub(crate) const VIDEO_TRACK: u32 = 1;
pub(crate) const AUDIO_TRACK: u32 = 2;

// ISO/IEC 14496-12 section 8.8.3.1: sample_depends_on, sample_is_non_sync_sample.
const SYNC_SAMPLE: u32 = 0x0200_0000;
const NON_SYNC_SAMPLE: u32 = 0x0101_0000;
/// The flag in it.
pub(crate) const NON_SYNC: u32 = 0x0001_0000;

/// A box that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Fmp4Error {
    /// Neither a video nor an audio configuration was given.
    #[error("an initialization section needs a video or an audio track, or both")]
    NoTrack,
    /// What the decoder must know is no decoder configuration record.
    #[error("the decoder configuration record does not read: {0}")]
    Record(mp4_atom::Error),
    /// Fragments that are read again do not look as they were written.
    #[error("the fragments are broken: {0}")]
    Broken(&'static str),
    /// A value does not fit into its box.
    #[error("a value does not fit into its MP4 box: {0}")]
    Encode(#[from] mp4_atom::Error),
}

/// Writes the Media Initialization Section (`ftyp`, `moov`) for one or both tracks.
pub fn init_section(
    video: Option<&VideoConfig>,
    audio: Option<&AudioConfig>,
) -> Result<Bytes, Fmp4Error> {
    let tracks: Vec<Trak> = [video.map(video_track).transpose()?, audio.map(audio_track)]
        .into_iter()
        .flatten()
        .collect();
    if tracks.is_empty() {
        return Err(Fmp4Error::NoTrack);
    }
    let trex = tracks
        .iter()
        .map(|track| Trex {
            track_id: track.tkhd.track_id,
            default_sample_description_index: 1,
            ..Default::default()
        })
        .collect();
    let moov = Moov {
        mvhd: Mvhd {
            timescale: 1000,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: AUDIO_TRACK + 1,
            ..Default::default()
        },
        mvex: Some(Mvex { mehd: None, trex }),
        trak: tracks,
        ..Default::default()
    };
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![
            FourCC::new(b"iso6"),
            FourCC::new(b"cmfc"),
            FourCC::new(b"mp41"),
        ],
    };
    let mut out = Vec::with_capacity(1024);
    ftyp.encode(&mut out)?;
    moov.encode(&mut out)?;
    Ok(out.into())
}

/// A whole MP4 file of one key frame, which is shown for [`STILL`].
pub fn still(config: &Arc<VideoConfig>, data: Bytes) -> Result<Bytes, Fmp4Error> {
    let frame = VideoFrame {
        dts: MediaTime::ZERO,
        pts: MediaTime::ZERO,
        is_keyframe: true,
        config: config.clone(),
        data,
    };
    let init = init_section(Some(config), None)?;
    let fragment = fragment(&Fragment {
        sequence: 1,
        video: &[frame],
        audio: &[],
        audio_timescale: 48_000,
        audio_rolls: false,
        video_end: MediaTime::from_duration(STILL),
        starts_segment: false,
    })?;
    Ok([init, fragment].concat().into())
}

/// As long as a picture of 25 a second.
pub const STILL: Duration = Duration::from_millis(40);

/// One fragment's worth of frames, all of one initialization section.
///
/// Frames are in decode order within their track.
#[derive(Debug, Clone, Copy)]
pub struct Fragment<'a> {
    /// `mfhd` sequence number, rising by one a fragment.
    pub sequence: u32,
    /// Video frames; may be empty.
    pub video: &'a [VideoFrame],
    /// Audio frames; may be empty.
    pub audio: &'a [AudioFrame],
    /// Timescale of the audio track: its sample rate in Hz.
    pub audio_timescale: u32,
    /// The sound is Opus, whose decoders begin a little earlier than where they are to play.
    pub audio_rolls: bool,
    /// Where the last video sample ends: when the picture after it is shown.
    pub video_end: MediaTime,
    /// A `styp` stands before it, as before the first fragment of a segment.
    pub starts_segment: bool,
}

/// Writes `moof` and `mdat`, and `styp` before them where a segment starts. A track without
/// frames has no `traf`.
pub fn fragment(fragment: &Fragment<'_>) -> Result<Bytes, Fmp4Error> {
    let video_bytes: usize = fragment.video.iter().map(|frame| frame.data.len()).sum();
    let audio_bytes: usize = fragment.audio.iter().map(|frame| frame.data.len()).sum();

    // The data offsets count from the start of the `moof`, whose size does not depend on them:
    // write it once to learn the size, then again with the offsets.
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: fragment.sequence,
        },
        traf: [video_traf(fragment), audio_traf(fragment)]
            .into_iter()
            .flatten()
            .collect(),
    };
    let mut head = Vec::with_capacity(64 + 16 * (fragment.video.len() + fragment.audio.len()));
    moof.encode(&mut head)?;
    let data_start = i32::try_from(head.len() + MDAT_HEADER).unwrap_or(i32::MAX);
    for traf in &mut moof.traf {
        let before = match traf.tfhd.track_id {
            AUDIO_TRACK => i32::try_from(video_bytes).unwrap_or(i32::MAX),
            _ => 0,
        };
        for trun in &mut traf.trun {
            trun.data_offset = Some(data_start.saturating_add(before));
        }
    }
    head.clear();
    if fragment.starts_segment {
        let styp = Styp {
            major_brand: FourCC::new(b"msdh"),
            minor_version: 0,
            compatible_brands: vec![FourCC::new(b"msdh"), FourCC::new(b"cmfs")],
        };
        styp.encode(&mut head)?;
    }
    moof.encode(&mut head)?;

    let mut out = BytesMut::with_capacity(head.len() + MDAT_HEADER + video_bytes + audio_bytes);
    out.put_slice(&head);
    let mdat_size = u32::try_from(MDAT_HEADER + video_bytes + audio_bytes)
        .map_err(|_| mp4_atom::Error::TooLarge(FourCC::new(b"mdat")))?;
    out.put_u32(mdat_size);
    out.put_slice(b"mdat");
    for frame in fragment.video {
        out.put_slice(&frame.data);
    }
    for frame in fragment.audio {
        out.put_slice(&frame.data);
    }
    Ok(out.freeze())
}

const MDAT_HEADER: usize = 8;

fn video_traf(fragment: &Fragment<'_>) -> Option<Traf> {
    let first = fragment.video.first()?;
    let hz = VIDEO_TIMESCALE;
    let next = fragment.video.iter().skip(1);
    let next = next.map(|frame| frame.dts.as_hz(hz));
    // Never short of what playlists say, be it by a tick: players who change to another variant
    // take what they have for the way to find its next segment.
    let end = fragment.video_end.as_hz(hz);
    let is_short = MediaTime::from_hz(end, hz) < fragment.video_end;
    let end = end.saturating_add(u64::from(is_short));
    let entries: Vec<TrunEntry> = fragment
        .video
        .iter()
        .zip(next.chain([end]))
        .map(|(frame, next)| {
            let dts = frame.dts.as_hz(hz);
            let offset = signed_difference(frame.pts.as_hz(hz), dts);
            TrunEntry {
                duration: Some(clamp_u32(next.saturating_sub(dts)).max(1)),
                size: Some(clamp_u32(frame.data.len() as u64)),
                flags: Some(if frame.is_keyframe {
                    SYNC_SAMPLE
                } else {
                    NON_SYNC_SAMPLE
                }),
                cts: (offset != 0).then_some(offset),
            }
        })
        .collect();
    // A composition offset is there for all samples of a run or for none.
    let any_offset = entries.iter().any(|entry| entry.cts.is_some());
    let entries = entries
        .into_iter()
        .map(|entry| TrunEntry {
            cts: any_offset.then(|| entry.cts.unwrap_or(0)),
            ..entry
        })
        .collect::<Vec<_>>();
    Some(traf(VIDEO_TRACK, first.dts.as_hz(hz), entries))
}

fn audio_traf(fragment: &Fragment<'_>) -> Option<Traf> {
    let first = fragment.audio.first()?;
    let hz = fragment.audio_timescale;
    let starts: Vec<u64> = fragment
        .audio
        .iter()
        .map(|frame| frame.pts.as_hz(hz))
        .collect();
    let entries = fragment
        .audio
        .iter()
        .enumerate()
        .map(|(index, frame)| TrunEntry {
            duration: Some(match starts.get(index + 1) {
                Some(next) => clamp_u32(next.saturating_sub(starts[index])).max(1),
                None => frame.samples,
            }),
            size: Some(clamp_u32(frame.data.len() as u64)),
            flags: Some(SYNC_SAMPLE),
            cts: None,
        })
        .collect();
    let samples = fragment.audio_rolls.then_some(fragment.audio.len());
    Some(Traf {
        sbgp: samples.map(in_roll).into_iter().collect(),
        ..traf(AUDIO_TRACK, first.pts.as_hz(hz), entries)
    })
}

fn traf(track_id: u32, base: u64, entries: Vec<TrunEntry>) -> Traf {
    Traf {
        tfhd: Tfhd {
            track_id,
            default_base_is_moof: true,
            ..Default::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: base,
        }),
        trun: vec![Trun {
            data_offset: Some(0),
            samples: entries.into(),
        }],
        ..Default::default()
    }
}

fn clamp_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A composition offset: 32 bits in the box, whatever the reader's type holds.
fn signed_difference(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    difference.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i64
}

fn video_track(config: &VideoConfig) -> Result<Trak, Fmp4Error> {
    let (width, height) = (config.width(), config.height());
    let entry = sample_entry(config).map_err(Fmp4Error::Record)?;
    let mut track = track(VIDEO_TRACK, VIDEO_TIMESCALE, *b"vide", "video", entry);
    track.tkhd.width = width.into();
    track.tkhd.height = height.into();
    track.mdia.minf.vmhd = Some(Vmhd::default());
    Ok(track)
}

/// The sample entry with the decoder configuration record in its box (ISO/IEC 14496-15 section
/// 5.4.2.1 and 8.4.1.1, and the ISO Media File Format Bindings of VP9 and AV1).
fn sample_entry(config: &VideoConfig) -> Result<Codec, mp4_atom::Error> {
    let visual = Visual {
        data_reference_index: 1,
        width: config.width(),
        height: config.height(),
        ..Default::default()
    };
    let mut record = &config.configuration_record()[..];
    Ok(match config.codec() {
        VideoCodec::H264 => Codec::Avc1(Avc1 {
            visual,
            avcc: Avcc::decode_body(&mut record)?,
            btrt: None,
            colr: None,
            pasp: None,
            taic: None,
            fiel: None,
            spatial: None,
        }),
        VideoCodec::H265 => Codec::Hvc1(Hvc1 {
            visual,
            hvcc: Hvcc::decode_body(&mut record)?,
            ..Default::default()
        }),
        VideoCodec::Vp9 => Codec::Vp09(Vp09 {
            visual,
            // The box has version 1 and no flags before the record.
            vpcc: VpcC::decode_body(&mut &[&[1, 0, 0, 0], record].concat()[..])?,
            btrt: None,
            colr: None,
            pasp: None,
            spatial: None,
        }),
        VideoCodec::Av1 => Codec::Av01(Av01 {
            visual,
            av1c: Av1c::decode_body(&mut record)?,
            btrt: None,
            ccst: None,
            colr: None,
            pasp: None,
            taic: None,
            spatial: None,
        }),
    })
}

fn audio_track(config: &AudioConfig) -> Trak {
    let entry = match &config.codec {
        AudioCodec::Aac(asc) => Codec::Mp4a(mp4a(config, asc)),
        AudioCodec::Opus => Codec::Opus(opus(config)),
    };
    let mut track = track(AUDIO_TRACK, config.sample_rate, *b"soun", "audio", entry);
    track.tkhd.volume = 1.into();
    track.tkhd.alternate_group = 1;
    track.mdia.minf.smhd = Some(Smhd::default());
    if config.codec == AudioCodec::Opus {
        track.mdia.minf.stbl.sgpd = vec![roll()];
    }
    track
}

fn mp4a(config: &AudioConfig, asc: &Bytes) -> Mp4a {
    Mp4a {
        audio: audio(config),
        esds: Esds {
            es_desc: esds::EsDescriptor {
                es_id: 0,
                dec_config: esds::DecoderConfig {
                    // ISO/IEC 14496-1 table 5: 0x40 is MPEG-4 audio, stream type 5 is audio.
                    object_type_indication: 0x40,
                    stream_type: 5,
                    dec_specific: Some(esds::DecoderSpecific {
                        raw: asc.to_vec(),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                sl_config: esds::SLConfig::default(),
                ..Default::default()
            },
        },
        btrt: None,
        taic: None,
    }
}

/// The sample entry of Opus (Encapsulation of Opus in ISO Base Media File Format, section 4.3). A
/// stream that is joined in its midst has no samples that were put before it, so that nothing is to
/// be skipped: decoders that skip some would play all that follows too early.
fn opus(config: &AudioConfig) -> Opus {
    Opus {
        audio: audio(config),
        dops: Dops {
            output_channel_count: config.channels,
            pre_skip: 0,
            input_sample_rate: config.sample_rate,
            output_gain: 0,
            channel_mapping: None,
        },
        btrt: None,
    }
}

fn audio(config: &AudioConfig) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: u16::from(config.channels),
        sample_size: 16,
        sample_rate: clamp_u16(config.sample_rate).into(),
    }
}

/// How many packets before the wanted one a decoder begins with (ISO/IEC 14496-12 section 10.1, and
/// Encapsulation of Opus section 4.3.6.2): 80 ms of the shortest that browsers send, of 10 ms.
fn roll() -> Sgpd {
    let distance: i16 = -8;
    let entry = AnySampleGroupEntry::UnknownGroupingType(ROLL, distance.to_be_bytes().to_vec());
    Sgpd {
        grouping_type: ROLL,
        default_length: Some(2),
        default_group_description_index: None,
        static_group_description: false,
        static_mapping: false,
        essential: false,
        entries: vec![SgpdEntry {
            description_length: Some(2),
            entry,
        }],
    }
}

/// All samples of a fragment are of the group that [`roll`] describes.
fn in_roll(samples: usize) -> Sbgp {
    Sbgp {
        grouping_type: ROLL,
        grouping_type_parameter: None,
        entries: vec![SbgpEntry {
            sample_count: clamp_u32(samples as u64),
            group_description_index: 1,
        }],
    }
}

const ROLL: FourCC = FourCC::new(b"roll");

fn track(id: u32, timescale: u32, handler: [u8; 4], name: &str, entry: Codec) -> Trak {
    Trak {
        tkhd: Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            ..Default::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale,
                language: "und".into(),
                ..Default::default()
            },
            hdlr: Hdlr {
                handler: FourCC::new(&handler),
                name: name.into(),
            },
            minf: Minf {
                dinf: Dinf {
                    // Location empty: the media is in this file.
                    dref: Dref {
                        entries: vec![DrefEntry::Url(Url::default())],
                    },
                },
                stbl: Stbl {
                    stsd: Stsd {
                        codecs: vec![entry],
                    },
                    stco: Some(Stco::default()),
                    ..Default::default()
                },
                ..Default::default()
            },
        },
        ..Default::default()
    }
}

fn clamp_u16(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
