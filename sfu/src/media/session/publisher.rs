//! A session that sends one stream to the server.

use packager::picture::Pictures;
use packager::rtp::{Codec, MediaKind};
use relay::StreamId;
use str0m::Rtc;
use str0m::media::{KeyframeRequestKind, Pt};
use str0m::rtp::{RtpPacket, Ssrc};

use super::incoming::{Arrived, Incoming, PayloadTypes};
use super::{MAX_STREAMS, Session, Side};
use crate::media::clock::CaptureClock;
use crate::media::codec;
use crate::media::counters::DropReason;
use crate::media::packet::StreamKey;
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
    /// Layers of its offer, which it can be told to send or not; 1 without simulcast.
    layers: usize,
    pub(crate) streams: Vec<Incoming>,
    clock: CaptureClock,
    types: PayloadTypes,
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

impl Publisher {
    pub(super) fn new(
        stream: StreamId,
        room: SlotKey,
        tracks: Kinds,
        layers: usize,
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
            layers,
            streams: Vec::new(),
            clock: CaptureClock::default(),
            types: PayloadTypes::new(codecs, red),
        }
    }

    /// Its offer has layers.
    pub(crate) fn has_layers(&self) -> bool {
        self.layers > 1
    }

    /// The pictures that these layers make.
    pub(crate) fn pictures(&self) -> Pictures {
        Pictures::of_layers(self.layers)
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
        let hold = self.repair.hold(packet.timestamp);
        let ssrc = packet.header.ssrc;
        let Side::Publisher(publisher) = &mut self.side else {
            return Err(DropReason::UnknownMedia);
        };
        let index = match publisher.streams.iter().position(|s| s.ssrc == ssrc) {
            Some(index) => index,
            None if publisher.streams.len() >= MAX_STREAMS => {
                return Err(DropReason::TooManyStreams);
            }
            None => {
                let kind = kind_of(&mut self.rtc, ssrc).ok_or(DropReason::UnknownMedia)?;
                let key = StreamKey(*next_key);
                *next_key = next_key.wrapping_add(1);
                publisher.streams.push(Incoming::new(key, kind, ssrc));
                publisher.streams.len() - 1
            }
        };
        let stream = &mut publisher.streams[index];
        if !publisher.allowed.has(stream.kind) {
            return Err(DropReason::NotAllowed);
        }
        stream.handle(&packet, &publisher.types, &mut publisher.clock, hold)
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

/// What kind of media `ssrc` carries. Video is asked for again from now on.
fn kind_of(rtc: &mut Rtc, ssrc: Ssrc) -> Option<MediaKind> {
    let mid = rtc.direct_api().stream_rx(&ssrc)?.mid();
    let kind = codec::kind(rtc.media(mid)?.kind());
    if kind == MediaKind::Video {
        // Publishers without RTX send again on the same SSRC; str0m would not ask.
        rtc.direct_api().stream_rx(&ssrc)?.suppress_nack(false);
    }
    Some(kind)
}
