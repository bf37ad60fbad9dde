//! Volumes and speakers of people who talk on virtual time.

use super::*;
use crate::live::ids::{AppId, RoomId};

const MS: Duration = Duration::from_millis(1);
const LOUD: u8 = 20;
const SOFT: u8 = 25;
const SILENT: u8 = 127;

struct Stage {
    speakers: Speakers,
    now: Instant,
    heard: Vec<(Instant, SpeakerOutput)>,
}

fn room() -> RoomKey {
    RoomKey::new(AppId(1), RoomId::Number(7))
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

impl Stage {
    fn new() -> Self {
        Self::with(SpeakerLimits::default())
    }

    fn with(limits: SpeakerLimits) -> Self {
        Self {
            speakers: Speakers::new(limits),
            now: Instant::now(),
            heard: Vec::new(),
        }
    }

    fn listen(&mut self, listener: u64, ms: u64) -> Duration {
        let interval = Duration::from_millis(ms);
        self.speakers
            .listen(self.now, &room(), ConnectionId(listener), interval)
            .unwrap()
    }

    /// Everybody's level every 20 ms, and the timeouts at their time.
    fn speak(&mut self, duration: Duration, levels: &[(&str, u8)]) {
        let end = self.now + duration;
        let mut tick = 0;
        while self.now < end {
            if tick % 20 == 0 {
                for (name, level) in levels {
                    self.speakers
                        .handle_level(self.now, &room(), &user(name), *level);
                }
            }
            tick += 1;
            self.now += MS;
            if self
                .speakers
                .next_timeout()
                .is_some_and(|at| at <= self.now)
            {
                self.speakers.handle_timeout(self.now);
            }
            while let Some(output) = self.speakers.poll_output() {
                self.heard.push((self.now, output));
            }
        }
    }

    /// The speakers told so far.
    fn told(&mut self) -> Vec<Option<String>> {
        self.heard
            .drain(..)
            .filter_map(|(_, output)| match output {
                SpeakerOutput::Active { user, .. } => Some(user.map(|u| u.to_string())),
                SpeakerOutput::Volumes { .. } => None,
            })
            .collect()
    }

    /// When a listener was told volumes, and the loudest of each list.
    fn lists_of(&self, listener: u64) -> Vec<(Instant, Option<Volume>)> {
        self.heard
            .iter()
            .filter_map(|(at, output)| match output {
                SpeakerOutput::Volumes {
                    listeners, volumes, ..
                } if listeners.contains(&ConnectionId(listener)) => {
                    Some((*at, volumes.first().cloned()))
                }
                _ => None,
            })
            .collect()
    }

    fn active(&self) -> Option<String> {
        self.speakers.active(&room()).map(ToString::to_string)
    }

    fn volume(&self, name: &str) -> u8 {
        let volumes = self.speakers.volumes(self.now, &room());
        let found = volumes.iter().find(|v| v.user == user(name));
        found.map_or(0, |v| v.volume)
    }
}

#[test]
fn a_level_is_a_volume_of_0_to_100() {
    for (level, volume) in [(0, 100), (30, 50), (60, 0), (127, 0), (255, 0)] {
        let mut stage = Stage::new();
        stage.speak(Duration::from_secs(1), &[("anna", level)]);
        assert_eq!(stage.volume("anna"), volume, "{level}");
    }
}

#[test]
fn volumes_come_at_the_interval_that_each_listener_asked_for() {
    let mut stage = Stage::new();
    let start = stage.now;
    assert_eq!(stage.listen(1, 2_000), Duration::from_secs(2));
    assert_eq!(stage.listen(2, 2_000), Duration::from_secs(2));
    assert_eq!(stage.listen(3, 320), Duration::from_millis(300));
    assert_eq!(stage.listen(4, 1), MIN_INTERVAL);
    assert_eq!(stage.listen(5, 1_000_000), MAX_INTERVAL);
    stage.speak(Duration::from_secs(6), &[("anna", LOUD)]);
    let times: Vec<_> = stage
        .lists_of(1)
        .iter()
        .map(|(at, _)| at.duration_since(start).as_millis())
        .collect();
    assert_eq!(times, [2_000, 4_000, 6_000]);
    assert_eq!(stage.lists_of(1), stage.lists_of(2), "one list for both");
    assert_eq!(stage.lists_of(3).len(), 20);
    assert_eq!(stage.lists_of(4).len(), 60);
    assert_eq!(stage.lists_of(5).len(), 0);
    let loudest = stage.lists_of(4)[59].1.clone().unwrap();
    assert_eq!((loudest.user.as_str(), loudest.volume), ("anna", 67));
}

#[test]
fn an_interval_is_changed_and_ended() {
    let mut stage = Stage::new();
    stage.listen(1, 2_000);
    stage.listen(1, 500);
    stage.speak(Duration::from_secs(2), &[("anna", LOUD)]);
    assert_eq!(stage.lists_of(1).len(), 4);
    assert_eq!(stage.listen(1, 0), Duration::ZERO);
    stage.heard.clear();
    stage.speak(Duration::from_secs(2), &[("anna", LOUD)]);
    assert_eq!(stage.lists_of(1), []);
}

#[test]
fn silence_is_told_once_and_then_costs_nothing() {
    let mut stage = Stage::new();
    stage.listen(1, 100);
    stage.speak(Duration::from_secs(1), &[("anna", LOUD)]);
    stage.heard.clear();
    stage.speak(Duration::from_secs(10), &[]);
    let empty: Vec<_> = stage
        .lists_of(1)
        .into_iter()
        .filter(|l| l.1.is_none())
        .collect();
    assert_eq!(empty.len(), 1);
    assert_eq!(stage.told(), [None]);
    stage.speakers.forget(&room(), &user("anna"));
    assert_eq!(stage.speakers.next_timeout(), None);
    stage.speakers.stop_listening(&room(), ConnectionId(1));
    assert!(stage.speakers.rooms.is_empty());
}

#[test]
fn a_lost_stream_of_levels_is_silence_soon() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_secs(1), &[("anna", LOUD)]);
    assert_eq!(stage.volume("anna"), 67);
    stage.speak(Duration::from_millis(200), &[]);
    assert_eq!(
        stage.volume("anna"),
        67,
        "one silent packet may be a lost one"
    );
    stage.speak(Duration::from_secs(3), &[]);
    assert_eq!(stage.volume("anna"), 0);
}

