//! Frames of another server as they come in, over one connection after another, on one timeline.
//!
//! The times of the first connection are taken as they are. When the connection was lost, the next
//! one mostly begins a little before its end, with the newest group of pictures: where the last
//! frame comes again, byte for byte, the frames behind it continue what was there and nobody
//! notices. Where it does not, what comes is of another source: it goes on behind the last frame,
//! after the time that passed.
//!
//! Sound that players were told of never stops: they wait for it and show no picture without it.
//! Where a source has pictures alone there is silence, in the format of the sound before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use packager::aac;
use packager::flv::demux::{BACK_MS, Demuxed};
use packager::frames::{AudioConfig, AudioFrame, Frame, VideoFrame};
use packager::rtp::Tracks;
use packager::time::MediaTime;

use crate::metrics::Metrics;

/// How long frames of a new connection are held until the last one of the old comes again. What
/// the other server has kept arrives as fast as a new connection carries it: over 250 ms there and
/// back, slow start (RFC 5681, from ten segments) takes two seconds to a group of pictures of 2 MB.
const SEAM_WAIT: Duration = Duration::from_secs(3);

/// No server keeps what is so much older than the newest frame: who begins there is another source,
/// and nobody waits.
const OLDEST_MS: i64 = 30_000;

/// Bytes that are held meanwhile: ten seconds at 25 Mbit/s, as much as a server of this kind
/// keeps.
const SEAM_BYTES: usize = 32 << 20;

/// A pause above this is taken out of media time, as between two publishers.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// Between the last frame of a source and the first of the next: the step of FLV's times.
const STEP_MS: i64 = 1;

/// So much later than the newest one, beyond what passed: likewise.
const AHEAD: Duration = Duration::from_secs(10);

/// FLV's times are cut to milliseconds: one that is expected so near is the same.
const JITTER: Duration = Duration::from_millis(3);

/// Sound that is so far behind the pictures does not come: what is later yet is of another clock.
const SOUND_ABSENT: Duration = Duration::from_millis(BACK_MS as u64);

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placed {
    /// What follows is of another source, and has these tracks.
    NewSource(Tracks),
    /// The sound that follows has this format.
    Sound(AudioConfig),
    /// A frame with its media time.
    Frame(Frame),
}

/// See the module.
#[derive(Debug)]
pub(super) struct FrameInput {
    /// What the connection announces, and what came of it all the same.
    tracks: Tracks,
    /// Media time less the other server's time, in milliseconds, so that these stay whole.
    offset_ms: i64,
    /// The last frame of each track, with the other server's time.
    video: Option<Frame>,
    audio: Option<Frame>,
    /// The newest time of the other server.
    newest: Option<MediaTime>,
    /// The media time at which everything so far is over.
    horizon: MediaTime,
    last_arrival: Option<Instant>,
    /// Pictures up to the next key frame do not decode.
    needs_keyframe: bool,
    sound: Option<AudioConfig>,
    sound_clock: Option<SoundClock>,
    /// Some source had sound.
    has_sounded: bool,
    /// Where the sound of this source ends, at first where its pictures begin.
    sound_end: Option<MediaTime>,
    /// Its last sound is silence made here.
    is_silent: bool,
    joining: Option<Joining>,
    out: VecDeque<Placed>,
}

/// The time of sound by its samples since a frame whose time is known.
#[derive(Debug, Clone, Copy)]
struct SoundClock {
    start: MediaTime,
    samples: u64,
}

/// A new connection, before it is known what it continues.
#[derive(Debug, Default)]
struct Joining {
    tracks: Tracks,
    since: Option<Instant>,
    held: Vec<Demuxed>,
    bytes: usize,
}

/// What a frame says about a new connection.
enum Verdict {
    Unknown,
    Continues,
    Other,
}

impl FrameInput {
    pub(super) fn new(tracks: Tracks) -> Self {
        Self {
            tracks,
            offset_ms: 0,
            video: None,
            audio: None,
            newest: None,
            horizon: MediaTime::ZERO,
            last_arrival: None,
            needs_keyframe: true,
            sound: None,
            sound_clock: None,
            has_sounded: false,
            sound_end: None,
            is_silent: false,
            joining: None,
            out: VecDeque::new(),
        }
    }

    /// What follows comes over another connection, which announces these tracks.
    pub(super) fn reconnect(&mut self, tracks: Tracks) {
        // What an earlier connection brought and was not used would come again.
        self.joining = self.newest.map(|_| Joining {
            tracks,
            ..Joining::default()
        });
        if self.joining.is_none() {
            self.tracks = tracks;
        }
    }

