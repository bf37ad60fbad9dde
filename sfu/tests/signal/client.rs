//! A client of `/signal`: it sends requests, finds their answers, and checks that the events of
//! its session have no holes.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;

/// Who asks for more than this has a broken server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One socket, and the session on it.
pub(crate) struct Client {
    socket: WebSocketStream<Box<dyn Stream>>,
    next_id: u32,
    /// Events that nobody has looked at.
    pub(crate) events: VecDeque<Value>,
    /// The number of the last event of the session.
    pub(crate) last_seq: u64,
    session: Option<Session>,
}

/// A connection, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What a session is resumed with.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) last_seq: u64,
    /// An id is used once in a session.
    next_id: u32,
}

/// A refusal of the server: HTTP's before the socket is open.
#[derive(Debug)]
pub(crate) struct NotOpened {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// Opens a socket to `127.0.0.1:port`.
    pub(crate) async fn open(port: u16) -> Self {
        Self::open_with(port, &[], None).await.expect("a socket")
    }

    /// Opens a socket with more header fields, and a receive buffer of the system.
    pub(crate) async fn open_with(
        port: u16,
        headers: &[(&'static str, &str)],
        receive_buffer: Option<u32>,
    ) -> Result<Self, NotOpened> {
        let tcp = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = receive_buffer {
            tcp.set_recv_buffer_size(bytes).expect("a buffer");
        }
        let stream = tcp.connect(([127, 0, 0, 1], port).into()).await;
        let stream = stream.expect("connected");
        stream.set_nodelay(true).expect("an option");
        Self::open_on(Box::new(stream), "ws", headers).await
    }

    /// Opens a socket on a connection.
    pub(crate) async fn open_on(
        stream: Box<dyn Stream>,
        scheme: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, NotOpened> {
        let mut request = format!("{scheme}://localhost/signal")
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            let value = value.parse().expect("a header field");
            request.headers_mut().insert(*name, value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                next_id: 1,
                events: VecDeque::new(),
                last_seq: 0,
                session: None,
            }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(NotOpened {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default())
                    .into_owned(),
            }),
            Err(error) => panic!("not opened: {error}"),
        }
    }

    /// Opens a socket and logs in to an open server.
    pub(crate) async fn user(port: u16, user: &str) -> Self {
        let mut client = Self::open(port).await;
        client.login(0, Some(user), None).await.expect("logged in");
        client
    }

    /// Logs in.
    pub(crate) async fn login(
        &mut self,
        app: u32,
        user: Option<&str>,
        user_sig: Option<&str>,
    ) -> Result<Value, Value> {
        let login = json!({ "version": 1, "app": app, "user": user, "userSig": user_sig });
        let result = self.ask("login", login).await?;
        self.keep_session(&result);
        Ok(result)
    }

    /// Goes on with a session on this socket.
    pub(crate) async fn resume(&mut self, session: &Session) -> Result<Value, Value> {
        self.last_seq = session.last_seq;
        self.next_id = self.next_id.max(session.next_id);
        self.session = Some(session.clone());
        let resume = json!({
            "session": session.id,
            "resumeToken": session.token,
            "lastSeq": session.last_seq,
        });
        self.ask("resume", resume).await
    }

    fn keep_session(&mut self, result: &Value) {
        let text = |name: &str| result[name].as_str().expect("a text").to_owned();
        self.session = Some(Session {
            id: text("session"),
            token: text("resumeToken"),
            last_seq: 0,
            next_id: 0,
        });
    }

    /// What the session is resumed with now.
    pub(crate) fn session(&self) -> Session {
        Session {
            last_seq: self.last_seq,
            next_id: self.next_id,
            ..self.session.clone().expect("logged in")
        }
    }

    /// Sends a request; gives its id.
    pub(crate) async fn send(&mut self, name: &str, mut fields: Value) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        fields["id"] = id.into();
        fields["type"] = name.into();
        self.send_text(&fields.to_string()).await;
        id
    }

