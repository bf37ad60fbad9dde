use std::time::{Duration, SystemTime};

use packager::hls::InitSection;

use super::super::manifest::{VERSION, playlist};
use super::*;

const TWO: Duration = Duration::from_secs(2);

const BOUNDS: Bounds = Bounds {
    duration: Duration::from_secs(3_600),
    bytes: 1 << 30,
    segments: 1_000,
};

fn recorder(bounds: Bounds, first: u64) -> Recorder {
    let id: super::super::RecordingId = "r1".parse().unwrap();
    let manifest = Manifest {
        version: VERSION,
        id: id.clone(),
        stream: "a".to_owned(),
        owner: 7,
        started_at: 1,
        mp4: true,
        end: None,
    };
    let paths = Paths::new(&"a".parse().unwrap(), &id);
    Recorder::new(&manifest, paths, first, bounds)
}

fn segment(msn: u64, init: u32) -> Finished {
    Finished {
        init: InitSection {
            version: init,
            data: Bytes::from(format!("init {init}")),
            codecs: String::new(),
            size: None,
            video: None,
            audio: None,
        },
        data: Bytes::from(format!("segment {msn}")),
        duration: TWO,
        wall: SystemTime::UNIX_EPOCH + TWO * msn as u32,
        is_independent: true,
        discontinuity: false,
    }
}

/// Somebody stops the recording.
fn stopped(until: u64) -> Ending {
    Ending {
        reason: EndReason::Stopped,
        until,
    }
}

/// Carries out all that is to be written; the paths.
fn write_all(recorder: &mut Recorder) -> Vec<String> {
    let mut paths = Vec::new();
    while let Some(write) = recorder.poll(Instant::now()) {
        paths.push(write.path.clone());
        recorder.handle_written(Instant::now(), Ok(()));
    }
    paths
}

fn record(recorder: &mut Recorder, segments: impl IntoIterator<Item = Finished>) {
    for segment in segments {
        write_all(recorder);
        let msn = manifest::millis(segment.wall) / 2_000;
        let before = recorder.entries().len();
        recorder.handle_segment(msn, &segment);
        assert_eq!(recorder.entries().len(), before + 1);
    }
    write_all(recorder);
}

#[test]
fn a_segment_is_named_before_it_is_written_and_its_section_stands_before_both() {
    let mut recorder = recorder(BOUNDS, 5);
    assert_eq!(recorder.wants(), None, "it is marked first");
    assert_eq!(
        write_all(&mut recorder),
        [".unfinished/r1.json", "a/r1/recording.json"]
    );
    assert_eq!(recorder.wants(), Some(5));
    recorder.handle_segment(5, &segment(5, 2));
    assert_eq!(recorder.wants(), None, "one at a time");
    assert_eq!(
        write_all(&mut recorder),
        [
            "a/r1/init2.mp4",
            "a/r1/segments-00000.json",
            "a/r1/000000.m4s"
        ]
    );
    recorder.handle_segment(6, &segment(6, 2));
    assert_eq!(
        write_all(&mut recorder),
        ["a/r1/segments-00000.json", "a/r1/000001.m4s"]
    );
    assert_eq!(recorder.duration(), TWO * 2);
    assert_eq!(recorder.bytes(), 18);
}

#[test]
fn what_a_segment_costs_does_not_grow_with_the_recording() {
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, (0..250).map(|msn| segment(msn, 0)));
    recorder.handle_segment(250, &segment(250, 0));
    let write = recorder.poll(Instant::now()).unwrap().clone();
    assert_eq!(write.path, "a/r1/segments-00002.json");
    let named: Vec<Entry> = serde_json::from_slice(&write.data).unwrap();
    assert_eq!(named.len(), 51);
    assert!(write.data.len() < 51 * 64, "{}", write.data.len());
}