    /// Takes the next frame or format.
    pub(super) fn handle(&mut self, now: Instant, item: Demuxed, metrics: &Metrics) {
        let Some(joining) = &mut self.joining else {
            self.place(now, item, metrics);
            return;
        };
        let since = *joining.since.get_or_insert(now);
        joining.bytes += size(&item);
        let is_long = now.saturating_duration_since(since) >= SEAM_WAIT;
        let verdict = match self.judge(&item) {
            Verdict::Unknown if is_long || self.is_full() => Verdict::Other,
            verdict => verdict,
        };
        let Some(joining) = &mut self.joining else {
            return;
        };
        joining.held.push(item);
        if matches!(verdict, Verdict::Unknown) {
            return;
        }
        let held = std::mem::take(&mut joining.held);
        self.tracks = joining.tracks;
        self.joining = None;
        if matches!(verdict, Verdict::Other) {
            let first = held.iter().find_map(time_of);
            self.begin_source(since, first.unwrap_or_default());
            metrics.count_event("source_changed", 1);
        } else {
            metrics.count_event("source_continued", 1);
        }
        for item in held {
            self.place(now, item, metrics);
        }
    }

    /// What is ready.
    pub(super) fn poll(&mut self) -> Option<Placed> {
        self.out.pop_front()
    }

    fn is_full(&self) -> bool {
        let joining = self.joining.as_ref();
        joining.is_some_and(|joining| joining.bytes >= SEAM_BYTES)
    }

    /// Pictures decide, where there were some.
    fn judge(&self, item: &Demuxed) -> Verdict {
        let (seen, frame) = match (item, &self.video, &self.audio) {
            (Demuxed::Frame(frame @ Frame::Video(_)), Some(seen), _)
            | (Demuxed::Frame(frame @ Frame::Audio(_)), None, Some(seen)) => (seen, frame),
            _ => return Verdict::Unknown,
        };
        if ms(seen.dts()) - ms(frame.dts()) > OLDEST_MS {
            return Verdict::Other;
        }
        match frame.dts().cmp(&seen.dts()) {
            std::cmp::Ordering::Less => Verdict::Unknown,
            std::cmp::Ordering::Equal if frame == seen => Verdict::Continues,
            _ => Verdict::Other,
        }
    }

    /// Puts a source whose first frame has the time `first` behind what was there.
    fn begin_source(&mut self, now: Instant, first: MediaTime) {
        let passed = self
            .last_arrival
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let end_ms = ceil_ms(self.horizon);
        // The clock of before, a little later: the pause is what it says.
        let by_clock = ms(first) + self.offset_ms - end_ms;
        let most = millis(passed.saturating_add(MAX_PAUSE));
        let pause = match (1..=most).contains(&by_clock) {
            true => by_clock,
            false => millis(passed),
        };
        let pause = if pause > millis(MAX_PAUSE) {
            STEP_MS
        } else {
            pause.max(STEP_MS)
        };
        self.offset_ms = end_ms + pause - ms(first);
        self.video = None;
        self.audio = None;
        self.newest = None;
        self.sound_clock = None;
        self.sound_end = None;
        self.is_silent = false;
        self.needs_keyframe = true;
        self.out.push_back(Placed::NewSource(Tracks {
            audio: self.tracks.audio || self.has_sounded,
            ..self.tracks
        }));
    }

    fn place(&mut self, now: Instant, item: Demuxed, metrics: &Metrics) {
        let frame = match item {
            Demuxed::Audio(config) => {
                if self.sound.as_ref() != Some(&config) {
                    self.sound = Some(config.clone());
                    self.sound_clock = None;
                    self.out.push_back(Placed::Sound(config));
                }
                return;
            }
            Demuxed::Frame(frame) => frame,
        };
        let time = frame.dts();
        if self.is_of_other_clock(now, time) {
            metrics.count_event("clock_jump", 1);
            self.begin_source(now, time);
        }
        let seen = match frame {
            Frame::Video(_) => &mut self.video,
            Frame::Audio(_) => &mut self.audio,
        };
        if seen.as_ref().is_some_and(|seen| time <= seen.dts()) {
            metrics.count_drop("frame_repeated", 1);
            return;
        }
        *seen = Some(frame.clone());
        self.newest = self.newest.max(Some(time));
        self.last_arrival = Some(now);
        match frame {
            Frame::Video(frame) => self.place_picture(frame, metrics),
            Frame::Audio(frame) => self.place_sound(frame, metrics),
        }
    }

    fn place_picture(&mut self, frame: VideoFrame, metrics: &Metrics) {
        let (Some(dts), Some(pts)) = (self.media_time(frame.dts), self.media_time(frame.pts))
        else {
            metrics.count_drop("frame_before_start", 1);
            return;
        };
        if std::mem::replace(&mut self.needs_keyframe, false) && !frame.is_keyframe {
            self.needs_keyframe = true;
            metrics.count_drop("frame_without_keyframe", 1);
            return;
        }
        self.horizon = self.horizon.max(dts);
        self.keep_sounding(dts, metrics);
        let frame = VideoFrame { dts, pts, ..frame };
        self.out.push_back(Placed::Frame(Frame::Video(frame)));
    }

