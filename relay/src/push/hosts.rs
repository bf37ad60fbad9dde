//! Which hosts and addresses a push may go to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::target::PushTarget;

/// A host that is named in a list: `live.example.com`, `*.example.com` for every name below it,
/// or an address; with `:port`, or else the usual port of the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    This(String),
    Below(String),
}

/// A text is no [`HostRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name, *.name or an address, with :port if it is not the usual one")]
pub struct InvalidHostRule;

impl HostRule {
    /// Whether a push to the target is meant.
    pub fn allows(&self, target: &PushTarget) -> bool {
        let is_port = match self.port {
            Some(port) => port == target.port(),
            None => target.has_usual_port(),
        };
        is_port
            && match &self.name {
                Name::This(name) => target.host() == name,
                Name::Below(name) => target
                    .host()
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            }
    }
}

impl FromStr for HostRule {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        let (host, port) = split_port(text)?;
        let (host, is_below) = match host.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (host, false),
        };
        let is_address = host.parse::<IpAddr>().is_ok();
        let is_name = host.split('.').all(|label| {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(is_letter)
        });
        if host.len() > 253 || !(is_name || is_address && !is_below) {
            return Err(InvalidHostRule);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self {
            name: if is_below {
                Name::Below(host)
            } else {
                Name::This(host)
            },
            port,
        })
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Name::This(name) if name.contains(':') => write!(f, "[{name}]")?,
            Name::This(name) => f.write_str(name)?,
            Name::Below(name) => write!(f, "*.{name}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Host and port; an IPv6 address with a port stands in brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), InvalidHostRule> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(InvalidHostRule)?;
            host.parse::<Ipv6Addr>().map_err(|_| InvalidHostRule)?;
            match rest {
                "" => return Ok((host, None)),
                rest => (host, rest.strip_prefix(':').ok_or(InvalidHostRule)?),
            }
        }
        None => match text.split_once(':') {
            Some(parts) => parts,
            None => return Ok((text, None)),
        },
    };
    match port.parse() {
        Ok(0) | Err(_) => Err(InvalidHostRule),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// Whether an address is one of the public Internet: none of this machine, of a private or
/// shared network, of a link, of documentation, or for many at once (IANA's registries of special
/// purpose addresses, RFC 6890).
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        // Shared by the subscribers of a provider (RFC 6598).
        || a == 100 && (64..128).contains(&b)
        || (a, b, c) == (192, 0, 0)
        // 6to4 relays (RFC 7526).
        || (a, b, c) == (192, 88, 99)
        // Benchmarks (RFC 2544).
        || a == 198 && (b == 18 || b == 19)
        // Multicast, reserved, broadcast.
        || a >= 224)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // NAT64 (RFC 6052) leads to the address that it holds.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056) too.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarks, ORCHID and others of 2001::/23; documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        // Documentation (RFC 9637).
        [0x3fff, second, ..] => second >= 0x1000,
        // Global unicast is 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, target: &str) -> bool {
        let rule: HostRule = rule.parse().unwrap();
        rule.allows(&format!("{target}/app/key").parse().unwrap())
    }

    #[test]
    fn a_host_is_named_with_its_port() {
        assert!(allows("a.example", "rtmp://a.example"));
        assert!(allows("A.example", "rtmps://a.EXAMPLE."));
        assert!(allows("a.example:1936", "rtmp://a.example:1936"));
        assert!(!allows("a.example", "rtmp://a.example:22"));
        assert!(!allows("a.example:1936", "rtmp://a.example"));
        assert!(!allows("a.example", "rtmp://b.a.example"));
        assert!(allows("*.a.example", "rtmp://b.c.a.example"));
        assert!(!allows("*.a.example", "rtmp://a.example"));
        assert!(!allows("*.a.example", "rtmp://xa.example"));
        assert!(allows("[::1]:1936", "rtmp://[::1]:1936"));
        assert!(allows("::1", "rtmp://[::1]"));
    }

    #[test]
    fn what_names_no_host_is_refused_and_rules_are_written_as_they_are_read() {
        for text in [
            "",
            "*",
            "*.",
            "a..b",
            "a:0",
            "a:b",
            "rtmp://a",
            "a/b",
            "*.1.2.3.4:x",
        ] {
            assert_eq!(text.parse::<HostRule>(), Err(InvalidHostRule), "{text}");
        }
        for text in ["a.example", "*.a.example:1936", "[::1]:7", "10.0.0.1"] {
            assert_eq!(text.parse::<HostRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_known() {
        for text in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "2002:a00:1::",
            "::7f00:1",
            "64:ff9b:1::1",
            "3fff::1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
