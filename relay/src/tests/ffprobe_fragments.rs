//! ffmpeg reads the endless stream of fMP4.

use std::fs;
use std::task::{Context, Poll, Waker};

use packager::hls::PlaylistConfig;
use prometheus::{IntCounter, IntGauge};

use super::ffprobe::{Folder, decode, play_into, probe, x264};
use super::*;
use crate::broadcast::rig::Rig;
use crate::fmp4::FragmentBody;
use crate::hls::Store;
use crate::limits::{Seat, Seats};
use crate::viewer::{BodyCounters, MaxLag, StartAt, ViewerWatch};

/// What a viewer from the beginning to the end reads, each part as it is cut.
fn stream(tracks: Tracks, pictures: &[Vec<Vec<u8>>]) -> Vec<Bytes> {
    let config = PlaylistConfig {
        hold_back: packager::hls::HOLD_BACK,
        target: Duration::from_secs(2),
        part: Some(Duration::from_millis(250)),
        window: 6,
    };
    let store = Arc::new(Store::new(config, id("a"), "stamp".to_owned()));
    let count = || IntCounter::new("count", "count").unwrap();
    let counters = BodyCounters {
        sent: count(),
        skips: count(),
        undecodable: count(),
        closed: None,
    };
    let gauge = IntGauge::new("viewers", "viewers").unwrap();
    let mut body = FragmentBody::new(
        store.clone(),
        StartAt::Newest,
        MaxLag(Duration::from_secs(3)),
        usize::MAX,
        ViewerWatch::of_wholes(Duration::from_secs(10)),
        Seat::take(&Seats::new(1), &Seats::new(1), gauge).unwrap(),
        counters.clone(),
    );
    let mut rig = Rig::with_parts(tracks, store.clone());
    let mut writes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |is_over: bool| {
        loop {
            match body.poll_bytes(&mut cx) {
                Poll::Ready(Some(bytes)) => writes.push(bytes),
                Poll::Ready(None) => return assert!(is_over),
                Poll::Pending => return assert!(!is_over),
            }
        }
    };
    play_into(&mut rig, tracks, pictures, 40.0, || read(false));
    store.end();
    read(true);
    assert_eq!(counters.skips.get(), 0);
    writes
}

#[test]
fn ffmpeg_plays_the_endless_stream() {
    let folder = Folder::new("fragments");
    let pictures = x264("640x360", 8);
    for (tracks, kinds) in [(Tracks::BOTH, &["aac", "h264"][..]), (VIDEO, &["h264"])] {
        let writes = stream(tracks, &pictures);
        // The first is the initialization section, then come eight seconds in parts of a quarter.
        assert!((32..=44).contains(&writes.len()), "{}", writes.len());
        let path = folder.0.join(format!("{}.mp4", kinds.len()));
        fs::write(&path, writes.concat()).unwrap();
        let (codecs, times) = probe(&path);
        assert_eq!(codecs, kinds);
        // What ends as long as the shorter track does may lack the last picture, and less than
        // 100 ms at the end is left out.
        let pictures = times["video"].len();
        assert!((197..=200).contains(&pictures), "{pictures}");
        for (kind, times) in times {
            assert!(times.windows(2).all(|w| w[0] < w[1]), "{kind}: {times:?}");
        }
        assert_eq!(decode(&path), pictures as u64);
    }
}
