//! What cursors find.

use super::*;
use crate::broadcast::testing::{SPS_640X360, video_config};

fn ring(max_bytes: usize) -> Ring {
    Ring::new(RingLimits {
        max_bytes,
        max_age: Duration::from_secs(6),
        max_lag: Duration::from_secs(3),
        max_gop: Duration::from_secs(30),
    })
}

fn tag(ms: u64, kind: TagKind) -> Tag {
    Tag {
        time: MediaTime::from_millis(ms),
        bytes: Bytes::from_static(&[0; 100]),
        kind,
    }
}

fn key(ms: u64) -> Tag {
    tag(ms, TagKind::Keyframe(video_config(SPS_640X360)))
}

fn picture(ms: u64) -> Tag {
    tag(ms, TagKind::Picture)
}

fn sound(ms: u64) -> Tag {
    let config = AudioConfig::aac_lc(48_000, 2).unwrap();
    tag(ms, TagKind::Audio(Arc::new(config)))
}

/// Times of all tags that are there for the cursor, and how often it skipped.
fn read(ring: &Ring, cursor: &mut Cursor) -> (Vec<u64>, usize) {
    let mut times = Vec::new();
    let mut skips = 0;
    while let Next::Tag { tag, skipped, .. } = ring.next(cursor) {
        times.push(tag.time.as_millis());
        skips += usize::from(skipped);
    }
    (times, skips)
}

#[test]
fn a_viewer_starts_at_the_newest_key_frame() {
    let ring = ring(1 << 20);
    ring.append([key(0), picture(33), key(66), sound(70), picture(99)]);
    let mut cursor = Cursor::default();
    assert_eq!(read(&ring, &mut cursor), (vec![66, 70, 99], 0));
    ring.append([picture(133)]);
    assert_eq!(read(&ring, &mut cursor), (vec![133], 0));
    assert!(matches!(ring.next(&mut cursor), Next::Wait));
}

#[test]
fn a_viewer_waits_for_the_first_key_frame() {
    let ring = ring(1 << 20);
    ring.append([picture(0)]);
    let mut cursor = Cursor::default();
    assert!(matches!(ring.next(&mut cursor), Next::Wait));
    ring.append([key(33)]);
    assert_eq!(read(&ring, &mut cursor), (vec![33], 0));
}

#[test]
fn sound_alone_starts_at_the_live_edge() {
    let ring = ring(1 << 20);
    ring.append((0..100).map(|n| sound(n * 21)));
    let mut cursor = Cursor::default();
    assert_eq!(read(&ring, &mut cursor), (vec![99 * 21], 0));
}

#[test]
fn sound_starts_viewers_once_the_picture_has_stopped() {
    let ring = ring(1 << 20);
    ring.append([key(0)]);
    ring.append((0..200).map(|n| sound(n * 21)));
    let mut cursor = Cursor::default();
    assert_eq!(read(&ring, &mut cursor).0, [199 * 21]);
}

#[test]
fn a_slow_viewer_skips_to_the_newest_key_frame() {
    let ring = ring(1 << 20);
    ring.append([key(0), picture(33)]);
    let mut cursor = Cursor::default();
    assert!(matches!(ring.next(&mut cursor), Next::Tag { .. }));
    // Behind by more than the bound, but there is no newer key frame to skip to.
    ring.append([picture(2_000), picture(3_100)]);
    assert!(matches!(
        ring.next(&mut cursor),
        Next::Tag { skipped: false, .. }
    ));
    ring.append([key(5_200), picture(5_300)]);
    assert_eq!(read(&ring, &mut cursor), (vec![5_200, 5_300], 1));
}

#[test]
fn a_slow_viewer_without_a_newer_key_frame_skips_to_the_live_edge() {
    let ring = ring(1 << 20);
    ring.append([key(0), picture(33)]);
    let mut cursor = Cursor::default();
    assert!(matches!(ring.next(&mut cursor), Next::Tag { .. }));
    ring.append((1..62).map(|n| picture(n * 100)));
    assert_eq!(read(&ring, &mut cursor), (vec![6_100], 1));
    // Its key frame is too old to skip back to by now, for others as well.
    let mut other = Cursor::default();
    assert!(matches!(ring.next(&mut other), Next::Tag { .. }));
    ring.append((62..200).map(|n| picture(n * 100)));
    assert_eq!(read(&ring, &mut other), (vec![19_900], 1));
}