#[test]
fn discontinuities_are_those_of_the_stream_and_what_was_missed() {
    let mut recorder = recorder(BOUNDS, 0);
    let mut first = segment(0, 0);
    // Of what came before the recording.
    first.discontinuity = true;
    let mut third = segment(2, 1);
    third.discontinuity = true;
    record(&mut recorder, [first, segment(1, 0), third, segment(6, 1)]);
    assert_eq!(recorder.missed(), 3);
    let text = playlist(recorder.entries());
    let marks: Vec<_> = text
        .lines()
        .filter(|line| line.ends_with(".m4s") || line.contains("DISCONT") || line.contains("MAP"))
        .collect();
    assert_eq!(
        marks,
        [
            "#EXT-X-MAP:URI=\"init0.mp4\"",
            "000000.m4s",
            "000001.m4s",
            "#EXT-X-DISCONTINUITY",
            "#EXT-X-MAP:URI=\"init1.mp4\"",
            "000002.m4s",
            "#EXT-X-DISCONTINUITY",
            "000003.m4s",
        ]
    );
    assert!(
        text.contains(
            "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:12.000Z\n#EXTINF:2.00000,\n000003"
        )
    );
    assert!(text.ends_with("#EXT-X-ENDLIST\n"));
}

#[test]
fn a_recording_begins_with_a_key_frame() {
    let mut recorder = recorder(BOUNDS, 0);
    write_all(&mut recorder);
    let mut blind = segment(0, 0);
    blind.is_independent = false;
    recorder.handle_segment(0, &blind);
    assert_eq!(recorder.wants(), Some(1));
    record(&mut recorder, [segment(1, 0)]);
    let mut later = segment(2, 0);
    later.is_independent = false;
    record(&mut recorder, [later]);
    assert_eq!((recorder.entries().len(), recorder.missed()), (2, 0));
}

#[test]
fn what_is_gone_before_the_first_segment_is_counted() {
    let mut recorder = recorder(BOUNDS, 2);
    write_all(&mut recorder);
    recorder.handle_segment(5, &segment(5, 0));
    assert_eq!(recorder.missed(), 3);
    let text = playlist(recorder.entries());
    assert!(!text.contains("DISCONTINUITY"), "nothing stands before it");
}

#[test]
fn time_and_size_have_bounds() {
    for (bounds, count) in [
        (
            Bounds {
                duration: Duration::from_secs(7),
                ..BOUNDS
            },
            3,
        ),
        (
            Bounds {
                bytes: 20,
                ..BOUNDS
            },
            2,
        ),
        (
            Bounds {
                segments: 4,
                ..BOUNDS
            },
            4,
        ),
    ] {
        let mut recorder = recorder(bounds, 0);
        record(&mut recorder, (0..count).map(|msn| segment(msn, 0)));
        recorder.handle_segment(count, &segment(count, 0));
        assert!(recorder.is_over());
        assert_eq!(recorder.next(), Some(count), "another one may take it");
        let (entries, _, reason, error) = recorder.end();
        assert_eq!((entries.len() as u64, reason), (count, EndReason::Limit));
        assert_eq!(error, None);
    }
}

#[test]
fn a_store_that_takes_nothing_ends_the_recording_with_what_is_there() {
    for (failure, expected) in [
        (Failure::Full, EndReason::DiskFull),
        (Failure::Store, EndReason::StoreFailed),
        (Failure::Slow, EndReason::StoreFailed),
    ] {
        // Section, page or segment: what of the second segment is not there.
        for failing in 0..3 {
            let mut recorder = recorder(BOUNDS, 0);
            record(&mut recorder, [segment(0, 0)]);
            recorder.handle_segment(1, &segment(1, 1));
            for _ in 0..failing {
                recorder.handle_written(Instant::now(), Ok(()));
            }
            let mut now = Instant::now();
            let until = now + PATIENCE;
            while !recorder.is_over() {
                recorder.handle_written(now, Err(failure));
                now = recorder.next_timeout().unwrap_or(now);
                assert!(now <= until, "it gives up");
            }
            assert_eq!(failure == Failure::Slow, until - now > PATIENCE / 2);
            assert!(recorder.is_over(), "nothing more is written");
            assert_eq!(recorder.wants(), None);
            assert_eq!(recorder.bytes(), 9);
            let (entries, _, reason, error) = recorder.end();
            assert_eq!((entries.len(), reason), (1, expected));
            assert_eq!(error, Some(failure.to_string()));
        }
    }
}

