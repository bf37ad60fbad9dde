//! Timeline: RTP times of both tracks to media time.
//!
//! Every track has an offset: media time = its unwrapped RTP time + offset. The
//! first offsets come from the sender reports of both tracks (RFC 3550 §6.4.1)
//! when these come in time, else from the arrival of the packets.
//!
//! Audio is the master: its offset stays as it is, so that audio times are exact
//! sample counts. Video follows by a slew that is too small to be seen, towards
//! where the reports put it: clocks that drift apart by 400 ppm are held together
//! within the 2 ms between two reports.
//!
//! A track that was silent has its clock looked at when it comes back, because
//! some senders' clocks stand still meanwhile, and others have drifted: a clock
//! that does not fit is put where the arrival of the other track says, as far
//! behind or before it as it was on the way before. While a track is silent,
//! nothing follows it.

mod comeback;
mod track;

use std::time::{Duration, Instant};

use crate::rtp::{MediaKind, SenderReport, Tracks};
use crate::time::MediaTime;
use track::Track;

/// The times that a [`Timeline`] keeps to.
#[derive(Clone, Copy, Debug)]
pub struct TimelineConfig {
    /// How long after the first packet to wait for the sender reports of both
    /// tracks.
    pub report_wait: Duration,
    /// A silence of all tracks longer than this is taken out of media time.
    pub max_pause: Duration,
}

impl Default for TimelineConfig {
    /// 500 ms and 3 s.
    fn default() -> Self {
        TimelineConfig {
            report_wait: Duration::from_millis(500),
            max_pause: Duration::from_secs(3),
        }
    }
}

/// What a [`Timeline`] has met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimelineCounters {
    /// Packets and reports of a track that the publisher has not announced.
    pub unknown_track: u64,
    /// Sender reports far from the packets of their track.
    pub bad_reports: u64,
    /// Alignments by sender reports that differ from the arrival of the
    /// packets by more than any network explains.
    pub implausible_reports: u64,
    /// Jumps of a sender's RTP clock that were bridged.
    pub clock_jumps: u64,
    /// Pauses taken out.
    pub pauses: u64,
    /// Times held back so that media time does not go back.
    pub held_back: u64,
}

/// Puts both tracks of a broadcast on one clock that starts near zero and
/// never goes back, over every publisher that the broadcast will have.
///
/// Time comes in with the packets and by [`handle_timeout`](Self::handle_timeout).
#[derive(Debug)]
pub struct Timeline {
    config: TimelineConfig,
    /// Where arrival ticks count from: the first packet of all.
    epoch: Option<Instant>,
    audio: Option<Track>,
    video: Option<Track>,
    state: State,
    /// Where the publishers before this one ended: media time and arrival.
    before: Option<(i64, i64)>,
    last_arrival: Option<i64>,
    /// What audio that arrives together with video is ahead of it in media time.
    lead_on_arrival: Option<i64>,
    jumps: u64,
    counters: TimelineCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No packet of this publisher has come.
    Idle,
    /// Packets have come; reports are waited for until then.
    Waiting { until: i64 },
    /// The tracks have their places.
    Placed,
}

impl Timeline {
    /// A timeline at zero for a first publisher with `tracks`.
    pub fn new(config: TimelineConfig, tracks: Tracks) -> Self {
        let mut timeline = Timeline {
            config,
            epoch: None,
            audio: None,
            video: None,
            state: State::Idle,
            before: None,
            last_arrival: None,
            lead_on_arrival: None,
            jumps: 0,
            counters: TimelineCounters::default(),
        };
        timeline.set_tracks(tracks);
        timeline
    }

    /// Starts over with a new publisher: other RTP streams, other clocks.
    /// Media time goes on from where it was.
    pub fn republish(&mut self, tracks: Tracks) {
        if let (Some(horizon), Some(arrival)) = (self.horizon(), self.last_arrival) {
            self.before = Some((horizon, arrival));
        }
        self.jumps += 1;
        self.set_tracks(tracks);
    }

