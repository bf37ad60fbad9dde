//! Answers that nobody honest gives, and bounds of what one receiver can have.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sfu::worker::{MediaEvent, ReceiveError, SessionId, Wanted};

use crate::frames;
use crate::world::{World, good, stream};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// A world with a publisher of `a`, somebody who watches it, and a page with an offer.
fn offered() -> (World, usize, usize, sfu::worker::ServerOffer) {
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(secs(1));
    let p = w.open_page(0, good());
    let offer = w.receive(p, &["a"], &[]).expect("received").expect("offer");
    (w, s, p, offer)
}

fn still_plays(w: &mut World, s: usize) {
    let before = frames::check(&w.peers[s].got_video).whole.len();
    w.run(secs(1));
    let after = frames::check(&w.peers[s].got_video);
    assert!(after.whole.len() >= before + 28);
    assert_eq!(after.gaps, 0);
}

#[test]
fn answers_to_other_offers_are_refused_by_name() {
    let (mut w, _, p, offer) = offered();
    let answer = w.peers[p].answer(&offer.sdp);
    for given in [0, 2, u32::MAX] {
        assert_eq!(
            w.answer(p, given, &answer),
            Err(ReceiveError::WrongRevision {
                given,
                expected: Some(1)
            })
        );
    }
    assert_eq!(w.answer(p, 1, &answer), Ok(None));
    assert_eq!(
        w.answer(p, 1, &answer),
        Err(ReceiveError::WrongRevision {
            given: 1,
            expected: None
        })
    );
    let receiver = SessionId::from_bits(12_345);
    let now = w.now;
    assert_eq!(
        w.cores[0].answer(now, receiver, 1, &answer),
        Err(ReceiveError::UnknownReceiver { receiver })
    );
    assert_eq!(w.counters(0).answers_refused, 4);
}

#[test]
fn malformed_answer_changes_nothing_and_an_honest_one_still_fits() {
    let (mut w, s, p, offer) = offered();
    let answer = w.peers[p].answer(&offer.sdp);
    let cut = answer.find("m=video").expect("video");
    for bad in [
        String::new(),
        "v=0".to_owned(),
        answer[..cut].to_owned(),
        format!("{answer}{}", &answer[cut..]),
        answer.replace("a=recvonly", "a=sendrecv"),
        answer.replace("m=video", "m=audio"),
        answer.replace("a=fingerprint:", "a=f:"),
        "x".repeat(200_000),
        offer.sdp.clone(),
    ] {
        let refused = w.answer(p, 1, &bad).expect_err("refused");
        assert!(
            matches!(
                refused,
                ReceiveError::Malformed { .. } | ReceiveError::TooLarge { .. }
            ),
            "{refused:?}"
        );
    }
    assert_eq!(w.answer(p, 1, &answer), Ok(None));
    w.run(secs(1));
    let page = w.peers[p].page.as_ref().expect("page");
    assert!(page.video("a").whole.len() > 20);
    still_plays(&mut w, s);
}

#[test]
fn mangled_answers_hurt_nobody_else() {
    let (mut w, s, p, offer) = offered();
    let answer = w.peers[p].answer(&offer.sdp);
    let lines: Vec<&str> = answer.lines().collect();
    let mut rng = StdRng::seed_from_u64(5);
    let mut ends = [0; 3];
    for n in 0..300_u32 {
        let mut mangled: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        for _ in 0..rng.random_range(1..4) {
            let (a, b) = (
                rng.random_range(0..mangled.len()),
                rng.random_range(0..mangled.len()),
            );
            match rng.random_range(0..4) {
                0 => {
                    mangled.remove(a);
                }
                1 => mangled.swap(a, b),
                2 => mangled[a] = mangled[a].replace(|c: char| c.is_ascii_digit(), "7"),
                _ => {
                    let line = mangled[b].clone();
                    mangled.insert(a, line);
                }
            }
        }
        // Each goes to a receiver of its own.
        let q = w.open_page(0, good());
        let offer = w.receive(q, &["a"], &[]).expect("received").expect("offer");
        let mids = |sdp: &str| -> Vec<String> {
            let mids = sdp.lines().filter_map(|l| l.strip_prefix("a=mid:"));
            mids.map(str::to_owned).collect()
        };
        // Only where mids stand: three letters may be found in a fingerprint too.
        let has_mids =
            |line: &&mut String| line.starts_with("a=mid") || line.starts_with("a=group");
        for (theirs, ours) in mids(&answer).iter().zip(mids(&offer.sdp)) {
            for line in mangled.iter_mut().filter(has_mids) {
                *line = line.replace(theirs.as_str(), &ours);
            }
        }
        let text = mangled.join("\r\n") + "\r\n";
        let end = match w.answer(q, 1, &text) {
            Ok(_) => 0,
            Err(ReceiveError::Malformed { .. }) => 1,
            Err(ReceiveError::Refused { .. }) => {
                let receiver = w.receiver(q);
                assert!(!w.cores[0].has_receiver(receiver));
                assert!(w.events.contains(&MediaEvent::ReceiverEnded { receiver }));
                2
            }
            Err(other) => panic!("{other:?}"),
        };
        ends[end] += 1;
        if n % 50 == 0 {
            still_plays(&mut w, s);
        }
    }
    assert!(ends[0] > 20 && ends[1] > 100, "{ends:?}");
    // Those that were taken or not answered have nobody behind them.
    w.run(secs(20));
    assert_eq!(w.cores[0].gauges().receivers, 0);
    still_plays(&mut w, s);
}

