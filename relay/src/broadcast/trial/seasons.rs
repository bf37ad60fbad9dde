//! Playlists while publishers come, go and change.

use packager::hls::PlaylistConfig;

use super::dice::Dice;
use super::link::Loss;
use super::publisher::Microphone;
use super::*;
use crate::broadcast::testing::{SPS_320X180, SPS_640X360};
use crate::shift::TimeShift;

/// What a publisher does next.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// Pictures of another size.
    Size,
    CameraOff,
    MicrophoneOff,
    /// Both off.
    Pause,
    Dtx,
    /// Another publisher, after nobody was there for a while.
    Republish,
}

const CHANGES: [Change; 6] = [
    Change::Size,
    Change::CameraOff,
    Change::MicrophoneOff,
    Change::Pause,
    Change::Dtx,
    Change::Republish,
];

/// A broadcast of `minutes`, something new every half a minute. Gives how often a discontinuity
/// is due.
fn changing(seed: u64, minutes: u64) -> (Trial, u64) {
    let habits = |dice: &mut Dice| Habits {
        audio_ppm: 400.0 * dice.share() - 200.0,
        video_ppm: 400.0 * dice.share() - 200.0,
        ..Habits::USUAL
    };
    let mut dice = Dice::new(seed);
    let way = Way::clean(60, 30).lossy(Loss::Random(0.01));
    let mut trial = Trial::new(habits(&mut dice), way, seed);
    let config = PlaylistConfig {
        hold_back: packager::hls::HOLD_BACK,
        target: Duration::from_secs(2),
        part: Some(Duration::from_millis(250)),
        window: 10,
    };
    let id = "trial".parse().expect("an id");
    // Ten minutes of pictures and sound, in half of the memory that they need.
    let shift = TimeShift::in_memory(Duration::from_secs(600), 20 << 20);
    let store = Store::new(config, id, "5eed".to_owned());
    trial.store = Some(store.with_shelf(Some(shift.shelf("5eed"))));
    // The publisher's own sound has memory enough.
    let shift = TimeShift::in_memory(Duration::from_secs(600), 20 << 20);
    let store = Store::new(config, "sound".parse().expect("an id"), "50".to_owned());
    trial.opus = Some(store.with_shelf(Some(shift.shelf("50"))));
    let (mut now, mut due, mut sps) = (15.0, 0, SPS_640X360);
    trial.run(now);
    while now < 60.0 * minutes as f64 {
        let change = CHANGES[(dice.share() * CHANGES.len() as f64) as usize % CHANGES.len()];
        let length = 0.2 + dice.share() * dice.share() * 14.0;
        match change {
            Change::Size => {
                sps = if sps == SPS_640X360 {
                    SPS_320X180
                } else {
                    SPS_640X360
                };
                trial.publisher.switch_pictures(sps, 0.0);
                due += 1;
            }
            Change::CameraOff => trial.publisher.has_camera = false,
            Change::MicrophoneOff => trial.publisher.microphone = Microphone::Off,
            Change::Pause => {
                trial.publisher.has_camera = false;
                trial.publisher.microphone = Microphone::Off;
            }
            Change::Dtx => trial.publisher.microphone = Microphone::Dtx,
            Change::Republish => trial.disconnect(),
        }
        now += length;
        trial.run(now);
        match change {
            Change::Republish => {
                trial.republish(habits(&mut dice));
                trial.publisher.sps = sps;
                due += 1;
            }
            Change::Dtx => trial.publisher.microphone = Microphone::On,
            _ => {
                if trial.publisher.microphone == Microphone::Off {
                    trial.publisher.resume_sound(trial.now, 0.0);
                }
                if !trial.publisher.has_camera {
                    trial.publisher.resume_pictures(trial.now);
                    trial.publisher.wants_keyframe = true;
                }
            }
        }
        now += 15.0 + 15.0 * dice.share();
        trial.run(now);
    }
    (trial, due)
}

#[test]
fn playlists_keep_the_rules_for_half_an_hour_of_changes() {
    let (trial, due) = changing(11, 30);
    let playlists = &trial.playlists;
    println!(
        "{} playlists, {} updates, {} discontinuities",
        playlists.looks, playlists.deltas, playlists.discontinuities
    );
    assert!(
        playlists.wrong.is_empty(),
        "{:#?}",
        &playlists.wrong[..playlists.wrong.len().min(20)]
    );
    assert!(playlists.looks > 30 * 60 * 3 && playlists.deltas > 30 * 60);
    assert_eq!(playlists.discontinuities, due);
    let windows = &trial.windows;
    println!(
        "windows: {} playlists, {} updates, {} segments at most",
        windows.looks, windows.deltas, windows.longest
    );
    assert!(
        windows.wrong.is_empty(),
        "{:#?}",
        &windows.wrong[..windows.wrong.len().min(20)]
    );
    assert!(windows.looks > 30 * 20 && windows.deltas > 30 * 20 && windows.longest > 120);
    assert_eq!(windows.discontinuities, due);
    let opus = &trial.opus_playlists;
    println!(
        "own sound: {} playlists, {} updates, {} discontinuities",
        opus.looks, opus.deltas, opus.discontinuities
    );
    let windows = &trial.opus_windows;
    let wrong = opus.wrong.iter().chain(&windows.wrong);
    let wrong: Vec<_> = wrong.chain(&trial.opus_wrong).collect();
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
    assert!(opus.looks > 30 * 60 * 3 && opus.deltas > 30 * 60);
    assert!(windows.looks > 30 * 20 && windows.longest > 240);
    assert_eq!((opus.discontinuities, windows.discontinuities), (due, due));
    trial.verdict.check();
}