    /// Notes that a packet of the track `kind` came in. To be called for each
    /// packet, best at its arrival.
    pub fn handle_rtp(&mut self, kind: MediaKind, rtp_time: u32, received: Instant) {
        let arrival = self.arrival(received);
        self.handle_arrival_time(arrival);
        let Some(track) = self.track_mut(kind) else {
            self.counters.unknown_track += 1;
            return;
        };
        track.first_arrival.get_or_insert(arrival);
        let is_first = track.newest_local().is_none();
        let horizon = self.horizon();
        let Some(track) = self.track_mut(kind) else {
            return;
        };
        let local = track.advance(rtp_time);
        let silence = self.last_arrival.map_or(0, |last| arrival - last);
        if self.state == State::Placed && silence > self.max_pause() {
            self.take_pause_out(kind, rtp_time, local, arrival, silence, horizon);
        } else if !is_first {
            self.welcome_back(kind, rtp_time, local, arrival);
            self.watch_clock(kind, rtp_time, local, arrival);
        }
        if let Some(track) = self.track_mut(kind) {
            // It may have been relabelled.
            let local = track.local(rtp_time).unwrap_or(local);
            track.arrived(local, arrival);
        }
        self.last_arrival = self.last_arrival.max(Some(arrival));
        match self.state {
            State::Idle => {
                let wait = ticks(self.config.report_wait);
                self.state = State::Waiting {
                    until: arrival.saturating_add(wait),
                };
                self.place_if_ready();
            }
            State::Waiting { .. } => self.place_if_ready(),
            State::Placed => {
                self.place_newcomer(kind);
                self.slew_video(arrival);
                self.learn_lead(arrival);
            }
        }
    }

    /// Takes a sender report of the track `kind` in.
    pub fn handle_sender_report(&mut self, kind: MediaKind, report: &SenderReport) {
        let Some(track) = self.track_mut(kind) else {
            self.counters.unknown_track += 1;
            return;
        };
        if !track.handle_report(report) {
            self.counters.bad_reports += 1;
        }
        if self.has_reports() && self.video_lead().is_some_and(|lead| !lead.is_by_report()) {
            self.counters.implausible_reports += 1;
        }
        if matches!(self.state, State::Waiting { .. }) {
            self.place_if_ready();
        }
    }

