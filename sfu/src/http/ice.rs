//! ICE servers as `Link` header fields (RFC 9725 §4.6).

use http::HeaderValue;

use crate::config::IceServer;

/// One field for each URL.
pub(super) fn links(servers: &[IceServer]) -> Vec<HeaderValue> {
    servers
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
            },
        ];
        let links = links(&servers);
        assert_eq!(links.len(), 3);
        assert_eq!(links[0], "<stun:stun.example.org>; rel=\"ice-server\"");
        assert_eq!(
            links[2],
            "<turn:turn.example.org?transport=udp>; rel=\"ice-server\"; username=\"user\"; credential=\"secret\"; credential-type=\"password\""
        );
        assert!(!format!("{links:?}").contains("secret"));
    }
}
