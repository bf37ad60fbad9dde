//! The bodies of the fuzz targets in `packager/fuzz`, and what they check.
//!
//! A body takes any bytes and panics when an invariant breaks. The ordinary
//! tests run each one on a small seeded set.

mod containers;
mod flv_input;
mod input;
mod network;
mod timeline;

pub use containers::{flv_round_trip, fmp4_round_trip, hls_segments, ts_round_trip};
pub use flv_input::flv_demuxer;
pub use network::{
    av1_depacketizer, h264_depacketizer, h264_over_a_bad_network, h265_depacketizer,
    vp9_depacketizer,
};
pub use timeline::reorder_and_timeline;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::Numbers;

    fn run(body: fn(&[u8]), seed: u64) {
        let mut numbers = Numbers::new(seed);
        body(&[]);
        for _ in 0..300 {
            let length = numbers.below(1_500) as usize;
            body(&numbers.bytes(length));
        }
        // Long runs of small values reach states that noise does not.
        for _ in 0..100 {
            let length = numbers.below(1_500) as usize;
            let bytes: Vec<u8> = (0..length).map(|_| numbers.below(6) as u8).collect();
            body(&bytes);
        }
    }

    #[test]
    fn h264_depacketizer_holds_on_seeded_input() {
        run(h264_depacketizer, 1);
    }

    #[test]
    fn h264_over_a_bad_network_holds_on_seeded_input() {
        run(h264_over_a_bad_network, 2);
    }

    #[test]
    fn h265_depacketizer_holds_on_seeded_input() {
        run(h265_depacketizer, 10);
    }

    #[test]
    fn vp9_depacketizer_holds_on_seeded_input() {
        run(vp9_depacketizer, 7);
    }

    #[test]
    fn av1_depacketizer_holds_on_seeded_input() {
        run(av1_depacketizer, 8);
    }

    #[test]
    fn reorder_and_timeline_hold_on_seeded_input() {
        run(reorder_and_timeline, 3);
    }

    #[test]
    fn flv_round_trip_holds_on_seeded_input() {
        run(flv_round_trip, 4);
    }

    #[test]
    fn flv_demuxer_holds_on_seeded_input() {
        run(flv_demuxer, 7);
    }

    #[test]
    fn fmp4_round_trip_holds_on_seeded_input() {
        run(fmp4_round_trip, 5);
    }

    #[test]
    fn hls_segments_hold_on_seeded_input() {
        run(hls_segments, 6);
    }

    #[test]
    fn ts_round_trip_holds_on_seeded_input() {
        run(ts_round_trip, 9);
    }
}
