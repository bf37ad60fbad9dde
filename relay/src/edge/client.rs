//! One request to the origin: TCP or TLS, and HTTP/1.1 on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::failure::Failure;
use super::origin::Origin;
use super::pull::Outcome;

/// An answer of the origin, which goes on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Incoming,
    _connection: Connection,
}

/// Asks for a request target. The caller bounds the time.
pub(super) async fn get(
    origin: &Origin,
    tls: &Arc<ClientConfig>,
    target: &str,
) -> Result<Answer, Outcome> {
    let tcp = connect(origin).await.map_err(Outcome::Failed)?;
    if !origin.is_tls() {
        return ask(origin, tcp, target).await;
    }
    let name = ServerName::try_from(origin.host().to_owned());
    let name = name.map_err(|_| Outcome::Failed(Failure::Tls))?;
    let tls = TlsConnector::from(tls.clone()).connect(name, tcp).await;
    let tls = tls.map_err(|_| Outcome::Failed(Failure::Tls))?;
    ask(origin, tls, target).await
}

async fn connect(origin: &Origin) -> Result<TcpStream, Failure> {
    let found = lookup_host((origin.host(), origin.port())).await;
    let found = in_turn(found.map_err(|_| Failure::Connect)?);
    race(found, TcpStream::connect)
        .await
        .ok_or(Failure::Connect)
}

/// The first addresses, those of the two families in turn from the family of the first on (RFC 8305
/// section 4).
fn in_turn(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|found| found.is_ipv6() == is_v6);
    let mut rest = second.into_iter();
    let mut in_turn = Vec::new();
    for address in first {
        in_turn.push(address);
        in_turn.extend(rest.next());
    }
    in_turn.extend(rest);
    in_turn.truncate(MAX_ADDRESSES);
    in_turn
}

/// The first connection that is made: the next address is tried when one has failed, and after
/// [`ATTEMPT_DELAY`] beside those that have not answered (RFC 8305 section 5).
async fn race<T, F>(addresses: Vec<SocketAddr>, dial: impl Fn(SocketAddr) -> F) -> Option<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut rest = addresses.into_iter().peekable();
    loop {
        attempts.extend(rest.next().map(&dial));
        let has_more = rest.peek().is_some();
        loop {
            tokio::select! {
                made = attempts.next() => match made {
                    Some(Ok(made)) => return Some(made),
                    Some(Err(_)) if has_more => break,
                    Some(Err(_)) => {}
                    None => return None,
                },
                () = sleep(ATTEMPT_DELAY), if has_more => break,
            }
        }
    }
}

async fn ask<S>(origin: &Origin, stream: S, target: &str) -> Result<Answer, Outcome>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |_| Outcome::Failed(Failure::Broken);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = Connection(tokio::spawn(async move {
        // What went wrong is told to the body, too.
        let _ = connection.await;
    }));
    let wrong = |_| Outcome::Failed(Failure::Broken);
    let mut request = Request::get(target)
        .body(Empty::<Bytes>::new())
        .map_err(wrong)?;
    let host = HeaderValue::from_str(origin.authority());
    let headers = request.headers_mut();
    headers.insert(HOST, host.map_err(|_| Outcome::Failed(Failure::Connect))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let response = sender.send_request(request).await.map_err(broken)?;
    match response.status() {
        StatusCode::OK => Ok(Answer {
            body: response.into_body(),
            _connection: connection,
        }),
        StatusCode::NOT_FOUND => Err(Outcome::NotFound),
        status => Err(Outcome::Failed(Failure::Status(status.as_u16()))),
    }
}

/// Ends with the answer.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const AGENT: &str = concat!("weblive-edge/", env!("CARGO_PKG_VERSION"));

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Between the beginnings of two tries (RFC 8305 section 8, Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Bytes of one read: a connection holds no more than that.
const READ_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    fn address(last: u16, is_v6: bool) -> SocketAddr {
        match is_v6 {
            true => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80)),
            false => SocketAddr::from(([192, 0, 2, last as u8], 80)),
        }
    }

    #[test]
    fn the_families_take_turns() {
        let found = [(1, true), (2, true), (3, true), (4, false), (5, false)];
        let found = found.map(|(last, is_v6)| address(last, is_v6));
        let expected = [found[0], found[3], found[1], found[4]];
        assert_eq!(in_turn(found.into_iter()), expected);
        let all_v4 = [4, 5].map(|last| address(last, false));
        assert_eq!(in_turn(all_v4.into_iter()), all_v4);
        assert!(in_turn(std::iter::empty()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_the_next_one_a_moment_only() {
        let start = Instant::now();
        let all = [1, 2, 3].map(|last| address(last, false));
        let made = race(all.to_vec(), async |to| match to {
            to if to == all[2] => Ok(to),
            _ => pending().await,
        });
        assert_eq!(made.await, Some(all[2]));
        assert_eq!(start.elapsed(), 2 * ATTEMPT_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing_and_all_of_them_have_their_time() {
        let start = Instant::now();
        let all = [1, 2].map(|last| address(last, false));
        let slow = Duration::from_secs(3);
        let made = race(all.to_vec(), async |to| {
            if to == all[0] {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            sleep(slow).await;
            Ok(to)
        });
        assert_eq!(made.await, Some(all[1]));
        assert_eq!(start.elapsed(), slow);
        // The first may still win when the second has failed.
        let made = race(all.to_vec(), async |to| {
            if to == all[1] {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            sleep(slow).await;
            Ok(to)
        });
        assert_eq!(made.await, Some(all[0]));
        let refused = race(all.to_vec(), async |_| {
            Err::<(), _>(io::ErrorKind::ConnectionRefused.into())
        });
        assert_eq!(refused.await, None);
    }
}
