//! Volumes and the active speaker of each room, without IO.
//!
//! Audio levels come in as RFC 6464 has them: 0 is the loudest that a microphone can give, 127 is
//! silence, one step is 1 dB. Listeners ask for volumes at an interval of their own; those with
//! the same interval share one list. The active speaker is told to the room as it changes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::ids::{ConnectionId, RoomKey, UserId};

/// The volumes and speakers of all rooms.
#[derive(Debug)]
pub struct Speakers {
    limits: SpeakerLimits,
    rooms: HashMap<RoomKey, Room>,
    agenda: Agenda<RoomKey>,
    outputs: std::collections::VecDeque<SpeakerOutput>,
    counters: SpeakerCounters,
}

/// Bounds on what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeakerLimits {
    /// Rooms with listeners or levels.
    pub rooms: usize,
    /// Users of one room whose levels are followed.
    pub users: usize,
    /// Connections of one room that are told volumes.
    pub listeners: usize,
    /// Users in one list of volumes, the loudest of the room.
    pub listed: usize,
}

impl Default for SpeakerLimits {
    /// The bounds of rooms, anchors and members of [`Limits`](super::Limits).
    fn default() -> Self {
        Self {
            rooms: 10_000,
            users: 50,
            listeners: 50_000,
            listed: 20,
        }
    }
}

/// What was refused or left out, by its reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpeakerCounters {
    /// Levels and listeners of a room beyond [`SpeakerLimits::rooms`].
    pub rooms_full: u64,
    /// Levels of a user beyond [`SpeakerLimits::users`].
    pub users_full: u64,
    /// Listeners beyond [`SpeakerLimits::listeners`].
    pub listeners_full: u64,
    /// Users left out of a list beyond [`SpeakerLimits::listed`].
    pub not_listed: u64,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpeakerOutput {
    /// The volumes of a room, for those who asked for them at one interval.
    Volumes {
        /// The room.
        room: RoomKey,
        /// To whom.
        listeners: Vec<ConnectionId>,
        /// The loudest first; whoever is silent is not there.
        volumes: Arc<[Volume]>,
    },
    /// The room's active speaker has changed.
    Active {
        /// The room.
        room: RoomKey,
        /// Who; nobody after some seconds of silence.
        user: Option<UserId>,
    },
}

/// How loud a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Who.
    pub user: UserId,
    /// 1 to 100.
    pub volume: u8,
}

/// A list is full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Of rooms.
    #[error("the volumes of {limit} rooms are evaluated; that is the limit")]
    Rooms {
        /// The bound.
        limit: usize,
    },
    /// Of listeners.
    #[error("{limit} listeners of the room are told volumes; that is the limit")]
    Listeners {
        /// The bound.
        limit: usize,
    },
}

#[derive(Debug, Default)]
struct Room {
    voices: BTreeMap<UserId, Voice>,
    listeners: HashMap<ConnectionId, Tenths>,
    groups: BTreeMap<Tenths, Group>,
    active: Option<UserId>,
    /// Who would be the speaker next, and since when.
    rival: Option<(UserId, Instant)>,
    /// The active speaker is silent since then.
    quiet_since: Option<Instant>,
    /// When the speakers are compared again, while there is anything to compare.
    compare_at: Option<Instant>,
}

/// An interval in tenths of a second.
type Tenths = u16;

/// The listeners of one interval.
#[derive(Debug)]
struct Group {
    due: Instant,
    members: BTreeSet<ConnectionId>,
    /// The last list had somebody in it: the next one is sent even if it is empty.
    was_loud: bool,
}

/// One user's volume.
#[derive(Debug)]
struct Voice {
    /// 0 to 100, smoothed.
    volume: f32,
    /// The newest level as a volume, and when it came.
    newest: f32,
    at: Instant,
}

impl Speakers {
    /// No rooms.
    pub fn new(limits: SpeakerLimits) -> Self {
        Self {
            limits,
            rooms: HashMap::new(),
            agenda: Agenda::default(),
            outputs: std::collections::VecDeque::new(),
            counters: SpeakerCounters::default(),
        }
    }

