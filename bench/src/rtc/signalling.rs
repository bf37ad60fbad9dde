//! WHIP (RFC 9725) and WHEP by HTTP, and the one-host rule for addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode, Url};

use super::answer::CandidateFilter;

/// An HTTP client for endpoints on hosts that may be loaded.
#[derive(Clone, Debug)]
pub struct Signalling {
    client: Client,
}

/// The token that endpoints ask for (RFC 6750 §2.1). Its `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Bearer(HeaderValue);

impl FromStr for Bearer {
    type Err = String;

    fn from_str(token: &str) -> Result<Self, String> {
        let is_visible = |b: u8| b.is_ascii_graphic();
        if token.is_empty() || !token.bytes().all(is_visible) {
            return Err("a token is one word of ASCII characters".into());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|e| format!("the token does not fit into a header field: {e}"))?;
        value.set_sensitive(true);
        Ok(Bearer(value))
    }
}

/// What an endpoint answered with.
#[derive(Clone, Debug)]
pub struct Created {
    /// The SDP answer.
    pub answer: String,
    /// Where to end the session.
    pub session: Option<Url>,
}

impl Signalling {
    /// A client whose requests carry the token, if there is one, and end after ten seconds.
    ///
    /// # Errors
    ///
    /// When the HTTP stack does not start.
    pub fn new(token: Option<&Bearer>) -> anyhow::Result<Signalling> {
        let token = token.map(|Bearer(value)| (AUTHORIZATION, value.clone()));
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter(token))
            .timeout(Duration::from_secs(10))
            .no_proxy()
            // Each subscriber is somebody else: no connection is shared.
            .pool_max_idle_per_host(0)
            .build()
            .context("the HTTP client does not start")?;
        Ok(Signalling { client })
    }

    /// Posts an offer to a WHIP or WHEP endpoint.
    ///
    /// # Errors
    ///
    /// Anything but 201 with an SDP body; the error carries what the endpoint
    /// said.
    pub async fn offer(&self, endpoint: &Url, offer: String) -> anyhow::Result<Created> {
        let response = self
            .client
            .post(endpoint.clone())
            .header(CONTENT_TYPE, "application/sdp")
            .body(offer)
            .send()
            .await
            .with_context(|| format!("no answer from {endpoint}"))?;
        let status = response.status();
        let session = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .and_then(|location| endpoint.join(location).ok());
        let body = response.text().await.context("the answer broke off")?;
        ensure!(
            status == StatusCode::CREATED,
            "{endpoint} answers {status} instead of 201: {}",
            body.chars().take(300).collect::<String>()
        );
        Ok(Created {
            answer: body,
            session,
        })
    }

    /// Ends a session. A server that is gone has ended it already.
    pub async fn delete(&self, session: &Url) {
        if let Err(e) = self.client.delete(session.clone()).send().await {
            tracing::debug!("DELETE {session}: {e}");
        }
    }
}

/// Parses an address and checks that load may go there.
///
/// # Errors
///
/// When it is not an http URL with a host, the host has no address, or one of
/// its addresses is not allowed by `filter`.
pub fn checked_url(url: &str, filter: CandidateFilter) -> anyhow::Result<Url> {
    let url: Url = url
        .parse()
        .with_context(|| format!("{url:?} is not a URL"))?;
    ensure!(
        url.scheme() == "http",
        "{url}: only http is supported, this generator measures a server of its own machine"
    );
    for address in addresses(&url)? {
        if !filter.allows(address.ip()) {
            bail!(
                "{url} leads to {}, which is not a loopback address; \
                 if that host is yours to load, say --i-own-this-host",
                address.ip()
            );
        }
    }
    Ok(url)
}

/// The address of this machine from which packets to `url`'s host leave.
///
/// # Errors
///
/// When the host has no address or no way leads there.
pub fn local_address(url: &Url) -> anyhow::Result<IpAddr> {
    let target = addresses(url)?
        .into_iter()
        .next()
        .with_context(|| format!("{url} has no address"))?;
    if target.ip().is_loopback() {
        return Ok(if target.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            target.ip()
        });
    }
    let any: SocketAddr = if target.is_ipv4() {
        "0.0.0.0:0".parse()?
    } else {
        "[::]:0".parse()?
    };
    // Connecting a UDP socket sends nothing; it only asks for the route.
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}

fn addresses(url: &Url) -> anyhow::Result<Vec<SocketAddr>> {
    url.socket_addrs(|| None)
        .with_context(|| format!("{url} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_pass_unless_the_host_is_owned() {
        for url in ["http://127.0.0.1:8080/whip/a", "http://[::1]:8080/whip/a"] {
            assert!(checked_url(url, CandidateFilter::Loopback).is_ok(), "{url}");
        }
        let elsewhere = "http://192.0.2.1/whip/a";
        let error = checked_url(elsewhere, CandidateFilter::Loopback).unwrap_err();
        assert!(error.to_string().contains("--i-own-this-host"));
        assert!(checked_url(elsewhere, CandidateFilter::Any).is_ok());
    }

    #[test]
    fn what_is_not_an_http_url_is_named() {
        for url in ["", "127.0.0.1:80", "https://127.0.0.1/whip/a"] {
            assert!(checked_url(url, CandidateFilter::Any).is_err(), "{url}");
        }
    }

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        let token: Bearer = "eJyrVgrxCdYrSy1S_".parse().unwrap();
        assert_eq!(token.0.to_str().unwrap(), "Bearer eJyrVgrxCdYrSy1S_");
        assert!(!format!("{token:?}").contains("eJy"));
        for text in ["", "a b", "a\n", "é"] {
            assert!(text.parse::<Bearer>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        let url = "http://127.0.0.1:9/".parse().unwrap();
        assert!(local_address(&url).unwrap().is_loopback());
    }
}
