//! What publishers do: mute, pause, switch, leave and come back.

use super::publisher::Microphone;
use super::*;
use crate::broadcast::testing::SPS_320X180;

const HABITS: Habits = Habits {
    audio_ppm: 100.0,
    video_ppm: -100.0,
    ..Habits::USUAL
};

/// A broadcast that runs for 20 s.
fn running() -> Trial {
    let mut trial = Trial::new(HABITS, Way::clean(60, 20), 3);
    trial.run(20.0);
    trial
}

/// What every scene keeps to from 19 s on: sound without holes, and pictures with it.
fn check(trial: &Trial, name: &str, most_apart: f64) {
    let verdict = &trial.verdict;
    verdict.check();
    let worst = verdict.worst(19.0, f64::MAX);
    println!("{name}: {worst:.1} ms apart, {:?}", trial.ledger.total);
    assert!(worst.abs() <= most_apart, "{name}: {worst} ms apart");
    assert_eq!(verdict.holes, [], "{name}");
}

#[test]
fn a_microphone_comes_back_in_time_with_the_picture_whatever_its_clock_did() {
    // Seconds off, and for how many of them the RTP clock stood still.
    for (off, stood) in [
        (1.0, 0.0),
        (1.0, 1.0),
        (1.5, 1.5),
        (30.0, 30.0),
        (300.0, 0.0),
    ] {
        let mut trial = running();
        trial.publisher.microphone = Microphone::Off;
        trial.run(20.0 + off);
        trial.publisher.resume_sound(trial.now, stood);
        trial.run(35.0 + off);
        check(&trial, &format!("off {off} s, stood {stood} s"), 20.0);
        assert!(trial.verdict.freezes.is_empty());
        let heard = trial.verdict.sounds - trial.verdict.made_up;
        let expected = 35.0 * 48_000.0 / 1_024.0;
        assert!(heard as f64 > expected - 25.0, "{heard} of {expected}");
    }
}

#[test]
fn comfort_noise_keeps_the_picture_from_waiting() {
    let mut trial = running();
    trial.verdict.delays.clear();
    trial.publisher.microphone = Microphone::Dtx;
    trial.run(40.0);
    check(&trial, "DTX", 10.0);
    assert!(trial.ledger.total.dtx > 18 * 48_000);
    assert!(trial.ledger.total.cut < 480);
    let (median, most, _) = trial.verdict.delay();
    println!("delay {median:.0}/{most:.0} ms");
    assert!(most < 170.0, "{most} ms");
    trial.publisher.microphone = Microphone::On;
    trial.run(50.0);
    check(&trial, "after DTX", 10.0);
}

#[test]
fn sound_alone_goes_on_during_dtx() {
    let tracks = Tracks {
        audio: true,
        video: false,
    };
    let mut trial = Trial::with_tracks(HABITS, Way::clean(60, 20), 4, tracks);
    trial.run(10.0);
    trial.publisher.microphone = Microphone::Dtx;
    trial.run(12.05);
    let (mut last, mut most) = (trial.verdict.sounds, 0);
    // Looked at every 100 ms, there is always something new.
    for step in 1..60 {
        trial.run(12.05 + f64::from(step) * 0.1);
        let new = trial.verdict.sounds - last;
        last = trial.verdict.sounds;
        most = most.max(new);
        assert!(new >= 2, "{new} frames in 100 ms");
    }
    assert!(most <= 8, "{most}");
    trial.verdict.check();
    assert_eq!(trial.verdict.holes, []);
}

#[test]
fn a_camera_that_was_off_comes_back_in_time_with_the_sound() {
    for off in [0.5, 5.0, 60.0] {
        let mut trial = running();
        trial.publisher.has_camera = false;
        trial.run(20.0 + off);
        trial.publisher.resume_pictures(trial.now);
        trial.run(35.0 + off);
        check(&trial, &format!("camera off {off} s"), 20.0);
        let [(_, length)] = trial.verdict.freezes[..] else {
            panic!("{:?}", trial.verdict.freezes);
        };
        assert!((off..off + 0.2).contains(&length), "{length}");
    }
}

#[test]
fn another_camera_goes_on_in_media_time() {
    // The time that it takes to open: the RTP stream is the same, the pictures are others.
    for opening in [0.0, 0.8, 4.0] {
        let mut trial = running();
        trial.publisher.has_camera = false;
        trial.run(20.0 + opening);
        trial.publisher.sps = SPS_320X180;
        trial.publisher.wants_keyframe = true;
        trial.publisher.resume_pictures(trial.now);
        trial.run(35.0 + opening);
        check(&trial, &format!("camera changed in {opening} s"), 20.0);
        assert_eq!(trial.inits, 2);
        let frozen = trial.verdict.frozen();
        assert!(frozen < (opening + 0.2) * 1e3, "{frozen} ms");
    }
}

#[test]
fn all_may_pause_and_go_on() {
    for pause in [1.0, 10.0, 120.0] {
        let mut trial = running();
        trial.publisher.microphone = Microphone::Off;
        trial.publisher.has_camera = false;
        trial.run(20.0 + pause);
        trial.publisher.resume_sound(trial.now, 0.0);
        trial.publisher.resume_pictures(trial.now);
        trial.run(35.0 + pause);
        // Two minutes at 200 ppm are 24 ms, until the next reports.
        check(&trial, &format!("pause of {pause} s"), 30.0);
        // Longer ones are taken out of media time.
        let most = if pause > 3.0 { 0.5 } else { pause + 0.2 };
        let frozen = trial.verdict.frozen();
        assert!(frozen <= most * 1e3, "{frozen}");
    }
}

#[test]
fn another_layer_follows_without_a_wait() {
    let mut trial = running();
    trial.verdict.delays.clear();
    trial.publisher.switch_pictures(SPS_320X180, 0.012);
    trial.run(35.0);
    check(&trial, "layer", 20.0);
    assert!(trial.verdict.freezes.is_empty());
    let (_, _, most) = trial.verdict.delay();
    assert!(most < 240.0, "{most} ms");
    assert_eq!(trial.inits, 2);
}

#[test]
fn another_publisher_goes_on_in_media_time() {
    // The last one comes after the broadcast was kept for a while.
    for gone in [0.0, 0.3, 2.0, 20.0] {
        let mut trial = running();
        if gone > 0.0 {
            trial.disconnect();
        }
        trial.run(20.0 + gone);
        trial.republish(Habits {
            audio_ppm: -150.0,
            video_ppm: 50.0,
            ntp_ppm: 80.0,
            ..HABITS
        });
        trial.run(45.0 + gone);
        trial.verdict.check();
        // By arrival at first, by sender reports later.
        check(&trial, &format!("republish after {gone} s"), 40.0);
        let settled = trial.verdict.worst(30.0 + gone, f64::MAX);
        assert!(settled.abs() < 10.0, "{settled}");
        assert_eq!(trial.inits, 1);
        let most = if gone > 3.0 { 0.7 } else { gone + 0.7 };
        assert!(trial.verdict.frozen() <= most * 1e3);
    }
}
