//! The address of a client whose connection ends at a proxy in front of the server.
//!
//! Anybody can send the header fields that say it; they are read only from the proxies that the
//! operator has named, and from the right: what a trusted proxy has added itself is true, what
//! stands left of that is what it was told.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use super::metrics::HttpMetrics;
use crate::config::Prefix;

/// Where a request came from, among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remote {
    /// The other end of the connection: a client or a proxy.
    pub(super) peer: SocketAddr,
    /// The client, as far as the server can know.
    pub(super) client: IpAddr,
}

/// Why header fields with an address were not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignored {
    /// They do not come from a proxy of `http.trusted_proxies`.
    Untrusted,
    /// Where the client's address should stand is none.
    Malformed,
    /// `X-Forwarded-For` and `Forwarded` name different clients: the proxy has passed one of them
    /// on as it came.
    Disagree,
}

impl Ignored {
    pub(super) const ALL: [Self; 3] = [Self::Untrusted, Self::Malformed, Self::Disagree];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Malformed => "malformed",
            Self::Disagree => "disagree",
        }
    }
}

impl Remote {
    /// What a connection and the header fields of a request on it say.
    pub(super) fn of(
        peer: SocketAddr,
        headers: &HeaderMap,
        trusted: &[Prefix],
        metrics: &HttpMetrics,
    ) -> Self {
        let direct = peer.ip().to_canonical();
        let client = match client(direct, headers, trusted) {
            Ok(client) => client,
            Err(ignored) => {
                metrics.ignore_forwarded(ignored);
                direct
            }
        };
        Self { peer, client }
    }

    /// A connection without a proxy.
    #[cfg(test)]
    pub(super) fn direct(peer: SocketAddr) -> Self {
        Self {
            peer,
            client: peer.ip().to_canonical(),
        }
    }
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Prefix]) -> Result<IpAddr, Ignored> {
    let has_any = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(FORWARDED);
    if !has_any {
        return Ok(peer);
    }
    let is_trusted = |address: IpAddr| trusted.iter().any(|prefix| prefix.contains(address));
    if !is_trusted(peer) {
        return Err(Ignored::Untrusted);
    }
    let common = rightmost(headers, &X_FORWARDED_FOR, read_node, is_trusted)?;
    let standard = rightmost(headers, &FORWARDED, read_element, is_trusted)?;
    match (common, standard) {
        (Some(one), Some(other)) if one != other => Err(Ignored::Disagree),
        (Some(client), _) | (None, Some(client)) => Ok(client),
        (None, None) => Ok(peer),
    }
}

