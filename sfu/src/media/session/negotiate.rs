//! Offers become sessions, and ICE restarts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use packager::rtp::MediaKind;
use relay::StreamId;
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::media::{Media, Mid, Pt};
use str0m::{Candidate, IceCreds, Output, Rtc};

use super::Level;
use super::link::Link;
use super::publisher::Kinds;
use super::repair::Repair;
use super::stats::Figures;
use super::subscriber::{Carries, Line, Outgoing};
use super::writer::{PayloadTypes, Writer, keep_for_repair};
use super::{Dialogue, Feed, Path, Publisher, Session, Side, Subscriber, caught};
use crate::media::codec;
use crate::media::demand::Wish;
use crate::media::dependency;
use crate::media::forward::rewrite::Rewritten;
use crate::media::forward::subscription::Subscription;
use crate::media::fragment;
use crate::media::offer::CheckedOffer;
use crate::media::slots::SlotKey;
use crate::worker::api::{OfferError, SessionId};
use packager::picture::Picture;

/// What the server needs to answer again: the offers are the client's.
pub(crate) struct Answers {
    etag: String,
    /// The offer, for an ICE restart.
    offer: String,
    has_restarted: bool,
    local_candidates: Vec<Candidate>,
    first_media: (String, &'static str),
}

/// What a new session needs.
pub(crate) struct NewSession<'a> {
    pub(crate) id: SessionId,
    pub(crate) purpose: Purpose,
    pub(crate) stream: StreamId,
    pub(crate) room: SlotKey,
    pub(crate) offer: &'a CheckedOffer,
    pub(crate) cert: &'a DtlsCert,
    pub(crate) local: &'a [Candidate],
    /// Redundant sound may be sent and received.
    pub(crate) redundancy: bool,
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
        let mut rtc = codec::build_rtc(
            new.purpose,
            new.redundancy,
            new.cert,
            creds.clone(),
            new.now,
        );
        let local_candidates = add_candidates(&mut rtc, new.local);
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
        let kinds = Kinds {
            audio: new.offer.audio,
            video: new.offer.video,
        };
        let side = match new.purpose {
            Purpose::Publisher => {
                let codecs = known_codecs(&rtc);
                let red = red(&rtc);
                Side::Publisher(Box::new(Publisher::new(
                    new.stream,
                    new.room,
                    kinds,
                    layers(&new.offer.sdp),
                    codecs,
                    red,
                )))
            }
            Purpose::Subscriber { .. } | Purpose::Receiver => Side::Subscriber(subscriber(
                &mut rtc, &added, new.first, new.stream, new.room,
            )),
        };
        let dialogue = Dialogue::Answers(Box::new(Answers {
            etag: new.etag,
            offer: new.offer.sdp.clone(),
            has_restarted: false,
            local_candidates,
            first_media,
        }));
        let session = Session {
            id: new.id,
            user: creds.ufrag,
            candidates: 0,
            addresses: Vec::new(),
            connected: false,
            dirty: false,
            armed: None,
            deadline: Some(new.deadline),
            side,
            dialogue,
            rtc,
            timeout: new.now,
            path: Path::new(new.now),
            remote: Some(remote),
            totals: Vec::new(),
            figures: Figures::default(),
            figures_at: None,
            link: Link::default(),
            redundancy: Level::default(),
            repair: Repair::default(),
        };
        let answer = answer.to_sdp_string();
        Ok(match new.offer.stereo {
            true => (session, codec::with_stereo(&answer)),
            false => (session, answer),
        })
    }

    /// The entity tag of the ICE session, if the client makes the offers.
    pub(crate) fn etag(&self) -> Option<&str> {
        match &self.dialogue {
            Dialogue::Answers(answers) => Some(&answers.etag),
            Dialogue::Offers(_) => None,
        }
    }

    /// True if the credentials are those of the current ICE session.
    pub(crate) fn has_remote(&self, fragment: &fragment::Fragment) -> bool {
        self.remote
            .as_ref()
            .is_some_and(|r| r.ufrag == fragment.ufrag && r.pass == fragment.pwd)
    }

    /// Restarts ICE with the client's new credentials; gives the answer's fragment.
    pub(crate) fn restart(
        &mut self,
        fragment: &fragment::Fragment,
        etag: String,
    ) -> Result<String, String> {
        let Dialogue::Answers(answers) = &mut self.dialogue else {
            return Err("the server makes the offers of this session".to_owned());
        };
        let offer = with_credentials(&answers.offer, &fragment.ufrag, &fragment.pwd);
        let parsed = SdpOffer::from_sdp_string(&offer).map_err(|e| e.to_string())?;
        match caught(|| self.rtc.sdp_api().accept_offer(parsed)) {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return Err(e.to_string()),
            Err(_) => return Err("the WebRTC stack cannot answer it".to_owned()),
        }
        answers.offer = offer;
        answers.etag = etag;
        answers.has_restarted = true;
        self.remote = Some(IceCreds {
            ufrag: fragment.ufrag.clone(),
            pass: fragment.pwd.clone(),
        });
        let creds = self.rtc.direct_api().local_ice_credentials();
        let written = answers.fragment(&creds);
        self.user = creds.ufrag;
        Ok(written)
    }

    /// The answer to the last ICE restart, for a client that has not got it: it asks once more
    /// with the same credentials.
    pub(crate) fn repeated_answer(&mut self) -> Option<String> {
        let creds = self.rtc.direct_api().local_ice_credentials();
        match &self.dialogue {
            Dialogue::Answers(answers) if answers.has_restarted => Some(answers.fragment(&creds)),
            _ => None,
        }
    }
}

