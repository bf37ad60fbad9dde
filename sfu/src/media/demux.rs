//! Which session a datagram is for.

use std::collections::HashMap;

use str0m::ice::StunMessage;

use super::counters::DropReason;
use super::remote::Remote;
use super::slots::SlotKey;

/// What the first bytes of a datagram say it is (RFC 7983 §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Stun,
    Dtls,
    /// RTP or RTCP.
    Rtp,
}

pub(crate) fn classify(datagram: &[u8]) -> Result<Protocol, DropReason> {
    match datagram.first() {
        _ if datagram.len() > MAX_DATAGRAM => Err(DropReason::Oversize),
        Some(0..=1) if datagram.len() >= 20 => Ok(Protocol::Stun),
        Some(20..=63) if datagram.len() >= 13 => Ok(Protocol::Dtls),
        Some(128..=191) if datagram.len() >= 12 || is_rtcp(datagram) => Ok(Protocol::Rtp),
        _ => Err(DropReason::NotWebRtc),
    }
}

fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 8 && (192..=223).contains(&datagram[1])
}

/// What a STUN binding request says before its password has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Check<'a> {
    /// The local user fragment that it is for.
    pub(crate) user: &'a str,
    /// It has USE-CANDIDATE: the client wants to send media on this path.
    pub(crate) nominates: bool,
}

impl<'a> Check<'a> {
    pub(crate) fn read(datagram: &'a [u8]) -> Result<Self, DropReason> {
        let message = StunMessage::parse(datagram).map_err(|_| DropReason::BadStun)?;
        if !message.is_binding_request() {
            return Err(DropReason::BadStun);
        }
        let user = message.username().and_then(|name| name.split_once(':'));
        match user {
            Some((user, _)) if user.len() <= 64 => Ok(Self {
                user,
                nominates: message.use_candidate(),
            }),
            _ => Err(DropReason::BadStun),
        }
    }
}

/// Largest datagram that is looked at, in bytes.
pub(crate) const MAX_DATAGRAM: usize = 1_500;

/// Most validated addresses of one session: a client with several interfaces, over some ICE
/// restarts. The oldest one makes place.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// Sessions by user fragment and by validated remote address. Both are bounded by the number of
/// sessions.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_address: HashMap<Remote, SlotKey>,
    by_user: HashMap<String, SlotKey>,
}

impl Demux {
    pub(crate) fn by_address(&self, address: Remote) -> Option<SlotKey> {
        self.by_address.get(&address).copied()
    }

    pub(crate) fn by_user(&self, user: &str) -> Option<SlotKey> {
        self.by_user.get(user).copied()
    }

    pub(crate) fn add_user(&mut self, user: &str, key: SlotKey) {
        self.by_user.insert(user.to_owned(), key);
    }

    pub(crate) fn remove_user(&mut self, user: &str) {
        self.by_user.remove(user);
    }

    /// Maps a validated address. `addresses` are those of the session; true if one had to go.
    pub(crate) fn add_address(
        &mut self,
        address: Remote,
        key: SlotKey,
        addresses: &mut Vec<Remote>,
    ) -> bool {
        self.by_address.insert(address, key);
        if addresses.contains(&address) {
            return false;
        }
        let full = addresses.len() >= MAX_ADDRESSES;
        if full {
            let oldest = addresses.remove(0);
            self.remove_address(oldest, key);
        }
        addresses.push(address);
        full
    }

    /// Unmaps an address, unless another session has taken it over.
    pub(crate) fn remove_address(&mut self, address: Remote, key: SlotKey) {
        if self.by_address.get(&address) == Some(&key) {
            self.by_address.remove(&address);
        }
    }

    pub(crate) fn len(&self) -> (usize, usize) {
        (self.by_address.len(), self.by_user.len())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::media::slots::Slots;

    fn remote(port: u16) -> Remote {
        SocketAddr::from(([192, 0, 2, 1], port)).into()
    }

    #[test]
    fn datagrams_are_told_apart_and_odd_ones_refused() {
        assert_eq!(classify(&[0; 1_501]), Err(DropReason::Oversize));
        assert_eq!(classify(&[]), Err(DropReason::NotWebRtc));
        assert_eq!(classify(&[0; 19]), Err(DropReason::NotWebRtc));
        assert_eq!(classify(&[0; 20]), Ok(Protocol::Stun));
        assert_eq!(classify(&[22; 13]), Ok(Protocol::Dtls));
        assert_eq!(classify(&[128; 12]), Ok(Protocol::Rtp));
        assert_eq!(classify(&[128, 200, 0, 1, 0, 0, 0, 1]), Ok(Protocol::Rtp));
        assert_eq!(classify(&[250; 100]), Err(DropReason::NotWebRtc));
        assert_eq!(Check::read(&[0; 20]), Err(DropReason::BadStun));
    }

    #[test]
    fn address_that_another_session_took_over_in_between_comes_back() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert(()), slots.insert(()));
        let mut demux = Demux::default();
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        let address = remote(9);
        for _ in 0..100 {
            demux.add_address(address, b, &mut of_b);
            demux.add_address(address, a, &mut of_a);
            assert_eq!(demux.by_address(address), Some(a));
        }
        assert_eq!((of_a.len(), of_b.len()), (1, 1));
    }

    #[test]
    fn one_address_over_two_transports_is_two() {
        let mut slots = Slots::default();
        let (a, b) = (slots.insert(()), slots.insert(()));
        let mut demux = Demux::default();
        let datagrams = remote(9);
        let connection = Remote::tcp(datagrams.address);
        demux.add_address(datagrams, a, &mut Vec::new());
        demux.add_address(connection, b, &mut Vec::new());
        assert_eq!(demux.by_address(datagrams), Some(a));
        assert_eq!(demux.by_address(connection), Some(b));
    }

    #[test]
    fn addresses_of_a_session_are_bounded() {
        let mut slots = Slots::default();
        let key = slots.insert(());
        let mut demux = Demux::default();
        let mut addresses = Vec::new();
        for port in 1..100 {
            demux.add_address(remote(port), key, &mut addresses);
        }
        assert_eq!(addresses.len(), MAX_ADDRESSES);
        assert_eq!(demux.len().0, MAX_ADDRESSES);
        for address in addresses {
            demux.remove_address(address, key);
        }
        assert_eq!(demux.len().0, 0);
    }
}
