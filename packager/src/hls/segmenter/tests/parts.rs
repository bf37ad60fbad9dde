//! Partial Segments (RFC 8216bis section 4.4.4.9).

use super::*;

const TARGET: Duration = Duration::from_millis(250);

fn source(video: bool, audio: bool) -> Source {
    let config = SegmenterConfig {
        part: Some(TARGET),
        ..SegmenterConfig::default()
    };
    Source::with(config, video, audio)
}

/// Segments with their parts.
fn segments(source: &Source) -> Vec<(Vec<&Part>, &Segment)> {
    let (mut segments, mut parts) = (Vec::new(), Vec::new());
    for output in &source.outputs {
        match output {
            SegmenterOutput::Init(_) => assert!(parts.is_empty()),
            SegmenterOutput::Part(part) => parts.push(part),
            SegmenterOutput::Segment(segment) => {
                segments.push((std::mem::take(&mut parts), segment));
            }
        }
    }
    segments
}

/// A track of a fragment: its number, and where each of its samples starts and ends in seconds.
type Samples = (u32, Vec<(f64, f64)>);

fn samples(part: &Part, is_first: bool) -> Vec<Samples> {
    let mut reader = std::io::Cursor::new(&part.data);
    if is_first {
        Styp::read_from(&mut reader).unwrap();
    }
    let moof = Moof::read_from(&mut reader).unwrap();
    let of = |traf: &mp4_atom::Traf| {
        let hz = [90_000.0, 48_000.0][traf.tfhd.track_id as usize - 1];
        let mut at = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        let span = |sample: mp4_atom::TrunEntry| {
            let start = at;
            at += u64::from(sample.duration.unwrap());
            (start as f64 / hz, at as f64 / hz)
        };
        (
            traf.tfhd.track_id,
            traf.trun[0].samples.iter().map(span).collect(),
        )
    };
    moof.traf.iter().map(of).collect()
}

/// What RFC 8216bis asks of parts, and that they are their segment.
fn assert_parts(source: &Source) {
    let segments = segments(source);
    assert!(segments.len() >= 3, "{} segments", segments.len());
    // A duration in nanoseconds may lose one tick.
    let tick = Duration::from_micros(1);
    for (parts, segment) in segments {
        let sum: Duration = parts.iter().map(|part| part.duration).sum();
        let lost = segment.duration.saturating_sub(sum);
        assert!(
            sum <= segment.duration && lost < tick,
            "{sum:?} of {segment:?}"
        );
        assert_eq!(parts[0].start, segment.start);
        assert_eq!(
            parts
                .iter()
                .flat_map(|p| p.data.to_vec())
                .collect::<Vec<_>>(),
            segment.data
        );
        assert!(parts.iter().all(|part| part.init == segment.init));
        assert_eq!(parts[0].discontinuity, segment.discontinuity);
        assert!(parts[1..].iter().all(|part| !part.discontinuity));
        let (last, others) = parts.split_last().unwrap();
        assert!(last.duration <= TARGET + tick, "{:?}", last.duration);
        for part in others {
            let is_long = part.is_independent || part.duration + tick >= TARGET.mul_f64(0.85);
            assert!(
                is_long && part.duration <= TARGET + tick,
                "{:?}",
                part.duration
            );
        }
    }
}

/// No track overlaps itself, and the samples of each follow each other.
pub(super) fn assert_tracks_follow(source: &Source, hole: f64) {
    let mut ends = [None::<f64>; 2];
    for (parts, _) in segments(source) {
        for (index, part) in parts.iter().enumerate() {
            for (track, samples) in samples(part, index == 0) {
                let end = &mut ends[track as usize - 1];
                for (start, after) in samples {
                    let distance = start - end.unwrap_or(start);
                    assert!(
                        (-0.001..=hole).contains(&distance),
                        "track {track}: {end:?}, {start}"
                    );
                    *end = Some(after);
                }
            }
        }
    }
}

#[test]
fn parts_are_as_long_as_the_target_allows() {
    for fps in [4, 5, 7, 10, 12, 15, 20, 24, 25, 30, 50, 60] {
        for has_sound in [true, false] {
            let config = config(SPS_640X360);
            let mut source = source(true, has_sound);
            for frame in 0..10 * fps {
                source.picture(frame * 1_000 / fps, frame % (2 * fps) == 0, &config);
            }
            assert_parts(&source);
            assert_tracks_follow(&source, 0.001);
            let segments = segments(&source);
            assert_contiguous(&source.segments());
            assert!(
                segments.iter().all(|(_, s)| s.is_independent),
                "{fps} a second"
            );
            assert!(
                segments
                    .iter()
                    .all(|(parts, _)| (8..=10).contains(&parts.len())),
                "{fps} a second"
            );
        }
    }
}

