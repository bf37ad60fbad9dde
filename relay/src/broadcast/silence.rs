//! Sound where no packets are: what is announced, or was heard once, never stops.
//!
//! - While pictures come and sound does not, the microphone is off: silence is made up to a little
//!   behind the newest picture.
//! - While the sender is in DTX (RFC 6716, section 2.1.9), which leaves 400 ms between two packets,
//!   comfort noise is made by the clock, so that nobody waits for the next one.
//! - While nothing comes at all, nothing is made: the network may stall and bring what was said
//!   afterwards, and a pause is taken out of media time.

use std::time::{Duration, Instant};

use packager::time::MediaTime;

use super::inputs::PlacedOpus;

/// Without an audio packet for this long the microphone counts as silent.
const AUDIO_ABSENT: Duration = Duration::from_millis(200);

/// Silence is made up to this far behind the newest picture, so that the sound reaches viewers
/// within the interleaver's wait.
const FILL_LAG: Duration = Duration::from_millis(60);

/// Silence is made in steps of at least an Opus packet.
const FILL_STEP: Duration = Duration::from_millis(20);

/// Comfort noise is made this often, which is as often as packets come.
const NOISE_STEP: Duration = Duration::from_millis(20);

/// Comfort noise ends here before where a packet that comes now would play. One that ends the
/// silence and is later on its way than that has its first milliseconds cut away.
const NOISE_LAG: Duration = Duration::from_millis(10);

/// Without a packet for this long a sender in DTX counts as gone: it sends one every 400 ms.
const DTX_ABSENT: Duration = Duration::from_millis(1_200);

/// See the module.
#[derive(Debug)]
pub(super) struct SilenceWatch {
    /// Media time of the first picture.
    first_picture: Option<MediaTime>,
    /// Sound is there, or ordered, up to here.
    covered: Option<MediaTime>,
    last_packet: Instant,
    /// The microphone is off, whatever the time is.
    is_off: bool,
    /// When comfort noise is made next, in DTX.
    noise_at: Option<Instant>,
}

impl SilenceWatch {
    /// One that waits for the first packet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            first_picture: None,
            covered: None,
            last_packet: now,
            is_off: false,
            noise_at: None,
        }
    }

    /// Another publisher goes on. Who has no microphone is silent from the start.
    pub(super) fn handle_publisher(&mut self, now: Instant, has_sound: bool) {
        self.last_packet = now;
        self.is_off = !has_sound;
        self.noise_at = None;
    }

    /// Nobody is there any more.
    pub(super) fn handle_gone(&mut self) {
        self.noise_at = None;
    }

    /// A packet of sound has come, which may have to wait for others.
    pub(super) fn handle_arrival(&mut self, now: Instant) {
        self.last_packet = now;
        self.is_off = false;
    }

    /// A packet of sound has got its place.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: &PlacedOpus) {
        self.covered = self.covered.max(Some(packet.end));
        self.noise_at = packet.is_dtx.then(|| now + NOISE_STEP);
    }

    /// A picture of media time `time` came: the silence to make, if the sound does not come.
    pub(super) fn handle_picture(
        &mut self,
        now: Instant,
        time: MediaTime,
    ) -> Option<(MediaTime, MediaTime)> {
        let from = *self.first_picture.get_or_insert(time);
        let absent = now.saturating_duration_since(self.last_packet);
        if !self.is_off && absent < AUDIO_ABSENT {
            return None;
        }
        self.cover(from, time.saturating_sub(FILL_LAG))
    }

    /// The comfort noise to make by `now`; `time` is the media time of sound that arrives then.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        time: impl FnOnce(Instant) -> Option<MediaTime>,
    ) -> Option<(MediaTime, MediaTime)> {
        self.noise_at.filter(|at| *at <= now)?;
        let absent = now.saturating_duration_since(self.last_packet);
        self.noise_at = (absent < DTX_ABSENT).then(|| now + NOISE_STEP);
        let from = self.covered?;
        self.cover(from, time(now)?.saturating_sub(NOISE_LAG))
    }

    /// When to call [`poll`](Self::poll).
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.noise_at
    }

    fn cover(&mut self, from: MediaTime, until: MediaTime) -> Option<(MediaTime, MediaTime)> {
        let covered = self.covered.unwrap_or(from);
        if until < covered.saturating_add(FILL_STEP) {
            return None;
        }
        self.covered = Some(until);
        Some((from, until))
    }
}
