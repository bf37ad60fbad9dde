//! Network quality of each connection, up and down, every two seconds, without IO.
//!
//! Round trip, loss and jitter of a path are smoothed, graded each by [`GRADES`], and the worst
//! grade is the path's. A path gets worse at once and better by one step at a time.

mod rooms;
#[cfg(test)]
mod tests;

pub use rooms::{RoomQualities, RoomReport};

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
