//! How loud the streams published on one worker are.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use relay::StreamId;

use super::slots::SlotKey;
use crate::worker::StreamLevel;

/// Gathers the levels of audio packets (RFC 6464): the loudest of each stream in a window. Bounded
/// by the number of publishers.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    loudest: HashMap<SlotKey, StreamLevel>,
    due: Option<Instant>,
}

impl Levels {
    /// Takes note of a packet's level: in dBov, 0 or below.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        publisher: SlotKey,
        stream: &StreamId,
        level: i8,
        voice: Option<bool>,
    ) {
        let level = level.min(0).unsigned_abs().min(127);
        let entry = self
            .loudest
            .entry(publisher)
            .or_insert_with(|| StreamLevel {
                stream: stream.clone(),
                level,
                voice,
            });
        entry.level = entry.level.min(level);
        entry.voice = entry.voice.max(voice);
        self.due.get_or_insert(now + WINDOW);
    }

    /// When [`Self::take`] is worth a call.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The levels of a window that has ended.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Vec<StreamLevel>> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        Some(self.loudest.drain().map(|(_, level)| level).collect())
    }
}

/// How often levels are told.
const WINDOW: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::slots::Slots;

    #[test]
    fn loudest_packet_of_each_stream_is_told_five_times_a_second() {
        let start = Instant::now();
        let mut slots = Slots::default();
        let (a, b) = (slots.insert(()), slots.insert(()));
        let stream = |name: &str| name.parse::<StreamId>().expect("stream id");
        let mut levels = Levels::default();
        assert_eq!(levels.next_timeout(), None);
        let mut told = Vec::new();
        for ms in 0..1_000_u64 {
            let now = start + Duration::from_millis(ms);
            if ms % 20 == 0 {
                let level = if ms % 100 == 0 { -10 } else { -90 };
                levels.note(now, a, &stream("a"), level, Some(ms == 40));
                levels.note(now, b, &stream("b"), -127, None);
            }
            told.extend(levels.take(now));
        }
        assert_eq!(told.len(), 4);
        for batch in &mut told {
            batch.sort_by(|a, b| a.stream.as_str().cmp(b.stream.as_str()));
            let levels: Vec<u8> = batch.iter().map(|l| l.level).collect();
            assert_eq!(levels, [10, 127]);
            assert_eq!(batch[1].voice, None);
        }
        assert_eq!(told[0][0].voice, Some(true));
        assert_eq!(told[1][0].voice, Some(false));
    }
}
