//! A publisher: a camera and a microphone with clocks of their own, and a third for NTP.
//!
//! Every picture and packet carries the true time of its capture, so that whoever reads it at the
//! other end can tell how far media time is from the truth.

use std::time::Instant;

use packager::rtp::{Codec, MediaKind, RtpPacket, SenderReport};

use super::dice::Dice;
use super::{Nanos, SECOND};
use crate::broadcast::testing::{PPS, SPS_640X360, payloads};
use crate::ingest::{IngestItem, Track};

/// What a publisher is like. Clocks are in parts per million against the truth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) audio_ppm: f64,
    pub(super) video_ppm: f64,
    pub(super) ntp_ppm: f64,
    pub(super) pictures_a_second: u64,
    /// 20, 40 or 60.
    pub(super) packet_ms: u64,
    /// Pictures between two key frames that nobody asked for.
    pub(super) gop: u64,
    /// Bytes of a picture and of a key frame.
    pub(super) sizes: (usize, usize),
    /// From capture to sending.
    pub(super) encoding: Nanos,
}

impl Habits {
    /// A browser with good clocks.
    pub(super) const USUAL: Habits = Habits {
        audio_ppm: 0.0,
        video_ppm: 0.0,
        ntp_ppm: 0.0,
        pictures_a_second: 30,
        packet_ms: 20,
        gop: u64::MAX,
        sizes: (2_400, 9_000),
        encoding: 40 * SECOND / 1_000,
    };

    /// One whose pictures and packets are few and small, for trials of hours.
    pub(super) const FRUGAL: Habits = Habits {
        pictures_a_second: 6,
        packet_ms: 60,
        sizes: (60, 200),
        ..Habits::USUAL
    };
}

/// What the microphone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Microphone {
    On,
    /// Nothing to say: a packet every 400 ms (RFC 6716 §2.1.9), the RTP clock runs on.
    Dtx,
    Off,
}

pub(super) struct Publisher {
    habits: Habits,
    /// Tells the media of one publisher from those of another.
    epoch: u8,
    start: Nanos,
    dice: Dice,
    pub(super) microphone: Microphone,
    pub(super) has_camera: bool,
    pub(super) sps: &'static [u8],
    pub(super) wants_keyframe: bool,
    has_switched: bool,
    bases: [u32; 2],
    /// What RTP times are ahead of their clocks, in seconds.
    shifts: [f64; 2],
    seqs: [u64; 2],
    picture: u64,
    packet: u64,
    dtx_since: u64,
    next_picture: Nanos,
    next_packet: Nanos,
    next_reports: [Nanos; 2],
}

impl Publisher {
    /// One that begins at `start`.
    pub(super) fn new(habits: Habits, epoch: u8, start: Nanos) -> Self {
        let mut dice = Dice::new(1_000 + u64::from(epoch));
        let mut base = || (dice.share() * f64::from(u32::MAX)) as u32;
        let bases = [base(), base()];
        let mut publisher = Publisher {
            habits,
            epoch,
            start,
            dice,
            microphone: Microphone::On,
            has_camera: true,
            sps: SPS_640X360,
            wants_keyframe: true,
            has_switched: false,
            bases,
            shifts: [0.0; 2],
            seqs: [100, 65_000],
            picture: 0,
            packet: 0,
            dtx_since: u64::MAX,
            next_picture: start,
            next_packet: start,
            // Half an interval after the start (RFC 3550 §6.2), as browsers have it.
            next_reports: [start + 5 * SECOND / 2, start + SECOND / 2],
        };
        publisher.packet_captured(0);
        publisher
    }

    /// Pictures come of another encoding from here on, such as a layer: the last one of the old is
    /// cut off, and what passes them on puts their RTP times in order by arrival, which is off by
    /// `error` seconds.
    pub(super) fn switch_pictures(&mut self, sps: &'static [u8], error: f64) {
        self.sps = sps;
        self.wants_keyframe = true;
        self.shifts[1] += error;
        self.seqs[1] += 1;
        self.has_switched = true;
    }

