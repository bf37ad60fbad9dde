//! Discontinuities at a place that another variant says.

use super::parts::assert_tracks_follow;
use super::*;

const FRAME: u64 = 40;

/// Pictures with sound and parts; key frames where `is_keyframe` says.
fn running(until: u64, is_keyframe: impl Fn(u64) -> bool) -> Source {
    let config = SegmenterConfig {
        part: Some(Duration::from_millis(250)),
        ..SegmenterConfig::default()
    };
    let mut source = Source::with(config, true, true);
    go_on(&mut source, 0, until, SPS_640X360, is_keyframe);
    source
}

fn go_on(
    source: &mut Source,
    from: u64,
    until: u64,
    sps: &[u8],
    is_keyframe: impl Fn(u64) -> bool,
) {
    for ms in (from..until).step_by(FRAME as usize) {
        source.picture(ms, is_keyframe(ms), &config(sps));
    }
}

fn parts(source: &Source) -> Vec<&Part> {
    let outputs = source.outputs.iter();
    outputs
        .filter_map(|output| match output {
            SegmenterOutput::Part(part) => Some(part),
            _ => None,
        })
        .collect()
}

/// The one part with a discontinuity.
fn broken(source: &Source) -> &Part {
    let parts = parts(source);
    let mut broken = parts.into_iter().filter(|part| part.discontinuity);
    let first = broken.next().expect("a discontinuity");
    assert!(broken.next().is_none(), "one discontinuity");
    first
}

#[test]
fn a_key_frame_that_comes_later_is_shown_from_there_on() {
    let mut source = running(3_000, |ms| ms % 2_000 == 0);
    source.segmenter.begin_at(MediaTime::from_millis(3_000));
    go_on(&mut source, 3_000, 8_000, SPS_640X360, |ms| {
        ms == 3_400 || ms == 5_000 || ms == 7_000
    });
    let part = broken(&source);
    assert_eq!(part.start.as_millis(), 3_000);
    assert!(part.is_independent && part.starts_segment);
    // The sound of the time before the key frame is there, and the parts go on without a hole.
    assert_contiguous(&source.segments());
    assert_tracks_follow(&source, 0.001);
    assert_eq!(source.inits().len(), 1);
    assert_eq!(source.segmenter.discontinuities(), 1);
    let at = source.segmenter.discontinuity(1);
    assert_eq!(at, Some(MediaTime::from_millis(3_000)));
    assert_eq!(source.segmenter.discontinuity(2), None);
    // Nothing but the pictures before the key frame is lost.
    assert_eq!(source.segmenter.dropped_frames(), 10);
}

#[test]
fn another_size_at_that_key_frame_is_the_same_discontinuity() {
    let mut source = running(3_000, |ms| ms % 2_000 == 0);
    source.segmenter.begin_at(MediaTime::from_millis(3_000));
    go_on(&mut source, 3_000, 3_400, SPS_640X360, |_| false);
    go_on(&mut source, 3_400, 8_000, SPS_320X180, |ms| {
        (ms - 3_400) % 2_000 == 0
    });
    assert_eq!(broken(&source).start.as_millis(), 3_000);
    assert_eq!(broken(&source).init, 1);
    assert_eq!(source.inits().len(), 2);
}

#[test]
fn without_a_key_frame_the_last_one_is_shown_after_a_while() {
    let mut source = running(3_000, |ms| ms % 2_000 == 0);
    source.segmenter.begin_at(MediaTime::from_millis(3_000));
    go_on(&mut source, 3_000, 3_680, SPS_640X360, |_| false);
    let count = parts(&source).len();
    source.sound_until(3_760);
    assert!(parts(&source).len() > count, "parts go on");
    go_on(&mut source, 3_760, 8_000, SPS_640X360, |ms| ms % 2_000 == 0);
    let part = broken(&source);
    assert_eq!(part.start.as_millis(), 3_000);
    assert!(part.is_independent);
    assert_contiguous(&source.segments());
}

#[test]
fn what_is_out_by_then_stays_and_an_own_beginning_stands_for_it() {
    let mut source = running(3_000, |ms| ms % 2_000 == 0);
    let end = parts(&source)
        .last()
        .map(|part| part.start.saturating_add(part.duration));
    source.segmenter.begin_at(MediaTime::from_millis(2_100));
    go_on(&mut source, 3_000, 6_000, SPS_640X360, |ms| ms % 2_000 == 0);
    assert_eq!(Some(broken(&source).start), end);

    let mut source = running(3_000, |ms| ms % 2_000 == 0);
    source.segmenter.begin_at(MediaTime::from_millis(3_100));
    source.segmenter.restart();
    go_on(&mut source, 3_000, 6_000, SPS_640X360, |ms| ms % 1_000 == 0);
    assert_eq!(broken(&source).start.as_millis(), 3_000);
}

#[test]
fn sound_alone_begins_there_at_once() {
    let mut source = Source::new(false, true);
    source.sound_until(3_000);
    source.segmenter.begin_at(MediaTime::from_millis(3_100));
    source.sound_until(7_000);
    let starts = source.segments();
    let broken: Vec<_> = starts.iter().filter(|s| s.discontinuity).collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].start.as_millis(), 3_100);
}
