//! What may happen in a conference.

use std::net::IpAddr;
use std::time::Duration;

use packager::rtp::Codec;
use rand::Rng as _;
use sfu::media::Picture;
use sfu::worker::{Patched, Wanted};
use str0m::IceCreds;
use str0m_netem::{Bitrate, DataSize, NetemConfig, Probability, RandomLoss};

use super::{Conference, SEATS, Watching};
use crate::world::{good, stream};

fn name(seat: usize) -> String {
    format!("seat{seat}")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Conference {
    /// Until something happens again.
    pub(super) fn pause(&mut self) -> Duration {
        ms(self.rng.random_range(50..500))
    }

    pub(super) fn change(&mut self) {
        match self.rng.random_range(0..16) {
            0 if self.viewers.len() < VIEWERS => self.join(),
            0 => self.leave(),
            1 if self.pages.len() < PAGES => self.open_page(),
            1 => self.close_page(),
            2..=5 => self.watch(),
            6 | 7 => {
                let seat = self.rng.random_range(0..SEATS);
                match self.seats[seat] {
                    Some(_) => self.unseat(seat),
                    None => self.seat(seat),
                }
            }
            8 | 9 => self.mute(),
            10 => self.toggle_a_layer(),
            11 => self.change_network_of_one_who_watches(),
            12 | 13 => self.change_network_of_a_seat(),
            14 => self.restart(),
            _ => self.rebind(),
        }
    }

    /// Takes a seat: some with three layers, some with sound alone, some in VP8.
    pub(super) fn seat(&mut self, seat: usize) {
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
                layer.on = !has_sound_alone(seat);
            }
            if seat % 6 == 2 {
                sender.codec = Codec::Vp8;
            }
        }
        self.seats[seat] = Some(client);
        self.done.seated += 1;
    }

    pub(super) fn unseat(&mut self, seat: usize) {
        if let Some(client) = self.seats[seat] {
            self.close(client);
            self.done.unseated += 1;
        }
    }

    fn join(&mut self) {
        let seat = self.rng.random_range(0..SEATS);
        // Nobody may be there at this moment.
        if let Ok(index) = self.w.try_subscribe(&name(seat), 0, good()) {
            self.viewers.push(self.w.peers[index].number());
            self.done.joins += 1;
        }
    }

    pub(super) fn leave(&mut self) {
        let at = self.rng.random_range(0..self.viewers.len());
        self.close(self.viewers[at]);
        self.done.leaves += 1;
    }

    fn open_page(&mut self) {
        let index = self.w.open_page(0, good());
        self.pages.push(Watching {
            client: self.w.peers[index].number(),
            streams: Vec::new(),
        });
        self.done.joins += 1;
        let at = self.pages.len() - 1;
        for _ in 0..3 {
            self.watch_on(at);
        }
    }

    pub(super) fn close_page(&mut self) {
        let at = self.rng.random_range(0..self.pages.len());
        self.close(self.pages[at].client);
        self.done.leaves += 1;
    }

    fn watch(&mut self) {
        if !self.pages.is_empty() {
            let at = self.rng.random_range(0..self.pages.len());
            self.watch_on(at);
        }
    }

    /// A page adds a stream, chooses another picture of it, or has done with it.
    fn watch_on(&mut self, at: usize) {
        let wanted = name(self.rng.random_range(0..SEATS));
        let Some(index) = self.w.index(self.pages[at].client) else {
            return;
        };
        let known = self.pages[at].streams.iter().position(|s| *s == wanted);
        let offer = match known {
            Some(known) if self.rng.random_range(0..3) == 0 => {
                self.pages[at].streams.swap_remove(known);
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
                }
                let wish = Wanted {
                    stream: stream(&wanted),
                    audio: true,
                    video,
                };
                self.w.receive_only(index, vec![wish], &[])
            }
        };
        self.done.wishes += 1;
        let offer = offer.expect("a page that is there and streams within its bounds");
        self.w.negotiate(index, offer);
    }

    /// Somebody in a seat is muted by the room or by herself, and those who were are no longer.
    fn mute(&mut self) {
        for client in std::mem::take(&mut self.muted) {
            self.set_muted(client, [true; 3]);
        }
        let seat = self.rng.random_range(0..SEATS);
        if let Some(client) = self.seats[seat] {
            let flows = self.rng.random();
            self.set_muted(client, flows);
            self.muted.push(client);
            self.done.mutes += 1;
        }
    }

    /// Whether her sound and her video may pass, and whether she sends anything.
    fn set_muted(&mut self, client: u16, [audio, video, sends]: [bool; 3]) {
        let Some(index) = self.w.index(client) else {
            return;
        };
        let session = self.w.session(index);
        // She may be leaving.
        let _ = self.w.cores[0].set_allowed(&session, audio, video);
        if let Some(sender) = &mut self.w.peers[index].sender {
            sender.on = sends;
        }
    }

    /// A browser turns its better layers off when it cannot send them.
    fn toggle_a_layer(&mut self) {
        let seat = 3 * self.rng.random_range(0..SEATS / 3);
        let Some(index) = self.seats[seat].and_then(|client| self.w.index(client)) else {
            return;
        };
        if let Some(sender) = &mut self.w.peers[index].sender
            && let Some(layer) = sender.layers.get_mut(self.rng.random_range(1..3))
            && !has_sound_alone(seat)
        {
            layer.on = !layer.on;
            self.done.layers += 1;
        }
    }

    fn change_network_of_one_who_watches(&mut self) {
        let net = self.network();
        if let Some(index) = self.somebody_who_watches() {
            self.set_network(index, net);
        }
    }

    fn change_network_of_a_seat(&mut self) {
        let seat = self.rng.random_range(0..SEATS);
        let Some(index) = self.seats[seat].and_then(|client| self.w.index(client)) else {
            return;
        };
        if self.is_lossy_time() {
            let net = self.network();
            self.set_network(index, net);
        }
    }

    fn set_network(&mut self, index: usize, net: NetemConfig) {
        let seed = self.rng.random();
        self.w.peers[index].down.set_config(net.seed(seed));
        self.w.peers[index].up.set_config(net.seed(seed ^ 1));
        self.done.networks += 1;
    }

    fn network(&mut self) -> NetemConfig {
        let net = NetemConfig::new().latency(ms(self.rng.random_range(5..150)));
        match self.rng.random_range(0..4) {
            0 => {
                let loss = self.rng.random_range(0.01..0.2);
                net.loss(RandomLoss::new(Probability::new(loss)))
            }
            1 => {
                let rate = Bitrate::kbps(self.rng.random_range(300..3_000));
                net.link(rate, DataSize::bytes(40_000))
            }
            2 => net.jitter(ms(4)),
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
        let Ok(Patched::Restarted { fragment, .. }) = patched else {
            panic!("a restart is taken: {patched:?}");
        };
        let read = sfu::media::fragment::parse(&fragment).expect("well-formed");
        let theirs = IceCreds {
            ufrag: read.ufrag,
            pass: read.pwd,
        };
        self.move_elsewhere(index);
        let mut api = self.w.peers[index].rtc.direct_api();
        api.set_local_ice_credentials(ours);
        api.set_remote_ice_credentials(theirs);
        self.done.restarts += 1;
    }

    /// The address of a page or a viewer changes, and it does not even know.
    fn rebind(&mut self) {
        if let Some(index) = self.somebody_who_watches() {
            self.move_elsewhere(index);
            self.done.rebindings += 1;
        }
    }

    fn move_elsewhere(&mut self, index: usize) {
        let ip = IpAddr::from([203, 0, 113, self.rng.random()]);
        self.w.peers[index].move_to(ip);
    }

    fn somebody_who_watches(&mut self) -> Option<usize> {
        let pages = self.pages.iter().map(|page| page.client);
        let all: Vec<u16> = self.viewers.iter().copied().chain(pages).collect();
        if all.is_empty() {
            return None;
        }
        self.w.index(all[self.rng.random_range(0..all.len())])
    }

    fn close(&mut self, client: u16) {
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
        }
        self.remove(client);
    }
}

fn has_sound_alone(seat: usize) -> bool {
    seat % 4 == 1
}

const VIEWERS: usize = 8;
const PAGES: usize = 5;
