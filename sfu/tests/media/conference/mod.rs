//! A conference of many people on virtual time, all of it from one seed: they come and go, take and
//! leave seats, are muted, choose pictures, and their networks change. Every packet that the server
//! sends is checked, and every picture that arrives.

mod changes;

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::egress::{self, Egress};
use crate::follow::Follow;
use crate::frames;
use crate::world::{World, good};
use packager::rtp::Codec;

struct Conference {
    w: World,
    rng: StdRng,
    /// The clients' numbers; a seat may be empty.
    seats: Vec<Option<u16>>,
    muted: Vec<u16>,
    viewers: Vec<u16>,
    pages: Vec<Watching>,
    /// By client and SSRC.
    follows: HashMap<(u16, u32), Follow>,
    leaving: Vec<(Instant, u16)>,
    next_change: Instant,
    started: Instant,
    done: Counts,
}

/// What has happened.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    joins: usize,
    leaves: usize,
    seated: usize,
    unseated: usize,
    mutes: usize,
    layers: usize,
    wishes: usize,
    networks: usize,
    restarts: usize,
    rebindings: usize,
    /// Changes of the layer or the source that were seen.
    switches: usize,
    audio: u64,
    video: u64,
}

struct Watching {
    client: u16,
    streams: Vec<String>,
}

impl Conference {
    fn new(seed: u64) -> Self {
        let mut w = World::new(1);
        w.egress = Some(Egress::default());
        let started = w.now;
        let mut conference = Self {
            w,
            rng: StdRng::seed_from_u64(seed),
            seats: vec![None; SEATS],
            muted: Vec::new(),
            viewers: Vec::new(),
            pages: Vec::new(),
            follows: HashMap::new(),
            leaving: Vec::new(),
            next_change: started,
            started,
            done: Counts::default(),
        };
        for seat in 0..SEATS {
            conference.seat(seat);
        }
        conference
    }

    fn run(&mut self, time: Duration) {
        let end = self.w.now + time;
        while self.w.now < end {
            self.w.step();
            self.look();
            self.see_off();
            self.mend();
            if self.w.now >= self.next_change {
                self.next_change = self.w.now + self.pause();
                self.change();
            }
        }
    }

    fn egress(&mut self) -> &mut Egress {
        self.w.egress.as_mut().expect("checked")
    }

    /// The part of every minute in which those who publish may lose packets. In the rest of the time
    /// there must be no gap at all.
    fn is_lossy_time(&self) -> bool {
        LOSSY.contains(&self.second())
    }

    fn second(&self) -> u64 {
        (self.w.now - self.started).as_secs() % 60
    }

    fn mend(&mut self) {
        let now = self.w.now;
        if self.is_lossy_time() {
            self.egress().allow_gaps(now + ECHO);
        } else if self.second() == LOSSY.end {
            for client in self.seats.clone().into_iter().flatten() {
                if let Some(index) = self.w.index(client) {
                    self.w.peers[index].up.set_config(good());
                    self.w.peers[index].down.set_config(good());
                }
            }
        }
    }

    /// Looks at what has come.
    fn look(&mut self) {
        let now = self.w.now;
        for peer in &mut self.w.peers {
            assert_eq!(peer.early, 0, "packets before the connection");
            let client = peer.number();
            let mut got = std::mem::take(&mut peer.got_video);
            got.append(&mut peer.got_audio);
            if let Some(page) = &mut peer.page {
                got.extend(page.take_all());
            }
            for got in got {
                if got.codec == Codec::Opus {
                    let part = frames::parse(got.codec, &got.payload);
                    assert!(part.is_some(), "payload is as it was made");
                    self.done.audio += 1;
                } else {
                    self.done.video += 1;
                    let follow = self.follows.entry((client, got.ssrc)).or_default();
                    follow.take(got);
                }
            }
        }
        for follow in self.follows.values_mut() {
            follow.settle(now);
        }
    }

    /// Takes away clients that have left, and those that a time limit has closed.
    fn see_off(&mut self) {
        let now = self.w.now;
        for (_, client) in self.leaving.extract_if(.., |(at, _)| *at <= now) {
            if let Some(index) = self.w.index(client) {
                self.w.peers.swap_remove(index);
            }
            if let Some(egress) = &mut self.w.egress {
                egress.forget(client);
            }
            for (_, follow) in self.follows.extract_if(|(of, _), _| *of == client) {
                self.done.switches += follow.switches;
            }
        }
        self.w.relayed.clear();
        self.w.events.clear();
        self.w.opened.clear();
        self.w.left.clear();
        for id in std::mem::take(&mut self.w.closed) {
            let closed = self.w.peers.iter().find(|peer| peer.session == Some(id));
            if let Some(client) = closed.map(|peer| peer.number()) {
                self.remove(client);
            }
        }
    }

