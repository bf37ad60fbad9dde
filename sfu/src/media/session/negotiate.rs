//! Offers become sessions, and ICE restarts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use packager::rtp::MediaKind;
use relay::StreamId;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::media::{Mid, Pt};
use str0m::{Candidate, IceCreds, Output, Rtc};

use super::{Outgoing, Publisher, Session, Side, Subscriber, Writer, caught};
use crate::media::codec;
use crate::media::forward::rewrite::Rewritten;
use crate::media::forward::subscription::Subscription;
use crate::media::fragment;
use crate::media::offer::CheckedOffer;
use crate::media::slots::SlotKey;
use crate::worker::api::{OfferError, Role, SessionId};

/// What a new session needs.
pub(crate) struct NewSession<'a> {
    pub(crate) id: SessionId,
    pub(crate) role: Role,
    pub(crate) stream: StreamId,
    pub(crate) room: SlotKey,
    pub(crate) offer: &'a CheckedOffer,
    pub(crate) cert: &'a DtlsCert,
    pub(crate) local: &'a [SocketAddr],
    pub(crate) etag: String,
    /// First numbers of the outgoing audio and video.
    pub(crate) first: [Rewritten; 2],
    pub(crate) now: Instant,
    pub(crate) deadline: Instant,
}

impl Session {
    /// Accepts an offer. What str0m says against it goes into the error.
    pub(crate) fn accept(new: NewSession<'_>) -> Result<(Self, String), OfferError> {
        let refused = |reason: String| OfferError::Malformed { reason };
        catch_unwind(AssertUnwindSafe(|| Self::negotiate(new)))
            .unwrap_or_else(|_| Err("the WebRTC stack cannot answer it".to_owned()))
            .map_err(refused)
    }

    fn negotiate(new: NewSession<'_>) -> Result<(Self, String), String> {
        let creds = IceCreds::new();
        let mut rtc =
            codec::build_rtc(new.role, new.offer.stereo, new.cert, creds.clone(), new.now);
        let mut local_candidates = Vec::new();
        for address in new.local {
            let candidate = Candidate::host(*address, "udp").map_err(|e| e.to_string())?;
            if let Some(candidate) = rtc.add_local_candidate(candidate) {
                local_candidates.push(candidate.clone());
            }
        }
        let parsed = SdpOffer::from_sdp_string(&new.offer.sdp).map_err(|e| e.to_string())?;
        let remote = credentials(&new.offer.sdp).ok_or("it has no ICE credentials")?;
        let answer = rtc
            .sdp_api()
            .accept_offer(parsed)
            .map_err(|e| e.to_string())?;

        loop {
            match rtc.poll_output().map_err(|e| e.to_string())? {
                Output::Timeout(_) => break,
                Output::Event(_) | Output::Transmit(_) => {}
            }
        }
        let added: Vec<(Mid, MediaKind)> = new
            .offer
            .media
            .iter()
            .map(|(mid, kind)| (Mid::from(mid.as_str()), *kind))
            .filter(|(mid, _)| rtc.media(*mid).is_some_and(|m| !m.remote_pts().is_empty()))
            .collect();
        let first_media = match added.first() {
            Some((mid, MediaKind::Audio)) => (mid.to_string(), "audio"),
            Some((mid, MediaKind::Video)) => (mid.to_string(), "video"),
            None => return Err("none of its media sections can be used".to_owned()),
        };
        let side = match new.role {
            Role::Publisher => Side::Publisher(publisher(&mut rtc, new.offer)),
            Role::Subscriber => Side::Subscriber(Box::new(subscriber(&mut rtc, &added, new.first))),
        };
        let session = Self {
            id: new.id,
            role: new.role,
            stream: new.stream,
            room: new.room,
            etag: new.etag,
            user: creds.ufrag,
            candidates: 0,
            addresses: Vec::new(),
            connected: false,
            dirty: false,
            armed: None,
            deadline: Some(new.deadline),
            side,
            rtc,
            timeout: new.now,
            offer: new.offer.sdp.clone(),
            remote,
            has_restarted: false,
            local_candidates,
            first_media,
            totals: Vec::new(),
        };
        Ok((session, answer.to_sdp_string()))
    }

    /// True if the credentials are those of the current ICE session.
    pub(crate) fn has_remote(&self, fragment: &fragment::Fragment) -> bool {
        self.remote.ufrag == fragment.ufrag && self.remote.pass == fragment.pwd
    }