    /// Says that it is `now`: ends the wait for sender reports when it is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.epoch.is_some() {
            let now = self.arrival(now);
            self.handle_arrival_time(now);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => {
                let until = MediaTime::from_ticks(u64::try_from(until).ok()?);
                // One tick later, against the rounding of ticks to nanoseconds.
                self.epoch?
                    .checked_add(until.as_duration() + Duration::from_micros(2))
            }
            State::Idle | State::Placed => None,
        }
    }

    /// The media time of `rtp_time` of the track `kind`; `None` while the
    /// first sender reports are waited for, or when no packet of the track has
    /// come.
    pub fn media_time(&mut self, kind: MediaKind, rtp_time: u32) -> Option<MediaTime> {
        if self.state != State::Placed {
            return None;
        }
        let track = match kind {
            MediaKind::Audio => self.audio.as_mut()?,
            MediaKind::Video => self.video.as_mut()?,
        };
        let (local, newest) = (track.local(rtp_time)?, track.newest_local()?);
        let offset = track.offset?;
        if local > newest {
            // No packet is newer than the newest: this time is from before a
            // jump, and what followed it is not known any more.
            self.counters.held_back += 1;
            let newest = newest.saturating_add(offset);
            let held = track.latest.unwrap_or(newest).max(track.floor);
            track.latest = Some(held);
            return u64::try_from(held).ok().map(MediaTime::from_ticks);
        }
        let media = local.saturating_add(offset);
        // A slew must not take back what an earlier call gave for this time.
        let is_in_order = track.asked.is_none_or(|asked| local >= asked);
        let floor = match track.latest {
            Some(latest) if is_in_order => track.floor.max(latest),
            _ => track.floor,
        };
        let held = media.max(floor);
        track.latest = track.latest.max(Some(held));
        track.asked = track.asked.max(Some(local));
        if media < floor {
            self.counters.held_back += 1;
        }
        u64::try_from(held).ok().map(MediaTime::from_ticks)
    }

    /// The media time of `rtp_time` on the clock of the track `kind`, for a
    /// source that is sent beside the track and was put on its clock. Unlike
    /// [`media_time`](Self::media_time) it does not ask for packets of the
    /// track that are as new, and may go back by what the track is slewed.
    pub fn time_beside(&self, kind: MediaKind, rtp_time: u32) -> Option<MediaTime> {
        if self.state != State::Placed {
            return None;
        }
        let track = self.track(kind)?;
        let media = track.local(rtp_time)?.saturating_add(track.offset?);
        u64::try_from(media.max(track.floor))
            .ok()
            .map(MediaTime::from_ticks)
    }

    /// The media time that a packet of the track `kind` would have that came at
    /// `now` without delay on the way.
    pub fn time_on_arrival(&mut self, kind: MediaKind, now: Instant) -> Option<MediaTime> {
        let now = self.arrival(now);
        let offset = self.track(kind)?.arrival_offset()?;
        u64::try_from(now + offset).ok().map(MediaTime::from_ticks)
    }

    /// Counts the places where media time and the wall clock moved apart: a
    /// new publisher, a pause taken out.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// What was met so far.
    pub fn counters(&self) -> TimelineCounters {
        self.counters
    }

    fn set_tracks(&mut self, tracks: Tracks) {
        self.audio = tracks.audio.then(|| Track::new(MediaKind::Audio));
        self.video = tracks.video.then(|| Track::new(MediaKind::Video));
        self.state = State::Idle;
        self.lead_on_arrival = None;
    }

    fn track(&self, kind: MediaKind) -> Option<&Track> {
        match kind {
            MediaKind::Audio => self.audio.as_ref(),
            MediaKind::Video => self.video.as_ref(),
        }
    }

    fn track_mut(&mut self, kind: MediaKind) -> Option<&mut Track> {
        match kind {
            MediaKind::Audio => self.audio.as_mut(),
            MediaKind::Video => self.video.as_mut(),
        }
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.audio.iter().chain(&self.video)
    }

    /// The media time that everything so far is at or before.
    fn horizon(&self) -> Option<i64> {
        self.tracks()
            .filter_map(Track::horizon)
            .max()
            .max(self.before.map(|(media, _)| media))
    }

    fn max_pause(&self) -> i64 {
        ticks(self.config.max_pause)
    }

    /// `instant` in ticks since the first packet of all.
    fn arrival(&mut self, instant: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(instant);
        match instant.checked_duration_since(epoch) {
            Some(after) => ticks(after),
            None => -ticks(epoch - instant),
        }
    }

    fn handle_arrival_time(&mut self, now: i64) {
        match self.state {
            State::Waiting { until } if now >= until => self.place(),
            _ => {}
        }
    }

    /// Places the tracks when there is nothing more to wait for.
    fn place_if_ready(&mut self) {
        let is_known = |track: &Option<Track>| {
            track
                .as_ref()
                .is_none_or(|track| track.newest_local().is_some() && track.sender.is_some())
        };
        let is_alone = self.audio.is_none() || self.video.is_none();
        if is_alone || (is_known(&self.audio) && is_known(&self.video)) {
            self.place();
        }
    }

    /// Gives the tracks that have packets their first places: in step with
    /// each other, the earlier first packet at the start.
    fn place(&mut self) {
        self.state = State::Placed;
        let start = self.start_of_publisher();
        // A first packet is at zero local time, so an offset is its media time.
        let lead = self.video_lead().map_or(0, |lead| lead.ticks);
        let earlier = lead.min(0);
        for (track, offset) in [(&mut self.audio, 0), (&mut self.video, lead)] {
            if let Some(track) = track.as_mut() {
                track.floor = start;
                if let Some(newest) = track.newest_local() {
                    track.offset = Some(start + offset - earlier);
                    track.slewed_at = newest;
                }
            }
        }
    }

    /// A new publisher goes on after the time that passed without one, unless
    /// that is a pause.
    fn start_of_publisher(&self) -> i64 {
        let Some((horizon, last_arrival)) = self.before else {
            return 0;
        };
        let first_arrival = self.tracks().filter_map(|track| track.first_arrival).min();
        let silence = first_arrival.map_or(0, |first| first - last_arrival);
        let step = if silence > self.max_pause() {
            STEP
        } else {
            silence.max(STEP)
        };
        horizon.saturating_add(step)
    }

    /// Gives the track `kind` its place beside the other, if it has none yet.
    fn place_newcomer(&mut self, kind: MediaKind) {
        let lead = self.video_lead().map_or(0, |lead| lead.ticks);
        let (track, other, lead) = match kind {
            MediaKind::Audio => (&mut self.audio, &self.video, -lead),
            MediaKind::Video => (&mut self.video, &self.audio, lead),
        };
        if let (Some(track), Some(other)) = (track, other)
            && track.offset.is_none()
        {
            track.offset = other.offset.map(|offset| offset.saturating_add(lead));
            track.slewed_at = track.newest_local().unwrap_or(0);
        }
    }

    /// How much larger the offset of video must be than that of audio.
    fn video_lead(&self) -> Option<Lead> {
        let (audio, video) = (self.audio.as_ref()?, self.video.as_ref()?);
        let by_arrival = video.delay.least()? - audio.delay.least()?;
        let by_report = video
            .sender
            .zip(audio.sender)
            .map(|(video, audio)| video - audio);
        Some(match by_report {
            Some(ticks) if (ticks - by_arrival).abs() <= MAX_SKEW => Lead {
                ticks,
                dead_zone: REPORT_DEAD_ZONE,
            },
            _ => Lead {
                ticks: by_arrival,
                dead_zone: ARRIVAL_DEAD_ZONE,
            },
        })
    }

    fn has_reports(&self) -> bool {
        self.tracks().all(|track| track.sender.is_some())
    }

    /// Moves video a little towards where it belongs.
    fn slew_video(&mut self, arrival: i64) {
        // What is known of a silent track grows old.
        if self.tracks().any(|track| track.silence(arrival) > ABSENCE) {
            return;
        }
        let Some(lead) = self.video_lead() else {
            return;
        };
        let (Some(audio), Some(video)) = (self.audio.as_ref(), self.video.as_mut()) else {
            return;
        };
        let (Some(audio_offset), Some(offset), Some(newest)) =
            (audio.offset, video.offset, video.newest_local())
        else {
            return;
        };
        let error = audio_offset
            .saturating_add(lead.ticks)
            .saturating_sub(offset);
        let divisor = match error.abs() > NOTICEABLE {
            true => FAST_SLEW_DIVISOR,
            false => SLEW_DIVISOR,
        };
        let most = (newest - video.slewed_at).clamp(0, MediaTime::HZ as i64) / divisor;
        video.slewed_at = newest;
        if error.abs() > lead.dead_zone {
            video.offset = Some(offset + error.clamp(-most, most));
        }
    }

    /// Bridges jumps of the RTP clock of the track `kind`, whose newest packet
    /// has the time `local`: what jumps does not carry on in media time.
    fn watch_clock(&mut self, kind: MediaKind, rtp_time: u32, local: i64, arrival: i64) {
        let resumed = self.resumed_local(kind, local, arrival);
        let Some(track) = self.track_mut(kind) else {
            return;
        };
        if track.is_resuming {
            track.is_resuming = false;
            let local = resumed.unwrap_or(local);
            if resumed.is_some() {
                track.sender = None;
                track.relabel(rtp_time, local);
                self.counters.clock_jumps += 1;
            } else {
                track.late_since = None;
            }
            if let Some(track) = self.track_mut(kind) {
                track.delay.restart(arrival - local, arrival);
            }
            return;
        }
        let Some(track) = self.track_mut(kind) else {
            return;
        };
        let local = track.local(rtp_time).unwrap_or(local);
        let (Some(least), Some(settled)) = (track.delay.least(), track.delay.settled()) else {
            return;
        };
        let delay = arrival - local;
        let is_ahead = delay < settled - MAX_JUMP;
        let is_behind = track
            .newest_local()
            .is_some_and(|newest| local < newest - MAX_JUMP);
        if delay <= least + MAX_LATENESS {
            track.late_since = None;
        }
        let is_late = delay > least + MAX_LATENESS
            && arrival - *track.late_since.get_or_insert(arrival) > LATENESS_PROOF;
        if is_ahead || is_behind || is_late {
            // As if it had come with the least delay.
            track.sender = None;
            track.relabel(rtp_time, arrival - least);
            self.counters.clock_jumps += 1;
        }
    }

    /// Carries on right after `horizon` with a packet of the track `kind` at
    /// `local`, the first after a silence of all tracks.
    fn take_pause_out(
        &mut self,
        kind: MediaKind,
        rtp_time: u32,
        local: i64,
        arrival: i64,
        silence: i64,
        horizon: Option<i64>,
    ) {
        let Some(target) = horizon.map(|horizon| horizon.saturating_add(STEP)) else {
            return;
        };
        let Some(track) = self.track_mut(kind) else {
            return;
        };
        let offset = *track.offset.get_or_insert(target - local);
        let shift = local.saturating_add(offset).saturating_sub(target);
        // The clock stood still or ran on; if it did something else it is bridged.
        let is_plausible = (-MAX_RESUME_SKEW..=silence + MAX_RESUME_SKEW).contains(&shift);
        let (local, shift) = if is_plausible {
            (local, shift)
        } else {
            (target - offset, 0)
        };
        // Both tracks move together, so they stay in step.
        for track in self.audio.iter_mut().chain(&mut self.video) {
            track.offset = track.offset.map(|offset| offset.saturating_sub(shift));
            track.is_resuming = true;
            track.hold_floor();
        }
        if let Some(track) = self.track_mut(kind) {
            track.is_resuming = false;
            track.relabel(rtp_time, local);
            track.delay.restart(arrival - local, arrival);
            if !is_plausible {
                track.sender = None;
            }
        }
        if !is_plausible {
            self.counters.clock_jumps += 1;
        }
        self.counters.pauses += 1;
        self.jumps += 1;
    }
}

