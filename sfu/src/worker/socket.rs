//! A worker's UDP socket: batches in, segmented sends out.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::media::Batch;

/// The socket of one worker.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    mapped: bool,
    buffer: Vec<u8>,
}

/// One datagram as it came in.
pub(crate) struct Datagram<'a> {
    pub(crate) source: SocketAddr,
    pub(crate) to: Option<IpAddr>,
    pub(crate) contents: &'a [u8],
}

/// Binds a socket with large kernel buffers.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // The kernel gives what it allows; a smaller buffer shows as drops in its own counters.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl MediaSocket {
    /// Takes over a bound socket. To be called on the worker's runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let mapped =
            matches!(socket.local_addr()?.ip(), IpAddr::V6(ip) if ip == Ipv6Addr::UNSPECIFIED);
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            state,
            mapped,
            buffer: vec![0; SLICE * SLICES],
        })
    }

    /// Most datagrams in one segmented send.
    pub(crate) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives what is there without waiting. False if nothing was.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(Datagram<'_>)) -> bool {
        let mut metas = [RecvMeta::default(); SLICES];
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffer.chunks_mut(SLICE).map(IoSliceMut::new).collect();
        let received = self.socket.try_io(Interest::READABLE, || {
            self.state
                .recv((&self.socket).into(), &mut slices, &mut metas)
        });
        drop(slices);
        let Ok(count) = received else {
            return false;
        };
        for (meta, slice) in metas.iter().zip(self.buffer.chunks(SLICE)).take(count) {
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let to = meta.dst_ip.map(|ip| ip.to_canonical());
            let filled = slice.get(..meta.len).unwrap_or_default();
            for contents in filled.chunks(meta.stride.max(1)) {
                each(Datagram {
                    source,
                    to,
                    contents,
                });
            }
        }
        count > 0
    }

    /// Sends one run. Waits a little for a full socket.
    pub(crate) async fn send(&self, batch: &Batch<'_>) -> io::Result<()> {
        let single = batch.contents.len() <= batch.segment;
        let transmit = Transmit {
            destination: self.outward(batch.destination),
            ecn: None,
            contents: batch.contents,
            segment_size: (!single).then_some(batch.segment),
            src_ip: None,
        };
        let mut waited = false;
        loop {
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                self.state.try_send((&self.socket).into(), &transmit)
            });
            match sent {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !waited => {
                    waited = true;
                    let _ = tokio::time::timeout(SEND_WAIT, self.socket.writable()).await;
                }
                other => return other,
            }
        }
    }

    /// A socket bound to `::` takes IPv4 destinations as mapped addresses.
    fn outward(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.mapped => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            other => other,
        }
    }
}

/// Receive and send buffer asked of the kernel: 100 ms of 300 Mbit/s.
const KERNEL_BUFFER: usize = 4 << 20;

/// One receive buffer: the largest run that the kernel joins.
const SLICE: usize = 65_535;

/// Receive buffers of one call.
const SLICES: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };

/// How long a full socket is waited for before the datagrams are dropped.
const SEND_WAIT: Duration = Duration::from_millis(5);
