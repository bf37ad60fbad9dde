//! A conference of many people on virtual time, all of it from one seed: they come and go, take and
//! leave seats, and their networks change. Every packet that the server sends is checked.

use std::time::{Duration, Instant};

use packager::rtp::Codec;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sfu::media::Picture;
use sfu::worker::Wanted;
use str0m::IceCreds;
use str0m_netem::{Bitrate, DataSize, NetemConfig, Probability, RandomLoss};

use crate::egress::{ECHO, Egress};
use crate::frames::{self, Got, Part};
use crate::world::{World, good, stream};

const SEATS: usize = 12;
const VIEWERS: usize = 8;
const PAGES: usize = 4;

struct Conference {
    w: World,
    rng: StdRng,
    /// The clients' numbers; a seat may be empty.
    seats: Vec<Option<u16>>,
    viewers: Vec<u16>,
    pages: Vec<Watching>,
    /// Where the order of somebody's packets is: client, stream.
    follows: Vec<Follow>,
    leaving: Vec<(Instant, u16)>,
    next_change: Instant,
    /// Seats have a lossy network every other minute.
    started: Instant,
    done: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    joins: usize,
    leaves: usize,
    seated: usize,
    unseated: usize,
    networks: usize,
    restarts: usize,
    switches: usize,
    checked: u64,
}

struct Watching {
    client: u16,
    streams: Vec<String>,
}

struct Follow {
    client: u16,
    stream: String,
    last: Option<(u64, Part)>,
}

