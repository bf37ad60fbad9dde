//! Invariants of every RTP packet that the server sends, read off its header, which SRTP leaves as
//! it is.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// What the server has sent to all clients.
#[derive(Default)]
pub struct Egress {
    streams: HashMap<(u16, u32), Stream>,
    /// Publishers lose packets until then: gaps are theirs.
    lossy_until: Option<Instant>,
    pub counts: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub packets: u64,
    /// Packets of retransmissions and padding.
    pub again: u64,
    /// Gaps of one number behind a frame that was cut off by a change of the source.
    pub cuts: u64,
    /// Gaps that publishers' losses left.
    pub gaps: u64,
}

/// What payload types stand for in a session.
#[derive(Debug, Default)]
pub struct Types {
    pub audio: BTreeSet<u8>,
    /// Retransmissions.
    pub again: BTreeSet<u8>,
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
    /// Checks a datagram to a client.
    pub fn check(&mut self, now: Instant, client: u16, datagram: &[u8], of: &Types) {
        let Some(header) = Header::parse(datagram) else {
            return;
        };
        let Header { ssrc, time, .. } = header;
        let name = || format!("client {client}, SSRC {ssrc:x}, {}", header.seq);
        self.counts.packets += 1;
        if header.padding {
            // Probes, on an RTP stream of retransmissions.
            self.counts.again += 1;
            return;
        }
        let mut is_new = false;
        let stream = self.streams.entry((client, ssrc)).or_insert_with(|| {
            is_new = true;
            Stream {
                payload_type: header.payload_type,
                highest: header.seq.into(),
                time,
                marker: header.marker,
                missing: BTreeSet::new(),
            }
        });
        let types = (stream.payload_type, header.payload_type);
        assert_eq!(types.0, types.1, "one payload type: {}", name());
        if of.again.contains(&header.payload_type) {
            self.counts.again += 1;
            return;
        }
        if is_new {
            assert!(header.seq < 1 << 15, "its first number: {}", name());
            return;
        }
        // RFC 3711 §3.3.1: the extended number nearest to the newest one.
        let step = header.seq.wrapping_sub(stream.highest as u16) as i16;
        let seq = stream.highest.wrapping_add_signed(i64::from(step));
        let later = time.wrapping_sub(stream.time) as i32;
        if step <= 0 {
            let was_missing = stream.missing.remove(&seq);
            assert!(was_missing, "sent a second time: {}", name());
            assert!(later <= 0, "an older packet of a later time: {}", name());
            return;
        }
        assert!(later >= 0, "time goes back by {}: {}", -later, name());
        let is_video = !of.audio.contains(&header.payload_type);
        if is_video && step == 2 && !stream.marker && later > 0 {
            self.counts.cuts += 1;
        } else if step > 1 {
            self.counts.gaps += 1;
            let is_theirs = self.lossy_until.is_some_and(|until| now < until);
            assert!(is_theirs, "a gap of {}: {}", step - 1, name());
        }
        stream.missing.extend(stream.highest + 1..seq);
        while stream.missing.len() > MAX_MISSING {
            stream.missing.pop_first();
        }
        stream.highest = seq;
        (stream.time, stream.marker) = (time, header.marker);
    }

    /// Publishers may lose packets for a while.
    pub fn allow_gaps(&mut self, until: Instant) {
        self.lossy_until = self.lossy_until.max(Some(until));
    }

    /// A client has gone.
    pub fn forget(&mut self, client: u16) {
        self.streams.retain(|(of, _), _| *of != client);
    }
}

/// RFC 3550 §5.1.
#[derive(Clone, Copy)]
struct Header {
    padding: bool,
    marker: bool,
    payload_type: u8,
    seq: u16,
    time: u32,
    ssrc: u32,
}

impl Header {
    /// `None` if it is not RTP (RFC 7983 §7, RFC 5761 §4).
    fn parse(datagram: &[u8]) -> Option<Self> {
        let (&[first, second], rest) = datagram.split_first_chunk()?;
        let (seq, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let ssrc = rest.first_chunk()?;
        let is_rtp = (128..192).contains(&first) && !(192..224).contains(&second);
        is_rtp.then_some(Self {
            padding: first & 0x20 != 0,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            seq: u16::from_be_bytes(*seq),
            time: u32::from_be_bytes(*time),
            ssrc: u32::from_be_bytes(*ssrc),
        })
    }
}

const MAX_MISSING: usize = 2_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CLIENT: u16 = 7;

    struct Sent {
        egress: Egress,
        now: Instant,
    }

    impl Sent {
        fn new() -> Self {
            let mut sent = Self {
                egress: Egress::default(),
                now: Instant::now(),
            };
            sent.packet(10, 1_000, true);
            sent
        }

        fn packet(&mut self, seq: u16, time: u32, marker: bool) {
            self.now += Duration::from_millis(20);
            let mut datagram = vec![128, 96 | u8::from(marker) << 7];
            datagram.extend(seq.to_be_bytes());
            datagram.extend(time.to_be_bytes());
            datagram.extend(5_u32.to_be_bytes());
            self.egress
                .check(self.now, CLIENT, &datagram, &Types::default());
        }
    }

    #[test]
    fn order_late_packets_and_cut_frames_are_no_fault() {
        let mut sent = Sent::new();
        sent.packet(11, 1_000, false);
        sent.packet(13, 2_000, true);
        sent.packet(12, 1_000, true);
        sent.packet(14, 3_000, true);
        assert_eq!(sent.egress.counts.packets, 5);
        assert_eq!((sent.egress.counts.cuts, sent.egress.counts.gaps), (1, 0));
    }

    #[test]
    #[should_panic(expected = "a gap of 2")]
    fn a_gap_is_a_fault() {
        Sent::new().packet(13, 2_000, true);
    }

    #[test]
    fn a_gap_is_none_where_publishers_lose() {
        let mut sent = Sent::new();
        sent.egress.allow_gaps(sent.now + Duration::from_millis(30));
        sent.packet(13, 2_000, true);
        assert_eq!(sent.egress.counts.gaps, 1);
    }

    #[test]
    #[should_panic(expected = "a gap of 1")]
    fn a_gap_after_that_time_is_a_fault() {
        let mut sent = Sent::new();
        sent.egress.allow_gaps(sent.now + Duration::from_millis(30));
        sent.packet(11, 1_000, true);
        sent.packet(13, 2_000, true);
    }

    #[test]
    #[should_panic(expected = "time goes back by 1")]
    fn a_time_that_goes_back_is_a_fault() {
        Sent::new().packet(11, 999, true);
    }

    #[test]
    #[should_panic(expected = "sent a second time")]
    fn a_number_used_twice_is_a_fault() {
        Sent::new().packet(10, 1_000, true);
    }
}
