//! A session whose offers the server makes: streams come and go, and the m-lines follow.
//!
//! What is wanted and what has been offered are kept apart. While an offer is outstanding only
//! the former changes; each answer is followed by the next offer, if there is a difference.

use std::fmt::Write as _;
use std::time::Instant;

use packager::rtp::MediaKind;
use relay::StreamId;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::media::{Direction, MediaKind as RtcKind, Mid};
use str0m::{Candidate, IceCreds, Rtc};

use super::Level;
use super::link::Link;
use super::negotiate::{self, Purpose, add_candidates, credentials};
use super::repair::Repair;
use super::stats::Figures;
use super::subscriber::{Carries, Line};
use super::{Dialogue, Feed, Path, Session, Side, Subscriber, caught};
use crate::media::answer::{self, AnswerFault, Offered};
use crate::media::codec;
use crate::media::demand::Wish;
use crate::media::forward::rewrite::Rewritten;
use crate::media::loudest::Stage;
use crate::media::slots::SlotKey;
use crate::worker::api::{ReceiveError, ServerOffer, SessionId};

/// Most m-lines of a kind: the pictures of as many people as a page can show, and the sound of as
/// many as a room has by default, with some to spare.
pub(crate) const fn max_lines(kind: MediaKind) -> usize {
    match kind {
        MediaKind::Audio => 64,
        MediaKind::Video => 32,
    }
}

pub(crate) struct Offers {
    revision: u32,
    outstanding: Option<Outstanding>,
    /// The next offer restarts ICE.
    restart: bool,
    /// The CNAME of all its streams (RFC 3550 §6.5.1): they share the server's clock.
    cname: String,
}

struct Outstanding {
    pending: SdpPendingOffer,
    restarts: bool,
}

/// What a new receiver needs.
pub(crate) struct NewReceiver<'a> {
    pub(crate) id: SessionId,
    pub(crate) cert: &'a DtlsCert,
    pub(crate) local: &'a [Candidate],
    /// Sounds that are sent at once.
    pub(crate) loudest: usize,
    /// Redundant sound may be sent.
    pub(crate) redundancy: bool,
    pub(crate) cname: String,
    pub(crate) now: Instant,
    pub(crate) deadline: Instant,
}

impl Session {
    /// A session without m-lines; the first offer makes them.
    pub(crate) fn receiver(new: NewReceiver<'_>) -> Result<Self, String> {
        let creds = IceCreds::new();
        let mut rtc = codec::build_rtc(
            Purpose::Receiver,
            new.redundancy,
            new.cert,
            creds.clone(),
            new.now,
        );
        add_candidates(&mut rtc, new.local);
        Ok(Self {
            id: new.id,
            user: creds.ufrag,
            candidates: 0,
            addresses: Vec::new(),
            connected: false,
            dirty: false,
            armed: None,
            deadline: Some(new.deadline),
            side: Side::Subscriber(Subscriber {
                stage: Stage::new(new.loudest),
                ..Subscriber::default()
            }),
            dialogue: Dialogue::Offers(Box::new(Offers {
                revision: 0,
                outstanding: None,
                restart: false,
                cname: new.cname,
            })),
            rtc,
            timeout: new.now,
            path: Path::new(new.now),
            remote: None,
            totals: Vec::new(),
            figures: Figures::default(),
            figures_at: None,
            link: Link::default(),
            redundancy: Level::default(),
            repair: Repair::default(),
        })
    }

    /// The feed of a stream.
    pub(crate) fn feed_of(&mut self, stream: &StreamId) -> Option<&mut Feed> {
        match &mut self.side {
            Side::Subscriber(s) => s.feeds.iter_mut().find(|f| f.stream == *stream),
            Side::Publisher(_) => None,
        }
    }

    /// Changes what is wanted of a stream that is fed already; what is not wanted any more stops
    /// at once. Gives its room, and what it was served before.
    pub(crate) fn want(&mut self, stream: &StreamId, wish: Wish) -> Option<(SlotKey, Wish)> {
        let feed = self.feed_of(stream)?;
        let before = feed.served();
        feed.set_wish(wish);
        for kind in KINDS {
            if !wish.has(kind) {
                feed.set_line(kind, None);
            }
        }
        let room = feed.room;
        if !wish.audio {
            self.leave_stage(room);
        }
        Some((room, before))
    }

    fn leave_stage(&mut self, room: SlotKey) {
        if let Side::Subscriber(subscriber) = &mut self.side {
            subscriber.stage.leave(room);
        }
    }

