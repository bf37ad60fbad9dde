//! The generated broadcast against the relay's own parsers.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::{Duration, Instant};

use bench::source::{Source, SourceConfig};
use packager::h264::Depacketizer;
use packager::rtp::RtpPacket;
use packager::video::{DepacketizerCounters, DepacketizerLimits};

#[test]
fn the_depacketizer_finds_every_picture_and_nothing_to_drop() {
    let start = Instant::now();
    let mut source = Source::new(SourceConfig::default(), start).unwrap();
    let mut depacketizer = Depacketizer::new(DepacketizerLimits::default());
    let (mut seq, mut pictures) = (0, Vec::new());
    let mut made = 0;
    while let Some(burst) = source.poll(start + Duration::from_secs(4)) {
        if !burst.is_video {
            continue;
        }
        made += 1;
        if made == 50 {
            source.request_keyframe();
        }
        let last = burst.payloads.len() - 1;
        for (index, mut payload) in burst.payloads.into_iter().enumerate() {
            source.write_stamp(true, &mut payload, 0);
            depacketizer.handle_packet(&RtpPacket {
                seq,
                time: burst.rtp_time,
                marker: index == last,
                payload: payload.into(),
                received: burst.due,
            });
            seq += 1;
            while let Some(unit) = depacketizer.poll_access_unit() {
                assert_eq!((unit.config.width(), unit.config.height()), (1_280, 720));
                pictures.push(unit.is_keyframe);
            }
        }
    }
    assert_eq!(pictures.len(), made);
    let keys: Vec<_> = (0..made).filter(|at| pictures[*at]).collect();
    assert_eq!(keys, [0, 50]);
    assert_eq!(depacketizer.counters(), DepacketizerCounters::default());
}
