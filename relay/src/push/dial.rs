//! Connections to other servers.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::failure::Failure;
use super::hosts::{HostRule, is_public};
use super::target::PushTarget;

/// A connection.
pub(super) trait Link: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Link for T {}

/// A connection to come.
pub(super) type Dialled<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Link>, Failure>> + Send + 'a>>;

/// Who makes connections.
pub(super) trait Dial: Send + Sync + 'static {
    /// Connects. The caller bounds the time.
    fn dial<'a>(&'a self, target: &'a PushTarget) -> Dialled<'a>;
}

/// TCP and TLS.
pub(super) struct Network {
    /// Hosts whose addresses may be private.
    pub(super) private_hosts: Vec<HostRule>,
    /// For `rtmps`.
    pub(super) tls: Arc<ClientConfig>,
}

impl Dial for Network {
    fn dial<'a>(&'a self, target: &'a PushTarget) -> Dialled<'a> {
        Box::pin(async move {
            // Looked up once: what is checked is what is connected to, whatever the name's
            // server says a moment later.
            let found = lookup_host((target.host(), target.port())).await;
            let found: Vec<SocketAddr> = found.map_err(|_| Failure::Name)?.collect();
            let allowed = self.allowed(target, &found)?;
            let mut tcp = Err(Failure::Connect);
            for address in allowed.into_iter().take(MAX_ADDRESSES) {
                if let Ok(stream) = TcpStream::connect(address).await {
                    tcp = Ok(stream);
                    break;
                }
            }
            let tcp = tcp?;
            // Batches are ours: the next tag goes once the one before is with the system.
            let _ = tcp.set_nodelay(true);
            if !target.is_tls() {
                return Ok(Box::new(tcp) as Box<dyn Link>);
            }
            let name = ServerName::try_from(target.host().to_owned()).map_err(|_| Failure::Tls)?;
            let connector = TlsConnector::from(self.tls.clone());
            let tls = connector.connect(name, tcp).await;
            Ok(Box::new(tls.map_err(|_| Failure::Tls)?) as Box<dyn Link>)
        })
    }
}

impl Network {
    fn allowed(
        &self,
        target: &PushTarget,
        found: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, Failure> {
        if found.is_empty() {
            return Err(Failure::Name);
        }
        let is_named = self.private_hosts.iter().any(|rule| rule.allows(target));
        let found = found.iter().copied();
        let allowed: Vec<_> = found.filter(|at| is_named || is_public(at.ip())).collect();
        if allowed.is_empty() {
            return Err(Failure::Private);
        }
        Ok(allowed)
    }
}

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_rustls::rustls::RootCertStore;

    use super::*;

    fn network(private_hosts: &[&str]) -> Network {
        let tls = ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Network {
            private_hosts: private_hosts.iter().map(|h| h.parse().unwrap()).collect(),
            tls: Arc::new(tls),
        }
    }

    #[tokio::test]
    async fn this_machine_is_reached_only_where_the_settings_name_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dial = async |rules: &[&str], host: &str| {
            let target = format!("rtmp://{host}:{port}/app/key").parse().unwrap();
            network(rules).dial(&target).await.map(drop)
        };
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"] {
            let refused = dial(&[], host).await.unwrap_err();
            assert!(
                matches!(refused, Failure::Private | Failure::Name),
                "{host}"
            );
        }
        assert_eq!(dial(&[], "127.0.0.1").await, Err(Failure::Private));
        let other_port = ["127.0.0.1:1", "127.0.0.1"];
        assert_eq!(dial(&other_port, "127.0.0.1").await, Err(Failure::Private));
        let rule = format!("127.0.0.1:{port}");
        assert_eq!(dial(&[&rule], "127.0.0.1").await, Ok(()));
        drop(listener);
        assert_eq!(dial(&[&rule], "127.0.0.1").await, Err(Failure::Connect));
    }

    #[test]
    fn of_a_name_with_both_only_public_addresses_are_used() {
        let target = "rtmp://a.example/app/key".parse().unwrap();
        let found = ["10.0.0.1:1935", "1.1.1.1:1935"].map(|at| at.parse().unwrap());
        let allowed = network(&[]).allowed(&target, &found);
        assert_eq!(allowed, Ok(vec![found[1]]));
        let allowed = network(&["a.example"]).allowed(&target, &found);
        assert_eq!(allowed, Ok(found.to_vec()));
    }
}
