//! Publishes the generated broadcast by one session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequest, MediaKind, Mid, Pt};
use str0m::net::Transmit;
use str0m::rtp::rtcp::Rtcp;
use str0m::rtp::{RawPacket, RtpWrite};
use str0m::{Event, Rtc};

use super::answer::{AnswerError, CandidateFilter};
use super::peer::{Driver, Peer, PeerFactory};
use crate::source::{Burst, Source, SourceConfig};

/// What the publisher did and was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublisherCounts {
    /// RTP packets handed to the network, without retransmissions.
    pub packets: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Key frames made, the first one included.
    pub keyframes: u64,
    /// PLI and FIR messages received.
    pub plis: u64,
    /// NACK messages received.
    pub nacks: u64,
}

/// The publisher's session. The broadcast begins when it is connected.
pub struct Publisher {
    peer: Peer,
    epoch: Instant,
    config: SourceConfig,
    tracks: Tracks,
    source: Option<Source>,
    counts: PublisherCounts,
    connected: Option<Instant>,
    failure: Option<String>,
}

struct Track {
    mid: Mid,
    pt: Option<Pt>,
    /// Extended sequence number; str0m's SRTP wants the first below 2^15.
    next_seq: u64,
}

struct Tracks {
    video: Track,
    audio: Track,
}

impl Publisher {
    /// Offers both tracks on `local`. Returns the SDP offer. Stamps count time
    /// from `epoch`.
    ///
    /// # Errors
    ///
    /// When `local` cannot be an ICE candidate (an unspecified address).
    pub fn new(
        factory: &PeerFactory,
        config: SourceConfig,
        local: SocketAddr,
        epoch: Instant,
        now: Instant,
    ) -> anyhow::Result<(Publisher, String)> {
        // Raw packets are how NACKs and PLIs are counted exactly: events of
        // str0m merge those that arrive together.
        let rtc = factory.config().enable_raw_packets(true);
        let (peer, offer, (audio, video)) = Peer::offer(rtc, local, now, |change| {
            let stream = || Some("bench".to_owned());
            let mut add = |kind| change.add_media(kind, Direction::SendOnly, stream(), None, None);
            (add(MediaKind::Audio), add(MediaKind::Video))
        })?;
        let track = |mid| Track {
            mid,
            pt: None,
            next_seq: 1_000,
        };
        let publisher = Publisher {
            peer,
            epoch,
            config,
            tracks: Tracks {
                video: track(video),
                audio: track(audio),
            },
            source: None,
            counts: PublisherCounts::default(),
            connected: None,
            failure: None,
        };
        Ok((publisher, offer))
    }

    /// Takes the answer; the session then connects.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn accept_answer(
        &mut self,
        answer: &str,
        filter: CandidateFilter,
    ) -> Result<(), AnswerError> {
        self.peer.accept_answer(answer, filter)?;
        let rtc = &self.peer.rtc;
        self.tracks.video.pt = chosen_pt(rtc, self.tracks.video.mid, Codec::H264);
        self.tracks.audio.pt = chosen_pt(rtc, self.tracks.audio.mid, Codec::Opus);
        match (self.tracks.video.pt, self.tracks.audio.pt) {
            (Some(_), Some(_)) => Ok(()),
            (None, _) => Err(AnswerError::Refused("it declines H.264".into())),
            (_, None) => Err(AnswerError::Refused("it declines Opus".into())),
        }
    }

    /// What was sent and asked for so far.
    pub fn counts(&self) -> PublisherCounts {
        self.counts
    }

    /// When DTLS was done and the broadcast began.
    pub fn connected(&self) -> Option<Instant> {
        self.connected
    }

    /// Why the session ended by itself, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref().or(self.peer.failure())
    }

    fn send_due(&mut self, now: Instant) {
        while let Some(burst) = self.source.as_mut().and_then(|source| source.poll(now)) {
            self.send(burst, now);
        }
    }

    fn send(&mut self, burst: Burst, now: Instant) {
        let Some(source) = &mut self.source else {
            return;
        };
        let track = if burst.is_video {
            &mut self.tracks.video
        } else {
            &mut self.tracks.audio
        };
        let mut direct = self.peer.rtc.direct_api();
        let (Some(pt), Some(stream)) = (track.pt, direct.stream_tx_by_mid(track.mid, None)) else {
            return;
        };
        let sent_micros = now.saturating_duration_since(self.epoch).as_micros() as u64;
        let last = burst.payloads.len() - 1;
        for (index, mut payload) in burst.payloads.into_iter().enumerate() {
            source.write_stamp(burst.is_video, &mut payload, sent_micros);
            self.counts.packets += 1;
            self.counts.payload_bytes += payload.len() as u64;
            let payload: Arc<[u8]> = payload.into();
            let write = RtpWrite::new(
                pt,
                track.next_seq.into(),
                burst.rtp_time,
                burst.due,
                payload,
            )
            .marker(burst.is_video && index == last)
            .nackable(burst.is_video);
            stream.write_rtp(write);
            track.next_seq += 1;
        }
        self.counts.keyframes = source.keyframes();
    }
}

impl Driver for Publisher {
    fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        self.peer.handle_datagram(now, source, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        // str0m sends what was written once time has been told.
        self.send_due(now);
        self.peer.handle_timeout(now);
    }

    fn poll(&mut self, now: Instant, outbox: &mut Vec<Transmit>) -> Option<Instant> {
        let counts = &mut self.counts;
        let (mut connected, mut keyframe) = (false, false);
        let timeout = self.peer.poll(outbox, |_, event| match event {
            Event::Connected => connected = true,
            Event::KeyframeRequest(KeyframeRequest { .. }) => keyframe = true,
            Event::RawPacket(raw) => match *raw {
                RawPacket::RtcpRx(Rtcp::Pli(_) | Rtcp::Fir(_)) => counts.plis += 1,
                RawPacket::RtcpRx(Rtcp::Nack(_)) => counts.nacks += 1,
                _ => {}
            },
            _ => {}
        })?;
        if connected && self.source.is_none() {
            self.connected = Some(now);
            match Source::new(self.config, now) {
                Ok(source) => self.source = Some(source),
                Err(e) => {
                    self.failure = Some(e.to_string());
                    return None;
                }
            }
        }
        if let Some(source) = &mut self.source {
            if keyframe {
                source.request_keyframe();
            }
            return Some(timeout.min(source.next_timeout()));
        }
        Some(timeout)
    }

    fn close(&mut self) {
        self.source = None;
        self.peer.close();
    }
}

/// The payload type that the answer prefers among those of `codec`.
fn chosen_pt(rtc: &Rtc, mid: Mid, codec: Codec) -> Option<Pt> {
    let is_codec = |pt: &&Pt| {
        rtc.codec_config()
            .params()
            .iter()
            .any(|params| params.pt() == **pt && params.spec().codec == codec)
    };
    rtc.media(mid)?.remote_pts().iter().find(is_codec).copied()
}
