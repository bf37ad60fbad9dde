//! Clients that have a connection to the server in place of datagrams.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::Candidate;
use str0m::net::TcpType;

use super::{Core, CoreConfig};
use crate::media::remote::Remote;

impl Core {
    /// True if ICE has taken packets from there for a session that is open.
    pub fn knows(&self, remote: Remote) -> bool {
        self.demux.by_address(remote).is_some()
    }

    /// Nothing can come from or go to this address any more.
    pub fn connection_ended(&mut self, remote: Remote) {
        let Some(key) = self.demux.by_address(remote) else {
            return;
        };
        self.demux.remove_address(remote, key);
        if let Some(session) = self.sessions.get_mut(key) {
            session.connection_ended(remote);
        }
    }

    /// Packets for this address had to be dropped, and now there is room again: its video goes on
    /// at a key frame.
    pub fn connection_drained(&mut self, now: Instant, remote: Remote) {
        let session = self
            .demux
            .by_address(remote)
            .and_then(|key| self.sessions.get(key));
        let Some(session) = session else {
            return;
        };
        let wanted: Vec<_> = session
            .feeds()
            .iter()
            .filter_map(|feed| feed.wish.video.map(|picture| (feed.room, picture)))
            .collect();
        for (room, picture) in wanted {
            self.request_keyframe(room, picture, now);
            self.arm_room(room, now);
        }
    }
}

/// What clients are told of the addresses of this worker.
pub(super) fn candidates(config: &CoreConfig) -> Vec<Candidate> {
    let udp = |address: SocketAddr| Candidate::builder().udp().host(address).build();
    let tcp = |address: SocketAddr| {
        Candidate::builder()
            .tcp()
            .host(address)
            .tcptype(TcpType::Passive)
            .build()
    };
    let addresses = || config.local.iter().copied();
    let mut candidates: Vec<_> = addresses().map(udp).collect();
    if config.tcp {
        candidates.extend(addresses().map(tcp));
    }
    // The address of no host, such as a multicast one, is left out; settings refuse those.
    candidates.into_iter().filter_map(Result::ok).collect()
}
