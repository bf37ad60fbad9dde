use super::*;
use crate::test_media::Numbers;
use proptest::prelude::*;

use MediaKind::{Audio, Video};

/// A publisher whose two RTP clocks run at rates of their own, on virtual
/// time: everything is in seconds of the sender's wall clock.
#[derive(Clone, Copy)]
struct Publisher {
    audio_base: u32,
    video_base: u32,
    audio_ppm: f64,
    audio_delay: f64,
    video_delay: f64,
    /// Wall clock at the start.
    ntp: f64,
}

const PUBLISHER: Publisher = Publisher {
    audio_base: 77_000,
    video_base: 4_000_000_000,
    audio_ppm: 0.0,
    audio_delay: 0.020,
    video_delay: 0.100,
    ntp: 3_900_000_000.25,
};

impl Publisher {
    fn rtp_time(&self, kind: MediaKind, t: f64) -> u32 {
        let (base, ticks) = match kind {
            Audio => (
                self.audio_base,
                t * 48_000.0 * (1.0 + self.audio_ppm * 1e-6),
            ),
            Video => (self.video_base, t * 90_000.0),
        };
        base.wrapping_add(ticks.round() as i64 as u32)
    }

    fn report(&self, kind: MediaKind, t: f64, received: Instant) -> SenderReport {
        let seconds = self.ntp + t;
        let ntp = (seconds.floor() as u64) << 32 | (seconds.fract() * 4_294_967_296.0) as u64;
        SenderReport {
            ntp,
            rtp_time: self.rtp_time(kind, t),
            received,
        }
    }
}

/// Runs a publisher against a timeline and checks every time handed out.
struct Run {
    timeline: Timeline,
    epoch: Instant,
    publisher: Publisher,
    audio_reports: Option<f64>,
    video_reports: Option<f64>,
    jitter: Numbers,
    /// Capture time and media time in seconds of each packet, by track.
    audio: Vec<(f64, f64)>,
    video: Vec<(f64, f64)>,
}

impl Run {
    fn new(publisher: Publisher) -> Self {
        Run {
            timeline: Timeline::new(TimelineConfig::default(), Tracks::BOTH),
            epoch: Instant::now(),
            publisher,
            audio_reports: Some(5.0),
            video_reports: Some(1.0),
            jitter: Numbers::new(1),
            audio: Vec::new(),
            video: Vec::new(),
        }
    }

    fn at(&self, t: f64) -> Instant {
        self.epoch + Duration::from_secs_f64(100.0 + t)
    }

    /// One packet captured at `t`, its RTP time taken from `clock` instead.
    fn packet(&mut self, kind: MediaKind, t: f64, clock: f64) {
        let rtp_time = self.publisher.rtp_time(kind, clock);
        let delay = match kind {
            Audio => self.publisher.audio_delay,
            Video => self.publisher.video_delay,
        };
        let jitter = self.jitter.below(8) as f64 / 1e3;
        let received = self.at(t + delay + jitter);
        self.timeline.handle_rtp(kind, rtp_time, received);
        let Some(media) = self.timeline.media_time(kind, rtp_time) else {
            return;
        };
        let media = media.ticks() as f64 / MediaTime::HZ as f64;
        let times = match kind {
            Audio => &mut self.audio,
            Video => &mut self.video,
        };
        if let Some((_, last)) = times.last() {
            assert!(media > *last, "{kind:?} at {t}: {media} after {last}");
        }
        times.push((t, media));
    }

    /// Audio every 20 ms and video every 33 ms in `from..to`, with reports.
    fn run(&mut self, from: f64, to: f64) {
        self.run_clocks(from, to, |_, t| Some(t));
    }