#[test]
fn a_part_is_out_with_the_picture_that_ends_it() {
    let config = config(SPS_640X360);
    let mut source = source(true, false);
    for frame in 0..7 {
        source.picture(frame * 33, frame == 0, &config);
        assert_eq!(source.outputs.len(), 1, "the initialization section");
    }
    // Another 33 ms would be too long.
    source.picture(7 * 33, false, &config);
    let Some(SegmenterOutput::Part(part)) = source.outputs.get(1) else {
        panic!("{:?}", source.outputs);
    };
    assert_eq!(part.duration, Duration::from_millis(231));
    assert!(part.is_independent);
}

#[test]
fn pictures_at_uneven_distances_keep_the_rules() {
    let config = config(SPS_640X360);
    for (first, second) in [(10, 57), (90, 20), (140, 7), (33, 240), (400, 33)] {
        for has_sound in [true, false] {
            let mut source = source(true, has_sound);
            let mut at = 0;
            for frame in 0_u64..600 {
                source.picture(at, frame % 40 == 0, &config);
                at += if frame % 3 == 0 { first } else { second };
                if at > 15_000 {
                    break;
                }
            }
            assert_parts(&source);
            assert_tracks_follow(&source, 0.001);
        }
    }
}

#[test]
fn a_key_frame_far_from_others_begins_a_segment() {
    for part in [None, Some(Duration::from_millis(250))] {
        for apart in [2_520, 5_000, 10_000] {
            let config = SegmenterConfig {
                part,
                ..SegmenterConfig::default()
            };
            let mut source = Source::with(config, true, true);
            for ms in (0..60_000).step_by(40) {
                source.picture(ms, ms % apart == 0, &super::config(SPS_640X360));
            }
            let segments = source.segments();
            assert_contiguous(&segments);
            // An eighth of the target: players have a request to make for each.
            let shortest = segments.iter().map(|segment| segment.duration).min();
            assert!(shortest >= Some(Duration::from_millis(250)), "{shortest:?}");
            let starts = segments.iter().filter(|segment| segment.is_independent);
            let starts: Vec<_> = starts.map(|segment| segment.start.as_millis()).collect();
            assert!(starts.len() > 4, "{starts:?}");
            for pair in starts.windows(2) {
                // One that comes within the first 250 ms of a segment is let go.
                let most = match apart {
                    2_520 => 2 * apart,
                    _ => apart,
                };
                assert!(pair[1] - pair[0] <= most, "{part:?}, {apart}: {starts:?}");
            }
        }
    }
}

#[test]
fn sound_alone_is_cut_into_parts() {
    let mut source = source(false, true);
    source.sound_until(10_000);
    assert_parts(&source);
    assert_tracks_follow(&source, 0.001);
    let parts = segments(&source).into_iter().flat_map(|(parts, _)| parts);
    assert!(parts.into_iter().all(|part| part.is_independent));
}

#[test]
fn a_camera_that_is_off_leaves_parts_of_sound_and_a_picture_in_every_segment() {
    let config = config(SPS_640X360);
    let mut source = source(true, true);
    for frame in 0..100 {
        source.picture(frame * 33, frame % 60 == 0, &config);
    }
    // One second after the last picture the parts follow the sound.
    source.sound_until(12_000);
    let last = source.outputs.iter().rev().find_map(|output| match output {
        SegmenterOutput::Part(part) => Some(part.start.saturating_add(part.duration)),
        _ => None,
    });
    assert!(last.unwrap().as_millis() >= 11_700, "{last:?}");
    // The camera is on again, first with pictures that nothing decodes.
    for frame in 0..200 {
        source.picture(12_010 + frame * 33, frame % 60 == 20, &config);
    }
    assert_parts(&source);
    assert_contiguous(&source.segments());
    for (parts, segment) in segments(&source) {
        let tracks = samples(parts[0], true);
        assert_eq!(tracks.len(), 2, "at {:?}", segment.start);
        let (start, _) = tracks[0].1[0];
        assert!((start - segment.start.as_duration().as_secs_f64()).abs() < 0.001);
    }
    assert_eq!(source.segmenter.dropped_frames(), 20);
}