#[test]
fn page_that_refuses_every_m_line_gets_no_endless_offers() {
    let (mut w, s, p, offer) = offered();
    let answer = w.peers[p].answer(&offer.sdp);
    let mid = w.peers[p].page.as_ref().expect("page").lines[1].0.clone();
    let none = answer
        .replace("m=video 9", "m=video 0")
        .replace(&format!(" {mid}\r\n"), "\r\n");
    assert_eq!(w.answer(p, 1, &none), Ok(None));
    w.run(secs(1));
    let page = w.peers[p].page.as_ref().expect("page");
    assert_eq!(page.video("a").packets, 0);
    // Nothing is offered anew for the same stream; another one has an m-line of its own.
    assert_eq!(w.receive(p, &["a"], &[]), Ok(None));
    let next = w.receive(p, &["b"], &[]).expect("received").expect("offer");
    assert_eq!(next.sdp.matches("m=video").count(), 2);
    still_plays(&mut w, s);
}

#[test]
fn tracks_of_one_receiver_are_bounded() {
    let mut w = World::new(1);
    let p = w.open_page(0, good());
    let names: Vec<String> = (0..40).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        w.receive(p, &names[..33], &[]),
        Err(ReceiveError::TooManyTracks {
            kind: "video",
            count: 33,
            limit: 32
        })
    );
    let sounds = (0..65).map(|n| Wanted {
        stream: stream(&format!("s{n}")),
        audio: true,
        video: None,
    });
    assert_eq!(
        w.receive_only(p, sounds.collect(), &[]),
        Err(ReceiveError::TooManyTracks {
            kind: "audio",
            count: 65,
            limit: 64
        })
    );
    assert_eq!(
        w.cores[0].gauges(),
        Default::default(),
        "nothing was opened"
    );
    let offer = w.receive(p, &names[..32], &[]).expect("received");
    let size = offer.as_ref().map_or(0, |o| o.sdp.len());
    assert!(size < 131_072, "{size} bytes");
    w.negotiate(p, offer);
    assert!(w.receive(p, &["one-more"], &[]).is_err());
    // All of them go and others come: no m-line more than allowed. One that is left is free once
    // that has been answered, so that the sounds get lines of their own.
    let offer = w.receive(p, &names[32..], &names[..32]).expect("received");
    w.negotiate(p, offer);
    let page = w.peers[p].page.as_ref().expect("page");
    assert_eq!(page.lines.len(), 32 + 32 + 8);
    let mut carried: Vec<&str> = page
        .lines
        .iter()
        .filter_map(|(_, s)| s.as_deref())
        .collect();
    carried.sort_unstable();
    carried.dedup();
    assert_eq!(carried.len(), 8);
    w.run(secs(1));
    assert_eq!(w.cores[0].gauges().rooms, 8);
    let (id, now) = (w.receiver(p), w.now);
    w.cores[0].close_receiver(now, id).expect("open");
    w.carry_out(0);
    w.run(secs(61));
    assert_eq!(w.cores[0].gauges(), Default::default());
    assert_eq!(w.left.len(), 40);
}
