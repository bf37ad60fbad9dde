//! A UDP socket that moves the datagrams of one drain in few system calls.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit as UdpTransmit, UdpSocketState};
use str0m::net::Transmit;

/// A socket with segmentation offload both ways where the kernel has it.
pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    refused: u64,
}

/// Buffers that all sockets of a thread share.
pub struct Buffers {
    receive: Vec<Vec<u8>>,
    send: Vec<u8>,
}

impl Buffers {
    /// Room for a few trains of datagrams of up to 64 KiB each.
    pub fn new() -> Buffers {
        Buffers {
            receive: vec![vec![0; 65_536]; TRAINS],
            send: Vec::with_capacity(65_536),
        }
    }
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers::new()
    }
}

/// Trains read by one system call.
const TRAINS: usize = 4;
/// Largest UDP payload over IPv4; a train may not exceed it either.
const MAX_TRAIN: usize = 65_507;

impl Socket {
    /// Binds an own port on `local`'s address (port 0).
    ///
    /// # Errors
    ///
    /// When the system refuses the socket, for one because too many files are
    /// open.
    pub fn bind(local: SocketAddr) -> io::Result<Socket> {
        let io = UdpSocket::bind(local)?;
        let state = UdpSocketState::new((&io).into())?;
        // One key frame and more: a subscriber that waits for its turn on a
        // busy machine must not count as the server's loss.
        let _ = state.set_recv_buffer_size((&io).into(), 1 << 20);
        let local = io.local_addr()?;
        Ok(Socket {
            io,
            state,
            local,
            refused: 0,
        })
    }

    /// The address that was bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that the system did not take.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Registers the socket for reading.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        registry.register(&mut self.io, token, mio::Interest::READABLE)
    }

    /// Takes the socket off `registry`.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        registry.deregister(&mut self.io)
    }

    /// Reads what is there, up to a few trains, and hands over each datagram
    /// with its source. `false` when nothing was left.
    pub fn receive(
        &self,
        buffers: &mut Buffers,
        mut each: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); TRAINS];
        let mut slices = buffers.receive.iter_mut();
        let mut slices: [IoSliceMut<'_>; TRAINS] = std::array::from_fn(|_| {
            IoSliceMut::new(slices.next().map_or(&mut [], Vec::as_mut_slice))
        });
        let trains = match self
            .io
            .try_io(|| self.state.recv((&self.io).into(), &mut slices, &mut metas))
        {
            Ok(trains) => trains,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        };
        for (meta, slice) in metas.iter().zip(&slices).take(trains) {
            for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                each(meta.addr, datagram);
            }
        }
        // A short read means that the queue is empty; the edge comes again.
        Ok(trains == TRAINS)
    }

    /// Sends and empties `outbox`: neighbours of equal size to the same
    /// address leave as one train.
    pub fn send(&mut self, buffers: &mut Buffers, outbox: &mut Vec<Transmit>) {
        let max_segments = self.state.max_gso_segments();
        let mut rest = outbox.as_slice();
        while let Some(first) = rest.first() {
            let size = first.contents.len();
            let mut count = 0;
            buffers.send.clear();
            for next in rest.iter().take(max_segments) {
                let fits = next.contents.len() <= size
                    && next.destination == first.destination
                    && buffers.send.len() + next.contents.len() <= MAX_TRAIN;
                if !fits && count > 0 {
                    break;
                }
                buffers.send.extend_from_slice(&next.contents);
                count += 1;
                // A shorter datagram can only be the last of a train.
                if next.contents.len() < size {
                    break;
                }
            }
            let transmit = UdpTransmit {
                destination: first.destination,
                ecn: None,
                contents: &buffers.send,
                segment_size: (count > 1).then_some(size),
                src_ip: None,
            };
            let sent = self
                .io
                .try_io(|| self.state.try_send((&self.io).into(), &transmit));
            if sent.is_err() {
                self.refused += count as u64;
            }
            rest = &rest[count..];
        }
        outbox.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use str0m::net::Protocol;

    #[test]
    fn datagrams_of_all_sizes_arrive_whole_and_in_order() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (mut a, mut b) = (Socket::bind(any).unwrap(), Socket::bind(any).unwrap());
        let mut buffers = Buffers::new();
        let sizes = [
            1200usize, 1200, 1200, 900, 1200, 20, 20, 1200, 1, 1300, 1300,
        ];
        let mut outbox: Vec<Transmit> = sizes
            .iter()
            .enumerate()
            .map(|(index, size)| Transmit {
                proto: Protocol::Udp,
                source: a.local(),
                destination: b.local(),
                contents: vec![index as u8; *size].into(),
            })
            .collect();
        a.send(&mut buffers, &mut outbox);
        assert!(outbox.is_empty());
        assert_eq!(a.refused(), 0);

        let mut poll = mio::Poll::new().unwrap();
        b.register(poll.registry(), mio::Token(0)).unwrap();
        let mut events = mio::Events::with_capacity(4);
        let mut arrived = Vec::new();
        for _ in 0..20 {
            poll.poll(&mut events, Some(Duration::from_millis(100)))
                .unwrap();
            while b
                .receive(&mut buffers, |source, datagram| {
                    assert_eq!(source, a.local());
                    assert!(datagram.iter().all(|byte| *byte == datagram[0]));
                    arrived.push((datagram[0], datagram.len()));
                })
                .unwrap()
            {}
            if arrived.len() == sizes.len() {
                break;
            }
        }
        let sent: Vec<_> = (0u8..).zip(sizes).collect();
        assert_eq!(arrived, sent);
    }
}
