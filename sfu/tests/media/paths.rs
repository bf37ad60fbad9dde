//! Which way packets take: over TCP, after a change of the client's address, and not without the
//! client's consent.

use std::net::SocketAddr;
use std::time::Duration;

use str0m::IceCreds;
use str0m::ice::{StunMessage, TransId};
use str0m_netem::{Netem, NetemConfig, Probability, RandomLoss};

use sfu::media::Remote;
use sfu::worker::Patched;

use crate::frames;
use crate::world::{World, good};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn dead() -> Netem<Vec<u8>> {
    Netem::new(NetemConfig::new().loss(RandomLoss::new(Probability::ONE)))
}

/// A stream with one subscriber, running.
fn running() -> (World, usize) {
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(seconds(1));
    let s = w.subscribe("a", 0, good());
    w.run(seconds(1));
    assert!(!w.peers[s].got_video.is_empty());
    (w, s)
}

fn fragment(creds: &IceCreds) -> String {
    format!(
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n",
        creds.ufrag, creds.pass
    )
}

/// The subscriber restarts ICE; the server's new credentials are not taken up yet.
fn restart(w: &mut World, s: usize) -> (IceCreds, IceCreds) {
    let (session, now) = (w.session(s), w.now);
    let ours = IceCreds::new();
    let patched = w.cores[0].patch(now, &session, Some("*"), &fragment(&ours));
    let Ok(Patched::Restarted { fragment, .. }) = patched else {
        panic!("{patched:?}");
    };
    let read = sfu::media::fragment::parse(&fragment).expect("well-formed");
    let theirs = IceCreds {
        ufrag: read.ufrag,
        pass: read.pwd,
    };
    (ours, theirs)
}

#[test]
fn media_flows_both_ways_over_connections_where_datagrams_do_not_pass() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.peers[p].lose_udp();
    w.run_until(seconds(3), "the stream is live", |w| w.published == 1);
    let s = w.subscribe("a", 0, good());
    w.peers[s].lose_udp();
    let page = w.open_page(0, good());
    let offer = w.receive(page, &["a"], &[]).expect("received");
    w.negotiate(page, offer);
    w.peers[page].lose_udp();
    w.run(seconds(5));
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole.len() > 60, "{}", got.whole.len());
    assert_eq!(got.gaps, 0);
    let shown = w.peers[page].page.as_ref().expect("a page").video("a");
    assert!(shown.whole.len() > 60, "{}", shown.whole.len());
    assert_eq!(w.bytes_to_unknown, 0, "nothing went out as a datagram");
    let answer = &w.peers[s].answer;
    let tcp = answer.lines().filter(|l| l.contains(" tcp ")).count();
    assert!(
        tcp > 0 && answer.contains("typ host tcptype passive"),
        "{answer}"
    );
    w.close(s);
    w.close(p);
    assert_eq!(w.cores[0].gauges().addresses, 1);
}

#[test]
fn a_server_without_tcp_does_not_announce_it() {
    let mut w = World::with(1, |config| config.tcp = false);
    let p = w.publish("a", good());
    assert!(!w.peers[p].answer.contains(" tcp "));
    w.run_until(seconds(3), "the stream is live", |w| w.published == 1);
}

#[test]
fn every_announced_address_of_both_families_is_a_candidate() {
    let more: Vec<SocketAddr> = vec![
        "198.51.100.2:8000".parse().expect("address"),
        "[2001:db8::1]:8000".parse().expect("address"),
    ];
    let mut w = World::with(1, |config| config.local.extend(&more));
    let p = w.publish("a", good());
    let answer = &w.peers[p].answer;
    for ip in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        for transport in ["udp", "tcp"] {
            let is_it = |l: &str| {
                let words: Vec<&str> = l.split(' ').collect();
                l.starts_with("a=candidate:") && words[2] == transport && words[4] == ip
            };
            assert!(answer.lines().any(is_it), "{transport} {ip}: {answer}");
        }
    }
}

#[test]
fn media_follows_a_client_whose_address_changes_under_it() {
    let (mut w, s) = running();
    let old = w.peers[s].address;
    w.peers[s].address = SocketAddr::from(([203, 0, 113, 99], 4_000));
    let before = w.peers[s].got_video.len();
    w.run_until(seconds(7), "media at the new address", |w| {
        w.peers[s].got_video.len() > before
    });
    let lost = w.bytes_to_unknown;
    assert!(lost > 0, "some went to {old}");
    w.run(seconds(40));
    assert_eq!(w.bytes_to_unknown, lost, "nothing goes to {old} any more");
    assert_eq!(w.cores[0].gauges().subscribers, 1);
    // The publisher's packets are taken from wherever they come.
    w.peers[0].address = SocketAddr::from(([203, 0, 113, 98], 4_000));
    w.run(seconds(40));
    assert_eq!(w.cores[0].gauges().publishers, 1);
    let after = w.peers[s].got_video.len();
    w.run(seconds(1));
    assert!(w.peers[s].got_video.len() > after + 100);
}

