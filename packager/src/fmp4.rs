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
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::time::Duration;

    use mp4_atom::ReadFrom;

    use super::*;
    use crate::test_media::{self, PPS, SPS_640X360};

    fn video_config() -> Arc<VideoConfig> {
        Arc::new(VideoConfig::h264(SPS_640X360, &[PPS]).unwrap())
    }

    fn audio_config() -> AudioConfig {
        AudioConfig::aac_lc(48_000, 2).unwrap()
    }

    /// 30 fps from `start_ms`, the first one a key frame; data tells the frames apart.
    fn pictures(start_ms: u64, count: u64) -> Vec<VideoFrame> {
        let config = video_config();
        (0..count)
            .map(|index| {
                let time = MediaTime::from_hz(start_ms * 90 + index * 3000, 90_000);
                VideoFrame {
                    dts: time,
                    pts: time,
                    is_keyframe: index == 0,
                    config: config.clone(),
                    data: Bytes::from(vec![index as u8; 10 + index as usize]),
                }
            })
            .collect()
    }

    fn sounds(start_samples: u64, count: u64) -> Vec<AudioFrame> {
        (0..count)
            .map(|index| AudioFrame {
                pts: MediaTime::from_hz(start_samples + index * 1024, 48_000),
                data: Bytes::from(vec![0x80 | index as u8; 7]),
                samples: 1024,
            })
            .collect()
    }

    fn decode_fragment(data: &[u8]) -> (Moof, Vec<u8>) {
        let mut reader = Cursor::new(data);
        Styp::read_from(&mut reader).unwrap();
        let moof_start = usize::try_from(reader.position()).unwrap();
        let moof = Moof::read_from(&mut reader).unwrap();
        (moof, data[moof_start..].to_vec())
    }

    #[test]
    fn an_init_section_is_byte_exact() {
        let section = init_section(Some(&video_config()), Some(&audio_config())).unwrap();
        insta::assert_snapshot!(crate::test_media::hex(&section));
    }

    #[test]
    fn a_fragment_is_byte_exact() {
        let (mut video, audio) = (pictures(0, 2), sounds(0, 2));
        video[1].pts = MediaTime::from_millis(20);
        let written = fragment(&Fragment {
            sequence: 3,
            video: &video,
            audio: &audio,
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: MediaTime::from_millis(66),
            starts_segment: true,
        })
        .unwrap();
        insta::assert_snapshot!(crate::test_media::hex(&written));
    }

    #[test]
    fn another_reader_finds_both_tracks() {
        let mut file = init_section(Some(&video_config()), Some(&audio_config()))
            .unwrap()
            .to_vec();
        let (video, audio) = (pictures(0, 60), sounds(0, 94));
        file.extend(
            fragment(&Fragment {
                sequence: 1,
                video: &video,
                audio: &audio,
                audio_timescale: 48_000,
                audio_rolls: false,
                video_end: MediaTime::from_millis(2000),
                starts_segment: true,
            })
            .unwrap(),
        );
        let size = file.len() as u64;
        let reader = mp4::Mp4Reader::read_header(Cursor::new(file), size).unwrap();
        assert!(reader.is_fragmented());
        let video_track = &reader.tracks()[&VIDEO_TRACK];
        assert_eq!(video_track.media_type().unwrap(), mp4::MediaType::H264);
        assert_eq!((video_track.width(), video_track.height()), (640, 360));
        assert_eq!(video_track.sequence_parameter_set().unwrap(), SPS_640X360);
        assert_eq!(video_track.picture_parameter_set().unwrap(), PPS);
        assert_eq!(video_track.sample_count(), 60);
        let audio_track = &reader.tracks()[&AUDIO_TRACK];
        assert_eq!(audio_track.media_type().unwrap(), mp4::MediaType::AAC);
        assert_eq!(
            audio_track.sample_freq_index().unwrap(),
            mp4::SampleFreqIndex::Freq48000
        );
        assert_eq!(audio_track.sample_count(), 94);
    }

    #[test]
    fn durations_sum_to_the_next_fragments_start() {
        let video = pictures(1000, 61);
        let end = MediaTime::from_millis(3040);
        let data = fragment(&Fragment {
            sequence: 7,
            video: &video,
            audio: &[],
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: end,
            starts_segment: true,
        })
        .unwrap();
        let (moof, _) = decode_fragment(&data);
        assert_eq!(moof.mfhd.sequence_number, 7);
        assert_eq!(moof.traf.len(), 1);
        let traf = &moof.traf[0];
        let base = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        assert_eq!(base, 90_000);
        let sum: u64 = traf.trun[0]
            .samples
            .iter()
            .map(|s| u64::from(s.duration.unwrap()))
            .sum();
        assert_eq!(base + sum, end.as_hz(VIDEO_TIMESCALE));
        let flags: Vec<u32> = traf.trun[0]
            .samples
            .iter()
            .map(|s| s.flags.unwrap())
            .collect();
        assert_eq!(flags[0], SYNC_SAMPLE);
        assert!(flags[1..].iter().all(|flags| *flags == NON_SYNC_SAMPLE));
    }

    #[test]
    fn data_offsets_point_at_the_first_byte_of_each_track() {
        let (video, audio) = (pictures(0, 3), sounds(0, 4));
        let data = fragment(&Fragment {
            sequence: 1,
            video: &video,
            audio: &audio,
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: MediaTime::from_millis(100),
            starts_segment: true,
        })
        .unwrap();
        let (moof, from_moof) = decode_fragment(&data);
        for (traf, first) in moof.traf.iter().zip([&video[0].data, &audio[0].data]) {
            let offset = usize::try_from(traf.trun[0].data_offset.unwrap()).unwrap();
            assert_eq!(&from_moof[offset..offset + first.len()], &first[..]);
        }
    }

    #[test]
    fn negative_composition_offsets_survive() {
        let mut video = pictures(100, 3);
        video[2].pts = MediaTime::from_millis(100);
        let data = fragment(&Fragment {
            sequence: 1,
            video: &video,
            audio: &[],
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: MediaTime::from_millis(200),
            starts_segment: true,
        })
        .unwrap();
        let (moof, _) = decode_fragment(&data);
        let offsets: Vec<i64> = moof.traf[0].trun[0]
            .samples
            .iter()
            .map(|s| s.cts.unwrap())
            .collect();
        assert_eq!(offsets, [0, 0, -6000]);
    }

    #[test]
    fn media_time_of_a_year_keeps_its_precision() {
        let year = MediaTime::from(Duration::from_secs(365 * 86_400));
        let mut audio = sounds(0, 2);
        for frame in &mut audio {
            frame.pts = frame.pts.saturating_add(year.as_duration());
        }
        let data = fragment(&Fragment {
            sequence: u32::MAX,
            video: &[],
            audio: &audio,
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: year,
            starts_segment: true,
        })
        .unwrap();
        let (moof, _) = decode_fragment(&data);
        let base = moof.traf[0].tfdt.as_ref().unwrap().base_media_decode_time;
        assert_eq!(base, 365 * 86_400 * 48_000);
    }

    #[test]
    fn sample_entries_of_other_codecs_carry_their_records() {
        for (codec, entry, record) in [
            (VideoCodec::H265, b"hvc1", b"hvcC"),
            (VideoCodec::Vp9, b"vp09", b"vpcC"),
            (VideoCodec::Av1, b"av01", b"av1C"),
        ] {
            let config = test_media::video_config(codec);
            let section = init_section(Some(&config), None).unwrap();
            let boxes = |name: &[u8; 4]| {
                let found = section.windows(4).position(|bytes| bytes == name);
                section.slice(found.expect("it is there")..)
            };
            // Behind reserved bytes, the data reference index and what QuickTime left there.
            let size = &boxes(entry)[4 + 8 + 16..][..4];
            assert_eq!(size, [2, 128, 1, 104], "640x360");
            let mut body = boxes(record).slice(4..);
            if codec == VideoCodec::Vp9 {
                assert_eq!(body.split_to(4).as_ref(), [1, 0, 0, 0], "version and flags");
            }
            assert!(body.starts_with(config.configuration_record()));
            let mut reader = Cursor::new(&section[..]);
            Ftyp::read_from(&mut reader).unwrap();
            let moov = Moov::read_from(&mut reader).unwrap();
            assert_eq!(moov.trak[0].mdia.minf.stbl.stsd.codecs.len(), 1);
        }
    }

    #[test]
    fn an_init_section_without_tracks_is_refused() {
        assert!(matches!(init_section(None, None), Err(Fmp4Error::NoTrack)));
    }

    #[test]
    fn opus_has_its_sample_entry_and_its_roll_distance() {
        for channels in [1, 2] {
            let section = init_section(None, Some(&AudioConfig::opus(channels))).unwrap();
            let mut reader = Cursor::new(&section[..]);
            Ftyp::read_from(&mut reader).unwrap();
            let moov = Moov::read_from(&mut reader).unwrap();
            let media = &moov.trak[0].mdia;
            assert_eq!(media.mdhd.timescale, 48_000);
            let [Codec::Opus(opus)] = &media.minf.stbl.stsd.codecs[..] else {
                panic!("{:?}", media.minf.stbl.stsd);
            };
            assert_eq!(opus.audio.channel_count, u16::from(channels));
            let dops = &opus.dops;
            assert_eq!(dops.output_channel_count, channels);
            assert_eq!((dops.pre_skip, dops.input_sample_rate), (0, 48_000));
            let [group] = &media.minf.stbl.sgpd[..] else {
                panic!("{:?}", media.minf.stbl.sgpd);
            };
            assert_eq!(group.grouping_type, FourCC::new(b"roll"));
        }
    }

    #[test]
    fn an_init_section_of_opus_is_byte_exact() {
        let section = init_section(None, Some(&AudioConfig::opus(2))).unwrap();
        insta::assert_snapshot!(crate::test_media::hex(&section));
    }

    #[test]
    fn all_packets_of_opus_are_of_the_group_that_rolls() {
        // Of 20 ms and one byte, which says so (RFC 6716 section 3.1).
        let packet = |index: u64| AudioFrame {
            pts: MediaTime::from_hz(48_000 + index * 960, 48_000),
            data: Bytes::from_static(&[0xfc]),
            samples: 960,
        };
        let audio: Vec<_> = (0..12).map(packet).collect();
        let data = fragment(&Fragment {
            sequence: 1,
            video: &[],
            audio: &audio,
            audio_timescale: 48_000,
            audio_rolls: true,
            video_end: MediaTime::ZERO,
            starts_segment: true,
        })
        .unwrap();
        let (moof, _) = decode_fragment(&data);
        let traf = &moof.traf[0];
        let base = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        assert_eq!((base, traf.trun[0].samples.len()), (48_000, 12));
        let [group] = &traf.sbgp[0].entries[..] else {
            panic!("{:?}", traf.sbgp);
        };
        let of = (group.sample_count, group.group_description_index);
        assert_eq!(of, (12, 1));
    }

    #[test]
    fn pictures_alone_are_the_same_fragments_without_sound() {
        let (video, audio) = (pictures(0, 3), sounds(0, 4));
        let write = |video: &[VideoFrame], audio: &[AudioFrame], sequence| {
            let written = fragment(&Fragment {
                sequence,
                video,
                audio,
                audio_timescale: 48_000,
                audio_rolls: false,
                video_end: MediaTime::from_millis(100),
                starts_segment: sequence == 1,
            });
            written.unwrap()
        };
        // What would have been written without sound.
        let whole = write(&video, &audio, 1);
        let alone = super::pictures(&whole).unwrap();
        assert_eq!(alone, write(&video, &[], 1));
        let segment = [write(&video[..2], &audio, 1), write(&video[2..], &audio, 2)];
        let alone = [write(&video[..2], &[], 1), write(&video[2..], &[], 2)];
        assert_eq!(super::pictures(&segment.concat()).unwrap(), alone.concat());
        // Sound by itself leaves a fragment of nothing.
        let nothing = super::pictures(&write(&[], &audio, 1)).unwrap();
        let (moof, from_moof) = decode_fragment(&nothing);
        assert!(moof.traf.is_empty() && from_moof.ends_with(b"\0\0\0\x08mdat"));
        for length in 1..whole.len() {
            // Whatever is cut off: an error, or less of it.
            if let Ok(some) = super::pictures(&whole[..length]) {
                assert!(some.len() <= length);
            }
        }
    }
}
