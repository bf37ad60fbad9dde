//! The sample count of a broadcast's sound: what is played, made up or left out so that it keeps
//! to the packets' media time. Arithmetic only; the codecs carry the steps out.
//!
//! An AAC frame lasts 1,024 samples whatever the sender's clock does, so the count is the clock of
//! the sound. It is held to media time like this:
//!
//! - A packet within 2 ms of its place is played as it is; within 10 ms it gives or takes one
//!   sample, 1,000 ppm of a packet of 20 ms, which cannot be heard.
//! - Before a packet that comes too late for its place in the count, the gap is bridged. Its end is
//!   what the packet itself carries of the one before (in-band FEC, RFC 6716 section 2.1.7), its
//!   start what the decoder conceals, for at most 120 ms (section 4.4), and silence is between.
//! - While the sender is silent on purpose (DTX, section 2.1.9) the decoder makes comfort noise for
//!   as long as it takes.
//! - What is decoded for a time that is filled already is cut away.

use super::{ENCODER_DELAY, FRAME_SAMPLES, SAMPLE_RATE};

/// How far a packet's media time may lie from the count of PCM samples before sound is made up
/// or cut away: 10 ms, so that the loss of one usual packet (20 ms) is one gap.
pub(super) const MAX_DRIFT: u64 = 480;

/// From here on a packet gives or takes one sample: 2 ms. One sample in a packet of 20 ms
/// corrects 1,000 ppm, more than any two clocks differ by.
pub(super) const SLEW_FROM: u64 = 96;

/// Longest loss that the Opus decoder conceals: after 120 ms it has faded out anyway.
pub(super) const MAX_CONCEALED: u64 = 5_760;

/// Longest silence made at once. Beyond it the sample count jumps: the work must stay bounded,
/// and the timeline takes long pauses out.
const MAX_FILL: u64 = 10 * SAMPLE_RATE as u64;

/// Concealment works in steps of 2.5 ms (RFC 6716, section 2.1.4). A shorter rest is left to the
/// packets that follow, a sample each: zeros in the middle of a word would be heard.
const CONCEAL_STEP: u64 = 120;

/// What happens next to the sound, in samples of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The decoder makes up what was lost, or comfort noise.
    Conceal(u64),
    /// The packet in hand carries this much of the lost one before it.
    Recover(u64),
    /// Silence.
    Silence(u64),
    /// The count goes on from another sample; what is not encoded yet is void.
    Jump(u64),
    /// The packet in hand, without its first samples.
    Play {
        /// Samples left out.
        skip: u64,
        /// The first sample twice.
        twice: bool,
    },
}

/// One Opus packet as far as the count is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    /// Samples that it plays.
    pub(crate) samples: u64,
    /// Samples that it carries of the packet before it.
    pub(crate) recoverable: u64,
    /// The sender has nothing to say from here on.
    pub(crate) is_dtx: bool,
}

/// What was done to the sound since it was last asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Samples that the Opus decoder made up for lost packets.
    pub concealed: u64,
    /// Samples of lost packets that the packets behind them carried again (in-band FEC).
    pub recovered: u64,
    /// Samples of comfort noise while the sender was silent on purpose (DTX).
    pub dtx: u64,
    /// Samples of silence.
    pub silence: u64,
    /// Decoded samples cut away because they came for a time that was already filled.
    pub cut: u64,
    /// Packets that are not Opus.
    pub bad_packets: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    /// The next sample's number; `None` before the first packet or fill.
    next: Option<u64>,
    /// The first sample of the count since it began or jumped.
    first: u64,
    in_dtx: bool,
    /// Samples concealed since the last packet.
    concealed: u64,
    report: Report,
}

impl Pacer {
    /// The next sample's number.
    pub(crate) fn next(&self) -> u64 {
        self.next.unwrap_or(0)
    }