    /// Feeds one more stream, once its lines have been negotiated.
    pub(crate) fn add_feed(&mut self, stream: StreamId, room: SlotKey, wish: Wish) {
        if let Side::Subscriber(s) = &mut self.side {
            s.feeds.push(Feed::new(stream, room, wish));
        }
    }

    /// Ends a feed.
    pub(crate) fn remove_feed(&mut self, stream: &StreamId) -> Option<Feed> {
        let Side::Subscriber(s) = &mut self.side else {
            return None;
        };
        let index = s.feeds.iter().position(|f| f.stream == *stream)?;
        let feed = s.feeds.remove(index);
        s.stage.leave(feed.room);
        Some(feed)
    }

    /// The streams that it receives.
    pub(crate) fn feeds(&self) -> &[Feed] {
        match &self.side {
            Side::Subscriber(s) => &s.feeds,
            Side::Publisher(_) => &[],
        }
    }

    /// Most tracks of a kind that a session can have, or a new one.
    pub(crate) fn track_limit(session: Option<&Self>, kind: MediaKind) -> usize {
        let Some((session, Side::Subscriber(s))) = session.map(|s| (s, &s.side)) else {
            return max_lines(kind);
        };
        let is_lost = |l: &&Line| {
            l.kind == kind
                && l.carries == Carries::Nothing
                && state(&session.rtc, l.mid) == OnWire::Stopped
        };
        max_lines(kind).saturating_sub(s.lines.iter().filter(is_lost).count())
    }

    /// Connects feeds with lines that carry their streams already. Gives their rooms.
    pub(crate) fn settle(&mut self, mut first: impl FnMut() -> Rewritten) -> Vec<SlotKey> {
        match (&mut self.side, &self.dialogue) {
            (Side::Subscriber(s), Dialogue::Offers(o)) if o.outstanding.is_none() => {
                activate(s, &mut self.rtc, &mut first)
            }
            _ => Vec::new(),
        }
    }

    /// The next offer restarts ICE.
    pub(crate) fn want_restart(&mut self) {
        if let Dialogue::Offers(offers) = &mut self.dialogue {
            offers.restart = true;
        }
        self.candidates = 0;
    }

    /// The next offer, if none is outstanding and there is something to change.
    pub(crate) fn next_offer(&mut self) -> Option<ServerOffer> {
        let (Side::Subscriber(subscriber), Dialogue::Offers(offers)) =
            (&mut self.side, &mut self.dialogue)
        else {
            return None;
        };
        if offers.outstanding.is_some() {
            return None;
        }
        // A new session has nothing to restart.
        let restarts = std::mem::take(&mut offers.restart) && self.remote.is_some();
        let directions: Vec<_> = subscriber
            .lines
            .iter()
            .map(|l| state(&self.rtc, l.mid))
            .collect();
        let mut closing = Vec::new();
        release(subscriber, &directions, |mid| closing.push(mid));
        for line in &mut subscriber.lines {
            if line.carries == Carries::Nothing && line.outgoing.take().is_some() {
                renew(&mut self.rtc, line.mid);
                self.totals.retain(|t| !t.is_of(line.mid));
            }
        }
        let rtc = &mut self.rtc;
        let made = caught(|| {
            let mut api = rtc.sdp_api();
            for mid in closing {
                api.set_direction(mid, Direction::Inactive);
            }
            occupy(subscriber, &directions, |mid, kind, stream| match mid {
                Some(mid) => {
                    api.set_direction(mid, Direction::SendOnly);
                    mid
                }
                None => {
                    let cname = Some(offers.cname.clone());
                    let stream = Some(stream.to_string());
                    api.add_media(kind, Direction::SendOnly, stream, cname, None)
                }
            });
            if restarts {
                api.ice_restart(true);
            }
            api.apply()
        });
        // str0m's own list of changes cannot make it panic; if it does, the session stays as it
        // is and its client asks again.
        let (offer, pending) = made.ok().flatten()?;
        offers.outstanding = Some(Outstanding { pending, restarts });
        offers.revision = offers.revision.wrapping_add(1);
        Some(ServerOffer {
            revision: offers.revision,
            sdp: written(&offer.to_sdp_string(), offers.revision, &subscriber.lines),
        })
    }

