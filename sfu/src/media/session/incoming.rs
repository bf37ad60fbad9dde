//! One RTP stream of a publisher: its packets, as the room wants them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use packager::rtp::{Codec, MediaKind};
use str0m::media::Pt;
use str0m::rtp::{RtpPacket, Ssrc};

use crate::media::clock::{self, CaptureClock, Report};
use crate::media::counters::DropReason;
use crate::media::dependency::{self, Structures};
use crate::media::forward::detect::{self, Entry};
use crate::media::forward::place::Place;
use crate::media::packet::{Dependency, Extensions, MediaPacket, StreamKey};
use crate::media::red::payload::{Block, Red};
use crate::media::red::placing::Placing;
use crate::media::red::report::Reports;

pub(crate) struct Incoming {
    pub(crate) key: StreamKey,
    pub(crate) kind: MediaKind,
    pub(super) ssrc: Ssrc,
    /// The newest sender report as it came, and as it is meant.
    told: Option<Report>,
    report: Option<Report>,
    redundant_reports: Reports,
    /// Sequence number and time of the newest packet.
    newest: Option<(u64, u32)>,
    /// What has come, where packets may repeat others.
    placing: Placing,
    structures: Structures,
}

/// A packet from a publisher, and what it told beside.
pub(crate) struct Arrived {
    /// Lost packets that it repeats, the oldest first.
    pub(crate) repeated: Vec<MediaPacket>,
    pub(crate) packet: MediaPacket,
    pub(crate) report: Option<NewReport>,
}

/// A sender report that was not known before, in the numbers of its stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewReport {
    pub(crate) kind: MediaKind,
    pub(crate) stream: StreamKey,
    pub(crate) ntp: u64,
    pub(crate) rtp_time: u32,
}

/// The payload types that a publisher has negotiated.
pub(super) struct PayloadTypes {
    codecs: Vec<(Pt, Codec)>,
    /// That of redundant Opus.
    red: Option<Pt>,
}

impl PayloadTypes {
    pub(super) fn new(codecs: Vec<(Pt, Codec)>, red: Option<Pt>) -> Self {
        Self { codecs, red }
    }

    fn codec(&self, pt: Pt) -> Option<Codec> {
        let known = self.codecs.iter().find(|(known, _)| *known == pt);
        known.map(|(_, codec)| *codec)
    }

    /// The codec of a packet of `kind`, and its blocks if it is redundant.
    fn read<'a>(
        &self,
        kind: MediaKind,
        packet: &'a RtpPacket,
    ) -> Result<(Codec, Option<Red<'a>>), DropReason> {
        let pt = packet.header.payload_type;
        if self.red == Some(pt) && kind == MediaKind::Audio {
            let red = Red::parse(&packet.payload).map_err(|_| DropReason::BadRedundancy)?;
            return match self.is_opus(&red.primary) {
                true => Ok((Codec::Opus, Some(red))),
                false => Err(DropReason::BadRedundancy),
            };
        }
        let codec = self.codec(pt).filter(|codec| codec.kind() == kind);
        Ok((codec.ok_or(DropReason::UnknownMedia)?, None))
    }

    fn is_opus(&self, block: &Block) -> bool {
        self.codec(block.payload_type.into()) == Some(Codec::Opus)
    }

    /// Packets of `codec` may repeat others.
    fn is_redundant(&self, codec: Codec) -> bool {
        self.red.is_some() && codec == Codec::Opus
    }
}

impl Incoming {
    pub(super) fn new(key: StreamKey, kind: MediaKind, ssrc: Ssrc) -> Self {
        Self {
            key,
            kind,
            ssrc,
            told: None,
            report: None,
            redundant_reports: Reports::default(),
            newest: None,
            placing: Placing::default(),
            structures: Structures::default(),
        }
    }