    /// The same, with RTP clocks (or silence) by `clock`.
    fn run_clocks(&mut self, from: f64, to: f64, clock: impl Fn(MediaKind, f64) -> Option<f64>) {
        for millisecond in (from * 1e3) as u64..(to * 1e3) as u64 {
            let t = millisecond as f64 / 1e3;
            for (kind, every, reports) in [
                (Audio, 20, self.audio_reports),
                (Video, 33, self.video_reports),
            ] {
                let Some(clock) = clock(kind, t) else {
                    continue;
                };
                if millisecond % every == 0 {
                    self.packet(kind, t, clock);
                }
                // The first report after half an interval, as RFC 3550 §6.2 has it.
                if let Some(interval) = reports.map(|seconds| (seconds * 1e3) as u64)
                    && (millisecond + interval / 2) % interval == 0
                {
                    let mut report = self.publisher.report(kind, clock, self.at(t + 0.02));
                    report.ntp = self.publisher.report(kind, t, report.received).ntp;
                    self.timeline.handle_sender_report(kind, &report);
                }
            }
        }
    }

    /// Video minus audio in ms for what was captured at the same time as the
    /// last video frame before `t`.
    fn skew_ms(&self, t: f64) -> f64 {
        let at = |times: &[(f64, f64)], t: f64| {
            let index = times.partition_point(|(captured, _)| *captured <= t) - 1;
            let (captured, media) = times[index];
            (captured, media + (t - captured))
        };
        let (captured, video) = at(&self.video, t);
        let (_, audio) = at(&self.audio, captured);
        (video - (t - captured) - audio) * 1e3
    }
}

#[test]
fn the_first_time_is_zero_and_comes_after_the_wait_for_reports() {
    let mut timeline = Timeline::new(TimelineConfig::default(), Tracks::BOTH);
    let start = Instant::now();
    assert_eq!(timeline.next_timeout(), None);
    assert_eq!(timeline.media_time(Audio, 5), None);
    timeline.handle_rtp(Audio, 1_000_000, start);
    timeline.handle_rtp(Video, 5, start + Duration::from_millis(30));
    assert_eq!(timeline.media_time(Audio, 1_000_000), None);
    let timeout = timeline.next_timeout().expect("reports are waited for");
    assert!((timeout - start).abs_diff(Duration::from_millis(500)) < Duration::from_micros(5));
    timeline.handle_timeout(timeout - Duration::from_millis(1));
    assert_eq!(timeline.media_time(Audio, 1_000_000), None);
    timeline.handle_timeout(timeout);
    assert_eq!(timeline.next_timeout(), None);
    assert_eq!(timeline.media_time(Audio, 1_000_000), Some(MediaTime::ZERO));
    assert_eq!(timeline.media_time(Audio, 1_000_960), Some(MediaTime::ZERO));
    timeline.handle_rtp(Audio, 1_000_960, start + Duration::from_millis(501));
    assert_eq!(
        timeline.media_time(Audio, 1_000_960),
        Some(MediaTime::from_millis(20))
    );
    // By arrival, without anything better.
    assert_eq!(
        timeline.media_time(Video, 5),
        Some(MediaTime::from_millis(30))
    );
}

#[test]
fn reports_of_both_tracks_end_the_wait_and_align_exactly() {
    let mut run = Run::new(PUBLISHER);
    run.packet(Audio, 0.0, 0.0);
    run.packet(Video, 0.0, 0.0);
    for kind in [Audio, Video] {
        let report = run.publisher.report(kind, 0.05, run.at(0.12));
        assert!(
            run.timeline
                .media_time(kind, run.publisher.rtp_time(kind, 0.0))
                .is_none()
        );
        run.timeline.handle_sender_report(kind, &report);
    }
    assert_eq!(run.timeline.next_timeout(), None);
    run.audio_reports = Some(5.0);
    run.run(0.1, 3.0);
    assert!(run.skew_ms(0.2).abs() < 1.0, "{}", run.skew_ms(0.2));
    assert!(run.skew_ms(2.9).abs() < 3.0, "{}", run.skew_ms(2.9));
}

#[test]
fn a_report_before_the_first_packet_counts() {
    let start = Instant::now();
    let mut timeline = Timeline::new(TimelineConfig::default(), Tracks::BOTH);
    for kind in [Audio, Video] {
        timeline.handle_sender_report(kind, &PUBLISHER.report(kind, 0.0, start));
    }
    timeline.handle_rtp(Audio, PUBLISHER.rtp_time(Audio, 0.0), start);
    assert!(timeline.next_timeout().is_some());
    timeline.handle_rtp(
        Video,
        PUBLISHER.rtp_time(Video, 0.5),
        start + Duration::from_millis(90),
    );
    let video = timeline
        .media_time(Video, PUBLISHER.rtp_time(Video, 0.5))
        .expect("placed");
    assert_eq!(video.as_millis(), 500);
}

