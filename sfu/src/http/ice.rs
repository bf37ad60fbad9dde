//! ICE servers as `Link` header fields (RFC 9725 §4.6).

use http::HeaderValue;

use crate::config::IceServer;

/// One field for each URL, for a client that comes at `now`, in Unix seconds.
pub(super) fn links(servers: &[IceServer], now: u64, name: &str) -> Vec<HeaderValue> {
    servers
        .iter()
        .map(|server| server.told(now, name))
        .collect::<Vec<_>>()
        .iter()
        .flat_map(|server| server.urls.iter().map(move |url| (server, url)))
        .filter_map(|(server, url)| {
            let mut link = format!("<{url}>; rel=\"ice-server\"");
            if !server.username.is_empty() {
                link += &format!(
                    "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                    server.username, server.credential
                );
            }
            // Settings refuse what is no header value.
            let mut value = HeaderValue::try_from(link).ok()?;
            value.set_sensitive(!server.credential.is_empty());
            Some(value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_url_is_one_link_and_turn_has_credentials() {
        let servers = [
            IceServer {
                urls: vec!["stun:stun.example.org".into(), "stun:b.example.org".into()],
                ..IceServer::default()
            },
            IceServer {
                urls: vec!["turn:turn.example.org?transport=udp".into()],
                username: "user".into(),
                credential: "secret".into(),
                ..IceServer::default()
            },
        ];
        let links = links(&servers, 1_800_000_000, "publisher");
        assert_eq!(links.len(), 3);
        assert_eq!(links[0], "<stun:stun.example.org>; rel=\"ice-server\"");
        assert_eq!(
            links[2],
            "<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; username=\"user\"; credential=\"secret\"; credential-type=\"password\""
        );
        assert!(!format!("{links:?}").contains("secret"));
    }

    #[test]
    fn credentials_from_a_secret_end_with_their_time() {
        let servers = [IceServer {
            urls: vec!["turn:turn.example.org".into()],
            secret: Some("north".parse().unwrap()),
            lifetime: Duration::from_secs(600),
            ..IceServer::default()
        }];
        let link = &links(&servers, 1_799_999_400, "anna")[0];
        let text = link.to_str().unwrap();
        assert!(
            text.contains(
                "username=\"1800000000:anna\"; credential=\"hcODHAE/R+P6eKoXy+CURRRDzsg=\""
            ),
            "{text}"
        );
        assert!(!text.contains("north") && link.is_sensitive());
    }
}