#[test]
fn the_next_connection_takes_over_from_one_that_has_ended() {
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(seconds(1));
    let s = w.subscribe("a", 0, good());
    w.peers[s].lose_udp();
    w.run(seconds(2));
    let old = w.peers[s].remote();
    assert!(w.cores[0].knows(old));
    w.cores[0].connection_ended(old);
    assert!(!w.cores[0].knows(old));
    w.peers[s].address = SocketAddr::from(([203, 0, 113, 99], 4_000));
    let before = w.peers[s].got_video.len();
    w.run_until(seconds(7), "media on the new connection", |w| {
        w.peers[s].got_video.len() > before
    });
    w.run(seconds(40));
    assert_eq!(w.cores[0].gauges().subscribers, 1);
}

#[test]
fn a_client_on_another_network_goes_on_after_an_ice_restart() {
    let (mut w, s) = running();
    w.peers[s].address = SocketAddr::from(([203, 0, 113, 99], 4_000));
    let (ours, theirs) = restart(&mut w, s);
    let mut api = w.peers[s].rtc.direct_api();
    api.set_local_ice_credentials(ours);
    api.set_remote_ice_credentials(theirs);
    let before = w.peers[s].got_video.len();
    w.run_until(seconds(7), "media on the new network", |w| {
        w.peers[s].got_video.len() > before
    });
    let lost = w.bytes_to_unknown;
    w.run(seconds(40));
    assert_eq!(w.bytes_to_unknown, lost, "nothing goes to the old network");
    assert_eq!(w.cores[0].gauges().subscribers, 1);
}

/// A check as the subscriber would send it, with its password.
fn check(answer: &str, ufrag: &str, nominates: bool) -> Vec<u8> {
    let find = |key: &str| answer.lines().find_map(|l| l.strip_prefix(key));
    let user = format!("{}:{ufrag}", find("a=ice-ufrag:").expect("ufrag"));
    let password = find("a=ice-pwd:").expect("pwd");
    let message = StunMessage::binding_request(&user, TransId::new(), true, 7, 1 << 24, nominates);
    let provider = str0m::crypto::from_feature_flags().sha1_hmac_provider;
    let mut bytes = vec![0; 500];
    let length = message
        .to_bytes(Some(password.as_bytes()), &mut bytes, |key, parts| {
            provider.sha1_hmac(key, parts)
        })
        .expect("written");
    bytes.truncate(length);
    bytes
}

#[test]
fn nothing_but_answers_to_checks_goes_to_an_address_before_it_is_validated() {
    let mut w = World::new(1);
    w.publish("a", good());
    w.run(seconds(1));
    let s = w.subscribe("a", 0, good());
    w.peers[s].up = dead();
    w.run(seconds(5));
    assert_eq!(w.peers[s].sent_by_server, 0, "it has said nothing so far");

    let api = w.peers[s].rtc.direct_api();
    let ufrag = api.local_ice_credentials().ufrag;
    let answer = w.peers[s].answer.clone();
    let plain = check(&answer, &ufrag, false);
    let (now, from) = (w.now, w.peers[s].address);
    for n in 1..10 {
        w.cores[0].handle_datagram(now, from, None, &plain);
        // A DTLS record from beside it gets nothing at all.
        let beside = SocketAddr::from((from.ip(), 9));
        w.cores[0].handle_datagram(now, beside, None, &[22; 200]);
        w.cores[0].flush(now);
        let sent: usize = w.cores[0]
            .transmits()
            .batches()
            .map(|b| b.contents.len())
            .sum();
        assert!(
            sent > 0 && sent <= plain.len(),
            "{sent} for {}",
            plain.len()
        );
        w.carry_out(0);
        assert_eq!(w.peers[s].sent_by_server, n, "one answer a check");
    }
    w.run(seconds(1));
    assert_eq!(
        w.peers[s].sent_by_server, 9,
        "no media to a path that is not nominated"
    );
}

#[test]
fn a_client_that_vanishes_gets_nothing_after_half_a_minute_and_is_closed() {
    let (mut w, s) = running();
    w.peers[s].up = dead();
    let gone = w.now;
    let mut last = gone;
    let mut sent = w.peers[s].sent_by_server;
    while w.cores[0].gauges().subscribers > 0 {
        w.step();
        if w.peers[s].sent_by_server > sent {
            (sent, last) = (w.peers[s].sent_by_server, w.now);
        }
        assert!(w.now - gone < seconds(30), "it is still there");
    }
    assert!(last - gone <= seconds(30), "media for {:?}", last - gone);
    w.run(seconds(2));
    assert_eq!(w.peers[s].sent_by_server, sent);
}

#[test]
fn a_client_that_asks_for_an_ice_restart_and_vanishes_is_closed_too() {
    let (mut w, s) = running();
    restart(&mut w, s);
    w.peers[s].up = dead();
    w.run(seconds(30));
    assert_eq!(w.cores[0].gauges().subscribers, 0);
    let sent = w.peers[s].sent_by_server;
    w.run(seconds(2));
    assert_eq!(w.peers[s].sent_by_server, sent);
}

#[test]
fn a_connection_is_not_an_address_of_datagrams() {
    let (mut w, s) = running();
    let (now, from) = (w.now, w.peers[s].address);
    let connection = Remote::tcp(from);
    assert!(w.cores[0].knows(from.into()));
    assert!(!w.cores[0].knows(connection));
    let before = w.counters(0).drops(sfu::media::DropReason::NotValidated);
    w.cores[0].handle_datagram(now, connection, None, &[128; 100]);
    let after = w.counters(0).drops(sfu::media::DropReason::NotValidated);
    assert_eq!(after, before + 1);
}
