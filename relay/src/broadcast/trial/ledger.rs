//! The transcoder without its codecs: the same sample count, and in place of sound the time at
//! which it was captured.

use std::collections::VecDeque;

use bytes::Bytes;
use packager::frames::AudioFrame;
use packager::opus;
use packager::time::MediaTime;

use super::Nanos;
use crate::transcoder::pace::{Pacer, Packet, Report, Step};
use crate::transcoder::{AudioWork, ENCODER_DELAY, FRAME_SAMPLES, SAMPLE_RATE};

/// Whose sound it is, and when its first sample was captured.
type Origin = (u8, f64);

#[derive(Default)]
pub(super) struct Ledger {
    pacer: Pacer,
    steps: Vec<Step>,
    /// Samples that wait for a whole frame, in runs.
    runs: VecDeque<(Option<Origin>, u64)>,
    waiting: u64,
    end: Option<u64>,
    emit_from: u64,
    /// What the encoder would hold back.
    delayed: VecDeque<Bytes>,
    pub(super) total: Report,
}

impl Ledger {
    pub(super) fn work(&mut self, work: &AudioWork) -> Vec<AudioFrame> {
        let mut steps = std::mem::take(&mut self.steps);
        let (mut samples, mut origin) = (0, None);
        match work {
            AudioWork::Opus { data, time } => {
                samples = u64::from(opus::samples(data).unwrap_or(0));
                let packet = Packet {
                    samples,
                    recoverable: opus::recoverable(data).into(),
                    is_dtx: opus::is_dtx(data),
                };
                origin = read(data);
                self.pacer
                    .place(time.as_hz(SAMPLE_RATE), packet, &mut steps);
            }
            AudioWork::Fill { from, until } => {
                let (from, until) = (from.as_hz(SAMPLE_RATE), until.as_hz(SAMPLE_RATE));
                self.pacer.fill(from, until, &mut steps);
            }
            AudioWork::Restart => self.pacer.restart(),
        }
        if self.end.is_none() {
            self.go_on_at(self.pacer.first());
        }
        let mut frames = Vec::new();
        for step in steps.drain(..) {
            match step {
                Step::Conceal(n) | Step::Recover(n) | Step::Silence(n) => {
                    self.append(None, n, &mut frames);
                }
                Step::Jump(to) => {
                    self.runs.clear();
                    self.waiting = 0;
                    self.go_on_at(to);
                }
                Step::Play { skip, twice } => {
                    let first = skip as f64 - f64::from(u8::from(twice));
                    let origin =
                        origin.map(|(epoch, at)| (epoch, at + first / f64::from(SAMPLE_RATE)));
                    self.append(origin, samples - skip + u64::from(twice), &mut frames);
                }
            }
        }
        self.steps = steps;
        let report = self.pacer.take_report();
        self.total.concealed += report.concealed;
        self.total.dtx += report.dtx;
        self.total.silence += report.silence;
        self.total.cut += report.cut;
        frames
    }

    fn go_on_at(&mut self, sample: u64) {
        self.end = Some(sample);
        self.emit_from = sample;
    }

    fn append(&mut self, origin: Option<Origin>, samples: u64, frames: &mut Vec<AudioFrame>) {
        if samples == 0 {
            return;
        }
        self.runs.push_back((origin, samples));
        self.waiting += samples;
        let end = self.end.unwrap_or(0) + samples;
        self.end = Some(end);
        while self.waiting >= FRAME_SAMPLES {
            let first = end - self.waiting;
            let content = self.take_frame();
            self.delayed.push_back(content);
            let held_back = (ENCODER_DELAY / FRAME_SAMPLES) as usize;
            if self.delayed.len() <= held_back {
                continue;
            }
            let (Some(data), Some(at)) =
                (self.delayed.pop_front(), first.checked_sub(ENCODER_DELAY))
            else {
                continue;
            };
            if at >= self.emit_from {
                frames.push(AudioFrame {
                    pts: MediaTime::from_hz(at, SAMPLE_RATE),
                    data,
                    samples: FRAME_SAMPLES as u32,
                });
            }
        }
    }

    /// What the frame says of its first sample, by the first of its runs that was captured.
    fn take_frame(&mut self) -> Bytes {
        let (mut taken, mut origin) = (0, None);
        while taken < FRAME_SAMPLES {
            let Some((of, left)) = self.runs.front_mut() else {
                break;
            };
            if let (None, Some((epoch, at))) = (origin, *of) {
                origin = Some((epoch, at - taken as f64 / f64::from(SAMPLE_RATE)));
            }
            let part = (*left).min(FRAME_SAMPLES - taken);
            taken += part;
            *left -= part;
            if let Some((_, at)) = of {
                *at += part as f64 / f64::from(SAMPLE_RATE);
            }
            if *left == 0 {
                self.runs.pop_front();
            }
        }
        self.waiting -= taken;
        let mut data = vec![0x21];
        if let Some((epoch, at)) = origin {
            data.push(epoch);
            data.extend(at.to_be_bytes());
        }
        Bytes::from(data)
    }
}

/// The origin that a publisher wrote into a packet.
fn read(packet: &[u8]) -> Option<Origin> {
    let stamp = packet.len().checked_sub(9).filter(|at| *at >= 1)?;
    let captured: [u8; 8] = packet[stamp + 1..].try_into().ok()?;
    let captured: Nanos = u64::from_be_bytes(captured);
    Some((packet[stamp], captured as f64 / 1e9))
}

/// The origin that a frame carries, in seconds.
pub(super) fn origin_of(frame: &[u8]) -> Option<Origin> {
    let at: [u8; 8] = frame.get(2..10)?.try_into().ok()?;
    Some((*frame.get(1)?, f64::from_be_bytes(at)))
}
