use std::io::Cursor;
use std::sync::Arc;

use super::*;
use crate::fmp4::{Fragment, fragment, init_section};
use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::test_media::{Numbers, PPS, SPS_320X180, SPS_640X360};
use crate::time::MediaTime;
use crate::video::{VideoCodec, VideoConfig};

fn config(sps: &[u8]) -> Arc<VideoConfig> {
    Arc::new(VideoConfig::h264(sps, &[PPS]).unwrap())
}

fn sound() -> AudioConfig {
    AudioConfig::aac_lc(48_000, 2).unwrap()
}

fn init(sps: &[u8]) -> Bytes {
    init_section(Some(&config(sps)), Some(&sound())).unwrap()
}

/// Two seconds at 25 a second and their sound, in two fragments; each frame's bytes name it.
fn segment(start_ms: u64, sps: &[u8]) -> Bytes {
    let config = config(sps);
    let mut out = Vec::new();
    for part in 0..2 {
        let from = start_ms + part * 1_000;
        let video: Vec<_> = (0..25)
            .map(|index| VideoFrame {
                dts: MediaTime::from_millis(from + index * 40),
                pts: MediaTime::from_millis(from + index * 40),
                is_keyframe: part == 0 && index == 0,
                config: config.clone(),
                data: Bytes::from(vec![(from / 40 + index) as u8; 50 + index as usize]),
            })
            .collect();
        // 20 ms behind the picture.
        let audio: Vec<_> = (0..50)
            .map(|index| AudioFrame {
                pts: MediaTime::from_millis(from + 20 + index * 20),
                data: Bytes::from(vec![0xa0 | index as u8 & 15; 9]),
                samples: 960,
            })
            .collect();
        let written = fragment(&Fragment {
            sequence: 1,
            video: &video,
            audio: &audio,
            audio_timescale: 48_000,
            audio_rolls: false,
            video_end: MediaTime::from_millis(from + 1_000),
            starts_segment: part == 0,
        });
        out.extend(written.unwrap());
    }
    out.into()
}

fn join(parts: &[(Option<&[u8]>, Bytes)]) -> Vec<u8> {
    let mut joiner = Joiner::new();
    for (sps, segment) in parts {
        if let Some(sps) = sps {
            joiner.push_init(&init(sps)).unwrap();
        }
        joiner.push_segment(segment).unwrap();
    }
    let payload = joiner.payload();
    let mut file = joiner.head().unwrap().to_vec();
    let before = file.len() as u64;
    for (_, segment) in parts {
        media(segment).unwrap().iter().for_each(|m| file.extend(m));
    }
    assert_eq!(file.len() as u64, before + payload);
    file
}

fn read(file: &[u8]) -> mp4::Mp4Reader<Cursor<&[u8]>> {
    mp4::Mp4Reader::read_header(Cursor::new(file), file.len() as u64).unwrap()
}

#[test]
fn another_reader_finds_every_frame_at_its_time() {
    let file = join(&[
        (Some(SPS_640X360), segment(4_000, SPS_640X360)),
        (None, segment(6_000, SPS_640X360)),
    ]);
    let mut reader = read(&file);
    assert!(!reader.is_fragmented());
    assert_eq!(reader.sample_count(1).unwrap(), 100);
    assert_eq!(reader.sample_count(2).unwrap(), 200);
    for index in 0..100 {
        let sample = reader.read_sample(1, index + 1).unwrap().unwrap();
        assert_eq!(sample.start_time, u64::from(index) * 3_600);
        assert_eq!(sample.duration, 3_600);
        assert_eq!(sample.is_sync, index % 50 == 0);
        assert_eq!(sample.bytes[0], (100 + index) as u8);
        assert_eq!(sample.bytes.len(), 50 + index as usize % 25);
    }
    for index in 0..200 {
        let sample = reader.read_sample(2, index + 1).unwrap().unwrap();
        assert_eq!(sample.start_time, u64::from(index) * 960);
        assert_eq!(sample.bytes[0], 0xa0 | (index % 50) as u8 & 15);
    }
    let mut durations = reader.tracks().values().map(|t| t.duration().as_millis());
    assert!(durations.all(|ms| (4_000..=4_020).contains(&ms)));
}

