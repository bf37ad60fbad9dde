//! Datagrams that nobody honest sends, beside a running stream.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sfu::media::DropReason;

use crate::frames;
use crate::world::{World, good};

fn stranger(port: u16) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 7], port))
}

/// A world with a running stream; the subscriber's index.
fn running() -> (World, usize, usize) {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(1));
    (w, p, s)
}

fn send(w: &mut World, from: SocketAddr, datagram: &[u8]) {
    let now = w.now;
    w.cores[0].handle_datagram(now, from, None, datagram);
    w.carry_out(0);
}

fn still_plays(w: &mut World, s: usize) {
    let before = frames::check(&w.peers[s].got_video);
    w.run(Duration::from_secs(1));
    let after = frames::check(&w.peers[s].got_video);
    assert!(after.whole.len() >= before.whole.len() + 29);
    assert_eq!(after.gaps, 0);
    assert_eq!(w.bytes_to_unknown, 0, "nothing goes to strangers");
    assert_eq!(w.counters(0).panics, 0);
}

#[test]
fn strangers_are_counted_and_get_no_answer() {
    let (mut w, _, s) = running();
    let client_hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    let mut rtp = vec![0x80, 108];
    rtp.resize(1_200, 7);
    for (datagram, reason) in [
        (client_hello.to_vec(), DropReason::NotValidated),
        (rtp, DropReason::NotValidated),
        (vec![0x80, 200, 0, 1, 0, 0, 0, 1], DropReason::NotValidated),
        (vec![0x80; 1_501], DropReason::Oversize),
        (vec![0; 20], DropReason::BadStun),
        (vec![255; 30], DropReason::NotWebRtc),
        (Vec::new(), DropReason::NotWebRtc),
    ] {
        let before = w.counters(0).drops(reason);
        send(&mut w, stranger(1), &datagram);
        assert_eq!(w.counters(0).drops(reason), before + 1, "{reason:?}");
    }
    still_plays(&mut w, s);
}

#[test]
fn stun_with_a_known_name_and_a_wrong_password_maps_nothing() {
    let (mut w, p, s) = running();
    let addresses = w.cores[0].gauges().addresses;
    let ufrag = w.peers[p]
        .answer
        .lines()
        .find_map(|l| l.strip_prefix("a=ice-ufrag:"))
        .expect("ufrag")
        .to_owned();
    let forged = binding_request(&format!("{ufrag}:abcd"));
    send(&mut w, stranger(2), &forged);
    assert_eq!(w.counters(0).drops(DropReason::StunRefused), 1);
    send(&mut w, stranger(2), &binding_request("nobody:abcd"));
    assert_eq!(w.counters(0).drops(DropReason::UnknownUser), 1);
    for cut in 0..forged.len() {
        send(&mut w, stranger(3), &forged[..cut]);
    }
    assert_eq!(w.cores[0].gauges().addresses, addresses);
    still_plays(&mut w, s);
}

#[test]
fn garbage_from_a_validated_address_hurts_nobody() {
    let (mut w, p, s) = running();
    let mut rng = StdRng::seed_from_u64(7);
    for peer in [p, s] {
        let from = w.peers[peer].address;
        for _ in 0..500 {
            let len = rng.random_range(0..1_600);
            let mut datagram: Vec<u8> = (0..len).map(|_| rng.random()).collect();
            if let Some(first) = datagram.first_mut() {
                // Aim at each protocol.
                *first = [0, 22, 128, 144, *first][rng.random_range(0..5)];
            }
            send(&mut w, from, &datagram);
        }
    }
    still_plays(&mut w, s);
}

#[test]
fn payloads_too_large_to_forward_are_dropped_and_counted() {
    let (mut w, p, s) = running();
    let layer = |w: &mut World, len: usize| {
        let sender = w.peers[p].sender.as_mut().expect("publisher");
        sender.layers[0].payload_len = len;
        sender.layers[0].wanted = true;
    };
    layer(&mut w, 1_430);
    w.run(Duration::from_millis(300));
    assert!(w.counters(0).drops(DropReason::PayloadTooLarge) > 0);
    layer(&mut w, 900);
    w.run(Duration::from_secs(2));
    assert_eq!(w.counters(0).panics, 0);
    let frames = frames::check(&w.peers[s].got_video);
    let (last, _) = *frames.whole.last().expect("frames");
    assert!(last > 120, "the stream goes on: {last}");
}

/// A binding request whose integrity is wrong (RFC 8489 §5, §14).
fn binding_request(user: &str) -> Vec<u8> {
    let mut attributes = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        attributes.extend_from_slice(&kind.to_be_bytes());
        attributes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        attributes.extend_from_slice(value);
        while attributes.len() % 4 != 0 {
            attributes.push(0);
        }
    };
    attribute(0x0006, user.as_bytes());
    attribute(0x0024, &1_u32.to_be_bytes());
    attribute(0x802a, &7_u64.to_be_bytes());
    attribute(0x0008, &[9; 20]);
    let mut message = vec![0, 1];
    message.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    message.extend_from_slice(&0x2112_a442_u32.to_be_bytes());
    message.extend_from_slice(&[5; 12]);
    message.extend_from_slice(&attributes);
    message
}
