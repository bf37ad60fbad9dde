//! Who is sent a file of a recording now: so many in all, and of one address.
//!
//! A client that takes nothing has its place until somebody else needs it. Its connection says nothing
//! of that: a stream of HTTP/2 waits for its window without a sound.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::signal::network;

/// Clones share the places.
#[derive(Debug, Clone)]
pub(super) struct Readers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_one: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    address: IpAddr,
    /// When it last wanted something.
    seen: Instant,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoTurn {
    #[error("{limit} files are sent at once")]
    All { limit: usize },
    #[error("{limit} files are sent to its address at once")]
    Address { limit: usize },
}

/// One that is sent a file; given back on drop.
#[derive(Debug)]
pub(super) struct Reading {
    of: Readers,
    id: u64,
}

impl Readers {
    pub(super) fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            most_of_one,
            table: Mutex::default(),
        }))
    }

    /// Takes a place; and how many that took nothing for long had to make place.
    pub(super) fn begin(&self, now: Instant, address: IpAddr) -> (Result<Reading, NoTurn>, usize) {
        let address = network(address);
        let mut table = self.table();
        let mut ended = 0;
        let mut room = self.room(&table, address);
        if room.is_err() {
            let before = table.open.len();
            table
                .open
                .retain(|_, open| now.saturating_duration_since(open.seen) < IDLE);
            ended = before - table.open.len();
            room = self.room(&table, address);
        }
        let begun = room.map(|()| {
            table.last += 1;
            let open = Open { address, seen: now };
            let id = table.last;
            table.open.insert(id, open);
            Reading {
                of: self.clone(),
                id,
            }
        });
        (begun, ended)
    }

    fn room(&self, table: &Table, address: IpAddr) -> Result<(), NoTurn> {
        let Shared {
            most, most_of_one, ..
        } = *self.0;
        if table.open.len() >= most {
            return Err(NoTurn::All { limit: most });
        }
        let of_one = table.open.values().filter(|open| open.address == address);
        match of_one.count() >= most_of_one {
            true => Err(NoTurn::Address { limit: most_of_one }),
            false => Ok(()),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds it can panic half-way.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Notes that it wants more. False if it had to make place.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        let mut table = self.of.table();
        let open = table.open.get_mut(&self.id);
        open.map(|open| open.seen = now).is_some()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.of.table().open.remove(&self.id);
    }
}

/// A client that wants nothing for so long has stopped: a player asks anew, with a range.
const IDLE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn both_bounds_hold_and_one_that_ends_makes_room() {
        let readers = Readers::new(3, 2);
        let now = Instant::now();
        let begin = |address| readers.begin(now, address).0;
        let first = begin(ip(1)).unwrap();
        let _second = begin(ip(1)).unwrap();
        assert_eq!(begin(ip(1)).unwrap_err(), NoTurn::Address { limit: 2 });
        let _third = begin(ip(2)).unwrap();
        assert_eq!(begin(ip(3)).unwrap_err(), NoTurn::All { limit: 3 });
        drop(first);
        let _fourth = begin(ip(1)).unwrap();
        assert_eq!(readers.table().open.len(), 3);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let readers = Readers::new(9, 1);
        let now = Instant::now();
        let begin = |address: &str| readers.begin(now, address.parse().unwrap()).0;
        let _first = begin("2001:db8:0:1::1").unwrap();
        assert!(begin("2001:db8:0:1:ffff::2").is_err());
        let _other = begin("2001:db8:0:2::1").unwrap();
    }

    #[test]
    fn one_that_takes_nothing_makes_place_once_that_is_needed() {
        let readers = Readers::new(2, 2);
        let begun = Instant::now();
        let idle = readers.begin(begun, ip(1)).0.unwrap();
        let busy = readers.begin(begun, ip(1)).0.unwrap();
        let later = begun + IDLE - Duration::from_secs(1);
        assert!(busy.goes_on(later));
        assert!(readers.begin(later, ip(2)).0.is_err());
        let (new, ended) = readers.begin(begun + IDLE, ip(2));
        assert_eq!(ended, 1);
        assert!(!idle.goes_on(begun + IDLE));
        assert!(busy.goes_on(begun + IDLE) && new.unwrap().goes_on(begun + IDLE));
        drop((idle, busy));
        assert!(readers.table().open.is_empty(), "nothing is remembered");
    }
}
