//! A worker's UDP socket: batches in, segmented sends out.

use std::cell::Cell;
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
    /// Local addresses that datagrams have come to, if the socket is bound to all of them. An
    /// answer has to come from the address that was asked.
    owned: Vec<IpAddr>,
    is_bound_to_all: bool,
    /// The interface takes no segmented sends: seen by an error.
    segments_refused: Cell<bool>,
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
    // The kernel gives what it allows: `missing_buffer` tells.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The receive buffer's size in bytes if the kernel gave less than half of what was asked for.
/// Linux reports twice the size that it counts payload by (socket(7), SO_RCVBUF).
pub(crate) fn missing_buffer(socket: &std::net::UdpSocket) -> Option<usize> {
    let reported = socket2::SockRef::from(socket).recv_buffer_size().ok()?;
    let granted = if cfg!(target_os = "linux") {
        reported / 2
    } else {
        reported
    };
    (granted < KERNEL_BUFFER / 2).then_some(granted)
}

impl MediaSocket {
    /// Takes over a bound socket. To be called on the worker's runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let bound = socket.local_addr()?.ip();
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            state,
            mapped: bound == Ipv6Addr::UNSPECIFIED,
            owned: Vec::new(),
            is_bound_to_all: bound.is_unspecified(),
            segments_refused: Cell::new(false),
            buffer: vec![0; SLICE * SLICES],
        })
    }

    /// Most datagrams in one segmented send.
    pub(crate) fn max_segments(&self) -> usize {
        match self.segments_refused.get() {
            true => 1,
            false => self.state.max_gso_segments(),
        }
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
            if let Some(to) = to
                && self.is_bound_to_all
                && self.owned.len() < MAX_OWNED
                && !self.owned.contains(&to)
            {
                self.owned.push(to);
            }
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
        if batch.contents.len() <= batch.segment {
            return self.transmit(batch, batch.contents, None).await;
        }
        let segmented = self
            .transmit(batch, batch.contents, Some(batch.segment))
            .await;
        let Err(error) = segmented else {
            return Ok(());
        };
        match error.raw_os_error() {
            // Interfaces without checksum offload refuse segments of whomever; other addresses
            // may be refused for reasons of their own.
            Some(EIO) => self.segments_refused.set(true),
            Some(EINVAL) => {}
            _ => return Err(error),
        }
        for datagram in batch.datagrams() {
            self.transmit(batch, datagram, None).await?;
        }
        Ok(())
    }

    async fn transmit(
        &self,
        batch: &Batch<'_>,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.outward(batch.destination.address),
            ecn: None,
            contents,
            segment_size,
            src_ip: self.owned.contains(&batch.source).then_some(batch.source),
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

/// What Linux says for a segmented send that it cannot carry out (asm-generic/errno-base.h; the
/// same numbers on every architecture).
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// Receive and send buffer asked of the kernel: 100 ms of 300 Mbit/s.
pub(crate) const KERNEL_BUFFER: usize = 4 << 20;

/// Local addresses that are told apart: as many as settings announce.
const MAX_OWNED: usize = 16;

/// One receive buffer: the largest run that the kernel joins.
const SLICE: usize = 65_535;

/// Receive buffers of one call.
const SLICES: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };

/// How long a full socket is waited for before the datagrams are dropped.
const SEND_WAIT: Duration = Duration::from_millis(5);
