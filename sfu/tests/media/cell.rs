//! One cell of the loss matrix: one publisher, one subscriber, and loss at one of them.

use std::time::Duration;

use str0m_netem::{
    Bitrate, DataSize, GilbertElliot, LossModel, NetemConfig, Probability, RandomLoss,
};

use crate::fec::Fec;
use crate::peer::Traffic;
use crate::player::{Buffer, FRAME, Player, Seen, quantile};
use crate::world::World;

/// Whose network loses packets, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Publisher,
    Subscriber,
}

/// How losses follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Each packet for itself.
    Random,
    /// Gilbert and Elliott: whole runs of packets, five long in the mean.
    Bursts,
}

/// How the subscriber receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// By its own offer (WHEP).
    Viewer,
    /// As a page in a room does: the server makes the offers and estimates the bandwidth.
    Page,
}

#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub side: Side,
    pub receiver: Receiver,
    pub pattern: Pattern,
    /// Of the packets, in percent.
    pub loss: u8,
    /// Of the lossy side's network.
    pub rtt: Duration,
    /// Bits a second that the lossy side's network carries to the subscriber, with a queue of half a
    /// second.
    pub rate: Option<u64>,
    /// An ideal parity packet protects so many packets of media.
    pub fec: Option<u64>,
    /// The subscriber has no more than a browser's own buffer.
    pub plain: bool,
    pub seed: u64,
    /// How long it is looked at.
    pub time: Duration,
}

#[derive(Debug, Clone)]
pub struct Figures {
    /// Part of the time without a new picture, in percent.
    pub frozen: f64,
    /// Part of the frames that were whole at last, in percent.
    pub whole: f64,
    /// What whole frames needed above the same path without loss.
    pub p50: Duration,
    pub p95: Duration,
    /// Retransmissions and RTCP on the lossy side, both directions, in percent of the media there.
    pub repair: f64,
    pub freezes: usize,
    pub keyframes: usize,
}

impl Figures {
    /// The worse one of each figure.
    pub fn worst(self, other: Self) -> Self {
        Self {
            frozen: self.frozen.max(other.frozen),
            whole: self.whole.min(other.whole),
            p50: self.p50.max(other.p50),
            p95: self.p95.max(other.p95),
            repair: self.repair.max(other.repair),
            freezes: self.freezes.max(other.freezes),
            keyframes: self.keyframes.max(other.keyframes),
        }
    }
}

impl Cell {
    /// A minute of random loss with a round trip of 100 ms for a viewer.
    pub fn new(side: Side, loss: u8) -> Self {
        Self {
            side,
            receiver: Receiver::Viewer,
            pattern: Pattern::Random,
            loss,
            rtt: Duration::from_millis(100),
            rate: None,
            fec: None,
            plain: false,
            seed: 1,
            time: Duration::from_secs(60),
        }
    }

    fn buffer(&self) -> Buffer {
        let rtt = match self.side {
            Side::Publisher => 2 * OTHER_SIDE,
            Side::Subscriber => self.rtt,
        };
        match self.plain {
            true => Buffer::Plain { rtt },
            false => Buffer::Deep,
        }
    }

    fn net(&self, side: Side) -> NetemConfig {
        let net = NetemConfig::new();
        if side != self.side {
            return net.latency(OTHER_SIDE);
        }
        net.latency(self.rtt / 2)
    }

    fn loss(&self) -> LossModel {
        let part = f32::from(self.loss) / 100.0;
        match self.pattern {
            _ if self.loss == 0 => LossModel::None,
            Pattern::Random => RandomLoss::new(Probability::new(part)).into(),
            Pattern::Bursts => GilbertElliot::new()
                .bad_duration(BURST)
                .good_duration(BURST * (1.0 - part) / part)
                .into(),
        }
    }