fn name(seat: usize) -> String {
    format!("seat{seat}")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
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
            viewers: Vec::new(),
            pages: Vec::new(),
            follows: Vec::new(),
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
            if self.w.now >= self.next_change {
                self.next_change = self.w.now + ms(self.rng.random_range(200..2_000));
                self.change();
            }
        }
    }

    /// Every other minute nobody who publishes loses anything: there must be no gap at all.
    fn is_lossy_time(&self) -> bool {
        (self.w.now - self.started).as_secs() / 60 % 2 == 1
    }

    fn change(&mut self) {
        match self.rng.random_range(0..12) {
            0 | 1 if self.viewers.len() < VIEWERS => self.join(),
            0 | 1 => self.leave(),
            2 if self.pages.len() < PAGES => self.open_page(),
            2 => self.close_page(),
            3 | 4 => self.watch(),
            5 | 6 => {
                let seat = self.rng.random_range(0..SEATS);
                match self.seats[seat] {
                    Some(_) => self.unseat(seat),
                    None => self.seat(seat),
                }
            }
            7 | 8 => self.change_network_of_one_who_watches(),
            9 => self.change_network_of_a_seat(),
            10 => self.restart(),
            _ => self.pause_a_layer(),
        }
    }

    /// Takes a seat: some with three layers, some with sound alone, one in VP8.
    fn seat(&mut self, seat: usize) {
        let rids: &[&'static str] = match seat % 3 {
            0 => &["l", "m", "h"],
            _ => &[],
        };
        let index = self.w.publish_layers(&name(seat), good(), rids);
        let peer = &mut self.w.peers[index];
        let client = peer.number();
        if let Some(sender) = &mut peer.sender {
            for layer in &mut sender.layers {
                layer.packets /= 2;
                layer.on = seat % 4 != 1;
            }
            if seat % 6 == 2 {
                sender.codec = Codec::Vp8;
            }
        }
        self.seats[seat] = Some(client);
        self.done.seated += 1;
    }

    fn unseat(&mut self, seat: usize) {
        if let Some(client) = self.seats[seat].take() {
            self.close(client);
            self.done.unseated += 1;
        }
    }

    fn join(&mut self) {
        let seat = self.rng.random_range(0..SEATS);
        // Nobody may be there at this moment.
        if let Ok(index) = self.w.try_subscribe(&name(seat), 0, good()) {
            let client = self.w.peers[index].number();
            self.viewers.push(client);
            self.follow(client, name(seat));
            self.done.joins += 1;
        }
    }

    fn leave(&mut self) {
        let at = self.rng.random_range(0..self.viewers.len());
        let client = self.viewers.swap_remove(at);
        self.close(client);
        self.done.leaves += 1;
    }

    fn open_page(&mut self) {
        let index = self.w.open_page(0, good());
        self.pages.push(Watching {
            client: self.w.peers[index].number(),
            streams: Vec::new(),
        });
        self.done.joins += 1;
    }

    fn close_page(&mut self) {
        let at = self.rng.random_range(0..self.pages.len());
        let page = self.pages.swap_remove(at);
        self.close(page.client);
        self.done.leaves += 1;
    }

    /// A page adds a stream, chooses another picture of it, or has done with it.
    fn watch(&mut self) {
        if self.pages.is_empty() {
            return;
        }
        let at = self.rng.random_range(0..self.pages.len());
        let wanted = name(self.rng.random_range(0..SEATS));
        let client = self.pages[at].client;
        let Some(index) = self.w.index(client) else {
            return;
        };
        let known = self.pages[at].streams.iter().position(|s| *s == wanted);
        let offer = match known {
            Some(known) if self.rng.random() => {
                self.pages[at].streams.swap_remove(known);
                self.follows
                    .retain(|f| (f.client, &f.stream) != (client, &wanted));
                self.w.receive(index, &[], &[wanted.as_str()])
            }
            _ => {
                let video = match self.rng.random_range(0..4) {
                    0 => Some(Picture::Small),
                    1 => Some(Picture::Medium),
                    2 => None,
                    _ => Some(Picture::Large),
                };
                if known.is_none() {
                    self.pages[at].streams.push(wanted.clone());
                    self.follow(client, wanted.clone());
                }
                let wish = Wanted {
                    stream: stream(&wanted),
                    audio: true,
                    video,
                };
                self.w.receive_only(index, vec![wish], &[])
            }
        };
        // A stream that nobody has published yet, or a page that has been closed by a time limit.
        if let Ok(offer) = offer {
            self.w.negotiate(index, offer);
        }
    }

    fn change_network_of_one_who_watches(&mut self) {
        let net = self.network(true);
        if let Some(index) = self.somebody_who_watches() {
            let seed = self.rng.random();
            self.w.peers[index].down.set_config(net.seed(seed));
            self.w.peers[index].up.set_config(net.seed(seed ^ 1));
            self.done.networks += 1;
        }
    }

    fn change_network_of_a_seat(&mut self) {
        let seat = self.rng.random_range(0..SEATS);
        let Some(index) = self.seats[seat].and_then(|client| self.w.index(client)) else {
            return;
        };
        let is_lossy = self.is_lossy_time();
        // Not below the delay of before: packets must not overtake each other.
        let net = match is_lossy {
            true => self.network(true),
            false => good(),
        };
        let seed = self.rng.random();
        self.w.peers[index].up.set_config(net.seed(seed));
        self.w.peers[index].down.set_config(net.seed(seed ^ 1));
        self.done.networks += 1;
    }

    fn network(&mut self, may_lose: bool) -> NetemConfig {
        let net = NetemConfig::new().latency(ms(self.rng.random_range(5..150)));
        match self.rng.random_range(0..4) {
            0 if may_lose => {
                let loss = self.rng.random_range(0.01..0.2);
                net.loss(RandomLoss::new(Probability::new(loss)))
            }
            1 if may_lose => {
                let kbps = self.rng.random_range(300..3_000);
                net.link(Bitrate::kbps(kbps), DataSize::bytes(40_000))
            }
            2 if may_lose => net.jitter(ms(4)),
            _ => good(),
        }
    }

    /// A viewer on another network, who goes on after an ICE restart.
    fn restart(&mut self) {
        if self.viewers.is_empty() {
            return;
        }
        let client = self.viewers[self.rng.random_range(0..self.viewers.len())];
        let Some(index) = self.w.index(client) else {
            return;
        };
        if self.w.peers[index].connected_at.is_none() {
            return;
        }
        let (session, now) = (self.w.session(index), self.w.now);
        let ours = IceCreds::new();
        let text = format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n",
            ours.ufrag, ours.pass
        );
        let patched = self.w.cores[0].patch(now, &session, Some("*"), &text);
        let Ok(sfu::worker::Patched::Restarted { fragment, .. }) = patched else {
            return;
        };
        let read = sfu::media::fragment::parse(&fragment).expect("well-formed");
        let theirs = IceCreds {
            ufrag: read.ufrag,
            pass: read.pwd,
        };
        let mut address = self.w.peers[index].address;
        address.set_ip(std::net::IpAddr::from([203, 0, 113, self.rng.random()]));
        self.w.peers[index].address = address;
        let mut api = self.w.peers[index].rtc.direct_api();
        api.set_local_ice_credentials(ours);
        api.set_remote_ice_credentials(theirs);
        if let Some(egress) = &mut self.w.egress {
            egress.allow_move(client, now + Duration::from_secs(10));
        }
        self.done.restarts += 1;
    }

    fn pause_a_layer(&mut self) {
        let seat = 3 * self.rng.random_range(0..SEATS / 3);
        let Some(index) = self.seats[seat].and_then(|client| self.w.index(client)) else {
            return;
        };
        if let Some(sender) = &mut self.w.peers[index].sender
            && let Some(layer) = sender.layers.get_mut(self.rng.random_range(1..3))
            && seat % 4 != 1
        {
            layer.on = !layer.on;
        }
    }

    fn somebody_who_watches(&mut self) -> Option<usize> {
        let pages = self.pages.iter().map(|page| page.client);
        let all: Vec<u16> = self.viewers.iter().copied().chain(pages).collect();
        if all.is_empty() {
            return None;
        }
        self.w.index(all[self.rng.random_range(0..all.len())])
    }

    fn follow(&mut self, client: u16, stream: String) {
        self.follows.push(Follow {
            client,
            stream,
            last: None,
        });
    }

    fn close(&mut self, client: u16) {
        self.follows.retain(|f| f.client != client);
        if let Some(index) = self.w.index(client) {
            match self.w.peers[index].page {
                Some(_) => {
                    let (now, id) = (self.w.now, self.w.receiver(index));
                    // One that has not asked for anything yet is not known.
                    let _ = self.w.cores[0].close_receiver(now, id);
                    self.w.carry_out(0);
                }
                None => self.w.close(index),
            }
            self.leaving.push((self.w.now + ms(400), client));
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
        }
        self.w.relayed.clear();
        self.w.events.clear();
        self.w.opened.clear();
        self.w.left.clear();
        let closed = std::mem::take(&mut self.w.closed);
        for id in closed {
            let of = |w: &World, client: u16| {
                let index = w.index(client);
                index.is_some_and(|index| w.peers[index].session == Some(id))
            };
            if let Some(at) = self.viewers.iter().position(|c| of(&self.w, *c)) {
                let client = self.viewers.swap_remove(at);
                self.close(client);
            }
            if let Some(at) = self.pages.iter().position(|page| of(&self.w, page.client)) {
                let client = self.pages.swap_remove(at).client;
                self.close(client);
            }
            let seat = self
                .seats
                .iter()
                .position(|seat| seat.is_some_and(|client| of(&self.w, client)));
            if let Some(seat) = seat {
                self.unseat(seat);
            }
        }
        if self.is_lossy_time()
            && let Some(egress) = &mut self.w.egress
        {
            egress.allow_gaps(now + ECHO);
        }
        // The networks of those who publish are mended before the time without gaps.
        let into = (now - self.started).as_millis() % 120_000;
        if into == 115_000 {
            for client in self.seats.iter().flatten() {
                if let Some(index) = self.w.index(*client) {
                    self.w.peers[index].up.set_config(good().seed(into as u64));
                }
            }
        }
    }

    /// Checks what has come, in the order of its sequence numbers.
    fn look(&mut self) {
        for follow in &mut self.follows {
            let Some(index) = self.w.index(follow.client) else {
                continue;
            };
            let peer = &mut self.w.peers[index];
            let (video, audio) = match &mut peer.page {
                Some(page) => (
                    page.take_video(&follow.stream),
                    page.take_audio(&follow.stream),
                ),
                None => (
                    std::mem::take(&mut peer.got_video),
                    std::mem::take(&mut peer.got_audio),
                ),
            };
            for got in &audio {
                assert!(frames::parse(got.codec, &got.payload).is_some(), "as sent");
            }
            self.done.checked += (video.len() + audio.len()) as u64;
            for got in &video {
                self.done.switches += usize::from(follow.take(got));
            }
        }
        for peer in &self.w.peers {
            assert_eq!(peer.early, 0, "packets before the connection");
        }
    }

    /// Everybody leaves, and nothing is left.
    fn end(mut self) -> (Counts, Egress) {
        for seat in 0..SEATS {
            self.unseat(seat);
        }
        while !self.viewers.is_empty() {
            self.leave();
        }
        while !self.pages.is_empty() {
            self.close_page();
        }
        let end = self.w.now + Duration::from_secs(70);
        while self.w.now < end {
            self.w.step();
            self.see_off();
        }
        assert_eq!(self.w.cores[0].gauges(), sfu::media::Gauges::default());
        assert_eq!(self.w.counters(0).panics, 0);
        (self.done, self.w.egress.take().expect("checked"))
    }
}