#[test]
fn one_track_alone_does_not_wait() {
    for (kind, tracks) in [
        (
            Audio,
            Tracks {
                audio: true,
                video: false,
            },
        ),
        (
            Video,
            Tracks {
                audio: false,
                video: true,
            },
        ),
    ] {
        let mut timeline = Timeline::new(TimelineConfig::default(), tracks);
        let now = Instant::now();
        timeline.handle_rtp(kind, 4_000_000_000, now);
        assert_eq!(
            timeline.media_time(kind, 4_000_000_000),
            Some(MediaTime::ZERO)
        );
        let other = if kind == Audio { Video } else { Audio };
        timeline.handle_rtp(other, 0, now);
        timeline.handle_sender_report(other, &PUBLISHER.report(other, 0.0, now));
        assert_eq!(timeline.media_time(other, 0), None);
        assert_eq!(timeline.counters().unknown_track, 2);
    }
}

#[test]
fn a_late_report_is_slewed_in_without_a_rewind() {
    let mut run = Run::new(PUBLISHER);
    // The first audio report comes after 2.5 s.
    run.video_reports = Some(5.0);
    run.run(0.0, 30.0);
    // 80 ms more delay on video is what arrival cannot know. The reports put
    // it right at 50 ms a second, and the last 20 ms at 10.
    assert!(
        (60.0..100.0).contains(&run.skew_ms(2.0)),
        "{}",
        run.skew_ms(2.0)
    );
    assert!(run.skew_ms(2.9) > 40.0, "{}", run.skew_ms(2.9));
    assert!(run.skew_ms(5.0) < 20.0, "{}", run.skew_ms(5.0));
    for t in [13.0, 20.0, 29.0] {
        assert!(run.skew_ms(t).abs() < 4.0, "{} at {t}", run.skew_ms(t));
    }
    for pair in run.video.windows(2) {
        let (real, media) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
        assert!(
            (media - real).abs() <= real * 0.0501 + 1e-5,
            "{media} for {real}"
        );
    }
    // Audio stays an exact count of samples.
    for pair in run.audio.windows(2) {
        assert!((pair[1].1 - pair[0].1 - 0.020).abs() < 1e-6);
    }
}

#[test]
fn a_hundred_ppm_of_drift_over_an_hour_keep_the_skew_under_20_ms() {
    for ppm in [100.0, -100.0] {
        let mut run = Run::new(Publisher {
            audio_ppm: ppm,
            ..PUBLISHER
        });
        run.run(0.0, 3_600.0);
        for t in (30..3_600).step_by(7) {
            let skew = run.skew_ms(f64::from(t));
            // The audio clock itself gives the timeline its rate.
            assert!(skew.abs() < 20.0, "{skew} ms at {t} s with {ppm} ppm");
        }
        assert_eq!(run.timeline.counters(), TimelineCounters::default());
        assert_eq!(run.timeline.jumps(), 0);
    }
}

#[test]
fn drift_stays_bounded_without_any_report() {
    let mut run = Run::new(Publisher {
        audio_ppm: 100.0,
        ..PUBLISHER
    });
    (run.audio_reports, run.video_reports) = (None, None);
    run.run(0.0, 3_600.0);
    for t in (10..3_600).step_by(60) {
        let skew = run.skew_ms(f64::from(t));
        assert!(skew.abs() < 200.0, "{skew} ms at {t} s");
    }
}

#[test]
fn both_clocks_wrap_without_a_trace() {
    let mut run = Run::new(Publisher {
        audio_base: u32::MAX - 48_000 * 3,
        video_base: u32::MAX - 90_000 * 2,
        ..PUBLISHER
    });
    run.run(0.0, 20.0);
    assert!(run.skew_ms(19.0).abs() < 4.0);
    let (t, media) = run.audio[run.audio.len() - 1];
    assert!((media - t).abs() < 0.6, "{media} at {t}");
    assert_eq!(run.timeline.counters(), TimelineCounters::default());
}

