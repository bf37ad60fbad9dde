//! Where a stream is pushed: an RTMP address, and what of it may be shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// `rtmp://` or `rtmps://`, host, application and stream key. Neither [`fmt::Debug`] nor
/// [`fmt::Display`] shows the key, or the query of the application, which some services use as
/// one.
#[derive(Clone, PartialEq, Eq)]
pub struct PushTarget {
    is_tls: bool,
    host: String,
    port: u16,
    app: String,
    key: String,
}

/// A text is no [`PushTarget`]. It shows nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a push address is rtmp:// or rtmps://, a host, an application and a stream key, as in \
     rtmp://host/app/key, of at most 1024 visible ASCII characters without user and password"
)]
pub struct InvalidPushTarget;

impl PushTarget {
    /// Whether the connection is by TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The name or address of the host, in lower case; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port: 1935, and 443 for TLS, where the address names none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the port is that of the scheme.
    pub(crate) fn has_usual_port(&self) -> bool {
        self.port == usual_port(self.is_tls)
    }

    /// The first part of the application's name, which may be shown.
    pub fn app_name(&self) -> &str {
        let end = self.app.find(['/', '?']).unwrap_or(self.app.len());
        &self.app[..end]
    }

    /// The `app` of `connect`: all of the path before its last slash (RTMP 1.0 section 7.2.1.1).
    pub(super) fn app(&self) -> &str {
        &self.app
    }

    /// The name that is published.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The `tcUrl` of `connect`: the address without the key.
    pub(super) fn tc_url(&self) -> String {
        format!("{}/{}", self.origin(), self.app)
    }

    fn origin(&self) -> String {
        let scheme = if self.is_tls { "rtmps" } else { "rtmp" };
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => self.host.clone(),
        };
        if self.has_usual_port() {
            format!("{scheme}://{host}")
        } else {
            format!("{scheme}://{host}:{}", self.port)
        }
    }
}

impl FromStr for PushTarget {
    type Err = InvalidPushTarget;

    fn from_str(text: &str) -> Result<Self, InvalidPushTarget> {
        if text.len() > MAX_LEN || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidPushTarget);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidPushTarget)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "rtmp" => false,
            "rtmps" => true,
            _ => return Err(InvalidPushTarget),
        };
        let (authority, path) = rest.split_once('/').ok_or(InvalidPushTarget)?;
        if authority.contains('@') {
            return Err(InvalidPushTarget);
        }
        // Its rules for names, addresses in brackets and ports.
        let parsed: Uri = format!("rtmp://{authority}/")
            .parse()
            .map_err(|_| InvalidPushTarget)?;
        let authority = parsed.authority().ok_or(InvalidPushTarget)?;
        let host = authority.host().trim_matches(['[', ']']);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let port = match &authority.as_str()[authority.host().len()..] {
            "" => usual_port(is_tls),
            rest => rest
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .ok_or(InvalidPushTarget)?,
        };
        // A slash in the query of the key belongs to the key, one in that of the application
        // ends it.
        let cut = match path.find('?') {
            Some(query) => match path[..query].rfind('/') {
                Some(slash) => slash,
                None => path.rfind('/').ok_or(InvalidPushTarget)?,
            },
            None => path.rfind('/').ok_or(InvalidPushTarget)?,
        };
        let (app, key) = (&path[..cut], &path[cut + 1..]);
        if host.is_empty() || port == 0 || app.is_empty() || key.is_empty() {
            return Err(InvalidPushTarget);
        }
        Ok(Self {
            is_tls,
            host,
            port,
            app: app.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// Scheme, host, port and the application's name.
impl fmt::Display for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin(), self.app_name())
    }
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn usual_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 1935 }
}

/// Longer than the addresses of any service.
const MAX_LEN: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> PushTarget {
        text.parse().unwrap()
    }

    fn parts(text: &str) -> (String, u16, String, String) {
        let t = read(text);
        (t.host.clone(), t.port, t.app.clone(), t.key.clone())
    }

    fn owned(host: &str, port: u16, app: &str, key: &str) -> (String, u16, String, String) {
        (host.to_owned(), port, app.to_owned(), key.to_owned())
    }

    #[test]
    fn the_key_is_what_stands_behind_the_last_slash_with_its_query() {
        for (text, expected) in [
            (
                "rtmp://a.example/live2/k-1",
                owned("a.example", 1935, "live2", "k-1"),
            ),
            (
                "RTMPS://A.Example:4443/rtmp/FB-1?s=a/b&t=c",
                owned("a.example", 4443, "rtmp", "FB-1?s=a/b&t=c"),
            ),
            (
                "rtmp://h/app/instance/key",
                owned("h", 1935, "app/instance", "key"),
            ),
            (
                "rtmp://h/app?auth=1/key",
                owned("h", 1935, "app?auth=1", "key"),
            ),
            ("rtmps://[::1]/a/k", owned("::1", 443, "a", "k")),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "rtmp://",
            "rtmp://h",
            "rtmp://h/app",
            "rtmp://h/app/",
            "rtmp:///app/key",
            "rtmp://h:0/app/key",
            "rtmp://h:/app/key",
            "rtmp://h:99999/app/key",
            "rtmp://user:pass@h/app/key",
            "http://h/app/key",
            "rtmp://h/app/k y",
            "rtmp://h/app/ключ",
            "rtmp://h//key",
        ] {
            assert_eq!(text.parse::<PushTarget>(), Err(InvalidPushTarget), "{text}");
        }
        let long = format!("rtmp://h/app/{}", "k".repeat(MAX_LEN));
        assert!(long.parse::<PushTarget>().is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let target = read("rtmp://h:1936/app?hunter2/hunter2?hunter2");
        assert_eq!(target.to_string(), "rtmp://h:1936/app");
        assert_eq!(format!("{target:?}"), "rtmp://h:1936/app");
        assert_eq!(read("rtmp://h/app/hunter2/k").to_string(), "rtmp://h/app");
        assert_eq!(target.tc_url(), "rtmp://h:1936/app?hunter2");
        assert_eq!(read("rtmps://[::1]/a/k").tc_url(), "rtmps://[::1]/a");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(rtmps?://)?[ -~]{0,60}") {
            if let Ok(target) = text.parse::<PushTarget>() {
                let again: PushTarget = format!("{}/{}", target.tc_url(), target.key()).parse().unwrap();
                prop_assert_eq!(again.host(), target.host());
                prop_assert_eq!(again.port(), target.port());
            }
        }
    }
}
