//! How many sockets are open, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sockets that are open; clones share them.
#[derive(Debug, Clone)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only those above zero, so that it is never longer than `all`.
    by_address: HashMap<IpAddr, usize>,
}

/// One open socket; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// In all.
    #[error("the server has as many sockets as it takes: {limit}")]
    All {
        /// The bound.
        limit: usize,
    },
    /// From this address.
    #[error("this address has as many sockets as one may have: {limit}")]
    Address {
        /// The bound.
        limit: usize,
    },
}

impl Places {
    /// At most `most` sockets, `most_of_one` of them from one address. An IPv6 address counts
    /// with its whole /64, which is what one network has.
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            most_of_one,
            taken: Mutex::default(),
        }))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// A bound is reached.
    pub fn take(&self, address: IpAddr) -> Result<Place, NoPlace> {
        let address = network(address);
        let mut taken = self.0.taken();
        if taken.all >= self.0.most {
            return Err(NoPlace::All { limit: self.0.most });
        }
        let limit = self.0.most_of_one;
        let of_one = taken.by_address.get(&address).copied().unwrap_or(0);
        if of_one >= limit {
            return Err(NoPlace::Address { limit });
        }
        taken.by_address.insert(address, of_one + 1);
        taken.all += 1;
        Ok(Place {
            shared: Arc::clone(&self.0),
            address,
        })
    }

    /// Sockets that are open.
    pub fn taken(&self) -> usize {
        self.0.taken().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_one) = taken.by_address.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No code that holds it can panic half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: itself, or the /64 that an IPv6 address is of.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_bounds_hold_and_a_closed_socket_makes_room() {
        let places = Places::new(3, 2);
        let first = places.take(ip("192.0.2.1")).unwrap();
        let _second = places.take(ip("192.0.2.1")).unwrap();
        assert_eq!(
            places.take(ip("192.0.2.1")).unwrap_err(),
            NoPlace::Address { limit: 2 }
        );
        let _third = places.take(ip("192.0.2.2")).unwrap();
        assert_eq!(
            places.take(ip("192.0.2.3")).unwrap_err(),
            NoPlace::All { limit: 3 }
        );
        drop(first);
        assert_eq!(places.taken(), 2);
        places.take(ip("192.0.2.1")).unwrap();
    }

    #[test]
    fn nothing_is_remembered_of_those_who_have_gone() {
        let places = Places::new(3, 2);
        for host in 0..=255 {
            drop(places.take(IpAddr::from([192, 0, 2, host])).unwrap());
        }
        assert!(places.0.taken().by_address.is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let places = Places::new(3, 1);
        let _first = places.take(ip("2001:db8:0:1::1")).unwrap();
        assert!(places.take(ip("2001:db8:0:1:ffff::2")).is_err());
        let _other = places.take(ip("2001:db8:0:2::1")).unwrap();
        let _mapped = places.take(ip("::ffff:192.0.2.1")).unwrap();
        assert!(places.take(ip("192.0.2.1")).is_err());
    }
}
