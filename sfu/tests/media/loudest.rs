//! Rooms in which more people speak than anybody can listen to.

use std::time::Duration;

use packager::rtp::{Codec, MediaKind};
use relay::IngestItem;
use sfu::media::{DropReason, Picture};
use sfu::worker::Wanted;

use crate::frames;
use crate::page::Page;
use crate::world::{World, good, stream};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A room of microphones, and a page that listens to all of them.
struct Hall {
    w: World,
    names: Vec<String>,
    page: usize,
}

impl Hall {
    /// All microphones are silent.
    fn of(count: usize, cores: usize) -> Self {
        let mut w = World::new(cores);
        let names: Vec<String> = (0..count).map(|i| format!("user{i}")).collect();
        for name in &names {
            let publisher = w.publish(name, good());
            let sender = w.peers[publisher].sender.as_mut().expect("a publisher");
            sender.layers[0].on = false;
            sender.level = Some(-100);
        }
        w.run(secs(1));
        let page = w.open_page(cores - 1, good());
        let mut this = Self { w, names, page };
        let all: Vec<usize> = (0..count).collect();
        this.listen(&all);
        this.w.run(secs(1));
        this
    }

    fn listen(&mut self, to: &[usize]) {
        let wanted = to.iter().map(|i| Wanted {
            stream: stream(&self.names[*i]),
            audio: true,
            video: None::<Picture>,
        });
        let offer = self
            .w
            .receive_only(self.page, wanted.collect(), &[])
            .expect("received");
        self.w.negotiate(self.page, offer);
    }

    fn level(&mut self, who: usize, level: i8) {
        self.w.peers[who]
            .sender
            .as_mut()
            .expect("a publisher")
            .level = Some(level);
    }

    fn page(&self) -> &Page {
        self.w.peers[self.page].page.as_ref().expect("a page")
    }

    /// Who is heard during some time.
    fn heard(&mut self, time: Duration) -> Vec<usize> {
        self.w.peers[self.page]
            .page
            .as_mut()
            .expect("a page")
            .forget();
        self.w.run(time);
        let is_heard = |i: &usize| !self.page().audio_packets(&self.names[*i]).is_empty();
        (0..self.names.len()).filter(is_heard).collect()
    }
}

#[test]
fn of_fifty_who_speak_the_eight_loudest_are_heard() {
    let mut hall = Hall::of(50, 1);
    for who in 0..50 {
        hall.level(who, if who % 6 == 1 && who < 48 { -20 } else { -35 });
    }
    hall.w.run(secs(3));
    let before = hall.w.counters(0);
    let loud: Vec<usize> = (0..48).filter(|who| who % 6 == 1).collect();
    assert_eq!(loud.len(), 8);
    assert_eq!(hall.heard(secs(3)), loud);
    let after = hall.w.counters(0);
    assert_eq!(after.voice_changes, before.voice_changes, "they stay");
    let sent = after.packets_out - before.packets_out;
    let left_out = after.drops(DropReason::NotLoudest) - before.drops(DropReason::NotLoudest);
    println!("3 s of 50 voices: {sent} packets sent, {left_out} left out");
    assert!((1_180..1_220).contains(&sent), "{sent}");
    assert!((6_250..6_350).contains(&left_out), "{left_out}");
    for who in loud {
        let audio = hall.page().audio(&hall.names[who]);
        assert_eq!((audio.gaps, audio.packets > 145), (0, true));
    }
    // The relay has all of them.
    hall.w.relayed.clear();
    hall.w.run(secs(1));
    let is_sound = |item: &&IngestItem| matches!(item, IngestItem::Rtp { track, .. } if track.kind() == MediaKind::Audio);
    let relayed = hall.w.relayed.iter().filter(is_sound).count();
    assert!(relayed >= 49 * 50, "{relayed}");
}

#[test]
fn equal_voices_keep_their_places_and_all_who_fall_silent_give_them_up() {
    let mut hall = Hall::of(50, 1);
    for round in 0..50 {
        for who in 0..50 {
            hall.level(who, -30 - ((who * 5 + round * 3) % 6) as i8);
        }
        hall.w.run(Duration::from_millis(60));
    }
    let changes = hall.w.counters(0).voice_changes;
    println!("{changes} changes until all places are given");
    assert!(changes <= 8, "{changes}");
    let first = hall.heard(secs(2));
    assert_eq!(first.len(), 8);
    for who in &first {
        hall.level(*who, -100);
    }
    hall.w.run(Duration::from_millis(1_200));
    let second = hall.heard(secs(2));
    assert_eq!(second.len(), 8);
    assert!(second.iter().all(|who| !first.contains(who)));
}

