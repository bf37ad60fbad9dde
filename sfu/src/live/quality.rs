//! Network quality of each connection, up and down, every two seconds, without IO.
//!
//! Round trip, loss and jitter of a path are smoothed, graded each by [`GRADES`], and the worst
//! grade is the path's. A path gets worse at once and better by one step at a time.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::agenda::Agenda;
use super::ids::ConnectionId;

/// The direction of media, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// From the client: what it publishes.
    Up,
    /// To the client: what it receives.
    Down,
}

/// What was measured on a path since the last time. What is not known is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Round trip.
    pub rtt: Option<Duration>,
    /// Lost packets among those sent, 0 to 1.
    pub loss: Option<f32>,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Option<Duration>,
}

/// The quality of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "u8")]
#[repr(u8)]
pub enum Quality {
    /// There is no path, or nothing is known of it yet.
    #[default]
    Unknown = 0,
    /// Nothing to notice.
    Excellent = 1,
    /// Repaired before it is noticed.
    Good = 2,
    /// A conversation is possible; some frames are late.
    Fair = 3,
    /// Freezes now and then.
    Poor = 4,
    /// Hardly usable.
    Bad = 5,
    /// Nothing gets through.
    Down = 6,
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality as Self
    }
}

/// The best grade for round trip, loss and jitter up to these; [`Quality::Bad`] above the last.
///
/// 150 ms one way are the most that a conversation does not notice (ITU-T G.114), so that a round
/// trip of 300 ms is no better than fair. Retransmission hides some percent of loss while the
/// round trip is short. A browser's jitter buffer hides about 50 ms.
pub const GRADES: [(Quality, Duration, f32, Duration); 4] = [
    (Quality::Excellent, millis(100), 0.01, millis(20)),
    (Quality::Good, millis(200), 0.03, millis(50)),
    (Quality::Fair, millis(400), 0.08, millis(100)),
    (Quality::Poor, millis(800), 0.20, millis(200)),
];

/// From this loss on a path is down.
pub const DOWN_LOSS: f32 = 0.9;

/// An open path without figures for so long is down: three reports of RTCP were lost.
pub const DOWN_AFTER: Duration = Duration::from_secs(6);

/// How often a connection is told.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// What a client is told, under the names of `network-quality`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkQuality {
    /// From the client, 1 best to 6 down, 0 unknown.
    pub uplink_network_quality: Quality,
    /// To the client.
    pub downlink_network_quality: Quality,
    /// Round trip in milliseconds, 0 if unknown.
    #[serde(rename = "uplinkRTT")]
    pub uplink_rtt: u32,
    /// Lost packets in percent.
    pub uplink_loss: u8,
    /// Round trip in milliseconds, 0 if unknown.
    #[serde(rename = "downlinkRTT")]
    pub downlink_rtt: u32,
    /// Lost packets in percent.
    pub downlink_loss: u8,
}

/// The qualities of all connections.
#[derive(Debug)]
pub struct Qualities {
    limit: usize,
    links: HashMap<ConnectionId, Link>,
    agenda: Agenda<ConnectionId>,
    outputs: VecDeque<(ConnectionId, NetworkQuality)>,
    refused: u64,
}

/// Both paths of a connection.
#[derive(Debug, Default)]
struct Link {
    up: Option<State>,
    down: Option<State>,
}

/// One open path.
#[derive(Debug)]
struct State {
    opened: Instant,
    heard: Option<Instant>,
    rtt: Option<f32>,
    loss: Option<f32>,
    jitter: Option<f32>,
    quality: Quality,
}

