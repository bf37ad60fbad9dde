//! One peer connection: it sends a stream, or receives some.

mod choke;
mod eager;
mod hold;
mod incoming;
mod link;
mod negotiate;
mod offers;
mod path;
mod publisher;
mod repair;
mod stats;
mod subscriber;
mod writer;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use str0m::net::Receive;
use str0m::{Event, IceCreds, Input, Output, Rtc, RtcError};

pub(crate) use self::choke::{Pauses, WAY_INTERVAL};
pub(crate) use self::incoming::NewReport;
use self::link::Link;
pub(crate) use self::link::{Spending, Way};
use self::negotiate::Answers;
pub(crate) use self::negotiate::{NewSession, Purpose};
use self::offers::Offers;
pub(crate) use self::offers::{KINDS, NewReceiver};
use self::path::Path;
pub(crate) use self::publisher::{Kinds, Publisher};
use self::repair::Repair;
use self::stats::{Figures, Totals};
pub(crate) use self::subscriber::{Feed, Subscriber, Written};
use super::counters::DropReason;
use super::red::Level;
use super::remote::Remote;
use super::transmit::Transmits;
use crate::worker::api::{Role, SessionId, SessionRef};

pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// Our ICE user fragment.
    pub(crate) user: String,
    /// Remote candidates taken so far.
    pub(crate) candidates: usize,
    pub(crate) addresses: Vec<Remote>,
    pub(crate) connected: bool,
    /// The session is in the list of those to be drained.
    pub(crate) dirty: bool,
    /// Its earliest entry in the timers.
    pub(crate) armed: Option<Instant>,
    /// When it is closed unless something better happens first.
    pub(crate) deadline: Option<Instant>,
    pub(crate) side: Side,
    dialogue: Dialogue,
    rtc: Rtc,
    timeout: Instant,
    path: Path,
    /// Not known before the first answer to an offer of ours.
    remote: Option<IceCreds>,
    totals: Vec<Totals>,
    figures: Figures,
    /// When they may be taken again.
    figures_at: Option<Instant>,
    link: Link,
    /// How much of the sound it is sent twice.
    redundancy: Level,
    repair: Repair,
}

/// Which way the media flows.
pub(crate) enum Side {
    Publisher(Box<Publisher>),
    Subscriber(Subscriber),
}

/// Who makes the offers.
enum Dialogue {
    /// The client, once (WHIP, WHEP).
    Answers(Box<Answers>),
    /// The server, whenever streams come and go.
    Offers(Box<Offers>),
}

/// The session can go no further and has to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Panicked,
    Failed,
}

impl Session {
    /// True if a session URL of this stream and role names this session.
    pub(crate) fn is(&self, session: &SessionRef) -> bool {
        let stream = match (&self.side, &self.dialogue, session.role) {
            (Side::Publisher(p), _, Role::Publisher) => Some(&p.stream),
            (Side::Subscriber(s), Dialogue::Answers(_), Role::Subscriber) => {
                s.feeds.first().map(|f| &f.stream)
            }
            _ => None,
        };
        stream == Some(&session.stream)
    }

    /// True if the rooms want to know how its packets travel: WHEP sessions are nobody's.
    pub(crate) fn tells_figures(&self) -> bool {
        matches!(self.side, Side::Publisher(_)) || self.is_receiver()
    }

    /// True if the server makes the offers.
    pub(crate) fn is_receiver(&self) -> bool {
        matches!(self.dialogue, Dialogue::Offers(_))
    }

    /// True if the datagram proves by its integrity that it is for this session.
    pub(crate) fn accepts(
        &self,
        now: Instant,
        source: Remote,
        local: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        match Receive::new(source.protocol(), source.address, local, datagram) {
            Ok(receive) => self.rtc.accepts(&Input::Receive(now, receive)),
            Err(_) => false,
        }
    }

    /// Notes a check that [`accepts`](Self::accepts) has taken.
    pub(crate) fn checked(&mut self, now: Instant, source: Remote, nominates: bool) {
        self.path.checked(now, source, nominates);
    }