#[test]
fn a_new_publisher_goes_on_where_the_old_one_ended() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 10.0);
    let end = run.audio[run.audio.len() - 1].1;
    // Another sender: other bases, another wall clock, 1.5 s later.
    run.timeline.republish(Tracks::BOTH);
    assert_eq!(
        run.timeline
            .media_time(Audio, PUBLISHER.rtp_time(Audio, 9.9)),
        None
    );
    run.publisher = Publisher {
        audio_base: 5,
        video_base: 9,
        ntp: 12.0,
        ..PUBLISHER
    };
    run.run(11.5, 30.0);
    let resumed = run
        .audio
        .iter()
        .find(|(t, _)| *t >= 11.5)
        .expect("audio came back")
        .1;
    // 1.5 s passed, and up to half a second of waiting for reports.
    assert!((1.4..2.1).contains(&(resumed - end)), "{}", resumed - end);
    assert!(run.skew_ms(29.0).abs() < 4.0);
    assert_eq!(run.timeline.jumps(), 1);
}

#[test]
fn a_new_publisher_after_a_long_time_follows_at_once() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 10.0);
    let end = run.audio[run.audio.len() - 1].1;
    run.timeline.republish(Tracks {
        audio: true,
        video: false,
    });
    run.publisher.audio_base = 1;
    run.run_clocks(600.0, 601.0, |kind, t| (kind == Audio).then_some(t));
    let resumed = run
        .audio
        .iter()
        .find(|(t, _)| *t >= 600.0)
        .expect("audio came back")
        .1;
    assert!((0.0..0.15).contains(&(resumed - end)), "{}", resumed - end);
}

#[test]
fn a_pause_of_all_tracks_is_taken_out() {
    // The RTP clocks run on, stand still, or one of each.
    for (audio_stood, video_stood) in [(0.0, 0.0), (60.0, 60.0), (60.0, 0.0), (0.0, 60.0)] {
        let mut run = Run::new(PUBLISHER);
        run.run(0.0, 20.0);
        let end = run.audio[run.audio.len() - 1]
            .1
            .max(run.video[run.video.len() - 1].1);
        run.run_clocks(80.0, 110.0, |kind, t| {
            Some(
                t - if kind == Audio {
                    audio_stood
                } else {
                    video_stood
                },
            )
        });
        for (track, slack) in [(&run.audio, 0.1), (&run.video, 0.15)] {
            let resumed = track
                .iter()
                .find(|(t, _)| *t >= 80.0)
                .expect("it came back")
                .1;
            assert!((0.0..slack).contains(&(resumed - end)), "{}", resumed - end);
        }
        assert_eq!(run.timeline.counters().pauses, 1);
        assert_eq!(run.timeline.jumps(), 1);
        assert!(run.skew_ms(109.0).abs() < 5.0, "{}", run.skew_ms(109.0));
    }
}

#[test]
fn a_pause_that_one_clock_counts_differently_takes_nothing_back() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 20.0);
    let latest = run.video[run.video.len() - 1].1;
    // Audio has counted 0.3 s of the pause, video nothing.
    let audio = run.publisher.rtp_time(Audio, 20.3);
    run.timeline.handle_rtp(Audio, audio, run.at(80.02));
    let video = run.publisher.rtp_time(Video, 20.0);
    run.timeline.handle_rtp(Video, video, run.at(80.1));
    let media = run.timeline.media_time(Video, video).expect("placed");
    assert!(
        media.as_duration().as_secs_f64() >= latest - 1e-6,
        "{media} after {latest}"
    );
    assert_eq!(run.timeline.counters().pauses, 1);
}

#[test]
fn a_short_pause_stays_in() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 10.0);
    let end = run.audio[run.audio.len() - 1].1;
    run.run(12.5, 15.0);
    let resumed = run
        .audio
        .iter()
        .find(|(t, _)| *t >= 12.5)
        .expect("it came back")
        .1;
    assert!((resumed - end - 2.52).abs() < 0.01, "{}", resumed - end);
    assert_eq!(run.timeline.jumps(), 0);
}

