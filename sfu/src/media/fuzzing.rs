//! Bodies of the fuzz targets, kept here so that they compile and run with the other tests.

use packager::rtp::{Codec, MediaKind};

use super::demux;
use super::dependency::{self, Descriptor, Structure};
use super::forward::detect::{self, Entry};
use super::framing::{self, Decoder, TooLong};
use super::red::payload::{self, Red};
use super::red::placing::Placing;
use super::{answer, fragment, offer};
use crate::worker::Role;

/// An offer, whatever it is, is refused or comes out within its bounds.
pub fn check_offer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for role in [Role::Publisher, Role::Subscriber] {
        let Ok(checked) = offer::check(&text, role) else {
            continue;
        };
        assert!(checked.audio || checked.video);
        assert!(checked.media.len() <= 2);
        assert!(!checked.sdp.contains("a=candidate:"));
        assert!(checked.sdp.lines().all(|l| l.as_bytes()[1] == b'='));
        // What was accepted once is accepted again as it is.
        let again = offer::check(&checked.sdp, role);
        assert_eq!(again.as_ref().map(|c| &c.sdp), Ok(&checked.sdp));
    }
}

/// An answer, whatever it is, is refused or fits what was offered.
pub fn check_answer(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines = [
        ("0".to_owned(), MediaKind::Audio),
        ("1".to_owned(), MediaKind::Video),
    ];
    let offered = answer::Offered {
        lines: &lines,
        remote: None,
    };
    if let Ok(checked) = answer::check(&text, &offered) {
        assert_eq!(checked.lines().filter(|l| l.starts_with("m=")).count(), 2);
        assert!(!checked.contains("a=candidate:"));
        assert_eq!(answer::check(&checked, &offered), Ok(checked));
    }
}

/// A trickle ICE fragment is refused or has credentials that can stand in an SDP line.
pub fn parse_fragment(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(read) = fragment::parse(&text) {
        assert!(read.candidates <= fragment::MAX_CANDIDATES);
        for value in [&read.ufrag, &read.pwd] {
            assert!(!value.contains(['\r', '\n', ' ', ':']));
        }
    }
}

/// What a connection brings is cut into the same packets however it arrives, and none of them is
/// longer than a datagram may be.
pub fn decode_frames(data: &[u8]) {
    let (cut, stream) = match data.split_first() {
        Some((first, rest)) => (usize::from(*first).max(1), rest),
        None => return,
    };
    let (packets, ended) = decoded(std::iter::once(stream));
    let in_pieces = decoded(stream.chunks(cut));
    assert_eq!((&in_pieces.0, &in_pieces.1), (&packets, &ended));
    if ended.is_ok() {
        let bytes: usize = packets.iter().map(|p| p.len() + framing::HEADER).sum();
        assert!(bytes <= stream.len());
    }
}

fn decoded<'a>(mut pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    let ended = pieces.try_for_each(|piece| {
        decoder.decode(piece, |packet| {
            assert!((1..=demux::MAX_DATAGRAM).contains(&packet.len()));
            packets.push(packet.to_vec());
        })
    });
    (packets, ended)
}

/// A descriptor that can be read is written no longer than it was, and reads as the same again; its
/// frame has layers and references within the bounds.
pub fn read_descriptor(data: &[u8]) {
    let mut structure: Option<Structure> = None;
    // Each piece behind its length: what comes later is read with the structure that came before.
    let mut rest = data;
    while let Some((&length, tail)) = rest.split_first() {
        let (bytes, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        let Ok(descriptor) = Descriptor::read(bytes, structure.as_ref()) else {
            continue;
        };
        let written = descriptor.write();
        assert!(written.len() <= bytes.len());
        let again = Descriptor::read(&written, structure.as_ref());
        assert_eq!(again.as_ref(), Ok(&descriptor));
        structure = descriptor.structure.clone().or(structure);
        let frame = structure.as_ref().and_then(|s| descriptor.frame(s));
        let frame = frame.expect("it was read with a template");
        assert!(frame.spatial < dependency::MAX_LAYERS[0]);
        assert!(frame.temporal < dependency::MAX_LAYERS[1]);
        assert!((1..=dependency::MAX_TARGETS).contains(&frame.indications.len()));
        assert!(frame.differences.iter().all(|d| (1..=4_096).contains(&d)));
    }
}

/// First looks at datagrams and payloads read no byte that is not there.
pub fn look_at_packet(data: &[u8]) {
    if demux::classify(data) == Ok(demux::Protocol::Stun) {
        let _ = demux::Check::read(data);
    }
    for codec in [Codec::H264, Codec::H265, Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let entry = detect::entry(codec, data);
        assert!(!data.is_empty() || entry == Entry::No);
    }
}

/// Redundant sound is refused or taken apart into blocks that lie behind each other in it, and a
/// repeated packet finds a place that is free.
pub fn take_red_apart(data: &[u8]) {
    if let Ok(red) = Red::parse(data) {
        let blocks = red.repeated();
        let length: usize = blocks.iter().map(|block| 4 + block.payload.len()).sum();
        assert_eq!(length + 1 + red.primary.payload.len(), data.len());
        let written = payload::write(
            red.primary.payload_type,
            red.primary.payload,
            blocks,
            data.len(),
        );
        let again = Red::parse(&written).expect("what was written");
        assert_eq!(again.primary, red.primary);
        assert!(again.repeated().iter().all(|block| blocks.contains(block)));
    }
    let mut placing = Placing::default();
    for numbers in data.chunks_exact(3) {
        let seq = u64::from(numbers[0]);
        let time = u32::from(u16::from_be_bytes([numbers[1], numbers[2]])) << 8;
        placing.note(seq, time);
        if let Some(found) = placing.place(seq, time.wrapping_sub(960)) {
            assert!(found < seq && placing.note(found, time.wrapping_sub(960)));
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// Tokens that lead a random text deep into the parsers.
    const TOKENS: &[&str] = &[
        "v=0\r\n",
        "o=- 1 2 IN IP4 127.0.0.1\r\n",
        "s=-\r\n",
        "t=0 0\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        "c=IN IP4 0.0.0.0\r\n",
        "a=mid:0\r\n",
        "a=mid:1\r\n",
        "a=ice-ufrag:abcd\r\n",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n",
        "a=fingerprint:sha-256 AA\r\n",
        "a=rtpmap:111 opus/48000/2\r\n",
        "a=rtpmap:96 H264/90000\r\n",
        "a=sendrecv\r\n",
        "a=recvonly\r\n",
        "a=group:BUNDLE 0 1\r\n",
        "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n",
        "a=ice-lite\r\n",
        "a=rid:",
        "\u{7f}",
        "é",
    ];

    #[test]
    fn random_inputs_pass_the_fuzz_bodies() {
        let mut rng = StdRng::seed_from_u64(11);
        for _ in 0..5_000 {
            let text: String = (0..rng.random_range(0..30))
                .map(|i| {
                    TOKENS[if rng.random_bool(0.6) {
                        i % TOKENS.len()
                    } else {
                        rng.random_range(0..TOKENS.len())
                    }]
                })
                .collect();
            check_offer(text.as_bytes());
            check_answer(text.as_bytes());
            parse_fragment(text.as_bytes());
            let mut bytes = vec![0; rng.random_range(0..80)];
            rng.fill(&mut bytes[..]);
            look_at_packet(&bytes);
            take_red_apart(&bytes);
            read_descriptor(&bytes);
            decode_frames(&bytes);
            check_offer(&bytes);
            check_answer(&bytes);
        }
    }
}
