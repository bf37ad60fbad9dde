//! Whose sound a subscriber with many streams hears: the loudest few, by the levels that packets
//! carry (RFC 6464). The others are as if in DTX.
//!
//! A place is kept for as long as its stream speaks, over the pauses between words. Who begins to
//! speak takes the place of one who is silent with the very packet that says so, or that of the
//! quietest speaker who is well below: nobody's first syllable is cut, and equal voices do not
//! take turns word by word.

use std::time::{Duration, Instant};

use super::slots::SlotKey;

/// How loud one stream is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Voice {
    /// Of its speech, in dBov, smoothed; 0 is the loudest.
    loudness: f32,
    /// The last packet of speech.
    spoke_at: Option<Instant>,
    has_levels: bool,
}

impl Voice {
    /// Takes the level of a packet in dBov, 0 or below.
    pub(crate) fn note(&mut self, now: Instant, level: i8) {
        self.has_levels = true;
        let level = f32::from(level.clamp(-127, 0));
        if level < SPEECH {
            return;
        }
        self.loudness = match self.loudness(now) {
            Some(loudness) => loudness + (level - loudness) * SMOOTHING,
            None => level,
        };
        self.spoke_at = Some(now);
    }

    /// `None` for one who is silent.
    fn loudness(&self, now: Instant) -> Option<f32> {
        let spoke_at = self.spoke_at?;
        (now.saturating_duration_since(spoke_at) < PAUSE).then_some(self.loudness)
    }
}

/// The streams that one subscriber hears. Bounded by its limit.
#[derive(Debug)]
pub(crate) struct Stage {
    limit: usize,
    places: Vec<Place>,
}

impl Default for Stage {
    /// For everybody.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

#[derive(Debug)]
struct Place {
    room: SlotKey,
    voice: Voice,
    since: Instant,
}

/// What becomes of a stream's packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Yes,
    /// From this packet on, in the place of another one.
    Instead,
    No,
}

