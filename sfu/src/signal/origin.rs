//! Which pages may open a signalling socket.
//!
//! A WebSocket is not held to CORS: every page of the web may open one, and only the `Origin`
//! header field (RFC 6454, RFC 6455 §10.2) tells which page it is. What a socket may do comes from
//! the token in its login, which a foreign page does not have, and never from a cookie; so a server
//! with apps takes all origins unless the settings name some. An open server asks for no token:
//! it takes its own pages and those of this machine only, or any page that a developer looks at
//! could speak in the rooms of the development server.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// The rule of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page.
    Any,
    /// Pages of these origins.
    These(Vec<String>),
    /// Pages of loopback addresses.
    Loopback,
    /// Pages of the host that the socket is opened to, and of loopback addresses.
    Own,
}

impl Origins {
    /// The rule for the given settings: `allowed` origins, `*` for any; with none it depends on
    /// whether the server is open, and whether others than this machine are to reach it then.
    pub fn new(allowed: &[String], is_open: bool, is_reached: bool) -> Self {
        if allowed.iter().any(|origin| origin == "*") {
            Self::Any
        } else if !allowed.is_empty() {
            Self::These(allowed.to_vec())
        } else if !is_open {
            Self::Any
        } else if is_reached {
            Self::Own
        } else {
            // The name in `Host` proves nothing here: whoever owns a name can point it at
            // 127.0.0.1.
            Self::Loopback
        }
    }

    /// Whether a socket may be opened. Programs send no `Origin`; browsers always do, and no page
    /// can change it.
    pub fn allow(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(ORIGIN).iter();
        let origin = match (fields.next(), fields.next()) {
            (None, _) => return true,
            (Some(field), None) => field.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => return false,
        };
        match self {
            Self::Any => true,
            Self::These(allowed) => allowed
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin)),
            Self::Loopback => is_loopback(origin),
            Self::Own => is_loopback(origin) || is_same(origin, uri, headers),
        }
    }
}

/// An origin's scheme, host and port.
fn split(origin: &str) -> Option<(String, String, u16)> {
    let uri: Uri = origin.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let authority = uri.authority()?;
    Some((
        scheme.to_owned(),
        authority.host().to_ascii_lowercase(),
        authority.port_u16().unwrap_or(default),
    ))
}

fn is_loopback(origin: &str) -> bool {
    let Some((_, host, _)) = split(origin) else {
        return false;
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761 §6.3: these names never leave the machine.
    host == "localhost"
        || host.ends_with(".localhost")
        || ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a page's origin is the server that the request is made to.
pub(crate) fn is_same(origin: &str, uri: &Uri, headers: &HeaderMap) -> bool {
    let host = uri.authority().map(|authority| authority.as_str());
    let host = host.or_else(|| headers.get(HOST)?.to_str().ok());
    host.is_some_and(|host| is_of(origin, host))
}

/// Whether a page's origin is the host of the request. Its scheme is not compared: a proxy in
/// front may speak HTTPS for us.
fn is_of(origin: &str, host: &str) -> bool {
    let Some(page) = split(origin) else {
        return false;
    };
    split(&format!("{}://{host}", page.0)) == Some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origins: &Origins, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        origins.allow(&Uri::from_static("/signal"), &headers)
    }

    #[test]
    fn a_server_with_apps_takes_every_page_unless_told_otherwise() {
        let any = Origins::new(&[], false, true);
        assert!(allows(&any, Some("https://shop.example"), "live.example"));
        assert!(allows(&any, Some("null"), "live.example"));
        let some = Origins::new(&["https://shop.example".to_owned()], false, true);
        assert!(allows(&some, Some("https://shop.example"), "live.example"));
        for other in [
            "https://shop.example.evil.example",
            "http://shop.example",
            "https://live.example",
            "null",
        ] {
            assert!(!allows(&some, Some(other), "live.example"), "{other}");
        }
        let star = Origins::new(&["*".to_owned()], true, true);
        assert_eq!(star, Origins::Any);
    }

    #[test]
    fn an_open_server_on_this_machine_takes_pages_of_this_machine() {
        let own = Origins::new(&[], true, false);
        for page in [
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://demo.localhost",
        ] {
            assert!(allows(&own, Some(page), "127.0.0.1:8080"), "{page}");
        }
        for page in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "null",
            "file://",
            "",
        ] {
            assert!(!allows(&own, Some(page), "127.0.0.1:8080"), "{page}");
        }
        // A name that its owner points at this machine.
        let rebound = Some("http://evil.example:8080");
        assert!(!allows(&own, rebound, "evil.example:8080"));
    }

    #[test]
    fn an_open_server_that_others_reach_takes_its_own_pages() {
        let own = Origins::new(&[], true, true);
        for (page, host) in [
            ("https://live.example", "live.example"),
            ("https://live.example", "live.example:443"),
            ("http://192.0.2.1:8080", "192.0.2.1:8080"),
            ("http://LIVE.example:8080", "live.example:8080"),
        ] {
            assert!(allows(&own, Some(page), host), "{page}");
        }
        assert!(!allows(&own, Some("https://evil.example"), "live.example"));
        assert!(!allows(
            &own,
            Some("http://live.example:81"),
            "live.example"
        ));
    }

    #[test]
    fn programs_have_no_origin_and_two_are_one_too_many() {
        for origins in [Origins::Any, Origins::Loopback, Origins::These(Vec::new())] {
            assert!(allows(&origins, None, "live.example"));
        }
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(ORIGIN, "http://localhost".parse().unwrap());
        }
        assert!(!Origins::Any.allow(&Uri::from_static("/signal"), &headers));
    }
}