    /// Takes the answer to the outstanding offer. Gives the rooms whose streams flow from now on.
    ///
    /// # Errors
    /// After [`ReceiveError::Refused`] the session has to be closed; after any other error it is
    /// as it was before.
    pub(crate) fn take_answer(
        &mut self,
        revision: u32,
        sdp: &str,
        mut first: impl FnMut() -> Rewritten,
    ) -> Result<Vec<SlotKey>, ReceiveError> {
        let (Side::Subscriber(subscriber), Dialogue::Offers(offers)) =
            (&mut self.side, &mut self.dialogue)
        else {
            return Ok(Vec::new());
        };
        let expected = offers.outstanding.as_ref().map(|_| offers.revision);
        let restarts = match &offers.outstanding {
            Some(outstanding) if offers.revision == revision => outstanding.restarts,
            _ => {
                return Err(ReceiveError::WrongRevision {
                    given: revision,
                    expected,
                });
            }
        };
        let mids: Vec<(String, MediaKind)> = subscriber
            .lines
            .iter()
            .map(|l| (l.mid.to_string(), l.kind))
            .collect();
        let checked = answer::check(
            sdp,
            &Offered {
                lines: &mids,
                remote: self.remote.as_ref().filter(|_| !restarts),
            },
        )
        .map_err(|fault| match fault {
            AnswerFault::TooLarge { length, limit } => ReceiveError::TooLarge { length, limit },
            AnswerFault::Malformed(reason) => ReceiveError::Malformed { reason },
        })?;
        let malformed = |reason: String| ReceiveError::Malformed { reason };
        let parsed = SdpAnswer::from_sdp_string(&checked).map_err(|e| malformed(e.to_string()))?;
        let remote =
            credentials(&checked).ok_or_else(|| malformed("it has no ICE credentials".into()))?;

        let Some(outstanding) = offers.outstanding.take() else {
            return Ok(Vec::new());
        };
        let rtc = &mut self.rtc;
        match caught(|| rtc.sdp_api().accept_answer(outstanding.pending, parsed)) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => {
                return Err(ReceiveError::Refused {
                    reason: e.to_string(),
                });
            }
            Err(_) => {
                return Err(ReceiveError::Refused {
                    reason: "the WebRTC stack cannot take it".to_owned(),
                });
            }
        }
        self.remote = Some(remote);
        self.user = rtc.direct_api().local_ice_credentials().ufrag;
        Ok(activate(subscriber, rtc, &mut first))
    }
}

/// What has become of a line on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnWire {
    Sending,
    Inactive,
    /// Refused for good: an m-line that has been stopped cannot come back.
    Stopped,
}

fn state(rtc: &Rtc, mid: Mid) -> OnWire {
    match rtc.media(mid) {
        Some(media) if media.stopped() => OnWire::Stopped,
        Some(media) if media.direction().is_sending() => OnWire::Sending,
        Some(_) => OnWire::Inactive,
        None => OnWire::Stopped,
    }
}

/// Gives up the lines whose streams are not wanted any more. A line is used again once that has
/// been answered: only then does a page see another track there.
fn release(subscriber: &mut Subscriber, on_wire: &[OnWire], mut close: impl FnMut(Mid)) {
    let Subscriber { feeds, lines, .. } = subscriber;
    for (line, on_wire) in lines.iter_mut().zip(on_wire) {
        let Carries::Stream(stream) = &line.carries else {
            continue;
        };
        let wanted = |f: &Feed| f.stream == *stream && f.wish.has(line.kind);
        if feeds.iter().any(wanted) {
            continue;
        }
        line.carries = match on_wire {
            OnWire::Sending => {
                close(line.mid);
                Carries::Leaving
            }
            OnWire::Inactive | OnWire::Stopped => Carries::Nothing,
        };
        if let Some(outgoing) = &mut line.outgoing {
            outgoing.writer.clear();
        }
    }
}

/// Gives a line that has been in use new SSRCs. Chromium drops the decoder of an SSRC when its line
/// goes inactive, and when the same SSRC comes back there, it decodes and shows nothing: its track
/// still believes that it is connected.
fn renew(rtc: &mut Rtc, mid: Mid) {
    let mut api = rtc.direct_api();
    let Some(old) = api.stream_tx_by_mid(mid, None) else {
        return;
    };
    let (old, resends) = (old.ssrc(), old.rtx().is_some());
    api.remove_stream_tx(old);
    let ssrc = api.new_ssrc();
    // One that is not in use, and not the one of this line.
    let rtx = resends.then(|| std::iter::repeat_with(|| api.new_ssrc()).find(|rtx| *rtx != ssrc));
    api.declare_stream_tx(ssrc, rtx.flatten(), mid, None);
}