impl Qualities {
    /// No connections, and room for `limit` of them.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            links: HashMap::new(),
            agenda: Agenda::default(),
            outputs: VecDeque::new(),
            refused: 0,
        }
    }

    /// A connection sends or receives media from now on: it is told its quality. A path that is
    /// open already stays as it is. False beyond the limit, which is counted.
    pub fn open(&mut self, now: Instant, connection: ConnectionId, path: Path) -> bool {
        if !self.links.contains_key(&connection) {
            if self.links.len() >= self.limit {
                self.refused += 1;
                return false;
            }
            self.agenda.set(&connection, Some(now + INTERVAL));
        }
        let link = self.links.entry(connection).or_default();
        link.path(path).get_or_insert_with(|| State::new(now));
        true
    }

    /// A path has ended; without another one the connection is told nothing more.
    pub fn close(&mut self, connection: ConnectionId, path: Path) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        *link.path(path) = None;
        if link.up.is_none() && link.down.is_none() {
            self.remove(connection);
        }
    }

    /// A connection has ended.
    pub fn remove(&mut self, connection: ConnectionId) {
        self.links.remove(&connection);
        self.agenda.set(&connection, None);
    }

    /// Takes what was measured; nothing on a path that is not open.
    pub fn handle_figures(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        path: Path,
        figures: Figures,
    ) {
        let link = self.links.get_mut(&connection);
        if let Some(state) = link.and_then(|l| l.path(path).as_mut()) {
            state.handle(now, figures);
        }
    }

    /// What a connection was last told.
    pub fn of(&self, connection: ConnectionId) -> Option<NetworkQuality> {
        self.links.get(&connection).map(Link::report)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Does what is due. Reports that were missed by a late call are not made up for.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(connection) = self.agenda.pop_due(now) {
            let Some(link) = self.links.get_mut(&connection) else {
                continue;
            };
            for state in [&mut link.up, &mut link.down].into_iter().flatten() {
                state.grade(now);
            }
            self.outputs.push_back((connection, link.report()));
            self.agenda.set(&connection, Some(now + INTERVAL));
        }
    }

    /// The next report; to be emptied after every call.
    pub fn poll_output(&mut self) -> Option<(ConnectionId, NetworkQuality)> {
        self.outputs.pop_front()
    }

    /// Connections that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Link {
    fn path(&mut self, path: Path) -> &mut Option<State> {
        match path {
            Path::Up => &mut self.up,
            Path::Down => &mut self.down,
        }
    }

    fn report(&self) -> NetworkQuality {
        let figures = |state: &Option<State>| match state {
            Some(s) => (s.quality, to_millis(s.rtt), to_percent(s.loss)),
            None => (Quality::Unknown, 0, 0),
        };
        let (up, down) = (figures(&self.up), figures(&self.down));
        NetworkQuality {
            uplink_network_quality: up.0,
            downlink_network_quality: down.0,
            uplink_rtt: up.1,
            uplink_loss: up.2,
            downlink_rtt: down.1,
            downlink_loss: down.2,
        }
    }
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            opened: now,
            heard: None,
            rtt: None,
            loss: None,
            jitter: None,
            quality: Quality::Unknown,
        }
    }

    fn handle(&mut self, now: Instant, figures: Figures) {
        let Figures { rtt, loss, jitter } = figures;
        if rtt.is_none() && loss.is_none() && jitter.is_none() {
            return;
        }
        // The first figures count in full, later ones by the time since the last.
        let weight = match self.heard {
            Some(before) => {
                let passed = now.saturating_duration_since(before).as_secs_f32();
                1.0 - (-passed / SMOOTHING.as_secs_f32()).exp()
            }
            None => 1.0,
        };
        smooth(&mut self.rtt, rtt.map(|d| d.as_secs_f32()), weight);
        let loss = loss.filter(|l| l.is_finite()).map(|l| l.clamp(0.0, 1.0));
        smooth(&mut self.loss, loss, weight);
        smooth(&mut self.jitter, jitter.map(|d| d.as_secs_f32()), weight);
        self.heard = Some(now);
    }

    fn grade(&mut self, now: Instant) {
        let since = self.heard.unwrap_or(self.opened);
        let is_silent = now.saturating_duration_since(since) >= DOWN_AFTER;
        let is_lost = self.loss.is_some_and(|loss| loss >= DOWN_LOSS);
        let measured = match self.heard {
            _ if is_silent || is_lost => Quality::Down,
            None => Quality::Unknown,
            Some(_) => self.measured(),
        };
        let known = self.quality != Quality::Unknown && measured != Quality::Unknown;
        self.quality = if known && measured < self.quality {
            one_better(self.quality)
        } else {
            measured
        };
    }

    fn measured(&self) -> Quality {
        let fits = |value: Option<f32>, bound: f32| value.is_none_or(|v| v <= bound);
        GRADES
            .iter()
            .find(|(_, rtt, loss, jitter)| {
                fits(self.rtt, rtt.as_secs_f32())
                    && fits(self.loss, *loss)
                    && fits(self.jitter, jitter.as_secs_f32())
            })
            .map_or(Quality::Bad, |(quality, ..)| *quality)
    }
}

fn smooth(kept: &mut Option<f32>, value: Option<f32>, weight: f32) {
    if let Some(value) = value {
        let before = kept.unwrap_or(value);
        *kept = Some(before + (value - before) * weight);
    }
}

fn one_better(quality: Quality) -> Quality {
    match quality {
        Quality::Down => Quality::Bad,
        Quality::Bad => Quality::Poor,
        Quality::Poor => Quality::Fair,
        Quality::Fair => Quality::Good,
        Quality::Good | Quality::Excellent => Quality::Excellent,
        Quality::Unknown => Quality::Unknown,
    }
}