#[test]
fn a_track_that_begins_later_has_an_empty_edit() {
    let file = join(&[(Some(SPS_640X360), segment(0, SPS_640X360))]);
    let reader = read(&file);
    let edits = |id| {
        let edts = reader.tracks()[&id].trak.edts.as_ref()?;
        let elst = edts.elst.as_ref()?;
        let entries = elst.entries.iter();
        Some(entries.map(|e| e.segment_duration).collect::<Vec<_>>())
    };
    assert_eq!(edits(1), None);
    assert_eq!(edits(2), Some(vec![1_800, 180_000]), "20 ms, then 2 s");
}

#[test]
fn what_is_missing_is_a_gap_in_both_tracks() {
    let file = join(&[
        (Some(SPS_640X360), segment(0, SPS_640X360)),
        (None, segment(6_000, SPS_640X360)),
    ]);
    let mut reader = read(&file);
    let last = reader.read_sample(1, 50).unwrap().unwrap();
    assert_eq!(last.duration, 3_600 + 4 * 90_000);
    let next = reader.read_sample(1, 51).unwrap().unwrap();
    assert_eq!(next.start_time, 6 * 90_000);
    let next = reader.read_sample(2, 101).unwrap().unwrap();
    assert_eq!(next.start_time, 6 * 48_000);
}

#[test]
fn another_picture_size_is_another_sample_description() {
    let file = join(&[
        (Some(SPS_640X360), segment(0, SPS_640X360)),
        (Some(SPS_320X180), segment(2_000, SPS_320X180)),
        (Some(SPS_640X360), segment(4_000, SPS_640X360)),
    ]);
    let moov = moov(&file);
    let tables = &moov.trak[0].mdia.minf.stbl;
    assert_eq!(tables.stsd.codecs.len(), 2);
    let runs = tables.stsc.entries.iter();
    let runs: Vec<_> = runs
        .map(|run| (run.first_chunk, run.sample_description_index))
        .collect();
    assert_eq!(runs, [(1, 1), (3, 2), (5, 1)]);
    assert_eq!(moov.trak[1].mdia.minf.stbl.stsd.codecs.len(), 1);
}

fn moov(file: &[u8]) -> Moov {
    let (_, range) = boxes(file)
        .map(Result::unwrap)
        .find(|(kind, _)| kind == b"moov")
        .unwrap();
    Moov::decode(&mut &file[range]).unwrap()
}

#[test]
fn time_that_goes_back_does_not_go_back_in_the_file() {
    let file = join(&[
        (Some(SPS_640X360), segment(8_000, SPS_640X360)),
        (None, segment(0, SPS_640X360)),
    ]);
    let durations = &moov(&file).trak[0].mdia.minf.stbl.stts.entries;
    assert_eq!(
        durations.iter().map(|run| run.sample_count).sum::<u32>(),
        100
    );
    assert!(
        durations
            .iter()
            .all(|run| (1..=3_600).contains(&run.sample_delta))
    );
}

#[test]
fn another_codec_is_refused() {
    let mut joiner = Joiner::new();
    joiner.push_init(&init(SPS_640X360)).unwrap();
    let vp9 = crate::test_media::video_config(VideoCodec::Vp9);
    let changed = joiner.push_init(&init_section(Some(&vp9), None).unwrap());
    assert_eq!(changed, Err(JoinError::CodecChanged { track: 1 }));
    assert_eq!(Joiner::new().head(), Err(JoinError::Empty));
}

#[test]
fn broken_bytes_are_refused_and_never_panic() {
    let (init, whole) = (init(SPS_640X360), segment(0, SPS_640X360));
    let mut numbers = Numbers::new(7);
    let mut refused = 0;
    for round in 0..2_000 {
        let (mut init, mut segment) = (init.to_vec(), whole.to_vec());
        let bytes = match round % 3 {
            0 => &mut init,
            _ => &mut segment,
        };
        match numbers.below(3) {
            0 => bytes.truncate(numbers.below(bytes.len() as u64) as usize),
            _ => {
                for _ in 0..=numbers.below(3) {
                    let at = numbers.below(bytes.len().min(1_200) as u64) as usize;
                    bytes[at] = numbers.below(256) as u8;
                }
            }
        }
        let mut joiner = Joiner::new();
        let joined = joiner
            .push_init(&init)
            .and_then(|()| joiner.push_segment(&segment))
            .and_then(|()| media(&segment.into()))
            .and_then(|_| joiner.head());
        refused += usize::from(joined.is_err());
    }
    assert!((500..2_000).contains(&refused), "{refused}");
}
