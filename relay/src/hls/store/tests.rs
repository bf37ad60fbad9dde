use std::sync::Arc;

use packager::frames::AudioConfig;
use packager::time::MediaTime;
use prometheus::Registry;

use super::*;
use crate::broadcast::testing::{SPS_640X360, video_config};
use crate::metrics::Metrics;

fn store(part: Option<Duration>) -> Store {
    let config = PlaylistConfig {
        hold_back: packager::hls::HOLD_BACK,
        target: Duration::from_secs(2),
        part,
        window: 3,
    };
    Store::new(config, "a".parse().unwrap(), "stamp".to_owned())
}

fn low_latency() -> Store {
    store(Some(Duration::from_millis(250)))
}

fn init(version: u32) -> InitSection {
    InitSection {
        size: None,
        version,
        data: Bytes::from(format!("init {version}")),
        codecs: String::new(),
        video: None,
        audio: None,
    }
}

fn push_part(store: &Store, number: u64, index: usize, init: u32) {
    let part = Part {
        init,
        data: Bytes::from(format!("part {number}.{index};")),
        start: MediaTime::from_millis(2_000 * number + 240 * index as u64),
        duration: Duration::from_millis(240),
        starts_segment: index == 0,
        is_independent: index == 0,
        is_start: index == 0,
        discontinuity: false,
    };
    store.push_part(&part, (index == 0).then_some(SystemTime::UNIX_EPOCH));
}

/// Ends the segment of the parts so far.
fn end_segment(store: &Store, number: u64, parts: usize, init: u32, duration: Duration) {
    let data = (0..parts).map(|index| format!("part {number}.{index};"));
    store.push_segment(&Segment {
        pictures: 0,
        init,
        data: Bytes::from(data.collect::<String>()),
        start: MediaTime::from_millis(2_000 * number),
        duration: duration.min(TWO),
        lasts: duration,
        is_independent: true,
        discontinuity: false,
    });
}

/// A segment of one part.
fn push_segment(store: &Store, number: u64, init: u32, duration: Duration) {
    push_part(store, number, 0, init);
    end_segment(store, number, 1, init, duration);
}

const TWO: Duration = Duration::from_secs(2);

fn data(store: &Store, name: &str) -> Option<Bytes> {
    match store.file(name) {
        Lookup::Found(file) => Some(file.data),
        _ => None,
    }
}

fn text(store: &Store) -> String {
    String::from_utf8(store.playlist(false).unwrap().data.to_vec()).unwrap()
}

#[test]
fn the_playlist_names_files_that_are_there() {
    let store = store(None);
    assert!(store.playlist(false).is_none());
    store.push_init(init(0));
    push_segment(&store, 0, 0, TWO);
    let text = text(&store);
    assert!(text.contains("\na/stamp-0.m4s\n"), "{text}");
    assert!(text.contains("URI=\"a/stamp-init0.mp4\""), "{text}");
    assert!(!text.contains("EXT-X-PART"), "{text}");
    assert_eq!(data(&store, "stamp-0.m4s").unwrap(), "part 0.0;");
    assert_eq!(data(&store, "stamp-init0.mp4").unwrap(), "init 0");
    assert!(matches!(store.file("other-0.m4s"), Lookup::Unknown));
    assert!(matches!(store.file("stamp-1.0.m4s"), Lookup::Unknown));
}

#[test]
fn pictures_that_have_changed_are_to_be_measured() {
    let store = store(None);
    let pictures = |version| InitSection {
        size: Some((640, 360)),
        ..init(version)
    };
    assert!(!store.is_to_be_measured());
    store.push_init(init(0));
    assert!(!store.is_to_be_measured(), "it is sound alone");
    push_segment(&store, 0, 0, TWO);
    store.push_init(pictures(1));
    assert!(store.is_to_be_measured() && store.summary().is_none());
    push_segment(&store, 1, 1, TWO);
    assert!(!store.is_to_be_measured() && store.summary().is_some());
}

#[test]
fn pictures_alone_are_not_told_of_while_a_segment_without_them_is() {
    let store = store(None);
    store.push_init(init(0));
    push_segment(&store, 0, 0, TWO);
    assert!(store.picture_playlist(false).is_none());
    assert!(!store.hides_pictures(), "there are none");
    let video = video_config(SPS_640X360);
    store.push_init(InitSection {
        video: Some(video),
        size: Some((640, 360)),
        ..init(1)
    });
    for number in 1..3 {
        push_segment(&store, number, 1, TWO);
        assert!(store.picture_playlist(false).is_none());
        assert!(store.hides_pictures());
    }
    push_segment(&store, 3, 1, TWO);
    assert!(!store.hides_pictures());
    let text = store.picture_playlist(false).expect("a playlist").data;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        text.contains("stampv-1.m4s") && !text.contains("init0"),
        "{text}"
    );
}