    /// An audio level of a user, 0 to 127 −dBov. Values above are silence.
    pub fn handle_level(&mut self, now: Instant, key: &RoomKey, user: &UserId, level: u8) {
        if !self.rooms.contains_key(key) && self.rooms.len() >= self.limits.rooms {
            self.counters.rooms_full += 1;
            return;
        }
        let room = self.rooms.entry(key.clone()).or_default();
        let is_full = room.voices.len() >= self.limits.users;
        match room.voices.get_mut(user) {
            Some(voice) => voice.handle(now, level),
            None if is_full => self.counters.users_full += 1,
            None => {
                let voice = Voice::new(now, level);
                room.voices.insert(user.clone(), voice);
            }
        }
        if room.compare_at.is_none() && is_speech(volume_of(level)) {
            room.compare_at = Some(now + COMPARE);
            self.arm(key);
        }
    }

    /// Tells a connection the room's volumes from now on, every `interval`: rounded to tenths of
    /// a second, from [`MIN_INTERVAL`] to [`MAX_INTERVAL`]; the one that is used comes back. Zero
    /// ends it.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(
        &mut self,
        now: Instant,
        key: &RoomKey,
        listener: ConnectionId,
        interval: Duration,
    ) -> Result<Duration, ListenError> {
        if interval.is_zero() {
            self.stop_listening(key, listener);
            return Ok(Duration::ZERO);
        }
        let limits = self.limits;
        if !self.rooms.contains_key(key) && self.rooms.len() >= limits.rooms {
            self.counters.rooms_full += 1;
            return Err(ListenError::Rooms {
                limit: limits.rooms,
            });
        }
        let room = self.rooms.entry(key.clone()).or_default();
        if !room.listeners.contains_key(&listener) && room.listeners.len() >= limits.listeners {
            self.counters.listeners_full += 1;
            return Err(ListenError::Listeners {
                limit: limits.listeners,
            });
        }
        let interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
        let tenths = ((interval.as_millis() + 50) / 100) as Tenths;
        let interval = Duration::from_millis(u64::from(tenths) * 100);
        room.forget_listener(listener);
        room.listeners.insert(listener, tenths);
        let group = room.groups.entry(tenths).or_insert_with(|| Group {
            due: now + interval,
            members: BTreeSet::new(),
            was_loud: false,
        });
        group.members.insert(listener);
        self.arm(key);
        Ok(interval)
    }

    /// Tells a connection no volumes any more.
    pub fn stop_listening(&mut self, key: &RoomKey, listener: ConnectionId) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.forget_listener(listener);
        }
        self.tidy(key);
    }

    /// A user sends no sound any more: muted, unpublished or gone.
    pub fn forget(&mut self, key: &RoomKey, user: &UserId) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.voices.remove(user);
        if room.rival.as_ref().is_some_and(|(rival, _)| rival == user) {
            room.rival = None;
        }
        if room.active.as_ref() == Some(user) {
            room.set_active(key, None, &mut self.outputs);
        }
        self.tidy(key);
    }

    /// A room is gone.
    pub fn remove_room(&mut self, key: &RoomKey) {
        self.rooms.remove(key);
        self.agenda.set(key, None);
    }

    /// The active speaker of a room.
    pub fn active(&self, key: &RoomKey) -> Option<&UserId> {
        self.rooms.get(key)?.active.as_ref()
    }

    /// The volumes of a room now, the loudest first.
    pub fn volumes(&self, now: Instant, key: &RoomKey) -> Vec<Volume> {
        self.rooms
            .get(key)
            .map(|room| room.volumes(now))
            .unwrap_or_default()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Does what is due. Lists that were missed by a late call are not made up for.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.agenda.pop_due(now) {
            let Some(room) = self.rooms.get_mut(&key) else {
                continue;
            };
            room.compare(now, &key, &mut self.outputs);
            room.list(
                now,
                &key,
                &self.limits,
                &mut self.counters,
                &mut self.outputs,
            );
            self.tidy(&key);
        }
    }

    /// The next thing to tell; to be emptied after every call.
    pub fn poll_output(&mut self) -> Option<SpeakerOutput> {
        self.outputs.pop_front()
    }

    /// What was refused.
    pub fn counters(&self) -> SpeakerCounters {
        self.counters
    }

    fn arm(&mut self, key: &RoomKey) {
        let next = self.rooms.get(key).and_then(Room::next_timeout);
        self.agenda.set(key, next);
    }

    /// Forgets a room that has nothing, and sets the time of any other.
    fn tidy(&mut self, key: &RoomKey) {
        let is_empty = |room: &Room| room.voices.is_empty() && room.listeners.is_empty();
        if self.rooms.get(key).is_some_and(is_empty) {
            self.rooms.remove(key);
        }
        self.arm(key);
    }
}