#[test]
fn what_the_store_does_not_take_is_tried_again_in_its_place() {
    let mut now = Instant::now();
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, [segment(0, 0)]);
    recorder.handle_segment(1, &segment(1, 0));
    let write = recorder.poll(now).unwrap().clone();
    let mut waits = Vec::new();
    for failure in [Failure::Store, Failure::Full].repeat(3) {
        recorder.handle_written(now, Err(failure));
        assert_eq!(recorder.poll(now), None, "the store has time");
        assert_eq!(recorder.wants(), None, "no segment overtakes another");
        let again_at = recorder.next_timeout().unwrap();
        waits.push((again_at - now).as_secs());
        now = again_at;
        assert_eq!(recorder.poll(now), Some(&write));
    }
    assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    recorder.handle_written(now, Ok(()));
    assert_eq!(recorder.next_timeout(), None);
    write_all(&mut recorder);
    assert_eq!((recorder.wants(), recorder.entries().len()), (Some(2), 2));
}

#[test]
fn a_recording_that_is_stopped_ends_with_the_segment_under_way() {
    let now = Instant::now();
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, [segment(0, 0)]);
    recorder.handle_ending(now, stopped(3));
    assert_eq!(recorder.wants(), Some(1), "that is there already");
    record(&mut recorder, [segment(1, 0)]);
    assert!(!recorder.is_over());
    record(&mut recorder, [segment(2, 0)]);
    assert!(recorder.is_over());
    let (entries, _, reason, _) = recorder.end();
    assert_eq!((entries.len(), reason), (3, EndReason::Stopped));
}

#[test]
fn a_recording_that_is_stopped_takes_none_of_the_segments_after_that() {
    let now = Instant::now();
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, [segment(0, 0)]);
    recorder.handle_ending(now, stopped(2));
    // The store was busy for so long that the last one is gone.
    recorder.handle_segment(4, &segment(4, 0));
    assert!(recorder.is_over());
    assert_eq!(recorder.missed(), 1);
    assert_eq!(recorder.end().0.len(), 1);
}

#[test]
fn a_recording_that_is_stopped_before_its_first_key_frame_ends_without_it() {
    let now = Instant::now();
    let mut recorder = recorder(BOUNDS, 0);
    write_all(&mut recorder);
    recorder.handle_ending(now, stopped(1));
    let mut blind = segment(0, 0);
    blind.is_independent = false;
    recorder.handle_segment(0, &blind);
    assert!(recorder.is_over(), "none of what follows is wanted");
    assert_eq!(recorder.end().2, EndReason::Stopped);
}

#[test]
fn a_stream_that_changes_hands_ends_the_recording_before_the_segment_under_way() {
    let now = Instant::now();
    let taken_over = Ending {
        reason: EndReason::StreamEnded,
        until: 1,
    };
    for endings in [vec![taken_over], vec![stopped(2), taken_over]] {
        let mut recorder = recorder(BOUNDS, 0);
        record(&mut recorder, [segment(0, 0)]);
        for ending in &endings {
            recorder.handle_ending(now, *ending);
        }
        assert!(recorder.is_over());
        let (entries, missed, reason, _) = recorder.end();
        assert_eq!((entries.len(), missed, reason), (1, 0, endings[0].reason));
    }
}

#[test]
fn a_segment_that_does_not_come_keeps_no_recording_from_its_end() {
    let now = Instant::now();
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, [segment(0, 0)]);
    assert_eq!(recorder.next_timeout(), None);
    recorder.handle_ending(now, stopped(2));
    assert_eq!(recorder.next(), None, "nobody goes on with it");
    let until = recorder.next_timeout().unwrap();
    recorder.handle_timeout(until - Duration::from_millis(1));
    assert!(!recorder.is_over());
    recorder.handle_timeout(until);
    assert!(recorder.is_over());
    assert_eq!(recorder.end().2, EndReason::Stopped);
}

#[test]
fn a_recording_ends_with_its_stream() {
    let mut recorder = recorder(BOUNDS, 0);
    record(&mut recorder, [segment(0, 0)]);
    recorder.handle_over();
    assert!(recorder.is_over());
    assert_eq!(recorder.end().2, EndReason::StreamEnded);
}