    /// Where the count began, or was when it last jumped.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// A packet that plays at the sample `at`.
    pub(crate) fn place(&mut self, at: u64, packet: Packet, steps: &mut Vec<Step>) {
        let next = self.start(at);
        if at > next.saturating_add(MAX_DRIFT) {
            self.bridge(at, packet.recoverable, steps);
        }
        self.in_dtx = packet.is_dtx;
        self.concealed = 0;
        let next = self.next();
        let behind = next.saturating_sub(at);
        let (mut skip, mut twice) = (0, false);
        if behind > MAX_DRIFT {
            skip = behind.min(packet.samples);
            self.report.cut += skip;
        } else if behind > SLEW_FROM {
            skip = 1.min(packet.samples);
        } else {
            twice = at.saturating_sub(next) > SLEW_FROM;
        }
        let played = packet.samples - skip + u64::from(twice);
        self.next = Some(next.saturating_add(played));
        steps.push(Step::Play { skip, twice });
    }

    /// No packet comes, and the sound is to reach the sample `until`. It starts at `from` if there
    /// was none yet.
    pub(crate) fn fill(&mut self, from: u64, until: u64, steps: &mut Vec<Step>) {
        let next = self.start(from);
        if until > next {
            self.bridge(until, 0, steps);
        }
    }

    /// Another publisher's packets follow.
    pub(crate) fn restart(&mut self) {
        self.in_dtx = false;
        // There is nothing that the decoder could go on from.
        self.concealed = MAX_CONCEALED;
    }

    /// The packet in hand does not decode: `samples` of the count did not come.
    pub(crate) fn take_back(&mut self, samples: u64) {
        self.report.bad_packets += 1;
        self.next = self.next.map(|next| next.saturating_sub(samples));
    }

    /// What was made up, cut and refused since the last call.
    pub(crate) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    fn start(&mut self, at: u64) -> u64 {
        if self.next.is_none() {
            self.first = at;
        }
        *self.next.get_or_insert(at)
    }