/// Finds a line for each wanted track that has none: a free one, or a new one if there may be
/// more. `open` is given the free line's mid, or makes a new one.
fn occupy(
    subscriber: &mut Subscriber,
    on_wire: &[OnWire],
    mut open: impl FnMut(Option<Mid>, RtcKind, &StreamId) -> Mid,
) {
    let Subscriber { feeds, lines, .. } = subscriber;
    for feed in feeds {
        for kind in KINDS {
            let carried = |l: &Line| {
                l.kind == kind && matches!(&l.carries, Carries::Stream(s) if *s == feed.stream)
            };
            if !feed.wish.has(kind) || lines.iter().any(carried) {
                continue;
            }
            let rtc_kind = match kind {
                MediaKind::Audio => RtcKind::Audio,
                MediaKind::Video => RtcKind::Video,
            };
            let carries = Carries::Stream(feed.stream.clone());
            let free = lines.iter_mut().zip(on_wire).find(|(l, on_wire)| {
                l.kind == kind && l.carries == Carries::Nothing && **on_wire != OnWire::Stopped
            });
            if let Some((line, _)) = free {
                open(Some(line.mid), rtc_kind, &feed.stream);
                line.carries = carries;
            } else if lines.iter().filter(|l| l.kind == kind).count() < max_lines(kind) {
                let mid = open(None, rtc_kind, &feed.stream);
                lines.push(Line {
                    mid,
                    kind,
                    carries,
                    outgoing: None,
                });
            }
        }
    }
}

/// Connects feeds with the lines that have been answered for them.
fn activate(
    subscriber: &mut Subscriber,
    rtc: &mut Rtc,
    first: &mut impl FnMut() -> Rewritten,
) -> Vec<SlotKey> {
    let mut rooms = Vec::new();
    for index in 0..subscriber.lines.len() {
        let Subscriber { feeds, lines, .. } = subscriber;
        let line = &mut lines[index];
        if line.carries == Carries::Leaving {
            line.carries = Carries::Nothing;
        }
        let Carries::Stream(stream) = &line.carries else {
            continue;
        };
        let feed = feeds
            .iter_mut()
            .find(|f| f.stream == *stream && f.wish.has(line.kind));
        let Some(feed) = feed else {
            continue;
        };
        if state(rtc, line.mid) != OnWire::Sending {
            feed.set_line(line.kind, None);
            continue;
        }
        match &mut line.outgoing {
            None => line.outgoing = negotiate::outgoing(rtc, line.mid, line.kind, &mut *first),
            Some(outgoing) => {
                outgoing.writer.payload_types = negotiate::payload_types(rtc, line.mid);
                let takes = negotiate::takes_descriptors(rtc, line.mid);
                outgoing.subscription.set_descriptors(takes);
                if feed.line(line.kind) != Some(index) {
                    outgoing.subscription.restart();
                }
            }
        }
        if feed.line(line.kind) != Some(index) {
            feed.set_line(line.kind, Some(index));
            if !rooms.contains(&feed.room) {
                rooms.push(feed.room);
            }
        }
    }
    rooms
}

/// The offer as the client gets it: each m-line says which stream it carries, and the version in
/// the origin line grows (RFC 3264 §8). In str0m's an m-line has the a=msid that it was made with
/// for ever, and the version never changes.
fn written(sdp: &str, revision: u32, lines: &[Line]) -> String {
    let mut out = String::with_capacity(sdp.len() + lines.len() * 64);
    let mut sections = lines.iter();
    let mut current: Option<&Line> = None;
    for text in sdp.lines() {
        if text.starts_with("m=") {
            current = sections.next();
        }
        let stream = current.and_then(|line| match &line.carries {
            Carries::Stream(stream) => Some((stream, line.mid)),
            Carries::Leaving | Carries::Nothing => None,
        });
        let msid = |out: &mut String, (stream, mid): (&StreamId, Mid)| {
            let _ = write!(out, "{stream} track-{mid}");
        };
        match (text, stream) {
            _ if text.starts_with("o=") => {
                let mut words = text.split(' ');
                let origin = [words.next(), words.next()].map(Option::unwrap_or_default);
                let address: Vec<&str> = words.skip(1).collect();
                let _ = write!(out, "{} {revision} {}", origin.join(" "), address.join(" "));
            }
            _ if text.starts_with("a=msid-semantic:") => out.push_str("a=msid-semantic:WMS *"),
            _ if text.starts_with("a=msid:") => {
                let Some(stream) = stream else { continue };
                out.push_str("a=msid:");
                msid(&mut out, stream);
            }
            _ if text.starts_with("a=ssrc") => {
                let Some(stream) = stream else { continue };
                match text.split_once(" msid:") {
                    Some((ssrc, _)) => {
                        out.push_str(ssrc);
                        out.push_str(" msid:");
                        msid(&mut out, stream);
                    }
                    None => out.push_str(text),
                }
            }
            _ => out.push_str(text),
        }
        out.push_str("\r\n");
    }
    out
}

pub(crate) const KINDS: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];