#[test]
fn parts_are_there_while_their_segment_grows_and_after() {
    let store = low_latency();
    store.push_init(init(0));
    push_segment(&store, 0, 0, TWO);
    for index in 0..3 {
        let name = format!("stamp-1.{index}.m4s");
        assert!(matches!(store.file(&name), Lookup::Next), "{name}");
        push_part(&store, 1, index, 0);
        assert_eq!(data(&store, &name).unwrap(), format!("part 1.{index};"));
        assert!(text(&store).contains(&format!("URI=\"a/{name}\"")));
    }
    assert!(text(&store).ends_with("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/stamp-1.3.m4s\"\n"));
    assert!(matches!(store.file("stamp-1.m4s"), Lookup::Unknown));
    assert!(matches!(store.file("stamp-1.4.m4s"), Lookup::Unknown));
    end_segment(&store, 1, 3, 0, TWO);
    assert_eq!(
        data(&store, "stamp-1.m4s").unwrap(),
        "part 1.0;part 1.1;part 1.2;"
    );
    assert_eq!(data(&store, "stamp-1.1.m4s").unwrap(), "part 1.1;");
    // It was hinted at, and the segment has ended without it.
    assert!(matches!(store.file("stamp-1.3.m4s"), Lookup::Past));
    assert!(matches!(store.file("stamp-2.0.m4s"), Lookup::Next));
    assert!(matches!(store.file("stamp-3.0.m4s"), Lookup::Unknown));
    store.end();
    assert!(matches!(store.file("stamp-2.0.m4s"), Lookup::Unknown));
    assert!(text(&store).ends_with("a/stamp-1.m4s\n#EXT-X-ENDLIST\n"));
}

#[test]
fn a_position_is_reached_with_its_part_or_the_first_of_the_next_segment() {
    let store = low_latency();
    store.push_init(init(0));
    push_segment(&store, 0, 0, TWO);
    assert!(store.has(0, None) && store.has(0, Some(0)) && !store.has(0, Some(1)));
    assert!(!store.has(1, None) && !store.has(1, Some(0)));
    let mut edge = store.edge();
    edge.mark_unchanged();
    push_part(&store, 1, 0, 0);
    assert!(edge.has_changed().unwrap());
    assert!(store.has(0, Some(1)), "behind the last part of segment 0");
    assert!(store.has(1, Some(0)) && !store.has(1, Some(1)) && !store.has(1, None));
    end_segment(&store, 1, 1, 0, TWO);
    assert!(store.has(1, None) && !store.has(1, Some(1)));
    // Long gone, whatever parts it had.
    for number in 2..20 {
        push_segment(&store, number, 0, TWO);
    }
    assert!(store.has(0, Some(100)) && !store.has(u64::MAX, None));
    store.end();
    assert!(store.has(u64::MAX, Some(3)));
}

#[test]
fn a_segment_stays_for_its_duration_and_that_of_a_playlist_and_its_section_with_it() {
    let store = store(None);
    store.push_init(init(0));
    for number in 0..3 {
        push_segment(&store, number, 0, TWO);
    }
    store.push_init(init(1));
    let kept = |n: u64| data(&store, &format!("stamp-{n}.m4s")).is_some();
    // Segment 0 leaves the playlist with segment 3; 2 s and 6 s later it may go.
    for number in 3..7 {
        push_segment(&store, number, 1, TWO);
        assert!(kept(0), "after segment {number}");
    }
    push_segment(&store, 7, 1, TWO);
    assert!(!kept(0) && kept(1));
    assert!(data(&store, "stamp-init0.mp4").is_some());
    for number in 8..10 {
        push_segment(&store, number, 1, TWO);
    }
    assert!(data(&store, "stamp-init0.mp4").is_none());
    assert!(data(&store, "stamp-init1.mp4").is_some());
}

#[test]
fn what_is_kept_is_bounded_however_short_the_segments_are() {
    let store = store(None);
    for number in 0..200 {
        let duration = Duration::from_millis(if number < 20 { 2_000 } else { 1 });
        push_segment(&store, number, 0, duration);
        assert!(store.read().segments.len() <= (MAX_WINDOWS + SPARE_WINDOWS) * 3);
    }
}