#[test]
fn the_last_picture_before_a_stall_lasts_until_the_next_segment() {
    let config = config(SPS_640X360);
    let mut source = source(true, true);
    for frame in 0..40 {
        source.picture(frame * 33, frame == 0, &config);
    }
    source.sound_until(9_000);
    assert_parts(&source);
    assert_tracks_follow(&source, 0.001);
}

#[test]
fn a_change_of_resolution_ends_part_and_segment() {
    let (large, small) = (config(SPS_640X360), config(SPS_320X180));
    let mut source = source(true, true);
    for frame in 0..240 {
        let config = if frame < 100 { &large } else { &small };
        source.picture(frame * 33, frame % 60 == 0 || frame == 100, config);
    }
    assert_parts(&source);
    assert_tracks_follow(&source, 0.001);
    let discontinuities = segments(&source)
        .iter()
        .filter(|(_, s)| s.discontinuity)
        .count();
    assert_eq!(discontinuities, 1);
}

#[test]
fn finish_gives_the_last_part() {
    let config = config(SPS_640X360);
    let mut source = source(true, true);
    for frame in 0..190 {
        source.picture(frame * 33, frame % 60 == 0, &config);
    }
    source.segmenter.finish();
    source.drain();
    assert_parts(&source);
    assert!(matches!(
        source.outputs.last(),
        Some(SegmenterOutput::Segment(_))
    ));
}

#[test]
fn at_the_end_what_no_part_has_is_a_segment_as_long_as_the_shorter_track() {
    // Up to sound, and up to a picture, that no part has yet.
    for (pictures, sound) in [(41, 1_320), (41, 1_462)] {
        let config = config(SPS_640X360);
        let mut source = source(true, true);
        for frame in 0..pictures {
            source.picture(frame * 33, frame == 0, &config);
        }
        source.sound_until(sound);
        let is_part = |output: &&SegmenterOutput| matches!(output, SegmenterOutput::Part(_));
        let known = source.outputs.iter().filter(is_part).count();
        assert!(source.segments().is_empty() && known > 0);
        source.segmenter.finish();
        source.drain();
        let segments = segments(&source);
        let [(parts, whole), (tail, rest)] = &segments[..] else {
            panic!("{} segments", segments.len());
        };
        assert_eq!((parts.len(), tail.len()), (known, 1));
        assert_contiguous(&[whole, rest]);
        let ends = samples(tail[0], true)
            .into_iter()
            .map(|(_, spans)| spans.last().expect("a sample").1);
        let shorter = ends.min_by(f64::total_cmp).expect("two tracks");
        let end = rest.start.as_duration() + rest.duration;
        let off = end.as_secs_f64() - shorter;
        assert!(off.abs() < 1e-4, "{end:?} and {shorter}");
    }
}

#[test]
fn at_the_end_a_rest_too_short_for_players_is_left_out() {
    let tail = |pictures| {
        let config = config(SPS_640X360);
        let mut source = source(true, true);
        for frame in 0..pictures {
            source.picture(frame * 33, frame == 0, &config);
        }
        source.segmenter.finish();
        source.drain();
        let segments = source.segments();
        segments.get(1).map(|tail| tail.duration.as_millis())
    };
    let tails: Vec<_> = (30..45).map(tail).collect();
    assert!(tails.contains(&None), "{tails:?}");
    assert!(tails.iter().any(Option::is_some), "{tails:?}");
    assert!(tails.iter().flatten().all(|long| *long >= 100), "{tails:?}");
}

#[test]
fn a_broadcast_shorter_than_a_part_is_a_segment() {
    let config = config(SPS_640X360);
    let mut source = source(true, true);
    for frame in 0..2 {
        source.picture(frame * 33, frame == 0, &config);
    }
    source.sound_until(66);
    source.segmenter.finish();
    source.drain();
    assert_eq!(source.segments().len(), 1);
}

#[test]
fn no_sound_begins_before_the_first_picture() {
    for begin in [50, 64, 90, 1_000] {
        let config = config(SPS_640X360);
        let mut source = source(true, true);
        for frame in 0..40 {
            source.picture(begin + frame * 33, frame == 0, &config);
        }
        source.segmenter.finish();
        source.drain();
        let (parts, _) = &segments(&source)[0];
        let starts = samples(parts[0], true)
            .into_iter()
            .map(|(_, spans)| spans[0].0);
        let starts: Vec<_> = starts.collect();
        let [picture, sound] = starts[..] else {
            panic!("{} tracks", starts.len());
        };
        let late = sound - picture;
        assert!((0.0..0.0214).contains(&late), "{late} s after {begin} ms");
    }
}