    /// Runs it; panics if its peers do not connect on the path without loss.
    pub fn run(&self) -> Figures {
        let mut w = World::new(1);
        let p = w.publish("a", self.net(Side::Publisher));
        w.run_until(Duration::from_secs(10), "the stream is live", |w| {
            w.published == 1 && w.peers[p].connected_at.is_some()
        });
        // Browsers send again what is asked for, whatever part of all that is.
        let (mid, mut api) = (w.peers[p].video, w.peers[p].rtc.direct_api());
        if let Some(tx) = api.stream_tx_by_mid(mid, None) {
            tx.set_rtx_cache(1_000, Duration::from_secs(3), None);
        }
        let s = match self.receiver {
            Receiver::Viewer => w.subscribe("a", 0, self.net(Side::Subscriber)),
            Receiver::Page => {
                let page = w.open_page(0, self.net(Side::Subscriber));
                let offer = w.receive(page, &["a"], &[]).expect("received");
                w.negotiate(page, offer);
                page
            }
        };
        let origin = w.peers[p].connected_at.expect("connected");
        let rtt = self.rtt + 2 * OTHER_SIDE;
        // What the path itself takes shows before anything is lost.
        let mut player = Player::new(origin, Duration::ZERO, rtt, self.buffer());
        let mut fec = None;
        self.play(&mut w, s, &mut player, &mut fec, WARM_UP);
        let mut clean = std::mem::take(&mut player.seen.added);
        let ideal = quantile(&mut clean, 0.5);
        let mut player = Player::new(origin, ideal, rtt, self.buffer());
        self.play(&mut w, s, &mut player, &mut fec, WARM_UP);

        let lossy = match self.side {
            Side::Publisher => p,
            Side::Subscriber => s,
        };
        let net = self.net(self.side).loss(self.loss());
        let seed = self.seed * 2;
        let peer = &mut w.peers[lossy];
        peer.traffic = Traffic::default();
        peer.up.set_config(net.seed(seed));
        let down = match self.rate {
            Some(bps) => net.link(Bitrate::bps(bps), DataSize::bytes(bps.cast_signed() / 16)),
            None => net,
        };
        peer.down.set_config(down.seed(seed + 1));
        player.seen = Seen::default();
        fec = self.fec.map(|k| Fec::new(k, self.loss, self.seed));
        self.play(&mut w, s, &mut player, &mut fec, self.time);
        player.end(w.now);
        let mut seen = player.seen;
        let traffic = w.peers[lossy].traffic;
        let frames = self.time.as_secs_f64() / FRAME.as_secs_f64();
        Figures {
            frozen: 100.0 * seen.frozen.as_secs_f64() / self.time.as_secs_f64(),
            whole: (100.0 * seen.whole as f64 / frames).min(100.0),
            p50: quantile(&mut seen.added, 0.5),
            p95: quantile(&mut seen.added, 0.95),
            repair: 100.0 * (traffic.again + traffic.rtcp) as f64 / traffic.media as f64,
            freezes: seen.freezes,
            keyframes: seen.asked,
        }
    }

    fn play(
        &self,
        w: &mut World,
        s: usize,
        player: &mut Player,
        fec: &mut Option<Fec>,
        time: Duration,
    ) {
        let end = w.now + time;
        while w.now < end {
            w.step();
            let peer = &mut w.peers[s];
            let got = match &mut peer.page {
                Some(page) => page.take_video("a"),
                None => std::mem::take(&mut peer.got_video),
            };
            for packet in &got {
                player.take(packet);
                if let Some((part, at)) = fec.as_mut().and_then(|fec| fec.take(packet)) {
                    player.take_part(part, at);
                }
            }
            if player.advance(w.now) {
                w.peers[s].send_pli();
            }
        }
    }
}

/// One way of the side that loses nothing.
const OTHER_SIDE: Duration = Duration::from_millis(5);

/// Packets that a burst takes in the mean.
const BURST: f32 = 5.0;

/// Enough for sender reports to have told the round trip.
const WARM_UP: Duration = Duration::from_secs(3);
