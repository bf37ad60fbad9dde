use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use packager::hls::{Part, PlaylistConfig, Segment};
use packager::time::MediaTime;
use packager::video::VideoConfig;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use super::*;
use crate::broadcast::testing::{SPS_320X180, SPS_640X360, video_config};
use crate::limits::Seats;

fn store() -> Arc<Store> {
    let config = PlaylistConfig {
        hold_back: packager::hls::HOLD_BACK,
        target: Duration::from_secs(2),
        part: Some(Duration::from_millis(250)),
        window: 3,
    };
    let store = Store::new(config, "a".parse().unwrap(), "stamp".to_owned());
    Arc::new(store)
}

fn init(version: u32, video: Option<Arc<VideoConfig>>, audio: Option<AudioConfig>) -> InitSection {
    InitSection {
        version,
        data: Bytes::from(format!("init {version}")),
        codecs: String::new(),
        size: None,
        video,
        audio,
    }
}

/// A segment of one part.
fn push(store: &Store, number: u64, init: u32) {
    let data = Bytes::from(format!("part {number}"));
    let start = MediaTime::from_millis(number * 1_000);
    let lasts = Duration::from_secs(1);
    let part = Part {
        init,
        data: data.clone(),
        start,
        duration: lasts,
        starts_segment: true,
        is_independent: true,
        is_start: true,
        discontinuity: false,
    };
    store.push_part(&part, Some(SystemTime::UNIX_EPOCH));
    store.push_segment(&Segment {
        init,
        data,
        start,
        duration: lasts,
        lasts,
        is_independent: true,
        pictures: 1,
        discontinuity: false,
    });
}

fn counters() -> BodyCounters {
    let count = || IntCounter::new("count", "count").unwrap();
    BodyCounters {
        sent: count(),
        skips: count(),
        undecodable: count(),
        closed: IntCounterVec::new(Opts::new("closed", "closed"), &["reason"]).ok(),
    }
}

fn body(store: &Arc<Store>, piece: usize, counters: &BodyCounters) -> FragmentBody {
    let gauge = IntGauge::new("viewers", "viewers").unwrap();
    FragmentBody::new(
        store.clone(),
        StartAt::Newest,
        MaxLag(Duration::from_secs(3)),
        piece,
        ViewerWatch::of_wholes(Duration::from_secs(10)),
        Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap(),
        counters.clone(),
    )
}

/// What is there, and whether it has ended behind that.
fn read(body: &mut FragmentBody) -> (Vec<String>, bool) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        match body.poll_bytes(&mut cx) {
            Poll::Ready(Some(bytes)) => seen.push(String::from_utf8(bytes.to_vec()).unwrap()),
            Poll::Ready(None) => return (seen, true),
            Poll::Pending => return (seen, false),
        }
    }
}

fn aac(rate: u32) -> Option<AudioConfig> {
    AudioConfig::aac_lc(rate, 2).ok()
}

#[test]
fn a_change_of_size_or_rate_brings_a_section_and_no_end() {
    let store = store();
    store.push_init(init(0, Some(video_config(SPS_640X360)), aac(48_000)));
    push(&store, 0, 0);
    let counters = counters();
    let mut viewer = body(&store, usize::MAX, &counters);
    let seen = |texts: &[&str]| (texts.iter().map(|t| (*t).to_owned()).collect(), false);
    assert_eq!(read(&mut viewer), seen(&["init 0", "part 0"]));
    store.push_init(init(1, Some(video_config(SPS_320X180)), aac(48_000)));
    push(&store, 1, 1);
    push(&store, 2, 1);
    assert_eq!(read(&mut viewer), seen(&["init 1", "part 1", "part 2"]));
    store.push_init(init(2, Some(video_config(SPS_320X180)), aac(44_100)));
    push(&store, 3, 2);
    assert_eq!(read(&mut viewer), seen(&["init 2", "part 3"]));
    assert_eq!(counters.sent.get(), 3 * 6 + 4 * 6);
}

#[test]
fn other_tracks_end_it_and_who_comes_again_begins_with_them() {
    let video = || Some(video_config(SPS_640X360));
    let opus = || Some(AudioConfig::opus(2));
    for (before, after) in [
        ((video(), None), (video(), aac(48_000))),
        ((video(), aac(48_000)), (None, aac(48_000))),
        ((None, aac(48_000)), (None, opus())),
    ] {
        let store = store();
        store.push_init(init(0, before.0, before.1));
        push(&store, 0, 0);
        let counters = counters();
        let mut viewer = body(&store, usize::MAX, &counters);
        assert_eq!(read(&mut viewer).0.len(), 2);
        store.push_init(init(1, after.0, after.1));
        push(&store, 1, 1);
        assert_eq!(read(&mut viewer), (vec![], true));
        assert_eq!(viewer.ended(), Some(Ended::Tracks));
        drop(viewer);
        let closed = counters.closed.as_ref().unwrap();
        assert_eq!(closed.with_label_values(&["tracks"]).get(), 1);
        let mut again = body(&store, usize::MAX, &counters);
        assert_eq!(read(&mut again).0, ["init 1", "part 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fragment_in_pieces_is_one_for_the_watch() {
    let store = store();
    store.push_init(init(0, None, aac(48_000)));
    push(&store, 0, 0);
    let counters = counters();
    let mut viewer = body(&store, 4, &counters);
    let mut cx = Context::from_waker(Waker::noop());
    for piece in ["init", " 0", "part"] {
        assert_eq!(
            viewer.poll_bytes(&mut cx),
            Poll::Ready(Some(Bytes::from_static(piece.as_bytes())))
        );
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        viewer.poll_bytes(&mut cx),
        Poll::Ready(Some(Bytes::from_static(b" 0")))
    );
    let began = tokio::time::Instant::now();
    viewer.watch().over(|| None).await;
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    drop(viewer);
    let closed = counters.closed.as_ref().unwrap();
    assert_eq!(closed.with_label_values(&["stalled"]).get(), 1);
}

#[test]
fn the_bytes_are_those_of_the_store() {
    let store = store();
    store.push_init(init(0, None, aac(48_000)));
    push(&store, 0, 0);
    let counters = counters();
    let mut cx = Context::from_waker(Waker::noop());
    let mut viewers: Vec<_> = (0..3)
        .map(|_| body(&store, usize::MAX, &counters))
        .collect();
    let places = viewers.iter_mut().map(|viewer| {
        let _ = viewer.poll_bytes(&mut cx);
        match viewer.poll_bytes(&mut cx) {
            Poll::Ready(Some(bytes)) => bytes.as_ptr(),
            other => panic!("{other:?}"),
        }
    });
    let places: Vec<_> = places.collect();
    assert!(places.windows(2).all(|pair| pair[0] == pair[1]));
}
