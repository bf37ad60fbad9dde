//! The count of samples, without a core around it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::hls::Segment;
use prometheus::Registry;

use super::*;

/// A packet of CELT over the full band: 20 ms of two channels.
const TOC: u8 = 31 << 3 | STEREO;

struct Bench {
    track: OpusTrack,
    metrics: Metrics,
}

impl Bench {
    fn new() -> Self {
        let config = SegmenterConfig {
            part: Some(Duration::from_millis(250)),
            ..SegmenterConfig::default()
        };
        Self {
            track: OpusTrack::new(config),
            metrics: Metrics::register(&Registry::new()).unwrap(),
        }
    }

    /// A packet at a sample, which `number` tells from others.
    fn push(&mut self, at: u64, toc: u8, number: u8) {
        let data: Arc<[u8]> = vec![toc, number, 0].into();
        let time = MediaTime::from_hz(at, opus::HZ);
        let packet = PlacedOpus {
            data,
            time,
            end: time,
            is_dtx: false,
            received: Instant::now(),
        };
        self.track.push(&packet, &self.metrics);
    }

    /// Start, samples and number of each packet that waits; `None` for a number that was made up.
    fn waiting(&self) -> Vec<(u64, u32, Option<u8>)> {
        let waiting = self.track.waiting.iter().map(|waiting| {
            let frame = &waiting.frame;
            assert_eq!(opus::samples(&frame.data), Ok(frame.samples));
            let at = frame.pts.as_hz(opus::HZ);
            (at, frame.samples, frame.data.get(1).copied())
        });
        waiting.collect()
    }

    fn segments(&mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        while let Some(output) = self.track.poll() {
            if let SegmenterOutput::Segment(segment) = output {
                segments.push(segment);
            }
        }
        segments
    }

    fn dropped(&self) -> u64 {
        self.metrics.dropped("opus_of_filled_time")
    }
}

#[test]
fn packets_follow_each_other_whatever_the_jitter_of_their_times() {
    let mut bench = Bench::new();
    for (number, at) in [4_800, 5_700, 6_800, 7_679].into_iter().enumerate() {
        bench.push(at, TOC, number as u8);
    }
    let expected = [(4_800, 0), (5_760, 1), (6_720, 2), (7_680, 3)];
    assert_eq!(
        bench.waiting(),
        expected.map(|(at, number)| (at, 960, Some(number)))
    );
}

#[test]
fn what_is_lost_is_filled_in_the_way_of_the_packet_before() {
    let mut bench = Bench::new();
    bench.push(0, TOC, 0);
    // Two are lost, and a little more than that.
    bench.push(960 * 3 + 130, TOC, 3);
    let filled = [(960, 960, None), (1_920, 960, None), (2_880, 120, None)];
    assert_eq!(bench.waiting()[1..4], filled);
    assert_eq!(bench.waiting()[4], (3_000, 960, Some(3)));
    // Of speech in frames of 60 ms and one channel: config 11.
    let mut bench = Bench::new();
    bench.push(0, 11 << 3, 0);
    bench.push(2_880 * 2, 11 << 3, 2);
    assert_eq!(bench.waiting()[1], (2_880, 2_880, None));
    // Three frames in a packet (code 3) are as many packets of one.
    let mut bench = Bench::new();
    let data: Arc<[u8]> = vec![30 << 3 | 3, 3, 0, 0, 0].into();
    let time = MediaTime::ZERO;
    let packet = PlacedOpus {
        data,
        time,
        end: time,
        is_dtx: false,
        received: Instant::now(),
    };
    bench.track.push(&packet, &bench.metrics);
    bench.push(2_880, TOC, 9);
    let filled = [1_440, 1_920, 2_400].map(|at| (at, 480, None));
    assert_eq!(bench.waiting()[1..4], filled);
}

#[test]
fn silence_before_the_first_packet_is_there() {
    let mut bench = Bench::new();
    let ms = MediaTime::from_millis;
    bench.track.fill(ms(100), ms(160));
    assert_eq!(bench.waiting().len(), 3);
    assert_eq!(bench.waiting()[0], (4_800, 960, None));
}

