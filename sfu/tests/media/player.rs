//! What a viewer sees: which frames are shown when, and how long the picture stands still.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::frames::{self, Got, Part};

/// How long frames are held back, so that later ones may still come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// As long as 99 of 100 have needed in the last ten seconds, as a page can have it
    /// (`jitterBufferTarget`).
    Deep,
    /// As Chromium does by itself: frames that were sent again do not count, but add a round trip to
    /// the server. What the server asks for (`playout-delay`) is the least.
    Plain { rtt: Duration },
}

/// Shows the frames of one layer in order, as browsers do: a frame needs the one before it or is a
/// key frame.
pub struct Player {
    buffer: Buffer,
    /// When frame 0 was made.
    origin: Instant,
    /// From the making of a frame to its last packet, where nothing is lost.
    ideal: Duration,
    /// After this long without the next frame nobody asks for its packets any more.
    patience: Duration,
    frames: BTreeMap<u32, Frame>,
    /// The newest frame shown, and when.
    shown: Option<(u32, Instant)>,
    asked_at: Option<Instant>,
    /// What the whole frames of the last ten seconds needed above the ideal.
    recent: Vec<(Instant, Duration)>,
    hold: Duration,
    hold_at: Instant,
    /// What the server has asked for last.
    asked: Duration,
    /// The report.
    pub seen: Seen,
}

/// What was seen so far.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Times between two shown frames that are freezes, in sum.
    pub frozen: Duration,
    pub freezes: usize,
    /// How many frames were whole at last.
    pub whole: usize,
    /// What each of them needed above the ideal.
    pub added: Vec<Duration>,
    /// Key frames asked for.
    pub asked: usize,
}

struct Frame {
    parts: Vec<bool>,
    missing: usize,
    is_keyframe: bool,
}

impl Player {
    pub fn new(origin: Instant, ideal: Duration, rtt: Duration, buffer: Buffer) -> Self {
        Self {
            buffer,
            origin,
            ideal,
            patience: (rtt + RETRY_MARGIN).max(RETRY_LEAST) * RETRIES + rtt,
            frames: BTreeMap::new(),
            shown: None,
            asked_at: None,
            recent: Vec::new(),
            hold: Duration::ZERO,
            hold_at: origin,
            asked: Duration::ZERO,
            seen: Seen::default(),
        }
    }

    /// When a frame was made.
    pub fn made(&self, number: u32) -> Instant {
        self.origin + FRAME * number
    }

    /// Takes a packet.
    pub fn take(&mut self, got: &Got) {
        let part = frames::parse(got.codec, &got.payload).expect("payload is as it was made");
        self.asked = got.hold.unwrap_or(self.asked);
        self.take_part(part, got.at);
    }

    /// Takes a packet that came, or could be made of others, at this time.
    pub fn take_part(&mut self, part: Part, at: Instant) {
        if self.shown.is_some_and(|(shown, _)| part.number <= shown) {
            return;
        }
        let frame = self.frames.entry(part.number).or_insert_with(|| Frame {
            parts: vec![false; usize::from(part.count)],
            missing: usize::from(part.count),
            is_keyframe: part.keyframe,
        });
        if std::mem::replace(&mut frame.parts[usize::from(part.index)], true) {
            return;
        }
        frame.missing -= 1;
        if frame.missing == 0 {
            let due = self.made(part.number) + self.ideal;
            let added = at.saturating_duration_since(due);
            self.seen.whole += 1;
            self.seen.added.push(added);
            self.recent.push((at, added));
        }
    }

    /// Shows what is due. True if a key frame is to be asked for.
    pub fn advance(&mut self, now: Instant) -> bool {
        self.adapt(now);
        while let Some(number) = self.next() {
            if self.made(number) + self.ideal + self.hold > now {
                break;
            }
            if let Some((_, before)) = self.shown {
                self.count(now - before);
            }
            self.shown = Some((number, now));
            self.asked_at = None;
            self.frames = self.frames.split_off(&(number + 1));
        }
        let is_stuck = match self.shown {
            Some((last, _)) => {
                self.made(last + 1) + self.ideal + self.patience <= now && self.next().is_none()
            }
            None => true,
        };
        let asks = is_stuck && self.asked_at.is_none_or(|at| at + ASK_AGAIN <= now);
        if asks {
            self.asked_at = Some(now);
            self.seen.asked += 1;
        }
        asks
    }

    /// Ends the time that is looked at.
    pub fn end(&mut self, now: Instant) {
        if let Some((_, before)) = self.shown {
            self.count(now - before);
        }
    }

    /// The oldest frame that can be decoded: the next one, or a key frame.
    fn next(&self) -> Option<u32> {
        let next = self.shown.map(|(shown, _)| shown + 1);
        let mut whole = self.frames.iter().filter(|(_, frame)| frame.missing == 0);
        whole
            .find(|(number, frame)| frame.is_keyframe || Some(**number) == next)
            .map(|(number, _)| *number)
    }

    fn count(&mut self, pause: Duration) {
        if pause > FREEZE {
            self.seen.frozen += pause;
            self.seen.freezes += 1;
        }
    }

