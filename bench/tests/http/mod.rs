//! WHIP and WHEP over the server's workers by as little HTTP as it takes.

use std::net::SocketAddr;

use sfu::worker::{Role, SessionRef, Workers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves until the runtime ends; returns the address.
pub(crate) async fn serve(workers: Workers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, workers.clone()));
        }
    });
    address
}

/// One request a connection.
async fn answer(mut stream: TcpStream, workers: Workers) {
    let mut request = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break (head.clone(), body.to_owned());
        }
    };
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut parts = path.split('/').skip(1);
    let role = match parts.next() {
        Some("whip") => Role::Publisher,
        _ => Role::Subscriber,
    };
    let id = parts.next().unwrap().parse().unwrap();
    let (status, location, body) = if method == "post" {
        let accepted = match role {
            Role::Publisher => workers.publish(id, body).await,
            Role::Subscriber => workers.subscribe(id, body).await,
        };
        match accepted {
            Ok(accepted) => {
                let location = format!("{path}/{}", accepted.session);
                ("201 Created", location, accepted.answer)
            }
            Err(e) => ("409 Conflict", String::new(), e.to_string()),
        }
    } else {
        let session = parts.next().unwrap().parse().unwrap();
        let closed = workers
            .close(SessionRef {
                stream: id,
                session,
                role,
            })
            .await;
        match closed {
            Ok(()) => ("200 OK", String::new(), String::new()),
            Err(e) => ("404 Not Found", String::new(), e.to_string()),
        }
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nlocation: {location}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await.unwrap();
}
