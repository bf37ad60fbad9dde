//! `wss:`.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::Client;
use crate::rooms::{say, texts};
use crate::server::{port, serve};

#[tokio::test]
async fn a_socket_over_tls_is_like_any_other() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let server = serve(&format!("tls.cert = {cert:?}\ntls.key = {key:?}")).await;
    let port = port(&server);

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A WebSocket is opened with HTTP/1.1, as browsers do.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));

    let mut clients = Vec::new();
    for user in ["anna", "ben"] {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let name = "localhost".try_into().expect("a name");
        let stream = connector.connect(name, stream.expect("connected")).await;
        let stream = Box::new(stream.expect("a handshake"));
        let client = Client::open_on(stream, "wss", &[("origin", "https://localhost")]).await;
        let mut client = client.expect("a socket");
        client.login(0, Some(user), None).await.expect("logged in");
        let enter = json!({ "room": 1, "part": "all", "role": "anchor" });
        if user == "anna" {
            let room = json!({ "room": 1 });
            client.ask("createRoom", room).await.expect("made");
        }
        client.ask("enterRoom", enter).await.expect("entered");
        clients.push(client);
    }
    let [mut anna, mut ben] = <[Client; 2]>::try_from(clients).ok().expect("two");
    say(&mut anna, json!(1), "over TLS").await;
    let from_anna = |event: &serde_json::Value| event["message"]["from"] == "anna";
    let event = ben.event_where("message", from_anna).await;
    assert_eq!(texts(&[event]), ["over TLS"]);
    // Without TLS there is nothing at this port.
    let plain = reqwest::get(format!("http://127.0.0.1:{port}/healthz")).await;
    assert!(plain.is_err());
    server.shut_down().await;
}
