//! The other end of a path: an address, and how packets travel to it.

use std::net::SocketAddr;

use str0m::net::Protocol;

/// How packets travel between a client and a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Frames of RFC 4571 on a connection that the client has opened (RFC 6544).
    Tcp,
}

/// Where a packet comes from or goes to. The same address is another one over another transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

impl Remote {
    /// The other end of a connection.
    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Tcp,
            address,
        }
    }

    /// The transport as the WebRTC stack calls it.
    pub(crate) fn protocol(self) -> Protocol {
        match self.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        }
    }

    /// Where the WebRTC stack sends to.
    pub(crate) fn of(protocol: Protocol, address: SocketAddr) -> Self {
        match protocol {
            Protocol::Udp => address.into(),
            Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Self::tcp(address),
        }
    }
}

impl From<SocketAddr> for Remote {
    /// A datagram's other end.
    fn from(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            address,
        }
    }
}