impl Answers {
    fn fragment(&self, creds: &IceCreds) -> String {
        let (mid, kind) = &self.first_media;
        fragment::write(creds, mid, kind, &self.local_candidates)
    }
}

/// What a session is for; it decides what is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The client sends one stream.
    Publisher,
    /// The client receives one stream and makes the offer, with or without the feedback that a
    /// bandwidth estimate needs.
    Subscriber { estimates: bool },
    /// The client receives streams that the server offers.
    Receiver,
}

impl Purpose {
    /// The server estimates what the link carries.
    pub(crate) fn estimates(self) -> bool {
        match self {
            Self::Publisher => false,
            Self::Subscriber { estimates } => estimates,
            Self::Receiver => true,
        }
    }
}

/// Announces the server's addresses.
pub(super) fn add_candidates(rtc: &mut Rtc, local: &[Candidate]) -> Vec<Candidate> {
    local
        .iter()
        .filter_map(|candidate| rtc.add_local_candidate(candidate.clone()).cloned())
        .collect()
}

fn known_codecs(rtc: &Rtc) -> Vec<(Pt, packager::rtp::Codec)> {
    rtc.codec_config()
        .params()
        .iter()
        .filter_map(|p| codec::from_rtc(p.spec().codec).map(|codec| (p.pt(), codec)))
        .collect()
}

/// The payload type of redundant Opus.
fn red(rtc: &Rtc) -> Option<Pt> {
    let mut params = rtc.codec_config().params().iter();
    params.find_map(|p| p.red())
}

fn subscriber(
    rtc: &mut Rtc,
    added: &[(Mid, MediaKind)],
    first: [Rewritten; 2],
    stream: StreamId,
    room: SlotKey,
) -> Subscriber {
    let has = |kind| added.iter().any(|(_, added)| *added == kind);
    let wish = Wish {
        audio: has(MediaKind::Audio),
        video: has(MediaKind::Video).then_some(Picture::Large),
    };
    let mut feed = Feed::new(stream.clone(), room, wish);
    let mut lines = Vec::new();
    for (mid, kind) in added {
        let first = match kind {
            MediaKind::Audio => first[0],
            MediaKind::Video => first[1],
        };
        feed.set_line(*kind, Some(lines.len()));
        lines.push(Line {
            mid: *mid,
            kind: *kind,
            carries: Carries::Stream(stream.clone()),
            outgoing: outgoing(rtc, *mid, *kind, || first),
        });
    }
    Subscriber {
        feeds: vec![feed],
        lines,
        ..Subscriber::default()
    }
}

/// The outgoing RTP stream of a media section that has just been negotiated.
pub(super) fn outgoing(
    rtc: &mut Rtc,
    mid: Mid,
    kind: MediaKind,
    first: impl FnOnce() -> Rewritten,
) -> Option<Outgoing> {
    let payload_types = payload_types(rtc, mid);
    let takes_descriptors = takes_descriptors(rtc, mid);
    let mut api = rtc.direct_api();
    let tx = api.stream_tx_by_mid(mid, None)?;
    match kind {
        // Audio is not sent again: no cache, and no history of what was sent for its limit.
        MediaKind::Audio => tx.set_rtx_cache(1, Duration::ZERO, None),
        MediaKind::Video => {
            keep_for_repair(tx);
            // str0m's pacer sends no more than 1.1 times its estimate, whatever was decided to be
            // sent: a picture that is kept in spite of a low estimate would come ever later, and
            // what arrives would keep the estimate low. Publishers pace what they send.
            tx.set_unpaced(true);
        }
    }
    let mut subscription = Subscription::new(kind, first());
    subscription.set_descriptors(takes_descriptors);
    Some(Outgoing {
        subscription,
        writer: Writer::new(tx.ssrc(), payload_types),
        missed: None,
    })
}

/// The payload type for each codec that a media section has: the first in the server's order.
pub(super) fn payload_types(rtc: &Rtc, mid: Mid) -> PayloadTypes {
    let mut table = PayloadTypes::default();
    let Some(media) = rtc.media(mid) else {
        return table;
    };
    for params in rtc.codec_config().params() {
        if !media.remote_pts().contains(&params.pt()) {
            continue;
        }
        if let Some(codec) = codec::from_rtc(params.spec().codec) {
            table.codecs[codec::index(codec)].get_or_insert(params.pt());
            table.red = table.red.or(params.red());
        }
    }
    table
}

/// True if a media section has the extension for dependency descriptors.
pub(super) fn takes_descriptors(rtc: &Rtc, mid: Mid) -> bool {
    let descriptors = |media: &Media| media.remote_extmap().id_of(dependency::extension());
    rtc.media(mid).and_then(descriptors).is_some()
}

/// How many layers an offer sends with simulcast (RFC 8853 §5.1): alternatives behind commas are one,
/// paused ones behind `~` may come. 1 without.
fn layers(sdp: &str) -> usize {
    let attributes = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=simulcast:"));
    let layers = attributes.filter_map(|value| {
        let mut words = value.split_whitespace();
        words.find(|word| *word == "send")?;
        let streams = words.next()?;
        Some(
            streams
                .split(';')
                .filter(|stream| !stream.is_empty())
                .count(),
        )
    });
    layers.max().unwrap_or(1).max(1)
}

/// The first ICE credentials of a description.
pub(super) fn credentials(sdp: &str) -> Option<IceCreds> {
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
