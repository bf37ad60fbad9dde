//! How a client's packets travel: in datagrams, or as frames on a connection.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use sfu::media::framing::Decoder;
use str0m::Candidate;
use str0m::net::{Protocol, TcpType};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

pub(crate) enum Way {
    Udp(UdpSocket),
    Tcp(Box<Connection>),
}

pub(crate) struct Connection {
    local: SocketAddr,
    socket: Option<TcpSocket>,
    pub(crate) stream: Option<TcpStream>,
    /// Known of a connection that is over as well.
    peer: Option<SocketAddr>,
    decoder: Decoder,
    packets: VecDeque<Vec<u8>>,
    /// The server has ended it.
    pub(crate) ended: bool,
    unsent: Vec<u8>,
}

impl Way {
    pub(crate) async fn udp(ip: IpAddr) -> Self {
        Self::Udp(UdpSocket::bind((ip, 0)).await.expect("socket"))
    }

    pub(crate) fn tcp(ip: IpAddr) -> Self {
        let socket = match ip {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.expect("socket");
        socket.bind((ip, 0).into()).expect("bound");
        Self::Tcp(Box::new(Connection {
            local: socket.local_addr().expect("address"),
            socket: Some(socket),
            stream: None,
            peer: None,
            decoder: Decoder::default(),
            packets: VecDeque::new(),
            ended: false,
            unsent: Vec::new(),
        }))
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) => Protocol::Udp,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().expect("address"),
            Self::Tcp(connection) => connection.local,
        }
    }

    pub(crate) fn candidate(&self) -> Candidate {
        let local = self.local();
        match self {
            Self::Udp(_) => Candidate::host(local, "udp"),
            Self::Tcp(_) => Candidate::builder()
                .tcp()
                .host(local)
                .tcptype(TcpType::Active)
                .build(),
        }
        .expect("candidate")
    }

    pub(crate) async fn send(&mut self, packet: &[u8], to: SocketAddr) {
        match self {
            Self::Udp(socket) => {
                let _ = socket.send_to(packet, to).await;
            }
            Self::Tcp(connection) => connection.send(packet, to).await,
        }
    }

    /// The next packet, if there is one, and where it came from.
    pub(crate) fn receive(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 2_000];
                let (length, from) = socket.try_recv_from(&mut buffer).ok()?;
                Some((buffer[..length].to_vec(), from))
            }
            Self::Tcp(connection) => connection.receive(),
        }
    }
}

impl Connection {
    async fn send(&mut self, packet: &[u8], to: SocketAddr) {
        if let Some(socket) = self.socket.take() {
            self.stream = socket.connect(to).await.ok();
            self.peer = Some(to);
        }
        self.unsent
            .extend_from_slice(&(packet.len() as u16).to_be_bytes());
        self.unsent.extend_from_slice(packet);
        if let Some(stream) = &self.stream
            && let Ok(count) = stream.try_write(&self.unsent)
        {
            self.unsent.drain(..count);
        }
    }

    fn receive(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        let stream = self.stream.as_ref()?;
        let mut buffer = [0; 10_000];
        if let Ok(count) = stream.try_read(&mut buffer) {
            self.ended |= count == 0;
            let packets = &mut self.packets;
            self.decoder
                .decode(&buffer[..count], |packet| {
                    packets.push_back(packet.to_vec())
                })
                .expect("frames");
        }
        Some((self.packets.pop_front()?, self.peer?))
    }
}
