//! H.265: what is answered, and how it is forwarded.

use std::time::Duration;

use packager::rtp::{Codec, MediaKind};
use relay::IngestItem;
use sfu::media::{DropReason, offer};
use sfu::worker::{MediaEvent, OfferError, Role, SessionId};
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::browsers::{answer, video_codecs};
use crate::frames;
use crate::world::{World, good, stream};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

const PUBLISHER: &str = include_str!("offers/chromium-publisher.sdp");
const SUBSCRIBER: &str = include_str!("offers/chromium-subscriber.sdp");

/// An offer with H.265 as browsers that have it write it, before or behind the other codecs.
fn with_h265(offer: &str, is_first: bool, profile: u8) -> String {
    let line = offer.lines().find(|line| line.starts_with("m=video"));
    let line = line.expect("video");
    let (head, formats) = line.split_once(" UDP/TLS/RTP/SAVPF ").expect("formats");
    assert!(
        !formats
            .split(' ')
            .any(|format| matches!(format, "90" | "91"))
    );
    let formats = match is_first {
        true => format!("90 91 {formats}"),
        false => format!("{formats} 90 91"),
    };
    let attributes = format!(
        "a=rtpmap:90 H265/90000\r\na=rtcp-fb:90 transport-cc\r\na=rtcp-fb:90 ccm fir\r\n\
         a=rtcp-fb:90 nack\r\na=rtcp-fb:90 nack pli\r\n\
         a=fmtp:90 level-id=180;profile-id={profile};tier-flag=0;tx-mode=SRST\r\n\
         a=rtpmap:91 rtx/90000\r\na=fmtp:91 apt=90\r\n"
    );
    let mut out = String::new();
    let mut is_video = false;
    for l in offer.lines() {
        if l == line {
            out += &format!("{head} UDP/TLS/RTP/SAVPF {formats}\r\n");
            is_video = true;
            continue;
        }
        if is_video && l.starts_with("a=rtpmap:") {
            out += &attributes;
            is_video = false;
        }
        out += &format!("{l}\r\n");
    }
    out
}

/// The same without the other codecs.
fn h265_alone(offer: &str, profile: u8) -> String {
    let offer = with_h265(offer, true, profile);
    let line = offer.lines().find(|line| line.starts_with("m=video"));
    let line = line.expect("video");
    let (head, formats) = line.split_once(" 90 91 ").expect("formats");
    let is_other = |l: &str| {
        formats.split(' ').any(|format| {
            ["rtpmap", "fmtp", "rtcp-fb"]
                .iter()
                .any(|key| l.starts_with(&format!("a={key}:{format} ")))
        })
    };
    let kept = offer.lines().filter(|l| !is_other(l));
    let kept = kept.map(|l| match l == line {
        true => format!("{head} 90 91\r\n"),
        false => format!("{l}\r\n"),
    });
    kept.collect()
}

#[test]
fn it_is_answered_behind_the_codecs_that_every_browser_has() {
    for (role, plain) in [(Role::Publisher, PUBLISHER), (Role::Subscriber, SUBSCRIBER)] {
        let before = video_codecs(&answer("a", role, plain));
        assert!(!before.iter().any(|codec| codec == "H265"));
        for is_first in [true, false] {
            let answer = answer("a", role, &with_h265(plain, is_first, 1));
            let mut expected = before.clone();
            expected.push("H265".to_owned());
            assert_eq!(video_codecs(&answer), expected);
            let fmtp = answer.lines().find(|l| l.starts_with("a=fmtp:90 "));
            let fmtp = fmtp.expect("its parameters");
            for parameter in ["profile-id=1", "tier-flag=0", "level-id=180"] {
                assert!(fmtp.contains(parameter), "{fmtp}");
            }
            assert!(answer.contains("a=rtcp-fb:90 nack pli\r\n"), "{answer}");
        }
    }
}

#[test]
fn who_offers_nothing_else_is_answered_with_it() {
    let answer = answer("a", Role::Publisher, &h265_alone(PUBLISHER, 1));
    assert_eq!(video_codecs(&answer), ["H265"]);
    assert!(answer.contains("a=fmtp:91 apt=90\r\n"), "{answer}");
}