    /// Restarts ICE with the client's new credentials; gives the answer's fragment.
    pub(crate) fn restart(
        &mut self,
        fragment: &fragment::Fragment,
        etag: String,
    ) -> Result<String, String> {
        let offer = with_credentials(&self.offer, &fragment.ufrag, &fragment.pwd);
        let parsed = SdpOffer::from_sdp_string(&offer).map_err(|e| e.to_string())?;
        match caught(|| self.rtc.sdp_api().accept_offer(parsed)) {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return Err(e.to_string()),
            Err(_) => return Err("the WebRTC stack cannot answer it".to_owned()),
        }
        let creds = self.rtc.direct_api().local_ice_credentials();
        self.offer = offer;
        self.remote = IceCreds {
            ufrag: fragment.ufrag.clone(),
            pass: fragment.pwd.clone(),
        };
        self.user = creds.ufrag.clone();
        self.etag = etag;
        self.has_restarted = true;
        Ok(self.answer_fragment())
    }

    /// The answer to the last ICE restart, for a client that has not got it: it asks once more
    /// with the same credentials.
    pub(crate) fn repeated_answer(&mut self) -> Option<String> {
        self.has_restarted.then(|| self.answer_fragment())
    }

    fn answer_fragment(&mut self) -> String {
        let creds = self.rtc.direct_api().local_ice_credentials();
        let (mid, kind) = &self.first_media;
        fragment::write(&creds, mid, kind, &self.local_candidates)
    }
}

fn publisher(rtc: &mut Rtc, offer: &CheckedOffer) -> Publisher {
    let codecs = rtc
        .codec_config()
        .params()
        .iter()
        .filter_map(|p| codec::from_rtc(p.spec().codec).map(|codec| (p.pt(), codec)))
        .collect();
    Publisher {
        audio: offer.audio,
        video: offer.video,
        codecs,
        ..Publisher::default()
    }
}

fn subscriber(rtc: &mut Rtc, added: &[(Mid, MediaKind)], first: [Rewritten; 2]) -> Subscriber {
    let mut made = Subscriber {
        audio: None,
        video: None,
    };
    for (mid, kind) in added {
        let payload_types = payload_types(rtc, *mid);
        let mut api = rtc.direct_api();
        let Some(tx) = api.stream_tx_by_mid(*mid, None) else {
            continue;
        };
        match kind {
            // Audio is not sent again: no cache, and no history of what was sent for its limit.
            MediaKind::Audio => tx.set_rtx_cache(1, Duration::ZERO, None),
            MediaKind::Video => tx.set_rtx_cache(RTX_PACKETS, RTX_AGE, Some(RTX_RATIO)),
        }
        let outgoing = Outgoing {
            subscription: Subscription::new(
                *kind,
                match kind {
                    MediaKind::Audio => first[0],
                    MediaKind::Video => first[1],
                },
            ),
            mid: *mid,
            writer: Writer {
                ssrc: tx.ssrc(),
                payload_types,
                sent: 0,
                queued: 0,
                backlog: VecDeque::new(),
            },
        };
        match kind {
            MediaKind::Audio => made.audio = Some(outgoing),
            MediaKind::Video => made.video = Some(outgoing),
        }
    }
    made
}

/// The payload type for each codec that a media section has: the first in the server's order.
fn payload_types(rtc: &Rtc, mid: Mid) -> [Option<Pt>; codec::CODECS] {
    let mut table = [None; codec::CODECS];
    let Some(media) = rtc.media(mid) else {
        return table;
    };
    for params in rtc.codec_config().params() {
        if !media.remote_pts().contains(&params.pt()) {
            continue;
        }
        if let Some(codec) = codec::from_rtc(params.spec().codec) {
            table[codec::index(codec)].get_or_insert(params.pt());
        }
    }
    table
}

fn credentials(sdp: &str) -> Option<IceCreds> {
    let find = |key: &str| sdp.lines().find_map(|l| l.strip_prefix(key));
    Some(IceCreds {
        ufrag: find("a=ice-ufrag:")?.to_owned(),
        pass: find("a=ice-pwd:")?.to_owned(),
    })
}

fn with_credentials(sdp: &str, ufrag: &str, pwd: &str) -> String {
    let mut out = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        if line.starts_with("a=ice-ufrag:") {
            out.push_str("a=ice-ufrag:");
            out.push_str(ufrag);
        } else if line.starts_with("a=ice-pwd:") {
            out.push_str("a=ice-pwd:");
            out.push_str(pwd);
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
    }
    out
}

/// Packets kept for retransmission: half a second of a 1.9 Mbit/s stream. Each costs 432 bytes of
/// bookkeeping for each subscriber; the payload is shared.
const RTX_PACKETS: usize = 96;

/// Older packets are of no use: a player has given them up.
const RTX_AGE: Duration = Duration::from_secs(1);

/// Retransmissions may be this part of what is sent.
const RTX_RATIO: f32 = 0.3;