    /// Sends a request under an id that was used before, and waits for its answer.
    pub(crate) async fn send_again(
        &mut self,
        id: u32,
        name: &str,
        mut fields: Value,
    ) -> Result<Value, Value> {
        fields["id"] = id.into();
        fields["type"] = name.into();
        self.send_text(&fields.to_string()).await;
        self.answer(id).await
    }

    /// Sends a text as it is.
    pub(crate) async fn send_text(&mut self, text: &str) {
        // A server that has closed the socket says why to the reader.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// Sends a frame as it is.
    pub(crate) async fn send_frame(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// Sends a request and waits for its answer: the result, or the error.
    pub(crate) async fn ask(&mut self, name: &str, fields: Value) -> Result<Value, Value> {
        let id = self.send(name, fields).await;
        self.answer(id).await
    }

    /// Waits for the answer to a request.
    pub(crate) async fn answer(&mut self, id: u32) -> Result<Value, Value> {
        loop {
            let message = self.next().await.unwrap_or_else(|end| {
                panic!("the socket has ended while request {id} waited: {end:?}")
            });
            if message["type"] == "event" {
                self.events.push_back(message);
                continue;
            }
            assert_eq!(message["type"], "response", "{message}");
            if message["id"] != id {
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(error.clone()),
                None => Ok(message["result"].clone()),
            };
        }
    }

    /// The next event.
    pub(crate) async fn any_event(&mut self) -> Value {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let message = self.next().await.expect("the socket stays open");
            if message["type"] == "event" {
                self.events.push_back(message);
            }
        }
    }

    /// The next event of a name, skipping others.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// The next event of a name of which something holds, skipping others.
    pub(crate) async fn event_where(
        &mut self,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            while let Some(event) = self.events.pop_front() {
                if event["event"] == name && holds(&event) {
                    return event;
                }
            }
            let message = timeout_at(end, self.next()).await;
            let message = message.unwrap_or_else(|_| panic!("no event {name}"));
            let message = message.unwrap_or_else(|end| panic!("ended without {name}: {end:?}"));
            if message["type"] == "event" {
                self.events.push_back(message);
            }
        }
    }

    /// Events that come within a time, and those that waited.
    pub(crate) async fn events_for(&mut self, time: Duration) -> Vec<Value> {
        let end = Instant::now() + time;
        while let Ok(Ok(message)) = timeout_at(end, self.next()).await {
            if message["type"] == "event" {
                self.events.push_back(message);
            }
        }
        self.events.drain(..).collect()
    }

    /// The next message of the server, or how the socket ended.
    pub(crate) async fn next(&mut self) -> Result<Value, Option<(u16, String)>> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await;
            let message = match frame.expect("the server says something") {
                Some(Ok(Message::Text(text))) => {
                    serde_json::from_str::<Value>(&text).expect("JSON")
                }
                Some(Ok(Message::Close(frame))) => {
                    // The answer to it goes out with the next read.
                    let _ = timeout(Duration::from_millis(100), self.socket.next()).await;
                    let frame = frame.map(|f| (u16::from(f.code), f.reason.to_string()));
                    return Err(frame);
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Err(None),
            };
            if message["type"] == "event" {
                let seq = message["seq"].as_u64().expect("a number");
                assert_eq!(seq, self.last_seq + 1, "a hole in the events: {message}");
                self.last_seq = seq;
            }
            return Ok(message);
        }
    }

    /// Reads until the socket is closed; gives the code and the sentence.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let end = Instant::now() + PATIENCE;
        loop {
            match timeout_at(end, self.next()).await.expect("it is closed") {
                Ok(_) => {}
                Err(frame) => return frame.expect("a close frame"),
            }
        }
    }

    /// Ends the connection without a word, as a network does that is gone.
    pub(crate) fn cut(self) -> Session {
        let session = self.session();
        drop(self.socket);
        session
    }

    /// The connection itself.
    pub(crate) fn into_stream(self) -> Box<dyn Stream> {
        self.socket.into_inner()
    }
}