#[test]
fn another_profile_is_left_out_and_another_codec_refused_by_name() {
    // Ten bits, which who has negotiated eight could not show.
    let beside = answer("a", Role::Publisher, &with_h265(PUBLISHER, true, 2));
    assert!(!video_codecs(&beside).contains(&"H265".to_owned()));
    let alone = answer("a", Role::Publisher, &h265_alone(PUBLISHER, 2));
    assert!(
        alone.contains("m=video 0 ") && alone.contains(" opus/48000/2"),
        "{alone}"
    );
    let names = h265_alone(PUBLISHER, 1).replace("H265/90000", "H266/90000");
    let refused = offer::check(&names, Role::Publisher);
    let Err(OfferError::NoCommonCodec {
        offered, allowed, ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(offered, "H266, rtx");
    assert!(allowed.ends_with(", H265"), "{allowed}");
}

#[test]
fn pictures_reach_subscribers_and_relay_from_a_key_frame_on() {
    let mut w = World::new(2);
    let p = w.publish("a", good());
    w.peers[p].sender.as_mut().expect("publisher").codec = Codec::H265;
    w.run(secs(1));
    let subscribers = [0, 1].map(|at| w.subscribe("a", at, good()));
    w.run(secs(4));
    for s in subscribers {
        let got = &w.peers[s].got_video;
        assert!(got.iter().all(|packet| packet.codec == Codec::H265));
        let got = frames::check(got);
        assert!(got.whole.len() > 115, "{}", got.whole.len());
        assert!(got.whole[0].1, "the first picture is a key frame");
        assert_eq!(got.gaps, 0);
    }
    let codecs = w.relayed.iter().filter_map(|item| match item {
        IngestItem::Rtp { track, codec, .. } if track.kind() == MediaKind::Video => Some(*codec),
        _ => None,
    });
    let codecs: Vec<Codec> = codecs.collect();
    assert!(codecs.len() > 400 && codecs.iter().all(|codec| *codec == Codec::H265));
}

#[test]
fn a_subscriber_behind_loss_has_whole_pictures_again() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.peers[p].sender.as_mut().expect("publisher").codec = Codec::H265;
    w.run(secs(1));
    let lossy = NetemConfig::new().loss(RandomLoss::new(Probability::new(0.05)));
    let s = w.subscribe("a", 0, lossy);
    w.run(secs(8));
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole[0].1);
    // Asked for again, and sent again.
    assert!(got.whole.len() > 220, "{}", got.whole.len());
}

#[test]
fn simulcast_changes_layers_at_key_frames() {
    let mut w = World::new(1);
    let p = w.publish_layers("a", good(), &["l", "h"]);
    w.peers[p].sender.as_mut().expect("publisher").codec = Codec::H265;
    w.run(secs(3));
    let s = w.subscribe("a", 0, good());
    w.run(secs(2));
    let sizes = |w: &World| frames::check(&w.peers[s].got_video).sizes;
    assert_eq!(sizes(&w).last(), Some(&8), "the high layer");
    for (is_on, size) in [(false, 4), (true, 8)] {
        let before = sizes(&w).len();
        w.peers[p].sender.as_mut().expect("publisher").layers[1].on = is_on;
        w.run(secs(3));
        let got = frames::check(&w.peers[s].got_video);
        assert_eq!(got.sizes.last(), Some(&size));
        // Behind a key frame, which is larger.
        let change = (before..got.sizes.len()).find(|at| got.sizes[*at] == size);
        let change = change.expect("it changes");
        assert!(got.whole[change - 1].1 && !got.whole[change].1);
    }
}

#[test]
fn who_cannot_decode_it_has_the_sound_and_is_told() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.peers[p].sender.as_mut().expect("publisher").codec = Codec::H265;
    w.run(secs(1));
    // By WHEP: the section of the picture is inactive.
    let checked = offer::check(SUBSCRIBER, Role::Subscriber).expect("the offer is accepted");
    let (id, now) = (SessionId::from_bits(7_777), w.now);
    let accepted = w.cores[0].subscribe(now, &stream("a"), id, &checked, None);
    let answer = accepted.expect("the offer is answered").answer;
    let (sound, picture) = answer.split_once("m=video").expect("video");
    assert!(picture.contains("a=inactive"), "{answer}");
    assert!(sound.contains("a=sendonly"), "{answer}");
    // In a room: told by an event, and counted.
    let page = w.open_page(0, good());
    let offer = w.receive(page, &["a"], &[]).expect("received");
    w.negotiate(page, offer);
    w.run(secs(1));
    let got = w.peers[page].page.as_ref().expect("a page");
    assert_eq!(got.video("a").packets, 0);
    assert!(got.audio("a").packets > 40);
    assert!(w.counters(0).drops(DropReason::CodecNotNegotiated) > 100);
    let told = MediaEvent::CodecMissing {
        receiver: w.receiver(page),
        stream: stream("a"),
        codec: Codec::H265,
    };
    assert_eq!(w.events.iter().filter(|event| **event == told).count(), 1);
}