/// The last address that is no trusted proxy's; the first one when all are, as for a client in the
/// proxies' own network. None without the field.
fn rightmost(
    headers: &HeaderMap,
    name: &HeaderName,
    read: fn(&str) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<Option<IpAddr>, Ignored> {
    let mut found = None;
    // Several fields are one list (RFC 9110 §5.2).
    let fields = headers.get_all(name).iter().collect::<Vec<_>>();
    let mut hops = 0;
    for field in fields.into_iter().rev() {
        // A comma within quotes is in no address: its parts are malformed, and ignored as that.
        for part in field.as_bytes().rsplit(|byte| *byte == b',') {
            hops += 1;
            let text = std::str::from_utf8(part).ok().map(str::trim);
            let address = text.and_then(read).filter(|_| hops <= MAX_HOPS);
            let address = address.ok_or(Ignored::Malformed)?.to_canonical();
            found = Some(address);
            if !is_trusted(address) {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// One element of `Forwarded`: parameters with one `for` among them (RFC 7239 §4).
fn read_element(text: &str) -> Option<IpAddr> {
    let mut client = None;
    for pair in text.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        let is_quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        let value = if is_quoted {
            &value[1..value.len() - 1]
        } else {
            value
        };
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            let node = read_node(value)?;
            if client.replace(node).is_some() {
                return None;
            }
        }
    }
    client
}

/// An address, perhaps with a port (RFC 7239 §6); some proxies write ports in `X-Forwarded-For`
/// too.
fn read_node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(inner) = text.strip_prefix('[')
        && let Some(inner) = inner.strip_suffix(']')
    {
        return inner.parse().ok().map(IpAddr::V6);
    }
    text.parse().ok().map(|node: SocketAddr| node.ip())
}

/// Proxies one behind the other.
const MAX_HOPS: usize = 16;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, fields: &[(&'static str, &str)]) -> Result<String, Ignored> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        client(peer.parse().unwrap(), &headers, &trusted).map(|address| address.to_string())
    }

    fn common(value: &str) -> Result<String, Ignored> {
        found("127.0.0.1", &[("x-forwarded-for", value)])
    }

    fn standard(value: &str) -> Result<String, Ignored> {
        found("10.1.1.1", &[("forwarded", value)])
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let fields = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(found("10.9.9.9", &fields), Ok("198.51.100.1".to_owned()));
        assert_eq!(found("192.0.2.1", &fields), Err(Ignored::Untrusted));
        assert_eq!(found("192.0.2.1", &[]), Ok("192.0.2.1".to_owned()));
        assert_eq!(found("10.9.9.9", &[]), Ok("10.9.9.9".to_owned()));
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        for (value, client) in [
            ("198.51.100.1", "198.51.100.1"),
            // What the client has sent itself stands left.
            ("203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("what you like,,\"x, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.5, 198.51.100.1, 10.0.0.9,10.0.0.8", "198.51.100.1"),
            ("10.0.0.5, 10.0.0.9", "10.0.0.5"),
            ("198.51.100.1:4711", "198.51.100.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(common(value).as_deref(), Ok(client), "{value}");
        }
        let two = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "198.51.100.1, 10.0.0.1"),
        ];
        assert_eq!(found("127.0.0.1", &two).as_deref(), Ok("198.51.100.1"));
    }

    #[test]
    fn the_standard_field_is_read_the_same_way() {
        for (value, client) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            (
                "for=192.0.2.43, for=198.51.100.17;by=10.0.0.1;proto=https",
                "198.51.100.17",
            ),
            ("for=_x, for=198.51.100.17, for=10.0.0.3", "198.51.100.17"),
            (
                "for=\"198.51.100.1:80\";host=\"live.example\"",
                "198.51.100.1",
            ),
        ] {
            assert_eq!(standard(value).as_deref(), Ok(client), "{value}");
        }
    }

    #[test]
    fn what_names_no_address_where_the_client_should_stand_is_ignored() {
        let many = ["10.0.0.1"; 17].join(",");
        for value in [
            "",
            ",",
            "unknown",
            "198.51.100.1, x",
            "1.2.3",
            "[::1",
            "198.51.100.1,",
            &many,
        ] {
            assert_eq!(common(value), Err(Ignored::Malformed), "{value}");
        }
        for value in [
            "for=unknown",
            "for=_hidden",
            "by=10.0.0.1",
            "for=198.51.100.1;for=198.51.100.2",
            "for=198.51.100.1;host=\"a, for=203.0.113.9;x=\\\"\"",
            "for=198.51.100.1;host=\"a,for=203.0.113.9\"",
            "198.51.100.1",
            "for=\"198.51.100.1",
            "for=\"",
        ] {
            assert_eq!(standard(value), Err(Ignored::Malformed), "{value}");
        }
    }

    #[test]
    fn two_fields_that_differ_are_both_ignored() {
        let both =
            |a: &str, b: &str| found("127.0.0.1", &[("x-forwarded-for", a), ("forwarded", b)]);
        let same = both("198.51.100.1", "for=198.51.100.1");
        assert_eq!(same.as_deref(), Ok("198.51.100.1"));
        let differ = both("198.51.100.1", "for=203.0.113.9");
        assert_eq!(differ, Err(Ignored::Disagree));
    }
}