#[test]
fn a_clock_that_stood_still_while_its_track_was_silent_is_put_right() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 20.0);
    // Audio is silent for 10 s, and its RTP clock with it.
    run.run_clocks(20.0, 60.0, |kind, t| match kind {
        Video => Some(t),
        Audio => (t >= 30.0).then_some(t - 10.0),
    });
    assert_eq!(run.timeline.counters().clock_jumps, 1);
    assert_eq!(run.timeline.counters().pauses, 0);
    assert!(run.skew_ms(59.0).abs() < 4.0, "{}", run.skew_ms(59.0));
}

#[test]
fn a_clock_that_stood_still_for_a_second_is_put_right_at_once() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 20.0);
    run.run_clocks(20.0, 40.0, |kind, t| match kind {
        Video => Some(t),
        Audio => (t >= 21.0).then_some(t - 1.0),
    });
    assert_eq!(run.timeline.counters().clock_jumps, 1);
    for t in [21.2, 22.0, 39.0] {
        assert!(run.skew_ms(t).abs() < 12.0, "{} at {t}", run.skew_ms(t));
    }
}

#[test]
fn a_burst_after_a_stall_of_one_track_is_no_jump() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 20.0);
    // Sound of half a second comes at its end, pictures in time.
    let normal = run.publisher.audio_delay;
    for step in 0..40 {
        let t = 20.0 + f64::from(step) * 0.033;
        run.packet(Video, t, t);
        if step == 17 {
            for late in 0..28 {
                let captured = 20.0 + f64::from(late) * 0.020;
                run.publisher.audio_delay = 20.62 - captured;
                run.packet(Audio, captured, captured);
            }
            run.publisher.audio_delay = normal;
        }
    }
    run.run(21.4, 30.0);
    assert_eq!(run.timeline.counters(), TimelineCounters::default());
    assert!(run.skew_ms(29.0).abs() < 4.0, "{}", run.skew_ms(29.0));
}

#[test]
fn a_jump_of_the_clock_is_bridged() {
    for jump in [7_000.0, -7_000.0, 20.0, -20.0] {
        for jumping in [Audio, Video] {
            let mut run = Run::new(PUBLISHER);
            run.run(0.0, 20.0);
            run.run_clocks(20.0, 50.0, |kind, t| {
                Some(t + if kind == jumping { jump } else { 0.0 })
            });
            assert_eq!(
                run.timeline.counters().clock_jumps,
                1,
                "{jumping:?} by {jump}"
            );
            assert!(run.skew_ms(21.0).abs() < 30.0, "{}", run.skew_ms(21.0));
            assert!(run.skew_ms(49.0).abs() < 4.0, "{}", run.skew_ms(49.0));
        }
    }
}

#[test]
fn times_from_before_a_jump_stay_in_order() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 10.0);
    let latest = run.video[run.video.len() - 1].1;
    let before = run.publisher.rtp_time(Video, 9.95);
    let after = before.wrapping_sub(90_000 * 3_600);
    run.timeline.handle_rtp(Video, after, run.at(10.1));
    let old = run
        .timeline
        .media_time(Video, before)
        .expect("placed")
        .as_millis() as f64
        / 1e3;
    assert!(
        (0.0..0.3).contains(&(old - latest + 0.01)),
        "{old} after {latest}"
    );
}

#[test]
fn a_stall_of_the_network_moves_nothing() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 10.0);
    let before = run.skew_ms(9.9);
    // Everything captured in 2.5 s comes at once at their end.
    let normal = (run.publisher.audio_delay, run.publisher.video_delay);
    for step in 0..125 {
        let t = 10.0 + f64::from(step) * 0.020;
        run.publisher.audio_delay = 12.5 - t;
        run.publisher.video_delay = 12.55 - t;
        run.packet(Audio, t, t);
        run.packet(Video, t, t);
    }
    (run.publisher.audio_delay, run.publisher.video_delay) = normal;
    run.run(12.6, 20.0);
    assert_eq!(run.timeline.counters(), TimelineCounters::default());
    assert!((run.skew_ms(19.0) - before).abs() < 5.0);
}