/// A difference of offsets, and how far video may be from it.
struct Lead {
    ticks: i64,
    dead_zone: i64,
}

impl Lead {
    fn is_by_report(&self) -> bool {
        self.dead_zone == REPORT_DEAD_ZONE
    }
}

fn ticks(duration: Duration) -> i64 {
    i64::try_from(MediaTime::from_duration(duration).ticks()).unwrap_or(i64::MAX)
}

const MILLISECOND: i64 = MediaTime::HZ as i64 / 1_000;
/// From the last frame before a pause or a republish to the first after it:
/// one Opus packet, less than a picture.
const STEP: i64 = 20 * MILLISECOND;
/// Video moves by at most a hundredth: 10 ms in a second put right the 50 ms
/// that arrival is usually off in 5 s, and a picture that stays for 33.6 ms in
/// place of 33.3 ms cannot be told.
const SLEW_DIVISOR: i64 = 100;
/// People notice sound from 20 ms on where it is not; then a twentieth.
const NOTICEABLE: i64 = 20 * MILLISECOND;
const FAST_SLEW_DIVISOR: i64 = 20;
/// Reports are good to a few milliseconds: do not chase less.
const REPORT_DEAD_ZONE: i64 = 2 * MILLISECOND;
/// Arrival only bounds the drift of senders that send no reports.
const ARRIVAL_DEAD_ZONE: i64 = 100 * MILLISECOND;
/// No network delays one track by this more than the other for long.
const MAX_SKEW: i64 = 2_000 * MILLISECOND;
/// An RTP clock this far ahead of arrival, or back, has jumped.
const MAX_JUMP: i64 = 3_000 * MILLISECOND;
/// An RTP clock this far behind arrival, for as long as the proof takes, has
/// stood still. A network that stalls delivers in a burst and catches up.
const MAX_LATENESS: i64 = 2_000 * MILLISECOND;
const LATENESS_PROOF: i64 = 1_000 * MILLISECOND;
/// A track that sent nothing for longer is not there.
const ABSENCE: i64 = 2_000 * MILLISECOND;
/// After a pause of all tracks, a clock this far from where it should be has not
/// counted the pause, or not as time.
const MAX_RESUME_SKEW: i64 = 500 * MILLISECOND;

#[cfg(test)]
mod tests;
