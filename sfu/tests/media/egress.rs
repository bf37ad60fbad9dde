//! Invariants of every RTP packet that the server sends, read off its header, which SRTP leaves as
//! it is.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// What the server has sent to all clients.
#[derive(Default)]
pub struct Egress {
    streams: HashMap<(u16, u32), Stream>,
    /// Publishers lose packets until then: gaps are theirs.
    pub lossy_until: Option<Instant>,
    /// Clients on their way to another network, to whom nothing can be sent.
    moving: HashMap<u16, Instant>,
    pub packets: u64,
    /// Packets of retransmissions and padding.
    pub again: u64,
    /// Gaps of one number behind a frame that was cut off by a change of the source.
    pub cuts: u64,
    pub gaps: u64,
}

struct Stream {
    payload_type: u8,
    /// Extended sequence number of the newest packet.
    highest: u64,
    time: u32,
    marker: bool,
    /// Numbers below the newest one that were not sent.
    missing: BTreeSet<u64>,
}

impl Egress {
    /// Checks a datagram to a client. `resends` are the payload types of retransmissions there.
    pub fn check(&mut self, now: Instant, client: u16, datagram: &[u8], resends: &BTreeSet<u8>) {
        let [
            first @ 128..=191,
            second,
            a,
            b,
            t0,
            t1,
            t2,
            t3,
            s0,
            s1,
            s2,
            s3,
            ..,
        ] = *datagram
        else {
            return;
        };
        if (192..=223).contains(&second) {
            return;
        }
        let ssrc = u32::from_be_bytes([s0, s1, s2, s3]);
        let time = u32::from_be_bytes([t0, t1, t2, t3]);
        let seq = u64::from(u16::from_be_bytes([a, b]));
        let (payload_type, marker) = (second & 0x7f, second & 0x80 != 0);
        let name = || format!("client {client}, SSRC {ssrc:x}, sequence number {seq}");
        self.packets += 1;
        if first & PADDING != 0 {
            // Probes, on an RTP stream of retransmissions.
            self.again += 1;
            return;
        }
        let is_new = !self.streams.contains_key(&(client, ssrc));
        let stream = self.streams.entry((client, ssrc)).or_insert(Stream {
            payload_type,
            highest: seq,
            time,
            marker,
            missing: BTreeSet::new(),
        });
        assert_eq!(
            stream.payload_type,
            payload_type,
            "one payload type: {}",
            name()
        );
        if resends.contains(&payload_type) {
            self.again += 1;
            return;
        }
        if is_new {
            assert!(seq < 1 << 15, "its first number: {}", name());
            return;
        }
        // RFC 3711 §3.3.1: the extended number nearest to the newest one.
        let step = (seq as u16).wrapping_sub(stream.highest as u16) as i16;
        let seq = stream.highest.wrapping_add_signed(i64::from(step));
        let later = time.wrapping_sub(stream.time) as i32;
        if step <= 0 {
            assert!(
                stream.missing.remove(&seq),
                "sent a second time: {}",
                name()
            );
            assert!(later <= 0, "an older packet of a later time: {}", name());
            return;
        }
        assert!(later >= 0, "time goes back by {}: {}", -later, name());
        if step == 2 && !stream.marker && later > 0 {
            self.cuts += 1;
        } else if step > 1 {
            self.gaps += 1;
            let is_theirs = self.lossy_until.is_some_and(|until| now < until);
            let is_moving = self.moving.get(&client).is_some_and(|until| now < *until);
            assert!(is_theirs || is_moving, "a gap of {}: {}", step - 1, name());
        }
        stream.missing.extend(stream.highest + 1..seq);
        while stream.missing.len() > MAX_MISSING {
            stream.missing.pop_first();
        }
        (stream.highest, stream.time, stream.marker) = (seq, time, marker);
    }

    /// Publishers may lose packets for a while.
    pub fn allow_gaps(&mut self, until: Instant) {
        self.lossy_until = self.lossy_until.max(Some(until));
    }

    /// A client goes to another network.
    pub fn allow_move(&mut self, client: u16, until: Instant) {
        self.moving.insert(client, until);
    }

    /// A client has gone.
    pub fn forget(&mut self, client: u16) {
        self.moving.remove(&client);
        self.streams.retain(|(of, _), _| *of != client);
    }
}

const MAX_MISSING: usize = 2_000;

/// How long a publisher's loss shows: the last packet that is sent again has come by then.
pub const ECHO: Duration = Duration::from_secs(3);

/// The P bit (RFC 3550 §5.1).
const PADDING: u8 = 0x20;