    /// The microphone is on again; its RTP clock stood still for `stood` seconds.
    pub(super) fn resume_sound(&mut self, now: Nanos, stood: f64) {
        self.microphone = Microphone::On;
        self.shifts[0] -= stood;
        self.catch_up(now);
    }

    pub(super) fn resume_pictures(&mut self, now: Nanos) {
        self.has_camera = true;
        let step = SECOND / self.habits.pictures_a_second;
        while self.next_picture < now {
            self.next_picture += step;
        }
        self.next_reports[1] = self.next_reports[1].max(now + SECOND / 2);
    }

    /// When the next item is sent.
    pub(super) fn next_time(&self) -> Option<Nanos> {
        let sound = (self.microphone != Microphone::Off).then(|| self.next_packet + self.talk());
        let picture = self
            .has_camera
            .then(|| self.next_picture + self.habits.encoding);
        let reports = [
            sound.map(|_| self.next_reports[0]),
            picture.map(|_| self.next_reports[1]),
        ];
        [sound, picture].into_iter().chain(reports).flatten().min()
    }

    /// What is sent at [`next_time`](Self::next_time), its arrival times those of sending.
    pub(super) fn send(&mut self, origin: Instant) -> Vec<IngestItem> {
        let Some(now) = self.next_time() else {
            return Vec::new();
        };
        let at = origin + std::time::Duration::from_nanos(now);
        if self.microphone != Microphone::Off {
            if self.next_reports[0] == now {
                self.next_reports[0] = now + self.interval(5);
                return vec![self.report(MediaKind::Audio, now, at)];
            }
            if self.next_packet + self.talk() == now {
                return self.sound(at);
            }
        }
        if self.next_reports[1] == now {
            self.next_reports[1] = now + self.interval(1);
            return vec![self.report(MediaKind::Video, now, at)];
        }
        self.picture(at)
    }

    /// From the capture of a packet's first sample to sending.
    fn talk(&self) -> Nanos {
        self.habits.packet_ms * SECOND / 1_000 + SECOND / 200
    }

    /// Half to one and a half times the interval (RFC 3550 §6.3.1).
    fn interval(&mut self, seconds: u64) -> Nanos {
        ((0.5 + self.dice.share()) * (seconds * SECOND) as f64) as Nanos
    }

    fn catch_up(&mut self, now: Nanos) {
        while self.next_packet < now {
            self.packet += 1;
            self.packet_captured(self.packet);
        }
        self.next_reports[0] = self.next_reports[0].max(now + SECOND);
    }

    fn packet_captured(&mut self, number: u64) {
        let seconds = (number * self.habits.packet_ms) as f64 / 1e3;
        let seconds = seconds / (1.0 + self.habits.audio_ppm * 1e-6);
        self.next_packet = self.start + (seconds * 1e9) as Nanos;
    }

    fn rtp_time(&self, kind: MediaKind, captured: Nanos) -> u32 {
        let (index, hz, ppm) = match kind {
            MediaKind::Audio => (0, 48_000.0, self.habits.audio_ppm),
            MediaKind::Video => (1, 90_000.0, self.habits.video_ppm),
        };
        let seconds = (captured as f64 - self.start as f64) / 1e9 * (1.0 + ppm * 1e-6);
        let ticks = ((seconds + self.shifts[index]) * hz).round() as i64;
        self.bases[index].wrapping_add(ticks as u32)
    }

    fn report(&mut self, kind: MediaKind, now: Nanos, received: Instant) -> IngestItem {
        let seconds = 3_900_000_000.0 + now as f64 / 1e9 * (1.0 + self.habits.ntp_ppm * 1e-6);
        let whole = seconds.floor();
        let ntp = (whole as u64) << 32 | ((seconds - whole) * 4_294_967_296.0) as u64;
        // Senders extrapolate the RTP time to that of sending, and not exactly.
        let wrong = (self.dice.share() - 0.5) * 0.004;
        let read = (now as f64 + wrong * 1e9) as Nanos;
        let rtp_time = self.rtp_time(kind, read);
        let report = SenderReport {
            ntp,
            rtp_time,
            received,
        };
        IngestItem::SenderReport {
            track: kind.into(),
            report,
        }
    }