impl Follow {
    /// Checks a packet that follows the one before it. True at a change of the layer.
    fn take(&mut self, got: &Got) -> bool {
        let part = frames::parse(got.codec, &got.payload).expect("payload is as it was made");
        let Some((seq, last)) = self.last else {
            self.last = Some((got.seq, part));
            return false;
        };
        if got.seq <= seq {
            return false;
        }
        self.last = Some((got.seq, part));
        if got.seq > seq + 1 {
            return false;
        }
        if part.index > 0 {
            let before = Part {
                index: part.index - 1,
                ..part
            };
            assert_eq!(before, last, "a frame in order: {}", self.stream);
            return false;
        }
        assert_eq!(last.index + 1, last.count, "a whole frame before another");
        let is_switch = layer(&part) != layer(&last) || part.number != last.number + 1;
        assert!(
            !is_switch || part.keyframe,
            "{}: {part:?} after {last:?}",
            self.stream
        );
        is_switch
    }
}

/// Packets of its layer's frames that are no key frames.
fn layer(part: &Part) -> u16 {
    part.count / if part.keyframe { 4 } else { 1 }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("proc(5)")
}

#[test]
fn three_minutes_of_a_conference_break_no_rule_and_leave_nothing() {
    let mut conference = Conference::new(1);
    conference.run(Duration::from_secs(180));
    let (counts, egress) = conference.end();
    println!("{counts:?}, {} packets out", egress.packets);
    assert!(counts.seated > SEATS && counts.unseated > 0 && counts.leaves > 0);
    assert!(counts.networks > 5 && counts.switches > 10);
    assert!(egress.gaps > 0 && egress.cuts > 0 && egress.again > 0);
    assert!(counts.checked > 100_000, "{}", counts.checked);
}

/// `CONFERENCE_MINUTES` and `CONFERENCE_SEED` choose another one.
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
        memory.push(resident());
    }
    let (counts, egress) = conference.end();
    let (warm, peak) = (
        memory.iter().take(memory.len() / 3).max(),
        memory.iter().max(),
    );
    println!(
        "{counts:?}, {} packets out, {} again, {} gaps, {} cuts, kB resident after a third at most \
         {warm:?} and ever {peak:?}, in {:?}",
        egress.packets,
        egress.again,
        egress.gaps,
        egress.cuts,
        start.elapsed()
    );
    if let (Some(warm), Some(peak)) = (warm, peak) {
        assert!(peak * 10 < warm * 11, "memory grows: {memory:?}");
    }
}
