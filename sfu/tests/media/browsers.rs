//! Offers as browsers make them, and what they are answered.

use sfu::media::dependency::URI;
use sfu::media::offer;
use sfu::worker::{Role, SessionId};

use crate::world::{World, good, stream};

pub fn answer(name: &str, role: Role, sdp: &str) -> String {
    let mut w = World::new(1);
    w.publish(name, good());
    w.step();
    let checked = offer::check(sdp, role).expect("the offer is accepted");
    assert!(checked.audio && checked.video);
    let id = SessionId::from_bits(7_777);
    let now = w.now;
    let accepted = match role {
        Role::Publisher => w.cores[0].publish(now, &stream(name), id, &checked),
        Role::Subscriber => w.cores[0].subscribe(now, &stream(name), id, &checked, None),
    };
    accepted.expect("the offer is answered").answer
}

/// Names of the video codecs in the order of the m-line, without RTX.
pub fn video_codecs(answer: &str) -> Vec<String> {
    let video = answer.split("m=video").nth(1).expect("video");
    let line = video.lines().next().expect("m-line");
    line.split_whitespace()
        .skip(2)
        .filter_map(|pt| {
            let prefix = format!("a=rtpmap:{pt} ");
            let name = video.lines().find_map(|l| l.strip_prefix(&prefix))?;
            Some(name.split('/').next().unwrap_or_default().to_owned())
        })
        .filter(|name| name != "rtx")
        .collect()
}

fn first_video_fmtp(answer: &str) -> String {
    let video = answer.split("m=video").nth(1).expect("video");
    let pt = video.split_whitespace().nth(2).expect("payload type");
    let prefix = format!("a=fmtp:{pt} ");
    let line = video.lines().find_map(|l| l.strip_prefix(&prefix));
    line.unwrap_or_default().to_owned()
}

#[test]
fn chromium_publisher_is_answered_with_baseline_h264_first() {
    let answer = answer(
        "a",
        Role::Publisher,
        include_str!("offers/chromium-publisher.sdp"),
    );
    let codecs = video_codecs(&answer);
    assert_eq!(
        codecs.first().map(String::as_str),
        Some("H264"),
        "{codecs:?}"
    );
    for codec in ["VP8", "VP9", "AV1"] {
        assert!(
            codecs.iter().any(|c| c == codec),
            "{codec} is missing in {codecs:?}"
        );
    }
    let fmtp = first_video_fmtp(&answer);
    assert!(fmtp.contains("profile-level-id=42e01f"), "{fmtp}");
    assert!(fmtp.contains("packetization-mode=1"), "{fmtp}");
    assert_eq!(answer.matches("a=recvonly").count(), 2);
    assert!(answer.contains("opus/48000/2") && answer.contains("useinbandfec=1"));
    // Chromium repeats sound where RED stands first.
    assert!(answer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"));
    assert!(answer.contains("a=fmtp:63 111/111\r\n") && !answer.contains("stereo"));
    assert!(answer.contains("a=setup:passive"));
    assert!(answer.contains(" 198.51.100.1 8000 typ host"));
    for feedback in ["nack", "nack pli", "transport-cc"] {
        assert!(answer.contains(&format!(" {feedback}\r\n")), "{feedback}");
    }
}

#[test]
fn stereo_is_answered_to_who_offers_it() {
    let offer = include_str!("offers/chromium-publisher.sdp");
    let offer = offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
    let answer = answer("a", Role::Publisher, &offer);
    assert!(answer.contains("a=fmtp:111 stereo=1;"), "{answer}");
}

#[test]
fn chromium_simulcast_is_accepted_with_all_its_layers() {
    let answer = answer(
        "a",
        Role::Publisher,
        include_str!("offers/chromium-simulcast.sdp"),
    );
    assert!(answer.contains("a=simulcast:recv h;m;l"), "{answer}");
    for rid in ["h", "m", "l"] {
        assert!(answer.contains(&format!("a=rid:{rid} recv")), "{answer}");
    }
    assert!(answer.contains(&format!("a=extmap:12 {URI}")), "{answer}");
}

#[test]
fn chromium_subscriber_keeps_every_codec() {
    let answer = answer(
        "a",
        Role::Subscriber,
        include_str!("offers/chromium-subscriber.sdp"),
    );
    let codecs = video_codecs(&answer);
    assert_eq!(
        codecs.first().map(String::as_str),
        Some("H264"),
        "{codecs:?}"
    );
    for codec in ["VP8", "VP9", "AV1"] {
        assert!(
            codecs.iter().any(|c| c == codec),
            "{codec} is missing in {codecs:?}"
        );
    }
    assert_eq!(answer.matches("a=sendonly").count(), 2);
    assert!(answer.matches("a=ssrc:").count() >= 4);
}

#[test]
fn firefox_simulcast_without_h264_is_accepted_with_all_its_layers() {
    let answer = answer(
        "a",
        Role::Publisher,
        include_str!("offers/firefox-simulcast.sdp"),
    );
    assert_eq!(video_codecs(&answer), ["VP8", "VP9", "AV1"]);
    assert!(answer.contains("a=simulcast:recv l;h"), "{answer}");
    assert!(answer.contains(&format!("a=extmap:8 {URI}")), "{answer}");
}

#[test]
fn firefox_without_the_codec_of_the_picture_is_told_by_an_inactive_section() {
    let offer = include_str!("offers/firefox-subscriber.sdp");
    let checked = offer::check(offer, Role::Subscriber).expect("the offer is accepted");
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(std::time::Duration::from_secs(1));
    let id = SessionId::from_bits(7_777);
    let now = w.now;
    let accepted = w.cores[0].subscribe(now, &stream("a"), id, &checked, None);
    let answer = accepted.expect("the offer is answered").answer;
    let (picture, sound) = answer.split_once("m=audio").expect("audio");
    assert!(picture.contains("a=inactive"), "{answer}");
    assert!(sound.contains("a=sendonly"), "{answer}");
}

#[test]
fn chromium_answer_of_a_receiver_is_taken() {
    let mut w = World::new(1);
    let page = w.open_page(0, good());
    let offer = w
        .receive(page, &["a", "b"], &[])
        .expect("received")
        .expect("offer");
    let (sound, picture) = offer.sdp.split_once("m=video").expect("video");
    assert!(picture.contains(URI) && !sound.contains(URI));
    let recorded = include_str!("offers/chromium-receiver-answer.sdp");
    let mids = |sdp: &str| -> Vec<String> {
        let mids = sdp.lines().filter_map(|l| l.strip_prefix("a=mid:"));
        mids.map(str::to_owned).collect()
    };
    let group = format!("a=group:BUNDLE {}", mids(&offer.sdp).join(" "));
    let mut answer: String = recorded
        .lines()
        .map(|line| match line.starts_with("a=group:BUNDLE") {
            true => format!("{group}\r\n"),
            false => format!("{line}\r\n"),
        })
        .collect();
    for (theirs, ours) in mids(recorded).iter().zip(mids(&offer.sdp)) {
        answer = answer.replace(&format!("a=mid:{theirs}\r"), &format!("a=mid:{ours}\r"));
    }
    assert_eq!(w.answer(page, offer.revision, &answer), Ok(None));
}