impl Room {
    fn next_timeout(&self) -> Option<Instant> {
        // Without voices there is nothing to list, once the last list was empty.
        let lists = self
            .groups
            .values()
            .filter(|g| g.was_loud || !self.voices.is_empty())
            .map(|g| g.due);
        lists.chain(self.compare_at).min()
    }

    fn forget_listener(&mut self, listener: ConnectionId) {
        let Some(tenths) = self.listeners.remove(&listener) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&tenths) {
            group.members.remove(&listener);
            if group.members.is_empty() {
                self.groups.remove(&tenths);
            }
        }
    }

    fn volumes(&self, now: Instant) -> Vec<Volume> {
        let mut volumes: Vec<_> = self
            .voices
            .iter()
            .map(|(user, voice)| Volume {
                user: user.clone(),
                volume: voice.volume(now).round() as u8,
            })
            .filter(|v| v.volume > 0)
            .collect();
        volumes.sort_by_key(|v| Reverse(v.volume));
        volumes
    }

    /// Lists the volumes for those whose time it is.
    fn list(
        &mut self,
        now: Instant,
        key: &RoomKey,
        limits: &SpeakerLimits,
        counters: &mut SpeakerCounters,
        outputs: &mut std::collections::VecDeque<SpeakerOutput>,
    ) {
        if self.groups.values().all(|g| g.due > now) {
            return;
        }
        let mut volumes = self.volumes(now);
        let left_out = volumes.len().saturating_sub(limits.listed);
        volumes.truncate(limits.listed);
        let volumes: Arc<[Volume]> = volumes.into();
        for (tenths, group) in &mut self.groups {
            if group.due > now {
                continue;
            }
            group.due = now + Duration::from_millis(u64::from(*tenths) * 100);
            let is_loud = !volumes.is_empty();
            if std::mem::replace(&mut group.was_loud, is_loud) || is_loud {
                counters.not_listed += left_out as u64;
                outputs.push_back(SpeakerOutput::Volumes {
                    room: key.clone(),
                    listeners: group.members.iter().copied().collect(),
                    volumes: Arc::clone(&volumes),
                });
            }
        }
    }

    /// Compares the speakers, if it is time to.
    fn compare(
        &mut self,
        now: Instant,
        key: &RoomKey,
        outputs: &mut std::collections::VecDeque<SpeakerOutput>,
    ) {
        if self.compare_at.is_none_or(|at| at > now) {
            return;
        }
        let volume = |user: &UserId| self.voices.get(user).map_or(0.0, |v| v.volume(now));
        let current = self.active.as_ref().map_or(0.0, volume);
        self.quiet_since = match self.quiet_since {
            _ if is_speech(current) => None,
            Some(since) => Some(since),
            None => Some(now),
        };
        let quiet = self
            .quiet_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));

        let loudest = self
            .voices
            .iter()
            .map(|(user, voice)| (user, voice.volume(now)))
            .filter(|(user, volume)| is_speech(*volume) && self.active.as_ref() != Some(user))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let rival = match loudest {
            // A silent speaker's turn is over: no margin then.
            Some((user, volume)) if !is_speech(current) || volume >= current + MARGIN => Some(user),
            _ => None,
        };
        self.rival = match (rival, self.rival.take()) {
            (Some(user), Some((before, since))) if *user == before => Some((before, since)),
            (Some(user), _) => Some((user.clone(), now)),
            (None, _) => None,
        };
        let wait = match self.active {
            None => FIRST,
            Some(_) => TAKE_OVER,
        };
        match &self.rival {
            Some((user, since)) if now.saturating_duration_since(*since) >= wait => {
                let user = Some(user.clone());
                self.set_active(key, user, outputs);
            }
            None if self.active.is_some() && quiet >= SILENCE => {
                self.set_active(key, None, outputs);
            }
            _ => {}
        }
        let is_awake = self.active.is_some()
            || self.rival.is_some()
            || self.voices.values().any(|v| is_speech(v.volume(now)));
        self.compare_at = is_awake.then(|| now + COMPARE);
    }

    fn set_active(
        &mut self,
        key: &RoomKey,
        user: Option<UserId>,
        outputs: &mut std::collections::VecDeque<SpeakerOutput>,
    ) {
        self.active = user.clone();
        self.rival = None;
        self.quiet_since = None;
        outputs.push_back(SpeakerOutput::Active {
            room: key.clone(),
            user,
        });
    }
}