#[test]
fn the_first_to_speak_is_active_and_a_click_is_not() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_millis(20), &[("anna", 0)]);
    stage.speak(
        Duration::from_secs(1),
        &[("anna", SILENT), ("bert", SILENT)],
    );
    assert_eq!(stage.told(), []);
    let mut stage = Stage::new();
    stage.speak(
        Duration::from_millis(500),
        &[("anna", LOUD), ("bert", SILENT)],
    );
    assert_eq!(stage.told(), [Some("anna".to_owned())]);
}

#[test]
fn two_who_speak_alike_do_not_take_turns() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_secs(1), &[("anna", LOUD)]);
    for turn in 0..50 {
        // 5 dB apart, this way and that.
        let (anna, bert) = if turn % 2 == 0 {
            (LOUD, SOFT)
        } else {
            (SOFT, LOUD)
        };
        stage.speak(
            Duration::from_millis(300),
            &[("anna", anna), ("bert", bert)],
        );
    }
    assert_eq!(stage.told(), [Some("anna".to_owned())]);
}

#[test]
fn a_short_interjection_does_not_take_over_and_a_lasting_rival_does() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_secs(1), &[("anna", 35)]);
    stage.speak(Duration::from_millis(500), &[("anna", 35), ("bert", 10)]);
    stage.speak(Duration::from_secs(1), &[("anna", 35), ("bert", SILENT)]);
    assert_eq!(stage.told(), [Some("anna".to_owned())]);
    stage.speak(Duration::from_secs(1), &[("anna", 35), ("bert", 10)]);
    assert_eq!(stage.told(), [Some("bert".to_owned())]);
}