fn to_millis(seconds: Option<f32>) -> u32 {
    // Casts from floats saturate.
    seconds.map_or(0, |s| (s * 1_000.0).round() as u32)
}

fn to_percent(share: Option<f32>) -> u8 {
    share.map_or(0, |s| (s * 100.0).round() as u8)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Time constant of the smoothing: after one interval, figures that stay count for two thirds.
const SMOOTHING: Duration = INTERVAL;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Net {
        qualities: Qualities,
        now: Instant,
        told: Vec<NetworkQuality>,
    }

    fn figures(rtt: u64, percent: f32, jitter: u64) -> Figures {
        Figures {
            rtt: Some(millis(rtt)),
            loss: Some(percent / 100.0),
            jitter: Some(millis(jitter)),
        }
    }

    const ANNA: ConnectionId = ConnectionId(1);

    impl Net {
        fn new(paths: &[Path]) -> Self {
            let mut net = Self {
                qualities: Qualities::new(10),
                now: Instant::now(),
                told: Vec::new(),
            };
            for path in paths {
                assert!(net.qualities.open(net.now, ANNA, *path));
            }
            net
        }

        /// Figures of the path every second.
        fn run(&mut self, seconds: u32, path: Path, figures: Option<Figures>) {
            for _ in 0..seconds {
                if let Some(figures) = figures {
                    self.qualities.handle_figures(self.now, ANNA, path, figures);
                }
                self.now += SECOND;
                self.qualities.handle_timeout(self.now);
                while let Some((_, quality)) = self.qualities.poll_output() {
                    self.told.push(quality);
                }
            }
        }

        fn up(&self) -> u8 {
            self.told.last().unwrap().uplink_network_quality.into()
        }

        fn ups(&mut self) -> Vec<u8> {
            self.told
                .drain(..)
                .map(|q| q.uplink_network_quality.into())
                .collect()
        }
    }

    #[test]
    fn a_connection_with_media_is_told_every_two_seconds() {
        let mut net = Net::new(&[Path::Up]);
        assert_eq!(net.qualities.next_timeout(), Some(net.now + INTERVAL));
        net.run(10, Path::Up, Some(figures(40, 0.0, 5)));
        assert_eq!(net.told.len(), 5);
        assert_eq!(
            net.told[4],
            NetworkQuality {
                uplink_network_quality: Quality::Excellent,
                uplink_rtt: 40,
                ..NetworkQuality::default()
            }
        );
        net.qualities.close(ANNA, Path::Up);
        assert_eq!(net.qualities.next_timeout(), None);
        assert!(net.qualities.links.is_empty());
    }

    #[test]
    fn each_figure_alone_can_lower_the_grade() {
        for (rtt, percent, jitter, grade) in [
            (100, 1.0, 20, 1),
            (101, 0.0, 0, 2),
            (0, 1.1, 0, 2),
            (0, 0.0, 21, 2),
            (300, 0.0, 0, 3),
            (0, 8.0, 0, 3),
            (0, 0.0, 150, 4),
            (500, 0.0, 0, 4),
            (900, 0.0, 0, 5),
            (0, 50.0, 0, 5),
            (0, 0.0, 400, 5),
            (0, 95.0, 0, 6),
        ] {
            let mut net = Net::new(&[Path::Up]);
            net.run(2, Path::Up, Some(figures(rtt, percent, jitter)));
            assert_eq!(net.up(), grade, "{rtt} ms, {percent} %, {jitter} ms");
        }
    }

    #[test]
    fn what_is_not_measured_does_not_count() {
        let mut net = Net::new(&[Path::Up, Path::Down]);
        let loss = Figures {
            loss: Some(0.05),
            ..Figures::default()
        };
        net.run(2, Path::Down, Some(loss));
        let told = net.told[0];
        assert_eq!(told.downlink_network_quality, Quality::Fair);
        assert_eq!((told.downlink_loss, told.downlink_rtt), (5, 0));
        assert_eq!(told.uplink_network_quality, Quality::Unknown);
        let garbage = Figures {
            loss: Some(f32::NAN),
            ..Figures::default()
        };
        net.run(2, Path::Down, Some(garbage));
        assert_eq!(net.told[1].downlink_loss, 5);
    }

    #[test]
    fn one_bad_report_weighs_less_than_a_lasting_one() {
        let mut net = Net::new(&[Path::Up]);
        net.run(4, Path::Up, Some(figures(50, 0.0, 5)));
        net.run(1, Path::Up, Some(figures(50, 15.0, 5)));
        net.run(1, Path::Up, Some(figures(50, 0.0, 5)));
        assert_eq!(net.up(), 3);
        net.run(6, Path::Up, Some(figures(50, 15.0, 5)));
        assert_eq!(net.up(), 4);
    }

    #[test]
    fn it_gets_worse_at_once_and_better_step_by_step() {
        let mut net = Net::new(&[Path::Up]);
        net.run(2, Path::Up, Some(figures(20, 0.0, 5)));
        net.run(6, Path::Up, Some(figures(2_000, 40.0, 300)));
        assert_eq!(net.ups(), [1, 5, 5, 5]);
        net.run(20, Path::Up, Some(figures(20, 0.0, 5)));
        let ups = net.ups();
        assert!(ups.windows(2).all(|w| w[0] - w[1] <= 1), "{ups:?}");
        assert_eq!((ups[0], *ups.last().unwrap()), (4, 1), "{ups:?}");
    }

    #[test]
    fn an_open_path_that_is_silent_is_down_and_comes_back() {
        let mut net = Net::new(&[Path::Up]);
        net.run(4, Path::Up, None);
        assert_eq!(net.ups(), [0, 0]);
        net.run(2, Path::Up, None);
        assert_eq!(net.ups(), [6]);
        net.run(2, Path::Up, Some(figures(20, 0.0, 5)));
        assert_eq!(net.up(), 5);
        net.run(8, Path::Up, Some(figures(20, 0.0, 5)));
        assert_eq!(net.up(), 1);
        net.run(8, Path::Up, None);
        assert_eq!(net.up(), 6);
    }

    #[test]
    fn a_path_that_is_opened_again_keeps_what_is_known() {
        let mut net = Net::new(&[Path::Up]);
        net.run(2, Path::Up, Some(figures(300, 0.0, 5)));
        net.qualities.open(net.now, ANNA, Path::Up);
        assert_eq!(net.qualities.of(ANNA), net.told.last().copied());
        net.run(2, Path::Up, None);
        assert_eq!(net.up(), 3);
    }

    #[test]
    fn the_two_paths_are_apart() {
        let mut net = Net::new(&[Path::Up, Path::Down]);
        net.qualities
            .handle_figures(net.now, ANNA, Path::Up, figures(20, 0.0, 1));
        net.run(2, Path::Down, Some(figures(500, 10.0, 1)));
        let told = net.told[0];
        assert_eq!(u8::from(told.uplink_network_quality), 1);
        assert_eq!(u8::from(told.downlink_network_quality), 4);
        net.qualities.close(ANNA, Path::Down);
        net.run(2, Path::Down, Some(figures(500, 10.0, 1)));
        assert_eq!(net.told[1].downlink_network_quality, Quality::Unknown);
    }

    #[test]
    fn the_report_has_the_documented_names() {
        let report = NetworkQuality {
            uplink_network_quality: Quality::Good,
            downlink_network_quality: Quality::Down,
            uplink_rtt: 120,
            uplink_loss: 2,
            downlink_rtt: 30,
            downlink_loss: 100,
        };
        let json = serde_json::to_value(report).unwrap();
        let expected = serde_json::json!({
            "uplinkNetworkQuality": 2,
            "downlinkNetworkQuality": 6,
            "uplinkRTT": 120,
            "uplinkLoss": 2,
            "downlinkRTT": 30,
            "downlinkLoss": 100,
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn connections_are_bounded_and_counted() {
        let mut qualities = Qualities::new(2);
        let now = Instant::now();
        let opened: Vec<_> = (0..3)
            .map(|n| qualities.open(now, ConnectionId(n), Path::Down))
            .collect();
        assert_eq!(opened, [true, true, false]);
        assert!(
            qualities.open(now, ConnectionId(0), Path::Up),
            "it is one of them"
        );
        assert_eq!(qualities.refused(), 1);
        qualities.handle_figures(now, ConnectionId(2), Path::Down, figures(1, 0.0, 1));
        assert_eq!(qualities.of(ConnectionId(2)), None);
        qualities.remove(ConnectionId(0));
        assert!(qualities.open(now, ConnectionId(2), Path::Down));
    }

    #[test]
    fn a_late_timeout_makes_up_for_nothing() {
        let mut net = Net::new(&[Path::Up]);
        net.qualities.handle_timeout(net.now + SECOND * 9);
        let mut reports = 0;
        while net.qualities.poll_output().is_some() {
            reports += 1;
        }
        assert_eq!(reports, 1);
        assert_eq!(net.qualities.next_timeout(), Some(net.now + SECOND * 11));
    }
}
