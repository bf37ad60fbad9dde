//! Sessions that receive several streams: the server offers, and renegotiates as they come and go.

use std::collections::BTreeSet;
use std::time::Duration;

use sfu::media::{DropReason, Picture};
use sfu::worker::{MediaEvent, ReceiveError, Wanted};
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::page::{Page, sections};
use crate::world::{World, good, stream};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn page(w: &World, page: usize) -> &Page {
    w.peers[page].page.as_ref().expect("a page")
}

/// A world with publishers of these names that have been live for a second.
fn with_publishers(cores: usize, names: &[&str]) -> World {
    let mut w = World::new(cores);
    for name in names {
        w.publish(name, good());
    }
    w.run(secs(1));
    w
}

fn watch(w: &mut World, at: usize, names: &[&str]) -> usize {
    let p = w.open_page(at, good());
    let offer = w.receive(p, names, &[]).expect("received");
    w.negotiate(p, offer);
    p
}

/// The SSRCs of each m-line.
fn ssrcs(sdp: &str) -> Vec<BTreeSet<String>> {
    let of = |section: &str| {
        let lines = section.lines().filter_map(|l| l.strip_prefix("a=ssrc:"));
        lines
            .filter_map(|l| Some(l.split_once(' ')?.0.to_owned()))
            .collect()
    };
    sections(sdp).into_iter().map(of).collect()
}