    /// Makes silence up to a picture, and for as long as a frame beyond it so that nobody waits for
    /// sound to go with it, if the source has none.
    fn keep_sounding(&mut self, picture: MediaTime, metrics: &Metrics) {
        let Some(config) = self.sound.as_ref().filter(|_| self.has_sounded) else {
            return;
        };
        let end = *self.sound_end.get_or_insert(picture);
        let is_absent = !self.tracks.audio || picture.since(end) >= SOUND_ABSENT;
        if !self.is_silent && !is_absent {
            return;
        }
        self.is_silent = true;
        let rate = config.sample_rate;
        let length = MediaTime::from_hz(aac::SAMPLES_PER_FRAME.into(), rate).as_duration();
        let until = picture.saturating_add(length);
        let mut clock = self.sound_clock.unwrap_or(SoundClock::at(end));
        let mut made = 0.0;
        while clock.end(rate) < until {
            let frame = AudioFrame {
                pts: clock.end(rate),
                data: Bytes::from_static(aac::silence(config.channels)),
                samples: aac::SAMPLES_PER_FRAME,
            };
            clock.samples += u64::from(frame.samples);
            made += length.as_secs_f64();
            self.out.push_back(Placed::Frame(Frame::Audio(frame)));
        }
        let filled = &metrics.audio_filled;
        filled.with_label_values(&["silence"]).inc_by(made);
        self.horizon = self.horizon.max(clock.end(rate));
        self.sound_end = Some(clock.end(rate));
        self.sound_clock = Some(clock);
    }

    fn place_sound(&mut self, frame: AudioFrame, metrics: &Metrics) {
        let Some(start) = self.media_time(frame.pts) else {
            metrics.count_drop("frame_before_start", 1);
            return;
        };
        if self.is_silent && self.sound_end.is_some_and(|end| start < end) {
            metrics.count_drop("frame_over_silence", 1);
            return;
        }
        // By its samples, within the millisecond that is written: sound has no other jitter.
        let rate = self.sound.as_ref().map_or(0, |sound| sound.sample_rate);
        let last = MediaTime::from_ticks(start.ticks() + MediaTime::HZ / 1_000 - 1);
        let near = |end: MediaTime| end.since(start) < JITTER && start.since(end) < JITTER;
        let clock = match self.sound_clock {
            Some(clock) if near(clock.end(rate)) => {
                let end = clock.end(rate);
                let pts = end.clamp(start, last);
                if pts == end {
                    clock
                } else {
                    SoundClock::at(pts)
                }
            }
            _ => SoundClock::at(start),
        };
        let pts = clock.end(rate);
        let clock = SoundClock {
            samples: clock.samples + u64::from(frame.samples),
            ..clock
        };
        let end = clock.end(rate);
        self.sound_clock = Some(clock);
        self.horizon = self.horizon.max(end);
        (self.tracks.audio, self.has_sounded) = (true, true);
        (self.sound_end, self.is_silent) = (Some(end), false);
        let frame = AudioFrame { pts, ..frame };
        self.out.push_back(Placed::Frame(Frame::Audio(frame)));
    }

    fn is_of_other_clock(&self, now: Instant, time: MediaTime) -> bool {
        let (Some(newest), Some(last)) = (self.newest, self.last_arrival) else {
            return false;
        };
        let step = ms(time) - ms(newest);
        let passed = now.saturating_duration_since(last);
        step <= -BACK_MS || step > millis(passed.saturating_add(AHEAD))
    }

    /// None before the start of all media.
    fn media_time(&self, time: MediaTime) -> Option<MediaTime> {
        let shifted = time.as_millis().checked_add_signed(self.offset_ms)?;
        Some(MediaTime::from_millis(shifted))
    }
}

impl SoundClock {
    fn at(start: MediaTime) -> Self {
        Self { start, samples: 0 }
    }

    /// Where the samples so far end.
    fn end(&self, rate: u32) -> MediaTime {
        let length = MediaTime::from_hz(self.samples, rate);
        MediaTime::from_ticks(self.start.ticks().saturating_add(length.ticks()))
    }
}

fn time_of(item: &Demuxed) -> Option<MediaTime> {
    match item {
        Demuxed::Frame(frame) => Some(frame.dts()),
        Demuxed::Audio(_) => None,
    }
}

fn data_of(frame: &Frame) -> &Bytes {
    match frame {
        Frame::Video(frame) => &frame.data,
        Frame::Audio(frame) => &frame.data,
    }
}

fn size(item: &Demuxed) -> usize {
    match item {
        Demuxed::Frame(frame) => data_of(frame).len() + size_of::<Demuxed>(),
        Demuxed::Audio(_) => size_of::<Demuxed>(),
    }
}

fn ms(time: MediaTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

/// The first whole millisecond that is not before.
fn ceil_ms(time: MediaTime) -> i64 {
    ms(MediaTime::from_ticks(
        time.ticks() + MediaTime::HZ / 1_000 - 1,
    ))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(feature = "aac")]
#[cfg(test)]
mod tests;
