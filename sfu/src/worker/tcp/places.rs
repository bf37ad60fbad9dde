//! How many connections there may be, in all and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places of all workers. Locked when connections come and go, and at no other time.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    limit_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    Server,
    Address,
}

impl Places {
    pub(crate) fn new(limit: usize, limit_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            limit_per_address,
            taken: Mutex::default(),
        })
    }

    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        let network = network(address);
        let mut taken = self.taken();
        if taken.all >= self.limit {
            return Err(NoPlace::Server);
        }
        let of_network = taken.by_network.entry(network).or_default();
        if *of_network >= self.limit_per_address {
            return Err(NoPlace::Address);
        }
        *of_network += 1;
        taken.all += 1;
        Ok(Place {
            places: Arc::clone(self),
            network,
        })
    }

    /// Each step leaves the counts whole.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_network.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

/// What one client may have many addresses of: the first 64 bits over IPv6 (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_come_back_when_they_are_dropped() {
        let places = Places::new(3, 2);
        let a = places.take(address("192.0.2.1")).expect("free");
        let _b = places.take(address("192.0.2.1")).expect("free");
        let full = places.take(address("192.0.2.1"));
        assert_eq!(full.unwrap_err(), NoPlace::Address);
        let c = places.take(address("192.0.2.2")).expect("free");
        let full = places.take(address("192.0.2.3"));
        assert_eq!(full.unwrap_err(), NoPlace::Server);
        drop((a, c));
        let _d = places.take(address("192.0.2.1")).expect("free again");
        assert_eq!(places.taken().by_network.len(), 1);
        assert_eq!(places.taken().all, 2);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let places = Places::new(9, 1);
        let _a = places.take(address("2001:db8:0:1::5")).expect("free");
        let full = places.take(address("2001:db8:0:1:ffff::9"));
        assert_eq!(full.unwrap_err(), NoPlace::Address);
        assert!(places.take(address("2001:db8:0:2::5")).is_ok());
    }
}