    /// A packet of the stream, of which viewers are to hold pictures back by `hold`.
    pub(super) fn handle(
        &mut self,
        packet: &RtpPacket,
        types: &PayloadTypes,
        clock: &mut CaptureClock,
        hold: Option<Duration>,
    ) -> Result<Arrived, DropReason> {
        let (codec, red) = types.read(self.kind, packet)?;
        let report = self.handle_report(packet, red.is_some(), clock);
        let (seq, time) = (*packet.seq_no, packet.header.timestamp);
        let starts_keyframe = self.starts_keyframe(codec, packet);
        if self.newest.is_none_or(|(newest, _)| newest < seq) {
            self.newest = Some((seq, time));
        }
        if types.is_redundant(codec) && !self.placing.note(seq, time) {
            return Err(DropReason::Repeated);
        }
        let values = &packet.header.ext_vals;
        let dependency = dependency::Bytes::take(values).map(|bytes| Dependency {
            frame_number: bytes.frame_number(),
            description: Arc::new(self.structures.describe(bytes)),
        });
        let told = dependency
            .as_ref()
            .and_then(|d| d.description.told.as_ref());
        let media = MediaPacket {
            stream: self.key,
            kind: self.kind,
            codec,
            seq,
            time,
            marker: packet.header.marker,
            starts_keyframe,
            extensions: Extensions {
                audio_level: values.audio_level,
                voice: values.voice_activity,
                orientation: values.video_orientation,
                hold,
            },
            place: Place::of(told, codec, &packet.payload),
            dependency,
            captured: self.captured(clock, time, packet.timestamp),
            received: packet.timestamp,
            payload: match &red {
                Some(red) => red.primary.payload.into(),
                None => packet.payload.clone(),
            },
        };
        Ok(Arrived {
            repeated: red.map_or_else(Vec::new, |red| self.repeated(&red, types, clock, &media)),
            packet: media,
            report,
        })
    }

    /// The sender report that came with a packet, if it is new and tells a time.
    fn handle_report(
        &mut self,
        packet: &RtpPacket,
        is_red: bool,
        clock: &mut CaptureClock,
    ) -> Option<NewReport> {
        let info = packet.last_sender_info?;
        let told = Report {
            ntp: info.ntp_time,
            rtp_time: info.rtp_time.numer() as u32,
        };
        if self.told.replace(told) == Some(told) {
            return None;
        }
        let rtp_time = match is_red {
            true => {
                let (_, newest) = self.newest?;
                self.redundant_reports.right(told.rtp_time, newest)?
            }
            false => told.rtp_time,
        };
        let report = Report { rtp_time, ..told };
        self.report = Some(report);
        clock.handle_report(report, packet.timestamp);
        Some(NewReport {
            kind: self.kind,
            stream: self.key,
            ntp: clock::to_ntp(report.ntp),
            rtp_time,
        })
    }

    /// Asked before the packet is the newest one.
    fn starts_keyframe(&self, codec: Codec, packet: &RtpPacket) -> bool {
        match detect::entry(codec, &packet.payload) {
            Entry::Yes => true,
            Entry::No => false,
            Entry::IfFrameStarts => self.newest.is_some_and(|(before, time)| {
                before + 1 == *packet.seq_no && time != packet.header.timestamp
            }),
        }
    }

    fn captured(&self, clock: &CaptureClock, time: u32, received: Instant) -> Instant {
        clock.captured(self.kind, self.report, time, received)
    }

    /// Packets that were lost and of which `red` has the payloads, the oldest first.
    fn repeated(
        &mut self,
        red: &Red,
        types: &PayloadTypes,
        clock: &CaptureClock,
        carrier: &MediaPacket,
    ) -> Vec<MediaPacket> {
        let mut repeated = Vec::new();
        // The newest first: each is placed before those that are known.
        let blocks = red.repeated().iter().rev();
        for block in blocks.filter(|block| types.is_opus(block) && !block.payload.is_empty()) {
            let time = carrier.time.wrapping_sub(block.offset.into());
            let Some(seq) = self.placing.place(carrier.seq, time) else {
                continue;
            };
            self.placing.note(seq, time);
            repeated.push(MediaPacket {
                seq,
                time,
                captured: self.captured(clock, time, carrier.received),
                marker: false,
                payload: block.payload.into(),
                // Those of the packet that was lost are not known.
                extensions: Extensions::default(),
                ..carrier.clone()
            });
        }
        repeated.reverse();
        repeated
    }
}
