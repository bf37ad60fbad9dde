//! Clocks that drift, for hours.

use super::link::Loss;
use super::*;

fn drifting(audio_ppm: f64, video_ppm: f64, ntp_ppm: f64) -> Habits {
    Habits {
        audio_ppm,
        video_ppm,
        ntp_ppm,
        ..Habits::FRUGAL
    }
}

/// Plays for `seconds` and gives how far picture and sound parted at most, in milliseconds, from
/// 20 s on: before, the sender reports are still to come.
fn play(habits: Habits, way: Way, seed: u64, seconds: f64) -> f64 {
    let mut trial = Trial::new(habits, way, seed);
    trial.run(seconds);
    worst(&trial, habits, seconds)
}

/// The same of a trial that has run for `seconds`.
fn worst(trial: &Trial, habits: Habits, seconds: f64) -> f64 {
    let verdict = &trial.verdict;
    verdict.check();
    assert_eq!(verdict.holes, []);
    // The sound of a sender whose clock is fast is more of it.
    let expected = seconds * (1.0 + habits.audio_ppm * 1e-6) * 48_000.0 / 1_024.0;
    let missing = expected - verdict.sounds as f64;
    assert!(
        (0.0..60.0).contains(&missing),
        "{missing} frames are missing"
    );
    assert_eq!(trial.ledger.total.cut, 0);
    assert_eq!(trial.metrics.events("clock_jump"), 0);
    verdict.worst(20.0, f64::MAX)
}

#[test]
fn picture_and_sound_stay_together_for_a_day_in_the_memory_of_its_first_hour() {
    let habits = drifting(100.0, -100.0, 60.0);
    let way = Way::clean(60, 30).lossy(Loss::Random(0.01));
    let mut trial = Trial::new(habits, way, 1);
    let mut most = [0; 24];
    for step in 1..=24 * 12 {
        trial.run(f64::from(step) * 300.0);
        // All that it holds, written out: whatever grows makes that longer.
        let held = format!("{:?}", trial.core).len();
        let most = &mut most[(step as usize - 1) / 12];
        *most = held.max(*most);
    }
    let worst = worst(&trial, habits, 24.0 * 3_600.0);
    let delays = trial.verdict.delays_of(24);
    println!("200 ppm apart for 24 h: {worst:.1} ms; held: {most:?}; FLV {delays:.1?} ms late");
    assert!(worst.abs() < 10.0, "{worst}");
    // Pictures leave as long after their capture at the end as at the beginning.
    let apart = |delay: &f64| (delay - delays[0]).abs();
    assert!(delays.iter().all(|delay| apart(delay) < 10.0), "{delays:?}");
    // A segment that is open has more or less in it.
    assert!(most.iter().all(|held| *held < most[0] * 5 / 4), "{most:?}");
}

#[test]
fn picture_and_sound_of_bad_clocks_stay_together() {
    let way = Way::clean(60, 30).lossy(Loss::Random(0.01));
    let worst = play(drifting(120.0, -150.0, 60.0), way, 1, 3_600.0);
    println!("270 ppm apart for 1 h: {worst:.1} ms");
    assert!(worst.abs() < 10.0, "{worst}");
}

#[test]
fn any_two_clocks_are_held_together() {
    let clocks = [
        (200.0, -200.0, 0.0),
        (-200.0, 200.0, 100.0),
        (50.0, -50.0, -200.0),
        (0.0, 200.0, 200.0),
    ];
    for (seed, (audio, video, ntp)) in (2..).zip(clocks) {
        let way = Way::clean(100, 60).lossy(Loss::Bursts(0.02, 3.0));
        let worst = play(drifting(audio, video, ntp), way, seed, 600.0);
        println!("audio {audio}, video {video}, NTP {ntp} ppm: {worst:.1} ms");
        assert!(worst.abs() < 15.0, "{worst}");
    }
}
