//! HTTPS: the certificate made at start, and both versions of HTTP.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sfu::server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::settings;

/// Trusts the certificate that it sees, and checks everything else about it.
#[derive(Debug)]
struct TrustOnSight {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TrustOnSight {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone().into_owned())?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)?;
        rustls::client::verify_server_name(&parsed, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn connector(alpn: &[&[u8]]) -> TlsConnector {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = TrustOnSight {
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_self_signed_certificate_is_for_the_names_of_this_machine() {
    let server = Server::start(&settings("tls.self_signed = true"))
        .await
        .expect("server");
    assert!(
        server.page().starts_with("https://127.0.0.1:"),
        "{}",
        server.page()
    );
    for name in ["localhost", "127.0.0.1", "::1"] {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let mut tls = connector(&[b"http/1.1"])
            .connect(name, stream)
            .await
            .expect("handshake");
        tls.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut said = String::new();
        tls.read_to_string(&mut said).await.unwrap();
        assert!(
            said.starts_with("HTTP/1.1 200 OK") && said.ends_with("ok\n"),
            "{said}"
        );
    }
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let other = ServerName::try_from("other.example").unwrap();
    assert!(connector(&[]).connect(other, stream).await.is_err());
}

#[tokio::test]
async fn http2_is_chosen_where_both_know_it() {
    let server = Server::start(&settings("tls.self_signed = true"))
        .await
        .expect("server");
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = connector(&[b"h2", b"http/1.1"])
        .connect(name, stream)
        .await
        .expect("handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let io = hyper_util::rt::TokioIo::new(tls);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io)
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/healthz")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(
        sender
            .send_request(request)
            .await
            .expect("response")
            .status(),
        200
    );
}

#[tokio::test]
async fn plain_http_on_the_tls_port_and_silence_free_their_places() {
    let toml = "tls.self_signed = true\nhttp.header_timeout = \"300ms\"\nhttp.max_connections = 2";
    let server = Server::start(&settings(toml)).await.expect("server");
    let mut plain = TcpStream::connect(server.local_addr()).await.unwrap();
    let silent = TcpStream::connect(server.local_addr()).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    for mut stream in [plain, silent] {
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
        assert!(!read.starts_with(b"HTTP"));
    }
    let stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    connector(&[])
        .connect(name, stream)
        .await
        .expect("a place is free");
}