impl Voice {
    fn new(now: Instant, level: u8) -> Self {
        Self {
            volume: 0.0,
            newest: volume_of(level),
            at: now,
        }
    }

    fn handle(&mut self, now: Instant, level: u8) {
        self.volume = self.volume(now);
        self.newest = volume_of(level);
        self.at = self.at.max(now);
    }

    /// A level stands for the time until the next one, at most [`HOLD`]; then there is silence.
    fn volume(&self, now: Instant) -> f32 {
        let passed = now.saturating_duration_since(self.at);
        let held = passed.min(HOLD);
        let volume = approach(self.volume, self.newest, held);
        approach(volume, 0.0, passed - held)
    }
}

/// Where a volume is after some time on its way to another.
fn approach(from: f32, to: f32, passed: Duration) -> f32 {
    let over = if to > from { ATTACK } else { RELEASE };
    to + (from - to) * (-passed.as_secs_f32() / over.as_secs_f32()).exp()
}

/// 0 dBov is 100, and −[`FLOOR`] dBov and below is 0.
fn volume_of(level: u8) -> f32 {
    f32::from(FLOOR.saturating_sub(level)) * 100.0 / f32::from(FLOOR)
}

fn is_speech(volume: f32) -> bool {
    volume >= SPEECH
}

/// The shortest interval between lists of volumes.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest.
pub const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// The interval of a listener who names none.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// Room noise lies about here, in −dBov. Speech has 15 to 40.
const FLOOR: u8 = 60;

/// What counts as speech: −48 dBov.
const SPEECH: f32 = 20.0;

/// A rival is louder than the speaker by this: 6 dB, which is twice the pressure.
const MARGIN: f32 = 10.0;

/// Time constants of the smoothing. Volumes rise within a syllable and outlast the pauses between
/// words.
const ATTACK: Duration = Duration::from_millis(80);
const RELEASE: Duration = Duration::from_millis(400);

/// How long a level stands for without a new one. Opus sends one packet in 400 ms of silence.
const HOLD: Duration = Duration::from_millis(250);

/// How often speakers are compared.
const COMPARE: Duration = Duration::from_millis(100);

/// How long somebody speaks before being the first active speaker.
const FIRST: Duration = Duration::from_millis(200);

/// How long a rival leads before taking over: longer than a cough or a "yes".
const TAKE_OVER: Duration = Duration::from_millis(800);

/// How long the active speaker is silent before there is none.
const SILENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
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
}
