//! A server with one stream, and viewers of it on real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sfu::server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::publisher::Publisher;
use crate::support::{PATIENCE, SDP, settings, until};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server with one stream, `show`.
pub(crate) struct Show {
    pub(crate) server: Option<Server>,
    pub(crate) address: SocketAddr,
    session: String,
    sending: JoinHandle<()>,
}

impl Show {
    pub(crate) async fn begin(toml: &str, publisher: (Publisher, String)) -> Self {
        let server = Server::start(&settings(toml)).await.expect("server");
        let address = server.local_addr();
        let (publisher, offer) = publisher;
        let reply = reqwest::Client::new()
            .post(format!("http://{address}/whip/show"))
            .header("content-type", SDP)
            .body(offer)
            .send()
            .await
            .expect("response");
        assert_eq!(reply.status(), 201);
        let path = reply.headers()["location"].to_str().expect("text");
        let session = format!("http://{address}{path}");
        let (state, sending) = publisher.start(&reply.text().await.expect("answer"));
        until("the publisher is connected", || state.is_connected()).await;
        let show = Self {
            server: Some(server),
            address,
            session,
            sending,
        };
        show.reaches("weblive_relay_gops_total", |gops| gops >= 1.0)
            .await;
        show
    }

    pub(crate) async fn small(toml: &str) -> Self {
        Self::begin(toml, Publisher::new().await).await
    }

    pub(crate) async fn large(toml: &str) -> Self {
        let (mut publisher, offer) = Publisher::new().await;
        // Pictures of 40 kB, a megabyte a second.
        publisher.slices = 40;
        Self::begin(toml, (publisher, offer)).await
    }

    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) async fn metric(&self, line: &str) -> f64 {
        let url = format!("http://{}/metrics", self.address);
        let page = reqwest::get(url).await.expect("page").text().await;
        page.expect("text")
            .lines()
            .find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
            .unwrap_or_default()
    }

    pub(crate) async fn reaches(&self, line: &str, is_wanted: impl Fn(f64) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(line).await;
            if is_wanted(value) {
                return;
            }
            assert!(Instant::now() < end, "{line} is {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn is(&self, line: &str, wanted: f64) {
        self.reaches(line, |value| (value - wanted).abs() < f64::EPSILON)
            .await;
    }

    /// What the API answers with 200.
    pub(crate) async fn api(
        &self,
        method: &str,
        path: &str,
        body: &'static str,
    ) -> serde_json::Value {
        let url = format!("http://{}/api/v1{path}", self.address);
        let method = method.parse().expect("a method");
        let reply = reqwest::Client::new()
            .request(method, url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("response");
        let status = reply.status();
        let body = reply.bytes().await.expect("whole");
        assert_eq!(status, 200, "{body:?}");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// A request for what the server has at `path`.
    pub(crate) fn get(&self, path: &str) -> http::Request<Empty<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        http::Request::get(uri).body(Empty::new()).expect("request")
    }

    pub(crate) async fn end_broadcast(&self) {
        let ended = reqwest::Client::new().delete(&self.session).send().await;
        assert!(ended.expect("response").status().is_success());
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

/// The next binary message.
pub(crate) async fn binary(socket: &mut Socket) -> Vec<u8> {
    loop {
        let next = timeout(PATIENCE, socket.next()).await;
        match next.expect("in time").expect("open").expect("whole") {
            Message::Binary(bytes) => return bytes.to_vec(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The code of the close frame.
pub(crate) async fn closed(socket: &mut Socket) -> CloseCode {
    loop {
        let next = timeout(PATIENCE, socket.next()).await;
        match next.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code,
            Some(Ok(Message::Binary(_) | Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}
/// Status and `code` of the problem that a handshake is answered with.
pub(crate) async fn refused(request: impl IntoClientRequest + Unpin) -> (u16, String) {
    match connect_async(request).await {
        Err(Error::Http(response)) => {
            let document = response.body().clone().unwrap_or_default();
            let document: serde_json::Value =
                serde_json::from_slice(&document).expect("a problem document");
            let code = document["code"].as_str().expect("code").to_owned();
            (response.status().as_u16(), code)
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}
/// Asks for the stream on a socket that takes little, and reads nothing of the answer.
pub(crate) async fn ask(address: SocketAddr, request: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("socket");
    socket.set_recv_buffer_size(8_192).expect("set");
    let mut stream = socket.connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("asked");
    stream
}

/// A connection of HTTP/2 that takes a tenth of a second of a large stream at once.
pub(crate) async fn http2(address: SocketAddr) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connected");
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(100_000)
        .initial_connection_window_size(1 << 20)
        .handshake(TokioIo::new(stream))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender
}
