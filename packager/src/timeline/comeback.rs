//! A track that comes back after a silence of its own.

use super::{MAX_JUMP, MAX_SKEW, MILLISECOND, Timeline};
use crate::rtp::MediaKind;

impl Timeline {
    /// Looks at the clock of the track `kind`, whose packet of the time `local`
    /// arrives, if the track was silent before: a clock that stood still, or has
    /// drifted, is put where arrival says.
    ///
    /// A network that stalled gives the same picture at first, and then catches
    /// up; so the other track has to come in time, and the clock has to be wrong
    /// for a while.
    pub(super) fn welcome_back(
        &mut self,
        kind: MediaKind,
        rtp_time: u32,
        local: i64,
        arrival: i64,
    ) {
        let Some(track) = self.track(kind) else {
            return;
        };
        let (rule, silence) = (Rule::of(kind), track.silence(arrival));
        if track.is_resuming || (silence < rule.silence && track.misfit.is_none()) {
            return;
        }
        let other = match kind {
            MediaKind::Audio => self.video.as_ref(),
            MediaKind::Video => self.audio.as_ref(),
        };
        let is_proven = other.is_some_and(|other| other.is_punctual(arrival));
        let expected = self.expected_local(kind, arrival);
        let (Some(expected), Some(track)) = (expected, self.track_mut(kind)) else {
            return;
        };
        let off = local - expected;
        let silence = track.misfit.map_or(silence, |misfit| misfit.silence);
        if off > MAX_JUMP || off < -silence - MAX_JUMP {
            // No clock that stood still or drifted: what jumps is bridged elsewhere.
            track.misfit = None;
            return;
        }
        let mut misfit = track.misfit.unwrap_or(Misfit {
            since: arrival,
            silence,
            least_late: off,
            tolerance: match silence < rule.drifted_after {
                true => rule.tolerance,
                false => DRIFTED_BY,
            },
        });
        misfit.least_late = misfit.least_late.max(off);
        if misfit.least_late.abs() <= misfit.tolerance {
            track.misfit = None;
            return;
        }
        track.misfit = Some(misfit);
        // A clock that has drifted is no burst, and not far off.
        let has_drifted = misfit.tolerance < rule.tolerance;
        if is_proven && (has_drifted || arrival - misfit.since >= rule.proof) {
            // As if the packet that was least late had come in time.
            let local = local - misfit.least_late;
            track.sender = None;
            track.relabel(rtp_time, local);
            track.delay.restart(arrival - local, arrival);
            self.counters.clock_jumps += 1;
        }
    }

    /// The local time that the first packet of the track `kind` after a pause
    /// should have by its arrival, if its own is far from that.
    pub(super) fn resumed_local(&self, kind: MediaKind, local: i64, arrival: i64) -> Option<i64> {
        let expected = self.expected_local(kind, arrival)?;
        ((local - expected).abs() > Rule::of(kind).tolerance).then_some(expected)
    }

    /// Learns how far apart the tracks are on their way, while both come.
    pub(super) fn learn_lead(&mut self, arrival: i64) {
        if let (Some(audio), Some(video)) = (&self.audio, &self.video)
            && [audio, video]
                .iter()
                .all(|track| track.is_punctual(arrival) && track.delay.is_settled(arrival))
            && let (Some(audio), Some(video)) = (audio.arrival_offset(), video.arrival_offset())
        {
            let lead = audio - video;
            self.lead_on_arrival = Some(lead).filter(|lead| lead.abs() <= MAX_SKEW);
        }
    }

    /// The local time of a packet of the track `kind` that arrives now, by the
    /// other track.
    fn expected_local(&self, kind: MediaKind, arrival: i64) -> Option<i64> {
        let lead = self.lead_on_arrival.unwrap_or(0);
        let (other, lead) = match kind {
            MediaKind::Audio => (self.video.as_ref()?, lead),
            MediaKind::Video => (self.audio.as_ref()?, -lead),
        };
        Some(arrival + other.arrival_offset()? + lead - self.track(kind)?.offset?)
    }
}

/// A track is back with a clock that does not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Misfit {
    since: i64,
    silence: i64,
    /// What the packet that was least late is off; negative if it is late.
    least_late: i64,
    tolerance: i64,
}

/// When the clock of a track counts as wrong.
struct Rule {
    /// A track that sent nothing for this long may have been switched off.
    silence: i64,
    /// Jitter and encoding let a packet seem this far off.
    tolerance: i64,
    /// A clock that is wrong for so long is not that of a burst which catches up.
    proof: i64,
    /// A clock has drifted after this time.
    drifted_after: i64,
}

impl Rule {
    fn of(kind: MediaKind) -> Self {
        match kind {
            // Half of what DTX leaves between two packets (RFC 6716 §2.1.9). Two
            // clocks that are 400 ppm apart have drifted by 12 ms after 30 s.
            MediaKind::Audio => Rule {
                silence: 200 * MILLISECOND,
                tolerance: 60 * MILLISECOND,
                proof: 100 * MILLISECOND,
                drifted_after: 30_000 * MILLISECOND,
            },
            // Screens that stand still send rarely, and large pictures take long
            // to encode and to send. Reports come every second.
            MediaKind::Video => Rule {
                silence: 1_000 * MILLISECOND,
                tolerance: 400 * MILLISECOND,
                proof: 500 * MILLISECOND,
                drifted_after: i64::MAX,
            },
        }
    }
}

/// Arrival is no better than this.
const DRIFTED_BY: i64 = 10 * MILLISECOND;