#[test]
fn a_track_that_comes_later_is_put_beside_the_other() {
    for late in [Audio, Video] {
        let mut run = Run::new(PUBLISHER);
        run.run_clocks(0.0, 40.0, |kind, t| (kind != late || t >= 8.0).then_some(t));
        assert!(run.skew_ms(9.0).abs() < 100.0, "{}", run.skew_ms(9.0));
        assert!(run.skew_ms(39.0).abs() < 4.0, "{}", run.skew_ms(39.0));
    }
}

#[test]
fn a_slew_takes_back_no_time_already_given() {
    let mut run = Run::new(PUBLISHER);
    run.video_reports = Some(5.0);
    run.run(0.0, 4.0);
    let mut latest = MediaTime::ZERO;
    for step in 0..50 {
        // Video is moved back while the frames asked for share one time.
        let t = 4.0 + f64::from(step) * 0.033;
        run.timeline
            .handle_rtp(Video, run.publisher.rtp_time(Video, t), run.at(t + 0.1));
        let asked = run.publisher.rtp_time(Video, 4.0);
        let media = run.timeline.media_time(Video, asked).expect("placed");
        assert!(media >= latest, "{media} after {latest}");
        latest = media;
    }
}

#[test]
fn a_report_that_lies_about_the_wall_clock_is_not_followed() {
    let mut run = Run::new(PUBLISHER);
    run.run(0.0, 20.0);
    let mut liar = run.publisher.report(Video, 20.0, run.at(20.0));
    liar.ntp = liar.ntp.wrapping_add(3_600 << 32);
    run.video_reports = None;
    run.timeline.handle_sender_report(Video, &liar);
    run.run(20.0, 60.0);
    // Arrival bounds it.
    assert!(run.skew_ms(59.0).abs() < 130.0, "{}", run.skew_ms(59.0));
    assert!(run.timeline.counters().implausible_reports > 0);
    liar.rtp_time = liar.rtp_time.wrapping_add(90_000 * 60);
    run.timeline.handle_sender_report(Video, &liar);
    assert_eq!(run.timeline.counters().bad_reports, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn media_time_never_goes_back_whatever_comes(
        steps in prop::collection::vec(
            (any::<bool>(), prop_oneof![
                3 => 0u32..10_000, 1 => any::<u32>(), 1 => 200_000u32..400_000],
             prop_oneof![4 => 0u64..50, 1 => 0u64..6_000], 0u8..20, any::<u64>()),
            1..150)
    ) {
        let mut timeline = Timeline::new(TimelineConfig::default(), Tracks::BOTH);
        let start = Instant::now();
        let (mut now, mut clocks) = (start, [0u32; 2]);
        let mut latest = [None; 2];
        let mut newest = [None::<u32>; 2];
        for (is_video, step, wait, action, ntp) in steps {
            now += Duration::from_millis(wait);
            let (kind, index) = if is_video { (Video, 1) } else { (Audio, 0) };
            match action {
                0 => {
                    timeline.republish(Tracks::BOTH);
                    newest = [None; 2];
                }
                1 | 2 => timeline.handle_sender_report(
                    kind, &SenderReport { ntp, rtp_time: clocks[index], received: now }),
                3 => timeline.handle_timeout(now),
                _ => {
                    clocks[index] = clocks[index].wrapping_add(step);
                    timeline.handle_rtp(kind, clocks[index], now);
                    let media = timeline.media_time(kind, clocks[index]);
                    // RTP time that went back a little is a picture out of order.
                    let is_back = newest[index]
                        .is_some_and(|newest| (clocks[index].wrapping_sub(newest) as i32) < 0);
                    if !is_back {
                        newest[index] = Some(clocks[index]);
                    }
                    if let Some(media) = media {
                        if !is_back {
                            prop_assert!(Some(media) >= latest[index]);
                        }
                        latest[index] = latest[index].max(Some(media));
                        let most = (now - start) * 2 + Duration::from_secs(10);
                        prop_assert!(media.as_duration() <= most, "{media} after {most:?}");
                    }
                }
            }
        }
    }
}
