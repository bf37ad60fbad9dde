//! Networks of IP addresses, as settings name them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// An address or a network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Its bits behind `length` are zero.
    network: IpAddr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "allowed is an IP address or a network whose host bits are 0, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8"
)]
pub struct NoPrefix;

impl Prefix {
    /// Whether an address is in it. An IPv4 address that is written as IPv6 is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.length)
            .is_some_and(|network| network == self.network && is_same_kind(network, address))
    }
}

impl From<IpAddr> for Prefix {
    /// The address alone.
    fn from(address: IpAddr) -> Self {
        let network = address.to_canonical();
        Self {
            network,
            length: bits(network),
        }
    }
}

impl FromStr for Prefix {
    type Err = NoPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((address, length)) = text.split_once('/') else {
            return text.parse().map(IpAddr::into).map_err(|_| NoPrefix);
        };
        let network: IpAddr = address.parse().map_err(|_| NoPrefix)?;
        let is_plain =
            (1..=3).contains(&length.len()) && length.bytes().all(|b| b.is_ascii_digit());
        let length: u8 = length.parse().map_err(|_| NoPrefix)?;
        // Every address of the world is no network.
        let is_sound = is_plain && length > 0 && network.to_canonical() == network;
        match masked(network, length) {
            Some(masked) if is_sound && masked == network => Ok(Self { network, length }),
            _ => Err(NoPrefix),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == bits(self.network) {
            return self.network.fmt(f);
        }
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn is_same_kind(network: IpAddr, address: IpAddr) -> bool {
    network.is_ipv4() == address.to_canonical().is_ipv4()
}

/// The first bits of an address; none when it has fewer.
fn masked(address: IpAddr, length: u8) -> Option<IpAddr> {
    let cut = bits(address).checked_sub(length)?;
    Some(match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(cut.into()).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(cut.into()).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(prefix: &str, address: &str) -> bool {
        let prefix: Prefix = prefix.parse().unwrap();
        prefix.contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        for (prefix, inside, outside) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("128.0.0.0/1", "255.0.0.1", "127.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("fd00::/8", "fdff::1", "10.0.0.1"),
        ] {
            assert!(contains(prefix, inside), "{inside} in {prefix}");
            assert!(!contains(prefix, outside), "{outside} not in {prefix}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "0.0.0.0/0",
            "::/0",
            "fd00::/129",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "example.org",
            "10.0.0/8",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/0008",
            "2001:db8::1/32",
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(NoPrefix), "{text}");
        }
    }

    #[test]
    fn a_network_is_written_as_it_was_read() {
        for text in ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        let mapped: Prefix = "::ffff:192.0.2.7".parse().unwrap();
        assert_eq!(mapped.to_string(), "192.0.2.7");
    }
}