fn plays(w: &mut World, p: usize, names: &[&str]) {
    let count = |w: &World| -> Vec<(usize, usize)> {
        names
            .iter()
            .map(|n| {
                let page = page(w, p);
                (page.video(n).whole.len(), page.audio(n).packets)
            })
            .collect()
    };
    let before = count(w);
    w.run(secs(1));
    for ((name, before), after) in names.iter().zip(before).zip(count(w)) {
        assert!(after.0 >= before.0 + 28, "{name}: {before:?} {after:?}");
        assert!(after.1 >= before.1 + 48, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn one_receiver_gets_two_publishers_whole_and_from_a_key_frame() {
    let mut w = with_publishers(1, &["a", "b"]);
    let before = [w.peers[0].plis, w.peers[1].plis];
    let asked = w.now;
    let p = watch(&mut w, 0, &["a", "b"]);
    w.run(secs(4));
    for (index, name) in ["a", "b"].into_iter().enumerate() {
        let got = page(&w, p).video(name);
        assert!(got.whole.len() > 110, "{}", got.whole.len());
        assert!(got.whole[0].1, "it begins with a key frame");
        assert_eq!(got.gaps, 0);
        assert!(page(&w, p).audio(name).packets > 180);
        let first = page(&w, p).first_video(name).expect("video") - asked;
        assert!(first < Duration::from_millis(300), "{first:?}");
        assert!(w.peers[index].plis <= before[index] + 2);
    }
    assert_eq!(page(&w, p).strays, 0);
    assert_eq!(w.cores[0].gauges().receivers, 1);
    assert_eq!(w.counters(0).offers_out, 1);
}

#[test]
fn offer_names_the_streams_and_has_the_servers_codecs() {
    let mut w = with_publishers(1, &["a"]);
    let p = w.open_page(0, good());
    let offer = w.receive(p, &["a"], &[]).expect("received").expect("offer");
    assert_eq!(offer.revision, 1);
    let origin = offer.sdp.lines().find(|l| l.starts_with("o="));
    assert!(origin.expect("origin").ends_with(" 1 IN IP4 0.0.0.0"));
    assert!(offer.sdp.contains("a=ice-lite\r\n"));
    let sections = sections(&offer.sdp);
    assert_eq!(sections.len(), 2);
    assert!(sections[0].starts_with("m=audio") && sections[1].starts_with("m=video"));
    for section in sections {
        let ids: Vec<&str> = section.matches("msid:a track-").collect();
        assert!(ids.len() >= 2, "line and SSRCs: {section}");
        assert_eq!(section.matches("msid:").count(), ids.len());
        assert!(section.contains("a=sendonly"));
        assert!(section.contains("a=setup:actpass"));
    }
    assert!(offer.sdp.contains("108 H264/90000"));
    assert_eq!(offer.sdp.matches("H264/90000").count(), 1);
}

#[test]
fn who_comes_later_gets_the_m_lines_of_who_has_left() {
    let mut w = with_publishers(1, &["a", "b", "c"]);
    let p = w.open_page(0, good());
    let offer = w.receive(p, &["a", "b"], &[]).expect("received");
    let first_ssrcs = ssrcs(&offer.as_ref().expect("offer").sdp);
    w.negotiate(p, offer);
    w.run(secs(2));
    let offer = w.receive(p, &[], &["a"]).expect("received").expect("offer");
    assert_eq!(offer.revision, 2);
    assert_eq!(offer.sdp.matches("a=inactive").count(), 2);
    assert!(!offer.sdp.contains("msid:a "));
    w.negotiate(p, Some(offer));
    w.run(Duration::from_millis(100));
    w.peers[p].page.as_mut().expect("page").forget();
    let strays = page(&w, p).strays;
    assert!(strays < 10, "only what was under way: {strays}");
    plays(&mut w, p, &["b"]);
    assert_eq!(page(&w, p).audio("a").packets, 0);
    assert_eq!(page(&w, p).strays, strays);

    let before = w.peers[2].plis;
    let asked = w.now;
    let offer = w.receive(p, &["c"], &[]).expect("received").expect("offer");
    assert_eq!(offer.revision, 3);
    assert_eq!(sections(&offer.sdp).len(), 4, "no m-line more");
    assert!(offer.sdp.contains("msid:c ") && !offer.sdp.contains("msid:a "));
    for (index, (before, now)) in first_ssrcs.iter().zip(ssrcs(&offer.sdp)).enumerate() {
        assert_eq!(before.len(), now.len(), "as many as before");
        // A line that is used again has others: browsers connect a track with its first SSRC.
        let same = before.intersection(&now).count();
        assert_eq!(same, if index < 2 { 0 } else { now.len() }, "line {index}");
    }
    w.negotiate(p, Some(offer));
    plays(&mut w, p, &["b", "c"]);
    let got = page(&w, p).video("c");
    assert!(got.whole[0].1 && got.gaps == 0);
    let first = page(&w, p).first_video("c").expect("video") - asked;
    assert!(first < Duration::from_millis(150), "{first:?}");
    assert_eq!(w.peers[2].plis, before + 1);
    assert_eq!(w.left, [stream("a")]);
}

#[test]
fn what_is_removed_stops_before_the_page_has_answered() {
    let mut w = with_publishers(1, &["a", "b"]);
    let p = watch(&mut w, 0, &["a", "b"]);
    w.run(secs(1));
    let offer = w.receive(p, &[], &["b"]).expect("received");
    assert!(offer.is_some());
    // What is under way arrives.
    w.run(Duration::from_millis(50));
    let before = page(&w, p).video("b").packets;
    w.run(secs(1));
    assert_eq!(page(&w, p).video("b").packets, before);
    plays(&mut w, p, &["a"]);
}

#[test]
fn changes_wait_while_an_offer_is_outstanding_and_come_with_its_answer() {
    let mut w = with_publishers(1, &["a", "b", "c", "d"]);
    let p = w.open_page(0, good());
    let first = w.receive(p, &["a"], &[]).expect("received").expect("offer");
    assert_eq!(w.receive(p, &["b", "c"], &[]), Ok(None));
    assert_eq!(w.receive(p, &["d"], &["a", "c"]), Ok(None));
    let answer = w.peers[p].answer(&first.sdp);
    let second = w.answer(p, 1, &answer).expect("taken").expect("next offer");
    assert_eq!(second.revision, 2);
    for (name, offered) in [("a", false), ("b", true), ("c", false), ("d", true)] {
        let found = second.sdp.contains(&format!("msid:{name} "));
        assert_eq!(found, offered, "{name}: {}", second.sdp);
    }
    let answer = w.peers[p].answer(&second.sdp);
    assert_eq!(w.answer(p, 2, &answer), Ok(None));
    w.run(secs(1));
    plays(&mut w, p, &["b", "d"]);
    assert_eq!(page(&w, p).video("a").packets, 0);
    // Away and back again before anybody could tell costs nothing.
    assert_eq!(w.receive(p, &["b"], &["b"]), Ok(None));
    plays(&mut w, p, &["b", "d"]);
    let mut left: Vec<String> = w.left.iter().map(ToString::to_string).collect();
    left.sort();
    assert_eq!(left, ["a", "b", "c"]);
}

#[test]
fn audio_and_video_are_wanted_apart() {
    let mut w = with_publishers(1, &["a"]);
    let p = w.open_page(0, good());
    let wanted = |audio, video: bool| {
        vec![Wanted {
            stream: stream("a"),
            audio,
            video: video.then_some(Picture::Large),
        }]
    };
    let offer = w
        .receive_only(p, wanted(true, false), &[])
        .expect("received");
    w.negotiate(p, offer);
    w.run(secs(1));
    assert!(page(&w, p).audio("a").packets > 40);
    assert_eq!(page(&w, p).video("a").packets, 0);
    assert!(w.counters(0).drops(DropReason::NotWanted) > 0);
    let offer = w
        .receive_only(p, wanted(true, true), &[])
        .expect("received");
    w.negotiate(p, offer);
    plays(&mut w, p, &["a"]);
    let offer = w
        .receive_only(p, wanted(false, true), &[])
        .expect("received");
    w.negotiate(p, offer);
    w.run(Duration::from_millis(50));
    let audio = page(&w, p).audio("a").packets;
    w.run(secs(1));
    assert_eq!(page(&w, p).audio("a").packets, audio);
    let offer = w
        .receive_only(p, wanted(false, false), &[])
        .expect("received");
    w.negotiate(p, offer);
    assert!(page(&w, p).lines.iter().all(|(_, s)| s.is_none()));
    assert_eq!(w.left.len(), 4, "each that was added has been left");
}

#[test]
fn streams_that_are_not_live_are_waited_for_and_keep_their_m_lines() {
    let mut w = World::with(1, |c| c.linger = secs(2));
    let p = watch(&mut w, 0, &["a"]);
    w.run(secs(4));
    assert!(!w.peers[p].closed, "nothing to receive is no reason to end");
    let publisher = w.publish("a", good());
    w.run(secs(1));
    plays(&mut w, p, &["a"]);
    w.close(publisher);
    w.run(secs(4));
    assert!(!w.peers[p].closed);
    w.publish("a", good());
    w.run(secs(1));
    plays(&mut w, p, &["a"]);
    assert_eq!(w.counters(0).offers_out, 1);
    assert!(page(&w, p).video("a").whole.len() > 90);
}

#[test]
fn publishers_on_another_worker_are_received() {
    let mut w = with_publishers(2, &["a", "b"]);
    let far = watch(&mut w, 1, &["a", "b"]);
    let near = watch(&mut w, 0, &["b", "a"]);
    w.run(secs(2));
    for p in [far, near] {
        plays(&mut w, p, &["a", "b"]);
        for name in ["a", "b"] {
            assert_eq!(page(&w, p).video(name).gaps, 0);
        }
    }
    assert_eq!(w.cores[1].gauges().rooms, 2);
    let offer = w.receive(far, &[], &["a"]).expect("received");
    w.negotiate(far, offer);
    w.run(secs(1));
    assert_eq!(w.cores[1].gauges().rooms, 1);
    plays(&mut w, far, &["b"]);
    let (id, now) = (w.receiver(far), w.now);
    assert_eq!(w.cores[1].close_receiver(now, id), Ok(()));
    w.carry_out(1);
    w.run(secs(8));
    assert!(w.peers[far].closed);
    assert_eq!(w.cores[1].gauges(), Default::default());
    assert!(
        w.events
            .contains(&MediaEvent::ReceiverEnded { receiver: id })
    );
}

#[test]
fn losses_on_the_way_to_a_receiver_are_repaired() {
    let mut w = with_publishers(1, &["a", "b"]);
    let bad = NetemConfig::new()
        .latency(Duration::from_millis(15))
        .loss(RandomLoss::new(Probability::new(0.03)));
    let p = w.open_page(0, bad);
    let offer = w.receive(p, &["a", "b"], &[]).expect("received");
    w.negotiate(p, offer);
    w.run(secs(10));
    for name in ["a", "b"] {
        let got = page(&w, p).video(name);
        assert!(got.whole.len() > 250, "{name}: {}", got.whole.len());
    }
    // What has been repaired by the time of a report is no loss in it: of three in a hundred most
    // reports tell none.
    let (loss, rtt) = worst_figures(&w, p);
    assert!(loss < 0.03, "{loss}");
    let rtt = rtt.expect("a receiver report has come");
    assert!((28..60).contains(&rtt.as_millis()), "{rtt:?}");

    let worse = NetemConfig::new()
        .latency(Duration::from_millis(15))
        .loss(RandomLoss::new(Probability::new(0.4)));
    w.events.clear();
    w.peers[p].down.set_config(worse);
    w.run(secs(6));
    let (loss, _) = worst_figures(&w, p);
    assert!((0.03..0.6).contains(&loss), "{loss}");
}

/// The largest loss that was told of the way to a page, and the round trip that came with it.
fn worst_figures(w: &World, page: usize) -> (f32, Option<Duration>) {
    let figures = w.events.iter().filter_map(|e| match e {
        MediaEvent::Transport {
            session,
            loss_down: Some(loss),
            rtt,
            ..
        } if *session == w.receiver(page) => Some((*loss, *rtt)),
        _ => None,
    });
    let worst = figures.max_by(|a, b| a.0.total_cmp(&b.0));
    worst.expect("figures")
}

#[test]
fn kinds_that_are_not_allowed_do_not_pass_and_come_back_at_a_key_frame() {
    let mut w = with_publishers(1, &["a"]);
    let p = watch(&mut w, 0, &["a"]);
    w.run(secs(1));
    let publisher = w.session(0);
    w.cores[0]
        .set_allowed(&publisher, true, false)
        .expect("open");
    w.run(Duration::from_millis(100));
    let (video, audio) = (
        page(&w, p).video("a").packets,
        page(&w, p).audio("a").packets,
    );
    let refused = w.counters(0).drops(DropReason::NotAllowed);
    w.run(secs(2));
    assert_eq!(page(&w, p).video("a").packets, video);
    assert!(page(&w, p).audio("a").packets > audio + 90);
    assert!(w.counters(0).drops(DropReason::NotAllowed) > refused + 100);

    let (whole, plis) = (page(&w, p).video("a").whole.len(), w.peers[0].plis);
    w.cores[0]
        .set_allowed(&publisher, false, true)
        .expect("open");
    w.run(secs(1));
    let got = page(&w, p).video("a");
    assert!(got.whole.len() > whole + 25);
    assert!(got.whole[whole].1, "it comes back at a key frame");
    assert_eq!(got.gaps, 0, "nobody takes the pause for loss");
    assert_eq!(w.peers[0].plis, plis + 1);
    let audio = page(&w, p).audio("a").packets;
    w.run(secs(1));
    assert_eq!(page(&w, p).audio("a").packets, audio);
    w.cores[0]
        .set_allowed(&publisher, true, true)
        .expect("open");
    plays(&mut w, p, &["a"]);
    assert_eq!(page(&w, p).audio("a").gaps, 0);
}

#[test]
fn codec_that_a_page_does_not_have_is_not_sent_and_counted() {
    let mut w = with_publishers(1, &["a", "b"]);
    w.peers[1].sender.as_mut().expect("publisher").codec = packager::rtp::Codec::Vp8;
    let p = w.open_page_with(0, good(), false);
    let offer = w.receive(p, &["a", "b"], &[]).expect("received");
    w.negotiate(p, offer);
    w.run(secs(1));
    plays(&mut w, p, &["b"]);
    assert_eq!(page(&w, p).video("a").packets, 0);
    assert!(page(&w, p).audio("a").packets > 50);
    assert!(w.counters(0).drops(DropReason::CodecNotNegotiated) > 100);
    let missing: Vec<_> = w
        .events
        .iter()
        .filter(|e| matches!(e, MediaEvent::CodecMissing { .. }))
        .collect();
    let told = MediaEvent::CodecMissing {
        receiver: w.receiver(p),
        stream: stream("a"),
        codec: packager::rtp::Codec::H264,
    };
    assert_eq!(missing, [&told], "once");
}

#[test]
fn levels_and_comings_and_goings_are_told() {
    let mut w = with_publishers(1, &["a", "b"]);
    w.peers[0].sender.as_mut().expect("publisher").level = Some(-20);
    w.events.clear();
    w.run(secs(2));
    let levels: Vec<_> = w
        .events
        .iter()
        .filter_map(|e| match e {
            MediaEvent::Levels(levels) => Some(levels.clone()),
            _ => None,
        })
        .collect();
    assert!((8..=10).contains(&levels.len()), "{}", levels.len());
    for batch in &levels {
        assert_eq!(batch.len(), 1);
        assert_eq!((&batch[0].stream, batch[0].level), (&stream("a"), 20));
        assert_eq!(batch[0].voice, Some(true));
    }
    w.events.clear();
    let (session, now) = (w.session(0), w.now);
    w.publish("c", good());
    w.run(secs(1));
    w.cores[0].close(now, &session).expect("open");
    w.carry_out(0);
    let live = w
        .events
        .iter()
        .any(|e| matches!(e, MediaEvent::Live { stream, audio: true, video: true, .. } if stream.as_str() == "c"));
    assert!(live, "{:?}", w.events);
    assert!(w.events.contains(&MediaEvent::Ended {
        stream: stream("a"),
        session: session.session,
    }));
    w.run(secs(3));
    let measured = w.events.iter().any(|e| {
        matches!(e, MediaEvent::Transport { session: s, loss_up: Some(0.0), .. } if *s == w.session(1).session)
    });
    assert!(measured, "{:?}", w.events);
}

#[test]
fn ice_restarts_by_an_offer_of_the_server_and_media_goes_on() {
    let mut w = with_publishers(1, &["a"]);
    let p = watch(&mut w, 0, &["a"]);
    w.run(secs(1));
    let id = w.receiver(p);
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|l| l.starts_with("a=ice-ufrag:"));
        line.expect("ufrag").to_owned()
    };
    let offer = w.cores[0].patch_receiver(id, "").expect("open");
    let offer = offer.expect("an offer");
    assert_eq!(offer.revision, 2);
    let old = w.receive(p, &["a"], &[]);
    assert_eq!(old, Ok(None), "the restart is outstanding");
    let before = ufrag(&offer.sdp);
    w.negotiate(p, Some(offer));
    w.run(secs(40));
    assert!(!w.peers[p].closed);
    plays(&mut w, p, &["a"]);
    let next = w.receive(p, &["b"], &[]).expect("received").expect("offer");
    assert_eq!(ufrag(&next.sdp), before, "the credentials stay");
    // Of the publisher, the page, and nothing from before.
    assert_eq!(w.cores[0].gauges().users, 2);
}

#[test]
fn fragments_are_counted_and_bounded() {
    let mut w = with_publishers(1, &["a"]);
    let p = watch(&mut w, 0, &["a"]);
    let id = w.receiver(p);
    let body = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
        a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
    for _ in 0..100 {
        assert_eq!(w.cores[0].patch_receiver(id, body), Ok(None));
    }
    assert_eq!(
        w.cores[0].patch_receiver(id, body),
        Err(ReceiveError::TooManyCandidates { limit: 100 })
    );
    assert!(matches!(
        w.cores[0].patch_receiver(id, "nonsense"),
        Err(ReceiveError::Malformed { .. })
    ));
}
