//! What is written, as other readers read it.

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
