//! What goes to the relay, switched on, off and to another name while it runs.

use std::time::Duration;

use packager::rtp::MediaKind;
use relay::{IngestItem, Picture, Track};

use crate::frames;
use crate::world::{World, good, stream};

/// Kinds of the items since the last call: packets of video and audio, and sender reports.
fn taken(w: &mut World) -> (usize, usize, usize) {
    let mut counts = (0, 0, 0);
    for item in w.relayed.drain(..) {
        match item {
            IngestItem::Rtp {
                track: Track::LARGE,
                ..
            } => counts.0 += 1,
            IngestItem::Rtp { .. } => counts.1 += 1,
            IngestItem::SenderReport { .. } => counts.2 += 1,
            IngestItem::Switched { .. } => {}
        }
    }
    counts
}

#[test]
fn relaying_stops_at_once_and_subscribers_notice_nothing() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(3));
    assert_eq!(w.opened, ["a"]);
    assert!(taken(&mut w).0 > 100);
    let session = w.session(p);
    let before = w.cores[0].set_relay(w.now, &session, None);
    assert_eq!(before, Ok(Some(stream("a"))));
    w.carry_out(0);
    taken(&mut w);
    let frames_before = frames::check(&w.peers[s].got_video).whole.len();
    w.run(Duration::from_secs(3));
    assert_eq!(taken(&mut w), (0, 0, 0));
    assert_eq!((w.stopped, w.unpublished), (1, 0));
    let frames_after = frames::check(&w.peers[s].got_video).whole.len();
    assert!(frames_after > frames_before + 70);
    // Once more says nothing new.
    assert_eq!(w.cores[0].set_relay(w.now, &session, None), Ok(None));
    w.run(Duration::from_secs(1));
    assert_eq!(w.stopped, 1);
}

#[test]
fn a_relay_that_starts_late_gets_a_key_frame_and_the_reports_at_once() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    let session = w.session(p);
    w.cores[0]
        .set_relay(w.now, &session, None)
        .expect("a publisher");
    w.run(Duration::from_secs(8));
    assert!(w.opened.is_empty());
    assert_eq!((w.published, w.stopped), (1, 0));
    assert_eq!(taken(&mut w), (0, 0, 0));
    let asked = w.peers[p].plis;
    let name = Some(stream("show"));
    assert_eq!(
        w.cores[0].set_relay(w.now, &session, name.clone()),
        Ok(None)
    );
    w.run(Duration::from_millis(300));
    assert_eq!(w.opened, ["show"]);
    assert_eq!(w.peers[p].plis, asked + 1);
    let first = w.relayed.iter().find_map(|item| match item {
        IngestItem::Rtp { track, packet, .. } if track.kind() == MediaKind::Video => Some(packet),
        _ => None,
    });
    let first = first.expect("video");
    assert_eq!(first.payload[0] & 0x1f, 7, "it begins with parameter sets");
    // The last reports are older than the relay, and it need not wait for the next ones.
    let (video, audio, reports) = taken(&mut w);
    assert!(video > 10 && audio > 5, "{video} and {audio} packets");
    assert_eq!(reports, 2);
    assert_eq!(
        w.cores[0].set_relay(w.now, &session, name.clone()),
        Ok(name)
    );
    w.run(Duration::from_secs(1));
    assert_eq!(w.opened, ["show"], "it has that name already");
}

#[test]
fn a_stream_that_is_not_relayed_costs_no_key_frames() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    let session = w.session(p);
    w.cores[0]
        .set_relay(w.now, &session, None)
        .expect("a publisher");
    w.run(Duration::from_secs(10));
    assert_eq!(w.peers[p].plis, 0);
}

#[test]
fn another_name_is_another_broadcast_and_the_one_who_takes_over_has_its_own() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let session = w.session(p);
    w.cores[0]
        .set_relay(w.now, &session, Some(stream("show")))
        .expect("a publisher");
    w.run(Duration::from_secs(1));
    assert_eq!(
        (w.opened.as_slice(), w.stopped),
        (&["a".into(), "show".into()][..], 0)
    );
    // Republished, it is relayed as anything that is published.
    let again = w.publish("a", good());
    w.run(Duration::from_secs(2));
    assert!(w.peers[p].closed);
    assert_eq!(w.opened, ["a", "show", "a"]);
    assert!(taken(&mut w).0 > 50);
    // A publisher that is not to be relayed ends the broadcast as it takes over.
    let silent = w.publish("a", good());
    let session = w.session(silent);
    w.cores[0]
        .set_relay(w.now, &session, None)
        .expect("a publisher");
    assert_eq!(w.stopped, 0, "not before it is connected");
    w.run(Duration::from_secs(2));
    assert!(w.peers[again].closed);
    assert_eq!(w.stopped, 1);
}

#[test]
fn subscribers_and_strangers_are_not_relayed() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 0, good());
    let subscriber = w.session(s);
    let mut stranger = w.session(p);
    stranger.stream = stream("b");
    for session in [subscriber, stranger] {
        let result = w.cores[0].set_relay(w.now, &session, Some(stream("x")));
        assert!(result.is_err());
    }
    w.run(Duration::from_secs(1));
    assert_eq!(w.opened, ["a"]);
}

/// Sequence numbers and RTP times of a picture as the relay has it, and its sender reports.
fn relayed(w: &World, picture: Picture) -> (Vec<(u64, u32)>, usize) {
    let mut packets = Vec::new();
    let mut reports = 0;
    for item in &w.relayed {
        match item {
            IngestItem::Rtp { track, packet, .. } if *track == Track::Video(picture) => {
                packets.push((packet.seq, packet.time));
            }
            IngestItem::SenderReport { track, .. } => {
                reports += usize::from(*track == Track::Video(picture));
            }
            _ => {}
        }
    }
    (packets, reports)
}

#[test]
fn relay_has_each_picture_of_a_publisher_with_simulcast_whole_and_on_its_own() {
    let mut w = World::new(1);
    let p = w.publish_layers("a", good(), &["l", "h"]);
    w.run(Duration::from_secs(4));
    // What came until the layers were told apart.
    w.relayed.clear();
    w.run(Duration::from_secs(6));
    for picture in [Picture::Large, Picture::Small] {
        let (packets, reports) = relayed(&w, picture);
        assert!(packets.len() > 150, "{picture:?}: {}", packets.len());
        let numbers = packets.windows(2);
        assert!({ numbers }.all(|pair| pair[1].0 == pair[0].0 + 1));
        assert!(reports >= 1, "{picture:?}");
    }
    assert_eq!(relayed(&w, Picture::Medium).0, []);
    // The large layer is silent: its place is taken, from a key frame on.
    w.peers[p].sender.as_mut().expect("publisher").layers[1].on = false;
    w.run(Duration::from_secs(2));
    w.relayed.clear();
    w.run(Duration::from_secs(1));
    let (large, _) = relayed(&w, Picture::Large);
    let (small, _) = relayed(&w, Picture::Small);
    assert_eq!(large.len(), small.len());
    assert!(!large.is_empty());
}