#[test]
fn who_begins_to_speak_is_heard_from_that_packet_on_and_as_if_after_dtx() {
    for cores in [1, 2] {
        let mut hall = Hall::of(14, cores);
        (0..4).for_each(|who| hall.level(who, -25));
        hall.w.run(secs(2));
        let heard = hall.heard(secs(1));
        assert_eq!(heard.len(), 8, "four who speak, and four of the silent");
        let begins = (4..14).find(|who| !heard.contains(who)).expect("others");
        // Twice: never heard before, and again after others have had the place.
        for turn in 0..2 {
            hall.w.peers[hall.page]
                .page
                .as_mut()
                .expect("a page")
                .forget();
            hall.level(begins, -25);
            let first = hall.w.peers[begins]
                .sender
                .as_ref()
                .expect("one")
                .audio_number;
            hall.w.run(Duration::from_millis(400));
            let name = hall.names[begins].clone();
            let got = hall.page().audio_packets(&name).to_vec();
            let part = frames::parse(Codec::Opus, &got[0].payload).expect("sound");
            assert_eq!(part.number, first, "turn {turn} on {cores} cores");
            assert_eq!(got[0].marker, turn > 0, "a talkspurt begins");
            let audio = hall.page().audio(&name);
            assert_eq!((audio.gaps, audio.packets > 17), (0, true));
            assert!(!hall.page().audio_packets(&hall.names[0]).is_empty());
            if turn > 0 {
                break;
            }
            // Silent, while others take all the places.
            hall.level(begins, -100);
            hall.w.run(secs(2));
            let last = hall
                .page()
                .audio_packets(&name)
                .last()
                .cloned()
                .expect("sound");
            let others: Vec<usize> = (4..14).filter(|who| *who != begins).collect();
            others.iter().for_each(|who| hall.level(*who, -25));
            hall.w.run(secs(2));
            assert!(!hall.heard(secs(1)).contains(&begins));
            others.iter().for_each(|who| hall.level(*who, -100));
            hall.w.run(secs(2));
            // The number goes on, and the time is that of the sound.
            let number = frames::parse(Codec::Opus, &last.payload)
                .expect("sound")
                .number;
            hall.level(begins, -25);
            let next = hall.w.peers[begins]
                .sender
                .as_ref()
                .expect("one")
                .audio_number;
            hall.w.peers[hall.page]
                .page
                .as_mut()
                .expect("a page")
                .forget();
            hall.w.run(Duration::from_millis(100));
            let resumed = hall.page().audio_packets(&name)[0].clone();
            let passed = (next - number) * 960;
            let off = i64::from(resumed.time.wrapping_sub(last.time)) - i64::from(passed);
            assert_eq!(
                (resumed.marker, off),
                (true, 0),
                "turn {turn} on {cores} cores"
            );
            hall.level(begins, -100);
            hall.w.run(secs(2));
            others.iter().for_each(|who| hall.level(*who, -25));
            hall.w.run(secs(2));
            others.iter().for_each(|who| hall.level(*who, -100));
            hall.w.run(secs(2));
        }
    }
}

#[test]
fn who_listens_to_few_hears_all_of_them_and_a_ninth_changes_that() {
    let mut hall = Hall::of(12, 1);
    (0..12).for_each(|who| hall.level(who, -25));
    hall.w.run(secs(2));
    let heard = hall.heard(secs(1));
    assert_eq!(heard.len(), 8);
    let quiet: Vec<usize> = (0..12).filter(|who| !heard.contains(who)).collect();
    // Four are given up: all of the others are heard, however quiet.
    let given_up: Vec<String> = heard[..4]
        .iter()
        .map(|who| hall.names[*who].clone())
        .collect();
    let names: Vec<&str> = given_up.iter().map(String::as_str).collect();
    let offer = hall.w.receive(hall.page, &[], &names).expect("received");
    hall.w.negotiate(hall.page, offer);
    quiet.iter().for_each(|who| hall.level(*who, -100));
    hall.w.run(Duration::from_millis(100));
    let mut expected = [&heard[4..], &quiet[..]].concat();
    expected.sort_unstable();
    assert_eq!(hall.heard(secs(1)), expected);
    hall.listen(&heard[..1]);
    hall.w.run(secs(2));
    let nine = hall.heard(secs(1));
    assert_eq!(nine.len(), 8, "{nine:?}");
    assert!(heard[4..].iter().all(|who| nine.contains(who)));
}

#[test]
fn microphones_without_levels_are_always_heard() {
    let mut hall = Hall::of(11, 1);
    for who in 0..11 {
        hall.w.peers[who]
            .sender
            .as_mut()
            .expect("a publisher")
            .level = None;
    }
    // What was told before counts until another stream begins.
    assert_eq!(hall.heard(secs(1)).len(), 8);
    let again = hall.w.publish("user10", good());
    let sender = hall.w.peers[again].sender.as_mut().expect("a publisher");
    sender.layers[0].on = false;
    hall.w.run(secs(1));
    (0..8).for_each(|who| hall.level(who, -10));
    hall.w.run(secs(2));
    assert_eq!(hall.heard(secs(1)), [0, 1, 2, 3, 4, 5, 6, 7, 10]);
}