    /// Brings the count to `target`, which lies ahead; a jump if it lies too far ahead.
    fn bridge(&mut self, target: u64, recoverable: u64, steps: &mut Vec<Step>) {
        let next = self.next();
        let gap = target.saturating_sub(next);
        if gap > MAX_FILL {
            // Pushes the last sound out of the delay line under its own time.
            let rest = ENCODER_DELAY + FRAME_SAMPLES;
            self.report.silence += rest;
            steps.extend([Step::Silence(rest), Step::Jump(target)]);
            (self.next, self.first) = (Some(target), target);
            return;
        }
        let is_recoverable = !self.in_dtx && recoverable > 0 && recoverable <= gap + SLEW_FROM;
        let recovered = if is_recoverable { recoverable } else { 0 };
        let rest = gap.saturating_sub(recovered);
        let most = match self.in_dtx {
            true => rest,
            false => MAX_CONCEALED.saturating_sub(self.concealed),
        };
        let concealed = rest.min(most) / CONCEAL_STEP * CONCEAL_STEP;
        let silence = Some(rest - concealed).filter(|rest| *rest >= CONCEAL_STEP);
        let silence = silence.unwrap_or(0);
        self.concealed += concealed;
        *match self.in_dtx {
            true => &mut self.report.dtx,
            false => &mut self.report.concealed,
        } += concealed;
        self.report.silence += silence;
        self.report.recovered += recovered;
        let all = [
            (concealed, Step::Conceal(concealed)),
            (silence, Step::Silence(silence)),
            (recovered, Step::Recover(recovered)),
        ];
        steps.extend(all.iter().filter(|(n, _)| *n > 0).map(|(_, step)| *step));
        self.next = Some(next + concealed + silence + recovered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Packet = Packet {
        samples: 960,
        recoverable: 0,
        is_dtx: false,
    };
    const WITH_FEC: Packet = Packet {
        recoverable: 960,
        ..PACKET
    };
    const PLAY: Step = Step::Play {
        skip: 0,
        twice: false,
    };

    fn steps(pacer: &mut Pacer, at: u64, packet: Packet) -> Vec<Step> {
        let mut steps = Vec::new();
        pacer.place(at, packet, &mut steps);
        steps
    }

    /// A pacer that has played up to the sample 960.
    fn running() -> Pacer {
        let mut pacer = Pacer::default();
        assert_eq!(steps(&mut pacer, 0, PACKET), [PLAY]);
        pacer
    }

    #[test]
    fn a_lost_packet_is_taken_from_the_one_behind_it() {
        let mut pacer = running();
        let expected = [Step::Recover(960), PLAY];
        assert_eq!(steps(&mut pacer, 1_920, WITH_FEC), expected);
        assert_eq!(pacer.next(), 2_880);
        // The one nearest to the packet of three.
        let expected = [Step::Conceal(1_920), Step::Recover(960), PLAY];
        assert_eq!(steps(&mut pacer, 2_880 + 3 * 960, WITH_FEC), expected);
        let report = pacer.take_report();
        assert_eq!((report.recovered, report.concealed), (1_920, 1_920));
    }

    #[test]
    fn a_lost_packet_without_a_copy_is_concealed() {
        let mut pacer = running();
        let expected = [Step::Conceal(960), PLAY];
        assert_eq!(steps(&mut pacer, 1_920, PACKET), expected);
    }

    #[test]
    fn a_copy_is_of_use_when_the_count_is_a_little_ahead() {
        let mut pacer = running();
        let expected = [Step::Recover(960), PLAY];
        assert_eq!(steps(&mut pacer, 1_920 - 90, WITH_FEC), expected);
        assert_eq!(pacer.next() - (1_920 - 90 + 960), 90);
    }

    #[test]
    fn a_rest_too_short_to_conceal_is_left_to_the_packets() {
        let mut pacer = running();
        let at = 1_920 + 100;
        let twice = Step::Play {
            skip: 0,
            twice: true,
        };
        assert_eq!(steps(&mut pacer, at, PACKET), [Step::Conceal(960), twice]);
        assert_eq!(pacer.take_report().silence, 0);
    }

    #[test]
    fn a_long_gap_is_silence_in_its_middle() {
        let mut pacer = running();
        let expected = [
            Step::Conceal(MAX_CONCEALED),
            Step::Silence(96_000 - MAX_CONCEALED - 960),
            Step::Recover(960),
            PLAY,
        ];
        assert_eq!(steps(&mut pacer, 96_960, WITH_FEC), expected);
    }

    #[test]
    fn fills_in_a_row_conceal_no_more_than_one_gap() {
        let mut pacer = running();
        let mut steps = Vec::new();
        for until in (1..=10).map(|n| 960 + n * 1_920) {
            pacer.fill(0, until, &mut steps);
        }
        assert_eq!(steps[..3], [Step::Conceal(1_920); 3]);
        assert_eq!(steps[3..], [Step::Silence(1_920); 7]);
    }

    #[test]
    fn comfort_noise_has_no_end() {
        let mut pacer = running();
        let dtx = Packet {
            is_dtx: true,
            ..PACKET
        };
        assert_eq!(steps(&mut pacer, 960, dtx), [PLAY]);
        let expected = [Step::Conceal(19_200), PLAY];
        assert_eq!(steps(&mut pacer, 1_920 + 19_200, WITH_FEC), expected);
        assert_eq!(pacer.take_report().dtx, 19_200);
    }

    #[test]
    fn a_packet_that_does_not_decode_leaves_its_place_open() {
        let mut pacer = running();
        assert_eq!(steps(&mut pacer, 960, PACKET), [PLAY]);
        pacer.take_back(960);
        assert_eq!(pacer.next(), 960);
        assert_eq!(pacer.take_report().bad_packets, 1);
    }
}
