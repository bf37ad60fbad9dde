//! Where an edge pulls from.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use crate::stream_id::StreamId;

/// The origin that an operator names: `http://host`, `https://host:port/path`. Streams are below
/// it at `live/{id}.flv`.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    is_tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Host and port as they stand in the address, for `Host` (RFC 9112 section 3.2).
    authority: String,
    /// Empty, or from its first slash to before its last one.
    path: String,
}

/// A text is no [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is http://host or https://host, with :port and a path if need be, without user, query and fragment"
)]
pub struct InvalidOrigin;

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        // A fragment is left out silently by the reader of addresses.
        if text.contains('#') {
            return Err(InvalidOrigin);
        }
        let uri: Uri = text.parse().map_err(|_| InvalidOrigin)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(InvalidOrigin),
        };
        let authority = uri.authority().ok_or(InvalidOrigin)?;
        if authority.as_str().contains('@') || uri.query().is_some() || authority.host().is_empty()
        {
            return Err(InvalidOrigin);
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host) {
            Some("") if is_tls => 443,
            Some("") => 80,
            Some(rest) => rest
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .filter(|port| *port > 0)
                .ok_or(InvalidOrigin)?,
            None => return Err(InvalidOrigin),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Ok(Self {
            is_tls,
            host: bare.unwrap_or(host).to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Origin {
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target of a stream (RFC 9112 section 3.2.1). An id has no character that means
    /// anything in a path.
    pub(super) fn target(&self, stream: &StreamId, query: Option<&str>) -> String {
        self.target_of(stream, "flv", query)
    }

    /// The request target of its playlist, or of the list of its sizes.
    pub(super) fn list_target(&self, stream: &StreamId, query: Option<&str>) -> String {
        self.target_of(stream, "m3u8", query)
    }

    fn target_of(&self, stream: &StreamId, kind: &str, query: Option<&str>) -> String {
        let path = &self.path;
        match query {
            Some(query) => format!("{path}/live/{stream}.{kind}?{query}"),
            None => format!("{path}/live/{stream}.{kind}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_an_address_that_paths_are_put_behind() {
        let stream: StreamId = "a-b_1".parse().unwrap();
        for (text, host, port, target) in [
            ("http://a.example", "a.example", 80, "/live/a-b_1.flv"),
            ("https://a.example/", "a.example", 443, "/live/a-b_1.flv"),
            (
                "http://127.0.0.1:8080",
                "127.0.0.1",
                8080,
                "/live/a-b_1.flv",
            ),
            ("http://[::1]:8080/x/y/", "::1", 8080, "/x/y/live/a-b_1.flv"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.host(), origin.port()), (host, port), "{text}");
            assert_eq!(origin.target(&stream, None), target);
            assert_eq!(origin.to_string(), text.trim_end_matches('/'));
        }
        let origin: Origin = "https://a.example".parse().unwrap();
        let signed = origin.target(&stream, Some("txSecret=x&txTime=y"));
        assert_eq!(signed, "/live/a-b_1.flv?txSecret=x&txTime=y");
        let list = origin.list_target(&stream, Some("x=y"));
        assert_eq!(list, "/live/a-b_1.m3u8?x=y");
        assert!(origin.is_tls());
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "a.example",
            "rtmp://a.example",
            "http://",
            "/live",
            "http://user@a.example",
            "http://a.example?x",
            "http://a.example#x",
            "http://a.example:0",
            "http://a.example:99999",
            "http://a.example:",
            "http://a example",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text}");
        }
    }
}
