//! A session that sends one stream to the server.

use std::sync::Arc;

use packager::rtp::{Codec, MediaKind};
use relay::StreamId;
use str0m::media::{KeyframeRequestKind, Pt};
use str0m::rtp::{RtpPacket, Ssrc};

use super::{MAX_STREAMS, Session, Side};
use crate::media::clock::{self, CaptureClock, Report};
use crate::media::codec;
use crate::media::counters::DropReason;
use crate::media::dependency::{self, Structures};
use crate::media::forward::detect::{self, Entry};
use crate::media::forward::place::Place;
use crate::media::packet::{Dependency, Extensions, MediaPacket, StreamKey};
use crate::media::red::payload::{Block, Red};
use crate::media::red::placing::Placing;
use crate::media::red::report::Reports;
use crate::media::slots::SlotKey;

pub(crate) struct Publisher {
    pub(crate) stream: StreamId,
    pub(crate) room: SlotKey,
    /// What its offer has.
    pub(crate) tracks: Kinds,
    /// What it may send now.
    pub(crate) allowed: Kinds,
    /// The name under which the relay is to have it.
    pub(crate) relay: Option<StreamId>,
    /// Its offer has layers, which it can be told to send or not.
    pub(crate) has_layers: bool,
    pub(crate) streams: Vec<Incoming>,
    clock: CaptureClock,
    codecs: Vec<(Pt, Codec)>,
    /// The payload type of redundant Opus.
    red: Option<Pt>,
}

/// A choice of kinds of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) audio: bool,
    pub(crate) video: bool,
}

impl Kinds {
    pub(crate) fn has(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video,
        }
    }
}

/// One incoming RTP stream.
pub(crate) struct Incoming {
    pub(crate) key: StreamKey,
    pub(crate) kind: MediaKind,
    ssrc: Ssrc,
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

impl Publisher {
    pub(super) fn new(
        stream: StreamId,
        room: SlotKey,
        tracks: Kinds,
        has_layers: bool,
        codecs: Vec<(Pt, Codec)>,
        red: Option<Pt>,
    ) -> Self {
        Self {
            stream,
            room,
            tracks,
            allowed: Kinds {
                audio: true,
                video: true,
            },
            relay: None,
            has_layers,
            streams: Vec::new(),
            clock: CaptureClock::default(),
            codecs,
            red,
        }
    }

