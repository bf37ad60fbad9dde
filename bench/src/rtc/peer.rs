//! One str0m session that offers, without clock and socket.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::DtlsCert;
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::answer::{AnswerError, CandidateFilter};

/// What drives a session: datagrams and time in, datagrams and the next
/// wake-up out. Implementations hold no clock and no socket.
pub trait Driver {
    /// Takes one datagram that arrived at `now`.
    fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]);

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);

    /// Moves all datagrams that wait into `outbox`, in order, and says when to
    /// call [`Driver::handle_timeout`] next. `None`: the session is over.
    fn poll(&mut self, now: Instant, outbox: &mut Vec<Transmit>) -> Option<Instant>;

    /// Starts the goodbye: what it takes comes out of [`Driver::poll`].
    fn close(&mut self);
}

/// Makes the sessions of one run. They share a certificate, so that making a
/// key is not part of what a join costs.
#[derive(Clone)]
pub struct PeerFactory {
    cert: Option<DtlsCert>,
}

impl PeerFactory {
    /// Makes the certificate, and the process's crypto provider the default.
    pub fn new() -> PeerFactory {
        let provider = str0m::crypto::from_feature_flags();
        let cert = provider.dtls_provider.generate_certificate();
        CryptoProvider::install_process_default(provider);
        PeerFactory { cert }
    }

    /// The settings every session starts from: RTP mode, Opus and H.264
    /// Constrained Baseline, nothing else on offer.
    pub(crate) fn config(&self) -> RtcConfig {
        let mut config = RtcConfig::new()
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .clear_codecs()
            .enable_opus(true, false);
        // 0x42e01f: Constrained Baseline, level 3.1, with packetization mode 1.
        config
            .codec_config()
            .add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
        match &self.cert {
            Some(cert) => config.set_dtls_cert(cert.clone()),
            None => config,
        }
    }
}

impl Default for PeerFactory {
    fn default() -> PeerFactory {
        PeerFactory::new()
    }
}

/// A session that has offered. After [`Peer::accept_answer`] it connects.
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    failure: Option<String>,
}

impl Peer {
    /// Offers on `local` whatever `change` adds. Returns the SDP offer.
    pub(crate) fn offer<R>(
        config: RtcConfig,
        local: SocketAddr,
        now: Instant,
        change: impl FnOnce(&mut str0m::change::SdpApi<'_>) -> R,
    ) -> anyhow::Result<(Peer, String, R)> {
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut api = rtc.sdp_api();
        let changed = change(&mut api);
        let (offer, pending) = api
            .apply()
            .ok_or_else(|| anyhow::anyhow!("an offer without media"))?;
        let peer = Peer {
            rtc,
            local,
            pending: Some(pending),
            failure: None,
        };
        Ok((peer, offer.to_sdp_string(), changed))
    }

    pub(crate) fn accept_answer(
        &mut self,
        answer: &str,
        filter: CandidateFilter,
    ) -> Result<(), AnswerError> {
        let answer = filter.apply(answer)?;
        let answer = SdpAnswer::from_sdp_string(&answer)
            .map_err(|e| AnswerError::Malformed(e.to_string()))?;
        let pending = self.pending.take().ok_or(AnswerError::Twice)?;
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|e| AnswerError::Refused(e.to_string()))
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &[u8]) {
        // Anything that is not STUN, DTLS or RTP is not ours to judge.
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, datagram) else {
            return;
        };
        let result = self.rtc.handle_input(Input::Receive(now, receive));
        self.note(result);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let result = self.rtc.handle_input(Input::Timeout(now));
        self.note(result);
    }

    /// Polls until the session waits for time or input.
    pub(crate) fn poll(
        &mut self,
        outbox: &mut Vec<Transmit>,
        mut on_event: impl FnMut(&mut Rtc, Event),
    ) -> Option<Instant> {
        while self.failure.is_none() && self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return Some(at),
                Ok(Output::Transmit(transmit)) => outbox.push(transmit),
                Ok(Output::Event(event)) => on_event(&mut self.rtc, event),
                Err(e) => self.failure = Some(e.to_string()),
            }
        }
        None
    }

    pub(crate) fn close(&mut self) {
        let result = self.rtc.close();
        self.note(result);
    }

    /// Why the session ended by itself, if it did.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    fn note(&mut self, result: Result<(), str0m::RtcError>) {
        if let Err(e) = result {
            self.failure.get_or_insert(e.to_string());
        }
    }
}
