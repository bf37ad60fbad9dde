//! Layers that nobody takes: their publisher is told, and told again when they are wanted.

use std::time::{Duration, Instant};

use sfu::media::Picture::{self, Large, Small};
use sfu::worker::{MediaEvent, Wanted};
use str0m_netem::{Bitrate, DataSize, NetemConfig};

use crate::world::{World, good, stream};

/// Packets of a frame of each layer, and of a key frame.
const LOW: [u16; 2] = [4, 16];
const HIGH: [u16; 2] = [8, 32];

/// The time that an event takes to a publisher and until its encoder has followed.
const SIGNALLING: Duration = Duration::from_millis(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A world whose publishers do as they are told.
struct Obedient {
    w: World,
    read: usize,
    /// What is to be done, and when.
    orders: Vec<(Instant, usize, Picture)>,
    /// What was told so far, and when.
    told: Vec<(Instant, Picture)>,
}

impl Obedient {
    /// A publisher of two layers that is not relayed.
    fn new(cores: usize) -> Self {
        let mut this = Self {
            w: World::new(cores),
            read: 0,
            orders: Vec::new(),
            told: Vec::new(),
        };
        this.publish();
        this.run(ms(500));
        this
    }

    fn publish(&mut self) -> usize {
        let publisher = self.w.publish_layers("a", good(), &["l", "h"]);
        self.relay(publisher, None);
        publisher
    }

    fn relay(&mut self, publisher: usize, name: Option<&str>) {
        let session = self.w.session(publisher);
        let name = name.map(stream);
        let relayed = self.w.cores[0].set_relay(self.w.now, &session, name);
        relayed.expect("a publisher");
        self.w.carry_out(0);
    }

    fn run(&mut self, time: Duration) {
        let end = self.w.now + time;
        while self.w.now < end {
            self.w.step();
            self.obey();
        }
    }

    fn obey(&mut self) {
        let now = self.w.now;
        for event in &self.w.events[self.read..] {
            if let MediaEvent::PictureWanted { session, picture } = event {
                self.told.push((now, *picture));
                let of = |p: &crate::peer::Peer| p.session == Some(*session);
                let peer = self.w.peers.iter().position(of).expect("a publisher");
                self.orders.push((now + SIGNALLING, peer, *picture));
            }
        }
        self.read = self.w.events.len();
        for (_, peer, picture) in self.orders.extract_if(.., |(at, ..)| *at <= now) {
            let sender = self.w.peers[peer].sender.as_mut().expect("a publisher");
            let layer = &mut sender.layers[1];
            // An encoder begins with a key frame.
            layer.wanted |= !layer.on && picture == Large;
            layer.on = picture == Large;
        }
    }

    fn watch(&mut self, at: usize, picture: Picture) -> usize {
        self.watch_over(at, picture, good())
    }

    fn watch_over(&mut self, at: usize, picture: Picture, net: NetemConfig) -> usize {
        let page = self.w.open_page(at, net);
        self.choose(page, Some(picture));
        page
    }

    fn choose(&mut self, page: usize, video: Option<Picture>) {
        let wanted = Wanted {
            stream: stream("a"),
            audio: true,
            video,
        };
        let offer = self.w.receive_only(page, vec![wanted], &[]);
        self.w.negotiate(page, offer.expect("received"));
        self.obey();
    }

    /// The frames that a page gets in a time, with the longest pause between two of them.
    fn frames(&mut self, page: usize, time: Duration) -> (Vec<u16>, Duration) {
        let start = self.w.now;
        self.run(time);
        let video = self.w.peers[page].page.as_ref().expect("a page").video("a");
        let all = video.times.iter().zip(&video.sizes);
        let new: Vec<_> = all.filter(|(at, _)| **at > start).collect();
        let times = [start].into_iter().chain(new.iter().map(|(at, _)| **at));
        let times: Vec<Instant> = times.chain([self.w.now]).collect();
        let pause = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        let sizes = new.into_iter().map(|(_, size)| *size).collect();
        (sizes, pause.expect("two ends"))
    }

    /// What was told so far.
    fn pictures(&self) -> Vec<Picture> {
        self.told.iter().map(|(_, picture)| *picture).collect()
    }
}

#[test]
fn best_layer_is_given_up_after_a_while_and_wanted_at_once() {
    for core in 0..2 {
        let mut o = Obedient::new(2);
        let page = o.watch(core, Large);
        o.run(ms(3_000));
        assert_eq!(o.pictures(), [Large], "what counts when it is live");

        let chosen = o.w.now;
        o.choose(page, Some(Small));
        o.run(ms(3_000));
        assert_eq!(o.pictures(), [Large, Small]);
        let after = o.told[1].0 - chosen;
        assert!(after >= ms(1_200) && after < ms(1_400), "{after:?}");
        let (sizes, _) = o.frames(page, ms(1_000));
        assert!(sizes.iter().all(|size| LOW.contains(size)), "{sizes:?}");

        let chosen = o.w.now;
        o.choose(page, Some(Large));
        let (sizes, pause) = o.frames(page, ms(1_000));
        assert_eq!(o.pictures(), [Large, Small, Large]);
        assert!(o.told[2].0 - chosen < ms(5), "at once");
        // It goes on with the small one until then.
        assert!(pause < ms(100), "{pause:?}");
        let first = sizes.iter().position(|size| HIGH.contains(size));
        let first = first.expect("the large picture");
        assert!(first * 33 < 200, "after {first} frames");
        assert_eq!(sizes[first], HIGH[1], "from its key frame");
        assert!(sizes[first..].iter().all(|size| HIGH.contains(size)));
    }
}

#[test]
fn somebody_who_comes_while_the_best_layer_is_off_has_the_lesser_one_first() {
    let mut o = Obedient::new(2);
    o.run(ms(4_000));
    assert_eq!(o.pictures(), [Large, Small], "nobody watches");
    for core in 0..2 {
        let page = o.watch(core, Large);
        let (sizes, _) = o.frames(page, ms(1_000));
        assert!(sizes.len() > 20, "{}", sizes.len());
        assert!(HIGH.contains(sizes.last().expect("frames")));
        o.choose(page, None);
        o.run(ms(3_000));
    }
    let told = [Large, Small, Large, Small, Large, Small];
    assert_eq!(o.pictures(), told);
}

#[test]
fn layer_comes_back_within_the_second_in_which_it_went() {
    for wait in [1_250, 1_300, 1_500, 2_000] {
        let mut o = Obedient::new(1);
        let page = o.watch(0, Large);
        o.run(ms(2_000));
        o.choose(page, Some(Small));
        o.run(ms(wait));
        o.choose(page, Some(Large));
        let (sizes, pause) = o.frames(page, ms(1_000));
        assert!(pause < ms(100), "{wait}: {pause:?}");
        assert!(HIGH.contains(sizes.last().expect("frames")), "{wait}");
    }
}

#[test]
fn choosing_to_and_fro_stops_nothing() {
    let mut o = Obedient::new(1);
    let page = o.watch(0, Large);
    for _ in 0..10 {
        o.choose(page, Some(Small));
        o.run(ms(900));
        o.choose(page, Some(Large));
        o.run(ms(100));
    }
    assert_eq!(o.pictures(), [Large]);
}

#[test]
fn one_who_wants_the_best_layer_is_enough_wherever() {
    let mut o = Obedient::new(3);
    let far = o.watch(2, Large);
    let near = o.watch(0, Small);
    let whep = o.w.subscribe("a", 1, good());
    o.run(ms(4_000));
    o.choose(far, Some(Small));
    o.run(ms(4_000));
    assert_eq!(o.pictures(), [Large], "the WHEP session has it");
    o.w.close(whep);
    o.run(ms(2_000));
    assert_eq!(o.pictures(), [Large, Small]);
    o.choose(near, Some(Large));
    o.run(ms(10));
    assert_eq!(o.pictures(), [Large, Small, Large]);
}

#[test]
fn worker_that_is_not_heard_of_wants_nothing() {
    let mut o = Obedient::new(2);
    let page = o.watch(1, Large);
    o.run(ms(3_000));
    assert_eq!(o.pictures(), [Large]);
    // Its core is never advanced again: the lease ends.
    let lost = o.w.now;
    let core = o.w.cores.pop();
    o.w.peers.truncate(page);
    o.run(ms(8_000));
    assert!(core.is_some());
    assert_eq!(o.pictures(), [Large, Small]);
    let after = o.told[1].0 - lost;
    assert!(after < ms(5_000 + 1_300), "{after:?}");
}

#[test]
fn relay_always_has_the_best_layer() {
    let mut o = Obedient::new(1);
    let page = o.watch(0, Small);
    o.relay(0, Some("a"));
    o.run(ms(4_000));
    assert_eq!(o.pictures(), [Large]);
    o.relay(0, None);
    o.run(ms(2_000));
    assert_eq!(o.pictures(), [Large, Small]);
    o.relay(0, Some("a"));
    o.run(ms(1_000));
    assert_eq!(o.pictures(), [Large, Small, Large]);
    let before = o.w.relayed.len();
    let (sizes, _) = o.frames(page, ms(1_000));
    assert!(sizes.iter().all(|size| LOW.contains(size)), "{sizes:?}");
    let video = 8 * 30;
    assert!(o.w.relayed.len() - before > video, "the large picture");
}

#[test]
fn narrow_link_does_not_stop_what_is_wanted_over_it() {
    let mut o = Obedient::new(1);
    for layer in &mut o.w.peers[0].sender.as_mut().expect("a publisher").layers {
        layer.payload_len = 300;
    }
    let link = NetemConfig::new()
        .latency(ms(20))
        .link(Bitrate::kbps(480), DataSize::bytes(20_000));
    let page = o.watch_over(0, Large, link);
    o.run(ms(10_000));
    let (sizes, _) = o.frames(page, ms(2_000));
    let low = sizes.iter().filter(|size| LOW.contains(size)).count();
    assert!(low > 40, "what the link carries: {sizes:?}");
    assert_eq!(o.pictures(), [Large], "it is there when the link is better");
}

#[test]
fn another_session_of_the_publisher_is_told_too() {
    let mut o = Obedient::new(1);
    o.watch(0, Small);
    o.run(ms(3_000));
    assert_eq!(o.pictures(), [Large, Small]);
    let second = o.publish();
    o.run(ms(500));
    assert_eq!(o.pictures(), [Large, Small, Small], "when it is live");
    let high = |o: &Obedient| o.w.peers[second].sender.as_ref().unwrap().layers[1].on;
    assert!(!high(&o));
    // After a pause without any it begins as at first.
    o.w.close(second);
    o.run(ms(1_000));
    o.publish();
    o.run(ms(500));
    assert_eq!(o.pictures()[3..], [Large]);
}

#[test]
fn publisher_without_layers_is_told_nothing() {
    let mut w = World::new(1);
    let publisher = w.publish("a", good());
    let session = w.session(publisher);
    let relayed = w.cores[0].set_relay(w.now, &session, None);
    relayed.expect("a publisher");
    w.run(ms(4_000));
    let is_told = |event: &MediaEvent| matches!(event, MediaEvent::PictureWanted { .. });
    assert!(!w.events.iter().any(is_told));
}