#[test]
fn a_smooth_viewer_starts_with_whole_groups_of_pictures() {
    let ring = ring(1 << 20);
    ring.append((0..58).map(|n| match n % 20 {
        0 => key(n * 100),
        _ => picture(n * 100),
    }));
    let first = |start_at| {
        let mut cursor = Cursor::new(start_at);
        read(&ring, &mut cursor).0[0]
    };
    assert_eq!(first(StartAt::Newest), 4_000);
    // 5,700 ms is the newest: the key frame at 2,000 is too old.
    assert_eq!(first(StartAt::Earlier), 4_000);
    ring.append((58..69).map(|n| {
        if n == 60 {
            key(6_000)
        } else {
            picture(n * 100)
        }
    }));
    assert_eq!(first(StartAt::Newest), 6_000);
    let mut smooth = Cursor::new(StartAt::Earlier);
    assert!(matches!(
        ring.next(&mut smooth),
        Next::Tag { tag, .. } if tag.time.as_millis() == 4_000
    ));
    // As old as its start is it may be further behind, until it has caught up.
    ring.append((69..90).map(|n| {
        if n == 80 {
            key(8_000)
        } else {
            picture(n * 100)
        }
    }));
    let (times, skips) = read(&ring, &mut smooth);
    assert_eq!((times[0], times.len(), skips), (4_100, 49, 0));
    ring.append((90..122).map(|n| {
        if n == 121 {
            key(12_100)
        } else {
            picture(n * 100)
        }
    }));
    assert_eq!(read(&ring, &mut smooth), (vec![12_100], 1));
}

#[test]
fn smooth_sound_starts_earlier_too() {
    let ring = ring(1 << 20);
    ring.append((0..200).map(|n| sound(n * 20)));
    let mut cursor = Cursor::new(StartAt::Earlier);
    assert_eq!(read(&ring, &mut cursor).0.first(), Some(&980));
}

#[test]
fn the_frame_rate_is_that_of_the_publisher_who_sends_now() {
    let ring = ring(1 << 20);
    ring.set_publisher(None);
    ring.append([key(0), picture(33)]);
    assert_eq!(ring.frame_rate(), None);
    ring.append((2..60).flat_map(|n| [picture(n * 1_000 / 30), sound(n * 1_000 / 30 + 5)]));
    assert_eq!(ring.frame_rate(), Some(30));
    // A pause is none of it.
    ring.append((0..40).map(|n| picture(3_500 + n * 1_000 / 30)));
    assert_eq!(ring.frame_rate(), Some(30));
    ring.set_publisher(None);
    assert_eq!(ring.frame_rate(), None);
    ring.append([key(6_000)]);
    ring.append((1..20).map(|n| picture(6_000 + n * 1_000 / 15)));
    assert_eq!(ring.frame_rate(), Some(15));
}

#[test]
fn a_cursor_tells_when_it_comes_to_another_publisher() {
    let ring = ring(1 << 20);
    ring.set_publisher(None);
    ring.append([key(0), picture(33)]);
    let mut cursor = Cursor::default();
    assert!(matches!(ring.next(&mut cursor), Next::Tag { .. }));
    ring.set_publisher(None);
    ring.append([key(500), picture(533)]);
    let mut others = Vec::new();
    while let Next::Tag {
        tag, is_of_other, ..
    } = ring.next(&mut cursor)
    {
        others.push((tag.time.as_millis(), is_of_other));
    }
    assert_eq!(others, [(33, false), (500, true), (533, false)]);
}

#[test]
fn a_viewer_whose_tags_are_gone_goes_on_at_the_newest_key_frame() {
    let ring = ring(1 << 20);
    ring.append([key(0)]);
    let mut cursor = Cursor::default();
    read(&ring, &mut cursor);
    for second in 1..20 {
        ring.append([key(second * 1_000), picture(second * 1_000 + 500)]);
    }
    assert_eq!(read(&ring, &mut cursor), (vec![19_000, 19_500], 1));
}

#[test]
fn time_bounds_the_ring_but_keeps_the_newest_group() {
    let ring = ring(1 << 20);
    for second in 0..60 {
        ring.append([key(second * 1_000)]);
    }
    assert_eq!(ring.held(), (7, 700));
    // A publisher that sends no key frame for 20 s.
    ring.append((0..20).map(|n| picture(60_000 + n * 1_000)));
    let mut cursor = Cursor::default();
    assert_eq!(read(&ring, &mut cursor).0.len(), 21);
    // Nobody starts half a minute behind the live edge.
    ring.append((20..40).map(|n| picture(60_000 + n * 1_000)));
    assert_eq!(ring.held().0, 7);
    assert!(matches!(ring.next(&mut Cursor::default()), Next::Wait));
}

#[test]
fn bytes_bound_the_ring_even_within_a_group() {
    let ring = ring(1_000);
    ring.append([key(0)]);
    ring.append((1..100).map(|n| picture(n * 33)));
    assert_eq!(ring.held(), (10, 1_000));
    let mut late = Cursor::default();
    assert!(matches!(ring.next(&mut late), Next::Wait));
    ring.append([key(4_000)]);
    assert_eq!(read(&ring, &mut late).0, [4_000]);
}

#[test]
fn a_closed_ring_is_read_to_its_end() {
    let ring = ring(1 << 20);
    ring.append([key(0), picture(33)]);
    ring.close();
    let mut cursor = Cursor::default();
    assert_eq!(read(&ring, &mut cursor).0, [0, 33]);
    assert!(matches!(ring.next(&mut cursor), Next::End));
    let mut nobody = Cursor::default();
    ring.reopen();
    assert!(matches!(ring.next(&mut nobody), Next::Wait));
    ring.append([key(66)]);
    assert_eq!(read(&ring, &mut nobody).0, [66]);
}