#[test]
fn the_entity_tag_changes_with_the_text() {
    let store = low_latency();
    store.push_init(init(0));
    push_segment(&store, 0, 0, TWO);
    let first = store.playlist(false).unwrap();
    assert_eq!(store.playlist(false).unwrap().etag, first.etag);
    push_part(&store, 1, 0, 0);
    let second = store.playlist(false).unwrap();
    assert_ne!(second.etag, first.etag);
    store.end();
    let ended = store.playlist(false).unwrap();
    assert_ne!(ended.etag, second.etag);
    assert!(ended.data.ends_with(b"#EXT-X-ENDLIST\n"));
}

#[test]
fn an_update_is_another_entity() {
    let store = low_latency();
    store.push_init(init(0));
    for number in 0..30 {
        // Short ones are many, up to the bound.
        push_segment(&store, number, 0, Duration::from_millis(1_200));
    }
    let (whole, delta) = (
        store.playlist(false).unwrap(),
        store.playlist(true).unwrap(),
    );
    assert_eq!(
        whole.data, delta.data,
        "nothing is farther than twelve seconds"
    );
    assert_eq!(whole.etag, delta.etag);
}

#[test]
fn its_newest_part_is_reported_to_other_playlists() {
    let store = low_latency();
    store.push_init(init(0));
    push_part(&store, 0, 0, 0);
    assert_eq!(store.report(), None);
    push_part(&store, 0, 1, 0);
    end_segment(&store, 0, 2, 0, TWO);
    assert_eq!(store.report(), Some(Report { msn: 0, part: 1 }));
    push_part(&store, 1, 0, 0);
    assert_eq!(store.report(), Some(Report { msn: 1, part: 0 }));
}

#[test]
fn a_reader_gets_each_segment_once_and_the_end() {
    let store = low_latency();
    assert!(matches!(store.read_from(0), Reading::Later));
    store.push_init(init(0));
    push_part(&store, 0, 0, 0);
    assert!(matches!(store.read_from(0), Reading::Later), "it grows");
    end_segment(&store, 0, 1, 0, TWO);
    let Reading::Segment(0, first) = store.read_from(0) else {
        panic!("the first segment");
    };
    assert_eq!(
        (first.data, first.init.data),
        ("part 0.0;".into(), "init 0".into())
    );
    assert_eq!((first.duration, first.wall), (TWO, SystemTime::UNIX_EPOCH));
    push_segment(&store, 1, 0, 2 * TWO);
    let Reading::Segment(1, long) = store.read_from(1) else {
        panic!("the second segment");
    };
    assert_eq!(long.duration, 2 * TWO, "the live playlist says less");
    assert!(matches!(store.read_from(2), Reading::Later));
    store.end();
    assert!(matches!(store.read_from(0), Reading::Segment(0, _)));
    assert!(matches!(store.read_from(2), Reading::Over));
}

#[test]
fn a_reader_that_is_too_slow_goes_on_with_the_oldest_segment() {
    let store = store(None);
    store.push_init(init(0));
    for number in 0..40 {
        push_segment(&store, number, 0, TWO);
    }
    let Reading::Segment(msn, oldest) = store.read_from(5) else {
        panic!("a segment");
    };
    assert!((6..37).contains(&msn), "{msn}");
    assert_eq!(oldest.data, format!("part {msn}.0;"));
}

#[tokio::test]
async fn a_segment_that_does_not_read_is_tried_once_as_transport_stream() {
    let metrics = Arc::new(Metrics::register(&Registry::new()).unwrap());
    let store = store(None);
    store.push_init(InitSection {
        audio: AudioConfig::aac_lc(48_000, 2).ok(),
        ..init(0)
    });
    push_segment(&store, 0, 0, TWO);
    assert!(matches!(store.has_transport(), Some(Ok(()))));
    for _ in 0..2 {
        let Lookup::Transport(found) = store.file("stamp-0.ts") else {
            panic!("it is there as fMP4");
        };
        assert!(found.file(&metrics).await.is_none());
    }
    assert_eq!(metrics.dropped("ts_segment"), 1);
    assert_eq!(metrics.transport_segments.get(), 0);
    assert!(matches!(store.file("stamp-1.ts"), Lookup::Unknown));
}