    /// A client has left: it is nobody any more, and what is on its way to it still arrives.
    fn remove(&mut self, client: u16) {
        self.viewers.retain(|viewer| *viewer != client);
        self.pages.retain(|page| page.client != client);
        for seat in &mut self.seats {
            seat.take_if(|of| *of == client);
        }
        if !self.leaving.iter().any(|(_, of)| *of == client) {
            self.leaving.push((self.w.now + FAREWELL, client));
        }
    }

    /// Everybody leaves, and nothing is left.
    fn end(mut self) -> (Counts, egress::Counts) {
        for seat in 0..SEATS {
            self.unseat(seat);
        }
        while !self.viewers.is_empty() {
            self.leave();
        }
        while !self.pages.is_empty() {
            self.close_page();
        }
        let end = self.w.now + LINGER;
        while self.w.now < end {
            self.w.step();
            self.look();
            self.see_off();
        }
        assert_eq!(self.w.cores[0].gauges(), sfu::media::Gauges::default());
        assert_eq!(self.w.counters(0).panics, 0);
        let egress = self.egress().counts;
        (self.done, egress)
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("proc(5)")
}

/// A conference in which all that can happen has happened: nothing was checked in vain.
fn assert_eventful(counts: &Counts, egress: &egress::Counts) {
    let kinds = [
        counts.joins,
        counts.leaves,
        counts.seated - SEATS,
        counts.mutes,
        counts.layers,
        counts.wishes,
        counts.networks,
        counts.restarts,
        counts.rebindings,
    ];
    assert!(kinds.iter().all(|kind| *kind > 2), "{counts:?}");
    assert!(counts.switches > 4, "{counts:?}");
    assert!(counts.audio > 20_000, "{counts:?}");
    assert!(counts.video > counts.audio / 3, "{counts:?}");
    assert!(egress.cuts > 0 && egress.gaps > 0, "{egress:?}");
    assert!(egress.again > 0, "{egress:?}");
}

#[test]
fn a_minute_of_a_conference_breaks_no_rule_and_leaves_nothing() {
    let mut conference = Conference::new(1);
    conference.run(Duration::from_secs(75));
    let (counts, egress) = conference.end();
    assert_eventful(&counts, &egress);
}

/// `cargo test -p sfu --test media an_hour -- --ignored --nocapture`; `CONFERENCE_MINUTES` and
/// `CONFERENCE_SEED` choose another one.
#[test]
#[ignore = "takes minutes"]
fn an_hour_of_a_conference_breaks_no_rule_and_leaves_nothing() {
    let setting = |key: &str, usual: u64| match std::env::var(key) {
        Ok(value) => value.parse().expect("a number"),
        Err(_) => usual,
    };
    let minutes = setting("CONFERENCE_MINUTES", 60);
    let start = Instant::now();
    let mut conference = Conference::new(setting("CONFERENCE_SEED", 1));
    let mut memory = Vec::new();
    for _ in 0..minutes {
        conference.run(Duration::from_secs(60));
        memory.push(resident_kib());
    }
    let (counts, egress) = conference.end();
    let warm = memory.iter().take(memory.len() / 3).max();
    let peak = memory.iter().max();
    println!(
        "{minutes} min in {:?}: {counts:?}, {egress:?}, KiB resident in the first third {warm:?} \
         and ever {peak:?} at most",
        start.elapsed()
    );
    assert_eventful(&counts, &egress);
    if let (Some(warm), Some(peak)) = (warm, peak) {
        assert!(peak * 10 < warm * 11, "memory grows: {memory:?}");
    }
}

const SEATS: usize = 12;

/// Seconds of each minute.
const LOSSY: Range<u64> = 20..45;

/// How long a publisher's loss shows: a gap is passed at once, but a network that gets shorter lets
/// packets overtake each other.
const ECHO: Duration = Duration::from_secs(1);

/// Longer than the way of a packet.
const FAREWELL: Duration = Duration::from_millis(400);

/// Longer than a room without a publisher is kept.
const LINGER: Duration = Duration::from_secs(70);