    fn adapt(&mut self, now: Instant) {
        if now < self.hold_at {
            return;
        }
        self.hold_at = now + Duration::from_millis(100);
        self.recent.retain(|(at, _)| *at + MEMORY >= now);
        let mut added: Vec<Duration> = self.recent.iter().map(|(_, added)| *added).collect();
        self.hold = match self.buffer {
            Buffer::Deep => quantile(&mut added, 0.99).min(MAX_HOLD),
            Buffer::Plain { rtt } => match quantile(&mut added, 1.0) > LEAST_HOLD {
                true => LEAST_HOLD + rtt,
                false => LEAST_HOLD,
            }
            .max(self.asked),
        };
    }
}

/// The value below which this part of them is; nothing if there are none.
pub fn quantile(values: &mut [Duration], part: f64) -> Duration {
    values.sort_unstable();
    let at = (values.len().saturating_sub(1) as f64 * part) as usize;
    values.get(at).copied().unwrap_or_default()
}

/// From one frame of a sender to the next.
pub const FRAME: Duration = Duration::from_millis(33);

/// The picture stands still if no new frame is shown for longer than this: what `freezeCount` of
/// W3C webrtc-stats says, which is the larger one of three frame times and one and 150 ms.
const FREEZE: Duration = Duration::from_millis(183);

/// Frames are not held back longer than this.
const MAX_HOLD: Duration = Duration::from_millis(500);

/// What browsers hold frames back where nothing is late.
const LEAST_HOLD: Duration = Duration::from_millis(10);

const MEMORY: Duration = Duration::from_secs(10);

/// A key frame that does not come is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The clients ask for a packet five times, a round trip and 5 ms apart, and look every 33 ms.
const RETRIES: u32 = 5;
const RETRY_MARGIN: Duration = Duration::from_millis(5);
const RETRY_LEAST: Duration = Duration::from_millis(33);

#[cfg(test)]
mod tests {
    use super::*;
    use packager::rtp::Codec;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Plays frames of two packets; those of `late` frames come so many ms later, or never.
    fn play(frames: u32, late: &[(u32, Option<u64>)], keyframes: &[u32]) -> Player {
        play_with(Buffer::Deep, frames, late, keyframes)
    }

    fn play_with(
        buffer: Buffer,
        frames: u32,
        late: &[(u32, Option<u64>)],
        keyframes: &[u32],
    ) -> Player {
        let origin = Instant::now();
        let mut player = Player::new(origin, ms(10), ms(20), buffer);
        for at in 0..u64::from(frames) * 33 {
            let now = origin + ms(at);
            for number in 0..frames {
                let found = late.iter().find(|(frame, _)| *frame == number);
                let Some(by) = found.map_or(Some(0), |(_, by)| *by) else {
                    continue;
                };
                if origin + FRAME * number + ms(10 + by) == now {
                    let is_key = keyframes.contains(&number);
                    for payload in frames::frame(Codec::H264, number, is_key, 2, 20) {
                        player.take(&Got {
                            at: now,
                            ssrc: 1,
                            seq: 0,
                            time: 0,
                            marker: false,
                            codec: Codec::H264,
                            payload,
                            descriptor: None,
                            hold: None,
                        });
                    }
                }
            }
            player.advance(now);
        }
        player
    }

    #[test]
    fn frames_in_time_are_shown_without_a_freeze() {
        let player = play(60, &[], &[0]);
        assert_eq!((player.seen.freezes, player.seen.asked), (0, 1));
        assert_eq!(player.seen.whole, 60);
        assert!(player.seen.added.iter().all(Duration::is_zero));
    }

    #[test]
    fn a_late_frame_holds_up_those_that_need_it() {
        let player = play(60, &[(20, Some(300))], &[0]);
        assert_eq!(player.seen.freezes, 1);
        assert_eq!(player.seen.frozen, ms(333));
    }

    #[test]
    fn without_a_frame_the_picture_stands_still_until_a_key_frame() {
        let player = play(60, &[(20, None)], &[0, 40]);
        assert_eq!(player.seen.frozen, FRAME * 21);
        assert_eq!(player.seen.whole, 59);
        assert!(player.seen.asked > 1);
    }

    #[test]
    fn frames_are_held_back_when_many_are_late() {
        let late: Vec<_> = (0..300).step_by(5).map(|n| (n, Some(250))).collect();
        let player = play(300, &late, &[0]);
        assert!(player.hold == ms(250), "{:?}", player.hold);
        assert!(player.seen.freezes < 5, "{}", player.seen.freezes);
    }

    #[test]
    fn a_plain_buffer_holds_frames_back_for_a_round_trip() {
        let late: Vec<_> = (0..300).step_by(10).map(|n| (n, Some(250))).collect();
        let buffer = Buffer::Plain { rtt: ms(40) };
        let player = play_with(buffer, 300, &late, &[0]);
        assert_eq!(player.hold, ms(50));
        assert!(player.seen.freezes > 20, "{}", player.seen.freezes);
        let player = play_with(buffer, 300, &[], &[0]);
        assert_eq!((player.hold, player.seen.freezes), (ms(10), 0));
    }
}