    /// Nothing can come from or go to this address any more.
    pub(crate) fn connection_ended(&mut self, remote: Remote) {
        self.addresses.retain(|address| *address != remote);
        self.path.ended(remote);
    }

    /// ICE has or has not lost all its pairs: without one nothing but answers to checks is sent.
    pub(crate) fn set_lapsed(&mut self, has_lapsed: bool) {
        self.path.set_lapsed(has_lapsed);
    }

    /// True if the session is to be closed: it did not connect in time, or has not been heard of.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.ends_at().is_some_and(|at| at <= now)
    }

    fn ends_at(&self) -> Option<Instant> {
        let consent = self.connected.then(|| self.path.consent_ends_at());
        self.deadline.into_iter().chain(consent).min()
    }

    /// Takes a datagram. To be drained before anything else is done to the session.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: Remote,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Result<Result<(), DropReason>, Ended> {
        let Ok(receive) = Receive::new(source.protocol(), source.address, local, datagram) else {
            return Ok(Err(DropReason::SessionInput));
        };
        let input = Input::Receive(now, receive);
        match caught(|| self.rtc.handle_input(input))? {
            Ok(()) => Ok(Ok(())),
            Err(_) if self.rtc.is_alive() => Ok(Err(DropReason::SessionInput)),
            Err(_) => Err(Ended::Failed),
        }
    }

    /// Moves time on, so that what was written can be polled.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Ended> {
        match caught(|| self.rtc.handle_input(Input::Timeout(now)))? {
            Ok(()) => Ok(()),
            Err(_) if self.rtc.is_alive() => Ok(()),
            Err(_) => Err(Ended::Failed),
        }
    }

    /// Takes out everything that is ready.
    pub(crate) fn drain(
        &mut self,
        transmits: &mut Transmits,
        mut event: impl FnMut(Event),
    ) -> Result<(), Ended> {
        let (rtc, path) = (&mut self.rtc, &mut self.path);
        let repair = &mut self.repair;
        let polled = caught(|| -> Result<Instant, RtcError> {
            // An output that never ends would be a fault of ours or str0m's: bounded all the same.
            for _ in 0..MAX_OUTPUTS {
                match rtc.poll_output()? {
                    Output::Timeout(at) => return Ok(at),
                    Output::Transmit(t) => {
                        let destination = Remote::of(t.proto, t.destination);
                        if let Some(remote) = path.of(destination, &t.contents) {
                            transmits.push(t.source.ip(), remote, &t.contents);
                            if repair.repeats(&t.contents) {
                                transmits.push(t.source.ip(), remote, &t.contents);
                            }
                        }
                    }
                    Output::Event(e) => event(e),
                }
            }
            Err(RtcError::RemoteSdp("endless output".to_owned()))
        })?;
        match polled {
            Ok(at) => {
                self.timeout = at;
                if self.rtc.is_alive() {
                    Ok(())
                } else {
                    Err(Ended::Failed)
                }
            }
            Err(_) => Err(Ended::Failed),
        }
    }

    /// True if str0m has more to do at this moment.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.timeout <= now
    }

    /// When the session wants to be advanced, looked at or closed.
    pub(crate) fn next_timeout(&self) -> Instant {
        let others = [self.ends_at(), self.link.next_look()];
        others
            .into_iter()
            .flatten()
            .fold(self.timeout, Instant::min)
    }

    /// Says BYE and writes what is left.
    pub(crate) fn close(&mut self, transmits: &mut Transmits) {
        if matches!(caught(|| self.rtc.close()), Ok(Ok(()))) {
            let _ = self.drain(transmits, |_| {});
        }
    }
}

/// Runs what may panic on hostile input; the session is given up then, and the others live.
fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Ended> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| Ended::Panicked)
}

/// Most RTP streams of one publisher: four layers and audio, with room for some changes of SSRC.
const MAX_STREAMS: usize = 16;

/// Most outputs of one drain: far above any burst, for a loop that is sure to end.
const MAX_OUTPUTS: usize = 100_000;