    /// Sets what may be sent. What is forwarded after a pause of a kind is another stream, with a
    /// key of its own: nobody takes the pause for loss. Gives the keys of the streams that ended.
    pub(crate) fn allow(&mut self, allowed: Kinds, next_key: &mut u32) -> Vec<StreamKey> {
        let before = std::mem::replace(&mut self.allowed, allowed);
        let mut ended = Vec::new();
        for stream in &mut self.streams {
            if before.has(stream.kind) && !allowed.has(stream.kind) {
                ended.push(stream.key);
                stream.key = StreamKey(*next_key);
                *next_key = next_key.wrapping_add(1);
            }
        }
        ended
    }
}

impl Session {
    /// A packet from the publisher, as the room wants it.
    pub(crate) fn incoming(
        &mut self,
        packet: RtpPacket,
        next_key: &mut u32,
    ) -> Result<Arrived, DropReason> {
        let Side::Publisher(publisher) = &mut self.side else {
            return Err(DropReason::UnknownMedia);
        };
        let ssrc = packet.header.ssrc;
        let index = match publisher.streams.iter().position(|s| s.ssrc == ssrc) {
            Some(index) => index,
            None => {
                if publisher.streams.len() >= MAX_STREAMS {
                    return Err(DropReason::TooManyStreams);
                }
                let mid = self.rtc.direct_api().stream_rx(&ssrc).map(|s| s.mid());
                let kind = mid
                    .and_then(|mid| self.rtc.media(mid))
                    .map(|m| codec::kind(m.kind()))
                    .ok_or(DropReason::UnknownMedia)?;
                if kind == MediaKind::Video {
                    // Publishers without RTX send again on the same SSRC; str0m would not ask.
                    if let Some(rx) = self.rtc.direct_api().stream_rx(&ssrc) {
                        rx.suppress_nack(false);
                    }
                }
                let key = StreamKey(*next_key);
                *next_key = next_key.wrapping_add(1);
                publisher.streams.push(Incoming {
                    key,
                    kind,
                    ssrc,
                    told: None,
                    report: None,
                    redundant_reports: Reports::default(),
                    newest: None,
                    placing: Placing::default(),
                    structures: Structures::default(),
                });
                publisher.streams.len() - 1
            }
        };
        let stream = &mut publisher.streams[index];
        if !publisher.allowed.has(stream.kind) {
            return Err(DropReason::NotAllowed);
        }
        let pt = packet.header.payload_type;
        let is_red = publisher.red == Some(pt);
        let codec = match is_red {
            true => Some(Codec::Opus),
            false => known_codec(&publisher.codecs, pt),
        }
        .filter(|codec| codec.kind() == stream.kind)
        .ok_or(DropReason::UnknownMedia)?;
        let red = match is_red {
            true => Some(Red::parse(&packet.payload).map_err(|_| DropReason::BadRedundancy)?),
            false => None,
        };
        let is_opus = |block: &Block| {
            known_codec(&publisher.codecs, block.payload_type.into()) == Some(codec)
        };
        if red.is_some_and(|red| !is_opus(&red.primary)) {
            return Err(DropReason::BadRedundancy);
        }

        let received = packet.timestamp;
        let mut fresh = None;
        if let Some(info) = packet.last_sender_info {
            let told = Report {
                ntp: info.ntp_time,
                rtp_time: info.rtp_time.numer() as u32,
            };
            let meant = match stream.told.replace(told) {
                Some(before) if before == told => None,
                _ if is_red => stream.newest.and_then(|(_, newest)| {
                    let rtp_time = stream.redundant_reports.right(told.rtp_time, newest)?;
                    Some(Report { rtp_time, ..told })
                }),
                _ => Some(told),
            };
            if let Some(report) = meant {
                stream.report = Some(report);
                publisher.clock.handle_report(report, received);
                fresh = Some(NewReport {
                    kind: stream.kind,
                    stream: stream.key,
                    ntp: clock::to_ntp(report.ntp),
                    rtp_time: report.rtp_time,
                });
            }
        }
        let time = packet.header.timestamp;
        let seq = *packet.seq_no;
        let starts_keyframe = match detect::entry(codec, &packet.payload) {
            Entry::Yes => true,
            Entry::No => false,
            Entry::IfFrameStarts => stream
                .newest
                .is_some_and(|(before, other)| before + 1 == seq && other != time),
        };
        if stream.newest.is_none_or(|(newest, _)| newest < seq) {
            stream.newest = Some((seq, time));
        }
        if publisher.red.is_some() && codec == Codec::Opus && !stream.placing.note(seq, time) {
            return Err(DropReason::Repeated);
        }
        let values = &packet.header.ext_vals;
        let dependency = dependency::Bytes::take(values).map(|bytes| Dependency {
            frame_number: bytes.frame_number(),
            description: Arc::new(stream.structures.describe(bytes)),
        });
        let told = dependency
            .as_ref()
            .and_then(|d| d.description.told.as_ref());
        let place = Place::of(told, codec, &packet.payload);
        let media = MediaPacket {
            stream: stream.key,
            kind: stream.kind,
            codec,
            seq,
            time,
            marker: packet.header.marker,
            starts_keyframe,
            extensions: Extensions {
                audio_level: values.audio_level,
                voice: values.voice_activity,
                orientation: values.video_orientation,
                hold: self.repair.hold(received),
            },
            place,
            dependency,
            captured: publisher
                .clock
                .captured(stream.kind, stream.report, time, received),
            received,
            payload: match &red {
                Some(red) => red.primary.payload.into(),
                None => packet.payload.clone(),
            },
        };
        let mut repeated = Vec::new();
        let blocks = red.iter().flat_map(|red| red.repeated().iter().rev());
        for block in blocks.filter(|block| is_opus(block) && !block.payload.is_empty()) {
            let time = time.wrapping_sub(block.offset.into());
            let Some(seq) = stream.placing.place(seq, time) else {
                continue;
            };
            stream.placing.note(seq, time);
            let captured = publisher
                .clock
                .captured(stream.kind, stream.report, time, received);
            repeated.push(MediaPacket {
                seq,
                time,
                captured,
                marker: false,
                payload: block.payload.into(),
                // Those of the packet that was lost are not known.
                extensions: Extensions::default(),
                ..media.clone()
            });
        }
        repeated.reverse();
        Ok(Arrived {
            repeated,
            packet: media,
            report: fresh,
        })
    }

    /// Asks the publisher for a key frame of one of its streams. False if there is no such stream.
    pub(crate) fn request_keyframe(&mut self, key: StreamKey) -> bool {
        let Side::Publisher(publisher) = &self.side else {
            return false;
        };
        let Some(stream) = publisher.streams.iter().find(|s| s.key == key) else {
            return false;
        };
        match self.rtc.direct_api().stream_rx(&stream.ssrc) {
            Some(rx) => {
                rx.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }
}

fn known_codec(codecs: &[(Pt, Codec)], pt: Pt) -> Option<Codec> {
    let known = codecs.iter().find(|(known, _)| *known == pt);
    known.map(|(_, codec)| *codec)
}