#[test]
fn a_packet_takes_the_place_of_what_was_made_up_for_its_time() {
    let mut bench = Bench::new();
    let ms = MediaTime::from_millis;
    bench.push(0, TOC, 0);
    bench.track.fill(ms(0), ms(100));
    assert_eq!(bench.waiting().len(), 5);
    // 40 ms before where it ends.
    bench.push(2_880, TOC, 3);
    assert_eq!(bench.waiting().last(), Some(&(2_880, 960, Some(3))));
    assert_eq!(bench.waiting().len(), 4);
    // What is out stays.
    bench.track.fill(ms(0), ms(200));
    bench.track.release(MediaTime::MAX);
    bench.push(3_840, TOC, 4);
    assert_eq!((bench.waiting().len(), bench.dropped()), (0, 1));
    bench.push(9_600 - 480, TOC, 9);
    assert_eq!(bench.waiting(), [(9_600, 960, Some(9))]);
}

#[test]
fn nothing_stays_late_behind_a_packet_for_a_time_that_is_filled() {
    for length in [120, 480, 960, 2_880] {
        let toc = match length {
            120 => 28 << 3,
            480 => 30 << 3,
            960 => 31 << 3,
            _ => 11 << 3,
        };
        for behind in 1..2_880 {
            let mut bench = Bench::new();
            bench
                .track
                .fill(MediaTime::ZERO, MediaTime::from_millis(100));
            bench.track.release(MediaTime::MAX);
            for packet in 0..40_u8 {
                let at = 4_800 - behind + u64::from(packet) * length;
                bench.push(at, toc, packet);
            }
            let played: Vec<_> = bench.waiting();
            assert!(played.iter().any(|(.., number)| *number == Some(39)));
            for (start, _, number) in played {
                let sent = number.map(|number| 4_800 - behind + u64::from(number) * length);
                assert!(
                    sent.is_none_or(|sent| start.abs_diff(sent) <= MAX_DRIFT),
                    "{start} for {sent:?}, packets of {length}, {behind} behind"
                );
            }
        }
    }
}

#[test]
fn clocks_that_differ_are_held_together_by_whole_frames() {
    for drift in [-200.0, 200.0] {
        let mut bench = Bench::new();
        let (mut end, mut worst) = (0, 0);
        // Ten minutes of 200 ppm: 120 ms.
        for packet in 0..30_000_u64 {
            let at = (packet as f64 * 960.0 * (1.0 + drift / 1e6)).round() as u64;
            bench.push(at, TOC, 1);
            for (start, samples, number) in bench.waiting() {
                assert_eq!(start, end);
                end = start + u64::from(samples);
                if number.is_some() {
                    worst = worst.max(start.abs_diff(at));
                }
            }
            bench.track.release(MediaTime::MAX);
            bench.track.waiting.clear();
            bench.segments();
        }
        assert!(worst <= MAX_DRIFT, "{worst} samples at {drift} ppm");
        let dropped = if drift < 0.0 { 3..=9 } else { 0..=0 };
        assert!(dropped.contains(&bench.dropped()), "{}", bench.dropped());
    }
}

#[test]
fn a_leap_of_time_is_not_filled_and_what_waits_is_bounded() {
    let mut bench = Bench::new();
    bench.push(0, TOC, 0);
    bench.push(48_000 * 3_600, TOC, 1);
    assert_eq!(bench.waiting().len(), 2);
    assert_eq!(bench.waiting()[1].0, 48_000 * 3_600);
    let mut bench = Bench::new();
    for packet in 0..5_000 {
        bench.push(packet * 960, TOC, 1);
    }
    assert_eq!(bench.waiting().len(), MAX_WAITING);
    assert!(bench.segments().len() > 30, "the rest has gone out");
}

#[test]
fn segments_and_parts_are_as_long_as_they_are_to_be() {
    let mut bench = Bench::new();
    for packet in 0..500 {
        bench.push(packet * 960, TOC, 1);
        bench
            .track
            .release(MediaTime::from_hz(packet * 960, opus::HZ));
    }
    bench.track.finish();
    let lengths: Vec<_> = bench.segments().iter().map(|s| s.duration).collect();
    assert_eq!(lengths[..4], [Duration::from_secs(2); 4]);
    // Less than 100 ms that had no part yet at the end is left out.
    let left_out = Duration::from_secs(10) - lengths.iter().sum::<Duration>();
    assert!(left_out < Duration::from_millis(100), "{left_out:?}");
}