impl Stage {
    /// For so many at once.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            places: Vec::new(),
        }
    }

    /// How many are heard at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether a packet of a stream is heard among the loudest. A stream without levels
    /// cannot be compared, takes no place and is always heard.
    pub(crate) fn admit(&mut self, now: Instant, room: SlotKey, voice: &Voice) -> Heard {
        if !voice.has_levels {
            return Heard::Yes;
        }
        if let Some(place) = self.places.iter_mut().find(|place| place.room == room) {
            place.voice = *voice;
            return Heard::Yes;
        }
        let place = Place {
            room,
            voice: *voice,
            since: now,
        };
        if self.places.len() < self.limit {
            self.places.push(place);
            return Heard::Yes;
        }
        let Some(loudness) = voice.loudness(now) else {
            return Heard::No;
        };
        let by_loudness = |place: &&mut Place| {
            let loudness = place.voice.loudness(now).unwrap_or(f32::MIN);
            // Of the silent ones the first to go is who has been so for longest.
            (loudness, place.voice.spoke_at)
        };
        let quietest = self.places.iter_mut().min_by(|a, b| {
            let (a, b) = (by_loudness(a), by_loudness(b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        });
        let Some(quietest) = quietest else {
            return Heard::No;
        };
        let gives_way = quietest.voice.loudness(now).is_none_or(|other| {
            loudness >= other + MARGIN && now.saturating_duration_since(quietest.since) >= STAY
        });
        if !gives_way {
            return Heard::No;
        }
        *quietest = place;
        Heard::Instead
    }

    /// A stream is not wanted any more.
    pub(crate) fn leave(&mut self, room: SlotKey) {
        self.places.retain(|place| place.room != room);
    }
}

/// What counts as speech, in dBov: as for the volumes that rooms are told.
const SPEECH: f32 = -48.0;

/// Somebody who is silent for longer has ended: longer than the pauses of fluent speech, and than
/// the 400 ms between two packets of DTX.
const PAUSE: Duration = Duration::from_secs(1);

/// Of a new level at 50 packets a second: a time constant of 200 ms.
const SMOOTHING: f32 = 0.1;

/// Who is louder than the quietest speaker by this, which is twice the pressure, takes the place.
const MARGIN: f32 = 6.0;

/// How long a new speaker cannot lose the place to a louder one.
const STAY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::slots::Slots;

    /// Voices that send a packet in 20 ms, and one who hears three of them.
    struct Round {
        now: Instant,
        stage: Stage,
        rooms: Vec<SlotKey>,
        voices: Vec<Voice>,
        changes: usize,
    }

    impl Round {
        fn of(count: usize) -> Self {
            let mut slots = Slots::default();
            Self {
                now: Instant::now(),
                stage: Stage::new(3),
                rooms: (0..count).map(|_| slots.insert(())).collect(),
                voices: vec![Voice::default(); count],
                changes: 0,
            }
        }

        /// One packet of each; who is heard.
        fn packets(&mut self, levels: &[i8]) -> Vec<usize> {
            self.now += Duration::from_millis(20);
            let mut heard = Vec::new();
            for (index, level) in levels.iter().enumerate() {
                self.voices[index].note(self.now, *level);
                let (room, voice) = (self.rooms[index], &self.voices[index]);
                let admitted = self.stage.admit(self.now, room, voice);
                self.changes += usize::from(admitted == Heard::Instead);
                if admitted != Heard::No {
                    heard.push(index);
                }
            }
            heard
        }

        fn last(&mut self, count: usize, levels: &[i8]) -> Vec<usize> {
            (1..count).for_each(|_| drop(self.packets(levels)));
            self.packets(levels)
        }
    }

    #[test]
    fn the_loudest_are_heard() {
        let mut round = Round::of(6);
        let levels = [-40, -20, -100, -30, -25, -100];
        assert_eq!(round.last(100, &levels), [1, 3, 4]);
        assert!(round.stage.places.len() <= 3);
    }

    #[test]
    fn who_begins_is_heard_with_the_first_packet_in_place_of_the_silent() {
        let mut round = Round::of(5);
        assert_eq!(round.last(50, &[-20, -20, -127, -127, -127]), [0, 1, 2]);
        // What the silent one has sent before in the same moment is out.
        assert_eq!(round.packets(&[-20, -20, -127, -47, -127]), [0, 1, 2, 3]);
        assert_eq!(round.packets(&[-20, -20, -127, -47, -127]), [0, 1, 3]);
        // Of two silent ones, who has been so for longest goes.
        round.packets(&[-20, -20, -127, -127, -127]);
        assert_eq!(round.last(60, &[-20, -127, -127, -127, -127]), [0, 1, 3]);
        assert_eq!(round.packets(&[-20, -127, -127, -127, -20]), [0, 1, 3, 4]);
        assert_eq!(round.packets(&[-20, -127, -127, -127, -20]), [0, 1, 4]);
    }

    #[test]
    fn pauses_between_words_cost_no_place() {
        let mut round = Round::of(4);
        assert_eq!(round.last(100, &[-20, -20, -20, -20]), [0, 1, 2]);
        assert_eq!(round.last(49, &[-20, -20, -90, -20]), [0, 1, 2]);
        assert_eq!(round.last(10, &[-20, -20, -20, -20]), [0, 1, 2]);
        assert_eq!(round.last(51, &[-20, -20, -90, -20]), [0, 1, 3]);
    }

    #[test]
    fn equal_voices_do_not_take_turns_and_a_louder_one_comes_through() {
        let mut round = Round::of(10);
        let start = round.changes;
        for step in 0..1_000_usize {
            let levels: Vec<i8> = (0..10)
                .map(|i| -30 + ((step * 3 + i * 5) % 7) as i8)
                .collect();
            round.packets(&levels);
        }
        assert_eq!(round.changes, start);
        let mut levels = [-30; 10];
        levels[9] = -20;
        assert!(round.last(60, &levels).contains(&9));
        // A new speaker stays for a second whoever comes.
        levels[8] = -3;
        assert_eq!(round.last(60, &levels).len(), 3);
        assert_eq!(round.changes, start + 2);
    }

    #[test]
    fn streams_without_levels_are_always_heard_and_those_that_left_make_room() {
        let mut round = Round::of(5);
        round.last(10, &[-20, -20, -20]);
        let none = Voice::default();
        let admit = |round: &mut Round, i: usize, voice| {
            let room = round.rooms[i];
            round.stage.admit(round.now, room, voice)
        };
        assert_eq!(admit(&mut round, 3, &none), Heard::Yes);
        let mut quiet = Voice::default();
        quiet.note(round.now, -100);
        assert_eq!(admit(&mut round, 4, &quiet), Heard::No);
        round.stage.leave(round.rooms[1]);
        assert_eq!(admit(&mut round, 4, &quiet), Heard::Yes);
        assert_eq!(round.stage.places.len(), 3);
    }
}