    fn sound(&mut self, at: Instant) -> Vec<IngestItem> {
        let captured = self.next_packet;
        let number = self.packet;
        self.packet += 1;
        self.packet_captured(self.packet);
        // CELT, fullband, stereo; code 3 where a packet has more than 20 ms.
        let mut payload = match self.habits.packet_ms {
            20 => vec![31 << 3 | 4],
            ms => vec![31 << 3 | 7, (ms / 20) as u8],
        };
        if self.microphone == Microphone::Dtx {
            self.dtx_since = self.dtx_since.min(number);
            let silent = (number - self.dtx_since) * self.habits.packet_ms;
            if !silent.is_multiple_of(400) {
                return Vec::new();
            }
            payload.truncate(2);
        } else {
            self.dtx_since = u64::MAX;
            payload.push(self.epoch);
            payload.extend(captured.to_be_bytes());
        }
        self.seqs[0] += 1;
        vec![IngestItem::Rtp {
            track: Track::Audio,
            codec: Codec::Opus,
            packet: RtpPacket {
                seq: self.seqs[0],
                time: self.rtp_time(MediaKind::Audio, captured),
                marker: false,
                payload: payload.into(),
                received: at,
            },
        }]
    }

    fn picture(&mut self, at: Instant) -> Vec<IngestItem> {
        let captured = self.next_picture;
        self.next_picture += SECOND / self.habits.pictures_a_second;
        let is_keyframe = std::mem::take(&mut self.wants_keyframe)
            || self.picture.is_multiple_of(self.habits.gop);
        let time = self.rtp_time(MediaKind::Video, captured);
        let (small, large) = self.habits.sizes;
        let size = if is_keyframe { large } else { small };
        let mark = Mark {
            epoch: self.epoch,
            number: self.picture,
            captured,
        };
        self.picture += 1;
        let mut nals = Vec::new();
        if is_keyframe {
            nals.extend([self.sps.to_vec(), PPS.to_vec()]);
        }
        nals.push(mark.slice(is_keyframe, size));
        let payloads = payloads(&nals);
        let last = payloads.len() - 1;
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| {
            self.seqs[1] += 1;
            IngestItem::Rtp {
                track: Track::LARGE,
                codec: Codec::H264,
                packet: RtpPacket {
                    seq: self.seqs[1],
                    time,
                    marker: index == last,
                    payload: payload.into(),
                    received: at,
                },
            }
        });
        let mut items: Vec<_> = packets.collect();
        if std::mem::take(&mut self.has_switched) {
            let track = MediaKind::Video.into();
            items.insert(0, IngestItem::Switched { track });
        }
        items
    }
}

/// What a slice says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) epoch: u8,
    pub(super) number: u64,
    pub(super) captured: Nanos,
}

impl Mark {
    /// A slice of `size` bytes that uses PPS 0, whole only with its last byte. No byte is zero, so
    /// that no emulation prevention is needed.
    fn slice(self, is_idr: bool, size: usize) -> Vec<u8> {
        let mut nal = vec![if is_idr { 0x65 } else { 0x41 }, 0b1000_1000, 0b1111_1111];
        for value in [
            u64::from(self.epoch),
            self.number,
            self.captured,
            size as u64,
        ] {
            nal.extend((0..10).map(|part| 0x80 | (value >> (7 * part)) as u8 & 0x7f));
        }
        nal.resize(size.max(nal.len() + 1) - 1, 0x81);
        nal.push(0xff);
        nal
    }

    /// Reads a slice; `None` if it is not whole.
    pub(super) fn read(nal: &[u8]) -> Option<Self> {
        let mut values = nal.get(3..43)?.chunks(10).map(|part| {
            let digits = part.iter().enumerate();
            digits.fold(0_u64, |value, (place, byte)| {
                value | u64::from(byte & 0x7f) << (7 * place as u32)
            })
        });
        let mark = Mark {
            epoch: values.next()? as u8,
            number: values.next()?,
            captured: values.next()?,
        };
        let is_whole = values.next()? == nal.len() as u64 && nal.last() == Some(&0xff);
        is_whole.then_some(mark)
    }
}
