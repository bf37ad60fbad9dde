//! Outgoing datagrams, gathered into runs that leave in one segmented send or one write.

use std::net::IpAddr;
use std::slice::Chunks;

use super::framing::{self, Frames};
use super::remote::{Remote, Transport};

/// Datagrams to one address that share one buffer.
///
/// Over UDP all are `segment` bytes long, the last one maybe shorter (the layout that generic
/// segmentation offload wants). Over TCP they are frames, to be written as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// The announced address that it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: Remote,
    /// The datagrams one after the other.
    pub contents: &'a [u8],
    /// Length of each datagram in bytes, over UDP.
    pub segment: usize,
}

impl<'a> Batch<'a> {
    /// The datagrams one by one.
    pub fn datagrams(&self) -> Datagrams<'a> {
        match self.destination.transport {
            Transport::Udp => Datagrams::Chunks(self.contents.chunks(self.segment.max(1))),
            Transport::Tcp => Datagrams::Frames(Frames::new(self.contents)),
        }
    }
}

/// See [`Batch::datagrams`].
#[derive(Debug, Clone)]
pub enum Datagrams<'a> {
    /// All of one length.
    Chunks(Chunks<'a, u8>),
    /// Each behind its length.
    Frames(Frames<'a>),
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Chunks(chunks) => chunks.next(),
            Self::Frames(frames) => frames.next(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Run {
    source: IpAddr,
    destination: Remote,
    start: usize,
    end: usize,
    segment: usize,
    count: usize,
    closed: bool,
}

/// A reusable buffer of outgoing datagrams.
#[derive(Debug)]
pub struct Transmits {
    buffer: Vec<u8>,
    runs: Vec<Run>,
    max_segments: usize,
    datagrams: usize,
}

impl Transmits {
    /// Gathers at most `max_segments` datagrams into one run.
    pub fn new(max_segments: usize) -> Self {
        Self {
            buffer: Vec::new(),
            runs: Vec::new(),
            max_segments: max_segments.max(1),
            datagrams: 0,
        }
    }

    /// From now on at most so many in one run, if that is less than before.
    pub fn limit_segments(&mut self, max_segments: usize) {
        self.max_segments = self.max_segments.min(max_segments.max(1));
    }

    /// Adds one datagram.
    pub fn push(&mut self, source: IpAddr, destination: Remote, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        let start = self.buffer.len();
        let is_framed = destination.transport == Transport::Tcp;
        if is_framed {
            framing::append(&mut self.buffer, datagram);
        } else {
            self.buffer.extend_from_slice(datagram);
        }
        let end = self.buffer.len();
        self.datagrams += 1;
        if let Some(run) = self.runs.last_mut() {
            let is_segment =
                !run.closed && datagram.len() <= run.segment && run.count < self.max_segments;
            let fits = (run.destination, run.source) == (destination, source)
                && (is_framed || is_segment)
                && end - run.start <= MAX_RUN_BYTES;
            if fits {
                run.closed = datagram.len() < run.segment;
                run.end = end;
                run.count += 1;
                return;
            }
        }
        self.runs.push(Run {
            source,
            destination,
            start,
            end,
            segment: datagram.len(),
            count: 1,
            closed: false,
        });
    }

    /// The runs in the order of their datagrams.
    pub fn batches(&self) -> impl Iterator<Item = Batch<'_>> {
        self.runs.iter().map(|run| Batch {
            source: run.source,
            destination: run.destination,
            contents: &self.buffer[run.start..run.end],
            segment: run.segment,
        })
    }

    /// Bytes that are waiting.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Datagrams that are waiting.
    pub fn datagrams(&self) -> usize {
        self.datagrams
    }

    /// True if nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Forgets all; the memory stays for the next round, if it is not too much.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(KEPT_BYTES);
        self.runs.clear();
        self.datagrams = 0;
    }
}

/// Buffer that stays after a round: four times what a worker gathers before it sends.
const KEPT_BYTES: usize = 1 << 20;

/// Most bytes of one segmented send: the largest UDP payload over IPv4 is 65,507.
const MAX_RUN_BYTES: usize = 65_000;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn address(port: u16) -> Remote {
        SocketAddr::from((SOURCE, port)).into()
    }

    fn lengths(t: &Transmits) -> Vec<(u16, Vec<usize>)> {
        t.batches()
            .map(|b| {
                (
                    b.destination.address.port(),
                    b.datagrams().map(<[u8]>::len).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn equal_datagrams_to_one_address_share_a_run_that_a_shorter_one_ends() {
        let mut t = Transmits::new(64);
        for len in [100, 100, 60, 60, 100] {
            t.push(SOURCE, address(1), &vec![0; len]);
        }
        t.push(SOURCE, address(2), &[0; 100]);
        assert_eq!(
            lengths(&t),
            vec![
                (1, vec![100, 100, 60]),
                (1, vec![60]),
                (1, vec![100]),
                (2, vec![100])
            ]
        );
        assert_eq!(t.datagrams(), 6);
        t.clear();
        assert!(t.is_empty());
    }

    #[test]
    fn frames_of_one_drain_are_one_write_whatever_their_lengths() {
        let mut t = Transmits::new(1);
        let connection = Remote::tcp(address(1).address);
        for len in [100, 1_200, 60] {
            t.push(SOURCE, connection, &vec![0; len]);
        }
        t.push(SOURCE, address(1), &[0; 100]);
        assert_eq!(lengths(&t), vec![(1, vec![100, 1_200, 60]), (1, vec![100])]);
        let first = t.batches().next().expect("a run");
        assert_eq!(first.contents.len(), 100 + 1_200 + 60 + 3 * framing::HEADER);
        assert_eq!(t.datagrams(), 4);
    }

    #[test]
    fn what_comes_from_another_address_is_another_run() {
        let mut t = Transmits::new(64);
        t.push(SOURCE, address(1), &[0; 100]);
        t.push(Ipv4Addr::new(192, 0, 2, 1).into(), address(1), &[0; 100]);
        assert_eq!(lengths(&t).len(), 2);
    }

    #[test]
    fn runs_keep_their_limits() {
        let mut t = Transmits::new(4);
        for _ in 0..9 {
            t.push(SOURCE, address(1), &[0; 10]);
        }
        assert_eq!(
            t.batches()
                .map(|b| b.datagrams().count())
                .collect::<Vec<_>>(),
            vec![4, 4, 1]
        );

        let mut t = Transmits::new(64);
        for _ in 0..60 {
            t.push(SOURCE, address(1), &[0; 1_400]);
        }
        assert!(t.batches().all(|b| b.contents.len() <= MAX_RUN_BYTES));
        assert_eq!(
            t.batches().map(|b| b.datagrams().count()).sum::<usize>(),
            60
        );
    }
}
