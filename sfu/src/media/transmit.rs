//! Outgoing datagrams, gathered into runs that leave in one segmented send.

use std::net::SocketAddr;

/// Datagrams to one address that share one buffer: all `segment` bytes long, the last one maybe
/// shorter (the layout that generic segmentation offload wants).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Where it goes.
    pub destination: SocketAddr,
    /// The datagrams one after the other.
    pub contents: &'a [u8],
    /// Length of each datagram in bytes.
    pub segment: usize,
}

impl<'a> Batch<'a> {
    /// The datagrams one by one.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> {
        self.contents.chunks(self.segment.max(1))
    }
}

#[derive(Debug, Clone, Copy)]
struct Run {
    destination: SocketAddr,
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
    pub fn push(&mut self, destination: SocketAddr, datagram: &[u8]) {
        if datagram.is_empty() {
            return;
        }
        let start = self.buffer.len();
        self.buffer.extend_from_slice(datagram);
        let end = self.buffer.len();
        self.datagrams += 1;
        if let Some(run) = self.runs.last_mut() {
            let fits = !run.closed
                && run.destination == destination
                && datagram.len() <= run.segment
                && run.count < self.max_segments
                && end - run.start <= MAX_RUN_BYTES;
            if fits {
                run.closed = datagram.len() < run.segment;
                run.end = end;
                run.count += 1;
                return;
            }
        }
        self.runs.push(Run {
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
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn lengths(t: &Transmits) -> Vec<(u16, Vec<usize>)> {
        t.batches()
            .map(|b| {
                (
                    b.destination.port(),
                    b.datagrams().map(<[u8]>::len).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn equal_datagrams_to_one_address_share_a_run_that_a_shorter_one_ends() {
        let mut t = Transmits::new(64);
        for len in [100, 100, 60, 60, 100] {
            t.push(address(1), &vec![0; len]);
        }
        t.push(address(2), &[0; 100]);
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
    fn runs_keep_their_limits() {
        let mut t = Transmits::new(4);
        for _ in 0..9 {
            t.push(address(1), &[0; 10]);
        }
        assert_eq!(
            t.batches()
                .map(|b| b.datagrams().count())
                .collect::<Vec<_>>(),
            vec![4, 4, 1]
        );

        let mut t = Transmits::new(64);
        for _ in 0..60 {
            t.push(address(1), &[0; 1_400]);
        }
        assert!(t.batches().all(|b| b.contents.len() <= MAX_RUN_BYTES));
        assert_eq!(
            t.batches().map(|b| b.datagrams().count()).sum::<usize>(),
            60
        );
    }
}