#[test]
fn the_next_speaker_follows_a_silent_one_without_a_margin() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_secs(1), &[("anna", 10)]);
    stage.speak(Duration::from_secs(3), &[("anna", SILENT), ("bert", 40)]);
    let names = |name: &str| Some(name.to_owned());
    assert_eq!(stage.told(), [names("anna"), names("bert")]);
    stage.speak(Duration::from_secs(6), &[("bert", SILENT)]);
    assert_eq!(stage.told(), [None]);
    assert_eq!(stage.active(), None);
}

#[test]
fn pauses_between_words_keep_the_speaker() {
    let mut stage = Stage::new();
    for _ in 0..20 {
        stage.speak(Duration::from_millis(600), &[("anna", LOUD), ("bert", 70)]);
        stage.speak(Duration::from_millis(400), &[("anna", 80), ("bert", 70)]);
    }
    assert_eq!(stage.told(), [Some("anna".to_owned())]);
}

#[test]
fn who_leaves_is_the_speaker_no_more() {
    let mut stage = Stage::new();
    stage.speak(Duration::from_secs(1), &[("anna", LOUD)]);
    stage.speakers.forget(&room(), &user("anna"));
    stage.speak(Duration::from_secs(1), &[]);
    assert_eq!(stage.told(), [Some("anna".to_owned()), None]);
    stage.speakers.remove_room(&room());
    assert_eq!(stage.speakers.next_timeout(), None);
}

#[test]
fn rooms_users_listeners_and_lists_are_bounded() {
    let mut stage = Stage::with(SpeakerLimits {
        rooms: 1,
        users: 3,
        listeners: 1,
        listed: 2,
    });
    stage.listen(1, 1_000);
    let levels = [("a", 10), ("b", 20), ("c", 30), ("d", 0)];
    stage.speak(Duration::from_secs(1), &levels);
    let other = RoomKey::new(AppId(2), RoomId::Number(7));
    stage
        .speakers
        .handle_level(stage.now, &other, &user("a"), 0);
    let again = stage
        .speakers
        .listen(stage.now, &room(), ConnectionId(2), MIN_INTERVAL);
    assert_eq!(again, Err(ListenError::Listeners { limit: 1 }));
    let elsewhere = stage
        .speakers
        .listen(stage.now, &other, ConnectionId(2), MIN_INTERVAL);
    assert_eq!(elsewhere, Err(ListenError::Rooms { limit: 1 }));
    assert_eq!(stage.volume("d"), 0);
    assert_eq!(
        stage.speakers.counters(),
        SpeakerCounters {
            rooms_full: 2,
            users_full: 50,
            listeners_full: 1,
            not_listed: 1,
        }
    );
    let last = stage
        .heard
        .iter()
        .rev()
        .find_map(|(_, output)| match output {
            SpeakerOutput::Volumes { volumes, .. } => Some(volumes.clone()),
            SpeakerOutput::Active { .. } => None,
        });
    let users: Vec<_> = last
        .iter()
        .flat_map(|l| l.iter())
        .map(|v| v.user.as_str())
        .collect();
    assert_eq!(users, ["a", "b"]);
}

#[test]
fn a_late_timeout_makes_up_for_nothing() {
    let mut stage = Stage::new();
    stage.listen(1, 100);
    stage
        .speakers
        .handle_level(stage.now, &room(), &user("anna"), LOUD);
    stage.now += Duration::from_millis(240);
    stage.speakers.handle_timeout(stage.now);
    let mut lists = 0;
    while let Some(output) = stage.speakers.poll_output() {
        lists += usize::from(matches!(output, SpeakerOutput::Volumes { .. }));
    }
    assert_eq!(lists, 1);
    assert!(
        stage
            .speakers
            .next_timeout()
            .is_some_and(|at| at > stage.now)
    );
}
